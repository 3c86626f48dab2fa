/*
 * cmd_replay.c: a stream written again at the pace at which it was recorded.
 *
 * Every message has its moment on one clock, counted from the beginning of the replay: waits end at
 * absolute times, so that what one message is late does not add up over the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <flatstream/clock.h>

#include "cli/input.h"
#include "cli/livefile.h"
#include "cli/outfile.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"
#include "cli/sender.h"
#include "cli/signals.h"
#include "cli/time_key.h"
#include "journal/disk.h"

static const char help[] =
    "Usage: flatstream replay [OPTION]... --key FIELD --schema SCHEMA FILE OUT\n"
    "Writes the messages of FILE to OUT at the pace at which they were recorded, by a\n"
    "time in each of them. OUT is a file, a pipe, or `-` for standard output; FILE\n"
    "may be the name of a journal's segments, or `-`.\n"
    "\n" CLI_REPLACE_HELP "  --key FIELD        the field that is a message's time: a number\n"
    "  --time-unit UNIT   what it counts: ns, us, ms or s; auto (the default): what\n"
    "                     its name ends in (at_ms), else ns\n"
    "  --speed X          so many times as fast (1)\n"
    "  --max-gap SECONDS  no wait is longer; what comes after moves up\n" CLI_SCHEMA_HELP
        CLI_READ_HELP "\n"
    "The first message goes at once. A message whose time is not after that of one\n"
    "before it, or that has none, goes at once too. When OUT cannot take a message in\n"
    "time, those behind it follow as fast as it can until they are in time again. The\n"
    "bytes are those of FILE.\n"
    "\n"
    "On SIGINT, SIGTERM and SIGHUP the exit status is 128 and the signal's number;\n"
    "what was written is whole.\n"
    "\n" CLI_EXIT_HELP "\n"
    "Examples:\n"
    "  flatstream replay --key timestamp --schema t.fbs telemetry.fls - | consumer\n"
    "  flatstream replay --speed 10 --max-gap 1 --key t_ms --schema l.fbs \\\n"
    "      log.fls /run/log.pipe\n";

#define NS_PER_S 1e9

/* A signal that comes just before a wait is noticed when this is over. */
#define WAIT_NS_MAX UINT64_C(100000000)

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    struct cli_key_options key_options;
    const char *speed_text;
    const char *gap_text;
    double speed;
    double gap_ns; /* the longest wait; infinite: any */
    int replace;
    struct cli_key key;
};

/* The clock of a replay. Moments are nanoseconds since its beginning. */
struct pace {
    double unit_ns;
    uint64_t began_ns;
    int has_first;
    struct fls_value first;
    double cut_ns;    /* taken out of the waits so far */
    double latest_ns; /* the latest moment so far */
    uint64_t broken;  /* messages that are damaged inside */
};

struct replay {
    const struct options *options;
    const char *out;
    int fd;
    struct cli_livefile file; /* not of standard output */
    int is_begun;
    struct cli_sender sender;
    struct pace pace;
};

/* --- the pace ----------------------------------------------------------------------------------
 */

/* What no unit is known of counts nanoseconds. */
static double unit_ns(enum cli_time_unit unit)
{
    int64_t a_second = cli_units_a_second(unit);

    return a_second > 0 ? NS_PER_S / (double)a_second : 1;
}

/* How far `value` lies behind `first`, in units. Whole numbers are subtracted as such: a double
 * does not hold the nanoseconds since 1970. */
static double difference(const struct fls_value *value, const struct fls_value *first)
{
    switch (value->kind) {
    case FLS_VALUE_UNSIGNED:
        return value->unsigned_value >= first->unsigned_value
                   ? (double)(value->unsigned_value - first->unsigned_value)
                   : -(double)(first->unsigned_value - value->unsigned_value);
    case FLS_VALUE_SIGNED:
        return value->signed_value >= first->signed_value
                   ? (double)((uint64_t)value->signed_value - (uint64_t)first->signed_value)
                   : -(double)((uint64_t)first->signed_value - (uint64_t)value->signed_value);
    case FLS_VALUE_REAL:
        return value->real_value - first->real_value;
    default:
        return 0;
    }
}

