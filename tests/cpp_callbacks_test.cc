/*
 * cpp_callbacks_test.cc: what C calls back into C++ with may throw, and the caller gets it;
 * function objects are owned by whoever was opened with them; what a destructor drops is told.
 */
#include <filesystem>
#include <stdexcept>
#include <thread>
#include <vector>

#include <stdlib.h>

#include "support/cpp_check.hpp"

struct scratch {
    scratch()
    {
        char name[] = "/tmp/cpp_callbacks_XXXXXX";
        if (!mkdtemp(name))
            std::abort();
        path = name;
    }
    ~scratch()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
};

static std::vector<std::string> drops;

static void note_drop(const char *text)
{
    drops.push_back(text);
}

/* --- owned --- */

static void taps_are_owned()
{
    auto seen = std::make_shared<int>(0);
    std::error_code code;
    auto memory = flatstream::sink::memory(code);
    {
        flatstream::writer writer(memory,
                                  flatstream::writer_options()
                                      .with_tap("observer",
                                                [seen](std::string_view bytes) {
                                                    *seen += static_cast<int>(bytes.size());
                                                })
                                      .with_tap(std::string("no x"),
                                                [](std::string_view bytes) {
                                                    return bytes.find('x') ==
                                                           std::string_view::npos;
                                                }),
                                  code);
        CHECK(writer && seen.use_count() == 2);
        CHECK(writer.write("abc", code) && *seen == 3);
        CHECK(!writer.write("xyz", code) && code == flatstream::errc::validation_failed);
        CHECK(writer.last_error().message().find("no x") != std::string::npos);
        CHECK(*seen == 6);
        CHECK(writer.add_tap(
            "short",
            [seen](const fls_payload &payload, fls_error &error) {
                std::snprintf(error.reason, sizeof error.reason, "too long for me");
                return payload.length < 10 ? FLS_OK : FLS_INVALID_FRAME;
            },
            code));
        CHECK(!writer.write(std::string(10, 'a'), code));
        CHECK(code == flatstream::errc::invalid_frame);
        CHECK(writer.last_error().message().find("too long for me") != std::string::npos);
        flatstream::writer moved = std::move(writer);
        CHECK(moved.write("abc", code) && seen.use_count() == 3);
        CHECK(moved.close(code));
    }
    CHECK(seen.use_count() == 1);

    auto from = flatstream::source::memory(memory.bytes(), code);
    flatstream::reader reader(
        from,
        flatstream::reader_options().with_tap("all", [seen](const fls_payload &) { ++*seen; }),
        code);
    *seen = 0;
    for (auto &message : reader.messages(code))
        CHECK(message.bytes() == "abc");
    CHECK(!code && *seen == 2 && seen.use_count() == 2);
    reader.close();
    CHECK(seen.use_count() == 1);
}

/* A checksum of one's own: the sum of the bytes. */
struct byte_sum {
    std::uint64_t sum = 0;
    void update(const void *data, std::size_t bytes)
    {
        for (std::size_t i = 0; i < bytes; i++)
            sum += static_cast<const unsigned char *>(data)[i];
    }
    std::uint64_t finish() const
    {
        return sum;
    }
};

static void checksums_of_ones_own()
{
    std::error_code code;
    auto memory = flatstream::sink::memory(code);
    flatstream::writer writer(
        memory, flatstream::writer_options().with_custom_checksum<byte_sum, 2>(), code);

    CHECK(writer.write("abc", code) && writer.write("defg", code) && writer.flush(code));
    std::string stream(memory.bytes());
    CHECK(stream.size() == 3 + 4 + 2 * 6);
    CHECK(static_cast<unsigned char>(stream[4]) == ('a' + 'b' + 'c') % 256);
    flatstream::reader reader(flatstream::source::memory(stream, code),
                              flatstream::reader_options().with_custom_checksum<byte_sum, 2>(),
                              code);
    CHECK(reader.next(code)->bytes() == "abc" && reader.next(code)->bytes() == "defg");
    CHECK(!reader.next(code) && !code);
    stream[6] ^= 1;
    flatstream::reader damaged(flatstream::source::memory(stream, code),
                               flatstream::reader_options().with_custom_checksum<byte_sum, 2>(),
                               code);
    CHECK(!damaged.next(code) && code == flatstream::errc::checksum_mismatch);
}

static void a_clock_of_ones_own()
{
    std::error_code code;
    auto memory = flatstream::sink::memory(code);
    auto now = std::make_shared<std::chrono::nanoseconds>(0);
    flatstream::writer writer(
        memory,
        flatstream::writer_options().with_batches_of(0, 0, 10).with_clock([now] { return *now; }),
        code);

    CHECK(writer.write("abc", code) && writer.flush_due(nullptr, code) && memory.bytes().empty());
    *now = std::chrono::milliseconds(11);
    CHECK(writer.flush_due(nullptr, code) && memory.bytes().size() == 7);
}

