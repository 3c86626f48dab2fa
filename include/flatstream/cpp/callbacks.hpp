/*
 * cpp/callbacks.hpp: what C calls back into C++ with.
 *
 * Nothing may be thrown through C. So whatever the caller gave, as a function object or in a struct
 * of C (a tap, a checksum, a clock, a memory policy, a release), C calls through a node of this
 * file, which catches what is thrown; the adapter's call that led there, or where that was on
 * another thread the next one on the same object, carries it to the caller. Of several exceptions
 * that come together the first is carried.
 */
#ifndef FLATSTREAM_CPP_CALLBACKS_HPP
#define FLATSTREAM_CPP_CALLBACKS_HPP

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <flatstream/cpp/bytes.hpp>
#include <flatstream/cpp/error.hpp>
#include <flatstream/cpp/functions.hpp>
#include <flatstream/memory_policy.h>

namespace flatstream
{
namespace detail
{

class carrier;

/* While many threads call one object: what a callback throws in a call belongs to that call. */
struct call_scope {
    explicit call_scope(const carrier *object) noexcept
        : of(object), outer(std::exchange(innermost, this))
    {
    }
    call_scope(const call_scope &) = delete;
    call_scope &operator=(const call_scope &) = delete;
    ~call_scope()
    {
        innermost = outer;
    }

    inline static thread_local call_scope *innermost = nullptr;

    const carrier *of;
    call_scope *outer;
    std::exception_ptr thrown;
};

/* Keeps what was thrown until it can be carried. Any thread. */
class carrier
{
  public:
    bool raised() const noexcept
    {
        return raised_.load(std::memory_order_acquire);
    }

    std::exception_ptr take() noexcept
    {
        std::lock_guard<std::mutex> lock(mutex_);

        raised_.store(false, std::memory_order_release);
        return std::exchange(thrown_, nullptr);
    }

    /* Calls it; false when it threw. */
    template <class Function> bool guard(Function &&function) noexcept
    {
#if FLATSTREAM_EXCEPTIONS
        try {
            function();
        } catch (...) {
            keep(std::current_exception());
            return false;
        }
#else
        function();
#endif
        return true;
    }

    void keep(std::exception_ptr thrown) noexcept
    {
        for (call_scope *call = call_scope::innermost; call; call = call->outer)
            if (call->of == this) {
                if (!call->thrown)
                    call->thrown = std::move(thrown);
                return;
            }
        std::lock_guard<std::mutex> lock(mutex_);
        if (!thrown_)
            thrown_ = std::move(thrown);
        raised_.store(true, std::memory_order_release);
    }

  private:
    std::mutex mutex_;
    std::atomic<bool> raised_{false};
    std::exception_ptr thrown_;
};

/* What an exception says, for an error's reason. */
inline void describe(const std::exception_ptr &thrown, fls_error &error) noexcept
{
#if FLATSTREAM_EXCEPTIONS
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception &known) {
        std::snprintf(error.reason, sizeof error.reason, "a callback threw: %s", known.what());
    } catch (...) {
        std::snprintf(error.reason, sizeof error.reason, "a callback threw");
    }
#else
    static_cast<void>(thrown);
    static_cast<void>(error);
#endif
}

struct callback_node {
    explicit callback_node(carrier &to) noexcept : carries(to)
    {
    }
    callback_node(const callback_node &) = delete;
    callback_node &operator=(const callback_node &) = delete;
    virtual ~callback_node() = default;

    carrier &carries;
    std::unique_ptr<callback_node> next;
};

/* A tap, and what it belongs to. */
struct bound_tap final : callback_node {
    bound_tap(carrier &to, const fls_tap &tap, std::shared_ptr<const void> owner) noexcept
        : callback_node(to), inner(tap), keeps(std::move(owner))
    {
    }

    static fls_status run(const fls_tap *tap, const fls_payload *payload, fls_error *error) noexcept
    {
        auto *self = static_cast<bound_tap *>(tap->context);
        fls_status status = FLS_VALIDATION_FAILED;

        if (!self->carries.guard([&] { status = self->inner.run(&self->inner, payload, error); }))
            status = FLS_VALIDATION_FAILED;
        return status;
    }

    fls_tap outer() noexcept
    {
        fls_tap made{};

        made.run = inner.run ? run : nullptr;
        made.name = inner.name;
        made.context = this;
        made.contiguous = inner.contiguous;
        return made;
    }

    fls_tap inner;
    std::shared_ptr<const void> keeps;
};

struct bound_clock final : callback_node {
    bound_clock(carrier &to, const fls_clock &clock, std::shared_ptr<const void> owner) noexcept
        : callback_node(to), inner(clock), keeps(std::move(owner))
    {
    }

