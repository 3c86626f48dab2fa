/*
 * frame_test.c: the codec at every prefix length, right before a page that must not be touched; the
 * order of its checks; and the detection of a stream's checksum.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Memory that ends at a page that faults. */
struct fence {
    uint8_t *pages;
    size_t bytes;
    size_t page;
};

static struct fence fence_open(size_t bytes)
{
    struct fence fence;

    fence.page = (size_t)sysconf(_SC_PAGESIZE);
    fence.bytes = (bytes + fence.page - 1) / fence.page * fence.page;
    fence.pages = mmap(NULL, fence.bytes + fence.page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(fence.pages != MAP_FAILED);
    assert_int_equal(mprotect(fence.pages + fence.bytes, fence.page, PROT_NONE), 0);
    return fence;
}

/* The bytes, so that the one behind them faults. */
static const uint8_t *fence_place(struct fence *fence, const void *bytes, size_t length)
{
    uint8_t *at = fence->pages + fence->bytes - length;

    if (length > 0)
        memcpy(at, bytes, length);
    return at;
}

static void fence_close(struct fence *fence)
{
    munmap(fence->pages, fence->bytes + fence->page);
}

static struct fls_frame_format format_of(enum fls_checksum_kind kind)
{
    return (struct fls_frame_format){{kind, NULL}, 0};
}

/* Appends a frame to `to`; returns its length. */
static size_t put_frame(uint8_t *to, struct fls_checksum checksum, const void *payload,
                        size_t bytes)
{
    struct fls_frame_format format = {checksum, 0};
    uint8_t header[FLS_FRAME_HEADER_BYTES_MAX];
    size_t header_bytes = fls_frame_encode_header(
        &format, (uint32_t)bytes, fls_checksum_of(checksum, payload, bytes), header);

    memcpy(to, header, header_bytes);
    if (bytes > 0)
        memcpy(to + header_bytes, payload, bytes);
    return header_bytes + bytes;
}

/* --- encoding ----------------------------------------------------------------------------------
 */

/* Adds up the bytes: enough to tell widths apart. */
static void sum_begin(void *context, void *state)
{
    (void)context;
    *(uint64_t *)state = UINT64_C(0x1122334455667700);
}

static void sum_update(void *context, void *state, const void *data, size_t length)
{
    (void)context;
    for (size_t i = 0; i < length; i++)
        *(uint64_t *)state += ((const uint8_t *)data)[i];
}

static uint64_t sum_finish(void *context, void *state)
{
    (void)context;
    return *(uint64_t *)state;
}

static struct fls_checksum_custom sum_of_width(size_t width)
{
    return (struct fls_checksum_custom){width, sum_begin, sum_update, sum_finish, NULL};
}

static void header_of_every_width(void **state)
{
    const uint8_t expected[] = {0x04, 0x03, 0x02, 0x01, 0x88, 0x77,
                                0x66, 0x55, 0x44, 0x33, 0x22, 0x11};

    (void)state;
    for (size_t width = 0; width <= FLS_CHECKSUM_BYTES_MAX; width++) {
        struct fls_checksum_custom custom = sum_of_width(width);
        struct fls_frame_format format = {{FLS_CHECKSUM_CUSTOM, &custom}, 0};
        uint8_t header[FLS_FRAME_HEADER_BYTES_MAX];
        size_t bytes =
            fls_frame_encode_header(&format, 0x01020304, UINT64_C(0x1122334455667788), header);
        assert_int_equal(bytes, 4 + width);
        assert_memory_equal(header, expected, bytes);
    }
}

static void decodes_every_width(void **state)
{
    (void)state;
    for (size_t width = 0; width <= FLS_CHECKSUM_BYTES_MAX; width++) {
        struct fls_checksum_custom custom = sum_of_width(width);
        struct fls_frame_format format = {{FLS_CHECKSUM_CUSTOM, &custom}, 0};
        struct fls_frame frame;
        uint8_t bytes[64];
        size_t length = put_frame(bytes, format.checksum, "payload", 7);
        assert_int_equal(fls_frame_decode(&format, bytes, length, &frame), FLS_FRAME_READY);
        assert_int_equal(frame.payload_bytes, 7);
        assert_int_equal(frame.frame_bytes, length);
        assert_ptr_equal(frame.payload, bytes + 4 + width);
        if (width == 0)
            continue;
        bytes[4 + width - 1] ^= 0x80;
        assert_int_equal(fls_frame_decode(&format, bytes, length, &frame), FLS_FRAME_BAD);
        assert_int_equal(frame.error.status, FLS_CHECKSUM_MISMATCH);
    }
}

/* --- decoding ----------------------------------------------------------------------------------
 */

/* Every prefix: what is wanted next, and not a byte read beyond what there is. */
static void check_prefixes(enum fls_checksum_kind kind, size_t payload_bytes)
{
    struct fls_frame_format format = format_of(kind);
    uint8_t payload[300], bytes[320];
    pattern_fill(payload, payload_bytes);
    size_t length = put_frame(bytes, format.checksum, payload, payload_bytes);
    size_t header_bytes = length - payload_bytes;
    struct fence fence = fence_open(length);

    for (size_t available = 0; available < length; available++) {
        struct fls_frame frame;
        const uint8_t *at = fence_place(&fence, bytes, available);
        assert_int_equal(fls_frame_decode(&format, at, available, &frame), FLS_FRAME_NEED_MORE);
        assert_int_equal(frame.need, available < header_bytes ? header_bytes : length);
    }
    struct fls_frame frame;
    const uint8_t *at = fence_place(&fence, bytes, length);
    assert_int_equal(fls_frame_decode(&format, at, length, &frame), FLS_FRAME_READY);
    assert_ptr_equal(frame.payload, at + header_bytes);
    assert_int_equal(frame.payload_bytes, payload_bytes);
    assert_int_equal(frame.frame_bytes, length);
    fence_close(&fence);
}

static void every_prefix(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 7, 8, 9, 64, 65, 255, 300};

