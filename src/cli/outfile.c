/*
 * outfile.c: see outfile.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beside.h"
#include "cli/outfile.h"
#include "cli/signals.h"
#include "journal/disk.h"
#include "journal/lock.h"

/* --- the plan ----------------------------------------------------------------------------------
 */

struct cli_outfile_plan cli_outfile_plan(const char *path, int replace)
{
    struct cli_outfile_plan plan = {.path = path, .replace = replace};
    struct stat named;

    plan.is_there = stat(path, &named) == 0;
    if (plan.is_there) {
        plan.is_special = !S_ISREG(named.st_mode) && !S_ISDIR(named.st_mode);
        plan.device = named.st_dev;
        plan.number = named.st_ino;
    }
    return plan;
}

/* Those of another group than the file's are to it what others are. */
static mode_t less_of_group(mode_t mode)
{
    return mode & (~(mode_t)S_IRWXG | (mode & S_IRWXO) << 3);
}

static void plan_input(struct cli_outfile_plan *plan, const struct stat *input)
{
    if (!S_ISREG(input->st_mode) || input->st_nlink == 0)
        return;
    if (plan->is_there && plan->device == input->st_dev && plan->number == input->st_ino)
        plan->is_input = 1;
    if (!plan->is_limited) {
        plan->is_limited = 1;
        plan->mode = 0777;
        plan->group = input->st_gid;
    }
    plan->mode &= input->st_mode;
    if (plan->group != input->st_gid)
        plan->mode = less_of_group(plan->mode);
}

void cli_outfile_plan_fd(struct cli_outfile_plan *plan, int fd)
{
    struct stat information;

    if (fstat(fd, &information) == 0)
        plan_input(plan, &information);
}

void cli_outfile_plan_unknown(struct cli_outfile_plan *plan, const struct fls_error *error)
{
    plan->unknown = *error;
}

void cli_outfile_plan_path(struct cli_outfile_plan *plan, const char *path)
{
    struct stat information;

    if (stat(path, &information) == 0)
        plan_input(plan, &information);
}

/* mkostemp makes files that only the owner may read; the owner may always read and write. */
static int set_mode(int fd, const struct cli_outfile_plan *plan)
{
    mode_t mask = umask(0), allowed = 0777;
    struct stat information;

    umask(mask);
    if (fstat(fd, &information) != 0)
        return -1;
    if (plan->is_limited)
        allowed = plan->group == information.st_gid ? plan->mode : less_of_group(plan->mode);
    return fchmod(fd, (0666 & ~mask & allowed) | (0600 & ~mask));
}

/* --- what is there -----------------------------------------------------------------------------
 */

enum fls_status cli_outfile_refuse(uint64_t bytes, int may_append, struct fls_error *error)
{
    return cli_set_error(error, FLS_INVALID_ARGUMENT, "it holds %" PRIu64 " bytes: %s--replace %s",
                         bytes, may_append ? "--append goes on with it, " : "", "replaces it");
}

/* A link to what standard output is, like /dev/stdout: there is no name to give. */
static int is_standard_output(const struct stat *named, const struct stat *meant)
{
    struct stat output;

    return S_ISLNK(named->st_mode) && fstat(STDOUT_FILENO, &output) == 0 &&
           output.st_dev == meant->st_dev && output.st_ino == meant->st_ino;
}

/* What is there, and whether it is to be written in place: a pipe, a device. */
static enum fls_status look(const char *path, int replace, int *in_place, struct fls_error *error)
{
    struct stat named, meant;

    *in_place = 0;
    if (lstat(path, &named) != 0)
        return errno == ENOENT ? FLS_OK : cli_system_error(error, "create", errno);
    if (stat(path, &meant) == 0) {
        if (S_ISDIR(meant.st_mode))
            return cli_system_error(error, "create", EISDIR);
        *in_place = !S_ISREG(meant.st_mode) || is_standard_output(&named, &meant);
    }
    if (*in_place || replace)
        return FLS_OK;
    if (S_ISLNK(named.st_mode))
        return cli_set_error(error, FLS_INVALID_ARGUMENT,
                             "it is a symbolic link: --replace puts the file in its place");
    return named.st_size > 0 ? cli_outfile_refuse((uint64_t)named.st_size, 0, error) : FLS_OK;
}

enum fls_status cli_outfile_check(const char *path, int replace, struct fls_error *error)
{
    int in_place;

    return look(path, replace, &in_place, error);
}

/* A temporary name, which stands behind it. */
struct cli_temporary {
    struct cli_undo undo;
    char name[];
};

/* --- a file from its beginning to its name -----------------------------------------------------
 */

static enum fls_status open_in_place(struct cli_outfile *file, struct fls_error *error)
{
    do {
        file->fd = open(file->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    } while (file->fd < 0 && errno == EINTR && !cli_signal());
    file->in_place = file->fd >= 0;
    if (file->in_place)
        return FLS_OK;
    return cli_signal() ? FLS_STOPPED : cli_system_error(error, "open", errno);
}

/* What is there may be a stream that is being written, be it still empty. */
static enum fls_status hold_replaced(struct cli_outfile *file, struct fls_error *error)
{
    file->replaced_fd = open(file->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return file->replaced_fd < 0 ? FLS_OK : fls_lock_stream(file->replaced_fd, file->path, error);
}

static enum fls_status open_temporary(struct cli_outfile *file, const struct cli_outfile_plan *plan,
                                      struct fls_error *error)
{
    static const char ending[] = ".XXXXXX";
    size_t size = strlen(file->path) + sizeof ending;

