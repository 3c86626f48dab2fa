/*
 * builder_index.c: finds bytes that the message already holds, by content.
 *
 * Invariant: an entry's data lies in the arena or in memory that the caller keeps, so it never
 * moves; entries leave in the reverse order of their coming. Serves shared vtables and shared
 * strings.
 */
#include "flatbuf/builder_parts.h"

static size_t index_bytes(uint32_t capacity)
{
    return capacity * (sizeof(struct builder_interned) + sizeof(uint32_t));
}

static void link_entry(struct builder_index *index, uint32_t at)
{
    struct builder_interned *entry = &index->entries[at];
    uint32_t *head = &index->heads[builder_head(index, entry->hash)];

    entry->next = *head;
    *head = at + 1;
}

/* Entries and heads share one allocation. */
static void place(struct builder_index *index, void *memory, uint32_t capacity)
{
    index->entries = memory;
    index->heads = (uint32_t *)(index->entries + capacity);
    index->capacity = capacity;
    index->shift = 32u - (uint32_t)__builtin_ctz(capacity);
    memset(index->heads, 0, capacity * sizeof *index->heads);
}

bool fls_builder_index_open(struct fls_builder *b, struct builder_index *index, uint32_t capacity)
{
    void *memory = fls_builder_allocate(b, index_bytes(capacity));

    if (!memory)
        return false;
    place(index, memory, capacity);
    index->count = 0;
    return true;
}

void fls_builder_index_close(struct fls_builder *b, struct builder_index *index)
{
    fls_builder_release(b, index->entries, index_bytes(index->capacity));
}

static bool grow(struct fls_builder *b, struct builder_index *index)
{
    struct builder_interned *old = index->entries;
    uint32_t old_capacity = index->capacity;
    void *memory = fls_builder_allocate(b, index_bytes(2 * old_capacity));

    if (!memory)
        return false;
    place(index, memory, 2 * old_capacity);
    memcpy(index->entries, old, index->count * sizeof *old);
    for (uint32_t i = 0; i < index->count; i++)
        link_entry(index, i);
    fls_builder_release(b, old, index_bytes(old_capacity));
    return true;
}

bool fls_builder_index_add(struct fls_builder *b, struct builder_index *index, const void *data,
                           uint32_t bytes, uint32_t hash, uint32_t ref)
{
    struct builder_interned *entry;

    if (FLS_UNLIKELY(index->count == index->capacity) && !grow(b, index))
        return false;
    entry = &index->entries[index->count];
    entry->data = data;
    entry->bytes = bytes;
    entry->hash = hash;
    entry->ref = ref;
    link_entry(index, index->count);
    index->count++;
    return true;
}

void fls_builder_index_truncate(struct builder_index *index, uint32_t count)
{
    while (index->count > count) {
        const struct builder_interned *entry = &index->entries[--index->count];

        index->heads[builder_head(index, entry->hash)] = entry->next;
    }
}
