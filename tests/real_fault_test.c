/*
 * real_fault_test.c: faults that the system itself makes: a file that may not grow, a full disk, a
 * pipe whose reader is gone, a slow reader behind a non-blocking pipe or socket.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/sample.h"

#define MESSAGE_BYTES 1500
#define MESSAGES_MAX 4000

static uint8_t message[MESSAGE_BYTES];
static char folder[] = "/tmp/real_fault_test.XXXXXX";
static char path[64];

static const enum fls_framer framers[] = {FLS_FRAMER_SIMPLE, FLS_FRAMER_VECTORED,
                                          FLS_FRAMER_BATCHED};
#define FRAMERS (sizeof framers / sizeof framers[0])

/* Message i: its number in front, so that no two are the same. */
static void make_message(size_t i)
{
    pattern_fill(message, sizeof message);
    memcpy(message, &i, sizeof i);
}

/* Writes until the endpoint fails; returns the messages taken, *flushed those known to be out. */
static size_t write_until_it_fails(struct fls_writer *writer, enum fls_framer framer,
                                   size_t *flushed)
{
    enum fls_status status = FLS_OK;
    size_t taken = 0;

    *flushed = 0;
    while (status == FLS_OK && taken < MESSAGES_MAX) {
        make_message(taken);
        status = fls_writer_write(writer, message, sizeof message);
        taken += status == FLS_OK;
        if (framer != FLS_FRAMER_BATCHED)
            *flushed = taken;
        if (status == FLS_OK && taken % 100 == 0) {
            status = fls_writer_flush(writer, FLS_LEVEL_PROCESS);
            if (status == FLS_OK)
                *flushed = taken;
        }
    }
    assert_int_equal(status, FLS_IO);
    return taken;
}

/* Reads the file back: whole messages from the first on, then nothing or a torn frame. */
static struct fls_recovery read_back(const char *file)
{
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_reader *reader;
    struct fls_recovery recovery;
    struct fls_message got;
    size_t frames = 0;

    assert_ok(fls_reader_open_file(file, &options, &reader, NULL));
    for (; fls_reader_next(reader, &got) == FLS_OK; frames++) {
        make_message(frames);
        assert_int_equal(got.bytes, sizeof message);
        assert_memory_equal(got.payload, message, sizeof message);
    }
    fls_reader_close(reader);
    assert_ok(fls_reader_open_file(file, &options, &reader, NULL));
    assert_ok(fls_recover_scan(reader, 0, &recovery));
    fls_reader_close(reader);
    assert_int_equal(recovery.frames, frames);
    assert_int_not_equal(recovery.end, FLS_STREAM_CORRUPT);
    return recovery;
}

/*
 * A file that cannot hold the stream: the frames before the failure are whole, the writer names the
 * first that is not, and the torn tail can be cut.
 */
static void fill_up(const char *file, enum fls_framer framer, int os_errno)
{
    struct fls_writer_options options = {.framer = framer, .checksum = FLS_CHECKSUM_XXH3};
    struct fls_error error = FLS_ZERO;
    struct fls_writer *writer;
    size_t flushed;

    assert_ok(fls_writer_open_file(file, FLS_FILE_TRUNCATE, &options, &writer, NULL));
    size_t taken = write_until_it_fails(writer, framer, &flushed);
    struct fls_error first = *fls_writer_error(writer);
    assert_int_equal(first.os_errno, os_errno);
    struct fls_recovery recovery = read_back(file);
    assert_true(recovery.frames >= flushed && recovery.frames <= taken);
    assert_int_equal(first.frame, recovery.frames);
    assert_int_equal(first.offset, recovery.good_offset);
    if (recovery.end == FLS_STREAM_TORN) { /* poisoned: the same error for ever, and no byte more */
        assert_int_equal(fls_writer_write(writer, message, 1), FLS_IO);
        assert_int_equal(fls_writer_flush(writer, FLS_LEVEL_PROCESS), FLS_IO);
        assert_memory_equal(fls_writer_error(writer), &first, sizeof first);
        assert_int_equal(fls_writer_close(writer, &error), FLS_IO);
        assert_int_equal(error.os_errno, os_errno);
        assert_ok(fls_recover_truncate(file, &recovery, NULL));
    } else {
        fls_writer_abandon(writer);
    }
    uint64_t frames = recovery.frames;
    recovery = read_back(file);
    assert_int_equal(recovery.end, FLS_STREAM_CLEAN);
    assert_int_equal(recovery.frames, frames);
    assert_int_equal(unlink(file), 0);
}

