/*
 * gaps.c: see gaps.h.
 *
 * The list of a folder is not of one moment: while a journal deletes from the front, a segment may
 * be listed and the one behind it be gone already. So a gap counts only while the segment before it
 * is still there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/gaps.h"

/* So many gaps are named. */
#define NAMED_MAX 8

struct gaps {
    char text[400];
    size_t used;
    unsigned named;
    uint64_t missing;
};

static void note_gap(struct gaps *gaps, uint64_t first, uint64_t last)
{
    const char *comma = gaps->named > 0 ? ", " : "";
    char *to = gaps->text + gaps->used;
    size_t room = sizeof gaps->text - gaps->used;
    int length = 0;

    gaps->missing += last - first + 1;
    if (gaps->named > NAMED_MAX)
        return;
    if (gaps->named++ == NAMED_MAX)
        length = snprintf(to, room, ", and more");
    else if (first == last)
        length = snprintf(to, room, "%s%" PRIu64, comma, first);
    else
        length = snprintf(to, room, "%s%" PRIu64 " to %" PRIu64, comma, first, last);
    gaps->used += (size_t)length;
}

uint64_t cli_gaps_tell_deleted(const char *name, const struct fls_source *source, uint64_t first,
                               uint64_t last)
{
    const struct fls_segment *before;
    uint64_t offset;

    if (first == last)
        cli_error(name, "segment %" PRIu64 " was deleted before it was read: going on behind it",
                  first);
    else
        cli_error(name,
                  "segments %" PRIu64 " to %" PRIu64
                  " were deleted before they were read: going on behind them",
                  first, last);
    return fls_series_position(source, &before, &offset) && access(before->path, F_OK) == 0
               ? last - first + 1
               : 0;
}

uint64_t cli_gaps_tell(const char *name, const struct fls_series *series)
{
    struct gaps gaps = {.missing = 0};

    for (size_t i = 1; i < series->count; i++) {
        const struct fls_segment *before = &series->segments[i - 1], *behind = before + 1;
        if (behind->number > before->number + 1 && access(before->path, F_OK) == 0)
            note_gap(&gaps, before->number + 1, behind->number - 1);
    }
    if (gaps.missing > 0)
        cli_error(name, "segment%s %s %s missing: what was in %s is not read",
                  gaps.missing == 1 ? "" : "s", gaps.text, gaps.missing == 1 ? "is" : "are",
                  gaps.missing == 1 ? "it" : "them");
    return gaps.missing;
}
