/*
 * lock.h: one writer at a time.
 */
#ifndef JOURNAL_LOCK_H
#define JOURNAL_LOCK_H

#include <flatstream/status.h>

/* How the one before went, as far as its lock's file tells. */
enum fls_lock_before {
    FLS_LOCK_CLEAN,     /* there is no file: it was closed, or there was none */
    FLS_LOCK_SAME_BOOT, /* its process ended without closing; the system has run on since */
    FLS_LOCK_OTHER_BOOT /* the system has been started since, or may have been */
};

/* `created`: there was no file. */
struct fls_lock {
    int fd;
    char *path;
    enum fls_lock_before before;
    int created;
};

/*
 * Takes the lock of the journal `path` without waiting. FLS_OK; FLS_BUSY: error->reason says who
 * holds it; FLS_INVALID_ARGUMENT: what stands at `<path>.lock` is no lock of ours (base/beside.h);
 * FLS_IO; FLS_NO_MEMORY. After FLS_LOCK_OTHER_BOOT the file goes on saying so until it is
 * settled: who is refused meanwhile, or killed, leaves what he has found to the next one.
 */
FLS_MUST_USE enum fls_status fls_lock_take(struct fls_lock *lock, const char *path,
                                           struct fls_error *error);

/* What another boot may have lost is mended: from now on the file names the present one. */
void fls_lock_settle(struct fls_lock *lock);

/* A sync has failed: whoever comes next takes it for another boot. */
void fls_lock_doubt(struct fls_lock *lock);

/* Removes the file and lets go. A lock that was never taken (path NULL) is left. */
void fls_lock_give_back(struct fls_lock *lock);

/* Lets go and leaves the file, as the end of the process does: the next one looks closer. */
void fls_lock_let_go(struct fls_lock *lock);

/*
 * Takes the stream's file itself, open for writing as `fd`, without waiting: against one who has it
 * by another name (a link, a segment by its own), or could make no file beside it. Readers do not
 * ask. Where the file system has no such lock there is none. It goes with the descriptor and its
 * copies. FLS_OK; FLS_BUSY: error->reason says who holds it, if that can be found out.
 */
FLS_MUST_USE enum fls_status fls_lock_stream(int fd, const char *path, struct fls_error *error);

/* Lets go of it, also for copies of the descriptor that a child of this process may have. */
void fls_lock_stream_let_go(int fd);

/* After an opening that failed: removes the file only if there was none before, and lets go. */
void fls_lock_give_up(struct fls_lock *lock);

#endif
