/*
 * async_test.c: the asynchronous writer, beside a gate: a sink that can be shut, that can fail,
 * that takes a few bytes at a time or would block. What is on it is compared, byte for byte, with
 * what an ordinary writer makes of the messages that were not dropped.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

#include "support/test.h"

#define WATCHDOG_S 240
#define QUEUE_LEAST ((size_t)64 * 1024)
#define HALF (QUEUE_LEAST / 2)

/* --- calls into the system, counted for each thread --------------------------------------------
 */

static _Thread_local uint64_t futex_calls, yields;
static atomic_int refuse_threads;
static _Thread_local int refuse_memory;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __real_sched_yield(void);
int __wrap_sched_yield(void);
void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__wrap_memcpy(void *to, const void *from, size_t bytes);
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
typedef void *thread_function(void *context);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          thread_function *function, void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          thread_function *function, void *context);

long __wrap_syscall(long number, ...)
{
    long words[6];
    va_list list;

    va_start(list, number);
    for (int i = 0; i < 6; i++)
        words[i] = va_arg(list, long);
    va_end(list);
    assert_int_equal(number, SYS_futex);
    futex_calls++;
    return __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

int __wrap_sched_yield(void)
{
    yields++;
    return __real_sched_yield();
}

void *__wrap_malloc(size_t bytes)
{
    return refuse_memory ? NULL : __real_malloc(bytes);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          thread_function *function, void *context)
{
    if (atomic_load(&refuse_threads))
        return EAGAIN;
    return __real_pthread_create(thread, attributes, function, context);
}

static _Thread_local volatile int stop_copies; /* this thread's, until copies_go_on */
static atomic_int copies_stopped, copies_go_on;

void *__wrap_memcpy(void *to, const void *from, size_t bytes)
{
    if (stop_copies) {
        atomic_fetch_add(&copies_stopped, 1);
        while (!atomic_load(&copies_go_on))
            __real_sched_yield();
    }
    return __real_memcpy(to, from, bytes);
}

/* Some sanitizers have a memcpy of their own. */
static int copies_can_be_stopped(void)
{
    static uint8_t from[8] = "copied", to[8];
    volatile size_t count = sizeof from;

    atomic_store(&copies_go_on, 1);
    stop_copies = 1;
    memcpy(to, from, count);
    stop_copies = 0;
    assert_memory_equal(to, from, sizeof from);
    atomic_store(&copies_go_on, 0);
    return atomic_exchange(&copies_stopped, 0) > 0;
}

/* Whether threads and memory are the system's alone, not a checker's that has its own turns and
 * pages. */
static int runs_unchecked(void)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    return 0;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
    return 0;
#endif
#endif
#if defined(RUNNING_ON_VALGRIND)
    return RUNNING_ON_VALGRIND == 0;
#else
    return 1;
#endif
}

static void pause_us(long us)
{
    struct timespec time = {us / 1000000, us % 1000000 * 1000};

    nanosleep(&time, NULL);
}

static uint64_t now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static unsigned random_below(unsigned *state, unsigned bound)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % bound;
}

/* --- the gate ----------------------------------------------------------------------------------
 */

struct gate {
    struct fls_sink base;
    struct fls_sink *memory;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int shut;
    int waiting; /* a write or flush stands before it */
    uint64_t calls;
    uint64_t fail_at; /* from this call on all fail with EIO; 0: none */
    enum fls_status fail_status;
    size_t bytes_max;    /* of one call; 0: no bound */
    unsigned again_each; /* every so many calls would block; 0: none */
    int has_machine;
    int shuts_at_machine; /* shut by a flush to the machine level, before it passes */
    uint64_t machine_flushes;
    size_t flushed_length; /* what was there at the last flush */
    int closed;
};

/* Under the gate's lock: passes, once it is open. */
static enum fls_status pass(struct gate *gate, struct fls_error *error)
{
    while (gate->shut) {
        gate->waiting = 1;
        pthread_cond_broadcast(&gate->changed);
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    gate->waiting = 0;
    gate->calls++;
    if (gate->fail_at > 0 && gate->calls >= gate->fail_at) {
        fls_error_system(error, "gate", EIO);
        if (gate->fail_status != FLS_OK && error)
            error->status = gate->fail_status;
        return gate->fail_status != FLS_OK ? gate->fail_status : FLS_IO;
    }
    if (gate->again_each > 0 && gate->calls % gate->again_each == 0)
        return FLS_AGAIN;
    return FLS_OK;
}

static enum fls_status gate_writev(struct fls_sink *base, const struct iovec *segments, int count,
                                   size_t *accepted, struct fls_error *error)
{
    struct gate *gate = (struct gate *)base;
    struct iovec first = segments[0];

    pthread_mutex_lock(&gate->lock);
    enum fls_status status = pass(gate, error);
    if (status == FLS_OK && gate->bytes_max > 0) {
        if (first.iov_len > gate->bytes_max)
            first.iov_len = gate->bytes_max;
        segments = &first;
        count = 1;
    }
    if (status == FLS_OK)
        status = gate->memory->ops->writev(gate->memory, segments, count, accepted, error);
    pthread_mutex_unlock(&gate->lock);
    return status;
}

static enum fls_status gate_flush(struct fls_sink *base, enum fls_level level,
                                  struct fls_error *error)
{
    struct gate *gate = (struct gate *)base;

