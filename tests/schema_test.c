/*
 * Schemas from .bfbs, hostile ones included, and fields by path.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"
#include "support/zoo.h"

static struct fls_schema *schema;
static uint8_t *zoo;
static size_t zoo_bytes;
static uint8_t *small;
static size_t small_bytes;

static int open_all(void **state)
{
    (void)state;
    schema = open_schema(TEST_DATA "/zoo.bfbs");
    zoo = read_test_file(TEST_DATA "/zoo.bin", &zoo_bytes);
    small = read_test_file(TEST_DATA "/zoo-small.bin", &small_bytes);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    fls_schema_close(schema);
    free(zoo);
    free(small);
    return 0;
}

/* ---- what a schema says of itself ---------------------------------------------------------- */

static void test_objects(void **state)
{
    (void)state;
    const struct fls_object *root = fls_schema_root(schema);
    const struct fls_object *point = fls_schema_find_object(schema, "zoo.Point");
    const struct fls_object *grid = fls_schema_find_object(schema, "Grid");

    assert_string_equal(fls_schema_identifier(schema), "ZOO1");
    assert_string_equal(root->name, "zoo.Root");
    assert_false(root->is_struct);
    assert_true(point->is_struct);
    assert_int_equal(point->bytes, 16);
    assert_int_equal(point->alignment, 8);
    assert_int_equal(grid->alignment, 16);
    assert_int_equal(grid->bytes, 48);
    assert_ptr_equal(fls_schema_find_object(schema, "Root"), root);
    assert_null(fls_schema_find_object(schema, "Roo"));
    assert_null(fls_schema_find_object(schema, "zoo.root"));
    assert_null(fls_schema_find_object(schema, "zoo"));
    assert_null(fls_schema_find_object(schema, ""));
    assert_ptr_equal(fls_schema_object(schema, root->index), root);
    assert_null(fls_schema_object(schema, fls_schema_object_count(schema)));
    for (size_t i = 0; i < root->field_count; i++)
        assert_int_equal(root->fields[i].id, i);
}

static void test_fields(void **state)
{
    (void)state;
    const struct fls_object *root = fls_schema_root(schema);
    const struct fls_field *name = fls_object_find_field(root, "name");
    const struct fls_field *maybe = fls_object_find_field(root, "maybe");
    const struct fls_field *inner = fls_object_find_field(root, "inner");
    const struct fls_field *cells =
        fls_object_find_field(fls_schema_find_object(schema, "Grid"), "cells");

    assert_int_equal(name->type, FLS_TYPE_STRING);
    assert_true(name->required);
    assert_true(maybe->optional);
    assert_int_equal(fls_object_find_field(root, "i16")->default_integer, -16);
    assert_true(fls_object_find_field(root, "f64")->default_real == 0.25);
    assert_true(fls_object_find_field(root, "old")->deprecated);
    assert_ptr_equal(inner->nested, fls_schema_find_object(schema, "zoo.Inner"));
    assert_int_equal(cells->type, FLS_TYPE_ARRAY);
    assert_int_equal(cells->element, FLS_TYPE_INT);
    assert_int_equal(cells->length, 4);
    assert_int_equal(cells->bytes, 16);
    assert_null(fls_object_find_field(root, "nam"));
    assert_null(fls_object_find_field(root, "namee"));
}

static void test_enums(void **state)
{
    (void)state;
    const struct fls_enum *colour = fls_schema_find_enum(schema, "zoo.Colour");
    const struct fls_enum *thing = fls_schema_find_enum(schema, "Thing");
    const struct fls_enum *big = fls_schema_find_enum(schema, "Big");
    int64_t value = 0;

    assert_string_equal(fls_enum_name(colour, 5), "Blue");
    assert_null(fls_enum_name(colour, 2));
    assert_true(fls_enum_find(colour, "Green", &value));
    assert_int_equal(value, 1);
    assert_false(fls_enum_find(colour, "green", &value));
    assert_true(fls_enum_find(big, "Huge", &value));
    assert_true((uint64_t)value == UINT64_MAX);
    assert_int_equal(colour->underlying, FLS_TYPE_BYTE);
    assert_true(thing->is_union);
    assert_int_equal(thing->value_count, 5);
    assert_int_equal(thing->values[4].type, FLS_TYPE_STRING);
    assert_string_equal(thing->values[1].object->name, "zoo.Weapon");
    assert_null(fls_schema_find_enum(schema, "Root"));
    assert_null(fls_schema_enum(schema, fls_schema_enum_count(schema)));
}

