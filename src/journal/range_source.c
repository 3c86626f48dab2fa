/*
 * range_source.c: see range_source.h.
 *
 * The invariant: buffer[begin, end) are the bytes of the file that end at `offset`. The buffer's
 * memory is reserved whole, but touched only as far as reads have reached.
 */
#include "journal/range_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"

#define READ_BYTES_MIN 4096

struct range_source {
    struct fls_source base;
    int fd;
    enum fls_ownership ownership;
    uint64_t offset;
    size_t next_bytes; /* how much the next read asks for */
    struct fls_buffer buffer;
    size_t begin;
    size_t end;
};

static size_t buffered(const struct range_source *source)
{
    return source->end - source->begin;
}

static enum fls_status read_once(struct range_source *source, void *to, size_t count, size_t *got,
                                 struct fls_error *error)
{
    ssize_t read_bytes;

    do {
        source->base.system_calls++;
        read_bytes = pread(source->fd, to, count, (off_t)source->offset);
    } while (read_bytes < 0 && errno == EINTR);
    if (read_bytes < 0)
        return fls_error_system(error, "pread", errno);
    *got = (size_t)read_bytes;
    source->offset += *got;
    return read_bytes > 0 ? FLS_OK : FLS_END;
}

static enum fls_status fill(struct range_source *source, size_t need, struct fls_error *error)
{
    size_t got = 0, room = source->base.peek_bytes_max;

    memmove(source->buffer.bytes, source->buffer.bytes + source->begin, buffered(source));
    source->end -= source->begin;
    source->begin = 0;
    size_t wanted = fls_max_size(source->next_bytes, need - source->end);
    wanted = fls_min_size(wanted, room - source->end);
    enum fls_status status =
        read_once(source, source->buffer.bytes + source->end, wanted, &got, error);
    source->end += got;
    source->next_bytes = fls_min_size(2 * source->next_bytes, room);
    return status;
}

static enum fls_status range_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                  struct fls_error *error)
{
    struct range_source *source = (struct range_source *)base;
    enum fls_status status = FLS_OK;

    while (status == FLS_OK && buffered(source) < need)
        status = fill(source, need, error);
    view->bytes = source->buffer.bytes + source->begin;
    view->available = buffered(source);
    return status;
}

static void range_consume(struct fls_source *base, size_t bytes)
{
    struct range_source *source = (struct range_source *)base;

    source->begin += bytes;
}

/* Fills one segment: from the buffer, then straight from the file. */
static enum fls_status fill_segment(struct range_source *source, const struct iovec *segment,
                                    size_t *filled, struct fls_error *error)
{
    uint8_t *to = segment->iov_base;
    size_t done = fls_min_size(segment->iov_len, buffered(source));
    enum fls_status status = FLS_OK;

    if (done > 0)
        memcpy(to, source->buffer.bytes + source->begin, done);
    source->begin += done;
    while (status == FLS_OK && done < segment->iov_len) {
        size_t got = 0;
        status = read_once(source, to + done, segment->iov_len - done, &got, error);
        done += got;
    }
    *filled += done;
    return status;
}

static enum fls_status range_read_into(struct fls_source *base, const struct iovec *segments,
                                       size_t count, size_t *filled, struct fls_error *error)
{
    struct range_source *source = (struct range_source *)base;
    enum fls_status status = FLS_OK;

    *filled = 0;
    for (size_t i = 0; i < count && status == FLS_OK; i++)
        status = fill_segment(source, &segments[i], filled, error);
    return status;
}

static uint64_t range_remaining(struct fls_source *base)
{
    struct range_source *source = (struct range_source *)base;
    uint64_t bytes;

    if (fls_os_file_bytes(source->fd, &bytes, NULL) != FLS_OK)
        return UINT64_MAX;
    return (bytes > source->offset ? bytes - source->offset : 0) + buffered(source);
}

static void range_close(struct fls_source *base)
{
    struct range_source *source = (struct range_source *)base;

    if (source->ownership == FLS_OWNED)
        fls_os_close(source->fd, NULL);
    fls_buffer_free(&source->buffer);
    free(source);
}

static const struct fls_source_ops range_ops = {range_peek, range_consume, range_read_into,
                                                range_remaining, range_close};

enum fls_status fls_source_open_range(int fd, enum fls_ownership ownership, uint64_t offset,
                                      size_t first_bytes, size_t buffer_bytes,
                                      struct fls_source **source, struct fls_error *error)
{
    size_t capacity = buffer_bytes > 0 ? fls_max_size(buffer_bytes, READ_BYTES_MIN)
                                       : FLS_READ_AHEAD_BYTES_DEFAULT;
    struct range_source *opened = calloc(1, sizeof *opened);

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    if (fls_buffer_reserve(&opened->buffer, capacity, 0) != FLS_OK) {
        free(opened);
        return fls_error_no_memory(error, capacity);
    }
    opened->base.ops = &range_ops;
    opened->base.peek_bytes_max = capacity;
    opened->fd = fd;
    opened->ownership = ownership;
    opened->offset = offset;
    opened->next_bytes = first_bytes > 0 ? fls_min_size(first_bytes, capacity) : capacity;
    *source = &opened->base;
    return FLS_OK;
}
