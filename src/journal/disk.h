/*
 * disk.h: what the journal asks of the file system beyond base/os.h.
 */
#ifndef JOURNAL_DISK_H
#define JOURNAL_DISK_H

#include <stdint.h>

#include <flatstream/status.h>

/* fdatasync; EINTR is retried. FLS_OK, FLS_UNSUPPORTED, FLS_IO. */
FLS_MUST_USE enum fls_status fls_disk_sync(int fd, struct fls_error *error);

/* Opens the folder that holds the file `path`. FLS_OK, FLS_IO, FLS_NO_MEMORY. */
FLS_MUST_USE enum fls_status fls_disk_open_folder(const char *path, int *fd,
                                                  struct fls_error *error);

/* fsync of a folder: its entries are on the device. A file system that cannot is taken to need
 * none. FLS_OK, FLS_IO. */
FLS_MUST_USE enum fls_status fls_disk_sync_folder(int fd, struct fls_error *error);

/* Shortens the file to `bytes`; a file that is that short already is left. FLS_OK, FLS_IO. */
FLS_MUST_USE enum fls_status fls_disk_cut(int fd, uint64_t bytes, struct fls_error *error);

/* Reserves the file's first `bytes` bytes without changing its size, where that can be done. */
void fls_disk_reserve(int fd, uint64_t bytes);

#endif
