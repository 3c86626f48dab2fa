/*
 * writer_test.c: whatever the framer, the checksum, the segments, the sink's mood: the bytes are
 * those of the codec; what is counted, refused, released and poisoned along the way.
 */
#include "support/test.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/frames.h"

static const enum fls_framer framers[] = {FLS_FRAMER_SIMPLE, FLS_FRAMER_VECTORED,
                                          FLS_FRAMER_BATCHED};
#define FRAMERS 3

static const size_t sizes[] = {0, 1, 3, 8, 64, 100, 4095, 4096, 4097, 0, 9000, 70000, 2};
#define SIZES (sizeof sizes / sizeof sizes[0])

/* The messages of `sizes`, made once. */
static uint8_t *messages[SIZES];

static int make_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        messages[i] = malloc(sizes[i] + 1);
        pattern_fill(messages[i], sizes[i]);
    }
    return 0;
}

static int free_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++)
        free(messages[i]);
    return 0;
}

static void assert_sink_holds(const struct fls_sink *sink, const struct frames *expected)
{
    size_t length;
    const uint8_t *bytes = fls_sink_memory_bytes(sink, &length);

    assert_int_equal(length, expected->length);
    if (length > 0)
        assert_memory_equal(bytes, expected->bytes, length);
}

static struct frames expected_frames(struct fls_checksum checksum)
{
    struct frames frames = {NULL, 0, 0};

    frames_pattern(&frames, checksum, sizes, SIZES);
    return frames;
}

/* Message i in pieces; empty pieces first, last and between. */
static struct fls_payload in_segments(size_t i, struct iovec *segments)
{
    size_t third = sizes[i] / 3;

    segments[0] = (struct iovec){NULL, 0};
    segments[1] = (struct iovec){messages[i], third};
    segments[2] = (struct iovec){NULL, 0};
    segments[3] = (struct iovec){messages[i] + third, sizes[i] - third};
    segments[4] = (struct iovec){messages[i], 0};
    return fls_payload_from_segments(segments, 5);
}

/* --- the bytes ---------------------------------------------------------------------------------
 */

enum manner { CONTIGUOUS, SEGMENTED, IN_ONE_BATCH, MANNERS };

static void write_all(struct fls_writer *writer, enum manner manner)
{
    struct iovec segments[SIZES][5];
    struct fls_payload payloads[SIZES];
    size_t written = 0;

    for (size_t i = 0; i < SIZES; i++) {
        payloads[i] = in_segments(i, segments[i]);
        if (manner == CONTIGUOUS)
            assert_ok(fls_writer_write(writer, sizes[i] > 0 ? messages[i] : NULL, sizes[i]));
        else if (manner == SEGMENTED)
            assert_ok(fls_writer_write_payload(writer, &payloads[i]));
    }
    if (manner == IN_ONE_BATCH) {
        assert_ok(fls_writer_write_batch(writer, payloads, SIZES, &written));
        assert_int_equal(written, SIZES);
    }
}

static void check_bytes(const struct fls_writer_options *options)
{
    struct frames expected =
        expected_frames((struct fls_checksum){options->checksum, options->custom_checksum});

    for (int manner = CONTIGUOUS; manner < MANNERS; manner++) {
        struct fls_sink *sink;
        uint64_t offset, frame;
        struct fls_writer *writer = open_memory_writer(&sink, options);
        write_all(writer, (enum manner)manner);
        fls_writer_position(writer, &offset, &frame);
        assert_int_equal(offset, expected.length);
        assert_int_equal(frame, SIZES);
        assert_ok(fls_writer_close(writer, NULL));
        assert_sink_holds(sink, &expected);
        fls_sink_close(sink, NULL);
    }
    free(expected.bytes);
}

static void equal_bytes_whatever_the_framer(void **state)
{
    static const size_t thresholds[] = {0, 1, 64, 100000, FLS_COPY_NEVER};

    (void)state;
    for (size_t f = 0; f < FRAMERS; f++) {
        for (int kind = FLS_CHECKSUM_NONE; kind < FLS_CHECKSUM_CUSTOM; kind++) {
            for (size_t t = 0; t < 5; t++) {
                struct fls_writer_options options = FLS_ZERO;
                options.framer = framers[f];
                options.checksum = (enum fls_checksum_kind)kind;
                options.copy_bytes_max = thresholds[t];
                check_bytes(&options);
                options.keep_references = 1;
                check_bytes(&options);
                options.batch_bytes = 500;
                options.keep_references = 0;
                check_bytes(&options);
            }
        }
    }
}

static void equal_bytes_with_custom_checksums(void **state)
{
    (void)state;
    for (size_t f = 0; f < FRAMERS; f++) {
        for (size_t width = 0; width <= FLS_CHECKSUM_BYTES_MAX; width++) {
            struct fls_checksum_custom custom = test_custom_checksum(width);
            struct fls_writer_options options = FLS_ZERO;
            options.framer = framers[f];
            options.checksum = FLS_CHECKSUM_CUSTOM;
            options.custom_checksum = &custom;
            check_bytes(&options);
        }
    }
}

/* Thousands of small segments and messages: cut at IOV_MAX and at batch_bytes. */
static void batches_are_cut(void **state)
{
    enum { COUNT = 5000 };
    static struct fls_payload payloads[COUNT];
    static struct iovec segments[COUNT][3];
    static char text[] = "0123456789abcdef";
    struct frames expected = {NULL, 0, 0};

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        segments[i][0] = (struct iovec){text, i % 7};
        segments[i][1] = (struct iovec){text + 3, i % 3};
        segments[i][2] = (struct iovec){text + 5, 1 + i % 10};
        payloads[i] = fls_payload_from_segments(segments[i], 3);
        char flat[32];
        assert_ok(fls_payload_flatten(&payloads[i], flat, sizeof flat));
        frames_put(&expected, (struct fls_checksum){FLS_CHECKSUM_CRC32, NULL}, flat,
                   payloads[i].length);
    }
    for (size_t f = 0; f < FRAMERS; f++) {
        for (int never = 0; never < 2; never++) {
            struct fls_io_counts counts = FLS_ZERO;
            struct fls_writer_options options = {.framer = framers[f],
                                                 .checksum = FLS_CHECKSUM_CRC32,
                                                 .copy_bytes_max = never ? FLS_COPY_NEVER : 0,
                                                 .batch_bytes = 10000};
            struct fls_sink *inner, *sink;
            struct fls_writer *writer;
            size_t written;
            assert_ok(fls_sink_open_memory(0, &inner, NULL));
            assert_ok(fls_sink_open_counting(inner, &counts, &sink, NULL));
            assert_ok(fls_writer_open(sink, &options, &writer, NULL));
            assert_ok(fls_writer_write_batch(writer, payloads, COUNT, &written));
            assert_int_equal(written, COUNT);
            assert_sink_holds(inner, &expected);
            if (framers[f] != FLS_FRAMER_SIMPLE)
                assert_in_range(counts.calls, expected.length / 10000,
                                never ? COUNT * 4 / IOV_MAX + expected.length / 10000 + 2
                                      : expected.length / 10000 + 2);
            assert_ok(fls_writer_close(writer, NULL));
            fls_sink_close(sink, NULL);
        }
    }
    free(expected.bytes);
}

