/*
 * memory_policy_test.c: the policies step by step, against their rules in the reference: what
 * counts, what starts the count again, which reason comes first, and when nobody is asked.
 */
#include "support/test.h"

#include <string.h>

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)

static uint64_t now_ms;

static uint64_t test_clock(void *context)
{
    ++*(int *)context;
    return now_ms * 1000000;
}

static enum fls_reclaim_reason consult(struct fls_memory_policy *policy, size_t bytes,
                                       size_t capacity)
{
    struct fls_reclaim_info info;

    return fls_memory_policy_consult(policy, bytes, capacity, &info);
}

static void expect_quiet(struct fls_memory_policy *policy, size_t bytes, size_t capacity, int times)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(consult(policy, bytes, capacity), FLS_RECLAIM_NONE);
}

static void defaults(void **state)
{
    struct fls_memory_policy watermark = fls_memory_policy_watermark(0, 0, 0);
    struct fls_memory_policy threshold = fls_memory_policy_threshold(0, 0, 0);

    (void)state;
    assert_int_equal(FLS_MEMORY_BASELINE_BYTES_DEFAULT, 16 * KIB);
    assert_int_equal(watermark.watermark.ratio, 4);
    assert_int_equal(watermark.watermark.messages_to_wait, 5);
    assert_int_equal(watermark.watermark.cooldown_ns, 0);
    assert_int_equal(threshold.threshold.large_bytes, MIB);
    assert_int_equal(threshold.threshold.small_bytes, KIB);
    assert_int_equal(threshold.threshold.messages_to_wait, 8);
}

static void none_never_fires(void **state)
{
    struct fls_memory_policy policy = fls_memory_policy_none();

    (void)state;
    expect_quiet(&policy, 1, SIZE_MAX, 100);
    assert_int_equal(consult(NULL, 1, SIZE_MAX), FLS_RECLAIM_NONE);
}

/* --- watermark -----------------------------------------------------------------------------------
 */

static void fires_after_so_many_in_a_row(void **state)
{
    struct fls_memory_policy policy = fls_memory_policy_watermark(0, 0, 0);

    (void)state;
    for (int round = 0; round < 3; round++) { /* the state is cleared on firing */
        expect_quiet(&policy, 100, MIB, 4);
        assert_int_equal(consult(&policy, 100, MIB), FLS_RECLAIM_MESSAGE_COUNT);
    }
}

static void ratio_is_inclusive(void **state)
{
    struct fls_memory_policy policy = fls_memory_policy_watermark(4, 1, 0);

    (void)state;
    assert_int_equal(consult(&policy, 25 * KIB, 100 * KIB), FLS_RECLAIM_MESSAGE_COUNT);
    assert_int_equal(consult(&policy, 25 * KIB + 1, 100 * KIB), FLS_RECLAIM_NONE);
    assert_int_equal(consult(&policy, 25 * KIB, 100 * KIB - 1), FLS_RECLAIM_NONE);
}

static void larger_and_empty_messages_start_again(void **state)
{
    static const size_t breaks[] = {0, 512 * KIB};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fls_memory_policy policy = fls_memory_policy_watermark(4, 3, 0);
        expect_quiet(&policy, 10, MIB, 2);
        expect_quiet(&policy, breaks[i], MIB, 1);
        expect_quiet(&policy, 10, MIB, 2);
        assert_int_equal(consult(&policy, 10, MIB), FLS_RECLAIM_MESSAGE_COUNT);
    }
}

static void huge_sizes_do_not_overflow(void **state)
{
    struct fls_memory_policy policy = fls_memory_policy_watermark(SIZE_MAX, 1, 0);

    (void)state;
    expect_quiet(&policy, 2, MIB, 10);
    policy = fls_memory_policy_watermark(4, 1, 0);
    expect_quiet(&policy, SIZE_MAX / 2, MIB, 10);
}

