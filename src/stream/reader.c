/*
 * reader.c: the reader: frames are taken apart where they lie in the source's view.
 *
 * The window is the view of the last peek; messages are cut from its front without a call. When it
 * holds no whole frame the source is asked for more. A frame that is larger than the source can
 * show goes through the message buffer, which also takes a payload that does not lie aligned; those
 * of a batch behind its first have a room of their own, of a fixed size.
 *
 * The invariant: offset and frame_index are those of the frame at the window's front, or of the
 * frame in progress; they move only when a frame is passed.
 */
#include <stdlib.h>

#include <flatstream/reader.h>

#include "base/arguments.h"
#include "base/buffer.h"
#include "base/error.h"
#include "frame/checksum_fast.h"
#include "frame/frame_fast.h"
#include "stream/reader.h"
#include "stream/tap.h"

/* A payload of unproven length is read in steps: the buffer never exceeds twice what arrived. */
#define FIRST_STEP_BYTES ((size_t)1024 * 1024)

/* Room for the copies of one batch: 60 messages of 1000 bytes, and a level 2 cache still holds it.
 */
#define BATCH_COPIES_BYTES ((size_t)64 * 1024)

/* A frame whose payload is arriving outside the window. */
struct progress {
    enum { IDLE, INTO_BUFFER, INTO_SEGMENTS, SKIPPING } state;
    uint32_t payload_bytes;
    uint64_t stored;
    size_t filled;
};

struct fls_reader {
    const uint8_t *front; /* the window: [front, end), begun at `shown` */
    const uint8_t *end;
    const uint8_t *shown;
    uint64_t offset;
    uint64_t frame_index;
    struct fls_checksum checksum;
    size_t header_bytes;
    uint64_t payload_bytes_max;
    uintptr_t misaligned; /* the alignment less one */
    uint64_t largest_message;

    struct fls_source *source;
    struct fls_buffer buffer; /* one message */
    struct fls_buffer copies; /* a batch's messages behind its first; never moves within a batch */
    size_t copied;            /* bytes of the copies in use by the batch delivered last */
    struct fls_tap_chain taps;
    const struct fls_message_type *type;
    struct fls_memory_policy *memory_policy;
    size_t shrink_to; /* 0: not due */
    int owns_source;

    struct progress progress;
    struct iovec *rest; /* what is left of the caller's segments */
    size_t rest_capacity;
    struct fls_error error;
    enum fls_status deferred; /* of a frame behind the last batch; error is set */

    uint64_t start_offset;
    uint64_t start_frame;
    uint64_t system_calls_before;
    uint64_t copy_count;
    uint64_t bytes_copied;
};

/* --- opening ----------------------------------------------------- */

static enum fls_status check_options(const struct fls_reader_options *options,
                                     struct fls_error *error)
{
    struct fls_checksum checksum = {options->checksum, options->custom_checksum};
    size_t alignment = options->alignment;

    if (fls_checksum_check(checksum) != FLS_OK)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "unusable checksum of kind %d",
                             (int)options->checksum);
    if (alignment > FLS_ALIGNMENT_MAX || (alignment & (alignment - (alignment > 0))) != 0)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "alignment %zu is not a power of two up to %d", alignment,
                             FLS_ALIGNMENT_MAX);
    return FLS_OK;
}

static size_t alignment_of(const struct fls_reader_options *options)
{
    if (options->alignment > 0)
        return options->alignment;
    return options->type ? FLS_ALIGNMENT_TYPED_DEFAULT : FLS_ALIGNMENT_DEFAULT;
}

static void configure(struct fls_reader *reader, const struct fls_reader_options *options)
{
    reader->checksum = (struct fls_checksum){options->checksum, options->custom_checksum};
    reader->header_bytes = FLS_LENGTH_BYTES + fls_checksum_bytes(reader->checksum);
    reader->payload_bytes_max = fls_payload_limit(options->payload_bytes_max);
    reader->misaligned = alignment_of(options) - 1;
    reader->type = options->type;
    reader->memory_policy = options->memory_policy;
    reader->offset = reader->start_offset = options->start_offset;
    reader->frame_index = reader->start_frame = options->start_frame;
    reader->owns_source = options->owns_source;
}

