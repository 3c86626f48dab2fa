/*
 * salvage.h: getting the messages out of a stream that is damaged inside.
 *
 * Salvage reads on behind damage: it finds the next frame that is proven by its checksum, and goes
 * on from there. The damaged stream is never changed. docs/format.md, section 9, has the rules by
 * which every implementation salvages the same messages.
 *
 * A message whose length alone was damaged still has its checksum: where the bytes up to the next
 * frame match it, the message is delivered too (it is mended).
 *
 * Messages may hold frames. Those of a damaged message are left inside where its length still leads
 * to a frame and the message before it holds frames as well; else they are taken for messages. Rule
 * 9.10 says what is not salvaged.
 *
 * The time is linear in the stream's length, whatever its bytes are: what is compared in vain is
 * bounded by the bytes passed (rule 9.12), the same for any number of threads.
 */
#ifndef FLATSTREAM_SALVAGE_H
#define FLATSTREAM_SALVAGE_H

#include <flatstream/reader.h>

FLS_BEGIN_DECLS

/*
 * A damaged place: `bytes` bytes at stream offset `offset` that are in no message delivered, behind
 * `frame` messages. `error` is the first thing wrong there, as a reader would have said it. With
 * `mended` nothing was lost: these are the length field of the message delivered next.
 */
struct fls_salvage_region {
    uint64_t offset;
    uint64_t bytes;
    uint64_t frame;
    int mended;
    struct fls_error error;
};

/* Called with each damaged place, in the order of the stream, before the message behind it. FLS_OK
 * to go on; anything else stops, as in fls_message_function. */
typedef enum fls_status fls_salvage_region_function(void *context,
                                                    const struct fls_salvage_region *region);

/* Called now and then with the bytes done, for showing progress; as above. */
typedef enum fls_status fls_salvage_progress_function(void *context, uint64_t done);

/*
 * Called with frames that stand one behind another in the stream, as they are there: `count` of
 * them, the first of which is number `frame` and begins at stream offset `offset`, in `length`
 * bytes (valid during the call). As above.
 */
typedef enum fls_status fls_salvage_frames_function(void *context, const void *bytes, size_t length,
                                                    uint64_t frame, uint64_t offset,
                                                    uint64_t count);

/*
 * Options; all zero is the default, except that kinds of less than four bytes of checksum (none,
 * crc16, some custom) need `verifier`: their checksums alone prove too little.
 *
 *   checksum, custom_checksum, payload_bytes_max   as for a reader
 *   verifier      what it refuses is no message of this stream: fls_tap_schema, fls_tap_typed, ...
 *                 It is given much that is no message at all. Borrowed; may be NULL
 *   alignment     of payloads, for `message` and `verifier`; as for a reader
 *   bytes_max     of the stream are looked at, as if it ended there; 0: all
 *   message       called with each message: number, stream offset of its frame, payload (valid
 *                 during the call). NULL: only the report is wanted
 *   region        called with each damaged place; NULL: not wanted
 *   progress      NULL: not wanted
 *   context       given to these functions
 *   frames        called instead of `message` where frames are in order and nothing but their
 *                 checksum had to be looked at, which is nearly always when there is no verifier:
 *                 whoever copies them need not take them one by one. NULL: `message` gets all
 */
struct fls_salvage_options {
    enum fls_checksum_kind checksum;
    const struct fls_checksum_custom *custom_checksum;
    uint64_t payload_bytes_max;
    const struct fls_tap *verifier;
    size_t alignment;
    uint64_t bytes_max;
    fls_message_function *message;
    fls_salvage_region_function *region;
    fls_salvage_progress_function *progress;
    void *context;
    fls_salvage_frames_function *frames;
};

