/*
 * read_ahead_test.c: what is read ahead is the file, in order, from wherever it is asked for; what
 * cannot be read is said; and salvage gets out of a large file, read ahead, what it gets out of
 * memory.
 *
 * pread and pthread_create go through wraps here: reads come in pieces, are interrupted, fail from
 * an offset on; the thread is refused.
 */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/read_ahead.h"
#include "support/frames.h"

#define PIECE FLS_READ_AHEAD_BYTES

/* --- the wraps ---------------------------------------------------- */

static atomic_uint calls;
static _Atomic off_t fail_from;
static atomic_int fail_with, in_pieces, no_thread;

ssize_t __real_pread(int fd, void *bytes, size_t count, off_t at);
ssize_t __wrap_pread(int fd, void *bytes, size_t count, off_t at);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *),
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *),
                          void *context);

ssize_t __wrap_pread(int fd, void *bytes, size_t count, off_t at)
{
    unsigned call = atomic_fetch_add(&calls, 1);

    if (fail_with && at + (off_t)count > fail_from) {
        if (at >= fail_from) {
            errno = fail_with;
            return -1;
        }
        count = (size_t)(fail_from - at);
    }
    if (in_pieces && call % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    return __real_pread(fd, bytes, in_pieces && count > 1000 ? count / 2 : count, at);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *),
                          void *context)
{
    return no_thread ? EAGAIN : __real_pthread_create(thread, how, run, context);
}

/* --- a file ------------------------------------------------------- */

static FILE *file_of(const uint8_t *bytes, size_t length)
{
    FILE *file = tmpfile();

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fflush(file), 0);
    return file;
}

static uint8_t *noise(size_t length)
{
    uint8_t *bytes = malloc(length);

    assert_non_null(bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(test_random() >> 8);
    return bytes;
}

/* Takes the next piece, keeping some of the one before, and holds it against the file's bytes. */
static void take(struct fls_read_ahead *ahead, const uint8_t *bytes, struct fls_read_piece *piece)
{
    uint64_t position = fls_read_ahead_position(ahead);
    size_t kept = piece->count > 0 ? test_random() % (unsigned)piece->count : 0;
    size_t next = fls_read_ahead_next_bytes(ahead);

    if (kept > FLS_READ_AHEAD_ROOM)
        kept = FLS_READ_AHEAD_ROOM;
    assert_int_equal(fls_read_ahead_next(ahead, piece->bytes + (piece->count - kept), kept, piece),
                     0);
    assert_int_equal(piece->count, kept + next);
    assert_memory_equal(piece->bytes, bytes + position - kept, piece->count);
}

static void read_all(const uint8_t *bytes, size_t length, size_t from)
{
    FILE *file = file_of(bytes, length);
    struct fls_read_ahead *ahead = fls_read_ahead_open(fileno(file), from, length);
    uint8_t nothing = 0;
    struct fls_read_piece piece = {&nothing, 0};

    assert_non_null(ahead);
    while (fls_read_ahead_next_bytes(ahead) > 0)
        take(ahead, bytes, &piece);
    assert_int_equal(fls_read_ahead_position(ahead) >= length, 1);
    fls_read_ahead_close(ahead);
    fclose(file);
}

/* --- reading ------------------------------------------------------ */

static void test_in_order(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, PIECE - 1, PIECE, PIECE + 1, 9 * PIECE + 77};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t *bytes = noise(lengths[i]);
        for (int pieces = 0; pieces < 2; pieces++) {
            in_pieces = pieces;
            read_all(bytes, lengths[i], 0);
            read_all(bytes, lengths[i], lengths[i] / 2);
        }
        in_pieces = 0;
        free(bytes);
    }
    fls_read_ahead_close(NULL);
}

/* Whoever goes elsewhere, forwards or back, at any moment, gets what is there. */
static void test_elsewhere(void **state)
{
    (void)state;
    size_t length = 20 * PIECE + 5;
    uint8_t *bytes = noise(length);
    FILE *file = file_of(bytes, length);
    struct fls_read_ahead *ahead = fls_read_ahead_open(fileno(file), 0, length);

    assert_non_null(ahead);
    for (int i = 0; i < 300; i++) {
        uint64_t offset = test_random() % (length + 1);
        struct fls_read_piece piece = {bytes, 0};
        fls_read_ahead_seek(ahead, offset, length);
        assert_int_equal(fls_read_ahead_position(ahead), offset);
        for (unsigned take_so_many = test_random() % 6; take_so_many > 0; take_so_many--)
            if (fls_read_ahead_next_bytes(ahead) > 0)
                take(ahead, bytes, &piece);
    }
    fls_read_ahead_close(ahead);
    fclose(file);
    free(bytes);
}

