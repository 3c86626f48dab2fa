/*
 * schema_path.c: compiles the text of a path into steps.
 *
 * While reading the text from left to right, `at` says what the steps so far lead to, as a field:
 * its type, its table or struct, its elements. Every name and index is checked against that, so
 * that nothing about the schema is left to ask when a message is read. An error points at the
 * part of the text that is wrong.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "flatbuf/schema_path.h"

#define TEXT_BYTES_MAX 4096
#define NAME_BYTES_MAX 255
/* A name adds up to four steps (nested, field, union, follow), an index up to two. */
#define STEPS_PER_PART 4

struct parser {
    const char *text;
    size_t position;
    struct fls_path *path;
    struct fls_field at;
    struct fls_error *error;
};

#define REFUSE(p, start, length, ...)                                                              \
    locate(p, start, length, fls_error_set((p)->error, FLS_INVALID_ARGUMENT, __VA_ARGS__))

static enum fls_status locate(const struct parser *p, size_t start, size_t length,
                              enum fls_status status)
{
    if (p->error) {
        p->error->found = start + 1;
        p->error->expected = length;
    }
    return status;
}

static struct step *add_step(struct parser *p, enum step_kind kind)
{
    struct step *step = &p->path->steps[p->path->step_count++];

    *step = (struct step){.kind = kind};
    return step;
}

static int is_table(const struct fls_field *field)
{
    return field->type == FLS_TYPE_OBJECT && !field->object->is_struct;
}

static uint32_t scalar_bytes(enum fls_type type)
{
    static const uint8_t sizes[] = {0, 1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

    return type <= FLS_TYPE_DOUBLE ? sizes[type] : 4;
}

/* What one element of the vector or array `field` takes. */
static uint32_t element_bytes(const struct fls_field *field)
{
    if (field->element == FLS_TYPE_OBJECT)
        return field->object->is_struct ? field->object->bytes : 4;
    return scalar_bytes(field->element);
}

/* ---- a suggestion for a mistyped name ---------------------------------------------------------
 */

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Single-character edits between two names, one of them `length` bytes long. */
static size_t edits(const char *name, size_t length, const char *other)
{
    size_t row[NAME_BYTES_MAX + 1];
    size_t other_length = strlen(other);

    if (other_length > NAME_BYTES_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= other_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= length; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= other_length; j++) {
            size_t above = row[j];

            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (name[i - 1] != other[j - 1]));
            diagonal = above;
        }
    }
    return row[other_length];
}

static const char *similar_field(const struct fls_object *object, const char *name, size_t length)
{
    const char *best = NULL;
    size_t fewest = length < 6 ? length / 3 : 2;

    for (size_t i = 0; i < object->field_count && length <= NAME_BYTES_MAX; i++) {
        size_t count = edits(name, length, object->fields[i].name);

        if (count <= fewest) {
            best = object->fields[i].name;
            fewest = count ? count - 1 : 0;
        }
    }
    return best;
}

static enum fls_status refuse_name(const struct parser *p, const struct fls_object *object,
                                   size_t start, size_t length)
{
    const char *similar = similar_field(object, p->text + start, length);

    if (similar)
        return REFUSE(p, start, length, "%.60s has no field \"%.*s\"; did you mean \"%.40s\"?",
                      object->name, (int)(length < 40 ? length : 40), p->text + start, similar);
    return REFUSE(p, start, length, "%.60s has no field \"%.*s\"", object->name,
                  (int)(length < 40 ? length : 40), p->text + start);
}

/* ---- names ------------------------------------------------------------------------------------
 */

static const struct fls_field *find_field(const struct fls_object *object, const char *name,
                                          size_t length)
{
    for (size_t i = 0; i < object->field_count; i++)
        if (strncmp(object->fields[i].name, name, length) == 0 &&
            object->fields[i].name[length] == '\0')
            return &object->fields[i];
    return NULL;
}

/* A table's field: strings, vectors and tables are referred to by an offset, followed at once. */
static void enter_table_field(struct parser *p, const struct fls_field *field)
{
    int is_offset =
        field->type == FLS_TYPE_STRING || field->type == FLS_TYPE_VECTOR || is_table(field);

    p->path->defaulted = -1;
    if (!is_offset && field->type != FLS_TYPE_OBJECT && field->type != FLS_TYPE_UNION)
        p->path->defaulted = (int)p->path->step_count;
    add_step(p, STEP_FIELD)->slot = field->id;
    if (is_offset)
        add_step(p, STEP_FOLLOW);
    if (field->type == FLS_TYPE_UNION || field->element == FLS_TYPE_UNION)
        p->path->union_slot = (uint16_t)(field->id - 1);
    p->at = *field;
}

