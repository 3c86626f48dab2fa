/*
 * uring_sink.c: a file sink with registered buffers and several writes in flight.
 *
 * The invariant of the file sink: blocks are filled one after another and submitted at growing
 * offsets; `offset` is where the block being filled begins in the file, and with O_DIRECT it is
 * always a multiple of 4096. What a flush writes of a part-filled block beyond the last such
 * boundary goes through a second, ordinary descriptor, and stays in the block, so that the block is
 * later written whole over it. So no padding ever reaches the file.
 *
 * A write past the end of a file makes it longer, and file systems do that one write at a time, and
 * wait. So with O_DIRECT a long file is made longer in large steps, before it is written
 * (make_longer), and cut to what it holds by each flush. `longer_to` is where it ends then.
 *
 * After the first failure nothing more is written. When what was in flight has ended, the file is
 * cut to what it holds without a gap, and the frame at which it ends is what the error names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/beside.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "io/frame_mark.h"
#include "io/uring.h"

#define DIRECT_ALIGNMENT ((size_t)4096)
#define DEPTH_MAX 1024
/* A file of some megabytes is worth it; it grows by as much again, up to the larger number. */
#define LONGER_FROM_BYTES ((uint64_t)4 * 1024 * 1024)
#define LONGER_BYTES_MAX ((uint64_t)64 * 1024 * 1024)

#define LAST_TRIES 20
#define LAST_PAUSE_NS 1000000L

struct block {
    uint8_t *bytes;
    size_t filled;
    size_t done;
    uint64_t offset;
    int busy;
    struct fls_frame_mark mark; /* where a write began that goes on in it, or begins it */
};

struct uring_sink {
    struct fls_sink base;
    struct fls_ring *ring;
    int fd;
    int plain_fd; /* without O_DIRECT; the same as fd when not direct */
    int direct;
    char *path;            /* from the root */
    int has_name;          /* when it was opened */
    uint64_t no_hole_from; /* to what it writes there is none */
    uint64_t cut_at;       /* another has cut the file there; UINT64_MAX: none has */
    uint8_t *memory;
    size_t block_bytes;
    unsigned count;
    unsigned current;
    unsigned in_flight;
    int stands;         /* at the file's end; it does from the first byte, or flush, on */
    unsigned unclaimed; /* results of a write and sync that could not be waited for */
    uint64_t offset;
    uint64_t longer_to;     /* 0: the file was not made longer */
    int never_longer;       /* not wanted, or the system refused it */
    uint64_t plain_calls;   /* system calls beside the ring's */
    uint64_t whole_bytes;   /* what the file is known to hold: as opened, or since the last flush */
    int os_errno;           /* of the first failure; 0: none */
    uint64_t failed_offset; /* the lowest offset that could not be written */
    int is_cut;             /* after a failure, to what is whole */
    struct fls_frame_mark mark; /* of the write under way, by offsets of the file; then of the
                                   first frame that is not whole */
    struct block blocks[];
};

/* A failure stays; so it must not look like one after which to try again. */
static void note_failure(struct uring_sink *sink, int os_errno, uint64_t offset)
{
    if (sink->os_errno == 0)
        sink->os_errno = os_errno == EINTR ? EIO : os_errno;
    if (offset < sink->failed_offset)
        sink->failed_offset = offset;
}

/* Submits what a block has left; a failure is noted. After one nothing more is written. */
static void submit(struct uring_sink *sink, unsigned index)
{
    struct block *block = &sink->blocks[index];

    if (sink->os_errno) {
        note_failure(sink, sink->os_errno, block->offset + block->done);
        return;
    }
    int failure = fls_ring_write(sink->ring, sink->fd, index, block->bytes + block->done,
                                 block->filled - block->done, block->offset + block->done, index);

    block->busy = failure == 0;
    if (failure)
        note_failure(sink, failure, block->offset + block->done);
    else
        sink->in_flight++;
}

