/*
 * index_test.c: places found by an index are right, whatever became of it or of its stream; what
 * cannot be right is refused.
 *
 * pread, pwrite and unlink go through wraps here: bytes read are counted, writings are made to fail
 * or to end half-way.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/index_internal.h"
#include "support/data_file.h"
#include "support/frames.h"
#include "support/index_boot.h"

#define STREAM "index_test.fls"
#define INDEX STREAM ".idx"
#define FRAMES_MAX 5000

/* --- the wraps ---------------------------------------------------- */

static uint64_t bytes_read, reads, writes, fail_write_at;
static int half_write;

ssize_t __real_pread(int fd, void *bytes, size_t count, off_t at);
ssize_t __wrap_pread(int fd, void *bytes, size_t count, off_t at);
ssize_t __real_pwrite(int fd, const void *bytes, size_t count, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t count, off_t at);

ssize_t __wrap_pread(int fd, void *bytes, size_t count, off_t at)
{
    ssize_t got = __real_pread(fd, bytes, count, at);

    reads++;
    bytes_read += got > 0 ? (uint64_t)got : 0;
    return got;
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    if (++writes != fail_write_at)
        return __real_pwrite(fd, bytes, count, at);
    if (half_write && count > 1)
        (void)__real_pwrite(fd, bytes, count / 2, at);
    errno = ENOSPC;
    return -1;
}

/* --- streams with a model ----------------------------------------- */

/* frame i begins at offsets[i] and has time times[i], none where has_time[i] is 0. */
struct model {
    struct fls_checksum checksum;
    size_t header_bytes;
    size_t count;
    uint64_t offsets[FRAMES_MAX + 1];
    int64_t times[FRAMES_MAX];
    int has_time[FRAMES_MAX];
    struct frames frames;
};

static struct model model;

/* A payload: its time (8 bytes), unless it is too short, and a pattern. */
static void add_frame(size_t bytes, int64_t time)
{
    uint8_t payload[4096];

    pattern_fill(payload, bytes);
    model.has_time[model.count] = bytes >= sizeof time;
    if (bytes >= sizeof time)
        memcpy(payload, &time, sizeof time);
    model.times[model.count] = time;
    frames_put(&model.frames, model.checksum, payload, bytes);
    model.offsets[++model.count] = model.frames.length;
}

static void make_model(enum fls_checksum_kind kind, size_t count, size_t bytes_max, int disorder)
{
    int64_t time = -1000;

    free(model.frames.bytes);
    memset(&model, 0, sizeof model);
    model.checksum.kind = kind;
    model.header_bytes = 4 + fls_checksum_bytes(model.checksum);
    for (size_t i = 0; i < count; i++) {
        time += test_random() % 4;
        add_frame(test_random() % bytes_max, time - (disorder ? test_random() % 50 : 0));
    }
}

static void write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_true(length == 0 || fwrite(bytes, 1, length, file) == length);
    assert_int_equal(fclose(file), 0);
}

static int read_time(void *context, const void *payload, size_t bytes, int64_t *time)
{
    (void)context;
    if (bytes < sizeof *time)
        return 0;
    memcpy(time, payload, sizeof *time);
    return 1;
}

static const struct fls_index_options by_time = {
    .stretch_bytes = 1000, .time = read_time, .key = "time"};

/* Adds frames from .. to, each payload in two segments. */
static enum fls_status add_to(struct fls_index_writer *writer, size_t from, size_t to)
{
    enum fls_status status = FLS_OK;

    for (size_t i = from; i < to && status == FLS_OK; i++) {
        uint8_t *payload = model.frames.bytes + model.offsets[i] + model.header_bytes;
        size_t bytes = (size_t)(model.offsets[i + 1] - model.offsets[i]) - model.header_bytes;
        struct iovec halves[2] = {{payload, bytes / 3}, {payload + bytes / 3, bytes - bytes / 3}};
        struct fls_payload both = fls_payload_from_segments(halves, i % 2 ? 2 : 1);
        struct iovec whole = {payload, bytes};
        if (i % 2 == 0)
            both = fls_payload_from_segments(&whole, 1);
        status = fls_index_writer_add(writer, model.offsets[i], model.header_bytes, &both, NULL);
    }
    return status;
}

