#!/bin/bash
# Values as text: CSV that gives back what was in the messages, enums and bit flags alike wherever
# they are printed, and numbers that are none. Run by ctest with FLATSTREAM (the command's path).
. "$(dirname "$0")/cli_support.sh"

cat >v.fbs <<'FBS'
enum Colour : ubyte (bit_flags) { Red, Green, Blue }
enum State : byte { Idle, Busy, Down = -1 }
table Item { name:string; price:double; maybe:int = null; }
table V {
  n:int; s:string; list:[int]; names:[string]; reals:[double]; floats:[float]; items:[Item]; maybe:int = null;
  flag:bool = null; d:double; f:float; c:Colour; state:State; colours:[Colour]; flags:[bool]; u:ulong;
}
root_type V;
FBS
echo '{"n":1}' | "$flatstream" write -o probe.fls --from jsonl --schema v.fbs 2>err || {
    echo "cli_values_test: no JSON in this build: nothing to test"
    exit 0
}

# --- CSV, read by Python's csv module and the rules of the manual --------------------------------
checks=$((checks + 1))
python3 - "$flatstream" <<'PY' || fail "CSV does not give the values back"
import csv, io, json, math, random, struct, subprocess, sys
random.seed(15)
TEXTS = ["", "a", "\\N", "\\\\N", "\\\\\\N", "\\", "N", "\\n", "null", "[]", "[", '"', '""', ",", ";", "a,b", "a\nb",
         "a\r\nb", " a ", "\\NN", "x\\N", "ü", "\u2028", '","', "nan", "true", "0", "\t", "'", "\\u0041", "\x7f"]
NAMES = ["Red", "Red Green", "Red Green Blue", "Green", "Blue"]
def f32(value): return struct.unpack("f", struct.pack("f", value))[0]
def real(): return random.choice([0.0, -1.5, 1e300, 0.1, 5e-324, math.inf, -math.inf, math.nan, random.gauss(0, 1)])
def maybe(make): return None if random.random() < 0.3 else make()
def many(make): return [make() for _ in range(random.choice([0, 0, 1, 2, 5]))]

messages = []
for i in range(600):
    m = {"n": i, "s": maybe(lambda: random.choice(TEXTS)), "list": maybe(lambda: many(lambda: random.randrange(-9, 9))),
         "names": maybe(lambda: many(lambda: random.choice(TEXTS))), "reals": maybe(lambda: many(real)),
         "floats": maybe(lambda: many(lambda: f32(random.choice([0.1, 2.5, math.nan, 1e30])))),
         "items": maybe(lambda: many(lambda: {"name": maybe(lambda: random.choice(TEXTS)), "maybe": maybe(lambda: 7)})),
         "maybe": maybe(lambda: random.randrange(-5, 5)), "flag": maybe(lambda: random.random() < 0.5),
         "d": real(), "f": f32(random.choice([0.1, 16777216.0, math.nan])), "c": random.choice(NAMES + [0]),
         "state": random.choice(["Idle", "Busy", "Down", 5]), "colours": maybe(lambda: many(lambda: random.choice(NAMES + [0]))),
         "flags": maybe(lambda: many(lambda: random.random() < 0.5)), "u": random.choice([0, 2**64 - 1])}
    messages.append(m)

def plain(m):
    return {k: ([plain(i) for i in v] if k == "items" else v) for k, v in m.items() if v is not None}
lines = "".join(json.dumps(plain(m)).replace("NaN", "nan").replace("Infinity", "inf") + "\n" for m in messages)
subprocess.run([sys.argv[1], "write", "-o", "v.fls", "--from", "jsonl", "--schema", "v.fbs"], input=lines.encode(), check=True)

def number(text): return float(text)
def text_of(cell): return cell[1:] if cell.rstrip("N") and set(cell[:-1]) == {"\\"} and cell[-1] == "N" and len(cell) > 2 else cell
def reals(cell): return [None if v is None else float(v) for v in json.loads(cell)]
def enum(cell): return int(cell) if cell.lstrip("-").isdigit() else cell
COLUMNS = {
    "n": (int, lambda m: m["n"]), "s": (text_of, lambda m: m["s"]), "list[]": (json.loads, lambda m: m["list"]),
    "names[]": (json.loads, lambda m: m["names"]), "reals[]": (reals, lambda m: m["reals"]),
    "floats[]": (reals, lambda m: m["floats"]),
    "items[].name": (json.loads, lambda m: None if m["items"] is None else [i["name"] for i in m["items"]]),
    "items[].maybe": (json.loads, lambda m: None if m["items"] is None else [i["maybe"] for i in m["items"]]),
    "items[0].name": (text_of, lambda m: m["items"][0]["name"] if m["items"] else None),
    "maybe": (int, lambda m: m["maybe"]), "flag": (lambda c: {"true": True, "false": False}[c], lambda m: m["flag"]),
    "d": (number, lambda m: m["d"]), "f": (number, lambda m: m["f"]), "c": (enum, lambda m: m["c"]),
    "state": (enum, lambda m: m["state"]), "colours[]": (json.loads, lambda m: m["colours"]),
    "flags[]": (json.loads, lambda m: m["flags"]), "u": (int, lambda m: m["u"])}

