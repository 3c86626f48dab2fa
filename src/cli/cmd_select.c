/*
 * cmd_select.c: the messages that meet a condition, or some fields of them.
 *
 * The condition is tried on each message as it lies, and only what it names is read, each step
 * checked against the message's bounds. What meets it is verified whole before it is printed, so
 * that nothing is printed of a message that the schema does not allow.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <flatstream/reader.h>

#include "cli/expression.h"
#include "cli/fields.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"
#include "cli/schema_file.h"
#include "cli/time_key.h"

static const char help[] =
    "Usage: flatstream select FILE --schema SCHEMA [--where CONDITION]\n"
    "                         [OPTION]...\n"
    "Prints the messages that meet a condition, or some of their fields. `-` is\n"
    "standard input.\n"
    "\n"
    "  --where CONDITION  which messages; without it, all\n"
    "  --time-unit UNIT   numbers that are compared with times count s, ms, us or ns\n"
    "                     since 1970 in UTC; auto (the default): what their names end\n"
    "                     in (time_ns, at_ms)\n"
    "  --fields LIST      which of their fields: paths with commas between\n"
    "  --as FORM          json  one object a line, a key for each field as it was\n"
    "                           written (the default); without --fields the whole\n"
    "                           message\n"
    "                     csv   a line of names, then one line a message (RFC 4180)\n"
    "                     fls   the messages themselves, as a stream\n"
    "  --checksum-out KIND  of that stream; else as the input\n"
    "  -n, --count N      stop behind N messages\n"
    "  --strict           verify every message before its fields are looked at; else\n"
    "                     those that meet the condition, before they are printed\n"
    "  --trusted          verify none\n" CLI_SCHEMA_HELP CLI_READ_HELP "\n"
    "A path leads from the root to a field: host, cpu.user, items[3].name,\n"
    "items[].price (each element), item.Book.title (into a union).\n"
    "\n"
    "A condition is made of:\n"
    "\n"
    "  a == b, !=, <, <=, >, >=   of fields, numbers, 'texts', \"texts\", true, false,\n"
    "                             and the names of an enum's values\n"
    "  flag                       a bool by itself\n"
    "  bits & Red                 is any of these bits set? Red: a flag's name, or a\n"
    "                             number\n"
    "  has(path)                  is the field in the message?\n"
    "  startswith(text, text)     and contains(text, text), byte for byte\n"
    "  length(path)               a number: bytes of a text, elements of a vector\n"
    "  a && b, a || b, !a, (a)\n"
    "\n"
    "A number that is not in the message has its default, as for every reader.\n"
    "Comparisons with a value that is absent (a text or table not there, another\n"
    "union member) are false. items[].price > 3 asks whether any element is so.\n"
    "Numbers compare exactly, and beside a float field as floats: 0.1 is 0.1. Texts\n"
    "compare by their bytes. Beside a number that counts time,\n"
    "\"2026-03-01T10:00:00.5Z\" is that time, exactly. A name that is a field and an\n"
    "enum's value is refused: 'Red' in quotes is the value, .Red the field.\n"
    "\n"
    "In JSON, absent values and the numbers that it lacks are null, and a path with\n"
    "[] is an array. CSV can be read back: what is absent, value or list, is \\N (a\n"
    "text that reads so has one more backslash), and a path with [] is a JSON array,\n"
    "in which nan, inf and -inf are strings; lines end in a newline. Numbers are\n"
    "printed with the fewest digits that read back the same, enums as their names,\n"
    "several bit flags with spaces between.\n"
    "Messages that are damaged inside are passed over, counted, and make the exit\n"
    "status 1. So does text that is no UTF-8: in JSON an object of frame, offset,\n"
    "kind, error and base64 stands for it, as with `cat`; in CSV it is passed\n"
    "over. Without --strict one that does not meet the condition is only checked as\n"
    "far as that reads it; `flatstream verify --schema` checks all.\n"
    "\n"
    "Exit status: 0 all well, also when nothing met the condition; 1 the stream or a\n"
    "message is damaged; 2 wrong usage, mistakes in the condition included; 3 the\n"
    "system failed.\n"
    "\n"
    "Examples:\n"
    "  flatstream select t.fls --schema t.fbs --where 'cpu.user > 0.5' --as csv\n"
    "  flatstream select t.fls --schema t.bfbs --where '!has(load)' --as fls > b.fls\n";

enum form { FORM_JSON, FORM_CSV, FORM_FLS };
static const char *const forms[] = {"json", "csv", "fls", NULL};

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    const char *where;
    int time_unit;
    const char *fields;
    int form;
    int checksum_out;
    uint64_t count;
    int strict;
    int trusted;
};

/* A selection under way. `first_bad` is about the first of `bad` messages passed over; unsayable:
 * those that were printed as an object that says why. */
