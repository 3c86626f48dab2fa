/*
 * os.c: see os.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"

/* From Linux 6.18's uapi/linux/fs.h; Debian 12's headers are older. */
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100
#endif

/* What a pipe is made to hold: the first of these that the system allows. */
static const int pipe_bytes[] = {1024 * 1024, 256 * 1024};

enum fls_status fls_os_open(const char *path, int flags, int *fd, struct fls_error *error)
{
    do {
        *fd = open(path, flags | O_CLOEXEC, 0666);
    } while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? fls_error_system(error, "open", errno) : FLS_OK;
}

int fls_os_try_create(const char *path, int flags, int *created)
{
    struct stat named;
    int fd = open(path, flags | O_CLOEXEC, 0); /* with a mode FORTIFY leaves it an open */

    *created = 0;
    if (fd >= 0 || errno != ENOENT)
        return fd;
    fd = open(path, flags | O_CLOEXEC | O_CREAT | O_EXCL, 0666);
    *created = fd >= 0;
    if (fd >= 0 || errno != EEXIST)
        return fd;
    int is_link = lstat(path, &named) == 0 && S_ISLNK(named.st_mode); /* to no file */
    fd = open(path, flags | O_CLOEXEC | O_CREAT, 0666);
    *created = fd >= 0 && is_link;
    return fd;
}

void fls_os_remove_created(int fd, const char *path)
{
    struct stat created, named;
    char name[PATH_MAX]; /* which a link leads to; memory may be what there is none of */

    if (realpath(path, name) && fstat(fd, &created) == 0 && lstat(name, &named) == 0 &&
        created.st_size == 0 && created.st_dev == named.st_dev && created.st_ino == named.st_ino)
        (void)unlink(name);
}

enum fls_status fls_os_check(int fd, int access, struct fls_error *error)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return fls_error_system(error, "fcntl", errno);
    if ((flags & O_ACCMODE) != O_RDWR && (flags & O_ACCMODE) != access)
        return fls_error_system(error, access == O_WRONLY ? "open for writing" : "open for reading",
                                EBADF);
    return FLS_OK;
}

int fls_os_widen_pipe(int fd)
{
    int bytes = fcntl(fd, F_GETPIPE_SZ);

    for (size_t i = 0; i < sizeof pipe_bytes / sizeof pipe_bytes[0]; i++)
        if (bytes < 0 || bytes >= pipe_bytes[i] || fcntl(fd, F_SETPIPE_SZ, pipe_bytes[i]) >= 0)
            break;
    return bytes >= 0;
}

static int sigpipe_kills(void)
{
    struct sigaction action;

    return sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

enum fls_os_route fls_os_route_of(int fd)
{
    struct stat information;

    if (fstat(fd, &information) != 0)
        return FLS_OS_PLAIN;
    if (S_ISSOCK(information.st_mode))
        return FLS_OS_SOCKET;
    return S_ISFIFO(information.st_mode) && sigpipe_kills() ? FLS_OS_PIPE_NOSIGNAL : FLS_OS_PLAIN;
}

static ssize_t send_segments(int fd, const struct iovec *segments, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)segments,
                             .msg_iovlen = (size_t)count};

    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* Blocks SIGPIPE, writes, and takes away the signal that this write raised, if it did. */
static ssize_t write_guarded(int fd, const struct iovec *segments, int count, uint64_t *calls)
{
    sigset_t pipe_only, before, pending;
    struct timespec at_once = {0, 0};

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t written = writev(fd, segments, count);
    int saved = errno;
    if (written < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR)
            continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *calls += 3;
    errno = saved;
    return written;
}

ssize_t fls_os_writev_quietly(int fd, const struct iovec *segments, int count,
                              enum fls_os_route *route, uint64_t *calls)
{
    ++*calls;
    if (*route == FLS_OS_SOCKET)
        return send_segments(fd, segments, count);
    if (*route == FLS_OS_PIPE_NOSIGNAL) {
        ssize_t written = pwritev2(fd, segments, count, -1, RWF_NOSIGNAL);
        if (written >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS))
            return written;
        *route = FLS_OS_PIPE_GUARDED;
    }
    return write_guarded(fd, segments, count, calls);
}

ssize_t fls_os_pread(int fd, void *bytes, size_t count, uint64_t at)
{
    ssize_t got;

    do {
        got = pread(fd, bytes, count, (off_t)at);
    } while (got < 0 && errno == EINTR);
    return got;
}

enum fls_status fls_os_sync(int fd, struct fls_error *error)
{
    if (fdatasync(fd) == 0)
        return FLS_OK;
    if (errno == EINVAL || errno == EROFS)
        return fls_error_set(error, FLS_UNSUPPORTED, "no device behind this endpoint to sync to");
    return fls_error_system(error, "fdatasync", errno);
}

