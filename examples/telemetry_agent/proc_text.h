/*
 * proc_text.h: a file of /proc, read again and again, and a parser for what it holds.
 */
#ifndef EXAMPLES_PROC_TEXT_H
#define EXAMPLES_PROC_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* A piece of text, not terminated. The parsing functions move `at` forward, never past `end`. */
struct text {
    const char *at;
    const char *end;
};

/* A file kept open. `text` holds what the last read saw, until the next one. fd -1: the file is not
 * there, which is no error: it reads as empty. */
struct proc_file {
    int fd;
    char *buffer;
    size_t capacity;
};

/* Opens `path`, and remembers it as missing when that fails. */
void proc_file_open(struct proc_file *file, const char *path);
void proc_file_close(struct proc_file *file);

/* The file's present contents; empty when it is missing, can't be read, or memory runs out. */
struct text proc_file_read(struct proc_file *file);

/* Takes the next line, without its newline: 1, or 0 at the end. */
int text_line(struct text *text, struct text *line);

/* Takes the next word of the line (spaces and tabs divide); empty at the end. */
struct text text_word(struct text *line);

/* Takes the word up to `mark`, and passes the mark: 1, or 0 when there is none. */
int text_until(struct text *line, char mark, struct text *word);

/* Takes the next number: digits after blanks. 0 when there is none; the largest number when it is
 * too large. */
uint64_t text_number(struct text *line);

/* The same with a decimal fraction, as in /proc/loadavg. */
double text_decimal(struct text *line);

/* Passes `count` words. */
void text_skip(struct text *line, int count);

/* Whether the text is exactly `word`; whether it begins with `word`, which is then passed. */
int text_is(struct text text, const char *word);
int text_starts(struct text *text, const char *word);

/* Copies at most `size` bytes, whatever is not plain ASCII as "?": a string in a FlatBuffer is
 * UTF-8, and the kernel's names may be anything. Returns how many bytes. */
size_t text_plain(struct text text, char *to, size_t size);

static inline size_t text_length(struct text text)
{
    return (size_t)(text.end - text.at);
}

#endif
