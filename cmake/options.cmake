# Build options and the warnings that every target is held to.
option(FLATSTREAM_TESTS "Build the tests and benchmarks" ON)
option(FLATSTREAM_FUZZ "Build the fuzz targets (needs clang)" OFF)
option(FLATSTREAM_URING "Use io_uring, where liburing is found" ON)
option(FLATSTREAM_NATIVE "Optimise for this machine's processor" OFF)
set(FLATSTREAM_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=: address,undefined or thread")
set(FLATSTREAM_CRC32 "" CACHE STRING "Library for CRC-32: isal, libdeflate or zlib (default: the fastest found)")

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_FLAGS_RELEASE "-O3")
set(CMAKE_CXX_FLAGS_RELEASE "-O3")
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(flatstream_strict INTERFACE)
target_compile_definitions(flatstream_strict INTERFACE _GNU_SOURCE)
target_compile_options(flatstream_strict INTERFACE
    $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla
        -Wmissing-prototypes -Werror>
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wvla -Werror>)

# Builds harden themselves: what it costs is in docs/performance.md. The sanitizers look closer than
# FORTIFY does, and need its functions to stay what they are.
option(FLATSTREAM_HARDEN "Stack protector, FORTIFY, full RELRO, PIE, and CET where there is one" ON)
if(FLATSTREAM_HARDEN)
    include(CheckCCompilerFlag)
    include(CheckPIESupported)
    check_pie_supported(LANGUAGES C)
    set(CMAKE_POSITION_INDEPENDENT_CODE ON)
    check_c_compiler_flag(-fcf-protection FLATSTREAM_HAS_CET)
    add_compile_options(-fstack-protector-strong $<$<BOOL:${FLATSTREAM_HAS_CET}>:-fcf-protection>)
    add_link_options(-Wl,-z,relro -Wl,-z,now)
    if(NOT FLATSTREAM_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
        add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
    endif()
endif()

if(FLATSTREAM_SANITIZE)
    set(CMAKE_C_FLAGS_DEBUG "-O1 -g") # half the time of -O0, and as many findings
    add_compile_options(-fsanitize=${FLATSTREAM_SANITIZE} -fno-omit-frame-pointer
                        -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${FLATSTREAM_SANITIZE})
endif()
if(FLATSTREAM_NATIVE)
    add_compile_options(-march=native)
endif()

# The pkg-config files find their prefix from where they lie, so `cmake --install --prefix` works.
file(RELATIVE_PATH flatstream_pc_to_prefix
     /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
