/*
 * clock.c: the system's monotonic clock, or the caller's.
 */
#include <stddef.h>
#include <time.h>

#include <flatstream/clock.h>

uint64_t fls_clock_now_ns(const struct fls_clock *clock)
{
    struct timespec now;

    if (clock && clock->now_ns)
        return clock->now_ns(clock->context);
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}
