/*
 * expression_operand.c: see expression_parser.h. The types of both sides of a comparison are
 * checked here, so that no message can meet one that means nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/enum_text.h"
#include "cli/expression_parser.h"

void cli_operand_free(struct cli_operand *operand)
{
    fls_path_close(operand->path);
    free(operand->text);
}

static int wrong(struct cli_parser *p, const struct cli_operand *operand, const char *what)
{
    return cli_mistaken(p->mistake, operand->at, operand->length, "%s", what);
}

/* --- paths ---------------------------------------------------------------------------------------
 */

int cli_path_mistake(const struct fls_error *error, size_t at, size_t length,
                     struct cli_mistake *mistake)
{
    size_t column = error->found > 0 ? (size_t)error->found - 1 : 0;

    column = column < length ? column : length;
    return cli_mistaken(mistake, at + column, (size_t)error->expected, "%s", error->reason);
}

static enum cli_class class_of(enum fls_value_kind kind)
{
    return kind == FLS_VALUE_STRING ? CLI_CLASS_TEXT
           : kind == FLS_VALUE_BOOL ? CLI_CLASS_BOOL
                                    : CLI_CLASS_NUMBER;
}

/* The word as a path; with a dot before it, it is nothing else. */
static int compile_path(struct cli_parser *p, struct cli_operand *operand)
{
    const char *word = p->lexer.text + p->lexer.at;
    size_t dot = *word == '.', length = p->lexer.length - dot;
    char *text = strndup(word + dot, length);
    struct fls_error error;

    if (!text)
        return cli_parser_out_of_memory(p);
    enum fls_status status = fls_path_compile(p->schema, p->root, text, &operand->path, &error);
    free(text);
    if (status == FLS_NO_MEMORY)
        return cli_parser_out_of_memory(p);
    if (status == FLS_OK) {
        operand->class_ = class_of(fls_path_kind(operand->path));
        return 1;
    }
    operand->is_name = 1;
    cli_path_mistake(&error, p->lexer.at + dot, length, p->mistake);
    return dot == 0;
}

int cli_parser_path(struct cli_parser *p, struct cli_operand *operand)
{
    operand->at = p->lexer.at;
    operand->length = p->lexer.length;
    if (p->lexer.token != CLI_TOKEN_PATH)
        return cli_parser_missing(p, "a field");
    return compile_path(p, operand) && !operand->is_name && cli_parser_advance(p);
}

/* length(path): from then on the operand is a number. */
static int read_length(struct cli_parser *p, struct cli_operand *operand)
{
    size_t at = p->lexer.at;

    if (!cli_parser_advance(p) || !cli_parser_take(p, CLI_TOKEN_OPEN, "( behind length") ||
        !cli_parser_path(p, operand))
        return 0;
    enum fls_value_kind kind = fls_path_kind(operand->path);
    if (kind != FLS_VALUE_STRING && kind != FLS_VALUE_VECTOR)
        return wrong(p, operand, "only a text and a vector have a length");
    operand->class_ = CLI_CLASS_NUMBER;
    operand->is_length = 1;
    operand->at = at;
    operand->length = p->lexer.at + 1 - at;
    return cli_parser_take(p, CLI_TOKEN_CLOSE, ")");
}

/* --- constants -----------------------------------------------------------------------------------
 */

static void set_bool(struct cli_operand *operand, int value)
{
    operand->class_ = CLI_CLASS_BOOL;
    operand->constant.kind = FLS_VALUE_BOOL;
    operand->constant.bool_value = value;
}

/* An integer, if that is what the digits are: 1 and 2 are not 1.0 and 2e0. */
static int read_integer(const char *digits, char **end, struct fls_value *value)
{
    int negative = *digits == '-';
    int hex = digits[negative] == '0' && (digits[negative + 1] | 0x20) == 'x';

    errno = 0;
    if (negative) {
        value->kind = FLS_VALUE_SIGNED;
        value->signed_value = strtoll(digits, end, hex ? 16 : 10);
        value->unsigned_value = (uint64_t)value->signed_value;
    } else {
        value->kind = FLS_VALUE_UNSIGNED;
        value->unsigned_value = strtoull(digits, end, hex ? 16 : 10);
        value->signed_value = (int64_t)value->unsigned_value;
    }
    return errno == 0;
}