    struct cli_temporary *temporary = calloc(1, sizeof *temporary + size);
    if (!temporary)
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory");
    file->temporary = temporary;
    snprintf(temporary->name, size, "%s%s", file->path, ending);
    temporary->undo.path = temporary->name;
    cli_signals_hold();
    file->fd = mkostemp(temporary->name, O_CLOEXEC);
    int os_errno = errno;
    if (file->fd >= 0)
        cli_signals_undo(&temporary->undo);
    cli_signals_release();
    if (file->fd < 0)
        return cli_system_error(error, "create", os_errno);
    return set_mode(file->fd, plan) == 0 ? FLS_OK : cli_system_error(error, "fchmod", errno);
}

enum fls_status cli_outfile_open(struct cli_outfile *file, const struct cli_outfile_plan *plan,
                                 struct fls_error *error)
{
    int in_place;

    *file = (struct cli_outfile){.path = plan->path, .fd = -1, .replaced_fd = -1};
    file->replace = plan->replace;
    enum fls_status status = look(plan->path, plan->replace, &in_place, error);
    if (status == FLS_OK && plan->is_input)
        return cli_set_error(error, FLS_INVALID_ARGUMENT, "it is the input too");
    if (status == FLS_OK && plan->unknown.status != FLS_OK) {
        *error = plan->unknown;
        return error->status;
    }
    if (status == FLS_OK && in_place)
        return open_in_place(file, error);
    if (status == FLS_OK)
        status = hold_replaced(file, error);
    if (status == FLS_OK)
        status = open_temporary(file, plan, error);
    if (status != FLS_OK)
        cli_outfile_abandon(file);
    return status;
}

/* Closes what is open; the temporary name is gone already when it was given away. */
static void let_go(struct cli_outfile *file)
{
    if (file->replaced_fd >= 0)
        close(file->replaced_fd);
    if (file->temporary && file->fd >= 0)
        unlink(file->temporary->name);
    if (file->temporary)
        cli_signals_forget(&file->temporary->undo);
    free(file->temporary);
}

/* The name, without taking it from anyone. Some file systems know no such renaming: they may know
 * links. */
static int give_new_name(const struct cli_outfile *file)
{
    if (renameat2(AT_FDCWD, file->temporary->name, AT_FDCWD, file->path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(file->temporary->name, file->path);
}

/* Something failed behind the naming: the new name goes again; what took the place of another file
 * stays, whole. */
static void take_name_back(struct cli_outfile *file)
{
    if (file->replace || unlink(file->path) != 0)
        return;
    file->is_named = 0;
}

static enum fls_status give_name(const struct cli_outfile *file, struct fls_error *error)
{
    if (!file->replace && give_new_name(file) == 0)
        return FLS_OK;
    if (!file->replace && errno != EEXIST)
        return cli_system_error(error, "rename", errno);
    enum fls_status status = cli_outfile_check(file->path, file->replace, error);
    if (status != FLS_OK)
        return status;
    return rename(file->temporary->name, file->path) == 0
               ? FLS_OK
               : cli_system_error(error, "rename", errno);
}

/* A folder that may not be read cannot be synced. */
static enum fls_status sync_folder(const char *path, struct fls_error *error)
{
    int fd;
    enum fls_status status = fls_disk_open_folder(path, &fd, error);

    if (status == FLS_IO && error->os_errno == EACCES)
        return FLS_OK;
    if (status != FLS_OK)
        return status;
    status = fls_disk_sync_folder(fd, error);
    close(fd);
    return status;
}

enum fls_status cli_outfile_finish(struct cli_outfile *file, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    if (file->temporary && fsync(file->fd) != 0 && errno != EINVAL)
        status = cli_system_error(error, "fsync", errno);
    if (close(file->fd) != 0 && status == FLS_OK && errno != EINTR)
        status = cli_system_error(error, "close", errno);
    if (status == FLS_OK && file->temporary) {
        status = give_name(file, error);
        file->is_named = status == FLS_OK;
    }
    if (file->is_named)
        status = sync_folder(file->path, error);
    if (file->is_named && status != FLS_OK)
        take_name_back(file);
    let_go(file);
    return status;
}

enum fls_status cli_outfile_finish_stream(struct cli_outfile *file, struct fls_error *error)
{
    enum fls_status status = cli_outfile_finish(file, error);

    if (status != FLS_OK || !file->is_named)
        return status;
    status = fls_beside_drop_index(file->path, error);
    if (status != FLS_OK)
        take_name_back(file);
    return status;
}

const char *cli_outfile_left(const struct cli_outfile *file)
{
    if (file->in_place)
        return "what it took before is a part";
    return file->is_named ? "it is whole, but a loss of power may take its name away"
                          : "nothing was written";
}

void cli_outfile_abandon(struct cli_outfile *file)
{
    if (file->fd >= 0)
        close(file->fd);
    let_go(file);
}
