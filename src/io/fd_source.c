/*
 * fd_source.c: a source on a file descriptor, with one read-ahead buffer.
 *
 * The invariant: buffer[begin, end) are the bytes read and not consumed, in the stream's order, and
 * the descriptor stands behind them. A view never moves under its user: bytes are shifted to the
 * buffer's front only by a peek that has to read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <flatstream/source.h>

#include "base/arguments.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"

#define READ_AHEAD_BYTES_MIN 4096

/* What is read ahead behind a scattered read. It is for messages that the buffer does not hold, so
 * the next may be one of them too, and then all of this is copied out of the buffer again. */
#define READ_BEHIND_BYTES ((size_t)16 * 1024)

/*
 * A pipe is read a little at a time while little is in it, so that its writer finds the pages again
 * that the kernel keeps for it (docs/performance.md), and all at once when the reader is behind.
 * Every so many reads it is asked how much there is.
 */
#define PIPE_BEHIND_BYTES (64 * 1024)
#define PIPE_READS_PER_LOOK 32

/* Segments given to one readv: the caller's, and the buffer as the last. */
#define SEGMENTS_MAX 64

struct fd_source {
    struct fls_source base;
    int fd;
    enum fls_ownership ownership;
    struct fls_buffer buffer;
    size_t begin;
    size_t end;
    int is_pipe;
    int small_reads; /* from a pipe, before it is looked at again */
};

static size_t buffered(const struct fd_source *source)
{
    return source->end - source->begin;
}

/* What a read came to, as a status; *got is set with FLS_OK. */
static enum fls_status read_result(ssize_t read_bytes, size_t *got, struct fls_error *error)
{
    if (read_bytes > 0) {
        *got = (size_t)read_bytes;
        return FLS_OK;
    }
    if (read_bytes == 0)
        return FLS_END;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return FLS_AGAIN;
    return fls_error_system(error, "read", errno);
}

static enum fls_status read_segments(struct fd_source *source, const struct iovec *segments,
                                     int count, size_t *got, struct fls_error *error)
{
    ssize_t read_bytes;

    do {
        source->base.system_calls++;
        read_bytes = count == 1 ? read(source->fd, segments->iov_base, segments->iov_len)
                                : readv(source->fd, segments, count);
    } while (read_bytes < 0 && errno == EINTR);
    return read_result(read_bytes, got, error);
}

/* Does little wait in the pipe? */
static int has_little(struct fd_source *source)
{
    int bytes;

    if (source->small_reads == 0) {
        source->base.system_calls++;
        if (ioctl(source->fd, FIONREAD, &bytes) != 0 || bytes >= PIPE_BEHIND_BYTES)
            return 0;
        source->small_reads = PIPE_READS_PER_LOOK;
    }
    source->small_reads--;
    return 1;
}

static enum fls_status fill(struct fd_source *source, struct fls_error *error)
{
    size_t got = 0;

    if (source->begin > 0) {
        memmove(source->buffer.bytes, source->buffer.bytes + source->begin, buffered(source));
        source->end -= source->begin;
        source->begin = 0;
    }
    struct iovec room = {source->buffer.bytes + source->end,
                         source->base.peek_bytes_max - source->end};
    if (source->is_pipe && room.iov_len > FLS_OS_PIPE_PIECE_BYTES && has_little(source))
        room.iov_len = FLS_OS_PIPE_PIECE_BYTES;
    enum fls_status status = read_segments(source, &room, 1, &got, error);
    source->end += got;
    return status;
}

static enum fls_status fd_peek(struct fls_source *base, size_t need, struct fls_view *view,
                               struct fls_error *error)
{
    struct fd_source *source = (struct fd_source *)base;
    enum fls_status status = FLS_OK;

    while (status == FLS_OK && buffered(source) < need)
        status = fill(source, error);
    view->bytes = source->buffer.bytes + source->begin;
    view->available = buffered(source);
    return status;
}

static void fd_consume(struct fls_source *base, size_t bytes)
{
    struct fd_source *source = (struct fd_source *)base;

    source->begin += bytes;
}

/* Where a scattered read stands: segment `index`, `within` bytes into it. */
struct scatter {
    const struct iovec *segments;
    size_t count;
    size_t index;
    size_t within;
};

static void scatter_advance(struct scatter *to, size_t bytes)
{
    to->within += bytes;
    while (to->index < to->count && to->within >= to->segments[to->index].iov_len) {
        to->within -= to->segments[to->index].iov_len;
        to->index++;
    }
}

