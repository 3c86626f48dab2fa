/*
 * message.c: builds one message with the C builder.
 *
 * A FlatBuffer is built children first: names, then the tables that hold them, then the vectors of
 * those, the root last. Field numbers are the ids in the schema, given names here. The builder's
 * errors are sticky, so only the last call's status is looked at. telemetry_agent.c calls it for
 * each sample, with the same builder, which then allocates nothing.
 */
#include "message.h"

#include <endian.h>
#include <string.h>

enum { CPU_WINDOW_MS = 5, CPU_CORES = 6 };
enum { MEM_TOTAL, MEM_AVAILABLE, MEM_FREE, MEM_CACHED, MEM_BUFFERS, MEM_SWAP_TOTAL, MEM_SWAP_FREE };
enum {
    DISK_NAME,
    DISK_READS,
    DISK_WRITES,
    DISK_READ_BYTES,
    DISK_WRITTEN_BYTES,
    DISK_BUSY_MS,
    DISK_IN_FLIGHT
};
enum {
    NET_NAME,
    NET_RX_BYTES,
    NET_RX_PACKETS,
    NET_RX_ERRORS,
    NET_RX_DROPS,
    NET_TX_BYTES,
    NET_TX_PACKETS,
    NET_TX_ERRORS,
    NET_TX_DROPS
};
enum { PROCESS_PID, PROCESS_NAME, PROCESS_CPU, PROCESS_RESIDENT_BYTES };
enum {
    SEQUENCE,
    TIME_NS,
    HOST,
    CPU,
    MEMORY,
    LOAD,
    DISKS,
    NETWORKS,
    PROCESSES,
    PROCESSES_AGE_MS,
    PROCESS_COUNT,
    THREAD_COUNT,
    RUNNING_COUNT,
    CONTEXT_SWITCHES,
    UPTIME_SECONDS,
    MISSED
};

#define IDENTIFIER "FLTM"
/* struct Core: a ushort, two bytes of padding, five floats. */
#define CORE_BYTES 24
#define CORE_FLOATS_AT 4
/* struct Load: three floats. */
#define LOAD_BYTES 12
#define FLOAT_BYTES 4
/* Of a disk or interface; what is longer is cut. */
#define NAME_BYTES 64

/* Structs are given to the builder as they lie on the wire: little-endian. */
static void put_floats(unsigned char *to, const float *values, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        uint32_t bits;

        memcpy(&bits, &values[i], sizeof bits);
        bits = htole32(bits);
        memcpy(to + i * FLOAT_BYTES, &bits, sizeof bits);
    }
}

static uint32_t create_text(struct fls_builder *builder, struct text text)
{
    char name[NAME_BYTES];

    return fls_builder_create_string(builder, name, text_plain(text, name, sizeof name));
}

/* ---- processors ---- */

static uint32_t create_cores(struct fls_builder *builder, const struct sample *sample)
{
    unsigned char core[CORE_BYTES];
    size_t number;

    fls_builder_start_vector(builder, CORE_BYTES, FLOAT_BYTES);
    for (number = 0; number < sample->cpu_count; number++) {
        const struct cpu_shares *cpu = &sample->cpus[number + 1];
        uint16_t wire = htole16((uint16_t)number);

        if (!cpu->online)
            continue;
        memset(core, 0, sizeof core);
        memcpy(core, &wire, sizeof wire);
        put_floats(core + CORE_FLOATS_AT, cpu->share, CPU_KINDS);
        fls_builder_push(builder, core, 1);
    }
    return fls_builder_end_vector(builder);
}

