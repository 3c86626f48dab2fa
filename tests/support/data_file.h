/*
 * data_file.h: test data: whole files, and tables of tab-separated fields.
 */
#ifndef TESTS_SUPPORT_DATA_FILE_H
#define TESTS_SUPPORT_DATA_FILE_H

#include <stddef.h>

#define TEST_FIELDS_MAX 16

/* Reads the whole file `path`, asserting that it is there; *length (may be NULL) is set. A
 * terminator stands behind the bytes. To be freed by the caller. */
char *test_read_file(const char *path, size_t *length);

/*
 * The next line of a table in memory (which is cut up in place): `cursor` starts at the text and is
 * moved on. Lines that begin with '#' are passed over. Sets fields[0 .. returned - 1]; 0 at the
 * end.
 */
size_t test_next_row(char **cursor, char *fields[TEST_FIELDS_MAX]);

/* Turns hex digits into bytes, asserting that they are such and fit; returns their number. */
size_t test_from_hex(const char *hex, unsigned char *bytes, size_t capacity);

#endif
