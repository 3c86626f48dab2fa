/*
 * fstrm.c: Frame Streams (libfstrm), the library behind dnstap. Its frames are a length and the
 * payload, as here, without a checksum: compared with the plain streams.
 *
 *   write  buffered      fstrm_writer_write on its file writer, which writes through stdio
 *          buffered-256k the same through standard output, given a stdio buffer of 256 KiB
 *          both also as ...-synced: with fdatasync at the end
 *          batch100      fstrm_writer_writev of 100 messages
 *          handover      fstrm_iothr_submit to its I/O thread, as dnstap's senders call it: the
 *                        message is copied to memory of its own, which the thread frees. Compared
 *                        with fls_async_write, which copies too
 *          handover-reference  the same, given memory that stays: compared with
 *                        fls_async_write_owned
 *          each also as ...-paced (handover.h)
 *   read   buffered, buffered-256k  fstrm_reader_read
 *
 * System calls are the process's own count (/proc/self/io).
 */
#include <fstrm.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handover.h"
#include "system_calls.h"

#define STDIO_BYTES ((size_t)256 * 1024)
#define GATHER 100
/* As much in flight as this library's queue holds by default, within what fstrm allows. */
#define QUEUE_BYTES ((size_t)4 * 1024 * 1024)
/* As many messages as its writer puts into one call. */
#define OUTPUT_QUEUE 128

