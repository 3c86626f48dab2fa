#!/usr/bin/env bash
# The examples do what they say: each is run, and what it leaves is looked at.
set -eu

examples=$BUILD_DIR/examples
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "examples_test: $*" >&2
    [ ! -s "$scratch/out" ] || cat "$scratch/out" >&2
    exit 1
}

# Runs an example, keeps what it prints, and expects this exit status.
expect() {
    local wanted=$1 name=$2 status=0
    shift 2
    "$examples/$name" "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
    [ "$status" = "$wanted" ] || fail "$name $*: exit status $status, not $wanted: $(cat "$scratch/err")"
}

prints() {
    grep -Eq -- "$1" "$scratch/out" || fail "does not print: $1"
}

verifies() {
    "$FLATSTREAM" verify --checksum xxh3 "$1" >"$scratch/verify" 2>&1 ||
        fail "flatstream verify ${1##*/}: $(cat "$scratch/verify")"
}

# write_read: one frame of five bytes, and the same read back.
expect 0 write_read "$scratch/hello.fls"
[ "$(cat "$scratch/out")" = hello ] || fail "write_read did not read what it wrote"
[ "$(stat -c %s "$scratch/hello.fls")" = 17 ] || fail "hello.fls is not 4 + 8 + 5 bytes"
verifies "$scratch/hello.fls"
expect 1 write_read "$scratch/no/such/folder.fls"

# segments: a large vector is not copied and goes out in one call.
expect 0 segments "$scratch/segments.fls" 8
prints '^8388608 bytes stayed where they were, [0-9]{1,3} were copied$'
prints '^system calls to write it: 1$'
prints 'the pixels are the same$'
verifies "$scratch/segments.fls"
expect 2 segments "$scratch/segments.fls" 0
expect 1 segments "$scratch/no/such/folder.fls" 1

# read_fields: fields by name, with nothing but the schema.
if command -v flatc >/dev/null; then
    flatc --schema --binary -o "$scratch" "$SOURCE_DIR/schemas/telemetry.fbs"
    "$examples/telemetry_agent" -o "$scratch/t.fls" --rate 50 --seconds 0.2 2>/dev/null ||
        fail "telemetry_agent failed"
    schema=$scratch/telemetry.bfbs
    expect 0 read_fields "$schema" "$scratch/t.fls" sequence host memory.total_bytes
    total=$(($(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo) * 1024))
    lines=$(wc -l <"$scratch/out")
    [ "$lines" -ge 1 ] && [ "$lines" -le 10 ] || fail "$lines lines, not about 10"
    prints "^0	$(uname -n)	$total\$"
    prints "^$((lines - 1))	"
    expect 1 read_fields "$schema" "$scratch/t.fls" cpu.usr
    grep -q 'user' "$scratch/err" || fail "no advice about cpu.usr: $(cat "$scratch/err")"
    # One message that is no telemetry: the verifier stops it before a field is read.
    expect 1 read_fields "$schema" "$scratch/hello.fls" host
    [ ! -s "$scratch/out" ] || fail "fields of what did not verify"
else
    echo "examples_test: no flatc: read_fields was not run"
fi
