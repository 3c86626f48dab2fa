/*
 * sink_test.c: the one write loop against a sink that is as difficult as a sink may be; then each
 * backend: files, descriptors, memory, decorators; and what becomes of SIGPIPE.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* --- the kernel's RWF_NOSIGNAL, taken away at will (linked with --wrap=pwritev2) ----------------
 */

static int kernel_is_old;
static int nosignal_calls;

ssize_t __real_pwritev2(int fd, const struct iovec *segments, int count, off_t offset, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *segments, int count, off_t offset, int flags);

ssize_t __wrap_pwritev2(int fd, const struct iovec *segments, int count, off_t offset, int flags)
{
    nosignal_calls++;
    if (!kernel_is_old)
        return __real_pwritev2(fd, segments, count, offset, flags);
    errno = EOPNOTSUPP;
    return -1;
}

/* --- short hands -------------------------------------------------------------------------------
 */

static enum fls_status write_bytes(struct fls_sink *sink, const void *bytes, size_t length,
                                   struct fls_error *error)
{
    struct iovec segment = {(void *)(uintptr_t)bytes, length};
    struct fls_write_cursor cursor = {&segment, 1, 0};

    return fls_sink_write(sink, &cursor, NULL, error);
}

static char *scratch_path(void)
{
    static char path[64];

    snprintf(path, sizeof path, "/tmp/fls-sink-test-%d", (int)getpid());
    return path;
}

static size_t file_bytes(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY);
    ssize_t length = read(fd, text, size);

    close(fd);
    assert_true(length >= 0);
    return (size_t)length;
}

/* --- the loop ----------------------------------------------------------------------------------
 */

/* Takes `step` bytes a call, however they are cut; every `trouble`-th call fails instead. */
struct difficult {
    struct fls_sink base;
    size_t step;
    unsigned trouble;
    enum fls_status with;
    unsigned calls;
    int segments_most;
    size_t taken_most;
    uint8_t *bytes;
    size_t length;
};

static enum fls_status difficult_writev(struct fls_sink *base, const struct iovec *segments,
                                        int count, size_t *accepted, struct fls_error *error)
{
    struct difficult *sink = (struct difficult *)base;
    size_t room = sink->step;

    assert_in_range(count, 1, IOV_MAX);
    sink->segments_most = count > sink->segments_most ? count : sink->segments_most;
    if (sink->trouble > 0 && ++sink->calls % sink->trouble == 0)
        return sink->with == FLS_AGAIN ? FLS_AGAIN : fls_error_system(error, "writev", EINTR);
    *accepted = 0;
    size_t given = 0;
    for (int i = 0; i < count; i++)
        given += segments[i].iov_len;
    sink->taken_most = given > sink->taken_most ? given : sink->taken_most;
    for (int i = 0; i < count; i++) {
        assert_true(segments[i].iov_len > 0);
        size_t part = segments[i].iov_len < room ? segments[i].iov_len : room;
        memcpy(sink->bytes + sink->length, segments[i].iov_base, part);
        sink->length += part;
        *accepted += part;
        room -= part;
    }
    return FLS_OK;
}

static const struct fls_sink_ops difficult_ops = {difficult_writev, NULL, NULL};

/* Writes segments of the sizes given through a difficult sink; the bytes must come out in order. */
static struct difficult pass_through(const size_t *sizes, size_t count, struct difficult sink)
{
    struct iovec *segments = calloc(count + 1, sizeof *segments);
    struct fls_write_cursor cursor = {segments, count, sink.base.piece_bytes};
    size_t total = 0;
    uint64_t accepted = 0;
    enum fls_status status;

    for (size_t i = 0; i < count; i++)
        total += sizes[i];
    uint8_t *bytes = malloc(total + 1);
    pattern_fill(bytes, total);
    for (size_t i = 0, at = 0; i < count; at += sizes[i++])
        segments[i] = (struct iovec){sizes[i] > 0 ? bytes + at : NULL, sizes[i]};
    sink.base.ops = &difficult_ops;
    sink.bytes = malloc(total + 1);
    while ((status = fls_sink_write(&sink.base, &cursor, &accepted, NULL)) == FLS_AGAIN)
        assert_int_equal(sink.with, FLS_AGAIN);
    assert_ok(status);
    assert_int_equal(accepted, total);
    assert_int_equal(sink.length, total);
    assert_memory_equal(sink.bytes, bytes, total);
    assert_int_equal(cursor.count, 0);
    free(sink.bytes);
    free(bytes);
    free(segments);
    return sink;
}

