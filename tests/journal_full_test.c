/*
 * journal_full_test.c: a journal on a disk that is full: a tmpfs of 1 MiB.
 *
 * Writing goes on until there is no space; the error says so; every file ends on a whole frame;
 * what was taken before is not lost; and when there is space again the journal goes on, whether it
 * is the same one, or one that was opened after its writer died on the full disk.
 */
#include "support/test.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/data_file.h"

#define BYTES_MAX 100000
#define MESSAGES_MAX 100000

static char folder[] = "/tmp/journal_full_test.XXXXXX";
static char path[64];
static int is_mounted;

static size_t make_message(uint64_t id, uint8_t *message)
{
    size_t bytes = 100 + (size_t)(id * 97 % 3000);

    if (id % 50 == 49)
        bytes = 70000 + (size_t)(id * 131 % 30000);
    for (size_t i = 8; i < bytes; i++)
        message[i] = (uint8_t)(id * 31 + i * 7 + 1);
    memcpy(message, &id, sizeof id);
    return bytes;
}

/* Reads one file from message *next on, which must be there in order; where its frames end. */
static size_t read_file(const char *file, uint64_t *next, size_t *length)
{
    struct fls_frame_format format = {{FLS_CHECKSUM_XXH3, NULL}, 0};
    static uint8_t message[BYTES_MAX];
    struct fls_frame frame;
    char *bytes = test_read_file(file, length);
    size_t at = 0;

    while (fls_frame_decode(&format, bytes + at, *length - at, &frame) == FLS_FRAME_READY) {
        assert_int_equal(frame.payload_bytes, make_message(*next, message));
        assert_memory_equal(frame.payload, message, frame.payload_bytes);
        ++*next;
        at += frame.frame_bytes;
    }
    free(bytes);
    return at;
}

/* All messages [0, returned) are there, once; with `whole` every file ends on a frame. */
static uint64_t read_all(int whole)
{
    struct fls_series series;
    uint64_t next = 0;

    assert_ok(fls_series_list(path, &series, NULL));
    for (size_t i = 0; i < series.count; i++) {
        size_t length, at = read_file(series.segments[i].path, &next, &length);
        assert_true(!whole || at == length);
    }
    fls_series_free(&series);
    return next;
}

static void empty_folder(void)
{
    DIR *listing = opendir(folder);
    struct dirent *entry;
    char file[400];

    while ((entry = readdir(listing)) != NULL) {
        snprintf(file, sizeof file, "%s/%.255s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            assert_int_equal(unlink(file), 0);
    }
    closedir(listing);
}

/* Takes `kibibytes` of the space, to be given back by removing it. */
static void put_filler(size_t kibibytes)
{
    static const uint8_t zeros[1024];
    char file[128];

    snprintf(file, sizeof file, "%s/filler", folder);
    FILE *to = fopen(file, "w");
    assert_non_null(to);
    for (size_t i = 0; i < kibibytes; i++)
        assert_int_equal(fwrite(zeros, sizeof zeros, 1, to), 1);
    fclose(to);
}

static void remove_filler(void)
{
    char file[128];

    snprintf(file, sizeof file, "%s/filler", folder);
    assert_int_equal(unlink(file), 0);
}

/* Writes from *next on until the journal refuses; *next is then the one that was refused. */
static enum fls_status fill(struct fls_journal *journal, uint64_t *next)
{
    static uint8_t message[BYTES_MAX];
    enum fls_status status = FLS_OK;

    while (*next < MESSAGES_MAX) {
        uint64_t number;
        size_t bytes = make_message(*next, message);
        status = fls_journal_write(journal, message, bytes, &number);
        if (status != FLS_OK && number == 0)
            break;
        ++*next;
        if (status != FLS_OK)
            break;
    }
    return status;
}

static void assert_no_space(struct fls_journal *journal)
{
    struct fls_error error;
    char text[400];

    fls_journal_error(journal, &error);
    assert_int_equal(error.status, FLS_IO);
    assert_int_equal(error.os_errno, ENOSPC);
    fls_error_format(&error, text, sizeof text);
    assert_non_null(strstr(text, strerror(ENOSPC)));
}

/* The same journal goes on. */
static void fill_and_go_on(const struct fls_journal_options *options)
{
    struct fls_journal *journal;
    uint64_t next = 0, more;
    uint8_t message[BYTES_MAX];

    put_filler(300);
    assert_ok(fls_journal_open(path, options, &journal, NULL, NULL));
    assert_int_equal(fill(journal, &next), FLS_IO);
    assert_no_space(journal);
    assert_true(next > 20);
    uint64_t there = read_all(1);
    assert_true(there <= next && there >= fls_journal_statistics(journal).at_process);
    for (int i = 0; i < 3;
         i++) { /* to insist does no harm, and may find what the keeper gave back */
        enum fls_status status =
            fls_journal_write(journal, message, make_message(next, message), NULL);
        assert_true(status == FLS_IO || status == FLS_OK);
        next += status == FLS_OK;
        assert_true(read_all(1) >= there);
    }
    remove_filler();
    for (more = next; more < next + 20; more++)
        assert_ok(fls_journal_write(journal, message, make_message(more, message), NULL));
    assert_ok(fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE));
    assert_int_equal(read_all(1), more);
    assert_ok(fls_journal_close(journal, NULL));
    empty_folder();
}

