/*
 * segments.c: a FlatBuffer with a large vector, written without copying the vector.
 *
 * The builder keeps the vector where it is and gives the message as a list of segments; the writer
 * puts the frame's header before them, and all goes out in one writev. Then the stream is read
 * again: what stands there is an ordinary FlatBuffer. usage: segments FILE [MEBIBYTES]
 *
 *     table Image { name: string (id: 0); pixels: [ubyte] (id: 1); }
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flatstream/builder.h>
#include <flatstream/flatstream.h>

enum { IMAGE_NAME, IMAGE_PIXELS };

static int fail(const char *what, const struct fls_error *error)
{
    char text[512];

    (void)fls_error_format(error, text, sizeof text);
    fprintf(stderr, "segments: %s: %s\n", what, text);
    return 1;
}

/* Children first, then the table; the pixels stay where they are. */
static enum fls_status build(struct fls_builder *builder, const void *pixels, size_t bytes,
                             struct fls_payload *payload)
{
    uint32_t name = fls_builder_create_cstring(builder, "gradient");
    uint32_t vector = fls_builder_reference_vector(builder, pixels, bytes, 1, 1);

    fls_builder_start_table(builder);
    fls_builder_add_ref(builder, IMAGE_NAME, name);
    fls_builder_add_ref(builder, IMAGE_PIXELS, vector);
    return fls_builder_finish(builder, fls_builder_end_table(builder), NULL, payload);
}

static void report(const struct fls_builder *builder, const struct fls_writer *writer)
{
    struct fls_builder_counts built = fls_builder_statistics(builder);
    struct fls_writer_counts wrote = fls_writer_statistics(writer);

    printf("a message of %" PRIu64 " bytes in %" PRIu64 " segments\n", built.bytes, built.segments);
    printf("%" PRIu64 " bytes stayed where they were, %" PRIu64 " were copied\n",
           built.bytes_referenced, built.bytes_copied + wrote.bytes_copied);
    printf("system calls to write it: %" PRIu64 "\n", wrote.system_calls);
}

static int write_image(const char *path, const void *pixels, size_t bytes)
{
    struct fls_writer_options options = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_error error = FLS_ZERO;
    struct fls_builder *builder = NULL;
    struct fls_writer *writer = NULL;
    struct fls_payload payload;

    if (fls_builder_open(NULL, &builder, &error) == FLS_OK &&
        fls_writer_open_file(path, FLS_FILE_TRUNCATE, &options, &writer, &error) == FLS_OK) {
        if (build(builder, pixels, bytes, &payload) != FLS_OK)
            error = *fls_builder_error(builder);
        else if (fls_writer_write_payload(writer, &payload) != FLS_OK)
            error = *fls_writer_error(writer);
        else
            report(builder, writer);
    }
    (void)fls_writer_close(writer, error.status == FLS_OK ? &error : NULL);
    fls_builder_close(builder);
    return error.status == FLS_OK ? 0 : fail(path, &error);
}

/* The largest part of the message must be the pixels, unchanged. */
static int read_image(const char *path, const void *pixels, size_t bytes)
{
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_error error = FLS_ZERO;
    struct fls_reader *reader;
    struct fls_message message;
    int same;

    if (fls_reader_open_file(path, &options, &reader, &error) != FLS_OK)
        return fail(path, &error);
    if (fls_reader_next(reader, &message) != FLS_OK) {
        error = *fls_reader_error(reader);
        fls_reader_close(reader);
        return fail(path, &error);
    }
    same = memmem(message.payload, message.bytes, pixels, bytes) != NULL;
    printf("read again: %zu bytes, the pixels are %s\n", message.bytes,
           same ? "the same" : "not there");
    fls_reader_close(reader);
    return same ? 0 : 1;
}

int main(int argc, char **argv)
{
    unsigned long mebibytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 16;
    size_t bytes = (size_t)mebibytes * 1024 * 1024, i;
    unsigned char *pixels;
    int status;

    if (argc < 2 || mebibytes < 1 || mebibytes > 1024) {
        fputs("usage: segments FILE [MEBIBYTES, 1 to 1024]\n", stderr);
        return 2;
    }
    pixels = malloc(bytes);
    if (!pixels)
        return 1;
    for (i = 0; i < bytes; i++)
        pixels[i] = (unsigned char)(i / 7);
    status = write_image(argv[1], pixels, bytes);
    if (status == 0)
        status = read_image(argv[1], pixels, bytes);
    free(pixels);
    return status;
}
