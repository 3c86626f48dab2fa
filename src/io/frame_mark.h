/*
 * frame_mark.h: for sinks that hold bytes back: which frame is the first that has not reached the
 * endpoint whole.
 *
 * A writer says with which frame its present write begins (sink->frames). A sink that takes bytes
 * before they are where they shall be notes that place beside them; when it fails, it walks from
 * there over the frames' lengths to the end of what is whole, and tells the writer.
 */
#ifndef IO_FRAME_MARK_H
#define IO_FRAME_MARK_H

#include <flatstream/sink.h>

/* A frame: its index and offset in the stream, and in the sink's own count of bytes where it begins
 * and ends. All zero: none is known. */
struct fls_frame_mark {
    uint64_t frame;
    uint64_t offset;
    uint64_t at;
    uint64_t end;        /* 0: its header has not been looked at */
    size_t header_bytes; /* of each frame; 0: no mark */
};

/* At the beginning of each writev of a sink that stands at byte `at`: a write that was begun before
 * keeps its mark. */
static inline void fls_frame_mark_note(struct fls_frame_mark *mark, const struct fls_sink *sink,
                                       uint64_t at)
{
    const struct fls_sink_frames *frames = sink->frames;

    if (!frames)
        *mark = (struct fls_frame_mark){0, 0, 0, 0, 0};
    else if (mark->header_bytes == 0 || mark->offset != frames->offset)
        *mark = (struct fls_frame_mark){frames->frame, frames->offset, at, 0, frames->header_bytes};
}

/* Copies the four bytes at `at` to `length`. Whether they could be had. */
typedef int fls_length_at_function(void *context, uint64_t at, uint8_t *length);

/* Moves the mark over the frames that end at `whole` or before, as far as their lengths can be had.
 */
void fls_frame_mark_pass(struct fls_frame_mark *mark, uint64_t whole,
                         fls_length_at_function *length_at, void *context);

/* Tells the writer, where there is one, that the frame at the mark is the first that is not whole.
 * Nothing where there is no mark. */
void fls_frame_mark_tell(const struct fls_frame_mark *mark, struct fls_sink *sink);

#endif
