/*
 * enum_text.h: the values of enums as text, the same wherever they are printed or given: a value's
 * name; the names of several bit flags with spaces between; else the number.
 */
#ifndef CLI_ENUM_TEXT_H
#define CLI_ENUM_TEXT_H

#include <flatstream/schema.h>

/* Is it an enum of single bits? Only then can a sum of its values be meant. */
int cli_is_flags(const struct fls_enum *enumeration);

/* Has the value a name? Of no enum (NULL) it has none. */
int cli_enum_has_name(const struct fls_enum *enumeration, int64_t value);

/*
 * The name of a value in pieces: hands each to `put` in turn, and returns 1; 0, and nothing was
 * handed over, for a value that has none.
 */
typedef void cli_put_text(void *context, const char *text, size_t length);
int cli_enum_put(const struct fls_enum *enumeration, int64_t value, cli_put_text *put,
                 void *context);

/* The same into `text`, terminated and cut to `size`. */
int cli_enum_name(const struct fls_enum *enumeration, int64_t value, char *text, size_t size);

/* The sum of flags whose names stand in `names`, with spaces between: 1 and *value, or 0. */
int cli_flags_parse(const struct fls_enum *enumeration, const char *names, int64_t *value);

#endif
