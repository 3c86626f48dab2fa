/*
 * telemetry_agent.c: records what this machine does, as a stream of FlatBuffers.
 *
 * A deadline every 1/rate seconds, counted from the start, so that delays do not add up. A sample
 * that could not begin before the next one was due is late; deadlines that have passed are not made
 * up for (that would show one instant several times) but counted, also in the messages. Between
 * deadlines: the process scan, the batch when it is old enough, sleep.
 *
 * The writer batches, and no message waits longer than 100 ms in the batch: that much a SIGKILL
 * loses. SIGINT and SIGTERM end the recording in order.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <flatstream/builder.h>
#include <flatstream/flatstream.h>

#include "telemetry_agent/machine.h"
#include "telemetry_agent/message.h"
#include "telemetry_agent/processes.h"

enum { EXIT_WELL = 0, EXIT_USAGE = 2, EXIT_SYSTEM = 3 };

#define NS_A_SECOND ((uint64_t)1000000000)
#define BATCH_AGE_MS 100
#define RATE_MAX 100000
#define SECONDS_MAX 1e9
#define PROCESSES_MAX 1000
/* A signal just before falling asleep is seen after so long at the latest. */
#define SLEEP_NS_MAX ((uint64_t)200 * 1000 * 1000)

struct settings {
    const char *output;
    uint64_t rate;
    double seconds;
    size_t processes;
    enum fls_checksum_kind checksum;
    enum fls_framer framer;
};

struct agent {
    struct machine *machine;
    struct processes *processes;
    struct fls_builder *builder;
    struct fls_writer *writer;
    int output_fd; /* standard output, or -1 for a file */
    char host[sizeof((struct utsname *)0)->nodename];
    uint64_t samples;
    uint64_t late;
    uint64_t missed;
    uint64_t took_ns;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* ---- what was asked for ---- */

static const char help[] =
    "usage: telemetry_agent -o FILE [options]\n"
    "\n"
    "Records this machine's telemetry from /proc as a stream of FlatBuffers (the schema is\n"
    "schemas/telemetry.fbs): processors, memory, load, disks, network interfaces, and the\n"
    "busiest processes.\n"
    "\n"
    "  -o, --output FILE     where to; - is standard output. A file that is there is replaced\n"
    "      --rate N          messages a second, 1 to 100000 (default 1000)\n"
    "      --seconds S       for how long; 0: until interrupted (default 5)\n"
    "      --checksum KIND   none, crc16, crc32 or xxh3 (default xxh3)\n"
    "      --framer KIND     simple: two writes a message; vectored: one; batched: one for many,\n"
    "                        at most 100 ms late (default batched)\n"
    "      --processes N     how many of the busiest, 0 for none (default 5)\n"
    "  -h, --help            this text\n"
    "\n"
    "All files are read anew for each message, except for the processes: those are scanned four\n"
    "times a second, and processes_age_ms in the message says how long ago.\n"
    "Ctrl-C ends the recording in order. A summary goes to standard error.\n"
    "\n"
    "examples:\n"
    "  telemetry_agent -o machine.fls --seconds 10\n"
    "  telemetry_agent -o - --rate 10 --seconds 0 | flatstream cat - --as json \\\n"
    "      --schema schemas/telemetry.fbs\n"
    "\n"
    "exit status: 0 all well, 2 wrong usage, 3 the system failed\n";

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "telemetry_agent: %s%s%s; try --help\n", what, value ? ": " : "",
            value ? value : "");
    return EXIT_USAGE;
}

static int parse_count(const char *text, uint64_t least, uint64_t most, uint64_t *count)
{
    char *end;

    errno = 0;
    *count = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *count >= least &&
           *count <= most;
}

static int parse_seconds(const char *text, double *seconds)
{
    char *end;

    *seconds = strtod(text, &end);
    return end != text && *end == '\0' && *seconds >= 0 && *seconds <= SECONDS_MAX;
}

