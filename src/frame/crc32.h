/*
 * crc32.h: CRC-32/ISO-HDLC by the library chosen at configure time.
 */
#ifndef FRAME_CRC32_H
#define FRAME_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Carries `crc` over `length` more bytes. Start with 0. */
#if defined(FLS_CRC32_ISAL)

#include <isa-l/crc.h>
#define FLS_CRC32_PROVIDER "isa-l"
static inline uint32_t fls_crc32(uint32_t crc, const void *data, size_t length)
{
    return crc32_gzip_refl(crc, data, length);
}

#elif defined(FLS_CRC32_LIBDEFLATE)

#include <libdeflate.h>
#define FLS_CRC32_PROVIDER "libdeflate"
static inline uint32_t fls_crc32(uint32_t crc, const void *data, size_t length)
{
    return length > 0 ? libdeflate_crc32(crc, data, length) : crc;
}

#else

#include <zlib.h>
#define FLS_CRC32_PROVIDER "zlib"
static inline uint32_t fls_crc32(uint32_t crc, const void *data, size_t length)
{
    return length > 0 ? (uint32_t)crc32_z(crc, data, length) : crc;
}

#endif

#endif
