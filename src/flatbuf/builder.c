/*
 * builder.c: a builder's life: opening, resetting, its memory, its one error, its counters.
 *
 * Invariant: the first error is the one that is kept, and it shuts all fast paths
 * (builder_parts.h).
 */
#include <stdlib.h>

#include "base/error.h"
#include "flatbuf/builder_parts.h"

#define SLOTS_FIRST 64u
#define INDEX_FIRST 16u

static void *allocate_plain(void *context, size_t bytes)
{
    (void)context;
    return malloc(bytes);
}

static void release_plain(void *context, void *memory, size_t bytes)
{
    (void)context;
    (void)bytes;
    free(memory);
}

/* Memory in which a pointer would not lie aligned cannot be used: it goes back at once. */
static void *ask(const struct fls_allocator *allocator, size_t bytes)
{
    void *memory = allocator->allocate(allocator->context, bytes);

    if ((uintptr_t)memory % sizeof(void *) == 0)
        return memory;
    allocator->release(allocator->context, memory, bytes);
    return NULL;
}

void *fls_builder_try_allocate(struct fls_builder *b, size_t bytes)
{
    void *memory = ask(&b->allocator, bytes);

    b->statistics.allocations++;
    if (memory)
        b->statistics.bytes_allocated += bytes;
    return memory;
}

void *fls_builder_allocate(struct fls_builder *b, size_t bytes)
{
    void *memory = fls_builder_try_allocate(b, bytes);

    if (!memory)
        fls_builder_fail(b, FLS_NO_MEMORY, bytes, 0, "the allocator gave nothing that can be used");
    return memory;
}

void fls_builder_release(struct fls_builder *b, void *memory, size_t bytes)
{
    if (!memory)
        return;
    b->allocator.release(b->allocator.context, memory, bytes);
    b->statistics.bytes_allocated -= bytes;
}

/* Shuts the fast paths. */
static void shut(struct fls_builder *b, enum builder_state state)
{
    b->state = state;
    b->limit = b->cursor;
    b->slot_limit = 0;
    b->large_bytes = 0;
}

void fls_builder_fail(struct fls_builder *b, enum fls_status status, uint64_t expected,
                      uint64_t found, const char *reason)
{
    if (b->state == BUILDER_FAILED)
        return;
    (void)fls_error_set(&b->error, status, "%s", reason);
    memcpy(b->error.subject, "builder", sizeof "builder");
    b->error.expected = expected;
    b->error.found = found;
    shut(b, BUILDER_FAILED);
}

void fls_builder_fail_size(struct fls_builder *b, uint64_t size)
{
    fls_builder_fail(b, FLS_LIMIT, b->bytes_max, size, "the message exceeds the size limit");
}

void fls_builder_refuse(struct fls_builder *b)
{
    if (b->state == BUILDER_IN_TABLE)
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, 0, 0,
                         "a table is open: what it refers to is made before it is started");
    else if (b->state == BUILDER_FINISHED)
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, 0, 0,
                         "the message is finished: reset the builder to make another");
}

void fls_builder_decide_large(struct fls_builder *b)
{
    /* Sums with what surrounds an object then can't overflow on the fast path. */
    size_t never = FLS_BUILDER_BYTES_MAX - 2 * FLS_BUILDER_ALIGNMENT_MAX;
    bool refers = b->stable_count && !b->no_references;

    b->large_bytes = refers ? fls_min_size(b->reference_bytes_min, never) : never;
}

void fls_builder_mark_finished(struct fls_builder *b)
{
    shut(b, BUILDER_FINISHED);
}

static enum fls_status check_options(const struct fls_builder_options *options,
                                     struct fls_error *error)
{
    if (!options->allocator.allocate != !options->allocator.release)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "an allocator needs both allocate and release");
    if (options->message_bytes_max > FLS_BUILDER_BYTES_MAX)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "message_bytes_max is over 2^31-1");
    if (options->page_bytes > FLS_BUILDER_BYTES_MAX)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "page_bytes is over 2^31-1");
    if (options->stable_count && !options->stable)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "stable ranges were counted, not given");
    return FLS_OK;
}

static void take_options(struct fls_builder *b, const struct fls_builder_options *options)
{
    b->page_bytes = options->page_bytes ? options->page_bytes : FLS_BUILDER_PAGE_BYTES_DEFAULT;
    b->reference_bytes_min = options->reference_bytes_min ? options->reference_bytes_min
                                                          : FLS_BUILDER_REFERENCE_BYTES_DEFAULT;
    b->bytes_max = options->message_bytes_max ? options->message_bytes_max : FLS_BUILDER_BYTES_MAX;
    b->force_defaults = options->force_defaults;
    b->no_references = options->no_references;
    b->check_references = options->check_references;
}

/* What each message needs is there from the start, so that the fast paths need not ask for it. */
static enum fls_status prepare(struct fls_builder *b, const struct fls_builder_options *options)
{
    enum fls_status status = FLS_OK;

