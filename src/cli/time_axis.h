/*
 * time_axis.h: the ticks of an axis of time: round moments of the calendar, in UTC.
 */
#ifndef CLI_TIME_AXIS_H
#define CLI_TIME_AXIS_H

#include <stddef.h>

#include "cli/instant.h"

/* at: seconds behind the axis' origin. date: of the first tick, and of each that begins another
 * day, where `label` does not say it; else "". */
struct cli_time_tick {
    double at;
    char label[24];
    char date[16];
};

#define CLI_TIME_TICKS_MAX 16

/* The ticks from `low` to `high`, in seconds behind `origin`: about `wanted` of them, at most
 * CLI_TIME_TICKS_MAX. Returns how many there are. */
size_t cli_time_ticks(const struct cli_instant *origin, double low, double high, unsigned wanted,
                      struct cli_time_tick *ticks);

#endif
