/*
 * input.c: see input.h.
 *
 * The kind of checksum is found out from a sample of the stream's first bytes: a quarter of a
 * mebibyte of a regular file; of a pipe only as much as settles it, so that a live stream is not
 * held up. When the first frame is larger, the sample grows as its bytes arrive: never by what a
 * header merely declares. A regular file is then read again from its start, and the sample is gone.
 * Of a series the sample is of its first segment that has anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <flatstream/reader.h>

#include "cli/gaps.h"
#include "cli/input.h"
#include "cli/signals.h"

#define SAMPLE_BYTES ((size_t)256 * 1024)
#define LENGTH_BYTES 4
/* Checksums of so many bytes that agree leave no doubt; so many frames are looked at. */
#define SURE_BYTES 4
#define SURE_FRAMES 64

struct sample {
    uint8_t *bytes;
    size_t count;
    size_t capacity;
    int complete; /* it is the whole stream */
};

/* --- opening -----------------------------------------------------------------------------------
 */

static enum fls_status open_path(struct cli_input *input, struct fls_error *error)
{
    if (strcmp(input->path, "-") == 0) {
        input->fd = STDIN_FILENO;
        return FLS_OK;
    }
    input->owned = 1;
    return cli_open_input(input->path, &input->fd, error);
}

static enum fls_status ends_before(uint64_t end, uint64_t offset, struct fls_error *error)
{
    cli_set_error(error, FLS_UNEXPECTED_END,
                  "the input ends at byte %" PRIu64 ", before --offset %" PRIu64, end, offset);
    error->expected = offset;
    error->found = end;
    return FLS_UNEXPECTED_END;
}

/* Reads and forgets `count` bytes of what cannot be positioned. */
static enum fls_status discard(int fd, uint64_t count, struct fls_error *error)
{
    char bytes[4096];
    uint64_t done = 0;

    while (done < count) {
        uint64_t left = count - done;
        ssize_t got = cli_read(fd, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes);
        if (got < 0)
            return cli_system_error(error, "read", errno);
        if (got == 0)
            return ends_before(done, count, error);
        done += (uint64_t)got;
    }
    return FLS_OK;
}

static enum fls_status go_to_start(struct cli_input *input, uint64_t size, struct fls_error *error)
{
    off_t at = lseek(input->fd, 0, SEEK_CUR);

    if (at < 0)
        return cli_system_error(error, "lseek", errno);
    uint64_t there = size > (uint64_t)at ? size - (uint64_t)at : 0;
    if (input->offset > there)
        return ends_before(there, input->offset, error);
    input->start = (uint64_t)at + input->offset;
    input->bytes = there - input->offset;
    if (lseek(input->fd, (off_t)input->start, SEEK_SET) < 0)
        return cli_system_error(error, "lseek", errno);
    return FLS_OK;
}

/* What kind of thing is it, and where does the stream begin in it? */
static enum fls_status settle_start(struct cli_input *input, struct fls_error *error)
{
    struct stat information;

    if (fstat(input->fd, &information) != 0)
        return cli_system_error(error, "fstat", errno);
    if (S_ISDIR(information.st_mode))
        return cli_system_error(error, "read", EISDIR);
    input->regular = S_ISREG(information.st_mode);
    if (input->regular) /* a hint: whether it is taken is nothing to us */
        (void)posix_fadvise(input->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (input->regular)
        return go_to_start(input, (uint64_t)information.st_size, error);
    input->bytes = UINT64_MAX;
    return discard(input->fd, input->offset, error);
}

/* --- the sample --------------------------------------------------------------------------------
 */

static enum fls_status grow(struct sample *sample, size_t want, struct fls_error *error)
{
    size_t capacity = 2 * sample->capacity;

