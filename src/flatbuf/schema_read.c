/*
 * schema_read.c: walks a path's steps through a message.
 *
 * Every load is checked against the message's bounds, so that even a message that was never
 * verified cannot make it read outside. What is not there ends the walk with the value absent, or
 * with the schema's default if it is the last field itself. `[]` calls the rest of the walk once
 * for each element.
 */
#include <string.h>

#include "base/bytes.h"
#include "flatbuf/schema_path.h"

/* Where the walk is: `at` in the message (or in the nested one), the table that it left last, the
 * element that it is in, and what to do at the end. */
struct walk {
    const struct fls_path *path;
    const uint8_t *bytes;
    size_t size;
    size_t at;
    size_t table;
    size_t element;
    size_t shown_element;
};

/* What to do with each value. */
struct receiver {
    fls_value_function *each;
    void *context;
};

enum outcome { GO_ON, ABSENT, BROKEN };

static inline int inside(const struct walk *w, size_t at, size_t count)
{
    return at <= w->size && count <= w->size - at;
}

/* The place of a field of the table at `table`; 0 in *place if it is not there. */
static inline enum outcome find_place(const struct walk *w, size_t table, uint16_t slot,
                                      size_t *place)
{
    if (!inside(w, table, 4))
        return BROKEN;
    int64_t vtable = (int64_t)table - (int32_t)fls_load_u32(w->bytes + table);
    if (vtable < 0 || !inside(w, (size_t)vtable, 2))
        return BROKEN;
    size_t entry = 4 + 2 * (size_t)slot;
    size_t size = fls_load_u16(w->bytes + vtable);
    if (!inside(w, (size_t)vtable, size))
        return BROKEN;
    if (entry + 2 > size)
        return ABSENT;
    size_t distance = fls_load_u16(w->bytes + vtable + entry);
    if (distance == 0)
        return ABSENT;
    *place = table + distance;
    return GO_ON;
}

static inline enum outcome follow_element(const struct walk *w, size_t at, size_t *to)
{
    if (!inside(w, at, 4))
        return BROKEN;
    uint32_t offset = fls_load_u32(w->bytes + at);
    if (offset >= w->size - at)
        return BROKEN;
    *to = at + offset;
    return GO_ON;
}

/* Only in a vector may an offset be null. */
static inline enum outcome follow(const struct walk *w, size_t at, size_t *to)
{
    enum outcome outcome = follow_element(w, at, to);

    return outcome == GO_ON && *to == at ? BROKEN : outcome;
}

/* The number of elements of the vector at `at`, all of which are inside. */
static inline enum outcome read_count(const struct walk *w, size_t at, uint32_t size, size_t *count)
{
    if (!inside(w, at, 4))
        return BROKEN;
    *count = fls_load_u32(w->bytes + at);
    return (uint64_t)*count * size <= w->size - at - 4 ? GO_ON : BROKEN;
}

static enum outcome go_to_element(struct walk *w, const struct step *step)
{
    size_t count;

    if (read_count(w, w->at, step->size, &count) != GO_ON)
        return BROKEN;
    if (step->index >= count)
        return ABSENT;
    w->element = step->index;
    w->at += 4 + (size_t)step->index * step->size;
    return GO_ON;
}

static enum outcome check_union(const struct walk *w, const struct step *step)
{
    size_t place;
    enum outcome outcome = find_place(w, w->table, step->slot, &place);

    if (outcome != GO_ON)
        return outcome;
    if (!inside(w, place, 1))
        return BROKEN;
    return w->bytes[place] == step->member ? GO_ON : ABSENT;
}

/* The type of the present element of a vector of unions. */
static enum outcome read_element_type(const struct walk *w, uint16_t slot, uint8_t *type)
{
    size_t place, types, count;
    enum outcome outcome = find_place(w, w->table, slot, &place);

    if (outcome != GO_ON)
        return outcome;
    if (follow(w, place, &types) != GO_ON || read_count(w, types, 1, &count) != GO_ON ||
        w->element >= count)
        return BROKEN;
    *type = w->bytes[types + 4 + w->element];
    return GO_ON;
}

static enum outcome check_union_element(const struct walk *w, const struct step *step)
{
    uint8_t type;
    enum outcome outcome = read_element_type(w, step->slot, &type);

    if (outcome != GO_ON)
        return outcome;
    return type == step->member ? GO_ON : ABSENT;
}

static enum outcome enter_nested(struct walk *w)
{
    size_t count;

