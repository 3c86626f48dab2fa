/*
 * journal.h: a stream as a durable file, written by many threads, that survives crashes.
 *
 * What is guaranteed, level by level, once a call has said that a message is there:
 *   FLS_LEVEL_OBJECT   it is in this process's memory, in order
 *   FLS_LEVEL_PROCESS  it was handed to the system: it survives the end of this process by any
 *                      means, not that of the machine
 *   FLS_LEVEL_MACHINE  fdatasync came back after it, and its file's directory entry is synced too:
 *                      it survives the loss of power, as far as the device does not lie
 * After the end of a process what is left is a beginning of what was written. After a loss of power
 * all that was at the machine's level is there; of what was written later, any part may be missing.
 *
 * A frame that was not wholly written when the process ended is a torn tail; the next open cuts it
 * (when allowed), and a reader never sees it. A write that fails (a full disk) leaves the file
 * ending on a whole frame, and the messages behind it in memory, to be tried again. After a failed
 * fdatasync the kernel may have dropped the pages, so the journal refuses everything after with the
 * same error (it is poisoned): it never says that data is safe when it may not be. The next opening
 * then looks at what no sync has carried there, as after a loss of power.
 *
 * A segment that is deleted, renamed away, replaced or cut short under its writer is noticed when
 * the next is begun, by the next sync and by closing: FLS_IO with ENOENT or ESTALE, and in words
 * what became of the file and how many bytes are gone. A sync that finds that poisons the journal,
 * for what it was to make safe is not there. Errors name the segment, by its file's name, and frame
 * and offset are those in it: of a write the first frame that is not whole in the file, of a sync
 * the first that is not known to be on the device. The folder is held open: when it is renamed, the
 * journal goes on in it.
 *
 * A journal is used by any number of threads. After fork(2) only the parent may use it, and the
 * child should not outlive it without exec(3): it holds the lock too.
 */
#ifndef FLATSTREAM_JOURNAL_H
#define FLATSTREAM_JOURNAL_H

#include <flatstream/index.h>
#include <flatstream/recover.h>
#include <flatstream/series.h>
#include <flatstream/writer.h>

FLS_BEGIN_DECLS

/* What opening does with a stream that does not end on a frame boundary. */
enum fls_journal_repair {
    FLS_JOURNAL_REFUSE,   /* neither torn nor corrupt is accepted; nothing is changed */
    FLS_JOURNAL_CUT_TORN, /* a torn tail (or one of zero bytes) is cut off; corrupt is refused.
                             Where not one frame is intact, and there is more than a header, it may
                             be no stream at all; and where whole frames are, or may be, in the tail
                             (enum fls_aside in recover.h), it is not merely torn: the bytes are set
                             aside then, as below */
    FLS_JOURNAL_SET_ASIDE /* whatever follows the last intact frame, torn or corrupt, is moved to
                             `<segment>.damaged-NNNNNN`, synced, before it is cut off */
};

/*
 * When messages are carried further without being asked: after so many messages, so many bytes (of
 * frames), or so many milliseconds after the first that waits, whichever comes first; zeros: never.
 * messages 1 means each, before its write returns. By messages and bytes it happens in the call
 * that reaches the number; by time on the journal's own thread.
 */
struct fls_journal_policy {
    uint64_t messages;
    uint64_t bytes;
    uint32_t interval_ms;
};

/*
 * When a new segment is begun (bytes and messages are those of the segment; no message is split, so
 * one that is larger makes a segment of its own), and how many are kept. Zeros: never, all.
 *
 *   interval_ms        counted from the segment's first message (of one that was there already:
 *                      from the first of this opening); the journal's own thread rotates then
 *   segments_kept, bytes_kept   when a segment is finished, the oldest are deleted (with their
 *                      indices) until no more are left, the present one included and never deleted
 *   preallocate_bytes  reserved for each new segment without changing its size
 *                      (FALLOC_FL_KEEP_SIZE), given back at its end; where the file system cannot,
 *                      it is left
 *
 * A finished segment is synced on the journal's own thread, whatever the policy: an old one is
 * never deleted before what follows it is safe. So while the device is behind there may be more
 * than the limits say: up to FLS_JOURNAL_UNFINISHED_MAX segments that are not finished; then
 * writing waits for it. When the disk is full meanwhile, writing waits until old segments are
 * deleted, and fails only when that was not enough.
 */
#define FLS_JOURNAL_UNFINISHED_MAX 8

