/*
 * shown.c: see shown.h.
 */
#include <string.h>

#include "cli/json_out.h"
#include "cli/shown.h"

#define CHARACTER_BYTES_MAX 4

static size_t put_escaped(unsigned char byte, char *to)
{
    static const char digits[] = "0123456789abcdef";
    const char text[] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};

    memcpy(to, text, sizeof text);
    return sizeof text;
}

static int is_plain(unsigned char byte, int keeps_lines)
{
    return (byte >= 0x20 && byte < 0x7f) || (keeps_lines && (byte == '\n' || byte == '\t'));
}

/* Bytes of the well-formed character of several at `at`; 0: none. */
static size_t character_bytes(const unsigned char *at, size_t count)
{
    char text[CHARACTER_BYTES_MAX + 1] = "";

    memcpy(text, at, count < CHARACTER_BYTES_MAX ? count : CHARACTER_BYTES_MAX);
    return cli_utf8_length(text);
}

/* May more bytes make a character of these? */
static int is_begun(const unsigned char *at, size_t count)
{
    size_t needed = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;

    if (at[0] < 0xc2 || at[0] > 0xf4 || count >= needed)
        return 0;
    for (size_t i = 1; i < count; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return 1;
}

/* U+0080 to U+009F. */
static int is_control(const unsigned char *at)
{
    return at[0] == 0xc2 && at[1] < 0xa0;
}

size_t cli_shown(const void *bytes, size_t count, int keeps_lines, char *to, size_t *left)
{
    const unsigned char *at = bytes, *end = at + count;
    size_t used = 0;

    if (left)
        *left = 0;
    while (at < end) {
        size_t length = 1;
        if (*at >= 0x80) {
            length = character_bytes(at, (size_t)(end - at));
            if (length == 0 && left && is_begun(at, (size_t)(end - at))) {
                *left = (size_t)(end - at);
                break;
            }
        }
        int stays = *at < 0x80 ? is_plain(*at, keeps_lines) : length > 0 && !is_control(at);
        if (!stays) {
            used += put_escaped(*at++, to + used);
            continue;
        }
        memcpy(to + used, at, length);
        used += length;
        at += length;
    }
    return used;
}
