/*
 * status.h: what a call came to, and the error that says where and what was expected.
 *
 * Every fallible function returns an enum fls_status. The object that failed (a writer, a reader)
 * keeps one struct fls_error with the particulars; a function that has no such object takes a
 * `struct fls_error *`, which may be NULL and is written only on failure.
 *
 * What holds for all of them, and is not said again with each: NULL for data that has a length or
 * for an array that has a count, a number that is none of its enum's, and a flag that this library
 * does not know are refused with FLS_INVALID_ARGUMENT. So are options of a newer header in which
 * something is set that this library does not know.
 */
#ifndef FLATSTREAM_STATUS_H
#define FLATSTREAM_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include <flatstream/api.h>

FLS_BEGIN_DECLS

/* X(name, word, text): the one table behind enum, name and text. */
#define FLS_STATUS_MAP(X)                                                                          \
    X(OK, "ok", "all well")                                                                        \
    X(END, "end", "clean end of the stream, on a frame boundary")                                  \
    X(AGAIN, "again", "the endpoint would block: call again with the same arguments")              \
    X(STOPPED, "stopped", "stopped by the caller's callback")                                      \
    X(UNEXPECTED_END, "unexpected_end", "the stream ends inside a frame")                          \
    X(CHECKSUM_MISMATCH, "checksum_mismatch", "the payload does not match its checksum")           \
    X(INVALID_FRAME, "invalid_frame", "the frame's length is not acceptable")                      \
    X(INVALID_FLATBUFFER, "invalid_flatbuffer", "the payload is not a valid FlatBuffer")           \
    X(VALIDATION_FAILED, "validation_failed", "a validator refused the payload")                   \
    X(INVALID_ARGUMENT, "invalid_argument", "the call itself is wrong")                            \
    X(TOO_SMALL, "too_small", "the memory given cannot hold the message")                          \
    X(LIMIT, "limit", "a limit of the format would be exceeded")                                   \
    X(BUSY, "busy", "another writer holds the lock")                                               \
    X(UNSUPPORTED, "unsupported", "this build or this system cannot do it")                        \
    X(IO, "io", "the system reported an error")                                                    \
    X(NO_MEMORY, "no_memory", "out of memory")

enum fls_status {
#define FLS_STATUS_ENUM(name, word, text) FLS_##name,
    FLS_STATUS_MAP(FLS_STATUS_ENUM)
#undef FLS_STATUS_ENUM
};

/* The part of a frame that an error speaks of. */
enum fls_part { FLS_PART_NONE, FLS_PART_HEADER, FLS_PART_PAYLOAD };

#define FLS_ERROR_TEXT_MAX 160

/*
 * An error, self-contained: no pointer in it needs freeing or keeping alive. Zero it to start.
 *
 *   status     what happened
 *   os_errno   the system's errno with FLS_IO, else 0
 *   part       the part of the frame that was being read or written
 *   has_frame  whether `frame` and `offset` mean something
 *   frame      index of the frame, from 0, counted from where this reader or writer began
 *   offset     byte offset of that frame's first byte in the stream
 *   expected   what should have been: declared bytes (UNEXPECTED_END), the stored checksum
 *              (CHECKSUM_MISMATCH), the limit (INVALID_FRAME, LIMIT, TOO_SMALL)
 *   found      what was: bytes there (UNEXPECTED_END), the calculated checksum
 *              (CHECKSUM_MISMATCH), the declared length (INVALID_FRAME), the size
 *              (TOO_SMALL, LIMIT)
 *   subject    who speaks: the validator's name, or the operation that failed ("writev")
 *   reason     in words, may be empty
 */
struct fls_error {
    enum fls_status status;
    int os_errno;
    enum fls_part part;
    int has_frame;
    uint64_t frame;
    uint64_t offset;
    uint64_t expected;
    uint64_t found;
    char subject[48];
    char reason[FLS_ERROR_TEXT_MAX];
};

/* The constant's word ("checksum_mismatch") and its meaning in a sentence; static strings, never
 * NULL, also for a number that is no status. Any thread. */
FLS_API const char *fls_status_word(enum fls_status status);
FLS_API const char *fls_status_text(enum fls_status status);

/*
 * Renders `error` as one line without a newline, for example
 *     frame 2 at byte 18: payload ends after 150 of 300 bytes
 * into `text` (at most `size` bytes, always terminated when size > 0; text may be NULL with 0).
 * Returns the length of the whole line, as snprintf does. Any thread.
 */
FLS_API size_t fls_error_format(const struct fls_error *error, char *text, size_t size);

FLS_END_DECLS

#endif
