/*
 * batch.c: see batch.h.
 */
#include <limits.h>
#include <stdlib.h>

#include "base/error.h"
#include "stream/batch.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

#define FIRST_REFERENCES 16

void fls_batch_open(struct fls_batch *batch, uint8_t *staging, size_t staging_bytes)
{
    batch->staging = staging;
    batch->staging_bytes = staging_bytes;
    batch->segments = batch->first_segments;
    batch->segment_capacity = FLS_BATCH_FIRST_SEGMENTS;
}

void fls_batch_free(struct fls_batch *batch)
{
    if (batch->segments != batch->first_segments)
        free(batch->segments);
    free(batch->references);
}

int fls_batch_fits(const struct fls_batch *batch, const struct fls_payload *payload, int copy)
{
    size_t copied = copy ? payload->length : 0;
    size_t segments = copy ? 0 : payload->count;

    if (batch->messages == 0)
        return 1;
    return batch->staged + FLS_BATCH_SLACK + copied <= batch->staging_bytes &&
           batch->segment_count + segments + 2 <= IOV_MAX;
}

/* Moves the open run of staged bytes into the segment list; there is room for it. */
static void close_run(struct fls_batch *batch)
{
    if (batch->staged == batch->run_start)
        return;
    struct iovec *segment = &batch->segments[batch->segment_count++];
    segment->iov_base = batch->staging + batch->run_start;
    segment->iov_len = batch->staged - batch->run_start;
    batch->run_start = batch->staged;
}

/* What a list of `capacity` items grows to for `wanted`, in items; 0: more than memory holds. */
static size_t grown_capacity(size_t capacity, size_t wanted, size_t item_bytes)
{
    size_t grown = fls_max_size(capacity * 2, wanted);

    return grown <= SIZE_MAX / item_bytes ? grown : 0;
}

/* The cursor of a batch that is being sent moves with the list. */
static enum fls_status reserve_segments(struct fls_batch *batch, size_t wanted)
{
    struct iovec *before = batch->segments == batch->first_segments ? NULL : batch->segments;
    size_t grown = grown_capacity(batch->segment_capacity, wanted, sizeof *before);
    size_t at = batch->sending ? (size_t)(batch->left.segments - batch->segments) : 0;

    if (wanted <= batch->segment_capacity)
        return FLS_OK;
    struct iovec *segments = grown > 0 ? realloc(before, grown * sizeof *before) : NULL;
    if (!segments)
        return FLS_NO_MEMORY;
    if (!before)
        memcpy(segments, batch->first_segments, sizeof batch->first_segments);
    if (batch->sending)
        batch->left.segments = segments + at;
    batch->segments = segments;
    batch->segment_capacity = grown;
    return FLS_OK;
}

static enum fls_status reserve_references(struct fls_batch *batch, size_t wanted)
{
    size_t least = fls_max_size(wanted, FIRST_REFERENCES);
    size_t grown = grown_capacity(batch->reference_capacity, least, sizeof *batch->references);

    if (wanted <= batch->reference_capacity)
        return FLS_OK;
    struct fls_reference *references =
        grown > 0 ? realloc(batch->references, grown * sizeof *references) : NULL;
    if (!references)
        return FLS_NO_MEMORY;
    batch->references = references;
    batch->reference_capacity = grown;
    return FLS_OK;
}

/* Room for a payload's segments, the run before and the run after it, and for its release. */
enum fls_status fls_batch_reserve(struct fls_batch *batch, size_t segments)
{
    if (segments > SIZE_MAX - batch->segment_count - 2)
        return FLS_NO_MEMORY;
    enum fls_status status = reserve_segments(batch, batch->segment_count + segments + 2);
    return status == FLS_OK ? reserve_references(batch, batch->reference_count + 1) : status;
}

static void stage_header(struct fls_batch *batch, const struct fls_payload *payload)
{
    uint64_t checksum = fls_checksum_of_payload(batch->checksum, payload);

    batch->staged += fls_header_store(batch->staging + batch->staged, (uint32_t)payload->length,
                                      checksum, batch->checksum_bytes);
}

enum fls_status fls_batch_add_reference(struct fls_batch *batch, const struct fls_payload *payload,
                                        struct fls_release release)
{
    enum fls_status status = fls_batch_reserve(batch, payload->count);

    if (status != FLS_OK)
        return status;
    stage_header(batch, payload);
    close_run(batch);
    for (size_t i = 0; i < payload->count; i++)
        if (payload->segments[i].iov_len > 0)
            batch->segments[batch->segment_count++] = payload->segments[i];
    batch->references[batch->reference_count++] = (struct fls_reference){batch->staged, release};
    batch->messages++;
    batch->referenced_bytes += payload->length;
    return FLS_OK;
}

void fls_batch_add_copy_of(struct fls_batch *batch, const struct fls_payload *payload)
{
    stage_header(batch, payload);
    for (size_t i = 0; i < payload->count; i++) {
        const struct iovec *segment = &payload->segments[i];
        if (segment->iov_len == 0)
            continue;
        memcpy(batch->staging + batch->staged, segment->iov_base, segment->iov_len);
        batch->staged += segment->iov_len;
    }
    batch->messages++;
}

/* The simple framer's header is a write of its own. */
static enum fls_status write_simply(struct fls_batch *batch, struct fls_sink *sink,
                                    struct fls_error *error)
{
    if (batch->left.segments == batch->segments) {
        struct fls_write_cursor header = {batch->left.segments, 1, 0};
        enum fls_status status = fls_sink_write_sound(sink, &header, &batch->accepted, error);
        if (status != FLS_OK)
            return status;
        batch->left.segments++;
        batch->left.count--;
    }
    return fls_sink_write_sound(sink, &batch->left, &batch->accepted, error);
}

static void release_all(struct fls_batch *batch)
{
    for (size_t i = 0; i < batch->reference_count; i++) {
        struct fls_release release = batch->references[i].release;
        if (release.function)
            release.function(release.context);
    }
}

enum fls_status fls_batch_send(struct fls_batch *batch, struct fls_sink *sink, int simple,
                               struct fls_error *error)
{
    enum fls_status status;

    if (!batch->sending)
        fls_batch_begin(batch, sink);
    if (FLS_UNLIKELY(simple))
        status = write_simply(batch, sink, error);
    else
        status = fls_sink_write_sound(sink, &batch->left, &batch->accepted, error);
    if (FLS_LIKELY(status == FLS_OK)) {
        if (FLS_UNLIKELY(batch->reference_count > 0))
            release_all(batch);
        fls_batch_reset(batch);
    }
    return status;
}

void fls_batch_whole(const struct fls_batch *batch, size_t *frames, uint64_t *bytes)
{
    size_t at = 0, reference = 0;

    *bytes = 0;
    for (*frames = 0; *frames < batch->messages; ++*frames) {
        uint32_t payload_bytes = fls_header_payload_bytes(batch->staging + at);
        uint64_t frame_bytes = fls_batch_header_bytes(batch) + (uint64_t)payload_bytes;
        if (batch->accepted < *bytes + frame_bytes)
            return;
        *bytes += frame_bytes;
        at += fls_batch_header_bytes(batch);
        if (reference < batch->reference_count && batch->references[reference].staged == at)
            reference++;
        else
            at += payload_bytes;
    }
}

void fls_batch_drop(struct fls_batch *batch)
{
    release_all(batch);
    fls_batch_reset(batch);
}
