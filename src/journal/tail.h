/*
 * tail.h: may the end of a file, which is no frame where reading stopped, hold whole frames?
 */
#ifndef JOURNAL_TAIL_H
#define JOURNAL_TAIL_H

#include <flatstream/recover.h>

/*
 * What a tail was found to hold: `why` it is to be kept; with FLS_ASIDE_FRAMES the first whole
 * frame's kind of checksum, and its offset in the file. `keep_from`: where what is to be kept
 * begins, which is before the tail when a whole frame begins there and ends in it.
 */
struct fls_tail {
    enum fls_aside why;
    enum fls_checksum_kind kind;
    uint64_t offset;
    uint64_t keep_from;
};

/*
 * Looks at bytes [from, to) of the file `path`, of which reading as frames with the checksum
 * `assumed` did not make one frame. Every offset is looked at, under crc16, crc32, xxh3 and the
 * checksum assumed; and where that proves little or nothing, those of up to 16 MiB before, too, for
 * frames that reach into the tail. tail->why is FLS_ASIDE_NOT, _FRAMES, _UNPROVEN or _UNSEARCHED.
 * What it costs is linear in to - from. FLS_OK; FLS_IO (the file became shorter, too),
 * FLS_NO_MEMORY.
 */
FLS_MUST_USE enum fls_status fls_tail_look(const char *path, uint64_t from, uint64_t to,
                                           struct fls_checksum assumed, struct fls_tail *tail,
                                           struct fls_error *error);

#endif
