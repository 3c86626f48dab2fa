/*
 * arguments_test.c: what no call can work with is refused by every function that has a status: NULL
 * for data with a length, NULL for an array with a count, an unknown version, level, flag or
 * ownership, and options that this library does not know. Nothing else comes of it.
 */
#include "support/frames.h"
#include "support/test.h"

#include <flatstream/verifier.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define assert_refused(expression) assert_int_equal((expression), FLS_INVALID_ARGUMENT)

static char folder[64];
static char path[96];
static uint8_t bytes[64];

/* Payloads in which something is not there, or does not add up. */
enum { UNSOUND = 4 };

static struct iovec no_bytes = {NULL, 5};
static struct iovec one_missing[2] = {{bytes, 3}, {NULL, 4}};
static struct iovec good = {bytes, 5};
static const struct fls_payload unsound[UNSOUND] = {
    {NULL, 2, 5}, {&no_bytes, 1, 5}, {one_missing, 2, 7}, {&good, 1, 6}};

static void assert_in_words(const struct fls_error *error)
{
    assert_int_equal(error->status, FLS_INVALID_ARGUMENT);
    assert_true(strlen(error->reason) > 5);
}

/* --- writing -----------------------------------------------------------------------------------
 */

static void count_release(void *context)
{
    ++*(int *)context;
}

static void a_writer(void **state)
{
    static const enum fls_framer framers[] = {FLS_FRAMER_SIMPLE, FLS_FRAMER_VECTORED,
                                              FLS_FRAMER_BATCHED};
    static const size_t sizes[] = {1, 15, 64, 300, 5000, 100000, SIZE_MAX};

    (void)state;
    for (size_t f = 0; f < 3; f++) {
        struct fls_writer_options options = {.framer = framers[f]};
        struct fls_sink *sink;
        struct fls_writer *writer = open_memory_writer(&sink, &options);
        size_t written = 9;
        int releases = 0;
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            assert_refused(fls_writer_write(writer, NULL, sizes[i]));
            assert_in_words(fls_writer_error(writer));
        }
        for (int i = 0; i < UNSOUND; i++) {
            assert_refused(fls_writer_write_payload(writer, &unsound[i]));
            assert_in_words(fls_writer_error(writer));
            assert_refused(fls_writer_write_owned(writer, &unsound[i], count_release, &releases));
            assert_int_equal(releases, i + 1);
            assert_refused(fls_writer_write_batch(writer, &unsound[i], 1, &written));
            assert_int_equal(written, 0);
        }
        written = 9;
        assert_refused(fls_writer_write_batch(writer, NULL, 3, &written));
        assert_int_equal(written, 0);
        assert_refused(fls_writer_flush(writer, (enum fls_level)3));
        assert_refused(fls_writer_flush(writer, (enum fls_level) - 1));
        assert_in_words(fls_writer_error(writer));
        assert_int_equal(fls_writer_statistics(writer).messages, 0);
        assert_ok(fls_writer_write(writer, NULL, 0));
        assert_ok(fls_writer_write_batch(writer, NULL, 0, NULL));
        assert_ok(fls_writer_write(writer, bytes, 5));
        assert_ok(fls_writer_close(writer, NULL));
        (void)fls_sink_memory_bytes(sink, &written);
        assert_int_equal(written, 4 + 4 + 5);
        assert_ok(fls_sink_close(sink, NULL));
    }
}

