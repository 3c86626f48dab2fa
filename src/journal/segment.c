/*
 * segment.c: the files of a journal: creating, continuing, changing from one to the next, closing,
 * deleting.
 *
 * A retired segment is whole: everything staged has been handed over before the next one's file is
 * created, so a reader who sees that file knows that the one before has its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beside.h"
#include "base/error.h"
#include "base/os.h"
#include "journal/disk.h"
#include "journal/index_file.h"
#include "journal/journal.h"

/* ---- the index of a segment ----------------------------------------------------------------- */

void fls_journal_note_index(struct fls_journal *journal, enum fls_status status,
                            const struct fls_error *error)
{
    if (status == FLS_OK || journal->counts.index_failed)
        return;
    journal->counts.index_failed = 1;
    journal->index_error = *error;
    journal->index_error.status = status;
}

static void drop_index(struct journal_segment *segment)
{
    (void)fls_index_writer_close(segment->index, NULL);
    segment->index = NULL;
}

/* Adds the frames of the file from `frame` and `offset` on, up to its end; FLS_INVALID_ARGUMENT
 * when no frame begins there. */
static enum fls_status add_frames(struct fls_journal *journal, struct journal_segment *segment,
                                  uint64_t frame, uint64_t offset, struct fls_error *error)
{
    struct fls_reader_options options = {.checksum = journal->options.checksum,
                                         .payload_bytes_max = FLS_PAYLOAD_BYTES_WIRE_MAX,
                                         .start_frame = frame};
    struct fls_message message;
    struct fls_reader *reader;
    enum fls_status status =
        fls_journal_open_reader_at(segment->path, &options, offset, &reader, error);

    if (status != FLS_OK)
        return status;
    while (offset < segment->bytes && (status = fls_reader_next(reader, &message)) == FLS_OK) {
        struct iovec whole = {(void *)(uintptr_t)message.payload, message.bytes};
        struct fls_payload payload = {&whole, 1, message.bytes};
        status =
            fls_index_writer_add(segment->index, offset, journal->header_bytes, &payload, error);
        if (status != FLS_OK)
            break;
        offset += journal->header_bytes + message.bytes;
        frame++;
    }
    fls_reader_close(reader);
    if (status == FLS_OK && (offset != segment->bytes || frame != segment->frames))
        status = FLS_INVALID_ARGUMENT;
    return status;
}

/* Opens the segment's index and brings it up to the file's end. */
static enum fls_status open_index(struct fls_journal *journal, struct journal_segment *segment,
                                  int resume, struct fls_error *error)
{
    uint64_t frame, offset;
    enum fls_status status = fls_index_writer_open(segment->path, NULL, journal->options.checksum,
                                                   &journal->options.index, resume, &segment->index,
                                                   &frame, &offset, error);

    if (status != FLS_OK) {
        segment->index = NULL;
        return status;
    }
    status = add_frames(journal, segment, frame, offset, error);
    if (status != FLS_OK)
        drop_index(segment);
    return status;
}

/* An index that cannot be had does not concern the stream. */
static void keep_index(struct fls_journal *journal, struct journal_segment *segment, int resume)
{
    if (!journal->options.with_index)
        return;
    struct fls_error error = FLS_ZERO;
    enum fls_status status = open_index(journal, segment, resume, &error);
    if (status == FLS_INVALID_ARGUMENT && resume)
        status = open_index(journal, segment, 0, &error);
    fls_journal_note_index(journal, status, &error);
}

/* ---- opening a file ------------------------------------------------------------------------- */

/* Is the place of the segment's index free, or an index's? At the opening there is someone to be
 * told that it is not; from then on the recording goes on without one. */
static enum fls_status check_index_place(const struct fls_journal *journal, const char *path,
                                         struct fls_error *error)
{
    struct fls_error failure = FLS_ZERO;
    struct stat stream;
    int fd;

    if (!journal->options.with_index || journal->current)
        return FLS_OK;
    char *index = fls_index_path(path, NULL);
    if (!index)
        return fls_error_no_memory(error, strlen(path));
    int is_there = stat(path, &stream) == 0;
    enum fls_status status = fls_beside_open_index(index, is_there ? &stream : NULL, &fd, &failure);
    free(index);
    if (status == FLS_OK)
        (void)fls_os_close(fd, NULL);
    return status == FLS_INVALID_ARGUMENT ? fls_error_copy(error, &failure) : FLS_OK;
}

