/*
 * behind_sink.c: a sink before another sink, which a thread writes to.
 *
 * What is accepted is copied into pieces, which form a ring. Pieces [written, filled) are whole and
 * wait for the thread; number `filled` is being filled by the caller, who alone touches it. When
 * the other sink fails the thread stops where it is; the caller hears of it once, at his next call.
 * With the call after that the thread tries again: nothing accepted is passed over.
 *
 * The error names the frame that the other sink has not whole. So a write that would not fit into
 * what is left of a piece begins a new one: then most pieces begin where a frame does, and where
 * one does not, the frame that reaches into it is found in the piece before, while that is there.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <flatstream/sink.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "io/frame_mark.h"

#define PIECES 3
#define PIECE_BYTES ((size_t)256 * 1024)

/* A piece of what was accepted, from byte `start` on. */
struct piece {
    struct fls_buffer buffer;
    size_t used;
    size_t done; /* of it were written */
    uint64_t start;
    struct fls_frame_mark mark; /* the frame that has its first byte, once it is passed on */
};

/*
 *   behind    the sink written to: by the thread, or by the caller when nothing waits
 *   is_begun  piece number `filled` is free, and has been begun
 *   calls     of the other sink into the kernel
 *   failed    it failed; `failure` says how, and the thread rests
 *   is_told   the caller has heard of it
 *   stop      the thread shall end
 *   accepted  bytes in all; `mark` is that of the write under way
 *   behind_frames  what the other sink is told, as if the thread were a writer
 */
struct behind_sink {
    struct fls_sink base;
    struct fls_sink *behind;
    struct piece pieces[PIECES];
    uint64_t filled;
    uint64_t written;
    uint64_t calls;
    int is_begun;
    int failed;
    int is_told;
    int stop;
    struct fls_error failure;
    uint64_t accepted;
    struct fls_frame_mark mark;
    struct fls_sink_frames behind_frames;
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_cond_t done;
    pthread_t thread;
};

static struct piece *piece_of(struct behind_sink *sink, uint64_t number)
{
    return &sink->pieces[number % PIECES];
}

/* --- the thread -------------------------------------------------------------------------------
 */

/* A piece that begins with a frame is a write of its own to the other sink. */
static void tell_frames(struct behind_sink *sink, const struct piece *piece)
{
    const struct fls_frame_mark *mark = &piece->mark;

    sink->behind->frames = mark->header_bytes > 0 ? &sink->behind_frames : NULL;
    if (mark->at != piece->start || piece->done > 0)
        return;
    sink->behind_frames = (struct fls_sink_frames){
        .frame = mark->frame, .offset = mark->offset, .header_bytes = mark->header_bytes};
}

/* Writes what is left of the piece, without the lock. */
static enum fls_status write_piece(struct behind_sink *sink, struct piece *piece,
                                   struct fls_error *error)
{
    struct iovec segment = {piece->buffer.bytes + piece->done, piece->used - piece->done};
    struct fls_write_cursor cursor = {&segment, 1, sink->behind->piece_bytes};
    uint64_t accepted = 0;

    tell_frames(sink, piece);
    enum fls_status status = fls_sink_write(sink->behind, &cursor, &accepted, error);
    piece->done += (size_t)accepted;
    if (status == FLS_AGAIN)
        return fls_error_set(error, FLS_IO, "a sink written behind must not be non-blocking");
    return status;
}

static void write_next(struct behind_sink *sink)
{
    struct piece *piece = piece_of(sink, sink->written);
    struct fls_error error;

    pthread_mutex_unlock(&sink->lock);
    enum fls_status status = write_piece(sink, piece, &error);
    pthread_mutex_lock(&sink->lock);
    sink->calls = sink->behind->system_calls;
    sink->written += status == FLS_OK;
    if (status != FLS_OK) {
        sink->failed = 1;
        sink->failure = error;
    }
    pthread_cond_signal(&sink->done);
}

static void *write_on(void *context)
{
    struct behind_sink *sink = context;

    pthread_mutex_lock(&sink->lock);
    while (!sink->stop)
        if (sink->written < sink->filled && !sink->failed)
            write_next(sink);
        else
            pthread_cond_wait(&sink->work, &sink->lock);
    pthread_mutex_unlock(&sink->lock);
    return NULL;
}

