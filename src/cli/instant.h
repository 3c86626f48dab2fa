/*
 * instant.h: points in time as people write them, exact to the nanosecond, and as the numbers of a
 * field that counts seconds or parts of them since 1970 in UTC. The one place that parses times.
 */
#ifndef CLI_INSTANT_H
#define CLI_INSTANT_H

#include <flatstream/schema.h>

#include "cli/mistake.h"

/* What a field counts; AUTO: what its name says. PLAIN: nothing that has to do with a calendar. */
enum cli_time_unit {
    CLI_TIME_AUTO,
    CLI_TIME_S,
    CLI_TIME_MS,
    CLI_TIME_US,
    CLI_TIME_NS,
    CLI_TIME_PLAIN
};

/* `seconds` since 1970-01-01T00:00:00Z, as POSIX counts them, and 0 to 999,999,999 nanoseconds. */
struct cli_instant {
    int64_t seconds;
    uint32_t nanoseconds;
};

/* Does the text begin as a date does, with four digits and a hyphen? No number does. */
int cli_is_instant(const char *text);

/*
 * YYYY-MM-DD[Thh:mm[:ss[.fraction]][zone]]; a space may stand for the T; the zone is Z, +hh:mm,
 * +hhmm or +hh, without one it is UTC. 1, or 0 with what is wrong in *mistake: what no calendar
 * has, and more than nine digits of a second. Second 60 is the first of the next minute, where a
 * leap second can be: at the end of June and of December.
 */
int cli_instant_parse(const char *text, struct cli_instant *instant, struct cli_mistake *mistake);

/*
 * What a number of a field is compared with. A whole number is at or behind the instant when it is
 * at least `number`, the least that is not before it (infinite where no 64 bits reach); `is_exact`:
 * that one is the instant itself. For a field of reals it is the nearest one, which is what the
 * instant would have been stored as.
 */
struct cli_bound {
    struct fls_value number;
    int is_exact;
};

/* `unit`: not AUTO, not PLAIN. */
struct cli_bound cli_bound_of_instant(const struct cli_instant *instant, enum cli_time_unit unit,
                                      enum fls_type type);

/* The unit that the last name in a path of `length` bytes ends in: time_ns, at_us, t_ms, now_s;
 * PLAIN: in none. */
enum cli_time_unit cli_unit_of_name(const char *path, size_t length);

/* How many of the unit make a second; 0 for AUTO and PLAIN. */
int64_t cli_units_a_second(enum cli_time_unit unit);

/* --- the other way ------------------------------------------------------------------------------
 */

/* The instant that a number of a field means; one that no 64 bits of seconds say is the last or the
 * first. `unit`: not AUTO, not PLAIN. */
struct cli_instant cli_instant_of_number(const struct fls_value *number, enum cli_time_unit unit);

/* How many seconds it is behind the other. */
double cli_instant_difference(const struct cli_instant *instant, const struct cli_instant *other);

/* So many seconds behind it, to the nanosecond or what a double holds. */
struct cli_instant cli_instant_behind(const struct cli_instant *instant, double seconds);

/* What the calendar says of it, in UTC. */
struct cli_date {
    int64_t year;
    int month;
    int day;
    int hour;
    int minute;
    int second;
};
struct cli_date cli_date_of_instant(const struct cli_instant *instant);

/* When a month begins, counted from January of the year 0: seconds since 1970. */
int64_t cli_seconds_of_month(int64_t months);

/* "2026-03-01T10:00:00.5Z", in at most CLI_INSTANT_BYTES; returns `text`. */
#define CLI_INSTANT_BYTES 64
const char *cli_instant_text(const struct cli_instant *instant, char *text);

#endif
