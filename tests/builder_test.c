/*
 * builder_test.c: the builder against bytes from elsewhere (the format's description, Google's
 * builder), its errors, its memory and its references. builder_property_test.cc has the rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <flatstream/builder.h>

#include "support/data_file.h"
#include "support/test.h"

#define MESSAGE_MAX ((size_t)1 << 20)
/* Of BLOB_BYTES bytes at blob; the largest object that these tests refer to. */
#define BLOB_BYTES ((size_t)1 << 20)

static uint8_t message[MESSAGE_MAX + 256] __attribute__((aligned(256)));
static uint8_t blob[BLOB_BYTES + 512] __attribute__((aligned(256)));

static struct fls_builder *open_builder(const struct fls_builder_options *options)
{
    struct fls_builder *b = NULL;

    assert_ok(fls_builder_open(options, &b, NULL));
    assert_non_null(b);
    return b;
}

/* Finishes and flattens into `message`; returns the length. */
static size_t finish_flat(struct fls_builder *b, uint32_t root, const char *identifier)
{
    struct fls_payload payload;

    if (fls_builder_finish(b, root, identifier, &payload) != FLS_OK)
        fail_msg("%s", fls_builder_error(b)->reason);
    assert_true(payload.length <= MESSAGE_MAX);
    memset(message, 0xee, payload.length);
    assert_ok(fls_payload_flatten(&payload, message, sizeof message));
    return payload.length;
}

static uint32_t load_u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* ---- a reader of its own, by the format's description ---- */

static const uint8_t *follow(const uint8_t *at)
{
    return at + load_u32(at);
}

static const uint8_t *vtable_of(const uint8_t *table)
{
    return table - (int32_t)load_u32(table);
}

/* The field's place in the table, or NULL when it is left out. */
static const uint8_t *field_of(const uint8_t *table, uint32_t field)
{
    const uint8_t *vtable = vtable_of(table);
    uint32_t bytes = vtable[0] | (uint32_t)vtable[1] << 8;
    uint32_t slot = 4 + 2 * field;
    uint32_t offset;

    if (slot >= bytes)
        return NULL;
    offset = vtable[slot] | (uint32_t)vtable[slot + 1] << 8;
    return offset ? table + offset : NULL;
}

static const uint8_t *target_of(const uint8_t *table, uint32_t field)
{
    const uint8_t *at = field_of(table, field);

    assert_non_null(at);
    return follow(at);
}

/* ---- bytes from elsewhere ---- */

/* One int field, laid out by hand from the format's description. */
static void test_smallest_table_by_hand(void **state)
{
    static const uint8_t expected[] = {
        0x0c, 0,    0,    0,          /* the root table is 12 bytes from here */
        0,    0,                      /* padding: the whole is a multiple of 4 */
        6,    0,    8,    0,    4, 0, /* vtable: 6 bytes; table of 8 bytes; field 0 at 4 */
        6,    0,    0,    0,          /* table: its vtable is 6 bytes before it */
        0x44, 0x33, 0x22, 0x11,       /* field 0 */
    };
    struct fls_builder *b = open_builder(NULL);

    (void)state;
    fls_builder_start_table(b);
    fls_builder_add_i32(b, 0, 0x11223344, 0);
    assert_int_equal(finish_flat(b, fls_builder_end_table(b), NULL), sizeof expected);
    assert_memory_equal(message, expected, sizeof expected);
    fls_builder_close(b);
}

/* A string field and an identifier, by hand. */
static void test_string_and_identifier_by_hand(void **state)
{
    static const uint8_t expected[] = {
        0x10, 0,   0,   0,                /* root at 16 */
        'T',  'E', 'S', 'T',              /* identifier */
        0,    0,                          /* padding */
        6,    0,   8,   0,   4,   0,      /* vtable */
        6,    0,   0,   0,                /* table at 16 */
        4,    0,   0,   0,                /* its string is 4 bytes from here */
        5,    0,   0,   0,                /* length */
        'h',  'e', 'l', 'l', 'o', 0, 0, 0 /* text, terminator, padding */
    };
    struct fls_builder *b = open_builder(NULL);
    uint32_t text = fls_builder_create_cstring(b, "hello");

    (void)state;
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, text);
    assert_int_equal(finish_flat(b, fls_builder_end_table(b), "TEST"), sizeof expected);
    assert_memory_equal(message, expected, sizeof expected);
    fls_builder_close(b);
}

struct point {
    float x, y, z;
};

static uint32_t make_leaf(struct fls_builder *b, int64_t value, uint32_t name)
{
    fls_builder_start_table(b);
    fls_builder_add_i64(b, 1, value, 5);
    fls_builder_add_ref(b, 0, name);
    return fls_builder_end_table(b);
}

/* In the generated code the name was added first here. */
static uint32_t make_inner_leaf(struct fls_builder *b)
{
    uint32_t name = fls_builder_create_cstring(b, "inside");

    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, name);
    fls_builder_add_i64(b, 1, 77, 5);
    return fls_builder_end_table(b);
}

struct sample_parts {
    uint32_t name, leaves, names, samples, track, any, nested, blob;
};

