/*
 * salvage_stretches_test.c: salvage by several threads gives what it gives by one; and what ends it
 * early ends all of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <flatstream/salvage.h>

#include "journal/salvage_walk.h"
#include "support/frames.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static const struct fls_checksum xxh3 = {FLS_CHECKSUM_XXH3, NULL};

/* What came out, told in the order of the stream, and what in several ways could go wrong; and how
 * many stretches other threads walked through. */
struct outcome {
    const uint8_t *bytes;
    uint64_t digest;
    uint64_t next_frame;
    uint64_t told;
    uint64_t stop_after;
    uint64_t adopted;
    struct fls_salvage_report report;
};

static enum fls_status tell(struct outcome *outcome, uint64_t a, uint64_t b, uint64_t c)
{
    outcome->digest = ((outcome->digest * 31 + a) * 31 + b) * 31 + c;
    outcome->told++;
    return outcome->told == outcome->stop_after ? FLS_STOPPED : FLS_OK;
}

static enum fls_status see_message(void *context, const struct fls_message *message)
{
    struct outcome *outcome = context;
    const uint8_t *payload = outcome->bytes + message->offset + 12;

    assert_int_equal(memcmp(message->payload, payload, message->bytes), 0);
    assert_true(message->bytes == 0 || (uintptr_t)message->payload % FLS_ALIGNMENT_DEFAULT == 0);
    assert_int_equal(message->frame, outcome->next_frame++);
    return tell(outcome, 1, message->offset, message->bytes);
}

/* The same as if each frame had come alone. */
static enum fls_status see_frames(void *context, const void *bytes, size_t length, uint64_t frame,
                                  uint64_t offset, uint64_t count)
{
    struct outcome *outcome = context;
    enum fls_status status = FLS_OK;
    uint64_t end = offset + length;

    assert_int_equal(memcmp(bytes, outcome->bytes + offset, length), 0);
    assert_int_equal(frame, outcome->next_frame);
    for (; count > 0 && status == FLS_OK; count--) {
        uint32_t payload;
        memcpy(&payload, outcome->bytes + offset, sizeof payload);
        outcome->next_frame++;
        status = tell(outcome, 1, offset, payload);
        offset += 12 + payload;
    }
    assert_true(status != FLS_OK || offset == end);
    return status;
}

static enum fls_status see_region(void *context, const struct fls_salvage_region *region)
{
    struct outcome *outcome = context;

    assert_int_equal(region->frame, outcome->next_frame);
    return tell(outcome, 2 + (uint64_t)region->mended + region->error.found, region->offset,
                region->bytes);
}

/* How a stream is salvaged: by so many threads, or by the caller's alone. */
struct way {
    uint64_t stretch_bytes;
    unsigned jobs;
    int in_frames;
    int from_file;
};

static enum fls_status salvage(const struct frames *stream, const struct way *way,
                               struct outcome *outcome)
{
    struct fls_salvage_bounds bounds = FLS_SALVAGE_BOUNDS;
    struct fls_salvage_options options = {.checksum = FLS_CHECKSUM_XXH3,
                                          .message = see_message,
                                          .region = see_region,
                                          .frames = way->in_frames ? see_frames : NULL,
                                          .context = outcome};
    FILE *file = tmpfile();

    bounds.effort = INT64_C(1) << 40; /* else it is renewed more often in short stretches */
    bounds.alone = way->stretch_bytes == 0;
    bounds.stretch_bytes = bounds.alone ? bounds.stretch_bytes : way->stretch_bytes;
    bounds.jobs = way->jobs;
    bounds.adopted = &outcome->adopted;
    outcome->bytes = stream->bytes;
    assert_non_null(file);
    assert_int_equal(fwrite(stream->bytes, 1, stream->length, file), stream->length);
    assert_int_equal(fflush(file), 0);
    enum fls_status status =
        way->from_file
            ? fls_salvage_fd_within(fileno(file), 0, &options, &bounds, &outcome->report, NULL)
            : fls_salvage_memory_within(stream->bytes, stream->length, &options, &bounds,
                                        &outcome->report, NULL);
    fclose(file);
    return status;
}

