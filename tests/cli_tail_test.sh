#!/bin/bash
# `flatstream tail`: the last messages of files, series and pipes, and following them. Run by ctest
# with FLATSTREAM.
. "$(dirname "$0")/cli_support.sh"

# until_lines N FILE: waits until it has so many.
until_lines() {
    for _ in $(seq 1 400); do
        [ "$(wc -l <"$2")" -ge "$1" ] && return 0
        sleep 0.05
    done
    fail "$2 has $(wc -l <"$2") lines, not $1"
}

# --- the last N, whatever N, whatever the stream ---------------------------------------------------
seq 1 20000 >lines
"$flatstream" write -o plain.fls lines
"$flatstream" write -o indexed.fls lines
"$flatstream" index indexed.fls >out 2>err
part=0
for from in 1 5001 5011 9000 20000; do # segments of very different sizes
    part=$((part + 1))
    next=$(echo "5001 5011 9000 20000 20001" | cut -d' ' -f$part)
    sed -n "${from},$((next - 1))p" lines | "$flatstream" write -o "$(printf 'series-%06d.fls' $((part * 2)))"
done
"$flatstream" write -o series-000009.fls /dev/null
for file in plain.fls indexed.fls series.fls; do
    for n in 0 1 2 9 10 11 4095 4096 4097 8193 11000 15001 19999 20000 20001 999999; do
        expect 0 "$flatstream" tail -n $n $file
        tail -n $n lines >want
        same out want
        expect 0 "$flatstream" tail --count +$n $file
        tail -n +$n lines >want
        same out want
    done
    expect 0 "$flatstream" tail $file
    tail lines >want
    same out want
done
# shellcheck disable=SC2002 # a pipe is meant
cat plain.fls | "$flatstream" tail -n 3 - >out
tail -n 3 lines >want
same out want
expect 0 "$flatstream" tail -n 3 - <plain.fls
same out want
expect 0 "$flatstream" tail -n 2 --as hex plain.fls
says out '^frame 19998 at byte [0-9]+: 5 bytes$'
"$flatstream" cat --from 19998 --as hex plain.fls >want
same out want

# The end of an indexed file is reached without reading it.
if command -v strace >/dev/null && strace -o trace true 2>err; then
    strace -f -e trace=read,pread64,readv,preadv -o trace "$flatstream" tail -n 3 indexed.fls >out
    same out <(tail -n 3 lines)
    bytes=$(sed -nE 's/.* = ([0-9]+)$/\1/p' trace | awk '{ sum += $1 } END { print sum }')
    # the index, a sample of the beginning to find out the kind, and the end
    [ "$bytes" -lt 700000 ] || fail "it read $bytes bytes"
fi

# An index that is not sound is not followed.
cp indexed.fls.idx plain.fls.idx
printf 'damaged!' | dd of=plain.fls.idx bs=1 seek=40 conv=notrunc 2>err
expect 0 "$flatstream" tail -n 3 plain.fls
same out <(tail -n 3 lines)
says err 'index'
rm plain.fls.idx

# --- damage and wrong usage ------------------------------------------------------------------------
head -c $(($(stat -c %s plain.fls) - 2)) plain.fls >torn.fls
expect 1 "$flatstream" tail -n 2 torn.fls
same out <(sed -n 19998,19999p lines)
says err 'ends after 3 of 5 bytes'
expect 3 "$flatstream" tail nosuch.fls
expect 2 "$flatstream" tail
expect 2 "$flatstream" tail -n x plain.fls
expect 2 "$flatstream" tail -f -
expect 2 "$flatstream" tail --as json plain.fls
expect 1 "$flatstream" tail lines
: >empty.fls
expect 0 "$flatstream" tail empty.fls
[ -s out ] && fail "an empty file has messages"

# --- following -------------------------------------------------------------------------------------
# Nothing is there yet; then a segment, half a frame, another segment. --checksum is found out.
"$flatstream" tail -f -n 5 live.fls >out 2>err &
follower=$!
until_true waits $follower
head -n 100 lines | "$flatstream" write -o live-000001.fls
until_lines 100 out
sed -n 101,200p lines | "$flatstream" write -o next
head -c 700 next >live-000002.fls
until_lines 145 out
tail -c +701 next >>live-000002.fls
until_lines 200 out
head -c 7 next >live-000003.fls # a header, half of it; nothing shows when it has been seen
sleep 0.2
kill -TERM $follower
wait $follower || fail "a stopped follower's exit status"
same out <(head -n 200 lines)
[ -s err ] && fail "a stopped follower complains"

# From what is there on; SIGINT.
rm live-000003.fls
"$flatstream" tail -f -n 3 live.fls >out 2>err &
follower=$!
until_lines 3 out
sed -n 201,203p lines | "$flatstream" write -o live-000003.fls
until_lines 6 out
kill -INT $follower
wait $follower || fail "a stopped follower's exit status"
same out <(sed -n 198,203p lines)

# A journal that is cut and goes on under it, in one file.
head -n 10 lines | "$flatstream" write -o cut.fls
"$flatstream" tail -f -n 0 cut.fls >out 2>err &
follower=$!
until_true waits $follower
printf '\x40\x00\x00\x00half of a frame' >>cut.fls
sleep 0.2
sed -n 11,20p lines | "$flatstream" write -o cut.fls --append --repair 2>cuterr
says cuterr 'torn tail'
until_lines 10 out
kill -TERM $follower
wait $follower
same out <(sed -n 11,20p lines)

# A plain file that is removed, or replaced, is not waited for without a word.
for way in removed replaced; do
    head -n 10 lines | "$flatstream" write -o away.fls --replace
    timeout 20 "$flatstream" tail -f -n 3 away.fls >out 2>err &
    follower=$!
    until_lines 3 out
    if [ $way = removed ]; then
        rm away.fls
    else
        "$flatstream" write -o other.fls lines
        mv other.fls away.fls
    fi
    wait $follower
    got=$?
    [ $got = 3 ] || fail "$way: exit $got"
    says err "^flatstream: away.fls: .*follow: $way"
    same out <(sed -n 8,10p lines)
done

# A torn tail with a segment behind it, and a segment that is gone, end it with an error.
printf '\x40\x00\x00\x00half' >>live-000002.fls
"$flatstream" tail -f -n +1 live.fls >out 2>err
[ $? = 1 ] || fail "a torn tail inside a series"
says err 'live-000002.fls'
same out <(head -n 200 lines)

# Every verb reads a series, and says in which segment it is damaged.
expect 1 "$flatstream" verify live.fls
says err 'byte [0-9]+ of live-000002.fls'
expect 1 "$flatstream" cat live.fls
says err 'byte [0-9]+ of live-000002.fls'
same out <(head -n 200 lines)
expect 0 "$flatstream" recover live.fls -o whole.fls
"$flatstream" cat whole.fls >out
same out <(head -n 200 lines)
expect 2 "$flatstream" recover --truncate live.fls
says err 'live-000002.fls'
expect 0 "$flatstream" recover --truncate live-000002.fls
expect 0 "$flatstream" verify live.fls
expect 1 "$flatstream" cat --offset 99999999 live.fls
says err 'the input ends at byte'

# A reader that goes away.
(yes | head -n 100000 | "$flatstream" write -o many.fls) 2>err
"$flatstream" tail -n 100000 many.fls | head -n 1 >out
[ "${PIPESTATUS[0]}" = 141 ] || fail "a reader that goes away"

finish
