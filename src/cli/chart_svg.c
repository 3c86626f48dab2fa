/*
 * chart_svg.c: a chart as an SVG: one panel for each series, the stream from left to right in all
 * of them, by number or by time. A line joins the columns' means; where columns hold several
 * messages, a band reaches from the least to the greatest of each. The colours stay apart in print
 * and for the colour-blind (Okabe and Ito's).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/axis.h"
#include "cli/chart_place.h"
#include "cli/json_out.h"

#define WIDTH 960
#define LEFT 96
#define RIGHT 40
#define TOP 64
#define PANEL 150
#define BETWEEN 48
#define BOTTOM 56
#define PLOT (WIDTH - LEFT - RIGHT)
/* So few messages are drawn as points too. */
#define POINTS_MAX 100
/* So many series are named in the title. */
#define TITLE_SERIES_MAX 3

static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73",
                                      "#cc79a7", "#56b4e9", "#e69f00"};

/* One panel being drawn. */
struct panel {
    FILE *out;
    const struct cli_chart *chart;
    const struct cli_places *places;
    const struct cli_series *series;
    struct cli_axis y;
    double top;
    const char *colour;
};

static void put_escaped(FILE *out, const char *text)
{
    while (*text) {
        unsigned char byte = (unsigned char)*text;
        unsigned length = byte < 0x80 ? 1 : cli_utf8_length(text);
        if (byte == '<' || byte == '>' || byte == '&' || byte == '"')
            fprintf(out, "&#%d;", byte);
        else if (length == 0 || byte < 0x20 || byte == 0x7f)
            putc('?', out);
        else
            fwrite(text, 1, length, out);
        text += length ? length : 1;
    }
}

/* --- places ------------------------------------------------------------------------------------
 */

static double x_at(double share)
{
    return LEFT + share * PLOT;
}

/* Of the column that has the i-th place from the left. */
static double x_of(const struct panel *panel, size_t i)
{
    return x_at(panel->places->places[i].x);
}

static const struct cli_column *column_at(const struct panel *panel, size_t i)
{
    return &panel->series->columns[panel->places->places[i].column];
}

static double y_of(const struct panel *panel, double value)
{
    return panel->top + PANEL - (value - panel->y.low) / (panel->y.high - panel->y.low) * PANEL;
}

/* --- axes --------------------------------------------------------------------------------------
 */

