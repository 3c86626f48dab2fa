/*
 * salvage_search.c: where is the next frame?
 *
 * A frame is proven when its checksum matches its payload (and the verifier accepts it). Hashing
 * whatever looks like a header would cost the square of the file: in a large file a quarter of all
 * random lengths are plausible. So the search goes from cheap to dear. It first looks for a frame
 * of at most C bytes that has plausible headers behind it. What lies before that is a gap, and in a
 * gap nothing is longer than the gap: there every frame of up to C is tried, and larger ones where
 * they lead exactly to what was found.
 *
 * Bytes that look like headers everywhere still cost up to C each. What the search may compare is
 * therefore bounded by the bytes that it passes; when that is used up, candidates are passed over
 * and the report says so.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "frame/checksum_fast.h"
#include "frame/frame_fast.h"
#include "journal/salvage_parts.h"

#define BLOCK_BYTES ((size_t)256 * 1024)
#define GLANCE_BYTES ((size_t)1024)

/* What the search may compare for each byte that it passes; what a candidate costs beside its
 * bytes. */
#define EFFORT_PER_BYTE 64
#define EFFORT_PER_CANDIDATE 32

/* Larger frames in one chain that are remembered. */
#define CHAIN_MAX 64

#define TELL_BYTES (UINT64_C(1) << 20)

/* --- the bytes --------------------------------------------------------------------------------
 */

static void fail(struct fls_salvage_input *input, enum fls_status status)
{
    if (input->status == FLS_OK)
        input->status = status;
}

/* Reads `want` bytes at `offset` into the block; what is there before the end of the file. */
static void read_block(struct fls_salvage_input *input, struct fls_salvage_block *block,
                       uint64_t offset, size_t want)
{
    block->at = offset;
    while (block->count < want) {
        ssize_t got = pread(input->fd, block->buffer.bytes + block->count, want - block->count,
                            (off_t)(input->start + offset + block->count));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            fail(input, fls_error_system(&input->error, "pread", errno));
            return;
        }
        if (got == 0) {
            fail(input, fls_error_set(&input->error, FLS_IO, "the file became shorter meanwhile"));
            return;
        }
        block->count += (size_t)got;
    }
}

/* Loads at least `need` bytes from `offset`, keeping what the block has of them. */
static void load(struct fls_salvage_input *input, struct fls_salvage_block *block, uint64_t offset,
                 size_t need)
{
    size_t ahead = block == &input->near ? BLOCK_BYTES : GLANCE_BYTES;
    size_t kept = 0;

    if (offset >= block->at && offset - block->at < block->count)
        kept = block->count - (size_t)(offset - block->at);
    if (kept > 0)
        memmove(block->buffer.bytes, block->buffer.bytes + (offset - block->at), kept);
    block->count = kept;
    if (need < ahead)
        need = (size_t)fls_min_u64(ahead, input->end - offset);
    if (fls_buffer_reserve(&block->buffer, need, kept) != FLS_OK) {
        block->count = 0;
        fail(input, fls_error_no_memory(&input->error, need));
        return;
    }
    read_block(input, block, offset, need);
}

static int holds(const struct fls_salvage_block *block, uint64_t offset, uint64_t need)
{
    return offset >= block->at && offset - block->at <= block->count &&
           block->count - (offset - block->at) >= need;
}

const uint8_t *fls_salvage_view(struct fls_salvage_input *input, struct fls_salvage_block *block,
                                uint64_t offset, uint64_t need, size_t *available)
{
    if (input->memory) {
        if (available)
            *available = (size_t)(input->end - offset);
        return input->memory + offset;
    }
    if (!holds(block, offset, need) && block == &input->far && holds(&input->near, offset, need))
        block = &input->near;
    if (!holds(block, offset, need))
        load(input, block, offset, (size_t)need);
    if (input->status != FLS_OK)
        return NULL;
    size_t from = (size_t)(offset - block->at);
    if (available)
        *available = block->count - from;
    return block->buffer.bytes + from;
}

void fls_salvage_input_free(struct fls_salvage_input *input)
{
    fls_buffer_free(&input->near.buffer);
    fls_buffer_free(&input->far.buffer);
}

/* --- proof ------------------------------------------------------------------------------------
 */

void fls_salvage_tell(struct fls_salvage_search *search, uint64_t offset)
{
    if (offset < search->told + TELL_BYTES)
        return;
    search->told = offset;
    if (search->progress)
        fail(search->input, search->progress(search->context, offset));
}

void fls_salvage_count(struct fls_salvage_search *search, uint64_t bytes)
{
    search->report->comparisons++;
    search->report->bytes_compared += bytes;
    search->effort -= (int64_t)bytes + EFFORT_PER_CANDIDATE;
}

