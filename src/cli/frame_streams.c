/*
 * frame_streams.c: see frame_streams.h. Written from the protocol's description.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/frame_streams.h"
#include "cli/signals.h"

#define WORD 4
#define FIELD_CONTENT_TYPE 1
#define BLOCK_BYTES ((size_t)256 * 1024)

static void put_word(unsigned char *bytes, size_t word)
{
    for (size_t i = 0; i < WORD; i++)
        bytes[i] = (unsigned char)(word >> 8 * (WORD - 1 - i));
}

static uint32_t get_word(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

void cli_data_header_encode(uint32_t count, unsigned char bytes[4])
{
    put_word(bytes, count);
}

size_t cli_control_encode(enum cli_control type, const char *content_type, void *to)
{
    unsigned char *bytes = to;
    size_t length = content_type ? strlen(content_type) : 0;
    size_t body = WORD + (content_type ? 2 * WORD + length : 0);

    put_word(bytes, 0);
    put_word(bytes + WORD, body);
    put_word(bytes + 2 * WORD, (size_t)type);
    if (content_type) {
        put_word(bytes + 3 * WORD, FIELD_CONTENT_TYPE);
        put_word(bytes + 4 * WORD, length);
        memcpy(bytes + 5 * WORD, content_type, length);
    }
    return 2 * WORD + body;
}

/* --- reading -----------------------------------------------------------------------------------
 */

static enum fls_status make_room(struct cli_frame_streams *in, size_t need, struct fls_error *error)
{
    size_t held = in->end - in->begin;

    if (in->begin > 0) {
        memmove(in->bytes, in->bytes + in->begin, held);
        in->begin = 0;
        in->end = held;
    }
    if (held < in->capacity)
        return FLS_OK;
    size_t capacity = in->capacity < BLOCK_BYTES ? BLOCK_BYTES : 2 * in->capacity;
    if (capacity > need && need > BLOCK_BYTES)
        capacity = need;
    unsigned char *grown = realloc(in->bytes, capacity);
    if (!grown)
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory for a frame of %zu bytes", need);
    in->bytes = grown;
    in->capacity = capacity;
    return FLS_OK;
}

static enum fls_status locate(const struct cli_frame_streams *in, enum fls_status status,
                              struct fls_error *error)
{
    error->has_frame = 1;
    error->frame = in->frames;
    error->offset = in->offset;
    return status;
}

/* Sees to it that `need` bytes are held; FLS_END when the file ends before them. */
static enum fls_status hold(struct cli_frame_streams *in, size_t need, struct fls_error *error)
{
    while (in->end - in->begin < need) {
        enum fls_status status = FLS_OK;
        if (in->begin == in->end)
            in->begin = in->end = 0;
        if (in->begin + need > in->capacity || in->end == in->capacity)
            status = make_room(in, need, error);
        if (status != FLS_OK)
            return status;
        ssize_t got = cli_read(in->fd, in->bytes + in->end, in->capacity - in->end);
        if (got < 0)
            return cli_signal() ? FLS_STOPPED : cli_system_error(error, "read", errno);
        if (got == 0)
            return FLS_END;
        in->end += (size_t)got;
    }
    return FLS_OK;
}

static enum fls_status take(struct cli_frame_streams *in, size_t need, const char *what,
                            struct fls_error *error)
{
    enum fls_status status = hold(in, need, error);

    if (status != FLS_END)
        return status;
    cli_set_error(error, FLS_UNEXPECTED_END, "the file ends in %s: %zu of %zu bytes are there",
                  what, in->end - in->begin, need);
    error->expected = need;
    error->found = in->end - in->begin;
    return locate(in, FLS_UNEXPECTED_END, error);
}

static enum fls_status bad(const struct cli_frame_streams *in, struct fls_error *error,
                           const char *reason)
{
    cli_set_error(error, FLS_INVALID_FRAME, "%s", reason);
    return locate(in, FLS_INVALID_FRAME, error);
}

static int read_fields(struct cli_frame_streams *in, const unsigned char *fields, size_t count)
{
    in->content_type[0] = '\0';
    in->content_type_bytes = 0;
    while (count > 0) {
        if (count < 2 * WORD || get_word(fields + WORD) > count - 2 * WORD)
            return 0;
        size_t length = get_word(fields + WORD);
        if (get_word(fields) != FIELD_CONTENT_TYPE || length > CLI_CONTENT_TYPE_MAX)
            return 0;
        memcpy(in->content_type, fields + 2 * WORD, length);
        in->content_type[length] = '\0';
        in->content_type_bytes = length;
        fields += 2 * WORD + length;
        count -= 2 * WORD + length;
    }
    return 1;
}

