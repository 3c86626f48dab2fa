/*
 * index_boot.c: see index_boot.h. Section 10 of docs/format.md has the places and the bound hash.
 */
#include "support/index_boot.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

#define HEADER_BYTES 256
#define SLOT_BYTES 256
#define AT_BOOT 160
#define AT_HASH 248

static void store(uint64_t value, uint8_t *to)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t slot_hash(const uint8_t *header, const uint8_t *slot)
{
    uint8_t bound[16 + AT_HASH];

    memcpy(bound, header + AT_HASH, 8);
    memset(bound + 8, 0xff, 8);
    memcpy(bound + 16, slot, AT_HASH);
    return fls_checksum_of((struct fls_checksum){FLS_CHECKSUM_XXH3, NULL}, bound, sizeof bound);
}

static int is_whole(const uint8_t *header, const uint8_t *slot)
{
    uint8_t hash[8];

    store(slot_hash(header, slot), hash);
    return memcmp(slot + AT_HASH, hash, sizeof hash) == 0;
}

int test_index_set_boot(const char *path, uint64_t boot)
{
    uint8_t bytes[HEADER_BYTES + 2 * SLOT_BYTES];
    int whole = 0, fd = open(path, O_RDWR);

    if (fd < 0)
        return 0;
    if (pread(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes)
        for (uint8_t *slot = bytes + HEADER_BYTES; slot < bytes + sizeof bytes; slot += SLOT_BYTES)
            if (is_whole(bytes, slot)) {
                store(boot, slot + AT_BOOT);
                store(slot_hash(bytes, slot), slot + AT_HASH);
                whole++;
            }
    assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0), sizeof bytes);
    close(fd);
    return whole;
}
