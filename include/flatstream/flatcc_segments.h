/*
 * flatcc_segments.h: what flatcc.h's emitter keeps a message in: pages that never move, and the
 * segments that refer to them and to the caller's memory. Nothing here is for programs.
 */
#ifndef FLATSTREAM_FLATCC_SEGMENTS_H
#define FLATSTREAM_FLATCC_SEGMENTS_H

#include <stdlib.h>
#include <string.h>

#include <flatstream/builder.h>

FLS_BEGIN_DECLS

/* A page; its bytes lie behind it, aligned to 64. */
struct fls_flatcc_page {
    struct fls_flatcc_page *next;
    uint8_t *memory;
    size_t bytes;
    size_t allocated;
};

/* An end of the message that grows: the free room from the cursor to the limit. The front's cursor
 * moves down, the back's moves up. */
struct fls_flatcc_edge {
    uint8_t *cursor;
    uint8_t *limit;
    uint64_t emitted;
};

/* Open it with fls_flatcc_emitter_open; the fields are the functions' own. */
struct fls_flatcc_emitter {
    struct fls_flatcc_edge front;
    struct fls_flatcc_edge back;
    struct iovec *segments; /* those in use: `count` from `first` on, room on both sides */
    size_t first;
    size_t count;
    size_t capacity;
    struct fls_flatcc_page *used;
    struct fls_flatcc_page *idle;
    struct fls_flatcc_page *idle_large;
    struct fls_stable_range *stable;
    size_t stable_count;
    size_t stable_capacity;
    size_t page_bytes;
    size_t reference_bytes_min;
    uint64_t copied;
    int handed_over;
    enum fls_status status;
    const char *why; /* status, in words */
    struct fls_allocator allocator;
    struct fls_builder_counts counts;
};

/* ---- memory ---- */

static inline void *fls_flatcc_allocate(struct fls_flatcc_emitter *emitter, size_t bytes)
{
    const struct fls_allocator *allocator = &emitter->allocator;
    void *memory;

    emitter->counts.allocations++;
    memory = allocator->allocate ? allocator->allocate(allocator->context, bytes) : malloc(bytes);
    if (memory)
        emitter->counts.bytes_allocated += bytes;
    return memory;
}

static inline void fls_flatcc_free(struct fls_flatcc_emitter *emitter, void *memory, size_t bytes)
{
    if (!memory)
        return;
    emitter->counts.bytes_allocated -= bytes;
    if (emitter->allocator.release)
        emitter->allocator.release(emitter->allocator.context, memory, bytes);
    else
        free(memory);
}

/* Moves `count` elements, from `from` on, into a new array of `grown` elements, to `to` on, and
 * frees the old one. NULL, and everything as it was, when there is no memory. */
static inline void *fls_flatcc_grow(struct fls_flatcc_emitter *emitter, void *array,
                                    size_t *capacity, size_t grown, size_t element_bytes,
                                    size_t from, size_t count, size_t to)
{
    uint8_t *memory = (uint8_t *)fls_flatcc_allocate(emitter, grown * element_bytes);

    if (!memory)
        return NULL;
    if (count > 0)
        memcpy(memory + to * element_bytes, (uint8_t *)array + from * element_bytes,
               count * element_bytes);
    fls_flatcc_free(emitter, array, *capacity * element_bytes);
    *capacity = grown;
    return memory;
}

static inline void fls_flatcc_free_pages(struct fls_flatcc_emitter *emitter,
                                         struct fls_flatcc_page **pages)
{
    while (*pages) {
        struct fls_flatcc_page *page = *pages;

        *pages = page->next;
        fls_flatcc_free(emitter, page, page->allocated);
    }
}

/* Takes the first idle page that has room for `bytes` off its list. */
static inline struct fls_flatcc_page *fls_flatcc_idle_page(struct fls_flatcc_page **list,
                                                           size_t bytes)
{
    for (; *list; list = &(*list)->next) {
        struct fls_flatcc_page *page = *list;

        if (page->bytes >= bytes) {
            *list = page->next;
            return page;
        }
    }
    return NULL;
}

static inline struct fls_flatcc_page *fls_flatcc_new_page(struct fls_flatcc_emitter *emitter,
                                                          size_t bytes)
{
    struct fls_flatcc_page *page;
    size_t allocated = sizeof *page + 63 + bytes;

    if (bytes > SIZE_MAX - sizeof *page - 63)
        return NULL;
    page = (struct fls_flatcc_page *)fls_flatcc_allocate(emitter, allocated);
    if (!page)
        return NULL;
    page->memory = (uint8_t *)(page + 1);
    page->memory += (64 - ((uintptr_t)page->memory & 63)) & 63;
    page->bytes = bytes;
    page->allocated = allocated;
    return page;
}

/* A page for the present message: a standard one, or for more than that a large one. Large pages
 * that turn out too small are freed first, so there are never more than one message needed. */
static inline struct fls_flatcc_page *fls_flatcc_take_page(struct fls_flatcc_emitter *emitter,
                                                           size_t bytes)
{
    int large = bytes > emitter->page_bytes;
    struct fls_flatcc_page *page =
        fls_flatcc_idle_page(large ? &emitter->idle_large : &emitter->idle, bytes);

    if (!page) {
        if (large)
            fls_flatcc_free_pages(emitter, &emitter->idle_large);
        page = fls_flatcc_new_page(emitter, large ? bytes : emitter->page_bytes);
    }
    if (!page)
        return NULL;
    page->next = emitter->used;
    emitter->used = page;
    return page;
}

