/*
 * journal_fault_test.c: a fault at every call into the system that the journal makes.
 *
 * One scenario opens a journal with an index, appends, commits at both levels, rotates and closes;
 * the k-th call of it, whichever thread makes it, fails, passes only a part, or is interrupted, for
 * k = 1, 2, ... until nothing is left to fail. Then the files are looked at by the frame codec
 * alone: what was acknowledged at the process's level is in them, what was acknowledged at the
 * machine's level lies within what was really synced, what was refused is not in them, all in order
 * and once. A journal whose syncs did not fail goes on as soon as the fault is gone.
 *
 * The calls are this program's own: the linker takes them before the system's.
 */
#include "support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/data_file.h"

static char folder[64];
static char path[128];

/* ---- the plan ------------------------------------------------------------------------------- */

enum way { PASS, FAIL, PART };

enum call {
    CALL_OPEN = 1 << 0,
    CALL_WRITE = 1 << 1,
    CALL_READ = 1 << 2,
    CALL_SYNC = 1 << 3,
    CALL_CUT = 1 << 4,
    CALL_OTHER = 1 << 5,
    CALL_CLOSE = 1 << 6,
    CALL_MEMORY = 1 << 7
};

#define FOR_EVER 1000000

static struct {
    atomic_int armed;
    atomic_int seen;
    atomic_int touched;
    atomic_int syncs_failed;
    const char *name;
    unsigned calls;
    int at;
    int count;
    enum way way;
    int os_errno;
} plan;

/* Under ThreadSanitizer, which is slow, every seventh call. */
#if defined(__SANITIZE_THREAD__)
#define STRIDE 7
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STRIDE 7
#endif
#endif
#ifndef STRIDE
#define STRIDE 1
#endif

static enum way judge(enum call call)
{
    if (!plan.armed || !(plan.calls & (unsigned)call))
        return PASS;
    int mine = atomic_fetch_add(&plan.seen, 1) + 1;
    if (mine < plan.at || mine >= plan.at + plan.count)
        return PASS;
    plan.touched++;
    if (call == CALL_SYNC && plan.way == FAIL && plan.os_errno != EINTR)
        plan.syncs_failed++;
    errno = plan.os_errno;
    return plan.way;
}

static int fails(enum call call)
{
    return judge(call) == FAIL;
}

static size_t part_of(size_t bytes)
{
    return bytes > 2 ? bytes / 2 : bytes > 0;
}

/* ---- what was synced ------------------------------------------------------------------------ */

#define NODES_MAX 256

static struct {
    pthread_mutex_t lock;
    uint64_t numbers[NODES_MAX];
    uint64_t bytes[NODES_MAX];
    int spoiled[NODES_MAX]; /* a sync has failed: nothing more gets there */
    size_t count;
} synced = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t *synced_bytes(uint64_t number)
{
    size_t i = 0;

    while (i < synced.count && synced.numbers[i] != number)
        i++;
    if (i == synced.count) {
        if (i == NODES_MAX)
            abort();
        synced.numbers[i] = number;
        synced.bytes[i] = 0;
        synced.spoiled[i] = 0;
        synced.count++;
    }
    return &synced.bytes[i];
}

static void note_synced(uint64_t number, uint64_t bytes, int is_cut)
{
    pthread_mutex_lock(&synced.lock);
    uint64_t *known = synced_bytes(number);
    int spoiled = synced.spoiled[known - synced.bytes];
    if (is_cut ? *known > bytes : *known < bytes && !spoiled)
        *known = bytes;
    pthread_mutex_unlock(&synced.lock);
}

/* ---- the calls ------------------------------------------------------------------------------ */

int open(const char *file, int flags, ...)
{
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_list arguments;
        va_start(arguments, flags);
        mode = (mode_t)va_arg(arguments, unsigned);
        va_end(arguments);
    }
    return fails(CALL_OPEN) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, file, flags, mode);
}

int close(int fd)
{
    int result = (int)syscall(SYS_close, fd);

    return fails(CALL_CLOSE) ? -1 : result;
}

static ssize_t gathered(long number, int fd, const struct iovec *segments, int count)
{
    struct iovec list[1024];
    size_t total = 0, left;
    int kept = 0;

    for (int i = 0; i < count; i++)
        total += segments[i].iov_len;
    left = part_of(total);
    for (int i = 0; i < count && left > 0; i++) {
        list[kept] = segments[i];
        if (list[kept].iov_len > left)
            list[kept].iov_len = left;
        left -= list[kept++].iov_len;
    }
    return syscall(number, fd, list, kept);
}