static struct fls_index_writer *open_writer(const struct fls_index_options *options, int resume,
                                            uint64_t *frame)
{
    struct fls_index_writer *writer;
    uint64_t offset;

    assert_ok(fls_index_writer_open(STREAM, NULL, model.checksum.kind, options, resume, &writer,
                                    frame, &offset, NULL));
    assert_true(*frame <= model.count);
    assert_int_equal(offset, model.offsets[*frame]);
    return writer;
}

static void build(const struct fls_index_options *options)
{
    uint64_t frame;

    write_file(STREAM, model.frames.bytes, model.frames.length);
    struct fls_index_writer *writer = open_writer(options, 0, &frame);
    assert_int_equal(frame, 0);
    assert_ok(add_to(writer, 0, model.count));
    assert_ok(fls_index_writer_close(writer, NULL));
}

/* --- what must hold ----------------------------------------------- */

/* The frame that an index says is `frame` is that one: its offset and payload. */
static void check_reader(struct fls_index *index, uint64_t frame)
{
    struct fls_reader *reader;
    struct fls_message message;

    assert_ok(fls_index_open_reader(index, frame, NULL, &reader, NULL));
    if (frame == model.count) {
        assert_int_equal(fls_reader_next(reader, &message), FLS_END);
    } else {
        assert_ok(fls_reader_next(reader, &message));
        assert_int_equal(message.frame, frame);
        assert_int_equal(message.offset, model.offsets[frame]);
        assert_memory_equal(message.payload,
                            model.frames.bytes + model.offsets[frame] + model.header_bytes,
                            message.bytes);
    }
    fls_reader_close(reader);
}

/* The first frame whose time is not before `time`. */
static size_t first_not_before(int64_t time)
{
    size_t i = 0;

    while (i < model.count && !(model.has_time[i] && model.times[i] >= time))
        i++;
    return i;
}

/* A frame boundary at or before what is sought, and within a stretch of it where the index covers
 * it. */
static void check_time(struct fls_index *index, int64_t time, uint64_t stretch)
{
    struct fls_index_place place;
    size_t first = first_not_before(time);
    enum fls_status status = fls_index_find_time(index, time, &place, NULL);

    assert_true(status == FLS_OK || status == FLS_END);
    assert_true(place.frame <= first);
    assert_int_equal(place.offset, model.offsets[place.frame]);
    if (status == FLS_OK)
        assert_true(model.offsets[first] - place.offset < stretch + 4096 + 12);
    else
        assert_true(first >= fls_index_describe(index).frames);
}

static void check_all(struct fls_index *index, uint64_t stretch, size_t step)
{
    struct fls_index_summary summary = fls_index_describe(index);
    struct fls_index_place place;

    assert_true(summary.frames <= model.count);
    assert_int_equal(summary.bytes, model.offsets[summary.frames]);
    for (size_t i = 0; i <= model.count; i += step) {
        enum fls_status status = fls_index_find_frame(index, i, &place, NULL);
        assert_int_equal(status, i < summary.frames ? FLS_OK : FLS_END);
        assert_true(place.frame <= i);
        assert_int_equal(place.offset, model.offsets[place.frame]);
        if (status == FLS_OK)
            assert_true(model.offsets[i] - place.offset < stretch + 4096 + 12);
        check_reader(index, i);
    }
    if (summary.has_time)
        for (int64_t time = -1100; time < 2 * (int64_t)model.count; time += 1 + (int64_t)step / 3)
            check_time(index, time, stretch);
}

static struct fls_index *open_index(void)
{
    struct fls_index *index;
    struct fls_error error = {.status = FLS_OK};

