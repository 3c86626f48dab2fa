/*
 * handover.h: what handing a message over to another thread costs the thread that does it.
 *
 *   handover            as fast as it goes; when the queue is full, it waits
 *   handover-reference  the same, without a copy
 *   ...-paced           GROUP messages at a time, each group begun 1 us + 1 ns a byte for each of
 *                       its messages after the one before (a million small messages a second), so
 *                       that the other thread keeps up
 *
 * Some messages go first, untimed, until every page of a queue of 4 MiB has been touched. Then come
 * two passes. The first reads the clock once a group, so that the clock's own cost (some 20 ns) is
 * spread over its messages: `seconds` is the sum, the median is that of the groups. The second, of
 * a quarter as many messages, reads the clock around each call: the 99.9 % and the largest, with
 * the clock's cost in them. Standard error gets: median p99.9 largest, in ns a message.
 */
#ifndef BENCH_HANDOVER_H
#define BENCH_HANDOVER_H

#include "contestant.h"

#define GROUP 64
#define WARM_UP_BYTES ((uint64_t)8 * 1024 * 1024)

typedef void hand_over_function(void *context, const struct job *job, uint64_t i);

struct handover {
    uint64_t messages; /* of all passes */
    struct stopwatch began;
    double seconds; /* of the first pass */
    double median_ns;
    double p999_ns;
    double largest_ns;
};

static inline int is_handover(const char *mode)
{
    static const char *const modes[] = {"handover", "handover-paced", "handover-reference",
                                        "handover-reference-paced"};

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(mode, modes[i]) == 0)
            return 1;
    return 0;
}

static inline uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Spins, as a busy producer does, until the next group is due. */
static inline void wait_for_pace(const struct job *job, uint64_t group_began)
{
    uint64_t due = group_began + GROUP * (1000 + (uint64_t)job->size);

    while (now_ns() < due)
        ;
}

static inline int compare_ns(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* Sorts the values; the one below which `share` of them lie. */
static inline double quantile(uint64_t *values, uint64_t count, double share)
{
    qsort(values, count, sizeof *values, compare_ns);
    return (double)values[(uint64_t)((double)(count - 1) * share)];
}

static inline uint64_t *new_times(uint64_t count)
{
    uint64_t *times = (uint64_t *)calloc(count, sizeof *times);

    if (!times)
        die("calloc");
    return times;
}

static inline void warm_up(const struct job *job, hand_over_function *hand_over, void *context,
                           struct handover *handover)
{
    handover->messages = WARM_UP_BYTES / (job->size + 1) + 1;
    for (uint64_t i = 0; i < handover->messages; i++)
        hand_over(context, job, i);
}

static inline void time_groups(const struct job *job, hand_over_function *hand_over, void *context,
                               int paced, struct handover *handover)
{
    uint64_t groups = job->messages / GROUP + 1;
    uint64_t *times = new_times(groups);

    for (uint64_t group = 0; group < groups; group++) {
        uint64_t began = now_ns();
        for (uint64_t i = 0; i < GROUP; i++)
            hand_over(context, job, group * GROUP + i);
        times[group] = now_ns() - began;
        handover->seconds += (double)times[group] / 1e9;
        if (paced)
            wait_for_pace(job, began);
    }
    handover->messages += groups * GROUP;
    /* The protocol speaks of N messages. */
    handover->seconds *= (double)job->messages / (double)(groups * GROUP);
    handover->median_ns = quantile(times, groups, 0.5) / GROUP;
    free(times);
}

static inline void time_each(const struct job *job, hand_over_function *hand_over, void *context,
                             int paced, struct handover *handover)
{
    uint64_t groups = job->messages / 4 / GROUP + 1, count = groups * GROUP;
    uint64_t *times = new_times(count);

    for (uint64_t i = 0; i < count; i += GROUP) {
        uint64_t began = now_ns();
        for (uint64_t j = i; j < i + GROUP; j++) {
            uint64_t before = now_ns();
            hand_over(context, job, j);
            times[j] = now_ns() - before;
        }
        if (paced)
            wait_for_pace(job, began);
    }
    handover->messages += count;
    handover->p999_ns = quantile(times, count, 0.999);
    handover->largest_ns = (double)times[count - 1];
    free(times);
}

static inline struct handover measure_handover(const struct job *job, hand_over_function *hand_over,
                                               void *context)
{
    struct handover handover;
    int paced = strstr(job->mode, "-paced") != NULL;

    memset(&handover, 0, sizeof handover);
    warm_up(job, hand_over, context, &handover);
    handover.began = start_watch();
    time_groups(job, hand_over, context, paced, &handover);
    time_each(job, hand_over, context, paced, &handover);
    return handover;
}

static inline void report_handover(const struct handover *handover, const struct job *job)
{
    printf("%llu %llu %.9f %.6f 0\n", (unsigned long long)(job->messages * (4 + job->size)),
           (unsigned long long)job->messages, handover->seconds, cpu_now() - handover->began.cpu);
    fprintf(stderr, "%.1f %.1f %.1f\n", handover->median_ns, handover->p999_ns,
            handover->largest_ns);
}

#endif
