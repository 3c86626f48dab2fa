/*
 * cmd_tail.c: the last messages of a stream, and those that are yet to come.
 *
 * Frames can only be walked forwards. So the end of a file is reached by its index, when there is a
 * sound one, and by its headers otherwise; of a series the last segments are looked at, as far back
 * as the number of messages needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <flatstream/index.h>

#include "cli/gaps.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"
#include "cli/signals.h"

static const char help[] =
    "Usage: flatstream tail [OPTION]... FILE\n"
    "Prints the last messages of a stream, and with -f those that are yet to come. A\n"
    "FILE that is not there, but has segments (FILE-000001 and so on), stands for all\n"
    "of them. `-` is standard input, not with -f.\n"
    "\n"
    "  -n, --count N      the last N messages (10); +N: from the Nth message on\n"
    "  -f, --follow       wait for more, also where there is nothing yet, and go on\n"
    "                     in the next segment when the writer does\n" CLI_FORM_HELP CLI_SCHEMA_HELP
    "  --checksum KIND    auto (the default: the kind is found out), none, crc16,\n"
    "                     crc32, xxh3\n"
    "  --max-frame BYTES  the largest payload accepted (2G); K, M and G are\n"
    "                     understood\n"
    "\n"
    "What comes before the messages printed is passed over unchecked; where there is\n"
    "an index (`flatstream index`, `write --index`), without being read. Frames and\n"
    "bytes, as --as hex prints them, are counted from the beginning of the segment\n"
    "that the output begins in.\n"
    "\n"
    "With -f a message is printed when it is whole. SIGINT, SIGTERM and SIGHUP end\n"
    "it: what is whole is still printed, and the exit status is 0. When the reader of\n"
    "its output goes away, it ends at once, by SIGPIPE. A writer that crashed and\n"
    "goes on behind a tail that it cut off is followed too; one that writes zeros\n"
    "ahead (`write --io uring`) is not. Segments that are deleted before they were\n"
    "read are named on standard error, and passed over. A FILE that was removed,\n"
    "renamed or replaced is an error, when all that it has was printed.\n"
    "\n" CLI_EXIT_HELP "\n"
    "Examples:\n"
    "  flatstream tail log.fls\n"
    "  flatstream tail -n 100 -f log.fls\n"
    "  flatstream tail -f -n 0 --as json --schema t.fbs t.fls | jq .cpu.user\n";

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    struct cli_printing printing;
    const char *count_text;
    int from_start; /* `count` is the number of the first message, from 1 */
    uint64_t count;
    int follow;
    const char *path;
    struct fls_source *source; /* what is printed from */
};

/* Where the printing begins: a place in a segment, and so many frames behind it. is_clean: the
 * stream ended in good order when that was found. */
struct start {
    uint64_t segment;
    struct fls_index_place place;
    uint64_t skip;
    int is_clean;
};

/* --- counting from the end ---------------------------------------------------------------------
 */

/* Places are kept for every so many frames. */
#define STEP_FRAMES 4096

/* What is known of one file: its frames, and places among those that the index does not cover. */
struct extent {
    uint64_t frames;
    int is_clean; /* the file ends with a frame's end */
    struct fls_index *index;
    struct fls_index_place covered;
    struct fls_index_place *marks;
    size_t mark_count;
    size_t mark_room;
};

static void free_extent(struct extent *extent)
{
    fls_index_close(extent->index);
    free(extent->marks);
}

static enum fls_status mark(struct extent *extent, uint64_t frame, uint64_t offset,
                            struct fls_error *error)
{
    if (extent->mark_count == extent->mark_room) {
        size_t room = extent->mark_room > 0 ? 2 * extent->mark_room : 64;
        struct fls_index_place *grown = realloc(extent->marks, room * sizeof *grown);
        if (!grown)
            return cli_set_error(error, FLS_NO_MEMORY, "out of memory for places");
        extent->marks = grown;
        extent->mark_room = room;
    }
    extent->marks[extent->mark_count++] = (struct fls_index_place){frame, offset};
    return FLS_OK;
}

/* Walks over the headers up to the end of what is whole. Damage ends it too: that is reported when
 * the printing comes to it. */
