/*
 * fault_write_test.c: a fault at every step of writing.
 *
 * Each scenario writes the same messages; the k-th call into the system fails in some way, for
 * k = 1, 2, ... until nothing is left to fail. Whatever happened, what the endpoint has received
 * must be exactly the frames of the messages that were taken, in order; after a failure, at most a
 * torn beginning of the next one, at which the writer's error points, and nothing behind it. No
 * allocation is left, and every payload that was handed over was given back once. Payloads are
 * scribbled over as soon as the library has no claim on them, so that a late look at one shows.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/faults.h"
#include "support/sample.h"

#define NOBODY SIZE_MAX
#define RETRIES_MAX 16
#define BATCH_OF 4
#define SEGMENTS 3

enum endpoint { TO_FILE, TO_PIPE, TO_SOCKET };

/* Which function writes; BY_FLUSH goes on after FLS_AGAIN with a flush instead of a repeat. */
enum way { BY_WRITE, BY_PAYLOAD, BY_OWNED, BY_BATCH, BY_FLUSH, WAYS };

struct scenario {
    enum endpoint endpoint;
    enum way way;
    enum fls_level level; /* of the flush after every third message; OBJECT: none */
    struct fls_writer_options options;
    struct fault_plan plan;
};

/* One run of a scenario. */
struct run {
    const struct scenario *scenario;
    struct fls_writer *writer;
    int fd;       /* the sink's */
    int other_fd; /* the far end of a pipe or socket */
    size_t taken[2 * SAMPLES_MAX];
    size_t taken_count;
    size_t flushed_count;
    int failing;       /* since the last message that was taken */
    size_t failing_id; /* the message that failed first, or NOBODY */
    struct fls_error error;
    uint64_t handed_over;
    uint64_t given_back;
};

static struct samples samples;
static uint8_t *payloads[SAMPLES_MAX]; /* what the writer is given: a copy, then scribble */
static uint8_t received[1024 * 1024];

/* --- payloads ------------------------------------------------------------------------------------
 */

static void prepare(size_t id)
{
    memcpy(payloads[id], samples.bytes[id], samples.sizes[id]);
}

static void scribble(size_t id)
{
    memset(payloads[id], 0xdd, samples.sizes[id]);
}

/* A payload in three segments, the second empty, and who gets it back. */
struct parcel {
    struct iovec segments[SEGMENTS];
    struct fls_payload payload;
    struct run *run;
    size_t id;
    int given_back;
};

static void wrap_up(struct parcel *parcel, struct run *run, size_t id)
{
    size_t bytes = samples.sizes[id], first = bytes / 3;

    parcel->segments[0] = (struct iovec){payloads[id], first};
    parcel->segments[1] = (struct iovec){NULL, 0};
    parcel->segments[2] = (struct iovec){payloads[id] + first, bytes - first};
    parcel->payload = fls_payload_from_segments(parcel->segments, SEGMENTS);
    parcel->run = run;
    parcel->id = id;
    parcel->given_back = 0;
}

static void give_back(void *context)
{
    struct parcel *parcel = context;

    assert_false(parcel->given_back);
    parcel->given_back = 1;
    parcel->run->given_back++;
    scribble(parcel->id);
}

/* --- what the statuses mean ----------------------------------------------------------------------
 */

static int is_batched(const struct run *run)
{
    return run->scenario->options.framer == FLS_FRAMER_BATCHED;
}

/* May the bytes of a message still be needed after the write returned FLS_OK? */
static int keeps(const struct run *run)
{
    return is_batched(run) && run->scenario->options.keep_references;
}

static void note_taken(struct run *run, size_t id)
{
    if (run->failing && is_batched(run))
        fail_msg("message %zu was taken after a failure", id);
    run->failing = 0;
    run->taken[run->taken_count++] = id;
    if (!is_batched(run))
        run->flushed_count = run->taken_count;
}

static void note_failed(struct run *run, size_t id, enum fls_status status,
                        const struct fls_error *error)
{
    const struct fault_plan *plan = &run->scenario->plan;

    assert_int_equal(error->status, status);
    if (status == FLS_NO_MEMORY) {
        assert_true(plan->families & FAULT_MEMORY);
        return;
    }
    assert_int_equal(status, FLS_IO);
    assert_int_equal(error->os_errno, plan->os_errno);
    if (!run->failing)
        run->failing_id = id;
    run->failing = 1;
    run->error = *error;
}

