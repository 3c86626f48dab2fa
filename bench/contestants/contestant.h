/*
 * contestant.h: what every contestant of the benchmark has in common.
 *
 *     contestant write|read MODE PATH N SIZE
 *
 * writes N messages of SIZE bytes to PATH, or reads the N that are there, and prints one line:
 *
 *     bytes messages seconds cpu_seconds system_calls user_seconds
 *
 * (0 for system calls not counted). Opening is not timed, closing is; with -synced behind MODE,
 * carrying the file to its device, too. An unknown mode exits with 2, anything else that fails
 * with 1.
 */
#ifndef BENCH_CONTESTANT_H
#define BENCH_CONTESTANT_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct job {
    int writing;
    const char *mode;
    const char *path;
    uint64_t messages;
    size_t size;
    int synced;
    uint8_t *payload; /* SIZE bytes, filled; message i carries i in its first 8 */
};

struct stopwatch {
    double wall;
    double cpu;
    double user; /* of it, outside of the kernel */
};

struct outcome {
    uint64_t bytes;
    uint64_t messages;
    uint64_t system_calls;
    struct stopwatch began;
};

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

static inline double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static inline double cpu_now(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

static inline struct stopwatch start_watch(void)
{
    struct timespec now;
    struct rusage usage;

    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(RUSAGE_SELF, &usage);
    double user = seconds_of(usage.ru_utime);
    return (struct stopwatch){(double)now.tv_sec + (double)now.tv_nsec / 1e9,
                              user + seconds_of(usage.ru_stime), user};
}

/* Keeps a value from being optimised away. */
static inline void keep(const void *pointer)
{
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

static inline void report_to(FILE *file, const struct outcome *outcome)
{
    struct stopwatch end = start_watch();

    fprintf(file, "%llu %llu %.9f %.6f %llu %.6f\n", (unsigned long long)outcome->bytes,
            (unsigned long long)outcome->messages, end.wall - outcome->began.wall,
            end.cpu - outcome->began.cpu, (unsigned long long)outcome->system_calls,
            end.user - outcome->began.user);
    fflush(file);
}

static inline void report(const struct outcome *outcome)
{
    report_to(stdout, outcome);
}

/* For a peer that cannot sync: behind its close, and in its time. */
static inline void sync_if_asked(const struct job *job)
{
    int fd = job->synced ? open(job->path, O_WRONLY) : -1;

    if (!job->synced)
        return;
    if (fd < 0 || fdatasync(fd) != 0)
        die("fdatasync");
    close(fd);
}

/* The payload of message i: its index makes each one, and each checksum, different. */
static inline const uint8_t *payload_of(const struct job *job, uint64_t i)
{
    if (job->size >= sizeof i)
        memcpy(job->payload, &i, sizeof i);
    return job->payload;
}

static inline struct job parse_job(int argc, char **argv)
{
    struct job job;

    if (argc != 6) {
        fprintf(stderr, "usage: %s write|read MODE PATH N SIZE\n", argv[0]);
        exit(2);
    }
    job.writing = strcmp(argv[1], "write") == 0;
    char *suffix = strstr(argv[2], "-synced");
    job.synced = suffix != NULL;
    if (suffix)
        *suffix = '\0';
    job.mode = argv[2];
    job.path = argv[3];
    job.messages = strtoull(argv[4], NULL, 10);
    job.size = strtoull(argv[5], NULL, 10);
    job.payload = (uint8_t *)calloc(1, job.size + 8); /* peers that take whole words may */
    if (!job.payload)
        die("calloc");
    for (size_t i = 0; i < job.size; i++)
        job.payload[i] = (uint8_t)(i * 131 + 7);
    return job;
}

#endif
