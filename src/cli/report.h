/*
 * report.h: a scan's report for people and for programs.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/scan.h"

/* As text on standard output; with `histogram`, the sizes as bars too. */
void cli_report_text(const struct cli_report *report, int histogram);

/* As one JSON object on one line; `action` is what recover did about it, or NULL to leave it out
 * ("" is null). */
void cli_report_json(const struct cli_report *report, const char *action);

/* The same without its end, `}` and a newline, so that more can follow. */
void cli_report_json_begin(const struct cli_report *report);

/* The word for an error in JSON, the same wherever one is printed; the manual lists all of them. */
const char *cli_error_kind(const struct fls_error *error);

/* An error as a JSON object, or null for FLS_OK; `where` is the place in a series, or NULL. */
void cli_error_json(const struct fls_error *error, const struct cli_where *where);

/* What the user did about it already, and need not be told to do. */
enum cli_remedy { CLI_REMEDY_NONE, CLI_REMEDY_CUT, CLI_REMEDY_SAVE };

/* What gets the frames out of a corrupt stream: those before the damage, or, where there are none,
 * those behind it. */
const char *cli_corrupt_advice(const struct cli_report *report);

/* The report's error, if there is one, on standard error, with what to do next. */
void cli_report_complain(const struct cli_report *report, enum cli_remedy tried);

/* Paragraphs for the help texts of the verbs that report. */
#define CLI_REPORT_HELP                                                                            \
    "The report: frames that are intact, the stream's bytes, the kind of checksum,\n"              \
    "the messages' sizes (a median or 99 % is the smallest size that so many messages\n"           \
    "do not exceed), how the stream ends, and the first error. The end is\n"                       \
    "  clean    on a frame boundary\n"                                                             \
    "  torn     inside a frame: a crash, or a copy cut short; `flatstream recover`\n"              \
    "           repairs it\n"                                                                      \
    "  corrupt  a checksum that does not match, or an impossible length\n"

#define CLI_JSON_HELP                                                                              \
    "--json prints one object for each file, one a line: file, frames, bytes,\n"                   \
    "payload_bytes, checksum (none, crc16, crc32, xxh3, ambiguous, unknown), end\n"                \
    "(clean, torn, corrupt; null when the file could not be read), good_offset (the\n"             \
    "file offset behind the last intact frame), sizes, missing_segments (how many a\n"             \
    "series lacks between those it has), and error: null, or an object with kind (io,\n"           \
    "no_memory, unexpected_end, checksum_mismatch, invalid_frame,\n"                               \
    "validation_failed, unsupported), frame, offset, expected, found, of a series\n"               \
    "segment (file, frame, offset: the place in it), message. Numbers have up to 64\n"             \
    "bits. In names, bytes that are no UTF-8 become U+FFFD.\n"

#endif