    (void)state;
    for (int kind = FLS_CHECKSUM_NONE; kind < FLS_CHECKSUM_CUSTOM; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            check_prefixes((enum fls_checksum_kind)kind, sizes[i]);
}

static void more_bytes_behind_do_not_matter(void **state)
{
    struct fls_frame_format format = format_of(FLS_CHECKSUM_CRC32);
    struct fls_frame frame;
    uint8_t bytes[64];
    size_t length = put_frame(bytes, format.checksum, "abc", 3);

    (void)state;
    memset(bytes + length, 0xff, sizeof bytes - length);
    assert_int_equal(fls_frame_decode(&format, bytes, sizeof bytes, &frame), FLS_FRAME_READY);
    assert_int_equal(frame.frame_bytes, length);
}

/* Header whole, then the limit, then the payload whole, then the checksum. */
static void order_of_checks(void **state)
{
    struct fls_frame_format format = {{FLS_CHECKSUM_XXH3, NULL}, 10};
    struct fls_frame frame;
    uint8_t bytes[32] = {11, 0, 0, 0};

    (void)state;
    assert_int_equal(fls_frame_decode(&format, bytes, 11, &frame), FLS_FRAME_NEED_MORE);
    assert_int_equal(frame.need, 12);
    assert_int_equal(fls_frame_decode(&format, bytes, 12, &frame), FLS_FRAME_BAD);
    assert_int_equal(frame.error.status, FLS_INVALID_FRAME);
    assert_int_equal(frame.error.expected, 10);
    assert_int_equal(frame.error.found, 11);
    assert_int_equal(frame.error.has_frame, 0);
    bytes[0] = 10;
    assert_int_equal(fls_frame_decode(&format, bytes, 21, &frame), FLS_FRAME_NEED_MORE);
    assert_int_equal(frame.need, 22);
    assert_int_equal(fls_frame_decode(&format, bytes, 22, &frame), FLS_FRAME_BAD);
    assert_int_equal(frame.error.status, FLS_CHECKSUM_MISMATCH);
    assert_int_equal(frame.error.expected, 0);
    assert_int_equal(frame.error.found, fls_checksum_of(format.checksum, bytes + 12, 10));
}

static enum fls_frame_result decode_length(uint64_t limit, uint32_t declared,
                                           struct fls_frame *frame)
{
    struct fls_frame_format format = {{FLS_CHECKSUM_NONE, NULL}, limit};
    uint8_t header[FLS_FRAME_HEADER_BYTES_MAX];

