/*
 * cmd_cat.c: the messages of a stream, in a form of one's choice.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <flatstream/reader.h>

#include "cli/input.h"
#include "cli/output.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"

static const char help[] =
    "Usage: flatstream cat [OPTION]... FILE\n"
    "Prints the messages of a stream. `-` is standard input.\n"
    "\n" CLI_FORM_HELP
    "  --from N           begin with frame N; the first is 0. What comes before is\n"
    "                     passed over unchecked\n"
    "  -n, --count N      print at most N messages\n" CLI_SCHEMA_HELP CLI_READ_HELP "\n"
    "Messages up to the first damaged frame are printed; then the error is reported\n"
    "and the exit status is 1. When several kinds of checksum fit and read the stream\n"
    "differently, nothing is printed and the exit status is 2: say --checksum. A\n"
    "reader that goes away (`| head`) ends it by SIGPIPE, without a word. As json\n"
    "each message is verified first. One that the schema does not allow, or that\n"
    "cannot be said in JSON (text that is no UTF-8), becomes an object of frame,\n"
    "offset, kind, error and base64; exit status 1 at the end. Only fields that\n"
    "are in the message are printed; the numbers that JSON lacks as nan, inf and\n"
    "-inf. `write --from jsonl` makes messages of the objects again.\n"
    "\n" CLI_EXIT_HELP "\n"
    "Examples:\n"
    "  flatstream cat log.fls\n"
    "  flatstream cat --as hex --count 3 telemetry.fls\n"
    "  flatstream cat --as sized a.fls |\n"
    "      flatstream write --from sized --checksum crc32 -o b.fls\n"
    "  flatstream cat --as json --schema telemetry.fbs telemetry.fls | jq .cpu.user\n"
    "  flatstream cat --as raw --from 41 --count 1 telemetry.fls > message.bin\n";

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    struct cli_printing printing;
    uint64_t from;
    uint64_t count;
};

#define BATCH 256

/* Prints up to the count, the end, or an error. What came from a pipe is passed on as it comes. */
static enum fls_status print_messages(struct fls_reader *reader, struct options *options, int live)
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
            cli_print_message(&options->printing, &messages[i]);
        left -= got;
        if (live && got < most)
            cli_out_flush();
    }
    return status;
}

/* Passes over the first `count` frames. A stream that has no more is not damaged: it is said. */
static enum fls_status pass_over(struct fls_reader *reader, const char *name, uint64_t count)
{
    uint64_t frames;
    size_t bytes;
    enum fls_status status = fls_reader_skip(reader, count, &frames);

    if (status == FLS_OK)
        status = fls_reader_next_bytes(reader, &bytes);
    if (status == FLS_END)
        cli_error(name, "there is no frame %" PRIu64 ": the stream has %" PRIu64, count, frames);
    return status;
}

static enum fls_status print_all(struct cli_input *input, struct options *options,
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
        status = pass_over(reader, input->name, options->from);
    if (status == FLS_OK)
        status = print_messages(reader, options, !input->regular && !input->series);
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

static int cat(const char *path, struct options *options)
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
        cli_input_fail(&input, &error, NULL);
    result = cli_print_end(&options->printing, input.name, result);
    cli_input_close(&input);
    return result;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {.count = UINT64_MAX};
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options.read),
                                       CLI_SCHEMA_OPTIONS(&options.schema),
                                       {"as", 0, CLI_CHOICE, &options.printing.form, cli_forms, 0},
                                       {"from", 0, CLI_COUNT, &options.from, NULL, 0},
                                       {"count", 'n', CLI_COUNT, &options.count, NULL, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = cli_check_max_frame(verb, &options.read.max_frame);
    if (result == CLI_GO_ON)
        result = cli_print_check(verb, &options.printing, &options.schema);
    if (result != CLI_GO_ON)
        return result;
    if (files.count != 1)
        return cli_usage(verb, files.count == 0 ? "which FILE? `-` is standard input"
                                                : "one FILE at a time");
    result = cli_schema_open(verb, &options.schema, 0, &options.printing.schema);
    if (result != CLI_GO_ON)
        return result;
    cli_reader_watch_output(NULL);
    result = cat(files.argv[0], &options);
    cli_schema_close(&options.printing.schema);
    return result;
}

const struct cli_verb cli_verb_cat = {"cat", "print the messages of a stream", help, run};
