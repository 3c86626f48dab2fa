/*
 * tail.c: see tail.h.
 *
 * Who is about to cut bytes off wants to know one thing: can a whole frame be among them? So, other
 * than salvage, which has to say where each message is, this tries every offset under every kind,
 * whatever lies around it, and stops at the first that it finds. Where that would take too long it
 * says so, and the bytes are kept all the same: it errs on one side only.
 *
 * Frames under crc32 and xxh3 (and custom checksums of 4 bytes or more) prove themselves. One under
 * crc16 agrees by chance once in 65,536 comparisons: it counts where another follows it, or where
 * nothing but zeros is before or behind it. Where the checksum assumed is narrower than 4 bytes it
 * proves nothing, and rules nothing out: neither what it allows itself, nor one frame under crc16,
 * nor that frames of the stream's true kind were misread before the tail, and one of them reaches
 * into it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "frame/checksum_fast.h"
#include "frame/frame_fast.h"
#include "journal/tail.h"

/* So much of the file is in memory; a frame that begins in it and has at most AHEAD_BYTES lies in
 * it whole. What is larger is read in pieces. */
#define WINDOW_BYTES ((size_t)1 << 20)
#define AHEAD_BYTES ((size_t)64 << 10)
#define PIECE_BYTES ((size_t)256 << 10)

/* What may be compared, in bytes: so many, and so many more for each byte of the tail. */
#define EFFORT (INT64_C(256) << 20)
#define EFFORT_PER_BYTE 64
#define EFFORT_PER_CANDIDATE 64
#define BYTES_MAX (UINT64_C(1) << 50)

#define STRONG_BYTES 4

/* How far before the tail frames are looked for that reach into it. Where what is there is proven
 * only the first bytes of a length can be, as zeros of an empty frame. */
#define BACK_BYTES (UINT64_C(16) << 20)
#define BACK_BYTES_PROVEN (FLS_LENGTH_BYTES - 1)
#define KINDS_MAX 4

/*
 *   kinds, widths     what is tried; `least` is the narrowest header
 *   bytes, at, count  the window: `count` bytes from file offset `at` on
 *   back              where the search begins, at or before `from`
 *   first, last       the first byte that is not zero, and what is behind the last
 */
struct search {
    int fd;
    int is_proven; /* what was read with the checksum assumed */
    uint64_t back;
    uint64_t from;
    uint64_t to;
    struct fls_checksum assumed;
    struct fls_checksum kinds[KINDS_MAX + 1];
    size_t widths[KINDS_MAX + 1];
    size_t kind_count;
    size_t least;
    uint8_t *bytes;
    uint8_t *piece;
    uint64_t at;
    size_t count;
    uint64_t first;
    uint64_t last;
    int64_t effort;
    struct fls_tail *tail;
    struct fls_error *error;
    enum fls_status status;
};

/* A frame that may begin at `offset`, under one of the kinds. */
struct candidate {
    uint64_t offset;
    uint64_t length;
    uint64_t stored;
    struct fls_checksum checksum;
    size_t width;
};

/* --- the bytes --------------------------------------------------------------------------------
 */

static int read_at(struct search *search, uint8_t *bytes, size_t count, uint64_t offset)
{
    size_t done = 0;

    while (done < count && search->status == FLS_OK) {
        ssize_t got = pread(search->fd, bytes + done, count - done, (off_t)(offset + done));
        if (got > 0)
            done += (size_t)got;
        else if (got == 0)
            search->status =
                fls_error_set(search->error, FLS_IO, "the file became shorter meanwhile");
        else if (errno != EINTR)
            search->status = fls_error_system(search->error, "pread", errno);
    }
    return search->status == FLS_OK;
}

static int load(struct search *search, uint64_t at)
{
    search->at = at;
    search->count = (size_t)fls_min_u64(WINDOW_BYTES, search->to - at);
    return read_at(search, search->bytes, search->count, at);
}

static size_t leading_zeros(const uint8_t *bytes, size_t count)
{
    size_t zeros = 0;

    while (zeros < count && bytes[zeros] == 0)
        zeros++;
    return zeros;
}

static size_t trailing_zeros(const uint8_t *bytes, size_t count)
{
    size_t rest = count;

    while (rest > 0 && bytes[rest - 1] == 0)
        rest--;
    return count - rest;
}

