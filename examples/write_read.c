/*
 * write_read.c: writes a stream and reads it again. usage: write_read FILE
 */
#include <stdio.h>

#include <flatstream/flatstream.h>

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "hello.fls";
    struct fls_writer_options how = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_reader_options same = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_message message;
    struct fls_writer *writer;
    struct fls_reader *reader;
    enum fls_status status;

    if (fls_writer_open_file(path, FLS_FILE_TRUNCATE, &how, &writer, NULL) != FLS_OK)
        return 1;
    status = fls_writer_write(writer, "hello", 5); /* normally a FlatBuffer and its size */
    if (fls_writer_close(writer, NULL) != FLS_OK || status != FLS_OK)
        return 1;

    if (fls_reader_open_file(path, &same, &reader, NULL) != FLS_OK)
        return 1;
    while ((status = fls_reader_next(reader, &message)) == FLS_OK)
        printf("%.*s\n", (int)message.bytes, (const char *)message.payload);
    fls_reader_close(reader);
    return status == FLS_END ? 0 : 1;
}
