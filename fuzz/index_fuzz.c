/*
 * index_fuzz.c: any bytes as the index of a stream.
 *
 * Input: a byte that says how the bytes are taken, then they. Either they are the index as they
 * are; or they are patches (place, byte) on an index that was sound, whose hashes are then made
 * right again, so that what lies behind the hashes is reached too. Whatever opens must hold
 * together; every place lies in the stream; without the hashes made right, every place is a
 * frame's.
 */
#include "fuzz_input.h"

#include <string.h>
#include <unistd.h>

#include "journal/index_format.h"

#define FRAMES 600
#define PATCHES_MAX 12

static char stream_path[64], index_path[80];
static uint64_t offsets[FRAMES + 1];
static uint8_t sound[65536];
static size_t sound_bytes;

static int read_time(void *context, const void *payload, size_t bytes, int64_t *time)
{
    (void)context;
    if (bytes < 8)
        return 0;
    memcpy(time, payload, sizeof *time);
    return 1;
}

static void write_file(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");

    fuzz_require(file);
    fuzz_require(fwrite(bytes, 1, count, file) == count);
    fuzz_require(fclose(file) == 0);
}

static void remove_files(void)
{
    unlink(stream_path);
    unlink(index_path);
}

static void make_stream(void)
{
    static uint8_t bytes[FRAMES * 120];
    struct fls_frame_format format = {{FLS_CHECKSUM_XXH3, NULL}, 0};
    size_t used = 0;

    for (size_t i = 0; i < FRAMES; i++) {
        uint8_t payload[100] = {0};
        size_t count = i * 37 % sizeof payload;
        int64_t time = (int64_t)(i * 10 - i % 3 * 25);
        memcpy(payload, &time, sizeof time);
        offsets[i] = used;
        used +=
            fls_frame_encode_header(&format, (uint32_t)count,
                                    fls_checksum_of(format.checksum, payload, count), bytes + used);
        memcpy(bytes + used, payload, count);
        used += count;
    }
    offsets[FRAMES] = used;
    write_file(stream_path, bytes, used);
}

static void make_index(void)
{
    struct fls_index_options options = {.stretch_bytes = 500, .time = read_time};
    struct fls_index_writer *writer;
    struct fls_reader_options reading = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_reader *reader;
    struct fls_message message;
    uint64_t frame, offset;

    fuzz_require(fls_index_writer_open(stream_path, NULL, FLS_CHECKSUM_XXH3, &options, 0, &writer,
                                       &frame, &offset, NULL) == FLS_OK);
    fuzz_require(fls_reader_open_file(stream_path, &reading, &reader, NULL) == FLS_OK);
    while (fls_reader_next(reader, &message) == FLS_OK) {
        struct iovec segment = {(void *)(uintptr_t)message.payload, message.bytes};
        struct fls_payload payload = {&segment, 1, message.bytes};
        fuzz_require(fls_index_writer_add(writer, message.offset, 12, &payload, NULL) == FLS_OK);
    }
    fls_reader_close(reader);
    fuzz_require(fls_index_writer_close(writer, NULL) == FLS_OK);
    FILE *file = fopen(index_path, "rb");
    fuzz_require(file);
    sound_bytes = fread(sound, 1, sizeof sound, file);
    fclose(file);
}

static void prepare(void)
{
    if (sound_bytes > 0)
        return;
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(stream_path, sizeof stream_path, "%s/index_fuzz-%d.fls", folder, (int)getpid());
    snprintf(index_path, sizeof index_path, "%s.idx", stream_path);
    make_stream();
    make_index();
    atexit(remove_files);
}

