/*
 * fields.h: chosen fields of messages, printed as JSON or CSV.
 */
#ifndef CLI_FIELDS_H
#define CLI_FIELDS_H

#include <flatstream/schema.h>

#include "cli/mistake.h"

/* One field: its path as the user wrote it, and compiled. list: the vector of a path with `[]`, the
 * first of several; else NULL. */
struct cli_field {
    char *name;
    struct fls_path *path;
    struct fls_path *list;
};

struct cli_fields {
    struct cli_field *list;
    size_t count;
};

/*
 * Compiles paths separated by commas, each of a number, text, bool, enum or union, or of many of
 * them (with `[]`). FLS_OK; FLS_INVALID_ARGUMENT: see *mistake; FLS_NO_MEMORY. Free what was filled
 * in any case.
 */
enum fls_status cli_fields_compile(const struct fls_schema *schema, const struct fls_object *root,
                                   const char *text, struct cli_fields *fields,
                                   struct cli_mistake *mistake);

void cli_fields_free(struct cli_fields *fields);

/* FLS_OK: all of them can be printed. Else nothing was printed, and error->reason says why:
 * FLS_INVALID_FLATBUFFER, a field leads out of the message; FLS_UNSUPPORTED, a text in it is not
 * UTF-8. */
enum fls_status cli_fields_check(const struct cli_fields *fields, const void *message, size_t bytes,
                                 struct fls_error *error);

/* {"cpu.user":0.5,"host":"a"} and a newline. Absent values, and nan and infinities, which JSON
 * lacks, are null; a path with `[]` is an array, and null where the vector is absent; enums are
 * their names where they have one. */
void cli_fields_json(const struct cli_fields *fields, const void *message, size_t bytes);

/*
 * The names, and values in the same order, quoted as RFC 4180 says; lines end in a newline. What is
 * absent is \N; a text of backslashes with an N behind them has one more of them. A path with `[]`
 * is a JSON array, in which nan, inf and -inf are strings.
 */
void cli_fields_csv_header(const struct cli_fields *fields);
void cli_fields_csv(const struct cli_fields *fields, const void *message, size_t bytes);

#endif
