/*
 * cmd_info.c: what is in a stream?
 */
#include "cli/output.h"
#include "cli/report.h"

static const char help[] =
    "Usage: flatstream info [OPTION]... FILE...\n"
    "Reads a stream to its end and tells what is in it. `-` is standard input.\n"
    "\n" CLI_READ_HELP "  --json             one JSON object for each file, one a line\n"
    "\n" CLI_REPORT_HELP "Then the messages by size, as bars.\n"
    "\n" CLI_JSON_HELP "\n" CLI_EXIT_HELP "\n"
    "Examples:\n"
    "  flatstream info telemetry.fls\n"
    "  flatstream info --json telemetry.fls | jq .frames\n"
    "  flatstream info --offset 1128 roads.fgb     # size-prefixed FlatBuffers behind a header\n";

static int info_one(const char *path, const struct cli_read_options *options, int json)
{
    struct cli_report report;

    cli_scan_path(path, options, json ? CLI_SCAN_TO_THE_END : 0, &report);
    if (json)
        cli_report_json(&report, NULL);
    else
        cli_report_text(&report, 1);
    cli_out_flush();
    if (!json)
        cli_report_complain(&report);
    int result = cli_report_exit(&report);
    cli_report_free(&report);
    return result;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct cli_read_options options = {0, 0, 0};
    int json = 0;
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options),
                                       {"json", 0, CLI_FLAG, &json, NULL, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = cli_check_max_frame(verb, &options.max_frame);
    if (result != CLI_GO_ON)
        return result;
    if (files.count == 0)
        return cli_usage(verb, "which FILE? `-` is standard input");
    for (int i = 0; i < files.count && !cli_out_failed(); i++) {
        int one = info_one(files.argv[i], &options, json);
        result = one > result ? one : result;
    }
    return result;
}

const struct cli_verb cli_verb_info = {"info", "tell what is in a stream", help, run};
