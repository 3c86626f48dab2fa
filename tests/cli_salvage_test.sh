#!/bin/bash
# The verb salvage as its users meet it. Run by ctest with FLATSTREAM (the command's path).
. "$(dirname "$0")/cli_support.sh"

# poke FILE OFFSET TEXT: overwrites bytes.
poke() {
    printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# lines FILE: its messages as lines, in ./lines.
lines() {
    "$flatstream" cat "$1" >lines || fail "$1 cannot be read"
}

expect 0 "$flatstream" salvage --help
says out 'Usage: flatstream salvage'
expect 2 "$flatstream" salvage
expect 2 "$flatstream" salvage x
says err '-o OUT'
expect 2 "$flatstream" salvage x -o - --json
expect 3 "$flatstream" salvage no-such-file -o y
expect 3 "$flatstream" salvage . -o y
[ ! -e y ] || fail "an error made a file"

seq 100001 102000 >whole.txt # each frame has 6 bytes of payload
for kind in crc32 xxh3; do
    header=8
    [ $kind = xxh3 ] && header=12
    frame=$((header + 6))
    "$flatstream" write --checksum $kind -o whole.fls --replace whole.txt
    expect 0 "$flatstream" salvage whole.fls -o same.fls
    same same.fls whole.fls
    says out "2000 frames \($kind\)"

    # A payload byte: that message is lost, the others are there.
    cp whole.fls one.fls
    poke one.fls $((500 * frame + header)) X
    expect 1 "$flatstream" salvage one.fls -o one-saved.fls
    says out "^lost   at byte $((500 * frame)), $frame bytes"
    lines one-saved.fls
    sed 501d whole.txt >expected
    same lines expected

    # The start is damaged: the kind is found all the same. A length is mended.
    cp whole.fls start.fls
    poke start.fls 0 'garbage garbage garbage garbage garbage!'
    poke start.fls $((700 * frame)) '\377\377\377\377'
    expect 1 "$flatstream" salvage start.fls -o start-saved.fls --json
    python3 - "$frame" "$kind" <<'PY' || fail "the JSON is not right"
import json, sys
frame, kind = int(sys.argv[1]), sys.argv[2]
o = json.load(open("out"))
whole = -(-40 // frame)
assert o["checksum"] == kind and o["frames"] == 2000 - whole and o["mended"] == 1, o
assert o["lost_bytes"] == whole * frame and o["lost_regions"] == 1, o
assert o["bytes"] == 2000 * frame and o["payload_bytes"] == 6 * o["frames"], o
assert [r["mended"] for r in o["regions"]] == [False, True], o
assert o["regions"][1]["offset"] == 700 * frame and o["regions"][1]["bytes"] == 4, o
assert o["false_frames_expected"] < 0.01 and o["search_cut_short"] is False, o
PY
    lines start-saved.fls
    tail -n $(wc -l <lines) whole.txt >expected
    same lines expected
    rm -f mended.fls
    cp whole.fls length.fls
    poke length.fls $((700 * frame)) '\005'
    expect 0 "$flatstream" salvage length.fls -o mended.fls
    says out '^mended at byte'
    same mended.fls whole.fls

    # A torn tail, a tail of zeros, a foreign header before.
    head -c $((100 * frame + 7)) whole.fls >torn.fls
    head -c $((100 * frame)) whole.fls >hundred.fls
    rm -f out.fls
    expect 1 "$flatstream" salvage torn.fls -o out.fls
    same out.fls hundred.fls
    { cat hundred.fls; head -c 4096 /dev/zero; } >zeros.fls
    rm -f out.fls
    expect 1 "$flatstream" salvage zeros.fls -o out.fls
    says out "at byte $((100 * frame)), 4096 bytes"
    same out.fls hundred.fls
    { head -c 1000 /dev/urandom; cat one.fls; } >offset.fls
    rm -f out.fls
    expect 1 "$flatstream" salvage --offset 1000 offset.fls -o out.fls
    says out "^lost   at byte $((1000 + 500 * frame)), $frame bytes"
    same out.fls one-saved.fls

    # To standard output, and from a pipe.
    "$flatstream" salvage one.fls -o - >out.fls 2>err
    [ $? = 1 ] || fail "salvage to standard output"
    says err "^lost   at byte $((500 * frame)), $frame bytes"
    same out.fls one-saved.fls
    cat one.fls | "$flatstream" salvage - -o - 2>err >out.fls
    same out.fls one-saved.fls
    rm -f ./*-saved.fls same.fls out.fls
done

# Of the lost places 1,000 are listed, and the rest counted; all of them as JSON.
seq 100001 103000 >many.txt
"$flatstream" write --checksum crc32 -o many.fls many.txt
python3 - <<'PY'
data = bytearray(open("many.fls", "rb").read())
for at in range(14 + 8, len(data), 28):
    data[at] ^= 1
open("many.fls", "wb").write(data)
PY
rm -f out.fls
expect 1 "$flatstream" salvage many.fls -o out.fls
[ "$(grep -c '^lost   at byte' out)" = 1000 ] || fail "not 1,000 places were listed"
says out '^and 500 more places'
rm -f out.fls
expect 1 "$flatstream" salvage many.fls -o out.fls --json
python3 - <<'PY' || fail "the JSON is not whole"
import json
o = json.load(open("out"))
assert len(o["regions"]) == o["lost_regions"] == 1500 and o["frames"] == 1500, o["lost_regions"]
assert o["search_cut_short"] is False and o["passed_over"] == 0, o
PY

# Where candidates were passed over it says so.
python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("<I", 60000) * (1 << 18))' >words
cat hundred.fls words hundred.fls >hostile.fls
rm -f out.fls
expect 1 "$flatstream" salvage hostile.fls -o out.fls --checksum xxh3
says out '^search cut short: [0-9]+ places'
says out '^hostile.fls: 200 frames'
rm -f out.fls

# OUT is never replaced, and never half there.
echo keep >kept.fls
expect 2 "$flatstream" salvage one.fls -o kept.fls
says err 'it holds [0-9]+ bytes: --replace'
[ "$(cat kept.fls)" = keep ] || fail "an existing file was changed"
if [ -e /dev/full ]; then
    expect 3 bash -c "'$flatstream' salvage one.fls -o - >/dev/full"
fi

# Segments are salvaged one at a time: which there are is said.
for number in 3 4 6; do
    "$flatstream" write -o some-00000$number.fls whole.txt
done
expect 2 "$flatstream" salvage some.fls -o out.fls
says err 'one at a time: some-000003.fls to some-000006.fls .3 of them.'
rm some-000003.fls some-000004.fls
expect 2 "$flatstream" salvage some.fls -o out.fls
says err 'one at a time: some-000006.fls .1 of them.'
[ ! -e out.fls ] || fail "a refusal made a file"

# Kinds that prove too little ask for a schema.
"$flatstream" write --checksum crc16 -o weak.fls whole.txt
expect 2 "$flatstream" salvage weak.fls -o out.fls
says err 'crc16.*--schema'
expect 2 "$flatstream" salvage weak.fls --checksum crc16 -o out.fls
head -c 100000 /dev/urandom >noise
expect 2 "$flatstream" salvage noise -o out.fls
says err 'no frame is proven'
[ ! -e out.fls ] || fail "an error made a file"
: >empty.fls
expect 0 "$flatstream" salvage empty.fls -o out.fls
rm -f out.fls

# With a schema crc16 and none are salvaged.
cat >t.fbs <<'FBS'
table T { number: int; text: string; }
root_type T;
FBS
seq 1 200 | sed 's/.*/{"number": &, "text": "message number &"}/' >t.jsonl
for kind in none crc16 crc32; do
    "$flatstream" write -o t.fls --from jsonl --schema t.fbs --checksum $kind t.jsonl 2>err || break
    expect 0 "$flatstream" salvage t.fls --schema t.fbs -o out.fls
    same out.fls t.fls
    # a run of bytes is missing in the middle
    { head -c 4000 t.fls; tail -c +4020 t.fls; } >hole.fls
    rm -f out.fls
    expect 1 "$flatstream" salvage hole.fls --schema t.fbs --checksum $kind -o out.fls
    "$flatstream" select out.fls --checksum $kind --schema t.fbs --fields number --as csv |
        tail -n +2 >numbers
    [ "$(wc -l <numbers)" -ge 198 ] || fail "$kind: only $(wc -l <numbers) messages came out"
    sort -n -u numbers >sorted
    same numbers sorted
    rm -f out.fls
done

# A stream damaged in 200 places: all that no damage touched, and nothing else.
python=python3
[ -x /usr/bin/python3 ] && python=/usr/bin/python3
for kind in crc32 xxh3; do
    expect 0 "$python" -B "$SOURCE_DIR/tests/salvage_wounds.py" "$flatstream" . --bytes 20000000 \
        --places 200 --kind $kind
    for sizes in mixed 56; do
        expect 0 "$python" -B "$SOURCE_DIR/tests/salvage_wounds.py" "$flatstream" . \
            --bytes 10000000 --places 60 --kind $kind --sizes $sizes --harsh
    done
done

finish
