/*
 * reader.h: what recover.c needs from the reader beyond its public face.
 */
#ifndef STREAM_READER_H
#define STREAM_READER_H

#include <flatstream/reader.h>

/* Width of this reader's headers, and the checksum that it expects. */
size_t fls_reader_header_bytes(const struct fls_reader *reader);
struct fls_checksum fls_reader_checksum(const struct fls_reader *reader);

/*
 * Reads all bytes from the window's front to the end of the source, and says whether they are all
 * zero; *bytes counts them up to the end or the first that is not. No message can be read after
 * it. FLS_OK, or what stopped the reading.
 */
FLS_MUST_USE enum fls_status fls_reader_rest_is_zero(struct fls_reader *reader, int *is_zero,
                                                     uint64_t *bytes);

#endif
