/*
 * cmd_split.c: a stream cut into several, between messages, or sorted into several by a field.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <flatstream/series.h>

#include "cli/enum_text.h"
#include "cli/number.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/replaced.h"
#include "cli/schema_file.h"
#include "cli/signals.h"
#include "cli/stream_in.h"
#include "cli/stream_out.h"

static const char help[] =
    "Usage: flatstream split FILE (--count N | --bytes B | --by FIELD --schema S)\n"
    "           -o PREFIX [OPTION]...\n"
    "                        [OPTION]...\n"
    "Writes the messages of FILE into several new streams, PREFIX-000001.fls,\n"
    "PREFIX-000002.fls and so on: the names of a series, which other verbs read as\n"
    "one. `-` is standard input.\n"
    "\n"
    "  -o, --output PREFIX  of their names\n"
    "  --replace          streams of these names that hold anything are replaced, all\n"
    "                     that follow one another from the first; else they are\n"
    "                     refused\n"
    "  --count N          N messages in each, fewer in the last\n"
    "  --bytes B          at most B bytes in each; a larger message has one to itself\n"
    "  --by FIELD         messages in which FIELD has the same value in one stream\n"
    "                     each, numbered as the values first appear; at most 256\n"
    "                     values\n" CLI_SCHEMA_HELP CLI_READ_HELP "\n"
    "No message is split, and frames keep their kind of checksum. Each stream appears\n"
    "under its name when it is whole; when the splitting fails those made before are\n"
    "removed again. A line for each says its name, messages, bytes and value.\n"
    "\n"
    "Messages up to the first damaged frame are written.\n"
    "\n"
    "Exit status: 0 all well; 1 FILE is damaged; 2 wrong usage, or a stream of that\n"
    "name is there; 3 the system failed.\n"
    "\n"
    "Examples:\n"
    "  flatstream split day.fls --bytes 64M -o part\n"
    "  flatstream split day.fls --count 100000 -o part\n"
    "  flatstream split all.fls --by host --schema telemetry.bfbs -o host\n";

#define PARTS_MAX 256

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    const char *output;
    const char *by;
    uint64_t count;
    uint64_t bytes;
    int replace;
};

/* One stream being written; `value` is the text of its messages' field. */
struct part {
    char *path;
    char *value;
    size_t value_bytes;
    struct cli_stream_out out;
    int is_open;
    struct cli_undo *named; /* as long as it is not known whether all goes well */
};

/* A splitting under way. `parts`: all that were begun, in the order of their numbers; without a
 * field only the last is open. */
struct splitting {
    const struct options *options;
    struct cli_stream_in in;
    struct cli_schema schema;
    struct fls_path *path;
    char *name;
    struct part *parts;
    size_t count;
    size_t capacity;
    uint64_t bad;
    struct cli_replaced replaced;
};

static enum fls_status no_memory(struct fls_error *error)
{
    return cli_set_error(error, FLS_NO_MEMORY, "out of memory");
}

/* --- parts -------------------------------------------------------------------------------------
 */

static enum fls_status grow(struct splitting *s, struct fls_error *error)
{
    if (s->count < s->capacity)
        return FLS_OK;
    size_t capacity = s->capacity > 0 ? 2 * s->capacity : 16;
    struct part *grown = realloc(s->parts, capacity * sizeof *grown);
    if (!grown)
        return no_memory(error);
    s->parts = grown;
    s->capacity = capacity;
    return FLS_OK;
}

static enum fls_status begin_part(struct splitting *s, const char *value, size_t value_bytes,
                                  struct fls_error *error)
{
    enum fls_status status = grow(s, error);