    pthread_mutex_lock(&gate->lock);
    if (level == FLS_LEVEL_MACHINE && gate->shuts_at_machine) {
        gate->shuts_at_machine = 0;
        gate->shut = 1;
    }
    enum fls_status status = pass(gate, error);
    if (status == FLS_OK) {
        gate->machine_flushes += level == FLS_LEVEL_MACHINE;
        fls_sink_memory_bytes(gate->memory, &gate->flushed_length);
        if (level == FLS_LEVEL_MACHINE && !gate->has_machine) {
            status = FLS_UNSUPPORTED;
            *error = (struct fls_error){.status = FLS_UNSUPPORTED};
        }
    }
    pthread_mutex_unlock(&gate->lock);
    return status;
}

static enum fls_status gate_close(struct fls_sink *base, struct fls_error *error)
{
    (void)error;
    ((struct gate *)base)->closed++;
    return FLS_OK;
}

static const struct fls_sink_ops gate_ops = {gate_writev, gate_flush, gate_close};

static void gate_make(struct gate *gate)
{
    *gate = (struct gate){.base = {.ops = &gate_ops}, .has_machine = 1};
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
    assert_ok(fls_sink_open_memory(0, &gate->memory, NULL));
}

static void gate_free(struct gate *gate)
{
    fls_sink_close(gate->memory, NULL);
    pthread_mutex_destroy(&gate->lock);
    pthread_cond_destroy(&gate->changed);
}

static void gate_set(struct gate *gate, int shut)
{
    pthread_mutex_lock(&gate->lock);
    gate->shut = shut;
    gate->waiting = 0;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

/* Until the drain thread stands before the shut gate. */
static void gate_await(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    while (!gate->waiting)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static struct fls_async *open_async(struct gate *gate, const struct fls_async_options *options)
{
    struct fls_async *async = NULL;

    assert_ok(fls_async_open(&gate->base, options, &async, NULL));
    return async;
}

static struct fls_async_counts close_async(struct fls_async *async)
{
    struct fls_async_counts numbers;

    assert_ok(fls_async_close(async, -1, &numbers, NULL));
    assert_int_equal(numbers.accepted,
                     numbers.written + numbers.dropped_oldest + numbers.refused + numbers.lost);
    return numbers;
}

/* --- messages ----------------------------------------------------------------------------------
 */

/* Message `sequence` of a producer: the two numbers, as far as they fit, and a pattern. */
static void fill_message(uint8_t *to, size_t bytes, uint32_t producer, uint32_t sequence)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(i * 131 + sequence * 7 + producer);
    if (bytes >= 8) {
        memcpy(to, &producer, 4);
        memcpy(to + 4, &sequence, 4);
    }
}

/* A payload that is overwritten and freed when it is released, and counts that. */
struct owned {
    uint8_t *bytes;
    size_t length;
    atomic_int releases;
};

static void release_owned(void *context)
{
    struct owned *owned = context;

    if (atomic_fetch_add(&owned->releases, 1) > 0)
        abort();
    memset(owned->bytes, 0xee, owned->length);
    free(owned->bytes);
}

static void make_owned(struct owned *owned, size_t length, uint32_t producer, uint32_t sequence)
{
    owned->bytes = malloc(length + 1);
    owned->length = length;
    atomic_init(&owned->releases, 0);
    assert_non_null(owned->bytes);
    fill_message(owned->bytes, length, producer, sequence);
}

/* Hands an owned payload over in up to three segments. */
static enum fls_status write_owned(struct fls_async *async, struct owned *owned)
{
    size_t first = owned->length / 3, second = owned->length / 2;
    struct iovec segments[3] = {{owned->bytes, first},
                                {owned->bytes + first, second},
                                {owned->bytes + first + second, owned->length - first - second}};
    struct fls_payload payload = fls_payload_from_segments(segments, 3);

    return fls_async_write_owned(async, &payload, release_owned, owned);
}

static void assert_released(struct owned *owned, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(atomic_load(&owned[i].releases), 1);
}

/* Reads the gate's bytes as a stream; `seen[producer * per_producer + sequence]` counts the
 * messages; each producer's must come in order. Returns the number of whole messages. */
static uint64_t read_back(struct gate *gate, enum fls_checksum_kind kind, uint8_t *seen,
                          uint32_t producers, uint32_t per_producer)
{
    struct fls_reader_options options = {.checksum = kind};
    int64_t *last = malloc(producers * sizeof *last);
    size_t length;
    const void *bytes = fls_sink_memory_bytes(gate->memory, &length);
    struct fls_reader *reader = open_memory_reader(bytes, length, &options);
    struct fls_message message;
    uint64_t messages = 0;

    assert_non_null(last);
    for (uint32_t i = 0; i < producers; i++)
        last[i] = -1;
    while (fls_reader_next(reader, &message) == FLS_OK) {
        uint32_t producer, sequence;
        assert_true(message.bytes >= 8);
        memcpy(&producer, message.payload, 4);
        memcpy(&sequence, (const uint8_t *)message.payload + 4, 4);
        assert_true(producer < producers && sequence < per_producer);
        assert_true((int64_t)sequence > last[producer]);
        last[producer] = sequence;
        uint8_t *expected = malloc(message.bytes);
        fill_message(expected, message.bytes, producer, sequence);
        assert_memory_equal(message.payload, expected, message.bytes);
        free(expected);
        if (seen)
            seen[producer * per_producer + sequence]++;
        messages++;
    }
    fls_reader_close(reader);
    free(last);
    return messages;
}

/* What an ordinary writer makes of messages of these sizes stands on the gate. */
static void assert_same_stream(struct gate *gate, const size_t *sizes, size_t count,
                               const struct fls_writer_options *options)
{
    struct fls_sink *sink;
    struct fls_writer *writer = open_memory_writer(&sink, options);
    size_t length, expected_length;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t *message = malloc(sizes[i] + 1);
        assert_non_null(message);
        fill_message(message, sizes[i], 0, i);
        assert_ok(fls_writer_write(writer, message, sizes[i]));
        free(message);
    }
    assert_ok(fls_writer_close(writer, NULL));
    const void *bytes = fls_sink_memory_bytes(gate->memory, &length);
    const void *expected = fls_sink_memory_bytes(sink, &expected_length);
    assert_int_equal(length, expected_length);
    assert_memory_equal(bytes, expected, length);
    fls_sink_close(sink, NULL);
}

/* --- one producer ------------------------------------------------------------------------------
 */

/* Small, large, copied, owned, of no bytes: all in order, whatever the checksum and the sink. */
static void check_one_producer(enum fls_checksum_kind kind, size_t bytes_max, unsigned again_each)
{
    enum { COUNT = 700 };
    static struct owned owned[COUNT];
    static size_t sizes[COUNT];
    struct fls_writer_options writer = {.checksum = kind, .framer = FLS_FRAMER_VECTORED};
    struct fls_async_options options = {.queue_bytes = QUEUE_LEAST, .writer = &writer};
    struct gate gate;
    unsigned state = (unsigned)kind + 1;

    gate_make(&gate);
    gate.bytes_max = bytes_max;
    gate.again_each = again_each;
    struct fls_async *async = open_async(&gate, &options);
    for (uint32_t i = 0; i < COUNT; i++) {
        static const unsigned bounds[] = {2, 64, 700, 5000, 20000, 100000};
        sizes[i] = random_below(&state, bounds[random_below(&state, again_each ? 4 : 6)]);
        make_owned(&owned[i], sizes[i], 0, i);
        if (random_below(&state, 3) == 0) {
            assert_ok(write_owned(async, &owned[i]));
        } else {
            assert_ok(fls_async_write(async, owned[i].bytes, sizes[i]));
            release_owned(&owned[i]);
        }
    }
    struct fls_async_counts numbers = close_async(async);
    assert_int_equal(numbers.accepted, COUNT);
    assert_int_equal(numbers.written, COUNT);
    assert_int_equal(numbers.dropped_newest, 0);
    assert_released(owned, COUNT);
    assert_same_stream(&gate, sizes, COUNT, &writer);
    size_t length;
    fls_sink_memory_bytes(gate.memory, &length);
    assert_int_equal(numbers.bytes, length);
    gate_free(&gate);
}

static void one_producer(void **state)
{
    (void)state;
    for (int kind = FLS_CHECKSUM_NONE; kind <= FLS_CHECKSUM_XXH3; kind++)
        check_one_producer((enum fls_checksum_kind)kind, 0, 0);
    check_one_producer(FLS_CHECKSUM_XXH3, 777, 0);
    check_one_producer(FLS_CHECKSUM_CRC32, 0, 3);
}

static void nothing_written(void **state)
{
    (void)state;
    struct gate gate;
    struct fls_async_counts numbers;

    gate_make(&gate);
    struct fls_async *async = open_async(&gate, NULL);
    assert_ok(fls_async_flush(async, FLS_LEVEL_OBJECT, 0));
    assert_ok(fls_async_flush(async, FLS_LEVEL_PROCESS, 0));
    assert_ok(fls_async_flush(async, FLS_LEVEL_MACHINE, 0));
    numbers = close_async(async);
    assert_int_equal(numbers.accepted, 0);
    assert_int_equal(numbers.bytes, 0);
    assert_int_equal(gate.closed, 0);
    assert_ok(fls_async_close(NULL, 0, NULL, NULL));
    gate_free(&gate);
}

static void refused_openings(void **state)
{
    (void)state;
    struct gate gate;
    struct fls_async *async = NULL;
    struct fls_error error;
    struct fls_writer_options writer = {.owns_sink = 1};
    struct fls_async_options options = {.when_full = (enum fls_async_policy)3};

    gate_make(&gate);
    assert_int_equal(fls_async_open(&gate.base, &options, &async, &error), FLS_INVALID_ARGUMENT);
    options = (struct fls_async_options){.writer = &writer};
    atomic_store(&refuse_threads, 1);
    assert_int_equal(fls_async_open(&gate.base, &options, &async, &error), FLS_IO);
    atomic_store(&refuse_threads, 0);
    assert_int_equal(error.os_errno, EAGAIN);
    writer.checksum = (enum fls_checksum_kind)99;
    assert_int_equal(fls_async_open(&gate.base, &options, &async, &error), FLS_INVALID_ARGUMENT);
    assert_null(async);
    assert_int_equal(gate.closed, 0);
    writer.checksum = FLS_CHECKSUM_NONE;
    close_async(open_async(&gate, &options));
    assert_int_equal(gate.closed, 1);
    gate_free(&gate);
}

/* --- when it is full ---------------------------------------------------------------------------
 */

/* A gate that is shut, with the drain thread before it holding message 0. */
static struct fls_async *open_shut(struct gate *gate, const struct fls_async_options *options)
{
    uint8_t first[100];

