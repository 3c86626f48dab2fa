/*
 * stream_in.c: see stream_in.h.
 */
#include <errno.h>
#include <unistd.h>

#include "cli/stream_in.h"

static int ambiguous(const struct cli_input *input)
{
    cli_error(input->name, "ambiguous: %s fit, and read it differently; say --checksum KIND",
              cli_candidate_names(input->candidates));
    return CLI_USAGE;
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
        fls_source_close(in->input.source);
        in->input.source = NULL;
        if (lseek(in->input.fd, (off_t)in->input.start, SEEK_SET) < 0)
            return cli_system_error(error, "lseek", errno);
        status =
            fls_source_open_fd(in->input.fd, FLS_BORROWED, read_ahead_bytes, &in->source, error);
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
    int result = cli_exit_of(status);
    const char *advice = NULL;
    if (status == FLS_UNEXPECTED_END) /* behind a torn tail there is nothing to be got */
        advice = "what is before it was taken";
    else if (result == CLI_DAMAGED)
        advice = "what is before it was taken; `flatstream salvage` gets more";
    cli_fail(in->input.name, fls_reader_error(in->reader), advice);
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
