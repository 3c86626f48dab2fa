/*
 * cmd_recover.c: how far is a stream intact; cutting the torn tail, or saving what is intact.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/beside.h"
#include "cli/cut.h"
#include "cli/outfile.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"
#include "cli/report.h"
#include "cli/signals.h"

static const char help[] =
    "Usage: flatstream recover [OPTION]... FILE [--truncate | -o OUT]\n"
    "Says how far a stream is intact; without --truncate or -o it changes nothing.\n"
    "\n"
    "  --truncate         cut the torn tail off, in place: the file then ends behind\n"
    "                     its last intact frame. Nothing else is ever cut: a stream\n"
    "                     that is corrupt inside is refused, and a tail that holds\n"
    "                     whole frames of any kind (a damaged length looks torn), or\n"
    "                     may hold some, is first kept, as FILE.damaged-000001\n"
    "  -o, --output OUT   write the intact frames up to the first error to the new\n"
    "                     file OUT, which appears when it is whole. `-` is standard\n"
    "                     output, and takes the place of the report\n" CLI_REPLACE_HELP
    "  --full             changes nothing: all of the stream is read, whatever its\n"
    "                     index says\n"
    "  --zero-tail        take a run of zero bytes at the end (power loss,\n"
    "                     preallocation) as torn; it would else read as empty "
    "frames\n" CLI_READ_HELP "  --json             one JSON object\n"
    "\n" CLI_REPORT_HELP "\n" CLI_JSON_HELP "recover adds action: null, truncated, or written.\n"
    "\n"
    "A file without one whole frame does not show its kind of checksum, nor that it\n"
    "is a stream at all. It is cut, to nothing, only if --checksum says the kind, or\n"
    "if it is shorter than a frame's header.\n"
    "\n"
    "Exit status: 0 the stream is intact, or the tail was cut, or a torn stream's\n"
    "frames are all in OUT; 1 it is torn or corrupt, and not (or not wholly) put\n"
    "right; 2 wrong usage; 3 the system failed.\n"
    "\n"
    "Examples:\n"
    "  flatstream recover telemetry.fls\n"
    "  flatstream recover --truncate telemetry.fls\n"
    "  flatstream recover damaged.fls -o intact.fls\n";

struct options {
    struct cli_read_options read;
    int truncate;
    int replace;
    int full;
    int zero_tail;
    int json;
    const char *output;
};

#define COPY_BYTES ((size_t)256 * 1024)

static enum fls_status write_block(int fd, const char *bytes, size_t count, struct fls_error *error)
{
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno == EINTR && !cli_signal())
            continue;
        if (written <= 0)
            return cli_signal() ? FLS_STOPPED
                                : cli_system_error(error, "write", written < 0 ? errno : EIO);
        bytes += written;
        count -= (size_t)written;
    }
    return FLS_OK;
}

/* One block on: from `from` at `at` to `to`, or to standard output when `to` is -1. */
static enum fls_status copy_block(int from, uint64_t at, size_t count, int to, size_t *copied,
                                  struct fls_error *error)
{
    static char bytes[COPY_BYTES];
    ssize_t got;

    do {
        got = pread(from, bytes, count < COPY_BYTES ? count : COPY_BYTES, (off_t)at);
    } while (got < 0 && errno == EINTR && !cli_signal());
    if (cli_signal())
        return FLS_STOPPED;
    if (got < 0)
        return cli_system_error(error, "read", errno);
    if (got == 0)
        return cli_set_error(error, FLS_UNEXPECTED_END, "the file became shorter meanwhile");
    *copied = (size_t)got;
    if (to >= 0)
        return write_block(to, bytes, *copied, error);
    cli_out_bytes(bytes, *copied);
    return FLS_OK;
}

/* The same from a series, which is read again from its beginning. */
static enum fls_status copy_view(struct fls_source *source, uint64_t most, int to, size_t *copied,
                                 struct fls_error *error)
{
    struct fls_view view;
    enum fls_status status = fls_source_peek(source, 1, &view, error);

