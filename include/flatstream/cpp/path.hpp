/*
 * cpp/path.hpp: a file's name, from whatever holds one.
 */
#ifndef FLATSTREAM_CPP_PATH_HPP
#define FLATSTREAM_CPP_PATH_HPP

#include <type_traits>
#include <utility>

namespace flatstream
{

/* A file's name: from a string literal, std::string or std::filesystem::path. For parameters. */
class path_view
{
  public:
    path_view(const char *text) noexcept : text_(text)
    {
    }

    template <class T, class = std::enable_if_t<std::is_convertible_v<
                           decltype(std::declval<const T &>().c_str()), const char *>>>
    path_view(const T &path) noexcept : text_(path.c_str())
    {
    }

    const char *c_str() const noexcept
    {
        return text_;
    }

  private:
    const char *text_;
};

} // namespace flatstream

#endif
