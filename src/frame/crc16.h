/*
 * crc16.h: CRC-16/XMODEM (polynomial 0x1021, most significant bit first, start 0, no final xor).
 */
#ifndef FRAME_CRC16_H
#define FRAME_CRC16_H

#include <stddef.h>
#include <stdint.h>

/* Carries `crc` over `length` more bytes. Start with 0. */
uint16_t fls_crc16(uint16_t crc, const void *data, size_t length);

/* The same by table, on any processor. */
uint16_t fls_crc16_table(uint16_t crc, const void *data, size_t length);

#if defined(__x86_64__)
/* The same by carry-less multiplication; needs PCLMULQDQ and SSSE3. At least 64 bytes. */
uint16_t fls_crc16_clmul(uint16_t crc, const void *data, size_t length);
#endif

#endif
