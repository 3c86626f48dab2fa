/*
 * base64.h: bytes as base64, on standard output.
 */
#ifndef CLI_BASE64_H
#define CLI_BASE64_H

#include <stddef.h>

/* Prints the bytes, padded, without line breaks. */
void cli_base64(const void *bytes, size_t count);

#endif
