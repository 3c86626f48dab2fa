/*
 * schema_file.h: the schema that --schema names, and messages by it: verified, as JSON, from JSON.
 */
#ifndef CLI_SCHEMA_FILE_H
#define CLI_SCHEMA_FILE_H

#include <flatstream/reader.h>
#include <flatstream/schema.h>
#include <flatstream/verifier.h>

#include "cli/options.h"

/* `strict` as in struct fls_verifier_options; only `verify` has an option for it. */
struct cli_schema_options {
    const char *file;
    const char *root;
    int no_identifier;
    int strict;
};

/* Their rows, for a table of options; those who make messages have no use for the last. */
#define CLI_SCHEMA_FILE_OPTIONS(o)                                                                 \
    {"schema", 0, CLI_TEXT, &(o)->file, NULL, 0},                                                  \
    {                                                                                              \
        "root", 0, CLI_TEXT, &(o)->root, NULL, 0                                                   \
    }
#define CLI_SCHEMA_OPTIONS(o)                                                                      \
    CLI_SCHEMA_FILE_OPTIONS(o),                                                                    \
    {                                                                                              \
        "no-identifier", 0, CLI_FLAG, &(o)->no_identifier, NULL, 0                                 \
    }

/* Their paragraphs, for a help text. */
#define CLI_SCHEMA_FILE_HELP                                                                       \
    "  --schema FILE      what the messages are: a .fbs, or a .bfbs of `flatc\n"                   \
    "                     --schema -b`\n"                                                          \
    "  --root TABLE       their root table, where it is not the schema's root_type\n"
#define CLI_SCHEMA_HELP                                                                            \
    CLI_SCHEMA_FILE_HELP                                                                           \
    "  --no-identifier    take messages that lack the schema's file identifier, too\n"

struct fls_json;

/*
 *   schema    all that was opened; `root` the messages' root table, in it
 *   verifier  accepts a message that is aligned from its start or from its size prefix: where it
 *             was aligned cannot be known
 *   identifier  what every message must have behind its first four bytes; "": nothing, since the
 *             schema has none, or another root was named, or it is not to be looked at
 *   json      opened when it was asked for, else NULL
 */
struct cli_schema {
    struct fls_schema *schema;
    const struct fls_object *root;
    struct fls_verifier *verifier;
    const char *identifier;
    struct fls_json *json;
};

/*
 * Opens what the options name, zeroed when they name nothing; with `with_json`, for parsing
 * JSON too. CLI_GO_ON, CLI_USAGE (no such table, a schema that is none, no JSON in this build),
 * CLI_SYSTEM; messages are given.
 */
int cli_schema_open(const struct cli_verb *verb, const struct cli_schema_options *options,
                    int with_json, struct cli_schema *schema);

/* Closes what is open; a zeroed one is allowed. */
void cli_schema_close(struct cli_schema *schema);

/* Has the message the identifier that the schema asks for? 1, or 0 and *error (may be NULL). For
 * those who read fields of messages that they do not verify. */
int cli_schema_identifies(const struct cli_schema *schema, const void *message, size_t bytes,
                          struct fls_error *error);

/* As cli_watch.see: refuses, with FLS_VALIDATION_FAILED, a message that does not verify. `schema`
 * is a struct cli_schema. */
enum fls_status cli_schema_see(void *schema, const struct fls_message *message,
                               struct fls_error *error);

/* Prints a message as one line of JSON, without the newline, on standard output. FLS_OK; else what
 * is wrong with the message, or FLS_NO_MEMORY, and nothing was printed (FLS_UNSUPPORTED: JSON has
 * no words for it). */
enum fls_status cli_schema_print(const struct cli_schema *schema, const void *message, size_t bytes,
                                 struct fls_error *error);

/* Makes a message of one JSON object; valid until the next call. FLS_OK; FLS_INVALID_FLATBUFFER:
 * error->reason says what and in which column of the text; FLS_NO_MEMORY. */
enum fls_status cli_schema_parse(const struct cli_schema *schema, const char *text, size_t length,
                                 const void **message, size_t *bytes, struct fls_error *error);

#endif
