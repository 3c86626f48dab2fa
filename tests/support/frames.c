/*
 * frames.c: see frames.h.
 */
#include "support/frames.h"

#include <stdlib.h>
#include <string.h>

static uint32_t random_state = 88172645;

uint32_t test_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

void test_random_seed(uint32_t seed)
{
    random_state = seed * 2654435761u | 1;
}

void frames_raw(struct frames *frames, const void *bytes, size_t length)
{
    if (frames->length + length > frames->capacity) {
        frames->capacity = (frames->length + length) * 2 + 64;
        frames->bytes = realloc(frames->bytes, frames->capacity);
        assert_non_null(frames->bytes);
    }
    if (length > 0)
        memcpy(frames->bytes + frames->length, bytes, length);
    frames->length += length;
}

void frames_put(struct frames *frames, struct fls_checksum checksum, const void *payload,
                size_t bytes)
{
    struct fls_frame_format format = {checksum, 0};
    uint8_t header[FLS_FRAME_HEADER_BYTES_MAX];
    size_t header_bytes = fls_frame_encode_header(
        &format, (uint32_t)bytes, fls_checksum_of(checksum, payload, bytes), header);

    frames_raw(frames, header, header_bytes);
    frames_raw(frames, payload, bytes);
}

void frames_pattern(struct frames *frames, struct fls_checksum checksum, const size_t *sizes,
                    size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t *payload = malloc(sizes[i] + 1);
        assert_non_null(payload);
        pattern_fill(payload, sizes[i]);
        frames_put(frames, checksum, payload, sizes[i]);
        free(payload);
    }
}

static void fnv_begin(void *context, void *state)
{
    (void)context;
    *(uint64_t *)state = UINT64_C(0xcbf29ce484222325);
}

static void fnv_update(void *context, void *state, const void *data, size_t length)
{
    uint64_t *hash = state;

    (void)context;
    for (size_t i = 0; i < length; i++)
        *hash = (*hash ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
}

static uint64_t fnv_finish(void *context, void *state)
{
    (void)context;
    return *(uint64_t *)state;
}

struct fls_checksum_custom test_custom_checksum(size_t width)
{
    return (struct fls_checksum_custom){width, fnv_begin, fnv_update, fnv_finish, NULL};
}
