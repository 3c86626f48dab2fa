/*
 * cmd_merge.c: several streams as one, in the order of a time.
 *
 * Each input shows its next message; a heap has the earliest on top. Only that one input is read
 * on, so a message is borrowed from its reader until it is written, and memory is a read-ahead
 * buffer for each input.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"
#include "cli/schema_file.h"
#include "cli/signals.h"
#include "cli/stream_in.h"
#include "cli/stream_out.h"
#include "cli/time_key.h"

static const char help[] =
    "Usage: flatstream merge FILE... --key FIELD --schema S -o OUT [OPTION]...\n"
    "Writes the messages of all FILEs to the new stream OUT in the order of FIELD, a\n"
    "number (the time, most often). Equal ones keep the order of the FILEs, then that\n"
    "of their messages.\n"
    "\n"
    "  -o, --output OUT   it appears when it is whole; `-` is standard output\n" CLI_REPLACE_HELP
    "  --key FIELD        a path to a number\n"
    "  --checksum-out KIND  of OUT; else as the first FILE\n" CLI_SCHEMA_HELP CLI_READ_HELP "\n"
    "Each FILE should be in order by itself. Where it is not, its messages keep their\n"
    "own order: a message earlier than one before it, or without the field, counts\n"
    "with the latest time before it. How many there were is said for each FILE.\n"
    "\n"
    "Of a damaged FILE the messages up to the damage are merged.\n"
    "\n"
    "Exit status: 0 all well; 1 a FILE or a message is damaged; 2 wrong usage; 3 the\n"
    "system failed.\n"
    "\n"
    "Examples:\n"
    "  flatstream merge a.fls b.fls --key time_ns --schema telemetry.bfbs -o all.fls\n"
    "  flatstream merge d-*.fls --key time_ns --schema t.fbs -o - | flatstream info -\n";

/* Read-ahead of all inputs together, and the least for each. */
#define READ_AHEAD_ALL ((size_t)32 * 1024 * 1024)
#define READ_AHEAD_MIN ((size_t)16 * 1024)

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    const char *output;
    struct cli_key_options key;
    int checksum_out;
    int replace;
};

/*
 * One input. `time` orders as the field does; `message` is its next one while it is in the heap.
 *   late, without, bad   messages earlier than one before, without the field, damaged inside
 */
struct lane {
    struct cli_stream_in in;
    struct fls_message message;
    uint64_t time;
    uint64_t late;
    uint64_t without;
    uint64_t bad;
};

struct merging {
    const struct options *options;
    struct cli_schema schema;
    struct cli_key key;
    struct lane *lanes;
    size_t count;
    struct lane **heap; /* the earliest first */
    size_t heaped;
    struct cli_stream_out out;
    uint64_t bytes;
    int result; /* the gravest so far */
};

/* --- times -------------------------------------------------------------------------------------
 */

/* A number as an unsigned one of the same order. */
static uint64_t order_of(const struct fls_value *value)
{
    if (value->kind == FLS_VALUE_UNSIGNED)
        return value->unsigned_value;
    return fls_time_to_unsigned(value->kind == FLS_VALUE_REAL
                                    ? fls_time_from_real(value->real_value)
                                    : value->signed_value);
}

static void set_time(struct merging *m, struct lane *lane)
{
    struct fls_value value;
    enum cli_key_found found = cli_key_read(&m->key, &lane->message, &value);

    if (found == CLI_KEY_BROKEN)
        lane->bad++;
    else if (found == CLI_KEY_NONE)
        lane->without++;
    else if (order_of(&value) < lane->time)
        lane->late++;
    else
        lane->time = order_of(&value);
}

/* --- the heap ----------------------------------------------------------------------------------
 */

/* Lanes lie in the order of the files. */
static int is_before(const struct lane *a, const struct lane *b)
{
    return a->time < b->time || (a->time == b->time && a < b);
}

static void sink_down(struct merging *m, size_t i)
{
    struct lane *lane = m->heap[i];

    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < m->heaped && is_before(m->heap[child + 1], m->heap[child]))
            child++;
        if (child >= m->heaped || !is_before(m->heap[child], lane))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = lane;
}

/* --- merging -----------------------------------------------------------------------------------
 */

static void note(struct merging *m, int result)
{
    if (result > m->result)
        m->result = result;
}

/* The lane's next message; 0 at its end, of whatever kind. */
static int advance(struct merging *m, struct lane *lane)
{
    enum fls_status status = fls_reader_next(lane->in.reader, &lane->message);

    if (status != FLS_OK) {
        note(m, cli_stream_in_end(&lane->in, status));
        return 0;
    }
    set_time(m, lane);
    return 1;
}

static int open_lanes(struct merging *m, const struct cli_operands *files)
{
    size_t ahead = READ_AHEAD_ALL / m->count;

    if (ahead > FLS_READ_AHEAD_BYTES_DEFAULT)
        ahead = FLS_READ_AHEAD_BYTES_DEFAULT;
    if (ahead < READ_AHEAD_MIN)
        ahead = READ_AHEAD_MIN;
    (void)cli_stream_in_raise_limit();
    for (size_t i = 0; i < m->count; i++) {
        struct lane *lane = &m->lanes[i];
        int result = cli_stream_in_open(&lane->in, files->argv[i], &m->options->read, ahead);
        if (result != CLI_GO_ON)
            return result;
        m->bytes += lane->in.input.bytes == UINT64_MAX ? 0 : lane->in.input.bytes;
    }
    return CLI_GO_ON;
}

