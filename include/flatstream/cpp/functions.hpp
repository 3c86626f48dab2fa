/*
 * cpp/functions.hpp: taps, clocks and checksums from function objects, which whoever is opened with
 * them owns.
 */
#ifndef FLATSTREAM_CPP_FUNCTIONS_HPP
#define FLATSTREAM_CPP_FUNCTIONS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <flatstream/checksum.h>
#include <flatstream/clock.h>
#include <flatstream/tap.h>

namespace flatstream
{
namespace detail
{

/* --- taps --- */

/* How a function looks at a message: at its segments, or, flattened, at its bytes. */
template <class F>
constexpr bool refuses_with_error = std::is_invocable_v<F &, const fls_payload &, fls_error &>;
template <class F> constexpr bool sees_segments = std::is_invocable_v<F &, const fls_payload &>;
template <class F> constexpr bool sees_bytes = std::is_invocable_v<F &, std::string_view>;
template <class F>
constexpr bool is_tap_function = refuses_with_error<F> || sees_segments<F> || sees_bytes<F>;

template <class F>
decltype(auto) call_tap(F &function, const fls_payload &payload, fls_error &error)
{
    if constexpr (refuses_with_error<F>) {
        return function(payload, error);
    } else if constexpr (sees_segments<F>) {
        return function(payload);
    } else {
        const iovec *only = payload.count > 0 ? payload.segments : nullptr;
        return function(std::string_view(only ? static_cast<const char *>(only->iov_base) : "",
                                         payload.length));
    }
}

/* A tap that owns its function and its name. */
struct owned_tap {
    owned_tap() noexcept : raw()
    {
    }
    owned_tap(const owned_tap &) = delete;
    owned_tap &operator=(const owned_tap &) = delete;
    virtual ~owned_tap() = default;

    fls_tap raw;
    std::shared_ptr<const owned_tap> before;
};

template <class F> struct owned_tap_of final : owned_tap {
    owned_tap_of(std::string named, F given) : name(std::move(named)), function(std::move(given))
    {
        raw.run = run;
        raw.name = name.c_str();
        raw.context = this;
        raw.contiguous = !refuses_with_error<F> && !sees_segments<F>;
    }

    static fls_status run(const fls_tap *tap, const fls_payload *payload, fls_error *error)
    {
        F &function = static_cast<owned_tap_of *>(tap->context)->function;
        using answer = decltype(call_tap(function, *payload, *error));

        if constexpr (std::is_void_v<answer>) {
            call_tap(function, *payload, *error);
            return FLS_OK;
        } else if constexpr (std::is_same_v<answer, fls_status>) {
            return call_tap(function, *payload, *error);
        } else {
            static_assert(std::is_same_v<answer, bool>,
                          "a tap returns nothing, bool or fls_status");
            return call_tap(function, *payload, *error) ? FLS_OK : FLS_VALIDATION_FAILED;
        }
    }

    std::string name;
    F function;
};

/* --- clocks --- */

struct owned_clock {
    owned_clock() noexcept : raw()
    {
    }
    owned_clock(const owned_clock &) = delete;
    owned_clock &operator=(const owned_clock &) = delete;
    virtual ~owned_clock() = default;

    fls_clock raw;
};

template <class F> struct owned_clock_of final : owned_clock {
    explicit owned_clock_of(F given) : function(std::move(given))
    {
        raw.now_ns = now_ns;
        raw.context = this;
    }

    static std::uint64_t now_ns(void *context)
    {
        return nanoseconds(static_cast<owned_clock_of *>(context)->function());
    }

    static std::uint64_t nanoseconds(std::uint64_t since)
    {
        return since;
    }

    static std::uint64_t nanoseconds(std::chrono::nanoseconds since)
    {
        return static_cast<std::uint64_t>(since.count());
    }

    F function;
};

/* --- checksums --- */

template <class State> struct checksum_functions {
    static_assert(sizeof(State) <= FLS_CHECKSUM_STATE_BYTES && alignof(State) <= 64 &&
                      std::is_trivially_destructible_v<State>,
                  "a checksum's state is small, and needs no destruction");

    static void begin(void *, void *state)
    {
        new (state) State();
    }

    static void update(void *, void *state, const void *data, std::size_t bytes)
    {
        static_cast<State *>(state)->update(data, bytes);
    }

    static std::uint64_t finish(void *, void *state)
    {
        return static_cast<State *>(state)->finish();
    }
};

/* One for each width, for ever. */
template <class State, std::size_t Bytes>
inline constexpr fls_checksum_custom checksum_of_state = {
    Bytes, checksum_functions<State>::begin, checksum_functions<State>::update,
    checksum_functions<State>::finish, nullptr};

/* What options own. Copies share it. */
struct owned_functions {
    std::size_t count() const noexcept
    {
        std::size_t found = 0;

        for (auto *link = taps.get(); link; link = link->before.get())
            found++;
        return found;
    }

    template <class F> void add_tap(std::string name, F &&function)
    {
        static_assert(is_tap_function<std::decay_t<F>>, "this cannot be called with a message");
        auto made = std::make_shared<owned_tap_of<std::decay_t<F>>>(std::move(name),
                                                                    std::forward<F>(function));

        made->before = taps;
        taps = std::move(made);
    }

    template <class F> void set_clock(F &&function)
    {
        clock = std::make_shared<owned_clock_of<std::decay_t<F>>>(std::forward<F>(function));
    }

    std::shared_ptr<const owned_tap> taps; /* the last; the others before it */
    std::shared_ptr<const owned_clock> clock;
};

} // namespace detail
} // namespace flatstream

#endif
