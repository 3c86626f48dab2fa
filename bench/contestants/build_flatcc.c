/*
 * build_flatcc.c: the messages of build_flatstream.c by flatcc's builder, finalised, then a writev.
 * Modes as in build_google.cc. Built only when flatcc was found.
 */
#include <flatcc/flatcc_builder.h>

#include "output.h"

static void put_u64(flatcc_builder_t *builder, int id, uint64_t value)
{
    memcpy(flatcc_builder_table_add(builder, id, 8, 8), &value, 8);
}

static void put_u32(flatcc_builder_t *builder, int id, uint32_t value)
{
    memcpy(flatcc_builder_table_add(builder, id, 4, 4), &value, 4);
}

static void put_ref(flatcc_builder_t *builder, int id, flatcc_builder_ref_t ref)
{
    *flatcc_builder_table_add_offset(builder, id) = ref;
}

static void *finish(flatcc_builder_t *builder, size_t *bytes)
{
    flatcc_builder_ref_t root = flatcc_builder_end_table(builder);

    flatcc_builder_end_buffer(builder, root);
    void *message = flatcc_builder_finalize_aligned_buffer(builder, bytes);
    if (!message)
        die("flatcc");
    return message;
}

static void *build_blob(flatcc_builder_t *builder, const struct job *job, uint64_t i, size_t *bytes)
{
    flatcc_builder_reset(builder);
    flatcc_builder_start_buffer(builder, 0, 0, 0);
    flatcc_builder_ref_t data = flatcc_builder_create_vector(builder, job->payload, job->size, 1, 1,
                                                             FLATBUFFERS_COUNT_MAX(1));
    flatcc_builder_start_table(builder, 2);
    put_u64(builder, 0, i);
    put_ref(builder, 1, data);
    return finish(builder, bytes);
}

static void *build_small(flatcc_builder_t *builder, uint64_t i, size_t *bytes)
{
    double e = 0.25;
    int16_t f = 3;

    flatcc_builder_reset(builder);
    flatcc_builder_start_buffer(builder, 0, 0, 0);
    flatcc_builder_ref_t name = flatcc_builder_create_string(builder, "eth0", 4);
    flatcc_builder_ref_t host = flatcc_builder_create_string(builder, "rack-7.example", 14);
    flatcc_builder_start_table(builder, 8);
    put_u32(builder, 0, (uint32_t)i + 1);
    put_u32(builder, 1, (uint32_t)-7);
    put_u32(builder, 2, 99);
    put_u64(builder, 3, i + 5);
    memcpy(flatcc_builder_table_add(builder, 4, 8, 8), &e, 8);
    memcpy(flatcc_builder_table_add(builder, 5, 2, 2), &f, 2);
    put_ref(builder, 6, name);
    put_ref(builder, 7, host);
    return finish(builder, bytes);
}

static void build_only(const struct job *job, flatcc_builder_t *builder)
{
    int small = strcmp(job->mode, "build-small") == 0;
    struct outcome outcome = {0, job->messages, 0, start_watch()};

    for (uint64_t i = 0; i < job->messages; i++) {
        size_t bytes;
        void *message =
            small ? build_small(builder, i, &bytes) : build_blob(builder, job, i, &bytes);
        flatcc_builder_aligned_free(message);
        outcome.bytes += bytes;
    }
    report(&outcome);
}

static void build_and_write(const struct job *job, flatcc_builder_t *builder)
{
    int fd = open_output(job->path);
    uint64_t lap = 0;
    struct outcome outcome = {0, job->messages, 0, start_watch()};

    for (uint64_t i = 0; i < job->messages; i++) {
        size_t bytes;
        void *message = build_blob(builder, job, i, &bytes);
        write_frame(fd, message, bytes, &outcome);
        flatcc_builder_aligned_free(message);
        wrap_file(fd, &outcome, &lap);
    }
    close(fd);
    report_beside(job, &outcome);
}

int main(int argc, char **argv)
{
    struct job job = parse_job(argc, argv);
    flatcc_builder_t builder;

    if (!job.writing || flatcc_builder_init(&builder) != 0)
        return 2;
    if (strcmp(job.mode, "copy") == 0)
        build_and_write(&job, &builder);
    else if (strcmp(job.mode, "build-copy") == 0 || strcmp(job.mode, "build-small") == 0)
        build_only(&job, &builder);
    else
        return 2;
    flatcc_builder_clear(&builder);
    free(job.payload);
    return 0;
}
