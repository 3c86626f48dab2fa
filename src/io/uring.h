/*
 * uring.h: a ring with registered buffers, as its sink and its source need it. The one file behind
 * it is the only one that sees liburing.
 */
#ifndef IO_URING_H
#define IO_URING_H

#include <flatstream/uring.h>

struct fls_ring;

/* One finished operation: the tag that it was submitted with, and its result (bytes, or -errno). */
struct fls_ring_result {
    unsigned tag;
    int result;
};

/* Memory for blocks, from 2 MiB on in huge pages where there are any: a device is given each run of
 * physical memory on its own, and with small pages every page is one. To be freed by free. */
void *fls_ring_memory(size_t bytes);

/* A ring for `depth` operations. Memory of `count` blocks of `block_bytes` at `memory` is
 * registered when memory is not NULL; it must outlive the ring. FLS_UNSUPPORTED says why. */
FLS_MUST_USE enum fls_status fls_ring_open(unsigned depth, uint8_t *memory, size_t block_bytes,
                                           unsigned count, struct fls_ring **ring,
                                           struct fls_error *error);
void fls_ring_close(struct fls_ring *ring);

/* Submit one operation on registered block `block`. 0, or an errno: then nothing more can be
 * submitted to this ring; what is in flight can be waited for. */
int fls_ring_write(struct fls_ring *ring, int fd, unsigned block, const uint8_t *from, size_t bytes,
                   uint64_t offset, unsigned tag);
int fls_ring_read(struct fls_ring *ring, int fd, unsigned block, uint8_t *to, size_t bytes,
                  uint64_t offset, unsigned tag);

/* Submits a write from any memory with a linked fdatasync behind it (bytes 0: the fdatasync
 * alone). Two results come with bytes > 0, the write's under `tag`, the sync's under `tag` + 1. */
int fls_ring_write_and_sync(struct fls_ring *ring, int fd, const uint8_t *from, size_t bytes,
                            uint64_t offset, unsigned tag);

/* Sends and waits: bytes sent, or -errno. `flags` as for sendmsg(2); MSG_DONTWAIT must be said.
 * With *zero_copy it returns when the kernel is done with the memory; *zero_copy is cleared where
 * that cannot be had. *calls is increased by the system calls made. */
int fls_ring_send(struct fls_ring *ring, int fd, const struct iovec *segments, int count, int flags,
                  int *zero_copy, uint64_t *calls);

/* Waits for the next result. 0, or an errno (EINTR is retried). */
int fls_ring_wait(struct fls_ring *ring, struct fls_ring_result *result);

/* Calls into the kernel that this ring has made. */
uint64_t fls_ring_calls(const struct fls_ring *ring);

#endif