static void test_type_names(void **state)
{
    (void)state;
    assert_string_equal(fls_type_name(FLS_TYPE_ULONG), "ulong");
    assert_string_equal(fls_type_name(FLS_TYPE_ARRAY), "array");
    assert_string_equal(fls_type_name((enum fls_type)99), "unknown");
}

/* ---- hostile schemas ------------------------------------------------------------------------- */

/* Whatever the bytes are, opening must end in a status and, if that is FLS_OK, in a schema that
 * verifier and paths can be made from. */
static enum fls_status try_open(const uint8_t *bytes, size_t count)
{
    struct fls_schema *opened = NULL;
    struct fls_verifier *verifier = NULL;
    struct fls_path *path = NULL;
    struct fls_error error = {0};
    uint8_t *exact = malloc(count ? count : 1);

    assert_non_null(exact);
    memcpy(exact, bytes, count);
    enum fls_status status = fls_schema_open(exact, count, &opened, &error);
    free(exact);
    if (status != FLS_OK) {
        assert_int_equal(error.status, status);
        assert_true(error.reason[0] != '\0');
        return status;
    }
    if (fls_verifier_open(opened, NULL, NULL, &verifier, NULL) == FLS_OK) {
        enum fls_status ignored = fls_verifier_check(verifier, zoo, zoo_bytes, &error);
        (void)ignored;
    }
    if (fls_path_compile(opened, NULL, "items[].tags[]", &path, NULL) == FLS_OK)
        fls_path_close(path);
    fls_verifier_close(verifier);
    fls_schema_close(opened);
    return FLS_OK;
}

static void test_truncated_schema(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *bfbs = read_test_file(TEST_DATA "/zoo.bfbs", &bytes);

    for (size_t i = 0; i < bytes; i++)
        try_open(bfbs, i);
    assert_int_equal(try_open(bfbs, 0), FLS_INVALID_FLATBUFFER);
    assert_int_equal(try_open(bfbs, bytes / 2), FLS_INVALID_FLATBUFFER);
    assert_int_equal(try_open(bfbs, bytes), FLS_OK);
    free(bfbs);
}

static void test_damaged_schema(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, 2, 0x0f, 0x10, 0x7f, 0x80, 0xff};
    size_t bytes, refused = 0;
    uint8_t *bfbs = read_test_file(TEST_DATA "/zoo.bfbs", &bytes);

    for (size_t i = 0; i < bytes; i++) {
        uint8_t before = bfbs[i];

        for (size_t j = 0; j < sizeof values; j++) {
            bfbs[i] = values[j];
            refused += try_open(bfbs, bytes) != FLS_OK;
        }
        bfbs[i] = before;
    }
    assert_true(refused > 1000);
    free(bfbs);
}

/* A size-prefixed .bfbs, as flatc --size-prefixed makes it. */
static void test_prefixed_schema(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *bfbs = read_test_file(TEST_DATA "/zoo.bfbs", &bytes);
    uint8_t *prefixed = malloc(bytes + 4);

    assert_non_null(prefixed);
    put_u32(prefixed, (uint32_t)bytes);
    memcpy(prefixed + 4, bfbs, bytes);
    assert_int_equal(try_open(prefixed, bytes + 4), FLS_OK);
    put_u32(prefixed, (uint32_t)bytes + 1);
    assert_int_equal(try_open(prefixed, bytes + 4), FLS_INVALID_FLATBUFFER);
    free(prefixed);
    free(bfbs);
}

static void test_not_a_schema(void **state)
{
    (void)state;
    struct fls_schema *opened;
    struct fls_error error;

    assert_int_equal(fls_schema_open(zoo, zoo_bytes, &opened, &error), FLS_INVALID_FLATBUFFER);
    assert_non_null(strstr(error.reason, "BFBS"));
    assert_int_equal(fls_schema_open("", 0, &opened, NULL), FLS_INVALID_FLATBUFFER);
}

/* In the .bfbs, the table of an object or field, found by the format's own rules. */
static uint32_t bfbs_object(const uint8_t *bfbs, const char *name)
{
    uint32_t schema_table = target_of(bfbs, 0);
    uint32_t objects = target_of(bfbs, field_place(bfbs, schema_table, 0));

    for (uint32_t i = 0; i < get_u32(bfbs + objects); i++) {
        uint32_t object = target_of(bfbs, objects + 4 + 4 * i);
        uint32_t text = target_of(bfbs, field_place(bfbs, object, 0));

        if (strcmp((const char *)bfbs + text + 4, name) == 0)
            return object;
    }
    fail_msg("no object %s", name);
    return 0;
}

