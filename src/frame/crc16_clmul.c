/*
 * crc16_clmul.c: CRC-16/XMODEM by folding with carry-less multiplication.
 *
 * Let a 128-bit block A = H x^64 + L stand d bits in front of another. Modulo P its contribution
 * there is H (x^(d+64) mod P) + L (x^d mod P): two multiplications by 16-bit constants, whose
 * 79-bit products fit one block. So four blocks at a time are folded onto the next four (d = 512),
 * then the four onto one (d = 128); what is left is one 16-byte block congruent to all that came
 * before, and the table finishes it together with the tail (Gopal et al., "Fast CRC Computation
 * for Generic Polynomials Using PCLMULQDQ", Intel, 2009). The constants are x^n mod P, reckoned
 * bit by bit; tests/checksum_test.c does it again.
 */
#if defined(__x86_64__)

#include <immintrin.h>

#include "frame/crc16.h"

/* x^576 and x^512; x^192 and x^128. The high half multiplies H, the low half L. */
#define FOLD_512 _mm_set_epi64x(0x8832, 0x13fc)
#define FOLD_128 _mm_set_epi64x(0x650b, 0xaefc)

static inline __m128i swap_bytes(__m128i block)
{
    return _mm_shuffle_epi8(block,
                            _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

static inline __m128i load(const uint8_t *p)
{
    return swap_bytes(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline __m128i fold(__m128i block, __m128i constants, __m128i onto)
{
    __m128i high = _mm_clmulepi64_si128(block, constants, 0x11);
    __m128i low = _mm_clmulepi64_si128(block, constants, 0x00);
    return _mm_xor_si128(onto, _mm_xor_si128(high, low));
}

uint16_t fls_crc16_clmul(uint16_t crc, const void *data, size_t length)
{
    const uint8_t *p = data;
    uint8_t rest[16];
    /* The running crc stands in front of the message: xor it onto its first two bytes. */
    __m128i a = _mm_xor_si128(load(p), _mm_set_epi64x((long long)((uint64_t)crc << 48), 0));
    __m128i b = load(p + 16), c = load(p + 32), d = load(p + 48);

    for (p += 64, length -= 64; length >= 64; p += 64, length -= 64) {
        a = fold(a, FOLD_512, load(p));
        b = fold(b, FOLD_512, load(p + 16));
        c = fold(c, FOLD_512, load(p + 32));
        d = fold(d, FOLD_512, load(p + 48));
    }
    a = fold(a, FOLD_128, b);
    a = fold(a, FOLD_128, c);
    a = fold(a, FOLD_128, d);
    for (; length >= 16; p += 16, length -= 16)
        a = fold(a, FOLD_128, load(p));
    _mm_storeu_si128((__m128i *)(void *)rest, swap_bytes(a));
    return fls_crc16_table(fls_crc16_table(0, rest, sizeof rest), p, length);
}

#else
typedef int fls_crc16_clmul_needs_x86_64;
#endif
