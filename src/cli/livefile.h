/*
 * livefile.h: a file that a verb writes in place, while others read it.
 *
 * Nothing is done to it until all that can be refused has been: opening changes nothing that is
 * there, and only then it is emptied, if it is to be.
 */
#ifndef CLI_LIVEFILE_H
#define CLI_LIVEFILE_H

#include "cli/cli.h"

/* What is to become of what it holds. */
enum cli_livefile_mode { CLI_LIVE_NEW, CLI_LIVE_REPLACE, CLI_LIVE_APPEND };

/*
 *   is_regular  else a pipe, a device
 *   is_new      it was not there
 *   has_name    not one that was removed before
 *   bytes       that it held when it was opened
 */
struct cli_livefile {
    const char *path;
    enum cli_livefile_mode mode;
    int fd;
    int is_regular;
    int is_new;
    int has_name;
    uint64_t bytes;
};

/*
 * Opens it for writing behind its end, wherever that is by then, and takes its lock
 * (journal/lock.h). `may_append`: for the words of a refusal. FLS_OK; FLS_INVALID_ARGUMENT: it
 * holds something, and `mode` is CLI_LIVE_NEW; FLS_BUSY, FLS_IO, FLS_STOPPED (a signal): nothing
 * is open then, and all is as it was.
 */
enum fls_status cli_livefile_open(struct cli_livefile *file, const char *path,
                                  enum cli_livefile_mode mode, int may_append,
                                  struct fls_error *error);

/* Nothing stands in the way: empties it, if it is to be replaced, and removes an index of what it
 * held. FLS_OK, FLS_IO. */
enum fls_status cli_livefile_begin(struct cli_livefile *file, struct fls_error *error);

/* Is what was written still where the path leads to? `bytes` were, since it was begun. FLS_OK;
 * FLS_IO: deleted, renamed, replaced or cut short meanwhile, in words. */
enum fls_status cli_livefile_check(const struct cli_livefile *file, uint64_t bytes,
                                   struct fls_error *error);

/* Closes it, and removes it if it is new: all is as it was. */
void cli_livefile_give_up(struct cli_livefile *file);

#endif
