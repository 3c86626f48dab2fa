/*
 * index.h: the sidecar that makes a stream searchable.
 *
 * The index of `name.fls` is the file `name.fls.idx`: for every stretch of the stream the number,
 * the offset and, when there is a key, the time of the frame that begins it. The stream is whole
 * without it, and it can be built again from the stream at any time. docs/format.md has its bytes.
 *
 * An index is checked when it is opened (that it belongs to this stream, that the stream is at
 * least as long as it says, that frames that it names are where it says, which hold what they held:
 * the first, the last, and where the stream's file is not just as it was, some hundreds between
 * them), and again at each entry that is used. It may end before the stream does: what comes after
 * is read.
 *
 * A file at the index's name that is a link, no regular file, another user's (neither this
 * process's, nor the superuser's, nor the stream's owner's) or no index is neither followed, nor
 * changed, nor removed: FLS_INVALID_ARGUMENT. A new index is no more readable than its stream.
 */
#ifndef FLATSTREAM_INDEX_H
#define FLATSTREAM_INDEX_H

#include <flatstream/reader.h>
#include <flatstream/schema.h>

FLS_BEGIN_DECLS

/*
 * The time of a message, in the caller's unit (nanoseconds by custom). Returns 1 and sets *time,
 * which is 0 before the call, or 0 when this message has none (it then counts with the latest time
 * before it). Any number but 0 counts as 1.
 */
typedef int fls_time_function(void *context, const void *payload, size_t bytes, int64_t *time);

/*
 * The time of a message is the number at a compiled path: give this function as `time`, and the
 * `struct fls_path *` (schema.h; without `[]`) as its context. Numbers are taken as they are, in
 * the messages' own unit; an unsigned one past INT64_MAX counts as INT64_MAX (where
 * that matters, a function of one's own calls fls_time_from_unsigned); a real one goes through
 * fls_time_from_real. What is not there, is no number, or cannot be read is no time. The
 * message need not have been verified, but one that would not verify may give nonsense.
 */
FLS_API int fls_time_by_path(void *path, const void *payload, size_t bytes, int64_t *time);

/* A real number as a time and back, without loss: times then compare as the reals do, but their
 * differences mean nothing. (-0 becomes 0.) */
FLS_API int64_t fls_time_from_real(double real);
FLS_API double fls_time_to_real(int64_t time);

/* An unsigned number as a time and back: times then compare as the numbers do, to their end. */
FLS_API int64_t fls_time_from_unsigned(uint64_t number);
FLS_API uint64_t fls_time_to_unsigned(int64_t time);

/* A new entry every so many bytes of stream unless told otherwise: 32 bytes of entry for them keep
 * the index under a thousandth of the stream, and a seek's reading under 64 KiB. */
#define FLS_INDEX_STRETCH_BYTES_DEFAULT ((uint64_t)40 * 1024)

/*
 * Options for building one; all zero is the default.
 *
 *   stretch_bytes   an entry at the first frame that begins at least so far behind the last
 *                   entry's; 0: 40 KiB, unless `stretch_frames` is set
 *   stretch_frames  an entry at every so-manieth frame, too; 0: by bytes alone
 *   time, context   the key; NULL: by number alone. Borrowed
 *   key             what the key is, for people ("timestamp"), at most 63 bytes; may be NULL
 *   time_is_real    non-zero: times are reals by fls_time_from_real
 *   time_is_unsigned  non-zero: times are unsigned numbers by fls_time_from_unsigned. Both are for
 *                   those who show times and compare with them; not both at once
 */
struct fls_index_options {
    uint64_t stretch_bytes;
    uint64_t stretch_frames;
    fls_time_function *time;
    void *time_context;
    const char *key;
    int time_is_real;
    int time_is_unsigned;
};

/* ---- writing one ------------------------------------------------------------------------ */

struct fls_index_writer;

/*
 * Begins the index of the stream `stream_path`, whose frames are of `checksum`, at the file
 * `index_path` (NULL: the stream's path with `.idx` behind), replacing what is there. Or, with
 * `resume`, goes on behind what a sound index that is there already can be trusted for (struct
 * fls_index_summary); *resume_frame and *resume_offset say where: the caller adds every frame from
 * there on (both 0 when it began anew).
 * FLS_OK, FLS_INVALID_ARGUMENT, FLS_IO, FLS_NO_MEMORY. One thread at a time.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_index_writer_open(const char *stream_path, const char *index_path,
                      enum fls_checksum_kind checksum, const struct fls_index_options *options,
                      int resume, struct fls_index_writer **writer, uint64_t *resume_frame,
                      uint64_t *resume_offset, struct fls_error *error);

/*
 * Notes the next frame: a header of `header_bytes` and the payload, at `offset`, which is where the
 * last one ended. A few system calls for some hundred entries, none else. A failure to write the
 * index never concerns the stream: FLS_IO or FLS_NO_MEMORY is returned once, and the index is given
 * up (the file is removed); what is called then does nothing and says FLS_OK.
 * FLS_INVALID_ARGUMENT: `offset` is not where the last frame ended; this too gives it up.
 */
FLS_API FLS_MUST_USE enum fls_status fls_index_writer_add(struct fls_index_writer *writer,
                                                          uint64_t offset, size_t header_bytes,
                                                          const struct fls_payload *payload,
                                                          struct fls_error *error);

/*
 * The stream's own bytes of all frames added were handed to the system: the next writing may cover
 * them. No system call; for each batch.
 */
FLS_API void fls_index_writer_handed(struct fls_index_writer *writer);

