/*
 * verifier_engine.c: follows a plan through a message.
 *
 * The invariant: nothing is read before it is known to lie inside the message. Positions are byte
 * offsets in the message, which is at most 2^31-1 bytes long, and no offset or size is taken that
 * is as large as that: so sums of two fit in 32 bits. Called by verifier.c for messages and by
 * schema.c for schemas.
 *
 * A check returns 1 or 0. The first that fails words the problem; each level that it falls through
 * notes its field, and from these notes the path in the error is made. A message that passes pays
 * nothing for that.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "flatbuf/verifier_plan.h"

#define MESSAGE_BYTES_MAX 0x7fffffffu
/* A root offset, a vtable without entries, and a table without fields. */
#define FLATBUFFER_BYTES_MIN 12u
#define DEPTH_CAP 1000u
#define NOTES_MAX 32
#define NO_ELEMENT UINT32_MAX
#define PROBLEM_MAX 80

/* One level of the path to a problem; the innermost is noted first. */
struct note {
    const struct plan_table *table;
    uint32_t slot;
    uint32_t element;
};

/* The message (or the nested one inside it, from `origin`), what is left of the limits, and the
 * problem when there is one. Alignment is that of a position plus `skew`, in the bits that
 * `align_bits` leaves. */
struct run {
    const uint8_t *bytes;
    uint32_t size;
    uint32_t skew;
    uint32_t align_bits;
    uint32_t depth_left;
    uint32_t tables_left;
    uint64_t elements_left;
    const struct plan *plan;
    uint32_t origin;
    int wants_words;
    int is_alignment;
    uint32_t where;
    uint32_t element;
    uint32_t note_count;
    struct note notes[NOTES_MAX];
    char problem[PROBLEM_MAX];
};

static void __attribute__((cold, noinline, format(printf, 3, 4)))
put_problem(struct run *run, uint32_t where, const char *format, ...)
{
    run->where = run->origin + where;
    if (run->wants_words) {
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(run->problem, sizeof run->problem, format, arguments);
        va_end(arguments);
    }
}

/* Failing is an expression of the value 0. */
#define fail(run, ...) (put_problem(run, __VA_ARGS__), 0)
#define fail_alignment(run, where, what, mask) (put_misaligned(run, where, what, mask), 0)
#define fail_null(run, at) fail(run, at, "offset at byte %" PRIu32 " is null", (run)->origin + (at))
#define note(run, table, slot) (put_note(run, table, slot), 0)

static void __attribute__((cold, noinline))
put_misaligned(struct run *run, uint32_t where, const char *what, uint32_t mask)
{
    run->is_alignment = 1;
    put_problem(run, where, "%s at byte %" PRIu32 " is not aligned to %" PRIu32, what,
                run->origin + where, mask + 1);
}

static void __attribute__((cold, noinline))
put_note(struct run *run, const struct plan_table *table, uint32_t slot)
{
    if (run->note_count < NOTES_MAX)
        run->notes[run->note_count++] = (struct note){table, slot, run->element};
    run->element = NO_ELEMENT;
}

static inline int aligned(const struct run *run, uint32_t at, uint32_t mask)
{
    return ((at + run->skew) & mask & run->align_bits) == 0;
}

static inline int inside(const struct run *run, uint32_t at, uint32_t count)
{
    return at <= run->size && count <= run->size - at;
}

/* Follows the offset of a vector's element, which is inside, to `*to` inside the message. One that
 * is null refers to itself: an empty string, or a table without fields. */
static inline int follow_element(struct run *run, uint32_t at, uint32_t *to)
{
    uint32_t offset = fls_load_u32(run->bytes + at);

    if (FLS_UNLIKELY(offset == 0 && run->plan->strict))
        return fail_null(run, at);
    if (FLS_UNLIKELY(offset >= run->size - at))
        return fail(run, at, "offset %" PRIu32 " at byte %" PRIu32 " leaves the message", offset,
                    run->origin + at);
    *to = at + offset;
    return 1;
}