static uint32_t bfbs_field(const uint8_t *bfbs, const char *object_name, const char *name)
{
    uint32_t fields = target_of(bfbs, field_place(bfbs, bfbs_object(bfbs, object_name), 1));

    for (uint32_t i = 0; i < get_u32(bfbs + fields); i++) {
        uint32_t field = target_of(bfbs, fields + 4 + 4 * i);
        uint32_t text = target_of(bfbs, field_place(bfbs, field, 0));

        if (strcmp((const char *)bfbs + text + 4, name) == 0)
            return field;
    }
    fail_msg("no field %s.%s", object_name, name);
    return 0;
}

/* The vector of values of an enum or union. */
static uint32_t bfbs_values(const uint8_t *bfbs, const char *name)
{
    uint32_t enums = target_of(bfbs, field_place(bfbs, target_of(bfbs, 0), 1));

    for (uint32_t i = 0; i < get_u32(bfbs + enums); i++) {
        uint32_t table = target_of(bfbs, enums + 4 + 4 * i);
        uint32_t text = target_of(bfbs, field_place(bfbs, table, 0));

        if (strcmp((const char *)bfbs + text + 4, name) == 0)
            return target_of(bfbs, field_place(bfbs, table, 1));
    }
    fail_msg("no enum %s", name);
    return 0;
}

/* Opens the changed schema, which must be refused for a reason that contains `words`. */
static void refuse_schema(const uint8_t *bfbs, size_t bytes, const char *words)
{
    struct fls_schema *opened;
    struct fls_error error;

    assert_int_not_equal(fls_schema_open(bfbs, bytes, &opened, &error), FLS_OK);
    if (!strstr(error.reason, words))
        fail_msg("\"%s\" does not contain \"%s\"", error.reason, words);
}

static void test_contradictory_schema(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *bfbs = read_test_file(TEST_DATA "/zoo.bfbs", &bytes);
    uint8_t *copy = malloc(bytes);
    uint32_t id = field_place(bfbs, bfbs_field(bfbs, "zoo.Root", "flag"), 2);
    uint32_t offset = field_place(bfbs, bfbs_field(bfbs, "zoo.Root", "i32"), 3);
    uint32_t y_offset = field_place(bfbs, bfbs_field(bfbs, "zoo.Point", "y"), 3);
    uint32_t type = target_of(bfbs, field_place(bfbs, bfbs_field(bfbs, "zoo.Root", "item"), 1));
    uint32_t corner = target_of(bfbs, field_place(bfbs, bfbs_field(bfbs, "zoo.Grid", "corner"), 1));
    uint32_t size = field_place(bfbs, bfbs_object(bfbs, "zoo.Point"), 4);
    uint32_t alignment = field_place(bfbs, bfbs_object(bfbs, "zoo.Point"), 3);
    uint32_t flag_default = field_place(bfbs, bfbs_field(bfbs, "zoo.Root", "i8"), 4);

    assert_non_null(copy);
#define CHANGED(change, words)                                                                     \
    do {                                                                                           \
        memcpy(copy, bfbs, bytes);                                                                 \
        change;                                                                                    \
        refuse_schema(copy, bytes, words);                                                         \
    } while (0)
    CHANGED(put_u16(copy + id, 2), "taken or too large");
    CHANGED(put_u16(copy + id, 60000), "taken or too large");
    CHANGED(put_u16(copy + offset, 90), "not at the place of its id");
    CHANGED(put_u16(copy + y_offset, 4), "does not fit");
    CHANGED(put_u16(copy + y_offset, 16), "does not fit");
    CHANGED(put_u32(copy + size, 0), "0 bytes");
    CHANGED(put_u32(copy + size, 24), "larger than its fields");
    CHANGED(put_u32(copy + size, 0xfffffff0), "bytes and the alignment");
    CHANGED(put_u32(copy + alignment, 3), "alignment 3");
    CHANGED(put_u32(copy + alignment, 512), "alignment 512");
    CHANGED(put_u32(copy + field_place(copy, type, 2), 1000), "refers to type");
    CHANGED(put_u32(copy + field_place(copy, type, 2), 0xffffffff), "no known table");
    CHANGED(copy[field_place(copy, type, 0)] = FLS_TYPE_UNION, "no known union");
    CHANGED(copy[field_place(copy, type, 0)] = FLS_TYPE_ARRAY, "tables do not have");
    CHANGED(copy[field_place(copy, type, 0)] = 18, "later format version");
    CHANGED(copy[flag_default + 1] = 7, "does not fit its type");
    uint32_t members = bfbs_values(bfbs, "zoo.Thing");
    uint32_t second = target_of(bfbs, members + 8);
    CHANGED(put_u32(copy + members, 0), "zoo.Thing has no values");
    CHANGED(copy[field_place(copy, second, 1)] = 0, "union member Weapon has the type 0");
    CHANGED(copy[field_place(copy, second, 1) + 1] = 1, "union member Weapon has the type 257");
    CHANGED(copy[target_of(copy, field_place(copy, second, 0)) + 4] = ' ', "a space in it");
    /* A struct that contains itself: Grid.corner becomes a Grid. */
    uint32_t grid_index = fls_schema_find_object(schema, "zoo.Grid")->index;
    CHANGED(put_u32(copy + field_place(copy, corner, 2), grid_index), "");
#undef CHANGED
    free(copy);
    free(bfbs);
}

