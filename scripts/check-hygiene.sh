#!/usr/bin/env bash
# What does not belong into the repository: files that name a folder of one machine, and files at
# the root that nothing explains.
set -u
cd "$(dirname "$0")/.."
status=0

complain() {
    echo "$1:" >&2
    sed 's/^/    /' >&2
    status=1
}

# A home or working folder, and where this checkout happens to lie.
homes='(^|[^A-Za-z0-9_])/(work|root|home/[a-z]+|Users/[A-Za-z]+)(/|[^A-Za-z0-9_/]|$)'
named=$(git grep -nIE "$homes" -- . ':!scripts/check-hygiene.sh'; git grep -nIF "$PWD/" -- .)
[ -z "$named" ] || complain "tracked lines that name a folder of one machine" <<<"$named"

known='^(\..*|README\.md|CHANGELOG\.md|CONTRIBUTING\.md|LICENSE|Makefile|CMakeLists\.txt|CMakePresets\.json)$'
stray=$(git ls-files | grep -v / | grep -vE "$known")
[ -z "$stray" ] || complain "files at the root that nothing explains" <<<"$stray"
exit "$status"