/* The same for any other offset, which may not be null. */
static inline int follow(struct run *run, uint32_t at, uint32_t *to)
{
    if (FLS_UNLIKELY(!follow_element(run, at, to)))
        return 0;
    if (FLS_UNLIKELY(*to == at))
        return fail_null(run, at);
    return 1;
}

/* An offset field: inside, aligned, and followed. */
static inline int follow_field(struct run *run, uint32_t at, uint32_t *to)
{
    if (FLS_UNLIKELY(!inside(run, at, 4)))
        return fail(run, at, "field at byte %" PRIu32 " leaves the message", run->origin + at);
    if (FLS_UNLIKELY(!aligned(run, at, 3)))
        return fail_alignment(run, at, "offset", 3);
    return follow(run, at, to);
}

/* The count of a vector or string at `at`. */
static inline int read_count(struct run *run, uint32_t at, const char *what, uint32_t *count)
{
    if (FLS_UNLIKELY(!aligned(run, at, 3)))
        return fail_alignment(run, at, what, 3);
    if (FLS_UNLIKELY(!inside(run, at, 4)))
        return fail(run, at, "%s at byte %" PRIu32 " leaves the message", what, run->origin + at);
    *count = fls_load_u32(run->bytes + at);
    return 1;
}

static inline int check_string(struct run *run, uint32_t at)
{
    uint32_t length;

    if (!read_count(run, at, "string", &length))
        return 0;
    uint32_t room = run->size - at - 4;
    if (FLS_UNLIKELY(length >= room))
        return fail(run, at, "string at byte %" PRIu32 " has %" PRIu32 " bytes, %" PRIu32 " remain",
                    run->origin + at, length, room);
    if (FLS_UNLIKELY(run->bytes[at + 4 + length] != 0))
        return fail(run, at, "string at byte %" PRIu32 " is not terminated", run->origin + at);
    return 1;
}

/* A vector's extent. An empty one need not have its (absent) elements aligned: builders differ. */
static int check_vector(struct run *run, uint32_t at, uint32_t size, uint32_t mask, uint32_t *count)
{
    if (!read_count(run, at, "vector", count))
        return 0;
    uint32_t room = run->size - at - 4;
    if (FLS_UNLIKELY((uint64_t)*count * size > room))
        return fail(run, at,
                    "vector at byte %" PRIu32 " has %" PRIu32 " elements, %" PRIu32 " bytes remain",
                    run->origin + at, *count, room);
    if (FLS_UNLIKELY(*count > 0 && !aligned(run, at + 4, mask)))
        return fail_alignment(run, at + 4, "vector's elements", mask);
    return 1;
}

/* A vector of offsets, charged to the limit on elements. */
static int check_offset_vector(struct run *run, uint32_t at, uint32_t *count)
{
    if (!check_vector(run, at, 4, 3, count))
        return 0;
    if (FLS_UNLIKELY(*count > run->elements_left))
        return fail(run, at, "more elements than the limit allows");
    run->elements_left -= *count;
    return 1;
}

static int check_strings(struct run *run, uint32_t at)
{
    uint32_t count, to;

    if (!check_offset_vector(run, at, &count))
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        if (FLS_UNLIKELY(!follow_element(run, at + 4 + 4 * i, &to) || !check_string(run, to)))
            return run->element = i, 0;
    }
    return 1;
}

static int check_table(struct run *run, uint32_t at, uint32_t target);

static int check_tables(struct run *run, uint32_t at, uint32_t target)
{
    uint32_t count, to;

    if (!check_offset_vector(run, at, &count))
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        if (FLS_UNLIKELY(!follow_element(run, at + 4 + 4 * i, &to) ||
                         !check_table(run, to, target)))
            return run->element = i, 0;
    }
    return 1;
}

