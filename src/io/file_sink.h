/*
 * file_sink.h: fls_sink_open_file in its two steps, for whoever may be refused between them: what
 * is refused leaves the file as it was.
 */
#ifndef IO_FILE_SINK_H
#define IO_FILE_SINK_H

#include <flatstream/sink.h>

/* Opens the file, or creates an empty one. FLS_OK sets *sink; FLS_IO, FLS_NO_MEMORY,
 * FLS_INVALID_ARGUMENT (no such mode): nothing is open, and nothing changed. */
FLS_MUST_USE enum fls_status fls_file_sink_open(const char *path, enum fls_file_mode mode,
                                                struct fls_sink **sink, struct fls_error *error);

/* Empties the file, where the mode wants that, and removes an index that is not of what comes. */
FLS_MUST_USE enum fls_status fls_file_sink_begin(const struct fls_sink *sink, const char *path,
                                                 enum fls_file_mode mode, struct fls_error *error);

/* Before it is closed instead: removes the file if opening has created it. */
void fls_file_sink_take_back(const struct fls_sink *sink, const char *path);

#endif
