/*
 * journal.c: the journal's public face: opening and closing, and what a write does by the policy.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arguments.h"
#include "base/beside.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "frame/frame_fast.h"
#include "journal/disk.h"
#include "journal/journal.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

/* ---- opening -------------------------------------------------------------------------------- */

static enum fls_status check_options(const char *path, const struct fls_journal_options *options,
                                     struct fls_error *error)
{
    if (!path || !path[0])
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "a journal needs a path");
    if ((unsigned)options->checksum > FLS_CHECKSUM_XXH3)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "unusable checksum of kind %d",
                             (int)options->checksum);
    if ((unsigned)options->repair > FLS_JOURNAL_SET_ASIDE)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "unknown way of repair %d",
                             (int)options->repair);
    return FLS_OK;
}

/* The keeper sleeps by the clock that the due times are of. */
static enum fls_status open_locks(struct fls_journal *journal, struct fls_error *error)
{
    pthread_condattr_t monotonic;
    int failed = pthread_condattr_init(&monotonic);

    if (failed)
        return fls_error_system(error, "pthread_condattr_init", failed);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    failed = pthread_mutex_init(&journal->lock, NULL);
    if (!failed && (failed = pthread_cond_init(&journal->progress, NULL)) != 0)
        pthread_mutex_destroy(&journal->lock);
    if (!failed && (failed = pthread_cond_init(&journal->work, &monotonic)) != 0) {
        pthread_cond_destroy(&journal->progress);
        pthread_mutex_destroy(&journal->lock);
    }
    pthread_condattr_destroy(&monotonic);
    return failed ? fls_error_system(error, "pthread_cond_init", failed) : FLS_OK;
}

/* Frees everything but the locks, the folder and the files. */
static void free_memory(struct fls_journal *journal)
{
    fls_journal_stage_free(journal);
    free(journal->path);
    free(journal);
}

static struct fls_journal *allocate(const char *path, const struct fls_journal_options *options)
{
    struct fls_journal *journal = calloc(1, sizeof *journal);

    if (!journal)
        return NULL;
    journal->options = *options;
    journal->folder = -1;
    journal->retired_end = &journal->retired;
    journal->path = strdup(path);
    if (!journal->path) {
        free(journal);
        return NULL;
    }
    return journal;
}

/* The next opening goes by what the lock's file says of this one, so the file must be found again
 * after a loss of power. */
static enum fls_status open_files(struct fls_journal *journal, struct fls_journal_opening *opening,
                                  struct fls_error *error)
{
    enum fls_status status = fls_disk_open_folder(journal->path, &journal->folder, error);

    if (status == FLS_OK)
        status = fls_lock_take(&journal->file_lock, journal->path, error);
    if (status == FLS_OK)
        status = fls_disk_sync_folder(journal->folder, error);
    if (status == FLS_OK)
        status = fls_journal_find_end(journal, opening, error);
    if (status == FLS_OK)
        fls_lock_settle(&journal->file_lock);
    return status;
}

static enum fls_status close_files(struct fls_journal *journal,
                                   void (*leave_lock)(struct fls_lock *), struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    if (journal->current) {
        status = fls_journal_segment_close(journal, journal->current, error);
        fls_journal_note_index(journal, journal->current->index_error.status,
                               &journal->current->index_error);
        fls_journal_segment_free(journal->current);
    }
    leave_lock(&journal->file_lock);
    if (journal->folder >= 0)
        (void)fls_os_close(journal->folder, NULL);
    return status;
}

/* An opening that failed leaves no segment behind that it has made, nor that one's index. */
static void remove_made(struct fls_journal *journal)
{
    struct journal_segment *made = journal->is_made ? journal->current : NULL;

    if (!made || !fls_beside_is_at(made->fd, made->path))
        return;
    if (made->index)
        (void)fls_index_writer_close(made->index, NULL);
    made->index = NULL;
    (void)unlink(made->path);
    if (fls_beside_drop_index(made->path, NULL) != FLS_OK)
        return; /* it is followed by nobody: its stream is gone */
}

static void close_locks(struct fls_journal *journal)
{
    pthread_cond_destroy(&journal->work);
    pthread_cond_destroy(&journal->progress);
    pthread_mutex_destroy(&journal->lock);
}

/* Everything that can fail, in an order that can be taken back; the files, in which a repair may
 * cut, come last. */
static enum fls_status bring_up(struct fls_journal *journal, struct fls_journal_opening *opening,
                                struct fls_error *error)
{
    enum fls_status status = fls_journal_stage_open(journal, error);

