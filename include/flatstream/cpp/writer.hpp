/*
 * cpp/writer.hpp: messages in, frames out (writer.h).
 */
#ifndef FLATSTREAM_CPP_WRITER_HPP
#define FLATSTREAM_CPP_WRITER_HPP

#include <memory>
#include <new>

#include <flatstream/cpp/bytes.hpp>
#include <flatstream/cpp/options.hpp>
#include <flatstream/cpp/position.hpp>
#include <flatstream/cpp/sink.hpp>

namespace flatstream
{

/*
 * Messages in, frames out (writer.h). The functions with a std::error_code return true when all is
 * well. On a non-blocking sink errc::again means: call again with the same arguments, or flush
 * until that succeeds.
 */
class writer
{
  public:
    writer() noexcept : error_()
    {
    }

    /* Borrows the sink. */
    writer(sink &target, const fls_writer_options &options, std::error_code &code) noexcept
        : error_()
    {
        open(target, options, false, code);
    }

    /* Takes the sink over; when it fails the sink stays the caller's. */
    writer(sink &&target, const fls_writer_options &options, std::error_code &code) noexcept
        : error_()
    {
        open(target, options, true, code);
    }

    /* Opens a file. With FLS_FILE_APPEND nothing is checked: scan it first (recover.h). */
    writer(const path_view &path, fls_file_mode mode, const fls_writer_options &options,
           std::error_code &code) noexcept
        : error_()
    {
        sink target = sink::open_file(path, mode, error_);

        if (target)
            open(target, options, true, code);
        else
            detail::report(error_, code);
    }

#if FLATSTREAM_EXCEPTIONS
    explicit writer(sink &target, const fls_writer_options &options = fls_writer_options())
        : error_()
    {
        std::error_code code;

        if (!open(target, options, false, code))
            throw error(error_);
    }

    explicit writer(sink &&target, const fls_writer_options &options = fls_writer_options())
        : error_()
    {
        std::error_code code;

        if (!open(target, options, true, code))
            throw error(error_);
    }

    writer(const path_view &path, fls_file_mode mode,
           const fls_writer_options &options = fls_writer_options())
        : error_()
    {
        std::error_code code;

        *this = writer(path, mode, options, code);
        if (code)
            throw error(error_);
    }
#endif

    explicit operator bool() const noexcept
    {
        return handle_ != nullptr;
    }

    /* One message of contiguous bytes. */
    bool write(const void *data, std::size_t bytes, std::error_code &code) noexcept
    {
        return finish(handle_ ? fls_writer_write(handle_.get(), data, bytes) : closed(), code);
    }

    bool write(std::string_view bytes, std::error_code &code) noexcept
    {
        return write(bytes.data(), bytes.size(), code);
    }

    /* One message in segments: from fls_builder_finish, from flatcc's adapter, or your own. */
    bool write(const fls_payload &payload, std::error_code &code) noexcept
    {
        return finish(handle_ ? fls_writer_write_payload(handle_.get(), &payload) : closed(), code);
    }

    /* A finished flatbuffers::FlatBufferBuilder, or anything else with GetBufferPointer() and
     * GetSize(), or with data() and size(): std::string, std::span, std::vector, DetachedBuffer. */
    template <class T, class = detail::if_writable<T>>
    bool write(const T &message_bytes, std::error_code &code)
    {
        detail::byte_view view = detail::view_bytes(message_bytes, 0);

        return write(view.data, view.bytes, code);
    }

    /* Gives the message away: it is destroyed when its bytes are through (or refused), so a batch
     * keeps it without a copy. `writer.write_owned(builder.Release())`. After errc::again it has
     * been taken: flush until that succeeds. On no_memory and invalid_argument the message may not
     * have been taken. */
    template <class T, class = detail::if_writable<T>,
              class = std::enable_if_t<!std::is_lvalue_reference_v<T>>>
    bool write_owned(T &&given, std::error_code &code)
    {
        using held = detail::held_message<T>;

        if (!handle_)
            return finish(closed(), code);
        held *kept = new (std::nothrow) held(std::move(given));
        if (!kept)
            return finish(FLS_NO_MEMORY, code);
        return write_owned(kept->payload, &held::release, kept, code);
    }

    /* The same for bytes that anyone owns: `release(context)` is called exactly once, also when
     * the writer is empty. */
    bool write_owned(const fls_payload &payload, fls_release_function *release, void *context,
                     std::error_code &code) noexcept
    {
        if (!handle_) {
            release(context);
            return finish(closed(), code);
        }
        return finish(fls_writer_write_owned(handle_.get(), &payload, release, context), code);
    }

