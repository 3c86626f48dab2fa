/*
 * golden_test.c: the library against bytes that it did not make (data/golden/make_golden.py).
 *
 * Writing must give these bytes, whatever the framer and however the payload is cut; reading must
 * give the payloads back from them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/data_file.h"
#include "support/sha256.h"
#include "support/test.h"

#define GOLDEN TEST_DATA "/golden/"

static const size_t sizes[] = {0, 1, 3, 4, 7, 8, 1000, 65535, 65536, 65537, 1 << 20};
enum { SIZES = sizeof sizes / sizeof *sizes, SMALL_SIZES = 7, SIZE_MAX_BYTES = 1 << 20 };

static const char *const kinds[] = {"none", "crc16", "crc32", "xxh3"};
enum { KINDS = sizeof kinds / sizeof *kinds };

static enum fls_checksum_kind kind_named(const char *name)
{
    enum fls_checksum_kind kind;

    assert_ok(fls_checksum_from_name(name, &kind));
    return kind;
}

static uint8_t *payload_of(size_t bytes)
{
    uint8_t *payload = malloc(bytes > 0 ? bytes : 1);

    assert_non_null(payload);
    pattern_fill(payload, bytes);
    return payload;
}

/* --- the digest itself --- */

static void test_digest_is_sha256(void **state)
{
    char hex[65];

    (void)state;
    test_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    test_sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* --- checksums --- */

/* In two pieces, at every cut. */
static void check_streaming(struct fls_checksum checksum, const char *text, uint64_t value)
{
    size_t length = strlen(text);

    for (size_t cut = 0; cut <= length; cut++) {
        struct fls_checksum_state state;
        fls_checksum_begin(&state, checksum);
        fls_checksum_update(&state, text, cut);
        fls_checksum_update(&state, text + cut, length - cut);
        assert_int_equal(fls_checksum_finish(&state), value);
    }
}

static void test_known_answers(void **state)
{
    char *table = test_read_file(GOLDEN "known.tsv", NULL), *cursor = table;
    char *fields[TEST_FIELDS_MAX];
    int rows = 0;

    (void)state;
    for (; test_next_row(&cursor, fields) == 3; rows++) {
        struct fls_checksum checksum = {kind_named(fields[0]), NULL};
        uint64_t value = strtoull(fields[2], NULL, 16);
        assert_int_equal(fls_checksum_of(checksum, fields[1], strlen(fields[1])), value);
        check_streaming(checksum, fields[1], value);
    }
    assert_int_equal(rows, 3 * KINDS);
    free(table);
}

/* --- one frame --- */

/* The payload in three segments, one of them empty. */
static void check_segmented_checksum(struct fls_checksum checksum, uint8_t *payload, size_t bytes,
                                     uint64_t value)
{
    size_t cut = bytes / 3;
    struct iovec segments[3] = {{payload, cut}, {NULL, 0}, {payload + cut, bytes - cut}};
    struct fls_payload whole = fls_payload_from_segments(segments, 3);

    assert_int_equal(whole.length, bytes);
    assert_int_equal(fls_checksum_of_payload(checksum, &whole), value);
}

static void check_decode(const struct fls_frame_format *format, const uint8_t *frame_bytes,
                         size_t length, size_t header_bytes)
{
    struct fls_frame frame;

    assert_int_equal(fls_frame_decode(format, frame_bytes, length, &frame), FLS_FRAME_READY);
    assert_int_equal(frame.frame_bytes, length);
    assert_int_equal(frame.payload_bytes, length - header_bytes);
    assert_ptr_equal(frame.payload, frame_bytes + header_bytes);
    if (length == header_bytes)
        return;
    assert_int_equal(fls_frame_decode(format, frame_bytes, length - 1, &frame),
                     FLS_FRAME_NEED_MORE);
    assert_int_equal(frame.need, length);
}

static void check_frame(enum fls_checksum_kind kind, size_t bytes, const char *header_hex,
                        const char *digest)
{
    struct fls_frame_format format = {{kind, NULL}, 0};
    uint8_t *frame = malloc(FLS_FRAME_HEADER_BYTES_MAX + bytes);
    uint8_t expected[FLS_FRAME_HEADER_BYTES_MAX];
    uint8_t *payload = payload_of(bytes);
    char hex[65];

    assert_non_null(frame);
    uint64_t value = fls_checksum_of(format.checksum, payload, bytes);
    check_segmented_checksum(format.checksum, payload, bytes, value);
    size_t header_bytes = fls_frame_encode_header(&format, (uint32_t)bytes, value, frame);
    assert_int_equal(header_bytes, test_from_hex(header_hex, expected, sizeof expected));
    assert_memory_equal(frame, expected, header_bytes);
    if (bytes > 0)
        memcpy(frame + header_bytes, payload, bytes);
    test_sha256_hex(frame, header_bytes + bytes, hex);
    assert_string_equal(hex, digest);
    check_decode(&format, frame, header_bytes + bytes, header_bytes);
    free(payload);
    free(frame);
}

static void test_frames_of_every_size_and_kind(void **state)
{
    char *table = test_read_file(GOLDEN "golden.tsv", NULL), *cursor = table;
    char *fields[TEST_FIELDS_MAX];
    int rows = 0;

    (void)state;
    while (test_next_row(&cursor, fields) == 4) {
        if (strcmp(fields[1], "all") == 0)
            continue;
        assert_int_equal(strtoull(fields[1], NULL, 10), sizes[rows % SIZES]);
        check_frame(kind_named(fields[0]), sizes[rows % SIZES], fields[2], fields[3]);
        rows++;
    }
    assert_int_equal(rows, KINDS * SIZES);
    free(table);
}

/* --- whole streams, written --- */

enum how { EACH, EACH_IN_SEGMENTS, AS_ONE_BATCH, WAYS };

static void write_each(struct fls_writer *writer, uint8_t *const *payloads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_ok(fls_writer_write(writer, payloads[i], sizes[i]));
}

static void write_each_in_segments(struct fls_writer *writer, uint8_t *const *payloads,
                                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t a = sizes[i] / 5, b = sizes[i] / 2;
        struct iovec segments[4] = {
            {payloads[i], a}, {payloads[i] + a, b - a}, {NULL, 0}, {payloads[i] + b, sizes[i] - b}};
        struct fls_payload payload = fls_payload_from_segments(segments, 4);
        assert_ok(fls_writer_write_payload(writer, &payload));
    }
}

