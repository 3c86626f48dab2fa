/*
 * time_key.c: see time_key.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/expression.h"
#include "cli/number.h"
#include "cli/time_key.h"

const char *const cli_time_units[] = {"plain", "s", "ms", "us", "ns", NULL};

static const int64_t per_second[] = {0, 1, 1000, 1000000, 1000000000};

int cli_key_open(const struct cli_verb *verb, const struct cli_key_options *options,
                 const struct cli_schema *schema, struct cli_key *key)
{
    struct cli_mistake mistake;
    struct fls_error error;

    *key = (struct cli_key){NULL, FLS_VALUE_SIGNED, (enum cli_time_unit)options->unit};
    if (!options->field)
        return CLI_GO_ON;
    if (!schema->schema)
        return cli_usage(verb, "--key goes with --schema");
    enum fls_status status =
        fls_path_compile(schema->schema, schema->root, options->field, &key->path, &error);
    if (status == FLS_NO_MEMORY) {
        cli_error(verb->name, "out of memory");
        return CLI_SYSTEM;
    }
    size_t length = strlen(options->field);
    if (status != FLS_OK) {
        key->path = NULL;
        cli_path_mistake(&error, 0, length, &mistake);
        return cli_point_at(verb, "--key", options->field, &mistake);
    }
    key->kind = fls_path_kind(key->path);
    if (key->kind <= FLS_VALUE_REAL && !fls_path_repeats(key->path))
        return CLI_GO_ON;
    cli_mistaken(&mistake, 0, length, "not one number, and so no time");
    return cli_point_at(verb, "--key", options->field, &mistake);
}

void cli_key_close(struct cli_key *key)
{
    fls_path_close(key->path);
    key->path = NULL;
}

/* --- dates -------------------------------------------------------------------------------------
 */

/* Parts of a second as a fraction of 10^9; digits past the ninth are dropped. */
static const char *parse_fraction(const char *text, int64_t *nanoseconds)
{
    int64_t unit = 100000000;

    *nanoseconds = 0;
    if (*text != '.' || text[1] < '0' || text[1] > '9')
        return text;
    for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10)
        *nanoseconds += unit * (*text - '0');
    return text;
}

/* "", "Z", "+02:00" behind a time: seconds east of UTC. NULL: none of these. */
static const char *parse_zone(const char *text, int *east)
{
    int hours, minutes, length = 0;

    *east = 0;
    if (*text == 'Z')
        return text + 1;
    if (*text != '+' && *text != '-')
        return text;
    if (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 || length != 5 ||
        hours > 23 || minutes > 59 || hours < 0 || minutes < 0)
        return NULL;
    *east = (hours * 60 + minutes) * (*text == '-' ? -60 : 60);
    return text + 1 + length;
}

static int is_date(const struct tm *date)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return date->tm_mon >= 0 && date->tm_mon < 12 && date->tm_mday >= 1 &&
           date->tm_mday <= days[date->tm_mon] && date->tm_hour >= 0 && date->tm_hour < 24 &&
           date->tm_min >= 0 && date->tm_min < 60 && date->tm_sec >= 0 && date->tm_sec <= 60;
}

/* YYYY-MM-DD, or with THH:MM[:SS[.fraction]][zone]; without a zone it is UTC. */
static int parse_date(const char *text, int64_t *seconds, int64_t *nanoseconds)
{
    struct tm date = {.tm_sec = 0};
    int length = 0, east = 0;
    const char *rest;

    *nanoseconds = 0;
    if (sscanf(text, "%4d-%2d-%2d%n", &date.tm_year, &date.tm_mon, &date.tm_mday, &length) != 3 ||
        length != 10)
        return 0;
    rest = text + length;
    if (*rest == 'T' || *rest == ' ') {
        length = 0;
        if (sscanf(rest + 1, "%2d:%2d%n", &date.tm_hour, &date.tm_min, &length) != 2 || length != 5)
            return 0;
        rest += 1 + length;
        length = 0;
        if (*rest == ':') {
            if (sscanf(rest + 1, "%2d%n", &date.tm_sec, &length) != 1 || length != 2)
                return 0;
            rest = parse_fraction(rest + 1 + length, nanoseconds);
        }
        rest = parse_zone(rest, &east);
    }
    date.tm_mon--;
    if (!rest || *rest || !is_date(&date))
        return 0;
    date.tm_year -= 1900;
    *seconds = (int64_t)timegm(&date) - east;
    return 1;
}

static int time_of_date(const struct cli_key *key, int64_t seconds, int64_t nanoseconds,
                        int64_t *time)
{
    int64_t unit = per_second[key->unit];

    if (key->kind == FLS_VALUE_REAL) {
        *time = fls_time_from_real(((double)seconds + (double)nanoseconds / 1e9) * (double)unit);
        return 1;
    }
    return !__builtin_mul_overflow(seconds, unit, time) &&
           !__builtin_add_overflow(*time, nanoseconds / (1000000000 / unit), time);
}

/* --- numbers -----------------------------------------------------------------------------------
 */

static int parse_number(const struct cli_key *key, const char *text, int64_t *time)
{
    char *end;

    errno = 0;
    if (key->kind == FLS_VALUE_REAL) {
        double real = strtod(text, &end);
        *time = fls_time_from_real(real);
        return end != text && *end == '\0' && !isnan(real);
    }
    long long number = strtoll(text, &end, 10);
    *time = number;
    return end != text && *end == '\0' && errno == 0;
}

int cli_key_parse(const struct cli_verb *verb, const struct cli_key *key, const char *option,
                  const char *text, int64_t *time)
{
    int64_t seconds, nanoseconds;

    if (parse_number(key, text, time))
        return CLI_GO_ON;
    if (!parse_date(text, &seconds, &nanoseconds))
        return cli_usage(verb, "--%s %s is no time: a number%s", option, text,
                         key->unit == CLI_TIME_PLAIN ? ""
                                                     : ", or a date such as 2024-05-01T12:00:00Z");
    if (key->unit == CLI_TIME_PLAIN)
        return cli_usage(verb,
                         "--%s %s is a date: --time-unit s, ms, us or ns says what the key "
                         "counts",
                         option, text);
    if (!time_of_date(key, seconds, nanoseconds, time))
        return cli_usage(verb, "--%s %s is out of the key's range", option, text);
    return CLI_GO_ON;
}

const char *cli_time_text(int64_t time, int is_real, char *text)
{
    size_t length =
        is_real ? cli_put_real(fls_time_to_real(time), text) : cli_put_signed(time, text);

    text[length] = '\0';
    return text;
}
