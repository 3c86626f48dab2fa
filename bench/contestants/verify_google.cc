/*
 * verify_google.cc: what verify_flatstream.c does, by Google's reflective verifier. (It does not
 * look into nested FlatBuffers; ours does.)
 */
#include <flatbuffers/reflection.h>

extern "C" {
#include "contestant.h"
#include "zoo.h"
}

int main(int argc, char **argv)
{
    job job = parse_job(argc, argv);
    loaded schema_bytes = load(job.path, "zoo.bfbs");
    loaded message = load_message(job.path, job.size);

    if (std::strcmp(job.mode, "build-verify") != 0)
        return 2;
    const reflection::Schema *schema = reflection::GetSchema(schema_bytes.bytes);
    outcome outcome = {0, job.messages, 0, start_watch()};
    for (uint64_t i = 0; i < job.messages; i++) {
        if (!flatbuffers::Verify(*schema, *schema->root_table(), message.bytes, message.length))
            die("verify");
        outcome.bytes += message.length;
    }
    report(&outcome);
    return 0;
}
