/*
 * chart_place.h: where the columns of a chart stand from left to right: by the number of the
 * message, or by time. Both axes are from 0 to 1.
 */
#ifndef CLI_CHART_PLACE_H
#define CLI_CHART_PLACE_H

#include "cli/chart.h"

/* A column and its place. */
struct cli_place {
    size_t column;
    double x;
};

/* `label` stands under the tick, `below` under that where it is not "". */
struct cli_place_tick {
    double x;
    char label[40];
    char below[16];
};

#define CLI_PLACE_TICKS_MAX 16

/*
 * places, count  the columns from left to right; by time only those that have one
 * ticks          at round numbers or moments
 * title          what the axis is
 */
struct cli_places {
    struct cli_place places[CLI_CHART_COLUMNS];
    size_t count;
    struct cli_place_tick ticks[CLI_PLACE_TICKS_MAX];
    size_t tick_count;
    char title[160];
};

void cli_places_find(const struct cli_chart *chart, struct cli_places *places);

#endif
