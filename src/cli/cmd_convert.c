/*
 * cmd_convert.c: the same messages under another kind of checksum, or as Frame Streams, and back.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/frame_streams.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"
#include "cli/signals.h"
#include "cli/stream_in.h"
#include "cli/stream_out.h"

static const char help[] =
    "Usage: flatstream convert FILE -o OUT [--to KIND] [--from fstrm] [OPTION]...\n"
    "Writes the messages of FILE to the new file OUT under another kind of checksum,\n"
    "or in the format Frame Streams (fstrm), or from there. `-` is standard input or\n"
    "output.\n"
    "\n"
    "  -o, --output OUT   it appears when it is whole\n" CLI_REPLACE_HELP
    "  --to KIND          none, crc16, crc32, xxh3 (the default), or fstrm\n"
    "  --from FORM        what FILE is: fls (the default) or fstrm\n"
    "  --content-type T   with fstrm: of OUT (none without it); of FILE it must be\n"
    "                     this\n"
    "  --any-content      --from fstrm: parts of FILE may have different content\n"
    "                     types; else they are refused\n" CLI_READ_HELP "\n"
    "Frame Streams are read and written as files of one direction: START, with the\n"
    "content type, the data frames, STOP; several such files one behind another count\n"
    "as one, and so does one whose writer was killed and began again without STOP,\n"
    "which is said. They know no empty messages: one in FILE is an error. libfstrm's\n"
    "own reader refuses messages over 1 MiB unless told otherwise.\n"
    "\n"
    "Messages up to the first damaged frame are converted; a file without STOP counts\n"
    "as torn. What follows a STOP and is no START is not converted, and counts as\n"
    "damage. Where content types differ, nothing is converted, with exit status 1.\n"
    "\n"
    "Exit status: 0 all messages were converted; 1 FILE is damaged, or a message has\n"
    "no place in the other format; 2 wrong usage; 3 the system failed.\n"
    "\n"
    "Examples:\n"
    "  flatstream convert old.fls --to xxh3 -o new.fls\n"
    "  flatstream convert t.fls --to fstrm --content-type telemetry -o t.fstrm\n"
    "  flatstream convert dnstap.fstrm --from fstrm -o dnstap.fls\n";

enum { TO_FSTRM = 4 };
static const char *const forms_to[] = {"none", "crc16", "crc32", "xxh3", "fstrm", NULL};
static const char *const forms_from[] = {"fls", "fstrm", NULL};

struct options {
    struct cli_read_options read;
    const char *output;
    const char *content_type;
    int to;
    int from_fstrm;
    int replace;
    int any_content;
};

/* --- out ---------------------------------------------------------------------------------------
 */

static enum fls_status put_control(struct cli_stream_out *out, enum cli_control type,
                                   const char *content_type, struct fls_error *error)
{
    unsigned char bytes[CLI_CONTROL_BYTES_MAX + 8];
    size_t count = cli_control_encode(type, content_type, bytes);

    return cli_stream_out_raw(out, bytes, count, error);
}

static enum fls_status put_data(struct cli_stream_out *out, const void *payload, size_t bytes,
                                struct fls_error *error)
{
    unsigned char header[4];

    if (bytes == 0)
        return cli_set_error(error, FLS_LIMIT,
                             "message %" PRIu64 " is empty: Frame Streams know no empty messages",
                             out->frames);
    cli_data_header_encode((uint32_t)bytes, header);
    enum fls_status status = cli_stream_out_raw(out, header, sizeof header, error);
    if (status == FLS_OK)
        status = cli_stream_out_raw(out, payload, bytes, error);
    out->frames += status == FLS_OK;
    return status;
}

static enum fls_status put(struct cli_stream_out *out, const struct options *options,
                           const void *payload, size_t bytes, struct fls_error *error)
{
    if (options->to == TO_FSTRM)
        return put_data(out, payload, bytes, error);
    return cli_stream_out_put(out, payload, bytes, error);
}

static enum fls_status begin(struct cli_stream_out *out, const struct cli_input *input,
                             const struct options *options, struct fls_error *error)
{
    struct cli_outfile_plan plan = cli_outfile_plan(options->output, options->replace);
    int is_fstrm = options->to == TO_FSTRM;
    enum fls_checksum_kind kind =
        is_fstrm ? FLS_CHECKSUM_NONE : (enum fls_checksum_kind)options->to;

    cli_input_plan(input, &plan);
    enum fls_status status = cli_stream_out_open(out, &plan, kind, error);

    if (status == FLS_OK && is_fstrm)
        status = put_control(out, CLI_CONTROL_START, options->content_type, error);
    return status;
}

