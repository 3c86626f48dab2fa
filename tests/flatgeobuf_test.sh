#!/bin/bash
# Other people's files: the features of a FlatGeobuf file are size-prefixed FlatBuffers, and so a
# stream without checksums that begins behind the file's header (data/flatgeobuf/layout.tsv).
set -eu

data=$SOURCE_DIR/tests/data/flatgeobuf
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "flatgeobuf_test: $*" >&2
    exit 1
}

# Runs the command, keeps what it prints, and expects this exit status.
expect() {
    local wanted=$1 status=0
    shift
    "$FLATSTREAM" "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
    [ "$status" = "$wanted" ] ||
        fail "flatstream $*: exit status $status, not $wanted: $(cat "$scratch/err")"
}

# Expects "key":value in the JSON object printed last.
expect_json() {
    tr -d ' \n' <"$scratch/out" | grep -Eq "\"$1\":$2[,}]" ||
        fail "no \"$1\": $2 in $(cat "$scratch/out")"
}

check_file() {
    local file=$data/$1 offset=$2 features=$3
    local size
    size=$(stat -c %s "$file")

    expect 0 verify --checksum none --offset "$offset" --json "$file"
    expect_json frames "$features"
    expect_json end '"clean"'
    expect_json good_offset "$size"
    expect_json error null

    # As size-prefixed records the features come out as the very bytes of the file.
    expect 0 cat --checksum none --offset "$offset" --as sized "$file"
    tail -c +$((offset + 1)) "$file" | cmp - "$scratch/out" || fail "$1: cat changes the features"

    expect 0 cat --checksum none --offset "$offset" --as base64 --count 3 "$file"
    [ "$(wc -l <"$scratch/out")" = 3 ] || fail "$1: cat --count 3 does not give 3 lines"

    # From its start the file is no stream: the magic reads as a length.
    expect 1 verify --checksum none --json "$file"
    expect_json frames 0
    expect_json good_offset 0
    # And nobody cuts it by mistake.
    cp "$file" "$scratch/copy"
    expect 2 recover --truncate "$scratch/copy"
    cmp -s "$file" "$scratch/copy" || fail "$1: recover changed a file that is no stream"
    # One byte off, nothing fits either.
    expect 1 verify --checksum none --offset $((offset + 1)) --json "$file"
}

files=0
while read -r name offset features; do
    case $name in '#'*) continue ;; esac
    check_file "$name" "$offset" "$features"
    files=$((files + 1))
done <"$data/layout.tsv"
[ "$files" = 2 ] || fail "$files files looked at, not 2"
