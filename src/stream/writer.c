/*
 * writer.c: the writer: what is admitted, when a batch goes out, and what a failure means.
 *
 * Each message goes the same way, whatever the framer: room is made for it, it is admitted (limit,
 * taps), it is staged in the batch, and the framer's rule says whether the batch goes out at once.
 * For the simple and the vectored framer the batch is that one message.
 */
#include <stdlib.h>

#include <flatstream/writer.h>

#include "base/arguments.h"
#include "base/buffer.h"
#include "base/error.h"
#include "frame/xxh3_short.h"
#include "stream/batch.h"
#include "stream/tap.h"

/* Staging never takes more than this, whatever batch_bytes says; such a batch is cut. */
#define STAGING_BYTES_MAX ((size_t)1024 * 1024)

#define COPY_UNHELD_BYTES_MAX ((size_t)64 * 1024)

#define NS_PER_MS UINT64_C(1000000)

/* A cache line. The kernel copies faster to where one begins, from where one begins. */
#define LINE_BYTES 64

/* The call that returned FLS_AGAIN, to know it again. */
struct in_flight {
    int active;
    const void *key;
    size_t size;
    size_t next;              /* write_batch: the first payload not staged yet */
    uint64_t first_frame;     /* write_batch: index of payloads[0] */
    enum fls_status refusal;  /* write_batch: what the message behind those staged came to, */
    struct fls_error refused; /* not to be asked of the taps again */

    struct fls_release owner;   /* write_owned: of the message */
    int owed;                   /* here, not in the batch: it was copied, or waits */
    int waits;                  /* it is admitted, and staged when the batch before it has gone */
    struct fls_payload waiting; /* its segments are the writer's copy */
};

struct fls_writer {
    struct fls_batch batch;
    size_t quick_below;    /* payloads under this size may take the short way; 0: none may */
    size_t inline_span;    /* of them, those from FLS_COPY_SHORT_MIN on that need no call */
    size_t quick_messages; /* with fewer messages and fewer bytes than these in the batch, */
    size_t quick_bytes;    /* it surely stays; with more, the framer's rule says */
    size_t batch_messages;
    size_t batch_bytes;
    size_t staged_max;
    size_t lined_bytes;           /* from so many on a batch goes out where it ends on a line */
    size_t copy_bytes_max;        /* of payloads that may be referenced */
    size_t copy_unheld_bytes_max; /* of payloads that would have to go out at once */
    uint64_t largest_message;

    enum fls_framer framer;
    int keep_references;
    int owns_sink;
    struct fls_sink *sink;
    uint64_t payload_bytes_max;
    struct fls_tap_chain taps;
    struct fls_buffer flat;
    struct fls_buffer waiting_segments;
    struct fls_memory_policy *memory_policy;
    struct fls_clock clock;
    uint64_t batch_age_ns;
    uint64_t batch_since_ns;

    struct fls_sink_frames sent; /* index and offset of the batch's first frame, for the sink too */
    struct in_flight in_flight;
    int poisoned;
    struct fls_error error;

    uint64_t start_frame;
    uint64_t start_offset;
    uint64_t system_calls_before;
    uint64_t writes;
    uint64_t copies;
    uint64_t bytes_copied;

    uint8_t
        staging[]; /* the batch's: beside the fields, so that a small message touches few pages */
};

/* --- opening ----------------------------------------------------- */

static enum fls_status check_options(const struct fls_writer_options *options, int use_version,
                                     struct fls_error *error)
{
    struct fls_checksum checksum = {options->checksum, options->custom_checksum};

    if (use_version != 30 && use_version != 31 && use_version != 40)
        return fls_error_set(error, FLS_INVALID_ARGUMENT,
                             "unknown FLATSTREAM_USE_VERSION %d: 30, 31 or 40", use_version);
    if ((unsigned)options->framer > FLS_FRAMER_BATCHED)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "unknown framer %d",
                             (int)options->framer);
    if (fls_checksum_check(checksum) != FLS_OK)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "unusable checksum of kind %d",
                             (int)options->checksum);
    return FLS_OK;
}

static enum fls_framer framer_of(enum fls_framer asked, int use_version)
{
    if (asked != FLS_FRAMER_DEFAULT)
        return asked;
    return use_version < 40 ? FLS_FRAMER_SIMPLE : FLS_FRAMER_VECTORED;
}

/*
 * Up to which size payloads are copied, and no more than the staging memory takes. Where a payload
 * can go by reference, copying is dearer from FLS_COPY_BYTES_MAX_DEFAULT on. Where it cannot be
 * held for the batch, the choice is a copy against a write of its own, and copying stays cheaper
 * up to COPY_UNHELD_BYTES_MAX (docs/performance.md).
 */
