/*
 * error_position_test.c: the frame and the offset that an error names are those at which a reader
 * finds the stream's end: for every sink, also those that take bytes before they are written, and
 * every framer, when the disk is full, at a limit of the file's size, and when a write fails in the
 * middle or comes back short.
 */
#include "support/frames.h"
#include "support/test.h"
#include "support/zoo.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[64];
static char path[96];
static int has_uring;

/* --- what is written ---------------------------------------------------------------------------
 */

enum { LARGEST = 700000, HEADER_BYTES = 4 + 4 /* with a CRC-32 */ };

static uint8_t payload[LARGEST];

struct mix {
    const char *name;
    size_t most; /* payload bytes */
    unsigned large_each;
    size_t large; /* every so many messages, one of so many bytes */
};

static const struct mix mixes[] = {
    {"small", 120, 0, 0},
    {"uneven", 9000, 40, 60000},
    {"large between small", 100, 700, LARGEST},
    {"large", LARGEST, 0, 0},
};

static size_t next_size(const struct mix *mix, uint64_t number)
{
    if (mix->large_each > 0 && number % mix->large_each == mix->large_each - 1)
        return mix->large;
    return test_random() % (mix->most + 1);
}

/* --- the sinks ---------------------------------------------------------------------------------
 */

/* NULL: this system has it not. */
typedef struct fls_sink *open_sink(void);

static struct fls_sink *plain(void)
{
    struct fls_sink *sink;

    assert_ok(fls_sink_open_file(path, FLS_FILE_TRUNCATE, &sink, NULL));
    return sink;
}

static struct fls_sink *behind(struct fls_sink *sink)
{
    struct fls_sink *before;

    if (!sink)
        return NULL;
    assert_ok(fls_sink_open_behind(sink, &before, NULL));
    return before;
}

static struct fls_sink *uring(int direct, size_t buffer_bytes, int ahead)
{
    struct fls_uring_options options = {
        .direct = direct, .buffer_bytes = buffer_bytes, .depth = 4, .extend_ahead = ahead};
    struct fls_sink *sink;

    if (!has_uring)
        return NULL;
    enum fls_status status =
        fls_sink_open_uring_file(path, FLS_FILE_TRUNCATE, &options, &sink, NULL);
    if (direct && status == FLS_UNSUPPORTED)
        return NULL;
    assert_ok(status);
    return sink;
}

static struct fls_sink *counting(struct fls_sink *sink)
{
    static struct fls_io_counts counts;
    struct fls_sink *before;

    if (!sink)
        return NULL;
    assert_ok(fls_sink_open_counting(sink, &counts, &before, NULL));
    return before;
}

static struct fls_fault_plan plan;

static struct fls_sink *faulty(void)
{
    struct fls_sink *sink;

    assert_ok(fls_sink_open_faulty(plain(), &plan, &sink, NULL));
    return sink;
}

static struct fls_sink *behind_plain(void)
{
    return behind(plain());
}

static struct fls_sink *behind_faulty(void)
{
    return behind(faulty());
}

static struct fls_sink *uring_small(void)
{
    return uring(0, 8192, 0);
}

static struct fls_sink *uring_usual(void)
{
    return uring(0, 0, 0);
}

static struct fls_sink *uring_direct(void)
{
    return uring(1, 16384, 1);
}

static struct fls_sink *behind_uring(void)
{
    return behind(uring(0, 65536, 0));
}

static struct fls_sink *behind_counted_direct(void)
{
    return behind(counting(uring(1, 65536, 0)));
}

static struct fls_sink *counted_behind(void)
{
    return counting(behind_plain());
}

static const struct {
    const char *name;
    open_sink *open;
} sinks[] = {
    {"plain", plain},
    {"behind", behind_plain},
    {"uring with small buffers", uring_small},
    {"uring", uring_usual},
    {"uring direct", uring_direct},
    {"behind uring", behind_uring},
    {"behind counted uring direct", behind_counted_direct},
    {"counted behind", counted_behind},
};

enum { SINKS = sizeof sinks / sizeof sinks[0], MIXES = sizeof mixes / sizeof mixes[0] };

/* --- what a reader finds -----------------------------------------------------------------------
 */

struct place {
    uint64_t frame;
    uint64_t offset;
};

