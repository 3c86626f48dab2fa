/*
 * counts_test.c: how many calls into the system, and how many allocations, a message costs.
 */
#include "support/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/faults.h"

#define MESSAGES 100000
#define WARM_UP 10000
#define BATCH_OF 100

/* A sink that takes everything and keeps nothing. */
static enum fls_status take_all(struct fls_sink *sink, const struct iovec *segments, int count,
                                size_t *accepted, struct fls_error *error)
{
    (void)sink;
    (void)error;
    for (int i = 0; i < count; i++)
        *accepted += segments[i].iov_len;
    return FLS_OK;
}

static enum fls_status flush_nothing(struct fls_sink *sink, enum fls_level level,
                                     struct fls_error *error)
{
    (void)sink;
    (void)level;
    (void)error;
    return FLS_OK;
}

static enum fls_status close_nothing(struct fls_sink *sink, struct fls_error *error)
{
    (void)sink;
    (void)error;
    return FLS_OK;
}

static const struct fls_sink_ops nowhere_ops = {take_all, flush_nothing, close_nothing};

/* --- calls into the system -----------------------------------------------------------------------
 */

/* The calls that write during `messages` messages of 64 bytes to a file, the last flush included.
 */
static uint64_t calls_to_write(struct fls_writer_options options, unsigned messages)
{
    int fd = memfd_create("counts_test", 0);
    uint8_t payload[64];
    struct fls_sink *sink;
    struct fls_writer *writer;

    assert_true(fd >= 0);
    pattern_fill(payload, sizeof payload);
    assert_ok(fls_sink_open_fd(fd, FLS_OWNED, &sink, NULL));
    options.checksum = FLS_CHECKSUM_XXH3;
    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    fault_count_from_zero();
    for (unsigned i = 0; i < messages; i++)
        assert_ok(fls_writer_write(writer, payload, sizeof payload));
    assert_ok(fls_writer_flush(writer, FLS_LEVEL_PROCESS));
    uint64_t calls = fault_counted().writes;
    assert_int_equal(fls_writer_statistics(writer).system_calls, calls);
    assert_int_equal(lseek(fd, 0, SEEK_END), (off_t)messages * (64 + 12));
    assert_ok(fls_writer_close(writer, NULL));
    assert_ok(fls_sink_close(sink, NULL));
    return calls;
}

static void simple_writes_twice(void **state)
{
    (void)state;
    assert_int_equal(calls_to_write((struct fls_writer_options){.framer = FLS_FRAMER_SIMPLE}, 1000),
                     2000);
}

static void vectored_writes_once(void **state)
{
    struct fls_writer_options options = {.framer = FLS_FRAMER_VECTORED};

    (void)state;
    assert_int_equal(calls_to_write(options, 1000), 1000);
    options.copy_bytes_max = FLS_COPY_NEVER;
    assert_int_equal(calls_to_write(options, 1000), 1000);
}

/* How many writes one message of `bytes` into a pipe that holds it takes, and that it comes out. */
static uint64_t calls_into_a_pipe(size_t bytes, size_t copy_bytes_max)
{
    struct fls_writer_options options = {.framer = FLS_FRAMER_VECTORED,
                                         .copy_bytes_max = copy_bytes_max};
    uint8_t *payload = malloc(bytes), *read_back = malloc(bytes + 4);
    struct fls_writer *writer;
    struct fls_sink *sink;
    int ends[2];

    pattern_fill(payload, bytes);
    assert_int_equal(pipe(ends), 0);
    assert_ok(fls_sink_open_fd(ends[1], FLS_OWNED, &sink, NULL));
    options.owns_sink = 1;
    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    fault_count_from_zero();
    assert_ok(fls_writer_write(writer, payload, bytes));
    uint64_t calls = fault_counted().writes;
    assert_int_equal(fls_writer_statistics(writer).system_calls, calls);
    assert_ok(fls_writer_close(writer, NULL));
    assert_int_equal(read(ends[0], read_back, bytes + 4), bytes + 4);
    assert_memory_equal(read_back + 4, payload, bytes);
    close(ends[0]);
    free(read_back);
    free(payload);
    return calls;
}

