/*
 * tap_test.c: the ready-made taps by hand, at their bounds; composites, names and reasons; and a
 * chain on a reader and on a writer.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/frames.h"

static struct fls_payload of_length(size_t length)
{
    static uint8_t bytes[64];
    static struct iovec segment;

    segment = (struct iovec){bytes, length};
    return fls_payload_from_segments(&segment, 1);
}

static void count_call(void *context, const struct fls_payload *payload)
{
    *(size_t *)context += 1 + payload->length;
}

static void observer(void **state)
{
    size_t seen = 0;
    struct fls_tap tap = fls_tap_observer(count_call, &seen);
    struct fls_payload payload = of_length(9);

    (void)state;
    assert_ok(fls_tap_run(&tap, &payload, NULL));
    assert_int_equal(seen, 10);
    assert_string_equal(tap.name, "observer");
    assert_null(fls_tap_observer(NULL, NULL).run);
}

static void bound(void **state)
{
    struct fls_tap tap = fls_tap_bound(10);
    struct fls_error error = FLS_ZERO;
    struct fls_payload payload = of_length(10);

    (void)state;
    assert_ok(fls_tap_run(&tap, &payload, &error));
    assert_int_equal(error.status, FLS_OK); /* written only on failure */
    payload = of_length(11);
    assert_int_equal(fls_tap_run(&tap, &payload, &error), FLS_INVALID_FRAME);
    assert_int_equal(error.status, FLS_INVALID_FRAME);
    assert_int_equal(error.expected, 10);
    assert_int_equal(error.found, 11);
    assert_string_equal(error.subject, "bound");
    assert_int_equal(fls_tap_run(&tap, &payload, NULL), FLS_INVALID_FRAME);
}

static void size_bounds_are_inclusive(void **state)
{
    struct fls_tap tap = fls_tap_size(5, 10);
    struct fls_error error = FLS_ZERO;

    (void)state;
    for (size_t length = 0; length < 20; length++) {
        struct fls_payload payload = of_length(length);
        int fits = length >= 5 && length <= 10;
        assert_int_equal(fls_tap_run(&tap, &payload, &error),
                         fits ? FLS_OK : FLS_VALIDATION_FAILED);
        if (fits)
            continue;
        assert_string_equal(error.subject, "size");
        assert_int_equal(error.expected, length < 5 ? 5 : 10);
        assert_int_equal(error.found, length);
        assert_true(error.reason[0] != '\0');
    }
}

static int verify_code;

static int verify(const void *buffer, size_t bytes)
{
    assert_non_null(buffer);
    assert_int_equal(bytes, 8);
    return verify_code;
}

static void typed(void **state)
{
    struct fls_tap tap = fls_tap_typed("monster", verify);
    struct fls_error error = FLS_ZERO;
    struct fls_payload payload = of_length(8);
    char line[100];

    (void)state;
    verify_code = 0;
    assert_ok(fls_tap_run(&tap, &payload, &error));
    verify_code = 13;
    assert_int_equal(fls_tap_run(&tap, &payload, &error), FLS_VALIDATION_FAILED);
    fls_error_format(&error, line, sizeof line);
    assert_string_equal(line, "refused by monster: the verifier returned 13");
    assert_int_equal(tap.contiguous, 1);
    assert_string_equal(fls_tap_typed(NULL, verify).name, "typed");
    assert_null(fls_tap_typed("x", NULL).run);
}

/* A tap that needs one piece is not run on several: it would read past the first. */
static void contiguous_taps_refuse_segments(void **state)
{
    struct fls_tap tap = fls_tap_typed("monster", verify);
    struct iovec segments[2] = {{"abcd", 4}, {"efgh", 4}};
    struct fls_payload payload = fls_payload_from_segments(segments, 2);
    struct fls_error error = FLS_ZERO;

    (void)state;
    verify_code = 0;
    assert_int_equal(fls_tap_run(&tap, &payload, &error), FLS_INVALID_ARGUMENT);
    assert_int_equal(error.status, FLS_INVALID_ARGUMENT);
}

static void composite(void **state)
{
    size_t before = 0, behind = 0;
    struct fls_tap parts[3] = {fls_tap_observer(count_call, &before), fls_tap_size(2, 5),
                               fls_tap_observer(count_call, &behind)};
    struct fls_tap whole = fls_tap_composite(parts, 3);
    struct fls_tap nested = fls_tap_composite(&whole, 1);
    struct fls_error error = FLS_ZERO;
    struct fls_payload payload = of_length(3);

    (void)state;
    assert_ok(fls_tap_run(&nested, &payload, &error));
    assert_int_equal(before, 4);
    assert_int_equal(behind, 4);
    payload = of_length(6);
    assert_int_equal(fls_tap_run(&nested, &payload, &error), FLS_VALIDATION_FAILED);
    assert_string_equal(error.subject, "size"); /* under its own name */
    assert_int_equal(before, 11);
    assert_int_equal(behind, 4);
    struct fls_tap empty = fls_tap_composite(NULL, 0);
    assert_ok(fls_tap_run(&empty, &payload, NULL));
    assert_int_equal(whole.contiguous, 0);
    parts[1] = fls_tap_typed("t", verify);
    assert_int_equal(fls_tap_composite(parts, 3).contiguous, 1);
}

static enum fls_status own_reason(const struct fls_tap *tap, const struct fls_payload *payload,
                                  struct fls_error *error)
{
    (void)payload;
    snprintf(error->reason, sizeof error->reason, "%s", (const char *)tap->context);
    return FLS_INVALID_FLATBUFFER;
}

