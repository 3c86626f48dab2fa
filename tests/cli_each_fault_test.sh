#!/bin/bash
# Every allocation, write, sync, renaming and closing of every verb fails in turn. Exit status 0
# comes only with the whole, right output; nothing crashes or hangs; a file that a verb makes from
# others is whole, or all is as it was. FLS_CHECK=1: with the large schema where JSON is read, too.
# Run by ctest with FLATSTREAM, FAULTS and SOURCE_DIR.
[ ! -w /dev/shm ] || FLS_SCRATCH_IN=${FLS_SCRATCH_IN:-/dev/shm} # thousands of syncs
. "$(dirname "$0")/cli_support.sh"
[ -z "${SANITIZE:-}" ] || {
    echo "skipped: a sanitizer has its own malloc"
    exit 77
}

# --- what is worked with ---------------------------------------------------------------------------
seq -f 'message %06.0f' 1 60 >lines
awk 'BEGIN { for (i = 0; i < 60; i++) printf "%05d %0*d\n", i, i % 4 == 3 ? 9000 : 300, 0 }' >mixed
"$flatstream" write -o in.fls lines || exit 1
"$flatstream" write -o m.fls mixed || exit 1
"$flatstream" write -o seg.fls --rotate-messages 25 lines || exit 1
{ head -c 700 in.fls; printf 'damaged!'; tail -c +709 in.fls; } >damaged.fls
head -c 700 in.fls >torn.fls
cp torn.fls out.fls # what is there already
cp in.fls ix.fls
"$flatstream" index ix.fls >/dev/null || exit 1
zoo=$SOURCE_DIR/tests/data/zoo.bfbs
"$flatstream" write -o zoo.fls --from files "$SOURCE_DIR"/tests/data/zoo{,-small}.bin || exit 1
echo '{"name":"a","i64":3,"needed":"n"}' >zoo.jsonl
# Defaults of many digits, and values that are what is left of them when the last are lost.
printf 'table T { a: int = 7; b: double = 3.141592653589793; c: string; }\nroot_type T;\n' >t.fbs
printf '{"b":%s}\n' 3.1415926535897 3.14159265358979 >t.jsonl
has_json=
"$flatstream" write -o j.fls --from jsonl --schema t.fbs t.jsonl 2>err && has_json=1
cp "$zoo" .

# cases NAME KEPT: a line of a file of cases for each line of standard input; KEPT is there before.
cases() {
    sed "s/^/$2\t/" >>"$1"
}
segments=seg-000001.fls,seg-000002.fls,seg-000003.fls

