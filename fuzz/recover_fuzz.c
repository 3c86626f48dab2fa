/*
 * recover_fuzz.c: the scan of any bytes whatever.
 *
 * Input: a byte for the checksum and the flags, then the stream. The report must hold together, the
 * prefix up to good_offset must scan clean with the same frames, and what the scan calls torn must
 * be what a plain loop over fls_frame_decode stops at.
 */
#include "fuzz_input.h"

#include <string.h>

static struct fls_recovery scan(enum fls_checksum_kind kind, const uint8_t *bytes, size_t length,
                                unsigned flags)
{
    struct fls_reader_options options = {.checksum = kind, .owns_source = 1};
    struct fls_recovery recovery;
    struct fls_source *source;
    struct fls_reader *reader;

    fuzz_require(fls_source_open_memory(bytes, length, &source, NULL) == FLS_OK);
    fuzz_require(fls_reader_open(source, &options, &reader, NULL) == FLS_OK);
    fuzz_require(fls_recover_scan(reader, flags, &recovery) == FLS_OK);
    fls_reader_close(reader);
    return recovery;
}

static void check_report(const struct fls_recovery *recovery, size_t length)
{
    fuzz_require(recovery->good_offset <= length);
    fuzz_require(recovery->payload_bytes <= recovery->good_offset);
    switch (recovery->end) {
    case FLS_STREAM_CLEAN:
        fuzz_require(recovery->good_offset == length && recovery->tail_bytes == 0);
        fuzz_require(recovery->error.status == FLS_OK);
        break;
    case FLS_STREAM_TORN:
        fuzz_require(recovery->tail_bytes > 0);
        fuzz_require(recovery->good_offset + recovery->tail_bytes == length);
        fuzz_require(recovery->error.status == FLS_UNEXPECTED_END);
        break;
    default:
        fuzz_require(recovery->tail_bytes == 0);
        fuzz_require(recovery->error.status == FLS_CHECKSUM_MISMATCH ||
                     recovery->error.status == FLS_INVALID_FRAME);
    }
    if (recovery->end != FLS_STREAM_CLEAN) {
        char text[FLS_ERROR_TEXT_MAX];
        fuzz_require(recovery->error.offset == recovery->good_offset);
        fuzz_require(recovery->error.frame == recovery->frames);
        fuzz_require(fls_error_format(&recovery->error, text, sizeof text) > 0);
    }
}

/* The plain loop: how far it comes and why it stops. */
static void compare_with_decoding(const struct fls_recovery *recovery, enum fls_checksum_kind kind,
                                  const uint8_t *bytes, size_t length)
{
    struct fls_frame_format format = {{kind, NULL}, 0};
    struct fls_frame frame;
    enum fls_frame_result result = FLS_FRAME_NEED_MORE;
    size_t at = 0, frames = 0;

    while (at < length && (result = fls_frame_decode(&format, bytes + at, length - at, &frame)) ==
                              FLS_FRAME_READY) {
        at += frame.frame_bytes;
        frames++;
    }
    fuzz_require(recovery->frames == frames && recovery->good_offset == at);
    fuzz_require((recovery->end == FLS_STREAM_CLEAN) == (at == length));
    if (at < length)
        fuzz_require((recovery->end == FLS_STREAM_TORN) == (result == FLS_FRAME_NEED_MORE));
}

/* With the flag: a tail that is cut is either what is torn without it, or zero bytes only. */
static void check_zero_tail(const struct fls_recovery *plain, const struct fls_recovery *flagged,
                            const uint8_t *bytes, size_t length)
{
    fuzz_require(flagged->good_offset <= plain->good_offset);
    if (flagged->good_offset == plain->good_offset && flagged->end == plain->end) {
        fuzz_require(flagged->frames == plain->frames);
        return;
    }
    fuzz_require(flagged->end == FLS_STREAM_TORN);
    for (size_t i = (size_t)flagged->good_offset; i < length; i++)
        fuzz_require(bytes[i] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    enum fls_checksum_kind kind = fuzz_kind(&input);
    uint8_t *bytes = malloc(input.left + 1);
    size_t length = input.left, need;

    fuzz_require(bytes);
    memcpy(bytes, input.at, length);
    bytes = realloc(bytes, length > 0 ? length : 1); /* exact, so that reading beyond is found */
    struct fls_recovery plain = scan(kind, bytes, length, 0);
    struct fls_recovery flagged = scan(kind, bytes, length, FLS_RECOVER_ZERO_TAIL_IS_TORN);
    check_report(&plain, length);
    check_report(&flagged, length);
    compare_with_decoding(&plain, kind, bytes, length);
    check_zero_tail(&plain, &flagged, bytes, length);
    struct fls_recovery again = scan(kind, bytes, (size_t)plain.good_offset, 0);
    fuzz_require(again.end == FLS_STREAM_CLEAN && again.frames == plain.frames);
    fuzz_require(again.payload_bytes == plain.payload_bytes);
    (void)fls_frame_detect(bytes, length, 1, 0, &need);
    (void)fls_frame_detect(bytes, length, 0, 0, &need);
    free(bytes);
    return 0;
}
