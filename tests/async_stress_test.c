/*
 * async_stress_test.c: very many messages through the asynchronous writer, and not one lost,
 * doubled or out of order.
 *
 *     async_stress_test [N]
 *
 * N messages (default 200,000) for each policy with two and with four producers. The sink reads the
 * stream while it is written and keeps nothing, so N may be 10^8 or more.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

#define PRODUCERS_MAX 4
#define PAYLOAD_BYTES_MAX 72
#define HEADER_BYTES 8 /* the length, and the CRC-32 that the reader of frames checks */

static uint64_t total = 200000;

/* Takes a stream apart as it comes. A frame that ends in a later piece waits in `frame`. */
struct checker {
    struct fls_sink base;
    uint8_t frame[HEADER_BYTES + PAYLOAD_BYTES_MAX];
    size_t held;
    uint64_t next[PRODUCERS_MAX]; /* the least sequence that may come */
    uint64_t messages;
    uint64_t skipped;
};

static uint64_t load(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

/* The size of a message follows from its number, and so does each byte behind the first 16. */
static size_t size_of_message(uint64_t sequence)
{
    return 16 + (size_t)(sequence % (PAYLOAD_BYTES_MAX - 15));
}

static void fill_message(uint8_t *to, uint64_t producer, uint64_t sequence)
{
    memcpy(to, &producer, 8);
    memcpy(to + 8, &sequence, 8);
    memset(to + 16, (int)(producer * 31 + sequence) & 0xff, size_of_message(sequence) - 16);
}

static void check_frame(struct checker *checker, size_t payload_bytes)
{
    static const struct fls_checksum crc32 = {FLS_CHECKSUM_CRC32, NULL};
    const uint8_t *payload = checker->frame + HEADER_BYTES;
    uint8_t expected[PAYLOAD_BYTES_MAX];
    uint32_t stored;
    uint64_t producer = load(payload), sequence = load(payload + 8);

    memcpy(&stored, checker->frame + 4, 4);
    assert_int_equal(stored, fls_checksum_of(crc32, payload, payload_bytes));
    assert_true(producer < PRODUCERS_MAX);
    assert_true(sequence >= checker->next[producer]);
    checker->skipped += sequence - checker->next[producer];
    checker->next[producer] = sequence + 1;
    assert_int_equal(payload_bytes, size_of_message(sequence));
    fill_message(expected, producer, sequence);
    assert_memory_equal(payload, expected, payload_bytes);
    checker->messages++;
}

static size_t payload_bytes_of(const struct checker *checker)
{
    uint32_t bytes;

    memcpy(&bytes, checker->frame, 4);
    assert_true(bytes >= 16 && bytes <= PAYLOAD_BYTES_MAX);
    return bytes;
}

static void check_bytes(struct checker *checker, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        size_t wanted = HEADER_BYTES;
        if (checker->held >= HEADER_BYTES)
            wanted += payload_bytes_of(checker);
        size_t part = wanted - checker->held < length ? wanted - checker->held : length;
        memcpy(checker->frame + checker->held, bytes, part);
        checker->held += part;
        bytes += part;
        length -= part;
        if (checker->held > HEADER_BYTES && checker->held == wanted) {
            check_frame(checker, wanted - HEADER_BYTES);
            checker->held = 0;
        }
    }
}

static enum fls_status checker_writev(struct fls_sink *base, const struct iovec *segments,
                                      int count, size_t *accepted, struct fls_error *error)
{
    (void)error;
    *accepted = 0;
    for (int i = 0; i < count; i++) {
        check_bytes((struct checker *)base, segments[i].iov_base, segments[i].iov_len);
        *accepted += segments[i].iov_len;
    }
    return FLS_OK;
}

static enum fls_status checker_flush(struct fls_sink *base, enum fls_level level,
                                     struct fls_error *error)
{
    (void)base, (void)level, (void)error;
    return FLS_OK;
}

static enum fls_status checker_close(struct fls_sink *base, struct fls_error *error)
{
    (void)base, (void)error;
    return FLS_OK;
}

static const struct fls_sink_ops checker_ops = {checker_writev, checker_flush, checker_close};

struct producer {
    struct fls_async *async;
    uint64_t id;
    uint64_t count;
    uint64_t dropped;
    enum fls_status failed;
};

static void *produce(void *context)
{
    struct producer *producer = context;
    uint8_t message[PAYLOAD_BYTES_MAX];

    for (uint64_t i = 0; i < producer->count && producer->failed == FLS_OK; i++) {
        fill_message(message, producer->id, i);
        enum fls_status status = fls_async_write(producer->async, message, size_of_message(i));
        if (status == FLS_LIMIT)
            producer->dropped++;
        else
            producer->failed = status;
    }
    return NULL;
}

static void stress(enum fls_async_policy policy, unsigned count, size_t queue_bytes)
{
    struct checker checker = {.base = {.ops = &checker_ops}};
    struct fls_writer_options writer = {.checksum = FLS_CHECKSUM_CRC32};
    struct fls_async_options options = {
        .when_full = policy, .queue_bytes = queue_bytes, .linger_us = 20, .writer = &writer};
    struct producer producers[PRODUCERS_MAX];
    struct fls_async_counts numbers;
    pthread_t threads[PRODUCERS_MAX];
    struct fls_async *async;
    uint64_t dropped = 0, tail = 0;

    assert_ok(fls_async_open(&checker.base, &options, &async, NULL));
    for (unsigned i = 0; i < count; i++) {
        producers[i] = (struct producer){async, i, total / count, 0, FLS_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        assert_ok(producers[i].failed);
        dropped += producers[i].dropped;
    }
    assert_ok(fls_async_close(async, -1, &numbers, NULL));
    for (unsigned i = 0; i < count; i++)
        tail += total / count - checker.next[i];
    assert_int_equal(checker.held, 0);
    assert_int_equal(checker.messages, numbers.written);
    assert_int_equal(numbers.dropped_newest, dropped);
    assert_int_equal(numbers.accepted + dropped, total / count * count);
    assert_int_equal(numbers.accepted, numbers.written + numbers.dropped_oldest);
    assert_int_equal(checker.skipped + tail, dropped + numbers.dropped_oldest);
    if (policy == FLS_ASYNC_BLOCK)
        assert_int_equal(checker.messages, total / count * count);
    printf("policy %d, %u producers: %llu written, %llu dropped, %llu waits, %llu wake-ups\n",
           (int)policy, count, (unsigned long long)numbers.written,
           (unsigned long long)(dropped + numbers.dropped_oldest),
           (unsigned long long)numbers.waits, (unsigned long long)numbers.wakeups);
    fflush(stdout);
}

static void blocking(void **state)
{
    (void)state;
    stress(FLS_ASYNC_BLOCK, 2, 0);
    stress(FLS_ASYNC_BLOCK, 4, (size_t)64 * 1024);
}

static void dropping_newest(void **state)
{
    (void)state;
    stress(FLS_ASYNC_DROP_NEWEST, 2, (size_t)64 * 1024);
    stress(FLS_ASYNC_DROP_NEWEST, 4, 0);
}

static void dropping_oldest(void **state)
{
    (void)state;
    stress(FLS_ASYNC_DROP_OLDEST, 2, 0);
    stress(FLS_ASYNC_DROP_OLDEST, 4, (size_t)64 * 1024);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocking),
        cmocka_unit_test(dropping_newest),
        cmocka_unit_test(dropping_oldest),
    };

    if (argc > 1)
        total = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
