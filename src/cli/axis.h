/*
 * axis.h: the scale of an axis: round bounds, round steps, short labels.
 */
#ifndef CLI_AXIS_H
#define CLI_AXIS_H

#include <stddef.h>

/*
 *   low, high  the axis; ticks stand at low, low + step, ... up to high
 *   base       what the labels leave out: 0, or the low end of an axis that is narrow and far from
 *              zero (times in nanoseconds)
 */
struct cli_axis {
    double low;
    double high;
    double step;
    double base;
};

/* An axis from `least` to `greatest` with about `ticks` steps, outwards to round numbers; from zero
 * where that costs less than half of it. It goes below zero only when `least` does, and above only
 * when `greatest` does. is_whole: of whole numbers, between which there are no ticks. */
struct cli_axis cli_axis_over(double least, double greatest, unsigned ticks, int is_whole);

/* The label of a tick: "1250", "2.5M", "0.02", "+40". */
#define CLI_LABEL_BYTES 40
const char *cli_axis_label(const struct cli_axis *axis, double at, char *text);

#endif
