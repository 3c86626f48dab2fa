/*
 * input_source.c: the command's source: first the bytes that were read to find out the kind of
 * checksum, then the descriptor's own.
 *
 * The invariant: bytes[begin, end) come before everything that `inner` has. Once they are used up
 * every call goes straight to `inner`. `known` are the bytes that a pipe's `inner` has read ahead.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/input.h"
#include "cli/progress.h"
#include "cli/signals.h"

struct input_source {
    struct fls_source base;
    struct fls_source *inner;
    int fd; /* what is waited for; -1: a file */
    size_t known;
    uint8_t *bytes;
    size_t begin;
    size_t end;
    size_t capacity;
    uint64_t position;
};

static size_t held(const struct input_source *source)
{
    return source->end - source->begin;
}

/* Waits until a read would not; FLS_IO with EINTR when a signal came. */
static enum fls_status wait_for_more(const struct input_source *source, struct fls_error *error)
{
    if (!cli_signal())
        cli_wait_for_input(source->fd);
    return cli_signal() ? cli_system_error(error, "read", EINTR) : FLS_OK;
}

/* The inner peek of what is never waited for, a file. */
static enum fls_status peek_file(struct input_source *source, size_t need, struct fls_view *view,
                                 struct fls_error *error)
{
    enum fls_status status = fls_source_peek(source->inner, need, view, error);

    source->base.system_calls = source->inner->system_calls;
    return status;
}

/* The inner peek of a pipe: it is asked for no more than one read brings, and that is waited for
 * here, where signals and the output's reader are seen. */
static enum fls_status peek_pipe(struct input_source *source, size_t need, struct fls_view *view,
                                 struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    *view = (struct fls_view){NULL, 0};
    if (source->known > 0)
        status = fls_source_peek(source->inner, 1, view, error);
    while ((status == FLS_OK || status == FLS_AGAIN) && view->available < need) {
        status = wait_for_more(source, error);
        if (status == FLS_OK)
            status = fls_source_peek(source->inner, view->available + 1, view, error);
    }
    source->known = view->available;
    source->base.system_calls = source->inner->system_calls;
    return status;
}

static enum fls_status peek_inner(struct input_source *source, size_t need, struct fls_view *view,
                                  struct fls_error *error)
{
    return source->fd < 0 ? peek_file(source, need, view, error)
                          : peek_pipe(source, need, view, error);
}

static void consume_inner(struct input_source *source, size_t bytes)
{
    fls_source_consume(source->inner, bytes);
    source->known -= source->fd < 0 ? 0 : bytes;
}

static enum fls_status make_room(struct input_source *source, size_t need, struct fls_error *error)
{
    if (source->begin > 0) {
        memmove(source->bytes, source->bytes + source->begin, held(source));
        source->end = held(source);
        source->begin = 0;
    }
    if (need <= source->capacity)
        return FLS_OK;
    uint8_t *grown = realloc(source->bytes, need);
    if (!grown)
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory for %zu bytes", need);
    source->bytes = grown;
    source->capacity = need;
    return FLS_OK;
}

/* Lengthens the held bytes to `need` with what comes behind them. */
static enum fls_status lengthen(struct input_source *source, size_t need, struct fls_error *error)
{
    struct fls_view view;
    size_t lacking = need - held(source);
    enum fls_status status = make_room(source, need, error);

    if (status != FLS_OK)
        return status;
    status = peek_inner(source, lacking, &view, error);
    size_t part = view.available < lacking ? view.available : lacking;
    if (part > 0) {
        memcpy(source->bytes + source->end, view.bytes, part);
        consume_inner(source, part);
        source->end += part;
    }
    return status;
}

static enum fls_status input_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                  struct fls_error *error)
{
    struct input_source *source = (struct input_source *)base;
    enum fls_status status = FLS_OK;

    cli_progress_tick(source->position);
    if (held(source) == 0)
        return peek_inner(source, need, view, error);
    if (held(source) < need)
        status = lengthen(source, need, error);
    view->bytes = source->bytes + source->begin;
    view->available = held(source);
    return status;
}

static void input_consume(struct fls_source *base, size_t bytes)
{
    struct input_source *source = (struct input_source *)base;

    source->position += bytes;
    if (held(source) > 0)
        source->begin += bytes;
    else
        consume_inner(source, bytes);
}

