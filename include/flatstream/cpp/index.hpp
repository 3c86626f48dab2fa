/*
 * cpp/index.hpp: the sidecar that makes a stream searchable (index.h).
 */
#ifndef FLATSTREAM_CPP_INDEX_HPP
#define FLATSTREAM_CPP_INDEX_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <flatstream/cpp/handle.hpp>
#include <flatstream/cpp/reader.hpp>
#include <flatstream/index.h>

namespace flatstream
{

namespace detail
{

/* A time key that owns its function. */
struct owned_time {
    owned_time() noexcept = default;
    owned_time(const owned_time &) = delete;
    owned_time &operator=(const owned_time &) = delete;
    virtual ~owned_time() = default;

    fls_time_function *function = nullptr;
    void *context = nullptr;
};

template <class F> struct owned_time_of final : owned_time {
    explicit owned_time_of(F taken) : given(std::move(taken))
    {
        function = time_of;
        context = this;
    }

    static int time_of(void *context, const void *payload, std::size_t bytes, std::int64_t *time)
    {
        auto *self = static_cast<owned_time_of *>(context);
        std::optional<std::int64_t> found =
            self->given(std::string_view(static_cast<const char *>(payload), bytes));

        if (found)
            *time = *found;
        return found.has_value();
    }

    F given;
};

/* One that throws is no time for this message; what it threw is carried to the caller. */
struct bound_time final : callback_node {
    bound_time(carrier &to, fls_time_function *asked, void *with,
               std::shared_ptr<const owned_time> owner) noexcept
        : callback_node(to), function(asked), context(with), keeps(std::move(owner))
    {
    }

    static int time_of(void *context, const void *payload, std::size_t bytes,
                       std::int64_t *time) noexcept
    {
        auto *self = static_cast<bound_time *>(context);
        int found = 0;

        if (!self->carries.guard(
                [&] { found = self->function(self->context, payload, bytes, time); }))
            found = 0;
        return found;
    }

    fls_time_function *function;
    void *context;
    std::shared_ptr<const owned_time> keeps;
};

} // namespace detail

/* Options for building an index. */
struct index_options : fls_index_options {
    index_options() noexcept : fls_index_options()
    {
    }

    index_options(const fls_index_options &all) noexcept : fls_index_options(all)
    {
    }

    /* The key, from a function object that is given the message's bytes (std::string_view) and
     * returns its time, or std::nullopt. `named` is for people, and borrowed. Allocates. */
    template <class F> index_options &with_time(const char *named, F &&function) &
    {
        owned = std::make_shared<detail::owned_time_of<std::decay_t<F>>>(std::forward<F>(function));
        time = owned->function;
        time_context = owned->context;
        key = named;
        return *this;
    }

    template <class F> index_options with_time(const char *named, F &&function) &&
    {
        return std::move(with_time(named, std::forward<F>(function)));
    }

    std::shared_ptr<const detail::owned_time> owned;
};

namespace detail
{

/* The time function in `all` is called through a node. false: no memory. */
inline bool bind_time(callbacks &nodes, fls_index_options &all,
                      const std::shared_ptr<const owned_time> &owner) noexcept
{
    if (!all.time)
        return true;
    bound_time *node = nodes.add<bound_time>(all.time, all.time_context, owner);
    if (!node)
        return false;
    all.time = bound_time::time_of;
    all.time_context = node;
    return true;
}

struct c_index {
    using type = fls_index;
    static constexpr const char *name = "index";
    static constexpr const char *empty = "the index is empty";

    static fls_status close(fls_index *owned, fls_error *) noexcept
    {
        fls_index_close(owned);
        return FLS_OK;
    }

    static void last(fls_index *, fls_error *) noexcept
    {
    }
};

struct c_index_writer {
    using type = fls_index_writer;
    static constexpr const char *name = "index_writer";
    static constexpr const char *empty = "the index writer is empty";

    static fls_status close(fls_index_writer *owned, fls_error *found) noexcept
    {
        return fls_index_writer_close(owned, found);
    }

    static void last(fls_index_writer *, fls_error *) noexcept
    {
    }
};

} // namespace detail

/* An index that is there, to find places in its stream by. One thread at a time. */
class index : public detail::handle<detail::c_index>
{
  public:
    index() noexcept = default;

    /* Of the stream `stream`, whose name with `.idx` behind it has. */
    index(const path_view &stream, std::error_code &code) noexcept
    {
        open(stream.c_str(), nullptr, code);
    }

    index(const path_view &stream, const path_view &file, std::error_code &code) noexcept
    {
        open(stream.c_str(), file.c_str(), code);
    }

#if FLATSTREAM_EXCEPTIONS
    explicit index(const path_view &stream)
    {
        std::error_code code;
        check(open(stream.c_str(), nullptr, code));
    }

    index(const path_view &stream, const path_view &file)
    {
        std::error_code code;
        check(open(stream.c_str(), file.c_str(), code));
    }
#endif

    /* Zeroes when empty. */
    struct fls_index_summary summary() const noexcept
    {
        struct fls_index_summary none = {};

        return object_ ? fls_index_describe(object_) : none;
    }

    /* The latest entry at or before a frame, or before which all is earlier than a time. Where the
     * index covers less, its end, and errc::end. */
    fls_index_place find_frame(std::uint64_t frame, std::error_code &code) noexcept
    {
        return find(
            [&](fls_index_place *place, fls_error *found) {
                return fls_index_find_frame(object_, frame, place, found);
            },
            code);
    }

