/*
 * salvage_driver.c: says what salvage and recover make of the streams given to it, for
 * tests/salvage_model.py to compare.
 *
 * Each request is a line `KIND S C W BYTES` and as many bytes. The answer: `messages N`, a line
 * `m OFFSET LENGTH CRC32` for each, a line `r OFFSET BYTES MENDED FRAME STATUS` for each damaged
 * place, for a kind without verifier or width a line of recover's report, and `end`. Salvage from a
 * file must say the same as from memory, or the driver ends with a message.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <flatstream/flatstream.h>
#include <flatstream/salvage.h>

#include "journal/salvage_walk.h"

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "salvage_driver: %s\n", what);
    exit(2);
}

/* --- what is salvaged, as text --- */

struct text {
    char *bytes;
    size_t length;
    FILE *messages;
    FILE *regions;
    char *region_bytes;
    size_t region_length;
    size_t header;
};

static void text_open(struct text *text)
{
    text->messages = open_memstream(&text->bytes, &text->length);
    text->regions = open_memstream(&text->region_bytes, &text->region_length);
    if (!text->messages || !text->regions)
        die("out of memory");
}

static void text_close(struct text *text)
{
    fclose(text->messages);
    fclose(text->regions);
}

static void text_free(struct text *text)
{
    free(text->bytes);
    free(text->region_bytes);
}

static enum fls_status note_message(void *context, const struct fls_message *message)
{
    struct text *text = context;
    struct fls_checksum crc32 = {FLS_CHECKSUM_CRC32, NULL};

    fprintf(text->messages, "m %" PRIu64 " %zu %" PRIu64 "\n", message->offset, message->bytes,
            fls_checksum_of(crc32, message->payload, message->bytes));
    return FLS_OK;
}

static enum fls_status note_region(void *context, const struct fls_salvage_region *region)
{
    struct text *text = context;

    if (region->error.frame != region->frame || region->error.offset != region->offset)
        die("an error is not where its region is");
    fprintf(text->regions, "r %" PRIu64 " %" PRIu64 " %d %" PRIu64 " %s\n", region->offset,
            region->bytes, region->mended, region->frame, fls_status_word(region->error.status));
    return FLS_OK;
}

/* --- kinds --- */

static void sum8_begin(void *context, void *state)
{
    (void)context;
    *(uint64_t *)state = 0;
}

static void sum8_update(void *context, void *state, const void *data, size_t length)
{
    (void)context;
    for (size_t i = 0; i < length; i++)
        *(uint64_t *)state += ((const uint8_t *)data)[i];
}

static uint64_t sum8_finish(void *context, void *state)
{
    (void)context;
    return *(uint64_t *)state;
}

static const struct fls_checksum_custom sum8 = {1, sum8_begin, sum8_update, sum8_finish, NULL};

static int verify(const void *buffer, size_t bytes)
{
    return bytes > 0 && *(const uint8_t *)buffer == bytes % 251 ? 0 : 1;
}

/* The options for a kind by the model's name; 1 when recover can read it too. */
static int choose(const char *name, struct fls_salvage_options *options, const struct fls_tap *tap)
{
    char kind[32];

    options->verifier = tap;
    if (strcmp(name, "custom8") == 0) {
        options->checksum = FLS_CHECKSUM_CUSTOM;
        options->custom_checksum = &sum8;
        return 0;
    }
    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(name, "+"), name);
    if (fls_checksum_from_name(kind, &options->checksum) != FLS_OK)
        die("unknown kind");
    if (strchr(name, '+'))
        return 0;
    if (options->checksum == FLS_CHECKSUM_CRC32 || options->checksum == FLS_CHECKSUM_XXH3)
        options->verifier = NULL;
    return 1;
}

/* --- the two calls --- */

static void check_report(const struct fls_salvage_report *report, const struct text *text,
                         size_t length)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < text->region_length; i++)
        lines += text->region_bytes[i] == '\n';
    if (report->search_cut_short)
        die("a search was cut short");
    if (report->bytes != length || lines != report->regions_lost + report->mended)
        die("the report does not add up");
}

static void salvage_from_memory(const uint8_t *bytes, size_t length,
                                struct fls_salvage_options *options,
                                const struct fls_salvage_bounds *bounds, struct text *text)
{
    struct fls_salvage_report report;
    uint8_t *exact = malloc(length > 0 ? length : 1); /* reading beyond is then found */

    if (!exact)
        die("out of memory");
    memcpy(exact, bytes, length);
    text_open(text);
    options->context = text;
    if (fls_salvage_memory_within(exact, length, options, bounds, &report, NULL) != FLS_OK)
        die("salvage from memory failed");
    text_close(text);
    check_report(&report, text, length);
    free(exact);
    printf("messages %" PRIu64 "\n%s%s", report.frames, text->bytes, text->region_bytes);
}

