/*
 * chart.c: see chart.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/chart.h"

/* What a field counts, where its name says so. */
static const char *unit_of(const char *name, const struct fls_path *path)
{
    static const struct {
        const char *ending;
        const char *unit;
    } units[] = {{"_bytes", "bytes"}, {"_percent", "%"}, {"_hz", "Hz"}};
    static const char *const times[] = {"", "s", "ms", "\u00b5s", "ns", ""};
    size_t length = strlen(name);

    if (!path)
        return "bytes";
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t ending = strlen(units[i].ending);
        if (length > ending && strcmp(name + length - ending, units[i].ending) == 0)
            return units[i].unit;
    }
    return times[cli_unit_of_name(name, length)];
}

int cli_chart_add_series(struct cli_chart *chart, const char *name, const struct fls_path *path)
{
    struct cli_series *series;

    if (chart->count == CLI_CHART_SERIES_MAX)
        return 0;
    series = calloc(1, sizeof *series);
    if (!series)
        return 0;
    series->name = name;
    series->unit = unit_of(name, path);
    series->path = path;
    chart->series[chart->count++] = series;
    return 1;
}

static void join(struct cli_column *to, const struct cli_column *from)
{
    if (from->count == 0)
        return;
    if (to->count == 0 || from->least < to->least)
        to->least = from->least;
    if (to->count == 0 || from->greatest > to->greatest)
        to->greatest = from->greatest;
    to->sum += from->sum;
    to->count += from->count;
}

static void halve(struct cli_column *columns)
{
    for (size_t i = 0; i < CLI_CHART_COLUMNS / 2; i++) {
        struct cli_column joined = {0, 0, 0, 0};
        join(&joined, &columns[2 * i]);
        join(&joined, &columns[2 * i + 1]);
        columns[i] = joined;
    }
    for (size_t i = CLI_CHART_COLUMNS / 2; i < CLI_CHART_COLUMNS; i++)
        columns[i] = (struct cli_column){0, 0, 0, 0};
}

static double number_of(const struct fls_value *value)
{
    switch (value->kind) {
    case FLS_VALUE_REAL:
        return value->real_value;
    case FLS_VALUE_SIGNED:
        return (double)value->signed_value;
    case FLS_VALUE_BOOL:
        return value->bool_value;
    default:
        return (double)value->unsigned_value;
    }
}

static void add_number(struct cli_column *column, double number)
{
    struct cli_column one = {1, number, number, number};

    if (fabs(number) <= CLI_CHART_LARGEST)
        join(column, &one);
}

static int add_value(void *column, const struct fls_value *value)
{
    if (value->presence != FLS_ABSENT)
        add_number(column, number_of(value));
    return 0;
}

int cli_chart_has_calendar(const struct cli_chart *chart)
{
    return chart->key && chart->key->unit != CLI_TIME_PLAIN;
}

/* As a place on the axis; the differences of large numbers are exact before they are rounded. */
static double place_of(struct cli_chart *chart, const struct fls_value *value)
{
    if (!cli_chart_has_calendar(chart))
        return number_of(value);
    struct cli_instant instant = cli_instant_of_number(value, chart->key->unit);
    if (!chart->has_time)
        chart->first = instant;
    return cli_instant_difference(&instant, &chart->first);
}

/* A message without a time counts with the one before it. */
static void add_time(struct cli_chart *chart, size_t column, const struct fls_message *message,
                     int fields)
{
    struct fls_value value;

    if (fields && cli_key_read(chart->key, message, &value) == CLI_KEY_FOUND) {
        double place = place_of(chart, &value);
        chart->backwards += chart->has_time && place < chart->now;
        chart->now = place;
        chart->has_time = 1;
    }
    if (chart->has_time)
        add_number(&chart->times[column], chart->now);
}

void cli_chart_add(struct cli_chart *chart, const struct fls_message *message, int fields)
{
    if (chart->width == 0)
        chart->width = 1;
    if (chart->messages == chart->width * CLI_CHART_COLUMNS) {
        for (size_t i = 0; i < chart->count; i++)
            halve(chart->series[i]->columns);
        halve(chart->times);
        chart->width *= 2;
    }
    size_t at = (size_t)(chart->messages++ / chart->width);
    if (chart->key)
        add_time(chart, at, message, fields);
    for (size_t i = 0; i < chart->count; i++) {
        struct cli_column *column = &chart->series[i]->columns[at];
        const struct fls_path *path = chart->series[i]->path;
        if (!path)
            add_number(column, (double)message->bytes);
        else if (fields &&
                 fls_path_each(path, message->payload, message->bytes, add_value, column) != FLS_OK)
            fields = 0;
    }
}

size_t cli_chart_columns(const struct cli_chart *chart)
{
    return chart->messages == 0 ? 0 : (size_t)((chart->messages - 1) / chart->width + 1);
}

int cli_columns_range(const struct cli_chart *chart, const struct cli_column *columns,
                      double *least, double *greatest)
{
    struct cli_column all = {0, 0, 0, 0};

    for (size_t i = 0; i < cli_chart_columns(chart); i++)
        join(&all, &columns[i]);
    *least = all.least;
    *greatest = all.greatest;
    return all.count > 0;
}

int cli_series_is_whole(const struct cli_series *series)
{
    return !series->path || fls_path_kind(series->path) != FLS_VALUE_REAL;
}

void cli_chart_free(struct cli_chart *chart)
{
    for (size_t i = 0; i < chart->count; i++)
        free(chart->series[i]);
    chart->count = 0;
}
