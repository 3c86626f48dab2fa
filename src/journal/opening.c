/*
 * opening.c: where does the stream end, and what is behind it?
 *
 * Where the system has run on since the last writer, files hold what that process has handed over:
 * the segments before the last were whole when the next was begun, and the last is read from its
 * index's last entry on, or through. After a loss of power pages that were not synced may be
 * anything: an index of an earlier boot is trusted only as far as it knows that its stream was
 * synced; and where the last writer did not close, the last segments, as many as may have waited
 * for the device, are all looked at. (Who closes has synced all segments but the last.)
 *
 * What is not a whole frame is cut off or set aside, as the caller allows; nothing is ever changed
 * before it is known what it is, nor before all that can refuse the opening has been asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "frame/frame_fast.h"
#include "journal/aside.h"
#include "journal/disk.h"
#include "journal/journal.h"
#include "journal/tail.h"

/* What is known of the last segment. */
struct look {
    const char *path;
    struct fls_index_place start; /* where reading began */
    struct fls_recovery found;
    int is_shown; /* by a frame that is not of zeros, that it is a stream of our kind */
    uint64_t file_bytes;
    int used_index;
};

/* ---- reading -------------------------------------------------------------------------------- */

enum fls_status fls_journal_open_reader_at(const char *path,
                                           const struct fls_reader_options *options,
                                           uint64_t offset, struct fls_reader **reader,
                                           struct fls_error *error)
{
    struct fls_reader_options all = *options;
    struct fls_source *source;
    int fd;
    enum fls_status status = fls_os_open(path, O_RDONLY | O_NONBLOCK, &fd, error);

    if (status != FLS_OK)
        return status;
    if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
        status = fls_error_system(error, "lseek", errno);
    if (status == FLS_OK)
        status = fls_source_open_fd(fd, FLS_OWNED, 0, &source, error);
    if (status != FLS_OK) {
        (void)fls_os_close(fd, NULL);
        return status;
    }
    all.alignment = 1;
    all.owns_source = 1;
    all.start_offset = offset;
    status = fls_reader_open(source, &all, reader, error);
    if (status != FLS_OK)
        fls_source_close(source);
    return status;
}

static enum fls_status file_bytes(const char *path, uint64_t *bytes, struct fls_error *error)
{
    int fd;
    enum fls_status status = fls_os_open(path, O_RDONLY | O_NONBLOCK, &fd, error);

    if (status != FLS_OK)
        return status;
    status = fls_os_file_bytes(fd, bytes, error);
    (void)fls_os_close(fd, NULL);
    return status == FLS_UNSUPPORTED
               ? fls_error_set(error, FLS_INVALID_ARGUMENT, "a journal is a regular file")
               : status;
}

/* Counts messages, those that are not empty, and the empty ones since the last of them. */
struct tally {
    uint64_t messages;
    uint64_t filled;
    uint64_t empty;
};

static void count(struct tally *tally, uint64_t payload_bytes)
{
    tally->messages++;
    tally->filled += payload_bytes > 0;
    tally->empty = payload_bytes > 0 ? 0 : tally->empty + 1;
}

static void count_empty(void *context, const struct fls_payload *payload)
{
    count(context, payload->length);
}

/*
 * Zero bytes before damage read as empty messages where those are all zeros. A journal writes none,
 * so they belong to the damage. They are given up only where nothing is lost by it: set aside.
 */
static void give_up_empty(const struct fls_journal *journal, const struct tally *tally,
                          struct fls_recovery *found)
{
    if (found->end == FLS_STREAM_CLEAN || found->frames != tally->messages ||
        journal->options.checksum == FLS_CHECKSUM_XXH3 ||
        journal->options.repair != FLS_JOURNAL_SET_ASIDE)
        return;
    found->frames -= tally->empty;
    found->good_offset -= tally->empty * journal->header_bytes;
    found->tail_bytes += tally->empty * journal->header_bytes;
}

