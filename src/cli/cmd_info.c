/*
 * cmd_info.c: what is in a stream? Its frames, its fields by a schema, and both as a chart.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/chart.h"
#include "cli/expression.h"
#include "cli/field_statistics.h"
#include "cli/index_use.h"
#include "cli/json_out.h"
#include "cli/output.h"
#include "cli/plot_file.h"
#include "cli/reader_gone.h"
#include "cli/report.h"
#include "cli/schema_file.h"
#include "cli/time_key.h"

static const char help[] =
    "Usage: flatstream info [OPTION]... FILE...\n"
    "Reads a stream to its end and tells what is in it. `-` is standard input.\n"
    "\n" CLI_READ_HELP CLI_SCHEMA_HELP
    "  --plot OUT.svg     draw the messages' sizes over the stream, and fields; of\n"
    "                     one FILE. `-` is standard output, instead of the "
    "report\n" CLI_REPLACE_HELP
    "  --plot-field PATH  draw this field too; may be repeated. items[].price: of all\n"
    "                     elements\n"
    "  --key PATH         draw over the time that this number is; else over the key\n"
    "                     of the index,\n"
    "                     and without one over the messages' numbers; needs "
    "--schema\n" CLI_TIME_UNIT_HELP
    "  --json             one JSON object for each file, one a line\n"
    "\n" CLI_REPORT_HELP "Then the messages by size, as bars.\n"
    "\n" CLI_STATISTICS_HELP "\n"
    "Without --plot and --json a small chart follows, on a terminal or with\n"
    "--plot-field. A chart has at most 1000 columns, each of equally many messages;\n"
    "with a key each stands at their mean time.\n"
    "\n" CLI_JSON_HELP "info adds index: null, or what a sound index says (entries,\n"
    "frames, bytes, synced_bytes, key, time_first, time_last, time_in_order). With\n"
    "--schema it adds invalid (messages that do not verify), first_invalid (null, or\n"
    "an object like error), and fields: for each path least, greatest, mean,\n"
    "present, values (the messages in which it has a value) and, of real numbers,\n"
    "nan.\n"
    "\n" CLI_EXIT_HELP "\n"
    "Examples:\n"
    "  flatstream info telemetry.fls\n"
    "  flatstream info --json telemetry.fls | jq .frames\n"
    "  flatstream info --schema t.fbs --plot load.svg --plot-field cpu.user t.fls\n"
    "  flatstream info --offset 1128 roads.fgb  # size-prefixed, behind a header\n";

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    struct cli_texts plot_fields;
    struct cli_key_options key;
    const char *plot;
    int replace;
    int json;
};

/* What is looked at in each message of one file; what is not wanted is NULL or empty. */
struct look {
    const struct options *options;
    const char *path;
    struct cli_schema *schema;
    struct cli_statistics *statistics;
    struct cli_chart chart;
    struct cli_key index_key; /* where none is given */
    char index_key_name[64];
    uint64_t invalid;
    struct fls_error first_invalid;
    struct fls_index *index;
};

/* --- looking -----------------------------------------------------------------------------------
 */

static void note_invalid(struct look *look, const struct fls_message *message,
                         const struct fls_error *error)
{
    if (look->invalid++ > 0)
        return;
    look->first_invalid = *error;
    look->first_invalid.has_frame = 1;
    look->first_invalid.frame = message->frame;
    look->first_invalid.offset = message->offset;
}

/* As cli_watch.see: never refuses. */
static enum fls_status see(void *context, const struct fls_message *message,
                           struct fls_error *unused)
{
    struct look *look = context;
    struct fls_error error;
    int is_sound = 0;

    (void)unused;
    if (look->schema->verifier) {
        is_sound = cli_schema_see(look->schema, message, &error) == FLS_OK;
        if (is_sound)
            cli_statistics_add(look->statistics, message);
        else
            note_invalid(look, message, &error);
    }
    if (look->chart.count > 0)
        cli_chart_add(&look->chart, message, is_sound);
    return FLS_OK;
}

/* --- the plot ----------------------------------------------------------------------------------
 */

static int plot(const struct look *look, const char *path, const char *name)
{
    const char *slash = strrchr(name, '/');
    size_t length;
    char *text = cli_chart_svg(&look->chart, slash ? slash + 1 : name, &length);
    int result = CLI_WELL;

    if (!text) {
        cli_error(look->options->plot, "out of memory");
        return CLI_SYSTEM;
    }
    if (strcmp(look->options->plot, "-") == 0)
        cli_out_bytes(text, length);
    else
        result = cli_plot_write(look->options->plot, look->options->replace, path, text, length);
    free(text);
    return result;
}