/* The pieces before what cannot be read are whole; that one says why; and so again after a seek. */
static void fails(int with, int expected)
{
    size_t length = 8 * PIECE;
    uint8_t *bytes = noise(length);
    FILE *file = file_of(bytes, length);
    struct fls_read_ahead *ahead;

    if (with == 0)
        assert_int_equal(ftruncate(fileno(file), (off_t)(5 * PIECE + 100)), 0);
    fail_from = (off_t)(5 * PIECE + 100);
    fail_with = with;
    assert_non_null(ahead = fls_read_ahead_open(fileno(file), 0, length));
    for (int again = 0; again < 2; again++) {
        struct fls_read_piece piece = {bytes, 0};
        for (int i = 0; i < 5; i++)
            take(ahead, bytes, &piece);
        assert_int_equal(fls_read_ahead_next(ahead, NULL, 0, &piece), expected);
        fls_read_ahead_seek(ahead, 0, length);
    }
    fail_with = 0;
    fls_read_ahead_close(ahead);
    fclose(file);
    free(bytes);
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    fails(EIO, EIO);
    fails(0, ENODATA);
}

static void test_no_thread(void **state)
{
    (void)state;
    no_thread = 1;
    assert_null(fls_read_ahead_open(0, 0, 1 << 20));
    no_thread = 0;
}

/* --- the source --------------------------------------------------- */

static struct fls_source *open_ahead(FILE *file)
{
    struct fls_source *source;

    assert_ok(fls_source_open_fd_ahead(fileno(file), FLS_BORROWED, &source, NULL));
    return source;
}

/* Looks at, consumes and copies what comes, in steps of all sizes, up to the end. Calls that fail
 * are made again; returns how many did. */
static unsigned read_source(struct fls_source *source, const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length + 1);
    size_t at = 0, filled = 0;
    unsigned failures = 0;

    assert_non_null(copy);
    while (at < length) {
        size_t part = test_random() % (test_random() % 4 == 0 ? 700000u : 3000u) + 1;
        size_t need = part < source->peek_bytes_max ? part : source->peek_bytes_max;
        struct fls_error error;
        struct fls_view view;
        enum fls_status status;
        assert_int_equal(fls_source_remaining(source), length - at);
        if (test_random() % 3 == 0) {
            struct iovec segments[] = {{copy, part / 3}, {copy + part / 3, part - part / 3}};
            part = part < length ? part : length;
            segments[0].iov_len = part / 3;
            segments[1] = (struct iovec){copy + part / 3, part - part / 3};
            status = fls_source_read_into(source, segments, 2, &filled, &error);
            assert_memory_equal(copy, bytes + at, filled);
            assert_true(filled == part || status != FLS_OK);
            at += filled;
        } else {
            status = fls_source_peek(source, need, &view, &error);
            assert_true(view.available >= need || status != FLS_OK);
            assert_memory_equal(view.bytes, bytes + at, view.available);
            part = part < view.available ? part : view.available;
            fls_source_consume(source, part);
            at += part;
        }
        failures += status == FLS_IO;
        if (status == FLS_IO) {
            assert_int_equal(error.os_errno, EIO);
            fail_with = 0;
        } else if (status == FLS_END) {
            assert_true(at <= length);
        } else {
            assert_ok(status);
        }
    }
    free(copy);
    return failures;
}

static void test_source(void **state)
{
    (void)state;
    size_t length = 11 * PIECE + 99;
    uint8_t *bytes = noise(length);
    FILE *file = file_of(bytes, length);
    struct fls_view view;

    for (int round = 0; round < 20; round++) {
        size_t from = round % 3 == 0 ? test_random() % 1000 : 0;
        assert_int_equal(lseek(fileno(file), (off_t)from, SEEK_SET), from);
        in_pieces = round % 2;
        fail_from = (off_t)(test_random() % (unsigned)length);
        fail_with = round % 4 == 1 ? EIO : 0;
        struct fls_source *source = open_ahead(file);
        unsigned failures = read_source(source, bytes + from, length - from);
        assert_int_equal(failures, round % 4 == 1 && (size_t)fail_from >= from);
        assert_int_equal(fls_source_peek(source, 1, &view, NULL), FLS_END);
        assert_int_equal(view.available, 0);
        assert_true(source->system_calls > 0);
        fls_source_close(source);
        assert_int_equal(lseek(fileno(file), 0, SEEK_CUR), from);
    }
    in_pieces = fail_with = 0;
    fclose(file);
    free(bytes);
}

/* A file that grows is read on; one that was cut ends where it ends now. */
static void test_source_of_a_changing_file(void **state)
{
    (void)state;
    size_t length = 4 * PIECE;
    uint8_t *bytes = noise(length);
    FILE *file = file_of(bytes, 1000);
    struct fls_view view;

    assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
    struct fls_source *source = open_ahead(file);
    assert_ok(fls_source_peek(source, 900, &view, NULL));
    fls_source_consume(source, 900);
    assert_int_equal(fls_source_peek(source, 200, &view, NULL), FLS_END);
    assert_int_equal(view.available, 100);
    assert_memory_equal(view.bytes, bytes + 900, 100);
    assert_int_equal(pwrite(fileno(file), bytes + 1000, length - 1000, 1000), length - 1000);
    assert_ok(fls_source_peek(source, 200, &view, NULL));
    assert_memory_equal(view.bytes, bytes + 900, view.available);
    fls_source_close(source);
    source = open_ahead(file);
    assert_int_equal(ftruncate(fileno(file), (off_t)(3 * PIECE + 5)), 0);
    size_t at = 0;
    while (fls_source_peek(source, 100000, &view, NULL) == FLS_OK) {
        assert_memory_equal(view.bytes, bytes + at, view.available);
        at += view.available;
        fls_source_consume(source, view.available);
    }
    assert_true(at + view.available >= 3 * PIECE + 5); /* more of it may have been read before */
    fls_source_close(source);
    fclose(file);
    free(bytes);
}