/* The limit is at least the default: what an earlier writer was allowed is not damage. */
static enum fls_status scan(struct fls_journal *journal, struct look *look, struct fls_error *error)
{
    uint64_t limit = fls_payload_limit(journal->options.payload_bytes_max);
    struct tally tally = {0, 0, 0};
    struct fls_tap counting = fls_tap_observer(count_empty, &tally);
    struct fls_reader_options options = {
        .taps = &counting,
        .tap_count = 1,
        .checksum = journal->options.checksum,
        .payload_bytes_max =
            limit > FLS_PAYLOAD_BYTES_MAX_DEFAULT ? limit : FLS_PAYLOAD_BYTES_MAX_DEFAULT,
        .start_frame = look->start.frame,
    };
    struct fls_reader *reader;
    enum fls_status status = file_bytes(look->path, &look->file_bytes, error);

    if (status == FLS_OK)
        status =
            fls_journal_open_reader_at(look->path, &options, look->start.offset, &reader, error);
    if (status != FLS_OK)
        return status;
    status = fls_recover_scan(reader, FLS_RECOVER_ZERO_TAIL_IS_TORN, &look->found);
    if (status != FLS_OK)
        fls_error_copy(error, &look->found.error);
    look->is_shown = look->start.frame + tally.filled > 0 ||
                     (look->found.frames > 0 && options.checksum == FLS_CHECKSUM_XXH3);
    give_up_empty(journal, &tally, &look->found);
    fls_reader_close(reader);
    return status;
}

/* The index's last entry that can be relied on, if there is an index that fits. */
static int start_from_index(struct fls_journal *journal, struct look *look)
{
    struct fls_index *index;
    enum fls_status status = fls_index_open(look->path, NULL, &index, NULL);

    if (status != FLS_OK)
        return 0;
    struct fls_index_summary summary = fls_index_describe(index);
    if (summary.checksum != journal->options.checksum || summary.trusted_frames == 0)
        status = FLS_INVALID_ARGUMENT;
    else
        status = fls_index_find_frame(index, summary.trusted_frames - 1, &look->start, NULL);
    fls_index_close(index);
    return status == FLS_OK;
}

/* Scans from the index's last entry; when no frame is found there after all, from the beginning. */
static enum fls_status look_at_end(struct fls_journal *journal, struct look *look,
                                   struct fls_error *error)
{
    look->used_index = start_from_index(journal, look);
    if (look->used_index) {
        enum fls_status status = scan(journal, look, error);
        if (status != FLS_OK || look->found.frames > 0)
            return status;
    }
    look->used_index = 0;
    look->start = (struct fls_index_place){0, 0};
    return scan(journal, look, error);
}

/* ---- is it of the right kind? --------------------------------------------------------------- */

/* Two frames that match, or one that matches with a wide checksum or is all there is, are no
 * chance. Without a checksum only a stream that fits up to its end is taken for one; but zero bytes
 * always do, and behind one frame they may be what a loss of power has left of another kind's. */
static int is_evidence(enum fls_checksum_kind kind, const struct tally *tally,
                       enum fls_status status)
{
    if (tally->empty == tally->messages)
        return 0;
    if (kind == FLS_CHECKSUM_NONE)
        return status == FLS_END && (tally->empty == 0 || tally->filled > 1);
    return tally->messages > 1 || status == FLS_END || kind != FLS_CHECKSUM_CRC16;
}

/* *fitting: how many frames (of a kind with a checksum at most 2) make it a stream of this kind; 0:
 * none do. FLS_OK; FLS_IO, FLS_NO_MEMORY: it could not be read. */