    /* After a throw, the time that it was last: clocks do not run backwards. */
    static std::uint64_t now_ns(void *context) noexcept
    {
        auto *self = static_cast<bound_clock *>(context);

        self->carries.guard([self] { self->last = self->inner.now_ns(self->inner.context); });
        return self->last;
    }

    fls_clock inner;
    std::shared_ptr<const void> keeps;
    std::uint64_t last = 0;
};

/*
 * A custom checksum. A writer must not send a frame whose sum was not calculated, and C has no way
 * to say so from a checksum: so there a tap calculates it beforehand, and refuses the message where
 * that threw; the sum is kept for when C asks.
 */
struct bound_checksum final : callback_node {
    bound_checksum(carrier &to, const fls_checksum_custom &checksum) noexcept
        : callback_node(to), inner(checksum), outer{checksum.bytes, begin, update, finish, this}
    {
    }

    static void begin(void *context, void *state) noexcept
    {
        auto *self = static_cast<bound_checksum *>(context);

        self->threw = false;
        if (!self->known)
            self->step([&] { self->inner.begin(self->inner.context, state); });
    }

    static void update(void *context, void *state, const void *data, std::size_t bytes) noexcept
    {
        auto *self = static_cast<bound_checksum *>(context);

        if (!self->known)
            self->step([&] { self->inner.update(self->inner.context, state, data, bytes); });
    }

    static std::uint64_t finish(void *context, void *state) noexcept
    {
        auto *self = static_cast<bound_checksum *>(context);

        if (!self->known)
            self->step([&] { self->sum = self->inner.finish(self->inner.context, state); });
        self->known = false;
        return self->threw ? 0 : self->sum;
    }

    /* The tap. */
    static fls_status sum_up(const fls_tap *tap, const fls_payload *payload, fls_error *) noexcept
    {
        auto *self = static_cast<bound_checksum *>(tap->context);
        alignas(64) unsigned char state[FLS_CHECKSUM_STATE_BYTES];

        self->known = false;
        begin(self, state);
        for (std::size_t i = 0; i < payload->count; i++)
            update(self, state, payload->segments[i].iov_base, payload->segments[i].iov_len);
        self->sum = finish(self, state);
        self->known = !self->threw;
        return self->threw ? FLS_VALIDATION_FAILED : FLS_OK;
    }

    template <class Function> void step(Function &&function) noexcept
    {
        if (!threw)
            threw = !carries.guard(std::forward<Function>(function));
    }

    fls_checksum_custom inner;
    fls_checksum_custom outer;
    std::uint64_t sum = 0;
    bool known = false; /* of the message that is to be written next */
    bool threw = false;
};

struct bound_policy final : callback_node {
    bound_policy(carrier &to, fls_memory_policy &policy) noexcept
        : callback_node(to), inner(policy), outer()
    {
        outer.should_reclaim = should_reclaim;
        outer.on_reclaim = policy.on_reclaim ? on_reclaim : nullptr;
        outer.context = this;
        outer.baseline_bytes = policy.baseline_bytes;
    }

    static fls_reclaim_reason should_reclaim(fls_memory_policy *policy, std::size_t last_bytes,
                                             std::size_t capacity) noexcept
    {
        auto *self = static_cast<bound_policy *>(policy->context);
        fls_reclaim_reason reason = FLS_RECLAIM_NONE;

        self->carries.guard(
            [&] { reason = self->inner.should_reclaim(&self->inner, last_bytes, capacity); });
        return reason;
    }

    static void on_reclaim(void *context, const fls_reclaim_info *info) noexcept
    {
        auto *self = static_cast<bound_policy *>(context);

        self->carries.guard([&] { self->inner.on_reclaim(self->inner.context, info); });
    }

    fls_memory_policy &inner;
    fls_memory_policy outer;
};

/* A message that the library owns until it is through. */
template <class T> struct held_message {
    held_message(carrier *to, T &&given)
        : carries(to), owner(std::move(given)), segment(), payload()
    {
        byte_view view = view_bytes(static_cast<const T &>(owner), 0);

        segment.iov_base = const_cast<void *>(view.data);
        segment.iov_len = view.bytes;
        payload = {&segment, 1, view.bytes};
    }
    held_message(const held_message &) = delete;
    held_message &operator=(const held_message &) = delete;

    static void release(void *self) noexcept
    {
        auto *held = static_cast<held_message *>(self);

        if constexpr (std::is_nothrow_destructible_v<T>)
            delete held;
        else
            held->carries->guard([held] { delete held; });
    }

    carrier *carries;
    T owner;
    iovec segment;
    fls_payload payload;
};

/* A caller's release, which may throw. It is known again when the same call is made again. */
struct held_release {
    carrier &carries;
    fls_release_function *function;
    void *context;
    held_release **unfinished; /* points here, or to another, or to nothing */

