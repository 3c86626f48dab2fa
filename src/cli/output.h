/*
 * output.h: standard output, buffered, with every error remembered.
 *
 * All that the verbs print goes through here. After a failure further output is dropped;
 * cli_out_failed says so, and main reports it once, at the end.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli/cli.h"

void cli_out_bytes(const void *bytes, size_t count);
void cli_out_text(const char *format, ...) CLI_PRINTF(1, 2);

/* Room for `count` (at most CLI_OUT_ROOM) bytes to be filled in place; then cli_out_advance. */
#define CLI_OUT_ROOM 4096
char *cli_out_room(size_t count);
void cli_out_advance(size_t count);

/* Is standard output a terminal? Then all that is printed is made harmless (shown.h); else the
 * bytes go out as they are. */
int cli_out_is_terminal(void);

/* Why a stream is not written to one. */
#define CLI_OUT_NO_STREAM                                                                          \
    "standard output is a terminal, and a stream is no text: name a file, or pipe it"

/* Hands what is buffered to the system. */
void cli_out_flush(void);

/* The errno of the first failure, or 0. */
int cli_out_failed(void);

/* Flushes and closes standard output; what goes wrong is reported, except a reader that went away:
 * that ends the process by SIGPIPE. Returns CLI_WELL or CLI_SYSTEM. */
int cli_out_close(void);

#endif
