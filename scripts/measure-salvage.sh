#!/usr/bin/env bash
# Salvages a stream of 1 GiB damaged in 1,000 places, checks what comes out, and sets the rate beside
# that of `flatstream verify` on the undamaged one. Needs 4 GB of memory and of disk.
#   measure-salvage.sh [FOLDER] [KIND] [SEED]
set -eu
cd "$(dirname "$0")/.."
folder=${1:-$(mktemp -d)}
python=python3
[ -x /usr/bin/python3 ] && python=/usr/bin/python3
for kind in ${2:-crc32 xxh3}; do
    "$python" -B tests/salvage_wounds.py build/flatstream "$folder" --kind "$kind" \
        --seed "${3:-1}" --measure
done
rm -f "$folder"/whole.fls "$folder"/damaged.fls
[ $# -gt 0 ] || rmdir "$folder"