enum fls_status fls_reader_open_versioned(struct fls_source *source,
                                          const struct fls_reader_options *options,
                                          size_t options_bytes, struct fls_reader **reader,
                                          struct fls_error *error)
{
    struct fls_reader_options all = FLS_ZERO;

    enum fls_status status = fls_check_given(source, 1, "source", error);

    if (status == FLS_OK)
        status = fls_take_options(&all, sizeof all, options, options_bytes, error);
    if (status == FLS_OK)
        status = check_options(&all, error);
    if (status != FLS_OK)
        return status;
    struct fls_reader *opened = calloc(1, sizeof *opened);
    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    configure(opened, &all);
    opened->source = source;
    opened->system_calls_before = source->system_calls;
    status = fls_tap_chain_add(&opened->taps, all.taps, all.tap_count, error);
    if (status != FLS_OK) {
        free(opened);
        return status;
    }
    *reader = opened;
    return FLS_OK;
}

enum fls_status fls_reader_add_tap(struct fls_reader *reader, const struct fls_tap *tap)
{
    return fls_tap_chain_add(&reader->taps, tap, 1, &reader->error);
}

/* --- the window -------------------------------------------------- */

static size_t in_window(const struct fls_reader *reader)
{
    return (size_t)(reader->end - reader->front);
}

/* Tells the source what was taken from the window, and forgets the window. */
static void close_window(struct fls_reader *reader)
{
    if (reader->front > reader->shown)
        fls_source_consume(reader->source, (size_t)(reader->front - reader->shown));
    reader->front = reader->end = reader->shown = NULL;
}

static enum fls_status fail(struct fls_reader *reader, enum fls_status status)
{
    fls_error_locate(&reader->error, reader->frame_index, reader->offset);
    return status;
}

static enum fls_status fail_with(struct fls_reader *reader, enum fls_status status,
                                 enum fls_part part, uint64_t expected, uint64_t found)
{
    fls_error_numbers(&reader->error, status, part, expected, found);
    return fail(reader, status);
}

/* Widens the window to `need` bytes from its front. FLS_END: it holds all that is left. */
static enum fls_status widen(struct fls_reader *reader, size_t need)
{
    struct fls_view view;

    if (in_window(reader) >= need)
        return FLS_OK;
    close_window(reader);
    enum fls_status status = fls_source_peek(reader->source, need, &view, &reader->error);
    reader->front = reader->shown = view.bytes;
    reader->end = view.available > 0 ? reader->front + view.available : reader->front;
    if (status != FLS_OK && status != FLS_END && status != FLS_AGAIN)
        return fail(reader, status);
    return status;
}

/* Makes the next frame's header stand at the window's front. */
static enum fls_status want_header(struct fls_reader *reader)
{
    enum fls_status status = widen(reader, reader->header_bytes);

    if (status != FLS_END || in_window(reader) == 0)
        return status;
    return fail_with(reader, FLS_UNEXPECTED_END, FLS_PART_HEADER, reader->header_bytes,
                     in_window(reader));
}

static enum fls_status check_limit(struct fls_reader *reader, uint32_t payload_bytes)
{
    if (payload_bytes <= reader->payload_bytes_max)
        return FLS_OK;
    return fail_with(reader, FLS_INVALID_FRAME, FLS_PART_HEADER, reader->payload_bytes_max,
                     payload_bytes);
}

static enum fls_status torn_payload(struct fls_reader *reader, uint32_t payload_bytes,
                                    uint64_t found)
{
    return fail_with(reader, FLS_UNEXPECTED_END, FLS_PART_PAYLOAD, payload_bytes, found);
}

/* The frame is passed: the position moves behind it. */
static inline void pass(struct fls_reader *reader, uint32_t payload_bytes)
{
    reader->offset += reader->header_bytes + payload_bytes;
    reader->frame_index++;
    if (FLS_UNLIKELY(payload_bytes > reader->largest_message))
        reader->largest_message = payload_bytes;
}

/* --- delivering -------------------------------------------------- */

/* At the start of each call: the messages given before are done with. */
static void begin(struct fls_reader *reader)
{
    reader->copied = 0;
    if (FLS_UNLIKELY(reader->shrink_to > 0) && reader->progress.state == IDLE) {
        fls_buffer_shrink(&reader->buffer, reader->shrink_to);
        reader->shrink_to = 0;
    }
}

