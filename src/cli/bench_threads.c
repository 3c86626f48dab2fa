/*
 * bench_threads.c: what takes two threads: a pipe's two ends, and a hand-over.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <flatstream/async.h>
#include <flatstream/clock.h>
#include <flatstream/reader.h>

#include "cli/bench.h"

/* --- a pipe --- */

struct far_end {
    int fd;
    enum fls_checksum_kind kind;
    size_t messages; /* that came */
    int failure;
};

/* Reads to the end; on a failure it closes the pipe, so that the writer does not wait for ever. */
static void *read_all(void *context)
{
    struct far_end *end = context;
    struct fls_reader_options options = {.checksum = end->kind, .alignment = 1, .owns_source = 1};
    struct fls_error error = FLS_ZERO;
    struct fls_source *source;
    struct fls_reader *reader;
    struct fls_message message;
    enum fls_status status = fls_source_open_fd(end->fd, FLS_OWNED, 0, &source, &error);

    if (status != FLS_OK) {
        close(end->fd);
        end->failure = cli_bench_errno(status, &error);
        return NULL;
    }
    status = fls_reader_open(source, &options, &reader, &error);
    if (status != FLS_OK) {
        fls_source_close(source);
        end->failure = cli_bench_errno(status, &error);
        return NULL;
    }
    while ((status = fls_reader_next(reader, &message)) == FLS_OK)
        end->messages++;
    end->failure = cli_bench_errno(status, fls_reader_error(reader));
    fls_reader_close(reader);
    return NULL;
}

/* Owns `fd`. */
static int write_all(int fd, const void *message, size_t bytes, size_t messages,
                     enum fls_checksum_kind kind)
{
    struct fls_writer_options options = {
        .framer = FLS_FRAMER_BATCHED, .checksum = kind, .owns_sink = 1};
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;
    struct fls_writer *writer;
    enum fls_status status = fls_sink_open_fd(fd, FLS_OWNED, &sink, &error);

    if (status != FLS_OK) {
        close(fd);
        return cli_bench_errno(status, &error);
    }
    status = fls_writer_open(sink, &options, &writer, &error);
    if (status != FLS_OK) {
        fls_sink_close(sink, NULL);
        return cli_bench_errno(status, &error);
    }
    for (size_t i = 0; i < messages && status == FLS_OK; i++)
        status = fls_writer_write(writer, message, bytes);
    enum fls_status closed = fls_writer_close(writer, &error);
    return cli_bench_errno(status == FLS_OK ? closed : status, &error);
}

int cli_bench_pipe(const void *message, size_t bytes, size_t messages, enum fls_checksum_kind kind,
                   double *ns)
{
    struct far_end end = {.kind = kind};
    pthread_t thread;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    end.fd = ends[0];
    uint64_t began = fls_clock_now_ns(NULL);
    int failure = pthread_create(&thread, NULL, read_all, &end);
    if (failure) {
        close(ends[0]);
        close(ends[1]);
        return failure;
    }
    failure = write_all(ends[1], message, bytes, messages, kind);
    pthread_join(thread, NULL);
    *ns = (double)(fls_clock_now_ns(NULL) - began);
    if (end.failure)
        return end.failure;
    return failure == 0 && end.messages != messages ? EBADMSG : failure;
}

/* --- a hand-over --- */

#define GROUP_MESSAGES_MAX 64
#define GROUP_BYTES_MAX ((size_t)256 * 1024)
#define GROUPS_MAX 1000
#define WARM_UP_BYTES ((size_t)8 * 1024 * 1024)
#define REWIND_BYTES ((size_t)16 * 1024 * 1024)

/* Hands a group over; *ns is what one message cost. */
static enum fls_status hand_over(struct fls_async *async, const void *message, size_t bytes,
                                 size_t count, double *ns)
{
    enum fls_status status = FLS_OK;
    uint64_t began = fls_clock_now_ns(NULL);

    for (size_t i = 0; i < count && status == FLS_OK; i++)
        status = fls_async_write(async, message, bytes);
    *ns = (double)(fls_clock_now_ns(NULL) - began) / (double)count;
    return status;
}

/* As a busy thread does: a microsecond and a nanosecond a byte for each message. */
static void wait_until(uint64_t due)
{
    while (fls_clock_now_ns(NULL) < due)
        continue;
}

/* The file is overwritten, so that it stays small. */
static enum fls_status rewind_file(struct fls_async *async, int fd)
{
    enum fls_status status = fls_async_flush(async, FLS_LEVEL_PROCESS, -1);

    (void)lseek(fd, 0, SEEK_SET);
    return status;
}

/* Fills samples; *count is set. */
static enum fls_status sample_groups(struct fls_async *async, int fd, const void *message,
                                     size_t bytes, uint64_t for_ns, double *samples,
                                     unsigned *count)
{
    size_t fitting = GROUP_BYTES_MAX / (bytes + 1) + 1, handed = 0;
    size_t group = fitting < GROUP_MESSAGES_MAX ? fitting : GROUP_MESSAGES_MAX;
    enum fls_status status = FLS_OK;
    double ns;

    for (size_t warm = 0; warm < WARM_UP_BYTES && status == FLS_OK; warm += group * (bytes + 1))
        status = hand_over(async, message, bytes, group, &ns);
    uint64_t now = fls_clock_now_ns(NULL), end = now + for_ns;
    for (*count = 0; status == FLS_OK && *count < GROUPS_MAX && (now < end || *count == 0);) {
        if (handed >= REWIND_BYTES || *count == 0) {
            status = rewind_file(async, fd);
            handed = 0;
            now = fls_clock_now_ns(NULL);
        }
        if (status == FLS_OK)
            status = hand_over(async, message, bytes, group, &samples[*count]);
        handed += group * bytes;
        ++*count;
        now += group * (1000 + bytes);
        wait_until(now);
    }
    return status;
}

int cli_bench_handover(int fd, const void *message, size_t bytes, enum fls_checksum_kind kind,
                       uint64_t for_ns, double *ns)
{
    struct fls_writer_options writing = {.checksum = kind, .owns_sink = 1};
    struct fls_async_options options = {.when_full = FLS_ASYNC_BLOCK, .writer = &writing};
    struct fls_error error = FLS_ZERO;
    struct fls_async *async;
    struct fls_sink *sink;
    double samples[GROUPS_MAX];
    unsigned count = 0;
    enum fls_status status = fls_sink_open_fd(fd, FLS_BORROWED, &sink, &error);

    if (status != FLS_OK)
        return cli_bench_errno(status, &error);
    status = fls_async_open(sink, &options, &async, &error);
    if (status != FLS_OK) {
        fls_sink_close(sink, NULL);
        return cli_bench_errno(status, &error);
    }
    status = sample_groups(async, fd, message, bytes, for_ns, samples, &count);
    enum fls_status closed = fls_async_close(async, -1, NULL, &error);
    if (status != FLS_OK || closed != FLS_OK)
        return cli_bench_errno(closed != FLS_OK ? closed : status, &error);
    *ns = cli_bench_median(samples, count);
    return 0;
}
