/*
 * writer.h: payloads in, frames out.
 *
 * A writer belongs to one thread at a time. Its sink is borrowed unless the options say otherwise.
 *
 * When a message is through. With the simple and the vectored framer a write that returns FLS_OK
 * has handed the whole frame to the sink. With the batched framer it has taken the message into the
 * batch, and the batch goes out when a bound is reached, with fls_writer_flush, or with
 * fls_writer_close.
 *
 * Non-blocking sinks. FLS_AGAIN means: call the same function again with the same arguments and
 * unchanged bytes; it goes on where it stopped, in the middle of a frame if need be, and no message
 * is written twice. Until then another write is refused with FLS_INVALID_ARGUMENT;
 * fls_writer_flush is allowed, and when it returns FLS_OK all that was taken is through: a message
 * that fls_writer_position has moved past was among it and must not be written again; one that it
 * has not (a full batch had to go first) is still to be written. When nothing of the message was
 * taken yet, it may also be given up, by writing another that lies elsewhere: the same address and
 * length are taken for the same message.
 *
 * Who owns a message. One given with a release callback (fls_writer_write_owned) is the library's
 * from the moment of the call, whatever the call returns, with every framer and every sink, as in
 * fls_async_write_owned: it is released exactly once. So FLS_AGAIN always means of it that it was
 * taken, also where a full batch has to go first, and fls_writer_position has moved past it. It
 * goes out with the same call made again, or with fls_writer_flush or fls_writer_close; it is never
 * given up for another message, only by fls_writer_abandon. Any other message stays the caller's
 * throughout.
 *
 * Failure. When a system error leaves part of a frame (or, batched, taken messages) behind that
 * cannot be completed, the writer is poisoned: each later call returns the same error, whose
 * `offset` and `frame` are those of the first frame that is not whole; also on a sink that takes
 * bytes long before it writes them (sink.h, uring.h), where that frame may be one of an earlier
 * call. So it is after a sink that broke its table's contract (sink.h). A message that was refused
 * (too long, by a tap, out of memory) leaves no byte behind and does not poison.
 */
#ifndef FLATSTREAM_WRITER_H
#define FLATSTREAM_WRITER_H

#include <flatstream/clock.h>
#include <flatstream/frame.h>
#include <flatstream/memory_policy.h>
#include <flatstream/sink.h>
#include <flatstream/tap.h>

FLS_BEGIN_DECLS

#if FLATSTREAM_USE_VERSION == 31
#define FLS_SIMPLE_IS_DEPRECATED                                                                   \
    FLS_DEPRECATED("one writev a message is faster: use FLS_FRAMER_VECTORED")
#else
#define FLS_SIMPLE_IS_DEPRECATED
#endif

/* How frames reach the sink. The bytes are the same. */
enum fls_framer {
    /* By FLATSTREAM_USE_VERSION: simple under 30 and 31, vectored under 40. */
    FLS_FRAMER_DEFAULT FLS_SIMPLE_IS_DEPRECATED = 0,
    /* Two writes a message: header, payload. */
    FLS_FRAMER_SIMPLE FLS_SIMPLE_IS_DEPRECATED = 1,
    /* The simple framer's name once it is no longer the default. */
    FLS_FRAMER_LEGACY FLS_SIMPLE_IS_DEPRECATED = 1,
    /* One gathered write a message. */
    FLS_FRAMER_VECTORED = 2,
    /* One gathered write for many messages. */
    FLS_FRAMER_BATCHED = 3
};

/* Payloads up to this size are copied beside their header, unless told otherwise; larger ones go by
 * reference. Measured: where copying and gathering cost the same (docs/performance.md). */
#define FLS_COPY_BYTES_MAX_DEFAULT ((size_t)4096)
/* For copy_bytes_max: never copy a payload. */
#define FLS_COPY_NEVER ((size_t)-1)

/* A batch goes out at this many bytes, unless told otherwise. */
#define FLS_BATCH_BYTES_DEFAULT ((size_t)256 * 1024)

