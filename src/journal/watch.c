/*
 * watch.c: see watch.h.
 *
 * inotify only shortens the wait. Whoever waits looks at the files themselves afterwards, so a lost
 * or a needless event does no harm, and the interval bounds the delay where no event comes at all.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <flatstream/clock.h>

#include "base/error.h"
#include "base/os.h"
#include "journal/watch.h"

#define INTERVAL_MS_DEFAULT 10
#define FOLDER_INTERVAL_NS UINT64_C(1000000000)

#define FOLDER_EVENTS (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)

void fls_watch_init(struct fls_watch *watch)
{
    watch->inotify = watch->wake = watch->file = watch->reader = -1;
    watch->folder_changed = 0;
    watch->asked_ns = 0;
    watch->interval_ms = INTERVAL_MS_DEFAULT;
    atomic_init(&watch->stopped, 0);
}

enum fls_status fls_watch_open(struct fls_watch *watch, const char *folder, uint32_t interval_ms,
                               struct fls_error *error)
{
    if (interval_ms > 0)
        watch->interval_ms = interval_ms < INT_MAX ? interval_ms : INT_MAX;
    watch->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->wake < 0)
        return fls_error_system(error, "eventfd", errno);
    watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->inotify >= 0 && inotify_add_watch(watch->inotify, folder, FOLDER_EVENTS) < 0) {
        close(watch->inotify);
        watch->inotify = -1;
    }
    return FLS_OK;
}

void fls_watch_file(struct fls_watch *watch, const char *path)
{
    if (watch->inotify < 0)
        return;
    if (watch->file >= 0)
        inotify_rm_watch(watch->inotify, watch->file);
    watch->file = inotify_add_watch(watch->inotify, path, IN_MODIFY);
}

/* Takes the events; all that matters of them is whether one was the folder's. */
static void drain(struct fls_watch *watch)
{
    _Alignas(struct inotify_event) char bytes[4096];
    ssize_t got;

    while ((got = read(watch->inotify, bytes, sizeof bytes)) > 0) {
        size_t at = 0;
        while (at < (size_t)got) {
            const struct inotify_event *event = (const void *)(bytes + at);
            if (event->wd != watch->file)
                watch->folder_changed = 1;
            at += sizeof *event + event->len;
        }
        if ((size_t)got < sizeof bytes / 2)
            return;
    }
}

enum fls_status fls_watch_wait(struct fls_watch *watch, struct fls_error *error)
{
    struct pollfd all[] = {
        {watch->wake, POLLIN, 0}, {watch->inotify, POLLIN, 0}, {watch->reader, 0, 0}};

    if (poll(all, 3, (int)watch->interval_ms) <= 0)
        return FLS_OK;
    if ((all[1].revents & POLLIN) != 0)
        drain(watch);
    if ((all[2].revents & (POLLERR | POLLHUP)) != 0)
        return fls_error_system(error, "follow: the reader is gone", EPIPE);
    return FLS_OK;
}

int fls_watch_folder_changed(struct fls_watch *watch)
{
    uint64_t now = fls_clock_now_ns(NULL);
    int changed = watch->folder_changed || now - watch->asked_ns >= FOLDER_INTERVAL_NS;

    if (changed)
        watch->asked_ns = now;
    watch->folder_changed = 0;
    return changed;
}

void fls_watch_stop(struct fls_watch *watch)
{
    static const uint64_t one = 1;
    int saved = errno;

    atomic_store(&watch->stopped, 1);
    if (watch->wake >= 0 && write(watch->wake, &one, sizeof one) < 0)
        errno = saved; /* it is readable already: that wakes all the same */
    errno = saved;
}

int fls_watch_stopped(struct fls_watch *watch)
{
    return atomic_load(&watch->stopped);
}

void fls_watch_close(struct fls_watch *watch)
{
    if (watch->inotify >= 0)
        fls_os_close(watch->inotify, NULL);
    if (watch->wake >= 0)
        fls_os_close(watch->wake, NULL);
    fls_watch_init(watch);
}
