#!/usr/bin/env bash
# check-install.sh [BUILD]: installs a build (default: build) into a scratch folder and uses it as a
# stranger would: each header alone, in C and in C++; a program against the shared and the static
# library, found by pkg-config and by CMake; the symbols that the shared library gives out.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
prefix=$folder/prefix
cmake --install "$build" --prefix "$prefix" >"$folder/log" || { cat "$folder/log"; exit 1; }

compilers="cc"
command -v clang >/dev/null && compilers="cc clang"
for header in "$prefix"/include/flatstream/*.h; do
    name=$(basename "$header")
    # What the adapters adapt may be absent; they are tested with it.
    case $name in flatcc.h) continue ;; esac
    printf '#include <flatstream/%s>\n#include <flatstream/%s>\nint main(void) { return 0; }\n' \
        "$name" "$name" >"$folder/alone.c"
    cp "$folder/alone.c" "$folder/alone.cc"
    for compiler in $compilers; do
        "$compiler" -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$prefix/include" \
            -fsyntax-only "$folder/alone.c"
    done
    c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -I"$prefix/include" -fsyntax-only \
        "$folder/alone.cc"
done
echo "headers: each compiles alone, in C and in C++"

cat >"$folder/program.c" <<'PROGRAM'
#include <flatstream/flatstream.h>
#include <string.h>

int main(void)
{
    struct fls_writer_options options = {.checksum = FLS_CHECKSUM_CRC32};
    struct fls_reader_options reading = {.checksum = FLS_CHECKSUM_CRC32, .owns_source = 1};
    struct fls_sink *sink;
    struct fls_writer *writer;
    struct fls_source *source;
    struct fls_reader *reader;
    struct fls_message message;
    size_t length;

    if (fls_sink_open_memory(0, &sink, NULL) != FLS_OK ||
        fls_writer_open(sink, &options, &writer, NULL) != FLS_OK ||
        fls_writer_write(writer, "hello", 5) != FLS_OK || fls_writer_close(writer, NULL) != FLS_OK)
        return 1;
    const void *bytes = fls_sink_memory_bytes(sink, &length);
    if (length != 13 || fls_source_open_memory(bytes, length, &source, NULL) != FLS_OK ||
        fls_reader_open(source, &reading, &reader, NULL) != FLS_OK ||
        fls_reader_next(reader, &message) != FLS_OK || memcmp(message.payload, "hello", 5) != 0)
        return 2;
    fls_reader_close(reader);
    return fls_sink_close(sink, NULL) != FLS_OK;
}
PROGRAM
library=$(dirname "$(find "$prefix" -name libflatstream.a)")
export PKG_CONFIG_PATH=$library/pkgconfig
config() { pkg-config --define-variable=prefix="$prefix" "$@" flatstream; }
# shellcheck disable=SC2046 # pkg-config gives words
cc -std=c11 "$folder/program.c" $(config --cflags --libs) -o "$folder/shared"
LD_LIBRARY_PATH=$library "$folder/shared"
LD_LIBRARY_PATH=$library ldd "$folder/shared" | grep -q "$library/libflatstream.so"
# shellcheck disable=SC2046
cc -std=c11 "$folder/program.c" $(config --cflags) "$library/libflatstream.a" \
    $(config --static --libs-only-l | sed 's/-lflatstream//') -o "$folder/static"
"$folder/static"
echo "pkg-config: a program runs with the shared and with the static library"

mkdir "$folder/project"
cp "$folder/program.c" "$folder/project"
cat >"$folder/project/CMakeLists.txt" <<'PROJECT'
cmake_minimum_required(VERSION 3.25)
project(stranger C)
find_package(flatstream REQUIRED)
foreach(kind shared static)
    add_executable(with_${kind} program.c)
    target_link_libraries(with_${kind} PRIVATE flatstream::${kind})
endforeach()
PROJECT
{
    cmake -S "$folder/project" -B "$folder/project/build" -DCMAKE_PREFIX_PATH="$prefix" &&
        cmake --build "$folder/project/build"
} >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
"$folder/project/build/with_shared"
"$folder/project/build/with_static"
echo "CMake: find_package gives flatstream::shared and flatstream::static"

# Everything given out is ours and has a version.
strangers=$(nm -D --defined-only "$library/libflatstream.so" |
    awk '$2 != "A" && $3 !~ /^fls_[a-z0-9_]+@@FLATSTREAM_/')
if [ -n "$strangers" ]; then
    echo "symbols that should not be given out:"
    echo "$strangers"
    exit 1
fi
echo "symbols: $(nm -D --defined-only "$library/libflatstream.so" | grep -c ' T ') functions, all fls_ and versioned"
"$prefix/bin/flatstream" --help >/dev/null
