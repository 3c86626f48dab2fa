/*
 * cpp/handle.hpp: what the objects of this interface have in common: one object of the C interface,
 * the callbacks that it calls, and the last error.
 */
#ifndef FLATSTREAM_CPP_HANDLE_HPP
#define FLATSTREAM_CPP_HANDLE_HPP

#include <exception>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include <flatstream/cpp/callbacks.hpp>
#include <flatstream/cpp/error.hpp>

namespace flatstream
{
namespace detail
{

/* An error of a callback's exception; of several the C status is told, if it is one. */
inline failure carried(fls_status status, const std::exception_ptr &thrown) noexcept
{
    fls_error made = plain_error(status == FLS_OK ? FLS_STOPPED : status, "");

    describe(thrown, made);
    return failure(made, true);
}

/*
 * Owns a C::type (nullptr: empty). C says how to deal with it:
 *     name          for people
 *     close(object, error)   ends it; a status with its error, what is lost included
 *     last(object, error)    its last error
 * The callbacks outlive the object, for its end calls them too.
 */
template <class C> class handle
{
  public:
    /* Whether it is open. */
    explicit operator bool() const noexcept
    {
        return object_ != nullptr;
    }

    /* For what only the C interface has. */
    typename C::type *get() const noexcept
    {
        return object_;
    }

    /* The last failed call's error, kept also when opening or closing failed. */
    failure last_error() const noexcept
    {
        return error_;
    }

    /* After errc::callback_threw: what was thrown. */
    std::exception_ptr exception() const noexcept
    {
        return thrown_;
    }

  protected:
    handle() noexcept = default;

    explicit handle(typename C::type *owned) noexcept : object_(owned)
    {
    }

    handle(handle &&other) noexcept
        : callbacks_(std::move(other.callbacks_)), object_(std::exchange(other.object_, nullptr)),
          error_(other.error_), thrown_(std::move(other.thrown_))
    {
    }

    handle &operator=(handle &&other) noexcept
    {
        if (this != &other) {
            drop();
            callbacks_ = std::move(other.callbacks_);
            object_ = std::exchange(other.object_, nullptr);
            error_ = other.error_;
            thrown_ = std::move(other.thrown_);
        }
        return *this;
    }

    ~handle()
    {
        drop();
    }

    /* Ends what is there, where nobody looks at what comes of it; an error that was reported
     * already is no news. */
    void drop() noexcept
    {
        fls_error found{};

        if (!object_)
            return;
        fls_status status = C::close(std::exchange(object_, nullptr), &found);
        found = matching_error(status, found);
        if (status == FLS_AGAIN || (status != FLS_OK && !same_error(found, error_.raw())))
            tell_of_drop(C::name, found);
        if (callbacks_ && callbacks_->carries.raised())
            tell_of_drop(C::name, carried(FLS_OK, callbacks_->carries.take()).raw());
        callbacks_.reset();
    }

    /* The callbacks, made when they are wanted. nullptr: no memory. */
    callbacks *bound() noexcept
    {
        if (!callbacks_)
            callbacks_.reset(new (std::nothrow) callbacks);
        return callbacks_.get();
    }

    fls_status empty() noexcept
    {
        error_ = failure(plain_error(FLS_INVALID_ARGUMENT, C::empty));
        return FLS_INVALID_ARGUMENT;
    }

    /* What opening came to: `opened` is this object's then. */
    bool adopt(fls_status status, typename C::type *opened, const fls_error &found,
               std::error_code &code) noexcept
    {
        if (status == FLS_OK)
            object_ = opened;
        else
            callbacks_.reset();
        error_ = status == FLS_OK ? failure() : failure(matching_error(status, found));
        code = error_.code();
        return status == FLS_OK;
    }

    /* What a call came to: the code is set, the error kept. True when all is well. */
    bool finish(fls_status status, std::error_code &code) noexcept
    {
        if (status != FLS_OK || raised())
            return fail(status, code);
        code.clear();
        return true;
    }

    bool raised() const noexcept
    {
        return callbacks_ && callbacks_->carries.raised();
    }

    bool fail(fls_status status, std::error_code &code) noexcept
    {
        fls_error kept = error_.raw();

        thrown_ = raised() ? callbacks_->carries.take() : nullptr;
        if (object_)
            C::last(object_, &kept);
        error_ = thrown_ ? carried(status, thrown_) : failure(matching_error(status, kept));
        code = error_.code();
        return false;
    }

    /* What closing came to; the object is gone unless `status` says again. */
    bool finish_close(fls_status status, const fls_error &found, std::error_code &code) noexcept
    {
        if (status != FLS_AGAIN)
            object_ = nullptr;
        thrown_ = raised() ? callbacks_->carries.take() : nullptr;
        if (!object_)
            callbacks_.reset();
        if (status == FLS_OK && !thrown_) {
            code.clear();
            return true;
        }
        error_ = thrown_ ? carried(status, thrown_) : failure(matching_error(status, found));
        code = error_.code();
        return false;
    }

#if FLATSTREAM_EXCEPTIONS
    void check(bool well)
    {
        if (well)
            return;
        if (thrown_)
            std::rethrow_exception(std::exchange(thrown_, nullptr));
        throw error(error_);
    }
#endif

    std::unique_ptr<callbacks> callbacks_;
    typename C::type *object_ = nullptr;
    failure error_;
    std::exception_ptr thrown_;
};

} // namespace detail
} // namespace flatstream

#endif