static void write_as_one_batch(struct fls_writer *writer, uint8_t *const *payloads, size_t count)
{
    struct iovec segments[SIZES];
    struct fls_payload list[SIZES];
    size_t written;

    for (size_t i = 0; i < count; i++) {
        segments[i] = (struct iovec){payloads[i], sizes[i]};
        list[i] = (struct fls_payload){&segments[i], 1, sizes[i]};
    }
    assert_ok(fls_writer_write_batch(writer, list, count, &written));
    assert_int_equal(written, count);
}

/* The first `count` sizes as one stream; the sink holds the bytes afterwards. */
static struct fls_sink *write_stream(const struct fls_writer_options *options, enum how how,
                                     size_t count)
{
    static void (*const ways[WAYS])(struct fls_writer *, uint8_t *const *, size_t) = {
        write_each, write_each_in_segments, write_as_one_batch};
    uint8_t *payloads[SIZES];
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, options);

    for (size_t i = 0; i < count; i++)
        payloads[i] = payload_of(sizes[i]);
    ways[how](writer, payloads, count);
    assert_ok(fls_writer_close(writer, NULL));
    for (size_t i = 0; i < count; i++)
        free(payloads[i]);
    return sink;
}

/* Calls `check` with options for every framer, threshold and way of writing. */
static void for_every_writer(enum fls_checksum_kind kind,
                             void (*check)(const struct fls_writer_options *, enum how,
                                           const void *),
                             const void *context)
{
    static const enum fls_framer framers[] = {FLS_FRAMER_SIMPLE, FLS_FRAMER_VECTORED,
                                              FLS_FRAMER_BATCHED};
    static const size_t thresholds[] = {0, 100, FLS_COPY_NEVER};

    for (size_t framer = 0; framer < 3; framer++)
        for (size_t threshold = 0; threshold < 3; threshold++)
            for (int how = EACH; how < WAYS; how++) {
                struct fls_writer_options options = {.framer = framers[framer],
                                                     .checksum = kind,
                                                     .copy_bytes_max = thresholds[threshold]};
                check(&options, (enum how)how, context);
            }
}

struct bytes {
    const void *at;
    size_t length;
};

static void check_equals_file(const struct fls_writer_options *options, enum how how,
                              const void *context)
{
    const struct bytes *golden = context;
    struct fls_sink *sink = write_stream(options, how, SMALL_SIZES);
    size_t length;
    const void *bytes = fls_sink_memory_bytes(sink, &length);

    assert_int_equal(length, golden->length);
    assert_memory_equal(bytes, golden->at, length);
    assert_ok(fls_sink_close(sink, NULL));
}

static void test_writers_make_the_golden_files(void **state)
{
    char path[4096];

    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct bytes golden;
        snprintf(path, sizeof path, GOLDEN "%s.fls", kinds[i]);
        char *file = test_read_file(path, &golden.length);
        golden.at = file;
        for_every_writer(kind_named(kinds[i]), check_equals_file, &golden);
        free(file);
    }
}

struct digest {
    size_t length;
    const char *hex;
};

