/*
 * cmd_salvage.c: what is intact in a damaged stream, behind the damage too, as a new stream.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <flatstream/salvage.h>

#include "cli/input.h"
#include "cli/json_out.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"
#include "cli/report.h"
#include "cli/schema_file.h"
#include "cli/signals.h"
#include "cli/stream_out.h"

static const char help[] =
    "Usage: flatstream salvage FILE -o OUT [OPTION]...\n"
    "Writes every message of FILE that is proven intact to the new file OUT, also\n"
    "those behind damage, and lists what was lost. FILE is not changed. `-` is\n"
    "standard input. Of a journal's segments it takes one at a time.\n"
    "\n"
    "  -o, --output OUT   the new stream, which appears when it is whole. `-` is\n"
    "                     standard output; the list then goes to standard error\n" CLI_REPLACE_HELP
    "  --json             the list and the figures as one JSON object\n" CLI_SCHEMA_HELP
        CLI_READ_HELP "\n"
    "After damage the next frame is found by its checksum. crc16 and no checksum\n"
    "prove too little for that: they need --schema, and what the schema does not\n"
    "allow is no message. With xxh3 and crc32 a schema is not needed; when given, it\n"
    "has the same say.\n"
    "\n"
    "A message whose length field alone was damaged is found by its checksum too: it\n"
    "is mended and written. A torn tail and a tail of zeros are lost regions. When\n"
    "the start is damaged, --checksum auto looks further into the file for the kind\n"
    "whose frames are proven.\n"
    "\n"
    "Each lost region is listed with its offset, its length and what is wrong at its\n"
    "start, up to 1,000 of them (the rest are counted; --json lists all); then the\n"
    "totals, and how many false messages are to be expected by chance. JSON: file,\n"
    "bytes, checksum, regions (offset, bytes, mended, frame, kind, message), frames,\n"
    "mended, payload_bytes, lost_regions, lost_bytes, comparisons,\n"
    "false_frames_expected, search_cut_short, passed_over.\n"
    "\n"
    "What is searched in vain is bounded by the bytes of FILE. Where they look like\n"
    "headers so much that candidates were passed over it says so: then frames may\n"
    "have been missed.\n"
    "\n"
    "Exit status: 0 nothing was lost; 1 something was lost; 2 wrong usage, or the\n"
    "kind of checksum or a schema must be said; 3 the system failed.\n"
    "\n"
    "Examples:\n"
    "  flatstream salvage damaged.fls -o saved.fls\n"
    "  flatstream salvage damaged.fls -o saved.fls --json | jq .lost_bytes\n"
    "  flatstream salvage old.fls --checksum crc16 --schema t.bfbs -o saved.fls\n"
    "  flatstream salvage damaged.fls -o - | flatstream info -\n";

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    const char *output;
    int replace;
    int json;
};

/* A salvage under way. */
struct rescue {
    const struct options *options;
    struct cli_input input;
    struct fls_tap verifier;
    int has_verifier;
    enum fls_checksum_kind kind;
    struct cli_stream_out out;
    struct fls_error error; /* of writing */
    uint64_t listed;
};

/* --- the kind of checksum ----------------------------------------------------------------------
 */

#define FIRST_LOOK_BYTES (UINT64_C(1) << 20)
#define LOOK_FACTOR 16

/* How many bytes of the first `bytes` (0: all) are frames of this kind, where some follow one
 * another. */
static enum fls_status measure(struct rescue *rescue, enum fls_checksum_kind kind, uint64_t bytes,
                               uint64_t *covered, struct fls_error *error)
{
    struct fls_salvage_options options = {.checksum = kind,
                                          .payload_bytes_max = rescue->options->read.max_frame,
                                          .verifier =
                                              rescue->has_verifier ? &rescue->verifier : NULL,
                                          .alignment = 1,
                                          .bytes_max = bytes};
    struct fls_salvage_report report;
    enum fls_status status =
        fls_salvage_fd(rescue->input.fd, rescue->input.start, &options, &report, error);

    *covered = report.bytes - report.bytes_lost;
    if (report.longest_run < 2 && report.bytes_lost > 0)
        *covered /= 16; /* one frame alone is weak: it may be a message's content */
    return status;
}

/* The kinds that can be salvaged, by how much of the first `bytes` is proven. Sets rescue->kind and
 * returns CLI_GO_ON when one is clear, CLI_WELL when nothing was found. */
