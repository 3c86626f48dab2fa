/*
 * parked_source.h: a regular file that holds no descriptor between its reads.
 */
#ifndef CLI_PARKED_SOURCE_H
#define CLI_PARKED_SOURCE_H

#include <flatstream/source.h>

#include "cli/options.h"

/*
 * A source over the regular file `path` (borrowed: it must outlive the source), which `fd` is open
 * on, from byte `start`. The caller closes `fd`; each refill of `read_ahead_bytes` opens the file
 * again, and fails with ESTALE when another has its name meanwhile. FLS_OK, FLS_IO, FLS_NO_MEMORY.
 */
enum fls_status cli_source_open_parked(const char *path, int fd, uint64_t start,
                                       size_t read_ahead_bytes, struct fls_source **source,
                                       struct fls_error *error);

#endif
