/*
 * cpp/builder.hpp: makes FlatBuffers whose large strings and vectors stay where they are
 * (builder.h), for whom no code was generated.
 */
#ifndef FLATSTREAM_CPP_BUILDER_HPP
#define FLATSTREAM_CPP_BUILDER_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include <flatstream/builder.h>
#include <flatstream/cpp/bytes.hpp>
#include <flatstream/cpp/handle.hpp>
#include <flatstream/cpp/source.hpp>

namespace flatstream
{

namespace detail
{

struct c_builder {
    using type = fls_builder;
    static constexpr const char *name = "builder";
    static constexpr const char *empty = "the builder is empty";

    /* An error that no finish has told is lost with it. */
    static fls_status close(fls_builder *owned, fls_error *found) noexcept
    {
        *found = *fls_builder_error(owned);
        fls_builder_close(owned);
        return found->status;
    }

    static void last(fls_builder *from, fls_error *found) noexcept
    {
        *found = *fls_builder_error(from);
    }
};

} // namespace detail

/* What was made, in the message that is being built; nothing when default-constructed. */
struct builder_ref {
    std::uint32_t raw = 0;
};

/*
 * A builder. Errors are sticky, as in C: after the first every call does nothing, and finish tells
 * the cause; so the calls between need not be looked at. What has no function here is reached
 * through get(). An empty builder refuses to finish, and must not be called otherwise.
 */
class builder : public detail::handle<detail::c_builder>
{
  public:
    builder() noexcept = default;

    builder(const fls_builder_options &options, std::error_code &code) noexcept
    {
        open(options, code);
    }

    explicit builder(std::error_code &code) noexcept : builder(fls_builder_options(), code)
    {
    }

#if FLATSTREAM_EXCEPTIONS
    explicit builder(const fls_builder_options &options)
    {
        std::error_code code;
        check(open(options, code));
    }
#endif

    /* The next message; forgets the present one and its error. */
    void reset() noexcept
    {
        fls_builder_reset(object_);
    }

    /* --- strings and vectors, made before the table that refers to them --- */

    builder_ref create_string(std::string_view text) noexcept
    {
        return {fls_builder_create_string(object_, text.data(), text.size())};
    }

    builder_ref create_shared_string(std::string_view text) noexcept
    {
        return {fls_builder_create_shared_string(object_, text.data(), text.size())};
    }

    /* Stays where it is, unchanged until the message was written: so no temporary is taken. */
    builder_ref reference_string(std::string_view text) noexcept
    {
        return {fls_builder_reference_string(object_, text.data(), text.size())};
    }

    template <class T, class = detail::if_temporary<T>> builder_ref reference_string(T &&) = delete;

    /* Scalars, or structs in wire order: anything with data() and size(). */
    template <class Range> builder_ref create_vector(const Range &elements) noexcept
    {
        using element = std::remove_cv_t<std::remove_pointer_t<decltype(elements.data())>>;
        static_assert(detail::is_plain_data<element>, "elements are scalars or structs");

        if constexpr (std::is_arithmetic_v<element> || std::is_enum_v<element>)
            return {fls_builder_create_scalar_vector(object_, elements.data(), elements.size(),
                                                     sizeof(element))};
        else
            return {fls_builder_create_vector(object_, elements.data(), elements.size(),
                                              sizeof(element), alignof(element))};
    }

    /* Stays where it is, as reference_string. */
    template <class Range> builder_ref reference_vector(const Range &elements) noexcept
    {
        using element = std::remove_cv_t<std::remove_pointer_t<decltype(elements.data())>>;
        static_assert(detail::is_plain_data<element>, "elements are scalars or structs");

        return {fls_builder_reference_vector(object_, elements.data(), elements.size(),
                                             sizeof(element), alignof(element))};
    }

    template <class T, class = detail::if_temporary<T>> builder_ref reference_vector(T &&) = delete;

    /* --- tables --- */

    void start_table() noexcept
    {
        fls_builder_start_table(object_);
    }

    builder_ref end_table() noexcept
    {
        return {fls_builder_end_table(object_)};
    }

