#!/usr/bin/env bash
# 1 GiB through `write` and `verify` needs no more memory than 64 MiB, and less than 8 MiB.
# (scripts/soak.sh does it with 10 GiB.)
set -eu
if [ -n "${SANITIZE:-}" ]; then
    echo "skipped: sanitizers have memory of their own"
    exit 77
fi
measure() {
    bash "$SOURCE_DIR/scripts/measure-memory.sh" "$FLATSTREAM" "$1"
}
read -r write_little verify_little _ <<<"$(measure 64)"
read -r write_much verify_much seconds <<<"$(measure 1024)"
echo "64 MiB: write $write_little KiB, verify $verify_little KiB"
echo "1 GiB:  write $write_much KiB, verify $verify_much KiB, $seconds s"
# Which library pages are mapped varies by some 300 KiB; 16 bytes a message would be 1.3 MiB.
for pair in "$write_little $write_much" "$verify_little $verify_much"; do
    read -r little much <<<"$pair"
    if [ "$much" -gt $((little + 768)) ] || [ "$much" -gt 8192 ]; then
        echo "FAIL: the peak went from $little to $much KiB"
        exit 1
    fi
done
