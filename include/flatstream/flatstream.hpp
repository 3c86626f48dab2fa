/*
 * flatstream.hpp: flatstream for C++17 and later. Header-only, over the C interface; it names
 * nothing of the flatbuffers library, so it works with whichever version made your code.
 *
 *     flatstream::writer writer("readings.fls", FLS_FILE_CREATE_NEW,
 *                               flatstream::writer_options().with_checksum(FLS_CHECKSUM_XXH3));
 *     flatbuffers::FlatBufferBuilder builder;
 *     builder.Finish(CreateReading(builder, 21.5));
 *     writer.write(builder);
 *     writer.close();
 *
 *     flatstream::reader reader("readings.fls",
 *                               flatstream::reader_options().with_checksum(FLS_CHECKSUM_XXH3));
 *     for (auto &message : reader)
 *         use(message.verified_root<Reading>()->celsius());
 *
 * Errors: the caller's choice, as in std::filesystem. A function called without a std::error_code
 * throws flatstream::error, which carries the struct fls_error and its text. The same function
 * called with one throws nothing: it sets or clears the code. Compiled without exceptions only
 * those are there. The code's category is flatstream::category(). Compare it with
 *     flatstream::errc    what happened (`code == flatstream::errc::checksum_mismatch`)
 *     std::errc           the system's reason (`code == std::errc::no_space_on_device`)
 * Where exactly it happened, and with which numbers, last_error().message() of the writer or reader
 * says: "frame 2 at byte 18: payload ends after 150 of 300 bytes".
 *
 * Ownership: sink, source, writer and reader own what they are named after and can be moved, not
 * copied. Destructors close and throw nothing: what fails there is lost, so call close() to know.
 * An object that is empty (default-constructed, moved from, closed) answers every call with
 * errc::invalid_argument. A writer or reader that is given a sink or source as an rvalue owns it;
 * as an lvalue it borrows it, and the sink or source must outlive it (and may be moved meanwhile).
 * Taps, checksums, clocks and policies in the options are borrowed as in C.
 *
 * What a call does, and what a message's lifetime is, is what writer.h, reader.h, sink.h and
 * source.h say of the C function of the same name; here stands only what differs. An object belongs
 * to one thread at a time. One program should define one FLATSTREAM_USE_VERSION.
 */
#ifndef FLATSTREAM_FLATSTREAM_HPP
#define FLATSTREAM_FLATSTREAM_HPP

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <flatstream/flatstream.h>

/* Whether the throwing functions are there. */
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
#define FLATSTREAM_EXCEPTIONS 1
#else
#define FLATSTREAM_EXCEPTIONS 0
#endif

namespace flatstream
{

/* ---- errors ---- */

/* What happened; the values are those of enum fls_status. */
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
    no_memory = FLS_NO_MEMORY
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

    explicit failure(const fls_error &raw) noexcept : raw_(raw)
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
        return make_error_code(raw_);
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
};

