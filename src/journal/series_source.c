/*
 * series_source.c: a source over the segments of a series, one after the other, which can follow
 * the last of them while it grows.
 *
 * The invariant: buffer[begin, end) are bytes of the present segment from file offset `position`
 * on, all read by one fill; the segment's byte 0 is byte `origin` of the whole, counted from where
 * the source began. A view never spans two segments.
 *
 * What a journal may do to a file that is followed: append to it; and, after a crash, cut off what
 * stands behind its last whole frame and append in its place. So bytes of whole frames stay as they
 * are, but those of a half frame may be replaced at any time. That is why a following source
 *   - never lengthens what it holds: a fill drops it, and reads anew from the position on, no
 *     further than the file's size that was seen before the fill. A frame whose header is of the
 *     torn tail then never seems whole: that size does not reach to its end. Only two crashes
 *     during one fill could deceive it, and therefore a tail is read a second time;
 *   - while it waits for the rest of a frame whose length the reader has seen, looks whether that
 *     length still stands there. If not, the reader has to begin again (FLS_AGAIN).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <flatstream/frame.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "journal/series.h"
#include "journal/watch.h"

#define READ_AHEAD_BYTES_MIN 4096

/* What lies further from the file's end is no tail, but read once; nor is more asked of one read
 * than the kernel would give. */
#define TAIL_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define READ_BYTES_MAX ((size_t)1024 * 1024 * 1024)

/* The part of a frame's header that says how long the frame is. Whoever needs no more than a header
 * may not have looked at it. */
#define LENGTH_BYTES 4

struct series_source {
    struct fls_source base;
    char *path;
    struct fls_segment segment; /* the present one; path NULL: none yet */
    char *next_path;            /* of the one that comes after it; NULL: none can */
    uint64_t next_number;
    struct fls_series known; /* as listed when it began */
    int fd;
    uint64_t position;
    uint64_t origin;
    struct fls_buffer buffer;
    size_t begin;
    size_t end;
    size_t shown_bytes; /* of the length at the position, by the last peek */
    uint8_t shown[LENGTH_BYTES];
    struct fls_series_options options;
    struct fls_watch watch;
    int is_ending; /* stopped: it ends at this offset of this segment */
    uint64_t end_number;
    uint64_t end_offset;
};

static size_t buffered(const struct series_source *source)
{
    return source->end - source->begin;
}

static void drop(struct series_source *source)
{
    source->begin = source->end = 0;
}

/* FLS_IO with the name of the file that it is about. */
static enum fls_status file_error(struct fls_error *error, const char *operation, int os_errno,
                                  const char *path)
{
    enum fls_status status = fls_error_system(error, operation, os_errno);
    const char *slash = strrchr(path, '/');

    if (error) {
        strncpy(error->reason, slash ? slash + 1 : path, sizeof error->reason - 1);
        error->reason[sizeof error->reason - 1] = '\0';
    }
    return status;
}

/* --- the segments -------------------------------------------------------------------------------
 */

static uint64_t number_after(const struct series_source *source, uint64_t number)
{
    for (size_t i = 0; i < source->known.count; i++)
        if (source->known.segments[i].number > number)
            return source->known.segments[i].number;
    return source->options.follow && number < UINT64_MAX ? number + 1 : 0;
}

static int was_known(const struct series_source *source, uint64_t number)
{
    const struct fls_series *known = &source->known;

    return known->count > 0 && number <= known->segments[known->count - 1].number;
}

/* Names the successor of segment `number`, for when it is its turn; a plain file has none. */
static enum fls_status name_next(struct series_source *source, uint64_t number, char **next_path,
                                 struct fls_error *error)
{
    *next_path = NULL;
    source->next_number = number > 0 ? number_after(source, number) : 0;
    if (source->next_number == 0)
        return FLS_OK;
    *next_path = fls_series_segment_path(source->path, source->next_number);
    return *next_path ? FLS_OK : fls_error_no_memory(error, strlen(source->path));
}

