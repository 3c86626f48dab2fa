/*
 * memory_test.c: a writer and a reader hold less than 1 MiB beyond the largest message, whatever
 * the stream's length. Every byte that the library takes from the heap or maps is counted.
 */
#include "support/test.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)
#define BEYOND_BYTES_MAX MIB
#define PAYLOAD_BYTES_MAX (66 * MIB)

/* --- counting (linked with --wrap of each) -------------------------------------------------------
 */

static size_t held, peak;
static unsigned refusals; /* of what comes next to make a mapping longer */

static void count_from_zero(void)
{
    held = peak = 0;
}

static void *took(void *memory, size_t bytes)
{
    if (memory)
        held += bytes;
    peak = held > peak ? held : peak;
    return memory;
}

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *memory);
void __wrap_free(void *memory);
void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
void *__real_mremap(void *at, size_t before, size_t after, int flags, ...);
void *__wrap_mremap(void *at, size_t before, size_t after, int flags, ...);
int __real_munmap(void *at, size_t length);
int __wrap_munmap(void *at, size_t length);

void *__wrap_malloc(size_t bytes)
{
    return took(__real_malloc(bytes), bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return took(__real_calloc(count, bytes), count * bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return took(__real_aligned_alloc(alignment, bytes), bytes);
}

/* What malloc_usable_size says may be a little more than was asked for; the bound is not so tight.
 */
static void gave(size_t bytes)
{
    held = held > bytes ? held - bytes : 0;
}

/* Both are held while one is copied to the other, as far as we can know. */
void *__wrap_realloc(void *memory, size_t bytes)
{
    size_t before = memory ? malloc_usable_size(memory) : 0;
    void *grown = took(__real_realloc(memory, bytes), bytes);

    if (grown)
        gave(before);
    return grown;
}

void __wrap_free(void *memory)
{
    if (memory)
        gave(malloc_usable_size(memory));
    __real_free(memory);
}

void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    void *memory = __real_mmap(at, length, protection, flags, fd, offset);

    return flags & MAP_ANONYMOUS && memory != MAP_FAILED ? took(memory, length) : memory;
}

void *__wrap_mremap(void *at, size_t before, size_t after, int flags, ...)
{
    if (refusals > 0 && refusals--)
        return MAP_FAILED;
    void *memory = __real_mremap(at, before, after, flags);
    if (memory == MAP_FAILED)
        return memory;
    gave(before);
    return took(memory, after);
}

int __wrap_munmap(void *at, size_t length)
{
    gave(length); /* the library maps nothing else in these tests */
    return __real_munmap(at, length);
}

static void expect_peak(size_t least, size_t largest)
{
    if (peak < least || peak >= largest + BEYOND_BYTES_MAX)
        fail_msg("%zu bytes were held at the peak; the largest message has %zu", peak, largest);
}

/* --- streams -------------------------------------------------------------------------------------
 */

/* Payloads of odd sizes, so that most that follow do not lie aligned; some grow by little. */
static const size_t little[] = {64, 67};
static const size_t middling[] = {MIB + 3, 64, MIB - 5, 64 * KIB + 1, 256 * KIB, MIB + 4 * KIB};
static const size_t large[] = {64 * MIB, 1, 64 * MIB + 3};
static const size_t mixed[] = {5,
                               64 * KIB + 1,
                               MIB + 3,
                               3 * MIB + 1,
                               20 * MIB + 1,
                               64,
                               22 * MIB + 2,
                               100 * KIB,
                               24 * MIB + 3,
                               0,
                               24 * MIB + 99,
                               7,
                               25 * MIB + 5,
                               2 * MIB + 1};

struct stream {
    const char *name;
    const size_t *sizes;
    size_t count;
    unsigned rounds;
};

#define STREAM(sizes, rounds)                                                                      \
    {                                                                                              \
#sizes, sizes, sizeof sizes / sizeof sizes[0], rounds                                      \
    }

static const struct stream streams[] = {STREAM(little, 50000), STREAM(middling, 20),
                                        STREAM(large, 1), STREAM(mixed, 1)};
#define STREAMS (sizeof streams / sizeof streams[0])

static uint8_t *bytes; /* each payload is the first of these */

static size_t largest_of(const struct stream *stream)
{
    size_t largest = 0;

    for (size_t i = 0; i < stream->count; i++)
        largest = stream->sizes[i] > largest ? stream->sizes[i] : largest;
    return largest;
}

static int setup(void **state)
{
    (void)state;
    bytes = __real_mmap(NULL, PAYLOAD_BYTES_MAX, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < PAYLOAD_BYTES_MAX; i++)
        bytes[i] = (uint8_t)(i * 131 + (i >> 12));
    return 0;
}

/* --- writing -------------------------------------------------------------------------------------
 */

typedef enum fls_status write_function(struct fls_writer *writer, size_t length);

static enum fls_status write_plain(struct fls_writer *writer, size_t length)
{
    return fls_writer_write(writer, bytes, length);
}

static enum fls_status write_segments(struct fls_writer *writer, size_t length)
{
    struct iovec segments[2] = {{bytes, length / 2}, {bytes + length / 2, length - length / 2}};
    struct fls_payload payload = fls_payload_from_segments(segments, 2);

    return fls_writer_write_payload(writer, &payload);
}

static void release_nothing(void *context)
{
    (void)context;
}

static enum fls_status write_owned(struct fls_writer *writer, size_t length)
{
    struct iovec segment = {bytes, length};
    struct fls_payload payload = fls_payload_from_segments(&segment, 1);

    return fls_writer_write_owned(writer, &payload, release_nothing, NULL);
}

/* Writes the stream to `fd`, which stays open; the peak is that of writer and sink. */
static void write_stream(const struct stream *stream, int fd, write_function *function,
                         const struct fls_writer_options *options)
{
    struct fls_writer *writer;
    struct fls_sink *sink;

    count_from_zero();
    assert_ok(fls_sink_open_fd(fd, FLS_BORROWED, &sink, NULL));
    assert_ok(fls_writer_open(sink, options, &writer, NULL));
    for (unsigned round = 0; round < stream->rounds; round++)
        for (size_t i = 0; i < stream->count; i++)
            assert_ok(function(writer, stream->sizes[i]));
    assert_ok(fls_writer_close(writer, NULL));
    assert_ok(fls_sink_close(sink, NULL));
}

static void a_writer_holds_no_message(void **state)
{
    static write_function *const functions[] = {write_plain, write_segments, write_owned};
    int fd = open("/dev/null", O_WRONLY);

    (void)state;
    assert_true(fd >= 0);
    for (size_t s = 0; s < STREAMS; s++)
        for (int framer = FLS_FRAMER_SIMPLE; framer <= FLS_FRAMER_BATCHED; framer++)
            for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++) {
                struct fls_writer_options options = {.framer = (enum fls_framer)framer,
                                                     .checksum = f == 1 ? FLS_CHECKSUM_XXH3
                                                                        : FLS_CHECKSUM_NONE,
                                                     .keep_references = f == 2};
                write_stream(&streams[s], fd, functions[f], &options);
                expect_peak(1, 0); /* so less than 1 MiB in all */
            }
    close(fd);
}

