/*
 * taken_away_test.c: a file that is deleted, renamed, replaced or cut short under its writer is
 * noticed, named, and an error: by a journal at the next rotation, sync and close, by a file's sink
 * at the next sync and close.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];
static char path[96];
static char first[96]; /* the journal's first segment */
static char away[96];

/* --- what others do to a file ------------------------------------------------------------------
 */

enum deed { NOTHING, REMOVED, RENAMED, REPLACED, CUT_SHORT, COPIED_AND_EMPTIED, DEEDS };

static const struct {
    int os_errno;
    const char *words;
} told[DEEDS] = {{0, ""},
                 {ENOENT, "was deleted"},
                 {ENOENT, "was renamed"},
                 {ESTALE, "was replaced"},
                 {ESTALE, "was cut short while it was written: "},
                 {ESTALE, "was cut short while it was written: "}};

static void put_new(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    assert_true(fd >= 0);
    close(fd);
}

static void do_it(enum deed deed, const char *name, uint64_t bytes)
{
    if (deed == REMOVED)
        assert_int_equal(unlink(name), 0);
    if (deed == RENAMED || deed == REPLACED)
        assert_int_equal(rename(name, away), 0);
    if (deed == REPLACED)
        put_new(name);
    if (deed == CUT_SHORT)
        assert_int_equal(truncate(name, (off_t)bytes / 2), 0);
    if (deed == COPIED_AND_EMPTIED)
        assert_int_equal(truncate(name, 0), 0);
}

static void assert_told(enum deed deed, enum fls_status status, const struct fls_error *error,
                        const char *name)
{
    char text[512];

    if (deed == NOTHING) {
        assert_int_equal(status, FLS_OK);
        return;
    }
    assert_int_equal(status, FLS_IO);
    assert_int_equal(error->status, FLS_IO);
    assert_int_equal(error->os_errno, told[deed].os_errno);
    fls_error_format(error, text, sizeof text);
    assert_non_null(strstr(text, told[deed].words));
    assert_non_null(strstr(text, strrchr(name, '/') + 1));
}

static void clean(void)
{
    char second[96];

    snprintf(second, sizeof second, "%s/j-000002.fls", folder);
    unlink(path);
    unlink(first);
    unlink(second);
    unlink(away);
}

/* --- a journal ---------------------------------------------------------------------------------
 */

enum when { ROTATION, SYNC, CLOSE, WHENS };

static struct fls_journal *begin(int rotates)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .rotation = {.messages = rotates ? 1000 : 0}};
    struct fls_journal *journal;

    assert_ok(fls_journal_open(path, &options, &journal, NULL, NULL));
    for (int i = 0; i < 3; i++)
        assert_ok(fls_journal_write(journal, "message", 7, NULL));
    assert_ok(fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE));
    assert_ok(fls_journal_write(journal, "another", 7, NULL));
    assert_ok(fls_journal_commit(journal, 0, FLS_LEVEL_PROCESS));
    return journal;
}

static void journal_notices(int rotates, enum deed deed, enum when when)
{
    const char *name = rotates ? first : path;
    struct fls_journal *journal = begin(rotates);
    struct fls_error error = FLS_ZERO;
    enum fls_status status = FLS_OK;

    do_it(deed, name, 4 * (12 + 7));
    if (when == ROTATION)
        status = fls_journal_rotate(journal);
    if (when == SYNC)
        status = fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE);
    if (when != CLOSE) {
        fls_journal_error(journal, &error);
        assert_told(deed, status, &error, name);
        if (deed != NOTHING) { /* what is known to be on the device ends there */
            assert_true(error.has_frame);
            assert_int_equal(error.frame, 3);
            assert_int_equal(error.offset, 3 * (12 + 7));
        }
    }
    status = fls_journal_close(journal, &error);
    assert_told(deed, status, &error, name);
    clean();
}

static void a_journal_notices(void **state)
{
    (void)state;
    for (int deed = 0; deed < DEEDS; deed++)
        for (int when = 0; when < WHENS; when++) {
            journal_notices(1, (enum deed)deed, (enum when)when);
            if (when != ROTATION)
                journal_notices(0, (enum deed)deed, (enum when)when);
        }
}

/* Finished segments are others' to move: --keep is not the only one who clears up. */
static void finished_segments_may_go(void **state)
{
    struct fls_journal *journal = begin(1);

    (void)state;
    assert_ok(fls_journal_rotate(journal));
    assert_int_equal(unlink(first), 0);
    assert_ok(fls_journal_write(journal, "more", 4, NULL));
    assert_ok(fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE));
    assert_ok(fls_journal_close(journal, NULL));
    clean();
}

