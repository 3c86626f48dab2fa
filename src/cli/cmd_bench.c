/*
 * cmd_bench.c: what this machine writes and reads in a second, beside what it can do at all.
 *
 * Every figure is the median of several rounds, and in a round each thing has its turn for the same
 * short time, so that a disturbance hits all alike. A pass overwrites, or reads, the same few
 * megabytes of one file: rates are of warm memory unless --dir names a disk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <flatstream/clock.h>
#include <flatstream/reader.h>
#include <flatstream/writer.h>

#include "cli/bench.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"

static const char help[] =
    "Usage: flatstream bench [OPTION]...\n"
    "Measures how fast this machine writes and reads streams: each framer, each kind\n"
    "of checksum, several message sizes, beside memcpy and the bare system calls.\n"
    "Prints one table for each size; a cell is nanoseconds a message, and payload\n"
    "megabytes (10^6 bytes) a second. Medians of interleaved runs.\n"
    "\n"
    "  write ...          into a file: simple (two calls a message), vectored (one),\n"
    "                     batched\n"
    "  read               the file back, each checksum verified\n"
    "  through a pipe     batched, end to end, to a thread that reads\n"
    "  hand-over          what write --async costs the thread that has the messages\n"
    "\n"
    "  --sizes LIST       message sizes, with commas (64,1K,16K); at most 16M each\n"
    "  --checksum KIND    only this kind (auto, the default: all)\n"
    "  --seconds N        how long to measure in all (12)\n"
    "  --quick            about 3 seconds; rougher\n"
    "  --dir DIR          write to a file there (which is removed) instead of memory;\n"
    "                     then measure its disk too: through the page cache, and past\n"
    "                     it\n"
    "  --disk-bytes B     how much goes to that disk each time (256M, with --quick\n"
    "                     64M); with less than memory holds it shows memory too; 0:\n"
    "                     nothing\n"
    "\n"
    "Exit status: 0 all well, 2 wrong usage, 3 the system failed.\n"
    "\n"
    "Examples:\n"
    "  flatstream bench --quick\n"
    "  flatstream bench --sizes 256,4K --checksum xxh3 --dir /var/tmp\n"
    "  flatstream bench --quick --dir /var/tmp --disk-bytes 4G\n";

#define SIZES_MAX 16
#define KINDS 4
#define ROUNDS_MAX 7
#define MESSAGE_BYTES_MAX (UINT64_C(16) * 1024 * 1024)
#define PASS_BYTES ((size_t)4 * 1024 * 1024)
#define PASS_MESSAGES_MAX 8192
#define BLOCK_BYTES ((size_t)256 * 1024)

#define DISK_BYTES (UINT64_C(256) << 20)
#define DISK_BYTES_QUICK (UINT64_C(64) << 20)
#define DISK_BYTES_UNSET UINT64_MAX
#define DISK_ROUNDS 3

/* What goes through a pipe in one pass: more, since two threads are begun and ended for it. */
#define PIPE_BYTES ((size_t)16 * 1024 * 1024)
#define PIPE_MESSAGES_MAX ((size_t)16 * PASS_MESSAGES_MAX)

/* What is measured; those from FIRST_FRAMED on with each kind of checksum. A read comes behind the
 * write that it reads. */
enum row {
    MEMCPY,
    WRITE_EACH,
    WRITE_BLOCKS,
    READ_BLOCKS,
    SIMPLE,
    VECTORED,
    BATCHED,
    READ,
    PIPED,
    HANDOVER,
    ROWS
};
#define FIRST_FRAMED SIMPLE

static const char *const row_names[ROWS] = {"memcpy",
                                            "write(2), each message",
                                            "write(2), 256 KiB blocks",
                                            "read(2), 256 KiB blocks",
                                            "write, simple",
                                            "write, vectored",
                                            "write, batched",
                                            "read",
                                            "through a pipe",
                                            "hand-over, --async"};

struct options {
    uint64_t sizes[SIZES_MAX];
    size_t size_count;
    int checksum;
    uint64_t seconds;
    uint64_t disk_bytes;
    int quick;
    const char *dir;
};

