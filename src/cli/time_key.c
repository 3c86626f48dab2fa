/*
 * time_key.c: see time_key.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/expression.h"
#include "cli/number.h"
#include "cli/time_key.h"

const char *const cli_time_units[] = {"auto", "s", "ms", "us", "ns", "plain", NULL};

static int is_one_number(const struct fls_path *path)
{
    return fls_path_kind(path) <= FLS_VALUE_REAL && !fls_path_repeats(path);
}

int cli_key_open(const struct cli_verb *verb, const struct cli_key_options *options,
                 const struct cli_schema *schema, struct cli_key *key)
{
    struct cli_mistake mistake;
    struct fls_error error;

    *key = (struct cli_key){.schema = schema, .unit = (enum cli_time_unit)options->unit};
    if (!options->field)
        return CLI_GO_ON;
    if (!schema->schema)
        return cli_usage(verb, "--key goes with --schema");
    if (key->unit == CLI_TIME_AUTO)
        key->unit = cli_unit_of_name(options->field, strlen(options->field));
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
    if (is_one_number(key->path))
        return CLI_GO_ON;
    cli_mistaken(&mistake, 0, length, "not one number, and so no time");
    return cli_point_at(verb, "--key", options->field, &mistake);
}

enum fls_status cli_key_open_of_index(const struct fls_index_summary *summary,
                                      enum cli_time_unit unit, const struct cli_schema *schema,
                                      struct cli_key *key, struct fls_error *error)
{
    *key = (struct cli_key){.schema = schema, .unit = unit};
    if (unit == CLI_TIME_AUTO)
        key->unit = cli_unit_of_name(summary->key, strlen(summary->key));
    if (!summary->has_time || !schema->schema)
        return FLS_OK;
    enum fls_status status =
        fls_path_compile(schema->schema, schema->root, summary->key, &key->path, error);
    if (status != FLS_OK) {
        key->path = NULL;
        return status == FLS_NO_MEMORY ? status : FLS_OK; /* no field of this schema */
    }
    key->kind = fls_path_kind(key->path);
    if (!is_one_number(key->path))
        cli_key_close(key);
    return FLS_OK;
}

void cli_key_close(struct cli_key *key)
{
    fls_path_close(key->path);
    key->path = NULL;
}

static enum cli_key_found read_key(const struct cli_key *key, const void *payload, size_t bytes,
                                   struct fls_value *value)
{
    if (!cli_schema_identifies(key->schema, payload, bytes, NULL) ||
        fls_path_read(key->path, payload, bytes, value) != FLS_OK)
        return CLI_KEY_BROKEN;
    if (value->presence == FLS_ABSENT ||
        (value->kind == FLS_VALUE_REAL && isnan(value->real_value)))
        return CLI_KEY_NONE;
    return CLI_KEY_FOUND;
}

enum cli_key_found cli_key_read(const struct cli_key *key, const struct fls_message *message,
                                struct fls_value *value)
{
    return read_key(key, message->payload, message->bytes, value);
}

int cli_key_tell_broken(const char *name, uint64_t count)
{
    if (count == 0)
        return CLI_WELL;
    cli_error(name, "%" PRIu64 " message%s damaged inside, and count%s with the time before %s",
              count, count == 1 ? " is" : "s are", count == 1 ? "s" : "",
              count == 1 ? "it" : "them");
    return CLI_DAMAGED;
}

/* --- what it is compared with ------------------------------------------------------------------
 */

static int parse_whole(const char *text, struct fls_value *number, struct cli_mistake *mistake)
{
    int is_negative = *text == '-';
    char *end;

    errno = 0;
    if (is_negative) {
        number->kind = FLS_VALUE_SIGNED;
        number->signed_value = strtoll(text, &end, 10);
    } else {
        number->kind = FLS_VALUE_UNSIGNED;
        number->unsigned_value = strtoull(text, &end, 10);
    }
    if (text[is_negative] < '0' || text[is_negative] > '9' || *end != '\0')
        return cli_mistaken(mistake, 0, strlen(text), "no time: neither a whole number nor a date");
    return errno == 0 ? 1 : cli_mistaken(mistake, 0, strlen(text), "it does not fit into 64 bits");
}

