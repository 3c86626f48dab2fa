/*
 * counting.c: a sink and a source that count what passes through them.
 */
#include <stdlib.h>

#include <flatstream/decorator.h>

#include "io/sink_turn.h"

struct counting_sink {
    struct fls_sink base;
    struct fls_sink *inner;
    struct fls_io_counts *counts;
};

static enum fls_status sink_writev(struct fls_sink *base, const struct iovec *segments, int count,
                                   size_t *accepted, struct fls_error *error)
{
    struct counting_sink *sink = (struct counting_sink *)base;

    sink->inner->frames = base->frames;
    enum fls_status status = fls_sink_ask(sink->inner, segments, count, accepted, error);

    sink->counts->calls++;
    sink->counts->segments += (uint64_t)count;
    if (status == FLS_OK)
        sink->counts->bytes += *accepted;
    base->system_calls = sink->inner->system_calls;
    return status;
}

static enum fls_status sink_flush(struct fls_sink *base, enum fls_level level,
                                  struct fls_error *error)
{
    struct counting_sink *sink = (struct counting_sink *)base;

    sink->inner->frames = base->frames;
    enum fls_status status = fls_sink_flush(sink->inner, level, error);

    sink->counts->flushes++;
    base->system_calls = sink->inner->system_calls;
    return status;
}

static enum fls_status sink_close(struct fls_sink *base, struct fls_error *error)
{
    struct fls_sink *inner = ((struct counting_sink *)base)->inner;

    inner->frames = base->frames;
    free(base);
    return fls_sink_close(inner, error);
}

static const struct fls_sink_ops counting_sink_ops = {sink_writev, sink_flush, sink_close};

enum fls_status fls_sink_open_counting(struct fls_sink *inner, struct fls_io_counts *counts,
                                       struct fls_sink **sink, struct fls_error *error)
{
    struct counting_sink *opened = calloc(1, sizeof *opened);

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    opened->base.ops = &counting_sink_ops;
    opened->base.piece_bytes = inner->piece_bytes;
    opened->base.system_calls = inner->system_calls;
    opened->inner = inner;
    opened->counts = counts;
    *sink = &opened->base;
    return FLS_OK;
}

struct counting_source {
    struct fls_source base;
    struct fls_source *inner;
    struct fls_io_counts *counts;
};

static enum fls_status source_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                   struct fls_error *error)
{
    struct counting_source *source = (struct counting_source *)base;
    enum fls_status status = fls_source_peek(source->inner, need, view, error);

    source->counts->calls++;
    base->system_calls = source->inner->system_calls;
    return status;
}

static void source_consume(struct fls_source *base, size_t bytes)
{
    struct counting_source *source = (struct counting_source *)base;

    source->counts->bytes += bytes;
    fls_source_consume(source->inner, bytes);
}

static enum fls_status source_read_into(struct fls_source *base, const struct iovec *segments,
                                        size_t count, size_t *filled, struct fls_error *error)
{
    struct counting_source *source = (struct counting_source *)base;
    enum fls_status status = fls_source_read_into(source->inner, segments, count, filled, error);

    source->counts->calls++;
    source->counts->segments += count;
    source->counts->bytes += *filled;
    base->system_calls = source->inner->system_calls;
    return status;
}

static uint64_t source_remaining(struct fls_source *base)
{
    return fls_source_remaining(((struct counting_source *)base)->inner);
}

static void source_close(struct fls_source *base)
{
    fls_source_close(((struct counting_source *)base)->inner);
    free(base);
}

static const struct fls_source_ops counting_source_ops = {
    source_peek, source_consume, source_read_into, source_remaining, source_close};

enum fls_status fls_source_open_counting(struct fls_source *inner, struct fls_io_counts *counts,
                                         struct fls_source **source, struct fls_error *error)
{
    struct counting_source *opened = calloc(1, sizeof *opened);

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    opened->base.ops = &counting_source_ops;
    opened->base.peek_bytes_max = inner->peek_bytes_max;
    opened->base.system_calls = inner->system_calls;
    opened->inner = inner;
    opened->counts = counts;
    *source = &opened->base;
    return FLS_OK;
}
