/*
 * flatcc_adapter.c: messages that flatcc's builder emits through flatstream/flatcc.h, held against
 * what the same calls give with flatcc's own emitter and its finalize copy.
 */
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

#define FLS_REQUIRE_FLATCC
#include <flatstream/flatcc.h>

#include "adapter_builder.h"
#include "adapter_verifier.h"

#define POOL_ITEMS 16384

/* What messages are made of; registered as stable or not, as a test says. */
static struct {
    adapter_Point_t points[POOL_ITEMS];
    double wide[POOL_ITEMS];
    float samples[POOL_ITEMS];
    uint8_t raw[POOL_ITEMS * 8];
    char text[POOL_ITEMS];
} pool;

static int fill_pool(void **state)
{
    (void)state;
    for (size_t i = 0; i < POOL_ITEMS; i++) {
        pool.points[i].x = (double)i * 0.5;
        pool.points[i].y = -(double)i;
        pool.points[i].z = (float)i;
        pool.wide[i] = (double)i / 3.0;
        pool.samples[i] = (float)i / 7.0f;
        pool.text[i] = (char)('a' + i % 26);
    }
    pattern_fill(pool.raw, sizeof pool.raw);
    return 0;
}

/* --- messages by chance --- */

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static int chance(uint64_t *seed, unsigned percent)
{
    return next_random(seed) % 100 < percent;
}

/* Mostly small, now and then all that there is. */
static size_t any_count(uint64_t *seed, size_t most)
{
    size_t bound = chance(seed, 70) ? 20 : chance(seed, 80) ? 2000 : most;

    return (size_t)(next_random(seed) % (bound < most ? bound : most));
}

/* A text somewhere in the pool, of a length of its own. */
static const char *any_text(uint64_t *seed, size_t *length)
{
    *length = any_count(seed, POOL_ITEMS / 2);
    return pool.text + next_random(seed) % (POOL_ITEMS / 2);
}

static int build_tag(flatcc_builder_t *B, uint64_t *seed)
{
    size_t length;
    const char *text = any_text(seed, &length);
    int failed = adapter_Tag_key_create(B, text, length);

    if (chance(seed, 50)) {
        text = any_text(seed, &length);
        failed |= adapter_Tag_value_create(B, text, length);
    }
    return failed;
}

static int build_tags(flatcc_builder_t *B, uint64_t *seed)
{
    size_t count = next_random(seed) % 4;
    int failed = adapter_Record_tags_start(B);

    for (size_t i = 0; i < count; i++) {
        failed |= adapter_Record_tags_push_start(B);
        failed |= build_tag(B, seed);
        failed |= !adapter_Record_tags_push_end(B);
    }
    return failed | adapter_Record_tags_end(B);
}

static int build_labels(flatcc_builder_t *B, uint64_t *seed)
{
    size_t count = next_random(seed) % 5;
    int failed = adapter_Record_labels_start(B);

    for (size_t i = 0; i < count; i++) {
        size_t length;
        const char *text = any_text(seed, &length);

        failed |= !adapter_Record_labels_push_create(B, text, length);
    }
    return failed | adapter_Record_labels_end(B);
}

static int build_extra(flatcc_builder_t *B, uint64_t *seed)
{
    int failed;

    if (chance(seed, 50)) {
        failed = adapter_Record_extra_Tag_start(B);
        failed |= build_tag(B, seed);
        return failed | adapter_Record_extra_Tag_end(B);
    }
    failed = adapter_Record_extra_Blob_start(B);
    failed |= adapter_Blob_bytes_create(B, pool.raw + next_random(seed) % 64,
                                        any_count(seed, POOL_ITEMS));
    return failed | adapter_Record_extra_Blob_end(B);
}

static int build_nested(flatcc_builder_t *B, uint64_t *seed)
{
    int failed = adapter_Record_nested_start_as_root(B);

    failed |= build_tag(B, seed);
    return failed | adapter_Record_nested_end_as_root(B);
}

