/*
 * uring.c: the ring itself, over liburing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "base/error.h"
#include "io/uring.h"

#if defined(FLS_WITH_URING)

#include <liburing.h>

#define SUBMIT_TRIES 1000
#define SUBMIT_PAUSE_NS 1000000L

struct fls_ring {
    struct io_uring uring;
    int broken; /* errno with which submitting failed: entries are stuck, nothing more is sent */
    uint64_t calls;
};

static enum fls_status refused(struct fls_error *error, const char *what, int os_errno)
{
    return fls_error_set(error, FLS_UNSUPPORTED,
                         "io_uring cannot be used here: %s: %s; the ordinary sinks and sources can",
                         what, strerror(os_errno));
}

static enum fls_status register_blocks(struct fls_ring *ring, uint8_t *memory, size_t block_bytes,
                                       unsigned count, struct fls_error *error)
{
    struct iovec *blocks = calloc(count, sizeof *blocks);

    if (!blocks)
        return fls_error_no_memory(error, count * sizeof *blocks);
    for (unsigned i = 0; i < count; i++)
        blocks[i] = (struct iovec){memory + i * block_bytes, block_bytes};
    int failure = -io_uring_register_buffers(&ring->uring, blocks, count);
    free(blocks);
    return failure ? refused(error, "registering buffers", failure) : FLS_OK;
}

enum fls_status fls_ring_open(unsigned depth, uint8_t *memory, size_t block_bytes, unsigned count,
                              struct fls_ring **ring, struct fls_error *error)
{
    struct fls_ring *opened = calloc(1, sizeof *opened);
    enum fls_status status = FLS_OK;

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    int failure = -io_uring_queue_init(depth, &opened->uring, 0);
    if (failure) {
        free(opened);
        return refused(error, "io_uring_setup", failure);
    }
    if (memory)
        status = register_blocks(opened, memory, block_bytes, count, error);
    if (status != FLS_OK) {
        fls_ring_close(opened);
        return status;
    }
    *ring = opened;
    return FLS_OK;
}

void fls_ring_close(struct fls_ring *ring)
{
    if (!ring)
        return;
    io_uring_queue_exit(&ring->uring);
    free(ring);
}

/* The kernel may be short of memory, or of room for results, for a while. */
static void wait_for_kernel(void)
{
    struct timespec time = {0, SUBMIT_PAUSE_NS};

    nanosleep(&time, NULL);
}

/* Submits all that was prepared. An entry that stays behind would be sent with the next one, when
 * nobody reckons with it: so a failure is for ever. */
static int submit(struct fls_ring *ring)
{
    unsigned tries = 0;

    while (ring->broken == 0 && io_uring_sq_ready(&ring->uring) > 0) {
        ring->calls++;
        int result = io_uring_submit(&ring->uring);
        int may_pass = result == -EAGAIN || result == -EBUSY || result == 0;
        if (may_pass && ++tries < SUBMIT_TRIES)
            wait_for_kernel();
        else if (result <= 0 && result != -EINTR)
            ring->broken = result < 0 ? -result : EBUSY;
    }
    return ring->broken;
}

/* The next free entry; NULL when there is none, or nothing may be sent any more. */
static struct io_uring_sqe *next_entry(struct fls_ring *ring)
{
    return ring->broken ? NULL : io_uring_get_sqe(&ring->uring);
}

static int no_entry(const struct fls_ring *ring)
{
    return ring->broken ? ring->broken : EBUSY;
}

int fls_ring_write(struct fls_ring *ring, int fd, unsigned block, const uint8_t *from, size_t bytes,
                   uint64_t offset, unsigned tag)
{
    struct io_uring_sqe *entry = next_entry(ring);

    if (!entry)
        return no_entry(ring);
    io_uring_prep_write_fixed(entry, fd, from, (unsigned)bytes, offset, (int)block);
    entry->user_data = tag;
    return submit(ring);
}

int fls_ring_read(struct fls_ring *ring, int fd, unsigned block, uint8_t *to, size_t bytes,
                  uint64_t offset, unsigned tag)
{
    struct io_uring_sqe *entry = next_entry(ring);

    if (!entry)
        return no_entry(ring);
    io_uring_prep_read_fixed(entry, fd, to, (unsigned)bytes, offset, (int)block);
    entry->user_data = tag;
    return submit(ring);
}

int fls_ring_write_and_sync(struct fls_ring *ring, int fd, const uint8_t *from, size_t bytes,
                            uint64_t offset, unsigned tag)
{
    struct io_uring_sqe *entry;

    if (ring->broken || io_uring_sq_space_left(&ring->uring) < 2)
        return no_entry(ring);
    if (bytes > 0) {
        entry = next_entry(ring);
        io_uring_prep_write(entry, fd, from, (unsigned)bytes, offset);
        entry->user_data = tag;
        entry->flags |= IOSQE_IO_LINK;
    }
    entry = next_entry(ring);
    io_uring_prep_fsync(entry, fd, IORING_FSYNC_DATASYNC);
    entry->user_data = tag + 1;
    return submit(ring);
}

