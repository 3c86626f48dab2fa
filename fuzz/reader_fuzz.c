/*
 * reader_fuzz.c: the reader under random chunking, against decoding the whole stream at once.
 *
 * Input: choices (checksum, limit, alignment, a script of operations and chunk sizes), then the
 * stream. The source is the target's own: it shows and gives as little as the script says, stops
 * with FLS_AGAIN and FLS_IO in between, and hands out memory of exactly the length that it admits,
 * so that a byte read beyond a view is found. next, next_batch, read_into and skip are
 * mixed; each message, position and status must be that of the plain loop over fls_frame_decode.
 */
#include "fuzz_input.h"

#include <errno.h>
#include <string.h>

#define SCRIPT_BYTES 24
#define BATCH_OF 5
#define STEPS_MAX 3000

/* --- a source that trickles ----------------------------------------------------------------------
 */

struct trickle {
    struct fls_source base;
    const uint8_t *stream;
    size_t length;
    size_t position;
    uint8_t *shown;           /* the copy behind the last view */
    struct fuzz_input script; /* read round and round */
    const uint8_t *script_start;
    size_t script_length;
    int knows_length;
    int faults;
};

static uint8_t next_choice(struct trickle *source)
{
    if (source->script.left == 0)
        source->script = (struct fuzz_input){source->script_start, source->script_length};
    return fuzz_byte(&source->script);
}

/* Now and then a call fails before it does anything. */
static enum fls_status interruption(struct trickle *source, struct fls_error *error)
{
    uint8_t choice = source->faults ? next_choice(source) : 0;

    if (choice % 8 == 7)
        return FLS_AGAIN;
    return choice % 16 == 6 ? fls_error_system(error, "trickle", EIO) : FLS_OK;
}

static enum fls_status trickle_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                    struct fls_error *error)
{
    struct trickle *source = (struct trickle *)base;
    size_t left = source->length - source->position;
    size_t show = need + next_choice(source);
    enum fls_status status = interruption(source, error);

    if (status == FLS_IO)
        return status;
    if (status == FLS_AGAIN)
        show = need - 1;
    if (show > left)
        show = left;
    free(source->shown);
    source->shown = malloc(show + (show == 0));
    fuzz_require(source->shown);
    memcpy(source->shown, source->stream + source->position, show);
    *view = (struct fls_view){source->shown, show};
    if (left < need)
        return FLS_END;
    return status;
}

static void trickle_consume(struct fls_source *base, size_t bytes)
{
    struct trickle *source = (struct trickle *)base;

    fuzz_require(bytes <= source->length - source->position);
    source->position += bytes;
}

static enum fls_status trickle_read_into(struct fls_source *base, const struct iovec *segments,
                                         size_t count, size_t *filled, struct fls_error *error)
{
    struct trickle *source = (struct trickle *)base;

    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < segments[i].iov_len;) {
            size_t part = (size_t)1 + next_choice(source);
            enum fls_status status = interruption(source, error);
            if (status != FLS_OK)
                return status;
            if (source->position == source->length)
                return FLS_END;
            if (part > segments[i].iov_len - at)
                part = segments[i].iov_len - at;
            if (part > source->length - source->position)
                part = source->length - source->position;
            memcpy((char *)segments[i].iov_base + at, source->stream + source->position, part);
            source->position += part;
            at += part;
            *filled += part;
        }
    }
    return FLS_OK;
}

static uint64_t trickle_remaining(struct fls_source *base)
{
    struct trickle *source = (struct trickle *)base;

    return source->knows_length ? source->length - source->position : UINT64_MAX;
}

static void trickle_close(struct fls_source *base)
{
    free(((struct trickle *)base)->shown);
}

static const struct fls_source_ops trickle_ops = {trickle_peek, trickle_consume, trickle_read_into,
                                                  trickle_remaining, trickle_close};

/* --- what must come out --------------------------------------------------------------------------
 */

/* The plain loop: where it stands, and what is next there. */
struct model {
    struct fls_frame_format format;
    const uint8_t *stream;
    size_t length;
    size_t offset;
    uint64_t frame;
    size_t payload_bytes;
    const uint8_t *payload;
    size_t frame_bytes;
};

