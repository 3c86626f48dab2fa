/*
 * cpp/reader.hpp: frames in, messages out (reader.h).
 */
#ifndef FLATSTREAM_CPP_READER_HPP
#define FLATSTREAM_CPP_READER_HPP

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include <flatstream/cpp/handle.hpp>
#include <flatstream/cpp/message.hpp>
#include <flatstream/cpp/options.hpp>
#include <flatstream/cpp/position.hpp>
#include <flatstream/cpp/source.hpp>
#include <flatstream/reader.h>

namespace flatstream
{

namespace detail
{

struct c_reader {
    using type = fls_reader;
    static constexpr const char *name = "reader";
    static constexpr const char *empty = "the reader is empty";

    static fls_status close(fls_reader *owned, fls_error *) noexcept
    {
        fls_reader_close(owned);
        return FLS_OK;
    }

    static void last(fls_reader *from, fls_error *found) noexcept
    {
        *found = *fls_reader_error(from);
    }
};

} // namespace detail

/*
 * Frames in, messages out (reader.h). After an error the next call goes on as in C: behind the
 * frame after checksum_mismatch, validation_failed and invalid_flatbuffer, else at it again.
 *
 * Messages are views into the reader, so what gives them out is not to be called on a reader that
 * ends with the statement.
 */
class reader : public detail::handle<detail::c_reader>
{
  public:
    /* The messages of a reader, each once. The loop ends at the clean end of the stream or at the
     * first error; another loop goes on from there. The reader must not be moved meanwhile. */
    class range
    {
      public:
        /* A message is read when the iterator is next looked at, not by `it++`: so what `*it++`
         * gives is valid until then. */
        class iterator
        {
          public:
            using iterator_category = std::input_iterator_tag;
            using value_type = message;
            using difference_type = std::ptrdiff_t;
            using pointer = const message *;
            using reference = const message &;

            /* What `it++` leaves behind. */
            class previous
            {
              public:
                const message &operator*() const noexcept
                {
                    return kept_;
                }

              private:
                friend class iterator;

                explicit previous(const message &kept) noexcept : kept_(kept)
                {
                }

                message kept_;
            };

            iterator() noexcept = default;

            reference operator*() const
            {
                settle();
                return current_;
            }

            pointer operator->() const
            {
                settle();
                return &current_;
            }

            iterator &operator++()
            {
                settle();
                advance();
                return *this;
            }

            previous operator++(int)
            {
                settle();
                owes_a_step_ = true;
                return previous(current_);
            }

            friend bool operator==(const iterator &left, const iterator &right)
            {
                left.settle();
                right.settle();
                return left.from_ == right.from_;
            }

            friend bool operator!=(const iterator &left, const iterator &right)
            {
                return !(left == right);
            }

          private:
            friend class range;

            iterator(reader *from, std::error_code *code) : from_(from), code_(code)
            {
                advance();
            }

            void settle() const
            {
                if (owes_a_step_)
                    advance();
            }

            void advance() const
            {
                owes_a_step_ = false;
                if (!from_->advance(current_, code_))
                    from_ = nullptr;
            }

            mutable reader *from_ = nullptr;
            std::error_code *code_ = nullptr;
            mutable message current_;
            mutable bool owes_a_step_ = false;
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

    reader() noexcept = default;

    /* Borrows the source. */
    reader(source &from, const reader_options &options, std::error_code &code) noexcept
    {
        open(from, options, false, code);
    }

    reader(source &from, std::error_code &code) noexcept : reader(from, reader_options(), code)
    {
    }

    /* Takes the source over; when it fails the source stays the caller's. */
    reader(source &&from, const reader_options &options, std::error_code &code) noexcept
    {
        open(from, options, true, code);
    }

    reader(source &&from, std::error_code &code) noexcept
        : reader(std::move(from), reader_options(), code)
    {
    }

    /* Opens a file. */
    reader(const path_view &path, const reader_options &options, std::error_code &code) noexcept
    {
        open(path, options, code);
    }

