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

/* A piece of the file in memory: `count` bytes from stream offset `at`, of `room` that it is to
 * have as far as they are asked for. */
struct fls_salvage_block {
    struct fls_buffer buffer;
    const uint8_t *bytes;
    uint64_t at;
    uint64_t room;
    size_t count;
};

/*
 * The stream: in memory, or in a file from `start` on. `end` is its length. The walk and the search
 * use `near`; what is only glanced at is viewed in `far`, so that a glance does not cost the walk
 * its window. `other` is what was near before. `misses` are the glances that no window could
 * answer. `borrowed` is another input's window.
 */
struct fls_salvage_input {
    const uint8_t *memory;
    int fd;
    uint64_t start;
    uint64_t end;
    struct fls_salvage_block near;
    struct fls_salvage_block other;
    struct fls_salvage_block far;
    struct fls_salvage_block borrowed;
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

/* Of a file: the near window begins at `offset`, and may hold so many bytes. */
void fls_salvage_input_place(struct fls_salvage_input *input, uint64_t offset, uint64_t bytes);

/* From now on what this block has is borrowed; NULL: nothing. */
void fls_salvage_input_borrow(struct fls_salvage_input *input,
                              const struct fls_salvage_block *other);

/* Keeps the first failure. FLS_OK is none. */
void fls_salvage_fail(struct fls_salvage_input *input, enum fls_status status);

void fls_salvage_input_free(struct fls_salvage_input *input);

#endif