struct selection {
    const struct options *options;
    struct cli_schema schema;
    struct cli_expression *where;
    struct cli_fields fields;
    struct fls_frame_format format;
    uint64_t left;
    uint64_t bad;
    uint64_t unsayable;
    struct fls_error first_bad;
};

/* --- messages ----------------------------------------------------------------------------------
 */

static void put_frame(const struct selection *s, const struct fls_message *message)
{
    unsigned char header[FLS_FRAME_HEADER_BYTES_MAX];
    uint64_t checksum = fls_checksum_of(s->format.checksum, message->payload, message->bytes);
    size_t bytes = fls_frame_encode_header(&s->format, (uint32_t)message->bytes, checksum, header);

    cli_out_bytes(header, bytes);
    cli_out_bytes(message->payload, message->bytes);
}

static void pass_over(struct selection *s, const struct fls_message *message,
                      const struct fls_error *error)
{
    if (s->bad++ > 0)
        return;
    s->first_bad = *error;
    s->first_bad.has_frame = 1;
    s->first_bad.frame = message->frame;
    s->first_bad.offset = message->offset;
}

/* 1, or 0 when the message was passed over for what it is. */
static int is_sound(struct selection *s, const struct fls_message *message)
{
    struct fls_error error;

    if (cli_schema_see(&s->schema, message, &error) == FLS_OK)
        return 1;
    pass_over(s, message, &error);
    return 0;
}

/* A field led out of the message, so that verifying says why. Where it finds nothing wrong (another
 * alignment, perhaps), it was the path. */
static void pass_over_unreadable(struct selection *s, const struct fls_message *message)
{
    struct fls_error error;

    if (!is_sound(s, message))
        return;
    (void)cli_set_error(&error, FLS_INVALID_FLATBUFFER, "a field leads out of the message");
    pass_over(s, message, &error);
}

/* What cannot be said in JSON is printed as `cat` does; CSV has no words for it. 1: printed. */
static int put_unsayable(struct selection *s, const struct fls_message *message,
                         const struct fls_error *error)
{
    if (error->status == FLS_UNSUPPORTED && s->options->form == FORM_JSON) {
        s->unsayable++;
        cli_print_refused(message, error);
        return 1;
    }
    pass_over(s, message, error);
    return 0;
}

static int put_whole(struct selection *s, const struct fls_message *message)
{
    struct fls_error error;

    if (cli_schema_print(&s->schema, message->payload, message->bytes, &error) != FLS_OK)
        return put_unsayable(s, message, &error);
    cli_out_bytes("\n", 1);
    return 1;
}

static int put_fields(struct selection *s, const struct fls_message *message)
{
    struct fls_error error;

    if (cli_fields_check(&s->fields, message->payload, message->bytes, &error) != FLS_OK) {
        if (error.status == FLS_UNSUPPORTED)
            return put_unsayable(s, message, &error);
        pass_over_unreadable(s, message);
        return 0;
    }
    if (s->options->form == FORM_CSV)
        cli_fields_csv(&s->fields, message->payload, message->bytes);
    else
        cli_fields_json(&s->fields, message->payload, message->bytes);
    return 1;
}

