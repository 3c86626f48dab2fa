/*
 * cpp/async.hpp: many threads write, one drain thread sends (async.h).
 */
#ifndef FLATSTREAM_CPP_ASYNC_HPP
#define FLATSTREAM_CPP_ASYNC_HPP

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <flatstream/async.h>
#include <flatstream/cpp/giving.hpp>
#include <flatstream/cpp/message.hpp>
#include <flatstream/cpp/options.hpp>
#include <flatstream/cpp/shared.hpp>
#include <flatstream/cpp/sink.hpp>

namespace flatstream
{

namespace detail
{

struct c_async {
    using type = fls_async;
    static constexpr const char *name = "async_writer";
    static constexpr const char *empty = "the asynchronous writer is empty";

    /* Waits until everything is written. */
    static fls_status close(fls_async *owned, fls_error *found) noexcept
    {
        fls_async_counts counts{};
        fls_status status = fls_async_close(owned, -1, &counts, found);

        if (status == FLS_OK && counts.refused > 0) {
            *found = plain_error(FLS_VALIDATION_FAILED, "messages were refused");
            found->found = counts.refused;
            return FLS_VALIDATION_FAILED;
        }
        return status;
    }

    static void last(fls_async *from, fls_error *found) noexcept
    {
        fls_async_error(from, found);
    }

    static fls_status write_owned(fls_async *to, const fls_payload *payload,
                                  fls_release_function *release, void *context) noexcept
    {
        return fls_async_write_owned(to, payload, release, context);
    }
};

} // namespace detail

/* Options: the queue's, and those of the writer behind it, whose taps and clock the drain thread
 * calls. */
struct async_options : fls_async_options {
    async_options() noexcept : fls_async_options()
    {
    }

    async_options &with_writer(const writer_options &options) &
    {
        behind = options;
        return *this;
    }

    async_options with_writer(const writer_options &options) &&
    {
        return std::move(with_writer(options));
    }

    async_options &with_policy(fls_async_policy policy) &noexcept
    {
        when_full = policy;
        return *this;
    }

    async_options with_policy(fls_async_policy policy) &&noexcept
    {
        return std::move(with_policy(policy));
    }

    async_options &with_queue(std::size_t bytes, std::size_t messages = 0) &noexcept
    {
        queue_bytes = bytes;
        queue_messages = messages;
        return *this;
    }

    async_options with_queue(std::size_t bytes, std::size_t messages = 0) &&noexcept
    {
        return std::move(with_queue(bytes, messages));
    }

    writer_options behind;
};

/*
 * The asynchronous writer. write, write_owned, flush and statistics may be called by any number of
 * threads; opening, moving and closing belong to one. What a tap throws on the drain thread refuses
 * its message, and is carried by the next call of whichever thread. The destructor waits until all
 * is written.
 */
class async_writer : public detail::shared_handle<detail::c_async>
{
  public:
    async_writer() noexcept = default;

    /* Borrows the sink, which is the drain thread's until the end. */
    async_writer(sink &target, const async_options &options, std::error_code &code) noexcept
    {
        open(target, options, false, code);
    }

    async_writer(sink &target, std::error_code &code) noexcept
        : async_writer(target, async_options(), code)
    {
    }

    /* Takes the sink over; when it fails the sink stays the caller's. */
    async_writer(sink &&target, const async_options &options, std::error_code &code) noexcept
    {
        open(target, options, true, code);
    }

    async_writer(sink &&target, std::error_code &code) noexcept
        : async_writer(std::move(target), async_options(), code)
    {
    }

#if FLATSTREAM_EXCEPTIONS
    explicit async_writer(sink &target, const async_options &options = async_options())
    {
        std::error_code code;
        check(open(target, options, false, code));
    }

    explicit async_writer(sink &&target, const async_options &options = async_options())
    {
        std::error_code code;
        check(open(target, options, true, code));
    }
#endif

    /* Hands over one message by copying it. */
    bool write(const void *data, std::size_t bytes, std::error_code &code) noexcept
    {
        return told([&] { return fls_async_write(object_, data, bytes); }, code);
    }

    bool write(std::string_view bytes, std::error_code &code) noexcept
    {
        return write(bytes.data(), bytes.size(), code);
    }

    bool write(const message &read, std::error_code &code) noexcept
    {
        return write(read.data(), read.size(), code);
    }