/*
 * What salvage came to.
 *
 *   bytes           of the stream that were looked at
 *   frames          messages delivered, `mended` among them; payload_bytes: theirs
 *   regions_lost, bytes_lost   damaged places in which something was lost, and their bytes
 *   longest_run     most messages that followed one another with nothing lost between
 *   comparisons     of a checksum with bytes that may have been no frame; false_frames_expected:
 *                   how many of these agree by chance, on average and at most: comparisons /
 *                   2^(8 x checksum bytes). (It is at most: what several steps of the search
 * compare is counted each time, and a verifier would have to accept chance bytes too.) A sender of
 * hostile bytes can make frames inside messages on purpose; no figure covers that bytes_compared
 * bytes read for these comparisons bytes_searched  bytes looked through for headers, each time that
 * they were search_cut_short  non-zero: parts of the stream look like headers so much that some
 * candidates were passed over, to keep the time within bounds; frames may have been missed
 *   passed_over     how many candidates that were
 */
struct fls_salvage_report {
    uint64_t bytes;
    uint64_t frames;
    uint64_t mended;
    uint64_t payload_bytes;
    uint64_t regions_lost;
    uint64_t bytes_lost;
    uint64_t longest_run;
    uint64_t comparisons;
    uint64_t bytes_compared;
    uint64_t bytes_searched;
    uint64_t passed_over;
    double false_frames_expected;
    int search_cut_short;
};

/*
 * Salvages what is in the file `path`. It is read, not mapped, so that a device's read error is
 * FLS_IO and not a signal; it must be at rest: what is changed meanwhile may come out as damage.
 * Memory: the largest message proven, 16 MiB at most for candidates, and some MiB of a file that
 * are in hand; for each thread. From 32 MiB on a stream is walked through by one thread more than
 * there are processors, but at most 8, which have 18 MiB of a file in hand for each of them, and
 * notes; not with a verifier or a custom checksum, if there is one processor, or where it costs
 * much. What comes out is the same. They live until the call returns (signals blocked); the
 * functions given are called in the caller's thread alone. FLS_OK                the whole stream
 * was looked at; *report says what was found FLS_INVALID_ARGUMENT  options, among them a checksum
 * that needs a verifier and has none FLS_STOPPED, ...      what `message`, `region` or `progress`
 * returned FLS_IO, FLS_NO_MEMORY, FLS_UNSUPPORTED (no regular file) `report` is filled as far as it
 * came. Any thread.
 */
FLS_API FLS_MUST_USE enum fls_status
fls_salvage_file_versioned(const char *path, const struct fls_salvage_options *options,
                           size_t options_bytes, struct fls_salvage_report *report,
                           struct fls_error *error);

FLS_MUST_USE static inline enum fls_status
fls_salvage_file(const char *path, const struct fls_salvage_options *options,
                 struct fls_salvage_report *report, struct fls_error *error)
{
    return fls_salvage_file_versioned(path, options, sizeof *options, report, error);
}

/* The same for a regular file that is open for reading, whose stream begins at file offset `start`
 * (offsets in messages and regions count from there). The descriptor's position is left alone. */
FLS_API FLS_MUST_USE enum fls_status
fls_salvage_fd_versioned(int fd, uint64_t start, const struct fls_salvage_options *options,
                         size_t options_bytes, struct fls_salvage_report *report,
                         struct fls_error *error);

FLS_MUST_USE static inline enum fls_status fls_salvage_fd(int fd, uint64_t start,
                                                          const struct fls_salvage_options *options,
                                                          struct fls_salvage_report *report,
                                                          struct fls_error *error)
{
    return fls_salvage_fd_versioned(fd, start, options, sizeof *options, report, error);
}

/* The same for a stream in memory. */
FLS_API FLS_MUST_USE enum fls_status
fls_salvage_memory_versioned(const void *bytes, size_t length,
                             const struct fls_salvage_options *options, size_t options_bytes,
                             struct fls_salvage_report *report, struct fls_error *error);

FLS_MUST_USE static inline enum fls_status
fls_salvage_memory(const void *bytes, size_t length, const struct fls_salvage_options *options,
                   struct fls_salvage_report *report, struct fls_error *error)
{
    return fls_salvage_memory_versioned(bytes, length, options, sizeof *options, report, error);
}

FLS_END_DECLS

#endif