/* What is held goes into the segment, as far as it reaches. */
static size_t take_held(struct input_source *source, const struct iovec *segment)
{
    size_t part = held(source) < segment->iov_len ? held(source) : segment->iov_len;

    if (part > 0)
        memcpy(segment->iov_base, source->bytes + source->begin, part);
    source->begin += part;
    return part;
}

/* Large reads go in steps, so that the progress moves. */
#define STEP_BYTES ((size_t)16 * 1024 * 1024)

/* What a pipe has, up to a segment's end: the copy is little beside what a pipe costs. */
static enum fls_status take_piece(struct input_source *source, const struct iovec *segment,
                                  size_t *got, struct fls_error *error)
{
    struct fls_view view;
    enum fls_status status = peek_pipe(source, 1, &view, error);

    *got = view.available < segment->iov_len ? view.available : segment->iov_len;
    if (*got > 0)
        memcpy(segment->iov_base, view.bytes, *got);
    consume_inner(source, *got);
    return status;
}

static enum fls_status fill_segment(struct input_source *source, const struct iovec *segment,
                                    size_t *filled, struct fls_error *error)
{
    size_t at = take_held(source, segment);
    enum fls_status status = FLS_OK;

    while (status == FLS_OK && at < segment->iov_len) {
        size_t step = segment->iov_len - at < STEP_BYTES ? segment->iov_len - at : STEP_BYTES;
        struct iovec rest = {(char *)segment->iov_base + at, step};
        size_t got = 0;
        cli_progress_tick(source->position + at);
        status = source->fd < 0 ? fls_source_read_into(source->inner, &rest, 1, &got, error)
                                : take_piece(source, &rest, &got, error);
        at += got;
    }
    source->position += at;
    *filled += at;
    return status;
}

static enum fls_status input_read_into(struct fls_source *base, const struct iovec *segments,
                                       size_t count, size_t *filled, struct fls_error *error)
{
    struct input_source *source = (struct input_source *)base;
    enum fls_status status = FLS_OK;

    *filled = 0;
    for (size_t i = 0; i < count && status == FLS_OK; i++)
        status = fill_segment(source, &segments[i], filled, error);
    source->base.system_calls = source->inner->system_calls;
    return status;
}

static uint64_t input_remaining(struct fls_source *base)
{
    struct input_source *source = (struct input_source *)base;
    uint64_t behind = fls_source_remaining(source->inner);

    return behind == UINT64_MAX ? UINT64_MAX : behind + held(source);
}

static void input_close(struct fls_source *base)
{
    struct input_source *source = (struct input_source *)base;

    fls_source_close(source->inner);
    free(source->bytes);
    free(source);
}

static const struct fls_source_ops input_source_ops = {input_peek, input_consume, input_read_into,
                                                       input_remaining, input_close};

static int is_file(int fd)
{
    struct stat information;

    return fstat(fd, &information) == 0 && S_ISREG(information.st_mode);
}

enum fls_status cli_source_wrap(struct fls_source *inner, int fd, void *prefix, size_t count,
                                struct fls_source **source, struct fls_error *error)
{
    struct input_source *opened = calloc(1, sizeof *opened);

    if (!opened) {
        fls_source_close(inner);
        free(prefix);
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory");
    }
    opened->base.ops = &input_source_ops;
    opened->base.peek_bytes_max = inner->peek_bytes_max;
    opened->inner = inner;
    opened->fd = fd >= 0 && is_file(fd) ? -1 : fd;
    opened->bytes = prefix;
    opened->end = opened->capacity = count;
    *source = &opened->base;
    return FLS_OK;
}

enum fls_status cli_source_open(int fd, void *prefix, size_t count, struct fls_source **source,
                                struct fls_error *error)
{
    struct fls_source *inner;
    enum fls_status status = fls_source_open_fd(fd, FLS_BORROWED, 0, &inner, error);

    if (status == FLS_OK)
        return cli_source_wrap(inner, fd, prefix, count, source, error);
    free(prefix);
    return status;
}

uint64_t cli_source_position(const struct fls_source *source)
{
    return ((const struct input_source *)source)->position;
}