/* Some vectors go through flatcc's stack: those may never be referenced. */
static int build_raw(flatcc_builder_t *B, uint64_t *seed)
{
    size_t count = any_count(seed, POOL_ITEMS);
    const uint8_t *from = pool.raw + next_random(seed) % 64;
    int failed;

    if (chance(seed, 50))
        return adapter_Record_raw_create(B, from, count);
    failed = adapter_Record_raw_start(B);
    failed |= count > 0 && !adapter_Record_raw_append(B, from, count);
    return failed | adapter_Record_raw_end(B);
}

static int build_vectors(flatcc_builder_t *B, uint64_t *seed)
{
    int failed = 0;

    if (chance(seed, 50))
        failed |= adapter_Record_samples_create(B, pool.samples, any_count(seed, POOL_ITEMS));
    if (chance(seed, 50))
        failed |= adapter_Record_wide_create(B, pool.wide + 1, any_count(seed, POOL_ITEMS - 1));
    if (chance(seed, 50))
        failed |= adapter_Record_track_create(B, pool.points, any_count(seed, POOL_ITEMS));
    if (chance(seed, 50))
        failed |= build_raw(B, seed);
    return failed;
}

/* The message that belongs to `seed`, but for its end: the root, or 0 when flatcc reported a
 * failure. */
static flatcc_builder_ref_t build_any(flatcc_builder_t *B, uint64_t seed)
{
    int with_size = chance(&seed, 10);
    int failed =
        with_size ? adapter_Record_start_as_root_with_size(B) : adapter_Record_start_as_root(B);

    failed |= adapter_Record_id_add(B, next_random(&seed) % 3);
    failed |= adapter_Record_kind_add(B, adapter_Kind_Busy);
    if (chance(&seed, 50))
        failed |= adapter_Record_place_create(B, 1.0, 2.0, 3.0f);
    failed |= build_vectors(B, &seed);
    if (chance(&seed, 60)) {
        size_t length;
        const char *text = any_text(&seed, &length);

        failed |= adapter_Record_name_create(B, text, length);
    }
    if (chance(&seed, 30))
        failed |= build_nested(B, &seed);
    if (chance(&seed, 30))
        failed |= build_labels(B, &seed);
    if (chance(&seed, 30))
        failed |= build_tags(B, &seed);
    if (chance(&seed, 30))
        failed |= build_extra(B, &seed);
    return failed ? 0 : adapter_Record_end(B);
}

/* --- flatcc's own result, and comparing --- */

struct reference {
    void *bytes;
    size_t length;
};

typedef flatcc_builder_ref_t build_function(flatcc_builder_t *B, uint64_t seed);

static struct reference reference_for(build_function *build, uint64_t seed, int no_clusters)
{
    struct reference expected;
    flatcc_builder_t builder;

    assert_int_equal(flatcc_builder_init(&builder), 0);
    flatcc_builder_set_vtable_clustering(&builder, !no_clusters);
    assert_true(flatcc_builder_end_buffer(&builder, build(&builder, seed)) != 0);
    expected.bytes = flatcc_builder_finalize_aligned_buffer(&builder, &expected.length);
    assert_non_null(expected.bytes);
    flatcc_builder_clear(&builder);
    return expected;
}

static void assert_payload_is(const struct fls_payload *payload, const void *bytes, size_t length)
{
    uint8_t *flat = malloc(length);

    assert_non_null(flat);
    assert_int_equal(payload->length, length);
    assert_int_equal(fls_payload_from_segments(payload->segments, payload->count).length, length);
    assert_ok(fls_payload_flatten(payload, flat, length));
    assert_memory_equal(flat, bytes, length);
    free(flat);
}

/* The bytes of the payload's segments that lie in `memory`. */
static size_t bytes_within(const struct fls_payload *payload, const void *memory, size_t bytes)
{
    size_t within = 0;

    for (size_t i = 0; i < payload->count; i++) {
        uintptr_t at = (uintptr_t)payload->segments[i].iov_base;

        if (at >= (uintptr_t)memory && at < (uintptr_t)memory + bytes)
            within += payload->segments[i].iov_len;
    }
    return within;
}

