/*
 * cpp/options.hpp: the options of writers and readers: the C structs, zeroed, with short hands that
 * can be chained, and function objects that the options own. Copies share these; so does what is
 * opened with them. (C functions that take such a struct see what the C struct holds alone.)
 */
#ifndef FLATSTREAM_CPP_OPTIONS_HPP
#define FLATSTREAM_CPP_OPTIONS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <flatstream/cpp/functions.hpp>
#include <flatstream/reader.h>
#include <flatstream/writer.h>

namespace flatstream
{

/* How messages are aligned unless a reader's options say otherwise: as in C with a type, so that
 * what flatc makes code for can be read where its message lies. */
inline constexpr std::size_t typed_alignment = FLS_ALIGNMENT_TYPED_DEFAULT;

namespace detail
{

/* What all options can. A chain that begins with a temporary stays one, by value. */
template <class Self, class C> class chained_options : public C
{
  public:
    chained_options() noexcept : C()
    {
    }

    chained_options(const C &all) noexcept : C(all)
    {
    }

    Self &with_checksum(fls_checksum_kind kind) &noexcept
    {
        this->checksum = kind;
        return self();
    }

    Self with_checksum(fls_checksum_kind kind) &&noexcept
    {
        return std::move(with_checksum(kind));
    }

    Self &with_payload_bytes_max(std::uint64_t bytes) &noexcept
    {
        this->payload_bytes_max = bytes;
        return self();
    }

    Self with_payload_bytes_max(std::uint64_t bytes) &&noexcept
    {
        return std::move(with_payload_bytes_max(bytes));
    }

    /* `array` is copied when something is opened with it. */
    Self &with_taps(const fls_tap *array, std::size_t count) &noexcept
    {
        this->taps = array;
        this->tap_count = count;
        return self();
    }

    Self with_taps(const fls_tap *array, std::size_t count) &&noexcept
    {
        return std::move(with_taps(array, count));
    }

    /*
     * A tap from a function object, behind those already there; `name` is who refuses. It takes
     *     const fls_payload &, fls_error &    and may say why
     *     const fls_payload &                 the segments as they are
     *     std::string_view                    the bytes; a writer flattens segments for it
     * and returns nothing, bool (false refuses with errc::validation_failed) or fls_status. What it
     * throws refuses the message, and is carried to the caller. Allocates.
     */
    template <class F> Self &with_tap(std::string name, F &&function) &
    {
        owned.add_tap(std::move(name), std::forward<F>(function));
        return self();
    }

    template <class F> Self with_tap(std::string name, F &&function) &&
    {
        return std::move(with_tap(std::move(name), std::forward<F>(function)));
    }

    owned_functions owned;

  private:
    Self &self() noexcept
    {
        return static_cast<Self &>(*this);
    }
};

/* Readers and writers have checksums of one's own: a State is default-constructed for each message,
 * has update(const void *, std::size_t) and `std::uint64_t finish()`, and is `Bytes` wide. */
template <class Self, class C> class summed_options : public chained_options<Self, C>
{
  public:
    using chained_options<Self, C>::chained_options;

    template <class State, std::size_t Bytes> Self &with_custom_checksum() &noexcept
    {
        static_assert(Bytes <= FLS_CHECKSUM_BYTES_MAX, "a checksum has at most eight bytes");
        this->checksum = FLS_CHECKSUM_CUSTOM;
        this->custom_checksum = &checksum_of_state<State, Bytes>;
        return static_cast<Self &>(*this);
    }

    template <class State, std::size_t Bytes> Self with_custom_checksum() &&noexcept
    {
        return std::move(this->template with_custom_checksum<State, Bytes>());
    }
};

} // namespace detail

struct writer_options : detail::summed_options<writer_options, fls_writer_options> {
    using summed_options::summed_options;

    writer_options &with_framer(fls_framer asked) &noexcept
    {
        framer = asked;
        return *this;
    }

    writer_options with_framer(fls_framer asked) &&noexcept
    {
        return std::move(with_framer(asked));
    }

    /* Batched, a batch going out at whichever bound comes first; 0 as in C. */
    writer_options &with_batches_of(std::size_t messages, std::size_t bytes = 0,
                                    std::uint64_t age_ms = 0) &noexcept
    {
        framer = FLS_FRAMER_BATCHED;
        batch_messages = messages;
        batch_bytes = bytes;
        batch_age_ms = age_ms;
        return *this;
    }

    writer_options with_batches_of(std::size_t messages, std::size_t bytes = 0,
                                   std::uint64_t age_ms = 0) &&noexcept
    {
        return std::move(with_batches_of(messages, bytes, age_ms));
    }

    /* The clock for batch_age_ms, from a function object: nanoseconds as a number or in
     * std::chrono. When it throws, no time has passed, and that is carried to the caller. */
    template <class F> writer_options &with_clock(F &&function) &
    {
        owned.set_clock(std::forward<F>(function));
        return *this;
    }

    template <class F> writer_options with_clock(F &&function) &&
    {
        return std::move(with_clock(std::forward<F>(function)));
    }
};

struct reader_options : detail::summed_options<reader_options, fls_reader_options> {
    using summed_options::summed_options;

    /* 0, the default: typed_alignment. 1: as it comes, which typed reading is not safe with. */
    reader_options &with_alignment(std::size_t bytes) &noexcept
    {
        alignment = bytes;
        return *this;
    }

    reader_options with_alignment(std::size_t bytes) &&noexcept
    {
        return std::move(with_alignment(bytes));
    }

    /* As the most demanding of these types, generated structs for example, asks, and no less than
     * by default. */
    template <class... Types> reader_options &with_alignment_of() &noexcept
    {
        return with_alignment(std::max({typed_alignment, alignof(Types)...}));
    }

    template <class... Types> reader_options with_alignment_of() &&noexcept
    {
        return std::move(this->template with_alignment_of<Types...>());
    }
};

} // namespace flatstream

#endif