/* ---- segments ---- */

/*
 * Gives both ends the message's first page, split: three quarters for the front, where nearly
 * everything goes, the rest for the vtables at the back. As long as both fit, the message is one
 * segment, aligned to 64.
 */
static inline int fls_flatcc_first_page(struct fls_flatcc_emitter *emitter)
{
    struct fls_flatcc_page *page = fls_flatcc_take_page(emitter, 1);

    if (!page)
        return -1;
    emitter->front.limit = page->memory;
    emitter->front.cursor = page->memory + ((page->bytes - page->bytes / 4) & ~(size_t)63);
    emitter->back.cursor = emitter->front.cursor;
    emitter->back.limit = page->memory + page->bytes;
    return 0;
}

/* Gives an end that is full room again; `bytes` are still to be copied there. */
static inline int fls_flatcc_next_page(struct fls_flatcc_emitter *emitter, int at_front,
                                       size_t bytes)
{
    struct fls_flatcc_page *page = fls_flatcc_take_page(emitter, bytes);

    if (!page)
        return -1;
    if (at_front) {
        emitter->front.limit = page->memory;
        emitter->front.cursor = page->memory + page->bytes;
    } else {
        emitter->back.cursor = page->memory;
        emitter->back.limit = page->memory + page->bytes;
    }
    return 0;
}

static inline int fls_flatcc_add_segment(struct fls_flatcc_emitter *emitter, int at_front,
                                         void *base, size_t bytes)
{
    size_t room = at_front ? emitter->first : emitter->capacity - emitter->first - emitter->count;
    struct iovec *segment;

    if (room == 0) {
        size_t grown = emitter->capacity ? 2 * emitter->capacity : 32;
        size_t first = (grown - emitter->count) / 2;
        void *segments =
            fls_flatcc_grow(emitter, emitter->segments, &emitter->capacity, grown,
                            sizeof *emitter->segments, emitter->first, emitter->count, first);

        if (!segments)
            return -1;
        emitter->segments = (struct iovec *)segments;
        emitter->first = first;
    }
    segment = emitter->segments + emitter->first;
    if (at_front)
        segment = emitter->segments + --emitter->first;
    else
        segment += emitter->count;
    emitter->count++;
    segment->iov_base = base;
    segment->iov_len = bytes;
    return 0;
}

/* Bytes were copied to just below `old`. A first segment that begins at `old` grows down over them:
 * what lies together goes out together. */
static inline int fls_flatcc_join_front(struct fls_flatcc_emitter *emitter, uint8_t *old,
                                        size_t bytes)
{
    struct iovec *segment = emitter->segments + emitter->first;

    if (emitter->count == 0 || segment->iov_base != old)
        return fls_flatcc_add_segment(emitter, 1, old - bytes, bytes);
    segment->iov_base = old - bytes;
    segment->iov_len += bytes;
    return 0;
}

/* Bytes were copied to `old` and above: the same for the last segment. */
static inline int fls_flatcc_join_back(struct fls_flatcc_emitter *emitter, uint8_t *old,
                                       size_t bytes)
{
    struct iovec *segment;

    if (emitter->count == 0)
        return fls_flatcc_add_segment(emitter, 0, old, bytes);
    segment = emitter->segments + emitter->first + emitter->count - 1;
    if ((uint8_t *)segment->iov_base + segment->iov_len != old)
        return fls_flatcc_add_segment(emitter, 0, old, bytes);
    segment->iov_len += bytes;
    return 0;
}

/* Copies a piece before the message's first byte, from its end to its beginning. */
static inline int fls_flatcc_copy_front(struct fls_flatcc_emitter *emitter, const uint8_t *bytes,
                                        size_t left)
{
    struct fls_flatcc_edge *front = &emitter->front;

    while (left > 0) {
        uint8_t *old;
        size_t part;

        if (front->cursor == front->limit && fls_flatcc_next_page(emitter, 1, left))
            return -1;
        old = front->cursor;
        part = (size_t)(front->cursor - front->limit);
        part = part < left ? part : left;
        left -= part;
        front->cursor -= part;
        memcpy(front->cursor, bytes + left, part);
        if (fls_flatcc_join_front(emitter, old, part))
            return -1;
    }
    return 0;
}

/* Copies a piece behind the message's last byte. */
static inline int fls_flatcc_copy_back(struct fls_flatcc_emitter *emitter, const uint8_t *bytes,
                                       size_t left)
{
    struct fls_flatcc_edge *back = &emitter->back;

    while (left > 0) {
        uint8_t *old;
        size_t part;

        if (back->cursor == back->limit && fls_flatcc_next_page(emitter, 0, left))
            return -1;
        old = back->cursor;
        part = (size_t)(back->limit - back->cursor);
        part = part < left ? part : left;
        memcpy(back->cursor, bytes, part);
        back->cursor += part;
        bytes += part;
        left -= part;
        if (fls_flatcc_join_back(emitter, old, part))
            return -1;
    }
    return 0;
}

FLS_END_DECLS

#endif