    fls_index_place find_time(std::int64_t time, std::error_code &code) noexcept
    {
        return find(
            [&](fls_index_place *place, fls_error *found) {
                return fls_index_find_time(object_, time, place, found);
            },
            code);
    }

    /* A reader that stands at frame `frame`; empty on an error. */
    reader open_reader(std::uint64_t frame, const reader_options &options,
                       std::error_code &code) noexcept
    {
        reader opened;

        come_to(
            [&](fls_error *error) {
                opened.open_by(
                    [&](fls_reader_options &all, fls_reader **made, fls_error *found) {
                        return fls_index_open_reader(object_, frame, &all, made, found);
                    },
                    options, code);
                *error = opened.last_error().raw();
                return error->status;
            },
            code);
        return opened;
    }

    /* With the index's checksum. */
    reader open_reader(std::uint64_t frame, std::error_code &code) noexcept
    {
        return open_reader(frame, reader_options().with_checksum(summary().checksum), code);
    }

    bool close(std::error_code &code) noexcept
    {
        drop();
        code.clear();
        return true;
    }

#if FLATSTREAM_EXCEPTIONS
    fls_index_place find_frame(std::uint64_t frame)
    {
        std::error_code code;
        fls_index_place place = find_frame(frame, code);

        check(!code);
        return place;
    }

    fls_index_place find_time(std::int64_t time)
    {
        std::error_code code;
        fls_index_place place = find_time(time, code);

        check(!code);
        return place;
    }

    reader open_reader(std::uint64_t frame)
    {
        return open_reader(frame, reader_options().with_checksum(summary().checksum));
    }

    reader open_reader(std::uint64_t frame, const reader_options &options)
    {
        std::error_code code;
        reader opened = open_reader(frame, options, code);

        check(!code);
        return opened;
    }
#endif

  private:
    bool open(const char *stream, const char *file, std::error_code &code) noexcept
    {
        fls_error found{};
        fls_index *opened = nullptr;
        fls_status status = fls_index_open(stream, file, &opened, &found);

        return adopt(status, opened, found, code);
    }

    /* The error of a call on this object is the call's own. */
    template <class Call> bool come_to(Call &&call, std::error_code &code) noexcept
    {
        fls_error found{};

        if (!object_)
            return finish(empty(), code);
        fls_status status = call(&found);
        if (status == FLS_OK)
            return finish(status, code);
        error_ = failure(detail::matching_error(status, found));
        code = error_.code();
        return false;
    }

    template <class Find> fls_index_place find(Find &&find, std::error_code &code) noexcept
    {
        fls_index_place place{};

        come_to([&](fls_error *found) { return find(&place, found); }, code);
        return place;
    }
};

/* An index that is being built, frame by frame. One thread at a time. */
class index_writer : public detail::handle<detail::c_index_writer>
{
  public:
    index_writer() noexcept = default;

    /* Of the stream `stream`, beside it, replacing what is there. */
    index_writer(const path_view &stream, fls_checksum_kind checksum, const index_options &options,
                 std::error_code &code) noexcept
    {
        open(stream, checksum, options, code);
    }

#if FLATSTREAM_EXCEPTIONS
    index_writer(const path_view &stream, fls_checksum_kind checksum,
                 const index_options &options = index_options())
    {
        std::error_code code;
        check(open(stream, checksum, options, code));
    }
#endif

    /* The next frame: where it begins, the length of its header, and its payload. */
    bool add(std::uint64_t offset, std::size_t header_bytes, const fls_payload &payload,
             std::error_code &code) noexcept
    {
        return come_to(
            [&](fls_error *found) {
                return fls_index_writer_add(object_, offset, header_bytes, &payload, found);
            },
            code);
    }

    /* Writes out what is noted: the index then covers all frames added. */
    bool flush(std::error_code &code) noexcept
    {
        return come_to([&](fls_error *found) { return fls_index_writer_flush(object_, found); },
                       code);
    }

    bool close(std::error_code &code) noexcept
    {
        fls_error found{};

        return finish_close(fls_index_writer_close(object_, &found), found, code);
    }

#if FLATSTREAM_EXCEPTIONS
    void add(std::uint64_t offset, std::size_t header_bytes, const fls_payload &payload)
    {
        std::error_code code;
        check(add(offset, header_bytes, payload, code));
    }

    void flush()
    {
        std::error_code code;
        check(flush(code));
    }

    void close()
    {
        std::error_code code;
        check(close(code));
    }
#endif

  private:
    bool open(const path_view &stream, fls_checksum_kind checksum, const index_options &options,
              std::error_code &code) noexcept
    {
        fls_index_options all = options;
        fls_index_writer *opened = nullptr;
        fls_error found{};
        fls_status status = FLS_NO_MEMORY;
        std::uint64_t frame = 0, offset = 0;

        if (bound() && detail::bind_time(*callbacks_, all, options.owned))
            status = fls_index_writer_open(stream.c_str(), nullptr, checksum, &all, 0, &opened,
                                           &frame, &offset, &found);
        return adopt(status, opened, found, code);
    }

    template <class Call> bool come_to(Call &&call, std::error_code &code) noexcept
    {
        fls_error found{};

        if (!object_)
            return finish(empty(), code);
        fls_status status = call(&found);
        if (status == FLS_OK || raised())
            return finish(status, code);
        error_ = failure(detail::matching_error(status, found));
        code = error_.code();
        return false;
    }
};

} // namespace flatstream

#endif
