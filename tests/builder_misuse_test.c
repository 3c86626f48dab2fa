/*
 * builder_misuse_test.c: whatever builder.h calls misuse is refused, and nothing is read or written
 * that should not be (the sanitizers look on). Each case is also shown not to refuse its neighbour
 * that is right.
 */
#include <stdlib.h>

#include <flatstream/builder.h>

#include "support/test.h"

static const struct fls_builder_options plain = FLS_ZERO;
static const struct fls_builder_options checked = {.check_references = 1};

static struct fls_builder *open_with(const struct fls_builder_options *options)
{
    struct fls_builder *b;

    assert_int_equal(fls_builder_open(options, &b, NULL), FLS_OK);
    return b;
}

static uint32_t make_table(struct fls_builder *b, uint32_t text)
{
    fls_builder_start_table(b);
    fls_builder_add_ref(b, 0, text);
    return fls_builder_end_table(b);
}

/* Finishes with `root`, and closes. */
static enum fls_status finish_and_close(struct fls_builder *b, uint32_t root)
{
    struct fls_payload payload;
    enum fls_status status = fls_builder_finish(b, root, NULL, &payload);

    assert_int_equal(fls_builder_error(b)->status, status);
    fls_builder_close(b);
    return status;
}

/* --- fields ---------------------------------------------------------------------------------- */

/* A vtable's size is a 16-bit number, also when the slots have grown past the last field. */
static void field_numbers(void **state)
{
    (void)state;
    for (uint32_t field = FLS_BUILDER_FIELD_MAX - 3; field <= FLS_BUILDER_FIELD_MAX + 5; field++) {
        struct fls_builder *b = open_with(&plain);
        fls_builder_start_table(b);
        fls_builder_set_u8(b, FLS_BUILDER_FIELD_MAX - 1, 1);
        (void)fls_builder_end_table(b); /* the slots have grown */
        fls_builder_start_table(b);
        fls_builder_set_u8(b, field, 1);
        uint32_t root = fls_builder_end_table(b);
        assert_int_equal(finish_and_close(b, root),
                         field <= FLS_BUILDER_FIELD_MAX ? FLS_OK : FLS_INVALID_ARGUMENT);
    }
}

/* --- roots ----------------------------------------------------------------------------------- */

enum { ROOT_LAST, ROOT_EARLIER, ROOT_STRING, ROOT_VECTOR, ROOT_NUMBER, ROOT_BEYOND, ROOTS };

static uint32_t root_of_kind(struct fls_builder *b, int kind)
{
    static const uint32_t numbers[] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint32_t early = make_table(b, fls_builder_create_cstring(b, "early"));
    uint32_t text = fls_builder_create_cstring(b, "a text that is no table");
    uint32_t vector = fls_builder_create_vector(b, numbers, 8, sizeof *numbers, 4);
    uint32_t last = make_table(b, text);

    switch (kind) {
    case ROOT_LAST:
        return last;
    case ROOT_EARLIER:
        return early;
    case ROOT_STRING:
        return text;
    case ROOT_VECTOR:
        return vector;
    case ROOT_NUMBER:
        return vector - 8;
    default:
        return last + 64;
    }
}

static void roots(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++)
        for (int kind = 0; kind < ROOTS; kind++) {
            struct fls_builder *b = open_with(with ? &checked : &plain);
            uint32_t root = root_of_kind(b, kind);
            assert_int_equal(finish_and_close(b, root),
                             kind <= ROOT_EARLIER ? FLS_OK : FLS_INVALID_ARGUMENT);
        }
}

/* An earlier table as the root, when it lies behind segments and pages. */
static void root_far_behind(void **state)
{
    struct fls_builder_options small = {.page_bytes = 256};
    static const char large[100000];

    (void)state;
    struct fls_builder *b = open_with(&small);
    uint32_t early = make_table(b, fls_builder_create_cstring(b, "early"));
    (void)fls_builder_reference_string(b, large, sizeof large);
    for (int i = 0; i < 100; i++)
        (void)make_table(b, fls_builder_create_cstring(b, "another"));
    assert_int_equal(finish_and_close(b, early), FLS_OK);
}

