/*
 * command_line.c: see command_line.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command_line.h"
#include "cli/progress.h"

char **cli_command_copy(int argc, char *const *argv)
{
    char **copy = calloc((size_t)argc + 1, sizeof *copy);

    for (int i = 0; copy && i < argc; i++)
        copy[i] = argv[i];
    return copy;
}

static int is_plain(const char *argument)
{
    return argument[0] != '\0' &&
           argument[strspn(argument,
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                           "_@%+=:,./-")] == '\0';
}

static int is_printable(const char *argument)
{
    for (; *argument; argument++)
        if (*argument < ' ' || *argument > '~')
            return 0;
    return 1;
}

/* 'text', and a quote in it as '\''. */
static void put_in_quotes(const char *argument)
{
    putc('\'', stderr);
    for (; *argument; argument++)
        if (*argument == '\'')
            fputs("'\\''", stderr);
        else
            putc(*argument, stderr);
    putc('\'', stderr);
}

/* bash's and POSIX.1-2024's $'...', with octal escapes: the most shells read those, and three
 * digits end by themselves whatever follows. */
static void put_escaped(const char *argument)
{
    fputs("$'", stderr);
    for (; *argument; argument++)
        if (*argument == '\'' || *argument == '\\')
            fprintf(stderr, "\\%c", *argument);
        else if (*argument < ' ' || *argument > '~')
            fprintf(stderr, "\\%03o", (unsigned char)*argument);
        else
            putc(*argument, stderr);
    putc('\'', stderr);
}

static void put_argument(const char *argument)
{
    if (is_plain(argument))
        fputs(argument, stderr);
    else if (is_printable(argument))
        put_in_quotes(argument);
    else
        put_escaped(argument);
}

void cli_say_command(const char *prefix, const char *verb, const char *option, int argc,
                     char *const *argv)
{
    cli_progress_clear();
    fprintf(stderr, "flatstream: %s: flatstream %s %s", prefix, verb, option);
    for (int i = 1; i < argc; i++) {
        putc(' ', stderr);
        put_argument(argv[i]);
    }
    putc('\n', stderr);
    fflush(stderr);
}
