/*
 * report.c: see report.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cut.h"
#include "cli/json_out.h"
#include "cli/output.h"
#include "cli/report.h"

static const char *const end_words[] = {"clean", "torn", "corrupt"};

static const char *checksum_word(const struct cli_report *report)
{
    switch (report->fit) {
    case CLI_FIT_SAME:
    case CLI_FIT_SEVERAL:
        return "ambiguous";
    case CLI_FIT_NONE:
        return "unknown";
    default:
        return fls_checksum_name(report->kind);
    }
}

/* --- for people --------------------------------------------------------------------------------
 */

static void put_checksum(const struct cli_report *report)
{
    cli_out_text("  checksum  %s", checksum_word(report));
    if (report->fit == CLI_FIT_SEVERAL)
        cli_out_text(" (%s fit; read as %s: say --checksum to be sure)",
                     cli_candidate_names(report->candidates), fls_checksum_name(report->kind));
    else if (report->fit == CLI_FIT_SAME)
        cli_out_text(" (no whole frame tells the kind)");
    else if (report->fit == CLI_FIT_FOUND)
        cli_out_text(" (found out)");
    cli_out_text("\n");
}

static void put_bytes(const char *label, uint64_t bytes, const char *note)
{
    char human[CLI_HUMAN_BYTES];

    cli_out_text("  %-8s  %" PRIu64, label, bytes);
    if (bytes >= 1024)
        cli_out_text(" (%s)", cli_human_bytes(bytes, human));
    cli_out_text("%s\n", note);
}

static void put_sizes(struct cli_sizes *sizes)
{
    cli_out_text("  sizes     smallest %" PRIu64 ", median %" PRIu64 ", 99 %% %" PRIu64
                 ", largest %" PRIu64 "\n",
                 cli_sizes_smallest(sizes), cli_sizes_quantile(sizes, 50),
                 cli_sizes_quantile(sizes, 99), cli_sizes_largest(sizes));
}

static void put_end(const struct cli_report *report)
{
    const struct fls_recovery *recovery = &report->recovery;

    cli_out_text("  end       %s", end_words[recovery->end]);
    if (recovery->end == FLS_STREAM_TORN)
        cli_out_text(", %" PRIu64 " bytes behind the last intact frame", recovery->tail_bytes);
    cli_out_text("\n  good to   byte %" PRIu64 "\n", recovery->good_offset);
}

/* Do `expected` and `found` mean something for this error? */
static int has_numbers(const struct fls_error *error)
{
    return error->status == FLS_UNEXPECTED_END || error->status == FLS_CHECKSUM_MISMATCH ||
           error->status == FLS_INVALID_FRAME;
}

static void put_where(const struct cli_where *where)
{
    char text[CLI_WHERE_TEXT_BYTES], shown[CLI_SHOWN_BYTES];

    if (cli_where_text(where, text, sizeof text))
        cli_out_text("  in        %s\n", cli_shown_name(text, shown, sizeof shown));
}

static void put_error(const struct fls_error *error, const struct cli_where *where)
{
    char text[512];

    if (error->status == FLS_OK)
        return;
    fls_error_format(error, text, sizeof text);
    cli_out_text("  error     %s\n", text);
    put_where(where);
    if (!has_numbers(error))
        return;
    const char *format = error->status == FLS_CHECKSUM_MISMATCH
                             ? "  expected  0x%" PRIX64 "\n  found     0x%" PRIX64 "\n"
                             : "  expected  %" PRIu64 "\n  found     %" PRIu64 "\n";
    if (error->expected != 0 || error->found != 0)
        cli_out_text(format, error->expected, error->found);
}

#define BAR_WIDTH 40

static void put_bar(uint64_t from, uint64_t to, uint64_t count, uint64_t most)
{
    static const char hashes[] = "########################################";
    int length = (int)((double)count / (double)most * BAR_WIDTH + 0.5);

    cli_out_text("  %10" PRIu64 " .. %-10" PRIu64 " %12" PRIu64 "  %.*s\n", from, to, count,
                 length > 0 ? length : count > 0, hashes);
}

