/*
 * reader_test.c: streams made by the codec, read in every manner from every kind of source: the
 * messages, positions, errors and what comes after them; and that hostile lengths allocate nothing.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/frames.h"

#define READ_AHEAD 4096

/* --- the largest allocation asked for (linked with --wrap) ---------------------------------------
 */

static size_t largest_request;

void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);

static void note_request(size_t bytes)
{
    largest_request = bytes > largest_request ? bytes : largest_request;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    note_request(bytes);
    return __real_aligned_alloc(alignment, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    note_request(bytes);
    return __real_realloc(memory, bytes);
}

void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
void *__real_mremap(void *at, size_t before, size_t after, int flags, ...);
void *__wrap_mremap(void *at, size_t before, size_t after, int flags, ...);

void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (flags & MAP_ANONYMOUS)
        note_request(length);
    return __real_mmap(at, length, protection, flags, fd, offset);
}

void *__wrap_mremap(void *at, size_t before, size_t after, int flags, ...)
{
    note_request(after);
    return __real_mremap(at, before, after, flags);
}

/* --- streams and sources -------------------------------------------------------------------------
 */

static const size_t sizes[] = {0, 1, 3, 8, 64, 100, 4000, 4092, 4096, 4097, 0, 9000, 70000, 2, 5};
#define SIZES (sizeof sizes / sizeof sizes[0])

static struct fls_checksum kind_of(enum fls_checksum_kind kind)
{
    return (struct fls_checksum){kind, NULL};
}

static struct frames usual_frames(struct fls_checksum checksum)
{
    struct frames frames = {NULL, 0, 0};

    frames_pattern(&frames, checksum, sizes, SIZES);
    return frames;
}

enum backend { MEMORY, MAPPED, FILE_, PIPE, TRICKLED, BACKENDS };

static struct fls_fault_plan plan;

static char *scratch_path(void)
{
    static char path[64];

    snprintf(path, sizeof path, "/tmp/fls-reader-test-%d", (int)getpid());
    return path;
}

static void append_to_scratch(const void *bytes, size_t length)
{
    int fd = open(scratch_path(), O_WRONLY | O_CREAT | O_APPEND, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
}

static int fed_by_a_child(const struct frames *frames)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        for (size_t at = 0; at < frames->length;) {
            ssize_t part = write(ends[1], frames->bytes + at, frames->length - at);
            if (part < 0)
                _exit(1);
            at += (size_t)part;
        }
        _exit(0);
    }
    close(ends[1]);
    return ends[0];
}

static struct fls_source *open_backend(enum backend backend, const struct frames *frames)
{
    struct fls_source *source, *inner;

    switch (backend) {
    case MEMORY:
        assert_ok(fls_source_open_memory(frames->bytes, frames->length, &source, NULL));
        return source;
    case PIPE:
        assert_ok(fls_source_open_fd(fed_by_a_child(frames), FLS_OWNED, READ_AHEAD, &source, NULL));
        return source;
    case TRICKLED:
        plan = (struct fls_fault_plan){.bytes_max = 3, .status = FLS_AGAIN};
        assert_ok(fls_source_open_memory(frames->bytes, frames->length, &inner, NULL));
        assert_ok(fls_source_open_faulty(inner, &plan, &source, NULL));
        return source;
    case MAPPED:
    default:
        unlink(scratch_path());
        append_to_scratch(frames->bytes, frames->length);
        if (backend == MAPPED)
            assert_ok(fls_source_open_mmap(scratch_path(), &source, NULL));
        else
            assert_ok(fls_source_open_file(scratch_path(), READ_AHEAD, &source, NULL));
        unlink(scratch_path());
        return source;
    }
}

static struct fls_reader *open_reader(enum backend backend, const struct frames *frames,
                                      const struct fls_reader_options *options)
{
    struct fls_reader_options all = FLS_ZERO;
    struct fls_reader *reader;

    if (options)
        all = *options;
    all.owns_source = 1;
    assert_ok(fls_reader_open(open_backend(backend, frames), &all, &reader, NULL));
    return reader;
}

static void close_reader(struct fls_reader *reader)
{
    fls_reader_close(reader);
    while (waitpid(-1, NULL, 0) > 0)
        continue;
}

static void assert_pattern(const void *payload, size_t bytes)
{
    const uint8_t *at = payload;

    for (size_t i = 0; i < bytes; i++)
        if (at[i] != pattern_byte(i, bytes))
            fail_msg("byte %zu of %zu is not the pattern's", i, bytes);
}

/* --- the messages --------------------------------------------------------------------------------
 */

static void check_messages(enum backend backend, const struct frames *frames, size_t header_bytes,
                           const struct fls_reader_options *options)
{
    struct fls_reader *reader = open_reader(backend, frames, options);
    size_t alignment = options->alignment > 0 ? options->alignment : FLS_ALIGNMENT_DEFAULT;
    struct fls_message message;
    uint64_t offset = 0, frame, position;

    for (size_t i = 0; i < SIZES; i++) {
        fls_reader_position(reader, &position, &frame);
        assert_int_equal(position, offset);
        assert_int_equal(frame, i);
        assert_ok(fls_reader_next(reader, &message));
        assert_int_equal(message.bytes, sizes[i]);
        assert_int_equal(message.frame, i);
        assert_int_equal(message.offset, offset);
        assert_int_equal((uintptr_t)message.payload % alignment, 0);
        assert_pattern(message.payload, sizes[i]);
        offset += header_bytes + sizes[i];
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(fls_reader_next(reader, &message), FLS_END);
    fls_reader_position(reader, &position, NULL);
    assert_int_equal(position, frames->length);
    struct fls_reader_counts statistics = fls_reader_statistics(reader);
    assert_int_equal(statistics.messages, SIZES);
    assert_int_equal(statistics.bytes, frames->length);
    assert_int_equal(statistics.largest_message, 70000);
    assert_int_equal(fls_reader_error(reader)->status, FLS_OK);
    close_reader(reader);
}

static void next_from_every_source(void **state)
{
    (void)state;
    for (int kind = FLS_CHECKSUM_NONE; kind < FLS_CHECKSUM_CUSTOM; kind++) {
        struct fls_reader_options options = {.checksum = (enum fls_checksum_kind)kind};
        struct frames frames = usual_frames(kind_of(options.checksum));
        for (int backend = MEMORY; backend < BACKENDS; backend++)
            check_messages((enum backend)backend, &frames,
                           4 + fls_checksum_bytes(kind_of(options.checksum)), &options);
        free(frames.bytes);
    }
}

static void every_alignment_and_width(void **state)
{
    (void)state;
    for (size_t width = 0; width <= FLS_CHECKSUM_BYTES_MAX; width++) {
        struct fls_checksum_custom custom = test_custom_checksum(width);
        struct frames frames = usual_frames((struct fls_checksum){FLS_CHECKSUM_CUSTOM, &custom});
        for (size_t alignment = 1; alignment <= FLS_ALIGNMENT_MAX; alignment *= 2) {
            struct fls_reader_options options = {.checksum = FLS_CHECKSUM_CUSTOM,
                                                 .custom_checksum = &custom,
                                                 .alignment = alignment};
            check_messages(MEMORY, &frames, 4 + width, &options);
            check_messages(FILE_, &frames, 4 + width, &options);
        }
        free(frames.bytes);
    }
}

static void alignment_copies_are_counted(void **state)
{
    static const size_t eights[] = {8, 16, 8, 24};
    _Alignas(16) uint8_t memory[256];
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_CRC32, .alignment = 8};
    struct frames frames = {NULL, 0, 0};
    struct fls_message message;
    struct fls_reader *reader;

    (void)state;
    frames_pattern(&frames, kind_of(FLS_CHECKSUM_CRC32), eights, 4);
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(memory + shift, frames.bytes, frames.length);
        reader = open_memory_reader(memory + shift, frames.length, &options);
        while (fls_reader_next(reader, &message) == FLS_OK)
            assert_int_equal((uintptr_t)message.payload % 8, 0);
        assert_int_equal(fls_reader_statistics(reader).copies, shift == 0 ? 0 : 4);
        assert_int_equal(fls_reader_statistics(reader).bytes_copied, shift == 0 ? 0 : 56);
        fls_reader_close(reader);
    }
    free(frames.bytes);
}