/* The status that the next message must come with; sets payload and frame_bytes when known. */
static enum fls_status look_ahead(struct model *model)
{
    struct fls_frame frame;
    size_t left = model->length - model->offset;

    model->payload = NULL;
    if (left == 0)
        return FLS_END;
    switch (fls_frame_decode(&model->format, model->stream + model->offset, left, &frame)) {
    case FLS_FRAME_NEED_MORE:
        return FLS_UNEXPECTED_END;
    case FLS_FRAME_BAD:
        model->frame_bytes = frame.frame_bytes;
        return frame.error.status;
    default:
        model->payload = frame.payload;
        model->payload_bytes = frame.payload_bytes;
        model->frame_bytes = frame.frame_bytes;
        return FLS_OK;
    }
}

static void pass(struct model *model)
{
    model->offset += model->frame_bytes;
    model->frame++;
}

static int is_interruption(enum fls_status status)
{
    return status == FLS_AGAIN || status == FLS_IO;
}

static void check_message(struct model *model, const struct fls_message *message,
                          const void *payload)
{
    fuzz_require(look_ahead(model) == FLS_OK);
    fuzz_require(message->bytes == model->payload_bytes);
    fuzz_require(message->frame == model->frame && message->offset == model->offset);
    fuzz_require(message->bytes == 0 || memcmp(payload, model->payload, message->bytes) == 0);
    pass(model);
}

/* A refusal: the model must expect it; a mismatch passes the frame. */
static void check_refusal(struct model *model, enum fls_status status,
                          const struct fls_error *error)
{
    fuzz_require(look_ahead(model) == status);
    if (status == FLS_END)
        return;
    fuzz_require(error->status == status);
    fuzz_require(error->frame == model->frame && error->offset == model->offset);
    if (status == FLS_CHECKSUM_MISMATCH)
        pass(model);
}

/* --- the operations ------------------------------------------------------------------------------
 */

struct reading {
    struct fls_reader *reader;
    struct model model;
    size_t alignment;
    int into_segments; /* read_into is under way: nothing else may be called */
    int skipping;      /* part of a frame may be skipped: the rest of it must be */
    uint8_t *into;
    size_t into_bytes;
};

static enum fls_status one(struct reading *reading)
{
    struct fls_message message;
    enum fls_status status = fls_reader_next(reading->reader, &message);

    if (status == FLS_OK) {
        fuzz_require((uintptr_t)message.payload % reading->alignment == 0);
        check_message(&reading->model, &message, message.payload);
    } else if (!is_interruption(status)) {
        check_refusal(&reading->model, status, fls_reader_error(reading->reader));
    }
    return status;
}

static enum fls_status batch(struct reading *reading)
{
    struct fls_message messages[BATCH_OF];
    size_t count;
    enum fls_status status = fls_reader_next_batch(reading->reader, messages, BATCH_OF, &count);

    fuzz_require((status == FLS_OK) == (count > 0));
    for (size_t i = 0; i < count; i++) {
        fuzz_require((uintptr_t)messages[i].payload % reading->alignment == 0);
        check_message(&reading->model, &messages[i], messages[i].payload);
    }
    if (status != FLS_OK && !is_interruption(status))
        check_refusal(&reading->model, status, fls_reader_error(reading->reader));
    return status;
}

static enum fls_status into(struct reading *reading, uint8_t choice)
{
    size_t first = reading->into_bytes * (choice % 5) / 4;
    struct iovec segments[3] = {
        {reading->into, first}, {NULL, 0}, {reading->into + first, reading->into_bytes - first}};
    struct fls_message message;
    enum fls_status status = fls_reader_read_into(reading->reader, segments, 3, &message);

    reading->into_segments = is_interruption(status);
    if (status == FLS_OK) {
        check_message(&reading->model, &message, reading->into);
    } else if (status == FLS_TOO_SMALL) {
        fuzz_require(look_ahead(&reading->model) != FLS_OK ||
                     reading->model.payload_bytes > reading->into_bytes);
    } else if (!is_interruption(status)) {
        check_refusal(&reading->model, status, fls_reader_error(reading->reader));
    }
    return status;
}

