/*
 * scan.c: see scan.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/progress.h"
#include "cli/scan.h"

static void begin_report(const char *path, struct cli_report *report)
{
    *report = (struct cli_report){.path = path, .name = cli_input_name(path), .readable = 1};
}

/* The first error of a stream that no kind fits. */
static void report_no_fit(const struct cli_input *input, struct cli_report *report)
{
    report->recovery.end = FLS_STREAM_CORRUPT;
    report->recovery.good_offset = input->offset;
    report->recovery.error = input->no_fit;
}

#define BATCH 256

/* The watch looks at an intact message; when it refuses it, the report is about that. */
static enum fls_status show(const struct cli_watch *watch, const struct fls_message *message,
                            struct fls_recovery *recovery)
{
    enum fls_status status = watch->see(watch->context, message, &recovery->error);

    if (status == FLS_OK)
        return FLS_OK;
    recovery->error.has_frame = 1;
    recovery->error.frame = message->frame;
    recovery->error.offset = message->offset;
    recovery->good_offset = message->offset;
    recovery->end = FLS_STREAM_CORRUPT;
    return FLS_STOPPED;
}

/* The quick way through what is intact: many messages a call. FLS_OK never comes back; FLS_STOPPED:
 * the watch refused a message. */
static enum fls_status count_intact(struct fls_reader *reader, const struct cli_watch *watch,
                                    struct cli_report *report)
{
    struct fls_message messages[BATCH];
    struct fls_recovery *recovery = &report->recovery;
    enum fls_status status;
    size_t count;

    while ((status = fls_reader_next_batch(reader, messages, BATCH, &count)) == FLS_OK) {
        for (size_t i = 0; i < count; i++) {
            if (watch && show(watch, &messages[i], recovery) != FLS_OK)
                return FLS_STOPPED;
            cli_sizes_add(report->sizes, messages[i].bytes);
            recovery->payload_bytes += messages[i].bytes;
            recovery->frames++;
        }
    }
    return status;
}

/* Who looks on while the library's scan reads. */
struct onlooker {
    struct fls_reader *reader;
    const struct cli_watch *watch;
    struct cli_sizes *sizes;
};

static enum fls_status look_on(const struct fls_tap *tap, const struct fls_payload *payload,
                               struct fls_error *error)
{
    const struct onlooker *onlooker = tap->context;
    const struct cli_watch *watch = onlooker->watch;
    struct fls_message message = {payload->count > 0 ? payload->segments->iov_base : NULL,
                                  payload->length, 0, 0};
    enum fls_status status = FLS_OK;

    fls_reader_position(onlooker->reader, &message.offset, &message.frame);
    if (watch)
        status = watch->see(watch->context, &message, error);
    if (status == FLS_OK)
        cli_sizes_add(onlooker->sizes, message.bytes);
    return status;
}

/* The library's scan from where the reader stands, its findings added to what is known. */
static enum fls_status scan_on(struct fls_reader *reader, unsigned flags,
                               const struct cli_watch *watch, struct cli_report *report)
{
    struct onlooker onlooker = {reader, watch, report->sizes};
    struct fls_tap tap = {.run = look_on, .name = "scan", .context = &onlooker, .contiguous = 1};
    struct fls_recovery *recovery = &report->recovery, known = *recovery;
    enum fls_status status = fls_reader_add_tap(reader, &tap);

    if (status != FLS_OK) {
        recovery->error = *fls_reader_error(reader);
        return status;
    }
    status = fls_recover_scan(reader, flags, recovery);
    recovery->frames += known.frames;
    recovery->payload_bytes += known.payload_bytes;
    return status;
}

/*
 * Only an end inside a frame needs the library's scan, which says what it means, from that frame on
 * (a file may have grown meanwhile). What stopped the reading must not be asked again: the next
 * read may well succeed, and say that the stream ends here.
 */
