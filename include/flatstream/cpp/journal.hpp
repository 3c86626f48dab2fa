/*
 * cpp/journal.hpp: a stream as a durable file, written by many threads (journal.h).
 */
#ifndef FLATSTREAM_CPP_JOURNAL_HPP
#define FLATSTREAM_CPP_JOURNAL_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <flatstream/cpp/index.hpp>
#include <flatstream/cpp/message.hpp>
#include <flatstream/cpp/options.hpp>
#include <flatstream/cpp/path.hpp>
#include <flatstream/cpp/shared.hpp>
#include <flatstream/journal.h>

namespace flatstream
{

namespace detail
{

/* Who is told of a finished segment. */
struct owned_segment_function {
    owned_segment_function() noexcept = default;
    owned_segment_function(const owned_segment_function &) = delete;
    owned_segment_function &operator=(const owned_segment_function &) = delete;
    virtual ~owned_segment_function() = default;

    fls_journal_segment_function *function = nullptr;
    void *context = nullptr;
};

template <class F> struct owned_segment_function_of final : owned_segment_function {
    explicit owned_segment_function_of(F taken) : given(std::move(taken))
    {
        function = finished;
        context = this;
    }

    static void finished(void *context, const char *path, std::uint64_t messages,
                         std::uint64_t bytes)
    {
        static_cast<owned_segment_function_of *>(context)->given(path, messages, bytes);
    }

    F given;
};

struct bound_segment_function final : callback_node {
    bound_segment_function(carrier &to, fls_journal_segment_function *told, void *with,
                           std::shared_ptr<const owned_segment_function> owner) noexcept
        : callback_node(to), function(told), context(with), keeps(std::move(owner))
    {
    }

    static void finished(void *context, const char *path, std::uint64_t messages,
                         std::uint64_t bytes) noexcept
    {
        auto *self = static_cast<bound_segment_function *>(context);

        self->carries.guard([&] { self->function(self->context, path, messages, bytes); });
    }

    fls_journal_segment_function *function;
    void *context;
    std::shared_ptr<const owned_segment_function> keeps;
};

struct c_journal {
    using type = fls_journal;
    static constexpr const char *name = "journal";
    static constexpr const char *empty = "the journal is empty";

    static fls_status close(fls_journal *owned, fls_error *found) noexcept
    {
        return fls_journal_close(owned, found);
    }

    static void last(fls_journal *from, fls_error *found) noexcept
    {
        fls_journal_error(from, found);
    }
};

} // namespace detail

/* Options: the C struct, its taps from function objects too (with_tap), its index's time key and
 * who is told of a finished segment. */
struct journal_options : detail::chained_options<journal_options, fls_journal_options> {
    using chained_options::chained_options;

    journal_options &with_repair(fls_journal_repair allowed) &noexcept
    {
        repair = allowed;
        return *this;
    }

    journal_options with_repair(fls_journal_repair allowed) &&noexcept
    {
        return std::move(with_repair(allowed));
    }

    journal_options &with_rotation(const fls_journal_rotation &when) &noexcept
    {
        rotation = when;
        return *this;
    }

    journal_options with_rotation(const fls_journal_rotation &when) &&noexcept
    {
        return std::move(with_rotation(when));
    }

    /* Keeps the index of each segment while writing. */
    journal_options &with_an_index(const index_options &how = index_options()) &
    {
        with_index = 1;
        index = how;
        owned_key = how.owned;
        return *this;
    }

    journal_options with_an_index(const index_options &how = index_options()) &&
    {
        return std::move(with_an_index(how));
    }

    /* `function(path, messages, bytes)` is called on the journal's own thread when a segment is
     * finished; what it throws is carried by the next call. It must not call the journal.
     * Allocates. */
    template <class F> journal_options &with_segment_finished(F &&function) &
    {
        owned_segment = std::make_shared<detail::owned_segment_function_of<std::decay_t<F>>>(
            std::forward<F>(function));
        segment_finished = owned_segment->function;
        segment_context = owned_segment->context;
        return *this;
    }

    template <class F> journal_options with_segment_finished(F &&function) &&
    {
        return std::move(with_segment_finished(std::forward<F>(function)));
    }

    std::shared_ptr<const detail::owned_time> owned_key;
    std::shared_ptr<const detail::owned_segment_function> owned_segment;
};

/*
 * A journal. write, commit, rotate and statistics may be called by any number of threads; opening,
 * moving and closing belong to one. What a tap throws refuses its message, and is carried by the
 * call that wrote it.
 */
class journal : public detail::shared_handle<detail::c_journal>
{
  public:
    journal() noexcept = default;

    journal(const path_view &path, const journal_options &options, std::error_code &code) noexcept
    {
        open(path, options, code);
    }