    if (status != FLS_OK)
        return status;
    struct part *part = &s->parts[s->count];
    *part = (struct part){.path = fls_series_segment_path(s->name, s->count + 1)};
    part->value = malloc(value_bytes + 1);
    part->named = calloc(1, sizeof *part->named);
    s->count++;
    if (!part->path || !part->value || !part->named)
        return no_memory(error);
    memcpy(part->value, value, value_bytes);
    part->value[value_bytes] = '\0';
    part->value_bytes = value_bytes;
    struct cli_outfile_plan plan = cli_outfile_plan(part->path, 0);
    cli_input_plan(&s->in.input, &plan);
    status = cli_stream_out_open(&part->out, &plan, s->in.input.kind, error);
    part->is_open = status == FLS_OK;
    return status;
}

static enum fls_status finish_part(struct splitting *s, struct part *part, struct fls_error *error)
{
    if (!part->is_open)
        return FLS_OK;
    part->named->path = part->path;
    cli_signals_hold();
    enum fls_status status = cli_stream_out_finish(&part->out, error);
    if (status == FLS_OK)
        cli_signals_undo(part->named);
    cli_signals_release();
    if (status != FLS_OK)
        return status;
    part->is_open = 0;
    char name[CLI_SHOWN_BYTES];
    cli_out_text("%s: %" PRIu64 " messages, %" PRIu64 " bytes",
                 cli_shown_name(part->path, name, sizeof name), part->out.frames, part->out.bytes);
    if (s->path) {
        cli_out_text(", %s = ", s->options->by);
        cli_out_bytes(part->value, part->value_bytes);
    }
    cli_out_text("\n");
    return FLS_OK;
}

/* Takes away what was made. */
static void abandon(struct splitting *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct part *part = &s->parts[i];
        if (part->is_open)
            cli_stream_out_abandon(&part->out);
        else if (part->path && part->out.frames > 0)
            unlink(part->path);
        part->is_open = 0;
        cli_signals_forget(part->named);
    }
}

/* The parts stay, and what they replace goes. */
static void settle(struct splitting *s)
{
    cli_signals_hold();
    for (size_t i = 0; i < s->count; i++)
        cli_signals_forget(s->parts[i].named);
    cli_replaced_delete(&s->replaced);
    cli_signals_release();
}

static void free_parts(struct splitting *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->parts[i].path);
        free(s->parts[i].named);
        free(s->parts[i].value);
    }
    free(s->parts);
    free(s->name);
}

/* --- by count and bytes ------------------------------------------------------------------------
 */

static int is_full(const struct splitting *s, const struct part *part, size_t bytes)
{
    struct fls_checksum checksum = {s->in.input.kind, NULL};
    uint64_t frame = 4 + fls_checksum_bytes(checksum) + bytes;

    if (s->options->count > 0)
        return part->out.frames >= s->options->count;
    return part->out.frames > 0 && part->out.bytes + frame > s->options->bytes;
}

static enum fls_status choose_next(struct splitting *s, const struct fls_message *message,
                                   struct part **part, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    if (s->count == 0 || is_full(s, &s->parts[s->count - 1], message->bytes)) {
        if (s->count > 0)
            status = finish_part(s, &s->parts[s->count - 1], error);
        if (status == FLS_OK)
            status = begin_part(s, "", 0, error);
    }
    *part = &s->parts[s->count - 1];
    return status;
}

/* Of a value that is no text; the names of many flags are cut. */
#define TEXT_BYTES 1024

/* --- by a field --------------------------------------------------------------------------------
 */

/* The value as text; borrowed from the message or from `room`. */
static const char *value_text(const struct fls_value *value, char room[TEXT_BYTES], size_t *bytes)
{
    *bytes = value->length;
    if (value->presence == FLS_ABSENT)
        *bytes = (size_t)snprintf(room, TEXT_BYTES, "(absent)");
    else if (value->kind == FLS_VALUE_STRING)
        return value->text;
    else if (value->kind == FLS_VALUE_BOOL)
        *bytes = (size_t)snprintf(room, TEXT_BYTES, "%s", value->bool_value ? "true" : "false");
    else if (cli_enum_name(value->enumeration, value->signed_value, room, TEXT_BYTES))
        *bytes = strlen(room);
    else if (value->kind == FLS_VALUE_SIGNED)
        *bytes = cli_put_signed(value->signed_value, room);
    else if (value->kind == FLS_VALUE_UNSIGNED)
        *bytes = cli_put_unsigned(value->unsigned_value, room);
    else
        *bytes = cli_put_real(value->real_value, room);
    return room;
}

