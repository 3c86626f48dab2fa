/*
 * salvage_walk.h: the walk through a damaged stream, and the events on its way.
 */
#ifndef JOURNAL_SALVAGE_WALK_H
#define JOURNAL_SALVAGE_WALK_H

#include "journal/salvage_search.h"

/* The least width of a checksum that proves a frame by itself, in bytes. */
#define FLS_SALVAGE_STRONG_BYTES 4

/*
 * What happens to the bytes from where a walk stands to `to`: so many frames behind one another are
 * delivered, the last with a payload of `last` bytes; or one message is; or one whose length is
 * mended; or they are lost. `error` says why, for the latter two.
 */
enum fls_salvage_event_kind {
    FLS_SALVAGE_FRAMES,
    FLS_SALVAGE_MESSAGE,
    FLS_SALVAGE_MENDED,
    FLS_SALVAGE_LOST
};

struct fls_salvage_event {
    enum fls_salvage_event_kind kind;
    uint64_t to;
    uint64_t frames;
    uint64_t last;
    const struct fls_error *error;
};

/* Events noted, in their order; the error of each is beside it. */
struct fls_salvage_note {
    struct fls_salvage_event event;
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

/* Does what the event says, and goes on behind it. */
void fls_salvage_apply(struct fls_salvage_walk *walk, const struct fls_salvage_event *event);

/* Delivers what is in order at `at`, or finds out how far the damage there reaches. */
void fls_salvage_step(struct fls_salvage_walk *walk);

/* Tells the open damaged place, if there is one: it ends here. */
void fls_salvage_close_lost(struct fls_salvage_walk *walk);

/* Frees what it holds, the input's blocks among it. */
void fls_salvage_walk_end(struct fls_salvage_walk *walk);

/* Walks on by several threads, as one would; as far as they are of use. */
void fls_salvage_stretches(struct fls_salvage_walk *walk);

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

#endif
