/*
 * cut.h: cutting the torn tail off a file, and when that is not done.
 */
#ifndef CLI_CUT_H
#define CLI_CUT_H

#include "cli/scan.h"

/* Is there nothing but four bytes that hardly any stream begins with? */
int cli_is_hardly_a_stream(const struct cli_report *report);

/* Is there more than a header, and not one intact frame that would show that it is a stream? */
int cli_shows_no_frame(const struct cli_report *report);

/* The same, and nobody has said that it is one, by --checksum. */
int cli_is_unproven(const struct cli_report *report);

/*
 * Cuts the torn tail off the file that the report is about. Where whole frames are in it, or may be
 * (enum fls_aside), it is set aside first, as `<name>.damaged-NNNNNN`, and standard error says so.
 * Refuses, with the reason in words: a stream that is not torn, one whose kind of checksum is
 * ambiguous so that the kinds disagree on where the tail begins, one that was taken for a stream
 * without a checksum and has whole frames of another kind in its tail, and a file that is not
 * proven to be a stream at all. CLI_WELL, CLI_DAMAGED, CLI_USAGE (say --checksum), CLI_SYSTEM;
 * messages are given.
 */
int cli_cut_tail(const struct cli_report *report);

/*
 * The same for someone who has locked the file and must go on with it, whatever it is: where no
 * frame shows that it is a stream, its bytes are set aside first, as `<name>.damaged-NNNNNN`.
 * Refused is only what hardly any stream begins with. Says on standard error what was done.
 */
int cli_cut_or_set_aside(const struct cli_report *report);

/* The sentences for it: so many bytes were cut off at `offset`; or were set aside before that, and
 * why. */
void cli_tell_cut(const char *name, uint64_t bytes, uint64_t offset);
void cli_tell_aside(const char *name, const struct fls_cut *cut);

#endif
