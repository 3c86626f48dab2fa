/*
 * expression_parser.h: what the grammar (expression.c) and the operands in it
 * (expression_operand.c) share.
 *
 * Functions that parse return 1, or 0 with the mistake filled; memory that ran out is a mistake
 * with `no_memory` set.
 */
#ifndef CLI_EXPRESSION_PARSER_H
#define CLI_EXPRESSION_PARSER_H

#include "cli/expression_tree.h"

struct cli_parser {
    const struct fls_schema *schema;
    const struct fls_object *root;
    enum cli_time_unit unit; /* of fields that are compared with times */
    struct cli_lexer lexer;
    struct cli_mistake *mistake;
    unsigned nodes;
    unsigned nested;
    int no_memory;
};

/* Goes on to the next word. */
int cli_parser_advance(struct cli_parser *p);

/* Goes on when this is the next word, else says that `wanted` is missing. */
int cli_parser_take(struct cli_parser *p, enum cli_token token, const char *wanted);

/* Return 0. */
int cli_parser_missing(struct cli_parser *p, const char *wanted);
int cli_parser_out_of_memory(struct cli_parser *p);

/* Is it this word, with a parenthesis behind it? Else it may be a field of that name. */
int cli_parser_at_call(const struct cli_parser *p, const char *word);

/*
 * Reads an operand and goes on behind it. A word that is no field may be the name of an enum's
 * value, which shows only when the other side is known: then `is_name` is set, and the mistake that
 * it is if not is in *mistake all the same.
 */
int cli_parser_operand(struct cli_parser *p, struct cli_operand *operand);

/* Reads a path, which must be one, and goes on behind it. */
int cli_parser_path(struct cli_parser *p, struct cli_operand *operand);

/* Gives names their enum's value and texts their time, and checks that the two sides of a
 * comparison, of texts only for startswith and contains, have something in common. */
int cli_parser_check_comparison(struct cli_parser *p, struct cli_expression *node);

/* Can the operand stand by itself? */
int cli_parser_check_truth(struct cli_parser *p, const struct cli_operand *operand);

void cli_operand_free(struct cli_operand *operand);

#endif
