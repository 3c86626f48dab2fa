/*
 * ownership_test.c: a message given with a release callback is released exactly once, whatever
 * becomes of it.
 *
 * Random calls on a writer over a sink that would block, takes a prefix, or fails at any point,
 * with taps that refuse and memory that runs out, ended by a close or an abandon at any moment.
 * Live messages are counted; the bytes of a released one are spoilt, so that whoever still sends
 * them is seen. What was taken is in the stream, once and in order, as far as the stream goes.
 */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support/faults.h"
#include "support/frames.h"

#define ROUNDS 6000
#define STEPS 25
#define OWNED_MAX STEPS
#define OUTPUT_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define SEGMENTS_MAX 40
#define REFUSED_LAST_BYTE 0x77

/* --- a sink of bad moods --- */

struct moody {
    struct fls_sink base;
    uint8_t *bytes;
    size_t length;
    unsigned again_percent;
    unsigned short_percent;
    unsigned fail_permille;
};

static unsigned chance(unsigned of)
{
    return test_random() % of;
}

static enum fls_status moody_writev(struct fls_sink *sink, const struct iovec *segments, int count,
                                    size_t *accepted, struct fls_error *error)
{
    struct moody *moody = (struct moody *)sink;
    size_t most = chance(100) < moody->short_percent ? 1 + chance(2000) : SIZE_MAX;

    if (chance(100) < moody->again_percent)
        return FLS_AGAIN;
    if (chance(1000) < moody->fail_permille)
        return fls_error_system(error, "writev", EIO);
    *accepted = 0;
    for (int i = 0; i < count && *accepted < most; i++) {
        size_t left = most - *accepted;
        size_t taken = segments[i].iov_len < left ? segments[i].iov_len : left;
        assert_true(moody->length + taken <= OUTPUT_BYTES_MAX);
        memcpy(moody->bytes + moody->length, segments[i].iov_base, taken);
        moody->length += taken;
        *accepted += taken;
    }
    return FLS_OK;
}

static enum fls_status moody_flush(struct fls_sink *sink, enum fls_level level,
                                   struct fls_error *error)
{
    struct moody *moody = (struct moody *)sink;

    (void)error;
    if (level == FLS_LEVEL_MACHINE)
        return FLS_UNSUPPORTED;
    return chance(100) < moody->again_percent ? FLS_AGAIN : FLS_OK;
}

static enum fls_status moody_close(struct fls_sink *sink, struct fls_error *error)
{
    (void)sink;
    (void)error;
    return FLS_OK;
}

static const struct fls_sink_ops moody_ops = {moody_writev, moody_flush, moody_close};

static void open_moody(struct moody *moody, uint8_t *output)
{
    static const unsigned again[] = {0, 20, 60, 90};

    *moody = (struct moody){.base.ops = &moody_ops,
                            .bytes = output,
                            .again_percent = again[chance(4)],
                            .short_percent = chance(2) * 70,
                            .fail_permille = chance(3) == 0 ? 1 + chance(100) : 0};
}

/* --- messages that are counted --- */

static atomic_int live;

struct message {
    atomic_int released;
    size_t length;
    struct fls_payload payload;
    struct iovec segments[SEGMENTS_MAX];
    uint8_t *bytes; /* on the heap, to go with the release */
};

/* Without the test's own allocations failing: made before memory is made scarce. */
static struct message *new_message(size_t bytes_max)
{
    struct message *message = calloc(1, sizeof *message);
    size_t count = chance(3) ? 1 : 1 + chance(SEGMENTS_MAX), at = 0;

    assert_non_null(message);
    message->length = chance(8) == 0 ? 0 : chance(4) ? chance(150) : chance((unsigned)bytes_max);
    message->bytes = malloc(message->length + 1);
    assert_non_null(message->bytes);
    for (size_t i = 0; i < message->length; i++)
        message->bytes[i] = (uint8_t)test_random();
    for (size_t i = 0; i < count; i++) {
        size_t left = message->length - at;
        size_t bytes = i + 1 == count ? left : chance((unsigned)left + 1);
        message->segments[i] = (struct iovec){message->bytes + at, bytes};
        at += bytes;
    }
    message->payload = fls_payload_from_segments(message->segments, count);
    return message;
}

static void release(void *context)
{
    struct message *message = context;

    message->released++;
    live--;
    memset(message->bytes, 0xee, message->length);
    free(message->bytes);
    message->bytes = NULL;
}

static enum fls_status refuse_some(const struct fls_tap *tap, const struct fls_payload *payload,
                                   struct fls_error *error)
{
    const uint8_t *bytes = payload->count > 0 ? payload->segments[0].iov_base : NULL;

    (void)tap;
    (void)error;
    return payload->length > 0 && bytes[payload->length - 1] == REFUSED_LAST_BYTE
               ? FLS_VALIDATION_FAILED
               : FLS_OK;
}

static const struct fls_tap picky = {.run = refuse_some, .name = "picky", .contiguous = 1};

/* --- one writer --- */

