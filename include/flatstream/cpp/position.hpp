/*
 * cpp/position.hpp: a place in a stream.
 */
#ifndef FLATSTREAM_CPP_POSITION_HPP
#define FLATSTREAM_CPP_POSITION_HPP

#include <cstdint>

namespace flatstream
{

/* Where a frame begins, and its index. */
struct position {
    std::uint64_t offset = 0;
    std::uint64_t frame = 0;
};

} // namespace flatstream

#endif
