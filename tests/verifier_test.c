/*
 * The verifier: each violation made by hand in a message that flatc wrote, the limits, the taps,
 * and every truncation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"
#include "support/zoo.h"

static struct fls_schema *schema;
static struct fls_verifier *verifier;
static struct fls_verifier *strict;
static uint8_t *zoo;
static size_t zoo_bytes;

static int open_all(void **state)
{
    (void)state;
    schema = open_schema(TEST_DATA "/zoo.bfbs");
    verifier = open_verifier(schema);
    assert_ok(fls_verifier_open(schema, NULL, &(struct fls_verifier_options){.strict = 1}, &strict,
                                NULL));
    zoo = read_test_file(TEST_DATA "/zoo.bin", &zoo_bytes);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    fls_verifier_close(verifier);
    fls_verifier_close(strict);
    fls_schema_close(schema);
    free(zoo);
    return 0;
}

/* ---- where things are in the message -----------------------------------------------------------
 */

static unsigned id_of(const char *object, const char *field)
{
    const struct fls_field *found =
        fls_object_find_field(fls_schema_find_object(schema, object), field);

    assert_non_null(found);
    return found->id;
}

static uint32_t root_table(void)
{
    return target_of(zoo, 0);
}

/* The place of a field of the root table, which must be there. */
static uint32_t place(const char *field)
{
    uint32_t at = field_place(zoo, root_table(), id_of("Root", field));

    assert_int_not_equal(at, 0);
    return at;
}

/* What that field refers to. */
static uint32_t target(const char *field)
{
    return target_of(zoo, place(field));
}

/* The vtable's entry for a field of a table. */
static uint32_t entry(uint32_t table, unsigned id)
{
    return table - get_u32(zoo + table) + 4 + 2 * id;
}

static uint32_t element(uint32_t vector, uint32_t index)
{
    return vector + 4 + 4 * index;
}

/* ---- checks -------------------------------------------------------------------------------------
 */

static void check_is_refused(const uint8_t *message, size_t bytes, const char *words)
{
    struct fls_error error = {0};
    /* Memory of exactly that size, so that a sanitizer sees one byte too many. */
    uint8_t *exact = malloc(bytes ? bytes : 1);

    assert_non_null(exact);
    memcpy(exact, message, bytes);
    enum fls_status status = fls_verifier_check(verifier, exact, bytes, &error);
    free(exact);
    assert_int_equal(status, FLS_INVALID_FLATBUFFER);
    assert_int_equal(error.status, FLS_INVALID_FLATBUFFER);
    assert_int_equal(error.expected, bytes);
    assert_true(error.found <= bytes);
    if (!strstr(error.reason, words))
        fail_msg("\"%s\" does not contain \"%s\"", error.reason, words);
    assert_int_equal(fls_verifier_check(verifier, message, bytes, NULL), FLS_INVALID_FLATBUFFER);
}

/* The zoo message with four (two, one) bytes at `at` replaced. */
static void refuse_u32(uint32_t at, uint32_t value, const char *words)
{
    uint8_t *copy = malloc(zoo_bytes);

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    put_u32(copy + at, value);
    check_is_refused(copy, zoo_bytes, words);
    free(copy);
}

static void refuse_u16(uint32_t at, uint16_t value, const char *words)
{
    uint8_t *copy = malloc(zoo_bytes);

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    put_u16(copy + at, value);
    check_is_refused(copy, zoo_bytes, words);
    free(copy);
}

static void refuse_u8(uint32_t at, uint8_t value, const char *words)
{
    uint8_t *copy = malloc(zoo_bytes);

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    copy[at] = value;
    check_is_refused(copy, zoo_bytes, words);
    free(copy);
}

static void accept_u8(uint32_t at, uint8_t value)
{
    struct fls_error error;
    uint8_t *copy = malloc(zoo_bytes);

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    copy[at] = value;
    if (fls_verifier_check(verifier, copy, zoo_bytes, &error) != FLS_OK)
        fail_msg("%s", error.reason);
    free(copy);
}

