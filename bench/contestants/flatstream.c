/*
 * flatstream.c: this library.
 *
 *   write  simple, vectored, batched  the framers, a message a call
 *          batch100                   fls_writer_write_batch of 100 messages
 *          copy100, gather100         the same with every payload copied, with none
 *          behind                     batched, to a sink that a thread writes to
 *          async                      the asynchronous writer, one producer, up to its close
 *          disk                       batched, flushed to the machine level at the end
 *          uring, uring-direct        the same through io_uring; with O_DIRECT. Exits with 2 where
 *                                     there is none
 *   read   next                       fls_reader_next
 *          batch                      fls_reader_next_batch, 256 at a time
 *          ahead                      the same, from a source that a thread reads ahead
 *          aligned                    next, with the default alignment of 8 (the others take
 *                                     payloads as they lie, as the raw loops do)
 *          mmap                       next over a mapping
 * each also as MODE-crc16, MODE-crc32, MODE-xxh3.
 */
#include <flatstream/flatstream.h>

#include "contestant.h"

#define BATCH 256
#define GATHER 100

static void check(enum fls_status status, const struct fls_error *error)
{
    char text[256];

    if (status == FLS_OK)
        return;
    fls_error_format(error, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Splits "batched-xxh3"; the base mode stays in `base`. */
static enum fls_checksum_kind split_mode(const char *mode, char *base, size_t size)
{
    size_t passed = strncmp(mode, "uring-direct", 12) == 0 ? 12 : 0;
    const char *dash = strchr(mode + passed, '-');
    enum fls_checksum_kind kind = FLS_CHECKSUM_NONE;

    snprintf(base, size, "%.*s", dash ? (int)(dash - mode) : (int)strlen(mode), mode);
    if (dash && fls_checksum_from_name(dash + 1, &kind) != FLS_OK)
        exit(2);
    return kind;
}

static int is_batch_of_100(const char *base)
{
    return strcmp(base, "batch100") == 0 || strcmp(base, "copy100") == 0 ||
           strcmp(base, "gather100") == 0;
}

static size_t copy_bytes_max_of(const char *base)
{
    if (strcmp(base, "gather100") == 0)
        return FLS_COPY_NEVER;
    return strcmp(base, "copy100") == 0 ? (size_t)64 * 1024 : 0;
}

static enum fls_framer framer_of(const char *base)
{
    if (strcmp(base, "simple") == 0)
        return FLS_FRAMER_SIMPLE;
    if (strcmp(base, "vectored") == 0 || is_batch_of_100(base))
        return FLS_FRAMER_VECTORED;
    if (strcmp(base, "batched") == 0 || strcmp(base, "behind") == 0 || strcmp(base, "disk") == 0 ||
        strncmp(base, "uring", 5) == 0)
        return FLS_FRAMER_BATCHED;
    exit(2);
}

static void write_each(const struct job *job, struct fls_writer *writer)
{
    for (uint64_t i = 0; i < job->messages; i++) {
        enum fls_status status = fls_writer_write(writer, payload_of(job, i), job->size);
        if (status != FLS_OK)
            check(status, fls_writer_error(writer));
    }
}

static void write_batches(const struct job *job, struct fls_writer *writer)
{
    struct fls_payload payloads[GATHER];
    struct iovec segment = {job->payload, job->size};
    size_t count = 0;

    for (size_t i = 0; i < GATHER; i++)
        payloads[i] = fls_payload_from_segments(&segment, 1);
    for (uint64_t left = job->messages; left > 0; left -= count) {
        count = left < GATHER ? (size_t)left : GATHER;
        payload_of(job, left);
        enum fls_status status = fls_writer_write_batch(writer, payloads, count, NULL);
        if (status != FLS_OK)
            check(status, fls_writer_error(writer));
    }
}

static struct fls_sink *open_sink(const struct job *job, const char *base)
{
    struct fls_uring_options uring = {.direct = strcmp(base, "uring-direct") == 0,
                                      .extend_ahead = 1};
    struct fls_sink *sink;
    struct fls_error error;

    if (strncmp(base, "uring", 5) != 0) {
        check(fls_sink_open_file(job->path, FLS_FILE_TRUNCATE, &sink, &error), &error);
        if (strcmp(base, "behind") == 0)
            check(fls_sink_open_behind(sink, &sink, &error), &error);
        return sink;
    }
    enum fls_status status =
        fls_sink_open_uring_file(job->path, FLS_FILE_TRUNCATE, &uring, &sink, &error);
    if (status == FLS_UNSUPPORTED)
        exit(2);
    check(status, &error);
    return sink;
}

static void write_async(const struct job *job, const struct fls_writer_options *writing)
{
    struct fls_async_options options = {.writer = writing};
    struct fls_async_counts counts;
    struct fls_async *async;
    struct fls_error error;

    check(fls_async_open(open_sink(job, "async"), &options, &async, &error), &error);
    struct outcome outcome = {0, job->messages, 0, start_watch()};
    for (uint64_t i = 0; i < job->messages; i++) {
        enum fls_status status = fls_async_write(async, payload_of(job, i), job->size);
        if (status != FLS_OK) {
            fls_async_error(async, &error);
            check(status, &error);
        }
    }
    check(fls_async_close(async, -1, &counts, &error), &error);
    outcome.bytes = counts.bytes;
    report(&outcome);
}

static void write_messages(const struct job *job)
{
    struct fls_writer_options options = {.owns_sink = 1};
    struct fls_writer_counts statistics;
    struct fls_writer *writer;
    struct fls_error error;
    char base[32];

    options.checksum = split_mode(job->mode, base, sizeof base);
    if (strcmp(base, "async") == 0) {
        write_async(job, &options);
        return;
    }
    int to_disk = strcmp(base, "disk") == 0 || strncmp(base, "uring", 5) == 0;
    options.framer = framer_of(base);
    options.copy_bytes_max = copy_bytes_max_of(base);
    check(fls_writer_open(open_sink(job, base), &options, &writer, &error), &error);
    struct outcome outcome = {0, job->messages, 0, start_watch()};
    if (is_batch_of_100(base))
        write_batches(job, writer);
    else
        write_each(job, writer);
    check(fls_writer_flush(writer, to_disk ? FLS_LEVEL_MACHINE : FLS_LEVEL_PROCESS),
          fls_writer_error(writer));
    statistics = fls_writer_statistics(writer);
    check(fls_writer_close(writer, &error), &error);
    outcome.bytes = statistics.bytes;
    outcome.system_calls = statistics.system_calls;
    report(&outcome);
}

static enum fls_status read_each(struct fls_reader *reader)
{
    struct fls_message message;
    enum fls_status status;

    while ((status = fls_reader_next(reader, &message)) == FLS_OK)
        keep(message.payload);
    return status;
}

static enum fls_status read_batches(struct fls_reader *reader)
{
    struct fls_message messages[BATCH];
    enum fls_status status;
    size_t count;

    while ((status = fls_reader_next_batch(reader, messages, BATCH, &count)) == FLS_OK)
        for (size_t i = 0; i < count; i++)
            keep(messages[i].payload);
    return status;
}

static void read_messages(const struct job *job)
{
    struct fls_reader_options options = FLS_ZERO;
    struct fls_source *source;
    struct fls_reader *reader;
    struct fls_error error;
    char base[32];

    options.checksum = split_mode(job->mode, base, sizeof base);
    options.alignment = strcmp(base, "aligned") == 0 ? 8 : 1;
    int is_ahead = strcmp(base, "ahead") == 0;
    options.owns_source = 1;
    if (strcmp(base, "mmap") == 0)
        check(fls_source_open_mmap(job->path, &source, &error), &error);
    else if (is_ahead)
        check(fls_source_open_file_ahead(job->path, &source, &error), &error);
    else
        check(fls_source_open_file(job->path, 0, &source, &error), &error);
    check(fls_reader_open(source, &options, &reader, &error), &error);
    struct outcome outcome = {0, 0, 0, start_watch()};
    enum fls_status status =
        strcmp(base, "batch") == 0 || is_ahead ? read_batches(reader) : read_each(reader);
    struct fls_reader_counts statistics = fls_reader_statistics(reader);
    if (status != FLS_END || statistics.messages != job->messages)
        check(FLS_IO, fls_reader_error(reader));
    outcome.bytes = statistics.bytes;
    outcome.messages = statistics.messages;
    outcome.system_calls = statistics.system_calls;
    fls_reader_close(reader);
    report(&outcome);
}

int main(int argc, char **argv)
{
    struct job job = parse_job(argc, argv);

    if (job.writing)
        write_messages(&job);
    else
        read_messages(&job);
    free(job.payload);
    return 0;
}
