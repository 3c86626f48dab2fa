/*
 * machine.c: samples /proc/stat, meminfo, loadavg, diskstats and net/dev.
 *
 * Every call reads every file again. Shares need two readings and the kernel counts in ticks of
 * 10 ms, so a short history of processor counts is kept, one entry a tick, and each sample is
 * compared with the youngest entry that is a whole window old. message.c turns the sample into a
 * FlatBuffer.
 */
#include "machine.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS ((uint64_t)10 * 1000 * 1000)
/* Entries are a tick or more apart, so that these reach over a whole window. */
#define HISTORY (MACHINE_WINDOW_NS / TICK_NS + 2)
#define CPUS_MAX 4096
#define SECTOR_BYTES 512
#define LINES_MAX 65536

/* Ticks since the start, by kind; `online` 0: the processor was not listed. */
struct cpu_times {
    uint64_t ticks[CPU_KINDS];
    int online;
};

struct moment {
    uint64_t now_ns;
    struct cpu_times *cpus;
};

struct machine {
    struct proc_file stat;
    struct proc_file meminfo;
    struct proc_file loadavg;
    struct proc_file diskstats;
    struct proc_file netdev;
    size_t places;
    struct moment history[HISTORY];
    size_t taken; /* entries ever put into the history; the last is at (taken - 1) % HISTORY */
    struct moment present;
    struct cpu_times *all_times;
    size_t disk_capacity;
    size_t network_capacity;
    struct sample sample;
};

static void open_below(struct proc_file *file, const char *proc, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", proc, name);

    proc_file_open(file, length > 0 && (size_t)length < sizeof path ? path : "");
}