/* 0, and the field is left out, when there are no shares. */
static uint32_t create_cpu(struct fls_builder *builder, const struct sample *sample)
{
    uint32_t cores;
    int kind;

    if (sample->window_ms <= 0)
        return 0;
    cores = create_cores(builder, sample);
    fls_builder_start_table(builder);
    fls_builder_add_ref(builder, CPU_CORES, cores);
    fls_builder_add_f32(builder, CPU_WINDOW_MS, sample->window_ms, 0);
    for (kind = CPU_KINDS - 1; kind >= 0; kind--)
        fls_builder_add_f32(builder, (uint32_t)kind, sample->cpus[0].share[kind], 0);
    return fls_builder_end_table(builder);
}

static uint32_t create_memory(struct fls_builder *builder, const struct memory *memory)
{
    fls_builder_start_table(builder);
    fls_builder_add_u64(builder, MEM_TOTAL, memory->total_bytes, 0);
    fls_builder_add_u64(builder, MEM_AVAILABLE, memory->available_bytes, 0);
    fls_builder_add_u64(builder, MEM_FREE, memory->free_bytes, 0);
    fls_builder_add_u64(builder, MEM_CACHED, memory->cached_bytes, 0);
    fls_builder_add_u64(builder, MEM_BUFFERS, memory->buffers_bytes, 0);
    fls_builder_add_u64(builder, MEM_SWAP_TOTAL, memory->swap_total_bytes, 0);
    fls_builder_add_u64(builder, MEM_SWAP_FREE, memory->swap_free_bytes, 0);
    return fls_builder_end_table(builder);
}

/* ---- vectors of tables ---- */

static uint32_t create_disk(struct fls_builder *builder, const struct disk *disk)
{
    uint32_t name = create_text(builder, disk->name);

    fls_builder_start_table(builder);
    fls_builder_add_u64(builder, DISK_READS, disk->reads, 0);
    fls_builder_add_u64(builder, DISK_WRITES, disk->writes, 0);
    fls_builder_add_u64(builder, DISK_READ_BYTES, disk->read_bytes, 0);
    fls_builder_add_u64(builder, DISK_WRITTEN_BYTES, disk->written_bytes, 0);
    fls_builder_add_u64(builder, DISK_BUSY_MS, disk->busy_ms, 0);
    fls_builder_add_u32(builder, DISK_IN_FLIGHT, disk->in_flight, 0);
    fls_builder_add_ref(builder, DISK_NAME, name);
    return fls_builder_end_table(builder);
}

static uint32_t create_disks(struct fls_builder *builder, const struct sample *sample)
{
    size_t i;

    fls_builder_start_ref_vector(builder);
    for (i = 0; i < sample->disk_count; i++)
        fls_builder_push_ref(builder, create_disk(builder, &sample->disks[i]));
    return fls_builder_end_ref_vector(builder);
}

static uint32_t create_network(struct fls_builder *builder, const struct network *network)
{
    uint32_t name = create_text(builder, network->name);

    fls_builder_start_table(builder);
    fls_builder_add_u64(builder, NET_RX_BYTES, network->rx.bytes, 0);
    fls_builder_add_u64(builder, NET_RX_PACKETS, network->rx.packets, 0);
    fls_builder_add_u64(builder, NET_RX_ERRORS, network->rx.errors, 0);
    fls_builder_add_u64(builder, NET_RX_DROPS, network->rx.drops, 0);
    fls_builder_add_u64(builder, NET_TX_BYTES, network->tx.bytes, 0);
    fls_builder_add_u64(builder, NET_TX_PACKETS, network->tx.packets, 0);
    fls_builder_add_u64(builder, NET_TX_ERRORS, network->tx.errors, 0);
    fls_builder_add_u64(builder, NET_TX_DROPS, network->tx.drops, 0);
    fls_builder_add_ref(builder, NET_NAME, name);
    return fls_builder_end_table(builder);
}

static uint32_t create_networks(struct fls_builder *builder, const struct sample *sample)
{
    size_t i;

    fls_builder_start_ref_vector(builder);
    for (i = 0; i < sample->network_count; i++)
        fls_builder_push_ref(builder, create_network(builder, &sample->networks[i]));
    return fls_builder_end_ref_vector(builder);
}

