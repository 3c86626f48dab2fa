#!/bin/bash
# Times: ranges and conditions hold for the exact times of the messages, whatever the key counts and
# however wide it is; what no calendar has is refused. What is expected is calculated by Python's
# datetime, integers and fractions. Run by ctest with FLATSTREAM (the command's path).
. "$(dirname "$0")/cli_support.sh"

cat >t.fbs <<'FBS'
table T { l:long; u:ulong; i:int; w:uint; d:double; f:float; at_ns:long; at_us:ulong; at_ms:long; at_s:int; n:int; }
root_type T;
FBS
echo '{"n":1}' | "$flatstream" write -o probe.fls --from jsonl --schema t.fbs 2>err || {
    echo "cli_time_test: no JSON in this build: nothing to test"
    exit 0
}

# --- what is a time, and what is none -----------------------------------------------------------
# is TEXT SECONDS: as a bound, TEXT is that many seconds (of a double, so that parts count)
is() {
    expect 0 "$flatstream" select probe.fls --schema t.fbs --fields n --time-unit s \
        --where "d < '$1' || d >= '$1'"
    echo "{\"d\":$2}" | "$flatstream" write -o is.fls --from jsonl --schema t.fbs 2>/dev/null ||
        { rm -f is.fls && echo "{\"d\":$2}" | "$flatstream" write -o is.fls --from jsonl --schema t.fbs; }
    expect 0 "$flatstream" select is.fls --schema t.fbs --fields n --time-unit s --where "d == '$1'"
    says out n
}
is 1970-01-01 0
is 1970-01-01T00:00:00.5Z 0.5
is 1969-12-31T23:59:59.25Z -0.75
is 2000-02-29T12:00 951825600
is '2024-02-29 12:00:00.000000000000' 1709208000
is 0000-02-29 -62162121600
is 9999-12-31T23:59:59Z 253402300799
is 2026-03-01T10:00+02:00 1772352000
is 2026-03-01T10:00:00-0130 1772364600
is 2026-03-01t10:00:00.125z 1772359200.125
is 2026-03-01T10:00:00+02 1772352000
is 2016-12-31T23:59:60Z 1483228800
is 2015-06-30T19:59:60-04:00 1435708800
is 2017-01-01T00:59:60+01:00 1483228800

