/*
 * main.c: the table of verbs, and what holds for the process as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <flatstream/checksum.h>

#include "cli/cli.h"
#include "cli/output.h"

static const struct cli_verb *const verbs[] = {
    &cli_verb_write,  &cli_verb_cat,     &cli_verb_tail,    &cli_verb_select,  &cli_verb_info,
    &cli_verb_verify, &cli_verb_recover, &cli_verb_salvage, &cli_verb_index,   &cli_verb_slice,
    &cli_verb_replay, &cli_verb_split,   &cli_verb_merge,   &cli_verb_convert, &cli_verb_bench};

#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static int print_help(void)
{
    cli_out_text("Usage: flatstream VERB [OPTION]... [FILE]...\n"
                 "Writes, reads, checks and repairs streams of FlatBuffers (or of any messages).\n"
                 "\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        cli_out_text("  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
    cli_out_text(
        "\n"
        "`flatstream VERB --help` explains a verb, with examples. `-` is standard input\n"
        "or output, everywhere. `flatstream --version` prints the version.\n"
        "\n"
        "Examples:\n"
        "  dmesg | flatstream write -o log.fls      # each line becomes a message\n"
        "  flatstream info log.fls\n"
        "  flatstream cat log.fls | tail\n"
        "  flatstream verify --json log.fls\n"
        "  flatstream select log.fls --schema log.fbs --where 'level > 3' --fields text\n"
        "  flatstream recover --truncate log.fls    # after a crash\n"
        "\n"
        "Exit status: 0 all well; 1 the stream is damaged, or something was lost; 2 wrong\n"
        "usage; 3 the system failed (input, output, memory). A signal ends with 128 and\n"
        "its number.\n");
    return CLI_WELL;
}

static int print_version(void)
{
    cli_out_text("flatstream %s (CRC-32 by %s)\n", fls_version(), fls_checksum_crc32_provider());
    return CLI_WELL;
}

static const struct cli_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

static int unknown_verb(const char *name)
{
    const char *names[VERB_COUNT];

    for (size_t i = 0; i < VERB_COUNT; i++)
        names[i] = verbs[i]->name;
    const char *near = cli_nearest(name, names, VERB_COUNT);
    const char *what = name[0] == '-' ? "option" : "verb";
    if (near)
        return cli_usage(NULL, "unknown %s '%s'; did you mean %s?", what, name, near);
    return cli_usage(NULL, "unknown %s '%s'", what, name);
}

static int explain(int argc, char **argv)
{
    const struct cli_verb *verb = argc > 2 ? find_verb(argv[2]) : NULL;

    if (argc > 2 && !verb)
        return unknown_verb(argv[2]);
    if (!verb)
        return print_help();
    cli_out_bytes(verb->help, strlen(verb->help));
    return CLI_WELL;
}

static int which_verb(void)
{
    char names[256];
    size_t used = 0;

    for (size_t i = 0; i < VERB_COUNT; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                                 i == 0                ? ""
                                 : i + 1 == VERB_COUNT ? " or "
                                                       : ", ",
                                 verbs[i]->name);
    return cli_usage(NULL, "which verb? %s", names);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2)
        return which_verb();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help();
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return print_version();
    if (strcmp(argv[1], "help") == 0)
        return explain(argc, argv);
    const struct cli_verb *verb = find_verb(argv[1]);
    return verb ? verb->run(verb, argc - 1, argv + 1) : unknown_verb(argv[1]);
}

/*
 * A standard descriptor that is closed would be taken by the next file that is opened, and what is
 * printed would land there. So it is opened, the wrong way round: using it fails.
 */
static void hold_standard_descriptors(void)
{
    static const int wrong_way[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", wrong_way[fd]) != fd)
            _Exit(CLI_SYSTEM);
}

int main(int argc, char **argv)
{
    hold_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* over `ulimit -f` a write fails, and is dealt with */
    int result = dispatch(argc, argv);
    int closed = cli_out_close();
    return closed > result ? closed : result;
}
