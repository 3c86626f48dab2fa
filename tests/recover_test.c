/*
 * recover_test.c: what a scan finds at every byte at which a stream may end, what authorises a cut,
 * and that nothing else ever changes a file.
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

static const size_t sizes[] = {5, 0, 40, 7};
#define SIZES 4
#define KINDS 4

static struct frames stream_of(enum fls_checksum_kind kind)
{
    struct frames frames = {NULL, 0, 0};

    frames_pattern(&frames, (struct fls_checksum){kind, NULL}, sizes, SIZES);
    return frames;
}

static size_t header_bytes(enum fls_checksum_kind kind)
{
    return 4 + fls_checksum_bytes((struct fls_checksum){kind, NULL});
}

static struct fls_recovery scan(const void *bytes, size_t length, enum fls_checksum_kind kind,
                                unsigned flags)
{
    struct fls_reader_options options = {.checksum = kind};
    struct fls_reader *reader = open_memory_reader(bytes, length, &options);
    struct fls_recovery recovery;

    memset(&recovery, 0xee, sizeof recovery);
    assert_ok(fls_recover_scan(reader, flags, &recovery));
    fls_reader_close(reader);
    return recovery;
}

/* Frames whole before `length`, and where the last ends. */
static uint64_t whole_before(enum fls_checksum_kind kind, size_t length, uint64_t *end,
                             uint64_t *payload_bytes)
{
    uint64_t count = 0;

    *end = *payload_bytes = 0;
    while (count < SIZES && *end + header_bytes(kind) + sizes[count] <= length) {
        *end += header_bytes(kind) + sizes[count];
        *payload_bytes += sizes[count++];
    }
    return count;
}

static void torn_at_every_byte(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        struct frames frames = stream_of((enum fls_checksum_kind)kind);
        for (size_t length = 0; length <= frames.length; length++) {
            uint64_t end, payload_bytes;
            uint64_t count =
                whole_before((enum fls_checksum_kind)kind, length, &end, &payload_bytes);
            struct fls_recovery found = scan(frames.bytes, length, (enum fls_checksum_kind)kind, 0);
            assert_int_equal(found.end, end == length ? FLS_STREAM_CLEAN : FLS_STREAM_TORN);
            assert_int_equal(found.frames, count);
            assert_int_equal(found.good_offset, end);
            assert_int_equal(found.tail_bytes, length - end);
            assert_int_equal(found.payload_bytes, payload_bytes);
            assert_int_equal(found.error.status, end == length ? FLS_OK : FLS_UNEXPECTED_END);
        }
        free(frames.bytes);
    }
}

static void damage_is_corrupt(void **state)
{
    struct frames frames = stream_of(FLS_CHECKSUM_CRC32);
    size_t third = 8 + 5 + 8;

    (void)state;
    frames.bytes[third + 8 + 3] ^= 4;
    struct fls_recovery found = scan(frames.bytes, frames.length, FLS_CHECKSUM_CRC32, 0);
    assert_int_equal(found.end, FLS_STREAM_CORRUPT);
    assert_int_equal(found.frames, 2);
    assert_int_equal(found.good_offset, third);
    assert_int_equal(found.tail_bytes, 0);
    assert_int_equal(found.error.status, FLS_CHECKSUM_MISMATCH);
    assert_int_equal(found.error.frame, 2);
    assert_int_equal(found.error.offset, third);
    frames.bytes[third + 3] = 0xff;
    found = scan(frames.bytes, frames.length, FLS_CHECKSUM_CRC32, FLS_RECOVER_ZERO_TAIL_IS_TORN);
    assert_int_equal(found.end, FLS_STREAM_CORRUPT);
    assert_int_equal(found.error.status, FLS_INVALID_FRAME);
    free(frames.bytes);
}

static void refused_by_a_tap_is_corrupt(void **state)
{
    struct frames frames = stream_of(FLS_CHECKSUM_NONE);
    struct fls_tap tap = fls_tap_size(0, 20);
    struct fls_reader_options options = {.taps = &tap, .tap_count = 1};
    struct fls_reader *reader = open_memory_reader(frames.bytes, frames.length, &options);
    struct fls_recovery found;

    (void)state;
    assert_ok(fls_recover_scan(reader, 0, &found));
    assert_int_equal(found.end, FLS_STREAM_CORRUPT);
    assert_int_equal(found.frames, 2);
    assert_int_equal(found.error.status, FLS_VALIDATION_FAILED);
    fls_reader_close(reader);
    free(frames.bytes);
}

