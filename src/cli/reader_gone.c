/*
 * reader_gone.c: see reader_gone.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/reader_gone.h"

static int watched = -1;
static const char *watched_name;

void cli_reader_watch(int fd, const char *name)
{
    struct stat information;

    if (fstat(fd, &information) != 0 ||
        (!S_ISFIFO(information.st_mode) && !S_ISSOCK(information.st_mode) && !isatty(fd)))
        return;
    watched = fd;
    watched_name = name;
}

void cli_reader_watch_output(const char *path)
{
    if (!path || strcmp(path, "-") == 0)
        cli_reader_watch(STDOUT_FILENO, "standard output");
}

int cli_reader_fd(void)
{
    return watched;
}

void cli_reader_look(short revents)
{
    if ((revents & (POLLERR | POLLHUP)) == 0)
        return;
    if (watched == STDOUT_FILENO) {
        cli_progress_clear();
        cli_end_by_pipe();
    }
    cli_error(watched_name, "%s; what it took before may end inside a frame", strerror(EPIPE));
    exit(CLI_SYSTEM);
}
