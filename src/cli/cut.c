/*
 * cut.c: see cut.h.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cut.h"
#include "frame/frame_fast.h"
#include "journal/aside.h"
#include "journal/lock.h"

/* A text file taken for a stream declares at least 150 MB in its first four bytes. */
#define LIKELY_FIRST_BYTES_MAX (UINT64_C(16) * 1024 * 1024)

int cli_is_hardly_a_stream(const struct cli_report *report)
{
    return report->fit == CLI_FIT_SAME && report->declared > LIKELY_FIRST_BYTES_MAX;
}

int cli_shows_no_frame(const struct cli_report *report)
{
    struct fls_checksum checksum = {report->kind, NULL};
    uint64_t header_bytes = report->fit == CLI_FIT_GIVEN
                                ? FLS_LENGTH_BYTES + fls_checksum_bytes(checksum)
                                : FLS_FRAME_HEADER_BYTES_MAX;

    return report->recovery.frames == 0 && report->recovery.tail_bytes > header_bytes;
}

int cli_is_unproven(const struct cli_report *report)
{
    return report->fit != CLI_FIT_GIVEN &&
           (cli_is_hardly_a_stream(report) || cli_shows_no_frame(report));
}

static int refuse_ambiguous(const struct cli_report *report)
{
    if (report->fit != CLI_FIT_SEVERAL)
        return CLI_GO_ON;
    cli_error(report->name,
              "ambiguous: %s fit, and see different tails; nothing was cut; say --checksum KIND",
              cli_candidate_names(report->candidates));
    return CLI_USAGE;
}

static int refuse_unproven(const struct cli_report *report)
{
    cli_error(report->name,
              "nothing shows that this is a stream (its first length is %" PRIu64
              ", and no frame is whole); nothing was cut; if it is one, say --checksum KIND; if "
              "it is not wanted, remove it",
              report->declared);
    return CLI_USAGE;
}

/* Is nobody writing the file? Leaves *fd open, and the file locked by it; -1 when it cannot be
 * opened for that, so that it cannot be cut either. */
static int claim(const struct cli_report *report, int *fd)
{
    struct fls_error error;

    *fd = open(report->path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 || fls_lock_stream(*fd, report->path, &error) == FLS_OK)
        return CLI_GO_ON;
    cli_fail(report->name, &error, "nothing was cut");
    return CLI_SYSTEM;
}

static void let_go(int fd)
{
    if (fd >= 0)
        close(fd);
}

static int cut(const struct cli_report *report)
{
    struct fls_error error;
    enum fls_status status = fls_recover_truncate(report->path, &report->recovery, &error);

    if (status == FLS_OK)
        return CLI_WELL;
    cli_fail(report->name, &error, "nothing was cut");
    return status == FLS_INVALID_ARGUMENT ? CLI_DAMAGED : CLI_SYSTEM;
}

int cli_cut_tail(const struct cli_report *report)
{
    int fd = -1, result = refuse_ambiguous(report);

    if (result == CLI_GO_ON && cli_is_unproven(report))
        result = refuse_unproven(report);
    if (result == CLI_GO_ON)
        result = claim(report, &fd);
    if (result == CLI_GO_ON)
        result = cut(report);
    let_go(fd);
    return result;
}

static int set_aside(const struct cli_report *report)
{
    struct fls_error error;
    char *name;
    enum fls_status status =
        fls_set_aside(report->path, report->recovery.good_offset, &name, &error);

    if (status == FLS_OK)
        cli_tell_aside(report->name, report->recovery.tail_bytes, name);
    else
        cli_fail(report->name, &error, "nothing was cut, and nothing was written");
    free(name);
    return status == FLS_OK ? CLI_GO_ON : CLI_SYSTEM;
}

int cli_cut_or_set_aside(const struct cli_report *report)
{
    int fd = -1, result = refuse_ambiguous(report), is_kept = cli_shows_no_frame(report);

    if (result == CLI_GO_ON && cli_is_hardly_a_stream(report))
        result = refuse_unproven(report);
    if (result == CLI_GO_ON)
        result = claim(report, &fd);
    if (result == CLI_GO_ON && is_kept)
        result = set_aside(report);
    if (result == CLI_GO_ON)
        result = cut(report);
    let_go(fd);
    if (result == CLI_WELL && !is_kept)
        cli_tell_cut(report->name, report->recovery.tail_bytes, report->recovery.good_offset);
    return result;
}

void cli_tell_cut(const char *name, uint64_t bytes, uint64_t offset)
{
    cli_error(name, "cut a torn tail of %" PRIu64 " bytes off, at byte %" PRIu64, bytes, offset);
}

void cli_tell_aside(const char *name, uint64_t bytes, const char *aside)
{
    cli_error(name,
              "not one frame in it is whole, so it may be no stream: its %" PRIu64
              " bytes were set aside as %s, and it begins anew",
              bytes, aside);
}
