/*
 * behind_test.c: what a sink accepts that is written behind comes out whole and in order, however
 * the sink behind it behaves; what fails is said, and nothing accepted is passed over.
 *
 * pthread_create goes through a wrap here: the thread is refused.
 */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <flatstream/decorator.h>

#include "support/frames.h"

#define BYTES_MAX ((size_t)4 << 20)

static int no_thread;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *),
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *),
                          void *context);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *),
                          void *context)
{
    return no_thread ? EAGAIN : __real_pthread_create(thread, how, run, context);
}

/* A sink written behind into memory that belongs to the test. */
struct rig {
    uint8_t *bytes;
    struct fls_fault_plan plan;
    struct fls_sink *memory;
    struct fls_sink *sink;
};

static void set_up(struct rig *rig, size_t capacity, const struct fls_fault_plan *plan)
{
    struct fls_sink *faulty;

    rig->bytes = malloc(BYTES_MAX);
    assert_non_null(rig->bytes);
    rig->plan = plan ? *plan : (struct fls_fault_plan)FLS_ZERO;
    assert_ok(fls_sink_open_fixed_memory(rig->bytes, capacity, &rig->memory, NULL));
    assert_ok(fls_sink_open_faulty(rig->memory, &rig->plan, &faulty, NULL));
    assert_ok(fls_sink_open_behind(faulty, &rig->sink, NULL));
}

/* Writes `length` bytes of the pattern in segments of all sizes, and again after each failure;
 * returns how many there were. */
static unsigned write_pattern(struct fls_sink *sink, const uint8_t *pattern, size_t length)
{
    unsigned failures = 0;

    for (size_t at = 0; at < length;) {
        struct iovec segments[5];
        size_t count = 1 + test_random() % 5, end = at;
        for (size_t i = 0; i < count; i++) {
            size_t part = test_random() % (test_random() % 4 ? 200u : 400000u);
            part = part < length - end ? part : length - end;
            segments[i] = (struct iovec){(void *)(uintptr_t)(pattern + end), part};
            end += part;
        }
        struct fls_write_cursor cursor = {segments, count, 0};
        struct fls_error error;
        while (fls_sink_write(sink, &cursor, NULL, &error) != FLS_OK) {
            assert_int_equal(error.os_errno, ENOSPC);
            failures++;
        }
        at = end;
    }
    return failures;
}

static uint8_t *new_pattern(size_t length)
{
    uint8_t *pattern = malloc(length);

    assert_non_null(pattern);
    for (size_t i = 0; i < length; i++)
        pattern[i] = (uint8_t)(test_random() >> 8);
    return pattern;
}

static unsigned flush(struct fls_sink *sink)
{
    unsigned failures = 0;

    while (fls_sink_flush(sink, FLS_LEVEL_PROCESS, NULL) != FLS_OK)
        failures++;
    return failures;
}

static void check(const struct rig *rig, const uint8_t *pattern, size_t length)
{
    size_t written;

    assert_ptr_equal(fls_sink_memory_bytes(rig->memory, &written), rig->bytes);
    assert_int_equal(written, length);
    assert_memory_equal(rig->bytes, pattern, length);
}

static void test_in_order(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 262143, 262144, 262145, 1048576, 3000001};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (size_t most = 0; most < 50000; most += 49999) {
            struct fls_fault_plan plan = {.bytes_max = most};
            uint8_t *pattern = new_pattern(BYTES_MAX);
            struct rig rig;
            set_up(&rig, BYTES_MAX, &plan);
            assert_int_equal(write_pattern(rig.sink, pattern, lengths[i]), 0);
            assert_ok(fls_sink_flush(rig.sink, FLS_LEVEL_OBJECT, NULL));
            assert_int_equal(flush(rig.sink), 0);
            check(&rig, pattern, lengths[i]);
            assert_int_equal(write_pattern(rig.sink, pattern + lengths[i], 1000), 0);
            assert_int_equal(flush(rig.sink), 0);
            check(&rig, pattern, lengths[i] + 1000);
            assert_ok(fls_sink_close(rig.sink, NULL));
            free(pattern);
            free(rig.bytes);
        }
}

/* Every call to the sink behind fails in its turn, once or some times: each failure but those that
 * follow one another unheard is said, and then everything is there. */
