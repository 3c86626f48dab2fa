/*
 * commit.c: group commit.
 *
 * Who needs a message on the device and finds nobody syncing becomes the leader: it hands
 * everything staged to the system, notes the last number, lets go of the lock, syncs, and publishes
 * the number; those whose messages were among them return with it. Meanwhile others append, and
 * the first of them leads next. Left alone, the threads would fall into two halves that wait for
 * each other; so a leader first gives those whom the last sync has let go a moment to come back
 * with their next message. The order of syncs, retired segments, the current one, then the
 * folder, is that of the messages; only when all are through does the number move.
 *
 * After a failed sync nobody can tell which pages are on the device: the journal is poisoned.
 */
#include <sched.h>

#include "base/bytes.h"
#include "base/error.h"
#include "journal/disk.h"
#include "journal/index_internal.h"
#include "journal/journal.h"

/* How long a leader waits for company: this part of the last sync's time, and no more than that. */
#define GATHER_PART 2
#define GATHER_NS_MAX UINT64_C(1000000)

/* What one turn syncs. */
struct turn {
    struct journal_segment *segments[FLS_JOURNAL_UNFINISHED_MAX + 1];
    size_t count;
    size_t retired; /* so many of them */
    int folder;
    uint64_t reaches;        /* the last message among them */
    uint64_t current_frames; /* of the current segment, which is the last of them */
    uint64_t current_bytes;
};

/* ---- one turn ------------------------------------------------------------------------------- */

static enum fls_status sync_segment(const struct journal_segment *segment, struct fls_error *error)
{
    enum fls_status status = fls_disk_sync(segment->fd, error);

    return status == FLS_IO ? fls_journal_fail_in(segment, error) : status;
}

static enum fls_status sync_all(const struct fls_journal *journal, const struct turn *turn,
                                struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    for (size_t i = 0; i < turn->count && status == FLS_OK; i++)
        status = sync_segment(turn->segments[i], error);
    if (status == FLS_OK && turn->folder)
        status = fls_disk_sync_folder(journal->folder, error);
    if (status == FLS_OK && turn->count > turn->retired)
        status = fls_journal_check_written(journal, turn->segments[turn->retired],
                                           turn->current_bytes, error);
    return status;
}

/* Tells the indexes what their streams' syncs carry; under the lock. */
static void tell_indexes(const struct turn *turn, void (*what)(struct fls_index_writer *))
{
    for (size_t i = 0; i < turn->count; i++)
        if (turn->segments[i]->index)
            what(turn->segments[i]->index);
}

static void publish(struct fls_journal *journal, const struct turn *turn)
{
    tell_indexes(turn, fls_index_writer_synced);
    for (size_t i = 0; i < turn->retired; i++)
        turn->segments[i]->synced = 1;
    if (turn->count > turn->retired) {
        turn->segments[turn->retired]->synced_frames = turn->current_frames;
        turn->segments[turn->retired]->synced_bytes = turn->current_bytes;
    }
    if (turn->reaches > journal->at_machine)
        journal->at_machine = turn->reaches;
    if (journal->at_machine == journal->taken)
        journal->machine_due_ns = 0;
}

static void doubt_index(struct fls_journal *journal, struct journal_segment *segment)
{
    struct fls_error error;

    if (segment->index)
        fls_journal_note_index(journal, fls_index_writer_doubt(segment->index, &error), &error);
}

/* The next opening, even in this boot, is to trust no more than what was synced. */
static void poison(struct fls_journal *journal, const struct turn *turn,
                   const struct fls_error *error)
{
    if (journal->poisoned)
        return;
    journal->poisoned = 1;
    journal->error = *error;
    fls_lock_doubt(&journal->file_lock);
    for (size_t i = 0; i < turn->count; i++)
        doubt_index(journal, turn->segments[i]);
    for (struct journal_segment *s = journal->retired; s; s = s->next)
        doubt_index(journal, s);
    doubt_index(journal, journal->current);
}

static void end_turn(struct fls_journal *journal)
{
    journal->syncing = 0;
    journal->expected = journal->released + journal->arrived;
    pthread_cond_broadcast(&journal->progress);
}