static void scribble_all(void)
{
    for (size_t id = 0; id < samples.count; id++)
        scribble(id);
}

static enum fls_status flush(struct run *run, enum fls_level level)
{
    enum fls_status status = FLS_AGAIN;

    for (int i = 0; i < RETRIES_MAX && status == FLS_AGAIN; i++)
        status = fls_writer_flush(run->writer, level);
    if (status == FLS_OK) {
        run->flushed_count = run->taken_count;
        assert_true(run->given_back == run->handed_over);
    } else {
        note_failed(run, NOBODY, status, fls_writer_error(run->writer));
    }
    return status;
}

/* --- one message, or four ------------------------------------------------------------------------
 */

static enum fls_status call_write(struct run *run, struct parcel *parcel)
{
    switch (run->scenario->way) {
    case BY_OWNED:
        return fls_writer_write_owned(run->writer, &parcel->payload, give_back, parcel);
    case BY_PAYLOAD:
        return fls_writer_write_payload(run->writer, &parcel->payload);
    default:
        return fls_writer_write(run->writer, payloads[parcel->id], samples.sizes[parcel->id]);
    }
}

/* After FLS_AGAIN: flushes instead of repeating. FLS_AGAIN when the message was not among what was
 * flushed, and must be written again. */
static enum fls_status go_on_by_flush(struct run *run, uint64_t frame_before)
{
    enum fls_status status = FLS_AGAIN;
    uint64_t frame;

    for (int i = 0; i < RETRIES_MAX && status == FLS_AGAIN; i++)
        status = fls_writer_flush(run->writer, FLS_LEVEL_PROCESS);
    fls_writer_position(run->writer, NULL, &frame);
    return status == FLS_OK && frame == frame_before ? FLS_AGAIN : status;
}

static enum fls_status write_until_decided(struct run *run, struct parcel *parcel)
{
    enum fls_status status = FLS_AGAIN;
    uint64_t frame_before;

    fls_writer_position(run->writer, NULL, &frame_before);
    for (int i = 0; i < RETRIES_MAX && status == FLS_AGAIN; i++) {
        status = call_write(run, parcel);
        assert_true(status != FLS_AGAIN || !parcel->given_back);
        if (status == FLS_AGAIN && run->scenario->way == BY_FLUSH)
            status = go_on_by_flush(run, frame_before);
    }
    return status;
}

static void write_one(struct run *run, struct parcel *parcel, size_t id)
{
    enum fls_status status = FLS_NO_MEMORY;

    for (int attempt = 0; attempt < 2 && status == FLS_NO_MEMORY; attempt++) {
        prepare(id);
        wrap_up(parcel, run, id);
        run->handed_over += run->scenario->way == BY_OWNED;
        status = write_until_decided(run, parcel);
        if (status == FLS_OK)
            note_taken(run, id);
        else
            note_failed(run, id, status, fls_writer_error(run->writer));
    }
    if (run->scenario->way != BY_OWNED && (status != FLS_OK || !keeps(run)))
        scribble(id);
}

static void write_four(struct run *run, struct parcel *parcels, size_t first, size_t count)
{
    struct fls_payload four[BATCH_OF];
    enum fls_status status = FLS_AGAIN;
    size_t written = 0;

    for (size_t i = 0; i < count; i++) {
        prepare(first + i);
        wrap_up(&parcels[i], run, first + i);
        four[i] = parcels[i].payload;
    }
    for (int i = 0; i < RETRIES_MAX && status == FLS_AGAIN; i++)
        status = fls_writer_write_batch(run->writer, four, count, &written);
    assert_true(written <= count);
    for (size_t i = 0; i < written; i++)
        note_taken(run, first + i);
    if (status == FLS_OK) {
        assert_int_equal(written, count);
        run->flushed_count = run->taken_count;
    } else {
        note_failed(run, first + written, status, fls_writer_error(run->writer));
    }
    for (size_t i = 0; i < count; i++)
        scribble(first + i);
}

