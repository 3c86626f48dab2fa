#!/bin/sh
# Installs the Debian packages that are missing. usage: install-dependencies.sh [test|full|bench]
#
# Without an argument: what the library and the command are built from. With `test`, what the tests
# use as well; `full`, what `make check`, `make fuzz` and `make format` use; `bench`, the peers that
# `make bench` measures beside. Only what the core cannot be built without, or no test be run, is an
# error when it cannot be had; of everything else is said what is lost without it.
set -eu
stage=${1:-build}

# Who needs it | package | how one sees that it is there | what is lost without it
packages() {
    cat <<'TABLE'
core|cmake|command cmake|
core|make|command make|
core|gcc|command cc gcc clang|
core|libc6-dev|header stdio.h|
core|libxxhash-dev|header xxhash.h|
core|libisal-dev|header isa-l/crc.h libdeflate.h zlib.h|
build|pkg-config|command pkg-config|the optional libraries below are not found
build|g++|command c++ g++ clang++|no JSON and no .fbs, and the C++ adapter is not tested
build|libflatbuffers-dev|header flatbuffers/flatbuffers.h|no JSON and no .fbs
build|flatbuffers-compiler|command flatc|the C++ example and tests beside flatc are not built
build|liburing-dev|header liburing.h|no io_uring
tests|libcmocka-dev|header cmocka.h|
tests|python3|command python3|
test|python3-flatbuffers|package python3-flatbuffers|tests beside Python's readers are skipped
test|python3-xxhash|package python3-xxhash|the independent models have no XXH3, and are skipped
test|fstrm-bin|command fstrm_capture|Frame Streams are not tested beside fstrm
test|xxhash|command xxhsum|checksums are not compared with xxhsum's
test|strace|command strace|the command's system calls are not counted
full|valgrind|command valgrind|no memcheck
full|clang|command clang|no second compiler, no fuzzing
full|libclang-rt-14-dev|package libclang-rt-14-dev|no fuzzing, and no sanitizers with clang
full|clang-format|command clang-format|the format is not checked
full|libdeflate-dev|header libdeflate.h|CRC-32 by libdeflate is not tested
full|zlib1g-dev|header zlib.h|CRC-32 by zlib is not tested
bench|libfstrm-dev|header fstrm.h|fstrm is not measured beside
bench|libcapnp-dev|header capnp/message.h|Cap'n Proto is not measured beside
bench|capnproto|command capnp|Cap'n Proto is not measured beside
bench|libprotobuf-dev|header google/protobuf/message.h|protobuf is not measured beside
bench|protobuf-compiler|command protoc|protobuf is not measured beside
TABLE
}

# is_there command|header|package NAME...: one of the names is enough.
is_there() {
    kind=$1
    shift
    for name in "$@"; do
        case $kind in
        command) command -v "$name" >/dev/null 2>&1 && return 0 ;;
        header) for folder in /usr/include /usr/local/include /usr/include/*-linux-gnu*; do
            [ -e "$folder/$name" ] && return 0
        done ;;
        package) dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' &&
            return 0 ;;
        esac
    done
    return 1
}

case $stage in
build) wanted="core build" ;;
test) wanted="core build tests test" ;;
full) wanted="core build tests test full" ;;
bench) wanted="core build tests test bench" ;;
*)
    echo "usage: install-dependencies.sh [test|full|bench]" >&2
    exit 2
    ;;
esac

# The rows of what is wanted and is not there.
missing() {
    packages | while IFS='|' read -r who package probe cost; do
        case " $wanted " in *" $who "*) ;; *) continue ;; esac
        # shellcheck disable=SC2086 # the probe is words
        is_there $probe || printf '%s|%s|%s\n' "$who" "$package" "$cost"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo -n "$@"
    else
        return 1
    fi
}

# All in one call; when that fails, as one package cannot be had, each by itself.
install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}
install_all() {
    install "$@" >/dev/null 2>&1 && return 0
    as_root apt-get update -qq >/dev/null 2>&1 || true
    install "$@" >/dev/null 2>&1 && return 0
    for package in "$@"; do
        install "$package" >/dev/null 2>&1 || true
    done
}

lacking=$(missing)
[ -n "$lacking" ] || exit 0
names=$(echo "$lacking" | cut -d'|' -f2 | tr '\n' ' ')
if command -v apt-get >/dev/null 2>&1; then
    echo "flatstream: installing $names" >&2
    # shellcheck disable=SC2086 # names of packages
    install_all $names || true
fi

status=0
while IFS='|' read -r who package cost; do
    [ -n "$who" ] || continue
    if [ "$who" = core ] || [ "$who" = tests ]; then
        echo "flatstream: $package is needed and missing; install it (apt-get install $package, as root) and try again" >&2
        status=1
    else
        echo "flatstream: warning: no $package: $cost" >&2
    fi
done <<LEFT
$(missing)
LEFT
exit "$status"