static int compare_kinds(struct rescue *rescue, uint64_t bytes)
{
    int first = rescue->has_verifier ? FLS_CHECKSUM_NONE : FLS_CHECKSUM_CRC32;
    uint64_t best = 0, second = 0, covered;
    struct fls_error error;

    for (int kind = FLS_CHECKSUM_XXH3; kind >= first; kind--) {
        enum fls_status status =
            measure(rescue, (enum fls_checksum_kind)kind, bytes, &covered, &error);
        if (status != FLS_OK) {
            cli_fail(rescue->input.name, &error, NULL);
            return CLI_SYSTEM;
        }
        if (covered > best) {
            second = best;
            best = covered;
            rescue->kind = (enum fls_checksum_kind)kind;
        } else if (covered > second) {
            second = covered;
        }
    }
    if (best == 0)
        return CLI_WELL;
    if (best / 2 >= second)
        return CLI_GO_ON;
    cli_error(rescue->input.name, "frames of several kinds of checksum are proven: say --checksum "
                                  "KIND");
    return CLI_USAGE;
}

/* Nothing is proven under a kind that could be salvaged. */
static int no_kind(const struct rescue *rescue)
{
    const struct cli_input *input = &rescue->input;
    unsigned weak = 1u << FLS_CHECKSUM_NONE | 1u << FLS_CHECKSUM_CRC16;

    if (!rescue->has_verifier && (input->candidates & weak) != 0)
        cli_error(input->name,
                  "no frame is proven by crc32 or xxh3, and the stream begins as one of kind %s, "
                  "whose frames only a schema can prove: say --schema FILE",
                  cli_candidate_names(input->candidates & weak));
    else
        cli_error(input->name, "no frame is proven by any kind of checksum%s",
                  rescue->has_verifier ? "" : "; one of kind crc16 or none needs --schema FILE");
    return CLI_USAGE;
}

static int find_kind(struct rescue *rescue)
{
    uint64_t bytes = rescue->input.bytes;

    if (rescue->options->read.checksum != CLI_CHECKSUM_AUTO) {
        rescue->kind = rescue->input.kind;
        return CLI_GO_ON;
    }
    rescue->kind = FLS_CHECKSUM_XXH3;
    if (bytes == 0)
        return CLI_GO_ON;
    for (uint64_t look = FIRST_LOOK_BYTES;; look *= LOOK_FACTOR) {
        int result = compare_kinds(rescue, look < bytes ? look : 0);
        if (result != CLI_WELL)
            return result;
        if (look >= bytes)
            return no_kind(rescue);
    }
}

/* --- the list ----------------------------------------------------------------------------------
 */

static int is_to_standard_output(const struct rescue *rescue)
{
    return strcmp(rescue->options->output, "-") == 0;
}

/* On standard output, or error when the messages go there. */
static void say(const struct rescue *rescue, const char *text)
{
    if (is_to_standard_output(rescue))
        cli_say(text);
    else
        cli_out_bytes(text, strlen(text));
}

/* Damage may be everywhere: nobody reads so many lines. */
#define LISTED_MAX 1000

static void list_as_text(struct rescue *rescue, const struct fls_salvage_region *region,
                         const struct fls_error *error)
{
    char text[512], line[640];

    if (rescue->listed >= LISTED_MAX)
        return;
    fls_error_format(error, text, sizeof text);
    int length = snprintf(line, sizeof line, "%s at byte %" PRIu64 ", %" PRIu64 " bytes: %s\n",
                          region->mended ? "mended" : "lost  ", error->offset, region->bytes, text);
    cli_progress_clear();
    if (length > 0)
        say(rescue, line);
}

static void list_as_json(struct rescue *rescue, const struct fls_salvage_region *region,
                         const struct fls_error *error)
{
    char text[512];

    fls_error_format(error, text, sizeof text);
    cli_out_text("%s{\"offset\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"mended\":%s,\"frame\":%" PRIu64
                 ",\"kind\":\"%s\",\"message\":",
                 rescue->listed > 0 ? "," : "", error->offset, region->bytes,
                 region->mended ? "true" : "false", region->frame, cli_error_kind(error));
    cli_json_string(text);
    cli_out_text("}");
}

static enum fls_status see_region(void *context, const struct fls_salvage_region *region)
{
    struct rescue *rescue = context;
    struct fls_error error = region->error;

    error.offset += rescue->input.offset;
    if (rescue->options->json)
        list_as_json(rescue, region, &error);
    else
        list_as_text(rescue, region, &error);
    rescue->listed++;
    return FLS_OK;
}

static enum fls_status take_message(void *context, const struct fls_message *message)
{
    struct rescue *rescue = context;

