#!/bin/bash
# The command as its users meet it: each verb, each exit status, each way in which a stream or the
# system can be bad. Run by ctest with FLATSTREAM (the command's path).
. "$(dirname "$0")/cli_support.sh"

# json EXPRESSION: a Python expression over the object o, from ./out, must be true.
json() {
    checks=$((checks + 1))
    python3 - "$1" <<'PY' || fail "json: $1"
import json, sys
lines = open("out", encoding="utf-8").read().splitlines()
o = json.loads(lines[-1])
keys = {"file", "frames", "bytes", "payload_bytes", "checksum", "end", "good_offset", "error"}
ok = keys <= set(o) and eval(sys.argv[1])
if o["error"]:
    ok = ok and {"kind", "frame", "offset", "expected", "found", "message"} <= set(o["error"])
if not ok:
    print(o, file=sys.stderr)
sys.exit(not ok)
PY
}

# Memory may be limited, except for programs that a sanitizer watches over: they map terabytes.
limit() {
    [ -n "${SANITIZE:-}" ] || ulimit -v "$1"
}
export -f limit

kinds="none crc16 crc32 xxh3"
seq 1 300 >lines.txt

# --- help, usage ---------------------------------------------------------------------------------
expect 0 "$flatstream" --help
says out 'write'
expect 0 "$flatstream" --version
says out '^flatstream [0-9]+\.[0-9]+\.[0-9]+'
for verb in write cat info verify recover index slice bench; do
    expect 0 "$flatstream" $verb --help
    says out "Usage: flatstream $verb"
    says out "Example"
    says out "^  flatstream $verb|\| flatstream $verb"
    expect 0 "$flatstream" help $verb
    expect 2 "$flatstream" $verb --no-such-option
    says err "unknown option"
done
expect 2 "$flatstream"
"$flatstream" --help | sed -n '4,/^$/s/^  \([a-z]*\) .*/\1/p' >verbs
[ "$(wc -l <verbs)" -ge 15 ] || fail "the verbs in --help"
while read -r verb; do says err "[ ,]$verb( |,|\$)"; done <verbs
expect 2 "$flatstream" verfy x
says err 'did you mean verify'
expect 2 "$flatstream" cat --chekcsum none x
says err 'did you mean --checksum'
expect 2 "$flatstream" cat
expect 2 "$flatstream" cat a b
expect 2 "$flatstream" verify
expect 2 "$flatstream" info
expect 2 "$flatstream" recover
expect 2 "$flatstream" write lines.txt
says err '-o'
expect 2 "$flatstream" cat --as xml x
expect 2 "$flatstream" cat --from -1 x
expect 2 "$flatstream" cat --count many x
expect 2 "$flatstream" cat --max-frame 0 x
expect 2 "$flatstream" cat --max-frame 5G x
expect 2 "$flatstream" cat --max-frame 99999999999999999999 x
expect 2 "$flatstream" verify --checksum md5 x
expect 2 "$flatstream" verify --checksum
expect 2 "$flatstream" write -o x --batch 0 lines.txt
expect 2 "$flatstream" write -o x --framer quick lines.txt
expect 2 "$flatstream" write -o - --append lines.txt
expect 2 "$flatstream" write -o x --repair lines.txt
expect 2 "$flatstream" recover --truncate -o y x
expect 2 "$flatstream" recover --truncate -
expect 2 "$flatstream" bench x
expect 2 "$flatstream" bench --sizes 0
[ ! -e x ] || fail "a usage error made a file"

# --- write and cat: every kind, framer and batch give the same bytes -------------------------------
for kind in $kinds; do
    expect 0 "$flatstream" write -o $kind.fls --checksum $kind lines.txt
    quiet out
    quiet err
    for framer in simple vectored batched; do
        expect 0 "$flatstream" write --framer=$framer --batch 7 --checksum=$kind -oother.fls --replace lines.txt
        same $kind.fls other.fls
    done
    "$flatstream" write -o - --checksum $kind - <lines.txt >other.fls || fail "write - to -"
    same $kind.fls other.fls
    expect 0 "$flatstream" cat $kind.fls
    same out lines.txt
    expect 0 "$flatstream" cat --checksum $kind - <$kind.fls
    same out lines.txt
    cat $kind.fls | "$flatstream" cat - >out || fail "cat - from a pipe"
    same out lines.txt
    expect 0 "$flatstream" verify --json $kind.fls
    quiet err
    json "o['checksum'] == '$kind' and o['frames'] == 300 and o['end'] == 'clean' and o['error'] is None and o['good_offset'] == o['bytes'] == $(stat -c %s $kind.fls) and o['payload_bytes'] == $(($(stat -c %s lines.txt) - 300)) and o['file'] == '$kind.fls'"
    cat $kind.fls | "$flatstream" info --json - >out || fail "info - from a pipe"
    json "o['checksum'] == '$kind' and o['frames'] == 300 and o['file'] == '-'"
done
expect 0 "$flatstream" write -o other.fls --replace lines.txt
same other.fls xxh3.fls
expect 0 "$flatstream" write -o other.fls --replace --checksum auto lines.txt
same other.fls xxh3.fls