    if (sample->count < sample->capacity)
        return FLS_OK;
    if (capacity > want)
        capacity = want;
    if (capacity < SAMPLE_BYTES)
        capacity = SAMPLE_BYTES;
    if (capacity <= sample->count)
        capacity = sample->count + SAMPLE_BYTES;
    uint8_t *grown = realloc(sample->bytes, capacity);
    if (!grown)
        return cli_set_error(error, FLS_NO_MEMORY, "out of memory for the first frame's %zu bytes",
                             capacity);
    sample->bytes = grown;
    sample->capacity = capacity;
    return FLS_OK;
}

/* Reads until the sample has `want` bytes or is complete. */
static enum fls_status read_more(int fd, struct sample *sample, size_t want,
                                 struct fls_error *error)
{
    while (sample->count < want && !sample->complete) {
        enum fls_status status = grow(sample, want, error);
        if (status != FLS_OK)
            return status;
        ssize_t got = cli_read(fd, sample->bytes + sample->count, sample->capacity - sample->count);
        if (got < 0)
            return cli_system_error(error, "read", errno);
        sample->count += (size_t)got;
        sample->complete = got == 0;
    }
    return FLS_OK;
}

static struct fls_frame_format format_of(enum fls_checksum_kind kind, uint64_t max_frame)
{
    return (struct fls_frame_format){{kind, NULL}, max_frame};
}

static enum fls_checksum_kind lowest(unsigned candidates)
{
    int kind = FLS_CHECKSUM_NONE;

    while (kind < FLS_CHECKSUM_XXH3 && !(candidates & 1u << kind))
        kind++;
    return (enum fls_checksum_kind)kind;
}

static int is_single(unsigned candidates)
{
    return candidates != 0 && (candidates & (candidates - 1)) == 0;
}

/* Is the one candidate proven by the frames of a sample that goes on? */
static int is_sure(unsigned candidates, const struct sample *sample, uint64_t max_frame)
{
    if (!is_single(candidates))
        return 0;
    struct fls_frame_format format = format_of(lowest(candidates), max_frame);
    size_t width = fls_checksum_bytes(format.checksum), agreeing = 0, frames = 0, at = 0;
    struct fls_frame frame;

    while (frames < SURE_FRAMES && fls_frame_decode(&format, sample->bytes + at, sample->count - at,
                                                    &frame) == FLS_FRAME_READY) {
        agreeing += frame.payload_bytes > 0 ? width : 0;
        at += frame.frame_bytes;
        frames++;
    }
    return agreeing >= SURE_BYTES || frames >= SURE_FRAMES;
}

static void note_declared(struct cli_input *input, const struct sample *sample)
{
    input->declared = 0;
    for (size_t i = 0; i < LENGTH_BYTES && sample->count >= LENGTH_BYTES; i++)
        input->declared |= (uint64_t)sample->bytes[i] << 8 * i;
}

/* Does the first frame reach past the end of the file, whatever the kind? */
static int is_torn_at_once(const struct cli_input *input)
{
    return input->bytes != UINT64_MAX && input->declared + LENGTH_BYTES > input->bytes;
}

/* Reads as much as it takes, and sets input->candidates. */
static enum fls_status gather(struct cli_input *input, uint64_t max_frame, struct sample *sample,
                              struct fls_error *error)
{
    size_t want = input->regular ? SAMPLE_BYTES : FLS_FRAME_HEADER_BYTES_MAX;