static uint32_t add_sample_fields(struct fls_builder *b, const struct sample_parts *parts)
{
    static const struct point position = {-1, 0.5f, 8};
    static const struct {
        uint64_t a;
        uint64_t b;
    } wide = {0x1122334455667788, 9};

    fls_builder_start_table(b);
    fls_builder_add_u64(b, 4, 0xfedcba9876543210, 0);
    fls_builder_add_f64(b, 6, 0.5, 0.5);
    fls_builder_add_bool(b, 0, 17, 0);
    fls_builder_add_struct(b, 10, &wide, sizeof wide, 16);
    fls_builder_add_i32(b, 3, -70000, 7);
    fls_builder_add_f32(b, 5, 1.25f, 0);
    fls_builder_set_i32(b, 7, 0);
    fls_builder_add_ref(b, 8, parts->name);
    fls_builder_add_struct(b, 9, &position, sizeof position, 4);
    fls_builder_add_ref(b, 11, parts->leaves);
    fls_builder_add_ref(b, 12, parts->names);
    fls_builder_add_ref(b, 13, parts->samples);
    fls_builder_add_ref(b, 14, parts->track);
    fls_builder_add_union(b, 16, 1, parts->any);
    fls_builder_add_ref(b, 17, parts->nested);
    fls_builder_add_ref(b, 18, parts->blob);
    fls_builder_add_i16(b, 2, -300, 0);
    fls_builder_add_i8(b, 1, 4, -3);
    return fls_builder_end_table(b);
}

/* The message of data/builder/make_sample.cc, in the same order of calls. `inner` makes the nested
 * message. Everything that may go by reference does. */
static uint32_t make_sample(struct fls_builder *b, struct fls_builder *inner)
{
    static const double samples[] = {0.25, -1.5, 1e100};
    static const struct point track[] = {{1, 2, 3}, {4, 5, 6}};
    static const char *const names[] = {"x", ""};
    static const char name[] = "a longer name than most";
    static uint8_t bytes[301];
    struct sample_parts parts;
    struct fls_payload payload;
    uint32_t leaves[3];

    parts.name = fls_builder_reference_string(b, name, sizeof name - 1);
    leaves[0] = make_leaf(b, -1, fls_builder_create_shared_string(b, "leaf", 4));
    leaves[1] = make_leaf(b, 1234567890123, fls_builder_create_shared_string(b, "leaf", 4));
    leaves[2] = make_leaf(b, 5, 0);
    parts.any = leaves[1];
    parts.leaves = fls_builder_create_ref_vector(b, leaves, 3);
    parts.names = fls_builder_create_string_vector(b, names, NULL, 2);
    parts.samples = fls_builder_create_scalar_vector(b, samples, 3, sizeof *samples);
    parts.track = fls_builder_reference_vector(b, track, 2, sizeof *track, 4);
    fls_builder_reset(inner);
    if (fls_builder_finish(inner, make_inner_leaf(inner), NULL, &payload) != FLS_OK)
        return 0;
    parts.nested = fls_builder_reference_nested(b, &payload, fls_builder_alignment(inner));
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    parts.blob = fls_builder_reference_vector(b, bytes, sizeof bytes, 1, 32);
    return add_sample_fields(b, &parts);
}

static void check_sample(const struct fls_builder_options *options)
{
    struct fls_builder *b = open_builder(options);
    struct fls_builder *inner = open_builder(options);
    struct fls_payload payload;
    size_t length;
    char *expected = test_read_file(TEST_DATA "/builder/sample.bin", &length);

    for (int round = 0; round < 3; round++) {
        fls_builder_reset(b);
        assert_int_equal(finish_flat(b, make_sample(b, inner), "SAMP"), length);
        assert_memory_equal(message, expected, length);
        assert_int_equal(fls_builder_alignment(b), 32);
    }
    free(expected);
    expected = test_read_file(TEST_DATA "/builder/sample_prefixed.bin", &length);
    fls_builder_reset(b);
    assert_ok(fls_builder_finish_size_prefixed(b, make_sample(b, inner), "SAMP", &payload));
    assert_int_equal(payload.length, length);
    assert_ok(fls_payload_flatten(&payload, message, sizeof message));
    assert_memory_equal(message, expected, length);
    free(expected);
    fls_builder_close(inner);
    fls_builder_close(b);
}

static void test_sample_equals_googles(void **state)
{
    struct fls_builder_options options = FLS_ZERO;

    (void)state;
    check_sample(NULL);
    options.no_references = 1;
    check_sample(&options);
    options.page_bytes = 1;
    check_sample(&options);
    options.no_references = 0;
    check_sample(&options);
}

