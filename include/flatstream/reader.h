/*
 * reader.h: frames in, messages out.
 *
 * A reader belongs to one thread at a time. Its source is borrowed unless the options say
 * otherwise. What a message points to stays valid until the next call that reads from the same
 * reader.
 *
 * After an error. FLS_CHECKSUM_MISMATCH and a tap's refusal have passed the frame: the next call
 * goes on behind it. After FLS_INVALID_FRAME, FLS_UNEXPECTED_END, FLS_AGAIN, FLS_IO and
 * FLS_NO_MEMORY the position is still at the frame's start: the next call tries again (which, when
 * a file has grown or space was found, may succeed).
 */
#ifndef FLATSTREAM_READER_H
#define FLATSTREAM_READER_H

#include <flatstream/frame.h>
#include <flatstream/memory_policy.h>
#include <flatstream/source.h>
#include <flatstream/tap.h>

FLS_BEGIN_DECLS

/* One message. `payload` is borrowed from the reader; frame and offset are those of its frame. */
struct fls_message {
    const void *payload;
    size_t bytes;
    uint64_t frame;
    uint64_t offset;
};

/* Messages are aligned to this many bytes unless told otherwise; those of a reader with a type, to
 * the second: as far as any `force_align` goes that flatc takes, and twice that. */
#define FLS_ALIGNMENT_DEFAULT 8
#define FLS_ALIGNMENT_TYPED_DEFAULT 64
#define FLS_ALIGNMENT_MAX 256

/*
 * A type of message, for typed reading: `verify` returns 0 for a valid buffer (may be NULL: not
 * verified), `root` turns a valid buffer into the pointer that the caller's accessors take (NULL:
 * the buffer itself). flatcc's generated functions fit. `name` goes into errors.
 *
 * What `root` returns may be read in place only where the message is aligned as its schema asks: a
 * struct with `force_align` is read by instructions that crash elsewhere, and a verifier looks at
 * places within the message, not at where it lies. The reader sees to that up to the default for
 * types; for more, or where the `alignment` option is set, that option must say enough.
 */
struct fls_message_type {
    const char *name;
    fls_verify_function *verify;
    const void *(*root)(const void *buffer);
};

/*
 * Options; all zero is the default.
 *
 *   checksum           its kind; custom_checksum for FLS_CHECKSUM_CUSTOM (borrowed)
 *   payload_bytes_max  a larger declared length is FLS_INVALID_FRAME; 0: 2 GiB
 *   alignment          each payload is aligned to it (a power of two, at most 256); 0: 8, or 64
 *                      where there is a type; 1: as it comes. A payload that is not aligned where
 *                      it lies is copied, and counted
 *   taps, tap_count    the first taps; the array is copied, what it points to is borrowed
 *   type               for fls_reader_next_root; NULL: untyped. Borrowed
 *   memory_policy      for the message buffer; NULL: it keeps its size. Borrowed
 *   start_offset, start_frame  the position that the source stands at, for errors and messages
 *   owns_source        non-zero: close the source with the reader
 */
struct fls_reader_options {
    enum fls_checksum_kind checksum;
    const struct fls_checksum_custom *custom_checksum;
    uint64_t payload_bytes_max;
    size_t alignment;
    const struct fls_tap *taps;
    size_t tap_count;
    const struct fls_message_type *type;
    struct fls_memory_policy *memory_policy;
    uint64_t start_offset;
    uint64_t start_frame;
    int owns_source;
};

/*
 * What a reader has done so far: messages delivered and skipped, frame bytes passed, calls into
 * the kernel that the source made for it, payloads copied (for alignment, or because they are
 * larger than the read-ahead and were begun in it) with their bytes, the largest payload, and the
 * message buffer's present capacity in bytes.
 */
struct fls_reader_counts {
    uint64_t messages;
    uint64_t bytes;
    uint64_t system_calls;
    uint64_t copies;
    uint64_t bytes_copied;
    uint64_t largest_message;
    uint64_t buffer_bytes;
};

struct fls_reader;

/*
 * Opens a reader on `source`. `options` may be NULL. FLS_OK sets *reader; on failure the source
 * stays the caller's, whatever owns_source says. FLS_INVALID_ARGUMENT (checksum, alignment),
 * FLS_NO_MEMORY. Call the versioned function only from other languages.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_reader_open_versioned(struct fls_source *source, const struct fls_reader_options *options,
                          size_t options_bytes, struct fls_reader **reader,
                          struct fls_error *error);

FLS_MUST_USE static inline enum fls_status fls_reader_open(struct fls_source *source,
                                                           const struct fls_reader_options *options,
                                                           struct fls_reader **reader,
                                                           struct fls_error *error)
{
    return fls_reader_open_versioned(source, options, sizeof *options, reader, error);
}

/* Opens the file `path` and a reader on it that closes it at the end. */
FLS_MUST_USE static inline enum fls_status
fls_reader_open_file(const char *path, const struct fls_reader_options *options,
                     struct fls_reader **reader, struct fls_error *error)
{
    struct fls_reader_options all = FLS_ZERO;
    struct fls_source *source;
    enum fls_status status = fls_source_open_file(path, 0, &source, error);