/* The message's moment. A wait that is too long is cut, and all that comes later moves up. */
static double moment_of(const struct options *options, struct pace *pace,
                        const struct fls_message *message)
{
    struct fls_value value;

    enum cli_key_found found = cli_key_read(&options->key, message, &value);

    pace->broken += found == CLI_KEY_BROKEN;
    if (found != CLI_KEY_FOUND || (value.kind == FLS_VALUE_REAL && !isfinite(value.real_value)))
        return pace->latest_ns;
    if (!pace->has_first) {
        pace->has_first = 1;
        pace->first = value;
    }
    double moment =
        difference(&value, &pace->first) * pace->unit_ns / options->speed - pace->cut_ns;
    if (moment - pace->latest_ns > options->gap_ns) {
        pace->cut_ns += moment - pace->latest_ns - options->gap_ns;
        moment = pace->latest_ns + options->gap_ns;
    }
    if (moment > pace->latest_ns)
        pace->latest_ns = moment;
    return pace->latest_ns;
}

/* Waits for the moment; what was written before goes out first. `sent`: the bytes of the input
 * before the message that waits, which move on the screen while nothing is read. */
static enum fls_status await(struct replay *replay, double moment, uint64_t sent)
{
    uint64_t now = fls_clock_now_ns(NULL);
    double left = moment - (double)(now - replay->pace.began_ns);

    cli_progress_tick_work(sent);
    if (left <= 0)
        return FLS_OK;
    enum fls_status status = cli_sender_flush(&replay->sender);
    while (status == FLS_OK && left > 0 && !cli_signal()) {
        cli_progress_tick_work(sent);
        uint64_t step = left < (double)WAIT_NS_MAX ? (uint64_t)left : WAIT_NS_MAX;
        cli_wait_until(now + step);
        now = fls_clock_now_ns(NULL);
        left = moment - (double)(now - replay->pace.began_ns);
        if (left < 1)
            break;
    }
    return status;
}

/* --- the output --------------------------------------------------------------------------------
 */

static int is_the_input(const struct cli_input *input, const struct stat *output)
{
    struct stat information;

    return input->fd >= 0 && fstat(input->fd, &information) == 0 && S_ISREG(information.st_mode) &&
           information.st_dev == output->st_dev && information.st_ino == output->st_ino;
}

static int open_output(struct replay *replay, const struct cli_input *input)
{
    struct stat information;
    struct fls_error error;

    if (strcmp(replay->out, "-") == 0 && cli_out_is_terminal()) {
        cli_error(NULL, CLI_OUT_NO_STREAM);
        return CLI_USAGE;
    }
    if (strcmp(replay->out, "-") == 0) {
        replay->out = "standard output";
        replay->fd = STDOUT_FILENO;
        cli_reader_watch_output(NULL);
        return CLI_GO_ON;
    }
    if (stat(replay->out, &information) == 0 && is_the_input(input, &information)) {
        cli_error(replay->out, "is the input too; nothing was written");
        return CLI_USAGE;
    }
    enum fls_status status =
        cli_livefile_open(&replay->file, replay->out,
                          replay->options->replace ? CLI_LIVE_REPLACE : CLI_LIVE_NEW, 0, &error);
    replay->fd = replay->file.fd;
    if (status == FLS_OK) {
        cli_reader_watch(replay->fd, replay->out);
        return CLI_GO_ON;
    }
    if (status == FLS_STOPPED)
        return cli_signal_exit();
    cli_fail(replay->out, &error, "nothing was written");
    return cli_exit_of(status);
}

/* All is open: from here on OUT is what is written. */
static enum fls_status begin_output(struct replay *replay, struct fls_error *error)
{
    enum fls_status status = cli_livefile_begin(&replay->file, error);

    replay->is_begun = status == FLS_OK;
    return status;
}

