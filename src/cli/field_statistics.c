/*
 * field_statistics.c: see field_statistics.h.
 *
 * Integers keep their exact extremes; sums are long double, so that the mean of many 64-bit
 * integers is not rounded away.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/enum_text.h"
#include "cli/field_statistics.h"
#include "cli/json_out.h"
#include "cli/number.h"
#include "cli/output.h"

#define DEPTH_MAX 16
#define NAME_BYTES 512

struct field {
    char *name;
    struct fls_path *path;
    uint64_t present;
    uint64_t values;
    uint64_t numbers; /* values that are no NaN; the others */
    uint64_t nans;
    struct fls_value least;
    struct fls_value greatest;
    long double sum;
};

struct cli_statistics {
    const struct fls_schema *schema;
    const struct fls_object *root;
    size_t count;
    size_t left_out;
    struct field fields[CLI_STATISTICS_MAX];
};

/* --- finding the fields ------------------------------------------------------------------------
 */

/* The tables on the way from the root, and the path so far. */
struct way {
    const struct fls_object *objects[DEPTH_MAX];
    size_t depth;
    char name[NAME_BYTES];
    size_t length;
};

static int is_on_way(const struct way *way, const struct fls_object *object)
{
    for (size_t i = 0; i < way->depth; i++)
        if (way->objects[i] == object)
            return 1;
    return 0;
}

static int is_scalar(enum fls_type type)
{
    return type >= FLS_TYPE_BOOL && type <= FLS_TYPE_DOUBLE;
}

/* 0: no memory. */
static int add_field(struct cli_statistics *statistics, const char *name)
{
    struct field *field = &statistics->fields[statistics->count];
    enum fls_status status =
        fls_path_compile(statistics->schema, statistics->root, name, &field->path, NULL);

    if (status != FLS_OK) { /* a path that cannot be said is left out */
        statistics->left_out++;
        return status != FLS_NO_MEMORY;
    }
    field->name = strdup(name);
    statistics->count++;
    return field->name != NULL;
}

static int add_object(struct cli_statistics *statistics, struct way *way,
                      const struct fls_object *object);

static int add_member(struct cli_statistics *statistics, struct way *way,
                      const struct fls_field *field)
{
    size_t length = way->length;
    int written = snprintf(way->name + length, sizeof way->name - length, "%s%s",
                           length > 0 ? "." : "", field->name);
    int good = 1;

    if (written < 0 || (size_t)written >= sizeof way->name - length) {
        way->name[length] = '\0';
        statistics->left_out++;
        return 1;
    }
    way->length += (size_t)written;
    if (is_scalar(field->type) && statistics->count < CLI_STATISTICS_MAX)
        good = add_field(statistics, way->name);
    else if (is_scalar(field->type))
        statistics->left_out++;
    else if (field->type == FLS_TYPE_OBJECT && !is_on_way(way, field->object))
        good = add_object(statistics, way, field->object);
    way->length = length;
    way->name[length] = '\0';
    return good;
}

static int add_object(struct cli_statistics *statistics, struct way *way,
                      const struct fls_object *object)
{
    int good = 1;

    if (way->depth == DEPTH_MAX) {
        statistics->left_out++;
        return 1;
    }
    way->objects[way->depth++] = object;
    for (size_t i = 0; i < object->field_count && good; i++)
        if (!object->fields[i].deprecated)
            good = add_member(statistics, way, &object->fields[i]);
    way->depth--;
    return good;
}

size_t cli_statistics_left_out(const struct cli_statistics *statistics)
{
    return statistics->left_out;
}

struct cli_statistics *cli_statistics_new(const struct fls_schema *schema,
                                          const struct fls_object *root)
{
    struct cli_statistics *statistics = calloc(1, sizeof *statistics);
    struct way way = {.depth = 0};

    if (!statistics)
        return NULL;
    statistics->schema = schema;
    statistics->root = root;
    if (add_object(statistics, &way, root))
        return statistics;
    cli_statistics_free(statistics);
    return NULL;
}

void cli_statistics_free(struct cli_statistics *statistics)
{
    if (!statistics)
        return;
    for (size_t i = 0; i < statistics->count; i++) {
        free(statistics->fields[i].name);
        fls_path_close(statistics->fields[i].path);
    }
    free(statistics);
}

/* --- taking values in --------------------------------------------------------------------------
 */

static int is_less(const struct fls_value *a, const struct fls_value *b)
{
    switch (a->kind) {
    case FLS_VALUE_REAL:
        return a->real_value < b->real_value;
    case FLS_VALUE_SIGNED:
        return a->signed_value < b->signed_value;
    case FLS_VALUE_BOOL:
        return a->bool_value < b->bool_value;
    default:
        return a->unsigned_value < b->unsigned_value;
    }
}

static long double number_of(const struct fls_value *value)
{
    switch (value->kind) {
    case FLS_VALUE_REAL:
        return (long double)value->real_value;
    case FLS_VALUE_SIGNED:
        return (long double)value->signed_value;
    case FLS_VALUE_BOOL:
        return (long double)value->bool_value;
    default:
        return (long double)value->unsigned_value;
    }
}