/* --- dropped --- */

static void drops_are_told()
{
    char room[10];
    std::error_code code;

    drops.clear();
    {
        flatstream::writer writer(flatstream::sink::fixed_memory(room, sizeof room, code),
                                  flatstream::writer_options().with_batches_of(0), code);
        CHECK(writer.write(std::string(100, 'x'), code));
    }
    CHECK(drops.size() == 1 && drops[0].find("writer") != std::string::npos);
    {
        flatstream::writer writer(flatstream::sink::fixed_memory(room, sizeof room, code), code);
        CHECK(!writer.write(std::string(100, 'x'), code)); /* told here */
    }
    CHECK(drops.size() == 1);
    {
        std::mt19937 chances(1);
        moody_sink sink(chances, 100, 0, 0);
        flatstream::sink borrowed(sink.get());
        flatstream::writer writer(borrowed, code);
        CHECK(!writer.write("never", code) && code == flatstream::errc::again);
        writer = flatstream::writer();
        CHECK(drops.size() == 2 && drops[1].find("not sent") != std::string::npos);
        static_cast<void>(borrowed.release());
    }
    {
        flatstream::builder builder(code);
        builder.add(0, 5); /* no table */
    }
    CHECK(drops.size() == 3 && drops[2].find("builder") != std::string::npos);
    {
        auto memory = flatstream::sink::memory(code);
        flatstream::writer writer(memory, flatstream::writer_options().with_batches_of(0), code);
        CHECK(writer.write("sent by the destructor", code));
    }
    CHECK(drops.size() == 3);
}

#if FLATSTREAM_EXCEPTIONS

/* --- thrown --- */

struct mishap : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/* What a call throws: the text of a mishap; "" when nothing, "?" for anything else. */
template <class Function> static std::string thrown_by(Function &&function)
{
    try {
        function();
    } catch (const mishap &thrown) {
        return thrown.what();
    } catch (...) {
        return "?";
    }
    return "";
}

static void a_throwing_tap_refuses()
{
    std::error_code code;
    auto memory = flatstream::sink::memory();
    flatstream::writer writer(
        memory, flatstream::writer_options().with_tap("touchy", [](std::string_view bytes) {
            if (bytes == "bad")
                throw mishap("tap");
        }));

    writer.write("good");
    CHECK(thrown_by([&] { writer.write("bad"); }) == "tap");
    CHECK(!writer.write("bad", code) && code == flatstream::errc::callback_threw);
    CHECK(writer.exception() && writer.last_error().message().find("tap") != std::string::npos);
    CHECK(writer.last_error().code() == code && code.message().find("threw") != std::string::npos);
    CHECK(writer.write("good", code) && !code);
    CHECK(thrown_by([&] { writer.write_owned(std::string("bad")); }) == "tap");
    CHECK(thrown_by([&] {
              fls_payload payload{};
              iovec segment = {const_cast<char *>("bad"), 3};
              payload = fls_payload_from_segments(&segment, 1);
              writer.write_batch(&payload, 1);
          }) == "tap");
    CHECK(writer.position().frame == 2 && memory.bytes().size() == 16);

    flatstream::reader reader(
        flatstream::source::memory(memory.bytes()),
        flatstream::reader_options().with_tap("once", [n = 0](const fls_payload &) mutable {
            if (n++ == 0)
                throw mishap("reading");
        }));
    CHECK(thrown_by([&] {
              for (auto &message : reader)
                  CHECK(message.size() == 0);
          }) == "reading");
    CHECK(reader.next()->bytes() == "good" && !reader.next());
}

/* Also a tap given as C has it. */
static void a_throwing_tap_of_c()
{
    fls_tap raw{};
    auto memory = flatstream::sink::memory();

    raw.run = [](const fls_tap *, const fls_payload *, fls_error *) -> fls_status {
        throw mishap("raw");
    };
    raw.name = "raw";
    flatstream::writer opened(memory, flatstream::writer_options().with_taps(&raw, 1));
    CHECK(thrown_by([&] { opened.write("x"); }) == "raw");
    flatstream::writer added(memory);
    added.add_tap(raw);
    CHECK(thrown_by([&] { added.write("x"); }) == "raw");
    added.close();
    opened.close();
    fls_tap both[] = {
        fls_tap_observer([](void *, const fls_payload *) { throw mishap("observer"); }, nullptr),
        raw};
    flatstream::writer within(memory);
    within.add_tap(fls_tap_composite(both, 2));
    CHECK(thrown_by([&] { within.write("x"); }) == "observer");
    within.close();
    CHECK(memory.bytes().empty());
}

