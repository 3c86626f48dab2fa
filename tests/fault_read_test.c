/*
 * fault_read_test.c: a fault at every step of reading, recovering, opening and closing.
 *
 * The k-th call into the system fails in some way, for k = 1, 2, ... until nothing is left to
 * fail. A reader is asked again after each failure, as its header allows: what it delivers must
 * be every message once, in order, whole and in its place; when the fault stays, a beginning of
 * that. No allocation and no descriptor is left.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/faults.h"
#include "support/sample.h"

#define RETRIES_MAX 6
#define BATCH_OF 7

enum endpoint { FROM_FILE, FROM_FILE_LITTLE_AHEAD, FROM_PIPE, FROM_MAPPING, ENDPOINTS };

/* BY_TURNS reads by a different function each time; SWITCHING begins with next and goes on with
 * read_into after a failure. */
enum way { BY_NEXT, BY_BATCH, BY_READ_INTO, BY_TURNS, SWITCHING, WAYS };

struct scenario {
    enum endpoint endpoint;
    enum way way;
    struct fls_reader_options options;
    int shrinks;
    struct fault_plan plan;
};

struct run {
    const struct scenario *scenario;
    struct fls_reader *reader;
    size_t next; /* the message to come */
    unsigned failures;
    int ended;
};

static struct samples samples;
static uint8_t destination[512 * 1024];
static char folder[] = "/tmp/fault_read_test.XXXXXX";
static char path[64];

/* --- one message ---------------------------------------------------------------------------------
 */

static void check_message(struct run *run, const struct fls_message *message, const void *bytes)
{
    assert_true(run->next < samples.count);
    assert_int_equal(message->frame, run->next);
    assert_int_equal(message->offset, samples.offsets[run->next]);
    assert_int_equal(message->bytes, samples.sizes[run->next]);
    assert_memory_equal(bytes, samples.bytes[run->next], message->bytes);
    run->next++;
    run->failures = 0;
}

static void check_aligned(const struct run *run, const struct fls_message *message)
{
    size_t alignment = run->scenario->options.alignment;

    assert_int_equal((uintptr_t)message->payload % (alignment > 0 ? alignment : 8), 0);
}

static enum fls_status by_next(struct run *run)
{
    struct fls_message message;
    enum fls_status status = fls_reader_next(run->reader, &message);

    if (status == FLS_OK) {
        check_aligned(run, &message);
        check_message(run, &message, message.payload);
    }
    return status;
}

static enum fls_status by_batch(struct run *run)
{
    struct fls_message messages[BATCH_OF];
    size_t count;
    enum fls_status status = fls_reader_next_batch(run->reader, messages, BATCH_OF, &count);

    assert_true((status == FLS_OK) == (count > 0));
    for (size_t i = 0; i < count; i++) {
        check_aligned(run, &messages[i]);
        check_message(run, &messages[i], messages[i].payload);
    }
    return status;
}

static enum fls_status by_read_into(struct run *run)
{
    struct iovec segments[3];
    struct fls_message message;
    size_t bytes = run->next < samples.count ? samples.sizes[run->next] : 0;

    segments[0] = (struct iovec){destination, bytes / 3};
    segments[1] = (struct iovec){NULL, 0};
    segments[2] = (struct iovec){destination + bytes / 3, sizeof destination - bytes / 3};
    enum fls_status status = fls_reader_read_into(run->reader, segments, 3, &message);
    if (status == FLS_OK) {
        assert_ptr_equal(message.payload, destination);
        check_message(run, &message, destination);
    }
    return status;
}

static enum fls_status by_skip(struct run *run)
{
    uint64_t skipped;
    enum fls_status status = fls_reader_skip(run->reader, 1, &skipped);

    assert_int_equal(skipped, status == FLS_OK);
    run->next += skipped;
    run->failures = status == FLS_OK ? 0 : run->failures;
    return status;
}

static enum fls_status by_turns(struct run *run)
{
    size_t bytes = 0;
    enum fls_status status;

    switch (run->next % 4) {
    case 0:
        return by_skip(run);
    case 1:
        return by_read_into(run);
    case 2:
        status = fls_reader_next_bytes(run->reader, &bytes);
        if (status != FLS_OK)
            return status;
        assert_int_equal(bytes, samples.sizes[run->next]);
        return by_next(run);
    default:
        return by_batch(run);
    }
}

