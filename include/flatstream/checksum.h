/*
 * checksum.h: the checksums that a frame can carry.
 *
 *   kind    bytes  algorithm                                   value of "123456789"
 *   none    0
 *   crc16   2      CRC-16/XMODEM (polynomial 0x1021)           0x31C3
 *   crc32   4      CRC-32/ISO-HDLC, zlib's (not CRC-32C)       0xCBF43926
 *   xxh3    8      XXH3-64, seed 0                             0x72DCB18B67A17DFF
 *   custom  0..8   the caller's
 *
 * A checksum covers the payload only. One-shot and streaming give equal results, however the bytes
 * are cut into segments. All functions may be called from any thread; a state belongs to one.
 */
#ifndef FLATSTREAM_CHECKSUM_H
#define FLATSTREAM_CHECKSUM_H

#include <flatstream/payload.h>

FLS_BEGIN_DECLS

enum fls_checksum_kind {
    FLS_CHECKSUM_NONE = 0,
    FLS_CHECKSUM_CRC16 = 1,
    FLS_CHECKSUM_CRC32 = 2,
    FLS_CHECKSUM_XXH3 = 3,
    FLS_CHECKSUM_CUSTOM = 4
};

/* The widest checksum on the wire, in bytes. */
#define FLS_CHECKSUM_BYTES_MAX 8

/* Room in a streaming state, aligned to 64 bytes; also what a custom checksum may use. */
#define FLS_CHECKSUM_STATE_BYTES 640

/*
 * A custom checksum. `state` points to FLS_CHECKSUM_STATE_BYTES bytes, aligned to 64, that `begin`
 * must initialise; no other memory is needed and nothing is freed. `finish` returns the value; only
 * its low `bytes` bytes count (the rest is masked off, on both sides). The struct and `context` are
 * borrowed and must outlive every object that they are given to.
 */
struct fls_checksum_custom {
    size_t bytes;
    void (*begin)(void *context, void *state);
    void (*update)(void *context, void *state, const void *data, size_t length);
    uint64_t (*finish)(void *context, void *state);
    void *context;
};

/* A kind, and the functions when it is FLS_CHECKSUM_CUSTOM (else `custom` is ignored). */
struct fls_checksum {
    enum fls_checksum_kind kind;
    const struct fls_checksum_custom *custom;
};

struct fls_checksum_state {
    struct fls_checksum checksum;
    union {
        uint64_t words[(FLS_CHECKSUM_STATE_BYTES + 64) / 8];
        void *align;
    } room;
};

/*
 * FLS_OK when `checksum` is usable: a known kind, and for custom all three functions and at most 8
 * bytes. Else FLS_INVALID_ARGUMENT.
 */
FLS_API FLS_MUST_USE enum fls_status fls_checksum_check(struct fls_checksum checksum);

/* Width on the wire in bytes, 0 to 8. `checksum` must be usable. */
FLS_API size_t fls_checksum_bytes(struct fls_checksum checksum);

/* "none", "crc16", "crc32", "xxh3", "custom"; a static string; "unknown" for any other number. */
FLS_API const char *fls_checksum_name(enum fls_checksum_kind kind);

/* Finds a built-in kind by its name. FLS_OK, or FLS_INVALID_ARGUMENT for an unknown name. */
FLS_API FLS_MUST_USE enum fls_status fls_checksum_from_name(const char *name,
                                                            enum fls_checksum_kind *kind);

/* The library that calculates CRC-32 in this build: "isa-l", "libdeflate" or "zlib". */
FLS_API const char *fls_checksum_crc32_provider(void);

/* The checksum of `length` bytes; 0 for none. `data` may be NULL when length is 0. */
FLS_API uint64_t fls_checksum_of(struct fls_checksum checksum, const void *data, size_t length);

/* The checksum of a payload's bytes, in the segments' order. */
FLS_API uint64_t fls_checksum_of_payload(struct fls_checksum checksum,
                                         const struct fls_payload *payload);

/* Streaming: begin, update any number of times (0 bytes are fine), finish once. A state must not
 * be copied or moved between begin and finish. */
FLS_API void fls_checksum_begin(struct fls_checksum_state *state, struct fls_checksum checksum);
FLS_API void fls_checksum_update(struct fls_checksum_state *state, const void *data, size_t length);
FLS_API uint64_t fls_checksum_finish(struct fls_checksum_state *state);

FLS_END_DECLS

#endif
