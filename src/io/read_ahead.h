/*
 * read_ahead.h: a regular file read in order by two: a thread of its own reads pieces before they
 * are asked for, and who asks for one that is not begun reads it himself.
 *
 * A piece is handed over where it was read to, with room before it: what the caller still needs of
 * the piece before is put there, so that a frame over the border lies in one place and only its
 * first part was copied.
 */
#ifndef IO_READ_AHEAD_H
#define IO_READ_AHEAD_H

#include <stddef.h>
#include <stdint.h>

#include <flatstream/status.h>

/* What is read at once; and what there is room for before it. */
#define FLS_READ_AHEAD_BYTES ((size_t)256 * 1024)
#define FLS_READ_AHEAD_ROOM ((size_t)256 * 1024)

struct fls_read_ahead;

/* A piece: `count` bytes, the `kept` ones from before included. */
struct fls_read_piece {
    uint8_t *bytes;
    size_t count;
};

/*
 * Begins to read the file from `offset` to `end`. The descriptor stays the caller's and must stay
 * open. NULL: no memory or no thread; then the caller reads by himself.
 */
struct fls_read_ahead *fls_read_ahead_open(int fd, uint64_t offset, uint64_t end);

/* Where the next piece begins. */
uint64_t fls_read_ahead_position(const struct fls_read_ahead *ahead);

/* How many bytes the next piece has; 0 at the end. */
size_t fls_read_ahead_next_bytes(const struct fls_read_ahead *ahead);

/*
 * The next piece, of which there must be one, with the `kept` bytes (at most FLS_READ_AHEAD_ROOM)
 * at `before` copied in front of it. It is the caller's to read until the next call; `before` may
 * lie in the piece handed over last. 0, or an errno: the file could not be read there (ENODATA: it
 * has become shorter), and the piece has the kept bytes alone.
 */
FLS_MUST_USE int fls_read_ahead_next(struct fls_read_ahead *ahead, const uint8_t *before,
                                     size_t kept, struct fls_read_piece *piece);

/* Goes on at `offset`, in a file that ends at `end`; what was read ahead is thrown away. Of the
 * piece handed over last only the bytes kept from before stay. */
void fls_read_ahead_seek(struct fls_read_ahead *ahead, uint64_t offset, uint64_t end);

/* Calls into the kernel that read the pieces handed over. */
uint64_t fls_read_ahead_calls(const struct fls_read_ahead *ahead);

/* NULL is fine. */
void fls_read_ahead_close(struct fls_read_ahead *ahead);

#endif
