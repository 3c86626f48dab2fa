/*
 * async.c: many producers, one drain thread.
 *
 * The queue has two halves. Producers append to one under a lock that is held for the copy of one
 * small message; the drain thread empties the other without the lock, and swaps them when it is
 * done. So a batch is what has gathered while the one before was being written, and dropping the
 * oldest never touches what is being written.
 *
 * No wake-up is lost: whether the drain thread rests is known under the lock, and it rests on a
 * counter that whoever wakes it has moved under the lock. The halves are taken in turn and emptied
 * in order, so messages of one producer keep theirs.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <flatstream/async.h>

#include "base/error.h"
#include "stream/queue.h"

#define QUEUE_BYTES_MIN ((size_t)64 * 1024)
#define SPINS_BEFORE_YIELD 128
#define NS_PER_S 1000000000L
#define NS_PER_MS 1000000L
#define AGAIN_PAUSE_NS (1 * NS_PER_MS)

enum rest { AWAKE, NAPPING, SLEEPING };

struct fls_async {
    /* Under the lock. */
    atomic_int lock;
    enum rest rest;
    struct fls_queue *filling;
    size_t messages_max;
    size_t wake_at_bytes; /* a napping drain thread is woken at this fill */
    enum fls_async_policy when_full;
    enum fls_status failed;
    int closing;
    int ended; /* the drain thread */
    int waiting_for_room;
    int waiting_for_progress;
    int machine_wanted;
    int no_machine; /* the sink has no machine level */
    struct fls_async_counts statistics;
    uint64_t settled; /* accepted messages that are written, dropped, refused or lost */
    uint64_t settled_on_machine;
    struct fls_error error;

    /* Futexes: moved under the lock, waited on without it. */
    atomic_uint work;
    atomic_uint room;
    atomic_uint progress;

    /* The drain thread's own. */
    struct fls_queue halves[2];
    struct fls_writer *writer;
    struct fls_sink *sink;
    int owns_sink;
    uint64_t start_frame;
    long linger_ns;
    pthread_t thread;
};

/* --- lock and futexes --------------------------------------------------------------------------
 */

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Held for tens of nanoseconds; a holder that was interrupted is waited for by yielding. */
static inline void lock(struct fls_async *async)
{
    unsigned spins = 0;

    while (FLS_UNLIKELY(atomic_exchange_explicit(&async->lock, 1, memory_order_acquire) != 0)) {
        while (atomic_load_explicit(&async->lock, memory_order_relaxed) != 0) {
            if (++spins % SPINS_BEFORE_YIELD == 0)
                sched_yield();
            else
                pause_briefly();
        }
    }
}

static inline void unlock(struct fls_async *async)
{
    atomic_store_explicit(&async->lock, 0, memory_order_release);
}

static void futex_wake(atomic_uint *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* Waits until *word is no longer `seen`, for at most `ns` nanoseconds (negative: for ever). */
static void futex_wait(atomic_uint *word, unsigned seen, int64_t ns)
{
    struct timespec time = {ns / NS_PER_S, ns % NS_PER_S};

    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, ns < 0 ? NULL : &time, NULL, 0);
}

static void sleep_ns(long ns)
{
    struct timespec time = {0, ns};

    nanosleep(&time, NULL);
}

