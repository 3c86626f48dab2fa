/*
 * verification.h: checking a large file by several threads.
 *
 * The file is cut into pieces where frames begin: at an index's entries, or, without an index, at
 * places where a chain of frames proves itself by its checksums. Each thread checks a piece up to
 * the first frame of the next one. A piece counts only when the piece before it ends exactly where
 * it begins: so a place that was no frame's costs time, and never changes what is found.
 */
#ifndef FLATSTREAM_VERIFICATION_H
#define FLATSTREAM_VERIFICATION_H

#include <flatstream/index.h>
#include <flatstream/recover.h>

FLS_BEGIN_DECLS

/*
 * Someone who sees the messages, piece by piece; NULL members are not called.
 *
 *   begin    a piece begins; returns what `see` is given for it, NULL: no memory. On any thread
 *   see      an intact message of the piece; its `frame` counts from the piece's first. What is not
 *            FLS_OK ends the intact part before this message. On any thread, for several pieces at
 *            a time
 *   end      the piece is done: `counts` says whether it belongs to the intact part, else all that
 *            was seen for it is to be forgotten. On the caller's thread; those that count in order
 */
struct fls_verification_observer {
    void *(*begin)(void *context);
    enum fls_status (*see)(void *piece, const struct fls_message *message);
    void (*end)(void *context, void *piece, int counts);
    void *context;
};

/*
 * Options; all zero is the default.
 *
 *   checksum, custom_checksum, payload_bytes_max   as for a reader. A custom checksum's functions
 *                 are called by several threads at a time
 *   jobs          threads, the caller's among them; 0: one for each processor; at most 256
 *   start_offset  the stream begins so far into the file
 *   index         of this file, with start_offset 0; NULL: without. Borrowed
 *   observer      borrowed; may be NULL
 *   progress      called now and then on the caller's thread with the bytes checked so far; what is
 *                 not 0 stops the whole; may be NULL
 */
struct fls_verification_options {
    enum fls_checksum_kind checksum;
    const struct fls_checksum_custom *custom_checksum;
    uint64_t payload_bytes_max;
    unsigned jobs;
    uint64_t start_offset;
    struct fls_index *index;
    const struct fls_verification_observer *observer;
    int (*progress)(void *context, uint64_t bytes);
    void *progress_context;
};

/*
 * The intact part: its frames, where in the file it ends, and its payload bytes. pieces: that were
 * checked at the same time; pieces_wrong: those of them that did not begin with a frame.
 */
struct fls_verification {
    uint64_t frames;
    uint64_t good_offset;
    uint64_t payload_bytes;
    unsigned pieces;
    unsigned pieces_wrong;
};

/*
 * Checks the regular file `fd` (whose position is neither used nor changed) from
 * options->start_offset on, as far as all frames are intact. The result is a part of what a
 * sequential scan finds intact, on a frame boundary; most often all of it. Whoever goes on from
 * good_offset with a sequential scan has that scan's report in a fraction of its time. A file that
 * is small, or gives no places to cut it, and a stream without checksums and index give 0 frames.
 * FLS_OK; FLS_STOPPED (by progress); FLS_UNSUPPORTED (no regular file); FLS_INVALID_ARGUMENT;
 * FLS_IO; FLS_NO_MEMORY. Starts threads, and has joined them when it returns.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_verify_intact(int fd, const struct fls_verification_options *options,
                  struct fls_verification *verification, struct fls_error *error);

/*
 * The same for the file `path`, and the rest by fls_recover_scan with `flags`: the report is the
 * one that the sequential scan of the whole file gives, in every member; offsets count from the
 * file's start. FLS_OK: *recovery is filled, whatever the end. Else as above. The observer sees all
 * intact messages; what it refuses ends the scan as FLS_STREAM_CORRUPT with FLS_VALIDATION_FAILED.
 * A file that was cut meanwhile, so that it ends before where it ended at the beginning, or before
 * what was found good, is FLS_STREAM_CORRUPT with FLS_UNEXPECTED_END; good_offset is in the file.
 */
FLS_API FLS_MUST_USE enum fls_status fls_verify_file(const char *path,
                                                     const struct fls_verification_options *options,
                                                     unsigned flags, struct fls_recovery *recovery,
                                                     struct fls_error *error);

FLS_END_DECLS

#endif
