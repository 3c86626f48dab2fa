/*
 * read_fields.c: reads fields of messages by name, without generated code.
 *
 * The schema comes from a .bfbs (`flatc --schema --binary telemetry.fbs`). Each message is verified
 * against it before it is looked at, by a tap on the reader.
 * usage: read_fields SCHEMA.bfbs STREAM.fls PATH..., for example  cpu.user  memory.available_bytes
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <flatstream/flatstream.h>
#include <flatstream/schema.h>
#include <flatstream/verifier.h>

#define SCHEMA_BYTES_MAX (1024 * 1024)
#define PATHS_MAX 16

struct program {
    struct fls_schema *schema;
    struct fls_verifier *verifier;
    struct fls_reader *reader;
    struct fls_path *paths[PATHS_MAX];
    int path_count;
    struct fls_error error;
};

static enum fls_status load_schema(struct program *program, const char *path)
{
    unsigned char *bytes = malloc(SCHEMA_BYTES_MAX);
    FILE *file = fopen(path, "rb");
    enum fls_status status = FLS_IO;

    if (file && bytes)
        status = fls_schema_open(bytes, fread(bytes, 1, SCHEMA_BYTES_MAX, file), &program->schema,
                                 &program->error);
    else
        (void)fls_error_system(&program->error, "open", errno);
    if (file)
        (void)fclose(file);
    free(bytes);
    return status;
}

/* Opens the stream with the verifier before the caller's eyes. */
static enum fls_status open_stream(struct program *program, const char *path)
{
    struct fls_reader_options options = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_tap tap;
    enum fls_status status =
        fls_verifier_open(program->schema, NULL, NULL, &program->verifier, &program->error);

    if (status != FLS_OK)
        return status;
    tap = fls_tap_schema(program->verifier);
    options.taps = &tap;
    options.tap_count = 1;
    return fls_reader_open_file(path, &options, &program->reader, &program->error);
}

static void print_value(const struct fls_value *value)
{
    if (value->presence == FLS_ABSENT)
        printf("-");
    else if (value->kind == FLS_VALUE_BOOL)
        printf("%s", value->bool_value ? "true" : "false");
    else if (value->kind == FLS_VALUE_SIGNED)
        printf("%" PRId64, value->signed_value);
    else if (value->kind == FLS_VALUE_UNSIGNED)
        printf("%" PRIu64, value->unsigned_value);
    else if (value->kind == FLS_VALUE_REAL)
        printf("%g", value->real_value);
    else if (value->kind == FLS_VALUE_STRING)
        printf("%.*s", (int)value->length, value->text);
    else
        printf("(%zu)", value->length);
}

static enum fls_status print_message(void *context, const struct fls_message *message)
{
    const struct program *program = context;
    struct fls_value value;
    int i;

    for (i = 0; i < program->path_count; i++) {
        enum fls_status status =
            fls_path_read(program->paths[i], message->payload, message->bytes, &value);

        if (status != FLS_OK)
            return status;
        if (i > 0)
            putchar('\t');
        print_value(&value);
    }
    putchar('\n');
    return FLS_OK;
}

static enum fls_status run(struct program *program, char **argv, int argc)
{
    enum fls_status status = load_schema(program, argv[1]);
    int i;

    for (i = 3; i < argc && status == FLS_OK; i++) {
        status = fls_path_compile(program->schema, NULL, argv[i],
                                  &program->paths[program->path_count], &program->error);
        program->path_count += status == FLS_OK;
    }
    if (status == FLS_OK)
        status = open_stream(program, argv[2]);
    if (status != FLS_OK)
        return status;
    status = fls_reader_process_all(program->reader, print_message, program);
    if (status != FLS_OK)
        program->error = *fls_reader_error(program->reader);
    return status;
}

int main(int argc, char **argv)
{
    struct program program = {0};
    enum fls_status status;
    char text[512];
    int i;

    if (argc < 4 || argc - 3 > PATHS_MAX) {
        fprintf(stderr, "usage: read_fields SCHEMA.bfbs STREAM.fls PATH... (at most %d)\n",
                PATHS_MAX);
        return 2;
    }
    status = run(&program, argv, argc);
    if (status != FLS_OK) {
        (void)fls_error_format(&program.error, text, sizeof text);
        fprintf(stderr, "read_fields: %s\n", text);
    }
    fls_reader_close(program.reader);
    for (i = 0; i < program.path_count; i++)
        fls_path_close(program.paths[i]);
    fls_verifier_close(program.verifier);
    fls_schema_close(program.schema);
    return status == FLS_OK ? 0 : 1;
}