static void write_messages(struct run *run)
{
    static struct parcel parcels[SAMPLES_MAX];
    size_t step = run->scenario->way == BY_BATCH ? BATCH_OF : 1;

    for (size_t id = 0, since_flush = 0; id < samples.count; id += step) {
        if (step == 1)
            write_one(run, &parcels[id], id);
        else
            write_four(run, &parcels[id], id,
                       id + step <= samples.count ? step : samples.count - id);
        since_flush += step;
        if (run->scenario->level == FLS_LEVEL_OBJECT || since_flush < 3)
            continue;
        since_flush = 0;
        if (flush(run, run->scenario->level) == FLS_OK)
            scribble_all();
    }
}

/* --- the endpoint --------------------------------------------------------------------------------
 */

static void open_endpoint(struct run *run, enum endpoint endpoint)
{
    int fds[2], most = 1024 * 1024;

    if (endpoint == TO_FILE) {
        run->fd = memfd_create("fault_write_test", 0);
        assert_true(run->fd >= 0);
        return;
    }
    if (endpoint == TO_PIPE) {
        assert_int_equal(pipe(fds), 0);
        run->fd = fds[1];
        run->other_fd = fds[0];
        assert_true(fcntl(run->fd, F_SETPIPE_SZ, most) > 0);
        return;
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    run->fd = fds[1];
    run->other_fd = fds[0];
}

/* Everything that came out, once the writer is done; closes both ends. */
static size_t receive(struct run *run)
{
    size_t bytes = 0;
    ssize_t got = 1;

    if (run->scenario->endpoint == TO_FILE) {
        got = pread(run->fd, received, sizeof received, 0);
        assert_true(got >= 0);
        close(run->fd);
        return (size_t)got;
    }
    close(run->fd);
    while (got > 0) {
        got = read(run->other_fd, received + bytes, sizeof received - bytes);
        assert_true(got >= 0);
        bytes += (size_t)got;
    }
    close(run->other_fd);
    return bytes;
}

/* --- the verdict ---------------------------------------------------------------------------------
 */

/* Compares what was received with the frames of what was taken, and returns how many of these are
 * there whole; *whole_bytes is set to their length, *torn to what is behind them. */
static size_t match_frames(const struct run *run, size_t length, size_t *whole_bytes, size_t *torn)
{
    size_t at = 0, frames = 0, bytes;

    for (; frames < run->taken_count; frames++) {
        const uint8_t *frame = sample_frame(&samples, run->taken[frames], &bytes);
        if (bytes > length - at)
            break;
        assert_memory_equal(received + at, frame, bytes);
        at += bytes;
    }
    *whole_bytes = at;
    *torn = length - at;
    size_t next = frames < run->taken_count ? run->taken[frames] : run->failing_id;
    if (*torn == 0)
        return frames;
    assert_true(run->failing);
    assert_true(next != NOBODY);
    const uint8_t *frame = sample_frame(&samples, next, &bytes);
    assert_true(*torn < bytes);
    assert_memory_equal(received + at, frame, *torn);
    return frames;
}

static void check_output(const struct run *run, size_t length)
{
    size_t whole_bytes, torn;
    size_t frames = match_frames(run, length, &whole_bytes, &torn);

    assert_true(frames >= run->flushed_count);
    if (!run->failing) {
        assert_int_equal(frames, run->taken_count);
        return;
    }
    assert_true(is_batched(run) || frames == run->taken_count);
    if (strcmp(run->error.subject, "close") == 0)
        return;
    assert_true(run->error.has_frame);
    assert_int_equal(run->error.frame, frames);
    assert_int_equal(run->error.offset, whole_bytes);
}

/* Faults that a caller who goes on after FLS_AGAIN must not notice. */
static int is_harmless(const struct fault_plan *plan)
{
    return plan->failures == 0 || plan->os_errno == EINTR || plan->os_errno == EAGAIN ||
           plan->os_errno == EOPNOTSUPP;
}

static void close_writer(struct run *run)
{
    struct fls_error error = FLS_ZERO;
    enum fls_status status = FLS_AGAIN;

    for (int i = 0; i < RETRIES_MAX && status == FLS_AGAIN; i++)
        status = fls_writer_close(run->writer, &error);
    if (status == FLS_OK) {
        assert_true(!run->failing || !is_batched(run));
        run->flushed_count = run->taken_count;
    } else {
        note_failed(run, NOBODY, status, &error);
    }
}

/* Opens, writes, closes; returns how often the fault struck. */
static uint64_t play(const struct scenario *scenario)
{
    struct run run = {.scenario = scenario, .failing_id = NOBODY};
    int64_t live = fault_live_allocations();
    struct fls_sink *sink = NULL;
    struct fls_error error = FLS_ZERO;

    open_endpoint(&run, scenario->endpoint);
    fault_arm(scenario->plan);
    enum fls_status status = fls_sink_open_fd(run.fd, FLS_BORROWED, &sink, &error);
    if (status == FLS_OK)
        status = fls_writer_open(sink, &scenario->options, &run.writer, &error);
    if (status == FLS_OK) {
        write_messages(&run);
        close_writer(&run);
    } else {
        note_failed(&run, NOBODY, status, &error);
    }
    fls_sink_close(sink, NULL);
    uint64_t struck = fault_disarm();
    check_output(&run, receive(&run));
    assert_true(run.given_back == run.handed_over);
    assert_true(fault_live_allocations() == live);
    if (struck == 0 || is_harmless(&scenario->plan))
        assert_int_equal(run.flushed_count, samples.count);
    return struck;
}

static void play_at_every_step(struct scenario scenario, struct fault_plan plan)
{
    uint64_t struck = 1;

    scenario.plan = plan;
    for (scenario.plan.at = 1; struck > 0; scenario.plan.at++) {
        assert_true(scenario.plan.at < 100000);
        struck = play(&scenario);
    }
    assert_true(scenario.plan.at > 2 || !(plan.families & (FAULT_WRITE | FAULT_MEMORY)));
}

/* --- the faults ----------------------------------------------------------------------------------
 */

static const struct fault_plan faults[] = {
    {.families = FAULT_WRITE, .failures = 1, .os_errno = EINTR},
    {.families = FAULT_WRITE, .failures = 3, .os_errno = EINTR},
    {.families = FAULT_WRITE, .failures = 1, .os_errno = EAGAIN},
    {.families = FAULT_WRITE, .failures = 3, .os_errno = EAGAIN},
    {.families = FAULT_WRITE, .shorts = 1, .short_to = FAULT_ONE_BYTE},
    {.families = FAULT_WRITE, .shorts = 1, .short_to = FAULT_HALF},
    {.families = FAULT_WRITE, .shorts = FAULT_FOR_EVER, .short_to = FAULT_HALF},
    {.families = FAULT_WRITE, .shorts = 40, .short_to = FAULT_ONE_BYTE},
    {.families = FAULT_WRITE, .failures = 1, .os_errno = ENOSPC},
    {.families = FAULT_WRITE, .failures = FAULT_FOR_EVER, .os_errno = ENOSPC},
    {.families = FAULT_WRITE, .failures = 1, .os_errno = EIO},
    {.families = FAULT_WRITE, .failures = 1, .os_errno = EPIPE},
    {.families = FAULT_WRITE,
     .shorts = 1,
     .short_to = FAULT_ONE_BYTE,
     .failures = 1,
     .os_errno = EIO},
    {.families = FAULT_WRITE,
     .shorts = 1,
     .short_to = FAULT_HALF,
     .failures = 1,
     .os_errno = ENOSPC},
    {.families = FAULT_WRITE,
     .shorts = 2,
     .short_to = FAULT_HALF,
     .failures = FAULT_FOR_EVER,
     .os_errno = ENOSPC},
    {.families = FAULT_WRITE,
     .shorts = 1,
     .short_to = FAULT_HALF,
     .failures = 2,
     .os_errno = EAGAIN},
    {.families = FAULT_WRITE,
     .shorts = 3,
     .short_to = FAULT_ONE_BYTE,
     .failures = 1,
     .os_errno = EINTR},
    {.families = FAULT_SYNC, .failures = 1, .os_errno = EINTR},
    {.families = FAULT_SYNC, .failures = 1, .os_errno = EIO},
    {.families = FAULT_SYNC, .failures = FAULT_FOR_EVER, .os_errno = ENOSPC},
    {.families = FAULT_MEMORY, .failures = 1, .os_errno = ENOMEM},
    {.families = FAULT_MEMORY, .failures = FAULT_FOR_EVER, .os_errno = ENOMEM},
};

static void play_all_faults(struct scenario scenario)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        play_at_every_step(scenario, faults[i]);
}

