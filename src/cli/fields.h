/*
 * fields.h: chosen fields of messages, printed as JSON or CSV.
 */
#ifndef CLI_FIELDS_H
#define CLI_FIELDS_H

#include <flatstream/schema.h>

#include "cli/mistake.h"

/* One field: its path as the user wrote it, and compiled. */
struct cli_field {
    char *name;
    struct fls_path *path;
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

/* Can all of them be read? What could not would be printed as absent. */
int cli_fields_readable(const struct cli_fields *fields, const void *message, size_t bytes);

/* {"cpu.user":0.5,"host":"a"} and a newline. Absent values, and nan and infinities, which JSON
 * lacks, are null; a path with `[]` is an array; enums are their names where they have one. */
void cli_fields_json(const struct cli_fields *fields, const void *message, size_t bytes);

/* The names, and values in the same order, quoted as RFC 4180 says; lines end in a newline. An
 * absent value is nothing, an empty text is ""; the values of a path with `[]` have ; between. */
void cli_fields_csv_header(const struct cli_fields *fields);
void cli_fields_csv(const struct cli_fields *fields, const void *message, size_t bytes);

#endif
