/*
 * outfile.c: see outfile.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/outfile.h"
#include "journal/lock.h"

/* mkostemp makes files that only the owner may read; this one is to be like any other. */
static void apply_umask(int fd)
{
    mode_t mask = umask(0);

    umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
}

enum fls_status cli_outfile_open(struct cli_outfile *file, const char *path,
                                 struct fls_error *error)
{
    static const char ending[] = ".XXXXXX";
    struct stat information;

    *file = (struct cli_outfile){path, NULL, -1};
    if (lstat(path, &information) == 0)
        return cli_system_error(error, "create", EEXIST);
    size_t size = strlen(path) + sizeof ending;
    file->temporary = malloc(size);
    if (!file->temporary)
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory");
    snprintf(file->temporary, size, "%s%s", path, ending);
    file->fd = mkostemp(file->temporary, O_CLOEXEC);
    if (file->fd < 0) {
        enum fls_status status = cli_system_error(error, "create", errno);
        free(file->temporary);
        return status;
    }
    apply_umask(file->fd);
    return FLS_OK;
}

/* The name, without taking it from anyone. Some file systems know no links: they may know this. */
static int give_name(const struct cli_outfile *file)
{
    if (renameat2(AT_FDCWD, file->temporary, AT_FDCWD, file->path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(file->temporary, file->path);
}

enum fls_status cli_outfile_finish(struct cli_outfile *file, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    if (fsync(file->fd) != 0 && errno != EINVAL)
        status = cli_system_error(error, "fsync", errno);
    if (close(file->fd) != 0 && status == FLS_OK)
        status = cli_system_error(error, "close", errno);
    if (status == FLS_OK && give_name(file) != 0)
        status = cli_system_error(error, "rename", errno);
    unlink(file->temporary); /* gone already when it was renamed */
    free(file->temporary);
    return status;
}

void cli_outfile_abandon(struct cli_outfile *file)
{
    close(file->fd);
    unlink(file->temporary);
    free(file->temporary);
}

enum fls_status cli_outfile_claim(int fd, const char *path, int empties, struct fls_error *error)
{
    enum fls_status status = fls_lock_stream(fd, path, error);
    int result;

    if (status != FLS_OK || !empties)
        return status;
    do {
        result = ftruncate(fd, 0);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? FLS_OK : cli_system_error(error, "ftruncate", errno);
}
