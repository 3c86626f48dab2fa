/*
 * salvage_sieve.c: many places at once, stage by stage, without a branch that depends on the bytes.
 * In payloads with many zeros a large part of the places look like the length of a small message;
 * to ask each of them for itself costs a mispredicted branch, which is more than all that is done
 * here.
 */
#include <string.h>

#include "base/bytes.h"
#include "frame/frame_fast.h"
#include "journal/salvage_sieve.h"

/* Places looked at together. */
#define GROUP sizeof(uint64_t)

/* How many zero bytes `bytes` begins with, of at most `count`. */
static size_t leading_zeros(const uint8_t *bytes, size_t count)
{
    static const uint8_t zeros[64];
    size_t i = 0;

    while (count - i >= sizeof zeros && memcmp(bytes + i, zeros, sizeof zeros) == 0)
        i += sizeof zeros;
    while (i < count && bytes[i] == 0)
        i++;
    return i;
}

/* The least i from `i` on, below `count`, where the upper byte of a length is zero that begins in
 * `bytes`, or the upper two for one of at most 0xffff; or `count`. */
static size_t next_zero_top(const uint8_t *bytes, size_t i, size_t count, int two)
{
    const uint8_t *top = bytes + FLS_LENGTH_BYTES - 1, *next = top - 1;

    while (count - i >= GROUP) {
        uint64_t word = fls_load_u64(top + i) | (two ? fls_load_u64(next + i) : 0);
        uint64_t zeros = fls_zero_bytes(word);
        if (zeros != 0)
            return i + (size_t)__builtin_ctzll(zeros) / 8;
        i += GROUP;
        const uint8_t *zero = memchr(top + i, 0, count - i);
        if (!zero)
            return count;
        i = (size_t)(zero - top);
    }
    while (i < count && (top[i] != 0 || (two && next[i] != 0)))
        i++;
    return i;
}

/* How many places from this one on have headers of zero bytes only: they prove nothing. Looks
 * closer only at those that begin with some. */
static size_t zero_headers(const uint8_t *bytes, size_t places, size_t header)
{
    if (places < GROUP || fls_load_u64(bytes) != 0)
        return 0;
    size_t zeros = leading_zeros(bytes, places + header - 1);
    return zeros < header ? 0 : zeros - header + 1;
}

/* Those with a length that is sought. */
static void sift_lengths(const struct fls_salvage_search *search,
                         const struct fls_salvage_window *window, size_t places,
                         const struct fls_salvage_sought *sought,
                         struct fls_salvage_candidates *candidates)
{
    size_t header = search->header, count = 0, i = 0;
    uint64_t room = sought->end > window->at ? sought->end - window->at : 0;

    while ((i = next_zero_top(window->bytes, i, places, sought->longest <= 0xffff)) < places) {
        size_t zeros = zero_headers(window->bytes + i, places - i, header);
        size_t stop = i + fls_min_size(GROUP, places - i);
        i += zeros;
        for (; i < stop; i++) {
            uint64_t length = fls_header_payload_bytes(window->bytes + i);
            uint64_t end = i + header + length;
            candidates->places[count] = (uint32_t)i;
            candidates->ends[count] = window->at + end;
            count += (length >= sought->shortest) & (length <= sought->longest) & (end <= room);
        }
    }
    candidates->count = count;
}

/* Those of them that one header more may follow. */
static void sift_hop(const struct fls_salvage_search *search,
                     const struct fls_salvage_window *window, const struct fls_salvage_trail *trail,
                     struct fls_salvage_candidates *candidates)
{
    size_t count = 0;

    for (size_t i = 0; i < candidates->count; i++) {
        uint64_t end = candidates->ends[i], within = end - window->at;
        int shows = (within + search->header <= window->count) & (end < trail->end);
        uint64_t length = fls_header_payload_bytes(window->bytes + (shows ? within : 0));
        uint64_t next = end + search->header + length;
        candidates->places[count] = candidates->places[i];
        candidates->ends[count] = shows ? next : end;
        count += (shows == 0) | ((length <= trail->longest) & (next <= trail->end));
    }
    candidates->count = count;
}

/* Those of them that can be clear. */
static void sift_checksums(const struct fls_salvage_search *search,
                           const struct fls_salvage_window *window,
                           struct fls_salvage_candidates *candidates)
{
    size_t count = 0;

    for (size_t i = 0; i < candidates->count; i++) {
        uint32_t place = candidates->places[i];
        uint64_t stored = fls_load_u64(window->bytes + place + FLS_LENGTH_BYTES);
        candidates->places[count] = place;
        count += (size_t)fls_salvage_is_clear(search, stored);
    }
    candidates->count = count;
}

void fls_salvage_sift(const struct fls_salvage_search *search,
                      const struct fls_salvage_window *window, size_t places,
                      const struct fls_salvage_sought *sought,
                      struct fls_salvage_candidates *candidates)
{
    sift_lengths(search, window, places, sought, candidates);
    for (int hop = 0; hop < sought->trail.headers && candidates->count > 0; hop++)
        sift_hop(search, window, &sought->trail, candidates);
    if (search->checksum.kind == FLS_CHECKSUM_XXH3)
        sift_checksums(search, window, candidates);
}
