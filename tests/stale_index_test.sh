# shellcheck shell=bash
# An index that stays while its stream becomes another is not followed: whatever the stream was
# replaced by, and however, every verb says what it says of the stream alone. An honest copy of both
# is followed, and so is a stream that has grown.
source "${BASH_SOURCE[0]%/*}/cli_support.sh"

cat >m.fbs <<'FBS'
table M { time: long; text: string; }
root_type M;
FBS
cat >messages.py <<'PY'
import json, sys
# messages.py COUNT FIRST LENGTH [WHAT]: COUNT messages with times from FIRST on. reversed: those of
# the middle third run the other way; uneven: other lengths, the same sum; odd: one in the middle.
count, first, length = map(int, sys.argv[1:4])
what = sys.argv[4] if len(sys.argv) > 4 else ""
times = [first + i for i in range(count)]
if what == "reversed":
    times[count // 3:2 * count // 3] = times[count // 3:2 * count // 3][::-1]
if what == "odd":
    times[count // 2] = first + 10 * count
for i, time in enumerate(times):
    bytes = length + (16 if i % 2 else -16) if what == "uneven" else length
    print(json.dumps({"time": time, "text": "x" * bytes}))
PY
key=(--by time --key time --schema m.fbs)

# stream NAME KIND COUNT FIRST LENGTH [WHAT]
stream() {
    local lines="${*:3}.jsonl"
    [ -e "$lines" ] || python3 messages.py "${@:3}" >"$lines"
    rm -f "$1"
    "$flatstream" write -o "$1" --checksum "$2" --from jsonl --schema m.fbs "$lines"
}
stream probe.fls none 1 1 4 2>/dev/null || {
    echo "stale_index_test: skipped: the command was built without schemas in text"
    exit 0
}
replace=
"$flatstream" write --help | grep -q -e ' --replace' && replace=--replace

# say FOLDER: what the verbs make of s.fls there, and with what exit status.
say() {
    local range
    (
        cd "$1" || exit
        # What is behind damage an index still reaches, by number.
        for range in '--from 1990' \
            '--by time --key time --schema ../m.fbs --from 1000 --to 1020' \
            '--by time --key time --schema ../m.fbs --to 900' \
            '--by time --key time --schema ../m.fbs --from 101000 --to 101005'; do
            [ $with != damaged ] || [ "${range#--by}" != "$range" ] || continue
            # shellcheck disable=SC2086 # several words
            "$flatstream" slice s.fls $kind $range -o - 2>err
            echo "exit $?: slice $range"
        done
        "$flatstream" recover --json s.fls $kind 2>err
        echo "exit $?: recover"
        "$flatstream" verify s.fls $kind --jobs 2 2>err
        echo "exit $?: verify"
        "$flatstream" tail -n 3 s.fls $kind 2>err
        echo "exit $?: tail"
    ) >"$1.said" 2>/dev/null
    checks=$((checks + 1))
}

mkdir followed bare
# compare WHAT: followed/s.fls has a stale index; bare/s.fls is the same stream without one.
compare() {
    cmp -s followed/s.fls bare/s.fls || { # another way may have left the same
        cp followed/s.fls bare/s.fls
        say bare
    }
    say followed
    cmp -s bare.said followed.said || {
        fail "$1: by its stale index it says something else"
        diff -a bare.said followed.said | head -8 >&2
    }
    if "$flatstream" info followed/s.fls $kind 2>/dev/null | grep -Eq 'index .*time from'; then
        fail "$1: info tells the times of another stream"
    fi
}

for checksum in none xxh3 crc16; do
    kind="--checksum $checksum"
    ways='over rename rewrite'
    replacements='same reversed odd longer shorter uneven kind damaged empty'
    case $checksum in crc*) ways=over && replacements='same odd' ;; esac
    other=crc32
    stream a.fls $checksum 2000 0 40
    stream same.fls $checksum 2000 100000 40
    stream reversed.fls $checksum 2000 0 40 reversed
    stream odd.fls $checksum 2000 0 40 odd
    stream longer.fls $checksum 3000 100000 40
    stream shorter.fls $checksum 1500 100000 40
    stream uneven.fls $checksum 2000 0 40 uneven
    stream kind.fls $other 2000 100000 40
    cp a.fls damaged.fls
    printf '\377' | dd of=damaged.fls bs=1 seek=80001 conv=notrunc 2>/dev/null
    : >empty.fls
    for with in $replacements; do
        for way in $ways; do
            [ $way != rewrite ] || [ $with = same ] || [ $with = longer ] || continue
            rm -rf followed/*
            cp a.fls followed/s.fls
            expect 0 "$flatstream" index followed/s.fls $kind --key time --schema m.fbs
            case $way in
            over) cat $with.fls >followed/s.fls ;;
            rename) cp $with.fls followed/new && mv followed/new followed/s.fls ;;
            rewrite) # by a verb
                cp $with.fls from.fls
                # shellcheck disable=SC2086 # none, or one word
                expect 0 "$flatstream" convert $kind from.fls -o out.fls
                mv out.fls followed/s.fls
                ;;
            esac
            compare "$checksum, $with, $way"
        done
    done
done

# --- what writes a stream anew takes its old index away --------------------------------------------
kind='--checksum xxh3'
stream a.fls xxh3 2000 0 40
seq 100 >lines.txt
# anew COMMAND...: it writes o.fls (or its first segment), for which an old index lies there.
anew() {
    rm -rf o.fls* o-0*
    cp a.fls "$target"
    expect 0 "$flatstream" index "$target" --key time --schema m.fbs
    [ "$there" = 1 ] || rm "$target"
    expect 0 "$@"
    [ ! -e "$target.idx" ] || fail "the old index stays: $*"
}
target=o.fls
for there in 0 1; do
    option=
    [ $there = 0 ] || option=$replace
    # shellcheck disable=SC2086 # none, or one word
    for io in '' '--io uring' '--async' '--framer simple'; do
        [ "$io" != '--io uring' ] || "$flatstream" write -o probe2.fls --io uring lines.txt 2>/dev/null || continue
        anew "$flatstream" write -o o.fls $option $io lines.txt
    done
done
there=0
anew "$flatstream" write -o o.fls --append lines.txt
anew "$flatstream" write -o o.fls --sync each lines.txt
anew "$flatstream" slice a.fls --from 10 -o o.fls
anew "$flatstream" convert a.fls -o o.fls
anew "$flatstream" merge a.fls a.fls -o o.fls --key time --schema m.fbs
anew "$flatstream" recover a.fls -o o.fls
anew "$flatstream" salvage a.fls -o o.fls
anew "$flatstream" replay --speed 1e9 a.fls o.fls --key time --schema m.fbs
target=o-000001.fls
anew "$flatstream" write -o o.fls --rotate-messages 1000 lines.txt

# --- what is not written anew keeps it --------------------------------------------------------------
# holds_ten: there are ten messages in ./out.
holds_ten() {
    cp out ten.fls
    expect 0 "$flatstream" cat ten.fls --as json --schema m.fbs
    [ "$(wc -l <out)" = 10 ] || fail "$(wc -l <out) messages of that time"
}

# used FOLDER: the index there is used: what is before the range may even be damaged. It is of the
# same length and time.
used() {
    expect 0 "$flatstream" slice "$1/s.fls" "${key[@]}" --from 1000 --to 1010 -o -
    quiet err
    holds_ten
    cp -a "$1" "$1.damaged"
    cp -a "$1/s.fls" "$1.time"
    printf '\377' | dd of="$1.damaged/s.fls" bs=1 seek=20001 conv=notrunc 2>/dev/null
    touch -r "$1.time" "$1.damaged/s.fls"
    expect 0 "$flatstream" slice "$1.damaged/s.fls" "${key[@]}" --from 1000 --to 1010 -o -
    quiet err
}
rm -rf followed/* copy moved
stream followed/s.fls xxh3 2000 0 40
expect 0 "$flatstream" index followed/s.fls --key time --schema m.fbs
cp -a followed copy
used copy
mv followed moved
used moved
python3 messages.py 500 2000 40 | "$flatstream" write -o moved/s.fls --append --from jsonl --schema m.fbs
expect 0 "$flatstream" slice moved/s.fls "${key[@]}" --from 1995 --to 2005 -o -
quiet err
holds_ten
# A copy that did not keep the time is read without the times, with a word, until it is indexed again.
cat moved/s.fls >copy/s.fls
cat moved/s.fls.idx >copy/s.fls.idx
expect 0 "$flatstream" slice copy/s.fls "${key[@]}" --from 1000 --to 1010 -o -
says err 'changed after its index was written.*flatstream index'
expect 0 "$flatstream" slice copy/s.fls --from 1000 --to 1010 -o -
quiet err
expect 0 "$flatstream" index --check copy/s.fls
says err 'its times are not used'
expect 2 "$flatstream" index copy/s.fls
says err "has times, by 'time'.*--key.*--no-key"
expect 0 "$flatstream" index copy/s.fls --key time --schema m.fbs
expect 0 "$flatstream" slice copy/s.fls "${key[@]}" --from 1000 --to 1010 -o -
quiet err

# --- an index with times is not replaced unawares ----------------------------------------------------
cp -a copy/s.fls.idx kept.idx
expect 2 "$flatstream" index copy/s.fls
same copy/s.fls.idx kept.idx
expect 2 "$flatstream" index --no-key --key time --schema m.fbs copy/s.fls
expect 0 "$flatstream" index --no-key copy/s.fls
[ -z "$(grep -a time copy/s.fls.idx)" ] || fail "it has times still"
expect 0 "$flatstream" index copy/s.fls

finish