    return cli_stream_out_put(&rescue->out, message->payload, message->bytes, &rescue->error);
}

static enum fls_status take_frames(void *context, const void *bytes, size_t length, uint64_t frame,
                                   uint64_t offset, uint64_t count)
{
    struct rescue *rescue = context;

    (void)frame;
    (void)offset;
    enum fls_status status = cli_stream_out_raw(&rescue->out, bytes, length, &rescue->error);
    rescue->out.frames += status == FLS_OK ? count : 0;
    return status;
}

static enum fls_status see_progress(void *context, uint64_t done)
{
    (void)context;
    cli_progress_tick(done);
    return cli_signal() ? FLS_STOPPED : FLS_OK;
}

/* What is not in the list. */
static void print_rest(const struct rescue *rescue, const struct fls_salvage_report *report)
{
    char text[256];

    if (rescue->listed > LISTED_MAX) {
        snprintf(text, sizeof text, "and %" PRIu64 " more places, which --json lists too\n",
                 rescue->listed - LISTED_MAX);
        say(rescue, text);
    }
    if (report->search_cut_short) {
        snprintf(text, sizeof text,
                 "search cut short: %" PRIu64 " places that look like headers were passed over; "
                 "frames there may have been missed\n",
                 report->passed_over);
        say(rescue, text);
    }
}

static void print_totals(const struct rescue *rescue, const struct fls_salvage_report *report)
{
    char name[CLI_SHOWN_BYTES], text[CLI_SHOWN_BYTES + 1024];

    snprintf(text, sizeof text,
             "%s: %" PRIu64 " frames (%s) salvaged, %" PRIu64 " of them mended\n"
             "  lost      %" PRIu64 " of %" PRIu64 " bytes, in %" PRIu64 " region%s\n"
             "  certainty %.2g false frames are to be expected by chance (%" PRIu64
             " comparisons)\n",
             cli_shown_name(rescue->input.name, name, sizeof name), report->frames,
             fls_checksum_name(rescue->kind), report->mended, report->bytes_lost, report->bytes,
             report->regions_lost, report->regions_lost == 1 ? "" : "s",
             report->false_frames_expected, report->comparisons);
    print_rest(rescue, report);
    say(rescue, text);
}

static void begin_json(const struct rescue *rescue)
{
    cli_out_text("{\"file\":");
    cli_json_string(rescue->input.path);
    cli_out_text(",\"checksum\":\"%s\",\"regions\":[", fls_checksum_name(rescue->kind));
}

static void end_json(const struct fls_salvage_report *report)
{
    cli_out_text(
        "],\"bytes\":%" PRIu64 ",\"frames\":%" PRIu64 ",\"mended\":%" PRIu64
        ",\"payload_bytes\":%" PRIu64 ",\"lost_regions\":%" PRIu64 ",\"lost_bytes\":%" PRIu64
        ",\"comparisons\":%" PRIu64
        ",\"false_frames_expected\":%.6g,\"search_cut_short\":%s,\"passed_over\":%" PRIu64 "}\n",
        report->bytes, report->frames, report->mended, report->payload_bytes, report->regions_lost,
        report->bytes_lost, report->comparisons, report->false_frames_expected,
        report->search_cut_short ? "true" : "false", report->passed_over);
}

/* --- the verb ----------------------------------------------------------------------------------
 */

static enum fls_status salvage_all(struct rescue *rescue, struct fls_salvage_report *report,
                                   struct fls_error *error)
{
    struct fls_salvage_options options = {.checksum = rescue->kind,
                                          .payload_bytes_max = rescue->options->read.max_frame,
                                          .verifier =
                                              rescue->has_verifier ? &rescue->verifier : NULL,
                                          .alignment = 1,
                                          .message = take_message,
                                          .frames = take_frames,
                                          .region = see_region,
                                          .progress = see_progress,
                                          .context = rescue};

    cli_progress_begin(rescue->input.name, rescue->input.bytes, 0);
    enum fls_status status =
        fls_salvage_fd(rescue->input.fd, rescue->input.start, &options, report, error);
    cli_progress_end();
    return status;
}