/* --- when a batch goes out ---------------------------------------------------------------------
 */

static uint64_t now_ms;

static uint64_t test_clock(void *context)
{
    (void)context;
    return now_ms * 1000000;
}

static size_t bytes_in(const struct fls_sink *sink)
{
    size_t length;

    (void)fls_sink_memory_bytes(sink, &length);
    return length;
}

static void automatic_by_messages(void **state)
{
    struct fls_writer_options options = {.framer = FLS_FRAMER_BATCHED, .batch_messages = 3};
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);

    (void)state;
    for (size_t i = 1; i <= 10; i++) {
        assert_ok(fls_writer_write(writer, "abcd", 4));
        assert_int_equal(bytes_in(sink), i / 3 * 3 * 8);
    }
    assert_ok(fls_writer_flush(writer, FLS_LEVEL_OBJECT));
    assert_int_equal(bytes_in(sink), 72);
    assert_ok(fls_writer_flush(writer, FLS_LEVEL_PROCESS));
    assert_int_equal(bytes_in(sink), 80);
    assert_int_equal(fls_writer_statistics(writer).writes, 4);
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

static void automatic_by_bytes(void **state)
{
    struct fls_writer_options options = {.framer = FLS_FRAMER_BATCHED, .batch_bytes = 100};
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_ok(fls_writer_write(writer, messages[4], 20)); /* 24 each */
    assert_int_equal(bytes_in(sink), 0);
    assert_ok(fls_writer_write(writer, messages[4], 20));
    assert_int_equal(bytes_in(sink), 120);
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

/* By default a batch goes out where it ends on a cache line, if it is nearly full; the stream may
 * go on behind any offset. */
static void automatic_by_default(void **state)
{
    struct fls_writer_options options = {.framer = FLS_FRAMER_BATCHED, .start_offset = 28};
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);
    uint8_t payload[1028] = {0};
    size_t sent = 0, lined = 0;

    (void)state;
    for (size_t bytes = 60, batches = 0; batches < 40; bytes = bytes % 1024 + 4) {
        assert_ok(fls_writer_write(writer, payload, bytes));
        size_t more = bytes_in(sink) - sent;
        if (more == 0)
            continue;
        sent += more;
        batches++;
        assert_true(more >= FLS_BATCH_BYTES_DEFAULT / 16 * 15);
        lined += (28 + sent) % 64 == 0;
        assert_true((28 + sent) % 64 == 0 || more >= FLS_BATCH_BYTES_DEFAULT);
        assert_true(more < FLS_BATCH_BYTES_DEFAULT + 4 + sizeof payload);
    }
    assert_true(lined > 10); /* by chance two or three */
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

static void automatic_by_age(void **state)
{
    struct fls_writer_options options = {
        .framer = FLS_FRAMER_BATCHED, .batch_age_ms = 50, .clock = {test_clock, NULL}};
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);
    int wait_ms = 0;

    (void)state;
    now_ms = 1000;
    assert_ok(fls_writer_flush_due(writer, &wait_ms));
    assert_int_equal(wait_ms, -1);
    assert_ok(fls_writer_write(writer, "abcd", 4));
    now_ms += 30;
    assert_ok(fls_writer_write(writer, "abcd", 4));
    assert_ok(fls_writer_flush_due(writer, &wait_ms));
    assert_int_equal(wait_ms, 20); /* by the oldest */
    assert_int_equal(bytes_in(sink), 0);
    now_ms += 20;
    assert_ok(fls_writer_write(writer, "abcd", 4)); /* sends the two, keeps itself */
    assert_int_equal(bytes_in(sink), 16);
    assert_ok(fls_writer_flush_due(writer, &wait_ms));
    assert_int_equal(wait_ms, 50);
    now_ms += 50;
    assert_ok(fls_writer_flush_due(writer, &wait_ms));
    assert_int_equal(wait_ms, -1);
    assert_int_equal(bytes_in(sink), 24);
    assert_ok(fls_writer_flush_due(writer, NULL));
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

/* A payload too large to copy goes out before the call returns, so its memory can be reused. */
static void unkept_references_go_out_at_once(void **state)
{
    static uint8_t large[100000];
    struct fls_writer_options options = {.framer = FLS_FRAMER_BATCHED};
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);

    (void)state;
    assert_ok(fls_writer_write(writer, "abcd", 4));
    assert_ok(fls_writer_write(writer, large, sizeof large));
    assert_int_equal(bytes_in(sink), 8 + 4 + sizeof large);
    assert_int_equal(fls_writer_statistics(writer).writes, 1);
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

static void kept_references_wait(void **state)
{
    static uint8_t large[100000];
    struct fls_writer_options options = {.framer = FLS_FRAMER_BATCHED, .keep_references = 1};
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);

    (void)state;
    assert_ok(fls_writer_write(writer, large, sizeof large));
    assert_ok(fls_writer_write(writer, "abcd", 4));
    assert_int_equal(bytes_in(sink), 0);
    assert_ok(fls_writer_flush(writer, FLS_LEVEL_PROCESS));
    assert_int_equal(bytes_in(sink), 8 + 4 + sizeof large);
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

/* --- statistics --------------------------------------------------------------------------------
 */

static struct fls_writer_counts statistics_of(const struct fls_writer_options *options)
{
    struct fls_writer_options all = *options;
    struct fls_writer_counts statistics;
    struct fls_writer *writer;

    assert_ok(fls_writer_open_file("/dev/null", FLS_FILE_APPEND, &all, &writer, NULL));
    write_all(writer, CONTIGUOUS);
    assert_ok(fls_writer_flush(writer, FLS_LEVEL_PROCESS));
    statistics = fls_writer_statistics(writer);
    assert_int_equal(statistics.messages, SIZES);
    assert_int_equal(statistics.largest_message, 70000);
    assert_ok(fls_writer_close(writer, NULL));
    return statistics;
}

/* Sums over `sizes` up to a bound. */
static void expect_copies(struct fls_writer_counts statistics, size_t bytes_max)
{
    uint64_t copies = 0, bytes = 0;

    for (size_t i = 0; i < SIZES; i++) {
        copies += sizes[i] <= bytes_max;
        bytes += sizes[i] <= bytes_max ? sizes[i] : 0;
    }
    assert_int_equal(statistics.copies, copies);
    assert_int_equal(statistics.bytes_copied, bytes);
}

static void copies_and_calls_are_counted(void **state)
{
    struct fls_writer_options options = {.framer = FLS_FRAMER_VECTORED};
    struct fls_writer_counts statistics;

    (void)state;
    expect_copies(statistics_of(&options), FLS_COPY_BYTES_MAX_DEFAULT);
    options.copy_bytes_max = 64;
    statistics = statistics_of(&options);
    expect_copies(statistics, 64);
    assert_int_equal(statistics.writes, SIZES);
    assert_int_equal(statistics.system_calls, SIZES);
    options.copy_bytes_max = FLS_COPY_NEVER;
    statistics = statistics_of(&options);
    assert_int_equal(statistics.copies, 0);
    assert_int_equal(statistics.bytes_copied, 0);
    options.framer = FLS_FRAMER_SIMPLE;
    statistics = statistics_of(&options);
    assert_int_equal(statistics.copies, 0);
    assert_int_equal(statistics.system_calls, 2 * SIZES - 2); /* empty payloads have no second */
    options = (struct fls_writer_options){.framer = FLS_FRAMER_BATCHED, .copy_bytes_max = 4096};
    expect_copies(statistics_of(&options), 4096);
    options.copy_bytes_max = 0;
    expect_copies(statistics_of(&options), 65536);
    options.keep_references = 1;
    statistics = statistics_of(&options);
    expect_copies(statistics, FLS_COPY_BYTES_MAX_DEFAULT);
    assert_int_equal(statistics.system_calls, 1);
}

static void nothing_is_copied_when_never(void **state)
{
    struct fls_writer_options options = {.framer = FLS_FRAMER_BATCHED,
                                         .copy_bytes_max = FLS_COPY_NEVER};
    struct fls_writer_counts statistics;

    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        options.keep_references = keep;
        statistics = statistics_of(&options);
        assert_int_equal(statistics.bytes_copied, 0);
    }
}