static void consult_policy(struct fls_reader *reader, size_t payload_bytes)
{
    struct fls_reclaim_info info;

    if (fls_memory_policy_consult(reader->memory_policy, payload_bytes, reader->buffer.capacity,
                                  &info) != FLS_RECLAIM_NONE)
        reader->shrink_to = info.capacity_after;
}

static const uint8_t *copied_to(struct fls_reader *reader, uint8_t *place, const uint8_t *payload,
                                size_t bytes)
{
    memcpy(place, payload, bytes);
    reader->copy_count++;
    reader->bytes_copied += bytes;
    return place;
}

/* Copies a payload that does not lie aligned into the buffer. NULL: no memory, with the error set.
 */
static const uint8_t *align(struct fls_reader *reader, const uint8_t *payload, size_t bytes)
{
    if (fls_buffer_reserve(&reader->buffer, fls_max_size(bytes, 1), 0) == FLS_OK)
        return copied_to(reader, reader->buffer.bytes, payload, bytes);
    fail(reader, fls_error_no_memory(&reader->error, bytes));
    return NULL;
}

/* The same behind the batch's other copies; those have a room of their own, since the buffer may
 * hold the first message. NULL: no room left, or no memory for any: the batch ends. */
static const uint8_t *align_in_batch(struct fls_reader *reader, const uint8_t *payload,
                                     size_t bytes)
{
    size_t at = (reader->copied + reader->misaligned) & ~(size_t)reader->misaligned;

    if (at > BATCH_COPIES_BYTES || bytes > BATCH_COPIES_BYTES - at)
        return NULL;
    if (FLS_UNLIKELY(reader->copies.capacity == 0) &&
        fls_buffer_reserve(&reader->copies, BATCH_COPIES_BYTES, 0) != FLS_OK)
        return NULL;
    reader->copied = at + bytes;
    return copied_to(reader, reader->copies.bytes + at, payload, bytes);
}

static inline enum fls_status check_sum(struct fls_reader *reader, uint64_t stored,
                                        const uint8_t *payload, uint32_t payload_bytes)
{
    uint64_t calculated = fls_checksum_fast(reader->checksum, payload, payload_bytes);

    if (FLS_LIKELY(stored == calculated))
        return FLS_OK;
    return fail_with(reader, FLS_CHECKSUM_MISMATCH, FLS_PART_PAYLOAD, stored, calculated);
}

static enum fls_status run_taps(struct fls_reader *reader, const struct fls_payload *payload)
{
    enum fls_status status = fls_tap_chain_run(&reader->taps, payload, &reader->error);

    return status == FLS_OK ? FLS_OK : fail(reader, status);
}

/* Taps, then the message itself. The position is still the frame's own. */
static inline enum fls_status deliver(struct fls_reader *reader, const uint8_t *payload,
                                      uint32_t payload_bytes, struct fls_message *message)
{
    message->payload = payload;
    message->bytes = payload_bytes;
    message->frame = reader->frame_index;
    message->offset = reader->offset;
    if (FLS_LIKELY(reader->taps.count == 0))
        return FLS_OK;
    struct iovec segment = {(void *)(uintptr_t)payload, payload_bytes};
    struct fls_payload one = {&segment, 1, payload_bytes};
    return run_taps(reader, &one);
}

/*
 * Takes the whole frame at the window's front; `behind` another of the same batch, or alone.
 * FLS_OK; a refusal, with the frame passed; or FLS_NO_MEMORY, with nothing passed, when the payload
 * must be aligned and cannot be, or a tap has no memory.
 */
static inline enum fls_status take(struct fls_reader *reader, uint32_t payload_bytes, int behind,
                                   struct fls_message *message)
{
    const uint8_t *payload = reader->front + reader->header_bytes;
    uint64_t stored = fls_header_checksum(reader->front, reader->header_bytes - FLS_LENGTH_BYTES);
    enum fls_status status = check_sum(reader, stored, payload, payload_bytes);

