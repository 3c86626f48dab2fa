/*
 * journal_crash_test.c: a recorder is killed by SIGKILL at a random moment, reopened and continued.
 *
 * The recorder is a child whose threads append numbered messages and, when a commit has come back,
 * say so through a pipe: what was said before the end is the model, kept in the parent. After each
 * kill the parent reads the files by the frame codec alone, and wants every acknowledged message in
 * them, in order, once, and unharmed. In half of the rounds the power fails, too. What reached the
 * device is known from the system calls themselves: this program's own fdatasync, fsync and
 * ftruncate note in shared memory how much of which file, and which directory entries, were synced
 * when the real ones came back. Everything else is cut at a random point, a random sector of what
 * is left of it is zeroed, files without a synced entry may vanish; messages acknowledged at the
 * machine's level must still be there.
 *
 * FLS_CHECK makes it 1,000 rounds.
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/data_file.h"
#include "support/frames.h"
#include "support/index_boot.h"

#define ROUNDS 100
#define ROUNDS_CHECK 1000
#define ROUNDS_A_JOURNAL 10
#define MESSAGES_A_ROUND 4000
#define THREADS_MAX 3
#define BYTES_MAX 3000
#define SECTOR 512

static char folder[64];
static char path[128];

/* ---- what reaches the device ---------------------------------------------------------------- */

#define NODES_MAX 4096

/* Of each file, by its number in the file system: the bytes synced, and whether its entry is. */
struct node {
    _Atomic uint64_t number;
    _Atomic uint64_t bytes;
    _Atomic int entry;
};

static struct node *nodes; /* shared with the recorder */

static struct node *node_of(uint64_t number)
{
    for (size_t i = 0; i < NODES_MAX; i++) {
        uint64_t none = 0;
        if (nodes[i].number == number ||
            atomic_compare_exchange_strong(&nodes[i].number, &none, number) || none == number)
            return &nodes[i];
    }
    abort();
}

int fdatasync(int fd)
{
    struct stat before;
    int known = fstat(fd, &before) == 0;
    long result = syscall(SYS_fdatasync, fd);

    if (result == 0 && known && nodes) {
        struct node *node = node_of(before.st_ino);
        uint64_t bytes = (uint64_t)before.st_size, now = node->bytes;
        while (now < bytes && !atomic_compare_exchange_weak(&node->bytes, &now, bytes))
            continue;
    }
    return (int)result;
}

int ftruncate(int fd, off_t length)
{
    struct stat before;

    if (nodes && fstat(fd, &before) == 0 && node_of(before.st_ino)->bytes > (uint64_t)length)
        node_of(before.st_ino)->bytes = (uint64_t)length;
    return (int)syscall(SYS_ftruncate, fd, length);
}

/* Of the folder: the entries that are there now are synced when it comes back. */
int fsync(int fd)
{
    uint64_t there[NODES_MAX];
    struct dirent *entry;
    size_t count = 0;
    DIR *listing = opendir(folder);

    while (listing && (entry = readdir(listing)) != NULL && count < NODES_MAX)
        there[count++] = entry->d_ino;
    if (listing)
        closedir(listing);
    long result = syscall(SYS_fsync, fd);
    for (size_t i = 0; i < count && result == 0 && nodes; i++)
        node_of(there[i])->entry = 1;
    return (int)result;
}

/* ---- messages ------------------------------------------------------------------------------- */

/* Message `id`: mostly small, now and then large; its bytes follow from its number. */
static size_t make_message(uint64_t id, uint8_t *message)
{
    size_t bytes = 8 + (size_t)(id * 2654435761u % 200);

    if (id % 97 == 0)
        bytes = BYTES_MAX - (size_t)(id % 1000);
    for (size_t i = 8; i < bytes; i++)
        message[i] = (uint8_t)(id * 31 + i * 7 + 1);
    memcpy(message, &id, sizeof id);
    return bytes;
}

