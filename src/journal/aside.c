/*
 * aside.c: see aside.h. Used by the journal's repair and by the command's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <flatstream/sink.h>
#include <flatstream/source.h>

#include "base/beside.h"
#include "base/error.h"
#include "base/os.h"
#include "journal/aside.h"
#include "journal/disk.h"

#define COPIES_MAX 999999

static enum fls_status copy_tail(const char *path, uint64_t offset, int to, struct fls_error *error)
{
    struct fls_source *source = NULL;
    struct fls_sink *sink = NULL;
    struct fls_view view;
    uint64_t skipped;
    enum fls_status status = fls_source_open_file(path, 0, &source, error);

    if (status == FLS_OK)
        status = fls_sink_open_fd(to, FLS_BORROWED, &sink, error);
    if (status == FLS_OK)
        status = fls_source_skip(source, offset, &skipped, error);
    while (status == FLS_OK && (status = fls_source_peek(source, 1, &view, error)) == FLS_OK) {
        struct iovec segment = {(void *)(uintptr_t)view.bytes, view.available};
        struct fls_write_cursor cursor = {&segment, 1, 0};
        status = fls_sink_write(sink, &cursor, NULL, error);
        fls_source_consume(source, view.available);
    }
    if (sink)
        (void)fls_sink_close(sink, NULL);
    fls_source_close(source);
    return status == FLS_END ? FLS_OK : status;
}

static enum fls_status create(const char *path, char *name, size_t size, int *fd,
                              struct fls_error *error)
{
    struct fls_error failure = FLS_ZERO;
    enum fls_status status = FLS_IO;
    struct stat stream;

    if (stat(path, &stream) != 0)
        return fls_error_system(error, "stat", errno);
    for (int i = 1; i <= COPIES_MAX; i++) {
        snprintf(name, size, "%s.damaged-%06d", path, i);
        status = fls_beside_create(name, O_WRONLY, &stream, fd, &failure);
        if (status == FLS_OK || failure.os_errno != EEXIST)
            break;
    }
    return status == FLS_OK ? FLS_OK : fls_error_copy(error, &failure);
}

static enum fls_status sync_folder_of(const char *path, struct fls_error *error)
{
    int folder;
    enum fls_status status = fls_disk_open_folder(path, &folder, error);

    if (status != FLS_OK)
        return status;
    status = fls_disk_sync_folder(folder, error);
    (void)fls_os_close(folder, NULL);
    return status;
}

static enum fls_status fill(const char *path, uint64_t offset, int fd, struct fls_error *error)
{
    enum fls_status status = copy_tail(path, offset, fd, error);

    if (status == FLS_OK)
        status = fls_disk_sync(fd, error);
    if (status == FLS_OK)
        status = sync_folder_of(path, error);
    return status;
}

static void tell_name(const char *copy, char name[FLS_ASIDE_NAME_BYTES])
{
    const char *slash = strrchr(copy, '/');

    snprintf(name, FLS_ASIDE_NAME_BYTES, "%s", slash ? slash + 1 : copy);
}

enum fls_status fls_set_aside(const char *path, uint64_t offset, char name[FLS_ASIDE_NAME_BYTES],
                              struct fls_error *error)
{
    size_t size = strlen(path) + sizeof ".damaged-999999";
    char *copy = malloc(size);
    int fd;

    if (!copy)
        return fls_error_no_memory(error, size);
    enum fls_status status = create(path, copy, size, &fd, error);
    if (status == FLS_OK) {
        status = fill(path, offset, fd, error);
        if (status == FLS_OK)
            tell_name(copy, name);
        else if (fls_beside_is_at(fd, copy))
            (void)unlink(copy);
        (void)fls_os_close(fd, NULL); /* it is synced */
    }
    free(copy);
    return status;
}

void fls_aside_take_back(const char *path, char name[FLS_ASIDE_NAME_BYTES])
{
    const char *slash = strrchr(path, '/');
    char copy[PATH_MAX];

    if (name[0] == '\0')
        return;
    snprintf(copy, sizeof copy, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, name);
    if (unlink(copy) == 0) /* else it is one copy more */
        name[0] = '\0';
}
