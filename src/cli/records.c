/*
 * records.c: see records.h.
 *
 * The invariant: bytes[begin, end) are read and not delivered; `offset` is where bytes[begin]
 * stands in the input.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/progress.h"
#include "cli/records.h"
#include "cli/signals.h"

#define BLOCK_BYTES ((size_t)256 * 1024)
#define SIZE_BYTES 4

void cli_records_begin(struct cli_records *records, int fd, int regular)
{
    records->done_before = cli_records_done(records);
    records->fd = fd;
    records->regular = regular;
    records->at_end = records->delivered = 0;
    records->begin = records->end = records->searched = 0;
    records->offset = records->count = 0;
}

uint64_t cli_records_done(const struct cli_records *records)
{
    return records->done_before + records->offset;
}

void cli_records_free(struct cli_records *records)
{
    free(records->bytes);
    records->bytes = NULL;
    records->capacity = 0;
}

static size_t held(const struct cli_records *records)
{
    return records->end - records->begin;
}

static enum fls_status no_memory(struct fls_error *error, size_t bytes)
{
    return cli_set_error(error, FLS_NO_MEMORY, "out of memory for %zu bytes", bytes);
}

/* Room for at least one more byte behind what is held: at the front first, else twice as much. */
static enum fls_status make_room(struct cli_records *records, struct fls_error *error)
{
    if (records->begin > 0) {
        memmove(records->bytes, records->bytes + records->begin, held(records));
        records->end = held(records);
        records->begin = 0;
    }
    if (records->end < records->capacity)
        return FLS_OK;
    size_t capacity = records->capacity > 0 ? 2 * records->capacity : BLOCK_BYTES;
    uint8_t *grown = realloc(records->bytes, capacity);
    if (!grown)
        return no_memory(error, capacity);
    records->bytes = grown;
    records->capacity = capacity;
    return FLS_OK;
}

/* Lets the caller send what it holds before we sleep. */
static enum fls_status before_reading(struct cli_records *records)
{
    if (records->regular || !records->before_wait || cli_input_ready(records->fd))
        return FLS_OK;
    return records->before_wait(records->context);
}

/* Reads one block more. FLS_END: there is no more. */
static enum fls_status fill(struct cli_records *records, struct fls_error *error)
{
    if (records->at_end)
        return FLS_END;
    cli_progress_tick(cli_records_done(records));
    enum fls_status status = make_room(records, error);
    if (status == FLS_OK)
        status = before_reading(records);
    if (status != FLS_OK)
        return status;
    size_t room =
        records->capacity - records->end; /* grown for a large record; not all is touched */
    ssize_t got = cli_read(records->fd, records->bytes + records->end,
                           room < BLOCK_BYTES ? room : BLOCK_BYTES);
    if (got < 0)
        return cli_signal() ? FLS_STOPPED : cli_system_error(error, "read", errno);
    records->end += (size_t)got;
    records->at_end = got == 0;
    return got > 0 ? FLS_OK : FLS_END;
}

/* Delivers `bytes` bytes behind `before` others, and passes `after` more. */
static enum fls_status deliver(struct cli_records *records, size_t before, size_t length,
                               size_t after, const void **record, size_t *bytes)
{
    *record = records->bytes + records->begin + before;
    *bytes = length;
    records->begin += before + length + after;
    records->offset += before + length + after;
    records->searched = 0;
    records->count++;
    return FLS_OK;
}

static enum fls_status too_long(const struct cli_records *records, const char *what, uint64_t bytes,
                                struct fls_error *error)
{
    cli_set_error(error, FLS_LIMIT,
                  "%s %" PRIu64 " at byte %" PRIu64 " has %s%" PRIu64
                  " bytes, over the limit of %" PRIu64 "; --max-frame raises it",
                  what, records->count, records->offset,
                  records->form == CLI_SIZED ? "" : "at least ", bytes, records->bytes_max);
    error->expected = records->bytes_max;
    error->found = bytes;
    return FLS_LIMIT;
}

static enum fls_status next_line(struct cli_records *records, const void **record, size_t *bytes,
                                 struct fls_error *error)
{
    for (;;) {
        const uint8_t *line = records->bytes + records->begin;
        const uint8_t *newline = NULL;
        if (held(records) > records->searched)
            newline = memchr(line + records->searched, '\n', held(records) - records->searched);
        size_t length = newline ? (size_t)(newline - line) : held(records);
        if (length > records->bytes_max)
            return too_long(records, "line", length, error);
        if (newline)
            return deliver(records, 0, length, 1, record, bytes);
        records->searched = length;
        enum fls_status status = fill(records, error);
        if (status == FLS_END && length > 0)
            return deliver(records, 0, length, 0, record, bytes);
        if (status != FLS_OK)
            return status;
    }
}

static enum fls_status torn_record(const struct cli_records *records, size_t have, size_t want,
                                   struct fls_error *error)
{
    cli_set_error(error, FLS_UNEXPECTED_END,
                  "record %" PRIu64 " at byte %" PRIu64 " ends after %zu of %zu bytes",
                  records->count, records->offset, have, want);
    error->expected = want;
    error->found = have;
    return FLS_UNEXPECTED_END;
}

/* Reads until `want` bytes are held. FLS_END: with nothing held, the clean end. */
static enum fls_status want_bytes(struct cli_records *records, size_t want, struct fls_error *error)
{
    while (held(records) < want) {
        enum fls_status status = fill(records, error);
        if (status == FLS_END && held(records) > 0)
            return torn_record(records, held(records), want, error);
        if (status != FLS_OK)
            return status;
    }
    return FLS_OK;
}

static enum fls_status next_sized(struct cli_records *records, const void **record, size_t *bytes,
                                  struct fls_error *error)
{
    enum fls_status status = want_bytes(records, SIZE_BYTES, error);
    uint32_t size = 0;

    if (status != FLS_OK)
        return status;
    for (size_t i = 0; i < SIZE_BYTES; i++)
        size |= (uint32_t)records->bytes[records->begin + i] << 8 * i;
    if (size > records->bytes_max)
        return too_long(records, "record", size, error);
    status = want_bytes(records, SIZE_BYTES + (size_t)size, error);
    return status == FLS_OK ? deliver(records, SIZE_BYTES, size, 0, record, bytes) : status;
}

static enum fls_status whole_file(struct cli_records *records, const void **record, size_t *bytes,
                                  struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    if (records->delivered)
        return FLS_END;
    while (status == FLS_OK) {
        if (held(records) > records->bytes_max)
            return too_long(records, "file", held(records), error);
        status = fill(records, error);
    }
    if (status != FLS_END)
        return status;
    records->delivered = 1;
    return deliver(records, 0, held(records), 0, record, bytes);
}

enum fls_status cli_records_next(struct cli_records *records, const void **record, size_t *bytes,
                                 struct fls_error *error)
{
    if (records->form == CLI_LINES)
        return next_line(records, record, bytes, error);
    if (records->form == CLI_SIZED)
        return next_sized(records, record, bytes, error);
    return whole_file(records, record, bytes, error);
}
