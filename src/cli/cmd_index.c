/*
 * cmd_index.c: building the index beside a stream, and checking it.
 *
 * The new index is built under a temporary name and takes the place of the old one when it is
 * whole. What was read was read from the device or is being written to it: the stream is synced
 * before the index says that it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <flatstream/series.h>

#include "base/beside.h"
#include "cli/index_use.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/time_key.h"
#include "journal/index_file.h"

static const char help[] =
    "Usage: flatstream index [OPTION]... FILE...\n"
    "Builds FILE.idx, by which slice and programs find messages by number and by time\n"
    "without reading the stream. An index that is there is replaced when the new one\n"
    "is whole. A FILE that is not there, but has segments (FILE-000001 and so on),\n"
    "stands for all of them.\n"
    "\n" CLI_KEY_HELP
    "  --no-key           by number alone, also in place of an index that has times:\n"
    "                     else that is refused\n"
    "  --every N          an entry for every N messages; else for every 40 KiB\n"
    "  --check            build nothing: read each stream and say whether its index\n"
    "                     is right; with --key the times too\n" CLI_SCHEMA_HELP CLI_READ_HELP "\n"
    "An index may end before its stream does: what comes after is then read. It is\n"
    "checked whenever it is used, and one that does not belong to the stream is never\n"
    "followed.\n"
    "\n"
    "Exit status: 0 all well; 1 a stream is damaged (the index then ends before the\n"
    "damage), or --check found no index, or one that is not sound; 2 wrong usage; 3\n"
    "the system failed.\n"
    "\n"
    "Examples:\n"
    "  flatstream index telemetry.fls\n"
    "  flatstream index --key timestamp --schema telemetry.fbs telemetry.fls\n"
    "  flatstream index --check telemetry.fls\n";

struct options {
    struct cli_read_options read;
    struct cli_schema_options schema;
    struct cli_key_options key_options;
    struct cli_key *key;
    uint64_t every;
    int no_key;
    int check;
};

#define BATCH 256

/* --- telling -----------------------------------------------------------------------------------
 */

static void tell(const char *name, const struct fls_index *index)
{
    char shown[CLI_SHOWN_BYTES];

    cli_out_text("%s.idx: ", cli_shown_name(name, shown, sizeof shown));
    cli_index_tell(index);
    cli_out_text("\n");
    cli_out_flush();
}

static int fail(const char *name, const struct fls_error *error)
{
    cli_fail(name, error, NULL);
    return cli_exit_of(error->status);
}

/* --- building ----------------------------------------------------------------------------------
 */

static enum fls_status add_messages(struct fls_index_writer *writer, size_t header_bytes,
                                    const struct fls_message *messages, size_t count,
                                    struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    for (size_t i = 0; i < count && status == FLS_OK; i++) {
        struct iovec segment = {(void *)(uintptr_t)messages[i].payload, messages[i].bytes};
        struct fls_payload payload = {&segment, 1, messages[i].bytes};
        status = fls_index_writer_add(writer, messages[i].offset, header_bytes, &payload, error);
    }
    fls_index_writer_handed(writer);
    return status;
}

/* FLS_END; or what stopped it: *of_stream says whether the stream is to blame. */
static enum fls_status add_all(struct fls_reader *reader, struct fls_index_writer *writer,
                               size_t header_bytes, int *of_stream, struct fls_error *error)
{
    struct fls_message messages[BATCH];
    enum fls_status status = FLS_OK;
    size_t count;

    *of_stream = 0;
    while (status == FLS_OK && !cli_signal()) {
        status = fls_reader_next_batch(reader, messages, BATCH, &count);
        if (status != FLS_OK) {
            *of_stream = 1;
            if (status != FLS_END)
                *error = *fls_reader_error(reader);
        } else {
            status = add_messages(writer, header_bytes, messages, count, error);
        }
    }
    return cli_signal() ? FLS_STOPPED : status;
}

/* Reads the stream into the index; *damage is filled when the stream ends before its file does. */
static enum fls_status fill(struct cli_input *input, const struct options *options,
                            struct fls_index_writer *writer, struct fls_error *damage,
                            struct fls_error *error)
{
    struct fls_reader_options reading = {
        .checksum = input->kind, .payload_bytes_max = options->read.max_frame, .alignment = 1};
    size_t header_bytes = 4 + fls_checksum_bytes((struct fls_checksum){input->kind, NULL});
    struct fls_reader *reader;
    int of_stream;
    enum fls_status status = fls_reader_open(input->source, &reading, &reader, error);

    if (status != FLS_OK)
        return status;
    cli_progress_begin(input->name, input->bytes, 0);
    status = add_all(reader, writer, header_bytes, &of_stream, error);
    cli_progress_end();
    fls_reader_close(reader);
    if (of_stream && cli_exit_of(status) == CLI_DAMAGED)
        *damage = *error;
    else if (status != FLS_END)
        return status;
    fls_index_writer_syncing(writer);
    if (fdatasync(input->fd) == 0)
        fls_index_writer_synced(writer);
    return FLS_OK;
}

