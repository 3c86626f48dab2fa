/*
 * uring_test.c: the io_uring sinks and source beside plain memory: whatever is written is in the
 * file, exactly, after each flush; whatever is in the file is read; and what the kernel may do to
 * them (short results, errors, refusals) is done to them at every completion.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/uring.h"
#include "support/data_file.h"
#include "support/test.h"

#define WATCHDOG_S 400 /* a disk that others keep busy takes its time */
#define BYTES_MAX ((size_t)8 << 20)

static char folder[] = "/var/tmp/flatstream-uring-XXXXXX";
static char path[64], other[64];
static uint8_t *pattern; /* BYTES_MAX of them, without a period that a block could hide */
static unsigned seed = 1;

static unsigned random_below(unsigned bound)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % bound;
}

/* --- what is done to the ring ------------------------------------------------------------------
 */

enum harm { NONE, SHORT_ONE, SHORT_HALF, RESULT, WAITING };

/* From the `at`-th completion on (of `tag` only, unless it is -1), `count` of them are harmed. */
static struct {
    enum harm harm;
    int os_errno;
    uint64_t at;
    uint64_t count;
    int tag;
    uint64_t seen;
    uint64_t touched;
    int refuse_ring;
    int refuse_direct;
    int submit_result;
    uint64_t submit_count;
} plan;

static void plan_nothing(void)
{
    memset(&plan, 0, sizeof plan);
    plan.tag = -1;
}

static void plan_harm(enum harm harm, int os_errno, uint64_t at, uint64_t count)
{
    plan_nothing();
    plan.harm = harm;
    plan.os_errno = os_errno;
    plan.at = at;
    plan.count = count;
}

int __real_fls_ring_wait(struct fls_ring *ring, struct fls_ring_result *result);
int __wrap_fls_ring_wait(struct fls_ring *ring, struct fls_ring_result *result);

static int is_to_be_harmed(void)
{
    if (plan.harm == NONE || ++plan.seen < plan.at || plan.seen - plan.at >= plan.count)
        return 0;
    plan.touched++;
    return 1;
}

int __wrap_fls_ring_wait(struct fls_ring *ring, struct fls_ring_result *result)
{
    if (plan.harm == WAITING)
        return is_to_be_harmed() ? plan.os_errno : __real_fls_ring_wait(ring, result);
    int failure = __real_fls_ring_wait(ring, result);
    if (failure || (plan.tag >= 0 && (unsigned)plan.tag != result->tag) || !is_to_be_harmed())
        return failure;
    if (plan.harm == RESULT)
        result->result = -plan.os_errno;
    else if (result->result > 1)
        result->result = plan.harm == SHORT_ONE ? 1 : result->result / 2;
    return 0;
}

/* Not there in a build without liburing. */
struct io_uring;
int __real_io_uring_queue_init(unsigned depth, struct io_uring *ring, unsigned flags)
    __attribute__((weak));
int __wrap_io_uring_queue_init(unsigned depth, struct io_uring *ring, unsigned flags);
int __real_io_uring_submit(struct io_uring *ring) __attribute__((weak));
int __wrap_io_uring_submit(struct io_uring *ring);

int __wrap_io_uring_queue_init(unsigned depth, struct io_uring *ring, unsigned flags)
{
    return plan.refuse_ring ? -plan.refuse_ring : __real_io_uring_queue_init(depth, ring, flags);
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
    if (plan.submit_count == 0)
        return __real_io_uring_submit(ring);
    plan.submit_count--;
    return plan.submit_result;
}

int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...);

int __wrap_open(const char *name, int flags, ...)
{
    if ((flags & O_DIRECT) && plan.refuse_direct) {
        errno = EINVAL;
        return -1;
    }
    return __real_open(name, flags, 0666);
}

int __real_fallocate(int fd, int mode, off_t from, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t from, off_t bytes);

static int refuse_longer;
static unsigned made_longer;

int __wrap_fallocate(int fd, int mode, off_t from, off_t bytes)
{
    made_longer++;
    if (refuse_longer) {
        (void)!ftruncate(fd, from + bytes / 2); /* half way */
        errno = ENOSPC;
        return -1;
    }
    return __real_fallocate(fd, mode, from, bytes);
}

/* --- files -------------------------------------------------------------------------------------
 */

