#!/bin/bash
# A verb that waits ends when whoever reads its output has gone, and when a signal comes: at once,
# however quiet its input is, wherever in it the verb stands. Run by ctest with FLATSTREAM.
. "$(dirname "$0")/cli_support.sh"

data=$SOURCE_DIR/tests/data
bound=20 # seconds; who ends does it in milliseconds

seq 1 5 | "$flatstream" write -o five.fls
seq 1 5 | "$flatstream" write -o five.crc --checksum crc32
seq 1 5 | "$flatstream" write -o rotated.fls --rotate-messages 2
printf 'a\nb\n' >lines
"$flatstream" convert five.fls --to fstrm -o five.fstrm
head -c $(($(stat -c %s five.fls) - 3)) five.fls >inside.fls
head -c 100000 /dev/zero >large
"$flatstream" write -o large.fls --from files large
head -c 60000 large.fls >inside_large.fls
: >nothing

# gone NAME COMMAND...: its reader takes nothing (or $takes bytes) and goes; it must end as by SIGPIPE.
gone() {
    local name=$1 status
    shift
    checks=$((checks + 1))
    timeout $bound "$@" 2>err | head -c "${takes:-0}" >/dev/null
    status=${PIPESTATUS[0]}
    [ "$status" = 141 ] || fail "$name: exit $status: $*"
    quiet err
}

# quiet_input FILE: a FIFO ./in with these bytes, which nobody closes.
quiet_input() {
    exec 7>&-
    rm -f in
    mkfifo in
    exec 7<>in
    cat "$1" >&7
}

# --- following -------------------------------------------------------------------------------------
for file in five.fls rotated.fls; do
    gone "follow $file" "$flatstream" tail -f -n 0 $file
    takes=1 gone "follow $file, which has printed" "$flatstream" tail -f -n +0 $file
done
gone "follow what is not there yet" "$flatstream" tail -f not-yet.fls
gone "follow what has no frame yet" "$flatstream" tail -f nothing
gone "follow behind half a frame" "$flatstream" tail -f -n 0 inside.fls

# --- quiet inputs ----------------------------------------------------------------------------------
for input in nothing five.fls inside.fls inside_large.fls; do
    for verb in cat verify info tail "recover --full" "convert -o -" "slice --from 0 -o -" \
        "salvage -o -" "select --schema $data/zoo.bfbs"; do
        quiet_input $input
        # shellcheck disable=SC2086 # words are meant
        gone "$verb, $input" "$flatstream" $verb - <in
    done
    quiet_input $input
    gone "cat of a FIFO, $input" "$flatstream" cat in
done
for form in lines sized; do
    quiet_input lines
    gone "write $form" "$flatstream" write --from $form -o - <in
    quiet_input lines
    gone "write $form from a FIFO" "$flatstream" write --from $form -o - in
    quiet_input lines
    gone "write --async" "$flatstream" write --async --from $form -o - <in
done
quiet_input five.fstrm
gone "convert --from fstrm" "$flatstream" convert --from fstrm -o - - <in
# A FIFO that no one writes yet does not hold it up, either.
for verb in cat "write -o -" verify; do
    rm -f alone
    mkfifo alone
    # shellcheck disable=SC2086
    gone "$verb of a FIFO without a writer" "$flatstream" $verb alone
done
# --- a replay that waits for its next moment ---------------------------------------------------------
if command -v flatc >/dev/null; then
    cat >tick.fbs <<'END'
table Tick { t:ulong; }
root_type Tick;
END
    printf '{"t":1}\n{"t":1000000000000}\n' |
        "$flatstream" write -o ticks.fls --from jsonl --schema tick.fbs 2>err &&
        gone "replay" "$flatstream" replay ticks.fls - --key t --schema tick.fbs
fi

# --- an output that is a FIFO by its name, whose reader goes -----------------------------------------
quiet_input lines
rm -f out.fifo
mkfifo out.fifo
head -c 1 out.fifo >/dev/null &
timeout $bound "$flatstream" write -o out.fifo <in 2>err
got=$?
wait $!
[ $got = 3 ] || fail "write to a FIFO: exit $got"
says err '^flatstream: out.fifo: Broken pipe'

# --- a socket --------------------------------------------------------------------------------------
if command -v python3 >/dev/null; then
    python3 - "$flatstream" $bound <<'END' || fail "a socket whose other end was closed"
import socket, subprocess, sys
ours, theirs = socket.socketpair()
follower = subprocess.Popen([sys.argv[1], "tail", "-f", "-n", "+1", "five.fls"], stdout=theirs)
theirs.close()
assert ours.recv(100)
ours.close()
sys.exit(follower.wait(timeout=int(sys.argv[2])) != -13)
END
fi

# --- what is no output of theirs ends nothing --------------------------------------------------------
quiet_input lines
(timeout $bound "$flatstream" write -o kept.fls <in 7>&-; echo $? >rc) 7>&- | true &
for _ in $(seq 1 500); do [ -s kept.fls ] && break; sleep 0.02; done
echo c >&7
exec 7>&-
wait
[ "$(cat rc)" = 0 ] || fail "a recorder ended with standard output's reader: exit $(cat rc)"
same <("$flatstream" cat kept.fls) <(printf 'a\nb\nc\n')
# --- signals end the same waits, and leave nothing behind ---------------------------------------------
mkdir -p made
# sleeps PID: it does, soon.
sleeps() {
    for _ in $(seq 1 500); do
        case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in S*) return ;; esac
        sleep 0.02
    done
}
# ended PID: its exit status, also when it has to be killed.
ended() {
    for _ in $(seq 1 1000); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.02
    done
    kill -KILL "$1" 2>/dev/null
    wait "$1"
}
for input in five.fls inside.fls; do
    for verb in convert "slice --from 0" "split --count 2" recover salvage; do
        quiet_input $input
        # shellcheck disable=SC2086
        "$flatstream" $verb -o made/out - <in >out 2>err &
        sleeps $!
        kill -TERM $!
        ended $!
        got=$?
        [ $got = 143 ] || fail "$verb: exit $got"
        [ -z "$(ls made)" ] || fail "$verb left $(ls made)"
    done
done
exec 7>&-
finish
