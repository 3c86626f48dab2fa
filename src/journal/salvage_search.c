/*
 * salvage_search.c: where is the next frame?
 *
 * A frame is proven when its checksum matches its payload (and the verifier accepts it). Hashing
 * whatever looks like a header would cost the square of the file: in a large file a quarter of all
 * random lengths are plausible. So the search goes from cheap to dear. It first looks near where
 * the damaged message says that it ends, which may be right but for the bytes inserted or removed.
 * If that tells nothing it looks for a frame of at most C bytes that has plausible headers behind
 * it. What lies before that is a gap, and in a gap nothing is longer than the gap: there every
 * frame of up to C is tried, and larger ones where they lead exactly to what was found. Where more
 * than a message is still missing, any large one is tried: near where the damaged message says that
 * it ends, and followed by a header, before others.
 *
 * Bytes that look like headers everywhere still cost up to C each. What the search may compare is
 * therefore bounded by the bytes that it passes; when that is used up, candidates are passed over
 * and the report says so.
 */
#include <string.h>

#include "base/error.h"
#include "frame/checksum_fast.h"
#include "frame/frame_fast.h"
#include "journal/salvage_sieve.h"

/* So much is compared, or looked through, at once. */
#define BLOCK_BYTES ((size_t)256 * 1024)

/* What a candidate costs beside its bytes. */
#define EFFORT_PER_CANDIDATE 32

/* What it may compare where it is no loss to find nothing: at first, and for each byte it passes.
 */
#define START_EFFORT ((int64_t)1 << 26)
#define START_EFFORT_PER_BYTE 16

/* Up to so many times C bytes a frame is of a middle size. */
#define MIDDLE 32

/* A frame in step goes before a larger one within so many times the bound of its size: C, the
 * middle, or W. */
#define STEP_FIRST 16

/* Larger frames in one chain that are remembered. */
#define CHAIN_MAX 64

/* A glance at a header that no block holds costs as much as to compare so many bytes. */
#define GLANCE_COST_BYTES 16384

/* So much of what follows a candidate is in memory with it. */
#define AHEAD_BYTES ((size_t)128 * 1024)

/* Or so much, as far as a frame of W bytes leads, where that pays. */
#define WINDOW_BYTES_MAX (UINT64_C(17) << 20)

#define TELL_BYTES (UINT64_C(1) << 20)

/* --- proof ------------------------------------------------------------------------------------
 */