struct bench {
    int fd;
    size_t message_bytes;
    size_t messages; /* in a pass */
    uint8_t *message;
    uint8_t *block;
    uint8_t *copy;
    struct fls_writer *writer;
    struct fls_reader *reader;
    uint64_t slice_ns;
    unsigned rounds;
    unsigned turns; /* done so far */
    double samples[ROWS][KINDS][ROUNDS_MAX];
};

/* --- one pass of each: 0 or an errno -----------------------------------------------------------
 */

static int pass_memcpy(struct bench *bench)
{
    for (size_t i = 0; i < bench->messages; i++) {
        memcpy(bench->copy, bench->message, bench->message_bytes);
        __asm__ volatile("" : : "r"(bench->copy) : "memory"); /* it is to be done each time */
    }
    return 0;
}

static int write_bytes(int fd, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : EIO;
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

static int pass_write_each(struct bench *bench)
{
    int failure = 0;

    for (size_t i = 0; i < bench->messages && failure == 0; i++)
        failure = write_bytes(bench->fd, bench->message, bench->message_bytes);
    return failure;
}

static int pass_write_blocks(struct bench *bench)
{
    size_t used = 0;
    int failure = 0;

    for (size_t i = 0; i < bench->messages && failure == 0; i++) {
        if (bench->message_bytes > BLOCK_BYTES - used) {
            failure = write_bytes(bench->fd, bench->block, used);
            used = 0;
        }
        if (bench->message_bytes > BLOCK_BYTES) {
            failure = write_bytes(bench->fd, bench->message, bench->message_bytes);
        } else {
            memcpy(bench->block + used, bench->message, bench->message_bytes);
            used += bench->message_bytes;
        }
    }
    return failure ? failure : write_bytes(bench->fd, bench->block, used);
}

static int pass_read_blocks(struct bench *bench)
{
    ssize_t got;

    do {
        got = read(bench->fd, bench->block, BLOCK_BYTES);
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? errno : 0;
}

int cli_bench_errno(enum fls_status status, const struct fls_error *error)
{
    if (status == FLS_OK || status == FLS_END)
        return 0;
    if (status == FLS_NO_MEMORY)
        return ENOMEM;
    return status == FLS_IO ? error->os_errno : EBADMSG;
}

/* --- a turn's writer or reader, open over its passes: fresh memory may be dear to touch ---------
 */

static int open_writer(struct bench *bench, enum fls_framer framer, enum fls_checksum_kind kind)
{
    struct fls_writer_options options = {.framer = framer, .checksum = kind, .owns_sink = 1};
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;
    enum fls_status status = fls_sink_open_fd(bench->fd, FLS_BORROWED, &sink, &error);

    if (status != FLS_OK)
        return cli_bench_errno(status, &error);
    status = fls_writer_open(sink, &options, &bench->writer, &error);
    if (status != FLS_OK)
        fls_sink_close(sink, NULL);
    return cli_bench_errno(status, &error);
}

static int open_reader(struct bench *bench, enum fls_checksum_kind kind)
{
    struct fls_reader_options options = {.checksum = kind, .alignment = 1, .owns_source = 1};
    struct fls_error error = FLS_ZERO;
    struct fls_source *source;
    enum fls_status status = fls_source_open_fd(bench->fd, FLS_BORROWED, 0, &source, &error);

    if (status != FLS_OK)
        return cli_bench_errno(status, &error);
    status = fls_reader_open(source, &options, &bench->reader, &error);
    if (status != FLS_OK)
        fls_source_close(source);
    return cli_bench_errno(status, &error);
}

static int open_for(struct bench *bench, enum row row, enum fls_checksum_kind kind)
{
    switch (row) {
    case SIMPLE:
        return open_writer(bench, FLS_FRAMER_LEGACY, kind);
    case VECTORED:
        return open_writer(bench, FLS_FRAMER_VECTORED, kind);
    case BATCHED:
        return open_writer(bench, FLS_FRAMER_BATCHED, kind);
    case READ:
        return open_reader(bench, kind);
    default:
        return 0;
    }
}

static int close_both(struct bench *bench)
{
    struct fls_error error = FLS_ZERO;
    enum fls_status status = fls_writer_close(bench->writer, &error);

    fls_reader_close(bench->reader);
    bench->writer = NULL;
    bench->reader = NULL;
    return cli_bench_errno(status, &error);
}

static int pass_write(struct bench *bench)
{
    enum fls_status status = FLS_OK;

    for (size_t i = 0; i < bench->messages && status == FLS_OK; i++)
        status = fls_writer_write(bench->writer, bench->message, bench->message_bytes);
    if (status == FLS_OK)
        status = fls_writer_flush(bench->writer, FLS_LEVEL_PROCESS);
    return cli_bench_errno(status, fls_writer_error(bench->writer));
}

/* The file was rewound: what was its end is no longer. */
static int pass_read(struct bench *bench)
{
    struct fls_message message;
    enum fls_status status;

    while ((status = fls_reader_next(bench->reader, &message)) == FLS_OK)
        continue;
    return cli_bench_errno(status, fls_reader_error(bench->reader));
}

static int pass(struct bench *bench, enum row row)
{
    switch (row) {
    case MEMCPY:
        return pass_memcpy(bench);
    case WRITE_EACH:
        return pass_write_each(bench);
    case WRITE_BLOCKS:
        return pass_write_blocks(bench);
    case READ_BLOCKS:
        return pass_read_blocks(bench);
    case READ:
        return pass_read(bench);
    default:
        return pass_write(bench);
    }
}

/* --- rounds ------------------------------------------------------------------------------------
 */

static int rewind_file(const struct bench *bench)
{
    return lseek(bench->fd, 0, SEEK_SET) < 0 ? errno : 0;
}

/* The turn of what has threads of its own, which is not made of passes over the file. */
static int measure_threads(struct bench *bench, enum row row, enum fls_checksum_kind kind,
                           double *ns)
{
    size_t messages = PIPE_BYTES / bench->message_bytes;
    int failure = ftruncate(bench->fd, 0) != 0 ? errno : 0;

    if (failure == 0 && row == HANDOVER)
        return cli_bench_handover(bench->fd, bench->message, bench->message_bytes, kind,
                                  bench->slice_ns, ns);
    messages = messages < 1 ? 1 : messages > PIPE_MESSAGES_MAX ? PIPE_MESSAGES_MAX : messages;
    if (failure == 0)
        failure = cli_bench_pipe(bench->message, bench->message_bytes, messages, kind, ns);
    *ns /= (double)messages;
    return failure;
}

/* Between two turns, where it takes nothing from either. */
static void tick(struct bench *bench)
{
    cli_progress_tick(++bench->turns);
}

/* One turn: a pass to warm up, for a write into the emptied file; then passes for the slice. */
static int measure(struct bench *bench, enum row row, enum fls_checksum_kind kind, double *ns)
{
    if (row == PIPED || row == HANDOVER)
        return measure_threads(bench, row, kind, ns);
    int reads = row == READ || row == READ_BLOCKS || row == MEMCPY;
    int failure = !reads && ftruncate(bench->fd, 0) != 0 ? errno : 0;
    uint64_t passes = 0, began = 0, now = 0;

    if (failure == 0)
        failure = open_for(bench, row, kind);
    for (int warm = 0; failure == 0 && (passes == 0 || now - began < bench->slice_ns); warm = 1) {
        failure = rewind_file(bench);
        if (failure == 0)
            failure = pass(bench, row);
        now = fls_clock_now_ns(NULL);
        if (!warm)
            began = now;
        passes += (unsigned)warm;
    }
    *ns = (double)(now - began) / (double)(passes ? passes : 1) / (double)bench->messages;
    int closed = close_both(bench);
    return failure ? failure : closed;
}

static int is_wanted(const struct options *options, int kind)
{
    return options->checksum == CLI_CHECKSUM_AUTO || options->checksum - CLI_CHECKSUM_FIRST == kind;
}

static int run_round(struct bench *bench, const struct options *options, unsigned round)
{
    int failure = 0;

    for (int row = 0; row < FIRST_FRAMED && failure == 0; row++, tick(bench))
        failure = measure(bench, (enum row)row, FLS_CHECKSUM_NONE, &bench->samples[row][0][round]);
    for (int kind = 0; kind < KINDS; kind++)
        for (int row = FIRST_FRAMED; row < ROWS && failure == 0 && is_wanted(options, kind);
             row++, tick(bench))
            failure = measure(bench, (enum row)row, (enum fls_checksum_kind)kind,
                              &bench->samples[row][kind][round]);
    return failure;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

double cli_bench_median(double *samples, unsigned count)
{
    qsort(samples, count, sizeof *samples, compare);
    return samples[count / 2];
}

/* --- the table ---------------------------------------------------------------------------------
 */

static void put_cell(struct bench *bench, enum row row, int kind)
{
    char cell[48];
    double ns = cli_bench_median(bench->samples[row][kind], bench->rounds);

    snprintf(cell, sizeof cell, "%.*f ns %6.0f MB/s", ns < 100 ? 1 : 0, ns,
             (double)bench->message_bytes / (ns > 0 ? ns : 1e-3) * 1e3);
    cli_out_text(" %23s |", cell);
}

static void put_row(struct bench *bench, const struct options *options, enum row row)
{
    cli_out_text("| %-24s |", row_names[row]);
    for (int kind = 0, first = 1; kind < KINDS; kind++) {
        if (!is_wanted(options, kind))
            continue;
        if (row >= FIRST_FRAMED)
            put_cell(bench, row, kind);
        else if (first)
            put_cell(bench, row, 0);
        else
            cli_out_text(" %23s |", "");
        first = 0;
    }
    cli_out_text("\n");
}

static void put_table(struct bench *bench, const struct options *options)
{
    char title[64];

    cli_progress_clear();
    snprintf(title, sizeof title, "%zu bytes a message", bench->message_bytes);
    cli_out_text("| %-24s |", title);
    for (int kind = 0; kind < KINDS; kind++)
        if (is_wanted(options, kind))
            cli_out_text(" %23s |", fls_checksum_name((enum fls_checksum_kind)kind));
    cli_out_text("\n|--------------------------|");
    for (int kind = 0; kind < KINDS; kind++)
        if (is_wanted(options, kind))
            cli_out_text("------------------------:|");
    cli_out_text("\n");
    for (int row = 0; row < ROWS; row++)
        put_row(bench, options, (enum row)row);
    cli_out_text("\n");
    cli_out_flush();
}

/* --- setting up --------------------------------------------------------------------------------
 */

int cli_bench_open_file(const char *dir, int *fd)
{
    char path[4096];

    if (!dir) {
        *fd = memfd_create("flatstream-bench", MFD_CLOEXEC);
        return *fd < 0 ? errno : 0;
    }
    if (snprintf(path, sizeof path, "%s/flatstream-bench.XXXXXX", dir) >= (int)sizeof path)
        return ENAMETOOLONG;
    *fd = mkostemp(path, 0);
    if (*fd < 0)
        return errno;
    unlink(path);
    return 0;
}

static unsigned cells_of(const struct options *options)
{
    unsigned kinds = options->checksum == CLI_CHECKSUM_AUTO ? KINDS : 1;

    return (unsigned)options->size_count * (FIRST_FRAMED + kinds * (ROWS - FIRST_FRAMED));
}

static unsigned rounds_of(const struct options *options)
{
    return options->quick ? 3 : 5;
}

static void set_size(struct bench *bench, const struct options *options, size_t bytes)
{
    bench->message_bytes = bytes;
    bench->messages = PASS_BYTES / bytes;
    if (bench->messages > PASS_MESSAGES_MAX)
        bench->messages = PASS_MESSAGES_MAX;
    if (bench->messages == 0)
        bench->messages = 1;
    bench->rounds = rounds_of(options);
    bench->slice_ns = options->seconds * UINT64_C(900000000) / bench->rounds / cells_of(options);
}

static int bench_sizes(struct bench *bench, const struct options *options)
{
    int failure = 0;

    cli_progress_begin_steps("bench", (uint64_t)cells_of(options) * rounds_of(options));
    for (size_t i = 0; i < options->size_count && failure == 0; i++) {
        set_size(bench, options, (size_t)options->sizes[i]);
        for (unsigned round = 0; round < bench->rounds && failure == 0; round++)
            failure = run_round(bench, options, round);
        if (failure == 0)
            put_table(bench, options);
    }
    cli_progress_end();
    return failure;
}

static int bench_disk(const struct bench *bench, const struct options *options)
{
    uint64_t bytes = options->disk_bytes;
    enum fls_checksum_kind kind = FLS_CHECKSUM_XXH3;

    if (bytes == DISK_BYTES_UNSET)
        bytes = options->quick ? DISK_BYTES_QUICK : DISK_BYTES;
    if (options->checksum != CLI_CHECKSUM_AUTO)
        kind = (enum fls_checksum_kind)(options->checksum - CLI_CHECKSUM_FIRST);
    if (!options->dir || bytes == 0)
        return 0;
    return cli_bench_disk(options->dir, bytes, DISK_ROUNDS, bench->message, kind);
}

static int run_bench(const struct options *options)
{
    struct bench *bench = calloc(1, sizeof *bench);
    uint8_t *memory = malloc(2 * MESSAGE_BYTES_MAX + BLOCK_BYTES);
    int fd = -1;
    int failure = bench && memory ? cli_bench_open_file(options->dir, &fd) : ENOMEM;

    if (failure == 0) {
        /* Bytes of no pattern: some are neither compressible nor equal. */
        for (size_t i = 0; i < MESSAGE_BYTES_MAX; i++)
            memory[i] = (uint8_t)(i * 2654435761u >> 13);
        bench->fd = fd;
        bench->message = memory;
        bench->copy = memory + MESSAGE_BYTES_MAX;
        bench->block = memory + 2 * MESSAGE_BYTES_MAX;
        failure = bench_sizes(bench, options);
        if (failure == 0)
            failure = bench_disk(bench, options);
    }
    if (fd >= 0)
        close(fd);
    free(memory);
    free(bench);
    if (failure == 0)
        return CLI_WELL;
    cli_error(options->dir, "%s", strerror(failure));
    return CLI_SYSTEM;
}

static int parse_sizes(const struct cli_verb *verb, const char *list, struct options *options)
{
    char word[32];

    for (options->size_count = 0; *list;) {
        size_t length = strcspn(list, ",");
        uint64_t bytes = 0;
        snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : 31, list);
        if (!cli_number(word, 1, &bytes) || bytes == 0 || bytes > MESSAGE_BYTES_MAX)
            return cli_usage(verb, "--sizes takes sizes from 1 to 16M with commas, not '%s'", list);
        if (options->size_count == SIZES_MAX)
            return cli_usage(verb, "--sizes takes at most %d sizes", SIZES_MAX);
        options->sizes[options->size_count++] = bytes;
        list += length;
        list += *list == ',';
    }
    return options->size_count > 0 ? CLI_GO_ON : cli_usage(verb, "--sizes names no size");
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = {.disk_bytes = DISK_BYTES_UNSET};
    const char *sizes = "64,1K,16K";
    const struct cli_option table[] = {
        {"sizes", 0, CLI_TEXT, &sizes, NULL, 0},
        {"checksum", 0, CLI_CHOICE, &options.checksum, cli_checksum_choices, 0},
        {"seconds", 0, CLI_COUNT, &options.seconds, NULL, 1},
        {"quick", 0, CLI_FLAG, &options.quick, NULL, 0},
        {"dir", 0, CLI_TEXT, &options.dir, NULL, 0},
        {"disk-bytes", 0, CLI_BYTES, &options.disk_bytes, NULL, 0}};
    struct cli_operands rest;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &rest);

    if (result == CLI_GO_ON && rest.count > 0)
        result = cli_usage(verb, "takes no FILE; --dir DIR says where to write");
    if (result == CLI_GO_ON && options.disk_bytes != DISK_BYTES_UNSET && !options.dir)
        result = cli_usage(verb, "--disk-bytes goes with --dir");
    if (result == CLI_GO_ON && options.disk_bytes != DISK_BYTES_UNSET &&
        options.disk_bytes > (UINT64_C(1) << 40))
        result = cli_usage(verb, "--disk-bytes is at most 1024G");
    if (result == CLI_GO_ON && options.seconds > 3600)
        result = cli_usage(verb, "--seconds is at most 3600");
    if (result == CLI_GO_ON)
        result = parse_sizes(verb, sizes, &options);
    if (result != CLI_GO_ON)
        return result;
    if (options.seconds == 0)
        options.seconds = options.quick ? 3 : 12;
    return run_bench(&options);
}

const struct cli_verb cli_verb_bench = {"bench", "measure this machine's rates", help, run};