    gate_make(gate);
    gate->shut = 1;
    struct fls_async *async = open_async(gate, options);
    fill_message(first, sizeof first, 0, 0);
    assert_ok(fls_async_write(async, first, sizeof first));
    assert_int_equal(fls_async_flush(async, FLS_LEVEL_PROCESS, 0), FLS_AGAIN);
    gate_await(gate);
    return async;
}

/* Ten owned messages to a half that takes four. */
static void check_full_by_messages(enum fls_async_policy policy, uint32_t first, uint32_t end)
{
    struct fls_async_options options = {.when_full = policy, .queue_messages = 4};
    static struct owned owned[11];
    uint8_t seen[11] = {0};
    struct gate gate;
    struct fls_async *async = open_shut(&gate, &options);
    int oldest = policy == FLS_ASYNC_DROP_OLDEST;

    for (uint32_t i = 1; i <= 10; i++) {
        make_owned(&owned[i], 100, 0, i);
        assert_int_equal(write_owned(async, &owned[i]), oldest || i <= 4 ? FLS_OK : FLS_LIMIT);
        assert_int_equal(atomic_load(&owned[i].releases), oldest || i <= 4 ? 0 : 1);
        if (oldest && i > 4)
            assert_int_equal(atomic_load(&owned[i - 4].releases), 1);
    }
    gate_set(&gate, 0);
    struct fls_async_counts numbers = close_async(async);
    assert_int_equal(numbers.accepted, oldest ? 11 : 5);
    assert_int_equal(numbers.dropped_oldest, oldest ? 6 : 0);
    assert_int_equal(numbers.dropped_newest, oldest ? 0 : 6);
    assert_int_equal(numbers.waits, 0);
    assert_released(owned + 1, 10);
    assert_int_equal(read_back(&gate, FLS_CHECKSUM_NONE, seen, 1, 11), 5);
    for (uint32_t i = 1; i <= 10; i++)
        assert_int_equal(seen[i], i >= first && i < end);
    gate_free(&gate);
}

static void drops_by_messages(void **state)
{
    (void)state;
    check_full_by_messages(FLS_ASYNC_DROP_NEWEST, 1, 5);
    check_full_by_messages(FLS_ASYNC_DROP_OLDEST, 7, 11);
}

/* How many messages of `size` bytes a half of HALF bytes takes, copied or owned. */
static uint64_t taken_until_full(size_t size, int by_reference)
{
    struct fls_async_options options = {.when_full = FLS_ASYNC_DROP_NEWEST,
                                        .queue_bytes = QUEUE_LEAST};
    static struct owned owned[5000];
    struct gate gate;
    struct fls_async *async = open_shut(&gate, &options);
    enum fls_status status = FLS_OK;
    uint64_t taken = 0, written = 0;

    for (uint32_t i = 0; status == FLS_OK; i++) {
        assert_true(i < 5000);
        make_owned(&owned[i], size, 0, i + 1);
        if (by_reference) {
            status = write_owned(async, &owned[i]);
        } else {
            status = fls_async_write(async, owned[i].bytes, size);
            release_owned(&owned[i]);
        }
        taken += status == FLS_OK;
        written++;
    }
    assert_int_equal(status, FLS_LIMIT);
    gate_set(&gate, 0);
    close_async(async);
    assert_released(owned, written);
    assert_int_equal(read_back(&gate, FLS_CHECKSUM_NONE, NULL, 1, 5001), taken + 1);
    gate_free(&gate);
    return taken;
}

/* The bytes bound what waits, also what waits outside of the queue's own memory. */
static void bounds_by_bytes(void **state)
{
    (void)state;
    assert_int_equal(taken_until_full(48, 0), HALF / 64);
    assert_int_equal(taken_until_full(1000, 0), HALF / 1016 - HALF % 1016 / 1016);
    assert_int_equal(taken_until_full(HALF / 2, 0), 1);
    assert_int_equal(taken_until_full(HALF / 2 + 1, 0), 1);
    assert_int_equal(taken_until_full(HALF * 4, 0), 1);
    assert_int_equal(taken_until_full(HALF / 4, 1), 4);
    assert_int_equal(taken_until_full(HALF, 1), 1);
    assert_int_equal(taken_until_full(HALF * 4, 1), 1);
}

static void takes_any_list(void **state)
{
    (void)state;
    struct fls_async_options options = {.queue_bytes = QUEUE_LEAST};
    size_t most = HALF / 2 / sizeof(struct iovec);
    struct iovec *segments = calloc(most + 1, sizeof *segments);
    struct owned owned[4];
    uint8_t seen[4] = {0};
    struct gate gate;

    gate_make(&gate);
    assert_non_null(segments);
    struct fls_async *async = open_async(&gate, &options);
    for (uint32_t i = 0; i < 4; i++) {
        make_owned(&owned[i], most, 0, i);
        for (size_t j = 0; j < most; j++)
            segments[j] = (struct iovec){owned[i].bytes + j, 1};
        struct fls_payload payload = fls_payload_from_segments(segments, most + (i == 2));
        payload.length -= i == 1;
        assert_int_equal(fls_async_write_owned(async, &payload, release_owned, &owned[i]),
                         i == 1 || i == 2 ? FLS_INVALID_ARGUMENT : FLS_OK);
    }
    struct fls_async_counts numbers = close_async(async);
    assert_int_equal(numbers.accepted, 2);
    assert_released(owned, 4);
    assert_int_equal(read_back(&gate, FLS_CHECKSUM_NONE, seen, 1, 4), 2);
    assert_true(seen[0] && seen[3]);
    gate_free(&gate);
    free(segments);
}

/* A queue that is full ends a nap: with a linger of an hour nothing else would. */
static void full_ends_a_nap(void **state)
{
    (void)state;
    static const enum fls_async_policy policies[] = {FLS_ASYNC_BLOCK, FLS_ASYNC_DROP_NEWEST,
                                                     FLS_ASYNC_DROP_OLDEST};
    uint8_t message[100];

    for (size_t p = 0; p < 3; p++) {
        struct fls_async_options options = {
            .when_full = policies[p], .queue_messages = 1, .linger_us = 3600u * 1000 * 1000};
        struct gate gate;
        gate_make(&gate);
        struct fls_async *async = open_async(&gate, &options);
        uint64_t until = now_ms() + 30000;
        for (uint32_t i = 0; fls_async_statistics(async).written < 5; i++) {
            fill_message(message, sizeof message, 0, i);
            enum fls_status status = fls_async_write(async, message, sizeof message);
            assert_true(status == FLS_OK || status == FLS_LIMIT);
            assert_true(now_ms() < until);
        }
        close_async(async);
        gate_free(&gate);
    }
}

/* --- many producers ----------------------------------------------------------------------------
 */

struct producer {
    struct fls_async *async;
    uint32_t id;
    uint32_t count;
    struct owned *owned; /* count of them */
    uint8_t *took;       /* which were taken */
    enum fls_status ended_with;
    uint64_t calls; /* of futex, by this producer */
    int goes_on;    /* behind a failure */
};

static void *produce(void *context)
{
    struct producer *producer = context;
    unsigned state = producer->id * 77 + 5;
    uint64_t before = futex_calls;

    for (uint32_t i = 0; i < producer->count; i++) {
        size_t size = 8 + random_below(&state, random_below(&state, 40) == 0 ? 20000 : 200);
        enum fls_status status;
        make_owned(&producer->owned[i], size, producer->id, i);
        if (random_below(&state, 4) == 0) {
            status = write_owned(producer->async, &producer->owned[i]);
        } else {
            status = fls_async_write(producer->async, producer->owned[i].bytes, size);
            release_owned(&producer->owned[i]);
        }
        producer->took[i] = status == FLS_OK;
        if (status != FLS_OK && status != FLS_LIMIT)
            producer->ended_with = status;
    }
    producer->calls = futex_calls - before;
    return NULL;
}

/* Runs `count` producers to their end. */
static void run_producers(struct fls_async *async, struct producer *producers, uint32_t count,
                          uint32_t each)
{
    pthread_t threads[8];

    for (uint32_t i = 0; i < count; i++) {
        producers[i] = (struct producer){.async = async,
                                         .id = i,
                                         .count = each,
                                         .owned = calloc(each, sizeof(struct owned)),
                                         .took = calloc(each, 1)};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (uint32_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void free_producers(struct producer *producers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_released(producers[i].owned, producers[i].count);
        free(producers[i].owned);
        free(producers[i].took);
    }
}

static void check_many_producers(enum fls_async_policy policy, uint32_t count, size_t messages)
{
    enum { EACH = 4000 };
    struct fls_async_options options = {.when_full = policy,
                                        .queue_bytes = QUEUE_LEAST,
                                        .queue_messages = messages,
                                        .linger_us = 20};
    struct producer producers[8];
    uint8_t *seen = calloc((size_t)count * EACH, 1);
    uint64_t taken = 0;
    struct gate gate;

    gate_make(&gate);
    struct fls_async *async = open_async(&gate, &options);
    run_producers(async, producers, count, EACH);
    struct fls_async_counts numbers = close_async(async);
    assert_int_equal(read_back(&gate, FLS_CHECKSUM_NONE, seen, count, EACH), numbers.written);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < EACH; j++) {
            taken += producers[i].took[j];
            assert_true(seen[i * EACH + j] <= producers[i].took[j]);
            if (policy != FLS_ASYNC_DROP_OLDEST)
                assert_int_equal(seen[i * EACH + j], producers[i].took[j]);
        }
        assert_int_equal(producers[i].ended_with, FLS_OK);
    }
    assert_int_equal(numbers.accepted, taken);
    assert_int_equal(numbers.dropped_newest, (uint64_t)count * EACH - taken);
    assert_int_equal(numbers.lost, 0);
    if (policy == FLS_ASYNC_BLOCK)
        assert_int_equal(numbers.written, (uint64_t)count * EACH);
    free_producers(producers, count);
    gate_free(&gate);
    free(seen);
}

static void many_producers(void **state)
{
    (void)state;
    for (int policy = FLS_ASYNC_BLOCK; policy <= FLS_ASYNC_DROP_OLDEST; policy++) {
        check_many_producers((enum fls_async_policy)policy, 2, 0);
        check_many_producers((enum fls_async_policy)policy, 4, 3);
    }
}

/* --- producers that never pause ----------------------------------------------------------------
 */

enum { RESTLESS = 2, RESTLESS_BYTES = 64, RESTLESS_WRITES = 1000000, ROUNDS_MAX = 1 << 18 };
#define FRAME_HEADER_BYTES 4

/* Keeps nothing. For each round that ended with messages waiting, so that there was no rest: how
 * many more producers tried to hand over until the drain thread had got hold of them. */
struct pace {
    struct fls_sink base;
    struct fls_async *async;
    uint64_t bytes;
    atomic_ulong tried[RESTLESS][16]; /* each in cache lines of its own */
    unsigned long at_end;             /* of the round before */
    int between_rounds;
    size_t rounds;
    unsigned long waited[ROUNDS_MAX];
};

static unsigned long tried_so_far(struct pace *pace)
{
    unsigned long sum = 0;

    for (int i = 0; i < RESTLESS; i++)
        sum += atomic_load_explicit(&pace->tried[i][0], memory_order_relaxed);
    return sum;
}

static enum fls_status pace_writev(struct fls_sink *base, const struct iovec *segments, int count,
                                   size_t *accepted, struct fls_error *error)
{
    struct pace *pace = (struct pace *)base;

    (void)error;
    if (pace->between_rounds && pace->rounds < ROUNDS_MAX)
        pace->waited[pace->rounds++] = tried_so_far(pace) - pace->at_end;
    pace->between_rounds = 0;
    *accepted = 0;
    for (int i = 0; i < count; i++)
        *accepted += segments[i].iov_len;
    pace->bytes += *accepted;
    return FLS_OK;
}

static enum fls_status pace_flush(struct fls_sink *base, enum fls_level level,
                                  struct fls_error *error)
{
    struct pace *pace = (struct pace *)base;
    struct fls_async_counts numbers = fls_async_statistics(pace->async);
    uint64_t sent = pace->bytes / (FRAME_HEADER_BYTES + RESTLESS_BYTES);

