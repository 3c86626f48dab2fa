/*
 * expression_test.c: does a message meet a condition?
 *
 * A comparison in which a value is absent is false, whatever the operator; `!` in front of it is
 * then true. Numbers are compared without rounding, integers of 64 bits with doubles too.
 */
#include <math.h>
#include <string.h>

#include "cli/expression_tree.h"

enum { BROKEN = -1, FALSE = 0, TRUE = 1 };

/* How two values stand to each other. */
enum order { LESS, EQUAL, GREATER, UNORDERED };

static enum order order_of(int less, int greater)
{
    return less ? LESS : greater ? GREATER : EQUAL;
}

static int is_unsigned(const struct fls_value *value)
{
    return value->kind == FLS_VALUE_UNSIGNED || value->kind == FLS_VALUE_UNION;
}

static enum order compare_integers(const struct fls_value *a, const struct fls_value *b)
{
    int a_negative = !is_unsigned(a) && a->signed_value < 0;
    int b_negative = !is_unsigned(b) && b->signed_value < 0;

    if (a_negative != b_negative)
        return a_negative ? LESS : GREATER;
    /* Of one sign, two's complement orders as unsigned numbers do. */
    uint64_t left = is_unsigned(a) ? a->unsigned_value : (uint64_t)a->signed_value;
    uint64_t right = is_unsigned(b) ? b->unsigned_value : (uint64_t)b->signed_value;
    return order_of(left<right, left> right);
}

/* An integer and a real number that is not NaN. */
static enum order compare_mixed(const struct fls_value *integer, double real)
{
    struct fls_value whole = {.kind = FLS_VALUE_SIGNED};
    double floor_of_real = floor(real);

    if (floor_of_real >= 0x1p64)
        return LESS;
    if (floor_of_real < -0x1p63)
        return GREATER;
    if (floor_of_real >= 0x1p63) {
        whole.kind = FLS_VALUE_UNSIGNED;
        whole.unsigned_value = (uint64_t)floor_of_real;
    } else {
        whole.signed_value = (int64_t)floor_of_real;
    }
    enum order order = compare_integers(integer, &whole);
    return order == EQUAL && real > floor_of_real ? LESS : order;
}

static enum order compare_numbers(const struct fls_value *a, const struct fls_value *b)
{
    static const enum order turned[] = {GREATER, EQUAL, LESS, UNORDERED};
    int a_is_real = a->kind == FLS_VALUE_REAL, b_is_real = b->kind == FLS_VALUE_REAL;

    if ((a_is_real && isnan(a->real_value)) || (b_is_real && isnan(b->real_value)))
        return UNORDERED;
    if (a_is_real && b_is_real)
        return order_of(a->real_value<b->real_value, a->real_value> b->real_value);
    if (b_is_real)
        return compare_mixed(a, b->real_value);
    if (a_is_real)
        return turned[compare_mixed(b, a->real_value)];
    return compare_integers(a, b);
}

static enum order compare_texts(const struct fls_value *a, const struct fls_value *b)
{
    int order = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);

    if (order != 0)
        return order_of(order<0, order> 0);
    return order_of(a->length<b->length, a->length> b->length);
}

static enum order compare(enum cli_class class_, const struct fls_value *a,
                          const struct fls_value *b)
{
    switch (class_) {
    case CLI_CLASS_NUMBER:
        return compare_numbers(a, b);
    case CLI_CLASS_TEXT:
        return compare_texts(a, b);
    default:
        return order_of(a->bool_value<b->bool_value, a->bool_value> b->bool_value);
    }
}

static int holds(const struct cli_expression *node, const struct fls_value *a,
                 const struct fls_value *b)
{
    if (a->presence == FLS_ABSENT || b->presence == FLS_ABSENT)
        return FALSE;
    enum order order = compare(node->a.class_, a, b);
    switch (node->operator_) {
    case CLI_TOKEN_EQUAL:
        return order == EQUAL;
    case CLI_TOKEN_UNEQUAL:
        return order != EQUAL;
    case CLI_TOKEN_LESS:
        return order == LESS;
    case CLI_TOKEN_LESS_EQUAL:
        return order == LESS || order == EQUAL;
    case CLI_TOKEN_GREATER:
        return order == GREATER;
    default:
        return order == GREATER || order == EQUAL;
    }
}

struct message {
    const void *bytes;
    size_t count;
};

static int read_one(const struct cli_operand *operand, const struct message *message,
                    struct fls_value *value)
{
    if (!operand->path) {
        *value = operand->constant;
        return TRUE;
    }
    return fls_path_read(operand->path, message->bytes, message->count, value) == FLS_OK ? TRUE
                                                                                         : BROKEN;
}

/* Each value of a side with `[]` beside the one value of the other. */
struct any {
    const struct cli_expression *node;
    const struct fls_value *other;
    int other_is_left;
};

static int stop_if_holds(void *context, const struct fls_value *value)
{
    const struct any *any = context;

    return any->other_is_left ? holds(any->node, any->other, value)
                              : holds(any->node, value, any->other);
}

static int stop_if_present(void *context, const struct fls_value *value)
{
    (void)context;
    return value->presence == FLS_PRESENT;
}

static int test_each(const struct cli_operand *operand, const struct message *message,
                     fls_value_function *stop, void *context)
{
    enum fls_status status =
        fls_path_each(operand->path, message->bytes, message->count, stop, context);

    return status == FLS_STOPPED ? TRUE : status == FLS_OK ? FALSE : BROKEN;
}

static int repeats(const struct cli_operand *operand)
{
    return operand->path && fls_path_repeats(operand->path);
}

static int test_compare(const struct cli_expression *node, const struct message *message)
{
    struct fls_value a, b;

    if (repeats(&node->a) || repeats(&node->b)) {
        int other_is_left = repeats(&node->b);
        struct any any = {node, &a, other_is_left};
        if (read_one(other_is_left ? &node->a : &node->b, message, &a) == BROKEN)
            return BROKEN;
        return test_each(other_is_left ? &node->b : &node->a, message, stop_if_holds, &any);
    }
    if (read_one(&node->a, message, &a) == BROKEN || read_one(&node->b, message, &b) == BROKEN)
        return BROKEN;
    return holds(node, &a, &b);
}

/* A bool by itself: is it, or any of it, true? */
static int stop_if_true(void *context, const struct fls_value *value)
{
    (void)context;
    return value->presence != FLS_ABSENT && value->bool_value;
}

static int test_truth(const struct cli_operand *operand, const struct message *message)
{
    if (!operand->path)
        return operand->constant.bool_value;
    return test_each(operand, message, stop_if_true, NULL);
}

static int test(const struct cli_expression *node, const struct message *message)
{
    int left;

    switch (node->kind) {
    case CLI_NODE_AND:
        left = test(node->left, message);
        return left == TRUE ? test(node->right, message) : left;
    case CLI_NODE_OR:
        left = test(node->left, message);
        return left == FALSE ? test(node->right, message) : left;
    case CLI_NODE_NOT:
        left = test(node->left, message);
        return left == BROKEN ? BROKEN : !left;
    case CLI_NODE_COMPARE:
        return test_compare(node, message);
    case CLI_NODE_TRUTH:
        return test_truth(&node->a, message);
    default:
        return test_each(&node->a, message, stop_if_present, NULL);
    }
}

int cli_expression_test(const struct cli_expression *expression, const void *message, size_t bytes)
{
    struct message whole = {message, bytes};

    return test(expression, &whole);
}
