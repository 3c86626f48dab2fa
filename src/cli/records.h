/*
 * records.h: other people's input cut into payloads: lines, size-prefixed records, whole files.
 *
 * Input is read in large blocks; a record is a pointer into the block, valid until the next call.
 * Memory is bounded by the largest record accepted, and grows only as its bytes arrive.
 */
#ifndef CLI_RECORDS_H
#define CLI_RECORDS_H

#include "cli/cli.h"

enum cli_record_form { CLI_LINES, CLI_SIZED, CLI_FILES };

/*
 *   form       how the input is cut
 *   bytes_max  a longer record is an error
 *   before_wait, context  called before waiting for input that is not there yet; may be NULL.
 *              What it returns other than FLS_OK ends the reading
 */
struct cli_records {
    enum cli_record_form form;
    uint64_t bytes_max;
    enum fls_status (*before_wait)(void *context);
    void *context;

    /* the reader's own: */
    int fd;
    int regular;
    int at_end;
    int delivered;
    uint8_t *bytes;
    size_t capacity;
    size_t begin;
    size_t end;
    size_t searched; /* bytes from `begin` on that hold no newline */
    uint64_t offset; /* input offset of bytes[begin] */
    uint64_t count;  /* records delivered from this input */
    uint64_t done_before;
};

/* Points the reader, zeroed before its first use, at an input; `expected` is its size or 0. */
void cli_records_begin(struct cli_records *records, int fd, int regular);

/*
 * The next record. FLS_OK; FLS_END; FLS_STOPPED when a signal came; FLS_UNEXPECTED_END: the input
 * ends inside a record; FLS_LIMIT: a record longer than bytes_max; FLS_IO; FLS_NO_MEMORY; or what
 * before_wait returned (error is not set then).
 */
enum fls_status cli_records_next(struct cli_records *records, const void **record, size_t *bytes,
                                 struct fls_error *error);

/* Counts on for the progress: bytes of this and of earlier inputs that are done with. */
uint64_t cli_records_done(const struct cli_records *records);

void cli_records_free(struct cli_records *records);

#endif
