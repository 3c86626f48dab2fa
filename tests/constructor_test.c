/*
 * constructor_test.c: what is refused leaves the files as they were. Each constructor that makes,
 * empties or mends a file is called on a name that is free, on an empty file, on a stream with its
 * index, and on a torn one; each of its calls into the system fails in turn, once or from then on;
 * and so is it called with arguments that it refuses.
 */
#include "support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/faults.h"

#define FILES_MAX 8
#define BYTES_MAX 8192

static char folder[64];
static char path[96];
static int no_thread;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *context), void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *context), void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *context), void *context)
{
    return no_thread ? EAGAIN : __real_pthread_create(thread, attributes, run, context);
}

/* --- all that is in the folder -----------------------------------------------------------------
 */

struct file {
    char name[64];
    size_t length;
    uint8_t bytes[BYTES_MAX];
};

struct files {
    size_t count;
    struct file each[FILES_MAX];
};

static int is_entry(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void look(struct files *files)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_entry, alphasort);

    assert_in_range(count, 0, FILES_MAX);
    files->count = (size_t)count;
    for (int i = 0; i < count; i++) {
        struct file *file = &files->each[i];
        char name[sizeof folder + sizeof file->name];
        snprintf(file->name, sizeof file->name, "%.60s", entries[i]->d_name);
        snprintf(name, sizeof name, "%s/%s", folder, file->name);
        FILE *opened = fopen(name, "rb");
        assert_non_null(opened);
        file->length = fread(file->bytes, 1, BYTES_MAX, opened);
        assert_true(feof(opened));
        fclose(opened);
        free(entries[i]);
    }
    free(entries);
}

static void put_back(const struct files *files)
{
    static struct files present;

    look(&present);
    for (size_t i = 0; i < present.count; i++) {
        char name[sizeof folder + sizeof present.each[i].name];
        snprintf(name, sizeof name, "%s/%s", folder, present.each[i].name);
        assert_int_equal(unlink(name), 0);
    }
    for (size_t i = 0; i < files->count; i++) {
        char name[sizeof folder + sizeof files->each[i].name];
        snprintf(name, sizeof name, "%s/%s", folder, files->each[i].name);
        FILE *made = fopen(name, "wb");
        assert_non_null(made);
        assert_int_equal(fwrite(files->each[i].bytes, 1, files->each[i].length, made),
                         files->each[i].length);
        assert_int_equal(fclose(made), 0);
    }
}

static int are_same(const struct files *a, const struct files *b)
{
    int same = a->count == b->count;

    for (size_t i = 0; i < a->count && same; i++)
        same = strcmp(a->each[i].name, b->each[i].name) == 0 &&
               a->each[i].length == b->each[i].length &&
               memcmp(a->each[i].bytes, b->each[i].bytes, a->each[i].length) == 0;
    return same;
}

/* --- constructors ------------------------------------------------------------------------------
 */

/* What is opened is closed at once; `wrong`: with an argument that is refused. */
struct constructor {
    const char *name;
    enum fls_status (*open)(int variant, int wrong, struct fls_error *error);
    int variants;
};

static enum fls_status open_file(int variant, int wrong, struct fls_error *error)
{
    struct fls_sink *sink;
    enum fls_status status = fls_sink_open_file(
        path, wrong ? (enum fls_file_mode)9 : (enum fls_file_mode)variant, &sink, error);

    return status == FLS_OK ? fls_sink_close(sink, error) : status;
}

static enum fls_status open_uring(int variant, int wrong, struct fls_error *error)
{
    struct fls_uring_options options = {.direct = variant / 3};
    enum fls_file_mode mode = (enum fls_file_mode)(variant % 3);
    struct fls_sink *sink;
    enum fls_status status = fls_sink_open_uring_file(path, wrong ? (enum fls_file_mode)9 : mode,
                                                      &options, &sink, error);

    return status == FLS_OK ? fls_sink_close(sink, error) : status;
}

static enum fls_status refuse_all(const struct fls_tap *tap, const struct fls_payload *payload,
                                  struct fls_error *error)
{
    (void)tap, (void)payload, (void)error;
    return FLS_VALIDATION_FAILED;
}

static enum fls_status open_writer(int variant, int wrong, struct fls_error *error)
{
    struct fls_tap tap = {.name = "any", .run = refuse_all};
    struct fls_writer_options options = {
        .framer = wrong ? (enum fls_framer)77 : FLS_FRAMER_BATCHED, .taps = &tap, .tap_count = 1};
    struct fls_writer *writer;
    enum fls_status status =
        fls_writer_open_file(path, (enum fls_file_mode)variant, &options, &writer, error);

    return status == FLS_OK ? fls_writer_close(writer, error) : status;
}

static enum fls_status open_journal(int variant, int wrong, struct fls_error *error)
{
    struct fls_journal_options options = {.checksum =
                                              wrong ? FLS_CHECKSUM_CRC32 : FLS_CHECKSUM_XXH3,
                                          .repair = variant % 3 == 0   ? FLS_JOURNAL_REFUSE
                                                    : variant % 3 == 1 ? FLS_JOURNAL_CUT_TORN
                                                                       : FLS_JOURNAL_SET_ASIDE,
                                          .with_index = variant / 3 % 2,
                                          .rotation = {.messages = variant / 6 ? 100 : 0}};
    struct fls_journal *journal;
    enum fls_status status = fls_journal_open(path, &options, &journal, NULL, error);