static int parse_real(const char *text, struct fls_value *number, struct cli_mistake *mistake)
{
    char *end;

    number->kind = FLS_VALUE_REAL;
    number->real_value = strtod(text, &end);
    if (end != text && *end == '\0' && !isnan(number->real_value))
        return 1;
    return cli_mistaken(mistake, 0, strlen(text), "no time: neither a number nor a date");
}

static int parse_date(const struct cli_key *key, const char *text, struct cli_bound *bound,
                      struct cli_mistake *mistake)
{
    struct cli_instant instant;

    if (!cli_instant_parse(text, &instant, mistake))
        return 0;
    if (key->unit == CLI_TIME_PLAIN)
        return cli_mistaken(mistake, 0, strlen(text),
                            "a date: --time-unit s, ms, us or ns says what the key counts");
    *bound = cli_bound_of_instant(&instant, key->unit, fls_path_type(key->path));
    return 1;
}

int cli_key_parse(const struct cli_verb *verb, const struct cli_key *key, const char *option,
                  const char *text, struct cli_bound *bound)
{
    struct cli_mistake mistake;
    int good;

    *bound = (struct cli_bound){.is_exact = 1};
    if (cli_is_instant(text))
        good = parse_date(key, text, bound, &mistake);
    else if (key->kind == FLS_VALUE_REAL)
        good = parse_real(text, &bound->number, &mistake);
    else
        good = parse_whole(text, &bound->number, &mistake);
    return good ? CLI_GO_ON : cli_point_at(verb, option, text, &mistake);
}

/* --- in an index -------------------------------------------------------------------------------
 */

int cli_key_index_time(void *context, const void *payload, size_t bytes, int64_t *time)
{
    struct cli_key *key = context;
    struct fls_value value;
    enum cli_key_found found = read_key(key, payload, bytes, &value);

    key->broken += found == CLI_KEY_BROKEN;
    if (found != CLI_KEY_FOUND)
        return 0;
    *time = value.kind == FLS_VALUE_REAL       ? fls_time_from_real(value.real_value)
            : value.kind == FLS_VALUE_UNSIGNED ? fls_time_from_unsigned(value.unsigned_value)
                                               : value.signed_value;
    return 1;
}

void cli_key_for_index(struct cli_key *key, const char *name, struct fls_index_options *options)
{
    if (!key->path)
        return;
    options->time = cli_key_index_time;
    options->time_context = key;
    options->key = name;
    options->time_is_real = key->kind == FLS_VALUE_REAL;
    options->time_is_unsigned = key->kind == FLS_VALUE_UNSIGNED;
}

/* One that a program built takes unsigned numbers as fls_time_by_path does. */
fls_time_function *cli_key_function(struct cli_key *key, const struct fls_index_summary *summary,
                                    void **context)
{
    if (key->kind == FLS_VALUE_UNSIGNED && !summary->time_is_unsigned) {
        *context = key->path;
        return fls_time_by_path;
    }
    *context = key;
    return cli_key_index_time;
}

/* The nearest that the type can say; reals are infinite here (struct cli_bound). */
static int64_t signed_of(const struct fls_value *number)
{
    if (number->kind == FLS_VALUE_REAL)
        return number->real_value < 0 ? INT64_MIN : INT64_MAX;
    if (number->kind == FLS_VALUE_UNSIGNED)
        return number->unsigned_value > INT64_MAX ? INT64_MAX : (int64_t)number->unsigned_value;
    return number->signed_value;
}

static uint64_t unsigned_of(const struct fls_value *number)
{
    if (number->kind == FLS_VALUE_REAL)
        return number->real_value < 0 ? 0 : UINT64_MAX;
    if (number->kind == FLS_VALUE_UNSIGNED)
        return number->unsigned_value;
    return number->signed_value < 0 ? 0 : (uint64_t)number->signed_value;
}

int64_t cli_index_time_of(const struct fls_index_summary *summary, const struct fls_value *number)
{
    if (summary->time_is_real)
        return fls_time_from_real(number->real_value);
    return summary->time_is_unsigned ? fls_time_from_unsigned(unsigned_of(number))
                                     : signed_of(number);
}

const char *cli_time_text(const struct fls_index_summary *summary, int64_t time, char *text)
{
    size_t length = summary->time_is_real       ? cli_put_real(fls_time_to_real(time), text)
                    : summary->time_is_unsigned ? cli_put_unsigned(fls_time_to_unsigned(time), text)
                                                : cli_put_signed(time, text);

    text[length] = '\0';
    return text;
}
