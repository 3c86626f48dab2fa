/*
 * journal_test.c: what the journal promises when nothing fails: opening and repair, levels and
 * policies, rotation and its limits, the lock, the index. Crashes, faults and load have tests of
 * their own. What a file should hold is put together by the frame codec alone.
 */
#include "support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/data_file.h"
#include "support/frames.h"
#include "support/index_boot.h"

static char folder[64];
static char path[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/journal_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/name.fls", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char file[512];
    DIR *listing = opendir(folder);
    struct dirent *entry;

    (void)state;
    while (listing && (entry = readdir(listing)) != NULL) {
        snprintf(file, sizeof file, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(file);
    }
    closedir(listing);
    return rmdir(folder);
}

/* ---- what is synced ------------------------------------------------------------------------- */

static atomic_int fdatasyncs;
static int dies_at_sync;

int fdatasync(int fd)
{
    if (dies_at_sync)
        _exit(0);
    fdatasyncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

/* ---- short hands ---------------------------------------------------------------------------- */

static const struct fls_journal_options with_xxh3 = {.checksum = FLS_CHECKSUM_XXH3};

/* The name of a file of the series; `ending` goes between "name" and the end. */
static const char *file_named(const char *ending)
{
    static char file[256];

    snprintf(file, sizeof file, "%s/name%s", folder, ending);
    return file;
}

static int is_there(const char *file)
{
    return access(file, F_OK) == 0;
}

static uint64_t size_of(const char *file)
{
    struct stat information;

    assert_int_equal(stat(file, &information), 0);
    return (uint64_t)information.st_size;
}

static struct fls_journal *open_journal(const struct fls_journal_options *options,
                                        struct fls_journal_opening *opening)
{
    struct fls_error error = FLS_ZERO;
    struct fls_journal *journal = NULL;
    enum fls_status status = fls_journal_open(path, options, &journal, opening, &error);

    if (status != FLS_OK)
        print_message("%s %s %s\n", fls_status_word(status), error.subject, error.reason);
    assert_ok(status);
    return journal;
}

/* Message i: its number, then a pattern; 8 to 300 bytes. */
static size_t make_message(uint64_t i, uint8_t message[300])
{
    size_t bytes = 8 + (size_t)(i * 37 % 293);

    pattern_fill(message, bytes);
    memcpy(message, &i, sizeof i);
    return bytes;
}

static void write_messages(struct fls_journal *journal, uint64_t first, uint64_t end)
{
    uint8_t message[300];

    for (uint64_t i = first; i < end; i++) {
        uint64_t number;
        size_t bytes = make_message(i, message);
        assert_ok(fls_journal_write(journal, message, bytes, &number));
        assert_true(number > 0);
    }
}

/* The frames of messages [first, end). */
static struct frames expect(enum fls_checksum_kind kind, uint64_t first, uint64_t end)
{
    struct fls_checksum checksum = {kind, NULL};
    struct frames frames = {0};
    uint8_t message[300];

    for (uint64_t i = first; i < end; i++) {
        size_t bytes = make_message(i, message);
        frames_put(&frames, checksum, message, bytes);
    }
    return frames;
}

/* `file` is exactly the frames of messages [first, end). */
static void assert_file(const char *file, enum fls_checksum_kind kind, uint64_t first, uint64_t end)
{
    struct frames frames = expect(kind, first, end);
    size_t length;
    char *bytes = test_read_file(file, &length);

    assert_int_equal(length, frames.length);
    assert_true(length == 0 || memcmp(bytes, frames.bytes, length) == 0);
    free(bytes);
    free(frames.bytes);
}

static void put_file(const char *file, const void *bytes, size_t length)
{
    FILE *to = fopen(file, "wb");

    assert_non_null(to);
    assert_int_equal(fwrite(bytes, 1, length, to), length);
    assert_int_equal(fclose(to), 0);
}

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* Waits up to 5 s for the condition. */
#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        for (int tries = 0; tries < 5000 && !(condition); tries++)                                 \
            sleep_ms(1);                                                                           \
        assert_true(condition);                                                                    \
    } while (0)

/* ---- writing and reopening ------------------------------------------------------------------ */

static void writes_and_appends(void **state)
{
    static const enum fls_checksum_kind kinds[] = {FLS_CHECKSUM_NONE, FLS_CHECKSUM_CRC16,
                                                   FLS_CHECKSUM_CRC32, FLS_CHECKSUM_XXH3};

    (void)state;
    for (size_t k = 0; k < 4; k++) {
        struct fls_journal_options options = {.checksum = kinds[k]};
        struct fls_journal_opening opening;
        struct fls_journal *journal = open_journal(&options, &opening);
        assert_int_equal(opening.frames, 0);
        assert_int_equal(opening.segment, 0);
        write_messages(journal, 0, 100);
        assert_int_equal(size_of(path), 0); /* nothing asked for more than the object's level */
        assert_ok(fls_journal_commit(journal, 0, FLS_LEVEL_PROCESS));
        assert_file(path, kinds[k], 0, 100);
        write_messages(journal, 100, 150);
        assert_ok(fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE));
        struct fls_journal_counts counts = fls_journal_statistics(journal);
        assert_int_equal(counts.messages, 150);
        assert_int_equal(counts.at_process, 150);
        assert_int_equal(counts.at_machine, 150);
        assert_int_equal(counts.bytes, size_of(path));
        assert_int_equal(counts.syncs, 1);
        assert_ok(fls_journal_close(journal, NULL));

        journal = open_journal(&options, &opening);
        assert_int_equal(opening.frames, 150);
        assert_int_equal(opening.bytes, size_of(path));
        assert_int_equal(opening.bytes_cut, 0);
        write_messages(journal, 150, 200);
        assert_ok(fls_journal_close(journal, NULL));
        assert_file(path, kinds[k], 0, 200);
        unlink(path);
    }
}

/* Sizes on both sides of every threshold, in one piece and in several. */
static void takes_every_size_and_shape(void **state)
{
    static const size_t sizes[] = {0,     1,     4095,  4096,   4097,    65535, 65536, 65548,
                                   65549, 70000, 16384, 300000, 1 << 20, 3,     262144};
    struct fls_journal *journal = open_journal(&with_xxh3, NULL);
    struct fls_checksum checksum = {FLS_CHECKSUM_XXH3, NULL};
    struct frames frames = {0};
    static uint8_t payload[1 << 20];
    static struct iovec segments[3000];

    (void)state;
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            size_t pieces = round == 0 ? 1 : round == 1 ? 3 : 3000, at = 0;
            pattern_fill(payload, sizes[i]);
            frames_put(&frames, checksum, payload, sizes[i]);
            for (size_t p = 0; p < pieces; p++) {
                size_t bytes = p + 1 == pieces ? sizes[i] - at : sizes[i] / pieces;
                segments[p] = (struct iovec){payload + at, bytes};
                at += bytes;
            }
            struct fls_payload whole = {segments, pieces, sizes[i]};
            assert_ok(fls_journal_write_payload(journal, &whole, NULL));
            memset(payload, 0xee, sizes[i]); /* it is ours again */
        }
    struct fls_payload liar = {segments, 3000, 5};
    assert_int_equal(fls_journal_write_payload(journal, &liar, NULL), FLS_INVALID_ARGUMENT);
    liar.count = 2;
    assert_int_equal(fls_journal_write_payload(journal, &liar, NULL), FLS_INVALID_ARGUMENT);
    assert_ok(fls_journal_close(journal, NULL));
    size_t length;
    char *bytes = test_read_file(path, &length);
    assert_int_equal(length, frames.length);
    assert_memory_equal(bytes, frames.bytes, length);
    free(bytes);
    free(frames.bytes);
}