static enum fls_status walk(struct fls_reader *reader, struct extent *extent,
                            struct fls_error *error)
{
    uint64_t skipped = STEP_FRAMES, offset, frame;
    enum fls_status status = FLS_OK;

    while (status == FLS_OK && !cli_signal()) {
        fls_reader_position(reader, &offset, &frame);
        enum fls_status marked = mark(extent, frame, offset, error);
        if (marked != FLS_OK)
            return marked;
        cli_progress_tick(offset);
        status = fls_reader_skip(reader, STEP_FRAMES, &skipped);
    }
    fls_reader_position(reader, &offset, &extent->frames);
    extent->is_clean = status == FLS_END;
    if (status == FLS_IO || status == FLS_NO_MEMORY) {
        *error = *fls_reader_error(reader);
        return status;
    }
    return cli_signal() ? FLS_STOPPED : FLS_OK;
}

static void open_index(const char *path, enum fls_checksum_kind kind, struct extent *extent)
{
    struct fls_error error;

    if (fls_index_open(path, NULL, &extent->index, &error) != FLS_OK) {
        extent->index = NULL;
        if (error.status != FLS_IO || error.os_errno != ENOENT)
            cli_fail(path, &error, "its index is not used");
        return;
    }
    struct fls_index_summary summary = fls_index_describe(extent->index);
    extent->covered = (struct fls_index_place){summary.frames, summary.bytes};
    if (summary.checksum == kind)
        return;
    cli_error(path, "its index is of another kind of checksum, and is not used");
    fls_index_close(extent->index);
    extent->index = NULL;
    extent->covered = (struct fls_index_place){0, 0};
}

static enum fls_status survey(const struct fls_segment *segment, enum fls_checksum_kind kind,
                              struct extent *extent, struct fls_error *error)
{
    struct fls_source *source;
    struct fls_reader *reader;

    open_index(segment->path, kind, extent);
    struct fls_series_options from = {.start_offset = extent->covered.offset};
    struct fls_reader_options reading = {.checksum = kind,
                                         .alignment = 1,
                                         .start_offset = extent->covered.offset,
                                         .start_frame = extent->covered.frame,
                                         .owns_source = 1};
    enum fls_status status = fls_source_open_series(segment->path, &from, &source, error);
    if (status != FLS_OK)
        return status;
    status = fls_reader_open(source, &reading, &reader, error);
    if (status != FLS_OK) {
        fls_source_close(source);
        return status;
    }
    cli_progress_begin(segment->path, segment->bytes, 0);
    status = walk(reader, extent, error);
    cli_progress_end();
    fls_reader_close(reader);
    return status;
}

/* The place to read from for frame `frame` of the file, and how many come before it there. */
static enum fls_status place_of(const struct extent *extent, uint64_t frame, struct start *start,
                                struct fls_error *error)
{
    if (frame < extent->covered.frame) {
        enum fls_status status = fls_index_find_frame(extent->index, frame, &start->place, error);
        if (status != FLS_OK)
            return status;
    } else {
        uint64_t behind = (frame - extent->covered.frame) / STEP_FRAMES;
        start->place = extent->marks[behind < extent->mark_count ? behind : extent->mark_count - 1];
    }
    start->skip = frame - start->place.frame;
    return FLS_OK;
}

static int was_deleted(enum fls_status status, const struct fls_error *error)
{
    return status == FLS_IO && error->os_errno == ENOENT;
}

/* Goes back from the last segment until there are enough messages, or no more segments: those
 * before one that was deleted meanwhile are not looked for. */
static enum fls_status find_start(const struct fls_series *series, enum fls_checksum_kind kind,
                                  uint64_t count, struct start *start, struct fls_error *error)
{
    enum fls_status status = FLS_OK;
    uint64_t lacking = count;
    int is_clean = 0;

    for (size_t i = series->count; i > 0 && status == FLS_OK; i--) {
        const struct fls_segment *segment = &series->segments[i - 1];
        struct extent extent = {.frames = 0};
        status = survey(segment, kind, &extent, error);
        if (i < series->count && was_deleted(status, error)) {
            free_extent(&extent);
            return FLS_OK;
        }
        uint64_t frame = extent.frames > lacking ? extent.frames - lacking : 0;
        lacking -= extent.frames - frame;
        if (i == series->count)
            is_clean = extent.is_clean;
        *start = (struct start){.segment = segment->number, .is_clean = is_clean};
        if (status == FLS_OK && frame > 0)
            status = place_of(&extent, frame, start, error);
        free_extent(&extent);
        if (lacking == 0)
            break;
    }
    return status;
}

