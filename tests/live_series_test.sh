#!/bin/bash
# What others write is read as it lives: a journal that rotates and deletes fast under every verb that
# reads, files that grow and shrink, signals while a journal opens. Run by ctest with FLATSTREAM.
. "$(dirname "$0")/cli_support.sh"

# ended PID: its exit status; killed when it goes on for ever.
ended() {
    for _ in $(seq 1 1500); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.02
    done
    kill -KILL "$1" 2>/dev/null
    wait "$1"
}

# there FILE: waits until it is.
there() {
    for _ in $(seq 1 1000); do
        [ -s "$1" ] && return
        sleep 0.02
    done
    fail "$1 does not come"
}

# disorder FILE: how many lines break the rule that each is a number above the one before it.
disorder() {
    awk '$0 !~ /^[0-9]+$/ || $0 + 0 <= last { wrong++ } { last = $0 + 0 } END { print wrong + 0 }' "$1"
}

# --- a journal that rotates and deletes as fast as it can --------------------------------------------
seq 1 100000000 | "$flatstream" write -o live.fls --rotate-messages 40 --keep 3 --checksum crc32 &
writer=$!
for _ in $(seq 1 1000); do
    [ -e live-000009.fls ] && break
    sleep 0.01
done
"$flatstream" tail -f -n 0 live.fls >followed 2>followed.err &
follower=$!
"$flatstream" tail -f -n 5 live.fls >followed5 2>followed5.err &
follower5=$!
for round in $(seq 1 25); do
    for n in 1 7; do
        expect 0 "$flatstream" tail -n $n live.fls
        [ "$(wc -l <out)" = $n ] || fail "tail -n $n printed $(wc -l <out)"
        [ "$(disorder out)" = 0 ] || fail "tail -n $n out of order"
    done
    expect 0 "$flatstream" cat live.fls
    [ -s out ] || fail "cat printed nothing"
    [ "$(disorder out)" = 0 ] || fail "cat out of order"
    for verb in verify "info --json" recover "slice --from 1 -o -" "convert -o -" "tail -n +1"; do
        # shellcheck disable=SC2086
        expect 0 "$flatstream" $verb live.fls
    done
    # What is said is said of deletion alone.
    [ "$(grep -cv 'deleted before' err)" = 0 ] || fail "round $round: $(grep -v 'deleted before' err | head -1)"
done
for pid in $follower $follower5; do
    kill -TERM $pid
    ended $pid || fail "a follower's exit status: $?"
done
kill -TERM $writer
ended $writer
for name in followed followed5; do
    there $name
    [ "$(disorder $name)" = 0 ] || fail "$name: out of order, or twice"
    [ "$(grep -cv 'deleted before' $name.err)" = 0 ] || fail "$name: $(grep -v 'deleted before' $name.err | head -1)"
    # A hole is said.
    if [ "$(awk 'NR > 1 && $0 + 0 != last + 1 { holes++ } { last = $0 + 0 } END { print holes + 0 }' $name)" != 0 ]; then
        says $name.err 'segments? [0-9]+ .*deleted before'
    fi
done

# --- the follower that is behind, step by step -------------------------------------------------------
for i in 1 2 3; do seq $((i * 10)) $((i * 10 + 4)) | "$flatstream" write -o step-00000$i.fls; done
"$flatstream" tail -f -n +1 step.fls >out 2>err &
follower=$!
for _ in $(seq 1 1000); do [ "$(wc -l <out)" = 15 ] && break; sleep 0.02; done
seq 60 64 | "$flatstream" write -o later.fls
mv later.fls step-000006.fls # 4 and 5 were there, and went
for _ in $(seq 1 1000); do [ "$(wc -l <out)" = 20 ] && break; sleep 0.02; done
kill -TERM $follower
ended $follower || fail "the follower's exit status: $?"
same out <(seq 10 14; seq 20 24; seq 30 34; seq 60 64)
says err 'step.fls: segments 4 to 5 were deleted before they were read'

# --- tail -n N of a file that grows prints N ----------------------------------------------------------
seq 1 100 | "$flatstream" write -o grows.fls
(yes 5 | "$flatstream" write -o grows.fls --append) 2>err &
writer=$!
for _ in $(seq 1 15); do
    "$flatstream" tail -n 3 grows.fls >out 2>err
    [ "$(wc -l <out)" = 3 ] || fail "tail -n 3 of what grows printed $(wc -l <out)"
done
pkill -TERM -P $writer yes
ended $writer

# --- a file that is cut while several threads check it --------------------------------------------------
yes "a message of some length, so that there are many pieces of it" | head -n 600000 |
    "$flatstream" write -o whole.fls
whole=$("$flatstream" info --json whole.fls | sed -E 's/.*"frames":([0-9]+).*/\1/')
frame=$(($(stat -c %s whole.fls) / whole))
for part in 10 30 50 70 90 99; do
    for jobs in 1 4; do
        cp whole.fls cut.fls
        "$flatstream" verify --json --jobs $jobs cut.fls >out 2>err &
        verify=$!
        truncate -s $((frame * (whole * part / 100))) cut.fls
        ended $verify
        got=$?
        frames=$(sed -E 's/.*"frames":([0-9]+).*/\1/' out)
        # Intact it was only when all was read, or when it was cut before it was opened.
        if [ $got = 0 ]; then
            [ "$frames" = "$whole" ] || [ "$frames" = $((whole * part / 100)) ] ||
                fail "$frames frames called intact after a cut at $part %"
        elif [ $got = 1 ]; then
            says out 'became shorter|ends after|unexpected_end'
        else
            fail "verify of what is cut: exit $got"
        fi
    done
done

# --- signals while a journal opens ----------------------------------------------------------------------
yes "something that fills a segment, so that opening it takes a while" | head -n 300000 |
    "$flatstream" write -o base.fls --checksum crc32
mkfifo quiet
exec 7<>quiet
for delay in 0 0.002 0.004 0.008 0.015 0.03; do
    for signal in TERM HUP; do
        rm -f opens-*
        cp base.fls opens-000001.fls
        "$flatstream" write -o opens.fls --append --rotate-bytes 1G quiet 2>err 7>&- &
        recorder=$!
        for _ in $(seq 1 500); do # once signals are caught it is on its way
            caught=$(sed -n 's/^SigCgt:\t*//p' /proc/$recorder/status 2>/dev/null)
            [ $((0x${caught:-0} & 1)) = 1 ] && [ "$(cat /proc/$recorder/comm)" = flatstream ] && break
        done
        sleep $delay
        kill -$signal $recorder
        if [ $signal = HUP ]; then # that is another segment, and it goes on
            for _ in $(seq 1 1000); do
                [ -e opens-000002.fls ] && break
                sleep 0.02
            done
            [ -e opens-000002.fls ] || fail "SIGHUP $delay s after the beginning: no segment"
            kill -TERM $recorder
        fi
        ended $recorder
        got=$?
        [ $got = 143 ] || fail "SIG$signal $delay s after the beginning: exit $got: $(head -1 err)"
        grep -q 'Interrupted system call' err && fail "SIG$signal: $(head -1 err)"
    done
done
exec 7>&-
expect 0 "$flatstream" verify opens.fls

finish
