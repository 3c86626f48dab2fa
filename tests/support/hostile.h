/*
 * hostile.h: sinks, sources and taps that break the contract of their tables, each in every way.
 *
 * A misdeed is one way: the status that a slot returns, what it leaves in the error's record, and
 * what it says of counts.
 */
#ifndef TESTS_SUPPORT_HOSTILE_H
#define TESTS_SUPPORT_HOSTILE_H

#include "support/test.h"

enum record_left { LEFT_ALONE, LEFT_GARBAGE, LEFT_INTERRUPTED /* os_errno is EINTR */ };

enum count_said { SAID_NOTHING, SAID_ALL, SAID_ONE_MORE, SAID_GARBAGE, COUNTS_SAID };

struct misdeed {
    int status;
    enum record_left record;
    enum count_said count;
};

/* Calls `try` with every status, also those that are none, and every record. Of what is said of
 * counts, all for FLS_OK, else two. A loop without end is ended by an alarm, after a minute. */
void for_each_misdeed(void (*try)(const struct misdeed *misdeed, void *context), void *context);

/* As the slot that does it: fills the record, sets *count (of `whole`), returns the status. */
enum fls_status do_misdeed(const struct misdeed *misdeed, size_t whole, size_t *count,
                           struct fls_error *error);

/* Asserts that the record is of `status`, which is a failure that callers know, and in words. */
void assert_told(enum fls_status status, const struct fls_error *error);

/* A sink into memory whose slots are well until the plan says otherwise. */
enum sink_slot { SINK_WRITEV, SINK_FLUSH, SINK_CLOSE, SINK_SLOTS };

struct hostile_sink {
    struct fls_sink base;
    struct fls_sink *memory;
    enum sink_slot slot; /* that misbehaves */
    struct misdeed misdeed;
    uint64_t well;  /* so many of its calls are well */
    uint64_t calls; /* of that slot */
    int closed;
};

void hostile_sink_make(struct hostile_sink *sink, enum sink_slot slot,
                       const struct misdeed *misdeed, uint64_t well);
void hostile_sink_free(struct hostile_sink *sink);

/* A source over memory, the same way. */
enum source_slot { SOURCE_PEEK, SOURCE_READ_INTO, SOURCE_SLOTS };

struct hostile_source {
    struct fls_source base;
    struct fls_source *memory;
    enum source_slot slot;
    struct misdeed misdeed;
    uint64_t well;
    uint64_t calls;
};

void hostile_source_make(struct hostile_source *source, const void *bytes, size_t length,
                         enum source_slot slot, const struct misdeed *misdeed, uint64_t well);
void hostile_source_free(struct hostile_source *source);

/* A tap that lets `well` messages pass, and then does its misdeed. */
struct hostile_tap {
    struct fls_tap tap;
    struct misdeed misdeed;
    uint64_t well;
    uint64_t calls;
};

void hostile_tap_make(struct hostile_tap *tap, const struct misdeed *misdeed, uint64_t well);

#endif
