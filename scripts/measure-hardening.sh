#!/usr/bin/env bash
# What the hardening of the build costs a message of 64 bytes, and building one of six numbers and
# two short texts: instructions, counted by callgrind, with FLATSTREAM_HARDEN on and off. Counts do not depend on what else the machine does.
set -eu
cd "$(dirname "$0")/.."
messages=200000
memory=$(mktemp -d -p /dev/shm)
trap 'rm -rf "$memory"' EXIT

for harden in ON OFF; do
    cmake --preset release -B "build-harden-$harden" -DFLATSTREAM_HARDEN=$harden >/dev/null
    cmake --build "build-harden-$harden" -j"$(nproc)" \
        --target contestant_flatstream contestant_build_flatstream >/dev/null
done

# instructions ON|OFF write|read MODE [CONTESTANT]: of one message
instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        "build-harden-$1/bench/${4:-flatstream}" "$2" "$3" "$memory/stream" $messages 64 2>&1 |
        awk -v n=$messages '/Collected/ { printf "%.1f", $NF / n }'
}

echo "| | without | with |"
echo "| --- | ---: | ---: |"
for mode in batched batched-xxh3 vectored; do
    echo "| write, $mode | $(instructions OFF write $mode) | $(instructions ON write $mode) |"
done
for mode in next next-xxh3 batch batch-xxh3; do
    kind=${mode#next}
    build-harden-ON/bench/flatstream write "batched${kind#batch}" "$memory/stream" $messages 64 >/dev/null
    echo "| read, $mode | $(instructions OFF read $mode) | $(instructions ON read $mode) |"
done
small="write build-small build_flatstream"
# shellcheck disable=SC2086 # three words
echo "| build | $(instructions OFF $small) | $(instructions ON $small) |"
