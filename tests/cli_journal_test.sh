#!/bin/bash
# `flatstream write` as a recorder: rotation by size, number and SIGHUP, limits, sync, index, one
# writer at a time, crashes. FLS_CHECK=1 crashes it more often. Run by ctest with FLATSTREAM.
FLS_SCRATCH_IN=/var/tmp
. "$(dirname "$0")/cli_support.sh"

# until_true COMMAND...: waits for it.
count() { find . -maxdepth 1 -name "$1" | wc -l; }

# --- rotation --------------------------------------------------------------------------------------
seq 1 100000 >lines
expect 0 "$flatstream" write -o m.fls --rotate-messages 10000 lines
[ "$(count 'm-0000??.fls')" = 10 ] || fail "$(count 'm-0000??.fls') segments, not 10"
expect 0 "$flatstream" cat m.fls
same out lines
expect 0 "$flatstream" cat m-000003.fls
same out <(sed -n 20001,30000p lines)
# Segments that lack in the middle are told, and are damage; those before the first are not.
expect 0 "$flatstream" write -o gap.fls --rotate-messages 10000 lines
rm gap-000001.fls gap-000002.fls
expect 0 "$flatstream" verify gap.fls
[ ! -s err ] || fail "what was deleted from the front: $(cat err)"
says out '^gap.fls: intact$'
rm gap-000005.fls
expect 1 "$flatstream" verify gap.fls
says err '^flatstream: gap.fls: segment 5 is missing'
says out '^gap.fls: intact, but segments are missing$'
rm gap-000007.fls gap-000008.fls
expect 1 "$flatstream" verify --json gap.fls
says err '^flatstream: gap.fls: segments 5, 7 to 8 are missing'
[ "$(grep -c missing err)" = 1 ] || fail "said again: $(cat err)"
says out '"missing_segments":3,"error":null'
for verb in info cat; do
    expect 0 "$flatstream" $verb gap.fls
    says err '^flatstream: gap.fls: segments 5, 7 to 8 are missing'
    [ "$(grep -c missing err)" = 1 ] || fail "said again: $(cat err)"
done
same <("$flatstream" cat gap.fls 2>err) <(sed -n '20001,40000p;50001,60000p;80001,$p' lines)
expect 0 "$flatstream" tail -n 1 gap.fls
[ "$(cat out)" = 100000 ] || fail "the last: $(cat out)"

# A blank line is a message under xxh3. Under the others a journal takes none: it is named, and no
# mistake of how the command was called.
printf 'a\n\nb\n' >blank
expect 0 "$flatstream" write -o blank-xxh3.fls --sync each blank
expect 0 "$flatstream" cat blank-xxh3.fls
same out blank
for kind in none crc16 crc32; do
    expect 1 "$flatstream" write -o blank-$kind.fls --checksum $kind --sync each blank
    says err "^flatstream: blank: line 2 is empty, and a journal under $kind .*xxh3"
    expect 0 "$flatstream" cat --checksum $kind blank-$kind.fls
    [ "$(cat out)" = a ] || fail "what came before it: $(cat out)"
done
printf '\1\0\0\0a\0\0\0\0' >blank.sized
expect 1 "$flatstream" write -o blank-sized.fls --from sized --checksum crc32 --sync each blank.sized
says err 'blank.sized: record 2 is empty'
: >blank.file
expect 1 "$flatstream" write -o blank-file.fls --from files --checksum crc32 --sync each blank.file
says err 'blank.file: it is empty'

# On a terminal it says how often, and the longest pause; elsewhere nothing.
expect 0 "$flatstream" write -o quiet.fls --rotate-messages 10000 lines
[ ! -s err ] || fail "it speaks: $(cat err)"
cat >terminal.py <<'END'
import os, pty, subprocess, sys
ours, theirs = pty.openpty()
write = subprocess.Popen(sys.argv[1:], stderr=theirs)
os.close(theirs)
text = b""
try:
    while part := os.read(ours, 65536):
        text += part
except OSError: # its other end is closed
    pass
