#!/bin/bash
# The files that verbs make: what holds anything is replaced only by --replace; what is refused
# changes nothing; what is made from others is whole or not there, and has no more readers.
. "$(dirname "$0")/cli_support.sh"

# --- what is worked with ---------------------------------------------------------------------------
seq 1 40 >lines
"$flatstream" write -o in.fls lines || exit 1
"$flatstream" write -o other.fls --checksum crc32 lines || exit 1
head -c 200 in.fls >torn.fls
cat >t.fbs <<'FBS'
table T { time: long; host: string; }
root_type T;
FBS
for i in $(seq 20); do echo "{\"time\":$i,\"host\":\"h$((i % 2))\"}"; done >t.jsonl
schema=1
"$flatstream" write -o t.fls --from jsonl --schema t.fbs t.jsonl 2>err || schema=
"$flatstream" index in.fls >out || exit 1
mkdir box

# Every way to make a file, as OUT would be typed last: name, then the words with @ for OUT.
whole=(
    "slice in.fls --from 3 --to 30 -o @"
    "convert in.fls --to crc32 -o @"
    "convert in.fls --to fstrm -o @"
    "salvage torn.fls -o @"
    "recover torn.fls -o @"
    "info in.fls --plot @.svg"
)
live=(
    "write -o @ lines"
    "write -o @ --async lines"
    "write -o @ --framer simple --checksum none lines"
)
journals=("write -o @ --sync each lines" "write -o @ --rotate-messages 9 lines")
if [ -n "$schema" ]; then
    whole+=("merge t.fls --key time --schema t.fbs -o @")
    live+=("replay --key time --schema t.fbs --max-gap 0 t.fls @")
    live+=("write -o @ --from jsonl --schema t.fbs t.jsonl")
fi
"$flatstream" write -o uring.fls --io uring lines 2>err
grep -q 'written without' err || live+=("write -o @ --io uring lines")

# state: all that is in the box.
state() {
    (cd box && find . -printf '%p %y %m %s %l\n' | sort && find . -type f -exec cksum {} + | sort)
}

# run WORDS NAME [MORE...]: the verb with OUT being box/NAME; its exit status in $got.
run() {
    local words=${1//@/box/$2}
    shift 2
    # shellcheck disable=SC2086
    "$flatstream" $words "$@" >out 2>err
    got=$?
}

# refused STATUS WORDS NAME [MORE...]: with this exit status, with a word of it, and nothing is changed.
refused() {
    local want=$1 before
    shift
    checks=$((checks + 1))
    before=$(state)
    run "$@"
    [ "$got" = "$want" ] || fail "exit $got, not $want: $*: $(head -2 err)"
    [ -s err ] || fail "not a word: $*"
    [ "$(state)" = "$before" ] || fail "changed: $*: $(diff <(echo "$before") <(state))"
}

# made WORDS NAME [MORE...]: all well, or what is damaged in the input is said.
made() {
    checks=$((checks + 1))
    run "$@"
    case $1 in
    salvage* | recover*) [ "$got" -le 1 ] ;;
    *) [ "$got" = 0 ] ;;
    esac || fail "exit $got: $*: $(head -2 err)"
}

out_of() { # WORDS: what OUT is called in the box
    case $1 in
    *--plot*) echo o.svg ;;
    *) echo o ;;
    esac
}

