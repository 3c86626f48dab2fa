/*
 * cut.h: cutting the tail off a file, for those who have seen to what is in it.
 */
#ifndef JOURNAL_CUT_H
#define JOURNAL_CUT_H

#include "journal/tail.h"

/* fls_recover_cut with what is in the tail known already, or what the caller makes of it: with
 * tail->why it is set aside, from tail->keep_from on. *cut is filled. */
FLS_MUST_USE enum fls_status fls_cut_off(const char *path, const struct fls_recovery *recovery,
                                         const struct fls_tail *tail, struct fls_cut *cut,
                                         struct fls_error *error);

#endif