# The bytes, by an independent hand.
python3 - <<'PY'
import binascii, struct, zlib
payloads = [b"", b"a", b"\0\1\2", b"x" * 1000, b"end"]
for name, check in (("none", lambda p: b""),
                    ("crc16", lambda p: struct.pack("<H", binascii.crc_hqx(p, 0))),
                    ("crc32", lambda p: struct.pack("<I", zlib.crc32(p)))):
    with open("golden-" + name, "wb") as f:
        for p in payloads:
            f.write(struct.pack("<I", len(p)) + check(p) + p)
with open("sized.bin", "wb") as f:
    for p in payloads:
        f.write(struct.pack("<I", len(p)) + p)
PY
for kind in none crc16 crc32; do
    expect 0 "$flatstream" write -o other.fls --replace --checksum $kind --from sized sized.bin
    same other.fls golden-$kind
    expect 0 "$flatstream" cat --as sized golden-$kind
    same out sized.bin
done
expect 0 "$flatstream" cat --as raw --from 1 --count 3 golden-crc32
printf 'a\0\1\2' >want
head -c 1000 /dev/zero | tr '\0' x >>want
same out want

# Forms.
printf 'hello, world: hello\n\nabc' | "$flatstream" write -o forms.fls
expect 0 "$flatstream" cat --as hex forms.fls
cat >want <<'HEX'
frame 0 at byte 0: 19 bytes
  00000000  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 3a 20 68 65  |hello, world: he|
  00000010  6c 6c 6f                                          |llo|
frame 1 at byte 31: 0 bytes
frame 2 at byte 43: 3 bytes
  00000000  61 62 63                                          |abc|
HEX
same out want
expect 0 "$flatstream" cat --as base64 forms.fls
printf 'aGVsbG8sIHdvcmxkOiBoZWxsbw==\n\nYWJj\n' >want
same out want
head -c 100000 /dev/urandom >blob
"$flatstream" write --from files -o blob.fls blob
"$flatstream" cat --as base64 blob.fls | base64 -d | cmp -s - blob || fail "base64 of a large message"
"$flatstream" cat --as hex blob.fls | sed -e 1d | cut -c13-60 | tr -d ' \n' >hex
od -An -v -tx1 blob | tr -d ' \n' >want
same hex want
expect 0 "$flatstream" cat --from 298 xxh3.fls
printf '299\n300\n' >want
same out want
quiet err
expect 0 "$flatstream" cat --from 300 xxh3.fls
quiet out
says err 'there is no frame 300: the stream has 300'
expect 0 "$flatstream" cat --from 5000 xxh3.fls
quiet out
says err 'there is no frame 5000: the stream has 300'
expect 0 "$flatstream" cat --count 0 xxh3.fls
quiet out
expect 0 "$flatstream" cat -n 1 xxh3.fls
printf '1\n' >want
same out want

# Lines: empty input, empty lines, no newline at the end, zero bytes, long lines, several inputs.
: >empty
expect 0 "$flatstream" write -o e.fls --replace empty
[ -f e.fls ] && [ ! -s e.fls ] || fail "empty input makes an empty stream"
expect 0 "$flatstream" write -o e.fls --replace </dev/null
printf '\n\nx\0y\n\xff\xfe\nlast' >odd
expect 0 "$flatstream" write -o odd.fls odd
expect 0 "$flatstream" cat odd.fls
(cat odd && echo) >want
same out want
python3 -c "
import sys
for n in (0, 1, 65535, 65536, 262143, 262144, 262145, 5000000, 3):
    sys.stdout.write('q' * n + '\n')" >long
for source in "$flatstream write -o long.fls --replace long" "cat long | $flatstream write -o long.fls --replace" \
    "$flatstream write --framer vectored -o long.fls --replace long" \
    "$flatstream write --framer simple -o long.fls --replace < long"; do
    bash -c "$source" || fail "long lines: $source"
    expect 0 "$flatstream" cat long.fls
    same out long
    cat long.fls | "$flatstream" cat - >out || fail "long lines through a pipe"
    same out long
done
expect 0 "$flatstream" info --json long.fls
json "o['frames'] == 9 and o['sizes'] == {'smallest': 0, 'median': 65536, 'p99': 5000000, 'largest': 5000000}"
# The first frame larger than what is read ahead: found out from files and from pipes.
for kind in $kinds; do
    tail -n 2 long | "$flatstream" write --checksum $kind -o big.fls --replace
    expect 0 "$flatstream" verify --json big.fls
    json "o['checksum'] == '$kind' and o['frames'] == 2"
    cat big.fls | "$flatstream" verify --json - >out || fail "a large first frame by pipe, $kind"
    json "o['checksum'] == '$kind' and o['frames'] == 2"
done
printf 'a\nb' >one
printf 'c\n' >two
expect 0 "$flatstream" write -o two.fls one - two <lines.txt
expect 0 "$flatstream" cat two.fls
(printf 'a\nb\n' && cat lines.txt && printf 'c\n') >want
same out want
expect 0 "$flatstream" write --from files -o files.fls --replace one empty two
expect 0 "$flatstream" info --json files.fls
json "o['frames'] == 3 and o['payload_bytes'] == 5"
"$flatstream" write --from files -o other.fls --replace - <one
expect 0 "$flatstream" cat --as raw other.fls
same out one

