/*
 * builder_stack.c: what is started now and ended later: vectors of unknown length, nested buffers.
 *
 * Each is a frame on one stack of the builder's; a vector's elements are collected right behind its
 * frame. Invariant: what was started last is ended first; the message can be finished only when the
 * stack is empty.
 */
#include "flatbuf/builder_parts.h"

#define STACK_FIRST 1024u
#define FRAME_ALIGNMENT ((size_t)16)

/* Room for `bytes` bytes on the stack; they may move with the next call. */
static uint8_t *stack_claim(struct fls_builder *b, size_t bytes)
{
    struct builder_stack *stack = &b->stack;
    size_t needed;
    size_t grown = stack->capacity ? stack->capacity : STACK_FIRST;
    uint8_t *memory;

    if (__builtin_add_overflow(stack->used, bytes, &needed) || needed > SIZE_MAX / 2) {
        fls_builder_fail_size(b, bytes);
        return NULL;
    }
    if (needed > stack->capacity) {
        while (grown < needed)
            grown *= 2;
        memory = fls_builder_allocate(b, grown);
        if (!memory)
            return NULL;
        if (stack->used)
            memcpy(memory, stack->bytes, stack->used);
        fls_builder_release(b, stack->bytes, stack->capacity);
        stack->bytes = memory;
        stack->capacity = grown;
    }
    memory = stack->bytes + stack->used;
    stack->used = needed;
    return memory;
}

/* The innermost frame, valid until the stack grows; NULL: none. */
static struct builder_frame *top_frame(struct fls_builder *b)
{
    if (b->stack.frame == BUILDER_NO_FRAME)
        return NULL;
    return (struct builder_frame *)(void *)(b->stack.bytes + b->stack.frame);
}

static struct builder_frame *push_frame(struct fls_builder *b, enum builder_frame_kind kind)
{
    size_t padding = -b->stack.used & (FRAME_ALIGNMENT - 1);
    struct builder_frame frame = FLS_ZERO;

    if (b->state != BUILDER_READY) {
        fls_builder_refuse(b);
        return NULL;
    }
    frame.kind = kind;
    frame.outer = b->stack.frame;
    frame.outer_used = b->stack.used;
    if (!stack_claim(b, padding + sizeof frame))
        return NULL;
    b->stack.frame = b->stack.used - sizeof frame;
    memcpy(b->stack.bytes + b->stack.frame, &frame, sizeof frame);
    return top_frame(b);
}

/* The innermost frame if it is of this kind; otherwise the builder has failed. */
static struct builder_frame *expect_frame(struct fls_builder *b, enum builder_frame_kind kind)
{
    struct builder_frame *frame = top_frame(b);

    if (b->state != BUILDER_READY) {
        fls_builder_refuse(b);
        return NULL;
    }
    if (!frame || frame->kind != kind) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, 0, 0,
                         "what was pushed to or ended is not what was started last");
        return NULL;
    }
    return frame;
}

/* Takes the innermost frame off. Its elements stay readable until the next push or start. */
static const uint8_t *pop_frame(struct fls_builder *b, struct builder_frame *popped, size_t *bytes)
{
    size_t body = b->stack.frame + sizeof *popped;

    memcpy(popped, b->stack.bytes + b->stack.frame, sizeof *popped);
    *bytes = b->stack.used - body;
    b->stack.pending -= *bytes;
    b->stack.used = popped->outer_used;
    b->stack.frame = popped->outer;
    return b->stack.bytes + body;
}

void fls_builder_start_vector(struct fls_builder *builder, size_t element_bytes, uint32_t alignment)
{
    struct builder_frame *frame;

    if (element_bytes == 0 || !builder_alignment_is_valid(alignment)) {
        fls_builder_fail(builder, FLS_INVALID_ARGUMENT, FLS_BUILDER_ALIGNMENT_MAX, alignment,
                         "a vector's elements have no size, or an alignment that is not one");
        return;
    }
    frame = push_frame(builder, BUILDER_FRAME_VECTOR);
    if (!frame)
        return;
    frame->element_bytes = element_bytes;
    frame->alignment = alignment;
}

/* What is pushed counts against the message's limit at once, not only when it is ended. */
static void push_bytes(struct fls_builder *b, const void *data, size_t bytes)
{
    uint64_t size = builder_size(b) + b->stack.pending + bytes;
    uint8_t *at;

    if (bytes == 0)
        return;
    if (!data) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, bytes, 0, "NULL was pushed as elements");
        return;
    }
    if (size > b->bytes_max) {
        fls_builder_fail_size(b, size);
        return;
    }
    at = stack_claim(b, bytes);
    if (!at)
        return;
    memcpy(at, data, bytes);
    b->stack.pending += bytes;
    b->pushed += bytes;
}

void fls_builder_push(struct fls_builder *builder, const void *data, size_t count)
{
    struct builder_frame *frame = expect_frame(builder, BUILDER_FRAME_VECTOR);
    size_t bytes;

    if (!frame)
        return;
    if (__builtin_mul_overflow(count, frame->element_bytes, &bytes) ||
        bytes > FLS_BUILDER_BYTES_MAX) {
        fls_builder_fail_size(builder, bytes);
        return;
    }
    push_bytes(builder, data, bytes);
}

uint32_t fls_builder_end_vector(struct fls_builder *builder)
{
    struct fls_builder *b = builder;
    struct builder_frame frame;
    const uint8_t *elements;
    void *memory;
    size_t bytes;
    uint32_t ref;

    if (!expect_frame(b, BUILDER_FRAME_VECTOR))
        return 0;
    elements = pop_frame(b, &frame, &bytes);
    ref = fls_builder_create_vector_space(b, bytes / frame.element_bytes, frame.element_bytes,
                                          frame.alignment, &memory);
    if (ref && bytes)
        memcpy(memory, elements, bytes);
    return ref;
}