/* --- references ------------------------------------------------------------------------------ */

static void references_of_an_earlier_message(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct fls_builder *b = open_with(with ? &checked : &plain);
        (void)fls_builder_create_cstring(b, "some text before");
        uint32_t stale = fls_builder_create_cstring(b, "and this");
        fls_builder_reset(b);
        assert_int_equal(finish_and_close(b, make_table(b, stale)), FLS_INVALID_ARGUMENT);
    }
}

/* Each number up to the message's size: only what was given out is taken. */
static void every_reference(void **state)
{
    (void)state;
    struct fls_builder *b = open_with(&checked);
    for (uint32_t ref = 1; ref < 80; ref++) {
        fls_builder_reset(b);
        uint32_t a = fls_builder_create_cstring(b, "first"), t = make_table(b, a);
        uint32_t c = fls_builder_create_vector(b, "abc", 3, 1, 1);
        uint32_t root = make_table(b, ref);
        struct fls_payload payload;
        int known = ref == a || ref == t || ref == c;
        assert_int_equal(fls_builder_finish(b, root, NULL, &payload),
                         known ? FLS_OK : FLS_INVALID_ARGUMENT);
    }
    fls_builder_close(b);
}

static void misaligned_references(void **state)
{
    uint32_t odd;

    (void)state;
    for (uint32_t off = 1; off < 4; off++) {
        struct fls_builder *b = open_with(&plain);
        uint32_t text = fls_builder_create_cstring(b, "twelve bytes");
        assert_int_equal(finish_and_close(b, make_table(b, text - off)), FLS_INVALID_ARGUMENT);
        b = open_with(&plain);
        odd = fls_builder_create_cstring(b, "twelve bytes") - off;
        (void)fls_builder_create_ref_vector(b, &odd, 1);
        assert_int_equal(finish_and_close(b, make_table(b, 0)), FLS_INVALID_ARGUMENT);
    }
    /* A struct by itself has its own alignment. */
    struct fls_builder *b = open_with(&plain);
    (void)fls_builder_create_struct(b, "x", 1, 1);
    odd = fls_builder_create_struct(b, "yz", 2, 2);
    assert_int_equal(finish_and_close(b, make_table(b, odd)), FLS_OK);
}

static void references_out_of_a_nested_buffer(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++)
        for (int wrong = 0; wrong < 3; wrong++) {
            struct fls_builder *b = open_with(with ? &checked : &plain);
            uint32_t outside = fls_builder_create_cstring(b, "outside");
            uint32_t table = make_table(b, outside);
            fls_builder_start_nested(b);
            uint32_t inside = fls_builder_create_cstring(b, "inside");
            uint32_t root = make_table(b, wrong == 1 ? outside : inside);
            uint32_t nested = fls_builder_end_nested(b, wrong == 2 ? table : root, NULL);
            assert_int_equal(finish_and_close(b, make_table(b, nested)),
                             wrong ? FLS_INVALID_ARGUMENT : FLS_OK);
        }
}

/* After a nested buffer its references are no more. */
static void references_into_a_nested_buffer(void **state)
{
    (void)state;
    struct fls_builder *b = open_with(&checked);
    fls_builder_start_nested(b);
    uint32_t inside = fls_builder_create_cstring(b, "inside");
    uint32_t root = make_table(b, inside);
    (void)fls_builder_end_nested(b, root, NULL);
    assert_int_equal(finish_and_close(b, make_table(b, inside)), FLS_INVALID_ARGUMENT);
}

/* --- NULL, and lengths that are not ---------------------------------------------------------- */

typedef void misuse(struct fls_builder *b);

