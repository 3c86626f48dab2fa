/*
 * tap.h: something that sees each message on its way: an observer, a bound, a validator.
 *
 * A writer runs its taps before any byte is written, a reader after the checksum and before the
 * caller sees the message; both in the order in which they were added, up to the first that
 * refuses. Later taps do not see a refused message.
 */
#ifndef FLATSTREAM_TAP_H
#define FLATSTREAM_TAP_H

#include <flatstream/payload.h>

FLS_BEGIN_DECLS

struct fls_tap;

/*
 * Looks at one message. Returns FLS_OK to let it pass. To refuse it, returns FLS_VALIDATION_FAILED,
 * FLS_INVALID_FRAME or FLS_INVALID_FLATBUFFER, and may write the reason, and expected and found,
 * into `error`, which is zeroed before the call and never NULL (the caller fills the rest: status,
 * the tap's name, frame and offset). Any other status is passed on as it is, but for those that say
 * where a stream stands (FLS_END, FLS_AGAIN, FLS_UNEXPECTED_END) and a number that is none: a tap
 * may not return them, and the call fails with FLS_IO and EBADE, with the reason in words. The
 * payload is borrowed.
 */
typedef enum fls_status fls_tap_function(const struct fls_tap *tap,
                                         const struct fls_payload *payload,
                                         struct fls_error *error);

/* A caller's functions behind the ready-made taps. */
typedef void fls_observe_function(void *context, const struct fls_payload *payload);
typedef int fls_verify_function(const void *buffer, size_t bytes);

/*
 * A tap: plain data, copied when it is added. `name` and `context` (and what the ready-made taps
 * were given) are borrowed and must outlive the writer or reader.
 *
 *   run         the function, never NULL in use
 *   name        under which a refusal is reported
 *   context     the caller's, free for `run` to use
 *   contiguous  whether `run` needs the payload in one segment, aligned to 8: a writer then
 *               flattens a segmented payload first (counted among its copies)
 *   state       used by the ready-made taps
 */
struct fls_tap {
    fls_tap_function *run;
    const char *name;
    void *context;
    int contiguous;
    union {
        struct {
            uint64_t min;
            uint64_t max;
        } size;
        struct {
            const struct fls_tap *taps;
            size_t count;
        } all;
        fls_observe_function *observe;
        fls_verify_function *verify;
    } state;
};

/* Calls `observe(context, payload)` once a message; never refuses. */
FLS_API struct fls_tap fls_tap_observer(fls_observe_function *observe, void *context);

/* Refuses a payload over `bytes_max` with FLS_INVALID_FRAME. */
FLS_API struct fls_tap fls_tap_bound(uint64_t bytes_max);

/* Refuses, with FLS_VALIDATION_FAILED, a payload under `bytes_min` or over `bytes_max` (both
 * inclusive bounds). Name: "size". */
FLS_API struct fls_tap fls_tap_size(uint64_t bytes_min, uint64_t bytes_max);

/* All of `taps` in order; the first refusal is reported under its own name. The array is
 * borrowed. */
FLS_API struct fls_tap fls_tap_composite(const struct fls_tap *taps, size_t count);

/* The caller's generated verifier (flatcc's `T_verify_as_root` fits as it is): refuses, with
 * FLS_VALIDATION_FAILED under `name`, what it returns non-zero for. NULL name: "typed". The buffer
 * given to it is contiguous; it is aligned to 8, on a reader only if its alignment option says so
 * (the default does). */
FLS_API struct fls_tap fls_tap_typed(const char *name, fls_verify_function *verify);

/* Runs one tap by hand. FLS_OK or its refusal, with error (may be NULL) filled;
 * FLS_INVALID_ARGUMENT when a contiguous tap is given several segments. */
FLS_API FLS_MUST_USE enum fls_status
fls_tap_run(const struct fls_tap *tap, const struct fls_payload *payload, struct fls_error *error);

FLS_END_DECLS

#endif