static void bad_options(void **state)
{
    static const size_t bad[] = {3, 5, 6, 7, 9, 255, 257, 512, SIZE_MAX};
    struct fls_tap no_function = FLS_ZERO;
    struct fls_reader_options options = FLS_ZERO;
    struct fls_error error = FLS_ZERO;
    struct fls_source *source;
    struct fls_reader *reader;

    (void)state;
    assert_ok(fls_source_open_memory("", 0, &source, NULL));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        options.alignment = bad[i];
        assert_int_equal(fls_reader_open(source, &options, &reader, &error), FLS_INVALID_ARGUMENT);
    }
    options = (struct fls_reader_options){.checksum = FLS_CHECKSUM_CUSTOM, .owns_source = 1};
    assert_int_equal(fls_reader_open(source, &options, &reader, &error), FLS_INVALID_ARGUMENT);
    options = (struct fls_reader_options){.taps = &no_function, .tap_count = 1, .owns_source = 1};
    assert_int_equal(fls_reader_open(source, &options, &reader, &error), FLS_INVALID_ARGUMENT);
    assert_ok(fls_reader_open(source, NULL, &reader, &error));
    fls_reader_close(reader);
    fls_reader_close(NULL);
    fls_source_close(source);
}

/* A borrowed source stands behind the last message taken when its reader is closed. */
static void borrowed_source_goes_on(void **state)
{
    struct frames frames = usual_frames(kind_of(FLS_CHECKSUM_XXH3));
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_message message;

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++) {
        struct fls_source *source = open_backend((enum backend)backend, &frames);
        struct fls_reader *reader;
        for (size_t i = 0; i < SIZES; i++) {
            assert_ok(fls_reader_open(source, &options, &reader, NULL));
            assert_ok(fls_reader_next(reader, &message));
            assert_int_equal(message.bytes, sizes[i]);
            assert_pattern(message.payload, message.bytes);
            fls_reader_close(reader);
        }
        fls_source_close(source);
        while (waitpid(-1, NULL, 0) > 0)
            continue;
    }
    free(frames.bytes);
}

/* --- batches -------------------------------------------------------------------------------------
 */

static void check_batches(enum backend backend, const struct frames *frames, size_t capacity,
                          size_t alignment)
{
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_CRC16, .alignment = alignment};
    struct fls_reader *reader = open_reader(backend, frames, &options);
    struct fls_message messages[32];
    size_t count, at = 0;

    while (at < SIZES) {
        assert_ok(fls_reader_next_batch(reader, messages, capacity, &count));
        assert_in_range(count, 1, capacity);
        for (size_t i = 0; i < count; i++, at++) { /* all of them together */
            assert_int_equal(messages[i].bytes, sizes[at]);
            assert_int_equal(messages[i].frame, at);
            assert_int_equal((uintptr_t)messages[i].payload % alignment, 0);
            assert_pattern(messages[i].payload, messages[i].bytes);
        }
        assert_int_equal(fls_reader_error(reader)->status, FLS_OK);
    }
    assert_int_equal(fls_reader_next_batch(reader, messages, capacity, &count), FLS_END);
    assert_int_equal(count, 0);
    close_reader(reader);
}

static void batches(void **state)
{
    struct frames frames = usual_frames(kind_of(FLS_CHECKSUM_CRC16));

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++)
        for (size_t capacity = 1; capacity <= 32; capacity += 6)
            for (size_t alignment = 1; alignment <= 256; alignment *= 16)
                check_batches((enum backend)backend, &frames, capacity, alignment);
    free(frames.bytes);
}

/* How many of equal messages a batch delivers from memory, by what reader.h promises: the first
 * anyhow, those that lie aligned, and others as long as their copies find room in 64 KiB. */
static size_t promised_count(const uint8_t *front, size_t payload_bytes, size_t left)
{
    size_t room = 0, count = 0;

    while (count < left) {
        const uint8_t *payload = front + count * (4 + payload_bytes) + 4;
        size_t at = (room + 7) / 8 * 8;
        if (count > 0 && (uintptr_t)payload % 8 != 0) {
            if (at + payload_bytes > (size_t)64 * 1024)
                break;
            room = at + payload_bytes;
        }
        count++;
    }
    return count;
}

#define MANY 1000