    for (;;) {
        size_t need;
        enum fls_status status = read_more(input->fd, sample, want, error);
        if (status != FLS_OK)
            return status;
        note_declared(input, sample);
        int whole = sample->complete || sample->count >= input->bytes || is_torn_at_once(input);
        input->candidates = fls_frame_detect(sample->bytes, sample->count, whole, max_frame, &need);
        if (whole || (need == 0 && sample->count >= SAMPLE_BYTES) ||
            (need == 0 && is_sure(input->candidates, sample, max_frame)))
            return FLS_OK;
        want = need > sample->count ? need : sample->count + 1;
    }
}

/* --- what the sample says ----------------------------------------------------------------------
 */

/* Do all candidates say the same: not one whole frame? */
static int candidates_agree(const struct cli_input *input, const struct sample *sample,
                            uint64_t max_frame)
{
    struct fls_frame frame;

    for (int kind = FLS_CHECKSUM_NONE; kind <= FLS_CHECKSUM_XXH3; kind++) {
        struct fls_frame_format format = format_of((enum fls_checksum_kind)kind, max_frame);
        if (input->candidates & 1u << kind &&
            fls_frame_decode(&format, sample->bytes, sample->count, &frame) != FLS_FRAME_NEED_MORE)
            return 0;
    }
    return 1;
}

/* Why no kind fits: the first frame's length, or the checksum that the widest kind wants. */
static void explain_no_fit(struct cli_input *input, const struct sample *sample, uint64_t max_frame)
{
    struct fls_error *error = &input->no_fit;
    struct fls_frame frame;

    cli_set_error(error, FLS_CHECKSUM_MISMATCH,
                  "no kind of checksum fits: not a stream of frames, or its first frame is "
                  "damaged (--checksum KIND reads it as that kind)");
    for (int kind = FLS_CHECKSUM_XXH3; kind >= FLS_CHECKSUM_NONE; kind--) {
        struct fls_frame_format format = format_of((enum fls_checksum_kind)kind, max_frame);
        if (fls_frame_decode(&format, sample->bytes, sample->count, &frame) == FLS_FRAME_BAD) {
            error->status = frame.error.status;
            error->part = frame.error.part;
            error->expected = frame.error.expected;
            error->found = frame.error.found;
            break;
        }
    }
    if (error->status == FLS_INVALID_FRAME)
        snprintf(error->reason, sizeof error->reason,
                 "not a stream of frames, or damaged at its start: a payload of %" PRIu64
                 " bytes is over the limit of %" PRIu64,
                 error->found, error->expected);
    error->has_frame = 1;
    error->offset = input->offset;
}

static void judge(struct cli_input *input, const struct sample *sample, uint64_t max_frame)
{
    input->kind = lowest(input->candidates);
    if (input->candidates == 0)
        input->fit = CLI_FIT_NONE;
    else if (is_single(input->candidates))
        input->fit = CLI_FIT_FOUND;
    else
        input->fit = candidates_agree(input, sample, max_frame) ? CLI_FIT_SAME : CLI_FIT_SEVERAL;
    if (input->fit == CLI_FIT_NONE)
        explain_no_fit(input, sample, max_frame);
}

static enum fls_status find_kind(struct cli_input *input, uint64_t max_frame, struct sample *sample,
                                 struct fls_error *error)
{
    enum fls_status status = gather(input, max_frame, sample, error);

    if (status != FLS_OK)
        return status;
    judge(input, sample, max_frame);
    if (!input->regular)
        return FLS_OK;
    free(sample->bytes);
    *sample = (struct sample){NULL, 0, 0, 0};
    if (lseek(input->fd, (off_t)input->start, SEEK_SET) < 0)
        return cli_system_error(error, "lseek", errno);
    return FLS_OK;
}

static enum fls_status settle_kind(struct cli_input *input, const struct cli_read_options *options,
                                   struct sample *sample, struct fls_error *error)
{
    if (options->checksum == CLI_CHECKSUM_AUTO)
        return find_kind(input, options->max_frame, sample, error);
    input->kind = (enum fls_checksum_kind)(options->checksum - CLI_CHECKSUM_FIRST);
    return FLS_OK;
}

int cli_settle_live(const void *bytes, size_t count, uint64_t max_frame, unsigned *candidates,
                    enum fls_checksum_kind *kind, size_t *need)
{
    struct sample sample = {(uint8_t *)(uintptr_t)bytes, count, count, 0};

    *candidates = fls_frame_detect(bytes, count, 0, max_frame, need);
    *kind = lowest(*candidates);
    if (*need == 0 &&
        (*candidates == 0 || count >= SAMPLE_BYTES || is_sure(*candidates, &sample, max_frame)))
        return 1;
    if (*need <= count)
        *need = count + 1;
    return 0;
}

/* --- a series ----------------------------------------------------------------------------------
 */

/* The segment that holds byte `offset` of the whole, or the last; the offset becomes the one in it.
 */
static const struct fls_segment *find_segment(const struct fls_series *series, uint64_t *offset)
{
    const struct fls_segment *segment = series->segments;
    const struct fls_segment *last = segment + series->count - 1;

    while (segment < last && *offset >= segment->bytes)
        *offset -= segment++->bytes;
    return segment;
}

/* Finds the kind from the segment's own file, as of any file. */
static enum fls_status sample_segment(struct cli_input *input, const struct fls_segment *segment,
                                      uint64_t offset, const struct cli_read_options *options,
                                      struct fls_error *error)
{
    struct cli_input file = {
        .path = segment->path, .name = input->name, .fd = -1, .offset = offset, .fit = input->fit};
    struct sample sample = {NULL, 0, 0, 0};
    enum fls_status status = open_path(&file, error);