static void own_tap(void **state)
{
    struct fls_tap tap = {.run = own_reason, .name = "mine", .context = "it is blue"};
    struct fls_tap nameless = {.run = own_reason, .context = "so"};
    struct fls_error error = FLS_ZERO;
    struct fls_payload payload = of_length(3);

    (void)state;
    assert_int_equal(fls_tap_run(&tap, &payload, &error), FLS_INVALID_FLATBUFFER);
    assert_int_equal(error.status, FLS_INVALID_FLATBUFFER);
    assert_string_equal(error.subject, "mine");
    assert_string_equal(error.reason, "it is blue");
    assert_int_equal(fls_tap_run(&nameless, &payload, &error), FLS_INVALID_FLATBUFFER);
    assert_string_equal(error.subject, "");
}

/* --- on both sides -------------------------------------------------------------------------------
 */

static char order[64];

static void note(void *context, const struct fls_payload *payload)
{
    (void)payload;
    strncat(order, context, sizeof order - strlen(order) - 1);
}

static void both_sides_run_them_in_the_order_added(void **state)
{
    struct fls_tap first[2] = {fls_tap_observer(note, "a"), fls_tap_size(0, 6)};
    struct fls_tap second = fls_tap_observer(note, "b"), third = fls_tap_bound(4);
    struct fls_tap last = fls_tap_observer(note, "c");
    struct fls_writer_options options = {.taps = first, .tap_count = 2};
    struct fls_reader_options reading = {.taps = first, .tap_count = 2};
    struct fls_message message;
    struct frames frames = {NULL, 0, 0};
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);

    (void)state;
    order[0] = '\0';
    assert_ok(fls_writer_add_tap(writer, &second));
    assert_ok(fls_writer_add_tap(writer, &third));
    assert_ok(fls_writer_add_tap(writer, &last));
    assert_ok(fls_writer_write(writer, "abcd", 4));
    assert_int_equal(fls_writer_write(writer, "abcde", 5), FLS_INVALID_FRAME);
    assert_int_equal(fls_writer_write(writer, "abcdefg", 7), FLS_VALIDATION_FAILED);
    assert_string_equal(order, "abcaba");
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);

    for (size_t length = 4; length < 8; length++)
        frames_put(&frames, (struct fls_checksum){FLS_CHECKSUM_CRC32, NULL}, "abcdefg", length);
    frames.bytes[frames.length - 1] ^= 1; /* taps come behind the checksum */
    reading.checksum = FLS_CHECKSUM_CRC32;
    struct fls_reader *reader = open_memory_reader(frames.bytes, frames.length, &reading);
    order[0] = '\0';
    assert_ok(fls_reader_add_tap(reader, &second));
    assert_ok(fls_reader_add_tap(reader, &third));
    assert_ok(fls_reader_add_tap(reader, &last));
    assert_ok(fls_reader_next(reader, &message));
    assert_int_equal(fls_reader_next(reader, &message), FLS_INVALID_FRAME);
    assert_string_equal(fls_reader_error(reader)->subject, "bound");
    assert_int_equal(fls_reader_next(reader, &message), FLS_INVALID_FRAME);
    assert_int_equal(fls_reader_next(reader, &message), FLS_CHECKSUM_MISMATCH);
    assert_int_equal(fls_reader_next(reader, &message), FLS_END);
    assert_string_equal(order, "abcabab");
    fls_reader_close(reader);
    free(frames.bytes);
}

/* A writer flattens what a verifier must see in one piece, aligned; and counts that. */
static int verify_aligned(const void *buffer, size_t bytes)
{
    assert_int_equal((uintptr_t)buffer % 8, 0);
    assert_int_equal(bytes, 9);
    return memcmp(buffer, "abcdefghi", 9) == 0 ? 0 : 1;
}

static void writer_flattens_for_verifiers(void **state)
{
    struct fls_tap tap = fls_tap_typed("nine", verify_aligned);
    struct fls_writer_options options = {
        .taps = &tap, .tap_count = 1, .copy_bytes_max = FLS_COPY_NEVER};
    _Alignas(8) char memory[32] = "abcdefghi";
    struct iovec segments[3] = {{memory, 2}, {NULL, 0}, {memory + 2, 7}};
    struct fls_payload payload = fls_payload_from_segments(segments, 3);
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, &options);

    (void)state;
    assert_ok(fls_writer_write(writer, memory, 9));
    assert_int_equal(fls_writer_statistics(writer).copies, 0);
    assert_ok(fls_writer_write_payload(writer, &payload));
    assert_int_equal(fls_writer_statistics(writer).copies, 1);
    memmove(memory + 1, memory, 9);
    assert_ok(fls_writer_write(writer, memory + 1, 9));
    assert_int_equal(fls_writer_statistics(writer).copies, 2);
    assert_int_equal(fls_writer_statistics(writer).bytes_copied, 18);
    assert_ok(fls_writer_close(writer, NULL));
    fls_sink_close(sink, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(observer),
        cmocka_unit_test(bound),
        cmocka_unit_test(size_bounds_are_inclusive),
        cmocka_unit_test(typed),
        cmocka_unit_test(contiguous_taps_refuse_segments),
        cmocka_unit_test(composite),
        cmocka_unit_test(own_tap),
        cmocka_unit_test(both_sides_run_them_in_the_order_added),
        cmocka_unit_test(writer_flattens_for_verifiers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
