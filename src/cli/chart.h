/*
 * chart.h: message sizes and fields over a stream, in memory that does not grow with it.
 *
 * The stream is cut into columns of equally many messages, of which each series keeps count, least,
 * greatest and sum. When there are CLI_CHART_COLUMNS of them and more messages come, neighbours are
 * joined and the columns are twice as wide from then on. With a time key each column has its time,
 * too, and is drawn there: chart_place.h.
 */
#ifndef CLI_CHART_H
#define CLI_CHART_H

#include <flatstream/reader.h>
#include <flatstream/schema.h>

#include "cli/time_key.h"

#define CLI_CHART_COLUMNS 1000
#define CLI_CHART_SERIES_MAX 32

struct cli_column {
    uint64_t count; /* values; 0: nothing to draw */
    double least;
    double greatest;
    double sum;
};

/* `name` as shown; `path` the field's, NULL: the message's size; `unit` of its values, or "". */
struct cli_series {
    const char *name;
    const char *unit;
    const struct fls_path *path;
    struct cli_column columns[CLI_CHART_COLUMNS];
};

/*
 *   messages, width  how many there are, and in a column
 *   key, key_name    their time, borrowed; NULL: none
 *   first            the time of the first that has one; `times` are seconds behind it, or for a
 *                    key without a unit the numbers themselves
 *   now, has_time    the time of the last that has one
 *   backwards        how many were before that
 */
struct cli_chart {
    uint64_t messages;
    uint64_t width;
    const struct cli_key *key;
    const char *key_name;
    struct cli_instant first;
    double now;
    int has_time;
    uint64_t backwards;
    struct cli_column times[CLI_CHART_COLUMNS];
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

/* Least and greatest of columns of the chart; 0 when they hold nothing. */
int cli_columns_range(const struct cli_chart *chart, const struct cli_column *columns,
                      double *least, double *greatest);

/* Does its key count seconds or parts of them? */
int cli_chart_has_calendar(const struct cli_chart *chart);

/* Are all values of the series whole numbers? */
int cli_series_is_whole(const struct cli_series *series);

/* Frees the series. */
void cli_chart_free(struct cli_chart *chart);

/* Draws it with characters on standard output: with blocks where the locale is one of UTF-8. */
void cli_chart_text(const struct cli_chart *chart);

/* Draws it as an SVG; `name` is what was read. The malloc'd text, or NULL: no memory. */
char *cli_chart_svg(const struct cli_chart *chart, const char *name, size_t *length);

#endif
