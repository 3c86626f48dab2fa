#!/usr/bin/env bash
# documents_test.sh: what docs/format.md and the manual say of errors, of what lies behind --offset, of
# tails of zeros and of the lock's file, with the command. Run by ctest with FLATSTREAM.
# shellcheck source=tests/cli_support.sh
. "$SOURCE_DIR/tests/cli_support.sh"
page=$SOURCE_DIR/man/flatstream.1

# is KIND STATUS: the line of the page's table of errors that belongs to the one in ./out: its kind,
# whether it has numbers, and the exit status that came with it.
is() {
    local row
    row=$(sed -n '/^The kinds of error/,/^\.TE/p' "$page" | grep "^$1|")
    says out "\"kind\":\"$1\""
    if [ "$(echo "$row" | cut -d'|' -f2)" = null ]; then
        says out '"expected":null,"found":null'
    else
        says out '"expected":[0-9]+,"found":[0-9]+'
    fi
    checks=$((checks + 1))
    [ "$(echo "$row" | cut -d'|' -f3)" = "$2" ] || fail "$1 came with $2, which the page does not say"
}

# The kinds of error that a stream can have.
printf 'a\nb\n' | "$flatstream" write -o s.fls
head -c 20 s.fls >torn.fls
expect 1 "$flatstream" verify --json torn.fls
is unexpected_end 1
{ head -c 25 s.fls && printf 'x'; } >bad.fls
expect 1 "$flatstream" verify --json bad.fls
is checksum_mismatch 1
seq 10 | "$flatstream" write -o ten.fls
printf x | dd of=ten.fls bs=1 seek=64 conv=notrunc status=none
expect 1 "$flatstream" salvage --json ten.fls -o saved.fls
says out '"kind":"checksum_mismatch"'
{ cat s.fls && printf '\377\377\377\377\0\0\0\0\0\0\0\0'; } >long.fls
expect 1 "$flatstream" verify --json long.fls
is invalid_frame 1
mkdir folder
expect 3 "$flatstream" verify --json folder
is io 3

# An unknown kind of checksum.
head -c 1000 /dev/zero | tr '\0' '\377' >unknown.fls
expect 1 "$flatstream" verify --json unknown.fls
is invalid_frame 1
says out '"checksum":"unknown","end":"corrupt".*"frame":0,"offset":0'

# Evidence of kinds of a lower rank does not count: 7.4 of docs/format.md.
for zeros in 1 2 3 4 5 8; do
    { printf '\0\0\0\0\0\0\0\003' && head -c "$zeros" /dev/zero; } >few
    expect 1 "$flatstream" info --json few
    says out '"checksum":"ambiguous"'
done

# At the end of the input, and beyond it: a file and a pipe.
for input in s.fls -; do
    expect 0 "$flatstream" verify --json --offset 26 $input <s.fls
    says out '"frames":0,.*"end":"clean","good_offset":26'
    for verb in verify info recover; do
        expect 1 "$flatstream" $verb --json --offset 1000 $input < <(cat s.fls)
        says out '"end":"corrupt".*"frame":null,"offset":null,"expected":1000,"found":26'
        is unexpected_end 1
    done
    for verb in cat "salvage -o no.fls" "convert -o no.fls" "split --count 1 -o no" "slice --from 0 -o no.fls"; do
        # shellcheck disable=SC2086 # its words
        expect 1 "$flatstream" $verb --offset 1000 $input < <(cat s.fls)
        says err 'ends at byte 26, before --offset 1000'
    done
done
expect 1 "$flatstream" recover --truncate --offset 1000 s.fls
checks=$((checks + 1))
[ "$(wc -c <s.fls)" = 26 ] && ! ls no* >/dev/null 2>&1 || fail "something was cut or made"

# A tail of zeros, on request: 6.8 of docs/format.md.
for kind in none crc16 crc32 xxh3; do
    printf 'a\nb\n' | "$flatstream" write --checksum $kind -o zeros-$kind
    good=$(wc -c <zeros-$kind)
    head -c 100 /dev/zero >>zeros-$kind
    expect 1 "$flatstream" recover --json --zero-tail --checksum $kind zeros-$kind
    says out "\"end\":\"torn\",\"good_offset\":$good,.*\"offset\":$good,\"expected\":0,\"found\":100"
    is unexpected_end 1
    expect 0 "$flatstream" recover --truncate --zero-tail --checksum $kind zeros-$kind
    checks=$((checks + 1))
    [ "$(wc -c <zeros-$kind)" = "$good" ] || fail "$kind: the zeros were not cut"
done

# The lock's file while a journal and a file are written: section 11.
locked() { [ "$(wc -l <j.fls.lock)" = 2 ] && [ "$(sed -n 2p j.fls.lock)" != 'boot unknown' ]; }
for way in "--rotate-messages 9" "--append"; do
    rm -f ./j*
    mkfifo fifo
    # shellcheck disable=SC2086 # its words
    "$flatstream" write -o j.fls $way <fifo &
    writer=$!
    exec 5>fifo
    until_true locked
    says j.fls.lock "^pid $writer, flatstream, host .*, since [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
    says j.fls.lock "^boot $(cat /proc/sys/kernel/random/boot_id)$"
    exec 5>&-
    wait $writer
    checks=$((checks + 1))
    [ ! -e j.fls.lock ] || fail "'$way': the lock's file stays"
    rm fifo
done
finish