#if FLATSTREAM_EXCEPTIONS
/* What the throwing functions throw. what() is the full line; code() as the other form sets it. */
class error : public std::system_error
{
  public:
    explicit error(const fls_error &raw) : std::system_error(make_error_code(raw)), details_(raw)
    {
        fls_error_format(&raw, text_, sizeof text_);
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
    for (std::size_t i = 0; reason[i] && i + 1 < sizeof made.reason; i++)
        made.reason[i] = reason[i];
    return made;
}

/* Takes over the error of a call that returned `status`; the object keeps one from an earlier call
 * when this status has no particulars. */
inline fls_error matching_error(fls_status status, const fls_error &kept) noexcept
{
    return kept.status == status ? kept : plain_error(status, "");
}

inline bool report(const fls_error &found, std::error_code &code) noexcept
{
    code = make_error_code(found);
    return found.status == FLS_OK;
}

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

/* --- verifying generated tables: the verifier's type is taken from T::Verify itself --- */

template <class Verifier, class T> Verifier *verifier_argument(bool (T::*verify)(Verifier &) const);

template <class T, class = void> struct verifier_for {
    using type = std::remove_pointer_t<decltype(verifier_argument(&T::template Verify<false>))>;
};

template <class T> struct verifier_for<T, std::void_t<decltype(verifier_argument(&T::Verify))>> {
    using type = std::remove_pointer_t<decltype(verifier_argument(&T::Verify))>;
};

template <class T>
bool verify(const void *data, std::size_t bytes, const char *identifier = nullptr)
{
    if (bytes >= 0x7fffffff)
        return false;
    typename verifier_for<T>::type verifier(static_cast<const std::uint8_t *>(data), bytes);
    return verifier.template VerifyBuffer<T>(identifier);
}

/* 0 for a valid message, as fls_verify_function has it. */
template <class T> int verify_for_tap(const void *data, std::size_t bytes)
{
    return verify<T>(data, bytes) ? 0 : 1;
}

} // namespace detail

/* A tap for a writer's or reader's options that verifies each message as a T, generated by
 * `flatc --cpp`; refuses with errc::validation_failed under `name` (borrowed). */
template <class T> fls_tap verifying_tap(const char *name)
{
    return fls_tap_typed(name, &detail::verify_for_tap<T>);
}

/* ---- messages ---- */

/* One message, a view: valid until the next call that reads from its reader. */
class message
{
  public:
    message() noexcept : raw_()
    {
    }

    explicit message(const fls_message &raw) noexcept : raw_(raw)
    {
    }

    const void *data() const noexcept
    {
        return raw_.payload;
    }

    std::size_t size() const noexcept
    {
        return raw_.bytes;
    }

    std::string_view bytes() const noexcept
    {
        return {static_cast<const char *>(raw_.payload), raw_.bytes};
    }

    /* Of its frame: the index, and the offset of the first byte in the stream. */
    std::uint64_t frame() const noexcept
    {
        return raw_.frame;
    }

    std::uint64_t offset() const noexcept
    {
        return raw_.offset;
    }

    const fls_message &raw() const noexcept
    {
        return raw_;
    }

    /* The root table, T being generated by `flatc --cpp`: what flatbuffers::GetRoot<T> gives.
     * Nothing is checked: for messages whose writer is trusted, or that a tap has verified. The
     * message must have at least four bytes. */
    template <class T> const T *root() const noexcept
    {
        const auto *at = static_cast<const std::uint8_t *>(raw_.payload);
        std::uint32_t distance =
            static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8 |
            static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;

        return reinterpret_cast<const T *>(at + distance);
    }

    /* Whether flatbuffers::Verifier accepts the message as a T; with `identifier` (four characters)
     * also that it has this file identifier. */
    template <class T> bool verifies(const char *identifier = nullptr) const
    {
        return detail::verify<T>(raw_.payload, raw_.bytes, identifier);
    }

    /* The root table, or nullptr when the message does not verify. */
    template <class T> const T *root_if_valid(const char *identifier = nullptr) const
    {
        return verifies<T>(identifier) ? root<T>() : nullptr;
    }

    /* The same; when it does not verify, nullptr and errc::invalid_flatbuffer. */
    template <class T>
    const T *verified_root(std::error_code &code, const char *identifier = nullptr) const
    {
        const T *found = root_if_valid<T>(identifier);

        code = found ? std::error_code() : make_error_code(errc::invalid_flatbuffer);
        return found;
    }

#if FLATSTREAM_EXCEPTIONS
    /* The root table, never nullptr. */
    template <class T> const T *verified_root(const char *identifier = nullptr) const
    {
        const T *found = root_if_valid<T>(identifier);

        if (!found)
            throw error(invalid());
        return found;
    }
#endif

