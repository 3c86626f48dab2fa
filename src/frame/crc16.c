/*
 * crc16.c: CRC-16/XMODEM by sixteen tables, and the choice of the faster way.
 *
 * A CRC is the remainder of the message, read as a polynomial over GF(2), times x^16, divided by
 * P = x^16 + x^12 + x^5 + 1. Byte by byte that is one table look-up a byte, each waiting for the
 * one before. But the remainder is linear: the contribution of a byte that has k bytes behind it is
 * a function of that byte alone, so sixteen bytes can be looked up side by side in sixteen tables,
 * table[k] for the byte with k behind it (slicing: Kounavis and Berry, 2005).
 */
#include "frame/crc16.h"

static uint16_t table[16][256];

static uint16_t advance_by_zero_byte(uint16_t crc)
{
    return (uint16_t)((crc << 8) ^ table[0][crc >> 8]);
}

/* Made once, when the library is loaded: 8 KiB. */
__attribute__((constructor(101))) static void make_tables(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint16_t crc = (uint16_t)(byte << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0));
        table[0][byte] = crc;
    }
    for (int behind = 1; behind < 16; behind++)
        for (unsigned byte = 0; byte < 256; byte++)
            table[behind][byte] = advance_by_zero_byte(table[behind - 1][byte]);
}

uint16_t fls_crc16_table(uint16_t crc, const void *data, size_t length)
{
    const uint8_t *p = data;

    for (; length >= 16; length -= 16, p += 16) {
        uint16_t head = (uint16_t)(table[15][p[0] ^ (crc >> 8)] ^ table[14][p[1] ^ (crc & 0xff)]);
        uint16_t a = (uint16_t)(table[13][p[2]] ^ table[12][p[3]] ^ table[11][p[4]]);
        uint16_t b = (uint16_t)(table[10][p[5]] ^ table[9][p[6]] ^ table[8][p[7]]);
        uint16_t c = (uint16_t)(table[7][p[8]] ^ table[6][p[9]] ^ table[5][p[10]]);
        uint16_t d = (uint16_t)(table[4][p[11]] ^ table[3][p[12]] ^ table[2][p[13]]);
        uint16_t e = (uint16_t)(table[1][p[14]] ^ table[0][p[15]]);
        crc = (uint16_t)(head ^ a ^ b ^ c ^ d ^ e);
    }
    for (; length > 0; length--, p++)
        crc = (uint16_t)((crc << 8) ^ table[0][(crc >> 8) ^ *p]);
    return crc;
}

uint16_t fls_crc16(uint16_t crc, const void *data, size_t length)
{
#if defined(__x86_64__)
    if (length >= 64 && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("ssse3"))
        return fls_crc16_clmul(crc, data, length);
#endif
    return fls_crc16_table(crc, data, length);
}
