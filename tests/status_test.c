/*
 * status_test.c: the words of every status, and the line that an error becomes, whole and cut off.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static void words_and_texts(void **state)
{
    static const char *const words[] = {"ok",
                                        "end",
                                        "again",
                                        "stopped",
                                        "unexpected_end",
                                        "checksum_mismatch",
                                        "invalid_frame",
                                        "invalid_flatbuffer",
                                        "validation_failed",
                                        "invalid_argument",
                                        "too_small",
                                        "limit",
                                        "busy",
                                        "unsupported",
                                        "io",
                                        "no_memory"};

    (void)state;
    assert_int_equal(FLS_OK, 0);
    assert_int_equal(FLS_NO_MEMORY, 15);
    for (int i = FLS_OK; i <= FLS_NO_MEMORY; i++) {
        assert_string_equal(fls_status_word((enum fls_status)i), words[i]);
        assert_true(strlen(fls_status_text((enum fls_status)i)) > 5);
    }
    assert_string_equal(fls_status_word((enum fls_status)16), "unknown");
    assert_string_equal(fls_status_word((enum fls_status) - 1), "unknown");
    assert_non_null(fls_status_text((enum fls_status)16));
}

static void assert_line(const struct fls_error *error, const char *expected)
{
    char line[512];

    assert_int_equal(fls_error_format(error, line, sizeof line), strlen(expected));
    assert_string_equal(line, expected);
}

static struct fls_error numbers(enum fls_status status, enum fls_part part, uint64_t expected,
                                uint64_t found)
{
    struct fls_error error = {.status = status,
                              .part = part,
                              .has_frame = 1,
                              .frame = 2,
                              .offset = 18,
                              .expected = expected,
                              .found = found};

    return error;
}

static void the_two_numbers(void **state)
{
    struct fls_error error = numbers(FLS_UNEXPECTED_END, FLS_PART_PAYLOAD, 300, 150);

    (void)state;
    assert_line(&error, "frame 2 at byte 18: payload ends after 150 of 300 bytes");
    error = numbers(FLS_UNEXPECTED_END, FLS_PART_HEADER, 12, 3);
    assert_line(&error, "frame 2 at byte 18: header ends after 3 of 12 bytes");
    error = numbers(FLS_CHECKSUM_MISMATCH, FLS_PART_PAYLOAD, 0xCBF43926, 0x31C3);
    assert_line(&error, "frame 2 at byte 18: checksum 0xCBF43926 stored, 0x31C3 calculated");
    error = numbers(FLS_INVALID_FRAME, FLS_PART_HEADER, 100, UINT32_MAX);
    assert_line(&error, "frame 2 at byte 18: payload of 4294967295 bytes is over the limit of 100");
    error = numbers(FLS_TOO_SMALL, FLS_PART_PAYLOAD, 10, 20);
    assert_line(&error, "frame 2 at byte 18: room for 10 bytes, 20 needed");
    error.frame = error.offset = UINT64_MAX;
    assert_line(&error, "frame 18446744073709551615 at byte 18446744073709551615: "
                        "room for 10 bytes, 20 needed");
}

static void the_system(void **state)
{
    struct fls_error error = FLS_ZERO;
    char expected[200];

    (void)state;
    assert_int_equal(fls_error_system(&error, "writev", ENOSPC), FLS_IO);
    assert_line(&error, "writev: No space left on device");
    snprintf(error.reason, sizeof error.reason, "3 messages lost");
    assert_line(&error, "writev: No space left on device (3 messages lost)");
    error = (struct fls_error){.status = FLS_IO, .os_errno = EPIPE};
    assert_line(&error, "Broken pipe");
    fls_error_system(&error, "read", 12345);
    snprintf(expected, sizeof expected, "read: %s", strerror(12345));
    assert_line(&error, expected);
    assert_int_equal(fls_error_system(NULL, "read", EIO), FLS_IO);
}

static void refusals(void **state)
{
    struct fls_error error = {.status = FLS_VALIDATION_FAILED};

    (void)state;
    assert_line(&error, "refused by a validator");
    snprintf(error.subject, sizeof error.subject, "size");
    assert_line(&error, "refused by size");
    snprintf(error.reason, sizeof error.reason, "too blue");
    assert_line(&error, "refused by size: too blue");
}

/* Whatever has only words: the reason, or the status's own text. */
static void words_only(void **state)
{
    (void)state;
    for (int i = FLS_OK; i <= FLS_NO_MEMORY; i++) {
        struct fls_error error = {.status = (enum fls_status)i};
        char line[300];
        assert_true(fls_error_format(&error, line, sizeof line) > 5);
        snprintf(error.reason, sizeof error.reason, "because of x");
        fls_error_format(&error, line, sizeof line);
        if (i != FLS_CHECKSUM_MISMATCH && i != FLS_TOO_SMALL)
            assert_non_null(strstr(line, "because of x"));
    }
    struct fls_error error = FLS_ZERO;
    assert_line(&error, "all well");
    fls_error_set(&error, FLS_INVALID_ARGUMENT, "tap %d is %s", 3, "odd");
    assert_line(&error, "tap 3 is odd");
}

/* At every size: cut off, terminated, nothing behind it touched, the whole length returned. */
static void cut_off(void **state)
{
    struct fls_error error = numbers(FLS_UNEXPECTED_END, FLS_PART_PAYLOAD, 300, 150);
    const char *whole = "frame 2 at byte 18: payload ends after 150 of 300 bytes";
    size_t length = strlen(whole);

    (void)state;
    assert_int_equal(fls_error_format(&error, NULL, 0), length);
    for (size_t size = 0; size <= length + 2; size++) {
        char line[100];
        memset(line, '#', sizeof line);
        assert_int_equal(fls_error_format(&error, line, size), length);
        for (size_t i = size; i < sizeof line; i++)
            assert_int_equal(line[i], '#');
        if (size == 0)
            continue;
        size_t kept = size - 1 < length ? size - 1 : length;
        assert_int_equal(strlen(line), kept);
        assert_memory_equal(line, whole, kept);
    }
}

/* A reason longer than its room is cut, not overrun. */
static void long_reason(void **state)
{
    struct fls_error error = FLS_ZERO;
    char text[400];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    fls_error_set(&error, FLS_LIMIT, "%s", text);
    assert_int_equal(strlen(error.reason), FLS_ERROR_TEXT_MAX - 1);
    fls_error_system(&error, text, EIO);
    assert_int_equal(strlen(error.subject), sizeof error.subject - 1);
}

static void version(void **state)
{
    (void)state;
    assert_string_equal(fls_version(), FLS_VERSION_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_texts), cmocka_unit_test(the_two_numbers),
        cmocka_unit_test(the_system),      cmocka_unit_test(refusals),
        cmocka_unit_test(words_only),      cmocka_unit_test(cut_off),
        cmocka_unit_test(long_reason),     cmocka_unit_test(version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
