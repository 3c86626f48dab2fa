/*
 * round_trip_fuzz.c: whatever is written, by whatever function, through a sink that takes little at
 * a time and stops in between, is read back equal and complete.
 *
 * Input: choices. Payload bytes are a pattern; sizes, segments, framer, checksum, batch bounds,
 * copying, the function for each message and the sink's faults are the input's.
 */
#include "fuzz_input.h"

#include <string.h>

#define MESSAGES_MAX 24
#define SEGMENTS_MAX 4
#define RETRIES_MAX 100000

struct message {
    uint8_t *bytes;
    size_t length;
    struct iovec segments[SEGMENTS_MAX];
    struct fls_payload payload;
    int released;
};

struct writing {
    struct fuzz_input *input;
    struct fls_writer *writer;
    struct fls_fault_plan *plan;
    struct message messages[MESSAGES_MAX];
    size_t count;
};

static void cut_into_segments(struct message *message, struct fuzz_input *input)
{
    size_t count = fuzz_below(input, SEGMENTS_MAX + 1), at = 0;

    if (count == 0 && message->length > 0)
        count = 1;
    for (size_t i = 0; i < count; i++) {
        size_t left = message->length - at;
        size_t part = i + 1 == count ? left : fuzz_below(input, left + 1);
        message->segments[i] = (struct iovec){message->bytes + at, part};
        at += part;
    }
    message->payload = fls_payload_from_segments(message->segments, count);
}

static const size_t bounds[] = {1, 16, 16, 256, 256, 5000, 5000, 70000};
#define BOUNDS (sizeof bounds / sizeof bounds[0])
#define BYTES_MAX 70000

/* Bytes that begin differently for each message. */
static const uint8_t *pattern(size_t id)
{
    static uint8_t bytes[BYTES_MAX + MESSAGES_MAX];
    static int made;

    for (size_t i = 0; i < sizeof bytes && !made; i++)
        bytes[i] = (uint8_t)(i * 41 + (i >> 8));
    made = 1;
    return bytes + id;
}

static void make_message(struct message *message, struct fuzz_input *input, size_t id)
{
    message->length = fuzz_below(input, bounds[fuzz_below(input, BOUNDS)]);
    message->bytes = malloc(message->length + 1);
    fuzz_require(message->bytes);
    memcpy(message->bytes, pattern(id), message->length);
    cut_into_segments(message, input);
}

static void release(void *context)
{
    struct message *message = context;

    fuzz_require(!message->released);
    message->released = 1;
}

/* The sink is full now and then, and takes little; not so little that large messages take long. */
static void plan_next_fault(struct writing *writing, size_t next_bytes)
{
    struct fls_fault_plan *plan = writing->plan;

    plan->bytes_max =
        fuzz_below(writing->input, 4) ? 0 : 1 + next_bytes / 256 + fuzz_below(writing->input, 3000);
    plan->fail_at = plan->calls + fuzz_below(writing->input, 4);
    plan->fail_count = 1 + fuzz_below(writing->input, 3);
}

/* Writes the message with this id, or a batch from it on; returns how many were written. */
static size_t write_some(struct writing *writing, size_t id)
{
    struct message *message = &writing->messages[id];
    uint8_t way = fuzz_byte(writing->input) % 4;
    size_t many = 1 + fuzz_below(writing->input, 6), written = 0;
    struct fls_payload payloads[6];
    enum fls_status status = FLS_AGAIN;

    if (many > writing->count - id)
        many = writing->count - id;
    for (size_t i = 0; i < many; i++)
        payloads[i] = writing->messages[id + i].payload;
    for (int i = 0; i < RETRIES_MAX && status == FLS_AGAIN; i++) {
        if (way == 0)
            status = fls_writer_write(writing->writer, message->bytes, message->length);
        else if (way == 1)
            status = fls_writer_write_payload(writing->writer, &message->payload);
        else if (way == 2)
            status = fls_writer_write_owned(writing->writer, &message->payload, release, message);
        else
            status = fls_writer_write_batch(writing->writer, payloads, many, &written);
    }
    fuzz_require(status == FLS_OK);
    fuzz_require(way != 3 || written == many);
    message->released |= way != 2 ? 2 : 0; /* not owed: nothing to release */
    return way == 3 ? many : 1;
}

