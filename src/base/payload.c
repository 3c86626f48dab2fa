/*
 * payload.c: a message as a list of segments.
 */
#include <string.h>

#include <flatstream/payload.h>

#include "base/arguments.h"

struct fls_payload fls_payload_from_segments(const struct iovec *segments, size_t count)
{
    struct fls_payload payload = {segments, count, 0};

    for (size_t i = 0; i < count && segments; i++)
        if (__builtin_add_overflow(payload.length, segments[i].iov_len, &payload.length))
            payload.length = SIZE_MAX;
    return payload;
}

enum fls_status fls_payload_flatten(const struct fls_payload *payload, void *memory,
                                    size_t capacity)
{
    unsigned char *to = memory;

    if (!fls_payload_is_sound(payload))
        return FLS_INVALID_ARGUMENT;
    if (capacity < payload->length)
        return FLS_TOO_SMALL;
    if (!memory && payload->length > 0)
        return FLS_INVALID_ARGUMENT;
    for (size_t i = 0; i < payload->count; i++) {
        if (payload->segments[i].iov_len == 0)
            continue;
        memcpy(to, payload->segments[i].iov_base, payload->segments[i].iov_len);
        to += payload->segments[i].iov_len;
    }
    return FLS_OK;
}
