/*
 * index_writer.c: an index while it grows beside its stream.
 *
 * Four covers follow one another: `live` counts what was added, `handed` is what the system has of
 * the stream, `syncing` what a sync under way will have made durable, `synced` what is. Only the
 * last and `handed` are ever written: so the file never says more than the stream has.
 *
 * The order of writing is entries first, then the cover that counts them, into the slot that does
 * not hold the present one. A process that ends in between leaves the old cover, and entries behind
 * it that no one looks at. What a loss of power mixes up is noticed by the hashes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <flatstream/index.h>

#include "base/arguments.h"
#include "base/beside.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/os.h"
#include "frame/frame_fast.h"
#include "frame/xxh3.h"
#include "journal/index_file.h"
#include "journal/index_internal.h"

/* Entries are written so many at a time: at 40 KiB of stream each, once in 10 MiB. */
#define BATCH_ENTRIES 256

struct fls_index_writer {
    struct fls_index_file file;
    struct fls_index_cover live;
    struct fls_index_cover syncing;
    uint64_t stretch_bytes;
    uint64_t stretch_frames;
    uint64_t entry_offset; /* of the last entry */
    uint64_t entry_frame;
    fls_time_function *time;
    void *time_context;
    struct fls_buffer flat; /* a segmented payload, for the time */
    char *path;
    int given_up;
    int is_dirty;     /* there is more to say than the file says */
    uint64_t written; /* entries in the file */
    uint8_t entries[BATCH_ENTRIES * FLS_INDEX_ENTRY_BYTES];
};

/* --- opening ------------------------------------------------------ */

static uint64_t make_birth(const struct fls_index_writer *writer)
{
    struct {
        struct timespec now;
        uint64_t process;
        uint64_t address;
    } seed = {{0, 0}, (uint64_t)getpid(), (uint64_t)(uintptr_t)writer};

    clock_gettime(CLOCK_REALTIME, &seed.now);
    return fls_xxh3_of(&seed, sizeof seed);
}

static enum fls_status check_options(enum fls_checksum_kind checksum,
                                     const struct fls_index_options *options,
                                     struct fls_error *error)
{
    if ((unsigned)checksum > FLS_CHECKSUM_CUSTOM)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "unknown checksum kind %d",
                             (int)checksum);
    if (options->key && strlen(options->key) >= FLS_INDEX_KEY_BYTES)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "the key's name is longer than %d bytes",
                             FLS_INDEX_KEY_BYTES - 1);
    return FLS_OK;
}

static void configure(struct fls_index_writer *writer, enum fls_checksum_kind checksum,
                      const struct fls_index_options *options)
{
    struct fls_index_header *header = &writer->file.header;

    writer->file.fd = writer->file.stream_fd = -1;
    writer->stretch_bytes = options->stretch_bytes;
    writer->stretch_frames = options->stretch_frames;
    if (writer->stretch_bytes == 0)
        writer->stretch_bytes =
            options->stretch_frames > 0 ? UINT64_MAX : FLS_INDEX_STRETCH_BYTES_DEFAULT;
    if (writer->stretch_frames == 0)
        writer->stretch_frames = UINT64_MAX;
    writer->time = options->time;
    writer->time_context = options->time_context;
    header->checksum = checksum;
    header->has_time = options->time != NULL;
    header->time_is_real = options->time && options->time_is_real;
    header->time_is_unsigned = options->time && options->time_is_unsigned;
    header->stretch_bytes = options->stretch_bytes;
    header->stretch_frames = options->stretch_frames;
    if (options->key)
        memcpy(header->key, options->key, strlen(options->key));
    header->birth = make_birth(writer);
}

static void free_writer(struct fls_index_writer *writer)
{
    fls_index_file_close(&writer->file);
    fls_buffer_free(&writer->flat);
    free(writer->path);
    free(writer);
}

/* One that cannot be removed says no more than was written of it. */
static void remove_own(struct fls_index_writer *writer, const char *path)
{
    enum fls_status status = fls_beside_remove(writer->file.fd, path, NULL);

    (void)status;
}

/* A header, and a slot that covers nothing; the other is zeros, which is no slot. */
static enum fls_status write_beginning(struct fls_index_writer *writer, struct fls_error *error);

static enum fls_status begin_at(struct fls_index_writer *writer, const char *path,
                                const struct stat *stream, struct fls_error *error)
{
    enum fls_status status = fls_beside_create(path, O_RDWR, stream, &writer->file.fd, error);

    if (status != FLS_OK) {
        writer->file.fd = -1;
        return status;
    }
    status = write_beginning(writer, error);
    if (status != FLS_OK)
        remove_own(writer, path);
    return status;
}

