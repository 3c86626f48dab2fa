/*
 * watch.h: waiting until a file or its folder changes, or someone says stop.
 */
#ifndef JOURNAL_WATCH_H
#define JOURNAL_WATCH_H

#include <stdatomic.h>
#include <stdint.h>

#include <flatstream/status.h>

/*
 *   inotify         -1: it is refused, and only the interval brings us back
 *   wake            an eventfd, readable for ever once it was stopped; -1: not open
 *   file            the watch on the present file; -1: none
 *   reader          a descriptor whose other end must stay there; -1: none
 *   folder_changed  entries came or went since that was last asked
 *   asked_ns        when it was
 */
struct fls_watch {
    int inotify;
    int wake;
    int file;
    int reader;
    int folder_changed;
    uint64_t asked_ns;
    uint32_t interval_ms;
    atomic_int stopped;
};

/* Before anything else: nothing is open. */
void fls_watch_init(struct fls_watch *watch);

/* Begins to watch `folder`. interval_ms 0: 10. FLS_OK, also where inotify is refused; FLS_IO. */
FLS_MUST_USE enum fls_status fls_watch_open(struct fls_watch *watch, const char *folder,
                                            uint32_t interval_ms, struct fls_error *error);

/* Watches the file `path` instead of the one before. What happened before this is not seen: look at
 * the file afterwards. */
void fls_watch_file(struct fls_watch *watch, const char *path);

/* Waits until something may have changed, for the interval at most. FLS_OK; FLS_IO with EPIPE: the
 * reader is gone. */
FLS_MUST_USE enum fls_status fls_watch_wait(struct fls_watch *watch, struct fls_error *error);

/* Whether the folder should be looked through: entries came or went, or it was not for a second. */
int fls_watch_folder_changed(struct fls_watch *watch);

/* Ends this and every later wait. Any thread, and safe in a signal handler. */
void fls_watch_stop(struct fls_watch *watch);

/* Whether that was called. */
int fls_watch_stopped(struct fls_watch *watch);

/* Closes what is open. */
void fls_watch_close(struct fls_watch *watch);

#endif