    if (read_count(w, w->at, 1, &count) != GO_ON)
        return BROKEN;
    w->bytes += w->at + 4;
    w->size = count;
    return follow(w, 0, &w->at);
}

static inline enum outcome take_step(struct walk *w, const struct step *step)
{
    switch (step->kind) {
    case STEP_FIELD:
        w->table = w->at;
        return find_place(w, w->at, step->slot, &w->at);
    case STEP_MEMBER:
        w->at += step->offset;
        return GO_ON;
    case STEP_FOLLOW:
        return follow(w, w->at, &w->at);
    case STEP_FOLLOW_ELEMENT:
        return follow_element(w, w->at, &w->at);
    case STEP_ELEMENT:
        return go_to_element(w, step);
    case STEP_ARRAY_ELEMENT:
        w->at += (size_t)step->index * step->size;
        return GO_ON;
    case STEP_UNION:
        return check_union(w, step);
    case STEP_UNION_ELEMENT:
        return check_union_element(w, step);
    default:
        return enter_nested(w);
    }
}

/* ---- the value at the end ----------------------------------------------------------------------
 */

static void set_integer(struct fls_value *value, int64_t number)
{
    value->bool_value = number != 0;
    value->signed_value = number;
    value->unsigned_value = (uint64_t)number;
}

static void set_missing(const struct fls_path *path, int defaulted, struct fls_value *value)
{
    value->presence = FLS_ABSENT;
    if (!defaulted || path->leaf.optional)
        return;
    value->presence = FLS_DEFAULTED;
    set_integer(value, path->leaf.default_integer);
    value->real_value = path->leaf.default_real;
}