    if (cli_signal())
        return FLS_STOPPED;
    if (status == FLS_END)
        return cli_set_error(error, FLS_UNEXPECTED_END, "the series became shorter meanwhile");
    if (status != FLS_OK)
        return status;
    *copied = view.available < most ? view.available : (size_t)most;
    if (to >= 0)
        status = write_block(to, view.bytes, *copied, error);
    else
        cli_out_bytes(view.bytes, *copied);
    fls_source_consume(source, *copied);
    return status;
}

static enum fls_status copy_prefix(struct cli_input *input, uint64_t count, int to,
                                   struct fls_error *error)
{
    struct cli_read_options again = {(int)input->kind + CLI_CHECKSUM_FIRST, 0, input->offset};
    enum fls_status status = FLS_OK;
    const char *path = input->path;
    uint64_t done = 0;

    if (input->series) {
        cli_input_close(input);
        status = cli_input_open(input, path, &again, error);
    }
    cli_progress_begin(input->name, count, 0);
    while (done < count && status == FLS_OK && !(to < 0 && cli_out_failed())) {
        uint64_t left = count - done;
        size_t copied = 0;
        if (input->series)
            status = copy_view(input->source, left, to, &copied, error);
        else
            status = copy_block(input->fd, input->start + done,
                                left < COPY_BYTES ? (size_t)left : COPY_BYTES, to, &copied, error);
        done += copied;
        cli_progress_tick(done);
    }
    cli_progress_end();
    return status;
}

static enum fls_status save_to_file(struct cli_input *input, uint64_t count,
                                    const struct options *options, const char **left,
                                    struct fls_error *error)
{
    struct cli_outfile_plan plan = cli_outfile_plan(options->output, options->replace);
    struct cli_outfile file;

    cli_input_plan(input, &plan);
    cli_signals_catch(); /* from here on there is something to clean up */
    enum fls_status status = cli_outfile_open(&file, &plan, error);
    if (status == FLS_OK) {
        status = copy_prefix(input, count, file.fd, error);
        if (status == FLS_OK)
            status = cli_outfile_finish_stream(&file, error);
        else
            cli_outfile_abandon(&file);
    }
    *left = cli_outfile_left(&file);
    return status;
}

static int save(struct cli_input *input, const struct cli_report *report,
                const struct options *options)
{
    const char *path = options->output, *left = "it may have taken a part";
    uint64_t count = report->recovery.good_offset - input->offset;
    struct fls_error error;
    enum fls_status status;

    if (report->fit == CLI_FIT_SEVERAL) {
        cli_error(report->name, "ambiguous: %s fit; nothing was written; say --checksum KIND",
                  cli_candidate_names(report->candidates));
        return CLI_USAGE;
    }
    if (strcmp(path, "-") == 0)
        status = copy_prefix(input, count, -1, &error);
    else
        status = save_to_file(input, count, options, &left, &error);
    if (status == FLS_OK)
        return report->recovery.end == FLS_STREAM_CORRUPT ? CLI_DAMAGED : CLI_WELL;
    if (status == FLS_STOPPED) {
        cli_error(path, "interrupted; nothing was written");
        return cli_signal_exit();
    }
    cli_fail(path, &error, left);
    return cli_exit_of(status);
}

/* What is done about it; *action says what, for the report. */
static int act(struct cli_input *input, const struct cli_report *report,
               const struct options *options, const char **action)
{
    int result = cli_report_exit(report);

    *action = "";
    if (!report->readable || !report->sizes)
        return result;
    if (options->output && report->fit == CLI_FIT_NONE) {
        cli_error(report->name, "no intact frame: nothing was written");
    } else if (options->output) {
        result = save(input, report, options);
        if (result == CLI_WELL || result == CLI_DAMAGED)
            *action = "written";
    } else if (options->truncate && input->series && result != CLI_WELL) {
        cli_error(report->name, "a series of segments: name the one to be cut (%s)",
                  report->where.is_known ? report->where.segment : "the last");
        result = CLI_USAGE;
    } else if (options->truncate && report->recovery.end == FLS_STREAM_TORN) {
        result = cli_cut_tail(report);
        if (result == CLI_WELL)
            *action = "truncated";
    } else if (options->truncate && report->recovery.end == FLS_STREAM_CORRUPT) {
        cli_error(report->name, "corrupt, not torn: nothing was cut; %s",
                  cli_corrupt_advice(report));
    }
    return result;
}

