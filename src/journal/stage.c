/*
 * stage.c: messages on their way to the file.
 *
 * The journal's writer makes frames; its sink, here, puts each whole frame into the staging memory,
 * or writes it at once when it is large. The sink takes a frame whole or not at all, so the writer
 * never has half of one behind it.
 *
 * The invariant: file [0, segment->bytes) and staging [0, staged) are whole frames, one behind the
 * other. After a write that failed in the middle the file is cut back to its last whole frame; if
 * even that fails, `torn` says so, and it is tried again before anything is written. Frames are
 * noted in the index when they are in the file, so an index never says more than the stream has.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "frame/frame_fast.h"
#include "journal/disk.h"
#include "journal/index_internal.h"
#include "journal/journal.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

/* A larger payload is cheaper to write than to copy (docs/performance.md). */
#define COPY_BYTES_MAX ((size_t)64 * 1024)

/* ---- the index ------------------------------------------------------------------------------ */

/* An index that fails is given up, and does not concern the stream. */
static void note_indexed(struct fls_journal *journal, enum fls_status status,
                         const struct fls_error *error)
{
    struct journal_segment *segment = journal->current;

    if (status == FLS_OK)
        return;
    (void)fls_index_writer_close(segment->index, NULL);
    segment->index = NULL;
    fls_journal_note_index(journal, status, error);
}

/* The first `bytes` staged bytes are in the file, from segment->bytes on. */
static void index_staged(struct fls_journal *journal, size_t bytes)
{
    const struct journal_segment *segment = journal->current;
    struct fls_error error;

    if (!segment->index)
        return;
    note_indexed(journal,
                 fls_index_writer_add_run(segment->index, segment->bytes, journal->header_bytes,
                                          journal->staging, bytes, &error),
                 &error);
    if (segment->index)
        fls_index_writer_handed(segment->index);
}

/* ---- to the file ---------------------------------------------------------------------------- */

/* Cuts off what a failed write has left behind the last whole frame. */
static enum fls_status cut_torn(struct fls_journal *journal)
{
    struct journal_segment *segment = journal->current;

    if (!segment->torn)
        return FLS_OK;
    enum fls_status status = fls_disk_cut(segment->fd, segment->bytes, &journal->error);
    segment->torn = status != FLS_OK;
    return status;
}

/* Writes behind the file's end; *accepted counts what came to be there. */
static enum fls_status write_out(struct fls_journal *journal, struct iovec *segments, size_t count,
                                 uint64_t *accepted)
{
    struct fls_write_cursor cursor = {segments, count, 0};
    enum fls_status status =
        fls_sink_write(journal->current->sink, &cursor, accepted, &journal->error);

    return status == FLS_AGAIN ? fls_error_system(&journal->error, "writev", EAGAIN) : status;
}

/* How many leading staged frames lie wholly within `accepted` bytes. */
static size_t whole_frames(const struct fls_journal *journal, uint64_t accepted, size_t *bytes)
{
    size_t frames = 0;

    for (*bytes = 0; *bytes < journal->staged; frames++) {
        size_t frame_bytes =
            journal->header_bytes + fls_header_payload_bytes(journal->staging + *bytes);
        if (*bytes + frame_bytes > accepted)
            break;
        *bytes += frame_bytes;
    }
    return frames;
}

/* The first staged frames are in the file. */
static void note_handed_over(struct fls_journal *journal, size_t frames, size_t bytes)
{
    index_staged(journal, bytes);
    journal->current->frames += frames;
    journal->current->bytes += bytes;
    journal->at_process += frames;
    journal->staged_frames -= frames;
    journal->staged -= bytes;
    if (journal->staged > 0)
        memmove(journal->staging, journal->staging + bytes, journal->staged);
    else
        journal->process_due_ns = 0;
}

/* Cuts the file back to its last whole frame; the error stays the write's. */
static void cut_after_failure(struct fls_journal *journal, int torn)
{
    struct fls_error failure = journal->error;

    journal->current->torn = torn;
    (void)cut_torn(journal);
    journal->error = failure;
    fls_error_locate(&journal->error, journal->current->frames, journal->current->bytes);
    fls_error_in_file(&journal->error, journal->current->path);
}

enum fls_status fls_journal_hand_over(struct fls_journal *journal)
{
    struct iovec staged = {journal->staging, journal->staged};
    size_t frames = journal->staged_frames, bytes = journal->staged;
    uint64_t accepted = 0;
    enum fls_status status = cut_torn(journal);

    if (status != FLS_OK || journal->staged == 0)
        return status;
    status = write_out(journal, &staged, 1, &accepted);
    if (status != FLS_OK)
        frames = whole_frames(journal, accepted, &bytes);
    note_handed_over(journal, frames, bytes);
    if (status != FLS_OK)
        cut_after_failure(journal, accepted > bytes);
    return status;
}

/* ---- the writer's sink ---------------------------------------------------------------------- */

static size_t total_bytes(const struct iovec *segments, int count)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += segments[i].iov_len;
    return bytes;
}

static int must_rotate(const struct fls_journal *journal, size_t frame_bytes)
{
    const struct fls_journal_rotation *rotation = &journal->options.rotation;
    uint64_t frames = journal->current->frames + journal->staged_frames;
    uint64_t bytes = journal->current->bytes + journal->staged;

    if (!journal->is_series || frames == 0)
        return 0;
    return (rotation->messages > 0 && frames >= rotation->messages) ||
           (rotation->bytes > 0 && bytes + frame_bytes > rotation->bytes);
}