/* By its lengths alone, as the wire format says. */
static struct place end_of_stream(void)
{
    struct place place = {0, 0};
    size_t bytes;
    uint8_t *stream = read_test_file(path, &bytes);

    while (place.offset + HEADER_BYTES <= bytes) {
        uint64_t end = place.offset + HEADER_BYTES + get_u32(stream + place.offset);
        if (end > bytes)
            break;
        place.offset = end;
        place.frame++;
    }
    free(stream);
    return place;
}

static void assert_named(const struct fls_error *error, const char *when)
{
    struct place found = end_of_stream();

    if (!error->has_frame || error->frame != found.frame || error->offset != found.offset)
        fail_msg("%s: frame %llu at byte %llu was said, the stream ends at %llu at byte %llu", when,
                 (unsigned long long)error->frame, (unsigned long long)error->offset,
                 (unsigned long long)found.frame, (unsigned long long)found.offset);
}

/* --- one run -----------------------------------------------------------------------------------
 */

struct run {
    open_sink *open;
    const struct mix *mix;
    enum fls_framer framer;
    size_t batch_bytes;
    int flush_each; /* so many messages; 0: never */
    uint64_t bytes_at_most;
};

static enum fls_status write_until_failure(struct fls_writer *writer, const struct run *run)
{
    uint64_t bytes = 0;
    enum fls_status status = FLS_OK;

    for (uint64_t i = 0; status == FLS_OK && bytes < run->bytes_at_most; i++) {
        size_t size = next_size(run->mix, i);
        status = fls_writer_write(writer, payload, size);
        bytes += size + HEADER_BYTES;
        if (status == FLS_OK && run->flush_each > 0 && i % (uint64_t)run->flush_each == 0)
            status = fls_writer_flush(writer, FLS_LEVEL_PROCESS);
    }
    return status == FLS_OK ? fls_writer_flush(writer, FLS_LEVEL_PROCESS) : status;
}

/* Writes until it fails with os_errno; the error is right then, and when all is closed. */
static void check(const struct run *run, int os_errno)
{
    struct fls_sink *sink = run->open();
    if (!sink)
        return;
    struct fls_writer_options options = {.framer = run->framer,
                                         .checksum = FLS_CHECKSUM_CRC32,
                                         .batch_bytes = run->batch_bytes,
                                         .owns_sink = 1};
    struct fls_writer *writer;
    struct fls_error error;

    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    assert_int_equal(write_until_failure(writer, run), FLS_IO);
    assert_int_equal(fls_writer_error(writer)->os_errno, os_errno);
    assert_named(fls_writer_error(writer), "at the failure");
    error = *fls_writer_error(writer);
    if (fls_writer_close(writer, &error) != FLS_OK && error.has_frame)
        assert_named(&error, "when closed");
}

/* Two of all ways of writing; all of them where FLS_CHECK is set. */
static int is_this_one_due(void)
{
    return getenv("FLS_CHECK") || test_random() % 8 == 0;
}

static void check_each(const char *sink, open_sink *open, uint64_t limit, int os_errno)
{
    static const enum fls_framer framers[] = {FLS_FRAMER_SIMPLE, FLS_FRAMER_VECTORED,
                                              FLS_FRAMER_BATCHED, FLS_FRAMER_BATCHED};

    for (size_t mix = 0; mix < MIXES; mix++) {
        for (size_t framer = 0; framer < 4; framer++) {
            struct run run = {.open = open,
                              .mix = &mixes[mix],
                              .framer = framers[framer],
                              .batch_bytes = framer == 3 ? (size_t)1 << 20 : 0,
                              .flush_each = test_random() % 3 == 0 ? 1500 : 0,
                              .bytes_at_most = limit + 4000000};
            if (!is_this_one_due())
                continue;
            print_message("%s, %s, framer %zu\n", sink, mixes[mix].name, framer);
            check(&run, os_errno);
        }
    }
}

/* --- faults ------------------------------------------------------------------------------------
 */

/* Limits on a page's boundary, beside one, and anywhere; in the first block, and far behind it. */
static void file_size_limit(void **state)
{
    static const uint64_t limits[] = {65536, 4095, 300001, 1048576, 1500003};
    struct rlimit before;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (size_t sink = 0; sink < SINKS; sink++) {
        for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
            struct rlimit limited = {limits[i], before.rlim_max};
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
            check_each(sinks[sink].name, sinks[sink].open, limits[i], EFBIG);
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        }
    }
}