static void short_writes_of_every_size(void **state)
{
    static const size_t sizes[] = {0, 1, 0, 0, 7, 3, 0, 12, 1, 1, 30, 0};

    (void)state;
    for (size_t step = 1; step <= 60; step++) {
        for (unsigned trouble = 0; trouble < 5; trouble++) {
            struct difficult sink = {.step = step, .trouble = trouble == 1 ? 0 : trouble};
            sink.with = FLS_AGAIN;
            pass_through(sizes, sizeof sizes / sizeof sizes[0], sink);
            sink.with = FLS_IO; /* with EINTR: tried again inside */
            pass_through(sizes, sizeof sizes / sizeof sizes[0], sink);
        }
    }
}

static void pieces_of_every_size(void **state)
{
    static const size_t sizes[] = {0, 1, 0, 0, 7, 3, 0, 12, 1, 1, 30, 0};

    (void)state;
    for (size_t piece = 1; piece <= 60; piece++) {
        for (size_t step = 1; step <= 61; step += 20) {
            struct difficult sink = {.base.piece_bytes = piece, .step = step};
            sink = pass_through(sizes, sizeof sizes / sizeof sizes[0], sink);
            assert_int_equal(sink.taken_most, piece < 30 ? piece : sink.taken_most);
            assert_true(sink.taken_most <= piece);
            sink = (struct difficult){.base.piece_bytes = piece, .step = step, .trouble = 3};
            sink.with = FLS_AGAIN;
            pass_through(sizes, sizeof sizes / sizeof sizes[0], sink);
        }
    }
}

static void empty_segments_only(void **state)
{
    static const size_t sizes[] = {0, 0, 0};

    (void)state;
    pass_through(sizes, 0, (struct difficult){.step = 1});
    pass_through(sizes, 3, (struct difficult){.step = 1});
}

static void more_segments_than_iov_max(void **state)
{
    static size_t sizes[3000];

    (void)state;
    for (size_t i = 0; i < 3000; i++)
        sizes[i] = 1 + i % 5;
    struct difficult sink = pass_through(sizes, 3000, (struct difficult){.step = SIZE_MAX});
    assert_int_equal(sink.segments_most, IOV_MAX);
    for (size_t i = 0; i < 3000; i += 7)
        sizes[i] = 0;
    pass_through(sizes, 3000, (struct difficult){.step = SIZE_MAX});
    pass_through(sizes, 3000, (struct difficult){.step = 2, .trouble = 3, .with = FLS_AGAIN});
}

/* --- files -------------------------------------------------------------------------------------
 */

static void write_file(enum fls_file_mode mode, const char *text)
{
    struct fls_sink *sink;

    assert_ok(fls_sink_open_file(scratch_path(), mode, &sink, NULL));
    assert_ok(write_bytes(sink, text, strlen(text), NULL));
    assert_ok(fls_sink_flush(sink, FLS_LEVEL_PROCESS, NULL));
    assert_ok(fls_sink_flush(sink, FLS_LEVEL_MACHINE, NULL));
    assert_ok(fls_sink_close(sink, NULL));
}

static void assert_file_is(const char *expected)
{
    char text[64];
    size_t length = file_bytes(scratch_path(), text, sizeof text);

    assert_int_equal(length, strlen(expected));
    assert_memory_equal(text, expected, length);
}

static void file_modes(void **state)
{
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;

    (void)state;
    unlink(scratch_path());
    write_file(FLS_FILE_CREATE_NEW, "first");
    assert_int_equal(fls_sink_open_file(scratch_path(), FLS_FILE_CREATE_NEW, &sink, &error),
                     FLS_IO);
    assert_int_equal(error.os_errno, EEXIST);
    assert_file_is("first");
    write_file(FLS_FILE_APPEND, " second");
    assert_file_is("first second");
    write_file(FLS_FILE_TRUNCATE, "third");
    assert_file_is("third");
    unlink(scratch_path());
    write_file(FLS_FILE_APPEND, "new");
    assert_file_is("new");
    unlink(scratch_path());
}

static char *index_path(void)
{
    static char path[80];

    snprintf(path, sizeof path, "%s.idx", scratch_path());
    return path;
}