/* Prints a message that meets the condition; 0 when it had to be passed over. */
static int put(struct selection *s, const struct fls_message *message)
{
    if (s->options->form == FORM_FLS) {
        put_frame(s, message);
        return 1;
    }
    return s->fields.count == 0 ? put_whole(s, message) : put_fields(s, message);
}

static void take(struct selection *s, const struct fls_message *message)
{
    struct fls_error error;
    int meets = 1;

    if (!cli_schema_identifies(&s->schema, message->payload, message->bytes, &error)) {
        pass_over(s, message, &error);
        return;
    }
    if (s->options->strict && !is_sound(s, message))
        return;
    if (s->where)
        meets = cli_expression_test(s->where, message->payload, message->bytes);
    if (meets < 0)
        pass_over_unreadable(s, message);
    if (meets <= 0)
        return;
    if (!s->options->strict && !s->options->trusted && !is_sound(s, message))
        return;
    s->left -= (uint64_t)put(s, message);
}

#define BATCH 256

static enum fls_status take_messages(struct fls_reader *reader, struct selection *s, int live)
{
    struct fls_message messages[BATCH];
    enum fls_status status = FLS_OK;
    size_t got;

    while (s->left > 0 && !cli_out_failed()) {
        status = fls_reader_next_batch(reader, messages, BATCH, &got);
        if (status != FLS_OK)
            break;
        for (size_t i = 0; i < got && s->left > 0; i++)
            take(s, &messages[i]);
        if (live && got < BATCH)
            cli_out_flush();
    }
    return status;
}

static enum fls_status select_all(struct cli_input *input, struct selection *s,
                                  struct fls_error *error)
{
    struct fls_reader_options reading = {.checksum = input->kind,
                                         .payload_bytes_max = s->options->read.max_frame,
                                         .alignment = 1,
                                         .start_offset = input->offset};
    struct fls_reader *reader;
    enum fls_status status = fls_reader_open(input->source, &reading, &reader, error);
    int out = s->options->checksum_out;

    if (status != FLS_OK)
        return status;
    s->format.payload_bytes_max = FLS_PAYLOAD_BYTES_WIRE_MAX;
    s->format.checksum.kind =
        out == CLI_CHECKSUM_AUTO ? input->kind : (enum fls_checksum_kind)(out - CLI_CHECKSUM_FIRST);
    if (s->options->form == FORM_CSV)
        cli_fields_csv_header(&s->fields);
    cli_progress_begin(input->name, input->bytes, isatty(STDOUT_FILENO));
    status = take_messages(reader, s, !input->regular && !input->series);
    if (status != FLS_OK && status != FLS_END)
        *error = *fls_reader_error(reader);
    fls_reader_close(reader);
    cli_progress_end();
    return status;
}

/* --- the verb ----------------------------------------------------------------------------------
 */

static int report_bad(const struct cli_input *input, const struct selection *s)
{
    char text[512];

    cli_print_tell_refused(input->name, s->unsayable);
    if (s->bad == 0)
        return s->unsayable > 0 ? CLI_DAMAGED : CLI_WELL;
    fls_error_format(&s->first_bad, text, sizeof text);
    cli_error(input->name, "%" PRIu64 " message%s passed over; the first: %s", s->bad,
              s->bad == 1 ? " was" : "s were", text);
    return CLI_DAMAGED;
}

static int select_from(const char *path, struct selection *s)
{
    struct cli_input input;
    struct fls_error error;
    enum fls_status status = cli_input_open(&input, path, &s->options->read, &error);
    int result;

    if (status == FLS_OK && input.fit == CLI_FIT_SEVERAL) {
        cli_error(input.name, "ambiguous: %s fit, and read it differently; say --checksum KIND",
                  cli_candidate_names(input.candidates));
        cli_input_close(&input);
        return CLI_USAGE;
    }
    if (status == FLS_OK && input.fit == CLI_FIT_NONE) {
        error = input.no_fit;
        status = error.status;
    } else if (status == FLS_OK) {
        status = select_all(&input, s, &error);
    }
    result = cli_exit_of(status);
    cli_out_flush();
    int bad = cli_out_failed() ? CLI_WELL : report_bad(&input, s);
    if (result != CLI_WELL)
        cli_input_fail(&input, &error, NULL);
    cli_input_close(&input);
    return bad > result ? bad : result;
}

