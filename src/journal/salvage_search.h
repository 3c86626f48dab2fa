/*
 * salvage_search.h: what is proven to be a frame, and where is the next one?
 */
#ifndef JOURNAL_SALVAGE_SEARCH_H
#define JOURNAL_SALVAGE_SEARCH_H

#include <flatstream/salvage.h>

#include "journal/salvage_input.h"

/*
 * The bounds of the rules (S, C and W of docs/format.md).
 *
 *   stretch_bytes  effort is renewed with each stretch of so many bytes, and it is what one thread
 *                  walks through at a time
 *   effort         what a purse holds at the beginning of a stretch, in bytes compared
 *   jobs           threads beside the caller's; 0: one for each processor
 *   alone          only the caller's thread walks
 *   adopted        counts the stretches that another thread walked through, for tests; may be NULL
 */
struct fls_salvage_bounds {
    uint64_t small_bytes_max;
    uint64_t close_bytes_max;
    uint64_t wide_bytes_max;
    uint64_t stretch_bytes;
    int64_t effort;
    unsigned jobs;
    int alone;
    uint64_t *adopted;
};

#define FLS_SALVAGE_BOUNDS                                                                         \
    ((struct fls_salvage_bounds){.small_bytes_max = 0xfff,                                         \
                                 .close_bytes_max = 0xffff,                                        \
                                 .wide_bytes_max = 0xffffff,                                       \
                                 .stretch_bytes = UINT64_C(16) << 20,                              \
                                 .effort = INT64_C(256) << 20})

/* ---- effort ------------------------------------------------------------------------------ */

/*
 * What is compared in vain is paid for, in bytes: else bytes that look like headers everywhere
 * would cost up to the square of their number. Each purpose has a purse, so that what is dear does
 * not take from what is needed first. A purse begins each stretch with so much, and gets so much
 * for each byte that the walk, or what it pays for, comes to for the first time.
 */
enum fls_salvage_purse {
    FLS_SALVAGE_ORDER, /* the frame where the walk stands */
    FLS_SALVAGE_JUDGE, /* what the damage there is */
    FLS_SALVAGE_FIND,  /* the next frame */
    FLS_SALVAGE_GAP,   /* what lies before that */
    FLS_SALVAGE_REST,  /* large ones there that nothing follows, and any of more than W bytes */
    FLS_SALVAGE_PURSES
};

#define FLS_SALVAGE_EFFORT_PER_BYTE 128

/* What is in a purse, the least that ever was, and the end of what was come to. */
struct fls_salvage_effort {
    int64_t left;
    int64_t low;
    uint64_t reach;
};

/* ---- the search -------------------------------------------------------------------------- */

/* Bytes [from, to) in which nothing of some kind begins that ends at `end` or before. */
struct fls_salvage_passed {
    uint64_t from;
    uint64_t to;
    uint64_t end;
};

/* Frames in step are looked for by their size, the smaller first; and so are those in gaps. */
#define FLS_SALVAGE_STEPS 3
#define FLS_SALVAGE_GAP_STEPS 3

/*
 *   width, header   of the checksum, and with the length
 *   known           offset of the frame proven last, UINT64_MAX for none
 *   refuted         offset of the frame that the walk found not to be one last; and what was
 *   calculated      the checksum that the last comparison found
 *   refusal         what the verifier last said, for the walk
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
    uint64_t refuted;
    uint64_t calculated;
    struct fls_error refusal;
    struct fls_salvage_effort effort[FLS_SALVAGE_PURSES];
    struct fls_salvage_passed no_step[FLS_SALVAGE_STEPS];
    struct fls_salvage_passed no_gap[FLS_SALVAGE_GAP_STEPS];
    uint64_t told;
};

/* The header at an offset; `length` is the payload's. */
struct fls_salvage_header {
    uint64_t length;
    uint64_t stored;
};

/* Begins with full purses. `options` are borrowed; so is what it looks at and reports to. */
void fls_salvage_search_begin(struct fls_salvage_search *search, struct fls_salvage_input *input,
                              const struct fls_salvage_options *options,
                              const struct fls_salvage_bounds *bounds,
                              struct fls_salvage_report *report);

/* Shows progress at `offset`, now and then. */
void fls_salvage_tell(struct fls_salvage_search *search, uint64_t offset);

/* The walk comes to `offset`: adds to each purse. */
void fls_salvage_reach(struct fls_salvage_search *search, uint64_t offset);

/* May so many bytes be compared? If not the report says so. And takes that much. */
int fls_salvage_can_afford(struct fls_salvage_search *search, enum fls_salvage_purse purse,
                           uint64_t bytes);
void fls_salvage_spend(struct fls_salvage_search *search, enum fls_salvage_purse purse,
                       uint64_t bytes);

/* Reads the header at `offset`. 1 when it is plausible, else 0. */
int fls_salvage_plausible(struct fls_salvage_search *search, struct fls_salvage_block *block,
                          uint64_t offset, struct fls_salvage_header *header);

/* Is the plausible frame at `offset`, where the walk stands, proven? Costs effort only if not. */
int fls_salvage_is_proven(struct fls_salvage_search *search, uint64_t offset,
                          const struct fls_salvage_header *header);

/* Does `offset` lead on: is it the end, or does a proven frame begin there? */
int fls_salvage_leads(struct fls_salvage_search *search, uint64_t offset);

/* Do the payload bytes from `from` to `to`, behind a damaged length, match what is stored? */
int fls_salvage_matches(struct fls_salvage_search *search, uint64_t from, uint64_t to,
                        uint64_t stored);

/* Does what lies in [from, to) seem to hold frames? 1 or 0, `unknown` where that would cost too
 * much. */
int fls_salvage_holds_frames(struct fls_salvage_search *search, uint64_t from, uint64_t to,
                             int unknown);

/* Where the first frame from `from` on begins, behind damage; the end when there is none. `said` is
 * where the damaged frame says that it ends, 0 when that cannot be. */
uint64_t fls_salvage_find(struct fls_salvage_search *search, uint64_t from, uint64_t said);

/* A frame in step from `from` on, below `stop`; or `stop`. */
uint64_t fls_salvage_find_in_step(struct fls_salvage_search *search, uint64_t from, uint64_t stop);

/* A payload that the search's alignment holds for: `payload`, or a copy. NULL: no memory. */
const void *fls_salvage_align(struct fls_salvage_search *search, const uint8_t *payload,
                              size_t bytes);

/* Does the verifier, if there is one, accept these bytes as a message? */
int fls_salvage_accepts(struct fls_salvage_search *search, uint64_t offset, uint64_t bytes);

#endif
