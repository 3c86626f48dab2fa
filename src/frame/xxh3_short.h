/*
 * xxh3_short.h: XXH3-64 of the shortest payloads, inline, for the loops over messages.
 */
#ifndef FRAME_XXH3_SHORT_H
#define FRAME_XXH3_SHORT_H

#include "frame/xxh3.h"
#include "frame/xxhash.h"

/* xxHash's bound for the ways that it calls no function for. */
#define FLS_XXH3_INLINE_MAX 128

/* Of at most FLS_XXH3_INLINE_MAX bytes. */
static inline uint64_t fls_xxh3_inline(const void *data, size_t length)
{
    if (length > FLS_XXH3_INLINE_MAX)
        __builtin_unreachable();
    return XXH3_64bits(data, length);
}

#endif
