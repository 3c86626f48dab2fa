/*
 * cpp/writer.hpp: messages in, frames out (writer.h).
 */
#ifndef FLATSTREAM_CPP_WRITER_HPP
#define FLATSTREAM_CPP_WRITER_HPP

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <flatstream/cpp/giving.hpp>
#include <flatstream/cpp/message.hpp>
#include <flatstream/cpp/options.hpp>
#include <flatstream/cpp/position.hpp>
#include <flatstream/cpp/sink.hpp>
#include <flatstream/writer.h>

namespace flatstream
{

namespace detail
{

struct c_writer {
    using type = fls_writer;
    static constexpr const char *name = "writer";
    static constexpr const char *empty = "the writer is empty";

    /* Without waiting: what cannot be sent is given up. */
    static fls_status close(fls_writer *owned, fls_error *found) noexcept
    {
        fls_status status = fls_writer_close(owned, found);

        if (status == FLS_AGAIN) {
            fls_writer_abandon(owned);
            *found = plain_error(FLS_AGAIN, "messages were not sent");
        }
        return status;
    }

    static void last(fls_writer *from, fls_error *found) noexcept
    {
        *found = *fls_writer_error(from);
    }

    static fls_status write_owned(fls_writer *to, const fls_payload *payload,
                                  fls_release_function *release, void *context) noexcept
    {
        return fls_writer_write_owned(to, payload, release, context);
    }
};

} // namespace detail

/*
 * Messages in, frames out. The functions with a std::error_code return true when all is well. On a
 * non-blocking sink errc::again means: call again with the same arguments, or flush until that
 * succeeds; after write_owned, flush.
 */
class writer : public detail::giving_handle<detail::c_writer>
{
  public:
    writer() noexcept = default;

    /* Borrows the sink. */
    writer(sink &target, const writer_options &options, std::error_code &code) noexcept
    {
        open(target, options, false, code);
    }

    writer(sink &target, std::error_code &code) noexcept : writer(target, writer_options(), code)
    {
    }

    /* Takes the sink over; when it fails the sink stays the caller's. */
    writer(sink &&target, const writer_options &options, std::error_code &code) noexcept
    {
        open(target, options, true, code);
    }

    writer(sink &&target, std::error_code &code) noexcept
        : writer(std::move(target), writer_options(), code)
    {
    }

    /* Opens a file. With FLS_FILE_APPEND nothing is checked: scan it first (recover.h). */
    writer(const path_view &path, fls_file_mode mode, const writer_options &options,
           std::error_code &code) noexcept
    {
        open(path, mode, options, code);
    }

    writer(const path_view &path, fls_file_mode mode, std::error_code &code) noexcept
        : writer(path, mode, writer_options(), code)
    {
    }

#if FLATSTREAM_EXCEPTIONS
    explicit writer(sink &target, const writer_options &options = writer_options())
    {
        std::error_code code;
        check(open(target, options, false, code));
    }

    explicit writer(sink &&target, const writer_options &options = writer_options())
    {
        std::error_code code;
        check(open(target, options, true, code));
    }

    writer(const path_view &path, fls_file_mode mode,
           const writer_options &options = writer_options())
    {
        std::error_code code;
        check(open(path, mode, options, code));
    }
#endif

    /* One message of contiguous bytes. */
    bool write(const void *data, std::size_t bytes, std::error_code &code) noexcept
    {
        return finish(object_ ? fls_writer_write(object_, data, bytes) : empty(), code);
    }

    bool write(std::string_view bytes, std::error_code &code) noexcept
    {
        return write(bytes.data(), bytes.size(), code);
    }

    /* One that was read. */
    bool write(const message &read, std::error_code &code) noexcept
    {
        return write(read.data(), read.size(), code);
    }

    /* One message in segments: from a builder, from flatcc's adapter, or your own. */
    bool write(const fls_payload &payload, std::error_code &code) noexcept
    {
        return finish(object_ ? fls_writer_write_payload(object_, &payload) : empty(), code);
    }

