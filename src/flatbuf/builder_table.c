/*
 * builder_table.c: tables, their scalar and other fields, and the vtables that they share.
 *
 * Fields are written as they come. A slot remembers for each its distance from the table's end; at
 * the end the slots become the vtable in place, which is looked up and written only if new.
 * Invariant: outside a table all slots are 0. Called by the application, once a field: the hottest
 * code of the builder.
 */
#include "flatbuf/builder_parts.h"

#define TABLE_BYTES_MAX 65535u

/* Fields that have a slot, and may be set. */
static inline uint32_t usable_slots(const struct fls_builder *b)
{
    return b->slot_capacity <= FLS_BUILDER_FIELD_MAX ? b->slot_capacity : FLS_BUILDER_FIELD_MAX + 1;
}

void fls_builder_start_table(struct fls_builder *builder)
{
    struct fls_builder *b = builder;

    if (FLS_UNLIKELY(b->state != BUILDER_READY)) {
        if (b->state == BUILDER_IN_TABLE)
            fls_builder_fail(b, FLS_INVALID_ARGUMENT, 0, 0, "a table was started within a table");
        else
            fls_builder_refuse(b);
        return;
    }
    b->state = BUILDER_IN_TABLE;
    b->slot_limit = usable_slots(b);
    b->table_origin = (uintptr_t)b->cursor;
}

static bool grow_slots(struct fls_builder *b, uint32_t field)
{
    uint32_t capacity = 2 * b->slot_capacity;
    uint16_t *vtable;

    while (capacity <= field)
        capacity *= 2;
    vtable = fls_builder_allocate(b, fls_builder_vtable_bytes(capacity));
    if (!vtable)
        return false;
    memset(vtable, 0, fls_builder_vtable_bytes(capacity));
    memcpy(vtable, b->vtable, fls_builder_vtable_bytes(b->slot_capacity));
    fls_builder_release(b, b->vtable, fls_builder_vtable_bytes(b->slot_capacity));
    b->vtable = vtable;
    b->slots = vtable + 2;
    b->slot_capacity = capacity;
    b->slot_limit = usable_slots(b);
    return true;
}

/* Makes a slot for `field` or says why there can be none. */
__attribute__((noinline)) static bool make_slot(struct fls_builder *b, uint32_t field)
{
    if (b->state == BUILDER_READY)
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, 0, field, "a field was set outside a table");
    else if (b->state != BUILDER_IN_TABLE)
        fls_builder_refuse(b);
    else if (field > FLS_BUILDER_FIELD_MAX)
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, FLS_BUILDER_FIELD_MAX, field,
                         "the field's id is out of range");
    else if (field < b->slot_limit)
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, 0, field, "a field was set twice");
    else
        return grow_slots(b, field);
    return false;
}

static inline bool slot_is_free(struct fls_builder *b, uint32_t field)
{
    if (FLS_LIKELY(field < b->slot_limit && !b->slots[field]))
        return true;
    return make_slot(b, field);
}

/* The field begins at the cursor. */
static inline void note_field(struct fls_builder *b, uint32_t field)
{
    b->slots[field] = (uint16_t)(b->table_origin - (uintptr_t)b->cursor);
    if (field >= b->field_end)
        b->field_end = field + 1;
}

static inline uint8_t *claim_field(struct fls_builder *b, uint32_t field, size_t bytes,
                                   uint32_t alignment)
{
    uint8_t *at;

    if (!slot_is_free(b, field))
        return NULL;
    at = builder_claim(b, bytes, alignment);
    if (FLS_LIKELY(at != NULL))
        note_field(b, field);
    return at;
}

static inline void write_u8(struct fls_builder *b, uint32_t field, uint8_t value)
{
    uint8_t *at = claim_field(b, field, 1, 1);

    if (at)
        *at = value;
}

static inline void write_u16(struct fls_builder *b, uint32_t field, uint16_t value)
{
    uint8_t *at = claim_field(b, field, 2, 2);

    if (at)
        fls_store_u16(at, value);
}

static inline void write_u32(struct fls_builder *b, uint32_t field, uint32_t value)
{
    uint8_t *at = claim_field(b, field, 4, 4);

    if (at)
        fls_store_u32(at, value);
}