print(text.decode())
sys.exit(write.wait())
END
if has_terminals how often a recorder rotated; then
    expect 0 python3 terminal.py "$flatstream" write -o loud.fls --rotate-messages 10000 lines
    says out "loud.fls: rotated $(($(count 'loud-*.fls') - 1)) times; the longest pause [0-9]+\.[0-9] ms"
    expect 0 python3 terminal.py "$flatstream" write -o one-only.fls --rotate-bytes 1G lines
    grep -q rotated out && fail "no rotation was none"
fi
expect 0 "$flatstream" write -o b.fls --rotate-bytes 100K --preallocate 1M lines
for segment in b-*.fls; do
    [ "$(stat -c %s "$segment")" -le 102400 ] || fail "$segment is too large"
    expect 0 "$flatstream" verify "$segment"
done
expect 0 "$flatstream" cat b.fls
same out lines
expect 0 "$flatstream" write -o k.fls --rotate-messages 10000 --keep 3 lines
[ "$(count 'k-*.fls')" = 3 ] || fail "--keep 3 keeps $(count 'k-*.fls')"
expect 0 "$flatstream" cat k.fls
same out <(tail -n 30000 lines)
expect 0 "$flatstream" write -o kb.fls --rotate-bytes 100K --keep-bytes 300K lines
bytes=$(cat kb-*.fls | wc -c)
((bytes <= 307200 && bytes > 100000)) || fail "--keep-bytes keeps $bytes"
expect 0 "$flatstream" cat kb.fls
same out <(tail -n "$(wc -l <out)" lines)
(
    head -n 10 lines
    sleep 1.5
    sed -n 11,20p lines
) | "$flatstream" write -o s.fls --rotate-seconds 1
[ "$(count 's-*.fls')" -ge 2 ] || fail "--rotate-seconds did not"
expect 0 "$flatstream" cat s.fls
same out <(head -n 20 lines)

# A series is gone on with, also when nothing is said of segments; never replaced.
expect 2 "$flatstream" write -o m.fls --rotate-messages 10000 lines
says err 'append'
expect 0 "$flatstream" write -o m.fls --append lines
expect 0 "$flatstream" cat m.fls
same out <(cat lines lines)

# --- SIGHUP under load loses nothing ---------------------------------------------------------------
# The recorder is asked to rotate as often as it can be while it writes.
mkfifo pipe
"$flatstream" write -o hup.fls --rotate-bytes 1G - <pipe 2>hup.err &
writer=$!
seq 1 3000000 >pipe &
until_true test -s hup-000001.fls
for _ in $(seq 1 40); do
    kill -HUP $writer 2>out || break
    sleep 0.02
done
wait $writer || fail "the recorder's exit status"
cat hup.err >&2
[ "$(count 'hup-*.fls')" -ge 3 ] || fail "SIGHUP made $(count 'hup-*.fls') segments"
echo "SIGHUP under load: $(count 'hup-*.fls') segments"
"$flatstream" cat hup.fls | cmp -s - <(seq 1 3000000) || fail "SIGHUP lost something"
# while it waits for its input, too; and one file has no segments
mkfifo held
"$flatstream" write -o idle.fls --rotate-bytes 1G held &
writer=$!
exec 8>held
echo one >&8
until_true test -s idle-000001.fls
kill -HUP $writer
until_true test -e idle-000002.fls
echo two >&8
exec 8>&-
wait $writer
[ "$(count 'idle-*.fls')" = 2 ] || fail "SIGHUP while it waits made $(count 'idle-*.fls') segments"
expect 0 "$flatstream" cat idle.fls
same out <(printf 'one\ntwo\n')
# without segments it ends the recorder, as it always did
"$flatstream" write -o one.fls held 2>one.err &
writer=$!
exec 8>held
echo one >&8
until_true test -s one.fls
kill -HUP $writer
wait $writer
[ $? = 129 ] || fail "SIGHUP without segments"
exec 8>&-

# --- sync, index -----------------------------------------------------------------------------------
head -n 300 lines >few
for sync in none each messages:10 bytes:1K ms:5; do
    expect 0 "$flatstream" write -o "sync-$sync.fls" --sync $sync few
    expect 0 "$flatstream" cat "sync-$sync.fls"
    same out few