static enum fls_status choose_by_value(struct splitting *s, const struct fls_message *message,
                                       struct part **part, struct fls_error *error)
{
    char room[TEXT_BYTES];
    struct fls_value value;
    size_t bytes;

    if (!cli_schema_identifies(&s->schema, message->payload, message->bytes, NULL) ||
        fls_path_read(s->path, message->payload, message->bytes, &value) != FLS_OK) {
        s->bad++;
        value = (struct fls_value){.presence = FLS_ABSENT};
    }
    const char *text = value_text(&value, room, &bytes);
    for (size_t i = 0; i < s->count; i++) {
        *part = &s->parts[i];
        if ((*part)->value_bytes == bytes && memcmp((*part)->value, text, bytes) == 0)
            return FLS_OK;
    }
    if (s->count == PARTS_MAX)
        return cli_set_error(error, FLS_LIMIT, "%s has more than %d values", s->options->by,
                             PARTS_MAX);
    enum fls_status status = begin_part(s, text, bytes, error);
    *part = &s->parts[s->count - 1];
    return status;
}

/* --- the verb ----------------------------------------------------------------------------------
 */

/* *failed: the writing ended it, not the reading. */
static enum fls_status split_messages(struct splitting *s, int *failed, struct fls_error *error)
{
    struct fls_message message;
    enum fls_status status;

    while ((status = fls_reader_next(s->in.reader, &message)) == FLS_OK) {
        struct part *part = NULL;
        status = s->path ? choose_by_value(s, &message, &part, error)
                         : choose_next(s, &message, &part, error);
        if (status == FLS_OK)
            status = cli_stream_out_put(&part->out, message.payload, message.bytes, error);
        if (status != FLS_OK) {
            *failed = 1;
            return status;
        }
    }
    if (cli_signal()) {
        *failed = 1;
        return FLS_STOPPED;
    }
    for (size_t i = 0; i < s->count; i++) {
        enum fls_status finished = finish_part(s, &s->parts[i], error);
        if (finished != FLS_OK) {
            *failed = 1;
            return finished;
        }
    }
    return status;
}

static int fail(struct splitting *s, const struct fls_error *error, enum fls_status status)
{
    const char *name = s->count > 0 && s->parts[s->count - 1].path ? s->parts[s->count - 1].path
                                                                   : s->options->output;
    struct cli_stream_out nothing = {.path = name};

    abandon(s);
    int result = cli_stream_out_fail(&nothing, error, status);
    return status == FLS_LIMIT ? CLI_USAGE : result;
}

static void plan_input(const void *context, struct cli_outfile_plan *plan)
{
    cli_input_plan(&((const struct splitting *)context)->in.input, plan);
}

/* What has the names now is out of the way while it is not known whether all goes well. */
static enum fls_status make_way(struct splitting *s, struct fls_error *error)
{
    struct cli_replaceable what = {s->name, 1, plan_input, s};

    cli_signals_catch();
    return s->options->replace ? cli_replaced_put_aside(&s->replaced, &what, error) : FLS_OK;
}

static int split_input(struct splitting *s)
{
    struct fls_error error;
    int failed = 0, result;
    enum fls_status status = make_way(s, &error);

    if (status != FLS_OK)
        return fail(s, &error, status);
    cli_progress_begin(s->in.input.name, s->in.input.bytes, 0);
    status = split_messages(s, &failed, &error);
    cli_progress_end();
    if (failed)
        result = fail(s, &error, status);
    else
        result = cli_stream_in_end(&s->in, status);
    if (!failed && result == CLI_SYSTEM)
        abandon(s);
    if (failed || result == CLI_SYSTEM)
        cli_replaced_put_back(&s->replaced);
    else
        settle(s);
    return result;
}