/* --- ownership: released exactly once ------------------------------------------------------------
 */

static void count_release(void *context)
{
    ++*(int *)context;
}

static struct fls_payload payload_of(struct iovec *segment, void *data, size_t bytes)
{
    *segment = (struct iovec){data, bytes};
    return fls_payload_from_segments(segment, 1);
}

static void released_on_success(void **state)
{
    (void)state;
    for (size_t f = 0; f < FRAMERS; f++) {
        for (int keep = 0; keep < 2; keep++) {
            struct fls_writer_options options = {.framer = framers[f], .keep_references = keep};
            int released[SIZES] = {0};
            struct iovec segment;
            struct fls_sink *sink;
            struct fls_writer *writer = open_memory_writer(&sink, &options);
            for (size_t i = 0; i < SIZES; i++) {
                struct fls_payload payload = payload_of(&segment, messages[i], sizes[i]);
                assert_ok(fls_writer_write_owned(writer, &payload, count_release, &released[i]));
                int at_once = framers[f] != FLS_FRAMER_BATCHED || sizes[i] <= 4096;
                assert_int_equal(released[i], at_once);
            }
            assert_ok(fls_writer_close(writer, NULL));
            for (size_t i = 0; i < SIZES; i++)
                assert_int_equal(released[i], 1);
            fls_sink_close(sink, NULL);
        }
    }
}

static void released_on_refusal(void **state)
{
    struct fls_tap small_only = fls_tap_bound(5000);
    struct iovec segment;
    struct fls_sink *sink;

    (void)state;
    for (size_t f = 0; f < FRAMERS; f++) {
        struct fls_writer_options options = {
            .framer = framers[f], .payload_bytes_max = 8000, .taps = &small_only, .tap_count = 1};
        struct fls_writer *writer = open_memory_writer(&sink, &options);
        int by_limit = 0, by_tap = 0, by_length = 0;
        struct fls_payload payload = payload_of(&segment, messages[10], 9000);
        assert_int_equal(fls_writer_write_owned(writer, &payload, count_release, &by_limit),
                         FLS_INVALID_FRAME);
        payload = payload_of(&segment, messages[10], 7000);
        assert_int_equal(fls_writer_write_owned(writer, &payload, count_release, &by_tap),
                         FLS_INVALID_FRAME);
        payload.length--;
        assert_int_equal(fls_writer_write_owned(writer, &payload, count_release, &by_length),
                         FLS_INVALID_ARGUMENT);
        assert_int_equal(by_limit + by_tap + by_length, 3);
        assert_ok(fls_writer_close(writer, NULL));
        assert_int_equal(by_limit == 1 && by_tap == 1 && by_length == 1, 1);
        assert_int_equal(bytes_in(sink), 0);
        fls_sink_close(sink, NULL);
    }
}

static void released_on_failure_and_after(void **state)
{
    char memory[5000];
    struct iovec segment;

    (void)state;
    for (size_t f = 0; f < FRAMERS; f++) {
        struct fls_writer_options options = {.framer = framers[f]};
        int released[3] = {0};
        struct fls_sink *sink;
        struct fls_writer *writer;
        assert_ok(fls_sink_open_fixed_memory(memory, sizeof memory, &sink, NULL));
        assert_ok(fls_writer_open(sink, &options, &writer, NULL));
        struct fls_payload payload = payload_of(&segment, messages[10], 9000);
        enum fls_status status =
            fls_writer_write_owned(writer, &payload, count_release, &released[0]);
        if (framers[f] == FLS_FRAMER_BATCHED)
            status = fls_writer_flush(writer, FLS_LEVEL_PROCESS);
        assert_int_equal(status, FLS_IO);
        assert_int_equal(released[0], 1);
        assert_int_equal(fls_writer_write_owned(writer, &payload, count_release, &released[1]),
                         FLS_IO);
        payload.length++; /* poisoned comes first, and the length is wrong too */
        assert_int_equal(fls_writer_write_owned(writer, &payload, count_release, &released[2]),
                         FLS_IO);
        assert_int_equal(fls_writer_close(writer, NULL), FLS_IO);
        for (int i = 0; i < 3; i++)
            assert_int_equal(released[i], 1);
        fls_sink_close(sink, NULL);
    }
}

