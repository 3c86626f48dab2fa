/*
 * index_format.c: both sides of the sidecar's bytes, together. Little-endian throughout; what is
 * reserved is zero, and is hashed.
 */
#include "journal/index_format.h"

#include <string.h>

#include "base/beside.h"
#include "base/bytes.h"
#include "frame/xxh3.h"

#define MAGIC_BYTES (sizeof FLS_INDEX_MAGIC - 1)

#define VERSION 2

/* Places in the header. */
#define AT_VERSION 8
#define AT_ENTRIES 12
#define AT_CHECKSUM 16
#define AT_FLAGS 20
#define AT_STRETCH_BYTES 24
#define AT_STRETCH_FRAMES 32
#define AT_BIRTH 40
#define AT_KEY 64
#define AT_HEADER_HASH (FLS_INDEX_HEADER_BYTES - 8)

#define HEADER_HAS_TIME 1u
#define HEADER_TIME_IS_REAL 2u
#define HEADER_TIME_IS_UNSIGNED 4u

/* Places in a slot, and in a cover. */
#define AT_GENERATION 0
#define AT_FRAME_HEADER 8
#define AT_HANDED 16
#define AT_SYNCED 88
#define AT_BOOT 160
#define AT_IDENTITY 168
#define AT_SLOT_HASH (FLS_INDEX_SLOT_BYTES - 8)

#define COVER_OUT_OF_ORDER 1u
#define COVER_HAS_TIME 2u

/* An entry's check covers what stands before it. */
#define AT_CHECK 28

void fls_index_encode_header(struct fls_index_header *header, uint8_t *bytes)
{
    memset(bytes, 0, FLS_INDEX_HEADER_BYTES);
    memcpy(bytes, FLS_INDEX_MAGIC, MAGIC_BYTES);
    fls_store_u32(bytes + AT_VERSION, VERSION);
    fls_store_u32(bytes + AT_ENTRIES, (uint32_t)FLS_INDEX_ENTRIES_AT);
    fls_store_u32(bytes + AT_CHECKSUM, (uint32_t)header->checksum);
    fls_store_u32(bytes + AT_FLAGS, (header->has_time ? HEADER_HAS_TIME : 0) |
                                        (header->time_is_real ? HEADER_TIME_IS_REAL : 0) |
                                        (header->time_is_unsigned ? HEADER_TIME_IS_UNSIGNED : 0));
    fls_store_u64(bytes + AT_STRETCH_BYTES, header->stretch_bytes);
    fls_store_u64(bytes + AT_STRETCH_FRAMES, header->stretch_frames);
    fls_store_u64(bytes + AT_BIRTH, header->birth);
    memcpy(bytes + AT_KEY, header->key, FLS_INDEX_KEY_BYTES);
    header->hash = fls_xxh3_of(bytes, AT_HEADER_HASH);
    fls_store_u64(bytes + AT_HEADER_HASH, header->hash);
}

const char *fls_index_decode_header(const uint8_t *bytes, struct fls_index_header *header)
{
    uint32_t checksum = fls_load_u32(bytes + AT_CHECKSUM);

    if (memcmp(bytes, FLS_INDEX_MAGIC, MAGIC_BYTES) != 0)
        return "it is no index";
    if (fls_load_u32(bytes + AT_VERSION) != VERSION)
        return "it is of another version";
    header->hash = fls_load_u64(bytes + AT_HEADER_HASH);
    if (header->hash != fls_xxh3_of(bytes, AT_HEADER_HASH) || checksum > FLS_CHECKSUM_CUSTOM ||
        fls_load_u32(bytes + AT_ENTRIES) != FLS_INDEX_ENTRIES_AT ||
        bytes[AT_KEY + FLS_INDEX_KEY_BYTES - 1] != 0)
        return "its header is damaged";
    header->checksum = (enum fls_checksum_kind)checksum;
    header->has_time = (fls_load_u32(bytes + AT_FLAGS) & HEADER_HAS_TIME) != 0;
    header->time_is_real = (fls_load_u32(bytes + AT_FLAGS) & HEADER_TIME_IS_REAL) != 0;
    header->time_is_unsigned = (fls_load_u32(bytes + AT_FLAGS) & HEADER_TIME_IS_UNSIGNED) != 0;
    header->stretch_bytes = fls_load_u64(bytes + AT_STRETCH_BYTES);
    header->stretch_frames = fls_load_u64(bytes + AT_STRETCH_FRAMES);
    header->birth = fls_load_u64(bytes + AT_BIRTH);
    memcpy(header->key, bytes + AT_KEY, FLS_INDEX_KEY_BYTES);
    return NULL;
}

