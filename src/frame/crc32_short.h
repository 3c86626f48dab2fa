/*
 * crc32_short.h: CRC-32 of short payloads; crc32.h has that of any.
 */
#ifndef FRAME_CRC32_SHORT_H
#define FRAME_CRC32_SHORT_H

#include <stddef.h>
#include <stdint.h>

/* What the kernel takes. Further on the libraries' widest kernels begin to pay. */
#define FLS_CRC32_SHORT_BYTES_MIN 8
#define FLS_CRC32_SHORT_BYTES_MAX 255

#if defined(__x86_64__)

/* How many lengths from the least on go to the kernel: 0 where the processor cannot. */
extern size_t fls_crc32_short_lengths;

/* Carries `crc` over `length` more bytes, within the bounds above. Needs PCLMULQDQ and AVX. */
uint32_t fls_crc32_short(uint32_t crc, const void *data, size_t length);

/* Whether the processor has AVX-512 and VPCLMULQDQ. */
extern int fls_crc32_short_is_wide;

#define FLS_CRC32_WIDE_BYTES_MIN 64

/* The same from FLS_CRC32_WIDE_BYTES_MIN bytes on, where there is that. */
uint32_t fls_crc32_short_wide(uint32_t crc, const void *data, size_t length);

#endif

#endif
