/*
 * stream_out.h: a stream that a verb makes: a new file that appears when it is whole, or standard
 * output. Frames are gathered and written in blocks.
 */
#ifndef CLI_STREAM_OUT_H
#define CLI_STREAM_OUT_H

#include <flatstream/frame.h>

#include "cli/outfile.h"

/*
 *   path            as given; "-" is standard output
 *   frames, bytes   put so far
 *   the rest is its own
 */
struct cli_stream_out {
    const char *path;
    uint64_t frames;
    uint64_t bytes;
    struct fls_frame_format format;
    struct cli_outfile file;
    int is_open;
    unsigned char *block;
    size_t used;
};

/*
 * Opens the planned file, for frames of `kind` without limit; from now on signals are caught, as
 * there is something to clean up. As cli_outfile_open.
 */
enum fls_status cli_stream_out_open(struct cli_stream_out *out, const struct cli_outfile_plan *plan,
                                    enum fls_checksum_kind kind, struct fls_error *error);

/* Puts one frame, or bytes as they are. FLS_OK; FLS_IO; FLS_STOPPED: a signal came, or the reader
 * of standard output went away; FLS_LIMIT: a payload that no length can say. */
enum fls_status cli_stream_out_put(struct cli_stream_out *out, const void *payload, size_t bytes,
                                   struct fls_error *error);
enum fls_status cli_stream_out_raw(struct cli_stream_out *out, const void *bytes, size_t count,
                                   struct fls_error *error);

/* The file gets its name, as cli_outfile_finish says; an index of what it replaces goes. */
enum fls_status cli_stream_out_finish(struct cli_stream_out *out, struct fls_error *error);

/* Removes it, if it is open. */
void cli_stream_out_abandon(struct cli_stream_out *out);

/* What to do and say when opening or writing failed: gives the message, removes the file, and
 * returns the exit status. */
int cli_stream_out_fail(struct cli_stream_out *out, const struct fls_error *error,
                        enum fls_status status);

#endif