static void flush(struct writing *writing)
{
    enum fls_status status = FLS_AGAIN;

    for (int i = 0; i < RETRIES_MAX && status == FLS_AGAIN; i++)
        status = fls_writer_flush(writing->writer, FLS_LEVEL_PROCESS);
    fuzz_require(status == FLS_OK);
}

static void write_all(struct writing *writing)
{
    enum fls_status status = FLS_AGAIN;

    for (size_t id = 0; id < writing->count;) {
        plan_next_fault(writing, writing->messages[id].length);
        size_t many = write_some(writing, id);
        for (size_t i = 1; i < many; i++)
            writing->messages[id + i].released = 2;
        id += many;
        if (fuzz_below(writing->input, 5) == 4)
            flush(writing);
    }
    for (int i = 0; i < RETRIES_MAX && status == FLS_AGAIN; i++)
        status = fls_writer_close(writing->writer, NULL);
    fuzz_require(status == FLS_OK);
    for (size_t id = 0; id < writing->count; id++)
        fuzz_require(writing->messages[id].released != 0);
}

static void read_back(const struct writing *writing, enum fls_checksum_kind kind,
                      const uint8_t *bytes, size_t length)
{
    struct fls_reader_options options = {.checksum = kind, .owns_source = 1};
    struct fls_source *source;
    struct fls_reader *reader;
    struct fls_message got;

    fuzz_require(fls_source_open_memory(bytes, length, &source, NULL) == FLS_OK);
    fuzz_require(fls_reader_open(source, &options, &reader, NULL) == FLS_OK);
    for (size_t id = 0; id < writing->count; id++) {
        const struct message *message = &writing->messages[id];
        fuzz_require(fls_reader_next(reader, &got) == FLS_OK);
        fuzz_require(got.bytes == message->length);
        fuzz_require(memcmp(got.payload, message->bytes, got.bytes) == 0);
    }
    fuzz_require(fls_reader_next(reader, &got) == FLS_END);
    fls_reader_close(reader);
}

static struct fls_writer_options choose_options(struct fuzz_input *input)
{
    static const size_t copies[] = {0, 1, 100, 3000, 100000, FLS_COPY_NEVER};
    struct fls_writer_options options = {.checksum = fuzz_kind(input)};

    options.framer = (enum fls_framer)fuzz_below(input, FLS_FRAMER_BATCHED + 1);
    options.copy_bytes_max = copies[fuzz_below(input, 6)];
    options.batch_messages = fuzz_below(input, 9);
    options.batch_bytes = fuzz_below(input, 3) ? 0 : fuzz_below(input, 9000);
    options.keep_references = (int)fuzz_below(input, 2);
    return options;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fls_writer_options options = choose_options(&input);
    struct fls_fault_plan plan = {.status = FLS_AGAIN};
    static struct writing writing;
    struct fls_sink *memory, *sink;
    size_t length;

    memset(&writing, 0, sizeof writing);
    writing.input = &input;
    writing.plan = &plan;
    writing.count = fuzz_below(&input, MESSAGES_MAX + 1);
    for (size_t id = 0; id < writing.count; id++)
        make_message(&writing.messages[id], &input, id);
    fuzz_require(fls_sink_open_memory(0, &memory, NULL) == FLS_OK);
    fuzz_require(fls_sink_open_faulty(memory, &plan, &sink, NULL) == FLS_OK);
    fuzz_require(fls_writer_open(sink, &options, &writing.writer, NULL) == FLS_OK);
    write_all(&writing);
    const uint8_t *bytes = fls_sink_memory_bytes(memory, &length);
    read_back(&writing, options.checksum, bytes, length);
    fls_sink_close(sink, NULL);
    for (size_t id = 0; id < writing.count; id++)
        free(writing.messages[id].bytes);
    return 0;
}
