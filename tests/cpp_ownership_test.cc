/*
 * cpp_ownership_test.cc: what is given away with write_owned is destroyed exactly once, and what
 * was taken is in the stream exactly once, whatever the sink does: it would block, takes a prefix,
 * or fails at any point, with every framer, and the writer may end at any moment. Buffers of
 * several kinds, all counted.
 */
#include <flatbuffers/flatbuffers.h>

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "support/cpp_check.hpp"

static std::atomic<int> live;

/* One that is alive for as long as a message is. */
struct life {
    life()
    {
        live++;
    }
    life(const life &) = delete;
    life &operator=(const life &) = delete;
    ~life()
    {
        live--;
    }
};

/* A buffer that others may hold too. */
struct shared_buffer {
    std::shared_ptr<std::string> text;
    std::shared_ptr<life> counted;

    const char *data() const
    {
        return text->data();
    }
    std::size_t size() const
    {
        return text->size();
    }
};

/* A buffer that one alone holds; spoilt when it ends. */
struct unique_buffer {
    std::unique_ptr<std::string> text;
    std::unique_ptr<life> counted;

    unique_buffer(std::string given)
        : text(std::make_unique<std::string>(std::move(given))), counted(std::make_unique<life>())
    {
    }
    unique_buffer(unique_buffer &&) = default;
    ~unique_buffer()
    {
        if (text)
            text->assign(text->size(), '\xee');
    }
    const char *data() const
    {
        return text->data();
    }
    std::size_t size() const
    {
        return text->size();
    }
};

class session
{
  public:
    explicit session(unsigned seed)
        : chances_(seed),
          sink_(chances_, chance(4) * 25, chance(2) * 70, chance(4) == 0 ? 1 + chance(60) : 0),
          borrowed_(sink_.get())
    {
        const fls_framer framers[] = {FLS_FRAMER_LEGACY, FLS_FRAMER_VECTORED, FLS_FRAMER_BATCHED};
        flatstream::writer_options options;
        std::error_code code;

        options.with_framer(framers[chance(3)]);
        options.copy_bytes_max = chance(2) ? 0 : FLS_COPY_NEVER;
        options.batch_bytes = chance(2) ? 1 + chance(3000) : 0;
        batched_ = options.framer == FLS_FRAMER_BATCHED;
        writer_ = flatstream::writer(borrowed_, options, code);
        CHECK(writer_ && !code);
    }

    ~session()
    {
        static_cast<void>(borrowed_.release());
    }

    void run()
    {
        for (int step = 0; step < 30 && !failed_; step++) {
            give_one();
            while (unfinished_ && !failed_ && chance(8))
                come_to([&](std::error_code &code) { writer_.flush(code); });
            if (unfinished_)
                meet_refusal();
        }
        end();
        CHECK(live == 0);
        if (!failed_ || batched_) /* else what stands behind a failed one may be there */
            CHECK(sink_.bytes == expected_.substr(0, sink_.bytes.size()));
        if (closed_ && !failed_)
            CHECK(sink_.bytes.size() == expected_.size());
    }

  private:
    unsigned chance(unsigned of)
    {
        return static_cast<unsigned>(chances_() % of);
    }

    std::string random_text()
    {
        std::string text(chance(3) ? chance(200) : chance(9000), '\0');

        for (char &c : text)
            c = static_cast<char>(chances_());
        return text;
    }

    void expect(const void *data, std::size_t bytes)
    {
        for (int shift = 0; shift < 32; shift += 8)
            expected_ += static_cast<char>(bytes >> shift);
        expected_.append(static_cast<const char *>(data), bytes);
    }

    template <class Call> void come_to(Call &&call)
    {
        std::error_code code;

        call(code);
        unfinished_ = code == flatstream::errc::again;
        failed_ = code && !unfinished_;
        CHECK(!failed_ || code == flatstream::errc::io);
    }

    template <class T> void give(T &&buffer)
    {
        flatstream::detail::byte_view view = flatstream::detail::view_bytes(buffer, 0);

        expect(view.data, view.bytes);
        come_to([&](std::error_code &code) { writer_.write_owned(std::move(buffer), code); });
    }

    void give_one()
    {
        std::string text = random_text();

        switch (chance(6)) {
        case 0:
            give(shared_buffer{std::make_shared<std::string>(text), std::make_shared<life>()});
            break;
        case 1:
            give(unique_buffer(text));
            break;
        case 2:
            give(std::vector<char>(text.begin(), text.end()));
            break;
        case 3:
            give(std::array<char, 5>{'a', 'r', 'r', 'a', 'y'});
            break;
        default: {
            flatbuffers::FlatBufferBuilder builder;
            builder.Finish(builder.CreateString(text));
            if (chance(2))
                give(builder.Release());
            else
                give(std::move(builder));
        }
        }
    }

