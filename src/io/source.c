/*
 * source.c: the calls through a source's table, with what holds for every source.
 */
#include <flatstream/source.h>

#include "base/bytes.h"
#include "base/error.h"

enum fls_status fls_source_peek(struct fls_source *source, size_t need, struct fls_view *view,
                                struct fls_error *error)
{
    *view = (struct fls_view){NULL, 0};
    if (need > source->peek_bytes_max)
        return fls_error_numbers(error, FLS_TOO_SMALL, FLS_PART_NONE, source->peek_bytes_max, need);
    return source->ops->peek(source, fls_max_size(need, 1), view, error);
}

void fls_source_consume(struct fls_source *source, size_t bytes)
{
    source->ops->consume(source, bytes);
}

enum fls_status fls_source_read_into(struct fls_source *source, const struct iovec *segments,
                                     size_t count, size_t *filled, struct fls_error *error)
{
    *filled = 0;
    return source->ops->read_into(source, segments, count, filled, error);
}

uint64_t fls_source_remaining(struct fls_source *source)
{
    return source->ops->remaining(source);
}

enum fls_status fls_source_skip(struct fls_source *source, uint64_t bytes, uint64_t *skipped,
                                struct fls_error *error)
{
    *skipped = 0;
    while (*skipped < bytes) {
        struct fls_view view;
        enum fls_status status = fls_source_peek(source, 1, &view, error);
        if (status != FLS_OK)
            return status;
        size_t part = (size_t)fls_min_u64(view.available, bytes - *skipped);
        fls_source_consume(source, part);
        *skipped += part;
    }
    return FLS_OK;
}

void fls_source_close(struct fls_source *source)
{
    if (source)
        source->ops->close(source);
}
