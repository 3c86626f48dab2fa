/*
 * arguments.h: what a call was given, looked at before it is used: NULL for bytes that are there,
 * options that this library does not know. Nothing here is about input that was read.
 */
#ifndef BASE_ARGUMENTS_H
#define BASE_ARGUMENTS_H

#include <flatstream/payload.h>
#include <flatstream/sink.h>

/* FLS_OK, or FLS_INVALID_ARGUMENT when `given` is NULL although there shall be `count` of `what`.
 */
enum fls_status fls_check_given(const void *given, size_t count, const char *what,
                                struct fls_error *error);

/* The same for a list of segments and the bytes of each. */
enum fls_status fls_check_segments(const struct iovec *segments, size_t count,
                                   struct fls_error *error);

/* Whether all segments are there, and their sum is the payload's length. */
static inline int fls_payload_is_sound(const struct fls_payload *payload)
{
    size_t length = 0, count = payload->segments ? payload->count : 0;
    int sound = count == payload->count;

    for (size_t i = 0; i < count; i++) {
        const struct iovec *segment = &payload->segments[i];
        sound &= segment->iov_base || segment->iov_len == 0;
        if (__builtin_add_overflow(length, segment->iov_len, &length))
            length = SIZE_MAX; /* as fls_payload_from_segments has it: too long in any case */
    }
    return sound && length == payload->length;
}

/* FLS_INVALID_ARGUMENT, with what is not sound about the payload. */
enum fls_status fls_refuse_payload(const struct fls_payload *payload, struct fls_error *error);

/*
 * Copies a caller's options, which may be of an older header (shorter: the rest is zero, `known`
 * was zeroed) or of a newer one: then what this library does not know must be zero, else
 * FLS_INVALID_ARGUMENT. `options` may be NULL.
 */
enum fls_status fls_take_options(void *known, size_t known_bytes, const void *options,
                                 size_t options_bytes, struct fls_error *error);

/* FLS_OK, or FLS_INVALID_ARGUMENT for a number that is none. */
enum fls_status fls_check_level(enum fls_level level, struct fls_error *error);
enum fls_status fls_check_ownership(enum fls_ownership ownership, struct fls_error *error);
enum fls_status fls_check_flags(unsigned flags, unsigned known, struct fls_error *error);

#endif