struct fls_journal_rotation {
    uint64_t bytes;
    uint64_t messages;
    uint32_t interval_ms;
    uint64_t segments_kept;
    uint64_t bytes_kept;
    uint64_t preallocate_bytes;
};

/*
 * Called on the journal's own thread when a segment is finished (another was begun; it is synced
 * and closed, its index too), before old ones are deleted: for moving it elsewhere, for example.
 * `path` is valid during the call; messages and bytes are those in the file. It must not call the
 * journal.
 */
typedef void fls_journal_segment_function(void *context, const char *path, uint64_t messages,
                                          uint64_t bytes);

/*
 * Options; all zero is the default.
 *
 *   checksum           of every frame; zero is FLS_CHECKSUM_NONE, so say FLS_CHECKSUM_XXH3 for a
 *                      journal that should notice damage. An existing stream must be of it
 *   payload_bytes_max  0: 2 GiB
 *   repair             see above
 *   to_process, to_machine   when messages are carried to those levels
 *   rotation           any member but preallocate_bytes non-zero: the journal is a series. A series
 *                      that exists is continued also without
 *   batch_bytes        memory for what is not yet handed to the system; 0: the writer's default
 *   with_index         non-zero: keep the index of each segment while writing
 *   index              its options; what they point to is borrowed until the journal is closed
 *   taps, tap_count    run for each message, under the journal's lock. The array is copied
 *   segment_finished, segment_context
 */
struct fls_journal_options {
    enum fls_checksum_kind checksum;
    uint64_t payload_bytes_max;
    enum fls_journal_repair repair;
    struct fls_journal_policy to_process;
    struct fls_journal_policy to_machine;
    struct fls_journal_rotation rotation;
    size_t batch_bytes;
    int with_index;
    struct fls_index_options index;
    const struct fls_tap *taps;
    size_t tap_count;
    fls_journal_segment_function *segment_finished;
    void *segment_context;
};

/*
 * What opening found in the last segment (the number of which is `segment`; 0: a plain file).
 *
 *   frames, bytes  intact, which is where appending goes on
 *   bytes_cut      what was cut off, there and, after a loss of power, in segments before it
 *   used_index     non-zero: the index was trusted for what it covers, and only the rest was read
 *   set_aside      the name of the last file, beside the segments, that cut bytes went to; empty:
 *                  none
 *   why, kind      these were set aside; with FLS_ASIDE_FRAMES, the kind of the frames in them
 */
struct fls_journal_opening {
    uint64_t segment;
    uint64_t frames;
    uint64_t bytes;
    uint64_t bytes_cut;
    int used_index;
    char set_aside[256];
    enum fls_aside why;
    enum fls_checksum_kind kind;
};

/*
 *   messages, bytes     taken since opening, and their frames' bytes
 *   at_process, at_machine  messages of those that are at these levels
 *   syncs               fdatasync calls; commits: calls that asked for the machine's level,
 *                       whether by fls_journal_commit or because the policy said so
 *   rotations           segments begun since opening, the first not counted;
 *   longest_rotation_ns the longest time that one held up the producers
 *   segments_deleted    by the limits
 *   index_failed        non-zero: an index was given up; the stream is not concerned. Closing the
 *                       journal says why, and says so too of one that only closing gave up
 */
struct fls_journal_counts {
    uint64_t messages;
    uint64_t bytes;
    uint64_t at_process;
    uint64_t at_machine;
    uint64_t syncs;
    uint64_t commits;
    uint64_t rotations;
    uint64_t longest_rotation_ns;
    uint64_t segments_deleted;
    int index_failed;
};

struct fls_journal;

/*
 * Opens the journal `path` for appending, and creates it where there is none. Takes the lock
 * (`<path>.lock`, and the segment's file itself, which has other names too; by flock(2): it goes
 * with the process), looks at the last segment's end, repairs as allowed, and goes on there. The
 * end is found by reading the segment through, or from the last entry of its index on that can be
 * trusted (index.h: an index keeps the boot of the system that it was written in). When the last
 * writer did not close the journal, and the system may have lost its power since (the lock's file,
 * which a close without a failed sync removes, keeps the boot in which it was taken: section 11 of
 * docs/format.md), the segments before the last that may not have been on the device are looked at
 * and repaired too; an opening that fails, or is killed, leaves that to the next. What is to be cut
 * is cut last of all, when nothing else can be refused any more.
 *   FLS_OK                 *journal is set; *opening (may be NULL) says what was found
 *   FLS_BUSY               another has it open: error->reason says who
 *   FLS_UNEXPECTED_END     torn, and repair does not allow cutting it
 *   FLS_CHECKSUM_MISMATCH, FLS_INVALID_FRAME   corrupt: where, and what was expected
 *   FLS_INVALID_ARGUMENT   options; a stream that is there is of another checksum kind (it is then
 *                          never repaired); it is a plain file and rotation was asked for; or both
 *                          a plain file and segments are there; or what stands at `<path>.lock`,
 *                          or with_index at the index's name, is no such file of ours: a link, a
 *                          pipe, another user's, other content. It is left as it is
 *   FLS_IO, FLS_NO_MEMORY
 */
