/*
 * fls_copy: what it copies at every size, and what it leaves alone.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/copy.h"

#define BYTES_MAX 600
#define ROOM 32

/* The source ends where its memory does, so that a checker sees a load past either end. */
static void copies_every_size(void **state)
{
    uint8_t to[ROOM + BYTES_MAX + ROOM];

    (void)state;
    for (size_t bytes = 0; bytes <= BYTES_MAX; bytes++) {
        uint8_t *from = malloc(bytes + (bytes == 0));
        assert_non_null(from);
        for (size_t i = 0; i < bytes; i++)
            from[i] = (uint8_t)(i * 167 + bytes);
        for (size_t offset = 0; offset < 16; offset++) {
            memset(to, 0xee, sizeof to);
            fls_copy(to + ROOM + offset, from, bytes);
            assert_memory_equal(to + ROOM + offset, from, bytes);
            for (size_t i = 0; i < ROOM + offset; i++)
                assert_int_equal(to[i], 0xee);
            for (size_t i = ROOM + offset + bytes; i < sizeof to; i++)
                assert_int_equal(to[i], 0xee);
        }
        free(from);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(copies_every_size)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