/* flatc, where there is one, reads the message as it reads Google's. */
static void test_flatc_reads_it(void **state)
{
#ifdef TEST_FLATC
    char folder[] = "/tmp/builder_test_XXXXXX";
    char path[64];
    char command[512];
    char *json;
    char *expected;
    size_t length;
    size_t expected_length;
    struct fls_builder *b = open_builder(NULL);
    struct fls_builder *inner = open_builder(NULL);
    FILE *file;

    assert_non_null(mkdtemp(folder));
    length = finish_flat(b, make_sample(b, inner), "SAMP");
    (void)snprintf(path, sizeof path, "%s/ours.bin", folder);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(message, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(command, sizeof command, "%s --json --strict-json -o %s %s -- %s", TEST_FLATC,
                   folder, TEST_DATA "/builder/sample.fbs", path);
    assert_int_equal(system(command), 0);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/ours.json", folder);
    json = test_read_file(path, &length);
    expected = test_read_file(TEST_DATA "/builder/sample.json", &expected_length);
    assert_int_equal(length, expected_length);
    assert_memory_equal(json, expected, length);
    free(json);
    free(expected);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    fls_builder_close(inner);
    fls_builder_close(b);
    (void)state;
#else
    (void)state;
    skip();
#endif
}

/* ---- tables ---- */

static void test_defaults(void **state)
{
    struct fls_builder *b = open_builder(NULL);
    const uint8_t *root;

    (void)state;
    for (int force = 0; force < 2; force++) {
        fls_builder_reset(b);
        fls_builder_force_defaults(b, force);
        fls_builder_start_table(b);
        fls_builder_add_i32(b, 0, 7, 7);
        fls_builder_set_i32(b, 1, 0);
        fls_builder_add_f64(b, 2, 1.5, 1.5);
        fls_builder_add_bool(b, 3, 2, 1);
        fls_builder_add_u8(b, 4, 1, 0);
        fls_builder_add_ref(b, 5, 0);
        finish_flat(b, fls_builder_end_table(b), NULL);
        root = follow(message);
        assert_int_equal(field_of(root, 0) != NULL, force);
        assert_non_null(field_of(root, 1));
        assert_int_equal(field_of(root, 2) != NULL, force);
        assert_int_equal(field_of(root, 3) != NULL, force);
        assert_int_equal(*field_of(root, 4), 1);
        assert_null(field_of(root, 5));
    }
    fls_builder_close(b);
}

static void test_tables_share_vtables(void **state)
{
    enum { TABLES = 200, SHAPES = 40, SETTLED = 120 };
    struct fls_builder *b = open_builder(NULL);
    uint32_t tables[TABLES];
    uint32_t vector;
    const uint8_t *at;

    (void)state;
    for (uint32_t i = 0; i < TABLES; i++) {
        fls_builder_start_table(b);
        fls_builder_add_u32(b, i % SHAPES, i + 1, 0);
        tables[i] = fls_builder_end_table(b);
    }
    vector = fls_builder_create_ref_vector(b, tables, TABLES);
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 3, vector);
    finish_flat(b, fls_builder_end_table(b), NULL);
    at = target_of(follow(message), 3) + 4;
    for (uint32_t i = 0; i < TABLES; i++) {
        const uint8_t *table = follow(at + (size_t)4 * i);

        assert_int_equal(load_u32(field_of(table, i % SHAPES)), i + 1);
        /* The first tables of a shape may differ by padding, so that there may be two vtables. */
        if (i >= SETTLED)
            assert_ptr_equal(vtable_of(table), vtable_of(follow(at + (size_t)4 * (i - SHAPES))));
    }
    assert_ptr_not_equal(vtable_of(follow(at)), vtable_of(follow(at + 4)));
    fls_builder_close(b);
}

/* The highest field there can be; slots grow on the way and are clean for the next table. */
static void test_highest_field(void **state)
{
    struct fls_builder *b = open_builder(NULL);
    const uint8_t *root;
    uint32_t child;

    (void)state;
    fls_builder_start_table(b);
    fls_builder_add_u8(b, FLS_BUILDER_FIELD_MAX, 9, 0);
    fls_builder_add_u8(b, 100, 8, 0);
    child = fls_builder_end_table(b);
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 101, child);
    finish_flat(b, fls_builder_end_table(b), NULL);
    root = follow(message);
    assert_null(field_of(root, 100));
    assert_int_equal(*field_of(follow(field_of(root, 101)), FLS_BUILDER_FIELD_MAX), 9);
    assert_int_equal(*field_of(follow(field_of(root, 101)), 100), 8);
    fls_builder_close(b);
}

static void test_largest_table(void **state)
{
    struct fls_builder *b = open_builder(NULL);
    struct fls_payload payload;

    (void)state;
    /* The largest multiple of 4 up to 65,535, and the next. */
    for (size_t over = 0; over < 2; over++) {
        fls_builder_reset(b);
        fls_builder_start_table(b);
        fls_builder_add_struct(b, 0, blob, 65524 + 4 * over, 4);
        fls_builder_add_struct(b, 1, blob, over ? 4 : 1, 1);
        if (over) {
            assert_int_equal(fls_builder_finish(b, fls_builder_end_table(b), NULL, &payload),
                             FLS_LIMIT);
            assert_int_equal(fls_builder_error(b)->expected, 65535);
            assert_int_equal(fls_builder_error(b)->found, 65536);
        } else {
            finish_flat(b, fls_builder_end_table(b), NULL);
            assert_non_null(field_of(follow(message), 1));
        }
    }
    fls_builder_close(b);
}

/* ---- strings and vectors ---- */

static void test_shared_strings(void **state)
{
    struct fls_builder *b = open_builder(NULL);
    char texts[2][32]; /* the earlier string's memory is gone when the later comes */
    uint32_t refs[300];
    uint32_t empty = fls_builder_create_shared_string(b, NULL, 0);

    (void)state;
    assert_int_not_equal(empty, 0);
    assert_int_equal(fls_builder_create_shared_string(b, "", 0), empty);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            char *text = texts[round];
            int length = snprintf(text, sizeof texts[0], "string number %d", i);
            uint32_t ref = fls_builder_create_shared_string(b, text, (size_t)length);

            if (round)
                assert_int_equal(ref, refs[i]);
            refs[i] = ref;
        }
        memset(texts[0], 0, sizeof texts[0]);
    }
    assert_int_not_equal(fls_builder_create_string(b, texts[1], 3), 0);
    fls_builder_reset(b);
    /* After a reset the old strings are gone. */
    assert_int_equal(fls_builder_create_shared_string(b, "string number 299", 17), 24);
    fls_builder_close(b);
}