static void an_asynchronous_writer(void **state)
{
    struct fls_async *async;
    struct fls_async_counts counts;
    struct fls_sink *sink;
    int releases = 0;

    (void)state;
    assert_ok(fls_sink_open_memory(0, &sink, NULL));
    assert_refused(fls_async_open(NULL, NULL, &async, NULL));
    assert_ok(fls_async_open(sink, NULL, &async, NULL));
    assert_refused(fls_async_write(async, NULL, 1));
    assert_refused(fls_async_write(async, NULL, 100000000));
    for (int i = 0; i < UNSOUND; i++) {
        assert_refused(fls_async_write_owned(async, &unsound[i], count_release, &releases));
        assert_int_equal(releases, i + 1);
    }
    assert_refused(fls_async_flush(async, (enum fls_level)7, -1));
    assert_ok(fls_async_write(async, NULL, 0));
    assert_ok(fls_async_close(async, -1, &counts, NULL));
    assert_int_equal(counts.accepted, 1);
    assert_int_equal(counts.written, 1);
    assert_ok(fls_sink_close(sink, NULL));
}

static void a_journal(void **state)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_journal *journal;
    struct fls_error error;

    (void)state;
    assert_ok(fls_journal_open(path, &options, &journal, NULL, NULL));
    assert_refused(fls_journal_write(journal, NULL, 10, NULL));
    fls_journal_error(journal, &error);
    assert_in_words(&error);
    for (int i = 0; i < UNSOUND; i++)
        assert_refused(fls_journal_write_payload(journal, &unsound[i], NULL));
    assert_refused(fls_journal_commit(journal, 0, (enum fls_level)5));
    assert_int_equal(fls_journal_statistics(journal).messages, 0);
    assert_ok(fls_journal_write(journal, bytes, 10, NULL));
    assert_ok(fls_journal_close(journal, NULL));
    assert_int_equal(unlink(path), 0);
}

/* --- endpoints ---------------------------------------------------------------------------------
 */

static void sinks(void **state)
{
    struct fls_write_cursor cursor = {NULL, 2, 0};
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;

    (void)state;
    assert_refused(fls_sink_open_fixed_memory(NULL, 10, &sink, &error));
    assert_in_words(&error);
    assert_refused(fls_sink_open_fd(1, (enum fls_ownership)2, &sink, &error));
    assert_refused(fls_sink_open_file(path, (enum fls_file_mode)3, &sink, &error));
    assert_ok(fls_sink_open_memory(0, &sink, NULL));
    assert_refused(fls_sink_write(sink, &cursor, NULL, &error));
    cursor = (struct fls_write_cursor){one_missing, 2, 0};
    assert_refused(fls_sink_write(sink, &cursor, NULL, &error));
    assert_refused(fls_sink_flush(sink, (enum fls_level)3, &error));
    assert_in_words(&error);
    assert_ok(fls_sink_close(sink, NULL));
}

