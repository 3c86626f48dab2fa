/*
 * zoo.c: see zoo.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "support/test.h"
#include "support/zoo.h"

uint8_t *read_test_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");

    if (!file)
        fail_msg("%s cannot be opened", path);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *memory = malloc(*bytes ? *bytes : 1);
    assert_non_null(memory);
    assert_int_equal(fread(memory, 1, *bytes, file), *bytes);
    fclose(file);
    return memory;
}

struct fls_schema *open_schema(const char *path)
{
    struct fls_schema *schema = NULL;
    struct fls_error error;
    size_t bytes;
    uint8_t *bfbs = read_test_file(path, &bytes);

    if (fls_schema_open(bfbs, bytes, &schema, &error) != FLS_OK)
        fail_msg("%s: %s", path, error.reason);
    free(bfbs);
    return schema;
}

struct fls_verifier *open_verifier(const struct fls_schema *schema)
{
    struct fls_verifier *verifier = NULL;

    assert_ok(fls_verifier_open(schema, NULL, NULL, &verifier, NULL));
    return verifier;
}

uint32_t get_u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

void put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

uint32_t field_place(const uint8_t *message, uint32_t table, unsigned id)
{
    uint32_t vtable = table - get_u32(message + table);
    uint32_t entry = 4 + 2 * id;

    if (entry >= get_u16(message + vtable))
        return 0;
    uint16_t place = get_u16(message + vtable + entry);
    return place ? table + place : 0;
}

uint32_t target_of(const uint8_t *message, uint32_t at)
{
    return at + get_u32(message + at);
}
