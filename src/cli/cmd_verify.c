/*
 * cmd_verify.c: is the stream intact?
 */
#include "cli/output.h"
#include "cli/report.h"
#include "cli/schema_file.h"

static const char help[] =
    "Usage: flatstream verify [OPTION]... FILE...\n"
    "Reads each stream to its end, checks every frame, and reports. `-` is standard input.\n"
    "\n" CLI_READ_HELP CLI_SCHEMA_HELP
    "  --json             one JSON object for each file, one a line\n"
    "  --quiet            no report, only errors and the exit status\n"
    "\n" CLI_REPORT_HELP
    "With --schema each message is verified too: every offset, string, vector and union in it.\n"
    "The first that the schema does not allow ends the reading, as validation_failed.\n"
    "\n" CLI_JSON_HELP "\n" CLI_EXIT_HELP "With several files it is the gravest of theirs.\n"
    "\n"
    "Examples:\n"
    "  flatstream verify telemetry.fls\n"
    "  ssh host cat big.fls | flatstream verify -\n"
    "  flatstream verify --schema telemetry.fbs telemetry.fls\n"
    "  flatstream verify --json *.fls | jq 'select(.end != \"clean\")'\n"
    "  flatstream verify --checksum none --offset 1128 roads.fgb   # a FlatGeobuf's features\n";

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    int json;
    int quiet;
};

static int verify_one(const char *path, const struct options *options,
                      const struct cli_watch *watch)
{
    struct cli_report report;

    cli_scan_path_watched(path, &options->read, options->json ? CLI_SCAN_TO_THE_END : 0, watch,
                          &report);
    if (options->json)
        cli_report_json(&report, NULL);
    else if (!options->quiet)
        cli_report_text(&report, 0);
    cli_out_flush();
    if (!options->json)
        cli_report_complain(&report);
    int result = cli_report_exit(&report);
    cli_report_free(&report);
    return result;
}

static int verify_all(const struct cli_operands *files, const struct options *options,
                      struct cli_schema *schema)
{
    struct cli_watch watch = {cli_schema_see, schema};
    int result = CLI_WELL;

    for (int i = 0; i < files->count && !cli_out_failed(); i++) {
        int one = verify_one(files->argv[i], options, schema->verifier ? &watch : NULL);
        result = one > result ? one : result;
    }
    return result;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {{0, 0, 0}, {NULL, NULL}, 0, 0};
    struct cli_schema schema;
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options.read),
                                       CLI_SCHEMA_OPTIONS(&options.schema),
                                       {"json", 0, CLI_FLAG, &options.json, NULL, 0},
                                       {"quiet", 'q', CLI_FLAG, &options.quiet, NULL, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = cli_check_max_frame(verb, &options.read.max_frame);
    if (result != CLI_GO_ON)
        return result;
    if (files.count == 0)
        return cli_usage(verb, "which FILE? `-` is standard input");
    result = cli_schema_open(verb, &options.schema, 0, &schema);
    if (result != CLI_GO_ON)
        return result;
    result = verify_all(&files, &options, &schema);
    cli_schema_close(&schema);
    return result;
}

const struct cli_verb cli_verb_verify = {"verify", "check every frame of streams, and report", help,
                                         run};