/* ---- paths ------------------------------------------------------------------------------------
 */

static struct fls_path *compile(const char *text)
{
    struct fls_path *path = NULL;
    struct fls_error error;

    if (fls_path_compile(schema, NULL, text, &path, &error) != FLS_OK)
        fail_msg("%s: %s", text, error.reason);
    return path;
}

static struct fls_value read_value(const char *text, const uint8_t *message, size_t bytes)
{
    struct fls_path *path = compile(text);
    struct fls_value value;

    memset(&value, 0xa5, sizeof value);
    assert_ok(fls_path_read(path, message, bytes, &value));
    assert_int_equal(value.kind, fls_path_kind(path));
    fls_path_close(path);
    return value;
}

static void expect_signed(const char *text, int64_t expected)
{
    struct fls_value value = read_value(text, zoo, zoo_bytes);

    assert_int_equal(value.kind, FLS_VALUE_SIGNED);
    assert_int_equal(value.presence, FLS_PRESENT);
    assert_true(value.signed_value == expected);
}

static void expect_unsigned(const char *text, uint64_t expected)
{
    struct fls_value value = read_value(text, zoo, zoo_bytes);

    assert_int_equal(value.kind, FLS_VALUE_UNSIGNED);
    assert_int_equal(value.presence, FLS_PRESENT);
    assert_true(value.unsigned_value == expected);
}

static void expect_real(const char *text, double expected)
{
    struct fls_value value = read_value(text, zoo, zoo_bytes);

    assert_int_equal(value.kind, FLS_VALUE_REAL);
    assert_int_equal(value.presence, FLS_PRESENT);
    assert_true(value.real_value == expected);
}

static void expect_text(const char *text, const char *expected)
{
    struct fls_value value = read_value(text, zoo, zoo_bytes);

    assert_int_equal(value.kind, FLS_VALUE_STRING);
    assert_int_equal(value.presence, FLS_PRESENT);
    assert_int_equal(value.length, strlen(expected));
    assert_string_equal(value.text, expected);
}

static void test_scalars(void **state)
{
    (void)state;
    struct fls_value flag = read_value("flag", zoo, zoo_bytes);

    assert_int_equal(flag.kind, FLS_VALUE_BOOL);
    assert_int_equal(flag.presence, FLS_PRESENT);
    assert_false(flag.bool_value);
    expect_signed("i8", -100);
    expect_unsigned("u8", 200);
    expect_signed("i16", -30000);
    expect_unsigned("u16", 60000);
    expect_signed("i32", -2000000000);
    expect_unsigned("u32", 4000000000u);
    expect_signed("i64", INT64_C(-9000000000000000000));
    expect_unsigned("u64", UINT64_C(18000000000000000000));
    expect_unsigned("big", UINT64_MAX);
    expect_real("f32", 1.5);
    expect_real("f64", 2.25);
    expect_signed("maybe", 0);
}

