/*
 * read_ahead.c: pieces of a file, read by a thread before they are asked for.
 *
 * Pieces are numbered from where reading began (or went on, after a seek), and number n lies in
 * slot n modulo SLOTS. A number is claimed under the lock by who reads it, the thread or the
 * caller; so both read at the same time, different ones, and neither waits for the other longer
 * than one read takes.
 */
#include "io/read_ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/os.h"

#define SLOTS 3

struct slot {
    struct fls_buffer buffer;
    int ready;
    int error;
    unsigned calls;
};

/*
 *   offset, end     what there is to read, in the file; `offset` is that of piece 0
 *   claimed         pieces that are read or being read
 *   taken           pieces handed over: the last of them is still looked at; calls: theirs
 *   position        where what was handed over ends
 *   busy            the thread reads one
 *   ready           the thread has read one
 *   room            there is room for one, or the thread shall stop
 */
struct fls_read_ahead {
    int fd;
    uint64_t offset;
    uint64_t end;
    uint64_t claimed;
    uint64_t taken;
    uint64_t position;
    uint64_t calls;
    int busy;
    int stop;
    struct slot slots[SLOTS];
    pthread_mutex_t lock;
    pthread_cond_t ready;
    pthread_cond_t room;
    pthread_t thread;
};

static uint64_t offset_of(const struct fls_read_ahead *ahead, uint64_t number)
{
    return ahead->offset + number * FLS_READ_AHEAD_BYTES;
}

static size_t bytes_of(const struct fls_read_ahead *ahead, uint64_t number)
{
    uint64_t offset = offset_of(ahead, number);

    return offset < ahead->end ? (size_t)fls_min_u64(FLS_READ_AHEAD_BYTES, ahead->end - offset) : 0;
}

/* Reads the piece, without the lock: it was claimed. Returns 0 or an errno. */
static int read_piece(const struct fls_read_ahead *ahead, uint64_t number, uint8_t *to,
                      unsigned *calls)
{
    uint64_t offset = offset_of(ahead, number);
    size_t bytes = bytes_of(ahead, number);

    *calls = 0;
    for (size_t count = 0; count < bytes;) {
        ++*calls;
        ssize_t got = pread(ahead->fd, to + count, bytes - count, (off_t)(offset + count));
        if (got > 0)
            count += (size_t)got;
        else if (got == 0)
            return ENODATA;
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

/* Claims the next piece and reads it. Called with the lock, which it leaves while it reads. */
static void claim(struct fls_read_ahead *ahead)
{
    uint64_t number = ahead->claimed++;
    struct slot *slot = &ahead->slots[number % SLOTS];

    slot->ready = 0;
    pthread_mutex_unlock(&ahead->lock);
    int error = read_piece(ahead, number, slot->buffer.bytes + FLS_READ_AHEAD_ROOM, &slot->calls);
    pthread_mutex_lock(&ahead->lock);
    slot->error = error;
    slot->ready = 1;
}

/* May the thread read the next piece? The piece handed over last keeps its slot; and who has just
 * gone elsewhere may soon go again, so that little is read ahead at first. */
static int may_claim(const struct fls_read_ahead *ahead)
{
    uint64_t used = fls_min_u64(SLOTS, ahead->taken + 1);

    return ahead->claimed + 1 < ahead->taken + used && bytes_of(ahead, ahead->claimed) > 0;
}

static void *read_on(void *context)
{
    struct fls_read_ahead *ahead = context;

    pthread_mutex_lock(&ahead->lock);
    while (!ahead->stop) {
        if (!may_claim(ahead)) {
            pthread_cond_wait(&ahead->room, &ahead->lock);
            continue;
        }
        ahead->busy = 1;
        claim(ahead);
        ahead->busy = 0;
        pthread_cond_signal(&ahead->ready);
    }
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

static void release(struct fls_read_ahead *ahead)
{
    for (size_t i = 0; i < SLOTS; i++)
        fls_buffer_free(&ahead->slots[i].buffer);
    pthread_cond_destroy(&ahead->room);
    pthread_cond_destroy(&ahead->ready);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
}

struct fls_read_ahead *fls_read_ahead_open(int fd, uint64_t offset, uint64_t end)
{
    struct fls_read_ahead *ahead = calloc(1, sizeof *ahead);
    int failed = 0;

    if (!ahead)
        return NULL;
    ahead->fd = fd;
    ahead->offset = offset;
    ahead->position = offset;
    ahead->end = end;
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->ready, NULL);
    pthread_cond_init(&ahead->room, NULL);
    for (size_t i = 0; i < SLOTS && !failed; i++)
        failed = fls_buffer_reserve(&ahead->slots[i].buffer,
                                    FLS_READ_AHEAD_ROOM + FLS_READ_AHEAD_BYTES, 0) != FLS_OK;
    if (!failed && fls_os_start_thread(&ahead->thread, read_on, ahead) == 0)
        return ahead;
    release(ahead);
    return NULL;
}

uint64_t fls_read_ahead_position(const struct fls_read_ahead *ahead)
{
    return ahead->position;
}

size_t fls_read_ahead_next_bytes(const struct fls_read_ahead *ahead)
{
    return bytes_of(ahead, ahead->taken);
}

int fls_read_ahead_next(struct fls_read_ahead *ahead, const uint8_t *before, size_t kept,
                        struct fls_read_piece *piece)
{
    uint64_t number = ahead->taken;
    struct slot *slot = &ahead->slots[number % SLOTS];

    pthread_mutex_lock(&ahead->lock);
    if (number == ahead->claimed)
        claim(ahead);
    while (!slot->ready)
        pthread_cond_wait(&ahead->ready, &ahead->lock);
    pthread_mutex_unlock(&ahead->lock);
    piece->bytes = slot->buffer.bytes + FLS_READ_AHEAD_ROOM - kept;
    piece->count = kept + (slot->error ? 0 : bytes_of(ahead, number));
    if (kept > 0) /* after a failure they may lie there */
        memmove(piece->bytes, before, kept);
    ahead->calls += slot->calls;
    ahead->position += piece->count - kept;
    pthread_mutex_lock(&ahead->lock);
    ahead->taken++;
    pthread_cond_signal(&ahead->room);
    pthread_mutex_unlock(&ahead->lock);
    return slot->error;
}

uint64_t fls_read_ahead_calls(const struct fls_read_ahead *ahead)
{
    return ahead->calls;
}

void fls_read_ahead_seek(struct fls_read_ahead *ahead, uint64_t offset, uint64_t end)
{
    pthread_mutex_lock(&ahead->lock);
    while (ahead->busy)
        pthread_cond_wait(&ahead->ready, &ahead->lock);
    ahead->offset = offset;
    ahead->position = offset;
    ahead->end = end;
    ahead->claimed = 0;
    ahead->taken = 0;
    for (size_t i = 0; i < SLOTS; i++)
        ahead->slots[i].ready = 0;
    pthread_cond_signal(&ahead->room);
    pthread_mutex_unlock(&ahead->lock);
}

void fls_read_ahead_close(struct fls_read_ahead *ahead)
{
    if (!ahead)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->stop = 1;
    pthread_cond_signal(&ahead->room);
    pthread_mutex_unlock(&ahead->lock);
    pthread_join(ahead->thread, NULL);
    release(ahead);
}