/* --- the kind of checksum ----------------------------------------------------------------------
 */

/* A stream that has no whole frame yet is waited for until its first ones show their kind. */
static enum fls_status await_kind(struct fls_source *source, const struct options *options,
                                  unsigned *candidates, enum fls_checksum_kind *kind,
                                  struct fls_error *error)
{
    struct fls_view view;
    size_t need = 1;
    enum fls_status status;

    do {
        status = fls_source_peek(source, need, &view, error);
        if (status != FLS_OK && status != FLS_AGAIN)
            return status;
    } while (!cli_settle_live(view.bytes, view.available, options->read.max_frame, candidates, kind,
                              &need));
    return FLS_OK;
}

static int refuse_kind(const char *name, unsigned candidates)
{
    if (candidates == 0) {
        cli_error(name, "no kind of checksum fits: not a stream of frames, or damaged at its start "
                        "(--checksum KIND reads it as that kind)");
        return CLI_DAMAGED;
    }
    cli_error(name, "ambiguous: %s fit, and read it differently; say --checksum KIND",
              cli_candidate_names(candidates));
    return CLI_USAGE;
}

/* --- printing ----------------------------------------------------------------------------------
 */

#define BATCH 256

static size_t next_count(uint64_t left)
{
    if (left == 0)
        return 1;
    return left < BATCH ? (size_t)left : BATCH;
}

/* A stream that is not followed, but grows, has no more than the last messages printed that it had.
 */
static enum fls_status print_messages(struct fls_reader *reader, const struct start *start,
                                      struct options *options)
{
    struct fls_message messages[BATCH];
    enum fls_status status = FLS_OK;
    uint64_t left = options->follow || options->from_start ? UINT64_MAX : options->count;
    size_t got;

    while (!cli_out_failed() && (status == FLS_OK || status == FLS_AGAIN)) {
        if (left == 0 && start->is_clean)
            return FLS_END;
        status = fls_reader_next_batch(reader, messages, next_count(left), &got);
        if (left == 0)
            return status == FLS_OK ? FLS_END : status; /* what was damaged, is said */
        for (size_t i = 0; i < got && status == FLS_OK; i++)
            cli_print_message(&options->printing, &messages[i]);
        left -= left < UINT64_MAX && status == FLS_OK ? got : 0;
        if (options->follow)
            cli_out_flush();
        if (cli_signal() && !options->follow)
            return FLS_STOPPED;
    }
    return status;
}

/* What went wrong, and in which segment; that the output's reader is gone is no error. */
static void complain(const char *name, const struct fls_source *source, enum fls_checksum_kind kind,
                     const struct start *start, const struct fls_error *error)
{
    const struct fls_segment *segment;
    uint64_t offset = error->offset - start->place.offset;
    struct fls_error own = *error;
    char place[CLI_WHERE_TEXT_BYTES];
    struct cli_where where;

    if (error->os_errno == EPIPE)
        cli_end_by_pipe();
    if (error->has_frame && fls_series_locate(source, offset, &segment, &offset) &&
        segment->number > 0) {
        cli_where_in(segment, kind, offset, &where);
        own.offset = offset;
        own.frame = where.frame;
        own.has_frame = where.has_frame;
        cli_fail(segment->path, &own,
                 where.has_frame ? NULL : cli_where_text(&where, place, sizeof place));
    } else {
        cli_fail(name, error, NULL);
    }
}

static int print_from(const char *name, struct fls_source *source, enum fls_checksum_kind kind,
                      const struct start *start, struct options *options)
{
    struct fls_reader_options reading = {.checksum = kind,
                                         .payload_bytes_max = options->read.max_frame,
                                         .alignment = 1,
                                         .start_offset = start->place.offset,
                                         .start_frame = start->place.frame};
    struct fls_reader *reader;
    struct fls_error error;
    enum fls_status status = fls_reader_open(source, &reading, &reader, &error);

    if (status == FLS_OK) {
        if (start->skip > 0)
            status = fls_reader_skip(reader, start->skip, NULL);
        if (status == FLS_OK)
            status = print_messages(reader, start, options);
        error = *fls_reader_error(reader);
        fls_reader_close(reader);
    }
    cli_out_flush();
    int result = status == FLS_STOPPED ? cli_signal_exit() : cli_exit_of(status);
    if (result != CLI_WELL && status != FLS_STOPPED)
        complain(name, source, kind, start, &error);
    return cli_print_end(&options->printing, name, result);
}

