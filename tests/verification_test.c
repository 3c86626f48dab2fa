/*
 * verification_test.c: several threads find what one finds, in every member of the report: on
 * streams of all kinds, sound and damaged, large frames and small, with an index and without.
 *
 * FLS_PROPERTY_STREAMS sets how many streams are tried.
 */
#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/frames.h"

#define STREAM "verification_test.fls"
#define STREAMS_DEFAULT 60

/* --- streams ------------------------------------------------------ */

static void write_stream(const struct frames *frames, size_t length)
{
    FILE *file = fopen(STREAM, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(frames->bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static uint32_t below(uint32_t bound)
{
    return test_random() % bound;
}

/* Payloads of one of several sorts: gibberish, small numbers, zeros, frames inside of frames. */
static void put_payload(struct frames *frames, struct fls_checksum checksum, size_t bytes, int sort)
{
    uint8_t *payload = calloc(1, bytes + 16);

    assert_non_null(payload);
    for (size_t i = 0; i + 4 <= bytes && sort < 2; i += 4) {
        uint32_t word = sort == 0 ? test_random() : below(300);
        memcpy(payload + i, &word, 4);
    }
    if (sort == 3) {
        struct frames inner = {NULL, 0, 0};
        while (inner.length + 80 < bytes)
            frames_put(&inner, checksum, payload, 20 + below(40));
        memcpy(payload, inner.bytes ? (void *)inner.bytes : "", inner.length);
        free(inner.bytes);
    }
    frames_put(frames, checksum, payload, bytes);
    free(payload);
}

static void make_stream(struct frames *frames, struct fls_checksum checksum, size_t length,
                        size_t bytes_max)
{
    int sort = (int)below(5); /* 4: all of them */

    while (frames->length < length) {
        size_t bytes = below(8) == 0 ? 0 : below((uint32_t)bytes_max);
        put_payload(frames, checksum, bytes, sort == 4 ? (int)below(4) : sort);
    }
}

/* Bytes overwritten, a tail cut off, zeros behind: as often as not nothing. */
static void damage(struct frames *frames)
{
    uint32_t places = below(4);

    for (uint32_t i = 0; i < places; i++)
        frames->bytes[below((uint32_t)frames->length)] ^= (uint8_t)(1 + below(255));
    if (below(3) == 0)
        frames->length -= below(1000);
    if (below(3) == 0) {
        static const uint8_t zeros[300000];
        frames_raw(frames, zeros, below(sizeof zeros));
    }
}

/* --- sequential and parallel -------------------------------------- */

/* Sums over the messages seen: they do not depend on their order. */
struct seen {
    uint64_t count;
    uint64_t bytes;
    uint64_t hash;
};

static struct seen total;
static uint64_t refused_hash; /* a message that is refused; 0: none */
static int pieces_open;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t hash_of(const struct fls_message *message)
{
    struct fls_checksum xxh3 = {FLS_CHECKSUM_XXH3, NULL};

    return fls_checksum_of(xxh3, message->payload, message->bytes) | 1;
}

static void *begin_piece(void *context)
{
    (void)context;
    pthread_mutex_lock(&lock);
    pieces_open++;
    pthread_mutex_unlock(&lock);
    return calloc(1, sizeof(struct seen));
}

static enum fls_status see_message(void *piece, const struct fls_message *message)
{
    struct seen *seen = piece;

    if (refused_hash && hash_of(message) == refused_hash)
        return FLS_VALIDATION_FAILED;
    seen->count++;
    seen->bytes += message->bytes;
    seen->hash += hash_of(message);
    return FLS_OK;
}

static void end_piece(void *context, void *piece, int counts)
{
    struct seen *seen = piece;

    (void)context;
    if (counts) {
        total.count += seen->count;
        total.bytes += seen->bytes;
        total.hash += seen->hash;
    }
    pieces_open--;
    free(seen);
}

static const struct fls_verification_observer observer = {begin_piece, see_message, end_piece,
                                                          NULL};

static struct fls_recovery scan(const struct fls_verification_options *options, unsigned flags)
{
    struct fls_recovery recovery;

    memset(&recovery, 0xee, sizeof recovery);
    memset(&total, 0, sizeof total);
    struct fls_error error;
    if (fls_verify_file(STREAM, options, flags, &recovery, &error) != FLS_OK)
        fail_msg("%s", error.reason);
    assert_int_equal(pieces_open, 0);
    return recovery;
}

static void assert_same_error(const struct fls_error *a, const struct fls_error *b)
{
    char text[2][512];

    assert_int_equal(a->status, b->status);
    assert_int_equal(a->part, b->part);
    assert_int_equal(a->has_frame, b->has_frame);
    assert_int_equal(a->frame, b->frame);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->expected, b->expected);
    assert_int_equal(a->found, b->found);
    fls_error_format(a, text[0], sizeof text[0]);
    fls_error_format(b, text[1], sizeof text[1]);
    assert_string_equal(text[0], text[1]);
}

static void assert_same(const struct fls_recovery *a, const struct fls_recovery *b)
{
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->frames, b->frames);
    assert_int_equal(a->good_offset, b->good_offset);
    assert_int_equal(a->tail_bytes, b->tail_bytes);
    assert_int_equal(a->payload_bytes, b->payload_bytes);
    assert_same_error(&a->error, &b->error);
}

/* The library's own scan, which knows nothing of pieces. */
static struct fls_recovery scan_plainly(enum fls_checksum_kind kind, uint64_t offset,
                                        unsigned flags)
{
    struct fls_reader_options reading = {
        .checksum = kind, .start_offset = offset, .owns_source = 1};
    struct fls_recovery recovery;
    struct fls_source *source;
    struct fls_reader *reader;
    uint64_t skipped;

    assert_ok(fls_source_open_file(STREAM, 0, &source, NULL));
    assert_ok(fls_source_skip(source, offset, &skipped, NULL));
    assert_ok(fls_reader_open(source, &reading, &reader, NULL));
    assert_ok(fls_recover_scan(reader, flags, &recovery));
    fls_reader_close(reader);
    return recovery;
}

static void compare(struct fls_verification_options *options, uint64_t *pieces)
{
    static const unsigned flags[] = {0, FLS_RECOVER_ZERO_TAIL_IS_TORN};

    for (size_t i = 0; i < 2; i++) {
        struct fls_recovery plain =
            scan_plainly(options->checksum, options->start_offset, flags[i]);
        options->jobs = 1;
        struct fls_recovery one = scan(options, flags[i]);
        struct seen by_one = total;
        options->jobs = 2 + below(4);
        struct fls_recovery many = scan(options, flags[i]);
        if (!refused_hash)
            assert_same(&plain, &one);
        assert_same(&one, &many);
        assert_memory_equal(&by_one, &total, sizeof total);
    }
    struct fls_verification intact;
    int fd = open(STREAM, O_RDONLY);
    assert_ok(fls_verify_intact(fd, options, &intact, NULL));
    *pieces += intact.pieces;
    close(fd);
}

/* --- tests -------------------------------------------------------- */

static size_t streams_wanted(void)
{
    const char *text = getenv("FLS_PROPERTY_STREAMS");

    return text ? (size_t)strtoull(text, NULL, 10) : STREAMS_DEFAULT;
}

static void random_streams_with_random_damage(void **state)
{
    static const size_t sizes[] = {64, 300, 5000, 70000, 900000, 3000000};
    uint64_t pieces = 0;

    (void)state;
    for (size_t i = 0; i < streams_wanted(); i++) {
        struct fls_checksum checksum = {(enum fls_checksum_kind)(i % 4), NULL};
        struct fls_verification_options options = {.checksum = checksum.kind,
                                                   .observer = &observer};
        struct frames frames = {NULL, 0, 0};
        make_stream(&frames, checksum, 8500000 + below(8000000), sizes[i / 4 % 6]);
        if (i % 3 > 0)
            damage(&frames);
        write_stream(&frames, frames.length);
        compare(&options, &pieces);
        free(frames.bytes);
    }
    assert_true(pieces > streams_wanted());
}

static void behind_a_foreign_header(void **state)
{
    struct fls_checksum checksum = {FLS_CHECKSUM_XXH3, NULL};
    struct frames frames = {NULL, 0, 0};
    struct fls_verification_options options = {
        .checksum = checksum.kind, .observer = &observer, .start_offset = 1234};
    uint8_t foreign[1234] = {1, 2, 3};
    uint64_t pieces = 0;

    (void)state;
    frames_raw(&frames, foreign, sizeof foreign);
    make_stream(&frames, checksum, 12000000, 500);
    for (int i = 0; i < 5; i++) {
        write_stream(&frames, frames.length);
        compare(&options, &pieces);
        frames.bytes[2000000 + below(10000000)] ^= 1;
    }
    assert_true(pieces > 5);
    free(frames.bytes);
}

static void build_index(enum fls_checksum_kind kind, const struct frames *frames)
{
    struct fls_index_writer *writer;
    struct fls_checksum checksum = {kind, NULL};
    size_t header_bytes = 4 + fls_checksum_bytes(checksum);
    uint64_t frame, at;

    assert_ok(fls_index_writer_open(STREAM, NULL, kind, NULL, 0, &writer, &frame, &at, NULL));
    while (at < frames->length) {
        uint32_t bytes;
        memcpy(&bytes, frames->bytes + at, 4);
        struct iovec segment = {frames->bytes + at + header_bytes, bytes};
        struct fls_payload payload = fls_payload_from_segments(&segment, 1);
        assert_ok(fls_index_writer_add(writer, at, header_bytes, &payload, NULL));
        at += header_bytes + bytes;
    }
    assert_ok(fls_index_writer_close(writer, NULL));
}

/* As a disk that decays does it: the file keeps its time of change. */
static void rewrite_stream(const struct frames *frames)
{
    struct stat before;

    assert_int_equal(stat(STREAM, &before), 0);
    struct timespec times[] = {before.st_atim, before.st_mtim};
    write_stream(frames, frames->length);
    assert_int_equal(utimensat(AT_FDCWD, STREAM, times, 0), 0);
}

/* An index serves also for streams without checksums, and where it ends before the stream. */
static void with_an_index(void **state)
{
    (void)state;
    for (int kind = FLS_CHECKSUM_NONE; kind <= FLS_CHECKSUM_XXH3; kind++) {
        for (int i = 0; i < 6; i++) {
            struct fls_checksum checksum = {(enum fls_checksum_kind)kind, NULL};
            struct fls_verification_options options = {.checksum = checksum.kind,
                                                       .observer = &observer};
            struct frames frames = {NULL, 0, 0};
            uint64_t pieces = 0;
            make_stream(&frames, checksum, 9000000, i % 2 ? 200 : 20000);
            write_stream(&frames, frames.length);
            build_index(checksum.kind, &frames);
            if (i > 3)
                make_stream(&frames, checksum, 16000000, 300);
            if (i % 3 == 1)
                frames.bytes[(i > 3 ? 10000000 : 3000000) + below(4000000)] ^= 4;
            rewrite_stream(&frames);
            assert_ok(fls_index_open(STREAM, NULL, &options.index, NULL));
            compare(&options, &pieces);
            assert_true(pieces > 0);
            fls_index_close(options.index);
            free(frames.bytes);
        }
    }
}

/* What an observer refuses ends the intact part, and nothing behind it counts. */
static void a_refused_message_ends_it(void **state)
{
    struct fls_checksum checksum = {FLS_CHECKSUM_CRC32, NULL};
    struct frames frames = {NULL, 0, 0};
    struct fls_verification_options options = {.checksum = checksum.kind, .observer = &observer};
    uint64_t pieces = 0;

    (void)state;
    make_stream(&frames, checksum, 9000000, 400);
    uint8_t special[50];
    memset(special, 0xab, sizeof special);
    struct fls_message message = {special, sizeof special, 0, 0};
    frames_put(&frames, checksum, special, sizeof special);
    make_stream(&frames, checksum, 16000000, 400);
    write_stream(&frames, frames.length);
    refused_hash = hash_of(&message);
    compare(&options, &pieces);
    struct fls_recovery found = scan(&options, 0);
    assert_int_equal(found.end, FLS_STREAM_CORRUPT);
    assert_int_equal(found.error.status, FLS_VALIDATION_FAILED);
    assert_true(found.good_offset > 8000000 && found.good_offset < 10000000);
    refused_hash = 0;
    free(frames.bytes);
}

/* All of a sound stream is found by the pieces: they do begin with frames. */
static void a_sound_stream_is_cut_where_frames_begin(void **state)
{
    static const size_t sizes[] = {64, 300, 5000, 30000, 3000000};

    (void)state;
    for (int kind = FLS_CHECKSUM_CRC16; kind <= FLS_CHECKSUM_XXH3; kind++) {
        for (size_t i = 0; i < 5; i++) {
            struct fls_checksum checksum = {(enum fls_checksum_kind)kind, NULL};
            struct fls_verification_options options = {.checksum = checksum.kind, .jobs = 4};
            struct fls_verification intact;
            struct frames frames = {NULL, 0, 0};
            while (frames.length < 20000000)
                put_payload(&frames, checksum, sizes[i] / 2 + below((uint32_t)sizes[i]), 0);
            write_stream(&frames, frames.length);
            int fd = open(STREAM, O_RDONLY);
            assert_ok(fls_verify_intact(fd, &options, &intact, NULL));
            close(fd);
            assert_int_equal(intact.good_offset, frames.length);
            assert_true(intact.pieces >= 4);
            assert_int_equal(intact.pieces_wrong, 0);
            free(frames.bytes);
        }
    }
}

static int stop_at_once(void *context, uint64_t bytes)
{
    uint64_t *seen = context;

    assert_true(bytes > 0);
    ++*seen;
    return 1;
}

static void the_caller_can_stop_it(void **state)
{
    struct fls_checksum checksum = {FLS_CHECKSUM_XXH3, NULL};
    struct frames frames = {NULL, 0, 0};
    uint64_t calls = 0;
    struct fls_verification_options options = {
        .checksum = checksum.kind, .jobs = 3, .progress = stop_at_once, .progress_context = &calls};
    struct fls_recovery recovery;

    (void)state;
    make_stream(&frames, checksum, 30000000, 400);
    write_stream(&frames, frames.length);
    assert_int_equal(fls_verify_file(STREAM, &options, 0, &recovery, NULL), FLS_STOPPED);
    assert_int_equal(calls, 1);
    free(frames.bytes);
}

/* Where the file is cut, at a frame's end, while it is read; by whoever is told of the progress. */
static uint64_t cut_at;

static int cut_it(void *context, uint64_t bytes)
{
    (void)context;
    (void)bytes;
    assert_int_equal(truncate(STREAM, (off_t)cut_at), 0);
    return 0;
}

/* The end of a file that was cut under its readers is no end in good order, wherever that is:
 * before what they have read, or behind it. */
static void a_file_that_shrinks_is_damaged(void **state)
{
    struct fls_checksum checksum = {FLS_CHECKSUM_CRC32, NULL};
    struct frames frames = {NULL, 0, 0};
    enum { FRAMES = 24000, PAYLOAD = 1016, FRAME = PAYLOAD + 8 };
    static uint8_t payload[PAYLOAD];

    (void)state;
    for (size_t i = 0; i < FRAMES; i++)
        frames_put(&frames, checksum, payload, sizeof payload);
    assert_int_equal(frames.length, (size_t)FRAMES * FRAME);
    for (unsigned jobs = 2; jobs <= 4; jobs++) {
        for (unsigned part = 0; part < 10; part += 3) {
            struct fls_verification_options options = {
                .checksum = checksum.kind, .jobs = jobs, .progress = cut_it};
            struct fls_recovery recovery;
            cut_at = (uint64_t)FRAMES * part / 10 * FRAME;
            write_stream(&frames, frames.length);
            assert_ok(fls_verify_file(STREAM, &options, 0, &recovery, NULL));
            assert_int_equal(recovery.end, FLS_STREAM_CORRUPT);
            assert_int_equal(recovery.error.status, FLS_UNEXPECTED_END);
            assert_int_equal(recovery.error.expected, frames.length);
            assert_int_equal(recovery.error.found, cut_at);
            assert_true(recovery.good_offset <= cut_at);
        }
    }
    free(frames.bytes);
}

static void wrong_calls_are_refused(void **state)
{
    struct fls_verification_options options = {.checksum = FLS_CHECKSUM_CUSTOM};
    struct fls_recovery recovery;
    struct fls_error error;

    (void)state;
    assert_int_equal(fls_verify_file(STREAM, &options, 0, &recovery, NULL), FLS_INVALID_ARGUMENT);
    options.checksum = FLS_CHECKSUM_XXH3;
    assert_int_equal(fls_verify_file("/dev/null", &options, 0, &recovery, NULL), FLS_UNSUPPORTED);
    assert_int_equal(fls_verify_file("no/such", &options, 0, &recovery, &error), FLS_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_streams_with_random_damage),
        cmocka_unit_test(behind_a_foreign_header),
        cmocka_unit_test(with_an_index),
        cmocka_unit_test(a_refused_message_ends_it),
        cmocka_unit_test(a_sound_stream_is_cut_where_frames_begin),
        cmocka_unit_test(the_caller_can_stop_it),
        cmocka_unit_test(a_file_that_shrinks_is_damaged),
        cmocka_unit_test(wrong_calls_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
