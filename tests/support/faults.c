/*
 * faults.c: see faults.h. The linker turns each call of f into __wrap_f, and __real_f into f.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "support/faults.h"

static _Thread_local struct fault_plan plan;
static _Thread_local int armed;
static _Thread_local uint64_t seen;
static _Thread_local uint64_t touched;
static _Thread_local struct fault_counts counts;
static atomic_int_fast64_t live;

void fault_arm(struct fault_plan next)
{
    plan = next;
    seen = touched = 0;
    armed = 1;
}

uint64_t fault_disarm(void)
{
    armed = 0;
    return touched;
}

void fault_count_from_zero(void)
{
    counts = (struct fault_counts){0};
}

struct fault_counts fault_counted(void)
{
    return counts;
}

int64_t fault_live_allocations(void)
{
    return atomic_load(&live);
}

enum verdict { PASS, SHORTEN, FAIL };

/* What the plan holds for this call. */
static enum verdict judge(enum fault_family family)
{
    if (!armed || !(plan.families & (unsigned)family) || ++seen < plan.at)
        return PASS;
    uint64_t after = seen - plan.at;
    if (after < plan.shorts) {
        touched++;
        return SHORTEN;
    }
    if (after - plan.shorts >= plan.failures)
        return PASS;
    touched++;
    errno = plan.os_errno;
    return FAIL;
}

static size_t shortened(size_t bytes)
{
    return bytes < 2 || plan.short_to == FAULT_ONE_BYTE ? (bytes > 0) : bytes / 2;
}

/* --- reading and writing -------------------------------------------------------------------------
 */

typedef ssize_t vector_function(int fd, const struct iovec *segments, int count);

/* Passes on the prefix of the segments that a shortened call may have. */
static ssize_t vector_shortened(vector_function *function, int fd, const struct iovec *segments,
                                int count)
{
    struct iovec list[IOV_MAX];
    size_t total = 0, left;
    int kept = 0;

    for (int i = 0; i < count; i++)
        total += segments[i].iov_len;
    left = shortened(total);
    for (int i = 0; i < count && left > 0; i++) {
        list[kept] = segments[i];
        if (list[kept].iov_len > left)
            list[kept].iov_len = left;
        left -= list[kept++].iov_len;
    }
    return function(fd, list, kept);
}

ssize_t __real_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);
ssize_t __real_read(int fd, void *bytes, size_t length);
ssize_t __wrap_read(int fd, void *bytes, size_t length);
vector_function __real_writev, __wrap_writev, __real_readv, __wrap_readv;
ssize_t __real_pwritev2(int fd, const struct iovec *segments, int count, off_t offset, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *segments, int count, off_t offset, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_write(int fd, const void *bytes, size_t length)
{
    counts.writes++;
    switch (judge(FAULT_WRITE)) {
    case FAIL:
        return -1;
    case SHORTEN:
        return __real_write(fd, bytes, shortened(length));
    default:
        return __real_write(fd, bytes, length);
    }
}

ssize_t __wrap_read(int fd, void *bytes, size_t length)
{
    counts.reads++;
    switch (judge(FAULT_READ)) {
    case FAIL:
        return -1;
    case SHORTEN:
        return __real_read(fd, bytes, shortened(length));
    default:
        return __real_read(fd, bytes, length);
    }
}

static ssize_t vector_judged(enum fault_family family, vector_function *function, int fd,
                             const struct iovec *segments, int count)
{
    switch (judge(family)) {
    case FAIL:
        return -1;
    case SHORTEN:
        return vector_shortened(function, fd, segments, count);
    default:
        return function(fd, segments, count);
    }
}

ssize_t __wrap_writev(int fd, const struct iovec *segments, int count)
{
    counts.writes++;
    return vector_judged(FAULT_WRITE, __real_writev, fd, segments, count);
}

ssize_t __wrap_readv(int fd, const struct iovec *segments, int count)
{
    counts.reads++;
    return vector_judged(FAULT_READ, __real_readv, fd, segments, count);
}

static _Thread_local off_t pwritev2_offset;
static _Thread_local int pwritev2_flags;

static ssize_t pwritev2_as_before(int fd, const struct iovec *segments, int count)
{
    return __real_pwritev2(fd, segments, count, pwritev2_offset, pwritev2_flags);
}

ssize_t __wrap_pwritev2(int fd, const struct iovec *segments, int count, off_t offset, int flags)
{
    counts.writes++;
    pwritev2_offset = offset;
    pwritev2_flags = flags;
    return vector_judged(FAULT_WRITE, pwritev2_as_before, fd, segments, count);
}

static _Thread_local int sendmsg_flags;

static ssize_t sendmsg_as_before(int fd, const struct iovec *segments, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)segments,
                             .msg_iovlen = (size_t)count};

    return __real_sendmsg(fd, &message, sendmsg_flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    counts.writes++;
    sendmsg_flags = flags;
    return vector_judged(FAULT_WRITE, sendmsg_as_before, fd, message->msg_iov,
                         (int)message->msg_iovlen);
}