    if (status == FLS_OK)
        status = settle_start(&file, error);
    if (status == FLS_OK)
        status = settle_kind(&file, options, &sample, error);
    free(sample.bytes);
    cli_input_close(&file);
    input->fit = file.fit;
    input->kind = file.kind;
    input->candidates = file.candidates;
    input->declared = file.declared;
    input->no_fit = file.no_fit;
    input->no_fit.offset = input->offset;
    return status;
}

static uint64_t total_bytes(const struct fls_series *series)
{
    uint64_t total = 0;

    for (size_t i = 0; i < series->count; i++)
        total += series->segments[i].bytes;
    return total;
}

static void tell_deleted(void *context, uint64_t first, uint64_t last)
{
    struct cli_input *input = context;

    input->missing += cli_gaps_tell_deleted(input->name, input->series, first, last);
}

static enum fls_status open_segments(struct cli_input *input, const struct fls_series *series,
                                     const struct cli_read_options *options,
                                     struct fls_error *error)
{
    uint64_t offset = input->offset, total = total_bytes(series);

    if (offset > total)
        return ends_before(total, offset, error);
    const struct fls_segment *segment = find_segment(series, &offset);
    struct fls_series_options from = {.start_segment = segment->number,
                                      .start_offset = offset,
                                      .deleted = tell_deleted,
                                      .context = input};
    enum fls_status status = sample_segment(input, segment, offset, options, error);
    input->bytes = total - input->offset;
    if (status == FLS_OK)
        status = fls_source_open_series(input->path, &from, &input->series, error);
    if (status == FLS_OK)
        status = cli_source_wrap(input->series, -1, NULL, 0, &input->source, error);
    return status;
}

/* So often is a series listed whose oldest segment is deleted before it is opened. */
#define LISTS_MAX 1000

/* Could the folder not be listed for a reason that is not the name's? */
static int is_listing_trouble(enum fls_status status, const struct fls_error *error)
{
    return status == FLS_NO_MEMORY || (status == FLS_IO && error->os_errno != ENOENT &&
                                       error->os_errno != ENOTDIR && error->os_errno != EACCES);
}

/* There is no file `path`: are there segments of that name? Else *error stays as it is. */
static enum fls_status open_listed(struct cli_input *input, const struct cli_read_options *options,
                                   uint64_t *first, struct fls_error *error)
{
    struct fls_series series;
    struct fls_error own;
    enum fls_status status = fls_series_list(input->path, &series, &own);

    if (is_listing_trouble(status, &own)) {
        *error = own;
        return status;
    }
    if (status != FLS_OK || series.count == 0) {
        fls_series_free(&series);
        return FLS_IO;
    }
    *first = series.segments[0].number;
    status = open_segments(input, &series, options, error);
    if (status == FLS_OK)
        input->missing = cli_gaps_tell(input->name, &series);
    fls_series_free(&series);
    return status;
}

static enum fls_status open_series(struct cli_input *input, const struct cli_read_options *options,
                                   struct fls_error *error)
{
    uint64_t first = 0, oldest;
    enum fls_status status = open_listed(input, options, &first, error);

    oldest = first;
    for (int i = 1; i < LISTS_MAX && status == FLS_IO && error->os_errno == ENOENT && first > 0;
         i++)
        status = open_listed(input, options, &first, error);
    if (status == FLS_OK && first > oldest)
        cli_gaps_tell_deleted(input->name, NULL, oldest, first - 1);
    return status;
}

static enum fls_status count_frames(struct fls_reader *reader, uint64_t offset, uint64_t *frames,
                                    struct fls_error *error)
{
    struct fls_message message;
    enum fls_status status = FLS_OK;
    uint64_t at = 0;