    /* A finished flatbuffers::FlatBufferBuilder, or anything else with GetBufferPointer() and
     * GetSize(), or with data() and size(): std::string, std::span, std::vector, DetachedBuffer. */
    template <class T, class = detail::if_writable<T>>
    bool write(const T &message_bytes, std::error_code &code)
    {
        detail::byte_view view = detail::view_bytes(message_bytes, 0);

        return write(view.data, view.bytes, code);
    }

    /*
     * Gives the message away: it is moved from by this call, whatever comes of it, and destroyed
     * when its bytes are through, refused or given up; so a batch keeps it without a copy.
     * `writer.write_owned(builder.Release())`. After errc::again it has been taken: flush until
     * that succeeds. Any other error: it was not written, and is destroyed. What owns nothing (a
     * view) is refused by the compiler, see owns_bytes.
     */
    template <class T, class = detail::if_may_be_given<T>>
    bool write_owned(T &&given, std::error_code &code)
    {
        return finish(give(std::forward<T>(given)), code);
    }

    /* It would dangle. */
    template <class T, class = detail::if_may_not_be_given<T>, class = void>
    bool write_owned(T &&given, std::error_code &code) = delete;

    /* The same for bytes that anyone owns: `release(context)` is called exactly once, also when
     * the writer is empty. nullptr: nothing changes hands, as in write. */
    bool write_owned(const fls_payload &payload, fls_release_function *release, void *context,
                     std::error_code &code) noexcept
    {
        return finish(give(payload, release, context), code);
    }

    /* Many messages in few gathered writes; returns how many leading ones are through. */
    std::size_t write_batch(const fls_payload *payloads, std::size_t count,
                            std::error_code &code) noexcept
    {
        std::size_t written = 0;

        finish(object_ ? fls_writer_write_batch(object_, payloads, count, &written) : empty(),
               code);
        return written;
    }

    bool flush(fls_level level, std::error_code &code) noexcept
    {
        return finish(object_ ? fls_writer_flush(object_, level) : empty(), code);
    }

    bool flush(std::error_code &code) noexcept
    {
        return flush(FLS_LEVEL_PROCESS, code);
    }

    /* Sends the batch if it is old enough; *wait_ms as in C. */
    bool flush_due(int *wait_ms, std::error_code &code) noexcept
    {
        return finish(object_ ? fls_writer_flush_due(object_, wait_ms) : empty(), code);
    }

    bool add_tap(const fls_tap &tap, std::error_code &code) noexcept
    {
        return finish(object_ ? add(tap, nullptr) : empty(), code);
    }

    /* From a function object, which the writer owns: see with_tap in options.hpp. */
    template <class F> bool add_tap(std::string name, F &&function, std::error_code &code)
    {
        detail::owned_functions made;

        made.add_tap(std::move(name), std::forward<F>(function));
        return finish(object_ ? add(made.taps->raw, made.taps) : empty(), code);
    }

    /* Sends what is left, closes an owned sink, and leaves the writer empty, except after
     * errc::again: then call it again. Nothing on an empty writer. */
    bool close(std::error_code &code) noexcept
    {
        fls_error found{};

        return finish_close(fls_writer_close(object_, &found), found, code);
    }

#if FLATSTREAM_EXCEPTIONS
    void write(const void *data, std::size_t bytes)
    {
        std::error_code code;
        check(write(data, bytes, code));
    }

    void write(std::string_view bytes)
    {
        std::error_code code;
        check(write(bytes.data(), bytes.size(), code));
    }

    void write(const message &read)
    {
        std::error_code code;
        check(write(read, code));
    }

    void write(const fls_payload &payload)
    {
        std::error_code code;
        check(write(payload, code));
    }

    template <class T, class = detail::if_writable<T>> void write(const T &message_bytes)
    {
        std::error_code code;
        check(write(message_bytes, code));
    }

