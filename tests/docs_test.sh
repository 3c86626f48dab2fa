#!/bin/bash
# The documents: programs shown in them compile without a warning and run, and every name of ours
# that they mention exists.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$SOURCE_DIR"
documents=$(ls README.md CHANGELOG.md docs/*.md 2>/dev/null)
failed=0

complain() {
    echo "docs_test: $*" >&2
    failed=1
}

# Cuts each block that begins with ```c out of a document into a file of its own.
cut_programs() {
    awk -v to="$scratch/$(basename "$1" .md)" '
        /^```c$/ { inside = 1; file = to "-" ++count ".c"; next }
        /^```$/ { inside = 0 }
        inside { print > file }' "$1"
}

compile() {
    local sanitize=()
    [ -z "${SANITIZE:-}" ] || sanitize=("-fsanitize=$SANITIZE")
    "$CC" -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Werror "${sanitize[@]}" -Iinclude "$@"
}

check_program() {
    local program=$1
    if ! grep -q 'int main(' "$program"; then
        compile -fsyntax-only "$program" || complain "$(basename "$program") does not compile"
        return
    fi
    compile "$program" -o "$program.run" -L"$BUILD_DIR" -lflatstream -Wl,-rpath,"$BUILD_DIR" ||
        { complain "$(basename "$program") does not compile"; return; }
    (cd "$scratch" && "$program.run" >"$program.out" 2>&1) ||
        complain "$(basename "$program") fails: $(cat "$program.out")"
}

for document in $documents; do cut_programs "$document"; done
programs=0
for program in "$scratch"/*.c; do
    grep -q '#include <flatstream/' "$program" || continue
    check_program "$program"
    programs=$((programs + 1))
done
[ "$programs" -ge 2 ] || complain "only $programs programs found"

# What the C program of from-rust.md wrote is a stream of a thousand frames.
size=$(stat -c %s "$scratch/readings.fls" 2>/dev/null || echo 0)
[ "$size" -gt 0 ] && [ $((size % 1000)) = 0 ] || complain "readings.fls has $size bytes"

# Names: as they stand in the headers or, for internals, in the sources; FLS_<status> comes from a
# table. A name that ends with _ stands for all that begin so.
known=$scratch/known
grep -rhoE '\b(fls|FLS)_[A-Za-z0-9_]+' include src | sort -u >"$known"
sed -n 's/^ *X(\([A-Z_]*\),.*/FLS_\1/p' include/flatstream/status.h >>"$known"
for document in $documents; do
    for name in $(grep -ohE '\b(fls|FLS)_[A-Za-z0-9_]+' "$document" | sort -u); do
        case $name in
        *_) grep -q "^$name" "$known" || complain "$document: nothing is called $name..." ;;
        *) grep -qx "$name" "$known" || complain "$document: there is no $name" ;;
        esac
    done
done
exit $failed
