/*
 * source.c: the calls through a source's table, with what holds for every source.
 */
#include <flatstream/source.h>

#include "base/arguments.h"
#include "base/bytes.h"
#include "base/error.h"

/* --- what a slot gave: may it be so? -----------------------------------------------------------
 */

static int reaches_beyond_memory(const struct fls_view *view)
{
    return view->available > 0 &&
           (!view->bytes || view->available > UINTPTR_MAX - (uintptr_t)view->bytes);
}

static const char *wrong_view(enum fls_status status, size_t need, const struct fls_view *view)
{
    if (reaches_beyond_memory(view))
        return "it showed bytes that cannot be";
    if (status == FLS_OK && view->available < need)
        return "it showed less than was needed, and said that all was well";
    if (status == FLS_END && view->available >= need)
        return "it showed all that was needed, and said that this was the end";
    return NULL;
}

static enum fls_status settle_peek(enum fls_status status, size_t need, struct fls_view *view,
                                   struct fls_error *record)
{
    unsigned shows = FLS_MAY(OK) | FLS_MAY(END) | FLS_MAY(AGAIN);

    status =
        fls_error_settle(record, status, shows | FLS_MAY(IO) | FLS_MAY(NO_MEMORY), "source peek");
    const char *wrong = shows & 1u << status ? wrong_view(status, need, view) : NULL;
    if (wrong)
        status = fls_error_breach(record, "source peek", wrong);
    if (!(shows & 1u << status))
        *view = (struct fls_view){NULL, 0};
    return status;
}

static enum fls_status settle_read(enum fls_status status, size_t room, size_t *filled,
                                   struct fls_error *record)
{
    static const char slot[] = "source read_into";

    status = fls_error_settle(
        record, status,
        FLS_MAY(OK) | FLS_MAY(END) | FLS_MAY(AGAIN) | FLS_MAY(IO) | FLS_MAY(NO_MEMORY), slot);
    if (*filled > room) {
        *filled = 0;
        return fls_error_breach(record, slot, "it filled more than there was room for");
    }
    if (status == FLS_OK && *filled < room)
        return fls_error_breach(record, slot, "it did not fill all, and said that all was well");
    return status;
}

/* FLS_END and FLS_AGAIN are no errors. */
static enum fls_status report(enum fls_status status, const struct fls_error *record,
                              struct fls_error *error)
{
    return status == FLS_OK || status == FLS_END || status == FLS_AGAIN
               ? status
               : fls_error_copy(error, record);
}

/* --- the calls --------------------------------------------------------------------------------
 */

enum fls_status fls_source_peek(struct fls_source *source, size_t need, struct fls_view *view,
                                struct fls_error *error)
{
    struct fls_error record;

    *view = (struct fls_view){NULL, 0};
    if (need > source->peek_bytes_max)
        return fls_error_numbers(error, FLS_TOO_SMALL, FLS_PART_NONE, source->peek_bytes_max, need);
    need = fls_max_size(need, 1);
    fls_error_clear(&record);
    enum fls_status status = source->ops->peek(source, need, view, &record);
    return report(settle_peek(status, need, view, &record), &record, error);
}

void fls_source_consume(struct fls_source *source, size_t bytes)
{
    source->ops->consume(source, bytes);
}

enum fls_status fls_source_read_into(struct fls_source *source, const struct iovec *segments,
                                     size_t count, size_t *filled, struct fls_error *error)
{
    struct fls_error record;
    enum fls_status status = fls_check_segments(segments, count, error);

    *filled = 0;
    if (status != FLS_OK)
        return status;
    size_t room = fls_payload_from_segments(segments, count).length;
    fls_error_clear(&record);
    status = source->ops->read_into(source, segments, count, filled, &record);
    return report(settle_read(status, room, filled, &record), &record, error);
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