static enum fls_status scan_quickly(struct fls_reader *reader, const struct cli_watch *watch,
                                    struct cli_report *report)
{
    struct fls_recovery *recovery = &report->recovery;
    enum fls_status status = count_intact(reader, watch, report);

    if (status == FLS_STOPPED)
        return FLS_OK;
    if (status == FLS_UNEXPECTED_END || status == FLS_INVALID_FRAME)
        return scan_on(reader, 0, watch, report);
    fls_reader_position(reader, &recovery->good_offset, NULL);
    if (status == FLS_END)
        return FLS_OK;
    recovery->error = *fls_reader_error(reader);
    if (status != FLS_CHECKSUM_MISMATCH)
        return status;
    recovery->good_offset = recovery->error.offset; /* the reader has passed that frame */
    recovery->end = FLS_STREAM_CORRUPT;
    return FLS_OK;
}

/* The file is read on behind what is known; the source has read nothing yet. */
static enum fls_status pass_over(struct cli_input *input, const struct cli_intact *intact,
                                 struct fls_error *error)
{
    if (intact->bytes > 0 && lseek(input->fd, (off_t)(input->start + intact->bytes), SEEK_SET) < 0)
        return cli_system_error(error, "lseek", errno);
    return FLS_OK;
}

static enum fls_status scan(struct cli_input *input, const struct cli_read_options *options,
                            unsigned flags, const struct cli_watch *watch,
                            const struct cli_intact *intact, struct cli_report *report)
{
    struct fls_reader_options reading = {.checksum = input->kind,
                                         .payload_bytes_max = options->max_frame,
                                         .alignment = 1,
                                         .start_offset = input->offset + intact->bytes,
                                         .start_frame = intact->frames};
    struct fls_reader *reader;
    enum fls_status status = pass_over(input, intact, &report->recovery.error);

    if (status == FLS_OK)
        status = fls_reader_open(input->source, &reading, &reader, &report->recovery.error);

    if (status != FLS_OK)
        return status;
    if (flags & FLS_RECOVER_ZERO_TAIL_IS_TORN) /* each frame must be looked at */
        status = scan_on(reader, flags & FLS_RECOVER_ZERO_TAIL_IS_TORN, watch, report);
    else
        status = scan_quickly(reader, watch, report);
    fls_reader_close(reader);
    report->recovery.frames += intact->frames;
    report->recovery.payload_bytes += intact->payload_bytes;
    return status;
}

/* How many bytes the stream has. A damaged pipe is read on only if asked: its writer may never
 * end. */
static void count_bytes(struct cli_input *input, unsigned flags, struct cli_report *report)
{
    const struct fls_recovery *recovery = &report->recovery;
    struct fls_error error;
    uint64_t skipped;

    if (report->readable && recovery->end != FLS_STREAM_CORRUPT) {
        report->bytes = recovery->good_offset - input->offset + recovery->tail_bytes;
    } else if (input->bytes != UINT64_MAX) {
        report->bytes = input->bytes;
    } else {
        report->bytes_at_least = 1;
        if (report->readable && flags & CLI_SCAN_TO_THE_END)
            report->bytes_at_least =
                fls_source_skip(input->source, UINT64_MAX, &skipped, &error) != FLS_END;
        report->bytes = cli_source_position(input->source);
    }
}

/* A file that was cut while it was read may end in good order: its end is damage where it lies
 * before what was there when it was opened. */
static void check_length(const struct cli_input *input, struct cli_report *report)
{
    struct fls_recovery *recovery = &report->recovery;
    struct stat now;

    if (!input->regular || !report->readable || recovery->end != FLS_STREAM_CLEAN ||
        fstat(input->fd, &now) != 0)
        return;
    uint64_t end = input->start + input->bytes, there = (uint64_t)now.st_size;
    uint64_t good = input->start + (recovery->good_offset - input->offset);
    if (good >= end && there >= good)
        return;
    recovery->end = FLS_STREAM_CORRUPT;
    if (there < good)
        recovery->good_offset -= good - (there > input->start ? there : input->start);
    cli_set_error(&recovery->error, FLS_UNEXPECTED_END,
                  "the file became shorter while it was read: it had %" PRIu64 " bytes, and has "
                  "%" PRIu64,
                  end, there);
    recovery->error.expected = end;
    recovery->error.found = there;
}