struct model {
    struct moody sink;
    struct fls_writer_options options;
    struct fls_writer *writer;
    struct message *owned[OWNED_MAX];
    size_t owned_count;
    struct frames expected;
    uint64_t frames;            /* taken, by the model's count */
    struct message *unfinished; /* after FLS_AGAIN */
    int failed;
    int scarce; /* memory */
};

static void expect(struct model *model, const void *bytes, size_t length)
{
    struct fls_checksum checksum = {model->options.checksum, NULL};

    frames_put(&model->expected, checksum, bytes, length);
    model->frames++;
}

static void make_memory_scarce(const struct model *model)
{
    if (model->scarce && chance(4) == 0)
        fault_arm((struct fault_plan){
            .families = FAULT_MEMORY, .at = 1 + chance(3), .failures = 1, .os_errno = ENOMEM});
}

/* The last message expected came to nothing: refused, or the end of the writer. */
static void not_taken(struct model *model, enum fls_status status, size_t bytes_before)
{
    if (status != FLS_VALIDATION_FAILED && status != FLS_NO_MEMORY) {
        model->failed = 1;
        return;
    }
    model->expected.length = bytes_before;
    model->frames--;
}

/* What is taken is counted, whether it went out or waits. */
static void check_position(const struct model *model)
{
    uint64_t frame, offset;

    if (model->failed)
        return;
    fls_writer_position(model->writer, &offset, &frame);
    assert_int_equal(frame, model->frames);
    assert_int_equal(offset, model->expected.length);
    assert_int_equal(fls_writer_statistics(model->writer).messages, model->frames);
}

/* An owned message: the writer's, or released when the call has returned. */
static enum fls_status write_new_owned(struct model *model, struct message *message)
{
    size_t before = model->expected.length;

    model->owned[model->owned_count++] = message;
    expect(model, message->bytes, message->length);
    live++;
    make_memory_scarce(model);
    enum fls_status status =
        fls_writer_write_owned(model->writer, &message->payload, release, message);
    fault_disarm();
    if (status == FLS_AGAIN) {
        assert_int_equal(message->released, 0);
        model->unfinished = message;
    } else if (status == FLS_INVALID_ARGUMENT) {
        assert_int_equal(message->released, 1);
        model->expected.length = before;
        model->frames--;
    } else if (status != FLS_OK) {
        assert_int_equal(message->released, 1);
        not_taken(model, status, before);
    }
    return status;
}

static void write_owned(struct model *model)
{
    struct message *message = new_message(20000);

    if (message->length > 0 && chance(10) == 0)
        message->bytes[message->length - 1] = REFUSED_LAST_BYTE;
    assert_int_not_equal(write_new_owned(model, message), FLS_INVALID_ARGUMENT);
    check_position(model);
}

/* Another than the unfinished message is refused, unless all of that has left. */
static void meet_another(struct model *model)
{
    struct message *unfinished = model->unfinished;
    enum fls_status status;

    if (model->owned_count == OWNED_MAX)
        return;
    status = write_new_owned(model, new_message(100));
    if (status == FLS_INVALID_ARGUMENT)
        return;
    assert_int_equal(unfinished->released, 1);
    if (status != FLS_AGAIN)
        model->unfinished = NULL;
}

/* The same call again, or a flush: it is through, or still unfinished. */
static void finish(struct model *model)
{
    struct message *message = model->unfinished;
    enum fls_level level = chance(4) ? FLS_LEVEL_PROCESS : FLS_LEVEL_MACHINE;
    enum fls_status status;

    make_memory_scarce(model);
    if (chance(2))
        status = fls_writer_write_owned(model->writer, &message->payload, release, message);
    else
        status = fls_writer_flush(model->writer, level);
    fault_disarm();
    if (status == FLS_AGAIN || status == FLS_UNSUPPORTED)
        return;
    assert_int_equal(message->released, 1);
    model->unfinished = NULL;
    model->failed |= status != FLS_OK;
}

static void go_on(struct model *model)
{
    if (chance(3) == 0)
        meet_another(model);
    else
        finish(model);
    check_position(model);
}

/* The caller's own, between them; until it is through. */
static void write_unowned(struct model *model)
{
    struct message *message = new_message(9000);
    enum fls_status status = FLS_AGAIN;
    size_t before = model->expected.length, written;

    expect(model, message->bytes, message->length);
    for (unsigned manner = chance(3); status == FLS_AGAIN;)
        if (manner == 0)
            status = fls_writer_write(model->writer, message->bytes, message->length);
        else if (manner == 1)
            status = fls_writer_write_payload(model->writer, &message->payload);
        else
            status = fls_writer_write_batch(model->writer, &message->payload, 1, &written);
    if (status != FLS_OK)
        not_taken(model, status, before);
    check_position(model);
    free(message->bytes);
    free(message);
}