static enum fls_status read_some(struct run *run)
{
    switch (run->scenario->way) {
    case BY_NEXT:
        return by_next(run);
    case BY_BATCH:
        return by_batch(run);
    case BY_READ_INTO:
        return by_read_into(run);
    case BY_TURNS:
        return by_turns(run);
    default:
        return run->failures == 0 ? by_next(run) : by_read_into(run);
    }
}

/* --- failures ------------------------------------------------------------------------------------
 */

static void check_failure(const struct fault_plan *plan, enum fls_status status,
                          const struct fls_error *error)
{
    if (status == FLS_AGAIN) {
        assert_int_equal(plan->os_errno, EAGAIN);
        return;
    }
    assert_int_equal(error->status, status);
    if (status == FLS_NO_MEMORY) {
        assert_true(plan->families & FAULT_MEMORY);
        return;
    }
    assert_int_equal(status, FLS_IO);
    assert_int_equal(error->os_errno, plan->os_errno);
    assert_true(plan->failures > 0 && plan->os_errno != EINTR);
}

/* A failed call leaves the position at the frame. */
static void check_position(const struct run *run)
{
    uint64_t offset, frame;

    fls_reader_position(run->reader, &offset, &frame);
    assert_int_equal(frame, run->next);
    assert_int_equal(offset, samples.offsets[run->next]);
}

static void read_messages(struct run *run)
{
    while (run->failures < RETRIES_MAX && !run->ended) {
        enum fls_status status = read_some(run);
        if (status == FLS_OK)
            continue;
        check_position(run);
        if (status == FLS_END) {
            run->ended = 1;
            continue;
        }
        check_failure(&run->scenario->plan, status, fls_reader_error(run->reader));
        run->failures++;
    }
    assert_true(!run->ended || run->next == samples.count);
}

/* --- the endpoint --------------------------------------------------------------------------------
 */

static void write_file(const uint8_t *bytes, size_t length)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
}

/* A pipe that holds the whole stream and has no writer any more. */
static int filled_pipe(void)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1024 * 1024) > 0);
    assert_int_equal(write(fds[1], samples.stream, samples.stream_bytes), samples.stream_bytes);
    close(fds[1]);
    return fds[0];
}

static enum fls_status open_source(enum endpoint endpoint, int pipe_fd, struct fls_source **source,
                                   struct fls_error *error)
{
    switch (endpoint) {
    case FROM_FILE:
        return fls_source_open_file(path, 0, source, error);
    case FROM_FILE_LITTLE_AHEAD:
        return fls_source_open_file(path, 4096, source, error);
    case FROM_PIPE:
        return fls_source_open_fd(pipe_fd, FLS_BORROWED, 8192, source, error);
    default:
        return fls_source_open_mmap(path, source, error);
    }
}

