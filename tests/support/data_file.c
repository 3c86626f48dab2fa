/*
 * data_file.c: see data_file.h.
 */
#include "support/data_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

char *test_read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    size_t capacity = 1 << 16, used = 0, got;
    char *bytes = malloc(capacity);

    if (!file)
        fail_msg("cannot open %s", path);
    assert_non_null(bytes);
    while ((got = fread(bytes + used, 1, capacity - 1 - used, file)) > 0) {
        used += got;
        if (used + 1 == capacity) {
            capacity *= 2;
            bytes = realloc(bytes, capacity);
            assert_non_null(bytes);
        }
    }
    assert_false(ferror(file));
    fclose(file);
    bytes[used] = '\0';
    if (length)
        *length = used;
    return bytes;
}

size_t test_next_row(char **cursor, char *fields[TEST_FIELDS_MAX])
{
    while (**cursor == '#' || **cursor == '\n')
        *cursor += strcspn(*cursor, "\n") + (**cursor == '\n');
    if (**cursor == '\0')
        return 0;

    char *line = *cursor;
    size_t line_bytes = strcspn(line, "\n");
    *cursor += line_bytes + (line[line_bytes] == '\n');
    line[line_bytes] = '\0';

    size_t count = 0;
    while (line && count < TEST_FIELDS_MAX) {
        fields[count++] = line;
        line = strchr(line, '\t');
        if (line)
            *line++ = '\0';
    }
    return count;
}

size_t test_from_hex(const char *hex, unsigned char *bytes, size_t capacity)
{
    size_t count = strlen(hex) / 2;

    assert_int_equal(strlen(hex) % 2, 0);
    assert_true(count <= capacity);
    for (size_t i = 0; i < count; i++) {
        unsigned value;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        bytes[i] = (unsigned char)value;
    }
    return count;
}
