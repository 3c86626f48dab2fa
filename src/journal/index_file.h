/*
 * index_file.h: an index and its stream, open side by side, and the question whether they belong
 * together. The ground of using an index and of going on with one.
 */
#ifndef JOURNAL_INDEX_FILE_H
#define JOURNAL_INDEX_FILE_H

#include <sys/stat.h>

#include "journal/index_format.h"

/* Is the stream's file the one that the index was written for? */
enum fls_index_likeness {
    FLS_INDEX_CHANGED,   /* changed in place, or another: only what is compared with it holds */
    FLS_INDEX_CONTINUED, /* the same inode, with another length: written on, or cut */
    FLS_INDEX_SAME       /* as long, and not changed since; it may be a copy that kept its time */
};

/*
 * fd of the index, stream_fd of the stream; -1 when not open. `slot` is the latest that is whole,
 * `slot_at` which of the two. `cover` is as far as the index is sound: the slot's, or less where
 * the stream ends before it. `trusted` is how much of that the stream surely has: all of it while
 * the boot of the system goes on in which the slot was written, else no more than was synced.
 */

struct fls_index_file {
    int fd;
    int stream_fd;
    struct fls_index_header header;
    struct fls_index_slot slot;
    unsigned slot_at;
    struct fls_index_cover cover;
    struct fls_index_cover trusted;
    enum fls_index_likeness likeness;
};

/* What tells the stream from others now. FLS_OK, FLS_IO. */
FLS_MUST_USE enum fls_status fls_index_identify(int stream_fd, struct fls_index_identity *identity,
                                                struct fls_error *error);

/* The number by which a slot knows the present boot of the system; 0 when the system does not say.
 */
uint64_t fls_index_boot(void);

/* The index's path: `index_path`, or the stream's with `.idx`; to be freed. NULL: no memory. */
char *fls_index_path(const char *stream_path, const char *index_path);

/* Opens the stream, which must be a regular file. FLS_OK; FLS_IO; FLS_INVALID_ARGUMENT. */
FLS_MUST_USE enum fls_status fls_index_file_open_stream(struct fls_index_file *file,
                                                        const char *stream_path,
                                                        struct fls_error *error);

/*
 * Opens the index at `index_path` with open(2)'s `flags` beside the open stream, and checks header,
 * slots, first and last entry and where the cover ends; and where the stream is not the same as it
 * was, a sample of the entries between. FLS_OK; FLS_IO; FLS_INVALID_ARGUMENT when
 * it cannot be used, error->reason says why. On failure file->fd is -1.
 */
FLS_MUST_USE enum fls_status fls_index_file_open(struct fls_index_file *file,
                                                 const char *index_path, int flags,
                                                 struct fls_error *error);

/*
 * How the index at `path` was built, whether or not it is sound; `stream` is the stream's fstat, or
 * NULL. FLS_OK; FLS_INVALID_ARGUMENT: it is no index of ours, or does not say; FLS_IO (ENOENT).
 */
FLS_MUST_USE enum fls_status fls_index_file_header(const char *path, const struct stat *stream,
                                                   struct fls_index_header *header,
                                                   struct fls_error *error);

void fls_index_file_close(struct fls_index_file *file);

/* Reads all of `count` bytes at `at`. FLS_OK; FLS_END when the file ends before; FLS_IO. */
FLS_MUST_USE enum fls_status fls_index_pread(int fd, void *bytes, size_t count, uint64_t at,
                                             struct fls_error *error);

/* Entries `from` .. `from + count` (at most FLS_INDEX_BLOCK), each checked. FLS_OK;
 * FLS_INVALID_ARGUMENT when one is damaged; FLS_IO. */
#define FLS_INDEX_BLOCK 16
FLS_MUST_USE enum fls_status fls_index_file_entries(const struct fls_index_file *file,
                                                    uint64_t from, size_t count,
                                                    struct fls_index_entry *entries,
                                                    struct fls_error *error);

/* The mark of the frame that the stream has at `offset`, and its payload's length; the frame must
 * end by `end`. FLS_OK; FLS_INVALID_ARGUMENT when it does not; FLS_IO. */
FLS_MUST_USE enum fls_status fls_index_file_mark(const struct fls_index_file *file,
                                                 uint64_t header_bytes, uint64_t offset,
                                                 uint64_t end, uint64_t *mark,
                                                 uint32_t *payload_bytes, struct fls_error *error);

/* Does `entry` name a frame of the stream within `cover`? FLS_OK, FLS_INVALID_ARGUMENT, FLS_IO. */
FLS_MUST_USE enum fls_status fls_index_file_prove(const struct fls_index_file *file,
                                                  const struct fls_index_entry *entry,
                                                  const struct fls_index_cover *cover,
                                                  struct fls_error *error);

#endif