static void end(struct model *model)
{
    struct moody *sink = &model->sink;
    enum fls_status status = FLS_OK;
    int sends = chance(2) == 0;

    while (sends && (status = fls_writer_close(model->writer, NULL)) == FLS_AGAIN)
        ;
    if (!sends)
        fls_writer_abandon(model->writer);
    assert_int_equal(live, 0);
    for (size_t i = 0; i < model->owned_count; i++) {
        assert_int_equal(model->owned[i]->released, 1);
        free(model->owned[i]);
    }
    if (sends && status == FLS_OK && !model->failed)
        assert_int_equal(sink->length, model->expected.length);
    /* Without a batch, what stands behind a message that failed may still be written. */
    if (sink->length > 0 && (!model->failed || model->options.framer == FLS_FRAMER_BATCHED)) {
        assert_true(sink->length <= model->expected.length);
        assert_memory_equal(sink->bytes, model->expected.bytes, sink->length);
    }
    free(model->expected.bytes);
}

static struct fls_writer_options random_options(void)
{
    static const enum fls_framer framers[] = {FLS_FRAMER_SIMPLE, FLS_FRAMER_VECTORED,
                                              FLS_FRAMER_BATCHED};
    static const size_t thresholds[] = {0, 1, 50, 100000, FLS_COPY_NEVER};
    struct fls_writer_options options = {.framer = framers[chance(3)],
                                         .checksum = (enum fls_checksum_kind)chance(4),
                                         .copy_bytes_max = thresholds[chance(5)],
                                         .batch_bytes = chance(2) ? 1 + chance(3000) : 0,
                                         .batch_messages = chance(3) ? 0 : 1 + chance(6),
                                         .keep_references = 0,
                                         .taps = &picky,
                                         .tap_count = chance(2)};

    return options;
}

static void one_round(uint32_t seed, uint8_t *output)
{
    struct model model = {0};

    test_random_seed(seed);
    open_moody(&model.sink, output);
    model.options = random_options();
    model.scarce = chance(3) == 0;
    assert_ok(fls_writer_open(&model.sink.base, &model.options, &model.writer, NULL));
    for (int step = 0; step < STEPS && (!model.failed || chance(4)); step++)
        if (model.unfinished)
            go_on(&model);
        else if (chance(4) == 0 && !model.scarce)
            write_unowned(&model);
        else
            write_owned(&model);
    end(&model);
}

static void every_message_is_released_once(void **state)
{
    uint8_t *output = malloc(OUTPUT_BYTES_MAX);

    (void)state;
    for (uint32_t round = 1; round <= ROUNDS; round++)
        one_round(round, output);
    free(output);
}

/* --- the asynchronous writer: the same moment, and producers of their own --- */

#define PRODUCERS 3
#define MESSAGES_EACH 60

struct producer {
    struct fls_async *async;
    struct message *messages[MESSAGES_EACH];
    pthread_t thread;
};

static void *produce(void *context)
{
    struct producer *producer = context;

    for (size_t i = 0; i < MESSAGES_EACH; i++) {
        struct message *message = producer->messages[i];
        enum fls_status status =
            fls_async_write_owned(producer->async, &message->payload, release, message);
        if (status != FLS_OK)
            assert_int_equal(message->released, 1);
    }
    return NULL;
}

static void one_asynchronous_round(uint32_t seed, uint8_t *output)
{
    struct fls_writer_options writing = {.taps = &picky, .copy_bytes_max = FLS_COPY_NEVER};
    struct fls_async_options options = {.queue_bytes = 64 * 1024, .writer = &writing};
    struct producer producers[PRODUCERS];
    struct moody sink;
    struct fls_async *async;

    test_random_seed(seed);
    open_moody(&sink, output);
    sink.again_percent /= 9; /* each costs a millisecond */
    options.when_full = (enum fls_async_policy)chance(3);
    writing.tap_count = chance(2);
    for (size_t p = 0; p < PRODUCERS; p++)
        for (size_t i = 0; i < MESSAGES_EACH; i++)
            producers[p].messages[i] = new_message(9000);
    live = PRODUCERS * MESSAGES_EACH;
    assert_ok(fls_async_open(&sink.base, &options, &async, NULL));
    for (size_t p = 0; p < PRODUCERS; p++) {
        producers[p].async = async;
        assert_int_equal(pthread_create(&producers[p].thread, NULL, produce, &producers[p]), 0);
    }
    for (size_t p = 0; p < PRODUCERS; p++)
        pthread_join(producers[p].thread, NULL);
    (void)fls_async_close(async, -1, NULL, NULL);
    assert_int_equal(live, 0);
    for (size_t p = 0; p < PRODUCERS; p++)
        for (size_t i = 0; i < MESSAGES_EACH; i++) {
            assert_int_equal(producers[p].messages[i]->released, 1);
            free(producers[p].messages[i]);
        }
}

static void asynchronously_too(void **state)
{
    uint8_t *output = malloc(OUTPUT_BYTES_MAX);

    (void)state;
    for (uint32_t round = 1; round <= 60; round++)
        one_asynchronous_round(round, output);
    free(output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_is_released_once),
        cmocka_unit_test(asynchronously_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
