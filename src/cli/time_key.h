/*
 * time_key.h: the time of a message by a field: which field, in what unit, and what people compare
 * it with.
 */
#ifndef CLI_TIME_KEY_H
#define CLI_TIME_KEY_H

#include <flatstream/index.h>

#include "cli/instant.h"
#include "cli/schema_file.h"

/* The words of --time-unit, in the order of enum cli_time_unit. */
extern const char *const cli_time_units[];

struct cli_key_options {
    const char *field;
    int unit; /* enum cli_time_unit */
};

/* Their rows, for a table of options, and their paragraphs for a help text. */
#define CLI_KEY_OPTION(o)                                                                          \
    {                                                                                              \
        "key", 0, CLI_TEXT, &(o)->field, NULL, 0                                                   \
    }
#define CLI_TIME_UNIT_OPTION(o)                                                                    \
    {                                                                                              \
        "time-unit", 0, CLI_CHOICE, &(o)->unit, cli_time_units, 0                                  \
    }

#define CLI_KEY_HELP                                                                               \
    "  --key PATH         the field that is the messages' time: a number, of any\n"                \
    "                     unit; needs --schema\n"
#define CLI_TIME_UNIT_HELP                                                                         \
    "  --time-unit UNIT   s, ms, us or ns: the key counts these since 1970 in UTC,\n"              \
    "                     and times can be written as 2024-05-01T12:00:00.5Z; plain:\n"            \
    "                     numbers; auto (the default): what the key's name ends in\n"              \
    "                     (time_ns, at_ms), else plain\n"

/* A key ready for use; zeroed: none. `unit` is never CLI_TIME_AUTO once it is open. */
struct cli_key {
    const struct cli_schema *schema;
    struct fls_path *path;
    enum fls_value_kind kind;
    enum cli_time_unit unit;
    uint64_t broken; /* messages that cli_key_index_time could not read */
};

/* Compiles the field; the schema is borrowed. CLI_GO_ON (also when none is named), CLI_USAGE,
 * CLI_SYSTEM, with messages given. */
int cli_key_open(const struct cli_verb *verb, const struct cli_key_options *options,
                 const struct cli_schema *schema, struct cli_key *key);
void cli_key_close(struct cli_key *key);

/* The same for the key of an index, if it is a field of the schema; else nothing is opened, and
 * key->path stays NULL. FLS_OK, FLS_NO_MEMORY. */
enum fls_status cli_key_open_of_index(const struct fls_index_summary *summary,
                                      enum cli_time_unit unit, const struct cli_schema *schema,
                                      struct cli_key *key, struct fls_error *error);

/* The key of a message. NONE: it has none (NaN is none). BROKEN: the message is damaged inside. */
enum cli_key_found { CLI_KEY_BROKEN, CLI_KEY_NONE, CLI_KEY_FOUND };
enum cli_key_found cli_key_read(const struct cli_key *key, const struct fls_message *message,
                                struct fls_value *value);

/* Says how many messages were BROKEN, if any; returns the exit status for that. */
int cli_key_tell_broken(const char *name, uint64_t count);

/* What `text`, a number or a date, means beside the key: see struct cli_bound. CLI_GO_ON or, with a
 * message that names the option, CLI_USAGE. */
int cli_key_parse(const struct cli_verb *verb, const struct cli_key *key, const char *option,
                  const char *text, struct cli_bound *bound);

/* --- in an index -------------------------------------------------------------------------------
 */

/* Sets the options' key: its function, what it counts, and its name. The key is borrowed. */
void cli_key_for_index(struct cli_key *key, const char *name, struct fls_index_options *options);

/* As fls_time_function; `key` is a struct cli_key. Unsigned numbers go through
 * fls_time_from_unsigned. */
int cli_key_index_time(void *key, const void *payload, size_t bytes, int64_t *time);

/* The function that an index was built with, by what it says of itself; `context` is set. */
fls_time_function *cli_key_function(struct cli_key *key, const struct fls_index_summary *summary,
                                    void **context);

/* A bound's number as a time of this index; the nearest one that it can say. */
int64_t cli_index_time_of(const struct fls_index_summary *summary, const struct fls_value *number);

/* A time of an index as text, at most CLI_TIME_BYTES with the terminator; returns `text`. */
#define CLI_TIME_BYTES 40
const char *cli_time_text(const struct fls_index_summary *summary, int64_t time, char *text);

#endif
