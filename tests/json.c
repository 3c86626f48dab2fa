/*
 * JSON out and in, and schemas from .fbs, through libflatstream-json. In C: the header must do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flatstream/json.h>

#include "support/test.h"
#include "support/zoo.h"

static struct fls_json *json;
static uint8_t *zoo;
static size_t zoo_bytes;

static int open_all(void **state)
{
    (void)state;
    struct fls_error error;

    if (fls_json_open_file(TEST_DATA "/zoo.bfbs", &json, &error) != FLS_OK)
        fail_msg("%s", error.reason);
    zoo = read_test_file(TEST_DATA "/zoo.bin", &zoo_bytes);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    fls_json_close(json);
    free(zoo);
    return 0;
}

static const char *print(struct fls_json *with, const void *message, size_t bytes,
                         const struct fls_json_options *options)
{
    const char *text = NULL;
    size_t length = 0;
    struct fls_error error;

    if (fls_json_print(with, message, bytes, options, &text, &length, &error) != FLS_OK)
        fail_msg("%s", error.reason);
    assert_int_equal(strlen(text), length);
    return text;
}

/* Parses, into a copy that the caller frees. */
static uint8_t *parse(struct fls_json *with, const char *text, size_t *bytes)
{
    const void *message = NULL;
    struct fls_error error;

    if (fls_json_parse(with, text, strlen(text), &message, bytes, &error) != FLS_OK)
        fail_msg("%s", error.reason);
    uint8_t *copy = malloc(*bytes);
    assert_non_null(copy);
    memcpy(copy, message, *bytes);
    return copy;
}

static void refuse_text(struct fls_json *with, const char *text, uint64_t line, uint64_t column,
                        const char *words)
{
    const void *message = NULL;
    size_t bytes = 0;
    struct fls_error error;

    assert_int_equal(fls_json_parse(with, text, strlen(text), &message, &bytes, &error),
                     FLS_INVALID_ARGUMENT);
    if (!strstr(error.reason, words) || error.expected != line || error.found != column)
        fail_msg("%s: line %d, column %d: %s", text, (int)error.expected, (int)error.found,
                 error.reason);
}

static void test_small(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *message = parse(json, "{name: \"x\", i8: 5, needed: [1, 2]}", &bytes);
    struct fls_json_options options = {0};

    assert_string_equal(print(json, message, bytes, NULL),
                        "{\"name\": \"x\",\"i8\": 5,\"needed\": [1,2]}");
    options.unquoted_names = 1;
    assert_string_equal(print(json, message, bytes, &options), "{name: \"x\",i8: 5,needed: [1,2]}");
    options.unquoted_names = 0;
    options.pretty = 1;
    assert_string_equal(
        print(json, message, bytes, &options),
        "{\n  \"name\": \"x\",\n  \"i8\": 5,\n  \"needed\": [\n    1,\n    2\n  ]\n}");
    options.pretty = 0;
    options.defaults = 1;
    assert_non_null(strstr(print(json, message, bytes, &options), "\"i16\": -16"));
    assert_null(strstr(print(json, message, bytes, NULL), "i16"));
    free(message);
}

/* Out and in again gives the same text and a message that verifies, for everything there is. */
static void test_round_trip(void **state)
{
    (void)state;
    struct fls_schema *schema = open_schema(TEST_DATA "/zoo.bfbs");
    struct fls_verifier *verifier = open_verifier(schema);
    char *first = strdup(print(json, zoo, zoo_bytes, NULL));
    size_t bytes;

    assert_non_null(first);
    assert_non_null(strstr(first, "\"habits\": \"Swims Digs\""));
    assert_non_null(strstr(first, "\"inner\": {\"value\": 77,\"text\": \"inside\","));
    assert_null(strchr(first, '\n'));
    uint8_t *again = parse(json, first, &bytes);
    assert_ok(fls_verifier_check(verifier, again, bytes, NULL));
    assert_memory_equal(again + 4, "ZOO1", 4);
    assert_string_equal(print(json, again, bytes, NULL), first);
    free(again);
    free(first);
    fls_verifier_close(verifier);
    fls_schema_close(schema);
}