/* Whatever the patched fields say, said with hashes that are right. */
static void make_hashes_right(uint8_t *bytes)
{
    struct fls_index_header header;
    struct fls_index_slot slot;
    struct fls_index_entry entry;

    if (fls_index_decode_header(bytes, &header) != NULL && fls_index_decode_header(sound, &header))
        return;
    fls_index_encode_header(&header, bytes);
    for (size_t at = FLS_INDEX_HEADER_BYTES; at <= FLS_INDEX_HEADER_BYTES + FLS_INDEX_SLOT_BYTES;
         at += FLS_INDEX_SLOT_BYTES) {
        memset(&slot, 0, sizeof slot);
        if (!fls_index_decode_slot(&header, bytes + at, &slot)) {
            /* decoding a slot stops at its hash: read it as one whose hash is right */
            uint8_t copy[FLS_INDEX_SLOT_BYTES];
            memcpy(copy, bytes + at, sizeof copy);
            slot.generation = 3;
            slot.header_bytes = copy[8];
            for (int i = 0; i < 7; i++)
                memcpy((uint8_t *)&slot.handed + 8 * i, copy + 16 + 8 * i, 8);
            memcpy(&slot.handed.mark, copy + 16 + 64, 8);
            memcpy(&slot.boot, copy + 160, 8);
        }
        fls_index_encode_slot(&header, &slot, bytes + at);
    }
    for (uint64_t i = 0; FLS_INDEX_ENTRIES_AT + (i + 1) * FLS_INDEX_ENTRY_BYTES <= sound_bytes;
         i++) {
        uint8_t *at = bytes + FLS_INDEX_ENTRIES_AT + i * FLS_INDEX_ENTRY_BYTES;
        (void)fls_index_decode_entry(&header, i, at, &entry);
        fls_index_encode_entry(&header, i, &entry, at);
    }
}

static void put_index(struct fuzz_input *input, int *is_forged)
{
    static uint8_t bytes[sizeof sound];
    uint8_t how = fuzz_byte(input);

    *is_forged = how % 3 == 2;
    if (how % 3 == 0) {
        write_file(index_path, input->at, input->left);
        return;
    }
    memcpy(bytes, sound, sound_bytes);
    for (int i = 0; i < PATCHES_MAX && input->left > 0; i++) {
        size_t at = fuzz_below(input, sound_bytes);
        bytes[at] = fuzz_byte(input);
    }
    if (*is_forged)
        make_hashes_right(bytes);
    write_file(index_path, bytes, sound_bytes);
}

static void check_place(enum fls_status status, const struct fls_index_place *place, int is_forged)
{
    fuzz_require(status == FLS_OK || status == FLS_END || status == FLS_INVALID_ARGUMENT ||
                 status == FLS_UNSUPPORTED);
    if (status != FLS_OK && status != FLS_END)
        return;
    fuzz_require(place->offset <= offsets[FRAMES]);
    if (!is_forged)
        fuzz_require(place->frame <= FRAMES && place->offset == offsets[place->frame]);
}

static void use(struct fls_index *index, int is_forged)
{
    struct fls_index_summary summary = fls_index_describe(index);
    struct fls_index_place place;
    struct fls_message message;
    struct fls_reader *reader;

    fuzz_require(summary.bytes <= offsets[FRAMES] && summary.synced_bytes <= summary.bytes);
    fuzz_require(summary.trusted_bytes == summary.bytes ||
                 summary.trusted_bytes == summary.synced_bytes);
    for (uint64_t frame = 0; frame < FRAMES + 50; frame += 23) {
        check_place(fls_index_find_frame(index, frame, &place, NULL), &place, is_forged);
        check_place(fls_index_find_time(index, (int64_t)frame * 10, &place, NULL), &place,
                    is_forged);
        if (fls_index_open_reader(index, frame, NULL, &reader, NULL) != FLS_OK)
            continue;
        enum fls_status status = fls_reader_next(reader, &message);
        if (status == FLS_OK && !is_forged)
            fuzz_require(message.offset == offsets[frame] && message.frame == frame);
        fls_reader_close(reader);
    }
    enum fls_status checked = fls_index_check(index, NULL, NULL, NULL, NULL);
    if (checked == FLS_OK && !is_forged)
        fuzz_require(summary.bytes == offsets[summary.frames]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fls_index *index;
    struct fls_error error;
    int is_forged;

    prepare();
    put_index(&input, &is_forged);
    enum fls_status status = fls_index_open(stream_path, NULL, &index, &error);
    if (status == FLS_OK) {
        use(index, is_forged);
        fls_index_close(index);
        return 0;
    }
    fuzz_require(status == FLS_INVALID_ARGUMENT);
    fuzz_require(error.reason[0] != '\0');
    return 0;
}