static enum fls_status enter_field(struct parser *p, size_t start, size_t length)
{
    const struct fls_object *object = p->at.object;
    const struct fls_field *field = find_field(object, p->text + start, length);

    if (!field)
        return refuse_name(p, object, start, length);
    if (object->is_struct) {
        p->path->defaulted = -1;
        add_step(p, STEP_MEMBER)->offset = field->offset;
        p->at = *field;
    } else {
        enter_table_field(p, field);
    }
    return FLS_OK;
}

/* A union's member by its name: from there on the value is that member. */
static enum fls_status enter_member(struct parser *p, size_t start, size_t length)
{
    const struct fls_enum *members = p->at.enumeration;

    for (size_t i = 0; i < members->value_count; i++) {
        const struct fls_enum_value *member = &members->values[i];

        if (member->type == FLS_TYPE_NONE || strlen(member->name) != length ||
            memcmp(member->name, p->text + start, length) != 0)
            continue;
        struct step *step = add_step(p, p->path->union_in_vector ? STEP_UNION_ELEMENT : STEP_UNION);
        step->slot = p->path->union_slot;
        step->member = (uint8_t)member->value;
        add_step(p, p->path->union_in_vector ? STEP_FOLLOW_ELEMENT : STEP_FOLLOW);
        p->path->union_in_vector = 0;
        p->at = (struct fls_field){
            .name = member->name, .type = member->type, .object = member->object};
        return FLS_OK;
    }
    return REFUSE(p, start, length, "union %.60s has no member \"%.*s\"", members->name,
                  (int)(length < 40 ? length : 40), p->text + start);
}

static enum fls_status enter_name(struct parser *p, size_t start, size_t length)
{
    if (p->at.type == FLS_TYPE_OBJECT)
        return enter_field(p, start, length);
    if (p->at.type == FLS_TYPE_UNION)
        return enter_member(p, start, length);
    if (p->at.type == FLS_TYPE_VECTOR && p->at.nested) {
        add_step(p, STEP_NESTED);
        p->at =
            (struct fls_field){.name = p->at.name, .type = FLS_TYPE_OBJECT, .object = p->at.nested};
        return enter_field(p, start, length);
    }
    if (p->at.type == FLS_TYPE_VECTOR || p->at.type == FLS_TYPE_ARRAY)
        return REFUSE(p, start, length, "\"%.60s\" is a %s: [] or an index must come first",
                      p->at.name, fls_type_name(p->at.type));
    return REFUSE(p, start, length, "\"%.60s\" is of type %s and has no fields", p->at.name,
                  fls_type_name(p->at.type));
}

static enum fls_status parse_name(struct parser *p)
{
    size_t start = p->position;
    size_t length = strcspn(p->text + start, ".[]");

    if (length == 0)
        return REFUSE(p, start, p->text[start] ? 1 : 0, "a name is missing");
    p->position += length;
    return enter_name(p, start, length);
}

/* ---- indexes ----------------------------------------------------------------------------------
 */

/* The vector or array becomes its element. */
static void enter_element(struct parser *p, int each, uint32_t index)
{
    int is_array = p->at.type == FLS_TYPE_ARRAY;
    struct step *step = add_step(p, is_array ? (each ? STEP_ARRAY_EACH : STEP_ARRAY_ELEMENT)
                                             : (each ? STEP_EACH : STEP_ELEMENT));

    step->index = index;
    step->size = element_bytes(&p->at);
    step->count = p->at.length;
    p->at.type = p->at.element;
    p->at.element = FLS_TYPE_NONE;
    p->at.length = 0;
    p->at.nested = NULL;
    p->path->repeats |= each;
    p->path->defaulted = -1;
    p->path->union_in_vector = p->at.type == FLS_TYPE_UNION;
    if (p->at.type == FLS_TYPE_STRING || is_table(&p->at))
        add_step(p, STEP_FOLLOW_ELEMENT);
}

static enum fls_status check_index(const struct parser *p, size_t start, size_t length,
                                   uint64_t index)
{
    if (index > UINT32_MAX)
        return REFUSE(p, start, length, "the index is too large");
    if (p->at.type == FLS_TYPE_ARRAY && index >= p->at.length)
        return REFUSE(p, start, length, "\"%.60s\" has %" PRIu32 " elements", p->at.name,
                      p->at.length);
    return FLS_OK;
}