static int write_salvaged(struct rescue *rescue)
{
    struct cli_outfile_plan plan =
        cli_outfile_plan(rescue->options->output, rescue->options->replace);
    struct fls_salvage_report report;
    struct fls_error error;

    cli_input_plan(&rescue->input, &plan);
    enum fls_status status = cli_stream_out_open(&rescue->out, &plan, rescue->kind, &rescue->error);

    if (status != FLS_OK)
        return cli_stream_out_fail(&rescue->out, &rescue->error, status);
    if (rescue->options->json)
        begin_json(rescue);
    memset(&rescue->error, 0, sizeof rescue->error);
    status = salvage_all(rescue, &report, &error);
    if (rescue->options->json)
        end_json(&report);
    if (status == FLS_IO && rescue->error.status == FLS_OK) {
        cli_fail(rescue->input.name, &error, "nothing was written");
        cli_stream_out_abandon(&rescue->out);
        return CLI_SYSTEM;
    }
    if (status == FLS_OK)
        status = cli_stream_out_finish(&rescue->out, &rescue->error);
    else if (rescue->error.status == FLS_OK)
        rescue->error = error;
    if (status != FLS_OK)
        return cli_stream_out_fail(&rescue->out, &rescue->error, status);
    if (!rescue->options->json)
        print_totals(rescue, &report);
    return report.bytes_lost > 0 ? CLI_DAMAGED : CLI_WELL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* A series is many streams, each with a damage of its own. */
static enum fls_status refuse_series(const char *path, struct fls_error *error)
{
    struct fls_series series;
    enum fls_status status = fls_series_list(path, &series, error);

    if (status != FLS_OK)
        return status;
    size_t last = series.count > 0 ? series.count - 1 : 0;
    cli_set_error(error, FLS_UNSUPPORTED,
                  "it stands for segments, and salvage takes one at a time: %s%s%s (%zu of them)",
                  series.count > 0 ? base_name(series.segments[0].path) : "",
                  last > 0 ? " to " : "", last > 0 ? base_name(series.segments[last].path) : "",
                  series.count);
    fls_series_free(&series);
    return FLS_UNSUPPORTED;
}

/* Salvage reads here and there. */
static enum fls_status open_input(struct rescue *rescue, const char *path, struct fls_error *error)
{
    enum fls_status status =
        cli_input_open_seekable(&rescue->input, path, &rescue->options->read, error);

    if (status == FLS_OK && rescue->input.series) {
        cli_input_close(&rescue->input);
        status = refuse_series(path, error);
    } else if (status == FLS_OK && !rescue->input.regular) {
        cli_input_close(&rescue->input);
        status = cli_set_error(error, FLS_UNSUPPORTED, "neither a regular file nor a pipe");
    }
    return status;
}

static int salvage(const char *path, struct rescue *rescue)
{
    struct fls_error error;
    enum fls_status status = open_input(rescue, path, &error);
    int result;

    if (status != FLS_OK && cli_signal())
        return cli_signal_exit();
    if (status != FLS_OK) {
        cli_fail(cli_input_name(path), &error, NULL);
        return status == FLS_UNSUPPORTED ? CLI_USAGE : cli_exit_of(status);
    }
    result = find_kind(rescue);
    if (result == CLI_GO_ON && rescue->kind < FLS_CHECKSUM_CRC32 && !rescue->has_verifier) {
        cli_error(rescue->input.name, "%s proves too little: say --schema FILE",
                  rescue->kind == FLS_CHECKSUM_NONE ? "a stream without checksums" : "crc16");
        result = CLI_USAGE;
    }
    if (result == CLI_GO_ON)
        result = write_salvaged(rescue);
    cli_input_close(&rescue->input);
    return result;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {.output = NULL};
    struct rescue rescue = {.options = &options, .input = {.fd = -1}};
    struct cli_schema schema = {.schema = NULL};
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options.read),
                                       CLI_SCHEMA_OPTIONS(&options.schema),
                                       {"output", 'o', CLI_TEXT, &options.output, NULL, 0},
                                       CLI_REPLACE_OPTION(&options.replace),
                                       {"json", 0, CLI_FLAG, &options.json, NULL, 0}};
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
        return cli_usage(verb, "where to? -o OUT is the new stream");
    if (options.json && strcmp(options.output, "-") == 0)
        return cli_usage(verb, "--json needs standard output: give -o a file");
    result = cli_schema_open(verb, &options.schema, 0, &schema);
    if (result != CLI_GO_ON)
        return result;
    rescue.has_verifier = schema.verifier != NULL;
    if (rescue.has_verifier)
        rescue.verifier = fls_tap_schema(schema.verifier);
    cli_reader_watch_output(options.output);
    result = salvage(files.argv[0], &rescue);
    cli_schema_close(&schema);
    return result;
}

const struct cli_verb cli_verb_salvage = {"salvage", "save what is intact, behind damage too", help,
                                          run};