int fls_index_is_header_width(const struct fls_index_header *header, uint64_t bytes)
{
    if (header->checksum == FLS_CHECKSUM_CUSTOM)
        return bytes >= 4 && bytes <= FLS_FRAME_HEADER_BYTES_MAX;
    return bytes == 4 + fls_checksum_bytes((struct fls_checksum){header->checksum, NULL});
}

/* A hash of the first `count` bytes (at most a slot's) that holds in this index only. */
static uint64_t bound_hash(const struct fls_index_header *header, uint64_t number,
                           const uint8_t *bytes, size_t count)
{
    uint8_t bound[16 + FLS_INDEX_SLOT_BYTES];

    fls_store_u64(bound, header->hash);
    fls_store_u64(bound + 8, number);
    memcpy(bound + 16, bytes, count);
    return fls_xxh3_of(bound, 16 + count);
}

static void encode_cover(const struct fls_index_cover *cover, uint8_t *bytes)
{
    fls_store_u64(bytes, cover->entries);
    fls_store_u64(bytes + 8, cover->frames);
    fls_store_u64(bytes + 16, cover->bytes);
    fls_store_u64(bytes + 24, cover->last_offset);
    fls_store_u64(bytes + 32, (uint64_t)cover->time_first);
    fls_store_u64(bytes + 40, (uint64_t)cover->time_last);
    fls_store_u64(bytes + 48, (uint64_t)cover->time_previous);
    fls_store_u64(bytes + 56, (cover->out_of_order ? COVER_OUT_OF_ORDER : 0) |
                                  (cover->has_time ? COVER_HAS_TIME : 0));
    fls_store_u64(bytes + 64, cover->mark);
}

/* Do its numbers agree with each other? */
static int is_possible(const struct fls_index_cover *cover, uint64_t header_bytes)
{
    if (cover->frames == 0)
        return cover->entries == 0 && cover->bytes == 0 && cover->last_offset == 0;
    return cover->entries > 0 && cover->entries <= cover->frames && cover->bytes <= INT64_MAX &&
           cover->frames <= cover->bytes / header_bytes &&
           cover->last_offset <= cover->bytes - header_bytes &&
           cover->bytes - header_bytes - cover->last_offset <= FLS_PAYLOAD_BYTES_WIRE_MAX;
}

static int is_within(const struct fls_index_cover *less, const struct fls_index_cover *more)
{
    return less->entries <= more->entries && less->frames <= more->frames &&
           less->bytes <= more->bytes;
}

static int decode_cover(const uint8_t *bytes, uint64_t header_bytes, struct fls_index_cover *cover)
{
    cover->entries = fls_load_u64(bytes);
    cover->frames = fls_load_u64(bytes + 8);
    cover->bytes = fls_load_u64(bytes + 16);
    cover->last_offset = fls_load_u64(bytes + 24);
    cover->time_first = (int64_t)fls_load_u64(bytes + 32);
    cover->time_last = (int64_t)fls_load_u64(bytes + 40);
    cover->time_previous = (int64_t)fls_load_u64(bytes + 48);
    cover->out_of_order = (fls_load_u64(bytes + 56) & COVER_OUT_OF_ORDER) != 0;
    cover->has_time = (fls_load_u64(bytes + 56) & COVER_HAS_TIME) != 0 ||
                      (cover->frames > 0 && cover->time_last != FLS_INDEX_NO_TIME);
    cover->mark = fls_load_u64(bytes + 64);
    return is_possible(cover, header_bytes);
}

void fls_index_encode_slot(const struct fls_index_header *header, const struct fls_index_slot *slot,
                           uint8_t *bytes)
{
    memset(bytes, 0, FLS_INDEX_SLOT_BYTES);
    fls_store_u64(bytes + AT_GENERATION, slot->generation);
    fls_store_u64(bytes + AT_FRAME_HEADER, slot->header_bytes);
    encode_cover(&slot->handed, bytes + AT_HANDED);
    encode_cover(&slot->synced, bytes + AT_SYNCED);
    fls_store_u64(bytes + AT_BOOT, slot->boot);
    fls_store_u64(bytes + AT_IDENTITY, slot->identity.inode);
    fls_store_u64(bytes + AT_IDENTITY + 8, slot->identity.bytes);
    fls_store_u64(bytes + AT_IDENTITY + 16, (uint64_t)slot->identity.changed_ns);
    fls_store_u64(bytes + AT_SLOT_HASH, bound_hash(header, UINT64_MAX, bytes, AT_SLOT_HASH));
}

