/*
 * signals.c: see signals.h.
 *
 * The handler also writes into a pipe of our own, which is polled together with the input: a signal
 * that arrives just before a blocking read is not missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <flatstream/clock.h>

#include "cli/cli.h"
#include "cli/reader_gone.h"
#include "cli/signals.h"

static volatile sig_atomic_t caught;
static int wake[2] = {-1, -1};
static struct fls_source *volatile followed;

/* What SIGHUP asks for, where it does not end the process. */
static volatile sig_atomic_t hung_up;
static void (*serve_hangup)(void *context);
static void *hangup_context;

static struct cli_undo *volatile undoes;
static unsigned holds;
static sigset_t held_before;

/* Ends the process by the signal, once the handler returns. */
static void end_at_once(int number)
{
    for (const struct cli_undo *undo = undoes; undo; undo = undo->next)
        if ((undo->back ? rename(undo->path, undo->back) : unlink(undo->path)) != 0)
            continue; /* there is nobody left to be told */
    signal(number, SIG_DFL);
    raise(number);
}

static void on_signal(int number)
{
    int saved = errno;

    if (caught)
        end_at_once(number);
    caught = number;
    if (wake[1] >= 0 && write(wake[1], "", 1) < 0)
        caught = number; /* the pipe is full: it wakes the reader all the same */
    fls_series_stop(followed);
    errno = saved;
}

static void catch_one(int number)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigfillset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void cli_signals_hold(void)
{
    sigset_t all;

    sigfillset(&all);
    if (holds++ == 0)
        sigprocmask(SIG_SETMASK, &all, &held_before);
}

void cli_signals_release(void)
{
    if (--holds == 0)
        sigprocmask(SIG_SETMASK, &held_before, NULL);
}

void cli_signals_undo(struct cli_undo *undo)
{
    undo->next = undoes;
    undoes = undo;
}

void cli_signals_forget(const struct cli_undo *undo)
{
    struct cli_undo *before = undoes;

    if (!undo)
        return;
    cli_signals_hold();
    if (before == undo)
        undoes = undo->next;
    while (before && before->next != undo)
        before = before->next;
    if (before)
        before->next = undo->next;
    cli_signals_release();
}

void cli_signals_catch(void)
{
    struct sigaction hangup;

    if (wake[0] < 0 && pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0)
        wake[0] = wake[1] = -1;
    catch_one(SIGINT);
    catch_one(SIGTERM);
    /* nohup(1) stays in force. SIGINT is caught even where a shell had it ignored for a background
     * job: whoever sends it means it, and ending cleanly loses nothing. */
    if (sigaction(SIGHUP, NULL, &hangup) != 0 || hangup.sa_handler != SIG_IGN)
        catch_one(SIGHUP);
}

void cli_signals_stop(struct fls_source *source)
{
    followed = source;
    if (caught)
        fls_series_stop(source);
}

static void on_hangup(int number)
{
    int saved = errno;

    (void)number;
    hung_up = 1;
    if (wake[1] >= 0 && write(wake[1], "", 1) < 0)
        hung_up = 1; /* the pipe is full: it wakes the reader all the same */
    errno = saved;
}

void cli_signals_on_hangup(void (*serve)(void *context), void *context)
{
    struct sigaction action;

    serve_hangup = serve;
    hangup_context = context;
    if (sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
        return;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_hangup;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGHUP, &action, NULL);
}

/* Is there a request that can be served now? */
static int is_asked(void)
{
    return hung_up && serve_hangup;
}

/* Takes the wake-ups of requests away, so that the next wait waits; a signal that ends has left its
 * flag. */
static void serve_requests(void)
{
    char bytes[64];

    if (!is_asked())
        return;
    hung_up = 0;
    while (wake[0] >= 0 && read(wake[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        continue;
    serve_hangup(hangup_context);
}

int cli_signal(void)
{
    return caught;
}

int cli_signal_exit(void)
{
    return 128 + caught;
}

int cli_input_ready(int fd)
{
    struct pollfd input = {fd, POLLIN, 0};

    return poll(&input, 1, 0) != 0;
}

void cli_wait_for_input(int fd)
{
    struct pollfd all[] = {{fd, POLLIN, 0}, {wake[0], POLLIN, 0}, {cli_reader_fd(), 0, 0}};

    if (poll(all, 3, -1) > 0)
        cli_reader_look(all[2].revents);
}

void cli_wait_until(uint64_t ns)
{
    struct pollfd both[] = {{wake[0], POLLIN, 0}, {cli_reader_fd(), 0, 0}};
    uint64_t now = fls_clock_now_ns(NULL), left = ns > now ? ns - now : 0;
    struct timespec timeout = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};

    if (ppoll(both, 2, &timeout, NULL) > 0)
        cli_reader_look(both[1].revents);
}

enum fls_status cli_open_input(const char *path, int *fd, struct fls_error *error)
{
    struct stat information;
    int is_fifo = stat(path, &information) == 0 && S_ISFIFO(information.st_mode);

    do {
        *fd = open(path, O_RDONLY | O_CLOEXEC | (is_fifo ? O_NONBLOCK : 0));
    } while (*fd < 0 && errno == EINTR && !caught);
    if (*fd < 0)
        return cli_system_error(error, "open", errno);
    if (is_fifo)
        (void)fcntl(*fd, F_SETFL, 0); /* it only was not to wait for a writer */
    return FLS_OK;
}

ssize_t cli_read(int fd, void *bytes, size_t count)
{
    for (;;) {
        serve_requests();
        if (!caught && !is_asked())
            cli_wait_for_input(fd);
        if (is_asked())
            continue;
        if (caught) {
            errno = EINTR;
            return -1;
        }
        ssize_t got = read(fd, bytes, count);
        if (got >= 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK))
            return got;
    }
}
