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

struct fls_lock {
    int fd;
    char *path;
    enum fls_lock_before before;
};

/*
 * Takes the lock of the journal `path` without waiting. FLS_OK; FLS_BUSY: error->reason says who
 * holds it; FLS_IO; FLS_NO_MEMORY.
 */
FLS_MUST_USE enum fls_status fls_lock_take(struct fls_lock *lock, const char *path,
                                           struct fls_error *error);

/* Removes the file and lets go. A lock that was never taken (path NULL) is left. */
void fls_lock_give_back(struct fls_lock *lock);

/* Lets go and leaves the file, as the end of the process does: the next one looks closer. */
void fls_lock_let_go(struct fls_lock *lock);

#endif
