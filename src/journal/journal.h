/*
 * journal.h: the journal's parts, and what they share.
 *
 * A message goes through an ordinary writer (limit, taps, header) into the staging memory, from
 * there in one write to the current segment's file, and by fdatasync to the device. The numbers
 * say how far: at_machine <= at_process <= taken.
 *
 * One lock guards everything. Who holds the turn (`syncing`) may let go of it to sync: segments are
 * finished, and their files closed, only by one who holds the turn, so those being synced stay.
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include <pthread.h>

#include <flatstream/journal.h>

#include "journal/lock.h"

/* A segment that is open for writing, or retired and not finished yet. */
struct journal_segment {
    struct journal_segment *next; /* retired after it */
    char *path;
    uint64_t number; /* 0: the plain file */
    int fd;
    struct fls_sink *sink;          /* on fd, and owns it */
    struct fls_index_writer *index; /* NULL: none */
    uint64_t frames;                /* whole, in the file */
    uint64_t bytes;                 /* of those frames */
    uint64_t synced_frames;         /* of them, known to be on the device */
    uint64_t synced_bytes;
    uint64_t last_message;        /* once retired */
    int torn;                     /* a failed write has left bytes behind them, still to be cut */
    int synced;                   /* once retired */
    struct fls_error index_error; /* why its index was given up, once closed */
};

/* The sink of the journal's writer. */
struct journal_door {
    struct fls_sink base;
    struct fls_journal *journal;
    enum fls_status failed; /* what the writer was told as FLS_IO, until somebody has asked */
};

struct fls_journal {
    pthread_mutex_t lock;
    pthread_cond_t progress; /* a sync has ended, a segment is finished */
    pthread_cond_t work;     /* something for the keeper, or a time to wake up at */
    pthread_t keeper;
    struct fls_journal_options options;
    char *path;
    struct fls_lock file_lock;
    int folder;
    int is_series;

    struct journal_door door;
    struct fls_writer *writer;
    size_t header_bytes;
    uint8_t *staging; /* whole frames, not in the file yet */
    size_t staging_bytes;
    size_t staged;
    size_t staged_frames;
    size_t copy_bytes_max; /* a larger frame is written at once */
    struct iovec *through; /* room for its segments */

    struct journal_segment *current;
    int is_made;                     /* the first, by this opening */
    struct journal_segment *retired; /* the oldest first */
    struct journal_segment **retired_end;
    unsigned retired_count;
    int finishing; /* the keeper has taken the oldest out of the list, and is at it */

    uint64_t taken;
    uint64_t taken_bytes;
    uint64_t at_process;
    uint64_t at_machine;
    uint64_t sync_goal; /* taken when the last sync began */
    uint64_t sync_goal_bytes;
    int syncing;
    unsigned arrived;  /* threads that want a sync, and are in none yet */
    unsigned released; /* those of the last one */
    unsigned expected; /* both, when it ended */
    uint64_t last_sync_ns;
    int folder_dirty;
    int closing;
    int poisoned; /* `error` is the one that did it */

    uint64_t process_due_ns; /* 0: nothing waits */
    uint64_t machine_due_ns;
    uint64_t rotation_due_ns;
    struct fls_error error;
    struct fls_error index_error; /* of the first index that was given up */
    struct fls_journal_counts counts;
};

#define JOURNAL_NS_PER_MS UINT64_C(1000000)

static inline int fls_journal_policy_is_set(const struct fls_journal_policy *policy)
{
    return policy->messages > 0 || policy->bytes > 0 || policy->interval_ms > 0;
}

/* ---- stage.c: what is not in the file yet. Under the lock; failures are left in journal->error.
 */

/* The writer, its sink and the staging memory. FLS_OK, or what went wrong. */
FLS_MUST_USE enum fls_status fls_journal_stage_open(struct fls_journal *journal,
                                                    struct fls_error *error);
void fls_journal_stage_free(struct fls_journal *journal);

/* Hands all staged frames to the system. On failure the file ends on a whole frame (or is cut to
 * one before the next write), and what is not in it stays staged. FLS_OK, FLS_IO. */
FLS_MUST_USE enum fls_status fls_journal_hand_over(struct fls_journal *journal);

/* Takes the last message back, which is staged and has `frame_bytes` bytes. */
void fls_journal_unstage(struct fls_journal *journal, size_t frame_bytes);