static void compare_messages(const struct fls_flatcc_options *options, int stable, int no_clusters,
                             uint64_t first_seed, int messages)
{
    struct fls_flatcc_emitter emitter;
    flatcc_builder_t builder;
    struct fls_payload payload;

    assert_ok(fls_flatcc_emitter_open(&emitter, options));
    if (stable)
        assert_ok(fls_flatcc_register_stable(&emitter, &pool, sizeof pool));
    flatcc_builder_custom_init(&builder, fls_flatcc_emit, &emitter, NULL, NULL);
    flatcc_builder_set_vtable_clustering(&builder, !no_clusters);
    for (int i = 0; i < messages; i++) {
        uint64_t seed = (first_seed + (uint64_t)i) * UINT64_C(0x9E3779B97F4A7C15);
        struct reference expected = reference_for(build_any, seed, no_clusters);
        struct fls_builder_counts before = fls_flatcc_statistics(&emitter);

        assert_ok(fls_flatcc_end(&emitter, &builder, build_any(&builder, seed), &payload, NULL));
        assert_payload_is(&payload, expected.bytes, expected.length);
        struct fls_builder_counts now = fls_flatcc_statistics(&emitter);
        assert_int_equal(now.bytes_referenced - before.bytes_referenced,
                         bytes_within(&payload, &pool, sizeof pool));
        assert_int_equal(now.bytes_copied - before.bytes_copied + now.bytes_referenced -
                             before.bytes_referenced,
                         expected.length);
        assert_int_equal(now.segments - before.segments, payload.count);
        if (!stable)
            assert_int_equal(now.bytes_referenced, 0);
        flatcc_builder_aligned_free(expected.bytes);
        assert_ok(fls_flatcc_reset(&emitter, &builder));
    }
    assert_int_equal(fls_flatcc_statistics(&emitter).messages, messages);
    if (stable)
        assert_true(fls_flatcc_statistics(&emitter).bytes_referenced > 0);
    flatcc_builder_clear(&builder);
    fls_flatcc_emitter_close(&emitter);
}

static void flattened_it_is_what_flatcc_makes(void **state)
{
    static const size_t pages[] = {256, 1000, 4096, 0};
    static const size_t thresholds[] = {1, 5, 100, 0};

    (void)state;
    for (size_t p = 0; p < 4; p++) {
        for (size_t t = 0; t < 4; t++) {
            struct fls_flatcc_options options = {.page_bytes = pages[p],
                                                 .reference_bytes_min = thresholds[t]};

            compare_messages(&options, 1, 0, 1 + p * 4000 + t * 1000, 120);
            compare_messages(&options, 0, (int)(t & 1), 1 + p * 4000 + t * 1000, 40);
        }
    }
    compare_messages(NULL, 1, 1, 77, 200);
}

/* --- what is copied, and what is not --- */

static flatcc_builder_ref_t build_samples(flatcc_builder_t *B, const uint8_t *bytes, size_t count)
{
    assert_int_equal(adapter_Record_start_as_root(B), 0);
    assert_int_equal(adapter_Record_id_add(B, 9), 0);
    assert_int_equal(adapter_Record_name_create_str(B, "rack 7"), 0);
    assert_int_equal(adapter_Record_raw_create(B, bytes, count), 0);
    return adapter_Record_end(B);
}

static void copied_bytes_do_not_grow_with_the_vector(void **state)
{
    size_t most = (size_t)16 << 20;
    uint8_t *large = calloc(1, most);
    struct fls_flatcc_emitter emitter;
    flatcc_builder_t builder;
    struct fls_payload payload;

    (void)state;
    assert_non_null(large);
    assert_ok(fls_flatcc_emitter_open(&emitter, NULL));
    assert_ok(fls_flatcc_register_stable(&emitter, large, most));
    flatcc_builder_custom_init(&builder, fls_flatcc_emit, &emitter, NULL, NULL);
    for (size_t bytes = 4096; bytes <= most; bytes *= 64) {
        uint64_t before = fls_flatcc_statistics(&emitter).bytes_copied;

        assert_ok(fls_flatcc_end(&emitter, &builder, build_samples(&builder, large, bytes),
                                 &payload, NULL));
        assert_true(fls_flatcc_statistics(&emitter).bytes_copied - before < 128);
        assert_int_equal(bytes_within(&payload, large, most), bytes);
        assert_int_equal(payload.count, 3);
        assert_ok(fls_flatcc_reset(&emitter, &builder));
    }
    flatcc_builder_clear(&builder);
    fls_flatcc_emitter_close(&emitter);
    free(large);
}