    if (status == FLS_OK)
        status = open_locks(journal, error);
    if (status != FLS_OK)
        return status;
    status = fls_journal_keeper_start(journal, error);
    if (status != FLS_OK) {
        close_locks(journal);
        return status;
    }
    status = open_files(journal, opening, error);
    if (status != FLS_OK) {
        fls_journal_keeper_stop(journal);
        remove_made(journal);
        (void)close_files(journal, fls_lock_give_up, NULL); /* nothing was written */
        close_locks(journal);
    }
    return status;
}

enum fls_status fls_journal_open_versioned(const char *path,
                                           const struct fls_journal_options *options,
                                           size_t options_bytes, struct fls_journal **journal,
                                           struct fls_journal_opening *opening,
                                           struct fls_error *error)
{
    struct fls_journal_options all = FLS_ZERO;
    struct fls_journal_opening found = FLS_ZERO;

    enum fls_status status = fls_take_options(&all, sizeof all, options, options_bytes, error);

    if (status == FLS_OK)
        status = check_options(path, &all, error);
    if (status != FLS_OK)
        return status;
    struct fls_journal *opened = allocate(path, &all);
    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    status = bring_up(opened, &found, error);
    if (status != FLS_OK) {
        free_memory(opened);
        return status;
    }
    if (opening)
        *opening = found;
    *journal = opened;
    return FLS_OK;
}

/* ---- writing -------------------------------------------------------------------------------- */

static int is_reached(const struct fls_journal_policy *policy, uint64_t messages, uint64_t bytes)
{
    return (policy->messages > 0 && messages >= policy->messages) ||
           (policy->bytes > 0 && bytes >= policy->bytes);
}

static void arm(struct fls_journal *journal, uint64_t *due_ns, uint32_t interval_ms)
{
    if (interval_ms == 0 || *due_ns != 0)
        return;
    *due_ns = fls_clock_now_ns(NULL) + interval_ms * JOURNAL_NS_PER_MS;
    pthread_cond_signal(&journal->work);
}

/* Sets the times at which the keeper is to do what no call has done. */
static void arm_all(struct fls_journal *journal)
{
    const struct fls_journal_options *options = &journal->options;

    if (journal->staged > 0)
        arm(journal, &journal->process_due_ns, options->to_process.interval_ms);
    if (journal->at_machine < journal->taken)
        arm(journal, &journal->machine_due_ns, options->to_machine.interval_ms);
    if (journal->is_series)
        arm(journal, &journal->rotation_due_ns, options->rotation.interval_ms);
}

/* To the system, if it is time. A message that cannot go there was not taken. */
static enum fls_status carry_to_process(struct fls_journal *journal, size_t frame_bytes)
{
    uint64_t before = journal->taken - 1;

    if (!is_reached(&journal->options.to_process, journal->taken - journal->at_process,
                    journal->staged))
        return FLS_OK;
    enum fls_status status = fls_journal_hand_over(journal);
    if (status != FLS_OK && journal->at_process <= before)
        fls_journal_unstage(journal, frame_bytes);
    return status;
}

static enum fls_status refuse_empty(struct fls_journal *journal, size_t bytes)
{
    if (bytes > 0 || journal->options.checksum == FLS_CHECKSUM_XXH3)
        return FLS_OK;
    return fls_error_set(&journal->error, FLS_INVALID_ARGUMENT,
                         "an empty message under this checksum is all zeros");
}

/* The error is the writer's, but it does not know the segments; or it is of the file, and then in
 * its place already. */
static enum fls_status note_refusal(struct fls_journal *journal, enum fls_status status)
{
    const struct journal_segment *segment = journal->current;

    if (journal->door.failed != FLS_OK)
        status = journal->door.failed;
    else if (status == FLS_NO_MEMORY)
        fls_error_set(&journal->error, status, "out of memory for one message");
    else
        journal->error = *fls_writer_error(journal->writer);
    fls_error_locate(&journal->error, segment->frames + journal->staged_frames,
                     segment->bytes + journal->staged);
    fls_error_in_file(&journal->error, segment->path);
    journal->door.failed = FLS_OK;
    return status;
}

/* When the device is too far behind, waits for it. */
static enum fls_status wait_for_keeper(struct fls_journal *journal)
{
    while (!journal->poisoned && journal->retired_count >= FLS_JOURNAL_UNFINISHED_MAX)
        pthread_cond_wait(&journal->progress, &journal->lock);
    return journal->poisoned ? journal->error.status : FLS_OK;
}

