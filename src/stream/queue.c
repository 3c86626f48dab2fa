/*
 * queue.c: see queue.h.
 */
#include <stdlib.h>

#include "stream/queue.h"

enum fls_status fls_queue_open(struct fls_queue *queue, size_t capacity)
{
    queue->capacity = capacity & ~(size_t)(FLS_QUEUE_ALIGNMENT - 1);
    queue->ring = aligned_alloc(64, (queue->capacity + 63) & ~(size_t)63);
    return queue->ring ? FLS_OK : FLS_NO_MEMORY;
}

void fls_queue_free(struct fls_queue *queue)
{
    free(queue->ring);
}

void *fls_queue_wrap(struct fls_queue *queue, size_t bytes)
{
    size_t at = (size_t)(queue->head % queue->capacity);
    size_t filler = bytes > queue->capacity - at ? queue->capacity - at : 0;

    if (fls_queue_bytes(queue) == 0) {
        queue->head = queue->tail = 0;
        return bytes <= queue->capacity ? queue->ring : NULL;
    }
    if (bytes + filler > queue->capacity - fls_queue_bytes(queue))
        return NULL;
    if (filler > 0) {
        struct fls_queue_record *record = (void *)(queue->ring + at);
        *record = (struct fls_queue_record){(uint32_t)filler, FLS_QUEUE_FILLER, 0};
        queue->head += filler;
    }
    return queue->ring + queue->head % queue->capacity;
}

struct fls_queue_record *fls_queue_front(struct fls_queue *queue)
{
    while (fls_queue_bytes(queue) > 0) {
        struct fls_queue_record *record = (void *)(queue->ring + queue->tail % queue->capacity);
        if (record->kind != FLS_QUEUE_FILLER)
            return record;
        queue->tail += record->record_bytes;
    }
    queue->head = queue->tail = 0;
    return NULL;
}

void fls_queue_pop(struct fls_queue *queue)
{
    struct fls_queue_record *record = fls_queue_front(queue);

    if (record->kind == FLS_QUEUE_REFERENCE)
        queue->referenced_bytes -= (size_t)record->payload_bytes;
    queue->tail += record->record_bytes;
    queue->messages--;
}