/* With the turn taken: syncs without the lock, and gives the turn back. */
static enum fls_status take_turn(struct fls_journal *journal, const struct turn *turn)
{
    struct fls_error error = FLS_ZERO;

    journal->folder_dirty &= !turn->folder;
    tell_indexes(turn, fls_index_writer_syncing);
    pthread_mutex_unlock(&journal->lock);
    uint64_t since_ns = fls_clock_now_ns(NULL);
    enum fls_status status = sync_all(journal, turn, &error);
    uint64_t sync_ns = fls_clock_now_ns(NULL) - since_ns;
    pthread_mutex_lock(&journal->lock);
    journal->last_sync_ns = sync_ns;
    journal->counts.syncs += turn->count;
    if (status == FLS_OK)
        publish(journal, turn);
    else if (status == FLS_UNSUPPORTED)
        journal->folder_dirty |= turn->folder;
    else
        poison(journal, turn, &error);
    if (status == FLS_UNSUPPORTED && !journal->poisoned)
        journal->error = error;
    end_turn(journal);
    return status;
}

/* ---- leading and following ------------------------------------------------------------------ */

/* Waits until as many threads want a sync as the last one let go and left waiting, for a part of
 * the time that it took. */
static void gather(struct fls_journal *journal)
{
    uint64_t most_ns = fls_min_u64(journal->last_sync_ns / GATHER_PART, GATHER_NS_MAX);
    uint64_t until_ns = fls_clock_now_ns(NULL) + most_ns;

    while (journal->arrived < journal->expected && fls_clock_now_ns(NULL) < until_ns) {
        pthread_mutex_unlock(&journal->lock);
        sched_yield();
        pthread_mutex_lock(&journal->lock);
    }
}

static enum fls_status lead(struct fls_journal *journal, uint64_t number)
{
    struct turn turn = {.count = 0};

    journal->syncing = 1;
    gather(journal);
    enum fls_status status = fls_journal_hand_over(journal);
    if (status != FLS_OK && journal->at_process < number) {
        end_turn(journal);
        return status;
    }
    journal->released = journal->arrived;
    journal->arrived = 0;
    turn.folder = journal->folder_dirty;
    for (struct journal_segment *s = journal->retired; s; s = s->next)
        if (!s->synced)
            turn.segments[turn.count++] = s;
    turn.retired = turn.count;
    turn.segments[turn.count++] = journal->current;
    turn.reaches = journal->at_process;
    turn.current_frames = journal->current->frames;
    turn.current_bytes = journal->current->bytes;
    journal->sync_goal = journal->at_process;
    journal->sync_goal_bytes = journal->taken_bytes - journal->staged;
    if (journal->staged == 0)
        journal->machine_due_ns = 0;
    return take_turn(journal, &turn);
}

enum fls_status fls_journal_carry_to_machine(struct fls_journal *journal, uint64_t number)
{
    enum fls_status status = FLS_OK;

    journal->counts.commits++;
    journal->arrived += number > journal->sync_goal;
    while (status == FLS_OK && journal->at_machine < number) {
        if (journal->poisoned)
            status = journal->error.status;
        else if (journal->syncing)
            pthread_cond_wait(&journal->progress, &journal->lock);
        else
            status = lead(journal, number);
    }
    return status;
}

struct journal_segment *fls_journal_sync_retired(struct fls_journal *journal)
{
    while (journal->syncing)
        pthread_cond_wait(&journal->progress, &journal->lock);
    struct journal_segment *segment = journal->retired;
    struct turn turn = {.segments = {segment},
                        .count = !segment->synced && !journal->poisoned,
                        .folder = journal->folder_dirty && !journal->poisoned,
                        .reaches = journal->poisoned ? 0 : segment->last_message};

    turn.retired = turn.count;
    journal->retired = segment->next;
    if (!journal->retired)
        journal->retired_end = &journal->retired;
    journal->retired_count--;
    journal->syncing = 1;
    (void)take_turn(journal, &turn);
    return segment;
}
