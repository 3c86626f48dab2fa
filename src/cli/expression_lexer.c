/*
 * expression_lexer.c: see expression_lexer.h. Bytes that are not ASCII stand in strings only.
 */
#include <ctype.h>
#include <string.h>

#include "cli/expression_lexer.h"

static const struct {
    const char *text;
    enum cli_token token;
} signs[] = {
    {"&&", CLI_TOKEN_AND},     {"||", CLI_TOKEN_OR},         {"==", CLI_TOKEN_EQUAL},
    {"!=", CLI_TOKEN_UNEQUAL}, {"<=", CLI_TOKEN_LESS_EQUAL}, {">=", CLI_TOKEN_GREATER_EQUAL},
    {"<", CLI_TOKEN_LESS},     {">", CLI_TOKEN_GREATER},     {"!", CLI_TOKEN_NOT},
    {"(", CLI_TOKEN_OPEN},     {")", CLI_TOKEN_CLOSE},       {",", CLI_TOKEN_COMMA},
    {"&", CLI_TOKEN_BITS}};

static int is_letter(char byte)
{
    return isalpha((unsigned char)byte) || byte == '_';
}

static int is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Names, dots, and brackets with a number or nothing in them. */
static size_t path_length(const char *text)
{
    size_t length = 0;

    for (;;) {
        if (is_letter(text[length]) || is_digit(text[length]) || text[length] == '.') {
            length++;
        } else if (text[length] == '[') {
            size_t inside = strspn(text + length + 1, "0123456789");
            if (text[length + 1 + inside] != ']')
                return length + 1 + inside;
            length += inside + 2;
        } else {
            return length;
        }
    }
}

/* All that could be meant as one number; what strtod does not take of it is a mistake. */
static size_t number_length(const char *text)
{
    size_t length = text[0] == '-';

    while (is_letter(text[length]) || is_digit(text[length]) || text[length] == '.' ||
           (strchr("+-", text[length]) && text[length] &&
            tolower((unsigned char)text[length - 1]) == 'e'))
        length++;
    return length;
}

static int lex_string(struct cli_lexer *lexer, struct cli_mistake *mistake)
{
    const char *text = lexer->text + lexer->at;
    size_t length = 1;

    while (text[length] && text[length] != text[0])
        length += text[length] == '\\' && text[length + 1] ? 2 : 1;
    lexer->token = CLI_TOKEN_STRING;
    lexer->length = length + 1;
    if (text[length])
        return 1;
    return cli_mistaken(mistake, lexer->at, length, "the string is not closed");
}

static int lex_sign(struct cli_lexer *lexer, struct cli_mistake *mistake)
{
    const char *text = lexer->text + lexer->at;

    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (strncmp(text, signs[i].text, strlen(signs[i].text)) == 0) {
            lexer->token = signs[i].token;
            lexer->length = strlen(signs[i].text);
            return 1;
        }
    if (strchr("=|", *text))
        return cli_mistaken(mistake, lexer->at, 1, "'%c' means nothing here; did you mean %c%c?",
                            *text, *text, *text);
    if (isprint((unsigned char)*text))
        return cli_mistaken(mistake, lexer->at, 1, "'%c' means nothing here", *text);
    return cli_mistaken(mistake, lexer->at, 1, "a character that means nothing here");
}

int cli_word_is(const struct cli_lexer *lexer, const char *word)
{
    return lexer->token == CLI_TOKEN_PATH && lexer->length == strlen(word) &&
           strncmp(lexer->text + lexer->at, word, lexer->length) == 0;
}

int cli_lex(struct cli_lexer *lexer, struct cli_mistake *mistake)
{
    lexer->at += lexer->length;
    while (isspace((unsigned char)lexer->text[lexer->at]))
        lexer->at++;
    lexer->length = 0;
    const char *text = lexer->text + lexer->at;
    if (*text == '\0') {
        lexer->token = CLI_TOKEN_END;
    } else if (is_letter(*text) || (*text == '.' && is_letter(text[1]))) {
        lexer->token = CLI_TOKEN_PATH;
        lexer->length = path_length(text);
    } else if (is_digit(*text) || ((*text == '-' || *text == '.') && is_digit(text[1])) ||
               (*text == '-' && text[1] == '.')) {
        lexer->token = CLI_TOKEN_NUMBER;
        lexer->length = number_length(text);
    } else if (*text == '"' || *text == '\'') {
        return lex_string(lexer, mistake);
    } else {
        return lex_sign(lexer, mistake);
    }
    return 1;
}