    if (fls_index_open(STREAM, NULL, &index, &error) != FLS_OK)
        fail_msg("%s", error.reason);
    return index;
}

/* --- finding ------------------------------------------------------ */

static void every_frame_and_time_is_found(void **state)
{
    static const struct fls_index_options options[] = {
        {.stretch_bytes = 1000, .time = read_time, .key = "time"},
        {.stretch_frames = 7, .time = read_time},
        {.stretch_bytes = 1, .time = read_time},
        {.time = read_time}};
    static const uint64_t stretches[] = {1000, 7 * 400, 1, FLS_INDEX_STRETCH_BYTES_DEFAULT};

    (void)state;
    for (int kind = FLS_CHECKSUM_NONE; kind <= FLS_CHECKSUM_XXH3; kind++) {
        for (size_t i = 0; i < 4; i++) {
            make_model((enum fls_checksum_kind)kind, 1500, 300, i % 2 == 1);
            build(&options[i]);
            struct fls_index *index = open_index();
            assert_int_equal(fls_index_describe(index).frames, model.count);
            check_all(index, stretches[i], 3);
            struct fls_reader *reader;
            assert_int_equal(fls_index_open_reader(index, model.count + 1, NULL, &reader, NULL),
                             FLS_END);
            fls_index_close(index);
        }
    }
}

static void the_summary_is_that_of_the_stream(void **state)
{
    int64_t least = INT64_MAX, greatest = INT64_MIN;

    (void)state;
    make_model(FLS_CHECKSUM_CRC32, 800, 200, 1);
    build(&by_time);
    for (size_t i = 0; i < model.count; i++) {
        if (model.has_time[i] && model.times[i] < least)
            least = model.times[i];
        if (model.has_time[i] && model.times[i] > greatest)
            greatest = model.times[i];
    }
    struct fls_index *index = open_index();
    struct fls_index_summary summary = fls_index_describe(index);
    assert_int_equal(summary.checksum, FLS_CHECKSUM_CRC32);
    assert_int_equal(summary.frames, 800);
    assert_int_equal(summary.bytes, model.frames.length);
    assert_true(summary.has_time && !summary.time_is_real && !summary.time_in_order);
    assert_int_equal(summary.time_first, least);
    assert_int_equal(summary.time_last, greatest);
    assert_string_equal(summary.key, "time");
    assert_int_equal(summary.synced_frames, 0);
    fls_index_close(index);
    make_model(FLS_CHECKSUM_CRC32, 800, 200, 0);
    build(&by_time);
    index = open_index();
    assert_true(fls_index_describe(index).time_in_order);
    fls_index_close(index);
}

/* Adds frames from .. to in runs of up to 200. */
static enum fls_status add_runs_to(struct fls_index_writer *writer, size_t from, size_t to)
{
    enum fls_status status = FLS_OK;

    while (from < to && status == FLS_OK) {
        size_t end = from + 1 + test_random() % 200;
        end = end < to ? end : to;
        status = fls_index_writer_add_run(writer, model.offsets[from], model.header_bytes,
                                          model.frames.bytes + model.offsets[from],
                                          (size_t)(model.offsets[end] - model.offsets[from]), NULL);
        from = end;
    }
    return status;
}