static void set_copy_limits(struct fls_writer *writer, const struct fls_writer_options *options)
{
    size_t asked = options->copy_bytes_max;

    writer->copy_bytes_max = fls_min_size(asked, STAGING_BYTES_MAX);
    if (writer->framer == FLS_FRAMER_SIMPLE || asked == FLS_COPY_NEVER)
        writer->copy_bytes_max = 0;
    else if (asked == 0)
        writer->copy_bytes_max = FLS_COPY_BYTES_MAX_DEFAULT;
    writer->copy_unheld_bytes_max = writer->copy_bytes_max;
    if (writer->framer == FLS_FRAMER_BATCHED && asked == 0 && !options->keep_references)
        writer->copy_unheld_bytes_max = COPY_UNHELD_BYTES_MAX;
}

/* How many sizes, from FLS_COPY_SHORT_MIN on, are summed and copied without a call. */
static size_t inline_span_of(const struct fls_writer *writer)
{
    enum fls_checksum_kind kind = writer->batch.checksum.kind;
    size_t most = kind == FLS_CHECKSUM_XXH3 ? FLS_XXH3_INLINE_MAX : FLS_COPY_SHORT_MAX;
    size_t below = fls_min_size(writer->quick_below, most + 1);

    if (kind == FLS_CHECKSUM_CRC16 || kind == FLS_CHECKSUM_CUSTOM)
        return 0;
    return below > FLS_COPY_SHORT_MIN ? below - FLS_COPY_SHORT_MIN : 0;
}

/* The short way is open to messages that need no tap, no clock and no reference. */
static void update_quick(struct fls_writer *writer)
{
    int open = writer->framer != FLS_FRAMER_SIMPLE && writer->taps.count == 0 &&
               writer->batch_age_ns == 0 && !writer->in_flight.active && !writer->poisoned &&
               !writer->batch.sending;
    uint64_t most = fls_min_u64(writer->copy_unheld_bytes_max, writer->payload_bytes_max);

    writer->quick_below = open && writer->copy_bytes_max > 0 ? (size_t)most + 1 : 0;
    writer->inline_span = inline_span_of(writer);
}

static void configure(struct fls_writer *writer, const struct fls_writer_options *options,
                      int use_version)
{
    writer->framer = framer_of(options->framer, use_version);
    writer->batch.checksum = (struct fls_checksum){options->checksum, options->custom_checksum};
    writer->batch.checksum_bytes = fls_checksum_bytes(writer->batch.checksum);
    writer->sent.header_bytes = fls_batch_header_bytes(&writer->batch);
    set_copy_limits(writer, options);
    writer->batch_messages = options->batch_messages > 0 ? options->batch_messages : SIZE_MAX;
    writer->batch_bytes = options->batch_bytes > 0 ? options->batch_bytes : FLS_BATCH_BYTES_DEFAULT;
    writer->staged_max = fls_min_size(writer->batch_bytes, STAGING_BYTES_MAX);
    writer->batch_age_ns = fls_min_u64(options->batch_age_ms, UINT64_MAX / NS_PER_MS) * NS_PER_MS;
    writer->keep_references = options->keep_references;
    writer->payload_bytes_max = fls_payload_limit(options->payload_bytes_max);
    writer->quick_messages = writer->framer == FLS_FRAMER_BATCHED ? writer->batch_messages : 0;
    writer->lined_bytes = options->batch_bytes > 0 ? SIZE_MAX : FLS_BATCH_BYTES_DEFAULT / 16 * 15;
    writer->quick_bytes = fls_min_size(writer->staged_max, writer->lined_bytes);
    writer->memory_policy = options->memory_policy;
    writer->clock = options->clock;
    writer->start_frame = writer->sent.frame = options->start_frame;
    writer->start_offset = writer->sent.offset = options->start_offset;
    writer->owns_sink = options->owns_sink;
}

/* A batch that is not full has room for one more header and one more copied payload; and where it
 * begins on a line is chosen. */
static size_t staging_bytes(const struct fls_writer *writer)
{
    return writer->staged_max + writer->copy_unheld_bytes_max + 2 * FLS_BATCH_SLACK + LINE_BYTES;
}

/* Lets the next batch lie within a line as it will lie in the file. */
static inline void align_staging(struct fls_writer *writer)
{
    uintptr_t off = (uintptr_t)writer->sent.offset - (uintptr_t)writer->staging;

    writer->batch.staging = writer->staging + off % LINE_BYTES;
}

/* Frees everything but the sink. */
static void free_writer(struct fls_writer *writer)
{
    fls_batch_free(&writer->batch);
    fls_tap_chain_free(&writer->taps);
    fls_buffer_free(&writer->flat);
    fls_buffer_free(&writer->waiting_segments);
    free(writer);
}

enum fls_status fls_writer_open_versioned(struct fls_sink *sink,
                                          const struct fls_writer_options *options,
                                          size_t options_bytes, int use_version,
                                          struct fls_writer **writer, struct fls_error *error)
{
    struct fls_writer_options all = FLS_ZERO;

