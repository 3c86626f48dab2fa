/*
 * series.c: the names of a journal's segments, and the list of those that are there.
 *
 * The invariant: a name and a number belong to each other one to one. `name-000007.fls` is segment
 * 7 of `name.fls`; `name-7.fls`, `name-0000007.fls` and `name-000000.fls` are someone else's files.
 * So what is listed is found again by fls_series_segment_path, and nothing is listed twice.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "journal/series.h"

/* Digits of a number in a name, at least. */
#define DIGITS 6
#define DIGITS_MAX 20

/* A path taken apart: [folder/]stem[.ending]; the number goes between stem and ending. */
struct name {
    const char *path;
    size_t stem_at; /* where the file's own name begins */
    size_t stem_bytes;
    const char *ending; /* with its dot; "" when there is none */
};

static struct name take_apart(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *stem = slash ? slash + 1 : path;
    const char *dot = strrchr(stem, '.');

    if (!dot || dot == stem)
        dot = stem + strlen(stem);
    return (struct name){path, (size_t)(stem - path), (size_t)(dot - stem), dot};
}

char *fls_series_folder(const char *path)
{
    struct name name = take_apart(path);
    size_t bytes = name.stem_at > 1 ? name.stem_at - 1 : name.stem_at; /* "/" stays */

    return bytes > 0 ? strndup(path, bytes) : strdup(".");
}

char *fls_series_segment_path(const char *path, uint64_t number)
{
    struct name name = take_apart(path);
    size_t before = name.stem_at + name.stem_bytes;
    size_t room = before + 1 + DIGITS_MAX + strlen(name.ending) + 1;
    char *made = malloc(room);

    if (made)
        snprintf(made, room, "%.*s-%0*" PRIu64 "%s", (int)before, path, DIGITS, number,
                 name.ending);
    return made;
}

/* The number in `digits` when it is written as we write it, else 0. */
static uint64_t parse_number(const char *digits, size_t count)
{
    uint64_t number = 0;

    if (count < DIGITS || count > DIGITS_MAX || (count > DIGITS && digits[0] == '0'))
        return 0;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned)(digits[i] - '0');
        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return 0;
        number = number * 10 + digit;
    }
    return number;
}

/* The number of the segment that a folder's entry is, or 0 for a foreign name. */
static uint64_t number_of(const struct name *name, const char *entry)
{
    size_t length = strlen(entry), ending = strlen(name->ending);

    if (length < name->stem_bytes + 1 + ending ||
        memcmp(entry, name->path + name->stem_at, name->stem_bytes) != 0 ||
        entry[name->stem_bytes] != '-' || strcmp(entry + length - ending, name->ending) != 0)
        return 0;
    return parse_number(entry + name->stem_bytes + 1, length - name->stem_bytes - 1 - ending);
}

char *fls_series_of_segment(const char *path)
{
    struct name name = take_apart(path);
    const char *stem = path + name.stem_at, *end = stem + name.stem_bytes, *dash = end;

    while (dash > stem && *dash != '-')
        dash--;
    if (dash == stem || parse_number(dash + 1, (size_t)(end - dash - 1)) == 0)
        return NULL;
    size_t before = (size_t)(dash - path), room = before + strlen(name.ending) + 1;
    char *series = malloc(room);
    if (series)
        snprintf(series, room, "%.*s%s", (int)before, path, name.ending);
    return series;
}

/* Adds one file, whose path it takes over, also on failure. Room is doubled as it runs out. */
static enum fls_status add(struct fls_series *series, char *path, uint64_t number, uint64_t bytes,
                           struct fls_error *error)
{
    size_t count = series->count;

    if (!path)
        return fls_error_no_memory(error, 1);
    if ((count & (count - 1)) == 0) {
        size_t room = (count > 0 ? 2 * count : 1) * sizeof *series->segments;
        struct fls_segment *grown = realloc(series->segments, room);
        if (!grown) {
            free(path);
            return fls_error_no_memory(error, room);
        }
        series->segments = grown;
    }
    series->segments[series->count++] = (struct fls_segment){path, number, bytes};
    return FLS_OK;
}