static void released_on_abandon(void **state)
{
    struct fls_writer_options options = {.framer = FLS_FRAMER_BATCHED};
    struct iovec segment;
    struct fls_payload payload = payload_of(&segment, messages[10], 9000);
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);
    int released = 0;

    (void)state;
    assert_ok(fls_writer_write_owned(writer, &payload, count_release, &released));
    assert_int_equal(released, 0);
    fls_writer_abandon(writer);
    fls_writer_abandon(NULL);
    assert_ok(fls_writer_close(NULL, NULL));
    assert_int_equal(released, 1);
    assert_int_equal(bytes_in(sink), 0);
    fls_sink_close(sink, NULL);
}

/* A memory sink that refuses for a while, or takes little at a time. */
static struct fls_sink *moody_sink(struct fls_fault_plan *plan, struct fls_sink **inner)
{
    struct fls_sink *sink;

    assert_ok(fls_sink_open_memory(0, inner, NULL));
    assert_ok(fls_sink_open_faulty(*inner, plan, &sink, NULL));
    return sink;
}

static void released_after_again(void **state)
{
    struct iovec segment;
    struct fls_payload payload = payload_of(&segment, messages[10], 9000);

    (void)state;
    for (size_t f = 0; f < 2; f++) {
        struct fls_writer_options options = {.framer = framers[f]};
        struct fls_fault_plan plan = {
            .bytes_max = 1000, .fail_at = 1, .fail_count = 1, .status = FLS_AGAIN};
        struct fls_sink *inner, *sink = moody_sink(&plan, &inner);
        struct fls_writer *writer;
        int released = 0;
        assert_ok(fls_writer_open(sink, &options, &writer, NULL));
        for (int i = 0; i < 5; i++) {
            assert_int_equal(fls_writer_write_owned(writer, &payload, count_release, &released),
                             FLS_AGAIN);
            assert_int_equal(released, 0);
            plan.fail_at = plan.calls + 2;
        }
        plan.fail_at = 0;
        assert_ok(fls_writer_write_owned(writer, &payload, count_release, &released));
        assert_int_equal(released, 1);
        assert_ok(fls_writer_close(writer, NULL));
        assert_int_equal(released, 1);
        fls_sink_close(sink, NULL);
    }
}

/* Nothing was taken: a message that is the caller's is given up by writing another. */
static void given_up_for_another(void **state)
{
    struct fls_fault_plan plan = {.fail_at = 1, .fail_count = 1, .status = FLS_AGAIN};
    struct fls_writer_options options = {.framer = FLS_FRAMER_VECTORED};
    struct iovec segment;
    struct fls_payload other = payload_of(&segment, messages[8], 4097);
    struct fls_sink *inner, *sink = moody_sink(&plan, &inner);
    struct frames expected = {NULL, 0, 0};
    struct fls_writer *writer;
    int other_released = 0;

    (void)state;
    frames_put(&expected, (struct fls_checksum){FLS_CHECKSUM_NONE, NULL}, messages[8], 4097);
    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    assert_int_equal(fls_writer_write(writer, messages[10], 9000), FLS_AGAIN);
    assert_ok(fls_writer_write_owned(writer, &other, count_release, &other_released));
    assert_int_equal(other_released, 1);
    assert_ok(fls_writer_close(writer, NULL));
    assert_sink_holds(inner, &expected);
    fls_sink_close(sink, NULL);
    free(expected.bytes);
}

/* An owned one is the writer's: another is refused, and the first goes out all the same. */
static void owned_is_never_given_up(void **state)
{
    const size_t lengths[] = {64, 9000};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct fls_fault_plan plan = {.fail_at = 1, .fail_count = 1, .status = FLS_AGAIN};
        struct fls_writer_options options = {.framer = framers[i / 2]};
        struct iovec segment;
        struct fls_payload payload = payload_of(&segment, messages[10], lengths[i % 2]);
        struct fls_sink *inner, *sink = moody_sink(&plan, &inner);
        struct fls_writer *writer;
        int released = 0, other_released = 0;
        assert_ok(fls_writer_open(sink, &options, &writer, NULL));
        assert_int_equal(fls_writer_write_owned(writer, &payload, count_release, &released),
                         FLS_AGAIN);
        assert_int_equal(fls_writer_write_owned(writer, &payload, count_release, &other_released),
                         FLS_INVALID_ARGUMENT);
        assert_int_equal(other_released, 1);
        assert_int_equal(fls_writer_write(writer, "other", 5), FLS_INVALID_ARGUMENT);
        assert_int_equal(released, 0);
        assert_ok(fls_writer_close(writer, NULL));
        assert_int_equal(released, 1);
        assert_int_equal(bytes_in(inner), 4 + lengths[i % 2]);
        fls_sink_close(sink, NULL);
    }
}

/* --- refusals ----------------------------------------------------------------------------------
 */

static void limits(void **state)
{
    struct fls_writer_options options = {.payload_bytes_max = 100};
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);
    const struct fls_error *error = fls_writer_error(writer);

    (void)state;
    assert_int_equal(error->status, FLS_OK);
    assert_ok(fls_writer_write(writer, messages[5], 100));
    assert_int_equal(fls_writer_write(writer, messages[6], 101), FLS_INVALID_FRAME);
    assert_int_equal(error->status, FLS_INVALID_FRAME);
    assert_int_equal(error->expected, 100);
    assert_int_equal(error->found, 101);
    assert_int_equal(error->frame, 1);
    assert_int_equal(error->offset, 104);
    assert_ok(fls_writer_write(writer, messages[5], 1));
    assert_int_equal(bytes_in(sink), 109);
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

/* The default limit: 2 GiB, on this side too. The bytes are not touched. */
static void default_limit(void **state)
{
    struct fls_sink *sink;

    (void)state;
    for (size_t f = 0; f < FRAMERS; f++) {
        struct fls_writer_options options = {.framer = framers[f]};
        struct fls_writer *writer = open_memory_writer(&sink, &options);
        assert_int_equal(fls_writer_write(writer, "x", UINT64_C(0x80000001)), FLS_INVALID_FRAME);
        assert_int_equal(fls_writer_error(writer)->expected, 0x80000000u);
        assert_int_equal(fls_writer_write(writer, "x", SIZE_MAX), FLS_INVALID_FRAME);
        fls_writer_abandon(writer);
        fls_sink_close(sink, NULL);
        options.payload_bytes_max = UINT64_MAX;
        writer = open_memory_writer(&sink, &options);
        assert_int_equal(fls_writer_write(writer, "x", UINT64_C(0x100000000)), FLS_INVALID_FRAME);
        assert_int_equal(fls_writer_error(writer)->expected, UINT32_MAX);
        fls_writer_abandon(writer);
        fls_sink_close(sink, NULL);
    }
}

