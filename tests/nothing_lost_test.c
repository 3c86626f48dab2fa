/*
 * nothing_lost_test.c: whatever stands before, between or behind good frames, no whole frame is
 * lost by a repair: each is in the stream afterwards, or in what was set aside beside it. By the
 * library's cut, a journal's opening, and the command, under every kind of checksum that may be
 * assumed.
 *
 * Every length of what is inserted, from 1 to 5,000, with FLS_CHECK=1; else a sample of them.
 */
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/frames.h"

#define KINDS 4
#define LENGTH_MAX 5000
#define FRAMES_MAX 4096
#define PAYLOAD_MAX 3000
#define HEADER_MAX 12

static char folder[128];
static char path[160];

/* --- streams with something in them ------------------------------------------------------------
 */

enum junk { ZEROS, GARBAGE, TEXT, OTHER, PAGES, JUNKS };
static const char *const junk_names[] = {"zeros", "garbage", "text", "another stream", "pages"};
enum place { FRONT, MIDDLE, BEHIND, PLACES };
static const char *const place_names[] = {"in front", "in the middle", "behind"};

/* A stream, and where its whole frames are. */
struct made {
    struct frames stream;
    size_t from[FRAMES_MAX];
    size_t bytes[FRAMES_MAX];
    int is_provable[FRAMES_MAX]; /* not of kind none */
    size_t count;
};

static void fill_payload(uint8_t *payload, size_t bytes, uint32_t style)
{
    for (size_t i = 0; i < bytes; i++) {
        uint32_t any = test_random();
        if (style % 3 == 0)
            payload[i] = (uint8_t)any;
        else if (style % 3 == 1) /* small numbers of four bytes */
            payload[i] = i % 4 == 0 || (i % 4 == 1 && any % 8 == 0) ? (uint8_t)(any >> 8) : 0;
        else
            payload[i] = (uint8_t)(' ' + any % 95);
    }
}

/* Empty messages are frames of zeros but under xxh3, and so are nothing that could be lost. */
static size_t some_size(enum fls_checksum_kind kind)
{
    static const size_t most[] = {8, 40, 200, PAYLOAD_MAX};
    size_t bytes = test_random() % most[test_random() % 4];

    return bytes == 0 && kind != FLS_CHECKSUM_XXH3 ? 1 : bytes;
}

static void add_frame(struct made *made, enum fls_checksum_kind kind, size_t bytes)
{
    uint8_t payload[PAYLOAD_MAX];

    fill_payload(payload, bytes, test_random());
    made->from[made->count] = made->stream.length;
    frames_put(&made->stream, (struct fls_checksum){kind, NULL}, payload, bytes);
    made->bytes[made->count] = made->stream.length - made->from[made->count];
    made->is_provable[made->count] = kind != FLS_CHECKSUM_NONE;
    made->count++;
}

static void add_frames(struct made *made, enum fls_checksum_kind kind, size_t count)
{
    size_t bytes = some_size(kind);

    for (size_t i = 0; i < count; i++)
        add_frame(made, kind, test_random() % 2 ? bytes : some_size(kind));
}

/* Another stream's frames, the last of which is cut off where `bytes` are full. */
static void add_other(struct made *made, enum fls_checksum_kind kind, size_t bytes)
{
    size_t end = made->stream.length + bytes;

    while (made->stream.length < end)
        add_frame(made, kind, some_size(kind));
    if (made->stream.length > end)
        made->count--;
    made->stream.length = end;
}

static void add_junk(struct made *made, enum junk junk, size_t bytes, enum fls_checksum_kind other)
{
    static const uint8_t zeros[16384];
    uint8_t any[LENGTH_MAX];

    if (junk == OTHER) {
        add_other(made, other, bytes);
    } else if (junk == ZEROS || junk == PAGES) {
        frames_raw(&made->stream, zeros, junk == PAGES ? 4096 * (1 + bytes % 4) : bytes);
    } else {
        fill_payload(any, bytes, junk == TEXT ? 2 : 0);
        frames_raw(&made->stream, any, bytes);
    }
}

