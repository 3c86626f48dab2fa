/*
 * builder_vector.c: strings, structs by themselves, and vectors whose elements are known at once.
 *
 * A string or vector is its length (4 bytes) and its body; the body is aligned, the length stands
 * right before it. Anything of at least `large_bytes` bytes takes the slow path, which refers to
 * stable memory and refuses what can't be built. Called by the application.
 */
#include "flatbuf/builder_parts.h"

static inline bool is_ready(struct fls_builder *b)
{
    if (FLS_LIKELY(b->state == BUILDER_READY))
        return true;
    fls_builder_refuse(b);
    return false;
}

/* What the fast path doesn't look at. True: build it by copying. False: *ref is the result. */
__attribute__((noinline)) static bool copy_large(struct fls_builder *b, const void *data,
                                                 uint32_t count, size_t bytes, size_t terminator,
                                                 uint32_t alignment, uint32_t *ref)
{
    *ref = 0;
    if (b->state != BUILDER_READY)
        return false;
    if (bytes > FLS_BUILDER_BYTES_MAX - 2 * FLS_BUILDER_ALIGNMENT_MAX) {
        fls_builder_fail_size(b, bytes);
        return false;
    }
    if (!data || b->no_references || !fls_builder_is_stable(b, data, bytes))
        return true;
    *ref = fls_builder_reference_counted(b, data, count, bytes, terminator, alignment);
    return false;
}

/* Are there no bytes where there should be some? Then the builder has failed. */
static inline bool is_missing(struct fls_builder *b, const void *data, size_t bytes)
{
    if (FLS_LIKELY(data || !bytes))
        return false;
    fls_builder_fail(b, FLS_INVALID_ARGUMENT, bytes, 0, "NULL was given for bytes that are wanted");
    return true;
}

static inline uint32_t write_string(struct fls_builder *b, const char *text, size_t bytes,
                                    uint32_t alignment)
{
    uint32_t ref;
    uint8_t *body;

    if (!is_ready(b) || is_missing(b, text, bytes))
        return 0;
    if (FLS_UNLIKELY(bytes >= b->large_bytes) &&
        !copy_large(b, text, (uint32_t)bytes, bytes, 1, alignment, &ref))
        return ref;
    body = builder_claim_counted(b, (uint32_t)bytes, bytes, 1, alignment);
    if (FLS_UNLIKELY(!body))
        return 0;
    builder_copy(body, text, bytes);
    return builder_made(b);
}

uint32_t fls_builder_create_string(struct fls_builder *builder, const char *text, size_t bytes)
{
    return write_string(builder, text, bytes, 4);
}

uint32_t fls_builder_create_cstring(struct fls_builder *builder, const char *text)
{
    if (is_missing(builder, text, 1))
        return 0;
    return write_string(builder, text, strlen(text), 4);
}

/* Checks an alignment and raises it to that of the length before the body. 0: not valid. */
static uint32_t body_alignment(struct fls_builder *b, uint32_t alignment)
{
    if (!builder_alignment_is_valid(alignment)) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, FLS_BUILDER_ALIGNMENT_MAX, alignment,
                         "an alignment is no power of two, or over 256");
        return 0;
    }
    return alignment < 4 ? 4 : alignment;
}

uint32_t fls_builder_create_string_aligned(struct fls_builder *builder, const char *text,
                                           size_t bytes, uint32_t alignment)
{
    uint32_t raised = body_alignment(builder, alignment);

    return raised ? write_string(builder, text, bytes, bytes ? raised : 4) : 0;
}

static uint32_t hash_text(const char *text, size_t bytes)
{
    uint64_t hash = bytes * 0x9e3779b97f4a7c15u;
    uint64_t word = 0;

    while (bytes >= sizeof word) {
        memcpy(&word, text, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
        text += sizeof word;
        bytes -= sizeof word;
    }
    word = 0;
    if (bytes)
        memcpy(&word, text, bytes);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 32);
}