static unsigned peek_word(atomic_uint *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void move_word(atomic_uint *word)
{
    atomic_fetch_add_explicit(word, 1, memory_order_relaxed);
}

/* --- producers ---------------------------------------------------------------------------------
 */

/* Under the lock: is there so much that a nap should end? */
static int is_filling_up(const struct fls_async *async)
{
    const struct fls_queue *filling = async->filling;

    return fls_queue_bytes(filling) >= async->wake_at_bytes ||
           filling->referenced_bytes >= async->wake_at_bytes ||
           filling->messages > async->messages_max / 2;
}

/* Under the lock: must the drain thread be woken for what is there now? Counts it if so. */
static inline int must_wake(struct fls_async *async)
{
    if (FLS_LIKELY(async->rest == AWAKE))
        return 0;
    if (async->rest == NAPPING && !async->closing && !async->waiting_for_progress &&
        !is_filling_up(async))
        return 0;
    async->rest = AWAKE;
    async->statistics.wakeups++;
    move_word(&async->work);
    return 1;
}

static void unlock_and_wake(struct fls_async *async)
{
    int wake = must_wake(async);

    unlock(async);
    if (FLS_UNLIKELY(wake))
        futex_wake(&async->work, 1);
}

static struct fls_release release_of(struct fls_queue_record *record)
{
    if (record->kind != FLS_QUEUE_REFERENCE)
        return (struct fls_release){NULL, NULL};
    return ((struct fls_queue_reference *)(record + 1))->release;
}

static void release_now(struct fls_release release)
{
    if (release.function)
        release.function(release.context);
}

/* Drops the oldest message of the half being filled. The release is called without the lock. */
static int drop_oldest(struct fls_async *async)
{
    struct fls_queue_record *record = fls_queue_front(async->filling);

    if (!record)
        return 0;
    struct fls_release release = release_of(record);
    fls_queue_pop(async->filling);
    async->statistics.dropped_oldest++;
    if (release.function) {
        unlock(async);
        release_now(release);
        lock(async);
    }
    return 1;
}

static void wait_for_room(struct fls_async *async)
{
    unsigned seen = peek_word(&async->room);

    async->waiting_for_room++;
    async->statistics.waits++;
    unlock_and_wake(async);
    futex_wait(&async->room, seen, -1);
    lock(async);
    async->waiting_for_room--;
}

/* A reference to a payload is small; the payload counts, up to the size of the half, so that what
 * waits is bounded in any case. One is always let in. */
static int takes_reference(const struct fls_async *async, size_t referenced)
{
    const struct fls_queue *filling = async->filling;

    return filling->messages == 0 || (filling->referenced_bytes <= filling->capacity &&
                                      referenced <= filling->capacity - filling->referenced_bytes);
}

/* Under the lock: where a record of `bytes` goes that refers to `referenced` bytes, once the policy
 * has made room. NULL: dropped, or failed. */
static inline void *make_room(struct fls_async *async, size_t bytes, size_t referenced)
{
    for (;;) {
        void *room = NULL;
        if (FLS_UNLIKELY(async->failed != FLS_OK))
            return NULL;
        if (FLS_LIKELY(async->filling->messages < async->messages_max &&
                       (referenced == 0 || takes_reference(async, referenced))))
            room = fls_queue_room(async->filling, bytes);
        if (FLS_LIKELY(room != NULL))
            return room;
        async->wake_at_bytes = 0; /* a nap ends here, whatever the policy */
        if (async->when_full == FLS_ASYNC_BLOCK)
            wait_for_room(async);
        else if (async->when_full == FLS_ASYNC_DROP_NEWEST || !drop_oldest(async))
            return NULL;
    }
}

/* Under the lock, which is released: the message found no room. */
static enum fls_status turn_away(struct fls_async *async)
{
    enum fls_status status = async->failed;

    if (status == FLS_OK) {
        async->statistics.dropped_newest++;
        status = FLS_LIMIT;
    }
    unlock_and_wake(async);
    return status;
}

/* Under the lock, which is released: the record is filled. */
static inline void hand_over(struct fls_async *async, size_t bytes)
{
    fls_queue_push(async->filling, bytes);
    async->statistics.accepted++;
    unlock_and_wake(async);
}

static enum fls_status write_reference(struct fls_async *async, const struct fls_payload *payload,
                                       struct fls_release release)
{
    size_t body = fls_queue_reference_body(payload->count);
    size_t bytes = fls_queue_record_bytes(body);

    lock(async);
    struct fls_queue_record *record = make_room(async, bytes, payload->length);
    if (!record)
        return turn_away(async);
    struct fls_queue_reference *reference = (void *)(record + 1);
    *record = (struct fls_queue_record){(uint32_t)bytes, FLS_QUEUE_REFERENCE, payload->length};
    *reference = (struct fls_queue_reference){release, payload->count};
    if (payload->count > 0)
        memcpy(reference + 1, payload->segments, payload->count * sizeof *payload->segments);
    async->filling->referenced_bytes += payload->length;
    hand_over(async, bytes);
    return FLS_OK;
}

/* Too large for the ring: a copy of its own, handed over by reference. */
static enum fls_status write_large_copy(struct fls_async *async, const void *data, size_t bytes)
{
    void *copy = malloc(bytes);

    if (!copy)
        return FLS_NO_MEMORY;
    memcpy(copy, data, bytes);
    struct iovec segment = {copy, bytes};
    struct fls_payload payload = {&segment, 1, bytes};
    enum fls_status status = write_reference(async, &payload, (struct fls_release){free, copy});
    if (status != FLS_OK)
        free(copy);
    return status;
}

FLS_HOT enum fls_status fls_async_write(struct fls_async *async, const void *data, size_t bytes)
{
    if (FLS_UNLIKELY(bytes > async->halves[0].capacity / 2))
        return write_large_copy(async, data, bytes);
    size_t record_bytes = fls_queue_record_bytes(bytes);

    lock(async);
    struct fls_queue_record *record = make_room(async, record_bytes, 0);
    if (FLS_UNLIKELY(!record))
        return turn_away(async);
    *record = (struct fls_queue_record){(uint32_t)record_bytes, FLS_QUEUE_COPY, bytes};
    if (bytes > 0)
        memcpy(record + 1, data, bytes);
    hand_over(async, record_bytes);
    return FLS_OK;
}

enum fls_status fls_async_write_owned(struct fls_async *async, const struct fls_payload *payload,
                                      fls_release_function *release, void *context)
{
    struct fls_payload summed = fls_payload_from_segments(payload->segments, payload->count);
    struct fls_release owed = {release, context};
    enum fls_status status = FLS_INVALID_ARGUMENT;
    size_t segments_max = async->halves[0].capacity / 2 / sizeof(struct iovec);

    if (summed.length == payload->length && payload->count <= segments_max)
        status = write_reference(async, payload, owed);
    if (status != FLS_OK)
        release_now(owed);
    return status;
}

/* --- the drain thread --------------------------------------------------------------------------
 */

/* Writes to the end even where the sink would block. */
static enum fls_status write_record(struct fls_async *async, struct fls_queue_record *record)
{
    struct fls_queue_reference *reference = (void *)(record + 1);
    struct iovec segment = {record + 1, (size_t)record->payload_bytes};
    struct fls_payload payload = {&segment, 1, segment.iov_len};
    enum fls_status status;

    if (record->kind == FLS_QUEUE_REFERENCE) {
        payload.segments = (struct iovec *)(reference + 1);
        payload.count = (size_t)reference->count;
    }
    while (
        (status = record->kind == FLS_QUEUE_COPY
                      ? fls_writer_write(async->writer, record + 1, segment.iov_len)
                      : fls_writer_write_owned(async->writer, &payload, reference->release.function,
                                               reference->release.context)) == FLS_AGAIN)
        sleep_ns(AGAIN_PAUSE_NS);
    return status;
}

/* Whether the writer refused this message and is ready for the next one. */
static int is_refusal(struct fls_async *async, enum fls_status status)
{
    int refused = status == FLS_INVALID_FRAME || status == FLS_VALIDATION_FAILED ||
                  status == FLS_INVALID_FLATBUFFER || status == FLS_NO_MEMORY;

    return refused && fls_writer_flush(async->writer, FLS_LEVEL_OBJECT) == FLS_OK;
}

static enum fls_status flush_writer(struct fls_async *async, enum fls_level level)
{
    enum fls_status status;

    while ((status = fls_writer_flush(async->writer, level)) == FLS_AGAIN)
        sleep_ns(AGAIN_PAUSE_NS);
    return status;
}

/* Empties one half into the writer. */
static enum fls_status write_half(struct fls_async *async, struct fls_queue *half,
                                  uint64_t *refused)
{
    struct fls_queue_record *record;

    while ((record = fls_queue_front(half)) != NULL) {
        enum fls_status status = write_record(async, record);
        if (is_refusal(async, status))
            ++*refused;
        else if (status != FLS_OK)
            return status;
        fls_queue_pop(half);
    }
    return FLS_OK;
}

/* What is left of a half is lost. The first record's release was called when `first_released`. */
static void lose_half(struct fls_queue *half, int first_released)
{
    struct fls_queue_record *record;

    while ((record = fls_queue_front(half)) != NULL) {
        if (!first_released)
            release_now(release_of(record));
        first_released = 0;
        fls_queue_pop(half);
    }
}

/* Under the lock: something is to be done. */
static int has_work(const struct fls_async *async)
{
    return async->filling->messages > 0 || async->closing || async->machine_wanted;
}

/* Rests until there is work: first a nap that a producer need not end, then a sleep. */
static void rest(struct fls_async *async)
{
    enum rest next = NAPPING;

    while (!has_work(async)) {
        unsigned seen = peek_word(&async->work);
        async->rest = next;
        async->wake_at_bytes = async->filling->capacity / 2;
        unlock(async);
        futex_wait(&async->work, seen, next == NAPPING ? async->linger_ns : -1);
        lock(async);
        async->rest = AWAKE;
        next = SLEEPING;
    }
}

/* Under the lock: swaps the halves, and lets in those who wait for room. */
static struct fls_queue *take_half(struct fls_async *async)
{
    struct fls_queue *taken = async->filling;

    async->filling = taken == &async->halves[0] ? &async->halves[1] : &async->halves[0];
    if (async->waiting_for_room > 0) {
        move_word(&async->room);
        futex_wake(&async->room, INT_MAX);
    }
    return taken;
}

/* What came of one round. */
struct round {
    uint64_t end; /* messages accepted when it began */
    uint64_t refused;
    uint64_t written; /* by the writer, since its start */
    int on_machine;   /* it went to the machine level, or was to */
    int no_machine;   /* but there is none */
    enum fls_status status;
    struct fls_error error;
};

/* Empties the half, then carries it to its level. After a failure that is not the sink's (a tap's
 * own status) what was taken before is still sent. */
static void write_round(struct fls_async *async, struct fls_queue *half, struct round *round)
{
    enum fls_level level = round->on_machine ? FLS_LEVEL_MACHINE : FLS_LEVEL_PROCESS;

    round->status = write_half(async, half, &round->refused);
    int in_record = round->status != FLS_OK;
    if (in_record)
        round->error = *fls_writer_error(async->writer);
    enum fls_status flushed = flush_writer(async, in_record ? FLS_LEVEL_PROCESS : level);
    round->no_machine = flushed == FLS_UNSUPPORTED;
    if (flushed == FLS_UNSUPPORTED)
        flushed = FLS_OK;
    fls_writer_position(async->writer, NULL, &round->written);
    if (flushed != FLS_OK && fls_writer_error(async->writer)->has_frame)
        round->written = fls_writer_error(async->writer)->frame;
    round->written -= async->start_frame;
    if (!in_record && flushed != FLS_OK) {
        round->status = flushed;
        round->error = *fls_writer_error(async->writer);
    }
    if (round->status != FLS_OK)
        lose_half(half, in_record);
}

/* Under the lock: a round is over; tells those who wait for it. */
static void settle(struct fls_async *async, const struct round *round)
{
    async->statistics.written = round->written;
    async->statistics.refused += round->refused;
    async->statistics.bytes = fls_writer_statistics(async->writer).bytes;
    async->settled = round->end;
    if (round->on_machine)
        async->settled_on_machine = round->end;
    async->no_machine |= round->on_machine && round->no_machine;
    if (round->status != FLS_OK) {
        async->failed = round->status;
        async->error = round->error;
        if (async->waiting_for_room > 0) {
            move_word(&async->room);
            futex_wake(&async->room, INT_MAX);
        }
    }
    if (async->waiting_for_progress > 0) {
        move_word(&async->progress);
        futex_wake(&async->progress, INT_MAX);
    }
}

/* One round: takes what has gathered, writes it, and says so. Enters and leaves with the lock. */
static enum fls_status drain_round(struct fls_async *async)
{
    struct round round = {.on_machine = async->machine_wanted};
    struct fls_queue *half = take_half(async);

    round.end = async->statistics.accepted;
    async->machine_wanted = 0;
    unlock(async);
    write_round(async, half, &round);
    lock(async);
    settle(async, &round);
    return round.status;
}

/* Under the lock: after a failure nothing more is taken; what came meanwhile is lost. Producers are
 * turned away by now, so the half is ours without the lock. */
static void lose_the_rest(struct fls_async *async)
{
    struct fls_async_counts *numbers = &async->statistics;

    unlock(async);
    lose_half(async->filling, 0);
    lock(async);
    numbers->lost =
        numbers->accepted - numbers->written - numbers->dropped_oldest - numbers->refused;
    async->settled = numbers->accepted;
}

static void *drain(void *context)
{
    struct fls_async *async = context;
    enum fls_status status = FLS_OK;

    lock(async);
    while (status == FLS_OK) {
        rest(async);
        if (async->closing && async->filling->messages == 0 && !async->machine_wanted)
            break;
        status = drain_round(async);
    }
    if (status != FLS_OK)
        lose_the_rest(async);
    async->ended = 1;
    move_word(&async->progress);
    unlock(async);
    futex_wake(&async->progress, INT_MAX);
    return NULL;
}

/* --- opening, flushing, closing ----------------------------------------------------------------
 */

static void free_async(struct fls_async *async)
{
    fls_queue_free(&async->halves[0]);
    fls_queue_free(&async->halves[1]);
    free(async);
}

static enum fls_status open_queue(struct fls_async *async, const struct fls_async_options *options,
                                  struct fls_error *error)
{
    size_t bytes = options->queue_bytes > 0 ? options->queue_bytes : FLS_ASYNC_QUEUE_BYTES_DEFAULT;
    size_t half = fls_min_size(fls_max_size(bytes, QUEUE_BYTES_MIN) / 2, UINT32_MAX / 2);

    for (int i = 0; i < 2; i++)
        if (fls_queue_open(&async->halves[i], half) != FLS_OK)
            return fls_error_no_memory(error, half);
    async->filling = &async->halves[0];
    async->messages_max = options->queue_messages > 0 ? options->queue_messages : SIZE_MAX;
    async->when_full = options->when_full;
    async->linger_ns =
        (long)(options->linger_us > 0 ? options->linger_us : FLS_ASYNC_LINGER_US_DEFAULT) * 1000;
    return FLS_OK;
}

static enum fls_status open_writer(struct fls_async *async, struct fls_sink *sink,
                                   const struct fls_async_options *options, struct fls_error *error)
{
    struct fls_writer_options settings = FLS_ZERO;

    if (options->writer)
        settings = *options->writer;
    async->sink = sink;
    async->owns_sink = settings.owns_sink;
    async->start_frame = settings.start_frame;
    settings.owns_sink = 0;
    settings.framer = FLS_FRAMER_BATCHED;
    settings.keep_references =
        1; /* each round ends with a flush, before its half is filled again */
    return fls_writer_open(sink, &settings, &async->writer, error);
}

/* The program's signals are for the program's threads. 0, or an errno. */
static int start_thread(struct fls_async *async)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&async->thread, NULL, drain, async);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