/* The lowest descriptor that is free: it rises when one is left open. */
static int free_descriptor(void)
{
    int fd = dup(0);

    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static uint64_t play(const struct scenario *scenario)
{
    struct run run = {.scenario = scenario};
    struct fls_memory_policy policy = fls_memory_policy_watermark(2, 1, 0);
    struct fls_reader_options options = scenario->options;
    struct fls_source *source = NULL;
    struct fls_error error = FLS_ZERO;
    int pipe_fd = scenario->endpoint == FROM_PIPE ? filled_pipe() : -1;
    int64_t live = fault_live_allocations();
    int descriptor = free_descriptor();

    if (scenario->shrinks)
        options.memory_policy = &policy;
    fault_arm(scenario->plan);
    enum fls_status status = open_source(scenario->endpoint, pipe_fd, &source, &error);
    if (status == FLS_OK)
        status = fls_reader_open(source, &options, &run.reader, &error);
    if (status == FLS_OK)
        read_messages(&run);
    else
        check_failure(&scenario->plan, status, &error);
    fls_reader_close(run.reader);
    fls_source_close(source);
    uint64_t struck = fault_disarm();
    assert_true(fault_live_allocations() == live);
    assert_int_equal(free_descriptor(), descriptor);
    if (pipe_fd >= 0)
        close(pipe_fd);
    if (status == FLS_OK && scenario->plan.failures < FAULT_FOR_EVER)
        assert_true(run.ended);
    return struck;
}

static const struct fault_plan faults[] = {
    {.families = FAULT_READ, .failures = 1, .os_errno = EINTR},
    {.families = FAULT_READ, .failures = 3, .os_errno = EINTR},
    {.families = FAULT_READ, .failures = 1, .os_errno = EAGAIN},
    {.families = FAULT_READ, .failures = 3, .os_errno = EAGAIN},
    {.families = FAULT_READ, .shorts = 1, .short_to = FAULT_ONE_BYTE},
    {.families = FAULT_READ, .shorts = 1, .short_to = FAULT_HALF},
    {.families = FAULT_READ, .shorts = 50, .short_to = FAULT_ONE_BYTE},
    {.families = FAULT_READ,
     .shorts = 1,
     .short_to = FAULT_HALF,
     .failures = 1,
     .os_errno = EAGAIN},
    {.families = FAULT_READ,
     .shorts = 3,
     .short_to = FAULT_ONE_BYTE,
     .failures = 1,
     .os_errno = EIO},
    {.families = FAULT_READ, .failures = 1, .os_errno = EIO},
    {.families = FAULT_READ, .failures = 1, .os_errno = ENOSPC},
    {.families = FAULT_READ, .failures = FAULT_FOR_EVER, .os_errno = EIO},
    {.families = FAULT_MAP, .failures = 1, .os_errno = ENOMEM},
    {.families = FAULT_OPEN, .failures = 1, .os_errno = EINTR},
    {.families = FAULT_OPEN, .failures = 1, .os_errno = EMFILE},
    {.families = FAULT_CLOSE, .failures = 1, .os_errno = EIO},
    {.families = FAULT_MEMORY, .failures = 1, .os_errno = ENOMEM},
    {.families = FAULT_MEMORY, .failures = 3, .os_errno = ENOMEM},
    {.families = FAULT_MEMORY, .failures = FAULT_FOR_EVER, .os_errno = ENOMEM},
};

static void play_at_every_step(struct scenario scenario, struct fault_plan plan)
{
    uint64_t struck = 1;

    scenario.plan = plan;
    for (scenario.plan.at = 1; struck > 0; scenario.plan.at++) {
        assert_true(scenario.plan.at < 100000);
        struck = play(&scenario);
    }
}

static void play_everything(struct scenario scenario)
{
    for (int endpoint = 0; endpoint < ENDPOINTS; endpoint++) {
        for (int way = 0; way < WAYS; way++) {
            scenario.endpoint = (enum endpoint)endpoint;
            scenario.way = (enum way)way;
            for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
                play_at_every_step(scenario, faults[i]);
        }
    }
}

/* --- reading -------------------------------------------------------------------------------------
 */

static const size_t sizes[] = {0, 1, 5, 300, 5000, 70000, 0, 262200, 17, 4096, 4083, 64, 9};

static void use(enum fls_checksum_kind kind)
{
    samples_make(&samples, kind, sizes, sizeof sizes / sizeof sizes[0]);
    write_file(samples.stream, samples.stream_bytes);
}

static int put_away(void **state)
{
    (void)state;
    (void)fault_disarm();
    samples_free(&samples);
    return 0;
}

static void aligned_messages(void **state)
{
    (void)state;
    use(FLS_CHECKSUM_XXH3);
    play_everything((struct scenario){.options = {.checksum = samples.kind}});
}

static void messages_as_they_come(void **state)
{
    (void)state;
    use(FLS_CHECKSUM_CRC16);
    play_everything((struct scenario){.options = {.checksum = samples.kind, .alignment = 1}});
}

/* A tap that needs memory of its own. */
static enum fls_status allocate(const struct fls_tap *tap, const struct fls_payload *payload,
                                struct fls_error *error)
{
    void *memory = malloc(payload->length + 1);

    assert_true(!tap->contiguous || payload->count <= 1);
    if (!memory) {
        error->status = FLS_NO_MEMORY;
        return FLS_NO_MEMORY;
    }
    free(memory);
    return FLS_OK;
}

static void shrinking_buffer_and_taps(void **state)
{
    struct fls_tap taps[] = {{.run = allocate, .name = "any"},
                             {.run = allocate, .name = "contiguous", .contiguous = 1}};

    (void)state;
    use(FLS_CHECKSUM_CRC32);
    for (size_t count = 1; count <= 2; count++)
        play_everything((struct scenario){
            .options = {.checksum = samples.kind, .taps = taps, .tap_count = count}, .shrinks = 1});
}

/* --- recovering ----------------------------------------------------------------------------------
 */

static size_t file_bytes(void)
{
    struct stat information;

    assert_int_equal(stat(path, &information), 0);
    return (size_t)information.st_size;
}

/* Scans, going on after each failure from where the scan stands. */
static enum fls_status scan(const struct fault_plan *plan, struct fls_recovery *recovery)
{
    struct fls_reader_options options = {.checksum = samples.kind};
    struct fls_reader *reader = NULL;
    struct fls_error error = FLS_ZERO;
    uint64_t frames = 0, payload_bytes = 0;
    enum fls_status status = fls_reader_open_file(path, &options, &reader, &error);

    if (status != FLS_OK) {
        check_failure(plan, status, &error);
        return status;
    }
    for (int i = 0; i < RETRIES_MAX; i++) {
        status = fls_recover_scan(reader, FLS_RECOVER_ZERO_TAIL_IS_TORN, recovery);
        frames += recovery->frames;
        payload_bytes += recovery->payload_bytes;
        if (status == FLS_OK)
            break;
        check_failure(plan, status, &recovery->error);
    }
    recovery->frames = frames;
    recovery->payload_bytes = payload_bytes;
    fls_reader_close(reader);
    return status;
}

static void check_report(const struct fls_recovery *recovery, size_t whole, size_t torn)
{
    assert_int_equal(recovery->end, torn > 0 ? FLS_STREAM_TORN : FLS_STREAM_CLEAN);
    assert_int_equal(recovery->frames, whole);
    assert_int_equal(recovery->good_offset, samples.offsets[whole]);
    assert_int_equal(recovery->tail_bytes, torn);
}

/* A stream of `whole` frames and `torn` bytes of the next is scanned and cut, with a fault. */
static uint64_t recover(const struct fault_plan *plan, size_t whole, size_t torn)
{
    size_t before = samples.offsets[whole] + torn, after = samples.offsets[whole];
    struct fls_recovery recovery;
    struct fls_error error = FLS_ZERO;
    int64_t live = fault_live_allocations();
    int descriptor = free_descriptor();

    write_file(samples.stream, before);
    fault_arm(*plan);
    enum fls_status status = scan(plan, &recovery);
    if (status == FLS_OK) {
        check_report(&recovery, whole, torn);
        status = fls_recover_truncate(path, &recovery, &error);
        if (status != FLS_OK)
            check_failure(plan, status, &error);
    }
    uint64_t struck = fault_disarm();
    assert_true(fault_live_allocations() == live);
    assert_int_equal(free_descriptor(), descriptor);
    /* After a failure the file is as it was or cut where it should be: nothing else. */
    size_t now = file_bytes();
    assert_true(now == after || (status != FLS_OK && now == before));
    if (struck == 0)
        assert_int_equal(status, FLS_OK);
    return struck;
}

static const struct fault_plan recovery_faults[] = {
    {.families = FAULT_READ, .failures = 1, .os_errno = EINTR},
    {.families = FAULT_READ, .failures = 1, .os_errno = EAGAIN},
    {.families = FAULT_READ, .shorts = 1, .short_to = FAULT_ONE_BYTE},
    {.families = FAULT_READ, .shorts = 30, .short_to = FAULT_ONE_BYTE},
    {.families = FAULT_READ, .failures = 1, .os_errno = EIO},
    {.families = FAULT_READ, .failures = FAULT_FOR_EVER, .os_errno = EIO},
    {.families = FAULT_MEMORY, .failures = 1, .os_errno = ENOMEM},
    {.families = FAULT_MEMORY, .failures = FAULT_FOR_EVER, .os_errno = ENOMEM},
    {.families = FAULT_OPEN, .failures = 1, .os_errno = EACCES},
    {.families = FAULT_OPEN, .failures = 1, .os_errno = EINTR},
    {.families = FAULT_CUT, .failures = 1, .os_errno = EINTR},
    {.families = FAULT_CUT, .failures = 1, .os_errno = EIO},
    {.families = FAULT_SYNC, .failures = 1, .os_errno = EIO},
    {.families = FAULT_CLOSE, .failures = 1, .os_errno = EIO},
};

static void recovering(void **state)
{
    static const size_t torn[] = {1, 3, 4, 11, 12, 13, 200};

    (void)state;
    use(FLS_CHECKSUM_XXH3);
    for (size_t i = 0; i < sizeof recovery_faults / sizeof recovery_faults[0]; i++) {
        for (size_t t = 0; t < sizeof torn / sizeof torn[0]; t++) {
            struct fault_plan plan = recovery_faults[i];
            uint64_t struck = 1;
            for (plan.at = 1; struck > 0; plan.at++)
                struck = recover(&plan, 7, torn[t]);
        }
    }
}

/* --- opening and closing -------------------------------------------------------------------------
 */

/* Opens every kind of endpoint and decorator once, and closes what opened. */
static int open_everything(struct fls_error *error)
{
    struct fls_io_counts counts = FLS_ZERO;
    struct fls_fault_plan plan = FLS_ZERO;
    struct fls_tap tap = fls_tap_bound(10);
    struct fls_writer_options writing = {.taps = &tap, .tap_count = 1};
    struct fls_reader_options reading = {.taps = &tap, .tap_count = 1};
    struct fls_sink *sink = NULL, *wrapped;
    struct fls_source *source = NULL, *wrapped_source;
    struct fls_writer *writer = NULL;
    struct fls_reader *reader = NULL;
    int failures = 0;

    failures += fls_sink_open_memory(0, &sink, error) != FLS_OK;
    if (sink && fls_sink_open_counting(sink, &counts, &wrapped, error) == FLS_OK)
        sink = wrapped;
    if (sink && fls_sink_open_faulty(sink, &plan, &wrapped, error) == FLS_OK)
        sink = wrapped;
    if (sink && fls_writer_open(sink, &writing, &writer, error) == FLS_OK)
        failures += fls_writer_add_tap(writer, &tap) != FLS_OK ||
                    fls_writer_write(writer, "12345678", 8) != FLS_OK;
    failures += fls_writer_close(writer, NULL) != FLS_OK;
    fls_sink_close(sink, NULL);
    failures += fls_source_open_memory("", 0, &source, error) != FLS_OK;
    if (source && fls_source_open_counting(source, &counts, &wrapped_source, error) == FLS_OK)
        source = wrapped_source;
    if (source && fls_source_open_faulty(source, &plan, &wrapped_source, error) == FLS_OK)
        source = wrapped_source;
    if (source && fls_reader_open(source, &reading, &reader, error) == FLS_OK)
        failures += fls_reader_add_tap(reader, &tap) != FLS_OK;
    fls_reader_close(reader);
    fls_source_close(source);
    writer = NULL;
    if (fls_writer_open_file(path, FLS_FILE_TRUNCATE, &writing, &writer, error) != FLS_OK)
        return failures + 1;
    return failures + (fls_writer_close(writer, error) != FLS_OK);
}

static void opening_and_closing(void **state)
{
    static const struct fault_plan plans[] = {
        {.families = FAULT_MEMORY, .failures = 1, .os_errno = ENOMEM},
        {.families = FAULT_MEMORY, .failures = FAULT_FOR_EVER, .os_errno = ENOMEM},
        {.families = FAULT_OPEN, .failures = 1, .os_errno = EMFILE},
        {.families = FAULT_CLOSE, .failures = 1, .os_errno = EIO},
    };

    (void)state;
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct fault_plan plan = plans[i];
        int64_t live = fault_live_allocations();
        int descriptor = free_descriptor(), failures = 0;
        uint64_t struck = 1;
        for (plan.at = 1; struck > 0; plan.at++) {
            struct fls_error error = FLS_ZERO;
            fault_arm(plan);
            failures = open_everything(&error);
            struck = fault_disarm();
            if (plan.families != FAULT_MEMORY && struck > 0)
                check_failure(&plan, error.status, &error);
            assert_true(fault_live_allocations() == live);
            assert_int_equal(free_descriptor(), descriptor);
        }
        assert_true(plan.at > 2);
        assert_int_equal(failures, 0);
    }
}

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/stream.fls", folder);
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
        cmocka_unit_test_teardown(aligned_messages, put_away),
        cmocka_unit_test_teardown(messages_as_they_come, put_away),
        cmocka_unit_test_teardown(shrinking_buffer_and_taps, put_away),
        cmocka_unit_test_teardown(recovering, put_away),
        cmocka_unit_test_teardown(opening_and_closing, put_away),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
