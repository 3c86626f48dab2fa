/*
 * salvage_test.c: salvage where its model does not reach: how often a false frame comes out, what
 * hostile bytes cost, sizes beyond the bounds, and the callers' ways to stop it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <flatstream/salvage.h>

#include "journal/salvage_walk.h"
#include "support/frames.h"

#define MIB ((size_t)1 << 20)

static struct fls_salvage_report salvage(const void *bytes, size_t length,
                                         const struct fls_salvage_options *options)
{
    struct fls_salvage_report report;

    assert_ok(fls_salvage_memory(bytes, length, options, &report, NULL));
    assert_int_equal(report.bytes, length);
    return report;
}

static int accept_all(const void *buffer, size_t bytes)
{
    (void)buffer;
    (void)bytes;
    return 0;
}

/* --- the chance of a false frame --------------------------------------------------------------
 */

/* Garbage in which a quarter of all offsets look like short headers. */
static uint8_t *make_garbage(size_t length)
{
    uint8_t *bytes = malloc(length);

    assert_non_null(bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i % 4 == 0 || test_random() % 8 == 0 ? test_random() >> 8 : 0);
    for (size_t i = 0; i < length; i += 4)
        bytes[i] = (uint8_t)(test_random() >> 8);
    return bytes;
}

/* No more frames come out of garbage than the report expects, by five standard deviations, and no
 * less than half: what is compared at two steps of the search is counted twice. */
static void test_chance_of_false_frames(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 2};
    double enough = getenv("FLS_CHECK") ? 30 : 6; /* of the rare ones; of the others more */
    struct fls_tap anything = fls_tap_typed("anything", accept_all);

    test_random_seed(20);
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        struct fls_checksum_custom custom = test_custom_checksum(widths[i]);
        struct fls_salvage_options options = {
            .checksum = FLS_CHECKSUM_CUSTOM, .custom_checksum = &custom, .verifier = &anything};
        double found = 0, expected = 0, deviation = 1;
        for (int round = 0; round < 4 || (expected < enough && round < 80); round++) {
            uint8_t *garbage = make_garbage(MIB / 4);
            struct fls_salvage_report report = salvage(garbage, MIB / 4, &options);
            found += (double)report.frames;
            expected += report.false_frames_expected;
            free(garbage);
        }
        while (deviation * deviation < 25 * expected)
            deviation++;
        assert_true(expected >= enough);
        if (found < expected / 2 - deviation || found > expected + deviation)
            fail_msg("width %zu: %.0f false frames, %.1f were expected", widths[i], found,
                     expected);
    }
}

/* --- large messages ----------------------------------------------------------------------------
 */

/* Messages beyond W, and some between C and W, with damage in and between them; from a file, so
 * that what is read in pieces is seen. */
static void test_large_messages(void **state)
{
    (void)state;
    struct fls_checksum xxh3 = {FLS_CHECKSUM_XXH3, NULL};
    struct fls_salvage_options options = {.checksum = FLS_CHECKSUM_XXH3};
    static const size_t sizes[] = {17 * MIB, 100, 100, MIB, 17 * MIB, 18 * MIB, 2 * MIB, 17 * MIB};
    struct frames frames = {NULL, 0, 0};
    struct fls_salvage_report report;
    size_t starts[8];
    FILE *file = tmpfile();

    assert_non_null(file);
    for (size_t i = 0; i < 8; i++) {
        starts[i] = frames.length;
        frames_pattern(&frames, xxh3, &sizes[i], 1);
    }
    frames.bytes[starts[0] + 5000] ^= 1; /* a payload */
    frames.bytes[starts[2]] ^= 0xff;     /* a length: mended */
    frames.bytes[starts[6] + 100] ^= 0x10;
    assert_int_equal(fwrite(frames.bytes, 1, frames.length, file), frames.length);
    assert_int_equal(fflush(file), 0);
    assert_ok(fls_salvage_fd(fileno(file), 0, &options, &report, NULL));
    assert_int_equal(report.frames, 6);
    assert_int_equal(report.mended, 1);
    assert_int_equal(report.regions_lost, 2);
    assert_int_equal(report.bytes_lost, 24 + sizes[0] + sizes[6]);
    assert_false(report.search_cut_short);
    struct fls_salvage_report again = salvage(frames.bytes, frames.length, &options);
    assert_memory_equal(&again, &report, sizeof report);
    fclose(file);
    free(frames.bytes);
}

