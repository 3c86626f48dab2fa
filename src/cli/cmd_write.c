/*
 * cmd_write.c: other people's lines, records and files become a stream.
 *
 * The invariant: whatever ends the writing (the input's end, an error in it, a signal, a full
 * disk), the frames in a file are whole. A frame that the system took only in part is cut off again
 * from a file that we opened ourselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <flatstream/uring.h>
#include <flatstream/writer.h>

#include "cli/command_line.h"
#include "cli/cut.h"
#include "cli/journal_out.h"
#include "cli/livefile.h"
#include "cli/outfile.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"
#include "cli/records.h"
#include "cli/replaced.h"
#include "cli/report.h"
#include "cli/scan.h"
#include "cli/schema_file.h"
#include "cli/sender.h"
#include "cli/signals.h"
#include "journal/disk.h"
#include "journal/lock.h"

static const char help[] =
    "Usage: flatstream write -o OUT [OPTION]... [INPUT]...\n"
    "Makes a stream of messages out of the inputs, or of standard input. `-` is\n"
    "standard input or output. An OUT that another process writes is refused, and one\n"
    "that holds anything, without --append or --replace.\n"
    "\n"
    "  -o, --output OUT   the stream\n"
    "  --from FORM        lines  each line, without its newline, is one (the default)\n"
    "                     sized  each record: its length, 4 bytes, little-endian; its\n"
    "                            bytes\n"
    "                     files  each input is one message\n"
    "                     jsonl  each line is a JSON object, and becomes a message by\n"
    "                            --schema\n"
    "  --skip-bad         jsonl: report and pass over lines that make no message;\n"
    "                     else the first ends it. The exit status is 1 either "
    "way\n" CLI_SCHEMA_FILE_HELP
    "  --checksum KIND    none, crc16, crc32, or xxh3 (the default); auto is xxh3, or\n"
    "                     with --append what the file has\n"
    "  --framer HOW       how frames reach the system: batched (many in one call, the\n"
    "                     default), vectored (one call each), simple (two)\n"
    "  --batch N          batched: send after N messages; else after 256 KiB\n"
    "  --io HOW           plain (the default), or uring: OUT, a regular file, through\n"
    "                     io_uring; where that is refused, plainly, with a warning\n"
    "  --direct           with --io uring: past the page cache, with O_DIRECT, or not\n"
    "                     at all. Killed, it may leave zeros: recover --zero-tail\n"
    "  --async            a thread of its own does the writing while this one reads\n"
    "  --append           go on behind the frames that OUT has. Refused: one that is\n"
    "                     damaged, has another kind of checksum, or that another\n"
    "                     process appends to\n"
    "  --replace          empty an OUT that holds anything; of a journal, delete its\n"
    "                     segments\n"
    "  --repair           with --append: cut a torn tail off; where it may hold whole\n"
    "                     frames, or OUT holds none, it is kept as OUT.damaged-000001\n"
    "  --max-frame BYTES  the largest message (2G); K, M and G are understood\n"
    "\n"
    "With one of these, or --append to OUT's segments, OUT is a journal:\n" CLI_JOURNAL_HELP "\n"
    "A line that is no such object is named by line and column (counted in bytes,\n"
    "from 1, just behind the mistake). Blank lines are passed over.\n"
    "\n"
    "On SIGINT, SIGTERM and SIGHUP what was read is written, whole, and the exit\n"
    "status is 128 and the signal's number; a second one ends it at once. Of a full\n"
    "disk a frame that it took in part is cut off again.\n"
    "\n"
    "Exit status: 0 all well; 1 an input is torn, a message is too long (or, in a\n"
    "journal, empty and not under xxh3), or OUT is damaged; 2 wrong usage; 3 the\n"
    "system failed.\n"
    "\n"
    "Examples:\n"
    "  journalctl -f | flatstream write -o journal.fls\n"
    "  flatstream write -o events.fls --from jsonl --schema events.fbs events.jsonl\n"
    "  flatstream write -o log.fls --append --repair more.txt\n"
    "  sensors | flatstream write -o s.fls --rotate-bytes 1G --keep 20 --sync ms:500\n";

enum { FORM_JSONL = 3 };
static const char *const forms[] = {"lines", "sized", "files", "jsonl", NULL};
static const enum cli_record_form record_forms[] = {CLI_LINES, CLI_SIZED, CLI_FILES, CLI_LINES};
static const char *const ways[] = {"plain", "uring", NULL};
static const char *const framers[] = {"batched", "vectored", "simple", NULL};
static const enum fls_framer framer_values[] = {FLS_FRAMER_BATCHED, FLS_FRAMER_VECTORED,
                                                FLS_FRAMER_LEGACY};

struct options {
    const char *output;
    struct cli_schema_options schema;
    int skip_bad;
    int form;
    int checksum;
    int framer;
    uint64_t batch;
    uint64_t max_frame;
    int append;
    int replace;
    int repair;
    int uring;
    int direct;
    int async;
    struct cli_journal_options journal;
    char **as_typed; /* `argc` arguments; NULL: no memory */
    int argc;
};

