/*
 * arguments.c: see arguments.h. Called by the public functions, before anything else.
 */
#include "base/arguments.h"

#include "base/bytes.h"
#include "base/error.h"

enum fls_status fls_check_given(const void *given, size_t count, const char *what,
                                struct fls_error *error)
{
    if (given || count == 0)
        return FLS_OK;
    return fls_error_set(error, FLS_INVALID_ARGUMENT, "NULL was given for %zu %s", count, what);
}

enum fls_status fls_check_segments(const struct iovec *segments, size_t count,
                                   struct fls_error *error)
{
    enum fls_status status = fls_check_given(segments, count, "segments", error);

    for (size_t i = 0; i < count && status == FLS_OK; i++)
        status =
            fls_check_given(segments[i].iov_base, segments[i].iov_len, "bytes of a segment", error);
    return status;
}

enum fls_status fls_refuse_payload(const struct fls_payload *payload, struct fls_error *error)
{
    enum fls_status status = fls_check_segments(payload->segments, payload->count, error);

    if (status != FLS_OK)
        return status;
    return fls_error_set(error, FLS_INVALID_ARGUMENT,
                         "the payload says %zu bytes, its segments hold %zu", payload->length,
                         fls_payload_from_segments(payload->segments, payload->count).length);
}

enum fls_status fls_take_options(void *known, size_t known_bytes, const void *options,
                                 size_t options_bytes, struct fls_error *error)
{
    const uint8_t *given = options;

    if (!options)
        return FLS_OK;
    memcpy(known, options, fls_min_size(options_bytes, known_bytes));
    for (size_t i = known_bytes; i < options_bytes; i++)
        if (given[i] != 0)
            return fls_error_set(error, FLS_INVALID_ARGUMENT,
                                 "byte %zu of the options is set, of which this library (%s) knows "
                                 "%zu",
                                 i, FLS_VERSION_TEXT, known_bytes);
    return FLS_OK;
}

enum fls_status fls_check_level(enum fls_level level, struct fls_error *error)
{
    if ((unsigned)level <= FLS_LEVEL_MACHINE)
        return FLS_OK;
    return fls_error_set(error, FLS_INVALID_ARGUMENT, "unknown level %d", (int)level);
}

enum fls_status fls_check_ownership(enum fls_ownership ownership, struct fls_error *error)
{
    if ((unsigned)ownership <= FLS_OWNED)
        return FLS_OK;
    return fls_error_set(error, FLS_INVALID_ARGUMENT, "unknown ownership %d", (int)ownership);
}

enum fls_status fls_check_flags(unsigned flags, unsigned known, struct fls_error *error)
{
    if ((flags & ~known) == 0)
        return FLS_OK;
    return fls_error_set(error, FLS_INVALID_ARGUMENT, "unknown flags 0x%x", flags & ~known);
}