static void put_y_axis(const struct panel *panel)
{
    char label[CLI_LABEL_BYTES];

    for (int i = 0; i <= 20; i++) {
        double at = panel->y.low + i * panel->y.step;
        if (at > panel->y.high + panel->y.step / 2)
            break;
        double y = y_of(panel, at);
        fprintf(panel->out,
                "<path class=\"grid\" d=\"M%d %.1fH%d\"/>"
                "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                LEFT, y, WIDTH - RIGHT, LEFT - 8, y + 4, cli_axis_label(&panel->y, at, label));
    }
}

static void put_tick_text(FILE *out, double x, double y, const char *text)
{
    if (*text == '\0')
        return;
    fprintf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", x, y);
    put_escaped(out, text);
    fprintf(out, "</text>\n");
}

/* The labels stand under the last panel only. */
static void put_x_axis(const struct panel *panel, int with_labels)
{
    double bottom = panel->top + PANEL;

    for (size_t i = 0; i < panel->places->tick_count; i++) {
        const struct cli_place_tick *tick = &panel->places->ticks[i];
        double x = x_at(tick->x);
        fprintf(panel->out, "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>\n", x, bottom);
        if (with_labels) {
            put_tick_text(panel->out, x, bottom + 20, tick->label);
            put_tick_text(panel->out, x, bottom + 35, tick->below);
        }
    }
    fprintf(panel->out, "<path class=\"axis\" d=\"M%d %.1fV%.1fH%d\"/>\n", LEFT, panel->top, bottom,
            WIDTH - RIGHT);
}

/* What the values count, beside their axis from the bottom up. */
static void put_unit(const struct panel *panel)
{
    double middle = panel->top + PANEL / 2.0;

    if (panel->series->unit[0] == '\0')
        return;
    fprintf(panel->out,
            "<text class=\"unit\" x=\"24\" y=\"%.1f\" text-anchor=\"middle\" "
            "transform=\"rotate(-90 24 %.1f)\">%s</text>\n",
            middle, middle, panel->series->unit);
}

/* --- values ------------------------------------------------------------------------------------
 */

/* The end of the run of places from `from` on whose columns all hold values. */
static size_t run_end(const struct panel *panel, size_t from)
{
    size_t end = from;

    while (end < panel->places->count && column_at(panel, end)->count > 0)
        end++;
    return end;
}

static void put_band(const struct panel *panel, size_t from, size_t end)
{
    fprintf(panel->out, "<path class=\"band\" fill=\"%s\" d=\"M", panel->colour);
    for (size_t i = from; i < end; i++)
        fprintf(panel->out, "%.1f %.1f ", x_of(panel, i),
                y_of(panel, column_at(panel, i)->greatest));
    for (size_t i = end; i-- > from;)
        fprintf(panel->out, "%.1f %.1f ", x_of(panel, i), y_of(panel, column_at(panel, i)->least));
    fprintf(panel->out, "Z\"/>\n");
}

static double mean_of(const struct cli_column *column)
{
    return column->sum / (double)column->count;
}

/* A lone column is a line of no length: its round ends make it a dot. */
static void put_line(const struct panel *panel, size_t from, size_t end)
{
    fprintf(panel->out, "<path class=\"line\" stroke=\"%s\" d=\"M", panel->colour);
    for (size_t i = from; i < end; i++)
        fprintf(panel->out, "%.1f %.1f ", x_of(panel, i),
                y_of(panel, mean_of(column_at(panel, i))));
    fprintf(panel->out, "%s\"/>\n", end - from == 1 ? "h0" : "");
}

static void put_points(const struct panel *panel)
{
    for (size_t i = 0; i < panel->places->count; i++)
        if (column_at(panel, i)->count > 0)
            fprintf(panel->out, "<circle fill=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n",
                    panel->colour, x_of(panel, i), y_of(panel, mean_of(column_at(panel, i))));
}

static void put_values(const struct panel *panel)
{
    for (size_t from = 0; from < panel->places->count;) {
        size_t end = run_end(panel, from);
        if (end > from) {
            put_band(panel, from, end);
            put_line(panel, from, end);
        }
        from = end + 1;
    }
    if (panel->chart->messages <= POINTS_MAX)
        put_points(panel);
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static void put_panel(FILE *out, const struct cli_chart *chart, const struct cli_places *places,
                      size_t index)
{
    struct panel panel = {.out = out,
                          .chart = chart,
                          .places = places,
                          .series = chart->series[index],
                          .top = TOP + (double)index * (PANEL + BETWEEN) + 22,
                          .colour = colours[index % (sizeof colours / sizeof colours[0])]};
    double least, greatest;
    int has_values = cli_columns_range(chart, panel.series->columns, &least, &greatest);

    panel.y = cli_axis_over(least, greatest, 5, cli_series_is_whole(panel.series));
    fprintf(out, "<text class=\"name\" x=\"%d\" y=\"%.1f\">", LEFT, panel.top - 8);
    put_escaped(out, panel.series->name);
    if (has_values && panel.y.base != 0)
        fprintf(out, ", from %.17g", panel.y.base);
    fprintf(out, "</text>\n");
    if (!has_values) {
        fprintf(out, "<text class=\"tick\" x=\"%d\" y=\"%.1f\">no values</text>\n", LEFT + 8,
                panel.top + PANEL / 2.0);
        return;
    }
    put_unit(&panel);
    put_y_axis(&panel);
    put_values(&panel);
    put_x_axis(&panel, index + 1 == chart->count);
}

/* Does a series have several values in a message? */
static int has_bands(const struct cli_chart *chart)
{
    for (size_t i = 0; i < chart->count; i++)
        if (chart->series[i]->path && fls_path_repeats(chart->series[i]->path))
            return 1;
    return 0;
}

/* "t.fls: message size in bytes, cpu.user, by time_ns" */
static void put_title(FILE *out, const struct cli_chart *chart, const char *name)
{
    put_escaped(out, name);
    for (size_t i = 0; i < chart->count && i < TITLE_SERIES_MAX; i++) {
        fputs(i == 0 ? ": " : ", ", out);
        put_escaped(out, chart->series[i]->name);
    }
    if (chart->count > TITLE_SERIES_MAX)
        fprintf(out, " and %zu more", chart->count - TITLE_SERIES_MAX);
    if (chart->key) {
        fputs(" by ", out);
        put_escaped(out, chart->key_name);
    }
}

static void put_subtitle(FILE *out, const struct cli_chart *chart)
{
    fprintf(out, "%" PRIu64 " message%s", chart->messages, chart->messages == 1 ? "" : "s");
    if (chart->width > 1)
        fprintf(out, "; line: mean of each %" PRIu64 "; band: their least to greatest",
                chart->width);
    else if (has_bands(chart))
        fprintf(out, "; line: mean of a message's values; band: their least to greatest");
    if (chart->backwards > 0)
        fprintf(out, "; %" PRIu64 " earlier than the one before", chart->backwards);
}

static void put_head(FILE *out, const struct cli_chart *chart, const char *name, int height)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"Helvetica, Arial, sans-serif\">\n<title>",
            WIDTH, height, WIDTH, height);
    put_title(out, chart, name);
    fprintf(out,
            "</title>\n"
            "<style>.title{font-size:17px;font-weight:bold}.name{font-size:13px;font-weight:bold}"
            ".tick{font-size:12px;fill:#444}.unit{font-size:12px;fill:#444}.grid{stroke:#ddd;"
            "fill:none}.axis{stroke:#444;fill:none}.band{opacity:.28}.line{fill:none;"
            "stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
            "<text class=\"title\" x=\"%d\" y=\"28\">",
            LEFT);
    put_title(out, chart, name);
    fprintf(out, "</text>\n<text class=\"tick\" x=\"%d\" y=\"48\">", LEFT);
    put_subtitle(out, chart);
    fprintf(out, "</text>\n");
}

static void put_all(FILE *out, const struct cli_chart *chart, const struct cli_places *places,
                    const char *name)
{
    int height = TOP + (int)chart->count * (PANEL + BETWEEN) + BOTTOM;

    put_head(out, chart, name, height);
    for (size_t i = 0; i < chart->count; i++)
        put_panel(out, chart, places, i);
    put_tick_text(out, LEFT + PLOT / 2.0, height - 18, places->title);
    fprintf(out, "</svg>\n");
}

char *cli_chart_svg(const struct cli_chart *chart, const char *name, size_t *length)
{
    struct cli_places *places = malloc(sizeof *places);
    char *text = NULL;
    FILE *out = places ? open_memstream(&text, length) : NULL;
    int failed;

    if (!out) {
        free(places);
        return NULL;
    }
    cli_places_find(chart, places);
    put_all(out, chart, places, name);
    free(places);
    failed = ferror(out) != 0;
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}