/* Where the stream goes. `start_*`: behind what an appended file has. */
struct target {
    const char *name;
    int is_stdout;
    int fd;
    struct cli_livefile file; /* neither of standard output nor of a journal */
    struct cli_replaced replaced;
    const struct cli_operands *inputs;
    enum fls_checksum_kind kind;
    uint64_t start_offset;
    uint64_t start_frame;
    struct cli_report torn; /* what is appended to, and its tail is to be cut first, if is_torn */
    int is_torn;
    int by_uring; /* it may hold less than the writer's error says */
    struct cli_sender sender;
    struct cli_schema schema; /* of JSON lines, or the key's */
    int is_json;
    int skip_bad;
    uint64_t bad_lines;
    struct cli_key key;
    struct fls_lock lock; /* of a regular file that is no journal */
};

/* --- before anything is written ----------------------------------------------------------------
 */

/* An input that is missing, or is the output, is found before the output is touched. */
static int check_input(const char *path, const struct stat *output)
{
    struct stat information;
    int is_stdin = strcmp(path, "-") == 0;
    const char *name = cli_input_name(path);

    if ((is_stdin ? fstat(STDIN_FILENO, &information) : stat(path, &information)) != 0 ||
        (!is_stdin && access(path, R_OK) != 0)) {
        cli_error(name, "%s; nothing was written", strerror(errno));
        return CLI_SYSTEM;
    }
    if (S_ISDIR(information.st_mode)) {
        cli_error(name, "%s; nothing was written", strerror(EISDIR));
        return CLI_SYSTEM;
    }
    if (output && S_ISREG(information.st_mode) && information.st_dev == output->st_dev &&
        information.st_ino == output->st_ino) {
        cli_error(name, "is the output too; nothing was written");
        return CLI_USAGE;
    }
    return CLI_GO_ON;
}

static int check_inputs(const struct options *options, const struct cli_operands *inputs)
{
    struct stat output;
    int is_stdout = strcmp(options->output, "-") == 0;
    int there = (is_stdout ? fstat(STDOUT_FILENO, &output) : stat(options->output, &output)) == 0;
    int result = CLI_GO_ON;

    for (int i = 0; i < inputs->count && result == CLI_GO_ON; i++)
        result = check_input(inputs->argv[i], there ? &output : NULL);
    return result;
}

/* What is there could not be looked at: a signal came, or it failed. */
static int opening_failed(const char *name, const struct fls_error *error)
{
    if (cli_signal())
        return cli_signal_exit();
    cli_fail(name, error, "nothing was written");
    return cli_exit_of(error->status);
}

/* How a recorder that is run again goes on. Of a series only who rotated it knows how. */
static void tell_how_to_go_on(const struct options *options, int has_segments)
{
    if (has_segments && !cli_journal_rotates(&options->journal))
        cli_error(options->output, "it is in segments: --append alone goes on in the last of them; "
                                   "to rotate on, say the --rotate-... and --keep... too");
    if (options->as_typed)
        cli_say_command("to go on with it", "write", "--append", options->argc, options->as_typed);
}

/* Is it surely of another kind? So it is when that kind fits and finds an intact frame; but a first
 * frame that was torn at the right place reads as one frame without a checksum. */
static int is_of_another_kind(const struct cli_report *report)
{
    unsigned with_checksum = report->candidates & ~(1u << FLS_CHECKSUM_NONE);

    return report->recovery.frames > (with_checksum ? 0 : 1);
}

/*
 * With --append and --checksum KIND: refuses a file whose frames are of another kind. Where no kind
 * is sure, the user knows better.
 */
static int check_given_kind(const struct options *options)
{
    struct cli_read_options reading = {CLI_CHECKSUM_AUTO, options->max_frame, 0};
    unsigned given = 1u << (options->checksum - CLI_CHECKSUM_FIRST);
    struct cli_input input;
    struct cli_report report;
    struct fls_error error;
    int is_another = 0;

    if (cli_input_open(&input, options->output, &reading, &error) != FLS_OK)
        return opening_failed(options->output, &error);
    if (input.fit != CLI_FIT_NONE && !(input.candidates & given)) {
        cli_scan_input(&input, &reading, 0, &report);
        is_another = is_of_another_kind(&report);
        cli_report_free(&report);
    }
    cli_input_close(&input);
    if (!is_another)
        return CLI_GO_ON;
    cli_error(options->output, "its frames carry %s, not %s; nothing was written",
              cli_candidate_names(input.candidates), cli_checksum_choices[options->checksum]);
    return CLI_USAGE;
}

static int refuse_damaged(const struct cli_report *report)
{
    const char *advice = report->recovery.end == FLS_STREAM_TORN
                             ? "nothing was written; --repair cuts the torn tail off first"
                             : "nothing was written; `flatstream recover -o NEW` saves what is "
                               "intact";

    cli_fail(report->name, &report->recovery.error, report->readable ? advice : NULL);
    return cli_report_exit(report);
}

/* May we go on behind what the scan found? A torn tail can be cut if that is wanted. */
static int accept_scanned(const struct options *options, const struct cli_report *report)
{
    if (!report->readable)
        return refuse_damaged(report);
    if (report->fit == CLI_FIT_SEVERAL) {
        cli_error(report->name, "ambiguous: %s fit; nothing was written; say --checksum KIND",
                  cli_candidate_names(report->candidates));
        return CLI_USAGE;
    }
    if (report->recovery.end == FLS_STREAM_CLEAN)
        return CLI_GO_ON;
    if (report->recovery.end == FLS_STREAM_CORRUPT || !options->repair)
        return refuse_damaged(report);
    return CLI_GO_ON;
}