static void cooldown(void **state)
{
    int readings = 0;
    struct fls_memory_policy policy = fls_memory_policy_watermark(4, 1000, 50 * 1000000);

    (void)state;
    policy.clock = (struct fls_clock){test_clock, &readings};
    now_ms = 100;
    expect_quiet(&policy, 10, MIB, 3); /* the window opens with the first */
    now_ms = 149;
    expect_quiet(&policy, 10, MIB, 1);
    now_ms = 150;
    assert_int_equal(consult(&policy, 10, MIB), FLS_RECLAIM_TIME_COOLDOWN);
    now_ms = 500; /* a new window, not the old one's rest */
    expect_quiet(&policy, 10, MIB, 2);
    now_ms = 540;
    expect_quiet(&policy, 512 * KIB, MIB, 1); /* closes it */
    now_ms = 560;
    expect_quiet(&policy, 10, MIB, 1);
    now_ms = 610;
    assert_int_equal(consult(&policy, 10, MIB), FLS_RECLAIM_TIME_COOLDOWN);
    assert_true(readings > 0);
}

/* When both hold, time is the reason. */
static void time_takes_precedence(void **state)
{
    int readings = 0;
    struct fls_memory_policy policy = fls_memory_policy_watermark(4, 2, 50 * 1000000);

    (void)state;
    policy.clock = (struct fls_clock){test_clock, &readings};
    now_ms = 0;
    expect_quiet(&policy, 10, MIB, 1);
    now_ms = 50;
    assert_int_equal(consult(&policy, 10, MIB), FLS_RECLAIM_TIME_COOLDOWN);
    expect_quiet(&policy, 10, MIB, 1);
    assert_int_equal(consult(&policy, 10, MIB), FLS_RECLAIM_MESSAGE_COUNT);
}

static void no_cooldown_no_clock(void **state)
{
    int readings = 0;
    struct fls_memory_policy policy = fls_memory_policy_watermark(4, 3, 0);

    (void)state;
    policy.clock = (struct fls_clock){test_clock, &readings};
    expect_quiet(&policy, 10, MIB, 2);
    assert_int_equal(consult(&policy, 10, MIB), FLS_RECLAIM_MESSAGE_COUNT);
    assert_int_equal(readings, 0);
}

/* --- threshold -----------------------------------------------------------------------------------
 */

static void threshold_arms_and_fires(void **state)
{
    struct fls_memory_policy policy = fls_memory_policy_threshold(0, 0, 0);

    (void)state;
    expect_quiet(&policy, 10, 2 * MIB, 50); /* not armed */
    expect_quiet(&policy, MIB, 2 * MIB, 1); /* exactly the bound does not arm */
    expect_quiet(&policy, 10, 2 * MIB, 50);
    expect_quiet(&policy, MIB + 1, 2 * MIB, 1);
    expect_quiet(&policy, KIB - 1, 2 * MIB, 7);
    assert_int_equal(consult(&policy, 0, 2 * MIB), FLS_RECLAIM_SIZE_THRESHOLD);
    expect_quiet(&policy, 10, 2 * MIB, 50); /* disarmed by firing */
}

static void threshold_run_is_broken(void **state)
{
    static const size_t breaks[] = {KIB, 5 * KIB, MIB, MIB + 1};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct fls_memory_policy policy = fls_memory_policy_threshold(0, 0, 3);
        expect_quiet(&policy, MIB + 1, 2 * MIB, 1);
        expect_quiet(&policy, 1, 2 * MIB, 2);
        expect_quiet(&policy, breaks[i], 2 * MIB, 1); /* in between, or large again */
        expect_quiet(&policy, 1, 2 * MIB, 2);
        assert_int_equal(consult(&policy, 1, 2 * MIB), FLS_RECLAIM_SIZE_THRESHOLD);
    }
}

/* --- asking --------------------------------------------------------------------------------------
 */

static struct fls_reclaim_info told;
static int times_told;

static void tell(void *context, const struct fls_reclaim_info *info)
{
    assert_string_equal(context, "mine");
    told = *info;
    times_told++;
}

