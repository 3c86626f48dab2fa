/*
 * salvage_input.h: the bytes of a damaged stream at any offset.
 *
 * Nothing here returns a status: what fails is kept in the input, everything after it finds
 * nothing, and the walk looks at it once a step.
 */
#ifndef JOURNAL_SALVAGE_INPUT_H
#define JOURNAL_SALVAGE_INPUT_H

#include <flatstream/status.h>

#include "base/buffer.h"
#include "io/read_ahead.h"

/* A piece of the file in memory: `count` bytes from stream offset `at`, in `buffer` or where they
 * were read ahead to. */
struct fls_salvage_block {
    struct fls_buffer buffer;
    const uint8_t *bytes;
    uint64_t at;
    size_t count;
};

/*
 * The stream: in memory, or in a file from `start` on. `end` is its length. The walk and the search
 * use `near`, what is only glanced at `far`, so that a glance does not cost the walk its block.
 * `near` holds what it has from `held_from` on, as far as that is not too much; of a large file it
 * is read ahead. `misses` are the glances that nothing held could answer. `stretch` holds a part of
 * the file whole: up to `stretch_bytes` from its start, as far as they were asked for yet.
 */
struct fls_salvage_input {
    const uint8_t *memory;
    int fd;
    uint64_t start;
    uint64_t end;
    struct fls_salvage_block near;
    struct fls_salvage_block far;
    struct fls_salvage_block stretch;
    size_t stretch_bytes;
    struct fls_read_ahead *ahead;
    uint64_t held_from;
    unsigned misses;
    enum fls_status status;
    struct fls_error error;
};

static inline int fls_salvage_holds(const struct fls_salvage_block *block, uint64_t offset,
                                    uint64_t need)
{
    uint64_t within = offset - block->at; /* huge when it lies before the block */

    return within <= block->count && block->count - within >= need;
}

/* fls_salvage_view when the block does not hold the bytes. */
const uint8_t *fls_salvage_load(struct fls_salvage_input *input, struct fls_salvage_block *block,
                                uint64_t offset, uint64_t need, size_t *available);

/* At least `need` bytes from stream offset `offset`, which are there (offset + need <= end), valid
 * until the next call with the same block; *available (may be NULL) says how many there are. NULL
 * after a failure. */
static inline const uint8_t *fls_salvage_view(struct fls_salvage_input *input,
                                              struct fls_salvage_block *block, uint64_t offset,
                                              uint64_t need, size_t *available)
{
    if (input->memory || !fls_salvage_holds(block, offset, need))
        return fls_salvage_load(input, block, offset, need, available);
    if (available)
        *available = block->count - (size_t)(offset - block->at);
    return block->bytes + (offset - block->at);
}

/* How many bytes from `from` on to have in `near` while damage is searched: `least`; more, of at
 * most `most`, where so many glances went behind what is held that it pays to hold more. */
uint64_t fls_salvage_worth_holding(struct fls_salvage_input *input, uint64_t from, uint64_t least,
                                   uint64_t most);

/* Of a file: begins to read ahead, from `at` on, where that pays. */
void fls_salvage_input_begin(struct fls_salvage_input *input, uint64_t at);

/* From now on `stretch` holds this, which is borrowed; NULL: nothing. */
void fls_salvage_input_borrow(struct fls_salvage_input *input,
                              const struct fls_salvage_block *stretch);

/* Keeps the first failure. FLS_OK is none. */
void fls_salvage_fail(struct fls_salvage_input *input, enum fls_status status);

void fls_salvage_input_free(struct fls_salvage_input *input);

#endif