/* By threads as by one, whatever the stretches are, and from wherever the bytes come. */
static void expect_the_same(const struct frames *stream, uint64_t lost_min, uint64_t adopted_min)
{
    static const uint64_t stretches[] = {5 * KIB, 64 * KIB, 300 * KIB, MIB};
    struct outcome alone = {.bytes = NULL};

    assert_ok(salvage(stream, &(struct way){.from_file = 0}, &alone));
    assert_true(alone.report.frames > 0 && alone.report.regions_lost >= lost_min);
    for (unsigned i = 0; i < 8; i++) {
        struct way way = {stretches[i % 4], 1 + i % 3, i / 4 == 1, (i + i / 4) % 2 == 1};
        struct outcome together = {.bytes = NULL};
        assert_ok(salvage(stream, &way, &together));
        assert_int_equal(together.told, alone.told);
        assert_int_equal(together.digest, alone.digest);
        assert_int_equal(together.report.frames, alone.report.frames);
        assert_int_equal(together.report.mended, alone.report.mended);
        assert_int_equal(together.report.payload_bytes, alone.report.payload_bytes);
        assert_int_equal(together.report.regions_lost, alone.report.regions_lost);
        assert_int_equal(together.report.bytes_lost, alone.report.bytes_lost);
        assert_int_equal(together.report.longest_run, alone.report.longest_run);
        assert_int_equal(together.report.search_cut_short, alone.report.search_cut_short);
        if (stream->length / way.stretch_bytes > 20)
            assert_true(together.adopted >= adopted_min);
    }
}

/* --- streams ---------------------------------------------------------------------------------- */

static void put_message(struct frames *stream, size_t bytes)
{
    uint8_t *payload = malloc(bytes);

    assert_non_null(payload);
    for (size_t i = 0; i < bytes; i++) /* small numbers and noise, by turns; an image */
        payload[i] = (uint8_t)(bytes < 60000 && i % 64 < 32 && i % 4 > 1 ? 0 : test_random() >> 8);
    frames_put(stream, xxh3, payload, bytes);
    free(payload);
}

/* Copies the stream with damage at random places, so many bytes apart on average. */
static void damage(const struct frames *whole, size_t apart, struct frames *damaged)
{
    static const uint8_t zeros[512] = {0};
    size_t at = 0;

    while (at < whole->length) {
        size_t run = 1 + test_random() % (2 * apart), left = whole->length - at;
        run = run < left ? run : left;
        frames_raw(damaged, whole->bytes + at, run);
        at += run;
        left -= run;
        size_t skip = 1 + test_random() % 300;
        switch (left > sizeof zeros ? test_random() % 4 : 4) {
        case 0:
            damaged->bytes[damaged->length - 1] ^= (uint8_t)(1u << test_random() % 8);
            break;
        case 1:
            at += skip;
            break;
        case 2:
            frames_raw(damaged, whole->bytes, skip < whole->length ? skip : 1);
            break;
        case 3:
            frames_raw(damaged, zeros, sizeof zeros);
            at += sizeof zeros;
            break;
        default:
            break;
        }
    }
}

static void expect_the_same_of(const size_t *sizes, size_t count, size_t bytes, size_t apart)
{
    struct frames whole = {NULL, 0, 0}, damaged = {NULL, 0, 0};

    while (whole.length < bytes)
        put_message(&whole, sizes[test_random() % count]);
    damage(&whole, apart, &damaged);
    expect_the_same(&damaged, 1, 4);
    free(whole.bytes);
    free(damaged.bytes);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_messages_of_all_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 20, 64, 300, 1000, 5000, 70000, 200000};

    test_random_seed(41);
    expect_the_same_of(sizes, 6, 2 * MIB, 50000);
    expect_the_same_of(sizes, 8, 5 * MIB, 200000);
    expect_the_same_of(sizes + 1, 2, 2 * MIB, 30000);
}

/* Most messages are damaged: more happens in a stretch than is noted. */
static void test_damage_everywhere(void **state)
{
    (void)state;
    static const size_t sizes[] = {24, 40};

    test_random_seed(42);
    expect_the_same_of(sizes, 2, 3 * MIB / 2, 120);
}

/* Messages that hold whole streams: the threads come to frames that the walk does not come to. */
static void test_messages_that_hold_streams(void **state)
{
    (void)state;
    struct frames stream = {NULL, 0, 0}, inner = {NULL, 0, 0};

    test_random_seed(43);
    while (stream.length < 4 * MIB) {
        inner.length = 0;
        while (inner.length < 150 * KIB)
            put_message(&inner, 100 + test_random() % 1000);
        frames_put(&stream, xxh3, inner.bytes, inner.length);
        put_message(&stream, 200);
    }
    stream.bytes[stream.length / 2] ^= 1;
    expect_the_same(&stream, 0, 0);
    free(stream.bytes);
    free(inner.bytes);
}