    fls_frame_encode_header(&format, declared, 0, header);
    return fls_frame_decode(&format, header, 4, frame);
}

static void limits(void **state)
{
    struct fls_frame frame;

    (void)state;
    assert_int_equal(decode_length(0, 0x80000000u, &frame), FLS_FRAME_NEED_MORE);
    assert_int_equal(frame.need, UINT64_C(0x80000004));
    assert_int_equal(decode_length(0, 0x80000001u, &frame), FLS_FRAME_BAD);
    assert_int_equal(frame.error.expected, 0x80000000u);
    assert_int_equal(decode_length(UINT32_MAX, UINT32_MAX, &frame), FLS_FRAME_NEED_MORE);
    assert_int_equal(frame.need, UINT64_C(0x100000003));
    assert_int_equal(decode_length(UINT64_MAX, UINT32_MAX, &frame), FLS_FRAME_NEED_MORE);
    assert_int_equal(decode_length(1, 1, &frame), FLS_FRAME_NEED_MORE);
    assert_int_equal(decode_length(1, 2, &frame), FLS_FRAME_BAD);
}

/* --- detection ---------------------------------------------------------------------------------
 */

#define STREAM_BYTES 16384

struct stream {
    uint8_t bytes[STREAM_BYTES];
    size_t length;
};

static struct stream stream_of(enum fls_checksum_kind kind, size_t frames, size_t payload_bytes)
{
    struct stream stream = {.length = 0};
    uint8_t payload[1024];

    pattern_fill(payload, payload_bytes);
    for (size_t i = 0; i < frames; i++)
        stream.length += put_frame(stream.bytes + stream.length, (struct fls_checksum){kind, NULL},
                                   payload, payload_bytes);
    return stream;
}

static unsigned detect(const struct stream *stream, size_t available, int complete)
{
    struct fence fence = fence_open(available + 1);
    const uint8_t *at = fence_place(&fence, stream->bytes, available);
    unsigned kinds = fls_frame_detect(at, available, complete, 0, NULL);

    fence_close(&fence);
    return kinds;
}

#define BIT(kind) (1u << (kind))
#define ALL_KINDS                                                                                  \
    (BIT(FLS_CHECKSUM_NONE) | BIT(FLS_CHECKSUM_CRC16) | BIT(FLS_CHECKSUM_CRC32) |                  \
     BIT(FLS_CHECKSUM_XXH3))

static void detects_each_kind(void **state)
{
    static const size_t sizes[] = {5, 64, 100, 700};

    (void)state;
    for (int kind = FLS_CHECKSUM_NONE; kind < FLS_CHECKSUM_CUSTOM; kind++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct stream stream = stream_of((enum fls_checksum_kind)kind, 8, sizes[i]);
            assert_int_equal(detect(&stream, stream.length, 1), BIT(kind));
            assert_int_equal(detect(&stream, stream.length - 3, 1), BIT(kind));
        }
    }
}

/* A sample that ends anywhere in a longer stream never rules the right kind out; nor does a stream
 * that is torn anywhere (a few bytes behind its first frame it looks like one damaged frame of
 * another kind as well) but where what is left is one whole frame without a checksum. */
static void right_kind_is_never_ruled_out(void **state)
{
    (void)state;
    for (int kind = FLS_CHECKSUM_NONE; kind < FLS_CHECKSUM_CUSTOM; kind++) {
        struct stream stream = stream_of((enum fls_checksum_kind)kind, 5, 40);
        for (size_t available = 0; available <= stream.length; available++) {
            assert_true(detect(&stream, available, 0) & BIT(kind));
            if (available != 4 + 40)
                assert_true(detect(&stream, available, 1) & BIT(kind));
        }
    }
}

static void nothing_and_zeros_are_ambiguous(void **state)
{
    struct stream stream = {.length = 0};
    const unsigned empty_is_zeros =
        BIT(FLS_CHECKSUM_NONE) | BIT(FLS_CHECKSUM_CRC16) | BIT(FLS_CHECKSUM_CRC32);

    (void)state;
    assert_int_equal(detect(&stream, 0, 1), ALL_KINDS);
    assert_int_equal(detect(&stream, 0, 0), ALL_KINDS);
    assert_int_equal(detect(&stream, 48, 1) & empty_is_zeros, empty_is_zeros);
    assert_int_equal(fls_frame_detect(NULL, 0, 1, 0, NULL), ALL_KINDS);
}

static void noise_fits_no_kind(void **state)
{
    struct stream stream = {.length = 1000};

    (void)state;
    memset(stream.bytes, 0xf7, stream.length);
    assert_int_equal(detect(&stream, stream.length, 1), 0);
}

