/*
 * preload_faults.c: a library for LD_PRELOAD, by which tests of the command make one call after the
 * other fail.
 *
 *   FAULT     what fails: malloc (and its like), write (and its like, to files alone), fsync,
 *             rename, close (of files written to), open (to write), read (of files)
 *   FAULT_AS  an errno; or "short", of a write: one byte is taken; or "signal" and numbers: these
 *             come just before the call, which is made as it is
 *   FAULT_ON  set: what fails once fails from there on
 *   FAULT_IN  a folder
 *
 * The process becomes many before its main(), which spares starting it each time: number n works in
 * FAULT_IN/n, where it finds copies of the files in FAULT_IN/keep, and its n-th such call fails;
 * what it prints is in FAULT_IN/n.out and n.err, and how it ended in a line of FAULT_IN/ended. The
 * last has met no failure.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

enum fault { NONE, MALLOC, WRITE, SYNC, RENAME, CLOSE, OPEN, READ };
static const char *const names[] = {"none",   "malloc", "write", "fsync",
                                    "rename", "close",  "open",  "read"};

/* A run that takes longer hangs. */
#define SECONDS_MAX 20

static enum fault fault;
static long first;
static int goes_on;
static int as_errno;
static int is_short;
static const char *signals;
static atomic_long calls;
static atomic_int *has_failed; /* shared with the process that looks on */

/* Is it this call's turn? */
static int fails(enum fault kind)
{
    if (fault != kind)
        return 0;
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (number != first && !(goes_on && number > first))
        return 0;
    atomic_store(has_failed, 1);
    if (signals) {
        char *end;
        for (const char *at = signals; *at; at = end)
            raise((int)strtol(at, &end, 10));
        return 0;
    }
    errno = as_errno;
    return 1;
}

/* --- one process for each call ------------------------------------------------------------------
 */

static void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    ssize_t got;
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    while ((got = read(in, bytes, sizeof bytes)) > 0)
        if (write(out, bytes, (size_t)got) != got)
            _exit(100);
    (void)close(in);
    (void)close(out);
}

/* The files of FAULT_IN/keep into FAULT_IN/n. */
static void copy_kept(const char *keep, const char *folder)
{
    char from[PATH_MAX + 256], to[PATH_MAX + 256];
    DIR *kept = opendir(keep);
    struct dirent *entry;

    while (kept && (entry = readdir(kept)))
        if (entry->d_name[0] != '.') {
            snprintf(from, sizeof from, "%s/%s", keep, entry->d_name);
            snprintf(to, sizeof to, "%s/%s", folder, entry->d_name);
            copy_file(from, to);
        }
    if (kept)
        closedir(kept);
}

static void redirect(int fd, const char *in, long number, const char *ending)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%ld.%s", in, number, ending);
    int opened = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (opened < 0 || dup2(opened, fd) < 0 || close(opened) != 0)
        _exit(100);
}

/* In the child: from here on its calls count. */
static void become(const char *in, long number, enum fault kind)
{
    char path[PATH_MAX], keep[PATH_MAX];

    snprintf(path, sizeof path, "%s/%ld", in, number);
    snprintf(keep, sizeof keep, "%s/keep", in);
    if (mkdir(path, 0755) != 0 || chdir(path) != 0)
        _exit(100);
    copy_kept(keep, path);
    redirect(STDOUT_FILENO, in, number, "out");
    redirect(STDERR_FILENO, in, number, "err");
    alarm(SECONDS_MAX);
    first = number;
    fault = kind;
}

static void run_each(const char *in, enum fault kind)
{
    char path[PATH_MAX], line[64];
    int status;

    snprintf(path, sizeof path, "%s/ended", in);
    int ended = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    for (long number = 1; ended >= 0; number++) {
        atomic_store(has_failed, 0);
        pid_t child = fork();
        if (child == 0) {
            become(in, number, kind);
            return;
        }
        if (child < 0 || waitpid(child, &status, 0) != child)
            _exit(100);
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        int length = snprintf(line, sizeof line, "%d\n", code);
        if (write(ended, line, (size_t)length) != length)
            _exit(100);
        if (!atomic_load(has_failed))
            _exit(0);
    }
    _exit(100);
}

