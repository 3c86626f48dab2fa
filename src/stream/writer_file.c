/*
 * writer_file.c: a writer and the file that it writes, opened together: the file is changed when
 * neither can be refused any more.
 */
#include <flatstream/writer.h>

#include "base/arguments.h"
#include "io/file_sink.h"

enum fls_status fls_writer_open_file_versioned(const char *path, enum fls_file_mode mode,
                                               const struct fls_writer_options *options,
                                               size_t options_bytes, int use_version,
                                               struct fls_writer **writer, struct fls_error *error)
{
    struct fls_writer_options all = FLS_ZERO;
    struct fls_writer *opened = NULL;
    struct fls_sink *sink;
    enum fls_status status = fls_take_options(&all, sizeof all, options, options_bytes, error);

    if (status == FLS_OK)
        status = fls_file_sink_open(path, mode, &sink, error);
    if (status != FLS_OK)
        return status;
    all.owns_sink = 1;
    status = fls_writer_open_versioned(sink, &all, sizeof all, use_version, &opened, error);
    if (status == FLS_OK)
        status = fls_file_sink_begin(sink, path, mode, error);
    if (status == FLS_OK) {
        *writer = opened;
        return FLS_OK;
    }
    fls_file_sink_take_back(sink, path);
    if (opened)
        fls_writer_abandon(opened);
    else
        (void)fls_sink_close(sink, NULL); /* nothing was written */
    return status;
}