    *frames = 0;
    while (at < offset && (status == FLS_OK || status == FLS_CHECKSUM_MISMATCH)) {
        status = fls_reader_next(reader, &message);
        fls_reader_position(reader, &at, frames);
    }
    if (at == offset)
        return FLS_OK;
    if (status == FLS_OK || status == FLS_CHECKSUM_MISMATCH || status == FLS_END)
        return cli_set_error(error, FLS_INVALID_FRAME, "no frame begins there any more");
    *error = *fls_reader_error(reader);
    return status;
}

/* How many frames, good or damaged, lie before `offset` of the file. */
static enum fls_status frames_before(const char *path, enum fls_checksum_kind kind, uint64_t offset,
                                     uint64_t *frames, struct fls_error *error)
{
    struct fls_reader_options options = {.checksum = kind,
                                         .payload_bytes_max = FLS_PAYLOAD_BYTES_WIRE_MAX,
                                         .alignment = 1,
                                         .owns_source = 1};
    struct fls_source *source;
    struct fls_reader *reader;
    enum fls_status status = fls_source_open_file(path, 0, &source, error);

    if (status != FLS_OK)
        return status;
    status = fls_reader_open(source, &options, &reader, error);
    if (status != FLS_OK) {
        fls_source_close(source);
        return status;
    }
    status = count_frames(reader, offset, frames, error);
    fls_reader_close(reader);
    return status;
}

void cli_where_in(const struct fls_segment *segment, enum fls_checksum_kind kind, uint64_t offset,
                  struct cli_where *where)
{
    memset(where, 0, sizeof *where);
    where->is_known = 1;
    where->offset = offset;
    snprintf(where->segment, sizeof where->segment, "%s", segment->path);
    where->has_frame =
        frames_before(segment->path, kind, offset, &where->frame, &where->why_not) == FLS_OK;
}

int cli_input_where(const struct cli_input *input, const struct fls_error *error,
                    struct cli_where *where)
{
    const struct fls_segment *segment;
    uint64_t offset;

    where->is_known = 0;
    if (!input->series || !error->has_frame || error->offset < input->offset ||
        !fls_series_locate(input->series, error->offset - input->offset, &segment, &offset))
        return 0;
    cli_where_in(segment, input->kind, offset, where);
    return 1;
}

const char *cli_where_text(const struct cli_where *where, char *text, size_t size)
{
    char why[FLS_ERROR_TEXT_MAX];

    if (!where->is_known)
        return NULL;
    fls_error_format(&where->why_not, why, sizeof why);
    if (where->has_frame)
        snprintf(text, size, "frame %" PRIu64 " at byte %" PRIu64 " of %s", where->frame,
                 where->offset, where->segment);
    else
        snprintf(text, size, "byte %" PRIu64 " of %s (which frame cannot be told: %s)",
                 where->offset, where->segment, why);
    return text;
}

void cli_input_fail(const struct cli_input *input, const struct fls_error *error,
                    const char *advice)
{
    char place[CLI_WHERE_TEXT_BYTES], words[sizeof place + 256];
    struct cli_where where;

    if (!cli_input_where(input, error, &where)) {
        cli_fail(input->name, error, advice);
        return;
    }
    snprintf(words, sizeof words, "%s%s%s", cli_where_text(&where, place, sizeof place),
             advice ? "; " : "", advice ? advice : "");
    cli_fail(input->name, error, words);
}

/* --- any input ---------------------------------------------------------------------------------
 */

static enum fls_status open_file(struct cli_input *input, const struct cli_read_options *options,
                                 struct fls_error *error)
{
    struct sample sample = {NULL, 0, 0, 0};
    enum fls_status status = settle_start(input, error);

    if (status == FLS_OK)
        status = settle_kind(input, options, &sample, error);
    if (status == FLS_OK)
        return cli_source_open(input->fd, sample.bytes, sample.count, &input->source, error);
    free(sample.bytes);
    return status;
}

static enum fls_status make_seekable(struct cli_input *input, struct fls_error *error)
{
    int fd;