static void sleep_us(long us)
{
    struct timespec time = {us / 1000000, us % 1000000 * 1000};

    nanosleep(&time, NULL);
}

/* ---- the recorder --------------------------------------------------------------------------- */

enum word { OPENED, AT_PROCESS, AT_MACHINE };

struct report {
    uint64_t word;
    uint64_t id;
};

struct recorder {
    struct fls_journal *journal;
    pthread_mutex_t lock; /* numbers and appends in one order */
    uint64_t next;
    uint64_t end;
    int pipe;
    int each; /* the policy acknowledges: no commits */
};

static void say(const struct recorder *recorder, enum word word, uint64_t id)
{
    struct report report = {word, id};

    if (write(recorder->pipe, &report, sizeof report) != sizeof report)
        _exit(9);
}

/* Has message `id` brought to a level, where the policy has not done so. */
static enum word acknowledge(struct recorder *recorder, uint64_t id, uint64_t number)
{
    enum word word = id % 13 == 0 || recorder->each == AT_MACHINE ? AT_MACHINE : AT_PROCESS;

    if (word != (enum word)recorder->each &&
        fls_journal_commit(recorder->journal, number,
                           word == AT_MACHINE ? FLS_LEVEL_MACHINE : FLS_LEVEL_PROCESS) != FLS_OK)
        _exit(8);
    return word;
}

static void *record(void *context)
{
    struct recorder *recorder = context;
    uint8_t message[BYTES_MAX];

    for (;;) {
        uint64_t number;
        pthread_mutex_lock(&recorder->lock);
        uint64_t id = recorder->next++;
        size_t bytes = make_message(id, message);
        if (id < recorder->end &&
            fls_journal_write(recorder->journal, message, bytes, &number) != FLS_OK)
            _exit(7);
        pthread_mutex_unlock(&recorder->lock);
        if (id >= recorder->end)
            return NULL;
        if (recorder->each || id % 5 == 0)
            say(recorder, acknowledge(recorder, id, number), id);
    }
}

/* How one journal is kept: drawn once for it. */
struct manner {
    struct fls_journal_options options;
    int threads;
    int each;
};

static void run_recorder(const struct manner *manner, uint64_t first, int to)
{
    struct recorder recorder = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                .next = first,
                                .end = first + MESSAGES_A_ROUND,
                                .pipe = to,
                                .each = manner->each};
    struct fls_error error = FLS_ZERO;
    pthread_t threads[THREADS_MAX];

    if (fls_journal_open(path, &manner->options, &recorder.journal, NULL, &error) != FLS_OK) {
        fprintf(stderr, "%s %s %s\n", fls_status_word(error.status), error.subject, error.reason);
        _exit(6);
    }
    say(&recorder, OPENED, 0);
    for (int t = 0; t < manner->threads; t++)
        if (pthread_create(&threads[t], NULL, record, &recorder) != 0)
            _exit(5);
    for (int t = 0; t < manner->threads; t++)
        pthread_join(threads[t], NULL);
    /* Some rounds get so far. */
    _exit(first % 2 && fls_journal_close(recorder.journal, NULL) != FLS_OK ? 4 : 0);
}

/* ---- the files, by the codec alone ---------------------------------------------------------- */

#define FILES_MAX 4096

struct file {
    char name[64];
    uint64_t bytes;
    uint64_t number;
};

static struct file files[FILES_MAX];
static size_t file_count;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static int is_segment(const char *name)
{
    size_t length = strlen(name);

    return length > 4 && strcmp(name + length - 4, ".fls") == 0;
}

static void full_name(const char *name, char *full, size_t size)
{
    snprintf(full, size, "%s/%.300s", folder, name);
}

