/*
 * cpp/error.hpp: errors as codes, and as exceptions where there are any; and what a destructor had
 * to drop.
 */
#ifndef FLATSTREAM_CPP_ERROR_HPP
#define FLATSTREAM_CPP_ERROR_HPP

#include <atomic>
#include <cstdio>
#include <string>
#include <system_error>
#include <type_traits>

#include <flatstream/status.h>

/* Whether the throwing functions are there. */
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
#define FLATSTREAM_EXCEPTIONS 1
#else
#define FLATSTREAM_EXCEPTIONS 0
#endif

namespace flatstream
{

/* What happened; the values are those of enum fls_status, but for the last. */
enum class errc {
    end = FLS_END,
    again = FLS_AGAIN,
    stopped = FLS_STOPPED,
    unexpected_end = FLS_UNEXPECTED_END,
    checksum_mismatch = FLS_CHECKSUM_MISMATCH,
    invalid_frame = FLS_INVALID_FRAME,
    invalid_flatbuffer = FLS_INVALID_FLATBUFFER,
    validation_failed = FLS_VALIDATION_FAILED,
    invalid_argument = FLS_INVALID_ARGUMENT,
    too_small = FLS_TOO_SMALL,
    limit = FLS_LIMIT,
    busy = FLS_BUSY,
    unsupported = FLS_UNSUPPORTED,
    io = FLS_IO,
    no_memory = FLS_NO_MEMORY,
    callback_threw =
        200 /* a tap, checksum, clock, policy or release of the caller's: exception() */
};

namespace detail
{

/* A code's value: the status, and above it the system's errno. */
constexpr int errno_shift = 8;
constexpr int status_mask = (1 << errno_shift) - 1;

class error_category final : public std::error_category
{
  public:
    const char *name() const noexcept override
    {
        return "flatstream";
    }

    std::string message(int value) const override
    {
        if (value == static_cast<int>(errc::callback_threw))
            return "a callback threw an exception";
        std::string text = fls_status_text(static_cast<fls_status>(value & status_mask));

        if (value >> errno_shift)
            text += ": " + std::generic_category().message(value >> errno_shift);
        return text;
    }

    /* What the standard library calls it, where it has a name for it. */
    std::error_condition default_error_condition(int value) const noexcept override
    {
        switch (value & status_mask) {
        case FLS_IO:
            return {value >> errno_shift ? value >> errno_shift
                                         : static_cast<int>(std::errc::io_error),
                    std::generic_category()};
        case FLS_AGAIN:
            return std::errc::operation_would_block;
        case FLS_INVALID_ARGUMENT:
            return std::errc::invalid_argument;
        case FLS_NO_MEMORY:
            return std::errc::not_enough_memory;
        case FLS_UNSUPPORTED:
            return std::errc::not_supported;
        default:
            return {value & status_mask, *this};
        }
    }

    using std::error_category::equivalent;

    /* A code equals both its errc, whatever the errno, and the standard library's condition. */
    bool equivalent(int value, const std::error_condition &condition) const noexcept override
    {
        if (condition.category() == *this)
            return condition.value() == (value & status_mask);
        return default_error_condition(value) == condition;
    }
};

} // namespace detail

inline const std::error_category &category() noexcept
{
    static const detail::error_category only;
    return only;
}

inline std::error_condition make_error_condition(errc condition) noexcept
{
    return {static_cast<int>(condition), category()};
}

inline std::error_code make_error_code(errc condition) noexcept
{
    return {static_cast<int>(condition), category()};
}

/* The code for an error of the C interface; no error gives a cleared code. */
inline std::error_code make_error_code(const fls_error &error) noexcept
{
    return {static_cast<int>(error.status) |
                (error.status == FLS_IO ? error.os_errno << detail::errno_shift : 0),
            category()};
}

/* An error with its particulars: frame, offset, what was expected and what was found. A value. */
class failure
{
  public:
    failure() noexcept : raw_()
    {
    }