/* A new file takes the place of one that is there: whoever reads the old one goes on with that, and
 * it stays when there can be no new one. */
static enum fls_status begin_instead(struct fls_index_writer *writer, const struct stat *stream,
                                     struct fls_error *error)
{
    size_t size = strlen(writer->path) + sizeof ".ffffffffffffffff";
    char *temporary = malloc(size);

    if (!temporary)
        return fls_error_no_memory(error, size);
    snprintf(temporary, size, "%s.%06" PRIx64, writer->path, writer->file.header.birth & 0xffffff);
    enum fls_status status = begin_at(writer, temporary, stream, error);
    if (status == FLS_OK) {
        status = fls_beside_replace_index(temporary, writer->path, stream, error);
        if (status != FLS_OK)
            remove_own(writer, temporary);
    }
    free(temporary);
    return status;
}

static enum fls_status begin_anew(struct fls_index_writer *writer, struct fls_error *error)
{
    struct fls_error failure = FLS_ZERO;
    struct stat stream;

    if (fstat(writer->file.stream_fd, &stream) != 0)
        return fls_error_system(error, "fstat", errno);
    enum fls_status status = begin_at(writer, writer->path, &stream, &failure);
    if (status == FLS_IO && failure.os_errno == EEXIST)
        return begin_instead(writer, &stream, error);
    return status == FLS_OK ? FLS_OK : fls_error_copy(error, &failure);
}

static int is_of_same_options(const struct fls_index_header *a, const struct fls_index_header *b)
{
    return a->checksum == b->checksum && a->has_time == b->has_time &&
           a->time_is_real == b->time_is_real && a->time_is_unsigned == b->time_is_unsigned &&
           a->stretch_bytes == b->stretch_bytes && a->stretch_frames == b->stretch_frames &&
           memcmp(a->key, b->key, sizeof a->key) == 0;
}

/* Where the last entry stands, for the next one's distance. It must still be a frame's. */
static enum fls_status recall_last_entry(struct fls_index_writer *writer)
{
    struct fls_index_entry last;

    if (writer->live.entries == 0)
        return FLS_OK;
    enum fls_status status =
        fls_index_file_entries(&writer->file, writer->live.entries - 1, 1, &last, NULL);
    if (status == FLS_OK)
        status = fls_index_file_prove(&writer->file, &last, &writer->live, NULL);
    writer->entry_offset = last.offset;
    writer->entry_frame = last.frame;
    return status;
}

/* Goes on with the index that is there, if it is sound and built in the same way, behind what can
 * be trusted of it: what is added from now on says that the system has what comes before. */
static int go_on(struct fls_index_writer *writer)
{
    struct fls_index_file *file = &writer->file;
    struct fls_index_header wanted = file->header;

    if (fls_index_file_open(file, writer->path, O_RDWR, NULL) == FLS_OK) {
        writer->live = file->trusted;
        if (file->likeness != FLS_INDEX_CHANGED && is_of_same_options(&wanted, &file->header) &&
            recall_last_entry(writer) == FLS_OK) {
            file->slot.handed = writer->live;
            writer->written = writer->live.entries;
            return 1;
        }
        fls_os_close(file->fd, NULL);
        file->fd = -1;
    }
    file->header = wanted;
    memset(&file->slot, 0, sizeof file->slot);
    memset(&writer->live, 0, sizeof writer->live);
    file->slot_at = 0;
    return 0;
}

enum fls_status fls_index_writer_open(const char *stream_path, const char *index_path,
                                      enum fls_checksum_kind checksum,
                                      const struct fls_index_options *options, int resume,
                                      struct fls_index_writer **writer, uint64_t *resume_frame,
                                      uint64_t *resume_offset, struct fls_error *error)
{
    static const struct fls_index_options defaults;
    const struct fls_index_options *chosen = options ? options : &defaults;
    enum fls_status status = check_options(checksum, chosen, error);

    if (status != FLS_OK)
        return status;
    struct fls_index_writer *opened = calloc(1, sizeof *opened);
    if (!opened)
        return fls_error_no_memory(error, sizeof *opened);
    configure(opened, checksum, chosen);
    opened->path = fls_index_path(stream_path, index_path);
    if (!opened->path)
        status = fls_error_no_memory(error, strlen(stream_path) + 5);
    if (status == FLS_OK)
        status = fls_index_file_open_stream(&opened->file, stream_path, error);
    if (status == FLS_OK && !(resume && go_on(opened)))
        status = begin_anew(opened, error);
    if (status != FLS_OK) {
        free_writer(opened);
        return status;
    }
    opened->file.slot.boot = fls_index_boot();
    *resume_frame = opened->live.frames;
    *resume_offset = opened->live.bytes;
    *writer = opened;
    return FLS_OK;
}