static void check_full_batches(size_t payload_bytes)
{
    struct frames frames = {NULL, 0, 0};
    uint8_t *payload = malloc(payload_bytes);
    static struct fls_message messages[MANY];
    struct fls_reader *reader;
    size_t count;

    assert_non_null(payload);
    pattern_fill(payload, payload_bytes);
    for (int i = 0; i < MANY; i++)
        frames_put(&frames, kind_of(FLS_CHECKSUM_NONE), payload, payload_bytes);
    reader = open_reader(MEMORY, &frames, NULL);
    for (size_t at = 0; at < MANY; at += count) {
        const uint8_t *front = frames.bytes + at * (4 + payload_bytes);
        assert_ok(fls_reader_next_batch(reader, messages, MANY, &count));
        assert_int_equal(count, promised_count(front, payload_bytes, MANY - at));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(messages[i].frame, at + i);
            assert_int_equal((uintptr_t)messages[i].payload % 8, 0);
            assert_memory_equal(messages[i].payload, payload, payload_bytes);
        }
    }
    close_reader(reader);
    free(payload);
    free(frames.bytes);
}

/* A batch is worth while where payloads do not lie aligned, too. */
static void batches_are_full(void **state)
{
    static const size_t lengths[] = {0, 60, 61, 64, 68, 1000, 5000, 65536, 65537};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        check_full_batches(lengths[i]);
}

static void batch_needs_room(void **state)
{
    struct frames frames = usual_frames(kind_of(FLS_CHECKSUM_NONE));
    struct fls_reader *reader = open_reader(MEMORY, &frames, NULL);
    struct fls_message message;
    size_t count = 3;

    (void)state;
    assert_int_equal(fls_reader_next_batch(reader, &message, 0, &count), FLS_INVALID_ARGUMENT);
    assert_int_equal(count, 0);
    close_reader(reader);
    free(frames.bytes);
}

/* Three good frames, a damaged one, two good ones. */
static struct frames damaged_frames(void)
{
    static const size_t few[] = {10, 20, 30, 40, 50, 60};
    struct frames frames = {NULL, 0, 0};

    frames_pattern(&frames, kind_of(FLS_CHECKSUM_CRC32), few, 6);
    frames.bytes[(8 + 10) + (8 + 20) + (8 + 30) + 8 + 5] ^= 1;
    return frames;
}

static const struct fls_reader_options with_crc32 = {.checksum = FLS_CHECKSUM_CRC32};

/* A refusal behind a batch is left for the next call, whichever that is. */
static void deferred_refusal(void **state)
{
    struct frames frames = damaged_frames();
    struct fls_message messages[8];
    uint8_t memory[64];
    struct iovec segment = {memory, sizeof memory};
    uint64_t skipped, frame;
    size_t count, bytes;

    (void)state;
    for (int next_call = 0; next_call < 5; next_call++) {
        struct fls_reader *reader = open_reader(MEMORY, &frames, &with_crc32);
        enum fls_status status = FLS_OK;
        assert_ok(fls_reader_next_batch(reader, messages, 8, &count));
        assert_int_equal(count, 3);
        assert_pattern(messages[2].payload, 30);
        switch (next_call) {
        case 0:
            status = fls_reader_next(reader, messages);
            break;
        case 1:
            status = fls_reader_next_batch(reader, messages, 8, &count);
            assert_int_equal(count, 0);
            break;
        case 2:
            status = fls_reader_read_into(reader, &segment, 1, messages);
            break;
        case 3:
            status = fls_reader_next_bytes(reader, &bytes);
            break;
        default:
            assert_ok(fls_reader_skip(reader, 1, &skipped)); /* passes over the damaged frame */
            assert_int_equal(skipped, 1);
            break;
        }
        if (next_call < 4) {
            assert_int_equal(status, FLS_CHECKSUM_MISMATCH);
            assert_int_equal(fls_reader_error(reader)->frame, 3);
            assert_int_equal(fls_reader_error(reader)->offset, 84);
        }
        fls_reader_position(reader, NULL, &frame);
        assert_int_equal(frame, 4);
        assert_ok(fls_reader_next_batch(reader, messages, 8, &count));
        assert_int_equal(count, 2);
        assert_int_equal(messages[0].frame, 4);
        assert_pattern(messages[1].payload, 60);
        close_reader(reader);
    }
    free(frames.bytes);
}

/* --- typed ---------------------------------------------------------------------------------------
 */

static int verify_not_30(const void *buffer, size_t bytes)
{
    assert_int_equal((uintptr_t)buffer % 8, 0);
    return bytes == 30 ? 7 : 0;
}

static const void *root_of(const void *buffer)
{
    return (const char *)buffer + 4;
}

/* A root is read in place: with a type, messages are aligned for any that flatc has, unless the
 * option says otherwise. */
static void typed_messages_are_aligned(void **state)
{
    const struct fls_message_type type = {"thing", NULL, root_of};
    struct fls_reader_options options = {.type = &type};
    struct frames frames = {NULL, 0, 0};
    struct fls_message message;
    const void *root;
    size_t lengths[60], as_it_comes = 0;

    (void)state;
    for (size_t i = 0; i < 60; i++)
        lengths[i] = 20 + i * 3 % 50;
    frames_pattern(&frames, (struct fls_checksum){FLS_CHECKSUM_NONE, NULL}, lengths, 60);
    for (int told = 0; told < 2; told++) {
        options.alignment = told ? 1 : 0;
        struct fls_reader *reader = open_reader(MEMORY, &frames, &options);
        while (fls_reader_next_root(reader, &root, &message) == FLS_OK)
            if ((uintptr_t)message.payload % FLS_ALIGNMENT_TYPED_DEFAULT != 0)
                as_it_comes++;
        assert_int_equal(fls_reader_statistics(reader).messages, 60);
        assert_true(told ? as_it_comes > 30 : as_it_comes == 0);
        close_reader(reader);
    }
    free(frames.bytes);
}

static void typed(void **state)
{
    const struct fls_message_type type = {"thing", verify_not_30, root_of};
    const struct fls_message_type plain = {NULL, NULL, NULL};
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_CRC32, .type = &type};
    struct frames frames = damaged_frames();
    struct fls_reader *reader = open_reader(MEMORY, &frames, &options);
    struct fls_message message;
    const void *root;

    (void)state;
    assert_ok(fls_reader_next_root(reader, &root, &message));
    assert_ptr_equal(root, (const char *)message.payload + 4);
    assert_ok(fls_reader_next_root(reader, &root, NULL));
    assert_int_equal(fls_reader_next_root(reader, &root, NULL), FLS_VALIDATION_FAILED);
    assert_string_equal(fls_reader_error(reader)->subject, "thing");
    assert_int_equal(fls_reader_error(reader)->frame, 2);
    assert_int_equal(fls_reader_error(reader)->offset, 46);
    assert_int_equal(fls_reader_next_root(reader, &root, NULL), FLS_CHECKSUM_MISMATCH);
    assert_ok(fls_reader_next_root(reader, &root, &message));
    assert_int_equal(message.frame, 4);
    close_reader(reader);
    options.type = &plain;
    reader = open_reader(MEMORY, &frames, &options);
    assert_ok(fls_reader_next_root(reader, &root, &message));
    assert_ptr_equal(root, message.payload);
    close_reader(reader);
    reader = open_reader(MEMORY, &frames, &with_crc32);
    assert_int_equal(fls_reader_next_root(reader, &root, &message), FLS_INVALID_ARGUMENT);
    assert_ok(fls_reader_next(reader, &message));
    assert_int_equal(message.frame, 0);
    close_reader(reader);
    free(frames.bytes);
}

