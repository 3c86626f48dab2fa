/*
 * mistake.c: see mistake.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/json_out.h"
#include "cli/mistake.h"
#include "cli/shown.h"

int cli_mistaken(struct cli_mistake *mistake, size_t at, size_t length, const char *format, ...)
{
    va_list arguments;

    mistake->at = at;
    mistake->length = length;
    va_start(arguments, format);
    vsnprintf(mistake->text, sizeof mistake->text, format, arguments);
    va_end(arguments);
    return 0;
}

/* Does a character begin at this byte? Only those take a column. */
static int begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

/* Control characters would move the columns, and so would their escapes. */
static void put_text(const char *text)
{
    while (*text) {
        size_t length = (unsigned char)*text < 0x80 ? 1 : cli_utf8_length(text);
        char shown[4 * CLI_SHOWN_FACTOR];
        length = length > 0 ? length : 1;
        if (cli_shown(text, length, 0, shown, NULL) == length)
            fwrite(text, 1, length, stderr);
        else if (begins_character(*text))
            putc(' ', stderr);
        text += length;
    }
}

int cli_point_at(const struct cli_verb *verb, const char *name, const char *text,
                 const struct cli_mistake *mistake)
{
    size_t total = strlen(text), end = mistake->at + mistake->length;

    cli_error(verb->name, "%s: %s", name, mistake->text);
    fputs("  ", stderr);
    put_text(text);
    fputs("\n  ", stderr);
    for (size_t i = 0; i < mistake->at && i < total; i++)
        if (begins_character(text[i]))
            putc(' ', stderr);
    putc('^', stderr);
    for (size_t i = mistake->at + 1; i < end && i < total; i++)
        if (begins_character(text[i]))
            putc('~', stderr);
    putc('\n', stderr);
    fflush(stderr);
    return CLI_USAGE;
}
