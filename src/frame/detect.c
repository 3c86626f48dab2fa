/*
 * detect.c: which kind of checksum does a stream carry?
 *
 * The format has no magic, so each kind is tried: its frames are walked through the sample, and
 * what that walk came to is ranked.
 *   PROVEN     checksums of 4 bytes in all or more agree: chance is 2^-32 at most. (Empty payloads
 *              under none, crc16 and crc32 are all zeros and prove nothing.)
 *   BOUNDARY   nothing contradicts, and the frames end exactly where the sample does
 *   DAMAGED    two lengths or more lead exactly to the sample's end, but checksums disagree
 *   PLAUSIBLE  nothing contradicts, but the last frame is torn or goes on past the sample; or some
 *              frames were intact before the first contradiction; or the one frame there ends
 *              exactly where the sample does, but is damaged
 * One frame that no checksum proves, and zeros from its end to the sample's, are PLAUSIBLE: so
 * every kind reads the first frame of any when a loss of power has left zeros for its end. Anything
 * else is OUT. The kinds with the highest rank are the candidates; of two, one with two bytes more
 * of agreeing checksums wins.
 */
#include "frame/frame_fast.h"

#include "frame/checksum_fast.h"

/* Frames looked at for each kind; later ones add nothing that matters. */
#define FRAMES_MAX 64
/* A lone run of plausible lengths of this many frames is not chance. */
#define CHAIN_FRAMES_MIN 2

enum rank { OUT, PLAUSIBLE, DAMAGED, BOUNDARY, PROVEN };

struct walk {
    size_t frames;
    size_t agreeing_bytes;
    size_t agreeing;
    size_t disagreeing;
    size_t with_payload;
    size_t filled_end; /* of the last with a payload */
    int zeros_behind;  /* there are bytes behind that, and all are zero */
    int contradicted;  /* a length over the limit */
    int at_boundary;
};

static void look_at(struct walk *walk, struct fls_checksum checksum, const uint8_t *header,
                    uint32_t payload_bytes)
{
    size_t width = fls_checksum_bytes(checksum);
    const uint8_t *payload = header + FLS_LENGTH_BYTES + width;
    uint64_t stored = fls_header_checksum(header, width);

    walk->frames++;
    walk->with_payload += payload_bytes > 0;
    if (width == 0)
        return;
    if (stored != fls_checksum_fast(checksum, payload, payload_bytes)) {
        walk->disagreeing++;
        return;
    }
    walk->agreeing++;
    if (payload_bytes > 0 || stored != 0)
        walk->agreeing_bytes += width;
}

static int are_zeros(const uint8_t *bytes, size_t count)
{
    size_t at = 0;

    while (at < count && bytes[at] == 0)
        at++;
    return count > 0 && at == count;
}

static struct walk walk_sample(enum fls_checksum_kind kind, const uint8_t *bytes, size_t available,
                               int complete, uint64_t limit)
{
    struct fls_checksum checksum = {kind, NULL};
    size_t header_bytes = FLS_LENGTH_BYTES + fls_checksum_bytes(checksum);
    struct walk walk = {0};
    size_t at = 0;

    while (available - at >= header_bytes && walk.frames < FRAMES_MAX) {
        uint32_t payload_bytes = fls_header_payload_bytes(bytes + at);
        if (payload_bytes > limit) {
            walk.contradicted = 1;
            return walk;
        }
        if (payload_bytes > available - at - header_bytes)
            return walk;
        look_at(&walk, checksum, bytes + at, payload_bytes);
        at += header_bytes + payload_bytes;
        if (payload_bytes > 0)
            walk.filled_end = at;
    }
    if (walk.with_payload == 1)
        walk.zeros_behind = are_zeros(bytes + walk.filled_end, available - walk.filled_end);
    walk.at_boundary = walk.frames == FRAMES_MAX || (complete && at == available);
    return walk;
}

static int began_well(const struct walk *walk)
{
    if (walk->agreeing + walk->disagreeing > 0)
        return walk->agreeing_bytes > 0;
    return walk->frames >= CHAIN_FRAMES_MIN;
}

static int is_unproven_before_zeros(const struct walk *walk)
{
    return walk->with_payload == 1 && walk->zeros_behind && walk->agreeing_bytes == 0;
}

static enum rank rank_of(const struct walk *walk)
{
    if (walk->agreeing_bytes >= 4)
        return PROVEN;
    if (is_unproven_before_zeros(walk))
        return PLAUSIBLE;
    if (walk->at_boundary && walk->disagreeing == 0)
        return BOUNDARY;
    if (walk->at_boundary)
        return walk->frames >= CHAIN_FRAMES_MIN ? DAMAGED : PLAUSIBLE;
    if (walk->contradicted || walk->disagreeing > 0)
        return began_well(walk) ? PLAUSIBLE : OUT;
    return PLAUSIBLE;
}

/* The bytes with which the first frame can be judged under every kind; 0 when they are there. */
static size_t bytes_to_judge(const uint8_t *bytes, size_t available, uint64_t limit)
{
    size_t need = FLS_FRAME_HEADER_BYTES_MAX;

    if (available >= FLS_LENGTH_BYTES && fls_header_payload_bytes(bytes) <= limit)
        need += fls_header_payload_bytes(bytes);
    return available < need ? need : 0;
}

unsigned fls_frame_detect(const void *bytes, size_t available, int complete,
                          uint64_t payload_bytes_max, size_t *need)
{
    uint64_t limit = fls_payload_limit(payload_bytes_max);
    enum rank best_rank = OUT;
    size_t best_bytes = 0;
    unsigned candidates = 0;

    if (need)
        *need = complete ? 0 : bytes_to_judge(bytes, available, limit);
    for (int kind = FLS_CHECKSUM_NONE; kind <= FLS_CHECKSUM_XXH3; kind++) {
        struct walk walk =
            walk_sample((enum fls_checksum_kind)kind, bytes, available, complete, limit);
        enum rank rank = rank_of(&walk);
        if (rank == OUT || rank < best_rank ||
            (rank == best_rank && walk.agreeing_bytes + 2 <= best_bytes))
            continue;
        if (rank > best_rank || walk.agreeing_bytes >= best_bytes + 2)
            candidates = 0;
        best_rank = rank;
        best_bytes = fls_max_size(best_bytes, walk.agreeing_bytes);
        if (rank > OUT)
            candidates |= 1u << kind;
    }
    return candidates;
}