/* Google's verifiers take it, and so does ours, unless it is strict. */
static void accept_but_strictly(uint8_t *changed, const char *words)
{
    struct fls_error error = {0};

    if (fls_verifier_check(verifier, changed, zoo_bytes, &error) != FLS_OK)
        fail_msg("%s", error.reason);
    assert_int_equal(fls_verifier_check(strict, changed, zoo_bytes, &error),
                     FLS_INVALID_FLATBUFFER);
    if (!strstr(error.reason, words))
        fail_msg("\"%s\" does not contain \"%s\"", error.reason, words);
    free(changed);
}

static uint8_t *with_u8(uint32_t at, uint8_t value)
{
    uint8_t *copy = malloc(zoo_bytes);

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    copy[at] = value;
    return copy;
}

static uint8_t *with_u16(uint32_t at, uint16_t value)
{
    uint8_t *copy = with_u8(at, (uint8_t)value);

    copy[at + 1] = (uint8_t)(value >> 8);
    return copy;
}

/* ---- whole messages
 * ------------------------------------------------------------------------------ */

static void test_valid(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *small = read_test_file(TEST_DATA "/zoo-small.bin", &bytes);

    assert_ok(fls_verifier_check(verifier, zoo, zoo_bytes, NULL));
    assert_ok(fls_verifier_check(verifier, small, bytes, NULL));
    free(small);
}

/* Memory that is not aligned makes no difference: positions in the message count. */
static void test_unaligned_memory(void **state)
{
    (void)state;
    uint8_t *memory = malloc(zoo_bytes + 8);

    assert_non_null(memory);
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(memory + shift, zoo, zoo_bytes);
        assert_ok(fls_verifier_check(verifier, memory + shift, zoo_bytes, NULL));
    }
    free(memory);
}

static void test_truncation(void **state)
{
    (void)state;
    struct fls_error error;
    size_t accepted = 0;

    for (size_t bytes = 0; bytes < zoo_bytes; bytes++) {
        uint8_t *exact = malloc(bytes ? bytes : 1);

        assert_non_null(exact);
        memcpy(exact, zoo, bytes);
        accepted += fls_verifier_check(verifier, exact, bytes, &error) == FLS_OK;
        free(exact);
    }
    /* Only bytes that nothing refers to, padding at the end, may be missing. */
    assert_true(accepted < 8);
}

