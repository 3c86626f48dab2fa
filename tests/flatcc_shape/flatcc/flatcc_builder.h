/*
 * flatcc_builder.h: the part of flatcc's builder that an emitter meets, for where flatcc is not.
 *
 * It has no vectors and tables, only pieces: flatcc's rules for where they go (each is put before
 * the first byte, or behind the last), how buffers are counted and nested, and what a reset
 * forgets. flatcc_adapter.c tests the same with flatcc itself.
 */
#ifndef FLATCC_BUILDER_H
#define FLATCC_BUILDER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef int32_t flatbuffers_soffset_t;
typedef flatbuffers_soffset_t flatcc_builder_ref_t;

typedef struct flatcc_iovec {
    void *iov_base;
    size_t iov_len;
} flatcc_iovec_t;

typedef int flatcc_builder_emit_fun(void *context, const flatcc_iovec_t *pieces, int count,
                                    flatbuffers_soffset_t offset, size_t bytes);

enum flatcc_builder_type { flatcc_builder_empty, flatcc_builder_buffer, flatcc_builder_table };

#define SHAPE_LEVELS 4

typedef struct flatcc_builder {
    flatcc_builder_emit_fun *emit;
    void *emit_context;
    flatcc_builder_ref_t emit_start;
    flatcc_builder_ref_t emit_end;
    uint32_t nest_count;
    uint32_t nest_id;
    int level;
    enum flatcc_builder_type types[SHAPE_LEVELS + 1];
    uint32_t outer_ids[SHAPE_LEVELS + 1];
} flatcc_builder_t;

static inline int flatcc_builder_reset(flatcc_builder_t *B)
{
    flatcc_builder_emit_fun *emit = B->emit;
    void *context = B->emit_context;

    memset(B, 0, sizeof *B);
    B->emit = emit;
    B->emit_context = context;
    return 0;
}

static inline int flatcc_builder_get_level(flatcc_builder_t *B)
{
    return B->level;
}

static inline enum flatcc_builder_type flatcc_builder_get_type(flatcc_builder_t *B)
{
    return B->types[B->level];
}

static inline size_t flatcc_builder_get_buffer_size(flatcc_builder_t *B)
{
    return (size_t)(B->emit_end - B->emit_start);
}

static inline void shape_start(flatcc_builder_t *B, enum flatcc_builder_type type)
{
    B->types[++B->level] = type;
    B->outer_ids[B->level] = B->nest_id;
    if (type == flatcc_builder_buffer)
        B->nest_id = B->nest_count++;
}

static inline void shape_end(flatcc_builder_t *B)
{
    B->nest_id = B->outer_ids[B->level];
    B->level--;
}

/* Pieces before the first byte; their place, or 0 when the emitter refuses. */
static inline flatcc_builder_ref_t shape_emit_front(flatcc_builder_t *B, flatcc_iovec_t *pieces,
                                                    int count, size_t bytes)
{
    flatcc_builder_ref_t ref = B->emit_start - (flatcc_builder_ref_t)bytes;

    if (B->emit(B->emit_context, pieces, count, ref, bytes))
        return 0;
    return B->emit_start = ref;
}

static inline int shape_emit_back(flatcc_builder_t *B, flatcc_iovec_t *piece)
{
    if (B->emit(B->emit_context, piece, 1, B->emit_end, piece->iov_len))
        return -1;
    B->emit_end += (flatcc_builder_ref_t)piece->iov_len;
    return 0;
}

/* The header goes out before the frame is left, as flatcc has it. */
static inline flatcc_builder_ref_t flatcc_builder_end_buffer(flatcc_builder_t *B,
                                                             flatcc_builder_ref_t root)
{
    uint32_t offset = (uint32_t)(root - B->emit_start) + 4;
    flatcc_iovec_t header = {&offset, sizeof offset};
    flatcc_builder_ref_t ref = shape_emit_front(B, &header, 1, sizeof offset);

    shape_end(B);
    return ref;
}

#endif
