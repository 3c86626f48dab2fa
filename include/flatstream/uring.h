/*
 * uring.h: files and sockets through io_uring (liburing).
 *
 * A file sink copies into registered buffers and keeps several writes in flight, at growing
 * offsets; with O_DIRECT they go past the page cache, which is what makes sustained recording to a
 * disk fast. For files in the page cache, pipes and small messages io_uring gains nothing over
 * writev (docs/performance.md): use the ordinary sinks there.
 *
 * In a build without liburing, on a kernel without io_uring, or where a container forbids it, each
 * function returns FLS_UNSUPPORTED with the reason; the ordinary sinks and sources do the same job.
 */
#ifndef FLATSTREAM_URING_H
#define FLATSTREAM_URING_H

#include <flatstream/source.h>

FLS_BEGIN_DECLS

#define FLS_URING_DEPTH_DEFAULT 8
#define FLS_URING_BUFFER_BYTES_DEFAULT ((size_t)256 * 1024)
/* Of a sink past the page cache, which makes no larger writes of small ones. */
#define FLS_URING_DIRECT_DEPTH_DEFAULT 4
#define FLS_URING_DIRECT_BUFFER_BYTES_DEFAULT ((size_t)1024 * 1024)

/*
 * Options; all zero is the default.
 *
 *   depth         buffers, and reads or writes in flight, 2 to 1024; 0: 8; of a sink with
 *                 `direct`: 4
 *   buffer_bytes  size of one, rounded up to 4096; 0: 256 KiB; of a sink with `direct`: 1 MiB
 *   direct        non-zero: O_DIRECT. Where the file system refuses it: FLS_UNSUPPORTED
 *   extend_ahead  non-zero, with `direct`: a sink makes the file longer ahead of its writes, from
 *                 4 MiB on, by at most 64 MiB. On ext4 a write past the end of a file goes alone;
 *                 this lets several go at a time. Flush and close cut it exact; a process that is
 *                 killed leaves the zeros, which under none, crc16 and crc32 read as empty frames
 *                 (FLS_RECOVER_ZERO_TAIL_IS_TORN), so it is for xxh3, which notices them
 */
struct fls_uring_options {
    unsigned depth;
    size_t buffer_bytes;
    int direct;
    int extend_ahead;
};

/* FLS_OK when io_uring can be used here; else FLS_UNSUPPORTED with the reason. Any thread. */
FLS_API FLS_MUST_USE enum fls_status fls_uring_probe(struct fls_error *error);

/*
 * A sink on the regular file `path`. Bytes are accepted into a buffer; a full buffer is submitted.
 * What the file holds:
 *   - until a flush, whole buffers that have completed, in any order; the file may have holes, and
 *     with `extend_ahead` zeros behind them, which the flush cuts off
 *   - after a flush, exactly the bytes accepted, with no padding: with O_DIRECT the part behind the
 *     last 4096-byte boundary is written through the page cache
 *   - after an error was reported, the bytes up to the first that was not written; in any case what
 *     it held when it was opened, and what a flush had carried there
 * A failed write is reported by the next call (FLS_IO), and by every one after it; a writer's error
 * names the frame at which the file then ends.
 * FLS_LEVEL_MACHINE links fdatasync behind the last write. With FLS_FILE_APPEND it goes on at the
 * end that the file has when the first byte comes, aligned or not. From then on it writes at
 * offsets: the file is its own, and when another program empties it, what comes next stands behind
 * a hole (the ordinary file sink leaves none). A flush to the machine's level and closing look
 * whether the file is still at `path`, as with an ordinary file sink, and was not cut short
 * meanwhile: FLS_IO with ENOENT or ESTALE. Its size is looked at before each block is written, and
 * at the end whether a hole stands in what was written (on ext4, XFS, btrfs, tmpfs, overlayfs). The
 * kernel needs no access to the caller's memory after the call that took it, so a payload's release
 * may follow at once. FLS_OK; FLS_UNSUPPORTED (an ordinary sink can be opened instead), FLS_IO,
 * FLS_NO_MEMORY, FLS_INVALID_ARGUMENT (not a regular file): then the file is as it was, or is not
 * there.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_sink_open_uring_file(const char *path, enum fls_file_mode mode,
                         const struct fls_uring_options *options, struct fls_sink **sink,
                         struct fls_error *error);

/*
 * A sink on a connected stream socket, blocking or not when it is opened here, one send in flight.
 * With `zero_copy` the kernel sends from the caller's memory where kernel, socket and device can
 * (else, and on a socket that does not block, it copies) and the call returns only when it is done
 * with it. FLS_OK, FLS_UNSUPPORTED, FLS_IO, FLS_NO_MEMORY.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_sink_open_uring_socket(int fd, enum fls_ownership ownership, int zero_copy,
                           struct fls_sink **sink, struct fls_error *error);

/*
 * A source on the regular file `path`, with depth - 1 reads ahead in flight. It reads to the size
 * that the file has when the end is reached, so a file that grows is followed. With O_DIRECT past
 * the page cache. FLS_OK, FLS_UNSUPPORTED, FLS_IO, FLS_NO_MEMORY, FLS_INVALID_ARGUMENT.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_source_open_uring_file(const char *path, const struct fls_uring_options *options,
                           struct fls_source **source, struct fls_error *error);

FLS_END_DECLS

#endif
