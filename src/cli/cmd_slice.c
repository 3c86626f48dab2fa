/*
 * cmd_slice.c: a range of a stream, by number or by time, as a new stream.
 *
 * With an index the reading begins at the range; without one everything before it is read and left
 * out. A range of times takes each message by its own time: it ends the reading early only where
 * the index says that times are in order up to the stream's end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/index_use.h"
#include "cli/order.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"
#include "cli/signals.h"
#include "cli/stream_out.h"
#include "cli/time_key.h"

static const char help[] =
    "Usage: flatstream slice FILE [--from A] [--to B] [--by number|time] -o OUT\n"
    "           [OPTION]...\n"
    "Writes the messages from A on, before B, to the new file OUT. `-` is standard\n"
    "input.\n"
    "\n"
    "  --from A, --to B   the range, without B; left out: from the first, to the last\n"
    "  --by WHAT          number  messages are counted from 0 (the default)\n"
    "                     time    by the field that --key names\n" CLI_KEY_HELP CLI_TIME_UNIT_HELP
    "  -o, --output OUT   the new stream, which appears when it is whole; `-` is\n"
    "                     standard output\n" CLI_REPLACE_HELP
    "  --checksum-out KIND  of the new stream; else as the input\n" CLI_SCHEMA_HELP CLI_READ_HELP
    "\n"
    "With an index (`flatstream index`, with the same --key for times) only the range\n"
    "is read. An index that is not sound is not used, with a warning. Messages keep\n"
    "their order. By time each message is taken for its own time, in order or not;\n"
    "one without a time counts with the time before it.\n"
    "\n"
    "Where the stream is damaged in or before the range, as far as it is read, OUT\n"
    "ends there and the exit status is 1. Else: 0 all well, 2 wrong usage, 3 the\n"
    "system failed.\n"
    "\n"
    "Examples:\n"
    "  flatstream slice t.fls --from 1000000 --to 1001000 -o part.fls\n"
    "  flatstream slice t.fls --by time --key time --schema t.fbs --time-unit ns \\\n"
    "      --from 2024-05-01T12:00Z --to 2024-05-01T12:05Z -o five-minutes.fls\n"
    "  flatstream slice t.fls --from 5000 -o - | flatstream cat --schema t.fbs -\n";

enum by { BY_NUMBER, BY_TIME };
static const char *const by_words[] = {"number", "time", NULL};

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    struct cli_key_options key_options;
    struct cli_key key;
    int by;
    const char *from_text;
    const char *to_text;
    const char *output;
    int replace;
    int checksum_out;
    uint64_t from;
    uint64_t to;
    struct cli_bound time_from;
    struct cli_bound time_to;
};

/* A slice under way. time: of the last message that has one; broken: messages that are damaged
 * inside. is_over: nothing more can follow. */
struct slice {
    const struct options *options;
    struct cli_stream_out out;
    struct fls_value time;
    int has_time;
    uint64_t broken;
    int times_in_order;
    int is_over;
};

#define BATCH 256

/* --- messages ----------------------------------------------------------------------------------
 */

/* A message before every time has none: it is taken where the range has no beginning. */
static int is_in_time(struct slice *slice, const struct fls_message *message)
{
    const struct options *options = slice->options;
    struct fls_value time;
    enum cli_key_found found = cli_key_read(&options->key, message, &time);

    slice->broken += found == CLI_KEY_BROKEN;
    if (found == CLI_KEY_FOUND) {
        slice->time = time;
        slice->has_time = 1;
    }
    if (!slice->has_time)
        return options->from_text == NULL;
    if (options->to_text &&
        cli_order_of_numbers(&slice->time, &options->time_to.number) != CLI_LESS) {
        slice->is_over = slice->times_in_order;
        return 0;
    }
    return !options->from_text ||
           cli_order_of_numbers(&slice->time, &options->time_from.number) != CLI_LESS;
}

static int is_in_range(struct slice *slice, const struct fls_message *message)
{
    const struct options *options = slice->options;

    if (options->by == BY_TIME)
        return is_in_time(slice, message);
    slice->is_over = message->frame >= options->to;
    return message->frame >= options->from && message->frame < options->to;
}

static enum fls_status put_messages(struct slice *slice, const struct fls_message *messages,
                                    size_t count, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    for (size_t i = 0; i < count && status == FLS_OK && !slice->is_over; i++)
        if (is_in_range(slice, &messages[i]))
            status = cli_stream_out_put(&slice->out, messages[i].payload, messages[i].bytes, error);
    return status;
}

/* FLS_END; what is wrong with the stream is in *damage; FLS_STOPPED and failures of the output are
 * returned. */
static enum fls_status put_all(struct slice *slice, struct fls_reader *reader,
                               struct fls_error *damage, struct fls_error *error)
{
    struct fls_message messages[BATCH];
    enum fls_status status = FLS_OK;
    size_t count;