static enum fls_status count_fitting(const char *path, enum fls_checksum_kind kind,
                                     uint64_t *fitting, struct fls_error *error)
{
    struct fls_reader_options options = {.checksum = kind};
    struct fls_message message;
    struct fls_reader *reader;
    struct tally tally = {0, 0, 0};
    enum fls_status status = fls_journal_open_reader_at(path, &options, 0, &reader, error);

    if (status != FLS_OK)
        return status;
    while ((kind == FLS_CHECKSUM_NONE || tally.messages < 2) &&
           (status = fls_reader_next(reader, &message)) == FLS_OK)
        count(&tally, message.bytes);
    if (status == FLS_IO || status == FLS_NO_MEMORY)
        fls_error_copy(error, fls_reader_error(reader));
    fls_reader_close(reader);
    *fitting = is_evidence(kind, &tally, status) ? tally.messages : 0;
    return status == FLS_IO || status == FLS_NO_MEMORY ? status : FLS_OK;
}

/* A first frame of our kind, torn at the right place, reads as one without a checksum. Where it may
 * be that, it is set aside, so nothing is lost should it not be. */
static int one_may_be_torn(const struct fls_journal *journal, const struct look *look)
{
    return journal->options.repair != FLS_JOURNAL_REFUSE && look->found.end == FLS_STREAM_TORN;
}

/* Frames of another kind look torn or damaged, or without a checksum even well, and must not be
 * cut off for that. */
static enum fls_status check_kind(const struct fls_journal *journal, const struct look *look,
                                  struct fls_error *error)
{
    static const char *const names[] = {"none", "crc16", "crc32", "xxh3"};
    enum fls_checksum_kind ours = journal->options.checksum;

    if (look->file_bytes == 0 || (ours != FLS_CHECKSUM_NONE && look->is_shown))
        return FLS_OK;
    for (int kind = FLS_CHECKSUM_XXH3; kind >= FLS_CHECKSUM_NONE; kind--) {
        uint64_t fitting = 0;
        enum fls_status status = FLS_OK;
        if (kind != (int)ours)
            status = count_fitting(look->path, (enum fls_checksum_kind)kind, &fitting, error);
        if (status != FLS_OK)
            return status;
        if (fitting > (uint64_t)(kind == FLS_CHECKSUM_NONE && one_may_be_torn(journal, look)))
            return fls_error_set(error, FLS_INVALID_ARGUMENT,
                                 "the frames of %s are of checksum kind %s, not %s", look->path,
                                 names[kind], names[ours]);
    }
    return FLS_OK;
}

/* ---- repair --------------------------------------------------------------------------------- */

/* Nobody is writing the file, by whatever name, nor has since it was read. */
static enum fls_status claim(const struct look *look, int fd, struct fls_error *error)
{
    uint64_t bytes;
    enum fls_status status = fls_lock_stream(fd, look->path, error);

    if (status == FLS_OK)
        status = fls_os_file_bytes(fd, &bytes, error);
    if (status == FLS_OK && bytes != look->file_bytes)
        status =
            fls_error_set(error, FLS_INVALID_ARGUMENT,
                          "%s is being changed by another: %" PRIu64 " bytes, and had %" PRIu64,
                          look->path, bytes, look->file_bytes);
    return status;
}

/* Nothing was cut when the first step fails; then the copy that was made for it goes. */
static enum fls_status cut(const struct look *look, const struct fls_tail *tail, int fd,
                           struct fls_journal_opening *opening, struct fls_error *error)
{
    enum fls_status status = fls_os_truncate(fd, look->found.good_offset, error);

    if (status != FLS_OK) {
        if (tail->why != FLS_ASIDE_NOT)
            fls_aside_take_back(look->path, opening->set_aside);
        return status;
    }
    opening->bytes_cut += look->file_bytes - look->found.good_offset;
    return fls_disk_sync(fd, error);
}

/* Not one frame says that these bytes were ever a stream; they may be what someone named by
 * mistake. */
static int shows_no_frame(const struct fls_journal *journal, const struct look *look)
{
    return !look->is_shown && look->file_bytes > journal->header_bytes;
}

/* Is it more than a torn frame that would be cut? Then it is kept. */
static enum fls_status find_why(const struct fls_journal *journal, const struct look *look,
                                struct fls_tail *tail, struct fls_error *error)
{
    enum fls_status status = fls_tail_look(look->path, look->found.good_offset, look->file_bytes,
                                           look->found.checksum, tail, error);

