/*
 * queue.c: see queue.h.
 */
#include <stdlib.h>

#include "stream/queue.h"

enum fls_status fls_queue_open(struct fls_queue *queue, size_t capacity)
{
    size_t whole = (capacity + 63) & ~(size_t)63;

    *queue =
        (struct fls_queue){.capacity = (uint32_t)(capacity & ~(size_t)(FLS_QUEUE_ALIGNMENT - 1))};
    queue->ring = aligned_alloc(64, whole);
    if (!queue->ring)
        return FLS_NO_MEMORY;
    memset(queue->ring, 0, whole);
    return FLS_OK;
}

void fls_queue_free(struct fls_queue *queue)
{
    free(queue->ring);
}

struct fls_queue_record *fls_queue_wrap(struct fls_queue *queue, size_t bytes)
{
    struct fls_queue_record *filler = (void *)(queue->ring + queue->head);
    uint32_t filler_bytes = queue->capacity - queue->head;

    if (queue->used == 0) {
        queue->head = queue->tail = 0;
        return bytes <= queue->capacity ? (void *)queue->ring : NULL;
    }
    if (queue->head <= queue->tail || bytes > queue->tail)
        return NULL;
    if (filler_bytes > 0) {
        filler->record_bytes = filler_bytes;
        atomic_store_explicit(&filler->kind, FLS_QUEUE_FILLER, memory_order_relaxed);
        queue->used += filler_bytes;
    }
    queue->head = 0;
    return (void *)queue->ring;
}

/* What stands at the tail is gone. */
static void move_tail(struct fls_queue *queue, uint32_t bytes)
{
    queue->tail += bytes;
    queue->used -= bytes;
    if (queue->tail == queue->capacity)
        queue->tail = 0;
}

struct fls_queue_record *fls_queue_front(struct fls_queue *queue)
{
    while (queue->used > 0) {
        struct fls_queue_record *record = (void *)(queue->ring + queue->tail);
        if (fls_queue_kind_of(record) != FLS_QUEUE_FILLER)
            return record;
        move_tail(queue, record->record_bytes);
    }
    return NULL;
}

void fls_queue_pop(struct fls_queue *queue)
{
    struct fls_queue_record *record = fls_queue_front(queue);

    if (fls_queue_kind_of(record) == FLS_QUEUE_REFERENCE)
        queue->referenced_bytes -= (size_t)record->payload_bytes;
    move_tail(queue, record->record_bytes);
    queue->messages--;
}