static int check_struct(struct run *run, uint32_t at, const struct plan_slot *slot)
{
    if (FLS_UNLIKELY(!inside(run, at, slot->size)))
        return fail(run, at, "struct at byte %" PRIu32 " leaves the message", run->origin + at);
    if (FLS_UNLIKELY(!aligned(run, at, slot->mask)))
        return fail_alignment(run, at, "struct", slot->mask);
    return 1;
}

/* What the union says of its type: PLAN_UNKNOWN for NONE, and for members from a later schema. */
static const struct plan_slot *member_of(const struct run *run, uint32_t target, uint8_t type)
{
    static const struct plan_slot unknown = {.kind = PLAN_UNKNOWN};
    const struct plan_union *members = &run->plan->unions[target];

    return type < members->member_count ? &members->members[type] : &unknown;
}

/* The value of a union: at `at` by its offset. */
static int check_member(struct run *run, uint32_t at, const struct plan_slot *member)
{
    switch (member->kind) {
    case PLAN_TABLE:
        return check_table(run, at, member->target);
    case PLAN_STRING:
        return check_string(run, at);
    case PLAN_INLINE:
        return check_struct(run, at, member);
    default:
        return 1;
    }
}

/* A table whose start and vtable were checked: `entries` are the fields' places. */
struct view {
    uint32_t at;
    const uint8_t *entries;
    uint32_t entry_count;
};

static inline uint32_t entry(const struct view *view, uint32_t slot)
{
    return slot < view->entry_count ? fls_load_u16(view->entries + 2 * slot) : 0;
}

static int open_vtable(struct run *run, uint32_t at, struct view *view)
{
    int64_t vtable = (int64_t)at - (int32_t)fls_load_u32(run->bytes + at);

    if (FLS_UNLIKELY(vtable < 0 || vtable > (int64_t)run->size - 2))
        return fail(run, at, "vtable of the table at byte %" PRIu32 " is outside the message",
                    run->origin + at);
    uint32_t start = (uint32_t)vtable;
    if (FLS_UNLIKELY(!aligned(run, start, 1)))
        return fail_alignment(run, start, "vtable", 1);
    uint32_t size = fls_load_u16(run->bytes + start);
    if (FLS_UNLIKELY((size < 4 && run->plan->strict) || (size & 1) || size > run->size - start))
        return fail(run, start, "vtable at byte %" PRIu32 " declares %" PRIu32 " bytes",
                    run->origin + start, size);
    view->at = at;
    view->entries = run->bytes + start + 4;
    view->entry_count = size < 4 ? 0 : (size - 4) / 2;
    return 1;
}

static inline int open_table(struct run *run, uint32_t at, struct view *view)
{
    if (FLS_UNLIKELY(!inside(run, at, 4)))
        return fail(run, at, "table at byte %" PRIu32 " leaves the message", run->origin + at);
    if (FLS_UNLIKELY(!aligned(run, at, 3)))
        return fail_alignment(run, at, "table", 3);
    return open_vtable(run, at, view);
}

static int check_inline(struct run *run, uint32_t at, const struct plan_slot *slot)
{
    if (FLS_UNLIKELY(!inside(run, at, slot->size)))
        return fail(run, at, "field at byte %" PRIu32 " leaves the message", run->origin + at);
    if (FLS_UNLIKELY(!aligned(run, at, slot->mask)))
        return fail_alignment(run, at, "field", slot->mask);
    return 1;
}

/* A union's type whose value is absent. A struct is there or nothing is: it cannot be null. */
static int check_no_value(struct run *run, const struct plan_slot *slot, uint32_t at)
{
    uint8_t type = run->bytes[at];

    if (member_of(run, slot->target, type)->kind == PLAN_INLINE || (type != 0 && run->plan->strict))
        return fail(run, at, "union has the type %d but no value", type);
    return 1;
}

