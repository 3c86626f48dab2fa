/*
 * checksum_fast.h: a checksum without a check or a table, for the loops over messages.
 */
#ifndef FRAME_CHECKSUM_FAST_H
#define FRAME_CHECKSUM_FAST_H

#include <flatstream/checksum.h>

#include "frame/crc16.h"
#include "frame/crc32.h"
#include "frame/xxh3.h"

uint64_t fls_checksum_custom_of(const struct fls_checksum_custom *custom, const void *data,
                                size_t length);

static inline uint64_t fls_checksum_fast(struct fls_checksum checksum, const void *data,
                                         size_t length)
{
    switch (checksum.kind) {
    case FLS_CHECKSUM_NONE:
        return 0;
    case FLS_CHECKSUM_CRC16:
        return fls_crc16(0, data, length);
    case FLS_CHECKSUM_CRC32:
        return fls_crc32(0, data, length);
    case FLS_CHECKSUM_XXH3:
        return fls_xxh3_of(data, length);
    case FLS_CHECKSUM_CUSTOM:
        return fls_checksum_custom_of(checksum.custom, data, length);
    }
    return 0;
}

#endif