static enum fls_status build_at(struct cli_input *input, const struct options *options,
                                const char *temporary, struct cli_undo *undo,
                                struct fls_error *damage, struct fls_error *error)
{
    struct fls_index_options building = {.stretch_frames = options->every};
    struct fls_index_writer *writer;
    uint64_t frame, offset;

    options->key->broken = 0;
    cli_key_for_index(options->key, options->key_options.field, &building);
    cli_signals_hold();
    enum fls_status status = fls_index_writer_open(input->path, temporary, input->kind, &building,
                                                   0, &writer, &frame, &offset, error);
    if (status == FLS_OK)
        cli_signals_undo(undo);
    cli_signals_release();

    if (status != FLS_OK)
        return status;
    status = fill(input, options, writer, damage, error);
    enum fls_status closed = fls_index_writer_close(writer, status == FLS_OK ? error : NULL);
    return status == FLS_OK ? closed : status;
}

/* An index without times is not to take the place of one that has them unawares. */
static enum fls_status check_key(const char *name, const struct stat *stream,
                                 const struct options *options, struct fls_error *error)
{
    struct fls_index_header header;
    char key[CLI_SHOWN_BYTES];

    if (options->key->path || options->no_key)
        return FLS_OK;
    enum fls_status status = fls_index_file_header(name, stream, &header, error);
    if (status == FLS_IO || status == FLS_NO_MEMORY)
        return status;
    if (status != FLS_OK || !header.has_time)
        return FLS_OK;
    return cli_set_error(error, FLS_INVALID_ARGUMENT,
                         "its index has times, by '%.63s': --key makes it by times again, --no-key "
                         "by number alone",
                         cli_shown_name(header.key, key, sizeof key));
}

/* Is the place free, or an index's of ours? Before the stream is read for nothing. */
static enum fls_status check_place(const char *name, const struct stat *stream,
                                   const struct options *options, struct fls_error *error)
{
    int fd;
    enum fls_status status = fls_beside_open_index(name, stream, &fd, error);

    if (status == FLS_IO && error->os_errno == ENOENT)
        return FLS_OK;
    if (status != FLS_OK)
        return status;
    close(fd);
    return check_key(name, stream, options, error);
}

/* Builds under a temporary name, which becomes the index's. */
static enum fls_status build_and_name(struct cli_input *input, const struct options *options,
                                      const char *temporary, const char *name,
                                      struct fls_error *damage, struct fls_error *error)
{
    struct cli_undo undo = {.path = temporary};
    struct stat stream;

    if (fstat(input->fd, &stream) != 0)
        return cli_system_error(error, "fstat", errno);
    enum fls_status status = check_place(name, &stream, options, error);
    if (status != FLS_OK)
        return status;
    status = build_at(input, options, temporary, &undo, damage, error);
    if (status == FLS_OK)
        status = fls_beside_replace_index(temporary, name, &stream, error);
    cli_signals_forget(&undo);
    if (status == FLS_OK)
        return FLS_OK;
    enum fls_status removed = fls_beside_remove_index(temporary, &stream, NULL);
    (void)removed; /* why it failed is what is told */
    return status;
}

static enum fls_status build_whole(struct cli_input *input, const struct options *options,
                                   struct fls_error *damage, struct fls_error *error)
{
    size_t length = strlen(input->path) + sizeof FLS_INDEX_ENDING ".XXXXXX";
    char *name = malloc(2 * length);

    if (!name)
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory");
    char *temporary = name + length;
    snprintf(name, length, "%s" FLS_INDEX_ENDING, input->path);
    snprintf(temporary, length, "%s" FLS_INDEX_ENDING ".%06x", input->path,
             (unsigned)getpid() & 0xffffff);
    enum fls_status status = build_and_name(input, options, temporary, name, damage, error);
    free(name);
    return status;
}

static int build(struct cli_input *input, const struct options *options)
{
    struct fls_error error, damage = {.status = FLS_OK};
    struct fls_index *index;

    cli_signals_catch(); /* the temporary file is not to stay */
    enum fls_status status = build_whole(input, options, &damage, &error);
    if (status == FLS_STOPPED) {
        cli_error(input->name, "interrupted; the index was not changed");
        return cli_signal_exit();
    }
    if (status == FLS_OK)
        status = fls_index_open(input->path, NULL, &index, &error);
    if (status != FLS_OK)
        return fail(input->name, &error);
    tell(input->name, index);
    fls_index_close(index);
    int result = cli_key_tell_broken(input->name, options->key->broken);
    if (damage.status == FLS_OK)
        return result;
    cli_input_fail(input, &damage, "the index ends there");
    return CLI_DAMAGED;
}

/* --- checking ----------------------------------------------------------------------------------
 */