/*
 * Options; all zero is the default.
 *
 *   framer             see above
 *   checksum           its kind; custom_checksum for FLS_CHECKSUM_CUSTOM (borrowed)
 *   payload_bytes_max  larger payloads are refused with FLS_INVALID_FRAME; 0: 2 GiB, as on the
 *                      reader's side
 *   copy_bytes_max     0: the default above (and in a batch, for a payload that could not be kept
 *                      by reference, 64 KiB: a copy is cheaper than a write of its own);
 *                      FLS_COPY_NEVER: every payload by reference
 *   batch_messages     the batch goes out at this many messages; 0: no bound
 *   batch_bytes        the batch goes out at this many bytes, headers included; 0: the default, or
 *                      up to a sixteenth less, where it ends on a cache line of the file
 *   batch_age_ms       the batch goes out with the first write or fls_writer_flush_due after its
 *                      oldest message has waited so long; 0: no bound
 *   keep_references    0: a payload too large to copy ends its batch, and goes out with it in one
 *                      gathered write before the call returns, so the caller may reuse the memory.
 *                      1: it is kept by reference, and must stay unchanged until the batch is
 *                      flushed. (A payload given with a release callback is always kept so.)
 *   taps, tap_count    the first taps; the array is copied, what it points to is borrowed
 *   memory_policy      for the flattening buffer; NULL: none. Borrowed
 *   clock              for batch_age_ms
 *   start_offset, start_frame  where in the stream this writer begins, for errors and positions
 *                      (appending)
 *   owns_sink          non-zero: close the sink with the writer
 */
struct fls_writer_options {
    enum fls_framer framer;
    enum fls_checksum_kind checksum;
    const struct fls_checksum_custom *custom_checksum;
    uint64_t payload_bytes_max;
    size_t copy_bytes_max;
    size_t batch_messages;
    size_t batch_bytes;
    uint64_t batch_age_ms;
    int keep_references;
    const struct fls_tap *taps;
    size_t tap_count;
    struct fls_memory_policy *memory_policy;
    struct fls_clock clock;
    uint64_t start_offset;
    uint64_t start_frame;
    int owns_sink;
};

/*
 * What a writer has done so far.
 *
 *   messages         taken: written, or in the batch
 *   bytes            frame bytes accepted by the sink
 *   system_calls     calls into the kernel that the sink made for this writer
 *   writes           gathered writes asked of the sink
 *   copies           payloads copied (into the batch, or to flatten them for a tap)
 *   bytes_copied     their bytes
 *   largest_message  in payload bytes
 */
struct fls_writer_counts {
    uint64_t messages;
    uint64_t bytes;
    uint64_t system_calls;
    uint64_t writes;
    uint64_t copies;
    uint64_t bytes_copied;
    uint64_t largest_message;
};

struct fls_writer;

/*
 * Opens a writer on `sink`. `options` may be NULL. FLS_OK sets *writer; on failure the sink stays
 * the caller's, whatever owns_sink says. FLS_INVALID_ARGUMENT (an unknown framer or checksum),
 * FLS_NO_MEMORY. This inline function passes on which version of the interface the program was
 * compiled for; call fls_writer_open_versioned only from other languages.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_writer_open_versioned(struct fls_sink *sink, const struct fls_writer_options *options,
                          size_t options_bytes, int use_version, struct fls_writer **writer,
                          struct fls_error *error);

FLS_MUST_USE static inline enum fls_status fls_writer_open(struct fls_sink *sink,
                                                           const struct fls_writer_options *options,
                                                           struct fls_writer **writer,
                                                           struct fls_error *error)
{
    return fls_writer_open_versioned(sink, options, sizeof *options, FLATSTREAM_USE_VERSION, writer,
                                     error);
}

/*
 * Opens the file `path` and a writer on it that closes it at the end: fls_sink_open_file and
 * fls_writer_open in one. With FLS_FILE_APPEND nothing is checked: to go on with a stream, scan it
 * first (recover.h). FLS_OK; FLS_INVALID_ARGUMENT, FLS_IO, FLS_NO_MEMORY: the file is as it was, or
 * is not there.
 */
FLS_API FLS_MUST_USE enum fls_status fls_writer_open_file_versioned(
    const char *path, enum fls_file_mode mode, const struct fls_writer_options *options,
    size_t options_bytes, int use_version, struct fls_writer **writer, struct fls_error *error);

FLS_MUST_USE static inline enum fls_status
fls_writer_open_file(const char *path, enum fls_file_mode mode,
                     const struct fls_writer_options *options, struct fls_writer **writer,
                     struct fls_error *error)
{
    return fls_writer_open_file_versioned(path, mode, options, sizeof *options,
                                          FLATSTREAM_USE_VERSION, writer, error);
}

/* Adds a tap behind those already there. FLS_OK, FLS_INVALID_ARGUMENT (no function),
 * FLS_NO_MEMORY. */
FLS_API FLS_MUST_USE enum fls_status fls_writer_add_tap(struct fls_writer *writer,
                                                        const struct fls_tap *tap);

