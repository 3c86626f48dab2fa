/*
 * parked_source.c: a regular file that holds no descriptor between its reads, for a verb that reads
 * more files than a process may have open.
 *
 * Each refill opens the file, sees that it is still the same one, reads on from where the buffer
 * ends, and closes it. The invariant: bytes[begin, end) are those before `at` in the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/parked_source.h"

struct parked_source {
    struct fls_source base;
    const char *path;
    dev_t device;
    ino_t inode;
    uint64_t at;
    uint64_t size;
    size_t begin;
    size_t end;
    size_t capacity;
    uint8_t bytes[];
};

static size_t held(const struct parked_source *source)
{
    return source->end - source->begin;
}

static enum fls_status open_again(struct parked_source *source, int *fd, struct fls_error *error)
{
    struct stat now;

    *fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return fls_error_system(error, "open again", errno);
    if (fstat(*fd, &now) != 0 || now.st_dev != source->device || now.st_ino != source->inode) {
        close(*fd);
        return fls_error_system(error, "another file has its name since it was opened", ESTALE);
    }
    source->size = (uint64_t)now.st_size;
    return FLS_OK;
}

/* Reads at `at` until `want` bytes are there; FLS_END when the file has fewer. */
static enum fls_status read_at(struct parked_source *source, int fd, void *to, size_t want,
                               size_t *got, struct fls_error *error)
{
    *got = 0;
    while (*got < want) {
        ssize_t count = pread(fd, (char *)to + *got, want - *got, (off_t)source->at);
        source->base.system_calls++;
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return fls_error_system(error, "read", errno);
        if (count == 0)
            return FLS_END;
        *got += (size_t)count;
        source->at += (uint64_t)count;
    }
    return FLS_OK;
}

/* Opens the file, fills what `to` has room for, and closes it. */
static enum fls_status visit(struct parked_source *source, void *to, size_t want, size_t *got,
                             struct fls_error *error)
{
    int fd;
    enum fls_status status = open_again(source, &fd, error);

    *got = 0;
    if (status != FLS_OK)
        return status;
    status = read_at(source, fd, to, want, got, error);
    close(fd);
    return status;
}

static enum fls_status parked_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                   struct fls_error *error)
{
    struct parked_source *source = (struct parked_source *)base;
    enum fls_status status = FLS_OK;
    size_t got = 0;

    if (held(source) < need) {
        memmove(source->bytes, source->bytes + source->begin, held(source));
        source->end = held(source);
        source->begin = 0;
        status =
            visit(source, source->bytes + source->end, source->capacity - source->end, &got, error);
        source->end += got;
    }
    if (status == FLS_END && held(source) >= need)
        status = FLS_OK;
    *view = (struct fls_view){source->bytes + source->begin, held(source)};
    return status;
}

static void parked_consume(struct fls_source *base, size_t bytes)
{
    ((struct parked_source *)base)->begin += bytes;
}

static enum fls_status parked_read_into(struct fls_source *base, const struct iovec *segments,
                                        size_t count, size_t *filled, struct fls_error *error)
{
    struct parked_source *source = (struct parked_source *)base;
    enum fls_status status = FLS_OK;

    *filled = 0;
    for (size_t i = 0; i < count && status == FLS_OK; i++) {
        size_t length = segments[i].iov_len, got = 0;
        size_t part = held(source) < length ? held(source) : length;
        if (part > 0)
            memcpy(segments[i].iov_base, source->bytes + source->begin, part);
        source->begin += part;
        if (part < length)
            status = visit(source, (char *)segments[i].iov_base + part, length - part, &got, error);
        *filled += part + got;
    }
    return status;
}

static uint64_t parked_remaining(struct fls_source *base)
{
    const struct parked_source *source = (const struct parked_source *)base;

    return held(source) + (source->size > source->at ? source->size - source->at : 0);
}

static void parked_close(struct fls_source *base)
{
    free(base);
}

static const struct fls_source_ops parked_ops = {parked_peek, parked_consume, parked_read_into,
                                                 parked_remaining, parked_close};

enum fls_status cli_source_open_parked(const char *path, int fd, uint64_t start,
                                       size_t read_ahead_bytes, struct fls_source **source,
                                       struct fls_error *error)
{
    struct stat now;

    if (fstat(fd, &now) != 0)
        return fls_error_system(error, "fstat", errno);
    struct parked_source *parked = malloc(sizeof *parked + read_ahead_bytes);
    if (!parked)
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory for %zu bytes of read-ahead",
                             read_ahead_bytes);
    *parked =
        (struct parked_source){.base = {.ops = &parked_ops, .peek_bytes_max = read_ahead_bytes},
                               .path = path,
                               .device = now.st_dev,
                               .inode = now.st_ino,
                               .at = start,
                               .size = (uint64_t)now.st_size,
                               .capacity = read_ahead_bytes};
    *source = &parked->base;
    return FLS_OK;
}
