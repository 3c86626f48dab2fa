/*
 * salvage_input.c: the stream's bytes at any offset, for salvage.
 *
 * The near block goes through the file in order, mostly: a large file is read ahead for it, and the
 * block then is the piece where it was read to. Where more must be held than fits in front of a
 * piece, the block has memory of its own, and pieces are copied to its end. Whoever goes elsewhere
 * makes the reading ahead go on there.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "journal/salvage_input.h"

/* What a block reads at once. */
#define NEAR_BYTES ((size_t)256 * 1024)
#define FAR_BYTES ((size_t)1024)

/* A glance makes a stretch be read on by so much: to read it whole at once would be to read it
 * twice from memory, since the second-level cache does not hold it. */
#define GLANCE_BYTES ((size_t)512 * 1024)

/* So much from where the walk stands is held while the damage there is searched: what the search
 * goes over, and may go over again. Where it is more than a little, the block gets memory for twice
 * as much, so that what is held is seldom moved in it. */
#define HELD_BYTES_MAX (UINT64_C(24) << 20)
#define HELD_LITTLE_BYTES ((size_t)1 << 20)

/* So many glances behind what is held cost as much as to read on; and behind a stretch, where the
 * walk does not go on. */
#define MISSES_MAX 64
#define STRETCH_MISSES_MAX 4096

/* Smaller files are read without a thread. */
#define AHEAD_BYTES_MIN (UINT64_C(4) << 20)

void fls_salvage_fail(struct fls_salvage_input *input, enum fls_status status)
{
    if (input->status == FLS_OK)
        input->status = status;
}

static void fail_reading(struct fls_salvage_input *input, int error)
{
    if (error == ENODATA)
        fls_salvage_fail(input,
                         fls_error_set(&input->error, FLS_IO, "the file became shorter meanwhile"));
    else
        fls_salvage_fail(input, fls_error_system(&input->error, "pread", error));
}

/* Makes the block's own memory large enough, and puts there what it keeps: the bytes from `from`
 * on. */
static int own(struct fls_salvage_input *input, struct fls_salvage_block *block, uint64_t from,
               size_t kept, size_t capacity)
{
    const uint8_t *before = block->bytes ? block->bytes + (from - block->at) : NULL;
    int is_own = block->bytes == block->buffer.bytes;

    if (kept > 0 && is_own && from != block->at)
        memmove(block->buffer.bytes, before, kept);
    if (fls_buffer_reserve(&block->buffer, capacity, is_own ? kept : 0) != FLS_OK) {
        block->count = 0;
        fls_salvage_fail(input, fls_error_no_memory(&input->error, capacity));
        return 0;
    }
    if (kept > 0 && !is_own)
        memcpy(block->buffer.bytes, before, kept);
    block->bytes = block->buffer.bytes;
    block->at = from;
    block->count = kept;
    return 1;
}

/* Reads up to `want` bytes into the block's own memory. */
static void read_block(struct fls_salvage_input *input, struct fls_salvage_block *block,
                       size_t want)
{
    while (block->count < want) {
        ssize_t got = pread(input->fd, block->buffer.bytes + block->count, want - block->count,
                            (off_t)(input->start + block->at + block->count));
        if (got > 0)
            block->count += (size_t)got;
        else if (got == 0 || errno != EINTR) {
            fail_reading(input, got == 0 ? ENODATA : errno);
            return;
        }
    }
}

/* Makes the next piece the block, behind the bytes that it keeps. */
static void take_piece(struct fls_salvage_input *input, struct fls_salvage_block *block,
                       uint64_t from, size_t kept)
{
    const uint8_t *before = kept > 0 ? block->bytes + (from - block->at) : NULL;
    struct fls_read_piece piece;

    int error = fls_read_ahead_next(input->ahead, before, kept, &piece);
    if (error != 0)
        fail_reading(input, error);
    block->bytes = piece.bytes;
    block->at = from;
    block->count = piece.count;
}

/* Appends pieces to the block's own memory until it has `want` bytes. */
static void append_pieces(struct fls_salvage_input *input, struct fls_salvage_block *block,
                          size_t want)
{
    struct fls_read_piece piece;

    while (block->count < want && input->status == FLS_OK) {
        int error = fls_read_ahead_next(input->ahead, NULL, 0, &piece);
        if (error != 0) {
            fail_reading(input, error);
            return;
        }
        memcpy(block->buffer.bytes + block->count, piece.bytes, piece.count);
        block->count += piece.count;
    }
}

/* How much memory a block gets of which `want` bytes are needed now. */
static size_t capacity_for(const struct fls_salvage_input *input, size_t want)
{
    size_t held = (size_t)fls_min_u64(2 * HELD_BYTES_MAX, input->end) + FLS_READ_AHEAD_BYTES;

    return input->held_from == UINT64_MAX || want <= HELD_LITTLE_BYTES || want > held ? want : held;
}

/* The block from `from` on, with `want` bytes, of which it keeps the first. */
static void load_ahead(struct fls_salvage_input *input, struct fls_salvage_block *block,
                       uint64_t from, size_t kept, size_t want)
{
    if (fls_read_ahead_position(input->ahead) != input->start + from + kept)
        fls_read_ahead_seek(input->ahead, input->start + from + kept, input->start + input->end);
    size_t next = fls_read_ahead_next_bytes(input->ahead);
    if (kept <= FLS_READ_AHEAD_ROOM && want <= kept + next)
        take_piece(input, block, from, kept);
    else if (own(input, block, from, kept, capacity_for(input, want + FLS_READ_AHEAD_BYTES)))
        append_pieces(input, block, want);
}

