/*
 * livefile.c: see livefile.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beside.h"
#include "base/os.h"
#include "cli/livefile.h"
#include "cli/outfile.h"
#include "cli/signals.h"
#include "journal/lock.h"

static enum fls_status open_file(struct cli_livefile *file, struct fls_error *error)
{
    struct stat information;

    do {
        file->fd = fls_os_try_create(file->path, O_WRONLY | O_APPEND, &file->is_new);
    } while (file->fd < 0 && errno == EINTR && !cli_signal());
    if (file->fd < 0)
        return cli_signal() ? FLS_STOPPED : cli_system_error(error, "open", errno);
    if (fstat(file->fd, &information) != 0)
        return cli_system_error(error, "fstat", errno);
    file->is_regular = S_ISREG(information.st_mode);
    file->has_name = information.st_nlink > 0;
    file->bytes = file->is_regular ? (uint64_t)information.st_size : 0;
    return FLS_OK;
}

enum fls_status cli_livefile_open(struct cli_livefile *file, const char *path,
                                  enum cli_livefile_mode mode, int may_append,
                                  struct fls_error *error)
{
    *file = (struct cli_livefile){.path = path, .mode = mode, .fd = -1};
    enum fls_status status = open_file(file, error);

    if (status == FLS_OK && file->is_regular)
        status = fls_lock_stream(file->fd, path, error);
    if (status == FLS_OK && file->bytes > 0 && mode == CLI_LIVE_NEW)
        status = cli_outfile_refuse(file->bytes, may_append, error);
    if (status != FLS_OK)
        cli_livefile_give_up(file);
    return status;
}

enum fls_status cli_livefile_begin(struct cli_livefile *file, struct fls_error *error)
{
    if (!file->is_regular) /* standard output has no descriptor here */
        return FLS_OK;
    return fls_beside_begin_stream(file->fd, file->path, file->mode == CLI_LIVE_APPEND, error);
}

enum fls_status cli_livefile_check(const struct cli_livefile *file, uint64_t bytes,
                                   struct fls_error *error)
{
    uint64_t before = file->mode == CLI_LIVE_APPEND ? file->bytes : 0;

    if (!file->is_regular)
        return FLS_OK;
    return fls_os_check_written(file->fd, AT_FDCWD, file->path, file->has_name, before + bytes,
                                error);
}

void cli_livefile_give_up(struct cli_livefile *file)
{
    if (file->fd < 0)
        return;
    if (file->is_new)
        fls_os_remove_created(file->fd, file->path);
    close(file->fd);
    file->fd = -1;
}
