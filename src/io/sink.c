/*
 * sink.c: the one partial-write loop (its turn is in sink_turn.h), and the calls through a sink's
 * table.
 *
 * Every byte that the library writes goes through fls_sink_write. Its invariant: the cursor always
 * stands at the first byte that the sink has not accepted.
 */
#include <errno.h>

#include "io/sink_turn.h"

/* The last segment is cut for the time of the call. */
enum fls_status fls_sink_take_piece(struct fls_sink *sink, const struct fls_write_cursor *cursor,
                                    size_t *taken, struct fls_error *error)
{
    int most = fls_sink_next_count(cursor), count = 0;
    size_t left = cursor->piece_bytes;

    while (count < most && cursor->segments[count].iov_len <= left)
        left -= cursor->segments[count++].iov_len;
    if (count == most || left == 0)
        return sink->ops->writev(sink, cursor->segments, count, taken, error);
    struct iovec *cut = &cursor->segments[count];
    size_t whole = cut->iov_len;
    cut->iov_len = left;
    enum fls_status status = sink->ops->writev(sink, cursor->segments, count + 1, taken, error);
    cut->iov_len = whole;
    return status;
}

static inline void skip_empty(struct fls_write_cursor *cursor)
{
    while (cursor->count > 0 && cursor->segments->iov_len == 0) {
        cursor->segments++;
        cursor->count--;
    }
}

FLS_HOT enum fls_status fls_sink_write(struct fls_sink *sink, struct fls_write_cursor *cursor,
                                       uint64_t *accepted, struct fls_error *error)
{
    uint64_t uncounted = 0;

    for (skip_empty(cursor); cursor->count > 0; skip_empty(cursor)) {
        enum fls_status status =
            fls_sink_turn(sink, cursor, accepted ? accepted : &uncounted, error);
        if (FLS_UNLIKELY(status != FLS_OK))
            return status;
    }
    return FLS_OK;
}

enum fls_status fls_sink_flush(struct fls_sink *sink, enum fls_level level, struct fls_error *error)
{
    struct fls_error failure;
    enum fls_status status;

    if (level == FLS_LEVEL_OBJECT)
        return FLS_OK;
    do {
        status = sink->ops->flush(sink, level, &failure);
    } while (status == FLS_IO && failure.os_errno == EINTR);
    return status == FLS_OK || status == FLS_AGAIN ? status : fls_error_copy(error, &failure);
}

enum fls_status fls_sink_close(struct fls_sink *sink, struct fls_error *error)
{
    return sink ? sink->ops->close(sink, error) : FLS_OK;
}
