/*
 * builder_parts.h: the builder's inside, shared by the builder*.c files only.
 *
 * A message grows downwards. Its bytes so far are counted from its end ("size"); a reference is the
 * size just after the object's first byte was written. Bytes are written at `cursor`, which moves
 * down through the current page. When a page is full, or memory is referenced, what was written
 * since the last such moment (the run: from `cursor` up to `run_end`) becomes a segment.
 *
 * Two invariants carry the speed:
 *   - origin - cursor == size, so that the cursor alone is moved by a write;
 *   - cursor == -size modulo 256, so that padding follows from the cursor alone and each object
 * lies in memory as it is aligned in the message. A third carries the errors: once the builder has
 * failed or finished there is no room (limit == cursor), no slot (slot_limit == 0) and everything
 * is large (large_bytes == 0), so that the fast paths need not ask; they all end in a slow path,
 * which does.
 */
#ifndef FLATBUF_BUILDER_PARTS_H
#define FLATBUF_BUILDER_PARTS_H

#include <stdbool.h>

#include <flatstream/builder.h>

#include "base/bytes.h"

enum builder_state { BUILDER_READY, BUILDER_IN_TABLE, BUILDER_FINISHED, BUILDER_FAILED };

/* A page of the arena; its bytes follow. `bytes` counts this header too. */
struct builder_page {
    struct builder_page *next;
    size_t bytes;
};

/* Byte strings already in the message, by content: the index behind shared vtables and shared
 * strings. Entries with equal heads are chained, the latest first, so that the latest can be
 * taken out again in reverse order. */
struct builder_interned {
    const uint8_t *data;
    uint32_t bytes;
    uint32_t hash;
    uint32_t ref;
    uint32_t next; /* index + 1 of the next in the chain; 0: none */
};

struct builder_index {
    struct builder_interned *entries;
    uint32_t *heads; /* index + 1; as many as `capacity`, a power of two */
    uint32_t count;
    uint32_t capacity;
    uint32_t shift; /* 32 - log2(capacity) */
};

enum builder_frame_kind { BUILDER_FRAME_VECTOR, BUILDER_FRAME_REFS, BUILDER_FRAME_NESTED };

/* Something started and not yet ended; kept on the stack, the elements of a vector behind it. */
struct builder_frame {
    enum builder_frame_kind kind;
    uint32_t alignment;
    size_t element_bytes;
    size_t outer;         /* stack offset of the frame around it, or BUILDER_NO_FRAME */
    size_t outer_used;    /* where the elements of the frame around it end */
    uint32_t buffer_base; /* of the surrounding buffer, for BUILDER_FRAME_NESTED */
    uint32_t alignments;
    uint32_t vtables;
    uint32_t strings;
    uint32_t last_table;
};

#define BUILDER_NO_FRAME SIZE_MAX

struct builder_stack {
    uint8_t *bytes;
    size_t used;
    size_t capacity;
    size_t frame;     /* offset of the innermost frame, or BUILDER_NO_FRAME */
    uint64_t pending; /* bytes of all elements that are not yet in the message */
};

/* All references that may be used, ascending; kept only with check_references. */
struct builder_names {
    uint32_t *refs;
    size_t count;
    size_t capacity;
};

struct fls_builder {
    uint8_t *cursor;
    uint8_t *limit;
    uintptr_t origin;
    uintptr_t table_origin; /* origin - the size at which the open table began */
    uint16_t *slots;        /* for each field its distance from the table's end, 0: not set */
    uint32_t slot_limit;    /* fields that may be set without growing; 0 outside a table */
    uint32_t field_end;     /* 1 + the highest field set; above it all slots are 0 */
    uint32_t alignments;    /* all alignments used, or-ed */
    enum builder_state state;
    int force_defaults;
    int check_references;
    int loose;            /* a struct of less alignment than 4 was made by itself */
    uint32_t last_table;  /* the reference of the table that was ended last; 0: none */
    uint32_t buffer_base; /* size at which the innermost nested buffer began; 0: the message */
    size_t large_bytes;   /* strings and vectors from here on take the slow path */
    uint8_t *run_end;
    struct builder_index vtables;
    struct builder_index strings;

    uint16_t *vtable; /* two words, then the slots */
    uint32_t slot_capacity;
    uint32_t bytes_max;
    struct builder_page *pages;
    struct builder_page *page; /* the current one; NULL: none yet */
    struct iovec *segments;    /* filled from the back: [first, capacity) are in use */
    size_t segment_first;
    size_t segment_capacity;
    struct builder_stack stack;
    struct builder_names names;