/* Where everything lies that came out, and what was lost; the payloads are held against `bytes`. */
struct outcome {
    const uint8_t *bytes;
    uint64_t digest;
    uint64_t told;
};

static void note(struct outcome *outcome, uint64_t at, uint64_t bytes)
{
    outcome->digest = (outcome->digest * 31 + at) * 31 + bytes;
    outcome->told++;
}

static enum fls_status note_message(void *context, const struct fls_message *message)
{
    struct outcome *outcome = context;

    assert_int_equal(
        memcmp(message->payload, outcome->bytes + message->offset + 12, message->bytes), 0);
    note(outcome, message->offset, message->bytes);
    return FLS_OK;
}

static enum fls_status note_region(void *context, const struct fls_salvage_region *region)
{
    note(context, region->offset, region->bytes);
    return FLS_OK;
}

/* Large messages of noise, from most of which bytes were removed, so that the search goes on over
 * many, more than it holds at once: out of a file comes what comes out of memory. */
static void test_large_messages_damaged_in_a_row(void **state)
{
    (void)state;
    struct frames whole = {NULL, 0, 0}, damaged = {NULL, 0, 0};
    uint8_t *noise = malloc(MIB);
    struct outcome outcomes[2];
    struct fls_salvage_options options = {
        .checksum = FLS_CHECKSUM_XXH3, .message = note_message, .region = note_region};
    struct fls_salvage_report report;
    uint64_t untouched = 0;
    FILE *file = tmpfile();

    assert_true(noise && file);
    test_random_seed(31);
    while (damaged.length < 80 * MIB) {
        size_t bytes = test_random() % 3 == 0 ? MIB : 200000, cut = bytes / 2;
        for (size_t i = 0; i < bytes; i++)
            noise[i] = (uint8_t)(test_random() >> 8);
        whole.length = 0;
        frames_put(&whole, (struct fls_checksum){FLS_CHECKSUM_XXH3, NULL}, noise, bytes);
        frames_raw(&damaged, whole.bytes, cut);
        size_t hole = test_random() % 3 == 0 ? 0 : 1 + test_random() % 300;
        untouched += hole == 0;
        cut += hole;
        frames_raw(&damaged, whole.bytes + cut, whole.length - cut);
    }
    assert_int_equal(fwrite(damaged.bytes, 1, damaged.length, file), damaged.length);
    assert_int_equal(fflush(file), 0);
    outcomes[0] = outcomes[1] = (struct outcome){damaged.bytes, 0, 0};
    options.context = &outcomes[0];
    struct fls_salvage_report expected = salvage(damaged.bytes, damaged.length, &options);
    options.context = &outcomes[1];
    assert_ok(fls_salvage_fd(fileno(file), 0, &options, &report, NULL));
    assert_true(untouched > 10 && expected.regions_lost > 10);
    assert_int_equal(expected.frames, untouched);
    assert_int_equal(report.frames, expected.frames);
    assert_int_equal(outcomes[1].told, outcomes[0].told);
    assert_int_equal(outcomes[1].digest, outcomes[0].digest);
    fclose(file);
    free(noise);
    free(whole.bytes);
    free(damaged.bytes);
}

/* --- accidents ----------------------------------------------------------------------------------
 */

#define PLAIN_COUNT 40
#define PLAIN_BYTES ((size_t)56) /* a frame has 64 bytes under crc32 */

/* Messages of one size, so that a wrong length leads onto a frame easily. */
static struct frames plain_frames(void)
{
    size_t sizes[PLAIN_COUNT];
    struct frames frames = {NULL, 0, 0};

