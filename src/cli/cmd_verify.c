/*
 * cmd_verify.c: is the stream intact?
 */
#include "cli/output.h"
#include "cli/report.h"

static const char help[] =
    "Usage: flatstream verify [OPTION]... FILE...\n"
    "Reads each stream to its end, checks every frame, and reports. `-` is standard input.\n"
    "\n" CLI_READ_HELP "  --json             one JSON object for each file, one a line\n"
    "  --quiet            no report, only errors and the exit status\n"
    "\n" CLI_REPORT_HELP "\n" CLI_JSON_HELP "\n" CLI_EXIT_HELP
    "With several files it is the gravest of theirs.\n"
    "\n"
    "Examples:\n"
    "  flatstream verify telemetry.fls\n"
    "  ssh host cat big.fls | flatstream verify -\n"
    "  flatstream verify --json *.fls | jq 'select(.end != \"clean\")'\n"
    "  flatstream verify --checksum none --offset 1128 roads.fgb   # a FlatGeobuf's features\n";

struct options {
    struct cli_read_options read;
    int json;
    int quiet;
};

static int verify_one(const char *path, const struct options *options)
{
    struct cli_report report;

    cli_scan_path(path, &options->read, options->json ? CLI_SCAN_TO_THE_END : 0, &report);
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

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {{0, 0, 0}, 0, 0};
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options.read),
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
    for (int i = 0; i < files.count && !cli_out_failed(); i++) {
        int one = verify_one(files.argv[i], &options);
        result = one > result ? one : result;
    }
    return result;
}

const struct cli_verb cli_verb_verify = {"verify", "check every frame of streams, and report", help,
                                         run};
