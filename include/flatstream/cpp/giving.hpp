/*
 * cpp/giving.hpp: messages given away: to a writer, or to an asynchronous one.
 */
#ifndef FLATSTREAM_CPP_GIVING_HPP
#define FLATSTREAM_CPP_GIVING_HPP

#include <new>
#include <type_traits>
#include <utility>

#include <flatstream/cpp/handle.hpp>

namespace flatstream
{
namespace detail
{

template <class T>
using if_may_be_given = std::enable_if_t<may_be_given<T>, if_writable<std::remove_reference_t<T>>>;

template <class T>
using if_may_not_be_given =
    std::enable_if_t<!may_be_given<T>, if_writable<std::remove_reference_t<T>>>;

/*
 * A handle whose C object takes messages that it owns: C::write_owned(object, payload, release,
 * context). The call takes the message, whatever comes of it.
 */
template <class C> class giving_handle : public handle<C>
{
  protected:
    using handle<C>::handle;

    template <class T> fls_status give(T &&given)
    {
        using held = held_message<T>;
        carrier *carries = nullptr;

        if constexpr (!std::is_nothrow_destructible_v<T>)
            carries = this->bound() ? &this->callbacks_->carries : nullptr;
        held *kept = nullptr;
        if (this->object_ && (carries || std::is_nothrow_destructible_v<T>))
            kept = new (std::nothrow) held(carries, std::move(given));
        if (kept)
            return C::write_owned(this->object_, &kept->payload, &held::release, kept);
        fls_status status = this->object_ ? FLS_NO_MEMORY : this->empty();
        [[maybe_unused]] T ends(std::move(given)); /* here, as when the library had refused it */
        return status;
    }

    fls_status give(const fls_payload &payload, fls_release_function *release,
                    void *context) noexcept
    {
        if (!this->object_ || !release)
            return give_nothing(payload, release, context);
#if FLATSTREAM_EXCEPTIONS
        callbacks *all = this->bound();
        held_release *held = all ? known_or_new(*all, release, context) : nullptr;
        if (!held) {
            release_now(release, context);
            return FLS_NO_MEMORY;
        }
        fls_status status = C::write_owned(this->object_, &payload, held_release::release, held);
        if (status == FLS_AGAIN)
            all->unfinished = held;
        return status;
#else
        return C::write_owned(this->object_, &payload, release, context);
#endif
    }

  private:
    /* Nothing changes hands, or there is nobody to give to. */
    fls_status give_nothing(const fls_payload &payload, fls_release_function *release,
                            void *context) noexcept
    {
        if (this->object_)
            return C::write_owned(this->object_, &payload, nullptr, nullptr);
        if (release)
            release_now(release, context);
        return this->empty();
    }

    /* The call that returned again is made again with the same arguments as C gets them. */
    static held_release *known_or_new(callbacks &all, fls_release_function *release,
                                      void *context) noexcept
    {
        held_release *known = all.unfinished;

        if (known && known->function == release && known->context == context)
            return known;
        return new (std::nothrow) held_release{all.carries, release, context, &all.unfinished};
    }

    void release_now(fls_release_function *release, void *context) noexcept
    {
        callbacks *all = this->bound();

        if (all)
            all->carries.guard([=] { release(context); });
        else
            release(context);
    }
};

} // namespace detail
} // namespace flatstream

#endif