    enum fls_status status = fls_check_given(sink, 1, "sink", error);

    if (status == FLS_OK)
        status = fls_take_options(&all, sizeof all, options, options_bytes, error);
    if (status == FLS_OK)
        status = check_options(&all, use_version, error);
    if (status != FLS_OK)
        return status;
    struct fls_writer settings = {.sink = sink, .system_calls_before = sink->system_calls};
    configure(&settings, &all, use_version);
    struct fls_writer *opened = malloc(sizeof *opened + staging_bytes(&settings));
    if (!opened)
        return fls_error_no_memory(error, sizeof *opened + staging_bytes(&settings));
    *opened = settings;
    fls_batch_open(&opened->batch, opened->staging, staging_bytes(opened) - LINE_BYTES);
    align_staging(opened);
    status = fls_tap_chain_add(&opened->taps, all.taps, all.tap_count, error);
    if (status != FLS_OK) {
        free_writer(opened);
        return status;
    }
    update_quick(opened);
    sink->frames = &opened->sent;
    *writer = opened;
    return FLS_OK;
}

enum fls_status fls_writer_add_tap(struct fls_writer *writer, const struct fls_tap *tap)
{
    struct fls_error *error = writer->poisoned ? NULL : &writer->error;
    enum fls_status status = fls_tap_chain_add(&writer->taps, tap, 1, error);

    update_quick(writer);
    return status;
}

/* --- sending ----------------------------------------------------- */

/* Counts the frames that have left the batch, in all their numbers. */
static void account_sent(struct fls_writer *writer, size_t frames, uint64_t bytes)
{
    writer->sent.frame += frames;
    writer->sent.offset += bytes;
}

static void account_copies(struct fls_writer *writer)
{
    const struct fls_batch *batch = &writer->batch;

    writer->copies += batch->messages - batch->reference_count;
    writer->bytes_copied += fls_batch_copied_bytes(batch);
}

/* Where the stream ends: at the frame that the sink has not whole; or, where it took bytes before
 * they were at its endpoint, at the one that it tells of, which has left the batch. */
static void locate_failure(struct fls_writer *writer)
{
    struct fls_sink_frames *sent = &writer->sent;
    int is_told =
        sent->has_torn && sent->torn_frame <= sent->frame && sent->torn_offset <= sent->offset;

    if (is_told)
        fls_error_locate(&writer->error, sent->torn_frame, sent->torn_offset);
    else
        fls_error_locate(&writer->error, sent->frame, sent->offset);
    sent->has_torn = 0;
}

/*
 * The sink failed. With the simple and the vectored framer, a failure between two frames leaves a
 * stream that is whole, and the messages behind it are simply not written; anything else poisons,
 * and so does a sink of which nobody knows what it took.
 */
static enum fls_status fail(struct fls_writer *writer, enum fls_status status)
{
    size_t frames;
    uint64_t bytes;

    fls_batch_whole(&writer->batch, &frames, &bytes);
    int torn = writer->batch.accepted > bytes;
    account_sent(writer, frames, bytes);
    locate_failure(writer);
    writer->poisoned =
        torn || writer->framer == FLS_FRAMER_BATCHED || fls_error_is_breach(&writer->error);
    writer->in_flight.active = 0;
    fls_batch_drop(&writer->batch);
    update_quick(writer);
    return status;
}

/* The batch was not sent, or not without waiting. */
static enum fls_status send_failed(struct fls_writer *writer, enum fls_status status)
{
    if (status != FLS_AGAIN)
        return fail(writer, status);
    update_quick(writer);
    return status;
}

FLS_HOT FLS_OUTLINE static enum fls_status send(struct fls_writer *writer)
{
    struct fls_batch *batch = &writer->batch;
    size_t frames = batch->messages;
    uint64_t bytes = fls_batch_bytes(batch);
    enum fls_status status;

    if (frames == 0)
        return FLS_OK;
    if (!batch->sending) {
        writer->writes++;
        account_copies(writer);
    }
    if (FLS_LIKELY(batch->reference_count == 0 && !batch->sending &&
                   writer->framer != FLS_FRAMER_SIMPLE))
        status = fls_batch_send_run(batch, writer->sink, &writer->error);
    else
        status = fls_batch_send(batch, writer->sink, writer->framer == FLS_FRAMER_SIMPLE,
                                &writer->error);
    if (FLS_UNLIKELY(status != FLS_OK))
        return send_failed(writer, status);
    account_sent(writer, frames, bytes);
    align_staging(writer);
    if (FLS_UNLIKELY(writer->quick_below == 0))
        update_quick(writer);
    return FLS_OK;
}

/* Is the batch large, and would what follows it begin on a line? */
static int batch_ends_on_line(const struct fls_writer *writer)
{
    uint64_t bytes = fls_batch_bytes(&writer->batch);

    return bytes >= writer->lined_bytes && (writer->sent.offset + bytes) % LINE_BYTES == 0;
}