/* From where the reader stands, in the stream's own offsets. */
static void scan_from_the_present_position(void **state)
{
    struct frames frames = stream_of(FLS_CHECKSUM_CRC32);
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_CRC32, .start_offset = 1000};
    struct fls_reader *reader = open_memory_reader(frames.bytes, frames.length - 1, &options);
    struct fls_recovery found;

    (void)state;
    assert_ok(fls_reader_skip(reader, 2, NULL));
    assert_ok(fls_recover_scan(reader, 0, &found));
    assert_int_equal(found.end, FLS_STREAM_TORN);
    assert_int_equal(found.frames, 1);
    assert_int_equal(found.payload_bytes, 40);
    assert_int_equal(found.good_offset, 1000 + 13 + 8 + 48);
    assert_int_equal(found.tail_bytes, 14);
    assert_int_equal(found.error.frame, 3);
    fls_reader_close(reader);
    free(frames.bytes);
}

/* A torn payload larger than the source's read-ahead. */
static void large_torn_payload(void **state)
{
    static const size_t large[] = {3, 300000};
    struct frames frames = {NULL, 0, 0};
    struct fls_reader *reader;
    struct fls_recovery found;
    char path[] = "/tmp/fls-recover-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    frames_pattern(&frames, (struct fls_checksum){FLS_CHECKSUM_NONE, NULL}, large, 2);
    assert_int_equal(write(fd, frames.bytes, frames.length - 10), frames.length - 10);
    assert_ok(fls_reader_open_file(path, NULL, &reader, NULL));
    assert_ok(fls_recover_scan(reader, 0, &found));
    assert_int_equal(found.end, FLS_STREAM_TORN);
    assert_int_equal(found.good_offset, 7);
    assert_int_equal(found.tail_bytes, frames.length - 10 - 7);
    fls_reader_close(reader);
    close(fd);
    unlink(path);
    free(frames.bytes);
}

static void device_faults_say_nothing_about_the_end(void **state)
{
    struct frames frames = stream_of(FLS_CHECKSUM_CRC32);
    static const enum fls_status with[] = {FLS_IO, FLS_AGAIN};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fls_fault_plan plan = {
            .bytes_max = 1, .fail_at = 4, .status = with[i], .os_errno = EIO};
        struct fls_reader_options options = {.checksum = FLS_CHECKSUM_CRC32, .owns_source = 1};
        struct fls_source *inner, *source;
        struct fls_reader *reader;
        struct fls_recovery found;
        assert_ok(fls_source_open_memory(frames.bytes, frames.length, &inner, NULL));
        assert_ok(fls_source_open_faulty(inner, &plan, &source, NULL));
        assert_ok(fls_reader_open(source, &options, &reader, NULL));
        assert_int_equal(fls_recover_scan(reader, 0, &found), with[i]);
        assert_true(found.frames < SIZES);
        assert_int_equal(found.tail_bytes, 0);
        fls_reader_close(reader);
    }
    free(frames.bytes);
}

/* --- a tail of zeros
 * -------------------------------------------------------------------------------
 */

static struct fls_recovery scan_with_zeros(enum fls_checksum_kind kind, size_t whole, size_t zeros,
                                           unsigned flags)
{
    struct frames frames = stream_of(kind);
    static const uint8_t nothing[256];

    frames.length = whole;
    frames_raw(&frames, nothing, zeros);
    struct fls_recovery found = scan(frames.bytes, frames.length, kind, flags);
    free(frames.bytes);
    return found;
}

static void zero_tails_of_every_length(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        struct frames frames = stream_of((enum fls_checksum_kind)kind);
        for (size_t zeros = 1; zeros < 60; zeros++) {
            struct fls_recovery found = scan_with_zeros((enum fls_checksum_kind)kind, frames.length,
                                                        zeros, FLS_RECOVER_ZERO_TAIL_IS_TORN);
            assert_int_equal(found.end, FLS_STREAM_TORN);
            assert_int_equal(found.frames, SIZES);
            assert_int_equal(found.good_offset, frames.length);
            assert_int_equal(found.tail_bytes, zeros);
            assert_int_equal(found.payload_bytes, 52);
            assert_int_equal(found.error.status, FLS_UNEXPECTED_END);
            assert_int_equal(found.error.frame, SIZES);
            assert_int_equal(found.error.offset, frames.length);
        }
        struct fls_recovery clean = scan(frames.bytes, frames.length, (enum fls_checksum_kind)kind,
                                         FLS_RECOVER_ZERO_TAIL_IS_TORN);
        assert_int_equal(clean.end, FLS_STREAM_CLEAN);
        free(frames.bytes);
    }
}

