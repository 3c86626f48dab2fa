/*
 * crc32_short.c: CRC-32/ISO-HDLC of fewer than 256 bytes, with no load wider than 8 bytes where a
 * message was mostly stored last.
 *
 * A payload that has just been built is still in the processor's store buffer, field by field. A
 * load is served from there only if one store holds all of it; a 16-byte load behind 8-byte stores
 * waits until they are in the cache, and everything behind it waits too. The libraries load 16
 * bytes and more, which pays for long payloads; here it would cost more than the sum itself. So one
 * kernel loads 8 bytes at a time; the other, for processors with AVX-512, does so with the first
 * 16, where a FlatBuffer's last stores are, and multiplies eight words at once.
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
 * Compiled for AVX, though the first kernel uses nothing wider than 16 bytes: instructions of the
 * older encoding keep the upper parts of the registers, and so wait for each other when code
 * before, such as ISA-L's, left something there.
 */
#if defined(__x86_64__)

#include <immintrin.h>

#include "frame/crc32_short.h"

#define POLYNOMIAL UINT32_C(0xedb88320)              /* P without x^32: x^(31-i) in bit i */
#define FACTOR_OF_P ((long long)POLYNOMIAL << 1)     /* as a factor */
#define MU ((long long)UINT64_C(0xb4e5b025f7011641)) /* x^(63-i) in bit i */

/* Words of one payload have 8 k + r bytes behind them, with one r. */
#define ROWS 8
#define WORDS_MAX (FLS_CRC32_SHORT_BYTES_MAX / 8)

size_t fls_crc32_short_lengths;
int fls_crc32_short_is_wide;

/* Of a word with 8 k + r bytes behind it: x^(8 (8 k + r) + 32) mod P, in row r at WORDS_MAX - 1 -
 * k, so that the factors of a payload's words stand in their order. */
static uint64_t factors[ROWS][WORDS_MAX];

/* Made once, when the library is loaded. */
__attribute__((constructor(101))) static void make_factors(void)
{
    uint32_t power = POLYNOMIAL; /* x^32 mod P */

    for (size_t behind = 0; behind < ROWS * WORDS_MAX; behind++) {
        factors[behind % ROWS][WORDS_MAX - 1 - behind / ROWS] = (uint64_t)power << 1;
        for (int bit = 0; bit < 8; bit++)
            power = (power >> 1) ^ (power & 1 ? POLYNOMIAL : 0);
    }
    __builtin_cpu_init(); /* a constructor may run before the compiler's own */
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("avx"))
        fls_crc32_short_lengths = FLS_CRC32_SHORT_BYTES_MAX - FLS_CRC32_SHORT_BYTES_MIN + 1;
    fls_crc32_short_is_wide =
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("vpclmulqdq");
}

/* The factor of the first of `length` bytes' words; those of the others follow. */
static inline const uint64_t *factors_of(size_t length)
{
    return &factors[length % ROWS][WORDS_MAX - length / 8];
}

static inline __m128i load(const void *p)
{
    return _mm_loadl_epi64((const __m128i *)p);
}

static inline __m128i product(__m128i word, const uint64_t *factor)
{
    return _mm_clmulepi64_si128(word, load(factor), 0x00);
}

/* Sixteen bytes whose first eight may have been stored last. */
static inline __m128i load_apart(const uint8_t *p)
{
    return _mm_unpacklo_epi64(load(p), load(p + 8));
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

/* What the last `bytes`, 0 to 7, that end at `end` add to the sum. */
static inline __m128i last_product(const uint8_t *end, size_t bytes)
{
    if (bytes == 0)
        return _mm_setzero_si128();
    return product(load_last(end, bytes), &factors[0][WORDS_MAX - 1]);
}

/* The running crc stands in front of the message: it is xored onto its first four bytes. */
static inline __m128i running(uint32_t crc)
{
    return _mm_cvtsi32_si128((int)~crc);
}

uint32_t fls_crc32_short(uint32_t crc, const void *data, size_t length)
{
    const uint8_t *p = data, *end = p + length;
    const uint64_t *factor = factors_of(length);
    __m128i sum = product(_mm_xor_si128(load(p), running(crc)), factor++);

    for (p += 8; end - p >= 8; p += 8)
        sum = _mm_xor_si128(sum, product(load(p), factor++));
    return ~reduce(_mm_xor_si128(sum, last_product(end, (size_t)(end - p))));
}

/* ---- eight words at a time ------------------------------------------------------------------ */

#define WIDE __attribute__((target("avx512f,avx512vl,vpclmulqdq")))

WIDE static inline __m512i wide_product(__m512i words, const uint64_t *factor)
{
    __m512i by = _mm512_loadu_si512(factor);

    return _mm512_xor_si512(_mm512_clmulepi64_epi128(words, by, 0x00),
                            _mm512_clmulepi64_epi128(words, by, 0x11));
}

/* The first 64 bytes, of which the first 16 are loaded apart. */
WIDE static inline __m512i load_first(const uint8_t *p, uint32_t crc)
{
    __m128i first = _mm_xor_si128(load_apart(p), running(crc));
    __m128i second = _mm_loadu_si128((const __m128i *)(const void *)(p + 16));
    __m256i behind = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
    __m256i before = _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);

    return _mm512_inserti64x4(_mm512_castsi256_si512(before), behind, 1);
}

WIDE static inline __m128i fold(__m512i sum)
{
    __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));

    return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

WIDE uint32_t fls_crc32_short_wide(uint32_t crc, const void *data, size_t length)
{
    const uint8_t *p = data, *end = p + length;
    const uint64_t *factor = factors_of(length);
    __m512i wide = wide_product(load_first(p, crc), factor);

    for (p += 64, factor += 8; end - p >= 64; p += 64, factor += 8)
        wide = _mm512_xor_si512(wide, wide_product(_mm512_loadu_si512(p), factor));
    __m128i sum = fold(wide);
    for (; end - p >= 8; p += 8)
        sum = _mm_xor_si128(sum, product(load(p), factor++));
    return ~reduce(_mm_xor_si128(sum, last_product(end, (size_t)(end - p))));
}

#else
typedef int fls_crc32_short_needs_x86_64;
#endif
