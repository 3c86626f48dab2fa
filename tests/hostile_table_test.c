/*
 * hostile_table_test.c: taps, checksums, clocks, memory policies, time keys and allocators that
 * break their contract in every way, under the writer, the asynchronous writer, the journal, the
 * reader and a series.
 */
#include "support/frames.h"
#include "support/hostile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGES = 8, MESSAGE_BYTES = 300, WELL = 3 };

static uint8_t message[MESSAGE_BYTES];
static char folder[64];
static char path[96];

/* --- taps --------------------------------------------------------------------------------------
 */

/* What a tap returns is passed on, but for what says where a stream stands. */
static int is_allowed(const struct misdeed *misdeed)
{
    return misdeed->status >= FLS_OK && misdeed->status <= FLS_NO_MEMORY &&
           misdeed->status != FLS_END && misdeed->status != FLS_AGAIN &&
           misdeed->status != FLS_UNEXPECTED_END;
}

static void assert_outcome(enum fls_status status, const struct fls_error *error,
                           const struct misdeed *misdeed)
{
    int allowed = is_allowed(misdeed);

    assert_int_equal(status, allowed ? misdeed->status : FLS_IO);
    assert_told(status, error);
    assert_int_equal(error->frame, WELL);
    if (misdeed->record != LEFT_GARBAGE)
        assert_string_equal(error->subject, "hostile");
    if (!allowed)
        assert_int_equal(error->os_errno, EBADE);
}

static void tap_of_writer(const struct misdeed *misdeed, void *context)
{
    struct hostile_tap hostile;
    struct fls_sink *sink;
    enum fls_status status = FLS_OK;

    if (misdeed->status == FLS_OK)
        return;
    hostile_tap_make(&hostile, misdeed, WELL);
    struct fls_writer_options options = {
        .framer = *(const enum fls_framer *)context, .taps = &hostile.tap, .tap_count = 1};
    struct fls_writer *writer = open_memory_writer(&sink, &options);
    for (int i = 0; i < MESSAGES && status == FLS_OK; i++)
        status = fls_writer_write(writer, message, MESSAGE_BYTES);
    assert_outcome(status, fls_writer_error(writer), misdeed);
    assert_ok(fls_writer_flush(writer, FLS_LEVEL_PROCESS)); /* those before it are well */
    assert_int_equal(fls_writer_statistics(writer).messages, WELL);
    assert_ok(fls_writer_close(writer, NULL));
    assert_ok(fls_sink_close(sink, NULL));
}

static void taps_of_a_writer(void **state)
{
    enum fls_framer framers[] = {FLS_FRAMER_SIMPLE, FLS_FRAMER_VECTORED, FLS_FRAMER_BATCHED};

    (void)state;
    for (size_t i = 0; i < sizeof framers / sizeof framers[0]; i++)
        for_each_misdeed(tap_of_writer, &framers[i]);
}

/* The drain thread ends, unless it is a refusal of one message. */
static void tap_of_async(const struct misdeed *misdeed, void *context)
{
    struct hostile_tap hostile;
    struct fls_sink *sink;
    struct fls_async *async;
    struct fls_async_counts numbers;
    struct fls_error error = FLS_ZERO;

    (void)context;
    if (misdeed->status == FLS_OK)
        return;
    hostile_tap_make(&hostile, misdeed, WELL);
    struct fls_writer_options writer = {.taps = &hostile.tap, .tap_count = 1, .owns_sink = 1};
    struct fls_async_options options = {.writer = &writer};
    assert_ok(fls_sink_open_memory(0, &sink, NULL));
    assert_ok(fls_async_open(sink, &options, &async, NULL));
    for (int i = 0; i < MESSAGES; i++)
        if (fls_async_write(async, message, MESSAGE_BYTES) != FLS_OK)
            break;
    enum fls_status status = fls_async_close(async, -1, &numbers, &error);
    assert_int_equal(numbers.written, WELL);
    assert_int_equal(numbers.accepted, WELL + numbers.refused + numbers.lost);
    if (status == FLS_OK)
        assert_int_equal(numbers.refused, MESSAGES - WELL);
    else
        assert_outcome(status, &error, misdeed);
}

static void taps_of_an_asynchronous_writer(void **state)
{
    (void)state;
    for_each_misdeed(tap_of_async, NULL);
}

