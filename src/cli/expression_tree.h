/*
 * expression_tree.h: a compiled expression. expression.c makes it, expression_test.c runs it.
 */
#ifndef CLI_EXPRESSION_TREE_H
#define CLI_EXPRESSION_TREE_H

#include "cli/expression.h"
#include "cli/expression_lexer.h"

/* What can be compared with what: each only with its own class. */
enum cli_class { CLI_CLASS_NUMBER, CLI_CLASS_TEXT, CLI_CLASS_BOOL };

/*
 * One side of a comparison: a path, or (path NULL) a constant. Where it stands is kept for
 * mistakes. `name`: a word that is no field, perhaps an enum's value.
 */
struct cli_operand {
    struct fls_path *path;
    struct fls_value constant;
    enum cli_class class_;
    int is_name;
    char *text; /* owned: of a string constant */
    size_t at;
    size_t length;
};

enum cli_node_kind {
    CLI_NODE_AND,
    CLI_NODE_OR,
    CLI_NODE_NOT,     /* of `left` */
    CLI_NODE_COMPARE, /* `a` and `b` */
    CLI_NODE_TRUTH,   /* `a`, which is a bool */
    CLI_NODE_HAS      /* the path of `a` */
};

struct cli_expression {
    enum cli_node_kind kind;
    enum cli_token operator_;
    struct cli_expression *left;
    struct cli_expression *right;
    struct cli_operand a;
    struct cli_operand b;
};

#endif