int fls_index_decode_slot(const struct fls_index_header *header, const uint8_t *bytes,
                          struct fls_index_slot *slot)
{
    if (fls_load_u64(bytes + AT_SLOT_HASH) != bound_hash(header, UINT64_MAX, bytes, AT_SLOT_HASH))
        return 0;
    slot->generation = fls_load_u64(bytes + AT_GENERATION);
    slot->header_bytes = fls_load_u64(bytes + AT_FRAME_HEADER);
    slot->boot = fls_load_u64(bytes + AT_BOOT);
    slot->identity.inode = fls_load_u64(bytes + AT_IDENTITY);
    slot->identity.bytes = fls_load_u64(bytes + AT_IDENTITY + 8);
    slot->identity.changed_ns = (int64_t)fls_load_u64(bytes + AT_IDENTITY + 16);
    uint64_t width = slot->header_bytes;
    if (width == 0)
        width = 4;
    if (!decode_cover(bytes + AT_HANDED, width, &slot->handed) ||
        !decode_cover(bytes + AT_SYNCED, width, &slot->synced))
        return 0;
    if (slot->handed.frames == 0)
        return slot->synced.frames == 0;
    return fls_index_is_header_width(header, slot->header_bytes) &&
           is_within(&slot->synced, &slot->handed);
}

void fls_index_encode_entry(const struct fls_index_header *header, uint64_t number,
                            const struct fls_index_entry *entry, uint8_t *bytes)
{
    fls_store_u64(bytes, entry->offset);
    fls_store_u64(bytes + 8, entry->frame);
    fls_store_u64(bytes + 16, (uint64_t)entry->time);
    fls_store_u32(bytes + 24, entry->mark);
    fls_store_u32(bytes + AT_CHECK, (uint32_t)bound_hash(header, number, bytes, AT_CHECK));
}

int fls_index_decode_entry(const struct fls_index_header *header, uint64_t number,
                           const uint8_t *bytes, struct fls_index_entry *entry)
{
    entry->offset = fls_load_u64(bytes);
    entry->frame = fls_load_u64(bytes + 8);
    entry->time = (int64_t)fls_load_u64(bytes + 16);
    entry->mark = fls_load_u32(bytes + 24);
    return fls_load_u32(bytes + AT_CHECK) == (uint32_t)bound_hash(header, number, bytes, AT_CHECK);
}

/* --- marks ------------------------------------------------------- */

void fls_index_mark_parts(uint32_t payload_bytes, size_t *head_bytes, size_t *tail_bytes)
{
    *head_bytes = fls_min_size(payload_bytes, FLS_INDEX_MARK_HALF);
    *tail_bytes = fls_min_size(payload_bytes - *head_bytes, FLS_INDEX_MARK_HALF);
}

void fls_index_mark_begin(struct fls_index_marking *marking, uint32_t payload_bytes)
{
    uint8_t length[4];

    fls_store_u32(length, payload_bytes);
    fls_xxh3->begin(marking->state);
    fls_xxh3->update(marking->state, length, sizeof length);
}

void fls_index_mark_add(struct fls_index_marking *marking, const void *bytes, size_t count)
{
    fls_xxh3->update(marking->state, bytes, count);
}

uint64_t fls_index_mark_finish(const struct fls_index_marking *marking)
{
    return fls_xxh3->finish(marking->state);
}

/* Adds `count` bytes of the payload from `at` on. */
static void add_part(struct fls_index_marking *marking, const struct fls_payload *payload,
                     size_t at, size_t count)
{
    for (size_t i = 0; i < payload->count && count > 0; i++) {
        size_t length = payload->segments[i].iov_len;
        if (at >= length) {
            at -= length;
            continue;
        }
        size_t part = fls_min_size(length - at, count);
        fls_index_mark_add(marking, (const uint8_t *)payload->segments[i].iov_base + at, part);
        count -= part;
        at = 0;
    }
}

uint64_t fls_index_mark_payload(const struct fls_payload *payload)
{
    struct fls_index_marking marking;
    size_t head_bytes, tail_bytes;

    fls_index_mark_parts((uint32_t)payload->length, &head_bytes, &tail_bytes);
    fls_index_mark_begin(&marking, (uint32_t)payload->length);
    add_part(&marking, payload, 0, head_bytes);
    add_part(&marking, payload, payload->length - tail_bytes, tail_bytes);
    return fls_index_mark_finish(&marking);
}