# --- all verbs, with the options that take memory of their own -------------------------------------
cases nomem - <<'END'
write -o o.fls IN/mixed
write -o o.fls --async IN/mixed
write -o o.fls --io uring IN/mixed
write -o o.fls --framer vectored IN/mixed
write -o o.fls --index IN/mixed
write -o o.fls --rotate-messages 20 IN/mixed
write -o o.fls --from files IN/lines IN/mixed
cat IN/m.fls
cat --as hex --from 3 IN/in.fls
cat IN/seg.fls
tail -n 5 IN/in.fls
tail -n 5 IN/seg.fls
info --json IN/ix.fls
info --plot o.svg IN/in.fls
verify IN/in.fls
verify --json IN/seg.fls
verify --json IN/damaged.fls
recover --json IN/torn.fls
recover IN/torn.fls -o o.fls
salvage IN/damaged.fls -o o.fls
salvage IN/damaged.fls -o - --json
index --check IN/ix.fls
slice IN/ix.fls --from 5 --to 50 -o o.fls
slice IN/seg.fls --from 5 --to 50 -o -
split IN/in.fls --count 25 -o o
convert IN/m.fls --to crc32 -o o.fls
convert IN/m.fls --to fstrm -o o.fstrm
END
cases nomem - <<'END'
cat --as json --schema IN/zoo.bfbs IN/zoo.fls
select --schema IN/zoo.bfbs --where i64<3 --fields name,i64 --as csv IN/zoo.fls
info --schema IN/zoo.bfbs --plot-field i64 IN/zoo.fls
verify --schema IN/zoo.bfbs IN/zoo.fls
slice IN/zoo.fls --by time --key i64 --schema IN/zoo.bfbs --from -100 -o o.fls
split IN/zoo.fls --by name --schema IN/zoo.bfbs -o o
merge IN/zoo.fls --key i64 --schema IN/zoo.bfbs -o o.fls
replay --key i64 --schema IN/zoo.bfbs --max-gap 0 IN/zoo.fls o.fls
write -o o.fls --index --key i64 --schema IN/zoo.bfbs --from files IN/m.fls
END
[ -z "$has_json" ] || cases nomem - <<'END'
write -o o.fls --from jsonl --schema IN/t.fbs IN/t.jsonl
END
[ -z "$has_json" ] || [ "${FLS_CHECK:-0}" = 0 ] || cases nomem - <<'END'
write -o o.fls --from jsonl --schema IN/zoo.bfbs IN/zoo.jsonl
END
cases nomem m.fls <<'END'
write -o m.fls --append IN/mixed
write -o m.fls --append --sync each --index IN/mixed
write -o m.fls --replace --io uring IN/lines
slice IN/in.fls --to 9 -o m.fls --replace
index m.fls
END
cases nomem out.fls <<'END'
write -o out.fls --append --repair IN/mixed
write -o out.fls --append --repair --async IN/mixed
write -o out.fls --append --repair --io uring IN/mixed
write -o out.fls --append --repair --sync each IN/lines
write -o out.fls --append --repair --index IN/mixed
recover --truncate out.fls
END
cases nomem $segments <<'END'
index seg.fls
write -o seg.fls --append --index --rotate-messages 20 IN/mixed
write -o seg.fls --append IN/mixed
write -o seg.fls --replace --rotate-messages 20 IN/mixed
split IN/m.fls --count 40 -o seg --replace
END
python3 -B "$SOURCE_DIR/tests/each_fault.py" "$flatstream" "$FAULTS" nomem nomem || fail "see above"

# --- what makes a file from others -----------------------------------------------------------------
cases files - <<'END'
slice IN/in.fls --from 5 --to 50 -o o.fls
convert IN/m.fls --to crc32 -o o.fls
salvage IN/damaged.fls -o o.fls
recover IN/torn.fls -o o.fls
split IN/in.fls --count 25 -o o
info --plot o.svg IN/in.fls
END
cases files out.fls <<'END'
slice IN/in.fls --from 5 --to 50 -o out.fls --replace
convert IN/m.fls --to crc32 -o out.fls --replace
salvage IN/damaged.fls -o out.fls --replace
recover IN/torn.fls -o out.fls --replace
END
cases files $segments <<'END'
split IN/m.fls --count 40 -o seg --replace
END
cases files out.fls <<'END'
merge IN/zoo.fls --key i64 --schema IN/zoo.bfbs -o out.fls --replace
END
python3 -B "$SOURCE_DIR/tests/each_fault.py" "$flatstream" "$FAULTS" files files || fail "see above"

# The same, and signals.
{ grep -v -e '--plot' files; cat <<'END'; } >signals
ix.fls	index ix.fls
-	info --plot o.svg IN/in.fls
END
python3 -B "$SOURCE_DIR/tests/each_fault.py" "$flatstream" "$FAULTS" signals signals || fail "see above"

# --- what is written as it comes -------------------------------------------------------------------
cases live - <<'END'
write -o o.fls IN/mixed
write -o o.fls --async IN/mixed
write -o o.fls --index IN/mixed
write -o o.fls --sync each IN/lines
write -o o.fls --index --rotate-messages 20 IN/lines
write -o o.fls --index --sync 10 --rotate-messages 20 --keep 2 IN/lines
replay --key i64 --schema IN/zoo.bfbs --max-gap 0 IN/zoo.fls o.fls
END
python3 -B "$SOURCE_DIR/tests/each_fault.py" "$flatstream" "$FAULTS" live live || fail "see above"
finish
