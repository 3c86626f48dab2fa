/*
 * message_json.c: see message_json.h.
 *
 * The message was verified, so offsets are followed without looking. It is walked twice: first in
 * silence, to find what JSON cannot say, so that no half line is ever printed. Alignment does not
 * matter: every load goes byte by byte.
 */
#include <string.h>

#include "base/bytes.h"
#include "cli/enum_text.h"
#include "cli/json_out.h"
#include "cli/message_json.h"
#include "cli/number.h"
#include "cli/output.h"

/* `problem`: why it cannot be said, or NULL; `silent`: only look for that. */
struct printer {
    int silent;
    const char *problem;
};

static void put(const struct printer *p, const char *text)
{
    if (!p->silent)
        cli_out_bytes(text, strlen(text));
}

/* --- places ------------------------------------------------------------------------------------
 */

static const uint8_t *follow(const uint8_t *at)
{
    return at + fls_load_u32(at);
}

/* The place of a table's field, or NULL. */
static const uint8_t *find_field(const uint8_t *table, const struct fls_field *field)
{
    const uint8_t *vtable = table - (int32_t)fls_load_u32(table);
    size_t entry = field->offset;

    if (entry + 2 > fls_load_u16(vtable))
        return NULL;
    size_t distance = fls_load_u16(vtable + entry);
    return distance > 0 ? table + distance : NULL;
}