    (void)level, (void)error;
    pace->between_rounds = numbers.accepted - numbers.dropped_oldest > sent;
    pace->at_end = tried_so_far(pace);
    return FLS_OK;
}

static const struct fls_sink_ops pace_ops = {pace_writev, pace_flush, gate_close};

struct restless {
    struct fls_async *async;
    atomic_ulong *tried;
};

static void *write_without_pause(void *context)
{
    struct restless *restless = context;
    uint8_t message[RESTLESS_BYTES] = {0};

    for (unsigned long i = 1; i <= RESTLESS_WRITES; i++) {
        enum fls_status status = fls_async_write(restless->async, message, sizeof message);
        assert_true(status == FLS_OK || status == FLS_LIMIT);
        atomic_store_explicit(restless->tried, i, memory_order_relaxed);
    }
    return NULL;
}

static int compare_counts(const void *a, const void *b)
{
    unsigned long left = *(const unsigned long *)a, right = *(const unsigned long *)b;

    return (left > right) - (left < right);
}

static void run_restless(struct pace *pace, enum fls_async_policy policy)
{
    struct fls_async_options options = {.when_full = policy, .queue_bytes = QUEUE_LEAST};
    struct restless restless[RESTLESS];
    pthread_t threads[RESTLESS];

    pace->bytes = 0;
    pace->between_rounds = 0;
    assert_ok(fls_async_open(&pace->base, &options, &pace->async, NULL));
    for (int i = 0; i < RESTLESS; i++) {
        restless[i] = (struct restless){pace->async, &pace->tried[i][0]};
        assert_int_equal(pthread_create(&threads[i], NULL, write_without_pause, &restless[i]), 0);
    }
    for (int i = 0; i < RESTLESS; i++)
        pthread_join(threads[i], NULL);
    struct fls_async_counts numbers = close_async(pace->async);
    assert_int_equal(numbers.accepted + numbers.dropped_newest, RESTLESS * RESTLESS_WRITES);
}

/* Judged by the median, and with FLS_CHECK (make soak) alone: whether a thread is interrupted is
 * the system's business, and a busy machine interrupts it most of the time. Where the threads do
 * not meet there is nothing to judge. */
static int is_fair(enum fls_async_policy policy)
{
    enum { ROUNDS_ENOUGH = 200, RUNS_MAX = 4 };
    struct pace *pace = calloc(1, sizeof *pace);
    int fair = 1;

    assert_non_null(pace);
    pace->base = (struct fls_sink){.ops = &pace_ops};
    for (int run = 0; run < RUNS_MAX && pace->rounds < ROUNDS_ENOUGH; run++)
        run_restless(pace, policy);
    if (getenv("FLS_CHECK") && runs_unchecked() && pace->rounds >= ROUNDS_ENOUGH) {
        qsort(pace->waited, pace->rounds, sizeof *pace->waited, compare_counts);
        fair = pace->waited[pace->rounds / 2] <= 10 * RESTLESS;
    }
    free(pace);
    return fair;
}

/* Other work on the machine takes the processor from the drain thread; not each time, though. */
static void check_restless(enum fls_async_policy policy)
{
    enum { TRIES = 8 };
    int fair = 0;

    for (int i = 0; i < TRIES && !fair; i++)
        fair = is_fair(policy);
    assert_true(fair);
}

/* They do not keep the drain thread from taking what has gathered. */
static void restless_producers(void **state)
{
    (void)state;
    check_restless(FLS_ASYNC_DROP_NEWEST);
    check_restless(FLS_ASYNC_DROP_OLDEST);
}

static void *write_page(void *context)
{
    uint8_t page[4096];

    fill_message(page, sizeof page, 0, 0);
    stop_copies = 1;
    return fls_async_write(context, page, sizeof page) == FLS_OK ? NULL : context;
}

/* While one producer is in the middle of its copy, others hand over; the order is that in which
 * they came, and nothing is sent before it is whole. */
static void copies_stop_nobody(void **state)
{
    (void)state;
    uint8_t message[100];
    struct gate gate;
    pthread_t thread;
    void *failed;

    if (!copies_can_be_stopped())
        skip();
    gate_make(&gate);
    struct fls_async *async = open_async(&gate, NULL);
    assert_int_equal(pthread_create(&thread, NULL, write_page, async), 0);
    while (atomic_load(&copies_stopped) == 0)
        sched_yield();
    for (uint32_t i = 1; i < 10; i++) {
        fill_message(message, sizeof message, 0, i);
        assert_ok(fls_async_write(async, message, sizeof message));
    }
    assert_int_equal(fls_async_flush(async, FLS_LEVEL_PROCESS, 20), FLS_AGAIN);
    assert_int_equal(fls_async_statistics(async).written, 0);
    atomic_store(&copies_go_on, 1);
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_int_equal(close_async(async).written, 10);
    assert_int_equal(read_back(&gate, FLS_CHECKSUM_NONE, NULL, 1, 10), 10);
    gate_free(&gate);
}

static long faults_of_this_thread(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_minflt;
}

/* The queue's memory is there when it is opened, not page by page at the first messages. */
static void memory_is_there(void **state)
{
    (void)state;
    static uint8_t message[4000];
    struct gate gate;
    struct fls_async *async = open_shut(&gate, NULL);

    assert_ok(fls_async_write(async, message, sizeof message));
    long before = faults_of_this_thread();
    for (size_t i = 0; i < FLS_ASYNC_QUEUE_BYTES_DEFAULT / 2 / 4096; i++)
        assert_ok(fls_async_write(async, message, sizeof message));
    if (runs_unchecked())
        assert_true(faults_of_this_thread() - before < 64);
    gate_set(&gate, 0);
    close_async(async);
    gate_free(&gate);
}

/* --- flushing and closing ----------------------------------------------------------------------
 */

static size_t length_on(struct gate *gate)
{
    size_t length;

    pthread_mutex_lock(&gate->lock);
    fls_sink_memory_bytes(gate->memory, &length);
    pthread_mutex_unlock(&gate->lock);
    return length;
}

static void flush_levels(void **state)
{
    (void)state;
    uint8_t message[100];
    struct gate gate;
    struct fls_async *async = open_shut(&gate, NULL);

    for (uint32_t i = 1; i < 10; i++) {
        fill_message(message, sizeof message, 0, i);
        assert_ok(fls_async_write(async, message, sizeof message));
    }
    uint64_t began = now_ms();
    assert_ok(fls_async_flush(async, FLS_LEVEL_OBJECT, -1));
    assert_int_equal(fls_async_flush(async, FLS_LEVEL_PROCESS, 60), FLS_AGAIN);
    assert_true(now_ms() - began >= 59);
    assert_int_equal(fls_async_flush(async, FLS_LEVEL_MACHINE, 0), FLS_AGAIN);
    gate_set(&gate, 0);
    assert_ok(fls_async_flush(async, FLS_LEVEL_PROCESS, -1));
    assert_int_equal(length_on(&gate), 10 * 104);
    for (uint32_t i = 10; i < 20; i++) {
        fill_message(message, sizeof message, 0, i);
        assert_ok(fls_async_write(async, message, sizeof message));
        assert_ok(fls_async_flush(async, FLS_LEVEL_MACHINE, 10000));
        assert_int_equal(length_on(&gate), (i + 1) * 104);
    }
    assert_true(gate.machine_flushes >= 10);
    assert_int_equal(gate.flushed_length, 20 * 104);
    close_async(async);
    gate_free(&gate);
}

/* One who only asks, again and again, gets there; also when the drain thread sleeps by then. */
static void flush_by_asking(void **state)
{
    (void)state;
    uint8_t message[16] = {0};
    struct fls_async_options options = {.linger_us = 1};
    struct gate gate;
    enum fls_status status;

    gate_make(&gate);
    struct fls_async *async = open_async(&gate, &options);
    assert_ok(fls_async_write(async, message, sizeof message));
    assert_ok(fls_async_flush(async, FLS_LEVEL_PROCESS, -1));
    pause_us(20000);
    uint64_t until = now_ms() + 10000;
    while ((status = fls_async_flush(async, FLS_LEVEL_MACHINE, 0)) == FLS_AGAIN) {
        assert_true(now_ms() < until);
        sched_yield();
    }
    assert_ok(status);
    pause_us(20000);
    until = now_ms() + 10000;
    while ((status = fls_async_close(async, 0, NULL, NULL)) == FLS_AGAIN) {
        assert_true(now_ms() < until);
        sched_yield();
    }
    assert_ok(status);
    gate_free(&gate);
}

/* Who asks again while his messages are on their way to the device does not send them there twice.
 */
static void flush_machine_once(void **state)
{
    (void)state;
    struct gate gate;
    struct fls_async *async = open_shut(&gate, NULL);

    assert_int_equal(fls_async_flush(async, FLS_LEVEL_MACHINE, 0), FLS_AGAIN);
    gate.shuts_at_machine = 1;
    gate_set(&gate, 0);
    gate_await(&gate);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fls_async_flush(async, FLS_LEVEL_MACHINE, 0), FLS_AGAIN);
    gate_set(&gate, 0);
    assert_ok(fls_async_flush(async, FLS_LEVEL_MACHINE, -1));
    close_async(async);
    assert_int_equal(gate.machine_flushes, 1);
    gate_free(&gate);
}

