/*
 * builder_names.c: what a reference may name.
 *
 * A reference is a distance, so one of an earlier message, or a number that never was one, may lie
 * within the present message. With check_references every reference that was made is noted, and
 * only these are taken. Without it only its place and alignment are looked at; a root is looked at
 * closer, as a wrong one leaves nothing of the message to be read.
 */
#include "flatbuf/builder_parts.h"

uint32_t fls_builder_name(struct fls_builder *b, uint32_t ref)
{
    struct builder_names *names = &b->names;

    if (names->count == names->capacity) {
        size_t grown = names->capacity ? 2 * names->capacity : 64;
        uint32_t *refs = fls_builder_allocate(b, grown * sizeof *refs);

        if (!refs)
            return 0;
        if (names->count)
            memcpy(refs, names->refs, names->count * sizeof *refs);
        fls_builder_release(b, names->refs, names->capacity * sizeof *refs);
        names->refs = refs;
        names->capacity = grown;
    }
    names->refs[names->count++] = ref;
    return ref;
}

void fls_builder_forget_names(struct fls_builder *b, uint32_t above)
{
    while (b->names.count > 0 && b->names.refs[b->names.count - 1] > above)
        b->names.count--;
}

static bool is_named(const struct builder_names *names, uint32_t ref)
{
    size_t low = 0, high = names->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (names->refs[middle] < ref)
            low = middle + 1;
        else
            high = middle;
    }
    return low < names->count && names->refs[low] == ref;
}

bool fls_builder_may_refer(const struct fls_builder *b, uint32_t ref, uint32_t alignment)
{
    return builder_knows(b, ref) && !(ref & (alignment - 1)) &&
           (!b->check_references || is_named(&b->names, ref));
}

/* The four bytes at `ref`, if they lie in one of the builder's runs: a table's always do. */
static bool read_word(const struct fls_builder *b, uint32_t ref, uint32_t *word)
{
    uint32_t size = builder_size(b), run = (uint32_t)(b->run_end - b->cursor);

    if (ref > size - run) {
        *word = fls_load_u32(b->cursor + (size - ref));
        return true;
    }
    size -= run;
    for (size_t i = b->segment_first; i < b->segment_capacity; i++) {
        const struct iovec *segment = &b->segments[i];

        if (ref > size - segment->iov_len) {
            size_t at = size - ref;
            bool whole = segment->iov_len - at >= sizeof *word;
            *word = whole ? fls_load_u32((const uint8_t *)segment->iov_base + at) : 0;
            return whole;
        }
        size -= (uint32_t)segment->iov_len;
    }
    return false;
}

/* A table begins with the distance to its vtable, which is one of this buffer's. */
bool fls_builder_is_table(const struct fls_builder *b, uint32_t ref)
{
    uint32_t distance;

    if (b->last_table && ref == b->last_table)
        return true;
    if (!fls_builder_may_refer(b, ref, 4) || !read_word(b, ref, &distance))
        return false;
    for (uint32_t i = b->vtables.count; i-- > 0;) {
        const struct builder_interned *vtable = &b->vtables.entries[i];

        if (vtable->ref <= b->buffer_base)
            return false;
        if (vtable->ref == ref + distance)
            return true;
    }
    return false;
}