static int sums_until_throw;

struct touchy_sum : byte_sum {
    void update(const void *data, std::size_t bytes)
    {
        if (sums_until_throw-- == 0)
            throw mishap("sum");
        byte_sum::update(data, bytes);
    }
};

/* No frame goes out without its sum. */
static void a_throwing_checksum()
{
    const fls_framer framers[] = {FLS_FRAMER_LEGACY, FLS_FRAMER_VECTORED, FLS_FRAMER_BATCHED};

    for (fls_framer framer : framers) {
        auto memory = flatstream::sink::memory();
        flatstream::writer writer(
            memory,
            flatstream::writer_options().with_framer(framer).with_custom_checksum<touchy_sum, 8>());
        sums_until_throw = 1;
        writer.write("one");
        CHECK(thrown_by([&] { writer.write("two"); }) == "sum");
        sums_until_throw = 100;
        writer.write("three");
        writer.close();
        flatstream::reader reader(
            flatstream::source::memory(memory.bytes()),
            flatstream::reader_options().with_custom_checksum<touchy_sum, 8>());
        CHECK(reader.next()->bytes() == "one");
        sums_until_throw = 0;
        CHECK(thrown_by([&] { reader.next(); }) == "sum");
        sums_until_throw = 100;
        CHECK(!reader.next());
    }
}

static void a_throwing_clock_and_policy()
{
    bool throws = false;
    auto memory = flatstream::sink::memory();
    fls_memory_policy policy{};

    policy.baseline_bytes = 1;
    policy.should_reclaim = [](fls_memory_policy *, std::size_t,
                               std::size_t) -> fls_reclaim_reason { throw mishap("policy"); };
    flatstream::writer writer(
        memory,
        flatstream::writer_options().with_batches_of(0, 0, 10).with_clock([&]() -> std::uint64_t {
            if (throws)
                throw mishap("clock");
            return 0;
        }));
    throws = true;
    CHECK(thrown_by([&] { writer.write("taken all the same"); }) == "clock");
    throws = false;
    writer.close();
    CHECK(memory.bytes().size() == 22);
    flatstream::reader_options options;
    options.memory_policy = &policy;
    options.alignment = 256;
    flatstream::reader reader(flatstream::source::memory(memory.bytes()), options);
    std::string thrown = thrown_by([&] {
        while (reader.next())
            ;
    });
    CHECK(thrown == "policy");
}

struct rude {
    std::string text;
    bool moved_from = false;

    explicit rude(std::string given) : text(std::move(given))
    {
    }
    rude(rude &&other) noexcept : text(std::move(other.text))
    {
        other.moved_from = true;
    }
    ~rude() noexcept(false)
    {
        if (!moved_from)
            throw mishap("destructor");
    }
    const char *data() const
    {
        return text.data();
    }
    std::size_t size() const
    {
        return text.size();
    }
};

static void a_throwing_release()
{
    auto memory = flatstream::sink::memory();
    auto batches = flatstream::writer_options().with_batches_of(0);
    iovec segment = {const_cast<char *>("text"), 4};
    auto payload = fls_payload_from_segments(&segment, 1);
    auto release = [](void *) { throw mishap("release"); };
    std::error_code code;

    batches.copy_bytes_max = FLS_COPY_NEVER;
    flatstream::writer writer(memory, batches);
    writer.write_owned(payload, release, nullptr);
    CHECK(thrown_by([&] { writer.flush(); }) == "release");
    writer.write_owned(rude("more"));
    CHECK(thrown_by([&] { writer.flush(); }) == "destructor");
    CHECK(memory.bytes().size() == 16);
    writer.write_owned(payload, release, nullptr);
    CHECK(!writer.flush(code) && code == flatstream::errc::callback_threw);
    writer.write_owned(payload, release, nullptr);
    CHECK(thrown_by([&] { writer.close(); }) == "release" && !writer);
    flatstream::writer empty;
    CHECK(thrown_by([&] { empty.write_owned(payload, release, nullptr); }) == "release");
    drops.clear();
    {
        flatstream::writer ends(memory, batches);
        ends.write_owned(payload, release, nullptr);
    }
    CHECK(drops.size() == 1 && drops[0].find("release") != std::string::npos);
}

