/*
 * verification.c: a large file checked by several threads, with the result of one.
 *
 * Piece i goes from the first frame at or behind its nominal place to the first frame at or behind
 * the next one's. The threads take pieces from one row and fill in where each began, where it
 * ended, and whether it got to its end. Then the caller's thread walks along: where a piece ends,
 * another one must begin; if none does, it checks on by itself to the next nominal place (a
 * bridge). Where a piece stopped early, the intact part ends, and a sequential scan takes over,
 * which says what is wrong in its own words.
 *
 * A wrong place is found out because no right piece ends on it.
 */
#include <flatstream/verification.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arguments.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "frame/frame_fast.h"
#include "journal/index_file.h"
#include "journal/range_source.h"
#include "journal/verification_split.h"

#define JOBS_MAX 256
#define PIECES_PER_JOB 4
#define PIECE_BYTES_MIN ((uint64_t)4 * 1024 * 1024)
/* So often progress is told, in bytes. */
#define REPORT_BYTES ((uint64_t)256 * 1024)

#define BATCH 256

/* A piece that began at a wrong place must not take gibberish for the length of a huge message: so
 * pieces stop there, and the bridge, which knows where it is, looks at it. */
#define PIECE_PAYLOAD_BYTES_MAX ((uint64_t)64 * 1024 * 1024)

/* [begin, end) was checked, with frames and payload bytes. whole: it got to where it should end;
 * large: it stopped at a message too large for a piece. seen: what the observer has for it. */
struct piece {
    uint64_t begin;
    uint64_t end;
    uint64_t frames;
    uint64_t payload_bytes;
    int is_done;
    int is_whole;
    int is_large;
    int is_used;
    void *seen;
};

struct verification {
    const struct fls_verification_options *options;
    const struct fls_verification_observer *observer;
    struct fls_split split;
    struct piece *pieces;
    unsigned count;
    pthread_mutex_t lock;
    /* under the lock: */
    unsigned next;    /* piece to be taken */
    unsigned settled; /* pieces that are done and known to follow each other */
    uint64_t checked_bytes;
    int stop; /* the intact part has ended, or the caller wants no more */
    int is_stopped_by_caller;
    enum fls_status failure;
};

/* --- one piece ---------------------------------------------------- */

static enum fls_status open_reader(const struct verification *all, uint64_t begin,
                                   uint64_t payload_bytes_max, struct fls_reader **reader)
{
    struct fls_reader_options options = {.checksum = all->options->checksum,
                                         .custom_checksum = all->options->custom_checksum,
                                         .payload_bytes_max = payload_bytes_max,
                                         .alignment = 1,
                                         .start_offset = begin,
                                         .owns_source = 1};
    struct fls_source *source;
    enum fls_status status =
        fls_source_open_range(all->split.fd, FLS_BORROWED, begin, 0, 0, &source, NULL);

    if (status != FLS_OK)
        return status;
    status = fls_reader_open(source, &options, reader, NULL);
    if (status != FLS_OK)
        fls_source_close(source);
    return status;
}

/* Counts the messages that begin before `until`; 0 when one does not, or is refused: the piece then
 * ends before it. */
static int count_messages(const struct verification *all, struct piece *piece, uint64_t until,
                          const struct fls_message *messages, size_t count)
{
    const struct fls_verification_observer *observer = all->observer;

    for (size_t i = 0; i < count; i++) {
        piece->end = messages[i].offset;
        piece->is_whole = messages[i].offset >= until;
        if (piece->is_whole)
            return 0;
        if (observer && observer->see && observer->see(piece->seen, &messages[i]) != FLS_OK)
            return 0;
        piece->frames++;
        piece->payload_bytes += messages[i].bytes;
    }
    return 1;
}

/* How the reading ended. Only a mismatch has passed its frame. */
static void note_end(const struct verification *all, struct piece *piece, uint64_t until,
                     enum fls_status status, const struct fls_reader *reader)
{
    fls_reader_position(reader, &piece->end, NULL);
    if (status == FLS_CHECKSUM_MISMATCH)
        piece->end = fls_reader_error(reader)->offset;
    piece->is_whole = status == FLS_END && piece->end >= until;
    piece->is_large =
        status == FLS_INVALID_FRAME &&
        fls_reader_error(reader)->found <= fls_payload_limit(all->options->payload_bytes_max);
}

