/*
 * batch.h: frames gathered for one write.
 *
 * Headers, and the payloads that are copied, stand one after another in the staging memory, which
 * never moves while segments point into it. A payload that goes by reference stands between two
 * runs of staged bytes as segments of its own; the list of references says where.
 *
 * The invariant: staging[0, staged) and the referenced segments together are `messages` whole
 * frames; staging[run_start, staged) is not in the segment list yet.
 */
#ifndef STREAM_BATCH_H
#define STREAM_BATCH_H

#include "base/copy.h"
#include "frame/checksum_fast.h"
#include "frame/frame_fast.h"
#include "io/sink_turn.h"

#include <flatstream/sink.h>

struct fls_release {
    fls_release_function *function; /* NULL: none */
    void *context;
};

/* A payload that stayed where it was: its frame's header ends at staging[staged]. */
struct fls_reference {
    size_t staged;
    struct fls_release release;
};

#define FLS_BATCH_FIRST_SEGMENTS 16

struct fls_batch {
    struct fls_checksum checksum;
    size_t checksum_bytes;

    uint8_t *staging;
    size_t staging_bytes;
    size_t staged;
    size_t run_start;

    struct iovec *segments; /* first_segments, until more are needed */
    size_t segment_count;
    size_t segment_capacity;
    struct iovec first_segments[FLS_BATCH_FIRST_SEGMENTS];

    struct fls_reference *references;
    size_t reference_count;
    size_t reference_capacity;
    uint64_t referenced_bytes;

    size_t messages;

    int sending; /* the cursor is in use; nothing may be added */
    struct fls_write_cursor left;
    uint64_t accepted;
};

/* Staging beyond a frame's own bytes: fls_header_store writes up to 12. */
#define FLS_BATCH_SLACK FLS_FRAME_HEADER_BYTES_MAX

/* Prepares an empty batch over the caller's staging memory; the checksum is set by the caller. */
void fls_batch_open(struct fls_batch *batch, uint8_t *staging, size_t staging_bytes);

/* Frees what the batch allocated; releases must have been called. */
void fls_batch_free(struct fls_batch *batch);

static inline uint64_t fls_batch_bytes(const struct fls_batch *batch)
{
    return batch->staged + batch->referenced_bytes;
}

static inline size_t fls_batch_header_bytes(const struct fls_batch *batch)
{
    return FLS_LENGTH_BYTES + batch->checksum_bytes;
}

/* Bytes of payloads that were copied into the batch. */
static inline uint64_t fls_batch_copied_bytes(const struct fls_batch *batch)
{
    return batch->staged - batch->messages * fls_batch_header_bytes(batch);
}

/* Whether a payload can be added, copied or by reference, without sending first. A copy that an
 * empty batch has no room for must not be asked for. */
int fls_batch_fits(const struct fls_batch *batch, const struct fls_payload *payload, int copy);

/* Adds a contiguous payload by copying. The caller knows that it fits. The checksum is taken just
 * before the copy, so that the payload is fetched once. */
static inline void fls_batch_add_copy(struct fls_batch *batch, const void *data, uint32_t bytes)
{
    uint8_t *header = batch->staging + batch->staged;
    uint64_t checksum = fls_checksum_fast(batch->checksum, data, bytes);
    size_t header_bytes = fls_header_store(header, bytes, checksum, batch->checksum_bytes);

    fls_copy(header + header_bytes, data, bytes);
    batch->staged += header_bytes + bytes;
    batch->messages++;
}

/* The same for FLS_COPY_SHORT_MIN to FLS_COPY_SHORT_MAX bytes whose checksum is known. */
static inline void fls_batch_add_short(struct fls_batch *batch, const void *data, uint32_t bytes,
                                       uint64_t checksum)
{
    uint8_t *header = batch->staging + batch->staged;
    size_t header_bytes = fls_header_store(header, bytes, checksum, batch->checksum_bytes);

    fls_copy_short(header + header_bytes, data, bytes);
    batch->staged += header_bytes + bytes;
    batch->messages++;
}

/* Adds a payload that fits by copying its segments. */
void fls_batch_add_copy_of(struct fls_batch *batch, const struct fls_payload *payload);

/* Takes the memory to add a payload of so many segments by reference, also while the batch is being
 * sent: added to what stands there now, or later, it is not refused. FLS_OK, FLS_NO_MEMORY. */
FLS_MUST_USE enum fls_status fls_batch_reserve(struct fls_batch *batch, size_t segments);

/* Adds a payload that fits by reference, and keeps its release. FLS_OK, or FLS_NO_MEMORY with
 * nothing added. */
FLS_MUST_USE enum fls_status fls_batch_add_reference(struct fls_batch *batch,
                                                     const struct fls_payload *payload,
                                                     struct fls_release release);

/*
 * Hands all frames to the sink; with `simple`, the header and the payload of the one frame in two
 * writes. FLS_OK: the batch is empty again and every release was called. FLS_AGAIN: call again.
 * FLS_IO: see fls_batch_whole, then fls_batch_drop.
 */
FLS_MUST_USE enum fls_status fls_batch_send(struct fls_batch *batch, struct fls_sink *sink,
                                            int simple, struct fls_error *error);

/* Forgets all frames; whatever they referred to is the caller's. */
static inline void fls_batch_reset(struct fls_batch *batch)
{
    batch->staged = batch->run_start = 0;
    batch->segment_count = 0;
    batch->reference_count = 0;
    batch->messages = 0;
    batch->referenced_bytes = 0;
    batch->sending = 0;
    batch->accepted = 0;
}

/* A batch of no more than so many pieces goes whole, unless its messages are longer than one. */
#define FLS_BATCH_WHOLE_PIECES 8

/* Begins to send: the segment list is closed, the cursor stands at its start. */
static inline void fls_batch_begin(struct fls_batch *batch, const struct fls_sink *sink)
{
    size_t pieces = fls_min_size(batch->messages, FLS_BATCH_WHOLE_PIECES);
    int is_long = fls_batch_bytes(batch) > pieces * sink->piece_bytes;

    if (batch->staged > batch->run_start)
        batch->segments[batch->segment_count++] =
            (struct iovec){batch->staging + batch->run_start, batch->staged - batch->run_start};
    batch->run_start = batch->staged;
    batch->left = (struct fls_write_cursor){batch->segments, batch->segment_count,
                                            is_long ? sink->piece_bytes : 0};
    batch->sending = 1;
}

/* fls_batch_send for a batch that refers to nothing and is not being sent, where mostly the sink
 * takes it whole at the first turn. */
static FLS_ALWAYS_INLINE enum fls_status
fls_batch_send_run(struct fls_batch *batch, struct fls_sink *sink, struct fls_error *error)
{
    fls_batch_begin(batch, sink);
    enum fls_status status = fls_sink_turn(sink, &batch->left, &batch->accepted, error);
    if (FLS_UNLIKELY(status != FLS_OK))
        return status;
    if (FLS_UNLIKELY(batch->left.count > 0))
        return fls_batch_send(batch, sink, 0, error);
    fls_batch_reset(batch);
    return FLS_OK;
}

/* After a failed send: how many leading frames the sink has whole, and their bytes. */
void fls_batch_whole(const struct fls_batch *batch, size_t *frames, uint64_t *bytes);

/* Empties the batch unsent; calls the releases. */
void fls_batch_drop(struct fls_batch *batch);

#endif
