/*
 * writer_property_test.c: random calls on a writer over a sink in random moods, against a model.
 *
 * The model knows which messages are through; the stream must be exactly their frames. Each owned
 * payload is overwritten the moment it is released, and each other one as soon as the contract says
 * that its memory may be used again: a byte taken from it later would show in the stream.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "support/frames.h"

#define MESSAGES 60
#define ROUNDS 1500

struct message {
    uint8_t *bytes;
    size_t length;
    int owned;
    int released;
    int through;
    struct iovec segments[3];
    struct fls_payload payload;
};

struct model {
    struct fls_writer_options options;
    struct fls_fault_plan plan;
    struct fls_sink *inner, *sink;
    struct fls_writer *writer;
    struct message messages[MESSAGES];
    struct frames expected;
    uint64_t frames;
};

static void release(void *context)
{
    struct message *message = context;

    message->released++;
    memset(message->bytes, 0xee, message->length);
}

static size_t random_size(void)
{
    switch (test_random() % 6) {
    case 0:
        return 0;
    case 1:
        return test_random() % 9000;
    case 2:
        return test_random() % 20 == 0 ? 70000 : 200;
    default:
        return test_random() % 120;
    }
}

static void make_message(struct message *message)
{
    size_t first = 0, second = 0;

    message->length = random_size();
    message->bytes = malloc(message->length + 1);
    for (size_t i = 0; i < message->length; i++)
        message->bytes[i] = (uint8_t)test_random();
    if (message->length > 0) {
        first = test_random() % message->length;
        second = first + test_random() % (message->length - first);
    }
    message->segments[0] = (struct iovec){message->bytes, first};
    message->segments[1] = (struct iovec){message->bytes + first, second - first};
    message->segments[2] = (struct iovec){message->bytes + second, message->length - second};
    message->payload = fls_payload_from_segments(message->segments, 3);
}

static struct fls_writer_options random_options(void)
{
    static const enum fls_framer framers[] = {FLS_FRAMER_SIMPLE, FLS_FRAMER_VECTORED,
                                              FLS_FRAMER_BATCHED};
    static const size_t thresholds[] = {0, 1, 50, 100000, FLS_COPY_NEVER};
    struct fls_writer_options options = FLS_ZERO;

    options.framer = framers[test_random() % 3];
    options.checksum = (enum fls_checksum_kind)(test_random() % 4);
    options.copy_bytes_max = thresholds[test_random() % 5];
    options.batch_bytes = test_random() % 2 ? 1 + test_random() % 3000 : 0;
    options.batch_messages = test_random() % 3 ? 0 : 1 + test_random() % 9;
    options.keep_references = test_random() % 4 == 0;
    return options;
}

/* A new mood of the sink: short writes, and after a few calls a while of would-block. */
static void change_mood(struct model *model)
{
    model->plan.bytes_max = test_random() % 3 ? 1 + test_random() % 4000 : 0;
    model->plan.fail_at = model->plan.calls + 1 + test_random() % 12;
    model->plan.fail_count = 1 + test_random() % 3;
}

/* The message is through: its frame is expected, and its memory is the caller's again if so. */
static void take(struct model *model, struct message *message)
{
    struct fls_checksum checksum = {model->options.checksum, NULL};

    message->through = 1;
    if (message->released == 0)
        frames_put(&model->expected, checksum, message->bytes, message->length);
    model->frames++;
    if (!message->owned && !model->options.keep_references)
        memset(message->bytes, 0xdd, message->length);
}

/* What the model needs of a message that may be overwritten before the call returns. */
static void take_copy(struct model *model, struct message *message, const uint8_t *copy)
{
    struct fls_checksum checksum = {model->options.checksum, NULL};

    if (message->released > 0)
        frames_put(&model->expected, checksum, copy, message->length);
    take(model, message);
}

static enum fls_status call(struct model *model, struct message *message, unsigned manner)
{
    switch (manner) {
    case 0:
        message->owned = 0;
        return fls_writer_write(model->writer, message->bytes, message->length);
    case 1:
        message->owned = 0;
        return fls_writer_write_payload(model->writer, &message->payload);
    default:
        message->owned = 1;
        return fls_writer_write_owned(model->writer, &message->payload, release, message);
    }
}

