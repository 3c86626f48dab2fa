/*
 * replaced.c: see replaced.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <flatstream/series.h>

#include "base/beside.h"
#include "cli/replaced.h"
#include "cli/signals.h"
#include "journal/lock.h"

/* Behind the name of what was put aside; then the number of the process. */
#define ASIDE ".replaced-"

struct cli_replaced_file {
    struct cli_replaced_file *next;
    struct cli_undo undo;
    char *name;
    char *aside;
};

static char *aside_of(const char *name)
{
    size_t size = strlen(name) + sizeof ASIDE + 20;
    char *aside = malloc(size);

    if (aside)
        snprintf(aside, size, "%s" ASIDE "%ld", name, (long)getpid());
    return aside;
}

/* Moves it, if that takes nothing else's name. */
static int move(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(from, to) == 0 ? unlink(from) : -1;
}

static void free_file(struct cli_replaced_file *file)
{
    free(file->name);
    free(file->aside);
    free(file);
}

static enum fls_status move_aside(struct cli_replaced *replaced, const char *name,
                                  struct fls_error *error)
{
    struct cli_replaced_file *file = calloc(1, sizeof *file);

    if (!file)
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory");
    file->name = strdup(name);
    file->aside = aside_of(name);
    if (!file->name || !file->aside) {
        free_file(file);
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory");
    }
    file->undo = (struct cli_undo){.path = file->aside, .back = file->name};
    cli_signals_hold();
    int os_errno = move(name, file->aside) == 0 ? 0 : errno;
    if (os_errno == 0)
        cli_signals_undo(&file->undo);
    cli_signals_release();
    if (os_errno != 0) {
        free_file(file);
        return cli_system_error(error, "rename", os_errno);
    }
    file->next = replaced->files;
    replaced->files = file;
    return FLS_OK;
}

/* The index of a file that was moved, if it has one: what is none of ours is left. */
static enum fls_status move_index_aside(struct cli_replaced *replaced, const char *name,
                                        struct fls_error *error)
{
    size_t size = strlen(name) + sizeof FLS_INDEX_ENDING;
    char *index = malloc(size);
    enum fls_status status = FLS_OK;
    int fd;

    if (!index)
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory");
    snprintf(index, size, "%s" FLS_INDEX_ENDING, name);
    if (fls_beside_open_index(index, NULL, &fd, NULL) == FLS_OK) {
        close(fd);
        status = move_aside(replaced, index, error);
    }
    free(index);
    return status;
}

static enum fls_status put_one_aside(struct cli_replaced *replaced,
                                     const struct cli_replaceable *what, const char *name,
                                     struct fls_error *error)
{
    struct cli_outfile_plan plan = cli_outfile_plan(name, 1);

    what->inputs(what->context, &plan);
    if (plan.unknown.status != FLS_OK) {
        *error = plan.unknown;
        return error->status;
    }
    if (plan.is_input)
        return cli_set_error(error, FLS_INVALID_ARGUMENT, "%s is the input too", name);
    enum fls_status status = move_aside(replaced, name, error);
    return status == FLS_OK ? move_index_aside(replaced, name, error) : status;
}

static enum fls_status put_series_aside(struct cli_replaced *replaced,
                                        const struct cli_replaceable *what, struct fls_error *error)
{
    struct fls_series series;
    enum fls_status status = fls_series_list(what->path, &series, error);

    if (status != FLS_OK)
        return status;
    for (size_t i = 0; i < series.count && status == FLS_OK; i++)
        status = put_one_aside(replaced, what, series.segments[i].path, error);
    fls_series_free(&series);
    return status;
}

/* FLS_END: there is none of this number. */
static enum fls_status put_number_aside(struct cli_replaced *replaced,
                                        const struct cli_replaceable *what, uint64_t number,
                                        struct fls_error *error)
{
    char *name = fls_series_segment_path(what->path, number);
    struct stat information;
    enum fls_status status = FLS_END;

    if (!name)
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory");
    if (lstat(name, &information) == 0 && S_ISREG(information.st_mode))
        status = put_one_aside(replaced, what, name, error);
    free(name);
    return status;
}

static enum fls_status put_numbers_aside(struct cli_replaced *replaced,
                                         const struct cli_replaceable *what,
                                         struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    for (uint64_t number = 1; status == FLS_OK; number++)
        status = put_number_aside(replaced, what, number, error);
    return status == FLS_END ? FLS_OK : status;
}

enum fls_status cli_replaced_put_aside(struct cli_replaced *replaced,
                                       const struct cli_replaceable *what, struct fls_error *error)
{
    struct fls_lock lock;
    struct cli_undo undo = {NULL, NULL, NULL};

    *replaced = (struct cli_replaced){NULL};
    cli_signals_hold();
    enum fls_status status = fls_lock_take(&lock, what->path, error);
    undo.path = status == FLS_OK && lock.created ? lock.path : NULL;
    if (undo.path)
        cli_signals_undo(&undo);
    cli_signals_release();
    if (status != FLS_OK)
        return status;
    status = what->segments ? put_numbers_aside(replaced, what, error)
                            : put_series_aside(replaced, what, error);
    if (status != FLS_OK)
        cli_replaced_put_back(replaced);
    cli_signals_hold();
    cli_signals_forget(&undo);
    fls_lock_give_up(&lock);
    cli_signals_release();
    return status;
}

static void end(struct cli_replaced *replaced, int (*act)(const char *aside, const char *name))
{
    struct cli_replaced_file *file;

    while ((file = replaced->files)) {
        replaced->files = file->next;
        if (act(file->aside, file->name) != 0)
            cli_error(file->name, "%s; it is kept as %s", strerror(errno), file->aside);
        cli_signals_forget(&file->undo);
        free_file(file);
    }
}

static int delete (const char *aside, const char *name)
{
    (void)name;
    return unlink(aside);
}

void cli_replaced_delete(struct cli_replaced *replaced)
{
    for (const struct cli_replaced_file *file = replaced->files; file; file = file->next)
        cli_signals_forget(&file->undo); /* all or none */
    end(replaced, delete);
}

void cli_replaced_put_back(struct cli_replaced *replaced)
{
    end(replaced, move);
}
