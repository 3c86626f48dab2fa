#!/usr/bin/env bash
# The telemetry agent records what /proc says: the stream verifies, has the messages asked for, and
# a message decoded by flatc holds plausible numbers. Also: it ends in order when told to.
set -eu

agent=$BUILD_DIR/examples/telemetry_agent
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "telemetry_test: $*" >&2
    [ ! -s "$scratch/err" ] || cat "$scratch/err" >&2
    exit 1
}

# A field of the JSON object that `verify --json` printed.
field() {
    tr -d ' \n"' <"$scratch/verify.json" | tr ',{}' '\n' | sed -n "s/^$1://p"
}

verify() {
    "$FLATSTREAM" verify --json "$1" >"$scratch/verify.json" || fail "${1##*/} does not verify"
    [ "$(field end)" = clean ] || fail "${1##*/} ends $(field end)"
}

summary_number() {
    sed -n "s/.*[:;,(] *\([0-9]*\) $1.*/\1/p" "$scratch/err"
}

# --- half a second at 200 a second -----------------------------------------------------------------
before=$(date +%s%N)
"$agent" -o "$scratch/t.fls" --rate 200 --seconds 0.5 2>"$scratch/err" || fail "the agent failed"
after=$(date +%s%N)
verify "$scratch/t.fls"
[ "$(field checksum)" = xxh3 ] || fail "checksum $(field checksum)"
frames=$(field frames)
missed=$(summary_number 'deadlines missed')
[ "$(summary_number messages)" = "$frames" ] || fail "$frames frames, and the summary says otherwise"
[ $((frames + missed)) = 100 ] || fail "$frames messages and $missed missed are not 100"
[ "$frames" -ge 20 ] || fail "only $frames of 100 messages"

# --- every option, standard output, and the same bytes as size-prefixed FlatBuffers ----------------
for kind in none crc16 crc32 xxh3; do
    for framer in simple vectored batched; do
        "$agent" -o - --rate 100 --seconds 0.05 --checksum $kind --framer $framer --processes 0 \
            >"$scratch/$kind.fls" 2>"$scratch/err" || fail "the agent failed: $kind $framer"
        "$FLATSTREAM" verify --json --checksum $kind "$scratch/$kind.fls" >"$scratch/verify.json" ||
            fail "$kind $framer does not verify"
        [ "$(field frames)" = "$(summary_number messages)" ] || fail "$kind $framer: wrong count"
    done
done

# --- SIGTERM and SIGINT end it in order -------------------------------------------------------------
for signal in TERM INT; do
    # Not in the background: there the shell would have SIGINT ignored.
    timeout --preserve-status --signal=$signal 0.6 "$agent" -o "$scratch/s.fls" --seconds 0 \
        2>"$scratch/err" || fail "SIG$signal: exit status $?"
    verify "$scratch/s.fls"
    [ "$(field frames)" = "$(summary_number messages)" ] || fail "SIG$signal: messages were lost"
    [ "$(field frames)" -gt 0 ] || fail "SIG$signal: nothing was recorded"
done

# --- what cannot be written is an error -------------------------------------------------------------
status=0
"$agent" -o /dev/full --seconds 0.2 2>"$scratch/err" || status=$?
[ $status = 3 ] || fail "a full disk: exit status $status"
status=0
"$agent" --rate 0 -o "$scratch/x" 2>"$scratch/err" || status=$?
[ $status = 2 ] || fail "a wrong rate: exit status $status"
[ ! -e "$scratch/x" ] || fail "wrong usage made a file"

# --- one message as flatc sees it, beside /proc -----------------------------------------------------
if ! command -v flatc >/dev/null || ! command -v python3 >/dev/null; then
    echo "skipped: the numbers beside /proc: no flatc or python3"
    exit 0
fi
"$FLATSTREAM" cat --as raw --count 1 "$scratch/t.fls" >"$scratch/message.bin"
flatc --json --strict-json --defaults-json -o "$scratch" "$SOURCE_DIR/schemas/telemetry.fbs" \
    -- "$scratch/message.bin"
