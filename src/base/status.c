/*
 * status.c: statuses as words, and an error as one line that a person can act on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static const char *const words[] = {
#define STATUS_WORD(name, word, text) word,
    FLS_STATUS_MAP(STATUS_WORD)
#undef STATUS_WORD
};

static const char *const texts[] = {
#define STATUS_TEXT(name, word, text) text,
    FLS_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
};

#define STATUS_COUNT (sizeof words / sizeof words[0])

const char *fls_status_word(enum fls_status status)
{
    return (size_t)status < STATUS_COUNT ? words[status] : "unknown";
}

const char *fls_status_text(enum fls_status status)
{
    return (size_t)status < STATUS_COUNT ? texts[status] : "unknown status";
}

/* A line being written into memory that may be too small: it goes on counting. */
struct line {
    char *text;
    size_t size;
    size_t length;
};

static void __attribute__((format(printf, 2, 3))) add(struct line *line, const char *format, ...)
{
    va_list arguments;
    size_t room = line->length < line->size ? line->size - line->length : 0;

    va_start(arguments, format);
    int written = vsnprintf(room ? line->text + line->length : NULL, room, format, arguments);
    va_end(arguments);
    if (written > 0)
        line->length += (size_t)written;
}

static void add_unexpected_end(struct line *line, const struct fls_error *error)
{
    const char *part = error->part == FLS_PART_PAYLOAD ? "payload" : "header";

    if (error->reason[0]) {
        add(line, "%s", error->reason);
        return;
    }
    add(line, "%s ends after %" PRIu64 " of %" PRIu64 " bytes", part, error->found,
        error->expected);
}

static void add_refusal(struct line *line, const struct fls_error *error)
{
    add(line, "refused by %s", error->subject[0] ? error->subject : "a validator");
    if (error->reason[0])
        add(line, ": %s", error->reason);
}

static void add_system(struct line *line, const struct fls_error *error)
{
    char text[128];

    if (error->subject[0])
        add(line, "%s: ", error->subject);
    if (error->os_errno == 0) /* whoever reported it did not say */
        add(line, "%s", fls_status_text(FLS_IO));
    else
        add(line, "%s", strerror_r(error->os_errno, text, sizeof text));
    if (error->reason[0])
        add(line, " (%s)", error->reason);
}

static void add_described(struct line *line, const struct fls_error *error)
{
    add(line, "%s", error->reason[0] ? error->reason : fls_status_text(error->status));
}

static void add_body(struct line *line, const struct fls_error *error)
{
    switch (error->status) {
    case FLS_UNEXPECTED_END:
        add_unexpected_end(line, error);
        break;
    case FLS_CHECKSUM_MISMATCH:
        if (error->reason[0])
            add(line, "%s", error->reason);
        else
            add(line, "checksum 0x%" PRIX64 " stored, 0x%" PRIX64 " calculated", error->expected,
                error->found);
        break;
    case FLS_INVALID_FRAME:
        if (error->reason[0])
            add(line, "%s", error->reason);
        else
            add(line, "payload of %" PRIu64 " bytes is over the limit of %" PRIu64, error->found,
                error->expected);
        break;
    case FLS_TOO_SMALL:
        add(line, "room for %" PRIu64 " bytes, %" PRIu64 " needed", error->expected, error->found);
        break;
    case FLS_VALIDATION_FAILED:
        add_refusal(line, error);
        break;
    case FLS_IO:
        add_system(line, error);
        break;
    default:
        add_described(line, error);
        break;
    }
}

size_t fls_error_format(const struct fls_error *error, char *text, size_t size)
{
    struct line line = {text, size, 0};

    if (size > 0)
        text[0] = '\0';
    if (error->has_frame)
        add(&line, "frame %" PRIu64 " at byte %" PRIu64 ": ", error->frame, error->offset);
    add_body(&line, error);
    return line.length;
}

enum fls_status fls_error_set(struct fls_error *error, enum fls_status status, const char *format,
                              ...)
{
    if (error) {
        va_list arguments;

        memset(error, 0, sizeof *error);
        error->status = status;
        va_start(arguments, format);
        vsnprintf(error->reason, sizeof error->reason, format, arguments);
        va_end(arguments);
    }
    return status;
}

