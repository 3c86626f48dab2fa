#!/usr/bin/env bash
# README's line for a recorder that is started again: run as it stands there, after a clean end, after
# a torn tail, and where there is nothing yet.
# shellcheck source=tests/cli_support.sh
. "$SOURCE_DIR/tests/cli_support.sh"
recipe=$(sed -n 's/^\$ sensor | flatstream \(write .*--repair\)$/\1/p' "$SOURCE_DIR/README.md")
checks=$((checks + 1))
[ -n "$recipe" ] || fail "README has no line for a restart"

# record TEXT: what the recipe says, with these lines
record() {
    printf '%b' "$1" >lines
    # shellcheck disable=SC2086 # words of the recipe
    expect 0 "$flatstream" $recipe <lines
}

record 'one\ntwo\n'
record 'three\n'
expect 0 "$flatstream" cat run.fls
printf 'one\ntwo\nthree\n' >want
same out want
truncate -s -3 run.fls
expect 1 "$flatstream" verify run.fls
record 'four\n'
expect 0 "$flatstream" verify run.fls
expect 0 "$flatstream" cat run.fls
printf 'one\ntwo\nfour\n' >want
same out want

finish