static void file_size_limit(void **state)
{
    struct rlimit before, limited;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (rlim_t limit = 300000; limit < 303024; limit += 189) {
        for (size_t i = 0; i < FRAMERS; i++) {
            limited = before;
            limited.rlim_cur = limit;
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
            fill_up(path, framers[i], EFBIG);
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        }
    }
    signal(SIGXFSZ, handler);
}

static void full_disk(void **state)
{
    char mount_point[96], file[128];

    (void)state;
    snprintf(mount_point, sizeof mount_point, "%s/disk", folder);
    snprintf(file, sizeof file, "%s/stream.fls", mount_point);
    assert_int_equal(mkdir(mount_point, 0700), 0);
    if (mount("tmpfs", mount_point, "tmpfs", 0, "size=512k") != 0) {
        print_message("full_disk: skipped, a file system cannot be mounted here: %s\n",
                      strerror(errno));
        rmdir(mount_point);
        skip();
        return;
    }
    for (size_t i = 0; i < FRAMERS; i++)
        fill_up(file, framers[i], ENOSPC);
    assert_int_equal(umount(mount_point), 0);
    assert_int_equal(rmdir(mount_point), 0);
}

/* --- pipes and sockets ---------------------------------------------------------------------------
 */

static void open_pair(int is_socket, int fds[2])
{
    int ends[2];

    if (!is_socket) {
        assert_int_equal(pipe(fds), 0);
        return;
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    fds[0] = ends[1];
    fds[1] = ends[0];
}

/* The far end is closed: EPIPE, and the process lives although SIGPIPE has its default effect. */
static void closed_pipe_and_socket(void **state)
{
    void (*handler)(int) = signal(SIGPIPE, SIG_DFL);

    (void)state;
    for (size_t round = 0; round < 2 * FRAMERS; round++) {
        struct fls_writer_options options = {.framer = framers[round / 2], .owns_sink = 1};
        struct fls_writer *writer;
        struct fls_sink *sink;
        size_t flushed;
        int fds[2];
        open_pair(round % 2, fds);
        assert_ok(fls_sink_open_fd(fds[1], FLS_OWNED, &sink, NULL));
        assert_ok(fls_writer_open(sink, &options, &writer, NULL));
        close(fds[0]);
        (void)write_until_it_fails(writer, options.framer, &flushed);
        assert_int_equal(flushed, 0);
        assert_int_equal(fls_writer_error(writer)->os_errno, EPIPE);
        assert_int_equal(fls_writer_error(writer)->frame, 0);
        fls_writer_abandon(writer);
    }
    signal(SIGPIPE, handler);
}

struct slow_reader {
    int fd;
    uint8_t *bytes;
    size_t capacity;
    size_t length;
};

/* Reads little at a time and sleeps now and then. */
static void *read_slowly(void *context)
{
    struct slow_reader *reader = context;
    struct timespec pause = {0, 200000};
    ssize_t got = 1;

    for (unsigned step = 1; got > 0; step++) {
        size_t most = 1 + step * 7919 % 9000, room = reader->capacity - reader->length;
        got = read(reader->fd, reader->bytes + reader->length, most < room ? most : room);
        if (got > 0)
            reader->length += (size_t)got;
        if (step % 16 == 0)
            nanosleep(&pause, NULL);
    }
    return NULL;
}

static void wait_for_room(int fd, unsigned *waits)
{
    struct pollfd wanted = {fd, POLLOUT, 0};

    ++*waits;
    assert_true(poll(&wanted, 1, 10000) == 1);
}

static void write_all_to(int fd, struct fls_writer *writer, const struct samples *samples,
                         unsigned *waits)
{
    enum fls_status status;

    for (size_t i = 0; i < samples->count; i++) {
        while ((status = fls_writer_write(writer, samples->bytes[i], samples->sizes[i])) ==
               FLS_AGAIN)
            wait_for_room(fd, waits);
        assert_ok(status);
    }
    while ((status = fls_writer_close(writer, NULL)) == FLS_AGAIN)
        wait_for_room(fd, waits);
    assert_ok(status);
}

static void slow_reader_behind(int is_socket, enum fls_framer framer)
{
    static const size_t sizes[] = {0,  100000, 1, 65536, 3000, 0,    70000, 12,    4096, 90000,
                                   17, 262200, 5, 8191,  2,    4097, 65535, 30000, 0,    9};
    struct fls_writer_options options = {.framer = framer, .checksum = FLS_CHECKSUM_CRC32};
    struct samples samples;
    struct fls_writer *writer;
    struct fls_sink *sink;
    pthread_t thread;
    unsigned waits = 0;
    int fds[2];

    samples_make(&samples, FLS_CHECKSUM_CRC32, sizes, sizeof sizes / sizeof sizes[0]);
    struct slow_reader reader = {.capacity = samples.stream_bytes + 1};
    reader.bytes = malloc(reader.capacity);
    assert_non_null(reader.bytes);
    open_pair(is_socket, fds);
    reader.fd = fds[0];
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    assert_ok(fls_sink_open_fd(fds[1], FLS_BORROWED, &sink, NULL));
    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    (void)fcntl(fds[1], F_SETPIPE_SZ, 1 << 16); /* narrow again, so that it fills */
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, &reader), 0);
    write_all_to(fds[1], writer, &samples, &waits);
    fls_sink_close(sink, NULL);
    close(fds[1]);
    pthread_join(thread, NULL);
    close(fds[0]);
    assert_true(waits > 0);
    assert_int_equal(reader.length, samples.stream_bytes);
    assert_memory_equal(reader.bytes, samples.stream, samples.stream_bytes);
    free(reader.bytes);
    samples_free(&samples);
}

