/*
 * beside.c: see beside.h. Used by the lock, the index, what is set aside, and whoever begins a
 * stream anew.
 *
 * A name is looked at before it is opened, so that a device is not; what was opened is looked at
 * again, so that what was put there in between is not used; and a name is removed only if it is
 * still that of the file that was looked at.
 */
#include "base/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"

#define MAGIC_BYTES (sizeof FLS_INDEX_MAGIC - 1)
#define ZEROS_MAX 4096 /* that a loss of power may leave of a file */
#define SHOWN_BYTES 64 /* of a name, in an error's text */

static int is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* ---- is it ours? ---------------------------------------------------------------------------- */

enum fls_status fls_beside_refuse(const char *path, const char *what, struct fls_error *error)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name);
    const char *shown = length > SHOWN_BYTES ? name + length - SHOWN_BYTES : name;

    return fls_error_set(error, FLS_INVALID_ARGUMENT,
                         "%s, beside the stream, is %s: it is left as it is; move it away", shown,
                         what);
}

static const char *kind_of(mode_t mode)
{
    if (S_ISLNK(mode))
        return "a symbolic link";
    if (S_ISDIR(mode))
        return "a directory";
    if (S_ISFIFO(mode))
        return "a pipe";
    return S_ISSOCK(mode) ? "a socket" : "a device";
}

static int is_trusted(uid_t owner, const struct stat *stream)
{
    return owner == geteuid() || owner == 0 || (stream && owner == stream->st_uid);
}

/* Writing to a file that has another name would change that one. */
static enum fls_status examine(const char *path, int flags, const struct stat *information,
                               const struct stat *stream, struct fls_error *error)
{
    if (!S_ISREG(information->st_mode))
        return fls_beside_refuse(path, kind_of(information->st_mode), error);
    if (!is_trusted(information->st_uid, stream))
        return fls_beside_refuse(path, "another user's", error);
    if ((flags & O_ACCMODE) != O_RDONLY && information->st_nlink > 1)
        return fls_beside_refuse(path, "a file with more names than this", error);
    return FLS_OK;
}

enum fls_status fls_beside_open(const char *path, int flags, const struct stat *stream, int *fd,
                                struct fls_error *error)
{
    struct stat before, now;

    if (lstat(path, &before) != 0)
        return fls_error_system(error, "open", errno);
    enum fls_status status = examine(path, flags, &before, stream, error);
    if (status == FLS_OK)
        status = fls_os_open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, fd, error);
    if (status != FLS_OK)
        return status;
    if (fstat(*fd, &now) != 0)
        status = fls_error_system(error, "fstat", errno);
    else
        status = examine(path, flags, &now, stream, error);
    if (status != FLS_OK)
        (void)fls_os_close(*fd, NULL);
    return status;
}

/* ---- creating and removing ------------------------------------------------------------------ */

/* Group's rights are meant for the stream's group. */
static int keep_from_others(int fd, const struct stat *stream)
{
    struct stat created;

    if (!stream || fstat(fd, &created) != 0)
        return stream ? -1 : 0;
    if (created.st_gid == stream->st_gid || fchown(fd, (uid_t)-1, stream->st_gid) == 0)
        return 0;
    mode_t mode = created.st_mode & 0777, others = mode & 07;
    return fchmod(fd, (mode & 0707) | (others << 3 & mode));
}

enum fls_status fls_beside_create(const char *path, int flags, const struct stat *stream, int *fd,
                                  struct fls_error *error)
{
    mode_t mode = stream ? stream->st_mode & 0666 : 0666;

    do {
        *fd = open(path, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, mode);
    } while (*fd < 0 && errno == EINTR);
    if (*fd < 0)
        return fls_error_system(error, "create", errno);
    if (keep_from_others(*fd, stream) == 0)
        return FLS_OK;
    enum fls_status status = fls_error_system(error, "fchmod", errno);
    enum fls_status removed = fls_beside_remove(*fd, path, NULL);
    (void)removed; /* what failed first is what is told */
    (void)fls_os_close(*fd, NULL);
    return status;
}

int fls_beside_is_at(int fd, const char *path)
{
    struct stat ours, named;

    return fstat(fd, &ours) == 0 && lstat(path, &named) == 0 && is_same(&ours, &named);
}

enum fls_status fls_beside_remove(int fd, const char *path, struct fls_error *error)
{
    if (!fls_beside_is_at(fd, path) || unlink(path) == 0 || errno == ENOENT)
        return FLS_OK;
    return fls_error_system(error, "unlink", errno);
}

/* ---- the index ------------------------------------------------------------------------------ */

static int is_zero(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return 0;
    return 1;
}