    for (size_t i = 0; i < PLAIN_COUNT; i++)
        sizes[i] = PLAIN_BYTES;
    frames_pattern(&frames, (struct fls_checksum){FLS_CHECKSUM_CRC32, NULL}, sizes, PLAIN_COUNT);
    assert_int_equal(frames.length, PLAIN_COUNT * (PLAIN_BYTES + 8));
    return frames;
}

static void set_length(struct frames *frames, size_t message, uint32_t length)
{
    for (size_t i = 0; i < 4; i++)
        frames->bytes[message * (PLAIN_BYTES + 8) + i] = (uint8_t)(length >> 8 * i);
}

static void expect(struct frames *frames, uint64_t messages, uint64_t mended)
{
    struct fls_salvage_options options = {.checksum = FLS_CHECKSUM_CRC32};
    struct fls_salvage_report report = salvage(frames->bytes, frames->length, &options);

    assert_int_equal(report.frames, messages);
    assert_int_equal(report.mended, mended);
    free(frames->bytes);
}

/* The length of message 5 leads to every later one, and to the end; its payload is whole or not; so
 * is that of the message before the one that it leads to. All others come out. */
static void test_length_leads_onto_a_later_frame(void **state)
{
    (void)state;
    for (size_t to = 7; to <= PLAIN_COUNT; to++) {
        for (unsigned damage = 0; damage < 4; damage++) {
            struct frames frames = plain_frames();
            int whole = damage % 2 == 0, all_whole = damage < 2 || to < 8;
            set_length(&frames, 5, (uint32_t)((to - 5) * (PLAIN_BYTES + 8) - 8));
            if (!whole)
                frames.bytes[5 * 64 + 20] ^= 1;
            if (!all_whole)
                frames.bytes[(to - 1) * 64 + 20] ^= 1;
            expect(&frames, PLAIN_COUNT - (whole ? 0U : 1U) - (all_whole ? 0U : 1U), whole ? 1 : 0);
        }
    }
}

#define IMAGE_COUNT ((size_t)16)
#define IMAGE_BYTES ((size_t)100000)
#define IMAGE_FRAME (IMAGE_BYTES + 8)

/* Messages of more than C bytes, as of a camera. */
static struct frames image_frames(void)
{
    struct frames frames = {NULL, 0, 0};
    uint8_t *image = malloc(IMAGE_BYTES);

    assert_non_null(image);
    for (size_t message = 0; message < IMAGE_COUNT; message++) {
        for (size_t i = 0; i < IMAGE_BYTES; i++)
            image[i] = (uint8_t)(test_random() >> 9);
        frames_put(&frames, (struct fls_checksum){FLS_CHECKSUM_CRC32, NULL}, image, IMAGE_BYTES);
    }
    free(image);
    return frames;
}

/* Message 4 is whole between damaged ones, and the header behind it is not, while that behind a
 * later whole one is. Both come out. */
static void test_large_message_before_a_broken_header(void **state)
{
    (void)state;
    struct frames frames = image_frames();

    frames.bytes[1 * IMAGE_FRAME + 9000] ^= 1;
    frames.bytes[2 * IMAGE_FRAME + 9000] ^= 1;
    frames.bytes[3 * IMAGE_FRAME + 2] ^= 0x21; /* leads to nothing */
    frames.bytes[3 * IMAGE_FRAME + 9000] ^= 1;
    frames.bytes[5 * IMAGE_FRAME + 3] = 0x83;
    frames.bytes[6 * IMAGE_FRAME + 6] ^= 1;
    frames.bytes[9 * IMAGE_FRAME + 9000] ^= 1;
    frames.bytes[9 * IMAGE_FRAME + 2] ^= 0x11; /* so that message 7 is not in step */
    expect(&frames, IMAGE_COUNT - 6, 0);
}

/* The length of damaged message 5 leads behind message 6, which is whole, onto one that is not in
 * step. Nothing between is taken for a part of message 5. */