/* --- into segments -------------------------------------------------------------------------------
 */

/* Cuts `memory` at random places into `count` segments, some empty. */
static void cut_randomly(uint8_t *memory, size_t length, struct iovec *segments, size_t count)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        size_t part = test_random() % 4 == 0 ? 0 : test_random() % (length - at + 1);
        if (i == count - 1)
            part = length - at;
        segments[i] = (struct iovec){memory + at, part};
        at += part;
    }
}

static void read_all_into(enum backend backend, const struct frames *frames, size_t count,
                          size_t room_more)
{
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_reader *reader = open_reader(backend, frames, &options);
    struct iovec segments[200];
    struct fls_message message;
    uint8_t *memory = malloc(70000 + room_more + 1);
    size_t bytes;

    for (size_t i = 0; i < SIZES; i++) {
        assert_ok(fls_reader_next_bytes(reader, &bytes));
        assert_int_equal(bytes, sizes[i]);
        memset(memory, 0xdd, bytes + room_more + 1);
        cut_randomly(memory, bytes + room_more, segments, count);
        assert_ok(fls_reader_read_into(reader, segments, count, &message));
        assert_int_equal(message.bytes, sizes[i]);
        assert_int_equal(message.frame, i);
        assert_ptr_equal(message.payload, segments[0].iov_base);
        assert_pattern(memory, bytes);
        for (size_t k = 0; k < room_more + 1; k++)
            assert_int_equal(memory[bytes + k], 0xdd);
    }
    assert_int_equal(fls_reader_next_bytes(reader, &bytes), FLS_END);
    assert_int_equal(fls_reader_read_into(reader, segments, count, &message), FLS_END);
    free(memory);
    close_reader(reader);
}

static void read_into(void **state)
{
    struct frames frames = usual_frames(kind_of(FLS_CHECKSUM_XXH3));

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++) {
        read_all_into((enum backend)backend, &frames, 1, 0);
        read_all_into((enum backend)backend, &frames, 5, 0);
        read_all_into((enum backend)backend, &frames, 3, 1000);
        read_all_into((enum backend)backend, &frames, 200, 17);
    }
    free(frames.bytes);
}

/* Every cut of a small message into three. */
static void read_into_every_cut(void **state)
{
    static const size_t one[] = {16};
    struct frames frames = {NULL, 0, 0};
    struct fls_message message;
    uint8_t memory[16];

    (void)state;
    frames_pattern(&frames, kind_of(FLS_CHECKSUM_CRC32), one, 1);
    for (size_t first = 0; first <= 16; first++) {
        for (size_t second = first; second <= 16; second++) {
            struct iovec segments[3] = {
                {memory, first}, {memory + first, second - first}, {memory + second, 16 - second}};
            struct fls_reader *reader = open_reader(MEMORY, &frames, &with_crc32);
            memset(memory, 0, sizeof memory);
            assert_ok(fls_reader_read_into(reader, segments, 3, &message));
            assert_pattern(memory, 16);
            close_reader(reader);
        }
    }
    free(frames.bytes);
}

static void read_into_too_small(void **state)
{
    struct frames frames = usual_frames(kind_of(FLS_CHECKSUM_CRC32));
    uint8_t memory[64];
    struct iovec segments[2] = {{memory, 30}, {memory + 30, 33}};
    struct fls_message message;
    uint64_t frame;

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++) {
        struct fls_reader *reader = open_reader((enum backend)backend, &frames, &with_crc32);
        assert_ok(fls_reader_skip(reader, 4, NULL));
        for (int i = 0; i < 2; i++) {
            assert_int_equal(fls_reader_read_into(reader, segments, 2, &message), FLS_TOO_SMALL);
            assert_int_equal(fls_reader_error(reader)->found, 64);
            assert_int_equal(fls_reader_error(reader)->expected, 63);
            assert_int_equal(fls_reader_error(reader)->frame, 4);
        }
        assert_int_equal(fls_reader_read_into(reader, NULL, 0, &message), FLS_TOO_SMALL);
        fls_reader_position(reader, NULL, &frame);
        assert_int_equal(frame, 4);
        assert_ok(fls_reader_next(reader, &message));
        assert_pattern(message.payload, 64);
        close_reader(reader);
    }
    free(frames.bytes);
}

static int taps_seen;

static void see(void *context, const struct fls_payload *payload)
{
    uint8_t flat[64];

    (void)context;
    assert_ok(fls_payload_flatten(payload, flat, sizeof flat));
    assert_pattern(flat, payload->length);
    taps_seen++;
}

static int verify_pattern(const void *buffer, size_t bytes)
{
    assert_int_equal((uintptr_t)buffer % 8, 0);
    assert_pattern(buffer, bytes);
    taps_seen++;
    return 0;
}

static void read_into_runs_taps(void **state)
{
    struct fls_tap taps[2] = {fls_tap_observer(see, NULL),
                              fls_tap_typed("pattern", verify_pattern)};
    struct frames frames = damaged_frames();
    struct fls_message message;
    uint8_t memory[64];
    struct iovec segments[3] = {{memory, 7}, {NULL, 0}, {memory + 7, 57}};

    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        struct fls_reader_options options = {
            .checksum = FLS_CHECKSUM_CRC32, .taps = taps, .tap_count = count};
        struct fls_reader *reader = open_reader(FILE_, &frames, &options);
        taps_seen = 0;
        assert_ok(fls_reader_read_into(reader, segments, 3, &message));
        assert_int_equal(taps_seen, count);
        assert_ok(fls_reader_skip(reader, 2, NULL));
        assert_int_equal(fls_reader_read_into(reader, segments, 3, &message),
                         FLS_CHECKSUM_MISMATCH);
        assert_int_equal(taps_seen, count);
        assert_ok(fls_reader_read_into(reader, segments, 3, &message)); /* passed */
        assert_int_equal(message.frame, 4);
        close_reader(reader);
    }
    free(frames.bytes);
}

