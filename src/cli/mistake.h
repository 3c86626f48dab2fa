/*
 * mistake.h: what is wrong with a text that the user gave, and where in it.
 */
#ifndef CLI_MISTAKE_H
#define CLI_MISTAKE_H

#include "cli/cli.h"

/* Bytes [at, at + length) are wrong; length 0 at the text's end: something is missing there. */
struct cli_mistake {
    size_t at;
    size_t length;
    char text[256];
};

/* Fills the mistake; returns 0, so that parsers can say `return cli_mistaken(...)`. */
int cli_mistaken(struct cli_mistake *mistake, size_t at, size_t length, const char *format, ...)
    CLI_PRINTF(4, 5);

/* Says it, with the text of option `name` and a line under it that points into it. Returns
 * CLI_USAGE. */
int cli_point_at(const struct cli_verb *verb, const char *name, const char *text,
                 const struct cli_mistake *mistake);

#endif