    /* Another, before the first is through, is refused and ends; the first is not concerned. Where
     * all of the first has left, it is taken. */
    void meet_refusal()
    {
        const std::string before = expected_;
        std::error_code code;
        unique_buffer another(random_text());

        expect(another.data(), another.size());
        writer_.write_owned(std::move(another), code);
        if (code == flatstream::errc::invalid_argument)
            expected_ = before;
        else
            unfinished_ = code == flatstream::errc::again;
        if (code == flatstream::errc::io)
            failed_ = true;
        while (unfinished_ && !failed_)
            come_to([&](std::error_code &again) { writer_.flush(again); });
    }

    void end()
    {
        std::error_code code;

        if (chance(3) == 0) {
            writer_ = flatstream::writer(); /* gives up what would block */
            return;
        }
        while (!writer_.close(code) && code == flatstream::errc::again)
            ;
        closed_ = true;
        failed_ = failed_ || static_cast<bool>(code);
    }

    std::mt19937 chances_;
    moody_sink sink_;
    flatstream::sink borrowed_;
    flatstream::writer writer_;
    std::string expected_;
    bool batched_ = false;
    bool unfinished_ = false;
    bool failed_ = false;
    bool closed_ = false;
};

/* The message goes with the call, also where there is nobody to take it. */
static void nobody_to_give_to()
{
    std::error_code code;
    flatstream::writer empty;
    unique_buffer message("text");
    int released = 0;
    auto count = [](void *context) { ++*static_cast<int *>(context); };
    fls_payload none{};

    CHECK(!empty.write_owned(std::move(message), code));
    CHECK(code == flatstream::errc::invalid_argument && live == 0 && !message.text);
    CHECK(!empty.write_owned(none, count, &released, code) && released == 1);
    CHECK(!empty.write_owned(none, nullptr, nullptr, code));
    flatstream::async_writer nobody;
    CHECK(!nobody.write_owned(unique_buffer("text"), code) && live == 0);
}

/* The call of C made again with its arguments is the same message, through the adapter too. */
static void the_same_call_again()
{
    std::mt19937 chances(5);
    moody_sink sink(chances, 90, 0, 0);
    flatstream::sink borrowed(sink.get());
    std::error_code code;
    flatstream::writer writer(borrowed, code);
    int released = 0, agains = 0;
    auto count = [](void *context) { ++*static_cast<int *>(context); };
    iovec segment = {const_cast<char *>("text"), 4};

    for (int i = 0; i < 20; i++)
        while (
            !writer.write_owned(fls_payload_from_segments(&segment, 1), count, &released, code)) {
            CHECK(code == flatstream::errc::again && released == i);
            agains++;
        }
    CHECK(released == 20 && agains > 20 && sink.bytes.size() == 20 * 8);
    while (!writer.close(code))
        ;
    static_cast<void>(borrowed.release());
}

/* The asynchronous writer, with whatever its policy drops. */
static void asynchronously()
{
    const fls_async_policy policies[] = {FLS_ASYNC_BLOCK, FLS_ASYNC_DROP_NEWEST,
                                         FLS_ASYNC_DROP_OLDEST};

    for (unsigned i = 0; i < 12; i++) {
        std::mt19937 chances(i);
        moody_sink sink(chances, 2, 50, i % 4 == 3 ? 100 : 0);
        flatstream::sink borrowed(sink.get());
        std::error_code code;
        {
            flatstream::async_writer writer(
                borrowed,
                flatstream::async_options().with_policy(policies[i % 3]).with_queue(64 * 1024, 8),
                code);
            CHECK(writer && !code);
            for (int k = 0; k < 200; k++)
                writer.write_owned(unique_buffer(std::string(500, 'x')), code);
            if (i % 2)
                writer.close(code);
        }
        CHECK(live == 0);
        static_cast<void>(borrowed.release());
    }
}

int main()
{
    flatstream::set_drop_handler(nullptr);
    for (unsigned seed = 1; seed <= 1200 && failures == 0; seed++) {
        session(seed).run();
        if (failures)
            std::fprintf(stderr, "with seed %u\n", seed);
    }
    nobody_to_give_to();
    the_same_call_again();
    asynchronously();
    return result_of_checks();
}
