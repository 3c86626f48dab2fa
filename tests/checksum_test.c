/*
 * checksum_test.c: known answers, made by Python and xxhsum; one-shot against streaming over every
 * segmentation; each fast variant against its plain one; custom checksums of each width.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "frame/crc16.h"
#include "frame/crc32_short.h"
#include "frame/xxh3.h"

/* Property tests go through all lengths up to this: past every path change in the kernels. */
#define LENGTH_MAX 1100

static uint32_t random_state = 1;

static uint32_t random_u32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static uint8_t *random_bytes(size_t length)
{
    uint8_t *bytes = malloc(length + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)random_u32();
    return bytes;
}

static struct fls_checksum kind_of(enum fls_checksum_kind kind)
{
    return (struct fls_checksum){kind, NULL};
}

/* Made by binascii.crc_hqx(data, 0), zlib.crc32(data) and `xxhsum -H3`. */
struct answer {
    const char *text; /* NULL: pattern_fill of `length` */
    size_t length;
    uint64_t crc16, crc32, xxh3;
};

static const struct answer answers[] = {
    {"123456789", 9, 0x31c3, 0xcbf43926, 0x72dcb18b67a17dff},
    {"", 0, 0, 0, 0x2d06800538d394c2},
    {"a", 1, 0x7c87, 0xe8b7be43, 0xe6c632b61e964e1f},
    {"flatstream", 10, 0xbf3b, 0xc0692553, 0x0f75fd0060a8f996},
    {NULL, 63, 0xc480, 0xc64870bf, 0x48cb27ee0a1cffb7},
    {NULL, 64, 0xdd70, 0x85aace88, 0x84107b991359b565},
    {NULL, 65, 0xdf59, 0x6c336dd5, 0xa1d9f2fd06bc6080},
    {NULL, 240, 0x436d, 0x4863e7dc, 0x6bc234dfc9ae5843},
    {NULL, 241, 0xf0f6, 0x6fde2abd, 0x4bddf45e258b6299},
    {NULL, 1000, 0xad07, 0xab79dddb, 0x82d4f57f2d41c12f},
    {NULL, 1024, 0x26d9, 0x545c9ab0, 0xc6c700c409d40c4b},
    {NULL, 65537, 0x069b, 0x0e51f4e7, 0xdf859e7fe87cdf13},
    {NULL, 1048576, 0x4727, 0x5dd4aa6f, 0xf7ab6b95f8aef1e8},
};

static void check_answer(const struct answer *answer)
{
    uint8_t *data = malloc(answer->length + 1);

    assert_non_null(data);
    if (answer->text)
        memcpy(data, answer->text, answer->length);
    else
        pattern_fill(data, answer->length);
    assert_int_equal(fls_checksum_of(kind_of(FLS_CHECKSUM_NONE), data, answer->length), 0);
    assert_int_equal(fls_checksum_of(kind_of(FLS_CHECKSUM_CRC16), data, answer->length),
                     answer->crc16);
    assert_int_equal(fls_checksum_of(kind_of(FLS_CHECKSUM_CRC32), data, answer->length),
                     answer->crc32);
    assert_int_equal(fls_checksum_of(kind_of(FLS_CHECKSUM_XXH3), data, answer->length),
                     answer->xxh3);
    free(data);
}

static void known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        check_answer(&answers[i]);
}

static void nothing_may_be_null(void **state)
{
    struct fls_payload empty = {NULL, 0, 0};

    (void)state;
    for (int kind = FLS_CHECKSUM_NONE; kind < FLS_CHECKSUM_CUSTOM; kind++) {
        struct fls_checksum checksum = kind_of((enum fls_checksum_kind)kind);
        uint64_t value = fls_checksum_of(checksum, "", 0);
        assert_int_equal(fls_checksum_of(checksum, NULL, 0), value);
        assert_int_equal(fls_checksum_of_payload(checksum, &empty), value);
    }
}

static uint64_t stream_in_two(struct fls_checksum checksum, const uint8_t *data, size_t length,
                              size_t cut)
{
    struct fls_checksum_state state;

    fls_checksum_begin(&state, checksum);
    fls_checksum_update(&state, data, cut);
    fls_checksum_update(&state, NULL, 0);
    fls_checksum_update(&state, data + cut, length - cut);
    return fls_checksum_finish(&state);
}

/* Cuts `data` into random pieces, empty ones among them. */
static size_t random_cuts(uint8_t *data, size_t length, struct iovec *segments, size_t most)
{
    size_t at = 0, count = 0;

    while (at < length && count < most - 1) {
        size_t part = random_u32() % (random_u32() % 8 == 0 ? 700 : 40);
        part = part < length - at ? part : length - at;
        segments[count++] = (struct iovec){data + at, part};
        at += part;
    }
    segments[count++] = (struct iovec){data + at, length - at};
    return count;
}

