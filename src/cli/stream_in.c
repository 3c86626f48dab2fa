/*
 * stream_in.c: see stream_in.h.
 */
#include <errno.h>
#include <unistd.h>

#include <sys/resource.h>

#include "cli/parked_source.h"
#include "cli/signals.h"
#include "cli/stream_in.h"

/* So many descriptors are left for whatever else a verb opens. */
#define SPARE_DESCRIPTORS 64

static int ambiguous(const struct cli_input *input)
{
    cli_error(input->name, "ambiguous: %s fit, and read it differently; say --checksum KIND",
              cli_candidate_names(input->candidates));
    return CLI_USAGE;
}

int cli_stream_in_raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -1;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

static int is_scarce(int fd)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
           (rlim_t)fd + SPARE_DESCRIPTORS >= limit.rlim_cur;
}

/* A source of its own over a regular file; without a descriptor where these are about to run out.
 */
static enum fls_status open_file_source(struct cli_stream_in *in, size_t read_ahead_bytes,
                                        struct fls_error *error)
{
    struct cli_input *input = &in->input;

    fls_source_close(input->source);
    input->source = NULL;
    if (input->owned && is_scarce(input->fd)) {
        enum fls_status status = cli_source_open_parked(input->path, input->fd, input->start,
                                                        read_ahead_bytes, &in->source, error);
        close(input->fd);
        input->fd = -1;
        return status;
    }
    if (lseek(input->fd, (off_t)input->start, SEEK_SET) < 0)
        return cli_system_error(error, "lseek", errno);
    return fls_source_open_fd(input->fd, FLS_BORROWED, read_ahead_bytes, &in->source, error);
}

static enum fls_status open_reader(struct cli_stream_in *in, const struct cli_read_options *options,
                                   size_t read_ahead_bytes, struct fls_error *error)
{
    struct fls_reader_options reading = {.checksum = in->input.kind,
                                         .payload_bytes_max = options->max_frame,
                                         .alignment = 1,
                                         .start_offset = in->input.offset};
    struct fls_source *source = in->input.source;
    enum fls_status status = FLS_OK;

    if (read_ahead_bytes > 0 && in->input.regular) {
        status = open_file_source(in, read_ahead_bytes, error);
        source = in->source;
    }
    return status == FLS_OK ? fls_reader_open(source, &reading, &in->reader, error) : status;
}

int cli_stream_in_open(struct cli_stream_in *in, const char *path,
                       const struct cli_read_options *options, size_t read_ahead_bytes)
{
    struct fls_error error;
    int result = CLI_GO_ON;

    *in = (struct cli_stream_in){.input = {.fd = -1}};
    enum fls_status status = cli_input_open(&in->input, path, options, &error);
    if (status == FLS_OK && in->input.fit == CLI_FIT_SEVERAL) {
        result = ambiguous(&in->input);
    } else if (status == FLS_OK && in->input.fit == CLI_FIT_NONE) {
        error = in->input.no_fit;
        status = error.status;
    } else if (status == FLS_OK) {
        status = open_reader(in, options, read_ahead_bytes, &error);
    }
    if (status != FLS_OK) {
        cli_fail(cli_input_name(path), &error, NULL);
        result = cli_exit_of(status);
    }
    if (result != CLI_GO_ON)
        cli_stream_in_close(in);
    return result;
}

int cli_stream_in_end(const struct cli_stream_in *in, enum fls_status status)
{
    if (status == FLS_END)
        return CLI_WELL;
    if (cli_signal())
        return CLI_SYSTEM; /* whoever made the output says so */
    int result = cli_exit_of(status);
    const char *advice = NULL;
    if (status == FLS_UNEXPECTED_END) /* behind a torn tail there is nothing to be got */
        advice = "what is before it was taken";
    else if (result == CLI_DAMAGED)
        advice = "what is before it was taken; `flatstream salvage` gets more";
    cli_input_fail(&in->input, fls_reader_error(in->reader), advice);
    return result;
}

void cli_stream_in_close(struct cli_stream_in *in)
{
    fls_reader_close(in->reader);
    in->reader = NULL;
    fls_source_close(in->source);
    in->source = NULL;
    if (in->input.fd >= 0 || in->input.source)
        cli_input_close(&in->input);
}
