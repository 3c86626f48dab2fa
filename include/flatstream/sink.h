/*
 * sink.h: where bytes go.
 *
 * A sink is an ops table and its state behind it. The library's own sinks come from the
 * constructors below; a caller's own embeds `struct fls_sink` as its first member and fills `ops`.
 * A sink belongs to one thread at a time.
 */
#ifndef FLATSTREAM_SINK_H
#define FLATSTREAM_SINK_H

#include <flatstream/payload.h>

FLS_BEGIN_DECLS

/* How far a flush carries the bytes. */
enum fls_level {
    FLS_LEVEL_OBJECT,  /* into this library's own buffer */
    FLS_LEVEL_PROCESS, /* handed to the system: survives the end of this process */
    FLS_LEVEL_MACHINE  /* on the device (fdatasync): survives the end of the machine's power, as
                          far as the device tells the truth */
};

struct fls_sink;

/*
 * What each slot promises. `error` is zeroed before each call and never NULL; with a failure the
 * slot may fill os_errno, subject and reason (fls_error_system does), or nothing: the status that
 * it returns decides, and the library completes the record from it.
 *
 * A slot that breaks its promise (a status not listed with it, FLS_OK with nothing accepted or more
 * than was offered) has failed: its caller gets FLS_IO with EBADE, and the reason says what the
 * slot did. A writer is then poisoned, whatever its framer, since nobody knows what the sink has
 * taken.
 */
struct fls_sink_ops {
    /*
     * Takes a prefix of the `count` (1 to IOV_MAX) non-empty segments, and sets *accepted to its
     * length in bytes; *accepted is 0 before the call. It is called only by the one write loop,
     * which goes on after a short write.
     *   FLS_OK         *accepted > 0
     *   FLS_AGAIN      nothing accepted: a non-blocking endpoint is full
     *   FLS_IO         nothing accepted. EINTR may be reported so; the loop tries again
     *   FLS_NO_MEMORY  nothing accepted
     * The segments are borrowed until it returns.
     */
    enum fls_status (*writev)(struct fls_sink *sink, const struct iovec *segments, int count,
                              size_t *accepted, struct fls_error *error);
    /* Carries all accepted bytes to `level`. FLS_OK, FLS_AGAIN, FLS_IO (after EINTR it is called
     * again), FLS_UNSUPPORTED, FLS_NO_MEMORY. */
    enum fls_status (*flush)(struct fls_sink *sink, enum fls_level level, struct fls_error *error);
    /* Releases everything, the sink itself included, also when it fails. FLS_OK, FLS_IO,
     * FLS_NO_MEMORY. */
    enum fls_status (*close)(struct fls_sink *sink, struct fls_error *error);
};

/*
 * What a writer and its sink tell one another, so that an error names the right frame even where
 * the sink takes bytes long before they are at its endpoint.
 *
 *   frame, offset  the writer's: index and stream offset of the frame with which the write under
 *                  way begins; a call that goes on with it finds them unchanged
 *   header_bytes   of each frame
 *   has_torn       the sink's, when it reports a failure: the frame of index torn_frame, at stream
 *                  offset torn_offset, is the first that has not reached the endpoint whole. Sinks
 *                  that accept only what is there need not say it. The writer clears it
 */
struct fls_sink_frames {
    uint64_t frame;
    uint64_t offset;
    size_t header_bytes;
    int has_torn;
    uint64_t torn_frame;
    uint64_t torn_offset;
};

/*
 * What every sink begins with; zero, but for the ops.
 *
 *   system_calls  counts the calls into the kernel that write
 *   piece_bytes   messages longer than this, and batches longer than eight times this, go to the
 *                 sink in pieces of this size; 0: whole
 *   frames        set by the writer that is on it, NULL while there is none. A sink before another
 *                 one hands it on before each call
 */
struct fls_sink {
    const struct fls_sink_ops *ops;
    uint64_t system_calls;
    size_t piece_bytes;
    struct fls_sink_frames *frames;
};

/*
 * What is left of a gathered write. The loop moves `segments` and `count` forward and shortens the
 * first segment in place, so that a call after FLS_AGAIN goes on exactly where it stopped. The sink
 * is asked to take at most `piece_bytes` at a time; 0: everything.
 */
struct fls_write_cursor {
    struct iovec *segments;
    size_t count;
    size_t piece_bytes;
};

/*
 * Writes everything at the cursor: the one partial-write loop of the library. It goes on after
 * short writes and EINTR, cuts at IOV_MAX, skips empty segments. *accepted (may be NULL) is
 * increased by the bytes taken, also when it fails.
 * FLS_OK when nothing is left; FLS_AGAIN (call again with the same cursor); FLS_IO; FLS_NO_MEMORY,
 * of a sink that said so.
 */
FLS_API FLS_MUST_USE enum fls_status fls_sink_write(struct fls_sink *sink,
                                                    struct fls_write_cursor *cursor,
                                                    uint64_t *accepted, struct fls_error *error);

/* Carries all bytes to `level`: FLS_OK, FLS_AGAIN, FLS_IO, or FLS_UNSUPPORTED (the machine level on
 * an endpoint that has no device: a pipe, a socket, memory). EINTR is retried. */
FLS_API FLS_MUST_USE enum fls_status fls_sink_flush(struct fls_sink *sink, enum fls_level level,
                                                    struct fls_error *error);

/* Closes and frees the sink, also on failure; NULL is allowed. FLS_OK, or FLS_IO when the last
 * bytes may be lost. */
FLS_API enum fls_status fls_sink_close(struct fls_sink *sink, struct fls_error *error);

