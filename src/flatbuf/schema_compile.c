/*
 * schema_compile.c: a .bfbs becomes tables of objects, fields and enums.
 *
 * A .bfbs is itself a FlatBuffer, and may be hostile. So it is verified first, by the plan in
 * schema_reflection.c; only then do the reading functions below follow its offsets. What it says
 * is checked next, so that all who use a schema may rely on it: types and indexes exist, a field
 * stands at the place of its id, a struct's fields lie inside it and in order, structs do not
 * contain themselves, a union's value follows its type, names are unique and of sane length.
 *
 * The verifier's limit on tables bounds how many fields and values there can be, also when the
 * .bfbs refers to the same ones many times over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "flatbuf/schema_reflection.h"
#include "flatbuf/schema_tables.h"

#define NAME_BYTES_MAX 255u
#define STRUCT_BYTES_MAX (1u << 28)
#define STRUCT_DEPTH_MAX 64
#define ALIGNMENT_MAX 256u
#define FIELD_ID_MAX 32764u

/* The .bfbs being read, and the schema being made. */
struct compiler {
    const uint8_t *bytes;
    struct fls_schema *schema;
    uint32_t objects;
    uint32_t enums;
    struct fls_error *error;
};

/* ---- reading the verified .bfbs: positions are byte offsets, 0 is "not there" ---------------- */

static uint32_t place_of(const struct compiler *c, uint32_t table, unsigned slot)
{
    uint32_t vtable = table - fls_load_u32(c->bytes + table);
    uint32_t at = 4 + 2 * slot;

    if (at >= fls_load_u16(c->bytes + vtable))
        return 0;
    uint16_t place = fls_load_u16(c->bytes + vtable + at);
    return place ? table + place : 0;
}

static uint8_t read_u8(const struct compiler *c, uint32_t table, unsigned slot)
{
    uint32_t at = place_of(c, table, slot);

    return at ? c->bytes[at] : 0;
}

static uint16_t read_u16(const struct compiler *c, uint32_t table, unsigned slot)
{
    uint32_t at = place_of(c, table, slot);

    return at ? fls_load_u16(c->bytes + at) : 0;
}

static int32_t read_i32(const struct compiler *c, uint32_t table, unsigned slot, int32_t otherwise)
{
    uint32_t at = place_of(c, table, slot);

    return at ? (int32_t)fls_load_u32(c->bytes + at) : otherwise;
}

static uint64_t read_u64(const struct compiler *c, uint32_t table, unsigned slot)
{
    uint32_t at = place_of(c, table, slot);

    return at ? fls_load_u64(c->bytes + at) : 0;
}

/* The table, vector or string that a field refers to. */
static uint32_t read_target(const struct compiler *c, uint32_t table, unsigned slot)
{
    uint32_t at = place_of(c, table, slot);

    return at ? at + fls_load_u32(c->bytes + at) : 0;
}

static uint32_t count_of(const struct compiler *c, uint32_t vector)
{
    return vector ? fls_load_u32(c->bytes + vector) : 0;
}

static uint32_t element_of(const struct compiler *c, uint32_t vector, uint32_t index)
{
    uint32_t at = vector + 4 + 4 * index;

    return at + fls_load_u32(c->bytes + at);
}

static const char *text_at(const struct compiler *c, uint32_t string)
{
    return (const char *)c->bytes + string + 4;
}

/* ---- refusing -------------------------------------------------------------------------------- */

#define REFUSE(c, ...) fls_error_set((c)->error, FLS_INVALID_FLATBUFFER, __VA_ARGS__)

/* A name: not empty, not long, no zero inside, no control characters. */
static enum fls_status read_name(const struct compiler *c, uint32_t table, unsigned slot,
                                 const char **name)
{
    uint32_t string = read_target(c, table, slot);
    uint32_t length = count_of(c, string);

    if (length == 0 || length > NAME_BYTES_MAX)
        return REFUSE(c, "schema: a name of %" PRIu32 " bytes", length);
    *name = text_at(c, string);
    for (uint32_t i = 0; i < length; i++)
        if ((unsigned char)(*name)[i] <= ' ' || (*name)[i] == 0x7f)
            return REFUSE(c, "schema: a name with a control character or a space in it");
    return FLS_OK;
}

