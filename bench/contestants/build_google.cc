/*
 * build_google.cc: the messages of build_flatstream.c by Google's FlatBufferBuilder, then a writev.
 *
 *   write  copy         builds, copying the vector as it must, and writes
 *          build-copy   building alone
 *          build-small  building alone
 *
 * The calls are those that flatc's generated code makes.
 */
#include <flatbuffers/flatbuffers.h>

extern "C" {
#include "output.h"
}

namespace
{

void build_blob(flatbuffers::FlatBufferBuilder &builder, const job &job, uint64_t i)
{
    builder.Clear();
    auto data = builder.CreateVector(job.payload, job.size);
    auto start = builder.StartTable();
    builder.AddElement<uint64_t>(4, i, 0);
    builder.AddOffset(6, data);
    builder.Finish(flatbuffers::Offset<void>(builder.EndTable(start)));
}

void build_small(flatbuffers::FlatBufferBuilder &builder, uint64_t i)
{
    builder.Clear();
    auto name = builder.CreateString("eth0", 4);
    auto host = builder.CreateString("rack-7.example", 14);
    auto start = builder.StartTable();
    builder.AddElement<int32_t>(4, static_cast<int32_t>(i) + 1, 0);
    builder.AddElement<int32_t>(6, -7, 0);
    builder.AddElement<uint32_t>(8, 99, 0);
    builder.AddElement<uint64_t>(10, i + 5, 0);
    builder.AddElement<double>(12, 0.25, 0);
    builder.AddElement<int16_t>(14, 3, 0);
    builder.AddOffset(16, name);
    builder.AddOffset(18, host);
    builder.Finish(flatbuffers::Offset<void>(builder.EndTable(start)));
}

void build_only(const job &job)
{
    flatbuffers::FlatBufferBuilder builder(1024);
    bool small = std::strcmp(job.mode, "build-small") == 0;
    outcome outcome = {0, job.messages, 0, start_watch()};

    for (uint64_t i = 0; i < job.messages; i++) {
        if (small)
            build_small(builder, i);
        else
            build_blob(builder, job, i);
        outcome.bytes += builder.GetSize();
    }
    report(&outcome);
}

void build_and_write(const job &job)
{
    flatbuffers::FlatBufferBuilder builder(1024);
    int fd = open_output(job.path);
    uint64_t lap = 0;
    outcome outcome = {0, job.messages, 0, start_watch()};

    for (uint64_t i = 0; i < job.messages; i++) {
        build_blob(builder, job, i);
        write_frame(fd, builder.GetBufferPointer(), builder.GetSize(), &outcome);
        wrap_file(fd, &outcome, &lap);
    }
    close(fd);
    report_beside(&job, &outcome);
}

} // namespace

int main(int argc, char **argv)
{
    job job = parse_job(argc, argv);

    if (!job.writing)
        return 2;
    if (std::strcmp(job.mode, "copy") == 0)
        build_and_write(job);
    else if (std::strcmp(job.mode, "build-copy") == 0 || std::strcmp(job.mode, "build-small") == 0)
        build_only(job);
    else
        return 2;
    std::free(job.payload);
    return 0;
}