    while (!slice->is_over) {
        if (cli_signal())
            return FLS_STOPPED;
        status = fls_reader_next_batch(reader, messages, BATCH, &count);
        if (status != FLS_OK)
            break;
        status = put_messages(slice, messages, count, error);
        if (status != FLS_OK)
            return status;
    }
    if (cli_signal())
        return FLS_STOPPED;
    if (status != FLS_OK && status != FLS_END)
        *damage = *fls_reader_error(reader);
    return cli_signal() ? FLS_STOPPED : FLS_END;
}

/* --- where to begin ----------------------------------------------------------------------------
 */

/* Is the index of any use for this range? By time it must have been built by the same key. */
static int is_of_use(const struct cli_input *input, const struct options *options,
                     const struct fls_index *index)
{
    struct fls_index_summary summary = fls_index_describe(index);

    if (options->by == BY_NUMBER)
        return options->from > 0;
    if (summary.stream_changed) {
        cli_error(input->name,
                  "the stream was changed after its index was written, whose times are "
                  "not used; `flatstream index` builds it anew");
        return 0;
    }
    if (summary.has_time && strcmp(summary.key, options->key_options.field) == 0 &&
        summary.time_is_real == (options->key.kind == FLS_VALUE_REAL))
        return 1;
    cli_error(input->name, "the index has no times of %s; reading without it",
              options->key_options.field);
    return 0;
}

/* The place by the index; FLS_END is as good: where the index ends. */
static enum fls_status find(struct fls_index *index, const struct fls_index_summary *summary,
                            const struct options *options, struct fls_index_place *place,
                            struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    *place = (struct fls_index_place){0, 0};
    if (options->by == BY_NUMBER)
        status = fls_index_find_frame(index, options->from, place, error);
    else if (options->from_text)
        status = fls_index_find_time(index, cli_index_time_of(summary, &options->time_from.number),
                                     place, error);
    return status == FLS_END ? FLS_OK : status;
}

/* Is no message in the range behind one that is behind the range? An index that takes large
 * unsigned numbers for equal does not know their order. */
static int are_in_order(const struct cli_input *input, const struct options *options,
                        const struct fls_index_summary *summary)
{
    int is_clamped = options->key.kind == FLS_VALUE_UNSIGNED && !summary->time_is_unsigned &&
                     cli_index_time_of(summary, &options->time_to.number) == INT64_MAX;

    return summary->time_in_order && summary->bytes == input->bytes && !is_clamped;
}

static enum fls_status open_by_index(const struct cli_input *input, struct fls_index *index,
                                     struct slice *slice, const struct fls_reader_options *reading,
                                     struct fls_reader **reader, struct fls_error *error)
{
    struct fls_index_summary summary = fls_index_describe(index);
    struct fls_index_place place;
    enum fls_status status = find(index, &summary, slice->options, &place, error);

    if (status == FLS_OK)
        status = fls_index_open_reader(index, place.frame, reading, reader, error);
    slice->times_in_order = status == FLS_OK && are_in_order(input, slice->options, &summary);
    return status;
}

/* A reader at or before the range's first message. */
static enum fls_status open_reader(const struct cli_input *input, struct slice *slice,
                                   struct fls_reader **reader, struct fls_error *error)
{
    struct fls_reader_options reading = {.checksum = input->kind,
                                         .payload_bytes_max = slice->options->read.max_frame,
                                         .alignment = 1,
                                         .start_offset = input->offset};
    struct fls_index *index = cli_index_of(input);
    enum fls_status status = FLS_INVALID_ARGUMENT;

    if (index && is_of_use(input, slice->options, index)) {
        status = open_by_index(input, index, slice, &reading, reader, error);
        if (status == FLS_INVALID_ARGUMENT)
            cli_fail(input->name, error, "reading without it");
    }
    fls_index_close(index);
    if (status == FLS_INVALID_ARGUMENT)
        status = fls_reader_open(input->source, &reading, reader, error);
    return status;
}

/* --- the verb ----------------------------------------------------------------------------------
 */

static enum fls_status write_slice(struct cli_input *input, struct slice *slice,
                                   struct fls_error *damage, struct fls_error *error)
{
    struct fls_reader *reader;
    enum fls_status status = open_reader(input, slice, &reader, error);

    if (status != FLS_OK)
        return status;
    cli_progress_begin(input->name, input->bytes, strcmp(slice->options->output, "-") == 0);
    status = put_all(slice, reader, damage, error);
    cli_progress_end();
    fls_reader_close(reader);
    if (status == FLS_END && cli_exit_of(damage->status) == CLI_SYSTEM)
        return damage->status; /* which is no slice */
    return status == FLS_END ? cli_stream_out_finish(&slice->out, error) : status;
}

static int input_failed(struct slice *slice, const struct cli_input *input,
                        const struct fls_error *error)
{
    cli_stream_out_abandon(&slice->out);
    cli_fail(input->name, error, "nothing was written");
    return cli_exit_of(error->status);
}

