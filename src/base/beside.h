/*
 * beside.h: the files beside a stream: its lock, its index and that one's temporaries, what is set
 * aside.
 *
 * Where others may write to the folder, anything may stand at such a name: a link to a file of
 * ours, a pipe, someone's notes. So what is there is opened without following links and without
 * waiting, and is touched only if it is a regular file of a trusted owner: this process's user, the
 * superuser, or the owner of the stream, who could change that itself. Whether its content is what
 * it should be is for the caller, or for fls_beside_is_index. Everything else is left as it is, and
 * refused by FLS_INVALID_ARGUMENT with the file, what it is, and the way out.
 *
 * `stream` is the stream's fstat, or NULL where there is none yet.
 */
#ifndef BASE_BESIDE_H
#define BASE_BESIDE_H

#include <sys/stat.h>

#include <flatstream/status.h>

#define FLS_INDEX_ENDING ".idx"
#define FLS_INDEX_MAGIC "FLSINDEX"

/*
 * Creates the file, no more readable than the stream. FLS_OK: *fd is open with `flags`; FLS_IO:
 * EEXIST when anything stands there.
 */
FLS_MUST_USE enum fls_status fls_beside_create(const char *path, int flags,
                                               const struct stat *stream, int *fd,
                                               struct fls_error *error);

/*
 * Opens the file that is there. A file that has more names than one is not opened for writing. The
 * file may be replaced at any time: ask fls_beside_is_at. FLS_OK; FLS_INVALID_ARGUMENT: it is not
 * ours; FLS_IO: ENOENT when there is none.
 */
FLS_MUST_USE enum fls_status fls_beside_open(const char *path, int flags, const struct stat *stream,
                                             int *fd, struct fls_error *error);

/* Refuses a file for what it holds. Returns FLS_INVALID_ARGUMENT. */
enum fls_status fls_beside_refuse(const char *path, const char *what, struct fls_error *error);

/* Is `path` still the name of the file that is open as `fd`? */
int fls_beside_is_at(int fd, const char *path);

/* Removes the name, if it is still that of the file that is open as `fd`. FLS_OK, FLS_IO. */
FLS_MUST_USE enum fls_status fls_beside_remove(int fd, const char *path, struct fls_error *error);

/* Does the file begin as an index does? One that a full disk, a kill or a loss of power has cut
 * short may hold nothing yet, or zeros. */
int fls_beside_is_index(int fd);

/*
 * Opens the index at `path` for reading. FLS_OK; FLS_INVALID_ARGUMENT: what is there is no index of
 * ours; FLS_IO: ENOENT when there is nothing.
 */
FLS_MUST_USE enum fls_status fls_beside_open_index(const char *path, const struct stat *stream,
                                                   int *fd, struct fls_error *error);

/* Removes the index at `path`. FLS_OK, also when there is none; FLS_INVALID_ARGUMENT: what is there
 * is no index of ours, and stays; FLS_IO. */
FLS_MUST_USE enum fls_status fls_beside_remove_index(const char *path, const struct stat *stream,
                                                     struct fls_error *error);

/* Gives the new index `temporary` the name `path`, of which an index of ours is replaced. As
 * fls_beside_remove_index; after a failure both are as they were. */
FLS_MUST_USE enum fls_status fls_beside_replace_index(const char *temporary, const char *path,
                                                      const struct stat *stream,
                                                      struct fls_error *error);

/*
 * The stream at `stream_path` is written anew, or has just been created: removes the index that an
 * earlier stream of that name has left. A file of that name which is no index is no concern of
 * this stream: no one follows it, and it stays. FLS_OK, FLS_IO, FLS_NO_MEMORY.
 */
FLS_MUST_USE enum fls_status fls_beside_drop_index(const char *stream_path,
                                                   struct fls_error *error);

/*
 * A stream is to be written to the file `path`, open as `fd`. Unless it goes on behind what is
 * there
 * (`appends`), the file is emptied; and where it begins with this file, fls_beside_drop_index comes
 * first. What is no regular file is left as it is. FLS_OK; FLS_IO, FLS_NO_MEMORY: the file is as it
 * was.
 */
FLS_MUST_USE enum fls_status fls_beside_begin_stream(int fd, const char *path, int appends,
                                                     struct fls_error *error);

#endif