static void check_segmentations(struct fls_checksum checksum, uint8_t *data, size_t length)
{
    struct iovec segments[64];
    uint64_t whole = fls_checksum_of(checksum, data, length);
    size_t step = length < 140 ? 1 : 1 + random_u32() % 97;

    for (size_t cut = 0; cut <= length; cut += step)
        assert_int_equal(stream_in_two(checksum, data, length, cut), whole);
    for (int i = 0; i < 4; i++) {
        size_t count = random_cuts(data, length, segments, 64);
        struct fls_payload payload = fls_payload_from_segments(segments, count);
        assert_int_equal(fls_checksum_of_payload(checksum, &payload), whole);
    }
}

static void streaming_equals_one_shot(void **state)
{
    static const size_t big[] = {4095, 65536, 65537, 300000};
    uint8_t *data = random_bytes(300000);

    (void)state;
    for (int kind = FLS_CHECKSUM_NONE; kind < FLS_CHECKSUM_CUSTOM; kind++) {
        struct fls_checksum checksum = kind_of((enum fls_checksum_kind)kind);
        for (size_t length = 0; length <= LENGTH_MAX; length++)
            check_segmentations(checksum, data, length);
        for (size_t i = 0; i < sizeof big / sizeof big[0]; i++) {
            struct iovec segments[64];
            size_t count = random_cuts(data, big[i], segments, 64);
            struct fls_payload payload = fls_payload_from_segments(segments, count);
            assert_int_equal(fls_checksum_of_payload(checksum, &payload),
                             fls_checksum_of(checksum, data, big[i]));
        }
    }
    free(data);
}

/* The definition: bit by bit. */
static uint16_t crc16_by_definition(uint16_t crc, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        crc = (uint16_t)(crc ^ (data[i] << 8));
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0));
    }
    return crc;
}

static void crc16_variants_agree(void **state)
{
    uint8_t *data = random_bytes(LENGTH_MAX + 64);

    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        const uint8_t *from = data + length % 64;
        uint16_t start = (uint16_t)random_u32();
        uint16_t defined = crc16_by_definition(start, from, length);
        assert_int_equal(fls_crc16_table(start, from, length), defined);
        assert_int_equal(fls_crc16(start, from, length), defined);
#if defined(__x86_64__)
        if (length >= 64 && __builtin_cpu_supports("pclmul"))
            assert_int_equal(fls_crc16_clmul(start, from, length), defined);
#endif
    }
    free(data);
}

static void crc16_variants_agree_at_every_alignment(void **state)
{
    static const size_t lengths[] = {64, 65, 127, 128, 129, 191, 192, 255, 256, 4096, 16384};
    uint8_t *data = random_bytes(16384 + 64);

    (void)state;
    for (size_t offset = 0; offset < 64; offset++)
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
            assert_int_equal(fls_crc16(0, data + offset, lengths[i]),
                             fls_crc16_table(0, data + offset, lengths[i]));
    free(data);
}

/* x^n mod P, bit by bit. */
static uint16_t power_of_x(unsigned n)
{
    uint32_t value = 1;

    while (n-- > 0) {
        value <<= 1;
        if (value & 0x10000)
            value ^= 0x11021;
    }
    return (uint16_t)value;
}

/* The folding constants that crc16_clmul.c states. */
static void crc16_constants(void **state)
{
    (void)state;
    assert_int_equal(power_of_x(576), 0x8832);
    assert_int_equal(power_of_x(512), 0x13fc);
    assert_int_equal(power_of_x(192), 0x650b);
    assert_int_equal(power_of_x(128), 0xaefc);
}

static uint32_t crc32_by_definition(uint32_t crc, const uint8_t *data, size_t length)
{
    crc = ~crc;
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
    }
    return ~crc;
}

/* The copy ends where its memory does, so that a checker sees a load past either end. */
static void crc32_equals_its_definition(void **state)
{
    uint8_t *data = random_bytes(LENGTH_MAX);

    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        uint8_t *copy = malloc(length + (length == 0));
        assert_non_null(copy);
        memcpy(copy, data, length);
        assert_int_equal(fls_checksum_of(kind_of(FLS_CHECKSUM_CRC32), copy, length),
                         crc32_by_definition(0, data, length));
        free(copy);
    }
    free(data);
}