/* A string that goes by reference is found again, too. */
static void test_shared_string_by_reference(void **state)
{
    struct fls_builder_options options = FLS_ZERO;
    struct fls_stable_range range = {blob, BLOB_BYTES};
    struct fls_builder *b;
    struct fls_payload payload;
    uint32_t ref;

    (void)state;
    options.stable = &range;
    options.stable_count = 1;
    b = open_builder(&options);
    memset(blob, 'r', 10000);
    ref = fls_builder_create_shared_string(b, (const char *)blob, 5000);
    assert_int_equal(fls_builder_create_shared_string(b, (const char *)blob + 5000, 5000), ref);
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, ref);
    assert_ok(fls_builder_finish(b, fls_builder_end_table(b), NULL, &payload));
    assert_int_equal(payload.count, 3);
    assert_ptr_equal(payload.segments[1].iov_base, blob);
    fls_builder_close(b);
}

/* Everything lies at a multiple of its alignment, from the start of the message, in pages of any
 * size, by copy and by reference; and what is handed out to be filled is aligned in memory. */
static void check_alignment(struct fls_builder *b, uint32_t alignment, size_t count)
{
    uint32_t refs[4];
    void *space;
    const uint8_t *root;

    fls_builder_reset(b);
    refs[0] = fls_builder_create_vector(b, blob, count, 1, alignment);
    refs[1] = fls_builder_reference_vector(b, blob + 1, count, alignment, alignment);
    refs[2] = fls_builder_create_vector_space(b, count, 1, alignment, &space);
    assert_non_null(space);
    assert_int_equal((uintptr_t)space & (alignment - 1), 0);
    memset(space, 0x5a, count);
    refs[3] = fls_builder_create_string_aligned(b, (const char *)blob, count, alignment);
    fls_builder_start_table(b);
    for (uint32_t i = 0; i < 4; i++)
        fls_builder_add_ref(b, i, refs[i]);
    fls_builder_add_struct(b, 4, blob, alignment, alignment);
    finish_flat(b, fls_builder_end_table(b), NULL);
    assert_int_equal(fls_builder_alignment(b), alignment < 4 ? 4 : alignment);
    root = follow(message);
    for (uint32_t i = 0; i < 4; i++) {
        const uint8_t *vector = target_of(root, i);

        assert_int_equal(load_u32(vector), count);
        assert_int_equal((size_t)(vector + 4 - message) & (alignment - 1), 0);
    }
    assert_int_equal((size_t)(field_of(root, 4) - message) & (alignment - 1), 0);
    assert_memory_equal(target_of(root, 0) + 4, blob, count);
    assert_memory_equal(target_of(root, 1) + 4, blob + 1, count * alignment);
    assert_int_equal(target_of(root, 3)[4 + count], 0);
}

static void test_alignment(void **state)
{
    struct fls_builder_options options = FLS_ZERO;

    (void)state;
    pattern_fill(blob, BLOB_BYTES);
    for (options.page_bytes = 0; options.page_bytes < 2; options.page_bytes++) {
        struct fls_builder *b = open_builder(&options);

        for (uint32_t alignment = 1; alignment <= FLS_BUILDER_ALIGNMENT_MAX; alignment *= 2)
            for (size_t count = 1; count < 70; count++)
                check_alignment(b, alignment, count);
        fls_builder_close(b);
    }
}

/* Vectors started within one another, with other objects between. */
static void test_vectors_by_pushing(void **state)
{
    struct fls_builder *b = open_builder(NULL);
    uint32_t rows;
    const uint8_t *at;

    (void)state;
    fls_builder_start_ref_vector(b);
    for (uint16_t row = 0; row < 50; row++) {
        uint32_t cells;

        fls_builder_start_vector(b, 2, 2);
        for (uint16_t i = 0; i < row; i++) {
            uint16_t cell = (uint16_t)(row * 100 + i);
            uint8_t wire[2] = {(uint8_t)cell, (uint8_t)(cell >> 8)};

            assert_int_not_equal(fls_builder_create_cstring(b, "between"), 0);
            fls_builder_push(b, wire, 1);
        }
        cells = fls_builder_end_vector(b);
        fls_builder_start_table(b);
        fls_builder_add_ref(b, 0, cells);
        fls_builder_push_ref(b, fls_builder_end_table(b));
    }
    rows = fls_builder_end_ref_vector(b);
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, rows);
    finish_flat(b, fls_builder_end_table(b), NULL);
    at = target_of(follow(message), 0);
    assert_int_equal(load_u32(at), 50);
    for (uint32_t row = 0; row < 50; row++) {
        const uint8_t *cells = target_of(follow(at + 4 + (size_t)4 * row), 0);

        assert_int_equal(load_u32(cells), row);
        for (uint32_t i = 0; i < row; i++)
            assert_int_equal(cells[4 + 2 * i] | cells[5 + 2 * i] << 8, row * 100 + i);
    }
    fls_builder_close(b);
}

/* ---- references ---- */