    /* A scalar, left out when it equals its default: by the type of `value`, which is the field's:
     * bool, the integers, float, double, or an enum of one of these. */
    template <class T> void add(std::uint32_t field, T value, T default_value = T()) noexcept
    {
        if constexpr (std::is_enum_v<T>)
            add(field, static_cast<std::underlying_type_t<T>>(value),
                static_cast<std::underlying_type_t<T>>(default_value));
        else if constexpr (std::is_same_v<T, bool>)
            fls_builder_add_bool(object_, field, value, default_value);
        else if constexpr (std::is_same_v<T, double>)
            fls_builder_add_f64(object_, field, value, default_value);
        else if constexpr (std::is_same_v<T, float>)
            fls_builder_add_f32(object_, field, value, default_value);
        else
            add_integer(field, value, default_value);
    }

    void add(std::uint32_t field, builder_ref made) noexcept
    {
        fls_builder_add_ref(object_, field, made.raw);
    }

    template <class Struct> void add_struct(std::uint32_t field, const Struct &value) noexcept
    {
        static_assert(detail::is_plain_data<Struct>, "a struct is plain data");
        fls_builder_add_struct(object_, field, &value, sizeof value, alignof(Struct));
    }

    void add_union(std::uint32_t field, std::uint8_t type, builder_ref value) noexcept
    {
        fls_builder_add_union(object_, field, type, value.raw);
    }

    /* Fails unless the field of the open table is set. */
    void require(std::uint32_t field) noexcept
    {
        fls_builder_require(object_, field);
    }

    /* --- the end --- */

    /* The message, with a file identifier of four characters unless that is nullptr; empty on an
     * error. It lives in the builder until its reset or end. */
    fls_payload finish_message(builder_ref root, const char *identifier,
                               std::error_code &code) &noexcept
    {
        fls_payload made{};

        finish(object_ ? fls_builder_finish(object_, root.raw, identifier, &made) : empty(), code);
        return made;
    }
    fls_payload finish_message(builder_ref root, const char *identifier,
                               std::error_code &code) && = delete;

    fls_payload finish_message(builder_ref root, std::error_code &code) &noexcept
    {
        return finish_message(root, nullptr, code);
    }
    fls_payload finish_message(builder_ref root, std::error_code &code) && = delete;

#if FLATSTREAM_EXCEPTIONS
    fls_payload finish_message(builder_ref root, const char *identifier = nullptr) &
    {
        std::error_code code;
        fls_payload made = finish_message(root, identifier, code);

        check(!code);
        return made;
    }
    fls_payload finish_message(builder_ref root, const char *identifier = nullptr) && = delete;
#endif

    /* How the message must lie to be read in place. */
    std::uint32_t alignment() const noexcept
    {
        return object_ ? fls_builder_alignment(object_) : 1;
    }

    struct fls_builder_counts statistics() const noexcept
    {
        struct fls_builder_counts none = {};

        return object_ ? fls_builder_statistics(object_) : none;
    }

    void close() noexcept
    {
        drop();
    }

  private:
    bool open(const fls_builder_options &options, std::error_code &code) noexcept
    {
        fls_error found{};
        fls_builder *opened = nullptr;
        fls_status status = fls_builder_open(&options, &opened, &found);

        return adopt(status, opened, found, code);
    }

    template <class T> void add_integer(std::uint32_t field, T value, T default_value) noexcept
    {
        static_assert(std::is_integral_v<T>, "a scalar field: see above");
        constexpr bool is_signed = std::is_signed_v<T>;

        if constexpr (sizeof(T) == 1 && is_signed)
            fls_builder_add_i8(object_, field, static_cast<std::int8_t>(value),
                               static_cast<std::int8_t>(default_value));
        else if constexpr (sizeof(T) == 1)
            fls_builder_add_u8(object_, field, static_cast<std::uint8_t>(value),
                               static_cast<std::uint8_t>(default_value));
        else if constexpr (sizeof(T) == 2 && is_signed)
            fls_builder_add_i16(object_, field, value, default_value);
        else if constexpr (sizeof(T) == 2)
            fls_builder_add_u16(object_, field, value, default_value);
        else if constexpr (sizeof(T) == 4 && is_signed)
            fls_builder_add_i32(object_, field, value, default_value);
        else if constexpr (sizeof(T) == 4)
            fls_builder_add_u32(object_, field, value, default_value);
        else if constexpr (is_signed)
            fls_builder_add_i64(object_, field, value, default_value);
        else
            fls_builder_add_u64(object_, field, value, default_value);
    }
};

} // namespace flatstream

#endif
