/*
 * cli.h: what all verbs share: the table's row, the exit statuses, messages to people.
 *
 * A verb is one file cmd_<name>.c with one `const struct cli_verb`; main.c lists it. Only this room
 * formats text.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stddef.h>
#include <stdint.h>

#include <flatstream/status.h>

#define CLI_PRINTF(text_at, first) __attribute__((format(printf, text_at, first)))

/* Exit statuses; a later one is graver. CLI_GO_ON is no status: nothing stands in the way yet. */
enum cli_exit {
    CLI_GO_ON = -1,
    CLI_WELL = 0,    /* all well */
    CLI_DAMAGED = 1, /* the stream is damaged, or something was lost */
    CLI_USAGE = 2,   /* wrong usage */
    CLI_SYSTEM = 3   /* the system failed: I/O, memory */
};

/*
 * One verb. `summary` is its line in `flatstream --help`, `help` the whole text of its own --help.
 * `run` gets the arguments from the verb's name on (argv[0]) and returns the exit status.
 */
struct cli_verb {
    const char *name;
    const char *summary;
    const char *help;
    int (*run)(const struct cli_verb *verb, int argc, char **argv);
};

extern const struct cli_verb cli_verb_write;
extern const struct cli_verb cli_verb_cat;
extern const struct cli_verb cli_verb_tail;
extern const struct cli_verb cli_verb_info;
extern const struct cli_verb cli_verb_verify;
extern const struct cli_verb cli_verb_select;
extern const struct cli_verb cli_verb_recover;
extern const struct cli_verb cli_verb_salvage;
extern const struct cli_verb cli_verb_index;
extern const struct cli_verb cli_verb_slice;
extern const struct cli_verb cli_verb_replay;
extern const struct cli_verb cli_verb_split;
extern const struct cli_verb cli_verb_merge;
extern const struct cli_verb cli_verb_convert;
extern const struct cli_verb cli_verb_bench;

/* --- messages: one line each on standard error, after whatever progress line stands there ------
 */

/* `flatstream: NAME: text`; a NULL name is left out. */
void cli_error(const char *name, const char *format, ...) CLI_PRINTF(2, 3);

/* The same for an error of the library, with what to do about it; `advice` may be NULL. */
void cli_fail(const char *name, const struct fls_error *error, const char *advice);

/* Lines for people on standard error, by themselves, shown as others' text must be. */
void cli_say(const char *text);

/* Wrong usage of a verb (NULL: of the command): the text, and where help is. Returns CLI_USAGE. */
int cli_usage(const struct cli_verb *verb, const char *format, ...) CLI_PRINTF(2, 3);

/* The exit status that goes with a status of the library. */
int cli_exit_of(enum fls_status status);

/* What people call this path: "-" is standard input. */
const char *cli_input_name(const char *path);

/* The name as people are shown it, on a terminal, too (shown.h): as much of it as surely goes into
 * the `size` bytes at `text`, which is returned. */
#define CLI_SHOWN_BYTES (4 * 4096 + 1)
const char *cli_shown_name(const char *name, char *text, size_t size);

/* Fills `error` with FLS_IO and errno for `operation`; returns FLS_IO. */
enum fls_status cli_system_error(struct fls_error *error, const char *operation, int os_errno);

/* Fills `error` with `status` and a reason in words; returns the status. */
enum fls_status cli_set_error(struct fls_error *error, enum fls_status status, const char *format,
                              ...) CLI_PRINTF(3, 4);

/* 1536 becomes "1.5 KiB"; at most 32 bytes into `text`, which is returned. */
#define CLI_HUMAN_BYTES 32
const char *cli_human_bytes(uint64_t bytes, char *text);

/* The nearest of `count` words to `word`, or NULL when none is near. */
const char *cli_nearest(const char *word, const char *const *words, size_t count);

/* The line of help about exit statuses that most verbs share. */
#define CLI_EXIT_HELP                                                                              \
    "Exit status: 0 all well, 1 the stream is damaged, 2 wrong usage, 3 the system\n"              \
    "failed.\n"

/* Ends the process as one ends whose reader went away: by SIGPIPE, in silence. */
_Noreturn void cli_end_by_pipe(void);

#endif