/* One flipped bit anywhere in a stream of several frames does not hide its kind. */
static void flipped_bits_do_not_hide_the_kind(void **state)
{
    (void)state;
    for (int kind = FLS_CHECKSUM_CRC32; kind <= FLS_CHECKSUM_XXH3; kind++) {
        struct stream stream = stream_of((enum fls_checksum_kind)kind, 6, 40);
        size_t first_frame = stream.length / 6;
        for (size_t bit = first_frame * 8; bit < stream.length * 8; bit++) {
            stream.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_int_equal(detect(&stream, stream.length, 1), BIT(kind));
            stream.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
    }
}

/* Damage in the first payload: the lengths still lead to the end. */
static void damaged_first_payload(void **state)
{
    (void)state;
    for (int kind = FLS_CHECKSUM_CRC16; kind <= FLS_CHECKSUM_XXH3; kind++) {
        struct stream stream = stream_of((enum fls_checksum_kind)kind, 1, 100);
        stream.bytes[stream.length - 1] ^= 1;
        assert_true(detect(&stream, stream.length, 1) & BIT(kind));
    }
}

/* A first frame of which a loss of power has left zeros for the end, and for all behind it, is not
 * one without a checksum with empty ones behind it. */
static void zeros_are_no_kind(void **state)
{
    (void)state;
    for (int kind = FLS_CHECKSUM_CRC16; kind <= FLS_CHECKSUM_XXH3; kind++)
        for (size_t behind = 0; behind < 2000; behind += 20) {
            struct stream stream = stream_of((enum fls_checksum_kind)kind, 1, 100);
            memset(stream.bytes + 60, 0, stream.length - 60);
            stream.length += behind;
            unsigned kinds = detect(&stream, stream.length, 1);
            assert_true(kinds & BIT(kind) || kind == FLS_CHECKSUM_CRC16);
            assert_int_not_equal(kinds, BIT(FLS_CHECKSUM_NONE));
        }
    /* With two that are not empty it is. */
    struct stream stream = stream_of(FLS_CHECKSUM_NONE, 2, 100);
    stream.length += 8;
    assert_int_equal(detect(&stream, stream.length, 1), BIT(FLS_CHECKSUM_NONE));
}

/* Zeros before the first frame, in any number: the kind is that of the frames behind them. */
static void zeros_in_front_prove_no_kind(void **state)
{
    (void)state;
    for (int kind = FLS_CHECKSUM_CRC16; kind <= FLS_CHECKSUM_XXH3; kind++)
        for (size_t zeros = 1; zeros < 5000; zeros += zeros < 70 ? 1 : 97) {
            struct stream frames = stream_of((enum fls_checksum_kind)kind, 3, 256);
            struct stream stream = {.length = zeros + frames.length};
            memcpy(stream.bytes + zeros, frames.bytes, frames.length);
            assert_int_equal(detect(&stream, stream.length, 1), BIT(kind));
            assert_int_equal(detect(&stream, stream.length - 1, 0), BIT(kind));
        }
}

static void need_tells_how_much_to_read(void **state)
{
    struct stream stream = stream_of(FLS_CHECKSUM_XXH3, 2, 100);
    size_t need = 1;

    (void)state;
    fls_frame_detect(stream.bytes, 0, 0, 0, &need);
    assert_int_equal(need, 12);
    fls_frame_detect(stream.bytes, 3, 0, 0, &need);
    assert_int_equal(need, 12);
    fls_frame_detect(stream.bytes, 12, 0, 0, &need);
    assert_int_equal(need, 112);
    fls_frame_detect(stream.bytes, 111, 0, 0, &need);
    assert_int_equal(need, 112);
    fls_frame_detect(stream.bytes, 112, 0, 0, &need);
    assert_int_equal(need, 0);
    fls_frame_detect(stream.bytes, 111, 1, 0, &need);
    assert_int_equal(need, 0);
    fls_frame_detect(stream.bytes, 12, 0, 50, &need); /* over the limit: no more would help */
    assert_int_equal(need, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_of_every_width),
        cmocka_unit_test(decodes_every_width),
        cmocka_unit_test(every_prefix),
        cmocka_unit_test(more_bytes_behind_do_not_matter),
        cmocka_unit_test(order_of_checks),
        cmocka_unit_test(limits),
        cmocka_unit_test(detects_each_kind),
        cmocka_unit_test(zeros_are_no_kind),
        cmocka_unit_test(zeros_in_front_prove_no_kind),
        cmocka_unit_test(right_kind_is_never_ruled_out),
        cmocka_unit_test(nothing_and_zeros_are_ambiguous),
        cmocka_unit_test(noise_fits_no_kind),
        cmocka_unit_test(flipped_bits_do_not_hide_the_kind),
        cmocka_unit_test(damaged_first_payload),
        cmocka_unit_test(need_tells_how_much_to_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
