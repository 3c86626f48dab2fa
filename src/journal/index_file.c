/*
 * index_file.c: see index_file.h.
 *
 * What is believed of an index: the later of its two slots that is whole, when the stream agrees
 * with it at the first entry, at the last and where the cover ends. Where it does not (the stream
 * lost its end with the power, and was cut), the slot's other cover, what was synced, may still
 * hold; and so may the earlier slot.
 */
#include "journal/index_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beside.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "frame/xxh3.h"

uint64_t fls_index_boot(void)
{
    char boot[FLS_OS_BOOT_BYTES];

    fls_os_boot(boot);
    return boot[0] ? fls_xxh3_of(boot, strlen(boot)) : 0;
}

char *fls_index_path(const char *stream_path, const char *index_path)
{
    static const char ending[] = FLS_INDEX_ENDING;
    const char *from = index_path ? index_path : stream_path;
    size_t length = strlen(from);
    char *path = malloc(length + sizeof ending);

    if (!path)
        return NULL;
    memcpy(path, from, length + 1);
    if (!index_path)
        memcpy(path + length, ending, sizeof ending);
    return path;
}

enum fls_status fls_index_file_open_stream(struct fls_index_file *file, const char *stream_path,
                                           struct fls_error *error)
{
    uint64_t bytes;
    enum fls_status status =
        fls_os_open(stream_path, O_RDONLY | O_NONBLOCK, &file->stream_fd, error);

    if (status != FLS_OK)
        return status;
    (void)posix_fadvise(file->stream_fd, 0, 0, POSIX_FADV_RANDOM);
    status = fls_os_file_bytes(file->stream_fd, &bytes, error);
    if (status == FLS_UNSUPPORTED)
        status = fls_error_set(error, FLS_INVALID_ARGUMENT,
                               "only a stream in a regular file can have an index");
    if (status != FLS_OK)
        fls_index_file_close(file);
    return status;
}

void fls_index_file_close(struct fls_index_file *file)
{
    if (file->fd >= 0)
        fls_os_close(file->fd, NULL);
    if (file->stream_fd >= 0)
        fls_os_close(file->stream_fd, NULL);
    file->fd = file->stream_fd = -1;
}

enum fls_status fls_index_pread(int fd, void *bytes, size_t count, uint64_t at,
                                struct fls_error *error)
{
    uint8_t *to = bytes;

    while (count > 0) {
        ssize_t got = fls_os_pread(fd, to, count, at);
        if (got < 0)
            return fls_error_system(error, "pread", errno);
        if (got == 0)
            return FLS_END;
        to += got;
        at += (uint64_t)got;
        count -= (size_t)got;
    }
    return FLS_OK;
}

static enum fls_status refuse(struct fls_error *error, const char *why)
{
    return fls_error_set(error, FLS_INVALID_ARGUMENT, "the index cannot be used: %s", why);
}

/* --- entries and frames ------------------------------------------- */

enum fls_status fls_index_file_entries(const struct fls_index_file *file, uint64_t from,
                                       size_t count, struct fls_index_entry *entries,
                                       struct fls_error *error)
{
    uint8_t bytes[FLS_INDEX_BLOCK * FLS_INDEX_ENTRY_BYTES];
    enum fls_status status =
        fls_index_pread(file->fd, bytes, count * FLS_INDEX_ENTRY_BYTES,
                        FLS_INDEX_ENTRIES_AT + from * FLS_INDEX_ENTRY_BYTES, error);

    if (status == FLS_END)
        return refuse(error, "it is cut short");
    if (status != FLS_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (!fls_index_decode_entry(&file->header, from + i, bytes + i * FLS_INDEX_ENTRY_BYTES,
                                    &entries[i]))
            return fls_error_set(error, FLS_INVALID_ARGUMENT,
                                 "the index cannot be used: entry %" PRIu64 " is damaged",
                                 from + i);
    }
    return FLS_OK;
}

static enum fls_status not_there(struct fls_error *error, uint64_t offset)
{
    return fls_error_set(
        error, FLS_INVALID_ARGUMENT,
        "the index is another stream's, or the stream was changed: at byte %" PRIu64
        " it does not have the frame that the index says",
        offset);
}