static int check_one(const char *path, const struct options *options)
{
    struct fls_reader_options reading = {.payload_bytes_max = options->read.max_frame,
                                         .alignment = 1};
    struct fls_index *index;
    struct fls_error error;
    enum fls_status status = fls_index_open(path, NULL, &index, &error);

    if (status == FLS_IO && error.os_errno == ENOENT && access(path, F_OK) == 0) {
        cli_error(path, "there is no index");
        return CLI_DAMAGED;
    }
    if (status == FLS_OK) {
        struct fls_index_summary summary = fls_index_describe(index);
        void *context = NULL;
        fls_time_function *time =
            options->key->path ? cli_key_function(options->key, &summary, &context) : NULL;
        reading.checksum = summary.checksum;
        status = fls_index_check(index, time, context, &reading, &error);
        if (status == FLS_OK)
            tell(path, index);
        if (status == FLS_OK && fls_index_describe(index).stream_changed)
            cli_error(path, "the index fits, but the stream was changed after it was written, so "
                            "its times are not used; `flatstream index` builds it anew");
        fls_index_close(index);
    }
    if (status == FLS_OK)
        return CLI_WELL;
    cli_fail(path, &error, "`flatstream index` builds it anew");
    return status == FLS_IO || status == FLS_NO_MEMORY ? CLI_SYSTEM : CLI_DAMAGED;
}

/* --- the verb ----------------------------------------------------------------------------------
 */

static int index_file(const char *path, const struct options *options)
{
    struct cli_input input;
    struct fls_error error;
    int result;

    if (options->check)
        return check_one(path, options);
    if (cli_input_open(&input, path, &options->read, &error) != FLS_OK)
        return fail(path, &error);
    if (!input.regular) {
        cli_error(input.name, "only a file can have an index");
        result = CLI_USAGE;
    } else if (input.fit == CLI_FIT_SEVERAL) {
        cli_error(input.name, "ambiguous: %s fit, and read it differently; say --checksum KIND",
                  cli_candidate_names(input.candidates));
        result = CLI_USAGE;
    } else if (input.fit == CLI_FIT_NONE) {
        result = fail(input.name, &input.no_fit);
    } else {
        result = build(&input, options);
    }
    cli_input_close(&input);
    return result;
}

/* A file, or the segments of a series that has its name. */
static int index_series(const char *path, const struct options *options)
{
    struct fls_series series;
    struct fls_error error;
    int result = CLI_WELL;

    if (access(path, F_OK) == 0)
        return index_file(path, options);
    if (fls_series_list(path, &series, &error) != FLS_OK) {
        cli_fail(path, &error, NULL);
        return cli_exit_of(error.status);
    }
    if (series.count == 0)
        result = index_file(path, options); /* which says that there is no such file */
    for (size_t i = 0; i < series.count && !cli_signal(); i++) {
        int one = index_file(series.segments[i].path, options);
        result = one > result ? one : result;
    }
    fls_series_free(&series);
    return result;
}

static int index_all(const struct options *options, const struct cli_operands *files)
{
    int result = CLI_WELL;

    for (int i = 0; i < files->count && !cli_out_failed() && !cli_signal(); i++) {
        int one = index_series(files->argv[i], options);
        result = one > result ? one : result;
    }
    return result;
}

static int check_usage(const struct cli_verb *verb, struct options *options,
                       const struct cli_operands *files)
{
    if (files->count == 0)
        return cli_usage(verb, "which FILE?");
    for (int i = 0; i < files->count; i++)
        if (strcmp(files->argv[i], "-") == 0)
            return cli_usage(verb, "standard input cannot have an index; name the file");
    if (options->read.offset != 0)
        return cli_usage(verb, "a stream behind a foreign header cannot have an index");
    if (options->no_key && (options->check || options->key_options.field))
        return cli_usage(verb, "--no-key goes with building, and without --key");
    if (options->check && options->every != 0)
        return cli_usage(verb, "--every goes with building, not with --check");
    return cli_check_max_frame(verb, &options->read.max_frame);
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
    struct cli_key key = {.path = NULL};
    struct options options = {.key = &key};
    struct cli_schema schema = {.schema = NULL};
    const struct cli_option table[] = {CLI_READ_OPTIONS(&options.read),
                                       CLI_SCHEMA_OPTIONS(&options.schema),
                                       CLI_KEY_OPTION(&options.key_options),
                                       {"every", 0, CLI_COUNT, &options.every, NULL, 1},
                                       {"no-key", 0, CLI_FLAG, &options.no_key, NULL, 0},
                                       {"check", 0, CLI_FLAG, &options.check, NULL, 0}};
    struct cli_operands files;
    int result = cli_parse(verb, table, sizeof table / sizeof table[0], argc, argv, &files);

    if (result == CLI_GO_ON)
        result = check_usage(verb, &options, &files);
    if (result == CLI_GO_ON)
        result = cli_schema_open(verb, &options.schema, 0, &schema);
    if (result == CLI_GO_ON)
        result = cli_key_open(verb, &options.key_options, &schema, &key);
    if (result == CLI_GO_ON)
        result = index_all(&options, &files);
    cli_key_close(&key);
    cli_schema_close(&schema);
    return result;
}

const struct cli_verb cli_verb_index = {"index", "build the index beside a stream, or check it",
                                        help, run};
