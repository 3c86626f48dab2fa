/*
 * chart.h: message sizes and fields over a stream, in memory that does not grow with it.
 *
 * The stream is cut into columns of equally many messages, of which each series keeps count, least,
 * greatest and sum. When there are CLI_CHART_COLUMNS of them and more messages come, neighbours are
 * joined and the columns are twice as wide from then on.
 */
#ifndef CLI_CHART_H
#define CLI_CHART_H

#include <flatstream/reader.h>
#include <flatstream/schema.h>

#define CLI_CHART_COLUMNS 1000
#define CLI_CHART_SERIES_MAX 32

struct cli_column {
    uint64_t count; /* values; 0: nothing to draw */
    double least;
    double greatest;
    double sum;
};

/* `name` as shown; `path` the field's, NULL: the message's size. */
struct cli_series {
    const char *name;
    const struct fls_path *path;
    struct cli_column columns[CLI_CHART_COLUMNS];
};

struct cli_chart {
    uint64_t messages;
    uint64_t width; /* messages in a column */
    size_t count;
    struct cli_series *series[CLI_CHART_SERIES_MAX];
};

/* Adds a series; `name` and `path` are borrowed. 0: no memory, or there are too many. */
int cli_chart_add_series(struct cli_chart *chart, const char *name, const struct fls_path *path);

/* Takes the next message in; with `fields` zero only its size (it did not verify). Values that are
 * not finite, or so large that their sums would not be, are left out. */
#define CLI_CHART_LARGEST 1e290
void cli_chart_add(struct cli_chart *chart, const struct fls_message *message, int fields);

/* How many columns hold messages. */
size_t cli_chart_columns(const struct cli_chart *chart);

/* Least and greatest of a series; 0 when it holds nothing. */
int cli_series_range(const struct cli_chart *chart, const struct cli_series *series, double *least,
                     double *greatest);

/* Frees the series. */
void cli_chart_free(struct cli_chart *chart);

/* Draws it with characters on standard output: with blocks where the locale is one of UTF-8. */
void cli_chart_text(const struct cli_chart *chart);

/* Draws it as an SVG; `title` is what was read. The malloc'd text, or NULL: no memory. */
char *cli_chart_svg(const struct cli_chart *chart, const char *title, size_t *length);

#endif