static int slice_input(struct cli_input *input, const struct options *options)
{
    struct slice slice = {.options = options};
    struct fls_error error, damage = {.status = FLS_OK};
    int out = options->checksum_out;
    enum fls_checksum_kind kind =
        out == CLI_CHECKSUM_AUTO ? input->kind : (enum fls_checksum_kind)(out - CLI_CHECKSUM_FIRST);
    struct cli_outfile_plan plan = cli_outfile_plan(options->output, options->replace);

    cli_input_plan(input, &plan);
    enum fls_status status = cli_stream_out_open(&slice.out, &plan, kind, &error);

    if (status == FLS_OK)
        status = write_slice(input, &slice, &damage, &error);
    if (status != FLS_OK && status == damage.status)
        return input_failed(&slice, input, &damage);
    if (status != FLS_OK)
        return cli_stream_out_fail(&slice.out, &error, status);
    if (slice.out.frames == 0)
        cli_error(input->name, "no message is in the range");
    int result = cli_key_tell_broken(input->name, slice.broken);
    if (damage.status == FLS_OK)
        return result;
    cli_input_fail(input, &damage, "the slice ends there");
    return cli_exit_of(damage.status);
}

static int slice_path(const char *path, const struct options *options)
{
    struct cli_input input;
    struct fls_error error;
    enum fls_status status = cli_input_open(&input, path, &options->read, &error);
    int result;

    if (status != FLS_OK) {
        cli_fail(cli_input_name(path), &error, NULL);
        return cli_exit_of(status);
    }
    if (input.fit == CLI_FIT_SEVERAL) {
        cli_error(input.name, "ambiguous: %s fit, and read it differently; say --checksum KIND",
                  cli_candidate_names(input.candidates));
        result = CLI_USAGE;
    } else if (input.fit == CLI_FIT_NONE) {
        cli_fail(input.name, &input.no_fit, NULL);
        result = cli_exit_of(input.no_fit.status);
    } else {
        result = slice_input(&input, options);
    }
    cli_input_close(&input);
    return result;
}

static int parse_numbers(const struct cli_verb *verb, struct options *options)
{
    options->to = UINT64_MAX;
    if (options->from_text && !cli_number(options->from_text, 0, &options->from))
        return cli_usage(verb, "--from %s is no message number", options->from_text);
    if (options->to_text && !cli_number(options->to_text, 0, &options->to))
        return cli_usage(verb, "--to %s is no message number", options->to_text);
    if (options->from > options->to)
        return cli_usage(verb, "--from is behind --to");
    return CLI_GO_ON;
}

static int parse_times(const struct cli_verb *verb, struct options *options)
{
    int result = CLI_GO_ON;

    if (options->from_text)
        result =
            cli_key_parse(verb, &options->key, "--from", options->from_text, &options->time_from);
    if (result == CLI_GO_ON && options->to_text)
        result = cli_key_parse(verb, &options->key, "--to", options->to_text, &options->time_to);
    if (result == CLI_GO_ON && options->from_text && options->to_text &&
        cli_order_of_numbers(&options->time_from.number, &options->time_to.number) == CLI_GREATER)
        return cli_usage(verb, "--from is behind --to");
    return result;
}

static int check(const struct cli_verb *verb, struct options *options,
                 const struct cli_operands *files)
{
    if (files->count != 1)
        return cli_usage(verb, files->count == 0 ? "which FILE? `-` is standard input"
                                                 : "one FILE at a time");
    if (!options->output)
        return cli_usage(verb, "where to? -o OUT; `-` is standard output");
    if (!options->from_text && !options->to_text)
        return cli_usage(verb, "which messages? --from A, --to B, or both");
    if (options->by == BY_TIME && !options->key_options.field)
        return cli_usage(verb, "--by time needs --key PATH and --schema FILE");
    if (options->by == BY_NUMBER && options->key_options.field)
        return cli_usage(verb, "--key goes with --by time");
    return cli_check_max_frame(verb, &options->read.max_frame);
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {.by = BY_NUMBER};
    struct cli_schema schema = {.schema = NULL};
    const struct cli_option table[] = {
        CLI_READ_OPTIONS(&options.read),
        CLI_SCHEMA_OPTIONS(&options.schema),
        CLI_KEY_OPTION(&options.key_options),
        CLI_TIME_UNIT_OPTION(&options.key_options),
        {"from", 0, CLI_TEXT, &options.from_text, NULL, 0},
        {"to", 0, CLI_TEXT, &options.to_text, NULL, 0},
        {"by", 0, CLI_CHOICE, &options.by, by_words, 0},
        {"output", 'o', CLI_TEXT, &options.output, NULL, 0},
        CLI_REPLACE_OPTION(&options.replace),
        {"checksum-out", 0, CLI_CHOICE, &options.checksum_out, cli_checksum_choices, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = check(verb, &options, &files);
    if (result == CLI_GO_ON)
        result = cli_schema_open(verb, &options.schema, 0, &schema);
    if (result == CLI_GO_ON)
        result = cli_key_open(verb, &options.key_options, &schema, &options.key);
    if (result == CLI_GO_ON)
        result =
            options.by == BY_TIME ? parse_times(verb, &options) : parse_numbers(verb, &options);
    if (result == CLI_GO_ON) {
        cli_reader_watch_output(options.output);
        result = slice_path(files.argv[0], &options);
    }
    cli_key_close(&options.key);
    cli_schema_close(&schema);
    return result;
}

const struct cli_verb cli_verb_slice = {"slice", "write a range of a stream to a new one", help,
                                        run};