static int open_sender(struct replay *replay, const struct cli_input *input)
{
    struct fls_writer_options writing = {.framer = FLS_FRAMER_BATCHED,
                                         .checksum = input->kind,
                                         .payload_bytes_max = replay->options->read.max_frame};
    struct fls_sink *sink;
    struct fls_error error;
    enum fls_status status = fls_sink_open_fd(replay->fd, FLS_BORROWED, &sink, &error);

    replay->sender.fd = replay->fd;
    if (status == FLS_OK)
        status = cli_sender_open(&replay->sender, sink, &writing, 0, &error);
    if (status == FLS_OK)
        return CLI_GO_ON;
    cli_fail(replay->out, &error, "nothing was written");
    return cli_exit_of(status);
}

static int output_failed(struct replay *replay)
{
    struct fls_error error = cli_sender_error(&replay->sender);
    int cut = 0;

    cli_sender_abandon(&replay->sender);
    if (error.status == FLS_IO && error.os_errno == EPIPE && replay->fd == STDOUT_FILENO)
        cli_end_by_pipe();
    if (error.status == FLS_IO && replay->file.is_regular && error.has_frame)
        cut = fls_disk_cut(replay->fd, error.offset, NULL) == FLS_OK;
    cli_fail(replay->out, &error,
             cut ? "the frames before it are whole in the file"
                 : "what it took before may end inside a frame");
    return cli_exit_of(error.status);
}

/* --- the replay --------------------------------------------------------------------------------
 */

/* Writes all messages, each at its moment. *output_failed: the error is the sender's. */
static enum fls_status play(struct replay *replay, struct fls_reader *reader, int *output_failed)
{
    struct fls_message message;
    enum fls_status status;

    replay->pace.began_ns = fls_clock_now_ns(NULL);
    while (!cli_signal() && (status = fls_reader_next(reader, &message)) == FLS_OK) {
        *output_failed = 1;
        status = await(replay, moment_of(replay->options, &replay->pace, &message), message.offset);
        if (status == FLS_OK && !cli_signal())
            status = cli_sender_write(&replay->sender, message.payload, message.bytes);
        if (status != FLS_OK)
            return status;
        *output_failed = 0;
    }
    return cli_signal() ? FLS_STOPPED : status;
}

static int finish(struct replay *replay, const struct cli_input *input, enum fls_status status,
                  const struct fls_error *error)
{
    uint64_t messages = cli_sender_messages(&replay->sender), bytes;
    struct fls_error own;

    if (cli_sender_flush(&replay->sender) != FLS_OK)
        return output_failed(replay);
    bytes = cli_sender_bytes(&replay->sender);
    if (cli_sender_close(&replay->sender, &own) != FLS_OK ||
        cli_livefile_check(&replay->file, bytes, &own) != FLS_OK) {
        cli_fail(replay->out, &own, "the last messages may be lost");
        return CLI_SYSTEM;
    }
    if (status == FLS_STOPPED) {
        cli_error(replay->out, "interrupted: %" PRIu64 " messages were written, and are whole",
                  messages);
        return cli_signal_exit();
    }
    int broken = cli_key_tell_broken(input->name, replay->pace.broken);
    if (cli_exit_of(status) == CLI_WELL)
        return broken;
    cli_input_fail(input, error, NULL);
    return cli_exit_of(status);
}

static int play_input(struct replay *replay, struct cli_input *input)
{
    struct fls_reader_options reading = {.checksum = input->kind,
                                         .payload_bytes_max = replay->options->read.max_frame,
                                         .start_offset = input->offset};
    struct fls_reader *reader;
    struct fls_error error;
    int failed = 0;
    enum fls_status status = fls_reader_open(input->source, &reading, &reader, &error);

    if (status != FLS_OK) {
        cli_fail(input->name, &error, NULL);
        return cli_exit_of(status);
    }
    status = begin_output(replay, &error);
    if (status != FLS_OK) {
        fls_reader_close(reader);
        cli_fail(replay->out, &error, "nothing was written");
        return cli_exit_of(status);
    }
    cli_progress_begin_work(input->name, input->bytes, replay->fd == STDOUT_FILENO);
    status = play(replay, reader, &failed);
    cli_progress_end();
    error = *fls_reader_error(reader);
    fls_reader_close(reader);
    return failed ? output_failed(replay) : finish(replay, input, status, &error);
}