static void a_small_message_is_one_segment(void **state)
{
    struct fls_flatcc_emitter emitter;
    flatcc_builder_t builder;
    struct fls_payload payload;

    (void)state;
    assert_ok(fls_flatcc_emitter_open(&emitter, NULL));
    flatcc_builder_custom_init(&builder, fls_flatcc_emit, &emitter, NULL, NULL);
    assert_ok(
        fls_flatcc_end(&emitter, &builder, build_samples(&builder, pool.raw, 100), &payload, NULL));
    assert_int_equal(payload.count, 1);
    /* Aligned, so that a verifier may run on it where it lies. */
    assert_int_equal(
        adapter_Record_verify_as_root(payload.segments[0].iov_base, payload.segments[0].iov_len),
        0);
    flatcc_builder_clear(&builder);
    fls_flatcc_emitter_close(&emitter);
}

/* Only what lies wholly in a range is stable, and forgetting ends it. */
static void ranges_are_held_to(void **state)
{
    struct fls_flatcc_emitter emitter;
    flatcc_builder_t builder;
    struct fls_payload payload;

    (void)state;
    assert_ok(fls_flatcc_emitter_open(&emitter, NULL));
    assert_ok(fls_flatcc_register_stable(&emitter, pool.raw, 8192));
    flatcc_builder_custom_init(&builder, fls_flatcc_emit, &emitter, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        static const size_t from[] = {0, 1, 4096, 0, 0};
        static const size_t bytes[] = {8192, 8192, 4096, 4095, 8192};
        static const size_t referenced[] = {8192, 0, 4096, 0, 0};

        if (i == 4)
            fls_flatcc_forget_stable(&emitter);
        assert_ok(fls_flatcc_end(&emitter, &builder,
                                 build_samples(&builder, pool.raw + from[i], bytes[i]), &payload,
                                 NULL));
        assert_int_equal(bytes_within(&payload, pool.raw, sizeof pool.raw), referenced[i]);
        assert_ok(fls_flatcc_reset(&emitter, &builder));
    }
    assert_int_equal(fls_flatcc_register_stable(&emitter, NULL, 1), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_flatcc_register_stable(&emitter, pool.raw, SIZE_MAX),
                     FLS_INVALID_ARGUMENT);
    flatcc_builder_clear(&builder);
    fls_flatcc_emitter_close(&emitter);
}

/* --- through a stream --- */

static void write_records(struct fls_writer *writer, int messages)
{
    struct fls_flatcc_emitter emitter;
    flatcc_builder_t builder;
    struct fls_payload payload;
    uint64_t allocations = 0;

    assert_ok(fls_flatcc_emitter_open(&emitter, NULL));
    assert_ok(fls_flatcc_register_stable(&emitter, &pool, sizeof pool));
    flatcc_builder_custom_init(&builder, fls_flatcc_emit, &emitter, NULL, NULL);
    for (int i = 0; i < messages; i++) {
        assert_int_equal(adapter_Record_start_as_root(&builder), 0);
        adapter_Record_id_add(&builder, (uint64_t)i);
        adapter_Record_samples_create(&builder, pool.samples, POOL_ITEMS - (size_t)i);
        adapter_Record_name_create_strn(&builder, pool.text, 5000);
        assert_ok(fls_flatcc_end(&emitter, &builder, adapter_Record_end(&builder), &payload, NULL));
        assert_ok(fls_writer_write_payload(writer, &payload));
        assert_ok(fls_flatcc_reset(&emitter, &builder));
        if (i == 0)
            allocations = fls_flatcc_statistics(&emitter).allocations;
    }
    assert_int_equal(fls_flatcc_statistics(&emitter).allocations, allocations);
    flatcc_builder_clear(&builder);
    fls_flatcc_emitter_close(&emitter);
}

