#!/usr/bin/env bash
# Shows what flatstream does, on this machine's own telemetry: records, looks, breaks, recovers,
# goes on. Each step is checked; the first that does not do what it says ends the demo with an
# error. usage: demo.sh [BUILD-FOLDER] (default: build). Leaves its files in demo-output/.
set -eu -o pipefail
cd "$(dirname "$0")/.."

build=$(cd "${1:-build}" && pwd)
out=demo-output
schema=schemas/telemetry.fbs
PATH=$build:$build/examples:$PATH

if [ -t 1 ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
    bold="" plain=""
fi

say() {
    printf '\n%s\n' "$*"
}

fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# show STATUS COMMAND...: prints the command, runs it, and expects this exit status. What it prints
# on standard error is kept in $out/stderr as well.
show() {
    local wanted=$1 status=0
    shift
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    "$@" 2>"$out/stderr" || status=$?
    cat "$out/stderr"
    [ "$status" = "$wanted" ] || fail "exit status $status, not $wanted"
}

# number_of FILE KEY: one value of what verify --json says about a file, damaged or not.
number_of() {
    { flatstream verify --json "$1" || true; } | tr -d ' \n"' | tr ',{}' '\n' |
        sed -n "s/^$2://p"
}

# The number of messages that the agent said it has written.
messages_said() {
    sed -n 's/.*: \([0-9]*\) messages.*/\1/p' "$out/stderr"
}

record() {
    say "A real source: this machine's processors, memory, disks, networks and processes, read from" \
        "/proc a thousand times a second and built as FlatBuffers ($schema)."
    show 0 telemetry_agent -o $out/telemetry.fls --rate 1000 --seconds 5
    [ "$(number_of $out/telemetry.fls frames)" = "$(messages_said)" ] ||
        fail "the stream does not hold the messages that the agent has written"
    [ "$(messages_said)" -ge 3000 ] || fail "this machine was too busy to take 3000 samples in 5 s"
}

look() {
    say "What is in it:"
    show 0 flatstream info $out/telemetry.fls
    say "Every length and every checksum, again:"
    show 0 flatstream verify $out/telemetry.fls
    say "How the first two messages begin (FLTM, near the start, is the schema's identifier):"
    show_hex
}

show_hex() {
    printf '%s$ flatstream cat --as hex --count 2 %s | grep -A 8 ^frame%s\n' \
        "$bold" $out/telemetry.fls "$plain"
    flatstream cat --as hex --count 2 $out/telemetry.fls >"$out/hex" || fail "exit status $?"
    grep -A 8 ^frame "$out/hex"
    [ "$(grep -c '^frame' "$out/hex")" = 2 ] || fail "not two messages"
    [ "$(grep -c 'FLTM' "$out/hex")" = 2 ] || fail "no identifier in the messages"
}

# The first wait is for the recording to have begun.
kill_recording() {
    local tries=0 status=0
    say "A second recording, killed without warning in the middle (the writer's batch is at most" \
        "100 ms old: that much is lost):"
    printf '%s$ telemetry_agent -o %s --seconds 60 & sleep 1.5; kill -KILL $!%s\n' "$bold" \
        $out/killed.fls "$plain"
    telemetry_agent -o $out/killed.fls --seconds 60 2>"$out/stderr" &
    agent=$!
    until [ -s $out/killed.fls ]; do
        tries=$((tries + 1))
        [ $tries -lt 500 ] || fail "the second recording did not begin"
        sleep 0.01
    done
    sleep 1.5
    kill -KILL $agent
    { wait $agent || status=$?; } 2>/dev/null
    agent=""
    [ $status = 137 ] || fail "the recording ended with $status, not by SIGKILL"
}

# A kill between two writes leaves a whole number of frames. That is luck, and is said.
break_stream() {
    torn=$out/killed.fls
    if [ "$(number_of $torn end)" = clean ]; then
        show 0 flatstream verify $torn
        say "The kill came between two writes, so the file ends on a frame boundary. A power cut or a" \
            "full disk need not be so kind: we cut 100 bytes off a copy ourselves."
        torn=$out/torn.fls
        show 0 cp $out/killed.fls $torn
        show 0 truncate -s -100 $torn
    fi
    show 1 flatstream verify $torn
    [ "$(number_of $torn end)" = torn ] || fail "$torn is not torn"
}

recover() {
    local frames
    frames=$(number_of "$torn" frames)
    say "How much is intact? (This changes nothing.)"
    show 1 flatstream recover "$torn"
    say "Cut off the torn frame, and nothing else:"
    show 0 flatstream recover --truncate "$torn"
    show 0 flatstream verify "$torn"
    [ "$(number_of "$torn" frames)" = "$frames" ] || fail "recovery lost an intact frame"
    [ "$(number_of "$torn" end)" = clean ] || fail "$torn is not clean"
}

# Without checksums a stream is a row of size-prefixed FlatBuffers, so one program's output is the
# other's input.
append() {
    local before after status=0
    before=$(number_of "$torn" frames)
    say "And go on where it ends: another second, through a pipe."
    printf '%s$ telemetry_agent -o - --checksum none --seconds 1 | flatstream write --append -o %s --from sized -%s\n' \
        "$bold" "$torn" "$plain"
    telemetry_agent -o - --checksum none --seconds 1 2>"$out/stderr" |
        flatstream write --append -o "$torn" --from sized - || status=$?
    cat "$out/stderr"
    [ $status = 0 ] || fail "exit status $status"
    after=$(number_of "$torn" frames)
    [ $((after - before)) = "$(messages_said)" ] || fail "$before frames have become $after"
    show 0 flatstream verify "$torn"
}

as_json() {
    say "By its schema, a message is JSON:"
    show 0 flatstream cat --as json --schema $schema --count 1 $out/telemetry.fls
    flatstream cat --as json --schema $schema --count 1 $out/telemetry.fls >"$out/json"
    grep -q '"\?context_switches"\? *:' "$out/json" || fail "no field context_switches in the JSON"
    say "What the fields were, and a plot of them:"
    show 0 flatstream info --schema $schema --plot $out/telemetry.svg --plot-field cpu.user \
        --plot-field memory.available_bytes $out/telemetry.fls
    grep -q '<svg' $out/telemetry.svg || fail "$out/telemetry.svg is no picture"
}

select_fields() {
    say "Some fields of some messages:"
    printf "%s\$ flatstream select %s --schema %s --where 'sequence < 5 && memory.free_bytes > 0' --fields host,sequence,cpu.user,memory.free_bytes --as csv%s\n" \
        "$bold" $out/telemetry.fls $schema "$plain"
    flatstream select $out/telemetry.fls --schema $schema \
        --where 'sequence < 5 && memory.free_bytes > 0' \
        --fields host,sequence,cpu.user,memory.free_bytes --as csv >"$out/selected.csv" ||
        fail "exit status $?"
    cat "$out/selected.csv"
    [ "$(grep -c "^$(uname -n),[0-4]," "$out/selected.csv")" = 5 ] ||
        fail "not the five messages that were asked for"
}

agent=""
trap '[ -z "$agent" ] || kill $agent' EXIT
rm -rf $out
mkdir -p $out
printf 'The command is %s, the agent that records is %s.\n' \
    "${build#"$PWD"/}/flatstream" "${build#"$PWD"/}/examples/telemetry_agent"
record
look
kill_recording
break_stream
recover
append
# Without libflatbuffers the command reads no .fbs.
if flatstream cat --as json --schema $schema --count 1 $out/telemetry.fls >/dev/null \
    2>"$out/stderr" || ! grep -q 'no JSON support' "$out/stderr"; then
    as_json
    select_fields
else
    say "(This build of the command has no JSON: libflatbuffers was not there.)"
fi
rm -f $out/stderr $out/hex $out/json $out/selected.csv
say "All of it is in $out/:"
ls -l $out