    if (tail->why == FLS_ASIDE_FRAMES)
        return status;
    if (journal->options.repair == FLS_JOURNAL_SET_ASIDE)
        tail->why = FLS_ASIDE_ASKED;
    else if (shows_no_frame(journal, look))
        tail->why = FLS_ASIDE_NO_STREAM;
    return status;
}

/* Copies what follows the last intact frame into a file of its own, where that is called for. */
static enum fls_status keep(const struct look *look, const struct fls_tail *tail,
                            struct fls_journal_opening *opening, struct fls_error *error)
{
    if (tail->why == FLS_ASIDE_NOT)
        return FLS_OK;
    opening->why = tail->why;
    opening->kind = tail->kind;
    return fls_set_aside(look->path, tail->keep_from, opening->set_aside, error);
}

static enum fls_status check_allowed(const struct fls_journal *journal, const struct look *look,
                                     struct fls_error *error)
{
    enum fls_journal_repair allowed = journal->options.repair;

    if (look->found.end == FLS_STREAM_CLEAN)
        return FLS_OK;
    if (allowed == FLS_JOURNAL_REFUSE ||
        (allowed == FLS_JOURNAL_CUT_TORN && look->found.end == FLS_STREAM_CORRUPT))
        return fls_error_copy(error, &look->found.error);
    return FLS_OK;
}

/* By the descriptor, which is left locked. */
static enum fls_status repair(struct fls_journal *journal, const struct look *look, int fd,
                              struct fls_journal_opening *opening, struct fls_error *error)
{
    struct fls_tail tail;

    if (look->found.end == FLS_STREAM_CLEAN)
        return FLS_OK;
    enum fls_status status = claim(look, fd, error);
    if (status == FLS_OK)
        status = find_why(journal, look, &tail, error);
    if (status == FLS_OK)
        status = keep(look, &tail, opening, error);
    if (status == FLS_OK)
        status = cut(look, &tail, fd, opening, error);
    if (status != FLS_OK)
        fls_error_in_file(error, look->path);
    return status;
}

static enum fls_status repair_by_name(struct fls_journal *journal, const struct look *look,
                                      struct fls_journal_opening *opening, struct fls_error *error)
{
    int fd;

    if (look->found.end == FLS_STREAM_CLEAN)
        return FLS_OK;
    enum fls_status status = fls_os_open(look->path, O_WRONLY | O_NONBLOCK, &fd, error);
    if (status != FLS_OK)
        return status;
    status = repair(journal, look, fd, opening, error);
    fls_lock_stream_let_go(fd);
    enum fls_status closed = fls_os_close(fd, status == FLS_OK ? error : NULL);
    return status == FLS_OK ? closed : status;
}

/* ---- the last segment, and those before it -------------------------------------------------- */

/* The first of those that may not be on the device as they were. */
static size_t first_unsure(const struct fls_series *series)
{
    size_t most = FLS_JOURNAL_UNFINISHED_MAX + 1;

    return series->count > most ? series->count - most : 0;
}

/* What an earlier process has handed over may not be on the device. It is brought there, so that
 * nothing written from now on survives without what comes before it. */
static enum fls_status sync_those_before(const struct fls_series *series, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    for (size_t i = first_unsure(series); i < series->count && status == FLS_OK; i++) {
        int fd;
        status = fls_os_open(series->segments[i].path, O_WRONLY | O_NONBLOCK, &fd, error);
        if (status == FLS_OK) {
            status = fls_disk_sync(fd, error);
            (void)fls_os_close(fd, NULL);
        }
        if (status == FLS_UNSUPPORTED)
            status = FLS_OK;
        if (status != FLS_OK)
            fls_error_in_file(error, series->segments[i].path);
    }
    return status;
}

/* The segments that are looked at, the last one last. */
struct looks {
    struct look each[FLS_JOURNAL_UNFINISHED_MAX + 1];
    size_t count;
};

