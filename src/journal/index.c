/*
 * index.c: places in a stream by its index.
 *
 * A search knows two entries, one at or before what is sought and one behind it, and looks at a
 * block of entries between them: where the values say it should be, or in the middle when that did
 * not halve what is left. Every entry that is looked at is checked by its own hash; so the two that
 * stand beside each other in the end prove the answer, and the one that is given out is compared
 * with the stream itself.
 */
#include <flatstream/index.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "journal/index_file.h"
#include "journal/index_internal.h"
#include "journal/range_source.h"

struct fls_index {
    struct fls_index_file file;
    char *stream_path;
};

/* --- opening and describing --------------------------------------- */

void fls_index_close(struct fls_index *index)
{
    if (!index)
        return;
    fls_index_file_close(&index->file);
    free(index->stream_path);
    free(index);
}

static enum fls_status open_files(struct fls_index *index, const char *stream_path,
                                  const char *index_path, struct fls_error *error)
{
    char *path = fls_index_path(stream_path, index_path);

    index->stream_path = fls_index_path(NULL, stream_path);
    if (!path || !index->stream_path) {
        free(path);
        return fls_error_no_memory(error, strlen(stream_path) + 5);
    }
    enum fls_status status = fls_index_file_open_stream(&index->file, stream_path, error);
    if (status == FLS_OK)
        status = fls_index_file_open(&index->file, path, O_RDONLY, error);
    free(path);
    return status;
}

enum fls_status fls_index_open(const char *stream_path, const char *index_path,
                               struct fls_index **index, struct fls_error *error)
{
    struct fls_index *opened = calloc(1, sizeof *opened);

    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    opened->file.fd = opened->file.stream_fd = -1;
    enum fls_status status = open_files(opened, stream_path, index_path, error);
    if (status != FLS_OK) {
        fls_index_close(opened);
        return status;
    }
    *index = opened;
    return FLS_OK;
}

struct fls_index_summary fls_index_describe(const struct fls_index *index)
{
    const struct fls_index_cover *cover = &index->file.cover;
    const struct fls_index_cover *synced = &index->file.slot.synced;
    struct fls_index_summary summary = {
        .entries = cover->entries,
        .frames = cover->frames,
        .bytes = cover->bytes,
        .synced_frames = synced->frames,
        .synced_bytes = synced->bytes,
        .trusted_frames = index->file.trusted.frames,
        .trusted_bytes = index->file.trusted.bytes,
        .checksum = index->file.header.checksum,
        .has_time = index->file.header.has_time && cover->has_time,
        .time_is_real = index->file.header.time_is_real,
        .time_is_unsigned = index->file.header.time_is_unsigned,
        .stream_changed = index->file.likeness == FLS_INDEX_CHANGED,
        .time_in_order = !cover->out_of_order,
        .time_first = cover->time_first,
        .time_last = cover->time_last,
    };

    memcpy(summary.key, index->file.header.key, sizeof summary.key);
    return summary;
}

const struct fls_index_file *fls_index_file_of(const struct fls_index *index)
{
    return &index->file;
}

/* --- searching ---------------------------------------------------- */

/* What is sought: the last entry whose frame is at most `number`, whose time is before `time`, or
 * which begins before byte `number`. */
struct target {
    enum { BY_FRAME, BY_TIME, BY_OFFSET } by;
    uint64_t number;
    int64_t time;
};

/* An order-preserving map of times onto unsigned numbers, for distances. */
static uint64_t from_time(int64_t time)
{
    return (uint64_t)time ^ UINT64_C(1) << 63;
}

static uint64_t value_of(const struct target *target, const struct fls_index_entry *entry)
{
    if (target->by == BY_TIME)
        return from_time(entry->time);
    return target->by == BY_FRAME ? entry->frame : entry->offset;
}

static uint64_t sought(const struct target *target)
{
    return target->by == BY_TIME ? from_time(target->time) : target->number;
}

static int is_before(const struct target *target, const struct fls_index_entry *entry)
{
    if (target->by == BY_TIME)
        return entry->time < target->time;
    return target->by == BY_FRAME ? entry->frame <= target->number : entry->offset < target->number;
}

/* Entry `low` is before what is sought, `high` is not (or is the end of all entries, and `behind`
 * then begins where the cover ends). */