/* Scans the file that is to be appended to, and sets where the writing begins. */
static int scan_existing(const struct options *options, struct target *target)
{
    struct cli_read_options reading = {options->checksum, options->max_frame, 0};
    struct cli_report *report = &target->torn;

    cli_scan_path(options->output, &reading, 0, report);
    int result = accept_scanned(options, report);
    if (report->fit == CLI_FIT_FOUND)
        target->kind = report->kind;
    target->start_offset = report->recovery.good_offset;
    target->start_frame = report->recovery.frames;
    target->is_torn = result == CLI_GO_ON && report->recovery.end == FLS_STREAM_TORN;
    if (!target->is_torn)
        cli_report_free(report);
    return result;
}

static int prepare_append(const struct options *options, struct target *target)
{
    struct stat information;
    int result = CLI_GO_ON;

    if (stat(options->output, &information) != 0 && errno == ENOENT)
        return CLI_GO_ON; /* a new file; other errors show when it is opened */
    if (options->checksum != CLI_CHECKSUM_AUTO)
        result = check_given_kind(options);
    return result == CLI_GO_ON ? scan_existing(options, target) : result;
}

/* --- the output --------------------------------------------------------------------------------
 */

static enum cli_livefile_mode mode_of(const struct options *options)
{
    return options->append ? CLI_LIVE_APPEND : options->replace ? CLI_LIVE_REPLACE : CLI_LIVE_NEW;
}

/* Opens the output; an appended file must still end where the scan saw it end. */
static int open_output(const struct options *options, struct target *target)
{
    struct fls_error error;

    target->fd = STDOUT_FILENO;
    if (target->is_stdout && cli_out_is_terminal()) {
        cli_error(NULL, CLI_OUT_NO_STREAM);
        return CLI_USAGE;
    }
    if (target->is_stdout) {
        cli_reader_watch_output(NULL);
        return CLI_GO_ON;
    }
    enum fls_status status =
        cli_livefile_open(&target->file, options->output, mode_of(options), 1, &error);
    target->fd = target->file.fd;
    if (status == FLS_STOPPED)
        return cli_signal_exit();
    if (status != FLS_OK) {
        cli_fail(target->name, &error, "nothing was written");
        if (status == FLS_INVALID_ARGUMENT)
            tell_how_to_go_on(options, 0);
        return cli_exit_of(status);
    }
    cli_reader_watch(target->fd, target->name);
    uint64_t tail_bytes = target->is_torn ? target->torn.recovery.tail_bytes : 0;
    if (options->append && target->file.bytes != target->start_offset + tail_bytes) {
        cli_error(target->name, "it changed while it was scanned; nothing was written");
        return CLI_DAMAGED;
    }
    return CLI_GO_ON;
}

/* The sink by io_uring, behind what the file has; *sink stays NULL when the ordinary one will do.
 */
static enum fls_status open_uring(const struct options *options, struct target *target,
                                  struct fls_sink **sink, struct fls_error *error)
{
    struct fls_uring_options uring = {.direct = options->direct,
                                      .extend_ahead = target->kind == FLS_CHECKSUM_XXH3};
    char reason[sizeof error->reason];

    if (!target->file.is_regular)
        return cli_set_error(error, FLS_INVALID_ARGUMENT,
                             "not a regular file: --io uring writes only such");
    enum fls_status status =
        fls_sink_open_uring_file(options->output, FLS_FILE_APPEND, &uring, sink, error);
    target->by_uring = status == FLS_OK;
    if (status != FLS_UNSUPPORTED || options->direct)
        return status;
    fls_error_format(error, reason, sizeof reason);
    cli_error(target->name, "%s; it is written without", reason);
    return FLS_OK;
}

static int open_writer(const struct options *options, struct target *target)
{
    struct fls_writer_options writing = {.framer = framer_values[options->framer],
                                         .checksum = target->kind,
                                         .payload_bytes_max = options->max_frame,
                                         .batch_messages = (size_t)options->batch,
                                         .start_offset = target->start_offset,
                                         .start_frame = target->start_frame};
    struct fls_sink *sink = NULL;
    struct fls_error error;
    enum fls_status status = FLS_OK;

    if (options->uring)
        status = open_uring(options, target, &sink, &error);
    if (status == FLS_OK && !sink)
        status = fls_sink_open_fd(target->fd, FLS_BORROWED, &sink, &error);
    target->sender.fd = target->fd;
    if (status == FLS_OK)
        status = cli_sender_open(&target->sender, sink, &writing, options->async, &error);
    if (status == FLS_OK)
        return CLI_GO_ON;
    cli_fail(target->name, &error, "nothing was written");
    return cli_exit_of(status);
}

/* Cuts the torn tail of what is appended to, once nothing else can be refused. No sink has looked
 * up the end yet. */
static int repair(struct target *target)
{
    int result = target->is_torn ? cli_cut_or_set_aside(&target->torn) : CLI_WELL;

    if (result == CLI_WELL && target->is_torn)
        target->file.bytes = target->torn.recovery.good_offset;
    if (result == CLI_WELL)
        return CLI_GO_ON;
    cli_sender_abandon(&target->sender);
    return result;
}

/* Nothing can be refused any more. */
static int begin_output(struct target *target)
{
    struct fls_error error;

    if (target->is_stdout || cli_livefile_begin(&target->file, &error) == FLS_OK)
        return CLI_GO_ON;
    cli_sender_abandon(&target->sender);
    cli_fail(target->name, &error, "nothing was written");
    return CLI_SYSTEM;
}

/* --- a journal ---------------------------------------------------------------------------------
 */

