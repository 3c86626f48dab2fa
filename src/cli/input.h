/*
 * input.h: a stream to be read: opened, its kind of checksum found out, ready as a source.
 */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include <flatstream/frame.h>
#include <flatstream/series.h>

#include "cli/options.h"
#include "cli/outfile.h"

/* How the kind of checksum is known. */
enum cli_fit {
    CLI_FIT_GIVEN,   /* by --checksum */
    CLI_FIT_FOUND,   /* one kind fits the first frames */
    CLI_FIT_SAME,    /* several fit, and all read the stream the same: it holds no whole frame */
    CLI_FIT_SEVERAL, /* several fit, and they read it differently */
    CLI_FIT_NONE     /* none fits */
};

/*
 *   path, name  as given, and as people call it
 *   fd          the descriptor; `regular`: a file that can be read again from `start`
 *   start       file offset of the stream's first byte
 *   offset      the same as --offset says it: offsets in reports count from there
 *   bytes       of the stream, when it was opened; UINT64_MAX: not known
 *   kind        to read it by; `candidates`: the bits of all that fit, when several do
 *   no_fit      with CLI_FIT_NONE: what is wrong with the first frame
 *   source      delivers the stream's bytes, from `start`
 *   series      the source beneath it when `path` is no file, but the name of a journal's segments:
 *               they are read as one stream, and `fd` is not open. Else NULL
 *   missing     segments that lack between those; opening has said which
 */
struct cli_input {
    const char *path;
    const char *name;
    int fd;
    int owned;
    int regular;
    uint64_t start;
    uint64_t offset;
    uint64_t bytes;
    enum cli_fit fit;
    unsigned candidates;
    enum fls_checksum_kind kind;
    uint64_t declared; /* payload length of the first frame, when its length field was looked at */
    struct fls_error no_fit;
    struct fls_source *source;
    struct fls_source *series;
    uint64_t missing;
};

/*
 * Opens `path` ("-" is standard input); where there is no such file, the series of segments of that
 * name. With --checksum auto the first frames are read: what cannot
 * be read twice is kept and delivered by the source. FLS_OK; FLS_IO (a directory too);
 * FLS_UNEXPECTED_END: the input ends before --offset; FLS_NO_MEMORY. Nothing is open after a
 * failure.
 */
enum fls_status cli_input_open(struct cli_input *input, const char *path,
                               const struct cli_read_options *options, struct fls_error *error);

/*
 * The same for who must read here and there, or twice: what cannot seek (a pipe, by whatever name)
 * is first read to its end, into an unlinked temporary file. FLS_STOPPED (a signal), too.
 */
enum fls_status cli_input_open_seekable(struct cli_input *input, const char *path,
                                        const struct cli_read_options *options,
                                        struct fls_error *error);

/*
 * For a stream that is only coming into being: the kinds that fit its first bytes, of which more
 * are to come. 1 when that settles it (or none fits: *candidates is 0); else 0, and *need bytes
 * from the start are wanted.
 */
int cli_settle_live(const void *bytes, size_t count, uint64_t max_frame, unsigned *candidates,
                    enum fls_checksum_kind *kind, size_t *need);

/* Closes what is open; may be called again, and after a failed open. */
void cli_input_close(struct cli_input *input);

#define CLI_WHERE_BYTES 4096
#define CLI_WHERE_TEXT_BYTES (CLI_WHERE_BYTES + FLS_ERROR_TEXT_MAX + 96)

/* The place in a segment; unless is_known, the input is no series, or the error names no place. */
struct cli_where {
    int is_known;
    int has_frame;
    uint64_t frame;
    uint64_t offset;
    struct fls_error why_not; /* without a frame */
    char segment[CLI_WHERE_BYTES];
};

/* The place `offset` in a segment, which is read up to there for the frame's number. */
void cli_where_in(const struct fls_segment *segment, enum fls_checksum_kind kind, uint64_t offset,
                  struct cli_where *where);

/* The place that an error of a series speaks of. Returns where->is_known. */
int cli_input_where(const struct cli_input *input, const struct fls_error *error,
                    struct cli_where *where);

/* For people: "frame 2 at byte 52 of log-000003.fls", in `text`; NULL when it is not known. */
const char *cli_where_text(const struct cli_where *where, char *text, size_t size);

/* cli_fail, of a series with the place in its segment. */
void cli_input_fail(const struct cli_input *input, const struct fls_error *error,
                    const char *advice);

/* The planned file is made of this input, too. */
void cli_input_plan(const struct cli_input *input, struct cli_outfile_plan *plan);

/* The same of an input that is opened as `path`. */
void cli_input_plan_path(const char *path, struct cli_outfile_plan *plan);

/* The names of all candidates, for people: "none and crc16"; static memory. */
const char *cli_candidate_names(unsigned candidates);

/* Copies what `from` has, up to its end, into an unlinked temporary file: *fd, at its start, for
 * close(). FLS_OK, FLS_IO, FLS_STOPPED (a signal). */
enum fls_status cli_input_spool(int from, int *fd, struct fls_error *error);

/*
 * A source over `fd` (borrowed) that delivers the `count` bytes at `prefix` first (malloc'd; the
 * source frees them, also when opening fails), waits where the descriptor would block, and ticks
 * the progress. FLS_OK, FLS_IO, FLS_NO_MEMORY.
 */
enum fls_status cli_source_open(int fd, void *prefix, size_t count, struct fls_source **source,
                                struct fls_error *error);

/* The same over another source, which is closed with it; `fd` -1: it never would block. */
enum fls_status cli_source_wrap(struct fls_source *inner, int fd, void *prefix, size_t count,
                                struct fls_source **source, struct fls_error *error);

/* How many bytes it has delivered so far. */
uint64_t cli_source_position(const struct fls_source *source);

#endif