int fls_ring_wait(struct fls_ring *ring, struct fls_ring_result *result)
{
    struct io_uring_cqe *entry;
    int failure;

    do {
        failure = io_uring_peek_cqe(&ring->uring, &entry);
        if (failure == -EAGAIN) {
            ring->calls++;
            failure = io_uring_wait_cqe(&ring->uring, &entry);
        }
    } while (failure == -EINTR);
    if (failure < 0)
        return -failure;
    *result = (struct fls_ring_result){(unsigned)entry->user_data, entry->res};
    io_uring_cqe_seen(&ring->uring, entry);
    return 0;
}

/* Waits for a send's result and, when the kernel announces one, for its notice that the memory is
 * free again. When waiting itself fails, the ring can no longer tell one send from another. */
static int wait_for_send(struct fls_ring *ring)
{
    int sent = 0, more = 1;

    while (more) {
        struct io_uring_cqe *entry;
        int failure = io_uring_wait_cqe(&ring->uring, &entry);
        ring->calls++;
        if (failure == -EINTR)
            continue;
        if (failure < 0) {
            ring->broken = -failure;
            return failure;
        }
        more = (entry->flags & IORING_CQE_F_MORE) != 0;
        if (!(entry->flags & IORING_CQE_F_NOTIF))
            sent = entry->res;
        io_uring_cqe_seen(&ring->uring, entry);
    }
    return sent;
}

static int send_once(struct fls_ring *ring, int fd, const struct msghdr *message, int flags,
                     int zero_copy)
{
    struct io_uring_sqe *entry = next_entry(ring);

    if (!entry)
        return -no_entry(ring);
    if (zero_copy)
        io_uring_prep_sendmsg_zc(entry, fd, message, (unsigned)flags);
    else
        io_uring_prep_sendmsg(entry, fd, message, (unsigned)flags);
    int failure = submit(ring);
    return failure ? -failure : wait_for_send(ring);
}

int fls_ring_send(struct fls_ring *ring, int fd, const struct iovec *segments, int count, int flags,
                  int *zero_copy, uint64_t *calls)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)segments,
                             .msg_iovlen = (size_t)count};
    uint64_t before = ring->calls;
    int sent = send_once(ring, fd, &message, flags, *zero_copy);

    /* A kernel before 6.1, or a socket that cannot: nothing was sent. */
    if (*zero_copy && (sent == -EOPNOTSUPP || sent == -EINVAL)) {
        *zero_copy = 0;
        sent = send_once(ring, fd, &message, flags, 0);
    }
    *calls += ring->calls - before;
    return sent;
}

uint64_t fls_ring_calls(const struct fls_ring *ring)
{
    return ring->calls;
}

#else

enum fls_status fls_ring_open(unsigned depth, uint8_t *memory, size_t block_bytes, unsigned count,
                              struct fls_ring **ring, struct fls_error *error)
{
    (void)depth, (void)memory, (void)block_bytes, (void)count, (void)ring;
    return fls_error_set(error, FLS_UNSUPPORTED,
                         "this build has no io_uring (liburing was not found when it was made)");
}

void fls_ring_close(struct fls_ring *ring)
{
    (void)ring;
}

int fls_ring_write(struct fls_ring *ring, int fd, unsigned block, const uint8_t *from, size_t bytes,
                   uint64_t offset, unsigned tag)
{
    (void)ring, (void)fd, (void)block, (void)from, (void)bytes, (void)offset, (void)tag;
    return ENOSYS;
}

int fls_ring_read(struct fls_ring *ring, int fd, unsigned block, uint8_t *to, size_t bytes,
                  uint64_t offset, unsigned tag)
{
    (void)ring, (void)fd, (void)block, (void)to, (void)bytes, (void)offset, (void)tag;
    return ENOSYS;
}

int fls_ring_write_and_sync(struct fls_ring *ring, int fd, const uint8_t *from, size_t bytes,
                            uint64_t offset, unsigned tag)
{
    (void)ring, (void)fd, (void)from, (void)bytes, (void)offset, (void)tag;
    return ENOSYS;
}

int fls_ring_send(struct fls_ring *ring, int fd, const struct iovec *segments, int count, int flags,
                  int *zero_copy, uint64_t *calls)
{
    (void)ring, (void)fd, (void)segments, (void)count, (void)flags, (void)zero_copy, (void)calls;
    return -ENOSYS;
}

int fls_ring_wait(struct fls_ring *ring, struct fls_ring_result *result)
{
    (void)ring, (void)result;
    return ENOSYS;
}

uint64_t fls_ring_calls(const struct fls_ring *ring)
{
    (void)ring;
    return 0;
}

#endif

#define PAGE_BYTES ((size_t)4096)
#define HUGE_PAGE_BYTES ((size_t)2 * 1024 * 1024)

void *fls_ring_memory(size_t bytes)
{
    size_t alignment = bytes >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : PAGE_BYTES;

    if (bytes > SIZE_MAX - alignment)
        return NULL;
    size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void *memory = aligned_alloc(alignment, rounded);
    if (memory && alignment == HUGE_PAGE_BYTES)
        (void)madvise(memory, rounded, MADV_HUGEPAGE); /* without, it works as well */
    return memory;
}

enum fls_status fls_uring_probe(struct fls_error *error)
{
    struct fls_ring *ring = NULL;
    enum fls_status status = fls_ring_open(2, NULL, 0, 0, &ring, error);

    if (status == FLS_OK)
        fls_ring_close(ring);
    return status;
}
