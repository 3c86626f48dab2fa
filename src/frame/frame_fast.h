/*
 * frame_fast.h: the header of a frame, inline; both sides of the wire format stand here together.
 */
#ifndef FRAME_FRAME_FAST_H
#define FRAME_FRAME_FAST_H

#include <flatstream/frame.h>

#include "base/bytes.h"

#define FLS_LENGTH_BYTES 4

/* Writes length and checksum; `width` is the checksum's. Writes 12 bytes whatever the width. */
static inline size_t fls_header_store(uint8_t *header, uint32_t payload_bytes, uint64_t checksum,
                                      size_t width)
{
    fls_store_u32(header, payload_bytes);
    fls_store_u64(header + FLS_LENGTH_BYTES, checksum);
    return FLS_LENGTH_BYTES + width;
}

static inline uint32_t fls_header_payload_bytes(const uint8_t *header)
{
    return fls_load_u32(header);
}

/* The stored checksum of `width` bytes; reads no byte more. */
static inline uint64_t fls_header_checksum(const uint8_t *header, size_t width)
{
    const uint8_t *field = header + FLS_LENGTH_BYTES;
    uint64_t value = 0;

    switch (width) {
    case 0:
        return 0;
    case 2:
        return fls_load_u16(field);
    case 4:
        return fls_load_u32(field);
    case 8:
        return fls_load_u64(field);
    default:
        for (size_t i = 0; i < width; i++)
            value |= (uint64_t)field[i] << (8 * i);
        return value;
    }
}

/* The limit in force: the default for 0, and never more than the wire can say. */
static inline uint64_t fls_payload_limit(uint64_t payload_bytes_max)
{
    if (payload_bytes_max == 0)
        return FLS_PAYLOAD_BYTES_MAX_DEFAULT;
    return fls_min_u64(payload_bytes_max, FLS_PAYLOAD_BYTES_WIRE_MAX);
}

#endif
