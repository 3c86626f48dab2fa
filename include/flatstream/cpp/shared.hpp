/*
 * cpp/shared.hpp: a handle that many threads call at once: nothing in it changes with a call, and
 * each call reports its own error.
 */
#ifndef FLATSTREAM_CPP_SHARED_HPP
#define FLATSTREAM_CPP_SHARED_HPP

#include <exception>
#include <system_error>

#include <flatstream/cpp/giving.hpp>

namespace flatstream
{
namespace detail
{

/* What a call of one thread came to. */
struct outcome {
    failure what;
    std::exception_ptr thrown;
};

template <class C> class shared_handle : public giving_handle<C>
{
  public:
    /* The last error of the object, or of opening or closing it. Any thread while it is open. */
    failure last_error() const noexcept
    {
        fls_error found{};

        if (!this->object_)
            return this->error_;
        C::last(this->object_, &found);
        return failure(found);
    }

    /* What a callback threw, if any call left that behind: a call with a std::error_code says
     * errc::callback_threw, and this hands the exception out, once. Any thread. */
    std::exception_ptr exception() noexcept
    {
        return this->callbacks_ ? this->callbacks_->told.take() : std::exchange(this->thrown_, {});
    }

  protected:
    using giving_handle<C>::giving_handle;

    template <class Call> outcome come_to(Call &&call)
    {
        fls_error found = plain_error(FLS_INVALID_ARGUMENT, C::empty);

        if (!this->object_)
            return {failure(found), nullptr};
        call_scope scope(&this->callbacks_->carries);
        fls_status status = call();
        std::exception_ptr thrown = std::move(scope.thrown);
        if (!thrown && this->raised()) /* on a thread of the object's own */
            thrown = this->callbacks_->carries.take();
        if (thrown)
            return {carried(status, thrown), thrown};
        if (status != FLS_OK)
            C::last(this->object_, &found);
        return {status == FLS_OK ? failure() : failure(matching_error(status, found)), nullptr};
    }

    template <class Call> bool told(Call &&call, std::error_code &code)
    {
        outcome came = come_to(call);

        if (came.thrown)
            this->callbacks_->told.keep(came.thrown);
        code = came.what.code();
        return !came.what;
    }

#if FLATSTREAM_EXCEPTIONS
    template <class Call> void told_or_throw(Call &&call)
    {
        outcome came = come_to(call);

        if (came.thrown)
            std::rethrow_exception(came.thrown);
        if (came.what)
            throw error(came.what);
    }
#endif
};

} // namespace detail
} // namespace flatstream

#endif