    return status == FLS_OK ? fls_journal_close(journal, error) : status;
}

static enum fls_status open_index_writer(int variant, int wrong, struct fls_error *error)
{
    struct fls_index_writer *writer;
    uint64_t frame, offset;
    enum fls_checksum_kind kind = wrong ? (enum fls_checksum_kind)55 : FLS_CHECKSUM_XXH3;
    enum fls_status status =
        fls_index_writer_open(path, NULL, kind, NULL, variant, &writer, &frame, &offset, error);

    return status == FLS_OK ? fls_index_writer_close(writer, error) : status;
}

static const struct constructor constructors[] = {
    {"fls_sink_open_file", open_file, 3},
    {"fls_sink_open_uring_file", open_uring, 6},
    {"fls_writer_open_file", open_writer, 3},
    {"fls_journal_open", open_journal, 12},
    {"fls_index_writer_open", open_index_writer, 2},
};

/* --- the refusals ------------------------------------------------------------------------------
 */

static unsigned refusals;
static int is_torn;

static void assert_unchanged(const struct files *before, const char *name, int variant,
                             const char *what, uint64_t at, const struct fls_error *error)
{
    static struct files after;

    refusals++;
    look(&after);
    if (!are_same(before, &after))
        fail_msg("%s (%d): refused by %s %llu (%s %s), and the files differ", name, variant, what,
                 (unsigned long long)at, error->subject, error->reason);
}

static const struct {
    const char *name;
    unsigned family;
    uint64_t calls_max;
} families[] = {
    {"memory", FAULT_MEMORY, 500},
    {"open", FAULT_OPEN, 500},
    {"read", FAULT_READ, 500},
    {"map", FAULT_MAP, 500},
    {"sync", FAULT_SYNC, 500},
    /* The first says that it cannot be cut; a device that fails then is another matter, and so is
     * one that does not keep what was cut. */
    {"ftruncate", FAULT_CUT, 1},
};

/* Each call of the family; closing is not what is meant, and what it does is well. */
static void fail_each(const struct constructor *constructor, int variant,
                      const struct files *before, size_t family, uint64_t failures)
{
    for (uint64_t at = 1; at <= families[family].calls_max; at++) {
        struct fls_error error = FLS_ZERO;
        put_back(before);
        fault_arm((struct fault_plan){
            .families = families[family].family, .at = at, .failures = failures, .os_errno = EIO});
        enum fls_status status = constructor->open(variant, 0, &error);
        if (fault_disarm() == 0)
            return;
        if (status != FLS_OK && strncmp(error.subject, "index", 5) != 0)
            assert_unchanged(before, constructor->name, variant, families[family].name, at, &error);
    }
}

static void refuse_each(const struct constructor *constructor, int variant,
                        const struct files *before)
{
    struct fls_error error = FLS_ZERO;

    put_back(before);
    if (constructor->open(variant, 1, &error) != FLS_OK)
        assert_unchanged(before, constructor->name, variant, "its arguments", 0, &error);
    put_back(before);
    no_thread = 1;
    if (constructor->open(variant, 0, &error) != FLS_OK)
        assert_unchanged(before, constructor->name, variant, "pthread_create", 0, &error);
    no_thread = 0;
    for (size_t family = 0; family < sizeof families / sizeof families[0]; family++) {
        if (is_torn && families[family].family == FAULT_SYNC)
            continue;
        fail_each(constructor, variant, before, family, 1);
        fail_each(constructor, variant, before, family, FAULT_FOR_EVER);
    }
}

static void try_all(void)
{
    static struct files before;

    look(&before);
    refusals = 0;
    for (size_t i = 0; i < sizeof constructors / sizeof constructors[0]; i++)
        for (int variant = 0; variant < constructors[i].variants; variant++)
            refuse_each(&constructors[i], variant, &before);
    assert_true(refusals > 50);
    put_back(&(struct files){.count = 0});
}

static void on_a_name_that_is_free(void **state)
{
    (void)state;
    try_all();
}

static void on_an_empty_file(void **state)
{
    (void)state;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    assert_true(fd >= 0);
    close(fd);
    try_all();
}

static void make_stream(void)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3, .with_index = 1};
    struct fls_journal *journal;

    assert_ok(fls_journal_open(path, &options, &journal, NULL, NULL));
    for (int i = 0; i < 20; i++)
        assert_ok(fls_journal_write(journal, "twenty messages", 15, NULL));
    assert_ok(fls_journal_close(journal, NULL));
}

static void on_a_stream(void **state)
{
    (void)state;
    make_stream();
    try_all();
}

static void on_a_torn_stream(void **state)
{
    (void)state;
    struct stat information;

    make_stream();
    assert_int_equal(stat(path, &information), 0);
    assert_int_equal(truncate(path, information.st_size - 5), 0);
    is_torn = 1;
    try_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_name_that_is_free), cmocka_unit_test(on_an_empty_file),
        cmocka_unit_test(on_a_stream), cmocka_unit_test(on_a_torn_stream)};
    const char *temporary = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%.40s/constructor.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm"
             : temporary                   ? temporary
                                           : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/s.fls", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(folder);
    return failed;
}
