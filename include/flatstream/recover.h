/*
 * recover.h: how far is a stream intact, and cutting off what is torn.
 */
#ifndef FLATSTREAM_RECOVER_H
#define FLATSTREAM_RECOVER_H

#include <flatstream/reader.h>

FLS_BEGIN_DECLS

enum fls_stream_end {
    FLS_STREAM_CLEAN,  /* ends on a frame boundary */
    FLS_STREAM_TORN,   /* ends inside a frame: the tail may be cut off */
    FLS_STREAM_CORRUPT /* checksum mismatch, invalid frame, refused by a tap: nothing may be cut */
};

/*
 * What a scan found, from where the reader stood.
 *
 *   end           how it ends
 *   frames        intact frames
 *   good_offset   stream offset behind the last of them
 *   tail_bytes    bytes from there to the end of the stream, when torn; else 0
 *   payload_bytes of the intact frames, in all
 *   error         the first error when torn or corrupt (status FLS_OK when clean)
 */
struct fls_recovery {
    enum fls_stream_end end;
    uint64_t frames;
    uint64_t good_offset;
    uint64_t tail_bytes;
    uint64_t payload_bytes;
    struct fls_error error;
};

/* A tail of zero bytes (preallocation, power loss) reads as intact empty frames under none, crc16
 * and crc32, and as a mismatch under xxh3. With this flag it is taken as torn instead. */
#define FLS_RECOVER_ZERO_TAIL_IS_TORN 1u

/*
 * Reads from the reader's present position to the end or the first error, and reports. Changes
 * nothing in the stream. FLS_OK: *recovery is filled, whatever the end. FLS_AGAIN, FLS_IO,
 * FLS_NO_MEMORY: the scan itself could not go on; the report holds what was found until then and
 * says nothing about the end.
 */
FLS_API FLS_MUST_USE enum fls_status fls_recover_scan(struct fls_reader *reader, unsigned flags,
                                                      struct fls_recovery *recovery);

/*
 * Cuts the torn tail off the file `path` and syncs it: the file ends at good_offset. Refuses with
 * FLS_INVALID_ARGUMENT, and changes nothing, when the report does not say torn, or when the file's
 * size is not what the scan saw (good_offset + tail_bytes). FLS_OK, FLS_IO.
 */
FLS_API FLS_MUST_USE enum fls_status fls_recover_truncate(const char *path,
                                                          const struct fls_recovery *recovery,
                                                          struct fls_error *error);

FLS_END_DECLS

#endif