static void refuses_what_it_must(void **state)
{
    struct fls_tap taps[] = {fls_tap_size(8, 250)};
    struct fls_journal_options options = {
        .checksum = FLS_CHECKSUM_CRC32, .payload_bytes_max = 200, .taps = taps, .tap_count = 1};
    struct fls_journal *journal = open_journal(&options, NULL);
    uint8_t message[300] = {0};
    struct fls_error error;
    uint64_t number = 7;

    (void)state;
    assert_int_equal(fls_journal_write(journal, message, 0, &number), FLS_INVALID_ARGUMENT);
    assert_int_equal(number, 0);
    write_messages(journal, 0, 1);
    assert_int_equal(fls_journal_write(journal, message, 201, &number), FLS_INVALID_FRAME);
    fls_journal_error(journal, &error);
    assert_int_equal(error.status, FLS_INVALID_FRAME);
    assert_int_equal(error.found, 201);
    assert_int_equal(error.frame, 1);
    assert_int_equal(error.offset, 4 + 4 + 8);
    number = 7;
    assert_int_equal(fls_journal_write(journal, message, 3, &number), FLS_VALIDATION_FAILED);
    assert_int_equal(number, 0);
    assert_ok(fls_journal_write(journal, message, 8, &number));
    assert_int_equal(number, 2);
    assert_int_equal(fls_journal_commit(journal, 3, FLS_LEVEL_MACHINE), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_journal_rotate(journal), FLS_UNSUPPORTED);
    assert_ok(fls_journal_close(journal, NULL));
    assert_int_equal(size_of(path), 2 * 16);

    options = with_xxh3;
    options.checksum = FLS_CHECKSUM_CUSTOM;
    assert_int_equal(fls_journal_open(path, &options, &journal, NULL, &error),
                     FLS_INVALID_ARGUMENT);
    options.repair = (enum fls_journal_repair)9;
    assert_int_equal(fls_journal_open(path, &options, &journal, NULL, &error),
                     FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_journal_open("", &with_xxh3, &journal, NULL, NULL), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_journal_open("/no/such/folder/x.fls", &with_xxh3, &journal, NULL, &error),
                     FLS_IO);
    assert_int_equal(error.os_errno, ENOENT);
    assert_ok(fls_journal_close(NULL, NULL));
}

/* ---- repair --------------------------------------------------------------------------------- */

/* The stream of 50 messages, then `tail`. */
static size_t put_damaged(enum fls_checksum_kind kind, const void *tail, size_t bytes)
{
    struct frames frames = expect(kind, 0, 50);
    size_t good = frames.length;

    frames_raw(&frames, tail, bytes);
    put_file(path, frames.bytes, frames.length);
    free(frames.bytes);
    return good;
}

static void assert_refused(const struct fls_journal_options *options, enum fls_status expected,
                           uint64_t offset)
{
    struct fls_error error = FLS_ZERO;
    struct fls_journal *journal;
    uint64_t before = size_of(path);

    assert_int_equal(fls_journal_open(path, options, &journal, NULL, &error), expected);
    assert_int_equal(error.status, expected);
    assert_int_equal(error.offset, offset);
    assert_int_equal(size_of(path), before);
    assert_false(is_there(file_named(".fls.lock")));
}

/* Each way of repair on one tail; a corrupt one is not cut. */
static void check_repairs(enum fls_checksum_kind kind, const void *tail, size_t bytes,
                          enum fls_status expected)
{
    struct fls_journal_options options = {.checksum = kind};
    struct fls_journal_opening opening;
    struct fls_journal *journal;
    size_t good = put_damaged(kind, tail, bytes);

    assert_refused(&options, expected, good);
    options.repair = FLS_JOURNAL_CUT_TORN;
    if (expected != FLS_UNEXPECTED_END) {
        assert_refused(&options, expected, good);
    } else {
        journal = open_journal(&options, &opening);
        assert_int_equal(opening.frames, 50);
        assert_int_equal(opening.bytes, good);
        assert_int_equal(opening.bytes_cut, bytes);
        assert_string_equal(opening.set_aside, "");
        write_messages(journal, 50, 60);
        assert_ok(fls_journal_close(journal, NULL));
        assert_file(path, kind, 0, 60);
        put_damaged(kind, tail, bytes);
    }
    options.repair = FLS_JOURNAL_SET_ASIDE;
    journal = open_journal(&options, &opening);
    assert_int_equal(opening.bytes_cut, bytes);
    assert_string_equal(opening.set_aside, "name.fls.damaged-000001");
    write_messages(journal, 50, 60);
    assert_ok(fls_journal_close(journal, NULL));
    assert_file(path, kind, 0, 60);
    size_t length;
    char *aside = test_read_file(file_named(".fls.damaged-000001"), &length);
    assert_int_equal(length, bytes);
    assert_memory_equal(aside, tail, bytes);
    free(aside);
    unlink(file_named(".fls.damaged-000001"));
}

static void repairs_as_allowed(void **state)
{
    static const uint8_t zeros[5000];
    struct frames more = expect(FLS_CHECKSUM_XXH3, 50, 53);

    (void)state;
    check_repairs(FLS_CHECKSUM_XXH3, more.bytes, 3, FLS_UNEXPECTED_END);
    check_repairs(FLS_CHECKSUM_XXH3, more.bytes, 11, FLS_UNEXPECTED_END);
    check_repairs(FLS_CHECKSUM_XXH3, more.bytes, 40, FLS_UNEXPECTED_END);
    check_repairs(FLS_CHECKSUM_XXH3, zeros, sizeof zeros, FLS_UNEXPECTED_END);
    check_repairs(FLS_CHECKSUM_CRC32, zeros, sizeof zeros, FLS_UNEXPECTED_END);
    check_repairs(FLS_CHECKSUM_NONE, zeros, sizeof zeros, FLS_UNEXPECTED_END);
    more.bytes[20] ^= 1;
    check_repairs(FLS_CHECKSUM_XXH3, more.bytes, more.length, FLS_CHECKSUM_MISMATCH);
    more.bytes[20] ^= 1;
    more.bytes[3] = 0xff;
    check_repairs(FLS_CHECKSUM_XXH3, more.bytes, more.length, FLS_INVALID_FRAME);
    free(more.bytes);
}