/* Makes room for one more element in an array. 0: no memory, or absurdly many. */
static int grow(void *array_pointer, size_t *capacity, size_t count, size_t element_bytes)
{
    size_t more = *capacity ? *capacity * 2 : 16;
    void *array;

    if (count < *capacity)
        return 1;
    if (more > LINES_MAX)
        return 0;
    memcpy(&array, array_pointer, sizeof array);
    array = realloc(array, more * element_bytes);
    if (!array)
        return 0;
    memcpy(array_pointer, &array, sizeof array);
    *capacity = more;
    return 1;
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- processors ---- */

/* user nice system idle iowait irq softirq steal; what follows is counted in user already. */
static void parse_times(struct text *line, struct cpu_times *times)
{
    uint64_t *ticks = times->ticks;

    ticks[CPU_USER] = text_number(line);
    ticks[CPU_USER] += text_number(line);
    ticks[CPU_SYSTEM] = text_number(line);
    ticks[CPU_IDLE] = text_number(line);
    ticks[CPU_IOWAIT] = text_number(line);
    ticks[CPU_SYSTEM] += text_number(line);
    ticks[CPU_SYSTEM] += text_number(line);
    ticks[CPU_STEAL] = text_number(line);
    times->online = 1;
}

/* "cpu" is place 0, "cpu0" place 1; a processor beyond what was there at the start is left out. */
static void parse_cpu(struct machine *machine, struct text *line)
{
    size_t place = 0;

    if (line->at < line->end && *line->at != ' ') {
        uint64_t number = text_number(line);

        if (number >= machine->places - 1)
            return;
        place = (size_t)number + 1;
    }
    parse_times(line, &machine->present.cpus[place]);
}

static void read_stat(struct machine *machine)
{
    struct text text, line;

    memset(machine->present.cpus, 0, machine->places * sizeof *machine->present.cpus);
    machine->sample.context_switches = 0;
    machine->present.now_ns = monotonic_ns();
    text = proc_file_read(&machine->stat);
    while (text_line(&text, &line)) {
        if (text_starts(&line, "cpu"))
            parse_cpu(machine, &line);
        else if (text_starts(&line, "ctxt "))
            machine->sample.context_switches = text_number(&line);
    }
}

/* The times waited for a disk may run backwards a little; that counts as none. */
static void shares_between(const struct cpu_times *before, const struct cpu_times *after,
                           struct cpu_shares *shares)
{
    uint64_t spent[CPU_KINDS], all = 0;
    int kind;

    memset(shares, 0, sizeof *shares);
    shares->online = before->online && after->online;
    for (kind = 0; kind < CPU_KINDS; kind++) {
        uint64_t then = before->ticks[kind], now = after->ticks[kind];

        spent[kind] = now > then ? now - then : 0;
        all += spent[kind];
    }
    for (kind = 0; kind < CPU_KINDS && all > 0; kind++)
        shares->share[kind] = (float)((double)spent[kind] / (double)all);
}

/* The youngest entry a window old, or else the oldest there is; NULL: none yet. */
static const struct moment *compare_with(const struct machine *machine)
{
    size_t kept = machine->taken < HISTORY ? machine->taken : HISTORY;
    const struct moment *moment = NULL;
    size_t back;

    for (back = 1; back <= kept; back++) {
        moment = &machine->history[(machine->taken - back) % HISTORY];
        if (machine->present.now_ns - moment->now_ns >= MACHINE_WINDOW_NS)
            break;
    }
    return moment;
}

static void calculate_shares(struct machine *machine)
{
    const struct moment *then = compare_with(machine);
    struct sample *sample = &machine->sample;
    size_t place;

    sample->window_ms = 0;
    if (!then || !machine->present.cpus[0].online)
        return;
    for (place = 0; place < machine->places; place++)
        shares_between(&then->cpus[place], &machine->present.cpus[place], &sample->cpus[place]);
    sample->window_ms = (float)((double)(machine->present.now_ns - then->now_ns) / 1e6);
}

/* Keeps the present counts, at most one entry a tick. */
static void remember(struct machine *machine)
{
    const struct moment *last = &machine->history[(machine->taken + HISTORY - 1) % HISTORY];
    struct moment *next = &machine->history[machine->taken % HISTORY];

    if (machine->taken > 0 && machine->present.now_ns - last->now_ns < TICK_NS)
        return;
    memcpy(next->cpus, machine->present.cpus, machine->places * sizeof *next->cpus);
    next->now_ns = machine->present.now_ns;
    machine->taken++;
}

/* ---- memory and load ---- */

static void read_memory(struct machine *machine)
{
    struct memory *memory = &machine->sample.memory;
    const struct {
        const char *key;
        uint64_t *bytes;
    } wanted[] = {
        {"MemTotal", &memory->total_bytes},         {"MemFree", &memory->free_bytes},
        {"MemAvailable", &memory->available_bytes}, {"Buffers", &memory->buffers_bytes},
        {"Cached", &memory->cached_bytes},          {"SwapTotal", &memory->swap_total_bytes},
        {"SwapFree", &memory->swap_free_bytes},
    };
    struct text text = proc_file_read(&machine->meminfo), line, key;
    size_t found = 0, i;

    memset(memory, 0, sizeof *memory);
    while (found < sizeof wanted / sizeof *wanted && text_line(&text, &line)) {
        if (!text_until(&line, ':', &key))
            continue;
        for (i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            if (!text_is(key, wanted[i].key))
                continue;
            *wanted[i].bytes = text_number(&line) * 1024;
            found++;
            break;
        }
    }
}

/* "0.52 0.58 0.59 3/467 12345": averages, running and all threads. */
static void read_load(struct machine *machine)
{
    struct sample *sample = &machine->sample;
    struct text line = proc_file_read(&machine->loadavg), running;
    int i;

    for (i = 0; i < 3; i++)
        sample->load[i] = (float)text_decimal(&line);
    sample->running_count = 0;
    sample->thread_count = 0;
    if (!text_until(&line, '/', &running))
        return;
    sample->running_count = (uint32_t)text_number(&running);
    sample->thread_count = (uint32_t)text_number(&line);
}

/* ---- disks and networks ---- */

/* major minor name, then: reads merged sectors ms, writes merged sectors ms, in flight, busy ms. */
static void parse_disk(struct text *line, struct disk *disk)
{
    text_skip(line, 2);
    disk->name = text_word(line);
    disk->reads = text_number(line);
    text_skip(line, 1);
    disk->read_bytes = text_number(line) * SECTOR_BYTES;
    text_skip(line, 1);
    disk->writes = text_number(line);
    text_skip(line, 1);
    disk->written_bytes = text_number(line) * SECTOR_BYTES;
    text_skip(line, 1);
    disk->in_flight = (uint32_t)text_number(line);
    disk->busy_ms = text_number(line);
}

static void read_disks(struct machine *machine)
{
    struct sample *sample = &machine->sample;
    struct text text = proc_file_read(&machine->diskstats), line;

    sample->disk_count = 0;
    while (text_line(&text, &line)) {
        struct disk *disk;

        if (!grow(&sample->disks, &machine->disk_capacity, sample->disk_count, sizeof *disk))
            return;
        disk = &sample->disks[sample->disk_count];
        parse_disk(&line, disk);
        if (disk->name.at < disk->name.end && disk->reads + disk->writes > 0)
            sample->disk_count++;
    }
}

static void parse_traffic(struct text *line, struct traffic *traffic)
{
    traffic->bytes = text_number(line);
    traffic->packets = text_number(line);
    traffic->errors = text_number(line);
    traffic->drops = text_number(line);
    text_skip(line, 4);
}

/* The two lines of headings have no colon. */
static void read_networks(struct machine *machine)
{
    struct sample *sample = &machine->sample;
    struct text text = proc_file_read(&machine->netdev), line;

    sample->network_count = 0;
    while (text_line(&text, &line)) {
        struct network *network;

        if (!grow(&sample->networks, &machine->network_capacity, sample->network_count,
                  sizeof *network))
            return;
        network = &sample->networks[sample->network_count];
        if (!text_until(&line, ':', &network->name))
            continue;
        parse_traffic(&line, &network->rx);
        parse_traffic(&line, &network->tx);
        sample->network_count++;
    }
}

/* ---- the whole ---- */

const struct sample *machine_sample(struct machine *machine)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    machine->sample.time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    machine->sample.uptime_seconds = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    read_stat(machine);
    calculate_shares(machine);
    remember(machine);
    read_memory(machine);
    read_load(machine);
    read_disks(machine);
    read_networks(machine);
    return &machine->sample;
}