# isnt TEXT COLUMN PATTERN: refused by every verb that takes times, pointing at that column
isnt() {
    local verb before
    for verb in slice select; do
        before=0
        if [ $verb = slice ]; then
            expect 2 "$flatstream" slice probe.fls --by time --key at_ns --schema t.fbs --from "$1" -o x.fls
        else
            before=10
            expect 2 "$flatstream" select probe.fls --schema t.fbs --where "at_ns >= \"$1\""
        fi
        says err "$3"
        checks=$((checks + 1))
        line=$(sed -n 's/^\( *\)\^.*/\1/p' err)
        [ $((${#line} - 1)) = $(($2 + before)) ] || fail "$verb $1: the caret is in column ${#line}"
    done
    [ ! -e x.fls ] || fail "a refusal made a file"
}
isnt 2023-02-29 9 '2023-02 has 28 days'
isnt 1900-02-29 9 '1900-02 has 28 days'
isnt 2100-02-29T00:00 9 'has 28 days'
isnt 2024-02-30 9 'has 29 days'
isnt 2024-04-31 9 'has 30 days'
isnt 2024-01-32 9 'no day 32'
isnt 2024-01-00 9 'no day 0'
isnt 2024-00-01 6 'no month 0'
isnt 2024-13-01 6 'no month 13'
isnt 2024-01-01T24:00 12 'no hour 24'
isnt 2024-01-01T12:60 15 'no minute 60'
isnt 2024-01-01T12:00:61 18 'no second 61'
isnt 2024-01-01T12:00:60Z 18 'no second 60 then'
isnt 2016-12-31T23:59:60+01:00 18 'no second 60 then'
isnt 2016-11-30T23:59:60Z 18 'no second 60 then'
isnt 2024-01-01T12:00:00.1234567891 30 'nanosecond'
isnt 2024-01-01T12:00:00. 21 'no time'
isnt 2024-01-01T12:00:00,5 20 'no time'
isnt 2024-01-01T12 14 'no time'
isnt 2024-01-01T1:00 13 'no time'
isnt 2024-1-01 7 'no time'
isnt 2024-01-01Z 11 'no time'
isnt 2024-01-01T12:00+24:00 18 'no zone whose hours are 24'
isnt 2024-01-01T12:00+01:60 21 'no zone whose minutes are 60'
isnt 2024-01-01T12:00+1:00 19 'no time'
isnt 2024-01-01T12:00ZZ 18 'no time'
isnt '2024-01-01  2:00' 12 'no time'
isnt '2024-+1-01' 6 'no time'
isnt '2024-01-01x' 11 'no time'
expect 2 "$flatstream" slice probe.fls --by time --key at_ns --schema t.fbs --from yesterday -o x.fls
says err 'no time'
expect 2 "$flatstream" slice probe.fls --by time --key l --schema t.fbs --from 2024-01-01 -o x.fls
says err -- '--time-unit'
expect 2 "$flatstream" select probe.fls --schema t.fbs --where 'l >= "2024-01-01"'
says err -- '--time-unit'
expect 2 "$flatstream" select probe.fls --schema t.fbs --where 'at_ns >= "soon"'
says err 'a number cannot be compared with a text'
expect 2 "$flatstream" slice probe.fls --by time --key at_ns --schema t.fbs --from 18446744073709551616 -o x.fls
says err '64 bits'
expect 2 "$flatstream" slice probe.fls --by time --key at_ns --schema t.fbs --from 1.5 -o x.fls
says err 'neither a whole number'
expect 2 "$flatstream" slice probe.fls --by time --key at_ns --schema t.fbs \
    --from 2026-03-01T10:00:00.000000002 --to 2026-03-01T10:00:00.000000001 -o x.fls
says err 'behind --to'

# --- slice and select beside Python ---------------------------------------------------------------
checks=$((checks + 1))
python3 - "$flatstream" <<'PY' || fail "times do not compare as they should"
import json, os, random, struct, subprocess, sys
from datetime import datetime, timedelta, timezone
from fractions import Fraction

flatstream = sys.argv[1]
random.seed(12)
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
bad = 0

def write(name, field, values):
    lines = "".join(json.dumps({field: v, "n": i}) + "\n" for i, v in enumerate(values))
    subprocess.run([flatstream, "write", "-o", name, "--from", "jsonl", "--schema", "t.fbs"],
                   input=lines.encode(), check=True)

def numbers(arguments):
    run = subprocess.run([flatstream, *arguments], capture_output=True)
    if run.returncode not in (0,):
        print(arguments, run.stderr.decode(), file=sys.stderr)
        return None
    return [int(line) for line in run.stdout.split()[1:]]

def sliced(name, key, unit, start, end):
    if os.path.exists("o.fls"):
        os.unlink("o.fls")
    bounds = [] if start is None else ["--from", start]
    bounds += [] if end is None else ["--to", end]
    run = subprocess.run([flatstream, "slice", name, "--by", "time", "--key", key, "--schema", "t.fbs",
                          "--time-unit", unit, *bounds, "-o", "o.fls"], capture_output=True)
    if run.returncode != 0:
        print(run.stderr.decode(), bounds, file=sys.stderr)
        return None
    return numbers(["select", "o.fls", "--schema", "t.fbs", "--fields", "n", "--as", "csv"])

def text_of(ns):
    """The time as text in one of its forms, and exactly what it says."""
    moment = EPOCH + timedelta(seconds=ns // 10**9)
    fraction = f"{ns % 10**9:09}"
    form = random.randrange(4)
    if form == 0 and ns % (86400 * 10**9) == 0:
        return moment.strftime("%Y-%m-%d").rjust(10, "0")
    if form == 1:
        east = random.randrange(-14 * 60, 14 * 60)
        try:
            moment = moment.astimezone(timezone(timedelta(minutes=east)))
            return moment.isoformat() .replace("+", f".{fraction}+", 1) if east >= 0 else \
                moment.isoformat()[:19] + f".{fraction}" + moment.isoformat()[19:]
        except OverflowError:
            moment = EPOCH + timedelta(seconds=ns // 10**9)
    text = moment.isoformat()[:19]
    if int(fraction):
        text += "." + (fraction.rstrip("0") if form == 2 else fraction)
    return text + random.choice(["", "Z"])

LOW, HIGH = -62135596800 * 10**9, 253402300799 * 10**9 + 999999999
RANGES = {"l": (-2**63, 2**63 - 1), "u": (0, 2**64 - 1), "i": (-2**31, 2**31 - 1), "w": (0, 2**32 - 1)}

def values_near(field, unit, anchors):
    low, high = RANGES[field]
    values = {low, low + 1, high, high - 1, 0, 1}
    for ns in anchors:
        at = ns * UNITS[unit] // 10**9
        values.update(at + d for d in (-2, -1, 0, 1, 2))
    values = [v for v in values if low <= v <= high]
    random.shuffle(values)
    return values

def anchors(field, unit):
    low, high = RANGES[field]
    found = [random.randrange(LOW, HIGH) for _ in range(3)]
    reach = [max(LOW, low * 10**9 // UNITS[unit]), min(HIGH, high * 10**9 // UNITS[unit])]
    found += [random.randrange(*reach) for _ in range(6)] + reach
    found += [ns // 10**9 * 10**9 for ns in found[:4]] + [0, -1, 10**9]
    return found

for field in RANGES:
    for unit in UNITS:
        ends = anchors(field, unit)
        values = values_near(field, unit, ends)
        name = f"{field}-{unit}.fls"
        write(name, field, values)
        times = [Fraction(v, UNITS[unit]) for v in values]
        indexed = random.random() < 0.5
        if indexed:
            subprocess.run([flatstream, "index", "--every", "3", "--key", field, "--schema", "t.fbs",
                            name], check=True, capture_output=True)
        for _ in range(3):
            start, end = sorted(max(LOW, min(HIGH, random.choice(ends) + random.randrange(-3, 4)))
                                for _ in range(2))
            if random.random() < 0.2:
                start = None
            elif random.random() < 0.2:
                end = None
            said = [None if ns is None else text_of(ns) for ns in (start, end)]
            wanted = [i for i, t in enumerate(times)
                      if (start is None or t >= Fraction(start, 10**9)) and
                      (end is None or t < Fraction(end, 10**9))]
            got = sliced(name, field, unit, *said)
            if got != wanted:
                bad += 1
                print(field, unit, said, "indexed" if indexed else "", got, wanted, file=sys.stderr)
        for sign, holds in (("<", lambda t, b: t < b), ("<=", lambda t, b: t <= b),
                            ("==", lambda t, b: t == b), ("!=", lambda t, b: t != b),
                            (">=", lambda t, b: t >= b), (">", lambda t, b: t > b)):
            if random.random() < 0.5:
                continue
            at = random.choice(ends)
            said = text_of(at)
            got = numbers(["select", name, "--schema", "t.fbs", "--fields", "n", "--as", "csv",
                           "--time-unit", unit, "--where", f"{field} {sign} '{said}'"])
            wanted = [i for i, t in enumerate(times) if holds(t, Fraction(at, 10**9))]
            if got != wanted:
                bad += 1
                print(field, unit, sign, said, got, wanted, file=sys.stderr)

# A real key is compared with the nearest real of its type.
for field in "df":
    for unit in UNITS:
        ends = [random.randrange(-2 * 10**18, 4 * 10**18) for _ in range(8)]
        def nearest(ns):
            value = float(Fraction(ns * UNITS[unit], 10**9))
            return struct.unpack("f", struct.pack("f", value))[0] if field == "f" else value
        values = [nearest(ns) * (1 + d * 2.0**-23 * (field == "f") + d * 2.0**-52 * (field == "d"))
                  for ns in ends for d in (-1, 0, 1)]
        if field == "f":
            values = [struct.unpack("f", struct.pack("f", v))[0] for v in values]
        name = f"{field}-{unit}.fls"
        write(name, field, values)
        for _ in range(3):
            start, end = sorted(random.choice(ends) for _ in range(2))
            got = sliced(name, field, unit, text_of(start), text_of(end))
            wanted = [i for i, v in enumerate(values) if nearest(start) <= v < nearest(end)]
            if got != wanted:
                bad += 1
                print(field, unit, start, end, got, wanted, file=sys.stderr)
sys.exit(bad > 0)
PY

# --- the unit by the key's name --------------------------------------------------------------------
second=1772359200
for unit in ns us ms s; do
    case $unit in ns) zeros=000000000 ;; us) zeros=000000 ;; ms) zeros=000 ;; s) zeros= ;; esac
    for i in 0 1 2; do echo "{\"at_$unit\":$((second + i))$zeros,\"n\":$i}"; done |
        "$flatstream" write -o $unit.fls --from jsonl --schema t.fbs
    expect 0 "$flatstream" select $unit.fls --schema t.fbs --fields n --as csv \
        --where "at_$unit >= \"2026-03-01T10:00:01Z\" && '2026-03-01T10:00:02Z' > at_$unit"
    [ "$(tail -n +2 out | tr '\n' ' ')" = "1 " ] || fail "select by at_$unit: $(cat out)"
    expect 0 "$flatstream" slice $unit.fls --by time --key at_$unit --schema t.fbs \
        --from 2026-03-01T10:00:00.5 --to 2026-03-01T10:00:01.5 -o part-$unit.fls
    expect 0 "$flatstream" select part-$unit.fls --schema t.fbs --fields n --as csv
    [ "$(tail -n +2 out | tr '\n' ' ')" = "1 " ] || fail "slice by at_$unit: $(cat out)"
done
expect 2 "$flatstream" slice ns.fls --by time --key at_ns --time-unit plain --schema t.fbs --from 2026-03-01 -o x.fls
says err -- '--time-unit'
expect 0 "$flatstream" select ns.fls --schema t.fbs --fields n --time-unit us --where 'at_ns < "9999-01-01"'
quiet out

# --- unsigned keys to their end --------------------------------------------------------------------
# 0, 2^63 - 1, 2^63, 2^64 - 1 in order, then not in order.
for n in 0 9223372036854775807 9223372036854775808 18446744073709551615; do echo "{\"u\":$n}"; done >u.jsonl
{ tac u.jsonl && cat u.jsonl; } >mixed.jsonl
for name in u mixed; do
    python3 - $name <<'PY'
import json, sys
lines = open(sys.argv[1] + ".jsonl").read().splitlines()
for low in (0, 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1):
    for high in (2**63, 2**64 - 1, None):
        with open(f"{sys.argv[1]}-{low}-{high or ''}", "w") as wanted:
            wanted.writelines(f"{line}\n" for line in lines
                              if low <= json.loads(line)["u"] < (high or 2**64))
PY
    expect 0 "$flatstream" write -o $name.fls --from jsonl --schema t.fbs $name.jsonl
    for index in without with; do
        if [ $index = with ]; then
            expect 0 "$flatstream" index --every 1 --key u --schema t.fbs $name.fls
            says out 'u from 0 to 18446744073709551615'
            expect 0 "$flatstream" index --check --key u --schema t.fbs $name.fls
            expect 0 "$flatstream" info --json $name.fls
            says out '"time_first":0,"time_last":18446744073709551615'
        fi
        for from in 0 1 9223372036854775807 9223372036854775808 9223372036854775809 18446744073709551615; do
            for to in 9223372036854775808 18446744073709551615 ""; do
                [ -z "$to" ] || [ "$(printf '%s\n%s\n' "$from" "$to" | sort -n | head -1)" = "$from" ] || continue
                rm -f part.fls
                expect 0 "$flatstream" slice $name.fls --by time --key u --schema t.fbs --from "$from" ${to:+--to "$to"} -o part.fls
                expect 0 "$flatstream" select part.fls --schema t.fbs --fields u
                same out "$name-$from-$to"
            done
        done
    done
done
expect 0 "$flatstream" write -o kept.fls --index --key u --from jsonl --schema t.fbs u.jsonl
expect 0 "$flatstream" info kept.fls
says out 'u from 0 to 18446744073709551615$'
expect 0 "$flatstream" write -o real.fls --index --key d --from jsonl --schema t.fbs <<<'{"d":-1.5}'
expect 0 "$flatstream" info real.fls
says out 'd from -1.5 to -1.5$'
expect 0 "$flatstream" info --json --schema t.fbs u.fls
says out '"u":\{"least":0,"greatest":18446744073709551615'
tac u.jsonl | "$flatstream" write -o down.fls --from jsonl --schema t.fbs
sed -n 3p u.jsonl | "$flatstream" write -o third.fls --from jsonl --schema t.fbs
sed -n '1,2p;4p' u.jsonl | "$flatstream" write -o others.fls --from jsonl --schema t.fbs
expect 0 "$flatstream" merge third.fls others.fls --key u --schema t.fbs -o merged.fls
quiet err
expect 0 "$flatstream" select merged.fls --schema t.fbs --fields u
same out u.jsonl
expect 0 "$flatstream" select down.fls --schema t.fbs --fields u --where 'u >= 9223372036854775808 && u < 18446744073709551615'
says out '^\{"u":9223372036854775808\}$'
# At the end of the range the pace is still right: 2^64 - 3 ns and 2^64 - 1 ns are at once.
printf '{"u":18446744073709551613}\n{"u":18446744073709551615}\n' |
    "$flatstream" write -o end.fls --from jsonl --schema t.fbs
expect 0 timeout 20 "$flatstream" replay --key u --schema t.fbs end.fls copy.fls
same end.fls copy.fls
# An index that no message has a time in says nothing of times.
echo '{"d":nan}' | "$flatstream" write -o none.fls --from jsonl --schema t.fbs
expect 0 "$flatstream" index --key d --schema t.fbs none.fls
says out 'for 1 frames, [0-9]+ bytes$'

# --- messages that are damaged inside ----------------------------------------------------------------
{ printf '\10\0\0\0rubbish!'; "$flatstream" cat --as sized u.fls; } >rubbish.sized
expect 0 "$flatstream" write -o rubbish.fls --from sized rubbish.sized
expect 1 "$flatstream" slice rubbish.fls --by time --key u --schema t.fbs --from 1 -o cut.fls
says err '1 message is damaged inside'
expect 1 "$flatstream" index --key u --schema t.fbs rubbish.fls
says err '1 message is damaged inside'
expect 1 "$flatstream" write -o kept-rubbish.fls --index --key u --schema t.fbs --from sized rubbish.sized
says err '1 message is damaged inside'
expect 1 "$flatstream" merge rubbish.fls u.fls --key u --schema t.fbs -o all.fls
says err '1 message is damaged inside'
expect 1 timeout 20 "$flatstream" replay --max-gap 0 --key u --schema t.fbs rubbish.fls copy2.fls
says err '1 message is damaged inside'

finish