/* A length that was damaged reads as torn, and whole messages lie behind it: cut, but not lost. */
static void check_damaged_length(enum fls_checksum_kind kind, int kept)
{
    struct fls_journal_options options = {.checksum = kind, .repair = FLS_JOURNAL_CUT_TORN};
    struct fls_journal_opening opening;
    struct frames more = expect(kind, 50, 53);

    more.bytes[2] ^= 1;
    put_damaged(kind, more.bytes, more.length);
    struct fls_journal *journal = open_journal(&options, &opening);
    assert_int_equal(opening.frames, 50);
    assert_int_equal(opening.bytes_cut, more.length);
    assert_string_equal(opening.set_aside, kept ? "name.fls.damaged-000001" : "");
    write_messages(journal, 50, 60);
    assert_ok(fls_journal_close(journal, NULL));
    assert_file(path, kind, 0, 60);
    if (kept) {
        size_t length;
        char *aside = test_read_file(file_named(".fls.damaged-000001"), &length);
        assert_int_equal(length, more.length);
        assert_memory_equal(aside, more.bytes, length);
        free(aside);
        unlink(file_named(".fls.damaged-000001"));
    }
    free(more.bytes);
}

static void keeps_frames_behind_a_damaged_length(void **state)
{
    (void)state;
    check_damaged_length(FLS_CHECKSUM_CRC32, 1);
    check_damaged_length(FLS_CHECKSUM_XXH3, 1);
    check_damaged_length(FLS_CHECKSUM_CRC16, 1);
}

/* What was set aside before is not written over. */
static void sets_aside_under_a_new_name(void **state)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .repair = FLS_JOURNAL_SET_ASIDE};
    struct fls_journal_opening opening;

    (void)state;
    put_file(file_named(".fls.damaged-000001"), "first", 5);
    put_damaged(FLS_CHECKSUM_XXH3, "abc", 3);
    assert_ok(fls_journal_close(open_journal(&options, &opening), NULL));
    assert_string_equal(opening.set_aside, "name.fls.damaged-000002");
    assert_int_equal(size_of(file_named(".fls.damaged-000001")), 5);
    assert_int_equal(size_of(file_named(".fls.damaged-000002")), 3);
}

/* A stream of one kind is not damage to a journal of another; not of one frame, nor of many. */
static void refuses_another_kind(void **state)
{
    static const uint64_t counts[] = {1, 2, 50};

    (void)state;
    for (int ours = FLS_CHECKSUM_NONE; ours <= FLS_CHECKSUM_XXH3; ours++)
        for (int theirs = FLS_CHECKSUM_NONE; theirs <= FLS_CHECKSUM_XXH3; theirs++)
            for (size_t c = 0; c < 3 && ours != theirs; c++)
                for (int repair = FLS_JOURNAL_REFUSE; repair <= FLS_JOURNAL_SET_ASIDE; repair++) {
                    if (theirs == FLS_CHECKSUM_NONE && c == 0 && repair != FLS_JOURNAL_REFUSE)
                        continue; /* may be a torn frame of ours: sets_aside_what_shows_no_frame */
                    struct frames frames = expect((enum fls_checksum_kind)theirs, 1, 1 + counts[c]);
                    struct fls_journal_options options = {.checksum = (enum fls_checksum_kind)ours,
                                                          .repair =
                                                              (enum fls_journal_repair)repair};
                    put_file(path, frames.bytes, frames.length);
                    free(frames.bytes);
                    assert_refused(&options, FLS_INVALID_ARGUMENT, 0);
                }
}

/* The one frame there has lost its end to zeros, and reads as one without a checksum and as empty
 * ones behind it: no reason to say that the file is of that kind. */
static void zeros_are_no_other_kind(void **state)
{
    (void)state;
    for (int kind = FLS_CHECKSUM_CRC32; kind <= FLS_CHECKSUM_XXH3; kind++) {
        struct frames frames = expect((enum fls_checksum_kind)kind, 3, 4);
        struct fls_journal_options options = {.checksum = (enum fls_checksum_kind)kind};
        struct fls_journal_opening opening;
        memset(frames.bytes + 40, 0, frames.length - 40);
        put_file(path, frames.bytes, frames.length);
        assert_refused(&options, FLS_CHECKSUM_MISMATCH, 0);
        options.repair = FLS_JOURNAL_SET_ASIDE;
        assert_ok(fls_journal_close(open_journal(&options, &opening), NULL));
        assert_int_equal(opening.bytes_cut, frames.length);
        free(frames.bytes);
    }
}

/* No kind fits: this may be set aside as a whole, and is, for nothing else can be done with it. */
static void sets_a_whole_file_aside(void **state)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .repair = FLS_JOURNAL_CUT_TORN};
    struct frames frames = expect(FLS_CHECKSUM_XXH3, 0, 20);
    struct fls_journal_opening opening;

    (void)state;
    frames.bytes[15] ^= 0x40;
    put_file(path, frames.bytes, frames.length);
    assert_refused(&options, FLS_CHECKSUM_MISMATCH, 0);
    options.repair = FLS_JOURNAL_SET_ASIDE;
    assert_ok(fls_journal_close(open_journal(&options, &opening), NULL));
    assert_int_equal(size_of(path), 0);
    assert_int_equal(size_of(file_named(".fls.damaged-000001")), frames.length);
    assert_int_equal(opening.bytes_cut, frames.length);
    free(frames.bytes);
}

/* `bytes` of the file, in which no frame of ours is whole, are kept when the tail is to be cut. */
static void check_set_aside(enum fls_checksum_kind kind, const void *bytes, size_t length)
{
    struct fls_journal_options options = {.checksum = kind, .repair = FLS_JOURNAL_CUT_TORN};
    struct fls_journal_opening opening;
    struct fls_journal *journal;
    size_t kept_length;

    put_file(path, bytes, length);
    unlink(file_named(".fls.damaged-000001"));
    journal = open_journal(&options, &opening);
    assert_int_equal(opening.frames, 0);
    assert_int_equal(opening.bytes_cut, length);
    assert_string_equal(opening.set_aside, "name.fls.damaged-000001");
    write_messages(journal, 0, 3);
    assert_ok(fls_journal_close(journal, NULL));
    assert_file(path, kind, 0, 3);
    char *kept = test_read_file(file_named(".fls.damaged-000001"), &kept_length);
    assert_int_equal(kept_length, length);
    assert_memory_equal(kept, bytes, length);
    free(kept);
}

/* Where not one frame is whole the file may be no stream; also when it reads as one frame without a
 * checksum, as a first frame does that was torn behind 4 bytes and its length. */