/* A sink without a device does not pretend to have one. */
static void flush_without_machine(void **state)
{
    (void)state;
    uint8_t message[16] = {0};
    struct gate gate;

    gate_make(&gate);
    gate.has_machine = 0;
    struct fls_async *async = open_async(&gate, NULL);
    assert_ok(fls_async_write(async, message, sizeof message));
    assert_int_equal(fls_async_flush(async, FLS_LEVEL_MACHINE, -1), FLS_UNSUPPORTED);
    assert_int_equal(length_on(&gate), 20);
    assert_ok(fls_async_write(async, message, sizeof message));
    assert_ok(fls_async_flush(async, FLS_LEVEL_PROCESS, -1));
    close_async(async);
    gate_free(&gate);
}

static void close_with_deadline(void **state)
{
    (void)state;
    struct owned owned;
    struct gate gate;
    struct fls_async *async = open_shut(&gate, NULL);
    struct fls_async_counts numbers;

    make_owned(&owned, 50000, 0, 1);
    assert_ok(write_owned(async, &owned));
    uint64_t began = now_ms();
    assert_int_equal(fls_async_close(async, 40, &numbers, NULL), FLS_AGAIN);
    assert_true(now_ms() - began >= 39);
    assert_int_equal(fls_async_close(async, 0, NULL, NULL), FLS_AGAIN);
    assert_int_equal(atomic_load(&owned.releases), 0);
    gate_set(&gate, 0);
    numbers = close_async(async);
    assert_int_equal(numbers.written, 2);
    assert_released(&owned, 1);
    gate_free(&gate);
}