    if (lseek(input->fd, 0, SEEK_CUR) >= 0)
        return FLS_OK;
    enum fls_status status = cli_input_spool(input->fd, &fd, error);
    if (status != FLS_OK)
        return status;
    if (input->owned)
        close(input->fd);
    input->fd = fd;
    input->owned = 1;
    return FLS_OK;
}

static enum fls_status open_input(struct cli_input *input, const char *path, int must_seek,
                                  const struct cli_read_options *options, struct fls_error *error)
{
    *input = (struct cli_input){.path = path,
                                .name = cli_input_name(path),
                                .fd = -1,
                                .offset = options->offset,
                                .fit = CLI_FIT_GIVEN};
    enum fls_status status = open_path(input, error);
    if (status == FLS_OK) {
        if (must_seek)
            status = make_seekable(input, error);
        if (status == FLS_OK)
            status = open_file(input, options, error);
    } else if (error->os_errno == ENOENT) {
        status = open_series(input, options, error);
    }
    if (status != FLS_OK)
        cli_input_close(input);
    return status;
}

enum fls_status cli_input_open(struct cli_input *input, const char *path,
                               const struct cli_read_options *options, struct fls_error *error)
{
    return open_input(input, path, 0, options, error);
}

enum fls_status cli_input_open_seekable(struct cli_input *input, const char *path,
                                        const struct cli_read_options *options,
                                        struct fls_error *error)
{
    return open_input(input, path, 1, options, error);
}

void cli_input_close(struct cli_input *input)
{
    fls_source_close(input->source);
    input->source = input->series = NULL;
    if (input->owned && input->fd >= 0)
        close(input->fd);
    input->fd = -1;
}

static void plan_series(const char *path, struct cli_outfile_plan *plan)
{
    struct fls_series series;
    struct fls_error error;

    if (fls_series_list(path, &series, &error) != FLS_OK) {
        cli_outfile_plan_unknown(plan, &error);
        return;
    }
    for (size_t i = 0; i < series.count; i++)
        cli_outfile_plan_path(plan, series.segments[i].path);
    fls_series_free(&series);
}

void cli_input_plan(const struct cli_input *input, struct cli_outfile_plan *plan)
{
    if (input->series)
        plan_series(input->path, plan);
    else
        cli_outfile_plan_fd(plan, input->fd);
}

void cli_input_plan_path(const char *path, struct cli_outfile_plan *plan)
{
    if (strcmp(path, "-") == 0)
        cli_outfile_plan_fd(plan, STDIN_FILENO);
    else if (access(path, F_OK) == 0)
        cli_outfile_plan_path(plan, path);
    else
        plan_series(path, plan);
}

const char *cli_candidate_names(unsigned candidates)
{
    static char names[64];
    size_t used = 0;

    for (int kind = FLS_CHECKSUM_NONE; kind <= FLS_CHECKSUM_XXH3; kind++) {
        unsigned above = candidates >> (kind + 1);
        if (!(candidates & 1u << kind))
            continue;
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                                 fls_checksum_name((enum fls_checksum_kind)kind),
                                 above == 0         ? ""
                                 : is_single(above) ? " and "
                                                    : ", ");
    }
    return names;
}

/* --- reading twice what can be read once -------------------------------------------------------
 */

static int write_whole(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return 0;
        bytes += written;
        count -= (size_t)written;
    }
    return 1;
}

static enum fls_status copy_to_end(int from, int to, struct fls_error *error)
{
    static char bytes[64 * 1024];
    ssize_t got;

    while ((got = cli_read(from, bytes, sizeof bytes)) > 0)
        if (!write_whole(to, bytes, (size_t)got))
            return cli_system_error(error, "write a temporary file", errno);
    if (got < 0)
        return cli_signal() ? FLS_STOPPED : cli_system_error(error, "read", errno);
    return lseek(to, 0, SEEK_SET) < 0 ? cli_system_error(error, "lseek", errno) : FLS_OK;
}

enum fls_status cli_input_spool(int from, int *fd, struct fls_error *error)
{
    FILE *file = tmpfile();

    *fd = file ? fcntl(fileno(file), F_DUPFD_CLOEXEC, 0) : -1;
    int os_errno = errno;
    if (file)
        fclose(file);
    if (*fd < 0)
        return cli_system_error(error, "create a temporary file", os_errno);
    enum fls_status status = copy_to_end(from, *fd, error);
    if (status != FLS_OK)
        close(*fd);
    return status;
}
