/*
 * index_use.c: see index_use.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/index_use.h"
#include "cli/json_out.h"
#include "cli/output.h"
#include "cli/time_key.h"

static int is_regular(const char *path)
{
    struct stat information;

    return stat(path, &information) == 0 && S_ISREG(information.st_mode);
}

int cli_index_beside(const char *path, uint64_t offset, enum fls_checksum_kind kind,
                     struct fls_index **index)
{
    struct fls_error error;

    *index = NULL;
    if (offset != 0 || strcmp(path, "-") == 0 || !is_regular(path))
        return CLI_WELL;
    enum fls_status status = fls_index_open(path, NULL, index, &error);
    if (status == FLS_IO && error.os_errno == ENOENT)
        return CLI_WELL;
    if (status != FLS_OK) {
        cli_fail(path, &error, "reading without it; `flatstream index` builds it anew");
        return cli_exit_of(status) == CLI_SYSTEM ? CLI_SYSTEM : CLI_WELL;
    }
    enum fls_checksum_kind indexed = fls_index_describe(*index).checksum;
    if (indexed == kind)
        return CLI_WELL;
    cli_error(path, "the index is of frames with %s, these have %s; reading without it",
              fls_checksum_name(indexed), fls_checksum_name(kind));
    fls_index_close(*index);
    *index = NULL;
    return CLI_WELL;
}

/* Without it the input is read all the same, whatever became of it. */
struct fls_index *cli_index_of(const struct cli_input *input)
{
    struct fls_index *index = NULL;

    if (input->regular && input->fit != CLI_FIT_NONE && input->fit != CLI_FIT_SEVERAL)
        (void)cli_index_beside(input->path, input->start, input->kind, &index);
    return index;
}

/* It comes from a file: what a terminal would obey is not printed. */
const char *cli_index_key(struct fls_index_summary *summary)
{
    for (char *at = summary->key; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = '?';
    return summary->key[0] ? summary->key : "time";
}

void cli_index_tell(const struct fls_index *index)
{
    struct fls_index_summary summary = fls_index_describe(index);
    char first[CLI_TIME_BYTES], last[CLI_TIME_BYTES];

    cli_out_text("%" PRIu64 " entries for %" PRIu64 " frames, %" PRIu64 " bytes", summary.entries,
                 summary.frames, summary.bytes);
    if (summary.stream_changed)
        cli_out_text("; the stream was changed since");
    if (!summary.has_time || summary.stream_changed)
        return;
    cli_out_text("; %s", cli_index_key(&summary));
    cli_out_text(" from %s to %s%s", cli_time_text(&summary, summary.time_first, first),
                 cli_time_text(&summary, summary.time_last, last),
                 summary.time_in_order ? "" : ", not in order");
}

/* JSON lacks infinities. */
static void put_time(const char *name, const struct fls_index_summary *summary, int64_t time)
{
    char text[CLI_TIME_BYTES];

    if (summary->time_is_real && !isfinite(fls_time_to_real(time)))
        cli_out_text(",\"%s\":null", name);
    else
        cli_out_text(",\"%s\":%s", name, cli_time_text(summary, time, text));
}

void cli_index_json(const struct fls_index *index)
{
    if (!index) {
        cli_out_text("null");
        return;
    }
    struct fls_index_summary summary = fls_index_describe(index);
    cli_out_text("{\"entries\":%" PRIu64 ",\"frames\":%" PRIu64 ",\"bytes\":%" PRIu64
                 ",\"synced_bytes\":%" PRIu64 ",\"key\":",
                 summary.entries, summary.frames, summary.bytes, summary.synced_bytes);
    if (summary.has_time && !summary.stream_changed) {
        cli_json_string(summary.key);
        put_time("time_first", &summary, summary.time_first);
        put_time("time_last", &summary, summary.time_last);
        cli_out_text(",\"time_in_order\":%s", summary.time_in_order ? "true" : "false");
    } else {
        cli_out_text("null");
    }
    cli_out_text("}");
}
