/*
 * builder_finish.c: the front of a buffer, and the finished message.
 *
 * The front is written last: [size prefix] root offset [identifier], padded so that the whole
 * buffer is a multiple of its largest alignment. That makes an alignment counted from the end hold
 * from the start as well.
 */
#include "flatbuf/builder_parts.h"

#define IDENTIFIER_BYTES 4u

static bool identifier_is_valid(const char *identifier)
{
    for (size_t i = 0; i < IDENTIFIER_BYTES; i++)
        if (identifier[i] == '\0')
            return false;
    return true;
}

bool fls_builder_write_header(struct fls_builder *b, uint32_t root, const char *identifier,
                              bool size_prefixed)
{
    uint32_t bytes = 4 + (identifier ? IDENTIFIER_BYTES : 0) + (size_prefixed ? 4 : 0);
    uint8_t *at;

    if (FLS_UNLIKELY(!fls_builder_is_table(b, root))) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, builder_size(b), root,
                         "the root is no table that was made in this buffer");
        return false;
    }
    if (identifier && !identifier_is_valid(identifier)) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, IDENTIFIER_BYTES, 0,
                         "a file identifier is four bytes, none of them zero");
        return false;
    }
    b->alignments |= 4;
    at = builder_claim(b, bytes, fls_builder_alignment(b));
    if (!at)
        return false;
    if (size_prefixed) {
        fls_store_u32(at, builder_size(b) - b->buffer_base - 4);
        at += 4;
    }
    fls_store_u32(at, builder_size(b) - (size_prefixed ? 4 : 0) - root);
    if (identifier)
        memcpy(at + 4, identifier, IDENTIFIER_BYTES);
    return true;
}

/* What is still open when the message is to be finished. */
static void refuse_unfinished(struct fls_builder *b)
{
    if (b->state == BUILDER_IN_TABLE)
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, 0, 0, "a table is not ended");
    else if (b->state == BUILDER_READY)
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, 0, 0, "a vector or a nested buffer is not ended");
    else
        fls_builder_refuse(b);
}

static void count_message(struct fls_builder *b, const struct fls_payload *payload)
{
    b->statistics.messages++;
    b->statistics.bytes += payload->length;
    b->statistics.bytes_referenced += b->referenced;
    b->statistics.bytes_copied += payload->length - b->referenced + b->pushed;
    b->statistics.segments += payload->count;
}

static enum fls_status finish(struct fls_builder *b, uint32_t root, const char *identifier,
                              bool size_prefixed, struct fls_payload *payload)
{
    memset(payload, 0, sizeof *payload);
    if (FLS_UNLIKELY(b->state != BUILDER_READY || b->stack.frame != BUILDER_NO_FRAME)) {
        refuse_unfinished(b);
        return b->error.status;
    }
    if (!fls_builder_write_header(b, root, identifier, size_prefixed))
        return b->error.status;
    fls_builder_close_run(b);
    if (b->state == BUILDER_FAILED)
        return b->error.status;
    payload->segments = b->segments + b->segment_first;
    payload->count = b->segment_capacity - b->segment_first;
    payload->length = builder_size(b);
    count_message(b, payload);
    fls_builder_mark_finished(b);
    return FLS_OK;
}

enum fls_status fls_builder_finish(struct fls_builder *builder, uint32_t root,
                                   const char *identifier, struct fls_payload *payload)
{
    return finish(builder, root, identifier, false, payload);
}

enum fls_status fls_builder_finish_size_prefixed(struct fls_builder *builder, uint32_t root,
                                                 const char *identifier,
                                                 struct fls_payload *payload)
{
    return finish(builder, root, identifier, true, payload);
}
