/*
 * uring_source.c: a file source with reads ahead in flight.
 *
 * The blocks form one ring of memory that is mapped twice, one copy behind the other, so that what
 * lies across its end is still seen in one piece. Block n of the file goes to slot n modulo depth.
 * The invariant: bytes [begin, end) of the file are in the ring, complete; blocks from end's on are
 * in flight, done out of order, or failed; a slot is used again only when begin has left it. A
 * failed read is reported when its bytes are asked for, not before, and tried again after that.
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
#define LOOKS_MAX 100

struct slot {
    uint64_t block;
    size_t got;
    int busy;
    int ended;   /* the file ends in this block, as far as was seen */
    int failure; /* errno of its last read; 0: none */
};

struct uring_source {
    struct fls_source base;
    struct fls_ring *ring;
    int fd;
    int direct;
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

/* Reads what a block has not got yet; with O_DIRECT from the boundary before. A failure is kept in
 * the slot. */
static void submit(struct uring_source *source, struct slot *slot)
{
    unsigned index = (unsigned)(slot - source->slots);
    size_t from = source->direct ? slot->got & ~(DIRECT_ALIGNMENT - 1) : slot->got;

    slot->failure = fls_ring_read(
        source->ring, source->fd, index, source->memory + index * source->block_bytes + from,
        source->block_bytes - from, slot->block * source->block_bytes + from, index);
    slot->got = from;
    slot->busy = slot->failure == 0;
    source->in_flight += slot->failure == 0;
}

/* A read that failed, and was reported, is to be done again. */
static int is_left_undone(const struct uring_source *source, const struct slot *slot)
{
    return !slot->busy && !slot->ended && slot->got < source->block_bytes;
}

/* Submits reads for every slot that is free, and again for the one that is asked for. */
static void read_ahead(struct uring_source *source)
{
    uint64_t wanted = source->end / source->block_bytes;
    uint64_t limit = source->begin / source->block_bytes + source->depth;

    if (wanted < source->next_block && is_left_undone(source, slot_of(source, wanted)))
        submit(source, slot_of(source, wanted));
    for (; source->next_block < limit; source->next_block++) {
        struct slot *slot = slot_of(source, source->next_block);
        if (slot->busy)
            return;
        *slot = (struct slot){.block = source->next_block};
        submit(source, slot);
    }
}

/* Files one completion. A short read is tried again for the rest, until it brings nothing more. */
static void complete(struct uring_source *source, struct fls_ring_result result)
{
    struct slot *slot = &source->slots[result.tag];
    size_t before = slot->got;

    source->in_flight--;
    slot->busy = 0;
    if (result.result == -EINTR || result.result == -EAGAIN) {
        submit(source, slot);
        return;
    }
    if (result.result < 0) {
        slot->failure = -result.result;
        return;
    }
    slot->got += (size_t)result.result;
    slot->ended = slot->got < source->block_bytes;
    /* One that ended on a boundary may have been cut short by the kernel. (One that ended off it
     * may too: that is seen when the end is looked at again.) */
    if (slot->ended && slot->got > before && slot->got % DIRECT_ALIGNMENT == 0) {
        slot->ended = 0;
        submit(source, slot);
    }
}

static int wait_one(struct uring_source *source)
{
    struct fls_ring_result result;
    int failure = fls_ring_wait(source->ring, &result);

    if (failure == 0)
        complete(source, result);
    return failure;
}

/* Moves `end` over what is complete. Whether it then stands at the end of the file; and the failure
 * of the block that it stands at, if that has failed. */
static int advance_end(struct uring_source *source, int *failure)
{
    *failure = 0;
    for (;;) {
        uint64_t block = source->end / source->block_bytes;
        struct slot *slot = slot_of(source, block);
        if (block >= source->next_block || slot->busy)
            return 0;
        /* A file that shrank does not take back what was read. */
        if (block * source->block_bytes + slot->got > source->end)
            source->end = block * source->block_bytes + slot->got;
        if (slot->got < source->block_bytes) {
            *failure = slot->failure;
            return slot->ended;
        }
    }
}

/* At what was the end: forgets the blocks behind it and asks for this one again. 0, or an errno of
 * the ring. */
static int look_again(struct uring_source *source)
{
    int failure = 0;

    while (failure == 0 && source->in_flight > 0)
        failure = wait_one(source);
    if (failure)
        return failure;
    uint64_t block = source->end / source->block_bytes;
    struct slot *slot = slot_of(source, block);
    source->next_block = block + 1;
    *slot = (struct slot){.block = block, .got = (size_t)(source->end % source->block_bytes)};
    submit(source, slot);
    while (failure == 0 && slot->busy)
        failure = wait_one(source);
    return failure;
}

static uint64_t bytes_behind_end(const struct uring_source *source)
{
    uint64_t bytes;

    if (fls_os_file_bytes(source->fd, &bytes, NULL) != FLS_OK || bytes < source->end)
        return 0;
    return bytes - source->end;
}

/* At the end, as far as was seen: FLS_OK after a new look, FLS_END when one has brought nothing and
 * there is nothing. Short reads are no end; but not for ever. */
static enum fls_status look_or_end(struct uring_source *source, unsigned *looks, int *failure)
{
    if (*looks > 0 && bytes_behind_end(source) == 0)
        return FLS_END;
    *failure = *looks < LOOKS_MAX ? look_again(source) : EIO;
    ++*looks;
    return *failure ? FLS_IO : FLS_OK;
}

/* Reads until `need` bytes are there, or a look at the end brought nothing more. *failure is the
 * errno of what stands in the way. */
static enum fls_status fetch(struct uring_source *source, size_t need, int *failure)
{
    enum fls_status status = FLS_OK;
    uint64_t looked_at = source->end;
    unsigned looks = 0;