enum fls_status fls_os_file_bytes(int fd, uint64_t *bytes, struct fls_error *error)
{
    struct stat information;

    if (fstat(fd, &information) != 0)
        return fls_error_system(error, "fstat", errno);
    if (!S_ISREG(information.st_mode))
        return fls_error_set(error, FLS_UNSUPPORTED, "not a regular file");
    *bytes = (uint64_t)information.st_size;
    return FLS_OK;
}

static enum fls_status not_as_written(struct fls_error *error, int os_errno, const char *path,
                                      const char *what)
{
    enum fls_status status = fls_error_system(error, "what was written is not there", os_errno);

    if (error)
        snprintf(error->reason, sizeof error->reason, "%.60s %.98s", fls_error_name(path), what);
    return status;
}

enum fls_status fls_os_check_written(int fd, int folder, const char *path, int has_name,
                                     uint64_t bytes, struct fls_error *error)
{
    struct stat held, named;
    char what[98];

    if (fstat(fd, &held) != 0)
        return fls_error_system(error, "fstat", errno);
    if (!S_ISREG(held.st_mode))
        return FLS_OK;
    if (has_name && held.st_nlink == 0)
        return not_as_written(error, ENOENT, path, "was deleted while it was written");
    if (has_name && fstatat(folder, path, &named, 0) == 0) {
        if (named.st_dev != held.st_dev || named.st_ino != held.st_ino)
            return not_as_written(error, ESTALE, path, "was replaced while it was written");
    } else if (has_name && (errno == ENOENT || errno == ENOTDIR)) {
        return not_as_written(error, ENOENT, path, "was renamed while it was written");
    }
    if ((uint64_t)held.st_size >= bytes)
        return FLS_OK;
    snprintf(what, sizeof what,
             "was cut short while it was written: %" PRIu64 " of %" PRIu64 " bytes gone",
             bytes - (uint64_t)held.st_size, bytes);
    return not_as_written(error, ESTALE, path, what);
}

/* Only where zeros that were written are no hole. */
static int tells_holes(int fd)
{
    struct statfs system;

    if (fstatfs(fd, &system) != 0)
        return 0;
    switch ((unsigned long)system.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
        return 1;
    default:
        return 0;
    }
}

uint64_t fls_os_hole_from(int fd, uint64_t from)
{
    off_t hole = tells_holes(fd) ? lseek(fd, (off_t)from, SEEK_HOLE) : -1;

    return hole < 0 ? UINT64_MAX : (uint64_t)hole;
}

enum fls_status fls_os_cut_short(const char *path, uint64_t at, struct fls_error *error)
{
    char what[98];

    snprintf(what, sizeof what,
             "was cut short while it was written: bytes from %" PRIu64 " on are gone", at);
    return not_as_written(error, ESTALE, path, what);
}

int fls_os_has_name(int fd)
{
    struct stat information;

    return fstat(fd, &information) == 0 && information.st_nlink > 0;
}

char *fls_os_absolute(const char *path)
{
    char *folder = path[0] == '/' ? NULL : getcwd(NULL, 0);
    size_t size = (folder ? strlen(folder) : 0) + 1 + strlen(path) + 1;
    char *whole = malloc(size);

    if (whole)
        snprintf(whole, size, "%s%s%s", folder ? folder : "", folder ? "/" : "", path);
    free(folder);
    return whole;
}

enum fls_status fls_os_truncate(int fd, uint64_t bytes, struct fls_error *error)
{
    int result;

    do {
        result = ftruncate(fd, (off_t)bytes);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? FLS_OK : fls_error_system(error, "ftruncate", errno);
}

void fls_os_give_back(int fd, uint64_t bytes)
{
    uint64_t there;
    enum fls_status status = fls_os_file_bytes(fd, &there, NULL);

    if (status == FLS_OK && there <= bytes) /* cutting it to the present size frees them */
        status = fls_os_truncate(fd, there, NULL);
    (void)status;
}

void fls_os_boot(char boot[FLS_OS_BOOT_BYTES])
{
    ssize_t got;
    int fd;

    boot[0] = '\0';
    if (fls_os_open("/proc/sys/kernel/random/boot_id", O_RDONLY, &fd, NULL) != FLS_OK)
        return;
    do {
        got = read(fd, boot, FLS_OS_BOOT_BYTES - 1);
    } while (got < 0 && errno == EINTR);
    boot[got > 0 ? got : 0] = '\0';
    boot[strcspn(boot, "\n")] = '\0';
    (void)fls_os_close(fd, NULL);
}

int fls_os_start_thread(pthread_t *thread, void *(*run)(void *context), void *context)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

enum fls_status fls_os_close(int fd, struct fls_error *error)
{
    if (close(fd) == 0 || errno == EINTR)
        return FLS_OK;
    return fls_error_system(error, "close", errno);
}
