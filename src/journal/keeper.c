/*
 * keeper.c: the journal's own thread. It does what no producer should wait for: finishing retired
 * segments, and what is due by time. It sleeps until the earliest of those times, or until it is
 * told of new work.
 */
#include <errno.h>
#include <time.h>

#include "base/error.h"
#include "base/os.h"
#include "journal/journal.h"

#define NS_PER_S UINT64_C(1000000000)

/* ---- finishing a segment -------------------------------------------------------------------- */

static void tell(struct fls_journal *journal, const struct journal_segment *segment)
{
    if (journal->options.segment_finished)
        journal->options.segment_finished(journal->options.segment_context, segment->path,
                                          segment->frames, segment->bytes);
}

/* Under the lock, which is let go of for everything that takes time. */
static void finish_oldest(struct fls_journal *journal)
{
    journal->finishing = 1;
    struct journal_segment *segment = fls_journal_sync_retired(journal);
    struct fls_error error = FLS_ZERO;
    uint64_t deleted = 0;
    int is_safe = !journal->poisoned;

    pthread_mutex_unlock(&journal->lock);
    enum fls_status status = fls_journal_segment_close(journal, segment, &error);
    struct fls_error index_error = segment->index_error;
    tell(journal, segment);
    if (is_safe && status == FLS_OK)
        status = fls_journal_delete_old(journal, segment->number, &deleted, &error);
    fls_journal_segment_free(segment);
    pthread_mutex_lock(&journal->lock);
    fls_journal_note_index(journal, index_error.status, &index_error);
    journal->counts.segments_deleted += deleted;
    if (status != FLS_OK && !journal->poisoned)
        journal->error = error;
    journal->finishing = 0;
    pthread_cond_broadcast(&journal->progress);
}

/* ---- what is due ---------------------------------------------------------------------------- */

static int is_due(uint64_t due_ns, uint64_t now_ns)
{
    return due_ns > 0 && due_ns <= now_ns;
}

/* What failed is tried again one interval later. */
static uint64_t next_try(enum fls_status status, uint32_t interval_ms)
{
    return status == FLS_OK ? 0 : fls_clock_now_ns(NULL) + interval_ms * JOURNAL_NS_PER_MS;
}

static int do_what_is_due(struct fls_journal *journal)
{
    const struct fls_journal_options *options = &journal->options;
    uint64_t now_ns = fls_clock_now_ns(NULL);

    if (journal->poisoned)
        return 0;
    if (is_due(journal->rotation_due_ns, now_ns) &&
        journal->retired_count < FLS_JOURNAL_UNFINISHED_MAX) {
        enum fls_status status = fls_journal_begin_segment(journal);
        journal->rotation_due_ns = next_try(status, options->rotation.interval_ms);
    } else if (is_due(journal->process_due_ns, now_ns)) {
        enum fls_status status = fls_journal_hand_over(journal);
        journal->process_due_ns = next_try(status, options->to_process.interval_ms);
    } else if (is_due(journal->machine_due_ns, now_ns)) {
        journal->machine_due_ns = 0;
        enum fls_status status = fls_journal_carry_to_machine(journal, journal->taken);
        if (status != FLS_OK)
            journal->machine_due_ns = next_try(status, options->to_machine.interval_ms);
    } else {
        return 0;
    }
    return 1;
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
    if (a_ns == 0 || b_ns == 0)
        return a_ns + b_ns;
    return a_ns < b_ns ? a_ns : b_ns;
}

static void sleep_until_due(struct fls_journal *journal)
{
    uint64_t due_ns = earlier(journal->rotation_due_ns,
                              earlier(journal->process_due_ns, journal->machine_due_ns));
    struct timespec time = {(time_t)(due_ns / NS_PER_S), (long)(due_ns % NS_PER_S)};

    if (due_ns > 0 && !journal->poisoned)
        (void)pthread_cond_timedwait(&journal->work, &journal->lock, &time);
    else
        pthread_cond_wait(&journal->work, &journal->lock);
}

static void *keep(void *context)
{
    struct fls_journal *journal = context;

    pthread_mutex_lock(&journal->lock);
    while (!journal->closing || journal->retired) {
        if (do_what_is_due(journal))
            continue;
        if (journal->retired)
            finish_oldest(journal);
        else if (!journal->closing)
            sleep_until_due(journal);
    }
    pthread_mutex_unlock(&journal->lock);
    return NULL;
}

/* ---- the thread ----------------------------------------------------------------------------- */

enum fls_status fls_journal_keeper_start(struct fls_journal *journal, struct fls_error *error)
{
    int failed = fls_os_start_thread(&journal->keeper, keep, journal);

    return failed ? fls_error_system(error, "pthread_create", failed) : FLS_OK;
}

void fls_journal_keeper_stop(struct fls_journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    journal->closing = 1;
    pthread_cond_signal(&journal->work);
    pthread_mutex_unlock(&journal->lock);
    pthread_join(journal->keeper, NULL);
}
