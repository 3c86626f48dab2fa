/*
 * frames.h: streams made frame by frame with the codec alone, so that a writer and a reader are
 * each held against something that is not the other; and pseudo-random numbers from a fixed seed.
 */
#ifndef TESTS_SUPPORT_FRAMES_H
#define TESTS_SUPPORT_FRAMES_H

#include "support/test.h"

/* A growing stream. Zero it to start; free the bytes. */
struct frames {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
};

/* Appends raw bytes; frames_put appends one frame around them. */
void frames_raw(struct frames *frames, const void *bytes, size_t length);
void frames_put(struct frames *frames, struct fls_checksum checksum, const void *payload,
                size_t bytes);

/* Appends `count` frames of pattern payloads with these sizes. */
void frames_pattern(struct frames *frames, struct fls_checksum checksum, const size_t *sizes,
                    size_t count);

/* Repeats from the same seed; never returns the same row twice in one program by chance. */
uint32_t test_random(void);
void test_random_seed(uint32_t seed);

/* Custom checksums of each width for tests: the low bytes of FNV-1a. */
struct fls_checksum_custom test_custom_checksum(size_t width);

#endif