static void put_beside(const char *text)
{
    FILE *file = fopen(index_path(), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int is_index_there(void)
{
    return access(index_path(), F_OK) == 0;
}

/* A stream that begins in a file has no index yet, whatever an earlier one of its name has left;
 * one that goes on keeps it, and so does a file of that name that is no index. */
static void an_old_index_goes(void **state)
{
    static const enum fls_file_mode modes[] = {FLS_FILE_CREATE_NEW, FLS_FILE_TRUNCATE,
                                               FLS_FILE_APPEND};
    struct fls_sink *sink;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        unlink(scratch_path());
        put_beside("FLSINDEX, and so on");
        write_file(modes[i], "new");
        assert_false(is_index_there());
        put_beside("FLSINDEX, and so on");
        if (modes[i] == FLS_FILE_CREATE_NEW)
            assert_int_equal(fls_sink_open_file(scratch_path(), modes[i], &sink, NULL), FLS_IO);
        else
            write_file(modes[i], "more");
        assert_int_equal(is_index_there(), modes[i] != FLS_FILE_TRUNCATE);
        put_beside("notes");
        write_file(FLS_FILE_TRUNCATE, "again");
        assert_true(is_index_there());
    }
    unlink(index_path());
    unlink(scratch_path());
}

/* Of the file on the disk, in bytes: its size, and the blocks that it has. */
static struct stat state_of_file(void)
{
    struct stat file;

    assert_int_equal(stat(scratch_path(), &file), 0);
    return file;
}

static void write_mebibytes(struct fls_sink *sink, int count)
{
    size_t length = (size_t)1 << 20;
    uint8_t *bytes = malloc(length);

    assert_non_null(bytes);
    for (int i = 0; i < count; i++) {
        memset(bytes, i + 1, length);
        assert_ok(write_bytes(sink, bytes, length, NULL));
    }
    free(bytes);
}

/* On ext4 a long file has more blocks than its size needs while it is written, and none more when
 * it is closed; elsewhere never. */
static void blocks_reserved_ahead(void **state)
{
    const off_t mebibyte = 1 << 20;
    struct statfs system;
    struct fls_sink *sink;

    (void)state;
    assert_ok(fls_sink_open_file(scratch_path(), FLS_FILE_TRUNCATE, &sink, NULL));
    assert_int_equal(statfs(scratch_path(), &system), 0);
    write_mebibytes(sink, 63);
    assert_int_equal(sink->system_calls, 63);
    for (int i = 1; i < 4; i++) {
        write_mebibytes(sink, 10);
        assert_ok(fls_sink_flush(sink, FLS_LEVEL_MACHINE, NULL)); /* so that blocks are counted */
        struct stat file = state_of_file();
        assert_int_equal(file.st_size, (63 + i * 10) * mebibyte);
        if (system.f_type == EXT4_SUPER_MAGIC)
            assert_true(file.st_blocks * 512 > file.st_size + mebibyte / 2);
    }
    assert_true(sink->system_calls <= 93 + 3 * 3 + 3); /* a sync is three; 29 MiB, by 12 */
    assert_ok(fls_sink_close(sink, NULL));
    struct stat file = state_of_file();
    assert_int_equal(file.st_size, 93 * mebibyte);
    assert_true(file.st_blocks * 512 <= file.st_size + 64 * 1024);
}

/* What another process appends meanwhile stays; and who appends reserves nothing. */
static void reserved_blocks_and_others(void **state)
{
    struct fls_sink *sink, *other;

    (void)state;
    assert_ok(fls_sink_open_file(scratch_path(), FLS_FILE_TRUNCATE, &sink, NULL));
    write_mebibytes(sink, 65);
    assert_ok(fls_sink_open_file(scratch_path(), FLS_FILE_APPEND, &other, NULL));
    write_mebibytes(other, 65);
    assert_int_equal(other->system_calls, 65);
    assert_ok(fls_sink_close(other, NULL));
    assert_ok(fls_sink_close(sink, NULL));
    assert_int_equal(state_of_file().st_size, 130 << 20);
    unlink(scratch_path());
}

static void files_that_cannot_be_opened(void **state)
{
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;

    (void)state;
    assert_int_equal(fls_sink_open_file("/nowhere/x", FLS_FILE_TRUNCATE, &sink, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOENT);
    assert_string_equal(error.subject, "open");
    assert_int_equal(fls_sink_open_file("/tmp", FLS_FILE_APPEND, &sink, &error), FLS_IO);
    assert_int_equal(error.os_errno, EISDIR);
    assert_int_equal(fls_sink_open_file(scratch_path(), (enum fls_file_mode)3, &sink, &error),
                     FLS_INVALID_ARGUMENT);
    assert_int_equal(access(scratch_path(), F_OK), -1);
}

static void full_device(void **state)
{
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;

    (void)state;
    assert_ok(fls_sink_open_file("/dev/full", FLS_FILE_TRUNCATE, &sink, NULL));
    assert_int_equal(write_bytes(sink, "abc", 3, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOSPC);
    assert_ok(fls_sink_close(sink, NULL));
}

/* A true short write: the file may only grow to 1000 bytes. */
static int write_over_the_limit(void)
{
    struct rlimit limit = {1000, 1000};
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;
    uint64_t accepted = 0;
    char bytes[600];
    struct iovec segments[3] = {{bytes, 600}, {bytes, 600}, {bytes, 600}};
    struct fls_write_cursor cursor = {segments, 3, 0};

    memset(bytes, 'x', sizeof bytes);
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 ||
        fls_sink_open_file(scratch_path(), FLS_FILE_TRUNCATE, &sink, NULL) != FLS_OK)
        return 1;
    if (fls_sink_write(sink, &cursor, &accepted, &error) != FLS_IO || error.os_errno != EFBIG)
        return 2;
    if (accepted != 1000 || cursor.count != 2 || segments[1].iov_len != 200)
        return 3;
    fls_sink_close(sink, NULL);
    unlink(scratch_path());
    return 0;
}

static int run_in_child(int (*function)(void))
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(function());
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void short_write_at_a_file_limit(void **state)
{
    (void)state;
    assert_int_equal(run_in_child(write_over_the_limit), 0);
}

/* --- descriptors -------------------------------------------------------------------------------
 */

static void wrong_descriptors(void **state)
{
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fls_sink_open_fd(ends[0], FLS_OWNED, &sink, &error), FLS_IO);
    assert_int_equal(error.os_errno, EBADF);
    assert_int_equal(fcntl(ends[0], F_GETFD) >= 0, 1); /* not closed when opening fails */
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(fls_sink_open_fd(ends[1], FLS_BORROWED, &sink, &error), FLS_IO);
    assert_int_equal(error.os_errno, EBADF);
    assert_int_equal(fls_sink_open_fd(-1, FLS_BORROWED, &sink, &error), FLS_IO);
}

static void ownership(void **state)
{
    struct fls_sink *sink;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_ok(fls_sink_open_fd(ends[1], FLS_BORROWED, &sink, NULL));
    assert_ok(fls_sink_close(sink, NULL));
    assert_true(fcntl(ends[1], F_GETFD) >= 0);
    assert_ok(fls_sink_open_fd(ends[1], FLS_OWNED, &sink, NULL));
    assert_ok(fls_sink_close(sink, NULL));
    assert_int_equal(fcntl(ends[1], F_GETFD), -1);
    close(ends[0]);
    assert_ok(fls_sink_close(NULL, NULL));
}

static void machine_level(void **state)
{
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_ok(fls_sink_open_fd(ends[1], FLS_OWNED, &sink, NULL));
    assert_ok(fls_sink_flush(sink, FLS_LEVEL_OBJECT, &error));
    assert_ok(fls_sink_flush(sink, FLS_LEVEL_PROCESS, &error));
    assert_int_equal(fls_sink_flush(sink, FLS_LEVEL_MACHINE, &error), FLS_UNSUPPORTED);
    assert_int_equal(error.status, FLS_UNSUPPORTED);
    fls_sink_close(sink, NULL);
    close(ends[0]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_ok(fls_sink_open_fd(ends[1], FLS_OWNED, &sink, NULL));
    assert_int_equal(fls_sink_flush(sink, FLS_LEVEL_MACHINE, &error), FLS_UNSUPPORTED);
    fls_sink_close(sink, NULL);
    close(ends[0]);
}

/* Writes 1 MiB in 3000 segments, some empty; for the child of the next test. */
static int write_a_lot(int fd)
{
    static uint8_t bytes[1 << 20];
    static struct iovec segments[3000];
    struct fls_write_cursor cursor = {segments, 3000, 0};
    struct fls_sink *sink;

    pattern_fill(bytes, sizeof bytes);
    for (size_t i = 0, at = 0; i < 3000; i++) {
        size_t part = i % 11 == 0 ? 0 : i == 2999 ? sizeof bytes - at : 1 + i % 300;
        segments[i] = (struct iovec){bytes + at, part};
        at += part;
    }
    if (fls_sink_open_fd(fd, FLS_OWNED, &sink, NULL) != FLS_OK ||
        fls_sink_write(sink, &cursor, NULL, NULL) != FLS_OK)
        return 1;
    return fls_sink_close(sink, NULL) == FLS_OK ? 0 : 2;
}

static void many_segments_through(int reading, int writing)
{
    static uint8_t expected[1 << 20], got[(1 << 20) + 1];
    size_t length = 0;
    ssize_t part;
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        close(reading);
        _exit(write_a_lot(writing));
    }
    close(writing);
    while ((part = read(reading, got + length, sizeof got - length)) > 0)
        length += (size_t)part;
    close(reading);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pattern_fill(expected, sizeof expected);
    assert_int_equal(length, sizeof expected);
    assert_memory_equal(got, expected, sizeof expected);
}

static void blocking_pipe_and_socket(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    many_segments_through(ends[0], ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    many_segments_through(ends[0], ends[1]);
}

/* Fills a non-blocking endpoint until it would block; reads a little; goes on. */
static void fill_and_drain(int reading, int writing)
{
    static uint8_t bytes[1 << 20], got[1 << 20];
    struct iovec segments[2] = {{bytes, 300001}, {bytes + 300001, sizeof bytes - 300001}};
    struct fls_write_cursor cursor = {segments, 2, 0};
    struct fls_sink *sink;
    enum fls_status status;
    size_t length = 0;
    unsigned waits = 0;

    pattern_fill(bytes, sizeof bytes);
    assert_int_equal(fcntl(writing, F_SETFL, O_NONBLOCK), 0);
    assert_ok(fls_sink_open_fd(writing, FLS_OWNED, &sink, NULL));
    (void)fcntl(writing, F_SETPIPE_SZ, 1 << 16); /* narrow again, so that it fills */
    while ((status = fls_sink_write(sink, &cursor, NULL, NULL)) == FLS_AGAIN) {
        ssize_t part = read(reading, got + length, 50000);
        assert_true(part > 0);
        length += (size_t)part;
        waits++;
    }
    assert_ok(status);
    assert_true(waits > 2);
    assert_ok(fls_sink_close(sink, NULL));
    for (ssize_t part; (part = read(reading, got + length, sizeof got - length)) > 0;)
        length += (size_t)part;
    assert_int_equal(length, sizeof bytes);
    assert_memory_equal(got, bytes, sizeof bytes);
    close(reading);
}

static void non_blocking_pipe_and_socket(void **state)
{
    int ends[2];

    (void)state;
    for (kernel_is_old = 0; kernel_is_old < 2; kernel_is_old++) {
        assert_int_equal(pipe(ends), 0);
        fill_and_drain(ends[0], ends[1]);
    }
    kernel_is_old = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    fill_and_drain(ends[0], ends[1]);
}

/* What the system lets a pipe be widened to, of what is asked for. */
static int allowed_pipe_bytes(void)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    int bytes = fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    if (bytes < 0)
        bytes = fcntl(ends[1], F_SETPIPE_SZ, 1 << 18);
    if (bytes < 0)
        bytes = fcntl(ends[1], F_GETPIPE_SZ);
    close(ends[0]);
    close(ends[1]);
    return bytes;
}

static void pipes_are_widened(void **state)
{
    int expected = allowed_pipe_bytes();
    struct fls_sink *sink;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_ok(fls_sink_open_fd(ends[1], FLS_OWNED, &sink, NULL));
    assert_int_equal(fcntl(ends[0], F_GETPIPE_SZ), expected);
    assert_ok(fls_sink_close(sink, NULL));
    close(ends[0]);
}

static void terminal(void **state)
{
    struct fls_sink *sink;
    struct termios raw = {.c_cflag = CS8};
    int master, slave;
    char text[16];

    (void)state;
    if (openpty(&master, &slave, NULL, &raw, NULL) != 0)
        skip(); /* no terminals here */
    assert_ok(fls_sink_open_fd(slave, FLS_OWNED, &sink, NULL));
    assert_ok(write_bytes(sink, "\x04\0\0\0abcd", 8, NULL));
    assert_int_equal(read(master, text, sizeof text), 8);
    assert_memory_equal(text, "\x04\0\0\0abcd", 8);
    assert_ok(fls_sink_close(sink, NULL));
    close(master);
}

/* --- SIGPIPE -----------------------------------------------------------------------------------
 */

static volatile sig_atomic_t handled;

static void handle(int number)
{
    (void)number;
    handled++;
}

enum disposition { BY_DEFAULT, IGNORED, HANDLED, BLOCKED };

struct broken_case {
    int is_socket;
    int old_kernel;
    enum disposition disposition;
};

static struct broken_case broken;

static void dispose(enum disposition disposition)
{
    sigset_t pipe_only;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    signal(SIGPIPE, disposition == IGNORED ? SIG_IGN : disposition == HANDLED ? handle : SIG_DFL);
    sigprocmask(disposition == BLOCKED ? SIG_BLOCK : SIG_UNBLOCK, &pipe_only, NULL);
}

static int sigpipe_is_pending(void)
{
    sigset_t pending;

    sigpending(&pending);
    return sigismember(&pending, SIGPIPE);
}

static int sigpipe_is_blocked(void)
{
    sigset_t now;

    sigprocmask(SIG_BLOCK, NULL, &now);
    return sigismember(&now, SIGPIPE);
}

static int open_broken(struct fls_sink **sink)
{
    int ends[2];

    if (broken.is_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends))
        return 1;
    close(ends[0]);
    return fls_sink_open_fd(ends[1], FLS_OWNED, sink, NULL) != FLS_OK;
}