/* A table of one referenced vector: what is copied does not depend on its size. */
static void test_reference_copies_nothing(void **state)
{
    struct fls_builder *b = open_builder(NULL);
    uint64_t copied = 0;
    uint64_t allocations = 0;

    (void)state;
    for (size_t bytes = 4096; bytes <= BLOB_BYTES; bytes *= 4) {
        struct fls_builder_counts before = fls_builder_statistics(b);
        struct fls_builder_counts after;
        struct fls_payload payload;
        uint32_t ref;

        fls_builder_reset(b);
        ref = fls_builder_reference_vector(b, blob, bytes, 1, 1);
        fls_builder_start_table(b);
        fls_builder_add_ref(b, 0, ref);
        assert_ok(fls_builder_finish(b, fls_builder_end_table(b), NULL, &payload));
        after = fls_builder_statistics(b);
        assert_int_equal(payload.count, 2);
        assert_ptr_equal(payload.segments[1].iov_base, blob);
        assert_int_equal(payload.segments[1].iov_len, bytes);
        assert_int_equal(after.bytes_referenced - before.bytes_referenced, bytes);
        assert_int_equal(after.segments - before.segments, 2);
        if (copied) {
            assert_int_equal(after.bytes_copied - before.bytes_copied, copied);
            assert_int_equal(after.allocations, allocations);
        }
        copied = after.bytes_copied - before.bytes_copied;
        allocations = after.allocations;
        assert_int_equal(copied, payload.length - bytes);
        assert_true(copied < 64);
    }
    fls_builder_close(b);
}

/* How many segments a message of one string at `text` has. */
static size_t segments_of(struct fls_builder *b, const uint8_t *text, size_t bytes)
{
    struct fls_payload payload;
    uint32_t ref;

    fls_builder_reset(b);
    ref = fls_builder_create_string(b, (const char *)text, bytes);
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, ref);
    assert_ok(fls_builder_finish(b, fls_builder_end_table(b), NULL, &payload));
    return payload.count;
}

static void test_stable_ranges(void **state)
{
    struct fls_builder_options options = FLS_ZERO;
    struct fls_builder *b;

    (void)state;
    options.reference_bytes_min = 100;
    b = open_builder(&options);
    assert_int_equal(segments_of(b, blob, 1000), 1);
    assert_ok(fls_builder_register_stable(b, blob + 100, 400));
    for (size_t i = 0; i < 20; i++)
        assert_ok(fls_builder_register_stable(b, blob + 1000 + 300 * i, 200));
    assert_int_equal(segments_of(b, blob + 100, 400), 3);
    assert_int_equal(segments_of(b, blob + 400, 100), 3);
    assert_int_equal(segments_of(b, blob + 400, 99), 1);  /* too small */
    assert_int_equal(segments_of(b, blob + 99, 200), 1);  /* begins before it */
    assert_int_equal(segments_of(b, blob + 401, 100), 1); /* ends behind it */
    assert_int_equal(segments_of(b, blob + 1900, 200), 3);
    assert_int_equal(segments_of(b, blob + 1900, 201), 1);
    fls_builder_forget_stable(b);
    assert_int_equal(segments_of(b, blob + 100, 400), 1);
    assert_int_equal(fls_builder_register_stable(b, NULL, 1), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_builder_register_stable(b, blob, SIZE_MAX), FLS_INVALID_ARGUMENT);
    fls_builder_close(b);
}

/* ---- nested buffers ---- */

static void test_nested_in_place(void **state)
{
    struct fls_builder *b = open_builder(NULL);
    uint32_t shared;
    uint32_t inner_shared;
    uint32_t nested;
    uint32_t leaf;
    const uint8_t *vector;
    const uint8_t *root;

    (void)state;
    shared = fls_builder_create_shared_string(b, "shared", 6);
    leaf = make_leaf(b, 1, shared);
    fls_builder_start_nested(b);
    inner_shared = fls_builder_create_shared_string(b, "shared", 6);
    assert_int_not_equal(inner_shared, shared);
    nested = fls_builder_end_nested(b, make_leaf(b, 2, inner_shared), "NEST");
    assert_int_equal(fls_builder_create_shared_string(b, "shared", 6), shared);
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, leaf);
    fls_builder_add_ref(b, 1, nested);
    finish_flat(b, fls_builder_end_table(b), NULL);
    root = follow(message);
    vector = target_of(root, 1);
    assert_int_equal((size_t)(vector + 4 - message) % 8, 0);
    assert_memory_equal(vector + 8, "NEST", 4);
    assert_int_equal(*field_of(follow(vector + 4), 1), 2);
    assert_memory_equal(target_of(follow(vector + 4), 0), "\6\0\0\0shared", 11);
    /* The inner table's vtable lies within the inner buffer. */
    assert_true(vtable_of(follow(vector + 4)) > vector + 4);
    assert_int_equal(*field_of(target_of(root, 0), 1), 1);
    fls_builder_close(b);
}

/* What is aligned within a nested buffer is so in the message around it, too. */
static void test_nested_alignment(void **state)
{
    struct fls_builder *b = open_builder(NULL);
    uint32_t nested;
    uint32_t wide;
    const uint8_t *vector;

    (void)state;
    assert_int_not_equal(fls_builder_create_cstring(b, "shifts what follows"), 0);
    fls_builder_start_nested(b);
    assert_int_equal(fls_builder_alignment(b), 1);
    wide = fls_builder_create_vector(b, blob, 3, 1, 128);
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, wide);
    nested = fls_builder_end_nested(b, fls_builder_end_table(b), NULL);
    assert_int_not_equal(fls_builder_create_cstring(b, "and what comes before"), 0);
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, nested);
    finish_flat(b, fls_builder_end_table(b), NULL);
    assert_int_equal(fls_builder_alignment(b), 128);
    vector = target_of(follow(message), 0);
    assert_int_equal((size_t)(vector + 4 - message) % 128, 0);
    vector = target_of(follow(vector + 4), 0);
    assert_int_equal((size_t)(vector + 4 - message) % 128, 0);
    assert_int_equal(load_u32(vector), 3);
    fls_builder_close(b);
}

/* ---- errors ---- */

