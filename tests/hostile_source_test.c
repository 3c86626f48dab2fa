/*
 * hostile_source_test.c: a source that breaks its table's contract in every way, under every way to
 * read: each time there is an error whose record says so, nothing loops, and nothing is read beyond
 * what is there.
 */
#include "support/frames.h"
#include "support/hostile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The hostile source shows 64 bytes at a time: some messages lie in them, some come by read_into.
 */
static const size_t sizes[] = {10, 40, 300, 20, 5000, 1};

enum { MESSAGES = sizeof sizes / sizeof sizes[0], ROOM = 8192 };

static struct frames stream;
static uint8_t room[ROOM];

static int is_allowed(enum source_slot slot, const struct misdeed *misdeed)
{
    switch (misdeed->status) {
    case FLS_OK:
        return slot == SOURCE_READ_INTO && misdeed->count == SAID_ALL;
    case FLS_IO:
    case FLS_NO_MEMORY:
        return slot == SOURCE_PEEK || misdeed->count == SAID_NOTHING;
    case FLS_END:
    case FLS_AGAIN:
        return misdeed->count == SAID_NOTHING;
    default:
        return 0;
    }
}

typedef enum fls_status read_way(struct fls_reader *reader);

static enum fls_status read_next(struct fls_reader *reader)
{
    struct fls_message message;

    return fls_reader_next(reader, &message);
}

static enum fls_status read_batch(struct fls_reader *reader)
{
    struct fls_message messages[4];
    size_t count;

    return fls_reader_next_batch(reader, messages, 4, &count);
}

static enum fls_status read_segments(struct fls_reader *reader)
{
    struct iovec segments[2] = {{room, 7}, {room + 7, ROOM - 7}};
    struct fls_message message;

    return fls_reader_read_into(reader, segments, 2, &message);
}

static enum fls_status skip_one(struct fls_reader *reader)
{
    uint64_t skipped;

    return fls_reader_skip(reader, 1, &skipped);
}

static enum fls_status read_all(struct fls_reader *reader)
{
    struct fls_recovery recovery;
    enum fls_status status = fls_recover_scan(reader, FLS_RECOVER_ZERO_TAIL_IS_TORN, &recovery);

    if (status == FLS_OK && recovery.end == FLS_STREAM_CLEAN)
        return FLS_END;
    return status == FLS_OK ? recovery.error.status : status;
}

struct use {
    read_way *way;
    enum source_slot slot;
    uint64_t well;
    struct fls_source *(*before)(struct fls_source *source);
    unsigned tried;
};

/* The end of a stream cut between two frames looks like an end; in a frame it is torn. */
static int is_end(enum fls_status status)
{
    return status == FLS_END || status == FLS_UNEXPECTED_END;
}

static void assert_outcome(enum fls_status status, const struct fls_error *error,
                           const struct use *use, const struct misdeed *misdeed)
{
    int allowed = is_allowed(use->slot, misdeed);

    if (allowed && (misdeed->status == FLS_END || misdeed->status == FLS_OK)) {
        assert_true(is_end(status) || status == FLS_CHECKSUM_MISMATCH);
        return;
    }
    assert_int_equal(status, allowed ? misdeed->status : FLS_IO);
    if (status == FLS_AGAIN)
        return;
    assert_told(status, error);
    assert_true(error->has_frame);
    assert_int_equal(error->os_errno == EBADE, !allowed);
}

static void use_source(const struct misdeed *misdeed, void *context)
{
    struct use *use = context;
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_XXH3};
    struct hostile_source hostile;
    struct fls_reader *reader;
    enum fls_status status;

    hostile_source_make(&hostile, stream.bytes, stream.length, use->slot, misdeed, use->well);
    struct fls_source *source = use->before ? use->before(&hostile.base) : &hostile.base;
    assert_ok(fls_reader_open(source, &options, &reader, NULL));
    do {
        status = use->way(reader);
    } while (status == FLS_OK);
    if (hostile.calls > use->well) {
        use->tried++;
        assert_outcome(status, fls_reader_error(reader), use, misdeed);
    } else {
        assert_int_equal(status, FLS_END);
    }
    fls_reader_close(reader);
    if (source != &hostile.base)
        fls_source_close(source);
    hostile_source_free(&hostile);
}

/* Whatever went well before. */
static void use_each_call(struct use use)
{
    static read_way *const ways[] = {read_next, read_batch, read_segments, skip_one, read_all};

    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        for (int slot = SOURCE_PEEK; slot < SOURCE_SLOTS; slot++) {
            unsigned tried = 0;
            for (use.well = 0; use.well < 8; use.well++) {
                use.way = ways[way];
                use.slot = (enum source_slot)slot;
                use.tried = 0;
                for_each_misdeed(use_source, &use);
                tried += use.tried;
            }
            assert_true(tried > 0 || (use.way == skip_one && slot == SOURCE_READ_INTO));
        }
    }
}

static void under_every_way_to_read(void **state)
{
    (void)state;
    use_each_call((struct use){0});
}

static struct fls_io_counts counts;
static struct fls_fault_plan nothing_planned;

static struct fls_source *counting(struct fls_source *source)
{
    struct fls_source *before;

    assert_ok(fls_source_open_counting(source, &counts, &before, NULL));
    return before;
}

static struct fls_source *faulty(struct fls_source *source)
{
    struct fls_source *before;

    assert_ok(fls_source_open_faulty(source, &nothing_planned, &before, NULL));
    return before;
}

static void behind_decorators(void **state)
{
    (void)state;
    use_each_call((struct use){.before = counting});
    use_each_call((struct use){.before = faulty});
}

/* By hand: a view is either what its status says, or nothing. */
static void use_by_hand(const struct misdeed *misdeed, void *context)
{
    struct hostile_source hostile;
    struct fls_view view;
    struct fls_error error = FLS_ZERO;
    uint64_t skipped;

    (void)context;
    hostile_source_make(&hostile, stream.bytes, stream.length, SOURCE_PEEK, misdeed, 0);
    enum fls_status status = fls_source_peek(&hostile.base, 30, &view, &error);
    if (status != FLS_AGAIN && status != FLS_END)
        assert_told(status, &error);
    assert_int_equal(view.available, 0);
    assert_null(view.bytes);
    assert_int_equal(fls_source_skip(&hostile.base, 5, &skipped, NULL), status);
    assert_int_equal(skipped, 0);
    hostile_source_free(&hostile);
}

static void by_hand(void **state)
{
    (void)state;
    for_each_misdeed(use_by_hand, NULL);
}

static int make_stream(void **state)
{
    (void)state;
    frames_pattern(&stream, (struct fls_checksum){FLS_CHECKSUM_XXH3, NULL}, sizes, MESSAGES);
    return 0;
}

static int free_stream(void **state)
{
    (void)state;
    free(stream.bytes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_every_way_to_read),
        cmocka_unit_test(behind_decorators),
        cmocka_unit_test(by_hand),
    };

    return cmocka_run_group_tests(tests, make_stream, free_stream);
}
