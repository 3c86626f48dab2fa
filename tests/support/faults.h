/*
 * faults.h: makes the k-th call into the system fail, and counts the calls.
 *
 * A program that uses this is linked with -Wl,--wrap for each function named in faults.c
 * (tests/special.cmake). Plans and counts belong to the calling thread; the count of live
 * allocations is the program's.
 */
#ifndef TESTS_SUPPORT_FAULTS_H
#define TESTS_SUPPORT_FAULTS_H

#include <stddef.h>
#include <stdint.h>

/* Families of calls; a plan takes a set of them. */
enum fault_family {
    FAULT_WRITE = 1 << 0,  /* write, writev, pwritev2, sendmsg */
    FAULT_READ = 1 << 1,   /* read, readv */
    FAULT_SYNC = 1 << 2,   /* fdatasync */
    FAULT_MAP = 1 << 3,    /* mmap of a file */
    FAULT_MEMORY = 1 << 4, /* malloc, calloc, realloc, aligned_alloc, mmap of memory, mremap: none,
                              whatever os_errno */
    FAULT_OPEN = 1 << 5,   /* open */
    FAULT_CLOSE = 1 << 6,  /* close: closes, and then reports the failure */
    FAULT_CUT = 1 << 7     /* ftruncate */
};

enum fault_short { FAULT_ONE_BYTE, FAULT_HALF };

#define FAULT_FOR_EVER UINT64_MAX

/*
 * From the `at`-th call of `families` on: `shorts` calls pass only one byte or half of what was
 * asked, then `failures` calls fail with os_errno; after them all is well again.
 */
struct fault_plan {
    unsigned families;
    uint64_t at;
    uint64_t shorts;
    enum fault_short short_to;
    uint64_t failures;
    int os_errno;
};

/* Calls of this thread since fault_count_from_zero, failed ones included. */
struct fault_counts {
    uint64_t writes;
    uint64_t reads;
    uint64_t syncs;
    uint64_t maps;
    uint64_t allocations;
};

void fault_arm(struct fault_plan plan);

/* Ends the plan; returns how many calls it has touched. */
uint64_t fault_disarm(void);

void fault_count_from_zero(void);
struct fault_counts fault_counted(void);

/* Allocations through the wraps that have not been freed. */
int64_t fault_live_allocations(void);

#endif
