/*
 * memory_policy.h: when a buffer that the library owns gives its memory back.
 *
 * A reader's message buffer and a writer's flattening buffer grow to the largest message seen. A
 * policy is asked after each message, and only while the capacity exceeds its baseline, whether the
 * buffer should shrink to the baseline. (On a reader the shrinking happens at the start of the next
 * read, so that the message just given stays valid.)
 */
#ifndef FLATSTREAM_MEMORY_POLICY_H
#define FLATSTREAM_MEMORY_POLICY_H

#include <stddef.h>

#include <flatstream/clock.h>

FLS_BEGIN_DECLS

/* Where the defaults come from: flatstream-rs 0.2.7, src/policy.rs. */
#define FLS_MEMORY_BASELINE_BYTES_DEFAULT ((size_t)16 * 1024)
#define FLS_WATERMARK_RATIO_DEFAULT 4
#define FLS_WATERMARK_MESSAGES_DEFAULT 5
#define FLS_THRESHOLD_LARGE_BYTES_DEFAULT ((size_t)1024 * 1024)
#define FLS_THRESHOLD_SMALL_BYTES_DEFAULT ((size_t)1024)
#define FLS_THRESHOLD_MESSAGES_DEFAULT 8

enum fls_reclaim_reason {
    FLS_RECLAIM_NONE, /* keep the buffer */
    FLS_RECLAIM_MESSAGE_COUNT,
    FLS_RECLAIM_TIME_COOLDOWN,
    FLS_RECLAIM_SIZE_THRESHOLD
};

struct fls_reclaim_info {
    enum fls_reclaim_reason reason;
    size_t last_message_bytes;
    size_t capacity_before;
    size_t capacity_after;
};

/*
 * A policy: its settings and its running state. Given to a writer or reader by pointer; borrowed,
 * must outlive it, and belongs to it alone (the state is in here).
 *
 *   should_reclaim  asked after a message; FLS_RECLAIM_NONE, or a number that is no reason, to
 *                   keep. `policy` is this struct
 *   on_reclaim      told after the decision to shrink; may be NULL
 *   context         the caller's, for both functions
 *   baseline_bytes  what is shrunk to; 0: the default
 *   watermark, threshold, clock  settings and state of the ready-made policies
 */
struct fls_memory_policy {
    enum fls_reclaim_reason (*should_reclaim)(struct fls_memory_policy *policy,
                                              size_t last_message_bytes, size_t capacity);
    void (*on_reclaim)(void *context, const struct fls_reclaim_info *info);
    void *context;
    size_t baseline_bytes;
    struct fls_clock clock;
    struct {
        size_t ratio;
        uint32_t messages_to_wait;
        uint64_t cooldown_ns; /* 0: none */
        uint32_t messages_over;
        int over_seen;
        uint64_t over_since_ns;
    } watermark;
    struct {
        size_t large_bytes;
        size_t small_bytes;
        uint32_t messages_to_wait;
        int large_seen;
        uint32_t small_since;
    } threshold;
};

/* Never shrinks. (Giving no policy at all does the same.) */
FLS_API struct fls_memory_policy fls_memory_policy_none(void);

/*
 * Adaptive watermark: shrinks after `messages_to_wait` messages in a row with
 * capacity >= size * ratio. A larger message, or an empty one, starts the count again.
 * With cooldown_ns > 0 it also shrinks as soon as that state has lasted so long; that reason takes
 * precedence. The state is cleared on firing. Zeros give the defaults (4, 5, no cooldown).
 */
FLS_API struct fls_memory_policy
fls_memory_policy_watermark(size_t ratio, uint32_t messages_to_wait, uint64_t cooldown_ns);

/*
 * Size threshold: a message over `large_bytes` arms it; `messages_to_wait` messages in a row under
 * `small_bytes` then fire it; a size between starts the run again. Zeros give the defaults
 * (1 MiB, 1 KiB, 8).
 */
FLS_API struct fls_memory_policy fls_memory_policy_threshold(size_t large_bytes, size_t small_bytes,
                                                             uint32_t messages_to_wait);

/*
 * Asks the policy as a reader or writer would: FLS_RECLAIM_NONE when policy is NULL or capacity is
 * at most the baseline. When it fires, *info is filled and on_reclaim is called.
 */
FLS_API enum fls_reclaim_reason fls_memory_policy_consult(struct fls_memory_policy *policy,
                                                          size_t last_message_bytes,
                                                          size_t capacity,
                                                          struct fls_reclaim_info *info);

FLS_END_DECLS

#endif