/* Notes each of the frames as a message. */
static enum fls_status note_frames(void *context, const void *bytes, size_t length, uint64_t number,
                                   uint64_t offset, uint64_t count)
{
    struct text *text = context;
    size_t at = 0;

    while (count-- > 0) {
        uint32_t payload;
        memcpy(&payload, (const uint8_t *)bytes + at, sizeof payload);
        struct fls_message message = {(const uint8_t *)bytes + at + text->header, payload, number++,
                                      offset + at};
        if (payload > length - at || note_message(text, &message) != FLS_OK)
            die("frames are not whole");
        at += text->header + payload;
    }
    if (at != length)
        die("frames are not all");
    return FLS_OK;
}

/* From a file it is the same, message by message or in runs, and by one thread or by several. */
static void compare_with_file(const uint8_t *bytes, size_t length,
                              struct fls_salvage_options *options,
                              const struct fls_salvage_bounds *bounds, const struct text *text,
                              int in_runs)
{
    static const char before[] = "another header";
    struct fls_salvage_report report;
    struct text again;
    int fd = memfd_create("salvage", 0);

    if (fd < 0 || write(fd, before, sizeof before) != (ssize_t)sizeof before ||
        write(fd, bytes, length) != (ssize_t)length)
        die("memfd");
    text_open(&again);
    again.header =
        4 + fls_checksum_bytes((struct fls_checksum){options->checksum, options->custom_checksum});
    options->context = &again;
    options->frames = in_runs ? note_frames : NULL;
    if (fls_salvage_fd_within(fd, sizeof before, options, bounds, &report, NULL) != FLS_OK)
        die("salvage from a file failed");
    text_close(&again);
    if (strcmp(again.bytes, text->bytes) != 0 ||
        strcmp(again.region_bytes, text->region_bytes) != 0)
        die(!bounds->alone ? "by several threads it is not as by one"
                           : "from a file it is not as from memory");
    text_free(&again);
    close(fd);
}

static void recover(const uint8_t *bytes, size_t length, enum fls_checksum_kind kind)
{
    static const char *const ends[] = {"clean", "torn", "corrupt"};
    struct fls_reader_options options = {.checksum = kind, .owns_source = 1};
    struct fls_recovery recovery;
    struct fls_source *source;
    struct fls_reader *reader;

    if (fls_source_open_memory(bytes, length, &source, NULL) != FLS_OK ||
        fls_reader_open(source, &options, &reader, NULL) != FLS_OK ||
        fls_recover_scan(reader, 0, &recovery) != FLS_OK)
        die("recover failed");
    fls_reader_close(reader);
    printf("recover %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", recovery.frames,
           recovery.good_offset, recovery.tail_bytes, recovery.payload_bytes, ends[recovery.end]);
}

int main(void)
{
    struct fls_tap tap = fls_tap_typed("test", verify);
    struct fls_salvage_bounds bounds = FLS_SALVAGE_BOUNDS;
    char name[32];
    size_t length;

    bounds.alone = 1;
    while (scanf("%31s %" SCNu64 " %" SCNu64 " %" SCNu64 " %zu", name, &bounds.small_bytes_max,
                 &bounds.close_bytes_max, &bounds.wide_bytes_max, &length) == 5) {
        struct fls_salvage_options options = {.message = note_message, .region = note_region};
        uint8_t *bytes = malloc(length + 1);
        struct text text;

        if (getchar() != '\n' || !bytes || fread(bytes, 1, length, stdin) != length)
            die("a request is torn");
        int recoverable = choose(name, &options, &tap);
        salvage_from_memory(bytes, length, &options, &bounds, &text);
        for (int in_runs = 0; in_runs < 2; in_runs++)
            compare_with_file(bytes, length, &options, &bounds, &text, in_runs);
        for (unsigned jobs = 1; jobs < 3; jobs++) {
            struct fls_salvage_bounds together = bounds;
            together.alone = 0;
            together.stretch_bytes = length / (3 * jobs) + 1;
            together.jobs = jobs;
            compare_with_file(bytes, length, &options, &together, &text, jobs == 1);
        }
        text_free(&text);
        if (recoverable)
            recover(bytes, length, options.checksum);
        printf("end\n");
        fflush(stdout);
        free(bytes);
    }
    return 0;
}
