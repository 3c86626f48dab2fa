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

#endif