static int batch_is_full(const struct fls_writer *writer)
{
    return writer->batch.messages >= writer->batch_messages ||
           writer->batch.staged >= writer->staged_max ||
           fls_batch_bytes(&writer->batch) >= writer->batch_bytes || batch_ends_on_line(writer);
}

/* How long the batch's oldest message has waited; 0 by a clock that ran backwards. */
static uint64_t waited_ns(const struct fls_writer *writer)
{
    return fls_minus_u64(fls_clock_now_ns(&writer->clock), writer->batch_since_ns);
}

static int batch_is_due(const struct fls_writer *writer)
{
    return writer->batch_age_ns > 0 && writer->batch.messages > 0 &&
           waited_ns(writer) >= writer->batch_age_ns;
}

/* --- one message ------------------------------------------------- */

void fls_writer_position(const struct fls_writer *writer, uint64_t *offset, uint64_t *frame)
{
    const struct in_flight *taken = &writer->in_flight;

    if (offset) {
        *offset = writer->sent.offset + fls_batch_bytes(&writer->batch);
        if (taken->waits)
            *offset += fls_batch_header_bytes(&writer->batch) + taken->waiting.length;
    }
    if (frame)
        *frame = writer->sent.frame + writer->batch.messages + (taken->waits ? 1 : 0);
}

/* Completes writer->error with where the refused message would have stood. */
static enum fls_status refuse(struct fls_writer *writer, enum fls_status status)
{
    uint64_t offset, frame;

    fls_writer_position(writer, &offset, &frame);
    fls_error_locate(&writer->error, frame, offset);
    return status;
}

static int copies(const struct fls_payload *payload, size_t bytes_max)
{
    return payload->length <= bytes_max && bytes_max > 0;
}

static enum fls_status make_room(struct fls_writer *writer, const struct fls_payload *payload,
                                 int copy)
{
    if (writer->batch.sending || batch_is_due(writer) ||
        !fls_batch_fits(&writer->batch, payload, copy))
        return send(writer);
    return FLS_OK;
}

/* A view of the payload in one piece aligned to 8, flattened into the writer's buffer if need be.
 */
static enum fls_status flat_view(struct fls_writer *writer, struct fls_payload *payload,
                                 struct iovec *segment)
{
    if (payload->count == 1 && ((uintptr_t)payload->segments[0].iov_base & 7) == 0)
        return FLS_OK;
    if (fls_buffer_reserve(&writer->flat, fls_max_size(payload->length, 1), 0) != FLS_OK)
        return fls_error_no_memory(&writer->error, payload->length);
    if (fls_payload_flatten(payload, writer->flat.bytes, writer->flat.capacity) != FLS_OK)
        return FLS_TOO_SMALL;
    writer->copies++;
    writer->bytes_copied += payload->length;
    *segment = (struct iovec){writer->flat.bytes, payload->length};
    *payload = (struct fls_payload){segment, 1, payload->length};
    return FLS_OK;
}

static void shrink_flat(struct fls_writer *writer, size_t last_bytes)
{
    struct fls_reclaim_info info;

    if (fls_memory_policy_consult(writer->memory_policy, last_bytes, writer->flat.capacity,
                                  &info) != FLS_RECLAIM_NONE)
        fls_buffer_shrink(&writer->flat, info.capacity_after);
}

static enum fls_status run_taps(struct fls_writer *writer, struct fls_payload payload)
{
    struct iovec segment;
    enum fls_status status = FLS_OK;

    if (writer->taps.contiguous)
        status = flat_view(writer, &payload, &segment);
    if (status == FLS_OK)
        status = fls_tap_chain_run(&writer->taps, &payload, &writer->error);
    if (status == FLS_OK && writer->taps.contiguous)
        shrink_flat(writer, payload.length);
    return status;
}

/* Limit and taps: may the message go out? */
static enum fls_status admit(struct fls_writer *writer, const struct fls_payload *payload)
{
    if (payload->length > writer->payload_bytes_max) {
        fls_error_numbers(&writer->error, FLS_INVALID_FRAME, FLS_PART_PAYLOAD,
                          writer->payload_bytes_max, payload->length);
        return refuse(writer, FLS_INVALID_FRAME);
    }
    if (writer->taps.count == 0)
        return FLS_OK;
    enum fls_status status = run_taps(writer, *payload);
    return status == FLS_OK ? FLS_OK : refuse(writer, status);
}

static enum fls_status stage(struct fls_writer *writer, const struct fls_payload *payload,
                             struct fls_release release, int copy)
{
    if (copy) {
        fls_batch_add_copy_of(&writer->batch, payload);
    } else if (fls_batch_add_reference(&writer->batch, payload, release) != FLS_OK) {
        fls_error_no_memory(&writer->error, payload->count * sizeof *payload->segments);
        return refuse(writer, FLS_NO_MEMORY);
    }
    if (writer->batch_age_ns > 0 && writer->batch.messages == 1)
        writer->batch_since_ns = fls_clock_now_ns(&writer->clock);
    if (payload->length > writer->largest_message)
        writer->largest_message = payload->length;
    return FLS_OK;
}