static int write_to_broken(void)
{
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;

    kernel_is_old = broken.old_kernel;
    dispose(broken.disposition);
    if (open_broken(&sink))
        return 1;
    for (int i = 0; i < 3; i++)
        if (write_bytes(sink, "abc", 3, &error) != FLS_IO || error.os_errno != EPIPE)
            return 2;
    if (broken.is_socket && handled > 0)
        return 3;
    if (sigpipe_is_pending())
        return 4;
    if (sigpipe_is_blocked() != (broken.disposition == BLOCKED))
        return 5;
    return fls_sink_close(sink, NULL) == FLS_OK ? 0 : 6;
}

static void broken_pipes_do_not_kill(void **state)
{
    (void)state;
    for (int is_socket = 0; is_socket < 2; is_socket++) {
        for (int old_kernel = 0; old_kernel < 2; old_kernel++) {
            for (int disposition = BY_DEFAULT; disposition <= BLOCKED; disposition++) {
                broken = (struct broken_case){is_socket, old_kernel, (enum disposition)disposition};
                assert_int_equal(run_in_child(write_to_broken), 0);
            }
        }
    }
}

/* A SIGPIPE that was pending before is somebody else's, and stays. */
static int write_with_one_pending(void)
{
    struct fls_sink *sink;

    kernel_is_old = 1;
    dispose(BLOCKED);
    raise(SIGPIPE);
    if (open_broken(&sink))
        return 1;
    enum fls_status status = write_bytes(sink, "abc", 3, NULL);
    int pending = sigpipe_is_pending();
    fls_sink_close(sink, NULL);
    return status != FLS_IO ? 1 : pending ? 0 : 2;
}