/* Sizes by powers of two: one bar each, from the smallest to the largest. */
static void put_histogram(struct cli_sizes *sizes)
{
    uint64_t smallest = cli_sizes_smallest(sizes), largest = cli_sizes_largest(sizes), most = 1;

    if (cli_sizes_count(sizes) == 0 || smallest == largest)
        return;
    for (uint64_t from = 0, to = 0; from <= largest; from = to + 1, to = 2 * from - 1) {
        uint64_t count = cli_sizes_between(sizes, from, to);
        most = count > most ? count : most;
    }
    cli_out_text("  messages by size in bytes:\n");
    for (uint64_t from = 0, to = 0; from <= largest; from = to + 1, to = 2 * from - 1)
        if (to >= smallest)
            put_bar(from, to, cli_sizes_between(sizes, from, to), most);
}

static const char *verdict(const struct cli_report *report)
{
    if (!report->readable)
        return "could not be read";
    if (report->recovery.end == FLS_STREAM_CLEAN && report->missing > 0)
        return "intact, but segments are missing";
    if (report->recovery.end == FLS_STREAM_CLEAN)
        return report->fit == CLI_FIT_SEVERAL ? "intact, if the checksum is as assumed" : "intact";
    return report->recovery.end == FLS_STREAM_TORN ? "torn" : "DAMAGED";
}

void cli_report_text(const struct cli_report *report, int histogram)
{
    const struct fls_recovery *recovery = &report->recovery;
    char name[CLI_SHOWN_BYTES];

    cli_out_text("%s: %s\n", cli_shown_name(report->name, name, sizeof name), verdict(report));
    if (!report->readable && !report->sizes)
        return; /* why, is said on standard error */
    cli_out_text("  frames    %" PRIu64 "\n", recovery->frames);
    put_bytes("bytes", report->bytes, report->bytes_at_least ? ", and more not read" : "");
    put_bytes("payload", recovery->payload_bytes, "");
    put_checksum(report);
    if (recovery->frames > 0)
        put_sizes(report->sizes);
    if (report->readable)
        put_end(report);
    put_error(&recovery->error, &report->where);
    if (histogram && report->sizes)
        put_histogram(report->sizes);
}

/* --- for programs ------------------------------------------------------------------------------
 */

const char *cli_error_kind(const struct fls_error *error)
{
    if (error->status == FLS_IO && error->os_errno == ENOMEM)
        return "no_memory";
    switch (error->status) {
    case FLS_UNEXPECTED_END:
        return "unexpected_end";
    case FLS_CHECKSUM_MISMATCH:
        return "checksum_mismatch";
    case FLS_INVALID_FRAME:
        return "invalid_frame";
    case FLS_VALIDATION_FAILED:
    case FLS_INVALID_FLATBUFFER:
        return "validation_failed";
    case FLS_UNSUPPORTED:
        return "unsupported";
    case FLS_NO_MEMORY:
        return "no_memory";
    default:
        return "io";
    }
}

static void json_number(const char *key, int known, uint64_t number)
{
    if (known)
        cli_out_text(",\"%s\":%" PRIu64, key, number);
    else
        cli_out_text(",\"%s\":null", key);
}

/* Of a series. */
static void json_where(const struct cli_where *where)
{
    if (!where->is_known)
        return;
    cli_out_text(",\"segment\":{\"file\":");
    cli_json_string(where->segment);
    json_number("frame", where->has_frame, where->frame);
    json_number("offset", 1, where->offset);
    cli_out_text("}");
}

void cli_error_json(const struct fls_error *error, const struct cli_where *where)
{
    char text[512];

    if (error->status == FLS_OK) {
        cli_out_text("null");
        return;
    }
    fls_error_format(error, text, sizeof text);
    cli_out_text("{\"kind\":\"%s\"", cli_error_kind(error));
    json_number("frame", error->has_frame, error->frame);
    json_number("offset", error->has_frame, error->offset);
    json_number("expected", has_numbers(error), error->expected);
    json_number("found", has_numbers(error), error->found);
    if (where)
        json_where(where);
    cli_out_text(",\"message\":");
    cli_json_string(text);
    cli_out_text("}");
}

