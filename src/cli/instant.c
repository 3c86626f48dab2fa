/*
 * instant.c: see instant.h. The calendar is the Gregorian one in both directions; days are counted
 * in years that begin in March, so that the day which only some years have is the last.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/instant.h"

#define NS_PER_S 1000000000
#define S_PER_DAY 86400
/* Of 400 years; from 0000-03-01 to 1970-01-01. */
#define DAYS_PER_ERA 146097
#define DAYS_TO_1970 719468

static const char form[] = "YYYY-MM-DD, or with Thh:mm, Thh:mm:ss or Thh:mm:ss.fraction, and Z or "
                           "+hh:mm";

static int is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

int64_t cli_units_a_second(enum cli_time_unit unit)
{
    static const int64_t units[] = {0, 1, 1000, 1000000, NS_PER_S, 0};

    return units[unit];
}

enum cli_time_unit cli_unit_of_name(const char *path, size_t length)
{
    static const char *const endings[] = {"", "_s", "_ms", "_us", "_ns"};

    while (length > 0 && (strchr("[]", path[length - 1]) || is_digit(path[length - 1])))
        length--; /* which element it is of */
    for (int unit = CLI_TIME_S; unit <= CLI_TIME_NS; unit++) {
        size_t ending = strlen(endings[unit]);
        if (length > ending && strncmp(path + length - ending, endings[unit], ending) == 0)
            return (enum cli_time_unit)unit;
    }
    return CLI_TIME_PLAIN;
}

/* --- the calendar ------------------------------------------------------------------------------
 */

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && is_leap);
}

/* Days from 1970-01-01 to a day of any year. The calendar repeats itself every 400 years. */
static int64_t days_since_1970(int64_t year, int month, int day)
{
    int64_t years = year - (month <= 2);
    int64_t eras = years / 400 - (years % 400 < 0), of_era = years - eras * 400;
    int in_march_year = (month + 9) % 12;

    return eras * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 +
           (153 * in_march_year + 2) / 5 + day - 1 - DAYS_TO_1970;
}

/* --- parsing -----------------------------------------------------------------------------------
 */

struct parser {
    const char *text;
    size_t at;
    struct cli_mistake *mistake;
    int year, month, day, hour, minute, second;
    uint32_t nanoseconds;
    int east; /* seconds that the zone is ahead of UTC */
};

int cli_is_instant(const char *text)
{
    return is_digit(text[0]) && is_digit(text[1]) && is_digit(text[2]) && is_digit(text[3]) &&
           text[4] == '-';
}

static int malformed(struct parser *p)
{
    return cli_mistaken(p->mistake, p->at, p->text[p->at] != '\0', "no time: %s is wanted", form);
}

static int take(struct parser *p, const char *letters)
{
    if (p->text[p->at] == '\0' || !strchr(letters, p->text[p->at]))
        return 0;
    p->at++;
    return 1;
}

/* A number of exactly `digits` digits from `least` to `most`, called `what`. */
static int number(struct parser *p, int digits, const char *what, int least, int most, int *number)
{
    size_t from = p->at;

    *number = 0;
    for (int i = 0; i < digits; i++, p->at++) {
        if (!is_digit(p->text[p->at]))
            return malformed(p);
        *number = *number * 10 + (p->text[p->at] - '0');
    }
    if (*number >= least && *number <= most)
        return 1;
    return cli_mistaken(p->mistake, from, (size_t)digits, "there is no %s %d", what, *number);
}

static int date(struct parser *p)
{
    if (!number(p, 4, "year", 0, 9999, &p->year))
        return 0;
    if (!take(p, "-"))
        return malformed(p);
    if (!number(p, 2, "month", 1, 12, &p->month))
        return 0;
    if (!take(p, "-"))
        return malformed(p);
    if (!number(p, 2, "day", 1, 31, &p->day))
        return 0;
    int days = days_of_month(p->year, p->month);
    if (p->day <= days)
        return 1;
    return cli_mistaken(p->mistake, p->at - 2, 2, "%04d-%02d has %d days", p->year, p->month, days);
}

/* Behind the point. Zeros behind the ninth digit say nothing; what else is there would be lost. */
static int fraction(struct parser *p)
{
    uint32_t unit = NS_PER_S / 10;

    if (!is_digit(p->text[p->at]))
        return malformed(p);
    for (; is_digit(p->text[p->at]); p->at++, unit /= 10) {
        if (unit == 0 && p->text[p->at] != '0')
            return cli_mistaken(p->mistake, p->at, 1,
                                "times are told to the nanosecond: nine digits of a second");
        p->nanoseconds += unit * (uint32_t)(p->text[p->at] - '0');
    }
    return 1;
}

