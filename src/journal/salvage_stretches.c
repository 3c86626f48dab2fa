/*
 * salvage_stretches.c: the walk through a large stream by several threads, with the result of one.
 *
 * The stream is cut into stretches of so many bytes. A thread takes the next one, finds a frame in
 * step in it, walks from there to the stretch's end as if the stream began there, and notes what it
 * does. The caller's thread walks along. Where it comes to exactly that frame, it stands where the
 * other one stood, and would do the same from there on, because what a walk does depends on its
 * place, on the message delivered last (both deliver this one next) and on whether the effort
 * suffices: so it does what was noted. Else it walks through the stretch by itself.
 *
 * Effort is the one thing that the threads cannot know of each other. It is renewed with each
 * stretch, and what was noted is done only where the caller's walk could have afforded all of it;
 * else it walks through the stretch by itself. So what comes out does not depend on how many
 * threads there are, or how fast each is. Where effort runs short a thread gives up at once, and
 * where the first stretch costs much none is begun.
 *
 * Where messages hold streams, the threads find the frames inside, and the walk comes to none of
 * them: then they are sent home.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/os.h"
#include "journal/salvage_walk.h"

#define JOBS_MAX 8

/* Of what follows a stretch so much is held with it, as a part of it. */
#define MORE_PART 8

/* A stretch ends early where so much was done in it: its notes must not grow without bounds. */
#define NOTES_MAX 8192

/* After so many stretches one after the other that did not fit, the caller's thread goes on alone.
 */
#define UNFIT_MAX 8

/* `begin` is where its walk began; `to` when nothing was found in it. */
struct stretch {
    struct crew *crew;
    struct fls_salvage_walk walk;
    struct fls_salvage_report report;
    struct fls_salvage_notes notes;
    uint64_t number;
    uint64_t begin;
    uint64_t to;
    pthread_t thread;
    int is_begun;
};

/*
 *   main      the caller's walk
 *   options   for the others: nothing is told to the caller from their threads
 *   count     stretches there are; number n lies in slot n modulo `jobs`
 *   stop      the threads shall end
 */
struct crew {
    struct fls_salvage_walk *main;
    struct fls_salvage_options options;
    struct fls_salvage_bounds bounds;
    uint64_t count;
    atomic_int stop;
    unsigned jobs;
    struct stretch slots[JOBS_MAX];
};

/* --- one stretch, by a thread of its own ------------------------------------------------------
 */

/* The search calls this now and then: the way to end it early. */
static enum fls_status check_stop(void *context, uint64_t done)
{
    struct crew *crew = context;

    (void)done;
    return atomic_load_explicit(&crew->stop, memory_order_relaxed) ? FLS_STOPPED : FLS_OK;
}

/* Where the bytes come from: as in the caller's walk. The memory of the last stretch is used again.
 */
static void open_input(const struct crew *crew, struct fls_salvage_input *input, uint64_t from)
{
    const struct fls_salvage_input *main = &crew->main->input;
    struct fls_salvage_input before = *input;

    memset(input, 0, sizeof *input);
    input->memory = main->memory;
    input->fd = main->fd;
    input->start = main->start;
    input->end = main->end;
    input->near.buffer = before.near.buffer;
    input->other.buffer = before.other.buffer;
    input->far.buffer = before.far.buffer;
    if (!input->memory)
        fls_salvage_input_place(
            input, from, crew->bounds.stretch_bytes + crew->bounds.stretch_bytes / MORE_PART);
}

static void *walk_through(void *context)
{
    struct stretch *stretch = context;
    struct crew *crew = stretch->crew;
    struct fls_salvage_walk *walk = &stretch->walk;
    uint64_t from = stretch->number * crew->bounds.stretch_bytes;

    *walk = (struct fls_salvage_walk){.input = walk->input};
    open_input(crew, &walk->input, from);
    stretch->to = fls_min_u64(from + crew->bounds.stretch_bytes, walk->input.end);
    stretch->notes.count = 0;
    fls_salvage_walk_begin(walk, &crew->options, &crew->bounds, &stretch->report);
    stretch->begin = fls_salvage_goes_on(walk)
                         ? fls_salvage_find_in_step(&walk->search, from, stretch->to)
                         : stretch->to;
    /* What the search for the beginning cost, and knows, the caller's walk does not share. */
    fls_salvage_walk_begin(walk, &crew->options, &crew->bounds, &stretch->report);
    walk->notes = &stretch->notes;
    walk->at = stretch->begin;
    for (int i = 0; i < FLS_SALVAGE_PURSES; i++)
        walk->search.effort[i].reach = stretch->begin;
    walk->run_to = stretch->to;
    while (walk->at < stretch->to && fls_salvage_goes_on(walk) &&
           stretch->notes.count < NOTES_MAX && stretch->report.passed_over == 0)
        fls_salvage_step(walk);
    return NULL;
}

