#!/bin/sh
# Formats the C and C++ sources; with --check only says whether they are formatted.
set -eu
cd "$(dirname "$0")/.."
mode=-i
[ "${1:-}" = --check ] && mode="--dry-run -Werror"
git ls-files --cached --others --exclude-standard '*.c' '*.h' '*.cc' '*.hpp' |
    xargs -r clang-format $mode --style=file