/* The framer's rule for a message just staged. `held` says that its bytes are the caller's and may
 * not be kept by reference. FLS_AGAIN only when the message itself must be waited for. */
FLS_HOT static enum fls_status send_by_rule(struct fls_writer *writer, int held)
{
    if (writer->framer != FLS_FRAMER_BATCHED || held)
        return send(writer);
    if (!batch_is_full(writer))
        return FLS_OK;
    enum fls_status status = send(writer);
    return status == FLS_AGAIN ? FLS_OK : status;
}

static void release_now(struct fls_release release)
{
    if (release.function)
        release.function(release.context);
}

static void end_in_flight(struct fls_writer *writer)
{
    struct in_flight ended = writer->in_flight;

    writer->in_flight = (struct in_flight){0};
    if (ended.owed)
        release_now(ended.owner);
    update_quick(writer);
}

/* Is the unfinished message done with, when another one is written? One that is the caller's is
 * given up if nothing of it has left; an owned one, if all has. */
static int gives_up(struct fls_writer *writer)
{
    if (writer->in_flight.owner.function && !writer->in_flight.waits && !writer->batch.sending) {
        end_in_flight(writer);
        return 1;
    }
    if (writer->in_flight.owner.function || writer->framer == FLS_FRAMER_BATCHED ||
        writer->batch.accepted > 0 || writer->batch.messages != 1 || writer->in_flight.next > 0)
        return 0;
    fls_batch_drop(&writer->batch);
    writer->in_flight = (struct in_flight){0};
    return 1;
}

static int is_in_flight(const struct fls_writer *writer, const void *key, size_t size,
                        struct fls_release owner)
{
    const struct in_flight *known = &writer->in_flight;

    return known->active && known->key == key && known->size == size &&
           known->owner.function == owner.function && known->owner.context == owner.context;
}

/* May a new call begin? FLS_OK, the poison, or FLS_INVALID_ARGUMENT. */
static enum fls_status begin(struct fls_writer *writer)
{
    if (writer->poisoned)
        return writer->error.status;
    if (writer->in_flight.active && !gives_up(writer))
        return fls_error_set(&writer->error, FLS_INVALID_ARGUMENT,
                             "another message is unfinished: write it again, or flush");
    return FLS_OK;
}

/* Sends by the framer's rule; when the message must be waited for, remembers whose it is. */
FLS_HOT static enum fls_status send_or_wait(struct fls_writer *writer, int held, const void *key,
                                            size_t bytes)
{
    enum fls_status status = send_by_rule(writer, held);

    if (FLS_UNLIKELY(status == FLS_AGAIN)) {
        writer->in_flight = (struct in_flight){.active = 1, .key = key, .size = bytes};
        update_quick(writer);
    }
    return status;
}

/* The batch before an owned message would block: it is the writer's already, so it waits here. The
 * memory to stage it is taken now; later there is no one to refuse it to. */
static enum fls_status wait_for_room(struct fls_writer *writer, const struct fls_payload *payload,
                                     struct fls_release owner, const void *key)
{
    size_t bytes = payload->count * sizeof *payload->segments;

    if (fls_buffer_reserve(&writer->waiting_segments, fls_max_size(bytes, 1), 0) != FLS_OK ||
        fls_batch_reserve(&writer->batch, payload->count) != FLS_OK) {
        fls_error_no_memory(&writer->error, bytes);
        return refuse(writer, FLS_NO_MEMORY);
    }
    struct iovec *segments = (void *)writer->waiting_segments.bytes;
    if (bytes > 0)
        memcpy(segments, payload->segments, bytes);
    writer->in_flight = (struct in_flight){
        .active = 1, .key = key, .size = payload->length, .owner = owner, .owed = 1, .waits = 1};
    writer->in_flight.waiting = (struct fls_payload){segments, payload->count, payload->length};
    update_quick(writer);
    return FLS_AGAIN;
}

static enum fls_status stage_waiting(struct fls_writer *writer)
{
    struct in_flight *taken = &writer->in_flight;
    int copy = copies(&taken->waiting, writer->copy_bytes_max);
    enum fls_status status;

    taken->waits = 0;
    status = stage(writer, &taken->waiting, taken->owner, copy);
    taken->owed = copy || status != FLS_OK;
    return status;
}

/* Stages an admitted message, and sends by the framer's rule; calls or keeps the release. */
static enum fls_status stage_new(struct fls_writer *writer, const struct fls_payload *payload,
                                 struct fls_release owner, const void *key, int copy)
{
    int may_hold = owner.function || writer->keep_references;
    enum fls_status status = stage(writer, payload, owner, copy);

