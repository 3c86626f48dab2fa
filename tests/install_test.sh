#!/usr/bin/env bash
# What is installed is enough: a program is built against it by pkg-config, shared and static, and
# by find_package, from C and from C++, and run.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix="$scratch/prefix"
cd "$scratch"

say_and_fail() {
    echo "install_test: $*" >&2
    exit 1
}

# A sanitized library drags its run time along; that build is tested where it stands.
[ -z "${SANITIZE:-}" ] || exit 77

cmake --install "$BUILD_DIR" --prefix "$prefix" >install.log || say_and_fail "$(cat install.log)"

cat >write_read.c <<'PROGRAM'
#include <flatstream/flatstream.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    struct fls_writer_options how = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_reader_options same = {.checksum = FLS_CHECKSUM_XXH3};
    struct fls_message message;
    struct fls_writer *writer;
    struct fls_reader *reader;
    int count = 0;

    if (fls_writer_open_file("hello.fls", FLS_FILE_TRUNCATE, &how, &writer, NULL) != FLS_OK)
        return 1;
    for (int i = 0; i < 3; i++)
        if (fls_writer_write(writer, "hello", 5) != FLS_OK)
            return 2;
    if (fls_writer_close(writer, NULL) != FLS_OK)
        return 3;
    if (fls_reader_open_file("hello.fls", &same, &reader, NULL) != FLS_OK)
        return 4;
    while (fls_reader_next(reader, &message) == FLS_OK)
        count += message.bytes == 5 && memcmp(message.payload, "hello", 5) == 0;
    fls_reader_close(reader);
    printf("%d with %s\n", count, fls_version());
    return 0;
}
PROGRAM

cat >write_read.cc <<'PROGRAM'
#include <flatstream/flatstream.h>
#include <cstdio>

int main()
{
    fls_sink *sink = nullptr;
    fls_writer *writer = nullptr;
    std::size_t length = 0;

    if (fls_sink_open_memory(0, &sink, nullptr) != FLS_OK)
        return 1;
    if (fls_writer_open(sink, nullptr, &writer, nullptr) != FLS_OK)
        return 2;
    if (fls_writer_write(writer, "hello", 5) != FLS_OK)
        return 3;
    if (fls_writer_close(writer, nullptr) != FLS_OK)
        return 4;
    (void)fls_sink_memory_bytes(sink, &length);
    fls_sink_close(sink, nullptr);
    std::printf("%d with %s\n", static_cast<int>(length) / 3, fls_version());
    return 0;
}
PROGRAM

# expect PROGRAM...: it says what a working one says
expect() {
    local said
    rm -f hello.fls
    said=$("$@") || say_and_fail "$* ends with status $?"
    [ "$said" = "3 with 0.1.0" ] || say_and_fail "$* says: $said"
}

libdir=$(dirname "$(find "$prefix" -name libflatstream.a)")
export PKG_CONFIG_PATH="$libdir/pkgconfig"

by_pkg_config() {
    [ "$(pkg-config --modversion flatstream)" = 0.1.0 ] || say_and_fail "pkg-config's version"
    # shellcheck disable=SC2046
    "$CC" -std=c11 -Wall -Wextra -Werror write_read.c $(pkg-config --cflags --libs flatstream) -o shared
    LD_LIBRARY_PATH=$libdir expect ./shared
    # shellcheck disable=SC2046
    "$CC" -std=c11 write_read.c $(pkg-config --cflags --libs flatstream-static) -o static
    ! ldd static | grep -q libflatstream || say_and_fail "the static program needs the library"
    expect ./static
}

by_find_package() {
    cat >CMakeLists.txt <<'PROJECT'
cmake_minimum_required(VERSION 3.25)
project(scratch LANGUAGES C)
set(CMAKE_C_STANDARD 11)
set(CMAKE_CXX_STANDARD 17)
find_package(flatstream 0.1 REQUIRED)
if(CMAKE_CXX_COMPILER)
    enable_language(CXX)
endif()
foreach(kind shared static)
    add_executable(c_${kind} write_read.c)
    target_link_libraries(c_${kind} PRIVATE flatstream::${kind})
    if(CMAKE_CXX_COMPILER)
        add_executable(cc_${kind} write_read.cc)
        target_link_libraries(cc_${kind} PRIVATE flatstream::${kind})
    endif()
endforeach()
PROJECT
    cmake -S . -B built -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" \
        ${CXX:+-DCMAKE_CXX_COMPILER="$CXX"} >cmake.log 2>&1 || say_and_fail "$(cat cmake.log)"
    cmake --build built >cmake.log 2>&1 || say_and_fail "$(cat cmake.log)"
    [ -n "$CXX" ] || echo "skipped: a program in C++: there is no C++ compiler"
    for program in c_shared c_static ${CXX:+cc_shared cc_static}; do
        expect "built/$program"
    done
    sed -i 's/flatstream 0\.1 /flatstream 0.2 /' CMakeLists.txt
    ! cmake -S . -B newer -DCMAKE_PREFIX_PATH="$prefix" >cmake.log 2>&1 ||
        say_and_fail "version 0.2 is found where 0.1 is installed"
}

what_else_is_there() {
    [ -x "$prefix/bin/flatstream" ] || say_and_fail "the command is not installed"
    for header in "$SOURCE_DIR"/include/flatstream/*.h; do
        cmp -s "$header" "$prefix/include/flatstream/$(basename "$header")" ||
            say_and_fail "$(basename "$header") is not installed as it is"
    done
    ! grep -rq "$BUILD_DIR" "$libdir/cmake" "$libdir/pkgconfig" ||
        say_and_fail "an installed file names the build folder"
}

if command -v pkg-config >/dev/null; then
    by_pkg_config
else
    echo "skipped: by_pkg_config: there is no pkg-config"
fi
by_find_package
what_else_is_there
