/*
 * tap.c: the ready-made taps, and the chain that runs them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arguments.h"
#include "base/bytes.h"
#include "base/error.h"
#include "stream/tap.h"

static enum fls_status run_observer(const struct fls_tap *tap, const struct fls_payload *payload,
                                    struct fls_error *error)
{
    (void)error;
    tap->state.observe(tap->context, payload);
    return FLS_OK;
}

struct fls_tap fls_tap_observer(fls_observe_function *observe, void *context)
{
    return (struct fls_tap){.run = observe ? run_observer : NULL,
                            .name = "observer",
                            .context = context,
                            .state.observe = observe};
}

static enum fls_status run_bound(const struct fls_tap *tap, const struct fls_payload *payload,
                                 struct fls_error *error)
{
    if (payload->length <= tap->state.size.max)
        return FLS_OK;
    return fls_error_numbers(error, FLS_INVALID_FRAME, FLS_PART_PAYLOAD, tap->state.size.max,
                             payload->length);
}

struct fls_tap fls_tap_bound(uint64_t bytes_max)
{
    return (struct fls_tap){.run = run_bound, .name = "bound", .state.size = {0, bytes_max}};
}

static enum fls_status run_size(const struct fls_tap *tap, const struct fls_payload *payload,
                                struct fls_error *error)
{
    uint64_t min = tap->state.size.min, max = tap->state.size.max, size = payload->length;

    if (size >= min && size <= max)
        return FLS_OK;
    fls_error_set(error, FLS_VALIDATION_FAILED, "%" PRIu64 " bytes is %s than the %s of %" PRIu64,
                  size, size < min ? "less" : "more", size < min ? "least" : "most",
                  size < min ? min : max);
    if (error) {
        error->expected = size < min ? min : max;
        error->found = size;
    }
    return FLS_VALIDATION_FAILED;
}

struct fls_tap fls_tap_size(uint64_t bytes_min, uint64_t bytes_max)
{
    return (struct fls_tap){.run = run_size, .name = "size", .state.size = {bytes_min, bytes_max}};
}

static enum fls_status run_composite(const struct fls_tap *tap, const struct fls_payload *payload,
                                     struct fls_error *error)
{
    for (size_t i = 0; i < tap->state.all.count; i++) {
        enum fls_status status = fls_tap_run(&tap->state.all.taps[i], payload, error);
        if (status != FLS_OK)
            return status;
    }
    return FLS_OK;
}

static int any_contiguous(const struct fls_tap *taps, size_t count)
{
    for (size_t i = 0; i < count && taps; i++)
        if (taps[i].contiguous)
            return 1;
    return 0;
}

struct fls_tap fls_tap_composite(const struct fls_tap *taps, size_t count)
{
    return (struct fls_tap){.run = taps || count == 0 ? run_composite : NULL,
                            .name = "composite",
                            .contiguous = any_contiguous(taps, count),
                            .state.all = {taps, count}};
}

static enum fls_status run_typed(const struct fls_tap *tap, const struct fls_payload *payload,
                                 struct fls_error *error)
{
    const void *bytes = payload->count > 0 ? payload->segments[0].iov_base : NULL;
    int code = tap->state.verify(bytes, payload->length);

    if (code == 0)
        return FLS_OK;
    return fls_error_set(error, FLS_VALIDATION_FAILED, "the verifier returned %d", code);
}

struct fls_tap fls_tap_typed(const char *name, fls_verify_function *verify)
{
    return (struct fls_tap){.run = verify ? run_typed : NULL,
                            .name = name ? name : "typed",
                            .contiguous = 1,
                            .state.verify = verify};
}

/* A tap may return anything but what says where a stream stands: who reads or writes would take its
 * word for it. */
#define STREAM_STATES (FLS_MAY(END) | FLS_MAY(AGAIN) | FLS_MAY(UNEXPECTED_END))

static enum fls_status tap_failed(const struct fls_tap *tap, enum fls_status status,
                                  struct fls_error *record, struct fls_error *error)
{
    char name[sizeof record->subject];

    snprintf(name, sizeof name, "%s", tap->name ? tap->name : "");
    status = fls_error_settle(record, status, ~STREAM_STATES, name);
    fls_error_copy(error, record);
    return status;
}

static enum fls_status run_tap(const struct fls_tap *tap, const struct fls_payload *payload,
                               struct fls_error *error)
{
    struct fls_error record;

    if (tap->contiguous && payload->count > 1)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "tap %s needs the payload in one segment",
                             tap->name ? tap->name : "");
    fls_error_clear(&record);
    enum fls_status status = tap->run(tap, payload, &record);
    return FLS_LIKELY(status == FLS_OK) ? FLS_OK : tap_failed(tap, status, &record, error);
}

enum fls_status fls_tap_run(const struct fls_tap *tap, const struct fls_payload *payload,
                            struct fls_error *error)
{
    if (!tap->run)
        return fls_error_set(error, FLS_INVALID_ARGUMENT, "the tap has no function");
    if (!fls_payload_is_sound(payload))
        return fls_refuse_payload(payload, error);
    return run_tap(tap, payload, error);
}

enum fls_status fls_tap_chain_add(struct fls_tap_chain *chain, const struct fls_tap *taps,
                                  size_t count, struct fls_error *error)
{
    if (count == 0 || !taps)
        return fls_check_given(taps, count, "taps", error);
    for (size_t i = 0; i < count; i++)
        if (!taps[i].run)
            return fls_error_set(error, FLS_INVALID_ARGUMENT, "tap %zu has no function", i);
    if (count > SIZE_MAX / sizeof *taps - chain->count)
        return fls_error_no_memory(error, SIZE_MAX);
    size_t bytes = (chain->count + count) * sizeof *taps;
    struct fls_tap *grown = realloc(chain->taps, bytes);
    if (!grown)
        return fls_error_no_memory(error, bytes);
    memcpy(grown + chain->count, taps, count * sizeof *taps);
    chain->taps = grown;
    chain->count += count;
    chain->contiguous |= any_contiguous(taps, count);
    return FLS_OK;
}

enum fls_status fls_tap_chain_run(const struct fls_tap_chain *chain,
                                  const struct fls_payload *payload, struct fls_error *error)
{
    for (size_t i = 0; i < chain->count; i++) {
        enum fls_status status = run_tap(&chain->taps[i], payload, error);
        if (status != FLS_OK)
            return status;
    }
    return FLS_OK;
}

void fls_tap_chain_free(struct fls_tap_chain *chain)
{
    free(chain->taps);
    *chain = (struct fls_tap_chain){NULL, 0, 0};
}