static enum fls_status open_regular(const char *path, int *fd, uint64_t *bytes,
                                    struct fls_error *error)
{
    struct fls_error own = FLS_ZERO;
    enum fls_status status = fls_os_open(path, O_RDONLY | O_NONBLOCK, fd, &own);

    if (status != FLS_OK)
        return file_error(error, "open", own.os_errno, path);
    status = fls_os_file_bytes(*fd, bytes, error);
    if (status != FLS_OK)
        fls_os_close(*fd, NULL);
    return status;
}

static void leave_segment(struct series_source *source)
{
    if (source->fd >= 0)
        fls_os_close(source->fd, NULL);
    free(source->segment.path);
    free(source->next_path);
    source->fd = -1;
    source->segment = (struct fls_segment){NULL, 0, 0};
    source->next_path = NULL;
}

/* Goes over to segment `number` at `path` (0: the plain file), at offset `start`. Nothing is
 * changed when that fails. `path` may be next_path, which is gone when this returns. */
static enum fls_status begin_segment(struct series_source *source, const char *path,
                                     uint64_t number, uint64_t start, struct fls_error *error)
{
    struct fls_segment segment = {NULL, number, 0};
    char *next_path;
    int fd;
    enum fls_status status = open_regular(path, &fd, &segment.bytes, error);

    if (status != FLS_OK)
        return status;
    status = name_next(source, number, &next_path, error);
    segment.path = status == FLS_OK ? strdup(path) : NULL;
    if (!segment.path) {
        fls_os_close(fd, NULL);
        free(next_path);
        return status != FLS_OK ? status : fls_error_no_memory(error, strlen(path));
    }
    leave_segment(source);
    source->origin += source->position - start;
    source->position = start;
    source->segment = segment;
    source->next_path = next_path;
    source->fd = fd;
    drop(source);
    fls_buffer_shrink(&source->buffer, 0); /* what one large frame needed is not kept for ever */
    if (source->options.follow)
        fls_watch_file(&source->watch, source->segment.path);
    else
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint */
    return FLS_OK;
}

/* The segment to begin in, of those that are listed; NULL when it is not there (yet). */
static const struct fls_segment *first_of(const struct series_source *source)
{
    const struct fls_series *known = &source->known;

    for (size_t i = 0; i < known->count; i++)
        if (known->segments[i].number >= source->options.start_segment)
            return &known->segments[i];
    return NULL;
}

/* It must be the one that was asked for, and reach as far. */
static enum fls_status check_first(const struct series_source *source,
                                   const struct fls_segment *first, struct fls_error *error)
{
    uint64_t wanted = source->options.start_segment;

    if (wanted > 0 && source->known.segments[0].number == 0)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "the journal is one plain file: it has no segment %llu",
                             (unsigned long long)wanted);
    if (first && wanted > 0 && first->number != wanted)
        return fls_error_system(error, "open the first segment", ENOENT);
    if (first && first->bytes < source->options.start_offset)
        return fls_error_numbers(error, FLS_UNEXPECTED_END, FLS_PART_NONE,
                                 source->options.start_offset, first->bytes);
    return FLS_OK;
}

/* Lists the series and begins in its first segment. FLS_AGAIN when there is none yet. */
static enum fls_status try_first(struct series_source *source, struct fls_error *error)
{
    fls_series_free(&source->known);
    enum fls_status status = fls_series_list(source->path, &source->known, error);
    if (status != FLS_OK)
        return status;
    const struct fls_segment *first = first_of(source);
    status = source->known.count > 0 ? check_first(source, first, error) : FLS_OK;
    if (status != FLS_OK)
        return status;
    if (!first)
        return FLS_AGAIN;
    return begin_segment(source, first->path, first->number, source->options.start_offset, error);
}

/* The same, and when the first was deleted between listing and opening, with the one after it. */
static enum fls_status begin_first(struct series_source *source, struct fls_error *error)
{
    struct fls_error own = FLS_ZERO;
    enum fls_status status;

