/*
 * frame.c: the frame codec: bytes in; "need n", "a frame" or "bad, because" out.
 */
#include "frame/frame_fast.h"

#include "base/arguments.h"
#include "base/error.h"
#include "frame/checksum_fast.h"

size_t fls_frame_encode_header(const struct fls_frame_format *format, uint32_t payload_bytes,
                               uint64_t checksum, void *header)
{
    return fls_header_store(header, payload_bytes, checksum, fls_checksum_bytes(format->checksum));
}

static enum fls_frame_result need_more(struct fls_frame *frame, size_t need)
{
    frame->need = need;
    return FLS_FRAME_NEED_MORE;
}

enum fls_frame_result fls_frame_decode(const struct fls_frame_format *format, const void *bytes,
                                       size_t available, struct fls_frame *frame)
{
    const uint8_t *header = bytes;
    size_t width = fls_checksum_bytes(format->checksum);
    size_t header_bytes = FLS_LENGTH_BYTES + width;
    uint64_t limit = fls_payload_limit(format->payload_bytes_max);

    if (fls_check_given(bytes, available, "bytes", &frame->error) != FLS_OK)
        return FLS_FRAME_BAD;
    if (available < header_bytes)
        return need_more(frame, header_bytes);
    frame->payload_bytes = fls_header_payload_bytes(header);
    frame->payload = header + header_bytes;
    frame->frame_bytes = header_bytes + frame->payload_bytes;
    if (frame->payload_bytes > limit) {
        fls_error_numbers(&frame->error, FLS_INVALID_FRAME, FLS_PART_HEADER, limit,
                          frame->payload_bytes);
        return FLS_FRAME_BAD;
    }
    if (available < frame->frame_bytes)
        return need_more(frame, frame->frame_bytes);

    uint64_t stored = fls_header_checksum(header, width);
    uint64_t calculated = fls_checksum_fast(format->checksum, frame->payload, frame->payload_bytes);
    if (stored != calculated) {
        fls_error_numbers(&frame->error, FLS_CHECKSUM_MISMATCH, FLS_PART_PAYLOAD, stored,
                          calculated);
        return FLS_FRAME_BAD;
    }
    return FLS_FRAME_READY;
}