    if (FLS_LIKELY(status == FLS_OK)) {
        const uint8_t *aligned = payload;
        if (((uintptr_t)payload & reader->misaligned) != 0)
            aligned = behind ? align_in_batch(reader, payload, payload_bytes)
                             : align(reader, payload, payload_bytes);
        if (FLS_UNLIKELY(!aligned))
            return FLS_NO_MEMORY;
        status = deliver(reader, aligned, payload_bytes, message);
        if (FLS_UNLIKELY(status == FLS_NO_MEMORY))
            return status;
    }
    reader->front = payload + payload_bytes;
    pass(reader, payload_bytes);
    return status;
}

/* --- frames larger than the window ------------------------------- */

/* Is the payload all there, as far as the source knows? Nothing is allocated for one that is not.
 */
static enum fls_status check_remaining(struct fls_reader *reader, uint32_t payload_bytes)
{
    uint64_t remaining = fls_source_remaining(reader->source);

    if (remaining == UINT64_MAX || remaining >= reader->header_bytes + (uint64_t)payload_bytes)
        return FLS_OK;
    uint64_t found = remaining > reader->header_bytes ? remaining - reader->header_bytes : 0;
    return torn_payload(reader, payload_bytes, found);
}

/* Takes the header from the window; the payload now comes by read_into. */
static enum fls_status start_progress(struct fls_reader *reader, int state, uint32_t payload_bytes)
{
    uint64_t stored = fls_header_checksum(reader->front, reader->header_bytes - FLS_LENGTH_BYTES);

    /* Tell the source what was taken before the frame, so that remaining() counts from it. */
    size_t before = (size_t)(reader->front - reader->shown);
    fls_source_consume(reader->source, before);
    reader->shown = reader->front;
    enum fls_status status = check_remaining(reader, payload_bytes);
    if (status != FLS_OK)
        return status;
    if (state != SKIPPING) {
        size_t begun = fls_min_size(in_window(reader) - reader->header_bytes, payload_bytes);
        reader->copy_count += begun > 0;
        reader->bytes_copied += begun;
    }
    reader->front += reader->header_bytes;
    close_window(reader);
    reader->progress = (struct progress){(unsigned)state, payload_bytes, stored, 0};
    return FLS_OK;
}

/* The payload's next step into the buffer: all of it when its length is proven, else doubling. */
static enum fls_status reserve_step(struct fls_reader *reader, size_t *step)
{
    size_t total = reader->progress.payload_bytes, filled = reader->progress.filled;
    size_t goal = total;

    if (reader->buffer.capacity < total && fls_source_remaining(reader->source) == UINT64_MAX)
        goal = fls_min_size(total, fls_max_size(fls_max_size(FIRST_STEP_BYTES, 2 * filled),
                                                reader->buffer.capacity));
    *step = goal - filled;
    if (fls_buffer_reserve(&reader->buffer, goal, filled) == FLS_OK)
        return FLS_OK;
    fls_error_no_memory(&reader->error, goal);
    return fail(reader, FLS_NO_MEMORY);
}

static enum fls_status end_of_step(struct fls_reader *reader, enum fls_status status)
{
    if (status == FLS_END)
        return torn_payload(reader, reader->progress.payload_bytes, reader->progress.filled);
    return status == FLS_AGAIN || status == FLS_OK ? status : fail(reader, status);
}

static enum fls_status fill_buffer(struct fls_reader *reader)
{
    while (reader->progress.filled < reader->progress.payload_bytes) {
        size_t step, got;
        enum fls_status status = reserve_step(reader, &step);
        if (status != FLS_OK)
            return status;
        struct iovec segment = {reader->buffer.bytes + reader->progress.filled, step};
        status = fls_source_read_into(reader->source, &segment, 1, &got, &reader->error);
        reader->progress.filled += got;
        if (status != FLS_OK)
            return end_of_step(reader, status);
    }
    return FLS_OK;
}

/* Brings the frame in progress into the buffer to its end, and delivers it from there. */
static enum fls_status finish_in_buffer(struct fls_reader *reader, struct fls_message *message)
{
    enum fls_status status = fill_buffer(reader);

    if (status != FLS_OK)
        return status;
    uint32_t bytes = reader->progress.payload_bytes;
    status = check_sum(reader, reader->progress.stored, reader->buffer.bytes, bytes);
    if (status == FLS_OK)
        status = deliver(reader, reader->buffer.bytes, bytes, message);
    if (status == FLS_NO_MEMORY)
        return status;
    reader->progress.state = IDLE;
    pass(reader, bytes);
    return status;
}