static void table_in_table(struct fls_builder *b)
{
    fls_builder_start_table(b);
    fls_builder_start_table(b);
}

static void string_in_table(struct fls_builder *b)
{
    fls_builder_start_table(b);
    assert_int_equal(fls_builder_create_cstring(b, "no"), 0);
}

static void large_string_in_table(struct fls_builder *b)
{
    fls_builder_start_table(b);
    assert_int_equal(fls_builder_reference_string(b, (const char *)blob, 5000), 0);
}

static void vector_in_table(struct fls_builder *b)
{
    fls_builder_start_table(b);
    assert_int_equal(fls_builder_create_vector(b, blob, 4, 4, 4), 0);
}

static void unfinished_table(struct fls_builder *b)
{
    fls_builder_start_table(b);
    fls_builder_add_i32(b, 3, 3, 0);
}

static void unfinished_vector(struct fls_builder *b)
{
    fls_builder_start_vector(b, 1, 1);
}

static void unfinished_nested(struct fls_builder *b)
{
    fls_builder_start_nested(b);
}

static void wrong_order(struct fls_builder *b)
{
    fls_builder_start_ref_vector(b);
    fls_builder_start_vector(b, 1, 1);
    assert_int_equal(fls_builder_end_ref_vector(b), 0);
}

static void end_without_start(struct fls_builder *b)
{
    assert_int_equal(fls_builder_end_table(b), 0);
}

static void push_without_start(struct fls_builder *b)
{
    fls_builder_push(b, "x", 1);
}

static void field_outside_table(struct fls_builder *b)
{
    fls_builder_add_i32(b, 0, 1, 0);
}

static void field_out_of_range(struct fls_builder *b)
{
    fls_builder_start_table(b);
    fls_builder_add_i32(b, FLS_BUILDER_FIELD_MAX + 1, 1, 0);
}

static void field_twice(struct fls_builder *b)
{
    fls_builder_start_table(b);
    fls_builder_add_i32(b, 2, 1, 0);
    fls_builder_add_i32(b, 2, 1, 0);
}

static void missing_field(struct fls_builder *b)
{
    fls_builder_start_table(b);
    fls_builder_add_i32(b, 2, 1, 0);
    fls_builder_require(b, 2);
    fls_builder_require(b, 4);
}

static void unknown_reference(struct fls_builder *b)
{
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, 4000);
}

static void none_in_vector(struct fls_builder *b)
{
    uint32_t refs[2] = {fls_builder_create_cstring(b, "x"), 0};

    assert_int_equal(fls_builder_create_ref_vector(b, refs, 2), 0);
}

static void union_without_value(struct fls_builder *b)
{
    fls_builder_start_table(b);
    fls_builder_add_union(b, 1, 3, 0);
}

static void unions_without_value(struct fls_builder *b)
{
    uint8_t types[1] = {1};
    uint32_t refs[1] = {0};
    uint32_t types_ref = 1;
    uint32_t values_ref = 1;

    fls_builder_create_union_vector(b, types, refs, 1, &types_ref, &values_ref);
    assert_int_equal(types_ref + values_ref, 0);
}

static void odd_alignment(struct fls_builder *b)
{
    assert_int_equal(fls_builder_create_vector(b, blob, 4, 4, 24), 0);
}

static void huge_alignment(struct fls_builder *b)
{
    assert_int_equal(fls_builder_create_struct(b, blob, 512, 512), 0);
}

static void odd_struct(struct fls_builder *b)
{
    fls_builder_start_table(b);
    fls_builder_add_struct(b, 0, blob, 6, 4);
}

static void outer_reference_in_nested(struct fls_builder *b)
{
    uint32_t text = fls_builder_create_cstring(b, "outside");

    fls_builder_start_nested(b);
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, text);
}

static void after_finish(struct fls_builder *b)
{
    fls_builder_start_table(b);
    finish_flat(b, fls_builder_end_table(b), NULL);
    assert_int_equal(fls_builder_create_cstring(b, "late"), 0);
}

static void no_root(struct fls_builder *b)
{
    (void)b;
}

static void test_misuse(void **state)
{
    static const struct {
        void (*commit)(struct fls_builder *);
        const char *reason;
    } misuses[] = {
        {table_in_table, "within a table"},
        {string_in_table, "a table is open"},
        {large_string_in_table, "a table is open"},
        {vector_in_table, "a table is open"},
        {unfinished_table, "a table is not ended"},
        {unfinished_vector, "not ended"},
        {unfinished_nested, "not ended"},
        {wrong_order, "not what was started last"},
        {end_without_start, "not started"},
        {push_without_start, "not what was started last"},
        {field_outside_table, "outside a table"},
        {field_out_of_range, "out of range"},
        {field_twice, "set twice"},
        {missing_field, "required field is missing"},
        {unknown_reference, "refers to nothing"},
        {none_in_vector, "refers to nothing"},
        {union_without_value, "a type and a value"},
        {unions_without_value, "a type and a value"},
        {odd_alignment, "power of two"},
        {huge_alignment, "alignment"},
        {odd_struct, "alignment"},
        {outer_reference_in_nested, "refers to nothing"},
        {after_finish, "is finished"},
        {no_root, "the root is no table"},
    };
    struct fls_builder *b = open_builder(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        struct fls_payload payload = {NULL, 7, 7};
        struct fls_error first;

        fls_builder_reset(b);
        misuses[i].commit(b);
        assert_int_equal(fls_builder_finish(b, 0, NULL, &payload), FLS_INVALID_ARGUMENT);
        assert_int_equal(payload.count, 0);
        assert_int_equal(payload.length, 0);
        first = *fls_builder_error(b);
        assert_non_null(strstr(first.reason, misuses[i].reason));
        /* The first cause stays, and nothing can be made any more. */
        assert_int_equal(fls_builder_create_vector(b, blob, 4, 4, 24), 0);
        assert_int_equal(fls_builder_create_cstring(b, "x"), 0);
        assert_int_equal(fls_builder_reference_vector(b, blob, 4, 4, 4), 0);
        fls_builder_start_table(b);
        fls_builder_add_f64(b, 0, 1, 0);
        assert_int_equal(fls_builder_end_table(b), 0);
        assert_memory_equal(&first, fls_builder_error(b), sizeof first);
        /* A reset makes it as new. */
        fls_builder_reset(b);
        assert_int_equal(fls_builder_error(b)->status, FLS_OK);
        fls_builder_start_table(b);
        assert_int_equal(finish_flat(b, fls_builder_end_table(b), NULL), 12);
    }
    fls_builder_close(b);
}

