/*
 * salvage_search.c: what is proven, and where is the next frame?
 *
 * A frame is proven when its checksum matches its payload (and the verifier accepts it). Hashing
 * whatever looks like a header would cost the square of the file: in a large file a quarter of all
 * random lengths are plausible. So the search first looks for a frame that has plausible headers
 * behind it, small ones before large ones. What lies before that is a gap, and in a gap nothing is
 * longer than the gap: there small frames are looked for whatever follows them, and then large
 * ones.
 *
 * Each place is looked at a fixed number of times: what was passed without result is remembered,
 * and the next search goes on behind it. What is compared is paid for out of purses; where one is
 * empty candidates are passed over, and the report counts them.
 */
#include <string.h>

#include "base/error.h"
#include "frame/checksum_fast.h"
#include "frame/frame_fast.h"
#include "journal/salvage_sieve.h"

/* So much is compared at once. */
#define BLOCK_BYTES ((size_t)256 * 1024)

/* What a comparison costs beside its bytes. */
#define COMPARISON_COST 64

/* Headers that must be plausible behind a frame in step. */
#define HOPS 3

/* Up to so many times C bytes a frame is of a middle size. */
#define MIDDLE 32

/* A frame in step goes before a larger one within so many times the bound of its size: C, the
 * middle, or W. */
#define STEP_FIRST 16

/* What is not larger is compared before what follows it is looked at. */
#define COMPARED_FIRST_BYTES 256

/* So much of what follows a candidate is in memory with it. */
#define AHEAD_BYTES ((size_t)128 * 1024)

#define TELL_BYTES (UINT64_C(1) << 20)

/* --- effort ------------------------------------------------------------------------------------
 */

/* Adds to a purse for what is before `offset`. */
static void earn(struct fls_salvage_search *search, enum fls_salvage_purse purse, uint64_t offset)
{
    struct fls_salvage_effort *effort = &search->effort[purse];
    uint64_t stretch = search->bounds.stretch_bytes;

    if (offset <= effort->reach)
        return;
    if (offset / stretch != effort->reach / stretch)
        effort->left = search->bounds.effort;
    else
        effort->left += (int64_t)(offset - effort->reach) * FLS_SALVAGE_EFFORT_PER_BYTE;
    effort->reach = offset;
}

void fls_salvage_reach(struct fls_salvage_search *search, uint64_t offset)
{
    for (int purse = 0; purse < FLS_SALVAGE_PURSES; purse++)
        earn(search, (enum fls_salvage_purse)purse, offset);
}

static int has_effort(const struct fls_salvage_search *search, enum fls_salvage_purse purse,
                      uint64_t bytes)
{
    return search->effort[purse].left >= (int64_t)bytes + COMPARISON_COST;
}

int fls_salvage_can_afford(struct fls_salvage_search *search, enum fls_salvage_purse purse,
                           uint64_t bytes)
{
    if (has_effort(search, purse, bytes))
        return 1;
    search->report->passed_over++;
    return 0;
}

static void take(struct fls_salvage_search *search, enum fls_salvage_purse purse, int64_t cost)
{
    struct fls_salvage_effort *effort = &search->effort[purse];

    effort->left -= cost;
    if (effort->left < effort->low)
        effort->low = effort->left;
}

void fls_salvage_spend(struct fls_salvage_search *search, enum fls_salvage_purse purse,
                       uint64_t bytes)
{
    search->report->comparisons++;
    search->report->bytes_compared += bytes;
    take(search, purse, (int64_t)bytes + COMPARISON_COST);
}

void fls_salvage_tell(struct fls_salvage_search *search, uint64_t offset)
{
    if (offset < search->told + TELL_BYTES)
        return;
    search->told = offset;
    if (search->progress)
        fls_salvage_fail(search->input, search->progress(search->context, offset));
}

/* --- proof ------------------------------------------------------------------------------------
 */

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

/* The same, as part of the search: paid for out of `purse`. Zero bytes prove nothing. */
static int compare_if_affordable(struct fls_salvage_search *search, enum fls_salvage_purse purse,
                                 struct fls_salvage_block *block, uint64_t offset,
                                 const struct fls_salvage_header *header)
{
    if (offset == search->known)
        return 1;
    if ((header->length == 0 && header->stored == 0) ||
        !fls_salvage_can_afford(search, purse, header->length))
        return 0;
    fls_salvage_spend(search, purse, header->length);
    return compare(search, block, offset, header, NULL);
}

