/*
 * proc_text.c: files of /proc and the words in them.
 *
 * A file stays open and is read from its start with pread, which makes the kernel write it anew.
 * The parser works on {at, end}: every step compares with `end` before it looks, so a file cut
 * short or of another form gives zeros and empty words, never a read outside. machine.c and
 * processes.c call it, up to some dozens of thousand times a second: hence no sscanf.
 */
#include "proc_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES 8192
#define BUFFER_BYTES_MAX ((size_t)4 * 1024 * 1024)

void proc_file_open(struct proc_file *file, const char *path)
{
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    file->buffer = NULL;
    file->capacity = 0;
}

void proc_file_close(struct proc_file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    free(file->buffer);
    file->fd = -1;
    file->buffer = NULL;
    file->capacity = 0;
}

static int make_room(struct proc_file *file)
{
    size_t capacity = file->capacity ? file->capacity * 2 : BUFFER_BYTES;
    char *buffer;

    if (capacity > BUFFER_BYTES_MAX)
        return 0;
    buffer = realloc(file->buffer, capacity);
    if (!buffer)
        return 0;
    file->buffer = buffer;
    file->capacity = capacity;
    return 1;
}

/* The kernel gives long files in pieces of about a page, so it is read until nothing comes. */
struct text proc_file_read(struct proc_file *file)
{
    size_t length = 0;

    while (file->fd >= 0) {
        ssize_t got;

        if (length == file->capacity && !make_room(file))
            break;
        got = pread(file->fd, file->buffer + length, file->capacity - length, (off_t)length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    if (length == 0)
        return (struct text){"", ""};
    return (struct text){file->buffer, file->buffer + length};
}

int text_line(struct text *text, struct text *line)
{
    const char *newline;

    if (text->at == text->end)
        return 0;
    newline = memchr(text->at, '\n', text_length(*text));
    line->at = text->at;
    line->end = newline ? newline : text->end;
    text->at = newline ? newline + 1 : text->end;
    return 1;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct text *line)
{
    while (line->at < line->end && is_blank(*line->at))
        line->at++;
}

struct text text_word(struct text *line)
{
    struct text word;

    skip_blanks(line);
    word.at = line->at;
    while (line->at < line->end && !is_blank(*line->at))
        line->at++;
    word.end = line->at;
    return word;
}

int text_until(struct text *line, char mark, struct text *word)
{
    const char *found;

    skip_blanks(line);
    found = line->at < line->end ? memchr(line->at, mark, text_length(*line)) : NULL;
    if (!found)
        return 0;
    word->at = line->at;
    word->end = found;
    line->at = found + 1;
    return 1;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

uint64_t text_number(struct text *line)
{
    uint64_t number = 0;

    skip_blanks(line);
    while (line->at < line->end && is_digit(*line->at)) {
        uint64_t digit = (uint64_t)(*line->at++ - '0');

        number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
    }
    return number;
}

double text_decimal(struct text *line)
{
    double number = (double)text_number(line);
    double unit = 1.0;

    if (line->at == line->end || *line->at != '.')
        return number;
    line->at++;
    while (line->at < line->end && is_digit(*line->at)) {
        unit /= 10.0;
        number += unit * (*line->at++ - '0');
    }
    return number;
}

void text_skip(struct text *line, int count)
{
    while (count-- > 0)
        (void)text_word(line);
}

int text_is(struct text text, const char *word)
{
    return text_starts(&text, word) && text.at == text.end;
}

int text_starts(struct text *text, const char *word)
{
    size_t length = strlen(word);

    if (text_length(*text) < length || memcmp(text->at, word, length) != 0)
        return 0;
    text->at += length;
    return 1;
}

size_t text_plain(struct text text, char *to, size_t size)
{
    size_t length = text_length(text) < size ? text_length(text) : size;
    size_t i;

    for (i = 0; i < length; i++)
        to[i] = text.at[i] >= ' ' && text.at[i] <= '~' ? text.at[i] : '?';
    return length;
}
