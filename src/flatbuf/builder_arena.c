/*
 * builder_arena.c: the pages that a message is written into, and its list of segments.
 *
 * Invariant: a page never moves and is not freed before the builder is closed, so that segments,
 * the indexes and the caller's vector space may point into it. Pages that the present message has
 * not reached stand behind the current one in the list. Called by the claim functions when the
 * current page has no room, and where memory is referenced.
 */
#include "flatbuf/builder_parts.h"

/* Congruence: see builder_parts.h. */
#define CONGRUENCE ((size_t)FLS_BUILDER_ALIGNMENT_MAX)
/* builder_zero_under may clear so many bytes too many. */
#define SLACK 16
/* What a page holds beside the object that it was made for, at worst. */
#define PAGE_OVERHEAD (sizeof(struct builder_page) + SLACK + 2 * CONGRUENCE)

static uint8_t *page_floor(struct builder_page *page)
{
    return (uint8_t *)(page + 1) + SLACK;
}

/* Where a run begins that continues a message of `size` bytes. */
static uint8_t *page_top(struct builder_page *page, size_t size)
{
    uint8_t *end = (uint8_t *)page + page->bytes;

    return end - ((uintptr_t)end & (CONGRUENCE - 1)) - (size & (CONGRUENCE - 1));
}

static bool page_holds(struct builder_page *page, size_t size, size_t bytes)
{
    return (size_t)(page_top(page, size) - page_floor(page)) >= bytes;
}

/* Starts a run at `top` in the current page. The limit is the page's floor, or higher where the
 * message may not grow so far. */
static void start_run(struct fls_builder *b, uint8_t *top, size_t size)
{
    uintptr_t table_size = b->origin - b->table_origin;
    uint8_t *floor = page_floor(b->page);
    size_t allowed = b->bytes_max - size;

    b->cursor = top;
    b->run_end = top;
    b->origin = (uintptr_t)top + size;
    b->table_origin = b->origin - table_size;
    b->limit = (size_t)(top - floor) > allowed ? top - allowed : floor;
}

static struct builder_page *new_page(struct fls_builder *b, size_t bytes)
{
    size_t total = fls_max_size(b->page_bytes, bytes + PAGE_OVERHEAD);
    struct builder_page *page = fls_builder_allocate(b, total);

    if (!page)
        return NULL;
    page->bytes = total;
    page->next = NULL;
    return page;
}

/* Puts a page with room for `bytes` behind the current one, and makes it current. */
static bool advance_page(struct fls_builder *b, size_t size, size_t bytes)
{
    struct builder_page **next = b->page ? &b->page->next : &b->pages;
    struct builder_page **at = next;
    struct builder_page *page;

    while (*at && !page_holds(*at, size, bytes))
        at = &(*at)->next;
    page = *at;
    if (page)
        *at = page->next;
    else
        page = new_page(b, bytes);
    if (!page)
        return false;
    page->next = *next;
    *next = page;
    b->page = page;
    return true;
}

static bool push_segment(struct fls_builder *b, const void *data, size_t bytes)
{
    if (FLS_UNLIKELY(b->segment_first == 0)) {
        size_t old = b->segment_capacity;
        size_t grown = old ? 2 * old : 8;
        struct iovec *segments = fls_builder_allocate(b, grown * sizeof *segments);

        if (!segments)
            return false;
        if (old)
            memcpy(segments + (grown - old), b->segments, old * sizeof *segments);
        fls_builder_release(b, b->segments, old * sizeof *segments);
        b->segments = segments;
        b->segment_capacity = grown;
        b->segment_first = grown - old;
    }
    b->segment_first--;
    /* A segment is only read: the list's type has no const. */
    b->segments[b->segment_first].iov_base = (void *)(uintptr_t)data;
    b->segments[b->segment_first].iov_len = bytes;
    return true;
}

void fls_builder_close_run(struct fls_builder *b)
{
    size_t bytes = (size_t)(b->run_end - b->cursor);

    if (bytes && push_segment(b, b->cursor, bytes))
        b->run_end = b->cursor;
}

bool fls_builder_next_page(struct fls_builder *b, size_t bytes)
{
    size_t size = builder_size(b);

    if (b->state == BUILDER_FAILED || b->state == BUILDER_FINISHED) {
        fls_builder_refuse(b);
        return false;
    }
    if (bytes > b->bytes_max - size) {
        fls_builder_fail_size(b, (uint64_t)size + bytes);
        return false;
    }
    fls_builder_close_run(b);
    if (b->state == BUILDER_FAILED || !advance_page(b, size, bytes))
        return false;
    start_run(b, page_top(b->page, size), size);
    return true;
}

bool fls_builder_take_segment(struct fls_builder *b, const void *data, size_t bytes)
{
    size_t size = builder_size(b);
    size_t down = bytes & (CONGRUENCE - 1);

    if (bytes > b->bytes_max - size) {
        fls_builder_fail_size(b, (uint64_t)size + bytes);
        return false;
    }
    fls_builder_close_run(b);
    if (b->state == BUILDER_FAILED || !push_segment(b, data, bytes))
        return false;
    b->referenced += bytes;
    size += bytes;
    if (b->page && (size_t)(b->cursor - page_floor(b->page)) >= down) {
        start_run(b, b->cursor - down, size);
        return true;
    }
    if (!advance_page(b, size, SLACK))
        return false;
    start_run(b, page_top(b->page, size), size);
    return true;
}

void fls_builder_rewind(struct fls_builder *b)
{
    b->segment_first = b->segment_capacity;
    b->page = b->pages;
    b->table_origin = b->origin;
    if (b->page) {
        start_run(b, page_top(b->page, 0), 0);
        return;
    }
    b->cursor = NULL;
    b->run_end = NULL;
    b->limit = NULL;
    b->origin = 0;
    b->table_origin = 0;
}

void fls_builder_free_pages(struct fls_builder *b)
{
    while (b->pages) {
        struct builder_page *page = b->pages;

        b->pages = page->next;
        fls_builder_release(b, page, page->bytes);
    }
}

static struct builder_page **largest_page(struct fls_builder *b)
{
    struct builder_page **largest = &b->pages;

    for (struct builder_page **at = &b->pages; *at; at = &(*at)->next)
        if ((*at)->bytes > (*largest)->bytes)
            largest = at;
    return largest;
}

void fls_builder_free_pages_above(struct fls_builder *b, size_t bytes)
{
    while (b->pages && b->statistics.bytes_allocated > bytes) {
        struct builder_page **at = largest_page(b), *page = *at;

        *at = page->next;
        fls_builder_release(b, page, page->bytes);
    }
}
