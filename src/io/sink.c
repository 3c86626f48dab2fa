/*
 * sink.c: the one partial-write loop, and the calls through a sink's table.
 *
 * Every byte that the library writes goes through fls_sink_write. Its invariant: the cursor always
 * stands at the first byte that the sink has not accepted.
 */
#include <errno.h>
#include <limits.h>

#include <flatstream/sink.h>

#include "base/bytes.h"
#include "base/error.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

static inline void skip_empty(struct fls_write_cursor *cursor)
{
    while (cursor->count > 0 && cursor->segments->iov_len == 0) {
        cursor->segments++;
        cursor->count--;
    }
}

/* How many segments the next call may carry: up to IOV_MAX, ending before an empty one. */
static inline int next_count(const struct fls_write_cursor *cursor)
{
    size_t most = fls_min_size(cursor->count, IOV_MAX);
    size_t count = 1;

    while (count < most && cursor->segments[count].iov_len > 0)
        count++;
    return (int)count;
}

static inline void advance(struct fls_write_cursor *cursor, size_t accepted)
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

FLS_HOT enum fls_status fls_sink_write(struct fls_sink *sink, struct fls_write_cursor *cursor,
                                       uint64_t *accepted, struct fls_error *error)
{
    struct fls_error failure;

    for (skip_empty(cursor); cursor->count > 0; skip_empty(cursor)) {
        size_t taken = 0;
        enum fls_status status =
            sink->ops->writev(sink, cursor->segments, next_count(cursor), &taken, &failure);
        if (FLS_LIKELY(status == FLS_OK)) {
            advance(cursor, taken);
            if (accepted)
                *accepted += taken;
        } else if (status == FLS_AGAIN) {
            return FLS_AGAIN;
        } else if (status != FLS_IO || failure.os_errno != EINTR) {
            return fls_error_copy(error, &failure);
        }
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