static void test_large_length_leads_onto_a_frame(void **state)
{
    (void)state;
    struct frames frames = image_frames();
    uint32_t length = 2 * IMAGE_FRAME - 8;

    for (size_t i = 0; i < 4; i++)
        frames.bytes[5 * IMAGE_FRAME + i] = (uint8_t)(length >> 8 * i);
    frames.bytes[5 * IMAGE_FRAME + 9000] ^= 1;
    frames.bytes[8 * IMAGE_FRAME] ^= 0x55;
    frames.bytes[8 * IMAGE_FRAME + 9000] ^= 1;
    frames.bytes[9 * IMAGE_FRAME + 9000] ^= 1;
    expect(&frames, IMAGE_COUNT - 3, 0);
}

/* A byte put into a header near the end makes a length that leads beyond it. */
static void test_length_leads_beyond_the_end(void **state)
{
    (void)state;
    for (size_t message = 0; message < PLAIN_COUNT; message++) {
        struct frames frames = plain_frames();
        size_t at = message * 64 + 1;
        frames_raw(&frames, "x", 1);
        memmove(frames.bytes + at + 1, frames.bytes + at, frames.length - 1 - at);
        frames.bytes[at] = 100;
        expect(&frames, PLAIN_COUNT - 1, 0);
    }
}

/* A sector of zeros that begins and ends between frames does not read as empty messages; a few
 * empty ones are messages. */
static void test_lost_sector_is_no_messages(void **state)
{
    (void)state;
    struct frames frames = plain_frames();
    memset(frames.bytes + 512, 0, 512);
    expect(&frames, PLAIN_COUNT - 8, 0);
    frames = plain_frames();
    memset(frames.bytes + 512, 0, 64);
    expect(&frames, PLAIN_COUNT - 1 + 8, 0);
}

/* What a verifier refuses is no message, even if it is empty. */
static int refuse_empty(const void *buffer, size_t bytes)
{
    (void)buffer;
    return bytes == 0;
}

static void test_verifier_refuses_empty_ones(void **state)
{
    (void)state;
    struct fls_tap tap = fls_tap_typed("no empty ones", refuse_empty);
    struct fls_salvage_options options = {.checksum = FLS_CHECKSUM_CRC32, .verifier = &tap};
    struct frames frames = plain_frames();

    memset(frames.bytes + 512, 0, 64);
    assert_int_equal(salvage(frames.bytes, frames.length, &options).frames, PLAIN_COUNT - 1);
    free(frames.bytes);
}

/* Messages that are streams: what one holds that is damaged, or torn, does not come out. */
static void test_held_frames_stay_inside(void **state)
{
    (void)state;
    struct fls_checksum crc32 = {FLS_CHECKSUM_CRC32, NULL};
    struct frames held = plain_frames();

    for (size_t prefix = 0; prefix <= 16; prefix += 16) {
        struct frames message = {NULL, 0, 0}, frames = {NULL, 0, 0};
        frames_raw(&message, "0123456789abcdef", prefix);
        frames_raw(&message, held.bytes, held.length);
        for (size_t i = 0; i < 4; i++)
            frames_put(&frames, crc32, message.bytes, message.length);
        frames.bytes[frames.length / 4 + 8 + prefix + 64 * 10 + 20] ^= 1;
        frames.length -= 64 * 3;
        expect(&frames, 2, 0);
        free(message.bytes);
    }
    free(held.bytes);
}

/* --- the caller --------------------------------------------------------------------------------
 */

static enum fls_status stop_at_third(void *context, const struct fls_message *message)
{
    ++*(int *)context;
    assert_int_equal((uintptr_t)message->payload % 8, 0);
    return message->frame == 2 ? FLS_STOPPED : FLS_OK;
}

static enum fls_status refuse_region(void *context, const struct fls_salvage_region *region)
{
    (void)context;
    return region->frame == 1 ? FLS_IO : FLS_OK;
}

