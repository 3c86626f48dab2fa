/*
 * machine.h: one look at the whole machine, without its processes.
 */
#ifndef EXAMPLES_MACHINE_H
#define EXAMPLES_MACHINE_H

#include "proc_text.h"

/* The kinds of time that are told apart, as places in an array. */
enum cpu_kind { CPU_USER, CPU_SYSTEM, CPU_IDLE, CPU_IOWAIT, CPU_STEAL, CPU_KINDS };

/* One processor's shares; `online` 0: it was not listed. */
struct cpu_shares {
    float share[CPU_KINDS];
    int online;
};

struct memory {
    uint64_t total_bytes;
    uint64_t available_bytes;
    uint64_t free_bytes;
    uint64_t cached_bytes;
    uint64_t buffers_bytes;
    uint64_t swap_total_bytes;
    uint64_t swap_free_bytes;
};

/* `name` lies in the file's buffer: valid until the next sample. */
struct disk {
    struct text name;
    uint64_t reads;
    uint64_t writes;
    uint64_t read_bytes;
    uint64_t written_bytes;
    uint64_t busy_ms;
    uint32_t in_flight;
};

/* What an interface counts, for one direction. */
struct traffic {
    uint64_t bytes;
    uint64_t packets;
    uint64_t errors;
    uint64_t drops;
};

struct network {
    struct text name;
    struct traffic rx;
    struct traffic tx;
};

/*
 * One sample. `cpus` has `cpu_count` + 1 places: first all processors together, then number 0, 1, …
 * window_ms 0: there are no shares. Owned by the machine, valid until its next sample.
 */
struct sample {
    int64_t time_ns;
    struct cpu_shares *cpus;
    size_t cpu_count;
    float window_ms;
    struct memory memory;
    float load[3];
    uint32_t running_count;
    uint32_t thread_count;
    uint64_t context_switches;
    double uptime_seconds;
    struct disk *disks;
    size_t disk_count;
    struct network *networks;
    size_t network_count;
};

struct machine;

/* Opens the files below `proc` (normally "/proc") and takes the first counts. NULL: no memory. */
struct machine *machine_open(const char *proc);
void machine_close(struct machine *machine);

/* Reads everything anew; what can't be read is 0 or left out. Never NULL. */
const struct sample *machine_sample(struct machine *machine);

/* How far back the shares look at least, in nanoseconds. */
#define MACHINE_WINDOW_NS ((uint64_t)250 * 1000 * 1000)

#endif