static void test_identifier(void **state)
{
    struct fls_builder *b = open_builder(NULL);
    struct fls_payload payload;

    (void)state;
    fls_builder_start_table(b);
    assert_int_equal(fls_builder_finish(b, fls_builder_end_table(b), "ABC", &payload),
                     FLS_INVALID_ARGUMENT);
    fls_builder_close(b);
}

/* 2^31-1 bytes, reached by referring to one mebibyte again and again. */
static void test_size_limit(void **state)
{
    struct fls_builder *b = open_builder(NULL);
    struct fls_payload payload;
    uint32_t last = 0;
    uint32_t ref;
    int vectors = 0;

    (void)state;
    while ((ref = fls_builder_reference_vector(b, blob, BLOB_BYTES, 1, 1)) != 0) {
        last = ref;
        vectors++;
    }
    assert_int_equal(vectors, 2047);
    assert_int_equal(fls_builder_error(b)->status, FLS_LIMIT);
    assert_int_equal(fls_builder_error(b)->expected, 0x7fffffff);
    assert_int_equal(fls_builder_error(b)->found, (uint64_t)last + BLOB_BYTES);
    assert_int_equal(fls_builder_finish(b, last, NULL, &payload), FLS_LIMIT);

    fls_builder_reset(b);
    for (int i = 0; i < 2047; i++)
        last = fls_builder_reference_vector(b, blob, BLOB_BYTES, 1, 1);
    assert_int_equal(fls_builder_create_string(b, (const char *)blob, FLS_BUILDER_BYTES_MAX), 0);
    assert_int_equal(fls_builder_error(b)->status, FLS_LIMIT);
    fls_builder_reset(b);
    assert_int_equal(fls_builder_reference_vector(b, blob, SIZE_MAX / 2, 8, 8), 0);
    assert_int_equal(fls_builder_error(b)->status, FLS_LIMIT);
    fls_builder_reset(b);
    assert_int_equal(fls_builder_create_string(b, (const char *)blob, SIZE_MAX), 0);
    assert_int_equal(fls_builder_error(b)->status, FLS_LIMIT);
    fls_builder_close(b);
}

/* A limit of its own is kept to the byte, wherever the message crosses it. */
static void test_message_limit_is_exact(void **state)
{
    struct fls_builder_options options = FLS_ZERO;
    struct fls_payload payload;
    struct fls_builder *b = open_builder(NULL);
    struct fls_builder *inner = open_builder(NULL);
    size_t length = finish_flat(b, make_sample(b, inner), "SAMP");

    (void)state;
    fls_builder_close(b);
    for (size_t limit = 1; limit <= length; limit++) {
        options.message_bytes_max = (uint32_t)limit;
        options.no_references = limit & 1;
        b = open_builder(&options);
        assert_int_equal(fls_builder_finish(b, make_sample(b, inner), "SAMP", &payload),
                         limit < length ? FLS_LIMIT : FLS_OK);
        assert_int_equal(payload.length, limit < length ? 0 : length);
        fls_builder_close(b);
    }
    fls_builder_close(inner);
}

/* ---- memory ---- */

struct counting_allocator {
    size_t calls;
    size_t fail_at; /* the call that gets nothing, from 1; 0: none */
    size_t held;
};

static void *count_allocate(void *context, size_t bytes)
{
    struct counting_allocator *counting = context;

    counting->calls++;
    if (counting->calls == counting->fail_at)
        return NULL;
    counting->held += bytes;
    return malloc(bytes);
}

static void count_release(void *context, void *memory, size_t bytes)
{
    struct counting_allocator *counting = context;

    assert_non_null(memory);
    assert_true(counting->held >= bytes);
    counting->held -= bytes;
    free(memory);
}

/* Uses everything that allocates. */
static uint32_t make_hungry(struct fls_builder *b)
{
    char text[40];
    uint32_t refs[100];

    for (int i = 0; i < 100; i++) {
        int length = snprintf(text, sizeof text, "a text that takes some room %d", i);

        (void)fls_builder_create_shared_string(b, text, (size_t)length);
        fls_builder_start_table(b);
        fls_builder_add_u32(b, (uint32_t)i, 1, 0);
        refs[i] = fls_builder_end_table(b);
        (void)fls_builder_reference_vector(b, blob, 100, 1, 1);
    }
    fls_builder_start_vector(b, 1, 1);
    fls_builder_push(b, blob, 3000);
    (void)fls_builder_end_vector(b);
    refs[0] = fls_builder_create_ref_vector(b, refs, 100);
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, refs[0]);
    return fls_builder_end_table(b);
}