/* Sanitizers make this ten times slower: then not every pair of choices. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VARIANT_STEP 3
#else
#define VARIANT_STEP 1
#endif

/* Every way, copying and not, flushing not at all and to the given level. */
static void play_all_ways(struct scenario scenario, enum fls_level level)
{
    for (int way = 0; way < WAYS; way++) {
        scenario.way = (enum way)way;
        for (int variant = 0; variant < 4; variant += VARIANT_STEP) {
            scenario.options.copy_bytes_max = variant & 1 ? FLS_COPY_NEVER : 0;
            scenario.level = variant & 2 ? level : FLS_LEVEL_OBJECT;
            play_all_faults(scenario);
        }
    }
}

/* --- the tests -----------------------------------------------------------------------------------
 */

static const size_t large_sizes[] = {0, 1, 5, 300, 5000, 70000, 0, 262200, 17, 4096, 4097, 64};
static const size_t middle_sizes[] = {0, 1, 5, 300, 5000, 70000, 0, 17, 4096, 4097, 64};
static const size_t small_sizes[] = {0, 1, 5, 300, 2000, 0, 17, 4096, 4097, 64, 9000, 3};

static void use(enum fls_checksum_kind kind, const size_t *sizes, size_t count)
{
    samples_make(&samples, kind, sizes, count);
    for (size_t id = 0; id < count; id++) {
        payloads[id] = malloc(sizes[id] + 1);
        assert_non_null(payloads[id]);
    }
}

