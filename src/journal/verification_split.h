/*
 * verification_split.h: where a stream can be cut for several threads.
 */
#ifndef JOURNAL_VERIFICATION_SPLIT_H
#define JOURNAL_VERIFICATION_SPLIT_H

#include <flatstream/frame.h>
#include <flatstream/index.h>

/* No place found. */
#define FLS_SPLIT_NONE UINT64_MAX

/*
 * A stream to be cut: of `fd`, from `begin` to `end`. frame_bytes: how large its first frames are
 * on average; index: may be NULL. `hops` holds all that was found by walking over the headers of a
 * stream of large frames, NULL otherwise.
 */
struct fls_split {
    int fd;
    uint64_t begin;
    uint64_t end;
    struct fls_frame_format format;
    size_t header_bytes;
    struct fls_index *index;
    uint64_t frame_bytes;
    uint64_t *hops;
};

/* Prepares it for `count` pieces that begin at about begin + i * (end - begin) / count. FLS_OK,
 * FLS_IO, FLS_NO_MEMORY. */
FLS_MUST_USE enum fls_status fls_split_begin(struct fls_split *split, unsigned count,
                                             struct fls_error *error);
void fls_split_end(struct fls_split *split);

/* Can it be cut at all? Without checksums only by an index. */
int fls_split_is_possible(const struct fls_split *split);

/* Where piece `i` of `count` nominally begins. */
uint64_t fls_split_nominal(const struct fls_split *split, unsigned i, unsigned count);

/*
 * Where piece `i` begins: the first frame at or behind its nominal place, as far as can be told, or
 * FLS_SPLIT_NONE. Often right, never to be relied on. Any thread.
 */
uint64_t fls_split_find(const struct fls_split *split, unsigned i, unsigned count);

#endif
