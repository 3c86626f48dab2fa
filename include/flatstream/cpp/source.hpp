/*
 * cpp/source.hpp: where bytes come from (source.h).
 */
#ifndef FLATSTREAM_CPP_SOURCE_HPP
#define FLATSTREAM_CPP_SOURCE_HPP

#include <memory>
#include <string_view>

#include <flatstream/cpp/error.hpp>
#include <flatstream/cpp/path.hpp>
#include <flatstream/source.h>

namespace flatstream
{

/* Where bytes come from. Each constructor function returns an empty source when it fails. */
class source
{
  public:
    source() noexcept = default;

    /* Takes over a source of the C interface. */
    explicit source(fls_source *owned) noexcept : handle_(owned)
    {
    }

    static source file(const path_view &path, std::error_code &code) noexcept
    {
        fls_error found{};
        source opened = open_file(path, found);

        detail::report(found, code);
        return opened;
    }

    static source fd(int descriptor, fls_ownership ownership, std::error_code &code) noexcept
    {
        fls_error found{};
        source opened = open_fd(descriptor, ownership, found);

        detail::report(found, code);
        return opened;
    }

    /* The caller's memory, borrowed. */
    static source memory(std::string_view bytes, std::error_code &code) noexcept
    {
        fls_error found{};
        source opened = open_memory(bytes, found);

        detail::report(found, code);
        return opened;
    }

    /* A mapping of a file that must not shrink meanwhile. */
    static source mapped(const path_view &path, std::error_code &code) noexcept
    {
        fls_error found{};
        source opened = open_mapped(path, found);

        detail::report(found, code);
        return opened;
    }

#if FLATSTREAM_EXCEPTIONS
    static source file(const path_view &path)
    {
        fls_error found{};
        return or_throw(open_file(path, found), found);
    }

    static source fd(int descriptor, fls_ownership ownership)
    {
        fls_error found{};
        return or_throw(open_fd(descriptor, ownership, found), found);
    }

    static source memory(std::string_view bytes)
    {
        fls_error found{};
        return or_throw(open_memory(bytes, found), found);
    }

    static source mapped(const path_view &path)
    {
        fls_error found{};
        return or_throw(open_mapped(path, found), found);
    }
#endif

    explicit operator bool() const noexcept
    {
        return handle_ != nullptr;
    }

    void close() noexcept
    {
        handle_.reset();
    }

    fls_source *get() const noexcept
    {
        return handle_.get();
    }

    /* Gives it up: the caller closes it. */
    fls_source *release() noexcept
    {
        return handle_.release();
    }

  private:
    friend class reader;

    struct closer {
        void operator()(fls_source *owned) const noexcept
        {
            fls_source_close(owned);
        }
    };

    static source open_file(const path_view &path, fls_error &found) noexcept
    {
        fls_source *opened = nullptr;

        return source(fls_source_open_file(path.c_str(), 0, &opened, &found) == FLS_OK ? opened
                                                                                       : nullptr);
    }

    static source open_fd(int descriptor, fls_ownership ownership, fls_error &found) noexcept
    {
        fls_source *opened = nullptr;

        return source(fls_source_open_fd(descriptor, ownership, 0, &opened, &found) == FLS_OK
                          ? opened
                          : nullptr);
    }

    static source open_memory(std::string_view bytes, fls_error &found) noexcept
    {
        fls_source *opened = nullptr;

        return source(fls_source_open_memory(bytes.data(), bytes.size(), &opened, &found) == FLS_OK
                          ? opened
                          : nullptr);
    }

    static source open_mapped(const path_view &path, fls_error &found) noexcept
    {
        fls_source *opened = nullptr;

        return source(fls_source_open_mmap(path.c_str(), &opened, &found) == FLS_OK ? opened
                                                                                    : nullptr);
    }

#if FLATSTREAM_EXCEPTIONS
    static source or_throw(source opened, const fls_error &found)
    {
        if (!opened)
            throw error(found);
        return opened;
    }
#endif

    std::unique_ptr<fls_source, closer> handle_;
};

} // namespace flatstream

#endif
