/*
 * zoo.h: the schema tests/data/zoo.fbs and messages of it, for the tests of verifier, paths and
 * JSON. flatc made all of them (tests/data/make-schemas.sh).
 */
#ifndef TESTS_SUPPORT_ZOO_H
#define TESTS_SUPPORT_ZOO_H

#include <flatstream/schema.h>
#include <flatstream/verifier.h>

/* The file's bytes, in memory of exactly that size; the caller frees them. */
uint8_t *read_test_file(const char *path, size_t *bytes);

/* The schema, and a verifier of its root table with the default limits; asserts that both open. */
struct fls_schema *open_schema(const char *path);
struct fls_verifier *open_verifier(const struct fls_schema *schema);

/* Where a field of the table at `table` is in the message, 0 if it is absent; and the position that
 * the offset at `at` refers to. By the format's rules, not by the code under test. */
uint32_t field_place(const uint8_t *message, uint32_t table, unsigned id);
uint32_t target_of(const uint8_t *message, uint32_t at);

uint32_t get_u32(const uint8_t *at);
void put_u32(uint8_t *at, uint32_t value);
void put_u16(uint8_t *at, uint16_t value);

#endif
