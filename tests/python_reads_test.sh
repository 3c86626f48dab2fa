#!/bin/bash
# Messages that our builder makes are read by Python's flatbuffers package, through code that flatc
# generates: every field of every message holds what flatc itself prints as JSON.
set -eu

agent=$BUILD_DIR/examples/telemetry_agent
python=/usr/bin/python3 # sees the system's packages
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "python_reads_test: $*" >&2
    exit 1
}

if ! command -v flatc >/dev/null || ! $python -c 'import flatbuffers' 2>/dev/null; then
    echo "python_reads_test: no flatc or no flatbuffers package for $python: nothing was read"
    exit 77
fi

"$agent" -o "$scratch/t.fls" --rate 100 --seconds 0.3 2>"$scratch/err" ||
    fail "the agent failed: $(cat "$scratch/err")"
cd "$scratch"
"$FLATSTREAM" cat --as sized t.fls >t.sized
flatc --python --gen-object-api "$SOURCE_DIR/schemas/telemetry.fbs"

# Each message by itself, as flatc wants them.
$python - <<'PY'
import struct
data, at, count = open("t.sized", "rb").read(), 0, 0
while at < len(data):
    (length,) = struct.unpack_from("<I", data, at)
    open(f"message{count:04}.bin", "wb").write(data[at + 4 : at + 4 + length])
    at += 4 + length
    count += 1
PY
flatc --json --strict-json --defaults-json "$SOURCE_DIR/schemas/telemetry.fbs" -- message*.bin

$python - <<'PY' || fail "Python reads something else than flatc"
import glob, json, sys

sys.dont_write_bytecode = True
from flatstream.telemetry.Telemetry import Telemetry, TelemetryT

compared = 0

def attribute(name):
    words = name.split("_")
    return words[0] + "".join(word.capitalize() for word in words[1:])

def compare(path, read, printed):
    global compared
    if isinstance(printed, dict):
        for name, value in printed.items():
            compare(f"{path}.{name}", getattr(read, attribute(name)), value)
        return
    if isinstance(printed, list):
        if len(read or []) != len(printed):
            sys.exit(f"{path}: {len(read or [])} elements, not {len(printed)}")
        for i, (one, other) in enumerate(zip(read or [], printed)):
            compare(f"{path}[{i}]", one, other)
        return
    if isinstance(printed, str):
        good = read.decode() == printed
    elif isinstance(printed, float): # flatc prints six decimals of a float, twelve of a double
        good = abs(read - printed) <= 1e-6 * max(1, abs(printed))
    else:
        good = read == printed
    if not good:
        sys.exit(f"{path}: {read!r}, by flatc {printed!r}")
    compared += 1

messages = sorted(glob.glob("message*.bin"))
for number, name in enumerate(messages):
    data = open(name, "rb").read()
    if not Telemetry.TelemetryBufferHasIdentifier(data, 0):
        sys.exit(f"{name}: no identifier")
    read = TelemetryT.InitFromObj(Telemetry.GetRootAs(data, 0))
    if read.sequence != number:
        sys.exit(f"{name}: sequence {read.sequence}")
    compare("", read, json.load(open(name.replace(".bin", ".json"))))
if len(messages) < 5 or compared < 100:
    sys.exit(f"only {compared} values of {len(messages)} messages")
print(f"{compared} values of {len(messages)} messages: Python reads what flatc prints")
PY
