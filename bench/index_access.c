/*
 * index_access.c: what an index costs and what it saves.
 *
 *     index_access FOLDER [FRAMES [ACCESSES]]
 *
 * Makes a stream of FRAMES frames (40,000,000; 107 bytes each on average) with an index by time in
 * FOLDER, which needs the room, and then takes messages from random places of it, by number and by
 * time, each with the page cache of stream and index emptied. Prints, for each way: the bytes that
 * the process asked for and those that came from the device, and the time, of one access: median,
 * 99 % and most. "opened" is with an index that was opened before; "opening" opens it anew. Then
 * the cost of recording with an index: 256 MiB into the page cache, with and without by turns.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <flatstream/flatstream.h>

#define PAYLOAD_BYTES_MIN 80
#define FLUSH_BYTES ((uint64_t)1024 * 1024)
#define ROUNDS 9

static void stop_with(const char *what, const struct fls_error *error)
{
    char text[512] = "";

    if (error)
        fls_error_format(error, text, sizeof text);
    fprintf(stderr, "index_access: %s: %s\n", what, text);
    exit(3);
}

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static uint64_t random_below(uint64_t bound)
{
    static uint64_t state = UINT64_C(88172645463325252);

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
}

/* --- making ------------------------------------------------------- */

static int read_time(void *context, const void *payload, size_t bytes, int64_t *time)
{
    (void)context;
    (void)bytes;
    memcpy(time, payload, sizeof *time);
    return 1;
}

/* Message `i` has the time 1000 * i; 80 to 110 bytes. */
static size_t make_message(uint64_t i, uint8_t *payload)
{
    int64_t time = (int64_t)i * 1000;
    size_t bytes = PAYLOAD_BYTES_MIN + (size_t)(i * 2654435761u >> 16) % 31;

    memcpy(payload, &time, sizeof time);
    return bytes;
}

enum with { WITHOUT, BY_NUMBER, BY_TIME };

/* Records `frames` messages and returns the microseconds. */
static double record(const char *path, uint64_t frames, enum with with)
{
    struct fls_index_options building = {.time = with == BY_TIME ? read_time : NULL, .key = "time"};
    struct fls_writer_options options = {
        .framer = FLS_FRAMER_BATCHED, .checksum = FLS_CHECKSUM_XXH3, .owns_sink = 1};
    struct fls_index_writer *index = NULL;
    struct fls_writer *writer;
    struct fls_sink *sink;
    struct fls_error error;
    uint64_t frame, offset = 0, flushed = 0;
    uint8_t payload[256];

    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)random_below(256);
    double began = now_us();
    if (fls_sink_open_file(path, FLS_FILE_TRUNCATE, &sink, &error) != FLS_OK ||
        fls_writer_open(sink, &options, &writer, &error) != FLS_OK)
        stop_with(path, &error);
    if (with != WITHOUT && fls_index_writer_open(path, NULL, FLS_CHECKSUM_XXH3, &building, 0,
                                                 &index, &frame, &offset, &error) != FLS_OK)
        stop_with(path, &error);
    for (uint64_t i = 0; i < frames; i++) {
        struct iovec segment = {payload, make_message(i, payload)};
        struct fls_payload message = {&segment, 1, segment.iov_len};
        if (fls_writer_write(writer, payload, segment.iov_len) != FLS_OK)
            stop_with(path, fls_writer_error(writer));
        if (index && fls_index_writer_add(index, offset, 12, &message, &error) != FLS_OK)
            stop_with(path, &error);
        offset += 12 + segment.iov_len;
        if (offset - flushed >= FLUSH_BYTES) {
            if (fls_writer_flush(writer, FLS_LEVEL_PROCESS) != FLS_OK)
                stop_with(path, fls_writer_error(writer));
            if (index)
                fls_index_writer_handed(index);
            flushed = offset;
        }
    }
    if (fls_writer_close(writer, &error) != FLS_OK ||
        fls_index_writer_close(index, &error) != FLS_OK)
        stop_with(path, &error);
    return now_us() - began;
}

/* --- accesses ----------------------------------------------------- */

static void forget_pages(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        stop_with(path, NULL);
    close(fd);
}

/* What this process has read so far: asked for, and from the device. */
static void bytes_read(uint64_t *asked, uint64_t *from_device)
{
    char line[128];
    FILE *file = fopen("/proc/self/io", "r");

    *asked = *from_device = 0;
    while (file && fgets(line, sizeof line, file)) {
        (void)sscanf(line, "rchar: %" SCNu64, asked);
        (void)sscanf(line, "read_bytes: %" SCNu64, from_device);
    }
    if (file)
        fclose(file);
}