static ssize_t judged(enum call call, long number, int fd, const struct iovec *segments, int count)
{
    switch (judge(call)) {
    case FAIL:
        return -1;
    case PART:
        return gathered(number, fd, segments, count);
    default:
        return syscall(number, fd, segments, count);
    }
}

ssize_t writev(int fd, const struct iovec *segments, int count)
{
    return judged(CALL_WRITE, SYS_writev, fd, segments, count);
}

ssize_t readv(int fd, const struct iovec *segments, int count)
{
    return judged(CALL_READ, SYS_readv, fd, segments, count);
}

static ssize_t simple(enum call call, long number, int fd, void *bytes, size_t length, off_t offset)
{
    switch (judge(call)) {
    case FAIL:
        return -1;
    case PART:
        return syscall(number, fd, bytes, part_of(length), offset);
    default:
        return syscall(number, fd, bytes, length, offset);
    }
}

ssize_t read(int fd, void *bytes, size_t length)
{
    return simple(CALL_READ, SYS_read, fd, bytes, length, 0);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset)
{
    return simple(CALL_READ, SYS_pread64, fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    return simple(CALL_WRITE, SYS_write, fd, (void *)(uintptr_t)bytes, length, 0);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return simple(CALL_WRITE, SYS_pwrite64, fd, (void *)(uintptr_t)bytes, length, offset);
}

int fdatasync(int fd)
{
    struct stat before;

    int known = fstat(fd, &before) == 0;
    if (fails(CALL_SYNC)) {
        pthread_mutex_lock(&synced.lock);
        if (known && plan.os_errno != EINTR)
            synced.spoiled[synced_bytes(before.st_ino) - synced.bytes] = 1;
        pthread_mutex_unlock(&synced.lock);
        errno = plan.os_errno;
        return -1;
    }
    int result = (int)syscall(SYS_fdatasync, fd);
    if (result == 0 && known)
        note_synced(before.st_ino, (uint64_t)before.st_size, 0);
    return result;
}

int fsync(int fd)
{
    return fails(CALL_SYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t length)
{
    struct stat before;

    if (fails(CALL_CUT))
        return -1;
    if (fstat(fd, &before) == 0)
        note_synced(before.st_ino, (uint64_t)length, 1);
    return (int)syscall(SYS_ftruncate, fd, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    return fails(CALL_OTHER) ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

int flock(int fd, int operation)
{
    return fails(CALL_OTHER) ? -1 : (int)syscall(SYS_flock, fd, operation);
}

int unlink(const char *file)
{
    return fails(CALL_OTHER) ? -1 : (int)syscall(SYS_unlink, file);
}

off_t lseek(int fd, off_t offset, int whence)
{
    return fails(CALL_OTHER) ? -1 : (off_t)syscall(SYS_lseek, fd, offset, whence);
}

/* The linker turns calls of these (not the library's own copies in libc) into the wraps. */
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    return fails(CALL_MEMORY) ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails(CALL_MEMORY) ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    return fails(CALL_MEMORY) ? NULL : __real_realloc(memory, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return fails(CALL_MEMORY) ? NULL : __real_aligned_alloc(alignment, bytes);
}

/* ---- messages and files --------------------------------------------------------------------- */

#define MESSAGES 60
#define IDS_MAX (MESSAGES + 16)
#define BYTES_MAX 70100

/* What became of message `id`. */
enum fate { NOT_WRITTEN, REFUSED, DOUBTFUL, TAKEN, AT_PROCESS, AT_MACHINE };

static enum fate fates[IDS_MAX];

static size_t make_message(uint64_t id, uint8_t *message)
{
    size_t bytes = 8 + (size_t)(id * 53 % 400);

    if (id % 30 == 7)
        bytes = 70000 + id;
    for (size_t i = 8; i < bytes; i++)
        message[i] = (uint8_t)(id * 31 + i * 7 + 1);
    memcpy(message, &id, sizeof id);
    return bytes;
}

static const enum fls_checksum_kind kind = FLS_CHECKSUM_CRC32;

/* The ids in the file, up to `limit` bytes of it; *at: where its frames end. */
static size_t read_ids(const char *file, uint64_t limit, uint64_t *ids, size_t *at, size_t *length)
{
    struct fls_frame_format format = {{kind, NULL}, 0};
    static uint8_t message[BYTES_MAX];
    struct fls_frame frame;
    size_t count = 0;
    char *bytes = test_read_file(file, length);
    size_t end = *length < limit ? *length : (size_t)limit;

    *at = 0;
    while (fls_frame_decode(&format, bytes + *at, end - *at, &frame) == FLS_FRAME_READY) {
        uint64_t id;
        assert_true(frame.payload_bytes >= 8);
        memcpy(&id, frame.payload, 8);
        assert_true(id < IDS_MAX);
        assert_int_equal(frame.payload_bytes, make_message(id, message));
        assert_memory_equal(frame.payload, message, frame.payload_bytes);
        ids[count++] = id;
        *at += frame.frame_bytes;
    }
    free(bytes);
    return count;
}

/* All segments: ids rise, and none that is at `needed` or above is passed over. Only what was
 * synced counts with `only_synced`; with `clean` every file ends on a frame. */
static void check_files(enum fate needed, int only_synced, int clean)
{
    uint64_t next = 0, ids[IDS_MAX];
    char file[256];

    for (int segment = 1;; segment++) {
        struct stat information;
        size_t at, length;
        snprintf(file, sizeof file, "%s/name-%06d.fls", folder, segment);
        if (stat(file, &information) != 0)
            break;
        pthread_mutex_lock(&synced.lock);
        uint64_t limit = only_synced ? *synced_bytes(information.st_ino) : UINT64_MAX;
        pthread_mutex_unlock(&synced.lock);
        size_t count = read_ids(file, limit, ids, &at, &length);
        if (clean && at != length)
            fail_msg("%s ends in no frame (%s at call %d)", file, plan.name, plan.at);
        for (size_t i = 0; i < count; i++) {
            assert_true(ids[i] >= next);
            for (; next < ids[i]; next++)
                if (fates[next] >= needed)
                    fail_msg("message %d is lost before %d in %s (%s at call %d)", (int)next,
                             (int)ids[i], file, plan.name, plan.at);
            assert_true(fates[next] != REFUSED && fates[next] != NOT_WRITTEN);
            next++;
        }
    }
    for (; next < IDS_MAX; next++)
        if (fates[next] >= needed)
            fail_msg("message %d is lost at the end (%s at call %d)", (int)next, plan.name,
                     plan.at);
}

static void empty_folder(void)
{
    DIR *listing = opendir(folder);
    struct dirent *entry;
    char file[400];

    while ((entry = readdir(listing)) != NULL) {
        snprintf(file, sizeof file, "%s/%.255s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            assert_int_equal(unlink(file), 0);
    }
    closedir(listing);
    synced.count = 0;
}

/* ---- the scenario --------------------------------------------------------------------------- */

static const struct fls_journal_options options = {
    .checksum = FLS_CHECKSUM_CRC32,
    .repair = FLS_JOURNAL_SET_ASIDE,
    .to_machine = {.interval_ms = 3600000}, /* so that closing syncs; nothing else comes of it */
    .rotation = {.bytes = 4000, .preallocate_bytes = 8192},
    .batch_bytes = 2000,
    .with_index = 1,
    .index = {.stretch_bytes = 300},
};

static void raise_fates(uint64_t end, enum fate to)
{
    for (uint64_t id = 0; id < end; id++)
        if (fates[id] >= DOUBTFUL && fates[id] < to)
            fates[id] = to;
}

/* Returns whether all went well. */
static int write_one(struct fls_journal *journal, uint64_t id)
{
    static uint8_t message[BYTES_MAX];
    size_t bytes = make_message(id, message);
    uint64_t number = 99999;
    enum fls_status status = fls_journal_write(journal, message, bytes, &number);

    fates[id] = status == FLS_OK ? TAKEN : number == 0 ? REFUSED : DOUBTFUL;
    memset(message, 0xdd, sizeof message);
    if (status == FLS_OK)
        assert_true(number > 0 && number <= id + 1);
    return status == FLS_OK;
}

static int write_all(struct fls_journal *journal, uint64_t first, uint64_t end)
{
    int well = 1;

    for (uint64_t id = first; id < end; id++) {
        well &= write_one(journal, id);
        if (id % 11 == 10) {
            enum fls_status status = fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE);
            well &= status == FLS_OK;
            if (status == FLS_OK)
                raise_fates(id + 1, AT_MACHINE);
        } else if (id % 3 == 2) {
            enum fls_status status = fls_journal_commit(journal, 0, FLS_LEVEL_PROCESS);
            well &= status == FLS_OK;
            if (status == FLS_OK)
                raise_fates(id + 1, AT_PROCESS);
        }
        if (id % 25 == 24)
            well &= fls_journal_rotate(journal) == FLS_OK;
    }
    return well;
}

/* After the fault: goes on, unless a sync has failed, when nothing ever goes on. */
static void go_on(struct fls_journal *journal)
{
    struct fls_error error;

    if (plan.syncs_failed == 0) {
        assert_true(write_all(journal, MESSAGES, MESSAGES + 6));
        assert_ok(fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE));
        raise_fates(MESSAGES + 6, AT_MACHINE);
        return;
    }
    enum fls_status status = fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE);
    if (status == FLS_OK) { /* then all was there before, or it was the index's sync */
        raise_fates(MESSAGES, AT_MACHINE);
        return;
    }
    assert_int_equal(status, FLS_IO);
    fls_journal_error(journal, &error);
    assert_int_equal(error.os_errno, plan.os_errno);
    assert_false(write_one(journal, MESSAGES));
    assert_int_equal(fates[MESSAGES], REFUSED);
    assert_int_equal(fls_journal_commit(journal, 1, FLS_LEVEL_PROCESS), FLS_IO);
    assert_int_equal(fls_journal_rotate(journal), FLS_IO);
}

/* Nothing is armed: the journal is opened again, goes on, and is whole. */
static void reopen_and_check(void)
{
    struct fls_journal *journal;
    struct fls_error error = FLS_ZERO;
    enum fls_status status = fls_journal_open(path, &options, &journal, NULL, &error);

    if (status != FLS_OK)
        fail_msg("%s %s %s", fls_status_word(status), error.subject, error.reason);
    for (uint64_t id = MESSAGES + 8; id < MESSAGES + 12; id++)
        assert_true(write_one(journal, id));
    assert_false(fls_journal_statistics(journal).index_failed);
    assert_ok(fls_journal_close(journal, &error));
    for (uint64_t id = MESSAGES + 8; id < MESSAGES + 12; id++)
        fates[id] = AT_PROCESS;
}

/* Opens, writes and closes under the plan. Returns whether all went well. */
static int run_armed(void)
{
    struct fls_journal *journal = NULL;
    struct fls_error error = FLS_ZERO;

    memset(fates, 0, sizeof fates);
    plan.seen = plan.touched = plan.syncs_failed = 0;
    plan.armed = 1;
    enum fls_status status = fls_journal_open(path, &options, &journal, NULL, &error);
    if (status != FLS_OK) {
        plan.armed = 0;
        assert_true(plan.touched > 0);
        assert_int_equal(error.status, status);
        return 0;
    }
    int well = write_all(journal, 0, MESSAGES);
    plan.armed = 0;
    check_files(AT_PROCESS, 0, 0);
    check_files(AT_MACHINE, 1, 0);
    go_on(journal);
    plan.armed = 1; /* closing, too, if nothing has failed before */
    status = fls_journal_close(journal, &error);
    plan.armed = 0;
    if (status == FLS_OK)
        raise_fates(IDS_MAX, AT_MACHINE);
    check_files(AT_PROCESS, 0, 0);
    check_files(AT_MACHINE, 1, 0);
    return well && status == FLS_OK;
}

struct kind_of_fault {
    const char *name;
    unsigned calls;
    enum way way;
    int os_errno;
    int count;
    int must_go_well;
};

#define ALL_CALLS 0x7fu

static const struct kind_of_fault faults[] = {
    {"EIO once", ALL_CALLS, FAIL, EIO, 1, 0},
    {"ENOSPC once", CALL_WRITE | CALL_OPEN | CALL_OTHER, FAIL, ENOSPC, 1, 0},
    {"ENOSPC five times", CALL_WRITE, FAIL, ENOSPC, 5, 0},
    {"ENOSPC, and no cutting", CALL_WRITE | CALL_CUT, FAIL, ENOSPC, 8, 0},
    {"everything fails from there on", ALL_CALLS, FAIL, EIO, FOR_EVER, 0},
    {"no memory once", CALL_MEMORY, FAIL, ENOMEM, 1, 0},
    {"no memory from there on", CALL_MEMORY, FAIL, ENOMEM, FOR_EVER, 0},
    {"a part", CALL_WRITE | CALL_READ, PART, 0, 1, 1},
    {"parts", CALL_WRITE | CALL_READ, PART, 0, 6, 1},
    {"interrupted", CALL_OPEN | CALL_WRITE | CALL_READ | CALL_SYNC | CALL_CUT | CALL_OTHER, FAIL,
     EINTR, 1, 0},
    {"interrupted thrice", CALL_OPEN | CALL_WRITE | CALL_READ | CALL_SYNC | CALL_CUT, FAIL, EINTR,
     3, 1},
};

/* `torn` begins with a journal that has something to repair. */
static void put_torn(void)
{
    struct fls_journal *journal;
    char file[256];

    memset(fates, 0, sizeof fates);
    assert_ok(fls_journal_open(path, &options, &journal, NULL, NULL));
    assert_ok(fls_journal_close(journal, NULL));
    snprintf(file, sizeof file, "%s/name-000001.fls", folder);
    FILE *to = fopen(file, "a");
    assert_non_null(to);
    fputs("torn", to);
    fclose(to);
}

static void each_call_fails(int torn)
{
    for (size_t f = 0; f < sizeof faults / sizeof faults[0]; f++) {
        const struct kind_of_fault *fault = &faults[f];
        int k = 1, touched = 1;
        for (; touched; k += STRIDE) {
            if (torn)
                put_torn();
            plan.name = fault->name;
            plan.calls = fault->calls;
            plan.at = k;
            plan.count = fault->count;
            plan.way = fault->way;
            plan.os_errno = fault->os_errno;
            int well = run_armed();
            touched = plan.touched > 0;
            if ((fault->must_go_well || !touched) && !well)
                fail_msg("%s at call %d: it should have gone well", fault->name, k);
            reopen_and_check();
            check_files(AT_PROCESS, 0, 1);
            empty_folder();
        }
        print_message("%s: %d calls\n", fault->name, k - 1 - STRIDE);
        assert_true(k > 30);
    }
}

static void a_fault_at_each_call(void **state)
{
    (void)state;
    each_call_fails(0);
}

static void a_fault_at_each_call_of_a_repair(void **state)
{
    (void)state;
    each_call_fails(1);
}

/* ---- a disk that is full in the middle of a frame ------------------------------------------- */

/* A file that may not grow any more (RLIMIT_FSIZE): part of a batch goes in, at whichever byte. The
 * whole frames of that part stay and are at the process's level, the file ends on the last of them,
 * the others are kept and written when there is room again. */
static void full_in_the_middle_of_a_frame(void **state)
{
    struct fls_journal_options plain = {.checksum = FLS_CHECKSUM_CRC32};
    uint64_t ids[IDS_MAX];
    struct rlimit before;
    char file[200];
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    (void)state;
    snprintf(file, sizeof file, "%s/name.fls", folder);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    plan.calls = CALL_CUT;
    plan.at = 1;
    plan.way = FAIL;
    plan.os_errno = EIO;
    for (rlim_t limit = 0; limit < 1000; limit++) {
        struct rlimit limited = {limit, before.rlim_max};
        struct fls_journal_counts counts;
        struct fls_journal *journal;
        struct fls_error error;
        size_t at, length;
        memset(fates, 0, sizeof fates);
        assert_ok(fls_journal_open(path, &plain, &journal, NULL, NULL));
        for (uint64_t id = 0; id < 5; id++)
            assert_true(write_one(journal, id));
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
        plan.seen = 0;
        plan.count = (int)(limit % 3); /* the cutting may fail as well */
        plan.armed = 1;
        enum fls_status status = fls_journal_commit(journal, 0, FLS_LEVEL_PROCESS);
        counts = fls_journal_statistics(journal);
        assert_int_equal(status, counts.bytes <= limit ? FLS_OK : FLS_IO);
        if (status == FLS_IO) {
            fls_journal_error(journal, &error);
            assert_int_equal(error.os_errno, EFBIG);
            assert_int_equal(error.frame, counts.at_process);
        }
        plan.armed = 0;
        assert_int_equal(read_ids(file, UINT64_MAX, ids, &at, &length), counts.at_process);
        assert_true(length == at || plan.count > 0);
        /* Once more with no room: no frame is written twice. */
        (void)!fls_journal_commit(journal, 0, FLS_LEVEL_PROCESS);
        assert_int_equal(read_ids(file, UINT64_MAX, ids, &at, &length), counts.at_process);
        assert_int_equal(length, at);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_ok(fls_journal_close(journal, &error));
        assert_int_equal(read_ids(file, UINT64_MAX, ids, &at, &length), 5);
        assert_int_equal(length, at);
        empty_folder();
    }
    signal(SIGXFSZ, handler);
}

/* A journal whose sync has failed leaves its lock's file, so that the next opening looks closer. */
static void a_poisoned_journal_did_not_end_well(void **state)
{
    struct fls_journal_options plain = {.checksum = FLS_CHECKSUM_CRC32};
    struct fls_journal *journal;
    char lock[200];

    (void)state;
    snprintf(lock, sizeof lock, "%s.lock", path);
    memset(fates, 0, sizeof fates);
    for (int fails = 0; fails < 2; fails++) {
        assert_ok(fls_journal_open(path, &plain, &journal, NULL, NULL));
        assert_true(write_one(journal, 0));
        plan.calls = CALL_SYNC;
        plan.at = 1;
        plan.count = 1;
        plan.way = FAIL;
        plan.os_errno = EIO;
        plan.seen = 0;
        plan.armed = fails;
        assert_int_equal(fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE),
                         fails ? FLS_IO : FLS_OK);
        plan.armed = 0;
        assert_int_equal(fls_journal_close(journal, NULL), fails ? FLS_IO : FLS_OK);
        assert_int_equal(access(lock, F_OK), fails ? 0 : -1);
    }
    assert_ok(fls_journal_open(path, &plain, &journal, NULL, NULL));
    assert_ok(fls_journal_close(journal, NULL));
    assert_int_equal(access(lock, F_OK), -1);
    empty_folder();
}

/* A byte of the file's first message is another. */
static void spoil(const char *file)
{
    char byte;
    int fd = open(file, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 10), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 10), 1);
    close(fd);
}