/* Without the flag the zeros are what they read as. */
static void zero_tails_without_the_flag(void **state)
{
    struct fls_recovery found;

    (void)state;
    for (int kind = FLS_CHECKSUM_NONE; kind <= FLS_CHECKSUM_CRC32; kind++) {
        struct frames frames = stream_of((enum fls_checksum_kind)kind);
        size_t width = header_bytes((enum fls_checksum_kind)kind);
        found = scan_with_zeros((enum fls_checksum_kind)kind, frames.length, 3 * width, 0);
        assert_int_equal(found.end, FLS_STREAM_CLEAN);
        assert_int_equal(found.frames, SIZES + 3);
        found = scan_with_zeros((enum fls_checksum_kind)kind, frames.length, 3 * width + 1, 0);
        assert_int_equal(found.end, FLS_STREAM_TORN);
        assert_int_equal(found.frames, SIZES + 3);
        free(frames.bytes);
    }
    struct frames frames = stream_of(FLS_CHECKSUM_XXH3);
    found = scan_with_zeros(FLS_CHECKSUM_XXH3, frames.length, 24, 0);
    assert_int_equal(found.end, FLS_STREAM_CORRUPT);
    free(frames.bytes);
}

/* Zeros that are not the end, or follow a header that says a length, are not a torn tail. */
static void zeros_elsewhere(void **state)
{
    static const uint8_t nothing[48];

    (void)state;
    for (int kind = FLS_CHECKSUM_CRC16; kind < KINDS; kind++) {
        struct frames frames = stream_of((enum fls_checksum_kind)kind);
        size_t good = frames.length;
        frames_raw(&frames, nothing, 48);
        frames_raw(&frames, "x", 1);
        struct fls_recovery found = scan(frames.bytes, frames.length, (enum fls_checksum_kind)kind,
                                         FLS_RECOVER_ZERO_TAIL_IS_TORN);
        if (kind == FLS_CHECKSUM_XXH3) {
            assert_int_equal(found.end, FLS_STREAM_CORRUPT);
            assert_int_equal(found.good_offset, good);
        } else {
            assert_int_equal(found.end, FLS_STREAM_TORN); /* the last byte begins a header */
            assert_int_equal(found.good_offset, good + 48);
        }
        frames.length = good;
        frames_raw(&frames, "\x09\0\0\0", 4); /* zeros but for the length */
        frames_raw(&frames, nothing, 48);
        found = scan(frames.bytes, frames.length, (enum fls_checksum_kind)kind,
                     FLS_RECOVER_ZERO_TAIL_IS_TORN);
        if (kind == FLS_CHECKSUM_CRC16) { /* zeros have the checksum zero: an intact frame */
            assert_int_equal(found.end, FLS_STREAM_TORN);
            assert_int_equal(found.good_offset, good + 15);
        } else {
            assert_int_equal(found.end, FLS_STREAM_CORRUPT);
            assert_int_equal(found.good_offset, good);
        }
        free(frames.bytes);
    }
}

/* --- cutting
 * ---------------------------------------------------------------------------------------
 */

#define FILE_BYTES_MAX 4096

static char path[64];

static void write_file(const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (length > FILE_BYTES_MAX)
        fail();
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
}

static void assert_file(const void *bytes, size_t length)
{
    static uint8_t got[FILE_BYTES_MAX];
    int fd = open(path, O_RDONLY);

    assert_int_equal(read(fd, got, sizeof got), length);
    if (length > 0)
        assert_memory_equal(got, bytes, length);
    close(fd);
}

