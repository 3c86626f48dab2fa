/*
 * sizes.h: how large messages are, in memory that does not grow with the stream.
 *
 * Sizes below 64 KiB are counted exactly. Of larger ones the first 65,536 are kept as they are;
 * when there are more, they go into buckets a thousandth of their size wide. So quantiles are exact
 * for every stream with at most 65,536 messages of 64 KiB and more, and within 0.1 % otherwise; the
 * smallest and the largest are always exact.
 */
#ifndef CLI_SIZES_H
#define CLI_SIZES_H

#include <stdint.h>

struct cli_sizes;

/* NULL: no memory. */
struct cli_sizes *cli_sizes_new(void);
void cli_sizes_free(struct cli_sizes *sizes);

void cli_sizes_add(struct cli_sizes *sizes, uint64_t bytes);

/* Adds all of `from` to `to`. */
void cli_sizes_merge(struct cli_sizes *to, const struct cli_sizes *from);

uint64_t cli_sizes_count(const struct cli_sizes *sizes);
uint64_t cli_sizes_smallest(const struct cli_sizes *sizes);
uint64_t cli_sizes_largest(const struct cli_sizes *sizes);

/* The smallest size that at least `percent` in a hundred messages do not exceed (nearest rank);
 * 0 when there are none. */
uint64_t cli_sizes_quantile(struct cli_sizes *sizes, unsigned percent);

/* How many messages have a size in [from, to]; exact below 64 KiB. */
uint64_t cli_sizes_between(struct cli_sizes *sizes, uint64_t from, uint64_t to);

#endif