static int check_plot(const struct cli_verb *verb, const struct options *options,
                      const struct cli_operands *files)
{
    if (!options->plot && options->replace)
        return cli_usage(verb, "--replace goes with --plot");
    if (!options->plot)
        return CLI_GO_ON;
    if (files->count != 1)
        return cli_usage(verb, "--plot draws one FILE at a time");
    if (strcmp(options->plot, "-") != 0)
        return cli_plot_check(verb, options->plot, options->replace);
    if (options->json)
        return cli_usage(verb, "--json and --plot - both want standard output");
    return CLI_GO_ON;
}

/* --- the report --------------------------------------------------------------------------------
 */

static int wants_text_chart(const struct options *options)
{
    return !options->plot && !options->json &&
           (options->plot_fields.count > 0 || isatty(STDOUT_FILENO));
}

static void put_text(const struct look *look, const struct cli_report *report)
{
    cli_report_text(report, 1);
    if (look->index) {
        cli_out_text("  index     ");
        cli_index_tell(look->index);
        cli_out_text("\n");
    }
    if (look->statistics && report->sizes) {
        if (look->invalid > 0)
            cli_out_text("  invalid   %" PRIu64 " messages do not verify\n", look->invalid);
        cli_statistics_text(look->statistics);
    }
    if (wants_text_chart(look->options))
        cli_chart_text(&look->chart);
}

static void put_json(const struct look *look, const struct cli_report *report)
{
    cli_report_json_begin(report);
    cli_out_text(",\"index\":");
    cli_index_json(look->index);
    if (look->statistics) {
        cli_out_text(",\"invalid\":%" PRIu64 ",\"first_invalid\":", look->invalid);
        cli_error_json(&look->first_invalid, NULL);
        cli_statistics_json(look->statistics);
    }
    cli_out_text("}\n");
}

static void complain(const struct look *look, const struct cli_report *report)
{
    char text[512];

    cli_report_complain(report, CLI_REMEDY_NONE);
    if (look->invalid == 0)
        return;
    fls_error_format(&look->first_invalid, text, sizeof text);
    cli_error(report->name, "%" PRIu64 " message%s not verify; the first: %s", look->invalid,
              look->invalid == 1 ? " does" : "s do", text);
}

static void tell_left_out(const struct look *look, const char *name)
{
    size_t left_out = look->statistics ? cli_statistics_left_out(look->statistics) : 0;

    if (left_out > 0)
        cli_error(name, "%zu field%s of the schema %s left out: at most %d are told of", left_out,
                  left_out == 1 ? "" : "s", left_out == 1 ? "is" : "are", CLI_STATISTICS_MAX);
}

static int tell(const struct look *look, const struct cli_report *report)
{
    const struct options *options = look->options;
    int result = cli_report_exit(report), plotted = CLI_WELL;

    if (look->invalid > 0 && result == CLI_WELL)
        result = CLI_DAMAGED;
    if (options->json)
        put_json(look, report);
    else if (!options->plot || strcmp(options->plot, "-") != 0)
        put_text(look, report);
    if (options->plot && report->readable) /* else there is nothing to be drawn */
        plotted = plot(look, look->path, report->name);
    cli_out_flush();
    if (!options->json)
        complain(look, report);
    tell_left_out(look, report->name);
    return plotted > result ? plotted : result;
}

/* --- the verb ----------------------------------------------------------------------------------
 */

/* 0: no memory. */
static int prepare(struct look *look, struct fls_path *const *paths)
{
    const struct options *options = look->options;

    if (look->schema->schema) {
        look->statistics = cli_statistics_new(look->schema->schema, look->schema->root);
        if (!look->statistics)
            return 0;
    }
    if (!options->plot && !wants_text_chart(options))
        return 1;
    if (!cli_chart_add_series(&look->chart, "message size in bytes", NULL))
        return 0;
    for (size_t i = 0; i < options->plot_fields.count; i++)
        if (!cli_chart_add_series(&look->chart, options->plot_fields.list[i], paths[i]))
            return 0;
    return 1;
}

/* The key of the index that is beside the file, if there is one. */
static enum fls_status open_index_key(struct look *look, const char *path, struct fls_error *error)
{
    struct fls_index *index;

    if (strcmp(path, "-") == 0)
        return FLS_OK;
    enum fls_status status = fls_index_open(path, NULL, &index, error);
    if (status != FLS_OK) /* what else there is to say of it is said when it is shown */
        return status == FLS_NO_MEMORY ? status : FLS_OK;
    struct fls_index_summary summary = fls_index_describe(index);
    fls_index_close(index);
    status = cli_key_open_of_index(&summary, (enum cli_time_unit)look->options->key.unit,
                                   look->schema, &look->index_key, error);
    if (status != FLS_OK || !look->index_key.path)
        return status;
    memcpy(look->index_key_name, summary.key, sizeof look->index_key_name);
    look->chart.key = &look->index_key;
    look->chart.key_name = look->index_key_name;
    return FLS_OK;
}