enum fls_status fls_async_open(struct fls_sink *sink, const struct fls_async_options *options,
                               struct fls_async **async, struct fls_error *error)
{
    static const struct fls_async_options defaults = FLS_ZERO;
    struct fls_async *opened = calloc(1, sizeof *opened);

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    if (!options)
        options = &defaults;
    enum fls_status status = FLS_OK;
    if ((unsigned)options->when_full > FLS_ASYNC_DROP_OLDEST)
        status = fls_error_set(error, FLS_INVALID_ARGUMENT, "unknown policy %d",
                               (int)options->when_full);
    if (status == FLS_OK)
        status = open_queue(opened, options, error);
    if (status == FLS_OK)
        status = open_writer(opened, sink, options, error);
    if (status == FLS_OK) {
        int failure = start_thread(opened);
        if (failure == 0) {
            *async = opened;
            return FLS_OK;
        }
        status = fls_error_system(error, "pthread_create", failure);
    }
    fls_writer_abandon(opened->writer);
    free_async(opened);
    return status;
}

static int64_t now_ns(void)
{
    return (int64_t)fls_clock_now_ns(NULL);
}

/* Under the lock: waits for the next settling until `deadline` (negative: for ever). Whether there
 * was time left. The drain thread is woken in any case, so that one who only asks gets on too. */
