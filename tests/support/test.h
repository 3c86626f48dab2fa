/*
 * test.h: what every test includes, in the order that cmocka wants, and a few short hands.
 */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <flatstream/flatstream.h>

#define assert_ok(expression) assert_int_equal((expression), FLS_OK)

/* Byte i of the deterministic payload of `bytes` bytes that all tests and golden data use. */
static inline uint8_t pattern_byte(size_t i, size_t bytes)
{
    return (uint8_t)((i * 131 + bytes * 7 + (i >> 8)) & 0xff);
}

/* Fills `to` with that pattern. */
void pattern_fill(void *to, size_t bytes);

/* A sink into memory and a writer on it; asserts that both open. */
struct fls_writer *open_memory_writer(struct fls_sink **sink,
                                      const struct fls_writer_options *options);

/* A source over memory and a reader on it that owns it; asserts that both open. */
struct fls_reader *open_memory_reader(const void *bytes, size_t length,
                                      const struct fls_reader_options *options);

#endif