static void length_must_be_the_sum(void **state)
{
    struct iovec segments[2] = {{"abc", 3}, {"defg", 4}};
    struct fls_payload payload = {segments, 2, 8};
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, NULL);
    size_t written = 9;

    (void)state;
    assert_int_equal(fls_writer_write_payload(writer, &payload), FLS_INVALID_ARGUMENT);
    payload.length = 6;
    assert_int_equal(fls_writer_write_payload(writer, &payload), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_writer_write_batch(writer, &payload, 1, &written), FLS_INVALID_ARGUMENT);
    assert_int_equal(written, 0);
    payload.length = 7;
    assert_ok(fls_writer_write_payload(writer, &payload));
    segments[1].iov_len = SIZE_MAX;
    payload = fls_payload_from_segments(segments, 2);
    assert_int_equal(payload.length, SIZE_MAX);
    assert_int_equal(fls_writer_write_payload(writer, &payload), FLS_INVALID_FRAME);
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

static void bad_options(void **state)
{
    struct fls_writer_options options = {.framer = (enum fls_framer)4};
    struct fls_tap no_function = FLS_ZERO;
    struct fls_error error = FLS_ZERO;
    struct fls_writer *writer;
    struct fls_sink *sink;

    (void)state;
    assert_ok(fls_sink_open_memory(0, &sink, NULL));
    assert_int_equal(fls_writer_open(sink, &options, &writer, &error), FLS_INVALID_ARGUMENT);
    assert_int_equal(error.status, FLS_INVALID_ARGUMENT);
    options = (struct fls_writer_options){.checksum = FLS_CHECKSUM_CUSTOM};
    assert_int_equal(fls_writer_open(sink, &options, &writer, &error), FLS_INVALID_ARGUMENT);
    options = (struct fls_writer_options){.taps = &no_function, .tap_count = 1, .owns_sink = 1};
    assert_int_equal(fls_writer_open(sink, &options, &writer, &error), FLS_INVALID_ARGUMENT);
    assert_ok(fls_writer_open(sink, NULL, &writer, &error));
    assert_int_equal(fls_writer_add_tap(writer, &no_function), FLS_INVALID_ARGUMENT);
    fls_writer_abandon(writer);
    fls_sink_close(sink, NULL);
}

/* An older caller's options: what it did not know is zero. */
static void smaller_options(void **state)
{
    struct fls_writer_options options = {
        .framer = FLS_FRAMER_BATCHED, .checksum = FLS_CHECKSUM_CRC32, .payload_bytes_max = 3};
    struct fls_sink *sink;
    struct fls_writer *writer;

    (void)state;
    assert_ok(fls_sink_open_memory(0, &sink, NULL));
    assert_ok(fls_writer_open_versioned(
        sink, &options, offsetof(struct fls_writer_options, payload_bytes_max), 40, &writer, NULL));
    assert_ok(fls_writer_write(writer, "abcd", 4));
    assert_ok(fls_writer_close(writer, NULL));
    assert_int_equal(bytes_in(sink), 12);
    fls_sink_close(sink, NULL);
}

static void start_position(void **state)
{
    struct fls_writer_options options = {
        .start_offset = 1000, .start_frame = 7, .payload_bytes_max = 10};
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);
    uint64_t offset, frame;

    (void)state;
    assert_ok(fls_writer_write(writer, "abcd", 4));
    fls_writer_position(writer, &offset, NULL);
    fls_writer_position(writer, NULL, &frame);
    assert_int_equal(offset, 1008);
    assert_int_equal(frame, 8);
    assert_int_equal(fls_writer_write(writer, messages[5], 11), FLS_INVALID_FRAME);
    assert_int_equal(fls_writer_error(writer)->offset, 1008);
    assert_int_equal(fls_writer_error(writer)->frame, 8);
    assert_int_equal(fls_writer_statistics(writer).messages, 1);
    assert_int_equal(fls_writer_statistics(writer).bytes, 8);
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

/* --- taps --------------------------------------------------------------------------------------
 */

static char tap_log[256];

static enum fls_status log_tap(const struct fls_tap *tap, const struct fls_payload *payload,
                               struct fls_error *error)
{
    size_t at = strlen(tap_log);

    (void)error;
    snprintf(tap_log + at, sizeof tap_log - at, "%s%zu ", (const char *)tap->context,
             payload->length);
    return FLS_OK;
}

static void taps_run_in_order_and_once(void **state)
{
    struct fls_tap taps[2] = {{.run = log_tap, .context = "a"}, {.run = log_tap, .context = "b"}};
    struct fls_tap bound = fls_tap_bound(5);
    struct fls_tap last = {.run = log_tap, .context = "c"};

    (void)state;
    for (size_t f = 0; f < FRAMERS; f++) {
        struct fls_writer_options options = {.framer = framers[f], .taps = taps, .tap_count = 2};
        struct fls_fault_plan plan = {.bytes_max = 1, .status = FLS_AGAIN};
        struct fls_sink *inner, *sink = moody_sink(&plan, &inner);
        struct fls_writer *writer;
        enum fls_status status;
        tap_log[0] = '\0';
        assert_ok(fls_writer_open(sink, &options, &writer, NULL));
        assert_ok(fls_writer_add_tap(writer, &bound));
        assert_ok(fls_writer_add_tap(writer, &last));
        plan.fail_at = 1;
        while ((status = fls_writer_write(writer, "abcd", 4)) == FLS_AGAIN)
            plan.fail_at = plan.calls + 2;
        assert_ok(status);
        assert_int_equal(fls_writer_write(writer, "abcdef", 6), FLS_INVALID_FRAME);
        assert_string_equal(tap_log, "a4 b4 c4 a6 b6 ");
        assert_string_equal(fls_writer_error(writer)->subject, "bound");
        plan.fail_at = 0;
        assert_ok(fls_writer_close(writer, NULL));
        assert_int_equal(bytes_in(inner), 8);
        fls_sink_close(sink, NULL);
    }
}