static void read_records(struct fls_reader *reader, int messages)
{
    struct fls_message message;

    for (int i = 0; i < messages; i++) {
        assert_ok(fls_reader_next(reader, &message));
        assert_int_equal(adapter_Record_verify_as_root(message.payload, message.bytes), 0);
        adapter_Record_table_t record = adapter_Record_as_root(message.payload);
        flatbuffers_float_vec_t samples = adapter_Record_samples(record);
        size_t count = POOL_ITEMS - (size_t)i;

        assert_int_equal(adapter_Record_id(record), i);
        assert_int_equal(flatbuffers_float_vec_len(samples), count);
        assert_memory_equal(samples, pool.samples, count * sizeof *samples);
        assert_int_equal(flatbuffers_string_len(adapter_Record_name(record)), 5000);
    }
    assert_int_equal(fls_reader_next(reader, &message), FLS_END);
}

static void messages_go_through_a_stream(void **state)
{
    static const enum fls_framer framers[] = {FLS_FRAMER_SIMPLE, FLS_FRAMER_VECTORED,
                                              FLS_FRAMER_BATCHED};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct fls_writer_options to = {.framer = framers[i], .checksum = FLS_CHECKSUM_XXH3};
        struct fls_reader_options from = {.checksum = FLS_CHECKSUM_XXH3, .owns_source = 1};
        struct fls_sink *sink;
        size_t length;

        struct fls_writer *writer = open_memory_writer(&sink, &to);
        write_records(writer, 50);
        assert_ok(fls_writer_close(writer, NULL));
        const void *bytes = fls_sink_memory_bytes(sink, &length);
        struct fls_reader *reader = open_memory_reader(bytes, length, &from);
        read_records(reader, 50);
        fls_reader_close(reader);
        assert_ok(fls_sink_close(sink, NULL));
    }
}

/* --- failures --- */

/* Memory that runs out at the k-th request; what is out is counted. */
struct short_memory {
    int left;
    long out;
};

static void *short_allocate(void *context, size_t bytes)
{
    struct short_memory *memory = context;

    if (memory->left == 0)
        return NULL;
    memory->left--;
    void *given = malloc(bytes);
    if (given)
        memory->out += (long)bytes;
    return given;
}

static void short_release(void *context, void *given, size_t bytes)
{
    struct short_memory *memory = context;

    assert_non_null(given);
    memory->out -= (long)bytes;
    free(given);
}

/* A message of many segments and of pages of each kind. */
static flatcc_builder_ref_t build_scattered(flatcc_builder_t *B, uint64_t seed)
{
    int failed = adapter_Record_start_as_root(B);

    (void)seed;
    failed |= adapter_Record_labels_start(B);
    for (size_t i = 0; i < 50; i++)
        failed |= !adapter_Record_labels_push_create(B, pool.text + i, 90 + i);
    failed |= adapter_Record_labels_end(B);
    failed |= adapter_Record_raw_start(B);
    failed |= !adapter_Record_raw_append(B, pool.raw, 3000);
    failed |= adapter_Record_raw_end(B);
    return failed ? 0 : adapter_Record_end(B);
}

/* That message with memory for `allocations` requests only. */
static enum fls_status build_short(int allocations, int *used)
{
    struct short_memory memory = {.left = allocations};
    struct fls_stable_range range = {&pool, sizeof pool};
    struct fls_flatcc_options options = {.page_bytes = 256,
                                         .reference_bytes_min = 100,
                                         .stable = &range,
                                         .stable_count = 1,
                                         .allocator = {short_allocate, short_release, &memory}};
    struct reference expected = reference_for(build_scattered, 0, 0);
    struct fls_flatcc_emitter emitter;
    struct fls_payload payload;
    flatcc_builder_t builder;