/* --- which frame is not whole -----------------------------------------------------------------
 */

static const uint8_t *byte_at(const struct behind_sink *sink, uint64_t at)
{
    for (size_t i = 0; i < PIECES; i++) {
        const struct piece *piece = &sink->pieces[i];
        if (at >= piece->start && at - piece->start < piece->used)
            return piece->buffer.bytes + (at - piece->start);
    }
    return NULL;
}

static int length_at(void *context, uint64_t at, uint8_t *length)
{
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *byte = byte_at(context, at + i);
        if (!byte)
            return 0;
        length[i] = *byte;
    }
    return 1;
}

/* When a piece is begun: the frame that the write under way begins with, or that the piece before
 * begins in. When it is passed on, the mark moves to the frame that has the piece's first byte. */
static void begin_mark(struct behind_sink *sink, struct piece *piece)
{
    const struct piece *before = piece_of(sink, sink->filled - 1);

    piece->mark = sink->mark;
    if (piece->mark.header_bytes > 0 && piece->mark.at < before->start)
        piece->mark = before->mark;
}

/* The other sink holds bytes back as well, and has said what it has not whole. */
static int tell_deeper(struct behind_sink *sink)
{
    struct fls_sink_frames *deeper = &sink->behind_frames, *frames = sink->base.frames;

    if (!deeper->has_torn)
        return 0;
    deeper->has_torn = 0;
    if (frames) {
        frames->has_torn = 1;
        frames->torn_frame = deeper->torn_frame;
        frames->torn_offset = deeper->torn_offset;
    }
    return 1;
}

/* The present piece was not written to its end. */
static void tell_torn(struct behind_sink *sink)
{
    const struct piece *piece = piece_of(sink, sink->written);
    struct fls_frame_mark mark = piece->mark;

    if (tell_deeper(sink))
        return;
    fls_frame_mark_pass(&mark, piece->start + piece->done, length_at, sink);
    fls_frame_mark_tell(&mark, &sink->base);
}

/* --- the caller -------------------------------------------------------------------------------
 */

static enum fls_status tell_failure(struct behind_sink *sink, struct fls_error *error)
{
    sink->is_told = 1;
    tell_torn(sink);
    return fls_error_copy(error, &sink->failure);
}

/* Waits until at most `waiting` pieces wait. When the other sink failed, says so, once; when it was
 * said before, lets the thread try again. Called with the lock. */
static enum fls_status wait_for(struct behind_sink *sink, uint64_t waiting, struct fls_error *error)
{
    if (sink->is_told) {
        sink->failed = sink->is_told = 0;
        pthread_cond_signal(&sink->work);
    }
    while (sink->filled - sink->written > waiting && !sink->failed)
        pthread_cond_wait(&sink->done, &sink->lock);
    sink->base.system_calls = sink->calls;
    return sink->failed ? tell_failure(sink, error) : FLS_OK;
}

/* Gives the piece that was begun to the thread. Called with the lock. */
static void pass_on(struct behind_sink *sink)
{
    struct piece *piece = piece_of(sink, sink->filled);

    fls_frame_mark_pass(&piece->mark, piece->start, length_at, sink);
    sink->filled++;
    sink->is_begun = 0;
    pthread_cond_signal(&sink->work);
}

static enum fls_status begin_piece(struct behind_sink *sink, struct fls_error *error)
{
    struct piece *piece = piece_of(sink, sink->filled);

    pthread_mutex_lock(&sink->lock);
    enum fls_status status = wait_for(sink, PIECES - 1, error);
    pthread_mutex_unlock(&sink->lock);
    if (status != FLS_OK)
        return status;
    piece->used = piece->done = 0;
    piece->start = sink->accepted;
    begin_mark(sink, piece);
    sink->is_begun = 1;
    return FLS_OK;
}

/* A write that begins in the piece but would not end in it is to begin the next one. */
static void leave_short(struct behind_sink *sink, const struct iovec *segments, int count)
{
    size_t used = piece_of(sink, sink->filled)->used;
    int begins = sink->mark.header_bytes > 0 && sink->mark.at == sink->accepted;

    if (!sink->is_begun || used == 0 || !begins ||
        fls_payload_from_segments(segments, (size_t)count).length <= PIECE_BYTES - used)
        return;
    pthread_mutex_lock(&sink->lock);
    pass_on(sink);
    pthread_mutex_unlock(&sink->lock);
}

