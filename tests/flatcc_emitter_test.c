/*
 * flatcc_emitter_test.c: the emitter of flatstream/flatcc.h where flatcc is not there: pieces by
 * chance, held against the same bytes put together plainly, and each misuse.
 */
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

#define FLS_REQUIRE_FLATCC
#include <flatstream/flatcc.h>

#define POOL_BYTES 65536
#define MESSAGE_MAX (1 << 20)

static uint8_t pool[POOL_BYTES];

static int fill_pool(void **state)
{
    (void)state;
    pattern_fill(pool, sizeof pool);
    return 0;
}

/* An emitter with its builder, and the message put together plainly: from `start` to `end`. */
struct pair {
    struct fls_flatcc_emitter emitter;
    flatcc_builder_t builder;
    uint8_t plain[2 * MESSAGE_MAX];
    size_t start;
    size_t end;
};

static struct pair *open_pair(const struct fls_flatcc_options *options)
{
    struct pair *pair = calloc(1, sizeof *pair);

    assert_non_null(pair);
    assert_ok(fls_flatcc_emitter_open(&pair->emitter, options));
    pair->builder.emit = fls_flatcc_emit;
    pair->builder.emit_context = &pair->emitter;
    pair->start = pair->end = MESSAGE_MAX;
    return pair;
}

static void close_pair(struct pair *pair)
{
    fls_flatcc_emitter_close(&pair->emitter);
    free(pair);
}

static void reset(struct pair *pair)
{
    assert_ok(fls_flatcc_reset(&pair->emitter, &pair->builder));
    pair->start = pair->end = MESSAGE_MAX;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static flatcc_iovec_t any_piece(uint64_t *seed)
{
    size_t most = next_random(seed) % 8 ? 40 : 20000;
    size_t bytes = (size_t)(next_random(seed) % most);

    return (flatcc_iovec_t){pool + next_random(seed) % (POOL_BYTES - bytes), bytes};
}

/* Up to eight pieces to the front, as an object is, or one to the back, as a vtable is. */
static void put_any(struct pair *pair, uint64_t *seed)
{
    flatcc_iovec_t pieces[8];
    size_t bytes = 0, at;
    int count = 1 + (int)(next_random(seed) % 8);

    if (next_random(seed) % 4 == 0) {
        pieces[0] = any_piece(seed);
        assert_int_equal(shape_emit_back(&pair->builder, pieces), 0);
        memcpy(pair->plain + pair->end, pieces[0].iov_base, pieces[0].iov_len);
        pair->end += pieces[0].iov_len;
        return;
    }
    for (int i = 0; i < count; i++) {
        pieces[i] = any_piece(seed);
        bytes += pieces[i].iov_len;
    }
    shape_emit_front(&pair->builder, pieces, count, bytes);
    at = pair->start -= bytes;
    for (int i = 0; i < count; at += pieces[i++].iov_len)
        memcpy(pair->plain + at, pieces[i].iov_base, pieces[i].iov_len);
}

/* Everything but the buffer's end; the root. */
static flatcc_builder_ref_t build(struct pair *pair, uint64_t seed)
{
    flatcc_iovec_t table = {pool, 12};

    shape_start(&pair->builder, flatcc_builder_buffer);
    for (uint64_t i = next_random(&seed) % 12; i > 0; i--)
        put_any(pair, &seed);
    pair->start -= table.iov_len;
    memcpy(pair->plain + pair->start, table.iov_base, table.iov_len);
    return shape_emit_front(&pair->builder, &table, 1, table.iov_len);
}

static void end_well(struct pair *pair, uint64_t seed)
{
    static const uint8_t root_offset[] = {4, 0, 0, 0};
    struct fls_payload payload;
    struct fls_error error;

    flatcc_builder_ref_t root = build(pair, seed);
    assert_ok(fls_flatcc_end(&pair->emitter, &pair->builder, root, &payload, &error));
    pair->start -= sizeof root_offset;
    memcpy(pair->plain + pair->start, root_offset, sizeof root_offset);
    size_t bytes = pair->end - pair->start;
    uint8_t *flat = malloc(bytes);
    assert_non_null(flat);
    assert_int_equal(payload.length, bytes);
    assert_ok(fls_payload_flatten(&payload, flat, bytes));
    assert_memory_equal(flat, pair->plain + pair->start, bytes);
    free(flat);
}

static void pieces_join(void **state)
{
    static const size_t pages[] = {256, 1000, 0};
    struct fls_stable_range ranges[] = {{pool, POOL_BYTES / 2}};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct fls_flatcc_options options = {.page_bytes = pages[i % 3],
                                             .reference_bytes_min = 100,
                                             .stable = ranges,
                                             .stable_count = i / 3};
        struct pair *pair = open_pair(&options);

        for (uint64_t seed = 1; seed <= 300; seed++) {
            end_well(pair, seed * UINT64_C(0x9E3779B97F4A7C15));
            reset(pair);
        }
        assert_int_equal(fls_flatcc_statistics(&pair->emitter).messages, 300);
        assert_int_equal(fls_flatcc_statistics(&pair->emitter).bytes_referenced > 0, i / 3);
        close_pair(pair);
    }
}