enum fls_status fls_error_numbers(struct fls_error *error, enum fls_status status,
                                  enum fls_part part, uint64_t expected, uint64_t found)
{
    if (error) {
        memset(error, 0, sizeof *error);
        error->status = status;
        error->part = part;
        error->expected = expected;
        error->found = found;
    }
    return status;
}

enum fls_status fls_error_system(struct fls_error *error, const char *operation, int os_errno)
{
    if (error) {
        memset(error, 0, sizeof *error);
        error->status = FLS_IO;
        error->os_errno = os_errno;
        snprintf(error->subject, sizeof error->subject, "%s", operation);
    }
    return FLS_IO;
}

void fls_error_locate(struct fls_error *error, uint64_t frame, uint64_t offset)
{
    if (error) {
        error->has_frame = 1;
        error->frame = frame;
        error->offset = offset;
    }
}

/* So many bytes of a name are shown: its last, where a segment's number is. */
#define NAME_BYTES ((size_t)60)

const char *fls_error_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name);

    return length > NAME_BYTES ? name + (length - NAME_BYTES) : name;
}

/* "NAME: ...", "NAME was ..." or "..., in NAME": what is said here and in os.c. */
static int is_named(const char *reason, const char *name)
{
    size_t length = strlen(name), whole = strlen(reason);

    if (strncmp(reason, name, length) == 0 && (reason[length] == ':' || reason[length] == ' '))
        return 1;
    return whole > length + 5 && memcmp(reason + whole - length - 5, ", in ", 5) == 0 &&
           strcmp(reason + whole - length, name) == 0;
}

void fls_error_in_file(struct fls_error *error, const char *path)
{
    struct fls_error body;
    char text[FLS_ERROR_TEXT_MAX];
    const char *name = fls_error_name(path);

    if (!error || is_named(error->reason, name))
        return;
    body = *error;
    body.has_frame = 0;
    switch (error->status) {
    case FLS_UNEXPECTED_END:
    case FLS_CHECKSUM_MISMATCH:
    case FLS_INVALID_FRAME:
    case FLS_LIMIT:
        (void)fls_error_format(&body, text, sizeof text);
        snprintf(error->reason, sizeof error->reason, "%.90s, in %.60s", text, name);
        break;
    case FLS_IO:
        snprintf(error->reason, sizeof error->reason, "%.60s%s%.90s", name,
                 body.reason[0] ? ": " : "", body.reason);
        break;
    default: /* what is wrong is not the file */
        break;
    }
}

enum fls_status fls_error_copy(struct fls_error *to, const struct fls_error *from)
{
    if (to)
        *to = *from;
    return from->status;
}

enum fls_status fls_error_breach(struct fls_error *error, const char *slot, const char *what)
{
    fls_error_system(error, slot, EBADE);
    if (error)
        snprintf(error->reason, sizeof error->reason, "%s", what);
    return FLS_IO;
}

int fls_error_is_breach(const struct fls_error *error)
{
    return error->status == FLS_IO && error->os_errno == EBADE;
}

static enum fls_status wrong_status(struct fls_error *record, enum fls_status status,
                                    const char *slot)
{
    char what[FLS_ERROR_TEXT_MAX];

    snprintf(what, sizeof what, "it returned status %d, \"%s\", which it may not", (int)status,
             fls_status_word(status));
    return fls_error_breach(record, slot, what);
}

/* The text ends, and nothing stands behind its end. */
static void end_text(char *text, size_t size)
{
    size_t length = strnlen(text, size - 1);

    memset(text + length, 0, size - length);
}

enum fls_status fls_error_settle(struct fls_error *record, enum fls_status status, unsigned allowed,
                                 const char *slot)
{
    if ((unsigned)status >= STATUS_COUNT || !(allowed & 1u << status))
        return wrong_status(record, status, slot);
    record->status = status;
    record->has_frame = 0; /* where in the stream it was is known to the caller alone */
    if ((unsigned)record->part > FLS_PART_PAYLOAD)
        record->part = FLS_PART_NONE;
    end_text(record->subject, sizeof record->subject);
    end_text(record->reason, sizeof record->reason);
    if (record->subject[0] == '\0')
        snprintf(record->subject, sizeof record->subject, "%s", slot);
    return status;
}