/* Finishes skipping the frame in progress. */
static enum fls_status finish_skipping(struct fls_reader *reader)
{
    uint64_t skipped;
    uint64_t left = reader->progress.payload_bytes - reader->progress.filled;
    enum fls_status status = fls_source_skip(reader->source, left, &skipped, &reader->error);

    reader->progress.filled += (size_t)skipped;
    if (status != FLS_OK)
        return end_of_step(reader, status);
    reader->progress.state = IDLE;
    pass(reader, reader->progress.payload_bytes);
    return FLS_OK;
}

/* Whatever call left a frame in progress, another call that can go on with it does. */
static enum fls_status resume(struct fls_reader *reader, struct fls_message *message, int *whole)
{
    *whole = 0;
    if (reader->progress.state == SKIPPING)
        return finish_skipping(reader);
    if (reader->progress.state == INTO_SEGMENTS)
        return fls_error_set(&reader->error, FLS_INVALID_ARGUMENT,
                             "a message is half read into segments: call read_into again");
    *whole = 1;
    return finish_in_buffer(reader, message);
}

/* --- the next message -------------------------------------------- */

/*
 * A source that follows a file may show other bytes than it did before: a torn tail was cut off and
 * written anew. What was known of the frame at the front is then no longer so.
 */
static int front_was_replaced(const struct fls_reader *reader, uint32_t payload_bytes)
{
    return in_window(reader) < reader->header_bytes ||
           fls_header_payload_bytes(reader->front) != payload_bytes;
}

/*
 * The frame at the front does not lie whole in the window: widen it, or go through the buffer.
 * A source that was told to stop no longer shows a half frame (FLS_END with nothing): the end.
 */
static enum fls_status next_by_reading(struct fls_reader *reader, struct fls_message *message)
{
    for (;;) {
        enum fls_status status = want_header(reader);
        if (status != FLS_OK)
            return status;
        uint32_t payload_bytes = fls_header_payload_bytes(reader->front);
        status = check_limit(reader, payload_bytes);
        if (status != FLS_OK)
            return status;
        size_t frame_bytes = reader->header_bytes + payload_bytes;
        if (frame_bytes > reader->source->peek_bytes_max) {
            status = start_progress(reader, INTO_BUFFER, payload_bytes);
            return status == FLS_OK ? finish_in_buffer(reader, message) : status;
        }
        status = widen(reader, frame_bytes);
        if (status != FLS_OK && status != FLS_AGAIN && status != FLS_END)
            return status;
        if (status == FLS_END && in_window(reader) == 0)
            return status;
        if (front_was_replaced(reader, payload_bytes))
            continue;
        if (status == FLS_END)
            return torn_payload(reader, payload_bytes, in_window(reader) - reader->header_bytes);
        return status == FLS_OK ? take(reader, payload_bytes, 0, message) : status;
    }
}

/* Whether the window's front is a whole frame within the limit; its payload length. */
static inline int front_is_whole(const struct fls_reader *reader, uint32_t *payload_bytes)
{
    size_t available = in_window(reader);

    if (FLS_UNLIKELY(available < reader->header_bytes))
        return 0;
    *payload_bytes = fls_header_payload_bytes(reader->front);
    return available - reader->header_bytes >= *payload_bytes &&
           *payload_bytes <= reader->payload_bytes_max;
}

/* The refusal left behind by a batch, once. */
static enum fls_status take_deferred(struct fls_reader *reader)
{
    enum fls_status status = reader->deferred;

    reader->deferred = FLS_OK;
    return status;
}

static enum fls_status next_slowly(struct fls_reader *reader, struct fls_message *message)
{
    if (reader->deferred != FLS_OK)
        return take_deferred(reader);
    if (reader->progress.state != IDLE) {
        int whole;
        enum fls_status status = resume(reader, message, &whole);
        if (whole || status != FLS_OK)
            return status;
    }
    return next_by_reading(reader, message);
}

enum fls_status fls_reader_next(struct fls_reader *reader, struct fls_message *message)
{
    uint32_t payload_bytes;
    enum fls_status status;

    begin(reader);
    if (FLS_LIKELY(front_is_whole(reader, &payload_bytes) && reader->deferred == FLS_OK))
        status = take(reader, payload_bytes, 0, message);
    else
        status = next_slowly(reader, message);
    if (FLS_UNLIKELY(reader->memory_policy != NULL) && status == FLS_OK)
        consult_policy(reader, message->bytes);
    return status;
}