python3 - "$scratch/message.json" "$before" "$after" <<'PYTHON' || fail "implausible numbers"
import json, os, sys

message = json.load(open(sys.argv[1]))
before, after = int(sys.argv[2]), int(sys.argv[3])
failed = []

def check(name, good, seen):
    if not good:
        failed.append(name)
        print(f"telemetry_test: {name}: {seen}", file=sys.stderr)

def present(path):
    return os.path.exists(path) and os.access(path, os.R_OK)

check("sequence", message["sequence"] == 0, message["sequence"])
check("time_ns", before <= message["time_ns"] <= after, (before, message["time_ns"], after))
check("host", message["host"] == os.uname().nodename, message["host"])

kinds = ("user", "system", "idle", "iowait", "steal")
cpu = message["cpu"]
check("cpu", abs(sum(cpu[k] for k in kinds) - 1) < 0.001, cpu)
check("window_ms", 250 <= cpu["window_ms"] < 5000, cpu["window_ms"])
numbers = [core["number"] for core in cpu["cores"]]
with open("/proc/stat") as file:
    listed = [int(line.split()[0][3:]) for line in file if line[:3] == "cpu" and line[3] != " "]
check("cores", numbers == listed, (numbers, listed))
for core in cpu["cores"]:
    total = sum(core[k] for k in kinds)
    check("core", abs(total - 1) < 0.001 or total == 0, core)

with open("/proc/meminfo") as file:
    now = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file}
memory = message["memory"]
check("total_bytes", memory["total_bytes"] == now["MemTotal"], (memory, now["MemTotal"]))
check("free_bytes", 0 < memory["free_bytes"] <= memory["total_bytes"], memory)
check("available_bytes", 0 < memory["available_bytes"] <= memory["total_bytes"], memory)
check("swap_total_bytes", memory["swap_total_bytes"] == now["SwapTotal"], memory)

with open("/proc/uptime") as file:
    uptime = float(file.read().split()[0])
if os.path.exists("/proc/self/timens_offsets"):
    check("uptime_seconds", uptime - 600 < message["uptime_seconds"] <= uptime + 1,
          (message["uptime_seconds"], uptime))
with open("/proc/stat") as file:
    switches = next(int(line.split()[1]) for line in file if line.startswith("ctxt"))
check("context_switches", 0 < message["context_switches"] <= switches, message["context_switches"])

if present("/proc/net/dev"):
    with open("/proc/net/dev") as file:
        now = {line.split(":")[0].strip(): line.split(":")[1].split() for line in file if ":" in line}
    seen = {network["name"]: network for network in message["networks"]}
    check("networks", set(seen) == set(now), (sorted(seen), sorted(now)))
    for name in set(seen) & set(now):
        check(name, seen[name]["rx_bytes"] <= int(now[name][0]), (seen[name], now[name]))
        check(name, seen[name]["tx_bytes"] <= int(now[name][8]), (seen[name], now[name]))

if present("/proc/diskstats"):
    with open("/proc/diskstats") as file:
        now = {line.split()[2]: line.split() for line in file}
    for disk in message["disks"]:
        check("disks", disk["name"] in now, disk)
        check("reads", disk["reads"] <= int(now[disk["name"]][3]), disk)
        check("written_bytes", disk["written_bytes"] <= int(now[disk["name"]][9]) * 512, disk)

processes = message["processes"]
check("processes", 1 <= len(processes) <= 5, processes)
shares = [process["cpu"] for process in processes]
check("order", shares == sorted(shares, reverse=True), shares)
check("age", message["processes_age_ms"] < 5000, message["processes_age_ms"])
there = sum(name.isdigit() for name in os.listdir("/proc"))
check("process_count", there / 4 <= message["process_count"] <= there * 4 + 50,
      (message["process_count"], there))
for process in processes:
    check("pid", process["pid"] > 0 and process["name"] and process["cpu"] >= 0, process)
sys.exit(1 if failed else 0)
PYTHON
