/*
 * cut.c: the one way in which bytes are cut off a stream that was found torn. Nothing goes before
 * it is known what it is, or kept beside the stream.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/os.h"
#include "frame/frame_fast.h"
#include "journal/aside.h"
#include "journal/cut.h"
#include "journal/tail.h"

/* The file is still what the scan saw, or nothing is cut. */
static enum fls_status check_unchanged(int fd, const struct fls_recovery *recovery,
                                       struct fls_error *error)
{
    uint64_t bytes;
    enum fls_status status = fls_os_file_bytes(fd, &bytes, error);

    if (status == FLS_UNSUPPORTED)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "only a regular file can be cut");
    if (status != FLS_OK)
        return status;
    if (bytes != recovery->good_offset + recovery->tail_bytes)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "the file has %" PRIu64 " bytes, the scan saw %" PRIu64
                             ": scan it again",
                             bytes, recovery->good_offset + recovery->tail_bytes);
    return FLS_OK;
}

static enum fls_status check(const char *path, const struct fls_recovery *recovery, int *fd,
                             struct fls_error *error)
{
    if (recovery->end != FLS_STREAM_TORN)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "the stream is not torn: there is no tail to cut");
    enum fls_status status = fls_os_open(path, O_WRONLY, fd, error);
    if (status != FLS_OK)
        return status;
    status = check_unchanged(*fd, recovery, error);
    if (status != FLS_OK)
        (void)fls_os_close(*fd, NULL);
    return status;
}

static enum fls_status set_aside_and_cut(const char *path, int fd,
                                         const struct fls_recovery *recovery,
                                         const struct fls_tail *tail, struct fls_cut *cut,
                                         struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    *cut = (struct fls_cut){.bytes = recovery->tail_bytes,
                            .why = tail->why,
                            .kind = tail->kind,
                            .offset = tail->offset};
    if (tail->why != FLS_ASIDE_NOT)
        status = fls_set_aside(path, tail->keep_from, cut->set_aside, error);
    if (status == FLS_OK)
        status = check_unchanged(fd, recovery, error);
    if (status == FLS_OK)
        status = fls_os_truncate(fd, recovery->good_offset, error);
    if (status == FLS_OK)
        return fls_os_sync(fd, error);
    fls_aside_take_back(path, cut->set_aside);
    return status;
}

enum fls_status fls_cut_off(const char *path, const struct fls_recovery *recovery,
                            const struct fls_tail *tail, struct fls_cut *cut,
                            struct fls_error *error)
{
    int fd;
    enum fls_status status = check(path, recovery, &fd, error);

    if (status != FLS_OK)
        return status;
    status = set_aside_and_cut(path, fd, recovery, tail, cut, error);
    enum fls_status closed = fls_os_close(fd, status == FLS_OK ? error : NULL);
    return status == FLS_OK ? closed : status;
}

/* More than a header, and no frame but of zeros before it: then nothing shows that these bytes are
 * a stream of this kind. */
static int shows_no_frame(const struct fls_recovery *recovery)
{
    int empty_is_zeros = fls_checksum_of(recovery->checksum, NULL, 0) == 0;
    uint64_t shown = empty_is_zeros ? recovery->payload_bytes : recovery->frames;

    return shown == 0 &&
           recovery->tail_bytes > FLS_LENGTH_BYTES + fls_checksum_bytes(recovery->checksum);
}

enum fls_status fls_recover_cut(const char *path, const struct fls_recovery *recovery,
                                struct fls_cut *cut, struct fls_error *error)
{
    uint64_t end = recovery->good_offset + recovery->tail_bytes;
    struct fls_cut made = FLS_ZERO;
    struct fls_tail tail;
    int fd;
    enum fls_status status = check(path, recovery, &fd, error);

    if (status != FLS_OK)
        return status;
    status = fls_tail_look(path, recovery->good_offset, end, recovery->checksum, &tail, error);
    if (status == FLS_OK && tail.why != FLS_ASIDE_FRAMES && shows_no_frame(recovery))
        tail.why = FLS_ASIDE_NO_STREAM;
    if (status == FLS_OK)
        status = set_aside_and_cut(path, fd, recovery, &tail, &made, error);
    enum fls_status closed = fls_os_close(fd, status == FLS_OK ? error : NULL);
    if (status == FLS_OK && cut)
        *cut = made;
    return status == FLS_OK ? closed : status;
}

enum fls_status fls_recover_truncate(const char *path, const struct fls_recovery *recovery,
                                     struct fls_error *error)
{
    return fls_recover_cut(path, recovery, NULL, error);
}
