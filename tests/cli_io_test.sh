#!/bin/bash
# The ways of `flatstream write` to its output: --io uring, --direct, --async. The bytes, the exit
# statuses and the messages are those of the plain way. Run by ctest with FLATSTREAM.
FLS_SCRATCH_IN=/var/tmp
. "$(dirname "$0")/cli_support.sh"

seq 1 200000 >lines.txt
head -c 3000000 /dev/urandom >blob
expect 0 "$flatstream" write -o plain.fls lines.txt
expect 0 "$flatstream" write -o plain-blob.fls --from files blob lines.txt blob

# What the system lets us do decides which ways are tried; a build without io_uring has a warning.
ways=("--async")
expect 0 "$flatstream" write -o uring.fls --io uring lines.txt
same uring.fls plain.fls
if [ -s err ]; then
    says err 'io_uring.*written without'
    [ "$(wc -l <err)" = 1 ] || fail "more than a warning"
    expect 3 "$flatstream" write -o direct.fls --replace --io uring --direct lines.txt
    says err 'io_uring'
else
    ways+=("--io uring" "--io uring --async")
    "$flatstream" write -o direct.fls --replace --io uring --direct lines.txt 2>err
    case $? in
    0) ways+=("--io uring --direct" "--io uring --direct --async") ;;
    3) says err 'O_DIRECT' ;;
    *) fail "--direct" ;;
    esac
fi

# --- the same bytes ---------------------------------------------------------------------------------
for way in "${ways[@]}"; do
    # shellcheck disable=SC2086 # a way is words
    for checksum in none crc16 crc32 xxh3; do
        "$flatstream" write -o want.fls --replace --checksum $checksum lines.txt
        expect 0 "$flatstream" write -o got.fls --replace $way --checksum $checksum lines.txt
        same got.fls want.fls
        [ -s err ] && fail "$way is not quiet"
    done
    # shellcheck disable=SC2086
    {
        expect 0 "$flatstream" write -o got.fls --replace $way --from files blob lines.txt blob
        same got.fls plain-blob.fls
        expect 0 "$flatstream" write -o got.fls --replace $way --batch 3 - <lines.txt
        same got.fls plain.fls
        expect 0 "$flatstream" write -o got.fls --replace $way /dev/null
        [ -s got.fls ] && fail "$way: not empty"
        (cat lines.txt && sleep 0.2 && cat blob | base64) >slow.txt
        "$flatstream" write -o want.fls --replace slow.txt
        (cat lines.txt && sleep 0.2 && cat blob | base64) | "$flatstream" write -o got.fls --replace $way
        same got.fls want.fls
        # behind what is there, repaired or not
        head -n 777 lines.txt | "$flatstream" write -o got.fls --replace
        tail -n +778 lines.txt | "$flatstream" write -o got.fls --append $way
        same got.fls plain.fls
        head -c 500001 plain.fls >got.fls
        expect 1 "$flatstream" write -o got.fls --append $way lines.txt
        expect 0 "$flatstream" write -o got.fls --append --repair $way lines.txt
        expect 0 "$flatstream" verify got.fls
    }
done

# --- one byte, odd sizes, long files: no zeros behind, none within --------------------------------
head -c 1 blob >one
head -c 4084 blob >page # with its header one page
cat blob blob >long
base64 long >long.txt
for _ in 1 2 3 4 5 6 7 8; do cat long.txt; done >longer.txt
"$flatstream" write -o long.fls long.txt
"$flatstream" write -o longer.fls longer.txt
for way in "${ways[@]}"; do
    # shellcheck disable=SC2086
    for inputs in one page "page one" "one page" long "long one long" "/dev/null one"; do
        "$flatstream" write -o want.fls --replace --from files $inputs
        expect 0 "$flatstream" write -o got.fls --replace $way --from files $inputs
        same got.fls want.fls
        expect 0 "$flatstream" write -o got.fls --append $way --from files long one
        "$flatstream" write -o want.fls --append --from files long one
        same got.fls want.fls
    done
    # shellcheck disable=SC2086
    {
        # a limit that the file is not to be made longer than ahead of time, and no more
        expect 3 bash -c "ulimit -f 6000; trap '' XFSZ; '$flatstream' write -o got.fls --replace $way long.txt"
        says err 'whole in the file'
        expect 0 "$flatstream" verify got.fls
        bytes=$(stat -c %s got.fls)
        cmp -s -n "$bytes" got.fls long.fls || fail "$way: not a prefix"
        expect 0 bash -c "ulimit -f $(($(stat -c %s long.fls) / 1024 + 1)); '$flatstream' write -o got.fls --replace $way long.txt"
        same got.fls long.fls
        # killed: what is intact is whole, and the zeros behind it are taken for torn
        "$flatstream" write -o got.fls --replace $way longer.txt 2>err &
        writer=$!
        sleep 0.2
        kill -9 $writer 2>err
        wait $writer 2>err
        if [ -s got.fls ]; then
            "$flatstream" recover --zero-tail -o saved.fls got.fls >out 2>err
            expect 0 "$flatstream" verify saved.fls
            cmp -s -n "$(stat -c %s saved.fls)" saved.fls longer.fls || fail "$way: saved something else"
            rm saved.fls
        fi
    }