static double load_float(const uint8_t *bytes)
{
    uint32_t bits = fls_load_u32(bytes);
    float value;

    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static double load_double(const uint8_t *bytes)
{
    uint64_t bits = fls_load_u64(bytes);
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static void load_scalar(const uint8_t *from, enum fls_type type, struct fls_value *value)
{
    switch (type) {
    case FLS_TYPE_BYTE:
        set_integer(value, (int8_t)*from);
        break;
    case FLS_TYPE_SHORT:
        set_integer(value, (int16_t)fls_load_u16(from));
        break;
    case FLS_TYPE_USHORT:
        set_integer(value, fls_load_u16(from));
        break;
    case FLS_TYPE_INT:
        set_integer(value, (int32_t)fls_load_u32(from));
        break;
    case FLS_TYPE_UINT:
        set_integer(value, fls_load_u32(from));
        break;
    case FLS_TYPE_LONG:
    case FLS_TYPE_ULONG:
        set_integer(value, (int64_t)fls_load_u64(from));
        break;
    case FLS_TYPE_FLOAT:
        value->real_value = load_float(from);
        break;
    case FLS_TYPE_DOUBLE:
        value->real_value = load_double(from);
        break;
    default:
        set_integer(value, *from);
        break;
    }
}

/* Only with its terminator is it a string: callers may take `text` for one. */
static enum outcome load_string(const struct walk *w, struct fls_value *value)
{
    if (read_count(w, w->at, 1, &value->length) != GO_ON ||
        !inside(w, w->at + 4, value->length + 1) || w->bytes[w->at + 4 + value->length] != 0)
        return BROKEN;
    value->text = (const char *)w->bytes + w->at + 4;
    return GO_ON;
}

static enum outcome load_vector(const struct walk *w, struct fls_value *value)
{
    const struct fls_field *leaf = &w->path->leaf;

    if (leaf->type == FLS_TYPE_ARRAY) {
        value->data = w->bytes + w->at;
        value->length = leaf->length;
        return inside(w, w->at, leaf->bytes) ? GO_ON : BROKEN;
    }
    if (read_count(w, w->at, w->path->element_bytes, &value->length) != GO_ON)
        return BROKEN;
    value->data = w->bytes + w->at + 4;
    return GO_ON;
}

static enum outcome load_struct(const struct walk *w, struct fls_value *value)
{
    value->length = w->path->leaf.object->bytes;
    value->data = w->bytes + w->at;
    return inside(w, w->at, value->length) ? GO_ON : BROKEN;
}

/* A union itself: its type, from the field or the vector before. */
static enum outcome load_union(const struct walk *w, struct fls_value *value)
{
    uint8_t type = 0;
    size_t place;

    if (w->path->union_in_vector) {
        enum outcome outcome = read_element_type(w, w->path->union_slot, &type);

        if (outcome != GO_ON)
            return outcome;
    } else {
        enum outcome outcome = find_place(w, w->table, w->path->union_slot, &place);

        if (outcome != GO_ON)
            return outcome;
        if (!inside(w, place, 1))
            return BROKEN;
        type = w->bytes[place];
    }
    set_integer(value, type);
    return type ? GO_ON : ABSENT;
}

static enum outcome load(const struct walk *w, struct fls_value *value)
{
    static const uint8_t sizes[] = {0, 1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

    switch (w->path->kind) {
    case FLS_VALUE_STRING:
        return load_string(w, value);
    case FLS_VALUE_VECTOR:
        return load_vector(w, value);
    case FLS_VALUE_STRUCT:
        return load_struct(w, value);
    case FLS_VALUE_UNION:
        return load_union(w, value);
    case FLS_VALUE_TABLE:
        return inside(w, w->at, 4) ? GO_ON : BROKEN;
    default:
        if (!inside(w, w->at, sizes[w->path->leaf.type]))
            return BROKEN;
        load_scalar(w->bytes + w->at, w->path->leaf.type, value);
        return GO_ON;
    }
}

static void start_value(const struct walk *w, struct fls_value *value)
{
    *value = (struct fls_value){.kind = w->path->kind,
                                .text = "",
                                .enumeration = w->path->leaf.enumeration,
                                .index = w->shown_element};
}

/* ---- walking -----------------------------------------------------------------------------------
 */

static enum fls_status walk_from(struct walk *w, size_t from, const struct receiver *receiver);

/* The rest of the walk for each of `count` elements. `w` comes back as it was. */
static enum fls_status walk_each(struct walk *w, size_t index, size_t first, size_t count,
                                 const struct receiver *receiver)
{
    const struct step *step = &w->path->steps[index];
    enum fls_status status = FLS_OK;

    for (size_t i = 0; i < count && status == FLS_OK; i++) {
        struct walk inner = *w;

        inner.at = first + i * step->size;
        inner.element = i;
        inner.shown_element = i;
        status = walk_from(&inner, index + 1, receiver);
    }
    return status;
}

static enum fls_status hand_over(const struct walk *w, enum outcome outcome, size_t last,
                                 const struct receiver *receiver)
{
    struct fls_value value;

    start_value(w, &value);
    if (outcome == GO_ON)
        outcome = load(w, &value);
    if (outcome == BROKEN)
        return FLS_INVALID_FLATBUFFER;
    if (outcome == ABSENT)
        set_missing(w->path, w->path->defaulted == (int)last, &value);
    return receiver->each(receiver->context, &value) ? FLS_STOPPED : FLS_OK;
}

/* Whether `[]` comes later: then an absence before it means no values at all. */
static int repeats_later(const struct fls_path *path, size_t from)
{
    for (size_t i = from; i < path->step_count; i++)
        if (path->steps[i].kind == STEP_EACH || path->steps[i].kind == STEP_ARRAY_EACH)
            return 1;
    return 0;
}

static enum fls_status walk_from(struct walk *w, size_t from, const struct receiver *receiver)
{
    const struct fls_path *path = w->path;
    enum outcome outcome = GO_ON;
    size_t count, i = from;

    for (; i < path->step_count; i++) {
        const struct step *step = &path->steps[i];

        if (step->kind == STEP_ARRAY_EACH)
            return walk_each(w, i, w->at, step->count, receiver);
        if (step->kind == STEP_EACH) {
            if (read_count(w, w->at, step->size, &count) != GO_ON)
                return FLS_INVALID_FLATBUFFER;
            return walk_each(w, i, w->at + 4, count, receiver);
        }
        outcome = take_step(w, step);
        if (outcome != GO_ON)
            break;
    }
    if (outcome == ABSENT && repeats_later(path, i))
        return FLS_OK;
    return hand_over(w, outcome, i, receiver);
}

enum fls_status fls_path_each(const struct fls_path *path, const void *message, size_t bytes,
                              fls_value_function *each, void *context)
{
    struct walk w = {.path = path, .bytes = message, .size = bytes};
    struct receiver receiver = {each, context};

    if (follow(&w, 0, &w.at) != GO_ON)
        return FLS_INVALID_FLATBUFFER;
    return walk_from(&w, 0, &receiver);
}

static int keep(void *context, const struct fls_value *value)
{
    *(struct fls_value *)context = *value;
    return 0;
}

enum fls_status fls_path_read(const struct fls_path *path, const void *message, size_t bytes,
                              struct fls_value *value)
{
    if (path->repeats)
        return FLS_INVALID_ARGUMENT;
    return fls_path_each(path, message, bytes, keep, value);
}