struct search {
    uint64_t low;
    uint64_t high;
    struct fls_index_entry before;
    struct fls_index_entry behind;
};

static uint64_t guess_middle(const struct search *search)
{
    return search->low + (search->high - search->low) / 2;
}

/* Where between low and high it would stand if values rose evenly. */
static uint64_t guess_by_value(const struct search *search, const struct target *target)
{
    uint64_t from = value_of(target, &search->before), to = value_of(target, &search->behind);

    if (to <= from || sought(target) < from)
        return guess_middle(search);
    double part = (double)(sought(target) - from) / (double)(to - from);
    uint64_t steps = (uint64_t)(part * (double)(search->high - search->low));
    uint64_t guess = search->low + fls_min_u64(steps, search->high - search->low - 1);
    return guess > search->low ? guess : search->low + 1;
}

/* Looks at the block that holds entry `guess`, and moves low and high together around it. */
static enum fls_status look_at(const struct fls_index *index, const struct target *target,
                               uint64_t guess, struct search *search, struct fls_error *error)
{
    struct fls_index_entry entries[FLS_INDEX_BLOCK];
    uint64_t from = guess - guess % FLS_INDEX_BLOCK;
    uint64_t count = fls_min_u64(index->file.cover.entries - from, FLS_INDEX_BLOCK);
    enum fls_status status =
        fls_index_file_entries(&index->file, from, (size_t)count, entries, error);

    for (uint64_t i = 0; i < count && status == FLS_OK; i++) {
        uint64_t number = from + i;
        if (number <= search->low || number >= search->high)
            continue;
        if (!is_before(target, &entries[i])) {
            search->high = number;
            search->behind = entries[i];
        } else {
            search->low = number;
            search->before = entries[i];
        }
    }
    return status;
}

static enum fls_status find(const struct fls_index *index, const struct target *target,
                            struct search *search, struct fls_error *error)
{
    const struct fls_index_cover *cover = &index->file.cover;
    int by_value = 1;
    enum fls_status status = fls_index_file_entries(&index->file, 0, 1, &search->before, error);

    if (search->before.time == FLS_INDEX_NO_TIME) /* nothing is before it: for the distances */
        search->before.time = cover->time_first;
    search->low = 0;
    search->high = cover->entries;
    search->behind = (struct fls_index_entry){cover->bytes, cover->frames, cover->time_last, 0};
    while (status == FLS_OK && search->high - search->low > 1) {
        uint64_t width = search->high - search->low;
        uint64_t guess = by_value ? guess_by_value(search, target) : guess_middle(search);
        status = look_at(index, target, guess, search, error);
        by_value = search->high - search->low <= width / 2;
    }
    return status;
}

/* The place before what is sought, compared with the stream; *end is where the next entry is. */
static enum fls_status find_place(const struct fls_index *index, const struct target *target,
                                  struct fls_index_place *place, uint64_t *end,
                                  struct fls_error *error)
{
    struct search search;
    enum fls_status status = find(index, target, &search, error);

    if (status == FLS_OK)
        status = fls_index_file_prove(&index->file, &search.before, &index->file.cover, error);
    if (status == FLS_OK && search.behind.offset <= search.before.offset)
        status = fls_error_set(error, FLS_INVALID_ARGUMENT,
                               "the index cannot be used: its entries are not in order");
    if (status != FLS_OK)
        return status;
    *place = (struct fls_index_place){search.before.frame, search.before.offset};
    *end = search.behind.offset;
    return FLS_OK;
}

static enum fls_status at_end(const struct fls_index *index, struct fls_index_place *place,
                              uint64_t *end)
{
    const struct fls_index_cover *cover = &index->file.cover;

    *place = (struct fls_index_place){cover->frames, cover->bytes};
    *end = cover->bytes;
    return FLS_END;
}

static enum fls_status find_frame(const struct fls_index *index, uint64_t frame,
                                  struct fls_index_place *place, uint64_t *end,
                                  struct fls_error *error)
{
    struct target target = {.by = BY_FRAME, .number = frame};

    if (frame >= index->file.cover.frames)
        return at_end(index, place, end);
    return find_place(index, &target, place, end, error);
}

enum fls_status fls_index_find_frame(struct fls_index *index, uint64_t frame,
                                     struct fls_index_place *place, struct fls_error *error)
{
    uint64_t end;

