/*
 * cpp/source.hpp: where bytes come from (source.h).
 */
#ifndef FLATSTREAM_CPP_SOURCE_HPP
#define FLATSTREAM_CPP_SOURCE_HPP

#include <string_view>
#include <type_traits>
#include <utility>

#include <flatstream/cpp/sink.hpp>
#include <flatstream/source.h>

namespace flatstream
{

namespace detail
{

struct c_source {
    using type = fls_source;
    static constexpr const char *name = "source";
    static constexpr const char *empty = "the source is empty";

    static fls_status close(fls_source *owned, fls_error *) noexcept
    {
        fls_source_close(owned);
        return FLS_OK;
    }

    static void last(fls_source *, fls_error *) noexcept
    {
    }
};

/* A string or vector that is gone when the statement is: nothing to borrow from. */
template <class T>
using if_temporary =
    std::enable_if_t<!std::is_lvalue_reference_v<T> && has_bytes<T>::value && owns_bytes<T>::value>;

} // namespace detail

/* Where bytes come from. Each constructor function returns an empty source when it fails. */
class source : public detail::handle<detail::c_source>
{
    static auto file_opener(const path_view &path) noexcept
    {
        return [&path](fls_source **opened, fls_error *found) {
            return fls_source_open_file(path.c_str(), 0, opened, found);
        };
    }

    static auto fd_opener(int descriptor, fls_ownership ownership) noexcept
    {
        return [descriptor, ownership](fls_source **opened, fls_error *found) {
            return fls_source_open_fd(descriptor, ownership, 0, opened, found);
        };
    }

    static auto memory_opener(std::string_view bytes) noexcept
    {
        return [bytes](fls_source **opened, fls_error *found) {
            return fls_source_open_memory(bytes.data(), bytes.size(), opened, found);
        };
    }

    static auto mapping_opener(const path_view &path) noexcept
    {
        return [&path](fls_source **opened, fls_error *found) {
            return fls_source_open_mmap(path.c_str(), opened, found);
        };
    }

  public:
    source() noexcept = default;

    /* Takes over a source of the C interface. Its functions must not throw. */
    explicit source(fls_source *owned) noexcept : handle(owned)
    {
    }

    static source file(const path_view &path, std::error_code &code) noexcept
    {
        return detail::open_or_report<source, detail::c_source>(file_opener(path), code);
    }

    static source fd(int descriptor, fls_ownership ownership, std::error_code &code) noexcept
    {
        return detail::open_or_report<source, detail::c_source>(fd_opener(descriptor, ownership),
                                                                code);
    }

    /* The caller's memory, borrowed: it must outlive the source, so a temporary is refused. */
    static source memory(std::string_view bytes, std::error_code &code) noexcept
    {
        return detail::open_or_report<source, detail::c_source>(memory_opener(bytes), code);
    }

    template <class T, class = detail::if_temporary<T>>
    static source memory(T &&, std::error_code &) = delete;

    /* A mapping of a file that must not shrink meanwhile. */
    static source mapped(const path_view &path, std::error_code &code) noexcept
    {
        return detail::open_or_report<source, detail::c_source>(mapping_opener(path), code);
    }

#if FLATSTREAM_EXCEPTIONS
    static source file(const path_view &path)
    {
        return detail::open_or_throw<source, detail::c_source>(file_opener(path));
    }

    static source fd(int descriptor, fls_ownership ownership)
    {
        return detail::open_or_throw<source, detail::c_source>(fd_opener(descriptor, ownership));
    }

    static source memory(std::string_view bytes)
    {
        return detail::open_or_throw<source, detail::c_source>(memory_opener(bytes));
    }

    template <class T, class = detail::if_temporary<T>> static source memory(T &&) = delete;

    static source mapped(const path_view &path)
    {
        return detail::open_or_throw<source, detail::c_source>(mapping_opener(path));
    }
#endif

    void close() noexcept
    {
        drop();
    }

    /* Gives it up: the caller closes it. */
    [[nodiscard]] fls_source *release() noexcept
    {
        return std::exchange(object_, nullptr);
    }
};

} // namespace flatstream

#endif
