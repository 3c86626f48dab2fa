/*
 * verifier.c: compiles a schema into a plan, and offers the checks as calls and as taps.
 *
 * The plan has a slot for every field of every table, in the vtable's order, so that a message
 * costs one pass over each of its vtables and no look-up. It refers to tables by their index in
 * the schema. Everything a verifier holds is in one allocation.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arguments.h"
#include "base/error.h"
#include "flatbuf/verifier_plan.h"

struct fls_verifier {
    struct plan plan;
    uint32_t root;
    struct fls_verifier_limits limits;
    char identifier[8];
};

static const struct fls_verifier_limits default_limits;

/* How much of each kind the schema asks for. */
struct sizes {
    size_t tables;
    size_t slots;
    size_t unions;
    size_t members;
};

static size_t member_count(const struct fls_enum *members)
{
    int64_t largest = -1;

    for (size_t i = 0; i < members->value_count; i++)
        if (members->values[i].value > largest)
            largest = members->values[i].value;
    return (size_t)(largest + 1);
}

static struct sizes measure(const struct fls_schema *schema)
{
    struct sizes sizes = {fls_schema_object_count(schema), 0, fls_schema_enum_count(schema), 0};

    for (size_t i = 0; i < sizes.tables; i++)
        sizes.slots += fls_schema_object(schema, i)->field_count;
    for (size_t i = 0; i < sizes.unions; i++)
        if (fls_schema_enum(schema, i)->is_union)
            sizes.members += member_count(fls_schema_enum(schema, i));
    return sizes;
}

static uint16_t mask_of(uint32_t alignment)
{
    return (uint16_t)(alignment - 1);
}

/* Generated code neither reads nor verifies a deprecated field. */
static int is_passed_over(const struct plan *plan, const struct fls_field *field)
{
    return field->deprecated && !plan->strict;
}

/* The enum's place in the schema, which is its union's in the plan. */
static uint32_t union_index(const struct fls_schema *schema, const struct fls_enum *members)
{
    return (uint32_t)(members - fls_schema_enum(schema, 0));
}

/* The field after this one, if that is looked at: of a union, or a vector of unions, it is the
 * value, and this one the type. */
static const struct fls_field *value_of(const struct plan *plan, const struct fls_object *table,
                                        const struct fls_field *field)
{
    size_t next = (size_t)field->id + 1;

    if (next >= table->field_count || is_passed_over(plan, &table->fields[next]))
        return NULL;
    return &table->fields[next];
}

/* Whether this field holds the types of a vector of unions. */
static int is_before_unions(const struct plan *plan, const struct fls_object *table,
                            const struct fls_field *field)
{
    const struct fls_field *value = value_of(plan, table, field);

    return value && value->type == FLS_TYPE_VECTOR && value->element == FLS_TYPE_UNION;
}

