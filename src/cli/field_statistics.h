/*
 * field_statistics.h: least, greatest, mean and presence of each scalar field over a stream.
 */
#ifndef CLI_FIELD_STATISTICS_H
#define CLI_FIELD_STATISTICS_H

#include <flatstream/reader.h>
#include <flatstream/schema.h>

struct cli_statistics;

/*
 * For all numbers and bools of `root` that are reached without a vector or a union, through tables
 * and structs; a table inside itself is not entered again, and not more than CLI_STATISTICS_MAX
 * fields are taken: see cli_statistics_left_out. The schema is borrowed. NULL: no memory.
 */
#define CLI_STATISTICS_MAX 1000
struct cli_statistics *cli_statistics_new(const struct fls_schema *schema,
                                          const struct fls_object *root);
void cli_statistics_free(struct cli_statistics *statistics);

/* How many fields are left out, for they are too many; a table that is too deep, or whose path is
 * too long, counts as one. */
size_t cli_statistics_left_out(const struct cli_statistics *statistics);

/* Takes a message, which was verified, into account. */
void cli_statistics_add(struct cli_statistics *statistics, const struct fls_message *message);

/* A table for people, on standard output. */
void cli_statistics_text(const struct cli_statistics *statistics);

/*
 * ,"fields":{"cpu.user":{"least":0,"greatest":1,"mean":0.5,"present":9,"values":10},...}
 * `values` counts the messages in which the field has a value, `present` those of them in which it
 * is not just the default. Of real fields `nan` counts the values that are no numbers: only in
 * these two numbers do they count. What has no value, and infinities, are null; enums have names.
 */
void cli_statistics_json(const struct cli_statistics *statistics);

#define CLI_STATISTICS_HELP                                                                        \
    "With --schema each message is verified, and of each number and bool that is\n"                \
    "reached without a vector or a union are told: the least and greatest value, the\n"            \
    "mean, and in how many messages the field is present. One that is not has its\n"               \
    "default, which counts as its value; an optional one, or one in a table that is\n"             \
    "absent, has none. NaN is counted apart. Messages that do not verify are counted,\n"           \
    "left out, and make the exit status 1.\n"

#endif