    if (status != FLS_OK)
        return status;
    if (options)
        all = *options;
    all.owns_source = 1;
    status = fls_reader_open(source, &all, reader, error);
    if (status != FLS_OK)
        fls_source_close(source);
    return status;
}

/* Adds a tap behind those already there. FLS_OK, FLS_INVALID_ARGUMENT, FLS_NO_MEMORY. */
FLS_API FLS_MUST_USE enum fls_status fls_reader_add_tap(struct fls_reader *reader,
                                                        const struct fls_tap *tap);

/*
 * Reads the next message.
 *   FLS_OK                 *message is set
 *   FLS_END                clean end, on a frame boundary
 *   FLS_AGAIN              a non-blocking source has no whole frame yet; call again
 *   FLS_UNEXPECTED_END     the stream ends inside the frame
 *   FLS_INVALID_FRAME      the declared length is over the limit; nothing was allocated for it
 *   FLS_CHECKSUM_MISMATCH, FLS_VALIDATION_FAILED, FLS_INVALID_FLATBUFFER
 *   FLS_IO, FLS_NO_MEMORY
 */
FLS_API FLS_MUST_USE enum fls_status fls_reader_next(struct fls_reader *reader,
                                                     struct fls_message *message);

/*
 * Reads as many messages as lie whole in what is already read ahead, at most `capacity`, at least
 * one (for which it may read). All of them stay valid until the next call. *count is set. An error
 * at a later frame than the first is left for the next call, so FLS_OK always comes with
 * *count >= 1. Payloads behind the first that do not lie aligned are copied, up to 64 KiB a batch:
 * the batch ends before one that finds no room there, and a longer one comes first in a batch of
 * its own. Statuses as for fls_reader_next.
 */
FLS_API FLS_MUST_USE enum fls_status fls_reader_next_batch(struct fls_reader *reader,
                                                           struct fls_message *messages,
                                                           size_t capacity, size_t *count);

/*
 * Typed reading: the next message, verified by the type's function and delivered as the root
 * pointer; *message may be NULL. FLS_VALIDATION_FAILED under the type's name when it does not
 * verify. FLS_INVALID_ARGUMENT when the reader has no type. Else as fls_reader_next.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_reader_next_root(struct fls_reader *reader, const void **root, struct fls_message *message);

/* The payload length of the next message, without consuming it. FLS_OK and *bytes; else as
 * fls_reader_next. (A torn payload is found only by reading it.) */
FLS_API FLS_MUST_USE enum fls_status fls_reader_next_bytes(struct fls_reader *reader,
                                                           size_t *bytes);

/*
 * Reads the next payload into the caller's segments, filled in order: what was read ahead is
 * copied, the rest comes by one readv that also reads ahead for the next frames. message->payload
 * is the first segment's address, message->bytes the payload's length. Taps see the segments.
 * FLS_TOO_SMALL when they hold less than the payload (error.found; nothing is consumed). After
 * FLS_AGAIN call again with the same segments; it goes on in mid-frame. Else as fls_reader_next.
 */
FLS_API FLS_MUST_USE enum fls_status fls_reader_read_into(struct fls_reader *reader,
                                                          const struct iovec *segments,
                                                          size_t count,
                                                          struct fls_message *message);

/*
 * Passes over up to `count` frames without looking at payload or checksum, and without the limit
 * (so a frame over it can be skipped). *skipped (may be NULL) is set. FLS_OK when all were passed;
 * else as fls_reader_next.
 */
FLS_API FLS_MUST_USE enum fls_status fls_reader_skip(struct fls_reader *reader, uint64_t count,
                                                     uint64_t *skipped);

/* Called with each message; FLS_OK to go on, FLS_STOPPED to stop, anything else to fail with it. */
typedef enum fls_status fls_message_function(void *context, const struct fls_message *message);

/*
 * Gives every message to `function`, up to the end. FLS_OK at the clean end; FLS_STOPPED (or
 * whatever the function returned) when it stopped: the reader then stands behind that message and
 * can go on. Else as fls_reader_next.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_reader_process_all(struct fls_reader *reader, fls_message_function *function, void *context);

/* Where the next frame begins: offset in the stream, index. Either may be NULL. */
FLS_API void fls_reader_position(const struct fls_reader *reader, uint64_t *offset,
                                 uint64_t *frame);

/* The last error of this reader (status FLS_OK when there was none); owned by the reader. */
FLS_API const struct fls_error *fls_reader_error(const struct fls_reader *reader);

FLS_API struct fls_reader_counts fls_reader_statistics(const struct fls_reader *reader);

/* Frees the reader and closes an owned source; a borrowed one then stands behind the last message
 * taken. NULL is allowed. */
FLS_API void fls_reader_close(struct fls_reader *reader);

FLS_END_DECLS

#endif