# Inputs that are bad: what came before them is written, whole.
head -c -2 sized.bin >torn-sized
expect 1 "$flatstream" write --from sized -o part.fls --replace torn-sized
says err 'torn-sized: record 4 at byte 1020 ends after 5 of 7 bytes'
expect 0 "$flatstream" verify --json part.fls
json "o['frames'] == 4 and o['end'] == 'clean'"
printf '\xff\xff\xff\xffabc' >hostile-sized
expect 1 "$flatstream" write --from sized -o part.fls --replace hostile-sized
says err 'record 0 at byte 0 has 4294967295 bytes, over the limit of 2147483648'
printf '\xff\xff\xff\x7fabc' >hostile-sized
expect 1 bash -c "limit 100000; '$flatstream' write --from sized -o part.fls --replace hostile-sized"
says err 'ends after 7 of'
expect 1 "$flatstream" write --max-frame 3 -o part.fls --replace two long
says err 'long: line 2 at byte'
expect 0 "$flatstream" verify --json part.fls
expect 1 bash -c "limit 100000; '$flatstream' write --max-frame 1M -o part.fls --replace /dev/zero"
says err 'over the limit of 1048576; --max-frame raises it'
expect 1 "$flatstream" write --from files --max-frame 1K -o part.fls --replace blob
says err 'over the limit of 1024'
expect 3 "$flatstream" write -o untouched.fls lines.txt missing
says err 'missing: No such file'
[ ! -e untouched.fls ] || fail "a missing input is found before the output is made"
expect 3 "$flatstream" write -o untouched.fls .
says err 'Is a directory'
expect 3 "$flatstream" write -o no/such/folder lines.txt
says err 'No such file'
expect 3 "$flatstream" write -o . lines.txt
cp xxh3.fls self.fls
expect 2 "$flatstream" write -o self.fls self.fls
same self.fls xxh3.fls
expect 2 "$flatstream" write -o self.fls --append <self.fls
same self.fls xxh3.fls

# --- append, repair ------------------------------------------------------------------------------
for kind in $kinds; do
    cp $kind.fls a.fls
    expect 0 "$flatstream" write --append -o a.fls two
    expect 0 "$flatstream" verify --json a.fls
    json "o['frames'] == 301 and o['checksum'] == '$kind'"
    for cut in 1 2 3; do
        head -c -$cut $kind.fls >a.fls
        cp a.fls before
        expect 1 "$flatstream" write --append -o a.fls two
        says err '--repair'
        same a.fls before
        expect 0 "$flatstream" write --append --repair -o a.fls two
        expect 0 "$flatstream" verify --json a.fls
        json "o['frames'] == 300 and o['checksum'] == '$kind' and o['end'] == 'clean'"
    done
done
expect 0 "$flatstream" write --append -o fresh.fls --checksum crc16 lines.txt
same fresh.fls crc16.fls
: >a.fls
expect 0 "$flatstream" write --append -o a.fls lines.txt
same a.fls xxh3.fls
expect 2 "$flatstream" write --append -o a.fls --checksum crc32 two
says err 'carry xxh3, not crc32'
same a.fls xxh3.fls
expect 0 "$flatstream" write --append -o a.fls --checksum xxh3 two
# A damaged length in the middle reads as torn; the messages behind it are kept, whoever cuts.
for kind in crc32 xxh3; do
    width=$([ $kind = crc32 ] && echo 4 || echo 8)
    at=$((200 * (4 + width) + $(head -200 lines.txt | tr -d '\n' | wc -c)))
    cp $kind.fls whole.fls
    printf '\001' | dd of=whole.fls bs=1 seek=$((at + 2)) conv=notrunc status=none
    for verb in "recover --truncate a.fls" "write --append --repair -o a.fls two" \
        "write --append --repair --index -o a.fls two"; do
        rm -f a.fls.*
        cp whole.fls a.fls
        # shellcheck disable=SC2086 # a verb and its arguments
        expect 0 "$flatstream" $verb
        says err 'intact in the tail.* set aside as a.fls.damaged-000001'
        cmp -s <(head -c $at a.fls) <(head -c $at $kind.fls) || fail "$verb: the intact part"
        same a.fls.damaged-000001 <(tail -c +$((at + 1)) whole.fls)
        expect 0 "$flatstream" salvage a.fls.damaged-000001 -o b.fls # the damaged one is mended
        expect 0 "$flatstream" cat b.fls
        same out <(tail -n +201 lines.txt)
        rm -f b.fls
    done
    [ ! -e a.fls.damaged-000002 ] || fail "it was set aside twice"
