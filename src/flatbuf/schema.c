/*
 * schema.c: answers about a schema that was compiled by schema_compile.c and does not change.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arguments.h"
#include "base/error.h"
#include "flatbuf/schema_tables.h"

enum fls_status fls_schema_open(const void *bfbs, size_t bytes, struct fls_schema **schema,
                                struct fls_error *error)
{
    enum fls_status status = fls_check_given(bfbs, bytes, "bytes of a schema", error);

    if (status != FLS_OK)
        return status;
    struct fls_schema *made = calloc(1, sizeof *made);
    if (!made)
        return fls_error_no_memory(error, sizeof *made);
    status = fls_schema_compile(made, bfbs, bytes, error);
    if (status != FLS_OK) {
        fls_schema_close(made);
        return status;
    }
    *schema = made;
    return FLS_OK;
}

void fls_schema_close(struct fls_schema *schema)
{
    if (!schema)
        return;
    free(schema->bytes);
    free(schema->objects);
    free(schema->fields);
    free(schema->enums);
    free(schema->values);
    free(schema->objects_by_name);
    free(schema->enums_by_name);
    free(schema);
}

const struct fls_object *fls_schema_root(const struct fls_schema *schema)
{
    return schema->root;
}

const char *fls_schema_identifier(const struct fls_schema *schema)
{
    return schema->identifier;
}

size_t fls_schema_object_count(const struct fls_schema *schema)
{
    return schema->object_count;
}

const struct fls_object *fls_schema_object(const struct fls_schema *schema, size_t index)
{
    return index < schema->object_count ? &schema->objects[index] : NULL;
}

size_t fls_schema_enum_count(const struct fls_schema *schema)
{
    return schema->enum_count;
}

const struct fls_enum *fls_schema_enum(const struct fls_schema *schema, size_t index)
{
    return index < schema->enum_count ? &schema->enums[index] : NULL;
}

/* Whether `name` is the last part of `full`: "Item" of "shop.Item". */
static int is_last_part(const char *full, const char *name)
{
    const char *dot = strrchr(full, '.');

    return dot && strcmp(dot + 1, name) == 0;
}

static int compare_object(const void *name, const void *entry)
{
    return strcmp(name, (*(const struct fls_object *const *)entry)->name);
}

const struct fls_object *fls_schema_find_object(const struct fls_schema *schema, const char *name)
{
    const struct fls_object *const *exact =
        bsearch(name, schema->objects_by_name, schema->object_count,
                sizeof *schema->objects_by_name, compare_object);
    const struct fls_object *found = NULL;

    if (exact)
        return *exact;
    for (size_t i = 0; i < schema->object_count; i++) {
        if (!is_last_part(schema->objects[i].name, name))
            continue;
        if (found)
            return NULL;
        found = &schema->objects[i];
    }
    return found;
}

static int compare_enum(const void *name, const void *entry)
{
    return strcmp(name, (*(const struct fls_enum *const *)entry)->name);
}

const struct fls_enum *fls_schema_find_enum(const struct fls_schema *schema, const char *name)
{
    const struct fls_enum *const *exact = bsearch(name, schema->enums_by_name, schema->enum_count,
                                                  sizeof *schema->enums_by_name, compare_enum);
    const struct fls_enum *found = NULL;

    if (exact)
        return *exact;
    for (size_t i = 0; i < schema->enum_count; i++) {
        if (!is_last_part(schema->enums[i].name, name))
            continue;
        if (found)
            return NULL;
        found = &schema->enums[i];
    }
    return found;
}

const struct fls_field *fls_object_find_field(const struct fls_object *object, const char *name)
{
    for (size_t i = 0; i < object->field_count; i++)
        if (strcmp(object->fields[i].name, name) == 0)
            return &object->fields[i];
    return NULL;
}

const char *fls_enum_name(const struct fls_enum *enumeration, int64_t value)
{
    for (size_t i = 0; i < enumeration->value_count; i++)
        if (enumeration->values[i].value == value)
            return enumeration->values[i].name;
    return NULL;
}

int fls_enum_find(const struct fls_enum *enumeration, const char *name, int64_t *value)
{
    for (size_t i = 0; i < enumeration->value_count; i++) {
        if (strcmp(enumeration->values[i].name, name) == 0) {
            *value = enumeration->values[i].value;
            return 1;
        }
    }
    return 0;
}

const char *fls_type_name(enum fls_type type)
{
    static const char *const names[] = {
        "none", "union type", "bool",  "byte",   "ubyte",  "short",  "ushort", "int",   "uint",
        "long", "ulong",      "float", "double", "string", "vector", "object", "union", "array",
    };

    return (size_t)type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}
