/*
 * tap.h: the chain of taps that a writer or a reader keeps.
 */
#ifndef STREAM_TAP_H
#define STREAM_TAP_H

#include <flatstream/tap.h>

/* All zero is an empty chain. */
struct fls_tap_chain {
    struct fls_tap *taps;
    size_t count;
    int contiguous; /* one of them needs its payload in one piece */
};

/* Adds copies of `count` taps. FLS_OK, FLS_INVALID_ARGUMENT, FLS_NO_MEMORY: none was added. */
FLS_MUST_USE enum fls_status fls_tap_chain_add(struct fls_tap_chain *chain,
                                               const struct fls_tap *taps, size_t count,
                                               struct fls_error *error);

/* Runs them in order, up to the first that refuses. */
FLS_MUST_USE enum fls_status fls_tap_chain_run(const struct fls_tap_chain *chain,
                                               const struct fls_payload *payload,
                                               struct fls_error *error);

void fls_tap_chain_free(struct fls_tap_chain *chain);

#endif
