#!/bin/bash
# split, merge and convert: nothing is lost, doubled or changed on the way, the other format is that
# of libfstrm, and what is damaged or wrong is said. Run by ctest with FLATSTREAM.
. "$(dirname "$0")/cli_support.sh"

absent() {
    checks=$((checks + 1))
    for name in "$@"; do [ ! -e "$name" ] || fail "$name is there"; done
}

# --- help and usage ------------------------------------------------------------------------------
for verb in split merge convert; do
    expect 0 "$flatstream" $verb --help
    says out "Usage: flatstream $verb"
    says out "^  flatstream $verb"
    expect 2 "$flatstream" $verb --no-such-option
    expect 2 "$flatstream" $verb
done
seq 1 1000 | "$flatstream" write -o lines.fls
seq 1 1000 >lines.txt
expect 2 "$flatstream" split lines.fls -o p
expect 2 "$flatstream" split lines.fls -o p --count 2 --bytes 5
expect 2 "$flatstream" split lines.fls --count 2
expect 2 "$flatstream" split lines.fls -o p --by host
says err 'schema'
expect 2 "$flatstream" convert lines.fls
expect 2 "$flatstream" convert lines.fls -o x --to md5
expect 2 "$flatstream" convert lines.fls -o x --content-type a
expect 2 "$flatstream" convert lines.fls -o x --to fstrm --content-type "$(printf '%0300d' 1)"
absent x

# --- convert between checksums -------------------------------------------------------------------
for kind in none crc16 crc32 xxh3; do
    expect 0 "$flatstream" convert lines.fls --to $kind -o to-$kind.fls
    expect 0 "$flatstream" verify --checksum $kind to-$kind.fls
    "$flatstream" cat --checksum $kind to-$kind.fls >out
    same out lines.txt
    "$flatstream" convert to-$kind.fls -o - >back.fls
    same back.fls lines.fls
done
expect 2 "$flatstream" convert lines.fls -o back.fls
says err 'it holds [0-9]+ bytes: --replace'
head -c 5000 lines.fls >torn.fls
expect 1 "$flatstream" convert torn.fls --to crc32 -o torn32.fls
says err 'payload|header'
expect 0 "$flatstream" verify --checksum crc32 torn32.fls

# --- Frame Streams -------------------------------------------------------------------------------
expect 0 "$flatstream" convert lines.fls --to fstrm --content-type test:lines -o lines.fstrm
expect 0 "$flatstream" convert lines.fstrm --from fstrm -o again.fls
same again.fls lines.fls
expect 0 "$flatstream" convert lines.fstrm --from fstrm --content-type test:lines --to none -o n.fls
same n.fls to-none.fls
expect 1 "$flatstream" convert lines.fstrm --from fstrm --content-type other -o no.fls
says err "content type is 'test:lines'"
"$flatstream" convert lines.fls --to fstrm -o - | "$flatstream" convert - --from fstrm -o piped.fls
same piped.fls lines.fls
if command -v fstrm_dump >/dev/null; then
    # libfstrm reads ours, and writes what it read: byte for byte the same, and readable here.
    expect 0 fstrm_dump lines.fstrm theirs.fstrm
    says err 'test:lines'
    [ "$(grep -c '^Data frame' err)" = 1000 ] || fail "fstrm_dump saw $(grep -c '^Data' err) frames"
    says err 'FSTRM_CONTROL_STOP'
    same theirs.fstrm lines.fstrm
    head -c 300000 /dev/urandom | "$flatstream" write --from files -o big.fls -
    expect 0 "$flatstream" convert big.fls --to fstrm -o big.fstrm
    expect 0 fstrm_dump big.fstrm theirs-big.fstrm
    expect 0 "$flatstream" convert theirs-big.fstrm --from fstrm -o big-again.fls
    same big-again.fls big.fls
fi
# What libfstrm's writer makes, by a program of its own.
cat >write.c <<'C'
#include <fstrm.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    struct fstrm_file_options *file = fstrm_file_options_init();
    struct fstrm_writer_options *writer = fstrm_writer_options_init();
    static char bytes[70000];

    fstrm_file_options_set_file_path(file, argv[1]);
    fstrm_writer_options_add_content_type(writer, "their:own", 9);
    struct fstrm_writer *w = fstrm_file_writer_init(file, writer);
    for (int i = 1; i <= 200; i++) {
        struct iovec segment = {bytes, i == 100 ? sizeof bytes : (size_t)snprintf(bytes, 99, "message %d", i)};
        if (fstrm_writer_writev(w, &segment, 1) != fstrm_res_success)
            return 1;
    }
    return argc != 2 || fstrm_writer_close(w) != fstrm_res_success;
}
C
if cc -D_GNU_SOURCE write.c -o write -lfstrm 2>/dev/null; then
    expect 0 ./write own.fstrm
    expect 0 "$flatstream" convert own.fstrm --from fstrm --content-type their:own -o own.fls
    "$flatstream" cat --count 1 own.fls >out
    says out '^message 1$'
    expect 0 "$flatstream" info --json own.fls
    says out '"frames":200'
    expect 0 "$flatstream" convert own.fls --to fstrm --content-type their:own -o own2.fstrm
    same own2.fstrm own.fstrm
