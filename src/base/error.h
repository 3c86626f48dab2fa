/*
 * error.h: filling a struct fls_error. Each returns the status that it sets, so that a failing
 * function can end with `return fls_error_set(...)`; `error` may be NULL in all of them.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <string.h>

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

/* How the file `path` is called in errors: its name without the folder, of a long one the end. */
const char *fls_error_name(const char *path);

/* Adds the name, without its folder, of the file in which that frame and offset are counted. */
void fls_error_in_file(struct fls_error *error, const char *path);

/* Copies `from` to `to` and returns its status. */
enum fls_status fls_error_copy(struct fls_error *to, const struct fls_error *from);

/*
 * What a slot of a table that anyone may implement came to. Whoever calls a slot gives it a record
 * of its own, made empty; the status that it returns then decides, and the record is made to agree.
 *
 * FLS_MAY names a status that a slot may return; `slot` says in errors whose it is ("sink writev").
 */
#define FLS_MAY(name) (1u << FLS_##name)

/* Makes a record empty: zero but for what stands behind its texts' ends, which fls_error_settle
 * zeroes where there is need for it. All of it would cost as much as the call of a slot. */
static inline void fls_error_clear(struct fls_error *record)
{
    enum { FRONT = 16 };

    memset(record, 0, offsetof(struct fls_error, subject));
    memset(record->subject, 0, FRONT);
    memset(record->reason, 0, FRONT);
}

/*
 * `record` as the slot left it, and its status, which is among `allowed`: the status is written
 * into the record, texts are made to end, with zeros behind them, and a record without a subject is
 * given the slot's name. Any other status, also a number that is none, is a breach. Returns the
 * status to go on with.
 */
FLS_MUST_USE enum fls_status fls_error_settle(struct fls_error *record, enum fls_status status,
                                              unsigned allowed, const char *slot);

/* A slot did what its table forbids: FLS_IO with EBADE, which no file or socket reports, and in
 * words what it did. */
enum fls_status fls_error_breach(struct fls_error *error, const char *slot, const char *what);
int fls_error_is_breach(const struct fls_error *error);

static inline enum fls_status fls_error_no_memory(struct fls_error *error, size_t bytes)
{
    return fls_error_set(error, FLS_NO_MEMORY, "out of memory: %zu bytes were asked for", bytes);
}

#endif