static int check_union_type(struct run *run, const struct view *view, const struct plan_slot *slot,
                            uint32_t index, uint32_t at)
{
    return check_inline(run, at, slot) &&
           (FLS_LIKELY(entry(view, index + 1) != 0) || check_no_value(run, slot, at));
}

/* A union's value, with the type in the slot before, which was checked. */
static int check_union(struct run *run, const struct view *view, const struct plan_slot *slot,
                       uint32_t index, uint32_t at)
{
    uint32_t place = entry(view, index - 1);
    uint8_t type = place ? run->bytes[view->at + place] : 0;

    if (FLS_LIKELY(type != 0))
        return check_member(run, at, member_of(run, slot->target, type));
    return !run->plan->strict ||
           fail(run, at, "union has a value but %s", place ? "the type NONE" : "no type");
}

/* The vector of values of a vector of unions; that of the types is in the slot before. */
static int check_unions(struct run *run, const struct view *view, const struct plan_slot *slot,
                        uint32_t index, uint32_t at)
{
    uint32_t types_entry = entry(view, index - 1), types, type_count, count, to;

    if (types_entry == 0)
        return fail(run, at, "vector of unions has no vector of types");
    if (!follow_field(run, view->at + types_entry, &types) ||
        !check_vector(run, types, 1, 0, &type_count) || !check_offset_vector(run, at, &count))
        return 0;
    if (count != type_count)
        return fail(run, at, "vector of %" PRIu32 " unions has %" PRIu32 " types", count,
                    type_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct plan_slot *member = member_of(run, slot->target, run->bytes[types + 4 + i]);

        if (member->kind == PLAN_UNKNOWN)
            continue;
        if (!follow_element(run, at + 4 + 4 * i, &to) || !check_member(run, to, member))
            return run->element = i, 0;
    }
    return 1;
}

/* The vector of types by itself; check_unions compares it with the values. */
static int check_union_types(struct run *run, const struct view *view, uint32_t index, uint32_t at)
{
    uint32_t count;

    if (entry(view, index + 1) == 0)
        return fail(run, at, "vector of union types has no vector of values");
    return check_vector(run, at, 1, 0, &count);
}

static int check_root(struct run *run, uint32_t target);

/* A FlatBuffer in a vector of bytes: a message of its own, under the same limits. */
static int check_nested(struct run *run, uint32_t at, uint32_t target)
{
    const uint8_t *bytes = run->bytes;
    uint32_t size = run->size, origin = run->origin, skew = run->skew, count;

    if (!check_vector(run, at, 1, 0, &count))
        return 0;
    run->bytes = bytes + at + 4;
    run->size = count;
    run->origin = origin + at + 4;
    run->skew = 0;
    if (!check_root(run, target))
        return 0;
    run->bytes = bytes;
    run->size = size;
    run->origin = origin;
    run->skew = skew;
    return 1;
}

/* A field that is an offset, followed to what it points to. */
static int check_target(struct run *run, const struct view *view, const struct plan_slot *slot,
                        uint32_t index, uint32_t at)
{
    uint32_t to, count;

    if (!follow_field(run, at, &to))
        return 0;
    switch (slot->kind) {
    case PLAN_STRING:
        return check_string(run, to);
    case PLAN_TABLE:
        return check_table(run, to, slot->target);
    case PLAN_VECTOR:
        return check_vector(run, to, slot->size, slot->mask, &count);
    case PLAN_STRING_VECTOR:
        return check_strings(run, to);
    case PLAN_TABLE_VECTOR:
        return check_tables(run, to, slot->target);
    case PLAN_UNION_TYPES:
        return check_union_types(run, view, index, to);
    case PLAN_UNION_VECTOR:
        return check_unions(run, view, slot, index, to);
    case PLAN_UNION:
        return check_union(run, view, slot, index, to);
    default:
        return check_nested(run, to, slot->target);
    }
}