uint32_t fls_builder_create_shared_string(struct fls_builder *builder, const char *text,
                                          size_t bytes)
{
    struct fls_builder *b = builder;
    const void *kept = text;
    uint64_t referenced = b->referenced;
    uint32_t hash;
    uint32_t ref;

    if (!is_ready(b) || is_missing(b, text, bytes))
        return 0;
    if (bytes > FLS_BUILDER_BYTES_MAX) {
        fls_builder_fail_size(b, bytes);
        return 0;
    }
    if (bytes == 0)
        kept = text = "";
    hash = hash_text(text, bytes);
    ref = builder_index_find(&b->strings, text, (uint32_t)bytes, hash, b->buffer_base);
    if (ref)
        return ref;
    ref = write_string(b, text, bytes, 4);
    if (!ref)
        return 0;
    if (b->referenced == referenced)
        kept = b->cursor + 4;
    return fls_builder_index_add(b, &b->strings, kept, (uint32_t)bytes, hash, ref) ? ref : 0;
}

uint32_t fls_builder_create_struct(struct fls_builder *builder, const void *data, size_t bytes,
                                   uint32_t alignment)
{
    struct fls_builder *b = builder;
    uint8_t *at;

    if (!is_ready(b) || is_missing(b, data, bytes))
        return 0;
    if (!builder_alignment_is_valid(alignment) || bytes == 0 || bytes & (alignment - 1) ||
        bytes > FLS_BUILDER_BYTES_MAX) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, alignment, bytes,
                         "a struct's size is no multiple of its alignment, or over 2^31-1");
        return 0;
    }
    at = builder_claim(b, bytes, alignment);
    if (!at)
        return 0;
    memcpy(at, data, bytes);
    b->loose |= alignment < 4;
    return builder_made(b);
}

/* Checks a vector's shape; sets *bytes and *alignment to those of its body. */
static inline bool shape_vector(struct fls_builder *b, size_t count, size_t element_bytes,
                                uint32_t *alignment, size_t *bytes)
{
    if (!is_ready(b))
        return false;
    if (FLS_UNLIKELY(__builtin_mul_overflow(count, element_bytes, bytes)))
        *bytes = SIZE_MAX;
    if (FLS_UNLIKELY(element_bytes == 0)) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, 1, 0, "a vector's elements have no size");
        return false;
    }
    *alignment = body_alignment(b, *alignment);
    if (count == 0)
        *alignment = *alignment ? 4 : 0;
    return *alignment != 0;
}

uint32_t fls_builder_create_vector(struct fls_builder *builder, const void *data, size_t count,
                                   size_t element_bytes, uint32_t alignment)
{
    struct fls_builder *b = builder;
    size_t bytes;
    uint32_t ref;
    uint8_t *body;

    if (!shape_vector(b, count, element_bytes, &alignment, &bytes) || is_missing(b, data, bytes))
        return 0;
    if (FLS_UNLIKELY(bytes >= b->large_bytes) &&
        !copy_large(b, data, (uint32_t)count, bytes, 0, alignment, &ref))
        return ref;
    body = builder_claim_counted(b, (uint32_t)count, bytes, 0, alignment);
    if (!body)
        return 0;
    if (bytes)
        memcpy(body, data, bytes);
    return builder_made(b);
}

uint32_t fls_builder_create_vector_space(struct fls_builder *builder, size_t count,
                                         size_t element_bytes, uint32_t alignment, void **memory)
{
    struct fls_builder *b = builder;
    size_t bytes;
    uint32_t ref;

    *memory = NULL;
    if (!shape_vector(b, count, element_bytes, &alignment, &bytes))
        return 0;
    if (bytes >= b->large_bytes && !copy_large(b, NULL, (uint32_t)count, bytes, 0, alignment, &ref))
        return 0;
    *memory = builder_claim_counted(b, (uint32_t)count, bytes, 0, alignment);
    return *memory ? builder_made(b) : 0;
}

