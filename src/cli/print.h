/*
 * print.h: messages on standard output, in the form of one's choice.
 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <flatstream/reader.h>

#include "cli/schema_file.h"

/* The words of --as, in the order of `form`. */
extern const char *const cli_forms[];
enum { CLI_FORM_JSON = 5 };

/* Their paragraph, for a help text. */
#define CLI_FORM_HELP                                                                              \
    "  --as FORM          lines   each payload and a newline (the default)\n"                      \
    "                     sized   each payload behind its length, 4 bytes,\n"                      \
    "                             little-endian\n"                                                 \
    "                     raw     the payloads, with nothing between them\n"                       \
    "                     hex     `frame N at byte B: S bytes`, then a dump of the\n"              \
    "                             payload\n"                                                       \
    "                     base64  one line a message\n"                                            \
    "                     json    one object a line, by --schema\n"

/* `schema` is what json prints by; `not_json` counts the messages that it could not print. */
struct cli_printing {
    int form;
    struct cli_schema schema;
    uint64_t not_json;
};

/* CLI_GO_ON when json has a schema and nothing else has, else CLI_USAGE. */
int cli_print_check(const struct cli_verb *verb, const struct cli_printing *printing,
                    const struct cli_schema_options *schema);

/* A message that cannot be printed, as an object of frame, offset, error and base64, and a newline.
 */
void cli_print_refused(const struct fls_message *message, const struct fls_error *error);

/* Says that `count` messages were printed so; if there are any. */
void cli_print_tell_refused(const char *name, uint64_t count);

void cli_print_message(struct cli_printing *printing, const struct fls_message *message);

/* Says how many messages were not printable, if any; returns the exit status with that. */
int cli_print_end(const struct cli_printing *printing, const char *name, int result);

#endif
