/*
 * chart_text.c: a chart of a few lines for a terminal: one bar of eighth blocks for each column.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/axis.h"
#include "cli/chart.h"
#include "cli/output.h"

#define COLUMNS 64
#define ROWS 4
#define EIGHTHS 8

/* The locale as the environment names it: LC_ALL, LC_CTYPE, LANG, the first that is set. */
static int is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return 0;
}

/* The mean of the columns that fall into column `at` of `shown`; 0 when they hold nothing. */
static int mean_of(const struct cli_series *series, size_t columns, size_t at, size_t shown,
                   double *mean)
{
    uint64_t count = 0;
    double sum = 0;

    for (size_t i = at * columns / shown; i < (at + 1) * columns / shown; i++) {
        count += series->columns[i].count;
        sum += series->columns[i].sum;
    }
    *mean = count > 0 ? sum / (double)count : 0;
    return count > 0;
}

/* How many eighths of all rows a value fills; what is there is always seen. */
static int height_of(const struct cli_axis *axis, double value)
{
    double share = (value - axis->low) / (axis->high - axis->low);
    int height = (int)(share * ROWS * EIGHTHS + 0.5);

    return height < 1 ? 1 : height > ROWS * EIGHTHS ? ROWS * EIGHTHS : height;
}

static const char *block_of(int eighths, int utf8)
{
    static const char *const blocks[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};

    if (!utf8)
        return eighths >= EIGHTHS / 2 ? "#" : eighths > 0 ? "." : " ";
    return blocks[eighths < 0 ? 0 : eighths > EIGHTHS ? EIGHTHS : eighths];
}

static void put_row(const int *heights, size_t shown, int row, const char *label, int utf8)
{
    cli_out_text("  %10s ", label);
    for (size_t i = 0; i < shown; i++) {
        const char *block = block_of(heights[i] - row * EIGHTHS, utf8);
        cli_out_bytes(block, strlen(block));
    }
    cli_out_bytes("\n", 1);
}

static void put_series(const struct cli_chart *chart, const struct cli_series *series, int utf8)
{
    size_t columns = cli_chart_columns(chart), shown = columns < COLUMNS ? columns : COLUMNS;
    char label[CLI_LABEL_BYTES];
    double least, greatest, mean;
    int heights[COLUMNS];

    cli_out_text("  %s%s%s%s\n", series->name, series->unit[0] && series->path ? " (" : "",
                 series->path ? series->unit : "", series->unit[0] && series->path ? ")" : "");
    if (!cli_columns_range(chart, series->columns, &least, &greatest)) {
        cli_out_text("  %10s (no values)\n", "");
        return;
    }
    struct cli_axis axis = cli_axis_over(least, greatest, ROWS, cli_series_is_whole(series));
    for (size_t i = 0; i < shown; i++)
        heights[i] = mean_of(series, columns, i, shown, &mean) ? height_of(&axis, mean) : 0;
    if (axis.base != 0)
        cli_out_text("  %10s (from %.17g)\n", "", axis.base);
    for (int row = ROWS - 1; row >= 0; row--)
        put_row(heights, shown, row,
                row == ROWS - 1 ? cli_axis_label(&axis, axis.high, label)
                : row == 0      ? cli_axis_label(&axis, axis.low, label)
                                : "",
                utf8);
}

/* From when to when, or from which number to which. */
static void put_times(const struct cli_chart *chart)
{
    char text[CLI_INSTANT_BYTES], other[CLI_INSTANT_BYTES];
    double least, greatest;

    if (!chart->key || !cli_columns_range(chart, chart->times, &least, &greatest))
        return;
    if (cli_chart_has_calendar(chart)) {
        struct cli_instant from = cli_instant_behind(&chart->first, least);
        struct cli_instant to = cli_instant_behind(&chart->first, greatest);
        cli_out_text(", %s from %s to %s", chart->key_name, cli_instant_text(&from, text),
                     cli_instant_text(&to, other));
    } else {
        cli_out_text(", %s from %.17g to %.17g", chart->key_name, least, greatest);
    }
}

void cli_chart_text(const struct cli_chart *chart)
{
    int utf8 = is_utf8();

    if (chart->messages == 0)
        return;
    cli_out_text("  means over the stream, first to last message");
    put_times(chart);
    cli_out_text(":\n");
    for (size_t i = 0; i < chart->count; i++)
        put_series(chart, chart->series[i], utf8);
}
