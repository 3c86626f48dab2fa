#!/usr/bin/env bash
# Measures this machine: a Markdown table and SVG plots in build/bench-results. QUICK=1: two minutes.
# What bench/run.py takes can be given, too.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${BENCH_IN_LARGE_PAGES:-}" ]; then
    if ! sh scripts/install-dependencies.sh bench; then
        echo "bench: going on without the peers that are missing" >&2
    fi
    cmake --preset release >/dev/null
    cmake --build --preset release -j"$(nproc)"
fi
run() {
    exec python3 bench/run.py --build build --out build/bench-results ${QUICK:+--quick} "$@"
}

# The page cache of a file system on a disk has large pages, /dev/shm has small ones, which are slow
# to read. So whoever may mount gets a file system in memory with large pages, for this run alone.
large=build/bench-memory
mkdir -p "$large"
if [ -z "${BENCH_IN_LARGE_PAGES:-}" ] && unshare -m true 2>/dev/null; then
    export BENCH_IN_LARGE_PAGES=1
    exec unshare -m bash scripts/bench.sh "$@"
fi
if [ -n "${BENCH_IN_LARGE_PAGES:-}" ] &&
    mount -t tmpfs -o huge=always,size=4g flatstream-bench "$large" 2>/dev/null; then
    run --memory "$large" "$@"
fi
run "$@"