/*
 * Before an fdatasync of the stream, and after it said that all is well: what was handed before the
 * first is noted as synced (struct fls_index_summary). No system call. One sync at a time.
 */
FLS_API void fls_index_writer_syncing(struct fls_index_writer *writer);
FLS_API void fls_index_writer_synced(struct fls_index_writer *writer);

/* fls_index_writer_handed, and writes out what is noted: the index then covers all frames added.
 * Some system calls; for now and then, not for each batch. FLS_OK, FLS_IO. */
FLS_API FLS_MUST_USE enum fls_status fls_index_writer_flush(struct fls_index_writer *writer,
                                                            struct fls_error *error);

/* Flushes, and frees it. NULL is allowed. FLS_OK, FLS_IO. */
FLS_API enum fls_status fls_index_writer_close(struct fls_index_writer *writer,
                                               struct fls_error *error);

/* ---- using one -------------------------------------------------------------------------- */

/*
 * What an index says of itself.
 *
 *   entries        in it
 *   frames, bytes  how many frames of the stream it covers, and up to which offset
 *   synced_frames, synced_bytes  how many of them were on the device when the index was written,
 *                  as its writer was told
 *   trusted_frames, trusted_bytes  how many of them are still where the index says: all, while
 *                  the boot of the system goes on in which it was written; else those synced, for
 *                  what lies behind may have been lost or damaged by a loss of power without any
 *                  entry showing it. Whoever opens a stream for repair reads it from here on
 *   checksum       the frames' kind
 *   has_time       whether its entries have times; time_first and time_last: the least and the
 *                  greatest of all frames covered
 *   time_is_real, time_is_unsigned  as given when it was built, like `key`
 *   time_in_order  whether no frame's time is before the one before it
 *   stream_changed  non-zero: the stream was changed since the index was written: it has another
 *                  time of change, and is as long as it was, or another file. (One that was
 *                  written on or cut is not meant, nor a copy that kept its time, as of `cp -a`.)
 *                  Frames are then where the index says, as far as entries all over it agree with
 *                  the stream; but what it says of the messages' content, their times, is not used
 *                  (fls_index_find_time), and nothing of it is trusted
 *   key            what the times are, for people
 */
struct fls_index_summary {
    uint64_t entries;
    uint64_t frames;
    uint64_t bytes;
    uint64_t synced_frames;
    uint64_t synced_bytes;
    uint64_t trusted_frames;
    uint64_t trusted_bytes;
    enum fls_checksum_kind checksum;
    int has_time;
    int time_is_real;
    int time_is_unsigned;
    int time_in_order;
    int stream_changed;
    int64_t time_first;
    int64_t time_last;
    char key[64];
};

/* A place in a stream to begin reading. */
struct fls_index_place {
    uint64_t frame;
    uint64_t offset;
};

struct fls_index;

/*
 * Opens the index at `index_path` (NULL: the stream's path with `.idx` behind) of the stream
 * `stream_path`, and checks it. FLS_OK; FLS_IO (ENOENT: there is none); FLS_INVALID_ARGUMENT: it
 * is damaged, or another stream's, or the stream is shorter: error->reason says which, and the
 * index must not be used; FLS_NO_MEMORY. One thread at a time.
 */
FLS_API FLS_MUST_USE enum fls_status fls_index_open(const char *stream_path, const char *index_path,
                                                    struct fls_index **index,
                                                    struct fls_error *error);

FLS_API struct fls_index_summary fls_index_describe(const struct fls_index *index);

/*
 * The latest entry at or before frame `frame`. FLS_OK; FLS_END when the index covers less (*place
 * is then where its cover ends: go on reading there); FLS_INVALID_ARGUMENT when the entry does not
 * agree with the stream; FLS_IO.
 */
FLS_API FLS_MUST_USE enum fls_status fls_index_find_frame(struct fls_index *index, uint64_t frame,
                                                          struct fls_index_place *place,
                                                          struct fls_error *error);

/*
 * The latest entry before which every message is earlier than `time`: read on from there for the
 * first that is not. Right also where times are not in order. As above; FLS_INVALID_ARGUMENT, too,
 * when the stream was changed (struct fls_index_summary); FLS_UNSUPPORTED without times.
 */
FLS_API FLS_MUST_USE enum fls_status fls_index_find_time(struct fls_index *index, int64_t time,
                                                         struct fls_index_place *place,
                                                         struct fls_error *error);

/*
 * Opens a reader on the stream that stands exactly at frame `frame`, reading no more than the
 * stretch that holds it. options->checksum is the index's when options is NULL. FLS_OK; FLS_END
 * when the stream has fewer frames; else as above, or what passing over the frames came to.
 */
FLS_API FLS_MUST_USE enum fls_status fls_index_open_reader(struct fls_index *index, uint64_t frame,
                                                           const struct fls_reader_options *options,
                                                           struct fls_reader **reader,
                                                           struct fls_error *error);

/*
 * Reads the stream as far as the index covers it, and compares every entry; with `time` (as it was
 * built with; NULL: not) the times too. options as for fls_index_open_reader. FLS_OK;
 * FLS_INVALID_ARGUMENT: an entry is damaged or wrong; FLS_UNSUPPORTED: `time` is given, and the
 * index has none; else as fls_reader_next.
 */
FLS_API FLS_MUST_USE enum fls_status fls_index_check(struct fls_index *index,
                                                     fls_time_function *time, void *context,
                                                     const struct fls_reader_options *options,
                                                     struct fls_error *error);

FLS_API void fls_index_close(struct fls_index *index);

FLS_END_DECLS

#endif
