/*
 * detect.c: which kind of checksum does a stream carry?
 *
 * The format has no magic, so each kind is tried: its frames are walked through the sample, and
 * what that walk came to is ranked.
 *   PROVEN     checksums of 4 bytes in all or more agree: chance is 2^-32 at most
 *   BOUNDARY   nothing contradicts, and the frames end exactly where the sample does
 *   DAMAGED    two lengths or more lead exactly to the sample's end, but checksums disagree
 *   PLAUSIBLE  nothing contradicts, but the last frame is torn or goes on past the sample; or some
 *              frames were intact before the first contradiction; or the one frame there ends
 *              exactly where the sample does, but is damaged
 * Zeros prove no kind of checksum. An empty frame of zero bytes only (none, crc16, crc32) is walked
 * over and does not count; a sample of nothing else is PLAUSIBLE under every kind; and behind zeros
 * at the sample's start a kind is looked for that is PROVEN there, wherever its frames begin. One
 * frame that no checksum proves, and zeros from its end to the sample's, are PLAUSIBLE: so every
 * kind reads the first frame of any when a loss of power has left zeros for its end. Anything else
 * is OUT. The kinds with the highest rank are the candidates; of two, one with two bytes more of
 * agreeing checksums wins.
 */
#include "frame/frame_fast.h"

#include "frame/checksum_fast.h"

/* Frames looked at for each kind; later ones add nothing that matters. */
#define FRAMES_MAX 64
/* A lone run of plausible lengths of this many frames is not chance. */
#define CHAIN_FRAMES_MIN 2
/* Checksums of so many bytes that agree are no chance. */
#define PROOF_BYTES 4

enum rank { OUT, PLAUSIBLE, DAMAGED, BOUNDARY, PROVEN };

/* `zeros`: so many bytes at its start are zero. */
struct sample {
    const uint8_t *bytes;
    size_t count;
    size_t zeros;
    int complete;
    uint64_t limit;
};

/* `frames` are those that are not of zeros. */
struct walk {
    size_t frames;
    size_t agreeing_bytes;
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
    int agrees = stored == fls_checksum_fast(checksum, payload, payload_bytes);

    walk->with_payload += payload_bytes > 0;
    walk->disagreeing += !agrees;
    if (payload_bytes == 0 && stored == 0)
        return;
    walk->frames++;
    walk->agreeing_bytes += agrees ? width : 0;
}

static size_t zeros_of(const uint8_t *bytes, size_t count)
{
    size_t zeros = 0;

    while (zeros < count && bytes[zeros] == 0)
        zeros++;
    return zeros;
}

static struct walk walk_sample(enum fls_checksum_kind kind, const struct sample *sample, size_t at)
{
    struct fls_checksum checksum = {kind, NULL};
    size_t header_bytes = FLS_LENGTH_BYTES + fls_checksum_bytes(checksum);
    const uint8_t *bytes = sample->bytes;
    size_t available = sample->count;
    struct walk walk = {0};

    while (available - at >= header_bytes && walk.frames < FRAMES_MAX) {
        uint32_t payload_bytes = fls_header_payload_bytes(bytes + at);
        if (payload_bytes > sample->limit) {
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
    size_t behind = available - walk.filled_end;
    walk.zeros_behind =
        walk.with_payload == 1 && behind > 0 && zeros_of(bytes + walk.filled_end, behind) == behind;
    walk.at_boundary = walk.frames == FRAMES_MAX || (sample->complete && at == available);
    return walk;
}

static int began_well(enum fls_checksum_kind kind, const struct walk *walk)
{
    return kind == FLS_CHECKSUM_NONE ? walk->frames >= CHAIN_FRAMES_MIN : walk->agreeing_bytes > 0;
}

static int is_unproven_before_zeros(const struct walk *walk)
{
    return walk->with_payload == 1 && walk->zeros_behind && walk->agreeing_bytes == 0;
}

static enum rank rank_of(enum fls_checksum_kind kind, const struct walk *walk)
{
    if (walk->agreeing_bytes >= PROOF_BYTES)
        return PROVEN;
    if (is_unproven_before_zeros(walk))
        return PLAUSIBLE;
    if (walk->at_boundary && walk->disagreeing == 0)
        return BOUNDARY;
    if (walk->at_boundary)
        return walk->frames >= CHAIN_FRAMES_MIN ? DAMAGED : PLAUSIBLE;
    if (walk->contradicted || walk->disagreeing > 0)
        return began_well(kind, walk) ? PLAUSIBLE : OUT;
    return PLAUSIBLE;
}

/* --- the kinds --------------------------------------------------------------------------------
 */

struct verdict {
    enum rank rank;
    size_t agreeing_bytes;
};

/* Is the kind proven by frames behind the zeros at the start? The first of them may begin with up
 * to three zero bytes of its own length. */
static int is_proven_behind_zeros(enum fls_checksum_kind kind, const struct sample *sample,
                                  struct verdict *verdict)
{
    size_t first = sample->zeros > FLS_LENGTH_BYTES ? sample->zeros - FLS_LENGTH_BYTES + 1 : 1;

    for (size_t at = first; at <= sample->zeros && at < sample->count; at++) {
        struct walk walk = walk_sample(kind, sample, at);
        if (walk.agreeing_bytes >= PROOF_BYTES) {
            *verdict = (struct verdict){PROVEN, walk.agreeing_bytes};
            return 1;
        }
    }
    return 0;
}

static struct verdict judge(enum fls_checksum_kind kind, const struct sample *sample)
{
    struct verdict behind;
    struct walk walk = walk_sample(kind, sample, 0);
    struct verdict verdict = {rank_of(kind, &walk), walk.agreeing_bytes};

    if (sample->zeros == sample->count)
        verdict.rank = PLAUSIBLE;
    else if (sample->zeros > 0 && verdict.rank < PROVEN &&
             is_proven_behind_zeros(kind, sample, &behind))
        verdict = behind;
    return verdict;
}

/* The kinds that fit best. */
static unsigned best_of(const struct verdict *verdicts)
{
    struct verdict best = {OUT, 0};
    unsigned candidates = 0;

    for (int kind = FLS_CHECKSUM_NONE; kind <= FLS_CHECKSUM_XXH3; kind++) {
        const struct verdict *verdict = &verdicts[kind];
        if (verdict->rank > best.rank ||
            (verdict->rank == best.rank && verdict->agreeing_bytes > best.agreeing_bytes))
            best = *verdict;
    }
    for (int kind = FLS_CHECKSUM_NONE; kind <= FLS_CHECKSUM_XXH3; kind++)
        if (best.rank > OUT && verdicts[kind].rank == best.rank &&
            verdicts[kind].agreeing_bytes + 2 > best.agreeing_bytes)
            candidates |= 1u << kind;
    return candidates;
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
    size_t given = bytes ? available : 0;
    struct sample sample = {.bytes = bytes,
                            .count = given,
                            .zeros = zeros_of(bytes, given),
                            .complete = complete,
                            .limit = fls_payload_limit(payload_bytes_max)};
    struct verdict verdicts[FLS_CHECKSUM_XXH3 + 1];

    if (need)
        *need = complete ? 0 : bytes_to_judge(bytes, given, sample.limit);
    for (int kind = FLS_CHECKSUM_NONE; kind <= FLS_CHECKSUM_XXH3; kind++)
        verdicts[kind] = judge((enum fls_checksum_kind)kind, &sample);
    return best_of(verdicts);
}
