/*
 * gaps.h: segments that a series should have, and has not.
 */
#ifndef CLI_GAPS_H
#define CLI_GAPS_H

#include <flatstream/series.h>

/* How many numbers are missing between the segments; says on standard error which, in the name of
 * `name`. Those before the first are not missing: a journal deletes its old segments. */
uint64_t cli_gaps_tell(const char *name, const struct fls_series *series);

#endif
