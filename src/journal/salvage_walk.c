/*
 * salvage_walk.c: the walk through a damaged stream, by the rules of docs/format.md, section 9.
 *
 * The walk stands at a position `at`. Either the frame there is in order, is delivered, and the
 * walk goes on behind it; or there is damage, and the walk finds out how far it reaches. Everything
 * before `at` has been delivered, or is in a region told or about to be told: no byte is in both,
 * and none in neither.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "frame/checksum_fast.h"
#include "frame/frame_fast.h"
#include "journal/salvage_walk.h"

/* What is delivered at once. */
#define RUN_BYTES_MAX ((size_t)512 * 1024)

static void stop_for(struct fls_salvage_walk *walk, enum fls_status status)
{
    if (walk->input.status == FLS_OK && status != FLS_OK) {
        walk->input.status = status;
        fls_error_set(&walk->input.error, status, "stopped by the caller");
    }
}

/* --- events ------------------------------------------------------------------------------------
 */

void fls_salvage_close_lost(struct fls_salvage_walk *walk)
{
    if (walk->lost.bytes == 0 || !fls_salvage_goes_on(walk))
        return;
    walk->report->regions_lost++;
    walk->report->bytes_lost += walk->lost.bytes;
    walk->run = 0;
    if (walk->options->region)
        stop_for(walk, walk->options->region(walk->options->context, &walk->lost));
    walk->lost.bytes = 0;
}

/* Everything from `at` to `to` is lost, for the reason in `error`. */
static void lose(struct fls_salvage_walk *walk, uint64_t to, const struct fls_error *error)
{
    if (walk->lost.bytes == 0) {
        walk->lost.offset = walk->at;
        walk->lost.frame = walk->report->frames;
        walk->lost.error = *error;
        fls_error_locate(&walk->lost.error, walk->report->frames, walk->at);
    }
    walk->lost.bytes += to - walk->at;
    walk->at = to;
    fls_salvage_reach(&walk->search, to);
}

/* Frames have been delivered, the last of which has `length` bytes of payload and ends at `to`. */
static void pass(struct fls_salvage_walk *walk, uint64_t to, uint64_t length, uint64_t frames,
                 uint64_t payload_bytes)
{
    struct fls_salvage_report *report = walk->report;

    report->frames += frames;
    report->payload_bytes += payload_bytes;
    walk->run += frames;
    if (walk->run > report->longest_run)
        report->longest_run = walk->run;
    walk->at = to;
    walk->last_from = to - length;
    walk->last_to = to;
    fls_salvage_reach(&walk->search, to);
}

/* Delivers the message of the `length` bytes behind the header at `at`, and goes on behind it. */
static void deliver(struct fls_salvage_walk *walk, uint64_t length)
{
    struct fls_salvage_report *report = walk->report;
    struct fls_message message = {NULL, (size_t)length, report->frames, walk->at};
    uint64_t frame_bytes = walk->search.header + length;

    fls_salvage_close_lost(walk);
    if (walk->options->message && fls_salvage_goes_on(walk)) {
        const uint8_t *frame =
            fls_salvage_view(&walk->input, &walk->input.near, walk->at, frame_bytes, NULL);
        if (frame)
            message.payload =
                fls_salvage_align(&walk->search, frame + walk->search.header, (size_t)length);
        if (message.payload)
            stop_for(walk, walk->options->message(walk->options->context, &message));
    }
    if (fls_salvage_goes_on(walk))
        pass(walk, walk->at + frame_bytes, length, 1, length);
}

/* Delivers them one by one. */
static void deliver_each(struct fls_salvage_walk *walk, uint64_t frames)
{
    while (frames-- > 0 && fls_salvage_goes_on(walk)) {
        const uint8_t *header =
            fls_salvage_view(&walk->input, &walk->input.near, walk->at, walk->search.header, NULL);
        if (header)
            deliver(walk, fls_header_payload_bytes(header));
    }
}

/* Delivers frames that reach from `at` to `to`, the last of them with a payload of `last` bytes. */
static void deliver_frames(struct fls_salvage_walk *walk, uint64_t to, uint64_t frames,
                           uint64_t last)
{
    const struct fls_salvage_options *options = walk->options;
    uint64_t length = to - walk->at;

    fls_salvage_close_lost(walk);
    if (options->message && !options->frames) {
        deliver_each(walk, frames);
        return;
    }
    if (options->frames && fls_salvage_goes_on(walk)) {
        const uint8_t *bytes =
            fls_salvage_view(&walk->input, &walk->input.near, walk->at, length, NULL);
        if (bytes)
            stop_for(walk, options->frames(options->context, bytes, (size_t)length,
                                           walk->report->frames, walk->at, frames));
    }
    if (fls_salvage_goes_on(walk))
        pass(walk, to, last, frames, length - frames * walk->search.header);
}

