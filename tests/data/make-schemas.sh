#!/bin/sh
# Makes the .bfbs files here from the .fbs files, and messages from JSON, with flatc 2.0.8. Run by
# hand after a change; the results are committed, so that the tests need no flatc.
set -eu
cd "$(dirname "$0")"
flatc --binary --schema --bfbs-builtins zoo.fbs
for name in zoo zoo-small; do
    flatc --binary zoo.fbs "$name.json"
    mv "$name.zoo" "$name.bin"
done
