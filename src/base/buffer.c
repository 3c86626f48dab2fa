/*
 * buffer.c: see buffer.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"

/* NULL when there is no memory, or when rounding up would overflow. */
static uint8_t *allocate(size_t capacity)
{
    if (capacity > SIZE_MAX - (FLS_BUFFER_ALIGNMENT - 1))
        return NULL;
    size_t rounded = (capacity + FLS_BUFFER_ALIGNMENT - 1) / FLS_BUFFER_ALIGNMENT;
    return aligned_alloc(FLS_BUFFER_ALIGNMENT, rounded * FLS_BUFFER_ALIGNMENT);
}

enum fls_status fls_buffer_reserve(struct fls_buffer *buffer, size_t capacity, size_t used)
{
    if (capacity <= buffer->capacity)
        return FLS_OK;
    size_t grown = fls_max_size(capacity, buffer->capacity + buffer->capacity / 2);
    uint8_t *bytes = allocate(grown);
    if (!bytes)
        return FLS_NO_MEMORY;
    if (used > 0)
        memcpy(bytes, buffer->bytes, used);
    free(buffer->bytes);
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
    free(buffer->bytes);
    buffer->bytes = NULL;
    buffer->capacity = 0;
}