static int pwrite_all(struct uring_sink *sink, const uint8_t *bytes, size_t length, uint64_t offset,
                      size_t *done)
{
    *done = 0;
    while (*done < length) {
        ssize_t written =
            pwrite(sink->plain_fd, bytes + *done, length - *done, (off_t)(offset + *done));
        sink->plain_calls++;
        if (written > 0)
            *done += (size_t)written;
        else if (written == 0 || errno != EINTR)
            return written == 0 ? EIO : errno;
    }
    return 0;
}

/* What O_DIRECT cannot write (an odd length before a limit) or cannot write now: through the page
 * cache, which gets on as far as can be, or says what stands in the way. */
static void finish_plainly(struct uring_sink *sink, struct block *block)
{
    size_t done;
    int failure = pwrite_all(sink, block->bytes + block->done, block->filled - block->done,
                             block->offset + block->done, &done);

    block->done += done;
    if (failure)
        note_failure(sink, failure, block->offset + block->done);
}

/* Files one completion; a short one is submitted again for the rest. */
static void complete(struct uring_sink *sink, struct fls_ring_result result)
{
    struct block *block = &sink->blocks[result.tag];
    size_t before = block->done;
    int odd = result.result == -EAGAIN || (sink->direct && result.result == -EINVAL);

    sink->in_flight--;
    block->busy = 0;
    if (result.result <= 0 && result.result != -EINTR && !odd) {
        note_failure(sink, result.result < 0 ? -result.result : EIO, block->offset + block->done);
        return;
    }
    if (result.result > 0)
        block->done += (size_t)result.result;
    if (block->done >= block->filled)
        return;
    size_t whole = sink->direct ? block->done & ~(DIRECT_ALIGNMENT - 1) : block->done;
    if (odd || (result.result > 0 && whole == before)) {
        finish_plainly(sink, block);
        return;
    }
    block->done = whole;
    submit(sink, result.tag);
}

/* What is in flight when waiting fails is not known to be written. */
static void doubt_all(struct uring_sink *sink, int os_errno)
{
    for (unsigned i = 0; i < sink->count; i++) {
        struct block *block = &sink->blocks[i];
        if (block->busy)
            note_failure(sink, os_errno, block->offset + block->done);
    }
}

/* Whether waiting was possible. */
static int wait_one(struct uring_sink *sink)
{
    struct fls_ring_result result;
    int failure = fls_ring_wait(sink->ring, &result);

    if (failure)
        doubt_all(sink, failure);
    else if (result.tag < sink->count && sink->blocks[result.tag].busy)
        complete(sink, result);
    else if (sink->unclaimed > 0)
        sink->unclaimed--;
    return failure == 0;
}

static void wait_all(struct uring_sink *sink)
{
    while (sink->in_flight > 0 && wait_one(sink))
        continue;
}

/* --- after a failure
 * ------------------------------------------------------------------------------
 */

/* Up to here the file is whole: to what was written without a gap; and never cut into what it held
 * when it was opened, nor into what a flush has carried there. */
static uint64_t whole_offset(const struct uring_sink *sink)
{
    return sink->failed_offset > sink->whole_bytes ? sink->failed_offset : sink->whole_bytes;
}

static void cut_to_whole(struct uring_sink *sink)
{
    uint64_t whole = whole_offset(sink), bytes;

    if (fls_os_file_bytes(sink->plain_fd, &bytes, NULL) == FLS_OK && bytes > whole &&
        fls_os_truncate(sink->plain_fd, whole, NULL) != FLS_OK)
        return; /* the failure itself is reported; there is nothing better to do */
}

/* The lengths of frames are read back a stretch at a time. */
struct lengths {
    int fd;
    uint64_t from;
    size_t count;
    uint8_t bytes[4096];
};

