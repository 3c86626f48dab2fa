/*
 * cpp/bytes.hpp: what can be written: anything that has bytes.
 */
#ifndef FLATSTREAM_CPP_BYTES_HPP
#define FLATSTREAM_CPP_BYTES_HPP

#include <cstddef>
#include <type_traits>
#include <utility>

#include <flatstream/payload.h>

namespace flatstream
{

namespace detail
{

/* --- what can be written --- */

struct byte_view {
    const void *data;
    std::size_t bytes;
};

/* Anything like FlatBufferBuilder. */
template <class T>
auto view_bytes(const T &builder, int)
    -> decltype(builder.GetBufferPointer(), builder.GetSize(), byte_view())
{
    return {builder.GetBufferPointer(), static_cast<std::size_t>(builder.GetSize())};
}

/* Anything like std::span, std::vector, std::string, DetachedBuffer. */
template <class T>
auto view_bytes(const T &range, long) -> std::enable_if_t<
    std::is_trivially_copyable_v<std::remove_pointer_t<decltype(range.data())>> &&
        std::is_convertible_v<decltype(range.size()), std::size_t>,
    byte_view>
{
    return {range.data(), static_cast<std::size_t>(range.size()) * sizeof(*range.data())};
}

template <class T> using if_writable = decltype(view_bytes(std::declval<const T &>(), 0));

/* A message that the writer owns until it is through. */
template <class T> struct held_message {
    explicit held_message(T &&given) : owner(std::move(given)), segment(), payload()
    {
        byte_view view = view_bytes(static_cast<const T &>(owner), 0);

        segment.iov_base = const_cast<void *>(view.data);
        segment.iov_len = view.bytes;
        payload = {&segment, 1, view.bytes};
    }
    held_message(const held_message &) = delete;
    held_message &operator=(const held_message &) = delete;

    static void release(void *self)
    {
        delete static_cast<held_message *>(self);
    }

    T owner;
    iovec segment;
    fls_payload payload;
};

} // namespace detail

} // namespace flatstream

#endif
