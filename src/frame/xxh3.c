/*
 * xxh3.c: the baseline variant, and the choice.
 */
#define FLS_XXH3_VARIANT fls_xxh3_baseline
#include "frame/xxh3_variant.h"

/* xxHash's own bound (XXH3_MIDSIZE_MAX) for the paths without vectors. */
#define SHORT_BYTES_MAX 240

const struct fls_xxh3_functions *fls_xxh3 = &fls_xxh3_baseline;

#if defined(__x86_64__)
int fls_xxh3_has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vbmi");
}
#endif

__attribute__((constructor(101))) static void choose(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init(); /* a constructor may run before the compiler's own */
    if (__builtin_cpu_supports("avx2"))
        fls_xxh3 = &fls_xxh3_avx2;
    if (fls_xxh3_has_avx512())
        fls_xxh3 = &fls_xxh3_avx512;
#endif
}

uint64_t fls_xxh3_of(const void *data, size_t length)
{
    if (length <= SHORT_BYTES_MAX)
        return variant_of(data, length);
    return fls_xxh3->of(data, length);
}