    journal(const path_view &path, std::error_code &code) noexcept
        : journal(path, journal_options(), code)
    {
    }

#if FLATSTREAM_EXCEPTIONS
    explicit journal(const path_view &path, const journal_options &options = journal_options())
    {
        std::error_code code;
        check(open(path, options, code));
    }
#endif

    /* What opening found. */
    const fls_journal_opening &opening() const noexcept
    {
        return opening_;
    }

    /* Appends one message. Returns its number, which commit takes; 0: it was not taken. Not 0 with
     * an error: taken, but not carried to the level that the policy promised. */
    std::uint64_t write(const void *data, std::size_t bytes, std::error_code &code) noexcept
    {
        std::uint64_t number = 0;

        told([&] { return fls_journal_write(object_, data, bytes, &number); }, code);
        return number;
    }

    std::uint64_t write(std::string_view bytes, std::error_code &code) noexcept
    {
        return write(bytes.data(), bytes.size(), code);
    }

    std::uint64_t write(const message &read, std::error_code &code) noexcept
    {
        return write(read.data(), read.size(), code);
    }

    std::uint64_t write(const fls_payload &payload, std::error_code &code) noexcept
    {
        std::uint64_t number = 0;

        told([&] { return fls_journal_write_payload(object_, &payload, &number); }, code);
        return number;
    }

    template <class T, class = detail::if_writable<T>>
    std::uint64_t write(const T &message_bytes, std::error_code &code)
    {
        detail::byte_view view = detail::view_bytes(message_bytes, 0);

        return write(view.data, view.bytes, code);
    }

    /* Returns when all messages up to `number` (0: all so far) are at `level`. */
    bool commit(std::uint64_t number, fls_level level, std::error_code &code) noexcept
    {
        return told([&] { return fls_journal_commit(object_, number, level); }, code);
    }

    /* Begins a new segment now. */
    bool rotate(std::error_code &code) noexcept
    {
        return told([&] { return fls_journal_rotate(object_); }, code);
    }

    /* Hands everything to the system, gives the lock back, and leaves the journal empty. */
    bool close(std::error_code &code) noexcept
    {
        fls_error found{};

        return finish_close(fls_journal_close(object_, &found), found, code);
    }

#if FLATSTREAM_EXCEPTIONS
    /* Throws also when a message was taken, but not carried as far as promised. */
    std::uint64_t write(const void *data, std::size_t bytes)
    {
        std::uint64_t number = 0;

        told_or_throw([&] { return fls_journal_write(object_, data, bytes, &number); });
        return number;
    }

    std::uint64_t write(std::string_view bytes)
    {
        return write(bytes.data(), bytes.size());
    }

    std::uint64_t write(const message &read)
    {
        return write(read.data(), read.size());
    }

    std::uint64_t write(const fls_payload &payload)
    {
        std::uint64_t number = 0;

        told_or_throw([&] { return fls_journal_write_payload(object_, &payload, &number); });
        return number;
    }

    template <class T, class = detail::if_writable<T>> std::uint64_t write(const T &message_bytes)
    {
        detail::byte_view view = detail::view_bytes(message_bytes, 0);

        return write(view.data, view.bytes);
    }

    void commit(std::uint64_t number = 0, fls_level level = FLS_LEVEL_MACHINE)
    {
        told_or_throw([&] { return fls_journal_commit(object_, number, level); });
    }

    void rotate()
    {
        told_or_throw([&] { return fls_journal_rotate(object_); });
    }

    void close()
    {
        std::error_code code;
        check(close(code));
    }
#endif

    /* Zeroes when empty. */
    struct fls_journal_counts statistics() const noexcept
    {
        struct fls_journal_counts none = {};

        return object_ ? fls_journal_statistics(object_) : none;
    }

  private:
    bool open(const path_view &path, const journal_options &options, std::error_code &code) noexcept
    {
        fls_journal_options all = options;
        fls_journal *opened = nullptr;
        fls_error found{};
        fls_status status = FLS_NO_MEMORY;

        if (bound() && bind(all, options))
            status = fls_journal_open_versioned(path.c_str(), &all, sizeof all, &opened, &opening_,
                                                &found);
        return adopt(status, opened, found, code);
    }

    bool bind(fls_journal_options &all, const journal_options &options) noexcept
    {
        if (!callbacks_->bind(all, options.owned, false) ||
            !detail::bind_time(*callbacks_, all.index, options.owned_key))
            return false;
        if (!all.segment_finished)
            return true;
        auto *node = callbacks_->add<detail::bound_segment_function>(
            all.segment_finished, all.segment_context, options.owned_segment);
        all.segment_finished = detail::bound_segment_function::finished;
        all.segment_context = node;
        return node;
    }

    fls_journal_opening opening_ = {};
};

} // namespace flatstream

#endif