/* --- skipping ------------------------------------------------------------------------------------
 */

static void skipping(void **state)
{
    struct frames frames = usual_frames(kind_of(FLS_CHECKSUM_CRC32));
    struct fls_message message;
    uint64_t skipped, offset, frame;

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++) {
        for (uint64_t start = 0; start < SIZES; start++) {
            struct fls_reader *reader = open_reader((enum backend)backend, &frames, &with_crc32);
            assert_ok(fls_reader_skip(reader, 0, &skipped));
            assert_ok(fls_reader_skip(reader, start, &skipped));
            assert_int_equal(skipped, start);
            assert_ok(fls_reader_next(reader, &message));
            assert_int_equal(message.frame, start);
            assert_pattern(message.payload, sizes[start]);
            assert_int_equal(fls_reader_skip(reader, 1000, &skipped), FLS_END);
            assert_int_equal(skipped, SIZES - start - 1);
            fls_reader_position(reader, &offset, &frame);
            assert_int_equal(offset, frames.length);
            assert_int_equal(frame, SIZES);
            close_reader(reader);
        }
    }
    free(frames.bytes);
}

/* A frame over the limit is refused again and again, until it is skipped. */
static void skip_over_the_limit(void **state)
{
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_CRC32, .payload_bytes_max = 5000};
    struct frames frames = usual_frames(kind_of(FLS_CHECKSUM_CRC32));
    struct fls_message message;
    size_t delivered = 0, refused = 0, bytes;
    uint64_t skipped;

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++) {
        struct fls_reader *reader = open_reader((enum backend)backend, &frames, &options);
        enum fls_status status;
        delivered = refused = 0;
        while ((status = fls_reader_next(reader, &message)) != FLS_END) {
            if (status == FLS_OK) {
                assert_pattern(message.payload, message.bytes);
                delivered++;
                continue;
            }
            assert_int_equal(status, FLS_INVALID_FRAME);
            assert_int_equal(fls_reader_next_bytes(reader, &bytes), FLS_INVALID_FRAME);
            assert_int_equal(fls_reader_error(reader)->expected, 5000);
            assert_true(fls_reader_error(reader)->found > 5000);
            assert_int_equal(fls_reader_next(reader, &message), FLS_INVALID_FRAME);
            assert_ok(fls_reader_skip(reader, 1, &skipped));
            refused++;
        }
        assert_int_equal(delivered, SIZES - 2);
        assert_int_equal(refused, 2);
        close_reader(reader);
    }
    free(frames.bytes);
}

/* --- all of them ---------------------------------------------------------------------------------
 */

struct counter {
    size_t seen;
    size_t stop_at;
    enum fls_status with;
};

static enum fls_status count_message(void *context, const struct fls_message *message)
{
    struct counter *counter = context;

    assert_int_equal(message->frame, counter->seen);
    assert_pattern(message->payload, message->bytes);
    return ++counter->seen == counter->stop_at ? counter->with : FLS_OK;
}

static void process_all(void **state)
{
    struct frames frames = usual_frames(kind_of(FLS_CHECKSUM_CRC32));

    (void)state;
    for (size_t stop = 1; stop <= SIZES; stop++) {
        struct counter counter = {0, stop, FLS_STOPPED};
        struct fls_reader *reader = open_reader(FILE_, &frames, &with_crc32);
        uint64_t frame;
        assert_int_equal(fls_reader_process_all(reader, count_message, &counter), FLS_STOPPED);
        assert_int_equal(counter.seen, stop);
        fls_reader_position(reader, NULL, &frame);
        assert_int_equal(frame, stop);
        counter.stop_at = 0;
        assert_ok(fls_reader_process_all(reader, count_message, &counter));
        assert_int_equal(counter.seen, SIZES);
        assert_ok(fls_reader_process_all(reader, count_message, &counter));
        close_reader(reader);
    }
    struct counter counter = {0, 2, FLS_LIMIT};
    struct fls_reader *reader = open_reader(FILE_, &frames, &with_crc32);
    assert_int_equal(fls_reader_process_all(reader, count_message, &counter), FLS_LIMIT);
    close_reader(reader);
    free(frames.bytes);
}

/* --- errors, and what comes after ----------------------------------------------------------------
 */

static void after_a_mismatch_it_goes_on(void **state)
{
    struct frames frames = damaged_frames();
    struct fls_message message;

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++) {
        struct fls_reader *reader = open_reader((enum backend)backend, &frames, &with_crc32);
        for (uint64_t i = 0; i < 6; i++) {
            enum fls_status status = fls_reader_next(reader, &message);
            assert_int_equal(status, i == 3 ? FLS_CHECKSUM_MISMATCH : FLS_OK);
        }
        const struct fls_error *error = fls_reader_error(reader);
        assert_int_equal(error->status, FLS_CHECKSUM_MISMATCH);
        assert_int_equal(error->part, FLS_PART_PAYLOAD);
        assert_int_equal(error->frame, 3);
        assert_int_equal(error->offset, 84);
        uint32_t stored;
        memcpy(&stored, frames.bytes + 84 + 4, 4);
        assert_int_equal(error->expected, stored);
        assert_int_equal(error->found,
                         fls_checksum_of(kind_of(FLS_CHECKSUM_CRC32), frames.bytes + 92, 40));
        assert_int_equal(fls_reader_next(reader, &message), FLS_END);
        close_reader(reader);
    }
    free(frames.bytes);
}

/* Damage in a payload that is larger than the read-ahead. */
static void large_mismatch(void **state)
{
    static const size_t large[] = {10000, 5};
    struct frames frames = {NULL, 0, 0};
    struct fls_message message;

    (void)state;
    frames_pattern(&frames, kind_of(FLS_CHECKSUM_CRC32), large, 2);
    frames.bytes[9000] ^= 0x10;
    for (int backend = MEMORY; backend < BACKENDS; backend++) {
        struct fls_reader *reader = open_reader((enum backend)backend, &frames, &with_crc32);
        assert_int_equal(fls_reader_next(reader, &message), FLS_CHECKSUM_MISMATCH);
        assert_ok(fls_reader_next(reader, &message));
        assert_pattern(message.payload, 5);
        assert_int_equal(message.frame, 1);
        close_reader(reader);
    }
    free(frames.bytes);
}

