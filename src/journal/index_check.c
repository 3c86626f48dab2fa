/*
 * index_check.c: is all of an index right? The stream is read as far as it is covered, and each
 * entry compared with the frame that it names.
 */
#include <flatstream/index.h>

#include <inttypes.h>

#include "base/bytes.h"
#include "base/error.h"
#include "journal/index_internal.h"

/* The check under way: `next` is the entry of the block that is due at frame entries[..].frame. */
struct check {
    const struct fls_index_file *file;
    fls_time_function *time;
    void *context;
    struct fls_index_entry entries[FLS_INDEX_BLOCK];
    uint64_t next;
    size_t loaded;
    int64_t time_last;
};

static enum fls_status load(struct check *check, struct fls_error *error)
{
    uint64_t left = check->file->cover.entries - check->next;

    check->loaded = (size_t)fls_min_u64(left, FLS_INDEX_BLOCK);
    if (check->loaded == 0 || check->next % FLS_INDEX_BLOCK != 0)
        return FLS_OK;
    return fls_index_file_entries(check->file, check->next, check->loaded, check->entries, error);
}

static enum fls_status wrong_entry(const struct check *check, const char *what, int64_t says,
                                   int64_t is, struct fls_error *error)
{
    return fls_error_set(error, FLS_INVALID_ARGUMENT,
                         "the index is wrong: entry %" PRIu64 " says %s %" PRId64
                         ", it is %" PRId64,
                         check->next, what, says, is);
}

static enum fls_status compare(struct check *check, const struct fls_message *message,
                               struct fls_error *error)
{
    const struct fls_index_entry *entry = &check->entries[check->next % FLS_INDEX_BLOCK];

    if (check->next >= check->file->cover.entries || entry->frame > message->frame)
        return FLS_OK;
    if (entry->frame < message->frame || entry->offset != message->offset)
        return wrong_entry(check, "offset", (int64_t)entry->offset, (int64_t)message->offset,
                           error);
    struct iovec whole = {(void *)(uintptr_t)message->payload, message->bytes};
    struct fls_payload payload = {&whole, 1, message->bytes};
    if (entry->mark != (uint32_t)fls_index_mark_payload(&payload))
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "the index is wrong: entry %" PRIu64
                             " is of a frame that held something else",
                             check->next);
    if (check->time && entry->time != check->time_last)
        return wrong_entry(check, "time", entry->time, check->time_last, error);
    check->next++;
    return load(check, error);
}

static void note_time(struct check *check, const struct fls_message *message)
{
    int64_t time = 0;

    if (check->time && check->time(check->context, message->payload, message->bytes, &time) &&
        time > check->time_last)
        check->time_last = time;
}

static enum fls_status compare_all(struct check *check, struct fls_reader *reader,
                                   struct fls_error *error)
{
    const struct fls_index_cover *cover = &check->file->cover;
    struct fls_message message;
    enum fls_status status = load(check, error);

    for (uint64_t frame = 0; frame < cover->frames && status == FLS_OK; frame++) {
        status = fls_reader_next(reader, &message);
        if (status != FLS_OK)
            return fls_error_copy(error, fls_reader_error(reader));
        status = compare(check, &message, error);
        note_time(check, &message);
    }
    if (status != FLS_OK)
        return status;
    uint64_t offset;
    fls_reader_position(reader, &offset, NULL);
    if (check->next != cover->entries || offset != cover->bytes ||
        (check->time && check->time_last != cover->time_last))
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "the index is wrong: its cover does not end as the stream does");
    return FLS_OK;
}

enum fls_status fls_index_check(struct fls_index *index, fls_time_function *time, void *context,
                                const struct fls_reader_options *options, struct fls_error *error)
{
    struct check check = {.file = fls_index_file_of(index),
                          .time = time,
                          .context = context,
                          .time_last = FLS_INDEX_NO_TIME};
    struct fls_reader *reader;

    if (check.file->cover.frames == 0)
        return FLS_OK;
    if (time && !check.file->header.has_time)
        return fls_error_set(error, FLS_UNSUPPORTED, "the index has no times");
    enum fls_status status = fls_index_open_reader(index, 0, options, &reader, error);
    if (status != FLS_OK)
        return status;
    status = compare_all(&check, reader, error);
    fls_reader_close(reader);
    return status;
}