/* --- writing ------------------------------------------------------ */

static enum fls_status write_at(int fd, const uint8_t *bytes, size_t count, uint64_t at,
                                struct fls_error *error)
{
    while (count > 0) {
        ssize_t written = pwrite(fd, bytes, count, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return fls_error_system(error, "pwrite", written < 0 ? errno : EIO);
        bytes += written;
        at += (uint64_t)written;
        count -= (size_t)written;
    }
    return FLS_OK;
}

static enum fls_status write_beginning(struct fls_index_writer *writer, struct fls_error *error)
{
    uint8_t bytes[FLS_INDEX_ENTRIES_AT] = {0};
    enum fls_status status =
        fls_index_identify(writer->file.stream_fd, &writer->file.slot.identity, error);

    if (status != FLS_OK)
        return status;
    fls_index_encode_header(&writer->file.header, bytes);
    fls_index_encode_slot(&writer->file.header, &writer->file.slot, bytes + FLS_INDEX_HEADER_BYTES);
    return write_at(writer->file.fd, bytes, sizeof bytes, 0, error);
}

static enum fls_status write_entries(struct fls_index_writer *writer, struct fls_error *error)
{
    uint64_t count = writer->live.entries - writer->written;

    if (count == 0)
        return FLS_OK;
    enum fls_status status =
        write_at(writer->file.fd, writer->entries, (size_t)(count * FLS_INDEX_ENTRY_BYTES),
                 FLS_INDEX_ENTRIES_AT + writer->written * FLS_INDEX_ENTRY_BYTES, error);
    if (status == FLS_OK)
        writer->written = writer->live.entries;
    return status;
}

/* Takes the mark of the frame that ends the cover from the stream, which has it. */
static enum fls_status mark_end(struct fls_index_writer *writer, struct fls_index_cover *cover,
                                struct fls_error *error)
{
    uint32_t payload_bytes;

    if (cover->frames == 0)
        return FLS_OK;
    return fls_index_file_mark(&writer->file, writer->file.slot.header_bytes, cover->last_offset,
                               cover->bytes, &cover->mark, &payload_bytes, error);
}

static enum fls_status write_cover(struct fls_index_writer *writer, struct fls_error *error)
{
    uint8_t bytes[FLS_INDEX_SLOT_BYTES];
    struct fls_index_slot *slot = &writer->file.slot;
    unsigned to = 1 - writer->file.slot_at;
    enum fls_status status = mark_end(writer, &slot->handed, error);

    if (status == FLS_OK && slot->synced.bytes == slot->handed.bytes)
        slot->synced = slot->handed;
    else if (status == FLS_OK)
        status = mark_end(writer, &slot->synced, error);
    if (status == FLS_OK)
        status = fls_index_identify(writer->file.stream_fd, &slot->identity, error);
    if (status != FLS_OK)
        return status;
    slot->generation++;
    fls_index_encode_slot(&writer->file.header, slot, bytes);
    status = write_at(writer->file.fd, bytes, sizeof bytes,
                      FLS_INDEX_HEADER_BYTES + to * (uint64_t)FLS_INDEX_SLOT_BYTES, error);
    writer->file.slot_at = to;
    writer->is_dirty = 0;
    return status;
}

/* The index is given up: better none than half of one that is taken for whole. */
static enum fls_status give_up(struct fls_index_writer *writer, enum fls_status status)
{
    writer->given_up = 1;
    remove_own(writer, writer->path);
    fls_index_file_close(&writer->file);
    return status;
}

static enum fls_status write_out(struct fls_index_writer *writer, struct fls_error *error)
{
    enum fls_status status = write_entries(writer, error);