static void make_file(const void *bytes, size_t length, const char *name, const char *mode)
{
    FILE *file = fopen(name, mode);

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static size_t file_bytes(const char *name)
{
    struct stat information;

    assert_int_equal(stat(name, &information), 0);
    return (size_t)information.st_size;
}

/* The file is the first `length` bytes of the pattern, and no more. */
static void assert_file(size_t length)
{
    size_t bytes;
    char *content = test_read_file(path, &bytes);

    assert_int_equal(bytes, length);
    assert_memory_equal(content, pattern, length);
    free(content);
}

/* Writes the pattern's bytes [*at, *at + bytes) in up to three segments. */
static enum fls_status write_some(struct fls_sink *sink, size_t *at, size_t bytes,
                                  struct fls_error *error)
{
    size_t first = random_below((unsigned)bytes + 1);
    size_t second = random_below((unsigned)(bytes - first) + 1);
    struct iovec segments[3] = {{pattern + *at, first},
                                {pattern + *at + first, second},
                                {pattern + *at + first + second, bytes - first - second}};
    struct fls_write_cursor cursor = {segments, 3, 0};
    uint64_t accepted = 0;
    enum fls_status status = fls_sink_write(sink, &cursor, &accepted, error);

    if (status == FLS_OK)
        assert_int_equal(accepted, bytes);
    *at += accepted;
    return status;
}

static struct fls_sink *open_sink(enum fls_file_mode mode, const struct fls_uring_options *options)
{
    struct fls_sink *sink = NULL;
    struct fls_error error;

    if (fls_sink_open_uring_file(path, mode, options, &sink, &error) != FLS_OK)
        fail_msg("%s %s", error.subject, error.reason);
    return sink;
}

static struct fls_uring_options random_options(void)
{
    static const size_t buffers[] = {4096, 1, 5000, 16384, 65536, 0, 1 << 20};

    return (struct fls_uring_options){.depth = 2 + random_below(15),
                                      .buffer_bytes = buffers[random_below(7)],
                                      .direct = (int)random_below(2),
                                      .extend_ahead = (int)random_below(2)};
}

static size_t random_size(void)
{
    static const unsigned bounds[] = {2, 100, 4097, 9000, 70000, 400000};

    return random_below(bounds[random_below(6)]);
}

/* --- the file sink -----------------------------------------------------------------------------
 */

/* Writes and flushes at random from byte `at` on; after each flush the file is exact. */
static void write_at_random(struct fls_sink *sink, size_t at, unsigned steps)
{
    struct fls_error error;

    for (unsigned i = 0; i < steps && at + 400000 < BYTES_MAX; i++) {
        assert_ok(write_some(sink, &at, random_size(), &error));
        if (random_below(4) == 0) {
            assert_ok(fls_sink_flush(sink, (enum fls_level)random_below(3), &error));
            assert_ok(fls_sink_flush(sink, FLS_LEVEL_PROCESS, &error));
            assert_file(at);
        }
    }
    assert_ok(fls_sink_close(sink, &error));
    assert_file(at);
}

static void file_is_exact(void **state)
{
    (void)state;
    plan_nothing();
    for (int round = 0; round < 120; round++) {
        struct fls_uring_options options = random_options();
        unlink(path);
        if (round % 3 == 1)
            make_file("old", 3, path, "wb");
        write_at_random(
            open_sink(round % 3 == 1 ? FLS_FILE_TRUNCATE : FLS_FILE_CREATE_NEW, &options), 0,
            random_below(20));
    }
}

/* Appending goes on at the end, wherever that is; several times over. */
static void appends(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 4095, 4096, 4097, 8192, 10000, 65536, 300001};

    plan_nothing();
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (int direct = 0; direct < 2; direct++) {
            struct fls_uring_options options = random_options();
            options.direct = direct;
            make_file(pattern, lengths[i], path, "wb");
            write_at_random(open_sink(FLS_FILE_APPEND, &options), lengths[i], 6);
            size_t length = file_bytes(path);
            assert_ok(fls_sink_close(open_sink(FLS_FILE_APPEND, &options), NULL));
            assert_file(length);
            write_at_random(open_sink(FLS_FILE_APPEND, &options), length, 6);
        }
    }
}

/* Long files: pieces of the pattern, each from another place, so that a step of any size that went
 * wrong is seen. */
#define PIECE_BYTES ((size_t)999983)

static const uint8_t *piece_at(size_t i)
{
    return pattern + i * 7919 % (BYTES_MAX - PIECE_BYTES);
}

static enum fls_status write_pieces(struct fls_sink *sink, size_t from, size_t to)
{
    enum fls_status status = FLS_OK;

    for (size_t i = from; i < to && status == FLS_OK; i++) {
        struct iovec segment = {(void *)(uintptr_t)piece_at(i), PIECE_BYTES};
        struct fls_write_cursor cursor = {&segment, 1, 0};
        status = fls_sink_write(sink, &cursor, NULL, NULL);
    }
    return status;
}

/* The file begins with `least` bytes of pieces, and with `exact` it ends there. */
static void assert_pieces(size_t least, int exact)
{
    size_t length;
    char *content = test_read_file(path, &length);

    assert_true(exact ? length == least : length >= least);
    for (size_t at = 0; at < least; at += PIECE_BYTES)
        assert_memory_equal(content + at, piece_at(at / PIECE_BYTES),
                            least - at < PIECE_BYTES ? least - at : PIECE_BYTES);
    free(content);
}

/* A long direct file is made longer than its bytes while it is written; after a flush it is not. */
static void long_file_is_exact(void **state)
{
    static const struct fls_uring_options variants[] = {
        {.direct = 1, .extend_ahead = 1},
        {.direct = 1, .depth = 8, .buffer_bytes = 65536, .extend_ahead = 1},
        {.direct = 1}};

    (void)state;
    plan_nothing();
    for (int variant = 0; variant < 6; variant++) {
        const struct fls_uring_options *options = &variants[variant / 2];
        refuse_longer = variant % 2;
        made_longer = 0;
        struct fls_sink *sink = open_sink(FLS_FILE_TRUNCATE, options);
        assert_ok(write_pieces(sink, 0, 30));
        assert_int_equal(made_longer > 0, options->extend_ahead);
        if (options->extend_ahead && !refuse_longer)
            assert_true(file_bytes(path) > 30 * PIECE_BYTES);
        assert_ok(fls_sink_flush(sink, FLS_LEVEL_PROCESS, NULL));
        assert_pieces(30 * PIECE_BYTES, 1);
        assert_ok(write_pieces(sink, 30, 33));
        assert_ok(fls_sink_flush(sink, FLS_LEVEL_MACHINE, NULL));
        assert_pieces(33 * PIECE_BYTES, 1);
        assert_ok(write_pieces(sink, 33, 50));
        assert_ok(fls_sink_close(sink, NULL));
        assert_pieces(50 * PIECE_BYTES, 1);
        sink = open_sink(FLS_FILE_APPEND, options);
        assert_ok(write_pieces(sink, 50, 65));
        assert_ok(fls_sink_close(sink, NULL));
        assert_pieces(65 * PIECE_BYTES, 1);
    }
    refuse_longer = 0;
}

