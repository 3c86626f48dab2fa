/*
 * options.h: the options of a verb as a table, and the one parser for them.
 *
 * `--name value`, `--name=value`, `-x value`, `-xvalue`; options and operands in any order; `--`
 * ends the options; `-` alone is an operand.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/cli.h"

enum cli_option_kind {
    CLI_FLAG,   /* int: set to 1 */
    CLI_TEXT,   /* const char *: the argument itself */
    CLI_COUNT,  /* uint64_t: a whole number */
    CLI_BYTES,  /* uint64_t: a whole number, with K, M, G (powers of 1024) if wanted */
    CLI_CHOICE, /* int: the argument's place in `choices` */
    CLI_TEXTS   /* struct cli_texts: each use adds the argument */
};

/*
 *   name     without the dashes
 *   letter   its short form, or 0
 *   target   where the value goes, by kind
 *   choices  of CLI_CHOICE: a NULL-terminated list of words
 *   least    of CLI_COUNT and CLI_BYTES: a smaller value is wrong usage
 */
struct cli_option {
    const char *name;
    char letter;
    enum cli_option_kind kind;
    void *target;
    const char *const *choices;
    uint64_t least;
};

/* The arguments of an option that may be used several times. */
#define CLI_TEXTS_MAX 31
struct cli_texts {
    const char *list[CLI_TEXTS_MAX];
    size_t count;
};

/* The arguments that are no options: argv[0 .. count). */
struct cli_operands {
    char **argv;
    int count;
};

/*
 * Parses argv[1 .. argc) (argv[0] is the verb's name) and moves the operands together, in argv.
 * CLI_GO_ON; CLI_WELL when --help was asked for and printed; CLI_USAGE with the message given.
 */
int cli_parse(const struct cli_verb *verb, const struct cli_option *options, size_t count, int argc,
              char **argv, struct cli_operands *operands);

/* A whole number, with a unit suffix if `units`; 0 when the text is none. */
int cli_number(const char *text, int units, uint64_t *number);

/* What every verb that reads a stream can be told. `checksum` indexes cli_checksum_choices. */
struct cli_read_options {
    int checksum;
    uint64_t max_frame;
    uint64_t offset;
};

enum { CLI_CHECKSUM_AUTO = 0, CLI_CHECKSUM_FIRST = 1 };
extern const char *const cli_checksum_choices[];

/* Their rows, for a table of options. */
#define CLI_READ_OPTIONS(o)                                                                        \
    {"checksum", 0, CLI_CHOICE, &(o)->checksum, cli_checksum_choices, 0},                          \
        {"max-frame", 0, CLI_BYTES, &(o)->max_frame, NULL, 1},                                     \
    {                                                                                              \
        "offset", 0, CLI_BYTES, &(o)->offset, NULL, 0                                              \
    }

/* Their paragraph, for a help text. */
#define CLI_READ_HELP                                                                              \
    "  --checksum KIND    auto (the default: the kind is found out), none, crc16,\n"               \
    "                     crc32, xxh3\n"                                                           \
    "  --max-frame BYTES  the largest payload accepted (2G); K, M and G are\n"                     \
    "                     understood\n"                                                            \
    "  --offset BYTES     the stream begins so far into the input, behind a foreign\n"             \
    "                     header\n"

/* FLS limit from --max-frame: what the wire cannot say is refused as wrong usage. */
int cli_check_max_frame(const struct cli_verb *verb, uint64_t *max_frame);

#endif
