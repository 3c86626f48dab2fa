/*
 * chart_place.c: see chart_place.h. A column stands at the mean time of its messages, so that a
 * pause in the stream is as wide as it was long.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/axis.h"
#include "cli/chart_place.h"
#include "cli/time_axis.h"

#define TICKS 8

/* What is drawn: from `low`, so wide. */
struct range {
    double low;
    double width;
};

static double share(const struct range *range, double at)
{
    return (at - range->low) / range->width;
}

static void add_tick(struct cli_places *places, double x, const char *label, const char *below)
{
    if (places->tick_count == CLI_PLACE_TICKS_MAX || x < -1e-9 || x > 1 + 1e-9)
        return;
    struct cli_place_tick *tick = &places->ticks[places->tick_count++];
    tick->x = x;
    snprintf(tick->label, sizeof tick->label, "%s", label);
    snprintf(tick->below, sizeof tick->below, "%s", below);
}

static void add_number_ticks(struct cli_places *places, const struct range *range,
                             const struct cli_axis *axis)
{
    char label[CLI_LABEL_BYTES];

    for (int i = 0; i <= 2 * TICKS; i++) {
        double at = axis->low + i * axis->step;
        add_tick(places, share(range, at), cli_axis_label(axis, at, label), "");
    }
}

/* --- by number -----------------------------------------------------------------------------------
 */

static void by_number(const struct cli_chart *chart, struct cli_places *places)
{
    struct range range = {0, chart->messages > 0 ? (double)chart->messages : 1};
    struct cli_axis axis = cli_axis_over(0, range.width, TICKS, 1);

    places->count = cli_chart_columns(chart);
    for (size_t i = 0; i < places->count; i++) { /* in the middle; the last may be narrower */
        uint64_t first = i * chart->width, behind = first + chart->width;
        behind = behind < chart->messages ? behind : chart->messages;
        places->places[i] =
            (struct cli_place){i, share(&range, ((double)first + (double)behind) / 2)};
    }
    add_number_ticks(places, &range, &axis);
    snprintf(places->title, sizeof places->title, "message number");
}

/* --- by time -------------------------------------------------------------------------------------
 */

static int compare(const void *a, const void *b)
{
    const struct cli_place *left = a, *right = b;

    if (left->x != right->x)
        return left->x < right->x ? -1 : 1;
    return (left->column > right->column) - (left->column < right->column);
}

static void add_columns(const struct cli_chart *chart, const struct range *range,
                        struct cli_places *places)
{
    for (size_t i = 0; i < cli_chart_columns(chart); i++) {
        const struct cli_column *time = &chart->times[i];
        if (time->count > 0)
            places->places[places->count++] =
                (struct cli_place){i, share(range, time->sum / (double)time->count)};
    }
    qsort(places->places, places->count, sizeof places->places[0], compare);
}

/* A single moment stands in the middle. */
static struct range range_over(double least, double greatest, double room)
{
    if (greatest > least)
        return (struct range){least, greatest - least};
    return (struct range){least - room, 2 * room};
}

static void by_calendar(const struct cli_chart *chart, struct cli_places *places, double least,
                        double greatest)
{
    struct range range = range_over(least, greatest, 0.5);
    struct cli_time_tick ticks[CLI_TIME_TICKS_MAX];
    size_t count = cli_time_ticks(&chart->first, range.low, range.low + range.width, TICKS, ticks);

    add_columns(chart, &range, places);
    for (size_t i = 0; i < count; i++)
        add_tick(places, share(&range, ticks[i].at), ticks[i].label, ticks[i].date);
    snprintf(places->title, sizeof places->title, "%.100s, in UTC", chart->key_name);
}

/* A key that counts nobody knows what. */
static void by_key(const struct cli_chart *chart, struct cli_places *places, double least,
                   double greatest)
{
    struct cli_axis axis =
        cli_axis_over(least, greatest, TICKS, chart->key->kind != FLS_VALUE_REAL);
    struct range range = {axis.low, axis.high - axis.low};

    add_columns(chart, &range, places);
    add_number_ticks(places, &range, &axis);
    if (axis.base != 0)
        snprintf(places->title, sizeof places->title, "%.100s, from %.17g", chart->key_name,
                 axis.base);
    else
        snprintf(places->title, sizeof places->title, "%.100s", chart->key_name);
}

void cli_places_find(const struct cli_chart *chart, struct cli_places *places)
{
    double least, greatest;

    places->count = places->tick_count = 0;
    if (!chart->key || !cli_columns_range(chart, chart->times, &least, &greatest))
        by_number(chart, places);
    else if (cli_chart_has_calendar(chart))
        by_calendar(chart, places, least, greatest);
    else
        by_key(chart, places, least, greatest);
}