/* What OUT holds: by its own name, or by segments. is_ours: no pipe nor device. */
struct existing {
    int is_there;
    int is_ours;
    int has_segments;
    uint64_t bytes;
};

static int look_for(const struct target *target, struct existing *existing)
{
    struct fls_series series;
    struct fls_error error;
    struct stat information;

    *existing = (struct existing){0, 0, 0, 0};
    if (target->is_stdout)
        return CLI_GO_ON;
    existing->is_there = stat(target->name, &information) == 0;
    if (existing->is_there) {
        existing->is_ours = S_ISREG(information.st_mode);
        existing->bytes = existing->is_ours ? (uint64_t)information.st_size : 0;
        return CLI_GO_ON;
    }
    enum fls_status status = fls_series_list(target->name, &series, &error);
    int os_errno = status == FLS_IO ? error.os_errno : 0;
    if (os_errno == ENOENT || os_errno == ENOTDIR || os_errno == EACCES)
        return CLI_GO_ON; /* the folder is not there, or may not be read: opening says so */
    if (status != FLS_OK) {
        cli_fail(target->name, &error, "nothing was written");
        return cli_exit_of(status);
    }
    existing->has_segments = series.count > 0;
    existing->is_there = existing->is_ours = existing->has_segments;
    for (size_t i = 0; i < series.count; i++)
        existing->bytes += series.segments[i].bytes;
    fls_series_free(&series);
    return CLI_GO_ON;
}

static void plan_inputs(const void *context, struct cli_outfile_plan *plan)
{
    const struct cli_operands *inputs = context;

    for (int i = 0; i < inputs->count; i++)
        cli_input_plan_path(inputs->argv[i], plan);
}

/* Puts what OUT holds out of the way, if that is wanted. A plain file that stays one is emptied
 * later on instead. */
static int make_way(const struct options *options, struct target *target,
                    const struct existing *existing)
{
    struct cli_replaceable what = {target->name, 0, plan_inputs, target->inputs};
    struct fls_error error;
    enum fls_status status = FLS_OK;

    if (options->replace && existing->is_ours)
        status = cli_replaced_put_aside(&target->replaced, &what, &error);
    else if (!options->append && existing->bytes > 0)
        status = cli_outfile_refuse(existing->bytes, 1, &error);
    if (status == FLS_OK)
        return CLI_GO_ON;
    cli_fail(target->name, &error, "nothing was written");
    if (!options->append && !options->replace)
        tell_how_to_go_on(options, existing->has_segments);
    return cli_exit_of(status);
}

/* The kind of what is there, or why it cannot be gone on with. */
static int find_kind(const struct options *options, struct target *target)
{
    struct cli_read_options reading = {options->checksum, options->max_frame, 0};
    struct cli_input input;
    struct fls_error error;

    if (options->checksum != CLI_CHECKSUM_AUTO)
        return check_given_kind(options);
    if (cli_input_open(&input, target->name, &reading, &error) != FLS_OK)
        return opening_failed(target->name, &error);
    cli_input_close(&input);
    if (input.fit == CLI_FIT_FOUND)
        target->kind = input.kind;
    if (input.fit == CLI_FIT_SEVERAL) {
        cli_error(target->name, "ambiguous: %s fit; nothing was written; say --checksum KIND",
                  cli_candidate_names(input.candidates));
        return CLI_USAGE;
    }
    if (input.fit == CLI_FIT_NONE) {
        cli_fail(target->name, &input.no_fit, "nothing was written");
        return CLI_DAMAGED;
    }
    return CLI_GO_ON;
}

static int journal_refused(const struct target *target, const struct fls_error *error)
{
    const char *advice = "nothing was written";

    if (error->status == FLS_UNEXPECTED_END)
        advice = "nothing was written; --repair cuts the torn tail off first";
    else if (error->status == FLS_CHECKSUM_MISMATCH || error->status == FLS_INVALID_FRAME)
        advice = "nothing was written; `flatstream salvage -o NEW` saves what is intact";
    cli_fail(target->name, error, advice);
    return error->status == FLS_INVALID_ARGUMENT ? CLI_USAGE : cli_exit_of(error->status);
}

static void rotate(void *context)
{
    struct target *target = context;
    struct fls_error error;

    if (fls_journal_rotate(target->sender.journal) == FLS_OK)
        return;
    fls_journal_error(target->sender.journal, &error);
    cli_fail(target->name, &error, "no new segment was begun");
}

static void tell_opening(const char *name, const struct fls_journal_opening *opening)
{
    struct fls_cut cut = {.bytes = opening->bytes_cut, .why = opening->why, .kind = opening->kind};

    snprintf(cut.set_aside, sizeof cut.set_aside, "%s", opening->set_aside);
    if (opening->why != FLS_ASIDE_NOT)
        cli_tell_aside(name, &cut);
    else if (opening->bytes_cut > 0)
        cli_tell_cut(name, opening->bytes_cut, opening->bytes);
}

static int open_journal(const struct options *options, struct target *target,
                        const struct existing *existing)
{
    struct fls_journal_opening opening;
    struct fls_error error;
    int result = make_way(options, target, existing);

    if (result == CLI_GO_ON && options->append && existing->is_there)
        result = find_kind(options, target);
    if (result != CLI_GO_ON)
        return result;
    if (cli_journal_open(target->name, &options->journal, &target->key, target->kind,
                         options->max_frame, options->repair, &target->sender.journal, &opening,
                         &error) != FLS_OK)
        return journal_refused(target, &error);
    tell_opening(target->name, &opening);
    if (opening.segment > 0)
        cli_signals_on_hangup(rotate, target);
    return CLI_GO_ON;
}