  private:
    fls_error invalid() const noexcept
    {
        fls_error made =
            detail::plain_error(FLS_INVALID_FLATBUFFER, "the message does not verify as its type");

        made.has_frame = 1;
        made.frame = raw_.frame;
        made.offset = raw_.offset;
        return made;
    }

    friend class reader;
    fls_message raw_;
};

/* ---- sinks and sources ---- */

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

/* ---- options: the C structs, zeroed, with a few short hands that can be chained ---- */

struct writer_options : fls_writer_options {
    writer_options() noexcept : fls_writer_options()
    {
    }

    writer_options(const fls_writer_options &all) noexcept : fls_writer_options(all)
    {
    }

    writer_options &with_framer(fls_framer asked) noexcept
    {
        framer = asked;
        return *this;
    }

    writer_options &with_checksum(fls_checksum_kind kind) noexcept
    {
        checksum = kind;
        return *this;
    }

    writer_options &with_payload_bytes_max(std::uint64_t bytes) noexcept
    {
        payload_bytes_max = bytes;
        return *this;
    }

    /* Batched, a batch going out at whichever bound comes first; 0 as in C. */
    writer_options &with_batches_of(std::size_t messages, std::size_t bytes = 0,
                                    std::uint64_t age_ms = 0) noexcept
    {
        framer = FLS_FRAMER_BATCHED;
        batch_messages = messages;
        batch_bytes = bytes;
        batch_age_ms = age_ms;
        return *this;
    }

    /* `array` is copied when the writer opens. */
    writer_options &with_taps(const fls_tap *array, std::size_t count) noexcept
    {
        taps = array;
        tap_count = count;
        return *this;
    }
};

struct reader_options : fls_reader_options {
    reader_options() noexcept : fls_reader_options()
    {
    }

    reader_options(const fls_reader_options &all) noexcept : fls_reader_options(all)
    {
    }

    reader_options &with_checksum(fls_checksum_kind kind) noexcept
    {
        checksum = kind;
        return *this;
    }

    reader_options &with_payload_bytes_max(std::uint64_t bytes) noexcept
    {
        payload_bytes_max = bytes;
        return *this;
    }

    reader_options &with_alignment(std::size_t bytes) noexcept
    {
        alignment = bytes;
        return *this;
    }

    /* `array` is copied when the reader opens. */
    reader_options &with_taps(const fls_tap *array, std::size_t count) noexcept
    {
        taps = array;
        tap_count = count;
        return *this;
    }
};

/* A place in a stream: where a frame begins, and its index. */
struct position {
    std::uint64_t offset = 0;
    std::uint64_t frame = 0;
};

/* ---- the writer ---- */

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

/* ---- the reader ---- */

/*
 * Frames in, messages out (reader.h). After an error the next call goes on as in C: behind the
 * frame after checksum_mismatch, validation_failed and invalid_flatbuffer, else at it again.
 */
class reader
{
  public:
    /* The messages of a reader, each once. The loop ends at the clean end of the stream or at the
     * first error; another loop goes on from there. The reader must not be moved meanwhile. */
    class range
    {
      public:
        class iterator
        {
          public:
            using iterator_category = std::input_iterator_tag;
            using value_type = message;
            using difference_type = std::ptrdiff_t;
            using pointer = const message *;
            using reference = const message &;

            iterator() noexcept = default;

            reference operator*() const noexcept
            {
                return current_;
            }

            pointer operator->() const noexcept
            {
                return &current_;
            }

            iterator &operator++()
            {
                if (!from_->advance(current_, code_))
                    from_ = nullptr;
                return *this;
            }

            void operator++(int)
            {
                ++*this;
            }

            friend bool operator==(const iterator &left, const iterator &right) noexcept
            {
                return left.from_ == right.from_;
            }

            friend bool operator!=(const iterator &left, const iterator &right) noexcept
            {
                return left.from_ != right.from_;
            }

          private:
            friend class range;

            iterator(reader *from, std::error_code *code) : from_(from), code_(code)
            {
                ++*this;
            }