/*
 * Writes one message of `bytes` contiguous bytes (0 is allowed, `data` may be NULL then).
 *   FLS_OK            taken; see the top of this header for what that means
 *   FLS_AGAIN         call again with the same arguments
 *   FLS_INVALID_FRAME the payload is over the limit, or a bound refused it; nothing was written
 *   FLS_VALIDATION_FAILED, FLS_INVALID_FLATBUFFER  a tap refused it; nothing was written
 *   FLS_IO            the sink failed
 *   FLS_NO_MEMORY     nothing was written; or the sink said it (see "Failure" above)
 *   FLS_INVALID_ARGUMENT  another message is unfinished after FLS_AGAIN
 */
FLS_API FLS_MUST_USE enum fls_status fls_writer_write(struct fls_writer *writer, const void *data,
                                                      size_t bytes);

/* The same for a message in segments; also FLS_INVALID_ARGUMENT when payload->length is not the sum
 * of the segments. The segment list itself need only live until the call returns FLS_OK. */
FLS_API FLS_MUST_USE enum fls_status fls_writer_write_payload(struct fls_writer *writer,
                                                              const struct fls_payload *payload);

/*
 * The same, with a promise: the payload's bytes stay unchanged until `release(context)` is called.
 * The message is the writer's from this call on, whatever it returns (see the top of this header).
 * `release` is called exactly once, from within a call on this writer, as soon as the bytes are
 * needed no more: when they were copied or written, when the message is refused, when the writer
 * fails, at the latest in fls_writer_close or fls_writer_abandon. It must not call this writer. So
 * a batch keeps large payloads by reference without copying. A payload whose bytes change earlier
 * is the caller's breach: the frame's checksum will not match. Statuses as for
 * fls_writer_write_payload:
 *   FLS_OK            taken; released already, or owed
 *   FLS_AGAIN         taken, and owed: call again with the same arguments (`release` and `context`
 *                     too), which goes on with this message and takes nothing anew; or flush until
 *                     that returns FLS_OK
 *   any other         not written, and released before the call returned
 * A NULL `release` makes this fls_writer_write_payload: nothing changes hands.
 */
FLS_API FLS_MUST_USE enum fls_status fls_writer_write_owned(struct fls_writer *writer,
                                                            const struct fls_payload *payload,
                                                            fls_release_function *release,
                                                            void *context);

/*
 * Writes `count` messages and, with them, whatever the batch held: with the vectored and batched
 * framers in as few gathered writes as IOV_MAX and batch_bytes allow; with the simple framer, two
 * writes each. When it returns FLS_OK all frames are with the sink. A message that is refused ends
 * the call; those before it are written. *written (may be NULL) is set to the number of leading
 * messages that are through or, after FLS_AGAIN, taken. Statuses as for fls_writer_write.
 */
FLS_API FLS_MUST_USE enum fls_status fls_writer_write_batch(struct fls_writer *writer,
                                                            const struct fls_payload *payloads,
                                                            size_t count, size_t *written);

/*
 * Finishes what is unfinished, sends the batch and carries the bytes to `level` (with
 * FLS_LEVEL_OBJECT nothing is done). After it every referenced payload is the caller's again, and
 * every owned one released. FLS_OK, FLS_AGAIN, FLS_IO, FLS_UNSUPPORTED (see fls_sink_flush). A
 * failed FLS_LEVEL_MACHINE poisons: the system may have dropped the pages.
 */
FLS_API FLS_MUST_USE enum fls_status fls_writer_flush(struct fls_writer *writer,
                                                      enum fls_level level);

/* Sends the batch if its oldest message has waited batch_age_ms; to be called by programs that
 * write seldom. *wait_ms (may be NULL) is set to the time until the next call is due, or -1 when
 * nothing waits. FLS_OK, FLS_AGAIN, FLS_IO. */
FLS_API FLS_MUST_USE enum fls_status fls_writer_flush_due(struct fls_writer *writer, int *wait_ms);

/* The last error of this writer (status FLS_OK when there was none); owned by the writer. */
FLS_API const struct fls_error *fls_writer_error(const struct fls_writer *writer);

/* Where the next message will begin: its offset in the stream and its index. */
FLS_API void fls_writer_position(const struct fls_writer *writer, uint64_t *offset,
                                 uint64_t *frame);

FLS_API struct fls_writer_counts fls_writer_statistics(const struct fls_writer *writer);

/*
 * Sends what is left (to FLS_LEVEL_PROCESS), frees the writer, and closes the sink if it owns it.
 * FLS_AGAIN: nothing was freed, call again. Any other status: the writer is gone, and `error` (may
 * be NULL) says what was lost. NULL is allowed. A poisoned writer returns its error.
 */
FLS_API enum fls_status fls_writer_close(struct fls_writer *writer, struct fls_error *error);

/* Frees the writer without sending what it holds, which is released; closes an owned sink. NULL is
 * allowed. */
FLS_API void fls_writer_abandon(struct fls_writer *writer);

FLS_END_DECLS

#endif
