/*
 * chart.c: see chart.h.
 */
#include <math.h>
#include <stdlib.h>

#include "cli/chart.h"

int cli_chart_add_series(struct cli_chart *chart, const char *name, const struct fls_path *path)
{
    struct cli_series *series;

    if (chart->count == CLI_CHART_SERIES_MAX)
        return 0;
    series = calloc(1, sizeof *series);
    if (!series)
        return 0;
    series->name = name;
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

static void halve(struct cli_series *series)
{
    for (size_t i = 0; i < CLI_CHART_COLUMNS / 2; i++) {
        struct cli_column joined = {0, 0, 0, 0};
        join(&joined, &series->columns[2 * i]);
        join(&joined, &series->columns[2 * i + 1]);
        series->columns[i] = joined;
    }
    for (size_t i = CLI_CHART_COLUMNS / 2; i < CLI_CHART_COLUMNS; i++)
        series->columns[i] = (struct cli_column){0, 0, 0, 0};
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

void cli_chart_add(struct cli_chart *chart, const struct fls_message *message, int fields)
{
    if (chart->width == 0)
        chart->width = 1;
    if (chart->messages == chart->width * CLI_CHART_COLUMNS) {
        for (size_t i = 0; i < chart->count; i++)
            halve(chart->series[i]);
        chart->width *= 2;
    }
    size_t at = (size_t)(chart->messages++ / chart->width);
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

int cli_series_range(const struct cli_chart *chart, const struct cli_series *series, double *least,
                     double *greatest)
{
    struct cli_column all = {0, 0, 0, 0};

    for (size_t i = 0; i < cli_chart_columns(chart); i++)
        join(&all, &series->columns[i]);
    *least = all.least;
    *greatest = all.greatest;
    return all.count > 0;
}

void cli_chart_free(struct cli_chart *chart)
{
    for (size_t i = 0; i < chart->count; i++)
        free(chart->series[i]);
    chart->count = 0;
}