static struct plan_slot plan_vector(const struct plan *plan, const struct fls_schema *schema,
                                    const struct fls_object *table, const struct fls_field *field)
{
    static const uint8_t sizes[] = {0, 1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
    struct plan_slot slot = {PLAN_VECTOR, (uint8_t)field->required, 3, 4, 0};

    if (field->nested) {
        slot.kind = PLAN_NESTED;
        slot.target = field->nested->index;
    } else if (field->element == FLS_TYPE_STRING) {
        slot.kind = PLAN_STRING_VECTOR;
    } else if (field->element == FLS_TYPE_UTYPE && is_before_unions(plan, table, field)) {
        slot.kind = PLAN_UNION_TYPES;
    } else if (field->element == FLS_TYPE_UNION) {
        slot.kind = PLAN_UNION_VECTOR;
        slot.target = union_index(schema, field->enumeration);
    } else if (field->element == FLS_TYPE_OBJECT && !field->object->is_struct) {
        slot.kind = PLAN_TABLE_VECTOR;
        slot.target = field->object->index;
    } else {
        slot.size = field->object ? field->object->bytes : sizes[field->element];
        slot.mask = mask_of(field->object ? field->object->alignment : slot.size);
    }
    return slot;
}

static struct plan_slot plan_object(const struct fls_object *object, int required)
{
    struct plan_slot slot = {PLAN_TABLE, (uint8_t)required, 3, 4, object->index};

    if (object->is_struct) {
        slot.kind = PLAN_INLINE;
        slot.size = object->bytes;
        slot.mask = mask_of(object->alignment);
    }
    return slot;
}

/* A union's type byte stands in the slot before its value; one without a value is a plain byte. */
static struct plan_slot plan_union_type(const struct plan *plan, const struct fls_schema *schema,
                                        const struct fls_object *table,
                                        const struct fls_field *field)
{
    struct plan_slot slot = {PLAN_INLINE, 0, 0, 1, 0};
    const struct fls_field *value = value_of(plan, table, field);

    if (value && value->type == FLS_TYPE_UNION) {
        slot.kind = PLAN_UNION_TYPE;
        slot.target = union_index(schema, value->enumeration);
    }
    return slot;
}

static struct plan_slot plan_field(const struct plan *plan, const struct fls_schema *schema,
                                   const struct fls_object *table, const struct fls_field *field)
{
    struct plan_slot slot = {PLAN_INLINE, (uint8_t)field->required, 0, field->bytes, 0};

    if (is_passed_over(plan, field))
        return (struct plan_slot){.kind = PLAN_UNKNOWN};
    switch (field->type) {
    case FLS_TYPE_UTYPE:
        return plan_union_type(plan, schema, table, field);
    case FLS_TYPE_STRING:
        slot.kind = PLAN_STRING;
        break;
    case FLS_TYPE_UNION:
        slot.kind = PLAN_UNION;
        slot.target = union_index(schema, field->enumeration);
        break;
    case FLS_TYPE_VECTOR:
        return plan_vector(plan, schema, table, field);
    case FLS_TYPE_OBJECT:
        return plan_object(field->object, field->required);
    default:
        break;
    }
    slot.mask = mask_of(slot.size);
    return slot;
}

static struct plan_slot plan_member(const struct fls_enum_value *value)
{
    struct plan_slot slot = {PLAN_UNKNOWN, 0, 0, 0, 0};

    if (value->type == FLS_TYPE_OBJECT)
        return plan_object(value->object, 0);
    if (value->type == FLS_TYPE_STRING)
        slot.kind = PLAN_STRING;
    return slot;
}

static void compile_table(const struct plan *plan, const struct fls_schema *schema,
                          const struct fls_object *object, struct plan_table *table,
                          struct plan_slot *slots, const char **names)
{
    table->name = object->name;
    table->slots = slots;
    table->slot_names = names;
    /* A struct has no vtable and is never a target. */
    table->slot_count = object->is_struct ? 0 : (uint32_t)object->field_count;
    for (uint32_t i = 0; i < table->slot_count; i++) {
        slots[i] = plan_field(plan, schema, object, &object->fields[i]);
        names[i] = object->fields[i].name;
        if (slots[i].required)
            table->required_end = i + 1;
    }
}

static void compile_union(const struct fls_enum *members, struct plan_union *to,
                          struct plan_slot *slots)
{
    to->members = slots;
    to->member_count = (uint32_t)member_count(members);
    for (uint32_t i = 0; i < to->member_count; i++)
        slots[i].kind = PLAN_UNKNOWN;
    for (size_t i = 0; i < members->value_count; i++)
        slots[members->values[i].value] = plan_member(&members->values[i]);
}

/* The pieces of the one allocation, in order of falling alignment. */
struct pieces {
    struct plan_table *tables;
    struct plan_union *unions;
    const char **names;
    struct plan_slot *slots;
    struct plan_slot *members;
};

static struct fls_verifier *allocate(const struct sizes *sizes, struct pieces *pieces,
                                     size_t *bytes)
{
    *bytes = sizeof(struct fls_verifier) + sizes->tables * sizeof *pieces->tables +
             sizes->unions * sizeof *pieces->unions + sizes->slots * sizeof *pieces->names +
             (sizes->slots + sizes->members) * sizeof *pieces->slots;
    struct fls_verifier *verifier = calloc(1, *bytes);

    if (!verifier)
        return NULL;
    pieces->tables = (struct plan_table *)(verifier + 1);
    pieces->unions = (struct plan_union *)(pieces->tables + sizes->tables);
    pieces->names = (const char **)(pieces->unions + sizes->unions);
    pieces->slots = (struct plan_slot *)(pieces->names + sizes->slots);
    pieces->members = pieces->slots + sizes->slots;
    return verifier;
}

static void compile(const struct fls_schema *schema, const struct sizes *sizes,
                    struct pieces *pieces, struct fls_verifier *verifier)
{
    verifier->plan.tables = pieces->tables;
    verifier->plan.unions = pieces->unions;
    for (size_t i = 0; i < sizes->tables; i++) {
        const struct fls_object *object = fls_schema_object(schema, i);

        compile_table(&verifier->plan, schema, object, &pieces->tables[i], pieces->slots,
                      pieces->names);
        pieces->slots += object->field_count;
        pieces->names += object->field_count;
    }
    for (size_t i = 0; i < sizes->unions; i++) {
        const struct fls_enum *members = fls_schema_enum(schema, i);

        if (!members->is_union)
            continue;
        compile_union(members, &pieces->unions[i], pieces->members);
        pieces->members += pieces->unions[i].member_count;
    }
}

static enum fls_status check_arguments(const struct fls_schema *schema,
                                       const struct fls_object *root,
                                       const struct fls_verifier_options *options,
                                       struct fls_error *error)
{
    if (!root)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "the schema has no root table: name one");
    if (root->is_struct)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "%s is a struct; the root must be a table", root->name);
    if (options->check_identifier && !fls_schema_identifier(schema)[0])
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "the schema has no file identifier");
    return FLS_OK;
}

