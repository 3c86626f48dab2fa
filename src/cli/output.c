/*
 * output.c: see output.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/shown.h"

#define BUFFER_BYTES ((size_t)128 * 1024)

static char buffer[BUFFER_BYTES];
static size_t used;
static int failure;

static void wait_until_writable(void)
{
    struct pollfd out = {STDOUT_FILENO, POLLOUT, 0};

    (void)poll(&out, 1, -1);
}

static void write_all(const char *bytes, size_t count)
{
    while (count > 0 && failure == 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, count);
        if (written > 0) {
            bytes += written;
            count -= (size_t)written;
        } else if (written == 0) {
            failure = EIO;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            wait_until_writable();
        } else if (errno != EINTR) {
            failure = errno;
        }
    }
}

int cli_out_is_terminal(void)
{
    static int known = -1;

    if (known < 0)
        known = isatty(STDOUT_FILENO);
    return known;
}

/* Of what a terminal is to show, the beginning of a character whose rest is yet to come. */
static char begun[4];
static size_t begun_bytes;

/* `is_last`: nothing comes behind it. */
static void show_all(const char *bytes, size_t count, int is_last)
{
    char piece[1024 + sizeof begun], shown[sizeof piece * CLI_SHOWN_FACTOR];

    do {
        size_t part = count < 1024 ? count : 1024;
        memcpy(piece, begun, begun_bytes);
        memcpy(piece + begun_bytes, bytes, part);
        size_t held = begun_bytes + part;
        int at_end = is_last && part == count;
        size_t length = cli_shown(piece, held, 1, shown, at_end ? NULL : &begun_bytes);
        begun_bytes = at_end ? 0 : begun_bytes;
        memcpy(begun, piece + held - begun_bytes, begun_bytes);
        write_all(shown, length);
        bytes += part;
        count -= part;
    } while (count > 0);
}

/* A terminal is shown what others wrote; whatever else standard output is gets the bytes. */
static void put_all(const char *bytes, size_t count)
{
    if (cli_out_is_terminal())
        show_all(bytes, count, 0);
    else
        write_all(bytes, count);
}

void cli_out_flush(void)
{
    put_all(buffer, used);
    used = 0;
}

void cli_out_bytes(const void *bytes, size_t count)
{
    if (count > BUFFER_BYTES - used)
        cli_out_flush();
    if (count > BUFFER_BYTES / 2) {
        cli_out_flush();
        put_all(bytes, count);
    } else if (count > 0) {
        memcpy(buffer + used, bytes, count);
        used += count;
    }
}

char *cli_out_room(size_t count)
{
    if (count > BUFFER_BYTES - used)
        cli_out_flush();
    return buffer + used;
}

void cli_out_advance(size_t count)
{
    used += count;
}

void cli_out_text(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(cli_out_room(2 * CLI_OUT_ROOM), 2 * CLI_OUT_ROOM, format, arguments);
    va_end(arguments);
    if (length > 0)
        used += length < 2 * CLI_OUT_ROOM ? (size_t)length : 2 * CLI_OUT_ROOM - 1;
}

int cli_out_failed(void)
{
    return failure;
}

int cli_out_close(void)
{
    cli_out_flush();
    if (begun_bytes > 0)
        show_all("", 0, 1);
    if (close(STDOUT_FILENO) != 0 && failure == 0 && errno != EBADF && errno != EINTR)
        failure = errno;
    if (failure == 0)
        return CLI_WELL;
    if (failure == EPIPE)
        cli_end_by_pipe();
    cli_error("standard output", "%s; the output is not complete%s", strerror(failure),
              failure == ENOSPC ? ": make room and run it again" : "");
    return CLI_SYSTEM;
}