static int read_number(struct cli_parser *p, struct cli_operand *operand)
{
    const char *digits = p->lexer.text + p->lexer.at;
    struct fls_value *value = &operand->constant;
    char *end;
    int fits = read_integer(digits, &end, value);

    operand->class_ = CLI_CLASS_NUMBER;
    if (end == digits + p->lexer.length)
        return fits ? 1 : wrong(p, operand, "the number does not fit into 64 bits");
    value->kind = FLS_VALUE_REAL;
    value->real_value = strtod(digits, &end);
    if (end != digits + p->lexer.length || !isfinite(value->real_value))
        return wrong(p, operand, "not a number");
    return 1;
}

/* \n, \t, \r; any other character behind a backslash stands for itself. */
static char unescape(char letter)
{
    switch (letter) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    default:
        return letter;
    }
}

static int read_string(struct cli_parser *p, struct cli_operand *operand)
{
    const char *from = p->lexer.text + p->lexer.at + 1, *end = from + p->lexer.length - 2;
    size_t length = 0;

    operand->text = malloc(p->lexer.length);
    if (!operand->text)
        return cli_parser_out_of_memory(p);
    for (; from < end; from++) {
        if (*from == '\\')
            operand->text[length++] = unescape(*++from);
        else
            operand->text[length++] = *from;
    }
    operand->text[length] = '\0';
    operand->class_ = CLI_CLASS_TEXT;
    operand->constant.kind = FLS_VALUE_STRING;
    operand->constant.text = operand->text;
    operand->constant.length = length;
    return 1;
}

/* One word as an operand, without what may stand behind it; goes on. */
static int read_word(struct cli_parser *p, struct cli_operand *operand)
{
    int good = 1;

    operand->at = p->lexer.at;
    operand->length = p->lexer.length;
    if (cli_word_is(&p->lexer, "true") || cli_word_is(&p->lexer, "false"))
        set_bool(operand, cli_word_is(&p->lexer, "true"));
    else if (p->lexer.token == CLI_TOKEN_PATH)
        good = compile_path(p, operand);
    else if (p->lexer.token == CLI_TOKEN_NUMBER)
        good = read_number(p, operand);
    else if (p->lexer.token == CLI_TOKEN_STRING)
        good = read_string(p, operand);
    else
        return cli_parser_missing(p, "a field or a value");
    if (!good)
        return 0;
    struct cli_mistake kept = *p->mistake; /* perhaps that it is no field */
    good = cli_parser_advance(p);
    if (good)
        *p->mistake = kept;
    return good;
}

/* --- the values of enums -------------------------------------------------------------------------
 */

/* Of what can be compared with one of its names. */
static const struct fls_enum *enum_of(const struct cli_operand *operand)
{
    return operand->path && !operand->is_length ? fls_path_enum(operand->path) : NULL;
}

/* "Colour.Red", "zoo.Colour.Red" and "Red" are the same. */
static const char *value_name(const struct fls_enum *enumeration, const char *name)
{
    const char *last = strrchr(name, '.'), *short_name = strrchr(enumeration->name, '.');
    size_t length = last ? (size_t)(last - name) : 0;

    short_name = short_name ? short_name + 1 : enumeration->name;
    if (last &&
        ((strlen(short_name) == length && strncmp(name, short_name, length) == 0) ||
         (strlen(enumeration->name) == length && strncmp(name, enumeration->name, length) == 0)))
        return last + 1;
    return name;
}

static const char *nearest_value(const struct fls_enum *enumeration, const char *name)
{
    for (size_t i = 0; i < enumeration->value_count; i++)
        if (cli_nearest(name, &enumeration->values[i].name, 1))
            return enumeration->values[i].name;
    return NULL;
}

static int no_such_value(struct cli_parser *p, const struct cli_operand *operand,
                         const struct fls_enum *enumeration, const char *name)
{
    const char *near = nearest_value(enumeration, name);

    return cli_mistaken(p->mistake, operand->at, operand->length, "no value of %s%s%s%s",
                        enumeration->name, near ? "; did you mean " : "", near ? near : "",
                        near ? "?" : "");
}

/* `operand` is a word or a string beside a field with this enum. */
static int take_enum_value(struct cli_parser *p, const struct fls_enum *enumeration,
                           struct cli_operand *operand)
{
    struct fls_value *value = &operand->constant;