static void null_string(struct fls_builder *b)
{
    (void)fls_builder_create_string(b, NULL, 3);
}

static void null_cstring(struct fls_builder *b)
{
    (void)fls_builder_create_cstring(b, NULL);
}

static void null_string_aligned(struct fls_builder *b)
{
    (void)fls_builder_create_string_aligned(b, NULL, 3, 8);
}

static void null_shared_string(struct fls_builder *b)
{
    (void)fls_builder_create_shared_string(b, NULL, 3);
}

static void null_reference_string(struct fls_builder *b)
{
    (void)fls_builder_reference_string(b, NULL, 3);
}

static void null_struct(struct fls_builder *b)
{
    (void)fls_builder_create_struct(b, NULL, 8, 8);
}

static void null_vector(struct fls_builder *b)
{
    (void)fls_builder_create_vector(b, NULL, 3, 4, 4);
}

static void null_scalar_vector(struct fls_builder *b)
{
    (void)fls_builder_create_scalar_vector(b, NULL, 3, 4);
}

static void null_reference_vector(struct fls_builder *b)
{
    (void)fls_builder_reference_vector(b, NULL, 3, 4, 4);
}

static void null_ref_vector(struct fls_builder *b)
{
    (void)fls_builder_create_ref_vector(b, NULL, 3);
}

static void null_string_vector(struct fls_builder *b)
{
    (void)fls_builder_create_string_vector(b, NULL, NULL, 3);
}

static void null_in_string_vector(struct fls_builder *b)
{
    const char *const texts[] = {"a", NULL};

    (void)fls_builder_create_string_vector(b, texts, NULL, 2);
}

static void null_union_vector(struct fls_builder *b)
{
    uint32_t types, values;

    fls_builder_create_union_vector(b, NULL, NULL, 2, &types, &values);
}

static void null_push(struct fls_builder *b)
{
    fls_builder_start_vector(b, 4, 4);
    fls_builder_push(b, NULL, 2);
    (void)fls_builder_end_vector(b);
}

static void nest(struct fls_builder *b, size_t length, int reference)
{
    struct iovec segments[] = {{(void *)(uintptr_t) "abcd", 4}, {(void *)(uintptr_t) "efgh", 4}};
    struct fls_payload payload = {segments, 2, length};

    if (reference)
        (void)fls_builder_reference_nested(b, &payload, 4);
    else
        (void)fls_builder_create_nested(b, &payload, 4);
}

static void nested_too_short(struct fls_builder *b)
{
    nest(b, 7, 0);
}

static void nested_too_long(struct fls_builder *b)
{
    nest(b, 9, 0);
}

static void nested_reference_too_long(struct fls_builder *b)
{
    nest(b, 4096, 1);
}

static void nested_without_segments(struct fls_builder *b)
{
    struct fls_payload payload = {NULL, 1, 8};

    (void)fls_builder_create_nested(b, &payload, 4);
}

static void nested_null(struct fls_builder *b)
{
    (void)fls_builder_create_nested(b, NULL, 4);
}

static void what_is_no_memory(void **state)
{
    static misuse *const all[] = {null_string,
                                  null_cstring,
                                  null_string_aligned,
                                  null_shared_string,
                                  null_struct,
                                  null_vector,
                                  null_reference_string,
                                  null_scalar_vector,
                                  null_ref_vector,
                                  null_string_vector,
                                  null_reference_vector,
                                  null_in_string_vector,
                                  null_union_vector,
                                  null_push,
                                  nested_too_short,
                                  nested_too_long,
                                  nested_without_segments,
                                  nested_null,
                                  nested_reference_too_long};

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct fls_builder *b = open_with(&plain);
        all[i](b);
        assert_int_equal(fls_builder_error(b)->status, FLS_INVALID_ARGUMENT);
        assert_int_equal(finish_and_close(b, make_table(b, 0)), FLS_INVALID_ARGUMENT);
    }
}