/* On the drain thread, where nobody calls: the next call carries it. */
static void a_throwing_tap_of_the_drain_thread()
{
    auto memory = flatstream::sink::memory();
    flatstream::async_writer writer(
        memory, flatstream::async_options().with_writer(
                    flatstream::writer_options().with_tap("touchy", [](std::string_view bytes) {
                        if (bytes == "bad")
                            throw mishap("drained");
                    })));

    writer.write("good");
    writer.flush();
    writer.write("bad");
    CHECK(thrown_by([&] { writer.flush(); }) == "drained");
    writer.write("good");
    writer.close();
    CHECK(writer.statistics().refused == 1 && writer.statistics().written == 2);
    CHECK(memory.bytes().size() == 16);
}

/* Each thread gets what its own message threw. */
static void a_throwing_tap_of_a_journal()
{
    scratch folder;
    flatstream::journal journal(folder.path / "j.fls",
                                flatstream::journal_options()
                                    .with_checksum(FLS_CHECKSUM_XXH3)
                                    .with_tap("touchy", [](std::string_view bytes) {
                                        if (bytes[0] == 'b')
                                            throw mishap(std::string(bytes));
                                    }));
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};

    for (int t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            const std::string bad(static_cast<std::size_t>(t) + 1, 'b');
            for (int i = 0; i < 300; i++) {
                if (thrown_by([&] { journal.write(bad); }) != bad)
                    wrong++;
                if (thrown_by([&] { journal.write("good"); }) != "")
                    wrong++;
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    CHECK(wrong == 0 && journal.statistics().messages == 1200);
    std::error_code code;
    CHECK(journal.write("bad", code) == 0 && code == flatstream::errc::callback_threw);
    CHECK(journal.exception() && !journal.exception());
    journal.close();
}

static void a_throwing_key_and_segment()
{
    scratch folder;
    fls_journal_rotation rotation{};
    bool key_throws = false;

    rotation.messages = 2;
    flatstream::journal journal(
        folder.path / "s.fls",
        flatstream::journal_options()
            .with_checksum(FLS_CHECKSUM_XXH3)
            .with_rotation(rotation)
            .with_an_index(flatstream::index_options().with_time(
                "t",
                [&](std::string_view bytes) -> std::optional<std::int64_t> {
                    if (key_throws)
                        throw mishap("key");
                    return static_cast<std::int64_t>(bytes.size());
                }))
            .with_segment_finished([](const std::string &, std::uint64_t, std::uint64_t) {
                throw mishap("segment");
            }));
    std::string first;

    for (int i = 0; i < 3; i++)
        first += thrown_by([&] { journal.write("m"); });
    first += thrown_by([&] { journal.close(); });
    CHECK(first == "segment");
    CHECK(std::filesystem::exists(folder.path / "s-000001.fls"));
}
#endif

/* --- the other objects --- */

static void a_journal_and_its_index()
{
    scratch folder;
    std::error_code code;
    const std::string path = (folder.path / "j.fls").string();
    {
        flatstream::journal journal(path,
                                    flatstream::journal_options()
                                        .with_checksum(FLS_CHECKSUM_XXH3)
                                        .with_an_index(flatstream::index_options().with_time(
                                            "length",
                                            [](std::string_view bytes) {
                                                return std::optional<std::int64_t>(bytes.size());
                                            })),
                                    code);
        CHECK(journal && !code && journal.opening().frames == 0);
        for (std::size_t i = 1; i <= 100; i++)
            CHECK(journal.write(std::string(i, 'm'), code) == i && !code);
        CHECK(journal.commit(0, FLS_LEVEL_PROCESS, code));
        CHECK(!journal.commit(1000, FLS_LEVEL_PROCESS, code));
        CHECK(code == flatstream::errc::invalid_argument);
        flatstream::journal second(path, code);
        CHECK(!second && code == flatstream::errc::busy);
        flatstream::journal moved = std::move(journal);
        CHECK(moved.statistics().messages == 100 && !journal);
        CHECK(moved.close(code));
    }
    flatstream::index index(path, code);
    CHECK(index && index.summary().frames == 100 && index.summary().time_last == 100);
    CHECK(index.find_frame(50, code).frame <= 50 && !code);
    flatstream::reader reader = index.open_reader(49, code);
    CHECK(reader && reader.next(code)->size() == 50);
    CHECK(!index.open_reader(500, code) && code == flatstream::errc::end);
    flatstream::index none(folder.path / "none.fls", code);
    CHECK(!none && code == std::errc::no_such_file_or_directory);
    CHECK(none.find_frame(0, code).frame == 0 && code == flatstream::errc::invalid_argument);
}

static void a_builder_and_an_index_writer()
{
    scratch folder;
    std::error_code code;
    const std::filesystem::path path = folder.path / "built.fls";
    flatstream::writer writer(path, FLS_FILE_CREATE_NEW, code);
    flatstream::index_writer indexer(path, FLS_CHECKSUM_NONE, {}, code);
    flatstream::builder builder(code);
    const std::vector<double> samples = {1.5, 2.5};

    CHECK(writer && indexer && builder && !code);
    for (int i = 0; i < 3; i++) {
        builder.reset();
        auto name = builder.create_string("rack");
        auto values = i ? builder.create_vector(samples) : builder.reference_vector(samples);
        builder.start_table();
        builder.add(0, name);
        builder.add(1, 21.5);
        builder.add(2, values);
        builder.add<std::uint8_t>(3, 7);
        auto payload = builder.finish_message(builder.end_table(), "TEST", code);
        CHECK(!code && payload.length > 40);
        auto at = writer.position();
        CHECK(writer.write(payload, code));
        CHECK(indexer.add(at.offset, 4, payload, code));
    }
    CHECK(writer.close(code) && indexer.close(code) && !code);
    builder.add(0, 5);
    builder.finish_message({}, code);
    CHECK(code == flatstream::errc::invalid_argument);
    flatstream::index index(path, code);
    CHECK(index && index.summary().frames == 3);
}

/* What a reader gives may be written; and what it++ leaves is valid until the next look. */
static void messages_go_on()
{
    std::error_code code;
    auto memory = flatstream::sink::memory(code), copy = flatstream::sink::memory(code);
    flatstream::writer writer(memory, code), copier(copy, code);

    for (int i = 0; i < 100; i++)
        CHECK(writer.write(std::string("message ").append(std::to_string(i)), code));
    flatstream::reader reader(flatstream::source::memory(memory.bytes(), code), code);
    auto messages = reader.messages(code);
    auto end = messages.end();
    for (auto it = messages.begin(); it != end;)
        CHECK(copier.write(*it++, code));
    CHECK(!code && copy.bytes() == memory.bytes());
    flatstream::reader again(flatstream::source::memory(copy.bytes(), code), code);
    auto it = again.messages(code).begin();
    auto first = it++;
    CHECK((*first).bytes() == "message 0" && it->bytes() == "message 1" &&
          (*++it).bytes() == "message 2");
}

/* Each opens with nothing but what it cannot do without, and says how that went. */
static void all_open_without_options()
{
    scratch folder;
    std::error_code code;
    const std::filesystem::path path = folder.path / "plain.fls";
    auto sink = flatstream::sink::memory(code);
    flatstream::writer to_file(path, FLS_FILE_CREATE_NEW, code);
    CHECK(to_file && !code && to_file.write("x", code) && to_file.close(code));
    flatstream::writer borrows(sink, code);
    CHECK(borrows && !code && borrows.close(code));
    flatstream::writer owns(flatstream::sink::memory(code), code);
    CHECK(owns && !code && owns.close(code));
    flatstream::async_writer async(sink, code);
    CHECK(async && !code && async.write("x", code) && async.close(code));
    CHECK(async.statistics().written == 1 && sink.bytes().size() == 5);
    flatstream::async_writer async_owns(flatstream::sink::memory(code), code);
    CHECK(async_owns && !code && async_owns.close(code));
    flatstream::reader by_path(path, code);
    CHECK(by_path && !code && by_path.next(code)->bytes() == "x");
    auto source = flatstream::source::file(path, code);
    flatstream::reader from(source, code);
    CHECK(from && !code && from.next(code)->bytes() == "x");
    flatstream::index_writer indexer(path, FLS_CHECKSUM_NONE, {}, code);
    CHECK(indexer && !code && indexer.close(code));
    flatstream::index index(path, code);
    CHECK(index && !code);
    flatstream::journal journal(folder.path / "j.fls", code);
    CHECK(journal && !code && journal.write("x", code) == 1 && journal.close(code));
    flatstream::builder builder(code);
    CHECK(builder && !code);
}

int main()
{
    flatstream::set_drop_handler(note_drop);
    taps_are_owned();
    checksums_of_ones_own();
    a_clock_of_ones_own();
    drops_are_told();
    a_journal_and_its_index();
    a_builder_and_an_index_writer();
    messages_go_on();
    all_open_without_options();
#if FLATSTREAM_EXCEPTIONS
    a_throwing_tap_refuses();
    a_throwing_tap_of_c();
    a_throwing_checksum();
    a_throwing_clock_and_policy();
    a_throwing_release();
    a_throwing_tap_of_the_drain_thread();
    a_throwing_tap_of_a_journal();
    a_throwing_key_and_segment();
#endif
    return result_of_checks();
}
