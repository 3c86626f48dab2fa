/*
 * capnp.cc: Cap'n Proto messages with one Data field of SIZE bytes, one after the other. They are
 * framed by a table of segments and carry no checksum: compared with the plain streams.
 *
 *   write  buffered   each message is built, with one reused segment as scratch space, the payload
 *                     copied into its field (what setPayload does), and written by writeMessage
 *                     into a BufferedOutputStreamWrapper with its own buffer of 8 KiB
 *          buffered-256k   the same with a buffer of 256 KiB, as the raw loops have
 *          reference-256k  the same, the field referring to the payload (referenceExternalData)
 *   read   buffered   InputStreamMessageReader with reused scratch space over a
 *                     BufferedInputStreamWrapper; the field is looked up
 *          buffered-256k  the same with a buffer of 256 KiB
 *          mmap       FlatArrayMessageReader over a mapping, which its manual recommends for speed
 *
 * System calls are the process's own count (/proc/self/io).
 */
#include <capnp/message.h>
#include <capnp/orphan.h>
#include <capnp/serialize.h>
#include <kj/io.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>

#include "record.capnp.h"

#include "output.h"
#include "system_calls.h"

namespace
{

constexpr size_t buffer_bytes = 256 * 1024;

/* Without a size the library takes one of its own. */
kj::Array<kj::byte> new_buffer(const job &job)
{
    if (!std::strstr(job.mode, "-256k"))
        return nullptr;
    return kj::heapArray<kj::byte>(buffer_bytes);
}

/* Root pointer, struct, tag and payload, with room to spare. */
kj::Array<capnp::word> new_scratch(size_t payload_bytes)
{
    size_t words = payload_bytes / sizeof(capnp::word) + 64;
    auto scratch = kj::heapArray<capnp::word>(words);

    std::memset(scratch.begin(), 0, words * sizeof(capnp::word));
    return scratch;
}

void set_payload(capnp::MallocMessageBuilder &message, const job &job, uint64_t i,
                 bool by_reference)
{
    capnp::Data::Reader payload(payload_of(&job, i), job.size);

    if (by_reference)
        message.initRoot<Record>().adoptPayload(
            message.getOrphanage().referenceExternalData(payload));
    else
        message.initRoot<Record>().setPayload(payload);
}

void write_messages(const job &job, bool by_reference)
{
    int fd = open(job.path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (fd < 0)
        die(job.path);
    auto buffer = new_buffer(job);
    auto scratch = new_scratch(by_reference ? 0 : job.size);
    kj::FdOutputStream file{kj::AutoCloseFd(fd)};
    uint64_t calls = system_calls_now();
    outcome outcome = {0, job.messages, 0, start_watch()};
    {
        kj::BufferedOutputStreamWrapper output(file, buffer);
        for (uint64_t i = 0; i < job.messages; i++) {
            capnp::MallocMessageBuilder message(scratch);
            set_payload(message, job, i, by_reference);
            capnp::writeMessage(output, message);
        }
        output.flush();
    }
    sync_if_asked(&job);
    outcome.system_calls = system_calls_since(calls);
    outcome.bytes = job.messages * job.size;
    report(&outcome);
}

void take(capnp::MessageReader &message, outcome &outcome)
{
    auto payload = message.getRoot<Record>().getPayload();

    keep(payload.begin());
    outcome.bytes += payload.size();
    outcome.messages++;
}

void read_buffered(const job &job, int fd, outcome &outcome)
{
    auto buffer = new_buffer(job);
    auto scratch = new_scratch(job.size);
    kj::FdInputStream file(fd);
    kj::BufferedInputStreamWrapper input(file, buffer);

    while (input.tryGetReadBuffer().size() > 0) {
        capnp::InputStreamMessageReader message(input, capnp::ReaderOptions(), scratch);
        take(message, outcome);
    }
}

void read_mmap(int fd, outcome &outcome)
{
    struct stat information;

    fstat(fd, &information);
    size_t length = static_cast<size_t>(information.st_size);
    void *bytes = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        die("mmap");
    auto at = static_cast<const capnp::word *>(bytes);
    const capnp::word *end = at + length / sizeof(capnp::word);
    while (at < end) {
        capnp::FlatArrayMessageReader message(kj::arrayPtr(at, end));
        take(message, outcome);
        at = message.getEnd();
    }
    munmap(bytes, length);
}

void read_messages(const job &job, bool mapped)
{
    int fd = open_input(job.path);
    uint64_t calls = system_calls_now();
    outcome outcome = {0, 0, 0, start_watch()};

    if (mapped)
        read_mmap(fd, outcome);
    else
        read_buffered(job, fd, outcome);
    close(fd);
    if (outcome.messages != job.messages || outcome.bytes != job.messages * job.size)
        die("messages are missing");
    outcome.system_calls = system_calls_since(calls);
    report(&outcome);
}

bool is(const job &job, const char *mode)
{
    return std::strcmp(job.mode, mode) == 0;
}

} // namespace

int main(int argc, char **argv)
{
    job job = parse_job(argc, argv);
    bool buffered = is(job, "buffered") || is(job, "buffered-256k");

    if (!buffered && !is(job, job.writing ? "reference-256k" : "mmap"))
        return 2;
    if (job.writing)
        write_messages(job, !buffered);
    else
        read_messages(job, !buffered);
    std::free(job.payload);
    return 0;
}
