#!/bin/bash
# `flatstream replay`: the bytes are those of the recording, the pace is that of its times. Only
# gross failures of the pace are found, unless FLS_CHECK=1 says that the machine is quiet. Run by
# ctest with FLATSTREAM.
. "$(dirname "$0")/cli_support.sh"

# within LOW HIGH: milliseconds; the upper bound is for a quiet machine, else ten seconds more.
within() {
    local ms=$((took / 1000)) most=$(($2 + 10000))
    [ -n "${FLS_CHECK:-}" ] && most=$2
    ((ms >= $1 && ms <= most)) || fail "it took $ms ms, not $1 to $2"
}

cat >t.fbs <<'END'
table Reading { at: ulong; seconds: double; value: int; }
root_type Reading;
END
"$flatstream" write -o probe.fls --from jsonl --schema t.fbs /dev/null 2>err || {
    echo "no JSON in this build: nothing to replay"
    exit 77
}

# 100 messages, 10 ms apart, from a time that no double holds exactly.
for i in $(seq 0 99); do
    echo "{\"at\":$((1700000000123456789 + i * 10000000)),\"seconds\":0.$((i + 100)),\"value\":$i}"
done >lines
"$flatstream" write -o rec.fls --from jsonl --schema t.fbs lines
key=(--key at --schema t.fbs)

# --- pace ------------------------------------------------------------------------------------------
expect 0 "$flatstream" replay "${key[@]}" rec.fls copy.fls --replace
same copy.fls rec.fls
within 990 1300
expect 0 "$flatstream" replay "${key[@]}" --speed 5 rec.fls copy.fls --replace
same copy.fls rec.fls
within 198 400
expect 0 "$flatstream" replay "${key[@]}" --speed 0.5 --checksum xxh3 rec.fls copy.fls --replace
within 1980 2300
expect 0 "$flatstream" replay --key seconds --time-unit s --schema t.fbs rec.fls copy.fls --replace
same copy.fls rec.fls
within 99 400
expect 0 "$flatstream" replay "${key[@]}" --max-gap 0.001 rec.fls copy.fls --replace
within 99 400
expect 0 "$flatstream" replay "${key[@]}" --max-gap 0 rec.fls copy.fls --replace
within 0 200
expect 0 "$flatstream" replay --key at --time-unit us --max-gap 0.01 --schema t.fbs rec.fls copy.fls --replace
within 990 1300

# Each message comes in its time, and what one is late does not move those behind it.
python3 - "$flatstream" replay "${key[@]}" rec.fls - <<'END' || fail "the pace of single messages"
import os, struct, subprocess, sys, time
data, stamps, at = b"", [], 0
replay = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
while True:
    part = os.read(replay.stdout.fileno(), 65536)
    if not part:
        break
    now = time.monotonic()
    data += part
    while len(data) >= at + 12:
        size = struct.unpack_from("<I", data, at)[0]
        if len(data) < at + 12 + size:
            break
        at += 12 + size
        stamps.append(now)
assert replay.wait() == 0 and len(stamps) == 100, len(stamps)
assert len(set(stamps)) > 10, "all at once"
late = [stamp - stamps[0] - 0.010 * i for i, stamp in enumerate(stamps)]
print("late by %.3f to %.3f ms" % (min(late) * 1000, max(late) * 1000))
bound = 0.020 if os.environ.get("FLS_CHECK") else 0.9 # of the second that it takes
assert max(late) < bound and min(late) > -bound, (min(late), max(late))
END

# A file that is being written is not replaced.
if command -v flock >/dev/null; then
    exec 6>>copy.fls
    flock -n 6
    expect 3 "$flatstream" replay "${key[@]}" --max-gap 0 rec.fls copy.fls --replace
    says err 'another writer holds'
    same copy.fls rec.fls
    exec 6>&-
fi