static void full_disk(void **state)
{
    (void)state;
    if (mount("tmpfs", folder, "tmpfs", 0, "size=1200k") != 0) {
        print_message("full_disk: skipped, a file system cannot be mounted here: %s\n",
                      strerror(errno));
        skip();
    }
    for (size_t sink = 0; sink < SINKS; sink++)
        check_each(sinks[sink].name, sinks[sink].open, 1200000, ENOSPC);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(umount(folder), 0);
}

/* The k-th write fails, once or for good, and those before it come back short. */
static void failing_writes(void **state)
{
    static const size_t shorts[] = {0, 10007, 300};

    (void)state;
    for (unsigned i = 0; i < (getenv("FLS_CHECK") ? 30 : 6); i++) {
        plan = (struct fls_fault_plan){.bytes_max = shorts[i % 3],
                                       .fail_at = 1 + test_random() % 5,
                                       .fail_count = i % 2 ? 1 : UINT64_MAX,
                                       .status = FLS_IO,
                                       .os_errno = EIO};
        struct fls_fault_plan planned = plan;
        for (int held = 0; held < 2; held++)
            for (size_t mix = 0; mix < MIXES; mix++)
                for (int framer = FLS_FRAMER_SIMPLE; framer <= FLS_FRAMER_BATCHED; framer++) {
                    struct run run = {.open = held ? behind_faulty : faulty,
                                      .mix = &mixes[mix],
                                      .framer = (enum fls_framer)framer,
                                      .bytes_at_most = 3000000};
                    plan = planned;
                    check(&run, EIO);
                }
    }
}

/* The asynchronous writer counts as written what a reader finds. */
static void asynchronously(void **state)
{
    struct rlimit before, limited = {300001, 0};

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limited.rlim_max = before.rlim_max;
    for (size_t i = 0; i < SINKS; i++) {
        struct fls_writer_options writer = {.checksum = FLS_CHECKSUM_CRC32, .owns_sink = 1};
        struct fls_async_options options = {.writer = &writer};
        struct fls_async_counts counts;
        struct fls_error error = FLS_ZERO;
        struct fls_async *async;
        struct fls_sink *sink = sinks[i].open();
        if (!sink)
            continue;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
        assert_ok(fls_async_open(sink, &options, &async, NULL));
        for (int n = 0; n < 20000; n++)
            if (fls_async_write(async, payload, test_random() % 100) != FLS_OK)
                break;
        assert_int_equal(fls_async_close(async, -1, &counts, &error), FLS_IO);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_named(&error, sinks[i].name);
        assert_int_equal(counts.written, error.frame);
    }
}

/* What was held back goes to its place after all, once there is room: nothing is passed over. */
static void goes_on_when_there_is_room(void **state)
{
    (void)state;
    plan = (struct fls_fault_plan){
        .bytes_max = 5000, .fail_at = 7, .fail_count = 3, .status = FLS_IO, .os_errno = ENOSPC};
    struct fls_writer_options options = {
        .framer = FLS_FRAMER_VECTORED, .checksum = FLS_CHECKSUM_CRC32, .owns_sink = 1};
    struct fls_writer *writer;
    uint64_t taken = 0, refused = 0;

    assert_ok(fls_writer_open(behind_faulty(), &options, &writer, NULL));
    while (taken < 20000) {
        enum fls_status status = fls_writer_write(writer, payload, 100);
        if (status != FLS_OK)
            assert_named(fls_writer_error(writer), "while it is full");
        *(status == FLS_OK ? &taken : &refused) += 1;
    }
    assert_ok(fls_writer_close(writer, NULL));
    assert_int_equal(refused, 3);
    assert_int_equal(end_of_stream().frame, taken);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/flatstream-position-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/stream.fls", folder);
    has_uring = fls_uring_probe(NULL) == FLS_OK;
    if (!has_uring)
        print_message("the sinks of io_uring are skipped: it cannot be used here\n");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_size_limit),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(failing_writes),
        cmocka_unit_test(asynchronously),
        cmocka_unit_test(goes_on_when_there_is_room),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