/* Is it a file by its own name, or will be? A link's own name says nothing of who else writes, and
 * a device's must not get a file beside it. */
static int can_be_locked(const struct target *target)
{
    struct stat information;

    if (target->is_stdout)
        return 0;
    return lstat(target->name, &information) != 0 || S_ISREG(information.st_mode);
}

/* One writer at a time. Where no lock can be made (the folder is another's), there is the one on
 * the file itself alone. */
static int take_lock(struct target *target)
{
    struct fls_error error;

    if (!can_be_locked(target))
        return CLI_GO_ON;
    enum fls_status status = fls_lock_take(&target->lock, target->name, &error);
    if (status == FLS_OK || status == FLS_IO)
        return CLI_GO_ON;
    cli_fail(target->name, &error, "nothing was written");
    return cli_exit_of(status);
}

static enum fls_status flush(void *context)
{
    return cli_sender_flush(&((struct target *)context)->sender);
}

/* --- the writing -------------------------------------------------------------------------------
 */

enum culprit { INPUT, OUTPUT };

static int is_blank(const char *line, size_t bytes)
{
    while (bytes > 0 && strchr(" \t\r", line[bytes - 1]) && line[bytes - 1] != '\0')
        bytes--;
    return bytes == 0;
}

/* A line of JSON that makes no message: named, and with --skip-bad passed over. */
static enum fls_status bad_line(struct target *target, const struct cli_records *records,
                                const char *input, struct fls_error *error)
{
    char reason[sizeof error->reason];

    memcpy(reason, error->reason, sizeof reason);
    if (target->skip_bad) {
        target->bad_lines++;
        cli_error(input, "line %" PRIu64 ", %s; skipped", records->count, reason);
        return FLS_OK;
    }
    return cli_set_error(error, FLS_INVALID_FLATBUFFER, "line %" PRIu64 ", %s", records->count,
                         reason);
}

/* A journal cannot tell an empty message from a tail of zeros but by xxh3 (see journal.h). */
static int is_refused_as_empty(const struct target *target, size_t bytes)
{
    return bytes == 0 && target->sender.journal && target->kind != FLS_CHECKSUM_XXH3;
}

static enum fls_status empty_record(const struct target *target, const struct cli_records *records,
                                    struct fls_error *error)
{
    char which[40] = "it";

    if (records->form != CLI_FILES)
        snprintf(which, sizeof which, "%s %" PRIu64, records->form == CLI_LINES ? "line" : "record",
                 records->count);
    return cli_set_error(error, FLS_LIMIT,
                         "%s is empty, and a journal under %s takes no empty messages (under xxh3 "
                         "it does)",
                         which, fls_checksum_name(target->kind));
}

/* One record as a message, if it makes one. */
static enum fls_status write_record(struct target *target, const struct cli_records *records,
                                    const char *input, const void *record, size_t bytes,
                                    enum culprit *culprit, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    if (target->is_json) {
        if (is_blank(record, bytes))
            return FLS_OK;
        status = cli_schema_parse(&target->schema, record, bytes, &record, &bytes, error);
        if (status == FLS_INVALID_FLATBUFFER)
            return bad_line(target, records, input, error);
        if (status != FLS_OK)
            return status;
    }
    if (is_refused_as_empty(target, bytes))
        return empty_record(target, records, error);
    *culprit = OUTPUT;
    status = cli_sender_write(&target->sender, record, bytes);
    if (status == FLS_OK)
        *culprit = INPUT;
    return status;
}

/* All records of one input. When it fails, *culprit says who did; an input's error is in *error. */
static enum fls_status write_input(struct target *target, struct cli_records *records,
                                   const char *input, enum culprit *culprit,
                                   struct fls_error *error)
{
    const void *record;
    size_t bytes;
    enum fls_status status;

    error->status = FLS_OK;
    *culprit = INPUT;
    while ((status = cli_records_next(records, &record, &bytes, error)) == FLS_OK) {
        status = write_record(target, records, input, record, bytes, culprit, error);
        if (status != FLS_OK)
            return status;
        error->status = FLS_OK;
    }
    /* A failure of `before_wait` is the output's. */
    if (status != FLS_END && status != FLS_STOPPED && error->status == FLS_OK)
        *culprit = OUTPUT;
    return cli_signal() ? FLS_STOPPED : status;
}

static enum fls_status open_and_write(struct target *target, struct cli_records *records,
                                      const char *path, enum culprit *culprit,
                                      struct fls_error *error)
{
    int is_stdin = strcmp(path, "-") == 0;
    int fd = STDIN_FILENO;
    struct stat information;
    enum fls_status status = is_stdin ? FLS_OK : cli_open_input(path, &fd, error);

    *culprit = INPUT;
    if (status != FLS_OK)
        return status;
    if (fstat(fd, &information) != 0)
        return cli_system_error(error, "fstat", errno);
    cli_records_begin(records, fd, S_ISREG(information.st_mode));
    status = write_input(target, records, cli_input_name(path), culprit, error);
    if (!is_stdin)
        close(fd);
    return status;
}