static void right_nesting_is_taken(void **state)
{
    (void)state;
    for (int reference = 0; reference < 2; reference++) {
        struct fls_builder *b = open_with(&plain);
        nest(b, 8, reference);
        assert_int_equal(finish_and_close(b, make_table(b, 0)), FLS_OK);
    }
}

/* --- memory ---------------------------------------------------------------------------------- */

/* The limit holds while elements are still being pushed, in vectors within vectors too. */
static void limit_of_pushing(void **state)
{
    struct fls_builder_options small = {.message_bytes_max = 10000};
    static const uint8_t bytes[1000];
    struct fls_builder_counts before, after;

    (void)state;
    struct fls_builder *b = open_with(&small);
    before = fls_builder_statistics(b);
    fls_builder_start_vector(b, 1, 1);
    fls_builder_push(b, bytes, 900);
    fls_builder_start_vector(b, 1, 1);
    for (int i = 0; i < 9; i++)
        fls_builder_push(b, bytes, sizeof bytes);
    assert_int_equal(fls_builder_error(b)->status, FLS_OK);
    for (int i = 0; i < 10000; i++)
        fls_builder_push(b, bytes, sizeof bytes);
    assert_int_equal(fls_builder_error(b)->status, FLS_LIMIT);
    assert_int_equal(fls_builder_error(b)->expected, 10000);
    assert_int_equal(fls_builder_error(b)->found, 10900);
    after = fls_builder_statistics(b);
    assert_true(after.bytes_allocated - before.bytes_allocated < 32768);
    fls_builder_reset(b); /* and it is the present message's only */
    for (int i = 0; i < 3; i++) {
        fls_builder_start_vector(b, 1, 1);
        for (int k = 0; k < 3; k++)
            fls_builder_push(b, bytes, sizeof bytes);
        assert_int_not_equal(fls_builder_end_vector(b), 0);
    }
    fls_builder_close(b);
}

static void memory_is_given_back(void **state)
{
    static const uint8_t bytes[50000];
    struct fls_payload payload;

    (void)state;
    struct fls_builder *b = open_with(&checked);
    uint64_t low = fls_builder_statistics(b).bytes_allocated;
    for (int round = 0; round < 3; round++) {
        fls_builder_start_vector(b, 1, 1);
        for (int i = 0; i < 100; i++)
            fls_builder_push(b, bytes, sizeof bytes);
        uint32_t vector = fls_builder_end_vector(b);
        for (int i = 0; i < 20; i++)
            (void)fls_builder_create_vector(b, bytes, sizeof bytes, 1, 1);
        uint32_t root = make_table(b, vector);
        assert_int_equal(fls_builder_finish(b, root, NULL, &payload), FLS_OK);
        assert_true(fls_builder_statistics(b).bytes_allocated > 10000000);
        fls_builder_trim(b, 200000);
        assert_true(fls_builder_statistics(b).bytes_allocated <= 200000);
        fls_builder_trim(b, 0);
        assert_true(fls_builder_statistics(b).bytes_allocated <= low + 8192);
        root = make_table(b, fls_builder_create_cstring(b, "it goes on"));
        assert_int_equal(fls_builder_finish(b, root, NULL, &payload), FLS_OK);
        fls_builder_reset(b);
    }
    fls_builder_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(field_numbers),
        cmocka_unit_test(roots),
        cmocka_unit_test(root_far_behind),
        cmocka_unit_test(references_of_an_earlier_message),
        cmocka_unit_test(every_reference),
        cmocka_unit_test(misaligned_references),
        cmocka_unit_test(references_out_of_a_nested_buffer),
        cmocka_unit_test(references_into_a_nested_buffer),
        cmocka_unit_test(what_is_no_memory),
        cmocka_unit_test(right_nesting_is_taken),
        cmocka_unit_test(limit_of_pushing),
        cmocka_unit_test(memory_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
