/*
 * salvage_fuzz.c: salvage of any bytes whatever.
 *
 * Input: a byte for the checksum, one for each bound, then the stream. The messages and the lost
 * places must cover the stream without a gap or an overlap, every message must be proven by the
 * codec (or mended: its checksum matches), salvaging what was salvaged must lose nothing, and in an
 * undamaged stream every frame must come out.
 */
#include "fuzz_input.h"

#include <string.h>

#include <flatstream/salvage.h>

#include "journal/salvage_walk.h"

struct seen {
    const uint8_t *bytes;
    size_t length;
    struct fls_checksum checksum;
    uint64_t at;    /* everything before it is accounted for */
    int mended;     /* the next message is */
    uint64_t zeros; /* empty frames of zero bytes */
    uint8_t *saved;
    size_t saved_bytes;
};

static enum fls_status see_message(void *context, const struct fls_message *message)
{
    struct seen *seen = context;
    struct fls_frame_format format = {seen->checksum, 0};
    size_t header = 4 + fls_checksum_bytes(seen->checksum);
    struct fls_frame frame;

    fuzz_require(message->offset == seen->at);
    fuzz_require(message->offset + header + message->bytes <= seen->length);
    fuzz_require(memcmp(message->payload, seen->bytes + message->offset + header, message->bytes) ==
                 0);
    if (!seen->mended) {
        fuzz_require(fls_frame_decode(&format, seen->bytes + message->offset,
                                      seen->length - (size_t)message->offset,
                                      &frame) == FLS_FRAME_READY);
        fuzz_require(frame.payload_bytes == message->bytes);
    }
    uint64_t sum = fls_checksum_of(seen->checksum, message->payload, message->bytes);
    fls_frame_encode_header(&format, (uint32_t)message->bytes, sum,
                            seen->saved + seen->saved_bytes);
    fuzz_require(memcmp(seen->saved + seen->saved_bytes + 4, seen->bytes + message->offset + 4,
                        header - 4) == 0);
    memcpy(seen->saved + seen->saved_bytes + header, message->payload, message->bytes);
    seen->saved_bytes += header + message->bytes;
    seen->zeros += message->bytes == 0 && sum == 0;
    seen->at = message->offset + header + message->bytes;
    seen->mended = 0;
    return FLS_OK;
}

static enum fls_status see_region(void *context, const struct fls_salvage_region *region)
{
    struct seen *seen = context;

    fuzz_require(region->offset == seen->at && region->bytes > 0);
    fuzz_require(region->error.status != FLS_OK && !seen->mended);
    if (region->mended)
        seen->mended = 1;
    else
        seen->at += region->bytes;
    return FLS_OK;
}

static struct fls_salvage_report salvage(struct seen *seen, const struct fls_salvage_bounds *bounds)
{
    struct fls_salvage_options options = {.checksum = seen->checksum.kind,
                                          .message = see_message,
                                          .region = see_region,
                                          .context = seen};
    struct fls_salvage_report report;

    seen->saved = malloc(seen->length + FLS_FRAME_HEADER_BYTES_MAX);
    fuzz_require(seen->saved);
    fuzz_require(fls_salvage_memory_within(seen->bytes, seen->length, &options, bounds, &report,
                                           NULL) == FLS_OK);
    fuzz_require(seen->at == seen->length && !seen->mended);
    fuzz_require(report.bytes == seen->length && report.bytes_lost <= report.bytes);
    fuzz_require(report.comparisons <= 2000 * ((uint64_t)seen->length + 1));
    return report;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t choices[] = {4, 16, 64, 300, 0xfff, 0xffff, 0xffffff};
    struct fuzz_input input = {data, size};
    struct seen seen = {
        .checksum = {fuzz_byte(&input) & 1 ? FLS_CHECKSUM_XXH3 : FLS_CHECKSUM_CRC32, NULL}};
    struct fls_salvage_bounds bounds = FLS_SALVAGE_BOUNDS;

    bounds.alone = 1;
    bounds.small_bytes_max = choices[fuzz_below(&input, 5)];
    bounds.close_bytes_max = choices[fuzz_below(&input, 6)];
    bounds.wide_bytes_max = choices[fuzz_below(&input, 7)];
    if (bounds.wide_bytes_max < bounds.close_bytes_max)
        bounds.wide_bytes_max = bounds.close_bytes_max;
    uint8_t *bytes = malloc(input.left > 0 ? input.left : 1);
    fuzz_require(bytes);
    memcpy(bytes, input.at, input.left);
    seen.bytes = bytes;
    seen.length = input.left;
    struct fls_salvage_report report = salvage(&seen, &bounds);
    struct seen again = {
        .bytes = seen.saved, .length = seen.saved_bytes, .checksum = seen.checksum};
    if (seen.zeros == 0) {
        struct fls_salvage_report second = salvage(&again, &bounds);
        fuzz_require(second.bytes_lost == 0 && second.frames == report.frames);
        free(again.saved);
    }
    bounds.alone = 0;
    bounds.stretch_bytes = seen.length / 3 + 1;
    bounds.jobs = 1;
    struct seen together = {.bytes = seen.bytes, .length = seen.length, .checksum = seen.checksum};
    salvage(&together, &bounds);
    fuzz_require(together.saved_bytes == seen.saved_bytes);
    fuzz_require(memcmp(together.saved, seen.saved, seen.saved_bytes) == 0);
    free(together.saved);
    free(seen.saved);
    free(bytes);
    return 0;
}