static inline void write_u64(struct fls_builder *b, uint32_t field, uint64_t value)
{
    uint8_t *at = claim_field(b, field, 8, 8);

    if (at)
        fls_store_u64(at, value);
}

static inline uint32_t bits_of_f32(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline uint64_t bits_of_f64(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* X(name, C type, writer, bits of `value`) */
#define SCALAR_MAP(X)                                                                              \
    X(bool, int, write_u8, value != 0)                                                             \
    X(i8, int8_t, write_u8, (uint8_t)value)                                                        \
    X(u8, uint8_t, write_u8, value)                                                                \
    X(i16, int16_t, write_u16, (uint16_t)value)                                                    \
    X(u16, uint16_t, write_u16, value)                                                             \
    X(i32, int32_t, write_u32, (uint32_t)value)                                                    \
    X(u32, uint32_t, write_u32, value)                                                             \
    X(i64, int64_t, write_u64, (uint64_t)value)                                                    \
    X(u64, uint64_t, write_u64, value)                                                             \
    X(f32, float, write_u32, bits_of_f32(value))                                                   \
    X(f64, double, write_u64, bits_of_f64(value))

#define EQUAL_bool(value, other) (!(value) == !(other))
#define EQUAL_plain(value, other) ((value) == (other))
/* A NaN equals a NaN here: both stand for the same default. */
#define EQUAL_float(value, other) ((value) == (other) || ((value) != (value) && (other) != (other)))
#define EQUAL_i8 EQUAL_plain
#define EQUAL_u8 EQUAL_plain
#define EQUAL_i16 EQUAL_plain
#define EQUAL_u16 EQUAL_plain
#define EQUAL_i32 EQUAL_plain
#define EQUAL_u32 EQUAL_plain
#define EQUAL_i64 EQUAL_plain
#define EQUAL_u64 EQUAL_plain
#define EQUAL_f32 EQUAL_float
#define EQUAL_f64 EQUAL_float

#define DEFINE_SCALAR(name, type, writer, bits)                                                    \
    void fls_builder_add_##name(struct fls_builder *builder, uint32_t field, type value,           \
                                type default_value)                                                \
    {                                                                                              \
        if (!EQUAL_##name(value, default_value) || builder->force_defaults)                        \
            writer(builder, field, bits);                                                          \
    }                                                                                              \
    void fls_builder_set_##name(struct fls_builder *builder, uint32_t field, type value)           \
    {                                                                                              \
        writer(builder, field, bits);                                                              \
    }

SCALAR_MAP(DEFINE_SCALAR)

void fls_builder_add_ref(struct fls_builder *builder, uint32_t field, uint32_t ref)
{
    struct fls_builder *b = builder;
    uint8_t *at;

    if (ref == 0)
        return;
    if (FLS_UNLIKELY(!builder_may_refer(b, ref))) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, builder_size(b), ref,
                         "a field refers to nothing that was made in this buffer");
        return;
    }
    at = claim_field(b, field, 4, 4);
    if (at)
        fls_store_u32(at, builder_size(b) - ref);
}

void fls_builder_add_struct(struct fls_builder *builder, uint32_t field, const void *data,
                            size_t bytes, uint32_t alignment)
{
    struct fls_builder *b = builder;
    uint8_t *at;

    if (!data)
        return;
    if (!builder_alignment_is_valid(alignment) || bytes == 0 || bytes & (alignment - 1) ||
        bytes > TABLE_BYTES_MAX) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, alignment, bytes,
                         "a struct's size is no multiple of its alignment, or over 65,535");
        return;
    }
    at = claim_field(b, field, bytes, alignment);
    if (at)
        memcpy(at, data, bytes);
}

void fls_builder_add_union(struct fls_builder *builder, uint32_t field, uint8_t type, uint32_t ref)
{
    if (field == 0 || !type != !ref) {
        fls_builder_fail(builder, FLS_INVALID_ARGUMENT, type, ref,
                         "a union has a type and a value, or neither");
        return;
    }
    if (type == 0)
        return;
    fls_builder_add_ref(builder, field, ref);
    write_u8(builder, field - 1, type);
}

