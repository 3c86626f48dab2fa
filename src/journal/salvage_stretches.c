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
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/os.h"
#include "journal/salvage_walk.h"

#define JOBS_MAX 8

/* Stretches that are kept until the caller's thread comes to them, beside one that each thread
 * walks through. */
#define MORE_SLOTS 2

/* Of what follows a stretch so much is held with it, as a part of it. */
#define MORE_PART 8

/* A stretch ends early where so much was done in it: its notes must not grow without bounds. */
#define NOTES_MAX 8192

/* After so many stretches one after the other that did not fit, the caller's thread goes on alone.
 */
#define UNFIT_MAX 8

/* While it waits, the caller's thread shows progress so often. */
#define TELL_NS 100000000

/*
 *   begin    where its walk began; `to` when nothing was found in it
 *   memory   for its bytes, kept for the next one in this slot
 *   is_done  under the lock: its thread is through with it
 */
struct stretch {
    struct fls_salvage_walk walk;
    struct fls_salvage_report report;
    struct fls_salvage_notes notes;
    struct fls_buffer memory;
    uint64_t begin;
    uint64_t to;
    int is_done;
};

/*
 *   main      the caller's walk
 *   options   for the others: nothing is told to the caller from their threads
 *   count     stretches there are
 *   next      the one to be taken, and settled: those before it the caller's thread is through
 *             with. Under the lock; number n lies in slot n modulo `slot_count`
 *   stop      the threads shall end
 */
struct crew {
    struct fls_salvage_walk *main;
    struct fls_salvage_options options;
    struct fls_salvage_bounds bounds;
    uint64_t count;
    uint64_t next;
    uint64_t settled;
    atomic_int stop;
    unsigned jobs;
    unsigned slot_count;
    struct stretch slots[JOBS_MAX + MORE_SLOTS];
    pthread_t threads[JOBS_MAX];
    pthread_mutex_t lock;
    pthread_cond_t done;
    pthread_cond_t room;
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

/* Where the bytes come from: as in the caller's walk, but that they are held. */
static void open_input(const struct crew *crew, struct stretch *stretch, uint64_t from)
{
    const struct fls_salvage_input *main = &crew->main->input;
    struct fls_salvage_input *input = &stretch->walk.input;
    uint64_t most = crew->bounds.stretch_bytes + crew->bounds.stretch_bytes / MORE_PART;

    memset(input, 0, sizeof *input);
    input->memory = main->memory;
    input->fd = main->fd;
    input->start = main->start;
    input->end = main->end;
    if (input->memory)
        return;
    input->stretch_bytes = (size_t)fls_min_u64(most, input->end - from);
    if (fls_buffer_reserve(&stretch->memory, (size_t)most, 0) != FLS_OK)
        fls_salvage_fail(input, FLS_NO_MEMORY);
    input->stretch.buffer = stretch->memory;
    input->stretch.bytes = stretch->memory.bytes;
    input->stretch.at = from;
}

static void walk_through(struct crew *crew, struct stretch *stretch, uint64_t number)
{
    struct fls_salvage_walk *walk = &stretch->walk;
    uint64_t from = number * crew->bounds.stretch_bytes;

    memset(walk, 0, sizeof *walk);
    open_input(crew, stretch, from);
    stretch->to = fls_min_u64(from + crew->bounds.stretch_bytes, walk->input.end);
    stretch->notes.count = 0;
    fls_salvage_walk_begin(walk, &crew->options, &crew->bounds, &stretch->report);
    walk->input.held_from = from;
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
}

/* The next stretch that there is room for; called with the lock. */
static int may_take(const struct crew *crew)
{
    return crew->next < crew->count && crew->next < crew->settled + crew->slot_count;
}

static void *work(void *context)
{
    struct crew *crew = context;

    pthread_mutex_lock(&crew->lock);
    while (!atomic_load_explicit(&crew->stop, memory_order_relaxed) && crew->next < crew->count) {
        if (!may_take(crew)) {
            pthread_cond_wait(&crew->room, &crew->lock);
            continue;
        }
        uint64_t number = crew->next++;
        struct stretch *stretch = &crew->slots[number % crew->slot_count];
        pthread_mutex_unlock(&crew->lock);
        walk_through(crew, stretch, number);
        pthread_mutex_lock(&crew->lock);
        stretch->is_done = 1;
        pthread_cond_signal(&crew->done);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
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

    fls_salvage_input_borrow(&walk->input, &stretch->walk.input.stretch);
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
    return 1;
}

/* Waits for the stretch's thread; called with the lock. Shows progress, so that whoever sees it can
 * stop. */
static void wait_for(struct crew *crew, const struct stretch *stretch)
{
    struct fls_salvage_search *search = &crew->main->search;
    struct timespec time;

    while (!stretch->is_done && fls_salvage_goes_on(crew->main)) {
        clock_gettime(CLOCK_REALTIME, &time);
        time.tv_nsec += TELL_NS;
        time.tv_sec += time.tv_nsec / 1000000000;
        time.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&crew->done, &crew->lock, &time) == 0 || !search->progress)
            continue;
        pthread_mutex_unlock(&crew->lock);
        fls_salvage_fail(search->input, search->progress(search->context, crew->main->at));
        pthread_mutex_lock(&crew->lock);
    }
}

static void settle_all(struct crew *crew)
{
    unsigned unfit = 0;

    pthread_mutex_lock(&crew->lock);
    while (crew->settled < crew->count && unfit < UNFIT_MAX) {
        struct stretch *stretch = &crew->slots[crew->settled % crew->slot_count];
        wait_for(crew, stretch);
        if (!fls_salvage_goes_on(crew->main))
            break;
        pthread_mutex_unlock(&crew->lock);
        unfit = settle(crew, stretch) ? 0 : unfit + 1;
        fls_salvage_walk_end(&stretch->walk);
        pthread_mutex_lock(&crew->lock);
        stretch->is_done = 0;
        crew->settled++;
        pthread_cond_signal(&crew->room);
    }
    pthread_mutex_unlock(&crew->lock);
}

/* --- the crew ---------------------------------------------------------------------------------
 */

static unsigned count_jobs(const struct fls_salvage_bounds *bounds)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned jobs = bounds->jobs;

    if (jobs == 0 && processors > 1)
        jobs = (unsigned)processors;
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
    crew->next = crew->settled = 1; /* the first was walked through */
    unsigned jobs = count_jobs(&crew->bounds);
    crew->slot_count = jobs + MORE_SLOTS;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->done, NULL);
    pthread_cond_init(&crew->room, NULL);
    while (crew->jobs < jobs && fls_os_start_thread(&crew->threads[crew->jobs], work, crew) == 0)
        crew->jobs++;
}

static void close_crew(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    atomic_store(&crew->stop, 1);
    pthread_cond_broadcast(&crew->room);
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->jobs; i++)
        pthread_join(crew->threads[i], NULL);
    for (unsigned i = 0; i < crew->slot_count; i++) {
        struct stretch *stretch = &crew->slots[i];
        fls_salvage_walk_end(&stretch->walk);
        fls_buffer_free(&stretch->notes.memory);
        fls_buffer_free(&stretch->memory);
    }
    pthread_cond_destroy(&crew->room);
    pthread_cond_destroy(&crew->done);
    pthread_mutex_destroy(&crew->lock);
}

/* Has it cost so much to come here that it would be wasteful to do it twice? */
static int is_dear(const struct fls_salvage_search *search)
{
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
    if (crew->jobs > 0)
        settle_all(crew);
    close_crew(crew);
    free(crew);
}