/* After a failure nothing is left of what it was made longer by. */
static void long_file_is_cut(void **state)
{
    static const struct fls_uring_options options = {
        .direct = 1, .buffer_bytes = 65536, .extend_ahead = 1};

    (void)state;
    for (uint64_t at = 60; at < 300; at += 37) {
        plan_nothing();
        struct fls_sink *sink = open_sink(FLS_FILE_TRUNCATE, &options);
        plan_harm(RESULT, ENOSPC, at, UINT64_MAX);
        assert_int_equal(write_pieces(sink, 0, 40), FLS_IO);
        assert_int_equal(fls_sink_close(sink, NULL), FLS_IO);
        assert_true(file_bytes(path) > 0);
        assert_pieces(file_bytes(path), 1);
    }
    plan_nothing();
}

/* One that is killed leaves what it had flushed, with zeros behind. */
static void long_file_survives_the_process(void **state)
{
    static const struct fls_uring_options options = {.direct = 1, .extend_ahead = 1};
    struct fls_sink *sink = NULL;
    int status;

    (void)state;
    plan_nothing();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (fls_sink_open_uring_file(path, FLS_FILE_TRUNCATE, &options, &sink, NULL) != FLS_OK ||
            write_pieces(sink, 0, 10) != FLS_OK ||
            fls_sink_flush(sink, FLS_LEVEL_PROCESS, NULL) != FLS_OK ||
            write_pieces(sink, 10, 25) != FLS_OK)
            _exit(1);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_pieces(10 * PIECE_BYTES, 0);
}

/* A process that ends without a word leaves exactly what it had flushed, when it wrote no more, and
 * at least that when it did. */
static void survives_the_process(void **state)
{
    (void)state;
    plan_nothing();
    for (int round = 0; round < 20; round++) {
        struct fls_uring_options options = random_options();
        size_t before = random_size(), after = round % 2 ? random_size() : 0, at = 0;
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct fls_sink *sink = NULL;
            if (fls_sink_open_uring_file(path, FLS_FILE_TRUNCATE, &options, &sink, NULL) !=
                    FLS_OK ||
                write_some(sink, &at, before, NULL) != FLS_OK ||
                fls_sink_flush(sink, FLS_LEVEL_PROCESS, NULL) != FLS_OK ||
                write_some(sink, &at, after, NULL) != FLS_OK)
                _exit(1);
            raise(SIGKILL);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        if (after == 0)
            assert_file(before);
        char *content = test_read_file(path, &at);
        assert_true(at >= before);
        assert_memory_equal(content, pattern, before);
        free(content);
    }
}

/* The file as it is after a failure and the close: a piece of the pattern from its start, in which
 * what was there and what was flushed is whole. */
static void assert_prefix(size_t least, size_t most)
{
    size_t length = file_bytes(path);

    assert_true(length >= least && length <= most);
    assert_file(length);
}

static void assert_begins(size_t least)
{
    size_t length;
    char *content = test_read_file(path, &length);

    assert_true(length >= least);
    assert_memory_equal(content, pattern, least);
    free(content);
}

/* No more room behind `limit` bytes. */
static void check_limited(size_t limit, size_t existing, const struct fls_uring_options *options)
{
    struct rlimit before, small;
    struct fls_error error;
    enum fls_status status = FLS_OK;
    size_t at = existing, flushed = existing;

    make_file(pattern, existing, path, "wb");
    struct fls_sink *sink = open_sink(FLS_FILE_APPEND, options);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = limit;
    setrlimit(RLIMIT_FSIZE, &small);
    while (status == FLS_OK && at < limit + (4 << 20)) {
        status = write_some(sink, &at, random_size() + 1, &error);
        if (status == FLS_OK && random_below(5) == 0) {
            status = fls_sink_flush(sink, FLS_LEVEL_PROCESS, &error);
            flushed = status == FLS_OK ? at : flushed;
        }
    }
    if (status == FLS_OK)
        status = fls_sink_flush(sink, FLS_LEVEL_MACHINE, &error);
    assert_int_equal(status, FLS_IO);
    assert_int_equal(error.os_errno, EFBIG);
    assert_int_equal(write_some(sink, &at, 1, &error), FLS_IO);
    assert_int_equal(fls_sink_flush(sink, FLS_LEVEL_PROCESS, &error), FLS_IO);
    assert_int_equal(error.os_errno, EFBIG);
    assert_int_equal(fls_sink_close(sink, &error), FLS_IO);
    assert_int_equal(error.os_errno, EFBIG);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_prefix(flushed, limit);
}

static void no_room(void **state)
{
    (void)state;
    plan_nothing();
    signal(SIGXFSZ, SIG_IGN);
    for (int round = 0; round < 40; round++) {
        struct fls_uring_options options = random_options();
        size_t existing = random_below(2) ? random_size() : 0;
        size_t limit = existing + 1 + random_below(1500000);
        if (round % 4 == 0) /* where O_DIRECT can still write, but less than a page */
            limit = (limit + 511) & ~(size_t)511;
        check_limited(limit, existing, &options);
    }
}

/* One course of writes and flushes on a file that has `existing` bytes, under the plan. */
static enum fls_status course(const struct fls_uring_options *options, size_t existing,
                              struct fls_error *error)
{
    static const size_t sizes[] = {100, 9000, 20000, 1, 12288, 4096, 30000};
    enum fls_status status = FLS_OK;
    size_t at = existing, flushed = existing;