static void test_callers_stop_it(void **state)
{
    (void)state;
    static const size_t sizes[] = {5, 6, 7, 8};
    struct frames frames = {NULL, 0, 0};
    struct fls_salvage_report report;
    struct fls_error error;
    int seen = 0;
    struct fls_salvage_options options = {
        .checksum = FLS_CHECKSUM_CRC32, .message = stop_at_third, .context = &seen};

    frames_pattern(&frames, (struct fls_checksum){FLS_CHECKSUM_CRC32, NULL}, sizes, 4);
    assert_int_equal(fls_salvage_memory(frames.bytes, frames.length, &options, &report, &error),
                     FLS_STOPPED);
    assert_int_equal(seen, 3);
    assert_int_equal(report.frames, 2);
    frames.bytes[13 + 8] ^= 1;
    options.message = NULL;
    options.region = refuse_region;
    assert_int_equal(fls_salvage_memory(frames.bytes, frames.length, &options, &report, &error),
                     FLS_IO);
    assert_int_equal(error.status, FLS_IO);
    free(frames.bytes);
}

static void test_options_are_checked(void **state)
{
    (void)state;
    struct fls_tap empty = {NULL, NULL, NULL, 0, {{0, 0}}};
    const struct fls_salvage_options wrong[] = {
        {.checksum = FLS_CHECKSUM_NONE},
        {.checksum = FLS_CHECKSUM_CRC16},
        {.checksum = FLS_CHECKSUM_CUSTOM},
        {.checksum = FLS_CHECKSUM_CRC32, .alignment = 3},
        {.checksum = FLS_CHECKSUM_CRC32, .verifier = &empty}};
    struct fls_salvage_report report;
    struct fls_error error;
    int pipes[2];

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(fls_salvage_memory("", 0, &wrong[i], &report, &error),
                         FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_salvage_memory("", 0, NULL, &report, &error), FLS_INVALID_ARGUMENT);
    struct fls_salvage_options options = {.checksum = FLS_CHECKSUM_CRC32};
    assert_int_equal(fls_salvage_file("/no/such/file", &options, &report, &error), FLS_IO);
    assert_int_equal(fls_salvage_file("/", &options, &report, &error), FLS_UNSUPPORTED);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(fls_salvage_fd(pipes[0], 0, &options, &report, &error), FLS_UNSUPPORTED);
    close(pipes[0]);
    close(pipes[1]);
    int fd = memfd_create("short", 0);
    assert_int_equal(fls_salvage_fd(fd, 1, &options, &report, &error), FLS_INVALID_ARGUMENT);
    close(fd);
    assert_ok(fls_salvage_memory(NULL, 0, &options, &report, &error));
    assert_int_equal(report.frames + report.regions_lost, 0);
}

/* bytes_max: as if the stream ended there. */
static void test_bytes_max(void **state)
{
    (void)state;
    static const size_t sizes[] = {5, 6, 7, 8};
    struct frames frames = {NULL, 0, 0};
    struct fls_salvage_options options = {.checksum = FLS_CHECKSUM_CRC32, .bytes_max = 30};
    struct fls_salvage_report report;

    frames_pattern(&frames, (struct fls_checksum){FLS_CHECKSUM_CRC32, NULL}, sizes, 4);
    assert_ok(fls_salvage_memory(frames.bytes, frames.length, &options, &report, NULL));
    assert_int_equal(report.bytes, 30);
    assert_int_equal(report.frames, 2);
    assert_int_equal(report.bytes_lost, 30 - 13 - 14);
    free(frames.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chance_of_false_frames),
                                       cmocka_unit_test(test_large_messages),
                                       cmocka_unit_test(test_large_messages_damaged_in_a_row),
                                       cmocka_unit_test(test_length_leads_onto_a_later_frame),
                                       cmocka_unit_test(test_large_message_before_a_broken_header),
                                       cmocka_unit_test(test_large_length_leads_onto_a_frame),
                                       cmocka_unit_test(test_length_leads_beyond_the_end),
                                       cmocka_unit_test(test_lost_sector_is_no_messages),
                                       cmocka_unit_test(test_verifier_refuses_empty_ones),
                                       cmocka_unit_test(test_held_frames_stay_inside),
                                       cmocka_unit_test(test_callers_stop_it),
                                       cmocka_unit_test(test_options_are_checked),
                                       cmocka_unit_test(test_bytes_max)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