static int length_at(void *context, uint64_t at, uint8_t *length)
{
    struct lengths *lengths = context;

    if (at < lengths->from || at + 4 > lengths->from + lengths->count) {
        ssize_t got = pread(lengths->fd, lengths->bytes, sizeof lengths->bytes, (off_t)at);
        lengths->from = at;
        lengths->count = got > 0 ? (size_t)got : 0;
        if (lengths->count < 4)
            return 0;
    }
    memcpy(length, lengths->bytes + (at - lengths->from), 4);
    return 1;
}

/* The nearest place before the end of what is whole where a frame is known to begin: whatever was
 * held back, its block has one. */
static struct fls_frame_mark nearest_mark(const struct uring_sink *sink, uint64_t whole)
{
    struct fls_frame_mark nearest = {0, 0, 0, 0, 0};

    for (unsigned i = 0; i <= sink->count; i++) {
        const struct fls_frame_mark *mark = i < sink->count ? &sink->blocks[i].mark : &sink->mark;
        if (mark->header_bytes > 0 && mark->at <= whole && mark->at >= nearest.at)
            nearest = *mark;
    }
    return nearest;
}

/* When nothing is under way any more: the file is cut, and read back for the frame that tore. */
static void settle_failure(struct uring_sink *sink)
{
    struct lengths lengths = {.fd = sink->plain_fd};

    wait_all(sink);
    cut_to_whole(sink);
    sink->is_cut = 1;
    sink->mark = nearest_mark(sink, whole_offset(sink));
    fls_frame_mark_pass(&sink->mark, whole_offset(sink), length_at, &lengths);
}

static enum fls_status report_failure(struct uring_sink *sink, struct fls_error *error)
{
    sink->base.system_calls = fls_ring_calls(sink->ring) + sink->plain_calls;
    if (FLS_LIKELY(sink->os_errno == 0))
        return FLS_OK;
    if (!sink->is_cut)
        settle_failure(sink);
    fls_frame_mark_tell(&sink->mark, &sink->base);
    return fls_error_system(error, "io_uring write", sink->os_errno);
}

/* --- writing ------------------------------------------------------------------------------------
 */

/* Beyond its limit a process is not told, but ended, by SIGXFSZ. */
static int is_within_limit(uint64_t bytes)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes <= limit.rlim_cur && bytes <= INT64_MAX;
}

/* Before a block that ends at `end` is written. Nothing depends on it: where it fails, each write
 * makes the file longer. */
static void make_longer(struct uring_sink *sink, uint64_t end)
{
    uint64_t new_bytes = end > sink->whole_bytes ? end - sink->whole_bytes : 0;
    uint64_t from = sink->longer_to > sink->offset ? sink->longer_to : sink->offset;
    uint64_t to = end + fls_min_u64(new_bytes, LONGER_BYTES_MAX);

    if (!sink->direct || sink->never_longer || end <= sink->longer_to ||
        new_bytes < LONGER_FROM_BYTES)
        return;
    sink->plain_calls++;
    sink->never_longer =
        !is_within_limit(to) || fallocate(sink->plain_fd, 0, (off_t)from, (off_t)(to - from)) != 0;
    sink->longer_to = to; /* also when it failed, which it may half way */
}

/* Has another cut the file? Once more is written, only a hole shows it, or zeros. */
static void look_for_cut(struct uring_sink *sink)
{
    uint64_t least = sink->offset, bytes;

    if (sink->os_errno)
        return;
    for (unsigned i = 0; i < sink->count; i++)
        if (sink->blocks[i].busy)
            least = fls_min_u64(least, sink->blocks[i].offset);
    sink->plain_calls++;
    if (fls_os_file_bytes(sink->plain_fd, &bytes, NULL) == FLS_OK && bytes < least)
        sink->cut_at = fls_min_u64(sink->cut_at, bytes);
}

