/*
 * processes.c: who uses the processors.
 *
 * To read /proc/PID/stat of every process takes longer than a sample may, so a scan goes on in the
 * time between samples, a few processes a step, and counts only once it is complete. A process's
 * share is the processor time between this scan's look at it and the last one's; what was not there
 * then, or is another process under the same number, has none yet. telemetry_agent.c drives it.
 */
#include "processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proc_text.h"

/* A step stops this long before its time is up: about what one process takes. */
#define MARGIN_NS ((uint64_t)100 * 1000)
#define STAT_BYTES 1024

/* What is remembered of a process from one scan to the next. */
struct known {
    uint64_t pid;
    uint64_t started;
    uint64_t ticks;
    uint64_t looked_ns;
};

struct known_list {
    struct known *entries;
    size_t count;
    size_t capacity;
};

struct processes {
    DIR *directory;
    size_t top;
    uint64_t ticks_a_second;
    uint64_t page_bytes;
    int scanning;
    uint64_t due_ns;
    struct known_list before;
    struct known_list now;
    struct process *best;      /* of the scan under way, `best_count` of at most `top` */
    struct process *published; /* of the last complete one */
    size_t best_count;
    struct process_list list;
};

static uint64_t monotonic_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- one process ---- */

/* Reads PID/stat below /proc; empty when the process has gone, as they do. */
static struct text read_stat(const struct processes *processes, const char *pid, char *buffer)
{
    char path[sizeof((struct dirent *)0)->d_name + sizeof "/stat"];
    size_t length = strlen(pid);
    ssize_t got;
    int fd;

    memcpy(path, pid, length);
    memcpy(path + length, "/stat", sizeof "/stat");
    fd = openat(dirfd(processes->directory), path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return (struct text){"", ""};
    got = read(fd, buffer, STAT_BYTES);
    (void)close(fd);
    return (struct text){buffer, buffer + (got > 0 ? got : 0)};
}

/* The name stands in parentheses and may contain any byte, also ")": the last one ends it. */
static int parse_name(struct text *line, struct process *process)
{
    const char *open = memchr(line->at, '(', text_length(*line));
    const char *close = memrchr(line->at, ')', text_length(*line));

    if (!open || !close || close < open)
        return 0;
    process->name_bytes =
        text_plain((struct text){open + 1, close}, process->name, sizeof process->name);
    line->at = close + 1;
    return 1;
}

/* Behind the name: state (field 3), ..., utime (14), stime (15), ..., start (22), ..., rss (24). */
static int parse_stat(const struct processes *processes, struct text line, struct process *process,
                      struct known *known)
{
    if (!parse_name(&line, process))
        return 0;
    text_skip(&line, 11);
    known->ticks = text_number(&line);
    known->ticks += text_number(&line);
    text_skip(&line, 6);
    known->started = text_number(&line);
    text_skip(&line, 1);
    process->resident_bytes = text_number(&line) * processes->page_bytes;
    return 1;
}

static int by_pid(const void *left, const void *right)
{
    uint64_t a = ((const struct known *)left)->pid, b = ((const struct known *)right)->pid;

    return (a > b) - (a < b);
}

/* Time on processors since the last look, as a share of the time that has gone by. */
static float share_since(const struct processes *processes, const struct known *known)
{
    const struct known_list *before = &processes->before;
    const struct known *then = NULL;
    double seconds;

    if (before->count > 0)
        then = bsearch(known, before->entries, before->count, sizeof *known, by_pid);
    if (!then || then->started != known->started || known->ticks < then->ticks ||
        known->looked_ns <= then->looked_ns)
        return 0;
    seconds = (double)(known->looked_ns - then->looked_ns) / 1e9;
    return (float)((double)(known->ticks - then->ticks) / (double)processes->ticks_a_second /
                   seconds);
}

/* ---- the lists ---- */

static int remember(struct known_list *list, const struct known *known)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 256;
        struct known *entries = realloc(list->entries, capacity * sizeof *entries);

        if (!entries)
            return 0;
        list->entries = entries;
        list->capacity = capacity;
    }
    list->entries[list->count++] = *known;
    return 1;
}

