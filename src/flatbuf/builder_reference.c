/*
 * builder_reference.c: strings and vectors that stay with the caller.
 *
 * What stands behind the body (its padding, a string's zero) and before it (the length) joins the
 * arena's runs on both sides; the body itself becomes a segment. So a reference costs the same
 * whatever its size. Ranges that the caller has registered as stable are kept in the order of their
 * coming; they are looked at only for large objects.
 */
#include "base/error.h"
#include "flatbuf/builder_parts.h"

bool fls_builder_is_stable(const struct fls_builder *b, const void *data, size_t bytes)
{
    uintptr_t at = (uintptr_t)data;

    if (bytes < b->reference_bytes_min)
        return false;
    for (size_t i = b->stable_count; i-- > 0;) {
        uintptr_t base = (uintptr_t)b->stable[i].base;

        if (at >= base && at - base <= b->stable[i].bytes &&
            bytes <= b->stable[i].bytes - (at - base))
            return true;
    }
    return false;
}

uint32_t fls_builder_reference_counted(struct fls_builder *b, const void *data, uint32_t count,
                                       size_t bytes, size_t terminator, uint32_t alignment)
{
    size_t behind = (((uintptr_t)b->cursor - bytes - terminator) & (alignment - 1)) + terminator;
    uint8_t *at;

    if (bytes > FLS_BUILDER_BYTES_MAX) {
        fls_builder_fail_size(b, bytes);
        return 0;
    }
    if (behind) {
        at = builder_claim(b, behind, 1);
        if (!at)
            return 0;
        memset(at, 0, behind);
    }
    if (!fls_builder_take_segment(b, data, bytes))
        return 0;
    b->alignments |= alignment;
    at = builder_claim(b, 4, 4);
    if (!at)
        return 0;
    fls_store_u32(at, count);
    return builder_made(b);
}

static bool grow_ranges(struct fls_builder *b)
{
    size_t old = b->stable_capacity;
    size_t grown = old ? 2 * old : 4;
    struct fls_stable_range *ranges = fls_builder_try_allocate(b, grown * sizeof *ranges);

    if (!ranges)
        return false;
    if (old)
        memcpy(ranges, b->stable, old * sizeof *ranges);
    fls_builder_release(b, b->stable, old * sizeof *ranges);
    b->stable = ranges;
    b->stable_capacity = grown;
    return true;
}

enum fls_status fls_builder_register_stable(struct fls_builder *builder, const void *base,
                                            size_t bytes)
{
    struct fls_builder *b = builder;

    if (!base || (uintptr_t)base + bytes < (uintptr_t)base)
        return FLS_INVALID_ARGUMENT;
    if (b->stable_count == b->stable_capacity && !grow_ranges(b))
        return FLS_NO_MEMORY;
    b->stable[b->stable_count].base = base;
    b->stable[b->stable_count].bytes = bytes;
    b->stable_count++;
    if (b->state == BUILDER_READY || b->state == BUILDER_IN_TABLE)
        fls_builder_decide_large(b);
    return FLS_OK;
}

void fls_builder_forget_stable(struct fls_builder *builder)
{
    builder->stable_count = 0;
    if (builder->state == BUILDER_READY || builder->state == BUILDER_IN_TABLE)
        fls_builder_decide_large(builder);
}