static int follows(struct fls_salvage_search *search, uint64_t offset,
                   const struct fls_salvage_trail *trail)
{
    struct fls_salvage_header header;

    for (int i = 0; i < trail->headers && offset < trail->end; i++) {
        if (!fls_salvage_plausible(search, &search->input->far, offset, &header) ||
            header.length > trail->longest)
            return 0;
        offset += search->header + header.length;
        if (offset > trail->end)
            return 0;
    }
    return 1;
}

/* `headers` plausible ones, or as far as the end of the stream. */
static struct fls_salvage_trail trail_of(const struct fls_salvage_search *search, int headers,
                                         uint64_t longest)
{
    return (struct fls_salvage_trail){headers, longest, search->input->end};
}

/* Do offsets hop from `offset`; and, where the frame before it has more than W bytes, surely: is
 * the end among them, or one of at most W proven, or none so small? */
static int hops(struct fls_salvage_search *search, uint64_t offset, int surely)
{
    struct fls_salvage_trail trail = trail_of(search, HOPS, UINT64_MAX);
    struct fls_salvage_header header;
    int wide = 0;

    if (!follows(search, offset, &trail) || !surely)
        return follows(search, offset, &trail);
    for (int i = 0; i < HOPS && offset != search->input->end; i++) {
        if (!fls_salvage_plausible(search, &search->input->far, offset, &header))
            return 0;
        if (header.length > search->bounds.wide_bytes_max)
            wide++;
        else if (compare_if_affordable(search, FLS_SALVAGE_JUDGE, &search->input->far, offset,
                                       &header))
            return 1;
        offset += search->header + header.length;
    }
    return wide == HOPS || offset == search->input->end;
}

/* Is the frame at `offset` small, or can it be afforded, or does it have behind it what a frame
 * has? For such ones effort may be borrowed, not without bounds. */
static int is_worth_comparing(struct fls_salvage_search *search, enum fls_salvage_purse purse,
                              uint64_t offset, uint64_t length)
{
    const struct fls_salvage_bounds *bounds = &search->bounds;
    int is_wide = length > bounds->wide_bytes_max;

    if (length <= bounds->small_bytes_max || has_effort(search, purse, length))
        return 1;
    if (search->effort[purse].left > -bounds->effort &&
        hops(search, offset + search->header + length, is_wide))
        return 1;
    search->report->passed_over++;
    return 0;
}

/* What is larger than W is paid for apart: one wrong length may lead over most of the stream. */
static enum fls_salvage_purse purse_for(const struct fls_salvage_search *search,
                                        enum fls_salvage_purse purse, uint64_t length)
{
    return length > search->bounds.wide_bytes_max ? FLS_SALVAGE_REST : purse;
}

int fls_salvage_is_proven(struct fls_salvage_search *search, uint64_t offset,
                          const struct fls_salvage_header *header)
{
    enum fls_salvage_purse purse = purse_for(search, FLS_SALVAGE_ORDER, header->length);

    search->refusal.status = FLS_OK;
    if (offset == search->refuted)
        return 0;
    search->calculated = header->stored;
    if (offset == search->known)
        return 1;
    if (!is_worth_comparing(search, purse, offset, header->length))
        return 0;
    if (compare(search, &search->input->near, offset, header, &search->refusal))
        return 1;
    fls_salvage_spend(search, purse, header->length);
    return 0;
}

int fls_salvage_leads(struct fls_salvage_search *search, uint64_t offset)
{
    struct fls_salvage_header header;

    if (offset == search->input->end || offset == search->known)
        return 1;
    if (!fls_salvage_plausible(search, &search->input->far, offset, &header) ||
        (header.length == 0 && header.stored == 0))
        return 0;
    enum fls_salvage_purse purse = purse_for(search, FLS_SALVAGE_JUDGE, header.length);
    if (!is_worth_comparing(search, purse, offset, header.length))
        return 0;
    fls_salvage_spend(search, purse, header.length);
    return compare(search, &search->input->far, offset, &header, NULL);
}

