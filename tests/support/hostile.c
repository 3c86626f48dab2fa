/*
 * hostile.c: see hostile.h.
 */
#include "support/hostile.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define SECONDS_AT_MOST 60
#define SHOWN_BYTES_MAX 64

/* --- misdeeds ----------------------------------------------------------------------------------
 */

static void try_counts(struct misdeed misdeed, void (*try)(const struct misdeed *, void *),
                       void *context)
{
    int step = misdeed.status == FLS_OK ? 1 : SAID_GARBAGE;

    for (int count = 0; count < COUNTS_SAID; count += step) {
        misdeed.count = (enum count_said)count;
        try(&misdeed, context);
    }
}

void for_each_misdeed(void (*try)(const struct misdeed *, void *), void *context)
{
    static const int no_statuses[] = {-1, INT_MIN, INT_MAX, 31, 32, 1000};
    enum { NONE = sizeof no_statuses / sizeof no_statuses[0] };

    alarm(SECONDS_AT_MOST);
    for (int i = -NONE; i <= FLS_NO_MEMORY + 1; i++) {
        int status = i < 0 ? no_statuses[-i - 1] : i;
        for (int record = LEFT_ALONE; record <= LEFT_INTERRUPTED; record++) {
            if (record == LEFT_INTERRUPTED && status == FLS_IO)
                continue; /* that is allowed, and tried again for ever */
            try_counts((struct misdeed){status, (enum record_left)record, SAID_NOTHING}, try,
                       context);
        }
    }
    alarm(0);
}

static void leave_record(enum record_left left, struct fls_error *error)
{
    if (left == LEFT_GARBAGE)
        memset(error, 0xA5, sizeof *error);
    if (left == LEFT_INTERRUPTED)
        error->os_errno = EINTR;
}

enum fls_status do_misdeed(const struct misdeed *misdeed, size_t whole, size_t *count,
                           struct fls_error *error)
{
    static const size_t garbage = SIZE_MAX / 3 * 2;

    leave_record(misdeed->record, error);
    if (misdeed->count == SAID_ALL)
        *count = whole;
    if (misdeed->count == SAID_ONE_MORE)
        *count = whole + 1;
    if (misdeed->count == SAID_GARBAGE)
        *count = garbage;
    return (enum fls_status)misdeed->status;
}

void assert_told(enum fls_status status, const struct fls_error *error)
{
    char line[512];

    assert_int_equal(error->status, status);
    assert_true(status > FLS_OK && status <= FLS_NO_MEMORY);
    assert_true(strlen(fls_status_word(status)) > 0);
    assert_non_null(memchr(error->subject, '\0', sizeof error->subject));
    assert_non_null(memchr(error->reason, '\0', sizeof error->reason));
    assert_true(error->part <= FLS_PART_PAYLOAD);
    assert_true(fls_error_format(error, line, sizeof line) > 5);
    assert_null(strstr(line, "Success"));
    assert_null(strstr(line, "all well"));
}

/* --- the sink ----------------------------------------------------------------------------------
 */

static int is_time(struct hostile_sink *sink, enum sink_slot slot)
{
    return sink->slot == slot && ++sink->calls > sink->well;
}

static enum fls_status hostile_writev(struct fls_sink *base, const struct iovec *segments,
                                      int count, size_t *accepted, struct fls_error *error)
{
    struct hostile_sink *sink = (struct hostile_sink *)base;

    if (is_time(sink, SINK_WRITEV))
        return do_misdeed(&sink->misdeed, fls_payload_from_segments(segments, (size_t)count).length,
                          accepted, error);
    return sink->memory->ops->writev(sink->memory, segments, count, accepted, error);
}

static enum fls_status hostile_flush(struct fls_sink *base, enum fls_level level,
                                     struct fls_error *error)
{
    struct hostile_sink *sink = (struct hostile_sink *)base;
    size_t nothing;

    (void)level;
    return is_time(sink, SINK_FLUSH) ? do_misdeed(&sink->misdeed, 0, &nothing, error) : FLS_OK;
}

static enum fls_status hostile_close(struct fls_sink *base, struct fls_error *error)
{
    struct hostile_sink *sink = (struct hostile_sink *)base;
    size_t nothing;

