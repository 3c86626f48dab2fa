#!/bin/bash
# Reads that fail, at every place in turn: strace makes them. Whatever read it is, no verb takes a
# stream that it could not read for one that it has read. Run by ctest with FLATSTREAM.
if ! command -v strace >/dev/null || ! strace -o /dev/null true 2>/dev/null; then
    echo "skipped: strace is not there, or may not trace here"
    exit 77
fi
. "$(dirname "$0")/cli_support.sh"
injected=0

export ASAN_OPTIONS=detect_leaks=0 # the leak checker cannot run while it is traced

# fails_plainly FILE VERB...: each read of FILE fails once; until there is no such read.
fails_plainly() {
    local file=$1 n got
    shift
    for ((n = 1; n < 100; n++)); do
        strace -qq -f -o trace -P "$scratch/$file" -e trace=read,readv,pread64,preadv \
            -e inject=read,readv,pread64,preadv:error=EIO:when=$n "$flatstream" "$@" >out 2>err
        got=$?
        grep -q INJECTED trace || break
        injected=$((injected + 1))
        [ "$got" = 3 ] || fail "exit $got, not 3, when read $n fails: $*"
        case " $* " in
        *" --json "*) grep -q '"end":null.*"kind":"io"' out || fail "read $n: $*: $(head -c 300 out)" ;;
        *) grep -q 'Input/output error' err || fail "read $n: $*: no word of it: $(head -c 300 err)" ;;
        esac
        rm -f saved.fls ./*.idx
    done
    [ "$n" -gt 2 ] || fail "no read of $file was seen: $*"
}

seq 1 50000 >lines.txt
"$flatstream" write -o clean.fls lines.txt || exit 1
size=$(stat -c %s clean.fls)
head -c $((size - 3)) clean.fls >torn.fls
cp clean.fls corrupt.fls
printf '\377' | dd of=corrupt.fls bs=1 seek=$((size - 17000 - 1)) conv=notrunc status=none # a payload
head -c 1200000 /dev/urandom >blob
"$flatstream" write -o large.fls --from files blob lines.txt blob || exit 1

for file in clean torn corrupt large; do
    fails_plainly $file.fls verify $file.fls
    fails_plainly $file.fls verify --json $file.fls
    fails_plainly $file.fls info $file.fls
    fails_plainly $file.fls info --json $file.fls
    fails_plainly $file.fls recover $file.fls
    fails_plainly $file.fls recover --json --zero-tail $file.fls
    fails_plainly $file.fls recover $file.fls -o saved.fls
    fails_plainly $file.fls cat $file.fls
    fails_plainly $file.fls cat --from 2 $file.fls
    fails_plainly $file.fls index $file.fls
    cp $file.fls before
    fails_plainly $file.fls recover --truncate $file.fls
    [ $file = torn ] || cmp -s $file.fls before || fail "$file.fls was changed"
    cp before $file.fls
    fails_plainly $file.fls write -o $file.fls --append --repair /dev/null
    cp before $file.fls
done

# A failed read must not take the schema out of the verification, either.
echo 'table T { n:int; } root_type T;' >t.fbs
seq -f '{"n":%.0f}' 1 40000 >t.jsonl
if "$flatstream" write -o typed.fls --from jsonl --schema t.fbs t.jsonl 2>err; then
    echo "no such table" | "$flatstream" write -o typed.fls --append || exit 1
    fails_plainly typed.fls verify --schema t.fbs typed.fls
    fails_plainly typed.fls info --schema t.fbs typed.fls
    "$flatstream" verify -q --schema t.fbs typed.fls 2>err
    [ $? = 1 ] || fail "the last message is no T"
else
    echo "without a schema: $(cat err)"
fi

# After a failed sync nothing is said to be safe that may not be.
seq 1 100 >few
for sync in each ms:3600000; do # the second: when it is closed
    strace -qq -f -o trace -e trace=fdatasync -e inject=fdatasync:error=EIO:when=1+ \
        "$flatstream" write -o unsynced.fls --sync $sync few >out 2>err
    got=$?
    [ "$got" = 3 ] || fail "exit $got, not 3, when a sync fails"
    grep -q 'not known whether' err || fail "--sync $sync: a failed sync is said to be $(cat err)"
    grep -q 'are whole' err && fail "--sync $sync: what may be lost is said to be whole"
    [ -e unsynced.fls.lock ] || fail "--sync $sync: nothing is left that tells of it"
    "$flatstream" write -o unsynced.fls --append --sync each few || fail "it does not go on"
    [ -e unsynced.fls.lock ] && fail "--sync $sync: the lock is left"
    rm unsynced.fls
done

echo "$injected reads failed"
finish
