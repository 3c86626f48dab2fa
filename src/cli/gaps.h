/*
 * gaps.h: segments that a series should have, and has not.
 */
#ifndef CLI_GAPS_H
#define CLI_GAPS_H

#include <flatstream/series.h>

/* How many numbers are missing between the segments; says on standard error which, in the name of
 * `name`. Those before the first are not missing: a journal deletes its old segments. */
uint64_t cli_gaps_tell(const char *name, const struct fls_series *series);

/* Says that these segments went before `source`, a series, came to them. How many of them lack now:
 * none, when the one before them is gone, too, for then it is a journal that deletes its old ones.
 */
uint64_t cli_gaps_tell_deleted(const char *name, const struct fls_source *source, uint64_t first,
                               uint64_t last);

#endif
