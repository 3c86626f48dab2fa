#!/bin/bash
# Schemas that cannot be used, and messages that are not of the schema's kind: told in every verb that
# reads messages by a schema. Run by ctest with FLATSTREAM (the command's path) and SOURCE_DIR.
. "$(dirname "$0")/cli_support.sh"
data=${SOURCE_DIR:?}/tests/data

body='table M { n:int; t_ns:long; s:string; } table Other { n:int; t_ns:long; s:string; } root_type M;'
echo "$body file_identifier \"GOOD\";" >good.fbs
echo "$body file_identifier \"EVIL\";" >evil.fbs
echo "$body" >plain.fbs
for i in 1 2 3; do echo "{\"n\":$i,\"t_ns\":$i,\"s\":\"s$i\"}"; done >m.jsonl
"$flatstream" write -o good.fls --from jsonl --schema good.fbs m.jsonl 2>err || {
    echo "cli_identifier_test: no JSON in this build: nothing to test"
    exit 0
}
"$flatstream" write -o evil.fls --from jsonl --schema evil.fbs m.jsonl
"$flatstream" write -o plain.fls --from jsonl --schema plain.fbs m.jsonl

# Writing by the schema puts it there.
expect 0 "$flatstream" cat --as raw --count 1 good.fls
[ "$(dd if=out bs=1 skip=4 count=4 status=none)" = GOOD ] || fail "the identifier is not in the message"

# verbs FILE STATUS [OPTION]...: what each verb that reads messages by the schema ends with
verbs() {
    local file=$1 status=$2 verb
    shift 2
    for verb in "cat --as json" "tail --as json" verify info select "select --trusted --fields n" \
        "select --where n>2 --as fls" "select --fields n --as csv" "index --key t_ns" \
        "slice --by time --key t_ns --from 2 -o -" "merge --key t_ns -o -" "split --by n -o part"; do
        rm -f part-*
        # shellcheck disable=SC2086
        expect "$status" "$flatstream" $verb --schema good.fbs "$@" "$file"
        [ "$status" = 0 ] && quiet err
    done
    rm -f copy.fls ./*.idx
    expect "$status" timeout 20 "$flatstream" replay --key t_ns --schema good.fbs "$@" "$file" copy.fls
}
verbs good.fls 0
for file in evil.fls plain.fls; do
    verbs $file 1
    verbs $file 0 --no-identifier
    verbs $file 0 --root Other
    expect 1 "$flatstream" verify --schema good.fbs $file
    says err 'frame 0 at byte 0: .*the file identifier is not "GOOD" \(--no-identifier'
    expect 1 "$flatstream" select --schema good.fbs $file
    says err '3 messages were passed over; .*identifier is not "GOOD"'
    quiet out
    expect 1 "$flatstream" select --schema good.fbs --where 'n > 100' $file
    says err '3 messages were passed over'
    expect 1 "$flatstream" info --json --schema good.fbs $file
    says out '"invalid":3,"first_invalid":{"kind":"validation_failed","frame":0,.*identifier'
done
# What has no room for one.
printf 'tiny\n' >tiny.txt
expect 0 "$flatstream" write -o tiny.fls tiny.txt
expect 1 "$flatstream" verify --schema good.fbs tiny.fls
says err 'identifier'
# Salvage tells frames by it, where checksums do not.
expect 0 "$flatstream" write -o none.fls --checksum none --from jsonl --schema evil.fbs m.jsonl
"$flatstream" salvage none.fls --checksum none --schema good.fbs -o - >out 2>err
quiet out
expect 0 "$flatstream" salvage none.fls --checksum none --schema evil.fbs -o saved.fls
same none.fls saved.fls

# --- schemas -----------------------------------------------------------------------------------
cp good.fbs text.bfbs
: >empty.bfbs
head -c 300 /dev/urandom >random.bfbs
{ cat good.fbs; printf '\0'; } >zero.fbs
for file in text.bfbs empty.bfbs random.bfbs zero.fbs; do
    for verb in "cat --as json" verify info select "write -o new.fls --from jsonl"; do
        # shellcheck disable=SC2086
        expect 2 "$flatstream" $verb --schema $file good.fls
        says err "$file: .*not a binary schema: .*flatc --schema --binary"
    done
done
[ ! -e new.fls ] || fail "a schema that is none made a stream"
# A type of a later version of the format: found by trying each byte that may be one.
checks=$((checks + 1))
python3 - "$flatstream" "$data/zoo.bfbs" <<'PY' || fail "an unsupported schema is not wrong usage"
import subprocess, sys
whole = open(sys.argv[2], "rb").read()
seen = 0
for at in range(len(whole)):
    if whole[at] not in (13, 14, 15) or seen > 3:
        continue
    open("later.bfbs", "wb").write(whole[:at] + b"\x12" + whole[at + 1:])
    run = subprocess.run([sys.argv[1], "verify", "--schema", "later.bfbs", "plain.fls"], capture_output=True)
    if b"later" in run.stderr.replace(b"later.bfbs", b"") or b"support" in run.stderr:
        seen += 1
        if run.returncode != 2:
            sys.exit(run.stderr.decode())
    elif run.returncode == 3:
        sys.exit(run.stderr.decode())
sys.exit(seen == 0)
PY
finish