/* ---- types ----------------------------------------------------------------------------------- */

static int is_scalar(enum fls_type type)
{
    return type >= FLS_TYPE_UTYPE && type <= FLS_TYPE_DOUBLE;
}

static uint32_t scalar_bytes(enum fls_type type)
{
    static const uint8_t sizes[] = {0, 1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

    return is_scalar(type) ? sizes[type] : 4;
}

/* The object or enum that a type refers to by its index (-1: none). */
static enum fls_status resolve(const struct compiler *c, const char *name, enum fls_type inner,
                               int32_t index, struct fls_field *field)
{
    size_t count = inner == FLS_TYPE_OBJECT ? c->schema->object_count : c->schema->enum_count;

    if (index < -1 || (index >= 0 && (size_t)index >= count))
        return REFUSE(c, "schema: %.60s refers to type %" PRId32 " of %zu", name, index, count);
    if (inner == FLS_TYPE_OBJECT) {
        if (index < 0)
            return REFUSE(c, "schema: %.60s is of no known table or struct", name);
        field->object = &c->schema->objects[index];
    } else if (index >= 0) {
        field->enumeration = &c->schema->enums[index];
    }
    if (inner == FLS_TYPE_UNION && (!field->enumeration || !field->enumeration->is_union))
        return REFUSE(c, "schema: %.60s is of no known union", name);
    return FLS_OK;
}

static enum fls_status read_type(const struct compiler *c, uint32_t type, struct fls_field *field)
{
    unsigned base = read_u8(c, type, TYPE_BASE);
    unsigned element = read_u8(c, type, TYPE_ELEMENT);
    int series = base == FLS_TYPE_VECTOR || base == FLS_TYPE_ARRAY;

    if (base > FLS_TYPE_ARRAY || element > FLS_TYPE_ARRAY)
        return fls_error_set(c->error, FLS_UNSUPPORTED,
                             "schema: %.60s has a type of a later format version", field->name);
    field->type = (enum fls_type)base;
    field->element = series ? (enum fls_type)element : FLS_TYPE_NONE;
    field->length = base == FLS_TYPE_ARRAY ? read_u16(c, type, TYPE_LENGTH) : 0;
    return resolve(c, field->name, series ? field->element : field->type,
                   read_i32(c, type, TYPE_INDEX, -1), field);
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* The value of the attribute `key`, or NULL. */
static const char *attribute(const struct compiler *c, uint32_t field, const char *key)
{
    uint32_t attributes = read_target(c, field, FIELD_ATTRIBUTES);

    for (uint32_t i = 0; i < count_of(c, attributes); i++) {
        uint32_t pair = element_of(c, attributes, i);
        uint32_t value = read_target(c, pair, KEY_VALUE_VALUE);

        if (strcmp(text_at(c, read_target(c, pair, KEY_VALUE_KEY)), key) == 0)
            return value ? text_at(c, value) : "";
    }
    return NULL;
}

static int compare_with_name(const void *name, const void *entry)
{
    return strcmp(name, (*(const struct fls_object *const *)entry)->name);
}

/* A table's name as it is written inside the namespace of `from`: looked for there, then in each
 * namespace around it. */
static const struct fls_object *find_from(const struct fls_schema *schema, const char *from,
                                          const char *name)
{
    char full[2 * NAME_BYTES_MAX + 2];
    size_t length = strlen(from);

    for (;;) {
        while (length > 0 && from[length - 1] != '.')
            length--;
        snprintf(full, sizeof full, "%.*s%s", (int)length, from, name);
        const struct fls_object *const *found =
            bsearch(full, schema->objects_by_name, schema->object_count,
                    sizeof *schema->objects_by_name, compare_with_name);
        if (found)
            return *found;
        if (length == 0)
            return NULL;
        length--;
    }
}

static enum fls_status read_nested(const struct compiler *c, const struct fls_object *object,
                                   uint32_t at, struct fls_field *field)
{
    const char *name = attribute(c, at, "nested_flatbuffer");

    if (!name)
        return FLS_OK;
    if (field->type != FLS_TYPE_VECTOR || scalar_bytes(field->element) != 1)
        return REFUSE(c, "schema: %.60s is nested_flatbuffer but no vector of bytes", field->name);
    if (strlen(name) <= NAME_BYTES_MAX)
        field->nested = find_from(c->schema, object->name, name);
    if (!field->nested || field->nested->is_struct)
        return REFUSE(c, "schema: %.60s is a nested_flatbuffer of no known table", field->name);
    return FLS_OK;
}

static enum fls_status read_field(const struct compiler *c, const struct fls_object *object,
                                  uint32_t at, struct fls_field *field)
{
    uint64_t real = read_u64(c, at, FIELD_DEFAULT_REAL);
    enum fls_status status = read_name(c, at, FIELD_NAME, &field->name);

    if (status == FLS_OK)
        status = read_type(c, read_target(c, at, FIELD_TYPE), field);
    if (status != FLS_OK)
        return status;
    field->id = read_u16(c, at, FIELD_ID);
    field->offset = read_u16(c, at, FIELD_OFFSET);
    field->required = read_u8(c, at, FIELD_REQUIRED) != 0;
    field->deprecated = read_u8(c, at, FIELD_DEPRECATED) != 0;
    field->optional = is_scalar(field->type) && read_u8(c, at, FIELD_OPTIONAL) != 0;
    field->key = read_u8(c, at, FIELD_KEY) != 0;
    field->default_integer = (int64_t)read_u64(c, at, FIELD_DEFAULT_INTEGER);
    memcpy(&field->default_real, &real, sizeof real);
    if (field->required && read_u8(c, at, FIELD_OPTIONAL))
        return REFUSE(c, "schema: field %.60s is both required and optional", field->name);
    return read_nested(c, object, at, field);
}

/* Reads the fields of one object into the `count` zeroed places behind object->fields, by id. */
static enum fls_status read_fields(const struct compiler *c, const struct fls_object *object,
                                   uint32_t vector, struct fls_field *fields)
{
    uint32_t count = count_of(c, vector);

    for (uint32_t i = 0; i < count; i++) {
        struct fls_field field = {0};
        enum fls_status status = read_field(c, object, element_of(c, vector, i), &field);

        if (status != FLS_OK)
            return status;
        if (field.id >= count || field.id > FIELD_ID_MAX || fields[field.id].name)
            return REFUSE(c, "schema: field %.60s has id %u, which is taken or too large",
                          field.name, field.id);
        fields[field.id] = field;
    }
    return FLS_OK;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static int is_vector_of(const struct fls_field *field, enum fls_type element)
{
    return field->type == FLS_TYPE_VECTOR && field->element == element;
}

/* A union, or a vector of them, has its type or types in the field before. */
static int has_its_type(const struct fls_field *field)
{
    const struct fls_field *before = field - 1;

    if (field->type == FLS_TYPE_UNION)
        return field->id > 0 && before->type == FLS_TYPE_UTYPE;
    if (is_vector_of(field, FLS_TYPE_UNION))
        return field->id > 0 && is_vector_of(before, FLS_TYPE_UTYPE);
    return 1;
}

/* Whether an integer's default can be held by its type. */
static int default_fits(const struct fls_field *field)
{
    uint32_t bits = 8 * scalar_bytes(field->type);
    int64_t value = field->default_integer;

    switch (field->type) {
    case FLS_TYPE_BYTE:
    case FLS_TYPE_SHORT:
    case FLS_TYPE_INT:
        return value >= -(INT64_C(1) << (bits - 1)) && value < INT64_C(1) << (bits - 1);
    case FLS_TYPE_UTYPE:
    case FLS_TYPE_BOOL:
    case FLS_TYPE_UBYTE:
    case FLS_TYPE_USHORT:
    case FLS_TYPE_UINT:
        return value >= 0 && value < INT64_C(1) << bits;
    default:
        return 1;
    }
}

static enum fls_status check_table_field(const struct compiler *c, const struct fls_object *table,
                                         struct fls_field *field)
{
    enum fls_type inner = field->type == FLS_TYPE_VECTOR ? field->element : field->type;

    if (inner == FLS_TYPE_NONE || inner == FLS_TYPE_VECTOR || inner == FLS_TYPE_ARRAY)
        return REFUSE(c, "schema: field %.60s of table %.60s is of a type that tables do not have",
                      field->name, table->name);
    if (field->offset != 4 + 2 * field->id)
        return REFUSE(c, "schema: field %.60s of table %.60s is not at the place of its id",
                      field->name, table->name);
    if (!has_its_type(field))
        return REFUSE(c, "schema: union %.60s of table %.60s has no type before it", field->name,
                      table->name);
    if (!default_fits(field))
        return REFUSE(c, "schema: the default of field %.60s of table %.60s does not fit its type",
                      field->name, table->name);
    if (field->required && is_scalar(field->type))
        return REFUSE(c, "schema: scalar %.60s of table %.60s cannot be required", field->name,
                      table->name);
    field->bytes = field->type == FLS_TYPE_OBJECT && field->object->is_struct
                       ? field->object->bytes
                       : scalar_bytes(field->type);
    return FLS_OK;
}

/* ---- structs --------------------------------------------------------------------------------- */

/* A struct member's size and alignment; 0 bytes: no such member can be. */
static uint64_t member_bytes(const struct fls_field *field, uint32_t *alignment)
{
    enum fls_type inner = field->type == FLS_TYPE_ARRAY ? field->element : field->type;
    uint64_t count = field->type == FLS_TYPE_ARRAY ? field->length : 1;

    if (inner == FLS_TYPE_OBJECT && field->object->is_struct) {
        *alignment = field->object->alignment;
        return count * field->object->bytes;
    }
    if (!is_scalar(inner) || inner == FLS_TYPE_UTYPE)
        return 0;
    *alignment = scalar_bytes(inner);
    return count * *alignment;
}

static enum fls_status check_struct(const struct compiler *c, const struct fls_object *object,
                                    struct fls_field *fields)
{
    uint64_t end = 0;

    for (size_t i = 0; i < object->field_count; i++) {
        uint32_t alignment = 1;
        uint64_t bytes = member_bytes(&fields[i], &alignment);
        uint64_t start = fields[i].offset;

        if (bytes == 0 || start < end || start % alignment || (i == 0 && start > 0) ||
            alignment > object->alignment || start + bytes > object->bytes)
            return REFUSE(c, "schema: field %.60s of struct %.60s does not fit where it is said to",
                          fields[i].name, object->name);
        fields[i].bytes = (uint32_t)bytes;
        end = start + bytes;
    }
    if (object->bytes - end >= object->alignment)
        return REFUSE(c, "schema: struct %.60s is larger than its fields", object->name);
    return FLS_OK;
}

/* What a struct says of itself, before its fields are known. */
static enum fls_status check_struct_size(const struct compiler *c, const struct fls_object *object)
{
    uint32_t alignment = object->alignment;

    if (alignment == 0 || alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) ||
        object->bytes == 0 || object->bytes > STRUCT_BYTES_MAX || object->bytes % alignment)
        return REFUSE(c, "schema: struct %.60s has %" PRIu32 " bytes and the alignment %" PRIu32,
                      object->name, object->bytes, alignment);
    return FLS_OK;
}

/* How deep structs are nested in this one; more than the limit also stands for "in itself".
 * `depths` remembers what was found: 0 not yet. */
static unsigned struct_depth(const struct fls_object *object, uint8_t *depths, unsigned level)
{
    unsigned deepest = 0;

    if (depths[object->index])
        return depths[object->index];
    if (level > STRUCT_DEPTH_MAX)
        return STRUCT_DEPTH_MAX + 1;
    for (size_t i = 0; i < object->field_count && deepest <= STRUCT_DEPTH_MAX; i++) {
        const struct fls_object *inner = object->fields[i].object;
        unsigned depth = inner ? struct_depth(inner, depths, level + 1) : 0;

        if (depth > deepest)
            deepest = depth;
    }
    if (deepest <= STRUCT_DEPTH_MAX)
        deepest++;
    depths[object->index] = (uint8_t)deepest;
    return deepest;
}

static enum fls_status check_struct_depths(const struct compiler *c)
{
    uint8_t *depths = calloc(c->schema->object_count + 1, 1);
    enum fls_status status = FLS_OK;

    if (!depths)
        return fls_error_no_memory(c->error, c->schema->object_count + 1);
    for (size_t i = 0; i < c->schema->object_count && status == FLS_OK; i++) {
        const struct fls_object *object = &c->schema->objects[i];

        if (object->is_struct && struct_depth(object, depths, 1) > STRUCT_DEPTH_MAX)
            status =
                REFUSE(c, "schema: struct %.60s contains itself, or too many others", object->name);
    }
    free(depths);
    return status;
}

/* ---- names ----------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether no two of the `count` names, which are sorted in place, are equal. */
static enum fls_status check_unique(const struct compiler *c, const char **names, size_t count)
{
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return REFUSE(c, "schema: the name %.60s is there twice", names[i]);
    return FLS_OK;
}

static enum fls_status check_field_names(const struct compiler *c, const struct fls_object *object,
                                         const char **names)
{
    size_t keys = 0;

    for (size_t i = 0; i < object->field_count; i++) {
        names[i] = object->fields[i].name;
        keys += object->fields[i].key != 0;
    }
    if (keys > 1)
        return REFUSE(c, "schema: %.60s has %zu keys", object->name, keys);
    return check_unique(c, names, object->field_count);
}

static enum fls_status check_value_names(const struct compiler *c,
                                         const struct fls_enum *enumeration, const char **names)
{
    for (size_t i = 0; i < enumeration->value_count; i++)
        names[i] = enumeration->values[i].name;
    return check_unique(c, names, enumeration->value_count);
}

static int compare_objects(const void *a, const void *b)
{
    return strcmp((*(const struct fls_object *const *)a)->name,
                  (*(const struct fls_object *const *)b)->name);
}

static int compare_enums(const void *a, const void *b)
{
    return strcmp((*(const struct fls_enum *const *)a)->name,
                  (*(const struct fls_enum *const *)b)->name);
}

/* Tables, structs, enums and unions share one space of names. */
static enum fls_status check_type_names(const struct compiler *c)
{
    const struct fls_schema *schema = c->schema;
    size_t count = schema->object_count + schema->enum_count;
    const char **names = calloc(count + 1, sizeof *names);

    if (!names)
        return fls_error_no_memory(c->error, (count + 1) * sizeof *names);
    for (size_t i = 0; i < schema->object_count; i++)
        names[i] = schema->objects[i].name;
    for (size_t i = 0; i < schema->enum_count; i++)
        names[schema->object_count + i] = schema->enums[i].name;
    enum fls_status status = check_unique(c, names, count);
    free(names);
    return status;
}

static enum fls_status index_names(const struct compiler *c)
{
    struct fls_schema *schema = c->schema;

    for (size_t i = 0; i < schema->object_count; i++)
        schema->objects_by_name[i] = &schema->objects[i];
    for (size_t i = 0; i < schema->enum_count; i++)
        schema->enums_by_name[i] = &schema->enums[i];
    qsort(schema->objects_by_name, schema->object_count, sizeof *schema->objects_by_name,
          compare_objects);
    qsort(schema->enums_by_name, schema->enum_count, sizeof *schema->enums_by_name, compare_enums);
    return check_type_names(c);
}

/* ---- enums ----------------------------------------------------------------------------------- */

/* The first member, and it alone, is NONE, with the type 0. */
static enum fls_status read_member(const struct compiler *c, uint32_t at, uint32_t index,
                                   struct fls_enum_value *value)
{
    uint32_t type = read_target(c, at, ENUM_VALUE_UNION_TYPE);
    struct fls_field field = {.name = value->name};
    enum fls_status status = type ? read_type(c, type, &field) : FLS_OK;

    if (status != FLS_OK)
        return status;
    if (value->value < 0 || value->value > UINT8_MAX || (index == 0) != (value->value == 0))
        return REFUSE(c, "schema: union member %.60s has the type %" PRId64, value->name,
                      value->value);
    if (index == 0 ? field.type != FLS_TYPE_NONE
                   : field.type != FLS_TYPE_OBJECT && field.type != FLS_TYPE_STRING)
        return REFUSE(c, "schema: union member %.60s is no table, struct or string", value->name);
    value->type = field.type;
    value->object = field.object;
    return FLS_OK;
}

static enum fls_status read_values(const struct compiler *c, uint32_t vector,
                                   const struct fls_enum *enumeration,
                                   struct fls_enum_value *values)
{
    for (uint32_t i = 0; i < count_of(c, vector); i++) {
        uint32_t at = element_of(c, vector, i);
        enum fls_status status = read_name(c, at, ENUM_VALUE_NAME, &values[i].name);

        values[i].value = (int64_t)read_u64(c, at, ENUM_VALUE_VALUE);
        if (status == FLS_OK && enumeration->is_union)
            status = read_member(c, at, i, &values[i]);
        if (status != FLS_OK)
            return status;
    }
    return FLS_OK;
}

static enum fls_status read_enum(const struct compiler *c, uint32_t at,
                                 struct fls_enum *enumeration, struct fls_enum_value *values)
{
    unsigned underlying = read_u8(c, read_target(c, at, ENUM_UNDERLYING), TYPE_BASE);

    if (underlying < FLS_TYPE_UTYPE || underlying > FLS_TYPE_ULONG)
        return REFUSE(c, "schema: enum %.60s is not of integers", enumeration->name);
    enumeration->underlying = (enum fls_type)underlying;
    enumeration->values = values;
    enumeration->value_count = count_of(c, read_target(c, at, ENUM_VALUES));
    if (enumeration->value_count == 0)
        return REFUSE(c, "schema: %.60s has no values", enumeration->name);
    return read_values(c, read_target(c, at, ENUM_VALUES), enumeration, values);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* How many fields and values there are in all. The limit on tables keeps these sums small. */
static size_t total(const struct compiler *c, uint32_t vector, unsigned slot)
{
    size_t sum = 0;

    for (uint32_t i = 0; i < count_of(c, vector); i++)
        sum += count_of(c, read_target(c, element_of(c, vector, i), slot));
    return sum;
}

static enum fls_status allocate_heads(const struct compiler *c)
{
    struct fls_schema *schema = c->schema;

    schema->object_count = count_of(c, c->objects);
    schema->enum_count = count_of(c, c->enums);
    schema->objects = calloc(schema->object_count + 1, sizeof *schema->objects);
    schema->enums = calloc(schema->enum_count + 1, sizeof *schema->enums);
    schema->objects_by_name = calloc(schema->object_count + 1, sizeof *schema->objects_by_name);
    schema->enums_by_name = calloc(schema->enum_count + 1, sizeof *schema->enums_by_name);
    if (!schema->objects || !schema->enums || !schema->objects_by_name || !schema->enums_by_name)
        return fls_error_no_memory(c->error, schema->object_count * sizeof *schema->objects);
    return FLS_OK;
}

static enum fls_status allocate_bodies(const struct compiler *c)
{
    struct fls_schema *schema = c->schema;
    size_t fields = total(c, c->objects, OBJECT_FIELDS);
    size_t values = total(c, c->enums, ENUM_VALUES);

    schema->fields = calloc(fields + 1, sizeof *schema->fields);
    schema->values = calloc(values + 1, sizeof *schema->values);
    if (!schema->fields || !schema->values)
        return fls_error_no_memory(c->error, fields * sizeof *schema->fields);
    return FLS_OK;
}

/* What others refer to comes first: the names and sizes of objects, which enums are unions. That
 * names are unique also means that no object is read twice. */
static enum fls_status read_heads(const struct compiler *c)
{
    struct fls_schema *schema = c->schema;
    enum fls_status status = FLS_OK;

    for (size_t i = 0; i < schema->object_count && status == FLS_OK; i++) {
        uint32_t at = element_of(c, c->objects, (uint32_t)i);
        struct fls_object *object = &schema->objects[i];

        object->index = (uint32_t)i;
        object->is_struct = read_u8(c, at, OBJECT_IS_STRUCT) != 0;
        status = read_name(c, at, OBJECT_NAME, &object->name);
        if (status != FLS_OK || !object->is_struct)
            continue;
        object->bytes = (uint32_t)read_i32(c, at, OBJECT_BYTES, 0);
        object->alignment = (uint32_t)read_i32(c, at, OBJECT_ALIGNMENT, 0);
        status = check_struct_size(c, object);
    }
    for (size_t i = 0; i < schema->enum_count && status == FLS_OK; i++) {
        uint32_t at = element_of(c, c->enums, (uint32_t)i);

        schema->enums[i].is_union = read_u8(c, at, ENUM_IS_UNION) != 0;
        status = read_name(c, at, ENUM_NAME, &schema->enums[i].name);
    }
    return status == FLS_OK ? index_names(c) : status;
}

static enum fls_status read_enums(const struct compiler *c, const char **names)
{
    struct fls_enum_value *values = c->schema->values;
    enum fls_status status = FLS_OK;

    for (size_t i = 0; i < c->schema->enum_count && status == FLS_OK; i++) {
        struct fls_enum *enumeration = &c->schema->enums[i];

        status = read_enum(c, element_of(c, c->enums, (uint32_t)i), enumeration, values);
        if (status == FLS_OK)
            status = check_value_names(c, enumeration, names);
        values += enumeration->value_count;
    }
    return status;
}

static enum fls_status check_object(const struct compiler *c, const struct fls_object *object,
                                    struct fls_field *fields)
{
    enum fls_status status = FLS_OK;

    if (object->is_struct)
        return check_struct(c, object, fields);
    for (size_t i = 0; i < object->field_count && status == FLS_OK; i++)
        status = check_table_field(c, object, &fields[i]);
    return status;
}

static enum fls_status read_objects(const struct compiler *c, const char **names)
{
    struct fls_field *fields = c->schema->fields;
    enum fls_status status = FLS_OK;

    for (size_t i = 0; i < c->schema->object_count && status == FLS_OK; i++) {
        struct fls_object *object = &c->schema->objects[i];
        uint32_t vector = read_target(c, element_of(c, c->objects, (uint32_t)i), OBJECT_FIELDS);

        object->fields = fields;
        object->field_count = count_of(c, vector);
        status = read_fields(c, object, vector, fields);
        if (status == FLS_OK)
            status = check_object(c, object, fields);
        if (status == FLS_OK)
            status = check_field_names(c, object, names);
        fields += object->field_count;
    }
    return status;
}

/* The root is one of the objects, referred to once more. */
static enum fls_status find_root(const struct compiler *c, uint32_t schema_table)
{
    uint32_t root = read_target(c, schema_table, SCHEMA_ROOT);

    if (!root)
        return FLS_OK;
    for (uint32_t i = 0; i < count_of(c, c->objects); i++)
        if (element_of(c, c->objects, i) == root)
            c->schema->root = &c->schema->objects[i];
    if (!c->schema->root || c->schema->root->is_struct)
        return REFUSE(c, "schema: the root table is none of its tables");
    return FLS_OK;
}

static enum fls_status read_identifier(const struct compiler *c, uint32_t schema_table)
{
    uint32_t string = read_target(c, schema_table, SCHEMA_IDENTIFIER);

    c->schema->identifier = string ? text_at(c, string) : "";
    size_t length = count_of(c, string);
    if ((length != 0 && length != 4) || strlen(c->schema->identifier) != length)
        return REFUSE(c, "schema: the file identifier has %zu characters, not 4", length);
    return FLS_OK;
}

static enum fls_status read_bodies(const struct compiler *c)
{
    enum fls_status status = allocate_bodies(c);
    size_t most =
        fls_max_size(total(c, c->objects, OBJECT_FIELDS), total(c, c->enums, ENUM_VALUES));

    if (status != FLS_OK)
        return status;
    const char **names = calloc(most + 1, sizeof *names);
    if (!names)
        return fls_error_no_memory(c->error, (most + 1) * sizeof *names);
    status = read_enums(c, names);
    if (status == FLS_OK)
        status = read_objects(c, names);
    free(names);
    return status;
}

static enum fls_status read_all(const struct compiler *c, uint32_t schema_table)
{
    enum fls_status status = allocate_heads(c);

    if (status == FLS_OK)
        status = read_heads(c);
    if (status == FLS_OK)
        status = read_bodies(c);
    if (status == FLS_OK)
        status = check_struct_depths(c);
    if (status == FLS_OK)
        status = find_root(c, schema_table);
    return status == FLS_OK ? read_identifier(c, schema_table) : status;
}

/* A .bfbs may be size-prefixed: its identifier then stands four bytes later. */
static size_t prefix_of(const uint8_t *bfbs, size_t bytes)
{
    if (bytes >= 12 && memcmp(bfbs + 4, "BFBS", 4) != 0 && memcmp(bfbs + 8, "BFBS", 4) == 0 &&
        fls_load_u32(bfbs) == bytes - 4)
        return 4;
    return 0;
}

static enum fls_status verify(const uint8_t *bfbs, size_t bytes, struct fls_error *error)
{
    struct fls_verifier_limits limits = {.alignment = FLS_ALIGNED_FROM_EITHER};

    if (bytes < 8 || memcmp(bfbs + 4, "BFBS", 4) != 0)
        return fls_error_set(error, FLS_INVALID_FLATBUFFER,
                             "not a binary schema (made by flatc --binary --schema): the "
                             "identifier BFBS is missing");
    return fls_plan_check(&fls_reflection_plan, REFLECTION_SCHEMA, bfbs, bytes, &limits, error);
}

enum fls_status fls_schema_compile(struct fls_schema *schema, const void *bfbs, size_t bytes,
                                   struct fls_error *error)
{
    size_t prefix = prefix_of(bfbs, bytes);
    const uint8_t *from = (const uint8_t *)bfbs + prefix;

    bytes -= prefix;
    enum fls_status status = verify(from, bytes, error);
    if (status != FLS_OK)
        return status;
    schema->bytes = malloc(bytes);
    if (!schema->bytes)
        return fls_error_no_memory(error, bytes);
    memcpy(schema->bytes, from, bytes);
    uint32_t table = fls_load_u32(schema->bytes);
    struct compiler c = {.bytes = schema->bytes, .schema = schema, .error = error};
    c.objects = read_target(&c, table, SCHEMA_OBJECTS);
    c.enums = read_target(&c, table, SCHEMA_ENUMS);
    return read_all(&c, table);
}