static int wait_for_progress(struct fls_async *async, int64_t deadline)
{
    unsigned seen = peek_word(&async->progress);
    int64_t left = deadline < 0 ? -1 : deadline - now_ns();

    async->waiting_for_progress++;
    unlock_and_wake(async);
    if (deadline < 0 || left > 0)
        futex_wait(&async->progress, seen, left);
    lock(async);
    async->waiting_for_progress--;
    return deadline < 0 || left > 0;
}

static int64_t deadline_of(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : now_ns() + (int64_t)timeout_ms * NS_PER_MS;
}

enum fls_status fls_async_flush(struct fls_async *async, enum fls_level level, int timeout_ms)
{
    int64_t deadline = deadline_of(timeout_ms);
    uint64_t *settled = level == FLS_LEVEL_MACHINE ? &async->settled_on_machine : &async->settled;
    int in_time = 1;

    lock(async);
    uint64_t wanted = async->statistics.accepted;
    while (level != FLS_LEVEL_OBJECT && async->failed == FLS_OK && *settled < wanted && in_time) {
        if (level == FLS_LEVEL_MACHINE)
            async->machine_wanted = 1;
        in_time = wait_for_progress(async, deadline);
    }
    enum fls_status status = async->failed;
    if (status == FLS_OK && level != FLS_LEVEL_OBJECT && *settled < wanted)
        status = FLS_AGAIN;
    else if (status == FLS_OK && level == FLS_LEVEL_MACHINE && async->no_machine)
        status = FLS_UNSUPPORTED;
    unlock(async);
    return status;
}