static int can_afford(struct fls_salvage_search *search)
{
    if (search->effort > 0)
        return 1;
    search->report->search_cut_short = 1;
    return 0;
}

const void *fls_salvage_align(struct fls_salvage_search *search, const uint8_t *payload,
                              size_t bytes)
{
    if (bytes == 0 || ((uintptr_t)payload & (search->alignment - 1)) == 0)
        return payload;
    if (fls_buffer_reserve(&search->aligned, bytes, 0) != FLS_OK) {
        fail(search->input, fls_error_no_memory(&search->input->error, bytes));
        return NULL;
    }
    memcpy(search->aligned.bytes, payload, bytes);
    return search->aligned.bytes;
}

static int accepted(struct fls_salvage_search *search, const uint8_t *payload, size_t bytes,
                    struct fls_error *refusal)
{
    if (!search->verifier)
        return 1;
    const void *aligned = fls_salvage_align(search, payload, bytes);
    if (!aligned)
        return 0;
    struct iovec segment = {(void *)(uintptr_t)aligned, bytes};
    struct fls_payload whole = {&segment, 1, bytes};
    return fls_tap_run(search->verifier, &whole, refusal) == FLS_OK;
}

int fls_salvage_accepts(struct fls_salvage_search *search, uint64_t offset, uint64_t bytes)
{
    if (!search->verifier)
        return 1;
    const uint8_t *payload =
        fls_salvage_view(search->input, &search->input->near, offset, bytes, NULL);
    return payload && accepted(search, payload, (size_t)bytes, NULL);
}

int fls_salvage_plausible(struct fls_salvage_search *search, struct fls_salvage_block *block,
                          uint64_t offset, struct fls_salvage_header *header)
{
    uint64_t end = search->input->end;

    if (offset > end || end - offset < search->header)
        return 0;
    const uint8_t *bytes = fls_salvage_view(search->input, block, offset, search->header, NULL);
    if (!bytes)
        return 0;
    header->length = fls_header_payload_bytes(bytes);
    header->stored = fls_header_checksum(bytes, search->width);
    return header->length <= search->limit && header->length <= end - offset - search->header;
}

/* The checksum of what is too large to be held at once. */
static uint64_t calculate_in_pieces(struct fls_salvage_search *search, uint64_t offset,
                                    uint64_t length)
{
    struct fls_checksum_state state;
    struct fls_salvage_input *input = search->input;
    uint64_t stop = offset + length;

    fls_checksum_begin(&state, search->checksum);
    while (offset < stop) {
        size_t want = (size_t)fls_min_u64(BLOCK_BYTES, stop - offset);
        const uint8_t *bytes = fls_salvage_view(input, &input->far, offset, want, NULL);
        if (!bytes)
            return 0;
        fls_checksum_update(&state, bytes, want);
        offset += want;
        fls_salvage_tell(search, offset);
    }
    return fls_checksum_finish(&state);
}

/* Compares the payload of the plausible frame at `offset` with its checksum, and shows it to the
 * verifier. Nothing is loaded whole from a length over W before its checksum matched. */
static int compare(struct fls_salvage_search *search, struct fls_salvage_block *block,
                   uint64_t offset, const struct fls_salvage_header *header,
                   struct fls_error *refusal)
{
    uint64_t at = offset + search->header;
    const uint8_t *payload = NULL;

    if (header->length == 0 && header->stored == 0)
        return 0; /* zero bytes prove nothing */
    if (header->length > search->bounds.wide_bytes_max && search->width > 0) {
        search->calculated = calculate_in_pieces(search, at, header->length);
    } else {
        payload =
            fls_salvage_view(search->input, block, offset, search->header + header->length, NULL);
        if (!payload)
            return 0;
        payload += search->header;
        search->calculated = fls_checksum_fast(search->checksum, payload, (size_t)header->length);
    }
    if (search->input->status != FLS_OK || search->calculated != header->stored)
        return 0;
    if (search->verifier && !payload)
        payload = fls_salvage_view(search->input, block, at, header->length, NULL);
    if (search->verifier &&
        (!payload || !accepted(search, payload, (size_t)header->length, refusal)))
        return 0;
    search->known = offset;
    return search->input->status == FLS_OK;
}

/* The same, as part of the search. */
static int compare_if_affordable(struct fls_salvage_search *search, struct fls_salvage_block *block,
                                 uint64_t offset, const struct fls_salvage_header *header)
{
    if (offset == search->known)
        return 1;
    if (header->length == 0 && header->stored == 0)
        return 0;
    if (!can_afford(search))
        return 0;
    fls_salvage_count(search, header->length);
    return compare(search, block, offset, header, NULL);
}

