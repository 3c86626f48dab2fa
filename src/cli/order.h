/*
 * order.h: how two values of fields stand to each other. Numbers of every type compare by their
 * exact values, texts by their bytes.
 */
#ifndef CLI_ORDER_H
#define CLI_ORDER_H

#include <flatstream/schema.h>

/* UNORDERED: one of them is NaN. */
enum cli_order { CLI_LESS, CLI_EQUAL, CLI_GREATER, CLI_UNORDERED };

/* Neither: equal. */
enum cli_order cli_order_of(int less, int greater);

/* Of bools, integers, reals and the types of unions, in any pair. */
enum cli_order cli_order_of_numbers(const struct fls_value *a, const struct fls_value *b);
enum cli_order cli_order_of_texts(const struct fls_value *a, const struct fls_value *b);

#endif