    enum fls_status status = fls_flatcc_emitter_open(&emitter, &options);
    if (status == FLS_OK) {
        flatcc_builder_custom_init(&builder, fls_flatcc_emit, &emitter, NULL, NULL);
        status = fls_flatcc_end(&emitter, &builder, build_scattered(&builder, 0), &payload, NULL);
        if (status == FLS_OK)
            assert_payload_is(&payload, expected.bytes, expected.length);
        else
            assert_true(payload.count == 0 && payload.length == 0);
        /* Once there is memory again, the next message succeeds. */
        memory.left = 1000;
        assert_ok(fls_flatcc_reset(&emitter, &builder));
        assert_ok(fls_flatcc_end(&emitter, &builder, build_scattered(&builder, 0), &payload, NULL));
        assert_payload_is(&payload, expected.bytes, expected.length);
        *used = (int)fls_flatcc_statistics(&emitter).allocations;
        assert_int_equal(fls_flatcc_statistics(&emitter).bytes_allocated, memory.out);
        flatcc_builder_clear(&builder);
        fls_flatcc_emitter_close(&emitter);
    }
    assert_int_equal(memory.out, 0);
    flatcc_builder_aligned_free(expected.bytes);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    int allocations = 0;
    int used = 0;

    (void)state;
    for (;;) {
        enum fls_status status = build_short(allocations, &used);

        if (status == FLS_OK)
            break;
        assert_int_equal(status, FLS_NO_MEMORY);
        allocations++;
    }
    /* The stable ranges, pages and the list of segments, which grew: all of them were made to
     * fail. */
    assert_true(allocations >= 7);
    assert_int_equal(used, allocations);
}

static void wrong_options_are_refused(void **state)
{
    struct fls_flatcc_options half = {.allocator = {short_allocate, NULL, NULL}};
    struct fls_flatcc_options tiny = {.page_bytes = 255};
    struct fls_flatcc_emitter emitter;

    (void)state;
    assert_int_equal(fls_flatcc_emitter_open(&emitter, &half), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_flatcc_emitter_open(&emitter, &tiny), FLS_INVALID_ARGUMENT);
}

/* An emitter and its builder; each misuse begins with both reset. */
struct pair {
    struct fls_flatcc_emitter emitter;
    flatcc_builder_t builder;
};

static void refuse_end(struct pair *pair, flatcc_builder_ref_t root, const char *words)
{
    struct fls_error error;
    struct fls_payload payload = {.count = 7, .length = 7};

    assert_int_equal(fls_flatcc_end(&pair->emitter, &pair->builder, root, &payload, &error),
                     FLS_INVALID_ARGUMENT);
    assert_int_equal(error.status, FLS_INVALID_ARGUMENT);
    assert_true(payload.count == 0 && payload.length == 0 && !payload.segments);
    if (!strstr(error.reason, words))
        fail_msg("\"%s\" does not contain \"%s\"", error.reason, words);
}

/* What is right, after both were reset. */
static void end_well(struct pair *pair)
{
    struct reference expected = reference_for(build_scattered, 0, 0);
    struct fls_payload payload;

    assert_ok(fls_flatcc_reset(&pair->emitter, &pair->builder));
    assert_ok(fls_flatcc_end(&pair->emitter, &pair->builder, build_scattered(&pair->builder, 0),
                             &payload, NULL));
    assert_payload_is(&payload, expected.bytes, expected.length);
    flatcc_builder_aligned_free(expected.bytes);
}

static void forget_both_resets(struct pair *pair)
{
    refuse_end(pair, build_samples(&pair->builder, pool.raw, 100), "were not reset");
}

static void forget_the_emitters_reset(struct pair *pair)
{
    flatcc_builder_reset(&pair->builder);
    refuse_end(pair, build_samples(&pair->builder, pool.raw, 100), "were not reset");
}

static void forget_the_builders_reset(struct pair *pair)
{
    fls_flatcc_emitter_reset(&pair->emitter);
    refuse_end(pair, build_samples(&pair->builder, pool.raw, 100), "does not join");
}

static void end_twice(struct pair *pair)
{
    refuse_end(pair, -4, "was handed over already");
}

