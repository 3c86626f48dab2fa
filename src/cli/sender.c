/*
 * sender.c: see sender.h.
 */
#include <poll.h>
#include <stddef.h>

#include "cli/sender.h"

enum fls_status cli_sender_open(struct cli_sender *sender, struct fls_sink *sink,
                                const struct fls_writer_options *options, int async,
                                struct fls_error *error)
{
    struct fls_writer_options writing = *options;
    struct fls_async_options before = {.when_full = FLS_ASYNC_BLOCK, .writer = &writing};

    writing.owns_sink = 1;
    enum fls_status status = async ? fls_async_open(sink, &before, &sender->async, error)
                                   : fls_writer_open(sink, &writing, &sender->writer, error);
    if (status != FLS_OK)
        fls_sink_close(sink, NULL);
    return status;
}

static void wait_for_output(const struct cli_sender *sender)
{
    struct pollfd output = {sender->fd, POLLOUT, 0};

    (void)poll(&output, 1, -1);
}

enum fls_status cli_sender_write(struct cli_sender *sender, const void *message, size_t bytes)
{
    enum fls_status status;

    if (sender->journal)
        return fls_journal_write(sender->journal, message, bytes, NULL);
    if (sender->async)
        return fls_async_write(sender->async, message, bytes);
    while ((status = fls_writer_write(sender->writer, message, bytes)) == FLS_AGAIN)
        wait_for_output(sender);
    return status;
}

enum fls_status cli_sender_flush(struct cli_sender *sender)
{
    enum fls_status status;

    if (sender->journal)
        return fls_journal_commit(sender->journal, 0, FLS_LEVEL_PROCESS);
    if (sender->async)
        return fls_async_flush(sender->async, FLS_LEVEL_PROCESS, -1);
    while ((status = fls_writer_flush(sender->writer, FLS_LEVEL_PROCESS)) == FLS_AGAIN)
        wait_for_output(sender);
    return status;
}

struct fls_error cli_sender_error(const struct cli_sender *sender)
{
    struct fls_error error;

    if (sender->writer)
        return *fls_writer_error(sender->writer);
    if (sender->journal)
        fls_journal_error(sender->journal, &error);
    else
        fls_async_error(sender->async, &error);
    return error;
}

uint64_t cli_sender_messages(const struct cli_sender *sender)
{
    if (sender->journal)
        return fls_journal_statistics(sender->journal).messages;
    if (sender->async) {
        struct fls_async_counts counts = fls_async_statistics(sender->async);
        return counts.accepted - counts.refused;
    }
    return fls_writer_statistics(sender->writer).messages;
}

uint64_t cli_sender_refused(const struct cli_sender *sender, struct fls_error *why)
{
    if (!sender->async)
        return 0;
    fls_async_refusal(sender->async, why);
    return fls_async_statistics(sender->async).refused;
}

uint64_t cli_sender_bytes(const struct cli_sender *sender)
{
    if (sender->journal)
        return fls_journal_statistics(sender->journal).bytes;
    if (sender->async)
        return fls_async_statistics(sender->async).bytes;
    return fls_writer_statistics(sender->writer).bytes;
}

enum fls_status cli_sender_close(struct cli_sender *sender, struct fls_error *error)
{
    enum fls_status status;

    if (sender->journal)
        return fls_journal_close(sender->journal, error);
    if (sender->async)
        return fls_async_close(sender->async, -1, NULL, error);
    while ((status = fls_writer_close(sender->writer, error)) == FLS_AGAIN)
        wait_for_output(sender);
    return status;
}

void cli_sender_abandon(struct cli_sender *sender)
{
    (void)fls_journal_close(sender->journal, NULL);
    (void)fls_async_close(sender->async, -1, NULL, NULL);
    fls_writer_abandon(sender->writer);
}