/* --- failures ----------------------------------------------------------------------------------
 */

/* Two producers, who may block, on a sink that fails from its k-th call on. Whether it failed. */
static int check_failure(uint64_t k, size_t bytes_max, enum fls_async_policy policy,
                         enum fls_status status)
{
    enum { EACH = 150 };
    struct fls_async_options options = {.when_full = policy, .queue_bytes = QUEUE_LEAST};
    struct producer producers[2];
    struct fls_async_counts numbers;
    struct fls_error error;
    struct gate gate;
    uint64_t taken = 0;
    int failed = 0;

    gate_make(&gate);
    gate.fail_at = k;
    gate.fail_status = status;
    gate.bytes_max = bytes_max;
    struct fls_async *async = open_async(&gate, &options);
    run_producers(async, producers, 2, EACH);
    enum fls_status flushed = fls_async_flush(async, FLS_LEVEL_MACHINE, -1);
    fls_async_error(async, &error);
    assert_int_equal(flushed, error.status);
    enum fls_status closed = fls_async_close(async, -1, &numbers, &error);
    assert_int_equal(closed, flushed);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(producers[i].ended_with == FLS_OK || producers[i].ended_with == flushed);
        for (uint32_t j = 0; j < EACH; j++)
            taken += producers[i].took[j];
    }
    failed = flushed != FLS_OK;
    if (failed)
        assert_int_equal(error.os_errno, EIO);
    assert_int_equal(numbers.accepted, taken);
    assert_int_equal(numbers.accepted,
                     numbers.written + numbers.dropped_oldest + numbers.refused + numbers.lost);
    assert_int_equal(numbers.refused, 0);
    assert_int_equal(read_back(&gate, FLS_CHECKSUM_NONE, NULL, 2, EACH), numbers.written);
    free_producers(producers, 2);
    gate_free(&gate);
    return failed;
}

