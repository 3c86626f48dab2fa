#!/bin/sh
# Builds TARGET... and says one line; the rest is shown only when it fails. For `make demo`.
set -eu
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Building flatstream ..."
if ! { cmake --preset release && cmake --build --preset release -j"$(nproc)" --target "$@"; } \
    >"$log" 2>&1; then
    tail -40 "$log" >&2
    echo "The build failed." >&2
    exit 1
fi