static uint32_t create_process(struct fls_builder *builder, const struct process *process)
{
    uint32_t name = fls_builder_create_shared_string(builder, process->name, process->name_bytes);

    fls_builder_start_table(builder);
    fls_builder_add_u64(builder, PROCESS_RESIDENT_BYTES, process->resident_bytes, 0);
    fls_builder_add_u32(builder, PROCESS_PID, process->pid, 0);
    fls_builder_add_f32(builder, PROCESS_CPU, process->cpu, 0);
    fls_builder_add_ref(builder, PROCESS_NAME, name);
    return fls_builder_end_table(builder);
}

static uint32_t create_processes(struct fls_builder *builder, const struct process_list *list)
{
    size_t i;

    fls_builder_start_ref_vector(builder);
    for (i = 0; i < list->count; i++)
        fls_builder_push_ref(builder, create_process(builder, &list->processes[i]));
    return fls_builder_end_ref_vector(builder);
}

/* ---- the message ---- */

/* What the root refers to, made before it. */
struct parts {
    uint32_t host;
    uint32_t cpu;
    uint32_t memory;
    uint32_t disks;
    uint32_t networks;
    uint32_t processes;
};

static void add_references(struct fls_builder *builder, const struct parts *parts)
{
    fls_builder_add_ref(builder, HOST, parts->host);
    fls_builder_add_ref(builder, CPU, parts->cpu);
    fls_builder_add_ref(builder, MEMORY, parts->memory);
    fls_builder_add_ref(builder, DISKS, parts->disks);
    fls_builder_add_ref(builder, NETWORKS, parts->networks);
    fls_builder_add_ref(builder, PROCESSES, parts->processes);
}

/* The large fields first: that packs best. */
static uint32_t create_root(struct fls_builder *builder, const struct message_facts *facts,
                            const struct sample *sample, const struct process_list *list,
                            const struct parts *parts)
{
    uint64_t age_ms = list->scanned_ns ? (facts->now_ns - list->scanned_ns) / 1000000 : 0;
    unsigned char load[LOAD_BYTES];

    put_floats(load, sample->load, 3);
    fls_builder_start_table(builder);
    fls_builder_add_u64(builder, SEQUENCE, facts->sequence, 0);
    fls_builder_add_i64(builder, TIME_NS, sample->time_ns, 0);
    fls_builder_add_u64(builder, CONTEXT_SWITCHES, sample->context_switches, 0);
    fls_builder_add_f64(builder, UPTIME_SECONDS, sample->uptime_seconds, 0);
    fls_builder_add_u64(builder, MISSED, facts->missed, 0);
    fls_builder_add_struct(builder, LOAD, load, sizeof load, FLOAT_BYTES);
    add_references(builder, parts);
    fls_builder_add_u32(builder, PROCESSES_AGE_MS, (uint32_t)age_ms, 0);
    fls_builder_add_u32(builder, PROCESS_COUNT, list->process_count, 0);
    fls_builder_add_u32(builder, THREAD_COUNT, sample->thread_count, 0);
    fls_builder_add_u32(builder, RUNNING_COUNT, sample->running_count, 0);
    return fls_builder_end_table(builder);
}

enum fls_status message_build(struct fls_builder *builder, const struct message_facts *facts,
                              const struct sample *sample, const struct process_list *list,
                              struct fls_payload *payload)
{
    struct parts parts;
    uint32_t root;

    fls_builder_reset(builder);
    parts.processes = create_processes(builder, list);
    parts.networks = create_networks(builder, sample);
    parts.disks = create_disks(builder, sample);
    parts.memory = create_memory(builder, &sample->memory);
    parts.cpu = create_cpu(builder, sample);
    parts.host = fls_builder_create_cstring(builder, facts->host);
    root = create_root(builder, facts, sample, list, &parts);
    return fls_builder_finish(builder, root, IDENTIFIER, payload);
}