    static void release(void *self) noexcept
    {
        auto *held = static_cast<held_release *>(self);

        if (*held->unfinished == held)
            *held->unfinished = nullptr;
        held->carries.guard([held] { held->function(held->context); });
        delete held;
    }
};

/* A journal's options have neither a custom checksum nor a policy. */
template <class Options, class = void> struct has_checksum : std::false_type {
};

template <class Options>
struct has_checksum<Options, std::void_t<decltype(std::declval<Options &>().custom_checksum)>>
    : std::true_type {
};

/* All nodes of one object. Its address stays. */
class callbacks
{
  public:
    carrier carries;
    carrier told; /* what was carried as a code, for who asks */
    held_release *unfinished = nullptr;

    callbacks() noexcept = default;
    callbacks(const callbacks &) = delete;
    callbacks &operator=(const callbacks &) = delete;

    ~callbacks()
    {
        while (nodes_)
            nodes_ = std::move(nodes_->next);
    }

    /* A node of its own; nullptr: no memory. */
    template <class Node, class... Arguments> Node *add(Arguments &&...arguments) noexcept
    {
        Node *made = new (std::nothrow) Node(carries, std::forward<Arguments>(arguments)...);

        if (made) {
            made->next = std::move(nodes_);
            nodes_.reset(made);
        }
        return made;
    }

    /* Binds all that `all` holds, so that it calls through nodes; what the functions belong to is
     * kept. `all` points to this object's memory then. false: no memory. */
    template <class Options>
    bool bind(Options &all, const owned_functions &owned, bool writes) noexcept
    {
        return bind_checksum(all) && bind_policy(all) && bind_taps(all, owned, writes);
    }

    bool bind_clock(fls_clock &clock, const owned_functions &owned) noexcept
    {
        const fls_clock &given = owned.clock ? owned.clock->raw : clock;

        if (!given.now_ns)
            return true;
        bound_clock *node = add<bound_clock>(given, owned.clock);
        if (node)
            clock = {bound_clock::now_ns, node};
        return node;
    }

    /* What bind needs: taps, and whether a checksum is calculated beforehand. */
    template <class Options>
    bool bind_taps(Options &all, const owned_functions &owned, bool writes) noexcept
    {
        bool sums = writes && sum_;
        std::size_t count = all.tap_count + owned.count() + (sums ? 1 : 0), at = 0;

        if (count == 0)
            return true;
        taps_.reset(new (std::nothrow) fls_tap[count]());
        if (!taps_)
            return false;
        for (std::size_t i = 0; i < all.tap_count; i++)
            if (!bind_tap(all.taps[i], nullptr, taps_[at++]))
                return false;
        at += owned.count();
        for (auto *link = owned.taps.get(); link; link = link->before.get())
            if (!bind_tap(link->raw, owned.taps, taps_[--at]))
                return false;
        if (sums) {
            taps_[count - 1].run = bound_checksum::sum_up;
            taps_[count - 1].name = "checksum";
            taps_[count - 1].context = sum_;
        }
        all.taps = taps_.get();
        all.tap_count = count;
        return true;
    }

    bool bind_tap(const fls_tap &tap, std::shared_ptr<const void> owner, fls_tap &bound) noexcept
    {
        bound_tap *node = add<bound_tap>(tap, std::move(owner));

        if (node)
            bound = node->outer();
        return node;
    }

  private:
    template <class Options> bool bind_checksum(Options &all) noexcept
    {
        if constexpr (FLATSTREAM_EXCEPTIONS && has_checksum<Options>::value) {
            const fls_checksum_custom *given = all.custom_checksum;
            int kind = 0; /* any number may stand there: C refuses what it does not know */
            static_assert(sizeof kind == sizeof all.checksum);
            std::memcpy(&kind, &all.checksum, sizeof kind);
            if (kind != FLS_CHECKSUM_CUSTOM || !given || !given->begin || !given->update ||
                !given->finish)
                return true;
            sum_ = add<bound_checksum>(*given);
            if (!sum_)
                return false;
            all.custom_checksum = &sum_->outer;
        }
        return true;
    }

    template <class Options> bool bind_policy(Options &all) noexcept
    {
        if constexpr (FLATSTREAM_EXCEPTIONS && has_checksum<Options>::value) {
            if (!all.memory_policy || !all.memory_policy->should_reclaim)
                return true;
            bound_policy *node = add<bound_policy>(*all.memory_policy);
            if (!node)
                return false;
            all.memory_policy = &node->outer;
        }
        return true;
    }

    std::unique_ptr<callback_node> nodes_;
    std::unique_ptr<fls_tap[]> taps_;
    bound_checksum *sum_ = nullptr;
};

} // namespace detail
} // namespace flatstream

#endif