/* Adds to what is checked; says whether to go on. */
static int report_bytes(struct verification *all, uint64_t bytes, int is_caller)
{
    pthread_mutex_lock(&all->lock);
    all->checked_bytes += bytes;
    uint64_t checked = all->checked_bytes;
    int go_on = !all->stop;
    pthread_mutex_unlock(&all->lock);
    if (go_on && is_caller && all->options->progress &&
        all->options->progress(all->options->progress_context, checked) != 0) {
        pthread_mutex_lock(&all->lock);
        all->stop = all->is_stopped_by_caller = 1;
        pthread_mutex_unlock(&all->lock);
        return 0;
    }
    return go_on;
}

static void read_piece(struct verification *all, struct piece *piece, uint64_t until,
                       struct fls_reader *reader, int is_caller)
{
    struct fls_message messages[BATCH];
    uint64_t reported = piece->begin;
    enum fls_status status;
    size_t count;

    while ((status = fls_reader_next_batch(reader, messages, BATCH, &count)) == FLS_OK) {
        if (!count_messages(all, piece, until, messages, count))
            return;
        fls_reader_position(reader, &piece->end, NULL);
        if (piece->end - reported < REPORT_BYTES)
            continue;
        if (!report_bytes(all, piece->end - reported, is_caller))
            return;
        reported = piece->end;
    }
    note_end(all, piece, until, status, reader);
}

/* Checks from `begin` to the first frame at or behind `until`. */
static enum fls_status check_piece(struct verification *all, struct piece *piece, uint64_t begin,
                                   uint64_t until, uint64_t payload_bytes_max, int is_caller)
{
    const struct fls_verification_observer *observer = all->observer;
    struct fls_reader *reader;

    piece->begin = piece->end = begin;
    if (begin == FLS_SPLIT_NONE)
        return FLS_OK;
    if (observer && observer->begin) {
        piece->seen = observer->begin(observer->context);
        if (!piece->seen)
            return FLS_NO_MEMORY;
    }
    enum fls_status status = open_reader(all, begin, payload_bytes_max, &reader);
    if (status != FLS_OK)
        return status;
    read_piece(all, piece, until, reader, is_caller);
    fls_reader_close(reader);
    return FLS_OK;
}

/* --- the row ------------------------------------------------------ */

static uint64_t nominal(const struct verification *all, unsigned i)
{
    return fls_split_nominal(&all->split, i, all->count);
}

/* With the lock: follows the pieces that are done from the first on. When one that is surely right
 * stopped early, no other needs to be checked. */
static void settle(struct verification *all)
{
    while (all->settled < all->count && all->pieces[all->settled].is_done) {
        const struct piece *piece = &all->pieces[all->settled];
        uint64_t expected =
            all->settled == 0 ? all->split.begin : all->pieces[all->settled - 1].end;
        if (piece->begin != expected)
            return; /* the caller's thread will see to it */
        if (!piece->is_whole && !piece->is_large)
            all->stop = 1;
        if (!piece->is_whole)
            return;
        all->settled++;
    }
}

/* The next piece that no one has taken; 0: there is none, or no need. */
static int take(struct verification *all, unsigned *i)
{
    pthread_mutex_lock(&all->lock);
    int taken = !all->stop && all->failure == FLS_OK && all->next < all->count;
    if (taken)
        *i = all->next++;
    pthread_mutex_unlock(&all->lock);
    return taken;
}

static void check_numbered(struct verification *all, unsigned i, int is_caller)
{
    uint64_t limit =
        fls_min_u64(fls_payload_limit(all->options->payload_bytes_max), PIECE_PAYLOAD_BYTES_MAX);
    uint64_t begin = fls_split_find(&all->split, i, all->count);
    enum fls_status status =
        check_piece(all, &all->pieces[i], begin, nominal(all, i + 1), limit, is_caller);

    pthread_mutex_lock(&all->lock);
    all->pieces[i].is_done = 1;
    if (status != FLS_OK)
        all->failure = status;
    settle(all);
    pthread_mutex_unlock(&all->lock);
}

static void work(struct verification *all, int is_caller)
{
    unsigned i;

    while (take(all, &i))
        check_numbered(all, i, is_caller);
}

