/*
 * frame_mark.c: see frame_mark.h. Called by the sinks that hold bytes back, when they fail.
 */
#include "io/frame_mark.h"

#include "base/bytes.h"

#define LENGTH_BYTES 4

/* Whether it is known where the frame ends. */
static int find_end(struct fls_frame_mark *mark, fls_length_at_function *length_at, void *context)
{
    uint8_t length[LENGTH_BYTES];

    if (mark->end == 0 && length_at(context, mark->at, length))
        mark->end = mark->at + mark->header_bytes + fls_load_u32(length);
    return mark->end > 0;
}

void fls_frame_mark_pass(struct fls_frame_mark *mark, uint64_t whole,
                         fls_length_at_function *length_at, void *context)
{
    if (mark->header_bytes == 0)
        return;
    while (find_end(mark, length_at, context) && mark->end <= whole) {
        mark->frame++;
        mark->offset += mark->end - mark->at;
        mark->at = mark->end;
        mark->end = 0;
    }
}

void fls_frame_mark_tell(const struct fls_frame_mark *mark, struct fls_sink *sink)
{
    struct fls_sink_frames *frames = sink->frames;

    if (!frames || mark->header_bytes == 0)
        return;
    frames->has_torn = 1;
    frames->torn_frame = mark->frame;
    frames->torn_offset = mark->offset;
}