done
rm -f a.fls.* whole.fls
# Torn in the first frame: every kind says so, and the next one may be any.
head -c 100 long | tr -c . y | "$flatstream" write --checksum crc32 -o first.fls
head -c 50 first.fls >a.fls
expect 1 "$flatstream" write --append -o a.fls two
says err 'payload ends after .*--repair'
expect 0 "$flatstream" write --append --repair -o a.fls lines.txt
same a.fls xxh3.fls
says err 'set aside as a.fls.damaged-000001'
same a.fls.damaged-000001 <(head -c 50 first.fls)
# Torn where it reads as one whole frame without a checksum: the user's word is taken, too.
for way in "" --index; do
    head -c $((4 + 100)) first.fls >a.fls
    rm -f a.fls.*
    # shellcheck disable=SC2086 # a way is a word or none
    expect 0 "$flatstream" write --append --repair $way --checksum crc32 -o a.fls lines.txt
    same a.fls crc32.fls
    same a.fls.damaged-000001 <(head -c $((4 + 100)) first.fls)
done
# Not so when another kind's checksum is right, or when there is more than one frame without any.
expect 2 "$flatstream" write --append --repair --checksum crc16 -o first.fls two
cp none.fls a.fls
expect 2 "$flatstream" write --append --repair --checksum crc32 -o a.fls two
says err 'carry none, not crc32'
same a.fls none.fls
rm -f a.fls.*
# Where the first bytes could be a frame of another kind, the user's word is taken.
head -c 7 crc32.fls >a.fls
expect 1 "$flatstream" write --append --checksum crc32 -o a.fls two
expect 0 "$flatstream" write --append --repair --checksum crc32 -o a.fls lines.txt
same a.fls crc32.fls
python3 - <<'PY'
b = bytearray(open("crc32.fls", "rb").read())
b[2000] ^= 4
open("corrupt.fls", "wb").write(b)
PY
cp corrupt.fls a.fls
expect 1 "$flatstream" write --append --repair -o a.fls two
same a.fls corrupt.fls
expect 2 "$flatstream" write --append -o /dev/null two
mkfifo fifo
expect 2 "$flatstream" write --append -o fifo two

# --- torn everywhere, and flipped everywhere -----------------------------------------------------
for kind in $kinds; do
    printf 'first\nsecond one\n' | "$flatstream" write --checksum $kind -o small.fls --replace
    FLATSTREAM=$flatstream python3 - $kind <<'PY' || fail "torn and flipped, $kind"
import json, os, subprocess, sys
kind, tool = sys.argv[1], os.environ["FLATSTREAM"]
width = {"none": 0, "crc16": 2, "crc32": 4, "xxh3": 8}[kind]
whole = open("small.fls", "rb").read()
ends = [0, 4 + width + 5, len(whole)]
bad = 0
os.makedirs("cuts", exist_ok=True)

def scan(variants, *options):
    """Reports of many small streams, by one process."""
    names = ["cuts/%d" % i for i in range(len(variants))]
    for name, data in zip(names, variants):
        open(name, "wb").write(data)
    done = subprocess.run([tool, "verify", "--json", *options, *names], capture_output=True)
    return [json.loads(line) for line in done.stdout.splitlines()]

def cut(data, *options):
    open("cut.fls", "wb").write(data)
    done = subprocess.run([tool, "recover", "--truncate", "--json", *options, "cut.fls"],
                          capture_output=True)
    return done.returncode, json.loads(done.stdout)["action"], open("cut.fls", "rb").read()

def expect(what, ok):
    global bad
    if not ok:
        bad += 1
        print("FAILED:", kind, what, file=sys.stderr)

# Can the bytes tell the kind? A first frame of 5 bytes, torn behind them, may be one without a
# checksum; and at some lengths it may be a damaged one of another kind.
def tells(n):
    if n < 4 + 5 or n == len(whole):
        return True
    return kind != "none" and n >= ends[1] and not (kind == "crc16" and n - 4 - 5 in (4, 8))

torn = [whole[:n] for n in range(len(whole) + 1)]
for auto, reports in (0, scan(torn, "--checksum", kind)), (1, scan(torn)):
    for n, o in enumerate(reports):
        good = max(e for e in ends if e <= n)
        if auto and not tells(n):
            expect(("said", n, o), o["checksum"] != kind or o["good_offset"] == good)
            continue
        if auto:
            expect(("auto", n, o), o["checksum"] == (kind if n >= ends[1] else "ambiguous"))
        expect(("torn", n, o), o["good_offset"] == good and o["bytes"] == n
               and o["frames"] == ends.index(good)
               and o["end"] == ("clean" if n in ends else "torn"))
        if n in ends:
            expect(("none", n, o), o["error"] is None)
            continue
        expect(("error", n, o), o["error"]["kind"] == "unexpected_end"
               and o["error"]["offset"] == good and o["error"]["frame"] == ends.index(good))
        # Bytes of which no frame is whole, more than a header, are cut only if the kind is said.
        expect(("cut", n), cut(torn[n], *(["--checksum", kind] if not auto else []))
               == ((2, None, torn[n]) if auto and good == 0 and n > 12
                   else (0, "truncated", whole[:good])))