static void a_tap_s_refusal_passes_the_frame(void **state)
{
    struct fls_tap tap = fls_tap_size(15, 45);
    struct fls_reader_options options = {.taps = &tap, .tap_count = 1};
    static const size_t few[] = {10, 20, 50, 40};
    static const enum fls_status expected[] = {FLS_VALIDATION_FAILED, FLS_OK, FLS_VALIDATION_FAILED,
                                               FLS_OK};
    struct frames frames = {NULL, 0, 0};
    struct fls_message message;

    (void)state;
    frames_pattern(&frames, kind_of(FLS_CHECKSUM_NONE), few, 4);
    struct fls_reader *reader = open_reader(FILE_, &frames, &options);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fls_reader_next(reader, &message), expected[i]);
    assert_string_equal(fls_reader_error(reader)->subject, "size");
    assert_int_equal(fls_reader_error(reader)->frame, 2);
    assert_int_equal(fls_reader_error(reader)->offset, 38);
    assert_int_equal(fls_reader_next(reader, &message), FLS_END);
    close_reader(reader);
    free(frames.bytes);
}

/* The stream ends at every byte: what is whole is delivered, the rest named, again and again. */
static void check_torn(enum backend backend, const struct frames *all, size_t length)
{
    static const size_t few[] = {0, 7, 5000, 3};
    struct frames torn = {all->bytes, length, 0};
    struct fls_reader *reader = open_reader(backend, &torn, &with_crc32);
    struct fls_message message;
    size_t at = 0, i = 0;

    while (i < 4 && at + 8 + few[i] <= length) {
        assert_ok(fls_reader_next(reader, &message));
        at += 8 + few[i++];
    }
    for (int again = 0; again < 2; again++) {
        enum fls_status status = fls_reader_next(reader, &message);
        if (at == length) {
            assert_int_equal(status, FLS_END);
            continue;
        }
        const struct fls_error *error = fls_reader_error(reader);
        int in_header = length - at < 8;
        assert_int_equal(status, FLS_UNEXPECTED_END);
        assert_int_equal(error->frame, i);
        assert_int_equal(error->offset, at);
        assert_int_equal(error->part, in_header ? FLS_PART_HEADER : FLS_PART_PAYLOAD);
        assert_int_equal(error->expected, in_header ? 8 : few[i]);
        assert_int_equal(error->found, in_header ? length - at : length - at - 8);
    }
    close_reader(reader);
}

static void torn_at_every_byte(void **state)
{
    static const size_t few[] = {0, 7, 5000, 3};
    struct frames frames = {NULL, 0, 0};

    (void)state;
    frames_pattern(&frames, kind_of(FLS_CHECKSUM_CRC32), few, 4);
    for (size_t length = 0; length <= frames.length; length++) {
        check_torn(MEMORY, &frames, length);
        if (length < 60 || length % 97 == 0 || length > frames.length - 30) {
            check_torn(FILE_, &frames, length);
            check_torn(PIPE, &frames, length);
            check_torn(TRICKLED, &frames, length);
        }
    }
    free(frames.bytes);
}

/* What was torn is read when the file has grown; a payload of any size, by any call. */
static void grown_file_is_picked_up(void **state)
{
    static const size_t few[] = {10, 20000, 3};
    struct frames frames = {NULL, 0, 0};
    struct fls_message message;
    uint8_t memory[20000];
    struct iovec segment = {memory, sizeof memory};

    (void)state;
    frames_pattern(&frames, kind_of(FLS_CHECKSUM_CRC32), few, 3);
    for (int into = 0; into < 2; into++) {
        struct fls_reader *reader;
        size_t at = 20, step = 1111;
        unlink(scratch_path());
        append_to_scratch(frames.bytes, at);
        assert_ok(fls_reader_open_file(scratch_path(), &with_crc32, &reader, NULL));
        assert_ok(fls_reader_next(reader, &message));
        for (uint64_t i = 1; i < 3;) {
            enum fls_status status = into ? fls_reader_read_into(reader, &segment, 1, &message)
                                          : fls_reader_next(reader, &message);
            if (status == FLS_OK) {
                assert_int_equal(message.frame, i++);
                assert_pattern(message.payload, message.bytes);
                continue;
            }
            assert_true(status == FLS_UNEXPECTED_END || status == FLS_END);
            step = step < frames.length - at ? step : frames.length - at;
            assert_true(step > 0);
            append_to_scratch(frames.bytes + at, step);
            at += step;
        }
        fls_reader_close(reader);
    }
    unlink(scratch_path());
    free(frames.bytes);
}

/* The system's errors come through, and the next call tries again. */
static void io_errors(void **state)
{
    struct frames frames = usual_frames(kind_of(FLS_CHECKSUM_CRC32));
    struct fls_message message;

    (void)state;
    for (uint64_t position = 1; position < 400; position += 7) {
        struct fls_reader *reader = open_reader(TRICKLED, &frames, &with_crc32);
        size_t i = 0, failures = 0;
        plan.bytes_max = 500;
        plan.fail_at = position;
        plan.fail_count = 2;
        plan.status = FLS_IO;
        plan.os_errno = EIO;
        while (i < SIZES) {
            enum fls_status status = fls_reader_next(reader, &message);
            if (status == FLS_IO) {
                assert_int_equal(fls_reader_error(reader)->os_errno, EIO);
                assert_int_equal(fls_reader_error(reader)->frame, i);
                failures++;
                continue;
            }
            assert_ok(status);
            assert_int_equal(message.bytes, sizes[i++]);
            assert_pattern(message.payload, message.bytes);
        }
        assert_int_equal(failures, plan.calls >= position ? 2 : 0);
        close_reader(reader);
    }
    free(frames.bytes);
}

/* --- hostile lengths -----------------------------------------------------------------------------
 */

static void check_hostile(enum backend backend, enum fls_checksum_kind kind, uint32_t declared,
                          uint64_t limit)
{
    uint8_t bytes[64] = {0};
    struct frames frames = {bytes, sizeof bytes, 0};
    struct fls_reader_options options = {.checksum = kind, .payload_bytes_max = limit};
    struct fls_reader *reader;
    struct fls_message message;
    uint8_t memory[64];
    struct iovec segment = {memory, sizeof memory};
    int over = declared > (limit > 0 ? limit : 0x80000000u);

    memcpy(bytes, &declared, sizeof declared);
    largest_request = 0;
    reader = open_reader(backend, &frames, &options);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fls_reader_next(reader, &message),
                         over ? FLS_INVALID_FRAME : FLS_UNEXPECTED_END);
        assert_int_equal(fls_reader_error(reader)->part, over ? FLS_PART_HEADER : FLS_PART_PAYLOAD);
    }
    assert_int_equal(fls_reader_read_into(reader, &segment, 1, &message),
                     over ? FLS_INVALID_FRAME : FLS_TOO_SMALL);
    assert_int_equal(fls_reader_skip(reader, 1, NULL), FLS_UNEXPECTED_END);
    assert_in_range(largest_request, 0, 2 * 1024 * 1024);
    close_reader(reader);
}