    do {
        status = try_first(source, &own);
    } while (status == FLS_IO && own.os_errno == ENOENT && source->known.count > 0 &&
             source->options.start_segment == 0);
    if (status != FLS_OK && status != FLS_AGAIN)
        fls_error_copy(error, &own);
    return status;
}

/* --- looking ------------------------------------------------------------------------------------
 */

/* How many bytes of the present segment lie behind the position now. */
static enum fls_status look(struct series_source *source, uint64_t *available,
                            struct fls_error *error)
{
    uint64_t bytes;

    *available = 0;
    if (source->fd < 0)
        return FLS_OK;
    enum fls_status status = fls_os_file_bytes(source->fd, &bytes, error);
    if (status != FLS_OK)
        return status;
    if (bytes < source->position)
        return file_error(error, "read: cut off behind what was read", ESTALE,
                          source->segment.path);
    if (source->is_ending && source->segment.number == source->end_number)
        bytes = fls_min_u64(bytes, source->end_offset);
    *available = bytes > source->position ? bytes - source->position : 0;
    return FLS_OK;
}

static enum fls_status read_at(struct series_source *source, void *to, size_t bytes,
                               uint64_t offset, size_t *got, struct fls_error *error)
{
    ssize_t result;

    do {
        source->base.system_calls++;
        result = pread(source->fd, to, bytes, (off_t)offset);
    } while (result < 0 && errno == EINTR);
    *got = result > 0 ? (size_t)result : 0;
    return result < 0 ? file_error(error, "read", errno, source->segment.path) : FLS_OK;
}

/* Does the file still have, from the position on, what is held of it? */
static enum fls_status still_has(struct series_source *source, int *same, struct fls_error *error)
{
    uint8_t now[16 * 1024];
    enum fls_status status = FLS_OK;

    *same = 1;
    for (size_t at = 0; status == FLS_OK && *same && at < source->end; at += sizeof now) {
        size_t part = fls_min_size(source->end - at, sizeof now), got;
        status = read_at(source, now, part, source->position + at, &got, error);
        *same = got == part && memcmp(now, source->buffer.bytes + at, part) == 0;
    }
    return status;
}

/*
 * A tail that was just read is read a second time: a journal may have been cut and written on, even
 * more than once, since its size was seen, and pages of before and after would lie side by side.
 * What has changed is dropped; whoever called looks again.
 */
static enum fls_status check_tail(struct series_source *source, struct fls_error *error)
{
    int same;
    enum fls_status status = still_has(source, &same, error);

    if (!same)
        drop(source);
    return status;
}

/* Holds as much as is wanted of the `available` bytes; less, or nothing, when the file was cut just
 * now: a following source does not read on behind a read that was short. */
static enum fls_status fill(struct series_source *source, uint64_t available, size_t need,
                            struct fls_error *error)
{
    size_t ahead = source->options.read_ahead_bytes, got = 1;
    size_t want = (size_t)fls_min_u64(available, fls_max_size(need, ahead));
    enum fls_status status = FLS_OK;

    if (source->options.follow)
        drop(source);
    if (source->begin > 0) {
        memmove(source->buffer.bytes, source->buffer.bytes + source->begin, buffered(source));
        source->end = buffered(source);
        source->begin = 0;
    }
    if (fls_buffer_reserve(&source->buffer, fls_max_size(want, ahead), source->end) != FLS_OK)
        return fls_error_no_memory(error, want);
    while (status == FLS_OK && got > 0 && source->end < want) {
        size_t part = fls_min_size(want - source->end, READ_BYTES_MAX);
        status = read_at(source, source->buffer.bytes + source->end, part,
                         source->position + source->end, &got, error);
        source->end += got;
        if (source->options.follow && got < part)
            break;
    }
    if (status == FLS_OK && source->options.follow && available - want < TAIL_BYTES_MAX)
        status = check_tail(source, error);
    return status;
}

static void note_shown(struct series_source *source)
{
    source->shown_bytes = fls_min_size(buffered(source), LENGTH_BYTES);
    if (source->shown_bytes > 0)
        memcpy(source->shown, source->buffer.bytes + source->begin, source->shown_bytes);
}

