#!/bin/bash
# Other people's files by a schema: the features that GDAL wrote verify, and as JSON they hold what
# GDAL's own GeoJSON export of them holds, every property and every coordinate.
set -eu

data=$SOURCE_DIR/tests/data/flatgeobuf
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "flatgeobuf_json_test: $*" >&2
    exit 1
}

command -v python3 >/dev/null || {
    echo "flatgeobuf_json_test: no python3: nothing was compared"
    exit 77
}
if ! : | "$FLATSTREAM" write -o "$scratch/none.fls" --from jsonl --schema "$data/feature.fbs" 2>"$scratch/err"; then
    grep -q 'no JSON support' "$scratch/err" || fail "$(cat "$scratch/err")"
    echo "flatgeobuf_json_test: the command has no JSON support: nothing was compared"
    exit 77
fi

# The header is the one FlatBuffer between the magic (8 bytes, with its size 12) and the features.
header() {
    head -c "$2" "$data/$1" | tail -c +9 >"$scratch/header.fls"
    "$FLATSTREAM" cat --checksum none --as json --schema "$data/header.fbs" --count 1 \
        "$scratch/header.fls" >"$scratch/header.json"
}

# features NAME OFFSET COUNT: verify, and print
features() {
    "$FLATSTREAM" verify --quiet --checksum none --offset "$2" --schema "$data/feature.fbs" \
        "$data/$1" || fail "$1 does not verify"
    "$FLATSTREAM" cat --checksum none --offset "$2" --as json --schema "$data/feature.fbs" \
        "$data/$1" >"$scratch/features.jsonl" || fail "$1 cannot be printed"
    [ "$(wc -l <"$scratch/features.jsonl")" = "$3" ] || fail "$1: not $3 features"
}

files=0
while read -r name offset count; do
    case $name in '#'*) continue ;; esac
    header "$name" "$offset"
    features "$name" "$offset" "$count"
    files=$((files + 1))
    [ "$name" = stations.fgb ] || continue # the other one is its first features, in another order
    python3 "$SOURCE_DIR/tests/flatgeobuf_json.py" "$scratch/header.json" \
        "$scratch/features.jsonl" "$data/stations.geojson.gz" || fail "$name differs"

    # Fields are read where they lie, which is not where messages of our own have them.
    "$FLATSTREAM" select "$data/$name" --checksum none --offset "$offset" --schema \
        "$data/feature.fbs" --fields 'geometry.xy[]' >"$scratch/selected" || fail "select failed"
    python3 - "$scratch/selected" "$scratch/features.jsonl" <<'PY' || fail "select differs from cat"
import json, sys
for selected, whole in zip(open(sys.argv[1]), open(sys.argv[2]), strict=True):
    if json.loads(selected)["geometry.xy[]"] != json.loads(whole)["geometry"]["xy"]:
        sys.exit(1)
PY
done <"$data/layout.tsv"
[ "$files" = 2 ] || fail "$files files looked at, not 2"
