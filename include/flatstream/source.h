/*
 * source.h: where bytes come from.
 *
 * A source shows what is ahead (peek) and is told what is done with (consume). For memory and mmap
 * that is pointer arithmetic; the descriptors share one read-ahead buffer. A source belongs to one
 * thread at a time.
 */
#ifndef FLATSTREAM_SOURCE_H
#define FLATSTREAM_SOURCE_H

#include <flatstream/sink.h>

FLS_BEGIN_DECLS

struct fls_source;

/* Bytes ahead of the position; valid until the next call on the source other than consume. */
struct fls_view {
    const void *bytes;
    size_t available;
};

/*
 * What each slot promises. `error` is zeroed before each call and never NULL; with a failure the
 * slot may fill os_errno, subject and reason (fls_error_system does), or nothing: the status that
 * it returns decides, and the library completes the record from it. view and *filled are zero
 * before the call; what a view shows with any status but FLS_OK, FLS_END and FLS_AGAIN is not
 * looked at.
 *
 * A slot that breaks its promise (a status not listed with it, less shown or filled than that
 * status says, or more than there is room for) has failed: its caller gets FLS_IO with EBADE, and
 * the reason says what the slot did.
 */
struct fls_source_ops {
    /*
     * Shows at least `need` bytes (1 to source->peek_bytes_max) from the position, more when they
     * are there anyway; blocks until then on a blocking endpoint.
     *   FLS_OK         view->available >= need
     *   FLS_END        the source ends first: view shows all that is left, less than need
     *   FLS_AGAIN      a non-blocking endpoint has no more now; view shows what is there
     *   FLS_IO         error is set; nothing is lost, a later call tries again
     *   FLS_NO_MEMORY
     */
    enum fls_status (*peek)(struct fls_source *source, size_t need, struct fls_view *view,
                            struct fls_error *error);
    /* Moves the position by `bytes`, at most what the last peek showed. */
    void (*consume)(struct fls_source *source, size_t bytes);
    /*
     * Copies from the position into the segments until they are full, and moves the position: first
     * what was read ahead, the rest by readv straight into them, with the read-ahead buffer as the
     * last segment. *filled is set to the bytes placed, whatever is returned; the caller goes on
     * from there. FLS_OK (full), FLS_END, FLS_AGAIN, FLS_IO, FLS_NO_MEMORY.
     */
    enum fls_status (*read_into)(struct fls_source *source, const struct iovec *segments,
                                 size_t count, size_t *filled, struct fls_error *error);
    /* The bytes from the position to the end, or UINT64_MAX when that cannot be known. */
    uint64_t (*remaining)(struct fls_source *source);
    /* Releases everything, the source itself included. */
    void (*close)(struct fls_source *source);
};

/*
 * What every source begins with. peek_bytes_max: the largest `need` that peek serves.
 * system_calls: the calls into the kernel that read, or ask a pipe how much there is.
 */
struct fls_source {
    const struct fls_source_ops *ops;
    size_t peek_bytes_max;
    uint64_t system_calls;
};

/* The read-ahead buffer unless told otherwise, in bytes: the kernel copies long blocks faster, and
 * this still lies in the cache when it is taken apart (docs/performance.md, "Reading"). */
#define FLS_READ_AHEAD_BYTES_DEFAULT ((size_t)512 * 1024)

/*
 * A source on the file `path`, read by read(2) with `read_ahead_bytes` of buffer (0: the default;
 * at least 4096). FLS_OK, FLS_IO, FLS_NO_MEMORY.
 */
FLS_API FLS_MUST_USE enum fls_status fls_source_open_file(const char *path, size_t read_ahead_bytes,
                                                          struct fls_source **source,
                                                          struct fls_error *error);

/*
 * A source on any file descriptor: file (from its present position), pipe, socket, terminal;
 * blocking or not. With FLS_OWNED it is closed with the source (not when opening fails). It reads
 * ahead, so bytes past the last message taken may be gone from the descriptor.
 * FLS_OK, FLS_IO, FLS_NO_MEMORY.
 */
FLS_API FLS_MUST_USE enum fls_status fls_source_open_fd(int fd, enum fls_ownership ownership,
                                                        size_t read_ahead_bytes,
                                                        struct fls_source **source,
                                                        struct fls_error *error);

/*
 * A source on the regular file `path`, or on a descriptor of one from its present position (which
 * is left alone), that a thread reads ahead, 256 KiB at a time and up to 768 KiB; the thread lives
 * as long as the source, with all signals blocked. Copying the file out of the page cache is most
 * of what reading small messages costs (docs/performance.md): here another processor does it. For a
 * file of less than some MiB, or where there is no other processor, the sources above are as fast.
 * When the file ends and has grown meanwhile, reading goes on. With FLS_OWNED the descriptor is
 * closed with the source (not when opening fails).
 * FLS_OK, FLS_IO, FLS_UNSUPPORTED (no regular file), FLS_NO_MEMORY (no memory, or no thread).
 */
FLS_API FLS_MUST_USE enum fls_status
fls_source_open_file_ahead(const char *path, struct fls_source **source, struct fls_error *error);
FLS_API FLS_MUST_USE enum fls_status fls_source_open_fd_ahead(int fd, enum fls_ownership ownership,
                                                              struct fls_source **source,
                                                              struct fls_error *error);

/* A source over the caller's memory, which must outlive it. FLS_OK, FLS_NO_MEMORY. */
FLS_API FLS_MUST_USE enum fls_status fls_source_open_memory(const void *bytes, size_t length,
                                                            struct fls_source **source,
                                                            struct fls_error *error);

/*
 * A source over a mapping of the regular file `path`. The file must not shrink while it is open:
 * touching a page past the end raises SIGBUS. For files that others write use
 * fls_source_open_file. FLS_OK (an empty file too), FLS_IO, FLS_NO_MEMORY.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_source_open_mmap(const char *path, struct fls_source **source, struct fls_error *error);

/* The ops, for those who use a source without a reader; see struct fls_source_ops. peek also
 * refuses (FLS_TOO_SMALL) a need over peek_bytes_max, and takes need 0 as 1. */
FLS_API FLS_MUST_USE enum fls_status fls_source_peek(struct fls_source *source, size_t need,
                                                     struct fls_view *view,
                                                     struct fls_error *error);
FLS_API void fls_source_consume(struct fls_source *source, size_t bytes);
FLS_API FLS_MUST_USE enum fls_status fls_source_read_into(struct fls_source *source,
                                                          const struct iovec *segments,
                                                          size_t count, size_t *filled,
                                                          struct fls_error *error);
FLS_API uint64_t fls_source_remaining(struct fls_source *source);

/* Passes over up to `bytes` bytes; *skipped says how many there were. FLS_OK, FLS_END when the
 * source ended first, FLS_AGAIN, FLS_IO, FLS_NO_MEMORY. */
FLS_API FLS_MUST_USE enum fls_status fls_source_skip(struct fls_source *source, uint64_t bytes,
                                                     uint64_t *skipped, struct fls_error *error);

/* Closes and frees the source; NULL is allowed. */
FLS_API void fls_source_close(struct fls_source *source);

FLS_END_DECLS

#endif
