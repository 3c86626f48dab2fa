/*
 * hostile_sink_test.c: a sink that breaks its table's contract in every way, under every framer,
 * the asynchronous writer, and the sinks that stand before another: each time there is an error,
 * whose record says so, and nothing loops.
 */
#include "support/hostile.h"

#include <errno.h>
#include <string.h>

enum { MESSAGES = 12, MESSAGE_BYTES = 300, REFERENCES = 3 };

static uint8_t message[MESSAGE_BYTES];

static int is_breach(const struct fls_error *error)
{
    return error->status == FLS_IO && error->os_errno == EBADE;
}

/* May the slot return it? */
static int is_allowed(enum sink_slot slot, const struct misdeed *misdeed)
{
    switch (misdeed->status) {
    case FLS_OK:
        return slot != SINK_WRITEV || misdeed->count == SAID_ALL;
    case FLS_IO:
    case FLS_NO_MEMORY:
        return 1;
    case FLS_AGAIN:
        return slot != SINK_CLOSE;
    case FLS_UNSUPPORTED:
        return slot == SINK_FLUSH;
    default:
        return 0;
    }
}

static void assert_outcome(enum fls_status status, const struct fls_error *error,
                           enum sink_slot slot, const struct misdeed *misdeed)
{
    int allowed = is_allowed(slot, misdeed);

    assert_int_equal(status, allowed ? misdeed->status : FLS_IO);
    if (status == FLS_OK || status == FLS_AGAIN)
        return;
    assert_told(status, error);
    assert_int_equal(is_breach(error), !allowed);
    if (allowed && misdeed->record == LEFT_ALONE) {
        assert_int_equal(error->os_errno, 0);
        assert_int_equal(error->expected, 0);
        assert_int_equal(error->found, 0);
        assert_string_equal(error->reason, "");
    }
}

/* --- the writer --------------------------------------------------------------------------------
 */

struct use {
    enum fls_framer framer;
    enum sink_slot slot;
    size_t piece_bytes;
    uint64_t well;
    struct fls_sink *(*before)(struct fls_sink *sink); /* NULL: the sink itself */
};

static void count_release(void *context)
{
    ++*(int *)context;
}

/* By copy, by reference, and many at a time. The first status that is not FLS_OK. */
static enum fls_status write_all(struct fls_writer *writer, int *releases)
{
    struct iovec parts[2] = {{message, 100}, {message, 7}};
    struct fls_payload payload = fls_payload_from_segments(parts, 2);
    struct fls_payload many[REFERENCES] = {payload, payload, payload};
    enum fls_status status = FLS_OK;

    for (int i = 0; i < MESSAGES && status == FLS_OK; i++)
        status = fls_writer_write(writer, message, MESSAGE_BYTES);
    for (int i = 0; i < REFERENCES && status == FLS_OK; i++) {
        status = fls_writer_write_owned(writer, &payload, count_release, &releases[i]);
        releases[i] += 10;
    }
    if (status == FLS_OK)
        status = fls_writer_write_batch(writer, many, REFERENCES, NULL);
    return status == FLS_OK ? fls_writer_flush(writer, FLS_LEVEL_PROCESS) : status;
}

/* A sink of which nobody knows what it took gets nothing more. */
static void assert_shut(struct fls_writer *writer, enum fls_status status)
{
    if (!is_breach(fls_writer_error(writer)))
        return;
    assert_int_equal(fls_writer_write(writer, message, 1), status);
    assert_int_equal(fls_writer_flush(writer, FLS_LEVEL_PROCESS), status);
    assert_told(status, fls_writer_error(writer));
    assert_true(fls_writer_error(writer)->has_frame);
}

static void use_writer(const struct misdeed *misdeed, void *context)
{
    const struct use *use = context;
    struct hostile_sink hostile;
    hostile_sink_make(&hostile, use->slot, misdeed, use->well);
    hostile.base.piece_bytes = use->piece_bytes;
    struct fls_sink *sink = use->before ? use->before(&hostile.base) : &hostile.base;
    struct fls_writer_options options = {
        .framer = use->framer, .batch_messages = 5, .copy_bytes_max = 200, .owns_sink = 1};
    struct fls_writer *writer;
    struct fls_error error = FLS_ZERO;
    int releases[REFERENCES] = {0};

    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    enum fls_status status = write_all(writer, releases);
    if (use->slot == SINK_CLOSE) {
        assert_ok(status);
        assert_outcome(fls_writer_close(writer, &error), &error, use->slot, misdeed);
    } else {
        assert_outcome(status, fls_writer_error(writer), use->slot, misdeed);
        assert_shut(writer, status);
        fls_writer_abandon(writer);
    }
    for (int i = 0; i < REFERENCES; i++)
        assert_true(releases[i] == 0 || releases[i] == 11); /* not asked, or once */
    assert_int_equal(hostile.closed, 1);
    hostile_sink_free(&hostile);
}

static void use_each_slot(struct use use)
{
    static const enum fls_framer framers[] = {FLS_FRAMER_SIMPLE, FLS_FRAMER_VECTORED,
                                              FLS_FRAMER_BATCHED};

    for (size_t i = 0; i < sizeof framers / sizeof framers[0]; i++) {
        for (int slot = SINK_WRITEV; slot < SINK_SLOTS; slot++) {
            use.framer = framers[i];
            use.slot = (enum sink_slot)slot;
            for_each_misdeed(use_writer, &use);
        }
    }
}

static void under_each_framer(void **state)
{
    (void)state;
    use_each_slot((struct use){.well = 0});
}

static void in_pieces(void **state)
{
    (void)state;
    use_each_slot((struct use){.piece_bytes = 64});
}