    return find_frame(index, frame, place, &end, error);
}

enum fls_status fls_index_find_time(struct fls_index *index, int64_t time,
                                    struct fls_index_place *place, struct fls_error *error)
{
    const struct fls_index_cover *cover = &index->file.cover;
    struct target target = {.by = BY_TIME, .time = time};
    uint64_t end;

    if (!index->file.header.has_time)
        return fls_error_set(error, FLS_UNSUPPORTED, "the index has no times");
    if (index->file.likeness == FLS_INDEX_CHANGED)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "the stream was changed after its index was written, which may have "
                             "the times of others");
    if (cover->frames == 0 || cover->time_last < time)
        return at_end(index, place, &end);
    return find_place(index, &target, place, &end, error);
}

enum fls_status fls_index_find_offset(const struct fls_index *index, uint64_t offset,
                                      struct fls_index_place *place, struct fls_error *error)
{
    struct target target = {.by = BY_OFFSET, .number = offset};
    const struct fls_index_cover *cover = &index->file.cover;
    struct search search;

    *place = (struct fls_index_place){0, 0};
    if (offset == 0)
        return FLS_OK;
    if (offset > cover->bytes)
        return FLS_END;
    enum fls_status status = find(index, &target, &search, error);
    if (status == FLS_OK && search.high < cover->entries)
        status = fls_index_file_prove(&index->file, &search.behind, cover, error);
    *place = (struct fls_index_place){search.behind.frame, search.behind.offset};
    return status;
}

/* --- reading from there ------------------------------------------- */

/* The stream once more, with a descriptor of its own; it must still be the one that was checked. */
static enum fls_status open_same(const struct fls_index *index, int *fd, struct fls_error *error)
{
    struct stat then, now;
    enum fls_status status = fls_os_open(index->stream_path, O_RDONLY, fd, error);

    if (status != FLS_OK)
        return status;
    if (fstat(*fd, &now) != 0 || fstat(index->file.stream_fd, &then) != 0)
        status = fls_error_system(error, "fstat", errno);
    else if (now.st_dev != then.st_dev || now.st_ino != then.st_ino)
        status = fls_error_set(error, FLS_INVALID_ARGUMENT,
                               "the stream was replaced while its index was open");
    if (status != FLS_OK)
        fls_os_close(*fd, NULL);
    return status;
}

/* A reader at `place`, whose source reads first what lies before `end`, and no more. */
static enum fls_status open_at(const struct fls_index *index, const struct fls_index_place *place,
                               uint64_t end, const struct fls_reader_options *options,
                               struct fls_reader **reader, struct fls_error *error)
{
    struct fls_reader_options all = {.checksum = index->file.header.checksum};
    uint64_t stretch = fls_min_u64(end - place->offset, FLS_READ_AHEAD_BYTES_DEFAULT);
    struct fls_source *source;
    int fd;

    if (options)
        all = *options;
    all.start_offset = place->offset;
    all.start_frame = place->frame;
    all.owns_source = 1;
    enum fls_status status = open_same(index, &fd, error);
    if (status != FLS_OK)
        return status;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    status =
        fls_source_open_range(fd, FLS_OWNED, place->offset, (size_t)stretch, 0, &source, error);
    if (status != FLS_OK) {
        fls_os_close(fd, NULL);
        return status;
    }
    status = fls_reader_open(source, &all, reader, error);
    if (status != FLS_OK)
        fls_source_close(source);
    return status;
}

enum fls_status fls_index_open_reader(struct fls_index *index, uint64_t frame,
                                      const struct fls_reader_options *options,
                                      struct fls_reader **reader, struct fls_error *error)
{
    struct fls_index_place place;
    struct fls_reader *opened;
    uint64_t end = 0;
    enum fls_status status = find_frame(index, frame, &place, &end, error);

    if (status != FLS_OK && status != FLS_END)
        return status;
    status = open_at(index, &place, end, options, &opened, error);
    if (status != FLS_OK)
        return status;
    status = fls_reader_skip(opened, frame - place.frame, NULL);
    if (status != FLS_OK) {
        if (status != FLS_END)
            fls_error_copy(error, fls_reader_error(opened));
        fls_reader_close(opened);
        return status;
    }
    *reader = opened;
    return FLS_OK;
}
