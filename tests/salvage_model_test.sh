#!/bin/bash
# Salvage and recover beside a model that knows the rules and not the library. With FLS_CHECK=1
# every length and every byte; else a fixed sample of them.
set -u
full=""
[ "${FLS_CHECK:-0}" = 1 ] && full=--full
# Debian's Python has the module of the package python3-xxhash; another one falls back to xxhsum.
python=python3
[ -x /usr/bin/python3 ] && python=/usr/bin/python3
# shellcheck disable=SC2086 # an option or nothing
exec "$python" -B "$SOURCE_DIR/tests/salvage_model.py" "$BUILD_DIR/tests/salvage_driver" $full
