/*
 * series_test.c: the files of a series are found by their names, and read as one stream.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/frames.h"

/* --- a folder of one's own ----------------------------------------------------------------------
 */

static char folder[64];
static char path[96];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/fls-series-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/name.fls", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char command[96];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void put_file(const char *name, const void *bytes, size_t count)
{
    char whole[128];

    snprintf(whole, sizeof whole, "%s/%s", folder, name);
    int fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), count);
    close(fd);
}

/* --- names --------------------------------------------------------------------------------------
 */

static void expect_segment_path(const char *of, uint64_t number, const char *want)
{
    char *got = fls_series_segment_path(of, number);

    assert_non_null(got);
    assert_string_equal(got, want);
    free(got);
}

static void test_names(void **state)
{
    (void)state;
    expect_segment_path("name.fls", 1, "name-000001.fls");
    expect_segment_path("/a.b/name.fls", 999999, "/a.b/name-999999.fls");
    expect_segment_path("name.fls", 1000000, "name-1000000.fls");
    expect_segment_path("name.fls", UINT64_MAX, "name-18446744073709551615.fls");
    expect_segment_path("./x.y/name", 12, "./x.y/name-000012");
    expect_segment_path(".hidden", 12, ".hidden-000012");
    expect_segment_path("two.dots.fls", 12, "two.dots-000012.fls");
}

static void test_list(void **state)
{
    struct fls_series series;
    static const char *const names[] = {
        "name-1000000.fls", "name-000010.fls", "name-000002.fls", "name-18446744073709551615.fls",
        /* not ours: */
        "name-000000.fls", "name-0000003.fls", "name-00004.fls", "name-000005.fls.idx",
        "name-000006.flsx", "nam-000007.fls", "name_000008.fls", "name-00000a.fls",
        "name-18446744073709551616.fls", "name-000011", "name-.fls", "name.fls.lock",
        "xname-000001.fls", "name-000001-000001.fls"};

    (void)state;
    assert_ok(fls_series_list(path, &series, NULL));
    assert_int_equal(series.count, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        put_file(names[i], "12345", i % 6);
    char sub[128];
    snprintf(sub, sizeof sub, "%s/name-000003.fls", folder);
    assert_int_equal(mkdir(sub, 0700), 0);
    assert_ok(fls_series_list(path, &series, NULL));
    assert_int_equal(series.count, 4);
    static const uint64_t numbers[] = {2, 10, 1000000, UINT64_MAX};
    static const uint64_t sizes[] = {2, 1, 0, 3};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(series.segments[i].number, numbers[i]);
        assert_int_equal(series.segments[i].bytes, sizes[i]);
        expect_segment_path(path, numbers[i], series.segments[i].path);
    }
    fls_series_free(&series);
    assert_int_equal(series.count, 0);
}

static void test_plain_or_segments(void **state)
{
    struct fls_series series;
    struct fls_error error;

    (void)state;
    put_file("name.fls", "abc", 3);
    assert_ok(fls_series_list(path, &series, NULL));
    assert_int_equal(series.count, 1);
    assert_int_equal(series.segments[0].number, 0);
    assert_int_equal(series.segments[0].bytes, 3);
    assert_string_equal(series.segments[0].path, path);
    fls_series_free(&series);
    put_file("name-000004.fls", "", 0);
    assert_int_equal(fls_series_list(path, &series, &error), FLS_INVALID_ARGUMENT);
    assert_non_null(strstr(error.reason, "name.fls"));
    assert_non_null(strstr(error.reason, "name-000004.fls"));
    assert_int_equal(fls_series_list(folder, &series, &error), FLS_IO);
    assert_int_equal(error.os_errno, EISDIR);
    assert_int_equal(fls_series_list("/no/such/folder/name.fls", &series, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOENT);
}

static void test_here(void **state)
{
    struct fls_series series;
    char before[4096];

    (void)state;
    put_file("name-000001.fls", "", 0);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    enum fls_status status = fls_series_list("name.fls", &series, NULL);
    assert_int_equal(chdir(before), 0);
    assert_ok(status);
    assert_int_equal(series.count, 1);
    assert_string_equal(series.segments[0].path, "name-000001.fls");
    fls_series_free(&series);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_list, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_plain_or_segments, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_here, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