    if (status == FLS_OK && writer->is_dirty)
        status = write_cover(writer, error);
    if (status == FLS_INVALID_ARGUMENT) /* the stream does not have what was handed */
        status = fls_error_system(error, "read the stream back", EIO);
    return status == FLS_OK ? FLS_OK : give_up(writer, status);
}

/* --- adding ------------------------------------------------------- */

/* The time of a payload in several segments, which are put together for it. */
static enum fls_status time_of_segments(struct fls_index_writer *writer,
                                        const struct fls_payload *payload, int64_t *time,
                                        int *has_time, struct fls_error *error)
{
    if (fls_buffer_reserve(&writer->flat, payload->length + 1, 0) != FLS_OK)
        return give_up(writer, fls_error_no_memory(error, payload->length));
    enum fls_status status =
        fls_payload_flatten(payload, writer->flat.bytes, writer->flat.capacity);
    if (status != FLS_OK)
        return give_up(writer, status);
    *has_time = writer->time(writer->time_context, writer->flat.bytes, payload->length, time);
    return FLS_OK;
}

/* Frames without a time count with the latest before them, which changes nothing here. */
static inline void note_time(struct fls_index_cover *cover, int64_t time)
{
    if (FLS_UNLIKELY(time < cover->time_previous))
        cover->out_of_order = 1;
    if (FLS_UNLIKELY(!cover->has_time || time < cover->time_first)) {
        cover->time_first = time;
        cover->has_time = 1;
    }
    if (time > cover->time_last)
        cover->time_last = time;
    cover->time_previous = time;
}

/* Is the frame that is about to be counted to have an entry? */
static inline int is_entry_due(const struct fls_index_writer *writer)
{
    const struct fls_index_cover *live = &writer->live;

    return live->bytes - writer->entry_offset >= writer->stretch_bytes ||
           live->frames - writer->entry_frame >= writer->stretch_frames || live->frames == 0;
}

/* An entry for the frame that is about to be counted. */
static enum fls_status add_entry(struct fls_index_writer *writer, const struct fls_payload *payload,
                                 struct fls_error *error)
{
    struct fls_index_cover *live = &writer->live;
    struct fls_index_entry entry = {live->bytes, live->frames, live->time_last,
                                    (uint32_t)fls_index_mark_payload(payload)};
    uint64_t waiting = live->entries - writer->written;

    if (waiting == BATCH_ENTRIES) {
        enum fls_status status = write_out(writer, error);
        if (status != FLS_OK)
            return status;
        waiting = 0;
    }
    fls_index_encode_entry(&writer->file.header, live->entries, &entry,
                           writer->entries + waiting * FLS_INDEX_ENTRY_BYTES);
    writer->entry_offset = live->bytes;
    writer->entry_frame = live->frames;
    live->entries++;
    return FLS_OK;
}

static enum fls_status begin(struct fls_index_writer *writer, size_t header_bytes,
                             struct fls_error *error)
{
    if (!fls_index_is_header_width(&writer->file.header, header_bytes))
        return give_up(writer, fls_error_set(error, FLS_INVALID_ARGUMENT,
                                             "no frame of this kind has a header of %zu bytes",
                                             header_bytes));
    writer->file.slot.header_bytes = header_bytes;
    writer->live.time_first = FLS_INDEX_NO_TIME;
    writer->live.time_last = FLS_INDEX_NO_TIME;
    writer->live.time_previous = FLS_INDEX_NO_TIME;
    return FLS_OK;
}

static enum fls_status wrong_place(struct fls_index_writer *writer, uint64_t offset,
                                   struct fls_error *error)
{
    uint64_t expected = writer->live.bytes;

    return give_up(writer, fls_error_set(error, FLS_INVALID_ARGUMENT,
                                         "a frame at byte %" PRIu64
                                         " was added to the index, the last one ended at %" PRIu64,
                                         offset, expected));
}

/* The next frames are said to be at `offset`. */
static inline enum fls_status check_place(struct fls_index_writer *writer, uint64_t offset,
                                          size_t header_bytes, struct fls_error *error)
{
    if (FLS_UNLIKELY(offset != writer->live.bytes))
        return wrong_place(writer, offset, error);
    return FLS_UNLIKELY(writer->live.frames == 0) ? begin(writer, header_bytes, error) : FLS_OK;
}

FLS_HOT enum fls_status fls_index_writer_add(struct fls_index_writer *writer, uint64_t offset,
                                             size_t header_bytes, const struct fls_payload *payload,
                                             struct fls_error *error)
{
    struct fls_index_cover *live = &writer->live;
    int64_t time = 0;
    int has_time = 0;

