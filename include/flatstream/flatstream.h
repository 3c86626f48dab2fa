/*
 * flatstream.h: everything.
 */
#ifndef FLATSTREAM_FLATSTREAM_H
#define FLATSTREAM_FLATSTREAM_H

#include <flatstream/async.h>
#include <flatstream/builder.h>
#include <flatstream/checksum.h>
#include <flatstream/clock.h>
#include <flatstream/decorator.h>
#include <flatstream/frame.h>
#include <flatstream/index.h>
#include <flatstream/journal.h>
#include <flatstream/memory_policy.h>
#include <flatstream/payload.h>
#include <flatstream/reader.h>
#include <flatstream/recover.h>
#include <flatstream/salvage.h>
#include <flatstream/schema.h>
#include <flatstream/series.h>
#include <flatstream/sink.h>
#include <flatstream/source.h>
#include <flatstream/status.h>
#include <flatstream/tap.h>
#include <flatstream/uring.h>
#include <flatstream/verification.h>
#include <flatstream/verifier.h>
#include <flatstream/writer.h>

#endif
