/*
 * copy.h: memcpy for messages that were just built.
 *
 * The last stores into a message are still in the processor's store queue when it is copied. A load
 * is served from there only by one store that holds all of it; a 16-byte load behind an 8-byte
 * store waits until that is in the cache (docs/performance.md, "Copying"). Those stores are mostly
 * at one end: at the front where a FlatBuffer was built from the back, at the back where a record
 * was filled in order. So both ends are copied in words of 8 bytes, and what lies between them in
 * wide loads.
 */
#ifndef BASE_COPY_H
#define BASE_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

/* What is copied without a call, which after a system call also saves the look-up of memcpy's
 * page. */
#define FLS_COPY_SHORT_MIN 16
#define FLS_COPY_SHORT_MAX 256

static inline void fls_copy_word(uint8_t *to, const uint8_t *from)
{
    uint64_t word;

    memcpy(&word, from, sizeof word);
    __asm__("" : "+r"(word)); /* or the compiler makes one wide load of two */
    memcpy(to, &word, sizeof word);
}

static inline void fls_copy_two_words(uint8_t *to, const uint8_t *from)
{
    fls_copy_word(to, from);
    fls_copy_word(to + 8, from + 8);
}

/* 16 to 47 bytes. No word overlaps the first, which may have been stored last. */
static inline void fls_copy_few(uint8_t *to, const uint8_t *from, size_t bytes)
{
    fls_copy_two_words(to, from);
    for (size_t at = 16; at < bytes - 8; at += 8)
        fls_copy_word(to + at, from + at);
    fls_copy_word(to + bytes - 8, from + bytes - 8);
}

/* 48 bytes and more, in wide loads but for the ends. */
static inline void fls_copy_some(uint8_t *to, const uint8_t *from, size_t bytes)
{
    size_t behind = bytes - 16;

    fls_copy_two_words(to, from);
    for (size_t at = 16; at < behind - 16; at += 16)
        memcpy(to + at, from + at, 16);
    memcpy(to + behind - 16, from + behind - 16, 16);
    fls_copy_two_words(to + behind, from + behind);
}

/* Copies from FLS_COPY_SHORT_MIN up to FLS_COPY_SHORT_MAX bytes. */
static inline void fls_copy_short(uint8_t *to, const uint8_t *from, size_t bytes)
{
    if (bytes < 48)
        fls_copy_few(to, from, bytes);
    else
        fls_copy_some(to, from, bytes);
}

/* Copies `bytes` bytes between two places that do not overlap. */
static inline void fls_copy(uint8_t *to, const uint8_t *from, size_t bytes)
{
    if (FLS_LIKELY(bytes - FLS_COPY_SHORT_MIN <= FLS_COPY_SHORT_MAX - FLS_COPY_SHORT_MIN)) {
        fls_copy_short(to, from, bytes);
    } else if (bytes > FLS_COPY_SHORT_MAX) {
        fls_copy_two_words(to, from);
        memcpy(to + 16, from + 16, bytes - 16);
    } else if (bytes > 0) {
        memcpy(to, from, bytes);
    }
}

#endif