/* Frames that are added in runs make the same index as one by one. */
static void runs_make_the_same_index(void **state)
{
    static const struct fls_index_options options[] = {
        {.stretch_bytes = 1000, .time = read_time},  {.stretch_bytes = 1000}, {.stretch_frames = 7},
        {.stretch_bytes = 500, .stretch_frames = 3}, {.stretch_bytes = 1},    {.time = read_time}};

    (void)state;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        uint64_t frame;
        make_model(i % 2 ? FLS_CHECKSUM_NONE : FLS_CHECKSUM_XXH3, 3000, 300, 1);
        build(&options[i]);
        struct fls_index *index = open_index();
        struct fls_index_summary one_by_one = fls_index_describe(index);
        fls_index_close(index);
        struct fls_index_writer *writer = open_writer(&options[i], 0, &frame);
        assert_ok(add_runs_to(writer, 0, 1000));
        assert_ok(add_to(writer, 1000, 1100));
        assert_ok(fls_index_writer_flush(writer, NULL));
        assert_ok(add_runs_to(writer, 1100, 3000));
        assert_ok(fls_index_writer_add_run(writer, model.offsets[3000], model.header_bytes, NULL, 0,
                                           NULL));
        assert_ok(fls_index_writer_close(writer, NULL));
        index = open_index();
        struct fls_index_summary in_runs = fls_index_describe(index);
        assert_memory_equal(&in_runs, &one_by_one, sizeof in_runs);
        assert_ok(fls_index_check(index, options[i].time, NULL, NULL, NULL));
        check_all(index, FLS_INDEX_STRETCH_BYTES_DEFAULT, 37);
        fls_index_close(index);
    }
}

static void without_times_there_is_no_search_by_time(void **state)
{
    struct fls_index_place place;
    struct fls_index *index;

    (void)state;
    make_model(FLS_CHECKSUM_XXH3, 100, 100, 0);
    build(NULL);
    index = open_index();
    assert_false(fls_index_describe(index).has_time);
    assert_int_equal(fls_index_find_time(index, 0, &place, NULL), FLS_UNSUPPORTED);
    fls_index_close(index);
}

static void an_empty_stream_has_an_index(void **state)
{
    (void)state;
    make_model(FLS_CHECKSUM_XXH3, 0, 100, 0);
    build(&by_time);
    struct fls_index *index = open_index();
    assert_int_equal(fls_index_describe(index).entries, 0);
    check_all(index, 1, 1);
    fls_index_close(index);
}

/* One access to a stream of 20 MB reads less than 64 KiB, opening the index included. */
static void an_access_reads_less_than_64_kib(void **state)
{
    struct fls_index_options options = {.time = read_time};
    uint64_t most = 0, most_reads = 0;

    (void)state;
    make_model(FLS_CHECKSUM_XXH3, FRAMES_MAX, 4096, 0);
    build(&options);
    struct stat information;
    assert_int_equal(stat(INDEX, &information), 0);
    for (int i = 0; i < 2000; i++) {
        uint64_t frame = test_random() % model.count;
        bytes_read = reads = 0;
        struct fls_index *index = open_index();
        check_reader(index, frame);
        fls_index_close(index);
        most = bytes_read > most ? bytes_read : most;
        most_reads = reads > most_reads ? reads : most_reads;
    }
    assert_true(most < 65536);
    assert_true(most_reads < 25);
}

/* --- damage ------------------------------------------------------- */

/* The index in the file is refused, or all that it says is right. Returns 1 when it opens. */
static int is_refused_or_right(size_t step)
{
    struct fls_index *index;
    struct fls_index_place place;
    struct fls_error error;
    enum fls_status status = fls_index_open(STREAM, NULL, &index, &error);

    if (status != FLS_OK) {
        assert_int_equal(status, FLS_INVALID_ARGUMENT);
        assert_true(strlen(error.reason) > 0);
        return 0;
    }
    struct fls_index_summary summary = fls_index_describe(index);
    assert_true(summary.frames <= model.count);
    assert_int_equal(summary.bytes, model.offsets[summary.frames]);
    for (size_t i = 0; i < model.count; i += step) {
        status = fls_index_find_frame(index, i, &place, &error);
        assert_true(status == FLS_OK || status == FLS_END || status == FLS_INVALID_ARGUMENT);
        if (status == FLS_INVALID_ARGUMENT)
            continue;
        assert_true(place.frame <= i);
        assert_int_equal(place.offset, model.offsets[place.frame]);
    }
    for (int64_t time = -1000; time < 0; time += 9 * (int64_t)step) {
        status = fls_index_find_time(index, time, &place, &error);
        assert_true(status == FLS_OK || status == FLS_END || status == FLS_INVALID_ARGUMENT);
        if (status != FLS_INVALID_ARGUMENT)
            assert_true(place.frame <= first_not_before(time) &&
                        place.offset == model.offsets[place.frame]);
    }
    fls_index_close(index);
    return 1;
}

