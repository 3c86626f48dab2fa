/*
 * progress.h: how far the work has come, on standard error, when that is a terminal and the work
 * takes longer than a second.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/cli.h"

/* Begins a piece of work of `total` bytes (UINT64_MAX: not known) on `name`, which is borrowed.
 * `quiet` non-zero: nothing will be shown. */
void cli_progress_begin(const char *name, uint64_t total, int quiet);

/* The same for work of `total` steps that take about as long each: ticks count those. */
void cli_progress_begin_steps(const char *name, uint64_t total);

/* As cli_progress_begin, for work that falls far behind the reading: only cli_progress_tick_work
 * counts, and not the ticks of a source that reads ahead. */
void cli_progress_begin_work(const char *name, uint64_t total, int quiet);

/* So many bytes (or steps) are done. Looks at the clock: call it once a block, not once a message.
 */
void cli_progress_tick(uint64_t done);
void cli_progress_tick_work(uint64_t done);

/* Takes the line away; it comes back with the next tick. */
void cli_progress_clear(void);

/* The work is over: takes the line away for good. */
void cli_progress_end(void);

#endif
