/*
 * reader_gone.h: whoever reads what the command writes may go away while the command waits for
 * something else, and then nothing is written any more by which that would be noticed.
 *
 * So whatever waits (signals.h, a series that is followed) looks at the output, too, and the
 * command ends as it would by the next write.
 */
#ifndef CLI_READER_GONE_H
#define CLI_READER_GONE_H

/* `fd` is what this run is for: when it is a pipe, a socket or a terminal, waiting for something
 * else ends with its reader. `name` is borrowed. For verbs that hold nothing that must be cleaned
 * up. */
void cli_reader_watch(int fd, const char *name);

/* The same for standard output, when that is where the output goes: `path` is "-", or NULL. */
void cli_reader_watch_output(const char *path);

/* The descriptor to be polled, for no event, or -1. */
int cli_reader_fd(void);

/* What polling it came to: when its reader is gone, the process ends: by SIGPIPE, in silence, where
 * that was standard output's, else with a message and CLI_SYSTEM. */
void cli_reader_look(short revents);

#endif