    unlink(path); /* a write that was given up on before may still come, to the file before */
    make_file(pattern, existing, path, "wb");
    struct fls_sink *sink = open_sink(FLS_FILE_APPEND, options);
    for (size_t i = 0; i < 14 && status == FLS_OK; i++) {
        status = write_some(sink, &at, sizes[i % 7], error);
        if (status == FLS_OK && i % 4 == 3) {
            status =
                fls_sink_flush(sink, i % 8 == 3 ? FLS_LEVEL_MACHINE : FLS_LEVEL_PROCESS, error);
            flushed = status == FLS_OK ? at : flushed;
        }
    }
    if (status != FLS_OK) {
        int os_errno = error->os_errno;
        assert_int_equal(write_some(sink, &at, 1, error), FLS_IO);
        assert_int_equal(fls_sink_flush(sink, FLS_LEVEL_MACHINE, error), FLS_IO);
        assert_int_equal(error->os_errno, os_errno);
    }
    enum fls_status closed = fls_sink_close(sink, error);
    if (status == FLS_OK)
        status = closed;
    assert_int_equal(closed, status);
    if (status == FLS_OK)
        assert_file(at);
    else if (plan.harm == WAITING && plan.count > 1)
        assert_begins(flushed); /* what was still in flight may come whenever it does */
    else
        assert_prefix(flushed, at);
    return status;
}

static const size_t harmed_existing[] = {0, 5000};

/* Harms completion k = 1, 2, ... of the course, until there is no such; `mild` harm does not show.
 */
static void harm_each_completion(enum harm harm, int os_errno, uint64_t count, int mild)
{
    for (int direct = 0; direct < 2; direct++) {
        for (size_t e = 0; e < 2; e++) {
            struct fls_uring_options options = {3, 4096, direct, direct};
            for (uint64_t k = 1; k < 200; k++) {
                struct fls_error error = FLS_ZERO;
                plan_harm(harm, os_errno, k, count);
                enum fls_status status = course(&options, harmed_existing[e], &error);
                if (plan.touched == 0)
                    break;
                assert_int_equal(status, mild ? FLS_OK : FLS_IO);
                if (!mild)
                    assert_int_equal(error.os_errno, os_errno);
            }
            assert_int_equal(plan.touched, 0);
        }
    }
    plan_nothing();
}

static void short_completions(void **state)
{
    (void)state;
    harm_each_completion(SHORT_ONE, 0, 1, 1);
    harm_each_completion(SHORT_HALF, 0, 3, 1);
    harm_each_completion(RESULT, EINTR, 1, 1);
    harm_each_completion(RESULT, EAGAIN, 2, 1);
}

static void failed_completions(void **state)
{
    (void)state;
    harm_each_completion(RESULT, EIO, 1, 0);
    harm_each_completion(RESULT, ENOSPC, UINT64_MAX, 0);
}

/* Waiting itself fails: once, or from there on. */
static void failed_waiting(void **state)
{
    (void)state;
    harm_each_completion(WAITING, ENXIO, 1, 0);
    harm_each_completion(WAITING, ENXIO, UINT64_MAX, 0);
}

static void failed_submitting(void **state)
{
    (void)state;
    struct fls_uring_options options = {3, 4096, 0, 0};
    struct fls_error error;

    plan_nothing();
    plan.submit_result = -EAGAIN;
    plan.submit_count = 3;
    assert_ok(course(&options, 0, &error));
    plan.submit_result = -EINTR;
    plan.submit_count = 3;
    assert_ok(course(&options, 5000, &error));
    plan.submit_result = -EBADR;
    plan.submit_count = 1;
    assert_int_equal(course(&options, 5000, &error), FLS_IO);
    assert_int_equal(error.os_errno, EBADR);
    plan_nothing();
}

/* --- refusals ----------------------------------------------------------------------------------
 */

static void assert_says(const struct fls_error *error, const char *words)
{
    if (!strstr(error->reason, words))
        fail_msg("\"%s\" does not say \"%s\"", error->reason, words);
}

/* Where O_DIRECT or the whole of io_uring is refused, nothing has happened to any file. */
static void check_untouched(const struct fls_uring_options *options, const char *words)
{
    struct fls_sink *sink = NULL;
    struct fls_source *source = NULL;
    struct fls_error error;

    make_file(pattern, 1000, path, "wb");
    unlink(other);
    for (int mode = FLS_FILE_TRUNCATE; mode <= FLS_FILE_APPEND; mode++) {
        assert_int_equal(
            fls_sink_open_uring_file(path, (enum fls_file_mode)mode, options, &sink, &error),
            FLS_UNSUPPORTED);
        assert_says(&error, words);
        assert_file(1000);
    }
    assert_int_equal(fls_sink_open_uring_file(other, FLS_FILE_CREATE_NEW, options, &sink, &error),
                     FLS_UNSUPPORTED);
    assert_int_equal(access(other, F_OK), -1);
    assert_int_equal(fls_source_open_uring_file(path, options, &source, &error), FLS_UNSUPPORTED);
    assert_says(&error, words);
    assert_null(sink);
    assert_null(source);
}

static void direct_is_refused(void **state)
{
    (void)state;
    struct fls_uring_options options = {0, 0, 1, 1};

    plan_nothing();
    plan.refuse_direct = 1;
    check_untouched(&options, "O_DIRECT");
    plan_nothing();
}

