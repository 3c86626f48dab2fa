/*
 * async.c: many producers, one drain thread.
 *
 * The queue has two halves. A producer takes a record into the one that is being filled, under a
 * lock that is held for that alone, some ten instructions, and fills it when it has let the lock
 * go: a record is pending until then, and copies of any size stand in nobody's way. The drain
 * thread empties the other half without the lock, and swaps them when it is done. So a batch is
 * what has gathered while the one before was being written, and dropping the oldest never touches
 * what is being written. Who meets a pending record where it needs a whole one waits for that one
 * copy.
 *
 * The lock is a spinlock, and those are unfair: producers that never pause could keep the drain
 * thread from its swap for as long as they like. So it asks to be first, and producers that come
 * later give way; it waits for those alone that had come already. They give way but for a time,
 * and once, so that a drain thread that was interrupted there does not stop them.
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
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <flatstream/async.h>

#include "base/arguments.h"
#include "base/error.h"
#include "base/os.h"
#include "stream/queue.h"

#define QUEUE_BYTES_MIN ((size_t)64 * 1024)
#define SPINS_BEFORE_YIELD 128
#define CACHE_LINE 64
#define NS_PER_S 1000000000L
#define NS_PER_MS 1000000L
#define AGAIN_PAUSE_NS (1 * NS_PER_MS)

enum rest { AWAKE, NAPPING, SLEEPING };

struct fls_async {
    /* One cache line: all that changes with each message. Under the lock but for the first two. */
    alignas(CACHE_LINE) atomic_int lock;
    atomic_int drain_is_first; /* the drain thread waits for the lock */
    enum rest rest;
    enum fls_status failed;
    struct fls_queue filling;
    uint64_t accepted;

    /* Under the lock; seldom changed. */
    alignas(CACHE_LINE) size_t wake_at_bytes; /* a napping drain thread is woken at this fill */
    size_t messages_max;
    size_t copy_bytes_max; /* larger payloads are not copied into the ring */
    size_t segments_max;
    enum fls_async_policy when_full;
    int closing;
    int ended; /* the drain thread */
    int waiting_for_room;
    int waiting_for_progress;
    int machine_wanted;
    int no_machine;                     /* the sink has no machine level */
    struct fls_async_counts statistics; /* but what was accepted */
    uint64_t settled; /* accepted messages that are written, dropped, refused or lost */
    uint64_t settled_on_machine;
    uint64_t bound_for_machine; /* will be, by the round under way or one that was */
    struct fls_error error;
    struct fls_error refusal; /* the first */

    /* Futexes: moved under the lock, waited on and woken without it. */
    atomic_uint work;
    atomic_uint room;
    atomic_uint progress;

    /* The drain thread's own. */
    alignas(CACHE_LINE) struct fls_queue emptying;
    int tell_room; /* these are to be woken when the lock is let go */
    int tell_progress;
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

/* Counts a turn of waiting in *spins. Whoever is waited for is at work for some nanoseconds; or it
 * was interrupted, and gets on when this thread lets others run. */
static void wait_a_turn(unsigned *spins)
{
    if (++*spins % SPINS_BEFORE_YIELD == 0)
        sched_yield();
    else
        pause_briefly();
}

static inline void take_lock(struct fls_async *async)
{
    unsigned spins = 0;

    while (FLS_UNLIKELY(atomic_exchange_explicit(&async->lock, 1, memory_order_acquire) != 0))
        while (atomic_load_explicit(&async->lock, memory_order_relaxed) != 0)
            wait_a_turn(&spins);
}

static void give_way(struct fls_async *async)
{
    unsigned spins = 0;

    while (spins < SPINS_BEFORE_YIELD &&
           atomic_load_explicit(&async->drain_is_first, memory_order_relaxed) != 0)
        wait_a_turn(&spins);
}

/* Everyone's way to the lock but the drain thread's. */
static inline void lock(struct fls_async *async)
{
    if (FLS_UNLIKELY(atomic_load_explicit(&async->drain_is_first, memory_order_relaxed) != 0))
        give_way(async);
    take_lock(async);
}