/* The block being filled is full: sends it on its way and finds a free one. */
static void next_block(struct uring_sink *sink)
{
    struct block *full = &sink->blocks[sink->current];

    look_for_cut(sink);
    full->offset = sink->offset;
    full->done = 0;
    make_longer(sink, sink->offset + full->filled);
    sink->offset += full->filled;
    submit(sink, sink->current);
    sink->current = (sink->current + 1) % sink->count;
    while (sink->blocks[sink->current].busy && wait_one(sink))
        continue;
    if (sink->os_errno) /* maybe of this block, whose mark is wanted */
        return;
    sink->blocks[sink->current].filled = 0;
    sink->blocks[sink->current].mark = sink->mark;
}

/* A write begins, or goes on. After a flush nothing that was marked before is needed. */
static void note_mark(struct uring_sink *sink)
{
    struct block *block = &sink->blocks[sink->current];

    fls_frame_mark_note(&sink->mark, &sink->base, sink->offset + block->filled);
    if (block->mark.header_bytes == 0)
        block->mark = sink->mark;
}

static void forget_marks(struct uring_sink *sink)
{
    memset(&sink->mark, 0, sizeof sink->mark);
    for (unsigned i = 0; i < sink->count; i++)
        memset(&sink->blocks[i].mark, 0, sizeof sink->blocks[i].mark);
}

/* Stands at the file's end, where that is when the first byte comes; with O_DIRECT, at the boundary
 * before it, with the bytes between. */
static enum fls_status stand_at_end(struct uring_sink *sink, struct fls_error *error)
{
    uint64_t bytes;
    enum fls_status status = fls_os_file_bytes(sink->plain_fd, &bytes, error);

    if (status != FLS_OK)
        return status;
    size_t tail = sink->direct ? (size_t)(bytes % DIRECT_ALIGNMENT) : 0;
    uint64_t offset = bytes - tail;
    if (tail > 0 &&
        pread(sink->plain_fd, sink->blocks[0].bytes, tail, (off_t)offset) != (ssize_t)tail)
        return fls_error_system(error, "pread", errno ? errno : EIO);
    sink->no_hole_from = fls_os_hole_from(sink->plain_fd, 0) >= bytes ? 0 : bytes;
    sink->whole_bytes = bytes;
    sink->offset = offset;
    sink->blocks[0].filled = tail;
    sink->stands = 1;
    return FLS_OK;
}

static enum fls_status uring_writev(struct fls_sink *base, const struct iovec *segments, int count,
                                    size_t *accepted, struct fls_error *error)
{
    struct uring_sink *sink = (struct uring_sink *)base;
    enum fls_status status = report_failure(sink, error);

    if (status == FLS_OK && FLS_UNLIKELY(!sink->stands))
        status = stand_at_end(sink, error);
    if (status != FLS_OK)
        return status;
    note_mark(sink);
    *accepted = 0;
    for (int i = 0; i < count; i++) {
        for (size_t at = 0; at < segments[i].iov_len;) {
            struct block *block = &sink->blocks[sink->current];
            size_t part = fls_min_size(segments[i].iov_len - at, sink->block_bytes - block->filled);
            memcpy(block->bytes + block->filled, (const char *)segments[i].iov_base + at, part);
            block->filled += part;
            at += part;
            *accepted += part;
            if (block->filled == sink->block_bytes)
                next_block(sink);
            if (sink->os_errno)
                return FLS_OK; /* the next call says it */
        }
    }
    base->system_calls = fls_ring_calls(sink->ring) + sink->plain_calls;
    return FLS_OK;
}

/* The aligned part of the block being filled, by its own descriptor. */
static void write_aligned_part(struct uring_sink *sink)
{
    struct block *block = &sink->blocks[sink->current];
    size_t all = block->filled;
    size_t aligned = sink->direct ? all & ~(DIRECT_ALIGNMENT - 1) : 0;

    if (aligned == 0)
        return;
    block->filled = aligned;
    block->offset = sink->offset;
    block->done = 0;
    submit(sink, sink->current);
    wait_all(sink);
    if (sink->os_errno)
        return;
    memmove(block->bytes, block->bytes + aligned, all - aligned);
    block->filled = all - aligned;
    sink->offset += aligned;
}

