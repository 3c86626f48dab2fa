/*
 * print.c: see print.h.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/base64.h"
#include "cli/json_out.h"
#include "cli/output.h"
#include "cli/print.h"
#include "cli/report.h"

typedef void put_function(struct cli_printing *printing, const struct fls_message *message);

static void put_raw(struct cli_printing *printing, const struct fls_message *message)
{
    (void)printing;
    cli_out_bytes(message->payload, message->bytes);
}

static void put_line(struct cli_printing *printing, const struct fls_message *message)
{
    (void)printing;
    cli_out_bytes(message->payload, message->bytes);
    cli_out_bytes("\n", 1);
}

static void put_sized(struct cli_printing *printing, const struct fls_message *message)
{
    (void)printing;
    unsigned char length[4];

    for (size_t i = 0; i < sizeof length; i++)
        length[i] = (unsigned char)(message->bytes >> 8 * i);
    cli_out_bytes(length, sizeof length);
    cli_out_bytes(message->payload, message->bytes);
}

#define HEX_ROW 16

/* "  00000010  68 65 6c 6c 6f 20 77 6f  72 6c 64 0a              |hello world.|" */
static void put_hex_row(const unsigned char *bytes, size_t count, size_t at)
{
    static const char digits[] = "0123456789abcdef";
    char row[10 + 2 + 3 * HEX_ROW + 1 + 2 + HEX_ROW + 3];
    size_t used = 0;

    memset(row, ' ', sizeof row);
    for (int shift = 28; shift >= 0; shift -= 4)
        row[2 + used++] = digits[at >> shift & 15];
    char *hex = row + 12, *text = hex + 3 * HEX_ROW + 2;
    *text++ = '|';
    for (size_t i = 0; i < count; i++) {
        size_t place = 3 * i + (i >= HEX_ROW / 2);
        hex[place] = digits[bytes[i] >> 4];
        hex[place + 1] = digits[bytes[i] & 15];
        *text++ = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '.';
    }
    *text++ = '|';
    *text++ = '\n';
    cli_out_bytes(row, (size_t)(text - row));
}

static void put_hex(struct cli_printing *printing, const struct fls_message *message)
{
    (void)printing;
    const unsigned char *bytes = message->payload;

    cli_out_text("frame %" PRIu64 " at byte %" PRIu64 ": %zu byte%s\n", message->frame,
                 message->offset, message->bytes, message->bytes == 1 ? "" : "s");
    for (size_t at = 0; at < message->bytes && !cli_out_failed(); at += HEX_ROW) {
        size_t left = message->bytes - at;
        put_hex_row(bytes + at, left < HEX_ROW ? left : HEX_ROW, at);
    }
}

static void put_base64(struct cli_printing *printing, const struct fls_message *message)
{
    (void)printing;
    cli_base64(message->payload, message->bytes);
    cli_out_bytes("\n", 1);
}

void cli_print_refused(const struct fls_message *message, const struct fls_error *error)
{
    cli_out_text("{\"frame\":%" PRIu64 ",\"offset\":%" PRIu64 ",\"kind\":\"%s\",\"error\":",
                 message->frame, message->offset, cli_error_kind(error));
    cli_json_string(error->reason);
    cli_out_text(",\"base64\":\"");
    cli_base64(message->payload, message->bytes);
    cli_out_text("\"}\n");
}

static void put_json(struct cli_printing *printing, const struct fls_message *message)
{
    struct fls_error error;

    if (cli_schema_print(&printing->schema, message->payload, message->bytes, &error) == FLS_OK) {
        cli_out_bytes("\n", 1);
    } else {
        printing->not_json++;
        cli_print_refused(message, &error);
    }
}

const char *const cli_forms[] = {"lines", "sized", "raw", "hex", "base64", "json", NULL};
static put_function *const put[] = {put_line, put_sized, put_raw, put_hex, put_base64, put_json};

void cli_print_message(struct cli_printing *printing, const struct fls_message *message)
{
    put[printing->form](printing, message);
}

int cli_print_check(const struct cli_verb *verb, const struct cli_printing *printing,
                    const struct cli_schema_options *schema)
{
    if ((printing->form == CLI_FORM_JSON) == (schema->file != NULL))
        return CLI_GO_ON;
    return cli_usage(verb, schema->file ? "--schema goes with --as json"
                                        : "--as json needs --schema FILE");
}

void cli_print_tell_refused(const char *name, uint64_t count)
{
    if (count > 0 && !cli_out_failed())
        cli_error(name,
                  "%" PRIu64
                  " message%s could not be printed by the schema: see error in the output",
                  count, count == 1 ? "" : "s");
}

int cli_print_end(const struct cli_printing *printing, const char *name, int result)
{
    cli_print_tell_refused(name, printing->not_json);
    return printing->not_json > 0 && result == CLI_WELL ? CLI_DAMAGED : result;
}
