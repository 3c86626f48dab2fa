#!/usr/bin/env bash
# One old program, compiled under each FLATSTREAM_USE_VERSION: silently simple under 30, simple with
# a deprecation warning under 31, silently vectored under 40 and when nothing is defined. The bytes
# are the same each time.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

say_and_fail() {
    echo "migration_test: $*" >&2
    exit 1
}

cat >old.c <<'PROGRAM'
#include <flatstream/flatstream.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct fls_writer_options options = FLS_ZERO;
    struct fls_writer_counts statistics;
    struct fls_writer *writer;
    char message[100];

    options.framer = FLS_FRAMER_DEFAULT;
    options.checksum = FLS_CHECKSUM_CRC32;
    memset(message, 'm', sizeof message);
    if (argc != 2 ||
        fls_writer_open_file(argv[1], FLS_FILE_TRUNCATE, &options, &writer, NULL) != FLS_OK)
        return 1;
    for (int i = 0; i < 10; i++)
        if (fls_writer_write(writer, message, sizeof message) != FLS_OK)
            return 1;
    statistics = fls_writer_statistics(writer);
    printf("%d\n", (int)statistics.system_calls);
    return fls_writer_close(writer, NULL) == FLS_OK ? 0 : 1;
}
PROGRAM

# The same, but it leaves the framer to the options' zero: no name is used, so nothing is warned of.
grep -v FLS_FRAMER_DEFAULT old.c >zero.c

libraries=$(sed -n 's/^Libs.private: //p' "$BUILD_DIR/flatstream.pc")
flags="-std=c11 -Wall -Wextra -I$SOURCE_DIR/include"
[ -n "${SANITIZE:-}" ] && flags="$flags -fsanitize=$SANITIZE"

# compile PROGRAM NAME FLAG...: leaves the warnings in NAME.warnings
compile() {
    local program=$1 name=$2
    shift 2
    # shellcheck disable=SC2086
    "$CC" $flags "$@" "$program.c" "$BUILD_DIR/libflatstream.a" $libraries -o "$name" \
        2>"$name.warnings"
}

# expect PROGRAM NAME CALLS FLAG...: compiles, runs, and counts the system calls of ten messages
expect() {
    local program=$1 name=$2 calls=$3 got
    shift 3
    compile "$program" "$name" "$@" || say_and_fail "$name does not compile: $(cat "$name.warnings")"
    got=$("./$name" "$name.fls") || say_and_fail "$name fails"
    [ "$got" = "$calls" ] || say_and_fail "$name made $got system calls, not $calls"
}

expect_silence() {
    [ ! -s "$1.warnings" ] || say_and_fail "$1 is not silent: $(cat "$1.warnings")"
}

expect old v30 20 -DFLATSTREAM_USE_VERSION=30
expect_silence v30
expect old v31 20 -DFLATSTREAM_USE_VERSION=31
expect old v40 10 -DFLATSTREAM_USE_VERSION=40
expect_silence v40
expect old undefined 10
expect_silence undefined
expect zero zero30 20 -DFLATSTREAM_USE_VERSION=30
expect_silence zero30
expect zero zero31 20 -DFLATSTREAM_USE_VERSION=31
expect_silence zero31
expect zero zero40 10
expect_silence zero40

[ "$(grep -c 'warning:' v31.warnings)" = 1 ] || say_and_fail "not one warning: $(cat v31.warnings)"
grep -q 'deprecated.*FLS_FRAMER_VECTORED.*\[-Wdeprecated-declarations\]' v31.warnings ||
    say_and_fail "not the deprecation warning: $(cat v31.warnings)"
if compile old strict -DFLATSTREAM_USE_VERSION=31 -Werror; then
    say_and_fail "under -Werror the deprecation is no error"
fi
if compile old wrong -DFLATSTREAM_USE_VERSION=32; then
    say_and_fail "version 32 is accepted"
fi
grep -q 'FLATSTREAM_USE_VERSION must be 30, 31 or 40' wrong.warnings ||
    say_and_fail "version 32 is refused without saying why: $(cat wrong.warnings)"

for name in v31 v40 undefined zero30 zero31 zero40; do
    cmp v30.fls "$name.fls" || say_and_fail "the bytes of $name differ"
done
[ "$(stat -c %s v30.fls)" = 1080 ] || say_and_fail "not ten frames of 108 bytes"