void fls_salvage_tell(struct fls_salvage_search *search, uint64_t offset)
{
    if (offset < search->told + TELL_BYTES)
        return;
    search->told = offset;
    if (search->progress)
        fls_salvage_fail(search->input, search->progress(search->context, offset));
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
        fls_salvage_fail(search->input, fls_error_no_memory(&search->input->error, bytes));
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
 * verifier. Before its checksum matched nothing is loaded whole from a length over W, or glanced at
 * whole that is larger than a block. */
static int compare(struct fls_salvage_search *search, struct fls_salvage_block *block,
                   uint64_t offset, const struct fls_salvage_header *header,
                   struct fls_error *refusal)
{
    uint64_t at = offset + search->header;
    uint64_t whole_bytes_max =
        block == &search->input->far ? BLOCK_BYTES : search->bounds.wide_bytes_max;
    const uint8_t *payload = NULL;

    if (header->length == 0 && header->stored == 0)
        return 0; /* zero bytes prove nothing */
    if (header->length > whole_bytes_max && search->width > 0) {
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

/* The least offset from `from` on where a header begins that leads exactly to `end`, or `end`. */
static uint64_t next_leading_to(struct fls_salvage_search *search, uint64_t from, uint64_t end)
{
    uint64_t last = end - search->header;

    while (from <= last) {
        size_t count = (size_t)fls_min_u64(BLOCK_BYTES, last - from + 1);
        const uint8_t *bytes = fls_salvage_view(search->input, &search->input->near, from,
                                                count + FLS_LENGTH_BYTES - 1, NULL);
        size_t i = bytes ? fls_salvage_next_leading(bytes, count, last - from) : count;
        if (i < count)
            return from + i;
        from += count;
    }
    return end;
}

int fls_salvage_is_closed(struct fls_salvage_search *search, uint64_t from, uint64_t end,
                          unsigned others)
{
    uint64_t reach = search->bounds.wide_bytes_max + search->header;
    struct fls_salvage_header header;

    if (end < from + search->header)
        return 0;
    uint64_t at = end - from > reach ? end - reach : from;
    while ((at = next_leading_to(search, at, end)) < end && search->input->status == FLS_OK) {
        if (fls_salvage_plausible(search, &search->input->far, at, &header) &&
            (header.length > 0 || header.stored != 0)) {
            if (compare_if_affordable(search, &search->input->far, at, &header))
                return 1;
            search->effort -= (int64_t)(at - from);
            if (others > 0 && can_afford(search) &&
                fls_salvage_is_closed(search, from, at, others - 1))
                return 1;
        }
        if (++at > end - search->header)
            break;
    }
    return 0;
}

/* Headers that must be plausible behind a frame in step. */
#define HOPS 3

/* `headers` plausible ones, or as far as the end of the stream. */
static struct fls_salvage_trail trail_of(const struct fls_salvage_search *search, int headers,
                                         uint64_t longest)
{
    uint64_t end = search->input->end;

    return (struct fls_salvage_trail){headers, longest, end, end};
}

static int follows(struct fls_salvage_search *search, uint64_t offset,
                   const struct fls_salvage_trail *trail)
{
    struct fls_salvage_header header;

    for (int i = 0; i < trail->headers && offset < trail->enough; i++) {
        if (!fls_salvage_plausible(search, &search->input->far, offset, &header) ||
            header.length > trail->longest)
            return 0;
        offset += search->header + header.length;
        if (offset > trail->reach)
            return 0;
    }
    return 1;
}

int fls_salvage_hops(struct fls_salvage_search *search, uint64_t offset)
{
    struct fls_salvage_trail trail = trail_of(search, HOPS, UINT64_MAX);

    return follows(search, offset, &trail);
}

int fls_salvage_surely_hops(struct fls_salvage_search *search, uint64_t offset)
{
    struct fls_salvage_header header;
    int wide = 0;

    if (!fls_salvage_hops(search, offset))
        return 0;
    for (int i = 0; i < HOPS && offset != search->input->end; i++) {
        if (!fls_salvage_plausible(search, &search->input->far, offset, &header))
            return 0;
        if (header.length > search->bounds.wide_bytes_max)
            wide++;
        else if (compare_if_affordable(search, &search->input->far, offset, &header))
            return 1;
        offset += search->header + header.length;
    }
    return wide == HOPS || offset == search->input->end;
}

/* Is no frame of at most C in step behind `offset`, as far as `end` and W bytes? What is passed
 * here adds nothing to the effort. */
static int holds_no_step(struct fls_salvage_search *search, uint64_t offset, uint64_t end)
{
    int64_t before = search->effort;
    uint64_t stop = fls_min_u64(end, offset + 1 + search->bounds.wide_bytes_max);
    int is_none = fls_salvage_find_in_step(search, offset + 1, stop) == stop;

    if (search->effort > before)
        search->effort = before;
    return is_none;
}

/* Does a frame that is dear to compare have behind it, and in it, what a frame has? */
static int is_worth_comparing(struct fls_salvage_search *search, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + search->header + length;

    if (length > search->bounds.wide_bytes_max)
        return fls_salvage_surely_hops(search, end) && holds_no_step(search, offset, end);
    return length <= search->bounds.close_bytes_max || fls_salvage_hops(search, end);
}

int fls_salvage_leads(struct fls_salvage_search *search, uint64_t offset)
{
    struct fls_salvage_header header;

    if (offset == search->input->end)
        return 1;
    search->effort -= EFFORT_PER_CANDIDATE;
    if (!fls_salvage_plausible(search, &search->input->far, offset, &header))
        return 0;
    if (!is_worth_comparing(search, offset, header.length))
        return 0;
    return compare_if_affordable(search, &search->input->far, offset, &header);
}

int fls_salvage_leads_wide(struct fls_salvage_search *search, uint64_t offset)
{
    uint64_t wide = search->bounds.wide_bytes_max;
    struct fls_salvage_header header;

    if (!fls_salvage_plausible(search, &search->input->far, offset, &header) ||
        header.length <= wide)
        return 0;
    return holds_no_step(search, offset, offset + search->header + header.length) &&
           compare_if_affordable(search, &search->input->far, offset, &header);
}

int fls_salvage_is_within(struct fls_salvage_search *search, uint64_t offset, uint64_t end)
{
    struct fls_salvage_header header;

    return fls_salvage_plausible(search, &search->input->far, offset, &header) &&
           offset + search->header + header.length <= end &&
           compare_if_affordable(search, &search->input->far, offset, &header);
}

/* Does a large frame whose end is `end` have behind it what a frame has? Only there is one over W
 * compared. */
static int is_followed(struct fls_salvage_search *search, uint64_t length, uint64_t end)
{
    struct fls_salvage_header header;
    uint64_t wide = search->bounds.wide_bytes_max;

    if (length > wide)
        return fls_salvage_surely_hops(search, end);
    return end == search->input->end ||
           (fls_salvage_plausible(search, &search->input->far, end, &header) &&
            header.length <= wide);
}

static struct fls_salvage_sought in_step(const struct fls_salvage_search *search, uint64_t longest)
{
    return (struct fls_salvage_sought){.longest = longest,
                                       .end = search->input->end,
                                       .trail =
                                           trail_of(search, HOPS, search->bounds.wide_bytes_max)};
}

/* Does the trail follow the frame at `offset`, of a length that is sought, and is it proven? The
 * cheaper is asked first. */
static int is_sought(struct fls_salvage_search *search, uint64_t offset,
                     const struct fls_salvage_sought *sought)
{
    struct fls_salvage_block *block = &search->input->near;
    struct fls_salvage_header header;

    if (!fls_salvage_plausible(search, block, offset, &header))
        return 0;
    uint64_t end = offset + search->header + header.length;
    if (header.length > search->bounds.close_bytes_max)
        block = &search->input->far;
    if (sought->trail.headers > 0)
        search->effort -= EFFORT_PER_CANDIDATE / 8;
    if (header.length <= GLANCE_COST_BYTES && search->width > 0 && !sought->leading)
        return compare_if_affordable(search, block, offset, &header) &&
               follows(search, end, &sought->trail);
    return follows(search, end, &sought->trail) &&
           (!sought->leading || fls_salvage_leads(search, end)) &&
           compare_if_affordable(search, block, offset, &header);
}

/* The least of the candidates' offsets, from `from` on, with what is sought; or `stop`. */
static uint64_t first_sought(struct fls_salvage_search *search, uint64_t from, uint64_t stop,
                             const struct fls_salvage_sought *sought,
                             const struct fls_salvage_candidates *candidates)
{
    uint64_t passed = from;

    for (size_t i = 0; i < candidates->count && search->input->status == FLS_OK; i++) {
        uint64_t at = from + candidates->places[i];
        search->effort += (int64_t)(at + 1 - passed) * search->effort_per_byte;
        passed = at + 1;
        fls_salvage_tell(search, at);
        if (is_sought(search, at, sought))
            return at;
    }
    search->effort += (int64_t)(stop - passed) * search->effort_per_byte;
    fls_salvage_tell(search, stop);
    return stop;
}

/* The least offset in [from, stop) with what is sought, or `stop`. */
static uint64_t find(struct fls_salvage_search *search, uint64_t from, uint64_t stop,
                     const struct fls_salvage_sought *sought)
{
    struct fls_salvage_input *input = search->input;
    uint64_t end = input->end;
    uint64_t until = fls_min_u64(stop, end < search->header ? 0 : end - search->header + 1);
    struct fls_salvage_candidates candidates;

    while (from < until) {
        struct fls_salvage_window window = {.at = from};
        uint64_t need = fls_salvage_worth_holding(input, from, AHEAD_BYTES, WINDOW_BYTES_MAX);
        need = fls_min_u64(end - from, need);
        window.bytes = fls_salvage_view(input, &input->near, from, need, &window.count);
        if (!window.bytes)
            break;
        size_t places = window.count - (search->header - 1);
        places = (size_t)fls_min_u64(fls_min_size(places, FLS_SALVAGE_SIEVE_PLACES), until - from);
        fls_salvage_sift(search, &window, places, sought, &candidates);
        uint64_t found = first_sought(search, from, from + places, sought, &candidates);
        if (found < from + places)
            return found;
        if (input->status != FLS_OK)
            break;
        from += places;
    }
    return stop;
}

uint64_t fls_salvage_find_in_step(struct fls_salvage_search *search, uint64_t from, uint64_t stop)
{
    struct fls_salvage_sought sought = in_step(search, search->bounds.close_bytes_max);

    return find(search, from, stop, &sought);
}

int fls_salvage_holds_frames(struct fls_salvage_search *search, uint64_t from, uint64_t to)
{
    struct fls_salvage_sought sought = {.longest = search->bounds.close_bytes_max, .end = to};

    return find(search, from, to, &sought) < to;
}

/* find, but for what was passed before, with the same in mind. */
static uint64_t find_further(struct fls_salvage_search *search, struct fls_salvage_passed *passed,
                             uint64_t from, uint64_t stop, const struct fls_salvage_sought *sought)
{
    int further = from >= passed->from && from <= passed->to;
    uint64_t begin = further ? fls_min_u64(passed->to, stop) : from;

    if (!further)
        passed->from = from;
    uint64_t found = find(search, begin, stop, sought);
    passed->to = further && passed->to > found ? passed->to : found;
    return found;
}

uint64_t fls_salvage_middle_bytes_max(const struct fls_salvage_search *search)
{
    return fls_min_u64(MIDDLE * search->bounds.close_bytes_max, search->bounds.wide_bytes_max);
}

/* The first frame in step from `from` on, below `end`; larger ones only where there is no small one
 * for long. Where damage is dense the next search mostly goes over the same bytes, and finds the
 * same. */
static uint64_t find_step(struct fls_salvage_search *search, uint64_t from, uint64_t end)
{
    const struct fls_salvage_bounds *bounds = &search->bounds;
    uint64_t longest[FLS_SALVAGE_STEPS] = {
        bounds->close_bytes_max, fls_salvage_middle_bytes_max(search), bounds->wide_bytes_max};
    uint64_t found = end, stop = from;
    struct fls_salvage_sought sought = {.tried_to = 0};

    for (int i = 0; i < FLS_SALVAGE_STEPS && found >= stop; i++) {
        uint64_t tried = sought.longest;
        sought = in_step(search, longest[i]);
        sought.tried = tried;
        sought.tried_to = stop;
        stop = longest[i] == bounds->wide_bytes_max
                   ? end
                   : from + fls_min_u64(end - from, STEP_FIRST * longest[i]);
        found = find_further(search, &search->no_step[i], from, stop, &sought);
    }
    return found;
}

uint64_t fls_salvage_find_start(struct fls_salvage_search *search, uint64_t from, uint64_t stop)
{
    search->effort = START_EFFORT;
    search->effort_per_byte = START_EFFORT_PER_BYTE;
    return find_step(search, from, stop);
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

/* Beginnings of `bytes`, below `count`, where the upper byte of a length is zero: the last of them,
 * and one more; or 0. */
static size_t last_zero_top(const uint8_t *bytes, size_t count)
{
    const uint8_t *top = bytes + FLS_LENGTH_BYTES - 1;

    while (count > 0 && top[count - 1] != 0) {
        size_t once = fls_min_size(count, 1024);
        const uint8_t *zero = memrchr(top + count - once, 0, once);
        if (zero)
            return (size_t)(zero - top) + 1;
        count -= once;
    }
    return count;
}

/* Goes through [from, to) backwards and extends the chain by whatever leads to it. */
static void chain_in_block(struct fls_salvage_search *search, struct chain *chain, uint64_t from,
                           uint64_t to)
{
    const uint8_t *bytes = fls_salvage_view(search->input, &search->input->near, from,
                                            to - from + FLS_LENGTH_BYTES - 1, NULL);
    int is_wide = (chain->starts[0] - from) >> 24 != 0; /* then the upper byte need not be zero */
    size_t i = (size_t)(to - from);

    while (bytes && (i = is_wide ? i : last_zero_top(bytes, i)) > 0) {
        i--;
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

/* `bytes` before `said`, but not before `from`. */
static uint64_t behind(uint64_t from, uint64_t said, uint64_t bytes)
{
    return said > bytes && said - bytes > from ? said - bytes : from;
}

/* Is the gap before `found` one message, some bytes longer or shorter than it says? */
static int is_one_message(const struct fls_salvage_search *search, uint64_t found, uint64_t said)
{
    uint64_t off = found > said ? found - said : said - found;

    return said != 0 && off <= search->bounds.small_bytes_max;
}

int fls_salvage_is_open(const struct fls_salvage_search *search, uint64_t from, uint64_t found,
                        uint64_t said)
{
    return found - from > search->bounds.close_bytes_max && !is_one_message(search, found, said);
}

/* What is compared from here on is paid for from another purse, until the same is called again. */
static void swap_effort(struct fls_salvage_search *search, int64_t *other)
{
    int64_t effort = search->effort;

    search->effort = *other;
    *other = effort;
}

/* In a gap as far as the effort for it lasts: then only small frames are looked for. */
static uint64_t find_in_gap(struct fls_salvage_search *search, uint64_t from, uint64_t found)
{
    const struct fls_salvage_bounds *bounds = &search->bounds;
    struct fls_salvage_sought sought = {.longest = bounds->close_bytes_max, .end = found};

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

/* The first frame over C in [from, to) that ends at `found` or before; or `found`. */
static uint64_t find_large_near(struct fls_salvage_search *search, uint64_t from, uint64_t to,
                                uint64_t found, int followed)
{
    const struct fls_salvage_bounds *bounds = &search->bounds;
    struct fls_salvage_header header;

    for (uint64_t at = from; at < to && search->input->status == FLS_OK; at++) {
        if (!fls_salvage_plausible(search, &search->input->near, at, &header))
            continue;
        uint64_t end = at + search->header + header.length;
        if (header.length > bounds->close_bytes_max && end <= found &&
            fls_salvage_is_clear(search, header.stored) &&
            ((!followed && header.length <= bounds->wide_bytes_max) ||
             is_followed(search, header.length, end)) &&
            compare_if_affordable(search, &search->input->far, at, &header))
            return at;
    }
    return found;
}

/* The same in the whole gap. What is not followed by a header has an effort of its own, since it is
 * most of what is compared. */
static uint64_t find_large_in_gap(struct fls_salvage_search *search, uint64_t from, uint64_t found,
                                  int followed)
{
    const struct fls_salvage_bounds *bounds = &search->bounds;
    struct fls_salvage_sought sought = {.shortest = bounds->close_bytes_max + 1,
                                        .longest = bounds->wide_bytes_max,
                                        .end = found,
                                        .trail =
                                            trail_of(search, followed, bounds->wide_bytes_max)};

    return find(search, from, found, &sought);
}

uint64_t fls_salvage_find_large(struct fls_salvage_search *search, uint64_t from, uint64_t found,
                                uint64_t said)
{
    uint64_t small = search->bounds.small_bytes_max, first = found;

    swap_effort(search, &search->large_effort);
    if (said != 0) {
        uint64_t near = behind(from, said, small), to = fls_min_u64(said + small + 1, found);
        first = find_large_near(search, near, to, found, 1);
        if (first == found)
            first = find_large_near(search, near, to, found, 0);
        if (first < found && fls_salvage_is_closed(search, from + search->header - 1, first, 1))
            said = 0; /* by accident */
    }
    if (fls_salvage_is_open(search, from, first, said))
        first = find_large_in_gap(search, from, first, 1);
    swap_effort(search, &search->large_effort);
    if (fls_salvage_is_open(search, from, first, said)) {
        swap_effort(search, &search->rest_effort);
        first = find_large_in_gap(search, from, first, 0);
        swap_effort(search, &search->rest_effort);
    }
    return first;
}

/* Headers of which none leads to more than S bytes behind `found`, or as far as S bytes before it.
 */
static struct fls_salvage_trail trail_towards(const struct fls_salvage_search *search,
                                              uint64_t found)
{
    uint64_t small = search->bounds.small_bytes_max;

    return (struct fls_salvage_trail){HOPS, UINT64_MAX, found > small ? found - small : 0,
                                      found + small};
}

/* Does nothing between `from` and the frame at `found` look like a message? */
static int is_alone(struct fls_salvage_search *search, uint64_t from, uint64_t found)
{
    struct fls_salvage_sought held = {.longest =
                                          fls_min_u64(search->bounds.wide_bytes_max, found - from),
                                      .end = found,
                                      .trail = trail_towards(search, found)};

    return !fls_salvage_is_closed(search, from + search->header - 1, found, 1) &&
           find(search, from, found, &held) == found;
}

/* Is `said` far enough from `from`, and not too far, to look for a frame there? */
static int is_near_worth(const struct fls_salvage_search *search, uint64_t from, uint64_t said)
{
    return said > from + 2 * search->bounds.small_bytes_max &&
           said - from <= search->bounds.wide_bytes_max;
}

/* The first frame in [begin, stop) over C and at most `longest` that is in step and whose end leads
 * on; or `stop`. */
static uint64_t find_large_leading(struct fls_salvage_search *search, uint64_t begin, uint64_t stop,
                                   uint64_t longest)
{
    struct fls_salvage_sought large = in_step(search, longest);

    large.shortest = search->bounds.close_bytes_max + 1;
    large.leading = 1;
    return find(search, begin, stop, &large);
}

/* The frame at `said`, or the first that begins within S bytes of it: one in step before others,
 * and behind a damaged message of more than C bytes also a larger one; or 0. */
static uint64_t find_near(struct fls_salvage_search *search, uint64_t from, uint64_t said)
{
    const struct fls_salvage_bounds *bounds = &search->bounds;
    uint64_t begin = said - bounds->small_bytes_max, stop = said + bounds->small_bytes_max + 1;
    struct fls_salvage_sought small = in_step(search, bounds->close_bytes_max);

    if (fls_salvage_leads(search, said))
        return said;
    uint64_t found = find(search, begin, stop, &small);
    small.trail.headers = 0;
    if (found == stop)
        found = find(search, begin, stop, &small);
    if (found == stop && said - from > bounds->close_bytes_max) {
        found = find_large_leading(search, begin, stop, fls_salvage_middle_bytes_max(search));
        if (found == stop)
            found = find_large_leading(search, begin, stop, bounds->wide_bytes_max);
    }
    return found < stop ? found : 0;
}

/* Messages that may be damaged one behind the other, and still their lengths be followed. */
#define DAMAGED_MAX 16

/* The same; or near where the next message says that it ends, whose header is at `said`, and so on.
 */
static uint64_t find_near_next(struct fls_salvage_search *search, uint64_t from, uint64_t said)
{
    struct fls_salvage_header header;
    uint64_t found = 0;

    for (int i = 0; i < DAMAGED_MAX && is_near_worth(search, from, said); i++) {
        found = find_near(search, from, said);
        if (found != 0 || !fls_salvage_plausible(search, &search->input->far, said, &header))
            break;
        from = said + 1;
        said += search->header + header.length;
    }
    return found;
}

/* The next frame in step, where only the message that follows the damaged one, near `said`, lies
 * before it: that has a header which leads exactly there; or 0. */
static uint64_t find_behind_next(struct fls_salvage_search *search, uint64_t from, uint64_t said)
{
    uint64_t small = search->bounds.small_bytes_max;
    uint64_t found = find_step(search, from, search->input->end);

    if (found <= said + small || found - from > search->bounds.wide_bytes_max ||
        next_leading_to(search, said - small, found) > said + small)
        return 0;
    return found;
}

uint64_t fls_salvage_find_close(struct fls_salvage_search *search, uint64_t from, uint64_t said)
{
    if (!is_near_worth(search, from, said))
        return 0;
    int64_t before = search->effort;
    uint64_t found = find_near_next(search, from, said);
    if (found == 0)
        found = find_behind_next(search, from, said);
    if (found != 0 && !is_alone(search, from, found))
        found = 0;
    /* Only what is passed for good adds to the effort, not what is looked at here again and again.
     */
    if (search->effort > before)
        search->effort = before;
    if (found != 0)
        search->effort += (int64_t)(found - from) * search->effort_per_byte;
    return found;
}

uint64_t fls_salvage_find(struct fls_salvage_search *search, uint64_t from, uint64_t said)
{
    uint64_t found = find_step(search, from, search->input->end);
    uint64_t first = from;

    if (found - from > search->bounds.close_bytes_max && is_one_message(search, found, said))
        first = behind(from, said, search->bounds.small_bytes_max);
    found = find_in_gap(search, first, found);
    if (fls_salvage_is_open(search, from, found, said))
        found = find_chain(search, from, found);
    return found;
}