static enum fls_status choose_key(struct look *look, const char *path, const struct cli_key *given,
                                  struct fls_error *error)
{
    if (!given->path)
        return look->schema->schema && look->chart.count > 0 ? open_index_key(look, path, error)
                                                             : FLS_OK;
    look->chart.key = given;
    look->chart.key_name = look->options->key.field;
    return FLS_OK;
}

/* Reads it, and tells of it. */
static int look_at(struct look *look, struct cli_report *report)
{
    const struct options *options = look->options;
    struct cli_watch watch = {see, look};
    int watches = look->statistics || look->chart.count > 0, found = CLI_WELL;

    cli_scan_path_watched(look->path, &options->read, options->json ? CLI_SCAN_TO_THE_END : 0,
                          watches ? &watch : NULL, report);
    if (report->readable && report->fit != CLI_FIT_NONE && report->fit != CLI_FIT_SEVERAL)
        found = cli_index_beside(look->path, report->offset, report->kind, &look->index);
    int result = tell(look, report);
    fls_index_close(look->index);
    cli_report_free(report);
    return found > result ? found : result;
}

static int info_one(const char *path, const struct options *options, struct cli_schema *schema,
                    const struct cli_key *key, struct fls_path *const *paths)
{
    struct look look = {.options = options, .path = path, .schema = schema};
    struct cli_report report;
    struct fls_error error;
    int result = CLI_SYSTEM;

    if (!prepare(&look, paths))
        cli_error(cli_input_name(path), "out of memory");
    else if (choose_key(&look, path, key, &error) != FLS_OK)
        cli_fail(path, &error, NULL);
    else
        result = look_at(&look, &report);
    cli_statistics_free(look.statistics);
    cli_chart_free(&look.chart);
    cli_key_close(&look.index_key);
    return result;
}

/* Only numbers can be drawn. */
static int compile_plot_field(const struct cli_verb *verb, const struct cli_schema *schema,
                              const char *text, struct fls_path **path)
{
    struct cli_mistake mistake;
    struct fls_error error;
    enum fls_status status = fls_path_compile(schema->schema, schema->root, text, path, &error);

    if (status == FLS_NO_MEMORY) {
        cli_error(verb->name, "out of memory");
        return CLI_SYSTEM;
    }
    if (status != FLS_OK)
        cli_path_mistake(&error, 0, strlen(text), &mistake);
    else if (fls_path_kind(*path) <= FLS_VALUE_REAL)
        return CLI_GO_ON;
    else
        cli_mistaken(&mistake, 0, strlen(text), "no number, and cannot be drawn%s",
                     fls_path_kind(*path) == FLS_VALUE_VECTOR
                         ? ": a vector; [] behind it means all elements"
                         : "");
    return cli_point_at(verb, "--plot-field", text, &mistake);
}

static int info_all(const struct cli_verb *verb, const struct options *options,
                    struct cli_schema *schema, const struct cli_operands *files)
{
    struct fls_path *paths[CLI_TEXTS_MAX] = {NULL};
    struct cli_key key;
    int result = cli_key_open(verb, &options->key, schema, &key);

    for (size_t i = 0; i < options->plot_fields.count && result == CLI_GO_ON; i++)
        result = compile_plot_field(verb, schema, options->plot_fields.list[i], &paths[i]);
    for (int i = 0; i < files->count && result != CLI_USAGE && !cli_out_failed(); i++) {
        int one = info_one(files->argv[i], options, schema, &key, paths);
        result = one > result ? one : result;
    }
    for (size_t i = 0; i < options->plot_fields.count; i++)
        fls_path_close(paths[i]);
    cli_key_close(&key);
    return result;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {.plot = NULL};
    struct cli_schema schema;
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options.read),
                                       CLI_SCHEMA_OPTIONS(&options.schema),
                                       {"plot", 0, CLI_TEXT, &options.plot, NULL, 0},
                                       CLI_REPLACE_OPTION(&options.replace),
                                       {"plot-field", 0, CLI_TEXTS, &options.plot_fields, NULL, 0},
                                       CLI_KEY_OPTION(&options.key),
                                       CLI_TIME_UNIT_OPTION(&options.key),
                                       {"json", 0, CLI_FLAG, &options.json, NULL, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = cli_check_max_frame(verb, &options.read.max_frame);
    if (result != CLI_GO_ON)
        return result;
    if (files.count == 0)
        return cli_usage(verb, "which FILE? `-` is standard input");
    if (options.plot_fields.count > 0 && !options.schema.file)
        return cli_usage(verb, "--plot-field goes with --schema");
    result = check_plot(verb, &options, &files);
    if (result == CLI_GO_ON)
        result = cli_schema_open(verb, &options.schema, 0, &schema);
    if (result != CLI_GO_ON)
        return result;
    if (!options.plot)
        cli_reader_watch_output(NULL);
    result = info_all(verb, &options, &schema, &files);
    cli_schema_close(&schema);
    return result;
}

const struct cli_verb cli_verb_info = {"info", "tell what is in a stream", help, run};