static void test_enum_values(void **state)
{
    (void)state;
    struct fls_value colour = read_value("colour", zoo, zoo_bytes);
    struct fls_value habits = read_value("habits", zoo, zoo_bytes);
    struct fls_value element = read_value("colours[1]", zoo, zoo_bytes);

    assert_string_equal(fls_enum_name(colour.enumeration, colour.signed_value), "Green");
    assert_int_equal(habits.unsigned_value, 5);
    assert_null(fls_enum_name(habits.enumeration, habits.signed_value));
    assert_string_equal(fls_enum_name(element.enumeration, element.signed_value), "Blue");
    assert_null(read_value("i8", zoo, zoo_bytes).enumeration);
}

static void test_defaults(void **state)
{
    (void)state;
    struct fls_value value = read_value("i16", small, small_bytes);

    assert_int_equal(value.presence, FLS_DEFAULTED);
    assert_int_equal(value.signed_value, -16);
    value = read_value("flag", small, small_bytes);
    assert_int_equal(value.presence, FLS_DEFAULTED);
    assert_true(value.bool_value);
    value = read_value("f32", small, small_bytes);
    assert_int_equal(value.presence, FLS_DEFAULTED);
    assert_true(value.real_value == 0.5);
    value = read_value("big", small, small_bytes);
    assert_string_equal(fls_enum_name(value.enumeration, value.signed_value), "Small");
    value = read_value("colour", small, small_bytes);
    assert_string_equal(fls_enum_name(value.enumeration, value.signed_value), "Blue");
}

static void test_absent(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "maybe",      "location.x",     "location",      "item",
        "item.price", "item.part.name", "items",         "items[0]",
        "names[0]",   "bytes",          "held",          "held.Weapon.damage",
        "inner",      "inner.value",    "grid.cells[1]", "things[0].Label",
        "child.i8",
    };

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct fls_value value = read_value(paths[i], small, small_bytes);

        assert_int_equal(value.presence, FLS_ABSENT);
        assert_int_equal(value.signed_value, 0);
        assert_string_equal(value.text, "");
        assert_int_equal(value.length, 0);
    }
    assert_int_equal(read_value("items[3].name", zoo, zoo_bytes).presence, FLS_ABSENT);
    assert_int_equal(read_value("names[4294967295]", zoo, zoo_bytes).presence, FLS_ABSENT);
    assert_int_equal(read_value("held.Meal.name", zoo, zoo_bytes).presence, FLS_ABSENT);
}

static void test_nested_paths(void **state)
{
    (void)state;
    expect_text("name", "ark");
    expect_real("location.x", 1.25);
    expect_real("location.y", -2.5);
    expect_signed("grid.cells[0]", 10);
    expect_signed("grid.cells[3]", 40);
    expect_unsigned("grid.tags[1].id", 2);
    expect_real("grid.corner.y", 8);
    expect_text("item.part.name", "screw");
    expect_text("items[1].name", "rope");
    expect_text("items[0].tags[1]", "iron");
    expect_text("items[2].part.name", "wick");
    expect_text("names[1]", "");
    expect_unsigned("bytes[3]", 255);
    expect_signed("shorts[2]", -3);
    expect_real("numbers[1]", 1.5);
    expect_real("points[1].y", 4);
    expect_unsigned("tags[2].id", 7);
    expect_text("child.child.name", "grandcalf");
    expect_signed("inner.value", 77);
    expect_text("inner.text", "inside");
    expect_signed("inner.deeper.value", 78);
}

static void test_unions(void **state)
{
    (void)state;
    struct fls_value held = read_value("held", zoo, zoo_bytes);
    struct fls_value third = read_value("things[2]", zoo, zoo_bytes);
    struct fls_value type = read_value("things_type[1]", zoo, zoo_bytes);

    assert_int_equal(held.kind, FLS_VALUE_UNION);
    assert_string_equal(fls_enum_name(held.enumeration, held.signed_value), "Weapon");
    assert_string_equal(fls_enum_name(third.enumeration, third.signed_value), "Label");
    assert_string_equal(fls_enum_name(type.enumeration, type.signed_value), "Weapon");
    expect_signed("held.Weapon.damage", 12);
    expect_text("held.Weapon.name", "club");
    expect_text("things[0].Meal.name", "hay");
    expect_text("things[2].Label", "a label");
    assert_int_equal(read_value("things[1].Weapon.damage", zoo, zoo_bytes).presence, FLS_DEFAULTED);
}

