/*
 * series.h: a journal's files as one stream, and following it while it grows.
 *
 * A journal that rotates is a series of segments: for `name.fls` they are `name-000001.fls`,
 * `name-000002.fls`, ... (six digits, more when the number needs them; from any number on, since
 * old ones may have been deleted). Each segment is a whole stream; no message crosses from one into
 * the next. A journal that does not rotate is the one file `name.fls`.
 */
#ifndef FLATSTREAM_SERIES_H
#define FLATSTREAM_SERIES_H

#include <flatstream/source.h>

FLS_BEGIN_DECLS

/* One file of a series. number: from its name; 0 for the plain file. bytes: its size when it was
 * listed. */
struct fls_segment {
    char *path;
    uint64_t number;
    uint64_t bytes;
};

/* The files of one series in the order of their numbers. */
struct fls_series {
    struct fls_segment *segments;
    size_t count;
};

/*
 * Lists the series of `path`: the plain file where it exists, else the numbered segments in its
 * folder. Gaps between the numbers are no error; names that are not exactly what
 * fls_series_segment_path makes are other people's files. FLS_OK fills *series, to be freed by
 * fls_series_free; count 0 when there is neither.
 * FLS_INVALID_ARGUMENT when both the plain file and numbered segments are there (which is the
 * journal cannot be known: error->reason names them). FLS_IO (the folder does not exist, or `path`
 * is one), FLS_NO_MEMORY. Nothing is to be freed after a failure. Any thread.
 */
FLS_API FLS_MUST_USE enum fls_status fls_series_list(const char *path, struct fls_series *series,
                                                     struct fls_error *error);

/* Frees the list and empties it; an empty one is allowed. */
FLS_API void fls_series_free(struct fls_series *series);

/* The name of segment `number` (from 1) of the series of `path`, in memory that the caller frees
 * by free(); NULL when there is no memory. The number stands before the file's ending, whatever
 * that is, or at the end of a name without one. */
FLS_API char *fls_series_segment_path(const char *path, uint64_t number);

/*
 * Options of a source over a series; all zero is the default.
 *
 *   follow            at the end wait for more (inotify; polling where that is refused) until
 *                     fls_series_stop; else the end of the last segment is the end
 *   read_ahead_bytes  0: the default (source.h); at least 4096
 *   start_segment     number of the segment to begin in; 0: the first there is
 *   start_offset      byte offset in it
 *   poll_interval_ms  how often the file is looked at where inotify does not work, and in any
 *                     case as a safety net (inotify is silent on what another machine does to a
 *                     network file system, and on writes through a mapping); 0: 10
 *   reader_fd         following, where what is read goes on to: while it waits, the source looks
 *                     whether anyone is at this descriptor's other end (a pipe, a socket), and is
 *                     FLS_IO with EPIPE when not, as a write there would be. Borrowed, and open as
 *                     long as the source; 0: none
 *   deleted           called when the segments `first` to `last` were deleted before they were
 * read, which a journal that keeps so many does; the source goes on with the one behind them. NULL:
 * that ends it, with FLS_IO and ENOENT. Called by whoever reads, who must not use the source in it
 * other than by fls_series_position, which still says the segment before them context           for
 * `deleted`
 */
struct fls_series_options {
    int follow;
    size_t read_ahead_bytes;
    uint64_t start_segment;
    uint64_t start_offset;
    uint32_t poll_interval_ms;
    int reader_fd;
    void (*deleted)(void *context, uint64_t first, uint64_t last);
    void *context;
};

/*
 * A source over the series of `path`, segment after segment. `options` may be NULL. With `follow`
 * the series need not exist yet, but its folder must. Without, the segments are those that are
 * there now; the last is read as far as it then goes.
 *
 * Offsets and frames that a reader on it counts go through: those of the second segment go on where
 * the first ended, from 0 (or the reader's start_offset and start_frame) where this source began.
 * fls_series_locate says which file that is.
 *
 * A torn tail of a segment that has a successor is the end of its stream: the reader says where
 * (FLS_UNEXPECTED_END), and no half frame is glued to the next segment's first. To go on behind it,
 * open a source that starts in the next segment.
 *
 * Following, the source blocks while there is no more, and shows nothing from memory that the file
 * no longer has: what was read ahead is dropped and read again, from the reader's position, each
 * time the file has changed. So a half-written frame is never delivered, and when a journal that is
 * opened again cuts a torn tail and writes on in its place, each message is delivered once. The
 * next segment is begun when it exists and the present one, looked at again after that was known,
 * is read to its end. Segments are numbered without gaps while they are followed: one that was
 * deleted before it was read is told to `deleted`, or FLS_IO with ENOENT, never passed over in
 * silence; one that was cut off below the reader's position is FLS_IO with ESTALE. So is, without
 * `follow`, a segment that ends before where it ended when it was opened. A plain file has no
 * successor: when its name no longer leads to it, what it then has is delivered, and after that it
 * is FLS_IO, with ENOENT when it was removed or renamed, with ESTALE when another stands in its
 * place.
 *
 * It shows as much as it is asked for (peek_bytes_max is SIZE_MAX), but gets memory only for what
 * the file really has: a frame that is larger than the read-ahead takes as much memory as it is
 * long. With fls_reader_read_into and fls_reader_skip a following reader takes the header of a
 * frame that is still arriving, and a torn tail that is cut off just then is not re-read but
 * reported (ESTALE). A writer that makes the file longer than what it has written (zeros ahead: the
 * io_uring sink can) is not for following: the zeros are read as frames. peek returns FLS_AGAIN
 * when, while it waited, the tail that it had shown was replaced by another: the view then shows
 * that, and the reader begins its frame anew.
 *
 * FLS_OK; FLS_IO (ENOENT without follow, among others); FLS_UNSUPPORTED (the plain file is no
 * regular file); FLS_UNEXPECTED_END (start_offset is behind the segment's end);
 * FLS_INVALID_ARGUMENT (plain file and segments; start_segment of a plain file); FLS_NO_MEMORY. One
 * thread at a time, but for fls_series_stop.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_source_open_series(const char *path, const struct fls_series_options *options,
                       struct fls_source **source, struct fls_error *error);

/*
 * Ends a following source: what is whole in the series at the moment when the source next looks is
 * still delivered, then it ends (FLS_END); the half frame behind it is not shown, and is no error.
 * Any thread, and safe in a signal handler. The source may be closed only after this has returned:
 * that the reader has seen FLS_END does not say so, since the end can be seen while the call that
 * asked for it is still running. So join the thread that stops it, and take the source away from a
 * signal handler, before you close. Nothing on any other source.
 */
FLS_API void fls_series_stop(struct fls_source *source);

/* The segment that holds the source's present position, and the offset in it; 1, or 0 when
 * `source` is not over a series or has no segment yet. *segment is borrowed until the next call on
 * the source; its bytes are those of when it was opened. A reader's source stands at or before the
 * reader's position. */
FLS_API int fls_series_position(const struct fls_source *source, const struct fls_segment **segment,
                                uint64_t *offset);

/*
 * The same for the place that lies `offset` bytes behind where the source began: the offset of a
 * message or of an error, when the reader counts from 0. 1, or 0 when that is not in the segment
 * that the source stands in, or as above. An error that a reader has just given, and the messages
 * that are still valid, always are.
 */
FLS_API int fls_series_locate(const struct fls_source *source, uint64_t offset,
                              const struct fls_segment **segment, uint64_t *segment_offset);

FLS_END_DECLS

#endif