static void take_message(struct fls_index *index, uint64_t number, enum with with)
{
    struct fls_index_place place = {number, 0};
    struct fls_message message;
    struct fls_reader *reader = NULL;
    struct fls_error error;
    enum fls_status status = FLS_OK;
    int64_t time = 0, wanted = (int64_t)number * 1000;

    if (with == BY_TIME)
        status = fls_index_find_time(index, wanted, &place, &error);
    if (status == FLS_OK)
        status = fls_index_open_reader(index, place.frame, NULL, &reader, &error);
    if (status != FLS_OK)
        stop_with("find", &error);
    do {
        if (fls_reader_next(reader, &message) != FLS_OK)
            stop_with("read", fls_reader_error(reader));
        memcpy(&time, message.payload, sizeof time);
    } while (time < wanted);
    if (message.frame != number || time != wanted)
        stop_with("the wrong message", NULL);
    fls_reader_close(reader);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void print_figures(const char *unit, double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    printf("  %-28s median %9.0f   99 %% %9.0f   most %9.0f\n", unit, values[count / 2],
           values[count * 99 / 100], values[count - 1]);
}

static struct fls_index *open_index(const char *path)
{
    struct fls_index *index;
    struct fls_error error;

    if (fls_index_open(path, NULL, &index, &error) != FLS_OK)
        stop_with(path, &error);
    return index;
}

static void measure(const char *path, const char *index_path, uint64_t frames, size_t count,
                    enum with with, int opening)
{
    double *asked = calloc(3 * count, sizeof *asked);
    double *device = asked + count, *time = device + count;

    if (!asked)
        stop_with("memory", NULL);
    for (size_t i = 0; i < count; i++) {
        uint64_t asked_before, device_before, asked_after, device_after;
        struct fls_index *index = opening ? NULL : open_index(path);
        forget_pages(path);
        forget_pages(index_path);
        bytes_read(&asked_before, &device_before);
        double began = now_us();
        if (opening)
            index = open_index(path);
        take_message(index, random_below(frames), with);
        time[i] = now_us() - began;
        bytes_read(&asked_after, &device_after);
        uint64_t own = 0, unused;
        bytes_read(&own, &unused); /* reading /proc counts too: as much as one reading of it */
        asked[i] = (double)(asked_after - asked_before) - (double)(own - asked_after);
        device[i] = (double)(device_after - device_before);
        fls_index_close(index);
    }
    printf("by %s, index %s, %zu accesses\n", with == BY_TIME ? "time" : "number",
           opening ? "opening" : "opened", count);
    print_figures("bytes asked for", asked, count);
    print_figures("bytes from the device", device, count);
    print_figures("microseconds", time, count);
    free(asked);
}

/* --- recording ---------------------------------------------------- */

static void measure_recording(const char *path, const char *index_path)
{
    static const char *const names[] = {"without an index", "by number", "by time"};
    uint64_t frames = UINT64_C(256) * 1024 * 1024 / 107;
    double times[3][ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        for (int with = WITHOUT; with <= BY_TIME; with++) {
            (void)unlink(index_path);
            times[with][round] = record(path, frames, (enum with)with);
        }
    }
    printf("recording 256 MiB, medians of %d\n", ROUNDS);
    for (int with = WITHOUT; with <= BY_TIME; with++) {
        qsort(times[with], ROUNDS, sizeof(double), compare);
        printf("  %-28s %7.1f ms   %+5.1f %%\n", names[with], times[with][ROUNDS / 2] / 1e3,
               (times[with][ROUNDS / 2] / times[WITHOUT][ROUNDS / 2] - 1) * 100);
    }
}

static uint64_t size_of(const char *path)
{
    struct stat information;

    if (stat(path, &information) != 0)
        stop_with(path, NULL);
    return (uint64_t)information.st_size;
}

int main(int argc, char **argv)
{
    uint64_t frames = argc > 2 ? strtoull(argv[2], NULL, 10) : 40000000;
    size_t accesses = argc > 3 ? (size_t)strtoull(argv[3], NULL, 10) : 1000;
    char path[4000], index_path[4096];

    if (argc < 2 || frames == 0 || accesses == 0) {
        fputs("usage: index_access FOLDER [FRAMES [ACCESSES]]\n", stderr);
        return 2;
    }
    snprintf(path, sizeof path, "%s/index_access.fls", argv[1]);
    snprintf(index_path, sizeof index_path, "%s.idx", path);
    setvbuf(stdout, NULL, _IOLBF, 0);
    record(path, frames, BY_TIME);
    sync(); /* only clean pages can be forgotten */
    uint64_t bytes = size_of(path), index_bytes = size_of(index_path);
    printf("stream %" PRIu64 " frames, %" PRIu64 " bytes; index %" PRIu64 " bytes, %.4f %%\n",
           frames, bytes, index_bytes, 100.0 * (double)index_bytes / (double)bytes);
    for (int opening = 0; opening < 2; opening++)
        for (int with = BY_NUMBER; with <= BY_TIME; with++)
            measure(path, index_path, frames, accesses, (enum with)with, opening);
    unlink(path);
    measure_recording(path, index_path);
    unlink(path);
    unlink(index_path);
    return 0;
}
