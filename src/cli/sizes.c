/*
 * sizes.c: see sizes.h.
 */
#include <stdlib.h>

#include "cli/sizes.h"

#define EXACT 65536
#define KEPT 65536
#define FIRST_OCTAVE 16
#define LAST_OCTAVE 32
#define SUB_BITS 10
#define SUBS (1u << SUB_BITS)
#define OCTAVES (LAST_OCTAVE - FIRST_OCTAVE + 1)

struct cli_sizes {
    uint64_t count;
    uint64_t smallest;
    uint64_t largest;
    uint64_t exact[EXACT];
    uint64_t kept_count; /* of large sizes; past KEPT they are all in buckets */
    uint64_t kept[KEPT];
    int kept_is_sorted;
    uint64_t buckets[OCTAVES * SUBS];
};

struct cli_sizes *cli_sizes_new(void)
{
    return calloc(1, sizeof(struct cli_sizes));
}

void cli_sizes_free(struct cli_sizes *sizes)
{
    free(sizes);
}

static unsigned octave_of(uint64_t bytes)
{
    unsigned octave = FIRST_OCTAVE;

    while (octave < LAST_OCTAVE && bytes >> (octave + 1) != 0)
        octave++;
    return octave;
}

static unsigned bucket_of(uint64_t bytes)
{
    unsigned octave = octave_of(bytes);
    unsigned sub = (unsigned)(bytes >> (octave - SUB_BITS)) & (SUBS - 1);

    return (octave - FIRST_OCTAVE) * SUBS + sub;
}

/* The smallest size that falls into a bucket. */
static uint64_t bucket_begin(unsigned bucket)
{
    unsigned octave = FIRST_OCTAVE + bucket / SUBS;

    return (uint64_t)(SUBS + bucket % SUBS) << (octave - SUB_BITS);
}

static void add_large(struct cli_sizes *sizes, uint64_t bytes)
{
    if (sizes->kept_count == KEPT)
        for (unsigned i = 0; i < KEPT; i++)
            sizes->buckets[bucket_of(sizes->kept[i])]++;
    if (sizes->kept_count < KEPT)
        sizes->kept[sizes->kept_count] = bytes;
    else
        sizes->buckets[bucket_of(bytes)]++;
    sizes->kept_count++;
    sizes->kept_is_sorted = 0;
}

void cli_sizes_add(struct cli_sizes *sizes, uint64_t bytes)
{
    if (sizes->count == 0 || bytes < sizes->smallest)
        sizes->smallest = bytes;
    if (bytes > sizes->largest)
        sizes->largest = bytes;
    sizes->count++;
    if (bytes < EXACT)
        sizes->exact[bytes]++;
    else
        add_large(sizes, bytes);
}

/* The large ones, as if they had been added one by one. */
static void merge_large(struct cli_sizes *to, const struct cli_sizes *from)
{
    uint64_t kept = from->kept_count < KEPT ? from->kept_count : KEPT;

    if (from->kept_count <= KEPT) {
        for (uint64_t i = 0; i < kept; i++)
            add_large(to, from->kept[i]);
        return;
    }
    if (to->kept_count <= KEPT) /* what it keeps goes into buckets now */
        for (uint64_t i = 0; i < to->kept_count; i++)
            to->buckets[bucket_of(to->kept[i])]++;
    for (unsigned i = 0; i < OCTAVES * SUBS; i++)
        to->buckets[i] += from->buckets[i];
    to->kept_count += from->kept_count;
}

void cli_sizes_merge(struct cli_sizes *to, const struct cli_sizes *from)
{
    if (from->count > 0 && (to->count == 0 || from->smallest < to->smallest))
        to->smallest = from->smallest;
    if (from->largest > to->largest)
        to->largest = from->largest;
    to->count += from->count;
    for (uint64_t i = 0; i < EXACT; i++)
        to->exact[i] += from->exact[i];
    merge_large(to, from);
}

uint64_t cli_sizes_count(const struct cli_sizes *sizes)
{
    return sizes->count;
}

uint64_t cli_sizes_smallest(const struct cli_sizes *sizes)
{
    return sizes->smallest;
}

uint64_t cli_sizes_largest(const struct cli_sizes *sizes)
{
    return sizes->largest;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* The large size of rank `rank`, counted from 1 among the large ones. */
static uint64_t large_of_rank(struct cli_sizes *sizes, uint64_t rank)
{
    uint64_t seen = 0;

    if (sizes->kept_count <= KEPT) {
        if (!sizes->kept_is_sorted)
            qsort(sizes->kept, (size_t)sizes->kept_count, sizeof sizes->kept[0], compare);
        sizes->kept_is_sorted = 1;
        return sizes->kept[rank - 1];
    }
    for (unsigned bucket = 0; bucket < OCTAVES * SUBS; bucket++) {
        seen += sizes->buckets[bucket];
        if (seen >= rank)
            return bucket_begin(bucket) < sizes->largest ? bucket_begin(bucket) : sizes->largest;
    }
    return sizes->largest;
}

/* percent of count, rounded up, without overflow. */
static uint64_t rank_of(uint64_t count, unsigned percent)
{
    return count / 100 * percent + (count % 100 * percent + 99) / 100;
}

uint64_t cli_sizes_quantile(struct cli_sizes *sizes, unsigned percent)
{
    uint64_t rank = rank_of(sizes->count, percent), seen = 0;

    if (sizes->count == 0)
        return 0;
    for (uint64_t bytes = 0; bytes < EXACT; bytes++) {
        seen += sizes->exact[bytes];
        if (seen >= rank && seen > 0)
            return bytes;
    }
    return large_of_rank(sizes, rank - seen);
}

static uint64_t large_between(const struct cli_sizes *sizes, uint64_t from, uint64_t to)
{
    uint64_t sum = 0;

    if (sizes->kept_count <= KEPT) {
        for (uint64_t i = 0; i < sizes->kept_count; i++)
            sum += sizes->kept[i] >= from && sizes->kept[i] <= to;
        return sum;
    }
    for (unsigned bucket = 0; bucket < OCTAVES * SUBS; bucket++)
        if (bucket_begin(bucket) >= from && bucket_begin(bucket) <= to)
            sum += sizes->buckets[bucket];
    return sum;
}

uint64_t cli_sizes_between(struct cli_sizes *sizes, uint64_t from, uint64_t to)
{
    uint64_t sum = large_between(sizes, from, to);

    for (uint64_t bytes = from; bytes < EXACT && bytes <= to; bytes++)
        sum += sizes->exact[bytes];
    return sum;
}