static void test_small_messages(void **state)
{
    (void)state;
    static const uint8_t zeros[64];
    static const uint8_t itself[] = {4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

    check_is_refused(zeros, 0, "0 bytes are too few");
    check_is_refused(zeros, 3, "3 bytes are too few");
    check_is_refused(zeros, 64, "offset at byte 0 is null");
    check_is_refused(itself, 11, "11 bytes are too few");
    check_is_refused(itself, 12, "field zoo.Root.name: required");
}

/* ---- violations
 * ----------------------------------------------------------------------------------- */

static void test_root_offset(void **state)
{
    (void)state;
    refuse_u32(0, 0, "offset at byte 0 is null");
    refuse_u32(0, (uint32_t)zoo_bytes, "leaves the message");
    refuse_u32(0, 0x80000000, "leaves the message");
    refuse_u32(0, 0xffffffff, "leaves the message");
    refuse_u32(0, root_table() + 1, "table at byte");
    refuse_u32(0, root_table() + 2, "not aligned to 4");
}

static void test_vtable(void **state)
{
    (void)state;
    uint32_t table = root_table(), vtable = table - get_u32(zoo + table);

    refuse_u32(table, table + 1, "is outside the message");
    refuse_u32(table, 0x80000000, "is outside the message");
    refuse_u32(table, 0x7fffffff, "is outside the message");
    refuse_u32(table, table - vtable - 1, "vtable at byte");
    refuse_u16(vtable, 0, "field zoo.Root.name: required");
    refuse_u16(vtable, 2, "field zoo.Root.name: required");
    refuse_u16(vtable, 7, "declares 7 bytes");
    refuse_u16(vtable, 0xfffe, "declares 65534 bytes");
}

static void test_scalar_fields(void **state)
{
    (void)state;
    uint32_t table = root_table();
    uint16_t f64 = (uint16_t)(place("f64") - table);

    refuse_u16(entry(table, id_of("Root", "f64")), 0xfff8, "field zoo.Root.f64: field at byte");
    refuse_u16(entry(table, id_of("Root", "f64")), (uint16_t)(f64 + 4), "not aligned to 8");
    refuse_u16(entry(table, id_of("Root", "i16")), (uint16_t)(place("i16") - table + 1),
               "field zoo.Root.i16");
    refuse_u16(entry(table, id_of("Root", "location")), (uint16_t)(place("location") - table + 4),
               "field zoo.Root.location: field at byte");
}

static void test_structs(void **state)
{
    (void)state;
    uint32_t table = root_table();

    refuse_u16(entry(table, id_of("Root", "grid")), (uint16_t)(place("grid") - table + 8),
               "not aligned to 16");
    refuse_u16(entry(table, id_of("Root", "grid")), 0xfff0, "field zoo.Root.grid: ");
}

static void test_strings(void **state)
{
    (void)state;
    uint32_t name = target("name");

    refuse_u32(name, (uint32_t)zoo_bytes, "bytes, ");
    refuse_u32(name, 0xffffffff, "field zoo.Root.name: string at byte");
    refuse_u32(name, 2, "is not terminated");
    refuse_u8(name + 4 + 3, 'x', "is not terminated");
    refuse_u32(place("name"), 0, "is null");
    refuse_u32(place("name"), (uint32_t)zoo_bytes - place("name") - 2, "field zoo.Root.name");
    accept_u8(name + 4, 0);
}

static void test_vectors(void **state)
{
    (void)state;
    refuse_u32(target("bytes"), (uint32_t)zoo_bytes, "elements");
    refuse_u32(target("numbers"), 0x20000000, "field zoo.Root.numbers: vector at byte");
    refuse_u32(target("numbers"), 0xffffffff, "elements");
    refuse_u32(place("numbers"), get_u32(zoo + place("numbers")) + 2, "not aligned to 4");
    refuse_u32(place("numbers"), get_u32(zoo + place("numbers")) - 4, "zoo.Root.numbers");
    refuse_u32(target("points"), 0x10000000, "field zoo.Root.points");
    refuse_u32(target("tags"), 0x40000000, "field zoo.Root.tags");
    refuse_u32(target("needed"), 0x40000001, "field zoo.Root.needed");
}

static void test_offset_vectors(void **state)
{
    (void)state;
    uint32_t names = target("names"), items = target("items");

    refuse_u32(element(names, 1), 0, "field zoo.Root.names[1]: string at byte");
    refuse_u32(element(names, 2), 0x7ffffff0, "field zoo.Root.names[2]: offset");
    refuse_u32(target_of(zoo, element(names, 2)), 100000, "field zoo.Root.names[2]: string");
    refuse_u32(element(items, 0), 0, "field zoo.Root.items[0].name: required");
    refuse_u32(names, 0x40000000, "field zoo.Root.names: vector");
}

static void test_nested_path(void **state)
{
    (void)state;
    uint32_t first = target_of(zoo, element(target("items"), 0));
    uint32_t tags = target_of(zoo, field_place(zoo, first, id_of("Item", "tags")));
    uint32_t sharp = target_of(zoo, element(tags, 0));
    char words[96];

    snprintf(words, sizeof words, "field zoo.Root.items[0].tags[0]: string at byte %u is not",
             (unsigned)sharp);
    refuse_u8(sharp + 4 + 5, '!', words);
}

static void test_required(void **state)
{
    (void)state;
    uint32_t table = root_table(), vtable = table - get_u32(zoo + table);
    uint32_t third = target_of(zoo, element(target("items"), 2));

    refuse_u16(entry(table, id_of("Root", "name")), 0, "field zoo.Root.name: required, but");
    refuse_u16(entry(table, id_of("Root", "needed")), 0, "field zoo.Root.needed: required");
    /* A vtable that ends before a required field. */
    refuse_u16(vtable, (uint16_t)(4 + 2 * id_of("Root", "items")), "field zoo.Root.needed: req");
    refuse_u16(entry(third, id_of("Item", "name")), 0, "field zoo.Root.items[2].name: required");
}

static void test_unions(void **state)
{
    (void)state;
    uint32_t table = root_table();
    uint32_t type = place("held_type");

    accept_but_strictly(with_u8(type, 0), "union has a value but the type NONE");
    accept_but_strictly(with_u16(entry(table, id_of("Root", "held_type")), 0),
                        "union has a value but no type");
    accept_but_strictly(with_u16(entry(table, id_of("Root", "held")), 0),
                        "union has the type 1 but no value");
    /* A weapon read as a point, as a string: whether it holds is a matter of its bytes. */
    refuse_u8(type, 4, "field zoo.Root.held: string");
    /* From a later schema: accepted, as long as it stays inside. */
    accept_u8(type, 5);
    accept_u8(type, 255);
    refuse_u32(place("held"), 0x7ffffff0, "leaves the message");
}

static void test_union_vectors(void **state)
{
    (void)state;
    uint32_t table = root_table();
    uint32_t types = target("things_type"), values = target("things");

    refuse_u32(types, 2, "vector of 3 unions has 2 types");
    refuse_u32(values, 2, "vector of 2 unions has 3 types");
    refuse_u16(entry(table, id_of("Root", "things_type")), 0, "has no vector of types");
    refuse_u16(entry(table, id_of("Root", "things")), 0, "has no vector of values");
    refuse_u32(element(values, 2), 0, "field zoo.Root.things[2]: string");
    refuse_u32(element(values, 0), 0x7ffffff0, "field zoo.Root.things[0]: offset");
    accept_u8(types + 4, 0);
    accept_u8(types + 4, 77);
}

static void test_nested_buffers(void **state)
{
    (void)state;
    uint32_t inner = target("inner");
    uint32_t start = inner + 4, table = start + get_u32(zoo + start);
    uint32_t text = target_of(zoo, field_place(zoo, table, id_of("Inner", "text")));
    uint32_t deeper = target_of(zoo, field_place(zoo, table, id_of("Inner", "deeper")));

    refuse_u32(start, 0, "field zoo.Root.inner: offset at byte");
    refuse_u32(inner, 3, "3 bytes are too few");
    refuse_u8(text + 4 + 6, 'x', "field zoo.Root.inner.text: string at byte");
    refuse_u32(deeper + 4, 0x1000, "field zoo.Root.inner.deeper: offset");
    /* An offset must not leave the nested buffer, though it stays in the message. */
    refuse_u32(start, get_u32(zoo + inner) + 4, "leaves the message");
}

/* The error tells the byte. */
static void test_position(void **state)
{
    (void)state;
    struct fls_error error;
    uint8_t *copy = malloc(zoo_bytes);
    uint32_t name = target("name");

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    copy[name + 4 + 3] = 1;
    assert_int_equal(fls_verifier_check(verifier, copy, zoo_bytes, &error), FLS_INVALID_FLATBUFFER);
    assert_int_equal(error.found, name);
    assert_int_equal(error.expected, zoo_bytes);
    free(copy);
}

/* ---- limits
 * --------------------------------------------------------------------------------------- */

static void put_chain_vtable(uint8_t *vtable, uint16_t bytes, uint16_t child_place)
{
    put_u16(vtable, bytes);
    put_u16(vtable + 2, 16);
    put_u16(vtable + 4 + 2 * id_of("Root", "name"), 4);
    put_u16(vtable + 4 + 2 * id_of("Root", "needed"), 8);
    put_u16(vtable + 4 + 2 * id_of("Root", "child"), child_place);
}

/*
 * A chain of `depth` tables, each the `child` of the one before, that share a string and an empty
 * vector: two vtables (the last table has no child), the tables, what they share. Freed by the
 * caller.
 */
static uint8_t *make_chain(uint32_t depth, size_t *bytes)
{
    uint32_t size = 4 + 2 * (id_of("Root", "needed") + 1);
    uint32_t inner = 4, last = inner + size, first = (last + size + 3) & ~3u;
    uint32_t string = first + 16 * depth, vector = string + 8;

    *bytes = vector + 4;
    uint8_t *message = calloc(1, *bytes);
    assert_non_null(message);
    put_u32(message, first);
    put_chain_vtable(message + inner, (uint16_t)size, 12);
    put_chain_vtable(message + last, (uint16_t)size, 0);
    for (uint32_t i = 0; i < depth; i++) {
        uint32_t table = first + 16 * i;

        put_u32(message + table, table - (i + 1 < depth ? inner : last));
        put_u32(message + table + 4, string - (table + 4));
        put_u32(message + table + 8, vector - (table + 8));
        put_u32(message + table + 12, 4);
    }
    return message;
}

static enum fls_status check_with(const struct fls_verifier_limits *limits, const uint8_t *message,
                                  size_t bytes, struct fls_error *error)
{
    struct fls_verifier_options options = {.limits = *limits};
    struct fls_verifier *limited = NULL;

    assert_ok(fls_verifier_open(schema, NULL, &options, &limited, NULL));
    enum fls_status status = fls_verifier_check(limited, message, bytes, error);
    fls_verifier_close(limited);
    return status;
}

/* A chain as deep as `most` passes, one deeper does not. */
static void check_depth(const struct fls_verifier_limits *limits, uint32_t most)
{
    struct fls_error error = {0};
    size_t bytes;
    uint8_t *message = make_chain(most, &bytes);

    assert_ok(check_with(limits, message, bytes, &error));
    free(message);
    message = make_chain(most + 1, &bytes);
    assert_int_equal(check_with(limits, message, bytes, &error), FLS_INVALID_FLATBUFFER);
    assert_non_null(strstr(error.reason, "nested deeper than the limit"));
    free(message);
}

static void test_depth(void **state)
{
    (void)state;
    check_depth(&(struct fls_verifier_limits){0}, 64);
    check_depth(&(struct fls_verifier_limits){.depth_max = 3}, 3);
    check_depth(&(struct fls_verifier_limits){.depth_max = 1}, 1);
    /* The cap, which guards the stack. */
    check_depth(&(struct fls_verifier_limits){.depth_max = 5000}, 1000);
}

/* A message with one vector of `count` offsets, all to the same item. Freed by the caller. */
static uint8_t *make_fan(uint32_t count, size_t *bytes)
{
    uint32_t size = 4 + 2 * (id_of("Root", "needed") + 1);
    uint32_t vtable = 4, item_vtable = vtable + size, root = (item_vtable + 6 + 3) & ~3u;
    uint32_t items = root + 16, item = items + 4 + 4 * count;
    uint32_t string = item + 8, vector = string + 8;

    *bytes = vector + 4;
    uint8_t *message = calloc(1, *bytes);
    assert_non_null(message);
    put_u32(message, root);
    put_chain_vtable(message + vtable, (uint16_t)size, 0);
    put_u16(message + vtable + 4 + 2 * id_of("Root", "items"), 12);
    put_u16(message + item_vtable, 6);
    put_u16(message + item_vtable + 2, 8);
    put_u16(message + item_vtable + 4, 4);
    put_u32(message + root, root - vtable);
    put_u32(message + root + 4, string - (root + 4));
    put_u32(message + root + 8, vector - (root + 8));
    put_u32(message + root + 12, items - (root + 12));
    put_u32(message + items, count);
    for (uint32_t i = 0; i < count; i++)
        put_u32(message + element(items, i), item - element(items, i));
    put_u32(message + item, item - item_vtable);
    put_u32(message + item + 4, string - (item + 4));
    return message;
}

static void check_fan(const struct fls_verifier_limits *limits, uint32_t count, const char *words)
{
    struct fls_error error = {0};
    size_t bytes;
    uint8_t *message = make_fan(count, &bytes);
    enum fls_status status = check_with(limits, message, bytes, &error);

    assert_int_equal(status, words ? FLS_INVALID_FLATBUFFER : FLS_OK);
    if (words && !strstr(error.reason, words))
        fail_msg("\"%s\" does not contain \"%s\"", error.reason, words);
    free(message);
}

static void test_table_count(void **state)
{
    (void)state;
    check_fan(&(struct fls_verifier_limits){0}, 999999, NULL);
    check_fan(&(struct fls_verifier_limits){0}, 1000000, "more tables than the limit");
    check_fan(&(struct fls_verifier_limits){.tables_max = 5}, 4, NULL);
    check_fan(&(struct fls_verifier_limits){.tables_max = 5}, 5, "zoo.Root.items[4]: more tables");
}

static void test_element_count(void **state)
{
    (void)state;
    check_fan(&(struct fls_verifier_limits){.elements_max = 5}, 5, NULL);
    check_fan(&(struct fls_verifier_limits){.elements_max = 5}, 6, "more elements than the limit");
}

/* ---- alignment rules
 * -------------------------------------------------------------------------------- */

/* The message that a size-prefixed FlatBuffer holds: its double lies at 4 modulo 8. */
static uint8_t *make_prefixed(size_t *bytes)
{
    uint32_t size = 4 + 2 * (id_of("Root", "needed") + 1);
    uint32_t vtable = 4, table = ((vtable + size + 7) & ~7u);
    uint32_t string = table + 24, vector = string + 8;

    *bytes = vector + 4;
    uint8_t *message = calloc(1, *bytes);
    assert_non_null(message);
    put_u32(message, table);
    put_chain_vtable(message + vtable, (uint16_t)size, 0);
    put_u16(message + vtable + 4 + 2 * id_of("Root", "f64"), 12);
    put_u32(message + table, table - vtable);
    put_u32(message + table + 4, string - (table + 4));
    put_u32(message + table + 8, vector - (table + 8));
    return message;
}

static void test_alignment_rules(void **state)
{
    (void)state;
    struct fls_verifier_limits limits = {0};
    struct fls_error error;
    size_t bytes;
    uint8_t *message = make_prefixed(&bytes);

    assert_int_equal(check_with(&limits, message, bytes, &error), FLS_INVALID_FLATBUFFER);
    assert_non_null(strstr(error.reason, "field zoo.Root.f64: field at byte"));
    assert_non_null(strstr(error.reason, "not aligned to 8"));
    limits.alignment = FLS_ALIGNED_FROM_PREFIX;
    assert_ok(check_with(&limits, message, bytes, &error));
    assert_int_equal(check_with(&limits, zoo, zoo_bytes, &error), FLS_INVALID_FLATBUFFER);
    limits.alignment = FLS_ALIGNED_FROM_EITHER;
    assert_ok(check_with(&limits, message, bytes, &error));
    assert_ok(check_with(&limits, zoo, zoo_bytes, &error));
    limits.alignment = FLS_ALIGNMENT_IGNORED;
    assert_ok(check_with(&limits, message, bytes, &error));
    /* One by two is right under no rule but the last. */
    put_u16(message + 4 + 4 + 2 * id_of("Root", "f64"), 14);
    assert_ok(check_with(&limits, message, bytes, &error));
    limits.alignment = FLS_ALIGNED_FROM_EITHER;
    assert_int_equal(check_with(&limits, message, bytes, &error), FLS_INVALID_FLATBUFFER);
    free(message);
}

/* A vector of doubles whose length lies where the elements ought to. */
static void test_vector_alignment(void **state)
{
    (void)state;
    uint8_t *copy = malloc(zoo_bytes);
    uint32_t numbers = target("numbers");

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    put_u32(copy + numbers + 4, 1);
    put_u32(copy + place("numbers"), numbers + 4 - place("numbers"));
    check_is_refused(copy, zoo_bytes, "zoo.Root.numbers: vector's elements at byte");
    /* Without elements there is nothing to be aligned. */
    put_u32(copy + numbers + 4, 0);
    assert_ok(fls_verifier_check(verifier, copy, zoo_bytes, NULL));
    free(copy);
}

/* ---- identifier, roots
 * ------------------------------------------------------------------------------ */

static void test_identifier(void **state)
{
    (void)state;
    struct fls_verifier_options options = {.check_identifier = 1};
    struct fls_verifier *checking = NULL;
    struct fls_error error;
    uint8_t *copy = malloc(zoo_bytes);

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    assert_ok(fls_verifier_open(schema, NULL, &options, &checking, NULL));
    assert_ok(fls_verifier_check(checking, copy, zoo_bytes, &error));
    copy[4] = 'Y';
    assert_ok(fls_verifier_check(verifier, copy, zoo_bytes, &error));
    assert_int_equal(fls_verifier_check(checking, copy, zoo_bytes, &error), FLS_INVALID_FLATBUFFER);
    assert_non_null(strstr(error.reason, "identifier is not \"ZOO1\""));
    assert_int_equal(fls_verifier_check(checking, copy, 7, &error), FLS_INVALID_FLATBUFFER);
    fls_verifier_close(checking);
    free(copy);
}

static void test_other_root(void **state)
{
    (void)state;
    struct fls_verifier *other = NULL;
    struct fls_error error;
    uint32_t inner = target("inner");

    assert_ok(
        fls_verifier_open(schema, fls_schema_find_object(schema, "Inner"), NULL, &other, &error));
    assert_ok(fls_verifier_check(other, zoo + inner + 4, get_u32(zoo + inner), &error));
    fls_verifier_close(other);
    assert_int_equal(
        fls_verifier_open(schema, fls_schema_find_object(schema, "Point"), NULL, &other, &error),
        FLS_INVALID_ARGUMENT);
}

/* A path that is longer than an error can hold keeps its end. */
static void test_long_path(void **state)
{
    (void)state;
    struct fls_verifier_limits limits = {.depth_max = 60};
    struct fls_error error;
    size_t bytes;
    uint8_t *message = make_chain(61, &bytes);

    assert_int_equal(check_with(&limits, message, bytes, &error), FLS_INVALID_FLATBUFFER);
    assert_memory_equal(error.reason, "field ...", 9);
    assert_non_null(strstr(error.reason, ".child.child: tables are nested deeper"));
    assert_true(strlen(error.reason) < FLS_ERROR_TEXT_MAX);
    free(message);
}

/* ---- the root table alone
 * ----------------------------------------------------------------------------- */

static void test_table_root(void **state)
{
    (void)state;
    struct fls_error error;
    uint8_t *copy = malloc(zoo_bytes);
    uint32_t table = root_table(), vtable = table - get_u32(zoo + table);

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    assert_ok(fls_verify_table_root(copy, zoo_bytes, NULL, &error));
    put_u16(copy + vtable + 4, (uint16_t)(zoo_bytes - table));
    assert_int_equal(fls_verify_table_root(copy, zoo_bytes, NULL, &error), FLS_INVALID_FLATBUFFER);
    assert_non_null(strstr(error.reason, "field 0 of the root table begins outside"));
    put_u16(copy + vtable + 4, (uint16_t)(zoo_bytes - table - 1));
    assert_ok(fls_verify_table_root(copy, zoo_bytes, NULL, &error));
    put_u16(copy + vtable, 1);
    assert_int_equal(fls_verify_table_root(copy, zoo_bytes, NULL, &error), FLS_INVALID_FLATBUFFER);
    for (size_t bytes = 0; bytes < 4; bytes++) {
        assert_int_equal(fls_verify_table_root(copy, bytes, NULL, &error), FLS_INVALID_FLATBUFFER);
        assert_non_null(strstr(error.reason, "too few"));
    }
    free(copy);
}

static void test_table_root_truncated(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < zoo_bytes; bytes++) {
        uint8_t *exact = malloc(bytes ? bytes : 1);

        assert_non_null(exact);
        memcpy(exact, zoo, bytes);
        enum fls_status status = fls_verify_table_root(exact, bytes, NULL, NULL);
        /* The root table stands near the start: without it, it is never accepted. */
        if (bytes <= root_table())
            assert_int_equal(status, FLS_INVALID_FLATBUFFER);
        free(exact);
    }
}