static void cuts_exactly_the_tail(void **state)
{
    struct frames frames = stream_of(FLS_CHECKSUM_CRC32);

    (void)state;
    for (size_t length = 0; length <= frames.length; length++) {
        struct fls_error error = FLS_ZERO;
        struct fls_recovery found = scan(frames.bytes, length, FLS_CHECKSUM_CRC32, 0);
        write_file(frames.bytes, length);
        if (found.end == FLS_STREAM_TORN) {
            assert_ok(fls_recover_truncate(path, &found, &error));
            assert_file(frames.bytes, found.good_offset);
            assert_int_equal(fls_recover_truncate(path, &found, &error), FLS_INVALID_ARGUMENT);
        } else {
            assert_int_equal(fls_recover_truncate(path, &found, &error), FLS_INVALID_ARGUMENT);
            assert_file(frames.bytes, length);
        }
    }
    free(frames.bytes);
}

static void refuses_what_is_not_as_scanned(void **state)
{
    struct frames frames = stream_of(FLS_CHECKSUM_CRC32);
    struct fls_recovery torn = scan(frames.bytes, frames.length - 1, FLS_CHECKSUM_CRC32, 0);
    struct fls_recovery corrupt = torn, clean = torn;
    struct fls_error error = FLS_ZERO;

    (void)state;
    corrupt.end = FLS_STREAM_CORRUPT;
    clean.end = FLS_STREAM_CLEAN;
    write_file(frames.bytes, frames.length - 1);
    assert_int_equal(fls_recover_truncate(path, &corrupt, &error), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_recover_truncate(path, &clean, &error), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_recover_truncate(path, &clean, NULL), FLS_INVALID_ARGUMENT);
    assert_file(frames.bytes, frames.length - 1);
    write_file(frames.bytes, frames.length); /* it has grown since */
    assert_int_equal(fls_recover_truncate(path, &torn, &error), FLS_INVALID_ARGUMENT);
    assert_true(error.reason[0] != '\0');
    assert_file(frames.bytes, frames.length);
    write_file(frames.bytes, frames.length - 2); /* or shrunk */
    assert_int_equal(fls_recover_truncate(path, &torn, &error), FLS_INVALID_ARGUMENT);
    assert_file(frames.bytes, frames.length - 2);
    free(frames.bytes);
}

static void files_that_cannot_be_cut(void **state)
{
    struct frames frames = stream_of(FLS_CHECKSUM_CRC32);
    struct fls_recovery torn = scan(frames.bytes, frames.length - 1, FLS_CHECKSUM_CRC32, 0);
    struct fls_error error = FLS_ZERO;

    (void)state;
    unlink(path);
    assert_int_equal(fls_recover_truncate(path, &torn, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOENT);
    assert_int_equal(access(path, F_OK), -1); /* nothing was created */
    assert_int_equal(fls_recover_truncate("/dev/null", &torn, &error), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_recover_truncate("/tmp", &torn, &error), FLS_IO);
    free(frames.bytes);
}

/* A scan of a file leaves it, its times included, as it was. */
static void a_scan_changes_nothing(void **state)
{
    struct frames frames = stream_of(FLS_CHECKSUM_CRC32);
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_CRC32};
    struct fls_recovery found;
    struct fls_reader *reader;
    struct stat before, after;

    (void)state;
    write_file(frames.bytes, frames.length - 1);
    assert_int_equal(stat(path, &before), 0);
    assert_ok(fls_reader_open_file(path, &options, &reader, NULL));
    assert_ok(fls_recover_scan(reader, FLS_RECOVER_ZERO_TAIL_IS_TORN, &found));
    fls_reader_close(reader);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(found.end, FLS_STREAM_TORN);
    assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    assert_file(frames.bytes, frames.length - 1);
    free(frames.bytes);
}

static int name_the_file(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/fls-recover-test-%d", (int)getpid());
    return 0;
}

static int remove_the_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torn_at_every_byte),
        cmocka_unit_test(damage_is_corrupt),
        cmocka_unit_test(refused_by_a_tap_is_corrupt),
        cmocka_unit_test(scan_from_the_present_position),
        cmocka_unit_test(large_torn_payload),
        cmocka_unit_test(device_faults_say_nothing_about_the_end),
        cmocka_unit_test(zero_tails_of_every_length),
        cmocka_unit_test(zero_tails_without_the_flag),
        cmocka_unit_test(zeros_elsewhere),
        cmocka_unit_test(cuts_exactly_the_tail),
        cmocka_unit_test(refuses_what_is_not_as_scanned),
        cmocka_unit_test(files_that_cannot_be_cut),
        cmocka_unit_test(a_scan_changes_nothing),
    };

    return cmocka_run_group_tests(tests, name_the_file, remove_the_file);
}