static void check_equals_digest(const struct fls_writer_options *options, enum how how,
                                const void *context)
{
    const struct digest *golden = context;
    struct fls_sink *sink = write_stream(options, how, SIZES);
    size_t length;
    const void *bytes = fls_sink_memory_bytes(sink, &length);
    char hex[65];

    assert_int_equal(length, golden->length);
    test_sha256_hex(bytes, length, hex);
    assert_string_equal(hex, golden->hex);
    assert_ok(fls_sink_close(sink, NULL));
}

static void test_writers_make_the_golden_streams(void **state)
{
    char *table = test_read_file(GOLDEN "golden.tsv", NULL), *cursor = table;
    char *fields[TEST_FIELDS_MAX];
    int streams = 0;

    (void)state;
    while (test_next_row(&cursor, fields) == 4) {
        if (strcmp(fields[1], "all") != 0)
            continue;
        struct digest golden = {(size_t)strtoull(fields[2], NULL, 10), fields[3]};
        for_every_writer(kind_named(fields[0]), check_equals_digest, &golden);
        streams++;
    }
    assert_int_equal(streams, KINDS);
    free(table);
}

/* --- whole streams, read --- */

static void check_message(const struct fls_message *message, size_t index, uint64_t offset)
{
    uint8_t *payload = payload_of(sizes[index]);

    assert_int_equal(message->frame, index);
    assert_int_equal(message->offset, offset);
    assert_int_equal(message->bytes, sizes[index]);
    if (message->bytes > 0)
        assert_memory_equal(message->payload, payload, message->bytes);
    free(payload);
}

static void check_reads_back(struct fls_reader *reader, size_t count, size_t header_bytes)
{
    struct fls_message message;
    uint64_t offset = 0;

    for (size_t i = 0; i < count; i++) {
        assert_ok(fls_reader_next(reader, &message));
        check_message(&message, i, offset);
        offset += header_bytes + sizes[i];
    }
    assert_int_equal(fls_reader_next(reader, &message), FLS_END);
    fls_reader_close(reader);
}

static struct fls_reader *open_mmap_reader(const char *path,
                                           const struct fls_reader_options *options)
{
    struct fls_reader_options all = *options;
    struct fls_source *source;
    struct fls_reader *reader;

    all.owns_source = 1;
    assert_ok(fls_source_open_mmap(path, &source, NULL));
    assert_ok(fls_reader_open(source, &all, &reader, NULL));
    return reader;
}

static void test_readers_read_the_golden_files(void **state)
{
    char path[4096];

    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct fls_reader_options options = {.checksum = kind_named(kinds[i])};
        struct fls_checksum checksum = {options.checksum, NULL};
        size_t header_bytes = 4 + fls_checksum_bytes(checksum), length;
        struct fls_reader *reader;

        snprintf(path, sizeof path, GOLDEN "%s.fls", kinds[i]);
        char *file = test_read_file(path, &length);
        check_reads_back(open_memory_reader(file, length, &options), SMALL_SIZES, header_bytes);
        check_reads_back(open_mmap_reader(path, &options), SMALL_SIZES, header_bytes);
        assert_ok(fls_reader_open_file(path, &options, &reader, NULL));
        check_reads_back(reader, SMALL_SIZES, header_bytes);
        free(file);
    }
}

/* The frames of the manifest, headers from there, one after another. */
static size_t assemble(uint8_t *stream, const char *kind)
{
    char *table = test_read_file(GOLDEN "golden.tsv", NULL), *cursor = table;
    char *fields[TEST_FIELDS_MAX];
    size_t at = 0;

    while (test_next_row(&cursor, fields) == 4) {
        if (strcmp(fields[0], kind) != 0 || strcmp(fields[1], "all") == 0)
            continue;
        size_t bytes = (size_t)strtoull(fields[1], NULL, 10);
        at += test_from_hex(fields[2], stream + at, FLS_FRAME_HEADER_BYTES_MAX);
        pattern_fill(stream + at, bytes);
        at += bytes;
    }
    free(table);
    return at;
}

static void test_readers_read_the_golden_streams(void **state)
{
    uint8_t *stream = malloc(2 * SIZE_MAX_BYTES);

    (void)state;
    assert_non_null(stream);
    for (size_t i = 0; i < KINDS; i++) {
        struct fls_reader_options options = {.checksum = kind_named(kinds[i])};
        struct fls_checksum checksum = {options.checksum, NULL};
        size_t length = assemble(stream, kinds[i]);

        check_reads_back(open_memory_reader(stream, length, &options), SIZES,
                         4 + fls_checksum_bytes(checksum));
    }
    free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest_is_sha256),
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_frames_of_every_size_and_kind),
        cmocka_unit_test(test_writers_make_the_golden_files),
        cmocka_unit_test(test_writers_make_the_golden_streams),
        cmocka_unit_test(test_readers_read_the_golden_files),
        cmocka_unit_test(test_readers_read_the_golden_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