static int parse_framer(const char *text, enum fls_framer *framer)
{
    if (strcmp(text, "simple") == 0)
        *framer = FLS_FRAMER_LEGACY;
    else if (strcmp(text, "vectored") == 0)
        *framer = FLS_FRAMER_VECTORED;
    else if (strcmp(text, "batched") == 0)
        *framer = FLS_FRAMER_BATCHED;
    else
        return 0;
    return 1;
}

/* One option with its value: 1, or 0 when the value will not do. */
static int take_option(struct settings *settings, int option, const char *value)
{
    uint64_t count;

    switch (option) {
    case 'o':
        settings->output = value;
        return value[0] != '\0';
    case 'r':
        return parse_count(value, 1, RATE_MAX, &settings->rate);
    case 's':
        return parse_seconds(value, &settings->seconds);
    case 'c':
        return fls_checksum_from_name(value, &settings->checksum) == FLS_OK &&
               settings->checksum != FLS_CHECKSUM_CUSTOM;
    case 'f':
        return parse_framer(value, &settings->framer);
    default:
        if (!parse_count(value, 0, PROCESSES_MAX, &count))
            return 0;
        settings->processes = (size_t)count;
        return 1;
    }
}

/* -1: go on; else the exit status. */
static int parse_arguments(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'},  {"rate", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 's'}, {"checksum", required_argument, NULL, 'c'},
        {"framer", required_argument, NULL, 'f'},  {"processes", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
        if (option == 'h')
            return fputs(help, stdout) < 0 || fflush(stdout) != 0 ? EXIT_SYSTEM : EXIT_WELL;
        if (option == ':')
            return usage("a value is missing after", argv[optind - 1]);
        if (option == '?')
            return usage("no such option", argv[optind - 1]);
        if (!take_option(settings, option, optarg))
            return usage("this value will not do", optarg);
    }
    if (optind < argc)
        return usage("one thing too many", argv[optind]);
    if (!settings->output)
        return usage("where to? give -o FILE", NULL);
    if (strcmp(settings->output, "-") == 0 && isatty(STDOUT_FILENO))
        return usage("binary data will not be written to a terminal", NULL);
    return -1;
}

/* ---- time ---- */