static void sets_aside_what_shows_no_frame(void **state)
{
    static const uint8_t gzip[200] = {0x1f, 0x8b, 8, 0, 1, 2, 3};
    struct frames frames = expect(FLS_CHECKSUM_CRC32, 1, 2);
    size_t payload_bytes = frames.length - 8;
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_CRC32,
                                          .repair = FLS_JOURNAL_CUT_TORN};
    struct fls_journal_opening opening;

    (void)state;
    check_set_aside(FLS_CHECKSUM_CRC32, gzip, sizeof gzip);
    check_set_aside(FLS_CHECKSUM_XXH3, gzip, sizeof gzip);
    check_set_aside(FLS_CHECKSUM_CRC32, frames.bytes, 4 + payload_bytes);
    put_file(path, frames.bytes, 8); /* no more than a header is not kept */
    assert_ok(fls_journal_close(open_journal(&options, &opening), NULL));
    assert_int_equal(opening.bytes_cut, 8);
    assert_string_equal(opening.set_aside, "");
    free(frames.bytes);
}

/* ---- levels and policies -------------------------------------------------------------------- */

static void carries_each_to_process(void **state)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .to_process = {.messages = 1}};
    struct fls_journal *journal = open_journal(&options, NULL);

    (void)state;
    for (uint64_t i = 0; i < 20; i++) {
        write_messages(journal, i, i + 1);
        assert_file(path, FLS_CHECKSUM_XXH3, 0, i + 1);
    }
    assert_int_equal(fls_journal_statistics(journal).syncs, 0);
    assert_ok(fls_journal_close(journal, NULL));
}

static void carries_by_count_and_bytes(void **state)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .to_process = {.messages = 10},
                                          .to_machine = {.messages = 30}};
    struct fls_journal *journal = open_journal(&options, NULL);
    struct fls_journal_counts counts;

    (void)state;
    for (uint64_t i = 0; i < 95; i++) {
        write_messages(journal, i, i + 1);
        counts = fls_journal_statistics(journal);
        assert_int_equal(counts.at_process, (i + 1) / 10 * 10);
        assert_int_equal(counts.at_machine, (i + 1) / 30 * 30);
    }
    assert_int_equal(counts.syncs, 3);
    assert_ok(fls_journal_close(journal, NULL));
    unlink(path);

    options.to_process = (struct fls_journal_policy){.bytes = 1000};
    options.to_machine = (struct fls_journal_policy){.bytes = 5000};
    journal = open_journal(&options, NULL);
    for (uint64_t i = 0; i < 500; i++) {
        write_messages(journal, i, i + 1);
        counts = fls_journal_statistics(journal);
        assert_true(counts.bytes - size_of(path) < 1000);
    }
    uint64_t syncs = counts.bytes / 5000;
    assert_true(counts.syncs <= syncs && counts.syncs >= syncs - syncs / 10);
    assert_ok(fls_journal_close(journal, NULL));
    assert_file(path, FLS_CHECKSUM_XXH3, 0, 500);
}

static void carries_by_time(void **state)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .to_process = {.interval_ms = 20}};
    struct fls_journal *journal = open_journal(&options, NULL);

    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        write_messages(journal, i, i + 1);
        WAIT_UNTIL(fls_journal_statistics(journal).at_process == i + 1);
    }
    assert_int_equal(fls_journal_statistics(journal).syncs, 0);
    assert_ok(fls_journal_close(journal, NULL));
    unlink(path);

    options.to_process.interval_ms = 0;
    options.to_machine.interval_ms = 20;
    journal = open_journal(&options, NULL);
    for (uint64_t i = 0; i < 3; i++) {
        write_messages(journal, i, i + 1);
        WAIT_UNTIL(fls_journal_statistics(journal).at_machine == i + 1);
    }
    sleep_ms(60); /* nothing waits: no more syncs */
    assert_int_equal(fls_journal_statistics(journal).syncs, 3);
    assert_ok(fls_journal_close(journal, NULL));
}

/* ---- many threads --------------------------------------------------------------------------- */

#define THREADS 8
#define EACH 200

struct producer {
    struct fls_journal *journal;
    uint64_t id;
    int commits;
};

static void *produce(void *context)
{
    struct producer *producer = context;
    uint8_t message[64];

    for (uint64_t i = 0; i < EACH; i++) {
        uint64_t number = 0;
        memset(message, (int)producer->id, sizeof message);
        memcpy(message, &producer->id, 8);
        memcpy(message + 8, &i, 8);
        enum fls_status status =
            fls_journal_write(producer->journal, message, sizeof message, &number);
        if (status == FLS_OK && producer->commits)
            status = fls_journal_commit(producer->journal, number, FLS_LEVEL_MACHINE);
        if (status != FLS_OK || number == 0 ||
            (producer->commits && fls_journal_statistics(producer->journal).at_machine < number))
            return "failed";
    }
    return NULL;
}