    reader(const path_view &path, std::error_code &code) noexcept
        : reader(path, reader_options(), code)
    {
    }

    /* Takes over a reader of the C interface, with what it has. */
    explicit reader(fls_reader *owned) noexcept : handle(owned)
    {
    }

#if FLATSTREAM_EXCEPTIONS
    explicit reader(source &from, const reader_options &options = reader_options())
    {
        std::error_code code;
        check(open(from, options, false, code));
    }

    explicit reader(source &&from, const reader_options &options = reader_options())
    {
        std::error_code code;
        check(open(from, options, true, code));
    }

    explicit reader(const path_view &path, const reader_options &options = reader_options())
    {
        std::error_code code;
        check(open(path, options, code));
    }
#endif

    /* The next message; none at the clean end (the code is cleared) and on an error (it is set). */
    std::optional<message> next(std::error_code &code) &noexcept
    {
        message found;

        return next_into(found, code) ? std::optional<message>(found) : std::nullopt;
    }
    std::optional<message> next(std::error_code &code) && = delete;

    /* `for (auto &message : reader.messages(code))`: look at the code after the loop. */
    range messages(std::error_code &code) &noexcept
    {
        code.clear();
        return {this, &code};
    }
    range messages(std::error_code &code) && = delete;

    /* As many messages as are already read ahead, at most `capacity`, at least one; 0 at the clean
     * end and on an error. All of them are valid until the next call. */
    std::size_t next_batch(fls_message *messages_read, std::size_t capacity,
                           std::error_code &code) &noexcept
    {
        std::size_t count = 0;

        finish_read(object_ ? fls_reader_next_batch(object_, messages_read, capacity, &count)
                            : empty(),
                    code);
        return count;
    }
    std::size_t next_batch(fls_message *messages_read, std::size_t capacity,
                           std::error_code &code) && = delete;

    /* The next payload, into the caller's segments; none as for next(). */
    std::optional<message> read_into(const iovec *segments, std::size_t count,
                                     std::error_code &code) noexcept
    {
        message found;
        bool well = finish_read(
            object_ ? fls_reader_read_into(object_, segments, count, &found.raw_) : empty(), code);

        return well ? std::optional<message>(found) : std::nullopt;
    }

    /* Passes over up to `count` frames unread; returns how many there were. */
    std::uint64_t skip(std::uint64_t count, std::error_code &code) noexcept
    {
        std::uint64_t skipped = 0;

        finish_read(object_ ? fls_reader_skip(object_, count, &skipped) : empty(), code);
        return skipped;
    }

    bool add_tap(const fls_tap &tap, std::error_code &code) noexcept
    {
        return finish(object_ ? add(tap, nullptr) : empty(), code);
    }

    /* From a function object, which the reader owns: see with_tap in options.hpp. */
    template <class F> bool add_tap(std::string name, F &&function, std::error_code &code)
    {
        detail::owned_functions made;

        made.add_tap(std::move(name), std::forward<F>(function));
        return finish(object_ ? add(made.taps->raw, made.taps) : empty(), code);
    }

#if FLATSTREAM_EXCEPTIONS
    std::optional<message> next() &
    {
        std::error_code code;
        std::optional<message> found = next(code);

        check(!code);
        return found;
    }
    std::optional<message> next() && = delete;

    /* `for (auto &message : reader)`, or `: reader.messages()`: throws on an error. */
    iterator begin() &
    {
        return range(this, nullptr).begin();
    }
    iterator begin() && = delete;

    iterator end() noexcept
    {
        return iterator();
    }

    range messages() &noexcept
    {
        return {this, nullptr};
    }
    range messages() && = delete;

    std::size_t next_batch(fls_message *messages_read, std::size_t capacity) &
    {
        std::error_code code;
        std::size_t count = next_batch(messages_read, capacity, code);

        check(!code);
        return count;
    }
    std::size_t next_batch(fls_message *messages_read, std::size_t capacity) && = delete;

