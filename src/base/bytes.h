/*
 * bytes.h: little-endian numbers in unaligned memory, and a few sums that must not overflow.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define FLS_LE16(x) __builtin_bswap16(x)
#define FLS_LE32(x) __builtin_bswap32(x)
#define FLS_LE64(x) __builtin_bswap64(x)
#else
#define FLS_LE16(x) (x)
#define FLS_LE32(x) (x)
#define FLS_LE64(x) (x)
#endif

#define FLS_LIKELY(x) __builtin_expect(!!(x), 1)
#define FLS_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* The few functions of the way of one message. The linker puts them side by side: where each
 * system call flushes the TLB, each page of code that a message touches costs as much as 100
 * instructions (docs/performance.md). */
#define FLS_HOT __attribute__((hot))

/* Inlined whatever the compiler reckons: there is one place where it counts. */
#define FLS_ALWAYS_INLINE inline __attribute__((always_inline))

/* Not inlined: what is seldom done must not cost those registers who do not do it. */
#define FLS_OUTLINE __attribute__((noinline))

static inline uint16_t fls_load_u16(const void *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return FLS_LE16(value);
}

static inline uint32_t fls_load_u32(const void *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return FLS_LE32(value);
}

static inline uint64_t fls_load_u64(const void *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return FLS_LE64(value);
}

static inline void fls_store_u16(void *bytes, uint16_t value)
{
    value = FLS_LE16(value);
    memcpy(bytes, &value, sizeof value);
}

static inline void fls_store_u32(void *bytes, uint32_t value)
{
    value = FLS_LE32(value);
    memcpy(bytes, &value, sizeof value);
}

static inline void fls_store_u64(void *bytes, uint64_t value)
{
    value = FLS_LE64(value);
    memcpy(bytes, &value, sizeof value);
}

/* Bit 8 k + 7 is set where byte k of the word is zero. */
static inline uint64_t fls_zero_bytes(uint64_t word)
{
    uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);

    return ~(((word & low) + low) | word | low);
}

static inline size_t fls_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t fls_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* a - b, or 0 where b is more. */
static inline uint64_t fls_minus_u64(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static inline uint64_t fls_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t fls_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
