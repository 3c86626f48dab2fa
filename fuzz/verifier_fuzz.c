/*
 * verifier_fuzz.c: the verifier, and paths, on any bytes.
 *
 * What the verifier accepts must be readable: every path through it ends without an error. What it
 * refuses is read too, since reading is checked by itself, and may say anything but must not leave
 * the memory. The schema is the one of the tests (FLS_FUZZ_SCHEMA, else tests/data/zoo.bfbs).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flatstream/verifier.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const texts[] = {
    "name",
    "flag",
    "u64",
    "f32",
    "maybe",
    "grid",
    "grid.cells[]",
    "grid.tags[1].id",
    "bytes",
    "points",
    "points[].x",
    "items[].name",
    "things",
    "held",
    "held_type",
    "items[].tags[]",
    "things[]",
    "things[].Weapon.name",
    "things[].Label",
    "held.Point.x",
    "held.Label",
    "inner.text",
    "inner.deeper.deeper.text",
    "child.child.items[2].part.name",
};
enum { PATHS = sizeof texts / sizeof texts[0] };

static struct fls_schema *schema;
static struct fls_verifier *verifiers[2];
static struct fls_path *paths[PATHS];

static void stop(const char *what)
{
    fprintf(stderr, "verifier_fuzz: %s\n", what);
    abort();
}

static void load_schema(void)
{
    const char *path = getenv("FLS_FUZZ_SCHEMA");
    static uint8_t bytes[1 << 16];
    FILE *file = fopen(path ? path : "tests/data/zoo.bfbs", "rb");

    if (!file)
        stop("the schema cannot be opened: run from the top folder, or set FLS_FUZZ_SCHEMA");
    size_t count = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (fls_schema_open(bytes, count, &schema, NULL) != FLS_OK)
        stop("the schema is refused");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct fls_verifier_options lenient = {
        .limits = {.depth_max = 8, .alignment = FLS_ALIGNED_FROM_EITHER}};

    (void)argc;
    (void)argv;
    load_schema();
    if (fls_verifier_open(schema, NULL, NULL, &verifiers[0], NULL) != FLS_OK ||
        fls_verifier_open(schema, NULL, &lenient, &verifiers[1], NULL) != FLS_OK)
        stop("a verifier is refused");
    for (size_t i = 0; i < PATHS; i++)
        if (fls_path_compile(schema, NULL, texts[i], &paths[i], NULL) != FLS_OK)
            stop(texts[i]);
    return 0;
}

/* Touches everything that a value says is there. */
static int touch(void *context, const struct fls_value *value)
{
    volatile uint8_t *sum = context;

    for (size_t i = 0; i < value->length; i++) {
        if (value->kind == FLS_VALUE_STRING)
            *sum = (uint8_t)(*sum + (uint8_t)value->text[i]);
        else if (value->data && value->kind == FLS_VALUE_STRUCT)
            *sum = (uint8_t)(*sum + ((const uint8_t *)value->data)[i]);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fls_error error;
    volatile uint8_t sum = 0;
    int accepted = fls_verifier_check(verifiers[0], data, size, &error) == FLS_OK;

    /* Fields that the schema does not know are looked at by the check of the root table alone. */
    if (accepted && fls_verify_table_root(data, size, NULL, &error) != FLS_OK &&
        !strstr(error.reason, "begins outside"))
        stop("accepted as a whole, but its root table is refused");
    enum fls_status ignored = fls_verifier_check(verifiers[1], data, size, &error);
    (void)ignored;
    for (size_t i = 0; i < PATHS; i++) {
        enum fls_status status = fls_path_each(paths[i], data, size, touch, (void *)&sum);

        if (accepted && status != FLS_OK)
            stop("accepted, but a path cannot be read");
    }
    return 0;
}