static void run_producers(struct fls_journal *journal, int commits)
{
    struct producer producers[THREADS];
    pthread_t threads[THREADS];

    for (uint64_t t = 0; t < THREADS; t++) {
        producers[t] = (struct producer){journal, t, commits};
        assert_int_equal(pthread_create(&threads[t], NULL, produce, &producers[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        void *result;
        pthread_join(threads[t], &result);
        assert_null(result);
    }
}

/* Reads the whole series: each producer's messages are all there, in its order. */
static void check_produced(void)
{
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_XXH3, .owns_source = 1};
    uint64_t next[THREADS] = {0}, total = 0;
    struct fls_source *source;
    struct fls_reader *reader;
    struct fls_message message;
    enum fls_status status;

    assert_ok(fls_source_open_series(path, NULL, &source, NULL));
    assert_ok(fls_reader_open(source, &options, &reader, NULL));
    while ((status = fls_reader_next(reader, &message)) == FLS_OK) {
        uint64_t id, i;
        assert_int_equal(message.bytes, 64);
        memcpy(&id, message.payload, 8);
        memcpy(&i, (const char *)message.payload + 8, 8);
        assert_true(id < THREADS);
        assert_int_equal(i, next[id]);
        next[id]++;
        total++;
    }
    assert_int_equal(status, FLS_END);
    assert_int_equal(total, THREADS * EACH);
    fls_reader_close(reader);
}

static void many_threads_share_syncs(void **state)
{
    struct fls_journal_options options = with_xxh3;

    (void)state;
    for (int each = 0; each < 2; each++) {
        options.to_machine.messages = (uint64_t)each;
        struct fls_journal *journal = open_journal(&options, NULL);
        run_producers(journal, !each);
        struct fls_journal_counts counts = fls_journal_statistics(journal);
        assert_int_equal(counts.commits, THREADS * EACH);
        assert_int_equal(counts.at_machine, THREADS * EACH);
        assert_true(counts.syncs < THREADS * EACH / 2);
        print_message("%d messages, %d syncs\n", THREADS * EACH, (int)counts.syncs);
        assert_ok(fls_journal_close(journal, NULL));
        check_produced();
        unlink(path);
    }
}

static void many_threads_rotate(void **state)
{
    struct fls_journal_options options = with_xxh3;

    (void)state;
    options.rotation.messages = 40;
    options.to_machine.messages = 16;
    options.with_index = 1;
    struct fls_journal *journal = open_journal(&options, NULL);
    run_producers(journal, 0);
    struct fls_journal_counts counts = fls_journal_statistics(journal);
    assert_int_equal(counts.rotations, THREADS * EACH / 40 - 1);
    assert_true(counts.longest_rotation_ns > 0);
    assert_ok(fls_journal_close(journal, NULL));
    check_produced();
}

/* Four threads as fast as they go, a new segment every few milliseconds. */
#define LOAD_EACH 50000

static void *load(void *context)
{
    struct producer *producer = context;
    uint64_t message[32] = {producer->id};

    for (message[1] = 0; message[1] < LOAD_EACH; message[1]++)
        if (fls_journal_write(producer->journal, message, sizeof message, NULL) != FLS_OK)
            return "failed";
    return NULL;
}

static void rotation_under_load(void **state)
{
    struct fls_journal_options options = {
        .checksum = FLS_CHECKSUM_XXH3,
        .rotation = {.bytes = 512 * 1024, .preallocate_bytes = 512 * 1024},
        .to_machine = {.interval_ms = 5},
        .with_index = 1};
    struct fls_reader_options reading = {.checksum = FLS_CHECKSUM_XXH3, .owns_source = 1};
    struct fls_journal *journal = open_journal(&options, NULL);
    struct producer producers[4];
    pthread_t threads[4];
    uint64_t next[4] = {0};
    struct fls_source *source;
    struct fls_reader *reader;
    struct fls_message message;

    (void)state;
    for (uint64_t t = 0; t < 4; t++) {
        producers[t] = (struct producer){journal, t, 0};
        assert_int_equal(pthread_create(&threads[t], NULL, load, &producers[t]), 0);
    }
    for (int t = 0; t < 4; t++) {
        void *result;
        pthread_join(threads[t], &result);
        assert_null(result);
    }
    struct fls_journal_counts counts = fls_journal_statistics(journal);
    assert_int_equal(counts.messages, 4 * LOAD_EACH);
    assert_true(counts.rotations > 90);
    print_message("%d rotations, the longest pause %.3f ms\n", (int)counts.rotations,
                  (double)counts.longest_rotation_ns / 1e6);
    assert_ok(fls_journal_close(journal, NULL));
    assert_ok(fls_source_open_series(path, NULL, &source, NULL));
    assert_ok(fls_reader_open(source, &reading, &reader, NULL));
    while (fls_reader_next(reader, &message) == FLS_OK) {
        const uint64_t *numbers = message.payload;
        assert_int_equal(message.bytes, 256);
        assert_true(numbers[0] < 4);
        assert_int_equal(numbers[1], next[numbers[0]]++);
    }
    for (int t = 0; t < 4; t++)
        assert_int_equal(next[t], LOAD_EACH);
    fls_reader_close(reader);
}

/* ---- rotation ------------------------------------------------------------------------------- */

struct finished {
    pthread_mutex_t lock;
    char names[32][32];
    uint64_t messages[32];
    uint64_t bytes[32];
    size_t count;
};

static void note_finished(void *context, const char *file, uint64_t messages, uint64_t bytes)
{
    struct finished *finished = context;

    pthread_mutex_lock(&finished->lock);
    if (finished->count < 32 && size_of(file) == bytes) {
        snprintf(finished->names[finished->count], 32, "%s", strrchr(file, '/') + 1);
        finished->messages[finished->count] = messages;
        finished->bytes[finished->count++] = bytes;
    }
    pthread_mutex_unlock(&finished->lock);
}

static void rotates_by_messages(void **state)
{
    struct finished finished = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_CRC16,
                                          .rotation = {.messages = 10},
                                          .segment_finished = note_finished,
                                          .segment_context = &finished};
    struct fls_journal_opening opening;
    struct fls_journal *journal = open_journal(&options, &opening);

    (void)state;
    assert_int_equal(opening.segment, 1);
    write_messages(journal, 0, 35);
    assert_ok(fls_journal_close(journal, NULL));
    assert_file(file_named("-000001.fls"), FLS_CHECKSUM_CRC16, 0, 10);
    assert_file(file_named("-000002.fls"), FLS_CHECKSUM_CRC16, 10, 20);
    assert_file(file_named("-000004.fls"), FLS_CHECKSUM_CRC16, 30, 35);
    assert_false(is_there(path));
    assert_int_equal(finished.count, 3);
    assert_string_equal(finished.names[2], "name-000003.fls");
    assert_int_equal(finished.messages[2], 10);
    assert_int_equal(finished.bytes[2], size_of(file_named("-000003.fls")));

    /* It is continued where it was, also by one who does not ask for rotation. */
    options.rotation.messages = 0;
    journal = open_journal(&options, &opening);
    assert_int_equal(opening.segment, 4);
    assert_int_equal(opening.frames, 5);
    write_messages(journal, 35, 50);
    assert_ok(fls_journal_rotate(journal));
    assert_ok(fls_journal_rotate(journal)); /* an empty one is not left behind */
    write_messages(journal, 50, 51);
    assert_int_equal(fls_journal_statistics(journal).rotations, 1);
    assert_ok(fls_journal_close(journal, NULL));
    assert_file(file_named("-000004.fls"), FLS_CHECKSUM_CRC16, 30, 50);
    assert_file(file_named("-000005.fls"), FLS_CHECKSUM_CRC16, 50, 51);

    options.rotation.messages = 10;
    journal = open_journal(&options, &opening);
    assert_int_equal(opening.segment, 5);
    write_messages(journal, 51, 61);
    assert_ok(fls_journal_close(journal, NULL));
    assert_file(file_named("-000005.fls"), FLS_CHECKSUM_CRC16, 50, 60);
    assert_file(file_named("-000006.fls"), FLS_CHECKSUM_CRC16, 60, 61);
}

static void rotates_by_bytes(void **state)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .rotation = {.bytes = 1000}};
    struct fls_journal *journal = open_journal(&options, NULL);
    static uint8_t large[100000];

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_ok(fls_journal_write(journal, large, 488, NULL)); /* frames of 500 */
    assert_ok(fls_journal_write(journal, large, sizeof large, NULL));
    assert_ok(fls_journal_write(journal, large, 489, NULL));
    assert_ok(fls_journal_write(journal, large, 488, NULL));
    assert_ok(fls_journal_close(journal, NULL));
    for (int i = 1; i <= 5; i++) {
        char ending[32];
        snprintf(ending, sizeof ending, "-%06d.fls", i);
        assert_int_equal(size_of(file_named(ending)), 1000);
    }
    assert_int_equal(size_of(file_named("-000006.fls")), sizeof large + 12);
    assert_int_equal(size_of(file_named("-000007.fls")), 501);
    assert_int_equal(size_of(file_named("-000008.fls")), 500);
}