static void add_value(struct field *field, const struct fls_value *value)
{
    if (value->presence == FLS_ABSENT)
        return;
    field->present += value->presence == FLS_PRESENT;
    field->values++;
    if (value->kind == FLS_VALUE_REAL && isnan(value->real_value)) {
        field->nans++;
        return;
    }
    if (field->numbers == 0 || is_less(value, &field->least))
        field->least = *value;
    if (field->numbers == 0 || is_less(&field->greatest, value))
        field->greatest = *value;
    field->numbers++;
    field->sum += number_of(value);
}

void cli_statistics_add(struct cli_statistics *statistics, const struct fls_message *message)
{
    struct fls_value value;

    for (size_t i = 0; i < statistics->count; i++)
        if (fls_path_read(statistics->fields[i].path, message->payload, message->bytes, &value) ==
            FLS_OK)
            add_value(&statistics->fields[i], &value);
}

/* --- telling -----------------------------------------------------------------------------------
 */

static double mean_of(const struct field *field)
{
    return field->numbers > 0 ? (double)(field->sum / (long double)field->numbers) : 0;
}

/* A value as text: digits, or an enum's name. */
#define TEXT_BYTES 256

static const char *digits_of(const struct field *field, const struct fls_value *value, char *text)
{
    size_t used;

    switch (value->kind) {
    case FLS_VALUE_BOOL:
        return value->bool_value ? "true" : "false";
    case FLS_VALUE_SIGNED:
        used = cli_put_signed(value->signed_value, text);
        break;
    case FLS_VALUE_REAL:
        used = fls_path_type(field->path) == FLS_TYPE_FLOAT
                   ? cli_put_float((float)value->real_value, text)
                   : cli_put_real(value->real_value, text);
        break;
    default:
        used = cli_put_unsigned(value->unsigned_value, text);
    }
    text[used] = '\0';
    return text;
}

static const char *text_of(const struct field *field, const struct fls_value *value, char *text)
{
    if (field->numbers == 0)
        return "-";
    if (cli_enum_name(value->enumeration, value->signed_value, text, TEXT_BYTES))
        return text;
    return digits_of(field, value, text);
}

/* Without a sign, which NaN has by chance. */
static const char *mean_text(const struct field *field, char *text)
{
    double mean = mean_of(field);

    if (field->numbers == 0)
        return "-";
    if (isnan(mean))
        return "nan";
    snprintf(text, TEXT_BYTES, "%.6g", mean);
    return text;
}

static int has_nans(const struct cli_statistics *statistics)
{
    for (size_t i = 0; i < statistics->count; i++)
        if (statistics->fields[i].nans > 0)
            return 1;
    return 0;
}

static void put_row(const struct field *field, int width, int with_nans)
{
    char least[TEXT_BYTES], greatest[TEXT_BYTES], mean[TEXT_BYTES];

    cli_out_text("  %-*s  %20s %20s %14s %12" PRIu64, width, field->name,
                 text_of(field, &field->least, least), text_of(field, &field->greatest, greatest),
                 mean_text(field, mean), field->present);
    if (with_nans)
        cli_out_text(" %8" PRIu64, field->nans);
    cli_out_bytes("\n", 1);
}

void cli_statistics_text(const struct cli_statistics *statistics)
{
    int width = 5, with_nans = has_nans(statistics);

    for (size_t i = 0; i < statistics->count; i++)
        if (strlen(statistics->fields[i].name) > (size_t)width)
            width = (int)strlen(statistics->fields[i].name);
    width = width < 40 ? width : 40;
    if (statistics->count > 0)
        cli_out_text("  %-*s  %20s %20s %14s %12s%s\n", width, "field", "least", "greatest", "mean",
                     "present", with_nans ? "      nan" : "");
    for (size_t i = 0; i < statistics->count; i++)
        put_row(&statistics->fields[i], width, with_nans);
}

static void json_value(const char *key, const struct field *field, const struct fls_value *value)
{
    char text[TEXT_BYTES];
    int is_number =
        field->numbers > 0 && (value->kind != FLS_VALUE_REAL || isfinite(value->real_value));

    cli_out_text("\"%s\":", key);
    if (!is_number)
        cli_out_bytes("null", 4);
    else if (cli_enum_name(value->enumeration, value->signed_value, text, sizeof text))
        cli_json_string(text);
    else
        cli_out_text("%s", digits_of(field, value, text));
    cli_out_bytes(",", 1);
}

static void json_field(const struct field *field)
{
    char text[CLI_NUMBER_BYTES + 1];
    double mean = mean_of(field);

    cli_json_string(field->name);
    cli_out_bytes(":{", 2);
    json_value("least", field, &field->least);
    json_value("greatest", field, &field->greatest);
    text[cli_put_real(mean, text)] = '\0';
    cli_out_text("\"mean\":%s,\"present\":%" PRIu64 ",\"values\":%" PRIu64,
                 field->numbers > 0 && isfinite(mean) ? text : "null", field->present,
                 field->values);
    if (fls_path_kind(field->path) == FLS_VALUE_REAL)
        cli_out_text(",\"nan\":%" PRIu64, field->nans);
    cli_out_bytes("}", 1);
}

void cli_statistics_json(const struct cli_statistics *statistics)
{
    cli_out_text(",\"fields\":{");
    for (size_t i = 0; i < statistics->count; i++) {
        if (i > 0)
            cli_out_bytes(",", 1);
        json_field(&statistics->fields[i]);
    }
    cli_out_text("}");
}