/* Adds `count` bytes of the stream from `at` on. */
static enum fls_status mark_part(const struct fls_index_file *file,
                                 struct fls_index_marking *marking, uint64_t at, size_t count,
                                 struct fls_error *error)
{
    uint8_t bytes[16 * 1024];
    enum fls_status status = FLS_OK;

    while (count > 0 && status == FLS_OK) {
        size_t part = fls_min_size(count, sizeof bytes);
        status = fls_index_pread(file->stream_fd, bytes, part, at, error);
        if (status == FLS_OK)
            fls_index_mark_add(marking, bytes, part);
        at += part;
        count -= part;
    }
    return status;
}

enum fls_status fls_index_file_mark(const struct fls_index_file *file, uint64_t header_bytes,
                                    uint64_t offset, uint64_t end, uint64_t *mark,
                                    uint32_t *payload_bytes, struct fls_error *error)
{
    struct fls_index_marking marking;
    size_t head_bytes, tail_bytes;
    uint8_t length[4];

    if (offset > end || end - offset < header_bytes)
        return not_there(error, offset);
    enum fls_status status = fls_index_pread(file->stream_fd, length, sizeof length, offset, error);
    *payload_bytes = status == FLS_OK ? fls_load_u32(length) : 0;
    if (*payload_bytes > end - offset - header_bytes)
        return not_there(error, offset);
    fls_index_mark_parts(*payload_bytes, &head_bytes, &tail_bytes);
    fls_index_mark_begin(&marking, *payload_bytes);
    uint64_t from = offset + header_bytes;
    if (status == FLS_OK)
        status = mark_part(file, &marking, from, head_bytes, error);
    if (status == FLS_OK)
        status = mark_part(file, &marking, from + *payload_bytes - tail_bytes, tail_bytes, error);
    *mark = fls_index_mark_finish(&marking);
    return status == FLS_END ? not_there(error, offset) : status;
}

enum fls_status fls_index_file_prove(const struct fls_index_file *file,
                                     const struct fls_index_entry *entry,
                                     const struct fls_index_cover *cover, struct fls_error *error)
{
    uint64_t mark = 0;
    uint32_t payload_bytes;

    if (entry->frame >= cover->frames || entry->offset >= cover->bytes)
        return refuse(error, "an entry lies outside of what it covers");
    enum fls_status status = fls_index_file_mark(file, file->slot.header_bytes, entry->offset,
                                                 cover->bytes, &mark, &payload_bytes, error);
    if (status == FLS_OK && (uint32_t)mark != entry->mark)
        return not_there(error, entry->offset);
    return status;
}

/* --- opening ------------------------------------------------------ */

/* The frame that ends the cover is the one that the index saw there. */
static enum fls_status prove_end(const struct fls_index_file *file,
                                 const struct fls_index_cover *cover, struct fls_error *error)
{
    uint64_t mark = 0, header_bytes = file->slot.header_bytes;
    uint32_t payload_bytes;
    enum fls_status status = fls_index_file_mark(file, header_bytes, cover->last_offset,
                                                 cover->bytes, &mark, &payload_bytes, error);

    if (status == FLS_OK &&
        (mark != cover->mark || cover->last_offset + header_bytes + payload_bytes != cover->bytes))
        return not_there(error, cover->last_offset);
    return status;
}

/* Its first entry is the stream's first frame, its last one is there, and so is its end. */
static enum fls_status prove_cover(const struct fls_index_file *file,
                                   const struct fls_index_cover *cover, struct fls_error *error)
{
    struct fls_index_entry first, last;

    if (cover->frames == 0)
        return FLS_OK;
    enum fls_status status = fls_index_file_entries(file, 0, 1, &first, error);
    if (status == FLS_OK)
        status = fls_index_file_entries(file, cover->entries - 1, 1, &last, error);
    if (status == FLS_OK &&
        (first.frame != 0 || first.offset != 0 || last.offset > cover->last_offset))
        status = refuse(error, "its entries contradict its cover");
    if (status == FLS_OK)
        status = fls_index_file_prove(file, &first, cover, error);
    if (status == FLS_OK && cover->entries > 1)
        status = fls_index_file_prove(file, &last, cover, error);
    return status == FLS_OK ? prove_end(file, cover, error) : status;
}

/* Where the stream may have been written anew, entries all over it are compared with it: so many,
 * or as many as it takes to have read so much. */
