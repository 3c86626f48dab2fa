/*
 * async.h: many threads write, one drain thread sends.
 *
 * A producer hands its message over and goes on; the drain thread gathers what has come and sends
 * it in batches. The queue is bounded in bytes and in messages, and what happens when it is full is
 * the caller's choice. Messages of one producer keep their order.
 *
 * A producer makes no system call unless the drain thread sleeps (it is woken), the queue is full
 * and the policy is to wait, or another thread was interrupted in the few instructions in which it
 * takes a place in the queue, or the queue's other half (then this one lets others run). Payloads
 * are copied outside of these, so a large one does not hold up other producers; nor do producers
 * that never pause keep the drain thread from its work.
 */
#ifndef FLATSTREAM_ASYNC_H
#define FLATSTREAM_ASYNC_H

#include <flatstream/writer.h>

FLS_BEGIN_DECLS

/* What a write does when the queue is full. */
enum fls_async_policy {
    FLS_ASYNC_BLOCK,       /* wait for room */
    FLS_ASYNC_DROP_NEWEST, /* drop the message that is being written */
    FLS_ASYNC_DROP_OLDEST  /* drop the longest waiting messages to make room. Those that the drain
                              thread has taken up already, at most half of the queue, stay; one
                              that its producer is still copying is waited for */
};

#define FLS_ASYNC_QUEUE_BYTES_DEFAULT ((size_t)4 * 1024 * 1024)
#define FLS_ASYNC_LINGER_US_DEFAULT 100

/*
 * Options; all zero is the default.
 *
 *   when_full        see above
 *   queue_bytes      memory of the queue; 0: 4 MiB; at least 64 KiB, at most 4 GiB. All of it is
 *                    touched by fls_async_open, so that no producer meets a page that is not there.
 *                    Producers fill one half while the drain thread empties the other; they change
 *                    places when it is done.
 *                    Payloads that go by reference, or are too large to be copied into it, count
 *                    apart: as many bytes again, or one message, whichever is more
 *   queue_messages   messages in one half at most; 0: no bound but the bytes
 *   linger_us        how long the drain thread, having found nothing, waits before it sleeps and
 *                    must be woken; 0: 100; a longer time costs latency of single messages and
 *                    saves producers the wake-up
 *   writer           the options of the writer behind; NULL: xxh3 off, no limits. The framer is
 *                    always batched. Its taps, clock and memory policy run on the drain thread
 */
struct fls_async_options {
    enum fls_async_policy when_full;
    size_t queue_bytes;
    size_t queue_messages;
    uint32_t linger_us;
    const struct fls_writer_options *writer;
};

/*
 *   accepted        messages taken into the queue
 *   written         handed to the sink
 *   dropped_newest, dropped_oldest   by policy
 *   refused         by the writer's limit or a tap, or for want of memory, on the drain thread
 *   lost            in the queue or the batch when the drain thread failed
 *   wakeups         times that a producer had to wake the drain thread
 *   waits           times that a producer had to wait for room
 *   bytes           frame bytes handed to the sink
 * accepted = written + dropped_oldest + refused + lost, once everything is drained.
 */
struct fls_async_counts {
    uint64_t accepted;
    uint64_t written;
    uint64_t dropped_newest;
    uint64_t dropped_oldest;
    uint64_t refused;
    uint64_t lost;
    uint64_t wakeups;
    uint64_t waits;
    uint64_t bytes;
};

struct fls_async;

/*
 * Starts the drain thread, which takes no signals, on a writer on `sink`. The sink is the drain
 * thread's until the close; it should block (a non-blocking one is polled every millisecond).
 * FLS_OK sets *async; on failure the sink stays the caller's. FLS_INVALID_ARGUMENT, FLS_NO_MEMORY,
 * FLS_IO (no thread).
 */
FLS_API FLS_MUST_USE enum fls_status fls_async_open(struct fls_sink *sink,
                                                    const struct fls_async_options *options,
                                                    struct fls_async **async,
                                                    struct fls_error *error);

/*
 * Hands over one message by copying it. Any thread.
 *   FLS_OK        taken
 *   FLS_LIMIT     dropped, by FLS_ASYNC_DROP_NEWEST (counted)
 *   FLS_NO_MEMORY a message over a quarter of the queue is copied to memory of its own, and there
 *                 was none
 * or the status with which the drain thread failed (fls_async_error): the sink's, or what a tap
 * returned that is no refusal.
 */
FLS_API FLS_MUST_USE enum fls_status fls_async_write(struct fls_async *async, const void *data,
                                                     size_t bytes);

/*
 * Hands over one message by reference; the segments' list is copied. The message is the library's
 * from this call on, whatever it returns, as with fls_writer_write_owned. `release(context)` is
 * called exactly once, when the bytes are needed no more: by the drain thread after they were
 * written, or when the message is dropped, refused or lost (then by whichever thread does that);
 * also when this call fails, before it returns. It must not wait on this object (flush, or write
 * when that may block). A NULL `release`: the bytes must stay until a flush that covers them has
 * returned FLS_OK, or the close. Any thread. Statuses as for fls_async_write; FLS_INVALID_ARGUMENT
 * when payload->length is not the sum of the segments, or their list is larger than a quarter of
 * the queue.
 */
FLS_API FLS_MUST_USE enum fls_status fls_async_write_owned(struct fls_async *async,
                                                           const struct fls_payload *payload,
                                                           fls_release_function *release,
                                                           void *context);

/*
 * Waits until everything handed over before is at `level`, at most `timeout_ms` milliseconds (-1:
 * for ever; 0: asks). Any thread. FLS_OK, FLS_AGAIN (the time is over; it goes on draining),
 * FLS_UNSUPPORTED (it is at FLS_LEVEL_PROCESS, the sink has no machine level), or the drain
 * thread's failure.
 */
FLS_API FLS_MUST_USE enum fls_status fls_async_flush(struct fls_async *async, enum fls_level level,
                                                     int timeout_ms);

/* The drain thread's failure (status FLS_OK when there is none), copied to *error. Any thread. */
FLS_API void fls_async_error(struct fls_async *async, struct fls_error *error);

/* Why the first message was refused that was (status FLS_OK when none was): frame and offset are
 * where it would have come, the number of all is in the counts. Copied to *error. Any thread. */
FLS_API void fls_async_refusal(struct fls_async *async, struct fls_error *error);

FLS_API struct fls_async_counts fls_async_statistics(struct fls_async *async);

/*
 * Takes no more messages, waits until all are written (at most timeout_ms, -1: for ever), ends the
 * thread and frees everything, the sink if the writer's options own it. No other thread may use the
 * object any more. `statistics` (may be NULL) gets the last numbers. FLS_AGAIN: the time is over,
 * nothing was freed, call again. Else the object is gone: FLS_OK, or the failure, in `error` (may
 * be NULL). NULL is allowed.
 */
FLS_API enum fls_status fls_async_close(struct fls_async *async, int timeout_ms,
                                        struct fls_async_counts *statistics,
                                        struct fls_error *error);

FLS_END_DECLS

#endif