# Out of order, and without a time: at once.
(
    sed -n 1,3p lines
    echo '{"at":1,"value":3}'
    echo '{"value":4}'
    sed -n 4,20p lines
) | "$flatstream" write -o mixed.fls --from jsonl --schema t.fbs
expect 0 "$flatstream" replay "${key[@]}" mixed.fls copy.fls --replace
same copy.fls mixed.fls
within 190 500

# --- ways in and out -------------------------------------------------------------------------------
head -n 50 lines | "$flatstream" write -o s-000001.fls --from jsonl --schema t.fbs
tail -n +51 lines | "$flatstream" write -o s-000002.fls --from jsonl --schema t.fbs
expect 0 "$flatstream" replay "${key[@]}" s.fls copy.fls --replace
same copy.fls rec.fls
within 990 1300
# shellcheck disable=SC2002 # a pipe is meant
cat rec.fls | "$flatstream" replay "${key[@]}" --speed 100 - - >copy.fls
same copy.fls rec.fls
mkfifo pipe
cat pipe >copy.fls &
expect 0 "$flatstream" replay "${key[@]}" --speed 100 rec.fls pipe
wait
same copy.fls rec.fls
"$flatstream" replay "${key[@]}" rec.fls - 2>err | head -c 1 >out
[ "${PIPESTATUS[0]}" = 141 ] || fail "a reader that goes away"

# On a terminal the progress is that of what was sent, not of what was read ahead: it moves.
cat >terminal.py <<'END'
import os, pty, re, subprocess, sys
ours, theirs = pty.openpty()
replay = subprocess.Popen(sys.argv[1:], stderr=theirs)
os.close(theirs)
text = b""
while True:
    try:
        part = os.read(ours, 65536)
    except OSError: # its other end is closed
        break
    if not part:
        break
    text += part
assert replay.wait() == 0, text
percents = [int(p) for p in re.findall(rb"(\d+) %  [^\r]*/s, \d+ s left", text)]
assert len(set(percents)) > 3 and percents == sorted(percents), text
assert 0 < percents[0] < 80 and percents[-1] < 100, percents
END
if has_terminals progress of replay; then
    expect 0 python3 terminal.py "$flatstream" replay "${key[@]}" --speed 0.4 rec.fls copy.fls --replace
    same copy.fls rec.fls
fi

# --- a signal, damage, wrong usage -----------------------------------------------------------------
rm copy.fls
"$flatstream" replay "${key[@]}" --speed 0.1 rec.fls copy.fls 2>err &
replay=$!
until_true test -s copy.fls
kill -TERM $replay
wait $replay
[ $? = 143 ] || fail "the exit status of a signal"
says err 'interrupted: [0-9]+ messages'
expect 0 "$flatstream" verify copy.fls
cmp -s -n "$(stat -c %s copy.fls)" copy.fls rec.fls || fail "not a prefix"
head -c 3000 rec.fls >torn.fls
expect 1 "$flatstream" replay "${key[@]}" --speed 1000 torn.fls copy.fls --replace
says err 'torn.fls: frame'
expect 0 "$flatstream" verify copy.fls
expect 2 "$flatstream" replay "${key[@]}" rec.fls rec.fls
expect 0 "$flatstream" verify rec.fls
expect 2 "$flatstream" replay rec.fls copy.fls
expect 2 "$flatstream" replay "${key[@]}" rec.fls
expect 2 "$flatstream" replay "${key[@]}" --speed 0 rec.fls copy.fls
expect 2 "$flatstream" replay "${key[@]}" --speed x rec.fls copy.fls
expect 2 "$flatstream" replay --key nosuch --schema t.fbs rec.fls copy.fls
expect 3 "$flatstream" replay "${key[@]}" nosuch.fls copy.fls
expect 3 "$flatstream" replay "${key[@]}" rec.fls no/such/folder
[ -e /dev/full ] && {
    expect 3 "$flatstream" replay "${key[@]}" --speed 100 rec.fls /dev/full
    says err 'No space'
}

finish