#define SAMPLE_ENTRIES 256
#define SAMPLE_BYTES (UINT64_C(64) << 20)

static enum fls_status prove_sample(const struct fls_index_file *file,
                                    const struct fls_index_cover *cover, struct fls_error *error)
{
    uint64_t step = (cover->entries + SAMPLE_ENTRIES - 1) / SAMPLE_ENTRIES, read = 0;
    enum fls_status status = FLS_OK;

    if (file->likeness == FLS_INDEX_SAME)
        return FLS_OK;
    for (uint64_t i = 0; i < cover->entries && read < SAMPLE_BYTES && status == FLS_OK; i += step) {
        struct fls_index_entry entry;
        status = fls_index_file_entries(file, i, 1, &entry, error);
        if (status == FLS_OK)
            status = fls_index_file_prove(file, &entry, cover, error);
        read += cover->bytes / cover->entries; /* on the average, and at most */
    }
    return status;
}

static enum fls_status prove(struct fls_index_file *file, const struct fls_index_cover *cover,
                             uint64_t index_bytes, uint64_t stream_bytes, struct fls_error *error)
{
    if (cover->bytes > stream_bytes)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "the index covers %" PRIu64 " bytes, the stream has only %" PRIu64,
                             cover->bytes, stream_bytes);
    if (cover->entries > (index_bytes - FLS_INDEX_ENTRIES_AT) / FLS_INDEX_ENTRY_BYTES)
        return refuse(error, "it is cut short");
    enum fls_status status = prove_cover(file, cover, error);
    if (status == FLS_OK)
        status = prove_sample(file, cover, error);
    if (status == FLS_OK)
        file->cover = *cover;
    return status;
}

/* One slot: all of it, or as far as it was synced. The first refusal is the one to be told. */
static enum fls_status try_slot(struct fls_index_file *file, uint64_t index_bytes,
                                uint64_t stream_bytes, struct fls_error *error)
{
    const struct fls_index_slot *slot = &file->slot;
    enum fls_status status = prove(file, &slot->handed, index_bytes, stream_bytes, error);

    if (status != FLS_INVALID_ARGUMENT || slot->synced.frames == 0)
        return status;
    enum fls_status second = prove(file, &slot->synced, index_bytes, stream_bytes, NULL);
    return second == FLS_OK ? FLS_OK : status;
}

/* What was handed to the system may be lost with its power, of which the index need not show any
 * sign; a system that runs on has it still. Of a stream that was changed since nothing is sure. */
static void set_trusted(struct fls_index_file *file)
{
    const struct fls_index_slot *slot = &file->slot;
    int runs_on = slot->boot != 0 && slot->boot == fls_index_boot();

    file->trusted = runs_on ? file->cover : slot->synced;
    if (file->likeness == FLS_INDEX_CHANGED)
        memset(&file->trusted, 0, sizeof file->trusted);
}

enum fls_status fls_index_identify(int stream_fd, struct fls_index_identity *identity,
                                   struct fls_error *error)
{
    struct stat stream;

    if (fstat(stream_fd, &stream) != 0)
        return fls_error_system(error, "fstat", errno);
    identity->inode = stream.st_ino;
    identity->bytes = (uint64_t)stream.st_size;
    identity->changed_ns =
        (int64_t)stream.st_mtim.tv_sec * 1000000000 + (int64_t)stream.st_mtim.tv_nsec;
    return FLS_OK;
}

/* A copy that keeps the file's time (cp -a, rsync -t) is the same; so is one that was moved. A
 * stream that is written on, or loses its tail, is not as long any more; one that is written anew
 * may be. */
static enum fls_index_likeness compare(const struct fls_index_identity *then,
                                       const struct fls_index_identity *now)
{
    if (now->bytes == then->bytes && now->changed_ns == then->changed_ns)
        return FLS_INDEX_SAME;
    return now->inode == then->inode && now->bytes != then->bytes ? FLS_INDEX_CONTINUED
                                                                  : FLS_INDEX_CHANGED;
}