/* Has the length field that was shown at the position gone, or changed? */
static enum fls_status tail_was_replaced(struct series_source *source, uint64_t available,
                                         int *replaced, struct fls_error *error)
{
    uint8_t now[LENGTH_BYTES];
    size_t got;

    *replaced = 0;
    if (source->shown_bytes < LENGTH_BYTES)
        return FLS_OK;
    *replaced = available < LENGTH_BYTES;
    if (*replaced)
        return FLS_OK;
    enum fls_status status = read_at(source, now, sizeof now, source->position, &got, error);
    *replaced = got < sizeof now || memcmp(now, source->shown, sizeof now) != 0;
    return status;
}

/* --- the end of what is there -------------------------------------------------------------------
 */

/* What is there now; of what is not followed only what was known at its beginning: a journal may be
 * written, and deleted, faster than it is read. */
static enum fls_status list_again(struct series_source *source, struct fls_error *error)
{
    struct fls_series now, *known = &source->known;
    uint64_t last = known->count > 0 ? known->segments[known->count - 1].number : 0;
    enum fls_status status = fls_series_list(source->path, &now, error);

    if (status != FLS_OK)
        return status;
    while (!source->options.follow && now.count > 0 && now.segments[now.count - 1].number > last)
        free(now.segments[--now.count].path);
    fls_series_free(known);
    *known = now;
    return FLS_OK;
}

/* The next segment was deleted before it was read: which comes now? None, perhaps. `last` is the
 * last that was known. FLS_OK: look again. */
static enum fls_status pass_deleted(struct series_source *source, struct fls_error *error)
{
    uint64_t first = source->next_number, last = first;
    char *next_path;

    if (!source->options.deleted)
        return file_error(error, "read the next segment", ENOENT, source->next_path);
    if (was_known(source, first))
        last = source->known.segments[source->known.count - 1].number;
    enum fls_status status = list_again(source, error);
    if (status == FLS_OK)
        status = name_next(source, first - 1, &next_path, error);
    if (status != FLS_OK)
        return status;
    if (source->next_number > first || source->next_number == 0)
        source->options.deleted(source->options.context, first,
                                source->next_number > 0 ? source->next_number - 1 : last);
    free(source->next_path);
    source->next_path = next_path;
    return FLS_OK;
}

/* Is the segment that follows after those known at the beginning there? It may have been deleted
 * before we came to it: then a later one is there without it. */
static enum fls_status look_for_next(struct series_source *source, int *is_there,
                                     struct fls_error *error)
{
    struct fls_series series;
    struct stat information;

    *is_there = source->next_path && (was_known(source, source->next_number) ||
                                      stat(source->next_path, &information) == 0);
    if (*is_there || !source->next_path || !fls_watch_folder_changed(&source->watch))
        return FLS_OK;
    enum fls_status status = fls_series_list(source->path, &series, error);
    if (status != FLS_OK)
        return status;
    uint64_t last = series.count > 0 ? series.segments[series.count - 1].number : 0;
    fls_series_free(&series);
    if (last < source->next_number)
        return FLS_OK;
    status = stat(source->next_path, &information) == 0 ? FLS_OK : pass_deleted(source, error);
    *is_there = status == FLS_OK;
    return status;
}

/* Does the plain file's name still lead to the file that is open? Yes, where that cannot be told.
 */
static int has_its_name(const struct series_source *source, int *os_errno)
{
    struct stat named, held;

    *os_errno = ENOENT;
    if (stat(source->segment.path, &named) != 0)
        return errno != ENOENT;
    *os_errno = ESTALE;
    return fstat(source->fd, &held) != 0 ||
           (named.st_dev == held.st_dev && named.st_ino == held.st_ino);
}

/* A plain file has no successor: when it was removed or replaced, and nothing has come behind what
 * was seen before that was known, nobody would ever hear of it. FLS_OK: wait. */