static void damage_to_any_byte_of_the_index_is_noticed(void **state)
{
    size_t length;
    int opened = 0;

    (void)state;
    make_model(FLS_CHECKSUM_CRC32, 400, 100, 1);
    build(&by_time);
    char *bytes = test_read_file(INDEX, &length);
    for (size_t i = 0; i < length; i++) {
        char before = bytes[i];
        bytes[i] = (char)(before ^ (1 << test_random() % 8));
        write_file(INDEX, bytes, length);
        opened += is_refused_or_right(11);
        bytes[i] = before;
    }
    assert_true(opened < (int)length); /* some are refused */
    for (size_t cut = 0; cut < length; cut++) {
        write_file(INDEX, bytes, cut);
        assert_false(is_refused_or_right(50));
    }
    free(bytes);
}

static void an_index_of_another_stream_is_refused(void **state)
{
    (void)state;
    make_model(FLS_CHECKSUM_XXH3, 400, 100, 0);
    build(&by_time);
    make_model(FLS_CHECKSUM_XXH3, 500, 100, 0);
    write_file(STREAM, model.frames.bytes, model.frames.length);
    assert_false(is_refused_or_right(1));
}

/* A stream that was cut is shorter than its index, up to the moment at which it has grown again:
 * then its frames are others. */
static void a_stream_cut_and_grown_again_is_noticed(void **state)
{
    (void)state;
    make_model(FLS_CHECKSUM_XXH3, 400, 100, 0);
    build(&by_time);
    for (size_t cut = 0; cut < model.frames.length; cut += 7) {
        write_file(STREAM, model.frames.bytes, cut);
        assert_false(is_refused_or_right(1));
    }
    size_t keep = 300;
    model.count = keep;
    model.frames.length = model.offsets[keep];
    for (int i = 0; i < 300; i++)
        add_frame(test_random() % 100, 5000);
    write_file(STREAM, model.frames.bytes, model.frames.length);
    assert_false(is_refused_or_right(1));
}

