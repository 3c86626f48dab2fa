/*
 * schema_file.c: see schema_file.h.
 *
 * Only what needs libflatbuffers (an .fbs, and parsing JSON) goes through it; a .bfbs is read and
 * JSON printed by our own code: a build without libflatbuffers does that all the same, and numbers
 * are printed whole, where libflatbuffers rounds a double to twelve decimals and a float to six.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FLS_WITH_JSON
#include <flatstream/json.h>
#endif

#include "cli/message_json.h"
#include "cli/schema_file.h"

#define FILE_BYTES_MAX ((size_t)64 << 20)
#define BLOCK_BYTES ((size_t)64 * 1024)

#ifndef FLS_WITH_JSON
static const char no_json[] =
    "this build has no JSON support (libflatbuffers was not found when it was built)";
#endif

/* --- the file ----------------------------------------------------------------------------------
 */

struct text {
    char *bytes;
    size_t length;
};

static enum fls_status read_open_file(FILE *file, struct text *text, struct fls_error *error)
{
    for (size_t capacity = BLOCK_BYTES;; capacity *= 2) {
        char *grown = realloc(text->bytes, capacity);
        if (!grown)
            return cli_set_error(error, FLS_NO_MEMORY, "out of memory");
        text->bytes = grown;
        text->length += fread(grown + text->length, 1, capacity - text->length, file);
        if (ferror(file))
            return cli_system_error(error, "read", errno);
        if (text->length < capacity)
            return FLS_OK;
        if (capacity >= FILE_BYTES_MAX)
            return cli_system_error(error, "read", EFBIG);
    }
}

static enum fls_status read_file(const char *path, struct text *text, struct fls_error *error)
{
    FILE *file = fopen(path, "rbe");

    if (!file)
        return cli_system_error(error, "open", errno);
    enum fls_status status = read_open_file(file, text, error);
    fclose(file);
    return status;
}

/* A binary schema has its identifier behind the root offset, and that perhaps behind a size. */
static int is_binary(const struct text *text)
{
    return text->length >= 12 &&
           (memcmp(text->bytes + 4, "BFBS", 4) == 0 || memcmp(text->bytes + 8, "BFBS", 4) == 0);
}

/* Whether it is named as a binary schema, or holds what no text does. */
static int is_no_text(const char *path, const struct text *text)
{
    size_t length = strlen(path), ending = strlen(".bfbs");

    return (length >= ending && strcmp(path + length - ending, ".bfbs") == 0) ||
           memchr(text->bytes, 0, text->length) != NULL;
}

/* --- opening -----------------------------------------------------------------------------------
 */

#ifdef FLS_WITH_JSON

static enum fls_status open_text(const char *path, const struct text *text,
                                 struct cli_schema *schema, struct fls_error *error)
{
    size_t bytes;
    enum fls_status status =
        fls_json_open_fbs(text->bytes, text->length, path, &schema->json, error);

    if (status != FLS_OK)
        return status;
    const void *bfbs = fls_json_bfbs(schema->json, &bytes);
    return fls_schema_open(bfbs, bytes, &schema->schema, error);
}

static enum fls_status open_json(const struct text *text, struct cli_schema *schema,
                                 struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    if (!schema->json)
        status = fls_json_open_bfbs(text->bytes, text->length, &schema->json, error);
    return status == FLS_OK ? fls_json_set_root(schema->json, schema->root->name, error) : status;
}

#else

static enum fls_status open_text(const char *path, const struct text *text,
                                 struct cli_schema *schema, struct fls_error *error)
{
    (void)path, (void)text, (void)schema;
    return cli_set_error(error, FLS_INVALID_ARGUMENT,
                         "not a .bfbs, and %s; `flatc --schema --binary` makes a .bfbs", no_json);
}

static enum fls_status open_json(const struct text *text, struct cli_schema *schema,
                                 struct fls_error *error)
{
    (void)text, (void)schema;
    return cli_set_error(error, FLS_INVALID_ARGUMENT, "%s", no_json);
}

#endif

static int fail_open(const char *path, const struct fls_error *error)
{
    int is_system = error->status == FLS_IO || error->status == FLS_NO_MEMORY;

    cli_fail(path, error, NULL);
    return is_system ? CLI_SYSTEM : CLI_USAGE;
}

/* The table most like `name`, by its full or its last name. */
static const char *nearest_table(const struct fls_schema *schema, const char *name)
{
    for (int last_part = 0; last_part <= 1; last_part++)
        for (size_t i = 0; i < fls_schema_object_count(schema); i++) {
            const struct fls_object *object = fls_schema_object(schema, i);
            const char *dot = last_part ? strrchr(object->name, '.') : NULL;
            const char *word = dot ? dot + 1 : object->name;
            if (!object->is_struct && cli_nearest(name, &word, 1))
                return object->name;
        }
    return NULL;
}

static int choose_root(const struct cli_verb *verb, const struct cli_schema_options *options,
                       struct cli_schema *schema)
{
    const char *name = options->root;