static enum fls_status merge_messages(struct merging *m, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    for (size_t i = 0; i < m->count; i++)
        if (advance(m, &m->lanes[i]))
            m->heap[m->heaped++] = &m->lanes[i];
    for (size_t i = m->heaped / 2; i-- > 0;)
        sink_down(m, i);
    while (m->heaped > 0 && status == FLS_OK) {
        struct lane *lane = m->heap[0];
        status = cli_stream_out_put(&m->out, lane->message.payload, lane->message.bytes, error);
        if ((m->out.frames & 0xff) == 0)
            cli_progress_tick(m->out.bytes);
        if (!advance(m, lane))
            m->heap[0] = m->heap[--m->heaped];
        if (m->heaped > 0)
            sink_down(m, 0);
    }
    return cli_signal() ? FLS_STOPPED : status;
}

static void say_disorder(struct merging *m)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct lane *lane = &m->lanes[i];
        if (lane->late > 0)
            cli_error(lane->in.input.name,
                      "%" PRIu64 " messages are earlier than one before them, and stay behind it",
                      lane->late);
        if (lane->without > 0)
            cli_error(lane->in.input.name,
                      "%" PRIu64 " messages have no %s, and stay behind the one before them",
                      lane->without, m->options->key.field);
        note(m, cli_key_tell_broken(lane->in.input.name, lane->bad));
    }
}

static int merge_to_output(struct merging *m)
{
    int chosen = m->options->checksum_out;
    enum fls_checksum_kind kind = chosen == CLI_CHECKSUM_AUTO
                                      ? m->lanes[0].in.input.kind
                                      : (enum fls_checksum_kind)(chosen - CLI_CHECKSUM_FIRST);
    struct cli_outfile_plan plan = cli_outfile_plan(m->options->output, m->options->replace);
    struct fls_error error;

    for (size_t i = 0; i < m->count; i++)
        cli_input_plan(&m->lanes[i].in.input, &plan);
    enum fls_status status = cli_stream_out_open(&m->out, &plan, kind, &error);

    if (status == FLS_OK) {
        cli_progress_begin(m->options->output, m->bytes, strcmp(m->options->output, "-") == 0);
        status = merge_messages(m, &error);
        cli_progress_end();
        if (status == FLS_OK && m->result == CLI_SYSTEM) {
            cli_stream_out_abandon(&m->out);
            return CLI_SYSTEM;
        }
        if (status == FLS_OK)
            status = cli_stream_out_finish(&m->out, &error);
    }
    if (status != FLS_OK)
        return cli_stream_out_fail(&m->out, &error, status);
    say_disorder(m);
    return m->result;
}

static int merge(struct merging *m, const struct cli_operands *files)
{
    m->count = (size_t)files->count;
    m->lanes = calloc(m->count, sizeof *m->lanes);
    m->heap = calloc(m->count, sizeof *m->heap);
    if (!m->lanes || !m->heap) {
        cli_error("merge", "out of memory");
        return CLI_SYSTEM;
    }
    int result = open_lanes(m, files);
    if (result == CLI_GO_ON)
        result = merge_to_output(m);
    return result;
}

/* --- the verb ----------------------------------------------------------------------------------
 */

static int check(const struct cli_verb *verb, const struct options *options,
                 const struct cli_operands *files)
{
    int standard = 0;

    for (int i = 0; i < files->count; i++)
        standard += strcmp(files->argv[i], "-") == 0;
    if (files->count == 0)
        return cli_usage(verb, "which FILEs?");
    if (standard > 1)
        return cli_usage(verb, "standard input can be read once");
    if (!options->key.field || !options->schema.file)
        return cli_usage(verb, "by what? --key FIELD and --schema FILE say it");
    if (!options->output)
        return cli_usage(verb, "where to? -o OUT is the new stream");
    return CLI_GO_ON;
}

static void free_merging(struct merging *m)
{
    for (size_t i = 0; m->lanes && i < m->count; i++)
        if (m->lanes[i].in.reader)
            cli_stream_in_close(&m->lanes[i].in);
    free(m->lanes);
    free(m->heap);
    cli_key_close(&m->key);
    cli_schema_close(&m->schema);
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {.output = NULL};
    struct merging merging = {.options = &options};
    const struct cli_option table[] = {
        CLI_READ_OPTIONS(&options.read),
        CLI_SCHEMA_OPTIONS(&options.schema),
        {"output", 'o', CLI_TEXT, &options.output, NULL, 0},
        CLI_REPLACE_OPTION(&options.replace),
        CLI_KEY_OPTION(&options.key),
        {"checksum-out", 0, CLI_CHOICE, &options.checksum_out, cli_checksum_choices, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = cli_check_max_frame(verb, &options.read.max_frame);
    if (result == CLI_GO_ON)
        result = check(verb, &options, &files);
    if (result == CLI_GO_ON)
        result = cli_schema_open(verb, &options.schema, 0, &merging.schema);
    if (result == CLI_GO_ON)
        result = cli_key_open(verb, &options.key, &merging.schema, &merging.key);
    if (result == CLI_GO_ON) {
        cli_reader_watch_output(options.output);
        result = merge(&merging, &files);
    }
    free_merging(&merging);
    return result;
}

const struct cli_verb cli_verb_merge = {"merge", "several streams as one, by time", help, run};