    struct fls_stable_range *stable;
    size_t stable_count;
    size_t stable_capacity;
    size_t page_bytes;
    size_t reference_bytes_min;
    int no_references;
    struct fls_allocator allocator;

    uint64_t referenced; /* bytes of this message */
    uint64_t pushed;     /* bytes of this message that went through the stack */
    struct fls_builder_counts statistics;
    struct fls_error error;
};

/* builder.c: memory and errors. */
void *fls_builder_try_allocate(struct fls_builder *b, size_t bytes);
/* The same; that there is none becomes the message's error. */
void *fls_builder_allocate(struct fls_builder *b, size_t bytes);
/* NULL is allowed. */
void fls_builder_release(struct fls_builder *b, void *memory, size_t bytes);
/* Records the first error and closes the fast paths. */
void fls_builder_fail(struct fls_builder *b, enum fls_status status, uint64_t expected,
                      uint64_t found, const char *reason);
void fls_builder_fail_size(struct fls_builder *b, uint64_t size);
/* Says why nothing may be made now; called when state is not BUILDER_READY. */
void fls_builder_refuse(struct fls_builder *b);
/* Sets large_bytes from the options and ranges. */
void fls_builder_decide_large(struct fls_builder *b);
/* Lets nothing more be made until the next reset. */
void fls_builder_mark_finished(struct fls_builder *b);

/* builder_arena.c. next_page and take_segment return false when the builder has failed. */
/* Goes on in a page with room for `bytes` bytes. */
bool fls_builder_next_page(struct fls_builder *b, size_t bytes);
/* Makes `bytes` bytes at `data` (at least 1) the next segment. */
bool fls_builder_take_segment(struct fls_builder *b, const void *data, size_t bytes);
/* Makes a segment of what was written since the last one. */
void fls_builder_close_run(struct fls_builder *b);
/* Back to an empty message at the top of the first page. */
void fls_builder_rewind(struct fls_builder *b);
void fls_builder_free_pages(struct fls_builder *b);
/* Frees pages, the largest first, while more than `bytes` bytes are allocated. */
void fls_builder_free_pages_above(struct fls_builder *b, size_t bytes);

/* builder_index.c */
bool fls_builder_index_open(struct fls_builder *b, struct builder_index *index, uint32_t capacity);
void fls_builder_index_close(struct fls_builder *b, struct builder_index *index);
bool fls_builder_index_add(struct fls_builder *b, struct builder_index *index, const void *data,
                           uint32_t bytes, uint32_t hash, uint32_t ref);
void fls_builder_index_truncate(struct builder_index *index, uint32_t count);

/* builder_reference.c */
bool fls_builder_is_stable(const struct fls_builder *b, const void *data, size_t bytes);
uint32_t fls_builder_reference_counted(struct fls_builder *b, const void *data, uint32_t count,
                                       size_t bytes, size_t terminator, uint32_t alignment);

/* builder_names.c: what a reference may name. fls_builder_name notes one that was made (0 on
 * failure); fls_builder_may_refer says whether `ref` names something in the present buffer, at a
 * multiple of `alignment`; fls_builder_is_table whether that is a table. */
uint32_t fls_builder_name(struct fls_builder *b, uint32_t ref);
bool fls_builder_may_refer(const struct fls_builder *b, uint32_t ref, uint32_t alignment);
bool fls_builder_is_table(const struct fls_builder *b, uint32_t ref);
void fls_builder_forget_names(struct fls_builder *b, uint32_t above);

/* builder_finish.c: the root offset and what stands beside it, at the front of a buffer. */
bool fls_builder_write_header(struct fls_builder *b, uint32_t root, const char *identifier,
                              bool size_prefixed);

static inline size_t fls_builder_vtable_bytes(uint32_t slots)
{
    return (slots + 2) * sizeof(uint16_t);
}

static inline uint32_t builder_size(const struct fls_builder *b)
{
    return (uint32_t)(b->origin - (uintptr_t)b->cursor);
}

static inline size_t builder_room(const struct fls_builder *b)
{
    return (size_t)(b->cursor - b->limit);
}

static inline uint32_t builder_head(const struct builder_index *index, uint32_t hash)
{
    return (hash * 0x9e3779b1u) >> index->shift;
}