/* Adds segment `number`, if it is a file, and still there. */
static enum fls_status add_segment(struct fls_series *series, const char *path, uint64_t number,
                                   struct fls_error *error)
{
    char *own = fls_series_segment_path(path, number);
    struct stat information;

    if (own && stat(own, &information) != 0) {
        int reason = errno;
        free(own);
        return reason == ENOENT ? FLS_OK : fls_error_system(error, "stat", reason);
    }
    if (own && !S_ISREG(information.st_mode)) {
        free(own);
        return FLS_OK;
    }
    return add(series, own, number, own ? (uint64_t)information.st_size : 0, error);
}

static enum fls_status add_from(struct fls_series *series, const struct name *name, DIR *folder,
                                struct fls_error *error)
{
    enum fls_status status = FLS_OK;
    const struct dirent *entry;

    while (status == FLS_OK && (errno = 0, entry = readdir(folder)) != NULL) {
        uint64_t number = number_of(name, entry->d_name);
        if (number > 0)
            status = add_segment(series, name->path, number, error);
    }
    if (status == FLS_OK && errno != 0)
        status = fls_error_system(error, "readdir", errno);
    return status;
}

static enum fls_status add_segments(struct fls_series *series, const char *path,
                                    struct fls_error *error)
{
    struct name name = take_apart(path);
    char *folder_path = fls_series_folder(path);

    if (!folder_path)
        return fls_error_no_memory(error, strlen(path));
    DIR *folder = opendir(folder_path);
    enum fls_status status;
    if (folder)
        status = add_from(series, &name, folder, error);
    else if (errno == EACCES && series->count > 0) /* no list, but the file itself is there */
        status = FLS_OK;
    else
        status = fls_error_system(error, "opendir", errno);
    if (folder)
        closedir(folder);
    free(folder_path);
    return status;
}

static enum fls_status add_plain(struct fls_series *series, const char *path,
                                 struct fls_error *error)
{
    struct stat information;

    if (stat(path, &information) != 0)
        return errno == ENOENT ? FLS_OK : fls_error_system(error, "stat", errno);
    if (S_ISDIR(information.st_mode))
        return fls_error_system(error, "open", EISDIR);
    return add(series, strdup(path), 0, (uint64_t)information.st_size, error);
}

static int by_number(const void *left, const void *right)
{
    const struct fls_segment *a = left, *b = right;

    return (a->number > b->number) - (a->number < b->number);
}

/* The plain file is the first of all, having number 0. Is it alone? */
static enum fls_status check_one_kind(const struct fls_series *series, struct fls_error *error)
{
    if (series->count < 2 || series->segments[0].number > 0)
        return FLS_OK;
    const char *segment = series->segments[1].path;
    const char *slash = strrchr(segment, '/');
    return fls_error_set(error, FLS_INVALID_ARGUMENT,
                         "there is %s and beside it %s: which of them is the journal cannot be "
                         "known",
                         series->segments[0].path, slash ? slash + 1 : segment);
}

enum fls_status fls_series_list(const char *path, struct fls_series *series,
                                struct fls_error *error)
{
    *series = (struct fls_series){NULL, 0};
    enum fls_status status = add_plain(series, path, error);
    if (status == FLS_OK)
        status = add_segments(series, path, error);
    if (status == FLS_OK && series->count > 1)
        qsort(series->segments, series->count, sizeof *series->segments, by_number);
    if (status == FLS_OK)
        status = check_one_kind(series, error);
    if (status != FLS_OK)
        fls_series_free(series);
    return status;
}

void fls_series_free(struct fls_series *series)
{
    for (size_t i = 0; i < series->count; i++)
        free(series->segments[i].path);
    free(series->segments);
    *series = (struct fls_series){NULL, 0};
}
