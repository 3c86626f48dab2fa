/*
 * sink_turn.h: one turn of the write loop, inline for those who know that it is mostly the only
 * one.
 */
#ifndef IO_SINK_TURN_H
#define IO_SINK_TURN_H

#include <errno.h>
#include <limits.h>

#include <flatstream/sink.h>

#include "base/bytes.h"
#include "base/error.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

/* How many segments the next call may carry: up to IOV_MAX, ending before an empty one. */
static inline int fls_sink_next_count(const struct fls_write_cursor *cursor)
{
    size_t most = fls_min_size(cursor->count, IOV_MAX);
    size_t count = 1;

    while (count < most && cursor->segments[count].iov_len > 0)
        count++;
    return (int)count;
}

static inline void fls_sink_advance(struct fls_write_cursor *cursor, size_t accepted)
{
    if (FLS_LIKELY(cursor->count == 1 && accepted == cursor->segments->iov_len)) {
        cursor->count = 0;
        return;
    }
    while (accepted > 0 && accepted >= cursor->segments->iov_len) {
        accepted -= cursor->segments->iov_len;
        cursor->segments++;
        cursor->count--;
    }
    if (FLS_UNLIKELY(accepted > 0)) {
        cursor->segments->iov_base = (char *)cursor->segments->iov_base + accepted;
        cursor->segments->iov_len -= accepted;
    }
}

/* As ops->writev, with no more than a piece. */
enum fls_status fls_sink_take_piece(struct fls_sink *sink, const struct fls_write_cursor *cursor,
                                    size_t *taken, struct fls_error *error);

static inline enum fls_status fls_sink_take(struct fls_sink *sink,
                                            const struct fls_write_cursor *cursor, size_t *taken,
                                            struct fls_error *error)
{
    if (FLS_UNLIKELY(cursor->piece_bytes > 0))
        return fls_sink_take_piece(sink, cursor, taken, error);
    return sink->ops->writev(sink, cursor->segments, fls_sink_next_count(cursor), taken, error);
}

/*
 * Asks the sink once, and moves the cursor over what it took. The cursor has a segment, and its
 * first is not empty. FLS_OK: goes on (also when the call was interrupted); else as fls_sink_write.
 */
static FLS_ALWAYS_INLINE enum fls_status fls_sink_turn(struct fls_sink *sink,
                                                       struct fls_write_cursor *cursor,
                                                       uint64_t *accepted, struct fls_error *error)
{
    struct fls_error failure;
    size_t taken = 0;
    enum fls_status status = fls_sink_take(sink, cursor, &taken, &failure);

    if (FLS_LIKELY(status == FLS_OK)) {
        fls_sink_advance(cursor, taken);
        *accepted += taken;
        return FLS_OK;
    }
    if (status == FLS_AGAIN || (status == FLS_IO && failure.os_errno == EINTR))
        return status == FLS_AGAIN ? FLS_AGAIN : FLS_OK;
    return fls_error_copy(error, &failure);
}

#endif