flipped = []
for bit in range(8 * len(whole)):
    data = bytearray(whole)
    data[bit // 8] ^= 1 << bit % 8
    flipped.append(bytes(data))
for bit, o in enumerate(scan(flipped, "--checksum", kind) if kind != "none" else []):
    frame = int(bit // 8 >= ends[1])
    expect(("flip", bit, o), o["frames"] == frame and o["good_offset"] == ends[frame])
    if bit // 8 - ends[frame] >= 4:
        expect(("mismatch", bit, o), o["error"]["kind"] == "checksum_mismatch"
               and o["end"] == "corrupt" and o["error"]["expected"] != o["error"]["found"])
    if o["end"] == "corrupt" and bit % 8 == 0:
        expect(("never cut", bit), cut(flipped[bit], "--checksum", kind)
               == (1, None, flipped[bit]))
sys.exit(bad > 0)
PY
    checks=$((checks + 1))
done

# --- reports -------------------------------------------------------------------------------------
expect 1 "$flatstream" verify corrupt.fls
says out 'DAMAGED'
says out 'frame 191 at byte [0-9]+: checksum 0x[0-9A-F]+ stored, 0x[0-9A-F]+ calculated'
says out 'expected'
says out 'found'
says err 'corrupt.fls: frame 191 at byte'
expect 1 "$flatstream" verify --quiet corrupt.fls
quiet out
expect 1 "$flatstream" verify --json corrupt.fls
quiet err
json "o['end'] == 'corrupt' and o['error']['kind'] == 'checksum_mismatch' and o['bytes'] == $(stat -c %s corrupt.fls) and o['good_offset'] == o['error']['offset'] and o['frames'] == o['error']['frame']"
cat corrupt.fls | "$flatstream" verify --json - >out
json "o['bytes'] == $(stat -c %s corrupt.fls) and o['end'] == 'corrupt'"
expect 1 "$flatstream" cat corrupt.fls
says err 'corrupt.fls: frame 191 at byte'
head -n "$(wc -l <out)" lines.txt | cmp -s - out || fail "cat prints what comes before the damage"
expect 0 "$flatstream" info xxh3.fls
says out '^  frames +300$'
says out 'smallest 1, median 3, 99 % 3, largest 3'
says out '#####'
expect 0 "$flatstream" info empty
says out 'clean'
expect 0 "$flatstream" verify --json empty
json "o['checksum'] == 'ambiguous' and o['frames'] == 0 and o['bytes'] == 0 and o['end'] == 'clean'"
expect 0 "$flatstream" cat empty
quiet out
quiet err
# All zeros fit several kinds, which read them differently.
head -c 8 /dev/zero >zeros
expect 0 "$flatstream" verify zeros
says err 'ambiguous: none, crc16, crc32 and xxh3 fit'
expect 2 "$flatstream" cat zeros
says err 'say --checksum'
expect 0 "$flatstream" cat --checksum crc32 zeros
expect 2 "$flatstream" write --append -o zeros two
# No kind fits.
printf 'x\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff' >nothing
expect 1 "$flatstream" verify --json nothing
json "o['checksum'] == 'unknown' and o['end'] == 'corrupt' and o['frames'] == 0 and o['error']['kind'] in ('invalid_frame', 'checksum_mismatch') and o['error']['frame'] == 0"
expect 1 "$flatstream" cat nothing
expect 1 "$flatstream" recover --truncate nothing
expect 1 "$flatstream" recover -o saved nothing
[ ! -e saved ] || fail "nothing intact, nothing saved"
# Several files: each is looked at, the gravest status wins.
expect 3 "$flatstream" verify --json xxh3.fls missing corrupt.fls none.fls
[ "$(wc -l <out)" = 4 ] || fail "one object a file"
sed -n 2p out >line && mv line out
json "o['file'] == 'missing' and o['error']['kind'] == 'io'"
quiet err
expect 1 "$flatstream" verify xxh3.fls corrupt.fls
expect 3 "$flatstream" verify missing
says err 'missing: .*No such file'
[ "$(cat out)" = 'missing: could not be read' ] || fail "what standard error says is said twice"
expect 3 "$flatstream" verify .
says err 'Is a directory'
expect 3 "$flatstream" cat missing
expect 3 "$flatstream" recover --json missing
json "o['error']['kind'] == 'io'"
if [ "$(id -u)" != 0 ]; then
    cp xxh3.fls secret && chmod 0 secret
    expect 3 "$flatstream" verify secret
    says err 'Permission denied'
fi
# Names.
name=$(printf 'q"\\\n\tz\xc3\xa9 \xff\xed\xa0\x80.fls')
cp xxh3.fls "$name"
expect 0 "$flatstream" verify --json -- "$name"
json 'o["file"] == "q\"\\\n\tz\u00e9 \ufffd\ufffd\ufffd\ufffd.fls"'
cp xxh3.fls ./-dash
expect 0 "$flatstream" verify -- -dash
# A foreign header.
(printf 'HEAD' && cat crc16.fls) >header.fls
expect 0 "$flatstream" verify --offset 4 --json header.fls
json "o['frames'] == 300 and o['good_offset'] == o['bytes'] + 4 and o['checksum'] == 'crc16'"
cat header.fls | "$flatstream" info --offset 4 --json - >out || fail "--offset of a pipe"
json "o['frames'] == 300 and o['good_offset'] == o['bytes'] + 4"
expect 0 "$flatstream" cat --offset 4 header.fls
same out lines.txt
expect 1 "$flatstream" verify --offset 100000 --json header.fls
json "o['error']['kind'] == 'unexpected_end' and o['end'] == 'corrupt'"
expect 1 "$flatstream" recover --truncate --offset 100000 header.fls
expect 0 "$flatstream" cat --offset 4 header.fls
head -c -1 header.fls >h.fls
expect 0 "$flatstream" recover --truncate --offset 4 h.fls
expect 0 "$flatstream" verify --offset 4 --json h.fls
json "o['frames'] == 299"

# --- hostile lengths: no memory is taken for them ------------------------------------------------
printf '\xff\xff\xff\xff\0\0\0\0\0\0\0\0hello' >h1
printf '\xff\xff\xff\x7f\0\0\0\0\0\0\0\0hello' >h2
for file in h1 h2; do
    for kind in auto $kinds; do
        for verb in verify cat info recover; do
            expect 1 bash -c "limit 100000; '$flatstream' $verb --checksum $kind $file"
            expect 1 bash -c "limit 100000; cat $file | '$flatstream' $verb --checksum $kind -"
            expect 1 bash -c "limit 100000; '$flatstream' $verb --max-frame 4G --checksum $kind $file"
        done
    done
done
expect 1 "$flatstream" verify --max-frame 1000 --json big.fls
json "o['error']['kind'] == 'invalid_frame' and o['error']['expected'] == 1000 and o['error']['found'] == 5000000"
expect 1 "$flatstream" verify --checksum xxh3 --max-frame 4K --json long.fls
json "o['frames'] == 2 and o['error']['kind'] == 'invalid_frame' and o['error']['expected'] == 4096 and o['error']['found'] == 65535 and o['end'] == 'corrupt'"

# --- recover -------------------------------------------------------------------------------------
head -c -1 crc32.fls >torn.fls
cp torn.fls before
expect 1 "$flatstream" recover torn.fls
same torn.fls before
expect 0 "$flatstream" recover torn.fls -o saved.fls
same torn.fls before
expect 0 "$flatstream" verify --json saved.fls
json "o['frames'] == 299 and o['end'] == 'clean'"
expect 2 "$flatstream" recover torn.fls -o saved.fls
says err 'it holds [0-9]+ bytes: --replace'
cat torn.fls | "$flatstream" recover - -o piped.fls >/dev/null || fail "recover - -o"
same piped.fls saved.fls
"$flatstream" recover torn.fls -o - >out || fail "recover -o -"
same out saved.fls
"$flatstream" recover - -o - <torn.fls >out || fail "recover - -o -"
same out saved.fls
expect 1 "$flatstream" recover corrupt.fls -o before-damage.fls
expect 0 "$flatstream" verify --json before-damage.fls
json "o['frames'] == 191"
cp corrupt.fls c.fls
expect 1 "$flatstream" recover --truncate c.fls
same c.fls corrupt.fls
says err 'nothing was cut; `flatstream recover -o NEW`'
# What was said is not said again.
[ "$(grep -c 'recover -o' err)" = 1 ] || fail "what was said is said again"
rm -f before-damage.fls
expect 1 "$flatstream" recover corrupt.fls -o before-damage.fls
says err 'salvage -o NEW'
grep -q 'recover -o' err && fail "recover -o was what was done"
head -c -1 xxh3.fls >t.fls
for name in t.fls $'two\nlines\x1b[31m.fls'; do
    cp t.fls "$name" 2>/dev/null
    expect 1 "$flatstream" verify "$name"
    says err '`flatstream recover --truncate` cuts'
    [ "$(head -n 1 out)" = "$(printf %s "$name" | sed -z 's/\n/\\x0a/; s/\x1b/\\x1b/'): torn" ] ||
        fail "the name on standard output: $(head -n 1 out)"
done
chmod 444 t.fls
if [ "$(id -u)" != 0 ]; then
    expect 3 "$flatstream" recover --truncate t.fls
elif command -v strace >/dev/null && strace -o trace true 2>/dev/null; then
    ASAN_OPTIONS=detect_leaks=0 expect 3 strace -qq -o trace -e inject=ftruncate:error=EIO \
        "$flatstream" recover --truncate t.fls
fi
grep -q 'recover --truncate` cuts' err && fail "recover --truncate was what failed"
rm -f t.fls
expect 0 "$flatstream" recover --truncate xxh3.fls
expect 0 "$flatstream" cat xxh3.fls
same out lines.txt
expect 0 "$flatstream" recover --json --truncate torn.fls
json "o['end'] == 'torn' and o['action'] == 'truncated'"
same torn.fls saved.fls
expect 3 "$flatstream" recover corrupt.fls -o no/such/folder
[ -z "$(ls -A | grep -E 'fls\.[A-Za-z0-9]{6}$')" ] || fail "a temporary file was left"
# What is no stream at all is not emptied.
cp lines.txt text
expect 2 "$flatstream" recover --truncate text
same text lines.txt
expect 2 "$flatstream" write --append --repair -o text two
same text lines.txt
# Nor is what begins with a small length, as other programs' files do: a recorder that goes on under
# its name keeps it.
gzip -nc lines.txt >gzip
cp gzip g
expect 2 "$flatstream" recover --truncate g
says err 'nothing was cut.*--checksum KIND.*remove'
says err 'perhaps it is no stream'
same g gzip
chmod 600 g
for n in 1 2; do
    expect 0 "$flatstream" write --append --repair -o g lines.txt
    says err "set aside as g.damaged-00000$n"
    same g.damaged-00000$n gzip
    [ "$(stat -c %a g.damaged-00000$n)" = 600 ] || fail "others may read what was set aside"
    cmp -s g <("$flatstream" write -o - lines.txt) || fail "the new stream"
    cp gzip g
done
expect 0 "$flatstream" write --append --repair --sync each -o g lines.txt
says err 'set aside as g.damaged-000003'
same g.damaged-000003 gzip
cp gzip g
expect 1 "$flatstream" write --append -o g two
same g gzip
expect 0 "$flatstream" recover --truncate --checksum crc32 g
[ -s g ] && fail "the kind was said"
same g.damaged-000004 gzip # the user may be wrong
printf '\5\0\0\0abc' >g # no more than a header
expect 0 "$flatstream" write --append --repair -o g /dev/null
says err 'cut a torn tail of 7 bytes'
printf '\5\0\0\0abc' >g
expect 0 "$flatstream" recover --truncate g
[ -e g.damaged-000005 ] && fail "a header is not kept"
# Zeros at the end.
for kind in $kinds; do
    (cat $kind.fls && head -c 1000 /dev/zero) >z.fls
    expect 0 "$flatstream" recover --zero-tail --truncate --checksum $kind z.fls
    same z.fls $kind.fls
done

# A pipe is a pipe, whatever it is called: also for the verbs that read it twice, or here and there.
rm -f pipe
mkfifo pipe
tail -n 2 lines.txt >last
for verb in "recover -o -" "salvage -o -" "tail -n 2"; do
    want=xxh3.fls
    [ "${verb%% *}" = tail ] && want=last
    # shellcheck disable=SC2086 # a verb is words
    {
        expect 0 "$flatstream" $verb <(cat xxh3.fls)
        same out $want
        expect 0 "$flatstream" $verb /dev/stdin < <(cat xxh3.fls)
        same out $want
        cat xxh3.fls >pipe &
        expect 0 "$flatstream" $verb pipe
        same out $want
        wait $!
    }
done
expect 2 "$flatstream" tail -f pipe

# --- the system fails ----------------------------------------------------------------------------
for verb in "cat xxh3.fls" "verify xxh3.fls" "info --json xxh3.fls" "recover xxh3.fls" "--help" \
    "write -o - lines.txt" "recover -o - xxh3.fls"; do
    expect 3 bash -c "'$flatstream' $verb >/dev/full"
    says err 'No space left'
    expect 3 bash -c "'$flatstream' $verb >&-"
done
expect 3 "$flatstream" write -o /dev/full lines.txt
says err '/dev/full: .*No space left'
expect 3 bash -c "'$flatstream' verify - <&-"
# A disk that fills up: whole frames stay, and the writing can go on.
for framer in simple vectored batched; do
    rm -f limited.fls
    expect 3 bash -c "ulimit -f 4; '$flatstream' write --framer $framer -o limited.fls --replace long lines.txt"
    says err 'File too large'
    expect 0 "$flatstream" verify limited.fls
done
# A reader that goes away.
seq 1 300000 | "$flatstream" write -o many.fls
for verb in "cat many.fls" "cat --as hex many.fls" "write -o - many.fls"; do
    bash -c "'$flatstream' $verb 2>err | head -c 1 >/dev/null; exit \${PIPESTATUS[0]}" 2>shell
    [ $? = 141 ] || fail "a closed pipe: $verb"
    quiet err
done

# --- signals -------------------------------------------------------------------------------------
for signal in INT:130 TERM:143 HUP:129; do
    rm -f live.fls
    (while echo hello && sleep 0.02; do :; done) 2>/dev/null | "$flatstream" write -o live.fls --replace 2>err &
    pid=$!
    until_true holds live.fls 60
    kill -${signal%:*} $pid
    wait $pid
    [ $? = "${signal#*:}" ] || fail "exit status after SIG${signal%:*}"
    says err 'interrupted: [0-9]+ messages'
    expect 0 "$flatstream" verify --json live.fls
    json "o['end'] == 'clean' and o['frames'] > 3 and o['payload_bytes'] == 5 * o['frames']"
done
# One that waits for input, and gets none.
mkfifo silent
exec 9<>silent
"$flatstream" write -o live.fls --replace silent 2>err &
pid=$!
until_true waits $pid
kill -INT $pid
wait $pid
[ $? = 130 ] || fail "SIGINT while waiting for input"
exec 9>&-
# In the middle of fast work.
(yes 'a line of a message' | head -n 200000000) 2>/dev/null | "$flatstream" write -o fast.fls 2>err &
pid=$!
until_true holds fast.fls 1000000
kill -INT $pid
wait $pid
[ $? = 130 ] || fail "SIGINT in full flight"
expect 0 "$flatstream" verify --json fast.fls
json "o['end'] == 'clean' and o['frames'] > 1000"
rm -f fast.fls

# A live pipe: messages are passed on before the input ends.
mkfifo live-in
"$flatstream" write -o - <live-in | "$flatstream" cat - >live-out &
pid=$!
exec 8>live-in
echo now >&8
for try in $(seq 50); do
    [ -s live-out ] && break
    sleep 0.1
done
says live-out '^now$'
exec 8>&-
wait $pid

# --- progress, and descriptors that do not block -------------------------------------------------
! has_terminals progress, non-blocking descriptors ||
    python3 - "$flatstream" <<'PY' || fail "progress or non-blocking descriptors"
import os, pty, subprocess, sys, time, fcntl
tool = sys.argv[1]
line = b"x" * 999 + b"\n"

def flags(fd, on):
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)

# Progress appears on a terminal, after a second, and is taken away.
master, slave = pty.openpty()
work = subprocess.Popen([tool, "write", "-o", "progress.fls"], stdin=subprocess.PIPE, stderr=slave)
os.close(slave)
until = time.time() + 1.6
while time.time() < until:
    work.stdin.write(line * 100)
    work.stdin.flush()
    time.sleep(0.05)
work.stdin.close()
assert work.wait() == 0
shown = os.read(master, 65536)
assert b"/s" in shown and shown.endswith(b"\r\x1b[K"), shown

# Short work shows nothing.
master, slave = pty.openpty()
assert subprocess.run([tool, "verify", "progress.fls"], stderr=slave,
                      stdout=subprocess.DEVNULL).returncode == 0
os.close(slave)
os.set_blocking(master, False)
try:
    assert os.read(master, 100) == b""
except OSError:
    pass

# Non-blocking standard input and output.
messages = b"".join(b"%d\n" % i for i in range(200000))
for verb in (["write", "-o", "-"], ["write", "--framer", "vectored", "-o", "-"]):
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    flags(in_read, True)
    flags(out_write, True)
    first = subprocess.Popen([tool, *verb], stdin=in_read, stdout=out_write)
    flags(out_read, True)
    back_read, back_write = os.pipe()
    flags(back_write, True)
    second = subprocess.Popen([tool, "cat", "-"], stdin=out_read, stdout=back_write)
    for fd in (in_read, out_write, out_read, back_write):
        os.close(fd)
    if os.fork() == 0:
        os.close(back_read)
        with os.fdopen(in_write, "wb") as f:
            f.write(messages[:1000])
            f.flush()
            time.sleep(0.3)
            f.write(messages[1000:])
        os._exit(0)
    os.close(in_write)
    time.sleep(0.2)
    with os.fdopen(back_read, "rb") as f:
        got = f.read()
    assert first.wait() == 0 and second.wait() == 0
    assert got == messages, (len(got), len(messages))
    os.wait()
PY
checks=$((checks + 1))

# --- flat memory ---------------------------------------------------------------------------------
expect 0 bash -c "limit 60000; yes 'one more line' | head -n 6000000 | '$flatstream' write -o - | '$flatstream' verify --json -"
json "o['frames'] == 6000000 and o['end'] == 'clean'"

# --- bench ---------------------------------------------------------------------------------------
expect 0 "$flatstream" bench --seconds 1 --quick --sizes 64,1K --checksum xxh3
for row in memcpy 'write, simple' 'write, vectored' 'write, batched' 'read ' 'through a pipe' \
    'hand-over, --async'; do
    says out "^\| $row.*[0-9] ns +[0-9]+ MB/s"
done
says out '1024 bytes a message'
expect 3 "$flatstream" bench --quick --dir no/such/folder
expect 0 "$flatstream" bench --seconds 1 --quick --sizes 100 --checksum none --dir . --disk-bytes 5000001
says out '^\| 5 MiB, then fdatasync +\|'
for row in 'write\(2\), 256 KiB blocks' 'write  '; do
    says out "^\| $row *\| +[0-9]+ \| +[0-9.]+ \|$"
done
says out '^\| write --io uring --direct +\| +([0-9]+|-) \|'
[ -z "$(find . -name 'flatstream-bench*')" ] || fail "bench left a file"
expect 0 "$flatstream" bench --seconds 1 --quick --sizes 100 --checksum none --dir . --disk-bytes 0
grep -q fdatasync out && fail "bench --disk-bytes 0 went to the disk"
[ -s err ] && fail "progress, but no terminal"
! has_terminals progress of bench ||
    python3 - "$flatstream" <<'PY' || fail "bench shows no progress on a terminal"
import os, pty, re, sys
pid, fd = pty.fork()
if pid == 0:
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    os.execv(sys.argv[1], [sys.argv[1], "bench", "--seconds", "2", "--sizes", "64",
                           "--checksum", "none"])
shown = b""
try:
    while block := os.read(fd, 4096):
        shown += block
except OSError: # its end is closed
    pass
assert os.waitpid(pid, 0)[1] == 0, shown
assert re.search(rb"bench: +[0-9]+ %  done, [0-9]+ s left", shown), shown
assert shown.endswith(b"\r\x1b[K"), shown # and takes it away again
PY
expect 2 "$flatstream" bench --disk-bytes 1M

finish