static void rotates_by_time(void **state)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .rotation = {.interval_ms = 30}};
    struct fls_journal *journal = open_journal(&options, NULL);

    (void)state;
    sleep_ms(80);
    assert_int_equal(fls_journal_statistics(journal).rotations, 0); /* no message yet */
    write_messages(journal, 0, 5);
    WAIT_UNTIL(fls_journal_statistics(journal).rotations == 1);
    assert_file(file_named("-000001.fls"), FLS_CHECKSUM_XXH3, 0, 5);
    write_messages(journal, 5, 6);
    WAIT_UNTIL(fls_journal_statistics(journal).rotations == 2);
    assert_ok(fls_journal_close(journal, NULL));
    assert_file(file_named("-000002.fls"), FLS_CHECKSUM_XXH3, 5, 6);
}

static void keeps_within_limits(void **state)
{
    struct fls_journal_options options = {
        .checksum = FLS_CHECKSUM_XXH3,
        .rotation = {.messages = 1, .segments_kept = 3},
        .with_index = 1,
    };
    struct fls_journal *journal = open_journal(&options, NULL);
    uint8_t message[88] = {1};

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_ok(fls_journal_write(journal, message, sizeof message, NULL));
    WAIT_UNTIL(fls_journal_statistics(journal).segments_deleted == 7);
    assert_ok(fls_journal_close(journal, NULL));
    assert_false(is_there(file_named("-000007.fls")));
    assert_false(is_there(file_named("-000007.fls.idx")));
    assert_int_equal(size_of(file_named("-000008.fls")), 100);
    assert_int_equal(size_of(file_named("-000010.fls")), 100);

    options.rotation.segments_kept = 0;
    options.rotation.bytes_kept = 550;
    journal = open_journal(&options, NULL);
    for (int i = 0; i < 10; i++)
        assert_ok(fls_journal_write(journal, message, sizeof message, NULL));
    assert_ok(fls_journal_rotate(journal));
    WAIT_UNTIL(!is_there(file_named("-000015.fls")));
    assert_ok(fls_journal_close(journal, NULL));
    assert_true(is_there(file_named("-000016.fls")));
    assert_true(is_there(file_named("-000020.fls")));
}

/* Space is reserved and given back; the size is never more than the frames'. */
static void preallocates_without_zeros(void **state)
{
    struct fls_journal_options options = {
        .checksum = FLS_CHECKSUM_XXH3,
        .rotation = {.messages = 5, .preallocate_bytes = 1 << 20},
        .to_process = {.messages = 1},
    };
    struct fls_journal *journal = open_journal(&options, NULL);
    struct stat information;

    (void)state;
    write_messages(journal, 0, 5);
    assert_file(file_named("-000001.fls"), FLS_CHECKSUM_XXH3, 0, 5);
    assert_int_equal(stat(file_named("-000001.fls"), &information), 0);
    int reserved = information.st_blocks >= (1 << 20) / 512;
    write_messages(journal, 5, 7);
    assert_ok(fls_journal_close(journal, NULL));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stat(file_named(i ? "-000002.fls" : "-000001.fls"), &information), 0);
        assert_true(information.st_blocks < 64);
    }
    assert_file(file_named("-000002.fls"), FLS_CHECKSUM_XXH3, 5, 7);
    if (!reserved)
        print_message("this file system does not reserve space\n");
}

static void refuses_a_mixed_series(void **state)
{
    struct fls_journal_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .rotation = {.messages = 10}};
    struct fls_error error = FLS_ZERO;
    struct fls_journal *journal;

    (void)state;
    put_file(path, "", 0);
    assert_int_equal(fls_journal_open(path, &options, &journal, NULL, &error),
                     FLS_INVALID_ARGUMENT);
    assert_non_null(strstr(error.reason, "plain"));
    put_file(file_named("-000001.fls"), "", 0);
    assert_int_equal(fls_journal_open(path, &with_xxh3, &journal, NULL, &error),
                     FLS_INVALID_ARGUMENT);
}

/* ---- the lock ------------------------------------------------------------------------------- */

static void one_writer_at_a_time(void **state)
{
    struct fls_journal *journal = open_journal(&with_xxh3, NULL), *other = NULL;
    struct fls_error error = FLS_ZERO;
    char pid[32];

    (void)state;
    assert_true(is_there(file_named(".fls.lock")));
    assert_int_equal(fls_journal_open(path, &with_xxh3, &other, NULL, &error), FLS_BUSY);
    snprintf(pid, sizeof pid, "pid %ld,", (long)getpid());
    assert_non_null(strstr(error.reason, pid));
    assert_non_null(strstr(error.reason, "journal_test"));
    assert_ok(fls_journal_close(journal, NULL));
    assert_false(is_there(file_named(".fls.lock")));

    /* What a dead process has left is no obstacle. */
    pid_t child = fork();
    if (child == 0) {
        if (fls_journal_open(path, &with_xxh3, &other, NULL, NULL) != FLS_OK)
            _exit(1);
        _exit(0);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    assert_true(is_there(file_named(".fls.lock")));
    assert_ok(fls_journal_close(open_journal(&with_xxh3, NULL), NULL));
    assert_false(is_there(file_named(".fls.lock")));
}

/* By another name it is the same file: a link's, or a segment's own. Nothing of it is touched. */
static void one_writer_whatever_the_name(void **state)
{
    struct fls_journal_options series = with_xxh3, cuts = with_xxh3;
    struct fls_journal_opening opening;
    struct fls_journal *journal, *other;
    struct fls_error error;
    char segment[256], names[2][256];

    (void)state;
    series.rotation.messages = 10;
    cuts.repair = FLS_JOURNAL_SET_ASIDE;
    journal = open_journal(&series, NULL);
    write_messages(journal, 0, 15);
    assert_ok(fls_journal_commit(journal, 0, FLS_LEVEL_PROCESS));
    snprintf(segment, sizeof segment, "%s", file_named("-000002.fls"));
    snprintf(names[0], sizeof names[0], "%s", file_named(".hard.fls"));
    snprintf(names[1], sizeof names[1], "%s", segment);
    assert_int_equal(link(segment, names[0]), 0);
    for (int torn = 0; torn < 2; torn++) {
        uint64_t bytes = size_of(segment);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(fls_journal_open(names[i], &cuts, &other, NULL, &error), FLS_BUSY);
            assert_int_equal(size_of(segment), bytes);
        }
        assert_int_equal(truncate(segment, (off_t)bytes + 1), 0);
    }
    assert_ok(fls_journal_close(journal, NULL));
    assert_int_equal(fls_journal_open(names[0], &cuts, &other, &opening, NULL), FLS_OK);
    assert_int_equal(opening.frames, 5);
    assert_int_equal(opening.bytes_cut, 2);
    assert_ok(fls_journal_close(other, NULL));
}

/* A child that lives on does not hold what its parent has closed. */
static void a_child_holds_nothing_for_long(void **state)
{
    struct fls_journal *journal = open_journal(&with_xxh3, NULL);
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        pause();
        _exit(0);
    }
    assert_ok(fls_journal_close(journal, NULL));
    journal = open_journal(&with_xxh3, NULL);
    assert_ok(fls_journal_close(journal, NULL));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* The file was removed while another held it: the new one is another file, and is taken. */
