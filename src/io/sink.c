/*
 * sink.c: the one partial-write loop (its turn is in sink_turn.h), and the calls through a sink's
 * table.
 *
 * Every byte that the library writes goes through fls_sink_write. Its invariant: the cursor always
 * stands at the first byte that the sink has not accepted.
 */
#include <errno.h>

#include "base/arguments.h"
#include "io/sink_turn.h"

#define SINK_WRITEV "sink writev"

/* What each slot of a sink may come to. */
#define SINK_ENDS (FLS_MAY(OK) | FLS_MAY(IO) | FLS_MAY(NO_MEMORY))

/* Offers the first `whole` segments and `bytes` of the one behind them, which is cut for the time
 * of the call. */
static enum fls_status take_cut(struct fls_sink *sink, struct iovec *segments, int whole,
                                size_t bytes, size_t *taken, struct fls_error *error)
{
    struct iovec *cut = &segments[whole];
    size_t cut_bytes = cut->iov_len;

    cut->iov_len = bytes;
    enum fls_status status = sink->ops->writev(sink, segments, whole + 1, taken, error);
    cut->iov_len = cut_bytes;
    return status;
}

enum fls_status fls_sink_take_piece(struct fls_sink *sink, const struct fls_write_cursor *cursor,
                                    int count, size_t *taken, struct fls_error *error)
{
    enum fls_status status;
    int whole = 0;
    size_t left = cursor->piece_bytes;

    while (whole < count && cursor->segments[whole].iov_len <= left)
        left -= cursor->segments[whole++].iov_len;
    if (whole == count || left == 0)
        status = sink->ops->writev(sink, cursor->segments, whole, taken, error);
    else
        status = take_cut(sink, cursor->segments, whole, left, taken, error);
    if (*taken > cursor->piece_bytes)
        *taken = SIZE_MAX;
    return status;
}

static enum fls_status settle(struct fls_error *record, enum fls_status status)
{
    return fls_error_settle(record, status, FLS_MAY(AGAIN) | SINK_ENDS, SINK_WRITEV);
}

static enum fls_status wrong_count(struct fls_error *error, size_t taken)
{
    return fls_error_breach(error, SINK_WRITEV,
                            taken == 0 ? "it took nothing, and said that all was well"
                                       : "it took more than it was offered");
}

enum fls_status fls_sink_turn_failed(enum fls_status status, size_t taken, struct fls_error *record,
                                     struct fls_error *error)
{
    status = settle(record, status);
    if (status == FLS_OK)
        return wrong_count(error, taken);
    if (status == FLS_IO && record->os_errno == EINTR)
        return FLS_OK;
    return status == FLS_AGAIN ? FLS_AGAIN : fls_error_copy(error, record);
}

enum fls_status fls_sink_ask(struct fls_sink *sink, const struct iovec *segments, int count,
                             size_t *accepted, struct fls_error *error)
{
    struct fls_error record;
    size_t taken = 0;

    fls_error_clear(&record);
    enum fls_status status = sink->ops->writev(sink, segments, count, &taken, &record);
    status = settle(&record, status);
    if (status == FLS_AGAIN)
        return status;
    if (status != FLS_OK)
        return fls_error_copy(error, &record);
    if (taken == 0 || taken > fls_payload_from_segments(segments, (size_t)count).length)
        return wrong_count(error, taken);
    *accepted = taken;
    return FLS_OK;
}

static inline void skip_empty(struct fls_write_cursor *cursor)
{
    while (cursor->count > 0 && cursor->segments->iov_len == 0) {
        cursor->segments++;
        cursor->count--;
    }
}

FLS_HOT enum fls_status fls_sink_write_sound(struct fls_sink *sink, struct fls_write_cursor *cursor,
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

enum fls_status fls_sink_write(struct fls_sink *sink, struct fls_write_cursor *cursor,
                               uint64_t *accepted, struct fls_error *error)
{
    enum fls_status status = fls_check_segments(cursor->segments, cursor->count, error);

    return status == FLS_OK ? fls_sink_write_sound(sink, cursor, accepted, error) : status;
}

enum fls_status fls_sink_flush(struct fls_sink *sink, enum fls_level level, struct fls_error *error)
{
    unsigned allowed = FLS_MAY(AGAIN) | FLS_MAY(UNSUPPORTED) | SINK_ENDS;
    struct fls_error record;
    enum fls_status status = fls_check_level(level, error);

    if (status != FLS_OK || level == FLS_LEVEL_OBJECT)
        return status;
    do {
        fls_error_clear(&record);
        status = sink->ops->flush(sink, level, &record);
        status = fls_error_settle(&record, status, allowed, "sink flush");
    } while (status == FLS_IO && record.os_errno == EINTR);
    return status == FLS_OK || status == FLS_AGAIN ? status : fls_error_copy(error, &record);
}

enum fls_status fls_sink_close(struct fls_sink *sink, struct fls_error *error)
{
    struct fls_error record;

    if (!sink)
        return FLS_OK;
    fls_error_clear(&record);
    enum fls_status status = sink->ops->close(sink, &record);
    status = fls_error_settle(&record, status, SINK_ENDS, "sink close");
    return status == FLS_OK ? FLS_OK : fls_error_copy(error, &record);
}