/* Begins with stretch `number`, if there is one and a thread. */
static void begin(struct crew *crew, uint64_t number)
{
    struct stretch *stretch = &crew->slots[number % crew->jobs];

    stretch->crew = crew;
    stretch->number = number;
    stretch->is_begun =
        number < crew->count && fls_os_start_thread(&stretch->thread, walk_through, stretch) == 0;
}

/* Waits for its thread. Returns whether there was one. */
static int join(struct stretch *stretch)
{
    int was_begun = stretch->is_begun;

    if (was_begun)
        pthread_join(stretch->thread, NULL);
    stretch->is_begun = 0;
    return was_begun;
}

/* --- putting together, by the caller's thread -------------------------------------------------
 */

/* How much more the caller's walk has in a purse than the other one had when it began. */
static int64_t ahead_by(const struct fls_salvage_search *search, int purse, uint64_t begin)
{
    const struct fls_salvage_effort *effort = &search->effort[purse];

    return effort->left - search->bounds.effort -
           (int64_t)(effort->reach - begin) * FLS_SALVAGE_EFFORT_PER_BYTE;
}

/* Could the caller's walk have afforded what the other one spent? */
static int has_effort(const struct fls_salvage_search *search, const struct stretch *stretch)
{
    const struct fls_salvage_effort *other = stretch->walk.search.effort;

    for (int i = 0; i < FLS_SALVAGE_PURSES; i++)
        if (search->effort[i].reach > stretch->to ||
            other[i].low + ahead_by(search, i, stretch->begin) < 0)
            return 0;
    return 1;
}

/* Would the walk do from here on what was noted for the stretch? */
static int fits(const struct fls_salvage_walk *walk, const struct stretch *stretch)
{
    const struct fls_salvage_note *first = stretch->notes.list;

    return walk->at == stretch->begin && fls_salvage_goes_on(&stretch->walk) &&
           stretch->notes.count > 0 && first->event.kind <= FLS_SALVAGE_MESSAGE &&
           stretch->report.passed_over == 0 && has_effort(&walk->search, stretch);
}

/* The purses are as they would be if the walk, as it was before, had spent what the other did. */
static void adopt_effort(struct fls_salvage_search *search, const struct stretch *stretch,
                         const struct fls_salvage_search *before)
{
    uint64_t length = search->bounds.stretch_bytes;

    for (int i = 0; i < FLS_SALVAGE_PURSES; i++) {
        const struct fls_salvage_effort *other = &stretch->walk.search.effort[i];
        int is_renewed = other->reach / length != stretch->begin / length;
        search->effort[i].left = other->left;
        if (!is_renewed)
            search->effort[i].left += ahead_by(before, i, stretch->begin);
        search->effort[i].reach = other->reach;
    }
}

static void adopt_passed(struct fls_salvage_passed *passed, const struct fls_salvage_passed *other)
{
    if (other->to > passed->to)
        *passed = *other;
}

/* The walk now knows what the other one knew at its end, and has spent what that spent. */
static void adopt(struct fls_salvage_walk *walk, const struct stretch *stretch,
                  const struct fls_salvage_search *before)
{
    const struct fls_salvage_walk *other = &stretch->walk;
    struct fls_salvage_search *search = &walk->search;

    walk->zeros_to = other->zeros_to;
    walk->in_order_to = other->in_order_to;
    walk->last_from = other->last_from;
    walk->last_to = other->last_to;
    search->known = other->search.known;
    search->refuted = other->search.refuted;
    search->calculated = other->search.calculated;
    for (int i = 0; i < FLS_SALVAGE_STEPS; i++)
        adopt_passed(&search->no_step[i], &other->search.no_step[i]);
    memcpy(search->no_gap, other->search.no_gap, sizeof search->no_gap);
    adopt_effort(search, stretch, before);
    walk->report->comparisons += stretch->report.comparisons;
    walk->report->bytes_compared += stretch->report.bytes_compared;
    walk->report->bytes_searched += stretch->report.bytes_searched;
}