static void callback_and_info(void **state)
{
    struct fls_memory_policy policy = fls_memory_policy_watermark(4, 2, 0);
    struct fls_reclaim_info info;

    (void)state;
    policy.on_reclaim = tell;
    policy.context = "mine";
    times_told = 0;
    assert_int_equal(fls_memory_policy_consult(&policy, 7, MIB, &info), FLS_RECLAIM_NONE);
    assert_int_equal(times_told, 0);
    assert_int_equal(fls_memory_policy_consult(&policy, 9, MIB, &info), FLS_RECLAIM_MESSAGE_COUNT);
    assert_int_equal(times_told, 1);
    assert_int_equal(info.reason, FLS_RECLAIM_MESSAGE_COUNT);
    assert_int_equal(info.last_message_bytes, 9);
    assert_int_equal(info.capacity_before, MIB);
    assert_int_equal(info.capacity_after, 16 * KIB);
    assert_int_equal(told.reason, info.reason);
    assert_int_equal(told.last_message_bytes, info.last_message_bytes);
    assert_int_equal(told.capacity_before, info.capacity_before);
    assert_int_equal(told.capacity_after, info.capacity_after);
}

/* At or under the baseline nobody is asked, and the count stands still. */
static void baseline(void **state)
{
    struct fls_memory_policy policy = fls_memory_policy_watermark(4, 3, 0);

    (void)state;
    expect_quiet(&policy, 10, 16 * KIB, 100);
    expect_quiet(&policy, 10, 16 * KIB + 1, 2);
    expect_quiet(&policy, 10, 16 * KIB, 100);
    assert_int_equal(consult(&policy, 10, 16 * KIB + 1), FLS_RECLAIM_MESSAGE_COUNT);
    policy.baseline_bytes = 100;
    expect_quiet(&policy, 10, 100, 10);
    expect_quiet(&policy, 10, 101, 2);
    assert_int_equal(consult(&policy, 10, 101), FLS_RECLAIM_MESSAGE_COUNT);
}

/* --- at work on a writer
 * ---------------------------------------------------------------------------
 */

static int always_valid(const void *buffer, size_t bytes)
{
    (void)buffer;
    (void)bytes;
    return 0;
}

/* The flattening buffer gives its memory back. */
static void writer_s_buffer_shrinks(void **state)
{
    static uint8_t large[200000];
    struct fls_memory_policy policy = fls_memory_policy_watermark(4, 2, 0);
    struct fls_tap tap = fls_tap_typed("any", always_valid);
    struct fls_writer_options options = {.taps = &tap, .tap_count = 1, .memory_policy = &policy};
    struct iovec segments[2] = {{large, 100000}, {large + 100000, 100000}};
    struct fls_payload payload = fls_payload_from_segments(segments, 2);
    struct iovec small_segments[2] = {{large, 1}, {large, 2}};
    struct fls_payload small = fls_payload_from_segments(small_segments, 2);
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);

    (void)state;
    policy.on_reclaim = tell;
    policy.context = "mine";
    times_told = 0;
    assert_ok(fls_writer_write_payload(writer, &payload));
    for (int i = 0; i < 10; i++)
        assert_ok(fls_writer_write_payload(writer, &small));
    assert_int_equal(times_told, 1);
    assert_true(told.capacity_before >= 200000);
    assert_int_equal(told.capacity_after, 16 * KIB);
    assert_ok(fls_writer_write_payload(writer, &payload));
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

static void system_clock(void **state)
{
    struct fls_clock none = {NULL, NULL};
    uint64_t before = fls_clock_now_ns(NULL), between = fls_clock_now_ns(&none);

    (void)state;
    assert_true(before > 0 && between >= before && fls_clock_now_ns(NULL) >= between);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(none_never_fires),
        cmocka_unit_test(fires_after_so_many_in_a_row),
        cmocka_unit_test(ratio_is_inclusive),
        cmocka_unit_test(larger_and_empty_messages_start_again),
        cmocka_unit_test(huge_sizes_do_not_overflow),
        cmocka_unit_test(cooldown),
        cmocka_unit_test(time_takes_precedence),
        cmocka_unit_test(no_cooldown_no_clock),
        cmocka_unit_test(threshold_arms_and_fires),
        cmocka_unit_test(threshold_run_is_broken),
        cmocka_unit_test(callback_and_info),
        cmocka_unit_test(baseline),
        cmocka_unit_test(writer_s_buffer_shrinks),
        cmocka_unit_test(system_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