/* Sizes of all inputs together, or UINT64_MAX when one is no regular file. */
static uint64_t total_bytes(const struct cli_operands *inputs)
{
    uint64_t total = 0;

    for (int i = 0; i < inputs->count; i++) {
        struct stat information;
        int is_stdin = strcmp(inputs->argv[i], "-") == 0;
        if ((is_stdin ? fstat(STDIN_FILENO, &information) : stat(inputs->argv[i], &information)) !=
                0 ||
            !S_ISREG(information.st_mode))
            return UINT64_MAX;
        total += (uint64_t)information.st_size;
    }
    return total;
}

/* io_uring had taken more than it could write; what it wrote ends anywhere. Whether only whole
 * frames are left. */
static int cut_by_scan(const struct options *options, const struct target *target)
{
    struct cli_read_options reading = {(int)target->kind + CLI_CHECKSUM_FIRST, options->max_frame,
                                       0};
    struct cli_report report;

    fls_lock_stream_let_go(target->fd); /* who cuts takes it himself */
    cli_scan_path(options->output, &reading, 0, &report);
    int whole = report.readable && report.recovery.end == FLS_STREAM_CLEAN;
    if (report.readable && report.recovery.end == FLS_STREAM_TORN)
        whole = cli_cut_tail(&report) == CLI_WELL;
    cli_report_free(&report);
    return whole;
}

static const char sync_advice[] = "it is not known whether what was written since the last sync "
                                  "is on the device; go on with --append when that is mended";

/* Was it a sync that failed, of the file or of its folder? Then nobody knows what the device has.
 */
static int is_sync_failure(const struct fls_error *error)
{
    return error->status == FLS_IO && strstr(error->subject, "sync") != NULL;
}

/* Was the file taken away, or cut short, by someone else? */
static int is_gone(const struct fls_error *error)
{
    return error->status == FLS_IO && (error->os_errno == ENOENT || error->os_errno == ESTALE);
}

static const char *loss_of(const struct fls_error *error)
{
    if (is_gone(error))
        return "what is not kept elsewhere is lost";
    return is_sync_failure(error) ? sync_advice : "the last messages may be lost";
}

/* The output failed: what is whole stays, what is not is cut off where it can be. */
static int output_failed(const struct options *options, struct target *target)
{
    struct fls_error error = cli_sender_error(&target->sender);
    int cut = 0, is_journal = target->sender.journal != NULL;

    cli_sender_abandon(&target->sender);
    if (error.status == FLS_IO && error.os_errno == EPIPE && target->is_stdout)
        cli_end_by_pipe();
    if (is_journal)
        cut = 1;
    else if (error.status == FLS_IO && target->file.is_regular && error.has_frame)
        cut = target->by_uring ? cut_by_scan(options, target)
                               : fls_disk_cut(target->fd, error.offset, NULL) == FLS_OK;
    if (!target->is_stdout && target->fd >= 0)
        close(target->fd);
    if (is_sync_failure(&error) || is_gone(&error))
        cli_fail(target->name, &error, loss_of(&error));
    else if (cut)
        cli_fail(target->name, &error,
                 options->append ? "the frames before it are whole in the file"
                                 : "the frames before it are whole in the file; go on with "
                                   "--append when that is mended");
    else
        cli_fail(target->name, &error, "what it took before may end inside a frame");
    return cli_exit_of(error.status);
}

/* Was an index given up, and nothing else (journal.h)? */
static int is_of_index(const struct target *target, const struct fls_error *error)
{
    return target->sender.journal && strncmp(error->subject, "index", 5) == 0;
}

/* *index: what became of it; the messages are all there. */
static int close_output(struct target *target, int *index)
{
    struct fls_journal_counts counts = FLS_ZERO;
    struct fls_error error;

    if (target->sender.journal)
        counts = fls_journal_statistics(target->sender.journal);
    uint64_t bytes = cli_sender_bytes(&target->sender);
    enum fls_status status = cli_sender_close(&target->sender, &error);

    if (status == FLS_OK)
        status = cli_livefile_check(&target->file, bytes, &error);
    if (status == FLS_OK && !target->is_stdout && target->fd >= 0 && close(target->fd) != 0 &&
        errno != EINTR)
        status = cli_system_error(&error, "close", errno);
    cli_journal_tell_rotations(target->name, &counts);
    *index = CLI_WELL;
    if (status == FLS_OK)
        return CLI_WELL;
    if (is_of_index(target, &error)) {
        cli_fail(
            target->name, &error,
            "its index was given up, the messages are whole; `flatstream index` makes it again");
        *index = CLI_SYSTEM;
        return CLI_WELL;
    }
    cli_fail(target->name, &error, loss_of(&error));
    return CLI_SYSTEM;
}

static void report_interrupted(const struct target *target, uint64_t messages)
{
    cli_error(target->name, "interrupted: %" PRIu64 " messages were written, and are whole",
              messages);
}

/* Messages that were taken, and are not in OUT: the thread that writes found no memory for them. */
struct refused {
    uint64_t count;
    struct fls_error why; /* of the first */
};

static int report_refused(const struct target *target, const struct refused *refused)
{
    cli_error(target->name, "%" PRIu64 " message%s not written; the first:", refused->count,
              refused->count == 1 ? " was" : "s were");
    cli_fail(target->name, &refused->why, NULL);
    return cli_exit_of(refused->why.status);
}

static void report_bad_lines(const struct target *target, uint64_t messages)
{
    if (target->bad_lines > 0)
        cli_error(target->name, "%" PRIu64 " bad line%s skipped, %" PRIu64 " messages written",
                  target->bad_lines, target->bad_lines == 1 ? " was" : "s were", messages);
}