static void look_at_nothing(void *context, const struct fls_payload *payload)
{
    (void)context;
    (void)payload;
}

/* A tap that wants the payload in one piece costs one message. */
static void a_writer_flattens_one_message(void **state)
{
    struct fls_tap tap = fls_tap_observer(look_at_nothing, NULL);
    struct fls_writer_options options = {.taps = &tap, .tap_count = 1};
    int fd = open("/dev/null", O_WRONLY);

    (void)state;
    tap.contiguous = 1;
    for (size_t s = 0; s < STREAMS; s++) {
        write_stream(&streams[s], fd, write_segments, &options);
        expect_peak(largest_of(&streams[s]), largest_of(&streams[s]));
    }
    close(fd);
}

/* --- reading -------------------------------------------------------------------------------------
 */

enum backend { FILE_, PIPE, MEMORY, BACKENDS };
enum reading { NEXT, BATCH };

/* A stream that was written, and one way to read it. */
struct read_job {
    const struct stream *stream;
    int fd;
    uint8_t *mapped;
    size_t length;
    int pipe[2];
    pthread_t feeder;
    enum backend backend;
    enum reading reading;
    struct fls_reader_options options;
};

static void *feed(void *context)
{
    struct read_job *job = context;

    for (size_t at = 0; at < job->length;) {
        ssize_t put = write(job->pipe[1], job->mapped + at, job->length - at);
        if (put <= 0)
            break;
        at += (size_t)put;
    }
    close(job->pipe[1]);
    return NULL;
}

