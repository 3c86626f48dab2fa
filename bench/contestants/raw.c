/*
 * raw.c: the loops that a programmer would write by hand; what the kernel and memory allow.
 *
 *   write  copy    header and payload copied into a 256 KiB buffer, written when full
 *          direct  copy, past the page cache (O_DIRECT), one write at a time, then fdatasync
 *          two     write of the header, write of the payload
 *          writev  one writev of both
 *          gather  one writev of 100 messages by reference
 *   read   parse   256 KiB reads, frames parsed in place; each payload's address is taken
 *          mmap    the same over a mapping
 *          drain   reads 256 KiB at a time from PATH ("-", tcp:PORT) to the end and forgets it
 * each also as MODE-xxh3 and MODE-crc32 (copy and parse only).
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "output.h"

#include "frame/crc32.h"

#define BUFFER_BYTES ((size_t)256 * 1024)
#define GATHER 100

enum sum { NONE, SUM_XXH3, SUM_CRC32 };

static size_t sum_bytes(enum sum sum)
{
    return sum == SUM_XXH3 ? 8 : sum == SUM_CRC32 ? 4 : 0;
}

static inline uint64_t sum_of(enum sum sum, const void *data, size_t bytes)
{
    if (sum == SUM_XXH3)
        return XXH3_64bits(data, bytes);
    return sum == SUM_CRC32 ? fls_crc32(0, data, bytes) : 0;
}

static int is_mode(const struct job *job, const char *name, enum sum *sum)
{
    size_t length = strlen(name);

    if (strncmp(job->mode, name, length) != 0)
        return 0;
    *sum = NONE;
    if (strcmp(job->mode + length, "-xxh3") == 0)
        *sum = SUM_XXH3;
    else if (strcmp(job->mode + length, "-crc32") == 0)
        *sum = SUM_CRC32;
    else
        return job->mode[length] == '\0';
    return 1;
}

static void write_whole(int fd, const uint8_t *bytes, size_t length, struct outcome *outcome)
{
    if (write(fd, bytes, length) != (ssize_t)length)
        die("write");
    outcome->system_calls++;
    outcome->bytes += length;
}

static void writev_whole(int fd, struct iovec *segments, int count, size_t length,
                         struct outcome *outcome)
{
    if (writev(fd, segments, count) != (ssize_t)length)
        die("writev");
    outcome->system_calls++;
    outcome->bytes += length;
}

static void write_copy(const struct job *job, int fd, enum sum sum, struct outcome *outcome)
{
    size_t header_bytes = 4 + sum_bytes(sum), frame_bytes = header_bytes + job->size;
    size_t capacity = BUFFER_BYTES > frame_bytes ? BUFFER_BYTES : frame_bytes;
    uint8_t *buffer = malloc(capacity + 8);
    size_t used = 0;

    for (uint64_t i = 0; i < job->messages; i++) {
        const uint8_t *payload = payload_of(job, i);
        uint32_t length = (uint32_t)job->size;
        if (used + frame_bytes > capacity) {
            write_whole(fd, buffer, used, outcome);
            used = 0;
        }
        uint64_t value = sum_of(sum, payload, job->size);
        memcpy(buffer + used, &length, 4);
        memcpy(buffer + used + 4, &value, 8);
        memcpy(buffer + used + header_bytes, payload, job->size);
        used += frame_bytes;
    }
    if (used > 0)
        write_whole(fd, buffer, used, outcome);
    free(buffer);
}

static void sync_data(int fd, struct outcome *outcome)
{
    if (fdatasync(fd) != 0)
        die("fdatasync");
    outcome->system_calls++;
}

/* Copies into the buffer, which is written whenever it is full; returns the bytes in it. */
static size_t put(int fd, uint8_t *buffer, size_t used, const void *from, size_t bytes,
                  struct outcome *outcome)
{
    for (size_t at = 0; at < bytes;) {
        size_t part = bytes - at < BUFFER_BYTES - used ? bytes - at : BUFFER_BYTES - used;
        memcpy(buffer + used, (const uint8_t *)from + at, part);
        at += part;
        used += part;
        if (used == BUFFER_BYTES) {
            write_whole(fd, buffer, used, outcome);
            used = 0;
        }
    }
    return used;
}

static void write_direct(const struct job *job, int fd, struct outcome *outcome)
{
    uint32_t length = (uint32_t)job->size;
    uint8_t *buffer = aligned_alloc(4096, BUFFER_BYTES);
    size_t used = 0;

    if (fcntl(fd, F_SETFL, O_DIRECT) != 0)
        exit(2);
    for (uint64_t i = 0; i < job->messages; i++) {
        used = put(fd, buffer, used, &length, sizeof length, outcome);
        used = put(fd, buffer, used, payload_of(job, i), job->size, outcome);
    }
    fcntl(fd, F_SETFL, 0); /* the end is no multiple of a block */
    write_whole(fd, buffer, used, outcome);
    sync_data(fd, outcome);
    free(buffer);
}