done

# --- wrong usage ------------------------------------------------------------------------------------
expect 2 "$flatstream" write -o got.fls --io fast lines.txt
expect 2 "$flatstream" write -o got.fls --direct lines.txt
says err 'goes with --io uring'
expect 2 "$flatstream" write -o - --io uring lines.txt
says err 'regular file'
expect 2 "$flatstream" write -o got.fls --async --framer vectored lines.txt
if [ ${#ways[@]} -gt 1 ]; then
    expect 2 "$flatstream" write -o /dev/null --io uring lines.txt
    says err 'regular file'
fi

# is_drained: what was written to descriptor 9, a pipe, has been read.
is_drained() {
    python3 -c 'import array, fcntl, sys, termios
left = array.array("i", [1])
fcntl.ioctl(9, termios.FIONREAD, left)
sys.exit(left[0] != 0)'
}

# --- what fails, fails the same way -----------------------------------------------------------------
for way in "${ways[@]}"; do
    # shellcheck disable=SC2086
    {
        printf '\003\000\000\000abc\011\000\000\000de' >torn
        expect 1 "$flatstream" write -o got.fls --replace --from sized $way torn
        says err 'messages before it were written'
        expect 0 "$flatstream" cat got.fls
        [ "$(cat out)" = abc ] || fail "$way: not the message before"
        expect 1 "$flatstream" write -o got.fls --replace --max-frame 5 $way lines.txt
        says err 'messages before it were written'
        [ "$("$flatstream" cat got.fls | tail -n 1)" = 99999 ] || fail "$way: not all before"
        # no room: whole frames are left, and --append goes on
        for blocks in 1 300 777; do
            expect 3 bash -c "ulimit -f $blocks; trap '' XFSZ; '$flatstream' write -o got.fls --replace $way lines.txt"
            says err 'whole in the file'
            expect 0 "$flatstream" verify got.fls
            [ "$(stat -c %s got.fls)" -le $((blocks * 1024)) ] || fail "$way: too large"
            [ "$(stat -c %s got.fls)" -gt 0 ] || fail "$way: nothing is left"
            cmp -s -n "$(stat -c %s got.fls)" got.fls plain.fls || fail "$way: not a prefix"
            expect 0 "$flatstream" write -o got.fls --append $way lines.txt
            expect 0 "$flatstream" verify got.fls
        done
        # what was there before is never touched
        head -n 50000 lines.txt | "$flatstream" write -o got.fls --replace
        cp got.fls before.fls
        expect 3 bash -c "ulimit -f 800; trap '' XFSZ; '$flatstream' write -o got.fls --append $way lines.txt"
        says err 'whole in the file'
        cmp -s -n "$(stat -c %s before.fls)" got.fls before.fls || fail "$way: what was there"
        expect 0 "$flatstream" verify got.fls
        # a signal: what was read is written, whole
        mkfifo input
        "$flatstream" write -o got.fls --replace $way input 2>err &
        writer=$!
        exec 9>input
        cat lines.txt >&9
        until_true is_drained
        kill -INT $writer
        wait $writer
        [ $? = 130 ] || fail "$way: not 130"
        exec 9>&-
        rm input
        says err 'interrupted: 200000 messages were written, and are whole'
        same got.fls plain.fls
    }
done

# --- to a pipe, whose reader may go away ------------------------------------------------------------
"$flatstream" write -o - --async lines.txt | cmp -s - plain.fls || fail "--async to a pipe"
"$flatstream" write -o - --async lines.txt 2>err | head -c 1000 >/dev/null
[ "${PIPESTATUS[0]}" = 141 ] || fail "--async without a reader"
[ -s err ] && fail "not silent"
expect 3 "$flatstream" write -o /dev/full --async lines.txt
says err 'No space left'

echo "ways: ${ways[*]}"
finish