# --- the rule --------------------------------------------------------------------------------------
for words in "${whole[@]}" "${live[@]}"; do
    out=$(out_of "$words")
    rm -rf box/*
    made "$words" o
    cp "box/$out" want
    [ "$(ls box)" = "$out" ] || fail "more than OUT: $(ls box)"
    refused 2 "$words" o
    says err "box/$out: it holds $(stat -c %s want) bytes: .*--replace replaces it; nothing was written"
    case $words in
    write*) says err -- '--append goes on with it' ;;
    esac
    echo "another thing" >"box/$out"
    refused 2 "$words" o
    made "$words" o --replace
    same "box/$out" want
    made "$words" o --replace
    same "box/$out" want
    : >"box/$out" # nothing is lost by it
    made "$words" o
    same "box/$out" want
    # An index of what was there goes; what is none of ours stays.
    case $words in
    *--plot*) ;;
    *)
        cp in.fls.idx "box/$out.idx"
        made "$words" o --replace
        [ ! -e "box/$out.idx" ] || fail "the index stayed: $words"
        echo precious >elsewhere
        ln -s ../elsewhere "box/$out.idx"
        made "$words" o --replace
        [ "$(cat elsewhere)" = precious ] || fail "a link beside OUT was followed: $words"
        rm -f "box/$out.idx"
        ;;
    esac
    rm -f "box/$out"
    case $words in
    *uring*) refused 2 "${words/@//dev/null}" unused ;;
    *)
        mkfifo "box/$out"
        cat "box/$out" >through &
        made "$words" o
        wait $!
        same through want
        rm "box/$out"
        ;;
    esac
    mkdir "box/$out"
    refused 3 "$words" o
    rmdir "box/$out"
    refused 3 "${words/@/@/no/such}" o
done

for words in "${journals[@]}"; do
    rm -rf box/*
    made "$words" j.fls
    cat box/* >want
    refused 2 "$words" j.fls
    says err "it holds $(stat -c %s want) bytes: --append goes on with it, --replace replaces it"
    refused 2 "write -o @ lines" j.fls
    made "$words" j.fls --replace
    cat box/* >got
    same got want
    made "write -o @ lines" j.fls --replace
    [ "$(ls box)" = j.fls ] || fail "what was replaced stayed: $(ls box)"
    refused 2 "$words" j.fls
    made "$words" j.fls --replace
    cat box/* >got
    same got want
done
rm -rf box/*
made "split in.fls --count 9 -o @" p
cat box/* >want
refused 2 "split in.fls --count 9 -o @" p
says err 'it holds [0-9]+ bytes: --replace replaces it'
made "split in.fls --count 20 -o @" p --replace
cat box/* >got
same got want
[ "$(ls box)" = "$(printf 'p-00000%d.fls\n' 1 2)" ] || fail "parts that were replaced stayed: $(ls box)"
refused 2 "split box/p-000001.fls --count 2 -o @" p --replace
says err 'is the input too'

# A recorder that copies and empties what is written: no hole.
rm -rf box/*
mkfifo hold
"$flatstream" write -o box/live.fls - <hold 2>err &
exec 7>hold
echo first >&7
for _ in $(seq 500); do [ -s box/live.fls ] && break || sleep 0.01; done
: >box/live.fls
echo second >&7
exec 7>&-
wait $!
[ "$("$flatstream" cat box/live.fls)" = second ] || fail "a hole is left: $(xxd box/live.fls | head -2)"
rm hold

# --- other refusals --------------------------------------------------------------------------------
# Each of them for OUT that is not there, that holds something and is to be replaced, or gone on with.
for had in "" x; do
    rm -rf box/*
    replace=
    [ -z "$had" ] || {
        head -n 5 lines | "$flatstream" write -o box/o
        echo index >box/o.idx
        cp box/o box/o.svg
        head -n 5 lines | "$flatstream" write -o box/j --rotate-messages 2
        replace=--replace
    }
    for words in "${whole[@]}" "${live[@]}"; do
        missing=${words//in.fls/missing.fls}
        missing=${missing//torn.fls/missing.fls}
        missing=${missing//t.fls/missing.fls}
        missing=${missing//@ lines/@ missing}
        missing=${missing//lines\$/missing}
        missing=${missing// lines/ missing}
        missing=${missing//t.jsonl/missing}
        refused 3 "$missing" o $replace
        refused 2 "$words" o $replace --no-such-option
        refused 2 "$words" o $replace --max-frame 0
    done
    for words in "slice in.fls --from 3 --to 2 -o @" "slice in.fls -o @" "slice in.fls other.fls --from 1 -o @" \
        "slice in.fls --from 1 --by time -o @" "merge in.fls -o @" "convert in.fls --to x -o @" \
        "convert in.fls --to crc32 --content-type t -o @" "recover in.fls --truncate -o @" \
        "split in.fls -o @" "split in.fls --count 1 --bytes 1 -o @" "info in.fls --plot @.png" \
        "info in.fls other.fls --plot @.svg" "write -o @ --repair lines" "write -o @ --direct lines" \
        "write -o @ --batch 0 lines" "write -o @ --async --framer vectored lines" \
        "write -o @ --from jsonl lines" "write -o @ --key t lines" "write -o @ --keep 3 lines" \
        "write -o @ --io uring --rotate-bytes 100 lines" "write -o @ --from jsonl --schema lines lines" \
        "write -o @ --from jsonl --schema missing lines" "salvage in.fls --checksum none -o @" \
        "replay in.fls @"; do
        case $words in
        *missing*) refused 3 "$words" o $replace ;;
        *) refused 2 "$words" o $replace ;;
        esac
    done
    [ -z "$had" ] || {
        refused 2 "write -o @ --append --replace lines" o
        refused 2 "write -o @ --append --checksum crc32 lines" o
        refused 2 "write -o @ --append --checksum crc32 lines" j
        refused 2 "write -o @ --replace box/o" o
        refused 2 "write -o @ --replace --rotate-bytes 99 box/j-000001" j
        refused 2 "slice box/o --from 0 -o @ --replace" o
        refused 2 "convert box/o -o @ --replace" o
        ln -s o box/link
        for words in "${whole[@]}"; do
            case $words in
            *--plot*) ;;
            *) refused 2 "$words" link ;;
            esac
        done
        exec 6<box/o
        if flock -n 6 2>/dev/null; then
            for words in "${whole[@]}" "${live[@]}"; do
                case $words in
                *--plot*) ;;
                *) refused 3 "$words" o --replace ;;
                esac
            done
        fi
        exec 6>&-
    }
done

# What is torn is cut when all that can refuse has been asked.
cut_by=("write -o @ --append --repair lines" "write -o @ --append --repair --async lines"
    "write -o @ --append --repair --sync each lines" "write -o @ --append --repair --index lines")
for words in "${cut_by[@]}"; do
    rm -rf box/*
    cp torn.fls box/o
    refused 2 "$words" o --checksum crc32
    refused 3 "$words" o missing
    refused 2 "$words" o --no-such-option
    echo elsewhere >elsewhere
    ln -s ../elsewhere box/o.lock
    refused 2 "$words" o
    rm box/o.lock
    exec 6<box/o
    if flock -n 6 2>/dev/null; then
        refused 3 "$words" o
    fi
    exec 6>&-
    case $words in
    *index*)
        ln -s ../elsewhere box/o.idx
        refused 2 "$words" o
        rm box/o.idx
        ;;
    esac
    made "$words" o
    [ "$("$flatstream" cat box/o | tail -n 40 | cksum)" = "$(cksum <lines)" ] || fail "not gone on with: $words"
done
# On a series, the segment before the last may be mended only when the last can be gone on with.
rm -rf box/*
"$flatstream" write -o box/s --rotate-messages 9 lines
last=$(ls box/s-* | tail -1)
cp torn.fls "$last"
ln -s ../elsewhere "$last.idx"
refused 2 "write -o @ --append --repair --index --rotate-messages 9 lines" s

# --- who may read it -------------------------------------------------------------------------------
umask 022
for mode in 600 640 644 444; do
    chmod $mode in.fls torn.fls
    [ -z "$schema" ] || chmod $mode t.fls
    for words in "${whole[@]}" "split in.fls --count 100 -o @"; do
        rm -rf box/*
        made "$words" o
        [ "$(stat -c %a box/*)" = ${mode/444/644} ] ||
            fail "made with $(stat -c %a box/*) of what has $mode: $words"
    done
    made "slice - --from 1 -o @" standard <in.fls
    [ "$(stat -c %a box/standard)" = ${mode/444/644} ] || fail "of standard input: $mode"
done
chmod 644 in.fls torn.fls
rm -rf box/*
cat in.fls | "$flatstream" slice - --from 1 -o box/o
[ "$(stat -c %a box/o)" = 644 ] || fail "a pipe limits who may read"
finish