static void tell_deleted(void *context, uint64_t first, uint64_t last)
{
    struct options *options = context;

    (void)cli_gaps_tell_deleted(options->path, options->source, first, last);
}

static enum fls_status open_at(const struct start *start, struct options *options,
                               struct fls_error *error)
{
    struct fls_series_options from = {.follow = options->follow,
                                      .start_segment = start->segment,
                                      .start_offset = start->place.offset,
                                      .reader_fd = cli_reader_fd(),
                                      .deleted = tell_deleted,
                                      .context = options};

    return fls_source_open_series(options->path, &from, &options->source, error);
}

/* Finds the kind if that is not known yet, and prints. `status`: how opening the source ended. */
static int print_series(const char *path, struct options *options, int kind_known,
                        enum fls_checksum_kind kind, const struct start *start,
                        enum fls_status status, struct fls_error error)
{
    struct fls_source *source = options->source;
    unsigned candidates = 1u << kind;
    int result = CLI_WELL;

    if (status == FLS_OK) {
        cli_signals_stop(source);
        if (!kind_known)
            status = await_kind(source, options, &candidates, &kind, &error);
        if (status == FLS_OK && (candidates & (candidates - 1)) == 0 && candidates != 0)
            result = print_from(path, source, kind, start, options);
        else if (status == FLS_OK)
            result = refuse_kind(path, candidates);
        cli_signals_stop(NULL);
        fls_source_close(source);
    }
    if (status == FLS_OK || status == FLS_END)
        return result;
    if (error.os_errno == EPIPE)
        cli_end_by_pipe();
    cli_fail(path, &error, NULL);
    return cli_exit_of(status);
}

/* Where to begin, in what is there. */
static enum fls_status settle_start(const struct options *options, enum fls_checksum_kind kind,
                                    struct start *start, struct fls_error *error)
{
    struct fls_series series;

    *start = (struct start){.segment = 0};
    if (options->from_start) {
        start->skip = options->count > 0 ? options->count - 1 : 0;
        return FLS_OK;
    }
    enum fls_status status = fls_series_list(options->path, &series, error);
    if (status != FLS_OK)
        return status;
    status = find_start(&series, kind, options->count, start, error);
    fls_series_free(&series);
    return status;
}

/* So often is a start looked for that is deleted before it is opened. */
#define STARTS_MAX 1000

/* Opens the source where the printing begins; `settled`: there is something to be looked at. */
static enum fls_status open_start(struct options *options, int settled, enum fls_checksum_kind kind,
                                  struct start *start, struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    for (int i = 0; i < STARTS_MAX; i++) {
        *start = (struct start){.segment = 0};
        status = settled ? settle_start(options, kind, start, error) : FLS_OK;
        if (status == FLS_OK)
            status = open_at(start, options, error);
        if (!was_deleted(status, error))
            break;
    }
    return status;
}

static int end_by_signal(const struct options *options)
{
    return options->follow ? CLI_WELL : cli_signal_exit();
}

static int tail(const char *path, struct options *options)
{
    struct start start;
    struct cli_input input;
    struct fls_error error;

    cli_signals_catch();
    enum fls_status status = cli_input_open(&input, path, &options->read, &error);
    int is_there = status == FLS_OK;
    if (cli_signal())
        return end_by_signal(options);
    if (!is_there && !(options->follow && was_deleted(status, &error))) {
        cli_fail(path, &error, NULL);
        return cli_exit_of(status);
    }
    cli_input_close(&input);
    if (is_there && input.fit == CLI_FIT_NONE) {
        cli_fail(path, &input.no_fit, NULL);
        return cli_exit_of(input.no_fit.status);
    }
    if (is_there && input.fit == CLI_FIT_SEVERAL)
        return refuse_kind(path, input.candidates);
    int is_given = options->read.checksum != CLI_CHECKSUM_AUTO;
    int known = is_given || (is_there && (input.fit == CLI_FIT_FOUND ||
                                          (!options->follow && input.fit == CLI_FIT_SAME)));
    enum fls_checksum_kind kind = FLS_CHECKSUM_NONE;
    if (is_given)
        kind = (enum fls_checksum_kind)(options->read.checksum - CLI_CHECKSUM_FIRST);
    else if (known)
        kind = input.kind;
    options->path = path;
    status = open_start(options, options->from_start || (known && is_there), kind, &start, &error);
    if (status == FLS_STOPPED)
        return end_by_signal(options);
    return print_series(path, options, known, kind, &start, status, error);
}