/* The drain thread's. */
static void lock_first(struct fls_async *async)
{
    atomic_store_explicit(&async->drain_is_first, 1, memory_order_relaxed);
    take_lock(async);
    atomic_store_explicit(&async->drain_is_first, 0, memory_order_relaxed);
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
    const struct fls_queue *filling = &async->filling;

    return filling->used >= async->wake_at_bytes ||
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

/* Of a record that is whole. */
static struct fls_release release_of(const struct fls_queue_record *record)
{
    if (fls_queue_kind_of(record) != FLS_QUEUE_REFERENCE)
        return (struct fls_release){NULL, NULL};
    return ((const struct fls_queue_reference *)(record + 1))->release;
}

static void release_now(struct fls_release release)
{
    if (release.function)
        release.function(release.context);
}

static void await_record(const struct fls_queue_record *record)
{
    unsigned spins = 0;

    while (fls_queue_kind_of(record) == FLS_QUEUE_PENDING)
        wait_a_turn(&spins);
}

/* Drops the oldest message of the half being filled; one that is pending is waited for, and may
 * have been taken up meanwhile. The release is called without the lock. 0: there is none. */
static int drop_oldest(struct fls_async *async, unsigned *spins)
{
    struct fls_queue_record *record = fls_queue_front(&async->filling);

    if (!record)
        return 0;
    if (FLS_UNLIKELY(fls_queue_kind_of(record) == FLS_QUEUE_PENDING)) {
        unlock(async);
        wait_a_turn(spins);
        lock(async);
        return 1;
    }
    struct fls_release release = release_of(record);
    fls_queue_pop(&async->filling);
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
static inline int takes_reference(const struct fls_queue *filling, size_t referenced)
{
    return filling->messages == 0 || (filling->referenced_bytes <= filling->capacity &&
                                      referenced <= filling->capacity - filling->referenced_bytes);
}

/* Under the lock: where a record of `bytes` goes, of whose payload `referenced` bytes are
 * elsewhere. NULL: no room. */
static inline struct fls_queue_record *find_room(struct fls_async *async, size_t bytes,
                                                 size_t referenced)
{
    struct fls_queue *filling = &async->filling;

    if (FLS_LIKELY(filling->messages < async->messages_max &&
                   (referenced == 0 || takes_reference(filling, referenced))))
        return fls_queue_room(filling, bytes);
    return NULL;
}

/* Under the lock: the same, when there was no room, once the policy has made some. NULL: dropped,
 * or failed. */
static struct fls_queue_record *make_room(struct fls_async *async, size_t bytes, size_t referenced)
{
    struct fls_queue_record *record = NULL;
    unsigned spins = 0;

    while (async->failed == FLS_OK && !(record = find_room(async, bytes, referenced))) {
        async->wake_at_bytes = 0; /* a nap ends here, whatever the policy */
        if (async->when_full == FLS_ASYNC_BLOCK)
            wait_for_room(async);
        else if (async->when_full == FLS_ASYNC_DROP_NEWEST || !drop_oldest(async, &spins))
            return NULL;
    }
    return record;
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

/* A place in the queue that is to be filled. */
struct place {
    struct fls_queue_record *record;
    int wake; /* the drain thread, then */
};

/* Takes a record of `record_bytes` into the queue, for a payload of which `referenced` bytes are
 * elsewhere. FLS_OK: fill *place and hand it over. */
static inline enum fls_status take_place(struct fls_async *async, size_t record_bytes,
                                         size_t payload_bytes, size_t referenced,
                                         struct place *place)
{
    lock(async);
    struct fls_queue_record *record = NULL;
    if (FLS_LIKELY(async->failed == FLS_OK))
        record = find_room(async, record_bytes, referenced);
    if (FLS_UNLIKELY(!record)) {
        record = make_room(async, record_bytes, referenced);
        if (!record)
            return turn_away(async);
    }
    fls_queue_push(&async->filling, record, record_bytes, payload_bytes, referenced);
    async->accepted++;
    *place = (struct place){record, must_wake(async)};
    unlock(async);
    return FLS_OK;
}

static inline void hand_over(struct fls_async *async, const struct place *place,
                             enum fls_queue_kind kind)
{
    fls_queue_fulfil(place->record, kind);
    if (FLS_UNLIKELY(place->wake))
        futex_wake(&async->work, 1);
}

static inline enum fls_status write_reference(struct fls_async *async,
                                              const struct fls_payload *payload,
                                              struct fls_release release)
{
    size_t bytes = fls_queue_record_bytes(fls_queue_reference_body(payload->count));
    struct place place;
    enum fls_status status = take_place(async, bytes, payload->length, payload->length, &place);

    if (FLS_UNLIKELY(status != FLS_OK))
        return status;
    struct fls_queue_reference *reference = (void *)(place.record + 1);
    *reference = (struct fls_queue_reference){release, payload->count};
    fls_copy((uint8_t *)(reference + 1), (const uint8_t *)payload->segments,
             payload->count * sizeof *payload->segments);
    hand_over(async, &place, FLS_QUEUE_REFERENCE);
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
    struct place place;

    if (FLS_UNLIKELY(!data && bytes > 0))
        return FLS_INVALID_ARGUMENT;
    if (FLS_UNLIKELY(bytes > async->copy_bytes_max))
        return write_large_copy(async, data, bytes);
    enum fls_status status = take_place(async, fls_queue_record_bytes(bytes), bytes, 0, &place);
    if (FLS_UNLIKELY(status != FLS_OK))
        return status;
    fls_copy((uint8_t *)(place.record + 1), data, bytes);
    hand_over(async, &place, FLS_QUEUE_COPY);
    return FLS_OK;
}

FLS_HOT enum fls_status fls_async_write_owned(struct fls_async *async,
                                              const struct fls_payload *payload,
                                              fls_release_function *release, void *context)
{
    struct fls_release owed = {release, context};
    enum fls_status status = FLS_INVALID_ARGUMENT;

    if (FLS_LIKELY(payload->count <= async->segments_max && fls_payload_is_sound(payload)))
        status = write_reference(async, payload, owed);
    if (FLS_UNLIKELY(status != FLS_OK))
        release_now(owed);
    return status;
}

/* --- the drain thread --------------------------------------------------------------------------
 */

static enum fls_status try_to_write(struct fls_async *async, struct fls_queue_record *record)
{
    struct fls_queue_reference *reference = (void *)(record + 1);
    size_t payload_bytes = (size_t)record->payload_bytes;

    if (fls_queue_kind_of(record) == FLS_QUEUE_COPY)
        return fls_writer_write(async->writer, record + 1, payload_bytes);
    struct fls_payload payload = {(struct iovec *)(reference + 1), (size_t)reference->count,
                                  payload_bytes};
    return fls_writer_write_owned(async->writer, &payload, reference->release.function,
                                  reference->release.context);
}

/* Writes a whole record to its end, even where the sink would block. */
static enum fls_status write_record(struct fls_async *async, struct fls_queue_record *record)
{
    enum fls_status status;

    while ((status = try_to_write(async, record)) == FLS_AGAIN)
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

/* What came of one round. */
struct round {
    uint64_t end; /* messages accepted when it began */
    uint64_t refused;
    uint64_t written; /* by the writer, since its start */
    int on_machine;   /* it went to the machine level, or was to */
    int no_machine;   /* but there is none */
    enum fls_status status;
    struct fls_error error;
    struct fls_error refusal; /* the first of them */
};

/* A message was not written; was it refused, so that the next one can be? */
static int note_refusal(struct fls_async *async, enum fls_status status, struct round *round)
{
    struct fls_error error = *fls_writer_error(async->writer);

    if (!is_refusal(async, status))
        return 0;
    if (round->refused++ == 0)
        round->refusal = error;
    return 1;
}

/* Empties one half into the writer. */
static enum fls_status write_half(struct fls_async *async, struct fls_queue *half,
                                  struct round *round)
{
    struct fls_queue_record *record;

    while ((record = fls_queue_front(half)) != NULL) {
        await_record(record);
        enum fls_status status = write_record(async, record);
        if (FLS_UNLIKELY(status != FLS_OK) && !note_refusal(async, status, round))
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
        await_record(record);
        if (!first_released)
            release_now(release_of(record));
        first_released = 0;
        fls_queue_pop(half);
    }
}

/* Under the lock: something is to be done. */
static int has_work(const struct fls_async *async)
{
    return async->filling.messages > 0 || async->closing || async->machine_wanted;
}

/* Lets the lock go, and tells those who were found waiting meanwhile. */
static void unlock_and_tell(struct fls_async *async)
{
    int room = async->tell_room, progress = async->tell_progress;

    async->tell_room = async->tell_progress = 0;
    unlock(async);
    if (room)
        futex_wake(&async->room, INT_MAX);
    if (progress)
        futex_wake(&async->progress, INT_MAX);
}

/* Under the lock: there may be room again, or none any more. */
static void tell_of_room(struct fls_async *async)
{
    if (async->waiting_for_room > 0) {
        move_word(&async->room);
        async->tell_room = 1;
    }
}

/* Rests until there is work: first a nap that a producer need not end, then a sleep. */
static void rest(struct fls_async *async)
{
    enum rest next = NAPPING;

    while (!has_work(async)) {
        unsigned seen = peek_word(&async->work);
        async->rest = next;
        async->wake_at_bytes = async->filling.capacity / 2;
        unlock_and_tell(async);
        futex_wait(&async->work, seen, next == NAPPING ? async->linger_ns : -1);
        lock_first(async);
        async->rest = AWAKE;
        next = SLEEPING;
    }
}

/* Under the lock: swaps the halves; the one to be filled is empty, and begins at its beginning. */
static void take_half(struct fls_async *async)
{
    struct fls_queue taken = async->filling;

    async->filling = async->emptying;
    async->filling.head = async->filling.tail = 0;
    async->emptying = taken;
    tell_of_room(async);
}

/* Empties the half, then carries it to its level. After a failure that is not the sink's (a tap's
 * own status) what was taken before is still sent. */
static void write_round(struct fls_async *async, struct round *round)
{
    enum fls_level level = round->on_machine ? FLS_LEVEL_MACHINE : FLS_LEVEL_PROCESS;

    round->status = write_half(async, &async->emptying, round);
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
        lose_half(&async->emptying, in_record);
}

/* Under the lock: a round is over; tells those who wait for it. */
static void settle(struct fls_async *async, const struct round *round)
{
    async->statistics.written = round->written;
    if (round->refused > 0 && async->statistics.refused == 0)
        async->refusal = round->refusal;
    async->statistics.refused += round->refused;
    async->statistics.bytes = fls_writer_statistics(async->writer).bytes;
    async->settled = round->end;
    if (round->on_machine)
        async->settled_on_machine = round->end;
    async->no_machine |= round->on_machine && round->no_machine;
    if (round->status != FLS_OK) {
        async->failed = round->status;
        async->error = round->error;
        tell_of_room(async);
    }
    if (async->waiting_for_progress > 0) {
        move_word(&async->progress);
        async->tell_progress = 1;
    }
}

/* One round: takes what has gathered, writes it, and says so. Enters and leaves with the lock. */
static enum fls_status drain_round(struct fls_async *async)
{
    struct round round = {.on_machine = async->machine_wanted};

    take_half(async);
    round.end = async->accepted;
    if (round.on_machine)
        async->bound_for_machine = round.end;
    async->machine_wanted = 0;
    unlock_and_tell(async);
    write_round(async, &round);
    lock_first(async);
    settle(async, &round);
    return round.status;
}

/* Under the lock: after a failure nothing more is taken; what came meanwhile is lost. Producers are
 * turned away by now, so the half is ours without the lock. */
static void lose_the_rest(struct fls_async *async)
{
    struct fls_async_counts *numbers = &async->statistics;

    unlock_and_tell(async);
    lose_half(&async->filling, 0);
    lock(async);
    numbers->lost = async->accepted - numbers->written - numbers->dropped_oldest - numbers->refused;
    async->settled = async->accepted;
}

static void *drain(void *context)
{
    struct fls_async *async = context;
    enum fls_status status = FLS_OK;

    lock_first(async);
    while (status == FLS_OK) {
        rest(async);
        if (async->closing && async->filling.messages == 0 && !async->machine_wanted)
            break;
        status = drain_round(async);
    }
    if (status != FLS_OK)
        lose_the_rest(async);
    async->ended = 1;
    move_word(&async->progress);
    async->tell_progress = 1;
    unlock_and_tell(async);
    return NULL;
}

/* --- opening, flushing, closing ----------------------------------------------------------------
 */

static void free_async(struct fls_async *async)
{
    fls_queue_free(&async->filling);
    fls_queue_free(&async->emptying);
    free(async);
}

/* All zero. NULL: no memory. */
static struct fls_async *new_async(void)
{
    struct fls_async *async = aligned_alloc(alignof(struct fls_async), sizeof *async);

    if (async)
        memset(async, 0, sizeof *async);
    return async;
}

static enum fls_status open_queue(struct fls_async *async, const struct fls_async_options *options,
                                  struct fls_error *error)
{
    size_t bytes = options->queue_bytes > 0 ? options->queue_bytes : FLS_ASYNC_QUEUE_BYTES_DEFAULT;
    size_t half = fls_min_size(fls_max_size(bytes, QUEUE_BYTES_MIN) / 2, FLS_QUEUE_CAPACITY_MAX);

    if (fls_queue_open(&async->filling, half) != FLS_OK ||
        fls_queue_open(&async->emptying, half) != FLS_OK)
        return fls_error_no_memory(error, half);
    async->copy_bytes_max = half / 2;
    async->segments_max = half / 2 / sizeof(struct iovec);
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

enum fls_status fls_async_open(struct fls_sink *sink, const struct fls_async_options *options,
                               struct fls_async **async, struct fls_error *error)
{
    static const struct fls_async_options defaults = FLS_ZERO;
    struct fls_async *opened = new_async();

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    if (!options)
        options = &defaults;
    enum fls_status status = fls_check_given(sink, 1, "sink", error);
    if (status == FLS_OK && (unsigned)options->when_full > FLS_ASYNC_DROP_OLDEST)
        status = fls_error_set(error, FLS_INVALID_ARGUMENT, "unknown policy %d",
                               (int)options->when_full);
    if (status == FLS_OK)
        status = open_queue(opened, options, error);
    if (status == FLS_OK)
        status = open_writer(opened, sink, options, error);
    if (status == FLS_OK) {
        int failure = fls_os_start_thread(&opened->thread, drain, opened);
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

    if (fls_check_level(level, NULL) != FLS_OK)
        return FLS_INVALID_ARGUMENT;
    lock(async);
    uint64_t wanted = async->accepted;
    while (level != FLS_LEVEL_OBJECT && async->failed == FLS_OK && *settled < wanted && in_time) {
        if (level == FLS_LEVEL_MACHINE && async->bound_for_machine < wanted)
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

void fls_async_refusal(struct fls_async *async, struct fls_error *error)
{
    lock(async);
    *error = async->refusal;
    unlock(async);
}

struct fls_async_counts fls_async_statistics(struct fls_async *async)
{
    lock(async);
    struct fls_async_counts statistics = async->statistics;
    statistics.accepted = async->accepted;
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
        *statistics = fls_async_statistics(async);
    enum fls_status status = async->failed;
    if (status != FLS_OK)
        fls_error_copy(error, &async->error);
    fls_writer_abandon(async->writer);
    enum fls_status closed =
        fls_sink_close(async->owns_sink ? async->sink : NULL, status == FLS_OK ? error : NULL);
    free_async(async);
    return status == FLS_OK ? closed : status;
}
