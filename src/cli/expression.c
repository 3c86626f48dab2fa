/*
 * expression.c: an expression's text becomes a tree, by recursive descent; its types are checked on
 * the way up, so that no message can meet a comparison that means nothing.
 *
 * Functions that parse return 1, or 0 with the mistake filled; memory that ran out is a mistake
 * with `no_memory` set.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/expression_tree.h"

/* More is no condition that a person writes, and would cost stack. */
#define NODES_MAX 1000
#define NESTED_MAX 100

struct parser {
    const struct fls_schema *schema;
    const struct fls_object *root;
    struct cli_lexer lexer;
    struct cli_mistake *mistake;
    unsigned nodes;
    unsigned nested;
    int no_memory;
};

static int out_of_memory(struct parser *p)
{
    p->no_memory = 1;
    return cli_mistaken(p->mistake, 0, 0, "out of memory");
}

static int advance(struct parser *p)
{
    return cli_lex(&p->lexer, p->mistake);
}

static int unexpected(struct parser *p, const char *wanted)
{
    struct cli_lexer *lexer = &p->lexer;

    if (lexer->token == CLI_TOKEN_END)
        return cli_mistaken(p->mistake, lexer->at, 0, "%s is missing at the end", wanted);
    return cli_mistaken(p->mistake, lexer->at, lexer->length, "%s is missing here", wanted);
}

static int word_is(const struct cli_lexer *lexer, const char *word)
{
    return lexer->token == CLI_TOKEN_PATH && lexer->length == strlen(word) &&
           strncmp(lexer->text + lexer->at, word, lexer->length) == 0;
}

/* --- nodes -------------------------------------------------------------------------------------
 */

static void free_operand(struct cli_operand *operand)
{
    fls_path_close(operand->path);
    free(operand->text);
}

void cli_expression_free(struct cli_expression *expression)
{
    if (!expression)
        return;
    cli_expression_free(expression->left);
    cli_expression_free(expression->right);
    free_operand(&expression->a);
    free_operand(&expression->b);
    free(expression);
}

static struct cli_expression *new_node(struct parser *p, enum cli_node_kind kind)
{
    struct cli_expression *node = NULL;

    if (++p->nodes > NODES_MAX) {
        cli_mistaken(p->mistake, p->lexer.at, p->lexer.length, "more than %d conditions",
                     NODES_MAX);
        return NULL;
    }
    node = calloc(1, sizeof *node);
    if (node)
        node->kind = kind;
    else
        out_of_memory(p);
    return node;
}

/* --- operands ----------------------------------------------------------------------------------
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

/* The word as a path. A word that is none may be the name of an enum's value, which shows only when
 * the other side is known; the mistake is kept until then. */
static int compile_path(struct parser *p, struct cli_operand *operand)
{
    const char *from = p->lexer.text + p->lexer.at;
    char *text = strndup(from, p->lexer.length);
    struct fls_error error;

    if (!text)
        return out_of_memory(p);
    enum fls_status status = fls_path_compile(p->schema, p->root, text, &operand->path, &error);
    free(text);
    if (status == FLS_NO_MEMORY)
        return out_of_memory(p);
    if (status == FLS_OK) {
        operand->class_ = class_of(fls_path_kind(operand->path));
        return 1;
    }
    operand->is_name = 1;
    cli_path_mistake(&error, p->lexer.at, p->lexer.length, p->mistake);
    return 1;
}

static int set_bool(struct cli_operand *operand, int value)
{
    operand->class_ = CLI_CLASS_BOOL;
    operand->constant.kind = FLS_VALUE_BOOL;
    operand->constant.bool_value = value;
    return 1;
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
    } else {
        value->kind = FLS_VALUE_UNSIGNED;
        value->unsigned_value = strtoull(digits, end, hex ? 16 : 10);
        value->signed_value = (int64_t)value->unsigned_value;
    }
    return errno == 0;
}

