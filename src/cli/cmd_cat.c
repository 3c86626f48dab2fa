/*
 * cmd_cat.c: the messages of a stream, in a form of one's choice.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <flatstream/reader.h>

#include "cli/base64.h"
#include "cli/input.h"
#include "cli/json_out.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/schema_file.h"

static const char help[] =
    "Usage: flatstream cat [OPTION]... FILE\n"
    "Prints the messages of a stream. `-` is standard input.\n"
    "\n"
    "  --as FORM          lines   each payload and a newline (the default)\n"
    "                     sized   each payload behind its length, 4 bytes, little-endian\n"
    "                     raw     the payloads, with nothing between them\n"
    "                     hex     `frame N at byte B: S bytes`, then a dump of the payload\n"
    "                     base64  one line a message\n"
    "                     json    one object a line, by --schema\n"
    "  --from N           begin with frame N; the first is 0. What comes before is passed\n"
    "                     over unchecked\n"
    "  --count N          print at most N messages\n" CLI_SCHEMA_HELP CLI_READ_HELP "\n"
    "Messages up to the first damaged frame are printed; then the error is reported and the\n"
    "exit status is 1. When several kinds of checksum fit and read the stream differently,\n"
    "nothing is printed and the exit status is 2: say --checksum. A reader that goes away\n"
    "(`| head`) ends it by SIGPIPE, without a word.\n"
    "As json each message is verified first. One that the schema does not allow, or that\n"
    "cannot be said in JSON (text that is no UTF-8), becomes an object of frame, offset, error\n"
    "and base64, and the exit status is 1 at the end. Only fields that are in the message are\n"
    "printed; the numbers that JSON lacks as nan, inf and -inf. `write --from jsonl` makes\n"
    "messages of the objects again.\n"
    "\n" CLI_EXIT_HELP "\n"
    "Examples:\n"
    "  flatstream cat log.fls\n"
    "  flatstream cat --as hex --count 3 telemetry.fls\n"
    "  flatstream cat --as sized a.fls | flatstream write --from sized --checksum crc32 -o b.fls\n"
    "  flatstream cat --as json --schema telemetry.fbs telemetry.fls | jq .cpu.user\n"
    "  flatstream cat --as raw --from 41 --count 1 telemetry.fls > message.bin\n";

typedef void put_function(const struct fls_message *message);

static void put_raw(const struct fls_message *message)
{
    cli_out_bytes(message->payload, message->bytes);
}

static void put_line(const struct fls_message *message)
{
    cli_out_bytes(message->payload, message->bytes);
    cli_out_bytes("\n", 1);
}

static void put_sized(const struct fls_message *message)
{
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

static void put_hex(const struct fls_message *message)
{
    const unsigned char *bytes = message->payload;

    cli_out_text("frame %" PRIu64 " at byte %" PRIu64 ": %zu byte%s\n", message->frame,
                 message->offset, message->bytes, message->bytes == 1 ? "" : "s");
    for (size_t at = 0; at < message->bytes && !cli_out_failed(); at += HEX_ROW) {
        size_t left = message->bytes - at;
        put_hex_row(bytes + at, left < HEX_ROW ? left : HEX_ROW, at);
    }
}

static void put_base64(const struct fls_message *message)
{
    cli_base64(message->payload, message->bytes);
    cli_out_bytes("\n", 1);
}

/* What `--as json` prints by, and how many messages could not be printed so. */
static struct cli_schema schema;
static uint64_t not_json;

static void put_refused(const struct fls_message *message, const struct fls_error *error)
{
    not_json++;
    cli_out_text("{\"frame\":%" PRIu64 ",\"offset\":%" PRIu64 ",\"error\":", message->frame,
                 message->offset);
    cli_json_string(error->reason);
    cli_out_text(",\"base64\":\"");
    cli_base64(message->payload, message->bytes);
    cli_out_text("\"}");
}

static void put_json(const struct fls_message *message)
{
    struct fls_error error;

    if (cli_schema_print(&schema, message->payload, message->bytes, &error) != FLS_OK)
        put_refused(message, &error);
    cli_out_bytes("\n", 1);
}

static const char *const forms[] = {"lines", "sized", "raw", "hex", "base64", "json", NULL};
static put_function *const put[] = {put_line, put_sized, put_raw, put_hex, put_base64, put_json};

