/*
 * Schemas, verifiers and paths when memory runs out: at the first allocation, the second, and so on
 * until everything passes. Each time there is an error, and nothing is left behind.
 */
#include <stdlib.h>

#include "support/faults.h"
#include "support/test.h"
#include "support/zoo.h"

struct opened {
    struct fls_schema *schema;
    struct fls_verifier *verifier;
    struct fls_path *path;
};

static enum fls_status open_all(const uint8_t *bfbs, size_t bytes, struct opened *opened,
                                struct fls_error *error)
{
    enum fls_status status = fls_schema_open(bfbs, bytes, &opened->schema, error);

    if (status == FLS_OK)
        status = fls_verifier_open(opened->schema, NULL, NULL, &opened->verifier, error);
    if (status == FLS_OK)
        status = fls_path_compile(opened->schema, NULL, "items[].tags[]", &opened->path, error);
    return status;
}

static void close_all(struct opened *opened)
{
    fls_path_close(opened->path);
    fls_verifier_close(opened->verifier);
    fls_schema_close(opened->schema);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *bfbs = read_test_file(TEST_DATA "/zoo.bfbs", &bytes);
    uint64_t failed = 0;

    for (uint64_t at = 1;; at++) {
        struct opened opened = {0};
        struct fls_error error = {0};
        int64_t before = fault_live_allocations();

        fault_arm((struct fault_plan){.families = FAULT_MEMORY, .at = at, .failures = 1});
        enum fls_status status = open_all(bfbs, bytes, &opened, &error);
        uint64_t touched = fault_disarm();
        close_all(&opened);
        assert_int_equal(fault_live_allocations(), before);
        if (touched == 0) {
            assert_ok(status);
            break;
        }
        assert_int_equal(status, FLS_NO_MEMORY);
        assert_int_equal(error.status, FLS_NO_MEMORY);
        failed++;
    }
    assert_true(failed >= 10);
    free(bfbs);
}

/* Reading a message allocates nothing, whether it is verified or read by a path. */
static int pass(void *context, const struct fls_value *value)
{
    (void)value;
    ++*(int *)context;
    return 0;
}

static void test_messages_allocate_nothing(void **state)
{
    (void)state;
    size_t bytes, message_bytes;
    uint8_t *bfbs = read_test_file(TEST_DATA "/zoo.bfbs", &bytes);
    uint8_t *message = read_test_file(TEST_DATA "/zoo.bin", &message_bytes);
    struct opened opened = {0};
    struct fls_error error;
    int values = 0;

    assert_ok(open_all(bfbs, bytes, &opened, &error));
    fault_count_from_zero();
    assert_ok(fls_verifier_check(opened.verifier, message, message_bytes, &error));
    assert_int_equal(fls_verifier_check(opened.verifier, message, 100, &error),
                     FLS_INVALID_FLATBUFFER);
    assert_ok(fls_path_each(opened.path, message, message_bytes, pass, &values));
    assert_int_equal(fault_counted().allocations, 0);
    assert_int_equal(values, 3);
    close_all(&opened);
    free(message);
    free(bfbs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_messages_allocate_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