/* What of the block stays when bytes from `offset` on are loaded: from here on. */
static uint64_t kept_from(const struct fls_salvage_input *input,
                          const struct fls_salvage_block *block, uint64_t offset, size_t need)
{
    uint64_t from = input->held_from;

    if (block == &input->near && from >= block->at && from <= offset &&
        offset - from <= HELD_BYTES_MAX && need <= HELD_BYTES_MAX)
        return from;
    return offset;
}

/* While damage is searched: is there room for `want` bytes from `from` on, without moving them? */
static int has_room(const struct fls_salvage_input *input, const struct fls_salvage_block *block,
                    uint64_t from, size_t want)
{
    return input->held_from != UINT64_MAX && block == &input->near &&
           block->bytes == block->buffer.bytes &&
           from - block->at + want + FLS_READ_AHEAD_BYTES <= block->buffer.capacity;
}

/* Loads at least `need` bytes from `offset`, keeping what the block has of them. */
static void load(struct fls_salvage_input *input, struct fls_salvage_block *block, uint64_t offset,
                 size_t need)
{
    uint64_t from = kept_from(input, block, offset, need);
    size_t want = need + (size_t)(offset - from), kept = 0;

    if (from >= block->at && from - block->at < block->count)
        kept = block->count - (size_t)(from - block->at);
    if (kept > 0 && has_room(input, block, from, want)) {
        want += (size_t)(from - block->at);
        kept = block->count;
        from = block->at;
    }
    if (block == &input->near && input->ahead) {
        load_ahead(input, block, from, kept, want);
        return;
    }
    size_t once = block == &input->near ? NEAR_BYTES : FAR_BYTES;
    if (need < once)
        want += (size_t)fls_min_u64(once, input->end - offset) - need;
    if (own(input, block, from, kept, want))
        read_block(input, block, want);
}

/* Are these bytes in the stretch? Reads it as far as that; for a glance not far. */
static int stretch_holds(struct fls_salvage_input *input, const struct fls_salvage_block *block,
                         uint64_t offset, uint64_t need)
{
    struct fls_salvage_block *stretch = &input->stretch;
    uint64_t within = offset - stretch->at;

    if (offset < stretch->at || within > input->stretch_bytes ||
        need > input->stretch_bytes - within)
        return 0;
    if (block == &input->far && within > stretch->count + GLANCE_BYTES)
        return 0;
    if (stretch->count < within + need)
        read_block(input, stretch,
                   fls_min_size((size_t)(within + need) + NEAR_BYTES, input->stretch_bytes));
    return input->status == FLS_OK;
}

/* Makes the block what the stretch has in memory. */
static void show_stretch(const struct fls_salvage_input *input, struct fls_salvage_block *block)
{
    block->bytes = input->stretch.bytes;
    block->at = input->stretch.at;
    block->count = input->stretch.count;
}

void fls_salvage_input_borrow(struct fls_salvage_input *input,
                              const struct fls_salvage_block *stretch)
{
    input->stretch = stretch ? *stretch : (struct fls_salvage_block){.count = 0};
    input->stretch_bytes = input->stretch.count;
    input->near.count = 0;
    input->far.count = 0;
}

const uint8_t *fls_salvage_load(struct fls_salvage_input *input, struct fls_salvage_block *block,
                                uint64_t offset, uint64_t need, size_t *available)
{
    if (input->memory) {
        if (available)
            *available = (size_t)(input->end - offset);
        return input->memory + offset;
    }
    if (stretch_holds(input, block, offset, need))
        show_stretch(input, block);
    else if (!fls_salvage_holds(block, offset, need) && block == &input->far &&
             fls_salvage_holds(&input->near, offset, need))
        block = &input->near;
    if (!fls_salvage_holds(block, offset, need)) {
        input->misses += block == &input->far;
        load(input, block, offset, (size_t)need);
    }
    if (input->status != FLS_OK)
        return NULL;
    size_t from = (size_t)(offset - block->at);
    if (available)
        *available = block->count - from;
    return block->bytes + from;
}

uint64_t fls_salvage_worth_holding(struct fls_salvage_input *input, uint64_t from, uint64_t least,
                                   uint64_t most)
{
    const struct fls_salvage_block *near = &input->near;
    uint64_t held_to = near->at + near->count;
    unsigned misses_max = input->stretch_bytes > 0 ? STRETCH_MISSES_MAX : MISSES_MAX;

    if (input->misses < misses_max || from < near->at || from > held_to ||
        input->held_from == UINT64_MAX)
        return least;
    input->misses = 0;
    uint64_t more = held_to - from + NEAR_BYTES;
    return more <= least ? least : fls_min_u64(more, most);
}

void fls_salvage_input_begin(struct fls_salvage_input *input, uint64_t at)
{
    if (!input->memory && input->end - at >= AHEAD_BYTES_MIN && sysconf(_SC_NPROCESSORS_ONLN) > 1)
        input->ahead = fls_read_ahead_open(input->fd, input->start + at, input->start + input->end);
}

void fls_salvage_input_free(struct fls_salvage_input *input)
{
    fls_read_ahead_close(input->ahead);
    fls_buffer_free(&input->near.buffer);
    fls_buffer_free(&input->far.buffer);
}