void fls_builder_start_ref_vector(struct fls_builder *builder)
{
    (void)push_frame(builder, BUILDER_FRAME_REFS);
}

void fls_builder_push_ref(struct fls_builder *builder, uint32_t ref)
{
    if (expect_frame(builder, BUILDER_FRAME_REFS))
        push_bytes(builder, &ref, sizeof ref);
}

uint32_t fls_builder_end_ref_vector(struct fls_builder *builder)
{
    struct fls_builder *b = builder;
    struct builder_frame frame;
    const uint32_t *refs;
    size_t bytes;

    if (!expect_frame(b, BUILDER_FRAME_REFS))
        return 0;
    refs = (const uint32_t *)(const void *)pop_frame(b, &frame, &bytes);
    return fls_builder_create_ref_vector(b, refs, bytes / sizeof *refs);
}

uint32_t fls_builder_create_string_vector(struct fls_builder *builder, const char *const *texts,
                                          const size_t *bytes, size_t count)
{
    struct fls_builder *b = builder;

    if (!texts && count > 0) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, count, 0, "NULL was given for a list of texts");
        return 0;
    }
    fls_builder_start_ref_vector(b);
    for (size_t i = 0; i < count && b->state == BUILDER_READY; i++)
        fls_builder_push_ref(b, bytes ? fls_builder_create_string(b, texts[i], bytes[i])
                                      : fls_builder_create_cstring(b, texts[i]));
    return fls_builder_end_ref_vector(b);
}

void fls_builder_start_nested(struct fls_builder *builder)
{
    struct fls_builder *b = builder;
    struct builder_frame *frame = push_frame(b, BUILDER_FRAME_NESTED);

    if (!frame)
        return;
    frame->buffer_base = b->buffer_base;
    frame->alignments = b->alignments;
    frame->vtables = b->vtables.count;
    frame->strings = b->strings.count;
    frame->last_table = b->last_table;
    b->buffer_base = builder_size(b);
    b->last_table = 0;
    b->alignments = 1;
}

uint32_t fls_builder_end_nested(struct fls_builder *builder, uint32_t root, const char *identifier)
{
    struct fls_builder *b = builder;
    struct builder_frame frame;
    uint32_t bytes;
    uint8_t *at;
    size_t none;

    if (!expect_frame(b, BUILDER_FRAME_NESTED) ||
        !fls_builder_write_header(b, root, identifier, false))
        return 0;
    bytes = builder_size(b) - b->buffer_base;
    (void)pop_frame(b, &frame, &none);
    fls_builder_forget_names(b, b->buffer_base);
    b->buffer_base = frame.buffer_base;
    b->last_table = frame.last_table;
    b->alignments |= frame.alignments;
    /* What belongs to the nested buffer can't be shared with the one around it. */
    fls_builder_index_truncate(&b->vtables, frame.vtables);
    fls_builder_index_truncate(&b->strings, frame.strings);
    at = builder_claim(b, 4, 4);
    if (!at)
        return 0;
    fls_store_u32(at, bytes);
    return builder_made(b);
}

/* Is the payload what it says: segments whose lengths come to its own? */
static bool is_sound(const struct fls_payload *payload)
{
    uint64_t sum = 0;

    if (!payload || !payload->segments || payload->length == 0)
        return false;
    for (size_t i = 0; i < payload->count; i++) {
        const struct iovec *segment = &payload->segments[i];

        if (!segment->iov_base && segment->iov_len > 0)
            return false;
        if (segment->iov_len > payload->length - sum)
            return false;
        sum += segment->iov_len;
    }
    return sum == payload->length;
}

static uint32_t nest_payload(struct fls_builder *b, const struct fls_payload *payload,
                             uint32_t alignment, bool reference)
{
    size_t padding;
    uint8_t *at;

    if (b->state != BUILDER_READY) {
        fls_builder_refuse(b);
        return 0;
    }
    if (!builder_alignment_is_valid(alignment)) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, FLS_BUILDER_ALIGNMENT_MAX, alignment,
                         "a nested message's alignment is no power of two up to 256");
        return 0;
    }
    if (!is_sound(payload)) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, 0, 0,
                         "a nested message is empty, or not as long as its segments");
        return 0;
    }
    if (payload->length > FLS_BUILDER_BYTES_MAX) {
        fls_builder_fail_size(b, payload->length);
        return 0;
    }
    alignment = alignment < 4 ? 4 : alignment;
    padding = ((uintptr_t)b->cursor - payload->length) & (alignment - 1);
    if (padding) {
        at = builder_claim(b, padding, 1);
        if (!at)
            return 0;
        memset(at, 0, padding);
    }
    for (size_t i = payload->count; i-- > 0;) {
        const struct iovec *segment = &payload->segments[i];

        if (segment->iov_len == 0)
            continue;
        if (reference) {
            if (!fls_builder_take_segment(b, segment->iov_base, segment->iov_len))
                return 0;
            continue;
        }
        at = builder_claim(b, segment->iov_len, 1);
        if (!at)
            return 0;
        memcpy(at, segment->iov_base, segment->iov_len);
    }
    b->alignments |= alignment;
    at = builder_claim(b, 4, 4);
    if (!at)
        return 0;
    fls_store_u32(at, (uint32_t)payload->length);
    return builder_made(b);
}

uint32_t fls_builder_create_nested(struct fls_builder *builder, const struct fls_payload *payload,
                                   uint32_t alignment)
{
    return nest_payload(builder, payload, alignment, false);
}

uint32_t fls_builder_reference_nested(struct fls_builder *builder,
                                      const struct fls_payload *payload, uint32_t alignment)
{
    return nest_payload(builder, payload, alignment, !builder->no_references);
}
