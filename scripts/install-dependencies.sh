#!/bin/sh
# Installs the Debian packages that the build and the tests need; does nothing when they are there.
set -eu

required="cmake make gcc g++ pkg-config libc6-dev libcmocka-dev libxxhash-dev libisal-dev
libdeflate-dev zlib1g-dev"
useful="libflatbuffers-dev flatbuffers-compiler python3 python3-flatbuffers python3-xxhash fstrm-bin libfstrm-dev xxhash strace valgrind liburing-dev"
# `make check`, `make fuzz` and `make format` need these as well.
full="clang libclang-rt-14-dev llvm clang-format"
# `make bench` measures these peers beside.
bench="libcapnp-dev capnproto libprotobuf-dev protobuf-compiler"

packages="$required $useful"
[ "${1:-}" = full ] && packages="$packages $full"
[ "${1:-}" = bench ] && packages="$packages $bench"

missing=""
for package in $packages; do
    case "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)" in
    "install ok installed") ;;
    *) missing="$missing $package" ;;
    esac
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
else
    echo "flatstream: these packages are missing:$missing" >&2
    echo "flatstream: run as root, or install them with apt-get, and try again" >&2
    exit 1
fi
echo "flatstream: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
install="$as_root apt-get install -y -qq --no-install-recommends $missing"
$install >/dev/null 2>&1 || { $as_root apt-get update -qq && $install >/dev/null; }
