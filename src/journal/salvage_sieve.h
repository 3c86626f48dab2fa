/*
 * salvage_sieve.h: the sieve of salvage: where may a frame begin that is looked for? It sees only
 * lengths, and only those in one window; what passes is compared.
 */
#ifndef JOURNAL_SALVAGE_SIEVE_H
#define JOURNAL_SALVAGE_SIEVE_H

#include "base/bytes.h"
#include "journal/salvage_search.h"

/*
 * What must follow a frame: plausible headers one after another, of at most `longest` bytes each,
 * none of which leads beyond `end`; `headers` of them, or as far as `end`.
 */
struct fls_salvage_trail {
    int headers;
    uint64_t longest;
    uint64_t end;
};

/*
 * What is looked for: proven frames of at least `shortest` and at most `longest` bytes that end at
 * `end` or before, and which the trail follows. It is paid for out of `purse`.
 */
struct fls_salvage_sought {
    uint64_t shortest;
    uint64_t longest;
    uint64_t end;
    struct fls_salvage_trail trail;
    enum fls_salvage_purse purse;
};

/* An XXH3 with so many zero bytes of its eight is none: it occurs once in 2 * 10^10 (256^5 / 56, of
 * 5 in 8), and payloads full of zeros look like that everywhere. */
#define FLS_SALVAGE_CHECKSUM_ZEROS 5

/* Can a frame with this stored checksum be clear, where it is looked for? */
static inline int fls_salvage_is_clear(const struct fls_salvage_search *search, uint64_t stored)
{
    return search->checksum.kind != FLS_CHECKSUM_XXH3 ||
           __builtin_popcountll(fls_zero_bytes(stored)) < FLS_SALVAGE_CHECKSUM_ZEROS;
}

/* Bytes of the stream in memory: `count` of them, from stream offset `at` on. */
struct fls_salvage_window {
    const uint8_t *bytes;
    uint64_t at;
    size_t count;
};

/* So many places of a window go through the sieve at once. */
#define FLS_SALVAGE_SIEVE_PLACES ((size_t)1024)

/* Places in a window, ascending; `ends` are stream offsets: as far as the window shows what follows
 * the frame there. */
struct fls_salvage_candidates {
    size_t count;
    uint32_t places[FLS_SALVAGE_SIEVE_PLACES];
    uint64_t ends[FLS_SALVAGE_SIEVE_PLACES];
};

/* Those of the first `places` places of the window, at most FLS_SALVAGE_SIEVE_PLACES, where what is
 * sought may begin. The window holds the header at the last of them. */
void fls_salvage_sift(const struct fls_salvage_search *search,
                      const struct fls_salvage_window *window, size_t places,
                      const struct fls_salvage_sought *sought,
                      struct fls_salvage_candidates *candidates);

#endif
