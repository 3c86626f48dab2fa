/*
 * salvage_effort_test.c: what salvage hashes and looks through stays in proportion to the bytes,
 * whatever they are; and what comes out does not depend on the threads, also where it is cut short.
 *
 * Effort is counted, not timed, within a sixty-fourth of the usual purses and stretches and for
 * streams of 128 KiB and 1 MiB: what grows faster than its input shows here as it would from 8 to
 * 64 MiB.
 */
#include <stdlib.h>
#include <string.h>

#include <flatstream/salvage.h>

#include "journal/salvage_walk.h"
#include "support/frames.h"

#define KIB ((size_t)1 << 10)
#define SHORT_BYTES (128 * KIB)
#define LONG_BYTES (8 * SHORT_BYTES)

static const struct fls_checksum_custom *const no_custom = NULL;

struct kind {
    const char *name;
    enum fls_checksum_kind checksum;
    int verified;
};

static const struct kind kinds[] = {{"xxh3", FLS_CHECKSUM_XXH3, 0},
                                    {"crc32", FLS_CHECKSUM_CRC32, 0},
                                    {"crc16", FLS_CHECKSUM_CRC16, 1},
                                    {"none", FLS_CHECKSUM_NONE, 1}};

static struct fls_checksum checksum_of(const struct kind *kind)
{
    return (struct fls_checksum){kind->checksum, no_custom};
}

/* The first byte of a message is right. It says nothing of small numbers and noise, mostly. */
static int begins_with_a(const void *buffer, size_t bytes)
{
    return bytes > 0 && *(const uint8_t *)buffer == 0xa5 ? 0 : 1;
}

/* ---- bytes that look like frames ------------------------------------------------------------- */

static void put_u32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static void raw_u32(struct frames *out, uint32_t value)
{
    uint8_t bytes[4];

    put_u32(bytes, value);
    frames_raw(out, bytes, sizeof bytes);
}

static void put_message(struct frames *out, const struct kind *kind, size_t bytes)
{
    uint8_t *payload = malloc(bytes + 1);

    assert_non_null(payload);
    for (size_t i = 0; i < bytes; i++)
        payload[i] = (uint8_t)(test_random() >> 9);
    payload[0] = 0xa5;
    frames_put(out, checksum_of(kind), payload, bytes);
    free(payload);
}

static void short_words(struct frames *out, const struct kind *kind, size_t bytes)
{
    (void)kind;
    while (out->length < bytes)
        raw_u32(out, 1 + test_random() % 4000);
}

static void middling_words(struct frames *out, const struct kind *kind, size_t bytes)
{
    (void)kind;
    while (out->length < bytes)
        raw_u32(out, 60000);
}

static void words_of_all_sizes(struct frames *out, const struct kind *kind, size_t bytes)
{
    (void)kind;
    while (out->length < bytes)
        raw_u32(out, (uint32_t)(test_random() & 0xffffff) >> test_random() % 22);
}

static void zeros(struct frames *out, const struct kind *kind, size_t bytes)
{
    (void)kind;
    while (out->length < bytes)
        raw_u32(out, 0);
}

static void ones(struct frames *out, const struct kind *kind, size_t bytes)
{
    (void)kind;
    while (out->length < bytes)
        raw_u32(out, 1);
}

static void noise(struct frames *out, const struct kind *kind, size_t bytes)
{
    (void)kind;
    while (out->length < bytes)
        raw_u32(out, test_random() << 16 ^ test_random());
}

/* Lengths that all lead exactly to the end. */
static void countdown(struct frames *out, const struct kind *kind, size_t bytes)
{
    uint32_t header = 4 + (uint32_t)fls_checksum_bytes(checksum_of(kind));

    while (out->length + header < bytes)
        raw_u32(out, (uint32_t)(bytes - out->length) - header);
    while (out->length < bytes)
        raw_u32(out, 0);
}

/* Headers that lead one to the next, and prove nothing. */
static void chain(struct frames *out, const struct kind *kind, size_t bytes, size_t least)
{
    while (out->length < bytes) {
        size_t at = out->length;
        put_message(out, kind, least + test_random() % least);
        if (at + 5 < out->length)
            out->bytes[out->length - 1] ^= 1;
    }
}

static void short_chain(struct frames *out, const struct kind *kind, size_t bytes)
{
    chain(out, kind, bytes, 20);
}

static void long_chain(struct frames *out, const struct kind *kind, size_t bytes)
{
    chain(out, kind, bytes, 70000);
}

