/*
 * index_internal.h: what the journal, verification and checking need of an index beyond its public
 * face.
 */
#ifndef JOURNAL_INDEX_INTERNAL_H
#define JOURNAL_INDEX_INTERNAL_H

#include <flatstream/index.h>

#include "journal/index_file.h"

/* The first entry at or behind `offset`, or where the cover ends. FLS_OK; FLS_END: the cover ends
 * before; FLS_INVALID_ARGUMENT, FLS_IO. Any number of threads at a time. */
FLS_MUST_USE enum fls_status fls_index_find_offset(const struct fls_index *index, uint64_t offset,
                                                   struct fls_index_place *place,
                                                   struct fls_error *error);

/* fls_index_writer_add for all frames of a run: `bytes` bytes of whole frames, one behind another.
 */
FLS_MUST_USE enum fls_status fls_index_writer_add_run(struct fls_index_writer *writer,
                                                      uint64_t offset, size_t header_bytes,
                                                      const uint8_t *frames, size_t bytes,
                                                      struct fls_error *error);

/* A sync of the stream has failed: whether the system has what was handed to it is not known. The
 * index, which says so at once, is trusted from now on only as far as the stream was synced.
 * FLS_OK, FLS_IO. */
FLS_MUST_USE enum fls_status fls_index_writer_doubt(struct fls_index_writer *writer,
                                                    struct fls_error *error);

const struct fls_index_file *fls_index_file_of(const struct fls_index *index);

#endif