/* --- a sink on a file --------------------------------------------------------------------------
 */

enum way { PLAIN, BEHIND, RING, RING_DIRECT, WAYS };

/* FLS_UNSUPPORTED: not here. */
static enum fls_status open_way(enum way way, enum fls_file_mode mode, struct fls_sink **sink)
{
    struct fls_uring_options options = {.direct = way == RING_DIRECT, .extend_ahead = 1};
    struct fls_sink *file;

    if (way == RING || way == RING_DIRECT)
        return fls_sink_open_uring_file(path, mode, &options, sink, NULL);
    assert_ok(fls_sink_open_file(path, mode, &file, NULL));
    if (way == PLAIN)
        *sink = file;
    else
        assert_ok(fls_sink_open_behind(file, sink, NULL));
    return FLS_OK;
}

static void put(struct fls_sink *sink, size_t bytes)
{
    char *zeros = calloc(1, bytes); /* which no hole is to be taken for */
    struct iovec segment = {zeros, bytes};
    struct fls_write_cursor cursor = {&segment, 1, 0};

    assert_non_null(zeros);
    assert_ok(fls_sink_write(sink, &cursor, NULL, NULL));
    free(zeros);
}

/* Some is in the file when it happens, and `more` comes after it. */
static int sink_notices(enum way way, enum fls_file_mode mode, enum deed deed, enum when when,
                        size_t more)
{
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;
    enum fls_status status;
    uint64_t there = mode == FLS_FILE_APPEND ? 5000 : 0;

    if (there > 0) {
        put_new(path);
        assert_int_equal(truncate(path, (off_t)there), 0);
    }
    if (open_way(way, mode, &sink) != FLS_OK)
        return 0;
    put(sink, 10008);
    assert_ok(fls_sink_flush(sink, FLS_LEVEL_PROCESS, NULL));
    do_it(deed, path, there + 10008);
    put(sink, more);
    if (when == SYNC) {
        status = fls_sink_flush(sink, FLS_LEVEL_MACHINE, &error);
        assert_told(deed, status, &error, path);
    }
    assert_ok(fls_sink_flush(sink, FLS_LEVEL_PROCESS, NULL));
    status = fls_sink_close(sink, &error);
    assert_told(deed, status, &error, path);
    clean();
    return 1;
}

static void a_sink_notices(void **state)
{
    int tried[WAYS] = {0};

    (void)state;
    for (int way = 0; way < WAYS; way++)
        for (int mode = FLS_FILE_CREATE_NEW; mode <= FLS_FILE_APPEND; mode++)
            for (int deed = 0; deed < DEEDS; deed++)
                for (int when = SYNC; when < WHENS; when++) {
                    tried[way] += sink_notices((enum way)way, (enum fls_file_mode)mode,
                                               (enum deed)deed, (enum when)when, 1);
                    tried[way] += sink_notices((enum way)way, (enum fls_file_mode)mode,
                                               (enum deed)deed, (enum when)when, 3000000);
                    clean();
                }
    for (int way = 0; way < WAYS; way++)
        if (tried[way] == 0)
            print_message("skipped: a sink by io_uring%s: not here\n",
                          way == RING_DIRECT ? ", direct" : "");
    assert_true(tried[PLAIN] > 0 && tried[BEHIND] > 0);
}

/* Who opens what has no name any more, or never had one, knows that. */
static void a_file_without_a_name_is_as_it_was(void **state)
{
    struct fls_uring_options options = FLS_ZERO;
    struct fls_sink *sink;
    char name[64];

    (void)state;
    for (int by_ring = 0; by_ring < 2; by_ring++) {
        put_new(path);
        int fd = open(path, O_RDWR);
        assert_int_equal(unlink(path), 0);
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        if (by_ring && fls_sink_open_uring_file(name, FLS_FILE_APPEND, &options, &sink, NULL)) {
            close(fd);
            continue;
        }
        if (!by_ring)
            assert_ok(fls_sink_open_file(name, FLS_FILE_APPEND, &sink, NULL));
        put(sink, 100);
        assert_ok(fls_sink_flush(sink, FLS_LEVEL_MACHINE, NULL));
        assert_int_equal(ftruncate(fd, 50), 0); /* but cut it was not */
        assert_int_equal(fls_sink_close(sink, NULL), FLS_IO);
        close(fd);
    }
}

