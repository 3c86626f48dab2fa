#!/bin/bash
# The command with a schema: JSON out and in, verification, selection, statistics and plots, and
# each way in which they can be asked for wrongly or meet bad messages. Run by ctest with FLATSTREAM
# (the command's path) and SOURCE_DIR.
data=${SOURCE_DIR:?}/tests/data
. "$(dirname "$0")/cli_support.sh"

# python EXPRESSION: must be true; o is the last line of ./out as JSON, lines are all of them.
python() {
    checks=$((checks + 1))
    python3 - "$1" "$data" <<'PY' || fail "python: $1"
import json, sys
text = open("out", encoding="utf-8").read().splitlines()
lines = [json.loads(line) for line in text]
o = lines[-1] if lines else None
if not eval(sys.argv[1]):
    print(o, file=sys.stderr)
    sys.exit(1)
PY
}

cat >t.fbs <<'FBS'
namespace t;
enum State : ubyte { Idle, Busy, Down }
enum Wide : ulong { Low = 1, High = 18446744073709551615 }
struct Point { x:float; y:double; }
table Cpu { user:float; system:float; idle:double; }
table Item { name:string (required); price:double; }
table Book { title:string; }
table Film { minutes:int; }
union Work { Book, Film }
table Sample {
  sequence:ulong; time_ns:long; host:string (required); cpu:Cpu; state:State; temperature:double;
  up:bool = true; values:[int]; items:[Item]; where:Point; maybe:int = null; work:Work; wide:Wide = Low;
  small:short = -3; names:[string];
}
root_type Sample;
FBS

cat >t.jsonl <<'JSON'
{"sequence":0,"time_ns":-5,"host":"a","cpu":{"user":0.25,"system":0.5,"idle":0.25},"temperature":20.5,"values":[1,2,3]}
{"sequence":1,"host":"b","cpu":{"user":0.75},"state":"Busy","up":false,"items":[{"name":"pen","price":2.5},{"name":"ink, red","price":3.5}]}
{"sequence":2,"host":"a \"quoted\", ü","cpu":{"user":0.1},"state":"Down","where":{"x":1.5,"y":-2.25},"maybe":0}
{"sequence":18446744073709551615,"host":"","wide":"High","work_type":"Film","work":{"minutes":90},"names":["x","y;z","q\"q"]}
{"sequence":4,"host":"line\nbreak","cpu":{},"temperature":-0.001,"small":-3,"work_type":"Book","work":{"title":"T"}}
JSON

if "$flatstream" write -o t.fls --from jsonl --schema t.fbs t.jsonl 2>err; then
    with_json=1
else
    grep -q 'no JSON support' err || fail "writing JSON lines: $(cat err)"
    with_json=0
fi

# --- without JSON: clear errors, and what needs none ------------------------------------------------
zoo() {
    expect 0 "$flatstream" write -o zoo.fls --from files "$data/zoo.bin" "$data/zoo-small.bin"
    expect 0 "$flatstream" verify --schema "$data/zoo.bfbs" zoo.fls
    says out 'intact'
    expect 0 "$flatstream" select zoo.fls --schema "$data/zoo.bfbs" --fields name,i8,colour,big \
        --where 'has(name)'
    python 'len(lines) == 2 and all(l["name"] for l in lines)'
    expect 0 "$flatstream" cat --as json --schema "$data/zoo.bfbs" zoo.fls
    cp out zoo.jsonl
    python 'lines == [json.load(open(sys.argv[2] + name)) for name in ("/zoo.json", "/zoo-small.json")]'
    expect 0 "$flatstream" info --schema "$data/zoo.bfbs" --json zoo.fls
    python 'o["frames"] == 2 and o["invalid"] == 0 and o["fields"]["i16"]["values"] == 2'
    python '"old" not in o["fields"] and "grid.corner.x" in o["fields"]'
}

if [ $with_json = 0 ]; then
    zoo
    expect 2 "$flatstream" write -o x.fls --from jsonl t.jsonl --schema "$data/zoo.bfbs"
    says err 'this build has no JSON support'
    expect 2 "$flatstream" verify --schema t.fbs zoo.fls
    says err 'this build has no JSON support'
    echo "cli_schema_test: the command has no JSON support: only a part was tested"
    finish
    exit
fi
zoo

# --- help -----------------------------------------------------------------------------------------
expect 0 "$flatstream" select --help
says out 'Usage: flatstream select'
says out 'Examples?:'
for verb in cat verify info write select; do
    expect 0 "$flatstream" $verb --help
    says out '--schema FILE'
    says out '--root TABLE'
