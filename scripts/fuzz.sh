#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (60) from its corpus, and says in a line what came out.
#   FUZZ_KEEP=1      merges what was found new into fuzz/corpus
#   FUZZ_TARGETS=..  only these, for example "reader_fuzz recover_fuzz"
#   FUZZ_BUILD=..    another build folder than build-fuzz
# An input that breaks a target is kept in build-fuzz/findings, and the script fails.
set -u
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
build=${FUZZ_BUILD:-build-fuzz}
jobs=${JOBS:-$(nproc)}

targets=${FUZZ_TARGETS:-$(for source in fuzz/*_fuzz.c; do basename "$source" .c; done)}

sh scripts/install-dependencies.sh full || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # a list of names
if ! { cmake --preset fuzz -B "$build" && cmake --build "$build" -j"$jobs" --target $targets; } \
    >"$log" 2>&1; then
    tail -40 "$log" >&2
    exit 1
fi

findings=$PWD/$build/findings
mkdir -p "$findings"

# One target: its corpus is read, what is new goes to a folder of the build.
run_target() {
    local target=$1 corpus=fuzz/corpus/$1 new=$build/corpus/$1 status runs
    local report=$findings/$target.log
    mkdir -p "$new" "$corpus"
    "$build/fuzz/$target" -max_total_time="$seconds" -max_len=8192 -timeout=25 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$findings/$target-" "$new" "$corpus" \
        >"$report" 2>&1
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$report")
    if [ "$status" -ne 0 ]; then
        printf '%-20s FAILED after %s runs; see %s\n' "$target" "${runs:-?}" "$report"
        grep -E 'not so|ERROR|runtime error|SUMMARY|Test unit written' "$report" | head -5
        return 1
    fi
    printf '%-20s %s s, %s runs, %s inputs in the corpus, %s edges: nothing found\n' "$target" \
        "$seconds" "$runs" "$(find "$corpus" -type f | wc -l)" \
        "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$report" | tail -1)"
    if [ "${FUZZ_KEEP:-0}" = 1 ]; then
        "$build/fuzz/$target" -merge=1 "$corpus" "$new" >>"$report" 2>&1
    fi
}

# As many at a time as there are processors.
status=0
running=0
for target in $targets; do
    run_target "$target" &
    running=$((running + 1))
    if [ "$running" -ge "$jobs" ]; then
        wait -n || status=1
        running=$((running - 1))
    fi
done
while [ "$running" -gt 0 ]; do
    wait -n || status=1
    running=$((running - 1))
done
exit "$status"
