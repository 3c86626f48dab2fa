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

/* Why the tail is kept beside the file before it is cut off. */
enum keep { KEEP_NOT, KEEP_NO_STREAM, KEEP_FRAMES };

static int set_aside(const struct cli_report *report, enum keep why)
{
    struct fls_error error;
    char *name;
    enum fls_status status =
        fls_set_aside(report->path, report->recovery.good_offset, &name, &error);

    if (status != FLS_OK)
        cli_fail(report->name, &error, "nothing was cut");
    else if (why == KEEP_FRAMES)
        cli_tell_frames_aside(report->name, report->recovery.tail_bytes, name);
    else
        cli_tell_aside(report->name, report->recovery.tail_bytes, name);
    free(name);
    return status == FLS_OK ? CLI_GO_ON : CLI_SYSTEM;
}

/* Intact frames in the tail are kept, whoever asked for the cut: a damaged length looks like a torn
 * frame. */
static int keep_frames(const struct cli_report *report, enum keep *why)
{
    struct fls_error error;
    int holds;
    enum fls_status status = fls_tail_holds_frames(report->path, report->recovery.good_offset,
                                                   report->kind, &holds, &error);

    if (status != FLS_OK) {
        cli_fail(report->name, &error, "nothing was cut");
        return CLI_SYSTEM;
    }
    if (holds)
        *why = KEEP_FRAMES;
    return CLI_GO_ON;
}

/* Cuts the tail of a file that nobody writes, and sets it aside before, for *why or for frames. */
static int claim_and_cut(const struct cli_report *report, enum keep *why)
{
    int fd = -1, result = claim(report, &fd);

    if (result == CLI_GO_ON && *why == KEEP_NOT && report->recovery.end == FLS_STREAM_TORN)
        result = keep_frames(report, why);
    if (result == CLI_GO_ON && *why != KEEP_NOT)
        result = set_aside(report, *why);
    if (result == CLI_GO_ON)
        result = cut(report);
    let_go(fd);
    return result;
}

int cli_cut_tail(const struct cli_report *report)
{
    enum keep why = KEEP_NOT;
    int result = refuse_ambiguous(report);

    if (result == CLI_GO_ON && cli_is_unproven(report))
        result = refuse_unproven(report);
    return result == CLI_GO_ON ? claim_and_cut(report, &why) : result;
}

int cli_cut_or_set_aside(const struct cli_report *report)
{
    enum keep why = cli_shows_no_frame(report) ? KEEP_NO_STREAM : KEEP_NOT;
    int result = refuse_ambiguous(report);

    if (result == CLI_GO_ON && cli_is_hardly_a_stream(report))
        result = refuse_unproven(report);
    if (result == CLI_GO_ON)
        result = claim_and_cut(report, &why);
    if (result == CLI_WELL && why == KEEP_NOT)
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

void cli_tell_frames_aside(const char *name, uint64_t bytes, const char *aside)
{
    cli_error(name,
              "frames are intact in the tail, behind a damaged length: its %" PRIu64
              " bytes were set aside as %s before they were cut; `flatstream salvage` gets the "
              "messages out of it",
              bytes, aside);
}