    if (FLS_UNLIKELY(!fls_payload_is_sound(payload)))
        return fls_refuse_payload(payload, error);
    if (FLS_UNLIKELY(writer->given_up))
        return FLS_OK;
    enum fls_status status = check_place(writer, offset, header_bytes, error);
    if (writer->time && status == FLS_OK) {
        if (FLS_LIKELY(payload->count == 1))
            has_time = writer->time(writer->time_context, payload->segments[0].iov_base,
                                    payload->length, &time);
        else
            status = time_of_segments(writer, payload, &time, &has_time, error);
    }
    if (FLS_UNLIKELY(status == FLS_OK && is_entry_due(writer)))
        status = add_entry(writer, payload, error);
    if (FLS_UNLIKELY(status != FLS_OK))
        return status;
    if (has_time)
        note_time(live, time);
    live->last_offset = offset;
    live->bytes = offset + header_bytes + payload->length;
    live->frames++;
    return FLS_OK;
}

static void note_times(struct fls_index_writer *writer, size_t header_bytes, const uint8_t *frames,
                       size_t bytes)
{
    const uint8_t *end = frames + bytes;

    while (frames < end) {
        size_t payload_bytes = fls_header_payload_bytes(frames);
        int64_t time = 0;
        frames += header_bytes;
        if (writer->time(writer->time_context, frames, payload_bytes, &time))
            note_time(&writer->live, time);
        frames += payload_bytes;
    }
}

/* Where a frame begins is known only when the length before it is: without this each step waits for
 * the second-level cache, which is half of what an index costs. 128 bytes a step are enough: steps
 * that are much longer are few. */
static inline void fetch_ahead(const uint8_t *frame)
{
    uintptr_t ahead = (uintptr_t)frame + 1024;

    __builtin_prefetch((const void *)ahead);
    __builtin_prefetch((const void *)(ahead + 64));
}

/* Counts frames up to the next that is to have an entry, or all; returns their bytes. */
FLS_HOT static size_t pass_stretch(struct fls_index_writer *writer, size_t header_bytes,
                                   const uint8_t *frames, size_t bytes)
{
    struct fls_index_cover *live = &writer->live;
    uint64_t bytes_left = writer->stretch_bytes - (live->bytes - writer->entry_offset);
    uint64_t frames_left = writer->stretch_frames - (live->frames - writer->entry_frame);
    size_t end = (size_t)fls_min_u64(bytes, bytes_left), at = 0, last;
    uint64_t count = 0;

    do {
        last = at;
        fetch_ahead(frames + at);
        at += header_bytes + fls_header_payload_bytes(frames + at);
        count++;
    } while (at < end && count < frames_left);
    if (writer->time)
        note_times(writer, header_bytes, frames, at);
    live->last_offset = live->bytes + last;
    live->bytes += at;
    live->frames += count;
    return at;
}

static enum fls_status add_entry_of(struct fls_index_writer *writer, size_t header_bytes,
                                    const uint8_t *frame, struct fls_error *error)
{
    size_t bytes = fls_header_payload_bytes(frame);
    struct iovec whole = {(void *)(uintptr_t)(frame + header_bytes), bytes};
    struct fls_payload payload = {&whole, 1, bytes};

    return add_entry(writer, &payload, error);
}

enum fls_status fls_index_writer_add_run(struct fls_index_writer *writer, uint64_t offset,
                                         size_t header_bytes, const uint8_t *frames, size_t bytes,
                                         struct fls_error *error)
{
    if (writer->given_up)
        return FLS_OK;
    enum fls_status status = check_place(writer, offset, header_bytes, error);
    while (bytes > 0 && status == FLS_OK) {
        if (is_entry_due(writer))
            status = add_entry_of(writer, header_bytes, frames, error);
        size_t passed = pass_stretch(writer, header_bytes, frames, bytes);
        frames += passed;
        bytes -= passed;
    }
    return status;
}

void fls_index_writer_handed(struct fls_index_writer *writer)
{
    if (writer->given_up || writer->file.slot.handed.bytes == writer->live.bytes)
        return;
    writer->file.slot.handed = writer->live;
    writer->is_dirty = 1;
}

void fls_index_writer_syncing(struct fls_index_writer *writer)
{
    writer->syncing = writer->file.slot.handed;
}

void fls_index_writer_synced(struct fls_index_writer *writer)
{
    if (writer->given_up || writer->file.slot.synced.bytes == writer->syncing.bytes)
        return;
    writer->file.slot.synced = writer->syncing;
    writer->is_dirty = 1;
}

enum fls_status fls_index_writer_flush(struct fls_index_writer *writer, struct fls_error *error)
{
    fls_index_writer_handed(writer);
    return writer->given_up ? FLS_OK : write_out(writer, error);
}

enum fls_status fls_index_writer_doubt(struct fls_index_writer *writer, struct fls_error *error)
{
    writer->file.slot.boot = 0;
    writer->is_dirty = 1;
    return fls_index_writer_flush(writer, error);
}

enum fls_status fls_index_writer_close(struct fls_index_writer *writer, struct fls_error *error)
{
    if (!writer)
        return FLS_OK;
    enum fls_status status = fls_index_writer_flush(writer, error);
    if (!writer->given_up && fls_os_close(writer->file.fd, error) != FLS_OK)
        status = FLS_IO;
    if (!writer->given_up)
        writer->file.fd = -1;
    free_writer(writer);
    return status;
}