static void *work_in_thread(void *all)
{
    work(all, 0);
    return NULL;
}

/* The caller's thread works, too; so it does not matter how many others could be started. It has
 * the first piece before they begin: whoever wants to be told of progress, or to stop it, is asked.
 */
static void work_together(struct verification *all, unsigned jobs)
{
    pthread_t threads[JOBS_MAX];
    unsigned started = 0, first;
    int has_first = take(all, &first);

    while (started + 1 < jobs && fls_os_start_thread(&threads[started], work_in_thread, all) == 0)
        started++;
    if (has_first)
        check_numbered(all, first, 1);
    work(all, 1);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

/* --- putting together --------------------------------------------- */

static struct piece *piece_that_begins(const struct verification *all, uint64_t offset)
{
    for (unsigned i = 0; i < all->count; i++)
        if (all->pieces[i].is_done && all->pieces[i].begin == offset && !all->pieces[i].is_used)
            return &all->pieces[i];
    return NULL;
}

static void finish_piece(const struct verification *all, struct piece *piece, int counts)
{
    if (piece->seen && all->observer->end)
        all->observer->end(all->observer->context, piece->seen, counts);
    piece->seen = NULL;
}

static void add_piece(const struct verification *all, struct piece *piece,
                      struct fls_verification *sum)
{
    piece->is_used = 1;
    sum->frames += piece->frames;
    sum->payload_bytes += piece->payload_bytes;
    sum->good_offset = piece->end;
    finish_piece(all, piece, 1);
}

/* The first nominal place behind `offset`, where a bridge ends: from there on a piece may fit. */
static uint64_t end_of_bridge(const struct verification *all, uint64_t offset)
{
    unsigned i = 0;

    while (i < all->count && nominal(all, i) <= offset)
        i++;
    return nominal(all, i);
}

/* Checks on by itself from where a piece ended and none begins. */
static enum fls_status bridge(struct verification *all, struct fls_verification *sum, int *go_on)
{
    struct piece piece = {.is_whole = 0};
    enum fls_status status =
        check_piece(all, &piece, sum->good_offset, end_of_bridge(all, sum->good_offset),
                    all->options->payload_bytes_max, 1);

    if (status == FLS_OK)
        add_piece(all, &piece, sum);
    else
        finish_piece(all, &piece, 0);
    *go_on = status == FLS_OK && piece.is_whole;
    return status;
}

static enum fls_status put_together(struct verification *all, struct fls_verification *sum)
{
    enum fls_status status = all->failure;
    int go_on = 1;

    all->stop = all->is_stopped_by_caller; /* bridges are not stopped by what pieces found */
    while (status == FLS_OK && go_on && sum->good_offset < all->split.end && !all->stop) {
        struct piece *piece = piece_that_begins(all, sum->good_offset);
        if (piece) {
            add_piece(all, piece, sum);
            go_on = piece->is_whole || piece->is_large;
        } else {
            status = bridge(all, sum, &go_on);
        }
    }
    sum->pieces = all->count;
    for (unsigned i = 0; i < all->count; i++) {
        sum->pieces_wrong += all->pieces[i].is_done && !all->pieces[i].is_used;
        finish_piece(all, &all->pieces[i], 0);
    }
    if (status == FLS_OK && all->is_stopped_by_caller)
        return FLS_STOPPED;
    return status;
}

/* --- the whole ---------------------------------------------------- */

static unsigned count_jobs(const struct fls_verification_options *options)
{
    long processors = options->jobs;

    if (processors == 0)
        processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors < 1)
        return 1;
    return processors > JOBS_MAX ? JOBS_MAX : (unsigned)processors;
}

static unsigned count_pieces(uint64_t bytes, unsigned jobs)
{
    uint64_t pieces = fls_min_u64(bytes / PIECE_BYTES_MIN, (uint64_t)jobs * PIECES_PER_JOB);

    return (unsigned)pieces;
}

static enum fls_status check_options(const struct fls_verification_options *options,
                                     struct fls_error *error)
{
    struct fls_checksum checksum = {options->checksum, options->custom_checksum};