    if (operand->is_name) {
        operand->text = strndup(p->lexer.text + operand->at, operand->length);
        if (!operand->text)
            return cli_parser_out_of_memory(p);
    }
    const char *name = value_name(enumeration, operand->text);
    if (!fls_enum_find(enumeration, name, &value->signed_value) &&
        !cli_flags_parse(enumeration, name, &value->signed_value))
        return no_such_value(p, operand, enumeration, name);
    value->kind = enumeration->underlying == FLS_TYPE_ULONG ? FLS_VALUE_UNSIGNED : FLS_VALUE_SIGNED;
    value->unsigned_value = (uint64_t)value->signed_value;
    operand->class_ = CLI_CLASS_NUMBER;
    operand->is_name = 0;
    return 1;
}

/* A word that is a field, beside a field whose enum has a value of that name. */
static int check_ambiguity(struct cli_parser *p, const struct fls_enum *enumeration,
                           const struct cli_operand *operand)
{
    char name[256];
    int64_t value;

    if (!operand->path || operand->is_length || operand->length >= sizeof name ||
        p->lexer.text[operand->at] == '.')
        return 1;
    memcpy(name, p->lexer.text + operand->at, operand->length);
    name[operand->length] = '\0';
    if (!fls_enum_find(enumeration, value_name(enumeration, name), &value))
        return 1;
    return cli_mistaken(p->mistake, operand->at, operand->length,
                        "ambiguous, a field and a value of %.60s: '%.50s' in quotes is the value, "
                        ".%.50s the field",
                        enumeration->name, name, name);
}

static int resolve(struct cli_parser *p, struct cli_operand *operand,
                   const struct cli_operand *other)
{
    const struct fls_enum *enumeration = enum_of(other);

    if (enumeration && (operand->is_name || operand->text))
        return take_enum_value(p, enumeration, operand);
    if (enumeration && !check_ambiguity(p, enumeration, operand))
        return 0;
    return !operand->is_name;
}

/* --- bits ----------------------------------------------------------------------------------------
 */

static int is_whole_number(const struct cli_operand *operand)
{
    enum fls_value_kind kind;

    if (!operand->path || operand->is_length)
        return 0;
    kind = fls_path_kind(operand->path);
    return kind == FLS_VALUE_SIGNED || kind == FLS_VALUE_UNSIGNED;
}

/* What stands behind &: a whole number, or the names of flags. */
static int read_mask(struct cli_parser *p, struct cli_operand *operand)
{
    size_t sign = p->lexer.at;
    struct cli_operand mask = {.path = NULL};
    int good;

    if (!is_whole_number(operand))
        return cli_mistaken(p->mistake, sign, 1,
                            "& tests the bits of a whole number; did you mean &&?");
    good = cli_parser_advance(p) && read_word(p, &mask) && resolve(p, &mask, operand);
    if (good &&
        (mask.path || mask.class_ != CLI_CLASS_NUMBER || mask.constant.kind == FLS_VALUE_REAL))
        good = wrong(p, &mask, "behind & a whole number or the name of a flag is wanted");
    operand->has_mask = 1;
    operand->mask = mask.constant.unsigned_value;
    operand->length = mask.at + mask.length - operand->at;
    cli_operand_free(&mask);
    return good;
}

int cli_parser_operand(struct cli_parser *p, struct cli_operand *operand)
{
    int good = cli_parser_at_call(p, "length") ? read_length(p, operand) : read_word(p, operand);

    if (!good)
        return 0;
    return p->lexer.token == CLI_TOKEN_BITS ? read_mask(p, operand) : 1;
}

/* --- comparisons ---------------------------------------------------------------------------------
 */

static int is_comparable(struct cli_parser *p, const struct cli_operand *operand)
{
    if (!operand->path || operand->is_length)
        return 1;
    switch (fls_path_kind(operand->path)) {
    case FLS_VALUE_VECTOR:
        return wrong(p, operand, "a vector: [] behind it means any element, [0] the first");
    case FLS_VALUE_TABLE:
        return wrong(p, operand, "a table: name one of its fields");
    case FLS_VALUE_STRUCT:
        return wrong(p, operand, "a struct: name one of its fields");
    default:
        return 1;
    }
}

/* A number of a field, beside a text that is a time. */
static int is_beside_time(const struct cli_operand *field, const struct cli_operand *text)
{
    return field->path && field->class_ == CLI_CLASS_NUMBER && !field->is_length &&
           !field->has_mask && !enum_of(field) && !text->path && text->class_ == CLI_CLASS_TEXT &&
           cli_is_instant(text->text);
}