static int split(const char *path, struct splitting *s)
{
    int result = cli_stream_in_open(&s->in, path, &s->options->read, 0);

    if (result != CLI_GO_ON)
        return result;
    result = split_input(s);
    if (s->bad > 0)
        cli_error(s->in.input.name,
                  "%" PRIu64 " messages are damaged inside: they are where %s is absent", s->bad,
                  s->options->by);
    if (result == CLI_WELL && s->bad > 0)
        result = CLI_DAMAGED;
    cli_stream_in_close(&s->in);
    return result;
}

static int check(const struct cli_verb *verb, const struct options *options,
                 const struct cli_operands *files)
{
    int ways = (options->count > 0) + (options->bytes > 0) + (options->by != NULL);

    if (ways != 1)
        return cli_usage(verb, "how? one of --count, --bytes and --by");
    if ((options->by != NULL) != (options->schema.file != NULL))
        return cli_usage(verb,
                         options->by ? "--by needs --schema FILE" : "--schema goes with --by");
    if (files->count != 1)
        return cli_usage(verb, files->count == 0 ? "which FILE? `-` is standard input"
                                                 : "one FILE at a time");
    if (!options->output || strcmp(options->output, "-") == 0)
        return cli_usage(verb, "-o PREFIX: of which names?");
    return CLI_GO_ON;
}

/* The field's path; one value of a kind that has a text. */
static int compile(const struct cli_verb *verb, struct splitting *s)
{
    struct fls_error error;
    enum fls_status status =
        fls_path_compile(s->schema.schema, s->schema.root, s->options->by, &s->path, &error);

    if (status == FLS_NO_MEMORY) {
        cli_error(verb->name, "out of memory");
        return CLI_SYSTEM;
    }
    if (status != FLS_OK)
        return cli_usage(verb, "--by %s: %s", s->options->by, error.reason);
    if (fls_path_repeats(s->path) || fls_path_kind(s->path) > FLS_VALUE_STRING)
        return cli_usage(verb, "--by %s: a number, bool, enum or text is wanted", s->options->by);
    return CLI_GO_ON;
}

/* PREFIX with the ending .fls, which the segments' names are made from. */
static int make_name(struct splitting *s)
{
    size_t bytes = strlen(s->options->output);
    int has_ending = bytes > 4 && strcmp(s->options->output + bytes - 4, ".fls") == 0;

    s->name = malloc(bytes + 5);
    if (!s->name) {
        cli_error("split", "out of memory");
        return CLI_SYSTEM;
    }
    memcpy(s->name, s->options->output, bytes + 1);
    if (!has_ending)
        memcpy(s->name + bytes, ".fls", 5);
    return CLI_GO_ON;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {.output = NULL};
    struct splitting splitting = {.options = &options};
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options.read),
                                       CLI_SCHEMA_OPTIONS(&options.schema),
                                       {"output", 'o', CLI_TEXT, &options.output, NULL, 0},
                                       {"count", 'n', CLI_COUNT, &options.count, NULL, 1},
                                       {"bytes", 0, CLI_BYTES, &options.bytes, NULL, 1},
                                       {"by", 0, CLI_TEXT, &options.by, NULL, 0},
                                       CLI_REPLACE_OPTION(&options.replace)};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = cli_check_max_frame(verb, &options.read.max_frame);
    if (result == CLI_GO_ON)
        result = check(verb, &options, &files);
    if (result == CLI_GO_ON && options.by)
        result = cli_schema_open(verb, &options.schema, 0, &splitting.schema);
    if (result == CLI_GO_ON && options.by)
        result = compile(verb, &splitting);
    if (result == CLI_GO_ON)
        result = make_name(&splitting);
    if (result == CLI_GO_ON)
        result = split(files.argv[0], &splitting);
    fls_path_close(splitting.path);
    cli_schema_close(&splitting.schema);
    free_parts(&splitting);
    return result;
}

const struct cli_verb cli_verb_split = {"split", "cut a stream into several", help, run};
