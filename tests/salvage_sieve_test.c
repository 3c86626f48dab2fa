/*
 * salvage_sieve_test.c: the sieve of salvage lets through exactly what its definition says, place
 * by place.
 */
#include <stdlib.h>
#include <string.h>

#include "journal/salvage_sieve.h"
#include "support/frames.h"

#define WINDOW_BYTES 3000
#define AT UINT64_C(1000000)

/* Zeros, small numbers and noise, by turns, so that chance lengths lead somewhere. */
static void fill(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count;) {
        size_t run = 1 + test_random() % 60;
        unsigned how = test_random() % 4;
        for (; run > 0 && i < count; run--, i++)
            bytes[i] = how == 0   ? 0
                       : how == 1 ? (uint8_t)(i % 4 == 0 ? test_random() % 200 : 0)
                       : how == 2 ? (uint8_t)(i % 4 < 2 ? test_random() >> 5 : 0)
                                  : (uint8_t)(test_random() >> 9);
    }
}

static uint64_t length_at(const struct fls_salvage_window *window, uint64_t offset)
{
    const uint8_t *bytes = window->bytes + (offset - window->at);

    return (uint64_t)bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16 |
           (uint64_t)bytes[3] << 24;
}

/* Headers of zero bytes prove nothing: they may be passed over. */
static int is_empty(const struct fls_salvage_search *search,
                    const struct fls_salvage_window *window, size_t place)
{
    for (size_t i = 0; i < search->header; i++)
        if (window->bytes[place + i] != 0)
            return 0;
    return 1;
}

/* The definition: what the window shows must fit, what it does not show may. */
static int may_begin(const struct fls_salvage_search *search,
                     const struct fls_salvage_window *window, size_t place,
                     const struct fls_salvage_sought *sought)
{
    const struct fls_salvage_trail *trail = &sought->trail;
    uint64_t at = window->at + place, length = length_at(window, at);
    uint64_t end = at + search->header + length;
    int zeros = 0;

    for (size_t i = 0; i < search->width; i++)
        zeros += window->bytes[place + 4 + i] == 0;
    if (length < sought->shortest || length > sought->longest || end > sought->end ||
        (search->checksum.kind == FLS_CHECKSUM_XXH3 && zeros >= 5))
        return 0;
    for (int hop = 0; hop < trail->headers; hop++) {
        if (end >= trail->end)
            return 1;
        if (end - window->at + search->header > window->count)
            return 1;
        length = length_at(window, end);
        end += search->header + length;
        if (length > trail->longest || end > trail->end)
            return 0;
    }
    return 1;
}

static struct fls_salvage_sought random_sought(void)
{
    static const uint64_t longest[] = {40, 600, 0xffff, 0x10000, 0xffffff};
    uint64_t end = AT + 500 + test_random() % WINDOW_BYTES;

    return (struct fls_salvage_sought){.shortest = test_random() % 3 == 0 ? test_random() % 50 : 0,
                                       .longest = longest[test_random() % 5],
                                       .end = end,
                                       .trail = {.headers = (int)(test_random() % 4),
                                                 .longest = longest[test_random() % 5],
                                                 .end = end + test_random() % 400}};
}

static void test_lets_through_what_fits(void **state)
{
    static const struct {
        enum fls_checksum_kind kind;
        size_t width;
    } kinds[] = {{FLS_CHECKSUM_NONE, 0},
                 {FLS_CHECKSUM_CRC16, 2},
                 {FLS_CHECKSUM_CRC32, 4},
                 {FLS_CHECKSUM_XXH3, 8},
                 {FLS_CHECKSUM_CUSTOM, 8}};
    struct fls_salvage_candidates candidates;
    uint8_t *bytes = malloc(WINDOW_BYTES);
    size_t through = 0;

    (void)state;
    assert_non_null(bytes);
    test_random_seed(7);
    for (int round = 0; round < 4000; round++) {
        struct fls_salvage_search search = {.width = kinds[round % 5].width,
                                            .header = 4 + kinds[round % 5].width};
        search.checksum.kind = kinds[round % 5].kind;
        struct fls_salvage_window window = {bytes, AT, WINDOW_BYTES - test_random() % 1000};
        size_t places = 1 + test_random() % FLS_SALVAGE_SIEVE_PLACES;
        struct fls_salvage_sought sought = random_sought();
        if (round % 7 == 0) /* the last header ends where the window does */
            window.count = places + search.header - 1;
        fill(bytes, WINDOW_BYTES);
        fls_salvage_sift(&search, &window, places, &sought, &candidates);
        size_t next = 0;
        for (size_t place = 0; place < places; place++) {
            int passed = next < candidates.count && candidates.places[next] == place;
            if (!is_empty(&search, &window, place))
                assert_int_equal(passed, may_begin(&search, &window, place, &sought));
            next += (size_t)passed;
        }
        assert_int_equal(next, candidates.count);
        through += next;
    }
    assert_true(through > 10000);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lets_through_what_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
