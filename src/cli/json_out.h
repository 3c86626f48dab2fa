/*
 * json_out.h: strings as JSON, on standard output.
 */
#ifndef CLI_JSON_OUT_H
#define CLI_JSON_OUT_H

#include <stddef.h>

/* Prints `text` in quotes, escaped. Bytes that are no UTF-8 become U+FFFD, so that what comes out
 * is JSON for every parser. */
void cli_json_string(const char *text);

/* The same for `length` bytes, behind which there is a zero byte; those among them are printed. */
void cli_json_text(const char *text, size_t length);

/* The same inside a quoted field of CSV, where each quote is two. */
void cli_json_text_in_csv(const char *text, size_t length);

/* Are these `length` bytes, behind which there is a zero byte, UTF-8? */
int cli_is_utf8(const char *text, size_t length);

/* The same without the quotes, for a string that is put together; a quote in it is a backslash and
 * `quote`. */
void cli_json_inside(const char *text, size_t length, const char *quote);

/* Bytes of the well-formed UTF-8 sequence of several bytes at `text`, or 0; the text ends in a zero
 * byte. */
unsigned cli_utf8_length(const char *text);

#endif
