#!/usr/bin/env bash
# Runs all tests of one build folder (default: build), says by name what could not be tested here,
# and ends with a plain count. TEST_JOBS: how many at a time (one more than there are processors, as
# some wait for the disk or a clock).
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
ctest --test-dir "$build" --output-on-failure -j "${TEST_JOBS:-$(($(nproc) + 1))}" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
# A script says "skipped: WHAT: WHY"; a cmocka program marks the test.
sed -nE 's/^skipped: /not tested here: /p; s/^\[  SKIPPED \] ([a-z0-9_]+)$/not tested here: \1/p' \
    "$build/Testing/Temporary/LastTest.log" 2>/dev/null | sort -u
total=$(sed -n 's/^.* tests failed out of \([0-9]*\)$/\1/p' "$log" | tail -1)
failed=$(sed -n 's/^.*, \([0-9]*\) tests failed out of [0-9]*$/\1/p' "$log" | tail -1)
if [ -z "$total" ]; then
    echo "no test was run" >&2
    exit 1
fi
skipped=$(grep -c '\*\*\*Skipped' "$log" || true)
echo "$((total - failed - skipped)) passed, $failed failed, $skipped skipped"
exit "$status"