/* The text becomes the number that the field has at that time, or the next one. */
static int take_time(struct cli_parser *p, const struct cli_operand *field,
                     struct cli_operand *text, int *is_exact)
{
    struct cli_instant instant;
    enum cli_time_unit unit = p->unit;

    if (!cli_instant_parse(text->text, &instant, p->mistake)) {
        p->mistake->at += text->at + 1;
        return 0;
    }
    if (unit == CLI_TIME_AUTO)
        unit = cli_unit_of_name(p->lexer.text + field->at, field->length);
    if (unit == CLI_TIME_PLAIN)
        return wrong(p, text,
                     "a time, beside a number of unknown unit: --time-unit says what it counts");
    struct cli_bound bound = cli_bound_of_instant(&instant, unit, fls_path_type(field->path));
    text->constant = bound.number;
    text->class_ = CLI_CLASS_NUMBER;
    *is_exact = bound.is_exact;
    return 1;
}

static int take_times(struct cli_parser *p, struct cli_expression *node)
{
    int is_exact = 1, good = 1;

    node->when_equal = CLI_EQUAL;
    if (is_beside_time(&node->a, &node->b)) {
        good = take_time(p, &node->a, &node->b, &is_exact);
        node->when_equal = is_exact ? CLI_EQUAL : CLI_GREATER;
    } else if (is_beside_time(&node->b, &node->a)) {
        good = take_time(p, &node->b, &node->a, &is_exact);
        node->when_equal = is_exact ? CLI_EQUAL : CLI_LESS;
    }
    return good;
}

/* What a float field is compared with becomes a float too: 0.1 is then the same number. */
static void round_beside_float(struct cli_operand *constant, const struct cli_operand *other)
{
    struct fls_value *value = &constant->constant;

    if (!constant->path && value->kind == FLS_VALUE_REAL && other->path &&
        fls_path_type(other->path) == FLS_TYPE_FLOAT && fabs(value->real_value) <= 3.4e38)
        value->real_value = (double)(float)value->real_value;
}

static const char *const class_names[] = {"a number", "a text", "a bool"};

static int check_classes(struct cli_parser *p, const struct cli_expression *node)
{
    size_t at = node->a.at, length = node->b.at + node->b.length - node->a.at;

    if (node->operator_ >= CLI_TOKEN_STARTSWITH) {
        if (node->a.class_ != CLI_CLASS_TEXT)
            return wrong(p, &node->a, "a text is wanted here");
        if (node->b.class_ != CLI_CLASS_TEXT)
            return wrong(p, &node->b, "a text is wanted here");
        return 1;
    }
    if (node->a.class_ != node->b.class_)
        return cli_mistaken(p->mistake, at, length, "%s cannot be compared with %s",
                            class_names[node->a.class_], class_names[node->b.class_]);
    if (node->a.class_ == CLI_CLASS_BOOL && node->operator_ != CLI_TOKEN_EQUAL &&
        node->operator_ != CLI_TOKEN_UNEQUAL)
        return cli_mistaken(p->mistake, at, length,
                            "a bool has no order: only == and != compare it");
    return 1;
}

int cli_parser_check_comparison(struct cli_parser *p, struct cli_expression *node)
{
    if (!resolve(p, &node->a, &node->b) || !resolve(p, &node->b, &node->a) ||
        !is_comparable(p, &node->a) || !is_comparable(p, &node->b) || !take_times(p, node) ||
        !check_classes(p, node))
        return 0;
    if (node->a.path && node->b.path && fls_path_repeats(node->a.path) &&
        fls_path_repeats(node->b.path))
        return wrong(p, &node->b, "only one side of a comparison may have []");
    round_beside_float(&node->a, &node->b);
    round_beside_float(&node->b, &node->a);
    return 1;
}

int cli_parser_check_truth(struct cli_parser *p, const struct cli_operand *operand)
{
    if (operand->is_name || !is_comparable(p, operand))
        return 0;
    if (operand->class_ == CLI_CLASS_BOOL || operand->has_mask)
        return 1;
    return cli_mistaken(p->mistake, operand->at, operand->length,
                        "%s is no condition: compare it with something",
                        class_names[operand->class_]);
}