    schema->root =
        name ? fls_schema_find_object(schema->schema, name) : fls_schema_root(schema->schema);
    if (schema->root && !schema->root->is_struct)
        return CLI_GO_ON;
    if (!name)
        return cli_usage(verb, "%s names no root_type: say --root TABLE", options->file);
    if (schema->root)
        return cli_usage(verb, "--root %s: a struct; a root is a table", name);
    const char *near = nearest_table(schema->schema, name);
    return cli_usage(verb, "--root %s: the schema has no such table, or several%s%s%s", name,
                     near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

/* The identifier belongs to messages of the schema's own root. */
static enum fls_status open_verifier(const struct cli_schema_options *options,
                                     struct cli_schema *schema, struct fls_error *error)
{
    struct fls_verifier_options either = {.limits = {.alignment = FLS_ALIGNED_FROM_EITHER},
                                          .strict = options->strict};
    int is_own = schema->root == fls_schema_root(schema->schema);

    schema->identifier =
        is_own && !options->no_identifier ? fls_schema_identifier(schema->schema) : "";
    either.check_identifier = schema->identifier[0] != '\0';
    return fls_verifier_open(schema->schema, schema->root, &either, &schema->verifier, error);
}

static int open_parts(const struct cli_verb *verb, const struct cli_schema_options *options,
                      int with_json, struct text *text, struct cli_schema *schema)
{
    struct fls_error error;
    enum fls_status status = read_file(options->file, text, &error);

    if (status == FLS_OK && is_binary(text))
        status = fls_schema_open(text->bytes, text->length, &schema->schema, &error);
    else if (status == FLS_OK && is_no_text(options->file, text))
        status = cli_set_error(&error, FLS_INVALID_ARGUMENT,
                               "not a binary schema: \"BFBS\" is not at byte 4; `flatc --schema "
                               "--binary` makes one");
    else if (status == FLS_OK)
        status = open_text(options->file, text, schema, &error);
    if (status != FLS_OK)
        return fail_open(options->file, &error);
    int result = choose_root(verb, options, schema);
    if (result != CLI_GO_ON)
        return result;
    status = open_verifier(options, schema, &error);
    if (status == FLS_OK && with_json)
        status = open_json(text, schema, &error);
    return status == FLS_OK ? CLI_GO_ON : fail_open(options->file, &error);
}

int cli_schema_open(const struct cli_verb *verb, const struct cli_schema_options *options,
                    int with_json, struct cli_schema *schema)
{
    struct text text = {NULL, 0};

    *schema = (struct cli_schema){.schema = NULL};
    if (!options->file && options->root)
        return cli_usage(verb, "--root goes with --schema");
    if (!options->file)
        return CLI_GO_ON;
    int result = open_parts(verb, options, with_json, &text, schema);
    free(text.bytes);
    if (result != CLI_GO_ON)
        cli_schema_close(schema);
    return result;
}

void cli_schema_close(struct cli_schema *schema)
{
    fls_verifier_close(schema->verifier);
    fls_schema_close(schema->schema);
#ifdef FLS_WITH_JSON
    fls_json_close(schema->json);
#endif
    *schema = (struct cli_schema){.schema = NULL};
}

/* --- messages ----------------------------------------------------------------------------------
 */

int cli_schema_identifies(const struct cli_schema *schema, const void *message, size_t bytes,
                          struct fls_error *error)
{
    const char *wanted = schema->identifier;

    if (wanted[0] == '\0' || (bytes >= 8 && memcmp((const char *)message + 4, wanted, 4) == 0))
        return 1;
    if (error)
        (void)cli_set_error(error, FLS_INVALID_FLATBUFFER,
                            "the file identifier is not \"%s\" (--no-identifier takes it)", wanted);
    return 0;
}

enum fls_status cli_schema_see(void *schema, const struct fls_message *message,
                               struct fls_error *error)
{
    const struct fls_verifier *verifier = ((const struct cli_schema *)schema)->verifier;

    /* Without an error to fill it is quicker; only a bad message is looked at again, for the words.
     */
    if (fls_verifier_check(verifier, message->payload, message->bytes, NULL) == FLS_OK)
        return FLS_OK;
    if (cli_schema_identifies(schema, message->payload, message->bytes, error) &&
        fls_verifier_check(verifier, message->payload, message->bytes, error) == FLS_OK)
        return FLS_OK;
    snprintf(error->subject, sizeof error->subject, "schema");
    return error->status = FLS_VALIDATION_FAILED;
}

enum fls_status cli_schema_print(const struct cli_schema *schema, const void *message, size_t bytes,
                                 struct fls_error *error)
{
    if (!cli_schema_identifies(schema, message, bytes, error))
        return error->status;
    enum fls_status status = fls_verifier_check(schema->verifier, message, bytes, error);

    return status == FLS_OK ? cli_message_json(schema->root, message, error) : status;
}

#ifdef FLS_WITH_JSON

/* The parser says where it stopped as line and column of the text, which is one line here. */
static void name_column(struct fls_error *error)
{
    const char *words = error->found ? strstr(error->reason, ": ") : NULL;
    char text[sizeof error->reason];

    snprintf(text, sizeof text, "%s", words ? words + 2 : error->reason);
    if (error->found)
        snprintf(error->reason, sizeof error->reason, "column %" PRIu64 ": %.*s", error->found,
                 (int)(sizeof text - 40), text);
    error->status = FLS_INVALID_FLATBUFFER;
}

enum fls_status cli_schema_parse(const struct cli_schema *schema, const char *text, size_t length,
                                 const void **message, size_t *bytes, struct fls_error *error)
{
    enum fls_status status = fls_json_parse(schema->json, text, length, message, bytes, error);

    if (status != FLS_INVALID_ARGUMENT)
        return status;
    name_column(error);
    return error->status;
}

#else

/* Never reached: no schema is opened for JSON. */
enum fls_status cli_schema_parse(const struct cli_schema *schema, const char *text, size_t length,
                                 const void **message, size_t *bytes, struct fls_error *error)
{
    (void)schema, (void)text, (void)length, (void)message, (void)bytes;
    return cli_set_error(error, FLS_UNSUPPORTED, "%s", no_json);
}

#endif