fi
# Every truncation is said: torn where it is, and nothing but whole frames comes out.
size=$(stat -c %s lines.fstrm)

# A recorder that was killed and began again: START, frames, START, frames, STOP.
# unended FILE: without its STOP, which is 12 bytes.
unended() {
    head -c $(($(stat -c %s "$1") - 12)) "$1"
}
"$flatstream" write -o some.fls <<<"$(seq 7)"
"$flatstream" convert some.fls --to fstrm --content-type test:lines -o some.fstrm
"$flatstream" convert some.fls --to fstrm --content-type other:kind -o other.fstrm
"$flatstream" convert some.fls --to fstrm -o untyped.fstrm
{ unended lines.fstrm && unended some.fstrm && cat lines.fstrm; } >killed.fstrm
expect 0 "$flatstream" convert killed.fstrm --from fstrm -o killed.fls
says err 'begun again 2 times without an end'
"$flatstream" cat killed.fls >out
same out <(cat lines.txt <(seq 7) lines.txt)
expect 0 "$flatstream" convert killed.fstrm --from fstrm --content-type test:lines -o killed-2.fls
{ unended lines.fstrm && unended some.fstrm; } >killed-twice.fstrm
expect 1 "$flatstream" convert killed-twice.fstrm --from fstrm -o killed-3.fls
says err 'without STOP'
if command -v fstrm_dump >/dev/null; then # theirs, put together in the same way
    fstrm_dump some.fstrm theirs-some.fstrm >out 2>err
    { unended theirs-some.fstrm && cat theirs-some.fstrm; } >theirs-killed.fstrm
    expect 0 "$flatstream" convert theirs-killed.fstrm --from fstrm -o theirs-killed.fls
    "$flatstream" cat theirs-killed.fls >out
    same out <(seq 7 && seq 7)
fi

# Parts of different content types are not one stream, whether they were ended or not.
part=0
for first in "cat" "unended"; do
    part=$((part + 1))
    { $first some.fstrm && cat other.fstrm; } >mixed.fstrm
    expect 1 "$flatstream" convert mixed.fstrm --from fstrm -o mixed.fls
    says err "frame 7 on its content type is 'other:kind', not 'test:lines'.*--any-content"
    absent mixed.fls
    expect 0 "$flatstream" convert mixed.fstrm --from fstrm --any-content -o mixed-$part.fls
    "$flatstream" cat mixed-$part.fls >out
    same out <(seq 7 && seq 7)
done
{ cat untyped.fstrm some.fstrm untyped.fstrm other.fstrm; } >mixed.fstrm
expect 1 "$flatstream" convert mixed.fstrm --from fstrm -o mixed.fls
says err "frame 21 on its content type is 'other:kind', not 'test:lines'"
# Behind a zero byte, too: START with 5 bytes of content type, a frame, STOP.
typed() {
    printf '\0\0\0\0\0\0\0\21\0\0\0\2\0\0\0\1\0\0\0\5ab\0c%s\0\0\0\1%s\0\0\0\0\0\0\0\4\0\0\0\3' "$1" "$2"
}
{ typed d 1 && typed d 2; } >zero.fstrm
expect 0 "$flatstream" convert zero.fstrm --from fstrm -o zero.fls
{ typed d 1 && typed e 2; } >zero.fstrm
expect 1 "$flatstream" convert zero.fstrm --from fstrm -o zero-2.fls
expect 2 "$flatstream" convert some.fls --any-content -o no.fls
expect 2 "$flatstream" convert some.fstrm --from fstrm --any-content --content-type x -o no.fls
for cut in 0 1 5 10 20 34 35 37 41 $((size - 13)) $((size - 12)) $((size - 9)) $((size - 1)); do
    head -c "$cut" lines.fstrm >cut.fstrm
    rm -f cut.fls
    expect 1 "$flatstream" convert cut.fstrm --from fstrm -o cut.fls
    says err 'ends|empty'
    [ ! -e cut.fls ] || expect 0 "$flatstream" verify cut.fls