static void a_removed_lock_is_not_held(void **state)
{
    int fd = open(file_named(".fls.lock"), O_RDWR | O_CREAT, 0666);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    unlink(file_named(".fls.lock"));
    assert_ok(fls_journal_close(open_journal(&with_xxh3, NULL), NULL));
    close(fd);
}

/* Threads that open and close in turn: never two at a time. */
static int holders;
static pthread_mutex_t holders_lock = PTHREAD_MUTEX_INITIALIZER;

static void *contend(void *context)
{
    int *opened = context;

    for (int i = 0; i < 200; i++) {
        struct fls_journal *journal;
        enum fls_status status = fls_journal_open(path, &with_xxh3, &journal, NULL, NULL);
        if (status == FLS_BUSY)
            continue;
        if (status != FLS_OK)
            return "failed";
        pthread_mutex_lock(&holders_lock);
        int alone = ++holders == 1;
        pthread_mutex_unlock(&holders_lock);
        ++*opened;
        pthread_mutex_lock(&holders_lock);
        alone &= --holders == 0;
        pthread_mutex_unlock(&holders_lock);
        if (fls_journal_close(journal, NULL) != FLS_OK || !alone)
            return "two at a time";
    }
    return NULL;
}

static void contended_lock(void **state)
{
    pthread_t threads[4];
    int opened[4] = {0};

    (void)state;
    for (int t = 0; t < 4; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, contend, &opened[t]), 0);
    for (int t = 0; t < 4; t++) {
        void *result;
        pthread_join(threads[t], &result);
        assert_null(result);
    }
    assert_true(opened[0] + opened[1] + opened[2] + opened[3] > 0);
}

/* ---- the index ------------------------------------------------------------------------------ */

static struct fls_index_summary index_of(const char *file)
{
    struct fls_error error = FLS_ZERO;
    struct fls_index *index;
    enum fls_status status = fls_index_open(file, NULL, &index, &error);

    if (status != FLS_OK)
        print_message("%s: %s\n", file, error.reason);
    assert_ok(status);
    struct fls_index_summary summary = fls_index_describe(index);
    fls_index_close(index);
    return summary;
}

static const struct fls_journal_options indexed = {
    .checksum = FLS_CHECKSUM_XXH3,
    .repair = FLS_JOURNAL_SET_ASIDE,
    .with_index = 1,
    .index = {.stretch_bytes = 2000},
};

/* A process that writes messages [first, end), hands them over and ends without closing; those
 * before `synced` it carries to the device. */
static void write_and_die_with(const struct fls_journal_options *options, uint64_t first,
                               uint64_t synced, uint64_t end)
{
    pid_t child = fork();
    int result;

    if (child == 0) {
        struct fls_journal *journal;
        uint8_t message[300];
        if (fls_journal_open(path, options, &journal, NULL, NULL) != FLS_OK)
            _exit(1);
        for (uint64_t i = first; i < end; i++) {
            size_t bytes = make_message(i, message);
            if (fls_journal_write(journal, message, bytes, NULL) != FLS_OK)
                _exit(2);
            if (i + 1 == synced && fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE) != FLS_OK)
                _exit(3);
        }
        _exit(fls_journal_commit(journal, 0, FLS_LEVEL_PROCESS) != FLS_OK);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
}

static void write_and_die(uint64_t first, uint64_t synced, uint64_t end)
{
    write_and_die_with(&indexed, first, synced, end);
}

static void keeps_the_index(void **state)
{
    struct fls_journal_opening opening;
    struct fls_journal *journal = open_journal(&indexed, &opening);

    (void)state;
    assert_false(opening.used_index);
    write_messages(journal, 0, 1000);
    assert_ok(fls_journal_close(journal, NULL));
    struct fls_index_summary summary = index_of(path);
    assert_int_equal(summary.frames, 1000);
    assert_int_equal(summary.bytes, size_of(path));

    journal = open_journal(&indexed, &opening);
    assert_true(opening.used_index);
    assert_int_equal(opening.frames, 1000);
    write_messages(journal, 1000, 1100);
    assert_false(fls_journal_statistics(journal).index_failed);
    assert_ok(fls_journal_close(journal, NULL));
    assert_int_equal(index_of(path).frames, 1100);
    assert_file(path, FLS_CHECKSUM_XXH3, 0, 1100);

    write_and_die(1100, 0, 1500);
    assert_ok(fls_journal_close(open_journal(&indexed, &opening), NULL));
    assert_int_equal(opening.frames, 1500);
    assert_int_equal(index_of(path).frames, 1500);
    assert_file(path, FLS_CHECKSUM_XXH3, 0, 1500);
}

/* The system was started anew: every file that says in which boot it was written is from before. */
static void set_other_boot(void)
{
    if (is_there(file_named(".fls.lock")))
        put_file(file_named(".fls.lock"), "pid 1, x, host y, since z\nboot of another time\n", 47);
    assert_true(test_index_set_boot(file_named(".fls.idx"), 12345) > 0);
}

/* As a loss of power does it: the file keeps its time of change. */
static void put_zeros(uint64_t at)
{
    uint8_t zeros[512] = {0};
    struct stat before;
    int fd = open(path, O_WRONLY);

    assert_int_equal(fstat(fd, &before), 0);
    struct timespec times[] = {before.st_atim, before.st_mtim};
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, (off_t)at), sizeof zeros);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

/* Closing syncs nothing that no policy wants synced, with an index or without. */
static void closes_without_a_sync(void **state)
{
    struct fls_journal_options options = indexed;

    (void)state;
    for (options.with_index = 0; options.with_index < 2; options.with_index++) {
        struct fls_journal *journal = open_journal(&options, NULL);
        write_messages(journal, 0, 1000);
        fdatasyncs = 0;
        assert_ok(fls_journal_close(journal, NULL));
        assert_int_equal(fdatasyncs, 0);
        assert_file(path, FLS_CHECKSUM_XXH3, 0, 1000);
        unlink(path);
    }
    options.to_machine.messages = 1000000;
    struct fls_journal *journal = open_journal(&options, NULL);
    write_messages(journal, 0, 1000);
    fdatasyncs = 0;
    assert_ok(fls_journal_close(journal, NULL));
    assert_int_equal(fdatasyncs, 1);
    assert_int_equal(index_of(path).synced_frames, 1000);
}

/* So what a loss of power did after it to what was not synced is found; `boot` is what the index
 * says, 0 being what an index says that does not know. As long as the system runs on there is
 * nothing to be found, and nothing is read. */
