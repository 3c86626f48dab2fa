/*
 * aside.h: bytes that are no frames of a stream are kept beside it before they are cut off.
 */
#ifndef JOURNAL_ASIDE_H
#define JOURNAL_ASIDE_H

#include <stdint.h>

#include <flatstream/status.h>

/* Room for a file's name without its folder. */
#define FLS_ASIDE_NAME_BYTES 256

/*
 * Copies what the file `path` has from `offset` on into the first `<path>.damaged-NNNNNN` that is
 * not there, no more readable than the file, synced, with its folder. The file itself is not
 * changed. FLS_OK: `name` is the copy's, without the folder; FLS_IO, FLS_NO_MEMORY: no copy is
 * left.
 */
FLS_MUST_USE enum fls_status fls_set_aside(const char *path, uint64_t offset,
                                           char name[FLS_ASIDE_NAME_BYTES],
                                           struct fls_error *error);

/* Nothing was cut after all: the copy goes, and the name with it. None is allowed. */
void fls_aside_take_back(const char *path, char name[FLS_ASIDE_NAME_BYTES]);

#endif