/* Finds what is not zero: [first, last); both are `to` where all is. */
static void find_filled(struct search *search)
{
    size_t zeros = 0, once = 0;

    search->first = search->is_proven ? search->from : search->back;
    while (zeros == once && search->first < search->to) {
        once = (size_t)fls_min_u64(PIECE_BYTES, search->to - search->first);
        if (!read_at(search, search->piece, once, search->first))
            return;
        zeros = leading_zeros(search->piece, once);
        search->first += zeros;
    }
    zeros = once = 0;
    search->last = search->to;
    while (zeros == once && search->last > search->first) {
        once = (size_t)fls_min_u64(PIECE_BYTES, search->last - search->first);
        if (!read_at(search, search->piece, once, search->last - once))
            return;
        zeros = trailing_zeros(search->piece, once);
        search->last -= zeros;
    }
}

/* --- one candidate ----------------------------------------------------------------------------
 */

static uint64_t end_of(const struct candidate *candidate)
{
    return candidate->offset + FLS_LENGTH_BYTES + candidate->width + candidate->length;
}

static uint64_t calculate_in_pieces(struct search *search, const struct candidate *candidate)
{
    struct fls_checksum_state state;
    uint64_t end = end_of(candidate), at = end - candidate->length;

    fls_checksum_begin(&state, candidate->checksum);
    while (at < end) {
        size_t once = (size_t)fls_min_u64(PIECE_BYTES, end - at);
        if (!read_at(search, search->piece, once, at))
            return 0;
        fls_checksum_update(&state, search->piece, once);
        at += once;
    }
    return fls_checksum_finish(&state);
}

static uint64_t calculate(struct search *search, const struct candidate *candidate)
{
    uint64_t within = candidate->offset - search->at;
    uint64_t frame_bytes = end_of(candidate) - candidate->offset;

    if (within > search->count || frame_bytes > search->count - within)
        return calculate_in_pieces(search, candidate);
    const uint8_t *payload = search->bytes + within + (frame_bytes - candidate->length);
    return fls_checksum_fast(candidate->checksum, payload, (size_t)candidate->length);
}

/* Does its checksum agree? No, where that cannot be afforded any more. */
static int agrees(struct search *search, const struct candidate *candidate)
{
    uint64_t differing;

    if (candidate->width == 0)
        return 1;
    search->effort -= (int64_t)candidate->length + EFFORT_PER_CANDIDATE;
    if (search->effort < 0)
        return 0;
    differing = calculate(search, candidate) ^ candidate->stored;
    return search->status == FLS_OK && differing << (64 - 8 * candidate->width) == 0;
}

/* Zeros prove nothing; and a checksum of which more than half is zero bytes is taken for a number
 * in a payload, which has many: of real ones, one in 50,000 (crc16) to 2 * 10^10 (xxh3) is like
 * that. */
static int is_of_zeros(const struct candidate *candidate, int is_assumed)
{
    size_t zeros = 0;

    for (size_t i = 0; i < candidate->width; i++)
        zeros += (candidate->stored >> 8 * i & 0xff) == 0;
    if (candidate->length == 0)
        return candidate->stored == 0;
    return zeros > candidate->width / 2 && !(is_assumed && candidate->width < STRONG_BYTES);
}

/* Does another frame of this kind follow? */
static int is_followed(struct search *search, const struct candidate *candidate)
{
    struct candidate next = *candidate;
    uint8_t header[FLS_FRAME_HEADER_BYTES_MAX];
    size_t header_bytes = FLS_LENGTH_BYTES + candidate->width;

    next.offset = end_of(candidate);
    if (search->to - next.offset < header_bytes ||
        !read_at(search, header, header_bytes, next.offset))
        return 0;
    next.length = fls_header_payload_bytes(header);
    next.stored = fls_header_checksum(header, next.width);
    return next.length <= search->to - next.offset - header_bytes && !is_of_zeros(&next, 0) &&
           agrees(search, &next);
}

/* One that agrees, and is no proof: what may be a frame is kept where nothing is proven. */
static void note_unproven(struct search *search, const struct candidate *candidate, int is_assumed)
{
    if (!is_assumed && (search->is_proven || candidate->offset >= search->from))
        return;
    if (is_assumed && candidate->offset < search->from)
        return; /* it was not read so */
    search->tail->why = FLS_ASIDE_UNPROVEN;
    search->tail->keep_from = fls_min_u64(search->tail->keep_from, candidate->offset);
}

/* Does one that agrees prove that there are frames? */
static int proves(struct search *search, const struct candidate *candidate, int is_assumed)
{
    if (candidate->width >= STRONG_BYTES)
        return 1;
    note_unproven(search, candidate, is_assumed);
    if (candidate->width == 0)
        return 0;
    return candidate->offset <= search->first || candidate->offset == search->from ||
           end_of(candidate) >= search->last || is_followed(search, candidate);
}

