/*
 * fd_sink.c: a sink on a file descriptor: file, pipe, socket, terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <flatstream/sink.h>

#include "base/arguments.h"
#include "base/beside.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "io/file_sink.h"

/* ext4 writes at less cost into blocks that are there already (docs/performance.md). When so much
 * is written, which only a long recording comes to, so many bytes are reserved at a time, and the
 * next when three quarters of them are used. */
#define RESERVE_FROM (UINT64_C(64) << 20)
#define RESERVE_BYTES (UINT64_C(16) << 20)
#define RESERVE_USED (RESERVE_BYTES / 4 * 3)

/*
 *   path        of a regular file that it opened, from the root; else NULL
 *   has_name    it had one then
 *   began_at    bytes that were in it then
 *   written     bytes, since then
 *   reserve_at  when so many are written, the next are reserved; UINT64_MAX: none are
 *   reserved    bytes were
 *   created     the file, by opening it
 */
struct fd_sink {
    struct fls_sink base;
    int fd;
    enum fls_ownership ownership;
    enum fls_os_route route;
    char *path;
    int has_name;
    uint64_t began_at;
    uint64_t written;
    uint64_t reserve_at;
    int reserved;
    int created;
};

/* --- blocks ahead of what is written ----------------------------------------------------------
 */

/* XFS does the same by itself; others were not measured, and in memory it would clear pages. */
static int is_worth_reserving(int fd)
{
    struct statfs system;
    struct stat file;

    return fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && fstatfs(fd, &system) == 0 &&
           system.f_type == EXT4_SUPER_MAGIC;
}

/* Behind the end of the file, which is where the next bytes go; another may have cut it. That it
 * fails costs time only. */
static void reserve(struct fd_sink *sink)
{
    uint64_t end;

    sink->reserve_at = UINT64_MAX;
    if (!sink->reserved && !is_worth_reserving(sink->fd))
        return;
    sink->base.system_calls++;
    if (fls_os_file_bytes(sink->fd, &end, NULL) != FLS_OK ||
        fallocate(sink->fd, FALLOC_FL_KEEP_SIZE, (off_t)end, RESERVE_BYTES) != 0)
        return;
    sink->reserved = 1;
    sink->reserve_at = sink->written + RESERVE_USED;
}

/* --- the sink ---------------------------------------------------------------------------------
 */

FLS_HOT static enum fls_status fd_writev(struct fls_sink *base, const struct iovec *segments,
                                         int count, size_t *accepted, struct fls_error *error)
{
    struct fd_sink *sink = (struct fd_sink *)base;
    ssize_t written = fls_os_writev(sink->fd, segments, count, &sink->route, &base->system_calls);

    if (written > 0) {
        *accepted = (size_t)written;
        sink->written += (uint64_t)written;
        if (FLS_UNLIKELY(sink->written >= sink->reserve_at))
            reserve(sink);
        return FLS_OK;
    }
    if (written == 0) /* never for non-empty segments; do not turn it into an endless loop */
        return fls_error_system(error, "writev", EIO);
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return FLS_AGAIN;
    return fls_error_system(error, "writev", errno);
}

/* Is what was written still where the path leads to? */
static enum fls_status check_written(struct fd_sink *sink, struct fls_error *error)
{
    if (!sink->path)
        return FLS_OK;
    sink->base.system_calls += 2;
    return fls_os_check_written(sink->fd, AT_FDCWD, sink->path, sink->has_name,
                                sink->began_at + sink->written, error);
}

static enum fls_status fd_flush(struct fls_sink *base, enum fls_level level,
                                struct fls_error *error)
{
    struct fd_sink *sink = (struct fd_sink *)base;

    if (level != FLS_LEVEL_MACHINE)
        return FLS_OK;
    base->system_calls++;
    enum fls_status status = fls_os_sync(sink->fd, error);
    return status == FLS_OK ? check_written(sink, error) : status;
}

static enum fls_status fd_close(struct fls_sink *base, struct fls_error *error)
{
    struct fd_sink *sink = (struct fd_sink *)base;
    enum fls_status status = check_written(sink, error), closed = FLS_OK;

