#!/usr/bin/env bash
# measure-memory.sh COMMAND MIB: pipes a stream of MIB MiB through `COMMAND write` and `COMMAND
# verify`, and prints the peak memory of both in KiB, and the seconds: "WRITE VERIFY SECONDS".
#
# The peaks are the kernel's own (VmHWM), read when both have taken every byte and the pipe is
# still open, so that neither has ended.
set -eu
command=$1
mib=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/records" "$folder/frames" "$folder/hold"

# Records of 16 bytes to 64 KiB, each behind its little-endian length; 1 MiB and 32 MiB of them.
record() {
    printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8 & 255)))"
    printf "\\x$(printf %02x $(($1 >> 16 & 255)))\\x00"
    head -c "$1" /dev/urandom
}
sizes=(16 64 100 1000 4096 20000 65536)
for bytes in "${sizes[@]}"; do record "$bytes"; done >"$folder/once"
for _ in $(seq 12); do cat "$folder/once"; done >"$folder/little"
little_records=$((12 * ${#sizes[@]}))
for _ in $(seq 32); do cat "$folder/little"; done >"$folder/much"
inputs=()
for _ in $(seq $(((mib + 31) / 32))); do inputs+=("$folder/much"); done
frames=$((${#inputs[@]} * 32 * little_records + 2 * little_records))

# The files first; then standard input, which stays open. When it has taken more than a pipe holds,
# the files are through.
"$command" write --from sized -o - "${inputs[@]}" - <"$folder/records" >"$folder/frames" &
writer=$!
"$command" verify --checksum xxh3 --json - <"$folder/frames" >"$folder/report" &
verifier=$!
start=$(date +%s.%N)
{
    cat "$folder/little" "$folder/little"
    : >"$folder/fed"
    read -r _ <"$folder/hold"
} >"$folder/records" &
while [ ! -e "$folder/fed" ]; do
    kill -0 "$writer" "$verifier" # an end before its time ends this too
    sleep 0.1
done
end=$(date +%s.%N)
sleep 0.5 # for what is still in the pipes
peak() { sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$1/status"; }
peaks="$(peak "$writer") $(peak "$verifier")"
echo go >"$folder/hold"
wait "$writer"
wait "$verifier"

if ! grep -Eq "\"frames\": *$frames[,}]" "$folder/report" ||
    ! grep -Eq '"end": *"clean"' "$folder/report"; then
    echo "not what was written came out, which is $frames frames:" >&2
    cat "$folder/report" >&2
    exit 1
fi
echo "$peaks $(echo "$start $end" | awk '{ printf "%.1f", $2 - $1 }')"