/* --- misuse: each begins with a message that was handed over, and both not reset --- */

static void refuse_end(struct pair *pair, flatcc_builder_ref_t root, const char *words)
{
    struct fls_payload payload = {.count = 7, .length = 7};
    struct fls_error error;

    assert_int_equal(fls_flatcc_end(&pair->emitter, &pair->builder, root, &payload, &error),
                     FLS_INVALID_ARGUMENT);
    assert_int_equal(error.status, FLS_INVALID_ARGUMENT);
    assert_true(payload.count == 0 && payload.length == 0 && !payload.segments);
    if (!strstr(error.reason, words))
        fail_msg("\"%s\" does not contain \"%s\"", error.reason, words);
}

static void forget_both_resets(struct pair *pair)
{
    refuse_end(pair, build(pair, 3), "were not reset");
}

static void forget_the_emitters_reset(struct pair *pair)
{
    flatcc_builder_reset(&pair->builder);
    refuse_end(pair, build(pair, 3), "were not reset");
}

static void forget_the_builders_reset(struct pair *pair)
{
    fls_flatcc_emitter_reset(&pair->emitter);
    refuse_end(pair, build(pair, 3), "does not join");
}

static void end_twice(struct pair *pair)
{
    refuse_end(pair, -4, "was handed over already");
}

static void end_nothing(struct pair *pair)
{
    reset(pair);
    refuse_end(pair, -4, "no buffer is open");
}

static void end_what_has_ended(struct pair *pair)
{
    reset(pair);
    refuse_end(pair, flatcc_builder_end_buffer(&pair->builder, build(pair, 3)),
               "no buffer is open");
}

static void end_in_a_table(struct pair *pair)
{
    reset(pair);
    build(pair, 3);
    shape_start(&pair->builder, flatcc_builder_table);
    refuse_end(pair, -4, "still open");
}

static void end_in_a_nested_buffer(struct pair *pair)
{
    reset(pair);
    build(pair, 3);
    refuse_end(pair, build(pair, 4), "still open");
}

static void build_two_buffers(struct pair *pair)
{
    reset(pair);
    flatcc_builder_end_buffer(&pair->builder, build(pair, 3));
    refuse_end(pair, build(pair, 4), "an earlier buffer");
}

static void end_with_a_failed_root(struct pair *pair)
{
    reset(pair);
    build(pair, 3);
    refuse_end(pair, 0, "the root is 0");
}

static void end_with_another_root(struct pair *pair)
{
    reset(pair);
    refuse_end(pair, build(pair, 3) - 4, "no table of this buffer");
}

static void use_anothers_emitter(struct pair *pair)
{
    struct pair *other = open_pair(NULL);

    pair->builder.emit_context = &other->emitter;
    refuse_end(pair, -4, "does not write to this emitter");
    assert_int_equal(fls_flatcc_reset(&pair->emitter, &pair->builder), FLS_INVALID_ARGUMENT);
    pair->builder.emit_context = &pair->emitter;
    close_pair(other);
}

static void misuse_is_refused(void **state)
{
    static void (*const misuses[])(struct pair *) = {
        forget_both_resets,
        forget_the_emitters_reset,
        forget_the_builders_reset,
        end_twice,
        end_nothing,
        end_what_has_ended,
        end_in_a_table,
        end_in_a_nested_buffer,
        build_two_buffers,
        end_with_a_failed_root,
        end_with_another_root,
        use_anothers_emitter,
    };
    struct pair *pair = open_pair(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++) {
        end_well(pair, 5);
        misuses[i](pair);
        reset(pair);
    }
    end_well(pair, 6);
    close_pair(pair);
}

static void a_range_is_taken_back(void **state)
{
    struct fls_flatcc_options options = {.reference_bytes_min = 1};
    struct pair *pair = open_pair(&options);

    (void)state;
    assert_ok(fls_flatcc_register_stable(&pair->emitter, pool + 100, 100));
    assert_ok(fls_flatcc_register_stable(&pair->emitter, pool, 12));
    end_well(pair, 5); /* its table is in the second range */
    assert_int_equal(fls_flatcc_take_back_stable(&pair->emitter, pool, 12), FLS_INVALID_ARGUMENT);
    reset(pair);
    assert_ok(fls_flatcc_take_back_stable(&pair->emitter, pool, 12));
    assert_int_equal(fls_flatcc_take_back_stable(&pair->emitter, pool, 12), FLS_INVALID_ARGUMENT);
    assert_ok(fls_flatcc_take_back_stable(&pair->emitter, pool + 100, 100));
    close_pair(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_join),
        cmocka_unit_test(misuse_is_refused),
        cmocka_unit_test(a_range_is_taken_back),
    };

    return cmocka_run_group_tests(tests, fill_pool, NULL);
}
