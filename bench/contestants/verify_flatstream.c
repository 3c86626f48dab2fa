/*
 * verify_flatstream.c: a message verified by its binary schema.
 *
 *   write  build-verify  PATH is a folder with zoo.bfbs, zoo.bin and zoo-small.bin (tests/data);
 * the message of SIZE bytes among them is verified N times
 */
#include <flatstream/flatstream.h>

#include "contestant.h"
#include "zoo.h"

int main(int argc, char **argv)
{
    struct job job = parse_job(argc, argv);
    struct loaded schema_bytes = load(job.path, "zoo.bfbs");
    struct loaded message = load_message(job.path, job.size);
    struct fls_schema *schema;
    struct fls_verifier *verifier;

    if (strcmp(job.mode, "build-verify") != 0)
        return 2;
    if (fls_schema_open(schema_bytes.bytes, schema_bytes.length, &schema, NULL) != FLS_OK ||
        fls_verifier_open(schema, NULL, NULL, &verifier, NULL) != FLS_OK)
        die("schema");
    struct outcome outcome = {0, job.messages, 0, start_watch()};
    for (uint64_t i = 0; i < job.messages; i++) {
        if (fls_verifier_check(verifier, message.bytes, message.length, NULL) != FLS_OK)
            die("verify");
        outcome.bytes += message.length;
    }
    report(&outcome);
    fls_verifier_close(verifier);
    fls_schema_close(schema);
    return 0;
}
