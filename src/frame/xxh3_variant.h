/*
 * xxh3_variant.h: the body of one variant; included by each with FLS_XXH3_VARIANT set to its name.
 */
#include "frame/xxh3.h"
#include "frame/xxhash.h"

_Static_assert(sizeof(XXH3_state_t) <= FLS_XXH3_STATE_BYTES, "the streaming state has grown");

static uint64_t variant_of(const void *data, size_t length)
{
    return XXH3_64bits(data, length);
}

static void variant_begin(void *state)
{
    XXH3_INITSTATE((XXH3_state_t *)state);
    (void)XXH3_64bits_reset(state);
}

static void variant_update(void *state, const void *data, size_t length)
{
    (void)XXH3_64bits_update(state, data, length);
}

static uint64_t variant_finish(const void *state)
{
    return XXH3_64bits_digest(state);
}

const struct fls_xxh3_functions FLS_XXH3_VARIANT = {variant_of, variant_begin, variant_update,
                                                    variant_finish};
