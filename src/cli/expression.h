/*
 * expression.h: conditions on the fields of a message, as `select --where` takes them.
 *
 *     condition   = conjunction { "||" conjunction }
 *     conjunction = negation { "&&" negation }
 *     negation    = "!" negation | "(" condition ")" | "has" "(" path ")"
 *                 | ("startswith" | "contains") "(" operand "," operand ")"
 *                 | operand [ ("==" | "!=" | "<" | "<=" | ">" | ">=") operand ]
 *     operand     = value [ "&" value ] | "length" "(" path ")"
 *     value       = path | number | string | "true" | "false" | name of an enum's value
 *
 * Everything is checked when it is compiled: names, and that what is compared is of one kind.
 * Numbers of every type compare by their exact values; beside one that counts seconds or parts of
 * them since 1970, a string can be a time. A path with `[]` means: any element. A dot before a path
 * says that it is one, where its name is that of an enum's value too.
 */
#ifndef CLI_EXPRESSION_H
#define CLI_EXPRESSION_H

#include <flatstream/schema.h>

#include "cli/instant.h"
#include "cli/mistake.h"

struct cli_expression;

/*
 * Compiles `text` for messages of `root`; the schema is borrowed. `unit`: what fields count that
 * are compared with times; AUTO: what their names end in. FLS_OK sets *expression.
 * FLS_INVALID_ARGUMENT: see *mistake. FLS_NO_MEMORY.
 */
enum fls_status cli_expression_compile(const struct fls_schema *schema,
                                       const struct fls_object *root, const char *text,
                                       enum cli_time_unit unit, struct cli_expression **expression,
                                       struct cli_mistake *mistake);

/* NULL is ignored. */
void cli_expression_free(struct cli_expression *expression);

/* 1: the message meets the condition; 0: it does not; -1: a field could not be read, because the
 * message is damaged. Reads only the fields named, never outside of the message. */
int cli_expression_test(const struct cli_expression *expression, const void *message, size_t bytes);

/* What is wrong with a path that fls_path_compile refused, which stands at `at` in the text. */
int cli_path_mistake(const struct fls_error *error, size_t at, size_t length,
                     struct cli_mistake *mistake);

#endif
