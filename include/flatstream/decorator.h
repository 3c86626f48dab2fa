/*
 * decorator.h: sinks and sources that wrap another, to count or to fail on purpose.
 *
 * A decorator owns what it wraps: closing it closes the inner one. When opening a decorator fails,
 * the inner one stays the caller's.
 */
#ifndef FLATSTREAM_DECORATOR_H
#define FLATSTREAM_DECORATOR_H

#include <flatstream/source.h>

FLS_BEGIN_DECLS

/* What passed through. `calls` are calls of writev, or of peek and read_into. */
struct fls_io_counts {
    uint64_t calls;
    uint64_t bytes;
    uint64_t segments;
    uint64_t flushes;
};

/* Counts into *counts, which must outlive the decorator. FLS_OK, FLS_NO_MEMORY. */
FLS_API FLS_MUST_USE enum fls_status fls_sink_open_counting(struct fls_sink *inner,
                                                            struct fls_io_counts *counts,
                                                            struct fls_sink **sink,
                                                            struct fls_error *error);
FLS_API FLS_MUST_USE enum fls_status fls_source_open_counting(struct fls_source *inner,
                                                              struct fls_io_counts *counts,
                                                              struct fls_source **source,
                                                              struct fls_error *error);

/*
 * What a faulty endpoint does. Zero: nothing.
 *
 *   bytes_max    no call passes more than this many bytes (a sink takes a short prefix; a source
 *                shows no more than was needed plus this); 0: no bound
 *   fail_at      the call with this number (from 1) fails, once; 0: none
 *   fail_count   how many calls in a row fail from there on; 0 counts as 1; UINT64_MAX: for ever
 *   status       what it fails with: FLS_IO, or FLS_AGAIN
 *   os_errno     the errno that goes with FLS_IO
 *   calls        counts the calls seen so far; start with 0
 */
struct fls_fault_plan {
    size_t bytes_max;
    uint64_t fail_at;
    uint64_t fail_count;
    enum fls_status status;
    int os_errno;
    uint64_t calls;
};

/* Wraps `inner` and behaves by *plan, which is borrowed, may be changed between calls, and must
 * outlive the decorator. Flushes count as calls too. FLS_OK, FLS_NO_MEMORY. */
FLS_API FLS_MUST_USE enum fls_status fls_sink_open_faulty(struct fls_sink *inner,
                                                          struct fls_fault_plan *plan,
                                                          struct fls_sink **sink,
                                                          struct fls_error *error);
FLS_API FLS_MUST_USE enum fls_status fls_source_open_faulty(struct fls_source *inner,
                                                            struct fls_fault_plan *plan,
                                                            struct fls_source **source,
                                                            struct fls_error *error);

FLS_END_DECLS

#endif
