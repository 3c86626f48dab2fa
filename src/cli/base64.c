/*
 * base64.c: see base64.h.
 */
#include "cli/base64.h"
#include "cli/output.h"

/* Three bytes as four characters; at the end, fewer with padding. */
static void encode_base64(const unsigned char *bytes, size_t count, char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (; count > 0; bytes += 3, text += 4) {
        unsigned group = (unsigned)bytes[0] << 16;
        group |= count > 1 ? (unsigned)bytes[1] << 8 : 0;
        group |= count > 2 ? bytes[2] : 0;
        text[0] = letters[group >> 18];
        text[1] = letters[group >> 12 & 63];
        text[2] = count > 1 ? letters[group >> 6 & 63] : '=';
        text[3] = count > 2 ? letters[group & 63] : '=';
        count -= count < 3 ? count : 3;
    }
}

void cli_base64(const void *bytes, size_t count)
{
    enum { STEP = CLI_OUT_ROOM / 4 * 3 };
    const unsigned char *from = bytes;

    for (size_t at = 0; at < count && !cli_out_failed(); at += STEP) {
        size_t part = count - at < STEP ? count - at : STEP;
        encode_base64(from + at, part, cli_out_room(CLI_OUT_ROOM));
        cli_out_advance((part + 2) / 3 * 4);
    }
}
