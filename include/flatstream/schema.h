/*
 * schema.h: a FlatBuffers schema at run time, and fields read by their names.
 *
 * A schema comes from a `.bfbs` file (`flatc --binary --schema`, with `--bfbs-builtins` when it
 * uses nested_flatbuffer); json.h makes one from an `.fbs`. Once opened it never changes: any
 * number of threads may use it, and the paths compiled from it, at the same time.
 */
#ifndef FLATSTREAM_SCHEMA_H
#define FLATSTREAM_SCHEMA_H

#include <flatstream/status.h>

FLS_BEGIN_DECLS

/* The types of the format, numbered as in a .bfbs. */
enum fls_type {
    FLS_TYPE_NONE,
    FLS_TYPE_UTYPE,
    FLS_TYPE_BOOL,
    FLS_TYPE_BYTE,
    FLS_TYPE_UBYTE,
    FLS_TYPE_SHORT,
    FLS_TYPE_USHORT,
    FLS_TYPE_INT,
    FLS_TYPE_UINT,
    FLS_TYPE_LONG,
    FLS_TYPE_ULONG,
    FLS_TYPE_FLOAT,
    FLS_TYPE_DOUBLE,
    FLS_TYPE_STRING,
    FLS_TYPE_VECTOR,
    FLS_TYPE_OBJECT,
    FLS_TYPE_UNION,
    FLS_TYPE_ARRAY
};

struct fls_object;

/*
 * One value of an enum, or one member of a union: then `type` is FLS_TYPE_OBJECT (with `object`),
 * FLS_TYPE_STRING, or FLS_TYPE_NONE for the member NONE.
 */
struct fls_enum_value {
    const char *name;
    int64_t value;
    enum fls_type type;
    const struct fls_object *object;
};

/* An enum or a union; its values are in the schema's order. */
struct fls_enum {
    const char *name;
    int is_union;
    enum fls_type underlying;
    const struct fls_enum_value *values;
    size_t value_count;
};

/*
 * A field of a table or struct.
 *
 *   id           its place: fields[id]
 *   offset       in a table its place in the vtable in bytes, in a struct its byte offset
 *   type         its type; `element` that of a vector's or array's elements, else FLS_TYPE_NONE
 *   length       elements of a fixed array, else 0
 *   bytes        what it takes inline
 *   object       table or struct of the field or of its elements, else NULL
 *   enumeration  enum of the field or of its elements, the union of a union field, else NULL
 *   nested       root table of the FlatBuffer in a byte vector (nested_flatbuffer), else NULL
 *   optional     a scalar without a default (`= null`)
 *   default_integer  of an integer, as int64_t; flatc 2.0.8 writes a ulong's default over 2^63-1
 *                as 2^63-1
 */
struct fls_field {
    const char *name;
    uint16_t id;
    uint16_t offset;
    enum fls_type type;
    enum fls_type element;
    uint32_t length;
    uint32_t bytes;
    const struct fls_object *object;
    const struct fls_enum *enumeration;
    const struct fls_object *nested;
    int required;
    int deprecated;
    int optional;
    int key;
    int64_t default_integer;
    double default_real;
};

/* A table or a struct. `bytes` and `alignment` are a struct's, 0 for a table. Fields by id. */
struct fls_object {
    const char *name;
    int is_struct;
    uint32_t index;
    uint32_t bytes;
    uint32_t alignment;
    const struct fls_field *fields;
    size_t field_count;
};

struct fls_schema;

/*
 * Opens the binary schema at `bfbs`, checking all of it first: hostile bytes are refused, never
 * followed. The bytes are copied; the caller may free them. FLS_OK sets *schema.
 * FLS_INVALID_FLATBUFFER: not a .bfbs, or one that contradicts itself (error->found is the byte
 * offset where that is known). FLS_UNSUPPORTED: it uses types of later format versions.
 * FLS_NO_MEMORY.
 */
FLS_API FLS_MUST_USE enum fls_status fls_schema_open(const void *bfbs, size_t bytes,
                                                     struct fls_schema **schema,
                                                     struct fls_error *error);

/* Frees the schema; NULL is ignored. What came from it (objects, fields, names, paths, verifiers)
 * must not be used any more. */
FLS_API void fls_schema_close(struct fls_schema *schema);

/* The root table, NULL if the schema declares none. */
FLS_API const struct fls_object *fls_schema_root(const struct fls_schema *schema);

/* The file identifier: four characters, or "" if none was declared. */
FLS_API const char *fls_schema_identifier(const struct fls_schema *schema);

FLS_API size_t fls_schema_object_count(const struct fls_schema *schema);
FLS_API const struct fls_object *fls_schema_object(const struct fls_schema *schema, size_t index);
FLS_API size_t fls_schema_enum_count(const struct fls_schema *schema);
FLS_API const struct fls_enum *fls_schema_enum(const struct fls_schema *schema, size_t index);

/* Finds a table or struct (an enum or union) by its full name ("shop.Item"), or by its last part
 * ("Item") where that is unique. NULL if there is none, or more than one. */
FLS_API const struct fls_object *fls_schema_find_object(const struct fls_schema *schema,
                                                        const char *name);
FLS_API const struct fls_enum *fls_schema_find_enum(const struct fls_schema *schema,
                                                    const char *name);