/*
 * A sink before `behind`, which a thread of its own writes to (all signals blocked in it): what is
 * accepted is copied into up to 768 KiB of pieces, and the caller goes on while they are written.
 * Copying into the page cache is most of what writing small messages costs (docs/performance.md).
 *
 * What is accepted is in this process only, like the bytes of a batch, until a flush to
 * FLS_LEVEL_PROCESS or further has returned. A failure of the other sink is reported by the next
 * call that hands over a piece, or flushes: once, and nothing more is written then, so a writer's
 * error names the frame at which the stream ends. The call after that tries again, from where it
 * stopped, and nothing accepted is passed over. Closing writes everything, tries once, and reports;
 * but where a failure was reported last, it reports that again, and does not try.
 *
 * `behind` is this sink's now, and closed with it; it must not be non-blocking. It stays the
 * caller's when opening fails. FLS_OK, FLS_NO_MEMORY, FLS_IO (no thread).
 */
FLS_API FLS_MUST_USE enum fls_status
fls_sink_open_behind(struct fls_sink *behind, struct fls_sink **sink, struct fls_error *error);

/* How to open a file for writing. Exactly these three, so that no file is lost by accident. */
enum fls_file_mode {
    FLS_FILE_CREATE_NEW, /* fails with EEXIST when the file is there */
    FLS_FILE_TRUNCATE,   /* creates, or empties what is there */
    FLS_FILE_APPEND      /* creates, or goes on at its end */
};

/*
 * A sink on the file `path` (created with mode 0666 less the umask). In every mode it writes with
 * O_APPEND, to wherever the file's end is by then: when another program copies the file and empties
 * it, no hole stays before what comes next. Where a stream begins in it, the index that an earlier
 * one of that name has left beside it (index.h) is removed. A regular file that is no longer at
 * `path` (deleted, renamed, another in its place), or shorter than what was written, is noticed by
 * the next flush to the machine's level and by closing: FLS_IO with ENOENT or ESTALE, and in words
 * what became of it and how many bytes are gone. So is one that was copied and emptied by another
 * program: whether its bytes are kept elsewhere only that program knows. Only the size is compared:
 * where several processes append to one file, what another has appended can make up for what was
 * cut. One that had no name any more when it was opened (by /proc/self/fd) need have none; a folder
 * that is renamed takes the name `path` away. On ext4, from 64 MiB on, blocks are reserved 16 MiB
 * ahead in a file that it created or emptied, which makes writing cheaper; the file's size does not
 * show them. Closing gives them back, unless another process wrote to the file meanwhile; one that
 * is killed leaves them reserved. FLS_OK sets *sink, to be closed by fls_sink_close. FLS_IO,
 * FLS_NO_MEMORY, FLS_INVALID_ARGUMENT (no such mode): then nothing is open, and the file is as it
 * was, or is not there.
 */
FLS_API FLS_MUST_USE enum fls_status fls_sink_open_file(const char *path, enum fls_file_mode mode,
                                                        struct fls_sink **sink,
                                                        struct fls_error *error);

/* Who closes a file descriptor. */
enum fls_ownership { FLS_BORROWED, FLS_OWNED };

/*
 * A sink on any file descriptor: file, pipe, socket, terminal; blocking or not. When the other end
 * of a pipe or socket is gone it reports FLS_IO with EPIPE, and no SIGPIPE reaches the process: on
 * sockets by MSG_NOSIGNAL, on pipes by RWF_NOSIGNAL where the kernel has it (Linux 6.18), else by
 * blocking the signal around the call unless it was ignored or handled when the sink was opened.
 * With FLS_OWNED the descriptor is closed with the sink (not when opening fails). A pipe is made to
 * hold 1 MiB, or else 256 KiB, where the system allows it: its default of 64 KiB is slow. Messages
 * of more than 8 KiB go into a pipe in pieces of 8 KiB, a system call each, which is several times
 * as fast as all at once (docs/performance.md, "Pipes"). FLS_OK, FLS_IO (not a usable descriptor),
 * FLS_NO_MEMORY.
 */
FLS_API FLS_MUST_USE enum fls_status fls_sink_open_fd(int fd, enum fls_ownership ownership,
                                                      struct fls_sink **sink,
                                                      struct fls_error *error);

/*
 * A sink into memory that grows, up to `bytes_max` bytes (0: no bound). Beyond it, or when memory
 * runs out: FLS_IO with ENOSPC or ENOMEM. FLS_OK, FLS_NO_MEMORY.
 */
FLS_API FLS_MUST_USE enum fls_status fls_sink_open_memory(size_t bytes_max, struct fls_sink **sink,
                                                          struct fls_error *error);

/* A sink into the caller's memory, which must outlive it; full is FLS_IO with ENOSPC (what still
 * fits is written first, as on a full disk). FLS_OK, FLS_NO_MEMORY. */
FLS_API FLS_MUST_USE enum fls_status fls_sink_open_fixed_memory(void *memory, size_t capacity,
                                                                struct fls_sink **sink,
                                                                struct fls_error *error);

/* The bytes written so far to a sink of fls_sink_open_memory or fls_sink_open_fixed_memory, valid
 * until the next write to it or its close; *length is set. NULL and 0 for any other sink. */
FLS_API const void *fls_sink_memory_bytes(const struct fls_sink *sink, size_t *length);

/* Forgets the bytes written to a memory sink and keeps the memory; nothing on any other sink. */
FLS_API void fls_sink_memory_clear(struct fls_sink *sink);

/* For those who write a backend: fills `error` (may be NULL) with FLS_IO, the operation's name and
 * errno, and returns FLS_IO. */
FLS_API enum fls_status fls_error_system(struct fls_error *error, const char *operation,
                                         int os_errno);

FLS_END_DECLS

#endif