/* A segment on the file `path`, which becomes the segment's, also on failure. */
static enum fls_status open_segment(const struct fls_journal *journal, char *path, uint64_t number,
                                    int flags, struct journal_segment **segment,
                                    struct fls_error *error)
{
    struct journal_segment *opened = calloc(1, sizeof *opened);

    if (!opened) {
        free(path);
        return fls_error_no_memory(error, sizeof *opened);
    }
    opened->path = path;
    opened->number = number;
    enum fls_status status = check_index_place(journal, path, error);
    if (status == FLS_OK)
        status = fls_os_open(path, O_WRONLY | O_APPEND | O_NONBLOCK | flags, &opened->fd, error);
    if (status == FLS_OK) {
        status = fls_lock_stream(opened->fd, path, error);
        if (status == FLS_OK && (flags & O_CREAT))
            status = fls_beside_drop_index(path, error);
        if (status == FLS_OK)
            status = fls_sink_open_fd(opened->fd, FLS_OWNED, &opened->sink, error);
        if (status != FLS_OK && (flags & O_CREAT) && fls_beside_is_at(opened->fd, path))
            (void)unlink(path); /* it would be in the way of the next try */
        if (status != FLS_OK)
            (void)fls_os_close(opened->fd, NULL);
    }
    if (status == FLS_OK) {
        *segment = opened;
        return FLS_OK;
    }
    fls_error_in_file(error, path);
    fls_journal_segment_free(opened);
    return status;
}

enum fls_status fls_journal_segment_create(struct fls_journal *journal, uint64_t number,
                                           struct journal_segment **segment,
                                           struct fls_error *error)
{
    char *path =
        number > 0 ? fls_series_segment_path(journal->path, number) : strdup(journal->path);

    if (!path)
        return fls_error_no_memory(error, strlen(journal->path) + 1);
    enum fls_status status = open_segment(journal, path, number, O_CREAT | O_EXCL, segment, error);
    if (status != FLS_OK)
        return status;
    journal->folder_dirty = 1;
    fls_disk_reserve((*segment)->fd, journal->options.rotation.preallocate_bytes);
    keep_index(journal, *segment, 0);
    return FLS_OK;
}

enum fls_status fls_journal_segment_open(struct fls_journal *journal, const char *path,
                                         uint64_t number, uint64_t bytes,
                                         struct journal_segment **segment, struct fls_error *error)
{
    uint64_t there;
    char *own = strdup(path);

    if (!own)
        return fls_error_no_memory(error, strlen(path) + 1);
    enum fls_status status = open_segment(journal, own, number, 0, segment, error);
    if (status != FLS_OK)
        return status;
    (*segment)->bytes = bytes;
    status = fls_os_file_bytes((*segment)->fd, &there, error);
    if (status == FLS_OK && there != bytes)
        status =
            fls_error_set(error, FLS_INVALID_ARGUMENT,
                          "%s is being changed by another: %" PRIu64 " bytes, and had %" PRIu64,
                          (*segment)->path, there, bytes);
    if (status == FLS_OK)
        return FLS_OK;
    (void)fls_journal_segment_close(journal, *segment, NULL); /* nothing was written */
    fls_journal_segment_free(*segment);
    *segment = NULL;
    return status;
}

void fls_journal_segment_continue(struct fls_journal *journal, uint64_t frames, uint64_t bytes,
                                  int trust_index)
{
    struct journal_segment *segment = journal->current;

    segment->frames = segment->synced_frames = frames;
    segment->bytes = segment->synced_bytes = bytes;
    if (journal->options.rotation.preallocate_bytes > bytes)
        fls_disk_reserve(segment->fd, journal->options.rotation.preallocate_bytes);
    keep_index(journal, segment, trust_index);
}

/* ---- from one to the next ------------------------------------------------------------------- */

static void retire(struct fls_journal *journal, struct journal_segment *segment)
{
    segment->last_message = journal->taken;
    segment->next = NULL;
    *journal->retired_end = segment;
    journal->retired_end = &segment->next;
    journal->retired_count++;
}

static void note_pause(struct fls_journal *journal, uint64_t since_ns)
{
    uint64_t pause_ns = fls_clock_now_ns(NULL) - since_ns;

    journal->counts.rotations++;
    if (pause_ns > journal->counts.longest_rotation_ns)
        journal->counts.longest_rotation_ns = pause_ns;
}