static struct fls_source *open_source(struct read_job *job)
{
    struct fls_source *source;

    if (job->backend == MEMORY) {
        assert_ok(fls_source_open_memory(job->mapped, job->length, &source, NULL));
        return source;
    }
    if (job->backend == FILE_) {
        assert_int_equal(lseek(job->fd, 0, SEEK_SET), 0);
        assert_ok(fls_source_open_fd(job->fd, FLS_BORROWED, 0, &source, NULL));
        return source;
    }
    assert_int_equal(pipe(job->pipe), 0);
    assert_ok(fls_source_open_fd(job->pipe[0], FLS_OWNED, 0, &source, NULL));
    assert_int_equal(pthread_create(&job->feeder, NULL, feed, job), 0);
    return source;
}

/* The payload's ends; what is between is known by its checksum. */
static void expect_message(const struct read_job *job, const struct fls_message *message)
{
    size_t alignment = job->options.alignment > 0 ? job->options.alignment : FLS_ALIGNMENT_DEFAULT;
    size_t length = job->stream->sizes[message->frame % job->stream->count];
    size_t part = length < 100 ? length : 100;

    assert_int_equal(message->bytes, length);
    assert_int_equal((uintptr_t)message->payload % alignment, 0);
    assert_memory_equal(message->payload, bytes, part);
    assert_memory_equal((const uint8_t *)message->payload + length - part, bytes + length - part,
                        part);
}

static uint64_t read_all(struct read_job *job, struct fls_reader *reader)
{
    struct fls_message messages[64];
    enum fls_status status = FLS_OK;
    uint64_t done = 0;

    while (status == FLS_OK) {
        size_t count = 1;
        status = job->reading == NEXT ? fls_reader_next(reader, messages)
                                      : fls_reader_next_batch(reader, messages, 64, &count);
        for (size_t i = 0; i < count && status == FLS_OK; i++, done++)
            expect_message(job, &messages[i]);
    }
    assert_int_equal(status, FLS_END);
    return done;
}

/* From a file or a pipe a large message is held once; from memory, only when it is to be aligned.
 */
static void read_stream(struct read_job *job)
{
    struct fls_reader *reader;

    count_from_zero();
    struct fls_source *source = open_source(job);
    job->options.owns_source = 1;
    assert_ok(fls_reader_open(source, &job->options, &reader, NULL));
    assert_int_equal(read_all(job, reader), (uint64_t)job->stream->rounds * job->stream->count);
    fls_reader_close(reader);
    if (job->backend == PIPE)
        assert_int_equal(pthread_join(job->feeder, NULL), 0);
    size_t largest = largest_of(job->stream);
    if (job->backend == MEMORY && job->options.alignment == 1)
        expect_peak(1, 0);
    else
        expect_peak(largest, largest);
}

static void read_in_all_ways(struct read_job *job)
{
    for (int backend = 0; backend < BACKENDS; backend++)
        for (size_t alignment = 0; alignment < 2; alignment++) {
            job->backend = (enum backend)backend;
            job->reading = alignment == 0 ? BATCH : NEXT;
            job->options.alignment = alignment;
            read_stream(job);
        }
    job->backend = FILE_;
    job->reading = NEXT;
    job->options.alignment = 0;
    read_stream(job);
}

