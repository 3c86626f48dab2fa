/*
 * journal_index_test.c: an index that a journal has to give up is told, whenever it was, and costs
 * no message.
 */
#include "support/test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MESSAGES 3

static char folder[64];
static char path[96];
static char index_path[112];

/* No file grows over `bytes`: the stream stays below, its index does not. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static struct fls_journal *open_with_index(void)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3, .with_index = 1};
    struct fls_journal *journal;

    assert_ok(fls_journal_open(path, &options, &journal, NULL, NULL));
    for (uint64_t i = 0; i < MESSAGES; i++)
        assert_ok(fls_journal_write(journal, "message", 7, NULL));
    return journal;
}

static void assert_all_there(void)
{
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_XXH3, .owns_source = 1};
    struct fls_source *source;
    struct fls_reader *reader;
    uint64_t skipped;

    assert_ok(fls_source_open_file(path, 0, &source, NULL));
    assert_ok(fls_reader_open(source, &options, &reader, NULL));
    assert_int_equal(fls_reader_skip(reader, 100, &skipped), FLS_END);
    assert_int_equal(skipped, MESSAGES);
    fls_reader_close(reader);
}

static void assert_told(struct fls_journal *journal)
{
    struct fls_error error = FLS_ZERO;

    assert_int_equal(fls_journal_close(journal, &error), FLS_IO);
    limit_files(RLIM_INFINITY);
    assert_int_equal(error.status, FLS_IO);
    assert_int_equal(error.os_errno, EFBIG);
    assert_int_equal(strncmp(error.subject, "index", 5), 0);
    assert_all_there();
    assert_int_not_equal(access(index_path, F_OK), 0); /* half of one is worse than none */
}

static void closing_gives_it_up(void **state)
{
    (void)state;
    struct fls_journal *journal = open_with_index();

    assert_false(fls_journal_statistics(journal).index_failed);
    limit_files(100);
    assert_told(journal);
}

static void opening_gave_it_up(void **state)
{
    (void)state;
    limit_files(100);
    struct fls_journal *journal = open_with_index();
    assert_true(fls_journal_statistics(journal).index_failed);
    assert_told(journal);
}

static void without_a_record(void **state)
{
    (void)state;
    struct fls_journal *journal = open_with_index();

    limit_files(100);
    assert_int_equal(fls_journal_close(journal, NULL), FLS_IO);
    limit_files(RLIM_INFINITY);
    assert_all_there();
}

static void all_is_well(void **state)
{
    (void)state;
    struct fls_error error = FLS_ZERO;

    assert_ok(fls_journal_close(open_with_index(), &error));
    assert_int_equal(access(index_path, F_OK), 0);
}

static int clear(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(index_path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(closing_gives_it_up, clear, clear),
        cmocka_unit_test_setup_teardown(opening_gave_it_up, clear, clear),
        cmocka_unit_test_setup_teardown(without_a_record, clear, clear),
        cmocka_unit_test_setup_teardown(all_is_well, clear, clear)};
    const char *temporary = getenv("TMPDIR");

    signal(SIGXFSZ, SIG_IGN);
    snprintf(folder, sizeof folder, "%.40s/journal_index.XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/j.fls", folder);
    snprintf(index_path, sizeof index_path, "%s.idx", path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(folder);
    return failed;
}
