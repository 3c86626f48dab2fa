/*
 * disk.c: see disk.h. The size of a file is never increased here: a tail of zeros would read as
 * messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"
#include "journal/disk.h"

enum fls_status fls_disk_sync(int fd, struct fls_error *error)
{
    struct fls_error failure = FLS_ZERO;
    enum fls_status status;

    do {
        status = fls_os_sync(fd, &failure);
    } while (status == FLS_IO && failure.os_errno == EINTR);
    return status == FLS_OK ? FLS_OK : fls_error_copy(error, &failure);
}

enum fls_status fls_disk_open_folder(const char *path, int *fd, struct fls_error *error)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    char *folder = strndup(slash ? path : ".", slash ? length : 1);

    if (!folder)
        return fls_error_no_memory(error, length + 1);
    enum fls_status status = fls_os_open(folder, O_RDONLY | O_DIRECTORY, fd, error);
    free(folder);
    return status;
}

enum fls_status fls_disk_sync_folder(int fd, struct fls_error *error)
{
    int result;

    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    if (result == 0 || errno == EINVAL)
        return FLS_OK;
    return fls_error_system(error, "fsync of the folder", errno);
}

enum fls_status fls_disk_cut(int fd, uint64_t bytes, struct fls_error *error)
{
    uint64_t there;
    enum fls_status status = fls_os_file_bytes(fd, &there, error);

    if (status != FLS_OK || there <= bytes)
        return status;
    return fls_os_truncate(fd, bytes, error);
}

void fls_disk_reserve(int fd, uint64_t bytes)
{
    if (bytes > 0)
        (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
}