/* A batch that is sent before a refusal, and has to wait: each tap still sees each message once. */
static void taps_once_when_a_refusal_waits(void **state)
{
    struct fls_tap taps[2] = {{.run = log_tap, .context = "a"}, fls_tap_bound(5)};
    struct fls_writer_options options = {
        .framer = FLS_FRAMER_VECTORED, .taps = taps, .tap_count = 2};
    struct fls_fault_plan plan = {.bytes_max = 3, .status = FLS_AGAIN, .fail_at = 1};
    struct iovec segments[3] = {{"abcd", 4}, {"abcdef", 6}, {"abc", 3}};
    struct fls_payload payloads[3] = {
        {&segments[0], 1, 4}, {&segments[1], 1, 6}, {&segments[2], 1, 3}};
    struct fls_sink *inner, *sink = moody_sink(&plan, &inner);
    struct fls_writer *writer;
    enum fls_status status;
    size_t written = 9;

    (void)state;
    tap_log[0] = '\0';
    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    while ((status = fls_writer_write_batch(writer, payloads, 3, &written)) == FLS_AGAIN)
        plan.fail_at = plan.calls + 2;
    assert_int_equal(status, FLS_INVALID_FRAME);
    assert_int_equal(written, 1);
    assert_int_equal(fls_writer_error(writer)->found, 6);
    assert_string_equal(tap_log, "a4 a6 ");
    assert_int_equal(bytes_in(inner), 8);
    plan.fail_at = 0;
    assert_ok(fls_writer_write(writer, "abc", 3));
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

static enum fls_status io_tap(const struct fls_tap *tap, const struct fls_payload *payload,
                              struct fls_error *error)
{
    (void)tap;
    return payload->length == 6 ? fls_error_system(error, "log", EIO) : FLS_OK;
}

/* "Any other status is passed on as it is": a tap's own failure is no failure of the sink. */
static void taps_may_fail_with_any_status(void **state)
{
    struct fls_tap tap = {.run = io_tap, .name = "log"};
    struct iovec segments[3] = {{"abcd", 4}, {"abcdef", 6}, {"abc", 3}};
    struct fls_payload payloads[3] = {
        {&segments[0], 1, 4}, {&segments[1], 1, 6}, {&segments[2], 1, 3}};

    (void)state;
    for (size_t f = 0; f < FRAMERS; f++) {
        struct fls_writer_options options = {.framer = framers[f], .taps = &tap, .tap_count = 1};
        struct fls_sink *sink;
        struct fls_writer *writer = open_memory_writer(&sink, &options);
        size_t written = 9;
        assert_int_equal(fls_writer_write_batch(writer, payloads, 3, &written), FLS_IO);
        assert_int_equal(written, 1);
        assert_int_equal(fls_writer_error(writer)->os_errno, EIO);
        assert_int_equal(bytes_in(sink), 8);
        assert_ok(fls_writer_write(writer, "abc", 3));
        assert_ok(fls_writer_close(writer, NULL));
        assert_int_equal(bytes_in(sink), 15);
        fls_sink_close(sink, NULL);
    }
}

/* --- poison ------------------------------------------------------------------------------------
 */

/* How many whole frames lie before `offset`, and where the last of them ends. */
static size_t whole_before(const struct frames *frames, size_t header_bytes, size_t offset,
                           size_t *end)
{
    size_t count = 0;

    *end = 0;
    for (size_t i = 0; i < SIZES; i++) {
        if (*end + header_bytes + sizes[i] > offset)
            break;
        *end += header_bytes + sizes[i];
        count++;
    }
    assert_true(*end <= frames->length);
    return count;
}

static void check_poison(struct fls_writer *writer, size_t frame, size_t offset)
{
    const struct fls_error *error = fls_writer_error(writer);
    struct fls_error at_close = FLS_ZERO;
    int wait_ms;

    assert_int_equal(error->os_errno, ENOSPC);
    assert_int_equal(error->has_frame, 1);
    assert_int_equal(error->frame, frame);
    assert_int_equal(error->offset, offset);
    assert_int_equal(fls_writer_write(writer, "x", 1), FLS_IO);
    assert_int_equal(fls_writer_write(writer, messages[11], 70000), FLS_IO);
    assert_int_equal(fls_writer_write_batch(writer, NULL, 0, NULL), FLS_IO);
    assert_int_equal(fls_writer_flush(writer, FLS_LEVEL_MACHINE), FLS_IO);
    assert_int_equal(fls_writer_flush_due(writer, &wait_ms), FLS_IO);
    assert_int_equal(error->frame, frame);
    assert_int_equal(fls_writer_close(writer, &at_close), FLS_IO);
    assert_int_equal(at_close.offset, offset);
    assert_int_equal(at_close.os_errno, ENOSPC);
}

/* Room for `room` bytes: the frames before are whole, the error names the first that is not. */
static void fail_at(enum fls_framer framer, enum manner manner, const struct frames *all,
                    size_t room, char *memory)
{
    struct fls_writer_options options = {
        .framer = framer, .checksum = FLS_CHECKSUM_CRC32, .copy_bytes_max = 3000};
    struct iovec segments[SIZES][5];
    struct fls_payload payloads[SIZES];
    struct fls_sink *sink;
    struct fls_writer *writer;
    enum fls_status status = FLS_OK;
    size_t written = 0, end, length, whole = whole_before(all, 8, room, &end);

    assert_ok(fls_sink_open_fixed_memory(memory, room, &sink, NULL));
    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    for (size_t i = 0; i < SIZES; i++)
        payloads[i] = in_segments(i, segments[i]);
    for (size_t i = 0; i < SIZES && manner != IN_ONE_BATCH && status == FLS_OK; i++)
        status = manner == SEGMENTED ? fls_writer_write_payload(writer, &payloads[i])
                                     : fls_writer_write(writer, messages[i], sizes[i]);
    if (manner == IN_ONE_BATCH) {
        status = fls_writer_write_batch(writer, payloads, SIZES, &written);
        assert_int_equal(written, whole);
    } else if (status == FLS_OK) {
        status = fls_writer_flush(writer, FLS_LEVEL_PROCESS);
    }
    assert_int_equal(status, FLS_IO);
    const void *bytes = fls_sink_memory_bytes(sink, &length);
    assert_int_equal(length, room);
    if (length > 0)
        assert_memory_equal(bytes, all->bytes, length);
    if (framer == FLS_FRAMER_BATCHED || room > end) {
        check_poison(writer, whole, end);
    } else {
        assert_int_equal(fls_writer_error(writer)->frame, whole);
        assert_int_equal(fls_writer_error(writer)->offset, end);
        assert_ok(fls_writer_close(writer, NULL));
    }
    fls_sink_close(sink, NULL);
}

static void failure_at_every_byte(void **state)
{
    struct frames all = expected_frames((struct fls_checksum){FLS_CHECKSUM_CRC32, NULL});
    char *memory = malloc(all.length);

    (void)state;
    for (size_t f = 0; f < FRAMERS; f++)
        for (int manner = CONTIGUOUS; manner < MANNERS; manner++)
            for (size_t room = 0; room < all.length; room += room < 400 ? 1 : 307)
                fail_at(framers[f], (enum manner)manner, &all, room, memory);
    free(memory);
    free(all.bytes);
}

/* Between two frames a full disk poisons nothing: when there is space again, writing goes on. */
static void full_between_frames_is_no_poison(void **state)
{
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        struct fls_writer_options options = {.framer = framers[f]};
        struct fls_fault_plan plan = {.fail_count = 2, .os_errno = ENOSPC, .status = FLS_IO};
        struct fls_sink *inner, *sink = moody_sink(&plan, &inner);
        struct frames expected = {NULL, 0, 0};
        struct fls_writer *writer;
        uint64_t frame;
        assert_ok(fls_writer_open(sink, &options, &writer, NULL));
        assert_ok(fls_writer_write(writer, "first", 5));
        plan.fail_at = plan.calls + 1;
        for (int i = 0; i < 2; i++) {
            assert_int_equal(fls_writer_write(writer, "lost", 4), FLS_IO);
            assert_int_equal(fls_writer_error(writer)->frame, 1);
            assert_int_equal(fls_writer_error(writer)->offset, 9);
        }
        assert_ok(fls_writer_write(writer, "second", 6));
        fls_writer_position(writer, NULL, &frame);
        assert_int_equal(frame, 2);
        assert_int_equal(fls_writer_statistics(writer).messages, 2);
        frames_put(&expected, (struct fls_checksum){FLS_CHECKSUM_NONE, NULL}, "first", 5);
        frames_put(&expected, (struct fls_checksum){FLS_CHECKSUM_NONE, NULL}, "second", 6);
        assert_sink_holds(inner, &expected);
        assert_ok(fls_writer_close(writer, NULL));
        fls_sink_close(sink, NULL);
        free(expected.bytes);
    }
}

