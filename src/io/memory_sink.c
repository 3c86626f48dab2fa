/*
 * memory_sink.c: a sink into memory, growing or fixed. Full is ENOSPC, as on a disk: what still
 * fits is accepted first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <flatstream/sink.h>

#include "base/arguments.h"
#include "base/bytes.h"
#include "base/error.h"

/* The first allocation of a growing sink, in bytes; it doubles from there. */
#define FIRST_BYTES 4096

struct memory_sink {
    struct fls_sink base;
    uint8_t *bytes;
    size_t length;
    size_t capacity;
    size_t bytes_max; /* of a growing sink; equal to capacity when fixed */
    int fixed;
};

static const struct fls_sink_ops memory_sink_ops;

/* Grows to hold `wanted` bytes, or as many as the bound allows; 0, or an errno. */
static int grow(struct memory_sink *sink, size_t wanted)
{
    size_t capacity = fls_max_size(sink->capacity, FIRST_BYTES);

    if (wanted <= sink->capacity || sink->capacity == sink->bytes_max)
        return 0;
    while (capacity < wanted && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    capacity = fls_min_size(fls_max_size(capacity, wanted), sink->bytes_max);
    uint8_t *bytes = realloc(sink->bytes, capacity);
    if (!bytes)
        return ENOMEM;
    sink->bytes = bytes;
    sink->capacity = capacity;
    return 0;
}

static enum fls_status memory_writev(struct fls_sink *base, const struct iovec *segments, int count,
                                     size_t *accepted, struct fls_error *error)
{
    struct memory_sink *sink = (struct memory_sink *)base;
    struct fls_payload payload = fls_payload_from_segments(segments, (size_t)count);
    size_t wanted;

    if (__builtin_add_overflow(sink->length, payload.length, &wanted))
        return fls_error_system(error, "write to memory", ENOSPC);
    int failure = grow(sink, wanted);
    if (failure)
        return fls_error_system(error, "write to memory", failure);
    *accepted = 0;
    for (int i = 0; i < count && sink->length < sink->capacity; i++) {
        size_t part = fls_min_size(segments[i].iov_len, sink->capacity - sink->length);
        memcpy(sink->bytes + sink->length, segments[i].iov_base, part);
        sink->length += part;
        *accepted += part;
    }
    return *accepted > 0 ? FLS_OK : fls_error_system(error, "write to memory", ENOSPC);
}

static enum fls_status memory_flush(struct fls_sink *sink, enum fls_level level,
                                    struct fls_error *error)
{
    (void)sink;
    if (level == FLS_LEVEL_MACHINE)
        return fls_error_set(error, FLS_UNSUPPORTED, "memory does not outlive the machine");
    return FLS_OK;
}

static enum fls_status memory_close(struct fls_sink *base, struct fls_error *error)
{
    struct memory_sink *sink = (struct memory_sink *)base;

    (void)error;
    if (!sink->fixed)
        free(sink->bytes);
    free(sink);
    return FLS_OK;
}

static const struct fls_sink_ops memory_sink_ops = {memory_writev, memory_flush, memory_close};

static enum fls_status open_memory(struct memory_sink settings, struct fls_sink **sink,
                                   struct fls_error *error)
{
    struct memory_sink *opened = malloc(sizeof *opened);

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    *opened = settings;
    opened->base.ops = &memory_sink_ops;
    *sink = &opened->base;
    return FLS_OK;
}

enum fls_status fls_sink_open_memory(size_t bytes_max, struct fls_sink **sink,
                                     struct fls_error *error)
{
    struct memory_sink settings = {.bytes_max = bytes_max > 0 ? bytes_max : SIZE_MAX};

    return open_memory(settings, sink, error);
}

enum fls_status fls_sink_open_fixed_memory(void *memory, size_t capacity, struct fls_sink **sink,
                                           struct fls_error *error)
{
    struct memory_sink settings = {
        .bytes = memory, .capacity = capacity, .bytes_max = capacity, .fixed = 1};
    enum fls_status status = fls_check_given(memory, capacity, "bytes", error);

    return status == FLS_OK ? open_memory(settings, sink, error) : status;
}

const void *fls_sink_memory_bytes(const struct fls_sink *base, size_t *length)
{
    const struct memory_sink *sink = (const struct memory_sink *)base;

    if (base->ops != &memory_sink_ops) {
        *length = 0;
        return NULL;
    }
    *length = sink->length;
    return sink->bytes;
}

void fls_sink_memory_clear(struct fls_sink *base)
{
    if (base->ops == &memory_sink_ops)
        ((struct memory_sink *)base)->length = 0;
}