static inline int check_slot(struct run *run, const struct view *view, const struct plan_slot *slot,
                             uint32_t index, uint32_t at)
{
    if (FLS_LIKELY(slot->kind == PLAN_INLINE))
        return check_inline(run, at, slot);
    if (slot->kind == PLAN_UNION_TYPE)
        return check_union_type(run, view, slot, index, at);
    if (slot->kind == PLAN_UNKNOWN)
        return 1;
    return check_target(run, view, slot, index, at);
}

static int fail_required(struct run *run, const struct view *view, const struct plan_table *table,
                         uint32_t slot)
{
    put_problem(run, view->at, "required, but missing in the table at byte %" PRIu32,
                run->origin + view->at);
    return note(run, table, slot);
}

static int check_slots(struct run *run, const struct view *view, const struct plan_table *table)
{
    uint32_t count = view->entry_count < table->slot_count ? view->entry_count : table->slot_count;

    for (uint32_t i = 0; i < count; i++) {
        const struct plan_slot *slot = &table->slots[i];
        uint32_t place = fls_load_u16(view->entries + 2 * i);

        if (place == 0) {
            if (FLS_UNLIKELY(slot->required))
                return fail_required(run, view, table, i);
        } else if (FLS_UNLIKELY(!check_slot(run, view, slot, i, view->at + place))) {
            return note(run, table, i);
        }
    }
    for (uint32_t i = count; i < table->required_end; i++) {
        if (table->slots[i].required)
            return fail_required(run, view, table, i);
    }
    return 1;
}

static int check_table(struct run *run, uint32_t at, uint32_t target)
{
    struct view view;

    if (FLS_UNLIKELY(run->depth_left == 0))
        return fail(run, at, "tables are nested deeper than the limit allows");
    if (FLS_UNLIKELY(run->tables_left == 0))
        return fail(run, at, "more tables than the limit allows");
    run->depth_left--;
    run->tables_left--;
    if (!open_table(run, at, &view) || !check_slots(run, &view, &run->plan->tables[target]))
        return 0;
    run->depth_left++;
    return 1;
}

static int open_root(struct run *run, uint32_t bytes_min, uint32_t *at)
{
    if (run->size < bytes_min)
        return fail(run, 0, "%" PRIu32 " bytes are too few for a FlatBuffer", run->size);
    return follow(run, 0, at);
}

static int check_root(struct run *run, uint32_t target)
{
    uint32_t at;

    return open_root(run, FLATBUFFER_BYTES_MIN, &at) && check_table(run, at, target);
}

static void start(struct run *run, const void *message, size_t bytes,
                  const struct fls_verifier_limits *limits, enum fls_alignment_rule rule)
{
    uint32_t depth = limits->depth_max ? limits->depth_max : FLS_VERIFIER_DEPTH_DEFAULT;

    run->bytes = message;
    run->size = (uint32_t)bytes;
    run->skew = rule == FLS_ALIGNED_FROM_PREFIX ? 4 : 0;
    run->align_bits = rule == FLS_ALIGNMENT_IGNORED ? 0 : UINT32_MAX;
    run->depth_left = depth < DEPTH_CAP ? depth : DEPTH_CAP;
    run->tables_left = limits->tables_max ? limits->tables_max : FLS_VERIFIER_TABLES_DEFAULT;
    run->elements_left = limits->elements_max ? limits->elements_max : bytes + 1000000ull;
    run->origin = 0;
    run->is_alignment = 0;
    run->where = 0;
    run->element = NO_ELEMENT;
    run->note_count = 0;
}

/* ---- the error in words --------------------------------------------------------------------- */

struct words {
    char text[512];
    size_t length;
};

static void __attribute__((format(printf, 2, 3))) add(struct words *words, const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof words->text - words->length;

    va_start(arguments, format);
    int written = vsnprintf(words->text + words->length, room, format, arguments);
    va_end(arguments);
    if (written > 0)
        words->length += fls_min_size((size_t)written, room - 1);
}

