#!/bin/bash
# Plots: an axis of time with the calendar's ticks where the values are, units, a title, and no range
# that the values have not. Run by ctest with FLATSTREAM (the command's path).
. "$(dirname "$0")/cli_support.sh"

cat >t.fbs <<'FBS'
table T { t_ns:long; at_us:ulong; t_ms:long; t_s:int; d_s:double; u:ulong; n:int; small:double; cpu_percent:float; size_bytes:uint; zero:int; low:int; }
root_type T;
FBS
echo '{"n":1}' | "$flatstream" write -o probe.fls --from jsonl --schema t.fbs 2>err || {
    echo "cli_plot_test: no JSON in this build: nothing to test"
    exit 0
}

# --- ticks and places beside Python's datetime ----------------------------------------------------
checks=$((checks + 1))
python3 - "$flatstream" <<'PY' || fail "an axis of time is not right"
import json, os, random, re, subprocess, sys
import xml.etree.ElementTree as tree
from datetime import datetime, timedelta, timezone
random.seed(20)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LEFT, RIGHT = 96, 920
bad = 0

def moment(label, date, day):
    """The tick's time in nanoseconds, of label and date."""
    if re.fullmatch(r"\d{4}", label): label += "-01-01"
    if re.fullmatch(r"\d{4}-\d\d", label): label += "-01"
    if re.fullmatch(r"\d{4}-\d\d-\d\d", label):
        return (datetime.fromisoformat(label + "T00:00:00+00:00") - EPOCH) // timedelta(seconds=1) * 10**9, day
    day = date or day
    clock, _, fraction = label.partition(".")
    at = datetime.fromisoformat(f"{day}T{clock}+00:00")
    return (at - EPOCH) // timedelta(seconds=1) * 10**9 + int((fraction or "0").ljust(9, "0")), day

