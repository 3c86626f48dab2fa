/*
 * range_source.h: a source over a regular file from any offset on, by pread: for reading a little
 * in the middle, and for reading many pieces at a time through one descriptor.
 */
#ifndef JOURNAL_RANGE_SOURCE_H
#define JOURNAL_RANGE_SOURCE_H

#include <flatstream/source.h>

/*
 * Reads `fd` (closed with the source when FLS_OWNED, not when opening fails) from `offset` on. The
 * first read is of `first_bytes` (0: a whole buffer), each later one of twice as many as the one
 * before, up to the buffer of `buffer_bytes` (0: the default), which is as far as a peek reaches.
 * FLS_OK, FLS_NO_MEMORY.
 */
FLS_MUST_USE enum fls_status fls_source_open_range(int fd, enum fls_ownership ownership,
                                                   uint64_t offset, size_t first_bytes,
                                                   size_t buffer_bytes, struct fls_source **source,
                                                   struct fls_error *error);

#endif