/* Small messages; every second is damaged by `harm`, that is given its frame. */
static void every_second(struct frames *out, const struct kind *kind, size_t bytes,
                         void (*harm)(struct frames *out, size_t at, size_t all))
{
    while (out->length < bytes) {
        put_message(out, kind, 24);
        size_t at = out->length;
        put_message(out, kind, 24);
        harm(out, at, bytes);
    }
}

static void harm_payload(struct frames *out, size_t at, size_t all)
{
    (void)at;
    (void)all;
    out->bytes[out->length - 24] ^= 1;
    out->bytes[out->length - 4] ^= 1;
}

static void damaged_payloads(struct frames *out, const struct kind *kind, size_t bytes)
{
    every_second(out, kind, bytes, harm_payload);
}

static void harm_length(struct frames *out, size_t at, size_t all)
{
    (void)all;
    out->bytes[at] ^= 0x11;
}

static void damaged_lengths(struct frames *out, const struct kind *kind, size_t bytes)
{
    every_second(out, kind, bytes, harm_length);
}

/* Onto a frame far behind. */
static void harm_by_far(struct frames *out, size_t at, size_t all)
{
    size_t frame = out->length - at, left = (all - at) / (2 * frame);

    harm_payload(out, at, all);
    put_u32(out->bytes + at, (uint32_t)(frame + 2 * frame * (left / 2 + 1) - (frame - 24)));
}

static void lengths_that_lead_far(struct frames *out, const struct kind *kind, size_t bytes)
{
    every_second(out, kind, bytes, harm_by_far);
}

/* A length of 65,535 or so, which a later frame's header follows. */
static void harm_as_trap(struct frames *out, size_t at, size_t all)
{
    size_t frame = out->length - at;

    (void)all;
    put_u32(out->bytes + at, (uint32_t)(65000 / (2 * frame) * 2 * frame - (frame - 24)));
    out->bytes[at + frame - 24] ^= 1;
}

static void traps(struct frames *out, const struct kind *kind, size_t bytes)
{
    every_second(out, kind, bytes, harm_as_trap);
}

/* Streams in messages in messages, damaged on all levels. */
static void put_nested(struct frames *out, const struct kind *kind, int depth, size_t bytes)
{
    struct frames inner = {NULL, 0, 0};

    if (depth == 0) {
        put_message(out, kind, 10 + test_random() % 100);
        return;
    }
    frames_raw(&inner, "\xa5", 1);
    while (inner.length < bytes)
        put_nested(&inner, kind, depth - 1, bytes / 10);
    frames_put(out, checksum_of(kind), inner.bytes, inner.length);
    free(inner.bytes);
}

static void nested(struct frames *out, const struct kind *kind, size_t bytes)
{
    while (out->length < bytes)
        put_nested(out, kind, 4, 150000);
    for (size_t at = 5; at < out->length; at += 1 + test_random() % 9000)
        out->bytes[at] ^= 0x10;
}

/* A stream of another kind. */
static void another_kind(struct frames *out, const struct kind *kind, size_t bytes)
{
    const struct kind *other = &kinds[kind->checksum == FLS_CHECKSUM_XXH3 ? 1 : 0];

    while (out->length < bytes)
        put_message(out, other, 20 + test_random() % 2000);
}

/* Large messages of which all are damaged, in various ways. */
static void large_ones(struct frames *out, const struct kind *kind, size_t bytes)
{
    while (out->length < bytes) {
        size_t at = out->length;
        put_message(out, kind, 100000);
        out->bytes[at + test_random() % 4] ^= (uint8_t)(1 + test_random() % 255);
        out->bytes[at + 5000] ^= 1;
        out->length -= test_random() % 90;
    }
}

static const struct attack {
    const char *name;
    void (*make)(struct frames *out, const struct kind *kind, size_t bytes);
} attacks[] = {{"short words", short_words},
               {"words of 60,000", middling_words},
               {"words of all sizes", words_of_all_sizes},
               {"zeros", zeros},
               {"ones", ones},
               {"noise", noise},
               {"lengths to the end", countdown},
               {"a chain of short ones", short_chain},
               {"a chain of long ones", long_chain},
               {"every second payload damaged", damaged_payloads},
               {"every second length damaged", damaged_lengths},
               {"lengths that lead far", lengths_that_lead_far},
               {"traps", traps},
               {"nested", nested},
               {"another kind", another_kind},
               {"large ones", large_ones}};

/* ---- effort ---------------------------------------------------------------------------------- */

#define PART 64

/* What came out, as a digest. */
struct outcome {
    uint64_t digest;
    struct fls_salvage_report report;
};

static enum fls_status note(struct outcome *outcome, uint64_t a, uint64_t b)
{
    outcome->digest = (outcome->digest * 31 + a) * 31 + b;
    return FLS_OK;
}