/* The plain file, or the segments in the order of their names (fewer than a million). */
static void list_files(void)
{
    DIR *listing = opendir(folder);
    struct dirent *entry;
    struct stat information;
    char full[400];

    assert_non_null(listing);
    file_count = 0;
    while ((entry = readdir(listing)) != NULL) {
        if (!is_segment(entry->d_name))
            continue;
        assert_true(file_count < FILES_MAX && strlen(entry->d_name) < sizeof files[0].name);
        full_name(entry->d_name, full, sizeof full);
        assert_int_equal(stat(full, &information), 0);
        snprintf(files[file_count].name, sizeof files[0].name, "%.60s", entry->d_name);
        files[file_count].number = information.st_ino;
        files[file_count++].bytes = (uint64_t)information.st_size;
    }
    closedir(listing);
    qsort(files, file_count, sizeof files[0], by_name);
}

static void empty_folder(void)
{
    DIR *listing = opendir(folder);
    struct dirent *entry;
    char full[400];

    assert_non_null(listing);
    while ((entry = readdir(listing)) != NULL)
        if (entry->d_name[0] != '.') {
            full_name(entry->d_name, full, sizeof full);
            assert_int_equal(unlink(full), 0);
        }
    closedir(listing);
    memset(nodes, 0, NODES_MAX * sizeof *nodes);
}

/* What the model knows of a journal. Of each round that began at first[r], all up to needed[r] must
 * be there (needed < first: none), after a loss of power all up to at_machine[r]. */
struct model {
    uint64_t first[ROUNDS_A_JOURNAL];
    uint64_t needed[ROUNDS_A_JOURNAL];
    uint64_t at_machine[ROUNDS_A_JOURNAL];
    size_t rounds;
};

static int is_needed(const struct model *model, uint64_t id)
{
    for (size_t r = 0; r < model->rounds; r++)
        if (id >= model->first[r] && id <= model->needed[r])
            return 1;
    return 0;
}

static void check_message(const struct fls_frame *frame, uint64_t *id)
{
    uint8_t message[BYTES_MAX];

    assert_true(frame->payload_bytes >= 8);
    memcpy(id, frame->payload, 8);
    assert_int_equal(frame->payload_bytes, make_message(*id, message));
    assert_memory_equal(frame->payload, message, frame->payload_bytes);
}

/*
 * Reads all files: messages are unharmed and their numbers rise, and none that is needed is passed
 * over. With `clean` every file ends on a frame.
 */
static void check_files(const struct manner *manner, const struct model *model, int clean)
{
    struct fls_frame_format format = {{manner->options.checksum, NULL}, 0};
    struct fls_frame frame;
    uint64_t next = 1, id;
    char full[400];

    list_files();
    for (size_t f = 0; f < file_count; f++) {
        size_t length, at = 0;
        full_name(files[f].name, full, sizeof full);
        char *bytes = test_read_file(full, &length);
        /* An empty frame is a zeroed sector: the journal takes no such message. */
        while (fls_frame_decode(&format, bytes + at, length - at, &frame) == FLS_FRAME_READY &&
               frame.payload_bytes > 0) {
            check_message(&frame, &id);
            if (id < next)
                fail_msg("message %d after %d in %s", (int)id, (int)next - 1, files[f].name);
            for (; next < id; next++)
                if (is_needed(model, next))
                    fail_msg("message %d is lost before %d in %s", (int)next, (int)id,
                             files[f].name);
            next = id + 1;
            at += frame.frame_bytes;
        }
        if (clean && at != length)
            fail_msg("%s ends in %d bytes that are no frame", files[f].name, (int)(length - at));
        free(bytes);
    }
    for (size_t r = 0; r < model->rounds; r++)
        if (model->needed[r] >= model->first[r] && model->needed[r] >= next)
            fail_msg("message %d is lost at the end", (int)model->needed[r]);
}

/* ---- the loss of power ---------------------------------------------------------------------- */

static uint64_t draw(uint64_t below)
{
    return below > 0 ? ((uint64_t)test_random() << 16 ^ test_random()) % below : 0;
}