done
if command -v strace >/dev/null && strace -o trace true 2>err; then
    strace -f -c -e trace=fdatasync,fsync -o trace "$flatstream" write -o traced.fls --sync messages:10 few
    calls=$(awk '/fdatasync/ { print $4 }' trace)
    ((${calls:-0} >= 30 && calls <= 40)) || fail "--sync messages:10 of 300 synced ${calls:-0} times"
fi
expect 0 "$flatstream" write -o ix.fls --rotate-messages 25000 --index lines
[ "$(count 'ix-*.fls.idx')" = 4 ] || fail "$(count 'ix-*.fls.idx') indices, not 4"
for segment in ix-*.fls; do
    expect 0 "$flatstream" index --check "$segment"
done
expect 0 "$flatstream" tail -n 60000 ix.fls
same out <(tail -n 60000 lines)

# --- one writer at a time --------------------------------------------------------------------------
for way in "--append" "--append --sync none" "--append --io uring" "--append --async"; do
    rm -f two*.fls
    head -n 5 lines | "$flatstream" write -o two.fls
    cp two.fls before.fls
    mkfifo hold
    # shellcheck disable=SC2086 # a way is words
    "$flatstream" write -o two.fls $way - <hold 2>hold.err &
    holder=$!
    exec 7>hold
    until_true test -s two.fls.lock
    # shellcheck disable=SC2086
    expect 3 "$flatstream" write -o two.fls $way lines
    says err "pid $holder"
    cmp -s two.fls before.fls || fail "$way: the second writer wrote"
    # not even what looks like a torn tail is touched by the second
    expect 3 "$flatstream" write -o two.fls --append --repair lines
    echo six >&7
    exec 7>&-
    wait $holder || fail "$way: the first writer failed: $(cat hold.err)"
    rm hold
    [ -e two.fls.lock ] && fail "$way: the lock is left"
    expect 0 "$flatstream" cat two.fls
    same out <(head -n 5 lines; echo six)
done

# --- nor is one that is written replaced, cut, or written by another name ---------------------------
head -n 5 lines | "$flatstream" write -o held.fls --rotate-messages 2
for way in "held.fls --append" "plain.fls --replace" "plain.fls --append --sync none" "plain.fls --append"; do
    # shellcheck disable=SC2086
    set -- $way
    written=$1
    [ "$written" = plain.fls ] && head -n 5 lines | "$flatstream" write -o plain.fls --replace
    [ "$written" = held.fls ] && written=held-000003.fls
    mkfifo hold
    # shellcheck disable=SC2086
    "$flatstream" write -o $way - <hold 2>hold.err &
    holder=$!
    exec 7>hold
    until_true test -s "$1.lock"
    echo first >&7
    until_true grep -q first $written
    ln -s $written symbolic.fls
    ln $written hard.fls
    cp $written before.fls
    for other in $written symbolic.fls hard.fls; do
        expect 3 "$flatstream" write -o $other lines
        [ $other = $written ] && says err "pid $holder"
        expect 3 "$flatstream" write -o $other --append lines
        expect 3 "$flatstream" write -o $other --append --repair lines
        expect 3 "$flatstream" write -o $other --append --io uring lines
        expect 3 "$flatstream" write -o $other --append --sync none lines
    done
    cmp -s $written before.fls || fail "$way: the second writer wrote"
    # what looks torn from outside is what the first is about to finish
    head -c 3 before.fls >>$written
    expect 3 "$flatstream" recover --truncate --checksum xxh3 hard.fls
    says err 'another writer holds'
    expect 3 "$flatstream" recover --truncate --checksum xxh3 $written
    says err "pid $holder"
    expect 3 "$flatstream" write -o hard.fls --append --repair lines
    expect 3 "$flatstream" write -o symbolic.fls --append --sync none --repair lines
    [ "$(stat -c %s $written)" = "$(($(stat -c %s before.fls) + 3))" ] || fail "$way: it was cut"
    truncate -s -3 $written
    exec 7>&-
    wait $holder || fail "$way: the first writer failed: $(cat hold.err)"
    [ "$(count '*.lock')$(count '*damaged*')" = 00 ] || fail "$way: something is left"
    rm hold symbolic.fls hard.fls
    expect 0 "$flatstream" cat $1
    says out first