static int may_be_repeated(int result)
{
    return result >= 0 || result == -ECANCELED || result == -EINTR || result == -EAGAIN;
}

/* The results of a write with a linked sync. A short write cancels the sync. */
static int wait_for_sync(struct uring_sink *sink, size_t bytes, size_t *written, int *synced)
{
    struct fls_ring_result result;
    int failure = 0;

    *written = 0;
    for (int results = bytes > 0 ? 2 : 1; results > 0; results--) {
        int waited = fls_ring_wait(sink->ring, &result);
        if (waited) {
            sink->unclaimed = (unsigned)results;
            return waited;
        }
        if (!may_be_repeated(result.result))
            failure = failure ? failure : -result.result;
        else if (result.tag == 1)
            *synced = result.result == 0;
        else if (result.result > 0)
            *written = (size_t)result.result;
    }
    return failure;
}

static int sync_by_hand(struct uring_sink *sink)
{
    int result;

    do {
        sink->plain_calls++;
        result = fdatasync(sink->plain_fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

/* Writes `length` bytes and syncs the file, linked; what that left is done by hand. *done says what
 * was written, whatever is returned. */
static int write_and_sync(struct uring_sink *sink, const uint8_t *bytes, size_t length,
                          size_t *done)
{
    size_t rest = 0;
    int synced = 0;
    int failure =
        fls_ring_write_and_sync(sink->ring, sink->plain_fd, bytes, length, sink->offset, 0);

    if (failure == 0)
        failure = wait_for_sync(sink, length, done, &synced);
    if (failure || (*done == length && synced))
        return failure;
    failure = pwrite_all(sink, bytes + *done, length - *done, sink->offset + *done, &rest);
    *done += rest;
    return failure ? failure : sync_by_hand(sink);
}

/* The file ends again where its bytes end. */
static void make_exact(struct uring_sink *sink)
{
    uint64_t bytes = sink->offset + sink->blocks[sink->current].filled;
    struct fls_error error = FLS_ZERO;

    if (sink->longer_to == 0)
        return;
    sink->plain_calls++;
    sink->longer_to = 0;
    if (fls_os_truncate(sink->plain_fd, bytes, &error) != FLS_OK)
        note_failure(sink, error.os_errno, sink->offset);
}

/* What is behind the last boundary, through the page cache. It stays in the block when direct. */
static void write_tail(struct uring_sink *sink, enum fls_level level)
{
    struct block *block = &sink->blocks[sink->current];
    size_t done = 0;
    int failure;

    if (level == FLS_LEVEL_MACHINE)
        failure = write_and_sync(sink, block->bytes, block->filled, &done);
    else
        failure = pwrite_all(sink, block->bytes, block->filled, sink->offset, &done);
    if (failure) {
        note_failure(sink, failure, sink->offset + done);
        return;
    }
    sink->whole_bytes = sink->offset + block->filled;
    if (!sink->direct) {
        sink->offset += block->filled;
        block->filled = 0;
    }
}

/* Is what was written still where the path leads to? */
static enum fls_status check_written(struct uring_sink *sink, struct fls_error *error)
{
    sink->plain_calls += 4;
    enum fls_status status = fls_os_check_written(sink->plain_fd, AT_FDCWD, sink->path,
                                                  sink->has_name, sink->whole_bytes, error);
    if (status != FLS_OK)
        return status;
    uint64_t cut = fls_min_u64(sink->cut_at, fls_os_hole_from(sink->plain_fd, sink->no_hole_from));
    return cut < sink->whole_bytes ? fls_os_cut_short(sink->path, cut, error) : FLS_OK;
}

static enum fls_status uring_flush(struct fls_sink *base, enum fls_level level,
                                   struct fls_error *error)
{
    struct uring_sink *sink = (struct uring_sink *)base;
    enum fls_status status = sink->stands ? FLS_OK : stand_at_end(sink, error);

    if (status != FLS_OK)
        return status;
    wait_all(sink);
    look_for_cut(sink);
    if (sink->os_errno == 0)
        write_aligned_part(sink);
    if (sink->os_errno == 0)
        make_exact(sink);
    if (sink->os_errno == 0)
        write_tail(sink, level);
    if (sink->os_errno == 0)
        forget_marks(sink);
    status = report_failure(sink, error);
    return status == FLS_OK && level == FLS_LEVEL_MACHINE ? check_written(sink, error) : status;
}

static enum fls_status close_descriptors(struct uring_sink *sink, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    if (sink->plain_fd >= 0 && sink->plain_fd != sink->fd)
        status = fls_os_close(sink->plain_fd, error);
    if (sink->fd >= 0 && fls_os_close(sink->fd, status == FLS_OK ? error : NULL) != FLS_OK)
        status = FLS_IO;
    return status;
}

static enum fls_status free_sink(struct uring_sink *sink, struct fls_error *error)
{
    fls_ring_close(sink->ring);
    enum fls_status status = close_descriptors(sink, error);
    free(sink->memory);
    free(sink->path);
    free(sink);
    return status;
}

/* A write that ends after the file was cut would make it longer again, with a hole. */
static void wait_a_little(void)
{
    struct timespec time = {0, LAST_PAUSE_NS};

    nanosleep(&time, NULL);
}

static enum fls_status uring_close(struct fls_sink *base, struct fls_error *error)
{
    struct uring_sink *sink = (struct uring_sink *)base;
    enum fls_status status = uring_flush(base, FLS_LEVEL_PROCESS, error);

    for (unsigned tries = 0; sink->in_flight + sink->unclaimed > 0 && tries < LAST_TRIES; tries++)
        if (!wait_one(sink))
            wait_a_little();
    if (status != FLS_OK && sink->stands)
        cut_to_whole(sink);
    if (status == FLS_OK)
        status = check_written(sink, error);
    enum fls_status closed = free_sink(sink, status == FLS_OK ? error : NULL);
    return status == FLS_OK ? closed : status;
}

static const struct fls_sink_ops uring_sink_ops = {uring_writev, uring_flush, uring_close};

/* --- opening ----------------------------------------------------- */

static size_t rounded_block(const struct fls_uring_options *options)
{
    size_t usual =
        options->direct ? FLS_URING_DIRECT_BUFFER_BYTES_DEFAULT : FLS_URING_BUFFER_BYTES_DEFAULT;
    size_t bytes =
        options->buffer_bytes > 0 ? fls_min_size(options->buffer_bytes, (size_t)1 << 30) : usual;

    return (bytes + DIRECT_ALIGNMENT - 1) & ~(DIRECT_ALIGNMENT - 1);
}

static unsigned depth_of(const struct fls_uring_options *options)
{
    unsigned usual = options->direct ? FLS_URING_DIRECT_DEPTH_DEFAULT : FLS_URING_DEPTH_DEFAULT;
    unsigned depth = options->depth > 0 ? options->depth : usual;

    return depth < 2 ? 2 : depth > DEPTH_MAX ? DEPTH_MAX : depth;
}

static enum fls_status allocate(const struct fls_uring_options *options,
                                struct uring_sink **allocated, struct fls_error *error)
{
    unsigned count = depth_of(options);
    size_t block_bytes = rounded_block(options);
    struct uring_sink *sink = calloc(1, sizeof *sink + count * sizeof *sink->blocks);

    if (!sink)
        return fls_error_no_memory(error, sizeof *sink);
    sink->base.ops = &uring_sink_ops;
    sink->fd = sink->plain_fd = -1;
    sink->direct = options->direct;
    sink->never_longer = !options->extend_ahead;
    sink->count = count;
    sink->block_bytes = block_bytes;
    sink->failed_offset = UINT64_MAX;
    sink->cut_at = UINT64_MAX;
    sink->memory = fls_ring_memory(count * block_bytes);
    if (!sink->memory) {
        free(sink);
        return fls_error_no_memory(error, count * block_bytes);
    }
    for (unsigned i = 0; i < count; i++)
        sink->blocks[i].bytes = sink->memory + i * block_bytes;
    *allocated = sink;
    return FLS_OK;
}

static enum fls_status open_direct(struct uring_sink *sink, const char *path,
                                   struct fls_error *error)
{
    struct fls_error refusal;
    enum fls_status status = fls_os_open(path, O_WRONLY | O_DIRECT, &sink->fd, &refusal);

    if (status == FLS_IO && refusal.os_errno == EINVAL)
        return fls_error_set(error, FLS_UNSUPPORTED,
                             "the file system refuses O_DIRECT: open it without `direct`");
    return status == FLS_OK ? status : fls_error_copy(error, &refusal);
}

/* The kind of file, before anything is done to it. O_NONBLOCK was for a pipe without a reader; a
 * file's reads and writes are to wait. */
static enum fls_status require_regular(int fd, struct fls_error *error)
{
    uint64_t bytes;
    enum fls_status status = fls_os_file_bytes(fd, &bytes, error);

    if (status == FLS_UNSUPPORTED)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "not a regular file");
    if (status == FLS_OK && fcntl(fd, F_SETFL, 0) != 0)
        return fls_error_system(error, "fcntl", errno);
    return status;
}

/* Not O_APPEND: it would ignore the offsets. O_RDWR: appending reads the last block. */
static enum fls_status open_plain(struct uring_sink *sink, const char *path,
                                  enum fls_file_mode mode, int *created, struct fls_error *error)
{
    int flags = O_RDWR | O_NONBLOCK;

    if (mode == FLS_FILE_CREATE_NEW) {
        *created = 1;
        return fls_os_open(path, flags | O_CREAT | O_EXCL, &sink->plain_fd, error);
    }
    do {
        sink->plain_fd = fls_os_try_create(path, flags, created);
    } while (sink->plain_fd < 0 && errno == EINTR);
    return sink->plain_fd < 0 ? fls_error_system(error, "open", errno) : FLS_OK;
}

/* A refusal leaves the file as it was: it is emptied last of all. */
static enum fls_status open_descriptors(struct uring_sink *sink, const char *path,
                                        enum fls_file_mode mode, struct fls_error *error)
{
    int created = 0;

    if ((unsigned)mode > FLS_FILE_APPEND)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "unknown file mode %d", (int)mode);
    enum fls_status status = open_plain(sink, path, mode, &created, error);
    if (status != FLS_OK)
        return status;
    sink->has_name = fls_os_has_name(sink->plain_fd);
    status = require_regular(sink->plain_fd, error);
    sink->fd = sink->plain_fd;
    if (status == FLS_OK && sink->direct) {
        sink->fd = -1;
        status = open_direct(sink, path, error);
    }
    if (status == FLS_OK)
        status = fls_beside_begin_stream(sink->plain_fd, path, mode == FLS_FILE_APPEND, error);
    if (status != FLS_OK && created)
        fls_os_remove_created(sink->plain_fd, path);
    return status;
}

enum fls_status fls_sink_open_uring_file(const char *path, enum fls_file_mode mode,
                                         const struct fls_uring_options *options,
                                         struct fls_sink **sink, struct fls_error *error)
{
    static const struct fls_uring_options defaults = FLS_ZERO;
    struct uring_sink *opened = NULL;
    enum fls_status status = allocate(options ? options : &defaults, &opened, error);

    if (status != FLS_OK)
        return status;
    status = fls_ring_open(opened->count + 2, opened->memory, opened->block_bytes, opened->count,
                           &opened->ring, error);
    if (status == FLS_OK && (opened->path = fls_os_absolute(path)) == NULL)
        status = fls_error_no_memory(error, strlen(path));
    if (status == FLS_OK)
        status = open_descriptors(opened, path, mode, error);
    if (status != FLS_OK) {
        free_sink(opened, NULL);
        return status;
    }
    *sink = &opened->base;
    return FLS_OK;
}
