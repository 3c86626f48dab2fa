/*
 * aside.h: bytes that are no frames of a stream are kept beside it before they are cut off.
 */
#ifndef JOURNAL_ASIDE_H
#define JOURNAL_ASIDE_H

#include <stdint.h>

#include <flatstream/status.h>

/*
 * Copies what the file `path` has from `offset` on into the first `<path>.damaged-NNNNNN` that is
 * not there, with the file's permissions, synced, with its folder. The file itself is not changed.
 * FLS_OK: *name is the copy's, for free(); FLS_IO, FLS_NO_MEMORY: no copy is left.
 */
FLS_MUST_USE enum fls_status fls_set_aside(const char *path, uint64_t offset, char **name,
                                           struct fls_error *error);

#endif