/* A hole between two parts: there is no frame in many stretches. */
static void test_a_long_hole(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 2000};
    struct frames whole = {NULL, 0, 0};

    test_random_seed(44);
    while (whole.length < 4 * MIB)
        put_message(&whole, sizes[test_random() % 2]);
    memset(whole.bytes + MIB, 0, 2 * MIB);
    expect_the_same(&whole, 1, 4);
    free(whole.bytes);
}

/* Large messages: the threads are of use to the end, or they were sent home after eight stretches.
 */
static void test_threads_stay(void **state)
{
    (void)state;
    struct frames whole = {NULL, 0, 0};

    test_random_seed(46);
    for (int i = 0; i < 60; i++)
        put_message(&whole, 200000);
    struct outcome alone = {.bytes = NULL}, together = {.bytes = NULL};
    assert_ok(salvage(&whole, &(struct way){.from_file = 0}, &alone));
    assert_ok(salvage(&whole, &(struct way){512 * KIB, 2, 0, 0}, &together));
    assert_int_equal(together.digest, alone.digest);
    assert_true(together.adopted > 10);
    free(whole.bytes);
}

/* Whatever the caller's functions say stops all, at once. */
static void test_callers_stop_it(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 2000};
    struct frames whole = {NULL, 0, 0}, damaged = {NULL, 0, 0};

    test_random_seed(45);
    while (whole.length < 2 * MIB)
        put_message(&whole, sizes[test_random() % 2]);
    damage(&whole, 20000, &damaged);
    for (uint64_t after = 1; after < 1500; after += 97)
        for (int in_frames = 0; in_frames < 2; in_frames++) {
            struct outcome outcome = {.stop_after = after};
            struct way way = {64 * KIB, 2, in_frames, 1};
            assert_int_equal(salvage(&damaged, &way, &outcome), FLS_STOPPED);
            assert_int_equal(outcome.told, after);
        }
    free(whole.bytes);
    free(damaged.bytes);
}

/* The way to be stopped by a message: the file becomes shorter. */
struct shortening {
    int fd;
    uint64_t messages;
};

static enum fls_status shorten(void *context, const struct fls_message *message)
{
    struct shortening *shortening = context;

    (void)message;
    if (shortening->messages++ == 0)
        assert_int_equal(ftruncate(shortening->fd, MIB), 0);
    return FLS_OK;
}

/* What cannot be read is an error, not damage. */
static void test_reading_fails(void **state)
{
    (void)state;
    struct frames whole = {NULL, 0, 0};
    struct shortening shortening = {.messages = 0};
    struct fls_salvage_bounds bounds = FLS_SALVAGE_BOUNDS;
    struct fls_salvage_options options = {
        .checksum = FLS_CHECKSUM_XXH3, .message = shorten, .context = &shortening};
    struct fls_salvage_report report;
    struct fls_error error;
    FILE *file = tmpfile();

    assert_non_null(file);
    while (whole.length < 8 * MIB)
        put_message(&whole, 1000);
    assert_int_equal(fwrite(whole.bytes, 1, whole.length, file), whole.length);
    assert_int_equal(fflush(file), 0);
    bounds.stretch_bytes = 256 * KIB;
    bounds.jobs = 2;
    shortening.fd = fileno(file);
    assert_int_equal(fls_salvage_fd_within(shortening.fd, 0, &options, &bounds, &report, &error),
                     FLS_IO);
    assert_non_null(strstr(error.reason, "shorter"));
    assert_int_equal(report.frames, shortening.messages);
    assert_int_equal(report.bytes_lost, 0);
    fclose(file);
    free(whole.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_messages_of_all_sizes),
                                       cmocka_unit_test(test_damage_everywhere),
                                       cmocka_unit_test(test_messages_that_hold_streams),
                                       cmocka_unit_test(test_a_long_hole),
                                       cmocka_unit_test(test_threads_stay),
                                       cmocka_unit_test(test_callers_stop_it),
                                       cmocka_unit_test(test_reading_fails)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
