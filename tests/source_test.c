/*
 * source_test.c: peek, consume, read_into, remaining and skip mean the same on every backend, at
 * the end too, and when the end moves.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* The smallest read-ahead that there is. */
#define READ_AHEAD 4096

static char *scratch_path(void)
{
    static char path[64];

    snprintf(path, sizeof path, "/tmp/fls-source-test-%d", (int)getpid());
    return path;
}

static void append_to_scratch(const void *bytes, size_t length)
{
    int fd = open(scratch_path(), O_WRONLY | O_CREAT | O_APPEND, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
}

static uint8_t *pattern(size_t length)
{
    uint8_t *bytes = malloc(length + 1);

    assert_non_null(bytes);
    pattern_fill(bytes, length);
    return bytes;
}

/* --- one source of each kind over the same bytes -------------------------------------------------
 */

enum backend { MEMORY, MAPPED, FILE_, PIPE, SOCKET, COUNTED, TRICKLED, BACKENDS };

static struct fls_io_counts counts;
static struct fls_fault_plan plan;

/* A child that writes the bytes and goes. */
static int fed_by_a_child(int is_socket, const uint8_t *bytes, size_t length)
{
    int ends[2];

    assert_int_equal(is_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        for (size_t at = 0; at < length;) {
            ssize_t part = write(ends[1], bytes + at, length - at < 777 ? length - at : 777);
            if (part < 0)
                _exit(1);
            at += (size_t)part;
        }
        _exit(0);
    }
    close(ends[1]);
    return ends[0];
}

static struct fls_source *open_backend(enum backend backend, const uint8_t *bytes, size_t length)
{
    struct fls_source *source, *inner;

    switch (backend) {
    case MEMORY:
        assert_ok(fls_source_open_memory(bytes, length, &source, NULL));
        return source;
    case PIPE:
    case SOCKET:
        assert_ok(fls_source_open_fd(fed_by_a_child(backend == SOCKET, bytes, length), FLS_OWNED,
                                     READ_AHEAD, &source, NULL));
        return source;
    case COUNTED:
        counts = (struct fls_io_counts){0};
        inner = open_backend(FILE_, bytes, length);
        assert_ok(fls_source_open_counting(inner, &counts, &source, NULL));
        return source;
    case TRICKLED:
        plan = (struct fls_fault_plan){.bytes_max = 3};
        inner = open_backend(FILE_, bytes, length);
        assert_ok(fls_source_open_faulty(inner, &plan, &source, NULL));
        return source;
    case MAPPED:
    default:
        unlink(scratch_path());
        append_to_scratch(bytes, length);
        if (backend == MAPPED)
            assert_ok(fls_source_open_mmap(scratch_path(), &source, NULL));
        else
            assert_ok(fls_source_open_file(scratch_path(), READ_AHEAD, &source, NULL));
        unlink(scratch_path());
        return source;
    }
}

static void close_backend(struct fls_source *source)
{
    fls_source_close(source);
    while (waitpid(-1, NULL, 0) > 0)
        continue;
}

/* Peeks and consumes by turns of many sizes; all bytes in order, then the end, again and again. */
static void walk(enum backend backend, size_t length)
{
    uint8_t *bytes = pattern(length);
    struct fls_source *source = open_backend(backend, bytes, length);
    struct fls_view view;
    size_t at = 0;

    for (size_t turn = 1; at < length; turn = turn * 5 % 4093 + 1) {
        size_t need = turn < length - at ? turn : length - at;
        assert_ok(fls_source_peek(source, need, &view, NULL));
        assert_true(view.available >= need && view.available <= length - at);
        assert_memory_equal(view.bytes, bytes + at, view.available);
        fls_source_consume(source, need);
        at += need;
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fls_source_peek(source, 1, &view, NULL), FLS_END);
        assert_int_equal(view.available, 0);
    }
    close_backend(source);
    free(bytes);
}

static void peek_and_consume(void **state)
{
    static const size_t lengths[] = {0, 1, 100, 4096, 4097, 60000};

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++)
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
            walk((enum backend)backend, lengths[i]);
}

/* More is wanted than there is: the view shows what is left. */
static void end_shows_what_is_left(void **state)
{
    uint8_t *bytes = pattern(10);
    struct fls_view view;

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++) {
        struct fls_source *source = open_backend((enum backend)backend, bytes, 10);
        assert_ok(fls_source_peek(source, 4, &view, NULL));
        fls_source_consume(source, 4);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(fls_source_peek(source, 7, &view, NULL), FLS_END);
            assert_int_equal(view.available, 6);
            assert_memory_equal(view.bytes, bytes + 4, 6);
        }
        assert_ok(fls_source_peek(source, 6, &view, NULL));
        assert_ok(fls_source_peek(source, 0, &view, NULL)); /* taken as 1 */
        fls_source_consume(source, 6);
        assert_int_equal(fls_source_peek(source, 0, &view, NULL), FLS_END);
        close_backend(source);
    }
    free(bytes);
}