/* The slots that are whole, the later first. */
static unsigned decode_slots(struct fls_index_file *file, const uint8_t *bytes,
                             struct fls_index_slot slots[FLS_INDEX_SLOTS],
                             unsigned places[FLS_INDEX_SLOTS])
{
    unsigned count = 0;

    for (unsigned i = 0; i < FLS_INDEX_SLOTS; i++) {
        if (!fls_index_decode_slot(&file->header,
                                   bytes + FLS_INDEX_HEADER_BYTES + i * FLS_INDEX_SLOT_BYTES,
                                   &slots[count]))
            continue;
        places[count++] = i;
    }
    if (count == 2 && slots[1].generation > slots[0].generation) {
        struct fls_index_slot earlier = slots[0];
        slots[0] = slots[1];
        slots[1] = earlier;
        places[0] = 1;
        places[1] = 0;
    }
    return count;
}

static enum fls_status try_slots(struct fls_index_file *file, const uint8_t *bytes,
                                 uint64_t index_bytes, const struct fls_index_identity *now,
                                 struct fls_error *error)
{
    struct fls_index_slot slots[FLS_INDEX_SLOTS];
    struct fls_error first = {.status = FLS_OK};
    unsigned places[FLS_INDEX_SLOTS];
    unsigned count = decode_slots(file, bytes, slots, places);
    enum fls_status status = FLS_INVALID_ARGUMENT;

    if (count == 0)
        return refuse(error, "its cover is damaged");
    for (unsigned i = 0; i < count && status == FLS_INVALID_ARGUMENT; i++) {
        if (i > 0 && slots[i].handed.frames == 0)
            break; /* true of any stream, and of no use */
        file->slot = slots[i];
        file->slot_at = places[i];
        file->likeness = compare(&slots[i].identity, now);
        status = try_slot(file, index_bytes, now->bytes, i == 0 ? &first : NULL);
    }
    file->slot.generation = slots[0].generation; /* the next is written after the latest */
    if (status != FLS_OK)
        return fls_error_copy(error, &first);
    set_trusted(file);
    return FLS_OK;
}

static enum fls_status examine(struct fls_index_file *file, struct fls_error *error)
{
    uint8_t bytes[FLS_INDEX_ENTRIES_AT];
    struct fls_index_identity now = {0, 0, 0};
    uint64_t index_bytes;
    enum fls_status status = fls_os_file_bytes(file->fd, &index_bytes, error);

    if (status == FLS_UNSUPPORTED || (status == FLS_OK && index_bytes < FLS_INDEX_ENTRIES_AT))
        return refuse(error, "it is no index");
    if (status == FLS_OK)
        status = fls_index_identify(file->stream_fd, &now, error);
    if (status == FLS_OK)
        status = fls_index_pread(file->fd, bytes, sizeof bytes, 0, error);
    if (status != FLS_OK)
        return status == FLS_END ? refuse(error, "it is cut short") : status;
    const char *wrong = fls_index_decode_header(bytes, &file->header);
    if (wrong)
        return refuse(error, wrong);
    return try_slots(file, bytes, index_bytes, &now, error);
}

enum fls_status fls_index_file_open(struct fls_index_file *file, const char *index_path, int flags,
                                    struct fls_error *error)
{
    struct stat stream;

    if (fstat(file->stream_fd, &stream) != 0)
        return fls_error_system(error, "fstat", errno);
    enum fls_status status = fls_beside_open(index_path, flags, &stream, &file->fd, error);
    if (status != FLS_OK) {
        file->fd = -1;
        return status;
    }
    (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_RANDOM);
    status = examine(file, error);
    if (status != FLS_OK) {
        fls_os_close(file->fd, NULL);
        file->fd = -1;
    }
    return status;
}

enum fls_status fls_index_file_header(const char *path, const struct stat *stream,
                                      struct fls_index_header *header, struct fls_error *error)
{
    uint8_t bytes[FLS_INDEX_HEADER_BYTES];
    int fd;
    enum fls_status status = fls_beside_open_index(path, stream, &fd, error);

    if (status != FLS_OK)
        return status;
    status = fls_index_pread(fd, bytes, sizeof bytes, 0, error);
    (void)fls_os_close(fd, NULL);
    if (status != FLS_OK)
        return status == FLS_END ? refuse(error, "it is cut short") : status;
    const char *wrong = fls_index_decode_header(bytes, header);
    return wrong ? refuse(error, wrong) : FLS_OK;
}
