/*
 * aside.h: bytes that are no frames of a stream are kept beside it before they are cut off.
 */
#ifndef JOURNAL_ASIDE_H
#define JOURNAL_ASIDE_H

#include <stdint.h>

#include <flatstream/checksum.h>

/*
 * Are there intact frames behind `offset` of the file `path`, where reading it as frames of this
 * kind ended within one? Then it was not torn there: a length was damaged, and what lies behind is
 * worth keeping. Looks at the next 32 MiB. *holds is always 0 for the kinds under which nothing is
 * proven without a verifier. FLS_OK, FLS_IO, FLS_NO_MEMORY.
 */
FLS_MUST_USE enum fls_status fls_tail_holds_frames(const char *path, uint64_t offset,
                                                   enum fls_checksum_kind kind, int *holds,
                                                   struct fls_error *error);

/*
 * Copies what the file `path` has from `offset` on into the first `<path>.damaged-NNNNNN` that is
 * not there, no more readable than the file, synced, with its folder. The file itself is not
 * changed. FLS_OK: *name is the copy's, for free(); FLS_IO, FLS_NO_MEMORY: no copy is left.
 */
FLS_MUST_USE enum fls_status fls_set_aside(const char *path, uint64_t offset, char **name,
                                           struct fls_error *error);

#endif
