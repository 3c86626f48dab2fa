/*
 * clock.h: where time comes from; tests inject their own.
 */
#ifndef FLATSTREAM_CLOCK_H
#define FLATSTREAM_CLOCK_H

#include <stdint.h>

#include <flatstream/api.h>

FLS_BEGIN_DECLS

/*
 * `now_ns(context)` returns nanoseconds since any fixed origin and never runs backwards. A NULL
 * now_ns means the system's monotonic clock. The context is borrowed. By one that runs backwards
 * all the same, no time has passed.
 */
struct fls_clock {
    uint64_t (*now_ns)(void *context);
    void *context;
};

/* Reads the clock; a NULL `clock`, or one without a function, is the monotonic clock. Any thread
 * that the clock's own function allows. */
FLS_API uint64_t fls_clock_now_ns(const struct fls_clock *clock);

FLS_END_DECLS

#endif
