/*
 * time_key.h: the time of a message by a field: which field, in what unit, and times that people
 * give and get.
 */
#ifndef CLI_TIME_KEY_H
#define CLI_TIME_KEY_H

#include <flatstream/index.h>

#include "cli/schema_file.h"

/* What the field counts: unknown, or seconds and their parts since 1970 in UTC. */
enum cli_time_unit { CLI_TIME_PLAIN, CLI_TIME_S, CLI_TIME_MS, CLI_TIME_US, CLI_TIME_NS };
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
    "  --key PATH         the field that is the messages' time: a number, of any unit; needs\n"    \
    "                     --schema\n"
#define CLI_TIME_UNIT_HELP                                                                         \
    "  --time-unit UNIT   s, ms, us or ns: the key counts these since 1970 in UTC, and times "     \
    "can\n"                                                                                        \
    "                     be written as 2024-05-01T12:00:00.5Z; plain (the default): numbers\n"

/* A key ready for use; zeroed: none. */
struct cli_key {
    struct fls_path *path;
    enum fls_value_kind kind;
    enum cli_time_unit unit;
};

/* Compiles the field. CLI_GO_ON (also when none is named), CLI_USAGE, CLI_SYSTEM, with messages
 * given. */
int cli_key_open(const struct cli_verb *verb, const struct cli_key_options *options,
                 const struct cli_schema *schema, struct cli_key *key);
void cli_key_close(struct cli_key *key);

/* The time that `text` says, as fls_time_by_path gives it. CLI_GO_ON or, with a message, CLI_USAGE
 * under the option's name. */
int cli_key_parse(const struct cli_verb *verb, const struct cli_key *key, const char *option,
                  const char *text, int64_t *time);

/* A time as text, at most CLI_TIME_BYTES with the terminator; returns `text`. */
#define CLI_TIME_BYTES 40
const char *cli_time_text(int64_t time, int is_real, char *text);

#endif
