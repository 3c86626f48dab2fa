#!/bin/bash
# A recorder that meets a limit, or a full disk: the frame and the byte that its error names are
# those at which the file ends, whatever way it was written, and `write --append` goes on there.
# Run by ctest with FLATSTREAM.
. "$(dirname "$0")/cli_support.sh"

seq 1 60000 >lines.txt
seq 1 1000 >first.txt
trap '' XFSZ

# ends_where_it_says OPTION...: into a file that has 1,000 frames already, and may not grow past
# 100 KiB
ends_where_it_says() {
    checks=$((checks + 1))
    rm -f out.fls
    "$flatstream" write -o out.fls first.txt || fail "write first.txt"
    (ulimit -f 100 && "$flatstream" write -o out.fls --append "$@" lines.txt 2>err)
    [ $? = 3 ] || fail "exit status not 3: $*"
    said=$(sed -n 's/.*frame \([0-9]*\) at byte \([0-9]*\):.*/\1 \2/p' err | head -1)
    found=$("$flatstream" verify --json out.fls |
        sed -n 's/.*"frames":\([0-9]*\).*"good_offset":\([0-9]*\).*/\1 \2/p')
    [ -n "$said" ] && [ "$said" = "$found" ] || fail "said '$said', found '$found': $*: $(cat err)"
}

for framer in batched vectored; do
    ends_where_it_says --framer $framer
    ends_where_it_says --framer $framer --io uring
done
ends_where_it_says --async
ends_where_it_says --async --io uring
ends_where_it_says --batch 3 --io uring
if "$flatstream" write -o direct.fls --io uring --direct first.txt 2>/dev/null; then
    ends_where_it_says --io uring --direct
    ends_where_it_says --io uring --direct --async
else
    echo "skipped: --direct is refused here"
fi

finish
