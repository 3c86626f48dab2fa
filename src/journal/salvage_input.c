/*
 * salvage_input.c: the stream's bytes at any offset, for salvage.
 *
 * The search goes over the same bytes several times, and goes on where it was, far ahead: so two
 * large windows of the file are held, each read as far as it was asked for.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "journal/salvage_input.h"

/* What a window may hold, and what is read at once: of a window, and for a glance elsewhere. */
#define WINDOW_BYTES (UINT64_C(18) << 20)
#define READ_BYTES ((uint64_t)256 * 1024)
#define GLANCE_BYTES UINT64_C(1024)

/* A glance that no window holds yet costs as much as to read on by so much. */
#define MISS_BYTES ((uint64_t)16 * 1024)

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

/* Reads on until the block has `need` bytes from `offset`, and some more if it has room. */
static void fill(struct fls_salvage_input *input, struct fls_salvage_block *block, uint64_t offset,
                 uint64_t need)
{
    uint64_t want = fls_min_u64(offset - block->at + need + READ_BYTES, block->room);

    if (fls_salvage_holds(block, offset, need))
        return;
    while (block->count < want) {
        ssize_t got =
            pread(input->fd, block->buffer.bytes + block->count, (size_t)want - block->count,
                  (off_t)(input->start + block->at + block->count));
        if (got > 0)
            block->count += (size_t)got;
        else if (got == 0 || errno != EINTR) {
            fail_reading(input, got == 0 ? ENODATA : errno);
            return;
        }
    }
}

/* The block shall have up to `room` bytes from `offset` on, and has none yet. */
static void place(struct fls_salvage_input *input, struct fls_salvage_block *block, uint64_t offset,
                  uint64_t room)
{
    block->at = offset;
    block->count = 0;
    block->room = fls_min_u64(room, input->end - offset);
    if (fls_buffer_reserve(&block->buffer, (size_t)block->room, 0) != FLS_OK)
        fls_salvage_fail(input, fls_error_no_memory(&input->error, (size_t)block->room));
    block->bytes = block->buffer.bytes;
}

static int has_room(const struct fls_salvage_block *block, uint64_t offset, uint64_t need)
{
    uint64_t within = offset - block->at;

    return within <= block->room && block->room - within >= need;
}

void fls_salvage_input_place(struct fls_salvage_input *input, uint64_t offset, uint64_t bytes)
{
    place(input, &input->near, offset, bytes);
}

void fls_salvage_input_borrow(struct fls_salvage_input *input,
                              const struct fls_salvage_block *other)
{
    input->borrowed = other ? *other : (struct fls_salvage_block){.count = 0};
}

/* The window with these bytes becomes the near one. */
static void load_near(struct fls_salvage_input *input, uint64_t offset, uint64_t need)
{
    struct fls_salvage_block near = input->near;

    if (!has_room(&near, offset, need)) {
        input->near = input->other;
        input->other = near;
    }
    if (!has_room(&input->near, offset, need))
        place(input, &input->near, offset, fls_max_u64(need, WINDOW_BYTES));
    if (input->status == FLS_OK)
        fill(input, &input->near, offset, need);
}

/* The window with these bytes, if it is worth while to read so far; else the block for glances. */
static struct fls_salvage_block *glance(struct fls_salvage_input *input, uint64_t offset,
                                        uint64_t need)
{
    struct fls_salvage_block *window =
        has_room(&input->near, offset, need) ? &input->near : &input->other;

    if (has_room(window, offset, need)) {
        uint64_t end = offset - window->at + need;
        if (end <= window->count + MISS_BYTES * ++input->misses) {
            input->misses -=
                (unsigned)(end > window->count ? (end - window->count) / MISS_BYTES : 1);
            fill(input, window, offset, need);
            return window;
        }
    }
    if (!fls_salvage_holds(&input->far, offset, need)) {
        place(input, &input->far, offset, fls_max_u64(need, GLANCE_BYTES));
        if (input->status == FLS_OK)
            fill(input, &input->far, offset, need);
    }
    return &input->far;
}

const uint8_t *fls_salvage_load(struct fls_salvage_input *input, struct fls_salvage_block *block,
                                uint64_t offset, uint64_t need, size_t *available)
{
    if (input->memory) {
        if (available)
            *available = (size_t)(input->end - offset);
        return input->memory + offset;
    }
    if (fls_salvage_holds(&input->borrowed, offset, need))
        block = &input->borrowed;
    else if (block == &input->far)
        block = glance(input, offset, need);
    else
        load_near(input, offset, need);
    if (input->status != FLS_OK)
        return NULL;
    size_t from = (size_t)(offset - block->at);
    if (available)
        *available = block->count - from;
    return block->bytes + from;
}

void fls_salvage_input_free(struct fls_salvage_input *input)
{
    fls_buffer_free(&input->near.buffer);
    fls_buffer_free(&input->other.buffer);
    fls_buffer_free(&input->far.buffer);
}