static void do_what_was_noted(struct fls_salvage_walk *walk, struct stretch *stretch)
{
    struct fls_salvage_search before = walk->search;

    const struct fls_salvage_input *other = &stretch->walk.input;

    fls_salvage_input_borrow(
        &walk->input, fls_salvage_holds(&other->near, walk->at, 1) ? &other->near : &other->other);
    for (size_t i = 0; i < stretch->notes.count && fls_salvage_goes_on(walk); i++) {
        struct fls_salvage_note *note = &stretch->notes.list[i];
        note->event.error = note->event.error ? &note->error : NULL;
        fls_salvage_apply(walk, &note->event);
        fls_salvage_tell(&walk->search, walk->at);
    }
    fls_salvage_input_borrow(&walk->input, NULL);
    if (fls_salvage_goes_on(walk))
        adopt(walk, stretch, &before);
}

static void walk_to(struct fls_salvage_walk *walk, uint64_t to)
{
    walk->run_to = to;
    while (walk->at < to && fls_salvage_goes_on(walk))
        fls_salvage_step(walk);
    walk->run_to = 0;
}

/* Goes on through this stretch; returns whether it was of use, or could not be. */
static int settle(const struct crew *crew, struct stretch *stretch)
{
    struct fls_salvage_walk *walk = crew->main;

    if (stretch->begin == stretch->to)
        return 1;
    walk_to(walk, stretch->begin);
    if (!fls_salvage_goes_on(walk) || !fits(walk, stretch))
        return 0;
    do_what_was_noted(walk, stretch);
    if (crew->bounds.adopted)
        ++*crew->bounds.adopted;
    return 1;
}

/* --- the crew ---------------------------------------------------------------------------------
 */

static unsigned count_jobs(const struct fls_salvage_bounds *bounds)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned jobs = bounds->jobs;

    if (jobs == 0 && processors > 1)
        jobs = (unsigned)processors + 1; /* one waits to be settled */
    return jobs < JOBS_MAX ? jobs : JOBS_MAX;
}

/* Verifiers and custom checksums are the caller's functions, for his thread alone. */
static int is_worth_it(const struct fls_salvage_walk *walk)
{
    const struct fls_salvage_bounds *bounds = &walk->search.bounds;

    return !bounds->alone && walk->input.end / bounds->stretch_bytes >= 2 &&
           !walk->search.verifier && walk->search.checksum.kind != FLS_CHECKSUM_CUSTOM &&
           count_jobs(bounds) > 0;
}

static void settle_all(struct crew *crew)
{
    unsigned unfit = 0;

    /* The first was walked through. */
    for (unsigned i = 0; i < crew->jobs; i++)
        begin(crew, 1 + i);
    for (uint64_t number = 1; number < crew->count && unfit < UNFIT_MAX; number++) {
        struct stretch *stretch = &crew->slots[number % crew->jobs];
        if (!fls_salvage_goes_on(crew->main) || !join(stretch))
            break;
        unfit = settle(crew, stretch) ? 0 : unfit + 1;
        begin(crew, number + crew->jobs);
    }
}

static void open_crew(struct crew *crew, struct fls_salvage_walk *walk)
{
    crew->main = walk;
    crew->options = *walk->options;
    crew->options.message = NULL;
    crew->options.frames = NULL;
    crew->options.region = NULL;
    crew->options.progress = check_stop;
    crew->options.context = crew;
    crew->bounds = walk->search.bounds;
    crew->count = (walk->input.end - 1) / crew->bounds.stretch_bytes + 1;
    crew->jobs = count_jobs(&crew->bounds);
}

static void close_crew(struct crew *crew)
{
    atomic_store(&crew->stop, 1);
    for (unsigned i = 0; i < crew->jobs; i++) {
        struct stretch *stretch = &crew->slots[i];
        join(stretch);
        fls_salvage_walk_end(&stretch->walk);
        fls_buffer_free(&stretch->notes.memory);
    }
}

/* Has it cost so much to come here, or for nothing, that it would be wasteful to do it twice? */
static int is_dear(const struct fls_salvage_search *search)
{
    if (search->report->frames == 0)
        return 1;
    for (int i = 0; i < FLS_SALVAGE_PURSES; i++)
        if (search->effort[i].low < search->bounds.effort / 2)
            return 1;
    return 0;
}

void fls_salvage_stretches(struct fls_salvage_walk *walk)
{
    if (!is_worth_it(walk))
        return;
    walk_to(walk, walk->search.bounds.stretch_bytes);
    if (!fls_salvage_goes_on(walk) || is_dear(&walk->search))
        return;
    struct crew *crew = calloc(1, sizeof *crew);
    if (!crew)
        return;
    open_crew(crew, walk);
    settle_all(crew);
    close_crew(crew);
    free(crew);
}
