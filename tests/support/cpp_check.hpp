/*
 * cpp_check.hpp: what the tests in C++ share: checks that count, and a sink of bad moods.
 */
#ifndef TESTS_SUPPORT_CPP_CHECK_HPP
#define TESTS_SUPPORT_CPP_CHECK_HPP

#include <flatstream/flatstream.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <random>
#include <string>

inline int failures;

#define CHECK(expression)                                                                          \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #expression);        \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

inline int result_of_checks()
{
    if (failures)
        std::fprintf(stderr, "%d checks failed\n", failures);
    return failures != 0;
}

/* Would block, takes a prefix, or fails, each with its chance. */
class moody_sink
{
  public:
    moody_sink(std::mt19937 &chances, unsigned again, unsigned cut, unsigned fail)
        : chances_(&chances), again_percent(again), cut_percent(cut), fail_permille(fail)
    {
        raw_.base.ops = &ops();
        raw_.owner = this;
    }
    moody_sink(const moody_sink &) = delete;
    moody_sink &operator=(const moody_sink &) = delete;

    fls_sink *get()
    {
        return &raw_.base;
    }

    std::string bytes;

  private:
    struct raw_sink {
        fls_sink base;
        moody_sink *owner;
    };

    unsigned chance(unsigned of)
    {
        return static_cast<unsigned>((*chances_)() % of);
    }

    static fls_status writev(fls_sink *sink, const iovec *segments, int count, size_t *accepted,
                             fls_error *error)
    {
        moody_sink &self = *reinterpret_cast<raw_sink *>(sink)->owner;
        std::size_t most = self.chance(100) < self.cut_percent ? 1 + self.chance(900) : SIZE_MAX;

        if (self.chance(100) < self.again_percent)
            return FLS_AGAIN;
        if (self.chance(1000) < self.fail_permille)
            return fls_error_system(error, "writev", EIO);
        *accepted = 0;
        for (int i = 0; i < count && *accepted < most; i++) {
            std::size_t taken = std::min(segments[i].iov_len, most - *accepted);
            self.bytes.append(static_cast<const char *>(segments[i].iov_base), taken);
            *accepted += taken;
        }
        return FLS_OK;
    }

    static fls_status flush(fls_sink *sink, fls_level, fls_error *)
    {
        moody_sink &self = *reinterpret_cast<raw_sink *>(sink)->owner;

        return self.chance(100) < self.again_percent ? FLS_AGAIN : FLS_OK;
    }

    static fls_status close(fls_sink *, fls_error *)
    {
        return FLS_OK;
    }

    static const fls_sink_ops &ops()
    {
        static const fls_sink_ops table = {writev, flush, close};
        return table;
    }

    std::mt19937 *chances_;
    unsigned again_percent;
    unsigned cut_percent;
    unsigned fail_permille;
    raw_sink raw_{};
};

#endif