FLS_API FLS_MUST_USE enum fls_status
fls_journal_open_versioned(const char *path, const struct fls_journal_options *options,
                           size_t options_bytes, struct fls_journal **journal,
                           struct fls_journal_opening *opening, struct fls_error *error);

FLS_MUST_USE static inline enum fls_status
fls_journal_open(const char *path, const struct fls_journal_options *options,
                 struct fls_journal **journal, struct fls_journal_opening *opening,
                 struct fls_error *error)
{
    return fls_journal_open_versioned(path, options, sizeof *options, journal, opening, error);
}

/*
 * Appends one message; it is copied, or written before the call returns. Any thread; messages have
 * the order of their numbers. *number (may be NULL) is set to the message's, from 1, in this
 * opening: what fls_journal_commit takes. It is set to 0 when the message was not taken: nothing of
 * it is in the file, or will be. Whether it was taken and what came of the policy are two things:
 *   FLS_OK                taken, and where the policy has a part in this call (messages 1: always),
 *                         carried to its level
 *   FLS_INVALID_ARGUMENT  not taken: an empty message under a checksum that is zero for it (none,
 *                         crc16, crc32), for it could not be told from a tail of zero bytes; or
 *                         the length is not the sum of the segments
 *   FLS_INVALID_FRAME, FLS_VALIDATION_FAILED, ...  not taken: too long, or refused by a tap
 *   FLS_NO_MEMORY         not taken
 *   FLS_IO                *number 0: not taken. The file ends on a whole frame, and what was taken
 *                         before waits in memory; the journal goes on when the cause is gone (a
 *                         full disk). *number not 0: taken, but not at the machine's level that the
 *                         policy promised; it stays in its order, and fls_journal_commit may be
 *                         tried. When the journal is poisoned that fails for ever, and whether
 *                         the message survives is not known
 */
FLS_API FLS_MUST_USE enum fls_status
fls_journal_write(struct fls_journal *journal, const void *data, size_t bytes, uint64_t *number);
FLS_API FLS_MUST_USE enum fls_status fls_journal_write_payload(struct fls_journal *journal,
                                                               const struct fls_payload *payload,
                                                               uint64_t *number);

/*
 * Returns when all messages up to `number` (0: all written so far) are at `level`. Any thread;
 * threads that wait for the machine's level share one fdatasync.
 *   FLS_OK
 *   FLS_INVALID_ARGUMENT  no message has that number yet
 *   FLS_IO                they are not, or not known to be, there; see the top for when this is so
 *                         for good
 *   FLS_UNSUPPORTED       the file system has no fdatasync
 */
FLS_API FLS_MUST_USE enum fls_status fls_journal_commit(struct fls_journal *journal,
                                                        uint64_t number, enum fls_level level);

/*
 * Begins a new segment now, if the present one has a message. Any thread. FLS_OK; FLS_UNSUPPORTED
 * when the journal is one plain file; FLS_LIMIT when its number is 2^64 - 1, so that none can
 * follow; FLS_IO: the present one goes on, and nothing is lost (but what was lost with its file,
 * see the top).
 */
FLS_API FLS_MUST_USE enum fls_status fls_journal_rotate(struct fls_journal *journal);

/* The last error (status FLS_OK when there is none), copied to *error. Any thread. */
FLS_API void fls_journal_error(struct fls_journal *journal, struct fls_error *error);

FLS_API struct fls_journal_counts fls_journal_statistics(struct fls_journal *journal);

/*
 * Hands everything to the system (and syncs it, when there is any policy to_machine), finishes the
 * segment, gives the lock back and frees the journal, also on failure. No other thread may use it
 * any more. FLS_OK, or the failure, in `error` (may be NULL): messages that were taken but not
 * handed over are lost then. But when error->subject begins with "index", no message is lost: an
 * index was given up, by closing or before, and this is why the first was. NULL is allowed.
 */
FLS_API enum fls_status fls_journal_close(struct fls_journal *journal, struct fls_error *error);

FLS_END_DECLS

#endif