static void fails_at_every_call(void **state)
{
    (void)state;
    static const enum fls_status statuses[] = {FLS_OK, FLS_NO_MEMORY};

    for (int policy = FLS_ASYNC_BLOCK; policy <= FLS_ASYNC_DROP_OLDEST; policy++)
        for (size_t s = 0; s < 2; s++)
            for (uint64_t k = 1;
                 k < 40 && check_failure(k, 0, (enum fls_async_policy)policy, statuses[s]); k++)
                continue;
    for (uint64_t k = 1; k < 400 && check_failure(k, 301, FLS_ASYNC_BLOCK, FLS_OK); k += 1 + k / 8)
        continue;
}

static void *block_on_write(void *context)
{
    struct producer *producer = context;
    uint8_t message[1000];

    for (uint32_t i = 0; i < 1000 && producer->ended_with == FLS_OK; i++) {
        fill_message(message, sizeof message, 1, i);
        producer->ended_with = fls_async_write(producer->async, message, sizeof message);
    }
    return NULL;
}

/* Those who wait for room, and one who waits for a flush, are told. */
static void failure_ends_waiting(void **state)
{
    (void)state;
    struct fls_async_options options = {.queue_bytes = QUEUE_LEAST};
    struct gate gate;
    struct fls_async *async = open_shut(&gate, &options);
    struct producer producers[3];
    pthread_t threads[3];
    struct fls_async_counts numbers;

    for (int i = 0; i < 3; i++) {
        producers[i] = (struct producer){.async = async};
        assert_int_equal(pthread_create(&threads[i], NULL, block_on_write, &producers[i]), 0);
    }
    while (fls_async_statistics(async).waits < 3)
        pause_us(1000);
    pthread_mutex_lock(&gate.lock);
    gate.fail_at = 1;
    pthread_mutex_unlock(&gate.lock);
    gate_set(&gate, 0);
    assert_int_equal(fls_async_flush(async, FLS_LEVEL_PROCESS, -1), FLS_IO);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(producers[i].ended_with, FLS_IO);
    }
    assert_int_equal(fls_async_write(async, "x", 1), FLS_IO);
    assert_int_equal(fls_async_close(async, -1, &numbers, NULL), FLS_IO);
    assert_int_equal(numbers.written, 0);
    assert_int_equal(numbers.lost, numbers.accepted);
    gate_free(&gate);
}

static enum fls_status stop_at_five(const struct fls_tap *tap, const struct fls_payload *payload,
                                    struct fls_error *error)
{
    (void)error;
    uint32_t sequence;
    memcpy(&sequence, (const uint8_t *)payload->segments[0].iov_base + 4, 4);
    return sequence == *(const uint32_t *)tap->context ? FLS_STOPPED : FLS_OK;
}

/* A tap's own status ends the writing; what came before is written, and counted as such. */
static void tap_ends_the_writing(void **state)
{
    (void)state;
    uint32_t last = 5;
    struct fls_tap tap = {.run = stop_at_five, .name = "five", .context = &last};
    struct fls_writer_options writer = {.taps = &tap, .tap_count = 1};
    struct fls_async_options options = {.writer = &writer};
    struct fls_async_counts numbers;
    struct owned owned[10];
    struct gate gate;
    struct fls_async *async = open_shut(&gate, &options);
    struct fls_error error;

    for (uint32_t i = 1; i < 10; i++) {
        make_owned(&owned[i], 5000, 0, i);
        assert_ok(write_owned(async, &owned[i]));
    }
    gate_set(&gate, 0);
    assert_int_equal(fls_async_close(async, -1, &numbers, &error), FLS_STOPPED);
    assert_int_equal(numbers.accepted, 10);
    assert_int_equal(numbers.written, 5);
    assert_int_equal(numbers.lost, 5);
    assert_true(error.has_frame && error.frame == 5);
    assert_string_equal(error.subject, "five");
    assert_int_equal(read_back(&gate, FLS_CHECKSUM_NONE, NULL, 1, 10), 5);
    assert_released(owned + 1, 9);
    gate_free(&gate);
}

/* Refused messages are counted, released, and leave no byte; the others go on. */
static void refused_messages(void **state)
{
    (void)state;
    struct fls_tap taps[1] = {fls_tap_size(10, 3000)};
    struct fls_writer_options writer = {
        .taps = taps, .tap_count = 1, .payload_bytes_max = 2000, .start_frame = 7};
    struct fls_async_options options = {.writer = &writer};
    struct owned owned[40];
    struct gate gate;
    uint8_t seen[40] = {0};

    gate_make(&gate);
    struct fls_async *async = open_async(&gate, &options);
    for (uint32_t i = 0; i < 40; i++) {
        static const size_t sizes[] = {100, 9, 2001, 2000};
        make_owned(&owned[i], sizes[i % 4], 0, i);
        if (i % 8 < 4) {
            assert_ok(write_owned(async, &owned[i]));
        } else {
            assert_ok(fls_async_write(async, owned[i].bytes, owned[i].length));
            release_owned(&owned[i]);
        }
    }
    struct fls_async_counts numbers = close_async(async);
    assert_int_equal(numbers.accepted, 40);
    assert_int_equal(numbers.refused, 20);
    assert_int_equal(numbers.written, 20);
    assert_released(owned, 40);
    assert_int_equal(read_back(&gate, FLS_CHECKSUM_NONE, seen, 1, 40), 20);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(seen[i], i % 4 == 0 || i % 4 == 3);
    gate_free(&gate);
}

