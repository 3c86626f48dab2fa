/*
 * fields.c: see fields.h. Values go straight into the output's buffer, without printf.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/expression.h"
#include "cli/fields.h"
#include "cli/json_out.h"
#include "cli/number.h"
#include "cli/output.h"

/* --- compiling ---------------------------------------------------------------------------------
 */

static int is_printable(const struct fls_path *path, size_t at, size_t length,
                        struct cli_mistake *mistake)
{
    switch (fls_path_kind(path)) {
    case FLS_VALUE_TABLE:
        return cli_mistaken(mistake, at, length, "a table: name one of its fields");
    case FLS_VALUE_STRUCT:
        return cli_mistaken(mistake, at, length, "a struct: name one of its fields");
    case FLS_VALUE_VECTOR:
        return cli_mistaken(mistake, at, length,
                            "a vector: [] behind it means all elements, [0] the first");
    default:
        return 1;
    }
}

static enum fls_status compile_one(const struct fls_schema *schema, const struct fls_object *root,
                                   const char *text, size_t at, size_t length,
                                   struct cli_field *field, struct cli_mistake *mistake)
{
    struct fls_error error;

    field->name = strndup(text + at, length);
    if (!field->name)
        return FLS_NO_MEMORY;
    enum fls_status status = fls_path_compile(schema, root, field->name, &field->path, &error);
    if (status == FLS_INVALID_ARGUMENT)
        cli_path_mistake(&error, at, length, mistake);
    if (status == FLS_OK && !is_printable(field->path, at, length, mistake))
        return FLS_INVALID_ARGUMENT;
    return status;
}

static size_t count_commas(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += *text == ',';
    return count;
}

enum fls_status cli_fields_compile(const struct fls_schema *schema, const struct fls_object *root,
                                   const char *text, struct cli_fields *fields,
                                   struct cli_mistake *mistake)
{
    enum fls_status status = FLS_OK;
    size_t at = 0;

    fields->count = 0;
    fields->list = calloc(count_commas(text) + 1, sizeof fields->list[0]);
    if (!fields->list)
        return FLS_NO_MEMORY;
    for (;;) {
        at += strspn(text + at, " \t\n");
        size_t length = strcspn(text + at, ",");
        size_t end = at + length;
        while (length > 0 && strchr(" \t\n", text[at + length - 1]))
            length--;
        if (length == 0)
            return cli_mistaken(mistake, at, 0, "a field is missing here") ? FLS_OK
                                                                           : FLS_INVALID_ARGUMENT;
        status =
            compile_one(schema, root, text, at, length, &fields->list[fields->count++], mistake);
        if (status != FLS_OK || text[end] == '\0')
            return status;
        at = end + 1;
    }
}

void cli_fields_free(struct cli_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        free(fields->list[i].name);
        fls_path_close(fields->list[i].path);
    }
    free(fields->list);
    *fields = (struct cli_fields){NULL, 0};
}

/* --- values ------------------------------------------------------------------------------------
 */

/* What printing needs beside the value. */
struct printing {
    void (*put)(const struct printing *printing, const struct fls_value *value);
    const char *between; /* two values of a path with [] */
    int is_float;
    size_t done;
};

static void put_number(const struct printing *printing, const struct fls_value *value)
{
    char *room = cli_out_room(CLI_NUMBER_BYTES);
    size_t used;

    if (value->kind == FLS_VALUE_SIGNED)
        used = cli_put_signed(value->signed_value, room);
    else if (value->kind != FLS_VALUE_REAL)
        used = cli_put_unsigned(value->unsigned_value, room);
    else if (printing->is_float)
        used = cli_put_float((float)value->real_value, room);
    else
        used = cli_put_real(value->real_value, room);
    cli_out_advance(used);
}

static void put_bool(const struct fls_value *value)
{
    if (value->bool_value)
        cli_out_bytes("true", 4);
    else
        cli_out_bytes("false", 5);
}

/* An enum's value by its name, or NULL. */
static const char *name_of(const struct fls_value *value)
{
    return value->enumeration ? fls_enum_name(value->enumeration, value->signed_value) : NULL;
}

