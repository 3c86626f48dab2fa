/*
 * build_flatstream.c: FlatBuffers built by this library's builder, and written.
 *
 *   write  reference  a table with one byte vector of SIZE bytes, the vector by reference
 *          copy       the same, the vector copied
 *          build-reference, build-copy  building alone; nothing is written
 *          build-small  a table of six scalars and two short strings; SIZE is ignored
 *
 *     table Blob { sequence: ulong; data: [ubyte]; }
 *     table Small { a: int; b: int; c: uint; d: ulong; e: double; f: short; name: string;
 *                   host: string; }
 */
#include <flatstream/flatstream.h>

#include "output.h"

static void check(int good, const struct fls_error *error)
{
    char text[256];

    if (good)
        return;
    fls_error_format(error, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static struct fls_payload build_blob(struct fls_builder *builder, const struct job *job, uint64_t i,
                                     int by_reference)
{
    struct fls_payload payload;
    uint32_t data;

    fls_builder_reset(builder);
    if (by_reference)
        data = fls_builder_reference_vector(builder, job->payload, job->size, 1, 1);
    else
        data = fls_builder_create_vector(builder, job->payload, job->size, 1, 1);
    fls_builder_start_table(builder);
    fls_builder_add_u64(builder, 0, i, 0);
    fls_builder_add_ref(builder, 1, data);
    check(fls_builder_finish(builder, fls_builder_end_table(builder), NULL, &payload) == FLS_OK,
          fls_builder_error(builder));
    return payload;
}

static struct fls_payload build_small(struct fls_builder *builder, uint64_t i)
{
    struct fls_payload payload;

    fls_builder_reset(builder);
    uint32_t name = fls_builder_create_string(builder, "eth0", 4);
    uint32_t host = fls_builder_create_string(builder, "rack-7.example", 14);
    fls_builder_start_table(builder);
    fls_builder_add_i32(builder, 0, (int32_t)i + 1, 0);
    fls_builder_add_i32(builder, 1, -7, 0);
    fls_builder_add_u32(builder, 2, 99, 0);
    fls_builder_add_u64(builder, 3, i + 5, 0);
    fls_builder_add_f64(builder, 4, 0.25, 0);
    fls_builder_add_i16(builder, 5, 3, 0);
    fls_builder_add_ref(builder, 6, name);
    fls_builder_add_ref(builder, 7, host);
    check(fls_builder_finish(builder, fls_builder_end_table(builder), NULL, &payload) == FLS_OK,
          fls_builder_error(builder));
    return payload;
}

static void build_only(const struct job *job, struct fls_builder *builder)
{
    int by_reference = strcmp(job->mode, "build-reference") == 0;
    int small = strcmp(job->mode, "build-small") == 0;
    struct outcome outcome = {0, job->messages, 0, start_watch()};

    for (uint64_t i = 0; i < job->messages; i++)
        outcome.bytes += small ? build_small(builder, i).length
                               : build_blob(builder, job, i, by_reference).length;
    report(&outcome);
}

static void build_and_write(const struct job *job, struct fls_builder *builder)
{
    int fd = open_output(job->path), by_reference = strcmp(job->mode, "reference") == 0;
    struct fls_sink *sink;
    struct fls_writer *writer;
    struct fls_error error;
    uint64_t lap = 0;

    check(fls_sink_open_fd(fd, FLS_OWNED, &sink, &error) == FLS_OK, &error);
    check(fls_writer_open(sink, NULL, &writer, &error) == FLS_OK, &error);
    struct outcome outcome = {0, job->messages, 0, start_watch()};
    for (uint64_t i = 0; i < job->messages; i++) {
        struct fls_payload payload = build_blob(builder, job, i, by_reference);
        check(fls_writer_write_payload(writer, &payload) == FLS_OK, fls_writer_error(writer));
        outcome.bytes += 4 + payload.length;
        wrap_file(fd, &outcome, &lap);
    }
    outcome.system_calls = fls_writer_statistics(writer).system_calls;
    check(fls_writer_close(writer, &error) == FLS_OK, &error);
    check(fls_sink_close(sink, &error) == FLS_OK, &error);
    report_beside(job, &outcome);
}

int main(int argc, char **argv)
{
    struct job job = parse_job(argc, argv);
    struct fls_builder *builder;
    struct fls_error error;

    if (!job.writing)
        return 2;
    check(fls_builder_open(NULL, &builder, &error) == FLS_OK, &error);
    if (strncmp(job.mode, "build-", 6) == 0)
        build_only(&job, builder);
    else if (strcmp(job.mode, "reference") == 0 || strcmp(job.mode, "copy") == 0)
        build_and_write(&job, builder);
    else
        return 2;
    fls_builder_close(builder);
    free(job.payload);
    return 0;
}
