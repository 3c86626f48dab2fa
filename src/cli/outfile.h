/*
 * outfile.h: a file that a verb makes from others: it comes into being whole or not at all, and
 * replaces nothing that it was not told to.
 *
 * What is written lies under a temporary name beside its own until it is whole, and can be read by
 * nobody who could not read what it was made from. A pipe, a device, and the file that standard
 * output is, are written in place.
 */
#ifndef CLI_OUTFILE_H
#define CLI_OUTFILE_H

#include <sys/types.h>

#include "cli/cli.h"

/* The option, and its line of help, of every verb that makes a file. */
#define CLI_REPLACE_OPTION(variable)                                                               \
    {                                                                                              \
        "replace", 0, CLI_FLAG, variable, NULL, 0                                                  \
    }
#define CLI_REPLACE_HELP                                                                           \
    "  --replace          an OUT that holds anything is replaced; else it is refused\n"

/*
 * What a file is to be made of, and may replace.
 *
 *   mode, group      who may read all that it is made of, once `is_limited`
 *   device, number   what has its name now, if `is_there`; `is_special`: a pipe, a device
 *   is_input         and that is what it would be made of
 *   unknown          why it could not be found out what it is made of
 */
struct cli_outfile_plan {
    const char *path;
    int replace;
    int is_limited;
    mode_t mode;
    gid_t group;
    int is_there;
    int is_special;
    dev_t device;
    ino_t number;
    int is_input;
    struct fls_error unknown;
};

/* A plan for `path` (which outlives it), made of nothing yet. */
struct cli_outfile_plan cli_outfile_plan(const char *path, int replace);

/* It is made of this file, too: nobody may read it who may not read that. A pipe, and a file
 * without a name, limit nobody. */
void cli_outfile_plan_fd(struct cli_outfile_plan *plan, int fd);
void cli_outfile_plan_path(struct cli_outfile_plan *plan, const char *path);

/* It is made of what could not be found out, and why: opening it will fail with that. */
void cli_outfile_plan_unknown(struct cli_outfile_plan *plan, const struct fls_error *error);

/* A new file; see cli_outfile_finish. */
struct cli_outfile {
    const char *path;
    struct cli_temporary *temporary; /* NULL: it is written in place */
    int fd;
    int replace;
    int replaced_fd; /* what it will replace, locked; -1: nothing */
    int in_place;    /* a pipe or device was opened */
    int is_named;    /* it has its name */
};

/* FLS_INVALID_ARGUMENT, with the words: OUT holds `bytes`. `may_append`: of a verb with --append.
 */
enum fls_status cli_outfile_refuse(uint64_t bytes, int may_append, struct fls_error *error);

/* Can a file be made of that name? FLS_OK; FLS_INVALID_ARGUMENT: it holds something, or is a
 * symbolic link, and `replace` was not said; FLS_IO (a folder). */
enum fls_status cli_outfile_check(const char *path, int replace, struct fls_error *error);

/* As cli_outfile_check; and FLS_INVALID_ARGUMENT (it is the input too), FLS_BUSY (what is there is
 * being written), FLS_IO, FLS_NO_MEMORY, FLS_STOPPED. */
enum fls_status cli_outfile_open(struct cli_outfile *file, const struct cli_outfile_plan *plan,
                                 struct fls_error *error);

/* Syncs the file, gives it its name unless something is in the way by now (as cli_outfile_check),
 * and syncs the folder. Whatever it returns, nothing is left open and no temporary file behind. */
enum fls_status cli_outfile_finish(struct cli_outfile *file, struct fls_error *error);

/* The same for a stream, of which an index beside it that an earlier one has left goes. */
enum fls_status cli_outfile_finish_stream(struct cli_outfile *file, struct fls_error *error);

/* What a failure has left, for people: of a file nothing, but when its folder could not be synced.
 */
const char *cli_outfile_left(const struct cli_outfile *file);

/* Removes it. */
void cli_outfile_abandon(struct cli_outfile *file);

#endif