/* A relative path means the folder in which it was opened, wherever the program goes. */
static void a_program_may_change_its_folder(void **state)
{
    char before[256];
    struct fls_sink *sink;

    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_ok(fls_sink_open_file("j.fls", FLS_FILE_CREATE_NEW, &sink, NULL));
    assert_int_equal(chdir("/"), 0);
    assert_ok(fls_sink_close(sink, NULL));
    assert_int_equal(chdir(before), 0);
    clean();
}

/* What is no regular file has nothing that could be gone. */
static void a_device_is_left_alone(void **state)
{
    struct fls_sink *sink;

    (void)state;
    assert_ok(fls_sink_open_file("/dev/null", FLS_FILE_APPEND, &sink, NULL));
    assert_ok(fls_sink_close(sink, NULL));
}

/* --- the end of the numbers --------------------------------------------------------------------
 */

static void put_segment(uint64_t number)
{
    char *name = fls_series_segment_path(path, number);

    put_new(name);
    free(name);
}

static void numbers_go_on(uint64_t number)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .rotation = {.messages = 1, .segments_kept = 3}};
    struct fls_journal_opening opening;
    struct fls_journal *journal;
    struct fls_series series;

    put_segment(number);
    assert_ok(fls_journal_open(path, &options, &journal, &opening, NULL));
    assert_int_equal(opening.segment, number);
    for (int i = 0; i < 6; i++)
        assert_ok(fls_journal_write(journal, "message", 7, NULL));
    assert_ok(fls_journal_close(journal, NULL));
    assert_ok(fls_series_list(path, &series, NULL));
    assert_true(series.count >= 3); /* the oldest went, by their numbers */
    for (size_t i = 0; i < series.count; i++) {
        assert_int_equal(series.segments[i].number, number + 6 - series.count + i);
        char *name = fls_series_segment_path(path, series.segments[i].number);
        assert_string_equal(series.segments[i].path, name);
        unlink(name);
        free(name);
    }
    fls_series_free(&series);
}

static void segments_go_on_behind_round_numbers(void **state)
{
    (void)state;
    numbers_go_on(UINT64_C(999997));
    numbers_go_on(UINT64_C(999999));
    numbers_go_on(UINT64_C(0x7ffffffd));
    numbers_go_on(UINT64_C(0xfffffffd));
    numbers_go_on(UINT64_C(0xffffffff));
    numbers_go_on(UINT64_MAX - 6);
}

static void no_segment_follows_the_last_number(void **state)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .rotation = {.messages = 1}};
    struct fls_journal *journal;
    struct fls_series series;
    struct fls_error error;
    uint64_t number;
    char text[512];

    (void)state;
    put_segment(UINT64_MAX);
    assert_ok(fls_journal_open(path, &options, &journal, NULL, NULL));
    assert_ok(fls_journal_write(journal, "message", 7, NULL));
    assert_int_equal(fls_journal_rotate(journal), FLS_LIMIT);
    assert_int_equal(fls_journal_write(journal, "message", 7, &number), FLS_LIMIT);
    assert_int_equal(number, 0);
    fls_journal_error(journal, &error);
    fls_error_format(&error, text, sizeof text);
    assert_non_null(strstr(text, "no segment can follow number 18446744073709551615"));
    assert_ok(fls_journal_close(journal, NULL));
    assert_ok(fls_series_list(path, &series, NULL));
    assert_int_equal(series.count, 1);
    assert_int_equal(series.segments[0].bytes, 12 + 7);
    unlink(series.segments[0].path);
    fls_series_free(&series);
}

/* --- the folder --------------------------------------------------------------------------------
 */

static int open_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/fls-taken-away-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/j.fls", folder);
    snprintf(first, sizeof first, "%s/j-000001.fls", folder);
    snprintf(away, sizeof away, "%s/away", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char command[96];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_notices),
        cmocka_unit_test(finished_segments_may_go),
        cmocka_unit_test(a_sink_notices),
        cmocka_unit_test(a_file_without_a_name_is_as_it_was),
        cmocka_unit_test(a_program_may_change_its_folder),
        cmocka_unit_test(a_device_is_left_alone),
        cmocka_unit_test(segments_go_on_behind_round_numbers),
        cmocka_unit_test(no_segment_follows_the_last_number),
    };

    return cmocka_run_group_tests(tests, open_folder, remove_folder);
}