static void test_unaligned_message(void **state)
{
    (void)state;
    char *first = strdup(print(json, zoo, zoo_bytes, NULL));
    uint8_t *memory = malloc(zoo_bytes + 8);

    assert_non_null(first);
    assert_non_null(memory);
    memcpy(memory + 3, zoo, zoo_bytes);
    assert_string_equal(print(json, memory + 3, zoo_bytes, NULL), first);
    free(memory);
    free(first);
}

static void test_text_errors(void **state)
{
    (void)state;
    static const char with_zero[] = "{name: \"x\"\0}";
    const void *message;
    size_t bytes;
    struct fls_error error;

    refuse_text(json, "", 1, 0, "empty");
    refuse_text(json, "{", 1, 1, "expecting");
    refuse_text(json, "{name: \"x\", nme: 1}", 1, 18, "unknown field: nme");
    refuse_text(json, "{\n  \"name\": \"x\",\n  \"i8\": \"y\"\n}", 3, 11, "enum values need");
    refuse_text(json, "{name: \"x\", i8: 500, needed: []}", 1, 32, "constant does not fit");
    refuse_text(json, "{name: \"x\"}", 1, 11, "required field is missing: needed");
    refuse_text(json, "{name: \"x\", needed: []} {}", 1, 25, "expecting: end of file");
    refuse_text(json, "include \"/etc/passwd\";", 1, 7, "expecting: {");
    assert_int_equal(
        fls_json_parse(json, with_zero, sizeof with_zero - 1, &message, &bytes, &error),
        FLS_INVALID_ARGUMENT);
    /* An error leaves nothing behind. */
    uint8_t *copy = parse(json, "{name: \"ok\", needed: []}", &bytes);
    assert_string_equal(print(json, copy, bytes, NULL), "{\"name\": \"ok\",\"needed\": []}");
    free(copy);
}

static void refuse_print(const uint8_t *message, size_t bytes)
{
    const char *text;
    size_t length;
    struct fls_error error;

    assert_int_equal(fls_json_print(json, message, bytes, NULL, &text, &length, &error),
                     FLS_INVALID_FLATBUFFER);
    assert_non_null(strstr(error.reason, "cannot be said in JSON"));
}

/* A verifier takes it, but libflatbuffers would take the union's type from another field. */
static void test_union_without_a_type(void **state)
{
    (void)state;
    struct fls_schema *schema = open_schema(TEST_DATA "/zoo.bfbs");
    struct fls_verifier *verifier = open_verifier(schema);
    unsigned id = fls_object_find_field(fls_schema_root(schema), "held_type")->id;
    uint8_t *copy = malloc(zoo_bytes);
    uint32_t table = target_of(zoo, 0);
    struct fls_error error = {0};
    const char *text;
    size_t length;

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    put_u16(copy + table - get_u32(zoo + table) + 4 + 2 * id, 0);
    assert_ok(fls_verifier_check(verifier, copy, zoo_bytes, NULL));
    assert_int_equal(fls_json_print(json, copy, zoo_bytes, NULL, &text, &length, &error),
                     FLS_INVALID_FLATBUFFER);
    assert_non_null(strstr(error.reason, "union has a value but no type"));
    free(copy);
    fls_verifier_close(verifier);
    fls_schema_close(schema);
}

/* What is valid and yet not JSON: it must be an error, never a crash. */
static void test_unprintable(void **state)
{
    (void)state;
    struct fls_json_options options = {.any_bytes = 1};
    uint32_t root = target_of(zoo, 0);
    uint8_t *copy = malloc(zoo_bytes);
    struct fls_schema *schema = open_schema(TEST_DATA "/zoo.bfbs");
    struct fls_verifier *verifier = open_verifier(schema);
    const struct fls_object *table = fls_schema_root(schema);
    uint32_t held_type = field_place(zoo, root, fls_object_find_field(table, "held_type")->id);
    uint32_t types =
        target_of(zoo, field_place(zoo, root, fls_object_find_field(table, "things_type")->id));

    assert_non_null(copy);
    memcpy(copy, zoo, zoo_bytes);
    copy[target_of(zoo, field_place(zoo, root, 0)) + 4] = 0xff;
    assert_ok(fls_verifier_check(verifier, copy, zoo_bytes, NULL));
    refuse_print(copy, zoo_bytes);
    assert_non_null(strstr(print(json, copy, zoo_bytes, &options), "\\xFF"));
    memcpy(copy, zoo, zoo_bytes);
    copy[held_type] = 200;
    assert_ok(fls_verifier_check(verifier, copy, zoo_bytes, NULL));
    refuse_print(copy, zoo_bytes);
    for (unsigned type = 0; type < 6; type += 5) {
        memcpy(copy, zoo, zoo_bytes);
        copy[types + 4] = (uint8_t)type;
        assert_ok(fls_verifier_check(verifier, copy, zoo_bytes, NULL));
        refuse_print(copy, zoo_bytes);
    }
    fls_verifier_close(verifier);
    fls_schema_close(schema);
    free(copy);
}

