/*
 * error.h: filling a struct fls_error. Each returns the status that it sets, so that a failing
 * function can end with `return fls_error_set(...)`; `error` may be NULL in all of them.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <flatstream/sink.h>
#include <flatstream/status.h>

/* A reason in words. */
enum fls_status fls_error_set(struct fls_error *error, enum fls_status status, const char *format,
                              ...) __attribute__((format(printf, 3, 4)));

/* The two numbers that disagree. */
enum fls_status fls_error_numbers(struct fls_error *error, enum fls_status status,
                                  enum fls_part part, uint64_t expected, uint64_t found);

/* Adds where in the stream it happened. */
void fls_error_locate(struct fls_error *error, uint64_t frame, uint64_t offset);

/* Copies `from` to `to` and returns its status. */
enum fls_status fls_error_copy(struct fls_error *to, const struct fls_error *from);

static inline enum fls_status fls_error_no_memory(struct fls_error *error, size_t bytes)
{
    return fls_error_set(error, FLS_NO_MEMORY, "out of memory: %zu bytes were asked for", bytes);
}

#endif
