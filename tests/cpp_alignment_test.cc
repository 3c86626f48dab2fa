/*
 * cpp_alignment_test.cc: what is read as its type lies as its type asks. Built with the compiler's
 * alignment sanitizer, which ends the test at the first access that is not so.
 */
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "aligned_generated.h"
#include "support/cpp_check.hpp"

/* As flatc would generate it, did it take 64: table Most { huge:Huge; }, read from id 0. */
struct alignas(64) Huge {
    double values[8];
};

struct Most : private flatbuffers::Table {
    const Huge *huge() const
    {
        return GetStruct<const Huge *>(4);
    }
    bool Verify(flatbuffers::Verifier &verifier) const
    {
        return VerifyTableStart(verifier) && VerifyField<Huge>(verifier, 4, 64) &&
               verifier.EndTable();
    }
};

#define MESSAGES 200

static void build(flatbuffers::FlatBufferBuilder &builder, unsigned i)
{
    aligned::Sixteen sixteen(i, i + 1);
    aligned::ThirtyTwo wide(i, 1, 2, 3);
    std::vector<aligned::ThirtyTwo> many(i % 4, wide);

    builder.Clear();
    auto name = builder.CreateString(std::string(i * 7 % 50, 'n'));
    auto all = builder.CreateVectorOfStructs(many);
    builder.Finish(aligned::CreateRoot(builder, 1, &sixteen, all, name, &wide));
}

static void check_root(const aligned::Root *root, unsigned i)
{
    CHECK(root->sixteen()->x() == i && root->sixteen()->y() == i + 1);
    CHECK(root->wide()->a() == i && root->wide()->d() == 3);
    CHECK(root->many()->size() == i % 4);
    for (const aligned::ThirtyTwo *one : *root->many())
        CHECK(one->a() == i && one->c() == 2);
}

/* Messages of many lengths, so that they begin anywhere; and some bytes before, not to begin
 * well. */
static std::string stream_of_roots(fls_checksum_kind kind)
{
    std::error_code code;
    auto memory = flatstream::sink::memory(code);
    flatstream::writer writer(memory, flatstream::writer_options().with_checksum(kind), code);
    flatbuffers::FlatBufferBuilder builder;

    for (unsigned i = 0; i < MESSAGES; i++) {
        build(builder, i);
        CHECK(writer.write(builder, code));
        CHECK(writer.write(std::string(i % 37, 'x'), code));
    }
    return std::string(memory.bytes());
}

static void read_all(flatstream::reader &reader)
{
    std::error_code code;
    unsigned count = 0;

    for (auto &message : reader.messages(code)) {
        if (message.frame() % 2)
            continue;
        std::error_code verified;
        const aligned::Root *root = message.verified_root<aligned::Root>(verified);
        CHECK(root && !verified);
        if (root)
            check_root(root, count++);
    }
    CHECK(!code && count == MESSAGES);
}

/* Unless told otherwise, from every kind of source. */
static void by_default()
{
    const fls_checksum_kind kinds[] = {FLS_CHECKSUM_NONE, FLS_CHECKSUM_CRC16, FLS_CHECKSUM_CRC32,
                                       FLS_CHECKSUM_XXH3};
    const std::filesystem::path path = "cpp_alignment.fls";

    for (fls_checksum_kind kind : kinds) {
        const std::string stream = stream_of_roots(kind);
        auto how = flatstream::reader_options().with_checksum(kind);
        std::error_code code;
        auto file = flatstream::sink::file(path, FLS_FILE_TRUNCATE, code);
        fls_write_cursor all{};
        iovec whole = {const_cast<char *>(stream.data()), stream.size()};

        all.segments = &whole;
        all.count = 1;
        CHECK(fls_sink_write(file.get(), &all, nullptr, nullptr) == FLS_OK && file.close(code));
        flatstream::reader from_memory(flatstream::source::memory(stream, code), how, code);
        read_all(from_memory);
        flatstream::reader from_file(path, how, code);
        read_all(from_file);
        flatstream::reader mapped(flatstream::source::mapped(path, code), how, code);
        read_all(mapped);
        std::filesystem::remove(path);
    }
}

/* Where a reader aligns less, or the message is from elsewhere: a root that can be read, or none,
 * and both happen. */
static void or_it_is_said(std::size_t alignment)
{
    const std::string stream = stream_of_roots(FLS_CHECKSUM_NONE);
    std::error_code code;
    unsigned readable = 0, refused = 0, i = 0;

    flatstream::reader reader(flatstream::source::memory(stream, code),
                              flatstream::reader_options().with_alignment(alignment), code);
    for (auto &message : reader.messages(code)) {
        if (message.frame() % 2)
            continue;
        std::error_code verified;
        const aligned::Root *root = message.verified_root<aligned::Root>(verified);
        bool aligned_now = reinterpret_cast<std::uintptr_t>(message.data()) % 32 == 0;

        CHECK(message.verifies<aligned::Root>());
        CHECK((root != nullptr) == aligned_now && (root != nullptr) == !verified);
        CHECK(root || verified == flatstream::errc::invalid_argument);
        CHECK(message.root_if_valid<aligned::Root>() == root);
        CHECK(message.is_aligned<aligned::Root>() == aligned_now);
        if (root)
            check_root(root, i);
        readable += root != nullptr;
        refused += root == nullptr;
        i++;
    }
    CHECK(!code && readable + refused == MESSAGES && refused > 0 && readable > 0);
}

static void sixty_four()
{
    std::error_code code;
    auto memory = flatstream::sink::memory(code);
    flatstream::writer writer(memory, code);
    flatstream::builder builder(code);

    for (unsigned i = 0; i < MESSAGES; i++) {
        Huge huge{};
        huge.values[7] = i;
        builder.reset();
        builder.start_table();
        builder.add_struct(0, huge);
        auto payload = builder.finish_message(builder.end_table(), code);
        CHECK(!code && builder.alignment() == 64 && writer.write(payload, code));
        CHECK(writer.write(std::string(i % 37, 'x'), code));
    }
    for (auto &options : {flatstream::reader_options(),
                          flatstream::reader_options().with_alignment_of<Huge, double>()}) {
        flatstream::reader reader(flatstream::source::memory(memory.bytes(), code), options, code);
        unsigned count = 0;
        for (auto &message : reader.messages(code))
            if (message.frame() % 2 == 0) {
                std::error_code verified;
                const Most *root = message.verified_root<Most>(verified);
                CHECK(root && root->huge()->values[7] == count);
                count++;
            }
        CHECK(!code && count == MESSAGES);
    }
}

int main()
{
    by_default();
    or_it_is_said(1);
    or_it_is_said(8);
    or_it_is_said(16);
    sixty_four();
    return result_of_checks();
}