static int zone(struct parser *p)
{
    int hours, minutes = 0, is_west = p->text[p->at] == '-';

    if (p->text[p->at] == '\0' || take(p, "Zz"))
        return 1;
    if (!take(p, "+-"))
        return malformed(p);
    if (!number(p, 2, "zone whose hours are", 0, 23, &hours))
        return 0;
    if ((take(p, ":") || is_digit(p->text[p->at])) &&
        !number(p, 2, "zone whose minutes are", 0, 59, &minutes))
        return 0;
    p->east = (hours * 60 + minutes) * (is_west ? -60 : 60);
    return 1;
}

static int time_of_day(struct parser *p)
{
    if (!number(p, 2, "hour", 0, 23, &p->hour))
        return 0;
    if (!take(p, ":"))
        return malformed(p);
    if (!number(p, 2, "minute", 0, 59, &p->minute))
        return 0;
    if (take(p, ":")) {
        if (!number(p, 2, "second", 0, 60, &p->second))
            return 0;
        if (take(p, ".") && !fraction(p))
            return 0;
    }
    return zone(p);
}

/* Second 60 can only be the last of a June or a December. */
static int check_leap_second(struct parser *p, int64_t seconds)
{
    int64_t days = seconds / S_PER_DAY;

    if (p->second < 60)
        return 1;
    for (int year = p->year; year <= p->year + 1; year++)
        if (seconds % S_PER_DAY == 0 &&
            (days == days_since_1970(year, 1, 1) || days == days_since_1970(year, 7, 1)))
            return 1;
    return cli_mistaken(p->mistake, 17, 2,
                        "there is no second 60 then: leap seconds are at 23:59:60 UTC, at the end "
                        "of June or December");
}

int cli_instant_parse(const char *text, struct cli_instant *instant, struct cli_mistake *mistake)
{
    struct parser p = {.text = text, .mistake = mistake};

    if (!date(&p) || (take(&p, "Tt ") && !time_of_day(&p)))
        return 0;
    if (text[p.at] != '\0')
        return malformed(&p);
    instant->seconds = days_since_1970(p.year, p.month, p.day) * S_PER_DAY + p.hour * 3600 +
                       p.minute * 60 + p.second - p.east;
    instant->nanoseconds = p.nanoseconds;
    return check_leap_second(&p, instant->seconds);
}

/* --- as a number of a field ----------------------------------------------------------------------
 */

/* The nearest real: its digits are known exactly, and the library rounds them once. */
static double nearest_real(const struct cli_instant *instant, int64_t a_second, int is_float)
{
    uint64_t seconds = (uint64_t)instant->seconds;
    uint32_t nanoseconds = instant->nanoseconds;
    int exponent = -9, is_negative = instant->seconds < 0;
    char digits[48];

    if (is_negative) { /* -1.25 s are -2 s and 0.75 s */
        seconds = -seconds - (nanoseconds > 0);
        nanoseconds = nanoseconds > 0 ? NS_PER_S - nanoseconds : 0;
    }
    for (; a_second > 1; a_second /= 10)
        exponent++;
    snprintf(digits, sizeof digits, "%s%" PRIu64 "%09" PRIu32 "e%d", is_negative ? "-" : "",
             seconds, nanoseconds, exponent);
    return is_float ? (double)strtof(digits, NULL) : strtod(digits, NULL);
}

static struct fls_value infinite(int is_negative)
{
    return (struct fls_value){.kind = FLS_VALUE_REAL,
                              .real_value = is_negative ? -INFINITY : INFINITY};
}

/* `part` of a second, rounded up to units. Before 1970 it is counted back from the next second, so
 * that nothing overflows which fits in the end. */
static struct fls_value whole_number(int64_t seconds, int64_t part, int64_t a_second)
{
    struct fls_value value = {.kind = FLS_VALUE_SIGNED};

    if (seconds < 0) {
        if (__builtin_mul_overflow(seconds + 1, a_second, &value.signed_value) ||
            __builtin_add_overflow(value.signed_value, part - a_second, &value.signed_value))
            return infinite(1);
        return value;
    }
    value.kind = FLS_VALUE_UNSIGNED;
    if (__builtin_mul_overflow((uint64_t)seconds, (uint64_t)a_second, &value.unsigned_value) ||
        __builtin_add_overflow(value.unsigned_value, (uint64_t)part, &value.unsigned_value))
        return infinite(0);
    value.signed_value = (int64_t)value.unsigned_value;
    return value;
}

struct cli_bound cli_bound_of_instant(const struct cli_instant *instant, enum cli_time_unit unit,
                                      enum fls_type type)
{
    int64_t a_second = cli_units_a_second(unit), ns = NS_PER_S / a_second;