static enum fls_status check_name(struct series_source *source, uint64_t seen,
                                  struct fls_error *error)
{
    uint64_t available;
    int os_errno;

    if (source->segment.number > 0 || !fls_watch_folder_changed(&source->watch) ||
        has_its_name(source, &os_errno))
        return FLS_OK;
    enum fls_status status = look(source, &available, error);
    if (status != FLS_OK || available != seen)
        return status;
    return file_error(
        error, os_errno == ENOENT ? "follow: removed or renamed" : "follow: replaced by another",
        os_errno, source->segment.path);
}

static enum fls_status begin_next(struct series_source *source, struct fls_error *error)
{
    struct fls_error own = FLS_ZERO;
    enum fls_status status = begin_segment(source, source->next_path, source->next_number, 0, &own);

    if (status == FLS_IO && own.os_errno == ENOENT)
        return pass_deleted(source, error);
    return status == FLS_OK ? FLS_OK : fls_error_copy(error, &own);
}

/* It was stopped: the end is where the series ends now. */
static enum fls_status note_end(struct series_source *source, struct fls_error *error)
{
    struct fls_series series;
    enum fls_status status = fls_series_list(source->path, &series, error);

    if (status != FLS_OK)
        return status;
    source->end_number = source->segment.number;
    source->end_offset = UINT64_MAX; /* the present segment is deleted, but open: all of it */
    if (series.count > 0 && series.segments[series.count - 1].number >= source->end_number) {
        source->end_number = series.segments[series.count - 1].number;
        source->end_offset = series.segments[series.count - 1].bytes;
    }
    fls_series_free(&series);
    source->is_ending = 1;
    return FLS_OK;
}

/* The half frame at a segment's end is shown, so that the reader can say what it lacks. */
static enum fls_status show_torn(struct series_source *source, uint64_t available,
                                 struct fls_error *error)
{
    enum fls_status status = fill(source, available, (size_t)available, error);

    if (status == FLS_OK && source->options.follow && buffered(source) < available)
        return FLS_OK; /* it has changed just now: look again */
    return status == FLS_OK ? FLS_END : status;
}

/* What is followed may be cut: a half frame at its end. Else its end is where it was, or behind. */
static enum fls_status check_whole(const struct series_source *source, struct fls_error *error)
{
    if (source->options.follow || !source->segment.path ||
        source->position >= source->segment.bytes)
        return FLS_OK;
    return file_error(error, "read: cut short while it was read", ESTALE, source->segment.path);
}

/*
 * Less than is needed lies behind the position, and there is a successor: when, looked at again,
 * nothing has come, the segment is over. FLS_OK: go on.
 */
static enum fls_status leave_or_end(struct series_source *source, uint64_t seen,
                                    struct fls_error *error)
{
    uint64_t available;
    enum fls_status status = look(source, &available, error);

    if (status != FLS_OK || available != seen)
        return status;
    if (available == 0)
        status = check_whole(source, error);
    if (status != FLS_OK)
        return status;
    return available > 0 ? show_torn(source, available, error) : begin_next(source, error);
}

static enum fls_status end_of_present(struct series_source *source, uint64_t available,
                                      struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    if (!source->next_path && available == 0)
        status = check_whole(source, error);
    if (status != FLS_OK)
        return status;
    if (!source->next_path)
        return show_torn(source, available, error);
    return leave_or_end(source, available, error);
}

/* The tail is another one: shown as it is now, for the reader to begin its frame again. */
static enum fls_status show_replaced(struct series_source *source, uint64_t available,
                                     struct fls_error *error)
{
    enum fls_status status = fill(source, available, 1, error);

    return status == FLS_OK ? FLS_AGAIN : status;
}

static int ends_here(const struct series_source *source)
{
    return source->is_ending && (source->fd < 0 || source->segment.number >= source->end_number);
}

/* Before there is a segment at all. */
static enum fls_status await_first(struct series_source *source, struct fls_error *error)
{
    enum fls_status status = begin_first(source, error);

