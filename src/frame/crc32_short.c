/*
 * crc32_short.c: CRC-32/ISO-HDLC of fewer than 256 bytes, with no load wider than 8 bytes.
 *
 * A payload that has just been built is still in the processor's store buffer, field by field. A
 * load is served from there only if one store holds all of it; a 16-byte load behind 8-byte stores
 * waits until they are in the cache, and everything behind it waits too. The libraries load 16
 * bytes and more, which pays for long payloads; here it would cost more than the sum itself.
 *
 * Let a word W of 64 bits have n bytes behind it. Its contribution to the remainder modulo P is
 * W (x^(8n+32) mod P), a product of 95 bits. So all words are multiplied side by side, each by
 * the factor of its place, and one reduction takes the sum V of the products to 32 bits: with
 * V = H x^32 + L and mu = floor(x^95 / P), the quotient of H x^32 by P is Q = floor(H mu / x^63)
 * (Barrett's, exact over GF(2) as H has 63 bits), and the remainder is L + Q P modulo x^32. Three
 * multiplications stand one behind another, however long the payload (Gopal et al., "Fast CRC
 * Computation for Generic Polynomials Using PCLMULQDQ", Intel, 2009, has the method).
 *
 * In this CRC the lowest bit has the highest power: a 64-bit word holds x^(63-i) in bit i, a factor
 * x^(32-i), and so a product x^(95-i): H is its low half, and L bits 64 to 95.
 *
 * Compiled for AVX, though nothing here is wider than 16 bytes: instructions of the older encoding
 * keep the upper parts of the registers, and so wait for each other when code before, such as
 * ISA-L's, left something there.
 */
#if defined(__x86_64__)

#include <immintrin.h>

#include "frame/crc32_short.h"

#define POLYNOMIAL UINT32_C(0xedb88320)              /* P without x^32: x^(31-i) in bit i */
#define FACTOR_OF_P ((long long)POLYNOMIAL << 1)     /* as a factor */
#define MU ((long long)UINT64_C(0xb4e5b025f7011641)) /* x^(63-i) in bit i */
#define FACTORS (FLS_CRC32_SHORT_BYTES_MAX - FLS_CRC32_SHORT_BYTES_MIN + 1)

size_t fls_crc32_short_lengths;

static uint64_t factors[FACTORS]; /* of a word with that many bytes behind it: x^(8n+32) mod P */

/* Made once, when the library is loaded. */
__attribute__((constructor(101))) static void make_factors(void)
{
    uint32_t power = POLYNOMIAL; /* x^32 mod P */

    for (size_t behind = 0; behind < FACTORS; behind++) {
        factors[behind] = (uint64_t)power << 1;
        for (int bit = 0; bit < 8; bit++)
            power = (power >> 1) ^ (power & 1 ? POLYNOMIAL : 0);
    }
    __builtin_cpu_init(); /* a constructor may run before the compiler's own */
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("avx"))
        fls_crc32_short_lengths = FACTORS;
}

static inline __m128i load(const void *p)
{
    return _mm_loadl_epi64((const __m128i *)p);
}

static inline __m128i product(__m128i word, size_t behind)
{
    return _mm_clmulepi64_si128(word, load(&factors[behind]), 0x00);
}

static inline uint32_t reduce(__m128i sum)
{
    const __m128i constants = _mm_set_epi64x(FACTOR_OF_P, MU);
    __m128i quotient = _mm_clmulepi64_si128(sum, constants, 0x00);

    sum = _mm_xor_si128(sum, _mm_clmulepi64_si128(quotient, constants, 0x10));
    return (uint32_t)_mm_cvtsi128_si32(_mm_unpackhi_epi64(sum, sum));
}

/* The word that ends at `end`, of which only the last `bytes`, 1 to 7, are new. */
static inline __m128i load_last(const uint8_t *end, size_t bytes)
{
    __m128i seen = _mm_cvtsi32_si128((int)(64 - 8 * bytes));

    return _mm_sll_epi64(_mm_srl_epi64(load(end - 8), seen), seen);
}

uint32_t fls_crc32_short(uint32_t crc, const void *data, size_t length)
{
    const uint8_t *p = data;
    size_t behind = length - 8;
    /* The running crc stands in front of the message: xor it onto its first four bytes. */
    __m128i sum = product(_mm_xor_si128(load(p), _mm_cvtsi32_si128((int)~crc)), behind);

    for (p += 8; behind >= 8; p += 8) {
        behind -= 8;
        sum = _mm_xor_si128(sum, product(load(p), behind));
    }
    if (behind > 0)
        sum = _mm_xor_si128(sum, product(load_last(p + behind, behind), 0));
    return ~reduce(sum);
}

#else
typedef int fls_crc32_short_needs_x86_64;
#endif
