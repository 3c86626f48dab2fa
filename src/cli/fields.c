/*
 * fields.c: see fields.h. Values go straight into the output's buffer, without printf.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/enum_text.h"
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

/* What stands before the first `[]`. */
static enum fls_status compile_list(const struct fls_schema *schema, const struct fls_object *root,
                                    struct cli_field *field)
{
    const char *brackets = strstr(field->name, "[]");

    if (!brackets)
        return FLS_OK;
    char *text = strndup(field->name, (size_t)(brackets - field->name));
    if (!text)
        return FLS_NO_MEMORY;
    enum fls_status status = fls_path_compile(schema, root, text, &field->list, NULL);
    free(text);
    return status;
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
    return status == FLS_OK ? compile_list(schema, root, field) : status;
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
        fls_path_close(fields->list[i].list);
    }
    free(fields->list);
    *fields = (struct cli_fields){NULL, 0};
}

/* --- values ------------------------------------------------------------------------------------
 */

/* What printing needs beside the value. */
struct printing {
    void (*put)(const struct printing *printing, const struct fls_value *value);
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

static void put_text(const char *text)
{
    cli_out_bytes(text, strlen(text));
}

/* Of an enum's names; `context` is the quote that they stand in, "" where they are no JSON. */
static void put_piece(void *context, const char *text, size_t length)
{
    const char *quote = context;

    if (*quote)
        cli_json_inside(text, length, quote);
    else
        cli_out_bytes(text, length);
}

/* A number, bool or enum, which is there. `quote` stands around the names of enums. */
static void put_plain(const struct printing *printing, const struct fls_value *value,
                      const char *quote)
{
    if (value->kind == FLS_VALUE_BOOL) {
        put_text(value->bool_value ? "true" : "false");
    } else if (cli_enum_has_name(value->enumeration, value->signed_value)) {
        put_text(quote);
        (void)cli_enum_put(value->enumeration, value->signed_value, put_piece,
                           (void *)(uintptr_t)quote);
        put_text(quote);
    } else {
        put_number(printing, value);
    }
}

static int is_finite(const struct fls_value *value)
{
    return value->kind != FLS_VALUE_REAL || isfinite(value->real_value);
}

static void put_json(const struct printing *printing, const struct fls_value *value)
{
    if (value->presence == FLS_ABSENT || !is_finite(value))
        put_text("null");
    else if (value->kind == FLS_VALUE_STRING)
        cli_json_text(value->text, value->length);
    else
        put_plain(printing, value, "\"");
}

static int needs_quotes(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
            return 1;
    return length == 0;
}

/* Could it be taken for an absent value, or for a text that was kept from being that? */
static int is_like_absent(const char *text, size_t length)
{
    size_t backslashes = strspn(text, "\\");

    return backslashes > 0 && length == backslashes + 1 && text[backslashes] == 'N';
}

static void put_csv_text(const char *text, size_t length)
{
    if (is_like_absent(text, length))
        put_text("\\");
    if (!needs_quotes(text, length)) {
        cli_out_bytes(text, length);
        return;
    }
    put_text("\"");
    for (size_t i = 0; i < length; i++)
        cli_out_bytes(text[i] == '"' ? "\"\"" : text + i, text[i] == '"' ? 2 : 1);
    put_text("\"");
}

static const char absent_in_csv[] = "\\N";

static void put_csv(const struct printing *printing, const struct fls_value *value)
{
    if (value->presence == FLS_ABSENT)
        put_text(absent_in_csv);
    else if (value->kind == FLS_VALUE_STRING)
        put_csv_text(value->text, value->length);
    else
        put_plain(printing, value, "");
}

/* In an array, which is quoted as a whole. */
static void put_csv_element(const struct printing *printing, const struct fls_value *value)
{
    if (value->presence == FLS_ABSENT) {
        put_text("null");
    } else if (value->kind == FLS_VALUE_STRING) {
        cli_json_text_in_csv(value->text, value->length);
    } else {
        put_text(is_finite(value) ? "" : "\"\"");
        put_plain(printing, value, "\"\"");
        put_text(is_finite(value) ? "" : "\"\"");
    }
}

static int put_next(void *context, const struct fls_value *value)
{
    struct printing *printing = context;

    if (printing->done++ > 0)
        put_text(",");
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

static int has_list(const struct cli_field *field, const void *message, size_t bytes)
{
    struct fls_value value;

    return fls_path_read(field->list, message, bytes, &value) == FLS_OK &&
           value.presence != FLS_ABSENT;
}

/* --- what cannot be printed --------------------------------------------------------------------
 */

static int is_bad_text(void *context, const struct fls_value *value)
{
    (void)context;
    return value->kind == FLS_VALUE_STRING && value->presence != FLS_ABSENT &&
           !cli_is_utf8(value->text, value->length);
}

enum fls_status cli_fields_check(const struct cli_fields *fields, const void *message, size_t bytes,
                                 struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    for (size_t i = 0; i < fields->count && status == FLS_OK; i++) {
        const char *name = fields->list[i].name;
        status = fls_path_each(fields->list[i].path, message, bytes, is_bad_text, NULL);
        if (status == FLS_STOPPED)
            status = cli_set_error(error, FLS_UNSUPPORTED, "%.100s: a string is not UTF-8", name);
        else if (status != FLS_OK)
            (void)cli_set_error(error, status, "%.100s leads out of the message", name);
    }
    return status;
}

/* --- lines -------------------------------------------------------------------------------------
 */

void cli_fields_json(const struct cli_fields *fields, const void *message, size_t bytes)
{
    struct printing printing = {.put = put_json};

    for (size_t i = 0; i < fields->count; i++) {
        const struct cli_field *field = &fields->list[i];
        put_text(i == 0 ? "{" : ",");
        cli_json_string(field->name);
        put_text(":");
        if (field->list && !has_list(field, message, bytes)) {
            put_text("null");
            continue;
        }
        put_text(field->list ? "[" : "");
        put_values(field, message, bytes, &printing);
        put_text(field->list ? "]" : "");
    }
    put_text("}\n");
}

void cli_fields_csv_header(const struct cli_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        put_text(i > 0 ? "," : "");
        put_csv_text(fields->list[i].name, strlen(fields->list[i].name));
    }
    put_text("\n");
}

void cli_fields_csv(const struct cli_fields *fields, const void *message, size_t bytes)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct cli_field *field = &fields->list[i];
        struct printing printing = {.put = field->list ? put_csv_element : put_csv};
        put_text(i > 0 ? "," : "");
        if (field->list && !has_list(field, message, bytes)) {
            put_text(absent_in_csv);
            continue;
        }
        put_text(field->list ? "\"[" : "");
        put_values(field, message, bytes, &printing);
        put_text(field->list ? "]\"" : "");
    }
    put_text("\n");
}
