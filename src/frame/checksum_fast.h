/*
 * checksum_fast.h: a checksum without a check or a table, for the loops over messages.
 */
#ifndef FRAME_CHECKSUM_FAST_H
#define FRAME_CHECKSUM_FAST_H

#include <flatstream/checksum.h>

#include "frame/crc16.h"
#include "frame/crc32.h"
#include "frame/crc32_short.h"
#include "frame/xxh3.h"

uint64_t fls_checksum_custom_of(const struct fls_checksum_custom *custom, const void *data,
                                size_t length);

/* Carries `crc` over `length` more bytes, by the kernel or the library. Start with 0. */
static inline uint32_t fls_crc32_carry(uint32_t crc, const void *data, size_t length)
{
#if defined(__x86_64__)
    if (length - FLS_CRC32_SHORT_BYTES_MIN < fls_crc32_short_lengths)
        return fls_crc32_short_is_wide && length >= FLS_CRC32_WIDE_BYTES_MIN
                   ? fls_crc32_short_wide(crc, data, length)
                   : fls_crc32_short(crc, data, length);
#endif
    return fls_crc32(crc, data, length);
}

static inline uint64_t fls_checksum_fast(struct fls_checksum checksum, const void *data,
                                         size_t length)
{
    switch (checksum.kind) {
    case FLS_CHECKSUM_NONE:
        return 0;
    case FLS_CHECKSUM_CRC16:
        return fls_crc16(0, data, length);
    case FLS_CHECKSUM_CRC32:
        return fls_crc32_carry(0, data, length);
    case FLS_CHECKSUM_XXH3:
        return fls_xxh3_of(data, length);
    case FLS_CHECKSUM_CUSTOM:
        return fls_checksum_custom_of(checksum.custom, data, length);
    }
    return 0;
}

#endif
