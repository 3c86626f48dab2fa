/*
 * protobuf.cc: protobuf messages with one bytes field of SIZE bytes, each behind its length as a
 * varint (delimited). No checksum: compared with the plain streams.
 *
 *   write  delimited  one message object, its field set each time (which copies), serialised into
 *                     one CodedOutputStream over a FileOutputStream, which writes 8 KiB at a time
 *                     (it takes a block size and ignores it)
 *          delimited-256k  the same over a CopyingOutputStreamAdaptor of 256 KiB blocks
 *   read   delimited  one message object, parsed each time (which copies the field) from a
 *                     CodedInputStream over a FileInputStream of 8 KiB, its own size
 *          delimited-256k  the same with 256 KiB
 *
 * System calls are the process's own count (/proc/self/io).
 */
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/util/delimited_message_util.h>

#include "record.pb.h"

#include "output.h"
#include "system_calls.h"

namespace
{

using flatstream_bench::Record;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::CopyingOutputStream;
using google::protobuf::io::CopyingOutputStreamAdaptor;
using google::protobuf::io::FileInputStream;
using google::protobuf::io::FileOutputStream;
using google::protobuf::io::ZeroCopyOutputStream;
using google::protobuf::util::ParseDelimitedFromCodedStream;
using google::protobuf::util::SerializeDelimitedToCodedStream;

constexpr int buffer_bytes = 256 * 1024;

/* What lies below an adaptor: write(2), to the end. */
class Descriptor : public CopyingOutputStream
{
  public:
    explicit Descriptor(int fd) : fd_(fd)
    {
    }

    bool Write(const void *buffer, int size) override
    {
        auto at = static_cast<const char *>(buffer);
        while (size > 0) {
            ssize_t written = write(fd_, at, static_cast<size_t>(size));
            if (written < 0)
                return false;
            at += written;
            size -= static_cast<int>(written);
        }
        return true;
    }

  private:
    int fd_;
};

void write_each(const job &job, ZeroCopyOutputStream &stream)
{
    CodedOutputStream output(&stream);
    Record record;

    for (uint64_t i = 0; i < job.messages; i++) {
        record.set_payload(payload_of(&job, i), job.size);
        if (!SerializeDelimitedToCodedStream(record, &output))
            die("serialize");
    }
}

int open_truncated(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (fd < 0)
        die(path);
    return fd;
}

void write_messages(const job &job, bool wide)
{
    int fd = open_truncated(job.path);
    Descriptor descriptor(fd);
    CopyingOutputStreamAdaptor adaptor(&descriptor, buffer_bytes);
    FileOutputStream file(fd);
    uint64_t calls = system_calls_now();
    outcome outcome = {0, job.messages, 0, start_watch()};

    if (wide)
        write_each(job, adaptor);
    else
        write_each(job, file);
    if (!adaptor.Flush() || !file.Close())
        die("close");
    sync_if_asked(&job);
    outcome.bytes = static_cast<uint64_t>(wide ? adaptor.ByteCount() : file.ByteCount());
    outcome.system_calls = system_calls_since(calls);
    report(&outcome);
}

/* A CodedInputStream takes at most 2 GiB: each serves this many bytes. */
constexpr int stream_bytes = 512 << 20;

bool read_some(FileInputStream &file, Record &record, outcome &outcome)
{
    CodedInputStream input(&file);
    bool clean_end = false;

    while (input.CurrentPosition() < stream_bytes) {
        record.Clear();
        if (!ParseDelimitedFromCodedStream(&record, &input, &clean_end)) {
            if (!clean_end)
                die("parse");
            return false;
        }
        keep(record.payload().data());
        outcome.bytes += record.payload().size();
        outcome.messages++;
    }
    return true;
}

void read_messages(const job &job, bool wide)
{
    int fd = open_input(job.path);
    FileInputStream file(fd, wide ? buffer_bytes : -1); /* -1: its own size */
    Record record;
    uint64_t calls = system_calls_now();
    outcome outcome = {0, 0, 0, start_watch()};

    while (read_some(file, record, outcome))
        ;
    close(fd);
    if (outcome.messages != job.messages || outcome.bytes != job.messages * job.size)
        die("messages are missing");
    outcome.system_calls = system_calls_since(calls);
    report(&outcome);
}

} // namespace

int main(int argc, char **argv)
{
    job job = parse_job(argc, argv);

    bool wide = std::strcmp(job.mode, "delimited-256k") == 0;

    if (!wide && std::strcmp(job.mode, "delimited") != 0)
        return 2;
    if (job.writing)
        write_messages(job, wide);
    else
        read_messages(job, wide);
    std::free(job.payload);
    return 0;
}