/* --- files ---------------------------------------------------------------------------------------
 */

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_ftruncate(int fd, off_t length);
int __wrap_ftruncate(int fd, off_t length);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
static void *map_memory(void *at, size_t length, int protection, int flags);

int __wrap_fdatasync(int fd)
{
    counts.syncs++;
    return judge(FAULT_SYNC) == FAIL ? -1 : __real_fdatasync(fd);
}

int __wrap_ftruncate(int fd, off_t length)
{
    return judge(FAULT_CUT) == FAIL ? -1 : __real_ftruncate(fd, length);
}

int __wrap_close(int fd)
{
    int result = __real_close(fd);

    return judge(FAULT_CLOSE) == FAIL ? -1 : result;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;

    va_start(arguments, flags);
    if (flags & O_CREAT)
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return judge(FAULT_OPEN) == FAIL ? -1 : __real_open(path, flags, mode);
}

void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (flags & MAP_ANONYMOUS)
        return map_memory(at, length, protection, flags);
    counts.maps++;
    if (judge(FAULT_MAP) == FAIL)
        return MAP_FAILED;
    return __real_mmap(at, length, protection, flags, fd, offset);
}

/* --- memory --------------------------------------------------------------------------------------
 */

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *memory);
void __wrap_free(void *memory);

static int memory_fails(void)
{
    counts.allocations++;
    if (judge(FAULT_MEMORY) != FAIL)
        return 0;
    errno = ENOMEM;
    return 1;
}

static void *counted(void *memory)
{
    if (memory)
        atomic_fetch_add(&live, 1);
    return memory;
}

void *__wrap_malloc(size_t bytes)
{
    return memory_fails() ? NULL : counted(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return memory_fails() ? NULL : counted(__real_calloc(count, bytes));
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return memory_fails() ? NULL : counted(__real_aligned_alloc(alignment, bytes));
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    if (memory_fails())
        return NULL;
    return memory ? __real_realloc(memory, bytes) : counted(__real_realloc(NULL, bytes));
}

void __wrap_free(void *memory)
{
    if (memory)
        atomic_fetch_sub(&live, 1);
    __real_free(memory);
}

/* Memory that is mapped counts as allocated. What is unmapped may also be a file; then it was not
 * counted, and is not. */
static _Atomic(void *) mapped[64];

static void note_mapped(void *before, void *now)
{
    for (size_t i = 0; i < sizeof mapped / sizeof mapped[0]; i++) {
        void *expected = before;
        if (atomic_compare_exchange_strong(&mapped[i], &expected, now)) {
            atomic_fetch_add(&live, (now != NULL) - (before != NULL));
            return;
        }
    }
}

static void *map_memory(void *at, size_t length, int protection, int flags)
{
    if (memory_fails())
        return MAP_FAILED;
    void *memory = __real_mmap(at, length, protection, flags, -1, 0);
    if (memory != MAP_FAILED)
        note_mapped(NULL, memory);
    return memory;
}

void *__real_mremap(void *at, size_t before, size_t after, int flags, ...);
void *__wrap_mremap(void *at, size_t before, size_t after, int flags, ...);
int __real_munmap(void *at, size_t length);
int __wrap_munmap(void *at, size_t length);

void *__wrap_mremap(void *at, size_t before, size_t after, int flags, ...)
{
    if (memory_fails())
        return MAP_FAILED;
    void *memory = __real_mremap(at, before, after, flags);
    if (memory != MAP_FAILED && memory != at)
        note_mapped(at, memory);
    return memory;
}

int __wrap_munmap(void *at, size_t length)
{
    note_mapped(at, NULL);
    return __real_munmap(at, length);
}
