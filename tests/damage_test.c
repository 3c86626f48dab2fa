/*
 * damage_test.c: every way to damage a small stream, and what a scan must say of it.
 *
 * The tables come from data/model.py, which knows the wire format and not this library. Each case
 * is scanned from memory, and again through a source that shows as little as it may.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/data_file.h"
#include "support/test.h"

#define DAMAGE TEST_DATA "/damage/"

/* The most zero bytes that a case puts behind the stream. */
#define ZEROS_MAX 64

enum column {
    KIND_OF_DAMAGE,
    FIRST,
    LAST,
    FRAMES,
    GOOD_OFFSET,
    TAIL_BYTES,
    PAYLOAD_BYTES,
    END,
    ERROR,
    PART,
    FRAME,
    OFFSET,
    EXPECTED,
    FOUND,
    COLUMNS
};

/* A whole stream, and room beside it for the damaged copy. */
struct subject {
    enum fls_checksum_kind kind;
    const char *whole;
    size_t whole_bytes;
    uint8_t *damaged;
};

static int is_damage(char *const *row, const char *name)
{
    size_t length = strlen(name);

    return strncmp(row[KIND_OF_DAMAGE], name, length) == 0 &&
           (row[KIND_OF_DAMAGE][length] == '\0' ||
            strcmp(row[KIND_OF_DAMAGE] + length, "-torn") == 0);
}

/* Makes the damaged copy of case `n`; returns its length. */
static size_t damage(struct subject *subject, char *const *row, size_t n)
{
    memcpy(subject->damaged, subject->whole, subject->whole_bytes);
    if (is_damage(row, "cut"))
        return n;
    if (is_damage(row, "flip"))
        subject->damaged[n / 8] ^= (uint8_t)(1 << (n % 8));
    else if (is_damage(row, "blank"))
        memset(subject->damaged + n, 0, subject->whole_bytes - n);
    else if (is_damage(row, "zeros")) {
        assert_true(n <= ZEROS_MAX);
        memset(subject->damaged + subject->whole_bytes, 0, n);
        return subject->whole_bytes + n;
    } else
        fail_msg("unknown damage %s", row[KIND_OF_DAMAGE]);
    return subject->whole_bytes;
}

/* --- what is expected --- */

static void check_number(const char *expected, uint64_t found)
{
    if (strcmp(expected, "-") != 0)
        assert_int_equal(found, strtoull(expected, NULL, 10));
}

static const char *end_word(enum fls_stream_end end)
{
    static const char *const words[] = {"clean", "torn", "corrupt"};

    return words[end];
}

static const char *part_word(enum fls_part part)
{
    static const char *const words[] = {"none", "header", "payload"};

    return words[part];
}

static void check_error(char *const *row, const struct fls_error *error)
{
    if (strcmp(row[ERROR], "-") == 0) {
        assert_int_equal(error->status, FLS_OK);
        return;
    }
    assert_string_equal(fls_status_word(error->status), row[ERROR]);
    if (strcmp(row[PART], "-") != 0)
        assert_string_equal(part_word(error->part), row[PART]);
    assert_true(error->has_frame);
    check_number(row[FRAME], error->frame);
    check_number(row[OFFSET], error->offset);
    check_number(row[EXPECTED], error->expected);
    check_number(row[FOUND], error->found);
}

static void check_report(char *const *row, const struct fls_recovery *recovery)
{
    assert_string_equal(end_word(recovery->end), row[END]);
    check_number(row[FRAMES], recovery->frames);
    check_number(row[GOOD_OFFSET], recovery->good_offset);
    check_number(row[TAIL_BYTES], recovery->tail_bytes);
    check_number(row[PAYLOAD_BYTES], recovery->payload_bytes);
    check_error(row, &recovery->error);
}

/* --- scanning --- */

static struct fls_source *open_source(const uint8_t *bytes, size_t length,
                                      struct fls_fault_plan *trickle)
{
    struct fls_source *source, *outer;

    assert_ok(fls_source_open_memory(bytes, length, &source, NULL));
    if (!trickle)
        return source;
    assert_ok(fls_source_open_faulty(source, trickle, &outer, NULL));
    return outer;
}

static void check_scan(const struct subject *subject, char *const *row, const uint8_t *bytes,
                       size_t length, struct fls_fault_plan *trickle)
{
    struct fls_reader_options options = {.checksum = subject->kind, .owns_source = 1};
    struct fls_recovery recovery;
    struct fls_reader *reader;
    unsigned flags = strstr(row[KIND_OF_DAMAGE], "-torn") ? FLS_RECOVER_ZERO_TAIL_IS_TORN : 0;

    assert_ok(fls_reader_open(open_source(bytes, length, trickle), &options, &reader, NULL));
    assert_ok(fls_recover_scan(reader, flags, &recovery));
    check_report(row, &recovery);
    fls_reader_close(reader);
}

/* The bytes are scanned in a block of exactly their size, so that a read past them is seen. */
static void check_case(struct subject *subject, char *const *row, size_t n)
{
    struct fls_fault_plan trickle = {.bytes_max = 1};
    size_t length = damage(subject, row, n);
    uint8_t *bytes = malloc(length > 0 ? length : 1);

    assert_non_null(bytes);
    memcpy(bytes, subject->damaged, length);
    check_scan(subject, row, bytes, length, NULL);
    check_scan(subject, row, bytes, length, &trickle);
    free(bytes);
}

static size_t check_row(struct subject *subject, char *const *row)
{
    size_t first = (size_t)strtoull(row[FIRST], NULL, 10);
    size_t last = (size_t)strtoull(row[LAST], NULL, 10);

    for (size_t n = first; n <= last; n++)
        check_case(subject, row, n);
    return last - first + 1;
}

static void check_kind(enum fls_checksum_kind kind)
{
    struct subject subject = {.kind = kind};
    char path[4096], *row[TEST_FIELDS_MAX];
    size_t cuts = 0, flips = 0, columns;

    snprintf(path, sizeof path, DAMAGE "%s.fls", fls_checksum_name(kind));
    char *whole = test_read_file(path, &subject.whole_bytes);
    subject.whole = whole;
    subject.damaged = malloc(subject.whole_bytes + ZEROS_MAX);
    assert_non_null(subject.damaged);
    snprintf(path, sizeof path, DAMAGE "%s.tsv", fls_checksum_name(kind));
    char *table = test_read_file(path, NULL), *cursor = table;

    while ((columns = test_next_row(&cursor, row)) > 0) {
        assert_int_equal(columns, COLUMNS);
        size_t cases = check_row(&subject, row);
        cuts += is_damage(row, "cut") ? cases : 0;
        flips += is_damage(row, "flip") ? cases : 0;
    }
    assert_int_equal(cuts, subject.whole_bytes + 1);
    assert_int_equal(flips, subject.whole_bytes * 8);
    free(table);
    free(subject.damaged);
    free(whole);
}

static void test_damage_without_checksum(void **state)
{
    (void)state;
    check_kind(FLS_CHECKSUM_NONE);
}

static void test_damage_under_crc16(void **state)
{
    (void)state;
    check_kind(FLS_CHECKSUM_CRC16);
}

static void test_damage_under_crc32(void **state)
{
    (void)state;
    check_kind(FLS_CHECKSUM_CRC32);
}

static void test_damage_under_xxh3(void **state)
{
    (void)state;
    check_kind(FLS_CHECKSUM_XXH3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage_without_checksum),
        cmocka_unit_test(test_damage_under_crc16),
        cmocka_unit_test(test_damage_under_crc32),
        cmocka_unit_test(test_damage_under_xxh3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
