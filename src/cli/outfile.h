/*
 * outfile.h: a file that comes into being whole or not at all.
 */
#ifndef CLI_OUTFILE_H
#define CLI_OUTFILE_H

#include "cli/cli.h"

/* A new file under a temporary name beside its own; see cli_outfile_finish. */
struct cli_outfile {
    const char *path;
    char *temporary;
    int fd;
};

/* FLS_OK; FLS_IO (EEXIST when `path` exists), FLS_NO_MEMORY. */
enum fls_status cli_outfile_open(struct cli_outfile *file, const char *path,
                                 struct fls_error *error);

/* Syncs the file and gives it its name, unless a file has that name by now (EEXIST). Whatever it
 * returns, nothing is left open and no temporary file behind. FLS_OK, FLS_IO. */
enum fls_status cli_outfile_finish(struct cli_outfile *file, struct fls_error *error);

/* Removes it. */
void cli_outfile_abandon(struct cli_outfile *file);

/*
 * A file that is there, open as `fd` for a stream, and maybe someone else's: takes its lock
 * (journal/lock.h), and then empties it if `empties`. FLS_OK, FLS_BUSY, FLS_IO.
 */
enum fls_status cli_outfile_claim(int fd, const char *path, int empties, struct fls_error *error);

#endif
