/*
 * cut.c: see cut.h.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cut.h"
#include "frame/frame_fast.h"
#include "journal/cut.h"
#include "journal/lock.h"

/* A text file taken for a stream declares at least 150 MB in its first four bytes. */
#define LIKELY_FIRST_BYTES_MAX (UINT64_C(16) * 1024 * 1024)

int cli_is_hardly_a_stream(const struct cli_report *report)
{
    return report->fit == CLI_FIT_SAME && report->declared > LIKELY_FIRST_BYTES_MAX;
}

/* Frames of zeros show nothing. */
static int shows_a_frame(const struct cli_report *report)
{
    return report->kind == FLS_CHECKSUM_XXH3 ? report->recovery.frames > 0
                                             : report->recovery.payload_bytes > 0;
}

int cli_shows_no_frame(const struct cli_report *report)
{
    struct fls_checksum checksum = {report->kind, NULL};
    uint64_t header_bytes = report->fit == CLI_FIT_GIVEN
                                ? FLS_LENGTH_BYTES + fls_checksum_bytes(checksum)
                                : FLS_FRAME_HEADER_BYTES_MAX;

    return !shows_a_frame(report) && report->recovery.tail_bytes > header_bytes;
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

/* Is nobody else writing the file? Leaves *fd open, and the file locked by it; -1 when it cannot be
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

/* A tail with frames of another kind is hardly the tail of a stream that shows none. */
static int refuse_another_kind(const struct cli_report *report, const struct fls_tail *tail)
{
    if (tail->why != FLS_ASIDE_FRAMES || report->fit == CLI_FIT_GIVEN ||
        report->kind != FLS_CHECKSUM_NONE)
        return CLI_GO_ON;
    const char *kind = fls_checksum_name(tail->kind);
    cli_error(report->name,
              "read as a stream without a checksum it is torn, but there are whole frames of %s at "
              "byte %" PRIu64 ": nothing was cut; `flatstream salvage --checksum %s -o NEW` gets "
              "them, and --checksum none cuts it all the same, and keeps what it cuts",
              kind, tail->offset, kind);
    return CLI_DAMAGED;
}

/* May whole frames be in the tail? Then it is kept, whoever asked for the cut. */
static int look(const struct cli_report *report, struct fls_tail *tail)
{
    const struct fls_recovery *recovery = &report->recovery;
    struct fls_checksum checksum = {report->kind, NULL};
    struct fls_error error;
    enum fls_status status =
        fls_tail_look(report->path, recovery->good_offset,
                      recovery->good_offset + recovery->tail_bytes, checksum, tail, &error);

    if (status == FLS_OK)
        return refuse_another_kind(report, tail);
    cli_fail(report->name, &error, "nothing was cut");
    return CLI_SYSTEM;
}

static int cut(const struct cli_report *report, const struct fls_tail *tail, struct fls_cut *made)
{
    struct fls_error error;
    enum fls_status status = fls_cut_off(report->path, &report->recovery, tail, made, &error);

    if (status == FLS_OK)
        return CLI_WELL;
    cli_fail(report->name, &error, "nothing was cut");
    return status == FLS_INVALID_ARGUMENT ? CLI_DAMAGED : CLI_SYSTEM;
}

/* Cuts the tail of a file that nobody else writes. What no frame shows to be a stream is kept, too.
 */
static int look_and_cut(const struct cli_report *report, struct fls_cut *made)
{
    struct fls_tail tail = {.keep_from = report->recovery.good_offset};
    int result = report->recovery.end == FLS_STREAM_TORN ? look(report, &tail) : CLI_GO_ON;

    if (cli_shows_no_frame(report) && tail.why != FLS_ASIDE_FRAMES)
        tail.why = FLS_ASIDE_NO_STREAM;
    if (result == CLI_GO_ON)
        result = cut(report, &tail, made);
    if (result == CLI_WELL && made->why != FLS_ASIDE_NOT)
        cli_tell_aside(report->name, made);
    return result;
}

int cli_cut_tail(const struct cli_report *report)
{
    struct fls_cut made;
    int fd = -1, result = refuse_ambiguous(report);

    if (result == CLI_GO_ON && cli_is_unproven(report))
        result = refuse_unproven(report);
    if (result == CLI_GO_ON)
        result = claim(report, &fd);
    if (result == CLI_GO_ON)
        result = look_and_cut(report, &made);
    let_go(fd);
    return result;
}

int cli_cut_or_set_aside(const struct cli_report *report)
{
    struct fls_cut made;
    int result = refuse_ambiguous(report);

    if (result == CLI_GO_ON && cli_is_hardly_a_stream(report))
        result = refuse_unproven(report);
    if (result == CLI_GO_ON)
        result = look_and_cut(report, &made);
    if (result == CLI_WELL && made.why == FLS_ASIDE_NOT)
        cli_tell_cut(report->name, made.bytes, report->recovery.good_offset);
    return result;
}

void cli_tell_cut(const char *name, uint64_t bytes, uint64_t offset)
{
    cli_error(name, "cut a torn tail of %" PRIu64 " bytes off, at byte %" PRIu64, bytes, offset);
}

void cli_tell_aside(const char *name, const struct fls_cut *cut)
{
    const char *kind = fls_checksum_name(cut->kind);

    switch (cut->why) {
    case FLS_ASIDE_FRAMES:
        cli_error(name,
                  "frames of %s are intact in the tail, behind a damaged length: its %" PRIu64
                  " bytes were set aside as %s before they were cut; `flatstream salvage "
                  "--checksum %s` gets the messages out of it",
                  kind, cut->bytes, cut->set_aside, kind);
        break;
    case FLS_ASIDE_NO_STREAM:
        cli_error(name,
                  "not one frame before its tail is whole, so it may be no such stream: the "
                  "tail's %" PRIu64 " bytes were set aside as %s before they were cut",
                  cut->bytes, cut->set_aside);
        break;
    default:
        cli_error(name,
                  "the tail of %" PRIu64 " bytes was cut off, and set aside as %s before that: %s",
                  cut->bytes, cut->set_aside,
                  cut->why == FLS_ASIDE_UNPROVEN
                      ? "its checksum does not tell a torn message from whole ones behind a "
                        "damaged length"
                      : "to tell whether whole frames are in it would take too long");
    }
}
