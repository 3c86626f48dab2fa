/*
 * cpp/options.hpp: the options of writers and readers: the C structs, zeroed, with a few short
 * hands that can be chained.
 */
#ifndef FLATSTREAM_CPP_OPTIONS_HPP
#define FLATSTREAM_CPP_OPTIONS_HPP

#include <cstddef>
#include <cstdint>

#include <flatstream/reader.h>
#include <flatstream/writer.h>

namespace flatstream
{

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

} // namespace flatstream

#endif
