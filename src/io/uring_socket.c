/*
 * uring_socket.c: a socket sink over a ring, with zero copy where the kernel has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/arguments.h"
#include "base/error.h"
#include "base/os.h"
#include "io/uring.h"

struct uring_socket {
    struct fls_sink base;
    struct fls_ring *ring;
    int fd;
    enum fls_ownership ownership;
    int zero_copy;
    int flags; /* of each send; the ring does not look whether the socket is to block */
};

static enum fls_status socket_writev(struct fls_sink *base, const struct iovec *segments, int count,
                                     size_t *accepted, struct fls_error *error)
{
    struct uring_socket *sink = (struct uring_socket *)base;
    int sent = fls_ring_send(sink->ring, sink->fd, segments, count, sink->flags, &sink->zero_copy,
                             &base->system_calls);

    if (sent == -EAGAIN)
        return FLS_AGAIN;
    if (sent <= 0)
        return fls_error_system(error, "io_uring send", sent < 0 ? -sent : EIO);
    *accepted = (size_t)sent;
    return FLS_OK;
}

static enum fls_status socket_flush(struct fls_sink *sink, enum fls_level level,
                                    struct fls_error *error)
{
    (void)sink;
    if (level == FLS_LEVEL_MACHINE)
        return fls_error_set(error, FLS_UNSUPPORTED, "a socket has no device to sync to");
    return FLS_OK;
}

static enum fls_status socket_close(struct fls_sink *base, struct fls_error *error)
{
    struct uring_socket *sink = (struct uring_socket *)base;
    enum fls_status status = FLS_OK;

    fls_ring_close(sink->ring);
    if (sink->ownership == FLS_OWNED)
        status = fls_os_close(sink->fd, error);
    free(sink);
    return status;
}

static const struct fls_sink_ops uring_socket_ops = {socket_writev, socket_flush, socket_close};

enum fls_status fls_sink_open_uring_socket(int fd, enum fls_ownership ownership, int zero_copy,
                                           struct fls_sink **sink, struct fls_error *error)
{
    enum fls_status status = fls_check_ownership(ownership, error);

    if (status == FLS_OK)
        status = fls_os_check(fd, O_WRONLY, error);
    if (status != FLS_OK)
        return status;
    struct uring_socket *opened = calloc(1, sizeof *opened);
    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    status = fls_ring_open(4, NULL, 0, 0, &opened->ring, error);
    if (status != FLS_OK) {
        free(opened);
        return status;
    }
    opened->base.ops = &uring_socket_ops;
    opened->fd = fd;
    opened->ownership = ownership;
    int blocks = (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
    opened->flags = MSG_NOSIGNAL | (blocks ? 0 : MSG_DONTWAIT);
    opened->zero_copy = zero_copy && blocks; /* the memory is free when the peer has taken it */
    *sink = &opened->base;
    return FLS_OK;
}
