/*
 * xxh3_avx512.c: the variant compiled for AVX-512 (cmake/simd.cmake).
 */
#if defined(__x86_64__)
#define FLS_XXH3_VARIANT fls_xxh3_avx512
#include "frame/xxh3_variant.h"
#else
typedef int fls_xxh3_avx512_needs_x86_64;
#endif