static void sources(void **state)
{
    struct fls_error error = FLS_ZERO;
    struct fls_source *source;
    size_t filled = 9;

    (void)state;
    assert_refused(fls_source_open_memory(NULL, 1, &source, &error));
    assert_in_words(&error);
    assert_refused(fls_source_open_fd(0, (enum fls_ownership)9, 0, &source, &error));
    assert_refused(fls_source_open_fd_ahead(0, (enum fls_ownership)9, &source, &error));
    assert_ok(fls_source_open_memory(NULL, 0, &source, NULL));
    assert_refused(fls_source_read_into(source, NULL, 1, &filled, &error));
    assert_int_equal(filled, 0);
    assert_refused(fls_source_read_into(source, &no_bytes, 1, &filled, &error));
    fls_source_close(source);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void a_reader(void **state)
{
    struct frames frames = {NULL, 0, 0};
    struct fls_checksum none = {FLS_CHECKSUM_NONE, NULL};
    struct fls_message message;
    struct fls_recovery recovery;
    size_t count;

    (void)state;
    frames_put(&frames, none, bytes, 20);
    struct fls_reader *reader = open_memory_reader(frames.bytes, frames.length, NULL);
    assert_refused(fls_reader_next_batch(reader, NULL, 3, &count));
    assert_int_equal(count, 0);
    assert_refused(fls_reader_read_into(reader, NULL, 1, &message));
    assert_refused(fls_reader_read_into(reader, &no_bytes, 1, &message));
    assert_in_words(fls_reader_error(reader));
    assert_refused(fls_recover_scan(reader, 1u << 7, &recovery));
    assert_in_words(&recovery.error);
    assert_ok(fls_reader_next(reader, &message));
    assert_int_equal(message.bytes, 20);
    fls_reader_close(reader);
    free(frames.bytes);
}

static void whole_streams(void **state)
{
    struct fls_verification_options options = FLS_ZERO;
    struct fls_salvage_report report;
    struct fls_recovery recovery;
    struct fls_error error = FLS_ZERO;

    (void)state;
    assert_refused(fls_salvage_memory(NULL, 100, NULL, &report, &error));
    assert_in_words(&error);
    assert_refused(fls_verify_file("/dev/null", &options, 2u, &recovery, &error));
    assert_in_words(&error);
}

/* --- messages ----------------------------------------------------------------------------------
 */

static enum fls_status pass(const struct fls_tap *tap, const struct fls_payload *payload,
                            struct fls_error *error)
{
    (void)tap, (void)payload, (void)error;
    return FLS_OK;
}

static void taps(void **state)
{
    struct fls_tap none = FLS_ZERO, one = {.run = pass}, lost = fls_tap_composite(NULL, 2);
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;
    struct fls_writer *writer;

    (void)state;
    for (int i = 0; i < UNSOUND; i++)
        assert_refused(fls_tap_run(&one, &unsound[i], &error));
    struct fls_payload payload = {&good, 1, 5};
    assert_ok(fls_tap_run(&one, &payload, &error));
    assert_refused(fls_tap_run(&none, &payload, &error));
    assert_refused(fls_tap_run(&lost, &payload, &error));
    struct fls_tap nobody = fls_tap_composite(NULL, 0);
    assert_ok(fls_tap_run(&nobody, &payload, &error));
    assert_ok(fls_sink_open_memory(0, &sink, NULL));
    struct fls_writer_options options = {.tap_count = 2};
    assert_refused(fls_writer_open(sink, &options, &writer, &error));
    assert_in_words(&error);
    options = (struct fls_writer_options){.taps = &lost, .tap_count = 1};
    assert_refused(fls_writer_open(sink, &options, &writer, &error));
    assert_ok(fls_sink_close(sink, NULL));
}

static void payloads(void **state)
{
    struct fls_payload payload = {&good, 1, 5};

    (void)state;
    for (int i = 0; i < UNSOUND; i++)
        assert_refused(fls_payload_flatten(&unsound[i], bytes, sizeof bytes));
    assert_refused(fls_payload_flatten(&payload, NULL, 5));
    assert_int_equal(fls_payload_from_segments(NULL, 4).length, 0);
}

static void frames_in_memory(void **state)
{
    struct fls_frame_format format = FLS_ZERO;
    struct fls_frame frame;
    size_t need;

    (void)state;
    assert_int_equal(fls_frame_decode(&format, NULL, 100, &frame), FLS_FRAME_BAD);
    assert_in_words(&frame.error);
    assert_int_equal(fls_frame_decode(&format, NULL, 0, &frame), FLS_FRAME_NEED_MORE);
    assert_int_equal(fls_frame_detect(NULL, 100, 1, 0, &need),
                     fls_frame_detect(NULL, 0, 1, 0, &need));
}

static void flatbuffers(void **state)
{
    struct fls_error error = FLS_ZERO;
    struct fls_schema *schema;

    (void)state;
    assert_refused(fls_schema_open(NULL, 10, &schema, &error));
    assert_in_words(&error);
    assert_refused(fls_verify_table_root(NULL, 10, NULL, &error));
    assert_in_words(&error);
}

/* --- options -----------------------------------------------------------------------------------
 */

/* Options as a newer header has them: what was added is zero, or not. */
#define NEWER(type)                                                                                \
    struct {                                                                                       \
        struct type known;                                                                         \
        uint8_t added[24];                                                                         \
    }

static void a_newer_header(void **state)
{
    NEWER(fls_writer_options) writing = {.known.checksum = FLS_CHECKSUM_XXH3};
    NEWER(fls_reader_options) reading = {.known.checksum = FLS_CHECKSUM_XXH3};
    NEWER(fls_journal_options) journal_options = {.known.checksum = FLS_CHECKSUM_XXH3};
    NEWER(fls_salvage_options) salvaging = {.known.checksum = FLS_CHECKSUM_XXH3};
    struct fls_salvage_report report;
    struct fls_error error;
    struct fls_writer *writer;
    struct fls_reader *reader;
    struct fls_journal *journal;
    struct fls_source *source;
    struct fls_sink *sink;

    (void)state;
    assert_ok(fls_sink_open_memory(0, &sink, NULL));
    assert_ok(fls_source_open_memory(bytes, sizeof bytes, &source, NULL));
    for (int at = -1; at < 24; at++) {
        enum fls_status expected = at < 0 ? FLS_OK : FLS_INVALID_ARGUMENT;
        if (at >= 0)
            writing.added[at] = reading.added[at] = journal_options.added[at] =
                salvaging.added[at] = 1;
        enum fls_status status =
            fls_writer_open_versioned(sink, &writing.known, sizeof writing, 40, &writer, &error);
        assert_int_equal(status, expected);
        if (status == FLS_OK)
            fls_writer_abandon(writer);
        else
            assert_in_words(&error);
        status = fls_reader_open_versioned(source, &reading.known, sizeof reading, &reader, &error);
        assert_int_equal(status, expected);
        if (status == FLS_OK)
            fls_reader_close(reader);
        status = fls_journal_open_versioned(path, &journal_options.known, sizeof journal_options,
                                            &journal, NULL, &error);
        assert_int_equal(status, expected);
        if (status == FLS_OK) {
            assert_ok(fls_journal_close(journal, NULL));
            assert_int_equal(unlink(path), 0);
        } else {
            assert_int_equal(access(path, F_OK), -1);
        }
        assert_int_equal(fls_salvage_memory_versioned(bytes, sizeof bytes, &salvaging.known,
                                                      sizeof salvaging, &report, &error),
                         expected);
        if (at >= 0)
            writing.added[at] = reading.added[at] = journal_options.added[at] =
                salvaging.added[at] = 0;
    }
    fls_source_close(source);
    assert_ok(fls_sink_close(sink, NULL));
}

static void versions(void **state)
{
    struct fls_error error;
    struct fls_writer *writer;
    struct fls_reader *reader;
    struct fls_sink *sink;

    (void)state;
    assert_ok(fls_sink_open_memory(0, &sink, NULL));
    for (int version = -1; version < 100; version++) {
        int known = version == 30 || version == 31 || version == 40;
        enum fls_status status = fls_writer_open_versioned(sink, NULL, 0, version, &writer, &error);
        assert_int_equal(status, known ? FLS_OK : FLS_INVALID_ARGUMENT);
        if (known)
            fls_writer_abandon(writer);
        else
            assert_in_words(&error);
    }
    assert_refused(fls_writer_open(NULL, NULL, &writer, &error));
    assert_refused(fls_reader_open(NULL, NULL, &reader, &error));
    assert_ok(fls_sink_close(sink, NULL));
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/flatstream-arguments-XXXXXX");
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
        cmocka_unit_test(a_writer),      cmocka_unit_test(an_asynchronous_writer),
        cmocka_unit_test(a_journal),     cmocka_unit_test(sinks),
        cmocka_unit_test(sources),       cmocka_unit_test(a_reader),
        cmocka_unit_test(whole_streams), cmocka_unit_test(taps),
        cmocka_unit_test(payloads),      cmocka_unit_test(frames_in_memory),
        cmocka_unit_test(flatbuffers),   cmocka_unit_test(a_newer_header),
        cmocka_unit_test(versions),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
