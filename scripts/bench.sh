#!/usr/bin/env bash
# Measures this machine: a Markdown table and SVG plots in build/bench-results. QUICK=1: two minutes.
# What bench/run.py takes can be given, too.
set -eu
cd "$(dirname "$0")/.."
if ! sh scripts/install-dependencies.sh bench; then
    echo "bench: going on without the peers that are missing" >&2
fi
cmake --preset release >/dev/null
cmake --build --preset release -j"$(nproc)"
exec python3 bench/run.py --build build --out build/bench-results ${QUICK:+--quick} "$@"