static enum fls_status note_message(void *context, const struct fls_message *message)
{
    return note(context, message->offset, message->bytes);
}

static enum fls_status note_region(void *context, const struct fls_salvage_region *region)
{
    return note(context, region->offset + (uint64_t)region->mended, region->bytes);
}

static struct outcome salvage(const struct frames *stream, size_t bytes, const struct kind *kind,
                              unsigned jobs)
{
    struct fls_tap verifier = fls_tap_typed("begins with a", begins_with_a);
    struct fls_salvage_bounds bounds = FLS_SALVAGE_BOUNDS;
    struct outcome outcome = {.digest = 0};
    struct fls_salvage_options options = {.checksum = kind->checksum,
                                          .verifier = kind->verified ? &verifier : NULL,
                                          .alignment = 1,
                                          .message = note_message,
                                          .region = note_region,
                                          .context = &outcome};

    bounds.effort /= PART;
    bounds.stretch_bytes /= PART;
    bounds.jobs = jobs;
    bounds.alone = jobs == 0;
    assert_ok(
        fls_salvage_memory_within(stream->bytes, bytes, &options, &bounds, &outcome.report, NULL));
    return outcome;
}

/* Bytes hashed and looked through; a comparison counts as some more. */
static uint64_t effort_of(const struct fls_salvage_report *report)
{
    return report->bytes_compared + report->bytes_searched + 64 * report->comparisons;
}

static uint64_t bound_for(uint64_t bytes)
{
    uint64_t effort = (uint64_t)FLS_SALVAGE_BOUNDS.effort / PART;
    uint64_t stretch = FLS_SALVAGE_BOUNDS.stretch_bytes / PART;

    return FLS_SALVAGE_PURSES *
               ((bytes / stretch + 2) * effort + FLS_SALVAGE_EFFORT_PER_BYTE * bytes) +
           600 * bytes;
}

static void expect_effort_in_proportion(const struct attack *attack, const struct kind *kind)
{
    struct frames stream = {NULL, 0, 0};

    attack->make(&stream, kind, LONG_BYTES);
    struct outcome part = salvage(&stream, SHORT_BYTES, kind, 0);
    struct outcome all = salvage(&stream, LONG_BYTES, kind, 0);
    struct outcome together = salvage(&stream, LONG_BYTES, kind, 2);
    uint64_t short_effort = effort_of(&part.report), effort = effort_of(&all.report);
    if (effort > bound_for(LONG_BYTES) || effort > 10 * short_effort + 400 * LONG_BYTES)
        fail_msg("%s, %s: an effort of %ju for %zu bytes, of %ju for an eighth", attack->name,
                 kind->name, (uintmax_t)effort, LONG_BYTES, (uintmax_t)short_effort);
    if (together.digest != all.digest || together.report.frames != all.report.frames ||
        together.report.passed_over != all.report.passed_over)
        fail_msg("%s, %s: by several threads it is not as by one", attack->name, kind->name);
    assert_int_equal(all.report.search_cut_short, all.report.passed_over > 0);
    free(stream.bytes);
}

static void test_effort_is_in_proportion(void **state)
{
    (void)state;
    test_random_seed(51);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t i = 0; i < sizeof attacks / sizeof attacks[0];
             i += k + 1) /* fewer of the rarer kinds */
            expect_effort_in_proportion(&attacks[i], &kinds[k]);
}

/* Where every second of the small messages is damaged, every other one comes out all the same. */
static void test_what_is_whole_comes_out(void **state)
{
    (void)state;
    static void (*const makes[])(struct frames *, const struct kind *, size_t) = {
        damaged_payloads, damaged_lengths, lengths_that_lead_far, traps};

    test_random_seed(52);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof makes / sizeof makes[0]; i++) {
            struct frames stream = {NULL, 0, 0};
            size_t header = 4 + fls_checksum_bytes(checksum_of(&kinds[k]));
            makes[i](&stream, &kinds[k], LONG_BYTES);
            struct outcome all = salvage(&stream, stream.length, &kinds[k], 0);
            uint64_t whole = stream.length / (header + 24) / 2;
            if (all.report.frames - all.report.mended != whole)
                fail_msg("%zu, %s: %ju of %ju came out, %ju passed over", i, kinds[k].name,
                         (uintmax_t)(all.report.frames - all.report.mended), (uintmax_t)whole,
                         (uintmax_t)all.report.passed_over);
            free(stream.bytes);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_effort_is_in_proportion),
                                       cmocka_unit_test(test_what_is_whole_comes_out)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
