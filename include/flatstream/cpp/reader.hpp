/*
 * cpp/reader.hpp: frames in, messages out (reader.h).
 */
#ifndef FLATSTREAM_CPP_READER_HPP
#define FLATSTREAM_CPP_READER_HPP

#include <iterator>
#include <memory>
#include <optional>

#include <flatstream/cpp/message.hpp>
#include <flatstream/cpp/options.hpp>
#include <flatstream/cpp/position.hpp>
#include <flatstream/cpp/source.hpp>

namespace flatstream
{

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

#endif