static void peek_beyond_its_maximum(void **state)
{
    uint8_t *bytes = pattern(10000);
    struct fls_error error = FLS_ZERO;
    struct fls_source *source = open_backend(FILE_, bytes, 10000);
    struct fls_view view;

    (void)state;
    assert_int_equal(source->peek_bytes_max, READ_AHEAD);
    assert_int_equal(fls_source_peek(source, READ_AHEAD + 1, &view, &error), FLS_TOO_SMALL);
    assert_int_equal(error.expected, READ_AHEAD);
    assert_int_equal(error.found, READ_AHEAD + 1);
    assert_ok(fls_source_peek(source, READ_AHEAD, &view, &error));
    assert_memory_equal(view.bytes, bytes, READ_AHEAD);
    close_backend(source);
    free(bytes);
}

/* --- read_into -----------------------------------------------------------------------------------
 */

/* Cuts `memory` into `count` segments of several sizes, some empty; returns their sum. */
static size_t cut(uint8_t *memory, size_t length, struct iovec *segments, size_t count)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        size_t part = i % 5 == 0 ? 0 : i == count - 1 ? length - at : i * 7 % 90;
        part = part < length - at ? part : length - at;
        segments[i] = (struct iovec){part > 0 ? memory + at : NULL, part};
        at += part;
    }
    return at;
}

/* Some bytes are peeked first, so that the segments start in the read-ahead. */
static void read_segments(enum backend backend, size_t before, size_t wanted, size_t count)
{
    size_t length = before + wanted + 50;
    uint8_t *bytes = pattern(length), *memory = calloc(1, wanted + 1);
    struct iovec *segments = calloc(count, sizeof *segments);
    struct fls_source *source = open_backend(backend, bytes, length);
    struct fls_view view;
    size_t filled = 99, sum = cut(memory, wanted, segments, count);

    if (before > 0) {
        assert_ok(fls_source_peek(source, before, &view, NULL));
        fls_source_consume(source, before);
    }
    assert_ok(fls_source_read_into(source, segments, count, &filled, NULL));
    assert_int_equal(filled, sum);
    assert_memory_equal(memory, bytes + before, sum);
    size_t rest = length - before - sum;
    rest = rest < READ_AHEAD ? rest : READ_AHEAD;
    assert_ok(fls_source_peek(source, rest, &view, NULL));
    assert_memory_equal(view.bytes, bytes + before + sum, rest);
    close_backend(source);
    free(segments);
    free(memory);
    free(bytes);
}

static void read_into_segments(void **state)
{
    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++) {
        read_segments((enum backend)backend, 0, 0, 1);
        read_segments((enum backend)backend, 0, 100, 2);
        read_segments((enum backend)backend, 10, 1000, 7);
        read_segments((enum backend)backend, 4096, 30000, 3);
        read_segments((enum backend)backend, 100, 5000, 63);
        read_segments((enum backend)backend, 100, 5000, 64);
        read_segments((enum backend)backend, 100, 5000, 65);
        read_segments((enum backend)backend, 1, 20000, 300);
        read_segments((enum backend)backend, 1, 100000, 3000);
    }
}

static void read_into_at_the_end(void **state)
{
    uint8_t *bytes = pattern(1000), memory[2000];
    struct iovec segments[3] = {{memory, 600}, {NULL, 0}, {memory + 600, 600}};
    struct fls_view view;
    size_t filled = 0;

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++) {
        struct fls_source *source = open_backend((enum backend)backend, bytes, 1000);
        assert_int_equal(fls_source_read_into(source, segments, 3, &filled, NULL), FLS_END);
        assert_int_equal(filled, 1000);
        assert_memory_equal(memory, bytes, 1000);
        assert_int_equal(fls_source_read_into(source, segments, 3, &filled, NULL), FLS_END);
        assert_int_equal(filled, 0);
        assert_ok(fls_source_read_into(source, segments + 1, 1, &filled, NULL));
        assert_ok(fls_source_read_into(source, NULL, 0, &filled, NULL));
        assert_int_equal(fls_source_peek(source, 1, &view, NULL), FLS_END);
        close_backend(source);
    }
    free(bytes);
}