static void long_messages_go_into_pipes_in_pieces(void **state)
{
    (void)state;
    assert_int_equal(calls_into_a_pipe(8192 - 4, 0), 1);
    assert_int_equal(calls_into_a_pipe(8192 - 3, 0), 2);
    assert_int_equal(calls_into_a_pipe(60000, 0), 8);
    assert_int_equal(calls_into_a_pipe(8192 - 3, FLS_COPY_NEVER), 2);
}

/* How many writes a batch of a hundred messages into a pipe takes. */
static uint64_t calls_for_a_batch_into_a_pipe(size_t bytes)
{
    struct fls_writer_options options = {
        .framer = FLS_FRAMER_BATCHED, .batch_messages = BATCH_OF, .owns_sink = 1};
    size_t whole = BATCH_OF * (4 + bytes);
    uint8_t payload[8192] = {0}, *read_back = malloc(whole);
    struct fls_writer *writer;
    struct fls_sink *sink;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_ok(fls_sink_open_fd(ends[1], FLS_OWNED, &sink, NULL));
    assert_ok(fls_writer_open(sink, &options, &writer, NULL));
    fault_count_from_zero();
    for (int i = 0; i < BATCH_OF; i++)
        assert_ok(fls_writer_write(writer, payload, bytes));
    uint64_t calls = fault_counted().writes;
    assert_ok(fls_writer_close(writer, NULL));
    assert_int_equal(read(ends[0], read_back, whole), whole);
    close(ends[0]);
    free(read_back);
    return calls;
}

static void large_batches_go_into_pipes_in_pieces(void **state)
{
    (void)state;
    assert_int_equal(calls_for_a_batch_into_a_pipe(651), 1);
    assert_int_equal(calls_for_a_batch_into_a_pipe(652), 9);
    assert_int_equal(calls_for_a_batch_into_a_pipe(1024), 13);
}

static void batched_by_100_writes_a_hundredth(void **state)
{
    struct fls_writer_options options = {.framer = FLS_FRAMER_BATCHED, .batch_messages = BATCH_OF};

    (void)state;
    assert_int_equal(calls_to_write(options, 10000), 100);
    options.copy_bytes_max = FLS_COPY_NEVER;
    options.keep_references = 1;
    assert_int_equal(calls_to_write(options, 10000), 100);
}

static void explicit_batches_write_a_hundredth(void **state)
{
    static const enum fls_framer framers[] = {FLS_FRAMER_VECTORED, FLS_FRAMER_BATCHED};
    uint8_t bytes[64];
    struct iovec segment = {bytes, sizeof bytes};
    struct fls_payload payloads[BATCH_OF];

    (void)state;
    pattern_fill(bytes, sizeof bytes);
    for (int i = 0; i < BATCH_OF; i++)
        payloads[i] = fls_payload_from_segments(&segment, 1);
    for (size_t i = 0; i < sizeof framers / sizeof framers[0]; i++) {
        struct fls_writer_options options = {.framer = framers[i]};
        struct fls_writer *writer;
        struct fls_sink *sink;
        int fd = memfd_create("counts_test", 0);
        assert_ok(fls_sink_open_fd(fd, FLS_OWNED, &sink, NULL));
        assert_ok(fls_writer_open(sink, &options, &writer, NULL));
        fault_count_from_zero();
        for (int round = 0; round < 100; round++)
            assert_ok(fls_writer_write_batch(writer, payloads, BATCH_OF, NULL));
        assert_int_equal(fault_counted().writes, 100);
        assert_ok(fls_writer_close(writer, NULL));
        assert_ok(fls_sink_close(sink, NULL));
    }
}

/* --- a stream of small messages ------------------------------------------------------------------
 */

/* Sizes that repeat, so that after one round nothing is new. */
static size_t size_of(unsigned i)
{
    return i % 64 == 63 ? 5000 : i % 16 == 15 ? 777 : 64;
}