static void a_reader_holds_one_message(void **state)
{
    static const enum fls_checksum_kind kinds[] = {FLS_CHECKSUM_NONE, FLS_CHECKSUM_XXH3};

    (void)state;
    for (size_t s = 0; s < STREAMS; s++)
        for (size_t k = 0; k < 2; k++) {
            struct fls_writer_options writing = {.framer = FLS_FRAMER_BATCHED,
                                                 .checksum = kinds[k]};
            struct read_job job = {.stream = &streams[s], .options = {.checksum = kinds[k]}};
            job.fd = memfd_create("memory_test", 0);
            assert_true(job.fd >= 0);
            write_stream(&streams[s], job.fd, write_plain, &writing);
            job.length = (size_t)lseek(job.fd, 0, SEEK_END);
            job.mapped = __real_mmap(NULL, job.length, PROT_READ, MAP_SHARED, job.fd, 0);
            assert_ptr_not_equal(job.mapped, MAP_FAILED);
            read_in_all_ways(&job);
            __real_munmap(job.mapped, job.length);
            close(job.fd);
        }
}

/* A length is only a claim: what is held follows what has come. */
static void a_claim_is_not_believed(void **state)
{
    static const size_t come[] = {0, 1, 300 * KIB, 5 * MIB, 20 * MIB};
    static const uint32_t claimed = UINT32_C(0x7fffffff);

    (void)state;
    for (size_t i = 0; i < sizeof come / sizeof come[0]; i++) {
        struct read_job job = {.backend = PIPE, .length = sizeof claimed + come[i]};
        struct fls_reader_options options = {.owns_source = 1};
        struct fls_reader *reader;
        struct fls_message message;
        job.mapped = __real_malloc(job.length);
        assert_non_null(job.mapped);
        memcpy(job.mapped, &claimed, sizeof claimed);
        memset(job.mapped + sizeof claimed, 1, come[i]);
        count_from_zero();
        assert_ok(fls_reader_open(open_source(&job), &options, &reader, NULL));
        assert_int_equal(fls_reader_next(reader, &message), FLS_UNEXPECTED_END);
        expect_peak(come[i], 2 * come[i] + MIB);
        fls_reader_close(reader);
        assert_int_equal(pthread_join(job.feeder, NULL), 0);
        __real_free(job.mapped);
    }
}

/* No memory in the middle of a message: what has come of it is kept, and the next call goes on. */
static void a_refused_growth_is_tried_again(void **state)
{
    static const size_t sizes[] = {5 * MIB + 1};
    static const struct stream stream = STREAM(sizes, 1);
    struct fls_writer_options writing = {.checksum = FLS_CHECKSUM_XXH3};
    struct read_job job = {.stream = &stream, .backend = PIPE};
    struct fls_message message;
    struct fls_reader *reader;

    (void)state;
    job.fd = memfd_create("memory_test", 0);
    write_stream(&stream, job.fd, write_plain, &writing);
    job.length = (size_t)lseek(job.fd, 0, SEEK_END);
    job.mapped = __real_mmap(NULL, job.length, PROT_READ, MAP_SHARED, job.fd, 0);
    job.options = (struct fls_reader_options){.checksum = FLS_CHECKSUM_XXH3, .owns_source = 1};
    assert_ok(fls_reader_open(open_source(&job), &job.options, &reader, NULL));
    refusals = 2;
    assert_int_equal(fls_reader_next(reader, &message), FLS_NO_MEMORY);
    assert_int_equal(fls_reader_next(reader, &message), FLS_NO_MEMORY);
    assert_ok(fls_reader_next(reader, &message));
    expect_message(&job, &message);
    assert_int_equal(fls_reader_next(reader, &message), FLS_END);
    fls_reader_close(reader);
    assert_int_equal(pthread_join(job.feeder, NULL), 0);
    __real_munmap(job.mapped, job.length);
    close(job.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_holds_no_message),
        cmocka_unit_test(a_writer_flattens_one_message),
        cmocka_unit_test(a_reader_holds_one_message),
        cmocka_unit_test(a_claim_is_not_believed),
        cmocka_unit_test(a_refused_growth_is_tried_again),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