/* A status of one of the two compilers, as an exit status. */
static int compiled(const struct cli_verb *verb, enum fls_status status, const char *option,
                    const char *text, const struct cli_mistake *mistake)
{
    if (status == FLS_INVALID_ARGUMENT)
        return cli_point_at(verb, option, text, mistake);
    if (status == FLS_OK)
        return CLI_GO_ON;
    cli_error(verb->name, "out of memory");
    return CLI_SYSTEM;
}

static int compile(const struct cli_verb *verb, struct selection *s)
{
    const struct options *options = s->options;
    struct cli_mistake mistake;
    int result = CLI_GO_ON;

    if (options->where)
        result = compiled(verb,
                          cli_expression_compile(s->schema.schema, s->schema.root, options->where,
                                                 (enum cli_time_unit)options->time_unit, &s->where,
                                                 &mistake),
                          "--where", options->where, &mistake);
    if (result == CLI_GO_ON && options->fields)
        result = compiled(verb,
                          cli_fields_compile(s->schema.schema, s->schema.root, options->fields,
                                             &s->fields, &mistake),
                          "--fields", options->fields, &mistake);
    return result;
}

static int check(const struct cli_verb *verb, struct options *options,
                 const struct cli_operands *files)
{
    if (!options->schema.file)
        return cli_usage(verb, "which schema? --schema FILE says what the messages are");
    if (options->form == FORM_CSV && !options->fields)
        return cli_usage(verb, "--as csv needs --fields LIST");
    if (options->form == FORM_FLS && options->fields)
        return cli_usage(verb, "--fields goes with json and csv: --as fls writes whole messages");
    if (options->form != FORM_FLS && options->checksum_out != CLI_CHECKSUM_AUTO)
        return cli_usage(verb, "--checksum-out goes with --as fls");
    if (options->strict && options->trusted)
        return cli_usage(verb, "--strict or --trusted, not both");
    if (files->count != 1)
        return cli_usage(verb, files->count == 0 ? "which FILE? `-` is standard input"
                                                 : "one FILE at a time");
    return cli_check_max_frame(verb, &options->read.max_frame);
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {.count = UINT64_MAX};
    struct selection selection = {.options = &options};
    const struct cli_option table[] = {
        CLI_READ_OPTIONS(&options.read),
        CLI_SCHEMA_OPTIONS(&options.schema),
        {"where", 0, CLI_TEXT, &options.where, NULL, 0},
        {"time-unit", 0, CLI_CHOICE, &options.time_unit, cli_time_units, 0},
        {"fields", 0, CLI_TEXT, &options.fields, NULL, 0},
        {"as", 0, CLI_CHOICE, &options.form, forms, 0},
        {"checksum-out", 0, CLI_CHOICE, &options.checksum_out, cli_checksum_choices, 0},
        {"count", 'n', CLI_COUNT, &options.count, NULL, 0},
        {"strict", 0, CLI_FLAG, &options.strict, NULL, 0},
        {"trusted", 0, CLI_FLAG, &options.trusted, NULL, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = check(verb, &options, &files);
    if (result == CLI_GO_ON)
        result = cli_schema_open(verb, &options.schema, 0, &selection.schema);
    if (result == CLI_GO_ON)
        result = compile(verb, &selection);
    selection.left = options.count;
    cli_reader_watch_output(NULL);
    if (result == CLI_GO_ON)
        result = select_from(files.argv[0], &selection);
    cli_fields_free(&selection.fields);
    cli_expression_free(selection.where);
    cli_schema_close(&selection.schema);
    return result;
}

const struct cli_verb cli_verb_select = {"select", "print the messages that meet a condition", help,
                                         run};