/* A large payload costs one readv beyond the first read, which reads ahead as well. */
static void read_into_reads_ahead(void **state)
{
    uint8_t *bytes = pattern(20000), memory[10000];
    struct fls_source *source = open_backend(FILE_, bytes, 20000);
    struct iovec segment = {memory, sizeof memory};
    struct fls_view view;
    size_t filled;

    (void)state;
    assert_ok(fls_source_peek(source, 4, &view, NULL));
    assert_int_equal(source->system_calls, 1);
    assert_ok(fls_source_read_into(source, &segment, 1, &filled, NULL));
    assert_int_equal(source->system_calls, 2);
    assert_memory_equal(memory, bytes, sizeof memory);
    assert_ok(fls_source_peek(source, 4096, &view, NULL));
    assert_int_equal(source->system_calls, 2);
    assert_memory_equal(view.bytes, bytes + sizeof memory, 4096);
    close_backend(source);
    free(bytes);
}

/* --- remaining and skip --------------------------------------------------------------------------
 */

static int knows_its_end(enum backend backend)
{
    return backend != PIPE && backend != SOCKET;
}

static void remaining_and_skip(void **state)
{
    uint8_t *bytes = pattern(30000);
    struct fls_view view;
    uint64_t skipped = 0;

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++) {
        struct fls_source *source = open_backend((enum backend)backend, bytes, 30000);
        int known = knows_its_end((enum backend)backend);
        assert_int_equal(fls_source_remaining(source), known ? 30000 : UINT64_MAX);
        assert_ok(fls_source_peek(source, 10, &view, NULL));
        assert_int_equal(fls_source_remaining(source), known ? 30000 : UINT64_MAX);
        assert_ok(fls_source_skip(source, 0, &skipped, NULL));
        assert_int_equal(skipped, 0);
        assert_ok(fls_source_skip(source, 12345, &skipped, NULL));
        assert_int_equal(skipped, 12345);
        assert_int_equal(fls_source_remaining(source), known ? 30000 - 12345 : UINT64_MAX);
        assert_ok(fls_source_peek(source, 10, &view, NULL));
        assert_memory_equal(view.bytes, bytes + 12345, 10);
        assert_int_equal(fls_source_skip(source, UINT64_MAX, &skipped, NULL), FLS_END);
        assert_int_equal(skipped, 30000 - 12345);
        assert_int_equal(fls_source_remaining(source), known ? 0 : UINT64_MAX);
        close_backend(source);
    }
    free(bytes);
}

/* A descriptor that does not stand at the file's start. */
static void descriptor_in_mid_file(void **state)
{
    uint8_t *bytes = pattern(5000);
    struct fls_source *source;
    struct fls_view view;

    (void)state;
    unlink(scratch_path());
    append_to_scratch(bytes, 5000);
    int fd = open(scratch_path(), O_RDONLY);
    assert_int_equal(lseek(fd, 1000, SEEK_SET), 1000);
    assert_ok(fls_source_open_fd(fd, FLS_BORROWED, READ_AHEAD, &source, NULL));
    assert_int_equal(fls_source_remaining(source), 4000);
    assert_ok(fls_source_peek(source, 100, &view, NULL));
    assert_memory_equal(view.bytes, bytes + 1000, 100);
    fls_source_close(source);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    close(fd);
    unlink(scratch_path());
    free(bytes);
}

/* --- the end moves -------------------------------------------------------------------------------
 */

static void file_that_grows(void **state)
{
    struct fls_source *source;
    struct fls_view view;
    uint8_t memory[20];
    struct iovec segment = {memory, 10};
    size_t filled;

    (void)state;
    unlink(scratch_path());
    append_to_scratch("abc", 3);
    assert_ok(fls_source_open_file(scratch_path(), 0, &source, NULL));
    assert_int_equal(fls_source_peek(source, 5, &view, NULL), FLS_END);
    assert_int_equal(view.available, 3);
    append_to_scratch("defg", 4);
    assert_int_equal(fls_source_remaining(source), 7);
    assert_ok(fls_source_peek(source, 5, &view, NULL));
    assert_memory_equal(view.bytes, "abcdefg", 7);
    fls_source_consume(source, 7);
    assert_int_equal(fls_source_read_into(source, &segment, 1, &filled, NULL), FLS_END);
    assert_int_equal(filled, 0);
    append_to_scratch("0123456789xyz", 13);
    assert_ok(fls_source_read_into(source, &segment, 1, &filled, NULL));
    assert_memory_equal(memory, "0123456789", 10);
    assert_ok(fls_source_peek(source, 3, &view, NULL));
    assert_memory_equal(view.bytes, "xyz", 3);
    fls_source_close(source);
    unlink(scratch_path());
}