            reader *from_ = nullptr;
            std::error_code *code_ = nullptr;
            message current_;
        };

        iterator begin() const
        {
            return iterator(from_, code_);
        }

        iterator end() const noexcept
        {
            return iterator();
        }

      private:
        friend class reader;

        range(reader *from, std::error_code *code) noexcept : from_(from), code_(code)
        {
        }

        reader *from_;
        std::error_code *code_;
    };

    using iterator = range::iterator;

    reader() noexcept : error_()
    {
    }

    /* Borrows the source. */
    reader(source &from, const fls_reader_options &options, std::error_code &code) noexcept
        : error_()
    {
        open(from, options, false, code);
    }

    /* Takes the source over; when it fails the source stays the caller's. */
    reader(source &&from, const fls_reader_options &options, std::error_code &code) noexcept
        : error_()
    {
        open(from, options, true, code);
    }

    /* Opens a file. */
    reader(const path_view &path, const fls_reader_options &options, std::error_code &code) noexcept
        : error_()
    {
        source from = source::open_file(path, error_);

        if (from)
            open(from, options, true, code);
        else
            detail::report(error_, code);
    }

#if FLATSTREAM_EXCEPTIONS
    explicit reader(source &from, const fls_reader_options &options = fls_reader_options())
        : error_()
    {
        std::error_code code;

        if (!open(from, options, false, code))
            throw error(error_);
    }

    explicit reader(source &&from, const fls_reader_options &options = fls_reader_options())
        : error_()
    {
        std::error_code code;

        if (!open(from, options, true, code))
            throw error(error_);
    }

    explicit reader(const path_view &path, const fls_reader_options &options = fls_reader_options())
        : error_()
    {
        std::error_code code;

        *this = reader(path, options, code);
        if (code)
            throw error(error_);
    }
#endif

    explicit operator bool() const noexcept
    {
        return handle_ != nullptr;
    }

    /* The next message; none at the clean end (the code is cleared) and on an error (it is set). */
    std::optional<message> next(std::error_code &code) noexcept
    {
        message found;

        return next_into(found, code) ? std::optional<message>(found) : std::nullopt;
    }

    /* `for (auto &message : reader.messages(code))`: look at the code after the loop. */
    range messages(std::error_code &code) noexcept
    {
        code.clear();
        return {this, &code};
    }

    /* As many messages as are already read ahead, at most `capacity`, at least one; 0 at the clean
     * end and on an error. All of them are valid until the next call. */
    std::size_t next_batch(fls_message *messages_read, std::size_t capacity,
                           std::error_code &code) noexcept
    {
        std::size_t count = 0;

        finish(handle_ ? fls_reader_next_batch(handle_.get(), messages_read, capacity, &count)
                       : closed(),
               code);
        return count;
    }

    /* The next payload, into the caller's segments; none as for next(). */
    std::optional<message> read_into(const iovec *segments, std::size_t count,
                                     std::error_code &code) noexcept
    {
        message found;
        bool well = finish(
            handle_ ? fls_reader_read_into(handle_.get(), segments, count, &found.raw_) : closed(),
            code);

        return well ? std::optional<message>(found) : std::nullopt;
    }

    /* Passes over up to `count` frames unread; returns how many there were. */
    std::uint64_t skip(std::uint64_t count, std::error_code &code) noexcept
    {
        std::uint64_t skipped = 0;

        finish(handle_ ? fls_reader_skip(handle_.get(), count, &skipped) : closed(), code);
        return skipped;
    }

    bool add_tap(const fls_tap &tap, std::error_code &code) noexcept
    {
        return finish(handle_ ? fls_reader_add_tap(handle_.get(), &tap) : closed(), code);
    }

#if FLATSTREAM_EXCEPTIONS
    std::optional<message> next()
    {
        std::error_code code;
        std::optional<message> found = next(code);

        check(code);
        return found;
    }