/* ---- segment.c: files of the series ------------------------------------------------------- */

/* Creates the file of segment `number` (0: the plain one), with its index. */
FLS_MUST_USE enum fls_status fls_journal_segment_create(struct fls_journal *journal,
                                                        uint64_t number,
                                                        struct journal_segment **segment,
                                                        struct fls_error *error);

/* Opens and locks the last segment, which must have `bytes` bytes still. Nothing is changed. */
FLS_MUST_USE enum fls_status fls_journal_segment_open(struct fls_journal *journal, const char *path,
                                                      uint64_t number, uint64_t bytes,
                                                      struct journal_segment **segment,
                                                      struct fls_error *error);

/* The current segment, opened so, ends on a frame boundary behind `frames` frames and `bytes`
 * bytes, and is appended to there. The index is resumed if `trust_index`, else built anew. */
void fls_journal_segment_continue(struct fls_journal *journal, uint64_t frames, uint64_t bytes,
                                  int trust_index);

/* What came of an index: one that was given up does not concern the stream, and closing the journal
 * tells of the first. Under the lock. */
void fls_journal_note_index(struct fls_journal *journal, enum fls_status status,
                            const struct fls_error *error);

/* Closes index and file, and gives unused space back; segment->index_error says why the index had
 * to be given up. Without the lock. FLS_OK, FLS_IO: the file's last bytes may be lost. */
enum fls_status fls_journal_segment_close(struct fls_journal *journal,
                                          struct journal_segment *segment, struct fls_error *error);

/* Frees it; closed it must be. NULL is allowed. */
void fls_journal_segment_free(struct journal_segment *segment);

/* Deletes the oldest segments, at most up to `newest`, by the limits. *deleted counts them. FLS_OK,
 * or the first failure. Without the lock. */
FLS_MUST_USE enum fls_status fls_journal_delete_old(struct fls_journal *journal, uint64_t newest,
                                                    uint64_t *deleted, struct fls_error *error);

/* `error` is about the segment: names it, and how far it was known to be safe. Its status. */
enum fls_status fls_journal_fail_in(const struct journal_segment *segment, struct fls_error *error);

/* Is the segment's file still at its name, with the `bytes` bytes that were written? FLS_OK;
 * FLS_IO, as fls_os_check_written. */
FLS_MUST_USE enum fls_status fls_journal_check_written(const struct fls_journal *journal,
                                                       const struct journal_segment *segment,
                                                       uint64_t bytes, struct fls_error *error);

/* Under the lock: hands over, begins the next segment and retires the present one. FLS_OK; or a
 * failure, left in journal->error, with the present one as it was. */
FLS_MUST_USE enum fls_status fls_journal_begin_segment(struct fls_journal *journal);

/* ---- opening.c: where the stream ends ----------------------------------------------------- */

/* A reader on the file `path` that begins at `offset`, for payloads as they lie. FLS_OK, FLS_IO,
 * FLS_NO_MEMORY. */
FLS_MUST_USE enum fls_status fls_journal_open_reader_at(const char *path,
                                                        const struct fls_reader_options *options,
                                                        uint64_t offset, struct fls_reader **reader,
                                                        struct fls_error *error);

/* Finds or creates the segment to append to, and repairs it. FLS_OK sets journal->current. */
FLS_MUST_USE enum fls_status fls_journal_find_end(struct fls_journal *journal,
                                                  struct fls_journal_opening *opening,
                                                  struct fls_error *error);

/* ---- commit.c: to the device. Under the lock, which is let go of meanwhile ---------------- */

/* Returns when all messages up to `number` are on the device. FLS_OK, FLS_IO, FLS_UNSUPPORTED. */
FLS_MUST_USE enum fls_status fls_journal_carry_to_machine(struct fls_journal *journal,
                                                          uint64_t number);

/* Takes the oldest retired segment out of the list and syncs it. */
struct journal_segment *fls_journal_sync_retired(struct fls_journal *journal);

/* ---- keeper.c ----------------------------------------------------------------------------- */

FLS_MUST_USE enum fls_status fls_journal_keeper_start(struct fls_journal *journal,
                                                      struct fls_error *error);

/* Lets it finish what is retired, and waits for its end. Without the lock. */
void fls_journal_keeper_stop(struct fls_journal *journal);

#endif
