/*
 * zoo.h: the schema and messages that verifiers are measured on.
 */
#ifndef BENCH_ZOO_H
#define BENCH_ZOO_H

#include "contestant.h"

struct loaded {
    uint8_t *bytes; /* aligned to 16, as malloc does */
    size_t length;
};

static inline struct loaded load(const char *folder, const char *name)
{
    struct loaded loaded = {(uint8_t *)malloc(1 << 20), 0};
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file || !loaded.bytes)
        die(path);
    loaded.length = fread(loaded.bytes, 1, 1 << 20, file);
    fclose(file);
    return loaded;
}

/* The one of the two messages that has `size` bytes. */
static inline struct loaded load_message(const char *folder, size_t size)
{
    struct loaded message = load(folder, "zoo.bin");

    if (message.length != size) {
        free(message.bytes);
        message = load(folder, "zoo-small.bin");
    }
    if (message.length != size)
        exit(2);
    return message;
}

#endif