static void put_action(const struct cli_report *report, const struct options *options,
                       const char *action)
{
    char name[CLI_SHOWN_BYTES];

    if (strcmp(action, "truncated") == 0)
        cli_out_text("  cut       %" PRIu64 " bytes; the file now ends at byte %" PRIu64 "\n",
                     report->recovery.tail_bytes, report->recovery.good_offset);
    else if (strcmp(action, "written") == 0)
        cli_out_text("  written   %" PRIu64 " frames to %s\n", report->recovery.frames,
                     cli_shown_name(options->output, name, sizeof name));
}

static void print(const struct cli_report *report, const struct options *options,
                  const char *action)
{
    if (options->output && strcmp(options->output, "-") == 0)
        return; /* standard output is the stream's */
    if (options->json) {
        cli_report_json(report, action);
    } else {
        cli_report_text(report, 0);
        put_action(report, options, action);
    }
}

/* What is to be written is read a second time. */
static enum fls_status open_input(struct cli_input *input, const char *path,
                                  const struct options *options, struct fls_error *error)
{
    return options->output ? cli_input_open_seekable(input, path, &options->read, error)
                           : cli_input_open(input, path, &options->read, error);
}

/* A torn stream was cut or saved, or that failed for a reason that was said. */
static enum cli_remedy tried(const struct options *options, const char *action)
{
    if (strcmp(action, "written") == 0)
        return CLI_REMEDY_SAVE;
    return options->truncate || options->output ? CLI_REMEDY_CUT : CLI_REMEDY_NONE;
}

static int recover(const char *path, const struct options *options)
{
    struct cli_input input = {.fd = -1};
    struct cli_report report;
    struct fls_error error;
    const char *action = "";
    unsigned flags = options->json ? CLI_SCAN_TO_THE_END : 0;
    int result;

    flags |= options->zero_tail ? FLS_RECOVER_ZERO_TAIL_IS_TORN : 0;
    if (open_input(&input, path, options, &error) == FLS_OK)
        cli_scan_input(&input, &options->read, flags, &report);
    else if (cli_signal())
        return cli_signal_exit();
    else
        cli_scan_nothing(path, &options->read, &error, &report);
    result = act(&input, &report, options, &action);
    print(&report, options, action);
    cli_out_flush();
    if (!options->json && result != CLI_WELL)
        cli_report_complain(&report, tried(options, action));
    cli_input_close(&input);
    cli_report_free(&report);
    return result;
}

static int check(const struct cli_verb *verb, const struct options *options,
                 const struct cli_operands *files)
{
    if (files->count != 1)
        return cli_usage(verb, files->count == 0 ? "which FILE? `-` is standard input"
                                                 : "one FILE at a time");
    if (options->truncate && options->output)
        return cli_usage(verb, "either --truncate or -o OUT, not both");
    if (options->truncate && strcmp(files->argv[0], "-") == 0)
        return cli_usage(verb, "standard input cannot be cut; name the file, or use -o OUT");
    if (options->replace && !options->output)
        return cli_usage(verb, "--replace goes with -o OUT");
    return CLI_GO_ON;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {.output = NULL};
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options.read),
                                       {"truncate", 0, CLI_FLAG, &options.truncate, NULL, 0},
                                       {"output", 'o', CLI_TEXT, &options.output, NULL, 0},
                                       CLI_REPLACE_OPTION(&options.replace),
                                       {"full", 0, CLI_FLAG, &options.full, NULL, 0},
                                       {"zero-tail", 0, CLI_FLAG, &options.zero_tail, NULL, 0},
                                       {"json", 0, CLI_FLAG, &options.json, NULL, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = cli_check_max_frame(verb, &options.read.max_frame);
    if (result == CLI_GO_ON)
        result = check(verb, &options, &files);
    if (result != CLI_GO_ON)
        return result;
    if (!options.truncate)
        cli_reader_watch_output(options.output);
    return recover(files.argv[0], &options);
}

const struct cli_verb cli_verb_recover = {"recover", "cut a torn tail, or save what is intact",
                                          help, run};