static void foreign_sigpipe_stays_pending(void **state)
{
    (void)state;
    broken = (struct broken_case){0, 1, BLOCKED};
    assert_int_equal(run_in_child(write_with_one_pending), 0);
}

/* The old kernel is asked once, not with every write. */
static void guarded_route_is_remembered(void **state)
{
    struct fls_sink *sink;
    char got[8];
    int ends[2];

    (void)state;
    signal(SIGPIPE, SIG_DFL);
    kernel_is_old = 1;
    nosignal_calls = 0;
    assert_int_equal(pipe(ends), 0);
    assert_ok(fls_sink_open_fd(ends[1], FLS_OWNED, &sink, NULL));
    for (int i = 0; i < 3; i++)
        assert_ok(write_bytes(sink, "ab", 2, NULL));
    assert_int_equal(nosignal_calls, 1);
    assert_int_equal(read(ends[0], got, sizeof got), 6);
    assert_memory_equal(got, "ababab", 6);
    assert_ok(fls_sink_close(sink, NULL));
    close(ends[0]);
    kernel_is_old = 0;
}

/* --- memory ------------------------------------------------------------------------------------
 */

static void growing_memory(void **state)
{
    static uint8_t bytes[100000];
    struct fls_sink *sink;
    size_t length = 1, at = 0;

    (void)state;
    pattern_fill(bytes, sizeof bytes);
    assert_ok(fls_sink_open_memory(0, &sink, NULL));
    (void)fls_sink_memory_bytes(sink, &length);
    assert_int_equal(length, 0);
    for (size_t part = 1; at + part <= sizeof bytes; at += part, part += 13)
        assert_ok(write_bytes(sink, bytes + at, part, NULL));
    assert_memory_equal(fls_sink_memory_bytes(sink, &length), bytes, at);
    assert_int_equal(length, at);
    fls_sink_memory_clear(sink);
    (void)fls_sink_memory_bytes(sink, &length);
    assert_int_equal(length, 0);
    assert_ok(write_bytes(sink, "again", 5, NULL));
    assert_memory_equal(fls_sink_memory_bytes(sink, &length), "again", 5);
    assert_int_equal(fls_sink_flush(sink, FLS_LEVEL_MACHINE, NULL), FLS_UNSUPPORTED);
    assert_ok(fls_sink_flush(sink, FLS_LEVEL_PROCESS, NULL));
    assert_ok(fls_sink_close(sink, NULL));
}