static void ring_is_refused(void **state)
{
    (void)state;
    struct fls_sink *sink = NULL;
    struct fls_error error;
    int pair[2];

    plan_nothing();
    plan.refuse_ring = EPERM;
    check_untouched(NULL, "io_uring");
    assert_int_equal(fls_uring_probe(&error), FLS_UNSUPPORTED);
    assert_says(&error, "io_uring");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(fls_sink_open_uring_socket(pair[0], FLS_OWNED, 0, &sink, &error),
                     FLS_UNSUPPORTED);
    assert_int_equal(close(pair[0]), 0);
    close(pair[1]);
    plan_nothing();
}

static void wrong_files(void **state)
{
    (void)state;
    struct fls_sink *sink = NULL;
    struct fls_source *source = NULL;
    struct fls_error error;
    char pipe_path[96];

    plan_nothing();
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    const char *const names[] = {"/dev/null", pipe_path};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fls_sink_open_uring_file(names[i], FLS_FILE_TRUNCATE, NULL, &sink, &error),
                         FLS_INVALID_ARGUMENT);
        assert_int_equal(fls_source_open_uring_file(names[i], NULL, &source, &error),
                         FLS_INVALID_ARGUMENT);
    }
    unlink(pipe_path);
    assert_int_equal(fls_sink_open_uring_file(folder, FLS_FILE_APPEND, NULL, &sink, &error),
                     FLS_IO);
    assert_int_equal(fls_source_open_uring_file(folder, NULL, &source, &error),
                     FLS_INVALID_ARGUMENT);
    unlink(path);
    assert_int_equal(fls_source_open_uring_file(path, NULL, &source, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOENT);
    assert_int_equal(fls_sink_open_uring_file(path, (enum fls_file_mode)3, NULL, &sink, &error),
                     FLS_INVALID_ARGUMENT);
    make_file(pattern, 10, path, "wb");
    assert_int_equal(fls_sink_open_uring_file(path, FLS_FILE_CREATE_NEW, NULL, &sink, &error),
                     FLS_IO);
    assert_int_equal(error.os_errno, EEXIST);
    assert_file(10);
}

/* --- the source --------------------------------------------------------------------------------
 */

static struct fls_source *open_source(const struct fls_uring_options *options)
{
    struct fls_source *source = NULL;
    struct fls_error error;

    if (fls_source_open_uring_file(path, options, &source, &error) != FLS_OK)
        fail_msg("%s %s", error.subject, error.reason);
    return source;
}

/* One random step at byte `*at` of a file of `length`: peek, then consume part; or read_into. */
static void step(struct fls_source *source, size_t *at, size_t length)
{
    static uint8_t copy[600000];
    size_t left = length - *at, filled;
    struct fls_view view;
    struct fls_error error;

    if (random_below(3) == 0) {
        size_t first = random_size(), second = random_below(1000);
        struct iovec segments[2] = {{copy, first}, {copy + first, second}};
        enum fls_status status = fls_source_read_into(source, segments, 2, &filled, &error);
        assert_int_equal(status, first + second <= left ? FLS_OK : FLS_END);
        assert_int_equal(filled, first + second <= left ? first + second : left);
        assert_memory_equal(copy, pattern + *at, filled);
        *at += filled;
        return;
    }
    size_t need = random_size();
    if (need > source->peek_bytes_max || random_below(10) == 0)
        need = source->peek_bytes_max;
    enum fls_status status = fls_source_peek(source, need, &view, &error);
    assert_int_equal(status, (need ? need : 1) <= left ? FLS_OK : FLS_END);
    if (status == FLS_OK)
        assert_true(view.available >= need && view.available <= left);
    else
        assert_int_equal(view.available, left);
    assert_memory_equal(view.bytes, pattern + *at, view.available);
    size_t taken = random_below(2) ? view.available : random_below((unsigned)view.available + 1);
    fls_source_consume(source, taken);
    *at += taken;
    assert_int_equal(fls_source_remaining(source), length - *at);
}

static void read_to_the_end(const struct fls_uring_options *options, size_t length)
{
    struct fls_source *source = open_source(options);
    struct fls_view view;
    struct fls_error error;
    size_t at = 0;

    assert_int_equal(fls_source_peek(source, source->peek_bytes_max + 1, &view, &error),
                     FLS_TOO_SMALL);
    while (at < length)
        step(source, &at, length);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fls_source_peek(source, 1, &view, &error), FLS_END);
    fls_source_close(source);
}

static void source_reads_the_file(void **state)
{
    (void)state;
    static const size_t lengths[] = {0,     1,     4095,  4096,   4097,   8191,   8192,
                                     12288, 65535, 65536, 262144, 262145, 1048576};

    plan_nothing();
    for (int round = 0; round < 80; round++) {
        struct fls_uring_options options = random_options();
        size_t length = round < 26 ? lengths[round % 13] : random_below(3000000);
        options.direct = round < 26 ? round / 13 : options.direct;
        make_file(pattern, length, path, "wb");
        read_to_the_end(&options, length);
    }
}

/* A file that grows between ends, by steps that meet every kind of boundary. */
static void source_follows_growth(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 4095, 4096, 1, 8191, 16384, 3, 4093, 100000, 0, 7, 40000};

    plan_nothing();
    for (int direct = 0; direct < 2; direct++) {
        struct fls_uring_options options = {4, 4096, direct, direct};
        struct fls_view view;
        struct fls_error error;
        size_t at = 0, length = 0;
        make_file(pattern, 0, path, "wb");
        struct fls_source *source = open_source(&options);
        for (size_t i = 0; i < 36; i++) {
            size_t keep = i % 3 * 1500; /* not all is consumed before it grows */
            make_file(pattern + length, steps[i % 12], path, "ab");
            length += steps[i % 12];
            while (length - at > keep) {
                assert_ok(fls_source_peek(source, 1, &view, &error));
                size_t part =
                    view.available < length - at - keep ? view.available : length - at - keep;
                assert_memory_equal(view.bytes, pattern + at, part);
                fls_source_consume(source, part);
                at += part;
            }
            assert_int_equal(fls_source_peek(source, length - at + 1, &view, &error), FLS_END);
            assert_int_equal(view.available, length - at);
            assert_memory_equal(view.bytes, pattern + at, view.available);
        }
        fls_source_close(source);
    }
}

