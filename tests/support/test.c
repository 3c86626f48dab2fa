/*
 * test.c: see test.h.
 */
#include "support/test.h"

void pattern_fill(void *to, size_t bytes)
{
    uint8_t *at = to;

    for (size_t i = 0; i < bytes; i++)
        at[i] = pattern_byte(i, bytes);
}

struct fls_writer *open_memory_writer(struct fls_sink **sink,
                                      const struct fls_writer_options *options)
{
    struct fls_writer *writer;

    assert_ok(fls_sink_open_memory(0, sink, NULL));
    assert_ok(fls_writer_open(*sink, options, &writer, NULL));
    return writer;
}

struct fls_reader *open_memory_reader(const void *bytes, size_t length,
                                      const struct fls_reader_options *options)
{
    struct fls_reader_options all = FLS_ZERO;
    struct fls_source *source;
    struct fls_reader *reader;

    if (options)
        all = *options;
    all.owns_source = 1;
    assert_ok(fls_source_open_memory(bytes, length, &source, NULL));
    assert_ok(fls_reader_open(source, &all, &reader, NULL));
    return reader;
}
