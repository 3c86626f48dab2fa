/*
 * queue.h: one half of the asynchronous writer's queue: records in a ring of bytes, first in, first
 * out. It knows no threads; its user holds the lock.
 *
 * The invariant: the records in [tail, head) are whole, each in one piece (a filler record stands
 * where one did not fit before the ring's end); `messages` counts them.
 */
#ifndef STREAM_QUEUE_H
#define STREAM_QUEUE_H

#include "base/bytes.h"
#include "stream/batch.h"

#define FLS_QUEUE_ALIGNMENT 16

struct fls_queue {
    uint8_t *ring;
    size_t capacity; /* a multiple of FLS_QUEUE_ALIGNMENT */
    uint64_t head;
    uint64_t tail;
    size_t messages;
    size_t referenced_bytes; /* of the payloads that records refer to; its user adds to it */
};

/* What a record begins with. A copied payload follows it; or a struct fls_queue_reference with its
 * segments. */
struct fls_queue_record {
    uint32_t record_bytes;
    uint32_t kind;
    uint64_t payload_bytes;
};

enum fls_queue_kind { FLS_QUEUE_COPY, FLS_QUEUE_REFERENCE, FLS_QUEUE_FILLER };

struct fls_queue_reference {
    struct fls_release release;
    uint64_t count;
};

FLS_MUST_USE enum fls_status fls_queue_open(struct fls_queue *queue, size_t capacity);
void fls_queue_free(struct fls_queue *queue);

static inline size_t fls_queue_bytes(const struct fls_queue *queue)
{
    return (size_t)(queue->head - queue->tail);
}

/* The size of a record with `body` bytes behind its header. */
static inline size_t fls_queue_record_bytes(size_t body)
{
    size_t bytes = sizeof(struct fls_queue_record) + body;

    return (bytes + FLS_QUEUE_ALIGNMENT - 1) & ~(size_t)(FLS_QUEUE_ALIGNMENT - 1);
}

static inline size_t fls_queue_reference_body(size_t segments)
{
    return sizeof(struct fls_queue_reference) + segments * sizeof(struct iovec);
}

/* Puts a filler at the head when a record of `bytes` does not fit before the ring's end. NULL: no
 * room. Else where the record goes; the caller fills it and adds it with fls_queue_push. */
void *fls_queue_wrap(struct fls_queue *queue, size_t bytes);

static inline void *fls_queue_room(struct fls_queue *queue, size_t bytes)
{
    size_t at = (size_t)(queue->head % queue->capacity);

    if (FLS_LIKELY(bytes <= queue->capacity - at &&
                   bytes <= queue->capacity - fls_queue_bytes(queue)))
        return queue->ring + at;
    return fls_queue_wrap(queue, bytes);
}

static inline void fls_queue_push(struct fls_queue *queue, size_t bytes)
{
    queue->head += bytes;
    queue->messages++;
}

/* The oldest record, past any filler; NULL when the queue is empty. It stays until it is popped. */
struct fls_queue_record *fls_queue_front(struct fls_queue *queue);
void fls_queue_pop(struct fls_queue *queue);

#endif
