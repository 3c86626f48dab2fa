/*
 * number.h: numbers as text, without printf where many are printed.
 */
#ifndef CLI_NUMBER_H
#define CLI_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Room that every number below fits in. */
#define CLI_NUMBER_BYTES 32

/* Each writes the digits to `text`, without a terminator, and returns how many there are. */
size_t cli_put_unsigned(uint64_t number, char *text);
size_t cli_put_signed(int64_t number, char *text);

/* The shortest text that reads back as the same double (nan, inf and -inf by these names). */
size_t cli_put_real(double number, char *text);

/* The same for what was a float: 0.1f is 0.1. */
size_t cli_put_float(float number, char *text);

#endif
