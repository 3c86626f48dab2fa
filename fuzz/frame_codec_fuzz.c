/*
 * frame_codec_fuzz.c: the codec against a decoder written from the format's rules, byte by byte.
 *
 * Input: a byte for the checksum, two for the limit, then the stream. At every prefix of the frame
 * at its start, and along the chain of frames, both must say the same.
 */
#include "fuzz_input.h"

#include <string.h>

/* What the format's rules make of `available` bytes. */
struct verdict {
    enum fls_frame_result result;
    enum fls_status bad;
    uint64_t need; /* NEED_MORE: at least so many, and more than there are */
    uint64_t payload_at;
    uint64_t payload_bytes;
};

static struct verdict judge(const struct fls_frame_format *format, const uint8_t *bytes,
                            size_t available)
{
    size_t width = fls_checksum_bytes(format->checksum);
    struct verdict verdict = {FLS_FRAME_NEED_MORE, FLS_OK, 4 + width, 4 + width, 0};
    uint64_t stored = 0;

    if (available < 4 + width)
        return verdict;
    for (size_t i = 0; i < 4; i++)
        verdict.payload_bytes |= (uint64_t)bytes[i] << (8 * i);
    for (size_t i = 0; i < width; i++)
        stored |= (uint64_t)bytes[4 + i] << (8 * i);
    verdict.need = 4 + width + verdict.payload_bytes;
    if (verdict.payload_bytes > format->payload_bytes_max) {
        verdict.result = FLS_FRAME_BAD;
        verdict.bad = FLS_INVALID_FRAME;
    } else if (available >= verdict.need) {
        uint64_t sum = fls_checksum_of(format->checksum, bytes + verdict.payload_at,
                                       (size_t)verdict.payload_bytes);
        verdict.result = sum == stored ? FLS_FRAME_READY : FLS_FRAME_BAD;
        verdict.bad = sum == stored ? FLS_OK : FLS_CHECKSUM_MISMATCH;
    }
    return verdict;
}

static void compare(const struct fls_frame_format *format, const uint8_t *bytes, size_t available)
{
    /* A copy of exactly that length, so that a byte read beyond it is found. */
    uint8_t *copy = malloc(available + (available == 0));
    struct fls_frame frame;

    fuzz_require(copy);
    if (available > 0)
        memcpy(copy, bytes, available);
    struct verdict verdict = judge(format, copy, available);
    enum fls_frame_result result = fls_frame_decode(format, copy, available, &frame);
    fuzz_require(result == verdict.result);
    if (result == FLS_FRAME_NEED_MORE) {
        fuzz_require(frame.need > available && frame.need <= verdict.need);
    } else if (result == FLS_FRAME_BAD) {
        fuzz_require(frame.error.status == verdict.bad);
    } else {
        fuzz_require(frame.payload == copy + verdict.payload_at);
        fuzz_require(frame.payload_bytes == verdict.payload_bytes);
        fuzz_require(frame.frame_bytes == verdict.need);
    }
    free(copy);
}

/* The header of a decoded frame, encoded again, is the header that was there. */
static void encode_again(const struct fls_frame_format *format, const uint8_t *bytes,
                         const struct fls_frame *frame)
{
    uint8_t header[FLS_FRAME_HEADER_BYTES_MAX];
    uint64_t sum = fls_checksum_of(format->checksum, frame->payload, frame->payload_bytes);
    size_t length = fls_frame_encode_header(format, (uint32_t)frame->payload_bytes, sum, header);

    fuzz_require(length == frame->frame_bytes - frame->payload_bytes);
    fuzz_require(memcmp(header, bytes, length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fls_frame_format format = {{fuzz_kind(&input), NULL}, 1 + fuzz_below(&input, 60000)};
    struct fls_frame frame;
    size_t need;

    (void)fls_frame_detect(input.at, input.left, (int)(size & 1), format.payload_bytes_max, &need);
    for (size_t available = 0; available <= input.left && available < 64; available++)
        compare(&format, input.at, available);
    compare(&format, input.at, input.left);
    while (input.left > 0 &&
           fls_frame_decode(&format, input.at, input.left, &frame) == FLS_FRAME_READY) {
        compare(&format, input.at, input.left);
        encode_again(&format, input.at, &frame);
        input.at += frame.frame_bytes;
        input.left -= frame.frame_bytes;
    }
    return 0;
}
