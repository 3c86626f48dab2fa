/*
 * signals.h: SIGINT, SIGTERM and SIGHUP as a flag, for verbs that hold something which must stay
 * whole. The first signal asks; a second one ends the process at once, with what is half made
 * undone.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stddef.h>
#include <sys/types.h>

#include <flatstream/series.h>

/* From now on the signals set the flag. */
void cli_signals_catch(void);

/* What a second signal undoes: the file `path` gets the name `back` again, or, without one, goes.
 */
struct cli_undo {
    struct cli_undo *next;
    const char *path;
    const char *back;
};

/* Between these no signal is served; they may be nested. */
void cli_signals_hold(void);
void cli_signals_release(void);

/* From here on, and no more. With the signals held: what is to be undone was done in that time. */
void cli_signals_undo(struct cli_undo *undo);
/* Without. NULL, and one that is not known, are ignored. */
void cli_signals_forget(const struct cli_undo *undo);

/* A signal also stops this following source; NULL: none any more, which must be said before it is
 * closed (where it is followed there is one thread, so no handler is still at it then). At once, if
 * one came before. */
void cli_signals_stop(struct fls_source *source);

/*
 * SIGHUP is a request from now on, unless nohup(1) took it away: `serve` is called, with the
 * context, by the read that comes next, or that waits. NULL: it waits until it can be served. After
 * cli_signals_catch.
 */
void cli_signals_on_hangup(void (*serve)(void *context), void *context);

/* The signal that came, or 0. */
int cli_signal(void);

/* The exit status for it: 128 and its number. */
int cli_signal_exit(void);

/* Is there something to read from `fd` at once (or its end)? Always true for a regular file. */
int cli_input_ready(int fd);

/* Waits until `fd` has input or a signal came; errors show in the read that follows. Here and
 * below: ends the process when the output's reader is gone (reader_gone.h). */
void cli_wait_for_input(int fd);

/* Waits until that moment of fls_clock_now_ns at most, or until a signal came. */
void cli_wait_until(uint64_t ns);

/* Opens a path for reading. That of a FIFO is open at once: its writer is waited for by the first
 * wait for input, which must come before the first read. FLS_OK, FLS_IO. */
enum fls_status cli_open_input(const char *path, int *fd, struct fls_error *error);

/* read(2) that waits for input even on a non-blocking descriptor, and gives up when a signal comes:
 * -1 with EINTR then. 0 at the end. */
ssize_t cli_read(int fd, void *bytes, size_t count);

#endif