done

# --- JSON in and out ------------------------------------------------------------------------------
expect 0 "$flatstream" verify --schema t.fbs t.fls
expect 0 "$flatstream" cat --as json --schema t.fbs t.fls
quiet err
cp out printed.jsonl
python 'len(lines) == 5 and lines[0]["cpu"] == {"user": 0.25, "system": 0.5, "idle": 0.25}'
python 'lines[2]["host"] == "a \"quoted\", ü" and lines[2]["maybe"] == 0 and lines[4]["host"] == "line\nbreak"'
python 'lines[3]["sequence"] == 2**64 - 1 and lines[3]["wide"] == "High" and lines[3]["work"] == {"minutes": 90}'
python 'lines[0]["time_ns"] == -5 and lines[1]["items"][1] == {"name": "ink, red", "price": 3.5}'
# A schema of more fields than are told of.
{ echo 'table Wide {'; seq -f 'f%.0f: int;' 1 1003; echo '} root_type Wide;'; } >wide.fbs
expect 0 "$flatstream" write -o wide.fls --from jsonl --schema wide.fbs < <(echo '{"f7":1}')
expect 0 "$flatstream" info --schema wide.fbs wide.fls
says err '3 fields of the schema are left out'
# The same messages come of what was printed, byte for byte.
expect 0 "$flatstream" write -o again.fls --from jsonl --schema t.fbs printed.jsonl
same t.fls again.fls
expect 0 bash -c "'$flatstream' cat --as json --schema t.fbs - <t.fls | '$flatstream' write -o piped.fls --from jsonl --schema t.fbs -"
same t.fls piped.fls
for kind in none crc16 crc32 xxh3; do
    expect 0 "$flatstream" write -o kind.fls --replace --checksum $kind --from jsonl --schema t.fbs t.jsonl
    expect 0 "$flatstream" cat --as json --checksum $kind --schema t.fbs kind.fls
    same out printed.jsonl
done
expect 0 "$flatstream" cat --as json --schema t.fbs --from 1 --count 2 t.fls
sed -n 2,3p printed.jsonl >wanted
same out wanted
expect 0 "$flatstream" write -o two.fls --append --from jsonl --schema t.fbs t.jsonl t.jsonl
expect 0 "$flatstream" verify --json two.fls
python 'o["frames"] == 10'
# A binary schema says the same, and so does another root by its full or last name.
if command -v flatc >/dev/null; then
    flatc --schema --binary t.fbs
    expect 0 "$flatstream" cat --as json --schema t.bfbs t.fls
    same out printed.jsonl
fi
for root in Cpu t.Cpu; do
    expect 0 "$flatstream" write -o cpu.fls --replace --from jsonl --schema t.fbs --root $root < <(echo '{"user":0.5}')
    expect 0 "$flatstream" cat --as json --schema t.fbs --root $root cpu.fls
    python 'o == {"user": 0.5}'
done

# --- bad lines ------------------------------------------------------------------------------------
cat >bad.jsonl <<'JSON'
{"host":"x"}

