/*
 * replaced.h: the segments, or the plain file, that a new stream of several files takes the place
 * of. They are put out of the way under other names, and deleted only when the new ones are there.
 */
#ifndef CLI_REPLACED_H
#define CLI_REPLACED_H

#include "cli/outfile.h"

/* What was put aside; zero is nothing. */
struct cli_replaced {
    struct cli_replaced_file *files; /* the last first */
};

/*
 * What is to be put aside. `inputs` adds to a plan for one of its files what the new stream is made
 * of, so that no input is taken away.
 *
 *   path       of a series, or its plain file
 *   segments   non-zero: only the segments that follow one another from the first, whatever has
 *              the plain name
 */
struct cli_replaceable {
    const char *path;
    int segments;
    void (*inputs)(const void *context, struct cli_outfile_plan *plan);
    const void *context;
};

/*
 * Puts it aside, with the indexes; for as long as that takes with the journal's lock, so that none
 * that is being written is taken away. FLS_OK; FLS_BUSY, FLS_IO, FLS_NO_MEMORY,
 * FLS_INVALID_ARGUMENT (it is an input): all is as it was.
 */
enum fls_status cli_replaced_put_aside(struct cli_replaced *replaced,
                                       const struct cli_replaceable *what, struct fls_error *error);

/* Deletes them; or gives them their names back. What cannot be is said on standard error. Both
 * leave it empty. */
void cli_replaced_delete(struct cli_replaced *replaced);
void cli_replaced_put_back(struct cli_replaced *replaced);

#endif
