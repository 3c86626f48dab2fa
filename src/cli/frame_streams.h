/*
 * frame_streams.h: Frame Streams (fstrm), as files: one direction, START, data frames, STOP.
 *
 *     data      length (4 bytes, big-endian, not 0), that many bytes
 *     control   0 (4 bytes), length (4 bytes, at most 512), that many bytes: type (4 bytes), then
 *               fields of type, length and value. The field 1 is the content type
 */
#ifndef CLI_FRAME_STREAMS_H
#define CLI_FRAME_STREAMS_H

#include "cli/cli.h"

#define CLI_CONTENT_TYPE_MAX 256
#define CLI_CONTROL_BYTES_MAX 512

enum cli_control { CLI_CONTROL_NONE = 0, CLI_CONTROL_START = 2, CLI_CONTROL_STOP = 3 };

/* Encodes a control frame, whole, into `bytes` (CLI_CONTROL_BYTES_MAX + 8); returns how many. The
 * content type, at most CLI_CONTENT_TYPE_MAX bytes long, may be NULL. */
size_t cli_control_encode(enum cli_control type, const char *content_type, void *bytes);

/* Encodes the length before a data frame of `count` (not 0) bytes. */
void cli_data_header_encode(uint32_t count, unsigned char bytes[4]);

/*
 * Reading. Zero it, set `fd` and `bytes_max` (of a data frame); free it with
 * cli_frame_streams_free. `offset` is that of the next frame, `frames` counts the data frames,
 * `starts` the START frames: in files that were put one behind another there are several. `unended`
 * counts those that came without a STOP before them: a writer was killed, and began again. The
 * content type is that of the latest START, of `content_type_bytes`, with a zero byte behind.
 */
struct cli_frame_streams {
    int fd;
    uint64_t bytes_max;
    uint64_t offset;
    uint64_t frames;
    uint64_t starts;
    uint64_t unended;
    char content_type[CLI_CONTENT_TYPE_MAX + 1];
    size_t content_type_bytes;
    int started;
    unsigned char *bytes;
    size_t capacity;
    size_t begin;
    size_t end;
};

/*
 * The next data frame, borrowed until the next call; memory grows as bytes arrive, not by what a
 * length says. The first call reads START and fills content_type ("" when it has none); behind
 * STOP, and behind data, it goes on when another START comes. FLS_OK; FLS_END: the file ends with
 * STOP; FLS_UNEXPECTED_END: it ends without, or inside a frame; FLS_INVALID_FRAME: not Frame
 * Streams, or what a file may not hold, or over bytes_max, or something else follows STOP;
 * FLS_STOPPED; FLS_IO; FLS_NO_MEMORY.
 */
enum fls_status cli_frame_streams_next(struct cli_frame_streams *in, const void **data,
                                       size_t *count, struct fls_error *error);

void cli_frame_streams_free(struct cli_frame_streams *in);

#endif