static void tap_of_journal(const struct misdeed *misdeed, void *context)
{
    struct hostile_tap hostile;
    struct fls_journal *journal;
    struct fls_error error = FLS_ZERO;
    enum fls_status status = FLS_OK;

    (void)context;
    if (misdeed->status == FLS_OK || misdeed->record == LEFT_INTERRUPTED)
        return;
    hostile_tap_make(&hostile, misdeed, WELL);
    struct fls_journal_options options = {
        .checksum = FLS_CHECKSUM_XXH3, .taps = &hostile.tap, .tap_count = 1};
    assert_ok(fls_journal_open(path, &options, &journal, NULL, NULL));
    for (int i = 0; i < MESSAGES && status == FLS_OK; i++)
        status = fls_journal_write(journal, message, MESSAGE_BYTES, NULL);
    fls_journal_error(journal, &error);
    assert_int_equal(status, is_allowed(misdeed) ? misdeed->status : FLS_IO);
    assert_told(status, &error);
    assert_int_equal(error.frame, WELL);
    assert_int_equal(fls_journal_statistics(journal).messages, WELL);
    assert_ok(fls_journal_close(journal, NULL));
    assert_int_equal(unlink(path), 0);
}

static void taps_of_a_journal(void **state)
{
    (void)state;
    for_each_misdeed(tap_of_journal, NULL);
}

static void write_stream(void)
{
    struct fls_writer_options options = {.checksum = FLS_CHECKSUM_XXH3, .owns_sink = 1};
    struct fls_sink *sink;
    struct fls_writer *writer;

    assert_ok(fls_sink_open_file(path, FLS_FILE_TRUNCATE, &sink, NULL));
    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    for (int i = 0; i < MESSAGES; i++)
        assert_ok(fls_writer_write(writer, message, MESSAGE_BYTES));
    assert_ok(fls_writer_close(writer, NULL));
}

static void read_with_tap(const struct misdeed *misdeed, struct fls_source *source)
{
    struct hostile_tap hostile;
    struct fls_reader *reader;
    struct fls_message read;
    enum fls_status status;

    hostile_tap_make(&hostile, misdeed, WELL);
    struct fls_reader_options options = {
        .checksum = FLS_CHECKSUM_XXH3, .taps = &hostile.tap, .tap_count = 1};
    assert_ok(fls_reader_open(source, &options, &reader, NULL));
    while ((status = fls_reader_next(reader, &read)) == FLS_OK)
        continue;
    assert_outcome(status, fls_reader_error(reader), misdeed);
    fls_reader_close(reader);
}

/* A scan takes nothing that a tap says for the end of the stream, nor for a torn tail. */
static void scan_with_tap(const struct misdeed *misdeed, struct fls_source *source)
{
    struct hostile_tap hostile;
    struct fls_reader *reader;
    struct fls_recovery recovery;

    hostile_tap_make(&hostile, misdeed, WELL);
    struct fls_reader_options options = {
        .checksum = FLS_CHECKSUM_XXH3, .taps = &hostile.tap, .tap_count = 1};
    assert_ok(fls_reader_open(source, &options, &reader, NULL));
    enum fls_status status = fls_recover_scan(reader, 0, &recovery);
    assert_true(status != FLS_OK || recovery.end == FLS_STREAM_CORRUPT);
    assert_int_equal(recovery.frames, WELL);
    fls_reader_close(reader);
}

static void tap_of_reader(const struct misdeed *misdeed, void *context)
{
    struct fls_source *source;

    (void)context;
    if (misdeed->status == FLS_OK)
        return;
    assert_ok(fls_source_open_file(path, 0, &source, NULL));
    read_with_tap(misdeed, source);
    fls_source_close(source);
    assert_ok(fls_source_open_series(path, NULL, &source, NULL));
    read_with_tap(misdeed, source);
    fls_source_close(source);
    assert_ok(fls_source_open_file(path, 0, &source, NULL));
    scan_with_tap(misdeed, source);
    fls_source_close(source);
}

static void taps_of_readers(void **state)
{
    (void)state;
    write_stream();
    for_each_misdeed(tap_of_reader, NULL);
    assert_int_equal(unlink(path), 0);
}

/* --- verifiers and observers -------------------------------------------------------------------
 */

static int verdict;

static int verify(const void *buffer, size_t bytes)
{
    (void)buffer, (void)bytes;
    return verdict;
}

static void verifiers(void **state)
{
    static const int verdicts[] = {1, -1, INT32_MAX, INT32_MIN, FLS_END, FLS_AGAIN};
    struct fls_tap tap = fls_tap_typed("hostile", verify);
    struct fls_error error;

    (void)state;
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        struct iovec segment = {message, sizeof message};
        struct fls_payload payload = {&segment, 1, sizeof message};
        verdict = verdicts[i];
        memset(&error, 0xA5, sizeof error);
        assert_int_equal(fls_tap_run(&tap, &payload, &error), FLS_VALIDATION_FAILED);
        assert_told(FLS_VALIDATION_FAILED, &error);
        assert_string_equal(error.subject, "hostile");
    }
}