/* Frames across the ring's end, and larger than all that it shows. */
static void reader_over_the_source(void **state)
{
    (void)state;
    struct fls_writer_options writing = {.framer = FLS_FRAMER_BATCHED,
                                         .checksum = FLS_CHECKSUM_XXH3};
    struct fls_reader_options reading = {.checksum = FLS_CHECKSUM_XXH3};
    enum { COUNT = 300 };
    size_t sizes[COUNT];
    struct fls_writer *writer;
    struct fls_reader *reader;
    struct fls_message message;

    plan_nothing();
    assert_ok(fls_writer_open_file(path, FLS_FILE_TRUNCATE, &writing, &writer, NULL));
    for (int i = 0; i < COUNT; i++) {
        sizes[i] = random_size();
        assert_ok(fls_writer_write(writer, pattern + i, sizes[i]));
    }
    assert_ok(fls_writer_close(writer, NULL));
    for (int direct = 0; direct < 2; direct++) {
        struct fls_uring_options options = {2 + 2 * (unsigned)direct, 4096, direct, direct};
        struct fls_source *source = open_source(&options);
        assert_ok(fls_reader_open(source, &reading, &reader, NULL));
        for (int i = 0; i < COUNT; i++) {
            assert_ok(fls_reader_next(reader, &message));
            assert_int_equal(message.bytes, sizes[i]);
            assert_memory_equal(message.payload, pattern + i, sizes[i]);
        }
        assert_int_equal(fls_reader_next(reader, &message), FLS_END);
        fls_reader_close(reader);
        fls_source_close(source);
    }
}

/* Reads all, going on after each error; returns how many there were. */
static unsigned read_despite(const struct fls_uring_options *options, size_t length, int os_errno)
{
    struct fls_source *source = open_source(options);
    enum fls_status status = FLS_OK;
    struct fls_view view;
    struct fls_error error;
    unsigned errors = 0;
    size_t at = 0;

    while (status != FLS_END) {
        size_t need = 1 + random_below((unsigned)source->peek_bytes_max);
        status = fls_source_peek(source, need, &view, &error);
        if (status == FLS_IO) {
            assert_int_equal(error.os_errno, os_errno);
            assert_true(++errors < 1000);
            continue;
        }
        assert_memory_equal(view.bytes, pattern + at, view.available);
        assert_true(view.available >= need || status == FLS_END);
        fls_source_consume(source, view.available);
        at += view.available;
    }
    assert_int_equal(at, length);
    fls_source_close(source);
    return errors;
}

static void source_harmed(void **state)
{
    (void)state;
    static const struct {
        enum harm harm;
        int os_errno;
        uint64_t count;
    } harms[] = {{SHORT_ONE, 0, 1},  {SHORT_HALF, 0, 5},  {SHORT_HALF, 0, UINT64_MAX},
                 {RESULT, EINTR, 2}, {RESULT, EAGAIN, 1}, {RESULT, EIO, 1},
                 {RESULT, EIO, 4},   {WAITING, ENXIO, 1}, {WAITING, ENXIO, 3}};
    static const size_t lengths[] = {20000, 24576};

    for (size_t h = 0; h < sizeof harms / sizeof harms[0]; h++) {
        for (int direct = 0; direct < 2; direct++) {
            struct fls_uring_options options = {3, 4096, direct, direct};
            size_t length = lengths[h % 2];
            if (direct && harms[h].count == UINT64_MAX)
                continue; /* a read that begins on a boundary would never get on */
            make_file(pattern, length, path, "wb");
            for (uint64_t k = 1; k < 40; k++) {
                plan_harm(harms[h].harm, harms[h].os_errno, k, harms[h].count);
                unsigned errors = read_despite(&options, length, harms[h].os_errno);
                if (plan.touched == 0)
                    break;
                if (harms[h].harm == SHORT_ONE || harms[h].harm == SHORT_HALF)
                    assert_int_equal(errors, 0);
            }
        }
    }
    plan_nothing();
}

/* What stands before a bad block is shown first, though the block was read ahead. */
static void source_fails_in_order(void **state)
{
    (void)state;
    struct fls_uring_options options = {8, 4096, 0, 0};
    struct fls_view view;
    struct fls_error error;

    make_file(pattern, 8 * 4096, path, "wb");
    plan_harm(RESULT, EIO, 1, UINT64_MAX);
    plan.tag = 3;
    struct fls_source *source = open_source(&options);
    for (size_t block = 0; block < 3; block++) {
        assert_ok(fls_source_peek(source, 4096, &view, &error));
        assert_memory_equal(view.bytes, pattern + block * 4096, 4096);
        fls_source_consume(source, 4096);
    }
    for (int i = 0; i < 5; i++)
        assert_int_equal(fls_source_peek(source, 1, &view, &error), FLS_IO);
    plan_nothing();
    assert_ok(fls_source_peek(source, 5 * 4096, &view, &error));
    assert_memory_equal(view.bytes, pattern + 3 * 4096, 5 * 4096);
    fls_source_close(source);
}