/* The stream in memory, `messages` long, without a checksum. */
static uint8_t *make_stream(unsigned messages, size_t (*bytes_of)(unsigned), size_t *length)
{
    size_t total = 0, at = 0;

    for (unsigned i = 0; i < messages; i++)
        total += 4 + bytes_of(i);
    uint8_t *stream = malloc(total);
    assert_non_null(stream);
    for (unsigned i = 0; i < messages; i++) {
        uint32_t bytes = (uint32_t)bytes_of(i);
        for (int byte = 0; byte < 4; byte++)
            stream[at++] = (uint8_t)(bytes >> (8 * byte));
        pattern_fill(stream + at, bytes);
        at += bytes;
    }
    *length = total;
    return stream;
}

static size_t always_64(unsigned i)
{
    (void)i;
    return 64;
}

static int file_of(const uint8_t *stream, size_t length)
{
    int fd = memfd_create("counts_test", 0);

    assert_true(fd >= 0);
    for (size_t at = 0; at < length;) {
        ssize_t put = pwrite(fd, stream + at, length - at, (off_t)at);
        assert_true(put > 0);
        at += (size_t)put;
    }
    return fd;
}

static void reading_calls_seldom(void **state)
{
    size_t length;
    uint8_t *stream = make_stream(MESSAGES, always_64, &length);
    int fd = file_of(stream, length);
    struct fls_source *source;
    struct fls_reader *reader;
    struct fls_message message;
    uint64_t messages = 0;

    (void)state;
    assert_ok(fls_source_open_fd(fd, FLS_OWNED, 0, &source, NULL));
    assert_ok(fls_reader_open(source, NULL, &reader, NULL));
    fault_count_from_zero();
    for (; fls_reader_next(reader, &message) == FLS_OK; messages++)
        assert_int_equal(message.bytes, 64);
    uint64_t calls = fault_counted().reads;
    assert_int_equal(messages, MESSAGES);
    assert_int_equal(fls_reader_statistics(reader).system_calls, calls);
    assert_true(calls * 1000 < messages);
    print_message("%llu read calls for %u messages of 64 bytes\n", (unsigned long long)calls,
                  MESSAGES);
    fls_reader_close(reader);
    fls_source_close(source);
    free(stream);
}

/* --- allocations ---------------------------------------------------------------------------------
 */

typedef enum fls_status write_function(struct fls_writer *writer, const uint8_t *bytes,
                                       size_t length);

static enum fls_status write_plain(struct fls_writer *writer, const uint8_t *bytes, size_t length)
{
    return fls_writer_write(writer, bytes, length);
}

static enum fls_status write_segments(struct fls_writer *writer, const uint8_t *bytes,
                                      size_t length)
{
    struct iovec segments[2] = {{(void *)(uintptr_t)bytes, length / 2},
                                {(void *)(uintptr_t)(bytes + length / 2), length - length / 2}};
    struct fls_payload payload = fls_payload_from_segments(segments, 2);

    return fls_writer_write_payload(writer, &payload);
}

static void release_nothing(void *context)
{
    (void)context;
}

static enum fls_status write_owned(struct fls_writer *writer, const uint8_t *bytes, size_t length)
{
    struct iovec segment = {(void *)(uintptr_t)bytes, length};
    struct fls_payload payload = fls_payload_from_segments(&segment, 1);

    return fls_writer_write_owned(writer, &payload, release_nothing, NULL);
}

static uint64_t allocations_to_write(const struct fls_writer_options *options,
                                     write_function *function)
{
    static uint8_t payload[5000];
    struct fls_sink nowhere = {.ops = &nowhere_ops};
    struct fls_writer *writer;
    uint64_t before = 0;

    assert_ok(fls_writer_open(&nowhere, options, &writer, NULL));
    for (unsigned i = 0; i < WARM_UP + MESSAGES; i++) {
        if (i == WARM_UP) {
            fault_count_from_zero();
            before = fault_counted().allocations;
        }
        assert_ok(function(writer, payload, size_of(i)));
    }
    assert_ok(fls_writer_flush(writer, FLS_LEVEL_PROCESS));
    uint64_t allocations = fault_counted().allocations - before;
    assert_ok(fls_writer_close(writer, NULL));
    return allocations;
}