for width in (30, 3000, 10**5, 10**7, 3 * 10**8, 10**9, 10**10, 7 * 10**10, 10**12, 3 * 10**13, 10**14, 10**15, 10**16, 10**17, 10**18):
    start = random.choice([-10**18, 0, 10**18, 1772359200 * 10**9 - width // 2]) + random.randrange(-10**9, 10**9)
    times = sorted(start + random.randrange(width + 1) for _ in range(60)) 
    times[0], times[-1] = start, start + width
    name = "t.fls"
    for old in ("t.fls", "t.svg"):
        if os.path.exists(old): os.unlink(old)
    lines = "".join(json.dumps({"t_ns": t, "n": i}) + "\n" for i, t in enumerate(times))
    subprocess.run([sys.argv[1], "write", "-o", name, "--from", "jsonl", "--schema", "t.fbs"], input=lines.encode(), check=True)
    svg = subprocess.run([sys.argv[1], "info", "--schema", "t.fbs", "--key", "t_ns", "--plot", "-", "--plot-field", "n", name],
                         check=True, capture_output=True).stdout.decode()
    root = tree.fromstring(svg)
    height = int(root.get("height"))
    texts = [e for e in root.iter() if e.tag.endswith("text") and e.get("text-anchor") == "middle" and e.get("class") == "tick"]
    title = max(float(e.get("y")) for e in texts)
    ys = sorted({float(e.get("y")) for e in texts if float(e.get("y")) < title})
    labels = sorted((float(e.get("x")), e.text) for e in texts if float(e.get("y")) == ys[0])
    dates = {float(e.get("x")): e.text for e in texts if len(ys) > 1 and float(e.get("y")) == ys[1]}
    if not 2 <= len(labels) <= 12:
        bad += 1
        print(width, len(labels), "ticks", labels, file=sys.stderr)
    day = None
    for x, label in labels:
        at, day = moment(label, dates.get(x), day)
        wanted = LEFT + (at - start) / width * (RIGHT - LEFT)
        if abs(wanted - x) > 0.2:
            bad += 1
            print(width, start, label, dates.get(x), x, wanted, file=sys.stderr)
    for (x, label), (y, _) in zip(labels, labels[1:]):
        if y - x < 6.5 * len(label):
            bad += 1
            print("labels overlap:", label, y - x, file=sys.stderr)
    circles = [float(e.get("cx")) for e in root.iter() if e.tag.endswith("circle")][-len(times):]
    for t, x in zip(times, circles, strict=True):
        if abs(LEFT + (t - start) / width * (RIGHT - LEFT) - x) > 0.2:
            bad += 1
sys.exit(bad > 0)
PY

# --- every unit says the same -----------------------------------------------------------------------
for i in 0 1 2 3; do
    s=$((1772359200 + 600 * i))
    echo "{\"t_ns\":${s}000000000,\"at_us\":${s}000000,\"t_ms\":${s}000,\"t_s\":$s,\"d_s\":$s,\"u\":$s,\"n\":$i}"
done >u.jsonl
expect 0 "$flatstream" write -o u.fls --from jsonl --schema t.fbs u.jsonl
for key in t_ns at_us t_ms t_s d_s; do
    expect 0 "$flatstream" info --schema t.fbs --key $key --plot - --plot-field n u.fls
    sed "s/\b$key\b/KEY/" out >$key.svg
    same t_ns.svg $key.svg
    says out "$key, in UTC"
    says out '>10:15<'
    says out '>2026-03-01<'
done
expect 0 "$flatstream" info --schema t.fbs --key u --time-unit s --plot - --plot-field n u.fls
says out '>10:15<'
expect 0 "$flatstream" info --schema t.fbs --key u --plot - --plot-field n u.fls
says out '>u, from 1772359000<'
expect 0 "$flatstream" info --schema t.fbs --plot - --plot-field n u.fls
says out '>message number<'
# The key of the index is taken where the schema has it; another can be said.
expect 0 "$flatstream" index --key t_ns --schema t.fbs u.fls
expect 0 "$flatstream" info --schema t.fbs --plot - --plot-field n u.fls
says out 't_ns, in UTC'
expect 0 "$flatstream" info --schema t.fbs --key at_us --plot - --plot-field n u.fls
says out 'at_us, in UTC'
expect 0 "$flatstream" info --plot - u.fls
says out '>message number<'
expect 0 "$flatstream" info --schema t.fbs --key t_ns --plot-field n u.fls
says out 'first to last message, t_ns from 2026-03-01T10:00:00Z to 2026-03-01T10:30:00Z:'
expect 2 "$flatstream" info --key t_ns --plot - u.fls
expect 2 "$flatstream" info --schema t.fbs --key nope --plot - u.fls
quiet out
# Messages that go back in time are drawn where they are, and told.
tac u.jsonl | "$flatstream" write -o back.fls --from jsonl --schema t.fbs
expect 0 "$flatstream" info --schema t.fbs --key t_ns --plot - --plot-field n back.fls
says out '4 messages; 3 earlier than the one before'
# What has no time at all is drawn by number; a damaged message has the time before it.
expect 0 "$flatstream" write -o nan.fls --from jsonl --schema t.fbs <<<'{"d_s":nan,"n":1}'
expect 0 "$flatstream" info --schema t.fbs --key d_s --plot - --plot-field n nan.fls
says out '>message number<'
{ "$flatstream" cat --as sized u.fls; printf '\10\0\0\0rubbish!'; } | "$flatstream" write -o rubbish.fls --from sized
expect 1 "$flatstream" info --schema t.fbs --key t_ns --plot - --plot-field n rubbish.fls
says out '5 messages'
# The ends of what keys can say.
printf '{"t_s":%s,"u":%s}\n' -2147483648 0 2147483647 18446744073709551615 >ends.jsonl
expect 0 "$flatstream" write -o ends.fls --from jsonl --schema t.fbs ends.jsonl
expect 0 "$flatstream" info --schema t.fbs --key u --time-unit s --plot - --plot-field t_s ends.fls
expect 0 "$flatstream" info --schema t.fbs --key t_s --plot - --plot-field u ends.fls
says out '>(1920|1940|1950)<'

# --- title, units, ranges ---------------------------------------------------------------------------
for i in $(seq 0 20); do
    echo "{\"n\":$((i - 10)),\"small\":0.00$i,\"cpu_percent\":$i,\"size_bytes\":$((i % 2)),\"t_ms\":$i,\"low\":-$((i + 1))}"
done >v.jsonl
expect 0 "$flatstream" write -o 'v<1>.fls' --from jsonl --schema t.fbs v.jsonl
expect 0 "$flatstream" info --schema t.fbs --plot v.svg --plot-field n --plot-field small --plot-field cpu_percent \
    --plot-field size_bytes --plot-field zero --plot-field low --plot-field t_ms 'v<1>.fls'
says v.svg '<title>v&#60;1&#62;.fls: message size in bytes, n, small and 5 more</title>'
says v.svg 'class="title"[^>]*>v&#60;1&#62;.fls: message size'
checks=$((checks + 1))
python3 - <<'PY' || fail "units or ranges"
import re, sys
import xml.etree.ElementTree as tree
texts = [(e.get("class"), e.text, float(e.get("y")), e.get("text-anchor")) for e in tree.parse("v.svg").getroot().iter() if e.tag.endswith("text")]
panels = {}
name = None
tops = [(y, text) for c, text, y, a in texts if c == "name"]
for c, text, y, anchor in texts:
    if c in ("unit",) or (c == "tick" and anchor == "end"):
        name = max((t for t in tops if t[0] < y), key=lambda t: t[0])[1]
        panels.setdefault(name, []).append((c, text))
def unit(name): return [t for c, t in panels[name] if c == "unit"]
def ticks(name): return [t for c, t in panels[name] if c == "tick"]
bad = []
for name, wanted in (("message size in bytes", ["bytes"]), ("cpu_percent", ["%"]), ("size_bytes", ["bytes"]), ("t_ms", ["ms"]), ("n", []), ("zero", [])):
    if unit(name) != wanted: bad.append((name, unit(name)))
for name in ("message size in bytes", "small", "cpu_percent", "size_bytes", "zero", "t_ms"):
    if any(t.startswith("-") for t in ticks(name)) or not ticks(name): bad.append((name, ticks(name)))
if any(not t.startswith("-") and t != "0" for t in ticks("low")): bad.append(("low", ticks("low")))
for name in ("size_bytes", "zero", "n", "low", "message size in bytes"):
    if any("." in t for t in ticks(name)): bad.append((name, ticks(name)))
print(bad, file=sys.stderr)
sys.exit(bool(bad))
PY
# Messages of no bytes: sizes are not below zero, in characters either.
printf '\0\0\0\0\0\0\0\0' | "$flatstream" write -o empty.fls --from sized
expect 0 "$flatstream" info --plot - empty.fls
! grep -q '>-' out || fail "a negative size in the plot"
expect 0 "$flatstream" info --schema t.fbs --plot-field zero u.fls
! grep -Eq '^ +-[0-9.]+ ' out || fail "a negative range in the chart: $(cat out)"
expect 0 "$flatstream" info --help
says out '--key PATH'
finish
