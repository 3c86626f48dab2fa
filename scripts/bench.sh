#!/usr/bin/env bash
# Measures this machine: a Markdown table and SVG plots in build/bench-results. QUICK=1: two minutes.
set -eu
cd "$(dirname "$0")/.."
exec python3 bench/run.py --build build --out build/bench-results ${QUICK:+--quick} "$@"