/* A refusal behind the first message of a batch: kept for the next call. Anything that did not pass
 * the frame will be found again by itself. */
static void defer(struct fls_reader *reader, enum fls_status status)
{
    if (status != FLS_NO_MEMORY)
        reader->deferred = status;
}

enum fls_status fls_reader_next_batch(struct fls_reader *reader, struct fls_message *messages,
                                      size_t capacity, size_t *count)
{
    uint32_t payload_bytes;

    *count = 0;
    if (capacity == 0)
        return fls_error_set(&reader->error, FLS_INVALID_ARGUMENT, "no room for a message");
    enum fls_status status = fls_check_given(messages, capacity, "messages", &reader->error);
    if (status == FLS_OK)
        status = fls_reader_next(reader, messages);
    if (status != FLS_OK)
        return status;
    size_t taken = 1;
    while (taken < capacity && front_is_whole(reader, &payload_bytes)) {
        status = take(reader, payload_bytes, 1, &messages[taken]);
        if (status != FLS_OK) {
            defer(reader, status);
            break;
        }
        if (FLS_UNLIKELY(reader->memory_policy != NULL))
            consult_policy(reader, messages[taken].bytes);
        taken++;
    }
    *count = taken;
    return FLS_OK;
}

enum fls_status fls_reader_next_root(struct fls_reader *reader, const void **root,
                                     struct fls_message *message)
{
    struct fls_message own;
    const struct fls_message_type *type = reader->type;

    if (!type)
        return fls_error_set(&reader->error, FLS_INVALID_ARGUMENT,
                             "the reader was opened without a message type");
    enum fls_status status = fls_reader_next(reader, &own);
    if (status != FLS_OK)
        return status;
    if (type->verify) {
        struct iovec segment = {(void *)(uintptr_t)own.payload, own.bytes};
        struct fls_payload payload = {&segment, 1, own.bytes};
        struct fls_tap verifier = fls_tap_typed(type->name, type->verify);
        status = fls_tap_run(&verifier, &payload, &reader->error);
        if (status != FLS_OK) {
            fls_error_locate(&reader->error, own.frame, own.offset);
            return status;
        }
    }
    *root = type->root ? type->root(own.payload) : own.payload;
    if (message)
        *message = own;
    return FLS_OK;
}

enum fls_status fls_reader_next_bytes(struct fls_reader *reader, size_t *bytes)
{
    begin(reader);
    enum fls_status status = take_deferred(reader);
    if (status == FLS_OK && reader->progress.state == SKIPPING)
        status = finish_skipping(reader);
    if (status == FLS_OK && reader->progress.state != IDLE) {
        *bytes = reader->progress.payload_bytes;
        return FLS_OK;
    }
    if (status == FLS_OK)
        status = want_header(reader);
    if (status != FLS_OK)
        return status;
    uint32_t payload_bytes = fls_header_payload_bytes(reader->front);
    *bytes = payload_bytes;
    return check_limit(reader, payload_bytes);
}

/* --- into the caller's segments ---------------------------------- */

/* reader->rest becomes the segments cut to bytes [from, to) of their concatenation. */
static enum fls_status cut_segments(struct fls_reader *reader, const struct iovec *segments,
                                    size_t count, size_t from, size_t to, size_t *kept)
{
    size_t at = 0;

    if (count > reader->rest_capacity) {
        struct iovec *grown =
            count <= SIZE_MAX / sizeof *grown ? realloc(reader->rest, count * sizeof *grown) : NULL;
        if (!grown) {
            fls_error_no_memory(&reader->error, count);
            return fail(reader, FLS_NO_MEMORY);
        }
        reader->rest = grown;
        reader->rest_capacity = count;
    }
    *kept = 0;
    for (size_t i = 0; i < count && at < to; at += segments[i++].iov_len) {
        size_t begin_at = from > at ? from - at : 0;
        size_t end_at = fls_min_size(segments[i].iov_len, to - at);
        if (begin_at < end_at)
            reader->rest[(*kept)++] =
                (struct iovec){(char *)segments[i].iov_base + begin_at, end_at - begin_at};
    }
    return FLS_OK;
}

