/*
 * order.c: see order.h. Integers of 64 bits are compared with doubles without becoming one.
 */
#include <math.h>
#include <string.h>

#include "cli/order.h"

enum cli_order cli_order_of(int less, int greater)
{
    return less ? CLI_LESS : greater ? CLI_GREATER : CLI_EQUAL;
}

static int is_unsigned(const struct fls_value *value)
{
    return value->kind == FLS_VALUE_UNSIGNED || value->kind == FLS_VALUE_UNION;
}

static enum cli_order compare_integers(const struct fls_value *a, const struct fls_value *b)
{
    int a_negative = !is_unsigned(a) && a->signed_value < 0;
    int b_negative = !is_unsigned(b) && b->signed_value < 0;

    if (a_negative != b_negative)
        return a_negative ? CLI_LESS : CLI_GREATER;
    /* Of one sign, two's complement orders as unsigned numbers do. */
    uint64_t left = is_unsigned(a) ? a->unsigned_value : (uint64_t)a->signed_value;
    uint64_t right = is_unsigned(b) ? b->unsigned_value : (uint64_t)b->signed_value;
    return cli_order_of(left<right, left> right);
}

/* An integer and a real number that is not NaN. */
static enum cli_order compare_mixed(const struct fls_value *integer, double real)
{
    struct fls_value whole = {.kind = FLS_VALUE_SIGNED};
    double floor_of_real = floor(real);

    if (floor_of_real >= 0x1p64)
        return CLI_LESS;
    if (floor_of_real < -0x1p63)
        return CLI_GREATER;
    if (floor_of_real >= 0x1p63) {
        whole.kind = FLS_VALUE_UNSIGNED;
        whole.unsigned_value = (uint64_t)floor_of_real;
    } else {
        whole.signed_value = (int64_t)floor_of_real;
    }
    enum cli_order order = compare_integers(integer, &whole);
    return order == CLI_EQUAL && real > floor_of_real ? CLI_LESS : order;
}

enum cli_order cli_order_of_numbers(const struct fls_value *a, const struct fls_value *b)
{
    static const enum cli_order turned[] = {CLI_GREATER, CLI_EQUAL, CLI_LESS, CLI_UNORDERED};
    int a_is_real = a->kind == FLS_VALUE_REAL, b_is_real = b->kind == FLS_VALUE_REAL;

    if ((a_is_real && isnan(a->real_value)) || (b_is_real && isnan(b->real_value)))
        return CLI_UNORDERED;
    if (a_is_real && b_is_real)
        return cli_order_of(a->real_value<b->real_value, a->real_value> b->real_value);
    if (b_is_real)
        return compare_mixed(a, b->real_value);
    if (a_is_real)
        return turned[compare_mixed(b, a->real_value)];
    return compare_integers(a, b);
}

enum cli_order cli_order_of_texts(const struct fls_value *a, const struct fls_value *b)
{
    int order = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);

    if (order != 0)
        return cli_order_of(order<0, order> 0);
    return cli_order_of(a->length<b->length, a->length> b->length);
}