int fls_salvage_matches(struct fls_salvage_search *search, uint64_t from, uint64_t to,
                        uint64_t stored)
{
    search->report->comparisons++;
    search->report->bytes_compared += to - from;
    return (to != from || stored != 0) && calculate_in_pieces(search, from, to - from) == stored &&
           search->input->status == FLS_OK && fls_salvage_accepts(search, from, to - from);
}

/* --- the search -------------------------------------------------------------------------------
 */

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
    if (header.length <= COMPARED_FIRST_BYTES && search->width > 0)
        return compare_if_affordable(search, sought->purse, block, offset, &header) &&
               follows(search, end, &sought->trail);
    return follows(search, end, &sought->trail) &&
           (header.length <= search->bounds.wide_bytes_max || hops(search, end, 1)) &&
           compare_if_affordable(search, sought->purse, block, offset, &header);
}

/* The least of the candidates' offsets, from `from` on, with what is sought; or `stop`. */
static uint64_t first_sought(struct fls_salvage_search *search, uint64_t from, uint64_t stop,
                             const struct fls_salvage_sought *sought,
                             const struct fls_salvage_candidates *candidates)
{
    for (size_t i = 0; i < candidates->count && search->input->status == FLS_OK; i++) {
        uint64_t at = from + candidates->places[i];
        earn(search, sought->purse, at + 1);
        fls_salvage_tell(search, at);
        if (is_sought(search, at, sought))
            return at;
    }
    earn(search, sought->purse, stop);
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
        uint64_t need = fls_min_u64(end - from, AHEAD_BYTES);
        window.bytes = fls_salvage_view(input, &input->near, from, need, &window.count);
        if (!window.bytes)
            break;
        size_t places = window.count - (search->header - 1);
        places = (size_t)fls_min_u64(fls_min_size(places, FLS_SALVAGE_SIEVE_PLACES), until - from);
        search->report->bytes_searched += places;
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

/* find, but for what was passed before, with the same in mind. */
static uint64_t find_further(struct fls_salvage_search *search, struct fls_salvage_passed *passed,
                             uint64_t from, uint64_t stop, const struct fls_salvage_sought *sought)
{
    int further = passed->end == sought->end && from >= passed->from && from <= passed->to;
    uint64_t begin = further ? fls_min_u64(passed->to, stop) : from;

    if (!further)
        passed->from = from;
    uint64_t found = find(search, begin, stop, sought);
    passed->to = further && passed->to > found ? passed->to : found;
    passed->end = sought->end;
    return found;
}

static uint64_t find_step(struct fls_salvage_search *search, uint64_t from, uint64_t end)
{
    uint64_t close = search->bounds.close_bytes_max, wide = search->bounds.wide_bytes_max;
    uint64_t longest[FLS_SALVAGE_STEPS] = {close, fls_min_u64(MIDDLE * close, wide), wide};
    uint64_t found = end, stop = from;

    for (int i = 0; i < FLS_SALVAGE_STEPS && found >= stop; i++) {
        struct fls_salvage_sought sought = {.longest = longest[i],
                                            .end = search->input->end,
                                            .trail = trail_of(search, HOPS, wide),
                                            .purse = FLS_SALVAGE_FIND};
        stop = longest[i] == wide ? end : from + fls_min_u64(end - from, STEP_FIRST * longest[i]);
        found = find_further(search, &search->no_step[i], from, stop, &sought);
    }
    return found;
}

uint64_t fls_salvage_find_in_step(struct fls_salvage_search *search, uint64_t from, uint64_t stop)
{
    return find_step(search, from, stop);
}

int fls_salvage_holds_frames(struct fls_salvage_search *search, uint64_t from, uint64_t to,
                             int unknown)
{
    uint64_t passed_over = search->report->passed_over, wide = search->bounds.wide_bytes_max;
    struct fls_salvage_sought small = {
        .longest = search->bounds.close_bytes_max, .end = to, .purse = FLS_SALVAGE_JUDGE};
    struct fls_salvage_sought large = {.shortest = search->bounds.close_bytes_max + 1,
                                       .longest = wide,
                                       .end = to,
                                       .trail = {HOPS, wide, to},
                                       .purse = FLS_SALVAGE_JUDGE};

    if (find(search, from, to, &small) < to || find(search, from, to, &large) < to)
        return 1;
    return search->report->passed_over != passed_over && unknown;
}

/* Is there room for another large message before `found`? Not where the gap is one message, that is
 * some bytes longer or shorter than it says. */
static int is_open(const struct fls_salvage_search *search, uint64_t from, uint64_t found,
                   uint64_t said)
{
    uint64_t off = found > said ? found - said : said - found;

    return found - from > search->bounds.close_bytes_max &&
           (said == 0 || off > search->bounds.small_bytes_max);
}

/* The first frame with a length from `shortest` to `longest` that begins near `said`, ends at
 * `found` or before, and is followed by one that is not longer; or `found`. */
static uint64_t find_large_near(struct fls_salvage_search *search, uint64_t from, uint64_t found,
                                uint64_t said, uint64_t shortest, uint64_t longest)
{
    uint64_t small = search->bounds.small_bytes_max;
    uint64_t near = said > from + small ? said - small : from;
    uint64_t to = fls_min_u64(said + small + 1, found);
    struct fls_salvage_sought sought = {.shortest = shortest,
                                        .longest = longest,
                                        .end = found,
                                        .trail = trail_of(search, 1, longest),
                                        .purse = FLS_SALVAGE_GAP};

    if (near >= to || !fls_salvage_can_afford(search, FLS_SALVAGE_GAP, to - near))
        return found;
    take(search, FLS_SALVAGE_GAP, (int64_t)(to - near));
    uint64_t first = find(search, near, to, &sought);
    return first < to ? first : found;
}

/* The first frame in the gap from `from` to `found`, small ones first; or `found`. */
static uint64_t find_in_gap(struct fls_salvage_search *search, uint64_t from, uint64_t found,
                            uint64_t said)
{
    uint64_t close = search->bounds.close_bytes_max, wide = search->bounds.wide_bytes_max;
    struct fls_salvage_sought sought = {.longest = close, .end = found, .purse = FLS_SALVAGE_GAP};

    found = find_further(search, &search->no_gap[0], from, found, &sought);
    if (said != 0 && is_open(search, from, found, said))
        found = find_large_near(search, from, found, said, close + 1, wide);
    if (said != 0 && is_open(search, from, found, said))
        found = find_large_near(search, from, found, said, wide + 1, search->limit);
    sought = (struct fls_salvage_sought){.shortest = close + 1,
                                         .longest = wide,
                                         .end = found,
                                         .trail = trail_of(search, 1, wide),
                                         .purse = FLS_SALVAGE_GAP};
    if (found - from > close)
        found = find_further(search, &search->no_gap[1], from, found, &sought);
    sought.longest = fls_min_u64(wide, STEP_FIRST * (close + 1));
    sought.trail.headers = 0;
    sought.end = found;
    sought.purse = FLS_SALVAGE_REST;
    if (is_open(search, from, found, said))
        found = find_further(search, &search->no_gap[2], from, found, &sought);
    return found;
}

uint64_t fls_salvage_find(struct fls_salvage_search *search, uint64_t from, uint64_t said)
{
    uint64_t found = find_step(search, from, search->input->end);

    return find_in_gap(search, from, found, said);
}

void fls_salvage_search_begin(struct fls_salvage_search *search, struct fls_salvage_input *input,
                              const struct fls_salvage_options *options,
                              const struct fls_salvage_bounds *bounds,
                              struct fls_salvage_report *report)
{
    struct fls_checksum checksum = {options->checksum, options->custom_checksum};
    size_t width = fls_checksum_bytes(checksum);

    *search = (struct fls_salvage_search){.input = input,
                                          .checksum = checksum,
                                          .width = width,
                                          .header = FLS_LENGTH_BYTES + width,
                                          .limit = fls_payload_limit(options->payload_bytes_max),
                                          .alignment = options->alignment ? options->alignment
                                                                          : FLS_ALIGNMENT_DEFAULT,
                                          .verifier = options->verifier,
                                          .bounds = *bounds,
                                          .report = report,
                                          .progress = options->progress,
                                          .context = options->context,
                                          .known = UINT64_MAX,
                                          .refuted = UINT64_MAX};
    for (int i = 0; i < FLS_SALVAGE_PURSES; i++)
        search->effort[i] = (struct fls_salvage_effort){bounds->effort, bounds->effort, 0};
}