static int is_busier(const struct process *a, const struct process *b)
{
    if (a->cpu < b->cpu || a->cpu > b->cpu)
        return a->cpu > b->cpu;
    return a->resident_bytes > b->resident_bytes;
}

/* Keeps the `top` busiest in order. */
static void rank(struct processes *processes, const struct process *process)
{
    struct process *best = processes->best;
    size_t place = processes->best_count;

    if (place == processes->top && !is_busier(process, &best[place - 1]))
        return;
    if (place < processes->top)
        processes->best_count++;
    else
        place--;
    while (place > 0 && is_busier(process, &best[place - 1])) {
        best[place] = best[place - 1];
        place--;
    }
    best[place] = *process;
}

static void look_at(struct processes *processes, const char *pid)
{
    char buffer[STAT_BYTES];
    struct text text = read_stat(processes, pid, buffer);
    struct text number = {pid, pid + strlen(pid)};
    struct process process = {0};
    struct known known = {0};

    if (!parse_stat(processes, text, &process, &known))
        return;
    known.pid = text_number(&number);
    known.looked_ns = monotonic_ns();
    process.pid = (uint32_t)known.pid;
    process.cpu = share_since(processes, &known);
    if (remember(&processes->now, &known))
        rank(processes, &process);
}

/* ---- the scan ---- */

static void begin_scan(struct processes *processes, uint64_t now_ns)
{
    rewinddir(processes->directory);
    processes->now.count = 0;
    processes->best_count = 0;
    processes->scanning = 1;
    processes->due_ns = now_ns + PROCESSES_INTERVAL_NS;
}

/* What was found becomes what is shown, and what the next scan compares with. */
static void end_scan(struct processes *processes, uint64_t now_ns)
{
    struct process *best = processes->best;
    struct known_list now = processes->now;

    if (now.count > 0)
        qsort(now.entries, now.count, sizeof *now.entries, by_pid);
    processes->now = processes->before;
    processes->before = now;
    processes->best = processes->published;
    processes->published = best;
    processes->list.processes = best;
    processes->list.count = processes->best_count;
    processes->list.process_count = (uint32_t)now.count;
    processes->list.scanned_ns = now_ns;
    processes->scanning = 0;
}

uint64_t processes_step(struct processes *processes, uint64_t until_ns)
{
    uint64_t now_ns = monotonic_ns();

    if (processes->top == 0)
        return UINT64_MAX;
    if (!processes->scanning) {
        if (now_ns < processes->due_ns)
            return processes->due_ns;
        begin_scan(processes, now_ns);
    }
    do {
        const struct dirent *entry = readdir(processes->directory);

        if (!entry) {
            end_scan(processes, monotonic_ns());
            return processes->due_ns;
        }
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            look_at(processes, entry->d_name);
    } while (monotonic_ns() + MARGIN_NS < until_ns);
    return until_ns;
}

struct process_list processes_list(const struct processes *processes)
{
    return processes->list;
}

/* ---- life ---- */

static uint64_t system_number(int name, uint64_t otherwise)
{
    long number = sysconf(name);

    return number > 0 ? (uint64_t)number : otherwise;
}

struct processes *processes_open(const char *proc, size_t top)
{
    struct processes *processes = calloc(1, sizeof *processes);

    if (!processes)
        return NULL;
    processes->ticks_a_second = system_number(_SC_CLK_TCK, 100);
    processes->page_bytes = system_number(_SC_PAGESIZE, 4096);
    processes->directory = opendir(proc);
    processes->top = processes->directory ? top : 0;
    processes->best = calloc(top + 1, sizeof *processes->best);
    processes->published = calloc(top + 1, sizeof *processes->published);
    if (processes->best && processes->published)
        return processes;
    processes_close(processes);
    return NULL;
}

void processes_close(struct processes *processes)
{
    if (!processes)
        return;
    if (processes->directory)
        (void)closedir(processes->directory);
    free(processes->before.entries);
    free(processes->now.entries);
    free(processes->best);
    free(processes->published);
    free(processes);
}