uint32_t fls_builder_reference_vector(struct fls_builder *builder, const void *data, size_t count,
                                      size_t element_bytes, uint32_t alignment)
{
    struct fls_builder *b = builder;
    size_t bytes;

    if (b->no_references || count == 0)
        return fls_builder_create_vector(b, data, count, element_bytes, alignment);
    if (!shape_vector(b, count, element_bytes, &alignment, &bytes) || is_missing(b, data, bytes))
        return 0;
    return fls_builder_reference_counted(b, data, (uint32_t)count, bytes, 0, alignment);
}

uint32_t fls_builder_reference_string(struct fls_builder *builder, const char *text, size_t bytes)
{
    struct fls_builder *b = builder;

    if (b->no_references || bytes == 0)
        return write_string(b, text, bytes, 4);
    if (!is_ready(b) || is_missing(b, text, bytes))
        return 0;
    return fls_builder_reference_counted(b, text, (uint32_t)bytes, bytes, 1, 4);
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
static void swap_elements(uint8_t *to, const uint8_t *from, size_t bytes, size_t element_bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = from[i ^ (element_bytes - 1)];
}
#endif

uint32_t fls_builder_create_scalar_vector(struct fls_builder *builder, const void *data,
                                          size_t count, size_t element_bytes)
{
    if (element_bytes > 8 || !builder_alignment_is_valid((uint32_t)element_bytes)) {
        fls_builder_fail(builder, FLS_INVALID_ARGUMENT, 8, element_bytes,
                         "a scalar has 1, 2, 4 or 8 bytes");
        return 0;
    }
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    void *memory;
    uint32_t ref = fls_builder_create_vector_space(builder, count, element_bytes,
                                                   (uint32_t)element_bytes, &memory);

    if (memory)
        swap_elements(memory, data, count * element_bytes, element_bytes);
    return ref;
#else
    return fls_builder_create_vector(builder, data, count, element_bytes, (uint32_t)element_bytes);
#endif
}

/* Element `i` of the vector of references whose body is `body` and begins at size `size`. */
static bool put_ref(struct fls_builder *b, uint8_t *body, uint32_t size, size_t i, uint32_t ref)
{
    if (FLS_UNLIKELY(!builder_may_refer(b, ref) || ref > size)) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, builder_size(b), ref,
                         "a vector's element refers to nothing that was made in this buffer");
        return false;
    }
    fls_store_u32(body + 4 * i, size - (uint32_t)(4 * i) - ref);
    return true;
}

/* References, each made relative to where it stands; where `types` (may be NULL) says 0, so is the
 * offset. */
static uint32_t write_refs(struct fls_builder *b, const uint32_t *refs, const uint8_t *types,
                           size_t count)
{
    void *memory;
    uint32_t ref = fls_builder_create_vector_space(b, count, 4, 4, &memory);
    uint8_t *body = memory;

    if (!body)
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (types && !types[i])
            memset(body + 4 * i, 0, 4);
        else if (!put_ref(b, body, ref - 4, i, refs[i]))
            return 0;
    }
    return ref;
}

uint32_t fls_builder_create_ref_vector(struct fls_builder *builder, const uint32_t *refs,
                                       size_t count)
{
    return is_missing(builder, refs, count) ? 0 : write_refs(builder, refs, NULL, count);
}

void fls_builder_create_union_vector(struct fls_builder *builder, const uint8_t *types,
                                     const uint32_t *refs, size_t count, uint32_t *types_ref,
                                     uint32_t *values_ref)
{
    struct fls_builder *b = builder;

    *types_ref = 0;
    *values_ref = 0;
    if (is_missing(b, types, count) || is_missing(b, refs, count))
        return;
    for (size_t i = 0; i < count; i++) {
        if (!types[i] != !refs[i]) {
            fls_builder_fail(b, FLS_INVALID_ARGUMENT, types[i], refs[i],
                             "a union has a type and a value, or neither");
            return;
        }
    }
    *values_ref = write_refs(b, refs, types, count);
    *types_ref = fls_builder_create_vector(b, types, count, 1, 1);
    if (!*types_ref)
        *values_ref = 0;
}
