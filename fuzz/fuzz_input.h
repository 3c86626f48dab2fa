/*
 * fuzz_input.h: the fuzzer's bytes taken as choices, one after another; zeros when they run out.
 * What a target concludes it says with `fuzz_require`, which stops the fuzzer with the input kept.
 */
#ifndef FUZZ_FUZZ_INPUT_H
#define FUZZ_FUZZ_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <flatstream/flatstream.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_require(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

/* A number below `bound` (which is not 0). */
static inline size_t fuzz_below(struct fuzz_input *input, size_t bound)
{
    size_t number = fuzz_byte(input);

    if (bound > 256)
        number |= (size_t)fuzz_byte(input) << 8;
    if (bound > 65536)
        number |= (size_t)fuzz_byte(input) << 16;
    return number % bound;
}

static inline enum fls_checksum_kind fuzz_kind(struct fuzz_input *input)
{
    return (enum fls_checksum_kind)fuzz_below(input, FLS_CHECKSUM_XXH3 + 1);
}

#endif