    sink->closed++;
    return is_time(sink, SINK_CLOSE) ? do_misdeed(&sink->misdeed, 0, &nothing, error) : FLS_OK;
}

static const struct fls_sink_ops hostile_sink_ops = {hostile_writev, hostile_flush, hostile_close};

void hostile_sink_make(struct hostile_sink *sink, enum sink_slot slot,
                       const struct misdeed *misdeed, uint64_t well)
{
    *sink = (struct hostile_sink){
        .base.ops = &hostile_sink_ops, .slot = slot, .misdeed = *misdeed, .well = well};
    assert_ok(fls_sink_open_memory(0, &sink->memory, NULL));
}

void hostile_sink_free(struct hostile_sink *sink)
{
    assert_ok(fls_sink_close(sink->memory, NULL));
}

/* --- the source --------------------------------------------------------------------------------
 */

static int is_its_time(struct hostile_source *source, enum source_slot slot)
{
    return source->slot == slot && ++source->calls > source->well;
}

/* With FLS_OK, or where it ends, whatever count it says; the bytes are those that are there. */
static enum fls_status hostile_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                    struct fls_error *error)
{
    struct hostile_source *source = (struct hostile_source *)base;

    if (!is_its_time(source, SOURCE_PEEK)) {
        enum fls_status status = fls_source_peek(source->memory, need, view, error);
        if (view->available > SHOWN_BYTES_MAX)
            view->available = SHOWN_BYTES_MAX;
        return status;
    }
    if (source->misdeed.count == SAID_GARBAGE)
        memset(&view->bytes, 0xA5, sizeof view->bytes);
    return do_misdeed(&source->misdeed, need, &view->available, error);
}

static void hostile_consume(struct fls_source *base, size_t bytes)
{
    fls_source_consume(((struct hostile_source *)base)->memory, bytes);
}

static enum fls_status hostile_read_into(struct fls_source *base, const struct iovec *segments,
                                         size_t count, size_t *filled, struct fls_error *error)
{
    struct hostile_source *source = (struct hostile_source *)base;

    if (!is_its_time(source, SOURCE_READ_INTO))
        return fls_source_read_into(source->memory, segments, count, filled, error);
    for (size_t i = 0; i < count && source->misdeed.count == SAID_ALL; i++)
        memset(segments[i].iov_base, 0x5A, segments[i].iov_len);
    return do_misdeed(&source->misdeed, fls_payload_from_segments(segments, count).length, filled,
                      error);
}

static uint64_t hostile_remaining(struct fls_source *base)
{
    return fls_source_remaining(((struct hostile_source *)base)->memory);
}

static void hostile_source_close(struct fls_source *base)
{
    (void)base;
}

static const struct fls_source_ops hostile_source_ops = {
    hostile_peek, hostile_consume, hostile_read_into, hostile_remaining, hostile_source_close};

void hostile_source_make(struct hostile_source *source, const void *bytes, size_t length,
                         enum source_slot slot, const struct misdeed *misdeed, uint64_t well)
{
    *source = (struct hostile_source){
        .base = {.ops = &hostile_source_ops, .peek_bytes_max = SHOWN_BYTES_MAX},
        .slot = slot,
        .misdeed = *misdeed,
        .well = well};
    assert_ok(fls_source_open_memory(bytes, length, &source->memory, NULL));
}

void hostile_source_free(struct hostile_source *source)
{
    fls_source_close(source->memory);
}

/* --- the tap -----------------------------------------------------------------------------------
 */

static enum fls_status hostile_run(const struct fls_tap *tap, const struct fls_payload *payload,
                                   struct fls_error *error)
{
    struct hostile_tap *hostile = tap->context;
    size_t nothing;

    (void)payload;
    return ++hostile->calls > hostile->well ? do_misdeed(&hostile->misdeed, 0, &nothing, error)
                                            : FLS_OK;
}

void hostile_tap_make(struct hostile_tap *tap, const struct misdeed *misdeed, uint64_t well)
{
    *tap = (struct hostile_tap){.misdeed = *misdeed, .well = well};
    tap->tap = (struct fls_tap){.run = hostile_run, .name = "hostile", .context = tap};
}
