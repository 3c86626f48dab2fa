/*
 * verification_split.c: see verification_split.h.
 *
 * Small frames: from the nominal place on each byte is tried as the start of a frame. A chain of
 * headers that stays inside the window costs nothing to follow, and sorts out nearly all; what is
 * left must match checksums of 48 bits in all. Frames of a mebibyte and more are too large to be
 * searched for, and few enough to walk over all headers beforehand.
 */
#include "journal/verification_split.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "frame/frame_fast.h"
#include "journal/index_file.h"
#include "journal/index_internal.h"

/* So many frames are looked at to learn how large they are. */
#define FIRST_FRAMES 32
#define LARGE_FRAME_BYTES ((uint64_t)1024 * 1024)

/* What is read for a search, and how many bytes of checksums it may calculate. */
#define WINDOW_BYTES_MIN ((uint64_t)256 * 1024)
#define WINDOW_BYTES_MAX ((uint64_t)4 * 1024 * 1024)
#define WINDOW_FRAMES 16
#define HASHED_BYTES_MAX ((uint64_t)64 * 1024 * 1024)

#define CHAIN_FRAMES 4
#define PROOF_BITS 48

/* The whole frame's length at `offset`, 0 when none is possible there. */
static uint64_t hop(const struct fls_split *split, uint64_t offset, enum fls_status *status,
                    struct fls_error *error)
{
    uint8_t length[FLS_LENGTH_BYTES];

    if (split->end - offset < split->header_bytes)
        return 0;
    *status = fls_index_pread(split->fd, length, sizeof length, offset, error);
    if (*status != FLS_OK)
        return 0;
    uint64_t payload_bytes = fls_load_u32(length);
    uint64_t frame_bytes = split->header_bytes + payload_bytes;
    if (payload_bytes > fls_payload_limit(split->format.payload_bytes_max) ||
        frame_bytes > split->end - offset)
        return 0;
    return frame_bytes;
}

static enum fls_status measure_frames(struct fls_split *split, struct fls_error *error)
{
    enum fls_status status = FLS_OK;
    uint64_t at = split->begin, step = 1;
    unsigned frames = 0;

    while (frames < FIRST_FRAMES && step > 0 && status == FLS_OK) {
        step = hop(split, at, &status, error);
        at += step;
        frames += step > 0;
    }
    split->frame_bytes = frames > 0 ? (at - split->begin) / frames : 0;
    return status == FLS_END ? FLS_OK : status;
}

/* Walks over all headers, and notes the first frame behind each nominal place. */
static enum fls_status walk(struct fls_split *split, unsigned count, struct fls_error *error)
{
    enum fls_status status = FLS_OK;
    uint64_t at = split->begin, step = 1;
    unsigned next = 0;

    split->hops = malloc(count * sizeof *split->hops);
    if (!split->hops)
        return fls_error_no_memory(error, count * sizeof *split->hops);
    while (step > 0 && status == FLS_OK && next < count) {
        while (next < count && fls_split_nominal(split, next, count) <= at)
            split->hops[next++] = at;
        step = hop(split, at, &status, error);
        at += step;
    }
    while (next < count)
        split->hops[next++] = FLS_SPLIT_NONE;
    return status == FLS_END ? FLS_OK : status;
}

enum fls_status fls_split_begin(struct fls_split *split, unsigned count, struct fls_error *error)
{
    split->hops = NULL;
    if (split->index)
        return FLS_OK;
    enum fls_status status = measure_frames(split, error);
    if (status == FLS_OK && split->frame_bytes >= LARGE_FRAME_BYTES)
        status = walk(split, count, error);
    return status;
}

void fls_split_end(struct fls_split *split)
{
    free(split->hops);
    split->hops = NULL;
}

int fls_split_is_possible(const struct fls_split *split)
{
    return split->index || fls_checksum_bytes(split->format.checksum) > 0;
}

uint64_t fls_split_nominal(const struct fls_split *split, unsigned i, unsigned count)
{
    uint64_t bytes = split->end - split->begin;

    return split->begin + bytes / count * i + bytes % count * i / count;
}

/* --- searching ---------------------------------------------------- */

struct window {
    const uint8_t *bytes;
    size_t count;
    int is_end; /* the stream ends with it */
    uint64_t hashed;
};

/* Does a chain of frames begin at `at`, as far as headers tell? */
static int has_chain(const struct fls_split *split, const struct window *window, size_t at)
{
    unsigned frames = 0;

    while (frames < CHAIN_FRAMES) {
        if (window->count - at < split->header_bytes)
            break;
        size_t payload_bytes = fls_header_payload_bytes(window->bytes + at);
        if (payload_bytes > window->count - at - split->header_bytes)
            break;
        at += split->header_bytes + payload_bytes;
        frames++;
    }
    return frames == CHAIN_FRAMES || (frames > 0 && window->is_end && at == window->count);
}

/* Do the checksums of that chain match, 48 bits of them? Empty frames prove nothing. */
static int is_proven(const struct fls_split *split, struct window *window, size_t at)
{
    size_t width = fls_checksum_bytes(split->format.checksum), bits = 0;
    struct fls_frame frame;

    while (fls_frame_decode(&split->format, window->bytes + at, window->count - at, &frame) ==
           FLS_FRAME_READY) {
        window->hashed += frame.payload_bytes;
        bits += frame.payload_bytes > 0 ? 8 * width : 0;
        at += frame.frame_bytes;
        if (bits >= PROOF_BITS || (bits > 0 && window->is_end && at == window->count))
            return 1;
    }
    window->hashed += frame.payload_bytes;
    return 0;
}

/* The first place of the window's first `count` bytes at which a proven chain begins. */
static uint64_t search_window(const struct fls_split *split, struct window *window, size_t count)
{
    for (size_t at = 0; at < count && window->hashed < HASHED_BYTES_MAX; at++)
        if (has_chain(split, window, at) && is_proven(split, window, at))
            return at;
    return FLS_SPLIT_NONE;
}

static uint64_t search(const struct fls_split *split, uint64_t from, uint64_t to)
{
    uint64_t bytes = fls_min_u64(WINDOW_FRAMES * split->frame_bytes, WINDOW_BYTES_MAX);

    if (bytes < WINDOW_BYTES_MIN)
        bytes = WINDOW_BYTES_MIN;
    bytes = fls_min_u64(bytes, split->end - from);
    uint8_t *memory = malloc((size_t)bytes + 1);
    if (!memory)
        return FLS_SPLIT_NONE; /* the piece before it goes on */
    struct window window = {memory, (size_t)bytes, from + bytes == split->end, 0};
    uint64_t found = FLS_SPLIT_NONE;
    if (fls_index_pread(split->fd, memory, (size_t)bytes, from, NULL) == FLS_OK)
        found = search_window(split, &window, (size_t)fls_min_u64(bytes, to - from));
    free(memory);
    return found == FLS_SPLIT_NONE ? found : from + found;
}

uint64_t fls_split_find(const struct fls_split *split, unsigned i, unsigned count)
{
    uint64_t nominal = fls_split_nominal(split, i, count);
    uint64_t next = fls_split_nominal(split, i + 1, count);
    struct fls_index_place place;

    if (i == 0)
        return split->begin;
    if (split->hops)
        return split->hops[i];
    if (!split->index)
        return search(split, nominal, next);
    if (fls_index_find_offset(split->index, nominal, &place, NULL) != FLS_OK)
        return FLS_SPLIT_NONE;
    return place.offset;
}