done

# Salvage is recommended where it gets more: behind damage, not for a torn tail.
head -c $(($(stat -c %s lines.fls) - 1)) lines.fls >torn-tail.fls
expect 1 "$flatstream" convert torn-tail.fls --to none -o torn-none.fls
says err 'what is before it was taken'
grep -q salvage err && fail "salvage gets nothing from a torn tail: $(cat err)"
{ head -c 5000 lines.fls && printf '\377\376' && tail -c +5003 lines.fls; } >wounded.fls
expect 1 "$flatstream" convert wounded.fls --to none -o wounded-none.fls
says err 'salvage. gets more'

# Files one behind another are one; what else follows STOP is told, not dropped.
"$flatstream" write -o few.fls <<<"$(seq 7)"
expect 0 "$flatstream" convert few.fls --to fstrm -o few.fstrm
cat lines.fstrm few.fstrm lines.fstrm >three.fstrm
expect 0 "$flatstream" convert three.fstrm --from fstrm -o three.fls
cat lines.fls few.fls lines.fls >want.fls
same three.fls want.fls
# shellcheck disable=SC2002 # a pipe is meant
cat three.fstrm | "$flatstream" convert - --from fstrm -o piped-three.fls
same piped-three.fls want.fls
expect 1 "$flatstream" convert three.fstrm --from fstrm --content-type test:lines -o other.fls
says err "content type is ''"
for rest in x 0123456789abcdef '\0\0\0\0' '\0\0\0\0\0\0\0\4\0\0\0\3'; do
    { cat lines.fstrm && printf "$rest"; } >rest.fstrm
    bytes=$(($(stat -c %s rest.fstrm) - size))
    rm -f rest.fls
    expect 1 "$flatstream" convert rest.fstrm --from fstrm -o rest.fls
    says err "at byte $size: the end .STOP. is followed by $bytes byte"
    same rest.fls lines.fls
done
{ cat lines.fstrm lines.fstrm && head -c 1000000 /dev/zero; } >rest.fstrm
expect 1 "$flatstream" convert rest.fstrm --from fstrm -o rest-2.fls
says err "at byte $((2 * size)): .* followed by 1000000 bytes"
head -c $((size + size / 2)) three.fstrm >torn-two.fstrm
expect 1 "$flatstream" convert torn-two.fstrm --from fstrm -o torn-two.fls
says err 'ends'

expect 1 "$flatstream" convert lines.fls --from fstrm -o no.fls
absent no.fls
printf '\0\0\0\0\377\377\377\377' >bad.fstrm
expect 1 "$flatstream" convert bad.fstrm --from fstrm -o no.fls
says err 'control frame'
head -c 34 lines.fstrm >huge.fstrm
printf '\177\377\377\377abc' >>huge.fstrm
expect 1 bash -c "[ -n '${SANITIZE:-}' ] || ulimit -v 200000; '$flatstream' convert huge.fstrm --from fstrm -o huge.fls"
expect 1 "$flatstream" convert lines.fstrm --from fstrm --max-frame 1 -o no.fls
printf 'a\n\nb\n' | "$flatstream" write -o empty.fls
expect 1 "$flatstream" convert empty.fls --to fstrm -o no.fstrm
says err 'message 1 is empty'
absent no.fstrm

# --- split ---------------------------------------------------------------------------------------
join() {
    cat "$@" >joined
}
expect 0 "$flatstream" split lines.fls --count 300 -o part
join part-00000[1-4].fls
same joined lines.fls
absent part-000005.fls
expect 2 "$flatstream" split lines.fls --count 300 -o part
says err 'part-000001.fls'
same joined lines.fls
for bytes in 1 13 14 1000 15K 1G; do
    expect 0 "$flatstream" split lines.fls --bytes $bytes -o b$bytes.fls
    join b$bytes-*.fls
    same joined lines.fls
done
[ "$(ls b1-*.fls | wc -l)" = 1000 ] || fail "not one message a part"
for file in b1000-*.fls; do
    [ "$(stat -c %s "$file")" -le 1000 ] || fail "$file is over 1000 bytes"
done
# A part that exists stops it, and what was made before is gone again.
echo kept >stop-000003.fls
expect 2 "$flatstream" split lines.fls --count 100 -o stop
absent stop-000001.fls stop-000002.fls
expect 1 "$flatstream" split torn.fls --count 100 -o t
join t-*.fls
"$flatstream" recover torn.fls -o intact.fls >/dev/null 2>&1
same joined intact.fls