/* The numbers end somewhere; the one after that would be the plain file's. */
static enum fls_status next_number(struct fls_journal *journal, uint64_t *number)
{
    *number = journal->current->number + 1;
    if (*number != 0)
        return FLS_OK;
    return fls_error_set(&journal->error, FLS_LIMIT,
                         "no segment can follow number %" PRIu64
                         ": rename the series, or begin another",
                         journal->current->number);
}

/* What is not known to be on the device begins behind what the last sync found. */
enum fls_status fls_journal_fail_in(const struct journal_segment *segment, struct fls_error *error)
{
    fls_error_locate(error, segment->synced_frames, segment->synced_bytes);
    fls_error_in_file(error, segment->path);
    return error->status;
}

enum fls_status fls_journal_check_written(const struct fls_journal *journal,
                                          const struct journal_segment *segment, uint64_t bytes,
                                          struct fls_error *error)
{
    const char *slash = strrchr(segment->path, '/');

    enum fls_status status = fls_os_check_written(
        segment->fd, journal->folder, slash ? slash + 1 : segment->path, 1, bytes, error);
    return status == FLS_OK ? FLS_OK : fls_journal_fail_in(segment, error);
}

enum fls_status fls_journal_begin_segment(struct fls_journal *journal)
{
    uint64_t since_ns = fls_clock_now_ns(NULL), number = 0;
    struct journal_segment *next;
    enum fls_status status = fls_journal_hand_over(journal);

    if (status == FLS_OK)
        status = fls_journal_check_written(journal, journal->current, journal->current->bytes,
                                           &journal->error);
    if (status == FLS_OK)
        status = next_number(journal, &number);
    if (status == FLS_OK)
        status = fls_journal_segment_create(journal, number, &next, &journal->error);
    if (status != FLS_OK)
        return status;
    retire(journal, journal->current);
    journal->current = next;
    journal->rotation_due_ns = 0;
    note_pause(journal, since_ns);
    pthread_cond_signal(&journal->work);
    return FLS_OK;
}

/* ---- the end of one ------------------------------------------------------------------------- */

enum fls_status fls_journal_segment_close(struct fls_journal *journal,
                                          struct journal_segment *segment, struct fls_error *error)
{
    if (segment->torn) /* once more; else the next opening does it */
        segment->torn = fls_disk_cut(segment->fd, segment->bytes, NULL) != FLS_OK;
    if (journal->options.rotation.preallocate_bytes > segment->bytes)
        fls_os_give_back(segment->fd, segment->bytes);
    enum fls_status indexed = /* of the file as it stays */
        fls_index_writer_close(segment->index, &segment->index_error);
    segment->index_error.status = indexed;
    segment->index = NULL;
    fls_lock_stream_let_go(segment->fd);
    enum fls_status status = fls_sink_close(segment->sink, error);
    segment->sink = NULL;
    return status;
}

void fls_journal_segment_free(struct journal_segment *segment)
{
    if (segment)
        free(segment->path);
    free(segment);
}

static enum fls_status delete_file(const char *path, struct fls_error *error)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return FLS_OK;
    enum fls_status status = fls_error_system(error, "unlink", errno);
    fls_error_in_file(error, path);
    return status;
}

static int is_too_much(const struct fls_journal_rotation *rotation, size_t count, uint64_t bytes)
{
    return count > 1 && ((rotation->segments_kept > 0 && count > rotation->segments_kept) ||
                         (rotation->bytes_kept > 0 && bytes > rotation->bytes_kept));
}

enum fls_status fls_journal_delete_old(struct fls_journal *journal, uint64_t newest,
                                       uint64_t *deleted, struct fls_error *error)
{
    const struct fls_journal_rotation *rotation = &journal->options.rotation;
    struct fls_series series;
    uint64_t bytes = 0;

    if (rotation->segments_kept == 0 && rotation->bytes_kept == 0)
        return FLS_OK;
    enum fls_status status = fls_series_list(journal->path, &series, error);
    if (status != FLS_OK)
        return status;
    for (size_t i = 0; i < series.count; i++)
        bytes += series.segments[i].bytes;
    for (size_t i = 0; i < series.count && status == FLS_OK; i++) {
        const struct fls_segment *segment = &series.segments[i];
        if (segment->number > newest || !is_too_much(rotation, series.count - i, bytes))
            break;
        status = delete_file(segment->path, error);
        if (status == FLS_OK)
            status = fls_beside_drop_index(segment->path, error);
        bytes -= segment->bytes;
        *deleted += status == FLS_OK;
    }
    fls_series_free(&series);
    return status;
}
