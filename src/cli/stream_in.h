/*
 * stream_in.h: a stream read from its start to its end or first error, by a verb that makes
 * another stream of it.
 */
#ifndef CLI_STREAM_IN_H
#define CLI_STREAM_IN_H

#include <flatstream/reader.h>

#include "cli/input.h"

/* `reader` reads `input` from its start. */
struct cli_stream_in {
    struct cli_input input;
    struct fls_source *source;
    struct fls_reader *reader;
};

/*
 * Opens `path`, finds out its kind, and opens a reader whose source reads ahead `read_ahead_bytes`
 * (0: as cli_input does, with progress). CLI_GO_ON; else an exit status, with the message given
 * and nothing left open.
 */
int cli_stream_in_open(struct cli_stream_in *in, const char *path,
                       const struct cli_read_options *options, size_t read_ahead_bytes);

/*
 * For a verb that opens many: as many descriptors as the system lets this process have. Where even
 * those run out, cli_stream_in_open with `read_ahead_bytes` keeps regular files without one. -1
 * when the system refuses, which costs speed alone.
 */
int cli_stream_in_raise_limit(void);

/* What the reading came to, when `status` ended it: CLI_WELL at the clean end, else the exit status
 * with the message given. */
int cli_stream_in_end(const struct cli_stream_in *in, enum fls_status status);

/* Closes what is open; a zeroed one is allowed. */
void cli_stream_in_close(struct cli_stream_in *in);

#endif
