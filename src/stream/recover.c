/*
 * recover.c: how far a stream is intact.
 *
 * The scan is the reader's own reading. Only an unexpected end makes a torn tail; whatever else
 * goes wrong is damage, and authorises nothing.
 */
#include <inttypes.h>
#include <string.h>

#include <flatstream/recover.h>

#include "base/arguments.h"
#include "base/error.h"
#include "stream/reader.h"

/* Reading stopped for a reason that says nothing about the stream. */
static int cannot_go_on(enum fls_status status)
{
    return status == FLS_AGAIN || status == FLS_IO || status == FLS_NO_MEMORY ||
           status == FLS_INVALID_ARGUMENT;
}

/* A scan under way. `zeros_open`: the last frames seen, from `zeros` on, were of zero bytes only.
 */
struct scan {
    struct fls_reader *reader;
    struct fls_recovery *recovery;
    uint64_t first_frame;
    int empty_is_zeros;
    int zeros_open;
    struct fls_recovery zeros;
};

static void note_message(struct scan *scan, const struct fls_message *message)
{
    struct fls_recovery *recovery = scan->recovery;

    if (!scan->empty_is_zeros || message->bytes > 0) {
        scan->zeros_open = 0;
    } else if (!scan->zeros_open) {
        scan->zeros_open = 1;
        scan->zeros = *recovery;
    }
    recovery->frames++;
    recovery->payload_bytes += message->bytes;
    fls_reader_position(scan->reader, &recovery->good_offset, NULL);
}

static enum fls_status read_all(struct scan *scan)
{
    struct fls_message message;
    enum fls_status status;

    while ((status = fls_reader_next(scan->reader, &message)) == FLS_OK)
        note_message(scan, &message);
    return status;
}

/* Files how the reading ended, by the wire format's rules. */
static void file_end(struct scan *scan, enum fls_status status)
{
    struct fls_recovery *recovery = scan->recovery;

    recovery->end = FLS_STREAM_CLEAN;
    if (status == FLS_END)
        return;
    recovery->error = *fls_reader_error(scan->reader);
    recovery->end = FLS_STREAM_CORRUPT;
    if (status == FLS_UNEXPECTED_END) {
        recovery->end = FLS_STREAM_TORN;
        recovery->tail_bytes = recovery->error.found;
        if (recovery->error.part == FLS_PART_PAYLOAD)
            recovery->tail_bytes += fls_reader_header_bytes(scan->reader);
    }
}

/* The whole tail from `from` on, of `bytes` bytes, is zeros: torn there. */
static void file_zero_tail(struct fls_recovery *recovery, const struct fls_recovery *from,
                           uint64_t first_frame, uint64_t bytes)
{
    recovery->frames = from->frames;
    recovery->payload_bytes = from->payload_bytes;
    recovery->good_offset = from->good_offset;
    recovery->tail_bytes = bytes;
    recovery->end = FLS_STREAM_TORN;
    fls_error_set(&recovery->error, FLS_UNEXPECTED_END, "the stream ends in %" PRIu64 " zero bytes",
                  bytes);
    fls_error_locate(&recovery->error, first_frame + from->frames, from->good_offset);
    recovery->error.found = bytes;
}

/* Is the frame that failed its checksum one of zero bytes only? */
static int failed_on_zeros(const struct scan *scan)
{
    uint64_t offset;

    fls_reader_position(scan->reader, &offset, NULL);
    return scan->recovery->error.status == FLS_CHECKSUM_MISMATCH &&
           scan->recovery->error.expected == 0 &&
           offset - scan->recovery->error.offset == fls_reader_header_bytes(scan->reader);
}

/* Takes a trailing run of zero bytes as torn, whatever the frames in it read as. */
static enum fls_status look_for_zero_tail(struct scan *scan)
{
    struct fls_recovery *recovery = scan->recovery;
    const struct fls_recovery *from = scan->zeros_open ? &scan->zeros : recovery;
    uint64_t offset, rest;
    int is_zero;

    if (recovery->end == FLS_STREAM_CORRUPT && !failed_on_zeros(scan))
        return FLS_OK;
    if (recovery->end == FLS_STREAM_TORN && recovery->error.part == FLS_PART_PAYLOAD)
        return FLS_OK; /* its header says a length, so it is not of zeros */
    fls_reader_position(scan->reader, &offset, NULL);
    enum fls_status status = fls_reader_rest_is_zero(scan->reader, &is_zero, &rest);
    uint64_t bytes = offset + rest - from->good_offset;
    if (status == FLS_OK && is_zero && bytes > 0) {
        struct fls_recovery start = *from;
        file_zero_tail(recovery, &start, scan->first_frame, bytes);
    }
    return status;
}

enum fls_status fls_recover_scan(struct fls_reader *reader, unsigned flags,
                                 struct fls_recovery *recovery)
{
    struct scan scan = {.reader = reader, .recovery = recovery};

    memset(recovery, 0, sizeof *recovery);
    recovery->checksum = fls_reader_checksum(reader);
    if (fls_check_flags(flags, FLS_RECOVER_ZERO_TAIL_IS_TORN, &recovery->error) != FLS_OK)
        return FLS_INVALID_ARGUMENT;
    fls_reader_position(reader, &recovery->good_offset, &scan.first_frame);
    scan.empty_is_zeros = fls_checksum_of(fls_reader_checksum(reader), NULL, 0) == 0;
    enum fls_status status = read_all(&scan);
    if (cannot_go_on(status)) {
        recovery->error = *fls_reader_error(reader);
        return status;
    }
    file_end(&scan, status);
    if (!(flags & FLS_RECOVER_ZERO_TAIL_IS_TORN))
        return FLS_OK;
    status = look_for_zero_tail(&scan);
    if (status != FLS_OK)
        recovery->error = *fls_reader_error(reader);
    return status;
}
