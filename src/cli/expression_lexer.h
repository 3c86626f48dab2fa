/*
 * expression_lexer.h: an expression cut into words.
 */
#ifndef CLI_EXPRESSION_LEXER_H
#define CLI_EXPRESSION_LEXER_H

#include "cli/mistake.h"

enum cli_token {
    CLI_TOKEN_END,
    CLI_TOKEN_PATH, /* also names, true, false, has, length, ... */
    CLI_TOKEN_NUMBER,
    CLI_TOKEN_STRING, /* with its quotes */
    CLI_TOKEN_OPEN,
    CLI_TOKEN_CLOSE,
    CLI_TOKEN_AND,
    CLI_TOKEN_OR,
    CLI_TOKEN_NOT,
    CLI_TOKEN_COMMA,
    CLI_TOKEN_BITS, /* & */
    CLI_TOKEN_EQUAL,
    CLI_TOKEN_UNEQUAL,
    CLI_TOKEN_LESS,
    CLI_TOKEN_LESS_EQUAL,
    CLI_TOKEN_GREATER,
    CLI_TOKEN_GREATER_EQUAL,
    CLI_TOKEN_STARTSWITH, /* no words of their own: what a call becomes in the tree */
    CLI_TOKEN_CONTAINS
};

/* The word looked at: text[at .. at + length). */
struct cli_lexer {
    const char *text;
    enum cli_token token;
    size_t at;
    size_t length;
};

/* Goes on to the next word (with all zero but `text`: the first). 1, or 0 and *mistake. */
int cli_lex(struct cli_lexer *lexer, struct cli_mistake *mistake);

/* Is it this very word? */
int cli_word_is(const struct cli_lexer *lexer, const char *word);

#endif
