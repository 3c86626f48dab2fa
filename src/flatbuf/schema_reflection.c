/*
 * schema_reflection.c: the plan for reflection.fbs, written by hand from its published fields.
 *
 * Later versions of the format add fields at the end of these tables; a plan does not look at what
 * it does not know, so they pass. schema.c verifies every .bfbs with it before reading a byte.
 */
#include "flatbuf/schema_reflection.h"

#define COUNT(array) (uint32_t)(sizeof(array) / sizeof((array)[0]))

#define NUMBER(bytes)                                                                              \
    {                                                                                              \
        PLAN_INLINE, 0, (bytes)-1, bytes, 0                                                        \
    }
#define STRING(required)                                                                           \
    {                                                                                              \
        PLAN_STRING, required, 3, 4, 0                                                             \
    }
#define STRINGS                                                                                    \
    {                                                                                              \
        PLAN_STRING_VECTOR, 0, 3, 4, 0                                                             \
    }
#define TABLE(target, required)                                                                    \
    {                                                                                              \
        PLAN_TABLE, required, 3, 4, target                                                         \
    }
#define TABLES(target, required)                                                                   \
    {                                                                                              \
        PLAN_TABLE_VECTOR, required, 3, 4, target                                                  \
    }
#define ATTRIBUTES TABLES(REFLECTION_KEY_VALUE, 0)

static const struct plan_slot schema_slots[] = {
    TABLES(REFLECTION_OBJECT, 1),
    TABLES(REFLECTION_ENUM, 1),
    STRING(0),
    STRING(0),
    TABLE(REFLECTION_OBJECT, 0),
    TABLES(REFLECTION_SERVICE, 0),
    NUMBER(8),
    TABLES(REFLECTION_FILE, 0),
};
static const char *const schema_names[] = {
    "objects",    "enums",    "file_ident",        "file_ext",
    "root_table", "services", "advanced_features", "fbs_files",
};

static const struct plan_slot object_slots[] = {
    STRING(1), TABLES(REFLECTION_FIELD, 1), NUMBER(1), NUMBER(4), NUMBER(4), ATTRIBUTES, STRINGS,
    STRING(0),
};
static const char *const object_names[] = {
    "name",     "fields",     "is_struct",     "minalign",
    "bytesize", "attributes", "documentation", "declaration_file",
};

static const struct plan_slot field_slots[] = {
    STRING(1), TABLE(REFLECTION_TYPE, 1),
    NUMBER(2), NUMBER(2),
    NUMBER(8), NUMBER(8),
    NUMBER(1), NUMBER(1),
    NUMBER(1), ATTRIBUTES,
    STRINGS,   NUMBER(1),
    NUMBER(2),
};
static const char *const field_names[] = {
    "name",          "type",       "id",       "offset", "default_integer",
    "default_real",  "deprecated", "required", "key",    "attributes",
    "documentation", "optional",   "padding",
};

static const struct plan_slot type_slots[] = {
    NUMBER(1), NUMBER(1), NUMBER(4), NUMBER(2), NUMBER(4), NUMBER(4),
};
static const char *const type_names[] = {
    "base_type", "element", "index", "fixed_length", "base_size", "element_size",
};

static const struct plan_slot enum_slots[] = {
    STRING(1),  TABLES(REFLECTION_ENUM_VALUE, 1),
    NUMBER(1),  TABLE(REFLECTION_TYPE, 1),
    ATTRIBUTES, STRINGS,
    STRING(0),
};
static const char *const enum_names[] = {
    "name",       "values",        "is_union",         "underlying_type",
    "attributes", "documentation", "declaration_file",
};

static const struct plan_slot enum_value_slots[] = {
    STRING(1), NUMBER(8), TABLE(REFLECTION_OBJECT, 0), TABLE(REFLECTION_TYPE, 0), STRINGS,
};
static const char *const enum_value_names[] = {
    "name", "value", "object", "union_type", "documentation",
};

static const struct plan_slot key_value_slots[] = {STRING(1), STRING(0)};
static const char *const key_value_names[] = {"key", "value"};

static const struct plan_slot service_slots[] = {
    STRING(1), TABLES(REFLECTION_CALL, 0), ATTRIBUTES, STRINGS, STRING(0),
};
static const char *const service_names[] = {
    "name", "calls", "attributes", "documentation", "declaration_file",
};

static const struct plan_slot call_slots[] = {
    STRING(1), TABLE(REFLECTION_OBJECT, 1), TABLE(REFLECTION_OBJECT, 1), ATTRIBUTES, STRINGS,
};
static const char *const call_names[] = {
    "name", "request", "response", "attributes", "documentation",
};

static const struct plan_slot file_slots[] = {STRING(1), STRINGS};
static const char *const file_names[] = {"filename", "included_filenames"};

static const struct plan_table tables[] = {
    [REFLECTION_SCHEMA] = {schema_slots, COUNT(schema_slots), 2, "Schema", schema_names},
    [REFLECTION_OBJECT] = {object_slots, COUNT(object_slots), 2, "Object", object_names},
    [REFLECTION_FIELD] = {field_slots, COUNT(field_slots), 2, "Field", field_names},
    [REFLECTION_TYPE] = {type_slots, COUNT(type_slots), 0, "Type", type_names},
    [REFLECTION_ENUM] = {enum_slots, COUNT(enum_slots), 4, "Enum", enum_names},
    [REFLECTION_ENUM_VALUE] = {enum_value_slots, COUNT(enum_value_slots), 1, "EnumVal",
                               enum_value_names},
    [REFLECTION_KEY_VALUE] = {key_value_slots, COUNT(key_value_slots), 1, "KeyValue",
                              key_value_names},
    [REFLECTION_SERVICE] = {service_slots, COUNT(service_slots), 1, "Service", service_names},
    [REFLECTION_CALL] = {call_slots, COUNT(call_slots), 3, "RPCCall", call_names},
    [REFLECTION_FILE] = {file_slots, COUNT(file_slots), 1, "SchemaFile", file_names},
};

const struct plan fls_reflection_plan = {tables, NULL, 1};