/* Fills the disk in a process that dies there. Returns what it had at the process's level. */
static uint64_t fill_and_die(const struct fls_journal_options *options)
{
    int ends[2], result;
    uint64_t told = 0;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct fls_journal *journal;
        uint64_t next = 0;
        if (fls_journal_open(path, options, &journal, NULL, NULL) != FLS_OK ||
            fill(journal, &next) != FLS_IO)
            _exit(1);
        told = fls_journal_statistics(journal).at_process;
        _exit(write(ends[1], &told, sizeof told) != sizeof told);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &told, sizeof told), sizeof told);
    close(ends[0]);
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    return told;
}

/* Another one opens it, on the disk that is still full, and goes on when there is space. */
static void fill_die_and_reopen(const struct fls_journal_options *options)
{
    struct fls_journal_opening opening;
    struct fls_journal *journal;
    struct fls_error error = FLS_ZERO;
    uint8_t message[BYTES_MAX];

    put_filler(300);
    uint64_t told = fill_and_die(options);
    enum fls_status status = fls_journal_open(path, options, &journal, &opening, &error);
    if (status != FLS_OK)
        fail_msg("on a full disk: %s %s %d", fls_status_word(status), error.subject,
                 error.os_errno);
    uint64_t next = read_all(1);
    assert_true(next >= told && told > 20);
    remove_filler();
    for (int i = 0; i < 20; i++, next++)
        assert_ok(fls_journal_write(journal, message, make_message(next, message), NULL));
    status = fls_journal_close(journal, &error);
    if (status != FLS_OK) { /* for an index there was no space, which is no loss */
        assert_true(options->with_index);
        assert_int_equal(status, FLS_IO);
        assert_int_equal(strncmp(error.subject, "index", 5), 0);
    }
    assert_int_equal(read_all(1), next);
    empty_folder();
}

static void full_disk(void **state)
{
    static const struct fls_journal_options manners[] = {
        {.batch_bytes = 0},
        {.to_process = {.messages = 1}},
        {.to_machine = {.messages = 1}, .with_index = 1},
        {.batch_bytes = 20000, .to_machine = {.messages = 7}},
        {.rotation = {.bytes = 100000}, .with_index = 1},
        {.rotation = {.bytes = 30000, .preallocate_bytes = 30000}, .to_process = {.bytes = 5000}},
        {.rotation = {.messages = 3}, .to_machine = {.interval_ms = 1}},
    };

    (void)state;
    if (!is_mounted) {
        print_message("full_disk: skipped, a file system cannot be mounted here\n");
        skip();
    }
    for (size_t i = 0; i < sizeof manners / sizeof manners[0]; i++) {
        struct fls_journal_options options = manners[i];
        options.checksum = FLS_CHECKSUM_XXH3;
        options.repair = FLS_JOURNAL_CUT_TORN;
        fill_and_go_on(&options);
        fill_die_and_reopen(&options);
    }
}

/* A keeper that is slow to finish what was retired, as on a slow device. */
static void dawdle(void *context, const char *segment, uint64_t messages, uint64_t bytes)
{
    (void)context;
    (void)segment;
    (void)messages;
    (void)bytes;
    usleep(20000);
}

/* What the limits leave fits; that the keeper is behind with deleting is no full disk. */
static void limits_keep_it_from_being_full(void **state)
{
    static const struct fls_journal_options manners[] = {
        {.batch_bytes = 0},
        {.to_process = {.messages = 1}},
        {.to_machine = {.messages = 1}},
        {.rotation = {.preallocate_bytes = 150000}, .with_index = 1},
    };

    (void)state;
    if (!is_mounted) {
        print_message("limits: skipped, a file system cannot be mounted here\n");
        skip();
    }
    for (size_t i = 0; i < sizeof manners / sizeof manners[0]; i++) {
        struct fls_journal_options options = manners[i];
        struct fls_journal *journal;
        uint8_t message[BYTES_MAX];
        options.checksum = FLS_CHECKSUM_XXH3;
        options.rotation.bytes = 150000;
        options.rotation.segments_kept = 3;
        options.segment_finished = dawdle;
        assert_ok(fls_journal_open(path, &options, &journal, NULL, NULL));
        for (uint64_t next = 0; next < 1500; next++)
            assert_ok(fls_journal_write(journal, message, make_message(next, message), NULL));
        assert_ok(fls_journal_commit(journal, 0, FLS_LEVEL_PROCESS));
        assert_true(fls_journal_statistics(journal).rotations > 15);
        assert_ok(fls_journal_close(journal, NULL));
        struct fls_series series;
        assert_ok(fls_series_list(path, &series, NULL));
        assert_int_equal(series.count, 3);
        fls_series_free(&series);
        empty_folder();
    }
}

static int mount_disk(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/name.fls", folder);
    is_mounted = mount("tmpfs", folder, "tmpfs", 0, "size=1m") == 0;
    return 0;
}

static int unmount_disk(void **state)
{
    (void)state;
    if (is_mounted && umount(folder) != 0)
        return 1;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(full_disk),
                                       cmocka_unit_test(limits_keep_it_from_being_full)};

    return cmocka_run_group_tests(tests, mount_disk, unmount_disk);
}
