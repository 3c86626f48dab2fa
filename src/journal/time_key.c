/*
 * time_key.c: the key of an index by a field of the messages.
 */
#include <flatstream/index.h>

#include <math.h>
#include <string.h>

/*
 * The bits of a double are in order of its value as they stand, as a signed number, where it is
 * positive; where it is negative all but the sign are turned round. The map is its own inverse.
 */
static int64_t turn(int64_t bits)
{
    return bits < 0 ? bits ^ INT64_MAX : bits;
}

int64_t fls_time_from_real(double real)
{
    int64_t bits;

    real += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &real, sizeof bits);
    return turn(bits);
}

double fls_time_to_real(int64_t time)
{
    int64_t bits = turn(time);
    double real;

    memcpy(&real, &bits, sizeof real);
    return real;
}

/* Turning the topmost bit makes an order of signed numbers out of that of unsigned ones. */
#define TOP (UINT64_C(1) << 63)

int64_t fls_time_from_unsigned(uint64_t number)
{
    return (int64_t)(number ^ TOP);
}

uint64_t fls_time_to_unsigned(int64_t time)
{
    return (uint64_t)time ^ TOP;
}

int fls_time_by_path(void *path, const void *payload, size_t bytes, int64_t *time)
{
    struct fls_value value;

    if (fls_path_read(path, payload, bytes, &value) != FLS_OK || value.presence == FLS_ABSENT)
        return 0;
    switch (value.kind) {
    case FLS_VALUE_BOOL:
        *time = value.bool_value;
        return 1;
    case FLS_VALUE_SIGNED:
        *time = value.signed_value;
        return 1;
    case FLS_VALUE_UNSIGNED:
        *time = value.unsigned_value > INT64_MAX ? INT64_MAX : (int64_t)value.unsigned_value;
        return 1;
    case FLS_VALUE_REAL:
        *time = fls_time_from_real(value.real_value);
        return !isnan(value.real_value);
    default:
        return 0;
    }
}