static void end_nothing(struct pair *pair)
{
    assert_ok(fls_flatcc_reset(&pair->emitter, &pair->builder));
    refuse_end(pair, -4, "no buffer is open");
}

static void end_what_has_ended(struct pair *pair)
{
    assert_ok(fls_flatcc_reset(&pair->emitter, &pair->builder));
    flatcc_builder_ref_t root = build_samples(&pair->builder, pool.raw, 100);
    refuse_end(pair, flatcc_builder_end_buffer(&pair->builder, root), "no buffer is open");
}

static void end_too_early(struct pair *pair)
{
    assert_ok(fls_flatcc_reset(&pair->emitter, &pair->builder));
    assert_int_equal(adapter_Record_start_as_root(&pair->builder), 0);
    assert_int_equal(adapter_Record_name_create_str(&pair->builder, "rack 7"), 0);
    refuse_end(pair, -4, "still open");
}

static void end_in_a_nested_buffer(struct pair *pair)
{
    assert_ok(fls_flatcc_reset(&pair->emitter, &pair->builder));
    assert_int_equal(adapter_Record_start_as_root(&pair->builder), 0);
    assert_int_equal(adapter_Record_nested_start_as_root(&pair->builder), 0);
    assert_int_equal(adapter_Tag_key_create_str(&pair->builder, "key"), 0);
    refuse_end(pair, adapter_Tag_end(&pair->builder), "still open");
}

static void build_two_buffers(struct pair *pair)
{
    assert_ok(fls_flatcc_reset(&pair->emitter, &pair->builder));
    flatcc_builder_end_buffer(&pair->builder, build_samples(&pair->builder, pool.raw, 100));
    refuse_end(pair, build_samples(&pair->builder, pool.raw, 100), "an earlier buffer");
}

static void end_with_a_failed_root(struct pair *pair)
{
    assert_ok(fls_flatcc_reset(&pair->emitter, &pair->builder));
    build_samples(&pair->builder, pool.raw, 100);
    refuse_end(pair, 0, "the root is 0");
}

static void end_with_another_root(struct pair *pair)
{
    assert_ok(fls_flatcc_reset(&pair->emitter, &pair->builder));
    build_samples(&pair->builder, pool.raw, 100);
    refuse_end(pair, -100000, "no table of this buffer");
}

static void use_anothers_emitter(struct pair *pair)
{
    flatcc_builder_t own;

    assert_ok(fls_flatcc_reset(&pair->emitter, &pair->builder));
    flatcc_builder_init(&own);
    flatcc_builder_ref_t root = build_samples(&own, pool.raw, 100);
    struct fls_payload payload;
    assert_int_equal(fls_flatcc_end(&pair->emitter, &own, root, &payload, NULL),
                     FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_flatcc_reset(&pair->emitter, &own), FLS_INVALID_ARGUMENT);
    flatcc_builder_clear(&own);
}

static void share_the_emitter(struct pair *pair)
{
    flatcc_builder_t other;

    assert_ok(fls_flatcc_reset(&pair->emitter, &pair->builder));
    flatcc_builder_custom_init(&other, fls_flatcc_emit, &pair->emitter, NULL, NULL);
    build_samples(&other, pool.raw, 100);
    refuse_end(pair, build_samples(&pair->builder, pool.raw, 100), "does not join");
    flatcc_builder_clear(&other);
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
        end_too_early,
        end_in_a_nested_buffer,
        build_two_buffers,
        end_with_a_failed_root,
        end_with_another_root,
        use_anothers_emitter,
        share_the_emitter,
    };
    struct pair pair;

    (void)state;
    assert_ok(fls_flatcc_emitter_open(&pair.emitter, NULL));
    flatcc_builder_custom_init(&pair.builder, fls_flatcc_emit, &pair.emitter, NULL, NULL);
    for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++) {
        end_well(&pair);
        misuses[i](&pair);
    }
    end_well(&pair);
    flatcc_builder_clear(&pair.builder);
    fls_flatcc_emitter_close(&pair.emitter);
    fls_flatcc_emitter_close(&pair.emitter);
}

