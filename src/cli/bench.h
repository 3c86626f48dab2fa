/*
 * bench.h: the parts of `flatstream bench` that do more than write and read one file.
 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include <flatstream/checksum.h>

/* 0, or the errno that a failure of the library stands for. */
int cli_bench_errno(enum fls_status status, const struct fls_error *error);

/*
 * Writes `messages` copies of a message into a pipe, which another thread reads to its end, and
 * sets *ns to what that took, end to end. 0 or an errno.
 */
int cli_bench_pipe(const void *message, size_t bytes, size_t messages, enum fls_checksum_kind kind,
                   double *ns);

/*
 * Hands messages over to a thread that writes them to the file `fd`, for `for_ns`, at a pace that
 * it can follow, and sets *ns to what one cost the thread that handed it over: the median. 0 or an
 * errno.
 */
int cli_bench_handover(int fd, const void *message, size_t bytes, enum fls_checksum_kind kind,
                       uint64_t for_ns, double *ns);

/*
 * Writes `bytes` bytes in all to a file in `dir` in each of several ways, each ending with
 * fdatasync, `rounds` times in turn, and prints a table. Takes its messages from `pattern`, of
 * CLI_BENCH_DISK_MESSAGE_BYTES. 0 or an errno.
 */
#define CLI_BENCH_DISK_MESSAGE_BYTES ((size_t)16 * 1024)
int cli_bench_disk(const char *dir, uint64_t bytes, unsigned rounds, const void *pattern,
                   enum fls_checksum_kind kind);

/* Opens a file in `dir` (NULL: in memory) that is gone when it is closed. 0 or an errno. */
int cli_bench_open_file(const char *dir, int *fd);

/* Sorts; the one in the middle. */
double cli_bench_median(double *samples, unsigned count);

#endif