static void note_proven(struct search *search, const struct candidate *candidate)
{
    struct fls_tail *tail = search->tail;

    tail->why = FLS_ASIDE_FRAMES;
    tail->kind = candidate->checksum.kind;
    tail->offset = candidate->offset;
    tail->keep_from = fls_min_u64(tail->keep_from, candidate->offset);
}

/* --- the search -------------------------------------------------------------------------------
 */

/* Is there a whole frame at `offset`, whose length may be right under one kind at least? */
static int is_frame_at(struct search *search, uint64_t offset, const uint8_t *header)
{
    struct candidate candidate = {.offset = offset, .length = fls_header_payload_bytes(header)};

    for (size_t i = 0; i < search->kind_count && search->effort >= 0; i++) {
        int is_assumed = search->kinds[i].kind == search->assumed.kind;
        candidate.checksum = search->kinds[i];
        candidate.width = search->widths[i];
        if (end_of(&candidate) > search->to || end_of(&candidate) <= search->from)
            continue;
        candidate.stored = fls_header_checksum(header, candidate.width);
        if (!is_of_zeros(&candidate, is_assumed) && agrees(search, &candidate) &&
            proves(search, &candidate, is_assumed)) {
            note_proven(search, &candidate);
            return 1;
        }
    }
    return 0;
}

/* Goes through the window's first `places` offsets. Non-zero: there is no need to go on. */
static int look_in_window(struct search *search, size_t places)
{
    for (size_t i = 0; i < places; i++) {
        uint64_t offset = search->at + i;
        if (fls_header_payload_bytes(search->bytes + i) > search->to - offset - search->least)
            continue;
        if (is_frame_at(search, offset, search->bytes + i) || search->status != FLS_OK)
            return 1;
        if (search->effort < 0) {
            search->tail->why = FLS_ASIDE_UNSEARCHED;
            return 1;
        }
    }
    return 0;
}

static void look(struct search *search)
{
    uint64_t at = search->back;
    int is_done = 0;

    find_filled(search);
    search->effort =
        EFFORT + EFFORT_PER_BYTE * (int64_t)fls_min_u64(search->to - search->from, BYTES_MAX);
    /* A frame that is of more than zeros begins at most three bytes before the first that is not.
     */
    if (search->first - at > FLS_LENGTH_BYTES)
        at = search->first - FLS_LENGTH_BYTES;
    while (search->status == FLS_OK && !is_done && at < search->last &&
           search->to - at >= search->least && load(search, at)) {
        int is_last = at + search->count == search->to;
        size_t places = search->count - (is_last ? search->least - 1 : AHEAD_BYTES);
        is_done = look_in_window(search, places);
        at += places;
    }
}

static void add_kind(struct search *search, struct fls_checksum checksum)
{
    size_t width = fls_checksum_bytes(checksum);

    search->kinds[search->kind_count] = checksum;
    search->widths[search->kind_count++] = width;
    search->least = fls_min_size(search->least, FLS_LENGTH_BYTES + width);
}

static void choose_kinds(struct search *search, struct fls_checksum assumed)
{
    search->least = FLS_FRAME_HEADER_BYTES_MAX;
    for (int kind = FLS_CHECKSUM_CRC16; kind <= FLS_CHECKSUM_XXH3; kind++)
        add_kind(search, (struct fls_checksum){(enum fls_checksum_kind)kind, NULL});
    if (assumed.kind == FLS_CHECKSUM_NONE || assumed.kind == FLS_CHECKSUM_CUSTOM)
        add_kind(search, assumed);
}

enum fls_status fls_tail_look(const char *path, uint64_t from, uint64_t to,
                              struct fls_checksum assumed, struct fls_tail *tail,
                              struct fls_error *error)
{
    struct search search = {
        .from = from, .to = to, .assumed = assumed, .tail = tail, .error = error};

    *tail = (struct fls_tail){FLS_ASIDE_NOT, FLS_CHECKSUM_NONE, 0, from};
    choose_kinds(&search, assumed);
    search.is_proven = fls_checksum_bytes(assumed) >= STRONG_BYTES;
    search.back = from - fls_min_u64(from, search.is_proven ? BACK_BYTES_PROVEN : BACK_BYTES);
    search.status = fls_os_open(path, O_RDONLY, &search.fd, error);
    if (search.status != FLS_OK)
        return search.status;
    search.bytes = malloc(WINDOW_BYTES + PIECE_BYTES);
    search.piece = search.bytes + WINDOW_BYTES;
    if (search.bytes)
        look(&search);
    else
        search.status = fls_error_no_memory(error, WINDOW_BYTES + PIECE_BYTES);
    free(search.bytes);
    (void)fls_os_close(search.fd, NULL);
    return search.status;
}
