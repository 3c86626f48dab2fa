/*
 * cpp/bytes.hpp: what can be written: anything that has bytes; and what may be given away: anything
 * that owns them.
 */
#ifndef FLATSTREAM_CPP_BYTES_HPP
#define FLATSTREAM_CPP_BYTES_HPP

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <flatstream/payload.h>

namespace flatstream
{

/*
 * Whether an object owns the bytes of its data() and size(), so that they live as long as it does,
 * wherever it is moved to: what write_owned takes. A view (std::string_view, std::span) has nothing
 * to destroy, which is how it is told; a type that keeps its bytes within itself has neither, so
 * say it for yours: template <> struct flatstream::owns_bytes<mine> : std::true_type {};
 */
template <class T> struct owns_bytes : std::negation<std::is_trivially_destructible<T>> {
};

template <class T, std::size_t Count> struct owns_bytes<std::array<T, Count>> : std::true_type {
};

namespace detail
{

struct byte_view {
    const void *data;
    std::size_t bytes;
};

template <class T, class = void> struct has_bytes : std::false_type {
};

template <class T>
struct has_bytes<
    T, std::void_t<decltype(std::declval<const T &>().data(), std::declval<const T &>().size())>>
    : std::true_type {
};

/* A pointer, or a view, is no data: its bytes would be an address. */
template <class T>
constexpr bool is_plain_data = std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> &&
                               (!has_bytes<T>::value || owns_bytes<T>::value);

/* Anything like FlatBufferBuilder. */
template <class T>
auto view_bytes(const T &builder, int)
    -> decltype(builder.GetBufferPointer(), builder.GetSize(), byte_view())
{
    return {builder.GetBufferPointer(), static_cast<std::size_t>(builder.GetSize())};
}

/* Anything like std::span, std::vector, std::string, DetachedBuffer. */
template <class T>
auto view_bytes(const T &range, long)
    -> std::enable_if_t<is_plain_data<std::remove_pointer_t<decltype(range.data())>> &&
                            std::is_convertible_v<decltype(range.size()), std::size_t>,
                        byte_view>
{
    return {range.data(), static_cast<std::size_t>(range.size()) * sizeof(*range.data())};
}

template <class T> using if_writable = decltype(view_bytes(std::declval<const T &>(), 0));

/* What may be given away: an rvalue (T is then no reference) that owns its bytes. */
template <class T>
constexpr bool may_be_given = !std::is_lvalue_reference_v<T> && owns_bytes<T>::value;

} // namespace detail
} // namespace flatstream

#endif
