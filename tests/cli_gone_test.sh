#!/usr/bin/env bash
# cli_gone_test.sh: a recorder whose file is deleted, renamed, replaced or cut short meanwhile ends
# with an error that names the file; a series' errors name the segment, the frame and the byte in it;
# and a recorder that is run again is told how to go on. Run by ctest with FLATSTREAM.
. "$(dirname "${BASH_SOURCE[0]}")/cli_support.sh"

# record DEED FILE OPTION...: a recorder, what is done to FILE while it waits, its end in $status.
record() {
    local deed=$1 file=$2 recorder
    shift 2
    rm -rf fifo away ./*.fls ./*.fls.*
    mkfifo fifo
    "$flatstream" write -o s.fls "$@" <fifo 2>err &
    recorder=$!
    exec 5>fifo
    printf 'one\ntwo\nthree\n' >&5
    until_true holds "$file" 40
    case $deed in
    remove) rm "$file" ;;
    rename) mv "$file" away ;;
    replace) ln "$file" away && : >new && mv new "$file" ;;
    cut) truncate -s 10 "$file" ;;
    copytruncate) cp "$file" away && truncate -s 0 "$file" ;;
    esac
    printf 'four\n' >&5
    exec 5>&-
    wait $recorder
    status=$?
    checks=$((checks + 1))
}

words() {
    case $1 in
    remove) echo 'was deleted while it was written' ;;
    rename) echo 'was renamed while it was written' ;;
    replace) echo 'was replaced while it was written' ;;
    *) echo 'was cut short while it was written: [0-9]+ of [0-9]+ bytes gone' ;;
    esac
}

for deed in none remove rename replace cut copytruncate; do
    for way in "" "--async" "--append" "--framer vectored" "--sync each" "--sync ms:5" "--append --sync none"; do
        # shellcheck disable=SC2086 # a way is options or none
        record $deed s.fls $way
        [ $status = $([ $deed = none ] && echo 0 || echo 3) ] || fail "$deed '$way': exit $status"
        [ $deed = none ] || says err "s.fls $(words $deed)"
    done
    for way in "--rotate-messages 100" "--rotate-messages 4 --keep 2" "--rotate-seconds 3600 --sync each"; do
        # shellcheck disable=SC2086
        record $deed s-000001.fls $way --sync none
        [ $status = $([ $deed = none ] && echo 0 || echo 3) ] || fail "$deed '$way': exit $status"
        [ $deed = none ] || says err "s-000001.fls $(words $deed)"
    done
done
# Copied and emptied: what comes next stands at the file's beginning, behind no hole.
record copytruncate s.fls
expect 0 "$flatstream" cat s.fls
says out '^four$'
expect 0 "$flatstream" cat away
same out <(printf 'one\ntwo\nthree\n')

# Where in a series.
rm -rf ./*.fls away
seq 20 | "$flatstream" write -o s.fls --rotate-messages 5 --sync none
printf '\377' | dd of=s-000003.fls bs=1 seek=$((2 * (12 + 2) + 12)) conv=notrunc status=none
for verb in cat verify info; do
    expect 1 "$flatstream" $verb s.fls
    says err "frame 2 at byte 28 of s-000003.fls"
done
for verb in verify info recover; do
    expect 1 "$flatstream" $verb --json s.fls
    says out '"frame":12,"offset":[0-9]+,.*"segment":{"file":"s-000003.fls","frame":2,"offset":28}'
    expect 1 "$flatstream" $verb s.fls
    says out '^  in        frame 2 at byte 28 of s-000003.fls$'
done
expect 1 "$flatstream" slice --from 1 s.fls -o sliced.fls
says err 'frame 2 at byte 28 of s-000003.fls; the slice ends there$'
expect 1 "$flatstream" convert --to crc32 s.fls -o converted.fls --replace
says err 'frame 2 at byte 28 of s-000003.fls'
expect 0 "$flatstream" verify --json s-000001.fls
grep -q '"segment"' out && fail "a plain file has no segments"
rm -f sliced.fls converted.fls
printf '\377' | dd of=s-000004.fls bs=1 seek=$((3 * (12 + 2) + 12)) conv=notrunc status=none
expect 1 "$flatstream" write -o s.fls --append --sync none /dev/null
says err 'frame 3 at byte 42: .*in s-000004.fls'
expect 1 "$flatstream" tail -n 3 s.fls
says err 's-000004.fls: frame 3 at byte 42'

# Run again, without --append: the line that goes on is said, for a shell, whatever is in it.
again() {
    checks=$((checks + 1))
    (
        PATH=$(dirname "$flatstream"):$PATH
        eval "$(sed -n 's/^flatstream: to go on with it: //p' err)"
    ) >out 2>again.err && grep -q 'to go on with it' err || fail "the line that was said does not go on: $(cat err again.err)"
}
odd="odd 'name' \$HOME; \"x\"
\303\244.fls"
odd=$(printf '%b' "$odd")
seq 6 8 >more
seq 8 >eight
options=(--rotate-messages 2 --keep=9 --sync ms:50 --index --checksum crc32 --max-frame 1M)
for name in s.fls "$odd" -x.fls; do
    for count in 2 10; do
        rm -f ./*.fls ./*.idx
        way=("${options[@]:0:$count}")
        seq 5 | "$flatstream" write --output="$name" "${way[@]}"
        expect 2 "$flatstream" write "${way[@]}" --output="$name" -- more
        again
        expect 0 "$flatstream" cat -- "$name"
        same out eight
        [ "$(find . -name '*-0*.fls' | wc -l)" -ge 4 ] || fail "it was not rotated on"
    done
done
rm -f ./*.fls ./*.idx
seq 5 | "$flatstream" write -o s.fls --rotate-messages 2
expect 2 "$flatstream" write -o s.fls /dev/null
says err 'to rotate on, say the --rotate-'
seq 5 | "$flatstream" write -o plain.fls
expect 2 "$flatstream" write -o plain.fls more
again
expect 0 "$flatstream" cat plain.fls
same out eight
# what --append itself refuses is not advised again
expect 2 "$flatstream" write -o plain.fls --append --checksum crc16 more
grep -q 'to go on' err && fail "--append is advised to who said it"

# Over a round number, read and followed.
rm -f ./*.fls
printf 'x\n' | "$flatstream" write -o s-999998.fls
seq 6 | "$flatstream" write -o s.fls --append --rotate-messages 1
[ -e s-1000001.fls ] || fail "the numbers do not go on"
expect 0 "$flatstream" cat s.fls
same out <(echo x && seq 6)
"$flatstream" tail -f -n +0 s.fls >tailed 2>err &
tail=$!
seq 7 9 | "$flatstream" write -o s.fls --append --rotate-messages 1
lines() { [ "$(wc -l <tailed)" -ge "$1" ]; }
until_true lines 10
kill -TERM $tail
wait $tail
same tailed <(echo x && seq 9)

# A segment that goes while it is read, before the frames in it are counted: the byte is said still,
# and why the frame is not.
for verb in cat "tail -n +0"; do
    rm -rf ./*.fls fifo
    mkfifo fifo
    seq 200000 | "$flatstream" write -o g.fls --rotate-messages 100000
    printf '\377' | dd of=g-000002.fls bs=1 seek=$((99999 * (12 + 6) + 12)) conv=notrunc status=none
    # shellcheck disable=SC2086 # its words
    "$flatstream" $verb g.fls >fifo 2>err &
    reader=$!
    exec 6<fifo
    sed -n '/^100001$/q' <&6
    rm g-000002.fls
    cat <&6 >/dev/null
    exec 6<&-
    wait $reader
    [ $? = 1 ] || fail "$verb: exit $?"
    says err 'byte 1799982.*which frame cannot be told: open: No such file'
done
finish