    template <class T, class = detail::if_may_be_given<T>> void write_owned(T &&given)
    {
        std::error_code code;
        check(write_owned(std::forward<T>(given), code));
    }

    template <class T, class = detail::if_may_not_be_given<T>, class = void>
    void write_owned(T &&given) = delete;

    void write_owned(const fls_payload &payload, fls_release_function *release, void *context)
    {
        std::error_code code;
        check(write_owned(payload, release, context, code));
    }

    /* Throws at the first message that is refused; position() says how far it came. */
    std::size_t write_batch(const fls_payload *payloads, std::size_t count)
    {
        std::error_code code;
        std::size_t written = write_batch(payloads, count, code);

        check(!code);
        return written;
    }

    void flush(fls_level level = FLS_LEVEL_PROCESS)
    {
        std::error_code code;
        check(flush(level, code));
    }

    void flush_due(int *wait_ms = nullptr)
    {
        std::error_code code;
        check(flush_due(wait_ms, code));
    }

    void add_tap(const fls_tap &tap)
    {
        std::error_code code;
        check(add_tap(tap, code));
    }

    template <class F> void add_tap(std::string name, F &&function)
    {
        std::error_code code;
        check(add_tap(std::move(name), std::forward<F>(function), code));
    }

    void close()
    {
        std::error_code code;
        check(close(code));
    }
#endif

    /* Where the next message will begin; zeroes when empty. */
    flatstream::position position() const noexcept
    {
        flatstream::position at;

        if (object_)
            fls_writer_position(object_, &at.offset, &at.frame);
        return at;
    }

    /* Zeroes when empty. */
    struct fls_writer_counts statistics() const noexcept
    {
        struct fls_writer_counts none = {};

        return object_ ? fls_writer_statistics(object_) : none;
    }

  private:
    bool open(sink &target, const writer_options &options, bool owns,
              std::error_code &code) noexcept
    {
        fls_error none = detail::plain_error(FLS_INVALID_ARGUMENT, "the sink is empty");

        if (!target)
            return adopt(none.status, nullptr, none, code);
        if (!open(target.get(), options, owns, code))
            return false;
        if (owns)
            static_cast<void>(target.release());
        return true;
    }

    bool open(const path_view &path, fls_file_mode mode, const writer_options &options,
              std::error_code &code) noexcept
    {
        return open_by(options, true, code,
                       [&](const fls_writer_options &all, fls_writer **opened, fls_error *found) {
                           return fls_writer_open_file_versioned(path.c_str(), mode, &all,
                                                                 sizeof all, FLATSTREAM_USE_VERSION,
                                                                 opened, found);
                       });
    }

    bool open(fls_sink *target, const writer_options &options, bool owns,
              std::error_code &code) noexcept
    {
        return open_by(options, owns, code,
                       [&](const fls_writer_options &all, fls_writer **opened, fls_error *found) {
                           return fls_writer_open_versioned(target, &all, sizeof all,
                                                            FLATSTREAM_USE_VERSION, opened, found);
                       });
    }

    template <typename Open>
    bool open_by(const writer_options &options, bool owns, std::error_code &code,
                 const Open &open_with) noexcept
    {
        fls_writer_options all = options;
        fls_writer *opened = nullptr;
        fls_error found{};
        detail::callbacks *bound_to = bound();
        fls_status status = FLS_NO_MEMORY;

        all.owns_sink = owns;
        if (bound_to && bound_to->bind(all, options.owned, true) &&
            bound_to->bind_clock(all.clock, options.owned))
            status = open_with(all, &opened, &found);
        return adopt(status, opened, found, code);
    }

    fls_status add(const fls_tap &tap, std::shared_ptr<const void> owner) noexcept
    {
        fls_tap outer{};

        if (!callbacks_->bind_tap(tap, std::move(owner), outer))
            return FLS_NO_MEMORY;
        return fls_writer_add_tap(object_, &outer);
    }
};

} // namespace flatstream

#endif
