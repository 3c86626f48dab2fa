/*
 * os.h: the one door to the operating system's files and descriptors. Backends come through here,
 * so that what is retried, and which signal is held back, is decided once.
 */
#ifndef BASE_OS_H
#define BASE_OS_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <flatstream/status.h>

/* open(2) with O_CLOEXEC; EINTR is retried. FLS_OK sets *fd; FLS_IO. */
FLS_MUST_USE enum fls_status fls_os_open(const char *path, int flags, int *fd,
                                         struct fls_error *error);

/*
 * open(2) with O_CLOEXEC of a file that is there, or of a new one (mode 0666 less the umask), which
 * *created tells; EINTR is not retried. The descriptor, or -1 with errno.
 */
int fls_os_try_create(const char *path, int flags, int *created);

/* The file `path` was created as `fd`, and is not wanted after all: removes it, if that name is
 * still its, and it is empty. */
void fls_os_remove_created(int fd, const char *path);

/* FLS_OK when `fd` is open for `access` (O_RDONLY or O_WRONLY), else FLS_IO with EBADF. */
FLS_MUST_USE enum fls_status fls_os_check(int fd, int access, struct fls_error *error);

/* How a descriptor is written to without a SIGPIPE. */
enum fls_os_route {
    FLS_OS_PLAIN,         /* writev: a file, a terminal, or the signal does no harm */
    FLS_OS_SOCKET,        /* sendmsg with MSG_NOSIGNAL */
    FLS_OS_PIPE_NOSIGNAL, /* pwritev2 with RWF_NOSIGNAL */
    FLS_OS_PIPE_GUARDED   /* writev with the signal blocked and taken away */
};

/*
 * Makes a pipe hold at least 1 MiB, or 256 KiB where the system allows no more; nothing on anything
 * else, or where it allows neither. In the 64 KiB that a pipe has by default, writer and reader go
 * in lock-step: each fills or drains it whole, sleeps, and is woken (docs/performance.md, "Pipes").
 * 1 when `fd` is a pipe, else 0.
 */
int fls_os_widen_pipe(int fd);

/*
 * How much one write into a pipe carries, and one read out of it takes while little is there. The
 * kernel keeps two pages that the reader has emptied for the next write, and gets every page beyond
 * them from its allocator, which is slow, and cold in the cache. (tmp_page in fs/pipe.c; older
 * kernels keep one.)
 */
#define FLS_OS_PIPE_PIECE_BYTES ((size_t)8192)

/* Chooses the route by the kind of descriptor and the signal's present disposition. */
enum fls_os_route fls_os_route_of(int fd);

/* One gathered write by a route that is not plain. As writev(2), errno included; *route is changed
 * when the kernel turns out not to know it. *calls is increased by the calls made. */
ssize_t fls_os_writev_quietly(int fd, const struct iovec *segments, int count,
                              enum fls_os_route *route, uint64_t *calls);

/* One gathered write by any route. */
static inline ssize_t fls_os_writev(int fd, const struct iovec *segments, int count,
                                    enum fls_os_route *route, uint64_t *calls)
{
    if (*route != FLS_OS_PLAIN)
        return fls_os_writev_quietly(fd, segments, count, route, calls);
    ++*calls;
    return writev(fd, segments, count);
}

/* pread(2), once; EINTR is retried. The bytes read, or -1 with errno. */
ssize_t fls_os_pread(int fd, void *bytes, size_t count, uint64_t at);

/* fdatasync. FLS_OK, FLS_UNSUPPORTED (nothing behind it that could be synced), FLS_IO. */
FLS_MUST_USE enum fls_status fls_os_sync(int fd, struct fls_error *error);

/* Size of a regular file. FLS_OK, or FLS_UNSUPPORTED for anything else, or FLS_IO. */
FLS_MUST_USE enum fls_status fls_os_file_bytes(int fd, uint64_t *bytes, struct fls_error *error);

/*
 * Is the regular file that is open as `fd`, in which `bytes` bytes were written, still what `path`
 * names (from the folder `folder`, or AT_FDCWD), and has it those bytes? Without `has_name` (it had
 * none when it was opened) only the latter. FLS_OK, also for what is no regular file, and where the
 * name cannot be looked up; FLS_IO with ENOENT (deleted, or renamed away) or ESTALE (another stands
 * in its place, or it was cut short), with the file and the bytes in words.
 */
FLS_MUST_USE enum fls_status fls_os_check_written(int fd, int folder, const char *path,
                                                  int has_name, uint64_t bytes,
                                                  struct fls_error *error);

/* Has the open file a name, in any folder? Not one that was removed, or made with O_TMPFILE. */
int fls_os_has_name(int fd);

/* Where the first hole is, from byte `from` on: at the file's end at the latest. UINT64_MAX where
 * the filesystem may take zeros that were written for a hole, or tells none. Moves the descriptor's
 * own position. */
uint64_t fls_os_hole_from(int fd, uint64_t from);

/* Says so: for who writes at offsets, behind whatever another has cut off. FLS_IO with ESTALE. */
enum fls_status fls_os_cut_short(const char *path, uint64_t at, struct fls_error *error);

/* The path from the root, without a look at its links, in memory for free(): the same name after a
 * chdir. NULL: no memory. */
char *fls_os_absolute(const char *path);

/* ftruncate; EINTR is retried. FLS_OK, FLS_IO. */
FLS_MUST_USE enum fls_status fls_os_truncate(int fd, uint64_t bytes, struct fls_error *error);

/* Frees the blocks that are reserved behind the end of the regular file, if that is at `bytes`, or
 * before it (another has cut the file): else another has written to it, and it stays as it is. That
 * it fails costs space only. */
void fls_os_give_back(int fd, uint64_t bytes);

/* What tells the present boot of the system from all others, as text; empty when the system does
 * not say. */
#define FLS_OS_BOOT_BYTES 40
void fls_os_boot(char boot[FLS_OS_BOOT_BYTES]);

/* Starts a thread with all signals blocked: a program's signals are for its own threads. 0, or an
 * errno. */
FLS_MUST_USE int fls_os_start_thread(pthread_t *thread, void *(*run)(void *context), void *context);

/* close(2), once: the descriptor is gone whatever it says. FLS_OK, FLS_IO. */
enum fls_status fls_os_close(int fd, struct fls_error *error);

#endif
