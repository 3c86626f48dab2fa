/*
 * sink_turn.h: one turn of the write loop, inline for those who know that it is mostly the only
 * one.
 */
#ifndef IO_SINK_TURN_H
#define IO_SINK_TURN_H

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

/* Moves the cursor over what was accepted of its first `offered` segments. Whether that can be:
 * something, and no more than there was. */
static inline int fls_sink_advance(struct fls_write_cursor *cursor, int offered, size_t accepted)
{
    if (FLS_LIKELY(cursor->count == 1 && accepted == cursor->segments->iov_len)) {
        cursor->count = 0;
        return 1;
    }
    if (FLS_UNLIKELY(accepted == 0))
        return 0;
    for (; offered > 0 && accepted >= cursor->segments->iov_len; offered--) {
        accepted -= cursor->segments->iov_len;
        cursor->segments++;
        cursor->count--;
    }
    if (FLS_LIKELY(accepted == 0))
        return 1;
    if (offered == 0)
        return 0;
    cursor->segments->iov_base = (char *)cursor->segments->iov_base + accepted;
    cursor->segments->iov_len -= accepted;
    return 1;
}

/* As ops->writev of the first `count` segments, with no more than a piece. *taken is SIZE_MAX when
 * the sink says that it took more. */
enum fls_status fls_sink_take_piece(struct fls_sink *sink, const struct fls_write_cursor *cursor,
                                    int count, size_t *taken, struct fls_error *error);

/* A turn that did not go well: the sink's status is not FLS_OK, or it took nothing, or more than it
 * was offered. `record` is what the sink was given. */
enum fls_status fls_sink_turn_failed(enum fls_status status, size_t taken, struct fls_error *record,
                                     struct fls_error *error);

/* One call of a sink's writev, by those who are a sink themselves: as that slot, but FLS_OK always
 * comes with a count that can be, and a failure with a record. */
enum fls_status fls_sink_ask(struct fls_sink *sink, const struct iovec *segments, int count,
                             size_t *accepted, struct fls_error *error);

/* fls_sink_write for segments that were looked at. */
enum fls_status fls_sink_write_sound(struct fls_sink *sink, struct fls_write_cursor *cursor,
                                     uint64_t *accepted, struct fls_error *error);

static inline enum fls_status fls_sink_take(struct fls_sink *sink,
                                            const struct fls_write_cursor *cursor, int count,
                                            size_t *taken, struct fls_error *error)
{
    if (FLS_UNLIKELY(cursor->piece_bytes > 0))
        return fls_sink_take_piece(sink, cursor, count, taken, error);
    return sink->ops->writev(sink, cursor->segments, count, taken, error);
}

/*
 * Asks the sink once, and moves the cursor over what it took. The cursor has a segment, and its
 * first is not empty. FLS_OK: goes on (also when the call was interrupted); else as fls_sink_write.
 */
static FLS_ALWAYS_INLINE enum fls_status fls_sink_turn(struct fls_sink *sink,
                                                       struct fls_write_cursor *cursor,
                                                       uint64_t *accepted, struct fls_error *error)
{
    struct fls_error record;
    size_t taken = 0;
    int offered = fls_sink_next_count(cursor);

    fls_error_clear(&record);
    enum fls_status status = fls_sink_take(sink, cursor, offered, &taken, &record);

    if (FLS_LIKELY(status == FLS_OK && fls_sink_advance(cursor, offered, taken))) {
        *accepted += taken;
        return FLS_OK;
    }
    return fls_sink_turn_failed(status, taken, &record, error);
}

#endif
