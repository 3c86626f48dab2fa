/*
 * frame.h: the wire format as a codec. No I/O, no allocation, no state.
 *
 *     [4 bytes LE: payload length][0 to 8 bytes LE: checksum][payload]
 */
#ifndef FLATSTREAM_FRAME_H
#define FLATSTREAM_FRAME_H

#include <flatstream/checksum.h>

FLS_BEGIN_DECLS

/* Length and the widest checksum. */
#define FLS_FRAME_HEADER_BYTES_MAX 12

/* Largest payload that the length field can say, and the largest accepted unless told otherwise:
 * 2 GiB, FlatBuffers' own maximum. */
#define FLS_PAYLOAD_BYTES_WIRE_MAX UINT32_MAX
#define FLS_PAYLOAD_BYTES_MAX_DEFAULT UINT32_C(0x80000000)

/*
 * How frames look: the checksum, and the largest payload accepted in bytes (0: the default;
 * raising it past FLS_PAYLOAD_BYTES_WIRE_MAX has no effect).
 */
struct fls_frame_format {
    struct fls_checksum checksum;
    uint64_t payload_bytes_max;
};

enum fls_frame_result {
    FLS_FRAME_READY,     /* a whole, intact frame */
    FLS_FRAME_NEED_MORE, /* `need` bytes in all are wanted, counted from the frame's first byte */
    FLS_FRAME_BAD        /* see error: FLS_INVALID_FRAME, FLS_CHECKSUM_MISMATCH, or
                            FLS_INVALID_ARGUMENT for no bytes at all */
};

/*
 * What decoding came to. With FLS_FRAME_READY `payload` points into the bytes that were given and
 * lives as long as they do; frame_bytes is the whole frame, header included. With
 * FLS_FRAME_NEED_MORE only `need` is set. With FLS_FRAME_BAD `error` is set (its frame and offset
 * are not: the codec does not know them), and with a mismatch the other fields too.
 */
struct fls_frame {
    const void *payload;
    size_t payload_bytes;
    size_t frame_bytes;
    size_t need;
    struct fls_error error;
};

/*
 * Encodes the header of a frame whose payload has `payload_bytes` bytes and the checksum value
 * `checksum` into `header` (at least FLS_FRAME_HEADER_BYTES_MAX bytes). Returns the number of bytes
 * that it takes: 4 and the checksum's width. The caller has checked payload_bytes against the
 * limit. Any thread.
 */
FLS_API size_t fls_frame_encode_header(const struct fls_frame_format *format,
                                       uint32_t payload_bytes, uint64_t checksum, void *header);

/*
 * Looks at `available` bytes at a frame's start. The order of checks is the reference's: the whole
 * header, the limit, the whole payload, the checksum. When the stream ends with NEED_MORE and
 * available > 0, the frame is torn; with available == 0 that is the clean end. Reads no byte
 * beyond `available`. Any thread.
 */
FLS_API enum fls_frame_result fls_frame_decode(const struct fls_frame_format *format,
                                               const void *bytes, size_t available,
                                               struct fls_frame *frame);

/*
 * Which kinds of checksum fit a stream that begins with these bytes?
 *
 * The kinds none, crc16, crc32 and xxh3 are tried against the first frames. A kind whose checksums
 * prove it outranks one that merely has plausible lengths; a kind that ends on a frame boundary
 * outranks one that ends torn (zero bytes behind one frame lead to none); a kind that is
 * contradicted is out. Zeros prove no kind: a sample of nothing else fits all, and behind zeros at
 * its start a kind counts that is proven there. Returns a set of bits
 * (1 << enum fls_checksum_kind): one bit is an answer, several say that these few bytes do not
 * tell, none says that no kind fits. `complete` says that the bytes are the whole stream.
 * When `need` is not NULL it is set to the number of bytes with which the first frame could be
 * judged under every kind (at most 12 + its declared length), or to 0 when there are enough. Any
 * thread.
 */
FLS_API unsigned fls_frame_detect(const void *bytes, size_t available, int complete,
                                  uint64_t payload_bytes_max, size_t *need);

FLS_END_DECLS

#endif