static void test_failures(void **state)
{
    (void)state;
    size_t length = 1500000;
    uint8_t *pattern = new_pattern(length);

    for (uint64_t at = 1; at <= 9; at++)
        for (uint64_t times = 1; times <= 3; times += 2) {
            struct fls_fault_plan plan = {.bytes_max = 200000,
                                          .fail_at = at,
                                          .fail_count = times,
                                          .status = FLS_IO,
                                          .os_errno = ENOSPC};
            struct rig rig;
            set_up(&rig, BYTES_MAX, &plan);
            unsigned failures = write_pattern(rig.sink, pattern, length);
            failures += flush(rig.sink);
            check(&rig, pattern, length);
            assert_int_equal(failures, times);
            assert_ok(fls_sink_close(rig.sink, NULL));
            free(rig.bytes);
        }
    free(pattern);
}

/* What a sink that is full cannot take is said when it is closed, at the latest. */
static void test_full(void **state)
{
    (void)state;
    uint8_t *pattern = new_pattern(300000);
    struct fls_error error;
    struct rig rig;

    set_up(&rig, 100000, NULL);
    assert_int_equal(write_pattern(rig.sink, pattern, 200000), 0);
    assert_int_equal(fls_sink_flush(rig.sink, FLS_LEVEL_PROCESS, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOSPC);
    assert_int_equal(fls_sink_flush(rig.sink, FLS_LEVEL_MACHINE, &error), FLS_IO);
    check(&rig, pattern, 100000);
    assert_int_equal(fls_sink_close(rig.sink, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOSPC);
    free(rig.bytes);
    free(pattern);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    struct fls_fault_plan plan = {.fail_at = 1, .fail_count = UINT64_MAX, .status = FLS_AGAIN};
    struct fls_sink *memory, *sink;
    struct fls_error error;
    struct rig rig;

    set_up(&rig, BYTES_MAX, &plan);
    assert_int_equal(write_pattern(rig.sink, (const uint8_t *)"some bytes", 10), 0);
    assert_int_equal(fls_sink_flush(rig.sink, FLS_LEVEL_PROCESS, &error), FLS_IO);
    assert_non_null(strstr(error.reason, "non-blocking"));
    assert_int_equal(fls_sink_close(rig.sink, NULL), FLS_IO);
    free(rig.bytes);
    assert_ok(fls_sink_open_memory(0, &memory, NULL));
    no_thread = 1;
    assert_int_equal(fls_sink_open_behind(memory, &sink, &error), FLS_IO);
    no_thread = 0;
    assert_int_equal(error.os_errno, EAGAIN);
    assert_ok(fls_sink_close(memory, NULL));
}

/* A writer on it, with payloads copied and by reference, and a batch flushed in the middle. */
static void test_writer(void **state)
{
    (void)state;
    struct fls_writer_options options = {
        .framer = FLS_FRAMER_BATCHED, .checksum = FLS_CHECKSUM_XXH3, .owns_sink = 1};
    static const size_t sizes[] = {0, 1, 64, 300, 5000, 300000, 700000};
    struct fls_checksum xxh3 = {FLS_CHECKSUM_XXH3, NULL};
    struct frames frames = {NULL, 0, 0};
    struct fls_writer *writer;
    struct rig rig;

    set_up(&rig, BYTES_MAX, NULL);
    assert_ok(fls_writer_open(rig.sink, &options, &writer, NULL));
    for (size_t i = 0; i < 200; i++) {
        size_t size = sizes[i % (i % 50 == 0 ? 7 : 5)];
        uint8_t *payload = malloc(size + 1);
        assert_non_null(payload);
        pattern_fill(payload, size);
        assert_ok(fls_writer_write(writer, payload, size));
        frames_pattern(&frames, xxh3, &size, 1);
        if (i == 77 || size > 5000)
            assert_ok(fls_writer_flush(writer, FLS_LEVEL_PROCESS));
        free(payload);
    }
    assert_ok(fls_writer_flush(writer, FLS_LEVEL_PROCESS));
    check(&rig, frames.bytes, frames.length);
    assert_true(fls_writer_statistics(writer).messages == 200);
    assert_ok(fls_writer_close(writer, NULL));
    free(frames.bytes);
    free(rig.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_full),     cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
