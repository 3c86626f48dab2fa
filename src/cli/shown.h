/*
 * shown.h: other people's bytes as text that a terminal shows, and does not obey.
 *
 * What moves the cursor, ends a line, or begins an order to the terminal becomes \xNN, byte for
 * byte: the control characters of ASCII, those from U+0080 to U+009F, and bytes that are no UTF-8,
 * among which a terminal of eight bits finds the same orders. All else stays as it is.
 */
#ifndef CLI_SHOWN_H
#define CLI_SHOWN_H

#include <stddef.h>

/* The text before it has so many bytes at most for each of its own. */
#define CLI_SHOWN_FACTOR 4

/*
 * Shows the `count` bytes at `bytes` in `to`, which has room for CLI_SHOWN_FACTOR times as many;
 * returns how many bytes that took. With `keeps_lines` line ends and tabs stay. When the bytes end
 * in the middle of a character, and `left` is not NULL, those of it are not shown: *left says how
 * many, less than 4, and they are to come again with what follows.
 */
size_t cli_shown(const void *bytes, size_t count, int keeps_lines, char *to, size_t *left);

#endif