static void test_wholes(void **state)
{
    (void)state;
    struct fls_value items = read_value("items", zoo, zoo_bytes);
    struct fls_value bytes = read_value("bytes", zoo, zoo_bytes);
    struct fls_value point = read_value("points[1]", zoo, zoo_bytes);
    struct fls_value cells = read_value("grid.cells", zoo, zoo_bytes);
    static const uint8_t expected[] = {1, 2, 3, 255};

    assert_int_equal(items.kind, FLS_VALUE_VECTOR);
    assert_int_equal(items.length, 3);
    assert_int_equal(bytes.length, 4);
    assert_memory_equal(bytes.data, expected, 4);
    assert_int_equal(point.kind, FLS_VALUE_STRUCT);
    assert_int_equal(point.length, 16);
    assert_int_equal(cells.length, 4);
    assert_int_equal(((const uint8_t *)cells.data)[4], 20);
    assert_int_equal(read_value("item", zoo, zoo_bytes).kind, FLS_VALUE_TABLE);
    assert_int_equal(read_value("item", zoo, zoo_bytes).presence, FLS_PRESENT);
}

/* ---- [] ---------------------------------------------------------------------------------------
 */

/* What was given, as text: "axe,rope,lamp". A missing value is "-", a default in brackets. */
struct collected {
    char text[256];
    size_t length;
    size_t stop_after;
    size_t count;
};

static int collect(void *context, const struct fls_value *value)
{
    struct collected *to = context;
    char word[64];

    if (value->presence == FLS_ABSENT)
        snprintf(word, sizeof word, "-");
    else if (value->kind == FLS_VALUE_STRING)
        snprintf(word, sizeof word, "%s", value->text);
    else if (value->kind == FLS_VALUE_REAL)
        snprintf(word, sizeof word, "%g", value->real_value);
    else
        snprintf(word, sizeof word, "%lld", (long long)value->signed_value);
    to->length += (size_t)snprintf(to->text + to->length, sizeof to->text - to->length,
                                   value->presence == FLS_DEFAULTED ? "%s(%s)" : "%s%s",
                                   to->count ? "," : "", word);
    return ++to->count == to->stop_after;
}

static void expect_each(const char *text, const uint8_t *message, size_t bytes,
                        const char *expected)
{
    struct fls_path *path = compile(text);
    struct collected got = {{0}, 0, 0, 0};

    assert_ok(fls_path_each(path, message, bytes, collect, &got));
    assert_string_equal(got.text, expected);
    fls_path_close(path);
}

static void test_each(void **state)
{
    (void)state;
    expect_each("items[].name", zoo, zoo_bytes, "axe,rope,lamp");
    expect_each("items[].price", zoo, zoo_bytes, "9.5,(0),3");
    expect_each("items[].tags[]", zoo, zoo_bytes, "sharp,iron,light");
    expect_each("items[0].tags[]", zoo, zoo_bytes, "sharp,iron");
    expect_each("items[].tags[0]", zoo, zoo_bytes, "sharp,-,light");
    expect_each("items[].part.name", zoo, zoo_bytes, "-,-,wick");
    expect_each("grid.cells[]", zoo, zoo_bytes, "10,20,30,40");
    expect_each("grid.tags[].kind", zoo, zoo_bytes, "0,5");
    expect_each("points[].x", zoo, zoo_bytes, "1,3");
    expect_each("things[]", zoo, zoo_bytes, "2,1,4");
    expect_each("things[].Weapon.damage", zoo, zoo_bytes, "-,(7),-");
    expect_each("name", zoo, zoo_bytes, "ark");
    expect_each("items[].name", small, small_bytes, "");
    expect_each("items[9].tags[]", zoo, zoo_bytes, "");
    expect_each("held.Meal.name", zoo, zoo_bytes, "-");
}

static void test_stop(void **state)
{
    (void)state;
    struct fls_path *path = compile("items[].tags[]");
    struct collected got = {{0}, 0, 2, 0};
    struct fls_value value;

    assert_true(fls_path_repeats(path));
    assert_int_equal(fls_path_each(path, zoo, zoo_bytes, collect, &got), FLS_STOPPED);
    assert_string_equal(got.text, "sharp,iron");
    assert_int_equal(fls_path_read(path, zoo, zoo_bytes, &value), FLS_INVALID_ARGUMENT);
    fls_path_close(path);
}