static enum fls_status check_capacity(struct fls_reader *reader, const struct iovec *segments,
                                      size_t count, size_t bytes)
{
    struct fls_payload room = fls_payload_from_segments(segments, count);

    if (room.length >= bytes)
        return FLS_OK;
    return fail_with(reader, FLS_TOO_SMALL, FLS_PART_PAYLOAD, room.length, bytes);
}

static enum fls_status fill_segments(struct fls_reader *reader, const struct iovec *segments,
                                     size_t count)
{
    size_t kept, got;
    enum fls_status status = cut_segments(reader, segments, count, reader->progress.filled,
                                          reader->progress.payload_bytes, &kept);

    if (status != FLS_OK)
        return status;
    status = fls_source_read_into(reader->source, reader->rest, kept, &got, &reader->error);
    reader->progress.filled += got;
    return end_of_step(reader, status);
}

/* Taps over the caller's segments; flattened into the buffer when one of them needs it so. */
static enum fls_status tap_segments(struct fls_reader *reader, const struct fls_payload *payload)
{
    struct iovec flat = {NULL, payload->length};
    struct fls_payload one = {&flat, 1, payload->length};

    if (reader->taps.count == 0)
        return FLS_OK;
    if (!reader->taps.contiguous)
        return run_taps(reader, payload);
    if (fls_buffer_reserve(&reader->buffer, fls_max_size(payload->length, 1), 0) != FLS_OK ||
        fls_payload_flatten(payload, reader->buffer.bytes, reader->buffer.capacity) != FLS_OK) {
        fls_error_no_memory(&reader->error, payload->length);
        return fail(reader, FLS_NO_MEMORY);
    }
    reader->copy_count++;
    reader->bytes_copied += payload->length;
    flat.iov_base = reader->buffer.bytes;
    return run_taps(reader, &one);
}

static enum fls_status deliver_segments(struct fls_reader *reader, const struct iovec *segments,
                                        size_t count, struct fls_message *message)
{
    uint32_t bytes = reader->progress.payload_bytes;
    size_t kept;
    enum fls_status status = cut_segments(reader, segments, count, 0, bytes, &kept);

    if (status != FLS_OK)
        return status;
    struct fls_payload payload = {reader->rest, kept, bytes};
    uint64_t calculated = fls_checksum_of_payload(reader->checksum, &payload);
    *message = (struct fls_message){count > 0 ? segments[0].iov_base : NULL, bytes,
                                    reader->frame_index, reader->offset};
    if (calculated != reader->progress.stored)
        status = fail_with(reader, FLS_CHECKSUM_MISMATCH, FLS_PART_PAYLOAD, reader->progress.stored,
                           calculated);
    else
        status = tap_segments(reader, &payload);
    if (status == FLS_NO_MEMORY)
        return status;
    reader->progress.state = IDLE;
    pass(reader, bytes);
    if (reader->memory_policy && status == FLS_OK)
        consult_policy(reader, bytes);
    return status;
}

/* A payload that fls_reader_next began to read into the buffer is finished there and copied. */
static enum fls_status move_from_buffer(struct fls_reader *reader)
{
    enum fls_status status = fill_buffer(reader);

    if (status != FLS_OK)
        return status;
    for (size_t i = 0, at = 0; at < reader->progress.payload_bytes; i++) {
        memcpy(reader->rest[i].iov_base, reader->buffer.bytes + at, reader->rest[i].iov_len);
        at += reader->rest[i].iov_len;
    }
    reader->copy_count++;
    reader->bytes_copied += reader->progress.payload_bytes;
    return FLS_OK;
}

enum fls_status fls_reader_read_into(struct fls_reader *reader, const struct iovec *segments,
                                     size_t count, struct fls_message *message)
{
    size_t bytes, kept;
    enum fls_status status = fls_check_segments(segments, count, &reader->error);

    if (status == FLS_OK)
        status = fls_reader_next_bytes(reader, &bytes);
    if (status == FLS_OK)
        status = check_capacity(reader, segments, count, bytes);
    if (status != FLS_OK)
        return status;
    if (reader->progress.state == INTO_BUFFER) {
        status = cut_segments(reader, segments, count, 0, bytes, &kept);
        if (status == FLS_OK)
            status = move_from_buffer(reader);
    } else {
        if (reader->progress.state == IDLE)
            status = start_progress(reader, INTO_SEGMENTS, (uint32_t)bytes);
        if (status == FLS_OK)
            status = fill_segments(reader, segments, count);
    }
    return status == FLS_OK ? deliver_segments(reader, segments, count, message) : status;
}

