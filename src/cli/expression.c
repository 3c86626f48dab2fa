/*
 * expression.c: an expression's text becomes a tree, by recursive descent.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/expression_parser.h"

/* More is no condition that a person writes, and would cost stack. */
#define NODES_MAX 1000
#define NESTED_MAX 100

int cli_parser_out_of_memory(struct cli_parser *p)
{
    p->no_memory = 1;
    return cli_mistaken(p->mistake, 0, 0, "out of memory");
}

int cli_parser_advance(struct cli_parser *p)
{
    return cli_lex(&p->lexer, p->mistake);
}

int cli_parser_missing(struct cli_parser *p, const char *wanted)
{
    struct cli_lexer *lexer = &p->lexer;

    if (lexer->token == CLI_TOKEN_END)
        return cli_mistaken(p->mistake, lexer->at, 0, "%s is missing at the end", wanted);
    return cli_mistaken(p->mistake, lexer->at, lexer->length, "%s is missing here", wanted);
}

int cli_parser_take(struct cli_parser *p, enum cli_token token, const char *wanted)
{
    return p->lexer.token == token ? cli_parser_advance(p) : cli_parser_missing(p, wanted);
}

int cli_parser_at_call(const struct cli_parser *p, const char *word)
{
    const char *behind = p->lexer.text + p->lexer.at + p->lexer.length;

    return cli_word_is(&p->lexer, word) && behind[strspn(behind, " \t\n")] == '(';
}

/* --- nodes -------------------------------------------------------------------------------------
 */

void cli_expression_free(struct cli_expression *expression)
{
    if (!expression)
        return;
    cli_expression_free(expression->left);
    cli_expression_free(expression->right);
    cli_operand_free(&expression->a);
    cli_operand_free(&expression->b);
    free(expression);
}

static struct cli_expression *new_node(struct cli_parser *p, enum cli_node_kind kind)
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
        cli_parser_out_of_memory(p);
    return node;
}

/* --- the grammar -------------------------------------------------------------------------------
 */

static int parse_condition(struct cli_parser *p, struct cli_expression **made);

static int is_comparison(enum cli_token token)
{
    return token >= CLI_TOKEN_EQUAL;
}

static int parse_comparison(struct cli_parser *p, struct cli_expression **made)
{
    struct cli_expression *node = *made = new_node(p, CLI_NODE_TRUTH);

    if (!node || !cli_parser_operand(p, &node->a))
        return 0;
    if (!is_comparison(p->lexer.token))
        return cli_parser_check_truth(p, &node->a);
    struct cli_mistake kept = *p->mistake; /* perhaps that `a` is no field */
    node->kind = CLI_NODE_COMPARE;
    node->operator_ = p->lexer.token;
    if (!cli_parser_advance(p) || !cli_parser_operand(p, &node->b))
        return 0;
    if (node->a.is_name)
        *p->mistake = kept;
    if (!cli_parser_check_comparison(p, node))
        return 0;
    if (is_comparison(p->lexer.token))
        return cli_mistaken(p->mistake, p->lexer.at, p->lexer.length,
                            "a comparison cannot be compared: join two with &&");
    return 1;
}

static int parse_has(struct cli_parser *p, struct cli_expression **made)
{
    struct cli_expression *node = *made = new_node(p, CLI_NODE_HAS);

    return node && cli_parser_advance(p) && cli_parser_take(p, CLI_TOKEN_OPEN, "( behind has") &&
           cli_parser_path(p, &node->a) && cli_parser_take(p, CLI_TOKEN_CLOSE, ")");
}

/* startswith(text, text), contains(text, text) */
static int parse_text_call(struct cli_parser *p, enum cli_token operator_,
                           struct cli_expression **made)
{
    struct cli_expression *node = *made = new_node(p, CLI_NODE_COMPARE);

    if (!node)
        return 0;
    node->operator_ = operator_;
    return cli_parser_advance(p) && cli_parser_advance(p) && cli_parser_operand(p, &node->a) &&
           !node->a.is_name && cli_parser_take(p, CLI_TOKEN_COMMA, ", and a text") &&
           cli_parser_operand(p, &node->b) && !node->b.is_name &&
           cli_parser_check_comparison(p, node) && cli_parser_take(p, CLI_TOKEN_CLOSE, ")");
}

static int parse_group(struct cli_parser *p, struct cli_expression **made)
{
    return cli_parser_advance(p) && parse_condition(p, made) &&
           cli_parser_take(p, CLI_TOKEN_CLOSE, "&&, || or )");
}

static int parse_negation(struct cli_parser *p, struct cli_expression **made)
{
    int good;

    if (++p->nested > NESTED_MAX)
        return cli_mistaken(p->mistake, p->lexer.at, p->lexer.length, "nested too deeply");
    if (p->lexer.token == CLI_TOKEN_NOT) {
        *made = new_node(p, CLI_NODE_NOT);
        good = *made && cli_parser_advance(p) && parse_negation(p, &(*made)->left);
    } else if (p->lexer.token == CLI_TOKEN_OPEN) {
        good = parse_group(p, made);
    } else if (cli_parser_at_call(p, "has")) {
        good = parse_has(p, made);
    } else if (cli_parser_at_call(p, "startswith")) {
        good = parse_text_call(p, CLI_TOKEN_STARTSWITH, made);
    } else if (cli_parser_at_call(p, "contains")) {
        good = parse_text_call(p, CLI_TOKEN_CONTAINS, made);
    } else {
        good = parse_comparison(p, made);
    }
    p->nested--;
    return good;
}

typedef int parse_function(struct cli_parser *p, struct cli_expression **made);

/* Parts joined by one operator, from the left. */
static int parse_chain(struct cli_parser *p, enum cli_token token, enum cli_node_kind kind,
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
        if (!cli_parser_advance(p) || !part(p, &node->right))
            return 0;
    }
    return 1;
}

static int parse_conjunction(struct cli_parser *p, struct cli_expression **made)
{
    return parse_chain(p, CLI_TOKEN_AND, CLI_NODE_AND, parse_negation, made);
}

static int parse_condition(struct cli_parser *p, struct cli_expression **made)
{
    return parse_chain(p, CLI_TOKEN_OR, CLI_NODE_OR, parse_conjunction, made);
}

static int parse_all(struct cli_parser *p, struct cli_expression **made)
{
    if (!cli_parser_advance(p))
        return 0;
    if (p->lexer.token == CLI_TOKEN_END)
        return cli_mistaken(p->mistake, p->lexer.at, 0, "the condition is empty");
    if (!parse_condition(p, made))
        return 0;
    return p->lexer.token == CLI_TOKEN_END ? 1
                                           : cli_parser_missing(p, "an operator (==, &&, ||, ...)");
}

enum fls_status cli_expression_compile(const struct fls_schema *schema,
                                       const struct fls_object *root, const char *text,
                                       enum cli_time_unit unit, struct cli_expression **expression,
                                       struct cli_mistake *mistake)
{
    struct cli_parser parser = {
        .schema = schema, .root = root, .unit = unit, .lexer = {.text = text}, .mistake = mistake};
    struct cli_expression *made = NULL;

    if (parse_all(&parser, &made)) {
        *expression = made;
        return FLS_OK;
    }
    cli_expression_free(made);
    return parser.no_memory ? FLS_NO_MEMORY : FLS_INVALID_ARGUMENT;
}