/* The frame's payload: what follows its header, which may share the first segment with it. */
static void index_written(struct fls_journal *journal, const struct iovec *segments, int count,
                          size_t frame_bytes)
{
    const struct journal_segment *segment = journal->current;
    size_t header = journal->header_bytes;
    struct iovec rest = {(char *)segments[0].iov_base + header, segments[0].iov_len - header};
    struct fls_payload payload = {segments + 1, (size_t)count - 1, frame_bytes - header};
    struct fls_error error;

    if (rest.iov_len > 0)
        payload = (struct fls_payload){&rest, 1, rest.iov_len};
    if (segment->index)
        note_indexed(journal,
                     fls_index_writer_add(segment->index, segment->bytes, header, &payload, &error),
                     &error);
}

/* A large frame goes to the file, behind those staged, before the call returns. */
static enum fls_status write_through(struct fls_journal *journal, const struct iovec *segments,
                                     int count, size_t frame_bytes)
{
    uint64_t accepted = 0;
    enum fls_status status = fls_journal_hand_over(journal);

    if (status != FLS_OK)
        return status;
    memcpy(journal->through, segments, (size_t)count * sizeof *segments);
    status = write_out(journal, journal->through, (size_t)count, &accepted);
    if (status != FLS_OK) {
        cut_after_failure(journal, accepted > 0);
        return status;
    }
    index_written(journal, segments, count, frame_bytes);
    journal->current->frames++;
    journal->current->bytes += frame_bytes;
    journal->at_process++;
    return FLS_OK;
}

static enum fls_status stage_frame(struct fls_journal *journal, const struct iovec *segments,
                                   int count, size_t frame_bytes)
{
    if (frame_bytes > journal->staging_bytes - journal->staged) {
        enum fls_status status = fls_journal_hand_over(journal);
        if (status != FLS_OK)
            return status;
    }
    for (int i = 0; i < count; i++) {
        memcpy(journal->staging + journal->staged, segments[i].iov_base, segments[i].iov_len);
        journal->staged += segments[i].iov_len;
    }
    journal->staged_frames++;
    return FLS_OK;
}

static enum fls_status door_writev(struct fls_sink *base, const struct iovec *segments, int count,
                                   size_t *accepted, struct fls_error *error)
{
    struct fls_journal *journal = ((struct journal_door *)base)->journal;
    size_t frame_bytes = total_bytes(segments, count);
    enum fls_status status = FLS_OK;

    if (must_rotate(journal, frame_bytes))
        status = fls_journal_begin_segment(journal);
    if (status == FLS_OK && frame_bytes > journal->copy_bytes_max)
        status = write_through(journal, segments, count, frame_bytes);
    else if (status == FLS_OK)
        status = stage_frame(journal, segments, count, frame_bytes);
    if (status != FLS_OK) { /* maybe one that a sink may not return */
        journal->door.failed = status;
        fls_error_copy(error, &journal->error);
        return FLS_IO;
    }
    journal->taken++;
    journal->taken_bytes += frame_bytes;
    *accepted = frame_bytes;
    return FLS_OK;
}

void fls_journal_unstage(struct fls_journal *journal, size_t frame_bytes)
{
    journal->staged -= frame_bytes;
    journal->staged_frames--;
    journal->taken--;
    journal->taken_bytes -= frame_bytes;
}

static enum fls_status door_flush(struct fls_sink *base, enum fls_level level,
                                  struct fls_error *error)
{
    (void)base;
    (void)level;
    (void)error;
    return FLS_OK;
}

static enum fls_status door_close(struct fls_sink *base, struct fls_error *error)
{
    (void)base;
    (void)error;
    return FLS_OK;
}

static const struct fls_sink_ops door_ops = {door_writev, door_flush, door_close};

/* ---- opening -------------------------------------------------------------------------------- */

/* The vectored framer asks its sink for one whole frame at a time. */
static enum fls_status open_writer(struct fls_journal *journal, struct fls_error *error)
{
    const struct fls_journal_options *options = &journal->options;
    struct fls_writer_options writer = {
        .framer = FLS_FRAMER_VECTORED,
        .checksum = options->checksum,
        .payload_bytes_max = options->payload_bytes_max,
        .batch_bytes = 1, /* its own staging holds one message */
        .taps = options->taps,
        .tap_count = options->tap_count,
    };

    journal->door = (struct journal_door){.base.ops = &door_ops, .journal = journal};
    return fls_writer_open(&journal->door.base, &writer, &journal->writer, error);
}

enum fls_status fls_journal_stage_open(struct fls_journal *journal, struct fls_error *error)
{
    size_t asked = journal->options.batch_bytes;

    journal->header_bytes =
        FLS_LENGTH_BYTES +
        fls_checksum_bytes((struct fls_checksum){journal->options.checksum, NULL});
    journal->staging_bytes = asked > 0 ? asked : FLS_BATCH_BYTES_DEFAULT;
    journal->copy_bytes_max =
        fls_min_size(journal->staging_bytes, COPY_BYTES_MAX + FLS_FRAME_HEADER_BYTES_MAX);
    journal->staging = malloc(journal->staging_bytes);
    journal->through = malloc(IOV_MAX * sizeof *journal->through);
    if (!journal->staging || !journal->through)
        return fls_error_no_memory(error, journal->staging_bytes);
    return open_writer(journal, error);
}

void fls_journal_stage_free(struct fls_journal *journal)
{
    fls_writer_abandon(journal->writer);
    free(journal->staging);
    free(journal->through);
}
