/*
 * schema_fuzz.c: any bytes as a .bfbs, and any text as a path.
 *
 * A schema that opens is used: a verifier is made from each of its tables and run over the .bfbs
 * itself as a message, and its own field names are compiled as paths. The bytes behind the last
 * newline, if there are any, are compiled as a path too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flatstream/verifier.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int pass(void *context, const struct fls_value *value)
{
    (void)context;
    (void)value;
    return 0;
}

static void try_path(const struct fls_schema *schema, const struct fls_object *root,
                     const char *text, const uint8_t *data, size_t size)
{
    struct fls_path *path = NULL;
    struct fls_error error;

    if (fls_path_compile(schema, root, text, &path, &error) != FLS_OK) {
        /* The column is a place in the text, or just behind it. */
        if (!root->is_struct && error.found > strlen(text) + 1)
            abort();
        return;
    }
    enum fls_status ignored = fls_path_each(path, data, size, pass, NULL);
    (void)ignored;
    fls_path_close(path);
}

static void try_object(const struct fls_schema *schema, const struct fls_object *object,
                       const uint8_t *data, size_t size)
{
    struct fls_verifier *verifier = NULL;
    struct fls_error error;

    if (fls_verifier_open(schema, object, NULL, &verifier, &error) == FLS_OK) {
        enum fls_status ignored = fls_verifier_check(verifier, data, size, &error);
        (void)ignored;
    }
    fls_verifier_close(verifier);
    for (size_t i = 0; i < object->field_count && i < 64; i++)
        try_path(schema, object, object->fields[i].name, data, size);
}

static void try_last_line(const struct fls_schema *schema, const uint8_t *data, size_t size)
{
    char text[256];
    size_t start = size;

    while (start > 0 && data[start - 1] != '\n' && size - start < sizeof text - 1)
        start--;
    memcpy(text, data + start, size - start);
    text[size - start] = '\0';
    for (size_t i = 0; i < fls_schema_object_count(schema) && i < 16; i++)
        try_path(schema, fls_schema_object(schema, i), text, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fls_schema *schema = NULL;
    struct fls_error error;

    if (fls_schema_open(data, size, &schema, &error) != FLS_OK)
        return 0;
    for (size_t i = 0; i < fls_schema_object_count(schema) && i < 16; i++)
        try_object(schema, fls_schema_object(schema, i), data, size);
    try_last_line(schema, data, size);
    fls_schema_close(schema);
    return 0;
}
