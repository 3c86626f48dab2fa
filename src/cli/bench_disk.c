/*
 * bench_disk.c: sustained writing to a disk: through the page cache, and past it by io_uring. Each
 * way begins with an empty file and ends with fdatasync.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <flatstream/clock.h>
#include <flatstream/uring.h>
#include <flatstream/writer.h>

#include "cli/bench.h"
#include "cli/output.h"
#include "cli/progress.h"

#define BLOCK_BYTES ((size_t)256 * 1024)
#define ROUNDS_MAX 9

enum way { BLOCKS, PLAIN, DIRECT, WAYS };

static const char *const way_names[WAYS] = {"write(2), 256 KiB blocks", "write",
                                            "write --io uring --direct"};

struct disk {
    int fd;
    uint64_t bytes;
    const uint8_t *pattern;
    enum fls_checksum_kind kind;
    unsigned rounds;
    double seconds[WAYS][ROUNDS_MAX];
    double cpu[WAYS][ROUNDS_MAX];
    char refusal[sizeof((struct fls_error *)NULL)->reason]; /* of DIRECT; empty: none */
};

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int write_blocks(const struct disk *disk)
{
    static uint8_t block[BLOCK_BYTES];
    const uint8_t *from;

    for (uint64_t done = 0; done < disk->bytes;) {
        for (size_t at = 0; at < BLOCK_BYTES; at += CLI_BENCH_DISK_MESSAGE_BYTES)
            memcpy(block + at, disk->pattern, CLI_BENCH_DISK_MESSAGE_BYTES);
        from = block;
        for (size_t left = BLOCK_BYTES; left > 0;) {
            ssize_t written = write(disk->fd, from, left);
            if (written < 0 && errno == EINTR)
                continue;
            if (written <= 0)
                return written < 0 ? errno : EIO;
            from += written;
            left -= (size_t)written;
        }
        done += BLOCK_BYTES;
    }
    return fdatasync(disk->fd) == 0 ? 0 : errno;
}

/* Refused: FLS_UNSUPPORTED. The file has no name any more, but for us. */
static enum fls_status open_direct(struct disk *disk, struct fls_sink **sink,
                                   struct fls_error *error)
{
    struct fls_uring_options options = {.direct = 1,
                                        .extend_ahead = disk->kind == FLS_CHECKSUM_XXH3};
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", disk->fd);
    enum fls_status status = fls_sink_open_uring_file(path, FLS_FILE_APPEND, &options, sink, error);
    if (status == FLS_UNSUPPORTED)
        snprintf(disk->refusal, sizeof disk->refusal, "%s", error->reason);
    return status;
}

static int write_stream(struct disk *disk, enum way way)
{
    struct fls_writer_options options = {
        .framer = FLS_FRAMER_BATCHED, .checksum = disk->kind, .owns_sink = 1};
    struct fls_error error = FLS_ZERO;
    struct fls_sink *sink;
    struct fls_writer *writer;
    enum fls_status status = way == DIRECT
                                 ? open_direct(disk, &sink, &error)
                                 : fls_sink_open_fd(disk->fd, FLS_BORROWED, &sink, &error);

    if (status == FLS_UNSUPPORTED && way == DIRECT)
        return 0;
    if (status != FLS_OK)
        return cli_bench_errno(status, &error);
    status = fls_writer_open(sink, &options, &writer, &error);
    if (status != FLS_OK) {
        fls_sink_close(sink, NULL);
        return cli_bench_errno(status, &error);
    }
    for (uint64_t done = 0; done < disk->bytes && status == FLS_OK;
         done += CLI_BENCH_DISK_MESSAGE_BYTES)
        status = fls_writer_write(writer, disk->pattern, CLI_BENCH_DISK_MESSAGE_BYTES);
    if (status == FLS_OK)
        status = fls_writer_flush(writer, FLS_LEVEL_MACHINE);
    enum fls_status closed = fls_writer_close(writer, &error);
    return cli_bench_errno(status == FLS_OK ? closed : status, &error);
}

static int run_way(struct disk *disk, enum way way, unsigned round)
{
    if (ftruncate(disk->fd, 0) != 0 || lseek(disk->fd, 0, SEEK_SET) < 0)
        return errno;
    double cpu = cpu_seconds();
    uint64_t began = fls_clock_now_ns(NULL);
    int failure = way == BLOCKS ? write_blocks(disk) : write_stream(disk, way);
    disk->seconds[way][round] = (double)(fls_clock_now_ns(NULL) - began) / 1e9;
    disk->cpu[way][round] = cpu_seconds() - cpu;
    return failure;
}

static void put_table(struct disk *disk, const char *dir)
{
    char title[96], name[CLI_SHOWN_BYTES];
    double gibibytes = (double)disk->bytes / (1 << 30);

    snprintf(title, sizeof title, "%" PRIu64 " MiB, then fdatasync", disk->bytes >> 20);
    cli_out_text("| %-26s | %9s | %15s |\n|----------------------------|----------:|"
                 "----------------:|\n",
                 title, "MB/s", "CPU s a GiB");
    for (int way = 0; way < WAYS; way++) {
        if (way == DIRECT && disk->refusal[0]) {
            cli_out_text("| %-26s | %9s | %15s |\n\n%s: %s\n", way_names[way], "-", "-",
                         cli_shown_name(dir, name, sizeof name), disk->refusal);
            continue;
        }
        double seconds = cli_bench_median(disk->seconds[way], disk->rounds);
        double cpu = cli_bench_median(disk->cpu[way], disk->rounds);
        cli_out_text("| %-26s | %9.0f | %15.2f |\n", way_names[way],
                     (double)disk->bytes / seconds / 1e6, cpu / gibibytes);
    }
    cli_out_text("\n");
    cli_out_flush();
}

int cli_bench_disk(const char *dir, uint64_t bytes, unsigned rounds, const void *pattern,
                   enum fls_checksum_kind kind)
{
    struct disk disk = {.bytes = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES,
                        .pattern = pattern,
                        .kind = kind,
                        .rounds = rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX};
    int failure = cli_bench_open_file(dir, &disk.fd);

    if (failure)
        return failure;
    cli_progress_begin_steps("bench, disk", (uint64_t)disk.rounds * WAYS);
    for (unsigned round = 0; round < disk.rounds && failure == 0; round++)
        for (unsigned way = 0; way < WAYS && failure == 0; way++) {
            failure = run_way(&disk, (enum way)way, round);
            cli_progress_tick(round * WAYS + way + 1);
        }
    cli_progress_end();
    close(disk.fd);
    if (failure == 0)
        put_table(&disk, dir);
    return failure;
}
