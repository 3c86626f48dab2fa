/*
 * xxh3_avx2.c: the variant compiled for AVX2 (cmake/simd.cmake).
 */
#if defined(__x86_64__)
#define FLS_XXH3_VARIANT fls_xxh3_avx2
#include "frame/xxh3_variant.h"
#else
typedef int fls_xxh3_avx2_needs_x86_64;
#endif
