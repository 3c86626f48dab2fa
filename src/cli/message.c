/*
 * message.c: what the command says on standard error, and how it calls things.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flatstream/sink.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/shown.h"

#define LINE_BYTES 1024

const char *cli_shown_name(const char *name, char *text, size_t size)
{
    size_t length = strlen(name), most = (size - 1) / CLI_SHOWN_FACTOR;

    text[cli_shown(name, length < most ? length : most, 0, text, NULL)] = '\0';
    return text;
}

/* Everything is shown, not only the name: messages quote what others wrote. */
static void put_line(const char *name, const char *text)
{
    char shown[CLI_SHOWN_BYTES];

    cli_progress_clear();
    fputs("flatstream: ", stderr);
    if (name)
        fprintf(stderr, "%s: ", cli_shown_name(name, shown, sizeof shown));
    fprintf(stderr, "%s\n", cli_shown_name(text, shown, sizeof shown));
    fflush(stderr);
}

void cli_say(const char *text)
{
    char shown[CLI_SHOWN_BYTES];

    for (size_t left = strlen(text); left > 0;) {
        size_t part =
            left < sizeof shown / CLI_SHOWN_FACTOR ? left : sizeof shown / CLI_SHOWN_FACTOR;
        size_t begun = 0;
        size_t used = cli_shown(text, part, 1, shown, part < left ? &begun : NULL);
        fwrite(shown, 1, used, stderr);
        text += part - begun;
        left -= part - begun;
    }
}

void cli_error(const char *name, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put_line(name, text);
}

void cli_fail(const char *name, const struct fls_error *error, const char *advice)
{
    char text[512];

    fls_error_format(error, text, sizeof text);
    if (advice)
        cli_error(name, "%s; %s", text, advice);
    else
        cli_error(name, "%s", text);
}

int cli_usage(const struct cli_verb *verb, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (verb)
        cli_error(verb->name, "%s (see flatstream %s --help)", text, verb->name);
    else
        cli_error(NULL, "%s (see flatstream --help)", text);
    return CLI_USAGE;
}

int cli_exit_of(enum fls_status status)
{
    switch (status) {
    case FLS_OK:
    case FLS_END:
    case FLS_STOPPED:
        return CLI_WELL;
    case FLS_IO:
    case FLS_NO_MEMORY:
    case FLS_BUSY:
    case FLS_UNSUPPORTED:
        return CLI_SYSTEM;
    case FLS_INVALID_ARGUMENT:
        return CLI_USAGE;
    default:
        return CLI_DAMAGED;
    }
}

const char *cli_input_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

enum fls_status cli_system_error(struct fls_error *error, const char *operation, int os_errno)
{
    return fls_error_system(error, operation, os_errno);
}

enum fls_status cli_set_error(struct fls_error *error, enum fls_status status, const char *format,
                              ...)
{
    va_list arguments;

    memset(error, 0, sizeof *error);
    error->status = status;
    va_start(arguments, format);
    vsnprintf(error->reason, sizeof error->reason, format, arguments);
    va_end(arguments);
    return status;
}

const char *cli_human_bytes(uint64_t bytes, char *text)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    for (; value >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        value /= 1024;
    snprintf(text, CLI_HUMAN_BYTES, "%.*f %s", unit > 0 && value < 100 ? 1 : 0, value, units[unit]);
    return text;
}

/* Edit distance of two short words; words of different kind simply come out far apart. */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 31 };
    size_t row[LONGEST + 1];
    size_t a_length = strlen(a), b_length = strlen(b);

    if (a_length > LONGEST || b_length > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_length];
}

const char *cli_nearest(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t least = 3;

    for (size_t i = 0; i < count; i++) {
        size_t far = distance(word, words[i]);
        if (far < least && far < strlen(words[i])) {
            least = far;
            nearest = words[i];
        }
    }
    return nearest;
}

_Noreturn void cli_end_by_pipe(void)
{
    sigset_t pipe_only;

    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &pipe_only, NULL);
    raise(SIGPIPE);
    _Exit(128 + SIGPIPE);
}