void fls_async_error(struct fls_async *async, struct fls_error *error)
{
    lock(async);
    *error = async->error;
    unlock(async);
}

struct fls_async_counts fls_async_statistics(struct fls_async *async)
{
    lock(async);
    struct fls_async_counts statistics = async->statistics;
    unlock(async);
    return statistics;
}

/* Whether the drain thread came to its end in time. */
static int wait_for_end(struct fls_async *async, int timeout_ms)
{
    int64_t deadline = deadline_of(timeout_ms);
    int in_time = 1;

    lock(async);
    async->closing = 1;
    while (in_time && !async->ended)
        in_time = wait_for_progress(async, deadline);
    int ended = async->ended;
    unlock(async);
    return ended;
}

enum fls_status fls_async_close(struct fls_async *async, int timeout_ms,
                                struct fls_async_counts *statistics, struct fls_error *error)
{
    if (!async)
        return FLS_OK;
    if (!wait_for_end(async, timeout_ms))
        return FLS_AGAIN;
    pthread_join(async->thread, NULL);
    if (statistics)
        *statistics = async->statistics;
    enum fls_status status = async->failed;
    if (status != FLS_OK)
        fls_error_copy(error, &async->error);
    fls_writer_abandon(async->writer);
    enum fls_status closed =
        fls_sink_close(async->owns_sink ? async->sink : NULL, status == FLS_OK ? error : NULL);
    free_async(async);
    return status == FLS_OK ? closed : status;
}