int fls_beside_is_index(int fd)
{
    uint8_t bytes[ZEROS_MAX + 1];
    ssize_t got = fls_os_pread(fd, bytes, sizeof bytes, 0);

    if (got < 0)
        return 0;
    return memcmp(bytes, FLS_INDEX_MAGIC, fls_min_size((size_t)got, MAGIC_BYTES)) == 0 ||
           (got <= ZEROS_MAX && is_zero(bytes, (size_t)got));
}

enum fls_status fls_beside_open_index(const char *path, const struct stat *stream, int *fd,
                                      struct fls_error *error)
{
    enum fls_status status = fls_beside_open(path, O_RDONLY, stream, fd, error);

    if (status != FLS_OK || fls_beside_is_index(*fd))
        return status;
    (void)fls_os_close(*fd, NULL);
    return fls_beside_refuse(path, "no index", error);
}

/* Where no file could have that name there is none, either. */
static int is_missing(enum fls_status status, const struct fls_error *failure)
{
    return status == FLS_IO && (failure->os_errno == ENOENT || failure->os_errno == ENOTDIR ||
                                failure->os_errno == ENAMETOOLONG);
}

enum fls_status fls_beside_remove_index(const char *path, const struct stat *stream,
                                        struct fls_error *error)
{
    struct fls_error failure = FLS_ZERO;
    int fd;
    enum fls_status status = fls_beside_open_index(path, stream, &fd, &failure);

    if (is_missing(status, &failure))
        return FLS_OK;
    if (status != FLS_OK)
        return fls_error_copy(error, &failure);
    status = fls_beside_remove(fd, path, error);
    (void)fls_os_close(fd, NULL);
    return status;
}

/* The two change names, and what comes out is the index that was looked at; else they change back.
 * A file system that cannot do that replaces it at once. */
static enum fls_status exchange(const char *temporary, const char *path, int old,
                                struct fls_error *error)
{
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_EXCHANGE) == 0) {
        if (fls_beside_is_at(old, temporary))
            return fls_beside_remove(old, temporary, error);
        (void)renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_EXCHANGE);
        return fls_beside_refuse(path, "being changed by another", error);
    }
    if (errno != EINVAL && errno != ENOSYS)
        return fls_error_system(error, "rename", errno);
    if (!fls_beside_is_at(old, path))
        return fls_beside_refuse(path, "being changed by another", error);
    return rename(temporary, path) == 0 ? FLS_OK : fls_error_system(error, "rename", errno);
}

/* Nothing had the name; who took it meanwhile keeps it. */
static enum fls_status take_name(const char *temporary, const char *path, struct fls_error *error)
{
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return FLS_OK;
    if (errno != EINVAL && errno != ENOSYS)
        return fls_error_system(error, "rename", errno);
    if (link(temporary, path) != 0 || unlink(temporary) != 0)
        return fls_error_system(error, "rename", errno);
    return FLS_OK;
}

enum fls_status fls_beside_replace_index(const char *temporary, const char *path,
                                         const struct stat *stream, struct fls_error *error)
{
    struct fls_error failure = FLS_ZERO;
    int old;
    enum fls_status status = fls_beside_open_index(path, stream, &old, &failure);

    if (is_missing(status, &failure))
        return take_name(temporary, path, error);
    if (status != FLS_OK)
        return fls_error_copy(error, &failure);
    status = exchange(temporary, path, old, error);
    (void)fls_os_close(old, NULL);
    return status;
}

enum fls_status fls_beside_drop_index(const char *stream_path, struct fls_error *error)
{
    size_t length = strlen(stream_path) + sizeof FLS_INDEX_ENDING;
    char *path = malloc(length);
    struct stat stream;

    if (!path)
        return fls_error_no_memory(error, length);
    snprintf(path, length, "%s" FLS_INDEX_ENDING, stream_path);
    int is_there = stat(stream_path, &stream) == 0;
    enum fls_status status = fls_beside_remove_index(path, is_there ? &stream : NULL, error);
    free(path);
    if (status != FLS_INVALID_ARGUMENT)
        return status;
    if (error)
        memset(error, 0, sizeof *error);
    return FLS_OK;
}

enum fls_status fls_beside_begin_stream(int fd, const char *path, int appends,
                                        struct fls_error *error)
{
    uint64_t bytes;
    enum fls_status status = fls_os_file_bytes(fd, &bytes, error);

    if (status == FLS_UNSUPPORTED || (status == FLS_OK && appends && bytes > 0))
        return FLS_OK;
    if (status == FLS_OK && bytes > 0) /* is it one that cannot be cut? The index stays then, too */
        status = fls_os_truncate(fd, bytes, error);
    if (status == FLS_OK)
        status = fls_beside_drop_index(path, error);
    return status == FLS_OK && bytes > 0 ? fls_os_truncate(fd, 0, error) : status;
}