static void no_memory_for_a_copy(void **state)
{
    (void)state;
    struct fls_async_options options = {.queue_bytes = QUEUE_LEAST};
    static uint8_t large[HALF];
    struct gate gate;

    gate_make(&gate);
    struct fls_async *async = open_async(&gate, &options);
    refuse_memory = 1;
    enum fls_status status = fls_async_write(async, large, sizeof large);
    refuse_memory = 0;
    assert_int_equal(status, FLS_NO_MEMORY);
    assert_ok(fls_async_write(async, large, sizeof large));
    assert_int_equal(close_async(async).accepted, 1);
    gate_free(&gate);
}

/* --- when bytes are needed no more -------------------------------------------------------------
 */

/* While the sink has not taken them, they are needed. */
static void release_after_writing(void **state)
{
    (void)state;
    static const size_t sizes[] = {10, 4096, 4097, 100000};
    struct owned owned[4];
    struct gate gate;
    struct fls_async *async = open_shut(&gate, NULL);

    for (uint32_t i = 0; i < 4; i++) {
        make_owned(&owned[i], sizes[i], 0, i + 1);
        assert_ok(write_owned(async, &owned[i]));
    }
    pause_us(5000);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(atomic_load(&owned[i].releases), 0);
    gate_set(&gate, 0);
    assert_ok(fls_async_flush(async, FLS_LEVEL_PROCESS, -1));
    assert_released(owned, 4);
    close_async(async);
    assert_int_equal(read_back(&gate, FLS_CHECKSUM_NONE, NULL, 1, 5), 5);
    gate_free(&gate);
}

/* --- wake-ups and system calls -----------------------------------------------------------------
 */

/* Bursts of every length and pauses of every length, around what the drain thread waits: each burst
 * must arrive by itself. The watchdog ends a test that hangs. */
static void no_wake_up_is_lost(void **state)
{
    (void)state;
    static const uint32_t lingers[] = {1, 30, 100};
    unsigned random = 9;
    uint8_t message[64] = {0};

    for (size_t l = 0; l < 3; l++) {
        struct fls_async_options options = {.linger_us = lingers[l], .queue_bytes = QUEUE_LEAST};
        struct gate gate;
        uint64_t sent = 0;
        gate_make(&gate);
        struct fls_async *async = open_async(&gate, &options);
        for (int burst = 0; burst < 3000; burst++) {
            for (unsigned i = random_below(&random, 20) + 1; i > 0; i--, sent++)
                assert_ok(fls_async_write(async, message, sizeof message));
            if (burst % 3 == 0)
                assert_ok(fls_async_flush(async, FLS_LEVEL_PROCESS, -1));
            else if (burst % 3 == 1)
                pause_us((long)random_below(&random, 2 * lingers[l] + 20));
            else
                while (fls_async_statistics(async).written < sent)
                    sched_yield();
        }
        assert_int_equal(close_async(async).written, sent);
        gate_free(&gate);
    }
}

/* While the drain thread is at work a producer makes no call, whatever the policy. */
static void no_call_beside_work(void **state)
{
    (void)state;
    for (int policy = FLS_ASYNC_DROP_NEWEST; policy <= FLS_ASYNC_DROP_OLDEST; policy++) {
        struct fls_async_options options = {.when_full = (enum fls_async_policy)policy,
                                            .queue_bytes = QUEUE_LEAST};
        uint8_t message[64] = {0};
        struct gate gate;
        struct fls_async *async = open_shut(&gate, &options);
        uint64_t before = futex_calls, yields_before = yields;
        for (int i = 0; i < 100000; i++) {
            enum fls_status status = fls_async_write(async, message, sizeof message);
            assert_true(status == FLS_OK || status == FLS_LIMIT);
        }
        assert_int_equal(futex_calls, before);
        assert_int_equal(yields, yields_before);
        gate_set(&gate, 0);
        close_async(async);
        gate_free(&gate);
    }
}

/* Each call that producers make is a wake-up or a wait, and is counted as such. */
static void calls_are_counted(void **state)
{
    (void)state;
    for (int policy = FLS_ASYNC_BLOCK; policy <= FLS_ASYNC_DROP_OLDEST; policy++) {
        struct fls_async_options options = {
            .when_full = (enum fls_async_policy)policy, .queue_bytes = QUEUE_LEAST, .linger_us = 5};
        struct producer producers[3];
        struct gate gate;
        uint64_t calls = 0;
        gate_make(&gate);
        struct fls_async *async = open_async(&gate, &options);
        run_producers(async, producers, 3, 3000);
        struct fls_async_counts numbers = fls_async_statistics(async);
        for (int i = 0; i < 3; i++)
            calls += producers[i].calls;
        assert_int_equal(calls, numbers.wakeups + numbers.waits);
        close_async(async);
        free_producers(producers, 3);
        gate_free(&gate);
    }
}

/* The program's signals are not delivered on the drain thread. */
static void takes_no_signals(void **state)
{
    (void)state;
    sigset_t mask, before, pending;
    struct timespec at_once = {0, 0};
    struct gate gate;

    gate_make(&gate);
    struct fls_async *async = open_async(&gate, NULL);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    kill(getpid(), SIGUSR1);
    pause_us(20000);
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGUSR1));
    assert_int_equal(sigtimedwait(&mask, NULL, &at_once), SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close_async(async);
    gate_free(&gate);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_producer),          cmocka_unit_test(nothing_written),
        cmocka_unit_test(refused_openings),      cmocka_unit_test(drops_by_messages),
        cmocka_unit_test(bounds_by_bytes),       cmocka_unit_test(takes_any_list),
        cmocka_unit_test(full_ends_a_nap),       cmocka_unit_test(many_producers),
        cmocka_unit_test(flush_levels),          cmocka_unit_test(flush_by_asking),
        cmocka_unit_test(flush_without_machine), cmocka_unit_test(close_with_deadline),
        cmocka_unit_test(fails_at_every_call),   cmocka_unit_test(failure_ends_waiting),
        cmocka_unit_test(tap_ends_the_writing),  cmocka_unit_test(refused_messages),
        cmocka_unit_test(no_memory_for_a_copy),  cmocka_unit_test(release_after_writing),
        cmocka_unit_test(no_wake_up_is_lost),    cmocka_unit_test(no_call_beside_work),
        cmocka_unit_test(calls_are_counted),     cmocka_unit_test(takes_no_signals),
        cmocka_unit_test(restless_producers),    cmocka_unit_test(copies_stop_nobody),
        cmocka_unit_test(memory_is_there),       cmocka_unit_test(flush_machine_once),
    };

    alarm(WATCHDOG_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