/* A journal of `segments` segments whose syncs all fail, closed or (in a child) killed. */
static void write_poisoned(const struct fls_journal_options *series, uint64_t segments)
{
    struct fls_journal *journal;

    assert_ok(fls_journal_open(path, series, &journal, NULL, NULL));
    plan.calls = CALL_SYNC;
    plan.at = 1;
    plan.count = FOR_EVER;
    plan.way = FAIL;
    plan.os_errno = EIO;
    plan.seen = 0;
    plan.armed = 1;
    for (uint64_t id = 0; id < segments * series->rotation.messages; id++)
        (void)!write_one(journal, id); /* the keeper's sync may have failed already */
    assert_int_equal(fls_journal_commit(journal, 0, FLS_LEVEL_MACHINE), FLS_IO);
    plan.armed = 0;
    if (segments == 1)
        assert_int_equal(fls_journal_close(journal, NULL), FLS_IO);
    else
        _exit(0);
}

/* So the next opening, in the same boot, looks at all that no sync has carried to the device: also
 * where an index covers it, and where a finished segment's sync was the one that failed. */
static void what_a_failed_sync_left_is_looked_at(void **state)
{
    struct fls_journal_options series = {.checksum = FLS_CHECKSUM_CRC32,
                                         .rotation = {.messages = 20},
                                         .with_index = 1,
                                         .index = {.stretch_bytes = 300}};
    struct fls_journal *journal;
    char file[200];

    (void)state;
    memset(fates, 0, sizeof fates);
    for (uint64_t segments = 1; segments <= 2; segments++) {
        pid_t child = segments > 1 ? fork() : -1;
        if (child <= 0)
            write_poisoned(&series, segments);
        if (child > 0)
            assert_int_equal(waitpid(child, NULL, 0), child);
        snprintf(file, sizeof file, "%s/name-000001.fls", folder);
        spoil(file);
        assert_int_equal(fls_journal_open(path, &series, &journal, NULL, NULL),
                         FLS_CHECKSUM_MISMATCH);
        assert_int_equal(fls_journal_open(path, &series, &journal, NULL, NULL),
                         FLS_CHECKSUM_MISMATCH);
        spoil(file);
        assert_ok(fls_journal_open(path, &series, &journal, NULL, NULL));
        assert_ok(fls_journal_close(journal, NULL));
        empty_folder();
    }
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/journal_fault_test.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/name.fls", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_at_each_call),
        cmocka_unit_test(a_fault_at_each_call_of_a_repair),
        cmocka_unit_test(full_in_the_middle_of_a_frame),
        cmocka_unit_test(a_poisoned_journal_did_not_end_well),
        cmocka_unit_test(what_a_failed_sync_left_is_looked_at),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