static enum fls_status parse_index(struct parser *p)
{
    size_t open = p->position, digits = open + 1;
    size_t count = strspn(p->text + digits, "0123456789");
    uint64_t index = 0;

    if (p->text[digits + count] != ']')
        return REFUSE(p, open, count + 1, "[ must be followed by a number or nothing, and ]");
    if (p->at.type != FLS_TYPE_VECTOR && p->at.type != FLS_TYPE_ARRAY)
        return REFUSE(p, open, count + 2, "\"%.60s\" is of type %s and has no elements", p->at.name,
                      fls_type_name(p->at.type));
    for (size_t i = 0; i < count && index <= UINT32_MAX; i++)
        index = index * 10 + (uint64_t)(p->text[digits + i] - '0');
    enum fls_status status = check_index(p, digits, count, index);
    if (status != FLS_OK)
        return status;
    p->position = digits + count + 1;
    enter_element(p, count == 0, (uint32_t)index);
    return FLS_OK;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static enum fls_value_kind kind_of(const struct fls_field *field)
{
    switch (field->type) {
    case FLS_TYPE_BOOL:
        return FLS_VALUE_BOOL;
    case FLS_TYPE_BYTE:
    case FLS_TYPE_SHORT:
    case FLS_TYPE_INT:
    case FLS_TYPE_LONG:
        return FLS_VALUE_SIGNED;
    case FLS_TYPE_FLOAT:
    case FLS_TYPE_DOUBLE:
        return FLS_VALUE_REAL;
    case FLS_TYPE_STRING:
        return FLS_VALUE_STRING;
    case FLS_TYPE_VECTOR:
    case FLS_TYPE_ARRAY:
        return FLS_VALUE_VECTOR;
    case FLS_TYPE_OBJECT:
        return field->object->is_struct ? FLS_VALUE_STRUCT : FLS_VALUE_TABLE;
    case FLS_TYPE_UNION:
        return FLS_VALUE_UNION;
    default:
        return FLS_VALUE_UNSIGNED;
    }
}

static enum fls_status parse(struct parser *p)
{
    enum fls_status status = parse_name(p);

    while (status == FLS_OK && p->text[p->position]) {
        if (p->text[p->position] == '[') {
            status = parse_index(p);
        } else if (p->text[p->position] == '.') {
            p->position++;
            status = parse_name(p);
        } else {
            return REFUSE(p, p->position, 1, "\"%c\" cannot stand here", p->text[p->position]);
        }
    }
    return status;
}

static size_t count_parts(const char *text)
{
    size_t parts = 1;

    for (; *text; text++)
        parts += *text == '.' || *text == '[';
    return parts;
}

static enum fls_status check_arguments(const struct fls_object *root, const char *text,
                                       struct fls_error *error)
{
    if (!root)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "the schema has no root table: name one");
    if (root->is_struct)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "%.60s is a struct; the root must be a table", root->name);
    if (strlen(text) > TEXT_BYTES_MAX)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "a path has at most %d characters",
                             TEXT_BYTES_MAX);
    return FLS_OK;
}

enum fls_status fls_path_compile(const struct fls_schema *schema, const struct fls_object *root,
                                 const char *text, struct fls_path **path, struct fls_error *error)
{
    if (!root)
        root = fls_schema_root(schema);
    enum fls_status status = check_arguments(root, text, error);
    if (status != FLS_OK)
        return status;
    size_t bytes =
        sizeof(struct fls_path) + STEPS_PER_PART * count_parts(text) * sizeof(struct step);
    struct parser p = {.text = text, .error = error};
    p.path = calloc(1, bytes);
    if (!p.path)
        return fls_error_no_memory(error, bytes);
    p.path->defaulted = -1;
    p.at = (struct fls_field){.name = root->name, .type = FLS_TYPE_OBJECT, .object = root};
    status = parse(&p);
    if (status != FLS_OK) {
        free(p.path);
        return status;
    }
    p.path->leaf = p.at;
    p.path->kind = kind_of(&p.at);
    if (p.at.element != FLS_TYPE_NONE)
        p.path->element_bytes = element_bytes(&p.at);
    *path = p.path;
    return FLS_OK;
}

void fls_path_close(struct fls_path *path)
{
    free(path);
}

enum fls_value_kind fls_path_kind(const struct fls_path *path)
{
    return path->kind;
}

const struct fls_enum *fls_path_enum(const struct fls_path *path)
{
    return path->leaf.enumeration;
}

int fls_path_repeats(const struct fls_path *path)
{
    return path->repeats;
}

enum fls_type fls_path_type(const struct fls_path *path)
{
    return path->leaf.type;
}
