/*
 * series.h: the names of a series, for those in this room who need more than the public list.
 */
#ifndef JOURNAL_SERIES_H
#define JOURNAL_SERIES_H

#include <flatstream/series.h>

/* The folder that the series of `path` lies in, in memory that the caller frees; NULL: no memory.
 */
char *fls_series_folder(const char *path);

#endif
