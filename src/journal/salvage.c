/*
 * salvage.c: salvage from outside: what is asked for is checked, walked through, and summed up.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/arguments.h"
#include "base/error.h"
#include "base/os.h"
#include "frame/frame_fast.h"
#include "journal/salvage_walk.h"

static enum fls_status check_options(const struct fls_salvage_options *options,
                                     struct fls_error *error)
{
    struct fls_checksum checksum = {options->checksum, options->custom_checksum};
    size_t alignment = options->alignment;

    if (fls_checksum_check(checksum) != FLS_OK)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "the checksum is not usable");
    if (alignment > FLS_ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "an alignment of %zu is no power of two up to %d", alignment,
                             FLS_ALIGNMENT_MAX);
    if (options->verifier && !options->verifier->run)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "the verifier has no function");
    if (fls_checksum_bytes(checksum) < FLS_SALVAGE_STRONG_BYTES && !options->verifier)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "a checksum of %zu bytes proves too little: a verifier is needed",
                             fls_checksum_bytes(checksum));
    return FLS_OK;
}

static double expected_by_chance(const struct fls_salvage_report *report, size_t width)
{
    double expected = (double)report->comparisons;

    while (width-- > 0)
        expected /= 256;
    return expected;
}

/* Salvages the input that `walk` holds, and frees what it holds. */
static enum fls_status salvage(struct fls_salvage_walk *walk,
                               const struct fls_salvage_options *options,
                               const struct fls_salvage_bounds *bounds,
                               struct fls_salvage_report *report, struct fls_error *error)
{
    memset(report, 0, sizeof *report);
    enum fls_status status = check_options(options, error);
    if (status != FLS_OK)
        return status;
    if (options->bytes_max != 0)
        walk->input.end = fls_min_u64(walk->input.end, options->bytes_max);
    fls_salvage_walk_begin(walk, options, bounds, report);
    report->bytes = walk->input.end;
    fls_salvage_stretches(walk);
    while (walk->at < walk->input.end && fls_salvage_goes_on(walk))
        fls_salvage_step(walk);
    fls_salvage_close_lost(walk);
    report->false_frames_expected = expected_by_chance(report, walk->search.width);
    report->search_cut_short = report->passed_over > 0;
    status = walk->input.status;
    if (status != FLS_OK) {
        walk->input.error.status = status;
        fls_error_copy(error, &walk->input.error);
    }
    fls_salvage_walk_end(walk);
    return status;
}

/* A report of nothing, for who looks at it all the same. */
static enum fls_status refused(enum fls_status status, struct fls_salvage_report *report)
{
    memset(report, 0, sizeof *report);
    return status;
}

enum fls_status fls_salvage_memory_within(const void *bytes, size_t length,
                                          const struct fls_salvage_options *options,
                                          const struct fls_salvage_bounds *bounds,
                                          struct fls_salvage_report *report,
                                          struct fls_error *error)
{
    static const uint8_t nothing;
    struct fls_salvage_walk walk = {
        .input = {.memory = length > 0 ? bytes : &nothing, .end = length}};

    return salvage(&walk, options, bounds, report, error);
}

enum fls_status fls_salvage_memory_versioned(const void *bytes, size_t length,
                                             const struct fls_salvage_options *options,
                                             size_t options_bytes,
                                             struct fls_salvage_report *report,
                                             struct fls_error *error)
{
    struct fls_salvage_options all = FLS_ZERO;
    enum fls_status status = fls_take_options(&all, sizeof all, options, options_bytes, error);

    if (status == FLS_OK)
        status = fls_check_given(bytes, length, "bytes", error);
    if (status != FLS_OK)
        return refused(status, report);
    return fls_salvage_memory_within(bytes, length, &all, &FLS_SALVAGE_BOUNDS, report, error);
}

enum fls_status fls_salvage_fd_within(int fd, uint64_t start,
                                      const struct fls_salvage_options *options,
                                      const struct fls_salvage_bounds *bounds,
                                      struct fls_salvage_report *report, struct fls_error *error)
{
    struct fls_salvage_walk walk = {.input = {.fd = fd, .start = start}};
    uint64_t bytes;

    memset(report, 0, sizeof *report);
    enum fls_status status = fls_os_file_bytes(fd, &bytes, error);
    if (status == FLS_UNSUPPORTED)
        return fls_error_set(error, status, "only a regular file can be salvaged");
    if (status != FLS_OK)
        return status;
    if (start > bytes)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "the file ends at byte %" PRIu64 ", before the stream begins", bytes);
    walk.input.end = bytes - start;
    return salvage(&walk, options, bounds, report, error);
}

enum fls_status fls_salvage_fd_versioned(int fd, uint64_t start,
                                         const struct fls_salvage_options *options,
                                         size_t options_bytes, struct fls_salvage_report *report,
                                         struct fls_error *error)
{
    struct fls_salvage_options all = FLS_ZERO;
    enum fls_status status = fls_take_options(&all, sizeof all, options, options_bytes, error);

    if (status != FLS_OK)
        return refused(status, report);
    return fls_salvage_fd_within(fd, start, &all, &FLS_SALVAGE_BOUNDS, report, error);
}

enum fls_status fls_salvage_file_versioned(const char *path,
                                           const struct fls_salvage_options *options,
                                           size_t options_bytes, struct fls_salvage_report *report,
                                           struct fls_error *error)
{
    int fd;

    memset(report, 0, sizeof *report);
    enum fls_status status = fls_os_open(path, O_RDONLY, &fd, error);
    if (status != FLS_OK)
        return status;
    status = fls_salvage_fd_versioned(fd, 0, options, options_bytes, report, error);
    fls_os_close(fd, NULL);
    return status;
}
