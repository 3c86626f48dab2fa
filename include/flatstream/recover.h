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
 *   checksum      the reader's: what it was read with (`custom` is borrowed from there)
 */
struct fls_recovery {
    enum fls_stream_end end;
    uint64_t frames;
    uint64_t good_offset;
    uint64_t tail_bytes;
    uint64_t payload_bytes;
    struct fls_error error;
    struct fls_checksum checksum;
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
 * Why bytes are kept, in a file beside the stream, before they are cut off it. A length that was
 * damaged to a larger one looks like a torn tail, with whole frames behind it; so does a stream
 * that is read with the wrong checksum. So each offset of what would be cut is looked at, under
 * crc16, crc32, xxh3 and the checksum that it was read with.
 */
enum fls_aside {
    FLS_ASIDE_NOT,      /* nothing was: no whole frame is in it */
    FLS_ASIDE_FRAMES,   /* whole frames are in it, proven by their checksums (crc16: by several) */
    FLS_ASIDE_UNPROVEN, /* the checksum that it was read with has less than four bytes, and does
                           not rule out that whole frames are in it. Under none it hardly ever
                           does: what is not text is nearly always kept then */
    FLS_ASIDE_UNSEARCHED, /* it would take too long to tell: much in it looks like large frames */
    FLS_ASIDE_NO_STREAM,  /* it has more than a header, and not one whole frame (but of zeros) is
                             before it: it may be no stream, or be one of kind none */
    FLS_ASIDE_ASKED       /* FLS_JOURNAL_SET_ASIDE (journals only) */
};

/*
 * What was cut off.
 *
 *   bytes         how many
 *   why           they were set aside before that
 *   kind, offset  with FLS_ASIDE_FRAMES: checksum of the first frame found, its offset in the file
 *   set_aside     the name, without its folder, of the file that they were copied to; empty: none
 */
struct fls_cut {
    uint64_t bytes;
    enum fls_aside why;
    enum fls_checksum_kind kind;
    uint64_t offset;
    char set_aside[256];
};

/*
 * Cuts the torn tail off the file `path` and syncs it: the file ends at good_offset. Where whole
 * frames are in the tail, or may be (enum fls_aside), it is first copied to the first
 * `<path>.damaged-NNNNNN` that is not there, with the file's permissions, and synced;
 * fls_salvage_file gets the messages out of that. Refuses with FLS_INVALID_ARGUMENT, and changes
 * nothing, when the report does not say torn, or when the file's size is not what the scan saw
 * (good_offset + tail_bytes). What it costs is linear in the tail's length. *cut (may be NULL) says
 * what was done. FLS_OK; FLS_IO, FLS_NO_MEMORY: nothing was cut.
 */
FLS_API FLS_MUST_USE enum fls_status fls_recover_cut(const char *path,
                                                     const struct fls_recovery *recovery,
                                                     struct fls_cut *cut, struct fls_error *error);

/* The same, for who does not want to know where the bytes went. */
FLS_API FLS_MUST_USE enum fls_status fls_recover_truncate(const char *path,
                                                          const struct fls_recovery *recovery,
                                                          struct fls_error *error);

FLS_END_DECLS

#endif