    if (type == FLS_TYPE_FLOAT || type == FLS_TYPE_DOUBLE)
        return (struct cli_bound){
            {.kind = FLS_VALUE_REAL,
             .real_value = nearest_real(instant, a_second, type == FLS_TYPE_FLOAT)},
            1};
    int64_t part = (instant->nanoseconds + ns - 1) / ns;
    struct fls_value number = whole_number(instant->seconds, part, a_second);
    return (struct cli_bound){number,
                              number.kind != FLS_VALUE_REAL && instant->nanoseconds % ns == 0};
}

/* --- the other way -------------------------------------------------------------------------------
 */

/* So many years on either side are more than any clock says, and all that is added to them fits. */
#define SECONDS_MAX ((int64_t)1 << 55)

static struct cli_instant limited(int64_t seconds, uint32_t nanoseconds)
{
    seconds = seconds > SECONDS_MAX ? SECONDS_MAX : seconds;
    seconds = seconds < -SECONDS_MAX ? -SECONDS_MAX : seconds;
    return (struct cli_instant){seconds, nanoseconds};
}

static struct cli_instant instant_of_real(double seconds)
{
    double whole = floor(seconds);

    if (!(fabs(whole) < (double)SECONDS_MAX))
        return limited(whole > 0 ? SECONDS_MAX : -SECONDS_MAX, 0);
    uint32_t nanoseconds = (uint32_t)((seconds - whole) * NS_PER_S + 0.5);
    return limited((int64_t)whole, nanoseconds < NS_PER_S ? nanoseconds : NS_PER_S - 1);
}

struct cli_instant cli_instant_of_number(const struct fls_value *number, enum cli_time_unit unit)
{
    int64_t a_second = cli_units_a_second(unit), ns = NS_PER_S / a_second;

    if (number->kind == FLS_VALUE_REAL)
        return instant_of_real(number->real_value / (double)a_second);
    if (number->kind == FLS_VALUE_UNSIGNED) {
        uint64_t seconds = number->unsigned_value / (uint64_t)a_second;
        return limited(seconds > INT64_MAX ? INT64_MAX : (int64_t)seconds,
                       (uint32_t)(number->unsigned_value % (uint64_t)a_second * (uint64_t)ns));
    }
    int64_t rest = number->signed_value % a_second;
    int64_t seconds = number->signed_value / a_second - (rest < 0);
    return limited(seconds, (uint32_t)((rest < 0 ? rest + a_second : rest) * ns));
}

double cli_instant_difference(const struct cli_instant *instant, const struct cli_instant *other)
{
    return (double)(instant->seconds - other->seconds) +
           ((double)instant->nanoseconds - (double)other->nanoseconds) / NS_PER_S;
}

struct cli_instant cli_instant_behind(const struct cli_instant *instant, double seconds)
{
    struct cli_instant more = instant_of_real(seconds);
    uint32_t nanoseconds = instant->nanoseconds + more.nanoseconds;

    return limited(instant->seconds + more.seconds + nanoseconds / NS_PER_S,
                   nanoseconds % NS_PER_S);
}

int64_t cli_seconds_of_month(int64_t months)
{
    int64_t year = months / 12 - (months % 12 < 0);

    return days_since_1970(year, (int)(months - year * 12) + 1, 1) * S_PER_DAY;
}

struct cli_date cli_date_of_instant(const struct cli_instant *instant)
{
    int64_t days = instant->seconds / S_PER_DAY - (instant->seconds % S_PER_DAY < 0);
    int second = (int)(instant->seconds - days * S_PER_DAY);
    int64_t eras =
        (days + DAYS_TO_1970) / DAYS_PER_ERA - ((days + DAYS_TO_1970) % DAYS_PER_ERA < 0);
    int64_t day_of_era = days + DAYS_TO_1970 - eras * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = (int)(day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
    int in_march_year = (5 * day_of_year + 2) / 153;
    int month = in_march_year < 10 ? in_march_year + 3 : in_march_year - 9;

    return (struct cli_date){.year = eras * 400 + year_of_era + (month <= 2),
                             .month = month,
                             .day = day_of_year - (153 * in_march_year + 2) / 5 + 1,
                             .hour = second / 3600,
                             .minute = second / 60 % 60,
                             .second = second % 60};
}

const char *cli_instant_text(const struct cli_instant *instant, char *text)
{
    struct cli_date date = cli_date_of_instant(instant);
    char fraction[12];

    snprintf(fraction, sizeof fraction, ".%09" PRIu32, instant->nanoseconds);
    size_t digits = strlen(fraction);
    while (digits > 0 && strchr("0.", fraction[digits - 1]))
        digits--;
    snprintf(text, CLI_INSTANT_BYTES, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d%.*sZ", date.year,
             date.month, date.day, date.hour, date.minute, date.second, (int)digits, fraction);
    return text;
}
