/*
 * sender.h: the way of messages to an output: a writer, the asynchronous writer before it, or a
 * journal.
 */
#ifndef CLI_SENDER_H
#define CLI_SENDER_H

#include <flatstream/async.h>
#include <flatstream/journal.h>

/* One of the three is open; `fd` is what an output that would block is waited for on. A journal is
 * opened by whoever has its options. */
struct cli_sender {
    struct fls_writer *writer;
    struct fls_async *async;
    struct fls_journal *journal;
    int fd;
};

/* Opens on `sink`, which the sender owns from then on, also when this fails. */
enum fls_status cli_sender_open(struct cli_sender *sender, struct fls_sink *sink,
                                const struct fls_writer_options *options, int async,
                                struct fls_error *error);

/* Each waits as long as it must. */
enum fls_status cli_sender_write(struct cli_sender *sender, const void *message, size_t bytes);
enum fls_status cli_sender_flush(struct cli_sender *sender);

/* The output's error, and the messages taken. */
struct fls_error cli_sender_error(const struct cli_sender *sender);
uint64_t cli_sender_messages(const struct cli_sender *sender);

/* How many messages were taken and then refused (by the asynchronous writer), and why the first of
 * them was. Known once a flush has returned. */
uint64_t cli_sender_refused(const struct cli_sender *sender, struct fls_error *why);

/* Bytes of frames that the system has taken. */
uint64_t cli_sender_bytes(const struct cli_sender *sender);

/* Closes, with what is left sent; or, after a failure, without. */
enum fls_status cli_sender_close(struct cli_sender *sender, struct fls_error *error);
void cli_sender_abandon(struct cli_sender *sender);

#endif