/* Accepts what the piece has room for. */
static enum fls_status behind_writev(struct fls_sink *base, const struct iovec *segments, int count,
                                     size_t *accepted, struct fls_error *error)
{
    struct behind_sink *sink = (struct behind_sink *)base;

    fls_frame_mark_note(&sink->mark, base, sink->accepted);
    leave_short(sink, segments, count);
    struct piece *piece = piece_of(sink, sink->filled);
    if (!sink->is_begun) {
        enum fls_status status = begin_piece(sink, error);
        if (status != FLS_OK)
            return status;
    }
    for (int i = 0; i < count && piece->used < PIECE_BYTES; i++) {
        size_t part = fls_min_size(segments[i].iov_len, PIECE_BYTES - piece->used);
        memcpy(piece->buffer.bytes + piece->used, segments[i].iov_base, part);
        piece->used += part;
        *accepted += part;
    }
    sink->accepted += *accepted;
    if (piece->used == PIECE_BYTES) {
        pthread_mutex_lock(&sink->lock);
        pass_on(sink);
        pthread_mutex_unlock(&sink->lock);
    }
    return FLS_OK;
}

static enum fls_status drain(struct behind_sink *sink, struct fls_error *error)
{
    pthread_mutex_lock(&sink->lock);
    if (sink->is_begun && piece_of(sink, sink->filled)->used > 0)
        pass_on(sink);
    enum fls_status status = wait_for(sink, 0, error);
    pthread_mutex_unlock(&sink->lock);
    return status;
}

static enum fls_status behind_flush(struct fls_sink *base, enum fls_level level,
                                    struct fls_error *error)
{
    struct behind_sink *sink = (struct behind_sink *)base;

    if (level == FLS_LEVEL_OBJECT)
        return FLS_OK;
    enum fls_status status = drain(sink, error);
    if (status != FLS_OK)
        return status;
    status = fls_sink_flush(sink->behind, level, error);
    (void)tell_deeper(sink);
    return status;
}

/* --- from open to close -----------------------------------------------------------------------
 */

static void release(struct behind_sink *sink)
{
    for (size_t i = 0; i < PIECES; i++)
        fls_buffer_free(&sink->pieces[i].buffer);
    pthread_cond_destroy(&sink->done);
    pthread_cond_destroy(&sink->work);
    pthread_mutex_destroy(&sink->lock);
    free(sink);
}

static enum fls_status behind_close(struct fls_sink *base, struct fls_error *error)
{
    struct behind_sink *sink = (struct behind_sink *)base;
    enum fls_status status =
        sink->is_told ? fls_error_copy(error, &sink->failure) : drain(sink, error);

    pthread_mutex_lock(&sink->lock);
    sink->stop = 1;
    pthread_cond_signal(&sink->work);
    pthread_mutex_unlock(&sink->lock);
    pthread_join(sink->thread, NULL);
    enum fls_status closed = fls_sink_close(sink->behind, status == FLS_OK ? error : NULL);
    release(sink);
    return status == FLS_OK ? closed : status;
}

static const struct fls_sink_ops behind_ops = {behind_writev, behind_flush, behind_close};

enum fls_status fls_sink_open_behind(struct fls_sink *behind, struct fls_sink **sink,
                                     struct fls_error *error)
{
    struct behind_sink *opened = calloc(1, sizeof *opened);
    enum fls_status status = FLS_OK;

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    opened->base.ops = &behind_ops;
    opened->behind = behind;
    pthread_mutex_init(&opened->lock, NULL);
    pthread_cond_init(&opened->work, NULL);
    pthread_cond_init(&opened->done, NULL);
    for (size_t i = 0; i < PIECES && status == FLS_OK; i++)
        if (fls_buffer_reserve(&opened->pieces[i].buffer, PIECE_BYTES, 0) != FLS_OK)
            status = fls_error_no_memory(error, PIECE_BYTES);
    if (status == FLS_OK) {
        int failed = fls_os_start_thread(&opened->thread, write_on, opened);
        if (failed)
            status = fls_error_system(error, "pthread_create", failed);
    }
    if (status != FLS_OK) {
        release(opened);
        return status;
    }
    *sink = &opened->base;
    return FLS_OK;
}