    if (status != FLS_OK) {
        release_now(owner);
        return status;
    }
    status = send_or_wait(writer, !copy && !may_hold, key, payload->length);
    if (status == FLS_AGAIN) {
        writer->in_flight.owner = owner;
        writer->in_flight.owed = copy;
    } else if (copy) {
        release_now(owner);
    }
    return status;
}

/* From making room on. An owned message is the writer's from here, whatever comes of it. */
static enum fls_status write_new(struct fls_writer *writer, const struct fls_payload *payload,
                                 struct fls_release owner, const void *key)
{
    int may_hold = owner.function || writer->keep_references;
    int copy = copies(payload, may_hold ? writer->copy_bytes_max : writer->copy_unheld_bytes_max);
    enum fls_status status = make_room(writer, payload, copy);
    int waits = status == FLS_AGAIN && owner.function;

    if (status == FLS_OK || waits)
        status = admit(writer, payload);
    if (status == FLS_OK && !waits)
        return stage_new(writer, payload, owner, key, copy);
    if (status == FLS_OK)
        status = wait_for_room(writer, payload, owner, key);
    if (!writer->in_flight.waits)
        release_now(owner);
    return status;
}

/* Sends the batch, and an owned message that waits behind it. */
static enum fls_status send_all(struct fls_writer *writer)
{
    enum fls_status status = send(writer);

    if (status == FLS_OK && writer->in_flight.waits) {
        status = stage_waiting(writer);
        if (status == FLS_OK)
            status = send(writer);
    }
    return status;
}

static enum fls_status resume(struct fls_writer *writer)
{
    enum fls_status status = send_all(writer);

    if (status != FLS_AGAIN)
        end_in_flight(writer);
    return status;
}

static enum fls_status write_one(struct fls_writer *writer, const struct fls_payload *payload,
                                 struct fls_release release)
{
    const void *key = payload->count > 0 ? payload->segments[0].iov_base : NULL;

    if (is_in_flight(writer, key, payload->length, release))
        return resume(writer);
    enum fls_status status = begin(writer);
    if (status != FLS_OK) {
        release_now(release);
        return status;
    }
    return write_new(writer, payload, release, key);
}

/* The short way of one message by reference: nothing else is in the batch. */
FLS_HOT static enum fls_status write_through(struct fls_writer *writer, const void *data,
                                             size_t bytes)
{
    struct iovec segment = {(void *)(uintptr_t)data, bytes};
    struct fls_payload payload = {&segment, 1, bytes};
    enum fls_status status = stage(writer, &payload, (struct fls_release){NULL, NULL}, 0);

    return FLS_LIKELY(status == FLS_OK) ? send_or_wait(writer, 1, data, bytes) : status;
}

/* What is left to do, out of the way of those messages that only have to be staged. */
FLS_HOT FLS_OUTLINE static enum fls_status send_if_due(struct fls_writer *writer, const void *data,
                                                       size_t bytes)
{
    return send_or_wait(writer, 0, data, bytes);
}

FLS_HOT FLS_OUTLINE static enum fls_status write_the_long_way(struct fls_writer *writer,
                                                              const void *data, size_t bytes)
{
    struct iovec segment = {(void *)(uintptr_t)data, bytes};
    struct fls_payload payload = {&segment, 1, bytes};

    if (writer->framer == FLS_FRAMER_VECTORED && writer->quick_below > 0 &&
        bytes <= writer->payload_bytes_max)
        return write_through(writer, data, bytes);
    return write_one(writer, &payload, (struct fls_release){NULL, NULL});
}

/* A message is staged; does it stay? */
static inline enum fls_status after_quick(struct fls_writer *writer, const void *data, size_t bytes)
{
    const struct fls_batch *batch = &writer->batch;

    if (FLS_UNLIKELY(bytes > writer->largest_message))
        writer->largest_message = bytes;
    if (FLS_LIKELY(batch->messages < writer->quick_messages &&
                   fls_batch_bytes(batch) < writer->quick_bytes))
        return FLS_OK;
    return send_if_due(writer, data, bytes);
}

/* The short way of any size and checksum. */
FLS_HOT FLS_OUTLINE static enum fls_status write_quickly(struct fls_writer *writer,
                                                         const void *data, size_t bytes)
{
    if (FLS_UNLIKELY(bytes >= writer->quick_below))
        return write_the_long_way(writer, data, bytes);
    fls_batch_add_copy(&writer->batch, data, (uint32_t)bytes);
    return after_quick(writer, data, bytes);
}

/* The short ways of a message that is copied, and summed if at all, without a call. Each is a
 * function of its own, which saves as few registers as it can.
 */