static int read_number(struct parser *p, struct cli_operand *operand)
{
    const char *digits = p->lexer.text + p->lexer.at;
    struct fls_value *value = &operand->constant;
    char *end;
    int fits = read_integer(digits, &end, value);

    operand->class_ = CLI_CLASS_NUMBER;
    if (end == digits + p->lexer.length) {
        if (fits)
            return 1;
        return cli_mistaken(p->mistake, p->lexer.at, p->lexer.length,
                            "the number does not fit into 64 bits");
    }
    value->kind = FLS_VALUE_REAL;
    value->real_value = strtod(digits, &end);
    if (end != digits + p->lexer.length || !isfinite(value->real_value))
        return cli_mistaken(p->mistake, p->lexer.at, p->lexer.length, "not a number");
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

static int read_string(struct parser *p, struct cli_operand *operand)
{
    const char *from = p->lexer.text + p->lexer.at + 1, *end = from + p->lexer.length - 2;
    size_t length = 0;

    operand->text = malloc(p->lexer.length);
    if (!operand->text)
        return out_of_memory(p);
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

static int read_operand(struct parser *p, struct cli_operand *operand)
{
    int good = 1;

    operand->at = p->lexer.at;
    operand->length = p->lexer.length;
    if (word_is(&p->lexer, "true") || word_is(&p->lexer, "false"))
        good = set_bool(operand, word_is(&p->lexer, "true"));
    else if (p->lexer.token == CLI_TOKEN_PATH)
        good = compile_path(p, operand);
    else if (p->lexer.token == CLI_TOKEN_NUMBER)
        good = read_number(p, operand);
    else if (p->lexer.token == CLI_TOKEN_STRING)
        good = read_string(p, operand);
    else
        return unexpected(p, "a field or a value");
    return good;
}

/* --- types -------------------------------------------------------------------------------------
 */

static int is_comparable(struct parser *p, const struct cli_operand *operand)
{
    const char *what;

    if (!operand->path)
        return 1;
    switch (fls_path_kind(operand->path)) {
    case FLS_VALUE_VECTOR:
        return cli_mistaken(p->mistake, operand->at, operand->length,
                            "a vector: [] behind it means any element, [0] the first");
    case FLS_VALUE_TABLE:
        what = "a table";
        break;
    case FLS_VALUE_STRUCT:
        what = "a struct";
        break;
    default:
        return 1;
    }
    return cli_mistaken(p->mistake, operand->at, operand->length, "%s: name one of its fields",
                        what);
}

static const struct fls_enum *enum_of(const struct cli_operand *operand)
{
    return operand->path ? fls_path_enum(operand->path) : NULL;
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

/* `operand` is a word or a string beside a field with this enum. */
static int take_enum_value(struct parser *p, const struct fls_enum *enumeration,
                           struct cli_operand *operand)
{
    char *name =
        operand->is_name ? strndup(p->lexer.text + operand->at, operand->length) : operand->text;
    struct fls_value *value = &operand->constant;

    if (!name)
        return out_of_memory(p);
    operand->text = name;
    const char *found = value_name(enumeration, name);
    if (!fls_enum_find(enumeration, found, &value->signed_value)) {
        const char *near = nearest_value(enumeration, found);
        return cli_mistaken(p->mistake, operand->at, operand->length, "no value of %s%s%s%s",
                            enumeration->name, near ? "; did you mean " : "", near ? near : "",
                            near ? "?" : "");
    }
    value->kind = enumeration->underlying == FLS_TYPE_ULONG ? FLS_VALUE_UNSIGNED : FLS_VALUE_SIGNED;
    value->unsigned_value = (uint64_t)value->signed_value;
    operand->class_ = CLI_CLASS_NUMBER;
    operand->is_name = 0;
    return 1;
}

static int resolve(struct parser *p, struct cli_operand *operand, const struct cli_operand *other)
{
    const struct fls_enum *enumeration = enum_of(other);

    if (enumeration && (operand->is_name || operand->text))
        return take_enum_value(p, enumeration, operand);
    return !operand->is_name;
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

static int check_compare(struct parser *p, struct cli_expression *node)
{
    if (!resolve(p, &node->a, &node->b) || !resolve(p, &node->b, &node->a) ||
        !is_comparable(p, &node->a) || !is_comparable(p, &node->b))
        return 0;
    if (node->a.class_ != node->b.class_)
        return cli_mistaken(p->mistake, node->a.at, node->b.at + node->b.length - node->a.at,
                            "%s cannot be compared with %s", class_names[node->a.class_],
                            class_names[node->b.class_]);
    if (node->a.class_ == CLI_CLASS_BOOL && node->operator_ != CLI_TOKEN_EQUAL &&
        node->operator_ != CLI_TOKEN_UNEQUAL)
        return cli_mistaken(p->mistake, node->a.at, node->b.at + node->b.length - node->a.at,
                            "a bool has no order: only == and != compare it");
    if (node->a.path && node->b.path && fls_path_repeats(node->a.path) &&
        fls_path_repeats(node->b.path))
        return cli_mistaken(p->mistake, node->b.at, node->b.length,
                            "only one side of a comparison may have []");
    round_beside_float(&node->a, &node->b);
    round_beside_float(&node->b, &node->a);
    return 1;
}

static int check_truth(struct parser *p, const struct cli_expression *node)
{
    if (node->a.is_name)
        return 0;
    if (!is_comparable(p, &node->a))
        return 0;
    if (node->a.class_ == CLI_CLASS_BOOL)
        return 1;
    return cli_mistaken(p->mistake, node->a.at, node->a.length,
                        "%s is no condition: compare it with something",
                        class_names[node->a.class_]);
}

/* --- the grammar -------------------------------------------------------------------------------
 */

static int parse_condition(struct parser *p, struct cli_expression **made);

static int is_comparison(enum cli_token token)
{
    return token >= CLI_TOKEN_EQUAL;
}

static int parse_comparison(struct parser *p, struct cli_expression **made)
{
    struct cli_expression *node = *made = new_node(p, CLI_NODE_TRUTH);
    struct cli_mistake kept;

    if (!node || !read_operand(p, &node->a))
        return 0;
    kept = *p->mistake; /* perhaps that `a` is no field */
    if (!advance(p))
        return 0;
    if (!is_comparison(p->lexer.token)) {
        *p->mistake = kept;
        return check_truth(p, node);
    }
    node->kind = CLI_NODE_COMPARE;
    node->operator_ = p->lexer.token;
    if (!advance(p) || !read_operand(p, &node->b))
        return 0;
    if (node->a.is_name)
        *p->mistake = kept;
    if (!check_compare(p, node) || !advance(p))
        return 0;
    if (is_comparison(p->lexer.token))
        return cli_mistaken(p->mistake, p->lexer.at, p->lexer.length,
                            "a comparison cannot be compared: join two with &&");
    return 1;
}

static int parse_has(struct parser *p, struct cli_expression **made)
{
    struct cli_expression *node = *made = new_node(p, CLI_NODE_HAS);

    if (!node || !advance(p))
        return 0;
    if (p->lexer.token != CLI_TOKEN_OPEN)
        return unexpected(p, "( behind has");
    if (!advance(p))
        return 0;
    if (p->lexer.token != CLI_TOKEN_PATH)
        return unexpected(p, "a field");
    if (!compile_path(p, &node->a) || node->a.is_name || !advance(p))
        return 0;
    if (p->lexer.token != CLI_TOKEN_CLOSE)
        return unexpected(p, ")");
    return advance(p);
}

static int parse_group(struct parser *p, struct cli_expression **made)
{
    if (!advance(p) || !parse_condition(p, made))
        return 0;
    if (p->lexer.token != CLI_TOKEN_CLOSE)
        return unexpected(p, "&&, || or )");
    return advance(p);
}

/* Is the word `has` followed by a parenthesis? Else it may be a field of that name. */
static int is_has(const struct cli_lexer *lexer)
{
    const char *behind = lexer->text + lexer->at + lexer->length;

    return word_is(lexer, "has") && behind[strspn(behind, " \t\n")] == '(';
}

static int parse_negation(struct parser *p, struct cli_expression **made)
{
    int good;

    if (++p->nested > NESTED_MAX)
        return cli_mistaken(p->mistake, p->lexer.at, p->lexer.length, "nested too deeply");
    if (p->lexer.token == CLI_TOKEN_NOT) {
        *made = new_node(p, CLI_NODE_NOT);
        good = *made && advance(p) && parse_negation(p, &(*made)->left);
    } else if (p->lexer.token == CLI_TOKEN_OPEN) {
        good = parse_group(p, made);
    } else if (is_has(&p->lexer)) {
        good = parse_has(p, made);
    } else {
        good = parse_comparison(p, made);
    }
    p->nested--;
    return good;
}

typedef int parse_function(struct parser *p, struct cli_expression **made);

/* Parts joined by one operator, from the left. */
static int parse_chain(struct parser *p, enum cli_token token, enum cli_node_kind kind,
                       parse_function *part, struct cli_expression **made)
{
    if (!part(p, made))
        return 0;
    while (p->lexer.token == token) {
        struct cli_expression *node = new_node(p, kind);
        if (!node)
            return 0;
        node->left = *made;
        *made = node;
        if (!advance(p) || !part(p, &node->right))
            return 0;
    }
    return 1;
}

static int parse_conjunction(struct parser *p, struct cli_expression **made)
{
    return parse_chain(p, CLI_TOKEN_AND, CLI_NODE_AND, parse_negation, made);
}

static int parse_condition(struct parser *p, struct cli_expression **made)
{
    return parse_chain(p, CLI_TOKEN_OR, CLI_NODE_OR, parse_conjunction, made);
}

static int parse_all(struct parser *p, struct cli_expression **made)
{
    if (!advance(p))
        return 0;
    if (p->lexer.token == CLI_TOKEN_END)
        return cli_mistaken(p->mistake, p->lexer.at, 0, "the condition is empty");
    if (!parse_condition(p, made))
        return 0;
    return p->lexer.token == CLI_TOKEN_END ? 1 : unexpected(p, "an operator (==, &&, ||, ...)");
}

enum fls_status cli_expression_compile(const struct fls_schema *schema,
                                       const struct fls_object *root, const char *text,
                                       struct cli_expression **expression,
                                       struct cli_mistake *mistake)
{
    struct parser parser = {
        .schema = schema, .root = root, .lexer = {.text = text}, .mistake = mistake};
    struct cli_expression *made = NULL;

    if (parse_all(&parser, &made)) {
        *expression = made;
        return FLS_OK;
    }
    cli_expression_free(made);
    return parser.no_memory ? FLS_NO_MEMORY : FLS_INVALID_ARGUMENT;
}