static void what_is_no_index_is_refused(void **state)
{
    uint8_t junk[4000];
    struct fls_index *index;
    struct fls_error error;

    (void)state;
    make_model(FLS_CHECKSUM_XXH3, 100, 100, 0);
    build(&by_time);
    for (int i = 0; i < 200; i++) {
        for (size_t k = 0; k < sizeof junk; k++)
            junk[k] = (uint8_t)(i % 2 ? test_random() : 0);
        write_file(INDEX, junk, test_random() % sizeof junk);
        assert_false(is_refused_or_right(1));
    }
    assert_int_equal(unlink(INDEX), 0);
    assert_int_equal(fls_index_open(STREAM, NULL, &index, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOENT);
}

/* --- growing, crashing, going on ---------------------------------- */

/* A writer that ends at any moment leaves an index that is right, and can be gone on with. */
static void a_writer_that_ends_can_be_followed_by_another(void **state)
{
    uint64_t frame;

    (void)state;
    make_model(FLS_CHECKSUM_CRC32, 3000, 200, 1);
    write_file(STREAM, model.frames.bytes, model.frames.length);
    unlink(INDEX);
    for (size_t at = 0; at < model.count;) {
        struct fls_index_writer *writer = open_writer(&by_time, 1, &frame);
        assert_true(frame <= at);
        size_t to = at + test_random() % 300;
        to = to < model.count ? to : model.count;
        size_t flushed = frame + test_random() % (to - frame + 1);
        assert_ok(add_to(writer, frame, flushed));
        assert_ok(fls_index_writer_flush(writer, NULL));
        assert_ok(add_to(writer, flushed, to));
        at = to;
        if (test_random() % 2) { /* ends without a word: as the file is now, so it stays */
            size_t length;
            char *bytes = test_read_file(INDEX, &length);
            assert_ok(fls_index_writer_close(writer, NULL));
            write_file(INDEX, bytes, length);
            free(bytes);
        } else {
            assert_ok(fls_index_writer_close(writer, NULL));
        }
        struct fls_index *index = open_index();
        assert_true(fls_index_describe(index).frames >= flushed);
        check_all(index, 1000, 101);
        fls_index_close(index);
    }
    struct fls_index_writer *writer = open_writer(&by_time, 1, &frame);
    assert_ok(add_to(writer, frame, model.count));
    assert_ok(fls_index_writer_close(writer, NULL));
    struct fls_index *index = open_index();
    struct fls_index_summary grown = fls_index_describe(index);
    check_all(index, 1000, 1);
    fls_index_close(index);
    build(&by_time);
    index = open_index();
    struct fls_index_summary at_once = fls_index_describe(index);
    assert_int_equal(grown.entries, at_once.entries);
    assert_int_equal(grown.time_first, at_once.time_first);
    assert_int_equal(grown.time_last, at_once.time_last);
    assert_int_equal(grown.time_in_order, at_once.time_in_order);
    fls_index_close(index);
}

/* After a loss of power the stream is shorter than the index says: what was synced still holds. */
static void what_was_synced_outlives_the_rest(void **state)
{
    uint64_t frame;

    (void)state;
    make_model(FLS_CHECKSUM_XXH3, 2000, 200, 0);
    write_file(STREAM, model.frames.bytes, model.frames.length);
    struct fls_index_writer *writer = open_writer(&by_time, 0, &frame);
    assert_ok(add_to(writer, 0, 700));
    fls_index_writer_handed(writer);
    fls_index_writer_syncing(writer);
    assert_ok(add_to(writer, 700, 900)); /* while the sync is under way */
    fls_index_writer_handed(writer);
    fls_index_writer_synced(writer);
    assert_ok(add_to(writer, 900, 2000));
    assert_ok(fls_index_writer_close(writer, NULL));
    struct fls_index *index = open_index();
    assert_int_equal(fls_index_describe(index).frames, 2000);
    assert_int_equal(fls_index_describe(index).synced_frames, 700);
    assert_int_equal(fls_index_describe(index).synced_bytes, model.offsets[700]);
    assert_int_equal(fls_index_describe(index).trusted_frames, 2000);
    assert_int_equal(fls_index_describe(index).trusted_bytes, model.offsets[2000]);
    fls_index_close(index);

    model.count = 800;
    model.frames.length = model.offsets[800];
    write_file(STREAM, model.frames.bytes, model.frames.length);
    index = open_index();
    assert_int_equal(fls_index_describe(index).frames, 700);
    check_all(index, 1000, 1);
    fls_index_close(index);
    for (int i = 0; i < 300; i++)
        add_frame(test_random() % 200, 9000);
    writer = open_writer(&by_time, 1, &frame);
    assert_int_equal(frame, 700);
    write_file(STREAM, model.frames.bytes, model.frames.length);
    assert_ok(add_to(writer, 700, model.count));
    assert_ok(fls_index_writer_close(writer, NULL));
    index = open_index();
    assert_int_equal(fls_index_describe(index).frames, model.count);
    check_all(index, 1000, 1);
    fls_index_close(index);
}

/* The same where nothing is missing, for nobody can tell: in another boot, or when it is not known
 * in which the index was written, it goes no further than what was synced; then it is of this boot.
 */
static void an_index_of_another_boot_goes_on_behind_what_was_synced(void **state)
{
    static const uint64_t boots[] = {1, 0};
    struct fls_index *index;
    uint64_t frame;

    (void)state;
    make_model(FLS_CHECKSUM_XXH3, 2000, 200, 1);
    write_file(STREAM, model.frames.bytes, model.frames.length);
    for (size_t i = 0; i < 2; i++) {
        struct fls_index_writer *writer = open_writer(&by_time, 0, &frame);
        assert_ok(add_to(writer, 0, 700));
        fls_index_writer_handed(writer);
        fls_index_writer_syncing(writer);
        fls_index_writer_synced(writer);
        assert_ok(add_to(writer, 700, 2000));
        assert_ok(fls_index_writer_close(writer, NULL));
        assert_true(test_index_set_boot(INDEX, boots[i]) > 0);
        index = open_index();
        assert_int_equal(fls_index_describe(index).frames, 2000);
        assert_int_equal(fls_index_describe(index).trusted_frames, 700);
        assert_int_equal(fls_index_describe(index).trusted_bytes, model.offsets[700]);
        check_all(index, 1000, 101); /* it finds what is behind, too */
        fls_index_close(index);
        writer = open_writer(&by_time, 1, &frame);
        assert_int_equal(frame, 700);
        assert_ok(add_to(writer, 700, 2000));
        assert_ok(fls_index_writer_close(writer, NULL));
        index = open_index();
        assert_int_equal(fls_index_describe(index).trusted_frames, 2000);
        check_all(index, 1000, 101);
        assert_ok(fls_index_check(index, read_time, NULL, NULL, NULL));
        fls_index_close(index);
    }
}

/* Another kind, key or stretch is another index. */
static void other_options_begin_anew(void **state)
{
    struct fls_index_options others[] = {by_time, by_time, by_time};
    uint64_t frame;

    (void)state;
    others[0].key = "other";
    others[1].time = NULL;
    others[2].stretch_bytes = 999;
    make_model(FLS_CHECKSUM_XXH3, 300, 100, 0);
    for (size_t i = 0; i < 3; i++) {
        build(&by_time);
        struct fls_index_writer *writer = open_writer(&others[i], 1, &frame);
        assert_int_equal(frame, 0);
        assert_ok(fls_index_writer_close(writer, NULL));
    }
}

static void a_failed_writing_gives_the_index_up_once(void **state)
{
    (void)state;
    make_model(FLS_CHECKSUM_XXH3, 3000, 100, 0);
    for (int half = 0; half < 2; half++) {
        for (uint64_t at = 1;; at++) {
            struct fls_index_writer *writer;
            struct fls_error error;
            uint64_t frame, offset;
            int failures = 0;

            write_file(STREAM, model.frames.bytes, model.frames.length);
            unlink(INDEX);
            writes = 0;
            fail_write_at = at;
            half_write = half;
            enum fls_status status =
                fls_index_writer_open(STREAM, NULL, model.checksum.kind,
                                      &(struct fls_index_options){.stretch_bytes = 200}, 0, &writer,
                                      &frame, &offset, &error);
            if (status == FLS_OK) {
                for (size_t i = 0; i < model.count; i++)
                    failures += add_to(writer, i, i + 1) != FLS_OK;
                failures += fls_index_writer_flush(writer, &error) != FLS_OK;
                failures += fls_index_writer_close(writer, &error) != FLS_OK;
            }
            fail_write_at = 0;
            if (writes < at) {
                assert_int_equal(failures, 0);
                break;
            }
            if (status == FLS_OK)
                assert_int_equal(failures, 1);
            assert_int_not_equal(access(INDEX, F_OK), 0);
        }
    }
}

static void frames_out_of_place_give_it_up(void **state)
{
    struct iovec whole = {(void *)(uintptr_t) "abc", 3};
    struct fls_payload payload = fls_payload_from_segments(&whole, 1);
    uint64_t frame;

    (void)state;
    make_model(FLS_CHECKSUM_NONE, 3, 100, 0);
    write_file(STREAM, model.frames.bytes, model.frames.length);
    struct fls_index_writer *writer = open_writer(NULL, 0, &frame);
    assert_int_equal(fls_index_writer_add(writer, 1, 4, &payload, NULL), FLS_INVALID_ARGUMENT);
    assert_ok(fls_index_writer_add(writer, 0, 4, &payload, NULL));
    assert_ok(fls_index_writer_close(writer, NULL));
    assert_int_not_equal(access(INDEX, F_OK), 0);
    writer = open_writer(NULL, 0, &frame);
    assert_int_equal(fls_index_writer_add(writer, 0, 6, &payload, NULL), FLS_INVALID_ARGUMENT);
    assert_ok(fls_index_writer_close(writer, NULL));
    writer = open_writer(NULL, 0, &frame);
    assert_int_equal(fls_index_writer_add_run(writer, 1, 4, model.frames.bytes, 4, NULL),
                     FLS_INVALID_ARGUMENT);
    assert_ok(fls_index_writer_add_run(writer, 0, 4, model.frames.bytes, 4, NULL));
    assert_ok(fls_index_writer_close(writer, NULL));
    assert_int_not_equal(access(INDEX, F_OK), 0);
}

static void wrong_calls_are_refused(void **state)
{
    struct fls_index_writer *writer;
    struct fls_index_options options = {
        .key = "0123456789012345678901234567890123456789012345678901234567890123"};
    uint64_t frame, offset;

    (void)state;
    make_model(FLS_CHECKSUM_NONE, 3, 100, 0);
    build(NULL);
    assert_int_equal(fls_index_writer_open(STREAM, NULL, FLS_CHECKSUM_NONE, &options, 0, &writer,
                                           &frame, &offset, NULL),
                     FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_index_writer_open(STREAM, NULL, (enum fls_checksum_kind)9, NULL, 0,
                                           &writer, &frame, &offset, NULL),
                     FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_index_writer_open("/dev/null", NULL, FLS_CHECKSUM_NONE, NULL, 0, &writer,
                                           &frame, &offset, NULL),
                     FLS_INVALID_ARGUMENT);
    assert_int_equal(fls_index_writer_open("no/such", NULL, FLS_CHECKSUM_NONE, NULL, 0, &writer,
                                           &frame, &offset, NULL),
                     FLS_IO);
    assert_ok(fls_index_writer_close(NULL, NULL));
    fls_index_close(NULL);
}

/* --- keys --------------------------------------------------------- */

static void reals_keep_their_order(void **state)
{
    static const double rising[] = {-1e308, -2.5, -2.25, -1e-300, 0.0,  5e-324,
                                    0.25,   1.0,  1.7e9, 1.7e18,  1e308};

    (void)state;
    for (size_t i = 0; i < sizeof rising / sizeof rising[0]; i++) {
        assert_true(fls_time_to_real(fls_time_from_real(rising[i])) == rising[i]);
        if (i > 0)
            assert_true(fls_time_from_real(rising[i - 1]) < fls_time_from_real(rising[i]));
    }
    assert_int_equal(fls_time_from_real(-0.0), fls_time_from_real(0.0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_and_time_is_found),
        cmocka_unit_test(the_summary_is_that_of_the_stream),
        cmocka_unit_test(runs_make_the_same_index),
        cmocka_unit_test(without_times_there_is_no_search_by_time),
        cmocka_unit_test(an_empty_stream_has_an_index),
        cmocka_unit_test(an_access_reads_less_than_64_kib),
        cmocka_unit_test(damage_to_any_byte_of_the_index_is_noticed),
        cmocka_unit_test(an_index_of_another_stream_is_refused),
        cmocka_unit_test(a_stream_cut_and_grown_again_is_noticed),
        cmocka_unit_test(what_is_no_index_is_refused),
        cmocka_unit_test(a_writer_that_ends_can_be_followed_by_another),
        cmocka_unit_test(what_was_synced_outlives_the_rest),
        cmocka_unit_test(an_index_of_another_boot_goes_on_behind_what_was_synced),
        cmocka_unit_test(other_options_begin_anew),
        cmocka_unit_test(a_failed_writing_gives_the_index_up_once),
        cmocka_unit_test(frames_out_of_place_give_it_up),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(reals_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