static void put_json(const struct printing *printing, const struct fls_value *value)
{
    const char *name = name_of(value);

    if (value->presence == FLS_ABSENT ||
        (value->kind == FLS_VALUE_REAL && !isfinite(value->real_value)))
        cli_out_bytes("null", 4);
    else if (value->kind == FLS_VALUE_STRING)
        cli_json_text(value->text, value->length);
    else if (value->kind == FLS_VALUE_BOOL)
        put_bool(value);
    else if (name)
        cli_json_string(name);
    else
        put_number(printing, value);
}

static int needs_quotes(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
            return 1;
    return length == 0;
}

static void put_csv_text(const char *text, size_t length)
{
    if (!needs_quotes(text, length)) {
        cli_out_bytes(text, length);
        return;
    }
    cli_out_bytes("\"", 1);
    for (size_t i = 0; i < length; i++)
        cli_out_bytes(text[i] == '"' ? "\"\"" : text + i, text[i] == '"' ? 2 : 1);
    cli_out_bytes("\"", 1);
}

static void put_csv(const struct printing *printing, const struct fls_value *value)
{
    const char *name = name_of(value);

    if (value->presence == FLS_ABSENT)
        return;
    if (value->kind == FLS_VALUE_STRING)
        put_csv_text(value->text, value->length);
    else if (value->kind == FLS_VALUE_BOOL)
        put_bool(value);
    else if (name)
        put_csv_text(name, strlen(name));
    else
        put_number(printing, value);
}

/* Texts of a repeating path stand in one field together, so the field as a whole is quoted. */
static void put_csv_part(const struct printing *printing, const struct fls_value *value)
{
    if (value->kind != FLS_VALUE_STRING || value->presence == FLS_ABSENT) {
        put_csv(printing, value);
        return;
    }
    for (size_t i = 0; i < value->length; i++)
        cli_out_bytes(value->text[i] == '"' ? "\"\"" : value->text + i,
                      value->text[i] == '"' ? 2 : 1);
}

static int put_next(void *context, const struct fls_value *value)
{
    struct printing *printing = context;

    if (printing->done++ > 0)
        cli_out_bytes(printing->between, strlen(printing->between));
    printing->put(printing, value);
    return 0;
}

/* Was looked at before: what cannot be read is left out. */
static void put_values(const struct cli_field *field, const void *message, size_t bytes,
                       struct printing *printing)
{
    printing->done = 0;
    printing->is_float = fls_path_type(field->path) == FLS_TYPE_FLOAT;
    if (fls_path_each(field->path, message, bytes, put_next, printing) != FLS_OK)
        printing->done = 0;
}

static int see_value(void *context, const struct fls_value *value)
{
    (void)context, (void)value;
    return 0;
}

int cli_fields_readable(const struct cli_fields *fields, const void *message, size_t bytes)
{
    for (size_t i = 0; i < fields->count; i++)
        if (fls_path_each(fields->list[i].path, message, bytes, see_value, NULL) != FLS_OK)
            return 0;
    return 1;
}

/* --- lines -------------------------------------------------------------------------------------
 */

void cli_fields_json(const struct cli_fields *fields, const void *message, size_t bytes)
{
    struct printing printing = {.put = put_json, .between = ","};

    for (size_t i = 0; i < fields->count; i++) {
        const struct cli_field *field = &fields->list[i];
        int repeats = fls_path_repeats(field->path);
        cli_out_bytes(i == 0 ? "{" : ",", 1);
        cli_json_string(field->name);
        cli_out_bytes(repeats ? ":[" : ":", repeats ? 2 : 1);
        put_values(field, message, bytes, &printing);
        if (repeats)
            cli_out_bytes("]", 1);
    }
    cli_out_bytes("}\n", 2);
}

void cli_fields_csv_header(const struct cli_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (i > 0)
            cli_out_bytes(",", 1);
        put_csv_text(fields->list[i].name, strlen(fields->list[i].name));
    }
    cli_out_bytes("\n", 1);
}

void cli_fields_csv(const struct cli_fields *fields, const void *message, size_t bytes)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct cli_field *field = &fields->list[i];
        int joined =
            fls_path_repeats(field->path) && fls_path_kind(field->path) == FLS_VALUE_STRING;
        struct printing printing = {.put = joined ? put_csv_part : put_csv, .between = ";"};
        if (i > 0)
            cli_out_bytes(",", 1);
        if (joined)
            cli_out_bytes("\"", 1);
        put_values(field, message, bytes, &printing);
        if (joined)
            cli_out_bytes("\"", 1);
    }
    cli_out_bytes("\n", 1);
}