#define USE(kind, sizes) use(kind, sizes, sizeof sizes / sizeof sizes[0])

static int put_away(void **state)
{
    (void)state;
    (void)fault_disarm();
    for (size_t id = 0; id < samples.count; id++)
        free(payloads[id]);
    samples_free(&samples);
    return 0;
}

static struct fls_writer_options options_for(enum fls_framer framer)
{
    return (struct fls_writer_options){.framer = framer, .checksum = samples.kind};
}

static void simple_to_file(void **state)
{
    (void)state;
    USE(FLS_CHECKSUM_XXH3, middle_sizes);
    play_all_ways((struct scenario){.options = options_for(FLS_FRAMER_SIMPLE)}, FLS_LEVEL_MACHINE);
}

static void vectored_to_file(void **state)
{
    (void)state;
    USE(FLS_CHECKSUM_CRC32, large_sizes);
    play_all_ways((struct scenario){.options = options_for(FLS_FRAMER_VECTORED)},
                  FLS_LEVEL_MACHINE);
}

static void batched_to_file(void **state)
{
    (void)state;
    USE(FLS_CHECKSUM_CRC16, large_sizes);
    struct scenario scenario = {.options = options_for(FLS_FRAMER_BATCHED)};
    scenario.options.batch_messages = 4;
    play_all_ways(scenario, FLS_LEVEL_MACHINE);
}

static void batched_by_bytes_to_file(void **state)
{
    (void)state;
    USE(FLS_CHECKSUM_XXH3, middle_sizes);
    struct scenario scenario = {.options = options_for(FLS_FRAMER_BATCHED)};
    scenario.options.batch_bytes = 6000;
    play_all_ways(scenario, FLS_LEVEL_PROCESS);
}

static void batched_by_reference_to_file(void **state)
{
    (void)state;
    USE(FLS_CHECKSUM_NONE, middle_sizes);
    struct scenario scenario = {.options = options_for(FLS_FRAMER_BATCHED)};
    scenario.options.keep_references = 1;
    play_all_ways(scenario, FLS_LEVEL_MACHINE);
}

/* A tap that needs memory of its own, and the payload in one piece. */
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

