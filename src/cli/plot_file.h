/*
 * plot_file.h: the file that a picture goes to.
 */
#ifndef CLI_PLOT_FILE_H
#define CLI_PLOT_FILE_H

#include "cli/outfile.h"

/* Can a picture be made under this name, which is not `-`? CLI_GO_ON; CLI_USAGE or CLI_SYSTEM with
 * the message given. */
int cli_plot_check(const struct cli_verb *verb, const char *path, int replace);

/* Makes the file, of a picture of the stream that is read as `stream` (a path, a series' name, or
 * `-`). CLI_WELL, or the exit status with the message given: then nothing was made. */
int cli_plot_write(const char *path, int replace, const char *stream, const char *text,
                   size_t length);

#endif