/* The message at `at` is mended: it ends at `end`. */
static void mend(struct fls_salvage_walk *walk, uint64_t end, const struct fls_error *error)
{
    struct fls_salvage_region region = {.offset = walk->at,
                                        .bytes = FLS_LENGTH_BYTES,
                                        .frame = walk->report->frames,
                                        .mended = 1,
                                        .error = *error};

    fls_salvage_close_lost(walk);
    fls_error_locate(&region.error, region.frame, region.offset);
    if (walk->options->region && fls_salvage_goes_on(walk))
        stop_for(walk, walk->options->region(walk->options->context, &region));
    deliver(walk, end - walk->at - walk->search.header);
    walk->report->mended += (uint64_t)fls_salvage_goes_on(walk);
}

/* Adds to the notes, if any are taken. */
static void note(struct fls_salvage_walk *walk, const struct fls_salvage_event *event)
{
    struct fls_salvage_notes *notes = walk->notes;

    if (!notes)
        return;
    size_t used = notes->count * sizeof *notes->list;
    if (fls_buffer_reserve(&notes->memory, used + sizeof *notes->list, used) != FLS_OK) {
        fls_salvage_fail(&walk->input, FLS_NO_MEMORY);
        return;
    }
    notes->list = (struct fls_salvage_note *)(void *)notes->memory.bytes;
    struct fls_salvage_note *last = &notes->list[notes->count++];
    last->event = *event;
    if (event->error)
        last->error = *event->error;
}

void fls_salvage_apply(struct fls_salvage_walk *walk, const struct fls_salvage_event *event)
{
    note(walk, event);
    switch (event->kind) {
    case FLS_SALVAGE_FRAMES:
        deliver_frames(walk, event->to, event->frames, event->last);
        break;
    case FLS_SALVAGE_MESSAGE:
        deliver(walk, event->to - walk->at - walk->search.header);
        break;
    case FLS_SALVAGE_MENDED:
        mend(walk, event->to, event->error);
        break;
    case FLS_SALVAGE_LOST:
        lose(walk, event->to, event->error);
        break;
    }
}

/* Keeps that the frame at `offset` is none, for the next step. */
static void refute(struct fls_salvage_search *search, uint64_t offset, uint64_t bytes,
                   uint64_t calculated)
{
    fls_salvage_spend(search, FLS_SALVAGE_ORDER, bytes);
    search->refuted = offset;
    search->calculated = calculated;
}

/* May it be none? Else that is looked at closer. */
static int is_affordable(const struct fls_salvage_search *search, uint64_t bytes)
{
    return bytes <= search->bounds.small_bytes_max ||
           search->effort[FLS_SALVAGE_ORDER].left > (int64_t)bytes;
}

/* The usual, where the checksum alone proves a frame: frames of at most C bytes in order. Delivers
 * those that lie in one block behind `at`, at once, up to `run_to`. Returns 0 when there is none.
 */
static int deliver_run(struct fls_salvage_walk *walk)
{
    struct fls_salvage_search *search = &walk->search;
    size_t header = search->header, available = 0, length = 0;
    uint64_t longest = fls_min_u64(search->bounds.close_bytes_max, search->limit);
    uint64_t count = 0, last = 0;

    if (search->verifier || walk->input.end - walk->at < header || walk->at == search->refuted)
        return 0;
    const uint8_t *bytes =
        fls_salvage_view(&walk->input, &walk->input.near, walk->at, header, &available);
    available = fls_min_size(available, RUN_BYTES_MAX);
    if (walk->run_to > walk->at)
        available = (size_t)fls_min_u64(available, walk->run_to - walk->at);
    while (bytes && available - length >= header) {
        const uint8_t *frame = bytes + length;
        uint64_t payload = fls_header_payload_bytes(frame);
        uint64_t stored = fls_header_checksum(frame, search->width);
        if (payload > longest || payload > available - length - header ||
            (payload == 0 && stored == 0) || !is_affordable(search, payload))
            break;
        uint64_t calculated = fls_checksum_fast(search->checksum, frame + header, (size_t)payload);
        if (calculated != stored) {
            refute(search, walk->at + length, payload, calculated);
            break;
        }
        length += header + (size_t)payload;
        last = payload;
        count++;
    }
    if (count == 0)
        return 0;
    fls_salvage_apply(walk, &(struct fls_salvage_event){.kind = FLS_SALVAGE_FRAMES,
                                                        .to = walk->at + length,
                                                        .frames = count,
                                                        .last = last});
    return 1;
}