int fls_salvage_proven(struct fls_salvage_search *search, uint64_t offset,
                       const struct fls_salvage_header *header)
{
    search->refusal.status = FLS_OK;
    search->calculated = header->stored;
    if (offset == search->known)
        return 1;
    if (header->length > search->bounds.close_bytes_max && !can_afford(search))
        return 0;
    if (compare(search, &search->input->near, offset, header, &search->refusal))
        return 1;
    fls_salvage_count(search, header->length);
    return 0;
}

/* --- the search -------------------------------------------------------------------------------
 */

/* Headers that must be plausible behind a frame in step. */
#define HOPS 3

/* Do plausible headers of at most `longest` bytes follow one another from `offset`, or the end? */
static int hops(struct fls_salvage_search *search, uint64_t offset, uint64_t longest)
{
    struct fls_salvage_header header;

    for (int i = 0; i < HOPS && offset != search->input->end; i++) {
        if (!fls_salvage_plausible(search, &search->input->far, offset, &header) ||
            header.length > longest)
            return 0;
        offset += search->header + header.length;
    }
    return 1;
}

int fls_salvage_hops(struct fls_salvage_search *search, uint64_t offset)
{
    return hops(search, offset, UINT64_MAX);
}

int fls_salvage_leads(struct fls_salvage_search *search, uint64_t offset)
{
    struct fls_salvage_header header;

    if (offset == search->input->end)
        return 1;
    search->effort -= EFFORT_PER_CANDIDATE;
    if (!fls_salvage_plausible(search, &search->input->far, offset, &header))
        return 0;
    if (header.length > search->bounds.close_bytes_max &&
        !fls_salvage_hops(search, offset + search->header + header.length))
        return 0;
    return compare_if_affordable(search, &search->input->far, offset, &header);
}

/* Is the frame at `offset`, of at least `shorter` and at most `longest` bytes, in step with those
 * behind it? */
static int is_in_step(struct fls_salvage_search *search, uint64_t offset, uint64_t shorter,
                      uint64_t longest)
{
    struct fls_salvage_block *block = &search->input->near;
    struct fls_salvage_header header;

    if (!fls_salvage_plausible(search, block, offset, &header) || header.length > longest ||
        header.length < shorter)
        return 0;
    search->effort -= EFFORT_PER_CANDIDATE / 8;
    if (longest > search->bounds.close_bytes_max)
        block = &search->input->far;
    return hops(search, offset + search->header + header.length, search->bounds.wide_bytes_max) &&
           compare_if_affordable(search, block, offset, &header);
}

/* Is the frame at `offset` proven, and at most so long that it ends at `stop`? One that is in step
 * was compared before the gap was known. */
static int is_in_gap(struct fls_salvage_search *search, uint64_t offset, uint64_t stop,
                     uint64_t longest)
{
    struct fls_salvage_header header;

    if (!fls_salvage_plausible(search, &search->input->near, offset, &header))
        return 0;
    uint64_t end = offset + search->header + header.length;
    return header.length <= longest && end <= stop &&
           !hops(search, end, search->bounds.wide_bytes_max) &&
           compare_if_affordable(search, &search->input->near, offset, &header);
}

/* The next offset from `from` on whose length has a zero byte on top; or up to where it was
 * looked. */
static uint64_t next_candidate(struct fls_salvage_search *search, uint64_t from, uint64_t until)
{
    const size_t top = FLS_LENGTH_BYTES - 1;
    size_t available;
    const uint8_t *bytes =
        fls_salvage_view(search->input, &search->input->near, from, search->header, &available);

    if (!bytes)
        return until;
    size_t span = (size_t)fls_min_u64(available - top, until - from);
    span = fls_min_size(span, BLOCK_BYTES);
    const uint8_t *zero = memchr(bytes + top, 0, span);
    return zero ? from + (uint64_t)(zero - (bytes + top)) : from + span;
}

/* What is looked for: frames in step (small ones were looked for before, up to `tried_to`), or in a
 * gap that ends at `gap_end`. */
struct sought {
    uint64_t longest;
    uint64_t tried_to;
    int in_gap;
    uint64_t gap_end;
};