static void cut_and_spoil(const char *name, uint64_t from, uint64_t bytes)
{
    static const uint8_t zeros[SECTOR];
    uint64_t end = from + draw(bytes - from + 1);
    char full[400];

    full_name(name, full, sizeof full);
    int fd = open(full, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)end), 0);
    if (end > from && draw(2) == 0) {
        uint64_t sector = (from + draw(end - from)) / SECTOR * SECTOR;
        uint64_t begin = sector > from ? sector : from;
        uint64_t stop = sector + SECTOR < end ? sector + SECTOR : end;
        assert_int_equal(pwrite(fd, zeros, stop - begin, (off_t)begin), stop - begin);
    }
    close(fd);
}

/* What was not synced is at the mercy of chance. */
static void lose_power(void)
{
    char full[400];
    FILE *lock;

    list_files();
    while (file_count > 0 && !node_of(files[file_count - 1].number)->entry && draw(2) == 0) {
        full_name(files[--file_count].name, full, sizeof full);
        node_of(files[file_count].number)->bytes = 0;
        assert_int_equal(unlink(full), 0);
    }
    for (size_t f = 0; f < file_count; f++) {
        uint64_t synced = node_of(files[f].number)->bytes;
        if (synced < files[f].bytes)
            cut_and_spoil(files[f].name, synced, files[f].bytes);
        full_name(files[f].name, full, sizeof full - 4);
        strcat(full, ".idx");
        (void)test_index_set_boot(full, draw(2));
    }
    full_name("name.fls.lock", full, sizeof full);
    if (access(full, F_OK) == 0) { /* the system was started anew */
        lock = fopen(full, "w");
        assert_non_null(lock);
        if (draw(2) == 0)
            fputs("pid 1, x, host y, since z\nboot 0\n", lock);
        fclose(lock);
    }
}

/* ---- one round ------------------------------------------------------------------------------ */

struct said {
    int opened;
    uint64_t at_process;
    uint64_t at_machine;
    uint64_t count;
};

/* Listens until the recorder has said so many things, or has ended. */
static void listen_to(int from, struct said *said, uint64_t count)
{
    struct report report;

    while (said->count < count && read(from, &report, sizeof report) == sizeof report) {
        said->count++;
        said->opened |= report.word == OPENED;
        if (report.word != OPENED && report.id > said->at_process)
            said->at_process = report.id;
        if (report.word == AT_MACHINE && report.id > said->at_machine)
            said->at_machine = report.id;
    }
}

/* Runs the recorder and kills it. Returns what it said. */
static struct said run_and_kill(const struct manner *manner, uint64_t first)
{
    struct said said = {0};
    int ends[2], result;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        run_recorder(manner, first, ends[1]);
    }
    close(ends[1]);
    switch (draw(4)) { /* it may not have opened the journal yet; or has, or has said more */
    case 0:
        sleep_us((long)draw(3000));
        break;
    case 1:
        listen_to(ends[0], &said, 1);
        sleep_us((long)draw(15000));
        break;
    default:
        listen_to(ends[0], &said, 2 + draw(200));
        sleep_us((long)draw(1000));
    }
    kill(child, SIGKILL);
    listen_to(ends[0], &said, UINT64_MAX);
    close(ends[0]);
    assert_int_equal(waitpid(child, &result, 0), child);
    if (!WIFSIGNALED(result) && WEXITSTATUS(result) != 0)
        fail_msg("the recorder failed: %d", WEXITSTATUS(result));
    return said;
}

/* What was acknowledged before is needed; a loss of power takes away what was not on the device. An
 * opening brings there all that it finds. */