/* --- in order ---------------------------------------------------------------------------------
 */

/* The offset of the first byte from `at` on that is not zero. */
static uint64_t end_of_zeros(struct fls_salvage_walk *walk)
{
    uint64_t at = walk->zeros_to > walk->at ? walk->zeros_to : walk->at;
    size_t available;

    while (walk->zeros_to <= walk->at && at < walk->input.end) {
        const uint8_t *bytes = fls_salvage_view(&walk->input, &walk->input.far, at, 1, &available);
        size_t zeros = 0;
        if (!bytes)
            return at;
        while (zeros < available && bytes[zeros] == 0)
            zeros++;
        at += zeros;
        fls_salvage_tell(&walk->search, at);
        if (zeros < available)
            break;
    }
    walk->zeros_to = at;
    return at;
}

/* Does an empty message's frame consist of zero bytes only? */
static int empty_is_zeros(const struct fls_salvage_walk *walk)
{
    return fls_checksum_of(walk->search.checksum, NULL, 0) == 0;
}

/* A sector that was lost reads as so many zero bytes. */
#define SECTOR_BYTES 512

/* How many zero bytes lie before `at`, as far as that matters. */
static uint64_t zeros_before(struct fls_salvage_walk *walk)
{
    uint64_t count = fls_min_u64(walk->at, SECTOR_BYTES), zeros = 0;
    const uint8_t *bytes =
        fls_salvage_view(&walk->input, &walk->input.far, walk->at - count, count, NULL);

    while (bytes && zeros < count && bytes[count - 1 - zeros] == 0)
        zeros++;
    return zeros;
}

/* Are empty frames of zero bytes in order here? Only if they lead to a frame that is proven, and
 * are no lost sector. */
static int zeros_in_order(struct fls_salvage_walk *walk)
{
    if (walk->at < walk->in_order_to)
        return 1;
    uint64_t zeros = end_of_zeros(walk) - walk->at;
    uint64_t behind = walk->at + zeros / walk->search.header * walk->search.header;
    if (zeros + zeros_before(walk) >= SECTOR_BYTES || behind == walk->input.end ||
        !fls_salvage_accepts(&walk->search, walk->at, 0) ||
        !fls_salvage_leads(&walk->search, behind))
        return 0;
    walk->in_order_to = behind;
    return 1;
}

static int in_order(struct fls_salvage_walk *walk, const struct fls_salvage_header *header)
{
    walk->search.refusal.status = FLS_OK;
    if (header->length == 0 && header->stored == 0)
        return empty_is_zeros(walk) && zeros_in_order(walk);
    return fls_salvage_is_proven(&walk->search, walk->at, header);
}

/* --- damage -----------------------------------------------------------------------------------
 */

/* What a reader would say of the frame at `at`, that is not in order. */
static void describe(struct fls_salvage_walk *walk, int plausible,
                     const struct fls_salvage_header *header, struct fls_error *error)
{
    struct fls_salvage_search *search = &walk->search;
    uint64_t there = walk->input.end - walk->at;

    memset(error, 0, sizeof *error);
    if (there < search->header)
        fls_error_numbers(error, FLS_UNEXPECTED_END, FLS_PART_HEADER, search->header, there);
    else if (!plausible && header->length > search->limit)
        fls_error_numbers(error, FLS_INVALID_FRAME, FLS_PART_HEADER, search->limit, header->length);
    else if (!plausible)
        fls_error_numbers(error, FLS_UNEXPECTED_END, FLS_PART_PAYLOAD, header->length,
                          there - search->header);
    else if (header->length == 0 && header->stored == 0 && empty_is_zeros(walk))
        fls_error_set(error, FLS_INVALID_FRAME, "zero bytes, which lead to no frame");
    else if (header->length == 0 && header->stored == 0)
        fls_error_numbers(error, FLS_CHECKSUM_MISMATCH, FLS_PART_PAYLOAD, 0,
                          fls_checksum_of(search->checksum, NULL, 0));
    else if (search->refusal.status != FLS_OK)
        *error = search->refusal;
    else if (search->calculated != header->stored)
        fls_error_numbers(error, FLS_CHECKSUM_MISMATCH, FLS_PART_PAYLOAD, header->stored,
                          search->calculated);
    else
        fls_error_set(error, FLS_INVALID_FRAME, "%" PRIu64 " bytes of payload are not proven",
                      header->length);
}