static void failed_flush_poisons(void **state)
{
    struct fls_fault_plan plan = {.os_errno = EIO, .status = FLS_IO};
    struct fls_sink *inner, *sink = moody_sink(&plan, &inner);
    struct fls_writer *writer;

    (void)state;
    assert_ok(fls_writer_open(sink, NULL, &writer, NULL));
    assert_ok(fls_writer_write(writer, "abc", 3));
    assert_int_equal(fls_writer_flush(writer, FLS_LEVEL_MACHINE), FLS_UNSUPPORTED);
    assert_ok(fls_writer_write(writer, "abc", 3));
    plan.fail_at = plan.calls + 1;
    assert_int_equal(fls_writer_flush(writer, FLS_LEVEL_MACHINE), FLS_IO);
    assert_int_equal(fls_writer_write(writer, "abc", 3), FLS_IO);
    assert_int_equal(fls_writer_close(writer, NULL), FLS_IO);
    fls_sink_close(sink, NULL);
}

/* --- would block -------------------------------------------------------------------------------
 */

/* Repeats the call while the sink would block; each repeated call passes a few bytes more. */
#define PERSIST(plan, status, call)                                                                \
    while ((status = (call)) == FLS_AGAIN)                                                         \
    (plan).fail_at = (plan).calls + 2 + test_random() % 3

static void write_persistently(struct fls_writer *writer, struct fls_fault_plan *plan,
                               enum manner manner)
{
    struct iovec segments[SIZES][5];
    struct fls_payload payloads[SIZES];
    enum fls_status status = FLS_OK;
    size_t written = 0;

    for (size_t i = 0; i < SIZES; i++)
        payloads[i] = in_segments(i, segments[i]);
    for (size_t i = 0; i < SIZES && manner != IN_ONE_BATCH; i++) {
        plan->bytes_max = sizes[i] > 1000 ? 500 + test_random() % 3000 : plan->bytes_max;
        if (manner == CONTIGUOUS)
            PERSIST(*plan, status, fls_writer_write(writer, messages[i], sizes[i]));
        else
            PERSIST(*plan, status, fls_writer_write_payload(writer, &payloads[i]));
        assert_ok(status);
        plan->bytes_max = 1 + test_random() % 40;
        plan->fail_at = test_random() % 2 ? plan->calls + 1 : plan->fail_at;
    }
    if (manner == IN_ONE_BATCH) {
        plan->bytes_max = 1 + test_random() % 3000;
        PERSIST(*plan, status, fls_writer_write_batch(writer, payloads, SIZES, &written));
        assert_ok(status);
        assert_int_equal(written, SIZES);
    }
}

/* Would-block at random calls, short writes of random sizes: the bytes of the plain run. */
static void would_block_anywhere(void **state)
{
    struct frames all = expected_frames((struct fls_checksum){FLS_CHECKSUM_XXH3, NULL});

    (void)state;
    for (uint32_t round = 0; round < 240; round++) {
        struct fls_writer_options options = {.framer = framers[round % FRAMERS],
                                             .checksum = FLS_CHECKSUM_XXH3};
        struct fls_fault_plan plan = {
            .bytes_max = 1 + round % 50, .fail_at = 1 + round / 9, .status = FLS_AGAIN};
        struct fls_sink *inner, *sink = moody_sink(&plan, &inner);
        struct fls_error error = FLS_ZERO;
        struct fls_writer *writer;
        enum fls_status status;
        test_random_seed(round);
        options.copy_bytes_max = round % 4 == 3 ? 50 : 0;
        options.batch_bytes = round % 5 == 4 ? 600 : 0;
        options.keep_references = round % 7 == 6;
        assert_ok(fls_writer_open(sink, &options, &writer, NULL));
        write_persistently(writer, &plan, (enum manner)(round / FRAMERS % MANNERS));
        plan.bytes_max = 5000;
        PERSIST(plan, status, fls_writer_close(writer, &error));
        assert_ok(status);
        assert_sink_holds(inner, &all);
        fls_sink_close(sink, NULL);
    }
    free(all.bytes);
}

/* At every call position, one byte at a time. */
static void would_block_at_every_call(void **state)
{
    struct frames expected = {NULL, 0, 0};
    int more = 1;

    (void)state;
    for (int i = 0; i < 3; i++)
        frames_put(&expected, (struct fls_checksum){FLS_CHECKSUM_CRC16, NULL}, "message", 7);
    for (size_t f = 0; f < FRAMERS; f++) {
        more = 1;
        for (uint64_t position = 1; more; position++) {
            struct fls_writer_options options = {.framer = framers[f],
                                                 .checksum = FLS_CHECKSUM_CRC16};
            struct fls_fault_plan plan = {
                .bytes_max = 1, .fail_at = position, .fail_count = 2, .status = FLS_AGAIN};
            struct fls_sink *inner, *sink = moody_sink(&plan, &inner);
            struct fls_writer *writer;
            enum fls_status status;
            assert_ok(fls_writer_open(sink, &options, &writer, NULL));
            for (int i = 0; i < 3; i++) {
                while ((status = fls_writer_write(writer, "message", 7)) == FLS_AGAIN)
                    continue;
                assert_ok(status);
            }
            while ((status = fls_writer_close(writer, NULL)) == FLS_AGAIN)
                continue;
            assert_ok(status);
            assert_sink_holds(inner, &expected);
            more = plan.calls >= position;
            fls_sink_close(sink, NULL);
        }
    }
    free(expected.bytes);
}