/* The sink wants a frame in one gathered write. */
static enum fls_status write_flattened(struct fls_journal *journal,
                                       const struct fls_payload *payload)
{
    if (payload->length > fls_payload_limit(journal->options.payload_bytes_max))
        return fls_writer_write_payload(journal->writer, payload); /* which refuses it */
    void *flat = malloc(payload->length > 0 ? payload->length : 1);
    enum fls_status status =
        flat ? fls_payload_flatten(payload, flat, payload->length) : FLS_NO_MEMORY;
    if (status == FLS_OK)
        status = fls_writer_write(journal->writer, flat, payload->length);
    free(flat);
    return status;
}

static enum fls_status write_by_writer(struct fls_journal *journal,
                                       const struct fls_payload *payload)
{
    if (FLS_UNLIKELY(!fls_payload_is_sound(payload)))
        return fls_writer_write_payload(journal->writer, payload); /* which refuses it */
    if (payload->count == 1)
        return fls_writer_write(journal->writer, payload->segments[0].iov_base, payload->length);
    if (payload->count >= IOV_MAX)
        return write_flattened(journal, payload);
    return fls_writer_write_payload(journal->writer, payload);
}

/* Takes the message, and hands it to the system if it is time. */
static enum fls_status take_now(struct fls_journal *journal, const struct fls_payload *payload)
{
    enum fls_status status = write_by_writer(journal, payload);

    if (status != FLS_OK)
        return note_refusal(journal, status);
    return carry_to_process(journal, journal->header_bytes + payload->length);
}

/*
 * Finishing a segment gives space back: what it had reserved, and the old ones that the limits say.
 * So when the disk is full and some are not finished yet, waits until old ones are deleted, or all
 * is finished. Non-zero: it did, so trying again may go well. Not with the turn taken, since the
 * keeper needs it.
 */
static int wait_for_space(struct fls_journal *journal, enum fls_status status)
{
    uint64_t deleted = journal->counts.segments_deleted;
    int waited = 0;

    if (status != FLS_IO || journal->error.os_errno != ENOSPC)
        return 0;
    while (!journal->poisoned && (journal->retired || journal->finishing) &&
           journal->counts.segments_deleted == deleted) {
        pthread_cond_wait(&journal->progress, &journal->lock);
        waited = 1;
    }
    return waited && !journal->poisoned;
}

static enum fls_status hand_over(struct fls_journal *journal)
{
    enum fls_status status;

    do {
        status = fls_journal_hand_over(journal);
    } while (wait_for_space(journal, status));
    return status;
}

static enum fls_status carry_to_machine(struct fls_journal *journal, uint64_t number)
{
    enum fls_status status;

    do {
        status = fls_journal_carry_to_machine(journal, number);
    } while (wait_for_space(journal, status));
    return status;
}

/* Takes the message, also where that has to wait for the keeper. */
static enum fls_status take(struct fls_journal *journal, const struct fls_payload *payload)
{
    enum fls_status status = wait_for_keeper(journal);

    if (status == FLS_OK)
        status = refuse_empty(journal, payload->length);
    if (status != FLS_OK)
        return status;
    while (status == FLS_OK) {
        uint64_t taken = journal->taken;
        status = take_now(journal, payload);
        if (journal->taken > taken || !wait_for_space(journal, status))
            break;
        status = wait_for_keeper(journal); /* others may have rotated meanwhile */
    }
    return status;
}

enum fls_status fls_journal_write_payload(struct fls_journal *journal,
                                          const struct fls_payload *payload, uint64_t *number)
{
    uint64_t mine = 0;

    pthread_mutex_lock(&journal->lock);
    enum fls_status status = take(journal, payload);
    if (status == FLS_OK) {
        mine = journal->taken;
        arm_all(journal);
        if (is_reached(&journal->options.to_machine, mine - journal->sync_goal,
                       journal->taken_bytes - journal->sync_goal_bytes))
            status = carry_to_machine(journal, mine);
    }
    pthread_mutex_unlock(&journal->lock);
    if (number)
        *number = mine;
    return status;
}

enum fls_status fls_journal_write(struct fls_journal *journal, const void *data, size_t bytes,
                                  uint64_t *number)
{
    struct iovec segment = {(void *)(uintptr_t)data, bytes};
    struct fls_payload payload = {&segment, 1, bytes};

    return fls_journal_write_payload(journal, &payload, number);
}

/* ---- committing and rotating ---------------------------------------------------------------- */