static void sleep_until(uint64_t when_ns)
{
    struct timespec when = {.tv_sec = (time_t)(when_ns / NS_A_SECOND),
                            .tv_nsec = (long)(when_ns % NS_A_SECOND)};

    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- writing ---- */

/* Standard output may be a non-blocking pipe that is full: waits until it takes more. */
static void wait_for_room(const struct agent *agent)
{
    struct pollfd output = {.fd = agent->output_fd, .events = POLLOUT};

    (void)poll(&output, 1, BATCH_AGE_MS);
}

static enum fls_status write_message(struct agent *agent, const struct fls_payload *payload)
{
    enum fls_status status;

    while ((status = fls_writer_write_payload(agent->writer, payload)) == FLS_AGAIN)
        wait_for_room(agent);
    return status;
}

/* Sends the batch if it is old enough; *due_ns is when that will be so. */
static enum fls_status send_old_batch(struct agent *agent, uint64_t now_ns, uint64_t *due_ns)
{
    int wait_ms = -1;
    enum fls_status status;

    while ((status = fls_writer_flush_due(agent->writer, &wait_ms)) == FLS_AGAIN)
        wait_for_room(agent);
    *due_ns = now_ns + SLEEP_NS_MAX;
    if (status == FLS_OK && wait_ms >= 0)
        *due_ns = earlier(*due_ns, now_ns + (uint64_t)wait_ms * 1000000 + 1);
    return status;
}

/* ---- sampling ---- */

/* Scans processes, sends the batch and sleeps, until the deadline or a signal. */
static enum fls_status idle_until(struct agent *agent, uint64_t deadline_ns)
{
    do {
        uint64_t scan_ns = processes_step(agent->processes, deadline_ns);
        uint64_t now_ns = fls_clock_now_ns(NULL);
        uint64_t batch_ns;
        enum fls_status status = send_old_batch(agent, now_ns, &batch_ns);

        if (status != FLS_OK)
            return status;
        if (now_ns >= deadline_ns)
            break;
        sleep_until(earlier(deadline_ns, earlier(scan_ns, batch_ns)));
    } while (!stop && fls_clock_now_ns(NULL) < deadline_ns);
    return FLS_OK;
}

static enum fls_status take_sample(struct agent *agent)
{
    const struct sample *sample = machine_sample(agent->machine);
    struct process_list list = processes_list(agent->processes);
    struct message_facts facts = {.host = agent->host,
                                  .sequence = agent->samples,
                                  .missed = agent->missed,
                                  .now_ns = fls_clock_now_ns(NULL)};
    struct fls_payload payload;
    enum fls_status status = message_build(agent->builder, &facts, sample, &list, &payload);

    if (status != FLS_OK)
        return status;
    agent->samples++;
    return write_message(agent, &payload);
}

/* Shares need two looks: the first one at the counts was taken when the machine was opened. */
static void warm_up(struct agent *agent)
{
    uint64_t ready_ns;

    (void)processes_step(agent->processes, UINT64_MAX);
    ready_ns = fls_clock_now_ns(NULL) + MACHINE_WINDOW_NS;
    while (!stop && fls_clock_now_ns(NULL) < ready_ns)
        sleep_until(ready_ns);
    (void)processes_step(agent->processes, UINT64_MAX);
}

/* The deadline that passed last, as a number from 0. */
static uint64_t present_turn(uint64_t start_ns, uint64_t rate)
{
    uint64_t gone_ns = fls_clock_now_ns(NULL) - start_ns;

    return gone_ns / NS_A_SECOND * rate + gone_ns % NS_A_SECOND * rate / NS_A_SECOND;
}

static uint64_t turns_of(const struct settings *settings)
{
    double turns = settings->seconds * (double)settings->rate;

    if (turns <= 0)
        return UINT64_MAX;
    return turns < 1 ? 1 : (uint64_t)turns;
}

/* When deadline number `turn` is; no rounding error adds up. */
static uint64_t deadline_of(uint64_t start_ns, uint64_t rate, uint64_t turn)
{
    return start_ns + turn / rate * NS_A_SECOND + turn % rate * NS_A_SECOND / rate;
}

static void count_late(struct agent *agent, uint64_t deadlines_passed)
{
    agent->late += deadlines_passed > 0;
    agent->missed += deadlines_passed;
}

/* Ends when the time is up, not with the last sample. */
static enum fls_status record(struct agent *agent, const struct settings *settings)
{
    uint64_t turns = turns_of(settings), rate = settings->rate;
    uint64_t start_ns = fls_clock_now_ns(NULL);
    enum fls_status status = FLS_OK;
    uint64_t turn;

    for (turn = 0; status == FLS_OK; turn++) {
        uint64_t present;

        status = idle_until(agent, deadline_of(start_ns, rate, turn));
        if (status != FLS_OK || stop || turn == turns)
            break;
        present = earlier(present_turn(start_ns, rate), turns - 1);
        if (present > turn) {
            count_late(agent, present - turn);
            turn = present;
        }
        status = take_sample(agent);
    }
    agent->took_ns = fls_clock_now_ns(NULL) - start_ns;
    return status;
}

/* ---- life ---- */

static enum fls_status open_writer(struct agent *agent, const struct settings *settings,
                                   struct fls_error *error)
{
    struct fls_writer_options options = {.framer = settings->framer,
                                         .checksum = settings->checksum,
                                         .batch_age_ms = BATCH_AGE_MS,
                                         .owns_sink = 1};
    struct fls_sink *sink;
    enum fls_status status;

    if (strcmp(settings->output, "-") != 0)
        return fls_writer_open_file(settings->output, FLS_FILE_TRUNCATE, &options, &agent->writer,
                                    error);
    agent->output_fd = STDOUT_FILENO;
    status = fls_sink_open_fd(STDOUT_FILENO, FLS_BORROWED, &sink, error);
    if (status != FLS_OK)
        return status;
    status = fls_writer_open(sink, &options, &agent->writer, error);
    if (status != FLS_OK)
        (void)fls_sink_close(sink, NULL);
    return status;
}

static enum fls_status open_agent(struct agent *agent, const struct settings *settings,
                                  struct fls_error *error)
{
    struct utsname name;
    enum fls_status status = fls_builder_open(NULL, &agent->builder, error);

    if (status != FLS_OK)
        return status;
    if (uname(&name) == 0)
        (void)text_plain((struct text){name.nodename, name.nodename + strlen(name.nodename)},
                         agent->host, sizeof agent->host - 1);
    agent->machine = machine_open("/proc");
    agent->processes = processes_open("/proc", settings->processes);
    if (!agent->machine || !agent->processes) {
        error->status = FLS_NO_MEMORY;
        return FLS_NO_MEMORY;
    }
    return open_writer(agent, settings, error);
}

/* Sends what the writer still holds, and frees everything. */
static enum fls_status close_agent(struct agent *agent, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    if (agent->writer)
        while ((status = fls_writer_close(agent->writer, error)) == FLS_AGAIN)
            wait_for_room(agent);
    fls_builder_close(agent->builder);
    machine_close(agent->machine);
    processes_close(agent->processes);
    return status;
}

/* The first error of the recording: the builder's or the writer's. */
static void keep_error(const struct agent *agent, struct fls_error *error)
{
    const struct fls_error *built = fls_builder_error(agent->builder);

    *error = built->status != FLS_OK ? *built : *fls_writer_error(agent->writer);
}

static void report(const struct agent *agent, uint64_t bytes)
{
    double seconds = (double)agent->took_ns / 1e9;

    fprintf(stderr,
            "telemetry_agent: %" PRIu64 " messages, %" PRIu64 " bytes in %.3f s: %.1f a second; "
            "%" PRIu64 " late (%" PRIu64 " deadlines missed)\n",
            agent->samples, bytes, seconds, seconds > 0 ? (double)agent->samples / seconds : 0.0,
            agent->late, agent->missed);
}

static int fail(const struct settings *settings, const struct fls_error *error)
{
    char text[512];

    (void)fls_error_format(error, text, sizeof text);
    fprintf(stderr, "telemetry_agent: %s: %s\n", settings->output, text);
    return EXIT_SYSTEM;
}

static int run(const struct settings *settings)
{
    struct agent agent = {.output_fd = -1};
    struct fls_error error = FLS_ZERO;
    struct fls_error closing = FLS_ZERO;
    uint64_t bytes = 0;
    enum fls_status status = open_agent(&agent, settings, &error);
    enum fls_status closed;

    if (status == FLS_OK) {
        warm_up(&agent);
        status = record(&agent, settings);
        if (status != FLS_OK)
            keep_error(&agent, &error);
        fls_writer_position(agent.writer, &bytes, NULL);
    }
    closed = close_agent(&agent, &closing);
    if (status != FLS_OK)
        return fail(settings, &error);
    if (closed != FLS_OK)
        return fail(settings, &closing);
    report(&agent, bytes);
    return EXIT_WELL;
}

/* A second signal of the same kind ends the program at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv)
{
    struct settings settings = {.rate = 1000,
                                .seconds = 5,
                                .processes = 5,
                                .checksum = FLS_CHECKSUM_XXH3,
                                .framer = FLS_FRAMER_BATCHED};
    int exit_status = parse_arguments(argc, argv, &settings);

    if (exit_status >= 0)
        return exit_status;
    catch_signals();
    /* Timers may be 50 µs late by default, to save power; that is much of a millisecond. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    return run(&settings);
}
