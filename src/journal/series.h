/*
 * series.h: the names of a series, for those in this room who need more than the public list.
 */
#ifndef JOURNAL_SERIES_H
#define JOURNAL_SERIES_H

#include <flatstream/series.h>

/* The folder that the series of `path` lies in, in memory that the caller frees; NULL: no memory.
 */
char *fls_series_folder(const char *path);

/* The series that a file of this name would be a segment of, in memory that the caller frees; NULL:
 * of none, or no memory. */
char *fls_series_of_segment(const char *path);

#endif
