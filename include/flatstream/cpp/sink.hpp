/*
 * cpp/sink.hpp: where bytes go (sink.h).
 */
#ifndef FLATSTREAM_CPP_SINK_HPP
#define FLATSTREAM_CPP_SINK_HPP

#include <cstddef>
#include <memory>
#include <string_view>

#include <flatstream/cpp/error.hpp>
#include <flatstream/cpp/path.hpp>
#include <flatstream/sink.h>

namespace flatstream
{

/* Where bytes go. Each constructor function returns an empty sink when it fails. */
class sink
{
  public:
    sink() noexcept = default;

    /* Takes over a sink of the C interface. */
    explicit sink(fls_sink *owned) noexcept : handle_(owned)
    {
    }

    static sink file(const path_view &path, fls_file_mode mode, std::error_code &code) noexcept
    {
        fls_error found{};
        sink opened = open_file(path, mode, found);

        detail::report(found, code);
        return opened;
    }

    static sink fd(int descriptor, fls_ownership ownership, std::error_code &code) noexcept
    {
        fls_error found{};
        sink opened = open_fd(descriptor, ownership, found);

        detail::report(found, code);
        return opened;
    }

    /* Memory that grows, up to `bytes_max` (0: no bound). */
    static sink memory(std::size_t bytes_max, std::error_code &code) noexcept
    {
        fls_error found{};
        sink opened = open_memory(bytes_max, found);

        detail::report(found, code);
        return opened;
    }

    /* The caller's memory, borrowed. */
    static sink fixed_memory(void *memory, std::size_t capacity, std::error_code &code) noexcept
    {
        fls_error found{};
        sink opened = open_fixed(memory, capacity, found);

        detail::report(found, code);
        return opened;
    }

#if FLATSTREAM_EXCEPTIONS
    static sink file(const path_view &path, fls_file_mode mode)
    {
        fls_error found{};
        return or_throw(open_file(path, mode, found), found);
    }

    static sink fd(int descriptor, fls_ownership ownership)
    {
        fls_error found{};
        return or_throw(open_fd(descriptor, ownership, found), found);
    }

    static sink memory(std::size_t bytes_max = 0)
    {
        fls_error found{};
        return or_throw(open_memory(bytes_max, found), found);
    }

    static sink fixed_memory(void *memory, std::size_t capacity)
    {
        fls_error found{};
        return or_throw(open_fixed(memory, capacity, found), found);
    }
#endif

    explicit operator bool() const noexcept
    {
        return handle_ != nullptr;
    }

    /* What was written to a sink in memory, valid until the next write; empty for any other. */
    std::string_view bytes() const noexcept
    {
        std::size_t length = 0;
        const void *data = handle_ ? fls_sink_memory_bytes(handle_.get(), &length) : nullptr;

        return {static_cast<const char *>(data), data ? length : 0};
    }

    /* Forgets what was written to a sink in memory. */
    void clear() noexcept
    {
        if (handle_)
            fls_sink_memory_clear(handle_.get());
    }

    /* Closes it, and says whether the last bytes are safe. Nothing on an empty sink. */
    bool close(std::error_code &code) noexcept
    {
        return detail::report(close_it(), code);
    }

#if FLATSTREAM_EXCEPTIONS
    void close()
    {
        fls_error found = close_it();

        if (found.status != FLS_OK)
            throw error(found);
    }
#endif

    fls_sink *get() const noexcept
    {
        return handle_.get();
    }

    /* Gives it up: the caller closes it. */
    fls_sink *release() noexcept
    {
        return handle_.release();
    }

  private:
    friend class writer;

    struct closer {
        void operator()(fls_sink *owned) const noexcept
        {
            fls_sink_close(owned, nullptr);
        }
    };

    static sink open_file(const path_view &path, fls_file_mode mode, fls_error &found) noexcept
    {
        fls_sink *opened = nullptr;

        return sink(fls_sink_open_file(path.c_str(), mode, &opened, &found) == FLS_OK ? opened
                                                                                      : nullptr);
    }

    static sink open_fd(int descriptor, fls_ownership ownership, fls_error &found) noexcept
    {
        fls_sink *opened = nullptr;

        return sink(fls_sink_open_fd(descriptor, ownership, &opened, &found) == FLS_OK ? opened
                                                                                       : nullptr);
    }

    static sink open_memory(std::size_t bytes_max, fls_error &found) noexcept
    {
        fls_sink *opened = nullptr;

        return sink(fls_sink_open_memory(bytes_max, &opened, &found) == FLS_OK ? opened : nullptr);
    }

    static sink open_fixed(void *memory, std::size_t capacity, fls_error &found) noexcept
    {
        fls_sink *opened = nullptr;

        return sink(fls_sink_open_fixed_memory(memory, capacity, &opened, &found) == FLS_OK
                        ? opened
                        : nullptr);
    }

#if FLATSTREAM_EXCEPTIONS
    static sink or_throw(sink opened, const fls_error &found)
    {
        if (!opened)
            throw error(found);
        return opened;
    }
#endif

    fls_error close_it() noexcept
    {
        fls_error found{};

        if (fls_sink_close(handle_.release(), &found) == FLS_OK)
            found = fls_error{};
        return found;
    }

    std::unique_ptr<fls_sink, closer> handle_;
};

} // namespace flatstream

#endif