/* Skipping looks at no checksum and no limit: only the length counts. */
static enum fls_status skip(struct reading *reading, uint64_t count)
{
    struct fls_frame_format lengths_only = reading->model.format;
    struct model *model = &reading->model;
    size_t header_bytes = 4 + fls_checksum_bytes(lengths_only.checksum);
    uint64_t skipped;
    enum fls_status status = fls_reader_skip(reading->reader, count, &skipped);

    reading->skipping = is_interruption(status);
    fuzz_require(skipped <= count && (status != FLS_OK || skipped == count));
    for (uint64_t i = 0; i < skipped; i++) {
        const uint8_t *at = model->stream + model->offset;
        fuzz_require(model->length - model->offset >= header_bytes);
        model->frame_bytes = header_bytes + ((size_t)at[0] | (size_t)at[1] << 8 |
                                             (size_t)at[2] << 16 | (size_t)at[3] << 24);
        fuzz_require(model->frame_bytes <= model->length - model->offset);
        pass(model);
    }
    if (status == FLS_END)
        fuzz_require(model->offset == model->length);
    return status;
}

static void check_position(const struct reading *reading)
{
    uint64_t offset, frame;

    fls_reader_position(reading->reader, &offset, &frame);
    fuzz_require(offset == reading->model.offset && frame == reading->model.frame);
}

/* After a batch a refused frame may already be passed; only then do positions differ. */
static enum fls_status operate(struct reading *reading, uint8_t choice)
{
    enum fls_status status;

    if (reading->into_segments)
        return into(reading, choice >> 3);
    if (reading->skipping)
        return skip(reading, 1);
    switch (choice % 8) {
    case 0:
    case 1:
    case 2:
        status = one(reading);
        break;
    case 3:
    case 4:
        return batch(reading);
    case 5:
    case 6:
        return into(reading, choice >> 3);
    default:
        return skip(reading, (uint64_t)1 + choice / 64);
    }
    check_position(reading);
    return status;
}

static int is_final(enum fls_status status)
{
    return status == FLS_END || status == FLS_UNEXPECTED_END || status == FLS_INVALID_FRAME;
}

static void read_to_the_end(struct reading *reading, struct trickle *source, uint8_t fixed)
{
    enum fls_status status = FLS_OK;

    for (int steps = 0; steps < STEPS_MAX && !is_final(status); steps++) {
        status = operate(reading, next_choice(source));
        if (status == FLS_TOO_SMALL) /* so that it does not ask for ever */
            status = one(reading);
    }
    if (is_final(status) && !reading->into_segments &&
        fixed % 2) /* asked again, it says the same */
        fuzz_require(fls_reader_next(reading->reader, &(struct fls_message){0}) != FLS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t alignments[] = {1, 2, 8, 64};
    struct fuzz_input input = {data, size};
    struct fls_reader_options options = {.checksum = fuzz_kind(&input)};
    struct trickle source = {.base = {.ops = &trickle_ops}};
    struct reading reading = {.into = NULL};
    uint8_t fixed = fuzz_byte(&input);

    options.alignment = alignments[fuzz_below(&input, 4)];
    options.payload_bytes_max = 1 + fuzz_below(&input, 5000);
    source.base.peek_bytes_max = 12 + fuzz_below(&input, 600);
    source.knows_length = fixed & 2;
    source.faults = fixed & 4;
    source.script_start = input.at;
    source.script_length = input.left < SCRIPT_BYTES ? input.left : SCRIPT_BYTES;
    source.stream = input.at + source.script_length;
    source.length = input.left - source.script_length;
    reading.alignment = options.alignment;
    reading.into_bytes = fixed & 8 ? 6000 : 40;
    reading.into = malloc(reading.into_bytes);
    reading.model = (struct model){.format = {{options.checksum, NULL}, options.payload_bytes_max},
                                   .stream = source.stream,
                                   .length = source.length};
    fuzz_require(reading.into);
    fuzz_require(fls_reader_open(&source.base, &options, &reading.reader, NULL) == FLS_OK);
    read_to_the_end(&reading, &source, fixed);
    fls_reader_close(reading.reader);
    fls_source_close(&source.base);
    free(reading.into);
    return 0;
}
