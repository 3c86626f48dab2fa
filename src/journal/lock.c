/*
 * lock.c: the file `<journal>.lock`, locked by flock(2), so that it goes with the process.
 *
 * The file is removed on a clean close, while it is still locked. So whoever has got the lock must
 * see that the file is still the one of that name; if not, it belongs to one who left, and the
 * next try finds or makes the new one. What stands in the file is for people, and for the one who
 * comes next: who holds it, and in which boot of the system. A file that names no boot, or is cut
 * short, counts as one of another boot: then more is looked at, and nothing is missed. A file that
 * holds anything else is no lock, and is left as it is (base/beside.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/beside.h"
#include "base/error.h"
#include "base/os.h"
#include "journal/lock.h"
#include "journal/series.h"

#define TEXT_MAX 512
#define TRIES_MAX 1000

/* No boot is called so. */
#define NO_BOOT "unknown"

/* Reads the beginning of a small file as text; an empty one when that fails. */
static void read_text(int fd, char *text, size_t size)
{
    ssize_t got;

    do {
        got = read(fd, text, size - 1);
    } while (got < 0 && errno == EINTR);
    text[got > 0 ? got : 0] = '\0';
}

static enum fls_lock_before look_back(int fd)
{
    char text[TEXT_MAX], boot[FLS_OS_BOOT_BYTES];

    read_text(fd, text, sizeof text);
    fls_os_boot(boot);
    const char *line = strstr(text, "\nboot ");
    if (!line || !boot[0] || strncmp(line + 6, boot, strlen(boot)) != 0)
        return FLS_LOCK_OTHER_BOOT;
    return FLS_LOCK_SAME_BOOT;
}

