/*
 * json_out.c: see json_out.h.
 */
#include <stdint.h>
#include <string.h>

#include "cli/json_out.h"
#include "cli/output.h"

/* Bytes of the UTF-8 sequence that begins with `lead`, and the smallest code point that may need
 * so many; 0 for a byte that begins none. */
static unsigned sequence_length(unsigned char lead, uint32_t *least)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned length = lead >= 0xf0 && lead < 0xf8   ? 4
                      : lead >= 0xe0 && lead < 0xf0 ? 3
                      : lead >= 0xc0 && lead < 0xe0 ? 2
                                                    : 0;

    *least = smallest[length];
    return length;
}

/* Length of the well-formed sequence at `text` (not ASCII), or 0. The text ends in a zero byte, so
 * a cut sequence is seen before it ends. */
static unsigned well_formed(const unsigned char *text)
{
    uint32_t least;
    unsigned length = sequence_length(text[0], &least);
    uint32_t point = length ? text[0] & (0x7fu >> length) : 0;

    for (unsigned i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (text[i] & 0x3fu);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    return length;
}

unsigned cli_utf8_length(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;

    return *bytes < 0x80 ? 0 : well_formed(bytes);
}

static void put_ascii(unsigned char byte, const char *quote)
{
    if (byte == '"')
        cli_out_text("\\%s", quote);
    else if (byte == '\\')
        cli_out_text("\\\\");
    else if (byte < 0x20 || byte == 0x7f)
        cli_out_text("\\u%04x", byte);
    else
        cli_out_bytes(&byte, 1);
}

/* How many bytes from here on print as they are. */
static size_t plain_length(const unsigned char *text, size_t length)
{
    size_t count = 0;

    while (count < length && text[count] >= 0x20 && text[count] < 0x7f && text[count] != '"' &&
           text[count] != '\\')
        count++;
    return count;
}

int cli_is_utf8(const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;

    while (at < end) {
        unsigned step = *at < 0x80 ? 1 : well_formed(at);
        if (step == 0)
            return 0;
        at += step;
    }
    return 1;
}

/* `sequence`: of so many bytes. U+0080 to U+009F are the same value escaped, and no orders to a
 * terminal. */
static void put_character(const unsigned char *at, unsigned sequence)
{
    if (sequence == 0)
        cli_out_text("\\ufffd");
    else if (sequence == 2 && at[0] == 0xc2 && at[1] < 0xa0)
        cli_out_text("\\u%04x", at[1]);
    else
        cli_out_bytes(at, sequence);
}

void cli_json_inside(const char *text, size_t length, const char *quote)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;

    while (at < end) {
        size_t plain = plain_length(at, (size_t)(end - at));
        cli_out_bytes(at, plain);
        at += plain;
        if (at == end)
            break;
        unsigned sequence = *at < 0x80 ? 1 : well_formed(at);
        if (*at < 0x80)
            put_ascii(*at, quote);
        else
            put_character(at, sequence);
        at += sequence ? sequence : 1;
    }
}

static void put_text(const char *text, size_t length, const char *quote)
{
    cli_out_bytes(quote, strlen(quote));
    cli_json_inside(text, length, quote);
    cli_out_bytes(quote, strlen(quote));
}

void cli_json_text(const char *text, size_t length)
{
    put_text(text, length, "\"");
}

void cli_json_text_in_csv(const char *text, size_t length)
{
    put_text(text, length, "\"\"");
}

void cli_json_string(const char *text)
{
    cli_json_text(text, strlen(text));
}
