/*
 * faulty.c: a sink and a source that fail, or pass little at a time, by plan.
 */
#include <stdlib.h>

#include <flatstream/decorator.h>

#include "io/sink_turn.h"

/* Counts one call; whether the plan says that it fails. */
static int call_fails(struct fls_fault_plan *plan)
{
    uint64_t count = plan->fail_count > 0 ? plan->fail_count : 1;

    plan->calls++;
    return plan->fail_at > 0 && plan->calls >= plan->fail_at && plan->calls - plan->fail_at < count;
}

static enum fls_status failure_of(const struct fls_fault_plan *plan, struct fls_error *error)
{
    if (plan->status == FLS_AGAIN)
        return FLS_AGAIN;
    return fls_error_system(error, "planned fault", plan->os_errno);
}

struct faulty_sink {
    struct fls_sink base;
    struct fls_sink *inner;
    struct fls_fault_plan *plan;
};

/* Writes the first segment's first bytes_max bytes only: the shortest of short writes. */
static enum fls_status write_short(struct faulty_sink *sink, const struct iovec *segments,
                                   size_t *accepted, struct fls_error *error)
{
    struct iovec first = {segments->iov_base,
                          fls_min_size(segments->iov_len, sink->plan->bytes_max)};

    return fls_sink_ask(sink->inner, &first, 1, accepted, error);
}

static enum fls_status sink_writev(struct fls_sink *base, const struct iovec *segments, int count,
                                   size_t *accepted, struct fls_error *error)
{
    struct faulty_sink *sink = (struct faulty_sink *)base;
    enum fls_status status;

    sink->inner->frames = base->frames;
    if (call_fails(sink->plan))
        return failure_of(sink->plan, error);
    if (sink->plan->bytes_max > 0)
        status = write_short(sink, segments, accepted, error);
    else
        status = fls_sink_ask(sink->inner, segments, count, accepted, error);
    base->system_calls = sink->inner->system_calls;
    return status;
}

static enum fls_status sink_flush(struct fls_sink *base, enum fls_level level,
                                  struct fls_error *error)
{
    struct faulty_sink *sink = (struct faulty_sink *)base;

    sink->inner->frames = base->frames;
    if (call_fails(sink->plan))
        return failure_of(sink->plan, error);
    enum fls_status status = fls_sink_flush(sink->inner, level, error);
    base->system_calls = sink->inner->system_calls;
    return status;
}

static enum fls_status sink_close(struct fls_sink *base, struct fls_error *error)
{
    struct fls_sink *inner = ((struct faulty_sink *)base)->inner;

    inner->frames = base->frames;
    free(base);
    return fls_sink_close(inner, error);
}

static const struct fls_sink_ops faulty_sink_ops = {sink_writev, sink_flush, sink_close};

enum fls_status fls_sink_open_faulty(struct fls_sink *inner, struct fls_fault_plan *plan,
                                     struct fls_sink **sink, struct fls_error *error)
{
    struct faulty_sink *opened = calloc(1, sizeof *opened);

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    opened->base.ops = &faulty_sink_ops;
    opened->base.piece_bytes = inner->piece_bytes;
    opened->base.system_calls = inner->system_calls;
    opened->inner = inner;
    opened->plan = plan;
    *sink = &opened->base;
    return FLS_OK;
}

struct faulty_source {
    struct fls_source base;
    struct fls_source *inner;
    struct fls_fault_plan *plan;
};

static enum fls_status source_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                   struct fls_error *error)
{
    struct faulty_source *source = (struct faulty_source *)base;

    if (call_fails(source->plan))
        return failure_of(source->plan, error);
    enum fls_status status = fls_source_peek(source->inner, need, view, error);
    if (status == FLS_OK && source->plan->bytes_max > 0)
        view->available = need + fls_min_size(view->available - need, source->plan->bytes_max);
    base->system_calls = source->inner->system_calls;
    return status;
}

static void source_consume(struct fls_source *base, size_t bytes)
{
    fls_source_consume(((struct faulty_source *)base)->inner, bytes);
}

/* Fills the first non-empty segment's first bytes_max bytes, then fails by plan or goes on. */
static enum fls_status source_read_into(struct fls_source *base, const struct iovec *segments,
                                        size_t count, size_t *filled, struct fls_error *error)
{
    struct faulty_source *source = (struct faulty_source *)base;
    enum fls_status status = FLS_OK;

    if (source->plan->bytes_max == 0) {
        if (call_fails(source->plan))
            return failure_of(source->plan, error);
        status = fls_source_read_into(source->inner, segments, count, filled, error);
        base->system_calls = source->inner->system_calls;
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0, got = 0; at < segments[i].iov_len; at += got) {
            struct iovec part = {(char *)segments[i].iov_base + at,
                                 fls_min_size(segments[i].iov_len - at, source->plan->bytes_max)};
            if (call_fails(source->plan))
                return failure_of(source->plan, error);
            status = fls_source_read_into(source->inner, &part, 1, &got, error);
            base->system_calls = source->inner->system_calls;
            *filled += got;
            if (status != FLS_OK)
                return status;
        }
    }
    return status;
}

static uint64_t source_remaining(struct fls_source *base)
{
    return fls_source_remaining(((struct faulty_source *)base)->inner);
}

static void source_close(struct fls_source *base)
{
    fls_source_close(((struct faulty_source *)base)->inner);
    free(base);
}

static const struct fls_source_ops faulty_source_ops = {
    source_peek, source_consume, source_read_into, source_remaining, source_close};

enum fls_status fls_source_open_faulty(struct fls_source *inner, struct fls_fault_plan *plan,
                                       struct fls_source **source, struct fls_error *error)
{
    struct faulty_source *opened = calloc(1, sizeof *opened);

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    opened->base.ops = &faulty_source_ops;
    opened->base.peek_bytes_max = inner->peek_bytes_max;
    opened->base.system_calls = inner->system_calls;
    opened->inner = inner;
    opened->plan = plan;
    *source = &opened->base;
    return FLS_OK;
}