static void slow_reader(void **state)
{
    (void)state;
    for (size_t i = 0; i < FRAMERS; i++) {
        slow_reader_behind(0, framers[i]);
        slow_reader_behind(1, framers[i]);
    }
}

struct slow_writer {
    int fd;
    const struct samples *samples;
};

/* Writes little at a time, ending inside headers and payloads alike. */
static void *write_slowly(void *context)
{
    struct slow_writer *writer = context;
    struct timespec pause = {0, 100000};
    size_t at = 0;

    for (unsigned step = 1; at < writer->samples->stream_bytes; step++) {
        size_t most = 1 + step * 7919 % 5000, left = writer->samples->stream_bytes - at;
        ssize_t put = write(writer->fd, writer->samples->stream + at, most < left ? most : left);
        if (put < 0)
            break;
        at += (size_t)put;
        if (step % 8 == 0)
            nanosleep(&pause, NULL);
    }
    close(writer->fd);
    return NULL;
}

/* A non-blocking source that is often empty, read by next and by read_into in turn. */
static void slow_writer(void **state)
{
    static const size_t sizes[] = {0, 100000, 1, 65536, 3000, 0, 70000, 12, 4096, 262200, 17, 5};
    static uint8_t into[300000];
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_CRC16, .owns_source = 1};
    struct samples samples;
    struct fls_source *source;
    struct fls_reader *reader;
    struct fls_message got;
    struct iovec segment = {into, sizeof into};
    enum fls_status status;
    pthread_t thread;
    unsigned waits = 0;
    int fds[2];

    (void)state;
    samples_make(&samples, FLS_CHECKSUM_CRC16, sizes, sizeof sizes / sizeof sizes[0]);
    open_pair(0, fds);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    assert_ok(fls_source_open_fd(fds[0], FLS_OWNED, 8192, &source, NULL));
    assert_ok(fls_reader_open(source, &options, &reader, NULL));
    struct slow_writer writer = {fds[1], &samples};
    assert_int_equal(pthread_create(&thread, NULL, write_slowly, &writer), 0);
    for (size_t i = 0; i <= samples.count; i++) {
        do {
            status = i % 2 ? fls_reader_read_into(reader, &segment, 1, &got)
                           : fls_reader_next(reader, &got);
            struct pollfd wanted = {fds[0], POLLIN, 0};
            waits += status == FLS_AGAIN && poll(&wanted, 1, 10000) == 1;
        } while (status == FLS_AGAIN);
        assert_int_equal(status, i < samples.count ? FLS_OK : FLS_END);
        if (i == samples.count)
            break;
        assert_int_equal(got.bytes, samples.sizes[i]);
        assert_memory_equal(got.payload, samples.bytes[i], got.bytes);
    }
    assert_true(waits > 0);
    pthread_join(thread, NULL);
    fls_reader_close(reader);
    samples_free(&samples);
}

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/stream.fls", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_size_limit),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(closed_pipe_and_socket),
        cmocka_unit_test(slow_reader),
        cmocka_unit_test(slow_writer),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
