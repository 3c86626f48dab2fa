/*
 * processes.h: the busiest processes, looked for a little at a time.
 */
#ifndef EXAMPLES_PROCESSES_H
#define EXAMPLES_PROCESSES_H

#include <stddef.h>
#include <stdint.h>

/* The kernel keeps 15 bytes of a command's name; kernel threads may have longer ones. */
#define PROCESS_NAME_BYTES 64

struct process {
    uint32_t pid;
    float cpu;
    uint64_t resident_bytes;
    size_t name_bytes;
    char name[PROCESS_NAME_BYTES];
};

/* The busiest, the busiest first, as of the last complete scan; valid until the next one ends. */
struct process_list {
    const struct process *processes;
    size_t count;
    uint32_t process_count;
    uint64_t scanned_ns;
};

struct processes;

/* Looks below `proc` for the `top` busiest. NULL: no memory. `top` 0: nothing is ever scanned. */
struct processes *processes_open(const char *proc, size_t top);
void processes_close(struct processes *processes);

/*
 * Scans on, beginning a new scan when one is due, until `until_ns` of the monotonic clock is near;
 * but looks at one process at least, so that a scan ends also when there is never time.
 * Returns when it has something to do again: `until_ns` while a scan is under way.
 */
uint64_t processes_step(struct processes *processes, uint64_t until_ns);

struct process_list processes_list(const struct processes *processes);

/* From the beginning of one scan to that of the next, in nanoseconds. */
#define PROCESSES_INTERVAL_NS ((uint64_t)250 * 1000 * 1000)

#endif