static void test_other_root(void **state)
{
    (void)state;
    struct fls_json *other = NULL;
    struct fls_error error;
    size_t bytes;

    assert_ok(fls_json_open_file(TEST_DATA "/zoo.bfbs", &other, &error));
    assert_ok(fls_json_set_root(other, "Item", &error));
    uint8_t *message = parse(other, "{name: \"axe\", price: 2.5}", &bytes);
    assert_string_equal(print(other, message, bytes, NULL), "{\"name\": \"axe\",\"price\": 2.5}");
    free(message);
    refuse_text(other, "{price: 1}", 1, 10, "required field is missing: name");
    /* Still the same root after an error, and after a name that is none. */
    assert_int_equal(fls_json_set_root(other, "Point", &error), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_json_set_root(other, "Nobody", &error), FLS_INVALID_ARGUMENT);
    message = parse(other, "{name: \"axe\"}", &bytes);
    assert_string_equal(print(other, message, bytes, NULL), "{\"name\": \"axe\"}");
    free(message);
    fls_json_close(other);
}

/* The .fbs and the .bfbs that flatc made of it say the same. */
static void test_fbs(void **state)
{
    (void)state;
    struct fls_json *from_text = NULL;
    struct fls_schema *schema = NULL;
    struct fls_verifier *verifier;
    struct fls_error error;
    size_t bytes;

    if (fls_json_open_file(TEST_DATA "/zoo.fbs", &from_text, &error) != FLS_OK)
        fail_msg("%s", error.reason);
    const void *bfbs = fls_json_bfbs(from_text, &bytes);
    assert_ok(fls_schema_open(bfbs, bytes, &schema, &error));
    verifier = open_verifier(schema);
    assert_ok(fls_verifier_check(verifier, zoo, zoo_bytes, &error));
    const struct fls_field *inner = fls_object_find_field(fls_schema_root(schema), "inner");
    assert_string_equal(inner->nested->name, "zoo.Inner");
    char *expected = strdup(print(json, zoo, zoo_bytes, NULL));
    assert_non_null(expected);
    assert_string_equal(print(from_text, zoo, zoo_bytes, NULL), expected);
    free(expected);
    fls_verifier_close(verifier);
    fls_schema_close(schema);
    fls_json_close(from_text);
}