static void taps_and_shrinking_buffer(void **state)
{
    struct fls_tap tap = {.run = allocate, .name = "contiguous", .contiguous = 1};
    struct fls_memory_policy policy = fls_memory_policy_watermark(2, 1, 0);

    (void)state;
    USE(FLS_CHECKSUM_XXH3, middle_sizes);
    for (int framer = FLS_FRAMER_SIMPLE; framer <= FLS_FRAMER_BATCHED; framer++) {
        struct scenario scenario = {.options = options_for((enum fls_framer)framer)};
        scenario.options.taps = &tap;
        scenario.options.tap_count = 1;
        scenario.options.memory_policy = &policy;
        scenario.options.batch_messages = 3;
        play_all_ways(scenario, FLS_LEVEL_PROCESS);
    }
}

static void every_framer_to_pipe_and_socket(void **state)
{
    static const enum fls_framer framers[] = {FLS_FRAMER_SIMPLE, FLS_FRAMER_VECTORED,
                                              FLS_FRAMER_BATCHED};
    struct fault_plan no_flag = {.families = FAULT_WRITE, .failures = 1, .os_errno = EOPNOTSUPP};

    (void)state;
    USE(FLS_CHECKSUM_XXH3, small_sizes);
    for (size_t i = 0; i < sizeof framers / sizeof framers[0]; i++) {
        struct scenario scenario = {.options = options_for(framers[i])};
        scenario.options.batch_messages = 5;
        scenario.endpoint = TO_PIPE;
        play_all_ways(scenario, FLS_LEVEL_PROCESS);
        scenario.plan = no_flag;
        scenario.plan.at = 1; /* the kernel does not know the flag: later calls go another way */
        assert_int_equal(play(&scenario), 1);
        scenario.endpoint = TO_SOCKET;
        play_all_ways(scenario, FLS_LEVEL_PROCESS);
    }
}

/* One byte a call, from the first to the last: every byte is a place where a write can end. */
static void one_byte_a_call(void **state)
{
    static const size_t sizes[] = {0, 1, 5, 300, 0, 17, 3};
    struct fault_plan trickle = {
        .families = FAULT_WRITE, .shorts = FAULT_FOR_EVER, .short_to = FAULT_ONE_BYTE, .at = 1};

    (void)state;
    USE(FLS_CHECKSUM_XXH3, sizes);
    for (int framer = FLS_FRAMER_SIMPLE; framer <= FLS_FRAMER_BATCHED; framer++) {
        struct scenario scenario = {.options = options_for((enum fls_framer)framer),
                                    .plan = trickle};
        for (int way = 0; way < WAYS; way++) {
            scenario.way = (enum way)way;
            assert_int_equal(play(&scenario), samples.stream_bytes);
        }
    }
}

/* After each single byte the endpoint fails for good: the torn frame is named every time. */
static void fails_after_every_byte(void **state)
{
    static const size_t sizes[] = {0, 1, 5, 300, 0, 17, 3};

    (void)state;
    USE(FLS_CHECKSUM_CRC32, sizes);
    for (int framer = FLS_FRAMER_SIMPLE; framer <= FLS_FRAMER_BATCHED; framer++) {
        struct scenario scenario = {.options = options_for((enum fls_framer)framer)};
        for (size_t bytes = 0; bytes < samples.stream_bytes; bytes++) {
            scenario.plan = (struct fault_plan){.families = FAULT_WRITE,
                                                .at = 1,
                                                .shorts = bytes,
                                                .short_to = FAULT_ONE_BYTE,
                                                .failures = FAULT_FOR_EVER,
                                                .os_errno = ENOSPC};
            for (int way = 0; way < WAYS; way++) {
                scenario.way = (enum way)way;
                assert_true(play(&scenario) > bytes);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(simple_to_file, put_away),
        cmocka_unit_test_teardown(vectored_to_file, put_away),
        cmocka_unit_test_teardown(batched_to_file, put_away),
        cmocka_unit_test_teardown(batched_by_bytes_to_file, put_away),
        cmocka_unit_test_teardown(batched_by_reference_to_file, put_away),
        cmocka_unit_test_teardown(taps_and_shrinking_buffer, put_away),
        cmocka_unit_test_teardown(every_framer_to_pipe_and_socket, put_away),
        cmocka_unit_test_teardown(one_byte_a_call, put_away),
        cmocka_unit_test_teardown(fails_after_every_byte, put_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