static void crc32_short_kernel_at_every_alignment(void **state)
{
    (void)state;
#if defined(__x86_64__)
    uint8_t *data = random_bytes(FLS_CRC32_SHORT_BYTES_MAX + 64);

    if (fls_crc32_short_lengths == 0)
        skip();
    for (size_t length = FLS_CRC32_SHORT_BYTES_MIN; length <= FLS_CRC32_SHORT_BYTES_MAX; length++) {
        for (size_t offset = 0; offset < 64; offset++) {
            uint32_t start = random_u32();
            uint32_t expected = crc32_by_definition(start, data + offset, length);
            assert_int_equal(fls_crc32_short(start, data + offset, length), expected);
            if (fls_crc32_short_is_wide && length >= FLS_CRC32_WIDE_BYTES_MIN)
                assert_int_equal(fls_crc32_short_wide(start, data + offset, length), expected);
        }
    }
    free(data);
#endif
}

/* Each bit alone, which nothing else can make up for. */
static void crc32_of_single_bits(void **state)
{
    static const size_t lengths[] = {8, 9, 12, 15, 16, 23, 64, 68, 250, 255, 256};
    uint8_t data[256] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (size_t bit = 0; bit < 8 * lengths[i]; bit++) {
            data[bit / 8] = (uint8_t)(1 << bit % 8);
            assert_int_equal(fls_checksum_of(kind_of(FLS_CHECKSUM_CRC32), data, lengths[i]),
                             crc32_by_definition(0, data, lengths[i]));
            data[bit / 8] = 0;
        }
    }
}

/* Chosen in a constructor, as xxh3's variant is. */
static void crc32_takes_the_kernel(void **state)
{
    (void)state;
#if defined(__x86_64__)
    int able = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("avx");
    assert_int_equal(fls_crc32_short_lengths,
                     able ? FLS_CRC32_SHORT_BYTES_MAX - FLS_CRC32_SHORT_BYTES_MIN + 1 : 0);
    int wide = __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("vpclmulqdq");
    assert_int_equal(!!fls_crc32_short_is_wide, !!wide);
#endif
}

#if defined(__x86_64__)
static uint64_t xxh3_streamed(const struct fls_xxh3_functions *variant, const uint8_t *data,
                              size_t length, size_t cut)
{
    _Alignas(64) uint8_t memory[FLS_XXH3_STATE_BYTES];

    variant->begin(memory);
    variant->update(memory, data, cut);
    variant->update(memory, data + cut, length - cut);
    return variant->finish(memory);
}

/* The choice is made in a constructor, where the processor must be asked about explicitly. */
static void xxh3_takes_the_widest(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (fls_xxh3_has_avx512())
        assert_ptr_equal(fls_xxh3, &fls_xxh3_avx512);
    else if (__builtin_cpu_supports("avx2"))
        assert_ptr_equal(fls_xxh3, &fls_xxh3_avx2);
    else
        assert_ptr_equal(fls_xxh3, &fls_xxh3_baseline);
#endif
}

static void assert_agrees(const struct fls_xxh3_functions *variant, const uint8_t *data)
{
    static const size_t big[] = {4096, 65535, 65536, 200001};

    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        const uint8_t *bytes = data + length % 9;
        uint64_t value = fls_xxh3_baseline.of(bytes, length);
        assert_int_equal(variant->of(bytes, length), value);
        assert_int_equal(fls_xxh3_of(bytes, length), value);
        assert_int_equal(xxh3_streamed(variant, bytes, length, length / 2), value);
    }
    for (size_t i = 0; i < sizeof big / sizeof big[0]; i++)
        assert_int_equal(variant->of(data, big[i]), fls_xxh3_baseline.of(data, big[i]));
}

static void xxh3_variants_agree(void **state)
{
    uint8_t *data = random_bytes(200001);

    (void)state;
    assert_agrees(&fls_xxh3_baseline, data);
    if (__builtin_cpu_supports("avx2"))
        assert_agrees(&fls_xxh3_avx2, data);
    if (__builtin_cpu_supports("avx512f"))
        assert_agrees(&fls_xxh3_avx512, data);
    free(data);
}
#endif

/* --- custom ------------------------------------------------------------------------------------
 */

/* FNV-1a, 64 bits; the state must be aligned to 64. */
static void fnv_begin(void *context, void *state)
{
    assert_int_equal((uintptr_t)state % 64, 0);
    memset(state, 0xee, FLS_CHECKSUM_STATE_BYTES);
    *(uint64_t *)state = *(const uint64_t *)context;
}

