#!/bin/bash
# The test data is what its scripts write: nobody edited it by hand, and the scripts still run.
set -eu
cd "$SOURCE_DIR/tests/data"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PYTHONDONTWRITEBYTECODE=1

python3 golden/make_golden.py --check
python3 model.py --check
python3 flatgeobuf/layout.py flatgeobuf/stations.fgb flatgeobuf/stations-indexed.fgb |
    diff - flatgeobuf/layout.tsv

# The schemas say what GDAL wrote: the header, read by one of them, names the file's columns.
flatc --binary --schema -o "$scratch" flatgeobuf/feature.fbs flatgeobuf/header.fbs
size=$(od -An -tu4 --endian=little -j8 -N4 flatgeobuf/stations.fgb | tr -d ' ')
tail -c +13 flatgeobuf/stations.fgb | head -c "$size" >"$scratch/header.bin"
flatc --json --strict-json --raw-binary -o "$scratch" flatgeobuf/header.fbs -- "$scratch/header.bin"
for column in code name elevation_m sensors readings automatic opened last_seen mean_c remark; do
    grep -q "\"name\": \"$column\"" "$scratch/header.json"
done
grep -q '"features_count": 5200' "$scratch/header.json"