static void write_two(const struct job *job, int fd, struct outcome *outcome)
{
    for (uint64_t i = 0; i < job->messages; i++) {
        const uint8_t *payload = payload_of(job, i);
        uint32_t length = (uint32_t)job->size;
        write_whole(fd, (const uint8_t *)&length, 4, outcome);
        write_whole(fd, payload, job->size, outcome);
    }
}

static void write_writev(const struct job *job, int fd, struct outcome *outcome)
{
    for (uint64_t i = 0; i < job->messages; i++) {
        uint32_t length = (uint32_t)job->size;
        struct iovec segments[2] = {{&length, 4},
                                    {(void *)(uintptr_t)payload_of(job, i), job->size}};
        writev_whole(fd, segments, 2, 4 + job->size, outcome);
    }
}

static void write_gather(const struct job *job, int fd, struct outcome *outcome)
{
    struct iovec segments[2 * GATHER];
    uint32_t length = (uint32_t)job->size;

    for (uint64_t i = 0; i < job->messages; i += GATHER) {
        int count = 0;
        for (uint64_t j = i; j < i + GATHER && j < job->messages; j++) {
            segments[count++] = (struct iovec){&length, 4};
            segments[count++] = (struct iovec){(void *)(uintptr_t)payload_of(job, j), job->size};
        }
        writev_whole(fd, segments, count, (size_t)count / 2 * (4 + job->size), outcome);
    }
}

static void write_messages(const struct job *job)
{
    int fd = open(job->path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    enum sum sum;

    if (fd < 0)
        die(job->path);
    struct outcome outcome = {0, job->messages, 0, start_watch()};
    if (is_mode(job, "copy", &sum))
        write_copy(job, fd, sum, &outcome);
    else if (strcmp(job->mode, "direct") == 0)
        write_direct(job, fd, &outcome);
    else if (is_mode(job, "two", &sum))
        write_two(job, fd, &outcome);
    else if (is_mode(job, "writev", &sum))
        write_writev(job, fd, &outcome);
    else if (is_mode(job, "gather", &sum))
        write_gather(job, fd, &outcome);
    else
        exit(2);
    if (job->synced)
        sync_data(fd, &outcome);
    if (close(fd) != 0)
        die("close");
    report(&outcome);
}

/* Takes whole frames off [at, end); returns where the first that is not whole begins. */
static const uint8_t *parse(const uint8_t *at, const uint8_t *end, enum sum sum,
                            struct outcome *outcome)
{
    size_t header_bytes = 4 + sum_bytes(sum);

    while ((size_t)(end - at) >= header_bytes) {
        uint32_t length;
        uint64_t stored = 0;
        memcpy(&length, at, 4);
        if ((size_t)(end - at) - header_bytes < length)
            break;
        memcpy(&stored, at + 4, sum_bytes(sum));
        if (sum != NONE && sum_of(sum, at + header_bytes, length) != stored)
            die("checksum");
        keep(at + header_bytes);
        outcome->messages++;
        outcome->bytes += header_bytes + length;
        at += header_bytes + length;
    }
    return at;
}

static void read_parse(const struct job *job, int fd, enum sum sum, struct outcome *outcome)
{
    size_t capacity = BUFFER_BYTES > job->size + 12 ? BUFFER_BYTES : job->size + 12;
    uint8_t *buffer = malloc(capacity);
    size_t used = 0;
    ssize_t got;

    while ((got = read(fd, buffer + used, capacity - used)) > 0) {
        outcome->system_calls++;
        used += (size_t)got;
        const uint8_t *rest = parse(buffer, buffer + used, sum, outcome);
        used = (size_t)(buffer + used - rest);
        memmove(buffer, rest, used);
    }
    if (got < 0)
        die("read");
    free(buffer);
}

static void read_mmap(int fd, enum sum sum, struct outcome *outcome)
{
    struct stat information;

    fstat(fd, &information);
    size_t length = (size_t)information.st_size;
    const uint8_t *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        die("mmap");
    parse(bytes, bytes + length, sum, outcome);
    munmap((void *)(uintptr_t)bytes, length);
}

static void drain(int fd, struct outcome *outcome)
{
    uint8_t *buffer = malloc(BUFFER_BYTES);
    ssize_t got;

    while ((got = read(fd, buffer, BUFFER_BYTES)) > 0) {
        outcome->system_calls++;
        outcome->bytes += (uint64_t)got;
    }
    if (got < 0)
        die("read");
    free(buffer);
}

static void read_messages(const struct job *job)
{
    int fd = open_input(job->path);
    enum sum sum;

    struct outcome outcome = {0, 0, 0, start_watch()};
    if (is_mode(job, "parse", &sum))
        read_parse(job, fd, sum, &outcome);
    else if (is_mode(job, "mmap", &sum))
        read_mmap(fd, sum, &outcome);
    else if (is_mode(job, "drain", &sum))
        drain(fd, &outcome);
    else
        exit(2);
    close(fd);
    if (outcome.messages != job->messages && strcmp(job->mode, "drain") != 0)
        die("messages are missing");
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
