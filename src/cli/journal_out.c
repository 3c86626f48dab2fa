/*
 * journal_out.c: see journal_out.h.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/index_use.h"
#include "cli/journal_out.h"

#define SECONDS_MAX (UINT32_MAX / 1000)

int cli_journal_rotates(const struct cli_journal_options *options)
{
    return options->rotate_bytes > 0 || options->rotate_messages > 0 || options->rotate_seconds > 0;
}

int cli_journal_wanted(const struct cli_journal_options *options)
{
    return cli_journal_rotates(options) || options->keep > 0 || options->keep_bytes > 0 ||
           options->preallocate > 0 || options->sync_text || options->index;
}

/* "messages:100": the number, when the text begins so. */
static int counted(const char *text, const char *what, int units, uint64_t most, uint64_t *number)
{
    size_t length = strlen(what);

    return strncmp(text, what, length) == 0 && cli_number(text + length, units, number) &&
           *number > 0 && *number <= most;
}

static int parse_sync(const struct cli_verb *verb, struct cli_journal_options *options)
{
    const char *text = options->sync_text;
    struct fls_journal_policy *sync = &options->sync;
    uint64_t milliseconds;

    if (!text || strcmp(text, "none") == 0)
        return CLI_GO_ON;
    if (strcmp(text, "each") == 0)
        sync->messages = 1;
    else if (counted(text, "ms:", 0, UINT32_MAX, &milliseconds))
        sync->interval_ms = (uint32_t)milliseconds;
    else if (!counted(text, "messages:", 0, UINT64_MAX, &sync->messages) &&
             !counted(text, "bytes:", 1, UINT64_MAX, &sync->bytes))
        return cli_usage(verb, "--sync '%s'? none, each, messages:N, bytes:N or ms:N", text);
    return CLI_GO_ON;
}

int cli_journal_check(const struct cli_verb *verb, struct cli_journal_options *options)
{
    if ((options->keep > 0 || options->keep_bytes > 0) && !cli_journal_rotates(options))
        return cli_usage(verb, "--keep and --keep-bytes go with --rotate-bytes, --rotate-messages "
                               "or --rotate-seconds");
    if (options->rotate_seconds > SECONDS_MAX)
        return cli_usage(verb, "--rotate-seconds: at most %u", SECONDS_MAX);
    if (options->key.field && !options->index)
        return cli_usage(verb, "--key goes with --index");
    return parse_sync(verb, options);
}

/* Has the last file of the journal an index with times, and what are they? What is no index, or
 * cannot be listed, is left to the opening to say. FLS_OK, FLS_NO_MEMORY. */
static enum fls_status look_for_times(const char *path, struct fls_index_summary *summary,
                                      int *has_times, struct fls_error *error)
{
    struct fls_series series;
    struct fls_index *index;
    enum fls_status status = fls_series_list(path, &series, error);

    *has_times = 0;
    if (status != FLS_OK)
        return status == FLS_NO_MEMORY ? status : FLS_OK;
    if (series.count > 0)
        status = fls_index_open(series.segments[series.count - 1].path, NULL, &index, error);
    if (series.count > 0 && status == FLS_OK) {
        *summary = fls_index_describe(index);
        *has_times = summary->has_time;
        fls_index_close(index);
    }
    fls_series_free(&series);
    return status == FLS_NO_MEMORY ? status : FLS_OK;
}

enum fls_status cli_journal_open(const char *path, const struct cli_journal_options *options,
                                 struct cli_key *key, enum fls_checksum_kind kind,
                                 uint64_t max_frame, int repair, struct fls_journal **journal,
                                 struct fls_journal_opening *opening, struct fls_error *error)
{
    struct fls_journal_options all = {
        .checksum = kind,
        .payload_bytes_max = max_frame,
        .repair = repair ? FLS_JOURNAL_CUT_TORN : FLS_JOURNAL_REFUSE,
        .to_machine = options->sync,
        .rotation = {.bytes = options->rotate_bytes,
                     .messages = options->rotate_messages,
                     .interval_ms = (uint32_t)(options->rotate_seconds * 1000),
                     .segments_kept = options->keep,
                     .bytes_kept = options->keep_bytes,
                     .preallocate_bytes = options->preallocate},
        .with_index = options->index};

    cli_key_for_index(key, options->key.field, &all.index);
    struct fls_index_summary before;
    int drops_times = 0;
    enum fls_status status = FLS_OK;
    if (options->index && !key->path)
        status = look_for_times(path, &before, &drops_times, error);
    if (status == FLS_OK)
        status = fls_journal_open(path, &all, journal, opening, error);
    if (status == FLS_OK && drops_times)
        cli_error(path,
                  "its index has times, by '%s': what is written now has none without --key, nor "
                  "has the last file any more; `flatstream index --key` makes them again",
                  cli_index_key(&before));
    return status;
}

void cli_journal_tell_rotations(const char *path, const struct fls_journal_counts *counts)
{
    if (counts->rotations == 0 || !isatty(STDERR_FILENO))
        return;
    cli_error(path, "rotated %" PRIu64 " time%s; the longest pause %.1f ms", counts->rotations,
              counts->rotations == 1 ? "" : "s", (double)counts->longest_rotation_ns / 1e6);
}