/* The reference of equal bytes within the present buffer, or 0. */
static inline uint32_t builder_index_find(const struct builder_index *index, const void *data,
                                          uint32_t bytes, uint32_t hash, uint32_t buffer_base)
{
    uint32_t at = index->heads[builder_head(index, hash)];

    while (at) {
        const struct builder_interned *entry = &index->entries[at - 1];

        if (entry->hash == hash && entry->bytes == bytes && entry->ref > buffer_base &&
            memcmp(entry->data, data, bytes) == 0)
            return entry->ref;
        at = entry->next;
    }
    return 0;
}

/* Whether `ref` names something in the present buffer. */
static inline bool builder_knows(const struct fls_builder *b, uint32_t ref)
{
    return ref - b->buffer_base - 1u < builder_size(b) - b->buffer_base;
}

/* The reference of what begins at the cursor. */
static inline uint32_t builder_made(struct fls_builder *b)
{
    if (FLS_UNLIKELY(b->check_references))
        return fls_builder_name(b, builder_size(b));
    return builder_size(b);
}

/* The usual case of fls_builder_may_refer, without a call. */
static inline bool builder_may_refer(const struct fls_builder *b, uint32_t ref)
{
    if (FLS_LIKELY(builder_knows(b, ref) && !(ref & 3) && !b->check_references))
        return true;
    return fls_builder_may_refer(b, ref, b->loose ? 1 : 4);
}

static inline bool builder_alignment_is_valid(uint32_t alignment)
{
    return alignment && alignment <= FLS_BUILDER_ALIGNMENT_MAX && !(alignment & (alignment - 1));
}

/* memcpy for what is mostly short: up to 32 bytes without a call, by two copies that may overlap.
 */
static inline void builder_copy(uint8_t *to, const void *from, size_t bytes)
{
    const uint8_t *at = from;

    if (FLS_UNLIKELY(bytes > 32)) {
        memcpy(to, at, bytes);
    } else if (bytes >= 16) {
        memcpy(to, at, 16);
        memcpy(to + bytes - 16, at + bytes - 16, 16);
    } else if (bytes >= 8) {
        memcpy(to, at, 8);
        memcpy(to + bytes - 8, at + bytes - 8, 8);
    } else if (bytes >= 4) {
        memcpy(to, at, 4);
        memcpy(to + bytes - 4, at + bytes - 4, 4);
    } else if (bytes) {
        to[0] = at[0];
        to[bytes / 2] = at[bytes / 2];
        to[bytes - 1] = at[bytes - 1];
    }
}

/* Zeroes `padding` bytes under `end`. The one store covers the common case without a branch on the
 * exact number; what it clears below is not written yet, and a page keeps 16 bytes under its
 * limit for it. */
static inline void builder_zero_under(uint8_t *end, size_t padding)
{
    memset(end - 8, 0, 8);
    if (FLS_UNLIKELY(padding > 8))
        memset(end - padding, 0, padding);
}

/* Room for `bytes` bytes, at a multiple of `alignment`; NULL on failure. */
static inline uint8_t *builder_claim(struct fls_builder *b, size_t bytes, uint32_t alignment)
{
    size_t padding = ((uintptr_t)b->cursor - bytes) & (alignment - 1);

    if (FLS_UNLIKELY(bytes + padding > builder_room(b)) &&
        !fls_builder_next_page(b, bytes + padding))
        return NULL;
    builder_zero_under(b->cursor, padding);
    b->alignments |= alignment;
    b->cursor -= bytes + padding;
    return b->cursor;
}

/* Room for a vector's body of `bytes` bytes, with its length before it and `terminator` zero bytes
 * behind it. Returns the body, NULL on failure. The bytes are at most FLS_BUILDER_BYTES_MAX. */
static inline uint8_t *builder_claim_counted(struct fls_builder *b, uint32_t count, size_t bytes,
                                             size_t terminator, uint32_t alignment)
{
    size_t body = bytes + terminator;
    size_t padding = ((uintptr_t)b->cursor - body) & (alignment - 1);

    if (FLS_UNLIKELY(4 + body + padding > builder_room(b)) &&
        !fls_builder_next_page(b, 4 + body + padding))
        return NULL;
    builder_zero_under(b->cursor, padding + terminator);
    b->alignments |= alignment;
    b->cursor -= 4 + body + padding;
    fls_store_u32(b->cursor, count);
    return b->cursor + 4;
}

#endif