/* Ends what was written; `result` is what reading came to. */
static int end(struct cli_stream_out *out, const struct options *options, int result)
{
    struct fls_error error;
    enum fls_status status = FLS_OK;

    if (cli_signal())
        return cli_stream_out_fail(out, &error, FLS_STOPPED);
    if (result == CLI_SYSTEM) {
        cli_stream_out_abandon(out);
        return result;
    }
    if (options->to == TO_FSTRM)
        status = put_control(out, CLI_CONTROL_STOP, NULL, &error);
    if (status == FLS_OK)
        status = cli_stream_out_finish(out, &error);
    return status == FLS_OK ? result : cli_stream_out_fail(out, &error, status);
}

/* --- in ----------------------------------------------------------------------------------------
 */

/* Copies message by message. *failed: the writing ended it, not the reading. */
static enum fls_status copy_frames(struct cli_stream_in *in, struct cli_stream_out *out,
                                   const struct options *options, int *failed,
                                   struct fls_error *error)
{
    struct fls_message message;
    enum fls_status status;

    while ((status = fls_reader_next(in->reader, &message)) == FLS_OK) {
        status = put(out, options, message.payload, message.bytes, error);
        if (status != FLS_OK) {
            *failed = 1;
            break;
        }
    }
    if (!cli_signal())
        return status;
    *failed = 1;
    return FLS_STOPPED;
}

static int convert_stream(const char *path, const struct options *options)
{
    struct cli_stream_in in;
    struct cli_stream_out out;
    struct fls_error error;
    int failed = 0;
    int result = cli_stream_in_open(&in, path, &options->read, 0);

    if (result != CLI_GO_ON)
        return result;
    enum fls_status status = begin(&out, &in.input, options, &error);
    if (status == FLS_OK) {
        cli_progress_begin(in.input.name, in.input.bytes, 0);
        status = copy_frames(&in, &out, options, &failed, &error);
        cli_progress_end();
    } else {
        failed = 1;
    }
    if (failed)
        result = cli_stream_out_fail(&out, &error, status);
    else
        result = end(&out, options, cli_stream_in_end(&in, status));
    cli_stream_in_close(&in);
    return result;
}

/* The content type that all messages must have, as soon as it is known: a part of the file that
 * says none differs from nothing. */
struct wanted {
    int has;
    char text[CLI_CONTENT_TYPE_MAX + 1];
    size_t bytes;
    uint64_t starts; /* so many were looked at */
};

static void want(struct wanted *wanted, const char *text, size_t bytes)
{
    wanted->has = 1;
    wanted->bytes = bytes;
    memcpy(wanted->text, text, bytes);
    wanted->text[bytes] = '\0';
}

/* Is the message at hand of the content type that is asked for, or that those before it had? */
static enum fls_status check_content(const struct cli_frame_streams *in, struct wanted *wanted,
                                     const struct options *options, struct fls_error *error)
{
    if (in->starts == wanted->starts || options->any_content)
        return FLS_OK;
    wanted->starts = in->starts;
    if (!options->content_type && in->content_type_bytes == 0)
        return FLS_OK;
    if (!wanted->has)
        want(wanted, in->content_type, in->content_type_bytes);
    if (in->content_type_bytes == wanted->bytes &&
        memcmp(in->content_type, wanted->text, wanted->bytes) == 0)
        return FLS_OK;
    return cli_set_error(error, FLS_INVALID_FRAME,
                         "from frame %" PRIu64 " on its content type is '%.40s', not '%.40s'",
                         in->frames - 1, in->content_type, wanted->text);
}

/* *failed: the writing ended it; *refused: the content type did. */
static enum fls_status copy_data(struct cli_frame_streams *in, struct cli_stream_out *out,
                                 const struct options *options, int *failed, int *refused,
                                 struct fls_error *error)
{
    struct wanted wanted = {0, "", 0, 0};
    const void *data;
    size_t count;
    enum fls_status status;