/* ---- wrong paths ------------------------------------------------------------------------------
 */

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t column;
        size_t length;
        const char *words;
    } cases[] = {
        {"", 1, 0, "missing"},
        {".", 1, 1, "missing"},
        {"name.", 6, 0, "missing"},
        {"nam", 1, 3, "did you mean \"name\""},
        {"elephant", 1, 8, "zoo.Root has no field \"elephant\""},
        {"location.z", 10, 1, "zoo.Point has no field \"z\""},
        {"items.name", 7, 4, "[] or an index must come first"},
        {"items[0].prise", 10, 5, "did you mean \"price\""},
        {"items[x]", 6, 1, "followed by a number"},
        {"items[3", 6, 2, "followed by a number"},
        {"items[-1]", 6, 1, "followed by a number"},
        {"items[1]name", 9, 1, "cannot stand here"},
        {"items]", 6, 1, "cannot stand here"},
        {"items[99999999999]", 7, 11, "too large"},
        {"items[99999999999999999999999]", 7, 23, "too large"},
        {"grid.cells[4]", 12, 1, "has 4 elements"},
        {"name[0]", 5, 3, "has no elements"},
        {"name.length", 6, 6, "is of type string and has no fields"},
        {"i32.x", 5, 1, "is of type int and has no fields"},
        {"held.Weapn.damage", 6, 5, "union zoo.Thing has no member \"Weapn\""},
        {"held.NONE", 6, 4, "has no member"},
        {" name", 1, 5, "no field"},
        {"items..name", 7, 1, "missing"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fls_path *path = NULL;
        struct fls_error error;

        assert_int_equal(fls_path_compile(schema, NULL, cases[i].text, &path, &error),
                         FLS_INVALID_ARGUMENT);
        if (!strstr(error.reason, cases[i].words) || error.found != cases[i].column ||
            error.expected != cases[i].length)
            fail_msg("\"%s\": column %d, %d characters: %s", cases[i].text, (int)error.found,
                     (int)error.expected, error.reason);
        assert_null(path);
    }
}

static void test_root_argument(void **state)
{
    (void)state;
    struct fls_path *path = NULL;
    struct fls_error error;
    const struct fls_object *item = fls_schema_find_object(schema, "Item");

    assert_ok(fls_path_compile(schema, item, "part.price", &path, &error));
    fls_path_close(path);
    assert_int_equal(
        fls_path_compile(schema, fls_schema_find_object(schema, "Point"), "x", &path, &error),
        FLS_INVALID_ARGUMENT);
    assert_non_null(strstr(error.reason, "is a struct"));
}

/* ---- messages that were not verified ----------------------------------------------------------
 */

/* No message, however damaged, may be read outside its memory (the sanitizers watch). */
static void test_damaged_messages(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "name",
        "grid.tags[1].id",
        "items[].tags[]",
        "things[].Weapon.name",
        "things[2].Label",
        "inner.deeper.value",
        "child.child.name",
        "points[].y",
        "held",
        "u64",
        "needed",
    };
    enum { PATHS = sizeof texts / sizeof texts[0] };
    struct fls_path *paths[PATHS];
    unsigned broken = 0;

    for (size_t i = 0; i < PATHS; i++)
        paths[i] = compile(texts[i]);
    for (size_t at = 0; at < zoo_bytes * 4; at++) {
        size_t bytes = at % 4 == 3 ? at / 4 : zoo_bytes;
        uint8_t *copy = malloc(bytes ? bytes : 1);

        assert_non_null(copy);
        memcpy(copy, zoo, bytes);
        if (at % 4 < 3)
            copy[at / 4] = (uint8_t[]){0, 0x7f, 0xff}[at % 4];
        for (size_t i = 0; i < PATHS; i++) {
            struct collected got = {{0}, 0, 3, 0};

            broken += fls_path_each(paths[i], copy, bytes, collect, &got) != FLS_OK;
        }
        free(copy);
    }
    assert_true(broken > 1000);
    for (size_t i = 0; i < PATHS; i++)
        fls_path_close(paths[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_enums),
        cmocka_unit_test(test_type_names),
        cmocka_unit_test(test_truncated_schema),
        cmocka_unit_test(test_damaged_schema),
        cmocka_unit_test(test_prefixed_schema),
        cmocka_unit_test(test_not_a_schema),
        cmocka_unit_test(test_contradictory_schema),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_enum_values),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_nested_paths),
        cmocka_unit_test(test_unions),
        cmocka_unit_test(test_wholes),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_root_argument),
        cmocka_unit_test(test_damaged_messages),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