static void hostile_lengths_allocate_nothing(void **state)
{
    static const uint32_t lengths[] = {0xffffffff, 0x7fffffff, 0x80000000, 0x80000001, 0x10000000};

    (void)state;
    for (int backend = MEMORY; backend < BACKENDS; backend++)
        for (int kind = FLS_CHECKSUM_NONE; kind < FLS_CHECKSUM_CUSTOM; kind++)
            for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
                check_hostile((enum backend)backend, (enum fls_checksum_kind)kind, lengths[i], 0);
                check_hostile((enum backend)backend, (enum fls_checksum_kind)kind, lengths[i],
                              UINT32_MAX);
            }
}

/* --- would block, and any chunking ---------------------------------------------------------------
 */

struct expected {
    size_t at; /* the message expected next */
    size_t sizes[64];
    size_t count;
};

static void expect_next(struct expected *expected, const struct fls_message *message)
{
    assert_true(expected->at < expected->count);
    assert_int_equal(message->frame, expected->at);
    assert_int_equal(message->bytes, expected->sizes[expected->at]);
    expected->at++;
}

/* One random call, repeated while it would block; its status. */
static enum fls_status any_call(struct fls_reader *reader, struct expected *expected)
{
    static uint8_t memory[20000];
    struct fls_message messages[5];
    struct iovec segments[7];
    enum fls_status status;
    uint64_t skipped = 0, wanted = test_random() % 3;
    size_t count = 0, bytes;

    plan.fail_at = test_random() % 2 ? plan.calls + 1 + test_random() % 9 : plan.fail_at;
    plan.fail_count = test_random() % 4;
    plan.bytes_max = 1 + test_random() % 300;
    switch (test_random() % 5) {
    case 0:
        while ((status = fls_reader_next(reader, messages)) == FLS_AGAIN)
            continue;
        if (status == FLS_OK) {
            expect_next(expected, messages);
            assert_pattern(messages->payload, messages->bytes);
        }
        return status;
    case 1:
        while ((status = fls_reader_next_batch(reader, messages, 5, &count)) == FLS_AGAIN)
            continue;
        for (size_t i = 0; i < count; i++) {
            expect_next(expected, &messages[i]);
            assert_pattern(messages[i].payload, messages[i].bytes);
        }
        return status;
    case 2:
        cut_randomly(memory, sizeof memory, segments, 7);
        while ((status = fls_reader_read_into(reader, segments, 7, messages)) == FLS_AGAIN)
            continue;
        if (status == FLS_OK) {
            expect_next(expected, messages);
            assert_pattern(memory, messages->bytes);
        }
        return status;
    case 3:
        while ((status = fls_reader_next_bytes(reader, &bytes)) == FLS_AGAIN)
            continue;
        if (status == FLS_OK)
            assert_int_equal(bytes, expected->sizes[expected->at]);
        return status;
    default:
        do {
            status = fls_reader_skip(reader, wanted, &skipped);
            expected->at += skipped;
            wanted -= skipped;
        } while (status == FLS_AGAIN);
        return status;
    }
}

/* A source that shows at most `peek_bytes_max`, like a descriptor's, over memory. */
static struct fls_source *narrow(struct fls_source *source, size_t peek_bytes_max)
{
    source->peek_bytes_max = peek_bytes_max;
    return source;
}

static void random_chunking_equals_one_shot(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 400; round++) {
        struct fls_reader_options options = {.checksum = (enum fls_checksum_kind)(round % 4),
                                             .alignment = (size_t)1 << round % 9,
                                             .owns_source = 1};
        struct expected expected = {.count = 40};
        struct frames frames = {NULL, 0, 0};
        struct fls_source *inner, *source;
        struct fls_reader *reader;
        enum fls_status status;
        test_random_seed(round);
        for (size_t i = 0; i < expected.count; i++)
            expected.sizes[i] = test_random() % (test_random() % 8 == 0 ? 20000 : 200);
        frames_pattern(&frames, kind_of(options.checksum), expected.sizes, expected.count);
        plan = (struct fls_fault_plan){.bytes_max = 1, .status = FLS_AGAIN};
        assert_ok(fls_source_open_memory(frames.bytes, frames.length, &inner, NULL));
        assert_ok(fls_source_open_faulty(inner, &plan, &source, NULL));
        narrow(source, round % 3 == 0 ? 64 : 4096);
        assert_ok(fls_reader_open(source, &options, &reader, NULL));
        while ((status = any_call(reader, &expected)) != FLS_END)
            assert_ok(status);
        assert_int_equal(expected.at, expected.count);
        fls_reader_close(reader);
        free(frames.bytes);
    }
}

/* Another call that cannot go on with a message half in the caller's segments says so. */
static void half_read_into_segments(void **state)
{
    static const size_t one[] = {10000, 5};
    struct frames frames = {NULL, 0, 0};
    uint8_t memory[10000];
    struct iovec segment = {memory, sizeof memory};
    struct fls_message message;
    size_t bytes;

    (void)state;
    frames_pattern(&frames, kind_of(FLS_CHECKSUM_CRC32), one, 2);
    for (int skip_it = 0; skip_it < 2; skip_it++) {
        struct fls_reader *reader = open_reader(TRICKLED, &frames, &with_crc32);
        plan.bytes_max = 1000;
        plan.fail_at = 5;
        assert_int_equal(fls_reader_read_into(reader, &segment, 1, &message), FLS_AGAIN);
        assert_int_equal(fls_reader_next(reader, &message), FLS_INVALID_ARGUMENT);
        assert_ok(fls_reader_next_bytes(reader, &bytes));
        assert_int_equal(bytes, 10000);
        if (skip_it) {
            assert_ok(fls_reader_skip(reader, 1, NULL));
        } else {
            assert_ok(fls_reader_read_into(reader, &segment, 1, &message));
            assert_pattern(memory, 10000);
        }
        assert_ok(fls_reader_next(reader, &message));
        assert_pattern(message.payload, 5);
        close_reader(reader);
    }
    free(frames.bytes);
}

/* --- memory --------------------------------------------------------------------------------------
 */

