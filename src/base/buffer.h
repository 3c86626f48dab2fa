/*
 * buffer.h: one block of memory that grows; aligned to 256 bytes, so that whatever alignment a
 * reader promises holds at its start.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include <flatstream/status.h>

#define FLS_BUFFER_ALIGNMENT 256

/* All zero is an empty buffer. */
struct fls_buffer {
    uint8_t *bytes;
    size_t capacity;
};

/* A buffer grows by half, but by no more than so many bytes beyond what is asked for: the reader
 * and the writer promise not to hold much more than the largest message. */
#define FLS_BUFFER_SPARE_BYTES_MAX ((size_t)256 * 1024)

/*
 * Makes room for `capacity` bytes and keeps the first `used`; never shrinks. A buffer from 1 MiB on
 * is never held twice. FLS_OK, or FLS_NO_MEMORY with the `used` bytes as they were (used 0: the
 * buffer may be empty then).
 */
FLS_MUST_USE enum fls_status fls_buffer_reserve(struct fls_buffer *buffer, size_t capacity,
                                                size_t used);

/* Replaces the memory by exactly `capacity` bytes, contents lost; when there is no memory for that
 * the buffer is left empty. */
void fls_buffer_shrink(struct fls_buffer *buffer, size_t capacity);

void fls_buffer_free(struct fls_buffer *buffer);

#endif
