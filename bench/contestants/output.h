/*
 * output.h: where the contestants that build messages write to, and where those that drain read
 * from: a file (overwritten in place, so that it costs no new pages), "-" for standard output or
 * input, "tcp:PORT" on the loopback interface (the drain listens, the writer connects).
 */
#ifndef BENCH_OUTPUT_H
#define BENCH_OUTPUT_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "contestant.h"

static inline struct sockaddr_in loopback(const char *port)
{
    struct sockaddr_in address;

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(port));
    return address;
}

static inline int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;

    if (fd < 0)
        die("socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* Other algorithms (bbr) hold the loopback interface down. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
    return fd;
}

static inline int tcp_connect(const char *port)
{
    struct sockaddr_in address = loopback(port);

    for (int tries = 0; tries < 500; tries++) {
        struct timespec pause = {0, 10000000};
        int fd = tcp_socket();
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        close(fd);
        nanosleep(&pause, NULL);
    }
    die("connect");
    return -1;
}

static inline int tcp_accept(const char *port)
{
    struct sockaddr_in address = loopback(port);
    int listener = tcp_socket();

    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1) != 0)
        die("listen");
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        die("accept");
    close(listener);
    return fd;
}

static inline int open_output(const char *path)
{
    if (strcmp(path, "-") == 0)
        return dup(1);
    if (strncmp(path, "tcp:", 4) == 0)
        return tcp_connect(path + 4);
    int fd = open(path, O_WRONLY | O_CREAT, 0666);
    if (fd < 0)
        die(path);
    return fd;
}

static inline int open_input(const char *path)
{
    if (strcmp(path, "-") == 0)
        return dup(0);
    if (strncmp(path, "tcp:", 4) == 0)
        return tcp_accept(path + 4);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        die(path);
    return fd;
}

/* The report goes to standard error when standard output carries the stream. */
static inline void report_beside(const struct job *job, const struct outcome *outcome)
{
    report_to(strcmp(job->path, "-") == 0 ? stderr : stdout, outcome);
}

/* Writes header and message, to the end. */
static inline void write_frame(int fd, const void *data, size_t bytes, struct outcome *outcome)
{
    uint32_t length = (uint32_t)bytes;
    struct iovec segments[2] = {{&length, 4}, {(void *)(uintptr_t)data, bytes}};
    struct iovec *at = segments;
    int count = 2;

    while (count > 0) {
        ssize_t written = writev(fd, at, count);
        if (written < 0)
            die("writev");
        outcome->system_calls++;
        outcome->bytes += (uint64_t)written;
        while (count > 0 && (size_t)written >= at->iov_len) {
            written -= (ssize_t)at->iov_len;
            at++;
            count--;
        }
        if (count > 0) {
            at->iov_base = (char *)at->iov_base + written;
            at->iov_len -= (size_t)written;
        }
    }
}

/* Overwriting a file of RING bytes again and again: goes back to its start. */
#define RING_BYTES ((uint64_t)64 << 20)

static inline void wrap_file(int fd, const struct outcome *outcome, uint64_t *lap)
{
    if (outcome->bytes / RING_BYTES > *lap) {
        *lap = outcome->bytes / RING_BYTES;
        (void)lseek(fd, 0, SEEK_SET); /* fails on a pipe or socket, as it should */
    }
}

#endif
