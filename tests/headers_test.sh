#!/usr/bin/env bash
# Every public header compiles alone, as C11 and as C++17, without a warning; and the shared library
# exports exactly the functions that the headers declare, all under a version.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

say_and_fail() {
    echo "headers_test: $*" >&2
    exit 1
}

warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"

# compiles_alone COMPILER FLAGS SUFFIX HEADER
compiles_alone() {
    local compiler=$1 flags=$2 suffix=$3 header=$4
    printf '#include <flatstream/%s>\n#include <flatstream/%s>\nint main(void);\nint main(void) { return 0; }\n' \
        "$header" "$header" >"alone.$suffix"
    # shellcheck disable=SC2086
    "$compiler" $flags $warnings -I"$SOURCE_DIR/include" -fsyntax-only "alone.$suffix" ||
        say_and_fail "$header does not compile alone with $compiler $flags"
}

# flatcc.h adapts a library that need not be there.
flatcc_there() {
    echo '#include <flatcc/flatcc_builder.h>' | "$CC" -E - >/dev/null 2>&1
}

# each_of NAME...: the compilers among these that exist, each once
each_of() {
    for name in "$@"; do
        if command -v "$name" >/dev/null; then
            readlink -f "$(command -v "$name")"
        fi
    done | sort -u
}

flatcc_there || export CPATH="$SOURCE_DIR/tests/flatcc_shape${CPATH:+:$CPATH}"
c_compilers=$(each_of "$CC" gcc clang)
cxx_compilers=$(each_of "$CXX" g++ clang++)
[ -n "$cxx_compilers" ] || echo "skipped: headers as C++: there is no C++ compiler"
for path in "$SOURCE_DIR"/include/flatstream/*.h; do
    header=$(basename "$path")
    for compiler in $c_compilers; do
        compiles_alone "$compiler" "-std=c11" c "$header"
    done
    for compiler in $cxx_compilers; do
        compiles_alone "$compiler" "-std=c++17" cc "$header"
    done
done
for path in "$SOURCE_DIR"/include/flatstream/*.hpp; do
    for compiler in $cxx_compilers; do
        compiles_alone "$compiler" "-std=c++17" cc "$(basename "$path")"
    done
done
for path in "$SOURCE_DIR"/include/flatstream/cpp/*.hpp; do
    [ -z "$cxx_compilers" ] || compiles_alone "${cxx_compilers%%$'\n'*}" "-std=c++17" cc "cpp/$(basename "$path")"
done
for version in 30 31 40; do
    compiles_alone "$CC" "-std=c11 -DFLATSTREAM_USE_VERSION=$version" c flatstream.h
    [ -z "$cxx_compilers" ] ||
        compiles_alone "$CXX" "-std=c++17 -DFLATSTREAM_USE_VERSION=$version" cc flatstream.h
done

# json.h is the face of a library of its own. The first name before a parenthesis in each
# declaration is the function's.
declared_functions() {
    for path in "$SOURCE_DIR"/include/flatstream/*.h; do
        [ "$(basename "$path")" = json.h ] || cat "$path"
    done | sed 's://.*::' | tr '\n' ' ' | sed 's:/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/: :g' |
        grep -oE 'FLS_API [^;{]*;' | sed -E 's/^[^(]*\b(fls_[a-z0-9_]+) *\(.*$/\1/' | sort -u
}

library="$BUILD_DIR/libflatstream.so"
[ -e "$library" ] || say_and_fail "$library is not there"
nm -D --defined-only --with-symbol-versions "$library" |
    awk '$2 != "A" { print $3 }' | sort -u >exported
declared_functions >declared
[ -s declared ] || say_and_fail "no declaration was found"
sed 's/@.*//' exported >names
diff declared names >difference ||
    say_and_fail "declared (<) and exported (>) differ:"$'\n'"$(cat difference)"
if grep -v '@@FLATSTREAM_0\.1$' exported; then
    say_and_fail "exported without the version FLATSTREAM_0.1"
fi