/* The control frame at hand, behind its escape. FLS_OK after START, FLS_END after STOP. */
static enum fls_status read_control(struct cli_frame_streams *in, struct fls_error *error)
{
    enum fls_status status = take(in, 2 * (size_t)WORD, "a control frame", error);

    if (status != FLS_OK)
        return status;
    size_t length = get_word(in->bytes + in->begin + WORD);
    if (length < WORD || length > CLI_CONTROL_BYTES_MAX)
        return bad(in, error, "a control frame of impossible length");
    status = take(in, 2 * WORD + length, "a control frame", error);
    if (status != FLS_OK)
        return status;
    const unsigned char *body = in->bytes + in->begin + 2 * (size_t)WORD;
    uint32_t type = get_word(body);
    if (type == CLI_CONTROL_STOP && in->started)
        status = FLS_END;
    else if (type != CLI_CONTROL_START)
        return bad(in, error,
                   in->started ? "a control frame that is no START and no STOP among the data"
                               : "the first control frame is no START");
    else if (!read_fields(in, body + WORD, length - WORD))
        return bad(in, error, "a START whose fields cannot be read");
    in->unended += status == FLS_OK && in->started;
    in->started = status == FLS_OK;
    in->starts += status == FLS_OK;
    in->begin += 2 * WORD + length;
    in->offset += 2 * WORD + length;
    return status;
}

static enum fls_status read_data(struct cli_frame_streams *in, size_t count, const void **data,
                                 struct fls_error *error)
{
    if (count > in->bytes_max) {
        cli_set_error(error, FLS_INVALID_FRAME, "%s", "");
        error->expected = in->bytes_max;
        error->found = count;
        return locate(in, FLS_INVALID_FRAME, error);
    }
    enum fls_status status = take(in, WORD + count, "a data frame", error);
    if (status != FLS_OK)
        return status;
    *data = in->bytes + in->begin + WORD;
    in->begin += WORD + count;
    in->offset += WORD + count;
    in->frames++;
    return FLS_OK;
}

/* Reads to the file's end, to say how much of it nobody will get. */
static enum fls_status refuse_rest(struct cli_frame_streams *in, struct fls_error *error)
{
    uint64_t rest = 0;
    enum fls_status status;

    do {
        rest += in->end - in->begin;
        in->begin = in->end = 0;
        status = hold(in, 1, error);
    } while (status == FLS_OK);
    if (status != FLS_END)
        return status;
    cli_set_error(error, FLS_INVALID_FRAME,
                  "the end (STOP) is followed by %" PRIu64
                  " byte%s that %s no START: not converted",
                  rest, rest == 1 ? "" : "s", rest == 1 ? "is" : "are");
    return locate(in, FLS_INVALID_FRAME, error);
}

/* Behind STOP: FLS_OK when another START comes (files that were put one behind another), FLS_END
 * when nothing does. */
static enum fls_status look_behind_stop(struct cli_frame_streams *in, struct fls_error *error)
{
    enum fls_status status = hold(in, 3 * (size_t)WORD, error);
    const unsigned char *bytes = in->bytes + in->begin;

    if (status == FLS_END && in->begin == in->end)
        return FLS_END;
    if (status != FLS_OK && status != FLS_END)
        return status;
    if (status == FLS_END || get_word(bytes) != 0 ||
        get_word(bytes + 2 * (size_t)WORD) != CLI_CONTROL_START)
        return refuse_rest(in, error);
    return FLS_OK;
}

enum fls_status cli_frame_streams_next(struct cli_frame_streams *in, const void **data,
                                       size_t *count, struct fls_error *error)
{
    for (;;) {
        enum fls_status status = hold(in, WORD, error);
        if (status == FLS_END && in->end == in->begin) {
            cli_set_error(error, FLS_UNEXPECTED_END,
                          in->started ? "the file ends without STOP: its writer did not close it"
                                      : "the file is empty: not even a START is there");
            return locate(in, FLS_UNEXPECTED_END, error);
        }
        if (status == FLS_END)
            return take(in, WORD, "a length", error);
        if (status != FLS_OK)
            return status;
        *count = get_word(in->bytes + in->begin);
        if (*count > 0 && !in->started)
            return bad(in, error, "not Frame Streams: it does not begin with a control frame");
        if (*count > 0)
            return read_data(in, *count, data, error);
        status = read_control(in, error);
        if (status == FLS_END)
            status = look_behind_stop(in, error);
        if (status != FLS_OK)
            return status;
    }
}

void cli_frame_streams_free(struct cli_frame_streams *in)
{
    free(in->bytes);
    in->bytes = NULL;
}