/* What the writing came to. */
struct outcome {
    enum fls_status status;
    enum culprit culprit;
    const char *input;
    struct fls_error error; /* the input's */
};

/* OUT is closed, and well. */
static int report_outcome(const struct target *target, const struct outcome *outcome,
                          const struct fls_error *refusal, uint64_t messages)
{
    if (outcome->status == FLS_STOPPED) {
        report_interrupted(target, messages);
        return cli_signal_exit();
    }
    if (outcome->status == FLS_OK || outcome->status == FLS_END)
        return target->bad_lines > 0 ? CLI_DAMAGED : CLI_WELL;
    if (outcome->culprit == OUTPUT)
        cli_fail(target->name, refusal, "the messages before it were written");
    else
        cli_fail(outcome->input, &outcome->error, "the messages before it were written");
    return cli_exit_of(outcome->status);
}

/* Why the output took no more; the asynchronous writer has no record of having no memory for a
 * copy. */
static struct fls_error refusal_of(const struct target *target, const struct outcome *outcome)
{
    struct fls_error error = cli_sender_error(&target->sender);

    if (error.status == FLS_OK)
        cli_set_error(&error, outcome->status, "out of memory");
    return error;
}

/* The writing is over, well or not: sends what is held, closes, and says what is to be said. */
static int finish(const struct options *options, struct target *target,
                  const struct outcome *outcome)
{
    struct fls_error refusal = refusal_of(target, outcome);
    struct refused refused;

    cli_progress_end();
    if (flush(target) != FLS_OK)
        return output_failed(options, target);
    refused.count = cli_sender_refused(&target->sender, &refused.why);
    uint64_t messages = cli_sender_messages(&target->sender);
    int index, closed = close_output(target, &index);
    if (closed != CLI_WELL)
        return closed;
    int without_key = cli_key_tell_broken(target->name, target->key.broken);
    report_bad_lines(target, messages);
    int result = report_outcome(target, outcome, &refusal, messages);
    result = result == CLI_WELL ? without_key : result;
    result = index > result ? index : result;
    int lost = refused.count > 0 ? report_refused(target, &refused) : CLI_WELL;
    return lost > result ? lost : result;
}

static int write_all(const struct options *options, const struct cli_operands *inputs,
                     struct target *target)
{
    struct cli_records records = {.form = record_forms[options->form],
                                  .bytes_max = options->max_frame,
                                  .before_wait = flush,
                                  .context = target};
    struct outcome outcome = {.status = FLS_END};

    cli_progress_begin(target->name, total_bytes(inputs), 0);
    for (int i = 0; i < inputs->count && outcome.status == FLS_END; i++) {
        outcome.input = cli_input_name(inputs->argv[i]);
        outcome.status =
            open_and_write(target, &records, inputs->argv[i], &outcome.culprit, &outcome.error);
    }
    cli_records_free(&records);
    return finish(options, target, &outcome);
}

static int open_stream(const struct options *options, struct target *target)
{
    int result = take_lock(target);

    if (result == CLI_GO_ON && options->append)
        result = prepare_append(options, target);
    cli_signals_catch();
    if (result == CLI_GO_ON)
        result = open_output(options, target);
    if (result == CLI_GO_ON)
        result = open_writer(options, target);
    if (result == CLI_GO_ON)
        result = repair(target);
    if (result == CLI_GO_ON)
        result = begin_output(target);
    if (result == CLI_GO_ON) {
        fls_lock_settle(&target->lock);
    } else {
        cli_livefile_give_up(&target->file);
        fls_lock_give_up(&target->lock);
    }
    return result;
}

/* A plain file beside segments of its name would make both unreadable by that name. */
static int open_beside(const struct options *options, struct target *target,
                       const struct existing *existing)
{
    if (!existing->has_segments)
        return CLI_GO_ON;
    if (!options->replace && existing->bytes == 0) {
        cli_error(target->name, "its segments are there, and a plain file of that name cannot be "
                                "beside them: --append goes on with them, --replace replaces them; "
                                "nothing was written");
        return CLI_USAGE;
    }
    return make_way(options, target, existing);
}

/* What is appended to is read first; a pipe would have us wait. */
static int refuse_no_file(const struct options *options, const struct target *target)
{
    struct stat information;

    if (!options->append || target->is_stdout || stat(target->name, &information) != 0 ||
        S_ISREG(information.st_mode))
        return CLI_GO_ON;
    cli_error(target->name, "not a regular file: only such can be appended to");
    return CLI_USAGE;
}

/* A journal, when it is to be one, or is one. */
static int open_target(const struct options *options, const struct cli_verb *verb,
                       struct target *target)
{
    struct existing existing;
    int result = refuse_no_file(options, target);

    if (result == CLI_GO_ON)
        result = look_for(target, &existing);
    if (result != CLI_GO_ON)
        return result;
    if (!cli_journal_wanted(&options->journal) && !(options->append && existing.has_segments)) {
        result = open_beside(options, target, &existing);
        return result == CLI_GO_ON ? open_stream(options, target) : result;
    }
    if (options->uring || options->async || options->framer != 0 || options->batch > 0)
        return cli_usage(verb, "--io, --async, --framer and --batch are not for journals");
    cli_signals_catch();
    if (existing.has_segments || cli_journal_rotates(&options->journal))
        cli_signals_on_hangup(NULL, NULL);
    result = cli_key_open(verb, &options->journal.key, &target->schema, &target->key);
    return result == CLI_GO_ON ? open_journal(options, target, &existing) : result;
}