FLS_HOT FLS_OUTLINE static enum fls_status write_short_xxh3(struct fls_writer *writer,
                                                            const void *data, size_t bytes)
{
    fls_batch_add_short(&writer->batch, data, (uint32_t)bytes, fls_xxh3_inline(data, bytes));
    return after_quick(writer, data, bytes);
}

FLS_HOT FLS_OUTLINE static enum fls_status write_short_crc32(struct fls_writer *writer,
                                                             const void *data, size_t bytes)
{
    fls_batch_add_short(&writer->batch, data, (uint32_t)bytes, fls_crc32_carry(0, data, bytes));
    return after_quick(writer, data, bytes);
}

/* NULL is allowed without a byte alone. */
FLS_OUTLINE static enum fls_status write_nothing(struct fls_writer *writer, size_t bytes)
{
    struct iovec segment = {NULL, bytes};
    struct fls_payload payload = {&segment, 1, bytes};

    return fls_writer_write_payload(writer, &payload);
}

FLS_HOT enum fls_status fls_writer_write(struct fls_writer *writer, const void *data, size_t bytes)
{
    if (FLS_UNLIKELY(!data))
        return write_nothing(writer, bytes);
    if (FLS_UNLIKELY(bytes - FLS_COPY_SHORT_MIN >= writer->inline_span))
        return write_quickly(writer, data, bytes);
    if (writer->batch.checksum.kind == FLS_CHECKSUM_XXH3)
        return write_short_xxh3(writer, data, bytes);
    if (writer->batch.checksum.kind == FLS_CHECKSUM_CRC32)
        return write_short_crc32(writer, data, bytes);
    fls_batch_add_short(&writer->batch, data, (uint32_t)bytes, 0);
    return after_quick(writer, data, bytes);
}

static inline enum fls_status check_payload(struct fls_writer *writer,
                                            const struct fls_payload *payload)
{
    if (FLS_LIKELY(fls_payload_is_sound(payload)))
        return FLS_OK;
    return refuse(writer, fls_refuse_payload(payload, &writer->error));
}

enum fls_status fls_writer_write_owned(struct fls_writer *writer, const struct fls_payload *payload,
                                       fls_release_function *release, void *context)
{
    struct fls_release owed = {release, context};
    enum fls_status status =
        writer->poisoned ? writer->error.status : check_payload(writer, payload);

    if (status != FLS_OK) {
        release_now(owed);
        return status;
    }
    return write_one(writer, payload, owed);
}

enum fls_status fls_writer_write_payload(struct fls_writer *writer,
                                         const struct fls_payload *payload)
{
    return fls_writer_write_owned(writer, payload, NULL, NULL);
}

/* --- many messages ----------------------------------------------- */

/* Stages payloads[*next, count) and sends as bounds demand. *next is moved over what is staged. */
static enum fls_status stage_many(struct fls_writer *writer, const struct fls_payload *payloads,
                                  size_t count, size_t *next)
{
    while (*next < count) {
        const struct fls_payload *payload = &payloads[*next];
        int copy = copies(payload, writer->copy_bytes_max);
        enum fls_status status = check_payload(writer, payload);
        if (status == FLS_OK)
            status = make_room(writer, payload, copy);
        if (status == FLS_OK)
            status = admit(writer, payload);
        if (status == FLS_OK)
            status = stage(writer, payload, (struct fls_release){NULL, NULL}, copy);
        if (status != FLS_OK)
            return status;
        ++*next;
        if (writer->framer == FLS_FRAMER_SIMPLE || batch_is_full(writer))
            status = send(writer);
        if (status != FLS_OK)
            return status;
    }
    return FLS_OK;
}

/* Sends what was staged before a refusal; the refusal stays the error. */
static enum fls_status send_before_refusal(struct fls_writer *writer, enum fls_status refusal)
{
    writer->in_flight.refusal = refusal;
    writer->in_flight.refused = writer->error;
    enum fls_status status = send(writer);

    if (status != FLS_OK)
        return status;
    writer->error = writer->in_flight.refused;
    return refusal;
}

static size_t count_written(const struct fls_writer *writer, size_t next, enum fls_status status)
{
    uint64_t end = writer->sent.frame;

    if (status == FLS_AGAIN)
        return next;
    if (writer->poisoned)
        end = fls_min_u64(end, writer->error.frame);
    return (size_t)fls_minus_u64(end, writer->in_flight.first_frame);
}

static enum fls_status refuse_list(struct fls_writer *writer, size_t count)
{
    if (writer->poisoned)
        return writer->error.status;
    return refuse(writer, fls_check_given(NULL, count, "payloads", &writer->error));
}