/* The case by its numbers, so that it can be named when it fails. */
struct one {
    enum fls_checksum_kind kind;
    enum fls_checksum_kind other;
    enum junk junk;
    enum place place;
    size_t bytes;
    uint32_t seed;
};

static void make(struct made *made, const struct one *one)
{
    made->stream.length = 0;
    made->count = 0;
    test_random_seed(one->seed);
    size_t before = one->place == FRONT ? 0 : 1 + test_random() % 5;
    size_t behind = one->place == BEHIND ? 0 : 1 + test_random() % 5;
    add_frames(made, one->kind, before);
    add_junk(made, one->junk, one->bytes, one->other);
    add_frames(made, one->kind, behind);
}

/* --- the files ---------------------------------------------------------------------------------
 */

static void put(const struct made *made)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, made->stream.bytes, made->stream.length), made->stream.length);
    close(fd);
}

/* Reads a file of the folder, and removes it; none is there: 0 bytes. */
static void take(struct frames *bytes, const char *ending)
{
    char name[192];
    uint8_t piece[65536];
    ssize_t got;

    snprintf(name, sizeof name, "%s%s", path, ending);
    bytes->length = 0;
    int fd = open(name, O_RDONLY);
    if (fd < 0)
        return;
    while ((got = read(fd, piece, sizeof piece)) > 0)
        frames_raw(bytes, piece, (size_t)got);
    close(fd);
    unlink(name);
}

static size_t common_bytes(const struct frames *a, const struct frames *b)
{
    size_t i = 0;

    while (i < a->length && i < b->length && a->bytes[i] == b->bytes[i])
        i++;
    return i;
}

/*
 * Each frame is in what the stream still begins with, or in what was set aside, which is the end of
 * what was there. Nobody can tell where frames of kind none begin, nor that they are any; so of
 * these what is promised is that no byte of them goes, as long as frames of no other kind are in
 * the file, and they have more than another kind's header.
 */
static void assert_nothing_lost(const struct made *made, const struct one *one, const char *by)
{
    static struct frames stream, aside;
    const struct frames *before = &made->stream;

    take(&stream, "");
    take(&aside, ".damaged-000001");
    size_t kept = common_bytes(&stream, before), from = before->length - aside.length;
    if (aside.length > 0)
        assert_memory_equal(aside.bytes, before->bytes + from, aside.length);
    for (size_t i = 0; i < made->count; i++) {
        int is_there = made->from[i] + made->bytes[i] <= kept || made->from[i] >= from;
        if (!made->is_provable[i])
            is_there |= from <= kept || one->junk == OTHER || made->bytes[i] <= HEADER_MAX;
        if (!is_there)
            fail_msg("frame %zu of %zu, bytes %zu to %zu, is lost by %s, which kept %zu and set "
                     "aside from %zu: %s stream, %zu bytes of %s (%s) %s, seed %u",
                     i, made->count, made->from[i], made->from[i] + made->bytes[i], by, kept, from,
                     fls_checksum_name(one->kind), one->bytes, junk_names[one->junk],
                     fls_checksum_name(one->other), place_names[one->place], one->seed);
    }
}

/* --- the repairs -------------------------------------------------------------------------------
 */

static void cut_by_library(const struct made *made, const struct one *one,
                           enum fls_checksum_kind assumed, unsigned flags)
{
    struct fls_reader_options options = {.checksum = assumed, .alignment = 1, .owns_source = 1};
    struct fls_recovery recovery;
    struct fls_source *source;
    struct fls_reader *reader;
    struct fls_error error;

    put(made);
    assert_ok(fls_source_open_file(path, 0, &source, NULL));
    assert_ok(fls_reader_open(source, &options, &reader, NULL));
    assert_ok(fls_recover_scan(reader, flags, &recovery));
    fls_reader_close(reader);
    if (recovery.end == FLS_STREAM_TORN)
        assert_ok(fls_recover_truncate(path, &recovery, &error));
    assert_nothing_lost(made, one, fls_checksum_name(assumed));
}

static void open_journal(const struct made *made, const struct one *one,
                         enum fls_checksum_kind assumed, enum fls_journal_repair repair)
{
    struct fls_journal_options options = {.checksum = assumed, .repair = repair};
    struct fls_journal *journal;