static void test_fbs_errors(void **state)
{
    (void)state;
    static const char text[] = "table A {\n  x: int;\n  y: nothing;\n}\nroot_type A;\n";
    struct fls_json *opened = NULL;
    struct fls_error error;

    assert_int_equal(fls_json_open_fbs(text, sizeof text - 1, "some/file.fbs", &opened, &error),
                     FLS_INVALID_ARGUMENT);
    assert_non_null(strstr(error.reason, "nothing"));
    assert_int_equal(fls_json_open_fbs("table A { x int; }", 18, NULL, &opened, &error),
                     FLS_INVALID_ARGUMENT);
    assert_int_equal(error.expected, 1);
    assert_int_equal(error.found, 15);
    assert_int_equal(fls_json_open_fbs("table A {}\0", 11, NULL, &opened, &error),
                     FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_json_open_fbs("include \"missing.fbs\";", 22, NULL, &opened, &error),
                     FLS_INVALID_ARGUMENT);
    assert_non_null(strstr(error.reason, "missing.fbs"));
    assert_int_equal(fls_json_open_file("/nonexistent/file.fbs", &opened, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOENT);
    assert_null(opened);
}

/* A schema without a root table can be opened; messages need one to be named. */
static void test_no_root(void **state)
{
    (void)state;
    static const char text[] = "table A { x: int; }";
    struct fls_json *opened = NULL;
    const char *printed;
    const void *message;
    size_t length;
    struct fls_error error;

    assert_ok(fls_json_open_fbs(text, sizeof text - 1, NULL, &opened, &error));
    assert_int_equal(fls_json_parse(opened, "{}", 2, &message, &length, &error),
                     FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_json_print(opened, zoo, zoo_bytes, NULL, &printed, &length, &error),
                     FLS_INVALID_ARGUMENT);
    assert_ok(fls_json_set_root(opened, "A", &error));
    assert_ok(fls_json_parse(opened, "{x: 1}", 6, &message, &length, &error));
    fls_json_close(opened);
}

/* libflatbuffers must never be given a .bfbs that it would stumble over: each byte in turn is
 * damaged, and what still opens must print and parse. */
static void test_damaged_schema(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, 4, 0x80, 0xff};
    static const char text[] = "{name: \"x\", needed: [1], held_type: \"Meal\", "
                               "held: {name: \"y\"}, inner: {value: 2}}";
    size_t bytes, opened_count = 0;
    uint8_t *bfbs = read_test_file(TEST_DATA "/zoo.bfbs", &bytes);
    struct fls_error error;

    for (size_t i = 0; i < bytes * sizeof values; i++) {
        struct fls_json *opened = NULL;
        const void *message;
        size_t length;
        uint8_t before = bfbs[i / sizeof values];

        bfbs[i / sizeof values] = values[i % sizeof values];
        if (fls_json_open_bfbs(bfbs, bytes, &opened, &error) == FLS_OK) {
            enum fls_status status =
                fls_json_parse(opened, text, sizeof text - 1, &message, &length, &error);
            opened_count += status == FLS_OK;
            fls_json_close(opened);
        }
        bfbs[i / sizeof values] = before;
    }
    assert_true(opened_count > 100);
    free(bfbs);
}

/* Features that GDAL wrote: size-prefixed FlatBuffers, aligned from their prefix, with a schema in
 * two files. */
static void test_flatgeobuf(void **state)
{
    (void)state;
    struct fls_verifier_options options = {.limits = {.alignment = FLS_ALIGNED_FROM_EITHER}};
    struct fls_json_options printing = {.from_prefix = 1};
    struct fls_json *features = NULL;
    struct fls_schema *schema = NULL;
    struct fls_verifier *either = NULL, *strict = NULL;
    struct fls_path *path = NULL;
    struct fls_value value;
    struct fls_error error;
    size_t bytes, at = 952, count = 0;

    if (fls_json_open_file(TEST_DATA "/flatgeobuf/feature.fbs", &features, &error) != FLS_OK)
        fail_msg("%s", error.reason);
    const void *bfbs = fls_json_bfbs(features, &bytes);
    assert_ok(fls_schema_open(bfbs, bytes, &schema, &error));
    assert_ok(fls_verifier_open(schema, NULL, &options, &either, &error));
    strict = open_verifier(schema);
    assert_ok(fls_path_compile(schema, NULL, "geometry.xy[1]", &path, &error));
    uint8_t *file = read_test_file(TEST_DATA "/flatgeobuf/stations.fgb", &bytes);
    while (at < bytes) {
        const uint8_t *message = file + at + 4;
        size_t length = get_u32(file + at);

        assert_true(length <= bytes - at - 4);
        assert_ok(fls_verifier_check(either, message, length, &error));
        assert_int_equal(fls_verifier_check(strict, message, length, &error),
                         FLS_INVALID_FLATBUFFER);
        assert_ok(fls_path_read(path, message, length, &value));
        assert_true(value.real_value >= -90 && value.real_value <= 90);
        assert_memory_equal(print(features, message, length, &printing),
                            "{\"geometry\": {\"xy\": [", 21);
        at += 4 + length;
        count++;
    }
    assert_int_equal(count, 5200);
    free(file);
    fls_path_close(path);
    fls_verifier_close(strict);
    fls_verifier_close(either);
    fls_schema_close(schema);
    fls_json_close(features);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_union_without_a_type), cmocka_unit_test(test_small),
        cmocka_unit_test(test_round_trip),           cmocka_unit_test(test_unaligned_message),
        cmocka_unit_test(test_text_errors),          cmocka_unit_test(test_unprintable),
        cmocka_unit_test(test_other_root),           cmocka_unit_test(test_fbs),
        cmocka_unit_test(test_fbs_errors),           cmocka_unit_test(test_no_root),
        cmocka_unit_test(test_damaged_schema),       cmocka_unit_test(test_flatgeobuf),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
