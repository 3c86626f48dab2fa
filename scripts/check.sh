#!/usr/bin/env bash
# Everything that the project holds itself to, step by step; under 45 minutes on two cores (what takes
# longer is in scripts/soak.sh). Ends with a summary; fails when a step failed.
#   FUZZ_SECONDS=N             for each fuzz target (30); JOBS targets run at a time
#   CHECK_STEPS="format asan"  only these steps
#   CHECK_ROOT=FOLDER          where the build folders go (default: here)
#   JOBS=N                     processes at a time (default: one for each processor)
set -u
cd "$(dirname "$0")/.."
root=${CHECK_ROOT:-.}
jobs=${JOBS:-$(nproc)}
logs=$root/build-check
mkdir -p "$logs"
export CTEST_OUTPUT_ON_FAILURE=1

all_steps="dependencies hygiene format release clang asan tsan valgrind crc32 fuzz install"
steps=${CHECK_STEPS:-$all_steps}

# --- the steps -----------------------------------------------------------------------------------

check_dependencies() {
    sh scripts/install-dependencies.sh full
}

check_hygiene() {
    bash scripts/check-hygiene.sh
}

check_format() {
    sh scripts/format.sh --check
}

# build PRESET FOLDER [CMAKE ARGUMENT...]
build() {
    local preset=$1 folder=$2
    shift 2
    cmake --preset "$preset" -B "$root/$folder" "$@" && cmake --build "$root/$folder" -j"$jobs"
}

run_tests() {
    TEST_JOBS=$jobs bash scripts/test.sh "$root/$1"
}

check_release() {
    build release build && run_tests build
}

check_clang() {
    build clang-release build-clang-release && run_tests build-clang-release
}

check_asan() {
    build asan build-asan && run_tests build-asan
}

# Without those that only repeat one thread's work very often.
check_tsan() {
    build tsan build-tsan &&
        ctest --test-dir "$root/build-tsan" --no-tests=error -j"$jobs" \
            -E '^(fault_write|fault_read|counts|memory|index|salvage|builder_property)_test$|_model_test$|^verifier_agreement$'
}

# The unit tests under memcheck; those that run a scenario tens of thousands of times, that watch the
# clock or that count memory are left out.
check_valgrind() {
    local source name failed=0
    build release build || return 1
    for source in tests/*_test.c; do
        name=$(basename "$source" .c)
        case $name in
        fault_write_test | fault_read_test | counts_test | memory_test) continue ;;
        salvage_test | index_test | follow_test | journal_crash_test) continue ;;
        esac
        [ -x "$root/build/tests/$name" ] || continue
        if (cd "$root/build/tests" && FLS_VALGRIND=1 timeout -k 10 600 \
            valgrind -q --error-exitcode=9 --leak-check=full \
            --errors-for-leak-kinds=definite,indirect "./$name") >"$logs/valgrind-$name.log" 2>&1
        then
            echo "$name: clean"
        else
            echo "$name: FAILED"
            tail -40 "$logs/valgrind-$name.log"
            failed=1
        fi
    done
    return "$failed"
}

# links_statically BUILD: the README's line for a program without any shared library.
links_statically() {
    local prefix=$1/static-prefix
    cmake --install "$1" --prefix "$prefix" >/dev/null || return 1
    printf '%s\n' '#include <flatstream/flatstream.h>' '#include <stdio.h>' \
        'int main(void) { return puts(fls_version()) < 0; }' >"$prefix/program.c"
    # shellcheck disable=SC2046
    cc -static "$prefix/program.c" -o "$prefix/program" $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig \
        pkg-config --static --cflags --libs flatstream) && "$prefix/program"
}

# The other libraries that can calculate CRC-32.
check_crc32() {
    local library
    local tests="checksum_test golden_test frame_test damage_test reader_test writer_test"
    for library in libdeflate zlib; do
        # shellcheck disable=SC2086 # a list of names
        cmake --preset release -B "$root/build-crc32-$library" -DFLATSTREAM_CRC32="$library" &&
            cmake --build "$root/build-crc32-$library" -j"$jobs" --target $tests &&
            ctest --test-dir "$root/build-crc32-$library" --no-tests=error -j"$jobs" \
                -R "^(${tests// /|})\$" || return 1
    done
    cmake --build "$root/build-crc32-zlib" -j"$jobs" && links_statically "$root/build-crc32-zlib"
}

check_fuzz() {
    FUZZ_SECONDS=${FUZZ_SECONDS:-30} FUZZ_BUILD=$root/build-fuzz JOBS=$jobs bash scripts/fuzz.sh
}

check_install() {
    build release build && bash scripts/check-install.sh "$root/build"
}

# --- running them --------------------------------------------------------------------------------

summary=""
failures=0
started=$SECONDS
for step in $steps; do
    if ! declare -F "check_$step" >/dev/null; then
        echo "no step is called $step; there are: $all_steps" >&2
        exit 2
    fi
    printf '%-14s ' "$step"
    begun=$SECONDS
    if "check_$step" >"$logs/$step.log" 2>&1; then
        result=ok
    else
        result=FAILED
        failures=$((failures + 1))
    fi
    line=$(printf '%-14s %-7s %4d s' "$step" "$result" $((SECONDS - begun)))
    echo "${line#"$(printf '%-14s ' "$step")"}"
    [ "$result" = ok ] || tail -60 "$logs/$step.log"
    [ "$step" = fuzz ] && cat "$logs/fuzz.log"
    summary+="$line"$'\n'
done
echo
echo "$summary"
echo "$((SECONDS - started)) s in all; $failures of $(echo "$steps" | wc -w) steps failed; logs in $logs"
[ "$failures" -eq 0 ]
