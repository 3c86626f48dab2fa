/*
 * schema_tables.h: what a schema holds. schema_compile.c fills it, schema.c answers from it.
 */
#ifndef FLATBUF_SCHEMA_TABLES_H
#define FLATBUF_SCHEMA_TABLES_H

#include <flatstream/schema.h>

/* `bytes` is our copy of the .bfbs; all names point into it. `objects_by_name` is sorted. */
struct fls_schema {
    uint8_t *bytes;
    struct fls_object *objects;
    struct fls_field *fields;
    struct fls_enum *enums;
    struct fls_enum_value *values;
    const struct fls_object **objects_by_name;
    const struct fls_enum **enums_by_name;
    size_t object_count;
    size_t enum_count;
    const struct fls_object *root;
    const char *identifier;
};

/* Fills the zeroed `schema` from `bfbs`, which is copied first. On failure what was allocated is
 * left in it for fls_schema_close. */
enum fls_status fls_schema_compile(struct fls_schema *schema, const void *bfbs, size_t bytes,
                                   struct fls_error *error);

#endif
