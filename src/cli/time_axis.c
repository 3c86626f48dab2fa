/*
 * time_axis.c: see time_axis.h. Steps up to weeks are so many seconds or parts of one, which divide
 * what is next larger; months and years are counted by the calendar.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/time_axis.h"

#define NS_PER_S 1000000000
#define S_PER_DAY 86400

/* A step of so many of one of these. */
struct step {
    int64_t nanoseconds; /* below a second, else 0 */
    int64_t seconds;     /* of seconds, to weeks, else 0 */
    int months;
};

static const int64_t second_steps[] = {1,     2,     5,     10,    15,     30,    60,
                                       120,   300,   600,   900,   1800,   3600,  7200,
                                       10800, 21600, 43200, 86400, 172800, 604800};
static const int month_steps[] = {1, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 6000, 12000};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct step choose(double width, unsigned wanted)
{
    static const int factors[] = {1, 2, 5};

    /* Parts of a second have long labels. */
    for (int64_t power = 1; power < NS_PER_S; power *= 10)
        for (size_t i = 0; i < COUNT(factors); i++)
            if (width * NS_PER_S <= (double)(factors[i] * power) * (wanted - wanted / 4))
                return (struct step){.nanoseconds = factors[i] * power};
    for (size_t i = 0; i < COUNT(second_steps); i++)
        if (width <= (double)second_steps[i] * wanted)
            return (struct step){.seconds = second_steps[i]};
    for (size_t i = 0; i < COUNT(month_steps); i++)
        if (width <= month_steps[i] * 30.4 * S_PER_DAY * wanted)
            return (struct step){.months = month_steps[i]};
    return (struct step){.months = 12000};
}

static int64_t round_down(int64_t number, int64_t step)
{
    int64_t rest = number % step;

    return number - (rest < 0 ? rest + step : rest);
}

/* The last moment of the step's at or before `moment`. */
static struct cli_instant first_tick(const struct step *step, const struct cli_instant *moment)
{
    struct cli_instant tick = *moment;
    struct cli_date date;

    if (step->nanoseconds > 0) {
        tick.nanoseconds -= (uint32_t)(tick.nanoseconds % step->nanoseconds);
        return tick;
    }
    tick.nanoseconds = 0;
    if (step->seconds > 0) {
        tick.seconds = round_down(tick.seconds, step->seconds);
        return tick;
    }
    date = cli_date_of_instant(moment);
    int64_t months = round_down((int64_t)date.year * 12 + date.month - 1, step->months);
    tick.seconds = cli_seconds_of_month(months);
    return tick;
}

static struct cli_instant next_tick(const struct step *step, const struct cli_instant *tick)
{
    struct cli_instant next = *tick;
    struct cli_date date;

    if (step->months > 0) {
        date = cli_date_of_instant(tick);
        next.seconds =
            cli_seconds_of_month((int64_t)date.year * 12 + date.month - 1 + step->months);
        return next;
    }
    next.seconds += step->seconds;
    next.nanoseconds += (uint32_t)step->nanoseconds;
    if (next.nanoseconds >= NS_PER_S) {
        next.seconds++;
        next.nanoseconds -= NS_PER_S;
    }
    return next;
}

/* Digits of a second that tell ticks apart. */
static int decimals_of(int64_t nanoseconds)
{
    int decimals = 9;

    for (; nanoseconds >= 10; nanoseconds /= 10)
        decimals--;
    return decimals;
}

static void put_label(const struct step *step, const struct cli_instant *at, char *label,
                      size_t size)
{
    struct cli_date date = cli_date_of_instant(at);

    if (step->months >= 12) {
        snprintf(label, size, "%04" PRId64, date.year);
    } else if (step->months > 0) {
        snprintf(label, size, "%04" PRId64 "-%02d", date.year, date.month);
    } else if (step->seconds >= S_PER_DAY) {
        snprintf(label, size, "%04" PRId64 "-%02d-%02d", date.year, date.month, date.day);
    } else if (step->seconds >= 60) {
        snprintf(label, size, "%02d:%02d", date.hour, date.minute);
    } else if (step->seconds > 0) {
        snprintf(label, size, "%02d:%02d:%02d", date.hour, date.minute, date.second);
    } else {
        char digits[12];
        snprintf(digits, sizeof digits, "%09" PRIu32, at->nanoseconds);
        snprintf(label, size, "%02d:%02d:%02d.%.*s", date.hour, date.minute, date.second,
                 decimals_of(step->nanoseconds), digits);
    }
}

static void put_date(const struct step *step, const struct cli_instant *at, int64_t *last_day,
                     char *text, size_t size)
{
    int64_t day = round_down(at->seconds, S_PER_DAY);
    struct cli_date date = cli_date_of_instant(at);

    text[0] = '\0';
    if (step->months > 0 || step->seconds >= S_PER_DAY || day == *last_day)
        return;
    *last_day = day;
    snprintf(text, size, "%04" PRId64 "-%02d-%02d", date.year, date.month, date.day);
}

size_t cli_time_ticks(const struct cli_instant *origin, double low, double high, unsigned wanted,
                      struct cli_time_tick *ticks)
{
    struct step step = choose(high - low, wanted);
    struct cli_instant begin = cli_instant_behind(origin, low);
    struct cli_instant at = first_tick(&step, &begin);
    int64_t last_day = INT64_MIN;
    double room = (high - low) * 1e-9;
    size_t count = 0;

    for (int i = 0; i < 2 * CLI_TIME_TICKS_MAX && count < CLI_TIME_TICKS_MAX; i++) {
        double place = cli_instant_difference(&at, origin);
        if (place > high + room)
            break;
        if (place >= low - room) {
            struct cli_time_tick *tick = &ticks[count++];
            tick->at = place;
            put_label(&step, &at, tick->label, sizeof tick->label);
            put_date(&step, &at, &last_day, tick->date, sizeof tick->date);
        }
        at = next_tick(&step, &at);
    }
    return count;
}