    if (fls_checksum_check(checksum) != FLS_OK)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "unusable checksum of kind %d",
                             (int)options->checksum);
    if (options->index && options->start_offset != 0)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "an index is of a stream that begins with its file");
    if (options->index && fls_index_describe(options->index).checksum != options->checksum)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "the index is of frames with another kind of checksum");
    return FLS_OK;
}

static enum fls_status run(struct verification *all, unsigned jobs, struct fls_verification *sum,
                           struct fls_error *error)
{
    all->pieces = calloc(all->count, sizeof *all->pieces);
    if (!all->pieces)
        return fls_error_no_memory(error, all->count * sizeof *all->pieces);
    enum fls_status status = fls_split_begin(&all->split, all->count, error);
    if (status == FLS_OK) {
        pthread_mutex_init(&all->lock, NULL);
        work_together(all, jobs);
        status = put_together(all, sum);
        pthread_mutex_destroy(&all->lock);
        fls_split_end(&all->split);
        if (status == FLS_STOPPED)
            fls_error_set(error, status, "stopped by the caller");
        else if (status != FLS_OK)
            fls_error_set(error, status, "out of memory");
    }
    free(all->pieces);
    return status;
}

/* As fls_verify_intact, for the part of the stream before `end`. */
static enum fls_status verify_before(int fd, uint64_t end,
                                     const struct fls_verification_options *options,
                                     struct fls_verification *sum, struct fls_error *error)
{
    struct fls_checksum checksum = {options->checksum, options->custom_checksum};
    struct verification all = {
        .options = options,
        .observer = options->observer,
        .split = {.fd = fd,
                  .begin = options->start_offset,
                  .end = end,
                  .format = {checksum, options->payload_bytes_max},
                  .header_bytes = FLS_LENGTH_BYTES + fls_checksum_bytes(checksum),
                  .index = options->index}};
    unsigned jobs = count_jobs(options);

    memset(sum, 0, sizeof *sum);
    sum->good_offset = options->start_offset;
    if (end <= options->start_offset)
        return FLS_OK;
    all.count = count_pieces(end - options->start_offset, jobs);
    if (jobs < 2 || all.count < 2 || !fls_split_is_possible(&all.split))
        return FLS_OK;
    return run(&all, jobs, sum, error);
}

enum fls_status fls_verify_intact(int fd, const struct fls_verification_options *options,
                                  struct fls_verification *verification, struct fls_error *error)
{
    uint64_t bytes = 0;
    enum fls_status status = check_options(options, error);

    if (status == FLS_OK)
        status = fls_os_file_bytes(fd, &bytes, error);
    if (status != FLS_OK)
        return status;
    return verify_before(fd, bytes, options, verification, error);
}

/* --- with the sequential scan behind it --------------------------- */

/* Where the run of zero bytes at the file's end begins. */
static enum fls_status find_zero_tail(int fd, uint64_t begin, uint64_t bytes, uint64_t *tail,
                                      struct fls_error *error)
{
    uint8_t block[4096];

    for (*tail = bytes; *tail > begin;) {
        size_t count = (size_t)fls_min_u64(sizeof block, *tail - begin);
        enum fls_status status = fls_index_pread(fd, block, count, *tail - count, error);
        if (status != FLS_OK)
            return status == FLS_END ? fls_error_set(error, FLS_IO, "the file became shorter")
                                     : status;
        while (count > 0 && block[count - 1] == 0) {
            count--;
            --*tail;
        }
        if (count > 0)
            return FLS_OK;
    }
    return FLS_OK;
}

/* The observer as a tap of the last scan. */
struct last_sight {
    const struct fls_verification_observer *observer;
    void *piece;
    uint64_t frame;
};

static enum fls_status show_last(const struct fls_tap *tap, const struct fls_payload *payload,
                                 struct fls_error *error)
{
    struct last_sight *sight = tap->context;
    struct fls_message message = {payload->segments[0].iov_base, payload->length, sight->frame++,
                                  0};

    (void)error;
    return sight->observer->see(sight->piece, &message) == FLS_OK ? FLS_OK : FLS_VALIDATION_FAILED;
}

