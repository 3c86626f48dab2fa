/*
 * uring_source.c: a file source with reads ahead in flight.
 *
 * The blocks form one ring of memory that is mapped twice, one copy behind the other, so that what
 * lies across its end is still seen in one piece. Block n of the file goes to slot n modulo depth.
 * The invariant: bytes [begin, end) of the file are in the ring, complete; blocks from end's on are
 * in flight or done out of order; a slot is used again only when begin has left it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "io/uring.h"

#define DIRECT_ALIGNMENT ((size_t)4096)
#define DEPTH_MAX 1024

struct slot {
    uint64_t block;
    size_t got;
    int busy;
    int ended; /* the file ends in this block, as far as was seen */
};

struct uring_source {
    struct fls_source base;
    struct fls_ring *ring;
    int fd;
    uint8_t *memory;
    size_t ring_bytes;
    size_t block_bytes;
    unsigned depth;
    uint64_t begin;
    uint64_t end;
    uint64_t next_block; /* the next to be submitted */
    unsigned in_flight;
    struct slot slots[];
};

static struct slot *slot_of(struct uring_source *source, uint64_t block)
{
    return &source->slots[block % source->depth];
}

/* Reads what a block has not got yet. With O_DIRECT from the boundary before. */
static int submit(struct uring_source *source, struct slot *slot)
{
    unsigned index = (unsigned)(slot - source->slots);
    size_t from = slot->got & ~(DIRECT_ALIGNMENT - 1);
    int failure = fls_ring_read(
        source->ring, source->fd, index, source->memory + index * source->block_bytes + from,
        source->block_bytes - from, slot->block * source->block_bytes + from, index);

    slot->got = from;
    slot->busy = failure == 0;
    source->in_flight += failure == 0;
    return failure;
}

/* Submits reads for every slot that is free. 0, or an errno. */
static int read_ahead(struct uring_source *source)
{
    uint64_t limit = source->begin / source->block_bytes + source->depth;

    while (source->next_block < limit) {
        struct slot *slot = slot_of(source, source->next_block);
        if (slot->busy)
            return 0;
        *slot = (struct slot){source->next_block, 0, 0, 0};
        int failure = submit(source, slot);
        if (failure)
            return failure;
        source->next_block++;
    }
    return 0;
}

/* Files one completion. A short read is tried again for the rest, until it brings nothing more. */
static int complete(struct uring_source *source, struct fls_ring_result result)
{
    struct slot *slot = &source->slots[result.tag];
    size_t before = slot->got;

    source->in_flight--;
    slot->busy = 0;
    if (result.result == -EINTR || result.result == -EAGAIN)
        return submit(source, slot);
    if (result.result < 0)
        return -result.result;
    slot->got += (size_t)result.result;
    slot->ended = slot->got < source->block_bytes;
    /* A read that ended off the boundary may have been cut short by the kernel: ask once more,
     * unless it brought what was there before. */
    if (slot->ended && result.result > 0 && slot->got > before && slot->got % DIRECT_ALIGNMENT == 0)
        return submit(source, slot);
    return 0;
}

static int wait_one(struct uring_source *source)
{
    struct fls_ring_result result;
    int failure = fls_ring_wait(source->ring, &result);

    return failure ? failure : complete(source, result);
}

/* Moves `end` over the blocks that are complete. Whether it stands at the end of the file. */
static int advance_end(struct uring_source *source)
{
    for (;;) {
        struct slot *slot = slot_of(source, source->end / source->block_bytes);
        uint64_t start = slot->block * source->block_bytes;
        if (start + source->block_bytes <= source->end || slot->busy ||
            slot->block != source->end / source->block_bytes || slot->block >= source->next_block)
            return 0;
        if (start + slot->got >
            source->end) /* a file that shrank does not take back what was read */
            source->end = start + slot->got;
        if (slot->ended)
            return 1;
    }
}

/* At what was the end: forgets the blocks behind it and asks for this one again. 0, or an errno. */
static int look_again(struct uring_source *source)
{
    while (source->in_flight > 0) {
        int failure = wait_one(source);
        if (failure)
            return failure;
    }
    struct slot *slot = slot_of(source, source->end / source->block_bytes);
    source->next_block = source->end / source->block_bytes + 1;
    slot->block = source->next_block - 1;
    slot->got = (size_t)(source->end % source->block_bytes);
    slot->ended = 0;
    int failure = submit(source, slot);
    while (failure == 0 && slot->busy)
        failure = wait_one(source);
    return failure;
}

static enum fls_status uring_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                  struct fls_error *error)
{
    struct uring_source *source = (struct uring_source *)base;
    enum fls_status status = FLS_OK;
    int failure = 0, looked_again = 0;

    while (failure == 0 && source->end - source->begin < need && status == FLS_OK) {
        int at_end = advance_end(source);
        if (source->end - source->begin >= need)
            break;
        if (at_end && looked_again)
            status = FLS_END;
        else if (at_end)
            failure = look_again(source), looked_again = 1;
        else
            failure = read_ahead(source);
        if (failure == 0 && !at_end && source->in_flight > 0)
            failure = wait_one(source);
    }
    base->system_calls = fls_ring_calls(source->ring);
    view->bytes = source->memory + source->begin % source->ring_bytes;
    view->available = (size_t)(source->end - source->begin);
    return failure ? fls_error_system(error, "io_uring read", failure) : status;
}

