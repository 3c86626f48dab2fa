/*
 * flatstream.hpp: flatstream for C++17 and later. Header-only, over the C interface; it names
 * nothing of the flatbuffers library, so it works with whichever version made your code.
 *
 *     flatstream::writer writer("readings.fls", FLS_FILE_CREATE_NEW,
 *                               flatstream::writer_options().with_checksum(FLS_CHECKSUM_XXH3));
 *     flatbuffers::FlatBufferBuilder builder;
 *     builder.Finish(CreateReading(builder, 21.5));
 *     writer.write(builder);
 *     writer.close();
 *
 *     flatstream::reader reader("readings.fls",
 *                               flatstream::reader_options().with_checksum(FLS_CHECKSUM_XXH3));
 *     for (auto &message : reader)
 *         use(message.verified_root<Reading>()->celsius());
 *
 * Errors: the caller's choice, as in std::filesystem. A function called without a std::error_code
 * throws flatstream::error, which carries the struct fls_error and its text. The same function
 * called with one throws nothing: it sets or clears the code. Compiled without exceptions only
 * those are there. The code's category is flatstream::category(). Compare it with
 *     flatstream::errc    what happened (`code == flatstream::errc::checksum_mismatch`)
 *     std::errc           the system's reason (`code == std::errc::no_space_on_device`)
 * Where exactly it happened, and with which numbers, last_error().message() of the writer or reader
 * says: "frame 2 at byte 18: payload ends after 150 of 300 bytes".
 *
 * Ownership: sink, source, writer, reader, async_writer, journal, index, index_writer and builder
 * own what they are named after and can be moved, not copied. An object that is empty
 * (default-constructed, moved from, closed) answers every call with errc::invalid_argument. A
 * writer or reader that is given a sink or source as an rvalue owns it; as an lvalue it borrows it,
 * and the sink or source must outlive it (and may be moved meanwhile). Function objects in the
 * options (with_tap, with_clock, ...) are owned by the options and by what is opened with them;
 * what the C structs point to is borrowed as in C. What would dangle does not compile: a view given
 * away, a message of a reader that ends with the statement, a source over a temporary.
 *
 * Destructors close, send what can be sent, and throw nothing. What fails there, or cannot be sent,
 * is told to set_drop_handler's function, which without NDEBUG prints it on stderr; a program that
 * must know calls close().
 *
 * What C calls back into C++ with (taps, checksums, clocks, policies, time keys, releases) may
 * throw: the call that led there throws it on. With a std::error_code that says
 * errc::callback_threw, and exception() has it. What a tap or a writer's checksum throws refuses
 * the message; whatever else throws, the call did what it did (position() tells). On a thread of
 * the library's own (async_writer, journal) the next call carries it. Functions in other tables of
 * C (sinks, sources) must not throw.
 *
 * What a call does, and what a message's lifetime is, is what writer.h, reader.h, sink.h and
 * source.h say of the C function of the same name; here stands only what differs. An object belongs
 * to one thread at a time. One program should define one FLATSTREAM_USE_VERSION.
 */
#ifndef FLATSTREAM_FLATSTREAM_HPP
#define FLATSTREAM_FLATSTREAM_HPP

#include <flatstream/flatstream.h>

#include <flatstream/cpp/async.hpp>
#include <flatstream/cpp/builder.hpp>
#include <flatstream/cpp/index.hpp>
#include <flatstream/cpp/journal.hpp>
#include <flatstream/cpp/message.hpp>
#include <flatstream/cpp/reader.hpp>
#include <flatstream/cpp/sink.hpp>
#include <flatstream/cpp/source.hpp>
#include <flatstream/cpp/writer.hpp>

#endif