static enum fls_status run_hungry(struct counting_allocator *counting, uint64_t *length)
{
    struct fls_builder_options options = FLS_ZERO;
    struct fls_builder *b = NULL;
    struct fls_payload payload = FLS_ZERO;
    enum fls_status status;

    options.allocator.allocate = count_allocate;
    options.allocator.release = count_release;
    options.allocator.context = counting;
    options.page_bytes = 1024;
    status = fls_builder_open(&options, &b, NULL);
    if (status == FLS_OK) {
        status = fls_builder_finish(b, make_hungry(b), NULL, &payload);
        if (status == FLS_NO_MEMORY) {
            /* Once there is memory again, so is the message. */
            fls_builder_reset(b);
            assert_ok(fls_builder_finish(b, make_hungry(b), NULL, &payload));
        }
        assert_int_equal(fls_builder_statistics(b).bytes_allocated, counting->held);
        *length = payload.length;
        fls_builder_close(b);
    }
    assert_int_equal(counting->held, 0);
    return status;
}

static void test_each_allocation_may_fail(void **state)
{
    struct counting_allocator counting = {0, 0, 0};
    uint64_t length = 0;
    uint64_t expected = 0;
    size_t k = 0;
    enum fls_status status;

    (void)state;
    assert_ok(run_hungry(&counting, &expected));
    do {
        counting.calls = 0;
        counting.fail_at = ++k;
        length = expected;
        status = run_hungry(&counting, &length);
        assert_true(status == FLS_OK || status == FLS_NO_MEMORY);
        assert_int_equal(length, expected);
    } while (status != FLS_OK);
    assert_true(k > 15);
}

static void test_steady_state_allocates_nothing(void **state)
{
    struct fls_builder *b = open_builder(NULL);
    struct fls_payload payload;
    uint64_t allocations = 0;

    (void)state;
    for (int round = 0; round < 10; round++) {
        fls_builder_reset(b);
        assert_ok(fls_builder_finish(b, make_hungry(b), NULL, &payload));
        if (round > 0)
            assert_int_equal(fls_builder_statistics(b).allocations, allocations);
        allocations = fls_builder_statistics(b).allocations;
    }
    assert_int_equal(fls_builder_statistics(b).messages, 10);
    fls_builder_close(b);
}

/* Space that was handed out stays where it is, however much comes after it. */
static void test_pages_do_not_move(void **state)
{
    struct fls_builder_options options = FLS_ZERO;
    struct fls_builder *b;
    void *spaces[100];
    uint32_t refs[100];
    const uint8_t *root;

    (void)state;
    options.page_bytes = 2000;
    b = open_builder(&options);
    for (size_t i = 0; i < 100; i++) {
        refs[i] = fls_builder_create_vector_space(b, 50 * i + 1, 1, 1, &spaces[i]);
        assert_non_null(spaces[i]);
    }
    fls_builder_start_table(b);
    for (uint32_t i = 0; i < 100; i++)
        fls_builder_add_ref(b, i, refs[i]);
    refs[0] = fls_builder_end_table(b);
    for (int i = 0; i < 100; i++)
        memset(spaces[i], i + 1, (size_t)(50 * i + 1));
    finish_flat(b, refs[0], NULL);
    root = follow(message);
    for (uint32_t i = 0; i < 100; i++) {
        const uint8_t *vector = target_of(root, i);

        assert_int_equal(load_u32(vector), 50 * i + 1);
        assert_int_equal(vector[4], i + 1);
        assert_int_equal(vector[4 + 50 * i], i + 1);
    }
    fls_builder_close(b);
}

static void test_options(void **state)
{
    struct fls_builder_options options = FLS_ZERO;
    struct fls_builder *b = NULL;
    struct fls_error error = FLS_ZERO;

    (void)state;
    options.allocator.allocate = count_allocate;
    assert_int_equal(fls_builder_open(&options, &b, &error), FLS_INVALID_ARGUMENT);
    assert_non_null(strstr(error.reason, "allocator"));
    options.allocator.allocate = NULL;
    options.message_bytes_max = FLS_BUILDER_BYTES_MAX + 1;
    assert_int_equal(fls_builder_open(&options, &b, NULL), FLS_INVALID_ARGUMENT);
    options.message_bytes_max = 0;
    options.stable_count = 1;
    assert_int_equal(fls_builder_open(&options, &b, NULL), FLS_INVALID_ARGUMENT);
    assert_null(b);
    fls_builder_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_table_by_hand),
        cmocka_unit_test(test_string_and_identifier_by_hand),
        cmocka_unit_test(test_sample_equals_googles),
        cmocka_unit_test(test_flatc_reads_it),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_tables_share_vtables),
        cmocka_unit_test(test_highest_field),
        cmocka_unit_test(test_largest_table),
        cmocka_unit_test(test_shared_strings),
        cmocka_unit_test(test_shared_string_by_reference),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_vectors_by_pushing),
        cmocka_unit_test(test_reference_copies_nothing),
        cmocka_unit_test(test_stable_ranges),
        cmocka_unit_test(test_nested_in_place),
        cmocka_unit_test(test_nested_alignment),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_identifier),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_message_limit_is_exact),
        cmocka_unit_test(test_each_allocation_may_fail),
        cmocka_unit_test(test_steady_state_allocates_nothing),
        cmocka_unit_test(test_pages_do_not_move),
        cmocka_unit_test(test_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