__attribute__((constructor)) static void set_up(void)
{
    const char *what = getenv("FAULT"), *as = getenv("FAULT_AS"), *in = getenv("FAULT_IN");

    if (!what || !in)
        return;
    goes_on = getenv("FAULT_ON") != NULL;
    is_short = as && strcmp(as, "short") == 0;
    signals = as && strncmp(as, "signal ", 7) == 0 ? as + 7 : NULL;
    as_errno = as && !is_short ? atoi(as) : ENOMEM;
    has_failed =
        mmap(NULL, sizeof *has_failed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 1; has_failed != MAP_FAILED && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(what, names[i]) == 0)
            run_each(in, (enum fault)i);
}

/* Standard output and error may be files here; they are not what is meant. */
static int is_file(int fd)
{
    struct stat information;

    return fd > STDERR_FILENO && fstat(fd, &information) == 0 && S_ISREG(information.st_mode);
}

/* --- memory ---------------------------------------------------------------------------------- */

void *malloc(size_t size)
{
    return fails(MALLOC) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(MALLOC) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails(MALLOC) ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(MALLOC) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    if (fails(MALLOC))
        return ENOMEM;
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

/* --- files ----------------------------------------------------------------------------------- */

static ssize_t fail_or_write(int fd, const struct iovec *segments, int count)
{
    if (!is_file(fd) || !fails(WRITE))
        return (ssize_t)syscall(SYS_writev, fd, segments, count);
    for (int i = 0; is_short && i < count; i++)
        if (segments[i].iov_len > 0)
            return (ssize_t)syscall(SYS_write, fd, segments[i].iov_base, 1);
    return -1;
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    struct iovec segment = {(void *)(uintptr_t)bytes, count};

    return fail_or_write(fd, &segment, 1);
}

ssize_t writev(int fd, const struct iovec *segments, int count)
{
    return fail_or_write(fd, segments, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    if (!is_file(fd) || !fails(WRITE))
        return (ssize_t)syscall(SYS_pwrite64, fd, bytes, count, offset);
    return is_short ? (ssize_t)syscall(SYS_pwrite64, fd, bytes, 1, offset) : -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset)
{
    return pwrite(fd, bytes, count, offset);
}

int fsync(int fd)
{
    return fails(SYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return fails(SYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int rename(const char *from, const char *to)
{
    return fails(RENAME) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    if (fails(RENAME))
        return -1;
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

/* The descriptor is gone, whatever is said of it. */
int close(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int counts = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && is_file(fd) && fails(CLOSE);
    int result = (int)syscall(SYS_close, fd);

    if (counts)
        errno = as_errno;
    return counts ? -1 : result;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(arguments, int) : 0;
}

/* By every name that the library has for it. */
#define FAIL_OR_OPEN(folder, path, flags, last)                                                    \
    do {                                                                                           \
        va_list arguments;                                                                         \
        va_start(arguments, last);                                                                 \
        mode_t mode = mode_of(flags, arguments);                                                   \
        va_end(arguments);                                                                         \
        if (((flags)&O_ACCMODE) != O_RDONLY && fails(OPEN))                                        \
            return -1;                                                                             \
        return (int)syscall(SYS_openat, folder, path, flags, mode);                                \
    } while (0)

int open(const char *path, int flags, ...)
{
    FAIL_OR_OPEN(AT_FDCWD, path, flags, flags);
}

int open64(const char *path, int flags, ...)
{
    FAIL_OR_OPEN(AT_FDCWD, path, flags, flags);
}

int openat(int folder, const char *path, int flags, ...)
{
    FAIL_OR_OPEN(folder, path, flags, flags);
}

int mkostemp(char *name, int flags)
{
    return fails(OPEN) ? -1 : mkostemps(name, 0, flags);
}

int mkostemp64(char *name, int flags)
{
    return mkostemp(name, flags);
}

ssize_t read(int fd, void *bytes, size_t count)
{
    return is_file(fd) && fails(READ) ? -1 : (ssize_t)syscall(SYS_read, fd, bytes, count);
}

ssize_t readv(int fd, const struct iovec *segments, int count)
{
    return is_file(fd) && fails(READ) ? -1 : (ssize_t)syscall(SYS_readv, fd, segments, count);
}

ssize_t pread(int fd, void *bytes, size_t count, off_t offset)
{
    return is_file(fd) && fails(READ) ? -1
                                      : (ssize_t)syscall(SYS_pread64, fd, bytes, count, offset);
}

ssize_t pread64(int fd, void *bytes, size_t count, off_t offset)
{
    return pread(fd, bytes, count, offset);
}