static void closed_and_opened_in(uint64_t boot, uint64_t synced)
{
    struct fls_journal_opening opening;
    struct fls_journal *journal = open_journal(&indexed, NULL);

    write_messages(journal, 0, synced);
    if (synced > 0)
        assert_ok(fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE));
    write_messages(journal, synced, 2000);
    assert_ok(fls_journal_close(journal, NULL));
    assert_false(is_there(file_named(".fls.lock")));
    assert_int_equal(index_of(path).trusted_frames, 2000);
    uint64_t spoiled = index_of(path).synced_bytes + 50000;
    put_zeros(spoiled);

    assert_ok(fls_journal_close(open_journal(&indexed, &opening), NULL));
    assert_true(opening.used_index);
    assert_int_equal(opening.frames, 2000);
    assert_true(test_index_set_boot(file_named(".fls.idx"), boot) > 0);
    assert_int_equal(index_of(path).frames, 2000);
    assert_int_equal(index_of(path).trusted_frames, synced);
    assert_int_equal(index_of(path).trusted_bytes, spoiled - 50000);
    journal = open_journal(&indexed, &opening);
    assert_int_equal(opening.used_index, synced > 0);
    assert_true(opening.bytes <= spoiled && opening.bytes > spoiled - 320);
    assert_true(opening.bytes_cut > 0);
    write_messages(journal, opening.frames, opening.frames + 10);
    assert_ok(fls_journal_close(journal, NULL));
    assert_file(path, FLS_CHECKSUM_XXH3, 0, opening.frames + 10);
    assert_int_equal(index_of(path).trusted_frames, opening.frames + 10);
}

static void finds_what_was_lost_after_closing(void **state)
{
    static const uint64_t boots[] = {12345, 0}, synced[] = {0, 700};

    for (size_t i = 0; i < 4; i++) {
        closed_and_opened_in(boots[i % 2], synced[i / 2]);
        assert_int_equal(remove_folder(state) | make_folder(state), 0);
    }
}

/* After the system was started anew, what the index covers is read again: a page in the middle may
 * never have reached the device. */
static void does_not_trust_an_index_over_a_boot(void **state)
{
    struct fls_journal_opening opening;

    (void)state;
    write_and_die(0, 0, 1000);
    set_other_boot();
    put_zeros(50000);
    uint64_t before = size_of(path);
    struct fls_journal *journal = open_journal(&indexed, &opening);
    assert_false(opening.used_index);
    assert_true(opening.bytes <= 50000 && opening.bytes > 50000 - 320);
    assert_int_equal(opening.bytes_cut, before - opening.bytes);
    write_messages(journal, opening.frames, opening.frames + 10);
    assert_ok(fls_journal_close(journal, NULL));
    assert_file(path, FLS_CHECKSUM_XXH3, 0, opening.frames + 10);
    assert_int_equal(index_of(path).frames, opening.frames + 10);
}

/* But what it knows to be synced it need not read again. */
static void trusts_what_was_synced_over_a_boot(void **state)
{
    struct fls_journal_opening opening;

    (void)state;
    write_and_die(0, 8000, 16000);
    struct fls_index_summary summary = index_of(path);
    assert_int_equal(summary.synced_frames, 8000);
    set_other_boot();
    put_zeros(summary.synced_bytes + 3000);
    struct fls_journal *journal = open_journal(&indexed, &opening);
    assert_true(opening.used_index);
    assert_true(opening.frames >= 8000 && opening.bytes <= summary.synced_bytes + 3000);
    write_messages(journal, opening.frames, opening.frames + 10);
    assert_ok(fls_journal_close(journal, NULL));
    assert_file(path, FLS_CHECKSUM_XXH3, 0, opening.frames + 10);
    assert_int_equal(index_of(path).frames, opening.frames + 10);
}

/* The process before wrote two segments and was killed; the power failed, and the first of them was
 * not on the device as it was. */
static void lose_power_in_a_series(const struct fls_journal_options *series)
{
    write_and_die_with(series, 0, 0, 20);
    put_file(file_named(".fls.lock"), "pid 1, x, host y, since z\nboot of another time\n", 47);
    assert_int_equal(truncate(file_named("-000001.fls"), 50), 0);
}

/* A process that is killed while it opens the journal, at its first sync. */
static void die_while_opening(const struct fls_journal_options *series)
{
    struct fls_journal *journal;
    pid_t child = fork();
    int result;

    if (child == 0) {
        dies_at_sync = 1;
        _exit(fls_journal_open(path, series, &journal, NULL, NULL) == FLS_OK ? 1 : 2);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
}

/* That the power failed stays known until an opening has mended what it did. */
static void a_failed_opening_keeps_the_mark_of_a_boot(void **state)
{
    struct fls_journal_options series = with_xxh3;
    struct fls_journal_opening opening;
    struct fls_journal *journal;

    (void)state;
    series.rotation.messages = 10;
    lose_power_in_a_series(&series);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fls_journal_open(path, &series, &journal, NULL, NULL), FLS_UNEXPECTED_END);
        assert_true(is_there(file_named(".fls.lock")));
        die_while_opening(&series);
    }
    series.repair = FLS_JOURNAL_CUT_TORN;
    journal = open_journal(&series, &opening);
    assert_true(opening.bytes_cut > 0);
    assert_ok(fls_journal_close(journal, NULL));
    assert_false(is_there(file_named(".fls.lock")));
}

/* An opening that is refused leaves no file where there was none. */
static void a_refused_opening_leaves_no_lock(void **state)
{
    struct fls_journal *journal;

    (void)state;
    put_file(path, "no stream", 9);
    assert_int_not_equal(fls_journal_open(path, &with_xxh3, &journal, NULL, NULL), FLS_OK);
    assert_false(is_there(file_named(".fls.lock")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(writes_and_appends),
        TEST(takes_every_size_and_shape),
        TEST(refuses_what_it_must),
        TEST(repairs_as_allowed),
        TEST(keeps_frames_behind_a_damaged_length),
        TEST(sets_aside_under_a_new_name),
        TEST(refuses_another_kind),
        TEST(zeros_are_no_other_kind),
        TEST(sets_a_whole_file_aside),
        TEST(sets_aside_what_shows_no_frame),
        TEST(carries_each_to_process),
        TEST(carries_by_count_and_bytes),
        TEST(carries_by_time),
        TEST(many_threads_share_syncs),
        TEST(many_threads_rotate),
        TEST(rotation_under_load),
        TEST(rotates_by_messages),
        TEST(rotates_by_bytes),
        TEST(rotates_by_time),
        TEST(keeps_within_limits),
        TEST(preallocates_without_zeros),
        TEST(refuses_a_mixed_series),
        TEST(one_writer_at_a_time),
        TEST(one_writer_whatever_the_name),
        TEST(a_child_holds_nothing_for_long),
        TEST(a_removed_lock_is_not_held),
        TEST(contended_lock),
        TEST(keeps_the_index),
        TEST(closes_without_a_sync),
        TEST(finds_what_was_lost_after_closing),
        TEST(does_not_trust_an_index_over_a_boot),
        TEST(trusts_what_was_synced_over_a_boot),
        TEST(a_failed_opening_keeps_the_mark_of_a_boot),
        TEST(a_refused_opening_leaves_no_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