/* The buffer grows for a large message and shrinks by policy, but not under the message given. */
static void policy_shrinks_the_buffer(void **state)
{
    struct fls_memory_policy policy = fls_memory_policy_watermark(0, 3, 0);
    struct fls_reader_options options = {.memory_policy = &policy};
    size_t few[12] = {100000};
    struct frames frames = {NULL, 0, 0};
    struct fls_message message;
    struct fls_reader *reader;

    (void)state;
    for (size_t i = 1; i < 12; i++)
        few[i] = 5001; /* larger than the read-ahead: goes through the buffer */
    frames_pattern(&frames, kind_of(FLS_CHECKSUM_NONE), few, 12);
    reader = open_reader(FILE_, &frames, &options);
    assert_ok(fls_reader_next(reader, &message));
    assert_true(fls_reader_statistics(reader).buffer_bytes >= 100000);
    for (int i = 1; i <= 3; i++) {
        assert_ok(fls_reader_next(reader, &message));
        assert_pattern(message.payload, 5001);
        assert_true(fls_reader_statistics(reader).buffer_bytes >= 100000);
    }
    assert_ok(fls_reader_next(reader, &message)); /* the fourth: shrunk before it */
    assert_pattern(message.payload, 5001);
    assert_int_equal(fls_reader_statistics(reader).buffer_bytes, 16 * 1024);
    while (fls_reader_next(reader, &message) == FLS_OK)
        assert_pattern(message.payload, 5001);
    close_reader(reader);
    free(frames.bytes);
}

static size_t consulted;

static enum fls_reclaim_reason count_consulting(struct fls_memory_policy *policy, size_t bytes,
                                                size_t capacity)
{
    (void)policy;
    (void)bytes;
    assert_true(capacity > 16 * 1024);
    consulted++;
    return FLS_RECLAIM_NONE;
}

/* A policy is asked after each message, those of a batch too. */
static void policy_is_asked_after_each_message(void **state)
{
    struct fls_memory_policy policy = {.should_reclaim = count_consulting};
    struct fls_reader_options options = {.memory_policy = &policy};
    static const size_t few[] = {100000, 1, 2, 3, 4, 5};
    struct frames frames = {NULL, 0, 0};
    struct fls_message messages[8];
    struct fls_reader *reader;
    uint8_t memory[8];
    struct iovec segment = {memory, sizeof memory};
    size_t count;

    (void)state;
    frames_pattern(&frames, kind_of(FLS_CHECKSUM_NONE), few, 6);
    reader = open_reader(FILE_, &frames, &options);
    consulted = 0;
    assert_ok(fls_reader_next(reader, messages));
    assert_int_equal(consulted, 1);
    assert_ok(fls_reader_next_batch(reader, messages, 4, &count));
    assert_int_equal(count, 4);
    assert_int_equal(consulted, 5);
    assert_ok(fls_reader_read_into(reader, &segment, 1, messages));
    assert_int_equal(consulted, 6);
    close_reader(reader);
    free(frames.bytes);
}

/* Reading 64-byte messages from a file costs next to no calls, and no copy where they lie well. */
static void few_calls(void **state)
{
    struct frames frames = {NULL, 0, 0};
    struct fls_message message;
    struct fls_reader_counts statistics;
    struct fls_reader *reader;
    uint8_t payload[64];

    (void)state;
    pattern_fill(payload, sizeof payload);
    for (int i = 0; i < 20000; i++)
        frames_put(&frames, kind_of(FLS_CHECKSUM_CRC32), payload, sizeof payload);
    unlink(scratch_path());
    append_to_scratch(frames.bytes, frames.length);
    assert_ok(fls_reader_open_file(scratch_path(), &with_crc32, &reader, NULL));
    while (fls_reader_next(reader, &message) == FLS_OK)
        continue;
    statistics = fls_reader_statistics(reader);
    assert_int_equal(statistics.messages, 20000);
    assert_in_range(statistics.system_calls, 1, 19);
    assert_int_equal(statistics.copies, 0);
    fls_reader_close(reader);
    unlink(scratch_path());
    free(frames.bytes);
}

static void start_position(void **state)
{
    struct fls_reader_options options = {
        .checksum = FLS_CHECKSUM_CRC32, .start_offset = 500, .start_frame = 9};
    struct frames frames = damaged_frames();
    struct fls_reader *reader = open_reader(MEMORY, &frames, &options);
    struct fls_message message;

    (void)state;
    assert_ok(fls_reader_next(reader, &message));
    assert_int_equal(message.offset, 500);
    assert_int_equal(message.frame, 9);
    assert_ok(fls_reader_skip(reader, 2, NULL));
    assert_int_equal(fls_reader_next(reader, &message), FLS_CHECKSUM_MISMATCH);
    assert_int_equal(fls_reader_error(reader)->frame, 12);
    assert_int_equal(fls_reader_error(reader)->offset, 584);
    assert_int_equal(fls_reader_statistics(reader).messages, 4);
    close_reader(reader);
    free(frames.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_from_every_source),
        cmocka_unit_test(every_alignment_and_width),
        cmocka_unit_test(alignment_copies_are_counted),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(borrowed_source_goes_on),
        cmocka_unit_test(batches),
        cmocka_unit_test(batches_are_full),
        cmocka_unit_test(batch_needs_room),
        cmocka_unit_test(deferred_refusal),
        cmocka_unit_test(typed),
        cmocka_unit_test(typed_messages_are_aligned),
        cmocka_unit_test(read_into),
        cmocka_unit_test(read_into_every_cut),
        cmocka_unit_test(read_into_too_small),
        cmocka_unit_test(read_into_runs_taps),
        cmocka_unit_test(skipping),
        cmocka_unit_test(skip_over_the_limit),
        cmocka_unit_test(process_all),
        cmocka_unit_test(after_a_mismatch_it_goes_on),
        cmocka_unit_test(large_mismatch),
        cmocka_unit_test(a_tap_s_refusal_passes_the_frame),
        cmocka_unit_test(torn_at_every_byte),
        cmocka_unit_test(grown_file_is_picked_up),
        cmocka_unit_test(io_errors),
        cmocka_unit_test(hostile_lengths_allocate_nothing),
        cmocka_unit_test(random_chunking_equals_one_shot),
        cmocka_unit_test(half_read_into_segments),
        cmocka_unit_test(policy_shrinks_the_buffer),
        cmocka_unit_test(policy_is_asked_after_each_message),
        cmocka_unit_test(few_calls),
        cmocka_unit_test(start_position),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
