/*
 * cpp/sink.hpp: where bytes go (sink.h).
 */
#ifndef FLATSTREAM_CPP_SINK_HPP
#define FLATSTREAM_CPP_SINK_HPP

#include <cstddef>
#include <string_view>
#include <utility>

#include <flatstream/cpp/handle.hpp>
#include <flatstream/cpp/path.hpp>
#include <flatstream/sink.h>

namespace flatstream
{

namespace detail
{

struct c_sink {
    using type = fls_sink;
    static constexpr const char *name = "sink";
    static constexpr const char *empty = "the sink is empty";

    static fls_status close(fls_sink *owned, fls_error *found) noexcept
    {
        return fls_sink_close(owned, found);
    }

    static void last(fls_sink *, fls_error *) noexcept
    {
    }
};

/* What a C function that opens something came to: an object that is empty when it failed. */
template <class Object, class C, class Open>
Object open_or_report(Open &&open, std::error_code &code) noexcept
{
    typename C::type *opened = nullptr;
    fls_error found{};
    fls_status status = open(&opened, &found);

    report(matching_error(status, found), code);
    return Object(status == FLS_OK ? opened : nullptr);
}

#if FLATSTREAM_EXCEPTIONS
template <class Object, class C, class Open> Object open_or_throw(Open &&open)
{
    typename C::type *opened = nullptr;
    fls_error found{};
    fls_status status = open(&opened, &found);

    if (status != FLS_OK)
        throw error(matching_error(status, found));
    return Object(opened);
}
#endif

} // namespace detail

/* Where bytes go. Each constructor function returns an empty sink when it fails. */
class sink : public detail::handle<detail::c_sink>
{
    static auto file_opener(const path_view &path, fls_file_mode mode) noexcept
    {
        return [&path, mode](fls_sink **opened, fls_error *found) {
            return fls_sink_open_file(path.c_str(), mode, opened, found);
        };
    }

    static auto fd_opener(int descriptor, fls_ownership ownership) noexcept
    {
        return [descriptor, ownership](fls_sink **opened, fls_error *found) {
            return fls_sink_open_fd(descriptor, ownership, opened, found);
        };
    }

    static auto memory_opener(std::size_t bytes_max) noexcept
    {
        return [bytes_max](fls_sink **opened, fls_error *found) {
            return fls_sink_open_memory(bytes_max, opened, found);
        };
    }

    static auto fixed_opener(void *memory, std::size_t capacity) noexcept
    {
        return [memory, capacity](fls_sink **opened, fls_error *found) {
            return fls_sink_open_fixed_memory(memory, capacity, opened, found);
        };
    }

  public:
    sink() noexcept = default;

    /* Takes over a sink of the C interface. Its functions must not throw. */
    explicit sink(fls_sink *owned) noexcept : handle(owned)
    {
    }

    static sink file(const path_view &path, fls_file_mode mode, std::error_code &code) noexcept
    {
        return detail::open_or_report<sink, detail::c_sink>(file_opener(path, mode), code);
    }

    static sink fd(int descriptor, fls_ownership ownership, std::error_code &code) noexcept
    {
        return detail::open_or_report<sink, detail::c_sink>(fd_opener(descriptor, ownership), code);
    }

    /* Memory that grows, up to `bytes_max` (0: no bound). */
    static sink memory(std::size_t bytes_max, std::error_code &code) noexcept
    {
        return detail::open_or_report<sink, detail::c_sink>(memory_opener(bytes_max), code);
    }

    static sink memory(std::error_code &code) noexcept
    {
        return memory(0, code);
    }

    /* The caller's memory, borrowed. */
    static sink fixed_memory(void *memory, std::size_t capacity, std::error_code &code) noexcept
    {
        return detail::open_or_report<sink, detail::c_sink>(fixed_opener(memory, capacity), code);
    }

#if FLATSTREAM_EXCEPTIONS
    static sink file(const path_view &path, fls_file_mode mode)
    {
        return detail::open_or_throw<sink, detail::c_sink>(file_opener(path, mode));
    }

    static sink fd(int descriptor, fls_ownership ownership)
    {
        return detail::open_or_throw<sink, detail::c_sink>(fd_opener(descriptor, ownership));
    }

    static sink memory(std::size_t bytes_max = 0)
    {
        return detail::open_or_throw<sink, detail::c_sink>(memory_opener(bytes_max));
    }

    static sink fixed_memory(void *memory, std::size_t capacity)
    {
        return detail::open_or_throw<sink, detail::c_sink>(fixed_opener(memory, capacity));
    }
#endif

    /* What was written to a sink in memory, valid until the next write; empty for any other. */
    std::string_view bytes() const &noexcept
    {
        std::size_t length = 0;
        const void *data = object_ ? fls_sink_memory_bytes(object_, &length) : nullptr;

        return {static_cast<const char *>(data), data ? length : 0};
    }
    std::string_view bytes() const && = delete;

    /* Forgets what was written to a sink in memory. */
    void clear() noexcept
    {
        if (object_)
            fls_sink_memory_clear(object_);
    }

    /* Closes it, and says whether the last bytes are safe. Nothing on an empty sink. */
    bool close(std::error_code &code) noexcept
    {
        fls_error found{};

        return finish_close(fls_sink_close(object_, &found), found, code);
    }

#if FLATSTREAM_EXCEPTIONS
    void close()
    {
        std::error_code code;
        check(close(code));
    }
#endif

    /* Gives it up: the caller closes it. */
    [[nodiscard]] fls_sink *release() noexcept
    {
        return std::exchange(object_, nullptr);
    }
};

} // namespace flatstream

#endif