    while (status == FLS_OK) {
        int at_end = advance_end(source, failure);
        if (source->end - source->begin >= need)
            return FLS_OK;
        looks = looked_at == source->end ? looks : 0;
        looked_at = source->end;
        if (*failure) {
            slot_of(source, source->end / source->block_bytes)->failure = 0;
            return FLS_IO;
        }
        if (at_end) {
            status = look_or_end(source, &looks, failure);
        } else {
            read_ahead(source);
            *failure = source->in_flight > 0 ? wait_one(source) : 0;
            status = *failure ? FLS_IO : FLS_OK;
        }
    }
    return status;
}

static enum fls_status uring_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                  struct fls_error *error)
{
    struct uring_source *source = (struct uring_source *)base;
    int failure;
    enum fls_status status = fetch(source, need, &failure);

    base->system_calls = fls_ring_calls(source->ring);
    view->bytes = source->memory + source->begin % source->ring_bytes;
    view->available = (size_t)(source->end - source->begin);
    return status == FLS_IO ? fls_error_system(error, "io_uring read", failure) : status;
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
    int flags = direct ? O_DIRECT : 0;
    enum fls_status status =
        fls_os_open(path, O_RDONLY | O_NONBLOCK | flags, &source->fd, &refusal);

    if (status == FLS_IO && refusal.os_errno == EINVAL && direct)
        return fls_error_set(error, FLS_UNSUPPORTED,
                             "the file system refuses O_DIRECT: open it without `direct`");
    if (status != FLS_OK)
        return fls_error_copy(error, &refusal);
    status = fls_os_file_bytes(source->fd, &bytes, error);
    if (status == FLS_UNSUPPORTED)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "not a regular file");
    /* O_NONBLOCK was for a pipe without a writer; a file's reads are to wait. */
    if (status == FLS_OK && fcntl(source->fd, F_SETFL, flags) != 0)
        return fls_error_system(error, "fcntl", errno);
    return status;
}

/* Registered buffers are whole pages, and each a whole number of what O_DIRECT wants. */
static size_t rounded_block(size_t asked)
{
    size_t page = fls_max_size((size_t)sysconf(_SC_PAGESIZE), DIRECT_ALIGNMENT);
    size_t bytes =
        asked > 0 ? fls_min_size(asked, (size_t)1 << 30) : FLS_URING_BUFFER_BYTES_DEFAULT;

    return (bytes + page - 1) / page * page;
}

enum fls_status fls_source_open_uring_file(const char *path,
                                           const struct fls_uring_options *options,
                                           struct fls_source **source, struct fls_error *error)
{
    static const struct fls_uring_options defaults = FLS_ZERO;
    const struct fls_uring_options *all = options ? options : &defaults;
    unsigned depth = all->depth > 0 ? all->depth : FLS_URING_DEPTH_DEFAULT;

    depth = depth < 2 ? 2 : depth > DEPTH_MAX ? DEPTH_MAX : depth;
    struct uring_source *opened = calloc(1, sizeof *opened + depth * sizeof *opened->slots);
    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    opened->base.ops = &uring_source_ops;
    opened->fd = -1;
    opened->depth = depth;
    opened->direct = all->direct;
    opened->block_bytes = rounded_block(all->buffer_bytes);
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