{"host":3}
{"nothing":1}
{"host":"y","state":"Busy"
   
{}
[1]
{"host":"z"} more
{"host":"ok"}
JSON
expect 1 "$flatstream" write -o bad.fls --replace --from jsonl --schema t.fbs bad.jsonl
says err 'bad.jsonl: line 3, column 9: .*; the messages before it were written'
expect 0 "$flatstream" verify --json bad.fls
python 'o["frames"] == 1'
expect 1 "$flatstream" write -o bad.fls --replace --from jsonl --schema t.fbs --skip-bad bad.jsonl
for line in 3 4 5 7 8 9; do says err "bad.jsonl: line $line, column [0-9]+: .*; skipped"; done
says err '6 bad lines were skipped, 2 messages written'
# The same through every way out; a line that was skipped is lost, whoever wrote the others.
for how in "--async" "--rotate-messages 1" "--append" "--checksum none --batch 1"; do
    rm -f how*.fls
    # shellcheck disable=SC2086
    expect 1 "$flatstream" write -o how.fls --from jsonl --schema t.fbs $how --skip-bad bad.jsonl
    says err '6 bad lines were skipped, 2 messages written'
    grep '"x"\|"ok"' bad.jsonl >good.jsonl
    rm -f how*.fls
    # shellcheck disable=SC2086
    expect 0 "$flatstream" write -o how.fls --from jsonl --schema t.fbs $how --skip-bad good.jsonl
    quiet err
done
expect 0 "$flatstream" cat --as json --schema t.fbs bad.fls
python '[l["host"] for l in lines] == ["x", "ok"]'
printf '{"host":"x\0y"}\n' >zero.jsonl
expect 1 "$flatstream" write -o zero.fls --from jsonl --schema t.fbs zero.jsonl
says err 'line 1.*zero byte'
expect 2 "$flatstream" write -o x.fls --from jsonl t.jsonl
says err 'needs --schema'
expect 2 "$flatstream" write -o x.fls --schema t.fbs t.jsonl
says err 'goes with --from jsonl'
expect 2 "$flatstream" write -o x.fls --skip-bad t.jsonl
says err 'goes with --from jsonl'
checks=$((checks + 1))
[ ! -e x.fls ] || fail "wrong usage made a file"

# --- schemas that are none ------------------------------------------------------------------------
printf 'table T {\n  a:int\n  b:int;\n}\n' >wrong.fbs
printf 'table T { a:int; }\n' >rootless.fbs
head -c 200 "$data/zoo.bfbs" >short.bfbs
for verb in "cat --as json" verify info select; do
    # shellcheck disable=SC2086
    {
        expect 3 "$flatstream" $verb --schema missing.fbs t.fls
        says err 'missing.fbs: .*No such file'
        expect 3 "$flatstream" $verb --schema . t.fls
        expect 2 "$flatstream" $verb --schema wrong.fbs t.fls
        says err 'wrong.fbs: line 3, column [0-9]+: '
        expect 2 "$flatstream" $verb --schema short.bfbs t.fls
        says err 'short.bfbs: '
        expect 2 "$flatstream" $verb --schema rootless.fbs t.fls
        says err 'names no root_type: say --root TABLE'
        expect 2 "$flatstream" $verb --schema t.fbs --root Sampel t.fls
        says err 'no such table.*did you mean t.Sample'
        expect 2 "$flatstream" $verb --schema t.fbs --root Point t.fls
        says err 'a struct'
        expect 2 "$flatstream" $verb --root Sample t.fls
    }
done
expect 2 "$flatstream" cat --as json t.fls
says err 'needs --schema'
expect 2 "$flatstream" cat --schema t.fbs t.fls
says err 'goes with --as json'

# --- messages that do not verify --------------------------------------------------------------------
# Three good ones, rubbish as the fourth and the sixth, one that lacks its required field.
"$flatstream" cat --as sized --count 3 t.fls >mixed.sized
{ printf '\10\0\0\0rubbish!'; "$flatstream" cat --as sized --from 3 --count 1 t.fls; printf '\0\0\0\0'; } >>mixed.sized
expect 0 "$flatstream" write -o mixed.fls --from sized mixed.sized
offset=$("$flatstream" cat --as hex mixed.fls | sed -n 's/^frame 3 at byte \([0-9]*\):.*/\1/p')
expect 1 "$flatstream" cat --as json --schema t.fbs mixed.fls
says err '2 messages could not be printed'
python "len(lines) == 6 and lines[3]['frame'] == 3 and lines[3]['offset'] == $offset"
python '__import__("base64").b64decode(lines[3]["base64"]) == b"rubbish!" and lines[3]["error"] and lines[3]["kind"] == "validation_failed"'
python 'lines[4]["wide"] == "High" and lines[5]["base64"] == "" and lines[5]["frame"] == 5'
expect 1 "$flatstream" verify --schema t.fbs mixed.fls
says out 'refused by schema'
says err "frame 3 at byte $offset: refused by schema"
expect 1 "$flatstream" verify --json --schema t.fbs mixed.fls
python "o['error']['kind'] == 'validation_failed' and o['error']['frame'] == 3 and o['error']['offset'] == $offset and o['good_offset'] == $offset and o['frames'] == 3"
expect 0 "$flatstream" verify mixed.fls
expect 1 "$flatstream" verify --quiet --schema t.fbs t.fls mixed.fls
expect 1 "$flatstream" info --json --schema t.fbs mixed.fls
python 'o["frames"] == 6 and o["end"] == "clean" and o["error"] is None and o["invalid"] == 2'
python 'o["first_invalid"]["kind"] == "validation_failed" and o["first_invalid"]["frame"] == 3 and "frame 3 at byte" in o["first_invalid"]["message"] and o["fields"]["sequence"]["values"] == 4'
expect 1 "$flatstream" info --schema t.fbs mixed.fls
says err '2 messages do not verify; the first: frame 3'
for how in "" --strict --trusted; do
    # shellcheck disable=SC2086
    expect 1 "$flatstream" select mixed.fls --schema t.fbs --fields sequence $how
    python '[l["sequence"] for l in lines] == [0, 1, 2, 2**64 - 1]'
    says err '2 messages were passed over; the first: frame 3 at byte'
done
expect 1 "$flatstream" select mixed.fls --schema t.fbs
python 'len(lines) == 4'
# Bytes that are no UTF-8 verify, but are no JSON: cat and select say so alike, where they are
# printed.
"$flatstream" cat --as sized t.fls | python3 -c '
import sys
sys.stdout.buffer.write(sys.stdin.buffer.read().replace(b"\xc3\xbc", b"\xff\xfe"))' >latin.sized
expect 0 "$flatstream" write -o latin.fls --from sized latin.sized
expect 0 "$flatstream" verify --schema t.fbs latin.fls
expect 1 "$flatstream" cat --as json --schema t.fbs latin.fls
python 'len(lines) == 5 and lines[2]["frame"] == 2 and lines[2]["kind"] == "unsupported" and "UTF-8" in lines[2]["error"]'
cp out latin.jsonl
expect 1 "$flatstream" select latin.fls --schema t.fbs
same out latin.jsonl
says err '1 message could not be printed'
expect 1 "$flatstream" select latin.fls --schema t.fbs --fields sequence,host
python 'len(lines) == 5 and lines[2]["frame"] == 2 and "UTF-8" in lines[2]["error"] and lines[4]["sequence"] == 4'
says err '1 message could not be printed'
expect 1 "$flatstream" select latin.fls --schema t.fbs --fields sequence,host --as csv
says err '1 message was passed over; the first: frame 2 at byte .*host: a string is not UTF-8'
expect 0 "$flatstream" select latin.fls --schema t.fbs --fields sequence
python 'lines[2] == {"sequence": 2}'
expect 0 "$flatstream" select latin.fls --schema t.fbs --where 'host != "a"' --as fls
# A damaged stream is read up to the damage.
cp t.fls cut.fls
truncate -s -5 cut.fls
expect 1 "$flatstream" cat --as json --schema t.fbs cut.fls
head -4 printed.jsonl >wanted
same out wanted
expect 1 "$flatstream" select cut.fls --schema t.fbs --fields sequence
python 'len(lines) == 4'
says err 'frame 4'

# --- select: conditions ---------------------------------------------------------------------------
# chosen CONDITION NUMBER...: the messages, by their number, that meet it
chosen() {
    local condition=$1 wanted
    shift
    wanted=$*
    expect 0 "$flatstream" select t.fls --schema t.fbs --where "$condition" --fields sequence
    checks=$((checks + 1))
    got=$(sed 's/18446744073709551615/3/; s/[^0-9]//g' out | tr '\n' ' ')
    [ "${got% }" = "$wanted" ] || fail "$condition: '$got', not '$wanted'"
}
chosen 'cpu.user > 0.2' 0 1
chosen 'cpu.user == 0.1' 2
chosen '0.1 == cpu.user' 2
chosen 'cpu.user >= 0.25 && host == "a"' 0
chosen "host == 'a' || host == 'b'" 0 1
chosen 'host != "a"' 1 2 3 4
chosen 'host < "b"' 0 2 3
chosen 'host == ""' 3
chosen 'host == "a \"quoted\", ü"' 2
chosen 'host == "line\nbreak"' 4
chosen '!up' 1
chosen 'up == false' 1
chosen 'up && state == Idle' 0 3 4
chosen 'state == Busy || state == State.Down' 1 2
chosen 't.State.Busy == state' 1
chosen 'state == "Busy"' 1
chosen 'state >= 1' 1 2
chosen 'wide == High' 3
chosen 'wide == Low && sequence < 2' 0 1
chosen 'sequence == 18446744073709551615' 3
chosen 'sequence > -1' 0 1 2 3 4
chosen 'sequence > 1.5' 2 3 4
chosen 'sequence < 1e300' 0 1 2 3 4
chosen 'time_ns < 0' 0
chosen 'time_ns == -5' 0
chosen 'time_ns < -4.5' 0
chosen 'time_ns > -5.5 && time_ns < 0x1' 0 1 2 3 4
chosen 'small == -3' 0 1 2 3 4
chosen 'has(cpu)' 0 1 2 4
chosen 'has(cpu.user)' 0 1 2
chosen '!has(cpu.user)' 3 4
chosen 'cpu.user < 1' 0 1 2 4
chosen '!(cpu.user < 1)' 3
chosen 'cpu.user == cpu.system' 4
chosen 'has(maybe)' 2
chosen 'maybe == 0' 2
chosen 'maybe != 1' 2
chosen 'values[] == 3' 0
chosen '2 < values[]' 0
chosen 'has(values)' 0
chosen 'has(items[].name)' 1
chosen 'values[1] == 2' 0
chosen 'values[9] == 2' ''
chosen 'items[].price > 3' 1
chosen 'items[1].name == "ink, red"' 1
chosen 'where.x == 1.5 && where.y < 0' 2
chosen 'work == Film' 3
chosen 'work.Book.title == "T"' 4
chosen 'work.Film.minutes > 60' 3
chosen 'names[] == "y;z"' 3
chosen 'temperature < 0 && temperature > -0.0011' 4
chosen 'true' 0 1 2 3 4
chosen '1 > 2' ''
chosen '!!(up || !up) && !(false)' 0 1 2 3 4
chosen 'sequence == 0 || sequence == 1 && host == "x"' 0
chosen '(sequence == 0 || sequence == 1) && host == "b"' 1

# wrong CONDITION COLUMN PATTERN: refused before anything is read, with the caret in this column
wrong() {
    expect 2 "$flatstream" select missing.fls --schema t.fbs --where "$1" --fields host
    quiet out
    says err "$3"
    checks=$((checks + 1))
    local line
    line=$(sed -n 3p err)
    line=${line%%^*}
    [ ${#line} = $(($2 + 1)) ] || {
        fail "$1: the caret is in column $((${#line} - 1)), not $2"
        cat err >&2
    }
}
wrong 'cpu.usr > 1' 5 'no field "usr".*did you mean "user"'
wrong 'cpu > 1' 1 'a table: name one of its fields'
wrong 'where == 1' 1 'a struct'
wrong 'values == 1' 1 'a vector'
wrong 'host > 1' 1 'a text cannot be compared with a number'
wrong 'state == up' 1 'a number cannot be compared with a bool'
wrong 'host == "a" &&' 15 'missing at the end'
wrong 'host = "a"' 6 'did you mean =='
wrong 'up & up' 4 'did you mean &&'
wrong 'state == Dwn' 10 'did you mean Down'
wrong 'state == "Nope"' 10 'no value of t.State'
wrong '(up' 4 'missing at the end'
wrong 'up)' 3 'an operator'
wrong 'up && )' 7 'missing here'
wrong 'sequence' 1 'no condition'
wrong '3' 1 'no condition'
wrong 'up > true' 1 'no order'
wrong 'up up' 4 'an operator'
wrong "host == 'x" 9 'not closed'
wrong 'has(cpu' 8 'missing at the end'
wrong 'has(3)' 5 'a field'
wrong 'has(nope)' 5 'no field "nope"'
wrong 'sequence == 99999999999999999999' 13 '64 bits'
wrong 'sequence == 1x' 13 'not a number'
wrong 'sequence == 1e999' 13 'not a number'
wrong 'values[] == values[]' 13 'only one side'
wrong 'values[x] == 1' 7 '\['
wrong '1 < sequence < 3' 14 'cannot be compared'
wrong '' 1 'empty'
wrong '   ' 4 'empty'
wrong 'host == "ü" && ß' 16 'means nothing'
wrong 'up && nope == 1' 7 'no field "nope"'
wrong 'nope == neither' 1 'no field "nope"'
deep=$(printf '%0.s(' $(seq 200))
wrong "${deep}up" 101 'nested too deeply'
long=$(printf 'up || %.0s' $(seq 600))
expect 2 "$flatstream" select t.fls --schema t.fbs --where "${long}up" --fields host
says err 'more than 1000 conditions'

# --- select: forms --------------------------------------------------------------------------------
expect 0 "$flatstream" select t.fls --schema t.fbs --fields 'sequence, host,cpu.user,state,maybe,items[].price,names[],up,work'
python 'lines[0] == {"sequence": 0, "host": "a", "cpu.user": 0.25, "state": "Idle", "maybe": None, "items[].price": None, "names[]": None, "up": True, "work": None}'
python 'lines[1]["items[].price"] == [2.5, 3.5] and lines[3]["names[]"] == ["x", "y;z", "q\"q"] and lines[3]["cpu.user"] is None'
python 'lines[3]["work"] == "Film" and list(lines[0])[2] == "cpu.user" and lines[4]["host"] == "line\nbreak"'
says out '"cpu.user":0.1,' # a float, shortest
expect 0 "$flatstream" select t.fls --schema t.fbs --as csv --fields 'sequence,host,cpu.user,state,items[].price,names[]'
cat >wanted <<'CSV'
sequence,host,cpu.user,state,items[].price,names[]
0,a,0.25,Idle,\N,\N
1,b,0.75,Busy,"[2.5,3.5]",\N
2,"a ""quoted"", ü",0.1,Down,\N,\N
18446744073709551615,"",\N,Idle,\N,"[""x"",""y;z"",""q\""q""]"
4,"line
break",0,Idle,\N,\N
CSV
same out wanted
expect 0 "$flatstream" select t.fls --schema t.fbs --as csv --where false --fields host
echo host >wanted
same out wanted
expect 0 "$flatstream" select t.fls --schema t.fbs --where 'sequence == 1'
sed -n 2p printed.jsonl >wanted
same out wanted
expect 0 "$flatstream" select t.fls --schema t.fbs --as fls
same out t.fls
for kind in none crc16 crc32 xxh3; do
    expect 0 "$flatstream" select t.fls --schema t.fbs --as fls --checksum-out $kind
    "$flatstream" cat --as sized t.fls | "$flatstream" write -o kind.fls --replace --from sized --checksum $kind
    same out kind.fls
    expect 0 "$flatstream" select kind.fls --checksum $kind --schema t.fbs --as fls
    same out kind.fls
done
"$flatstream" select t.fls --schema t.fbs --as fls --where 'sequence < 2' >some.fls
expect 0 "$flatstream" cat --as json --schema t.fbs some.fls
head -2 printed.jsonl >wanted
same out wanted
expect 0 "$flatstream" select t.fls --schema t.fbs --where up --count 2 --fields sequence
python 'len(lines) == 2'
expect 0 bash -c "'$flatstream' select - --schema t.fbs --fields sequence <t.fls"
python 'len(lines) == 5'
expect 2 "$flatstream" select t.fls
says err 'which schema'
expect 2 "$flatstream" select --schema t.fbs
expect 2 "$flatstream" select --schema t.fbs t.fls t.fls
expect 2 "$flatstream" select t.fls --schema t.fbs --as csv
expect 2 "$flatstream" select t.fls --schema t.fbs --as fls --fields host
expect 2 "$flatstream" select t.fls --schema t.fbs --checksum-out crc32
expect 2 "$flatstream" select t.fls --schema t.fbs --strict --trusted
expect 2 "$flatstream" select t.fls --schema t.fbs --fields 'host,,up'
says err 'a field is missing'
expect 2 "$flatstream" select t.fls --schema t.fbs --fields 'host,cpu'
says err 'a table'
expect 2 "$flatstream" select t.fls --schema t.fbs --fields 'host,cpu.usr'
says err '          \^~~'
expect 3 "$flatstream" select missing.fls --schema t.fbs
expect 3 bash -c "'$flatstream' select t.fls --schema t.fbs --fields host >/dev/full"

# Numbers come back as they were, whatever they are.
python3 - <<'PY'
import json, random, struct
random.seed(7)
def real():
    kind = random.randrange(6)
    if kind == 0:
        return struct.unpack("<d", random.randbytes(8))[0]
    if kind == 1:
        return random.random()
    if kind == 2:
        return round(random.uniform(-1e6, 1e6), random.randrange(8))
    if kind == 3:
        return float(random.randrange(-2**60, 2**60))
    if kind == 4:
        return random.choice([0.0, 5e-324, 1.7976931348623157e308, 1e15, 1e-5, 9.999e14, 1e22, 123456789012345.6])
    return random.gauss(0, 1) * 10 ** random.randrange(-12, 12)
with open("numbers.jsonl", "w") as out:
    for i in range(5000):
        value = real()
        while value != value or abs(value) == float("inf"):
            value = real()
        single = struct.unpack("<f", struct.pack("<f", random.choice([random.random(), round(random.random(), 3), random.gauss(0, 1) * 10 ** random.randrange(-20, 20)])))[0]
        out.write(json.dumps({"host": "h", "sequence": i, "temperature": value, "cpu": {"user": single}}) + "\n")
PY
expect 0 "$flatstream" write -o numbers.fls --from jsonl --schema t.fbs numbers.jsonl
expect 0 "$flatstream" select numbers.fls --schema t.fbs --fields sequence,temperature,cpu.user
checks=$((checks + 1))
python3 - <<'PY' || fail "numbers do not come back as they were"
import json, struct, sys
def f32(x):
    return struct.pack("<f", x)
bad = 0
for said, got in zip(open("numbers.jsonl"), open("out"), strict=True):
    said, got = json.loads(said), json.loads(got)
    if said["temperature"] != got["temperature"] or f32(said["cpu"]["user"]) != f32(got["cpu.user"]):
        bad += 1
        print(said, got, file=sys.stderr)
for line in open("out"): # and no digit more than is needed
    text = line.split('"temperature":')[1].split(",")[0]
    digits = len(text.replace("-", "").replace(".", "").split("e")[0].strip("0"))
    if digits > max(len(repr(float(text)).replace("-", "").replace(".", "").split("e")[0].strip("0")), 1):
        bad += 1
        print(text, file=sys.stderr)
sys.exit(bad > 0)
PY

# The same when whole messages are printed, and so they come back byte for byte.
expect 0 "$flatstream" cat --as json --schema t.fbs numbers.fls
cp out numbers-printed.jsonl
expect 0 "$flatstream" write -o numbers-again.fls --from jsonl --schema t.fbs numbers-printed.jsonl
same numbers.fls numbers-again.fls
expect 0 "$flatstream" cat --as json --schema "$data/zoo.bfbs" zoo.fls
cp out zoo.jsonl
expect 0 "$flatstream" write -o zoo-again.fls --from jsonl --schema "$data/zoo.fbs" zoo.jsonl
expect 0 "$flatstream" cat --as json --schema "$data/zoo.fbs" zoo-again.fls
same out zoo.jsonl

# --- info -----------------------------------------------------------------------------------------
expect 0 "$flatstream" info --json --schema t.fbs t.fls
python 'o["invalid"] == 0 and o["first_invalid"] is None'
python 'o["fields"]["cpu.user"] == {"least": 0, "greatest": 0.75, "mean": 0.275, "present": 3, "values": 4} or abs(o["fields"]["cpu.user"]["mean"] - 0.275) < 1e-8'
python 'o["fields"]["sequence"]["greatest"] == 2**64 - 1 and o["fields"]["sequence"]["values"] == 5'
python 'o["fields"]["time_ns"]["least"] == -5 and o["fields"]["time_ns"]["mean"] == -1'
python 'o["fields"]["up"] == {"least": False, "greatest": True, "mean": 0.8, "present": 1, "values": 5}'
python 'o["fields"]["where.y"] == {"least": -2.25, "greatest": -2.25, "mean": -2.25, "present": 1, "values": 1, "nan": 0}'
python 'o["fields"]["maybe"]["values"] == 1 and not any("[" in name or name.startswith("work") for name in o["fields"])'
expect 0 "$flatstream" info --schema t.fbs t.fls
says out 'field +least +greatest +mean +present'
says out 'where.y +-2.25 +-2.25 +-2.25 +1$'
echo '{"host":"x","temperature":nan}' | "$flatstream" write -o void.fls --from jsonl --schema t.fbs
expect 0 "$flatstream" info --json --schema t.fbs void.fls
python 'o["fields"]["temperature"] == {"least": None, "greatest": None, "mean": None, "present": 1, "values": 1, "nan": 1}'
expect 0 "$flatstream" select void.fls --schema t.fbs --fields temperature
python 'o["temperature"] is None'
expect 0 "$flatstream" select void.fls --schema t.fbs --fields temperature --where 'temperature < 1 || temperature >= 1 || temperature == temperature'
quiet out

# --- plots ----------------------------------------------------------------------------------------
# is_svg FILE PANELS
is_svg() {
    checks=$((checks + 1))
    python3 - "$1" "$2" <<'PY' || fail "$1 is no plot of $2 panels"
import re, sys
import xml.etree.ElementTree as tree
text = open(sys.argv[1], encoding="utf-8").read()
root = tree.fromstring(text)
names = [e for e in root.iter() if e.get("class") == "name"]
numbers = [float(n) for d in re.findall(r' d="([^"]*)"', text) for n in re.findall(r"-?\d+\.?\d*", d)]
inside = all(-1 <= n <= max(960, float(root.get("height"))) for n in numbers)
points = max((d.count(" ") for d in re.findall(r'class="line"[^>]* d="([^"]*)"', text)), default=0)
sys.exit(not (len(names) == int(sys.argv[2]) and inside and "nan" not in text and points <= 2 * 1000))
PY
}
expect 0 "$flatstream" info --plot size.svg t.fls
is_svg size.svg 1
says out 'intact'
expect 0 "$flatstream" info --schema t.fbs --plot p.svg --plot-field cpu.user --plot-field 'items[].price' \
    --plot-field up --plot-field maybe --plot-field sequence t.fls
is_svg p.svg 6
says p.svg 'items\[\].price'
expect 0 "$flatstream" info --plot - t.fls
cp out dash.svg
same dash.svg size.svg
expect 0 "$flatstream" info --schema t.fbs --plot numbers.svg --plot-field temperature --plot-field cpu.user numbers.fls
is_svg numbers.svg 3
says numbers.svg 'mean of each 8;'
cp t.fls 'a<b>&"ü.fls'
expect 0 "$flatstream" info --plot odd.svg 'a<b>&"ü.fls'
is_svg odd.svg 1
: >empty.fls
expect 0 "$flatstream" info --plot empty.svg empty.fls
is_svg empty.svg 1
expect 0 "$flatstream" info --schema t.fbs --plot void.svg --plot-field temperature void.fls
is_svg void.svg 2
says void.svg 'no values'
expect 1 "$flatstream" info --schema t.fbs --plot mixed.svg --plot-field sequence mixed.fls
is_svg mixed.svg 2
expect 3 "$flatstream" info --plot missing/p.svg t.fls
says err 'missing/p.svg: .*No such file'
expect 3 "$flatstream" info --plot /dev/full t.fls
cp t.fls safe.fls
expect 2 "$flatstream" info --plot safe.fls safe.fls
same safe.fls t.fls
expect 2 "$flatstream" info --plot p.svg t.fls t.fls
expect 2 "$flatstream" info --json --plot - t.fls
expect 2 "$flatstream" info --plot-field sequence t.fls
says err 'goes with --schema'
expect 2 "$flatstream" info --schema t.fbs --plot-field seqence t.fls
says err 'did you mean "sequence"'
expect 2 "$flatstream" info --schema t.fbs --plot-field host t.fls
says err 'cannot be drawn'
expect 0 env LC_ALL=C.UTF-8 "$flatstream" info --schema t.fbs --plot-field sequence t.fls
says out '█'
expect 0 env LC_ALL=C "$flatstream" info --schema t.fbs --plot-field sequence t.fls
says out '#'
if command -v script >/dev/null && has_terminals a plot on a terminal; then
    expect 0 script -qec "env LC_ALL=C.UTF-8 '$flatstream' info t.fls" /dev/null
    says out 'message size in bytes'
    says out '█'
fi

# --- much of it: memory stays flat ------------------------------------------------------------------
for i in $(seq 20); do cat numbers.jsonl; done >many.jsonl
"$flatstream" write -o many.fls --from jsonl --schema t.fbs many.jsonl
for i in 1 2 3 4 5 6 7 8; do "$flatstream" cat --as sized many.fls; done |
    "$flatstream" write -o more.fls --from sized
checks=$((checks + 1))
python3 - "$flatstream" <<'PY' || fail "memory grows with the stream"
import os, re, shutil, subprocess, sys

# The kernel's own peak, read when all was taken but what the pipe holds, before the end is known.
def peak(verb, file, *options):
    with subprocess.Popen([sys.argv[1], verb, "-", *options], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as child, open(file, "rb") as source:
        shutil.copyfileobj(source, child.stdin)
        child.stdin.flush()
        status = open(f"/proc/{child.pid}/status").read()
        child.stdin.close()
        if child.wait() != 0:
            sys.exit(f"{verb} {options}: exit status {child.returncode}")
    return int(re.search(r"VmHWM:\s*(\d+) kB", status).group(1))

for verb, *options in (["select", "--where", "cpu.user > 0.5", "--fields", "sequence,cpu.user"],
                       ["cat", "--as", "json"], ["verify"],
                       ["info", "--plot", "m.svg", "--replace", "--plot-field", "cpu.user"]):
    small, large = (peak(verb, file, "--schema", "t.fbs", *options)
                    for file in ("many.fls", "more.fls"))
    if large > small + (65536 if os.environ.get("SANITIZE") else 512): # theirs is no steady memory
        sys.exit(f"{verb} {options}: {small} KiB, then {large} KiB")
PY

finish
