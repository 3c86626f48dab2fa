/*
 * salvage_parts.h: the parts of salvage: the stream's bytes at any offset, the search for what is
 * proven to be a frame, and the walk through the stream.
 *
 * None returns a status: what fails is kept in the input, everything after it finds nothing, and
 * the walk looks at it once a step.
 */
#ifndef JOURNAL_SALVAGE_PARTS_H
#define JOURNAL_SALVAGE_PARTS_H

#include <flatstream/salvage.h>

#include "base/buffer.h"
#include "io/read_ahead.h"

/* ---- the bytes --------------------------------------------------------------------------- */

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

/* ---- the search -------------------------------------------------------------------------- */

/*
 * The bounds of the rules (S, C and W of docs/format.md), and what the search may cost: `effort`
 * bytes compared before it is cut short, more with each byte passed. `stretch_bytes`: what one
 * thread walks through at a time, where several do; 0: only the caller's does. Tests set smaller
 * ones.
 */
struct fls_salvage_bounds {
    uint64_t small_bytes_max;
    uint64_t close_bytes_max;
    uint64_t wide_bytes_max;
    int64_t effort;
    uint64_t stretch_bytes;
    unsigned jobs;
};

#define FLS_SALVAGE_SMALL_BYTES_MAX UINT64_C(0xfff)
#define FLS_SALVAGE_CLOSE_BYTES_MAX UINT64_C(0xffff)
#define FLS_SALVAGE_WIDE_BYTES_MAX UINT64_C(0xffffff)
#define FLS_SALVAGE_EFFORT ((int64_t)1 << 30)
/* What the search may compare for each byte that it passes. */
#define FLS_SALVAGE_EFFORT_PER_BYTE 1024
#define FLS_SALVAGE_STRETCH_BYTES (UINT64_C(16) << 20)

/* fls_salvage_fd and fls_salvage_memory with other bounds. */
FLS_MUST_USE enum fls_status fls_salvage_fd_within(int fd, uint64_t start,
                                                   const struct fls_salvage_options *options,
                                                   const struct fls_salvage_bounds *bounds,
                                                   struct fls_salvage_report *report,
                                                   struct fls_error *error);
FLS_MUST_USE enum fls_status fls_salvage_memory_within(const void *bytes, size_t length,
                                                       const struct fls_salvage_options *options,
                                                       const struct fls_salvage_bounds *bounds,
                                                       struct fls_salvage_report *report,
                                                       struct fls_error *error);

/* Bytes [from, to) in which nothing of some kind begins. */
struct fls_salvage_passed {
    uint64_t from;
    uint64_t to;
};

/* Frames in step are looked for by their size: the smaller first. */
#define FLS_SALVAGE_STEPS 3

/*
 *   width, header   of the checksum, and with the length
 *   known           offset of the frame proven last, UINT64_MAX for none
 *   calculated      the checksum that the last comparison found
 *   refusal         what the verifier last said, for the walk
 *   effort          what is left of it; below zero nothing is compared any more. effort_per_byte
 *                   is added for each that is passed. gap_effort is for
 *                   gaps, large_effort for large frames in them, rest_effort for those of them that
 *                   no header follows
 *   no_step         where none is in step of at most C, of a middle size, and of at most W
 */
struct fls_salvage_search {
    struct fls_salvage_input *input;
    struct fls_checksum checksum;
    size_t width;
    size_t header;
    uint64_t limit;
    size_t alignment;
    const struct fls_tap *verifier;
    struct fls_salvage_bounds bounds;
    struct fls_salvage_report *report;
    fls_salvage_progress_function *progress;
    void *context;
    struct fls_buffer aligned;
    uint64_t known;
    uint64_t calculated;
    struct fls_error refusal;
    int64_t effort;
    int64_t effort_per_byte;
    int64_t gap_effort;
    int64_t large_effort;
    int64_t rest_effort;
    struct fls_salvage_passed no_step[FLS_SALVAGE_STEPS];
    uint64_t told;
};

/* The header at an offset; `length` is the payload's. */
struct fls_salvage_header {
    uint64_t length;
    uint64_t stored;
};

/* Reads the header at `offset`. 1 when it is plausible, else 0. */
int fls_salvage_plausible(struct fls_salvage_search *search, struct fls_salvage_block *block,
                          uint64_t offset, struct fls_salvage_header *header);

/* Is the plausible frame at `offset`, where the walk stands, proven? Costs effort only if not. */
int fls_salvage_proven(struct fls_salvage_search *search, uint64_t offset,
                       const struct fls_salvage_header *header);

/* Are the next three headers from `offset` on plausible, as far as the end? */
int fls_salvage_hops(struct fls_salvage_search *search, uint64_t offset);

/* And is the end among them, or one of at most W proven, or none so small? What is over W is
 * compared only where it hops so from its end: payloads with many zeros hop by chance. */
int fls_salvage_surely_hops(struct fls_salvage_search *search, uint64_t offset);

/* Does `offset` lead on: is it the end, or does a proven frame begin there? One over C is compared
 * only where it hops from its end, one over W where it surely does. */
int fls_salvage_leads(struct fls_salvage_search *search, uint64_t offset);

/* Does a proven frame over W begin at `offset` that has none of at most C in step within W bytes?
 */
int fls_salvage_leads_wide(struct fls_salvage_search *search, uint64_t offset);

/* Does a proven frame begin at `offset`, and end at `end` or before? */
int fls_salvage_is_within(struct fls_salvage_search *search, uint64_t offset, uint64_t end);

/* Does a proven frame of at most W begin from `from` on, and end exactly at `end`; or where
 * `others` more frames begin that are not proven and lead there? */
