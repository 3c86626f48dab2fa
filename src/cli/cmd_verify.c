/*
 * cmd_verify.c: is the stream intact?
 *
 * A large file is checked by several threads as far as it is intact; the scan that follows, and
 * reports, then has only the rest to read.
 */
#include <stdlib.h>
#include <unistd.h>

#include <flatstream/verification.h>

#include "cli/index_use.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"
#include "cli/report.h"
#include "cli/schema_file.h"

static const char help[] =
    "Usage: flatstream verify [OPTION]... FILE...\n"
    "Reads each stream to its end, checks every frame, and reports. `-` is standard\n"
    "input.\n"
    "\n" CLI_READ_HELP CLI_SCHEMA_HELP
    "  --strict           with --schema: refuse also what Google's verifiers take:\n"
    "                     unions with a type or a value alone, null offsets in\n"
    "                     vectors, broken deprecated fields\n"
    "  -j, --jobs N       check with N threads; else one for each processor, for\n"
    "                     files from 64 MiB on, and one for what is smaller or no\n"
    "                     file. The report is the same\n"
    "  --json             one JSON object for each file, one a line\n"
    "  -q, --quiet        no report, only errors and the exit status\n"
    "\n" CLI_REPORT_HELP
    "With --schema each message is verified too: every offset, string, vector and\n"
    "union in it. The first that the schema does not allow ends the reading, as\n"
    "validation_failed.\n"
    "\n" CLI_JSON_HELP "\n" CLI_EXIT_HELP
    "A series that lacks segments between those it has (not before them: old ones are\n"
    "deleted) is damaged. With several files it is the gravest of theirs.\n"
    "\n"
    "Examples:\n"
    "  flatstream verify telemetry.fls\n"
    "  ssh host cat big.fls | flatstream verify -\n"
    "  flatstream verify --schema telemetry.fbs telemetry.fls\n"
    "  flatstream verify --json *.fls | jq 'select(.end != \"clean\")'\n"
    "  flatstream verify --checksum none --offset 1128 roads.fgb  # a FlatGeobuf\n";

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    uint64_t jobs;
    int json;
    int quiet;
};

/* --- by several threads ------------------------------------------------------------------------
 */

#define LARGE_FILE_BYTES (UINT64_C(64) * 1024 * 1024)
#define JOBS_MAX 256

/* What the pieces have in common, and what one has for itself. */
struct watched {
    const struct cli_watch *watch;
    struct cli_sizes *sizes;
};

struct watched_piece {
    const struct cli_watch *watch;
    struct cli_sizes *sizes;
};

static void *begin_piece(void *context)
{
    const struct watched *all = context;
    struct watched_piece *piece = malloc(sizeof *piece);

    if (!piece)
        return NULL;
    *piece = (struct watched_piece){all->watch, cli_sizes_new()};
    if (piece->sizes)
        return piece;
    free(piece);
    return NULL;
}

static enum fls_status see_in_piece(void *context, const struct fls_message *message)
{
    struct watched_piece *piece = context;
    struct fls_error error;

    if (piece->watch && piece->watch->see(piece->watch->context, message, &error) != FLS_OK)
        return FLS_VALIDATION_FAILED;
    cli_sizes_add(piece->sizes, message->bytes);
    return FLS_OK;
}

static void end_piece(void *context, void *ended, int counts)
{
    struct watched *all = context;
    struct watched_piece *piece = ended;

    if (counts)
        cli_sizes_merge(all->sizes, piece->sizes);
    cli_sizes_free(piece->sizes);
    free(piece);
}

static int tick(void *context, uint64_t bytes)
{
    (void)context;
    cli_progress_tick(bytes);
    return 0;
}

static unsigned jobs_for(const struct cli_input *input, const struct options *options)
{
    uint64_t jobs = options->jobs;

    if (!input->regular || input->fit == CLI_FIT_NONE)
        return 1;
    if (jobs == 0 && input->bytes < LARGE_FILE_BYTES)
        return 1;
    if (jobs > JOBS_MAX)
        jobs = JOBS_MAX;
    return (unsigned)jobs; /* 0: one for each processor */
}

/* As far as the stream is intact. What fails here is left to the scan, which reads again and
 * says so. */
static struct cli_intact find_intact(struct cli_input *input, const struct options *options,
                                     const struct cli_watch *watch)
{
    struct watched all = {watch, cli_sizes_new()};
    struct fls_verification_observer observer = {begin_piece, see_in_piece, end_piece, &all};
    struct fls_verification_options verifying = {.checksum = input->kind,
                                                 .payload_bytes_max = options->read.max_frame,
                                                 .jobs = jobs_for(input, options),
                                                 .start_offset = input->start,
                                                 .index = cli_index_of(input),
                                                 .observer = &observer,
                                                 .progress = tick};
    struct fls_verification found;
    struct cli_intact intact = {0, 0, 0, all.sizes};

    cli_progress_begin(input->name, input->bytes, 0);
    if (all.sizes && fls_verify_intact(input->fd, &verifying, &found, NULL) == FLS_OK) {
        intact.frames = found.frames;
        intact.bytes = found.good_offset - input->start;
        intact.payload_bytes = found.payload_bytes;
    } else {
        cli_sizes_free(all.sizes);
        intact.sizes = NULL;
    }
    cli_progress_end();
    fls_index_close(verifying.index);
    return intact;
}

static void scan(const char *path, const struct options *options, unsigned flags,
                 const struct cli_watch *watch, struct cli_report *report)
{
    struct cli_intact intact = {0, 0, 0, NULL};
    struct cli_input input;
    struct fls_error error;

    if (cli_input_open(&input, path, &options->read, &error) == FLS_OK) {
        if (jobs_for(&input, options) != 1)
            intact = find_intact(&input, options, watch);
        cli_scan_behind(&input, &options->read, flags, watch, &intact, report);
    } else {
        cli_scan_nothing(path, &options->read, &error, report);
    }
    cli_input_close(&input);
}

/* --- the verb ----------------------------------------------------------------------------------
 */

static int verify_one(const char *path, const struct options *options,
                      const struct cli_watch *watch)
{
    struct cli_report report;

    scan(path, options, options->json ? CLI_SCAN_TO_THE_END : 0, watch, &report);
    if (options->json)
        cli_report_json(&report, NULL);
    else if (!options->quiet)
        cli_report_text(&report, 0);
    cli_out_flush();
    if (!options->json)
        cli_report_complain(&report, CLI_REMEDY_NONE);
    int result = cli_report_exit(&report);
    if (result == CLI_WELL && report.missing > 0)
        result = CLI_DAMAGED;
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
    struct options options = {.jobs = 0};
    struct cli_schema schema;
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options.read),
                                       CLI_SCHEMA_OPTIONS(&options.schema),
                                       {"strict", 0, CLI_FLAG, &options.schema.strict, NULL, 0},
                                       {"jobs", 'j', CLI_COUNT, &options.jobs, NULL, 1},
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
    if (options.schema.strict && !options.schema.file)
        return cli_usage(verb, "--strict needs --schema");
    result = cli_schema_open(verb, &options.schema, 0, &schema);
    if (result != CLI_GO_ON)
        return result;
    if (!options.quiet)
        cli_reader_watch_output(NULL);
    result = verify_all(&files, &options, &schema);
    cli_schema_close(&schema);
    return result;
}

const struct cli_verb cli_verb_verify = {"verify", "check every frame of streams, and report", help,
                                         run};