static void one_round(const struct manner *manner, struct model *model, uint64_t *next,
                      uint64_t totals[3])
{
    size_t round = model->rounds;
    uint64_t first = *next;
    struct said said = run_and_kill(manner, first);

    *next = first + MESSAGES_A_ROUND;
    model->first[round] = first;
    model->needed[round] = said.at_process;
    model->at_machine[round] = said.at_machine;
    model->rounds++;
    check_files(manner, model, 0);
    totals[0] += said.at_process >= first;
    totals[1] += said.at_machine >= first;
    if (draw(2) == 0)
        return;
    for (size_t r = said.opened ? round : 0; r <= round; r++)
        model->needed[r] = model->at_machine[r];
    lose_power();
    check_files(manner, model, 0);
    totals[2]++;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void draw_manner(struct manner *manner)
{
    static const struct fls_journal_policy policies[] = {
        {0, 0, 0}, {1, 0, 0}, {20, 0, 0}, {0, 5000, 0}, {0, 0, 2}};
    struct fls_journal_options *options = &manner->options;

    memset(manner, 0, sizeof *manner);
    options->checksum = draw(2) ? FLS_CHECKSUM_XXH3 : FLS_CHECKSUM_CRC32;
    options->repair = FLS_JOURNAL_SET_ASIDE;
    manner->threads = 1 + (int)draw(THREADS_MAX);
    options->to_process = policies[draw(5)];
    options->to_machine = policies[draw(5)];
    manner->each = options->to_machine.messages == 1   ? AT_MACHINE
                   : options->to_process.messages == 1 ? AT_PROCESS
                                                       : 0;
    if (draw(2) == 0)
        options->batch_bytes = 1 + (size_t)draw(5000);
    if (draw(2) == 0)
        options->rotation = (struct fls_journal_rotation){.bytes = 2000 + draw(50000),
                                                          .preallocate_bytes = draw(2) * 65536};
    options->with_index = draw(2) == 0;
    options->index.stretch_bytes = 1000;
}

/* The last opening must find a journal that ends on a frame everywhere. */
static void finish(struct manner *manner, struct model *model)
{
    struct fls_journal *journal;
    struct fls_error error = FLS_ZERO;
    enum fls_status status = fls_journal_open(path, &manner->options, &journal, NULL, &error);

    if (status != FLS_OK)
        fail_msg("the last opening: %s %s", fls_status_word(status), error.reason);
    assert_false(fls_journal_statistics(journal).index_failed);
    assert_ok(fls_journal_close(journal, NULL));
    check_files(manner, model, 1);
    if (manner->options.with_index && file_count > 0) {
        struct fls_index *index;
        char full[400];
        full_name(files[file_count - 1].name, full, sizeof full);
        assert_ok(fls_index_open(full, NULL, &index, &error));
        assert_int_equal(fls_index_describe(index).bytes, files[file_count - 1].bytes);
        fls_index_close(index);
    }
}

static void crash_loop(void **state)
{
    int rounds = getenv("FLS_CHECK") ? ROUNDS_CHECK : ROUNDS;
    uint64_t totals[3] = {0, 0, 0};
    const char *seed = getenv("JOURNAL_CRASH_SEED");

    (void)state;
    test_random_seed(seed ? (uint32_t)atoi(seed) : (uint32_t)time(NULL));
    print_message("seed %ld\n", seed ? (long)atoi(seed) : (long)time(NULL));
    for (int done = 0; done < rounds;) {
        struct model model = {.rounds = 0};
        struct manner manner;
        uint64_t next = 1;
        draw_manner(&manner);
        for (int r = 0; r < ROUNDS_A_JOURNAL && done < rounds; r++, done++)
            one_round(&manner, &model, &next, totals);
        finish(&manner, &model);
        empty_folder();
    }
    print_message("%d kills; in %d rounds something was acknowledged at the process's level, in %d "
                  "at the machine's; the power failed in %d\n",
                  rounds, (int)totals[0], (int)totals[1], (int)totals[2]);
    assert_true(totals[0] > (uint64_t)rounds / 4 && totals[1] > 0 &&
                totals[2] > (uint64_t)rounds / 10);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/journal_crash_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/name.fls", folder);
    nodes = mmap(NULL, NODES_MAX * sizeof *nodes, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(nodes != MAP_FAILED);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(crash_loop)};

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