static void source_cannot_submit(void **state)
{
    (void)state;
    struct fls_uring_options options = {4, 4096, 0, 0};
    struct fls_view view;
    struct fls_error error;

    make_file(pattern, 100000, path, "wb");
    plan_nothing();
    plan.submit_result = -EAGAIN;
    plan.submit_count = 3;
    assert_int_equal(read_despite(&options, 100000, 0), 0);
    plan.submit_result = -EBADR;
    plan.submit_count = 1;
    struct fls_source *source = open_source(&options);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fls_source_peek(source, 1, &view, &error), FLS_IO);
        assert_int_equal(error.os_errno, EBADR);
    }
    fls_source_close(source);
    plan_nothing();
}

/* --- sockets -----------------------------------------------------------------------------------
 */

static void connect_pair(int tcp, int pair[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;

    if (!tcp) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        return;
    }
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(pair[0], (struct sockaddr *)&address, sizeof address), 0);
    pair[1] = accept(listener, NULL, NULL);
    assert_true(pair[1] >= 0);
    close(listener);
}

struct receiver {
    int fd;
    uint8_t *bytes;
    size_t length;
};

static void *receive(void *context)
{
    struct receiver *receiver = context;
    ssize_t got;

    receiver->bytes = malloc(BYTES_MAX);
    while (receiver->bytes && (got = read(receiver->fd, receiver->bytes + receiver->length,
                                          BYTES_MAX - receiver->length)) > 0)
        receiver->length += (size_t)got;
    return NULL;
}

/* Payloads that become garbage when they are released. */
static unsigned released;

static void spoil(void *context)
{
    struct iovec *segment = context;

    memset(segment->iov_base, 0xee, segment->iov_len);
    free(segment->iov_base);
    segment->iov_base = NULL;
    released++;
}

/* Writes owned messages of the pattern to the sink, and closes it. */
static void write_spoiled(struct fls_sink *sink)
{
    static struct iovec segments[60];
    struct fls_writer_options options = {.framer = FLS_FRAMER_BATCHED, .owns_sink = 1};
    struct fls_writer *writer;

    released = 0;
    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    for (unsigned i = 0; i < 60; i++) {
        size_t bytes = i % 7 == 0 ? 200000 : i % 3 == 0 ? 100 : 9000;
        segments[i] = (struct iovec){malloc(bytes), bytes};
        assert_non_null(segments[i].iov_base);
        memcpy(segments[i].iov_base, pattern + i, bytes);
        struct fls_payload payload = fls_payload_from_segments(&segments[i], 1);
        assert_ok(fls_writer_write_owned(writer, &payload, spoil, &segments[i]));
    }
    assert_ok(fls_writer_flush(writer, FLS_LEVEL_PROCESS));
    assert_int_equal(released, 60);
    assert_ok(fls_writer_close(writer, NULL));
}

static void assert_unspoiled(const uint8_t *bytes, size_t length)
{
    struct fls_reader *reader = open_memory_reader(bytes, length, NULL);
    struct fls_message message;

    for (unsigned i = 0; i < 60; i++) {
        assert_ok(fls_reader_next(reader, &message));
        assert_int_equal(message.bytes, i % 7 == 0 ? 200000 : i % 3 == 0 ? 100 : 9000);
        assert_memory_equal(message.payload, pattern + i, message.bytes);
    }
    assert_int_equal(fls_reader_next(reader, &message), FLS_END);
    fls_reader_close(reader);
}

/* Valgrind 3.19 runs one thread at a time and does not let another in while io_uring_enter waits:
 * a test whose other thread must act meanwhile would wait for ever. */
static void skip_under_valgrind(void)
{
    if (getenv("FLS_VALGRIND"))
        skip();
}

/* The kernel needs no byte of a payload once its release was called. */
static void releases_when_done(void **state)
{
    (void)state;
    skip_under_valgrind();
    plan_nothing();
    for (int direct = 0; direct < 2; direct++) {
        struct fls_uring_options options = {4, 8192, direct, direct};
        size_t length;
        write_spoiled(open_sink(FLS_FILE_TRUNCATE, &options));
        char *content = test_read_file(path, &length);
        assert_unspoiled((uint8_t *)content, length);
        free(content);
    }
    for (int way = 0; way < 4; way++) {
        struct fls_sink *sink;
        pthread_t thread;
        int pair[2];
        connect_pair(way & 1, pair);
        struct receiver receiver = {pair[1], NULL, 0};
        assert_ok(fls_sink_open_uring_socket(pair[0], FLS_OWNED, way >> 1, &sink, NULL));
        assert_int_equal(pthread_create(&thread, NULL, receive, &receiver), 0);
        write_spoiled(sink);
        pthread_join(thread, NULL);
        assert_non_null(receiver.bytes);
        assert_unspoiled(receiver.bytes, receiver.length);
        free(receiver.bytes);
        close(pair[1]);
    }
}

/* Small buffers make for short sends; the peer reads all. */
static void socket_sends_all(void **state)
{
    (void)state;
    skip_under_valgrind();
    plan_nothing();
    for (int way = 0; way < 4; way++) {
        struct fls_error error;
        struct fls_sink *sink;
        pthread_t thread;
        int pair[2], small = 4096;
        size_t at = 0;
        connect_pair(way & 1, pair);
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        struct receiver receiver = {pair[1], NULL, 0};
        assert_ok(fls_sink_open_uring_socket(pair[0], FLS_BORROWED, way >> 1, &sink, NULL));
        assert_int_equal(pthread_create(&thread, NULL, receive, &receiver), 0);
        while (at < 3000000)
            assert_ok(write_some(sink, &at, random_size() + 1, &error));
        assert_ok(fls_sink_flush(sink, FLS_LEVEL_PROCESS, &error));
        assert_int_equal(fls_sink_flush(sink, FLS_LEVEL_MACHINE, &error), FLS_UNSUPPORTED);
        assert_true(sink->system_calls > 0);
        assert_ok(fls_sink_close(sink, &error));
        assert_int_equal(close(pair[0]), 0);
        pthread_join(thread, NULL);
        assert_non_null(receiver.bytes);
        assert_int_equal(receiver.length, at);
        assert_memory_equal(receiver.bytes, pattern, at);
        free(receiver.bytes);
        close(pair[1]);
    }
}