/* What cannot seek is read to its end first, takes the place of standard input, and is then like
 * any file. */
static int tail_of_input(const char *path, int fd, struct options *options)
{
    struct fls_error error;
    int spooled = fd;

    if (lseek(fd, 0, SEEK_CUR) < 0 && cli_input_spool(fd, &spooled, &error) != FLS_OK) {
        if (cli_signal())
            return cli_signal_exit();
        cli_fail(cli_input_name(path), &error, NULL);
        return cli_exit_of(error.status);
    }
    if (spooled != STDIN_FILENO && dup2(spooled, STDIN_FILENO) < 0) {
        cli_error(cli_input_name(path), "%s", strerror(errno));
        return CLI_SYSTEM;
    }
    return tail("/proc/self/fd/0", options);
}

static int is_pipe(const char *path)
{
    struct stat information;

    return stat(path, &information) == 0 && S_ISFIFO(information.st_mode);
}

static int tail_of_pipe(const char *path, struct options *options)
{
    struct fls_error error;
    int fd;

    if (cli_open_input(path, &fd, &error) != FLS_OK) {
        cli_fail(path, &error, NULL);
        return CLI_SYSTEM;
    }
    int result = tail_of_input(path, fd, options);
    close(fd);
    return result;
}

static int tail_of(const char *path, struct options *options)
{
    if (strcmp(path, "-") == 0)
        return tail_of_input(path, STDIN_FILENO, options);
    return is_pipe(path) ? tail_of_pipe(path, options) : tail(path, options);
}

static int parse_count(const struct cli_verb *verb, struct options *options)
{
    const char *text = options->count_text;

    options->count = 10;
    if (!text)
        return CLI_GO_ON;
    options->from_start = text[0] == '+';
    if (!cli_number(text + options->from_start, 0, &options->count))
        return cli_usage(verb, "--count: '%s' is no number of messages (N, or +N)", text);
    return CLI_GO_ON;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options = FLS_ZERO;
    const struct cli_option table[] = {
        {"checksum", 0, CLI_CHOICE, &options.read.checksum, cli_checksum_choices, 0},
        {"max-frame", 0, CLI_BYTES, &options.read.max_frame, NULL, 1},
        CLI_SCHEMA_OPTIONS(&options.schema),
        {"as", 0, CLI_CHOICE, &options.printing.form, cli_forms, 0},
        {"count", 'n', CLI_TEXT, &options.count_text, NULL, 0},
        {"follow", 'f', CLI_FLAG, &options.follow, NULL, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = cli_check_max_frame(verb, &options.read.max_frame);
    if (result == CLI_GO_ON)
        result = parse_count(verb, &options);
    if (result == CLI_GO_ON)
        result = cli_print_check(verb, &options.printing, &options.schema);
    if (result != CLI_GO_ON)
        return result;
    if (files.count != 1)
        return cli_usage(verb, files.count == 0 ? "which FILE? `-` is standard input"
                                                : "one FILE at a time");
    if (options.follow && (strcmp(files.argv[0], "-") == 0 || is_pipe(files.argv[0])))
        return cli_usage(verb, "standard input and pipes cannot be followed; `cat` prints them as "
                               "they come");
    result = cli_schema_open(verb, &options.schema, 0, &options.printing.schema);
    if (result != CLI_GO_ON)
        return result;
    cli_reader_watch_output(NULL);
    result = tail_of(files.argv[0], &options);
    cli_schema_close(&options.printing.schema);
    return result;
}

const struct cli_verb cli_verb_tail = {"tail", "print the last messages, and follow", help, run};