/* NULL if there is none of that name. */
FLS_API const struct fls_field *fls_object_find_field(const struct fls_object *object,
                                                      const char *name);

/* The name of `value`; NULL if no value of the enum has it (bit flags combined, for example). */
FLS_API const char *fls_enum_name(const struct fls_enum *enumeration, int64_t value);

/* The value called `name`: 1 and *value, or 0. */
FLS_API int fls_enum_find(const struct fls_enum *enumeration, const char *name, int64_t *value);

/* "int", "string", ...; "unknown" for a number that is no type. */
FLS_API const char *fls_type_name(enum fls_type type);

/* ---- fields by path ---------------------------------------------------------------------- */

/* What a path leads to. FLS_VALUE_UNION: a union field itself; its type is in `unsigned_value`. */
enum fls_value_kind {
    FLS_VALUE_BOOL,
    FLS_VALUE_SIGNED,
    FLS_VALUE_UNSIGNED,
    FLS_VALUE_REAL,
    FLS_VALUE_STRING,
    FLS_VALUE_VECTOR,
    FLS_VALUE_TABLE,
    FLS_VALUE_STRUCT,
    FLS_VALUE_UNION
};

/*
 * FLS_PRESENT: in the message. FLS_DEFAULTED: not in the message, so it has the schema's default.
 * FLS_ABSENT: there is no value (an optional scalar, string, table or vector that is not there, an
 * index past the end, a union that holds another member); the number is 0, the text empty.
 */
enum fls_presence { FLS_PRESENT, FLS_DEFAULTED, FLS_ABSENT };

/*
 * A value read. The member that `kind` names is set; memory is borrowed from the message.
 *
 *   bool_value      FLS_VALUE_BOOL: 0 or 1
 *   signed_value    FLS_VALUE_SIGNED
 *   unsigned_value  FLS_VALUE_UNSIGNED, FLS_VALUE_UNION
 *   real_value      FLS_VALUE_REAL
 *   text, length    FLS_VALUE_STRING: the bytes, terminated by a zero when present
 *   data, length    FLS_VALUE_VECTOR: first element and number of elements;
 *                   FLS_VALUE_STRUCT: its bytes and their number. Little-endian as in the message,
 *                   and aligned only if the message is. NULL for other kinds
 *   enumeration     the enum of the number, NULL if it has none
 *   index           with fls_path_each: which element of the last `[]` this is
 */
struct fls_value {
    enum fls_value_kind kind;
    enum fls_presence presence;
    int bool_value;
    int64_t signed_value;
    uint64_t unsigned_value;
    double real_value;
    const char *text;
    const void *data;
    size_t length;
    const struct fls_enum *enumeration;
    size_t index;
};

struct fls_path;

/*
 * Compiles `text`, a path from `root` (NULL: the schema's root table):
 *
 *     location.x              fields of tables and structs
 *     items[3].name           the fourth element of a vector or fixed array
 *     items[].price           every element (fls_path_each)
 *     equipped.Weapon.damage  a union: the member's name, absent when it holds another
 *     inner.x                 into a nested FlatBuffer (nested_flatbuffer)
 *
 * The path borrows the schema. FLS_OK sets *path. FLS_INVALID_ARGUMENT: error->reason says what is
 * wrong, error->found is the column (from 1) in `text` where it is wrong, error->expected the
 * number of characters concerned (0 at the end of the text). FLS_NO_MEMORY.
 */
FLS_API FLS_MUST_USE enum fls_status fls_path_compile(const struct fls_schema *schema,
                                                      const struct fls_object *root,
                                                      const char *text, struct fls_path **path,
                                                      struct fls_error *error);

/* Frees the path; NULL is ignored. */
FLS_API void fls_path_close(struct fls_path *path);

/* What every value of this path will be, its enum (or NULL), and whether it contains `[]`. */
FLS_API enum fls_value_kind fls_path_kind(const struct fls_path *path);
FLS_API const struct fls_enum *fls_path_enum(const struct fls_path *path);
FLS_API int fls_path_repeats(const struct fls_path *path);

/* The type of what the path leads to, as declared. */
FLS_API enum fls_type fls_path_type(const struct fls_path *path);

/*
 * Reads the value from a message, which should have been verified: each step is checked against
 * the message's bounds, so an unverified one cannot make it read outside, but may give nonsense.
 * FLS_OK; FLS_INVALID_FLATBUFFER when a step leaves the message; FLS_INVALID_ARGUMENT when the
 * path contains `[]`. Allocates nothing.
 */
FLS_API FLS_MUST_USE enum fls_status fls_path_read(const struct fls_path *path, const void *message,
                                                   size_t bytes, struct fls_value *value);

/* Given each value in turn; returns non-zero to stop. The value is valid during the call. */
typedef int fls_value_function(void *context, const struct fls_value *value);

/*
 * Calls `each` for every value that the path leads to: once for a path without `[]`, and not at
 * all for an empty or absent vector. FLS_OK, FLS_STOPPED, FLS_INVALID_FLATBUFFER as above.
 */
FLS_API FLS_MUST_USE enum fls_status fls_path_each(const struct fls_path *path, const void *message,
                                                   size_t bytes, fls_value_function *each,
                                                   void *context);

FLS_END_DECLS

#endif
