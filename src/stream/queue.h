/*
 * queue.h: one half of the asynchronous writer's queue: records in a ring of bytes, first in, first
 * out. It knows no threads; its user holds the lock, or owns the half.
 *
 * A record is taken into the ring first, pending, and filled afterwards, which needs no lock: its
 * kind is set, with release, when it is whole.
 *
 * The invariant: the `used` bytes from `tail` on, around the ring's end, are records, each in one
 * piece (a filler record stands where one did not fit before the end); `messages` counts them
 * without the fillers. Sizes and places are multiples of FLS_QUEUE_ALIGNMENT.
 */
#ifndef STREAM_QUEUE_H
#define STREAM_QUEUE_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "stream/batch.h"

#define FLS_QUEUE_ALIGNMENT 16
#define FLS_QUEUE_CAPACITY_MAX (UINT32_MAX / 2)

/* Small: it lies in one cache line with the lock. */
struct fls_queue {
    uint8_t *ring;
    uint32_t capacity;
    uint32_t head; /* where the next record goes */
    uint32_t tail; /* where the oldest is */
    uint32_t used;
    uint32_t messages;
    size_t referenced_bytes; /* of the payloads that records refer to */
};

/* What a record begins with. A copied payload follows it; or a struct fls_queue_reference with its
 * segments. */
struct fls_queue_record {
    uint32_t record_bytes;
    atomic_uint kind;
    uint64_t payload_bytes;
};

enum fls_queue_kind { FLS_QUEUE_PENDING, FLS_QUEUE_COPY, FLS_QUEUE_REFERENCE, FLS_QUEUE_FILLER };

struct fls_queue_reference {
    struct fls_release release;
    uint64_t count;
};

/* Every page of the ring is touched. `capacity` is at most FLS_QUEUE_CAPACITY_MAX. */
FLS_MUST_USE enum fls_status fls_queue_open(struct fls_queue *queue, size_t capacity);
void fls_queue_free(struct fls_queue *queue);

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

/* Makes an empty queue start at its beginning, or puts a filler at the head when a record of
 * `bytes` does not fit before the ring's end. NULL: no room. Else as fls_queue_room. */
struct fls_queue_record *fls_queue_wrap(struct fls_queue *queue, size_t bytes);

/* Where a record of `bytes` goes, which must be pushed then; NULL: no room. Where the queue goes
 * around the end of the ring, more is used than stands before the head. */
static inline struct fls_queue_record *fls_queue_room(struct fls_queue *queue, size_t bytes)
{
    uint32_t taken = queue->used > queue->head ? queue->used : queue->head;

    if (FLS_LIKELY(bytes <= queue->capacity - taken))
        return (void *)(queue->ring + queue->head);
    return fls_queue_wrap(queue, bytes);
}

/* Adds the record, for which there is room, as pending. Of its payload, `referenced` bytes are
 * elsewhere. */
static inline void fls_queue_push(struct fls_queue *queue, struct fls_queue_record *record,
                                  size_t bytes, size_t payload_bytes, size_t referenced)
{
    record->record_bytes = (uint32_t)bytes;
    record->payload_bytes = payload_bytes;
    atomic_store_explicit(&record->kind, FLS_QUEUE_PENDING, memory_order_relaxed);
    queue->head += (uint32_t)bytes;
    queue->used += (uint32_t)bytes;
    queue->messages++;
    queue->referenced_bytes += referenced;
}

/* The record is whole. */
static inline void fls_queue_fulfil(struct fls_queue_record *record, enum fls_queue_kind kind)
{
    atomic_store_explicit(&record->kind, kind, memory_order_release);
}

static inline enum fls_queue_kind fls_queue_kind_of(const struct fls_queue_record *record)
{
    return (enum fls_queue_kind)atomic_load_explicit(&record->kind, memory_order_acquire);
}

/* The oldest record, past any filler; NULL when the queue is empty. It stays until it is popped,
 * and may be pending. */
struct fls_queue_record *fls_queue_front(struct fls_queue *queue);

/* Removes the oldest record, which is not pending. */
void fls_queue_pop(struct fls_queue *queue);

#endif