static void check(fstrm_res result, const char *what)
{
    if (result != fstrm_res_success) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

static int is_wide(const struct job *job)
{
    return strcmp(job->mode, "buffered-256k") == 0;
}

/* A file of fstrm's own, or one of the standard streams, whose buffer can be chosen. */
static struct fstrm_file_options *file_options(const struct job *job, FILE *standard)
{
    struct fstrm_file_options *options = fstrm_file_options_init();
    static char buffer[STDIO_BYTES];

    if (is_wide(job) && (!freopen(job->path, job->writing ? "w" : "r", standard) ||
                         setvbuf(standard, buffer, _IOFBF, sizeof buffer) != 0))
        die(job->path);
    fstrm_file_options_set_file_path(options, is_wide(job) ? "-" : job->path);
    return options;
}

static struct fstrm_writer *open_writer(const struct job *job)
{
    struct fstrm_file_options *options = file_options(job, stdout);
    struct fstrm_writer *writer = fstrm_file_writer_init(options, NULL);

    fstrm_file_options_destroy(&options);
    if (!writer)
        check(fstrm_res_failure, "fstrm_file_writer_init");
    return writer;
}

static void write_each(const struct job *job, struct fstrm_writer *writer)
{
    for (uint64_t i = 0; i < job->messages; i++)
        check(fstrm_writer_write(writer, payload_of(job, i), job->size), "fstrm_writer_write");
}

static void write_batches(const struct job *job, struct fstrm_writer *writer)
{
    struct iovec messages[GATHER];
    int count;

    for (int i = 0; i < GATHER; i++)
        messages[i] = (struct iovec){job->payload, job->size};
    for (uint64_t left = job->messages; left > 0; left -= (uint64_t)count) {
        count = left < GATHER ? (int)left : GATHER;
        payload_of(job, left);
        check(fstrm_writer_writev(writer, messages, count), "fstrm_writer_writev");
    }
}

static void write_messages(const struct job *job)
{
    int batches = strcmp(job->mode, "batch100") == 0;

    if (!batches && !is_wide(job) && strcmp(job->mode, "buffered") != 0)
        exit(2);
    FILE *out = fdopen(dup(1), "w"); /* standard output may be the stream, and be closed with it */
    struct fstrm_writer *writer = open_writer(job);
    check(fstrm_writer_open(writer), "fstrm_writer_open");
    uint64_t calls = system_calls_now();
    struct outcome outcome = {0, job->messages, 0, start_watch()};
    if (batches)
        write_batches(job, writer);
    else
        write_each(job, writer);
    check(fstrm_writer_close(writer), "fstrm_writer_close");
    sync_if_asked(job);
    outcome.system_calls = system_calls_since(calls);
    outcome.bytes = job->messages * (4 + job->size);
    report_to(out, &outcome);
    fstrm_writer_destroy(&writer);
}

static void read_messages(const struct job *job)
{
    struct fstrm_file_options *file = file_options(job, stdin);
    struct fstrm_reader_options *options = fstrm_reader_options_init();
    struct fstrm_reader *reader;
    const uint8_t *data;
    size_t length;
    fstrm_res result;

    if (!is_wide(job) && strcmp(job->mode, "buffered") != 0)
        exit(2);
    check(fstrm_reader_options_set_max_frame_size(options, job->size + 512), "max_frame_size");
    reader = fstrm_file_reader_init(file, options);
    if (!reader)
        check(fstrm_res_failure, "fstrm_file_reader_init");
    check(fstrm_reader_open(reader), "fstrm_reader_open");
    uint64_t calls = system_calls_now();
    struct outcome outcome = {0, 0, 0, start_watch()};
    while ((result = fstrm_reader_read(reader, &data, &length)) == fstrm_res_success) {
        keep(data);
        outcome.bytes += 4 + length;
        outcome.messages++;
    }
    if (result != fstrm_res_stop || outcome.messages != job->messages)
        check(fstrm_res_failure, "fstrm_reader_read");
    outcome.system_calls = system_calls_since(calls);
    report(&outcome);
    fstrm_reader_destroy(&reader);
    fstrm_reader_options_destroy(&options);
    fstrm_file_options_destroy(&file);
}

/* --- the I/O thread ----------------------------------------------------------------------------
 */

struct thread {
    struct fstrm_iothr *thread;
    struct fstrm_iothr_queue *queue;
};

static struct thread start_thread(const struct job *job)
{
    struct fstrm_iothr_options *options = fstrm_iothr_options_init();
    struct fstrm_writer *writer = open_writer(job);
    struct thread thread;
    unsigned entries = FSTRM_IOTHR_INPUT_QUEUE_SIZE_DEFAULT;

    while (entries < FSTRM_IOTHR_INPUT_QUEUE_SIZE_MAX && entries * job->size < QUEUE_BYTES)
        entries *= 2;
    check(fstrm_iothr_options_set_input_queue_size(options, entries), "input_queue_size");
    check(fstrm_iothr_options_set_buffer_hint(options, FSTRM_IOTHR_BUFFER_HINT_MAX), "buffer_hint");
    check(fstrm_iothr_options_set_output_queue_size(options, OUTPUT_QUEUE), "output_queue_size");
    thread.thread = fstrm_iothr_init(options, &writer);
    if (!thread.thread)
        check(fstrm_res_failure, "fstrm_iothr_init");
    thread.queue = fstrm_iothr_get_input_queue(thread.thread);
    fstrm_iothr_options_destroy(&options);
    return thread;
}

/* A full queue refuses; then the message waits here, as with FLS_ASYNC_BLOCK. */
static inline void submit(const struct thread *thread, void *data, size_t bytes,
                          void (*release)(void *, void *))
{
    fstrm_res result;

    while ((result = fstrm_iothr_submit(thread->thread, thread->queue, data, bytes, release,
                                        NULL)) == fstrm_res_again)
        sched_yield();
    check(result, "fstrm_iothr_submit");
}

static void hand_over_copy(void *context, const struct job *job, uint64_t i)
{
    void *copy = malloc(job->size);

    if (!copy)
        die("malloc");
    memcpy(copy, payload_of(job, i), job->size);
    submit(context, copy, job->size, fstrm_free_wrapper);
}

static void stays(void *data, void *context)
{
    (void)data;
    (void)context;
}

static void hand_over_reference(void *context, const struct job *job, uint64_t i)
{
    (void)i;
    submit(context, job->payload, job->size, stays);
}

static void hand_over_messages(const struct job *job)
{
    struct thread thread = start_thread(job);
    int by_reference = strncmp(job->mode, "handover-reference", 18) == 0;
    struct handover handover =
        measure_handover(job, by_reference ? hand_over_reference : hand_over_copy, &thread);
    struct stat information;

    fstrm_iothr_destroy(&thread.thread);
    if (stat(job->path, &information) != 0 ||
        (uint64_t)information.st_size < handover.messages * (4 + job->size))
        die("messages are missing");
    report_handover(&handover, job);
}

int main(int argc, char **argv)
{
    struct job job = parse_job(argc, argv);

    if (!job.writing)
        read_messages(&job);
    else if (is_handover(job.mode))
        hand_over_messages(&job);
    else
        write_messages(&job);
    free(job.payload);
    return 0;
}