enum fls_status fls_verifier_open(const struct fls_schema *schema, const struct fls_object *root,
                                  const struct fls_verifier_options *options,
                                  struct fls_verifier **verifier, struct fls_error *error)
{
    static const struct fls_verifier_options defaults;
    struct sizes sizes = measure(schema);
    struct pieces pieces;
    size_t bytes;

    if (!options)
        options = &defaults;
    if (!root)
        root = fls_schema_root(schema);
    enum fls_status status = check_arguments(schema, root, options, error);
    if (status != FLS_OK)
        return status;
    struct fls_verifier *made = allocate(&sizes, &pieces, &bytes);
    if (!made)
        return fls_error_no_memory(error, bytes);
    made->plan.strict = options->strict != 0;
    compile(schema, &sizes, &pieces, made);
    made->root = root->index;
    made->limits = options->limits;
    if (options->check_identifier)
        memcpy(made->identifier, fls_schema_identifier(schema), 4);
    *verifier = made;
    return FLS_OK;
}

void fls_verifier_close(struct fls_verifier *verifier)
{
    free(verifier);
}

static enum fls_status check_identifier(const char *identifier, const void *message, size_t bytes,
                                        struct fls_error *error)
{
    if (bytes >= 8 && memcmp((const char *)message + 4, identifier, 4) == 0)
        return FLS_OK;
    fls_error_set(error, FLS_INVALID_FLATBUFFER, "the file identifier is not \"%.4s\"", identifier);
    if (error) {
        error->expected = bytes;
        error->found = 4;
    }
    return FLS_INVALID_FLATBUFFER;
}

enum fls_status fls_verifier_check(const struct fls_verifier *verifier, const void *message,
                                   size_t bytes, struct fls_error *error)
{
    enum fls_status status = fls_check_given(message, bytes, "bytes of a message", error);

    if (status == FLS_OK && verifier->identifier[0])
        status = check_identifier(verifier->identifier, message, bytes, error);
    if (status != FLS_OK)
        return status;
    return fls_plan_check(&verifier->plan, verifier->root, message, bytes, &verifier->limits,
                          error);
}

enum fls_status fls_verify_table_root(const void *message, size_t bytes,
                                      const struct fls_verifier_limits *limits,
                                      struct fls_error *error)
{
    enum fls_status status = fls_check_given(message, bytes, "bytes of a message", error);

    if (status != FLS_OK)
        return status;
    return fls_plan_check(NULL, 0, message, bytes, limits ? limits : &default_limits, error);
}

/* ---- taps ----------------------------------------------------------------------------------- */

/* These taps ask for contiguous payloads; an empty one may have no segment. */
static struct iovec only_segment(const struct fls_payload *payload)
{
    return payload->count > 0 ? payload->segments[0] : (struct iovec){NULL, 0};
}

static enum fls_status run_table_root(const struct fls_tap *tap, const struct fls_payload *payload,
                                      struct fls_error *error)
{
    struct iovec message = only_segment(payload);

    return fls_verify_table_root(message.iov_base, message.iov_len, tap->context, error);
}

static enum fls_status run_schema(const struct fls_tap *tap, const struct fls_payload *payload,
                                  struct fls_error *error)
{
    struct iovec message = only_segment(payload);

    return fls_verifier_check(tap->context, message.iov_base, message.iov_len, error);
}

struct fls_tap fls_tap_table_root(const struct fls_verifier_limits *limits)
{
    struct fls_tap tap = {0};

    tap.run = run_table_root;
    tap.name = "table_root";
    tap.context = (void *)(uintptr_t)limits;
    tap.contiguous = 1;
    return tap;
}

struct fls_tap fls_tap_schema(const struct fls_verifier *verifier)
{
    struct fls_tap tap = {0};

    tap.run = run_schema;
    tap.name = "schema";
    tap.context = (void *)(uintptr_t)verifier;
    tap.contiguous = 1;
    return tap;
}
