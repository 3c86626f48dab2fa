/*
 * schema_path.h: a path as steps. schema_path.c makes them from text, schema_read.c walks them.
 */
#ifndef FLATBUF_SCHEMA_PATH_H
#define FLATBUF_SCHEMA_PATH_H

#include <flatstream/schema.h>

enum step_kind {
    STEP_FIELD,          /* from a table to the place of its field `slot` */
    STEP_MEMBER,         /* from a struct to the member at `offset` */
    STEP_FOLLOW,         /* from an offset to what it refers to */
    STEP_FOLLOW_ELEMENT, /* the same in a vector, where one that is null refers to itself */
    STEP_ELEMENT,        /* from a vector to its element `index`, each of `size` bytes */
    STEP_EACH,           /* from a vector to every element in turn */
    STEP_ARRAY_ELEMENT,  /* from a fixed array to its element `index` */
    STEP_ARRAY_EACH,     /* from a fixed array to each of `count` elements */
    STEP_UNION,          /* go on if the type in `slot` of the table last left is `member` */
    STEP_UNION_ELEMENT,  /* the same with a vector of types in `slot` */
    STEP_NESTED          /* from a vector of bytes to the root of the FlatBuffer in it */
};

struct step {
    enum step_kind kind;
    uint8_t member;
    uint16_t slot;
    uint32_t offset;
    uint32_t index;
    uint32_t size;
    uint32_t count;
};

/* `leaf` is the field at the end with the type of what the path leads to, an element's if it ends
 * in an index; `defaulted` is the step whose absence means the schema's default (else -1);
 * `element_bytes` is the size of a vector's elements at the end. */
struct fls_path {
    struct fls_field leaf;
    enum fls_value_kind kind;
    uint32_t element_bytes;
    uint16_t union_slot;
    int union_in_vector;
    int defaulted;
    int repeats;
    size_t step_count;
    struct step steps[];
};

#endif