static int replay_open(struct replay *replay, struct cli_input *input)
{
    if (input->fit == CLI_FIT_SEVERAL) {
        cli_error(input->name, "ambiguous: %s fit, and read it differently; say --checksum KIND",
                  cli_candidate_names(input->candidates));
        return CLI_USAGE;
    }
    if (input->fit == CLI_FIT_NONE) {
        cli_fail(input->name, &input->no_fit, NULL);
        return cli_exit_of(input->no_fit.status);
    }
    int result = open_output(replay, input);
    if (result == CLI_GO_ON)
        result = open_sender(replay, input);
    if (result == CLI_GO_ON)
        result = play_input(replay, input);
    if (!replay->is_begun) {
        cli_sender_abandon(&replay->sender);
        cli_livefile_give_up(&replay->file);
        return result;
    }
    if (replay->fd > STDOUT_FILENO && close(replay->fd) != 0 && errno != EINTR &&
        result == CLI_WELL) {
        cli_error(replay->out, "%s; the last messages may be lost", strerror(errno));
        result = CLI_SYSTEM;
    }
    return result;
}

static int replay(const struct options *options, const char *path, const char *out)
{
    struct replay replay = {.options = options, .out = out, .fd = -1, .file = {.fd = -1}};
    struct cli_input input;
    struct fls_error error;
    enum fls_status status = cli_input_open(&input, path, &options->read, &error);

    replay.pace.unit_ns = unit_ns(options->key.unit);
    if (status != FLS_OK) {
        cli_fail(cli_input_name(path), &error, NULL);
        return cli_exit_of(status);
    }
    cli_signals_catch();
    int result = replay_open(&replay, &input);
    cli_input_close(&input);
    return result;
}

/* --- the options -------------------------------------------------------------------------------
 */

/* A number above `least`. */
static int parse_real(const struct cli_verb *verb, const char *option, const char *text,
                      double least, double *number)
{
    char *end;

    if (!text)
        return CLI_GO_ON;
    *number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(*number) || *number < least)
        return cli_usage(verb, "--%s: '%s' is no number from %g on", option, text, least);
    return CLI_GO_ON;
}

static int check(const struct cli_verb *verb, struct options *options,
                 const struct cli_operands *files)
{
    options->speed = 1;
    options->gap_ns = INFINITY;
    int result = parse_real(verb, "speed", options->speed_text, 1e-6, &options->speed);
    if (result == CLI_GO_ON)
        result = parse_real(verb, "max-gap", options->gap_text, 0, &options->gap_ns);
    if (result == CLI_GO_ON)
        result = cli_check_max_frame(verb, &options->read.max_frame);
    if (result != CLI_GO_ON)
        return result;
    options->gap_ns *= NS_PER_S;
    if (!options->key_options.field || !options->schema.file)
        return cli_usage(verb, "the pace of what? --key FIELD and --schema FILE name the time");
    if (files->count != 2)
        return cli_usage(verb, files->count == 0   ? "which FILE? `-` is standard input"
                               : files->count == 1 ? "where to? OUT, or `-`"
                                                   : "one FILE and one OUT at a time");
    return CLI_GO_ON;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = FLS_ZERO;
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options.read),
                                       CLI_SCHEMA_OPTIONS(&options.schema),
                                       CLI_KEY_OPTION(&options.key_options),
                                       CLI_TIME_UNIT_OPTION(&options.key_options),
                                       {"speed", 0, CLI_TEXT, &options.speed_text, NULL, 0},
                                       CLI_REPLACE_OPTION(&options.replace),
                                       {"max-gap", 0, CLI_TEXT, &options.gap_text, NULL, 0}};
    struct cli_operands files;
    struct cli_schema schema;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = check(verb, &options, &files);
    if (result == CLI_GO_ON)
        result = cli_schema_open(verb, &options.schema, 0, &schema);
    if (result != CLI_GO_ON)
        return result;
    result = cli_key_open(verb, &options.key_options, &schema, &options.key);
    if (result == CLI_GO_ON)
        result = replay(&options, files.argv[0], files.argv[1]);
    cli_key_close(&options.key);
    cli_schema_close(&schema);
    return result;
}

const struct cli_verb cli_verb_replay = {"replay", "write a stream again at its recorded pace",
                                         help, run};