/* Writes message i in one manner, with whatever a caller may do when it would block. Returns the
 * index of the message to go on with. */
static size_t write_one(struct model *model, size_t i)
{
    struct message *message = &model->messages[i];
    unsigned manner = test_random() % 3;
    uint8_t *copy = malloc(message->length + 1);
    enum fls_status status;

    memcpy(copy, message->bytes, message->length);
    while ((status = call(model, message, manner)) == FLS_AGAIN) {
        assert_int_equal(message->released, 0); /* still owed */
        change_mood(model);
        if (test_random() % 4 == 0) {
            status = fls_writer_flush(model->writer, FLS_LEVEL_PROCESS);
            assert_true(status == FLS_OK || status == FLS_AGAIN);
            uint64_t frame;
            fls_writer_position(model->writer, NULL, &frame);
            if (status == FLS_OK && frame == model->frames + 1)
                break; /* it was taken, and is through now */
        }
    }
    assert_ok(status);
    take_copy(model, message, copy);
    free(copy);
    return i + 1;
}

/* A few messages in one write_batch; after a flush in between, the rest by another. */
static size_t write_many(struct model *model, size_t i)
{
    struct fls_payload payloads[6];
    size_t count = 1 + test_random() % 6, written = 0, from = 0;
    enum fls_status status;

    count = count < MESSAGES - i ? count : MESSAGES - i;
    for (size_t k = 0; k < count; k++)
        payloads[k] = model->messages[i + k].payload;
    while ((status = fls_writer_write_batch(model->writer, payloads + from, count - from,
                                            &written)) != FLS_OK) {
        assert_int_equal(status, FLS_AGAIN);
        change_mood(model);
        if (test_random() % 4 == 0 && fls_writer_flush(model->writer, FLS_LEVEL_PROCESS) == FLS_OK)
            from += written; /* those are through; go on with the rest */
    }
    assert_int_equal(written, count - from);
    for (size_t k = 0; k < count; k++)
        take(model, &model->messages[i + k]);
    return i + count;
}

static void check_stream(const struct model *model)
{
    size_t length;
    const uint8_t *bytes = fls_sink_memory_bytes(model->inner, &length);
    struct fls_writer_counts statistics = fls_writer_statistics(model->writer);

    assert_int_equal(length, model->expected.length);
    if (length > 0)
        assert_memory_equal(bytes, model->expected.bytes, length);
    assert_int_equal(statistics.messages, model->frames);
    assert_int_equal(statistics.bytes, length);
}

/* After a flush everything is through and every owned payload is released. */
static void flush(struct model *model)
{
    enum fls_status status;

    while ((status = fls_writer_flush(model->writer, FLS_LEVEL_PROCESS)) == FLS_AGAIN)
        change_mood(model);
    assert_ok(status);
    check_stream(model);
    for (size_t i = 0; i < MESSAGES; i++)
        assert_int_equal(model->messages[i].released,
                         model->messages[i].through && model->messages[i].owned);
}

static void one_round(uint32_t round)
{
    struct model model = {.plan = {.status = FLS_AGAIN}};
    enum fls_status status;

    test_random_seed(round);
    model.options = random_options();
    assert_ok(fls_sink_open_memory(0, &model.inner, NULL));
    assert_ok(fls_sink_open_faulty(model.inner, &model.plan, &model.sink, NULL));
    assert_ok(fls_writer_open(model.sink, &model.options, &model.writer, NULL));
    for (size_t i = 0; i < MESSAGES; i++)
        make_message(&model.messages[i]);
    for (size_t i = 0; i < MESSAGES;) {
        if (test_random() % 3 == 0)
            change_mood(&model);
        i = test_random() % 5 == 0 ? write_many(&model, i) : write_one(&model, i);
        if (test_random() % 15 == 0)
            flush(&model);
    }
    flush(&model);
    while ((status = fls_writer_close(model.writer, NULL)) == FLS_AGAIN)
        change_mood(&model);
    assert_ok(status);
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_int_equal(model.messages[i].released, model.messages[i].owned);
        free(model.messages[i].bytes);
    }
    fls_sink_close(model.sink, NULL);
    free(model.expected.bytes);
}

static void random_calls(void **state)
{
    (void)state;
    for (uint32_t round = 1; round <= ROUNDS; round++)
        one_round(round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
