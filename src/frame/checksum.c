/*
 * checksum.c: the kinds of checksum behind one interface, one-shot and streaming.
 */
#include <string.h>

#include "base/bytes.h"
#include "frame/checksum_fast.h"

_Static_assert(FLS_XXH3_STATE_BYTES <= FLS_CHECKSUM_STATE_BYTES, "a state must hold xxHash's");

static const char *const names[] = {"none", "crc16", "crc32", "xxh3", "custom"};
static const size_t widths[] = {0, 2, 4, 8};

enum fls_status fls_checksum_check(struct fls_checksum checksum)
{
    const struct fls_checksum_custom *custom = checksum.custom;

    if ((unsigned)checksum.kind < FLS_CHECKSUM_CUSTOM)
        return FLS_OK;
    if (checksum.kind != FLS_CHECKSUM_CUSTOM || !custom || !custom->begin || !custom->update ||
        !custom->finish || custom->bytes > FLS_CHECKSUM_BYTES_MAX)
        return FLS_INVALID_ARGUMENT;
    return FLS_OK;
}

size_t fls_checksum_bytes(struct fls_checksum checksum)
{
    return checksum.kind == FLS_CHECKSUM_CUSTOM ? checksum.custom->bytes : widths[checksum.kind];
}

const char *fls_checksum_name(enum fls_checksum_kind kind)
{
    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

enum fls_status fls_checksum_from_name(const char *name, enum fls_checksum_kind *kind)
{
    for (int i = FLS_CHECKSUM_NONE; i < FLS_CHECKSUM_CUSTOM; i++) {
        if (strcmp(name, names[i]) == 0) {
            *kind = (enum fls_checksum_kind)i;
            return FLS_OK;
        }
    }
    return FLS_INVALID_ARGUMENT;
}

const char *fls_checksum_crc32_provider(void)
{
    return FLS_CRC32_PROVIDER;
}

/* The state's room, rounded up to the alignment that it promises. */
static void *room_of(struct fls_checksum_state *state)
{
    return (void *)(((uintptr_t)&state->room + 63) & ~(uintptr_t)63);
}

void fls_checksum_begin(struct fls_checksum_state *state, struct fls_checksum checksum)
{
    state->checksum = checksum;
    if (checksum.kind == FLS_CHECKSUM_XXH3)
        fls_xxh3->begin(room_of(state));
    else if (checksum.kind == FLS_CHECKSUM_CUSTOM)
        checksum.custom->begin(checksum.custom->context, room_of(state));
    else
        state->room.words[0] = 0;
}

void fls_checksum_update(struct fls_checksum_state *state, const void *data, size_t length)
{
    uint64_t *crc = &state->room.words[0];
    const struct fls_checksum_custom *custom = state->checksum.custom;

    if (length == 0)
        return;
    switch (state->checksum.kind) {
    case FLS_CHECKSUM_NONE:
        break;
    case FLS_CHECKSUM_CRC16:
        *crc = fls_crc16((uint16_t)*crc, data, length);
        break;
    case FLS_CHECKSUM_CRC32:
        *crc = fls_crc32_carry((uint32_t)*crc, data, length);
        break;
    case FLS_CHECKSUM_XXH3:
        fls_xxh3->update(room_of(state), data, length);
        break;
    case FLS_CHECKSUM_CUSTOM:
        custom->update(custom->context, room_of(state), data, length);
        break;
    }
}

static uint64_t mask_to(size_t bytes)
{
    return bytes < 8 ? (UINT64_C(1) << (8 * bytes)) - 1 : UINT64_MAX;
}

uint64_t fls_checksum_finish(struct fls_checksum_state *state)
{
    const struct fls_checksum_custom *custom = state->checksum.custom;

    if (state->checksum.kind == FLS_CHECKSUM_XXH3)
        return fls_xxh3->finish(room_of(state));
    if (state->checksum.kind == FLS_CHECKSUM_CUSTOM)
        return custom->finish(custom->context, room_of(state)) & mask_to(custom->bytes);
    return state->room.words[0];
}

uint64_t fls_checksum_custom_of(const struct fls_checksum_custom *custom, const void *data,
                                size_t length)
{
    struct fls_checksum_state state;

    fls_checksum_begin(&state, (struct fls_checksum){FLS_CHECKSUM_CUSTOM, custom});
    fls_checksum_update(&state, data, length);
    return fls_checksum_finish(&state);
}

uint64_t fls_checksum_of(struct fls_checksum checksum, const void *data, size_t length)
{
    return fls_checksum_fast(checksum, data, length);
}

uint64_t fls_checksum_of_payload(struct fls_checksum checksum, const struct fls_payload *payload)
{
    struct fls_checksum_state state;

    if (payload->count == 1)
        return fls_checksum_fast(checksum, payload->segments[0].iov_base, payload->length);
    fls_checksum_begin(&state, checksum);
    for (size_t i = 0; i < payload->count; i++)
        fls_checksum_update(&state, payload->segments[i].iov_base, payload->segments[i].iov_len);
    return fls_checksum_finish(&state);
}