/* May it be gone on with, mended as allowed? */
static enum fls_status inspect(struct fls_journal *journal, struct look *look,
                               struct fls_error *error)
{
    enum fls_status status = look_at_end(journal, look, error);

    if (status == FLS_OK)
        status = check_kind(journal, look, error);
    if (status == FLS_OK)
        status = check_allowed(journal, look, error);
    if (status != FLS_OK)
        fls_error_in_file(error, look->path);
    return status;
}

static enum fls_status inspect_all(struct fls_journal *journal, const struct fls_series *series,
                                   struct looks *looks, struct fls_error *error)
{
    int all = journal->file_lock.before == FLS_LOCK_OTHER_BOOT;
    enum fls_status status = FLS_OK;

    looks->count = 0;
    for (size_t i = all ? first_unsure(series) : series->count - 1;
         i < series->count && status == FLS_OK; i++) {
        struct look *look = &looks->each[looks->count++];
        *look = (struct look){.path = series->segments[i].path};
        status = inspect(journal, look, error);
    }
    return status;
}

/* With the last one open already. */
static enum fls_status repair_all(struct fls_journal *journal, const struct looks *looks,
                                  struct fls_journal_opening *opening, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    for (size_t i = 0; i + 1 < looks->count && status == FLS_OK; i++)
        status = repair_by_name(journal, &looks->each[i], opening, error);
    if (status == FLS_OK)
        status =
            repair(journal, &looks->each[looks->count - 1], journal->current->fd, opening, error);
    return status;
}

static enum fls_status continue_last(struct fls_journal *journal, const struct fls_series *series,
                                     struct fls_journal_opening *opening, struct fls_error *error)
{
    struct looks looks;
    enum fls_status status = inspect_all(journal, series, &looks, error);

    if (status != FLS_OK)
        return status;
    const struct look *last = &looks.each[looks.count - 1];
    opening->segment = series->segments[series->count - 1].number;
    status = fls_journal_segment_open(journal, last->path, opening->segment, last->file_bytes,
                                      &journal->current, error);
    if (status == FLS_OK)
        status = repair_all(journal, &looks, opening, error);
    if (status != FLS_OK)
        return status;
    opening->used_index = last->used_index;
    opening->frames = last->start.frame + last->found.frames;
    opening->bytes = last->found.good_offset;
    fls_journal_segment_continue(journal, opening->frames, opening->bytes, last->used_index);
    return FLS_OK;
}

static int wants_series(const struct fls_journal_rotation *rotation)
{
    return rotation->bytes > 0 || rotation->messages > 0 || rotation->interval_ms > 0 ||
           rotation->segments_kept > 0 || rotation->bytes_kept > 0;
}

static enum fls_status create_first(struct fls_journal *journal,
                                    struct fls_journal_opening *opening, struct fls_error *error)
{
    opening->segment = (uint64_t)wants_series(&journal->options.rotation);
    enum fls_status status =
        fls_journal_segment_create(journal, opening->segment, &journal->current, error);
    journal->is_made = status == FLS_OK;
    return status;
}

enum fls_status fls_journal_find_end(struct fls_journal *journal,
                                     struct fls_journal_opening *opening, struct fls_error *error)
{
    struct fls_series series;
    enum fls_status status = fls_series_list(journal->path, &series, error);

    if (status != FLS_OK)
        return status;
    const struct fls_segment *last = series.count > 0 ? &series.segments[series.count - 1] : NULL;
    if (!last)
        status = create_first(journal, opening, error);
    else if (last->number == 0 && wants_series(&journal->options.rotation))
        status = fls_error_set(error, FLS_INVALID_ARGUMENT,
                               "%s is one plain file, which cannot be rotated: give it a number",
                               journal->path);
    else
        status = sync_those_before(&series, error);
    if (status == FLS_OK && last)
        status = continue_last(journal, &series, opening, error);
    fls_series_free(&series);
    if (status == FLS_OK)
        journal->is_series = journal->current->number > 0;
    return status;
}
