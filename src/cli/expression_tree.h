/*
 * expression_tree.h: a compiled expression. expression.c makes it, expression_test.c runs it.
 */
#ifndef CLI_EXPRESSION_TREE_H
#define CLI_EXPRESSION_TREE_H

#include "cli/expression.h"
#include "cli/expression_lexer.h"
#include "cli/order.h"

/* What can be compared with what: each only with its own class. */
enum cli_class { CLI_CLASS_NUMBER, CLI_CLASS_TEXT, CLI_CLASS_BOOL };

/*
 * One side of a comparison: a path, or (path NULL) a constant. Where it stands is kept for
 * mistakes.
 *
 *   is_name    a word that is no field, perhaps an enum's value
 *   is_length  the length of what the path leads to is meant
 *   has_mask   only the bits in `mask` are meant
 */
struct cli_operand {
    struct fls_path *path;
    struct fls_value constant;
    enum cli_class class_;
    int is_name;
    int is_length;
    int has_mask;
    uint64_t mask;
    char *text; /* owned: of a string constant */
    size_t at;
    size_t length;
};

enum cli_node_kind {
    CLI_NODE_AND,
    CLI_NODE_OR,
    CLI_NODE_NOT,     /* of `left` */
    CLI_NODE_COMPARE, /* `a` and `b` */
    CLI_NODE_TRUTH,   /* `a`, which is a bool, or bits */
    CLI_NODE_HAS      /* the path of `a` */
};

/* when_equal: how the sides of a comparison stand to each other when they are equal; a time that
 * lies between two numbers of the field is just before the second. */
struct cli_expression {
    enum cli_node_kind kind;
    enum cli_token operator_;
    enum cli_order when_equal;
    struct cli_expression *left;
    struct cli_expression *right;
    struct cli_operand a;
    struct cli_operand b;
};

#endif