static void test_source_refused(void **state)
{
    (void)state;
    struct fls_source *source;
    struct fls_error error;
    FILE *file = file_of((const uint8_t *)"x", 1);
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fls_source_open_fd_ahead(ends[0], FLS_OWNED, &source, &error),
                     FLS_UNSUPPORTED);
    assert_int_equal(close(ends[0]) | close(ends[1]), 0);
    assert_int_equal(fls_source_open_fd_ahead(-1, FLS_OWNED, &source, &error), FLS_IO);
    assert_int_equal(fls_source_open_file_ahead("/nowhere/x", &source, &error), FLS_IO);
    no_thread = 1;
    assert_int_equal(fls_source_open_fd_ahead(fileno(file), FLS_OWNED, &source, &error),
                     FLS_NO_MEMORY);
    no_thread = 0;
    assert_int_equal(fclose(file), 0); /* it was not closed */
}

/* --- salvage ------------------------------------------------------ */

/* What salvage tells, as a checksum. */
static enum fls_status see_message(void *context, const struct fls_message *message)
{
    uint64_t *seen = context;
    uint64_t fields[] = {*seen, message->frame, message->offset, message->bytes,
                         fls_checksum_of((struct fls_checksum){FLS_CHECKSUM_XXH3, NULL},
                                         message->payload, message->bytes)};

    *seen = fls_checksum_of((struct fls_checksum){FLS_CHECKSUM_XXH3, NULL}, fields, sizeof fields);
    return FLS_OK;
}

static enum fls_status see_region(void *context, const struct fls_salvage_region *region)
{
    uint64_t *seen = context;
    uint64_t fields[] = {*seen, region->offset, region->bytes, (uint64_t)region->mended};

    *seen = fls_checksum_of((struct fls_checksum){FLS_CHECKSUM_XXH3, NULL}, fields, sizeof fields);
    return FLS_OK;
}

/* Frames of many sizes, small ones and some of more than a piece, with damage of several kinds. */
static struct frames damaged_stream(void)
{
    static const size_t usual[] = {0, 60, 64, 300, 1000, 4000, 17000, 70000, 300000, 1500000};
    struct fls_checksum xxh3 = {FLS_CHECKSUM_XXH3, NULL};
    struct frames frames = {NULL, 0, 0};

    while (frames.length < 24 * PIECE)
        frames_pattern(&frames, xxh3, &usual[test_random() % (test_random() % 8 == 0 ? 10u : 7u)],
                       1);
    for (int i = 0; i < 40; i++) {
        size_t at = test_random() % (unsigned)(frames.length - 5000), bytes = test_random() % 300;
        if (i % 4 == 0)
            memset(frames.bytes + at, 0, 4096);
        else if (i % 4 == 1)
            frames.bytes[at] ^= 4;
        else if (i % 4 == 2)
            memmove(frames.bytes + at, frames.bytes + at + bytes, frames.length -= bytes + at);
        if (i % 4 == 2)
            frames.length += at;
    }
    return frames;
}

static uint64_t salvage_file(FILE *file, const struct fls_salvage_options *options,
                             enum fls_status expected)
{
    struct fls_salvage_options all = *options;
    struct fls_salvage_report report;
    struct fls_error error;
    uint64_t seen = 0;

    all.context = &seen;
    assert_int_equal(fls_salvage_fd(fileno(file), 0, &all, &report, &error), expected);
    if (expected != FLS_OK)
        assert_int_equal(error.os_errno, EIO);
    return seen;
}

static void test_salvage(void **state)
{
    (void)state;
    struct fls_salvage_options options = {
        .checksum = FLS_CHECKSUM_XXH3, .message = see_message, .region = see_region};

    for (int round = 0; round < 12; round++) {
        struct frames frames = damaged_stream();
        FILE *file = file_of(frames.bytes, frames.length);
        struct fls_salvage_report report;
        uint64_t seen = 0;
        options.context = &seen;
        assert_ok(fls_salvage_memory(frames.bytes, frames.length, &options, &report, NULL));
        assert_true(report.regions_lost > 2 && report.frames > 20);
        in_pieces = round % 2;
        assert_int_equal(salvage_file(file, &options, FLS_OK), seen);
        no_thread = 1;
        assert_int_equal(salvage_file(file, &options, FLS_OK), seen);
        no_thread = in_pieces = 0;
        fail_from = (off_t)(test_random() % (unsigned)frames.length);
        fail_with = EIO;
        salvage_file(file, &options, FLS_IO);
        fail_with = 0;
        fclose(file);
        free(frames.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_no_thread),
        cmocka_unit_test(test_what_cannot_be_read),
        cmocka_unit_test(test_salvage),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_source_of_a_changing_file),
        cmocka_unit_test(test_source_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