done
# --- a plain file beside segments would make them unreadable ---------------------------------------
head -n 5 lines | "$flatstream" write -o beside.fls --rotate-messages 2
for way in "" "--sync none" "--rotate-messages 2" "--io uring"; do
    # shellcheck disable=SC2086
    expect 2 "$flatstream" write -o beside.fls $way lines
    says err 'it holds [0-9]+ bytes: --append goes on with it'
    [ "$(count 'beside*')" = 3 ] || fail "$way: $(ls beside*)"
done
expect 0 "$flatstream" write -o beside.fls --append few
expect 0 "$flatstream" cat beside.fls
same out <(head -n 5 lines; cat few)

# --- a first frame that has lost its end to zeros is not one without a checksum --------------------
for kind in crc32 xxh3; do
    seq 1 30 | tr -d '\n' | "$flatstream" write -o zeros.fls --checksum $kind
    size=$(stat -c %s zeros.fls)
    truncate -s 40 zeros.fls
    truncate -s "$size" zeros.fls
    cp zeros.fls before.fls
    for way in "" "--sync none"; do
        # shellcheck disable=SC2086
        expect 2 "$flatstream" write -o zeros.fls --append --repair $way few
        says err ambiguous
        cmp -s zeros.fls before.fls || fail "$kind $way: it was written to"
    done
done

# A device, or a name of an open file, gets no file beside it.
expect 0 "$flatstream" write -o /dev/null lines
expect 0 "$flatstream" write -o /dev/stdout few
mv out stdout.fls
expect 0 "$flatstream" cat stdout.fls
same out few

# --- kill -9, then --append --repair goes on -------------------------------------------------------
# Each round's recorder is killed at a random moment. What is there is a prefix of what it was given,
# and the next round goes on behind it.
rounds=8
[ -n "${FLS_CHECK:-}" ] && rounds=100
: >given
for round in $(seq 1 $rounds); do
    seq -f "$round %.0f" 1 2000000 | "$flatstream" write -o crash.fls --append --repair \
        --rotate-bytes 3M --index - 2>crash.err &
    pipe_end=$!
    until_true test -e crash.fls.lock
    sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
    kill -9 $pipe_end 2>out
    wait $pipe_end 2>out
    [ -s crash.err ] && ! grep -q 'torn tail' crash.err && fail "round $round: $(head -1 crash.err)"
done
expect 0 "$flatstream" write -o crash.fls --append --repair few
expect 0 "$flatstream" verify crash.fls
"$flatstream" cat crash.fls >out
python3 - "$rounds" <<'END' || fail "the messages of the killed recorders"
import sys
last, expected, rounds = 0, 0, set()
lines = open("out").read().splitlines()
assert lines[-300:] == open("few").read().splitlines()
for line in lines[:-300]:
    turn, number = map(int, line.split())
    assert turn >= last, (turn, last)
    expected = expected + 1 if turn == last else 1
    assert number == expected, (turn, number, expected)
    last = turn
    rounds.add(turn)
print("killed %s times: %d messages of %d recorders, none lost between, none twice"
      % (sys.argv[1], len(lines) - 300, len(rounds)))
assert rounds
END

# --- wrong usage -----------------------------------------------------------------------------------
expect 2 "$flatstream" write -o - --sync each lines
expect 2 "$flatstream" write -o x.fls --sync often lines
expect 2 "$flatstream" write -o x.fls --sync messages:0 lines
expect 2 "$flatstream" write -o x.fls --keep 3 lines
expect 2 "$flatstream" write -o x.fls --rotate-bytes 0 lines
expect 2 "$flatstream" write -o x.fls --rotate-bytes 1M --async lines
expect 2 "$flatstream" write -o x.fls --key at lines
expect 2 "$flatstream" write -o one.fls --append --rotate-bytes 1M lines # a plain file stays one
head -n 5 lines | "$flatstream" write -o torn-000001.fls
printf 'x' >>torn-000001.fls
expect 1 "$flatstream" write -o torn.fls --append lines
says err 'repair'
expect 0 "$flatstream" write -o torn.fls --append --repair few
says err 'cut a torn tail of 1 bytes'
expect 0 "$flatstream" cat torn.fls
same out <(head -n 5 lines; cat few)

finish
