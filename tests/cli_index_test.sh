#!/bin/bash
# The verbs index and slice, what recover and info make of an index, and verify by several threads.
# Run by ctest with FLATSTREAM (the command's path) and SOURCE_DIR.
. "$(dirname "$0")/cli_support.sh"

# overwrite FILE OFFSET: another byte there
overwrite() {
    printf '\x5a' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# --- streams -----------------------------------------------------------------------------------
# 20,000 lines, each different; line i is message i - 1.
seq -f 'line %08.0f and some words to make it a little longer, as log lines are' 20000 >lines.txt
expect 0 "$flatstream" write -o s.fls lines.txt

# --- index -------------------------------------------------------------------------------------
expect 1 "$flatstream" index --check s.fls
says err 'there is no index'
expect 0 "$flatstream" index s.fls
says out '^s.fls.idx: 42 entries for 20000 frames, 1700000 bytes$'
[ "$(stat -c %s s.fls.idx)" -lt $(($(stat -c %s s.fls) / 500)) ] || fail "a large index"
expect 0 "$flatstream" index --check s.fls
says out '20000 frames'
[ -z "$(ls s.fls.idx.* 2>/dev/null)" ] || fail "a temporary file stayed"
expect 0 "$flatstream" index --every 100 s.fls
says out '200 entries'
expect 0 "$flatstream" index --check s.fls
expect 0 "$flatstream" info s.fls
says out '^  index     200 entries for 20000 frames'
expect 0 "$flatstream" info --json s.fls
says out '"index":\{"entries":200,"frames":20000,"bytes":[0-9]+,"synced_bytes":[0-9]+,"key":null\}'
expect 2 "$flatstream" index
expect 2 "$flatstream" index -
expect 2 "$flatstream" index --offset 3 s.fls
expect 2 "$flatstream" index --every 0 s.fls
expect 2 "$flatstream" index --check --every 5 s.fls
expect 2 "$flatstream" index --key time s.fls
says err -- '--key goes with --schema'
expect 3 "$flatstream" index no-such-file.fls
expect 0 "$flatstream" index --help
says out 'Usage: flatstream index'

# Every kind, and a stream behind damage: the index ends there.
for kind in none crc16 crc32 xxh3; do
    expect 0 "$flatstream" write -o $kind.fls --checksum $kind lines.txt
    expect 0 "$flatstream" index --checksum $kind $kind.fls
    expect 0 "$flatstream" index --check $kind.fls
done
cp s.fls damaged.fls
overwrite damaged.fls 1000000
expect 1 "$flatstream" index damaged.fls
says out 'for 11764 frames'
says err 'the index ends there'
expect 0 "$flatstream" index --check damaged.fls

# An index of something else, or damaged, is not sound.
cp s.fls.idx damaged.fls.idx
head -c 500000 s.fls >short.fls
cp s.fls.idx short.fls.idx
expect 1 "$flatstream" index --check short.fls
says err 'the index covers [0-9]+ bytes, the stream has only 500000'
cp s.fls other.fls
cp s.fls.idx other.fls.idx
overwrite other.fls.idx 1492
expect 1 "$flatstream" index --check other.fls
says err 'entry 14 is damaged'

# A series: each segment.
cp s.fls series-000001.fls
cp s.fls series-000002.fls
expect 0 "$flatstream" index series.fls
says out 'series-000001.fls.idx'
says out 'series-000002.fls.idx'
expect 0 "$flatstream" index --check series.fls

# --- slice by number ---------------------------------------------------------------------------
# slice FROM TO FILE: with the index and without, the same lines
slice() {
    local options=()
    [ -z "$1" ] || options+=(--from "$1")
    [ -z "$2" ] || options+=(--to "$2")
    sed -n "$((${1:-0} + 1)),${2:-20000}p" lines.txt >want.txt
    rm -f part.fls
    expect 0 "$flatstream" slice "$3" "${options[@]}" -o part.fls
    quiet err
    "$flatstream" cat --as text part.fls >got.txt 2>/dev/null || "$flatstream" cat part.fls >got.txt
    same want.txt got.txt
}
cp s.fls plain.fls
for file in s.fls plain.fls; do
    slice 0 10 $file
    slice 12345 12399 $file
    slice 19990 "" $file
    slice "" 7 $file
    slice 199 201 $file
    slice 19999 30000 $file
done
for kind in none crc16 crc32; do
    rm -f part.fls
    expect 0 "$flatstream" slice --checksum $kind $kind.fls --from 5000 --to 5001 -o part.fls
    expect 0 "$flatstream" cat --checksum $kind part.fls
    sed -n 5001p lines.txt >want.txt
    same want.txt out
done
expect 0 "$flatstream" slice s.fls --from 25000 -o none-in-it.fls
says err 'no message is in the range'
[ -e none-in-it.fls ] && [ ! -s none-in-it.fls ] || fail "not an empty stream"
expect 0 "$flatstream" slice - --from 100 --to 200 -o - <s.fls
cp out part.fls
expect 0 "$flatstream" cat part.fls
sed -n 101,200p lines.txt >want.txt
same want.txt out
expect 2 "$flatstream" slice s.fls --from 1 --to 3 -o part.fls
says err 'it holds [0-9]+ bytes: --replace'
rm -f part.fls
expect 2 "$flatstream" slice s.fls --from 3 --to 1 -o part.fls
expect 2 "$flatstream" slice s.fls -o part.fls
expect 2 "$flatstream" slice s.fls --from 3
expect 2 "$flatstream" slice s.fls --from three -o part.fls
expect 2 "$flatstream" slice s.fls --from 1 --by time -o part.fls
expect 2 "$flatstream" slice s.fls other.fls --from 1 -o part.fls
expect 3 "$flatstream" slice no-such-file.fls --from 1 -o part.fls
[ ! -e part.fls ] || fail "wrong usage made a file"

# An unsound index is said, and not used; what is beyond damage is reached only by an index.
expect 0 "$flatstream" slice other.fls --from 1405 --to 1415 -o part.fls
says err 'entry 14 is damaged.*reading without it'
expect 0 "$flatstream" cat part.fls
sed -n 1406,1415p lines.txt >want.txt
same want.txt out
rm -f part.fls damaged.fls.idx
expect 1 "$flatstream" slice damaged.fls --from 15000 --to 15010 -o part.fls
says err 'the slice ends there'

# --- recover reads all, whatever the index says ------------------------------------------------
cp s.fls torn.fls
expect 0 "$flatstream" index torn.fls
seq 100 >more.txt
expect 0 "$flatstream" write -o torn.fls --append more.txt
truncate -s -1 torn.fls
expect 1 "$flatstream" recover torn.fls
says out 'frames    20099'
says out 'sizes     smallest'
cp out all.txt
expect 1 "$flatstream" recover --full torn.fls
same out all.txt
expect 0 "$flatstream" recover --truncate torn.fls
expect 0 "$flatstream" verify torn.fls

# Damage behind an index that was written with its stream, in this boot of the system or another.
expect 0 "$flatstream" write -o kept.fls --index lines.txt
cp -a kept.fls kept.time
overwrite kept.fls 1000000
touch -r kept.time kept.fls
expect 1 "$flatstream" recover kept.fls
says out 'frames    11764'
if command -v xxhsum >/dev/null; then
    python3 - kept.fls.idx <<'PY'
import re, subprocess, sys
def xxh3(data):
    run = subprocess.run(["xxhsum", "-H3"], input=data, stdout=subprocess.PIPE, check=True)
    number = re.search(rb"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])", run.stdout).group()
    return int(number, 16).to_bytes(8, "little")
with open(sys.argv[1], "r+b") as file:  # rules 10.4 and 10.7 of docs/format.md
    index = bytearray(file.read())
    boot = xxh3(open("/proc/sys/kernel/random/boot_id", "rb").read(36))
    found = 0
    for at in (256, 512):
        slot = index[at:at + 248]
        if index[at + 248:at + 256] == xxh3(bytes(index[248:256]) + b"\xff" * 8 + bytes(slot)):
            found += slot[160:168] == boot
            slot[160:168] = b"\1" * 8
            index[at:at + 256] = slot + xxh3(bytes(index[248:256]) + b"\xff" * 8 + bytes(slot))
    assert found > 0
    file.seek(0)
    file.write(index)
PY
    [ $? = 0 ] || fail "the index is not of this boot"
    expect 1 "$flatstream" info kept.fls
    says out 'index     42 entries for 20000 frames'
    expect 1 "$flatstream" recover kept.fls
    says out 'frames    11764'
fi

# --- verify by several threads -----------------------------------------------------------------
# Some 20 MB, so that pieces are made.
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do cat s.fls; done >big.fls
cp big.fls big-damaged.fls
overwrite big-damaged.fls 15000000
head -c 17000001 big.fls >big-torn.fls
for file in big big-damaged big-torn; do
    for form in "" --json; do
        "$flatstream" verify --jobs 1 $form $file.fls >one.txt 2>one.err
        one=$?
        for jobs in 2 3 8; do
            expect $one "$flatstream" verify --jobs $jobs $form $file.fls
            same out one.txt
            same err one.err
        done
    done
done
"$flatstream" verify --jobs 1 big-damaged.fls >one.txt 2>&1 && fail "damage was not found"
expect 0 "$flatstream" verify --jobs 4 - <s.fls
expect 2 "$flatstream" verify --jobs 0 big.fls
{ head -c 1000 /dev/urandom; cat big-damaged.fls; } >foreign.fls
"$flatstream" verify --checksum xxh3 --offset 1000 --jobs 1 foreign.fls >one.txt 2>one.err
expect 1 "$flatstream" verify --checksum xxh3 --offset 1000 --jobs 4 foreign.fls
same out one.txt
same err one.err

# --- by time, with a schema --------------------------------------------------------------------
cat >m.fbs <<'FBS'
table M { time: long; real: double; at: ulong; text: string; when: W; list: [int]; }
table W { ns: long; }
root_type M;
FBS
python3 - >m.jsonl <<'PY'
import json
for i in range(20000):
    time = 1714521600000 + i * 10 + (7 if i % 3 == 0 else 0)  # 2024-05-01T00:00:00Z in ms
    m = {"time": time, "real": i / 8 - 100, "at": 2**63 + i if i % 2 else i, "text": "t%d" % i}
    if i % 5:
        m["when"] = {"ns": i}
    print(json.dumps(m))
PY
if "$flatstream" write -o m.fls --from jsonl --schema m.fbs m.jsonl 2>err; then
    # times FROM TO [KEY]: which messages come out, by python
    times() {
        local key=${3:-time}
        rm -f part.fls
        expect 0 "$flatstream" slice m.fls --by time --key "$key" --schema m.fbs "${unit[@]}" \
            --from "$1" --to "$2" -o part.fls
        "$flatstream" select part.fls --schema m.fbs --fields text --as csv | tail -n +2 >got.txt
    }
    # between FROM TO FIELD: what must come out, where the range is of numbers
    between() {
        python3 - "$1" "$2" "$3" >want.txt <<'PY'
import json, sys
first, last = float(sys.argv[1]), float(sys.argv[2])
for line in open("m.jsonl"):
    m = json.loads(line)
    if first <= m[sys.argv[3]] < last:
        print(m["text"])
PY
    }
    unit=()
    for index in without with; do
        [ $index = without ] ||
            expect 0 "$flatstream" index --key time --schema m.fbs m.fls
        times 1714521650000 1714521651000
        between 1714521650000 1714521651000 time
        same want.txt got.txt
        times 0 1714521600001
        between 0 1714521600001 time
        same want.txt got.txt
        unit=(--time-unit ms)
        times 2024-05-01T00:00:50Z 2024-05-01T02:00:51+02:00
        between 1714521650000 1714521651000 time
        same want.txt got.txt
        times 2024-05-01T00:01 2024-05-01T00:01:00.1
        between 1714521660000 1714521660100 time
        same want.txt got.txt
        unit=()
    done
    expect 0 "$flatstream" index --check --key time --schema m.fbs m.fls
    says out 'time from 1714521600007 to 171452179999[0-9], in order|time from 1714521600007 to 1714521799990'
    expect 1 "$flatstream" index --check --key at --schema m.fbs m.fls
    says err 'the index is wrong: entry [0-9]+ says time'
    expect 0 "$flatstream" slice m.fls --by time --key real --schema m.fbs --from 0 --to 0.5 -o real.fls
    says err 'the index has no times of real'
    # Going on without the key drops the times: that is said, and by which field they were.
    for way in "" "--rotate-messages 7000"; do
        rm -f keyed*
        # shellcheck disable=SC2086 # words
        expect 0 "$flatstream" write -o keyed.fls --from jsonl --schema m.fbs --index --key time \
            $way m.jsonl
        quiet err
        expect 0 "$flatstream" write -o keyed.fls --append --from jsonl --schema m.fbs --index \
            --key time m.jsonl
        quiet err
        expect 0 "$flatstream" write -o keyed.fls --append --from jsonl --schema m.fbs --index m.jsonl
        says err "keyed.fls: its index has times, by 'time': .*--key"
        expect 0 "$flatstream" write -o keyed.fls --append --from jsonl --schema m.fbs --index m.jsonl
        quiet err # they are gone already
    done

    for key in real at when.ns; do
        expect 0 "$flatstream" index --key $key --schema m.fbs m.fls
        expect 0 "$flatstream" index --check --key $key --schema m.fbs m.fls
    done
    expect 0 "$flatstream" index --key real --schema m.fbs m.fls
    says out 'real from -100 to 2399.875$'
    times -0.25 0.25 real
    between -0.25 0.25 real
    same want.txt got.txt
    expect 0 "$flatstream" info --json m.fls
    says out '"key":"real","time_first":-100,"time_last":2399.875,"time_in_order":true'
    for mistake in nothing text list list[] when; do
        expect 2 "$flatstream" index --key "$mistake" --schema m.fbs m.fls
        says err -- '--key'
    done
    for mistake in 2024-13-01 2024-05-01T25:00Z 2024-05-01T10:00:00Q tomorrow 2024-05-01T00:00:00Z; do
        expect 2 "$flatstream" slice m.fls --by time --key time --schema m.fbs --from "$mistake" -o x.fls
    done
    says err 'time-unit'
    [ ! -e x.fls ] || fail "wrong usage made a file"
else
    says err 'JSON|fbs'
fi

finish
