/*
 * index_format.h: the bytes of a sidecar index. No I/O, no allocation. docs/format.md numbers the
 * rules.
 *
 *     0     header: what never changes while the index grows
 *     256   slot A } the cover: how far the index reaches. Written by turns, so that
 *     512   slot B } a torn writing leaves the other one
 *     1024  entries of 32 bytes
 *
 * Every part has its own hash, seeded with the header's, and the header has a number that no other
 * index has: what an older index left on the device at the same place does not pass.
 */
#ifndef JOURNAL_INDEX_FORMAT_H
#define JOURNAL_INDEX_FORMAT_H

#include <stdint.h>

#include <flatstream/frame.h>
#include <flatstream/payload.h>

#include "frame/xxh3.h"

#define FLS_INDEX_HEADER_BYTES 256
#define FLS_INDEX_SLOT_BYTES 256
#define FLS_INDEX_SLOTS 2
#define FLS_INDEX_ENTRIES_AT ((uint64_t)1024)
#define FLS_INDEX_ENTRY_BYTES ((uint64_t)32)
#define FLS_INDEX_KEY_BYTES 64

/* The bytes from which a frame's mark is taken: so many of the payload's first, and of its last. Of
 * a payload of up to twice that: all. */
#define FLS_INDEX_MARK_HALF ((size_t)512 * 1024)

/* How an entry says that no frame before it has a time. */
#define FLS_INDEX_NO_TIME INT64_MIN

/* `birth` tells this index from any other; `hash` is the header's own. */
struct fls_index_header {
    enum fls_checksum_kind checksum;
    int has_time;
    int time_is_real;
    int time_is_unsigned;
    uint64_t stretch_bytes;
    uint64_t stretch_frames;
    uint64_t birth;
    char key[FLS_INDEX_KEY_BYTES];
    uint64_t hash;
};

/*
 * One entry: frame number `frame` begins at `offset`. time: the greatest of all frames before it
 * (so entries are in order of time even where frames are not). mark: of the frame's bytes.
 */
struct fls_index_entry {
    uint64_t offset;
    uint64_t frame;
    int64_t time;
    uint32_t mark;
};

/*
 * How far the index reaches: `entries` entries for `frames` frames in the first `bytes` bytes, the
 * last of which begins at last_offset and has the mark `mark`. has_time: some frame has one; else
 * times mean nothing. time_previous: what a frame without a time counts with. All zero: nothing.
 */
struct fls_index_cover {
    uint64_t entries;
    uint64_t frames;
    uint64_t bytes;
    uint64_t last_offset;
    int64_t time_first;
    int64_t time_last;
    int64_t time_previous;
    int out_of_order;
    int has_time;
    uint64_t mark;
};

/* The stream's file as it was: the number of its inode, its bytes, and when it was last changed. */
struct fls_index_identity {
    uint64_t inode;
    uint64_t bytes;
    int64_t changed_ns;
};

/* handed: what the system had, in its boot `boot` (0: not known); synced: what the device had, at
 * most the same; identity: of the stream, when the slot was written. */
struct fls_index_slot {
    uint64_t generation;
    uint64_t header_bytes; /* of a frame; 0: there is none yet */
    struct fls_index_cover handed;
    struct fls_index_cover synced;
    uint64_t boot;
    struct fls_index_identity identity;
};

/* Encodes, and sets header->hash. */
void fls_index_encode_header(struct fls_index_header *header, uint8_t *bytes);

/* NULL and *header, or what is wrong with it. */
const char *fls_index_decode_header(const uint8_t *bytes, struct fls_index_header *header);

/* Can a frame's header have this width? Only a custom checksum leaves that open. */
int fls_index_is_header_width(const struct fls_index_header *header, uint64_t bytes);

void fls_index_encode_slot(const struct fls_index_header *header, const struct fls_index_slot *slot,
                           uint8_t *bytes);

/* 1 and *slot; 0 when it is not whole, or contradicts itself. */
int fls_index_decode_slot(const struct fls_index_header *header, const uint8_t *bytes,
                          struct fls_index_slot *slot);

/* `number` is the entry's place, from 0. */
void fls_index_encode_entry(const struct fls_index_header *header, uint64_t number,
                            const struct fls_index_entry *entry, uint8_t *bytes);

/* 1 and *entry; 0 when it is not whole. */
int fls_index_decode_entry(const struct fls_index_header *header, uint64_t number,
                           const uint8_t *bytes, struct fls_index_entry *entry);

/*
 * The mark of a frame: a hash of its payload's length, first and last bytes; fls_index_mark_parts
 * says how many of them, which are given one behind another in any pieces.
 */
struct fls_index_marking {
    _Alignas(64) uint8_t state[FLS_XXH3_STATE_BYTES];
};
void fls_index_mark_parts(uint32_t payload_bytes, size_t *head_bytes, size_t *tail_bytes);
void fls_index_mark_begin(struct fls_index_marking *marking, uint32_t payload_bytes);
void fls_index_mark_add(struct fls_index_marking *marking, const void *bytes, size_t count);
uint64_t fls_index_mark_finish(const struct fls_index_marking *marking);
uint64_t fls_index_mark_payload(const struct fls_payload *payload);

#endif