static void json_sizes(const struct cli_report *report)
{
    struct cli_sizes *sizes = report->sizes;

    if (!sizes || report->recovery.frames == 0) {
        cli_out_text(",\"sizes\":null");
        return;
    }
    cli_out_text(",\"sizes\":{\"smallest\":%" PRIu64 ",\"median\":%" PRIu64 ",\"p99\":%" PRIu64
                 ",\"largest\":%" PRIu64 "}",
                 cli_sizes_smallest(sizes), cli_sizes_quantile(sizes, 50),
                 cli_sizes_quantile(sizes, 99), cli_sizes_largest(sizes));
}

void cli_report_json_begin(const struct cli_report *report)
{
    const struct fls_recovery *recovery = &report->recovery;

    cli_out_text("{\"file\":");
    cli_json_string(report->path);
    json_number("frames", 1, recovery->frames);
    json_number("bytes", 1, report->bytes);
    json_number("payload_bytes", 1, recovery->payload_bytes);
    cli_out_text(",\"checksum\":\"%s\"", checksum_word(report));
    if (report->readable)
        cli_out_text(",\"end\":\"%s\"", end_words[recovery->end]);
    else
        cli_out_text(",\"end\":null");
    json_number("good_offset", 1, recovery->good_offset);
    json_sizes(report);
    json_number("missing_segments", 1, report->missing);
    cli_out_text(",\"error\":");
    cli_error_json(&recovery->error, &report->where);
}

void cli_report_json(const struct cli_report *report, const char *action)
{
    cli_report_json_begin(report);
    if (action && *action)
        cli_out_text(",\"action\":\"%s\"", action);
    else if (action)
        cli_out_text(",\"action\":null");
    cli_out_text("}\n");
}

/* --- on standard error -------------------------------------------------------------------------
 */

const char *cli_corrupt_advice(const struct cli_report *report)
{
    if (report->recovery.frames > 0)
        return "`flatstream recover -o NEW` saves the frames before it";
    return report->kind == FLS_CHECKSUM_CRC32 || report->kind == FLS_CHECKSUM_XXH3
               ? "`flatstream salvage -o NEW` saves the frames behind it"
               : "`flatstream salvage --schema FILE -o NEW` saves the frames behind it";
}

static const char *advice(const struct cli_report *report, enum cli_remedy tried)
{
    const struct fls_error *error = &report->recovery.error;

    if (error->status == FLS_IO || error->status == FLS_VALIDATION_FAILED)
        return NULL;
    if (report->fit == CLI_FIT_NONE || !report->readable)
        return NULL;
    if (cli_is_unproven(report))
        return "perhaps it is no stream of frames at all";
    if (tried == CLI_REMEDY_SAVE)
        return "`flatstream salvage -o NEW` saves what is intact behind it, too";
    if (tried == CLI_REMEDY_CUT)
        return NULL;
    if (report->recovery.end == FLS_STREAM_TORN)
        return "`flatstream recover --truncate` cuts the torn tail off";
    if (error->status == FLS_INVALID_FRAME)
        return "--max-frame raises the limit; `flatstream recover -o NEW` saves what is intact";
    return cli_corrupt_advice(report);
}

void cli_report_complain(const struct cli_report *report, enum cli_remedy tried)
{
    char place[CLI_WHERE_TEXT_BYTES];

    if (report->recovery.error.status != FLS_OK)
        cli_fail(report->name, &report->recovery.error,
                 report->where.is_known ? cli_where_text(&report->where, place, sizeof place)
                                        : advice(report, tried));
    if (report->fit == CLI_FIT_SEVERAL)
        cli_error(report->name, "ambiguous: %s fit; read as %s: say --checksum to be sure",
                  cli_candidate_names(report->candidates), fls_checksum_name(report->kind));
}
