/*
 * ahead_source.c: a source on a regular file that a thread reads ahead.
 *
 * The invariant: piece[begin, count) are the bytes before the reading ahead's position that were
 * not consumed. Where the file ended is looked at again when more is asked for: it may have grown.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <flatstream/source.h>

#include "base/arguments.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "io/read_ahead.h"

/*
 *   end      of the file, when it was last looked at
 *   spare    holds what is left of a piece when its memory is read into anew
 */
struct ahead_source {
    struct fls_source base;
    struct fls_read_ahead *ahead;
    int fd;
    enum fls_ownership ownership;
    uint64_t end;
    struct fls_read_piece piece;
    size_t begin;
    struct fls_buffer spare;
};

static size_t buffered(const struct ahead_source *source)
{
    return source->piece.count - source->begin;
}

/* Goes on from the present position, in the file as it is now. FLS_END: it ends there. */
static enum fls_status go_on(struct ahead_source *source, struct fls_error *error)
{
    uint64_t position = fls_read_ahead_position(source->ahead), bytes;
    size_t left = buffered(source);
    enum fls_status status = fls_os_file_bytes(source->fd, &bytes, error);

    if (status != FLS_OK)
        return status;
    if (left > 0)
        memmove(source->spare.bytes, source->piece.bytes + source->begin, left);
    source->piece = (struct fls_read_piece){source->spare.bytes, left};
    source->begin = 0;
    source->end = bytes;
    fls_read_ahead_seek(source->ahead, position, bytes);
    return bytes <= position ? FLS_END : FLS_OK;
}

/* Takes the next piece, behind what is left of this one: less than the room before a piece. */
static enum fls_status take_piece(struct ahead_source *source, struct fls_error *error)
{
    if (fls_read_ahead_next_bytes(source->ahead) == 0) {
        enum fls_status status = go_on(source, error);
        if (status != FLS_OK)
            return status;
    }
    uint64_t position = fls_read_ahead_position(source->ahead);
    int failure = fls_read_ahead_next(source->ahead, source->piece.bytes + source->begin,
                                      buffered(source), &source->piece);
    source->begin = 0;
    source->base.system_calls = fls_read_ahead_calls(source->ahead);
    if (failure == 0)
        return FLS_OK;
    /* When it is asked for again it is tried again. */
    fls_read_ahead_seek(source->ahead, position, source->end);
    return failure == ENODATA ? go_on(source, error) : fls_error_system(error, "pread", failure);
}

static enum fls_status ahead_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                  struct fls_error *error)
{
    struct ahead_source *source = (struct ahead_source *)base;
    enum fls_status status = FLS_OK;

    while (status == FLS_OK && buffered(source) < need)
        status = take_piece(source, error);
    view->bytes = source->piece.bytes + source->begin;
    view->available = buffered(source);
    return status;
}

static void ahead_consume(struct fls_source *base, size_t bytes)
{
    struct ahead_source *source = (struct ahead_source *)base;

    source->begin += bytes;
}

static enum fls_status ahead_read_into(struct fls_source *base, const struct iovec *segments,
                                       size_t count, size_t *filled, struct fls_error *error)
{
    struct ahead_source *source = (struct ahead_source *)base;

    for (size_t i = 0, within = 0; i < count;) {
        size_t part = fls_min_size(segments[i].iov_len - within, buffered(source));
        if (part > 0)
            memcpy((char *)segments[i].iov_base + within, source->piece.bytes + source->begin,
                   part);
        source->begin += part;
        *filled += part;
        within += part;
        if (within == segments[i].iov_len) {
            i++;
            within = 0;
            continue;
        }
        enum fls_status status = take_piece(source, error);
        if (status != FLS_OK)
            return status;
    }
    return FLS_OK;
}

static uint64_t ahead_remaining(struct fls_source *base)
{
    struct ahead_source *source = (struct ahead_source *)base;
    uint64_t position = fls_read_ahead_position(source->ahead);

    return buffered(source) + (source->end > position ? source->end - position : 0);
}

static void ahead_close(struct fls_source *base)
{
    struct ahead_source *source = (struct ahead_source *)base;

    fls_read_ahead_close(source->ahead);
    if (source->ownership == FLS_OWNED)
        fls_os_close(source->fd, NULL);
    fls_buffer_free(&source->spare);
    free(source);
}

static const struct fls_source_ops ahead_ops = {ahead_peek, ahead_consume, ahead_read_into,
                                                ahead_remaining, ahead_close};

static enum fls_status begin(struct ahead_source *source, uint64_t offset, struct fls_error *error)
{
    if (fls_buffer_reserve(&source->spare, FLS_READ_AHEAD_ROOM, 0) != FLS_OK)
        return fls_error_no_memory(error, FLS_READ_AHEAD_ROOM);
    source->piece.bytes = source->spare.bytes;
    source->ahead = fls_read_ahead_open(source->fd, offset, source->end);
    if (!source->ahead)
        return fls_error_set(error, FLS_NO_MEMORY, "no memory, or no thread, to read ahead");
    return FLS_OK;
}

enum fls_status fls_source_open_fd_ahead(int fd, enum fls_ownership ownership,
                                         struct fls_source **source, struct fls_error *error)
{
    struct ahead_source *opened;
    uint64_t bytes;

    enum fls_status status = fls_check_ownership(ownership, error);

    if (status == FLS_OK)
        status = fls_os_check(fd, O_RDONLY, error);
    if (status == FLS_OK)
        status = fls_os_file_bytes(fd, &bytes, error);
    if (status != FLS_OK)
        return status;
    off_t offset = lseek(fd, 0, SEEK_CUR);
    if (offset < 0)
        return fls_error_system(error, "lseek", errno);
    if (!(opened = calloc(1, sizeof *opened)))
        return fls_error_no_memory(error, sizeof *opened);
    opened->base.ops = &ahead_ops;
    opened->base.peek_bytes_max = FLS_READ_AHEAD_ROOM;
    opened->fd = fd;
    opened->end = bytes;
    status = begin(opened, (uint64_t)offset, error);
    if (status != FLS_OK) {
        ahead_close(&opened->base);
        return status;
    }
    opened->ownership = ownership;
    *source = &opened->base;
    return FLS_OK;
}

enum fls_status fls_source_open_file_ahead(const char *path, struct fls_source **source,
                                           struct fls_error *error)
{
    int fd;
    enum fls_status status = fls_os_open(path, O_RDONLY, &fd, error);

    if (status != FLS_OK)
        return status;
    status = fls_source_open_fd_ahead(fd, FLS_OWNED, source, error);
    if (status != FLS_OK)
        fls_os_close(fd, NULL);
    return status;
}