    if (sink->reserved)
        fls_os_give_back(sink->fd, sink->written);
    if (sink->ownership == FLS_OWNED)
        closed = fls_os_close(sink->fd, status == FLS_OK ? error : NULL);
    free(sink->path);
    free(sink);
    return status == FLS_OK ? closed : status;
}

static const struct fls_sink_ops fd_sink_ops = {fd_writev, fd_flush, fd_close};

static struct fls_sink *begin(struct fd_sink *opened, int fd, enum fls_ownership ownership)
{
    opened->base.ops = &fd_sink_ops;
    opened->fd = fd;
    opened->ownership = ownership;
    opened->route = fls_os_route_of(fd);
    opened->reserve_at = UINT64_MAX;
    opened->base.piece_bytes = fls_os_widen_pipe(fd) ? FLS_OS_PIPE_PIECE_BYTES : 0;
    return &opened->base;
}

enum fls_status fls_sink_open_fd(int fd, enum fls_ownership ownership, struct fls_sink **sink,
                                 struct fls_error *error)
{
    enum fls_status status = fls_check_ownership(ownership, error);

    if (status == FLS_OK)
        status = fls_os_check(fd, O_WRONLY, error);
    if (status != FLS_OK)
        return status;
    struct fd_sink *opened = calloc(1, sizeof *opened);
    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    *sink = begin(opened, fd, ownership);
    return FLS_OK;
}

/* --- on a file by its name ---------------------------------------------------------------------
 */

static enum fls_status open_named(const char *path, enum fls_file_mode mode, struct fd_sink *opened,
                                  int *fd, struct fls_error *error)
{
    int flags = O_WRONLY | O_APPEND;

    if (mode == FLS_FILE_CREATE_NEW) {
        opened->created = 1;
        return fls_os_open(path, flags | O_CREAT | O_EXCL, fd, error);
    }
    do {
        *fd = fls_os_try_create(path, flags, &opened->created);
    } while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? fls_error_system(error, "open", errno) : FLS_OK;
}

enum fls_status fls_file_sink_open(const char *path, enum fls_file_mode mode,
                                   struct fls_sink **sink, struct fls_error *error)
{
    int fd;

    if ((unsigned)mode > FLS_FILE_APPEND)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "unknown file mode %d", (int)mode);
    struct fd_sink *opened = calloc(1, sizeof *opened);
    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    opened->path = fls_os_absolute(path);
    enum fls_status status = opened->path ? open_named(path, mode, opened, &fd, error)
                                          : fls_error_no_memory(error, strlen(path));
    if (status != FLS_OK) {
        free(opened->path);
        free(opened);
        return status;
    }
    *sink = begin(opened, fd, FLS_OWNED);
    opened->has_name = fls_os_has_name(fd);
    if (fls_os_file_bytes(fd, &opened->began_at, NULL) != FLS_OK) { /* a device, a pipe */
        free(opened->path);
        opened->path = NULL;
    }
    if (mode != FLS_FILE_APPEND) {
        opened->began_at = 0;
        opened->reserve_at = RESERVE_FROM; /* others may append as well, and lose what is cut */
    }
    return FLS_OK;
}

enum fls_status fls_file_sink_begin(const struct fls_sink *sink, const char *path,
                                    enum fls_file_mode mode, struct fls_error *error)
{
    const struct fd_sink *opened = (const struct fd_sink *)sink;

    return fls_beside_begin_stream(opened->fd, path, mode == FLS_FILE_APPEND, error);
}

void fls_file_sink_take_back(const struct fls_sink *sink, const char *path)
{
    const struct fd_sink *opened = (const struct fd_sink *)sink;

    if (opened->created)
        fls_os_remove_created(opened->fd, path);
}

enum fls_status fls_sink_open_file(const char *path, enum fls_file_mode mode,
                                   struct fls_sink **sink, struct fls_error *error)
{
    struct fls_sink *opened;
    enum fls_status status = fls_file_sink_open(path, mode, &opened, error);

    if (status != FLS_OK)
        return status;
    status = fls_file_sink_begin(opened, path, mode, error);
    if (status != FLS_OK) {
        fls_file_sink_take_back(opened, path);
        (void)fls_sink_close(opened, NULL); /* nothing was written */
        return status;
    }
    *sink = opened;
    return FLS_OK;
}