    /* `for (auto &message : reader)`: throws on an error. */
    iterator begin()
    {
        return range(this, nullptr).begin();
    }

    iterator end() noexcept
    {
        return iterator();
    }

    std::size_t next_batch(fls_message *messages_read, std::size_t capacity)
    {
        std::error_code code;
        std::size_t count = next_batch(messages_read, capacity, code);

        check(code);
        return count;
    }

    std::optional<message> read_into(const iovec *segments, std::size_t count)
    {
        std::error_code code;
        std::optional<message> found = read_into(segments, count, code);

        check(code);
        return found;
    }

    std::uint64_t skip(std::uint64_t count)
    {
        std::error_code code;
        std::uint64_t skipped = skip(count, code);

        check(code);
        return skipped;
    }

    void add_tap(const fls_tap &tap)
    {
        std::error_code code;

        add_tap(tap, code);
        check(code);
    }
#endif

    /* Closes an owned source and leaves the reader empty. */
    void close() noexcept
    {
        handle_.reset();
    }

    /* The last failed call's error, kept also when opening failed. */
    failure last_error() const noexcept
    {
        return failure(error_);
    }

    /* Where the next frame begins; zeroes when empty. */
    flatstream::position position() const noexcept
    {
        flatstream::position at;

        if (handle_)
            fls_reader_position(handle_.get(), &at.offset, &at.frame);
        return at;
    }

    /* Zeroes when empty. */
    struct fls_reader_counts statistics() const noexcept
    {
        struct fls_reader_counts none = {};

        return handle_ ? fls_reader_statistics(handle_.get()) : none;
    }

    /* For what only the C interface has, recovery for example. */
    fls_reader *get() const noexcept
    {
        return handle_.get();
    }

  private:
    struct closer {
        void operator()(fls_reader *owned) const noexcept
        {
            fls_reader_close(owned);
        }
    };

    bool open(source &from, const fls_reader_options &options, bool owns,
              std::error_code &code) noexcept
    {
        fls_reader_options all = options;
        fls_reader *opened = nullptr;

        all.owns_source = owns;
        if (!from) {
            error_ = detail::plain_error(FLS_INVALID_ARGUMENT, "the source is empty");
            return detail::report(error_, code);
        }
        if (!finish_open(fls_reader_open_versioned(from.get(), &all, sizeof all, &opened, &error_),
                         code))
            return false;
        handle_.reset(opened);
        if (owns)
            static_cast<void>(from.release());
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
        error_ = detail::plain_error(FLS_INVALID_ARGUMENT, "the reader is empty");
        return FLS_INVALID_ARGUMENT;
    }

    /* What a call came to: the code is set, and the error kept; the clean end is none. */
    bool finish(fls_status status, std::error_code &code) noexcept
    {
        code.clear();
        if (status == FLS_OK || status == FLS_END)
            return status == FLS_OK;
        error_ =
            detail::matching_error(status, handle_ ? *fls_reader_error(handle_.get()) : error_);
        return detail::report(error_, code);
    }

    bool next_into(message &found, std::error_code &code) noexcept
    {
        return finish(handle_ ? fls_reader_next(handle_.get(), &found.raw_) : closed(), code);
    }

    /* One step of a loop; without a code to set, an error is thrown. */
    bool advance(message &found, std::error_code *code)
    {
        std::error_code own;
        bool more = next_into(found, code ? *code : own);

#if FLATSTREAM_EXCEPTIONS
        check(own);
#endif
        return more;
    }

#if FLATSTREAM_EXCEPTIONS
    void check(const std::error_code &code) const
    {
        if (code)
            throw error(error_);
    }
#endif

    std::unique_ptr<fls_reader, closer> handle_;
    fls_error error_;
};

} // namespace flatstream

/* `code == flatstream::errc::io` compares as a condition: whatever the errno. */
template <> struct std::is_error_condition_enum<flatstream::errc> : std::true_type {
};

#endif
