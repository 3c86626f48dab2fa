/*
 * progress.c: see progress.h. There is one terminal, hence one progress line, hence one state.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <flatstream/clock.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/shown.h"

#define SECOND_NS UINT64_C(1000000000)
#define REDRAW_NS (SECOND_NS / 5)

static struct {
    int on;
    int shown;
    int in_steps;
    int by_worker; /* reading does not count */
    const char *name;
    uint64_t total;
    uint64_t began_ns;
    uint64_t due_ns;
} progress;

void cli_progress_begin(const char *name, uint64_t total, int quiet)
{
    progress.on = !quiet && isatty(STDERR_FILENO);
    progress.shown = 0;
    progress.in_steps = 0;
    progress.by_worker = 0;
    progress.name = name;
    progress.total = total;
    progress.began_ns = progress.on ? fls_clock_now_ns(NULL) : 0;
    progress.due_ns = progress.began_ns + SECOND_NS;
}

void cli_progress_begin_steps(const char *name, uint64_t total)
{
    cli_progress_begin(name, total, 0);
    progress.in_steps = 1;
}

void cli_progress_begin_work(const char *name, uint64_t total, int quiet)
{
    cli_progress_begin(name, total, quiet);
    progress.by_worker = 1;
}

/* "40 % " and ", 12 s left", when the end is known. */
static void estimate(uint64_t done, double rate, char *percent, char *left, size_t size)
{
    percent[0] = left[0] = '\0';
    if (progress.total == UINT64_MAX || progress.total == 0 || done > progress.total)
        return;
    snprintf(percent, size, "%3.0f %%  ", 100.0 * (double)done / (double)progress.total);
    if (rate <= 0)
        return;
    double seconds = (double)(progress.total - done) / rate;
    if (seconds < 100)
        snprintf(left, size, ", %.0f s left", seconds);
    else
        snprintf(left, size, ", %.0f min left", seconds / 60);
}

static void draw(uint64_t done, uint64_t now_ns)
{
    char bytes[CLI_HUMAN_BYTES], speed[CLI_HUMAN_BYTES], percent[32], left[32];
    double seconds = (double)(now_ns - progress.began_ns) / (double)SECOND_NS;
    double rate = (double)done / seconds;
    const char *slash = strrchr(progress.name, '/');
    char name[40 * CLI_SHOWN_FACTOR + 1];

    estimate(done, rate, percent, left, sizeof left);
    cli_shown_name(slash ? slash + 1 : progress.name, name, sizeof name);
    fprintf(stderr, "\r\033[K%.40s: %s", name, percent);
    if (progress.in_steps)
        fprintf(stderr, "done%s", left);
    else
        fprintf(stderr, "%s, %s/s%s", cli_human_bytes(done, bytes),
                cli_human_bytes((uint64_t)rate, speed), left);
    fflush(stderr);
    progress.shown = 1;
}

static void tick(uint64_t done)
{
    uint64_t now_ns = fls_clock_now_ns(NULL);
    if (now_ns < progress.due_ns)
        return;
    progress.due_ns = now_ns + REDRAW_NS;
    draw(done, now_ns);
}

void cli_progress_tick(uint64_t done)
{
    if (progress.on && !progress.by_worker)
        tick(done);
}

void cli_progress_tick_work(uint64_t done)
{
    if (progress.on)
        tick(done);
}

void cli_progress_clear(void)
{
    if (!progress.shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress.shown = 0;
}

void cli_progress_end(void)
{
    cli_progress_clear();
    progress.on = 0;
}