/* A peer that is gone: an error, and no signal. */
static void socket_without_peer(void **state)
{
    (void)state;
    plan_nothing();
    signal(SIGPIPE, SIG_DFL);
    for (int way = 0; way < 4; way++) {
        struct fls_error error;
        struct fls_sink *sink;
        enum fls_status status = FLS_OK;
        int pair[2];
        size_t at = 0;
        connect_pair(way & 1, pair);
        assert_ok(fls_sink_open_uring_socket(pair[0], FLS_OWNED, way >> 1, &sink, NULL));
        close(pair[1]);
        while (status == FLS_OK && at < 4000000)
            status = write_some(sink, &at, 1000, &error);
        assert_int_equal(status, FLS_IO);
        assert_true(error.os_errno == EPIPE || error.os_errno == ECONNRESET);
        fls_sink_close(sink, NULL);
        assert_int_equal(fcntl(pair[0], F_GETFD), -1);
    }
    int pair[2];
    struct fls_sink *sink;
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(fls_sink_open_uring_socket(pair[0], FLS_BORROWED, 0, &sink, NULL), FLS_IO);
    close(pair[0]);
    close(pair[1]);
}

/* A socket that does not block says so, and goes on where it was. */
static void socket_that_would_block(void **state)
{
    (void)state;
    plan_nothing();
    for (int way = 0; way < 4; way++) {
        struct iovec segment = {pattern, BYTES_MAX / 2};
        struct fls_write_cursor cursor = {&segment, 1, 0};
        struct fls_error error;
        struct fls_sink *sink;
        enum fls_status status;
        uint64_t accepted = 0;
        size_t got = 0;
        int pair[2], times = 0;
        uint8_t *back = malloc(BYTES_MAX);
        assert_non_null(back);
        connect_pair(way & 1, pair);
        fcntl(pair[0], F_SETFL, O_NONBLOCK);
        fcntl(pair[1], F_SETFL, O_NONBLOCK);
        assert_ok(fls_sink_open_uring_socket(pair[0], FLS_OWNED, way >> 1, &sink, NULL));
        do {
            status = fls_sink_write(sink, &cursor, &accepted, &error);
            assert_true(status == FLS_OK || status == FLS_AGAIN);
            times += status == FLS_AGAIN;
            for (ssize_t n; (n = read(pair[1], back + got, BYTES_MAX - got)) > 0;)
                got += (size_t)n;
        } while (status == FLS_AGAIN);
        assert_true(times > 0);
        fls_sink_close(sink, NULL);
        fcntl(pair[1], F_SETFL, 0);
        for (ssize_t n; (n = read(pair[1], back + got, BYTES_MAX - got)) > 0;)
            got += (size_t)n;
        assert_int_equal(got, BYTES_MAX / 2);
        assert_memory_equal(back, pattern, got);
        free(back);
        close(pair[1]);
    }
}

/* --- running -----------------------------------------------------------------------------------
 */

/* All that can be asked of a build or a system without io_uring. */
static void says_that_there_is_none(void **state)
{
    (void)state;
    struct fls_uring_options options = {0, 0, 0, 0};
    struct fls_error error;

    assert_int_equal(fls_uring_probe(&error), FLS_UNSUPPORTED);
    assert_says(&error, "io_uring");
    check_untouched(&options, "io_uring");
}

static int run_all(void)
{
    static const struct CMUnitTest none[] = {cmocka_unit_test(says_that_there_is_none)};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_exact),
        cmocka_unit_test(appends),
        cmocka_unit_test(long_file_is_exact),
        cmocka_unit_test(long_file_is_cut),
        cmocka_unit_test(long_file_survives_the_process),
        cmocka_unit_test(survives_the_process),
        cmocka_unit_test(no_room),
        cmocka_unit_test(short_completions),
        cmocka_unit_test(failed_completions),
        cmocka_unit_test(failed_waiting),
        cmocka_unit_test(failed_submitting),
        cmocka_unit_test(direct_is_refused),
        cmocka_unit_test(ring_is_refused),
        cmocka_unit_test(wrong_files),
        cmocka_unit_test(source_reads_the_file),
        cmocka_unit_test(source_follows_growth),
        cmocka_unit_test(reader_over_the_source),
        cmocka_unit_test(source_harmed),
        cmocka_unit_test(source_fails_in_order),
        cmocka_unit_test(source_cannot_submit),
        cmocka_unit_test(releases_when_done),
        cmocka_unit_test(socket_sends_all),
        cmocka_unit_test(socket_without_peer),
        cmocka_unit_test(socket_that_would_block),
    };

    plan_nothing();
    if (fls_uring_probe(NULL) != FLS_OK)
        return cmocka_run_group_tests(none, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    alarm(getenv("FLS_VALGRIND") ? 5 * WATCHDOG_S : WATCHDOG_S);
    pattern = malloc(BYTES_MAX);
    if (!pattern || !mkdtemp(folder))
        return 1;
    for (size_t i = 0; i < BYTES_MAX; i++)
        pattern[i] = (uint8_t)((i * 2654435761u) >> 13);
    snprintf(path, sizeof path, "%s/stream", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    int failed = run_all();
    unlink(path);
    unlink(other);
    rmdir(folder);
    free(pattern);
    return failed;
}
