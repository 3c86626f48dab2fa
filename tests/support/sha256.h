/*
 * sha256.h: SHA-256 of bytes in memory (FIPS 180-4), for comparing large outputs with digests that
 * were made elsewhere.
 */
#ifndef TESTS_SUPPORT_SHA256_H
#define TESTS_SUPPORT_SHA256_H

#include <stddef.h>

/* Writes the digest of `length` bytes as 64 lower-case hex digits and a terminator. */
void test_sha256_hex(const void *data, size_t length, char hex[65]);

#endif
