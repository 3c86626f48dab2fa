/*
 * index_use.h: the index beside a stream that a verb reads: used when it is sound, and when it is
 * not, that is said.
 */
#ifndef CLI_INDEX_USE_H
#define CLI_INDEX_USE_H

#include <flatstream/index.h>

#include "cli/input.h"

/*
 * The index of an open input; NULL when there is none, or none can be (a pipe, --offset), or it is
 * not sound or of another kind of checksum: then a warning says so. Close it with fls_index_close.
 */
struct fls_index *cli_index_of(const struct cli_input *input);

/* The same for a file that was read under its path, behind `offset`, with frames of `kind`.
 * CLI_WELL, also without one; CLI_SYSTEM: whether there is one is not known. */
int cli_index_beside(const char *path, uint64_t offset, enum fls_checksum_kind kind,
                     struct fls_index **index);

/* What it says of itself, on standard output without a newline: "12 entries for 900 frames, 36000
 * bytes; timestamp from 1 to 900". */
void cli_index_tell(const struct fls_index *index);

/* The same as a JSON object: entries, frames, bytes, synced_bytes, key (null without times),
 * time_first, time_last, time_in_order. NULL: null. */
void cli_index_json(const struct fls_index *index);

/* The name of its key, for people; what cannot be printed in it is replaced. */
const char *cli_index_key(struct fls_index_summary *summary);

#endif