    std::optional<message> read_into(const iovec *segments, std::size_t count)
    {
        std::error_code code;
        std::optional<message> found = read_into(segments, count, code);

        check(!code);
        return found;
    }

    std::uint64_t skip(std::uint64_t count)
    {
        std::error_code code;
        std::uint64_t skipped = skip(count, code);

        check(!code);
        return skipped;
    }

    void add_tap(const fls_tap &tap)
    {
        std::error_code code;
        check(add_tap(tap, code));
    }

    template <class F> void add_tap(std::string name, F &&function)
    {
        std::error_code code;
        check(add_tap(std::move(name), std::forward<F>(function), code));
    }
#endif

    /* Closes an owned source and leaves the reader empty. */
    void close() noexcept
    {
        drop();
    }

    /* Where the next frame begins; zeroes when empty. */
    flatstream::position position() const noexcept
    {
        flatstream::position at;

        if (object_)
            fls_reader_position(object_, &at.offset, &at.frame);
        return at;
    }

    /* Zeroes when empty. */
    struct fls_reader_counts statistics() const noexcept
    {
        struct fls_reader_counts none = {};

        return object_ ? fls_reader_statistics(object_) : none;
    }

  private:
    friend class index;

    bool open(source &from, const reader_options &options, bool owns,
              std::error_code &code) noexcept
    {
        fls_error none = detail::plain_error(FLS_INVALID_ARGUMENT, "the source is empty");

        if (!from)
            return adopt(none.status, nullptr, none, code);
        if (!open(from.get(), options, owns, code))
            return false;
        if (owns)
            static_cast<void>(from.release());
        return true;
    }

    bool open(const path_view &path, const reader_options &options, std::error_code &code) noexcept
    {
        fls_error found{};
        fls_source *from = nullptr;
        fls_status status = fls_source_open_file(path.c_str(), 0, &from, &found);

        if (status != FLS_OK)
            return adopt(status, nullptr, found, code);
        if (open(from, options, true, code))
            return true;
        fls_source_close(from);
        return false;
    }

    bool open(fls_source *from, const reader_options &options, bool owns,
              std::error_code &code) noexcept
    {
        return open_by(
            [=](fls_reader_options &all, fls_reader **opened, fls_error *found) {
                all.owns_source = owns;
                return fls_reader_open_versioned(from, &all, sizeof all, opened, found);
            },
            options, code);
    }

    template <class Open>
    bool open_by(Open &&open, const reader_options &options, std::error_code &code) noexcept
    {
        fls_reader_options all = options;
        fls_reader *opened = nullptr;
        fls_error found{};
        fls_status status = FLS_NO_MEMORY;

        if (all.alignment == 0)
            all.alignment = typed_alignment;
        if (bound() && callbacks_->bind(all, options.owned, false))
            status = open(all, &opened, &found);
        return adopt(status, opened, found, code);
    }

    fls_status add(const fls_tap &tap, std::shared_ptr<const void> owner) noexcept
    {
        fls_tap outer{};

        if (!bound() || !callbacks_->bind_tap(tap, std::move(owner), outer))
            return FLS_NO_MEMORY;
        return fls_reader_add_tap(object_, &outer);
    }

    /* The clean end is no error. */
    bool finish_read(fls_status status, std::error_code &code) noexcept
    {
        if (status != FLS_END || raised())
            return finish(status, code);
        code.clear();
        return false;
    }

    bool next_into(message &found, std::error_code &code) noexcept
    {
        return finish_read(object_ ? fls_reader_next(object_, &found.raw_) : empty(), code);
    }

    /* One step of a loop; without a code to set, an error is thrown. */
    bool advance(message &found, std::error_code *code)
    {
        std::error_code own;
        bool more = next_into(found, code ? *code : own);

#if FLATSTREAM_EXCEPTIONS
        check(!own);
#endif
        return more;
    }
};

} // namespace flatstream

#endif
