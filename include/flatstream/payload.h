/*
 * payload.h: the bytes of one message, as a list of segments.
 *
 * A contiguous buffer is the one-segment case. Nothing here copies unless its name says so.
 */
#ifndef FLATSTREAM_PAYLOAD_H
#define FLATSTREAM_PAYLOAD_H

#include <sys/uio.h>

#include <flatstream/status.h>

FLS_BEGIN_DECLS

/*
 *   segments  `count` pieces in order; an empty piece is allowed. Owned by whoever made the
 *             payload; must live as long as the call that it is given to, and longer only where
 *             that call says so
 *   length    the sum of the pieces' lengths, in bytes
 */
struct fls_payload {
    const struct iovec *segments;
    size_t count;
    size_t length;
};

/*
 * A payload over `count` segments, with the length summed up. A sum past SIZE_MAX saturates, so
 * that it is refused as too long. The segments are borrowed.
 */
FLS_API struct fls_payload fls_payload_from_segments(const struct iovec *segments, size_t count);

/*
 * Copies the payload's bytes into `memory`, in order. FLS_OK; FLS_TOO_SMALL when
 * `capacity` < payload->length, FLS_INVALID_ARGUMENT when payload->length is not the sum of the
 * segments (nothing is copied then). The memory must not overlap the segments.
 */
FLS_API FLS_MUST_USE enum fls_status fls_payload_flatten(const struct fls_payload *payload,
                                                         void *memory, size_t capacity);

/*
 * Called once for a payload that was given by reference, when its bytes are needed no more.
 * `context` is the one given with it. It must not call into the writer that calls it.
 */
typedef void fls_release_function(void *context);

FLS_END_DECLS

#endif