/* What an element of this type takes in a vector. */
static size_t element_bytes(const struct fls_field *field)
{
    static const uint8_t sizes[] = {0, 1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

    if (field->element <= FLS_TYPE_DOUBLE)
        return sizes[field->element];
    if (field->element == FLS_TYPE_OBJECT && field->object->is_struct)
        return field->object->bytes;
    return 4;
}

/* --- scalars and texts -------------------------------------------------------------------------
 */

static int64_t load_integer(const uint8_t *at, enum fls_type type)
{
    switch (type) {
    case FLS_TYPE_BYTE:
        return (int8_t)*at;
    case FLS_TYPE_SHORT:
        return (int16_t)fls_load_u16(at);
    case FLS_TYPE_USHORT:
        return fls_load_u16(at);
    case FLS_TYPE_INT:
        return (int32_t)fls_load_u32(at);
    case FLS_TYPE_UINT:
        return fls_load_u32(at);
    case FLS_TYPE_LONG:
    case FLS_TYPE_ULONG:
        return (int64_t)fls_load_u64(at);
    default:
        return *at;
    }
}

static void put_real(const uint8_t *at, enum fls_type type)
{
    char *room = cli_out_room(CLI_NUMBER_BYTES);
    uint32_t bits = fls_load_u32(at);
    float single;
    double real;

    if (type == FLS_TYPE_FLOAT) {
        memcpy(&single, &bits, sizeof single);
        cli_out_advance(cli_put_float(single, room));
        return;
    }
    uint64_t long_bits = fls_load_u64(at);
    memcpy(&real, &long_bits, sizeof real);
    cli_out_advance(cli_put_real(real, room));
}

static void put_piece(void *context, const char *text, size_t length)
{
    (void)context;
    cli_json_inside(text, length, "\"");
}

static void put_integer(int64_t value, enum fls_type type, const struct fls_enum *enumeration)
{
    char *room = cli_out_room(CLI_NUMBER_BYTES);

    if (cli_enum_has_name(enumeration, value)) {
        cli_out_bytes("\"", 1);
        (void)cli_enum_put(enumeration, value, put_piece, NULL);
        cli_out_bytes("\"", 1);
        return;
    }
    cli_out_advance(type == FLS_TYPE_ULONG ? cli_put_unsigned((uint64_t)value, room)
                                           : cli_put_signed(value, room));
}

static void put_scalar(const struct printer *p, const uint8_t *at, enum fls_type type,
                       const struct fls_enum *enumeration)
{
    if (p->silent)
        return;
    if (type == FLS_TYPE_FLOAT || type == FLS_TYPE_DOUBLE)
        put_real(at, type);
    else if (type == FLS_TYPE_BOOL && !enumeration)
        put(p, *at ? "true" : "false");
    else
        put_integer(load_integer(at, type), type, enumeration);
}

static void put_string(struct printer *p, const uint8_t *string)
{
    const char *text = (const char *)string + 4;
    size_t length = fls_load_u32(string);

    if (!p->silent) {
        cli_json_text(text, length);
        return;
    }
    if (!cli_is_utf8(text, length))
        p->problem = "cannot be said in JSON: a string is not UTF-8";
}

/* --- what holds others -------------------------------------------------------------------------
 */

static void put_table(struct printer *p, const uint8_t *table, const struct fls_object *object);
static void put_struct(struct printer *p, const uint8_t *at, const struct fls_object *object);

static void put_object(struct printer *p, const uint8_t *at, const struct fls_object *object)
{
    if (object->is_struct)
        put_struct(p, at, object);
    else
        put_table(p, at, object);
}

/* The member of a union, by the offset at `at`. That of no known member may lead anywhere. */
static void put_member(struct printer *p, const uint8_t *at, const struct fls_enum *enumeration,
                       uint8_t type)
{
    for (size_t i = 0; i < enumeration->value_count; i++) {
        const struct fls_enum_value *member = &enumeration->values[i];
        if (member->value != type)
            continue;
        if (member->type == FLS_TYPE_OBJECT)
            put_object(p, follow(at), member->object);
        else if (member->type == FLS_TYPE_STRING)
            put_string(p, follow(at));
        else
            put(p, "{}");
        return;
    }
    p->problem = "cannot be said in JSON: a union holds a member that the schema does not know";
}

/* Elements as they lie in a vector or a fixed array. `types`: of a vector of unions. */
static void put_elements(struct printer *p, const uint8_t *first, size_t count,
                         const struct fls_field *field, const uint8_t *types)
{
    size_t size = element_bytes(field);

    put(p, "[");
    for (size_t i = 0; i < count && !p->problem; i++) {
        const uint8_t *at = first + i * size;
        put(p, i > 0 ? "," : "");
        if (field->element == FLS_TYPE_STRING)
            put_string(p, follow(at));
        else if (field->element == FLS_TYPE_UNION)
            put_member(p, at, field->enumeration, types[i]);
        else if (field->element == FLS_TYPE_OBJECT)
            put_object(p, field->object->is_struct ? at : follow(at), field->object);
        else
            put_scalar(p, at, field->element, field->enumeration);
    }
    put(p, "]");
}

/* The vector before it holds the types of a vector of unions. */
static void put_vector(struct printer *p, const uint8_t *vector, const struct fls_field *field,
                       const uint8_t *types)
{
    if (field->nested)
        put_table(p, follow(vector + 4), field->nested);
    else
        put_elements(p, vector + 4, fls_load_u32(vector), field, types ? follow(types) + 4 : NULL);
}

/* `types`: the place of the field before, which tells a union's type or a vector of them. */
static void put_field(struct printer *p, const uint8_t *at, const struct fls_field *field,
                      const uint8_t *types)
{
    switch (field->type) {
    case FLS_TYPE_STRING:
        put_string(p, follow(at));
        break;
    case FLS_TYPE_VECTOR:
        put_vector(p, follow(at), field, types);
        break;
    case FLS_TYPE_ARRAY:
        put_elements(p, at, field->length, field, NULL);
        break;
    case FLS_TYPE_OBJECT:
        put_object(p, field->object->is_struct ? at : follow(at), field->object);
        break;
    case FLS_TYPE_UNION:
        put_member(p, at, field->enumeration, *types);
        break;
    default:
        put_scalar(p, at, field->type, field->enumeration);
    }
}

static void put_name(const struct printer *p, const char *name, int is_first)
{
    if (p->silent)
        return;
    put(p, is_first ? "" : ",");
    cli_json_string(name); /* a schema's names are others' bytes, too */
    put(p, ":");
}

static int holds_unions(const struct fls_field *field)
{
    return field->type == FLS_TYPE_UNION || field->element == FLS_TYPE_UNION;
}

/* A union without a type, or of the type NONE, is none, whatever its value. */
static int is_shown(const struct fls_field *field, const uint8_t *types)
{
    if (field->deprecated)
        return 0;
    return !holds_unions(field) || (types && (field->type != FLS_TYPE_UNION || *types != 0));
}

static void put_table(struct printer *p, const uint8_t *table, const struct fls_object *object)
{
    int is_first = 1;

    put(p, "{");
    for (size_t i = 0; i < object->field_count && !p->problem; i++) {
        const struct fls_field *field = &object->fields[i];
        const uint8_t *at = find_field(table, field);
        const uint8_t *types =
            holds_unions(field) && i > 0 ? find_field(table, &object->fields[i - 1]) : NULL;
        if (!at || !is_shown(field, types))
            continue;
        put_name(p, field->name, is_first);
        put_field(p, at, field, types);
        is_first = 0;
    }
    put(p, "}");
}

static void put_struct(struct printer *p, const uint8_t *at, const struct fls_object *object)
{
    put(p, "{");
    for (size_t i = 0; i < object->field_count && !p->problem; i++) {
        put_name(p, object->fields[i].name, i == 0);
        put_field(p, at + object->fields[i].offset, &object->fields[i], NULL);
    }
    put(p, "}");
}

enum fls_status cli_message_json(const struct fls_object *root, const void *message,
                                 struct fls_error *error)
{
    struct printer printer = {.silent = 1};

    put_table(&printer, follow(message), root);
    if (printer.problem)
        return cli_set_error(error, FLS_UNSUPPORTED, "%s", printer.problem);
    printer.silent = 0;
    put_table(&printer, follow(message), root);
    return FLS_OK;
}