void cli_scan_behind(struct cli_input *input, const struct cli_read_options *options,
                     unsigned flags, const struct cli_watch *watch, const struct cli_intact *intact,
                     struct cli_report *report)
{
    begin_report(input->path, report);
    report->fit = input->fit;
    report->candidates = input->candidates;
    report->kind = input->kind;
    report->declared = input->declared;
    report->offset = input->offset;
    report->recovery.good_offset = input->offset + intact->bytes;
    report->sizes = intact->sizes ? intact->sizes : cli_sizes_new();
    cli_progress_begin(report->name,
                       input->bytes == UINT64_MAX ? UINT64_MAX : input->bytes - intact->bytes, 0);
    if (!report->sizes)
        report->readable =
            cli_set_error(&report->recovery.error, FLS_NO_MEMORY, "out of memory") == FLS_OK;
    else if (input->fit == CLI_FIT_NONE)
        report_no_fit(input, report);
    else
        report->readable = scan(input, options, flags, watch, intact, report) == FLS_OK;
    check_length(input, report);
    cli_input_where(input, &report->recovery.error, &report->where);
    count_bytes(input, flags, report);
    report->missing = input->missing; /* some may have gone while it was read */
    cli_progress_end();
}

void cli_scan_watched(struct cli_input *input, const struct cli_read_options *options,
                      unsigned flags, const struct cli_watch *watch, struct cli_report *report)
{
    static const struct cli_intact nothing;

    cli_scan_behind(input, options, flags, watch, &nothing, report);
}

void cli_scan_input(struct cli_input *input, const struct cli_read_options *options, unsigned flags,
                    struct cli_report *report)
{
    cli_scan_watched(input, options, flags, NULL, report);
}

void cli_scan_nothing(const char *path, const struct cli_read_options *options,
                      const struct fls_error *error, struct cli_report *report)
{
    begin_report(path, report);
    report->offset = options->offset;
    report->fit = CLI_FIT_NONE;
    if (options->checksum != CLI_CHECKSUM_AUTO) {
        report->fit = CLI_FIT_GIVEN;
        report->kind = (enum fls_checksum_kind)(options->checksum - CLI_CHECKSUM_FIRST);
    }
    report->recovery.error = *error;
    /* A file that ends before --offset was read; it holds no stream, and nothing to cut. */
    report->readable = error->status == FLS_UNEXPECTED_END;
    report->recovery.end = FLS_STREAM_CORRUPT;
    report->recovery.good_offset = report->readable ? error->found : 0;
}

void cli_scan_path_watched(const char *path, const struct cli_read_options *options, unsigned flags,
                           const struct cli_watch *watch, struct cli_report *report)
{
    struct cli_input input;
    struct fls_error error;

    if (cli_input_open(&input, path, options, &error) == FLS_OK)
        cli_scan_watched(&input, options, flags, watch, report);
    else
        cli_scan_nothing(path, options, &error, report);
    cli_input_close(&input);
}

void cli_scan_path(const char *path, const struct cli_read_options *options, unsigned flags,
                   struct cli_report *report)
{
    cli_scan_path_watched(path, options, flags, NULL, report);
}

void cli_report_free(struct cli_report *report)
{
    cli_sizes_free(report->sizes);
    report->sizes = NULL;
}

int cli_report_exit(const struct cli_report *report)
{
    if (!report->readable)
        return CLI_SYSTEM;
    return report->recovery.end == FLS_STREAM_CLEAN ? CLI_WELL : CLI_DAMAGED;
}
