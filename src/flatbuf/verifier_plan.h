/*
 * verifier_plan.h: what to check, flat enough to be followed without a look at the schema.
 *
 * A plan has one entry for each table, and each of those one slot for each place in the vtable, in
 * that order. verifier.c makes plans from schemas; schema_reflection.c has one written by hand, for
 * the schema of schemas. verifier_engine.c follows them.
 */
#ifndef FLATBUF_VERIFIER_PLAN_H
#define FLATBUF_VERIFIER_PLAN_H

#include <flatstream/verifier.h>

enum plan_kind {
    PLAN_INLINE,        /* `size` bytes in the table: a scalar or a struct */
    PLAN_STRING,        /* an offset to a string */
    PLAN_TABLE,         /* an offset to the table `target` */
    PLAN_VECTOR,        /* an offset to elements of `size` bytes */
    PLAN_STRING_VECTOR, /* an offset to offsets to strings */
    PLAN_TABLE_VECTOR,  /* an offset to offsets to tables `target` */
    PLAN_UNION_TYPE,    /* a byte; the value is in the next slot, the union is `target` */
    PLAN_UNION,         /* an offset to the value; its type is in the slot before */
    PLAN_UNION_TYPES,   /* an offset to bytes, the types of the values in the next slot */
    PLAN_UNION_VECTOR,  /* an offset to offsets; the types are in the slot before */
    PLAN_NESTED,        /* a vector of bytes that is a FlatBuffer with the root table `target` */
    PLAN_UNKNOWN        /* not looked at */
};

/* `mask`: alignment - 1 of the scalar, of the struct, of the vector's elements. */
struct plan_slot {
    uint8_t kind;
    uint8_t required;
    uint16_t mask;
    uint32_t size;
    uint32_t target;
};

/* `required_end`: one past the last required slot. `slot_names` go into errors. */
struct plan_table {
    const struct plan_slot *slots;
    uint32_t slot_count;
    uint32_t required_end;
    const char *name;
    const char *const *slot_names;
};

/* Members by the union's type value; kind PLAN_UNKNOWN marks a hole. A struct is PLAN_INLINE. */
struct plan_union {
    const struct plan_slot *members;
    uint32_t member_count;
};

/* `strict` as in struct fls_verifier_options. */
struct plan {
    const struct plan_table *tables;
    const struct plan_union *unions;
    int strict;
};

/*
 * Follows `plan` through the message from a root table of the number `root` (a NULL plan: the root
 * table's structure alone). FLS_OK, or FLS_INVALID_FLATBUFFER as fls_verifier_check says. `limits`
 * is not NULL.
 */
enum fls_status fls_plan_check(const struct plan *plan, uint32_t root, const void *message,
                               size_t bytes, const struct fls_verifier_limits *limits,
                               struct fls_error *error);

#endif
