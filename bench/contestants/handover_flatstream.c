/*
 * handover_flatstream.c: what this library's asynchronous writer costs a producer.
 *
 *   write  handover            fls_async_write, which copies
 *          handover-reference  fls_async_write_owned
 *          each also as ...-paced (handover.h)
 */
#include <flatstream/flatstream.h>

#include "handover.h"

static void check(enum fls_status status, const struct fls_error *error)
{
    char text[256];

    if (status == FLS_OK)
        return;
    fls_error_format(error, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static void fail(struct fls_async *async)
{
    struct fls_error error;

    fls_async_error(async, &error);
    check(FLS_IO, &error);
}

static void hand_over_copy(void *context, const struct job *job, uint64_t i)
{
    if (fls_async_write(context, payload_of(job, i), job->size) != FLS_OK)
        fail(context);
}

static void stays(void *context)
{
    (void)context;
}

static void hand_over_reference(void *context, const struct job *job, uint64_t i)
{
    struct iovec segment = {job->payload, job->size};
    struct fls_payload payload = fls_payload_from_segments(&segment, 1);

    (void)i;
    if (fls_async_write_owned(context, &payload, stays, NULL) != FLS_OK)
        fail(context);
}

int main(int argc, char **argv)
{
    struct job job = parse_job(argc, argv);
    struct fls_writer_options writing = FLS_ZERO;
    struct fls_async_options options = FLS_ZERO;
    struct fls_async_counts counts;
    struct fls_async *async;
    struct fls_sink *sink;
    struct fls_error error;

    if (!job.writing || !is_handover(job.mode))
        return 2;
    writing.owns_sink = 1;
    options.writer = &writing;
    check(fls_sink_open_file(job.path, FLS_FILE_TRUNCATE, &sink, &error), &error);
    check(fls_async_open(sink, &options, &async, &error), &error);
    int by_reference = strncmp(job.mode, "handover-reference", 18) == 0;
    struct handover handover =
        measure_handover(&job, by_reference ? hand_over_reference : hand_over_copy, async);
    check(fls_async_close(async, -1, &counts, &error), &error);
    if (counts.written != handover.messages)
        die("messages are missing");
    report_handover(&handover, &job);
    free(job.payload);
    return 0;
}
