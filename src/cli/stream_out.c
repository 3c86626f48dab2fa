/*
 * stream_out.c: see stream_out.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beside.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/stream_out.h"

#define BLOCK_BYTES ((size_t)256 * 1024)

static int is_standard_output(const struct cli_stream_out *out)
{
    return strcmp(out->path, "-") == 0;
}

enum fls_status cli_stream_out_open(struct cli_stream_out *out, const struct cli_outfile_plan *plan,
                                    enum fls_checksum_kind kind, struct fls_error *error)
{
    *out = (struct cli_stream_out){.path = plan->path};
    out->format.checksum.kind = kind;
    out->format.payload_bytes_max = FLS_PAYLOAD_BYTES_WIRE_MAX;
    if (is_standard_output(out))
        return cli_out_is_terminal() ? cli_set_error(error, FLS_INVALID_ARGUMENT, CLI_OUT_NO_STREAM)
                                     : FLS_OK;
    out->block = malloc(BLOCK_BYTES);
    if (!out->block)
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory");
    cli_signals_catch();
    enum fls_status status = cli_outfile_open(&out->file, plan, error);
    if (status != FLS_OK) {
        free(out->block);
        out->block = NULL;
        return status;
    }
    out->is_open = 1;
    return FLS_OK;
}

static enum fls_status write_all(int fd, const unsigned char *bytes, size_t count,
                                 struct fls_error *error)
{
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno == EINTR && !cli_signal())
            continue;
        if (cli_signal())
            return FLS_STOPPED;
        if (written <= 0)
            return cli_system_error(error, "write", written < 0 ? errno : EIO);
        bytes += written;
        count -= (size_t)written;
    }
    return FLS_OK;
}

static enum fls_status flush(struct cli_stream_out *out, struct fls_error *error)
{
    enum fls_status status = write_all(out->file.fd, out->block, out->used, error);

    out->used = 0;
    return status;
}

enum fls_status cli_stream_out_raw(struct cli_stream_out *out, const void *bytes, size_t count,
                                   struct fls_error *error)
{
    enum fls_status status = FLS_OK;

    out->bytes += count;
    if (cli_signal())
        return FLS_STOPPED;
    if (is_standard_output(out)) {
        cli_out_bytes(bytes, count);
        return cli_out_failed() ? FLS_STOPPED : FLS_OK;
    }
    if (count > BLOCK_BYTES - out->used)
        status = flush(out, error);
    if (status == FLS_OK && count > BLOCK_BYTES)
        return write_all(out->file.fd, bytes, count, error);
    if (status == FLS_OK && count > 0) {
        memcpy(out->block + out->used, bytes, count);
        out->used += count;
    }
    return status;
}

enum fls_status cli_stream_out_put(struct cli_stream_out *out, const void *payload, size_t bytes,
                                   struct fls_error *error)
{
    unsigned char header[FLS_FRAME_HEADER_BYTES_MAX];

    if (bytes > FLS_PAYLOAD_BYTES_WIRE_MAX)
        return cli_set_error(error, FLS_LIMIT, "a message of %zu bytes is more than a frame holds",
                             bytes);
    uint64_t checksum = fls_checksum_of(out->format.checksum, payload, bytes);
    size_t count = fls_frame_encode_header(&out->format, (uint32_t)bytes, checksum, header);
    enum fls_status status = cli_stream_out_raw(out, header, count, error);
    if (status == FLS_OK)
        status = cli_stream_out_raw(out, payload, bytes, error);
    out->frames += status == FLS_OK;
    return status;
}

enum fls_status cli_stream_out_finish(struct cli_stream_out *out, struct fls_error *error)
{
    if (is_standard_output(out)) {
        cli_out_flush();
        return FLS_OK;
    }
    enum fls_status status = flush(out, error);
    if (status != FLS_OK)
        return status;
    out->is_open = 0;
    free(out->block);
    out->block = NULL;
    return cli_outfile_finish_stream(&out->file, error);
}

void cli_stream_out_abandon(struct cli_stream_out *out)
{
    if (out->is_open)
        cli_outfile_abandon(&out->file);
    out->is_open = 0;
    free(out->block);
    out->block = NULL;
}

int cli_stream_out_fail(struct cli_stream_out *out, const struct fls_error *error,
                        enum fls_status status)
{
    cli_stream_out_abandon(out);
    if (cli_signal()) {
        cli_error(out->path, "interrupted; nothing was written");
        return cli_signal_exit();
    }
    if (status == FLS_STOPPED)
        return CLI_SYSTEM; /* standard output failed; what it was is said at the end */
    cli_fail(out->path, error, cli_outfile_left(&out->file));
    return cli_exit_of(status);
}