# --- by a field, merge ---------------------------------------------------------------------------
cat >t.fbs <<'FBS'
enum Level : byte { low, high }
table T { time: long; host: string; level: Level; load: double; }
root_type T;
FBS
python3 - <<'PY'
import json, random
random.seed(5)
rows = []
for i in range(900):
    rows.append({"time": -50 + i // 3, "host": random.choice("abc"), "load": i / 7})
    if i % 4 == 0:
        rows[-1]["level"] = "high"
for name in "abc":
    with open(name + ".jsonl", "w") as file:
        file.writelines(json.dumps(r) + "\n" for r in rows if r["host"] == name)
with open("all.jsonl", "w") as file:
    file.writelines(json.dumps(r) + "\n" for r in sorted(rows, key=lambda r: (r["time"], r["host"])))
PY
if "$flatstream" write -o all.fls --from jsonl --schema t.fbs all.jsonl 2>err; then
    for name in a b c; do "$flatstream" write -o $name.fls --from jsonl --schema t.fbs $name.jsonl; done
    expect 0 "$flatstream" merge a.fls b.fls c.fls --key time --schema t.fbs -o merged.fls
    [ ! -s err ] || fail "merge complains: $(cat err)"
    same merged.fls all.fls # equal times: the files' order, then the messages'
    "$flatstream" merge c.fls b.fls a.fls --key load --schema t.fbs -o - |
        "$flatstream" select - --schema t.fbs --fields load --as csv | tail -n +2 >loads
    sort -g loads >sorted
    same loads sorted
    # More files than a process may have open; one message is larger than what is read ahead.
    "$flatstream" split all.fls --count 10 -o few
    printf '{"time":7,"host":"%0600000d","load":1}\n' 0 |
        "$flatstream" write -o few-large.fls --from jsonl --schema t.fbs
    expect 0 "$flatstream" merge few-*.fls --key time --schema t.fbs -o roomy.fls
    (
        ulimit -n 75
        expect 0 "$flatstream" merge few-*.fls --key time --schema t.fbs -o scarce.fls
        [ "$failures" = 0 ]
    ) || fail "merge with few descriptors"
    same scarce.fls roomy.fls
    expect 0 "$flatstream" merge a.fls --key time --schema t.fbs --checksum-out crc32 -o a32.fls
    "$flatstream" convert a.fls --to crc32 -o - >out
    same out a32.fls
    # By host: the same files again, in the order in which the hosts appear.
    expect 0 "$flatstream" split all.fls --by host --schema t.fbs -o host
    [ "$(ls host-*.fls | wc -l)" = 3 ] || fail "not three hosts"
    while read -r file rest; do
        same "${file%:}" "${rest##* }.fls"
    done <out
    expect 0 "$flatstream" split all.fls --by level --schema t.fbs -o level
    says out 'level = high'
    says out 'level = low'
    expect 2 "$flatstream" split all.fls --by time --schema t.fbs -o time
    says err 'more than 256 values'
    absent time-000001.fls time-000256.fls
    expect 2 "$flatstream" split all.fls --by hots --schema t.fbs -o h
    says err 'hots'
    expect 2 "$flatstream" merge a.fls --key host --schema t.fbs -o x.fls
    says err 'number'
    # Times that go backwards stay behind what was before them; all messages are there.
    tac a.jsonl | "$flatstream" write -o back.fls --replace --from jsonl --schema t.fbs -
    rm -f x.fls
    expect 0 "$flatstream" merge back.fls b.fls --key time --schema t.fbs -o x.fls
    says err 'back.fls: [0-9]+ messages are earlier'
    "$flatstream" select x.fls --schema t.fbs --where 'host == "a"' --as fls >only-a.fls
    same only-a.fls back.fls
    # A damaged input: what is before the damage, and exit 1.
    head -c 3000 b.fls >b-torn.fls
    rm -f x.fls
    expect 1 "$flatstream" merge a.fls b-torn.fls --key time --schema t.fbs -o x.fls
    says err 'b-torn.fls'
    expect 0 "$flatstream" verify x.fls
    # Many inputs in little memory.
    for i in $(seq 1 300); do cp a.fls many-$i.fls; done
    [ -n "${SANITIZE:-}" ] || ulimit -v 400000
    expect 0 "$flatstream" merge many-*.fls --key time --schema t.fbs -o many.fls
    [ "$(stat -c %s many.fls)" = $((300 * $(stat -c %s a.fls))) ] || fail "merge of 300 is not whole"
fi

finish