    template <class T, class = detail::if_writable<T>>
    bool write(const T &message_bytes, std::error_code &code)
    {
        detail::byte_view view = detail::view_bytes(message_bytes, 0);

        return write(view.data, view.bytes, code);
    }

    /* Gives the message away, as writer::write_owned does. It is destroyed by the drain thread, or
     * by whichever thread drops it. */
    template <class T, class = detail::if_may_be_given<T>>
    bool write_owned(T &&given, std::error_code &code)
    {
        static_assert(std::is_nothrow_destructible_v<T>,
                      "what another thread destroys must not throw there");
        if (!object_) [[maybe_unused]]
            T ends(std::move(given));
        return told([&] { return give(std::forward<T>(given)); }, code);
    }

    /* It would dangle. */
    template <class T, class = detail::if_may_not_be_given<T>, class = void>
    bool write_owned(T &&given, std::error_code &code) = delete;

    /* Waits until all that was handed over before is at `level`, at most so long (-1: for ever);
     * then errc::again. */
    bool flush(fls_level level, int timeout_ms, std::error_code &code) noexcept
    {
        return told([&] { return fls_async_flush(object_, level, timeout_ms); }, code);
    }

    bool flush(std::error_code &code) noexcept
    {
        return flush(FLS_LEVEL_PROCESS, -1, code);
    }

    /* Writes what is left and ends the thread; the last numbers are kept. On errc::again (the time
     * is over) nothing has ended: call it again. Messages that were refused are no error here:
     * look at statistics().refused. Nothing on an empty one. */
    bool close(int timeout_ms, std::error_code &code) noexcept
    {
        fls_error found{};

        return finish_close(fls_async_close(object_, timeout_ms, &last_counts_, &found), found,
                            code);
    }

    bool close(std::error_code &code) noexcept
    {
        return close(-1, code);
    }

#if FLATSTREAM_EXCEPTIONS
    void write(const void *data, std::size_t bytes)
    {
        told_or_throw([&] { return fls_async_write(object_, data, bytes); });
    }

    void write(std::string_view bytes)
    {
        write(bytes.data(), bytes.size());
    }

    void write(const message &read)
    {
        write(read.data(), read.size());
    }

    template <class T, class = detail::if_writable<T>> void write(const T &message_bytes)
    {
        detail::byte_view view = detail::view_bytes(message_bytes, 0);

        write(view.data, view.bytes);
    }

    template <class T, class = detail::if_may_be_given<T>> void write_owned(T &&given)
    {
        static_assert(std::is_nothrow_destructible_v<T>,
                      "what another thread destroys must not throw there");
        if (!object_) [[maybe_unused]]
            T ends(std::move(given));
        told_or_throw([&] { return give(std::forward<T>(given)); });
    }

    template <class T, class = detail::if_may_not_be_given<T>, class = void>
    void write_owned(T &&given) = delete;

    void flush(fls_level level = FLS_LEVEL_PROCESS, int timeout_ms = -1)
    {
        told_or_throw([&] { return fls_async_flush(object_, level, timeout_ms); });
    }

    void close(int timeout_ms = -1)
    {
        std::error_code code;
        check(close(timeout_ms, code));
    }
#endif

    /* After the close the last ones; zeroes when never opened. */
    struct fls_async_counts statistics() const noexcept
    {
        return object_ ? fls_async_statistics(object_) : last_counts_;
    }

  private:
    bool open(sink &target, const async_options &options, bool owns, std::error_code &code) noexcept
    {
        fls_async_options all = options;
        fls_writer_options writing = options.behind;
        fls_async *opened = nullptr;
        fls_error found = detail::plain_error(FLS_INVALID_ARGUMENT, "the sink is empty");
        fls_status status = target ? FLS_NO_MEMORY : FLS_INVALID_ARGUMENT;

        writing.owns_sink = owns;
        all.writer = &writing;
        if (target && bound() && callbacks_->bind(writing, options.behind.owned, true) &&
            callbacks_->bind_clock(writing.clock, options.behind.owned))
            status = fls_async_open(target.get(), &all, &opened, &found);
        if (status == FLS_OK && owns)
            static_cast<void>(target.release());
        return adopt(status, opened, found, code);
    }

    struct fls_async_counts last_counts_ = {};
};

} // namespace flatstream

#endif