/* --- non-blocking --------------------------------------------------------------------------------
 */

static void check_non_blocking(int reading, int writing)
{
    struct fls_source *source;
    struct fls_view view;
    uint8_t memory[10];
    struct iovec segment = {memory, 10};
    size_t filled;
    uint64_t skipped;

    assert_int_equal(fcntl(reading, F_SETFL, O_NONBLOCK), 0);
    assert_ok(fls_source_open_fd(reading, FLS_OWNED, READ_AHEAD, &source, NULL));
    assert_int_equal(fls_source_peek(source, 4, &view, NULL), FLS_AGAIN);
    assert_int_equal(view.available, 0);
    assert_int_equal(write(writing, "ab", 2), 2);
    assert_int_equal(fls_source_peek(source, 4, &view, NULL), FLS_AGAIN);
    assert_int_equal(view.available, 2);
    assert_int_equal(write(writing, "cd", 2), 2);
    assert_ok(fls_source_peek(source, 4, &view, NULL));
    assert_memory_equal(view.bytes, "abcd", 4);
    fls_source_consume(source, 1);
    assert_int_equal(fls_source_read_into(source, &segment, 1, &filled, NULL), FLS_AGAIN);
    assert_int_equal(filled, 3);
    assert_memory_equal(memory, "bcd", 3);
    assert_int_equal(write(writing, "efg", 3), 3);
    assert_int_equal(fls_source_skip(source, 5, &skipped, NULL), FLS_AGAIN);
    assert_int_equal(skipped, 3);
    close(writing);
    assert_int_equal(fls_source_peek(source, 1, &view, NULL), FLS_END);
    fls_source_close(source);
}

