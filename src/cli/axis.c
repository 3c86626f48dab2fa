/*
 * axis.c: see axis.h.
 */
#include <math.h>
#include <stdio.h>

#include "cli/axis.h"

/* The next of 1, 2, 5, 10, 20, ... (or 0.5, 0.2, ...) that is at least `step`. */
static double round_step(double step)
{
    double power = pow(10, floor(log10(step)));

    for (int i = 0; i < 3; i++) {
        static const double factors[] = {1, 2, 5};
        if (factors[i] * power >= step * (1 - 1e-9))
            return factors[i] * power;
    }
    return 10 * power;
}

/* A single value stands in the middle, but for zero, which is an end. A double has some 15 digits:
 * there are no finer steps. */
static void make_room(double *least, double *greatest)
{
    double size = fmax(fabs(*least), fabs(*greatest));
    double room = size > 0 ? size * 0.05 : 1;

    if (*greatest - *least > size * 1e-14)
        return;
    if (*least != 0)
        *least -= room;
    *greatest += room;
}

struct cli_axis cli_axis_over(double least, double greatest, unsigned ticks, int is_whole)
{
    struct cli_axis axis = {0, 1, is_whole ? 1 : 0.25, 0};

    if (least > 0 && least < greatest / 2)
        least = 0;
    if (greatest < 0 && greatest > least / 2)
        greatest = 0;
    make_room(&least, &greatest);
    double step = round_step((greatest / ticks - least / ticks));
    if (!isfinite(step) || step <= 0)
        return axis;
    axis.step = is_whole && step < 1 ? 1 : step;
    axis.low = floor(least / axis.step + 1e-9) * axis.step;
    axis.high = ceil(greatest / axis.step - 1e-9) * axis.step;
    if (fabs(axis.low) > 1e4 * (axis.high - axis.low))
        axis.base = axis.low;
    return axis;
}

const char *cli_axis_label(const struct cli_axis *axis, double at, char *text)
{
    static const struct {
        double scale;
        const char *unit;
    } units[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}};
    double shown = at - axis->base;
    double size = fmax(fabs(axis->low - axis->base), fabs(axis->high - axis->base));
    const char *sign = axis->base != 0 ? "+" : "";
    size_t unit = 0;

    if (fabs(shown) < axis->step * 1e-6)
        shown = 0;
    if (size >= 1e15 || size < 1e-3) {
        snprintf(text, CLI_LABEL_BYTES, "%s%.4g", sign, shown);
        return text;
    }
    /* Steps that would need more than two decimals are better told in a smaller unit. */
    while (units[unit].scale > 1 &&
           (size < 10 * units[unit].scale || axis->step < 0.00999 * units[unit].scale))
        unit++;
    double step = axis->step / units[unit].scale;
    int decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    snprintf(text, CLI_LABEL_BYTES, "%s%.*f%s", sign, decimals < 12 ? decimals : 12,
             shown / units[unit].scale, shown != 0 ? units[unit].unit : "");
    return text;
}