    explicit failure(const fls_error &raw, bool threw = false) noexcept : raw_(raw), threw_(threw)
    {
    }

    /* Whether there was one. */
    explicit operator bool() const noexcept
    {
        return raw_.status != FLS_OK;
    }

    fls_status status() const noexcept
    {
        return raw_.status;
    }

    std::error_code code() const noexcept
    {
        return threw_ ? make_error_code(errc::callback_threw) : make_error_code(raw_);
    }

    /* One line that a person can act on (fls_error_format). */
    std::string message() const
    {
        std::string text(fls_error_format(&raw_, nullptr, 0), '\0');

        fls_error_format(&raw_, text.data(), text.size() + 1);
        return text;
    }

    const fls_error &raw() const noexcept
    {
        return raw_;
    }

  private:
    fls_error raw_;
    bool threw_ = false;
};

/*
 * What is told of a loss that no call reported: a destructor met an error (of sending, of closing,
 * of a callback), or could not send what there was. `text` is one line without a newline. Unless a
 * program sets its own, which may abort, it is printed on stderr, and with NDEBUG nothing is done.
 */
using drop_handler = void (*)(const char *text);

namespace detail
{

#ifdef NDEBUG
constexpr bool drops_are_told = false;
#else
constexpr bool drops_are_told = true;
#endif

inline void print_drop(const char *text) noexcept
{
    std::fprintf(stderr, "%s\n", text);
}

inline std::atomic<drop_handler> drops_go_to{drops_are_told ? print_drop : nullptr};

/* Says that the destructor of a `what` dropped this. */
inline void tell_of_drop(const char *what, const fls_error &found) noexcept
{
    drop_handler handler = drops_go_to.load();
    char text[512], line[600];

    if (!handler)
        return;
    fls_error_format(&found, text, sizeof text);
    std::snprintf(line, sizeof line, "flatstream: dropped by the destructor of a %s: %s", what,
                  text);
    handler(line);
}

} // namespace detail

/* Sets who is told; nullptr: nobody. Returns who was before. Any thread. */
inline drop_handler set_drop_handler(drop_handler handler) noexcept
{
    return detail::drops_go_to.exchange(handler);
}

#if FLATSTREAM_EXCEPTIONS
/* What the throwing functions throw. what() is the full line; code() as the other form sets it. */
class error : public std::system_error
{
  public:
    explicit error(const fls_error &raw) : error(failure(raw))
    {
    }

    explicit error(const failure &what) : std::system_error(what.code()), details_(what)
    {
        fls_error_format(&what.raw(), text_, sizeof text_);
    }

    const char *what() const noexcept override
    {
        return text_;
    }

    const failure &details() const noexcept
    {
        return details_;
    }

  private:
    failure details_;
    char text_[512];
};
#endif

namespace detail
{

inline fls_error plain_error(fls_status status, const char *reason) noexcept
{
    fls_error made{};

    made.status = status;
    std::snprintf(made.reason, sizeof made.reason, "%s", reason);
    return made;
}

/* The error of a call that returned `status`; an object keeps one from an earlier call when this
 * status has no particulars. */
inline fls_error matching_error(fls_status status, const fls_error &kept) noexcept
{
    return kept.status == status ? kept : plain_error(status, "");
}

inline bool same_error(const fls_error &one, const fls_error &other) noexcept
{
    return one.status == other.status && one.os_errno == other.os_errno &&
           one.has_frame == other.has_frame && one.frame == other.frame &&
           one.offset == other.offset;
}

inline bool report(const fls_error &found, std::error_code &code) noexcept
{
    code = make_error_code(found);
    return found.status == FLS_OK;
}

} // namespace detail

} // namespace flatstream

/* `code == flatstream::errc::io` compares as a condition: whatever the errno. */
template <> struct std::is_error_condition_enum<flatstream::errc> : std::true_type {
};

#endif