static size_t take_buffered(struct fd_source *source, struct scatter *to)
{
    size_t taken = 0;

    scatter_advance(to, 0);
    while (to->index < to->count && buffered(source) > 0) {
        const struct iovec *segment = &to->segments[to->index];
        size_t part = fls_min_size(segment->iov_len - to->within, buffered(source));
        memcpy((char *)segment->iov_base + to->within, source->buffer.bytes + source->begin, part);
        source->begin += part;
        taken += part;
        scatter_advance(to, part);
    }
    return taken;
}

/* One readv into what is left of the segments, with some of the empty buffer behind them. */
static enum fls_status read_scattered(struct fd_source *source, struct scatter *to, size_t *filled,
                                      struct fls_error *error)
{
    struct iovec list[SEGMENTS_MAX + 1];
    size_t wanted = 0, got = 0, index = to->index, within = to->within;
    int count = 0;

    for (; index < to->count && count < SEGMENTS_MAX; index++, within = 0) {
        const struct iovec *segment = &to->segments[index];
        if (segment->iov_len == within)
            continue;
        list[count].iov_base = (char *)segment->iov_base + within;
        list[count].iov_len = segment->iov_len - within;
        wanted += list[count++].iov_len;
    }
    if (index == to->count) {
        source->begin = source->end = 0;
        list[count++] = (struct iovec){
            source->buffer.bytes, fls_min_size(source->base.peek_bytes_max, READ_BEHIND_BYTES)};
    }
    enum fls_status status = read_segments(source, list, count, &got, error);
    size_t placed = fls_min_size(got, wanted);
    scatter_advance(to, placed);
    *filled += placed;
    source->end += got - placed;
    return status;
}

static enum fls_status fd_read_into(struct fls_source *base, const struct iovec *segments,
                                    size_t count, size_t *filled, struct fls_error *error)
{
    struct fd_source *source = (struct fd_source *)base;
    struct scatter to = {segments, count, 0, 0};
    enum fls_status status = FLS_OK;

    *filled = take_buffered(source, &to);
    while (status == FLS_OK && to.index < to.count)
        status = read_scattered(source, &to, filled, error);
    return status;
}

static uint64_t fd_remaining(struct fls_source *base)
{
    struct fd_source *source = (struct fd_source *)base;
    uint64_t bytes;

    if (fls_os_file_bytes(source->fd, &bytes, NULL) != FLS_OK)
        return UINT64_MAX;
    off_t position = lseek(source->fd, 0, SEEK_CUR);
    if (position < 0)
        return UINT64_MAX;
    uint64_t unread = bytes > (uint64_t)position ? bytes - (uint64_t)position : 0;
    return unread + buffered(source);
}

static void fd_close(struct fls_source *base)
{
    struct fd_source *source = (struct fd_source *)base;

    if (source->ownership == FLS_OWNED)
        fls_os_close(source->fd, NULL);
    fls_buffer_free(&source->buffer);
    free(source);
}

static const struct fls_source_ops fd_source_ops = {fd_peek, fd_consume, fd_read_into, fd_remaining,
                                                    fd_close};

enum fls_status fls_source_open_fd(int fd, enum fls_ownership ownership, size_t read_ahead_bytes,
                                   struct fls_source **source, struct fls_error *error)
{
    size_t capacity = read_ahead_bytes > 0 ? fls_max_size(read_ahead_bytes, READ_AHEAD_BYTES_MIN)
                                           : FLS_READ_AHEAD_BYTES_DEFAULT;
    enum fls_status status = fls_check_ownership(ownership, error);

    if (status == FLS_OK)
        status = fls_os_check(fd, O_RDONLY, error);
    if (status != FLS_OK)
        return status;
    struct fd_source *opened = calloc(1, sizeof *opened);
    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    if (fls_buffer_reserve(&opened->buffer, capacity, 0) != FLS_OK) {
        free(opened);
        return fls_error_no_memory(error, capacity);
    }
    opened->base.ops = &fd_source_ops;
    opened->base.peek_bytes_max = capacity;
    opened->fd = fd;
    opened->ownership = ownership;
    opened->is_pipe = fls_os_widen_pipe(fd);
    *source = &opened->base;
    return FLS_OK;
}

enum fls_status fls_source_open_file(const char *path, size_t read_ahead_bytes,
                                     struct fls_source **source, struct fls_error *error)
{
    int fd;
    enum fls_status status = fls_os_open(path, O_RDONLY, &fd, error);

    if (status != FLS_OK)
        return status;
    status = fls_source_open_fd(fd, FLS_OWNED, read_ahead_bytes, source, error);
    if (status != FLS_OK) {
        fls_os_close(fd, NULL);
        return status;
    }
    (void)posix_fadvise(fd, 0, 0,
                        POSIX_FADV_SEQUENTIAL); /* a hint: whether it is taken is nothing to us */
    return FLS_OK;
}
