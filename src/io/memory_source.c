/*
 * memory_source.c: a source over bytes that are all there: the caller's, or a mapped file. Peeking
 * and consuming are pointer arithmetic.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <flatstream/source.h>

#include "base/arguments.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"

struct memory_source {
    struct fls_source base;
    const uint8_t *bytes;
    size_t length;
    size_t position;
    int mapped;
};

static enum fls_status memory_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                   struct fls_error *error)
{
    struct memory_source *source = (struct memory_source *)base;

    (void)error;
    view->bytes = source->bytes + source->position;
    view->available = source->length - source->position;
    return view->available >= need ? FLS_OK : FLS_END;
}

static void memory_consume(struct fls_source *base, size_t bytes)
{
    ((struct memory_source *)base)->position += bytes;
}

static enum fls_status memory_read_into(struct fls_source *base, const struct iovec *segments,
                                        size_t count, size_t *filled, struct fls_error *error)
{
    struct memory_source *source = (struct memory_source *)base;

    (void)error;
    for (size_t i = 0; i < count; i++) {
        size_t part = fls_min_size(segments[i].iov_len, source->length - source->position);
        if (part > 0)
            memcpy(segments[i].iov_base, source->bytes + source->position, part);
        source->position += part;
        *filled += part;
        if (part < segments[i].iov_len)
            return FLS_END;
    }
    return FLS_OK;
}

static uint64_t memory_remaining(struct fls_source *base)
{
    struct memory_source *source = (struct memory_source *)base;

    return source->length - source->position;
}

static void memory_close(struct fls_source *base)
{
    struct memory_source *source = (struct memory_source *)base;

    if (source->mapped && source->length > 0)
        munmap((void *)(uintptr_t)source->bytes, source->length);
    free(source);
}

static const struct fls_source_ops memory_source_ops = {
    memory_peek, memory_consume, memory_read_into, memory_remaining, memory_close};

enum fls_status fls_source_open_memory(const void *bytes, size_t length, struct fls_source **source,
                                       struct fls_error *error)
{
    static const uint8_t nothing[1];
    enum fls_status status = fls_check_given(bytes, length, "bytes", error);

    if (status != FLS_OK)
        return status;
    struct memory_source *opened = calloc(1, sizeof *opened);
    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    opened->base.ops = &memory_source_ops;
    opened->base.peek_bytes_max = SIZE_MAX;
    opened->bytes = length > 0 ? bytes : nothing;
    opened->length = length;
    *source = &opened->base;
    return FLS_OK;
}

static int why_not_mapped(int fd)
{
    struct stat information;

    return fstat(fd, &information) == 0 && S_ISDIR(information.st_mode) ? EISDIR : ENODEV;
}

/* Maps all of `fd`; an empty file needs no mapping. */
static enum fls_status map_file(int fd, void **bytes, size_t *length, struct fls_error *error)
{
    uint64_t file_bytes;
    enum fls_status status = fls_os_file_bytes(fd, &file_bytes, error);

    if (status == FLS_UNSUPPORTED)
        return fls_error_system(error, "mmap", why_not_mapped(fd));
    if (status != FLS_OK)
        return status;
    if (file_bytes > SIZE_MAX)
        return fls_error_system(error, "mmap", EFBIG);
    *length = (size_t)file_bytes;
    if (*length == 0)
        return FLS_OK;
    *bytes = mmap(NULL, *length, PROT_READ, MAP_PRIVATE, fd, 0);
    if (*bytes == MAP_FAILED)
        return fls_error_system(error, "mmap", errno);
    (void)madvise(*bytes, *length, MADV_SEQUENTIAL);
    return FLS_OK;
}

enum fls_status fls_source_open_mmap(const char *path, struct fls_source **source,
                                     struct fls_error *error)
{
    void *bytes = NULL;
    size_t length = 0;
    int fd;
    enum fls_status status = fls_os_open(path, O_RDONLY, &fd, error);

    if (status != FLS_OK)
        return status;
    status = map_file(fd, &bytes, &length, error);
    fls_os_close(fd, NULL);
    if (status != FLS_OK)
        return status;
    status = fls_source_open_memory(bytes, length, source, error);
    if (status == FLS_OK)
        ((struct memory_source *)*source)->mapped = 1;
    else if (length > 0)
        munmap(bytes, length);
    return status;
}