enum fls_status fls_writer_write_batch(struct fls_writer *writer,
                                       const struct fls_payload *payloads, size_t count,
                                       size_t *written)
{
    enum fls_status status = FLS_OK;
    size_t next = 0;

    if (FLS_UNLIKELY(!payloads && count > 0)) {
        if (written)
            *written = 0;
        return refuse_list(writer, count);
    }
    if (is_in_flight(writer, payloads, count, (struct fls_release){NULL, NULL})) {
        next = writer->in_flight.next;
        writer->in_flight.active = 0;
        status = writer->in_flight.refusal;
        if (status == FLS_OK)
            status = send(writer);
        else
            writer->error = writer->in_flight.refused;
    } else {
        status = begin(writer);
        if (written)
            *written = 0;
        if (status != FLS_OK)
            return status;
        writer->in_flight = (struct in_flight){.key = payloads, .size = count};
        fls_writer_position(writer, NULL, &writer->in_flight.first_frame);
    }
    if (status == FLS_OK)
        status = stage_many(writer, payloads, count, &next);
    if (status == FLS_OK)
        status = send(writer);
    else if (status != FLS_AGAIN)
        status = send_before_refusal(writer, status);
    writer->in_flight.active = status == FLS_AGAIN && next > 0;
    writer->in_flight.next = next;
    update_quick(writer);
    if (written)
        *written = count_written(writer, next, status);
    return status;
}

/* --- flushing and closing ---------------------------------------- */

static enum fls_status flush_sink(struct fls_writer *writer, enum fls_level level)
{
    enum fls_status status = fls_sink_flush(writer->sink, level, &writer->error);

    if (status != FLS_OK && status != FLS_AGAIN && status != FLS_UNSUPPORTED) {
        writer->poisoned = 1;
        locate_failure(writer);
        update_quick(writer);
    }
    return status;
}

/* Only FLS_OK tells the caller that an unfinished message is through. After anything less it may
 * be written again, and must be known then although its bytes have left. */
enum fls_status fls_writer_flush(struct fls_writer *writer, enum fls_level level)
{
    if (writer->poisoned)
        return writer->error.status;
    if (fls_check_level(level, &writer->error) != FLS_OK)
        return refuse(writer, FLS_INVALID_ARGUMENT);
    if (level == FLS_LEVEL_OBJECT)
        return FLS_OK;
    enum fls_status status = send_all(writer);
    if (status == FLS_OK)
        status = flush_sink(writer, level);
    if (status != FLS_AGAIN && status != FLS_UNSUPPORTED)
        end_in_flight(writer);
    return status;
}

enum fls_status fls_writer_flush_due(struct fls_writer *writer, int *wait_ms)
{
    enum fls_status status = FLS_OK;

    if (wait_ms)
        *wait_ms = -1;
    if (writer->poisoned)
        return writer->error.status;
    if (writer->batch.sending || batch_is_due(writer))
        status = resume(writer);
    if (wait_ms && writer->batch_age_ns > 0 && writer->batch.messages > 0) {
        uint64_t left = fls_minus_u64(writer->batch_age_ns, waited_ns(writer));
        *wait_ms = (int)fls_min_u64(left / NS_PER_MS + (left % NS_PER_MS > 0), INT32_MAX);
    }
    return status;
}

const struct fls_error *fls_writer_error(const struct fls_writer *writer)
{
    return &writer->error;
}

struct fls_writer_counts fls_writer_statistics(const struct fls_writer *writer)
{
    struct fls_writer_counts statistics = {
        .bytes = writer->sent.offset - writer->start_offset + writer->batch.accepted,
        .system_calls = writer->sink->system_calls - writer->system_calls_before,
        .writes = writer->writes,
        .copies = writer->copies,
        .bytes_copied = writer->bytes_copied,
        .largest_message = writer->largest_message,
    };

    fls_writer_position(writer, NULL, &statistics.messages);
    statistics.messages -= writer->start_frame;
    if (!writer->batch.sending) {
        statistics.copies += writer->batch.messages - writer->batch.reference_count;
        statistics.bytes_copied += fls_batch_copied_bytes(&writer->batch);
    }
    return statistics;
}

static enum fls_status finish(struct fls_writer *writer, enum fls_status status,
                              struct fls_error *error)
{
    struct fls_sink *sink = writer->owns_sink ? writer->sink : NULL;

    if (status != FLS_OK)
        fls_error_copy(error, &writer->error);
    end_in_flight(writer);
    fls_batch_drop(&writer->batch);
    if (writer->sink->frames == &writer->sent)
        writer->sink->frames = NULL;
    free_writer(writer);
    enum fls_status closed = fls_sink_close(sink, status == FLS_OK ? error : NULL);
    return status == FLS_OK ? closed : status;
}

enum fls_status fls_writer_close(struct fls_writer *writer, struct fls_error *error)
{
    if (!writer)
        return FLS_OK;
    enum fls_status status = fls_writer_flush(writer, FLS_LEVEL_PROCESS);
    return status == FLS_AGAIN ? status : finish(writer, status, error);
}

void fls_writer_abandon(struct fls_writer *writer)
{
    if (writer)
        (void)finish(writer, FLS_OK, NULL);
}
