/*
 * cut.h: cutting the torn tail off a file, and when that is not done.
 */
#ifndef CLI_CUT_H
#define CLI_CUT_H

#include "cli/scan.h"

/* Is there nothing but four bytes that hardly any stream begins with? */
int cli_is_hardly_a_stream(const struct cli_report *report);

/*
 * Cuts the torn tail off the file that the report is about. Refuses, with the reason in words: a
 * stream that is not torn, one whose kind of checksum is ambiguous so that the kinds disagree on
 * where the tail begins, and a file in which nothing proves that it is a stream at all: not one
 * whole frame, the kind not given, and a first length that hardly any message has.
 * CLI_WELL, CLI_DAMAGED, CLI_USAGE (say --checksum), CLI_SYSTEM; messages are given.
 */
int cli_cut_tail(const struct cli_report *report);

#endif
