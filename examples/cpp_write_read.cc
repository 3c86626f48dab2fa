/*
 * cpp_write_read.cc: FlatBuffers made by generated C++ code, written to a file and read back.
 *
 *     cpp_write_read FILE
 *
 * Exit status: 0 all well, 1 something failed, 2 wrong usage.
 */
#include <cstdio>
#include <vector>

#include <flatstream/flatstream.hpp>

#include "reading_generated.h"

static void write_readings(const char *path)
{
    auto options = flatstream::writer_options().with_checksum(FLS_CHECKSUM_XXH3);
    flatstream::writer writer(path, FLS_FILE_TRUNCATE, options);
    flatbuffers::FlatBufferBuilder builder;
    std::vector<float> samples;

    for (int i = 0; i < 100; i++) {
        samples.push_back(0.5f * static_cast<float>(i));
        builder.Clear();
        builder.Finish(CreateReadingDirect(builder, i % 2 ? "roof" : "cellar", 20.0 + i, &samples));
        writer.write(builder);
    }
    writer.close(); /* a destructor could not say that the disk is full */
}

static void read_readings(const char *path)
{
    auto options = flatstream::reader_options().with_checksum(FLS_CHECKSUM_XXH3);
    flatstream::reader reader(path, options);
    double warmest = 0;
    std::size_t samples = 0;

    for (auto &message : reader) {
        const Reading *reading = message.verified_root<Reading>();

        if (reading->celsius() > warmest)
            warmest = reading->celsius();
        samples += reading->samples()->size();
    }
    std::printf("%llu readings, %zu samples, warmest %.1f\n",
                static_cast<unsigned long long>(reader.position().frame), samples, warmest);
}

/* The same without exceptions: a code for each call. */
static void tell_how_it_ends(const char *path)
{
    std::error_code code;
    flatstream::reader reader(path, {}, code);
    std::size_t bytes = 0;

    for (auto &message : reader.messages(code))
        bytes += message.size();
    if (code)
        std::printf("without its checksum: %s\n", reader.last_error().message().c_str());
    else
        std::printf("without its checksum: %zu bytes\n", bytes);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        std::fprintf(stderr, "usage: cpp_write_read FILE\n");
        return 2;
    }
    try {
        write_readings(arguments[1]);
        read_readings(arguments[1]);
        tell_how_it_ends(arguments[1]);
    } catch (const flatstream::error &error) {
        std::fprintf(stderr, "cpp_write_read: %s\n", error.what());
        return 1;
    }
    return 0;
}