/* --- a clock -----------------------------------------------------------------------------------
 */

static uint64_t times[4];
static unsigned asked;

static uint64_t any_time(void *context)
{
    (void)context;
    return times[asked++ % 4];
}

/* A clock that runs backwards, or stands at the end of time, makes a batch wait no longer than its
 * age. */
static void clocks(void **state)
{
    static const uint64_t rows[][4] = {{1000, 0, 0, 0},
                                       {UINT64_MAX, 0, UINT64_MAX, 1},
                                       {5, 4, 3, 2},
                                       {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fls_writer_options options = {
            .framer = FLS_FRAMER_BATCHED, .batch_age_ms = 50, .clock = {any_time, NULL}};
        struct fls_sink *sink;
        struct fls_writer *writer = open_memory_writer(&sink, &options);
        int wait_ms;
        memcpy(times, rows[i], sizeof times);
        asked = 0;
        for (int n = 0; n < MESSAGES; n++) {
            assert_ok(fls_writer_write(writer, message, MESSAGE_BYTES));
            assert_ok(fls_writer_flush_due(writer, &wait_ms));
            assert_true(wait_ms >= -1 && wait_ms <= 50);
        }
        assert_ok(fls_writer_close(writer, NULL));
        assert_ok(fls_sink_close(sink, NULL));
    }
}

/* --- a memory policy ---------------------------------------------------------------------------
 */

static int reason;
static unsigned told;

static enum fls_reclaim_reason any_reason(struct fls_memory_policy *policy, size_t last,
                                          size_t capacity)
{
    (void)last, (void)capacity;
    policy->baseline_bytes = (size_t)reason; /* not its business while it is asked */
    return (enum fls_reclaim_reason)reason;
}

static void be_told(void *context, const struct fls_reclaim_info *info)
{
    (void)context;
    told++;
    assert_true(info->reason > FLS_RECLAIM_NONE && info->reason <= FLS_RECLAIM_SIZE_THRESHOLD);
    assert_true(info->capacity_after <= info->capacity_before);
}

/* A reason that is none keeps the buffer. */
static void memory_policies(void **state)
{
    (void)state;
    for (reason = -2; reason <= FLS_RECLAIM_SIZE_THRESHOLD + 2; reason++) {
        struct fls_memory_policy policy = {.should_reclaim = any_reason, .on_reclaim = be_told};
        struct fls_reclaim_info info;
        int known = reason > FLS_RECLAIM_NONE && reason <= FLS_RECLAIM_SIZE_THRESHOLD;
        told = 0;
        enum fls_reclaim_reason found = fls_memory_policy_consult(&policy, 100, 100000, &info);
        assert_int_equal(found, known ? reason : FLS_RECLAIM_NONE);
        assert_int_equal(told, known);
    }
}

/* --- a checksum --------------------------------------------------------------------------------
 */

static uint64_t finished;

static void begin_any(void *context, void *state)
{
    (void)context;
    memset(state, 0xA5, FLS_CHECKSUM_STATE_BYTES);
}

static void update_none(void *context, void *state, const void *data, size_t length)
{
    (void)context, (void)state, (void)data, (void)length;
}

static uint64_t finish_any(void *context, void *state)
{
    (void)context, (void)state;
    return finished += UINT64_C(0x123456789abcdef1);
}

/* One that never gives the same twice, and more bits than it has: every frame is a mismatch. */
static void checksums(void **state)
{
    (void)state;
    for (size_t width = 1; width <= FLS_CHECKSUM_BYTES_MAX; width++) {
        struct fls_checksum_custom custom = {width, begin_any, update_none, finish_any, NULL};
        struct fls_writer_options options = {.checksum = FLS_CHECKSUM_CUSTOM,
                                             .custom_checksum = &custom};
        struct fls_reader_options reading = {.checksum = FLS_CHECKSUM_CUSTOM,
                                             .custom_checksum = &custom};
        struct fls_sink *sink;
        struct fls_writer *writer = open_memory_writer(&sink, &options);
        size_t length;
        struct fls_message read;
        for (int i = 0; i < MESSAGES; i++)
            assert_ok(fls_writer_write(writer, message, MESSAGE_BYTES));
        assert_ok(fls_writer_flush(writer, FLS_LEVEL_PROCESS));
        const void *bytes = fls_sink_memory_bytes(sink, &length);
        assert_int_equal(length, MESSAGES * (4 + width + MESSAGE_BYTES));
        struct fls_reader *reader = open_memory_reader(bytes, length, &reading);
        for (int i = 0; i < MESSAGES; i++)
            assert_int_equal(fls_reader_next(reader, &read), FLS_CHECKSUM_MISMATCH);
        assert_int_equal(fls_reader_next(reader, &read), FLS_END);
        fls_reader_close(reader);
        assert_ok(fls_writer_close(writer, NULL));
        assert_ok(fls_sink_close(sink, NULL));
    }
}

/* --- a time key --------------------------------------------------------------------------------
 */

static int time_found;

/* Says that there is a time, and gives none. */
static int no_time(void *context, const void *payload, size_t bytes, int64_t *time)
{
    (void)context, (void)payload, (void)bytes, (void)time;
    return time_found;
}

static void time_keys(void **state)
{
    static const int found[] = {0, 1, -1, INT32_MIN, 77};

    (void)state;
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        time_found = found[i];
        struct fls_journal_options options = {
            .checksum = FLS_CHECKSUM_XXH3,
            .with_index = 1,
            .index = {.time = no_time, .key = "none", .stretch_frames = 1}};
        struct fls_journal *journal;
        struct fls_index *opened;
        assert_ok(fls_journal_open(path, &options, &journal, NULL, NULL));
        for (int n = 0; n < MESSAGES; n++)
            assert_ok(fls_journal_write(journal, message, MESSAGE_BYTES, NULL));
        assert_ok(fls_journal_close(journal, NULL));
        assert_ok(fls_index_open(path, NULL, &opened, NULL));
        struct fls_index_summary summary = fls_index_describe(opened);
        if (summary.has_time && time_found != 0) {
            assert_int_equal(summary.time_first, 0);
            assert_int_equal(summary.time_last, 0);
        }
        fls_index_close(opened);
        char sidecar[128];
        snprintf(sidecar, sizeof sidecar, "%s.idx", path);
        assert_int_equal(unlink(sidecar), 0);
        assert_int_equal(unlink(path), 0);
    }
}