int fls_salvage_is_closed(struct fls_salvage_search *search, uint64_t from, uint64_t end,
                          unsigned others);

/* Does a proven frame of at most C begin and end in [from, to]? */
int fls_salvage_holds_frames(struct fls_salvage_search *search, uint64_t from, uint64_t to);

/* The least offset from `from` on, below `stop`, with a frame of at most C that is in step; or
 * `stop`. */
uint64_t fls_salvage_find_in_step(struct fls_salvage_search *search, uint64_t from, uint64_t stop);

/* Where the next frame begins, if the length of the damaged message, which leads to `said`, is
 * right or nearly so, and those of damaged ones behind it are too; 0 where nothing tells. */
uint64_t fls_salvage_find_close(struct fls_salvage_search *search, uint64_t from, uint64_t said);

/* A frame in step from `from` on, below `stop`, of at most W; or `stop`, also where it would cost
 * much to find one. The search is of no use for anything else afterwards. */
uint64_t fls_salvage_find_start(struct fls_salvage_search *search, uint64_t from, uint64_t stop);

/* Where the first frame from `from` on begins, behind damage; the end when there is none. `said` is
 * where the damaged frame says that it ends, 0 when that cannot be. */
uint64_t fls_salvage_find(struct fls_salvage_search *search, uint64_t from, uint64_t said);

/* Is there room for another message between `from` and what was found (9.7)? */
int fls_salvage_is_open(const struct fls_salvage_search *search, uint64_t from, uint64_t found,
                        uint64_t said);

/* The frame over C with which an open gap from `from` to `found` ends; or `found`. */
uint64_t fls_salvage_find_large(struct fls_salvage_search *search, uint64_t from, uint64_t found,
                                uint64_t said);

/* The most bytes of a frame of a middle size: M of docs/format.md. */
uint64_t fls_salvage_middle_bytes_max(const struct fls_salvage_search *search);

/* A payload that the search's alignment holds for: `payload`, or a copy. NULL: no memory. */
const void *fls_salvage_align(struct fls_salvage_search *search, const uint8_t *payload,
                              size_t bytes);

/* Does the verifier, if there is one, accept these bytes as a message? */
int fls_salvage_accepts(struct fls_salvage_search *search, uint64_t offset, uint64_t bytes);

/* Counts a comparison of `bytes` bytes, and what it costs. */
void fls_salvage_count(struct fls_salvage_search *search, uint64_t bytes);

/* Shows progress at `offset`, now and then. */
void fls_salvage_tell(struct fls_salvage_search *search, uint64_t offset);

/* ---- the walk ---------------------------------------------------------------------------- */

/* The least width of a checksum that proves a frame by itself, in bytes. */
#define FLS_SALVAGE_STRONG_BYTES 4

/*
 * What a walk does with the bytes from where it stands to `to`: so many frames behind one another
 * are delivered, the last with a payload of `last` bytes; or one message is; or one whose length is
 * mended; or they are lost. `error` says why, for the latter two.
 */
enum fls_salvage_deed_kind {
    FLS_SALVAGE_FRAMES,
    FLS_SALVAGE_MESSAGE,
    FLS_SALVAGE_MENDED,
    FLS_SALVAGE_LOST
};

struct fls_salvage_deed {
    enum fls_salvage_deed_kind kind;
    uint64_t to;
    uint64_t frames;
    uint64_t last;
    const struct fls_error *error;
};

/* Deeds noted, in their order; the error of each is beside it. */
struct fls_salvage_note {
    struct fls_salvage_deed deed;
    struct fls_error error;
};

struct fls_salvage_notes {
    struct fls_buffer memory;
    struct fls_salvage_note *list;
    size_t count;
};

/*
 *   at        where the walk stands
 *   lost      the damaged place that is open: it ends at `at`. `bytes` 0: none is
 *   run       messages since something was lost
 *   run_to    what is delivered at once does not go over this, when it is ahead
 *   zeros_to  the zero bytes around the walk end here; what is before it was looked at
 *   in_order_to  empty frames of zero bytes up to here are known to be in order
 *   last_from, last_to  the payload delivered last
 *   notes     of what it does; NULL: none are taken
 */
struct fls_salvage_walk {
    struct fls_salvage_input input;
    struct fls_salvage_search search;
    const struct fls_salvage_options *options;
    struct fls_salvage_report *report;
    uint64_t at;
    struct fls_salvage_region lost;
    uint64_t run;
    uint64_t run_to;
    uint64_t zeros_to;
    uint64_t in_order_to;
    uint64_t last_from;
    uint64_t last_to;
    struct fls_salvage_notes *notes;
};

static inline int fls_salvage_goes_on(const struct fls_salvage_walk *walk)
{
    return walk->input.status == FLS_OK;
}

/* Prepares to walk through the input, which is there already. `options` are borrowed. */
void fls_salvage_walk_begin(struct fls_salvage_walk *walk,
                            const struct fls_salvage_options *options,
                            const struct fls_salvage_bounds *bounds,
                            struct fls_salvage_report *report);

/* Does this, and goes on behind it. */
void fls_salvage_do(struct fls_salvage_walk *walk, const struct fls_salvage_deed *deed);

/* Delivers what is in order at `at`, or finds out how far the damage there reaches. */
void fls_salvage_step(struct fls_salvage_walk *walk);

/* Tells the open damaged place, if there is one: it ends here. */
void fls_salvage_close_lost(struct fls_salvage_walk *walk);

/* Frees what it holds, the input's blocks among it. */
void fls_salvage_walk_end(struct fls_salvage_walk *walk);

/* Walks on by several threads, as one would; as far as they are of use. */
void fls_salvage_stretches(struct fls_salvage_walk *walk);

#endif
