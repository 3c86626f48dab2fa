/*
 * expression_test.c: does a message meet a condition?
 *
 * A comparison in which a value is absent is false, whatever the operator; `!` in front of it is
 * then true.
 */
#include <string.h>

#include "cli/expression_tree.h"
#include "cli/order.h"

enum { BROKEN = -1, FALSE = 0, TRUE = 1 };

static enum cli_order compare(enum cli_class class_, const struct fls_value *a,
                              const struct fls_value *b)
{
    switch (class_) {
    case CLI_CLASS_NUMBER:
        return cli_order_of_numbers(a, b);
    case CLI_CLASS_TEXT:
        return cli_order_of_texts(a, b);
    default:
        return cli_order_of(a->bool_value<b->bool_value, a->bool_value> b->bool_value);
    }
}

static int holds_text(enum cli_token operator_, const struct fls_value *text,
                      const struct fls_value *part)
{
    if (operator_ == CLI_TOKEN_CONTAINS)
        return memmem(text->text, text->length, part->text, part->length) != NULL;
    return part->length <= text->length && memcmp(text->text, part->text, part->length) == 0;
}

static int holds(const struct cli_expression *node, const struct fls_value *a,
                 const struct fls_value *b)
{
    if (a->presence == FLS_ABSENT || b->presence == FLS_ABSENT)
        return FALSE;
    if (node->operator_ >= CLI_TOKEN_STARTSWITH)
        return holds_text(node->operator_, a, b);
    enum cli_order order = compare(node->a.class_, a, b);
    if (order == CLI_EQUAL)
        order = node->when_equal;
    switch (node->operator_) {
    case CLI_TOKEN_EQUAL:
        return order == CLI_EQUAL;
    case CLI_TOKEN_UNEQUAL:
        return order != CLI_EQUAL;
    case CLI_TOKEN_LESS:
        return order == CLI_LESS;
    case CLI_TOKEN_LESS_EQUAL:
        return order == CLI_LESS || order == CLI_EQUAL;
    case CLI_TOKEN_GREATER:
        return order == CLI_GREATER;
    default:
        return order == CLI_GREATER || order == CLI_EQUAL;
    }
}

struct message {
    const void *bytes;
    size_t count;
};

/* What the operand means of the value that was read: its length, some of its bits. */
static struct fls_value meant(const struct cli_operand *operand, const struct fls_value *value)
{
    struct fls_value made = *value;

    if (operand->is_length) {
        made.kind = FLS_VALUE_UNSIGNED;
        made.unsigned_value = value->length;
    } else if (operand->has_mask) {
        made.unsigned_value = (uint64_t)value->signed_value & operand->mask;
        made.signed_value = (int64_t)made.unsigned_value;
        made.bool_value = made.unsigned_value != 0;
    }
    return made;
}

static int is_as_read(const struct cli_operand *operand)
{
    return !operand->is_length && !operand->has_mask;
}

static int read_one(const struct cli_operand *operand, const struct message *message,
                    struct fls_value *value)
{
    if (!operand->path) {
        *value = operand->constant;
        return TRUE;
    }
    if (fls_path_read(operand->path, message->bytes, message->count, value) != FLS_OK)
        return BROKEN;
    if (!is_as_read(operand))
        *value = meant(operand, value);
    return TRUE;
}

/* Each value of a side with `[]` beside the one value of the other. */
struct any {
    const struct cli_expression *node;
    const struct cli_operand *each;
    const struct fls_value *other;
};

static int stop_if_holds(void *context, const struct fls_value *read)
{
    const struct any *any = context;
    struct fls_value value = meant(any->each, read);

    return any->each == &any->node->b ? holds(any->node, any->other, &value)
                                      : holds(any->node, &value, any->other);
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
        const struct cli_operand *each = repeats(&node->a) ? &node->a : &node->b;
        const struct cli_operand *other = repeats(&node->a) ? &node->b : &node->a;
        struct any any = {node, each, &b};
        if (read_one(other, message, &b) == BROKEN)
            return BROKEN;
        return test_each(each, message, stop_if_holds, &any);
    }
    if (read_one(&node->a, message, &a) == BROKEN || read_one(&node->b, message, &b) == BROKEN)
        return BROKEN;
    return holds(node, &a, &b);
}

/* A bool by itself, or bits: is it, or any of it, true? */
static int stop_if_true(void *context, const struct fls_value *read)
{
    struct fls_value value = meant(context, read);

    return value.presence != FLS_ABSENT && value.bool_value;
}

static int test_truth(const struct cli_operand *operand, const struct message *message)
{
    if (!operand->path)
        return operand->constant.bool_value;
    return test_each(operand, message, stop_if_true, (void *)(uintptr_t)operand);
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