/* Opens it; what it replaces goes, or, when it cannot be opened, comes back. */
static int open_or_restore(const struct options *options, const struct cli_verb *verb,
                           struct target *target)
{
    int result = open_target(options, verb, target);

    if (result == CLI_GO_ON)
        cli_replaced_delete(&target->replaced);
    else
        cli_replaced_put_back(&target->replaced);
    return result;
}

static int write_stream(const struct cli_verb *verb, const struct options *options,
                        const struct cli_operands *inputs, const struct cli_schema *schema)
{
    struct target target = {.name = options->output,
                            .inputs = inputs,
                            .fd = -1,
                            .file = {.fd = -1},
                            .kind = FLS_CHECKSUM_XXH3,
                            .schema = *schema,
                            .is_json = options->form == FORM_JSONL,
                            .skip_bad = options->skip_bad};
    int result = check_inputs(options, inputs);

    target.is_stdout = strcmp(options->output, "-") == 0;
    if (target.is_stdout)
        target.name = "standard output";
    if (options->checksum != CLI_CHECKSUM_AUTO)
        target.kind = (enum fls_checksum_kind)(options->checksum - CLI_CHECKSUM_FIRST);
    if (result == CLI_GO_ON)
        result = open_or_restore(options, verb, &target);
    if (result == CLI_GO_ON)
        result = write_all(options, inputs, &target);
    if (target.is_torn)
        cli_report_free(&target.torn);
    fls_lock_give_back(&target.lock);
    cli_key_close(&target.key);
    return result;
}

static int check(const struct cli_verb *verb, struct options *options)
{
    if (!options->output)
        return cli_usage(verb, "where to? -o OUT names the stream; `-o -` is standard output");
    if (options->form == FORM_JSONL && !options->schema.file)
        return cli_usage(verb, "--from jsonl needs --schema FILE");
    if (options->schema.file && options->form != FORM_JSONL && !options->journal.key.field)
        return cli_usage(verb, "--schema goes with --from jsonl");
    if (options->skip_bad && options->form != FORM_JSONL)
        return cli_usage(verb, "--skip-bad goes with --from jsonl");
    if (options->repair && !options->append)
        return cli_usage(verb, "--repair goes with --append");
    if (options->append && options->replace)
        return cli_usage(verb, "either --append or --replace, not both");
    if (options->append && strcmp(options->output, "-") == 0)
        return cli_usage(verb, "--append needs a file that can be read, not standard output");
    if (options->direct && !options->uring)
        return cli_usage(verb, "--direct goes with --io uring");
    if (options->uring && strcmp(options->output, "-") == 0)
        return cli_usage(verb, "--io uring writes a regular file, not standard output");
    if (cli_journal_wanted(&options->journal) && strcmp(options->output, "-") == 0)
        return cli_usage(verb, "a journal is a file, not standard output");
    int result = cli_journal_check(verb, &options->journal);
    if (result != CLI_GO_ON)
        return result;
    if (options->async && options->framer != 0)
        return cli_usage(verb, "--async writes batches: it goes with --framer batched only");
    if (options->max_frame == 0)
        options->max_frame = FLS_PAYLOAD_BYTES_MAX_DEFAULT;
    return cli_check_max_frame(verb, &options->max_frame);
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = FLS_ZERO;
    const struct cli_option table[] = {
        {"output", 'o', CLI_TEXT, &options.output, NULL, 0},
        CLI_SCHEMA_FILE_OPTIONS(&options.schema),
        {"skip-bad", 0, CLI_FLAG, &options.skip_bad, NULL, 0},
        {"from", 0, CLI_CHOICE, &options.form, forms, 0},
        {"checksum", 0, CLI_CHOICE, &options.checksum, cli_checksum_choices, 0},
        {"framer", 0, CLI_CHOICE, &options.framer, framers, 0},
        {"batch", 0, CLI_COUNT, &options.batch, NULL, 1},
        {"io", 0, CLI_CHOICE, &options.uring, ways, 0},
        {"direct", 0, CLI_FLAG, &options.direct, NULL, 0},
        {"async", 0, CLI_FLAG, &options.async, NULL, 0},
        {"append", 0, CLI_FLAG, &options.append, NULL, 0},
        CLI_REPLACE_OPTION(&options.replace),
        {"repair", 0, CLI_FLAG, &options.repair, NULL, 0},
        {"max-frame", 0, CLI_BYTES, &options.max_frame, NULL, 1},
        CLI_JOURNAL_OPTIONS(&options.journal)};
    static char standard_input[] = "-";
    char *default_input[] = {standard_input};
    struct cli_operands inputs;
    struct cli_schema schema;

    options.as_typed = cli_command_copy(argc, argv);
    options.argc = argc;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &inputs);
    if (result == CLI_GO_ON)
        result = check(verb, &options);
    if (inputs.count == 0)
        inputs = (struct cli_operands){default_input, 1};
    if (result == CLI_GO_ON)
        result = cli_schema_open(verb, &options.schema, options.form == FORM_JSONL, &schema);
    if (result == CLI_GO_ON) {
        result = write_stream(verb, &options, &inputs, &schema);
        cli_schema_close(&schema);
    }
    free(options.as_typed);
    return result;
}

const struct cli_verb cli_verb_write = {"write", "make a stream of lines, records or files", help,
                                        run};
