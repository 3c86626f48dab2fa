/*
 * memory_policy.c: the ready-made policies. Their semantics are those of flatstream-rs 0.2.7.
 */
#include <flatstream/memory_policy.h>

#include "base/bytes.h"

struct fls_memory_policy fls_memory_policy_none(void)
{
    return (struct fls_memory_policy){0};
}

static void forget_watermark(struct fls_memory_policy *policy)
{
    policy->watermark.messages_over = 0;
    policy->watermark.over_seen = 0;
}

static int capacity_is_over(size_t bytes, size_t ratio, size_t capacity)
{
    size_t wanted;

    return !__builtin_mul_overflow(bytes, ratio, &wanted) && capacity >= wanted;
}

/* Whether the over-provisioned state has lasted for the cooldown; notes when it began. */
static int cooled_down(struct fls_memory_policy *policy)
{
    if (policy->watermark.cooldown_ns == 0)
        return 0;
    uint64_t now = fls_clock_now_ns(&policy->clock);
    if (!policy->watermark.over_seen) {
        policy->watermark.over_seen = 1;
        policy->watermark.over_since_ns = now;
    }
    return fls_minus_u64(now, policy->watermark.over_since_ns) >= policy->watermark.cooldown_ns;
}

static enum fls_reclaim_reason watermark(struct fls_memory_policy *policy,
                                         size_t last_message_bytes, size_t capacity)
{
    if (last_message_bytes == 0 ||
        !capacity_is_over(last_message_bytes, policy->watermark.ratio, capacity)) {
        forget_watermark(policy);
        return FLS_RECLAIM_NONE;
    }
    if (policy->watermark.messages_over < UINT32_MAX)
        policy->watermark.messages_over++;
    int count_reached = policy->watermark.messages_over >= policy->watermark.messages_to_wait;
    int time_reached = cooled_down(policy);
    if (!count_reached && !time_reached)
        return FLS_RECLAIM_NONE;
    forget_watermark(policy);
    return time_reached ? FLS_RECLAIM_TIME_COOLDOWN : FLS_RECLAIM_MESSAGE_COUNT;
}

struct fls_memory_policy fls_memory_policy_watermark(size_t ratio, uint32_t messages_to_wait,
                                                     uint64_t cooldown_ns)
{
    struct fls_memory_policy policy = {.should_reclaim = watermark};

    policy.watermark.ratio = ratio > 0 ? ratio : FLS_WATERMARK_RATIO_DEFAULT;
    policy.watermark.messages_to_wait =
        messages_to_wait > 0 ? messages_to_wait : FLS_WATERMARK_MESSAGES_DEFAULT;
    policy.watermark.cooldown_ns = cooldown_ns;
    return policy;
}

static enum fls_reclaim_reason threshold(struct fls_memory_policy *policy,
                                         size_t last_message_bytes, size_t capacity)
{
    (void)capacity;
    if (last_message_bytes > policy->threshold.large_bytes) {
        policy->threshold.large_seen = 1;
        policy->threshold.small_since = 0;
        return FLS_RECLAIM_NONE;
    }
    if (!policy->threshold.large_seen)
        return FLS_RECLAIM_NONE;
    if (last_message_bytes >= policy->threshold.small_bytes) {
        policy->threshold.small_since = 0;
        return FLS_RECLAIM_NONE;
    }
    if (++policy->threshold.small_since < policy->threshold.messages_to_wait)
        return FLS_RECLAIM_NONE;
    policy->threshold.large_seen = 0;
    policy->threshold.small_since = 0;
    return FLS_RECLAIM_SIZE_THRESHOLD;
}

struct fls_memory_policy fls_memory_policy_threshold(size_t large_bytes, size_t small_bytes,
                                                     uint32_t messages_to_wait)
{
    struct fls_memory_policy policy = {.should_reclaim = threshold};

    policy.threshold.large_bytes =
        large_bytes > 0 ? large_bytes : FLS_THRESHOLD_LARGE_BYTES_DEFAULT;
    policy.threshold.small_bytes =
        small_bytes > 0 ? small_bytes : FLS_THRESHOLD_SMALL_BYTES_DEFAULT;
    policy.threshold.messages_to_wait =
        messages_to_wait > 0 ? messages_to_wait : FLS_THRESHOLD_MESSAGES_DEFAULT;
    return policy;
}

enum fls_reclaim_reason fls_memory_policy_consult(struct fls_memory_policy *policy,
                                                  size_t last_message_bytes, size_t capacity,
                                                  struct fls_reclaim_info *info)
{
    if (!policy || !policy->should_reclaim)
        return FLS_RECLAIM_NONE;
    size_t baseline =
        policy->baseline_bytes > 0 ? policy->baseline_bytes : FLS_MEMORY_BASELINE_BYTES_DEFAULT;
    if (capacity <= baseline)
        return FLS_RECLAIM_NONE;
    enum fls_reclaim_reason reason = policy->should_reclaim(policy, last_message_bytes, capacity);
    if (reason == FLS_RECLAIM_NONE || (unsigned)reason > FLS_RECLAIM_SIZE_THRESHOLD)
        return FLS_RECLAIM_NONE;
    *info = (struct fls_reclaim_info){reason, last_message_bytes, capacity, baseline};
    if (policy->on_reclaim)
        policy->on_reclaim(policy->context, info);
    return reason;
}