/* ---- taps
 * -----------------------------------------------------------------------------------------------
 */

static void run_tap(const struct fls_tap *tap, const struct iovec *segments, size_t count,
                    enum fls_status expected, const char *words)
{
    struct fls_payload payload = fls_payload_from_segments(segments, count);
    struct fls_error error = {0};

    assert_int_equal(fls_tap_run(tap, &payload, &error), expected);
    if (expected != FLS_INVALID_FLATBUFFER)
        return;
    assert_string_equal(error.subject, tap->name);
    assert_non_null(strstr(error.reason, words));
}

static void test_taps(void **state)
{
    (void)state;
    struct fls_tap root = fls_tap_table_root(NULL), whole = fls_tap_schema(verifier);
    uint8_t *copy = malloc(zoo_bytes);

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    struct iovec one = {copy, zoo_bytes};
    struct iovec two[] = {{copy, 8}, {copy + 8, zoo_bytes - 8}};
    assert_string_equal(root.name, "table_root");
    assert_string_equal(whole.name, "schema");
    assert_true(root.contiguous);
    assert_true(whole.contiguous);
    run_tap(&root, &one, 1, FLS_OK, NULL);
    run_tap(&whole, &one, 1, FLS_OK, NULL);
    run_tap(&whole, two, 2, FLS_INVALID_ARGUMENT, NULL);
    run_tap(&whole, NULL, 0, FLS_INVALID_FLATBUFFER, "too few");
    run_tap(&root, NULL, 0, FLS_INVALID_FLATBUFFER, "too few");
    copy[target("name") + 4 + 3] = 'x';
    run_tap(&root, &one, 1, FLS_OK, NULL);
    run_tap(&whole, &one, 1, FLS_INVALID_FLATBUFFER, "field zoo.Root.name: string");
    put_u32(copy, 0);
    run_tap(&root, &one, 1, FLS_INVALID_FLATBUFFER, "is null");
    free(copy);
}