    b->stack.frame = BUILDER_NO_FRAME;
    b->slot_capacity = SLOTS_FIRST;
    b->vtable = fls_builder_allocate(b, fls_builder_vtable_bytes(SLOTS_FIRST));
    if (!b->vtable || !fls_builder_index_open(b, &b->vtables, INDEX_FIRST) ||
        !fls_builder_index_open(b, &b->strings, INDEX_FIRST))
        return FLS_NO_MEMORY;
    memset(b->vtable, 0, fls_builder_vtable_bytes(SLOTS_FIRST));
    b->slots = b->vtable + 2;
    for (size_t i = 0; i < options->stable_count && status == FLS_OK; i++)
        status = fls_builder_register_stable(b, options->stable[i].base, options->stable[i].bytes);
    return status;
}

enum fls_status fls_builder_open(const struct fls_builder_options *options,
                                 struct fls_builder **builder, struct fls_error *error)
{
    static const struct fls_builder_options defaults = FLS_ZERO;
    struct fls_allocator allocator = {allocate_plain, release_plain, NULL};
    struct fls_builder *b;
    enum fls_status status;

    if (!options)
        options = &defaults;
    status = check_options(options, error);
    if (status != FLS_OK)
        return status;
    if (options->allocator.allocate)
        allocator = options->allocator;
    b = ask(&allocator, sizeof *b);
    if (!b)
        return fls_error_no_memory(error, sizeof *b);
    memset(b, 0, sizeof *b);
    b->allocator = allocator;
    b->statistics.allocations = 1;
    b->statistics.bytes_allocated = sizeof *b;
    take_options(b, options);
    status = prepare(b, options);
    if (status != FLS_OK) {
        fls_builder_close(b);
        return fls_error_set(error, status,
                             status == FLS_NO_MEMORY ? "out of memory for a builder"
                                                     : "a stable range is not one");
    }
    fls_builder_reset(b);
    *builder = b;
    return FLS_OK;
}

void fls_builder_close(struct fls_builder *builder)
{
    struct fls_builder *b = builder;

    if (!b)
        return;
    fls_builder_free_pages(b);
    fls_builder_release(b, b->segments, b->segment_capacity * sizeof *b->segments);
    fls_builder_release(b, b->stack.bytes, b->stack.capacity);
    fls_builder_release(b, b->names.refs, b->names.capacity * sizeof *b->names.refs);
    fls_builder_release(b, b->stable, b->stable_capacity * sizeof *b->stable);
    fls_builder_release(b, b->vtable, fls_builder_vtable_bytes(b->slot_capacity));
    fls_builder_index_close(b, &b->vtables);
    fls_builder_index_close(b, &b->strings);
    b->allocator.release(b->allocator.context, b, sizeof *b);
}

void fls_builder_reset(struct fls_builder *builder)
{
    struct fls_builder *b = builder;

    fls_builder_index_truncate(&b->vtables, 0);
    if (b->strings.count)
        fls_builder_index_truncate(&b->strings, 0);
    if (b->field_end)
        memset(b->slots, 0, b->field_end * sizeof *b->slots);
    b->field_end = 0;
    b->slot_limit = 0;
    b->alignments = 1;
    b->buffer_base = 0;
    b->stack.used = 0;
    b->stack.frame = BUILDER_NO_FRAME;
    b->stack.pending = 0;
    b->names.count = 0;
    b->loose = 0;
    b->last_table = 0;
    b->referenced = 0;
    b->pushed = 0;
    if (FLS_UNLIKELY(b->state == BUILDER_FAILED))
        memset(&b->error, 0, sizeof b->error);
    b->state = BUILDER_READY;
    fls_builder_decide_large(b);
    fls_builder_rewind(b);
}

/* What is not needed for the bytes of a message, and grows again by itself. */
static void release_beside(struct fls_builder *b)
{
    fls_builder_release(b, b->segments, b->segment_capacity * sizeof *b->segments);
    fls_builder_release(b, b->stack.bytes, b->stack.capacity);
    fls_builder_release(b, b->names.refs, b->names.capacity * sizeof *b->names.refs);
    b->segments = NULL;
    b->segment_first = b->segment_capacity = 0;
    b->stack.bytes = NULL;
    b->stack.capacity = 0;
    b->names = (struct builder_names){NULL, 0, 0};
}

void fls_builder_trim(struct fls_builder *builder, size_t bytes)
{
    struct fls_builder *b = builder;

    fls_builder_reset(b);
    fls_builder_free_pages_above(b, bytes);
    if (b->statistics.bytes_allocated > bytes)
        release_beside(b);
    fls_builder_rewind(b);
}

const struct fls_error *fls_builder_error(const struct fls_builder *builder)
{
    return &builder->error;
}

struct fls_builder_counts fls_builder_statistics(const struct fls_builder *builder)
{
    return builder->statistics;
}

void fls_builder_force_defaults(struct fls_builder *builder, int force)
{
    builder->force_defaults = force;
}

uint32_t fls_builder_alignment(const struct fls_builder *builder)
{
    return 1u << (31 - __builtin_clz(builder->alignments));
}

uint32_t fls_builder_bytes(const struct fls_builder *builder)
{
    return builder_size(builder);
}