enum { FORM_JSON = 5 };

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    int form;
    uint64_t from;
    uint64_t count;
};

#define BATCH 256

/* Prints up to the count, the end, or an error. What came from a pipe is passed on as it comes. */
static enum fls_status print_messages(struct fls_reader *reader, const struct options *options,
                                      int live)
{
    struct fls_message messages[BATCH];
    uint64_t left = options->count;
    enum fls_status status = FLS_OK;
    size_t got;

    while (left > 0 && !cli_out_failed()) {
        size_t most = left < BATCH ? (size_t)left : BATCH;
        status = fls_reader_next_batch(reader, messages, most, &got);
        if (status != FLS_OK)
            break;
        for (size_t i = 0; i < got; i++)
            put[options->form](&messages[i]);
        left -= got;
        if (live && got < most)
            cli_out_flush();
    }
    return status;
}

static enum fls_status print_all(struct cli_input *input, const struct options *options,
                                 struct fls_error *error)
{
    struct fls_reader_options reading = {.checksum = input->kind,
                                         .payload_bytes_max = options->read.max_frame,
                                         .alignment = 1,
                                         .start_offset = input->offset};
    struct fls_reader *reader;
    enum fls_status status = fls_reader_open(input->source, &reading, &reader, error);

    if (status != FLS_OK)
        return status;
    cli_progress_begin(input->name, input->bytes, isatty(STDOUT_FILENO));
    if (options->from > 0)
        status = fls_reader_skip(reader, options->from, NULL);
    if (status == FLS_OK)
        status = print_messages(reader, options, !input->regular);
    if (status != FLS_OK && status != FLS_END)
        *error = *fls_reader_error(reader);
    fls_reader_close(reader);
    cli_progress_end();
    return status;
}

static int ambiguous(const struct cli_input *input)
{
    cli_error(input->name, "ambiguous: %s fit, and read it differently; say --checksum KIND",
              cli_candidate_names(input->candidates));
    return CLI_USAGE;
}

static int cat(const char *path, const struct options *options)
{
    struct cli_input input;
    struct fls_error error;
    enum fls_status status = cli_input_open(&input, path, &options->read, &error);
    int result = CLI_WELL;

    if (status == FLS_OK && input.fit == CLI_FIT_SEVERAL) {
        result = ambiguous(&input);
        cli_input_close(&input);
        return result;
    }
    if (status == FLS_OK && input.fit == CLI_FIT_NONE) {
        error = input.no_fit;
        status = error.status;
    } else if (status == FLS_OK) {
        status = print_all(&input, options, &error);
    }
    result = cli_exit_of(status);
    cli_out_flush();
    if (result != CLI_WELL)
        cli_fail(input.name, &error, NULL);
    if (not_json > 0 && !cli_out_failed())
        cli_error(input.name,
                  "%" PRIu64
                  " message%s could not be printed by the schema: see error in the output",
                  not_json, not_json == 1 ? "" : "s");
    if (not_json > 0 && result == CLI_WELL)
        result = CLI_DAMAGED;
    cli_input_close(&input);
    return result;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {{0, 0, 0}, {NULL, NULL}, 0, 0, UINT64_MAX};
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options.read),
                                       CLI_SCHEMA_OPTIONS(&options.schema),
                                       {"as", 0, CLI_CHOICE, &options.form, forms, 0},
                                       {"from", 0, CLI_COUNT, &options.from, NULL, 0},
                                       {"count", 'n', CLI_COUNT, &options.count, NULL, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = cli_check_max_frame(verb, &options.read.max_frame);
    if (result != CLI_GO_ON)
        return result;
    if ((options.form == FORM_JSON) != (options.schema.file != NULL))
        return cli_usage(verb, options.schema.file ? "--schema goes with --as json"
                                                   : "--as json needs --schema FILE");
    if (files.count != 1)
        return cli_usage(verb, files.count == 0 ? "which FILE? `-` is standard input"
                                                : "one FILE at a time");
    result = cli_schema_open(verb, &options.schema, 0, &schema);
    if (result != CLI_GO_ON)
        return result;
    result = cat(files.argv[0], &options);
    cli_schema_close(&schema);
    return result;
}

const struct cli_verb cli_verb_cat = {"cat", "print the messages of a stream", help, run};
