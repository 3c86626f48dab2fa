/*
 * journal_out.h: the options by which `write` keeps a journal, and opening one.
 */
#ifndef CLI_JOURNAL_OUT_H
#define CLI_JOURNAL_OUT_H

#include <flatstream/journal.h>

#include "cli/time_key.h"

/* As the user gave them; zero: not given. `sync` is set by the check. */
struct cli_journal_options {
    uint64_t rotate_bytes;
    uint64_t rotate_messages;
    uint64_t rotate_seconds;
    uint64_t keep;
    uint64_t keep_bytes;
    uint64_t preallocate;
    const char *sync_text;
    struct fls_journal_policy sync;
    int index;
    struct cli_key_options key;
};

/* Their rows, for a table of options, and their paragraph for a help text. */
#define CLI_JOURNAL_OPTIONS(o)                                                                     \
    {"rotate-bytes", 0, CLI_BYTES, &(o)->rotate_bytes, NULL, 1},                                   \
        {"rotate-messages", 0, CLI_COUNT, &(o)->rotate_messages, NULL, 1},                         \
        {"rotate-seconds", 0, CLI_COUNT, &(o)->rotate_seconds, NULL, 1},                           \
        {"keep", 0, CLI_COUNT, &(o)->keep, NULL, 1},                                               \
        {"keep-bytes", 0, CLI_BYTES, &(o)->keep_bytes, NULL, 1},                                   \
        {"preallocate", 0, CLI_BYTES, &(o)->preallocate, NULL, 1},                                 \
        {"sync", 0, CLI_TEXT, &(o)->sync_text, NULL, 0},                                           \
        {"index", 0, CLI_FLAG, &(o)->index, NULL, 0}, CLI_KEY_OPTION(&(o)->key)

#define CLI_JOURNAL_HELP                                                                           \
    "  --rotate-bytes N, --rotate-messages N, --rotate-seconds N  begin a segment\n"               \
    "                     (OUT-000001, OUT-000002, ...; the ending stays last) before\n"           \
    "                     one is larger, has more messages, or is older; also on\n"                \
    "                     SIGHUP. A terminal is told at the end how often, and the\n"              \
    "                     longest pause\n"                                                         \
    "  --keep N, --keep-bytes N\n"                                                                 \
    "                     of the finished segments delete the oldest, until there are\n"           \
    "                     no more (and up to 8 while the device is behind)\n"                      \
    "  --preallocate N    reserve so many bytes for each segment, without making it\n"             \
    "                     longer\n"                                                                \
    "  --sync WHEN        carry messages to the device: none (the default), each, or\n"            \
    "                     after so many messages:N, bytes:N or milliseconds ms:N\n"                \
    "  --index            keep OUT's index while it is written; with --key and\n"                  \
    "                     --schema by time too\n"

/* Whether any of them was given. */
int cli_journal_wanted(const struct cli_journal_options *options);

/* Whether they ask for segments. */
int cli_journal_rotates(const struct cli_journal_options *options);

/* CLI_GO_ON or CLI_USAGE. */
int cli_journal_check(const struct cli_verb *verb, struct cli_journal_options *options);

/* Opens the journal `path`; `key` (may be closed) outlives it. As fls_journal_open. */
enum fls_status cli_journal_open(const char *path, const struct cli_journal_options *options,
                                 struct cli_key *key, enum fls_checksum_kind kind,
                                 uint64_t max_frame, int repair, struct fls_journal **journal,
                                 struct fls_journal_opening *opening, struct fls_error *error);

/* Says on a terminal how often it was rotated, and for how long that held the input up at most. */
void cli_journal_tell_rotations(const char *path, const struct fls_journal_counts *counts);

#endif
