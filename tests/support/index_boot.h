/*
 * index_boot.h: an index as it is found after the system was started anew.
 */
#ifndef TESTS_SUPPORT_INDEX_BOOT_H
#define TESTS_SUPPORT_INDEX_BOOT_H

#include <stdint.h>

/* Writes `boot` into the slots of the index `path` as the boot that they were written in (0: not
 * known), by docs/format.md alone. Returns how many slots are whole; 0, too, when there is no
 * index.
 */
int test_index_set_boot(const char *path, uint64_t boot);

#endif