/* The length of the damaged message at `at` leads to a frame, or the end, at `said`. By accident,
 * if others lie before it, and are not held by the message as the one before holds some? */
static int is_doubtful(struct fls_salvage_walk *walk, uint64_t said)
{
    struct fls_salvage_search *search = &walk->search;

    return fls_salvage_holds_frames(search, walk->at + search->header, said, 1) &&
           !fls_salvage_holds_frames(search, walk->last_from, walk->last_to, 0);
}

/* Is the message at `at`, whose end is not there, torn, although a frame was found behind? */
static int is_torn(struct fls_salvage_walk *walk, const struct fls_salvage_header *header)
{
    struct fls_salvage_search *search = &walk->search;

    return walk->at + search->header <= walk->input.end &&
           header->length <= fls_min_u64(search->bounds.close_bytes_max, search->limit) &&
           fls_salvage_holds_frames(search, walk->last_from, walk->last_to, 0);
}

/* Is the message at `at` whole but for its length: does it end at `to`, where the next was found?
 */
static int is_mended(struct fls_salvage_walk *walk, const struct fls_salvage_header *header,
                     uint64_t to)
{
    struct fls_salvage_search *search = &walk->search;
    uint64_t from = walk->at + search->header;

    return search->width >= FLS_SALVAGE_STRONG_BYTES && to >= from &&
           to - from <= fls_min_u64(search->limit, search->bounds.wide_bytes_max) &&
           fls_salvage_leads(search, to) && fls_salvage_matches(search, from, to, header->stored);
}

static void pass_damage(struct fls_salvage_walk *walk, int plausible,
                        const struct fls_salvage_header *header)
{
    struct fls_salvage_search *search = &walk->search;
    uint64_t said = plausible ? walk->at + search->header + header->length : 0;
    struct fls_salvage_event event = {.kind = FLS_SALVAGE_LOST, .to = said};
    struct fls_error error;

    describe(walk, plausible, header, &error);
    event.error = &error;
    int leads = plausible && fls_salvage_leads(search, said);
    if (!leads || is_doubtful(walk, said)) {
        event.to = fls_salvage_find(search, walk->at + 1, leads ? 0 : said);
        if (is_mended(walk, header, event.to))
            event.kind = FLS_SALVAGE_MENDED;
        else if (!plausible && is_torn(walk, header))
            event.to = walk->input.end;
    }
    if (fls_salvage_goes_on(walk))
        fls_salvage_apply(walk, &event);
}

void fls_salvage_step(struct fls_salvage_walk *walk)
{
    struct fls_salvage_header header = {0, 0};

    if (deliver_run(walk)) {
        fls_salvage_tell(&walk->search, walk->at);
        return;
    }
    int plausible = fls_salvage_plausible(&walk->search, &walk->input.near, walk->at, &header);

    if (!fls_salvage_goes_on(walk))
        return;
    if (plausible && in_order(walk, &header))
        fls_salvage_apply(walk, &(struct fls_salvage_event){.kind = FLS_SALVAGE_MESSAGE,
                                                            .to = walk->at + walk->search.header +
                                                                  header.length});
    else if (fls_salvage_goes_on(walk))
        pass_damage(walk, plausible, &header);
    fls_salvage_tell(&walk->search, walk->at);
}

void fls_salvage_walk_begin(struct fls_salvage_walk *walk,
                            const struct fls_salvage_options *options,
                            const struct fls_salvage_bounds *bounds,
                            struct fls_salvage_report *report)
{
    memset(report, 0, sizeof *report);
    walk->options = options;
    walk->report = report;
    fls_salvage_search_begin(&walk->search, &walk->input, options, bounds, report);
}

void fls_salvage_walk_end(struct fls_salvage_walk *walk)
{
    fls_buffer_free(&walk->search.aligned);
    fls_salvage_input_free(&walk->input);
}