/* Not while a message refers into it, and then it is copied from. */
static void a_range_is_taken_back(void **state)
{
    struct pair pair;
    struct fls_payload payload;

    (void)state;
    assert_ok(fls_flatcc_emitter_open(&pair.emitter, NULL));
    flatcc_builder_custom_init(&pair.builder, fls_flatcc_emit, &pair.emitter, NULL, NULL);
    assert_ok(fls_flatcc_register_stable(&pair.emitter, pool.raw, 8192));
    assert_ok(fls_flatcc_register_stable(&pair.emitter, pool.text, sizeof pool.text));
    assert_int_equal(fls_flatcc_take_back_stable(&pair.emitter, pool.raw, 8191),
                     FLS_INVALID_ARGUMENT);
    assert_ok(fls_flatcc_end(&pair.emitter, &pair.builder,
                             build_samples(&pair.builder, pool.raw, 8192), &payload, NULL));
    assert_int_equal(bytes_within(&payload, pool.raw, sizeof pool.raw), 8192);
    assert_int_equal(fls_flatcc_take_back_stable(&pair.emitter, pool.raw, 8192),
                     FLS_INVALID_ARGUMENT);
    assert_ok(fls_flatcc_reset(&pair.emitter, &pair.builder));
    assert_ok(fls_flatcc_take_back_stable(&pair.emitter, pool.raw, 8192));
    assert_int_equal(fls_flatcc_take_back_stable(&pair.emitter, pool.raw, 8192),
                     FLS_INVALID_ARGUMENT);
    assert_ok(fls_flatcc_end(&pair.emitter, &pair.builder,
                             build_samples(&pair.builder, pool.raw, 8192), &payload, NULL));
    assert_int_equal(bytes_within(&payload, pool.raw, sizeof pool.raw), 0);
    assert_ok(fls_flatcc_reset(&pair.emitter, &pair.builder));
    /* The other one is still there. */
    assert_ok(
        fls_flatcc_end(&pair.emitter, &pair.builder,
                       build_samples(&pair.builder, (const uint8_t *)pool.text, sizeof pool.text),
                       &payload, NULL));
    assert_int_equal(bytes_within(&payload, pool.text, sizeof pool.text), sizeof pool.text);
    flatcc_builder_clear(&pair.builder);
    fls_flatcc_emitter_close(&pair.emitter);
}

/* Pages are kept for the next message, large ones too, until they are trimmed. */
static void memory_is_reused_and_can_be_given_back(void **state)
{
    struct fls_flatcc_emitter emitter;
    flatcc_builder_t builder;
    uint64_t held = 0;

    (void)state;
    assert_ok(fls_flatcc_emitter_open(&emitter, NULL));
    flatcc_builder_custom_init(&builder, fls_flatcc_emit, &emitter, NULL, NULL);
    for (int i = 0; i < 20; i++) {
        build_samples(&builder, pool.raw, sizeof pool.raw - (size_t)i * 1000);
        assert_ok(fls_flatcc_reset(&emitter, &builder));
        if (i == 0)
            held = fls_flatcc_statistics(&emitter).bytes_allocated;
        assert_int_equal(fls_flatcc_statistics(&emitter).bytes_allocated, held);
    }
    fls_flatcc_emitter_trim(&emitter);
    assert_true(fls_flatcc_statistics(&emitter).bytes_allocated < 4096);
    flatcc_builder_clear(&builder);
    fls_flatcc_emitter_close(&emitter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flattened_it_is_what_flatcc_makes),
        cmocka_unit_test(copied_bytes_do_not_grow_with_the_vector),
        cmocka_unit_test(a_small_message_is_one_segment),
        cmocka_unit_test(ranges_are_held_to),
        cmocka_unit_test(messages_go_through_a_stream),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(misuse_is_refused),
        cmocka_unit_test(a_range_is_taken_back),
        cmocka_unit_test(memory_is_reused_and_can_be_given_back),
    };

    return cmocka_run_group_tests(tests, fill_pool, NULL);
}