/* --- an allocator ------------------------------------------------------------------------------
 */

static unsigned gives;       /* so many allocations are well, */
static size_t misaligned_by; /* later ones so much aside; 0: none */
static unsigned given, taken_back;

static void *give(void *context, size_t bytes)
{
    (void)context;
    int well = given < gives;

    if (!well && misaligned_by == 0)
        return NULL;
    char *memory = malloc(bytes + 64);
    assert_non_null(memory);
    memset(memory, 0xA5, bytes + 64);
    given++;
    return well ? memory : memory + misaligned_by;
}

static void take_back(void *context, void *memory, size_t bytes)
{
    (void)context, (void)bytes;
    taken_back++;
    free((void *)((uintptr_t)memory & ~(uintptr_t)15));
}

static enum fls_status build(struct fls_builder *builder)
{
    static char text[100000];
    struct fls_payload payload;

    memset(text, 'x', sizeof text);
    uint32_t string = fls_builder_create_string(builder, text, sizeof text - 1);
    fls_builder_start_table(builder);
    fls_builder_add_ref(builder, 3, string);
    return fls_builder_finish(builder, fls_builder_end_table(builder), NULL, &payload);
}

/* Nothing, memory that holds garbage, or memory that does not lie as it must. */
static void allocators(void **state)
{
    static const size_t aside[] = {0, 1, 4};

    (void)state;
    for (size_t i = 0; i < sizeof aside / sizeof aside[0]; i++) {
        int refused = 0, built = 0;
        for (gives = 0; gives < 20; gives++) {
            struct fls_builder_options options = {.allocator = {give, take_back, NULL}};
            struct fls_builder *builder;
            struct fls_error error = FLS_ZERO;
            given = taken_back = 0;
            misaligned_by = aside[i];
            enum fls_status status = fls_builder_open(&options, &builder, &error);
            if (status == FLS_OK) {
                status = build(builder);
                fls_builder_close(builder);
            }
            assert_true(status == FLS_OK || status == FLS_NO_MEMORY);
            assert_int_equal(given, taken_back);
            refused += status == FLS_NO_MEMORY;
            built += status == FLS_OK;
        }
        assert_true(refused > 0 && built > 0);
    }
}

static int make_folder(void **state)
{
    (void)state;
    pattern_fill(message, sizeof message);
    snprintf(folder, sizeof folder, "/tmp/flatstream-hostile-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/stream.fls", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char lock[128];

    (void)state;
    snprintf(lock, sizeof lock, "%s.lock", path);
    unlink(lock);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taps_of_a_writer),  cmocka_unit_test(taps_of_an_asynchronous_writer),
        cmocka_unit_test(taps_of_a_journal), cmocka_unit_test(taps_of_readers),
        cmocka_unit_test(verifiers),         cmocka_unit_test(clocks),
        cmocka_unit_test(memory_policies),   cmocka_unit_test(checksums),
        cmocka_unit_test(time_keys),         cmocka_unit_test(allocators),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