/* --- skipping, and all of them ----------------------------------- */

static enum fls_status skip_one(struct fls_reader *reader)
{
    if (reader->progress.state == INTO_SEGMENTS || reader->progress.state == INTO_BUFFER)
        reader->progress.state = SKIPPING;
    if (reader->progress.state == SKIPPING)
        return finish_skipping(reader);
    enum fls_status status = want_header(reader);
    if (status != FLS_OK)
        return status;
    uint32_t payload_bytes = fls_header_payload_bytes(reader->front);
    if (in_window(reader) - reader->header_bytes >= payload_bytes) {
        reader->front += reader->header_bytes + payload_bytes;
        pass(reader, payload_bytes);
        return FLS_OK;
    }
    status = start_progress(reader, SKIPPING, payload_bytes);
    return status == FLS_OK ? finish_skipping(reader) : status;
}

enum fls_status fls_reader_skip(struct fls_reader *reader, uint64_t count, uint64_t *skipped)
{
    enum fls_status status = FLS_OK;
    uint64_t done = 0;

    begin(reader);
    if (reader->deferred != FLS_OK && count > 0) { /* that frame was passed already */
        reader->deferred = FLS_OK;
        done = 1;
    }
    while (done < count && status == FLS_OK) {
        status = skip_one(reader);
        done += status == FLS_OK;
    }
    if (skipped)
        *skipped = done;
    return status;
}

enum fls_status fls_reader_process_all(struct fls_reader *reader, fls_message_function *function,
                                       void *context)
{
    struct fls_message message;
    enum fls_status status;

    while ((status = fls_reader_next(reader, &message)) == FLS_OK) {
        status = function(context, &message);
        if (status != FLS_OK)
            return status;
    }
    return status == FLS_END ? FLS_OK : status;
}

size_t fls_reader_header_bytes(const struct fls_reader *reader)
{
    return reader->header_bytes;
}

struct fls_checksum fls_reader_checksum(const struct fls_reader *reader)
{
    return reader->checksum;
}

static size_t zero_prefix(const uint8_t *bytes, size_t length)
{
    size_t at = 0;

    while (at < length && bytes[at] == 0)
        at++;
    return at;
}

enum fls_status fls_reader_rest_is_zero(struct fls_reader *reader, int *is_zero, uint64_t *bytes)
{
    enum fls_status status;

    *bytes = 0;
    *is_zero = 1;
    while (*is_zero && (status = widen(reader, 1)) == FLS_OK) {
        size_t zeros = zero_prefix(reader->front, in_window(reader));
        *bytes += zeros;
        *is_zero = zeros == in_window(reader);
        reader->front += zeros;
    }
    return !*is_zero || status == FLS_END ? FLS_OK : status;
}

void fls_reader_position(const struct fls_reader *reader, uint64_t *offset, uint64_t *frame)
{
    if (offset)
        *offset = reader->offset;
    if (frame)
        *frame = reader->frame_index;
}

const struct fls_error *fls_reader_error(const struct fls_reader *reader)
{
    return &reader->error;
}

struct fls_reader_counts fls_reader_statistics(const struct fls_reader *reader)
{
    return (struct fls_reader_counts){
        .messages = reader->frame_index - reader->start_frame,
        .bytes = reader->offset - reader->start_offset,
        .system_calls = reader->source->system_calls - reader->system_calls_before,
        .copies = reader->copy_count,
        .bytes_copied = reader->bytes_copied,
        .largest_message = reader->largest_message,
        .buffer_bytes = reader->buffer.capacity,
    };
}

void fls_reader_close(struct fls_reader *reader)
{
    if (!reader)
        return;
    if (reader->owns_source)
        fls_source_close(reader->source);
    else
        close_window(reader);
    fls_buffer_free(&reader->buffer);
    fls_buffer_free(&reader->copies);
    fls_tap_chain_free(&reader->taps);
    free(reader->rest);
    free(reader);
}