    if (status != FLS_AGAIN)
        return status;
    if (source->is_ending)
        return FLS_END;
    return fls_watch_wait(&source->watch, error);
}

/* Following, less than is needed is there: what now? FLS_OK: look again. */
static enum fls_status await_more(struct series_source *source, uint64_t available, size_t need,
                                  struct fls_error *error)
{
    int replaced = 0, next_is_there;
    enum fls_status status = FLS_OK;

    if (source->fd < 0)
        return await_first(source, error);
    if (need > FLS_FRAME_HEADER_BYTES_MAX || source->is_ending)
        status = tail_was_replaced(source, available, &replaced, error);
    if (status == FLS_OK && replaced)
        return show_replaced(source, available, error);
    if (status == FLS_OK && ends_here(source)) {
        drop(source);
        return FLS_END;
    }
    if (status == FLS_OK)
        status = look_for_next(source, &next_is_there, error);
    if (status != FLS_OK)
        return status;
    if (next_is_there)
        return leave_or_end(source, available, error);
    status = check_name(source, available, error);
    if (status == FLS_OK)
        status = fls_watch_wait(&source->watch, error);
    return status;
}

/* --- the source ---------------------------------------------------------------------------------
 */

/* Goes on until `need` bytes are held, or it is known that they will not be. */
static enum fls_status hold(struct series_source *source, size_t need, struct fls_error *error)
{
    while (buffered(source) < need) {
        uint64_t available;
        enum fls_status status = FLS_OK;
        if (fls_watch_stopped(&source->watch) && !source->is_ending)
            status = note_end(source, error);
        if (status == FLS_OK)
            status = look(source, &available, error);
        if (status != FLS_OK)
            return status;
        if (available >= need)
            status = fill(source, available, need, error);
        else if (source->options.follow)
            status = await_more(source, available, need, error);
        else
            status = end_of_present(source, available, error);
        if (status != FLS_OK)
            return status;
    }
    return FLS_OK;
}

static enum fls_status series_peek(struct fls_source *base, size_t need, struct fls_view *view,
                                   struct fls_error *error)
{
    struct series_source *source = (struct series_source *)base;

    note_shown(source);
    enum fls_status status = hold(source, need, error);
    view->bytes = buffered(source) > 0 ? source->buffer.bytes + source->begin : NULL;
    view->available = buffered(source);
    return status;
}

static void series_consume(struct fls_source *base, size_t bytes)
{
    struct series_source *source = (struct series_source *)base;

    source->begin += bytes;
    source->position += bytes;
}

/* Reads on in the middle of a frame: never over a segment's end. */
static enum fls_status read_on(struct series_source *source, void *to, size_t bytes, size_t *got,
                               struct fls_error *error)
{
    uint64_t available;
    int next_is_there = 0;
    enum fls_status status = look(source, &available, error);

    *got = 0;
    if (status == FLS_OK && available == 0) {
        if (!source->options.follow || ends_here(source) || source->fd < 0)
            return FLS_END;
        if (fls_watch_stopped(&source->watch) && !source->is_ending)
            return note_end(source, error);
        status = look_for_next(source, &next_is_there, error);
        if (status == FLS_OK)
            status = look(source, &available, error);
        if (status == FLS_OK && available == 0 && next_is_there)
            return FLS_END;
        if (status == FLS_OK && available == 0)
            status = check_name(source, 0, error);
        if (status == FLS_OK && available == 0)
            status = fls_watch_wait(&source->watch, error);
        return status;
    }
    if (status == FLS_OK)
        status = read_at(source, to, (size_t)fls_min_u64(bytes, available), source->position, got,
                         error);
    source->position += *got;
    return status;
}

static enum fls_status fill_segment(struct series_source *source, const struct iovec *segment,
                                    size_t *filled, struct fls_error *error)
{
    size_t at = fls_min_size(buffered(source), segment->iov_len), got;
    enum fls_status status = FLS_OK;

    if (at > 0)
        memcpy(segment->iov_base, source->buffer.bytes + source->begin, at);
    series_consume(&source->base, at);
    while (status == FLS_OK && at < segment->iov_len) {
        drop(source);
        status =
            read_on(source, (char *)segment->iov_base + at, segment->iov_len - at, &got, error);
        at += got;
    }
    *filled += at;
    return status;
}