    put(made);
    if (fls_journal_open(path, &options, &journal, NULL, NULL) == FLS_OK) {
        assert_ok(fls_journal_write(journal, "more", 4, NULL));
        assert_ok(fls_journal_close(journal, NULL));
    }
    assert_nothing_lost(made, one,
                        repair == FLS_JOURNAL_CUT_TORN ? "a journal's cut" : "a journal");
}

static void repair_by_command(const struct made *made, const struct one *one, const char *verb,
                              const char *const *rest)
{
    const char *argv[12] = {TEST_COMMAND, verb};
    size_t count = 2;
    int outcome;

    put(made);
    while (*rest)
        argv[count++] = *rest++;
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execv(TEST_COMMAND, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_true(WIFEXITED(outcome) && WEXITSTATUS(outcome) < 3);
    assert_nothing_lost(made, one, verb);
}

static void repair_by_library(const struct one *one)
{
    static struct made made;

    make(&made, one);
    for (int kind = 0; kind < KINDS; kind++) {
        enum fls_checksum_kind assumed = (enum fls_checksum_kind)kind;
        cut_by_library(&made, one, assumed, 0);
        cut_by_library(&made, one, assumed, FLS_RECOVER_ZERO_TAIL_IS_TORN);
        open_journal(&made, one, assumed, FLS_JOURNAL_CUT_TORN);
        open_journal(&made, one, assumed, FLS_JOURNAL_SET_ASIDE);
    }
}

static void repair_by_all_commands(const struct one *one)
{
    static struct made made;
    const char *assumed = fls_checksum_name((enum fls_checksum_kind)(one->seed % KINDS));
    const char *const cut[] = {"--truncate", path, NULL};
    const char *const zeros[] = {"--truncate", "--zero-tail", path, NULL};
    const char *const given[] = {"--truncate", "--checksum", assumed, path, NULL};
    const char *const append[] = {"-o", path, "--append", "--repair", NULL};
    const char *const other[] = {"-o", path, "--append", "--repair", "--checksum", assumed, NULL};
    const char *const synced[] = {"-o", path, "--append", "--repair", "--sync", "none", NULL};

    make(&made, one);
    repair_by_command(&made, one, "recover", cut);
    repair_by_command(&made, one, "recover", zeros);
    repair_by_command(&made, one, "recover", given);
    repair_by_command(&made, one, "write", append);
    repair_by_command(&made, one, "write", other);
    repair_by_command(&made, one, "write", synced);
}

/* --- the tests ---------------------------------------------------------------------------------
 */

static int is_full(void)
{
    return getenv("FLS_CHECK") != NULL;
}

/* Every kind of thing at every place, `bytes` long, in streams that chance chooses. */
static void at_length(size_t bytes, void (*repair)(const struct one *))
{
    static uint32_t seed;

    for (int junk = 0; junk < JUNKS; junk++)
        for (int place = 0; place < PLACES; place++) {
            seed++;
            struct one one = {(enum fls_checksum_kind)(seed * 2654435761u >> 30),
                              (enum fls_checksum_kind)(seed * 2246822519u >> 30),
                              (enum junk)junk,
                              (enum place)place,
                              bytes,
                              seed};
            repair(&one);
        }
}

static void by_the_library(void **state)
{
    size_t step = 1;

    (void)state;
    for (size_t bytes = 1; bytes <= LENGTH_MAX; bytes += step) {
        at_length(bytes, repair_by_library);
        step = is_full() || bytes < 16 ? 1 : bytes / 4;
    }
}

static void by_the_command(void **state)
{
    size_t step = 1;

    (void)state;
    for (size_t bytes = 1; bytes <= LENGTH_MAX; bytes += step) {
        at_length(bytes, repair_by_all_commands);
        step = is_full() ? 49 : bytes + 1;
    }
}

/* --- the folder --------------------------------------------------------------------------------
 */

static int open_folder(void **state)
{
    const char *in = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    (void)state;
    snprintf(folder, sizeof folder, "%s/fls-nothing-lost-XXXXXX", in);
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/s.fls", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_the_library),
        cmocka_unit_test(by_the_command),
    };

    return cmocka_run_group_tests(tests, open_folder, remove_folder);
}