static enum fls_status scan_on(int fd, const struct fls_verification_options *options,
                               unsigned flags, const struct fls_verification *intact,
                               const struct fls_tap *tap, struct fls_recovery *recovery,
                               struct fls_error *error)
{
    struct fls_reader_options reading = {.checksum = options->checksum,
                                         .custom_checksum = options->custom_checksum,
                                         .payload_bytes_max = options->payload_bytes_max,
                                         .alignment = 1,
                                         .taps = tap,
                                         .tap_count = tap ? 1 : 0,
                                         .start_offset = intact->good_offset,
                                         .start_frame = intact->frames,
                                         .owns_source = 1};
    struct fls_source *source;
    struct fls_reader *reader;
    enum fls_status status =
        fls_source_open_range(fd, FLS_BORROWED, intact->good_offset, 0, 0, &source, error);

    if (status != FLS_OK)
        return status;
    status = fls_reader_open(source, &reading, &reader, error);
    if (status != FLS_OK) {
        fls_source_close(source);
        return status;
    }
    status = fls_recover_scan(reader, flags, recovery);
    if (status != FLS_OK)
        fls_error_copy(error, &recovery->error);
    fls_reader_close(reader);
    recovery->frames += intact->frames;
    recovery->payload_bytes += intact->payload_bytes;
    return status;
}

/* What the sequential scan shows the observer is one more piece. */
static enum fls_status scan_rest(int fd, const struct fls_verification_options *options,
                                 unsigned flags, const struct fls_verification *intact,
                                 struct fls_recovery *recovery, struct fls_error *error)
{
    const struct fls_verification_observer *observer = options->observer;
    struct last_sight sight = {observer, NULL, 0};
    struct fls_tap tap = {.run = show_last, .name = "observer", .context = &sight, .contiguous = 1};

    if (observer && observer->begin) {
        sight.piece = observer->begin(observer->context);
        if (!sight.piece)
            return fls_error_set(error, FLS_NO_MEMORY, "out of memory");
    }
    enum fls_status status = scan_on(fd, options, flags, intact,
                                     observer && observer->see ? &tap : NULL, recovery, error);
    if (observer && observer->end)
        observer->end(observer->context, sight.piece, status == FLS_OK);
    return status;
}

/* A file that was cut while it was read may end in good order. Its end is damage where it lies
 * before what was there when this began, or before what was found good. */
static enum fls_status check_length(int fd, uint64_t bytes, struct fls_recovery *recovery,
                                    struct fls_error *error)
{
    uint64_t now;
    enum fls_status status = fls_os_file_bytes(fd, &now, error);

    if (status != FLS_OK || recovery->end != FLS_STREAM_CLEAN ||
        (recovery->good_offset >= bytes && now >= recovery->good_offset))
        return status;
    recovery->end = FLS_STREAM_CORRUPT;
    recovery->good_offset = fls_min_u64(recovery->good_offset, now);
    fls_error_set(&recovery->error, FLS_UNEXPECTED_END,
                  "the file became shorter while it was read: it had %llu bytes, and has %llu",
                  (unsigned long long)bytes, (unsigned long long)now);
    recovery->error.expected = bytes;
    recovery->error.found = now;
    return FLS_OK;
}

enum fls_status fls_verify_file(const char *path, const struct fls_verification_options *options,
                                unsigned flags, struct fls_recovery *recovery,
                                struct fls_error *error)
{
    struct fls_verification intact;
    uint64_t bytes, end = 0;
    int fd;
    enum fls_status status = check_options(options, error);

    if (status == FLS_OK)
        status = fls_check_flags(flags, FLS_RECOVER_ZERO_TAIL_IS_TORN, error);
    if (status == FLS_OK)
        status = fls_os_open(path, O_RDONLY | O_NONBLOCK, &fd, error);
    if (status != FLS_OK)
        return status;
    status = fls_os_file_bytes(fd, &end, error);
    bytes = end;
    if (status == FLS_OK && flags & FLS_RECOVER_ZERO_TAIL_IS_TORN)
        status = find_zero_tail(fd, options->start_offset, bytes, &end, error);
    if (status == FLS_OK)
        status = verify_before(fd, end, options, &intact, error);
    if (status == FLS_OK)
        status = scan_rest(fd, options, flags, &intact, recovery, error);
    if (status == FLS_OK)
        status = check_length(fd, bytes, recovery, error);
    fls_os_close(fd, NULL);
    return status;
}