static enum fls_status series_read_into(struct fls_source *base, const struct iovec *segments,
                                        size_t count, size_t *filled, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    *filled = 0;
    for (size_t i = 0; i < count && status == FLS_OK; i++)
        status = fill_segment((struct series_source *)base, &segments[i], filled, error);
    return status;
}

/* What bounds a frame is its segment. */
static uint64_t series_remaining(struct fls_source *base)
{
    struct series_source *source = (struct series_source *)base;
    uint64_t available;

    if (source->options.follow || look(source, &available, NULL) != FLS_OK)
        return UINT64_MAX;
    return available;
}

static void series_close(struct fls_source *base)
{
    struct series_source *source = (struct series_source *)base;

    leave_segment(source);
    fls_watch_close(&source->watch);
    fls_series_free(&source->known);
    fls_buffer_free(&source->buffer);
    free(source->path);
    free(source);
}

static const struct fls_source_ops series_ops = {series_peek, series_consume, series_read_into,
                                                 series_remaining, series_close};

/* --- opening ------------------------------------------------------------------------------------
 */

static enum fls_status watch_folder(struct series_source *source, struct fls_error *error)
{
    char *folder = fls_series_folder(source->path);
    enum fls_status status;

    if (!folder)
        return fls_error_no_memory(error, strlen(source->path));
    status = fls_watch_open(&source->watch, folder, source->options.poll_interval_ms, error);
    if (source->options.reader_fd > 0)
        source->watch.reader = source->options.reader_fd;
    free(folder);
    return status;
}

static enum fls_status open_it(struct series_source *source, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    if (!source->path)
        return fls_error_no_memory(error, 1);
    if (source->options.follow)
        status = watch_folder(source, error);
    if (status == FLS_OK)
        status = begin_first(source, error);
    if (status == FLS_AGAIN)
        status = source->options.follow ? FLS_OK : file_error(error, "open", ENOENT, source->path);
    return status;
}

enum fls_status fls_source_open_series(const char *path, const struct fls_series_options *options,
                                       struct fls_source **source, struct fls_error *error)
{
    struct series_source *opened = calloc(1, sizeof *opened);

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    opened->base.ops = &series_ops;
    opened->base.peek_bytes_max = SIZE_MAX;
    opened->fd = -1;
    fls_watch_init(&opened->watch);
    if (options)
        opened->options = *options;
    size_t ahead = opened->options.read_ahead_bytes;
    opened->options.read_ahead_bytes =
        ahead > 0 ? fls_max_size(ahead, READ_AHEAD_BYTES_MIN) : FLS_READ_AHEAD_BYTES_DEFAULT;
    opened->path = strdup(path);
    enum fls_status status = open_it(opened, error);
    if (status != FLS_OK) {
        series_close(&opened->base);
        return status;
    }
    *source = &opened->base;
    return FLS_OK;
}

void fls_series_stop(struct fls_source *source)
{
    if (source && source->ops == &series_ops)
        fls_watch_stop(&((struct series_source *)source)->watch);
}

int fls_series_position(const struct fls_source *source, const struct fls_segment **segment,
                        uint64_t *offset)
{
    const struct series_source *series = (const struct series_source *)source;

    if (!source || source->ops != &series_ops || !series->segment.path)
        return 0;
    *segment = &series->segment;
    *offset = series->position;
    return 1;
}

int fls_series_locate(const struct fls_source *source, uint64_t offset,
                      const struct fls_segment **segment, uint64_t *segment_offset)
{
    const struct series_source *series = (const struct series_source *)source;
    uint64_t position;

    if (!fls_series_position(source, segment, &position) ||
        offset - series->origin > position + buffered(series))
        return 0;
    *segment_offset = offset - series->origin;
    return 1;
}