static void uring_consume(struct fls_source *base, size_t bytes)
{
    ((struct uring_source *)base)->begin += bytes;
}

static enum fls_status uring_read_into(struct fls_source *base, const struct iovec *segments,
                                       size_t count, size_t *filled, struct fls_error *error)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0, part; at < segments[i].iov_len; at += part) {
            struct fls_view view;
            enum fls_status status = uring_peek(base, 1, &view, error);
            if (status != FLS_OK)
                return status;
            part = fls_min_size(view.available, segments[i].iov_len - at);
            memcpy((char *)segments[i].iov_base + at, view.bytes, part);
            uring_consume(base, part);
            *filled += part;
        }
    }
    return FLS_OK;
}

static uint64_t uring_remaining(struct fls_source *base)
{
    struct uring_source *source = (struct uring_source *)base;
    uint64_t bytes;

    if (fls_os_file_bytes(source->fd, &bytes, NULL) != FLS_OK)
        return UINT64_MAX;
    return bytes > source->begin ? bytes - source->begin : 0;
}

static void uring_close(struct fls_source *base)
{
    struct uring_source *source = (struct uring_source *)base;

    while (source->in_flight > 0 && wait_one(source) == 0)
        continue;
    fls_ring_close(source->ring);
    if (source->memory)
        munmap(source->memory, 2 * source->ring_bytes);
    if (source->fd >= 0)
        fls_os_close(source->fd, NULL);
    free(source);
}

static const struct fls_source_ops uring_source_ops = {uring_peek, uring_consume, uring_read_into,
                                                       uring_remaining, uring_close};

/* --- opening ----------------------------------------------------- */

/* Maps one piece of memory twice, the second behind the first. */
static enum fls_status map_twice(struct uring_source *source, struct fls_error *error)
{
    size_t bytes = source->ring_bytes;
    int fd = memfd_create("flatstream", MFD_CLOEXEC);
    uint8_t *at = MAP_FAILED;

    if (fd < 0)
        return fls_error_system(error, "memfd_create", errno);
    if (ftruncate(fd, (off_t)bytes) == 0)
        at = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int mapped = at != MAP_FAILED;
    for (int half = 0; half < 2 && mapped; half++)
        mapped = mmap(at + (size_t)half * bytes, bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
    enum fls_status status = mapped ? FLS_OK : fls_error_system(error, "mmap", errno);
    close(fd);
    if (at != MAP_FAILED && !mapped)
        munmap(at, 2 * bytes);
    else if (mapped)
        source->memory = at;
    return status;
}

static enum fls_status open_file(struct uring_source *source, const char *path, int direct,
                                 struct fls_error *error)
{
    struct fls_error refusal;
    uint64_t bytes;
    enum fls_status status =
        fls_os_open(path, O_RDONLY | (direct ? O_DIRECT : 0), &source->fd, &refusal);

    if (status == FLS_IO && refusal.os_errno == EINVAL && direct)
        return fls_error_set(error, FLS_UNSUPPORTED,
                             "the file system refuses O_DIRECT: open it without `direct`");
    if (status != FLS_OK)
        return fls_error_copy(error, &refusal);
    status = fls_os_file_bytes(source->fd, &bytes, error);
    if (status == FLS_UNSUPPORTED)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "not a regular file");
    return status;
}

enum fls_status fls_source_open_uring_file(const char *path,
                                           const struct fls_uring_options *options,
                                           struct fls_source **source, struct fls_error *error)
{
    static const struct fls_uring_options defaults = FLS_ZERO;
    const struct fls_uring_options *all = options ? options : &defaults;
    unsigned depth = all->depth > 0 ? all->depth : FLS_URING_DEPTH_DEFAULT;
    size_t block = all->buffer_bytes > 0 ? fls_min_size(all->buffer_bytes, (size_t)1 << 30)
                                         : FLS_URING_BUFFER_BYTES_DEFAULT;

    depth = depth < 2 ? 2 : depth > DEPTH_MAX ? DEPTH_MAX : depth;
    struct uring_source *opened = calloc(1, sizeof *opened + depth * sizeof *opened->slots);
    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    opened->base.ops = &uring_source_ops;
    opened->fd = -1;
    opened->depth = depth;
    opened->block_bytes = (block + DIRECT_ALIGNMENT - 1) & ~(DIRECT_ALIGNMENT - 1);
    opened->ring_bytes = depth * opened->block_bytes;
    opened->base.peek_bytes_max = (depth - 1) * opened->block_bytes;
    enum fls_status status = open_file(opened, path, all->direct, error);
    if (status == FLS_OK)
        status = map_twice(opened, error);
    if (status == FLS_OK)
        status = fls_ring_open(depth + 1, opened->memory, opened->block_bytes, depth, &opened->ring,
                               error);
    if (status != FLS_OK) {
        uring_close(&opened->base);
        return status;
    }
    *source = &opened->base;
    return FLS_OK;
}
