#!/usr/bin/env bash
# The system calls that the real command makes for its messages, as strace sees them.
set -eu
if ! command -v strace >/dev/null || ! strace -o /dev/null true 2>/dev/null; then
    echo "skipped: strace is not there, or may not trace here"
    exit 77
fi
export ASAN_OPTIONS=detect_leaks=0 # the leak checker cannot run while it is traced
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
messages=20000
for _ in $(seq 100); do
    printf '\x40\x00\x00\x00%064d' 7
done >"$folder/hundred"
for _ in $(seq $((messages / 100))); do cat "$folder/hundred"; done >"$folder/records"

# calls FILE SYSCALLS COMMAND...: how many of these calls the command makes on FILE.
calls() {
    local file=$1 names=$2
    shift 2
    strace -f -q -o "$folder/trace" -P "$file" -e "trace=$names" "$@" >"$folder/output"
    grep -c '(' "$folder/trace" || true
}

writing=write,writev,pwritev2
expect() {
    local framer=$1 wanted=$2 found
    shift 2
    : >"$folder/out.fls"
    found=$(calls "$folder/out.fls" "$writing" "$FLATSTREAM" write --framer "$framer" "$@" \
        --from sized -o "$folder/out.fls" "$folder/records")
    echo "$framer $*: $found calls for $messages messages"
    if [ "$found" -ne "$wanted" ]; then
        echo "FAIL: $wanted were expected"
        exit 1
    fi
}
expect simple $((2 * messages))
expect vectored "$messages"
expect batched $((messages / 100)) --batch 100

found=$(calls "$folder/out.fls" read,readv,pread64,preadv "$FLATSTREAM" verify "$folder/out.fls")
echo "verify: $found calls for $messages messages"
if [ $((found * 1000)) -ge "$messages" ]; then
    echo "FAIL: less than one in a thousand was expected"
    exit 1
fi
