/*
 * buffer.c: see buffer.h.
 *
 * The invariant: memory of MAPPED_BYTES or more is a mapping of its own, which the kernel can make
 * longer without copying it and without holding it twice; anything smaller comes from the heap.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buffer.h"
#include "base/bytes.h"

#define MAPPED_BYTES ((size_t)1024 * 1024)

/* ThreadSanitizer does not see what mremap does: it takes memory that moved to where another
 * thread's was for memory of both. */
#if defined(__SANITIZE_THREAD__)
#define CAN_REMAP 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CAN_REMAP 0
#endif
#endif
#ifndef CAN_REMAP
#define CAN_REMAP 1
#endif

static int is_mapped(size_t capacity)
{
    return capacity >= MAPPED_BYTES;
}

/* NULL when there is no memory, or when rounding up would overflow. */
static uint8_t *allocate(size_t capacity)
{
    if (capacity > SIZE_MAX - (FLS_BUFFER_ALIGNMENT - 1))
        return NULL;
    if (is_mapped(capacity)) {
        void *bytes =
            mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return bytes == MAP_FAILED ? NULL : bytes;
    }
    size_t rounded = (capacity + FLS_BUFFER_ALIGNMENT - 1) / FLS_BUFFER_ALIGNMENT;
    return aligned_alloc(FLS_BUFFER_ALIGNMENT, rounded * FLS_BUFFER_ALIGNMENT);
}

/* As allocate, with the first `used` bytes of the buffer, which keeps its memory on failure. */
static uint8_t *move_to(struct fls_buffer *buffer, size_t capacity, size_t used)
{
    if (CAN_REMAP && is_mapped(buffer->capacity)) {
        void *bytes = mremap(buffer->bytes, buffer->capacity, capacity, MREMAP_MAYMOVE);
        return bytes == MAP_FAILED ? NULL : bytes;
    }
    uint8_t *bytes = allocate(capacity);
    if (!bytes)
        return NULL;
    memcpy(bytes, buffer->bytes, used);
    fls_buffer_free(buffer);
    return bytes;
}

/* By half, so that messages that grow a little each do not cost an allocation each; but not by so
 * much that it would count beside the message. */
static size_t grown_capacity(const struct fls_buffer *buffer, size_t capacity)
{
    size_t most = capacity < SIZE_MAX - FLS_BUFFER_SPARE_BYTES_MAX
                      ? capacity + FLS_BUFFER_SPARE_BYTES_MAX
                      : SIZE_MAX;

    return fls_max_size(capacity, fls_min_size(most, buffer->capacity + buffer->capacity / 2));
}

enum fls_status fls_buffer_reserve(struct fls_buffer *buffer, size_t capacity, size_t used)
{
    if (capacity <= buffer->capacity)
        return FLS_OK;
    size_t grown = grown_capacity(buffer, capacity);
    uint8_t *bytes;
    if (used > 0) {
        bytes = move_to(buffer, grown, used);
    } else {
        fls_buffer_free(buffer);
        bytes = allocate(grown);
    }
    if (!bytes)
        return FLS_NO_MEMORY;
    buffer->bytes = bytes;
    buffer->capacity = grown;
    return FLS_OK;
}

void fls_buffer_shrink(struct fls_buffer *buffer, size_t capacity)
{
    fls_buffer_free(buffer);
    buffer->bytes = allocate(capacity);
    buffer->capacity = buffer->bytes ? capacity : 0;
}

void fls_buffer_free(struct fls_buffer *buffer)
{
    if (is_mapped(buffer->capacity))
        munmap(buffer->bytes, buffer->capacity);
    else
        free(buffer->bytes);
    buffer->bytes = NULL;
    buffer->capacity = 0;
}
