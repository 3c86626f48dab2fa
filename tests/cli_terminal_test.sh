#!/bin/bash
# What other people's bytes hold reaches a terminal escaped. Run by ctest with FLATSTREAM.
. "$(dirname "$0")/cli_support.sh"

has_terminals cli_terminal_test || exit 0
timeout 120 python3 -B "$SOURCE_DIR/tests/terminal.py" "$flatstream" || fail "see above"

finish
