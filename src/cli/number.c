/*
 * number.c: see number.h.
 *
 * A real number whose shortest decimal has at most 15 digits is an integer below 2^53 divided by a
 * power of ten that a double holds exactly. IEEE division of the two rounds correctly, as reading
 * the decimal does, so that one division proves a candidate. The first that fits, trying few
 * decimals before many, is the shortest. What is left over goes through printf.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/number.h"

static const double powers[] = {1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7, 1e8,
                                1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16};

#define DECIMALS_MAX 16
#define DIGITS_LIMIT 1e15
/* Below it, decimals would begin with so many zeros that an exponent is shorter. */
#define SMALLEST_PLAIN 1e-5

size_t cli_put_unsigned(uint64_t number, char *text)
{
    char reversed[CLI_NUMBER_BYTES];
    size_t count = 0;

    do {
        reversed[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (size_t i = 0; i < count; i++)
        text[i] = reversed[count - 1 - i];
    return count;
}

size_t cli_put_signed(int64_t number, char *text)
{
    if (number >= 0)
        return cli_put_unsigned((uint64_t)number, text);
    *text = '-';
    return 1 + cli_put_unsigned(-(uint64_t)number, text + 1);
}

/* `digits` with a point before the last `decimals` of them. */
static size_t put_decimal(uint64_t digits, unsigned decimals, char *text)
{
    uint64_t scale = (uint64_t)powers[decimals];
    size_t used = cli_put_unsigned(digits / scale, text);

    if (decimals == 0)
        return used;
    text[used++] = '.';
    digits %= scale;
    for (unsigned i = decimals; i > 0; i--) {
        text[used + i - 1] = (char)('0' + digits % 10);
        digits /= 10;
    }
    return used + decimals;
}

/* Is `value` what the decimal reads as, when read as a float? A quotient halfway between two floats
 * was rounded once already, so nothing is said about it. */
static int reads_as_float(double quotient, double value)
{
    uint64_t bits;

    memcpy(&bits, &quotient, sizeof bits);
    return (bits & 0x1fffffff) != 0x10000000 && (double)(float)quotient == value;
}

/* A plain decimal for a positive value, or 0 when it has none that is short. */
static size_t put_short(double value, int is_float, char *text)
{
    for (unsigned decimals = 0; decimals <= DECIMALS_MAX; decimals++) {
        double scaled = value * powers[decimals];
        if (scaled >= DIGITS_LIMIT)
            return 0;
        uint64_t digits = (uint64_t)(scaled + 0.5);
        double quotient = (double)digits / powers[decimals];
        if (is_float ? reads_as_float(quotient, value) : quotient == value)
            return put_decimal(digits, decimals, text);
    }
    return 0;
}

/* Digits are added until it reads back. Fewer than DBL_DIG (FLT_DIG) are enough only for what the
 * short way has found, but for numbers so small that they have not all their bits. */
static size_t put_long(double value, int is_float, char *text)
{
    int length = 0, most = is_float ? 9 : 17;
    int is_small = value < (is_float ? (double)FLT_MIN : DBL_MIN);
    int least = is_small ? 1 : is_float ? FLT_DIG : DBL_DIG;

    for (int digits = least; digits <= most; digits++) {
        length = snprintf(text, CLI_NUMBER_BYTES, "%.*g", digits, value);
        if (is_float ? (double)strtof(text, NULL) == value : strtod(text, NULL) == value)
            break;
    }
    return (size_t)length;
}

static size_t put(double value, int is_float, char *text)
{
    size_t sign = 0, used = 0;

    if (!isfinite(value)) {
        const char *name = isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
        memcpy(text, name, strlen(name));
        return strlen(name);
    }
    if (signbit(value)) {
        *text = '-';
        sign = 1;
        value = -value;
    }
    if (value == 0 || (value >= SMALLEST_PLAIN && value < DIGITS_LIMIT))
        used = put_short(value, is_float, text + sign);
    if (used == 0) {
        char digits[CLI_NUMBER_BYTES];
        used = put_long(value, is_float, digits);
        memcpy(text + sign, digits, used);
    }
    return sign + used;
}

size_t cli_put_real(double number, char *text)
{
    return put(number, 0, text);
}

size_t cli_put_float(float number, char *text)
{
    return put((double)number, 1, text);
}