void fls_builder_require(struct fls_builder *builder, uint32_t field)
{
    struct fls_builder *b = builder;

    if (b->state == BUILDER_READY)
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, field, 0, "a field was required outside a table");
    else if (b->state != BUILDER_IN_TABLE)
        fls_builder_refuse(b);
    else if (field >= b->field_end || !b->slots[field])
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, field, 0, "a required field is missing");
}

/* Writes the open table's vtable to `to`, turning distances from the table's end into offsets from
 * its start; `to` may be b->vtable, where the slots are. Returns a hash of the whole. */
static inline uint32_t make_vtable(struct fls_builder *b, uint8_t *to, uint32_t fields,
                                   uint32_t table_bytes)
{
    const uint16_t *slots = b->slots;
    uint32_t hash = fields ^ table_bytes << 16;

    fls_store_u16(to, (uint16_t)(4 + 2 * fields));
    fls_store_u16(to + 2, (uint16_t)table_bytes);
    for (uint32_t i = 0; i < fields; i++) {
        uint32_t offset = slots[i] ? table_bytes - slots[i] : 0;

        fls_store_u16(to + 4 + 2 * (size_t)i, (uint16_t)offset);
        hash = (hash << 5 | hash >> 27) ^ offset;
    }
    return hash;
}

/* The open table's vtable: one of this buffer that is the same, or a new one. It is made where it
 * would stand, below the cursor, or beside the page when that is full. 0 on failure. */
static inline uint32_t share_vtable(struct fls_builder *b, uint32_t fields, uint32_t table_bytes)
{
    uint32_t bytes = (uint32_t)fls_builder_vtable_bytes(fields);
    bool fits = builder_room(b) >= bytes;
    uint8_t *made = fits ? b->cursor - bytes : (uint8_t *)b->vtable;
    uint32_t hash = make_vtable(b, made, fields, table_bytes);
    uint32_t ref = builder_index_find(&b->vtables, made, bytes, hash, b->buffer_base);

    if (ref)
        return ref;
    if (fits) {
        b->cursor = made;
    } else {
        uint8_t *at = builder_claim(b, bytes, 2);

        if (!at)
            return 0;
        memcpy(at, made, bytes);
        made = at;
    }
    ref = builder_size(b);
    return fls_builder_index_add(b, &b->vtables, made, bytes, hash, ref) ? ref : 0;
}

/* In steps of 16 bytes: the capacity is a multiple of that. */
static inline void clear_slots(struct fls_builder *b, uint32_t fields)
{
    for (uint32_t i = 0; i < fields; i += 8)
        memset(b->slots + i, 0, 8 * sizeof *b->slots);
}

uint32_t fls_builder_end_table(struct fls_builder *builder)
{
    struct fls_builder *b = builder;
    uint32_t fields = b->field_end;
    uint32_t table;
    uint32_t vtable;
    uintptr_t bytes;
    uint8_t *at;

    if (FLS_UNLIKELY(b->state != BUILDER_IN_TABLE)) {
        fls_builder_fail(b, FLS_INVALID_ARGUMENT, 0, 0, "a table was ended that was not started");
        return 0;
    }
    at = builder_claim(b, 4, 4);
    if (!at)
        return 0;
    table = builder_size(b);
    bytes = b->table_origin - (uintptr_t)at;
    if (FLS_UNLIKELY(bytes > TABLE_BYTES_MAX)) {
        fls_builder_fail(b, FLS_LIMIT, TABLE_BYTES_MAX, bytes, "a table exceeds 65,535 bytes");
        return 0;
    }
    vtable = share_vtable(b, fields, (uint32_t)bytes);
    if (FLS_UNLIKELY(!vtable))
        return 0;
    fls_store_u32(at, vtable - table);
    clear_slots(b, fields);
    b->field_end = 0;
    b->slot_limit = 0;
    b->state = BUILDER_READY;
    b->last_table = table;
    if (FLS_UNLIKELY(b->check_references))
        return fls_builder_name(b, table);
    return table;
}