/* Full: what still fits is taken, then ENOSPC, with nothing beyond the bound touched. */
static void check_full(struct fls_sink *sink, size_t bound)
{
    struct iovec segments[3] = {{"0123456789", 10}, {"abcdefghij", 10}, {"ABCDEFGHIJ", 10}};
    struct fls_write_cursor cursor = {segments, 3, 0};
    struct fls_error error = FLS_ZERO;
    uint64_t accepted = 0;
    size_t length;

    assert_int_equal(fls_sink_write(sink, &cursor, &accepted, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOSPC);
    assert_int_equal(accepted, bound);
    const char *bytes = fls_sink_memory_bytes(sink, &length);
    assert_int_equal(length, bound);
    if (bound > 0)
        assert_memory_equal(bytes, "0123456789abcdefghijABCDEFGHIJ", bound);
    assert_int_equal(write_bytes(sink, "x", 1, &error), FLS_IO);
    fls_sink_close(sink, NULL);
}

static void full_memory(void **state)
{
    char memory[32];

    (void)state;
    for (size_t bound = 0; bound < 30; bound++) {
        struct fls_sink *sink;
        memset(memory, '#', sizeof memory);
        assert_ok(fls_sink_open_fixed_memory(memory, bound, &sink, NULL));
        check_full(sink, bound);
        for (size_t i = bound; i < sizeof memory; i++)
            assert_int_equal(memory[i], '#');
        if (bound == 0)
            continue; /* no bound at all */
        assert_ok(fls_sink_open_memory(bound, &sink, NULL));
        check_full(sink, bound);
    }
}

static void memory_questions_to_other_sinks(void **state)
{
    struct fls_io_counts counts = FLS_ZERO;
    struct fls_sink *inner, *sink;
    size_t length = 7;

    (void)state;
    assert_ok(fls_sink_open_memory(0, &inner, NULL));
    assert_ok(fls_sink_open_counting(inner, &counts, &sink, NULL));
    assert_null(fls_sink_memory_bytes(sink, &length));
    assert_int_equal(length, 0);
    fls_sink_memory_clear(sink);
    assert_ok(fls_sink_close(sink, NULL));
}

/* --- decorators --------------------------------------------------------------------------------
 */

static void counting(void **state)
{
    struct iovec segments[4] = {{"ab", 2}, {NULL, 0}, {"cde", 3}, {"f", 1}};
    struct fls_write_cursor cursor = {segments, 4, 0};
    struct fls_io_counts counts = FLS_ZERO;
    struct fls_sink *inner, *sink;

    (void)state;
    assert_ok(fls_sink_open_file("/dev/null", FLS_FILE_APPEND, &inner, NULL));
    assert_ok(fls_sink_open_counting(inner, &counts, &sink, NULL));
    assert_ok(fls_sink_write(sink, &cursor, NULL, NULL));
    assert_int_equal(counts.calls, 2); /* cut before the empty one */
    assert_int_equal(counts.segments, 3);
    assert_int_equal(counts.bytes, 6);
    assert_int_equal(fls_sink_flush(sink, FLS_LEVEL_MACHINE, NULL), FLS_UNSUPPORTED);
    assert_int_equal(counts.flushes, 1);
    assert_int_equal(sink->system_calls, 3);
    assert_ok(fls_sink_close(sink, NULL));
}

static void faulty(void **state)
{
    struct fls_fault_plan plan = {.bytes_max = 2, .fail_at = 3, .os_errno = EIO, .status = FLS_IO};
    struct fls_error error = FLS_ZERO;
    struct fls_sink *inner, *sink;
    struct iovec segment = {"abcdefgh", 8};
    struct fls_write_cursor cursor = {&segment, 1, 0};
    uint64_t accepted = 0;
    size_t length;

    (void)state;
    assert_ok(fls_sink_open_memory(0, &inner, NULL));
    assert_ok(fls_sink_open_faulty(inner, &plan, &sink, NULL));
    assert_int_equal(fls_sink_write(sink, &cursor, &accepted, &error), FLS_IO);
    assert_int_equal(error.os_errno, EIO);
    assert_int_equal(accepted, 4);
    assert_int_equal(plan.calls, 3);
    assert_ok(fls_sink_write(sink, &cursor, &accepted, &error));
    assert_memory_equal(fls_sink_memory_bytes(inner, &length), "abcdefgh", 8);
    plan.fail_at = plan.calls + 1;
    plan.fail_count = 2;
    plan.status = FLS_AGAIN;
    assert_int_equal(fls_sink_flush(sink, FLS_LEVEL_PROCESS, NULL), FLS_AGAIN);
    assert_int_equal(write_bytes(sink, "x", 1, NULL), FLS_AGAIN);
    assert_ok(write_bytes(sink, "x", 1, NULL));
    plan.fail_at = plan.calls + 1;
    plan.fail_count = UINT64_MAX;
    for (int i = 0; i < 10; i++)
        assert_int_equal(write_bytes(sink, "x", 1, NULL), FLS_AGAIN);
    assert_ok(fls_sink_close(sink, NULL));
}

/* A decorator passes the inner sink's calls on, those of a flush too. */
static void faulty_passes_system_calls_on(void **state)
{
    struct fls_fault_plan plan = FLS_ZERO;
    struct fls_sink *inner, *sink;

    (void)state;
    assert_ok(fls_sink_open_file(scratch_path(), FLS_FILE_TRUNCATE, &inner, NULL));
    assert_ok(fls_sink_open_faulty(inner, &plan, &sink, NULL));
    assert_ok(write_bytes(sink, "x", 1, NULL));
    assert_ok(fls_sink_flush(sink, FLS_LEVEL_MACHINE, NULL));
    assert_int_equal(inner->system_calls, 1 + 3); /* a sync looks whether the file is there */
    assert_int_equal(sink->system_calls, 1 + 3);
    assert_ok(fls_sink_close(sink, NULL));
    unlink(scratch_path());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_writes_of_every_size),
        cmocka_unit_test(pieces_of_every_size),
        cmocka_unit_test(empty_segments_only),
        cmocka_unit_test(more_segments_than_iov_max),
        cmocka_unit_test(file_modes),
        cmocka_unit_test(an_old_index_goes),
        cmocka_unit_test(blocks_reserved_ahead),
        cmocka_unit_test(reserved_blocks_and_others),
        cmocka_unit_test(files_that_cannot_be_opened),
        cmocka_unit_test(full_device),
        cmocka_unit_test(short_write_at_a_file_limit),
        cmocka_unit_test(wrong_descriptors),
        cmocka_unit_test(ownership),
        cmocka_unit_test(machine_level),
        cmocka_unit_test(blocking_pipe_and_socket),
        cmocka_unit_test(non_blocking_pipe_and_socket),
        cmocka_unit_test(pipes_are_widened),
        cmocka_unit_test(terminal),
        cmocka_unit_test(broken_pipes_do_not_kill),
        cmocka_unit_test(foreign_sigpipe_stays_pending),
        cmocka_unit_test(guarded_route_is_remembered),
        cmocka_unit_test(growing_memory),
        cmocka_unit_test(full_memory),
        cmocka_unit_test(memory_questions_to_other_sinks),
        cmocka_unit_test(counting),
        cmocka_unit_test(faulty),
        cmocka_unit_test(faulty_passes_system_calls_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