    /* Many messages in few gathered writes; returns how many leading ones are through. */
    std::size_t write_batch(const fls_payload *payloads, std::size_t count,
                            std::error_code &code) noexcept
    {
        std::size_t written = 0;

        finish(handle_ ? fls_writer_write_batch(handle_.get(), payloads, count, &written)
                       : closed(),
               code);
        return written;
    }

    bool flush(fls_level level, std::error_code &code) noexcept
    {
        return finish(handle_ ? fls_writer_flush(handle_.get(), level) : closed(), code);
    }

    bool flush(std::error_code &code) noexcept
    {
        return flush(FLS_LEVEL_PROCESS, code);
    }

    /* Sends the batch if it is old enough; *wait_ms as in C. */
    bool flush_due(int *wait_ms, std::error_code &code) noexcept
    {
        return finish(handle_ ? fls_writer_flush_due(handle_.get(), wait_ms) : closed(), code);
    }

    bool add_tap(const fls_tap &tap, std::error_code &code) noexcept
    {
        return finish(handle_ ? fls_writer_add_tap(handle_.get(), &tap) : closed(), code);
    }

    /* Sends what is left, closes an owned sink, and leaves the writer empty, except after
     * errc::again: then call it again. Nothing on an empty writer. */
    bool close(std::error_code &code) noexcept
    {
        fls_error found{};
        fls_status status = handle_ ? fls_writer_close(handle_.get(), &found) : FLS_OK;

        if (status != FLS_AGAIN)
            static_cast<void>(handle_.release());
        if (status == FLS_OK) {
            code.clear();
            return true;
        }
        error_ = detail::matching_error(status, found);
        return detail::report(error_, code);
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

    template <class T, class = detail::if_writable<T>,
              class = std::enable_if_t<!std::is_lvalue_reference_v<T>>>
    void write_owned(T &&given)
    {
        std::error_code code;
        check(write_owned(std::move(given), code));
    }

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

    void close()
    {
        std::error_code code;
        check(close(code));
    }
#endif

    /* The last failed call's error, kept also when opening or closing failed. */
    failure last_error() const noexcept
    {
        return failure(error_);
    }

    /* Where the next message will begin; zeroes when empty. */
    flatstream::position position() const noexcept
    {
        flatstream::position at;

        if (handle_)
            fls_writer_position(handle_.get(), &at.offset, &at.frame);
        return at;
    }

    /* Zeroes when empty. */
    struct fls_writer_counts statistics() const noexcept
    {
        struct fls_writer_counts none = {};

        return handle_ ? fls_writer_statistics(handle_.get()) : none;
    }

    /* For what only the C interface has. */
    fls_writer *get() const noexcept
    {
        return handle_.get();
    }

  private:
    struct closer {
        void operator()(fls_writer *owned) const noexcept
        {
            if (fls_writer_close(owned, nullptr) == FLS_AGAIN)
                fls_writer_abandon(owned);
        }
    };

    bool open(sink &target, const fls_writer_options &options, bool owns,
              std::error_code &code) noexcept
    {
        fls_writer_options all = options;
        fls_writer *opened = nullptr;

        all.owns_sink = owns;
        if (!target) {
            error_ = detail::plain_error(FLS_INVALID_ARGUMENT, "the sink is empty");
            return detail::report(error_, code);
        }
        if (!finish_open(fls_writer_open_versioned(target.get(), &all, sizeof all,
                                                   FLATSTREAM_USE_VERSION, &opened, &error_),
                         code))
            return false;
        handle_.reset(opened);
        if (owns)
            static_cast<void>(target.release());
        return true;
    }

    bool finish_open(fls_status status, std::error_code &code) noexcept
    {
        if (status == FLS_OK)
            error_ = fls_error{};
        return detail::report(error_, code);
    }

    fls_status closed() noexcept
    {
        error_ = detail::plain_error(FLS_INVALID_ARGUMENT, "the writer is empty");
        return FLS_INVALID_ARGUMENT;
    }

    /* What a call came to: the code is set, the error kept. */
    bool finish(fls_status status, std::error_code &code) noexcept
    {
        if (status == FLS_OK) {
            code.clear();
            return true;
        }
        error_ =
            detail::matching_error(status, handle_ ? *fls_writer_error(handle_.get()) : error_);
        return detail::report(error_, code);
    }

#if FLATSTREAM_EXCEPTIONS
    void check(bool well) const
    {
        if (!well)
            throw error(error_);
    }
#endif

    std::unique_ptr<fls_writer, closer> handle_;
    fls_error error_;
};

} // namespace flatstream

#endif