/* One block of counts serves the history and the present. */
static int allocate_cpus(struct machine *machine)
{
    long configured = sysconf(_SC_NPROCESSORS_CONF);
    size_t count = configured < 1 ? 1 : configured > CPUS_MAX ? CPUS_MAX : (size_t)configured;
    size_t i;

    machine->places = count + 1;
    machine->sample.cpu_count = count;
    machine->sample.cpus = calloc(machine->places, sizeof *machine->sample.cpus);
    machine->all_times = calloc(machine->places * (HISTORY + 1), sizeof *machine->all_times);
    if (!machine->sample.cpus || !machine->all_times)
        return 0;
    for (i = 0; i < HISTORY; i++)
        machine->history[i].cpus = machine->all_times + i * machine->places;
    machine->present.cpus = machine->all_times + HISTORY * machine->places;
    return 1;
}

struct machine *machine_open(const char *proc)
{
    struct machine *machine = calloc(1, sizeof *machine);

    if (!machine)
        return NULL;
    open_below(&machine->stat, proc, "stat");
    open_below(&machine->meminfo, proc, "meminfo");
    open_below(&machine->loadavg, proc, "loadavg");
    open_below(&machine->diskstats, proc, "diskstats");
    open_below(&machine->netdev, proc, "net/dev");
    if (!allocate_cpus(machine)) {
        machine_close(machine);
        return NULL;
    }
    (void)machine_sample(machine);
    return machine;
}

void machine_close(struct machine *machine)
{
    if (!machine)
        return;
    proc_file_close(&machine->stat);
    proc_file_close(&machine->meminfo);
    proc_file_close(&machine->loadavg);
    proc_file_close(&machine->diskstats);
    proc_file_close(&machine->netdev);
    free(machine->sample.cpus);
    free(machine->sample.disks);
    free(machine->sample.networks);
    free(machine->all_times);
    free(machine);
}