def same(a, b, single):
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y, single) for x, y in zip(a, b))
    if isinstance(a, float) and isinstance(b, float):
        return (a != a and b != b) or a == b or (single and math.isfinite(a) and f32(a) == b)
    return type(a) is type(b) and a == b

bad = 0
for names in [list(COLUMNS)] + [[name] for name in COLUMNS]:
    out = subprocess.run([sys.argv[1], "select", "v.fls", "--schema", "v.fbs", "--as", "csv", "--fields", ",".join(names)],
                         check=True, capture_output=True).stdout.decode()
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    if len(rows) != len(messages):
        bad += 1
        print(names, len(rows), "rows", file=sys.stderr)
    for m, row in zip(messages, rows):
        for name in names:
            read, wanted = COLUMNS[name]
            got = None if row[name] == "\\N" else read(row[name])
            if not same(got, wanted(m), name in ("f", "floats[]")):
                bad += 1
                if bad < 9: print(name, repr(row[name]), wanted(m), file=sys.stderr)
# JSON tells an absent list from an empty one too.
out = subprocess.run([sys.argv[1], "select", "v.fls", "--schema", "v.fbs", "--fields", "list[],names[],items[].name"],
                     check=True, capture_output=True).stdout.decode()
for m, line in zip(messages, out.split("\n")[:-1], strict=True):
    o = json.loads(line)
    if o["list[]"] != m["list"] or o["names[]"] != m["names"] or (o["items[].name"] is None) != (m["items"] is None):
        bad += 1
sys.exit(bad > 0)
PY

# --- flags and enums ------------------------------------------------------------------------------
cat >e.jsonl <<'JSON'
{"n":0,"c":"Red","state":"Down"}
{"n":1,"c":"Red Blue","state":"Busy","colours":["Green Blue","Red"]}
JSON
expect 0 "$flatstream" write -o e.fls --from jsonl --schema v.fbs e.jsonl
expect 0 "$flatstream" cat --as json --schema v.fbs --from 1 e.fls
says out '"c":"Red Blue","state":"Busy","colours":\["Green Blue","Red"\]'
expect 0 "$flatstream" tail -n 1 --as json --schema v.fbs e.fls
says out '"c":"Red Blue","state":"Busy","colours":\["Green Blue","Red"\]'
expect 0 "$flatstream" select e.fls --schema v.fbs --where 'n == 1' --fields 'c,state,colours[]'
says out '^\{"c":"Red Blue","state":"Busy","colours\[\]":\["Green Blue","Red"\]\}$'
expect 0 "$flatstream" select e.fls --schema v.fbs --where 'n == 1' --fields 'c,state,colours[]' --as csv
says out '^Red Blue,Busy,"\[""Green Blue"",""Red""\]"$'
expect 0 "$flatstream" info --schema v.fbs e.fls
says out '^  c +Red +Red Blue '
says out '^  state +Down +Busy '
expect 0 "$flatstream" info --json --schema v.fbs e.fls
says out '"c":\{"least":"Red","greatest":"Red Blue",'
expect 0 "$flatstream" split e.fls --by c --schema v.fbs -o by
cat out err >said
says said 'Red Blue'
# A number that is no sum of flags stays one.
echo '{"c":8}' | "$flatstream" write -o eight.fls --from jsonl --schema v.fbs
expect 0 "$flatstream" cat --as json --schema v.fbs eight.fls
says out '"c":8'
expect 0 "$flatstream" select eight.fls --schema v.fbs --fields c --as csv
says out '^8$'

# --- NaN --------------------------------------------------------------------------------------------
printf '{"d":nan}\n{"d":1}\n{"d":inf}\n{"d":-inf}\n{"d":nan}\n' >nan.jsonl
expect 0 "$flatstream" write -o nan.fls --from jsonl --schema v.fbs nan.jsonl
expect 0 "$flatstream" info --schema v.fbs nan.fls
says out '^  field .* present +nan$'
says out '^  d +-inf +inf +nan +5 +2$'
says out '^  n +0 +0 +0 +0 +0$'
! grep -q -- '-nan' out || fail "info says -nan"
expect 0 "$flatstream" info --json --schema v.fbs nan.fls
says out '"d":\{"least":null,"greatest":null,"mean":null,"present":5,"values":5,"nan":2\}'
# With the sign bit set, as x86 makes NaN of what has no value.
"$flatstream" cat --as sized nan.fls | python3 -c '
import sys
sys.stdout.buffer.write(sys.stdin.buffer.read().replace(b"\0\0\0\0\0\0\xf8\x7f", b"\0\0\0\0\0\0\xf8\xff"))' |
    "$flatstream" write -o minus.fls --from sized
for verb in "cat --as json" "select --fields d --as csv" "select --fields d" "info" "info --json"; do
    # shellcheck disable=SC2086
    expect 0 "$flatstream" $verb --schema v.fbs minus.fls
    ! grep -q -- '-nan' out || fail "$verb says -nan"
done
expect 0 "$flatstream" info --schema v.fbs e.fls
! grep -q nan out || fail "a column of nan where there is none"

finish