static void fnv_update(void *context, void *state, const void *data, size_t length)
{
    uint64_t *hash = state;

    (void)context;
    for (size_t i = 0; i < length; i++)
        *hash = (*hash ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
}

static uint64_t fnv_finish(void *context, void *state)
{
    (void)context;
    return *(uint64_t *)state;
}

static uint64_t fnv_basis = UINT64_C(0xcbf29ce484222325);

static void custom_of_every_width(void **state)
{
    const uint64_t full = UINT64_C(0x85944171f73967e8); /* FNV-1a of "foobar", its test suite's */

    (void)state;
    for (size_t width = 0; width <= FLS_CHECKSUM_BYTES_MAX; width++) {
        struct fls_checksum_custom custom = {width, fnv_begin, fnv_update, fnv_finish, &fnv_basis};
        struct fls_checksum checksum = {FLS_CHECKSUM_CUSTOM, &custom};
        uint64_t masked = width == 8 ? full : full & ((UINT64_C(1) << (8 * width)) - 1);
        assert_ok(fls_checksum_check(checksum));
        assert_int_equal(fls_checksum_bytes(checksum), width);
        assert_int_equal(fls_checksum_of(checksum, "foobar", 6), masked);
        assert_int_equal(stream_in_two(checksum, (const uint8_t *)"foobar", 6, 2), masked);
    }
}

static void unusable_checksums_are_refused(void **state)
{
    struct fls_checksum_custom custom = {4, fnv_begin, fnv_update, fnv_finish, NULL};
    struct fls_checksum checksum = {FLS_CHECKSUM_CUSTOM, &custom};

    (void)state;
    assert_ok(fls_checksum_check(checksum));
    custom.bytes = FLS_CHECKSUM_BYTES_MAX + 1;
    assert_int_equal(fls_checksum_check(checksum), FLS_INVALID_ARGUMENT);
    custom.bytes = 4;
    custom.begin = NULL;
    assert_int_equal(fls_checksum_check(checksum), FLS_INVALID_ARGUMENT);
    custom.begin = fnv_begin;
    custom.update = NULL;
    assert_int_equal(fls_checksum_check(checksum), FLS_INVALID_ARGUMENT);
    custom.update = fnv_update;
    custom.finish = NULL;
    assert_int_equal(fls_checksum_check(checksum), FLS_INVALID_ARGUMENT);
    checksum.custom = NULL;
    assert_int_equal(fls_checksum_check(checksum), FLS_INVALID_ARGUMENT);
    for (int kind = FLS_CHECKSUM_NONE; kind < FLS_CHECKSUM_CUSTOM; kind++)
        assert_ok(fls_checksum_check(kind_of((enum fls_checksum_kind)kind)));
    assert_int_equal(fls_checksum_check(kind_of((enum fls_checksum_kind)5)), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_checksum_check(kind_of((enum fls_checksum_kind) - 1)),
                     FLS_INVALID_ARGUMENT);
}

static void names(void **state)
{
    static const char *const expected[] = {"none", "crc16", "crc32", "xxh3"};
    static const size_t widths[] = {0, 2, 4, 8};
    enum fls_checksum_kind kind = FLS_CHECKSUM_CUSTOM;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_string_equal(fls_checksum_name((enum fls_checksum_kind)i), expected[i]);
        assert_ok(fls_checksum_from_name(expected[i], &kind));
        assert_int_equal(kind, i);
        assert_int_equal(fls_checksum_bytes(kind_of(kind)), widths[i]);
    }
    assert_string_equal(fls_checksum_name(FLS_CHECKSUM_CUSTOM), "custom");
    assert_string_equal(fls_checksum_name((enum fls_checksum_kind)5), "unknown");
    assert_string_equal(fls_checksum_name((enum fls_checksum_kind) - 1), "unknown");
    assert_int_equal(fls_checksum_from_name("custom", &kind), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_checksum_from_name("CRC32", &kind), FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_checksum_from_name("", &kind), FLS_INVALID_ARGUMENT);
    assert_non_null(fls_checksum_crc32_provider());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(nothing_may_be_null),
        cmocka_unit_test(streaming_equals_one_shot),
        cmocka_unit_test(crc16_variants_agree),
        cmocka_unit_test(crc16_variants_agree_at_every_alignment),
        cmocka_unit_test(crc16_constants),
        cmocka_unit_test(crc32_equals_its_definition),
        cmocka_unit_test(crc32_short_kernel_at_every_alignment),
        cmocka_unit_test(crc32_of_single_bits),
        cmocka_unit_test(crc32_takes_the_kernel),
#if defined(__x86_64__)
        cmocka_unit_test(xxh3_variants_agree),
#endif
        cmocka_unit_test(xxh3_takes_the_widest),
        cmocka_unit_test(custom_of_every_width),
        cmocka_unit_test(unusable_checksums_are_refused),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
