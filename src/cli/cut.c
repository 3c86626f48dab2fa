/*
 * cut.c: see cut.h.
 */
#include <inttypes.h>

#include "cli/cut.h"

/* A text file taken for a stream declares at least 150 MB in its first four bytes. */
#define LIKELY_FIRST_BYTES_MAX (UINT64_C(16) * 1024 * 1024)

int cli_is_hardly_a_stream(const struct cli_report *report)
{
    return report->fit == CLI_FIT_SAME && report->declared > LIKELY_FIRST_BYTES_MAX;
}

int cli_cut_tail(const struct cli_report *report)
{
    struct fls_error error;

    if (report->fit == CLI_FIT_SEVERAL) {
        cli_error(
            report->name,
            "ambiguous: %s fit, and see different tails; nothing was cut; say --checksum KIND",
            cli_candidate_names(report->candidates));
        return CLI_USAGE;
    }
    if (cli_is_hardly_a_stream(report)) {
        cli_error(report->name,
                  "nothing shows that this is a stream (its first length is %" PRIu64
                  "); nothing was cut; if it is one, say --checksum KIND",
                  report->declared);
        return CLI_USAGE;
    }
    enum fls_status status = fls_recover_truncate(report->path, &report->recovery, &error);
    if (status == FLS_OK)
        return CLI_WELL;
    cli_fail(report->name, &error, "nothing was cut");
    return status == FLS_INVALID_ARGUMENT ? CLI_DAMAGED : CLI_SYSTEM;
}