/* That this fails (a full disk) costs the text alone. */
static void write_holder(int fd, const char *boot)
{
    char text[TEXT_MAX], host[128] = "", when[32] = "";
    time_t now = time(NULL);
    struct tm utc;

    (void)gethostname(host, sizeof host - 1);
    if (gmtime_r(&now, &utc))
        (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    int length = snprintf(text, sizeof text, "pid %ld, %.64s, host %s, since %s\nboot %s\n",
                          (long)getpid(), program_invocation_short_name, host, when, boot);
    if (length > 0 && fls_os_truncate(fd, 0, NULL) == FLS_OK)
        while (pwrite(fd, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1,
                      0) < 0 &&
               errno == EINTR)
            continue;
}

static void write_present_holder(int fd)
{
    char boot[FLS_OS_BOOT_BYTES];

    fls_os_boot(boot);
    write_holder(fd, boot);
}

/* Who holds it, by the file's first line. */
static void read_holder(int fd, char text[TEXT_MAX])
{
    read_text(fd, text, TEXT_MAX);
    text[strcspn(text, "\n")] = '\0';
}

static enum fls_status say_busy(const char *text, const char *path, struct fls_error *error)
{
    return fls_error_set(error, FLS_BUSY, "another writer holds the lock: %s (%s)",
                         text[0] ? text : "it has not said who it is", path);
}

/* The stream's file, or the last of its segments; NULL when there is none. */
static const struct stat *stat_stream(const char *path, struct stat *information)
{
    struct fls_series series;

    if (stat(path, information) == 0)
        return information;
    if (fls_series_list(path, &series, NULL) != FLS_OK)
        return NULL;
    int found = series.count > 0 && stat(series.segments[series.count - 1].path, information) == 0;
    fls_series_free(&series);
    return found ? information : NULL;
}

/* Opens the file; *created says that there was none. FLS_AGAIN: it was removed meanwhile. */
static enum fls_status open_file(struct fls_lock *lock, const struct stat *stream,
                                 struct fls_error *error)
{
    struct fls_error failure = FLS_ZERO;
    enum fls_status status = fls_beside_create(lock->path, O_RDWR, stream, &lock->fd, &failure);

    lock->created = status == FLS_OK;
    if (status == FLS_IO && failure.os_errno == EEXIST) {
        status = fls_beside_open(lock->path, O_RDWR, stream, &lock->fd, &failure);
        if (status == FLS_IO && failure.os_errno == ENOENT)
            return FLS_AGAIN;
    }
    return status == FLS_OK ? FLS_OK : fls_error_copy(error, &failure);
}

/* flock(2), without waiting. */
static int try_flock(int fd)
{
    int result;

    do {
        result = flock(fd, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    return result;
}

static enum fls_status lock_file(int fd, const char *path, struct fls_error *error)
{
    char text[TEXT_MAX];

    if (try_flock(fd) == 0)
        return FLS_OK;
    if (errno != EWOULDBLOCK)
        return fls_error_system(error, "flock", errno);
    read_holder(fd, text);
    return say_busy(text, path, error);
}

/* Do the words stand in the text in this order? */
static int has_in_order(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count && text; i++)
        text = strstr(text, words[i]);
    return text != NULL;
}

/*
 * Is it what write_holder has written? One that was killed before that, or whose power went, leaves
 * nothing, or zeros.
 */
static enum fls_status check_content(const struct fls_lock *lock, struct fls_error *error)
{
    static const char *const words[] = {"pid ", ", host ", ", since ", "\nboot ", "\n"};
    char text[TEXT_MAX] = "";
    ssize_t got = fls_os_pread(lock->fd, text, sizeof text, 0);

    if (got < 0)
        return fls_error_system(error, "read", errno);
    int is_text = strnlen(text, sizeof text) == (size_t)got && got < TEXT_MAX;
    if (got == 0 || (is_text && strncmp(text, words[0], strlen(words[0])) == 0 &&
                     has_in_order(text, words, sizeof words / sizeof words[0])))
        return FLS_OK;
    for (ssize_t i = 0; i < got; i++)
        if (got == TEXT_MAX || text[i] != '\0')
            return fls_beside_refuse(lock->path, "no lock", error);
    return FLS_OK;
}

/* FLS_AGAIN: the file was removed meanwhile. */
static enum fls_status try_once(struct fls_lock *lock, const struct stat *stream,
                                struct fls_error *error)
{
    enum fls_status status = open_file(lock, stream, error);

    if (status != FLS_OK)
        return status;
    status = lock_file(lock->fd, lock->path, error);
    if (status == FLS_OK && !fls_beside_is_at(lock->fd, lock->path))
        status = FLS_AGAIN;
    if (status == FLS_OK && !lock->created)
        status = check_content(lock, error);
    if (status != FLS_OK) {
        (void)fls_os_close(lock->fd, NULL);
        return status;
    }
    lock->before = lock->created ? FLS_LOCK_CLEAN : look_back(lock->fd);
    if (lock->before == FLS_LOCK_OTHER_BOOT)
        write_holder(lock->fd, NO_BOOT);
    else
        write_present_holder(lock->fd);
    return FLS_OK;
}

enum fls_status fls_lock_take(struct fls_lock *lock, const char *path, struct fls_error *error)
{
    size_t length = strlen(path) + sizeof ".lock";
    enum fls_status status = FLS_AGAIN;
    struct stat information;
    const struct stat *stream = stat_stream(path, &information);

    lock->path = malloc(length);
    if (!lock->path)
        return fls_error_no_memory(error, length);
    snprintf(lock->path, length, "%s.lock", path);
    for (int i = 0; i < TRIES_MAX && status == FLS_AGAIN; i++)
        status = try_once(lock, stream, error);
    if (status == FLS_AGAIN)
        status = fls_error_set(error, FLS_BUSY, "%s is made and removed all the time", lock->path);
    if (status != FLS_OK) {
        free(lock->path);
        lock->path = NULL;
    }
    return status;
}

void fls_lock_settle(struct fls_lock *lock)
{
    if (lock->path && lock->before == FLS_LOCK_OTHER_BOOT)
        write_present_holder(lock->fd);
}

void fls_lock_doubt(struct fls_lock *lock)
{
    if (lock->path)
        write_holder(lock->fd, NO_BOOT);
}

void fls_lock_let_go(struct fls_lock *lock)
{
    if (!lock->path)
        return;
    (void)flock(lock->fd, LOCK_UN); /* a child may have the descriptor still */
    (void)fls_os_close(lock->fd, NULL);
    free(lock->path);
    lock->path = NULL;
}

void fls_lock_give_back(struct fls_lock *lock)
{
    enum fls_status status = lock->path ? fls_beside_remove(lock->fd, lock->path, NULL) : FLS_OK;

    (void)status; /* one that stays makes the next opening look closer */
    fls_lock_let_go(lock);
}

void fls_lock_give_up(struct fls_lock *lock)
{
    if (lock->created)
        fls_lock_give_back(lock);
    else
        fls_lock_let_go(lock);
}

/* ---- the stream's own file ------------------------------------------------------------------- */

/* Who holds `<path>.lock`, if that is another process; else "". */
static void find_holder(const char *path, char text[TEXT_MAX])
{
    size_t length = strlen(path) + sizeof ".lock";
    char *name = malloc(length);
    struct stat information;
    long pid = 0;
    int fd;

    text[0] = '\0';
    if (!name)
        return;
    snprintf(name, length, "%s.lock", path);
    if (fls_beside_open(name, O_RDONLY, stat_stream(path, &information), &fd, NULL) == FLS_OK) {
        if (try_flock(fd) != 0 && errno == EWOULDBLOCK) /* else it tells of one who is gone */
            read_holder(fd, text);
        (void)fls_os_close(fd, NULL);
    }
    free(name);
    if (sscanf(text, "pid %ld", &pid) == 1 && pid == (long)getpid())
        text[0] = '\0';
}

enum fls_status fls_lock_stream(int fd, const char *path, struct fls_error *error)
{
    char text[TEXT_MAX];

    if (try_flock(fd) == 0 || errno != EWOULDBLOCK)
        return FLS_OK;
    find_holder(path, text);
    char *series = text[0] ? NULL : fls_series_of_segment(path);
    if (series)
        find_holder(series, text);
    free(series);
    return say_busy(text, path, error);
}

void fls_lock_stream_let_go(int fd)
{
    (void)flock(fd, LOCK_UN);
}
