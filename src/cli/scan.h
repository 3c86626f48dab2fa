/*
 * scan.h: one pass over a whole stream, and what it found: the ground of info, verify, recover and
 * of appending.
 */
#ifndef CLI_SCAN_H
#define CLI_SCAN_H

#include <flatstream/reader.h>
#include <flatstream/recover.h>

#include "cli/input.h"
#include "cli/sizes.h"

/*
 *   readable    0: the stream could not be read to its end or first error; `recovery` holds what
 *               was found until then, its error says why, and its `end` means nothing
 *   fit, candidates, kind  as of the input
 *   recovery    offsets count from the file's start (or from where standard input stood)
 *   bytes       of the stream, from --offset on; bytes_at_least: there are more, not read
 *   declared    payload length in the first frame's header
 *   sizes       of the intact messages; NULL when nothing was scanned
 *   missing     segments that a series lacks between those that it has
 *   place       of a series: in which segment the error is, for people; else empty
 */
struct cli_report {
    const char *path;
    const char *name;
    int readable;
    enum cli_fit fit;
    unsigned candidates;
    enum fls_checksum_kind kind;
    struct fls_recovery recovery;
    uint64_t offset;
    uint64_t bytes;
    int bytes_at_least;
    uint64_t declared;
    struct cli_sizes *sizes;
    uint64_t missing;
    struct cli_where where; /* the error is, of a series */
};

/* Besides the FLS_RECOVER_ flags: read a damaged pipe to its end, to know its length. */
#define CLI_SCAN_TO_THE_END 0x100u

/* Scans an open input; fills the report, also on failure. Free it with cli_report_free. */
void cli_scan_input(struct cli_input *input, const struct cli_read_options *options, unsigned flags,
                    struct cli_report *report);

/*
 * Someone who sees each intact message of a scan. What `see` does not return FLS_OK for ends the
 * scan as damage, with `error`, where the caller puts frame and offset.
 */
struct cli_watch {
    enum fls_status (*see)(void *context, const struct fls_message *message,
                           struct fls_error *error);
    void *context;
};

/* Scans an open input while `watch` (NULL: no one) looks on. */
void cli_scan_watched(struct cli_input *input, const struct cli_read_options *options,
                      unsigned flags, const struct cli_watch *watch, struct cli_report *report);

/*
 * The stream's first frames, known to be intact: so many, with their bytes and payload bytes.
 * sizes: theirs; NULL when they were not read.
 */
struct cli_intact {
    uint64_t frames;
    uint64_t bytes;
    uint64_t payload_bytes;
    struct cli_sizes *sizes;
};

/* Scans the rest of a regular file, and reports on all. The sizes are the report's from then on. */
void cli_scan_behind(struct cli_input *input, const struct cli_read_options *options,
                     unsigned flags, const struct cli_watch *watch, const struct cli_intact *intact,
                     struct cli_report *report);

/* The report for an input that could not even be opened. */
void cli_scan_nothing(const char *path, const struct cli_read_options *options,
                      const struct fls_error *error, struct cli_report *report);

/* Opens, scans while `watch` looks on, closes. */
void cli_scan_path_watched(const char *path, const struct cli_read_options *options, unsigned flags,
                           const struct cli_watch *watch, struct cli_report *report);

/* The same with no one looking on. */
void cli_scan_path(const char *path, const struct cli_read_options *options, unsigned flags,
                   struct cli_report *report);

void cli_report_free(struct cli_report *report);

/* The exit status that the report calls for. */
int cli_report_exit(const struct cli_report *report);

#endif