/* On a writer: a refused message is not written; one in segments is flattened for the tap. */
static void test_tap_on_writer(void **state)
{
    (void)state;
    struct fls_tap whole = fls_tap_schema(verifier);
    struct fls_writer_options options = FLS_ZERO;
    struct fls_sink *sink;
    size_t written = 0;
    struct iovec two[] = {{zoo, 100}, {zoo + 100, zoo_bytes - 100}};
    struct fls_payload payload = fls_payload_from_segments(two, 2);

    options.taps = &whole;
    options.tap_count = 1;
    struct fls_writer *writer = open_memory_writer(&sink, &options);
    assert_ok(fls_writer_write_payload(writer, &payload));
    assert_int_equal(fls_writer_write(writer, zoo, zoo_bytes / 2), FLS_INVALID_FLATBUFFER);
    assert_string_equal(fls_writer_error(writer)->subject, "schema");
    assert_ok(fls_writer_write(writer, zoo, zoo_bytes));
    assert_ok(fls_writer_close(writer, NULL));
    assert_non_null(fls_sink_memory_bytes(sink, &written));
    assert_int_equal(written, 2 * (4 + zoo_bytes));
    assert_ok(fls_sink_close(sink, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_unaligned_memory),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_small_messages),
        cmocka_unit_test(test_root_offset),
        cmocka_unit_test(test_vtable),
        cmocka_unit_test(test_scalar_fields),
        cmocka_unit_test(test_structs),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_offset_vectors),
        cmocka_unit_test(test_nested_path),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_unions),
        cmocka_unit_test(test_union_vectors),
        cmocka_unit_test(test_nested_buffers),
        cmocka_unit_test(test_position),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_table_count),
        cmocka_unit_test(test_element_count),
        cmocka_unit_test(test_alignment_rules),
        cmocka_unit_test(test_vector_alignment),
        cmocka_unit_test(test_identifier),
        cmocka_unit_test(test_other_root),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_table_root),
        cmocka_unit_test(test_table_root_truncated),
        cmocka_unit_test(test_taps),
        cmocka_unit_test(test_tap_on_writer),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
