/*
 * message.h: a sample as a FlatBuffer by schemas/telemetry.fbs.
 */
#ifndef EXAMPLES_MESSAGE_H
#define EXAMPLES_MESSAGE_H

#include <flatstream/builder.h>

#include "machine.h"
#include "processes.h"

/* What a message says beyond the sample. */
struct message_facts {
    const char *host;
    uint64_t sequence;
    uint64_t missed;
    uint64_t now_ns; /* the monotonic clock, for the age of the process list */
};

/* Builds the message. FLS_OK sets *payload, valid until the builder's next reset; else as
 * fls_builder_finish. */
FLS_MUST_USE enum fls_status message_build(struct fls_builder *builder,
                                           const struct message_facts *facts,
                                           const struct sample *sample,
                                           const struct process_list *list,
                                           struct fls_payload *payload);

#endif
