/*
 * sample.h: messages that differ from each other in every size, and the frames that they must
 * become, put together by hand.
 */
#ifndef TESTS_SUPPORT_SAMPLE_H
#define TESTS_SUPPORT_SAMPLE_H

#include <flatstream/checksum.h>

#define SAMPLES_MAX 32

/* `count` messages of these sizes; message i is bytes[i][0, sizes[i]), its checksum of the kind
 * asked for sums[i]. The frames of all of them, in order, are stream[0, stream_bytes); frame i
 * begins at offsets[i] (offsets[count] is the end). */
struct samples {
    size_t count;
    enum fls_checksum_kind kind;
    size_t sizes[SAMPLES_MAX];
    uint8_t *bytes[SAMPLES_MAX];
    uint8_t *stream;
    size_t stream_bytes;
    size_t offsets[SAMPLES_MAX + 1];
};

/* Fails the test when there is no memory. */
void samples_make(struct samples *samples, enum fls_checksum_kind kind, const size_t *sizes,
                  size_t count);
void samples_free(struct samples *samples);

/* The frame of message i: its bytes in the stream and their number. */
const uint8_t *sample_frame(const struct samples *samples, size_t i, size_t *bytes);

#endif