static void non_blocking(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    check_non_blocking(ends[0], ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    check_non_blocking(ends[0], ends[1]);
}

/* While little waits in a pipe it is read a little at a time; what has gathered is taken at once.
 */
static void pipes_are_read_by_what_waits(void **state)
{
    struct fls_source *source;
    struct fls_view view;
    uint8_t bytes[64 * 1024] = {0};
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_ok(fls_source_open_fd(ends[0], FLS_OWNED, 0, &source, NULL));
    assert_int_equal(write(ends[1], bytes, 20000), 20000);
    assert_ok(fls_source_peek(source, 1, &view, NULL));
    assert_int_equal(view.available, 8192);
    assert_int_equal(source->system_calls, 2); /* how much there is, and the read */
    assert_ok(fls_source_peek(source, 20000, &view, NULL));
    assert_int_equal(view.available, 20000);
    assert_int_equal(source->system_calls, 4);
    fls_source_consume(source, 20000);
    for (int i = 0; i < 29; i++) { /* the last small reads before the next look */
        assert_int_equal(write(ends[1], bytes, 100), 100);
        assert_ok(fls_source_peek(source, 1, &view, NULL));
        fls_source_consume(source, 100);
    }
    assert_int_equal(source->system_calls, 33);
    assert_int_equal(write(ends[1], bytes, sizeof bytes), sizeof bytes);
    assert_ok(fls_source_peek(source, 1, &view, NULL));
    assert_int_equal(view.available, sizeof bytes);
    assert_int_equal(source->system_calls, 35);
    close(ends[1]);
    fls_source_close(source);
}

static void terminal(void **state)
{
    struct termios raw = {.c_cflag = CS8 | CREAD, .c_cc[VMIN] = 1};
    struct fls_source *source;
    struct fls_view view;
    int master, slave;

    (void)state;
    if (openpty(&master, &slave, NULL, &raw, NULL) != 0)
        skip(); /* no terminals here */
    assert_ok(fls_source_open_fd(slave, FLS_OWNED, 0, &source, NULL));
    assert_int_equal(write(master, "abc", 3), 3);
    assert_ok(fls_source_peek(source, 3, &view, NULL));
    assert_memory_equal(view.bytes, "abc", 3);
    assert_int_equal(fls_source_remaining(source), UINT64_MAX);
    fls_source_close(source);
    close(master);
}

/* --- what cannot be opened or read ---------------------------------------------------------------
 */

static void not_usable(void **state)
{
    struct fls_error error = FLS_ZERO;
    struct fls_source *source;
    struct fls_view view;
    int ends[2];

    (void)state;
    assert_int_equal(fls_source_open_file("/nowhere/x", 0, &source, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOENT);
    assert_int_equal(fls_source_open_mmap("/nowhere/x", &source, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOENT);
    assert_int_equal(fls_source_open_mmap("/tmp", &source, &error), FLS_IO);
    assert_int_equal(error.os_errno, EISDIR);
    assert_int_equal(fls_source_open_mmap("/dev/null", &source, &error), FLS_IO);
    assert_int_equal(fls_source_open_fd(-1, FLS_BORROWED, 0, &source, &error), FLS_IO);
    assert_int_equal(error.os_errno, EBADF);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fls_source_open_fd(ends[1], FLS_OWNED, 0, &source, &error), FLS_IO);
    assert_int_equal(error.os_errno, EBADF);
    assert_true(fcntl(ends[1], F_GETFD) >= 0);
    close(ends[0]);
    close(ends[1]);
    assert_ok(
        fls_source_open_file("/tmp", 0, &source, NULL)); /* a folder opens, but does not read */
    assert_int_equal(fls_source_peek(source, 1, &view, &error), FLS_IO);
    assert_int_equal(error.os_errno, EISDIR);
    fls_source_close(source);
    fls_source_close(NULL);
}

static void read_ahead_has_a_least_size(void **state)
{
    struct fls_source *source;

    (void)state;
    assert_ok(fls_source_open_file("/dev/null", 1, &source, NULL));
    assert_int_equal(source->peek_bytes_max, 4096);
    fls_source_close(source);
    assert_ok(fls_source_open_file("/dev/null", 0, &source, NULL));
    assert_int_equal(source->peek_bytes_max, FLS_READ_AHEAD_BYTES_DEFAULT);
    fls_source_close(source);
}

/* --- decorators ----------------------------------------------------------------------------------
 */

static void counting(void **state)
{
    uint8_t *bytes = pattern(10000), memory[100];
    struct fls_source *source = open_backend(COUNTED, bytes, 10000);
    struct iovec segments[2] = {{memory, 60}, {memory + 60, 40}};
    struct fls_view view;
    size_t filled;

    (void)state;
    assert_ok(fls_source_peek(source, 10, &view, NULL));
    fls_source_consume(source, 10);
    assert_ok(fls_source_read_into(source, segments, 2, &filled, NULL));
    assert_int_equal(counts.calls, 2);
    assert_int_equal(counts.segments, 2);
    assert_int_equal(counts.bytes, 110);
    assert_int_equal(source->system_calls, 1);
    assert_int_equal(source->peek_bytes_max, READ_AHEAD);
    close_backend(source);
    free(bytes);
}

static void faulty(void **state)
{
    uint8_t *bytes = pattern(10000), memory[10];
    struct fls_error error = FLS_ZERO;
    struct fls_source *source = open_backend(TRICKLED, bytes, 10000);
    struct iovec segment = {memory, 10};
    struct fls_view view;
    size_t filled;

    (void)state;
    assert_ok(fls_source_peek(source, 10, &view, NULL));
    assert_int_equal(view.available, 13);
    plan.fail_at = plan.calls + 1;
    plan.os_errno = EIO;
    plan.status = FLS_IO;
    assert_int_equal(fls_source_peek(source, 10, &view, &error), FLS_IO);
    assert_int_equal(error.os_errno, EIO);
    plan.fail_at = plan.calls + 3;
    plan.status = FLS_AGAIN;
    assert_int_equal(fls_source_read_into(source, &segment, 1, &filled, NULL), FLS_AGAIN);
    assert_int_equal(filled, 6);
    assert_memory_equal(memory, bytes, 6);
    assert_ok(fls_source_read_into(source, &segment, 1, &filled, NULL));
    assert_memory_equal(memory, bytes + 6, 10);
    assert_int_equal(source->system_calls, 1);
    plan.bytes_max = SIZE_MAX;
    assert_ok(fls_source_peek(source, 10, &view, NULL));
    assert_true(view.available >= 10);
    close_backend(source);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peek_and_consume),
        cmocka_unit_test(end_shows_what_is_left),
        cmocka_unit_test(peek_beyond_its_maximum),
        cmocka_unit_test(read_into_segments),
        cmocka_unit_test(read_into_at_the_end),
        cmocka_unit_test(read_into_reads_ahead),
        cmocka_unit_test(remaining_and_skip),
        cmocka_unit_test(descriptor_in_mid_file),
        cmocka_unit_test(file_that_grows),
        cmocka_unit_test(non_blocking),
        cmocka_unit_test(pipes_are_read_by_what_waits),
        cmocka_unit_test(terminal),
        cmocka_unit_test(not_usable),
        cmocka_unit_test(read_ahead_has_a_least_size),
        cmocka_unit_test(counting),
        cmocka_unit_test(faulty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
