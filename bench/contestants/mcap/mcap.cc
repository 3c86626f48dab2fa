/*
 * mcap.cc: MCAP, the container of robotics logs, as lean as its writer goes: records straight into
 * the file, no chunks, no compression, no index, no summary, no CRC. Each message has a header of
 * 31 bytes (kind, length, channel, sequence, two times). Compared with the plain streams.
 *
 *   write  own  McapWriter::write into a sink with a buffer of 256 KiB. Its own sink goes through
 *               stdio, whose buffer is 4 KiB and gets each field by a call of fwrite
 *   read   own  RecordReader and ParseMessage from a source with a buffer of 256 KiB, in which the
 *               messages stay. Its own source copies each by fread, and needs a file to seek in
 *
 * It is not built with the others: its library is headers alone, which no package brings.
 *
 *     git clone -b releases/cpp/v2.1.3 https://github.com/foxglove/mcap build/mcap-source
 *     c++ -std=c++17 -O3 -D_GNU_SOURCE -isystem build/mcap-source/cpp/mcap/include \
 *         bench/contestants/mcap/mcap.cc -o build/mcap
 *     bash scripts/bench.sh --contestant mcap=build/mcap
 *
 * System calls are the process's own count (/proc/self/io).
 */
#define MCAP_IMPLEMENTATION
#define MCAP_COMPRESSION_NO_LZ4
#define MCAP_COMPRESSION_NO_ZSTD
#include <mcap/reader.hpp>
#include <mcap/writer.hpp>

#include "../output.h"
#include "../system_calls.h"

namespace
{

constexpr size_t buffer_bytes = 256 * 1024;

void fail(const std::string &what)
{
    std::fprintf(stderr, "%s\n", what.c_str());
    std::exit(1);
}

/* What McapWriter writes into: small pieces are gathered, large ones go straight on. */
class Sink final : public mcap::IWritable
{
  public:
    explicit Sink(int fd) : fd_(fd), buffer_(buffer_bytes)
    {
    }

    void handleWrite(const std::byte *data, uint64_t size) override
    {
        size_ += size;
        if (size > buffer_.size() - used_) {
            flush();
            if (size >= buffer_.size())
                return write_all(data, size);
        }
        std::memcpy(buffer_.data() + used_, data, size);
        used_ += size;
    }

    void flush() override
    {
        write_all(buffer_.data(), used_);
        used_ = 0;
    }

    void end() override
    {
        flush();
        if (close(fd_) != 0)
            die("close");
    }

    uint64_t size() const override
    {
        return size_;
    }

  private:
    void write_all(const std::byte *at, size_t size)
    {
        while (size > 0) {
            ssize_t written = ::write(fd_, at, size);
            if (written < 0)
                die("write");
            at += written;
            size -= static_cast<size_t>(written);
        }
    }

    int fd_;
    std::vector<std::byte> buffer_;
    size_t used_ = 0;
    uint64_t size_ = 0;
};

/* What RecordReader reads from: a window of the file that only moves forward. */
class Source final : public mcap::IReadable
{
  public:
    explicit Source(int fd) : fd_(fd), buffer_(buffer_bytes)
    {
    }

    /* Of a pipe nobody knows it. The end is where the footer is. */
    uint64_t size() const override
    {
        return uint64_t{1} << 62;
    }

    uint64_t read(std::byte **output, uint64_t offset, uint64_t size) override
    {
        if (offset < start_ || offset > start_ + filled_)
            fail("read out of order");
        if (offset + size > start_ + filled_)
            fill(offset, size);
        *output = buffer_.data() + (offset - start_);
        return std::min(size, start_ + filled_ - offset);
    }

  private:
    void fill(uint64_t offset, uint64_t size)
    {
        size_t wanted = std::max<size_t>(size, buffer_bytes);
        size_t kept = start_ + filled_ - offset;

        std::memmove(buffer_.data(), buffer_.data() + (offset - start_), kept);
        start_ = offset;
        filled_ = kept;
        if (buffer_.size() < wanted)
            buffer_.resize(wanted);
        while (filled_ < size) {
            ssize_t got = ::read(fd_, buffer_.data() + filled_, wanted - filled_);
            if (got < 0)
                die("read");
            if (got == 0)
                return;
            filled_ += static_cast<size_t>(got);
        }
    }

    int fd_;
    std::vector<std::byte> buffer_;
    uint64_t start_ = 0;
    size_t filled_ = 0;
};

mcap::McapWriterOptions lean()
{
    mcap::McapWriterOptions options("");

    options.noChunking = true;
    options.noSummary = true;
    options.noChunkCRC = true;
    options.noSummaryCRC = true;
    options.compression = mcap::Compression::None;
    return options;
}

void write_messages(const job &job)
{
    int fd = open(job.path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0)
        die(job.path);
    Sink sink(fd);
    mcap::McapWriter writer;
    writer.open(sink, lean());
    mcap::Channel channel("payloads", "flatbuffer", 0);
    writer.addChannel(channel);
    mcap::Message message;
    message.channelId = channel.id;
    message.dataSize = job.size;
    uint64_t calls = system_calls_now();
    outcome outcome = {0, job.messages, 0, start_watch()};

    for (uint64_t i = 0; i < job.messages; i++) {
        message.sequence = static_cast<uint32_t>(i);
        message.logTime = message.publishTime = i;
        message.data = reinterpret_cast<const std::byte *>(payload_of(&job, i));
        if (mcap::Status status = writer.write(message); !status.ok())
            fail(status.message);
    }
    writer.close();
    outcome.bytes = sink.size();
    outcome.system_calls = system_calls_since(calls);
    report(&outcome);
}

void expect_magic(Source &source, uint64_t offset)
{
    std::byte *data;

    if (source.read(&data, offset, sizeof mcap::Magic) != sizeof mcap::Magic ||
        std::memcmp(data, mcap::Magic, sizeof mcap::Magic) != 0)
        fail("no MCAP file, or cut short");
}

/* Every record up to the footer. */
void read_records(const job &job, mcap::RecordReader &reader, outcome &outcome)
{
    mcap::Message message;

    while (auto record = reader.next()) {
        if (record->opcode == mcap::OpCode::Footer)
            return;
        if (record->opcode != mcap::OpCode::Message)
            continue;
        mcap::Status status = mcap::McapReader::ParseMessage(*record, &message);
        if (!status.ok())
            fail(status.message);
        if (message.dataSize != job.size)
            fail("a message of another size");
        keep(message.data);
        outcome.messages++;
    }
    fail(reader.status().message);
}

void read_messages(const job &job)
{
    int fd = open_input(job.path);
    Source source(fd);
    mcap::RecordReader reader(source, sizeof mcap::Magic);
    uint64_t calls = system_calls_now();
    outcome outcome = {0, 0, 0, start_watch()};

    expect_magic(source, 0);
    read_records(job, reader, outcome);
    expect_magic(source, reader.offset);
    close(fd);
    if (outcome.messages != job.messages)
        fail("messages are missing");
    outcome.bytes = reader.offset + sizeof mcap::Magic;
    outcome.system_calls = system_calls_since(calls);
    report(&outcome);
}

} // namespace

int main(int argc, char **argv)
{
    job job = parse_job(argc, argv);

    if (std::strcmp(job.mode, "own") != 0)
        return 2;
    if (job.writing)
        write_messages(job);
    else
        read_messages(job);
    std::free(job.payload);
    return 0;
}