/* --- sinks before it --------------------------------------------------------------------------
 */

static struct fls_io_counts counts;
static struct fls_fault_plan short_writes = {.bytes_max = 37};

static struct fls_sink *counting(struct fls_sink *sink)
{
    struct fls_sink *before;

    assert_ok(fls_sink_open_counting(sink, &counts, &before, NULL));
    return before;
}

static struct fls_sink *faulty(struct fls_sink *sink)
{
    struct fls_sink *before;

    assert_ok(fls_sink_open_faulty(sink, &short_writes, &before, NULL));
    return before;
}

static void behind_decorators(void **state)
{
    (void)state;
    use_each_slot((struct use){.before = counting});
    use_each_slot((struct use){.before = faulty});
}

/* Behind a thread a failure is told by a later call, at the latest by the flush. */
static void use_behind(const struct misdeed *misdeed, void *context)
{
    const struct use *use = context;
    struct hostile_sink hostile;
    struct fls_sink *sink;
    struct fls_error error = FLS_ZERO;
    struct fls_error closing = FLS_ZERO;
    struct iovec segment = {message, MESSAGE_BYTES};
    struct fls_write_cursor cursor = {&segment, 1, 0};

    if (use->slot == SINK_WRITEV && misdeed->status == FLS_AGAIN)
        return; /* it must block: told in words, as an error of its own */
    hostile_sink_make(&hostile, use->slot, misdeed, use->well);
    assert_ok(fls_sink_open_behind(&hostile.base, &sink, NULL));
    assert_ok(fls_sink_write(sink, &cursor, NULL, &error));
    enum fls_status status = fls_sink_flush(sink, FLS_LEVEL_PROCESS, &error);
    enum fls_status closed = fls_sink_close(sink, &closing);
    if (use->slot == SINK_CLOSE)
        assert_outcome(closed, &closing, use->slot, misdeed);
    else
        assert_outcome(status, &error, use->slot, misdeed);
    assert_int_equal(hostile.closed, 1);
    hostile_sink_free(&hostile);
}

static void behind_a_thread(void **state)
{
    (void)state;
    for (int slot = SINK_WRITEV; slot < SINK_SLOTS; slot++) {
        struct use use = {.slot = (enum sink_slot)slot};
        for_each_misdeed(use_behind, &use);
    }
}

/* --- the asynchronous writer -------------------------------------------------------------------
 */

static void use_async(const struct misdeed *misdeed, void *context)
{
    const struct use *use = context;
    struct fls_writer_options writer = {.owns_sink = 1};
    struct fls_async_options options = {.writer = &writer};
    struct fls_async_counts numbers;
    struct fls_error error = FLS_ZERO;
    struct fls_async *async;
    struct hostile_sink hostile;

    if (misdeed->status == FLS_AGAIN)
        return; /* it goes on trying, as it says */
    hostile_sink_make(&hostile, use->slot, misdeed, use->well);
    assert_ok(fls_async_open(&hostile.base, &options, &async, NULL));
    for (int i = 0; i < MESSAGES; i++)
        if (fls_async_write(async, message, MESSAGE_BYTES) != FLS_OK)
            break;
    (void)!fls_async_flush(async, FLS_LEVEL_PROCESS, -1);
    enum fls_status status = fls_async_close(async, -1, &numbers, &error);
    if (use->slot == SINK_FLUSH && misdeed->status == FLS_UNSUPPORTED)
        assert_ok(status);
    else
        assert_outcome(status, &error, use->slot, misdeed);
    assert_int_equal(numbers.accepted,
                     numbers.written + numbers.dropped_oldest + numbers.refused + numbers.lost);
    if (use->slot == SINK_WRITEV && status != FLS_OK)
        assert_int_equal(numbers.written, 0);
    assert_int_equal(hostile.closed, 1);
    hostile_sink_free(&hostile);
}

static void under_the_asynchronous_writer(void **state)
{
    (void)state;
    for (int slot = SINK_WRITEV; slot < SINK_SLOTS; slot++) {
        struct use use = {.slot = (enum sink_slot)slot};
        for_each_misdeed(use_async, &use);
    }
}

/* --- later than at once ------------------------------------------------------------------------
 */

/* What went well before is not lost, and the error stands where it ends. */
static void use_later(const struct misdeed *misdeed, void *context)
{
    struct use *use = context;
    struct hostile_sink hostile;
    struct fls_writer_options options = {.framer = FLS_FRAMER_VECTORED};
    struct fls_writer *writer;
    size_t length;
    enum fls_status status = FLS_OK;

    hostile_sink_make(&hostile, SINK_WRITEV, misdeed, use->well);
    assert_ok(fls_writer_open(&hostile.base, &options, &writer, NULL));
    for (int i = 0; i < MESSAGES && status == FLS_OK; i++)
        status = fls_writer_write(writer, message, MESSAGE_BYTES);
    assert_outcome(status, fls_writer_error(writer), SINK_WRITEV, misdeed);
    if (status != FLS_OK && status != FLS_AGAIN) {
        (void)fls_sink_memory_bytes(hostile.memory, &length);
        assert_int_equal(fls_writer_error(writer)->frame, use->well);
        assert_int_equal(fls_writer_error(writer)->offset, length);
    }
    fls_writer_abandon(writer);
    hostile_sink_free(&hostile);
}

static void after_some_that_went_well(void **state)
{
    struct use use = {.well = 7};

    (void)state;
    for_each_misdeed(use_later, &use);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_each_framer),
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(behind_decorators),
        cmocka_unit_test(behind_a_thread),
        cmocka_unit_test(under_the_asynchronous_writer),
        cmocka_unit_test(after_some_that_went_well),
    };

    pattern_fill(message, sizeof message);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