/* "Monster.items[3].name", from the notes, outermost first. Its end matters most: what is too long
 * for the error loses its beginning. */
static const char *path_of(const struct run *run, struct words *words, size_t room)
{
    words->length = 0;
    words->text[0] = '\0';
    if (run->note_count == NOTES_MAX)
        add(words, "...");
    else
        add(words, "%s", run->notes[run->note_count - 1].table->name);
    for (uint32_t i = run->note_count; i-- > 0;) {
        const struct note *at = &run->notes[i];

        add(words, ".%s", at->table->slot_names[at->slot]);
        if (at->element != NO_ELEMENT)
            add(words, "[%" PRIu32 "]", at->element);
    }
    if (words->length <= room)
        return words->text;
    char *text = words->text + words->length - room;
    memcpy(text, "...", 3);
    return text;
}

static enum fls_status report(const struct run *run, size_t bytes, struct fls_error *error)
{
    struct words words;

    if (run->note_count > 0) {
        size_t fixed = sizeof "field : " + strlen(run->problem);

        fls_error_set(error, FLS_INVALID_FLATBUFFER, "field %s: %s",
                      path_of(run, &words, FLS_ERROR_TEXT_MAX - fixed), run->problem);
    } else {
        fls_error_set(error, FLS_INVALID_FLATBUFFER, "%s", run->problem);
    }
    error->expected = bytes;
    /* A field may be said to lie behind the message's end. */
    error->found = fls_min_size(run->where, bytes);
    return FLS_INVALID_FLATBUFFER;
}

static enum fls_status too_large(size_t bytes, struct fls_error *error)
{
    fls_error_set(error, FLS_INVALID_FLATBUFFER,
                  "%zu bytes are more than a FlatBuffer can have (%u)", bytes, MESSAGE_BYTES_MAX);
    if (error)
        error->expected = bytes;
    return FLS_INVALID_FLATBUFFER;
}

/* ---- the two checks ------------------------------------------------------------------------- */

/* The root table by itself: each of its fields must at least begin inside the message. */
static int check_structure(struct run *run)
{
    struct view view;
    uint32_t at;

    if (!open_root(run, 4, &at) || !open_table(run, at, &view))
        return 0;
    for (uint32_t i = 0; i < view.entry_count; i++) {
        uint32_t place = fls_load_u16(view.entries + 2 * i);

        if (FLS_UNLIKELY(place >= run->size - at))
            return fail(run, at, "field %" PRIu32 " of the root table begins outside the message",
                        i);
    }
    return 1;
}

static int check_by_rule(struct run *run, const struct plan *plan, uint32_t root,
                         const void *message, size_t bytes,
                         const struct fls_verifier_limits *limits, enum fls_alignment_rule rule)
{
    static const struct plan structure = {.strict = 1};

    start(run, message, bytes, limits, rule);
    run->plan = plan ? plan : &structure;
    return plan ? check_root(run, root) : check_structure(run);
}

enum fls_status fls_plan_check(const struct plan *plan, uint32_t root, const void *message,
                               size_t bytes, const struct fls_verifier_limits *limits,
                               struct fls_error *error)
{
    int either = limits->alignment == FLS_ALIGNED_FROM_EITHER;
    enum fls_alignment_rule rule = either ? FLS_ALIGNED_FROM_START : limits->alignment;
    struct run run;

    if (FLS_UNLIKELY(bytes > MESSAGE_BYTES_MAX))
        return too_large(bytes, error);
    run.wants_words = error != NULL;
    if (FLS_LIKELY(check_by_rule(&run, plan, root, message, bytes, limits, rule)))
        return FLS_OK;
    if (either && run.is_alignment &&
        check_by_rule(&run, plan, root, message, bytes, limits, FLS_ALIGNED_FROM_PREFIX))
        return FLS_OK;
    return error ? report(&run, bytes, error) : FLS_INVALID_FLATBUFFER;
}
