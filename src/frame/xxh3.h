/*
 * xxh3.h: XXH3-64 with seed 0, from xxHash's header, in the widest form that this processor has.
 *
 * xxHash picks its vector code when it is compiled. So it is compiled three times, for the
 * baseline, AVX2 and AVX-512, and one table of functions is chosen when the library is loaded. Up
 * to 240 bytes it uses no vectors, and that path needs no choice.
 */
#ifndef FRAME_XXH3_H
#define FRAME_XXH3_H

#include <stddef.h>
#include <stdint.h>

/* Room for xxHash's streaming state, which wants 64-byte alignment. */
#define FLS_XXH3_STATE_BYTES 576

struct fls_xxh3_functions {
    uint64_t (*of)(const void *data, size_t length);
    void (*begin)(void *state);
    void (*update)(void *state, const void *data, size_t length);
    uint64_t (*finish)(const void *state);
};

extern const struct fls_xxh3_functions *fls_xxh3;
extern const struct fls_xxh3_functions fls_xxh3_baseline;
#if defined(__x86_64__)
extern const struct fls_xxh3_functions fls_xxh3_avx2;
extern const struct fls_xxh3_functions fls_xxh3_avx512;

/* Is AVX-512 worth it here? The first processors that had it ran slower while they used it; those
 * with its byte permutations (Ice Lake, Zen 4 and later) do not. */
int fls_xxh3_has_avx512(void);
#endif

uint64_t fls_xxh3_of(const void *data, size_t length);

#endif