    if (options->content_type)
        want(&wanted, options->content_type, strlen(options->content_type));
    while ((status = cli_frame_streams_next(in, &data, &count, error)) == FLS_OK) {
        cli_progress_tick(in->offset);
        status = check_content(in, &wanted, options, error);
        *refused = status != FLS_OK;
        if (*refused)
            return status;
        status = put(out, options, data, count, error);
        if (status != FLS_OK) {
            *failed = 1;
            break;
        }
    }
    return status;
}

static const char *refusal(const struct options *options)
{
    return options->content_type ? "nothing was written"
                                 : "nothing was written; --any-content takes both";
}

static int convert_opened(struct cli_input *input, const struct options *options)
{
    struct cli_frame_streams in = {.fd = input->fd, .bytes_max = options->read.max_frame};
    struct cli_stream_out out;
    struct fls_error error;
    int failed = 0, refused = 0, result = CLI_WELL;

    if (in.bytes_max == 0)
        in.bytes_max = FLS_PAYLOAD_BYTES_MAX_DEFAULT;
    enum fls_status status = begin(&out, input, options, &error);
    if (status != FLS_OK)
        return cli_stream_out_fail(&out, &error, status);
    cli_progress_begin(input->name, input->bytes, 0);
    status = copy_data(&in, &out, options, &failed, &refused, &error);
    cli_progress_end();
    if (in.unended > 0 && !refused)
        cli_error(input->name,
                  "begun again %" PRIu64 " time%s without an end (STOP): its writer was killed, "
                  "perhaps",
                  in.unended, in.unended == 1 ? "" : "s");
    cli_frame_streams_free(&in);
    if (failed || status == FLS_STOPPED)
        return cli_stream_out_fail(&out, &error, status);
    if (status != FLS_END) {
        result = cli_exit_of(status);
        cli_input_fail(input, &error, refused ? refusal(options) : NULL);
    }
    if (refused || (status != FLS_END && out.frames == 0)) {
        cli_stream_out_abandon(&out);
        return result;
    }
    return end(&out, options, result);
}

static int convert_fstrm(const char *path, const struct options *options)
{
    struct cli_read_options reading = options->read;
    struct cli_input input;
    struct fls_error error;

    reading.checksum = CLI_CHECKSUM_FIRST; /* there is nothing to find out */
    enum fls_status status = cli_input_open(&input, path, &reading, &error);
    if (status != FLS_OK) {
        cli_fail(cli_input_name(path), &error, NULL);
        return cli_exit_of(status);
    }
    int result = convert_opened(&input, options);
    cli_input_close(&input);
    return result;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {.to = FLS_CHECKSUM_XXH3};
    const struct cli_option table[] = {
        CLI_READ_OPTIONS(&options.read),
        {"output", 'o', CLI_TEXT, &options.output, NULL, 0},
        CLI_REPLACE_OPTION(&options.replace),
        {"to", 0, CLI_CHOICE, &options.to, forms_to, 0},
        {"from", 0, CLI_CHOICE, &options.from_fstrm, forms_from, 0},
        {"content-type", 0, CLI_TEXT, &options.content_type, NULL, 0},
        {"any-content", 0, CLI_FLAG, &options.any_content, NULL, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = cli_check_max_frame(verb, &options.read.max_frame);
    if (result != CLI_GO_ON)
        return result;
    if (files.count != 1)
        return cli_usage(verb, files.count == 0 ? "which FILE? `-` is standard input"
                                                : "one FILE at a time");
    if (!options.output)
        return cli_usage(verb, "where to? -o OUT is the new file");
    if (options.content_type && options.to != TO_FSTRM && !options.from_fstrm)
        return cli_usage(verb, "--content-type goes with --to fstrm or --from fstrm");
    if (options.any_content && (!options.from_fstrm || options.content_type))
        return cli_usage(verb, "--any-content goes with --from fstrm, without --content-type");
    if (options.content_type && strlen(options.content_type) > CLI_CONTENT_TYPE_MAX)
        return cli_usage(verb, "a content type has at most %d bytes", CLI_CONTENT_TYPE_MAX);
    if (options.from_fstrm && options.read.checksum != CLI_CHECKSUM_AUTO)
        return cli_usage(verb, "--checksum goes with --from fls: Frame Streams have none");
    cli_reader_watch_output(options.output);
    return options.from_fstrm ? convert_fstrm(files.argv[0], &options)
                              : convert_stream(files.argv[0], &options);
}

const struct cli_verb cli_verb_convert = {"convert", "another checksum, or Frame Streams", help,
                                          run};