/* The least offset in [from, stop) with what is sought, or `stop`. */
static uint64_t find(struct fls_salvage_search *search, uint64_t from, uint64_t stop,
                     const struct sought *sought)
{
    uint64_t end = search->input->end, close = search->bounds.close_bytes_max;
    uint64_t until = fls_min_u64(stop, end < search->header ? 0 : end - search->header + 1);

    while (from < until && search->input->status == FLS_OK) {
        uint64_t at = next_candidate(search, from, until);
        search->effort += (int64_t)(at - from + 1) * EFFORT_PER_BYTE;
        fls_salvage_tell(search, at);
        if (at >= until)
            return stop;
        if (sought->in_gap
                ? is_in_gap(search, at, sought->gap_end, sought->longest)
                : is_in_step(search, at, at < sought->tried_to ? close + 1 : 0, sought->longest))
            return at;
        from = at + 1;
    }
    return stop;
}

uint64_t fls_salvage_find_in_step(struct fls_salvage_search *search, uint64_t from, uint64_t stop)
{
    struct sought sought = {.longest = search->bounds.close_bytes_max};

    return find(search, from, stop, &sought);
}

/* The first frame in step from `from` on; larger ones only where there is no small one for long. */
static uint64_t find_step(struct fls_salvage_search *search, uint64_t from)
{
    uint64_t end = search->input->end, wide = search->bounds.wide_bytes_max;
    uint64_t stop = end - from > wide ? from + wide : end;
    uint64_t found = fls_salvage_find_in_step(search, from, stop);
    struct sought sought = {.longest = wide, .tried_to = stop};

    return found < stop ? found : find(search, from, end, &sought);
}

/* Frames that lead, one to the next, to the offset found: their starts, the latest first. */
struct chain {
    uint64_t starts[CHAIN_MAX];
    size_t count;
};

static int is_in(const struct chain *chain, uint64_t offset)
{
    for (size_t i = 0; i < chain->count; i++)
        if (chain->starts[i] == offset)
            return 1;
    return 0;
}

static void extend(struct fls_salvage_search *search, struct chain *chain, uint64_t offset)
{
    struct fls_salvage_header header;

    if (!fls_salvage_plausible(search, &search->input->far, offset, &header) ||
        !compare_if_affordable(search, &search->input->far, offset, &header))
        return;
    if (chain->count < CHAIN_MAX)
        chain->starts[chain->count++] = offset;
    else
        search->report->search_cut_short = 1;
}

/* Goes through [from, to) backwards and extends the chain by whatever leads to it. */
static void chain_in_block(struct fls_salvage_search *search, struct chain *chain, uint64_t from,
                           uint64_t to)
{
    const uint8_t *bytes = fls_salvage_view(search->input, &search->input->near, from,
                                            to - from + FLS_LENGTH_BYTES - 1, NULL);

    if (!bytes)
        return;
    for (size_t i = (size_t)(to - from); i-- > 0;) {
        uint64_t end = from + i + search->header + fls_header_payload_bytes(bytes + i);
        if (end <= chain->starts[0] && is_in(chain, end))
            extend(search, chain, from + i);
    }
}

/* The first of the frames that lead one to the next to `found`; or `found`. */
static uint64_t find_chain(struct fls_salvage_search *search, uint64_t from, uint64_t found)
{
    struct chain chain = {{found}, 1};

    if (found - from < search->header)
        return found;
    for (uint64_t to = found - search->header + 1; to > from && search->input->status == FLS_OK;) {
        uint64_t begin = to - from > BLOCK_BYTES ? to - BLOCK_BYTES : from;
        chain_in_block(search, &chain, begin, to);
        to = begin;
    }
    return chain.starts[chain.count - 1];
}

/* In a gap as far as the effort for it lasts: then only small frames are looked for. */
static uint64_t find_in_gap(struct fls_salvage_search *search, uint64_t from, uint64_t found)
{
    const struct fls_salvage_bounds *bounds = &search->bounds;
    struct sought sought = {bounds->close_bytes_max, 0, 1, found};

    int64_t before = search->effort;
    search->effort = search->gap_effort;
    if (search->effort <= 0 && found - from > bounds->small_bytes_max) {
        sought.longest = bounds->small_bytes_max;
        search->effort = before;
        search->report->search_cut_short = 1;
    }
    uint64_t first = find(search, from, found, &sought);
    if (sought.longest == bounds->close_bytes_max) {
        search->gap_effort = search->effort;
        search->effort = before;
    }
    return first;
}

uint64_t fls_salvage_find(struct fls_salvage_search *search, uint64_t from, uint64_t said)
{
    const struct fls_salvage_bounds *bounds = &search->bounds;
    uint64_t found = find_step(search, from);
    uint64_t off = found > said ? found - said : said - found;

    if (found - from > bounds->close_bytes_max && off <= bounds->small_bytes_max)
        return found; /* the gap is one message, some bytes longer or shorter than it says */
    found = find_in_gap(search, from, found);
    return found - from > bounds->close_bytes_max ? find_chain(search, from, found) : found;
}