static enum fls_status commit_to_process(struct fls_journal *journal, uint64_t number)
{
    if (journal->poisoned)
        return journal->error.status;
    if (journal->at_process >= number)
        return FLS_OK;
    enum fls_status status = hand_over(journal);
    return journal->at_process >= number ? FLS_OK : status;
}

enum fls_status fls_journal_commit(struct fls_journal *journal, uint64_t number,
                                   enum fls_level level)
{
    enum fls_status status = FLS_OK;

    pthread_mutex_lock(&journal->lock);
    if (number == 0)
        number = journal->taken;
    if (number > journal->taken || fls_check_level(level, NULL) != FLS_OK)
        status = FLS_INVALID_ARGUMENT;
    else if (level == FLS_LEVEL_MACHINE)
        status = carry_to_machine(journal, number);
    else if (level == FLS_LEVEL_PROCESS)
        status = commit_to_process(journal, number);
    else if (journal->poisoned)
        status = journal->error.status;
    pthread_mutex_unlock(&journal->lock);
    return status;
}

enum fls_status fls_journal_rotate(struct fls_journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    enum fls_status status = journal->is_series ? wait_for_keeper(journal) : FLS_UNSUPPORTED;
    if (status == FLS_OK && journal->current->frames + journal->staged_frames > 0)
        status = fls_journal_begin_segment(journal);
    pthread_mutex_unlock(&journal->lock);
    return status;
}

/* ---- looking at it -------------------------------------------------------------------------- */

void fls_journal_error(struct fls_journal *journal, struct fls_error *error)
{
    pthread_mutex_lock(&journal->lock);
    *error = journal->error;
    pthread_mutex_unlock(&journal->lock);
}

struct fls_journal_counts fls_journal_statistics(struct fls_journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    struct fls_journal_counts counts = journal->counts;
    counts.messages = journal->taken;
    counts.bytes = journal->taken_bytes;
    counts.at_process = journal->at_process;
    counts.at_machine = journal->at_machine;
    pthread_mutex_unlock(&journal->lock);
    return counts;
}

/* ---- closing -------------------------------------------------------------------------------- */

/* As far as the policy wants it. */
static enum fls_status carry_the_rest(struct fls_journal *journal)
{
    enum fls_status status = journal->poisoned ? journal->error.status : hand_over(journal);

    if (status == FLS_OK && fls_journal_policy_is_set(&journal->options.to_machine))
        status = carry_to_machine(journal, journal->taken);
    return status == FLS_UNSUPPORTED ? FLS_OK : status;
}

/* What the last segment has grown to counts too; but nothing goes before the next is safe. */
static enum fls_status delete_old(struct fls_journal *journal)
{
    uint64_t last = journal->current->number;

    if (journal->poisoned || last <= 2)
        return FLS_OK;
    return fls_journal_delete_old(journal, last - 2, &journal->counts.segments_deleted,
                                  &journal->error);
}

/* All else is well: an index that was given up is what is told. */
static enum fls_status tell_of_index(const struct fls_journal *journal, struct fls_error *error)
{
    const struct fls_error *why = &journal->index_error;

    if (why->status == FLS_OK || !error)
        return why->status;
    *error = *why;
    snprintf(error->subject, sizeof error->subject, "index%s%.40s", why->subject[0] ? ": " : "",
             why->subject);
    return why->status;
}

/* What is where nobody will find it was not kept. */
static enum fls_status check_current(struct fls_journal *journal)
{
    return fls_journal_check_written(journal, journal->current, journal->current->bytes,
                                     &journal->error);
}

/* Where a sync has failed, finished segments too may be lost with the power: that the journal did
 * not end well is left for the next opening to see. */
enum fls_status fls_journal_close(struct fls_journal *journal, struct fls_error *error)
{
    if (!journal)
        return FLS_OK;
    pthread_mutex_lock(&journal->lock);
    enum fls_status status = carry_the_rest(journal);
    pthread_mutex_unlock(&journal->lock);
    fls_journal_keeper_stop(journal);
    if (status == FLS_OK)
        status = journal->poisoned ? journal->error.status : check_current(journal);
    if (status == FLS_OK)
        status = delete_old(journal);
    if (status != FLS_OK)
        fls_error_copy(error, &journal->error);
    enum fls_status closed =
        close_files(journal, journal->poisoned ? fls_lock_let_go : fls_lock_give_back,
                    status == FLS_OK ? error : NULL);
    if (status == FLS_OK)
        status = closed == FLS_OK ? tell_of_index(journal, error) : closed;
    close_locks(journal);
    free_memory(journal);
    return status;
}
