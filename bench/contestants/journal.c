/*
 * journal.c: messages that are on the device before the call that writes them returns.
 *
 *   write  alone    one thread: a write and an fdatasync for each message, by hand
 *          each     one thread through the journal, to the machine's level each
 *          group    8 threads through one journal, to the machine's level each: N messages in all
 *          rotate   one thread, no sync asked for, a new segment of 4 MiB again and again; says on
 *                   stderr how many there were and the longest pause that one of them made
 */
#include <pthread.h>

#include <flatstream/flatstream.h>

#include "contestant.h"

#define THREADS 8
#define SEGMENT_BYTES (UINT64_C(4) << 20)

static void write_alone(const struct job *job, struct outcome *outcome)
{
    size_t frame_bytes = 4 + job->size;
    uint8_t *frame = malloc(frame_bytes);
    uint32_t length = (uint32_t)job->size;
    int fd = open(job->path, O_WRONLY | O_CREAT | O_EXCL, 0666);

    if (fd < 0 || !frame)
        die(job->path);
    memcpy(frame, &length, sizeof length);
    outcome->began = start_watch();
    for (uint64_t i = 0; i < job->messages; i++) {
        memcpy(frame + 4, payload_of(job, i), job->size);
        if (write(fd, frame, frame_bytes) != (ssize_t)frame_bytes || fdatasync(fd) != 0)
            die("write");
        outcome->bytes += frame_bytes;
        outcome->system_calls += 2;
    }
    close(fd);
    free(frame);
}

struct producer {
    const struct job *job;
    struct fls_journal *journal;
    uint64_t messages;
};

static void *produce(void *context)
{
    const struct producer *producer = context;
    uint8_t *payload = malloc(producer->job->size);

    if (!payload)
        die("malloc");
    memcpy(payload, producer->job->payload, producer->job->size);
    for (uint64_t i = 0; i < producer->messages; i++) {
        if (producer->job->size >= sizeof i)
            memcpy(payload, &i, sizeof i);
        if (fls_journal_write(producer->journal, payload, producer->job->size, NULL) != FLS_OK)
            die("fls_journal_write");
    }
    free(payload);
    return NULL;
}

static void run_threads(const struct job *job, struct fls_journal *journal, unsigned count)
{
    struct producer producers[THREADS];
    pthread_t threads[THREADS];

    for (unsigned t = 0; t < count; t++) {
        producers[t] =
            (struct producer){job, journal, job->messages / count + (t < job->messages % count)};
        if (pthread_create(&threads[t], NULL, produce, &producers[t]) != 0)
            die("pthread_create");
    }
    for (unsigned t = 0; t < count; t++)
        pthread_join(threads[t], NULL);
}

static void write_journal(const struct job *job, const struct fls_journal_options *options,
                          unsigned threads, struct outcome *outcome)
{
    struct fls_journal *journal;

    if (fls_journal_open(job->path, options, &journal, NULL, NULL) != FLS_OK)
        die("fls_journal_open");
    outcome->began = start_watch();
    run_threads(job, journal, threads);
    struct fls_journal_counts counts = fls_journal_statistics(journal);
    if (fls_journal_close(journal, NULL) != FLS_OK)
        die("fls_journal_close");
    outcome->bytes = counts.bytes;
    outcome->system_calls = counts.syncs;
    if (options->rotation.bytes > 0)
        fprintf(stderr, "%llu rotations, the longest pause %.3f ms\n",
                (unsigned long long)counts.rotations, (double)counts.longest_rotation_ns / 1e6);
    else
        fprintf(stderr, "%llu messages, %llu syncs\n", (unsigned long long)counts.messages,
                (unsigned long long)counts.syncs);
}

int main(int argc, char **argv)
{
    struct job job = parse_job(argc, argv);
    struct outcome outcome = {.messages = job.messages};
    struct fls_journal_options each = {.to_machine = {.messages = 1}};
    struct fls_journal_options rotating = {.rotation = {.bytes = SEGMENT_BYTES}};

    if (!job.writing)
        return 2;
    if (strcmp(job.mode, "alone") == 0)
        write_alone(&job, &outcome);
    else if (strcmp(job.mode, "each") == 0)
        write_journal(&job, &each, 1, &outcome);
    else if (strcmp(job.mode, "group") == 0)
        write_journal(&job, &each, THREADS, &outcome);
    else if (strcmp(job.mode, "rotate") == 0)
        write_journal(&job, &rotating, 1, &outcome);
    else
        return 2;
    report(&outcome);
    return 0;
}
