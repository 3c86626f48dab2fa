/*
 * sample.c: see sample.h.
 */
#include <stdlib.h>
#include <string.h>

#include "support/sample.h"
#include "support/test.h"

static void fill(uint8_t *to, size_t id, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(id * 37 + i * 131 + (i >> 8) * 7 + 11);
}

static size_t store_little_endian(uint8_t *to, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        to[i] = (uint8_t)(value >> (8 * i));
    return width;
}

void samples_make(struct samples *samples, enum fls_checksum_kind kind, const size_t *sizes,
                  size_t count)
{
    struct fls_checksum checksum = {kind, NULL};
    size_t total = 0, at = 0, width = fls_checksum_bytes(checksum);

    assert_true(count <= SAMPLES_MAX);
    *samples = (struct samples){.count = count, .kind = kind};
    for (size_t i = 0; i < count; i++)
        total += 4 + width + sizes[i];
    samples->stream = malloc(total + 1);
    assert_non_null(samples->stream);
    for (size_t i = 0; i < count; i++) {
        samples->sizes[i] = sizes[i];
        samples->bytes[i] = malloc(sizes[i] + 1);
        assert_non_null(samples->bytes[i]);
        fill(samples->bytes[i], i, sizes[i]);
        samples->offsets[i] = at;
        uint64_t sum = fls_checksum_of(checksum, samples->bytes[i], sizes[i]);
        at += store_little_endian(samples->stream + at, sizes[i], 4);
        at += store_little_endian(samples->stream + at, sum, width);
        memcpy(samples->stream + at, samples->bytes[i], sizes[i]);
        at += sizes[i];
    }
    samples->offsets[count] = samples->stream_bytes = at;
}

void samples_free(struct samples *samples)
{
    for (size_t i = 0; i < samples->count; i++)
        free(samples->bytes[i]);
    free(samples->stream);
    *samples = (struct samples){0};
}

const uint8_t *sample_frame(const struct samples *samples, size_t i, size_t *bytes)
{
    *bytes = samples->offsets[i + 1] - samples->offsets[i];
    return samples->stream + samples->offsets[i];
}