static void another_message_is_refused_meanwhile(void **state)
{
    struct iovec segment = {"other", 5};
    struct fls_payload other = {&segment, 1, 5};

    (void)state;
    for (size_t f = 0; f < 2; f++) {
        struct fls_writer_options options = {.framer = framers[f]};
        struct fls_fault_plan plan = {.bytes_max = 2, .fail_at = 2, .status = FLS_AGAIN};
        struct fls_sink *inner, *sink = moody_sink(&plan, &inner);
        struct fls_writer *writer;
        int released = 0;
        assert_ok(fls_writer_open(sink, &options, &writer, NULL));
        assert_int_equal(fls_writer_write(writer, "abcd", 4), FLS_AGAIN);
        assert_int_equal(fls_writer_write(writer, "other", 5), FLS_INVALID_ARGUMENT);
        assert_int_equal(fls_writer_write_batch(writer, &other, 1, NULL), FLS_INVALID_ARGUMENT);
        assert_int_equal(fls_writer_write_owned(writer, &other, count_release, &released),
                         FLS_INVALID_ARGUMENT);
        assert_int_equal(released, 1);
        assert_ok(fls_writer_flush(writer, FLS_LEVEL_PROCESS)); /* it is through now */
        assert_int_equal(bytes_in(inner), 8);
        assert_ok(fls_writer_write(writer, "other", 5));
        assert_int_equal(bytes_in(inner), 17);
        assert_ok(fls_writer_close(writer, NULL));
        fls_sink_close(sink, NULL);
    }
}

/* The flush took the message's bytes, but could not end: writing the message again is right, and
 * writes it once. */
static void flush_that_waits_behind_the_message(void **state)
{
    struct iovec segment = {"abcd", 4};
    struct fls_payload payload = {&segment, 1, 4};

    (void)state;
    for (size_t f = 0; f < 2; f++) {
        for (int batch = 0; batch < 2; batch++) {
            struct fls_writer_options options = {.framer = framers[f]};
            struct fls_fault_plan plan = {.fail_at = 1, .status = FLS_AGAIN};
            struct fls_sink *inner, *sink = moody_sink(&plan, &inner);
            struct fls_writer *writer;
            uint64_t frame;
            assert_ok(fls_writer_open(sink, &options, &writer, NULL));
            assert_int_equal(batch ? fls_writer_write_batch(writer, &payload, 1, NULL)
                                   : fls_writer_write_payload(writer, &payload),
                             FLS_AGAIN);
            plan.fail_at = plan.calls + (framers[f] == FLS_FRAMER_SIMPLE ? 3 : 2);
            assert_int_equal(fls_writer_flush(writer, FLS_LEVEL_PROCESS), FLS_AGAIN);
            assert_int_equal(bytes_in(inner), 8);
            assert_int_equal(fls_writer_write(writer, "other", 5), FLS_INVALID_ARGUMENT);
            assert_ok(batch ? fls_writer_write_batch(writer, &payload, 1, NULL)
                            : fls_writer_write_payload(writer, &payload));
            assert_int_equal(bytes_in(inner), 8);
            fls_writer_position(writer, NULL, &frame);
            assert_int_equal(frame, 1);
            assert_ok(fls_writer_write(writer, "other", 5));
            assert_ok(fls_writer_close(writer, NULL));
            assert_int_equal(bytes_in(inner), 17);
            fls_sink_close(sink, NULL);
        }
    }
}

static void close_waits(void **state)
{
    struct fls_writer_options options = {.framer = FLS_FRAMER_BATCHED, .owns_sink = 1};
    struct fls_fault_plan plan = {
        .bytes_max = 3, .fail_at = 2, .fail_count = 4, .status = FLS_AGAIN};
    char memory[64];
    struct fls_sink *inner, *sink;
    struct fls_writer *writer;

    (void)state;
    assert_ok(fls_sink_open_fixed_memory(memory, sizeof memory, &inner, NULL));
    assert_ok(fls_sink_open_faulty(inner, &plan, &sink, NULL));
    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    assert_ok(fls_writer_write(writer, "abcdefgh", 8));
    for (int i = 0; i < 4; i++)
        assert_int_equal(fls_writer_close(writer, NULL), FLS_AGAIN);
    assert_ok(fls_writer_close(writer, NULL));
    assert_memory_equal(memory, "\x08\0\0\0abcdefgh", 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_bytes_whatever_the_framer),
        cmocka_unit_test(equal_bytes_with_custom_checksums),
        cmocka_unit_test(batches_are_cut),
        cmocka_unit_test(automatic_by_messages),
        cmocka_unit_test(automatic_by_bytes),
        cmocka_unit_test(automatic_by_default),
        cmocka_unit_test(automatic_by_age),
        cmocka_unit_test(unkept_references_go_out_at_once),
        cmocka_unit_test(kept_references_wait),
        cmocka_unit_test(copies_and_calls_are_counted),
        cmocka_unit_test(nothing_is_copied_when_never),
        cmocka_unit_test(released_on_success),
        cmocka_unit_test(released_on_refusal),
        cmocka_unit_test(released_on_failure_and_after),
        cmocka_unit_test(released_on_abandon),
        cmocka_unit_test(released_after_again),
        cmocka_unit_test(given_up_for_another),
        cmocka_unit_test(owned_is_never_given_up),
        cmocka_unit_test(limits),
        cmocka_unit_test(default_limit),
        cmocka_unit_test(length_must_be_the_sum),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(smaller_options),
        cmocka_unit_test(start_position),
        cmocka_unit_test(taps_run_in_order_and_once),
        cmocka_unit_test(taps_once_when_a_refusal_waits),
        cmocka_unit_test(taps_may_fail_with_any_status),
        cmocka_unit_test(failure_at_every_byte),
        cmocka_unit_test(full_between_frames_is_no_poison),
        cmocka_unit_test(failed_flush_poisons),
        cmocka_unit_test(would_block_anywhere),
        cmocka_unit_test(would_block_at_every_call),
        cmocka_unit_test(another_message_is_refused_meanwhile),
        cmocka_unit_test(flush_that_waits_behind_the_message),
        cmocka_unit_test(close_waits),
    };

    return cmocka_run_group_tests(tests, make_messages, free_messages);
}
