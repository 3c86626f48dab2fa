/*
 * layers.c: from a bare copy to each endpoint, one step of the way at a time.
 *
 *   write  memcpy    the payload is copied into a buffer of 256 KiB, which begins again when full
 *          checksum  the same, and its XXH3 is calculated
 *          encode    the same, and the frame's header is put before it
 *          memory    a batched writer on a sink in memory, which is emptied each MiB
 *          file      the same writer on PATH: a file, a FIFO, or tcp:PORT
 *          uring     the same writer on a file through io_uring
 *
 * Exits with 2 where there is no io_uring, as for an unknown mode.
 */
#include <flatstream/flatstream.h>

#include "output.h"

#define BUFFER_BYTES ((size_t)256 * 1024)

static void check(enum fls_status status, const struct fls_error *error)
{
    char text[256];

    if (status == FLS_OK)
        return;
    fls_error_format(error, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    exit(1);
}

enum step { COPY, CHECKSUM, ENCODE };

/* One message into `at`; the bytes it took. */
static inline size_t take_step(enum step step, const struct fls_frame_format *format,
                               const uint8_t *payload, size_t bytes, uint8_t *at)
{
    uint64_t sum = step >= CHECKSUM ? fls_checksum_of(format->checksum, payload, bytes) : 0;
    size_t header = 0;

    if (step == ENCODE)
        header = fls_frame_encode_header(format, (uint32_t)bytes, sum, at);
    memcpy(at + header, payload, bytes);
    keep(&sum);
    return header + bytes;
}

static void write_to_buffer(const struct job *job, enum step step)
{
    struct fls_frame_format format = {{FLS_CHECKSUM_XXH3, NULL}, 0};
    size_t frame_bytes_max = FLS_FRAME_HEADER_BYTES_MAX + job->size;
    size_t capacity = BUFFER_BYTES > frame_bytes_max ? BUFFER_BYTES : frame_bytes_max;
    uint8_t *buffer = calloc(1, capacity);
    size_t used = 0;

    if (!buffer)
        die("calloc");
    struct outcome outcome = {0, job->messages, 0, start_watch()};
    for (uint64_t i = 0; i < job->messages; i++) {
        if (used + frame_bytes_max > capacity)
            used = 0;
        size_t taken = take_step(step, &format, payload_of(job, i), job->size, buffer + used);
        keep(buffer + used);
        used += taken;
        outcome.bytes += taken;
    }
    report(&outcome);
    free(buffer);
}

static struct fls_sink *open_sink(const struct job *job)
{
    struct fls_sink *sink;
    struct fls_error error;

    if (strcmp(job->mode, "memory") == 0) {
        check(fls_sink_open_memory(0, &sink, &error), &error);
    } else if (strcmp(job->mode, "uring") == 0) {
        if (fls_uring_probe(&error) != FLS_OK)
            exit(2);
        check(fls_sink_open_uring_file(job->path, FLS_FILE_TRUNCATE, NULL, &sink, &error), &error);
    } else if (strncmp(job->path, "tcp:", 4) == 0) {
        check(fls_sink_open_fd(open_output(job->path), FLS_OWNED, &sink, &error), &error);
    } else {
        check(fls_sink_open_file(job->path, FLS_FILE_TRUNCATE, &sink, &error), &error);
    }
    return sink;
}

static void write_each(const struct job *job, struct fls_writer *writer, struct fls_sink *sink)
{
    uint64_t lap = ((uint64_t)1 << 20) / (job->size + 12) + 1, left = lap;

    for (uint64_t i = 0; i < job->messages; i++) {
        check(fls_writer_write(writer, payload_of(job, i), job->size), fls_writer_error(writer));
        if (--left == 0) {
            fls_sink_memory_clear(sink); /* does nothing to the other sinks */
            left = lap;
        }
    }
}

static void write_to_sink(const struct job *job)
{
    struct fls_writer_options options = FLS_ZERO;
    struct fls_sink *sink = open_sink(job);
    struct fls_writer *writer;
    struct fls_error error;

    options.framer = FLS_FRAMER_BATCHED;
    options.checksum = FLS_CHECKSUM_XXH3;
    check(fls_writer_open(sink, &options, &writer, &error), &error);
    struct outcome outcome = {0, job->messages, 0, start_watch()};
    write_each(job, writer, sink);
    check(fls_writer_flush(writer, FLS_LEVEL_PROCESS), fls_writer_error(writer));
    struct fls_writer_counts counts = fls_writer_statistics(writer);
    check(fls_writer_close(writer, &error), &error);
    check(fls_sink_close(sink, &error), &error);
    outcome.bytes = counts.bytes;
    outcome.system_calls = counts.system_calls;
    report(&outcome);
}

int main(int argc, char **argv)
{
    static const char *const steps[] = {"memcpy", "checksum", "encode"};
    static const char *const sinks[] = {"memory", "file", "uring"};
    struct job job = parse_job(argc, argv);
    int result = 2;

    for (int i = 0; i < 3 && job.writing && result == 2; i++) {
        if (strcmp(job.mode, steps[i]) == 0)
            write_to_buffer(&job, (enum step)i);
        else if (strcmp(job.mode, sinks[i]) == 0)
            write_to_sink(&job);
        else
            continue;
        result = 0;
    }
    free(job.payload);
    return result;
}
