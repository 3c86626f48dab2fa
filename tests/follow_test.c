/*
 * follow_test.c: a series is followed while a writer grows it in bursts and half frames, rotates it
 * and breaks off under the reader: each message comes once, whole, in order, and soon.
 *
 * FLS_CHECK=1: the promised 50 ms are checked, which needs a machine with nothing else to do; else
 * they are only printed, and a gross failure is found.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "support/frames.h"

/* --- a system that refuses inotify --------------------------------------------------------------
 */

int __real_inotify_init1(int flags);
int __wrap_inotify_init1(int flags);

static int inotify_is_refused;

int __wrap_inotify_init1(int flags)
{
    if (inotify_is_refused) {
        errno = EMFILE;
        return -1;
    }
    return __real_inotify_init1(flags);
}

/* --- a folder of one's own, and files in it -----------------------------------------------------
 */

static char folder[64];
static char path[96];

static int make_folder(void **state)
{
    (void)state;
    inotify_is_refused = 0;
    snprintf(folder, sizeof folder, "/tmp/fls-follow-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/name.fls", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char command[96];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static int open_segment(uint64_t number, int flags)
{
    char *name = number > 0 ? fls_series_segment_path(path, number) : strdup(path);

    assert_non_null(name);
    int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0600);
    assert_true(fd >= 0);
    free(name);
    return fd;
}

static void append(uint64_t number, const void *bytes, size_t count)
{
    int fd = open_segment(number, 0);

    assert_int_equal(write(fd, bytes, count), count);
    close(fd);
}

static void cut(uint64_t number, off_t bytes)
{
    int fd = open_segment(number, 0);

    assert_int_equal(ftruncate(fd, bytes), 0);
    close(fd);
}

static void delete_segment(uint64_t number)
{
    char *name = fls_series_segment_path(path, number);

    assert_int_equal(unlink(name), 0);
    free(name);
}

static struct fls_checksum kind(enum fls_checksum_kind which)
{
    return (struct fls_checksum){which, NULL};
}

/* One frame of a pattern of `bytes` bytes; free its bytes. */
static struct frames one_frame(enum fls_checksum_kind which, size_t bytes)
{
    struct frames frames = {NULL, 0, 0};

    frames_pattern(&frames, kind(which), &bytes, 1);
    return frames;
}

static void append_frame(uint64_t number, size_t bytes)
{
    struct frames frames = one_frame(FLS_CHECKSUM_XXH3, bytes);

    append(number, frames.bytes, frames.length);
    free(frames.bytes);
}

static struct fls_reader *open_series(const struct fls_series_options *options,
                                      enum fls_checksum_kind which, struct fls_source **source)
{
    struct fls_reader_options reading = {.checksum = which, .alignment = 1, .owns_source = 1};
    struct fls_reader *reader;

    assert_ok(fls_source_open_series(path, options, source, NULL));
    assert_ok(fls_reader_open(*source, &reading, &reader, NULL));
    return reader;
}

static void expect_message(struct fls_reader *reader, size_t bytes)
{
    struct fls_message message;

    assert_ok(fls_reader_next(reader, &message));
    assert_int_equal(message.bytes, bytes);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(((const uint8_t *)message.payload)[i], pattern_byte(i, bytes));
}

static void expect_end(struct fls_reader *reader, enum fls_status want)
{
    struct fls_message message;

    assert_int_equal(fls_reader_next(reader, &message), want);
    assert_int_equal(fls_reader_next(reader, &message), want);
}

static void expect_place(const struct fls_source *source, uint64_t global, uint64_t number,
                         uint64_t within)
{
    const struct fls_segment *segment;
    uint64_t offset;

    assert_int_equal(fls_series_locate(source, global, &segment, &offset), 1);
    assert_int_equal(segment->number, number);
    assert_int_equal(offset, within);
}

/* --- not following ------------------------------------------------------------------------------
 */

#define HEADER 12

static void test_as_one_stream(void **state)
{
    struct fls_source *source;
    uint64_t offset, frame;

    (void)state;
    append_frame(3, 100);
    append_frame(3, 200);
    append(4, "", 0);
    append_frame(9, 300000); /* more than is read ahead; and there is a gap */
    append_frame(9, 1);
    struct fls_reader *reader = open_series(NULL, FLS_CHECKSUM_XXH3, &source);
    expect_message(reader, 100);
    expect_message(reader, 200);
    expect_message(reader, 300000);
    expect_message(reader, 1);
    fls_reader_position(reader, &offset, &frame);
    assert_int_equal(offset, 100 + 200 + 300000 + 1 + 4 * HEADER);
    assert_int_equal(frame, 4);
    expect_place(source, 300 + 2 * HEADER, 9, 0);
    expect_end(reader, FLS_END);
    fls_reader_close(reader);
}

static void test_from_the_middle(void **state)
{
    struct fls_series_options options = {.start_segment = 2, .start_offset = 50 + HEADER};
    struct fls_source *source;
    struct fls_error error;

    (void)state;
    append_frame(1, 10);
    append_frame(2, 50);
    append_frame(2, 60);
    append_frame(3, 70);
    struct fls_reader *reader = open_series(&options, FLS_CHECKSUM_XXH3, &source);
    expect_place(source, 0, 2, 50 + HEADER);
    expect_message(reader, 60);
    expect_message(reader, 70);
    expect_end(reader, FLS_END);
    fls_reader_close(reader);
    options.start_offset = 110 + 2 * HEADER + 1;
    assert_int_equal(fls_source_open_series(path, &options, &source, &error), FLS_UNEXPECTED_END);
    assert_int_equal(error.expected, 110 + 2 * HEADER + 1);
    assert_int_equal(error.found, 110 + 2 * HEADER);
    options.start_segment = 4;
    assert_int_equal(fls_source_open_series(path, &options, &source, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOENT);
}

static void test_refusals(void **state)
{
    struct fls_series_options options = {.start_segment = 1};
    struct fls_source *source;
    struct fls_error error;

    (void)state;
    assert_int_equal(fls_source_open_series(path, NULL, &source, &error), FLS_IO);
    assert_int_equal(error.os_errno, ENOENT);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(fls_source_open_series(path, NULL, &source, &error), FLS_UNSUPPORTED);
    assert_int_equal(unlink(path), 0);
    append(0, "", 0);
    assert_int_equal(fls_source_open_series(path, &options, &source, &error), FLS_INVALID_ARGUMENT);
    append(1, "", 0);
    assert_int_equal(fls_source_open_series(path, NULL, &source, &error), FLS_INVALID_ARGUMENT);
    options.follow = 1;
    assert_int_equal(fls_source_open_series("/no/such/folder/x.fls", &options, &source, &error),
                     FLS_IO);
}

/* A half frame before another segment: said with its place, and not glued. */
static void check_torn_inside(const struct fls_series_options *options)
{
    struct frames torn = one_frame(FLS_CHECKSUM_XXH3, 500);
    struct fls_source *source;

    append_frame(1, 100);
    append_frame(2, 40);
    append(2, torn.bytes, 77);
    append(3, torn.bytes + 77, torn.length - 77);
    struct fls_reader *reader = open_series(options, FLS_CHECKSUM_XXH3, &source);
    expect_message(reader, 100);
    expect_message(reader, 40);
    expect_end(reader, FLS_UNEXPECTED_END);
    const struct fls_error *error = fls_reader_error(reader);
    assert_int_equal(error->frame, 2);
    assert_int_equal(error->offset, 140 + 2 * HEADER);
    assert_int_equal(error->expected, 500);
    assert_int_equal(error->found, 77 - HEADER);
    expect_place(source, error->offset, 2, 40 + HEADER);
    fls_reader_close(reader);
    cut(2, 40 + HEADER + 5); /* a torn header likewise */
    reader = open_series(options, FLS_CHECKSUM_XXH3, &source);
    expect_message(reader, 100);
    expect_message(reader, 40);
    expect_end(reader, FLS_UNEXPECTED_END);
    assert_int_equal(fls_reader_error(reader)->found, 5);
    fls_reader_close(reader);
    free(torn.bytes);
}

static void test_torn_inside(void **state)
{
    (void)state;
    check_torn_inside(NULL);
}

static void test_torn_inside_followed(void **state)
{
    struct fls_series_options options = {.follow = 1, .poll_interval_ms = 1};

    (void)state;
    check_torn_inside(&options);
}

static void test_deleted_while_read(void **state)
{
    struct fls_source *source;

    (void)state;
    append_frame(1, 100);
    append_frame(2, 100);
    append_frame(3, 100);
    struct fls_reader *reader = open_series(NULL, FLS_CHECKSUM_XXH3, &source);
    expect_message(reader, 100);
    delete_segment(2);
    expect_end(reader, FLS_IO);
    assert_int_equal(fls_reader_error(reader)->os_errno, ENOENT);
    fls_reader_close(reader);
}

static uint64_t gone_first, gone_last, gone_behind;

static void note_gone(void *context, uint64_t first, uint64_t last)
{
    struct fls_source *const *source = context;
    const struct fls_segment *segment;
    uint64_t offset;

    gone_first = first;
    gone_last = last;
    assert_int_equal(fls_series_position(*source, &segment, &offset), 1);
    gone_behind = segment->number;
}

/* Whoever asks to be told of deleted segments goes on behind them; not followed, no further than
 * what was there at the beginning. */
static void test_deleted_is_told(void **state)
{
    struct fls_source *source;

    (void)state;
    for (int follow = 0; follow < 2; follow++) {
        struct fls_series_options options = {
            .follow = follow, .poll_interval_ms = 1, .deleted = note_gone, .context = &source};
        for (uint64_t number = 1; number <= 5; number++)
            append_frame(number, 100 + number);
        struct fls_reader *reader = open_series(&options, FLS_CHECKSUM_XXH3, &source);
        expect_message(reader, 101);
        delete_segment(2);
        delete_segment(3);
        expect_message(reader, 104);
        assert_int_equal(gone_first, 2);
        assert_int_equal(gone_last, 3);
        assert_int_equal(gone_behind, 1);
        delete_segment(5);
        append_frame(7, 107);
        if (follow)
            expect_message(reader, 107);
        else
            expect_end(reader, FLS_END);
        assert_int_equal(gone_first, 5);
        assert_int_equal(gone_last, follow ? 6 : 5);
        fls_reader_close(reader);
        delete_segment(1);
        delete_segment(4);
        delete_segment(7);
    }
}

/* A segment that is cut while it is read does not end in good order. */
static void test_cut_while_read(void **state)
{
    struct fls_source *source;
    char *name = fls_series_segment_path(path, 1);

    (void)state;
    append_frame(1, 3000000);
    append_frame(1, 100);
    append_frame(2, 100);
    struct fls_reader *reader = open_series(NULL, FLS_CHECKSUM_XXH3, &source);
    expect_message(reader, 3000000);
    assert_int_equal(truncate(name, 3000000 + HEADER), 0);
    expect_end(reader, FLS_IO);
    assert_int_equal(fls_reader_error(reader)->os_errno, ESTALE);
    fls_reader_close(reader);
    free(name);
}

/* The caller's own memory, over the read-ahead and beyond, never over a segment's end. */
static void test_into_segments(void **state)
{
    static uint8_t memory[400000];
    struct iovec segments[2] = {{memory, 100000}, {memory + 100000, 300000}};
    struct fls_message message;
    struct fls_source *source;

    (void)state;
    append_frame(1, 399999);
    append_frame(2, 20);
    struct frames torn = one_frame(FLS_CHECKSUM_XXH3, 300000);
    append(2, torn.bytes, torn.length - 1);
    append(3, "x", 1);
    struct fls_reader *reader = open_series(NULL, FLS_CHECKSUM_XXH3, &source);
    assert_ok(fls_reader_read_into(reader, segments, 2, &message));
    assert_int_equal(message.bytes, 399999);
    assert_int_equal(memory[399998], pattern_byte(399998, 399999));
    assert_ok(fls_reader_read_into(reader, segments, 2, &message));
    assert_int_equal(message.bytes, 20);
    assert_int_equal(fls_reader_read_into(reader, segments, 2, &message), FLS_UNEXPECTED_END);
    fls_reader_close(reader);
    free(torn.bytes);
}

/* --- following, step by step --------------------------------------------------------------------
 */

static const struct fls_series_options following = {.follow = 1, .poll_interval_ms = 1};

static void test_stop_leaves_the_half_frame(void **state)
{
    struct frames half = one_frame(FLS_CHECKSUM_XXH3, 1000);
    struct fls_source *source;

    (void)state;
    append_frame(1, 100);
    append_frame(2, 200);
    for (size_t part = 1; part < half.length; part += part < 20 ? 1 : 193) {
        append(2, half.bytes, part);
        struct fls_reader *reader = open_series(&following, FLS_CHECKSUM_XXH3, &source);
        expect_message(reader, 100);
        if (part % 2) /* told before or after it saw the half frame */
            expect_message(reader, 200);
        fls_series_stop(source);
        if (part % 2 == 0)
            expect_message(reader, 200);
        expect_end(reader, FLS_END);
        fls_reader_close(reader);
        cut(2, 200 + HEADER);
    }
    free(half.bytes);
}

static struct fls_source *to_be_stopped;

static void on_alarm(int number)
{
    int before = errno;

    (void)number;
    fls_series_stop(to_be_stopped);
    if (errno != before)
        abort();
}

static void test_stop_from_a_handler(void **state)
{
    static const uint64_t numbers[] = {1, 0}; /* a segment, and the plain file */
    struct itimerval soon = {{0, 0}, {0, 30000}};

    (void)state;
    signal(SIGALRM, on_alarm);
    for (size_t i = 0; i < 2; i++) {
        append_frame(numbers[i], 100);
        struct fls_series_options options = {.follow = 1, .poll_interval_ms = 60000};
        struct fls_reader *reader = open_series(&options, FLS_CHECKSUM_XXH3, &to_be_stopped);
        setitimer(ITIMER_REAL, &soon, NULL);
        expect_message(reader, 100);
        expect_end(reader, FLS_END);
        fls_reader_close(reader);
        if (numbers[i] > 0)
            delete_segment(numbers[i]);
    }
    fls_series_stop(NULL);
    struct fls_reader *reader = open_memory_reader("", 0, NULL);
    assert_ok(fls_source_open_memory("", 0, &to_be_stopped, NULL));
    fls_series_stop(to_be_stopped); /* nothing on any other */
    fls_source_close(to_be_stopped);
    fls_reader_close(reader);
}

static void test_stop_before_anything(void **state)
{
    struct fls_source *source;
    const struct fls_segment *segment;
    uint64_t offset;

    (void)state;
    struct fls_reader *reader = open_series(&following, FLS_CHECKSUM_XXH3, &source);
    assert_int_equal(fls_series_position(source, &segment, &offset), 0);
    fls_series_stop(source);
    expect_end(reader, FLS_END);
    fls_reader_close(reader);
}

static void test_overtaken(void **state)
{
    struct fls_source *source;

    (void)state;
    append_frame(1, 100);
    struct fls_reader *reader = open_series(&following, FLS_CHECKSUM_XXH3, &source);
    append_frame(2, 200);
    append_frame(3, 300);
    append_frame(4, 400);
    delete_segment(1); /* which is open, and read to its end all the same */
    expect_message(reader, 100);
    expect_message(reader, 200);
    delete_segment(3);
    expect_end(reader, FLS_IO);
    assert_int_equal(fls_reader_error(reader)->os_errno, ENOENT);
    assert_non_null(strstr(fls_reader_error(reader)->reason, "name-000003.fls"));
    fls_reader_close(reader);
}

static void test_cut_below(void **state)
{
    struct fls_source *source;

    (void)state;
    append_frame(1, 100);
    append_frame(1, 200);
    struct fls_reader *reader = open_series(&following, FLS_CHECKSUM_XXH3, &source);
    expect_message(reader, 100);
    expect_message(reader, 200);
    cut(1, 100 + HEADER);
    expect_end(reader, FLS_IO);
    assert_int_equal(fls_reader_error(reader)->os_errno, ESTALE);
    fls_reader_close(reader);
}

/* A plain file whose name is gone, or another's: what it has is delivered, what its writer still
 * appends too, and then it is said. Also in the middle of a frame. */
static void test_plain_file_taken_away(void **state)
{
    char elsewhere[112];
    struct frames half = one_frame(FLS_CHECKSUM_XXH3, 300);

    (void)state;
    snprintf(elsewhere, sizeof elsewhere, "%s.old", path);
    for (int way = 0; way < 6; way++) {
        int is_replaced = way % 2, is_refused = way / 2 == 1;
        struct fls_source *source;
        inotify_is_refused = is_refused;
        append_frame(0, 100);
        struct fls_reader *reader = open_series(&following, FLS_CHECKSUM_XXH3, &source);
        expect_message(reader, 100);
        int fd = open_segment(0, 0);
        assert_int_equal(rename(path, elsewhere), 0);
        if (is_replaced)
            append_frame(0, 50);
        assert_int_equal(write(fd, half.bytes, half.length), half.length);
        expect_message(reader, 300);
        if (way >= 4)
            assert_int_equal(write(fd, half.bytes, 20), 20);
        expect_end(reader, FLS_IO);
        assert_int_equal(fls_reader_error(reader)->os_errno, is_replaced ? ESTALE : ENOENT);
        fls_reader_close(reader);
        close(fd);
        assert_int_equal(unlink(elsewhere), 0);
        assert_true(unlink(path) == 0 || !is_replaced);
    }
    inotify_is_refused = 0;
    free(half.bytes);
}

/* The same while a frame is read into the caller's memory. */
static void test_taken_away_inside_a_frame(void **state)
{
    struct frames half = one_frame(FLS_CHECKSUM_XXH3, 300);
    uint8_t bytes[300];
    struct iovec segment = {bytes, sizeof bytes};
    struct fls_source *source;
    size_t got;

    (void)state;
    append(0, half.bytes, 100);
    struct fls_error error = FLS_ZERO;
    assert_ok(fls_source_open_series(path, &following, &source, NULL));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(fls_source_read_into(source, &segment, 1, &got, &error), FLS_IO);
    assert_int_equal(got, 100);
    assert_int_equal(error.os_errno, ENOENT);
    fls_source_close(source);
    free(half.bytes);
}

/* What peek shows of a tail that is replaced under it. */
static void test_replaced_tail(void **state)
{
    struct frames first = one_frame(FLS_CHECKSUM_NONE, 5000);
    struct frames second = one_frame(FLS_CHECKSUM_NONE, 300);
    struct fls_source *source;
    struct fls_view view;

    (void)state;
    append(1, first.bytes, 1000);
    assert_ok(fls_source_open_series(path, &following, &source, NULL));
    assert_ok(fls_source_peek(source, 4, &view, NULL));
    assert_int_equal(view.available, 1000);
    cut(1, 0);
    append(1, second.bytes, second.length);
    assert_int_equal(fls_source_peek(source, 5004, &view, NULL), FLS_AGAIN);
    assert_int_equal(view.available, 304);
    assert_memory_equal(view.bytes, second.bytes, 304);
    assert_ok(fls_source_peek(source, 304, &view, NULL));
    cut(1, 0); /* gone, and nothing in its place */
    assert_int_equal(fls_source_peek(source, 305, &view, NULL), FLS_AGAIN);
    assert_int_equal(view.available, 0);
    fls_series_stop(source);
    assert_int_equal(fls_source_peek(source, 4, &view, NULL), FLS_END);
    fls_source_close(source);
    free(first.bytes);
    free(second.bytes);
}

static size_t address_space(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* A length that is merely declared takes no memory. */
static void test_declared_is_not_there(void **state)
{
    static const uint8_t header[100] = {0, 0, 0, 0x80};
    struct fls_series_options options = {.follow = 1, .poll_interval_ms = 1};
    struct fls_source *source;
    struct fls_view view;
    struct fls_error error = FLS_ZERO;

    (void)state;
    append(1, header, sizeof header);
    for (options.follow = 0; options.follow < 2; options.follow++) {
        assert_ok(fls_source_open_series(path, &options, &source, NULL));
        assert_ok(fls_source_peek(source, 4, &view, NULL));
        size_t before = address_space();
        fls_series_stop(source); /* only the following one heeds it, and shows nothing */
        assert_int_equal(fls_source_peek(source, (size_t)4 + 0x80000000u, &view, &error), FLS_END);
        assert_int_equal(view.available, options.follow ? 0 : sizeof header);
        assert_true(address_space() < before + (size_t)64 * 1024 * 1024);
        fls_source_close(source);
    }
}

/* --- a writer at work ---------------------------------------------------------------------------
 */

#define ROTATIONS 100
#define PER_SEGMENT 60
#define MESSAGES ((ROTATIONS + 1) * PER_SEGMENT)

/*
 *   broken_off  every so-manieth message is first begun and left half, cut off, and then written
 *               with another length
 *   whole_ns    when the last byte of a message was handed to the system
 */
struct writer {
    enum fls_checksum_kind kind;
    int plain;
    unsigned broken_off;
    useconds_t pause_us;
    size_t largest;
    struct fls_source *stop_at_end;
    _Atomic uint64_t whole_ns[MESSAGES];
};

static uint64_t now_ns(void)
{
    return fls_clock_now_ns(NULL);
}

static void put_pieces(int fd, const uint8_t *bytes, size_t count, const struct writer *writer)
{
    while (count > 0) {
        size_t part = 1 + test_random() % count;
        if (test_random() % 2)
            part = count;
        ssize_t written = write(fd, bytes, part);
        if (written != (ssize_t)part)
            abort();
        bytes += part;
        count -= part;
        if (count > 0 && test_random() % 4 == 0)
            usleep(test_random() % (writer->pause_us + 1));
    }
}

/* Message `number`: its number, then a pattern of a random length. */
static struct frames numbered(uint64_t number, const struct writer *writer)
{
    struct frames frames = {NULL, 0, 0};
    size_t large = test_random() % 16 == 0, bytes;
    uint8_t *payload;

    bytes = sizeof number + test_random() % (large ? writer->largest : 200);
    payload = malloc(bytes);
    if (!payload)
        abort();
    pattern_fill(payload, bytes);
    memcpy(payload, &number, sizeof number);
    frames_put(&frames, kind(writer->kind), payload, bytes);
    free(payload);
    return frames;
}

/* As a recorder that is killed and started again: a half frame, cut off. */
static void break_off(int fd, uint64_t number, const struct writer *writer)
{
    struct frames frames = numbered(number, writer);
    off_t whole = lseek(fd, 0, SEEK_END);

    put_pieces(fd, frames.bytes, 1 + test_random() % (frames.length - 1), writer);
    if (test_random() % 2)
        usleep(test_random() % (2 * writer->pause_us + 1));
    if (ftruncate(fd, whole) != 0)
        abort();
    free(frames.bytes);
}

static void *write_series(void *argument)
{
    struct writer *writer = argument;
    int fd = open_segment(writer->plain ? 0 : 1, 0);

    for (uint64_t number = 0; number < MESSAGES; number++) {
        if (number > 0 && number % PER_SEGMENT == 0 && !writer->plain) {
            close(fd);
            fd = open_segment(1 + number / PER_SEGMENT, O_EXCL);
        }
        if (writer->broken_off > 0 && test_random() % writer->broken_off == 0)
            break_off(fd, number, writer);
        struct frames frames = numbered(number, writer);
        put_pieces(fd, frames.bytes, frames.length, writer);
        atomic_store(&writer->whole_ns[number], now_ns());
        free(frames.bytes);
        if (test_random() % 20 == 0) /* the burst is over */
            usleep(test_random() % (4 * writer->pause_us + 1));
    }
    close(fd);
    if (writer->stop_at_end)
        fls_series_stop(writer->stop_at_end);
    return NULL;
}

static void expect_numbered(const struct fls_message *message, uint64_t want)
{
    uint64_t number;
    const uint8_t *bytes = message->payload;

    assert_true(message->bytes >= sizeof number);
    memcpy(&number, bytes, sizeof number);
    assert_int_equal(number, want);
    for (size_t i = sizeof number; i < message->bytes; i++)
        if (bytes[i] != pattern_byte(i, message->bytes))
            fail_msg("message %llu differs at byte %zu", (unsigned long long)want, i);
}

static int by_size(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static void report(const char *what, uint64_t *delays)
{
    qsort(delays, MESSAGES, sizeof *delays, by_size);
    double median = (double)delays[MESSAGES / 2] / 1e6;
    double most = (double)delays[MESSAGES - 1] / 1e6;

    print_message("%s: %d messages, %d rotations: median %.3f ms, 99 %% %.3f ms, most %.3f ms\n",
                  what, MESSAGES, ROTATIONS, median, (double)delays[MESSAGES * 99 / 100] / 1e6,
                  most);
    assert_true(most < 20000);
    if (getenv("FLS_CHECK"))
        assert_true(most <= 50);
}

/* All messages, in order, once; then the end that the writer asked for. */
static void follow(const char *what, struct writer *writer, uint32_t interval_ms)
{
    static uint64_t delays[MESSAGES];
    struct fls_series_options options = {.follow = 1, .poll_interval_ms = interval_ms};
    struct fls_message message;
    pthread_t thread;

    struct fls_reader *reader = open_series(&options, writer->kind, &writer->stop_at_end);
    assert_int_equal(pthread_create(&thread, NULL, write_series, writer), 0);
    for (uint64_t want = 0; want < MESSAGES; want++) {
        enum fls_status status = fls_reader_next(reader, &message);
        uint64_t now = now_ns();
        if (status != FLS_OK)
            fail_msg("message %llu: %s", (unsigned long long)want, fls_status_word(status));
        uint64_t whole = atomic_load(&writer->whole_ns[want]);
        delays[want] = whole > 0 && now > whole ? now - whole : 0;
        expect_numbered(&message, want);
    }
    assert_int_equal(fls_reader_next(reader, &message), FLS_END);
    pthread_join(thread, NULL);
    fls_reader_close(reader);
    report(what, delays);
}

static void follow_with(const char *what, enum fls_checksum_kind which, int plain,
                        unsigned broken_off, uint32_t interval_ms)
{
    struct writer *writer = calloc(1, sizeof *writer);

    assert_non_null(writer);
    writer->kind = which;
    writer->plain = plain;
    writer->broken_off = broken_off;
    writer->pause_us = 500;
    writer->largest = 20000;
    follow(what, writer, interval_ms);
    free(writer);
}

static void *append_later(void *number)
{
    usleep(20000);
    append_frame(*(uint64_t *)number, 77);
    return NULL;
}

/* Nothing but the write itself wakes the reader, in the first segment, in a later one, and in the
 * plain file. */
static void test_a_write_wakes(void **state)
{
    struct fls_series_options options = {.follow = 1, .poll_interval_ms = 60000};
    uint64_t numbers[] = {1, 2, 2, 3, 3, 0};
    struct fls_source *source;
    pthread_t thread;

    (void)state;
    append(1, "", 0);
    struct fls_reader *reader = open_series(&options, FLS_CHECKSUM_XXH3, &source);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i] == 0) {
            fls_reader_close(reader);
            for (uint64_t number = 1; number <= 3; number++)
                delete_segment(number);
            append(0, "", 0);
            reader = open_series(&options, FLS_CHECKSUM_XXH3, &source);
        }
        uint64_t before = now_ns();
        assert_int_equal(pthread_create(&thread, NULL, append_later, &numbers[i]), 0);
        expect_message(reader, 77);
        assert_true(now_ns() - before < UINT64_C(20000000000));
        pthread_join(thread, NULL);
    }
    fls_reader_close(reader);
}

/* While nothing comes, whoever would read is missed, wherever the source waits: before there is a
 * segment, at its end, and inside a message. */
static void test_reader_gone(void **state)
{
    struct frames torn = one_frame(FLS_CHECKSUM_XXH3, 5000);

    (void)state;
    for (int stage = 0; stage < 3; stage++) {
        struct fls_series_options options = {.follow = 1, .poll_interval_ms = 60000};
        char memory[5000];
        struct iovec segment = {memory, sizeof memory};
        struct fls_message message;
        struct fls_source *source;
        int ends[2];
        if (stage == 1)
            append_frame(1, 77);
        if (stage == 2)
            append(1, torn.bytes, torn.length - 1);
        assert_int_equal(pipe(ends), 0);
        options.reader_fd = ends[1];
        struct fls_reader *reader = open_series(&options, FLS_CHECKSUM_XXH3, &source);
        if (stage > 0)
            expect_message(reader, 77);
        close(ends[0]);
        enum fls_status status = stage < 2 ? fls_reader_next(reader, &message)
                                           : fls_reader_read_into(reader, &segment, 1, &message);
        assert_int_equal(status, FLS_IO);
        assert_int_equal(fls_reader_error(reader)->os_errno, EPIPE);
        fls_reader_close(reader);
        close(ends[1]);
    }
    free(torn.bytes);
}

/* The interval is of no help here: every wake-up is inotify's. */
static void test_inotify_alone(void **state)
{
    (void)state;
    follow_with("inotify alone", FLS_CHECKSUM_XXH3, 0, 0, 60000);
}

static void test_polling_alone(void **state)
{
    (void)state;
    inotify_is_refused = 1;
    follow_with("polling alone", FLS_CHECKSUM_XXH3, 0, 0, 0);
}

static void test_by_default(void **state)
{
    (void)state;
    follow_with("by default", FLS_CHECKSUM_CRC32, 0, 0, 0);
}

static void test_broken_off(void **state)
{
    (void)state;
    follow_with("broken off, without checksums", FLS_CHECKSUM_NONE, 0, 3, 0);
}

static void test_broken_off_polling(void **state)
{
    (void)state;
    inotify_is_refused = 1;
    follow_with("broken off, polling each millisecond", FLS_CHECKSUM_XXH3, 0, 3, 1);
}

static void test_plain_file(void **state)
{
    (void)state;
    follow_with("a plain file, broken off", FLS_CHECKSUM_CRC16, 1, 5, 0);
}

/* Frames that are larger than the read-ahead, broken off too. */
static void test_large_frames(void **state)
{
    struct writer *writer = calloc(1, sizeof *writer);

    (void)state;
    assert_non_null(writer);
    writer->kind = FLS_CHECKSUM_NONE;
    writer->broken_off = 10;
    writer->pause_us = 100;
    writer->largest = 700000;
    follow("frames up to 700,000 bytes, broken off", writer, 0);
    free(writer);
}

/* A writer that never pauses is stopped being followed all the same. */
static void test_stop_under_load(void **state)
{
    struct writer *writer = calloc(1, sizeof *writer);
    struct fls_message message;
    struct fls_source *source;
    enum fls_status status;
    pthread_t thread;
    uint64_t want = 0;

    (void)state;
    assert_non_null(writer);
    writer->kind = FLS_CHECKSUM_XXH3;
    writer->largest = 20000;
    struct fls_reader *reader = open_series(&following, writer->kind, &source);
    assert_int_equal(pthread_create(&thread, NULL, write_series, writer), 0);
    while ((status = fls_reader_next(reader, &message)) == FLS_OK) {
        expect_numbered(&message, want++);
        if (want == 500)
            fls_series_stop(source);
    }
    assert_int_equal(status, FLS_END);
    assert_true(want >= 500);
    pthread_join(thread, NULL);
    fls_reader_close(reader);
    free(writer);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(test_as_one_stream),
        IN_A_FOLDER(test_from_the_middle),
        IN_A_FOLDER(test_refusals),
        IN_A_FOLDER(test_torn_inside),
        IN_A_FOLDER(test_torn_inside_followed),
        IN_A_FOLDER(test_deleted_while_read),
        IN_A_FOLDER(test_deleted_is_told),
        IN_A_FOLDER(test_cut_while_read),
        IN_A_FOLDER(test_into_segments),
        IN_A_FOLDER(test_stop_leaves_the_half_frame),
        IN_A_FOLDER(test_stop_from_a_handler),
        IN_A_FOLDER(test_stop_before_anything),
        IN_A_FOLDER(test_overtaken),
        IN_A_FOLDER(test_cut_below),
        IN_A_FOLDER(test_plain_file_taken_away),
        IN_A_FOLDER(test_taken_away_inside_a_frame),
        IN_A_FOLDER(test_replaced_tail),
        IN_A_FOLDER(test_declared_is_not_there),
        IN_A_FOLDER(test_a_write_wakes),
        IN_A_FOLDER(test_reader_gone),
        IN_A_FOLDER(test_inotify_alone),
        IN_A_FOLDER(test_polling_alone),
        IN_A_FOLDER(test_by_default),
        IN_A_FOLDER(test_broken_off),
        IN_A_FOLDER(test_broken_off_polling),
        IN_A_FOLDER(test_plain_file),
        IN_A_FOLDER(test_large_frames),
        IN_A_FOLDER(test_stop_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
