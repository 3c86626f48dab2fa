// Makes sample.bin and sample_prefixed.bin with Google's builder and the code that flatc generates,
// as the reference that tests/builder_test.c compares with:
//
//     flatc --cpp sample.fbs && g++ -std=c++17 make_sample.cc -o make_sample -lflatbuffers
//     ./make_sample && flatc --json --strict-json sample.fbs -- sample.bin
#include <cstdio>

#include "sample_generated.h"

static void make(bool prefixed, const char *path)
{
    flatbuffers::FlatBufferBuilder inner, b;
    auto inner_name = inner.CreateString("inside");
    LeafBuilder inner_leaf(inner);
    inner_leaf.add_name(inner_name);
    inner_leaf.add_value(77);
    inner.Finish(inner_leaf.Finish());

    auto name = b.CreateString("a longer name than most");
    auto shared = b.CreateSharedString("leaf");
    auto shared_again = b.CreateSharedString("leaf");
    LeafBuilder first_builder(b);
    first_builder.add_value(-1);
    first_builder.add_name(shared);
    auto first = first_builder.Finish();
    LeafBuilder second_builder(b);
    second_builder.add_value(1234567890123);
    second_builder.add_name(shared_again);
    auto second = second_builder.Finish();
    LeafBuilder third_builder(b);
    third_builder.add_value(5); // the default
    auto third = third_builder.Finish();

    flatbuffers::Offset<Leaf> leaf_array[] = {first, second, third};
    auto leaves = b.CreateVector(leaf_array, 3);
    flatbuffers::Offset<flatbuffers::String> name_array[] = {b.CreateString("x"),
                                                             b.CreateString("")};
    auto names = b.CreateVector(name_array, 2);
    const double sample_array[] = {0.25, -1.5, 1e100};
    auto samples = b.CreateVector(sample_array, 3);
    const Point track_array[] = {Point(1, 2, 3), Point(4, 5, 6)};
    auto track = b.CreateVectorOfStructs(track_array, 2);
    b.ForceVectorAlignment(inner.GetSize(), 1, inner.GetBufferMinAlignment());
    auto nested = b.CreateVector(inner.GetBufferPointer(), inner.GetSize());
    uint8_t bytes[301];
    for (int i = 0; i < 301; i++)
        bytes[i] = static_cast<uint8_t>(i * 7);
    b.ForceVectorAlignment(301, 1, 32);
    auto blob = b.CreateVector(bytes, 301);

    const Point position(-1, 0.5f, 8);
    const Wide wide(0x1122334455667788, 9);
    RootBuilder root(b);
    root.add_big(0xfedcba9876543210);
    root.add_exact(0.5); // the default
    root.add_flag(true);
    root.add_wide(&wide);
    root.add_number(-70000);
    root.add_ratio(1.25f);
    root.add_optional(0);
    root.add_name(name);
    root.add_position(&position);
    root.add_leaves(leaves);
    root.add_names(names);
    root.add_samples(samples);
    root.add_track(track);
    root.add_any(second.Union());
    root.add_any_type(Any_Leaf);
    root.add_nested(nested);
    root.add_blob(blob);
    root.add_small(-300);
    root.add_tiny(4);
    auto done = root.Finish();
    if (prefixed)
        FinishSizePrefixedRootBuffer(b, done);
    else
        FinishRootBuffer(b, done);

    FILE *file = std::fopen(path, "wb");
    std::fwrite(b.GetBufferPointer(), 1, b.GetSize(), file);
    std::fclose(file);
}

int main()
{
    make(false, "sample.bin");
    make(true, "sample_prefixed.bin");
}