static void look_at_nothing(void *context, const struct fls_payload *payload)
{
    (void)context;
    (void)payload;
}

static void writing_allocates_nothing(void **state)
{
    static write_function *const functions[] = {write_plain, write_segments, write_owned};
    struct fls_tap flattening = fls_tap_observer(look_at_nothing, NULL);

    (void)state;
    flattening.contiguous = 1;
    for (int framer = FLS_FRAMER_SIMPLE; framer <= FLS_FRAMER_BATCHED; framer++) {
        for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++) {
            for (int variant = 0; variant < 4; variant++) {
                struct fls_writer_options options = {.framer = (enum fls_framer)framer,
                                                     .checksum = FLS_CHECKSUM_XXH3};
                options.copy_bytes_max = variant & 1 ? FLS_COPY_NEVER : 0;
                options.keep_references = variant & 1;
                options.taps = &flattening;
                options.tap_count = variant & 2 ? 1 : 0;
                assert_int_equal(allocations_to_write(&options, functions[f]), 0);
            }
        }
    }
}

enum reading { READ_NEXT, READ_BATCH, READ_INTO, READINGS };

/* Reads up to `wanted` messages; returns how many. */
static uint64_t read_messages(struct fls_reader *reader, enum reading reading, uint64_t wanted)
{
    static uint8_t into[8192];
    struct iovec segments[2] = {{into, 100}, {into + 100, sizeof into - 100}};
    struct fls_message messages[64];
    uint64_t done = 0;
    size_t count = 1;
    enum fls_status status = FLS_OK;

    while (done < wanted && status == FLS_OK) {
        if (reading == READ_NEXT)
            status = fls_reader_next(reader, messages);
        else if (reading == READ_INTO)
            status = fls_reader_read_into(reader, segments, 2, messages);
        else
            status = fls_reader_next_batch(reader, messages, 64, &count);
        done += status == FLS_OK ? count : 0;
    }
    return done;
}

static uint64_t allocations_to_read(const uint8_t *stream, size_t length, size_t alignment,
                                    enum reading reading, size_t read_ahead)
{
    struct fls_reader_options options = {.alignment = alignment};
    struct fls_source *source;
    struct fls_reader *reader;

    assert_ok(fls_source_open_fd(file_of(stream, length), FLS_OWNED, read_ahead, &source, NULL));
    assert_ok(fls_reader_open(source, &options, &reader, NULL));
    uint64_t done = read_messages(reader, reading, WARM_UP);
    fault_count_from_zero();
    done += read_messages(reader, reading, UINT64_MAX);
    uint64_t allocations = fault_counted().allocations;
    assert_int_equal(done, WARM_UP + MESSAGES);
    fls_reader_close(reader);
    fls_source_close(source);
    return allocations;
}

static void reading_allocates_nothing(void **state)
{
    static const size_t read_aheads[] = {0, 4096}; /* with 4096, 5000 bytes go round the buffer */
    size_t length;
    uint8_t *stream = make_stream(WARM_UP + MESSAGES, size_of, &length);

    (void)state;
    for (int reading = 0; reading < READINGS; reading++)
        for (size_t alignment = 1; alignment <= 8; alignment += 7)
            for (size_t i = 0; i < sizeof read_aheads / sizeof read_aheads[0]; i++)
                assert_int_equal(allocations_to_read(stream, length, alignment,
                                                     (enum reading)reading, read_aheads[i]),
                                 0);
    free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_writes_twice),
        cmocka_unit_test(vectored_writes_once),
        cmocka_unit_test(long_messages_go_into_pipes_in_pieces),
        cmocka_unit_test(large_batches_go_into_pipes_in_pieces),
        cmocka_unit_test(batched_by_100_writes_a_hundredth),
        cmocka_unit_test(explicit_batches_write_a_hundredth),
        cmocka_unit_test(reading_calls_seldom),
        cmocka_unit_test(writing_allocates_nothing),
        cmocka_unit_test(reading_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
